// PostgreSQL goes away under load and comes back, again and again and then for thirty seconds:
// orders go on all the while, and when it is back every row arrives, once. Whether the orders were
// as fast as before is measured by bench/outage: these machines are too noisy for a verdict here.
#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

constexpr char orders_sent[] = "oneclick_orders_sent_total";
constexpr int interruptions = 3;
constexpr std::int64_t short_ns = 2 * second_ns;
constexpr std::int64_t long_ns = 30 * second_ns;
constexpr std::int64_t between_trades_ns = 50'000'000;

class Outage : public testing::Test {
 protected:
  void SetUp() override {
    stage_ = make_stage({.followers = 20, .seed = 11});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(60 * second_ns));
    leader_ = std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(),
                                             stage_->exchange_url(), stage_->world().leader);
  }

  void TearDown() override {
    leader_.reset();  // lives on the stage's reactor
    if (stage_ != nullptr) finish_stage(std::move(stage_));
  }

  // Buys and sells in turn, so that the position stays small, for the given time. Returns the
  // trades made.
  int trade_for(std::int64_t ns) {
    int trades = 0;
    const std::int64_t until = monotonic_now_ns() + ns;
    while (monotonic_now_ns() < until) {
      const auto done =
          leader_->trade("BTCUSDT", buy_ ? Side::buy : Side::sell, buy_ ? "0.01" : "0.009");
      EXPECT_TRUE(done.has_value()) << done.error();
      if (!done) break;
      ++trades;
      buy_ = !buy_;
      const std::int64_t next = monotonic_now_ns() + between_trades_ns;
      while (monotonic_now_ns() < next) stage_->reactor().wait(next - monotonic_now_ns());
    }
    return trades;
  }

  // Without a database: the daemon says itself, over its own listener, that orders leave.
  void trade_without_database(std::int64_t ns) {
    stage_->database()->stop();
    const auto before = stage_->metric(orders_sent);
    ASSERT_TRUE(before.has_value());
    const int trades = trade_for(ns);
    const auto after = stage_->metric(orders_sent);
    ASSERT_TRUE(after.has_value());
    // Most links copy most trades; what matters is that every trade made somebody's order leave.
    EXPECT_GE(*after - *before, trades) << "orders waited for the database";
    EXPECT_GT(stage_->metric("oneclick_sink_lag_records").value_or(0), 0)
        << "nothing was waiting for the database: was it away at all?";
    ASSERT_DONE(stage_->database()->restart());
    ASSERT_DONE(stage_->wait_quiet(90 * second_ns));
  }

  std::unique_ptr<Stage> stage_;
  std::unique_ptr<demo::Leader> leader_;
  bool buy_ = true;
};

TEST_F(Outage, OrdersGoOnWithoutPostgresAndNothingIsLostOrDoubled) {
  for (int i = 0; i < interruptions; ++i) {
    trade_for(short_ns);
    ASSERT_NO_FATAL_FAILURE(trade_without_database(short_ns));
  }
  ASSERT_NO_FATAL_FAILURE(trade_without_database(long_ns));
  const auto result = stage_->compare_books();
  ASSERT_TRUE(result.has_value()) << result.error();
  EXPECT_EQ(result->exit_code, 0) << result->json;
}

}  // namespace
}  // namespace oneclick
