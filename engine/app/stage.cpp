#include "engine/app/stage.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <ctime>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "engine/app/demo_actors.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t start_timeout_ns = 30'000'000'000;
constexpr std::int64_t look_again_ns = 50'000'000;
constexpr std::int64_t quiet_lasts_ns = 1'000'000'000;

std::unexpected<std::string> failed(std::string what, const std::string& why) {
  return std::unexpected(std::move(what) + ": " + why);
}

Stage::Done write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::trunc);
  out << text;
  out.close();
  if (!out) return failed("cannot write", path.string());
  chmod(path.c_str(), 0600);
  return {};
}

std::string random_hex(std::size_t bytes) {
  std::vector<std::uint8_t> raw(bytes);
  random_bytes(raw);
  return to_hex(raw);
}

// Runs `condition` until it holds, letting the reactor work in between.
template <typename Condition>
bool until(net::Reactor& reactor, std::int64_t timeout_ns, Condition condition) {
  const std::int64_t end = monotonic_now_ns() + timeout_ns;
  for (;;) {
    if (condition()) return true;
    if (monotonic_now_ns() >= end) return false;
    reactor.wait(look_again_ns);
  }
}

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm day{};
  gmtime_r(&now, &day);
  return fmt::format("{:04}-{:02}-{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
}

std::string last_lines(const std::filesystem::path& path, std::size_t bytes) {
  std::ifstream in(path, std::ios::ate);
  if (!in) return {};
  const auto size = static_cast<std::size_t>(in.tellg());
  in.seekg(static_cast<std::streamoff>(size > bytes ? size - bytes : 0));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

std::uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  std::uint16_t port = 0;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    port = ntohs(address.sin_port);
  close(fd);
  return port;
}

Stage::Stage(StageOptions options)
    : options_(std::move(options)), world_(demo::make_world(options_.followers, options_.seed)) {}

Stage::~Stage() = default;

std::expected<std::unique_ptr<Stage>, std::string> Stage::make(StageOptions options) {
  std::unique_ptr<Stage> stage(new Stage(std::move(options)));
  if (const auto done = stage->prepare(); !done) return std::unexpected(done.error());
  return stage;
}

Stage::Done Stage::prepare() {
  std::filesystem::create_directories(options_.dir);
  // PostgreSQL runs as a user of its own when this is root and must be able to pass through.
  chmod(options_.dir.c_str(), 0755);
  master_key_.id = "demo";
  random_bytes(master_key_.bytes);
  admin_token_ = random_hex(16);
  exchange_port_ = free_port();
  ingress_port_ = free_port();
  operations_port_ = free_port();
  const std::string problem =
      net::write_test_certificates(options_.dir.string(), "localhost,127.0.0.1");
  if (!problem.empty()) return failed("certificates", problem);
  if (const auto done = prepare_database(); !done) return done;
  if (const auto done = write_files(); !done) return done;
  auto tls = net::TlsClient::make((options_.dir / "ca.pem").string());
  if (!tls) return failed("certificates", tls.error());
  tls_ = *tls;
  exchange_client_ = net::HttpClient::make(reactor_, tls_, exchange_url(), {});
  operations_client_ = net::HttpClient::make(reactor_, nullptr, operations_url(), {});
  return {};
}

Stage::Done Stage::prepare_database() {
  database_url_ = options_.database_url;
  if (database_url_.empty()) {
    auto started = PrivatePostgres::start({.dir = options_.dir / "postgresql", .durable = true});
    if (!started) return failed("PostgreSQL", started.error());
    database_ = std::move(*started);
    database_url_ = database_->url();
  }
  if (const auto done = migrate(database_url_, {}); !done) return failed("migrate", done.error());
  if (const auto done = demo::write_world(database_url_, world_, master_key_); !done)
    return failed("followers", done.error());
  const auto key = add_api_key(database_url_, world_.bot, "demo bot",
                               {"signals:write", "stream:read"}, std::nullopt);
  if (!key) return failed("API key", key.error());
  bot_token_ = key->token;
  return {};
}

Stage::Done Stage::write_files() {
  const std::string master = master_key_.id + " " + to_base64(master_key_.bytes) + "\n";
  if (const auto done = write_file(options_.dir / "master.key", master); !done) return done;
  if (const auto done = write_file(options_.dir / "paper.toml", exchange_toml()); !done)
    return done;
  return write_file(options_.dir / "oneclick.toml", daemon_toml());
}

net::Url Stage::exchange_url() const {
  return {.scheme = "https",
          .host = "localhost",
          .port = std::to_string(exchange_port_),
          .target = "/"};
}

net::Url Stage::ingress_url(const std::string& scheme, const std::string& target) const {
  return {.scheme = scheme,
          .host = "localhost",
          .port = std::to_string(ingress_port_),
          .target = target};
}

net::Url Stage::operations_url() const {
  return {.scheme = "http",
          .host = "127.0.0.1",
          .port = std::to_string(operations_port_),
          .target = "/"};
}

Stage::Done Stage::start_exchange() {
  auto started = ChildProcess::start(
      {.arguments = {options_.program, "paper", "--config", (options_.dir / "paper.toml").string()},
       .environment = {},
       .output_file = (options_.dir / "paper.log").string()});
  if (!started) return failed("paper exchange", started.error());
  exchange_.emplace(std::move(*started));
  const bool up = until(reactor_, start_timeout_ns, [&] {
    return exchange_->exit_code().has_value() ||
           fetch_text(*exchange_client_, "/api/v3/ping").has_value();
  });
  if (up && !exchange_->exit_code().has_value()) return {};
  return failed("paper exchange does not answer", last_lines(options_.dir / "paper.log", 2'000));
}

Stage::Done Stage::start_daemon() {
  auto started = ChildProcess::start(
      {.arguments = {options_.program, "run", "--config",
                     (options_.dir / "oneclick.toml").string()},
       .environment = {{"ONECLICK_DATABASE_URL", database_url_},
                       {"ONECLICK_MASTER_KEY_FILE", (options_.dir / "master.key").string()}},
       .output_file = daemon_log().string()});
  if (!started) return failed("daemon", started.error());
  daemon_.emplace(std::move(*started));
  return {};
}

Stage::Done Stage::wait_ready(std::int64_t timeout_ns) {
  std::string last = "no answer";
  std::set<AccountId> accounts;
  for (const demo::Link& link : world_.links)
    accounts.insert(world_.followers[link.follower].account);
  const bool ready = until(reactor_, timeout_ns, [&] {
    if (daemon_->exit_code().has_value()) return true;
    const auto answer = fetch_text(*operations_client_, "/readyz");
    last = answer ? *answer : answer.error();
    if (!answer) return false;
    const auto reconciled = metric("oneclick_accounts_reconciled");
    last = fmt::format("{} accounts reconciled", reconciled.value_or(0));
    return reconciled.has_value() && *reconciled >= static_cast<double>(accounts.size());
  });
  if (ready && !daemon_->exit_code().has_value()) return {};
  return failed("daemon not ready: " + last, last_lines(daemon_log(), 3'000));
}

Stage::Done Stage::wait_quiet(std::int64_t timeout_ns, int resting) {
  auto database = PgQuery::connect(database_url_);
  if (!database) return failed("database", database.error());
  std::string last;
  // What was traded a moment ago may not have reached the database at all yet: quiet is what lasts.
  std::int64_t quiet_since_ns = 0;
  const bool quiet = until(reactor_, timeout_ns, [&] {
    const auto rows = database->rows(
        "SELECT (SELECT coalesce(sum(links_matched), 0) FROM engine.leader_events), "
        "(SELECT count(*) FROM engine.copy_outcomes), "
        "(SELECT count(*) FROM trades WHERE status IN ('pending', 'partially_filled'))");
    if (!rows) return false;
    const PgRow& r = rows->front();
    const auto lag = metric("oneclick_sink_lag_records");
    last = fmt::format(
        "{} links matched, {} outcomes, {} orders pending, {} records not yet in the database",
        r[0].value_or(""), r[1].value_or(""), r[2].value_or(""), lag.value_or(-1));
    if (r[0] != r[1] || r[2] != std::to_string(resting) || lag != 0.0) {
      quiet_since_ns = 0;
      return false;
    }
    if (quiet_since_ns == 0) quiet_since_ns = monotonic_now_ns();
    return monotonic_now_ns() - quiet_since_ns >= quiet_lasts_ns;
  });
  if (quiet) return {};
  return failed("not quiet in time", last);
}

void Stage::kill_daemon() {
  daemon_->signal(SIGKILL);
  static_cast<void>(daemon_->wait(start_timeout_ns));
}

std::optional<int> Stage::stop_daemon(std::int64_t timeout_ns) {
  daemon_->signal(SIGTERM);
  return daemon_->wait(timeout_ns);
}

std::expected<std::string, std::string> Stage::fetch_text(net::HttpClient& client,
                                                          const std::string& target) {
  net::HttpRequest request;
  request.target = target;
  request.timeout_ns = 5'000'000'000;
  const auto response = demo::fetch(reactor_, client, std::move(request));
  if (!response) return std::unexpected(response.error());
  if (response->status != 200)
    return std::unexpected(fmt::format("{} {}", response->status, response->body));
  return response->body;
}

std::optional<double> Stage::metric(const std::string& name_and_labels) {
  const auto text = fetch_text(*operations_client_, "/metrics");
  if (!text) return std::nullopt;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string_view line(text->data() + at, end - at);
    at = end + 1;
    if (!line.starts_with(name_and_labels) || line.size() <= name_and_labels.size()) continue;
    const char next = line[name_and_labels.size()];
    if (next != ' ' && next != '{') continue;
    double value = 0;
    const std::string_view number = line.substr(line.rfind(' ') + 1);
    std::from_chars(number.data(), number.data() + number.size(), value);
    return value;
  }
  return std::nullopt;
}

std::expected<net::HttpResponse, std::string> Stage::exchange_admin(const std::string& method,
                                                                    const std::string& target,
                                                                    const std::string& body) {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  request.body = body;
  request.headers = {{"Authorization", "Bearer " + admin_token_},
                     {"Content-Type", "application/json"}};
  return demo::fetch(reactor_, *exchange_client_, std::move(request));
}

Stage::Done Stage::dump_ledger(const std::string& path) {
  const auto response = exchange_admin("GET", "/admin/ledger", "");
  if (!response) return failed("ledger", response.error());
  if (response->status != 200)
    return failed("ledger", fmt::format("{} {}", response->status, response->body));
  return write_file(path, response->body);
}

std::expected<Stage::BooksResult, std::string> Stage::compare_books() {
  const std::string ledger = (options_.dir / "ledger.json").string();
  const std::filesystem::path output = options_.dir / "books.json";
  if (const auto done = dump_ledger(ledger); !done) return std::unexpected(done.error());
  std::filesystem::remove(output);
  auto child = ChildProcess::start({.arguments = {options_.program, "books", "--ledger", ledger},
                                    .environment = {{"ONECLICK_DATABASE_URL", database_url_}},
                                    .output_file = output.string()});
  if (!child) return std::unexpected(child.error());
  const auto code = child->wait(120'000'000'000);
  if (!code) return std::unexpected("the comparison of the books did not end");
  std::ifstream in(output);
  std::string json(std::istreambuf_iterator<char>(in), {});
  return BooksResult{.exit_code = *code, .json = std::move(json)};
}

std::string Stage::daemon_toml() const {
  const std::string dir = options_.dir.string();
  std::map<std::string, std::map<std::string, std::string>> sections{
      {"engine",
       {{"data_dir", quoted(dir + "/journal")},
        {"shards", std::to_string(options_.shards)},
        {"mode", quoted(options_.engine_mode)},
        {"durability", quoted(options_.durability)},
        {"control_socket", quoted(dir + "/control.sock")}}},
      {"journal", {}},
      {"database", {}},
      {"market", {{"store_interval_ms", "1000"}}},
      {"vault", {}},
      {"ingress",
       {{"listen", quoted(fmt::format("127.0.0.1:{}", ingress_port_))},
        {"tls_certificate_file", quoted(dir + "/cert.pem")},
        {"tls_key_file", quoted(dir + "/key.pem")}}},
      {"operations", {{"listen", quoted(fmt::format("127.0.0.1:{}", operations_port_))}}},
      {"venues.binance",
       {{"rest_url", quoted(fmt::format("https://localhost:{}", exchange_port_))},
        {"ws_api_url", quoted(fmt::format("wss://localhost:{}/ws-api/v3", exchange_port_))},
        {"stream_url", quoted(fmt::format("wss://localhost:{}", exchange_port_))},
        {"ca_file", quoted(dir + "/ca.pem")},
        {"symbols", R"(["BTC/USDT", "ETH/USDT"])"},
        // The paper exchange answers for what it has at once: absence is proven sooner than on a
        // venue.
        {"absence_proof_ms", "2000"}}},
      {"usd_pegs.USDT", {{"rate", quoted("1.0")}, {"as_of", quoted(today())}}},
      {"log", {}}};
  for (const auto& [key, value] : options_.engine_overrides) {
    const std::size_t dot = key.rfind('.');
    sections[key.substr(0, dot)][key.substr(dot + 1)] = value;
  }
  std::string out;
  for (const auto& [section, keys] : sections) {
    out += fmt::format("[{}]\n", section);
    for (const auto& [key, value] : keys) out += fmt::format("{} = {}\n", key, value);
    out += "\n";
  }
  return out;
}

std::string Stage::exchange_toml() const {
  const std::string dir = options_.dir.string();
  std::string out = fmt::format(
      "[exchange]\nlisten = \"127.0.0.1:{}\"\ncertificate_file = \"{}/cert.pem\"\nkey_file = "
      "\"{}/key.pem\"\n"
      "admin_token = \"{}\"\nreplay_speed = \"{}\"\n\n",
      exchange_port_, dir, dir, admin_token_, options_.replay_speed);
  // A thousand accounts are read back within seconds, and again after every restart: a real venue's
  // budget would spread that over minutes. The engine obeys whatever limits the exchange states.
  out +=
      "[limits]\nweight_per_minute = 100000000\nraw_per_five_minutes = 100000000\n"
      "orders_per_ten_seconds = 1000\n\n";
  for (const auto& [symbol, file, step] : {std::tuple{"BTC/USDT", "btcusdt_1s.csv", "0.00001"},
                                           std::tuple{"ETH/USDT", "ethusdt_1s.csv", "0.0001"}})
    out += fmt::format(
        "[[symbols]]\nsymbol = \"{}\"\ntick = \"0.01\"\nnotional_min = \"5\"\nstep = "
        "\"{}\"\nquantity_min = \"{}\"\nfigures_file = \"{}\"\n\n",
        symbol, step, step, (options_.market_dir / file).string());
  return out + demo::paper_accounts_toml(world_) + options_.extra_paper_toml;
}

}  // namespace oneclick
