// bench_outage: does the order path notice that PostgreSQL is gone? A leader trades without pause;
// windows with the database up and windows with it down alternate, and the latency of the orders in
// both is compared pair by pair. See README.md.
#include <stdlib.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/common/machine.hpp"
#include "engine/app/demo_actors.hpp"
#include "engine/app/stage.hpp"
#include "engine/app/version.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::bench {
namespace {

constexpr char help_text[] =
    "bench_outage: latency of orders with PostgreSQL down against up, in alternating windows\n"
    "\n"
    "  --pairs N        pairs of windows (default 20)\n"
    "  --window-ms N    length of each window (default 3000)\n"
    "  --followers N    who copy the leader (default 20)\n"
    "  --rate N         trades of the leader a second (default 40)\n"
    "  --mode spin|block  how the daemon waits (default block)\n"
    "  --json FILE      the report as JSON\n";

// A pair in which the host took more than this share of the machine's time says nothing.
constexpr double stolen_share_max = 0.01;
// "Unmoved": the median of the pairwise ratios of p99 is at most this.
constexpr double unmoved_ratio_max = 1.10;
constexpr std::int64_t quiet_timeout_ns = 120'000'000'000;

struct Options {
  int pairs = 20;
  std::int64_t window_ms = 3'000;
  std::size_t followers = 20;
  int rate = 40;
  std::string mode = "block";
  std::string json_file;
};

template <typename T>
T must(std::expected<T, std::string> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// False when the arguments are wrong; `wrong` says which.
bool read_options(int argc, char** argv, Options& out, std::string& wrong) {
  const auto number = [](const std::string& text, auto& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() && value > 0;
  };
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const std::string value = i + 1 < argc ? argv[++i] : "";
    bool good = false;
    if (name == "--pairs") good = number(value, out.pairs);
    if (name == "--window-ms") good = number(value, out.window_ms);
    if (name == "--followers") good = number(value, out.followers);
    if (name == "--rate") good = number(value, out.rate) && out.rate <= 100;
    if (name == "--mode") good = (out.mode = value) == "spin" || value == "block";
    if (name == "--json") good = !(out.json_file = value).empty();
    if (good) continue;
    wrong = name + " " + value + ": unknown option or value; --help says what is allowed";
    return false;
  }
  return true;
}

struct Window {
  std::int64_t from_ns = 0, to_ns = 0;  // wall clock
  double stolen_share = 0;              // of the machine's time, by the host
  std::vector<std::int64_t> latencies;  // arrival to wire, ns, sorted
};

std::int64_t percentile(const std::vector<std::int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(rank, sorted.size() - 1)];
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    char folder[] = "/tmp/oneclick-outage-XXXXXX";
    if (mkdtemp(folder) == nullptr) throw std::runtime_error("no temporary folder");
    stage_ = must(Stage::make({.dir = folder,
                               .program = ONECLICK_BINARY,
                               .followers = options.followers,
                               .seed = 11,
                               .engine_mode = options.mode,
                               .market_dir = SOURCE_DIR "/configs/market"}),
                  "stage");
    must(stage_->start_exchange(), "exchange");
    must(stage_->start_daemon(), "daemon");
    must(stage_->wait_ready(quiet_timeout_ns), "daemon");
    leader_ = std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(),
                                             stage_->exchange_url(), stage_->world().leader);
  }

  ~Bench() {
    leader_.reset();
    const std::filesystem::path dir = stage_->dir();
    stage_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }

  int run() {
    static_cast<void>(load());  // warm
    for (int i = 0; i < options_.pairs; ++i) {
      fmt::print(stderr, "\rpair {} of {}", i + 1, options_.pairs);
      up_.push_back(load());
      stage_->database()->stop();
      down_.push_back(load());
      must(stage_->database()->restart(), "PostgreSQL");
      must(stage_->wait_quiet(quiet_timeout_ns), "daemon");
    }
    fmt::print(stderr, "\n");
    for (auto* windows : {&up_, &down_})
      for (Window& window : *windows) read_latencies(window);
    const auto books = must(stage_->compare_books(), "books");
    if (books.exit_code != 0) throw std::runtime_error("the books do not agree: " + books.json);
    return report();
  }

 private:
  // Buys and sells in turn at the stated rate, whatever the answers take.
  Window load() {
    const StealTicks before = read_steal();
    Window window;
    window.from_ns = wall_now_ns();
    const std::int64_t start = monotonic_now_ns();
    const std::int64_t step_ns = 1'000'000'000 / options_.rate;
    for (std::int64_t due = start; due < start + options_.window_ms * 1'000'000; due += step_ns) {
      while (monotonic_now_ns() < due) stage_->reactor().wait(due - monotonic_now_ns());
      must(leader_->trade("BTCUSDT", buy_ ? Side::buy : Side::sell, buy_ ? "0.01" : "0.009"),
           "leader");
      buy_ = !buy_;
    }
    window.to_ns = wall_now_ns();
    const StealTicks after = read_steal();
    if (after.total > before.total)
      window.stolen_share = static_cast<double>(after.stolen - before.stolen) /
                            static_cast<double>(after.total - before.total);
    return window;
  }

  void read_latencies(Window& window) {
    auto database = must(PgQuery::connect(stage_->database_url()), "database");
    const auto rows = must(
        database.rows(fmt::format(
            "SELECT o.ingest_to_wire_ns FROM engine.copy_outcomes o JOIN engine.leader_events e ON "
            "e.id = o.event_id WHERE o.ingest_to_wire_ns > 0 AND e.accepted_at BETWEEN "
            "to_timestamp({}) AND to_timestamp({}) ORDER BY 1",
            static_cast<double>(window.from_ns) / 1e9, static_cast<double>(window.to_ns) / 1e9)),
        "latencies");
    for (const auto& row : rows)
      window.latencies.push_back(std::strtoll(row.front().value_or("0").c_str(), nullptr, 10));
    if (window.latencies.empty()) throw std::runtime_error("a window without a single order");
  }

  static std::vector<std::int64_t> pooled(const std::vector<Window>& windows) {
    std::vector<std::int64_t> all;
    for (const Window& window : windows)
      all.insert(all.end(), window.latencies.begin(), window.latencies.end());
    std::ranges::sort(all);
    return all;
  }

  int report() {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < up_.size(); ++i)
      if (up_[i].stolen_share <= stolen_share_max && down_[i].stolen_share <= stolen_share_max)
        ratios.push_back(static_cast<double>(percentile(down_[i].latencies, 0.99)) /
                         static_cast<double>(percentile(up_[i].latencies, 0.99)));
    fmt::print("{}; commit {}\n", machine_text(), commit());
    fmt::print(
        "{} followers, {} trades a second, {} pairs of windows of {} ms, daemon in {} mode\n",
        options_.followers, options_.rate, options_.pairs, options_.window_ms, options_.mode);
    fmt::print("\n{:<18}{:>9}{:>10}{:>10}{:>10}{:>10}   us, arrival to wire\n", "PostgreSQL",
               "orders", "p50", "p99", "p99.9", "max");
    std::string json;
    for (const auto& [name, windows] : {std::pair{"up", &up_}, std::pair{"down", &down_}}) {
      const auto all = pooled(*windows);
      const auto us = [&](double share) {
        return static_cast<double>(percentile(all, share)) / 1e3;
      };
      fmt::print("{:<18}{:>9}{:>10.1f}{:>10.1f}{:>10.1f}{:>10.1f}\n", name, all.size(), us(0.5),
                 us(0.99), us(0.999), us(1));
      json += fmt::format(
          R"("{}":{{"orders":{},"p50_us":{:.1f},"p99_us":{:.1f},"p999_us":{:.1f},"max_us":{:.1f}}},)",
          name, all.size(), us(0.5), us(0.99), us(0.999), us(1));
    }
    const double middle = ratios.empty() ? 0 : median(ratios);
    const bool unmoved = !ratios.empty() && middle <= unmoved_ratio_max;
    fmt::print(
        "\np99 down / p99 up, pair by pair: median {:.3f} over {} pairs ({} disturbed by the host "
        "left out); unmoved (at most {:.2f}): {}\nthe books agree\n",
        middle, ratios.size(), up_.size() - ratios.size(), unmoved_ratio_max,
        unmoved ? "yes" : "no");
    if (!options_.json_file.empty()) write_json(json, ratios, middle, unmoved);
    return unmoved ? 0 : 1;
  }

  void write_json(const std::string& distributions, const std::vector<double>& ratios,
                  double middle, bool unmoved) {
    std::string all;
    for (const double ratio : ratios) all += fmt::format("{}{:.4f}", all.empty() ? "" : ",", ratio);
    std::ofstream out(options_.json_file, std::ios::trunc);
    out << fmt::format(
        R"({{"commit":"{}","machine":"{}","followers":{},"rate":{},"window_ms":{},{}"ratios":[{}],"ratio_median":{:.4f},"unmoved":{}}})",
        commit(), machine_text(), options_.followers, options_.rate, options_.window_ms,
        distributions, all, middle, unmoved);
    out << "\n";
    if (!out.flush()) throw std::runtime_error("cannot write " + options_.json_file);
  }

  Options options_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<demo::Leader> leader_;
  bool buy_ = true;
  std::vector<Window> up_, down_;
};

int run(int argc, char** argv) {
  if (argc > 1 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
    fmt::print("{}", help_text);
    return 0;
  }
  Options options;
  if (std::string wrong; !read_options(argc, argv, options, wrong)) {
    fmt::print(stderr, "bench_outage: {}\n", wrong);
    return 64;
  }
  try {
    return Bench(options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_outage: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace oneclick::bench

int main(int argc, char** argv) {
  return oneclick::bench::run(argc, argv);
}
