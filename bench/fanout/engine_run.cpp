#include "bench/fanout/engine_run.hpp"

#include <signal.h>
#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/common/machine.hpp"
#include "bench/fanout/engine_world.hpp"
#include "bench/fanout/parties.hpp"
#include "bench/fanout/senders.hpp"
#include "connectors/net/http_client.hpp"
#include "engine/app/demo_actors.hpp"
#include "engine/app/process.hpp"
#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/crypto.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"
#include "persistence/private_pg.hpp"

namespace oneclick::bench {

namespace {

constexpr std::int64_t ready_ns_max = 120'000'000'000;
constexpr std::int64_t quiet_ns_max = 120'000'000'000;
constexpr std::int64_t look_again_ns = 50'000'000;
constexpr int engine_core = 0;

using Done = std::expected<void, std::string>;

Done write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::trunc);
  out << text;
  out.close();
  if (!out) return std::unexpected("cannot write " + path.string());
  chmod(path.c_str(), 0600);
  return {};
}

std::string end_of(const std::filesystem::path& path) {
  constexpr std::size_t bytes = 3'000;
  std::ifstream in(path);
  const std::string all(std::istreambuf_iterator<char>(in), {});
  return all.size() > bytes ? all.substr(all.size() - bytes) : all;
}

std::string random_uuid_text() {
  std::array<std::uint8_t, 16> bytes;
  random_bytes(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  return Uuid::from_bytes(bytes.data()).to_text();
}

// Sum over all series of a metric; nothing when there is none.
std::optional<double> sum_of(std::string_view text, std::string_view name) {
  std::optional<double> sum;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(name) || line.size() <= name.size()) continue;
    if (line[name.size()] != ' ' && line[name.size()] != '{') continue;
    const std::string_view number = line.substr(line.rfind(' ') + 1);
    double value = 0;
    std::from_chars(number.data(), number.data() + number.size(), value);
    sum = sum.value_or(0) + value;
  }
  return sum;
}

class Daemon final : public EngineRun {
 public:
  Daemon(const EngineOptions& options, Receiver& receiver)
      : options_(options), dir_(options.dir), receiver_(receiver) {
    for (const std::size_t size : options.sizes) accounts_ += size;
  }
  ~Daemon() override { go_on(); }  // a halted process would not hear its end

  Done start() {
    if (const std::string missing = PrivatePostgres::missing(); !missing.empty())
      return std::unexpected(missing);
    if (const auto done = start_database(); !done) return done;
    if (const auto done = write_files(); !done) return done;
    auto started = ChildProcess::start(
        {.arguments = {options_.program, "run", "--config", (dir_ / "oneclick.toml").string()},
         .environment = {{"ONECLICK_DATABASE_URL", database_->url()},
                         {"ONECLICK_MASTER_KEY_FILE", (dir_ / "master.key").string()}},
         .output_file = (dir_ / "daemon.log").string()});
    if (!started) return std::unexpected(started.error());
    process_.emplace(std::move(*started));
    operations_ = net::HttpClient::make(reactor_, nullptr,
                                        {.scheme = "http",
                                         .host = "127.0.0.1",
                                         .port = std::to_string(operations_port_),
                                         .target = "/"},
                                        {});
    if (const auto done = wait_ready(); !done) return done;
    ingress_ = std::make_unique<Line>((dir_ / "ca.pem").string(), ingress_port_, "/v1/stream",
                                      "Authorization: Bearer " + token_ + "\r\n");
    return {};
  }

  std::expected<std::int64_t, std::string> trade(std::size_t size_index) override {
    const std::string message = fmt::format(
        R"({{"op":"leader_trade","id":"{}","user_id":"{}","exchange_name":"binance","side":"buy",)"
        R"("asset_symbol":"{}","quantity":"0.02","price":"{}"}})",
        random_uuid_text(), world_.leaders[size_index].to_text(), symbol, ask_text);
    std::string frame(message.size() + 14, '\0');
    frame.resize(write_masked(frame.data(), message, 0x2545f491));
    outcomes_expected_ += options_.sizes[size_index];
    ++events_;
    unanswered_ = true;
    const std::int64_t now = monotonic_now_ns();
    ingress_->write(frame.data(), frame.size());
    return now;
  }

  Done wait_quiet() override {
    if (unanswered_) {
      const std::string answer = ingress_->read_message();
      if (answer.find("\"accepted\"") == std::string::npos) return std::unexpected(answer);
      unanswered_ = false;
    }
    std::string last;
    const bool quiet = until(quiet_ns_max, [&] {
      const std::string text = fetch("/metrics");
      const double outcomes = sum_of(text, "oneclick_copy_outcomes_total").value_or(-1);
      const double unknown = sum_of(text, "oneclick_unknown_orders").value_or(-1);
      const double appended = sum_of(text, "oneclick_journal_appended_records_total").value_or(-1);
      last = fmt::format("{} of {} outcomes, {} orders unknown, {} records of the journal",
                         outcomes, outcomes_expected_, unknown, appended);
      return outcomes >= static_cast<double>(outcomes_expected_) && unknown == 0 && appended >= 0 &&
             sink_has_reached(appended);
    });
    if (quiet) return {};
    return std::unexpected("not quiet: " + last + "\n" + end_of(dir_ / "daemon.log"));
  }

  std::string explain() override {
    std::string out;
    const std::string text = fetch("/metrics");
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line(text.data() + at, end - at);
      at = end + 1;
      const bool told = line.starts_with("oneclick_copy_outcomes_total") ||
                        line.starts_with("oneclick_order_acks_total") ||
                        line.starts_with("oneclick_leader_events_total") ||
                        line.starts_with("oneclick_accounts_reconciled ") ||
                        line.starts_with("oneclick_orders_sent_total");
      if (told && !line.ends_with(" 0")) out.append("\n  ").append(line);
    }
    try {
      if (unanswered_) out += "\n  the event was answered with " + ingress_->read_message();
    } catch (const std::runtime_error& error) {
      out += std::string("\n  the event was not answered: ") + error.what();
    }
    return out;
  }

  void halt() override {
    if (process_) process_->signal(SIGSTOP);
  }
  void go_on() override {
    if (process_) process_->signal(SIGCONT);
  }

  std::expected<std::string, std::string> check_books() override {
    if (const auto done = wait_quiet(); !done) return std::unexpected(done.error());
    const auto rows = question_->rows(
        "SELECT (SELECT count(*) FROM engine.leader_events), "
        "(SELECT coalesce(sum(links_matched), 0) FROM engine.leader_events), "
        "(SELECT count(*) FROM engine.copy_outcomes WHERE outcome IN ('copied', 'clipped')), "
        "(SELECT count(*) FROM trades WHERE status = 'filled')");
    if (!rows) return std::unexpected(rows.error());
    const PgRow& r = rows->front();
    const std::string expected = std::to_string(outcomes_expected_);
    const std::string text = fmt::format(
        "in the database: {} leader events, {} links matched, {} copied, {} trades filled",
        r[0].value_or(""), r[1].value_or(""), r[2].value_or(""), r[3].value_or(""));
    if (r[0] == std::to_string(events_) && r[1] == expected && r[2] == expected && r[3] == expected)
      return text;
    return std::unexpected(fmt::format("{}; expected {} events and {} of the others", text, events_,
                                       outcomes_expected_));
  }

  std::uint64_t memory_bytes_max() const override {
    std::ifstream status(fmt::format("/proc/{}/status", process_->pid()));
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    return 0;
  }

 private:
  template <typename Condition>
  bool until(std::int64_t timeout_ns, Condition condition) {
    const std::int64_t end = monotonic_now_ns() + timeout_ns;
    while (!condition()) {
      if (monotonic_now_ns() >= end || process_->exit_code().has_value()) return false;
      reactor_.wait(look_again_ns);
    }
    return true;
  }

  std::string fetch(const std::string& target) {
    net::HttpRequest request;
    request.target = target;
    const auto response = demo::fetch(reactor_, *operations_, std::move(request));
    return response && response->status == 200 ? response->body : std::string();
  }

  // The sink commits its position with the rows: what it names is in the database.
  bool sink_has_reached(double position) {
    const auto rows =
        question_->rows("SELECT coalesce(sum(position), 0) >= $1::float8 FROM engine.sink_offsets",
                        {fmt::format("{:.0f}", position)});
    return rows && rows->front()[0] == "t";
  }

  Done start_database() {
    auto started = PrivatePostgres::start({.dir = dir_ / "postgresql", .durable = true});
    if (!started) return std::unexpected("PostgreSQL: " + started.error());
    database_ = std::move(*started);
    if (const auto done = migrate(database_->url(), {}); !done)
      return std::unexpected("migrate: " + done.error());
    key_.id = "bench";
    random_bytes(key_.bytes);
    auto world = write_engine_world(database_->url(), options_.sizes, key_);
    if (!world) return std::unexpected("followers: " + world.error());
    world_ = std::move(*world);
    const auto api_key = add_api_key(database_->url(), world_.platform, "fan-out benchmark",
                                     {"trades:write", "admin"}, std::nullopt);
    if (!api_key) return std::unexpected("API key: " + api_key.error());
    token_ = api_key->token;
    auto question = PgQuery::connect(database_->url());
    if (!question) return std::unexpected(question.error());
    question_.emplace(std::move(*question));
    return {};
  }

  Done write_files() {
    ingress_port_ = free_port();
    operations_port_ = free_port();
    const std::string key_line = key_.id + " " + to_base64(key_.bytes) + "\n";
    if (const auto done = write_file(dir_ / "master.key", key_line); !done) return done;
    return write_file(dir_ / "oneclick.toml", toml());
  }

  [[nodiscard]] std::string toml() const {
    const std::string dir = dir_.string();
    const std::uint16_t port = receiver_.port();
    std::string out = fmt::format(
        "[engine]\ndata_dir = \"{}/journal\"\nshards = 1\nmode = \"{}\"\n"
        "control_socket = \"{}/control.sock\"\n",
        dir, options_.mode, dir);
    // The receiver has the other core.
    if (options_.mode == "spin" && core_count() > 1)
      out += fmt::format("pin_cores = [{}]\n", engine_core);
    out += fmt::format(
        "\n[journal]\n\n[database]\n\n[vault]\n\n[ingress]\nlisten = \"127.0.0.1:{}\"\n"
        "tls_certificate_file = \"{}/cert.pem\"\ntls_key_file = \"{}/key.pem\"\n\n"
        "[operations]\nlisten = \"127.0.0.1:{}\"\n\n",
        ingress_port_, dir, dir, operations_port_);
    out += fmt::format(
        "[venues.binance]\nrest_url = \"https://localhost:{0}\"\n"
        "ws_api_url = \"wss://localhost:{0}/ws-api/v3\"\nstream_url = \"wss://localhost:{0}\"\n"
        "ca_file = \"{1}/ca.pem\"\nsymbols = [\"{2}\"]\n\n[log]\n",
        port, dir, symbol);
    return out;
  }

  Done wait_ready() {
    std::string last = "no answer";
    const bool ready = until(ready_ns_max, [&] {
      const double reconciled =
          sum_of(fetch("/metrics"), "oneclick_accounts_reconciled").value_or(0);
      last = fmt::format("{} of {} accounts reconciled", reconciled, accounts_);
      return reconciled >= static_cast<double>(accounts_) && !fetch("/readyz").empty();
    });
    if (const auto code = process_->exit_code(); code.has_value())
      last = fmt::format("ended with {}", *code);
    if (!ready)
      return std::unexpected("daemon not ready: " + last + "\n" + end_of(dir_ / "daemon.log"));
    const auto subscribed = receiver_.subscriptions();
    if (!subscribed) return std::unexpected(subscribed.error());
    if (*subscribed == accounts_) return {};
    return std::unexpected(fmt::format("{} of {} accounts subscribed", *subscribed, accounts_));
  }

  const EngineOptions options_;
  const std::filesystem::path dir_;
  Receiver& receiver_;
  std::size_t accounts_ = 0;
  MasterKey key_;
  EngineWorld world_;
  std::string token_;
  std::uint16_t ingress_port_ = 0, operations_port_ = 0;
  net::Reactor reactor_;
  std::unique_ptr<net::HttpClient> operations_;
  std::unique_ptr<PrivatePostgres> database_;
  std::optional<PgQuery> question_;
  std::optional<ChildProcess> process_;
  std::unique_ptr<Line> ingress_;
  std::uint64_t outcomes_expected_ = 0;
  std::uint64_t events_ = 0;
  bool unanswered_ = false;
};

}  // namespace

std::expected<std::unique_ptr<EngineRun>, std::string> EngineRun::start(
    const EngineOptions& options, Receiver& receiver) {
  auto daemon = std::make_unique<Daemon>(options, receiver);
  if (const auto done = daemon->start(); !done) return std::unexpected(done.error());
  return daemon;
}

}  // namespace oneclick::bench
