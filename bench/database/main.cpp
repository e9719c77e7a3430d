// bench_database: does the database keep its promises when it is large? Loads it, asks the queries
// behind its indexes, runs the sink against COPY and many writers against one counter. See
// README.md.
#include <unistd.h>

#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/common/machine.hpp"
#include "bench/common/results.hpp"
#include "bench/database/options.hpp"
#include "bench/database/report.hpp"
#include "engine/app/version.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"
#include "persistence/private_pg.hpp"

namespace oneclick::bench {
namespace {

constexpr const char* database_name = "platform";
constexpr double follow_seconds = 10;
constexpr int unavailable = 69;  // sysexits: a needed service

template <typename T>
T must(std::expected<T, std::string> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string value(PgQuery& query, const std::string& sql) {
  const auto rows = must(query.rows(sql), sql);
  return rows.empty() ? "" : rows[0][0].value_or("");
}

// As a server of this size would be set: the usual quarter of 16 GB, room between checkpoints.
std::vector<std::string> server_settings(double scale) {
  const bool large = scale >= 0.1;
  return {large ? "shared_buffers=4GB" : "shared_buffers=256MB",
          large ? "max_wal_size=8GB" : "max_wal_size=2GB",
          "maintenance_work_mem=512MB",
          "effective_cache_size=12GB",
          "random_page_cost=1.1",
          "wal_compression=lz4"};
}

class Bench {
 public:
  explicit Bench(const DatabaseOptions& options)
      : options_(options), work_("database", options.work_dir) {}

  DatabaseReport run() {
    report_.commit = std::string(commit());
    report_.machine = machine_text();
    report_.started = utc_text();
    report_.scale = options_.scale;
    load();
    start_server(true);
    const World world = the_world();
    report_.sizes = world.sizes();
    describe();
    say("asking the queries behind the indexes");
    report_.queries = measure_queries(url_, world);
    say("the sink against COPY");
    report_.burst = burst_size();
    report_.rounds = race_sink(world, {.database_url = engine_url(),
                                       .dir = work_.path(),
                                       .size = report_.burst,
                                       .rounds = options_.rounds});
    say("many follow one");
    report_.follows = follow_one(url_, world, options_.judged ? follow_seconds : 1);
    server_->stop();
    return std::move(report_);
  }

 private:
  static void say(const std::string& what) { fmt::print(stderr, "{}\n", what); }

  void start_server(bool durable) {
    std::vector<std::string> settings = server_settings(options_.scale);
    // Its work is done at once at the end of the load.
    if (!durable) settings.emplace_back("autovacuum=off");
    server_ =
        must(PrivatePostgres::start(
                 {.dir = work_.path() + "/postgres", .durable = durable, .settings = settings}),
             "PostgreSQL");
    url_ = server_->url();
    url_.replace(url_.rfind('/') + 1, std::string::npos, database_name);
  }

  // Without waiting for the disk; what is measured afterwards waits for it.
  void load() {
    start_server(false);
    auto admin = must(PgQuery::connect(server_->url()), "PostgreSQL");
    if (value(admin, fmt::format("SELECT count(*) FROM pg_database WHERE datname = '{}'",
                                 database_name)) == "1")
      return stop_server();
    static_cast<void>(must(server_->create_database(database_name), "database"));
    static_cast<void>(must(migrate(url_, {}), "migrate"));
    auto query = must(PgQuery::connect(url_), "database");
    must(query.run(fmt::format("CREATE ROLE bench_engine LOGIN IN ROLE oneclick_engine;"
                               "CREATE TABLE bench_world AS SELECT {}::float8 AS scale,"
                               " {}::bigint AS now_ns, 0::bigint AS rows, 0::float8 AS seconds,"
                               " 0::float8 AS vacuum_seconds",
                               options_.scale, wall_now_ns())),
         "roles");
    say(fmt::format("loading at scale {}", options_.scale));
    const LoadResult loaded = load_world(url_, the_world());
    must(
        query.run(fmt::format("UPDATE bench_world SET rows = {}, seconds = {}, vacuum_seconds = {}",
                              loaded.rows, loaded.seconds, loaded.vacuum_seconds)),
        "bench_world");
    stop_server();
  }

  void stop_server() {
    server_->stop();
    server_.reset();
    ::sync();
  }

  // The database knows what it was made of.
  World the_world() {
    auto query = must(PgQuery::connect(url_), "database");
    const double scale = std::stod(value(query, "SELECT scale FROM bench_world"));
    if (scale != options_.scale)
      throw std::runtime_error(fmt::format("the database in {} is of scale {}, not {}",
                                           work_.path(), scale, options_.scale));
    return {scale, std::stoll(value(query, "SELECT now_ns FROM bench_world"))};
  }

  void describe() {
    auto query = must(PgQuery::connect(url_), "database");
    report_.server =
        fmt::format("PostgreSQL {}, fsync {}, synchronous_commit {}, shared_buffers {}",
                    value(query, "SHOW server_version"), value(query, "SHOW fsync"),
                    value(query, "SHOW synchronous_commit"), value(query, "SHOW shared_buffers"));
    report_.database_bytes =
        std::stoull(value(query, "SELECT pg_database_size(current_database())"));
    const auto load =
        must(query.rows("SELECT rows, seconds, vacuum_seconds FROM bench_world"), "load");
    report_.load = {.rows = std::stoull(load[0][0].value_or("0")),
                    .seconds = std::stod(load[0][1].value_or("0")),
                    .vacuum_seconds = std::stod(load[0][2].value_or("0"))};
    if (report_.load.rows == 0)
      throw std::runtime_error("the load of this database was broken off");
    report_.storage = value(query, "SELECT storage FROM engine.time_series");
  }

  [[nodiscard]] BurstSize burst_size() const {
    return options_.scale >= 0.1 ? BurstSize{.leader_events = 20, .followers = 1'000}
                                 : BurstSize{.leader_events = 4, .followers = 500};
  }

  [[nodiscard]] std::string engine_url() const {
    std::string out = url_;
    const std::size_t user = out.find("//") + 2;
    return out.replace(user, out.find('@') - user, "bench_engine");
  }

  const DatabaseOptions& options_;
  WorkDir work_;
  std::unique_ptr<PrivatePostgres> server_;
  std::string url_;
  DatabaseReport report_{};
};

void keep(const DatabaseOptions& options, const DatabaseReport& report) {
  if (!options.json_file.empty()) write_text(options.json_file, to_json(report));
  if (options.results_dir.empty()) return;
  keep_result(options.results_dir, {.benchmark = "database",
                                    .started = report.started,
                                    .commit = report.commit,
                                    .json = to_json(report),
                                    .table = to_table(report)});
}

int run(int argc, char** argv) {
  const auto options = read_database_options(argc, argv);
  if (!options) {
    fmt::print(options.error().help ? stdout : stderr, "{}", options.error().text);
    return options.error().help ? 0 : 64;
  }
  if (const std::string gone = PrivatePostgres::missing(); !gone.empty()) {
    fmt::print(stderr, "bench_database: {}\n", gone);
    return unavailable;
  }
  try {
    const DatabaseReport report = Bench(*options).run();
    fmt::print("{}", to_table(report));
    keep(*options, report);
    if (!options->judged) return 0;
    const auto wrong = failures(report);
    for (const std::string& line : wrong) fmt::print(stderr, "bench_database: {}\n", line);
    return wrong.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_database: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace oneclick::bench

int main(int argc, char** argv) {
  return oneclick::bench::run(argc, argv);
}
