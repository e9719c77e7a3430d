// Limits over all of what a link holds: positions, entries a minute, exposure, loss of a day,
// drawdown. BTC at 100, ETH at 10, SOL at 1; one USDT is one USD unless a case says otherwise.
#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

constexpr std::int64_t minute_ns = 60 * s_ns;
constexpr std::int64_t day_ns = 24 * 60 * minute_ns;

Instrument instrument(const char* base) {
  Instrument i = btc_instrument();
  i.symbol = Symbol::cut(std::string(base) + "/USDT");
  i.venue_symbol = Symbol::cut(std::string(base) + "USDT");
  i.base = Asset::cut(base);
  return i;
}

class Limits : public testing::Test {
 protected:
  Limits() {
    for (const char* base : {"BTC", "ETH", "SOL"}) w_.add_instrument(instrument(base));
    tell_prices();
  }
  void follow(const CopyLink& link) { w_.add_follower(0, link); }
  void tell(const char* base, const char* bid, const char* ask, const char* usd = "1") {
    w_.give(make_event(Price{.venue = Venue::binance,
                             .symbol = Symbol::cut(std::string(base) + "/USDT"),
                             .touch = {.bid = dec(bid), .ask = dec(ask), .time_ns = w_.now_ns},
                             .quote_usd = dec(usd),
                             .reference = {}}));
  }
  void tell_prices(const char* usd = "1") {
    tell("BTC", "100", "100", usd);
    tell("ETH", "10", "10", usd);
    tell("SOL", "1", "1", usd);
  }
  // The leader trades; the follower's order, if one is made, fills whole at `price`.
  OutcomeRecord trade(Side side, const char* base, const char* quantity, const char* price) {
    w_.heard.clear();
    w_.bid = w_.ask = dec(price);
    LeaderEvent e = w_.leader_fill(side, quantity);
    e.symbol = Symbol::cut(std::string(base) + "/USDT");
    w_.give(make_event(e));
    const auto placed = w_.heard.of(IntentKind::place);
    for (const Intent& i : placed) w_.fill_whole(i);
    const auto told = w_.heard.outcomes();
    EXPECT_EQ(told.size(), 1U);
    return told.empty() ? OutcomeRecord{} : told.front();
  }
  OutcomeRecord buy(const char* base, const char* quantity, const char* price) {
    return trade(Side::buy, base, quantity, price);
  }
  OutcomeRecord sell(const char* base, const char* quantity, const char* price) {
    return trade(Side::sell, base, quantity, price);
  }
  std::vector<LinkHaltRecord> halts() const {
    std::vector<LinkHaltRecord> all;
    for (const Record& r : w_.heard.records)
      if (r.kind == RecordKind::link_halt) all.push_back(r.link_halt);
    return all;
  }
  // Everything that was told so far gives the same state when it is told again.
  void expect_replay() {
    Core again;
    Heard heard;
    for (const Event& e : w_.history) again.step(e, heard);
    EXPECT_EQ(again.state_hash(), w_.core.state_hash());
    const auto loaded = Core::load(w_.core.save());
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->state_hash(), w_.core.state_hash());
  }

  World w_;
};

TEST_F(Limits, AnotherSymbolIsRefusedWhenAllPositionsAreTaken) {
  CopyLink link = make_link(0);
  link.positions_max = 2;
  follow(link);
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  EXPECT_EQ(buy("ETH", "1", "10").outcome, Outcome::copied);
  EXPECT_EQ(buy("SOL", "1", "1").reason, Reason::positions);
  EXPECT_EQ(buy("ETH", "1", "10").outcome, Outcome::copied);  // held already
  EXPECT_EQ(sell("ETH", "2", "10").outcome, Outcome::copied);
  EXPECT_EQ(buy("SOL", "1", "1").outcome, Outcome::copied);
  expect_replay();
}

TEST_F(Limits, AnOrderInFlightTakesAPosition) {
  CopyLink link = make_link(0);
  link.positions_max = 1;
  follow(link);
  w_.leader(Side::buy, "1");
  EXPECT_EQ(buy("ETH", "1", "10").reason, Reason::positions);
}

TEST_F(Limits, EntriesAreCountedByTheClocksMinute) {
  CopyLink link = make_link(0);
  link.entries_per_minute_max = 2;
  w_.now_ns = w_.now_ns / minute_ns * minute_ns + s_ns;
  follow(link);
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  EXPECT_EQ(buy("BTC", "1", "100").reason, Reason::entry_rate);
  EXPECT_EQ(sell("BTC", "1", "100").outcome, Outcome::copied);  // exits are not counted
  w_.pass(minute_ns - s_ns - 1);
  EXPECT_EQ(buy("BTC", "1", "100").reason, Reason::entry_rate);
  w_.pass(1);
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  expect_replay();
}

TEST_F(Limits, WhatIsCarriedOrSkippedIsNoEntry) {
  CopyLink link = make_link(0);
  link.entries_per_minute_max = 1;
  follow(link);
  EXPECT_EQ(buy("BTC", "0.0001", "100").outcome, Outcome::carried);
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
}

TEST_F(Limits, ExposureOfAllSymbolsClips) {
  CopyLink link = make_link(0);
  link.exposure_usd_max = dec("150");
  link.slippage_bps_max = 0;
  follow(link);
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  const OutcomeRecord clipped = buy("ETH", "9", "10");
  EXPECT_EQ(clipped.outcome, Outcome::clipped);
  EXPECT_EQ(clipped.cap, Cap::exposure);
  EXPECT_EQ(clipped.sent_quantity, dec("5"));
  const OutcomeRecord full = buy("SOL", "1", "1");
  EXPECT_EQ(full.reason, Reason::exposure);
  EXPECT_EQ(full.cap, Cap::exposure);
}

TEST_F(Limits, ExposureCountsOrdersInFlightAsFilled) {
  CopyLink link = make_link(0);
  link.exposure_usd_max = dec("100");
  link.slippage_bps_max = 0;
  follow(link);
  w_.leader(Side::buy, "1");  // 100, not answered
  EXPECT_EQ(buy("ETH", "1", "10").reason, Reason::exposure);
}

TEST_F(Limits, ExposureIsInUsdNotInQuote) {
  CopyLink link = make_link(0);
  link.exposure_usd_max = dec("45");
  link.slippage_bps_max = 0;
  tell_prices("0.5");
  follow(link);
  const OutcomeRecord clipped = buy("ETH", "20", "10");
  EXPECT_EQ(clipped.sent_quantity, dec("9"));
}

TEST_F(Limits, WithoutAPriceOrARateALimitedLinkIsRefused) {
  CopyLink link = make_link(0);
  link.exposure_usd_max = dec("1000");
  tell_prices("0");  // no peg
  follow(link);
  EXPECT_EQ(buy("BTC", "1", "100").reason, Reason::not_valued);
  tell_prices();
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  w_.pass(61 * s_ns);
  EXPECT_EQ(buy("ETH", "1", "10").reason, Reason::not_valued);
  expect_replay();
}

TEST_F(Limits, WhatIsLostInADayStopsEntriesUntilTheNext) {
  CopyLink link = make_link(0);
  link.daily_loss_usd_max = dec("30");
  w_.now_ns = w_.now_ns / day_ns * day_ns + s_ns;
  tell_prices();
  follow(link);
  buy("BTC", "1", "100");
  sell("BTC", "1", "80");  // 20 realised
  EXPECT_EQ(buy("ETH", "2", "10").outcome, Outcome::copied);
  tell("ETH", "5.01", "5.01");  // 9.98 not realised
  EXPECT_EQ(buy("SOL", "1", "1").outcome, Outcome::copied);
  tell("ETH", "5", "5");
  EXPECT_EQ(buy("SOL", "1", "1").reason, Reason::daily_loss);
  EXPECT_EQ(sell("ETH", "2", "5").outcome, Outcome::copied);  // exits go on
  w_.pass(day_ns);
  tell_prices();
  EXPECT_EQ(buy("BTC", "1", "100").outcome, Outcome::copied);
  expect_replay();
}

TEST_F(Limits, FeesAreLosses) {
  CopyLink link = make_link(0);
  link.daily_loss_usd_max = dec("3");
  follow(link);
  buy("SOL", "1", "1");
  w_.heard.clear();
  w_.bid = w_.ask = dec("100");
  w_.leader(Side::buy, "1");
  const Intent order = w_.last_place();
  w_.accept(order);
  OrderUpdate fill = w_.execution(order, "1", "1", "t");
  fill.fee = dec("0.01");
  fill.fee_asset = Asset::cut("BNB");
  fill.fee_usd = dec("300");
  w_.give(make_event(fill));
  w_.done(order, "1");
  tell("BTC", "100", "100");
  EXPECT_EQ(buy("SOL", "1", "1").reason, Reason::daily_loss);
}

TEST_F(Limits, ADrawdownFromTheStartHaltsUntilReleased) {
  CopyLink link = make_link(0);
  link.drawdown_usd_max = dec("25");
  follow(link);
  buy("BTC", "1", "100");
  tell("BTC", "130", "130");  // profits do not move the start
  tell("BTC", "75.01", "75.01");
  EXPECT_TRUE(halts().empty());
  tell("BTC", "75", "75");
  ASSERT_EQ(halts().size(), 1U);
  EXPECT_TRUE(halts()[0].halted);
  EXPECT_EQ(halts()[0].profit_usd, dec("-25"));
  tell("BTC", "100", "100");  // better again: halted all the same
  EXPECT_EQ(buy("ETH", "1", "10").reason, Reason::drawdown);
  EXPECT_EQ(w_.held(0), dec("1"));
  link.percentage_e2 = 5'000;
  link.version = 2;
  w_.give(make_event(link));
  EXPECT_EQ(buy("ETH", "1", "10").reason, Reason::drawdown);
  link.risk_epoch = 1;
  link.version = 3;
  w_.heard.clear();
  w_.give(make_event(link));
  ASSERT_EQ(halts().size(), 1U);
  EXPECT_FALSE(halts()[0].halted);
  EXPECT_EQ(buy("ETH", "1", "10").outcome, Outcome::copied);
  expect_replay();
}

TEST_F(Limits, ADrawdownFromThePeakClosesEverythingWithOneOutcomeEach) {
  CopyLink link = make_link(0);
  link.drawdown_usd_max = dec("25");
  link.drawdown_from = DrawdownFrom::peak;
  link.drawdown_action = DrawdownAction::close;
  follow(link);
  buy("BTC", "1", "100");
  buy("ETH", "2", "10");
  tell("ETH", "10", "10");
  tell("BTC", "150", "150");
  w_.heard.clear();
  tell("BTC", "125", "125");
  ASSERT_EQ(halts().size(), 1U);
  EXPECT_EQ(halts()[0].from_usd, dec("50"));
  EXPECT_EQ(halts()[0].profit_usd, dec("25"));
  std::uint32_t matched = 0;
  for (const Record& r : w_.heard.records)
    if (r.kind == RecordKind::leader_event) {
      EXPECT_EQ(r.leader_event.event.kind, LeaderEventKind::risk_close);
      EXPECT_EQ(r.leader_event.event.target, follower_id(0));
      matched += r.leader_event.links_matched;
    }
  EXPECT_EQ(matched, 2U);
  const auto sold = w_.heard.of(IntentKind::place);
  ASSERT_EQ(sold.size(), 2U);
  for (const Intent& i : sold) {
    EXPECT_TRUE(i.is_exit);
    w_.fill_whole(i);
  }
  EXPECT_EQ(w_.heard.outcomes().size(), 2U);
  EXPECT_EQ(w_.held(0), Decimal{});
  EXPECT_EQ(w_.held(0, Symbol::cut("ETH/USDT")), Decimal{});
  w_.heard.clear();
  tell("BTC", "10", "10");  // told once
  EXPECT_TRUE(halts().empty());
  EXPECT_TRUE(w_.heard.of(IntentKind::place).empty());
  expect_replay();
}

TEST_F(Limits, OtherLinksGoOn) {
  CopyLink limited = make_link(0);
  limited.drawdown_usd_max = dec("1");
  follow(limited);
  w_.add_follower(1);
  w_.leader(Side::buy, "1");
  for (const Intent& i : w_.heard.of(IntentKind::place)) w_.fill_whole(i);
  tell("BTC", "90", "90");
  w_.heard.clear();
  w_.leader(Side::buy, "1");
  const auto placed = w_.heard.of(IntentKind::place);
  ASSERT_EQ(placed.size(), 1U);
  EXPECT_EQ(placed[0].account, account_id(1));
}

TEST_F(Limits, NoneOfTheEnginesOwnEventsMayComeFromOutside) {
  follow(make_link(0));
  buy("BTC", "1", "100");
  w_.heard.clear();
  LeaderEvent forged = w_.leader_fill(Side::sell, "1");
  forged.kind = LeaderEventKind::risk_close;
  w_.give(make_event(forged));
  EXPECT_TRUE(w_.heard.records.empty());
  EXPECT_TRUE(w_.heard.intents.empty());
}

}  // namespace
}  // namespace oneclick::test
