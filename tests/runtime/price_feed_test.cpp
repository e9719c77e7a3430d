#include "engine/runtime/price_feed.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace oneclick {
namespace {

constexpr std::int64_t s_ns = 1'000'000'000;

class Sink final : public EventSink {
 public:
  [[nodiscard]] bool try_push(const Event& event) override {
    if (full) return false;
    prices.push_back(event.price);
    return true;
  }
  bool full = false;
  std::vector<Price> prices;
};

class PriceFeedTest : public testing::Test {
 protected:
  void touch(const char* symbol, const char* bid, std::int64_t time_ns) {
    board.on_touch(Venue::binance, Symbol::cut(symbol),
                   {.bid = Decimal::of(bid), .ask = Decimal::of(bid), .time_ns = time_ns});
  }
  std::size_t told() {
    sink.prices.clear();
    feed.tell();
    return sink.prices.size();
  }

  TouchBoard board{16};
  Sink sink;
  UsdRates rates{{}, board, 1};
  PriceFeed feed{board, rates, sink};
};

TEST_F(PriceFeedTest, TellsWhatMovedAndRepeatsTheRestNowAndThen) {
  touch("BTC/USDT", "100", 1 * s_ns);
  touch("ETH/USDT", "10", 1 * s_ns);
  EXPECT_EQ(told(), 2u);
  EXPECT_EQ(told(), 0u) << "nothing new";
  touch("BTC/USDT", "100.05", 2 * s_ns);
  touch("ETH/USDT", "10.02", 2 * s_ns);
  ASSERT_EQ(told(), 1u) << "only what moved by a thousandth";
  EXPECT_EQ(sink.prices[0].symbol.view(), "ETH/USDT");
  EXPECT_EQ(sink.prices[0].touch.bid, Decimal::of("10.02"));
  touch("BTC/USDT", "100.05", 22 * s_ns);
  EXPECT_EQ(told(), 1u) << "it stood still, and somebody may wonder whether it is old";
}

TEST_F(PriceFeedTest, WhatIsNotTakenIsToldAgain) {
  touch("BTC/USDT", "100", 1 * s_ns);
  sink.full = true;
  EXPECT_EQ(told(), 0u);
  sink.full = false;
  EXPECT_EQ(told(), 1u);
}

}  // namespace
}  // namespace oneclick
