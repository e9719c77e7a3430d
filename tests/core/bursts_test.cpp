// More than the venue's budget carries: RULES.md, 11.
#include <map>

#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

class Bursts : public testing::Test {
 protected:
  Bursts() {
    w_.add_instrument(btc_instrument());
    w_.add_follower(0);
  }
  // The gate takes `budget` orders of what is asked, entries and exits alike, and refuses the rest.
  void answer_all(int& budget) {
    while (answered_ < w_.heard.intents.size()) {
      const Intent i = w_.heard.intents[answered_++];
      if (i.kind != IntentKind::place) continue;
      if (budget > 0) {
        --budget;
        w_.fill_whole(i);
      } else {
        w_.not_sent(i, Reason::rate_budget);
      }
    }
  }
  World w_;
  std::size_t answered_ = 0;
};

TEST_F(Bursts, ARefusedEntryLeavesWithTheNext) {
  w_.leader(Side::buy, "1");
  w_.not_sent(w_.last_place(), Reason::rate_budget);
  EXPECT_TRUE(w_.heard.outcomes().empty());
  w_.leader(Side::buy, "2");
  EXPECT_EQ(w_.last_place().quantity, dec("3"));
  const auto told = w_.heard.outcomes();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].outcome, Outcome::coalesced);
  EXPECT_EQ(told[0].reason, Reason::rate_budget);
  w_.fill_whole(w_.last_place());
  EXPECT_EQ(w_.held(0), dec("3"));
  EXPECT_TRUE(w_.residual(0).is_zero());
}

TEST_F(Bursts, WithoutANextItGoesByItselfUnderItsOwnKey) {
  w_.leader(Side::buy, "1");
  const Intent first = w_.last_place();
  w_.not_sent(first, Reason::rate_budget);
  w_.run_until(w_.now_ns + s_ns);
  ASSERT_EQ(w_.heard.of(IntentKind::place).size(), 2U);
  EXPECT_EQ(w_.last_place().key, first.key);
  w_.fill_whole(w_.last_place());
  ASSERT_EQ(w_.heard.outcomes().size(), 1U);
  EXPECT_EQ(w_.heard.outcomes()[0].outcome, Outcome::copied);
}

TEST_F(Bursts, WhatNoBudgetCarriedInTimeStaysAsResidual) {
  w_.leader(Side::buy, "1");
  const std::int64_t end = w_.now_ns + 5 * s_ns;
  w_.not_sent(w_.last_place(), Reason::rate_budget);
  std::size_t answered = 1;
  while (w_.core.next_deadline_ns() <= end + s_ns) {
    w_.run_until(w_.core.next_deadline_ns());
    const auto placed = w_.heard.of(IntentKind::place);
    for (; answered < placed.size(); ++answered) w_.not_sent(placed[answered], Reason::rate_budget);
  }
  const auto told = w_.heard.outcomes();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].outcome, Outcome::carried);
  EXPECT_EQ(told[0].reason, Reason::rate_budget);
  EXPECT_EQ(w_.residual(0), dec("1"));
  EXPECT_LE(answered, 8U);  // asked ever more rarely
  w_.leader(Side::buy, "1");
  EXPECT_EQ(w_.last_place().quantity, dec("2"));
}

TEST_F(Bursts, WhatTheLeaderSoldMeanwhileIsNotBought) {
  w_.leader(Side::buy, "2");
  w_.not_sent(w_.last_place(), Reason::rate_budget);
  w_.leader(Side::sell, "2");
  w_.run_until(w_.now_ns + 10 * s_ns);
  EXPECT_EQ(w_.heard.of(IntentKind::place).size(), 1U);
  EXPECT_TRUE(w_.residual(0).is_zero());
  EXPECT_EQ(w_.heard.outcomes().size(), 2U);
}

TEST_F(Bursts, LostPermissionEndsTheWaiting) {
  w_.leader(Side::buy, "1");
  w_.not_sent(w_.last_place(), Reason::rate_budget);
  CopyLink link = make_link(0);
  link.status = LinkStatus::paused;
  link.version = 2;
  w_.give(make_event(link));
  w_.run_until(w_.now_ns + s_ns);
  ASSERT_EQ(w_.heard.outcomes().size(), 1U);
  EXPECT_EQ(w_.heard.outcomes()[0].outcome, Outcome::skipped);
  EXPECT_EQ(w_.heard.outcomes()[0].reason, Reason::link_inactive);
}

TEST_F(Bursts, ExitsThatWaitAreOneOrder) {
  w_.leader(Side::buy, "4");
  w_.fill_whole(w_.last_place());
  w_.heard.clear();
  for (int i = 0; i < 3; ++i) {
    w_.leader(Side::sell, "1");
    if (i == 0) w_.not_sent(w_.last_place(), Reason::rate_budget);
  }
  EXPECT_EQ(w_.heard.of(IntentKind::place).size(), 1U);
  w_.run_until(w_.now_ns + 60 * s_ns);
  ASSERT_EQ(w_.heard.of(IntentKind::place).size(), 2U);
  EXPECT_EQ(w_.last_place().quantity, dec("3"));
  w_.fill_whole(w_.last_place());
  EXPECT_EQ(w_.held(0), dec("1"));
  std::map<Outcome, int> told;
  for (const OutcomeRecord& o : w_.heard.outcomes()) ++told[o.outcome];
  EXPECT_EQ(told[Outcome::coalesced], 2);
  EXPECT_EQ(told[Outcome::copied], 1);
}

// Ten times as many events as the budget carries; then it carries again.
TEST_F(Bursts, TenTimesTheBudgetDropsNothing) {
  int budget = 10;
  for (int i = 0; i < 100; ++i) {
    w_.pass(10 * ms_ns);
    w_.leader(Side::buy, "0.013");
    answer_all(budget);
  }
  budget = 1'000;
  w_.run_until(w_.now_ns + 10 * s_ns);
  answer_all(budget);
  EXPECT_EQ(w_.held(0), dec("1.3"));
  EXPECT_EQ(w_.heard.outcomes().size(), 100U);
  for (int i = 0; i < 100; ++i) {
    w_.pass(10 * ms_ns);
    budget = i % 10 == 0 ? 1 : 0;
    w_.leader(Side::sell, "0.013");
    answer_all(budget);
  }
  budget = 1'000;
  for (int i = 0; i < 20; ++i) {
    w_.run_until(w_.now_ns + 60 * s_ns);
    answer_all(budget);
  }
  EXPECT_TRUE(w_.held(0).is_zero()) << w_.held(0).to_text();
  EXPECT_EQ(w_.heard.outcomes().size(), 200U);
  Core again;
  Heard heard;
  for (const Event& e : w_.history) again.step(e, heard);
  EXPECT_EQ(again.state_hash(), w_.core.state_hash());
  EXPECT_EQ(heard.bytes, w_.heard.bytes);
}

}  // namespace
}  // namespace oneclick::test
