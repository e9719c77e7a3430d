// `oneclick demo`: everything on one machine, for half a minute, and then an account of it.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/demo_actors.hpp"
#include "engine/app/demo_report.hpp"
#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
// A leader who trades every second and a half, a bot that signals every four.
constexpr std::int64_t trade_interval_ns = 1'500'000'000;
constexpr std::int64_t signal_interval_ns = 4'000'000'000;

volatile sig_atomic_t interrupted = 0;

void on_signal(int) {
  interrupted = 1;
}

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// Prices shipped with the project: beside the sources, or installed.
std::filesystem::path find_market_dir() {
  const std::filesystem::path program = own_path();
  for (const std::filesystem::path& dir : {program.parent_path() / "../../configs/market",
                                           program.parent_path() / "../share/oneclick/market",
                                           std::filesystem::path("configs/market")})
    if (std::filesystem::exists(dir / "btcusdt_1s.csv"))
      return std::filesystem::weakly_canonical(dir);
  return {};
}

// The leader's orders: mostly buys, a sell of part of it every third time, all of it at the end.
class Script {
 public:
  Script(Stage& stage, std::uint64_t seed)
      : leader_(stage.reactor(), stage.tls(), stage.exchange_url(), stage.world().leader),
        bot_(stage.reactor(), stage.tls(), stage.ingress_url("wss", "/v1/stream"),
             stage.bot_token(), stage.world()),
        random_(seed) {}

  std::expected<void, std::string> open() { return bot_.open(); }

  std::expected<void, std::string> trade() {
    const bool btc = random_() % 3 != 0;
    int& held = btc ? btc_held_ : eth_held_;
    const bool sell = held >= 2 && random_() % 3 == 0;
    const std::string quantity = sell ? (btc ? "0.003" : "0.05") : (btc ? "0.004" : "0.06");
    held += sell ? -1 : 1;
    return leader_.trade(btc ? "BTCUSDT" : "ETHUSDT", sell ? Side::sell : Side::buy, quantity);
  }
  std::expected<void, std::string> signal() {
    const bool btc = signals_ % 2 == 0;
    // Buy, buy, sell, hold: a hold asks for nothing and says so for every link.
    static constexpr const char* types[] = {"buy", "buy", "sell", "hold"};
    const char* const type = types[(signals_ / 2) % 4];
    ++signals_;
    return bot_.publish(btc ? "BTC/USDT" : "ETH/USDT", type, btc ? "0.002" : "0.03");
  }

 private:
  demo::Leader leader_;
  demo::Bot bot_;
  std::mt19937_64 random_;
  int btc_held_ = 0, eth_held_ = 0;
  int signals_ = 0;
};

std::string progress_line(Stage& stage, double seconds) {
  const auto value = [&](const char* name) {
    return static_cast<long long>(stage.metric(name).value_or(0));
  };
  return fmt::format(
      "  {:>5.1f} s   orders sent {:>7}   unknown {:>4}   records not yet in the database {:>7}",
      seconds, value("oneclick_orders_sent_total"), value("oneclick_unknown_orders"),
      value("oneclick_sink_lag_records"));
}

std::expected<void, std::string> trade_for(Stage& stage, std::int64_t ns) {
  Script script(stage, 1);
  if (const auto done = script.open(); !done) return std::unexpected("bot: " + done.error());
  const std::int64_t start = monotonic_now_ns(), end = start + ns;
  std::int64_t next_trade = start, next_signal = start + second_ns, next_line = start + second_ns;
  while (monotonic_now_ns() < end && interrupted == 0) {
    const std::int64_t now = monotonic_now_ns();
    if (now >= next_trade) {
      next_trade += trade_interval_ns;
      if (const auto done = script.trade(); !done)
        return std::unexpected("leader: " + done.error());
    }
    if (now >= next_signal) {
      next_signal += signal_interval_ns;
      if (const auto done = script.signal(); !done) return std::unexpected("bot: " + done.error());
    }
    if (now >= next_line) {
      next_line += second_ns;
      say(progress_line(stage, static_cast<double>(now - start) / 1e9));
    }
    const std::int64_t next = std::min({next_trade, next_signal, next_line, end});
    if (next > monotonic_now_ns()) stage.reactor().wait(next - monotonic_now_ns());
  }
  return {};
}

void say_addresses(Stage& stage) {
  say(fmt::format("  paper exchange   https://localhost:{}  (CA {})", stage.exchange_url().port,
                  (stage.dir() / "ca.pem").string()));
  say(fmt::format("  ingress          https://localhost:{}  (Authorization: Bearer {})",
                  stage.ingress_url("https", "/").port, stage.bot_token()));
  say(fmt::format("  operations       http://127.0.0.1:{}/", stage.operations_url().port));
  say(fmt::format("  database         {}", stage.database_url()));
  say(fmt::format("  files            {}", stage.dir().string()));
}

std::expected<std::unique_ptr<Stage>, std::string> bring_up(const DemoArguments& arguments,
                                                            const std::filesystem::path& dir) {
  const std::filesystem::path market = find_market_dir();
  if (market.empty())
    return std::unexpected("the recorded prices (configs/market) are not beside the program");
  say(fmt::format("setting up {} followers in {}", arguments.followers, dir.string()));
  auto stage = Stage::make({.dir = dir,
                            .program = own_path(),
                            .followers = static_cast<std::size_t>(arguments.followers),
                            // In a database that is kept every demo is a world of its own.
                            .seed = arguments.database_url.empty() ? 1 : std::random_device{}(),
                            .database_url = arguments.database_url,
                            .market_dir = market});
  if (!stage) return stage;
  say("starting the paper exchange");
  if (const auto done = (*stage)->start_exchange(); !done) return std::unexpected(done.error());
  say("starting the engine");
  if (const auto done = (*stage)->start_daemon(); !done) return std::unexpected(done.error());
  if (const auto done = (*stage)->wait_ready(120 * second_ns); !done)
    return std::unexpected(done.error());
  return stage;
}

int report(Stage& stage, const DemoArguments& arguments, double seconds) {
  say("waiting until every order has ended and every row is written");
  const auto quiet = stage.wait_quiet(120 * second_ns);
  if (!quiet) say("  " + quiet.error());
  say("comparing the books, in a process of their own");
  const auto result = stage.compare_books();
  if (!result) {
    std::fprintf(stderr, "oneclick: %s\n", result.error().c_str());
    return 1;
  }
  const auto text = demo::report_text(result->json, stage.world().followers.size(), seconds);
  say(text ? *text : text.error() + ": " + result->json);
  if (!arguments.json_file.empty()) {
    std::ofstream out(arguments.json_file, std::ios::trunc);
    out << result->json;
    out.close();
    if (!out) {
      std::fprintf(stderr, "oneclick: --json %s: cannot be written\n", arguments.json_file.c_str());
      return 1;
    }
  }
  return quiet && result->exit_code == 0 ? 0 : 1;
}

int run_demo(const DemoArguments& arguments, const std::filesystem::path& dir) {
  auto stage = bring_up(arguments, dir);
  if (!stage) {
    std::fprintf(stderr, "oneclick: %s\n", stage.error().c_str());
    return 69;
  }
  if (arguments.serve) say_addresses(**stage);
  const std::int64_t start = monotonic_now_ns();
  say(fmt::format("trading for {} s", arguments.seconds));
  const auto traded = trade_for(**stage, arguments.seconds * second_ns);
  if (!traded) {
    std::fprintf(stderr, "oneclick: %s\n", traded.error().c_str());
    return 1;
  }
  const int code =
      report(**stage, arguments, static_cast<double>(monotonic_now_ns() - start) / 1e9);
  if (arguments.serve && interrupted == 0) {
    say("serving until interrupted");
    while (interrupted == 0) (*stage)->reactor().wait(second_ns / 5);
  }
  const auto ended = (*stage)->stop_daemon(30 * second_ns);
  if (ended != 0) say("the engine did not end cleanly; see " + (*stage)->daemon_log().string());
  return ended == 0 ? code : 1;
}

// Said before the half minute, not after it.
bool can_write(const std::string& file) {
  if (file.empty() || std::ofstream(file, std::ios::app)) return true;
  std::fprintf(stderr, "oneclick: --json %s: cannot be written\n", file.c_str());
  return false;
}

}  // namespace

int command_demo(const DemoArguments& arguments) {
  if (!can_write(arguments.json_file)) return 64;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  signal(SIGPIPE, SIG_IGN);
  std::filesystem::path dir = arguments.keep_dir;
  const bool keep = !dir.empty();
  if (!keep) {
    char folder[] = "/tmp/oneclick-demo-XXXXXX";
    if (mkdtemp(folder) == nullptr) {
      std::fprintf(stderr, "oneclick: no temporary folder can be made in /tmp\n");
      return 1;
    }
    dir = folder;
  }
  const int code = run_demo(arguments, dir);
  if (keep || code != 0) {
    say("files are kept in " + dir.string());
  } else {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  return code;
}

}  // namespace oneclick
