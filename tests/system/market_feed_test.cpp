// What the daemon sees of the market comes into the platform's tables.
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

TEST(MarketFeed, FillsPricesAndCandles) {
  auto stage = make_stage({.followers = 2, .seed = 51});
  ASSERT_NE(stage, nullptr);
  ASSERT_DONE(stage->start_exchange());
  ASSERT_DONE(stage->start_daemon());
  ASSERT_DONE(stage->wait_ready(60 * second_ns));
  const auto rows = [&](const char* sql) { return number(stage->database_url(), sql); };
  constexpr const char* intervals =
      "SELECT count(DISTINCT time) FROM market_data WHERE symbol = 'BTC/USDT'";
  const std::int64_t end = monotonic_now_ns() + 60 * second_ns;
  while (monotonic_now_ns() < end && rows(intervals) < 3) stage->reactor().wait(second_ns / 10);
  EXPECT_GE(rows(intervals), 3);
  EXPECT_GE(rows("SELECT count(*) FROM price_history WHERE symbol = 'BTC/USDT' AND price > 0 AND"
                 " source = 'binance' AND abs(extract(epoch FROM now() - time)) < 120"),
            3);
  EXPECT_EQ(rows("SELECT count(*) FROM market_data WHERE NOT (low_price > 0 AND"
                 " low_price <= open_price AND close_price <= high_price)"),
            0);
  EXPECT_EQ(rows("SELECT count(*) FROM price_history p WHERE NOT EXISTS (SELECT FROM market_data m"
                 " WHERE m.symbol = p.symbol AND p.price BETWEEN m.low_price AND m.high_price)"),
            0);
  finish_stage(std::move(stage));
}

}  // namespace
}  // namespace oneclick
