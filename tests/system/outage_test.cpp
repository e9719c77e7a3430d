// PostgreSQL goes away under load and comes back. Orders must not notice: their latency with the
// database down is compared with their latency with it up, in alternating windows of one run; and
// when it is back every row arrives, once.
#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

struct Window {
  std::int64_t from_ns;
  std::int64_t to_ns;
  double lost_ratio;  // of the machine's time that the host gave to others
};

// Steal and total jiffies of all processors since boot.
std::pair<double, double> cpu_times() {
  std::ifstream in("/proc/stat");
  std::string cpu;
  in >> cpu;
  double total = 0, steal = 0, value = 0;
  for (int i = 0; i < 8 && in >> value; ++i) {
    total += value;
    if (i == 7) steal = value;
  }
  return {steal, total};
}

class Load {
 public:
  explicit Load(Stage& stage)
      : stage_(stage),
        leader_(stage.reactor(), stage.tls(), stage.exchange_url(), stage.world().leader) {}

  // Trades without pause for the given time: buys and sells in turn, so that the position stays
  // small.
  Window run(std::int64_t ns) {
    const auto [steal_before, total_before] = cpu_times();
    Window window{.from_ns = wall_now_ns(), .to_ns = 0, .lost_ratio = 0};
    const std::int64_t until = monotonic_now_ns() + ns;
    while (monotonic_now_ns() < until) {
      const auto done =
          leader_.trade("BTCUSDT", buy_ ? Side::buy : Side::sell, buy_ ? "0.01" : "0.009");
      EXPECT_TRUE(done.has_value()) << done.error();
      if (!done) break;
      buy_ = !buy_;
      const std::int64_t next = monotonic_now_ns() + 50'000'000;
      while (monotonic_now_ns() < next) stage_.reactor().wait(next - monotonic_now_ns());
    }
    window.to_ns = wall_now_ns();
    const auto [steal_after, total_after] = cpu_times();
    window.lost_ratio = (steal_after - steal_before) / std::max(1.0, total_after - total_before);
    return window;
  }

 private:
  Stage& stage_;
  demo::Leader leader_;
  bool buy_ = true;
};

// p99 of arrival to wire over the orders of leader events accepted within the window, in ns.
double p99(Stage& stage, const Window& w) {
  return static_cast<double>(number(
      stage.database_url(),
      fmt::format(
          "SELECT coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY o.ingest_to_wire_ns), 0) "
          "FROM engine.copy_outcomes o JOIN engine.leader_events e ON e.id = o.event_id "
          "WHERE o.ingest_to_wire_ns > 0 AND e.accepted_at BETWEEN to_timestamp({}) AND "
          "to_timestamp({})",
          static_cast<double>(w.from_ns) / 1e9, static_cast<double>(w.to_ns) / 1e9)));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

TEST(Outage, OrdersDoNotNoticeThatPostgresIsGone) {
  const int pairs = std::getenv("ONECLICK_LONG") != nullptr ? 60 : 20;
  auto stage = make_stage({.followers = 20, .seed = 11});
  ASSERT_NE(stage, nullptr);
  ASSERT_DONE(stage->start_exchange());
  ASSERT_DONE(stage->start_daemon());
  ASSERT_DONE(stage->wait_ready(60 * second_ns));
  auto load = std::make_unique<Load>(*stage);
  static_cast<void>(load->run(2 * second_ns));  // warm
  std::vector<std::pair<Window, Window>> windows;
  for (int i = 0; i < pairs; ++i) {
    const Window up = load->run(1'500'000'000);
    stage->database()->stop();
    const Window down = load->run(1'500'000'000);
    ASSERT_DONE(stage->database()->restart());
    ASSERT_DONE(stage->wait_quiet(60 * second_ns));
    windows.emplace_back(up, down);
  }
  // Thirty seconds without a database, under load all the while.
  stage->database()->stop();
  static_cast<void>(load->run(30 * second_ns));
  ASSERT_DONE(stage->database()->restart());
  ASSERT_DONE(stage->wait_quiet(90 * second_ns));

  std::vector<double> ratios;
  for (const auto& [up, down] : windows) {
    const double quiet = p99(*stage, up), disturbed = p99(*stage, down);
    ASSERT_GT(quiet, 0);
    ASSERT_GT(disturbed, 0);
    if (up.lost_ratio <= 0.01 && down.lost_ratio <= 0.01) ratios.push_back(disturbed / quiet);
  }
  std::printf("%zu of %d pairs kept; median ratio of p99 down to up: %.3f\n", ratios.size(), pairs,
              ratios.empty() ? 0 : median(ratios));
  if (ratios.size() >= 5) {
    EXPECT_LE(median(ratios), 1.10);
  } else {
    std::printf(
        "too few undisturbed pairs: the host took the machine away; latency is not judged\n");
  }
  const auto result = stage->compare_books();
  ASSERT_TRUE(result.has_value()) << result.error();
  EXPECT_EQ(result->exit_code, 0) << result->json;
  load.reset();  // lives on the stage's reactor
  finish_stage(std::move(stage));
}

}  // namespace
}  // namespace oneclick
