// Sizes by what accounts are worth: whose balances count, at which prices, and when it is not
// known.
#include "engine/core/equity.hpp"

#include <gtest/gtest.h>

#include "engine/core/sizing.hpp"
#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

using namespace core;

Instrument instrument(const char* base) {
  Instrument i = btc_instrument();
  i.symbol = Symbol::cut(std::string(base) + "/USDT");
  i.venue_symbol = Symbol::cut(std::string(base) + "USDT");
  i.base = Asset::cut(base);
  return i;
}

// A leader with a feed account, one follower; BTC at 100 and ETH at 10.
class Equity : public testing::Test {
 protected:
  Equity() {
    w_.add_instrument(btc_instrument());
    w_.add_instrument(instrument("ETH"));
    w_.give(make_event(LeaderFeed{.account = leader_account_,
                                  .leader = leader_id(),
                                  .venue = Venue::binance,
                                  .authoritative = true,
                                  .baseline_ns = 0}));
    tell_prices();
  }
  void tell_price(const char* symbol, const char* bid, const char* ask) {
    w_.give(make_event(Price{.venue = Venue::binance,
                             .symbol = Symbol::cut(symbol),
                             .touch = {.bid = dec(bid), .ask = dec(ask), .time_ns = w_.now_ns},
                             .quote_usd = Decimal{},
                             .reference = {}}));
  }
  void tell_prices() {
    tell_price("BTC/USDT", "99", "101");
    tell_price("ETH/USDT", "10", "10.1");
  }
  void tell_balance(AccountId account, const char* asset, const char* free,
                    const char* locked = "0") {
    Balance b{};
    b.account = account;
    b.asset = Asset::cut(asset);
    b.free = dec(free);
    b.locked = dec(locked);
    b.venue_time_ns = w_.now_ns;
    b.leader = account == leader_account_;
    w_.give(make_event(b));
  }
  void add(SizingMode mode, std::int32_t percentage_e2, const char* quote) {
    CopyLink link = make_link(0);
    link.sizing_mode = mode;
    link.percentage_e2 = percentage_e2;
    link.entry_style = EntryStyle::market;
    w_.add_follower(0, link, quote);
  }
  // What the follower is sent when the leader buys; the reason when nothing.
  std::string bought(const char* quantity) {
    const std::size_t before = w_.heard.of(IntentKind::place).size();
    LeaderEvent e = w_.leader_fill(Side::buy, quantity);
    e.feed_account = leader_account_;
    e.leader_order = ++orders_;
    w_.give(make_event(e));
    const auto placed = w_.heard.of(IntentKind::place);
    if (placed.size() > before) return placed.back().quantity.to_text();
    return std::string(to_text(w_.heard.outcomes().back().reason));
  }

  World w_;
  const AccountId leader_account_ = account_id(900);
  std::uint64_t orders_ = 0;
};

TEST_F(Equity, ProportionalFollowsTheRatioOfWorth) {
  add(SizingMode::equity_proportional, 10'000, "500");
  tell_balance(leader_account_, "USDT", "5000");
  EXPECT_EQ(bought("10"), "1");
}

TEST_F(Equity, ThePercentageIsOnTop) {
  add(SizingMode::equity_proportional, 5'000, "500");
  tell_balance(leader_account_, "USDT", "5000");
  EXPECT_EQ(bought("10"), "0.5");
}

// The leader's coins count at what they cost, the follower's at what they bring.
TEST_F(Equity, CoinsCountInward) {
  add(SizingMode::equity_proportional, 10'000, "100");
  tell_balance(account_id(0), "ETH", "10", "5");  // 150 at the bid
  tell_balance(leader_account_, "USDT", "2490");
  tell_balance(leader_account_, "BTC", "0.1");  // 10.1 at the ask
  EXPECT_EQ(bought("10"), "0.999") << "250 / 2500.1 * 10, whole lots";
}

TEST_F(Equity, ALeaderWhoseWorthIsNotKnownIsNotGuessedAt) {
  add(SizingMode::equity_proportional, 10'000, "500");
  EXPECT_EQ(bought("10"), "equity_unknown") << "no balance was ever told";
  tell_balance(leader_account_, "USDT", "5000");
  EXPECT_EQ(bought("10"), "1");
  w_.pass(61 * s_ns);
  w_.reconcile(0);
  EXPECT_EQ(bought("10"), "equity_unknown") << "not heard of for longer than allowed";
  tell_balance(leader_account_, "USDT", "5000");
  EXPECT_EQ(bought("10"), "1");
}

TEST_F(Equity, ALeadersCoinWithoutAFreshPriceIsNoGuess) {
  add(SizingMode::equity_proportional, 10'000, "500");
  w_.pass(61 * s_ns);
  tell_balance(leader_account_, "USDT", "5000");
  tell_balance(leader_account_, "ETH", "1");
  EXPECT_EQ(bought("10"), "equity_unknown");
  tell_balance(leader_account_, "ETH", "0");
  EXPECT_EQ(bought("10"), "1");
  tell_balance(leader_account_, "DOGE", "77");
  EXPECT_EQ(bought("10"), "1") << "what has no market here counts for nobody";
}

TEST_F(Equity, TradesThatNameNoAccountUseTheOnlyFeed) {
  add(SizingMode::equity_proportional, 10'000, "500");
  tell_balance(leader_account_, "USDT", "5000");
  w_.leader(Side::buy, "10");
  EXPECT_EQ(w_.last_place().quantity, dec("1"));
  w_.give(make_event(LeaderFeed{.account = account_id(901),
                                .leader = leader_id(),
                                .venue = Venue::binance,
                                .authoritative = true,
                                .baseline_ns = 0}));
  w_.leader(Side::buy, "10");
  EXPECT_EQ(w_.heard.outcomes().back().reason, Reason::equity_unknown) << "which of the two?";
}

TEST_F(Equity, PercentOfTheFollowersWorthOncePerOrder) {
  add(SizingMode::follower_equity, 1'000, "500");
  EXPECT_EQ(bought("10"), "0.5") << "10 % of 500 at 100";
  LeaderEvent again = w_.leader_fill(Side::buy, "10");
  again.feed_account = leader_account_;
  again.leader_order = orders_;
  w_.give(make_event(again));
  EXPECT_EQ(w_.heard.outcomes().back().outcome, Outcome::coalesced);
}

TEST_F(Equity, AFollowerWithoutBalancesIsRefused) {
  add(SizingMode::follower_equity, 1'000, "0");
  EXPECT_EQ(bought("10"), "equity_unknown");
}

TEST_F(Equity, TheWorthSurvivesARestart) {
  add(SizingMode::equity_proportional, 10'000, "400");
  tell_balance(account_id(0), "ETH", "10");
  tell_balance(leader_account_, "USDT", "5000");
  auto loaded = Core::load(w_.core.save());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->state_hash(), w_.core.state_hash());
  w_.core = std::move(*loaded);
  EXPECT_EQ(bought("10"), "1");
}

TEST_F(Equity, OldPricesDoNotReplaceNewOnes) {
  Price late{.venue = Venue::binance,
             .symbol = btc,
             .touch = {.bid = dec("1"), .ask = dec("1"), .time_ns = w_.now_ns - 1},
             .quote_usd = Decimal{},
             .reference = {}};
  EXPECT_FALSE(w_.core.would_change(make_event(late)));
  late.symbol = Symbol::cut("NOT/HERE");
  late.touch.time_ns = w_.now_ns + 1;
  EXPECT_FALSE(w_.core.would_change(make_event(late)));
  late.symbol = btc;
  EXPECT_TRUE(w_.core.would_change(make_event(late)));
}

}  // namespace
}  // namespace oneclick::test
