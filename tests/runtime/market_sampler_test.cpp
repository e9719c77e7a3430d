#include "engine/runtime/market_sampler.hpp"

#include <gtest/gtest.h>

namespace oneclick {
namespace {

constexpr std::int64_t s_ns = 1'000'000'000;

class MarketSamplerTest : public testing::Test {
 protected:
  void touch(const char* symbol, const char* bid, const char* ask, std::int64_t time_ns) {
    board.on_touch(Venue::binance, Symbol::cut(symbol),
                   {.bid = Decimal::of(bid), .ask = Decimal::of(ask), .time_ns = time_ns});
  }

  TouchBoard board{16};
  std::vector<MarketSample> taken;
  MarketSampler sampler{board, 10 * s_ns, [this](std::vector<MarketSample> samples) {
                          taken.insert(taken.end(), samples.begin(), samples.end());
                        }};
};

TEST_F(MarketSamplerTest, MakesOneSampleOfAnInterval) {
  const char* mids[] = {"100", "103", "98", "101"};
  for (int n = 0; n < 4; ++n) {
    touch("BTC/USDT", mids[n], mids[n], (20 + n) * s_ns);
    sampler.look((20 + n) * s_ns + 1);
  }
  EXPECT_TRUE(taken.empty()) << "the interval is not over";
  sampler.look(30 * s_ns);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].symbol.view(), "BTC/USDT");
  EXPECT_EQ(taken[0].begins_ns, 20 * s_ns);
  EXPECT_EQ(taken[0].seen_ns, 23 * s_ns);
  EXPECT_EQ(taken[0].open, Decimal::of("100"));
  EXPECT_EQ(taken[0].high, Decimal::of("103"));
  EXPECT_EQ(taken[0].low, Decimal::of("98"));
  EXPECT_EQ(taken[0].close, Decimal::of("101"));
}

TEST_F(MarketSamplerTest, OfWhatIsSilentThereIsNone) {
  touch("BTC/USDT", "100", "102", 20 * s_ns);
  touch("ETH/USDT", "10", "10", 20 * s_ns);
  sampler.look(21 * s_ns);
  touch("ETH/USDT", "11", "11", 31 * s_ns);
  sampler.look(31 * s_ns);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].close, Decimal::of("101")) << "the middle";
  taken.clear();
  sampler.look(40 * s_ns);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].symbol.view(), "ETH/USDT");
  EXPECT_EQ(taken[0].open, Decimal::of("11"));
  taken.clear();
  sampler.look(50 * s_ns);
  EXPECT_TRUE(taken.empty());
}

TEST_F(MarketSamplerTest, AnEmptySideIsNoPriceAndTheRestIsHandedOnAtTheEnd) {
  touch("BTC/USDT", "0", "102", 20 * s_ns);
  touch("ETH/USDT", "10", "10", 20 * s_ns);
  sampler.look(21 * s_ns);
  sampler.finish();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].symbol.view(), "ETH/USDT");
  sampler.finish();
  EXPECT_EQ(taken.size(), 1u);
}

}  // namespace
}  // namespace oneclick
