// Who is served, in which order, and with what outcome.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

TEST(Fanout, OneFillOfALeaderBecomesOneOrderAndOneOutcomePerFollower) {
  World w;
  w.add_instrument(btc_instrument());
  for (std::uint64_t n = 0; n < 20; ++n) w.add_follower(n);
  w.heard.clear();
  w.leader(Side::buy, "1.5");

  ASSERT_EQ(w.heard.records.at(0).kind, RecordKind::leader_event);
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 20U);
  const std::vector<Intent> places = w.heard.of(IntentKind::place);
  ASSERT_EQ(places.size(), 20U);
  std::set<AccountId> accounts;
  for (const Intent& i : places) {
    accounts.insert(i.account);
    EXPECT_EQ(i.quantity, dec("1.5"));
    EXPECT_EQ(i.price, dec("100.5"));
    EXPECT_EQ(i.side, Side::buy);
    EXPECT_EQ(i.type, OrderType::limit_ioc);
    EXPECT_EQ(i.price_decimals, 2);
    EXPECT_EQ(i.quantity_decimals, 3);
    EXPECT_EQ(i.expires_ns, w.now_ns + 5 * s_ns);
  }
  EXPECT_EQ(accounts.size(), 20U);
  EXPECT_EQ(w.heard.orders().size(), 20U);
  EXPECT_TRUE(w.heard.outcomes().empty());

  for (const Intent& i : places) w.fill_whole(i);
  const auto outcomes = w.heard.outcomes();
  ASSERT_EQ(outcomes.size(), 20U);
  for (const OutcomeRecord& o : outcomes) {
    EXPECT_EQ(o.outcome, Outcome::copied);
    EXPECT_EQ(o.sent_quantity, dec("1.5"));
  }
  for (std::uint64_t n = 0; n < 20; ++n) EXPECT_EQ(w.held(n), dec("1.5"));
  EXPECT_EQ(w.core.counts().orders_open, 0U);
  EXPECT_EQ(w.core.next_deadline_ns(), std::numeric_limits<std::int64_t>::max());
}

TEST(Fanout, ServesFollowersInAnOrderDrawnFromTheEvent) {
  World w;
  w.add_instrument(btc_instrument());
  for (std::uint64_t n = 0; n < 200; ++n) w.add_follower(n);
  std::vector<std::vector<AccountId>> orders;
  std::vector<int> first(200);
  for (int round = 0; round < 50; ++round) {
    w.heard.clear();
    w.leader(Side::buy, "0.001");
    std::vector<AccountId> served;
    std::uint32_t rank = 0;
    for (const Intent& i : w.heard.of(IntentKind::place)) {
      EXPECT_EQ(i.rank, rank++);
      served.push_back(i.account);
    }
    ASSERT_EQ(std::set<AccountId>(served.begin(), served.end()).size(), 200U);
    orders.push_back(served);
  }
  std::set<AccountId> firsts;
  for (const auto& served : orders) firsts.insert(served.front());
  EXPECT_GT(firsts.size(), 25U);  // fifty draws out of two hundred
  EXPECT_NE(orders[0], orders[1]);
}

TEST(Fanout, AnEventIsTakenOnce) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  const Event event = make_event(w.leader_fill(Side::buy, "1"));
  EXPECT_TRUE(w.core.would_change(event));
  w.give(event);
  EXPECT_FALSE(w.core.would_change(event));
  const std::size_t before = w.heard.records.size();
  w.give(event);
  EXPECT_EQ(w.heard.records.size(), before);
  ASSERT_EQ(w.core.seen_events().size(), 1U);
  EXPECT_EQ(w.core.seen_events()[0].id, event.leader.id);
}

}  // namespace
}  // namespace oneclick::test
