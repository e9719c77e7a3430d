#include "engine/runtime/gate.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/fakes.hpp"

namespace oneclick {
namespace {

class GateTest : public testing::Test {
 protected:
  Gate make(Durability durability) {
    Gate gate({.durability = durability, .hold_ns_max = 1'000}, journal, kills);
    gate.set_session(0, &session);
    return gate;
  }
  MemoryJournal journal;
  KillBoard kills;
  RecordingSession session;
};

TEST_F(GateTest, NothingLeavesBeforeItsCauseIsAppended) {
  Gate gate = make(Durability::process);
  journal.position = 4;
  gate.release(place(false), 5, 0);
  EXPECT_TRUE(session.submitted.empty());
  EXPECT_EQ(gate.held(), 1U);
  journal.position = 5;
  EXPECT_EQ(gate.release_held(1), 1U);
  EXPECT_EQ(session.submitted.size(), 1U);
  EXPECT_EQ(session.flushes, 1);
}

TEST_F(GateTest, PowerDurabilityWaitsForTheDisk) {
  Gate gate = make(Durability::power);
  journal.position = 5;
  journal.synced_position = 4;
  gate.release(place(false), 5, 0);
  EXPECT_EQ(gate.release_held(1), 0U);
  EXPECT_TRUE(session.submitted.empty());
  journal.synced_position = 5;
  EXPECT_EQ(gate.release_held(2), 1U);
  EXPECT_EQ(session.submitted.size(), 1U);
}

TEST_F(GateTest, WhatIsHeldKeepsItsOrder) {
  Gate gate = make(Durability::power);
  gate.release(place(false, 1), 1, 0);
  journal.synced_position = 2;
  // Its own cause is on disk, but one before it still waits to be let through.
  gate.release(place(false, 2), 2, 0);
  EXPECT_EQ(gate.release_held(1), 2U);
  ASSERT_EQ(session.submitted.size(), 2U);
  EXPECT_EQ(session.submitted[0].key, place(false, 1).key);
}

TEST_F(GateTest, AnIntentThatWaitedTooLongNeverLeaves) {
  Gate gate = make(Durability::power);
  gate.release(place(true), 1, 0);
  EXPECT_EQ(gate.release_held(1'000), 0U);
  EXPECT_EQ(gate.release_held(1'001), 1U);
  journal.synced_position = 9;
  EXPECT_EQ(gate.release_held(1'002), 0U);
  EXPECT_TRUE(session.submitted.empty());
  ASSERT_EQ(gate.refused().size(), 1U);
  EXPECT_EQ(gate.refused()[0].kind, OrderUpdateKind::not_sent);
  EXPECT_EQ(gate.refused()[0].reason, Reason::overload);
}

struct Refusal {
  const char* name;
  SubmitResult answer;
  Reason reason;
};

TEST_F(GateTest, WhatASessionRefusesComesBackByName) {
  for (const Refusal& c :
       {Refusal{"budget", SubmitResult::rate_budget, Reason::rate_budget},
        Refusal{"down", SubmitResult::down, Reason::session_down},
        Refusal{"account", SubmitResult::no_account, Reason::exchange_disconnected}}) {
    SCOPED_TRACE(c.name);
    Gate gate = make(Durability::process);
    session.answer = c.answer;
    gate.release(place(false), 0, 0);
    ASSERT_EQ(gate.refused().size(), 1U);
    EXPECT_EQ(gate.refused()[0].reason, c.reason);
    EXPECT_EQ(gate.refused()[0].kind, OrderUpdateKind::not_sent);
  }
}

TEST_F(GateTest, AQuestionThatCouldNotBeAskedSaysNothingAboutTheOrder) {
  Gate gate = make(Durability::process);
  session.answer = SubmitResult::down;
  Intent query = place(false);
  query.kind = IntentKind::query;
  gate.release(query, 0, 0);
  ASSERT_EQ(gate.refused().size(), 1U);
  EXPECT_EQ(gate.refused()[0].kind, OrderUpdateKind::query_failed);
}

TEST_F(GateTest, AnAccountWithoutSessionIsRefused) {
  Gate gate = make(Durability::process);
  Intent intent = place(false);
  intent.slot = 7;
  gate.release(intent, 0, 0);
  ASSERT_EQ(gate.refused().size(), 1U);
  EXPECT_EQ(gate.refused()[0].reason, Reason::session_down);
}

TEST_F(GateTest, KillSwitchStopsEntriesAndLetsExitsOut) {
  Gate gate = make(Durability::process);
  kills.set({.on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = {}});
  gate.release(place(false), 0, 0);
  gate.release(place(true), 0, 0);
  ASSERT_EQ(session.submitted.size(), 1U);
  EXPECT_TRUE(session.submitted[0].is_exit);
  ASSERT_EQ(gate.refused().size(), 1U);
  EXPECT_EQ(gate.refused()[0].reason, Reason::kill_switch);
}

TEST_F(GateTest, ExpiredEntriesAreStaleAndExitsNeverExpire) {
  Gate gate = make(Durability::process);
  Intent entry = place(false), exit = place(true);
  entry.expires_ns = exit.expires_ns = 100;
  gate.release(entry, 0, 100);
  EXPECT_EQ(session.submitted.size(), 1U);
  gate.release(entry, 0, 101);
  gate.release(exit, 0, 101);
  EXPECT_EQ(session.submitted.size(), 2U);
  ASSERT_EQ(gate.refused().size(), 1U);
  EXPECT_EQ(gate.refused()[0].reason, Reason::stale);
}

TEST_F(GateTest, AFailedJournalLetsNoOrderOut) {
  Gate gate = make(Durability::process);
  journal.broken = true;
  gate.release(place(true), 0, 0);
  gate.release(place(false), 0, 0);
  EXPECT_TRUE(session.submitted.empty());
  EXPECT_EQ(gate.refused().size(), 2U);
}

TEST_F(GateTest, DrainingStopsEntriesOnly) {
  Gate gate = make(Durability::process);
  gate.stop_entries(Reason::draining);
  gate.release(place(false), 0, 0);
  gate.release(place(true), 0, 0);
  EXPECT_EQ(session.submitted.size(), 1U);
  ASSERT_EQ(gate.refused().size(), 1U);
  EXPECT_EQ(gate.refused()[0].reason, Reason::draining);
}

TEST(KillBoard, ScopesMatchByTheirSetMembers) {
  Intent intent = place(false);
  intent.leader = {{1, 1}};
  intent.follower = {{2, 2}};
  struct Case {
    const char* name;
    KillSwitch scope;
    bool covers;
  };
  const KillSwitch all{
      .on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = {}};
  KillSwitch leader = all, other_leader = all, follower = all, symbol = all, other_symbol = all,
             both = all;
  leader.leader = {{1, 1}};
  other_leader.leader = {{9, 9}};
  follower.follower = {{2, 2}};
  symbol.symbol = Symbol::cut("BTC/USDT");
  other_symbol.symbol = Symbol::cut("ETH/USDT");
  both.leader = {{1, 1}};
  both.symbol = Symbol::cut("ETH/USDT");
  for (const Case& c : {Case{"global", all, true}, Case{"leader", leader, true},
                        Case{"other leader", other_leader, false}, Case{"follower", follower, true},
                        Case{"symbol", symbol, true}, Case{"other symbol", other_symbol, false},
                        Case{"leader and other symbol", both, false}}) {
    SCOPED_TRACE(c.name);
    KillBoard board;
    EXPECT_FALSE(board.any());
    board.set(c.scope);
    EXPECT_TRUE(board.any());
    EXPECT_EQ(board.covers(intent), c.covers);
    KillSwitch off = c.scope;
    off.on = false;
    board.set(off);
    EXPECT_FALSE(board.any());
    EXPECT_FALSE(board.covers(intent));
  }
}

}  // namespace
}  // namespace oneclick
