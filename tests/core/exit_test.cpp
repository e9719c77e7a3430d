// Selling: fractions, dust, what is in flight, refusals, and what arrives too late.
#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

struct Exit : ::testing::Test {
  void SetUp() override {
    w.add_instrument(btc_instrument());
    w.add_follower(0);
  }
  void buy(std::string_view quantity) {
    w.leader(Side::buy, quantity);
    w.fill_whole(w.last_place());
    w.heard.clear();
  }
  [[nodiscard]] OutcomeRecord outcome() const {
    EXPECT_EQ(w.heard.outcomes().size(), 1U);
    return w.heard.outcomes().empty() ? OutcomeRecord{} : w.heard.outcomes().back();
  }
  World w;
};

TEST_F(Exit, ClosesTheFractionThatTheLeaderClosed) {
  buy("4");
  w.leader(Side::sell, "1");
  const Intent exit = w.last_place();
  EXPECT_EQ(exit.quantity, dec("1"));
  EXPECT_EQ(exit.type, OrderType::market);
  EXPECT_EQ(exit.side, Side::sell);
  EXPECT_TRUE(exit.is_exit);
  EXPECT_EQ(exit.expires_ns, 0);
  EXPECT_TRUE(exit.price.is_zero());
  w.fill_whole(exit);
  EXPECT_EQ(w.held(0), dec("3"));
  EXPECT_EQ(outcome().outcome, Outcome::copied);
}

TEST_F(Exit, AnExitInFlightIsNotSoldAgain) {
  buy("4");
  w.leader(Side::sell, "2");
  w.leader(Side::sell, "1");
  const auto places = w.heard.of(IntentKind::place);
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].quantity, dec("2"));
  EXPECT_EQ(places[1].quantity, dec("1"));
  w.leader(Side::sell, "1");
  w.leader(Side::sell, "1");
  for (const Intent& i : w.heard.of(IntentKind::place)) w.fill_whole(i);
  EXPECT_TRUE(w.held(0).is_zero());
  EXPECT_EQ(w.heard.of(IntentKind::place).size(), 3U);
  EXPECT_EQ(w.heard.outcomes().size(), 4U);
  EXPECT_EQ(w.heard.outcomes()[0].reason, Reason::no_position) << "the leader had nothing left";
}

TEST_F(Exit, WhatTheLeaderHeldBeforeIsNotCopied) {
  w.leader(Side::sell, "1");
  EXPECT_EQ(outcome().reason, Reason::no_position);
  EXPECT_TRUE(w.heard.of(IntentKind::place).empty());
}

TEST_F(Exit, BelowALotIsCarriedAndSweptWithTheNextSale) {
  buy("0.003");
  w.leader(Side::sell, "0.0005");
  EXPECT_EQ(outcome().outcome, Outcome::carried);
  EXPECT_EQ(outcome().residual_quantity, dec("0.0005"));
  w.heard.clear();
  w.leader(Side::sell, "0.0005");
  ASSERT_EQ(w.heard.of(IntentKind::place).size(), 1U);
  EXPECT_EQ(w.last_place().quantity, dec("0.001"));
}

TEST_F(Exit, LeaderFlatMeansFollowerFlatButForDust) {
  w.leader(Side::buy, "2");
  const Intent entry = w.last_place();
  w.accept(entry);
  OrderUpdate u = w.execution(entry, "2", "2", "a");
  u.fee = dec("0.0004");
  u.fee_asset = Asset::cut("BTC");
  w.give(make_event(u));
  w.heard.clear();
  w.leader(Side::sell, "2");
  EXPECT_EQ(w.last_place().quantity, dec("1.999"));
  w.fill_whole(w.last_place());
  EXPECT_EQ(w.held(0), dec("0.0006"));
  EXPECT_EQ(outcome().residual_quantity, dec("0.0006"));
}

TEST_F(Exit, ARefusedExitIsTriedAgainUnderANewKeyUntilItIsThrough) {
  buy("1");
  w.leader(Side::sell, "1");
  Intent exit = w.last_place();
  for (int i = 0; i < 20; ++i) {
    w.reject(exit);
    EXPECT_TRUE(w.heard.outcomes().empty());
    const std::size_t before = w.heard.of(IntentKind::place).size();
    w.run_until(w.now_ns + 10 * s_ns - 1);
    EXPECT_EQ(w.heard.of(IntentKind::place).size(), before) << "at most six a minute";
    w.run_until(w.core.next_deadline_ns());
    ASSERT_EQ(w.heard.of(IntentKind::place).size(), before + 1);
    EXPECT_NE(w.last_place().key, exit.key);
    EXPECT_EQ(w.last_place().quantity, dec("1"));
    exit = w.last_place();
  }
  w.fill_whole(exit);
  EXPECT_EQ(outcome().outcome, Outcome::copied);
  EXPECT_EQ(outcome().order, exit.key);
  EXPECT_TRUE(w.held(0).is_zero());
  EXPECT_EQ(w.core.counts().orders_open, 0U);
}

TEST_F(Exit, AnExitThatCouldNotLeaveIsTriedAgainUnderItsKey) {
  buy("1");
  w.leader(Side::sell, "1");
  const Intent exit = w.last_place();
  w.not_sent(exit, Reason::session_down);
  w.run_until(w.now_ns + 10 * s_ns);
  ASSERT_EQ(w.heard.of(IntentKind::place).size(), 2U);
  EXPECT_EQ(w.last_place().key, exit.key);
  w.fill_whole(w.last_place());
  EXPECT_EQ(outcome().outcome, Outcome::copied);
}

TEST_F(Exit, AnExitProvenAbsentIsSentAgainUnderItsKey) {
  buy("1");
  w.leader(Side::sell, "1");
  const Intent exit = w.last_place();
  w.answer(exit, OrderUpdateKind::unknown, UpdateSource::reply);
  for (int i = 0; i < 3; ++i) {
    w.answer(exit, OrderUpdateKind::not_found);
    w.pass(6 * s_ns);
  }
  ASSERT_EQ(w.heard.of(IntentKind::place).size(), 2U);
  EXPECT_EQ(w.last_place().key, exit.key);
  w.fill_whole(exit);
  EXPECT_EQ(outcome().outcome, Outcome::copied);
}

TEST_F(Exit, TheUnfilledRestIsSoldAtOnce) {
  buy("3");
  w.leader(Side::sell, "3");
  const Intent exit = w.last_place();
  w.accept(exit);
  w.fill(exit, "1", "1", "a");
  w.done(exit, "1");
  const Intent rest = w.last_place();
  EXPECT_NE(rest.key, exit.key);
  EXPECT_EQ(rest.quantity, dec("2"));
  w.fill_whole(rest);
  EXPECT_TRUE(w.held(0).is_zero());
  EXPECT_EQ(outcome().order, exit.key);
}

TEST_F(Exit, MoreThanTheVenueTakesAtOnceGoesInSeveralOrders) {
  Instrument i = btc_instrument();
  i.market_quantity_max = dec("2");
  w.add_instrument(i);
  buy("5");
  w.leader(Side::sell, "5");
  for (const char* expected : {"2", "2", "1"}) {
    EXPECT_EQ(w.last_place().quantity, dec(expected));
    w.fill_whole(w.last_place());
  }
  EXPECT_TRUE(w.held(0).is_zero());
  EXPECT_EQ(w.heard.outcomes().size(), 1U);
}

TEST_F(Exit, AnEntryThatFillsAfterTheLeaderLeftIsSold) {
  w.leader(Side::buy, "2");
  const Intent entry = w.last_place();
  w.leader(Side::sell, "2");
  ASSERT_EQ(w.heard.outcomes().size(), 1U);
  EXPECT_EQ(w.heard.outcomes()[0].outcome, Outcome::coalesced);
  EXPECT_EQ(w.heard.outcomes()[0].order, entry.key);
  w.fill_whole(entry);
  const Intent exit = w.last_place();
  EXPECT_TRUE(exit.is_exit);
  EXPECT_EQ(exit.quantity, dec("2"));
  w.fill_whole(exit);
  EXPECT_TRUE(w.held(0).is_zero());
  EXPECT_EQ(w.heard.outcomes().size(), 2U) << "no outcome of its own";
}

TEST_F(Exit, OfAnEntryInFlightTheFractionIsSoldWhenItArrives) {
  w.leader(Side::buy, "4");
  const Intent entry = w.last_place();
  w.leader(Side::sell, "1");
  w.accept(entry);
  w.fill(entry, "4", "4", "a");
  EXPECT_EQ(w.last_place().quantity, dec("1"));
  w.fill_whole(w.last_place());
  EXPECT_EQ(w.held(0), dec("3"));
}

TEST_F(Exit, RunsWithoutPermissionToEnter) {
  buy("1");
  CopyLink link = make_link(0);
  link.status = LinkStatus::paused;
  link.user_active = false;
  link.subscription_active = false;
  w.give(make_event(link));
  w.give(make_event(
      KillSwitch{.on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = {}}));
  AccountState lost{};
  lost.account = account_id(0);
  lost.kind = AccountStateKind::lost;
  w.give(make_event(lost));
  w.heard.clear();
  w.leader(Side::sell, "1");
  ASSERT_EQ(w.heard.of(IntentKind::place).size(), 1U);
  w.fill_whole(w.last_place());
  EXPECT_TRUE(w.held(0).is_zero());
}

TEST_F(Exit, StopsWithoutAWayToTheVenue) {
  buy("1");
  Account account = make_account(0);
  account.connected = false;
  w.give(make_event(account));
  w.leader(Side::sell, "0.5");
  EXPECT_EQ(outcome().reason, Reason::exchange_disconnected);
  account.connected = true;
  w.give(make_event(account));
  AccountState refused{};
  refused.account = account_id(0);
  refused.kind = AccountStateKind::credentials_refused;
  w.give(make_event(refused));
  w.heard.clear();
  w.leader(Side::sell, "0.5");
  EXPECT_EQ(outcome().reason, Reason::credentials_refused);
}

TEST_F(Exit, WaitsForAHaltedVenue) {
  buy("1");
  Instrument i = btc_instrument();
  i.status = TradingStatus::halted;
  w.add_instrument(i);
  w.leader(Side::sell, "1");
  EXPECT_TRUE(w.heard.of(IntentKind::place).empty());
  w.run_until(w.now_ns + 30 * s_ns);
  i.status = TradingStatus::trading;
  w.add_instrument(i);
  w.run_until(w.core.next_deadline_ns());
  ASSERT_EQ(w.heard.of(IntentKind::place).size(), 1U);
  w.fill_whole(w.last_place());
  EXPECT_EQ(outcome().outcome, Outcome::copied);
}

struct Signals : Exit {
  void SetUp() override {
    w.add_instrument(btc_instrument());
    CopyLink link = make_link(0);
    link.leader = {};
    link.channel = channel_id();
    w.add_follower(0, link);
  }
};

TEST_F(Signals, ClosingASignalSellsWhatItOpenedAndNoMore) {
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 1, SignalType::buy, "2")));
  w.fill_whole(w.last_place());
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 2, SignalType::buy, "3")));
  w.fill_whole(w.last_place());
  EXPECT_EQ(w.held(0), dec("5"));
  w.give(make_event(w.signal(LeaderEventKind::signal_closed, 1, SignalType::none)));
  EXPECT_EQ(w.last_place().quantity, dec("2"));
  w.fill_whole(w.last_place());
  w.heard.clear();
  w.give(make_event(w.signal(LeaderEventKind::signal_closed, 1, SignalType::none)));
  EXPECT_EQ(outcome().reason, Reason::no_position);
  w.give(make_event(w.signal(LeaderEventKind::signal_closed, 2, SignalType::none)));
  w.fill_whole(w.last_place());
  EXPECT_TRUE(w.held(0).is_zero());
}

TEST_F(Signals, ASellSignalSellsAtMostWhatIsHeld) {
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 1, SignalType::buy, "2")));
  w.fill_whole(w.last_place());
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 2, SignalType::sell, "0.5")));
  EXPECT_EQ(w.last_place().quantity, dec("0.5"));
  w.fill_whole(w.last_place());
  w.heard.clear();
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 3, SignalType::sell, "9")));
  EXPECT_EQ(w.last_place().quantity, dec("1.5"));
  w.fill_whole(w.last_place());
  EXPECT_EQ(outcome().outcome, Outcome::clipped);
  EXPECT_EQ(outcome().cap, Cap::held);
  w.heard.clear();
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 4, SignalType::sell)));
  EXPECT_EQ(outcome().reason, Reason::no_position);
}

TEST_F(Signals, HoldAndNoQuantityAreNamed) {
  w.heard.clear();
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 1, SignalType::hold, "1")));
  EXPECT_EQ(outcome().reason, Reason::hold);
  w.heard.clear();
  w.give(make_event(w.signal(LeaderEventKind::signal_published, 2, SignalType::buy)));
  EXPECT_EQ(outcome().reason, Reason::no_quantity);
  w.heard.clear();
  w.give(make_event(w.signal(LeaderEventKind::signal_updated, 2, SignalType::buy)));
  ASSERT_EQ(w.heard.records.size(), 1U);
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 0U);
}

TEST_F(Signals, OneClickCopyIsForItsUserOnly) {
  CopyLink other = make_link(1);
  other.leader = {};
  other.channel = channel_id();
  w.add_follower(1, other);
  w.heard.clear();
  LeaderEvent e = w.signal(LeaderEventKind::one_click_copy, 1, SignalType::buy, "2");
  e.target = follower_id(1);
  e.percentage_e2 = 5'000;
  w.give(make_event(e));
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 1U);
  ASSERT_EQ(w.heard.of(IntentKind::place).size(), 1U);
  EXPECT_EQ(w.last_place().account, account_id(1));
  EXPECT_EQ(w.last_place().quantity, dec("1"));
  w.heard.clear();
  e = w.signal(LeaderEventKind::one_click_copy, 2, SignalType::buy, "2");
  e.target = follower_id(9);
  w.give(make_event(e));
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 0U);
  EXPECT_TRUE(w.heard.of(IntentKind::place).empty());
}

}  // namespace
}  // namespace oneclick::test
