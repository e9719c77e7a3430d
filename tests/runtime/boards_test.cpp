#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "engine/runtime/router.hpp"
#include "engine/runtime/touch_board.hpp"
#include "engine/runtime/usd_rates.hpp"

namespace oneclick {
namespace {

Touch touch_of(std::int64_t n) {
  return {.bid = Decimal::from_integer(n), .ask = Decimal::from_integer(n + 1), .time_ns = n};
}

TEST(TouchBoard, GivesTheLastTouchOfEachVenueAndSymbol) {
  TouchBoard board(4);
  EXPECT_TRUE(board.touch(Venue::binance, "BTC/USDT").bid.is_zero());
  board.on_touch(Venue::binance, Symbol::cut("BTC/USDT"), touch_of(10));
  board.on_touch(Venue::binance, Symbol::cut("ETH/USDT"), touch_of(20));
  board.on_touch(Venue::binance, Symbol::cut("BTC/USDT"), touch_of(11));
  EXPECT_EQ(board.touch(Venue::binance, "BTC/USDT").time_ns, 11);
  EXPECT_EQ(board.touch(Venue::binance, "ETH/USDT").time_ns, 20);
}

TEST(TouchBoard, KeepsWhatItHasWhenItIsFull) {
  TouchBoard board(2);
  for (int i = 0; i < 9; ++i)
    board.on_touch(Venue::binance, Symbol::cut("S" + std::to_string(i) + "/USDT"), touch_of(i + 1));
  EXPECT_EQ(board.touch(Venue::binance, "S0/USDT").time_ns, 1);
  EXPECT_EQ(board.touch(Venue::binance, "S8/USDT").time_ns, 0);
}

TEST(TouchBoard, AReaderNeverSeesHalfATouch) {
  TouchBoard board(2);
  board.on_touch(Venue::binance, Symbol::cut("BTC/USDT"), touch_of(1));
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::int64_t n = 1; n <= 200'000; ++n)
      board.on_touch(Venue::binance, Symbol::cut("BTC/USDT"), touch_of(n));
    done = true;
  });
  std::int64_t last = 0;
  bool torn = false, backwards = false;
  while (!done) {
    const Touch t = board.touch(Venue::binance, "BTC/USDT");
    torn |=
        t.bid != Decimal::from_integer(t.time_ns) || t.ask != Decimal::from_integer(t.time_ns + 1);
    backwards |= t.time_ns < last;
    last = t.time_ns;
  }
  writer.join();
  EXPECT_FALSE(torn);
  EXPECT_FALSE(backwards);
}

TEST(UsdRates, AStablecoinWithoutPegIsNotADollar) {
  TouchBoard board(4);
  board.on_touch(Venue::binance, Symbol::cut("BTC/USDT"), touch_of(100));
  const UsdRates none({}, board, 1'000);
  EXPECT_TRUE(none.usd_per(Venue::binance, "USDT", 100).is_zero());
  EXPECT_TRUE(none.usd_per(Venue::binance, "BTC", 100).is_zero());
  EXPECT_EQ(none.usd_per(Venue::binance, "USD", 100), Decimal::from_integer(1));
  const UsdRates pegged({{.asset = Asset::cut("USDT"), .usd = Decimal::of("0.5")}}, board, 1'000);
  EXPECT_EQ(pegged.usd_per(Venue::binance, "USDT", 100), Decimal::of("0.5"));
  EXPECT_EQ(pegged.usd_per(Venue::binance, "BTC", 100), Decimal::of("50.25"));
  EXPECT_TRUE(pegged.usd_per(Venue::binance, "BTC", 1'101).is_zero()) << "an old mid is no rate";
  EXPECT_TRUE(pegged.usd_per(Venue::binance, "DOGE", 100).is_zero());
}

TEST(Router, EveryShardGetsLeaderEventsAndOneShardAnAccounts) {
  Inbox a(8), b(8);
  Router router({&a, &b});
  LeaderEvent leader{};
  ASSERT_TRUE(router.try_push(make_event(leader)));
  EXPECT_EQ(a.queue.size(), 1U);
  EXPECT_EQ(b.queue.size(), 1U);
  Balance balance{};
  balance.account = {{1, 2}};
  ASSERT_TRUE(router.try_push(make_event(balance)));
  EXPECT_EQ(a.queue.size() + b.queue.size(), 3U);
  Inbox& owner = shard_of(balance.account, 2) == 0 ? a : b;
  EXPECT_EQ(owner.queue.size(), 2U);
}

TEST(Router, AFullShardRefusesForAll) {
  Inbox a(1), b(8);
  Router router({&a, &b});
  LeaderEvent leader{};
  ASSERT_TRUE(router.try_push(make_event(leader)));
  EXPECT_FALSE(router.try_push(make_event(leader)));
  EXPECT_EQ(b.queue.size(), 1U) << "nothing was taken by the other";
}

TEST(Router, AccountsSpreadOverAllShards) {
  std::set<std::uint16_t> seen;
  for (std::uint64_t i = 0; i < 1'000; ++i) seen.insert(shard_of({{i, 7}}, 16));
  EXPECT_EQ(seen.size(), 16U);
}

}  // namespace
}  // namespace oneclick
