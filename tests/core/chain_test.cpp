// Fills that the engine made for a leader's account: RULES.md, 8. Link 0 copies the leader's own
// trades alone, link 1 all of them.
#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

class Chain : public testing::Test {
 protected:
  Chain() {
    w_.add_instrument(btc_instrument());
    w_.add_follower(0);
    CopyLink link = make_link(1);
    link.chain = true;
    w_.add_follower(1, link);
  }
  std::uint32_t trade(Side side, const char* quantity, bool chained) {
    w_.heard.clear();
    LeaderEvent e = w_.leader_fill(side, quantity);
    e.chained = chained;
    w_.give(make_event(e));
    const auto placed = w_.heard.of(IntentKind::place);
    for (const Intent& i : placed) w_.fill_whole(i);
    for (const Record& r : w_.heard.records)
      if (r.kind == RecordKind::leader_event) {
        EXPECT_EQ(w_.heard.outcomes().size(), r.leader_event.links_matched);
        return r.leader_event.links_matched;
      }
    return ~0U;
  }
  World w_;
};

struct Step {
  Side side;
  const char* quantity;
  bool chained;
  std::uint32_t matched;
  const char* plain;  // held by link 0 afterwards
  const char* all;    // by link 1
};

TEST_F(Chain, EachLinkSeesThePositionItCopies) {
  constexpr Side buy = Side::buy, sell = Side::sell;
  const std::vector<Step> histories[] = {
      // clang-format off
      {{buy, "1", false, 2, "1", "1"}, {sell, "1", false, 2, "0", "0"}},
      {{buy, "1", true, 1, "0", "1"}, {sell, "1", true, 1, "0", "0"}},
      {{buy, "1", true, 1, "0", "1"}, {buy, "1", false, 2, "1", "2"}, {sell, "1", false, 2, "0", "1"}, {sell, "1", true, 1, "0", "0"}},
      {{buy, "3", false, 2, "3", "3"}, {buy, "1", true, 1, "3", "4"}, {sell, "2", true, 1, "3", "2"}, {sell, "1", false, 2, "2", "1"}},
      {{buy, "1", true, 1, "0", "1"}, {sell, "1", false, 2, "0", "0"}},
      // clang-format on
  };
  for (const auto& history : histories) {
    w_ = World();
    w_.add_instrument(btc_instrument());
    w_.add_follower(0);
    CopyLink link = make_link(1);
    link.chain = true;
    w_.add_follower(1, link);
    int n = 0;
    for (const Step& step : history) {
      SCOPED_TRACE(++n);
      EXPECT_EQ(trade(step.side, step.quantity, step.chained), step.matched);
      EXPECT_EQ(w_.held(0), dec(step.plain));
      EXPECT_EQ(w_.held(1), dec(step.all));
    }
    const auto loaded = Core::load(w_.core.save());
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->state_hash(), w_.core.state_hash());
  }
}

TEST_F(Chain, ALinkThatStopsChainingSeesNoMoreOfThem) {
  CopyLink link = make_link(1);
  link.chain = false;
  link.version = 2;
  w_.give(make_event(link));
  EXPECT_EQ(trade(Side::buy, "1", true), 0U);
  link.chain = true;
  link.version = 3;
  w_.give(make_event(link));
  EXPECT_EQ(trade(Side::buy, "1", true), 1U);
  w_.give(make_event(LinkRemove{.id = link_id(1)}));
  EXPECT_EQ(trade(Side::buy, "1", true), 0U);
}

}  // namespace
}  // namespace oneclick::test
