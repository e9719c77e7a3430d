// The life of one order: every order of arrival, every kind of answer, and none.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

struct Life : ::testing::Test {
  void SetUp() override {
    w.add_instrument(btc_instrument());
    w.add_follower(0);
    w.leader(Side::buy, "2");
    order = w.last_place();
    w.heard.clear();
  }
  [[nodiscard]] OrderRecord last_order() const { return w.heard.orders().back(); }
  void expect_settled(std::string_view filled, OrderStatus status, Outcome outcome) {
    EXPECT_EQ(w.held(0), dec(filled));
    EXPECT_EQ(last_order().status, status);
    EXPECT_EQ(last_order().filled_quantity, dec(filled));
    const auto outcomes = w.heard.outcomes();
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_EQ(outcomes[0].outcome, outcome);
    EXPECT_EQ(outcomes[0].order, order.key);
    EXPECT_EQ(w.core.counts().orders_open, 0U);
  }

  World w;
  Intent order;
};

TEST_F(Life, AnyOrderOfAckFillsAndEndGivesTheSamePosition) {
  std::array<int, 4> steps = {0, 1, 2, 3};
  do {
    World v;
    v.add_instrument(btc_instrument());
    v.add_follower(0);
    v.leader(Side::buy, "2");
    const Intent i = v.last_place();
    v.heard.clear();
    for (const int step : steps) {
      if (step == 0) v.accept(i);
      if (step == 1) v.fill(i, "0.5", "0.5", "a");
      if (step == 2) v.fill(i, "1", "1.5", "b");
      if (step == 3) v.done(i, "1.5");
    }
    v.run_until(v.now_ns + 3 * s_ns);
    EXPECT_EQ(v.held(0), dec("1.5"));
    ASSERT_FALSE(v.heard.orders().empty());
    EXPECT_EQ(v.heard.orders().back().status, OrderStatus::cancelled);
    EXPECT_EQ(v.heard.orders().back().filled_quantity, dec("1.5"));
    EXPECT_EQ(v.heard.outcomes().size(), 1U);
    EXPECT_EQ(v.heard.fills().size(), 2U);
    EXPECT_EQ(v.core.counts().orders_open, 0U);
    std::uint32_t change = 1;
    for (const OrderRecord& o : v.heard.orders()) EXPECT_EQ(o.change, change++);
  } while (std::ranges::next_permutation(steps).found);
}

TEST_F(Life, AFillToldTwiceCountsOnce) {
  w.accept(order);
  w.fill(order, "0.5", "0.5", "a");
  w.fill(order, "0.5", "0.5", "a");
  w.done(order, "0.5");
  w.fill(order, "0.5", "0.5", "a");
  w.accept(order);
  expect_settled("0.5", OrderStatus::cancelled, Outcome::copied);
  EXPECT_EQ(w.heard.fills().size(), 1U);
}

TEST_F(Life, MoreThanOrderedIsNotBooked) {
  w.accept(order);
  w.fill(order, "2", "2", "a");
  w.fill(order, "1", "3", "b");
  expect_settled("2", OrderStatus::filled, Outcome::copied);
}

TEST_F(Life, AnEndWithMoreThanTheFillsSeenAsksForTheTrades) {
  w.accept(order);
  w.fill(order, "0.5", "0.5", "a");
  w.done(order, "1.5");
  ASSERT_EQ(w.heard.of(IntentKind::query_trades).size(), 1U);
  EXPECT_EQ(w.core.counts().orders_open, 1U);
  w.run_until(w.now_ns + s_ns);
  EXPECT_EQ(w.heard.of(IntentKind::query_trades).size(), 2U);
  w.fill(order, "0.5", "1.5", "a");
  w.fill(order, "1", "1.5", "b");
  expect_settled("1.5", OrderStatus::cancelled, Outcome::copied);
}

TEST_F(Life, NothingFilledIsAFailedCopy) {
  w.accept(order);
  w.done(order, "0");
  expect_settled("0", OrderStatus::cancelled, Outcome::failed);
  EXPECT_EQ(w.heard.outcomes()[0].reason, Reason::not_filled);
}

TEST_F(Life, ARejectedEntryIsOver) {
  w.reject(order);
  expect_settled("0", OrderStatus::failed, Outcome::failed);
  EXPECT_EQ(w.heard.outcomes()[0].reason, Reason::rejected);
  EXPECT_EQ(last_order().venue_code, -2010);
  w.run_until(w.now_ns + 60 * s_ns);
  EXPECT_TRUE(w.heard.intents.empty());
}

TEST_F(Life, AFillAfterARejectionIsACorrection) {
  w.reject(order);
  w.fill(order, "0.5", "0.5", "a");
  EXPECT_EQ(w.held(0), dec("0.5"));
  EXPECT_EQ(w.heard.fills().size(), 1U);
  EXPECT_EQ(w.heard.outcomes().size(), 1U);
  EXPECT_EQ(last_order().filled_quantity, dec("0.5"));
}

TEST_F(Life, NotSentIsSkippedByTheGatesReason) {
  w.not_sent(order, Reason::session_down);
  expect_settled("0", OrderStatus::failed, Outcome::skipped);
  EXPECT_EQ(w.heard.outcomes()[0].reason, Reason::session_down);
  EXPECT_TRUE(w.heard.outcomes()[0].sent_quantity.is_zero());
}

TEST_F(Life, NoAnswerIsUnknownOneNanosecondAfterTheTimeoutAndThenAskedFor) {
  w.run_until(w.now_ns + 2 * s_ns - 1);
  EXPECT_TRUE(w.heard.intents.empty());
  w.run_until(w.now_ns + 1);
  EXPECT_EQ(w.heard.of(IntentKind::query).size(), 1U);
  EXPECT_TRUE(last_order().unknown);
  EXPECT_EQ(last_order().status, OrderStatus::pending);
  EXPECT_EQ(w.core.counts().orders_unknown, 1U);
}

TEST_F(Life, AnUnknownOrderThatIsFoundGoesOn) {
  w.answer(order, OrderUpdateKind::unknown, UpdateSource::reply);
  ASSERT_EQ(w.heard.of(IntentKind::query).size(), 1U);
  w.answer(order, OrderUpdateKind::not_found);
  w.answer(order, OrderUpdateKind::accepted);
  EXPECT_FALSE(last_order().unknown);
  w.fill(order, "2", "2", "a");
  w.run_until(w.now_ns + 3 * s_ns);
  expect_settled("2", OrderStatus::filled, Outcome::copied);
}

TEST_F(Life, AbsenceTakesAnswersEnoughAndTimeEnough) {
  w.answer(order, OrderUpdateKind::unknown, UpdateSource::reply);
  const std::int64_t first = w.now_ns;
  for (int i = 0; i < 5; ++i) w.answer(order, OrderUpdateKind::not_found);
  EXPECT_TRUE(w.heard.outcomes().empty()) << "many answers in a moment prove nothing";
  w.now_ns = first + 10 * s_ns - 1;
  w.answer(order, OrderUpdateKind::not_found);
  EXPECT_TRUE(w.heard.outcomes().empty());
  w.now_ns = first + 10 * s_ns;
  w.answer(order, OrderUpdateKind::not_found);
  expect_settled("0", OrderStatus::failed, Outcome::failed);
  EXPECT_EQ(w.heard.outcomes()[0].reason, Reason::not_accepted);
  EXPECT_TRUE(w.heard.of(IntentKind::place).empty());
}

TEST_F(Life, FewAnswersAreNoProofHoweverLate) {
  w.answer(order, OrderUpdateKind::unknown, UpdateSource::reply);
  w.answer(order, OrderUpdateKind::not_found);
  w.pass(100 * s_ns);
  w.answer(order, OrderUpdateKind::not_found);
  EXPECT_TRUE(w.heard.outcomes().empty());
  w.answer(order, OrderUpdateKind::not_found);
  EXPECT_EQ(w.heard.outcomes().size(), 1U);
}

TEST_F(Life, QueriesSlowDown) {
  w.answer(order, OrderUpdateKind::unknown, UpdateSource::reply);
  std::size_t asked = 0;
  for (int i = 0; i < 400; ++i) {
    w.run_until(w.now_ns + s_ns);
    if (w.heard.of(IntentKind::query).size() == asked) continue;
    asked = w.heard.of(IntentKind::query).size();
    w.answer(order, OrderUpdateKind::query_failed);
  }
  // 1 + 2 + 4 + 8 + 16 s, then every 16 s.
  EXPECT_GE(asked, 25U);
  EXPECT_LE(asked, 31U);
}

TEST_F(Life, AnAckAfterTheFillDoesNotGoBack) {
  w.fill(order, "1", "1", "a");
  w.accept(order);
  EXPECT_EQ(last_order().status, OrderStatus::partially_filled);
  for (const OrderRecord& o : w.heard.orders()) EXPECT_NE(o.status, OrderStatus::pending);
}

TEST_F(Life, TheOutcomeWaitsForTheReplyThatSaysWhenTheOrderWasSent) {
  w.fill(order, "2", "2", "a");
  w.done(order, "2");
  EXPECT_TRUE(w.heard.outcomes().empty());
  w.pass(5 * ms_ns);
  OrderUpdate reply = w.update(order, OrderUpdateKind::accepted);
  reply.source = UpdateSource::reply;
  reply.sent_ns = order.received_ns + 40'000;
  w.give(make_event(reply));
  expect_settled("2", OrderStatus::filled, Outcome::copied);
  EXPECT_EQ(w.heard.outcomes()[0].ingest_to_wire_ns, 40'000);
}

TEST_F(Life, WithoutThatReplyTheOutcomeComesWhenItIsOverdue) {
  w.fill(order, "2", "2", "a");
  w.run_until(w.now_ns + 2 * s_ns);
  expect_settled("2", OrderStatus::filled, Outcome::copied);
  EXPECT_EQ(w.heard.outcomes()[0].ingest_to_wire_ns, 0);
}

TEST_F(Life, AfterAStartNothingIsSentUntilProvenAbsentAndThenOnlyWhatIsFresh) {
  for (const bool fresh : {true, false}) {
    World v;
    CoreSettings settings = default_settings();
    v.add_instrument(btc_instrument());
    CopyLink link = make_link(0);
    link.entry_ttl_ms = fresh ? 30'000 : 5'000;
    v.add_follower(0, link);
    v.leader(Side::buy, "2");
    const Intent first = v.last_place();
    v.heard.clear();
    v.give(make_event(Fence{.settings = settings}));
    EXPECT_EQ(v.core.counts().accounts_reconciled, 0U);
    EXPECT_EQ(v.core.counts().orders_unknown, 1U);
    v.run_until(v.now_ns + 10 * s_ns);
    EXPECT_TRUE(v.heard.intents.empty()) << "not before the account is reconciled";
    v.reconcile(0);
    ASSERT_EQ(v.heard.of(IntentKind::query).size(), 1U);
    std::size_t answered = 0;
    while (v.heard.of(IntentKind::place).empty() && v.heard.outcomes().empty()) {
      if (answered < v.heard.of(IntentKind::query).size()) {
        ++answered;
        v.answer(first, OrderUpdateKind::not_found);
      } else {
        ASSERT_LT(v.core.next_deadline_ns(), v.now_ns + 60 * s_ns);
        v.run_until(v.core.next_deadline_ns());
      }
    }
    if (fresh) {
      ASSERT_EQ(v.heard.of(IntentKind::place).size(), 1U);
      EXPECT_EQ(v.last_place().key, first.key);
      EXPECT_TRUE(v.heard.outcomes().empty());
      v.fill_whole(v.last_place());
      EXPECT_EQ(v.held(0), dec("2"));
    } else {
      EXPECT_EQ(v.heard.outcomes()[0].reason, Reason::not_accepted);
    }
    EXPECT_EQ(v.heard.outcomes().size(), 1U);
    EXPECT_EQ(v.core.counts().orders_open, 0U);
  }
}

TEST_F(Life, AReconciledAccountIsAskedForItsOpenOrders) {
  w.accept(order);
  AccountState lost{};
  lost.account = account_id(0);
  lost.kind = AccountStateKind::lost;
  w.give(make_event(lost));
  w.heard.clear();
  w.reconcile(0);
  EXPECT_EQ(w.heard.of(IntentKind::query).size(), 1U);
}

TEST_F(Life, TradesOfOthersAreRecordedAndMoveNothing) {
  OrderUpdate u = w.execution(order, "1", "1", "x");
  u.key = OrderKey{};
  w.give(make_event(u));
  ASSERT_EQ(w.heard.records.size(), 1U);
  EXPECT_EQ(w.heard.records[0].kind, RecordKind::external_fill);
  EXPECT_TRUE(w.held(0).is_zero());
}

TEST_F(Life, FeesPaidInTheBaseAssetReduceWhatIsHeld) {
  w.accept(order);
  OrderUpdate u = w.execution(order, "2", "2", "a");
  u.fee = dec("0.002");
  u.fee_asset = Asset::cut("BTC");
  u.quote_usd = dec("1");
  u.fee_usd = dec("100");
  w.give(make_event(u));
  EXPECT_EQ(w.held(0), dec("1.998"));
  EXPECT_EQ(w.heard.fills()[0].base_fee, dec("0.002"));
  EXPECT_EQ(last_order().value_usd, dec("200"));
  EXPECT_EQ(last_order().fees_usd, dec("0.2"));
  EXPECT_TRUE(last_order().has_value_usd);
}

TEST_F(Life, WithoutARateThereIsNoUsdValue) {
  w.accept(order);
  w.fill(order, "2", "2", "a");
  EXPECT_FALSE(last_order().has_value_usd);
  EXPECT_TRUE(last_order().value_usd.is_zero());
}

}  // namespace
}  // namespace oneclick::test
