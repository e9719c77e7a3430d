// Prices of entries against what the leader paid and against the venue's average: RULES.md, 5.
// One line per case. The leader buys 1 BTC.
#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

struct Case {
  const char* what;
  bool only_if_better;
  int collar_bps;  // 0: none
  int slippage_bps;
  EntryStyle style;
  const char* leader_price;
  const char* ask;
  const char* reference;     // "0": never told
  std::int64_t reference_s;  // its age in seconds
  Outcome outcome;
  Reason reason;
};
constexpr auto capped = EntryStyle::capped;
constexpr auto market = EntryStyle::market;
constexpr auto skip = Outcome::skipped;
constexpr auto copy = Outcome::copied;

const Case cases[] = {
    // clang-format off
    {"no rule: any price", false, 0, 50, capped, "1", "100", "0", 0, copy, Reason::none},
    {"equal is fine", true, 0, 0, capped, "100", "100", "0", 0, copy, Reason::none},
    {"cheaper is fine", true, 0, 0, capped, "100.01", "100", "0", 0, copy, Reason::none},
    {"dearer by a tick", true, 0, 0, capped, "99.99", "100", "0", 0, skip, Reason::price_worse},
    {"the touch counts, not the cap", true, 0, 500, capped, "100", "100", "0", 0, copy, Reason::none},
    {"market entries too", true, 0, 0, market, "99.99", "100", "0", 0, skip, Reason::price_worse},
    {"the leader told no price", true, 0, 0, capped, "0", "100", "0", 0, skip, Reason::no_price},
    {"no reference", false, 100, 0, capped, "100", "100", "0", 0, skip, Reason::no_reference},
    {"a fresh reference, equal", false, 100, 0, capped, "100", "100", "100", 0, copy, Reason::none},
    {"exactly at the collar above", false, 100, 0, capped, "100", "101", "100", 0, copy, Reason::none},
    {"a tick beyond it", false, 100, 0, capped, "100", "101.01", "100", 0, skip, Reason::price_collar},
    {"exactly at the collar below", false, 100, 0, capped, "100", "99", "100", 0, copy, Reason::none},
    {"a tick below it", false, 100, 0, capped, "100", "98.99", "100", 0, skip, Reason::price_collar},
    {"the cap counts: at it", false, 100, 100, capped, "100", "100", "100", 0, copy, Reason::none},
    {"the cap counts: beyond", false, 100, 101, capped, "100", "100", "100", 0, skip, Reason::price_collar},
    {"market: the touch counts", false, 100, 500, market, "100", "101", "100", 0, copy, Reason::none},
    {"market: beyond", false, 100, 0, market, "100", "101.01", "100", 0, skip, Reason::price_collar},
    {"as old as it may be", false, 100, 0, capped, "100", "100", "100", 60, copy, Reason::none},
    {"older", false, 100, 0, capped, "100", "100", "100", 61, skip, Reason::no_reference},
    {"one hundredth of a percent", false, 1, 0, capped, "100", "100.01", "100", 0, copy, Reason::none},
    {"more than that", false, 1, 0, capped, "100", "100.02", "100", 0, skip, Reason::price_collar},
    {"worse is named before the reference", true, 100, 0, capped, "99", "100", "0", 0, skip, Reason::price_worse},
    {"better, then the collar", true, 100, 0, capped, "105", "102", "100", 0, skip, Reason::price_collar},
    {"both hold", true, 100, 0, capped, "101", "101", "100", 0, copy, Reason::none},
    // clang-format on
};

TEST(PriceRules, EachCase) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    World w;
    w.add_instrument(btc_instrument());
    CopyLink link = make_link(0);
    link.only_if_better = c.only_if_better;
    link.price_collar_bps_max = c.collar_bps;
    link.slippage_bps_max = c.slippage_bps;
    link.entry_style = c.style;
    w.add_follower(0, link);
    if (dec(c.reference).is_positive())
      w.give(make_event(Price{.venue = Venue::binance,
                              .symbol = btc,
                              .touch = {.bid = dec("5"), .ask = dec("5"), .time_ns = w.now_ns},
                              .quote_usd = Decimal{},
                              .reference = {dec(c.reference), w.now_ns}}));
    w.pass(c.reference_s * s_ns);
    w.bid = w.ask = dec(c.ask);
    LeaderEvent e = w.leader_fill(Side::buy, "1");
    e.price = dec(c.leader_price);
    w.give(make_event(e));
    if (const auto placed = w.heard.of(IntentKind::place); !placed.empty())
      w.fill_whole(placed.front());
    const auto told = w.heard.outcomes();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].outcome, c.outcome) << to_text(told[0].outcome);
    EXPECT_EQ(told[0].reason, c.reason) << to_text(told[0].reason);
  }
}

TEST(PriceRules, ExitsAskForNoPrice) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  w.leader(Side::buy, "1");
  w.fill_whole(w.last_place());
  CopyLink link = make_link(0);
  link.only_if_better = true;
  link.price_collar_bps_max = 1;
  link.version = 2;
  w.give(make_event(link));
  w.bid = w.ask = dec("50");
  w.leader(Side::sell, "1");
  EXPECT_EQ(w.last_place().side, Side::sell);
}

TEST(PriceRules, AnOlderReferenceDoesNotReplaceANewerOne) {
  World w;
  w.add_instrument(btc_instrument());
  const auto price = [&](const char* reference, std::int64_t at) {
    return make_event(Price{.venue = Venue::binance,
                            .symbol = btc,
                            .touch = {},
                            .quote_usd = Decimal{},
                            .reference = {dec(reference), at}});
  };
  EXPECT_TRUE(w.core.would_change(price("100", w.now_ns)));
  w.give(price("100", w.now_ns));
  EXPECT_FALSE(w.core.would_change(price("200", w.now_ns)));
  EXPECT_TRUE(w.core.would_change(price("200", w.now_ns + 1)));
}

}  // namespace
}  // namespace oneclick::test
