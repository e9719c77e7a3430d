// Sizes and refusals as tables: one line a case, what is expected in the last columns.
#include "engine/core/sizing.hpp"

#include <gtest/gtest.h>

#include "engine/core/risk.hpp"
#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

using namespace core;

struct Case {
  const char* name;
  const char* wanted;
  const char* residual;
  const char* price;
  MinLotPolicy policy;
  const char* notional_min;
  const char* order_max;
  const char* position_max;
  const char* position;
  const char* copy_amount;
  const char* venue_max;
  const char* event_max;
  const char* available;
  const char* quantity;
  const char* carried;
  Reason reason;
  Cap cap;
};

constexpr MinLotPolicy carry = MinLotPolicy::carry;
constexpr MinLotPolicy skip = MinLotPolicy::skip;
constexpr MinLotPolicy up = MinLotPolicy::round_up;

// lot 0.01, minimum 0.02, price mostly 10, fee 0.1 %; event notional so far: 100
// clang-format off
const Case cases[] = {
  // name                wanted    resid   price  policy min    order   pos    held  copy   vmax  event  avail      quantity carried   reason                     cap
  {"rounds down",        "1.2345", "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "1.23",  "0.0045", Reason::none,              Cap::none},
  {"takes residual",     "1.2300", "0.004","10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "1.23",  "0",      Reason::none,              Cap::none},
  {"carries a sub-lot",  "0.009",  "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "0.009",  Reason::none,              Cap::none},
  {"carries below min",  "0.015",  "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "0.015",  Reason::none,              Cap::none},
  {"skips a sub-lot",    "0.013",  "0.004","10",  skip,  "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "0.004",  Reason::below_min_lot,     Cap::none},
  {"rounds up to min",   "0.009",  "0",    "10",  up,    "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0.02",  "-0.011", Reason::none,              Cap::none},
  {"and waits after",    "-0.002", "-0.01","10",  up,    "0",   "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "-0.002", Reason::none,              Cap::none},
  {"carries small money","0.99",   "0",    "10",  carry, "10",  "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "0.99",   Reason::none,              Cap::none},
  {"skips small money",  "0.99",   "0",    "10",  skip,  "10",  "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "0",      Reason::below_min_notional,Cap::none},
  {"rounds up money",    "0.5",    "0",    "9.9", up,    "10",  "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "1.02",  "-0.52",  Reason::none,              Cap::none},
  {"just min notional",  "1",      "0",    "10",  skip,  "10",  "0",    "0",   "0",  "0",   "0",  "0",   "1000",    "1",     "0",      Reason::none,              Cap::none},
  {"order cap clips",    "5",      "0.001","10",  carry, "0",   "33.39","0",   "0",  "0",   "0",  "0",   "1000",    "3.33",  "0",      Reason::none,              Cap::order_notional},
  {"order cap to nothing","5",     "0.001","10",  carry, "0",   "0.15", "0",   "0",  "0",   "0",  "0",   "1000",    "0",     "0.001",  Reason::order_notional,    Cap::order_notional},
  {"at the order cap",   "5",      "0",    "10",  carry, "0",   "50",   "0",   "0",  "0",   "0",  "0",   "1000",    "5",     "0",      Reason::none,              Cap::none},
  {"position clips",     "5",      "0",    "10",  carry, "0",   "0",    "50",  "2",  "0",   "0",  "0",   "1000",    "3",     "0",      Reason::none,              Cap::position_notional},
  {"position full",      "5",      "0",    "10",  carry, "0",   "0",    "50",  "5",  "0",   "0",  "0",   "1000",    "0",     "0",      Reason::position_notional, Cap::position_notional},
  {"position overfull",  "5",      "0",    "10",  carry, "0",   "0",    "50",  "9",  "0",   "0",  "0",   "1000",    "0",     "0",      Reason::position_notional, Cap::position_notional},
  {"copy amount clips",  "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "20",  "0",  "0",   "1000",    "2",     "0",      Reason::none,              Cap::copy_amount},
  {"copy amount nothing","5",      "0",    "10",  carry, "10",  "0",    "0",   "0",  "9",   "0",  "0",   "1000",    "0",     "0",      Reason::copy_amount,       Cap::copy_amount},
  {"venue maximum",      "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "4",  "0",   "1000",    "4",     "0",      Reason::none,              Cap::venue_max},
  {"event aggregate",    "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "149", "1000",    "0",     "0",      Reason::event_notional,    Cap::none},
  {"event just fits",    "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "150", "1000",    "5",     "0",      Reason::none,              Cap::none},
  {"balance with fee",   "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "50",      "4.99",  "0",      Reason::none,              Cap::balance},
  {"balance just fits",  "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "50.05",   "5",     "0",      Reason::none,              Cap::none},
  {"balance nothing",    "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "0.1",     "0",     "0",      Reason::balance,           Cap::balance},
  {"balance negative",   "5",      "0",    "10",  carry, "0",   "0",    "0",   "0",  "0",   "0",  "0",   "-3",      "0",     "0",      Reason::balance,           Cap::balance},
  {"tightest cap named", "5",      "0",    "10",  carry, "0",   "40",   "30",  "0",  "35",  "0",  "0",   "1000",    "3",     "0",      Reason::none,              Cap::position_notional},
  {"first refusal named","5",      "0",    "10",  carry, "0",   "0.1",  "0.1", "0",  "0.1", "0",  "1",   "0",       "0",     "0",      Reason::order_notional,    Cap::order_notional},
  {"price too high",     "5",      "0",    "1001",carry, "0",   "0.1",  "0",   "0",  "0",   "0",  "0",   "0",       "0",     "0",      Reason::price_filter,      Cap::none},
  {"price too low",      "5",      "0",    "0.5", carry, "0",   "0.1",  "0",   "0",  "0",   "0",  "0",   "0",       "0",     "0",      Reason::price_filter,      Cap::none},
};
// clang-format on

TEST(Sizing, RoundsCapsAndNames) {
  for (const Case& c : cases) {
    const EntryDemand demand = {
        .wanted_fine = to_fine(dec(c.wanted)),
        .residual_fine = to_fine(dec(c.residual)),
        .price = dec(c.price),
        .limit = dec(c.price),
        .price_min = dec("1"),
        .price_max = dec("1000"),
        .lots = {dec("0.01"), dec("0.02"), dec(c.venue_max), dec(c.notional_min), Decimal{}},
        .policy = c.policy,
        .order_notional_max = dec(c.order_max),
        .position_notional_max = dec(c.position_max),
        .is_exposure_limited = false,
        .exposure_room = Decimal{},
        .account = nullptr,
        .leader = nullptr,
        .copy_amount = dec(c.copy_amount),
        .event_notional_max = dec(c.event_max),
        .position_quantity = dec(c.position),
        .event_notional = dec("100"),
        .available_fine = to_fine(dec(c.available)),
        .cost = cost_in_full(10)};
    const EntrySize size = size_entry(demand);
    EXPECT_EQ(size.quantity, dec(c.quantity)) << c.name << " " << size.quantity.to_text();
    EXPECT_EQ(from_fine(size.residual_fine), dec(c.carried)) << c.name;
    EXPECT_EQ(size.reason, c.reason) << c.name << " " << to_text(size.reason);
    EXPECT_EQ(size.cap, c.cap) << c.name << " " << to_text(size.cap);
  }
}

struct WishCase {
  const char* name;
  SizingMode mode;
  const char* leader;
  std::int32_t percentage_e2;
  const char* amount;
  const char* quantity;
  const char* price;
  const char* stop;
  const char* wished;
  Reason reason;
};
// clang-format off
const WishCase wishes[] = {
  // name                  mode                          leader  p       amount  qty     price  stop    wished     reason
  {"percent of leader",    SizingMode::leader_quantity,  "3",    2'500,  "0",    "0",    "10",  "0",    "0.75",    Reason::none},
  {"more than the leader", SizingMode::leader_quantity,  "3",    99'999, "0",    "0",    "10",  "0",    "29.9997", Reason::none},
  {"amount is no size",    SizingMode::leader_quantity,  "3",    10'000, "5",    "0",    "10",  "0",    "3",       Reason::none},
  {"leader says nothing",  SizingMode::leader_quantity,  "0",    10'000, "5",    "9",    "10",  "0",    "0",       Reason::no_quantity},
  {"amount at the price",  SizingMode::fixed_notional,   "3",    10'000, "25",   "0",    "10",  "0",    "2.5",     Reason::none},
  {"amount, no leader",    SizingMode::fixed_notional,   "0",    10'000, "25",   "0",    "10",  "0",    "2.5",     Reason::none},
  {"amount, not percent",  SizingMode::fixed_notional,   "3",    1'000,  "25",   "0",    "10",  "0",    "2.5",     Reason::none},
  {"amount rounds inward", SizingMode::fixed_notional,   "3",    10'000, "10",   "0",    "3",   "0",    "3.33333333", Reason::none},
  {"quantity",             SizingMode::fixed_quantity,   "3",    1'000,  "25",   "0.7",  "10",  "0",    "0.7",     Reason::none},
  {"quantity, no leader",  SizingMode::fixed_quantity,   "0",    1'000,  "0",    "0.7",  "10",  "0",    "0.7",     Reason::none},
  {"risk to the stop",     SizingMode::fixed_risk,       "3",    10'000, "25",   "0",    "10",  "9.5",  "50",      Reason::none},
  {"risk, wide stop",      SizingMode::fixed_risk,       "3",    10'000, "25",   "0",    "10",  "5",    "5",       Reason::none},
  {"risk rounds inward",   SizingMode::fixed_risk,       "3",    10'000, "10",   "0",    "10",  "7",    "3.33333333", Reason::none},
  {"risk without a stop",  SizingMode::fixed_risk,       "3",    10'000, "25",   "0",    "10",  "0",    "0",       Reason::no_stop},
  {"stop at the price",    SizingMode::fixed_risk,       "3",    10'000, "25",   "0",    "10",  "10",   "0",       Reason::no_stop},
  {"stop above the price", SizingMode::fixed_risk,       "3",    10'000, "25",   "0",    "10",  "10.01","0",       Reason::no_stop},
};
// clang-format on

TEST(Sizing, EachModeAsksForItsOwnSize) {
  for (const WishCase& c : wishes) {
    const Wished wished = wish_for({.mode = c.mode,
                                    .leader_quantity = dec(c.leader),
                                    .percentage_e2 = c.percentage_e2,
                                    .copy_amount = dec(c.amount),
                                    .copy_quantity = dec(c.quantity),
                                    .price = dec(c.price),
                                    .limit = dec(c.price),
                                    .stop_loss = dec(c.stop),
                                    .follower_equity = {},
                                    .leader_equity = {},
                                    .is_short = false});
    EXPECT_EQ(from_fine(wished.fine), dec(c.wished)) << c.name;
    EXPECT_EQ(wished.reason, c.reason) << c.name << " " << to_text(wished.reason);
  }
}

CopyLink sized(SizingMode mode, const char* amount, const char* quantity) {
  CopyLink link = make_link(0);
  link.sizing_mode = mode;
  link.copy_amount = dec(amount);
  link.copy_quantity = dec(quantity);
  return link;
}

// Two hundred fills of one order are one entry, not two hundred.
TEST(Sizing, AFixedSizeIsTakenOncePerOrderOfTheLeader) {
  for (const CopyLink& link : {sized(SizingMode::fixed_notional, "201", "0"),
                               sized(SizingMode::fixed_quantity, "0", "2")}) {
    World w;
    w.add_instrument(btc_instrument());
    w.add_follower(0, link);
    OrderKey first{};
    for (int i = 0; i < 200; ++i) {
      LeaderEvent e = w.leader_fill(Side::buy, "0.5");
      e.leader_order = 77;
      w.give(make_event(e));
      if (i == 0) {
        first = w.last_place().key;
        w.fill_whole(w.last_place());
      }
    }
    EXPECT_EQ(w.heard.of(IntentKind::place).size(), 1u);
    EXPECT_EQ(w.held(0), dec("2"));
    const auto outcomes = w.heard.outcomes();
    ASSERT_EQ(outcomes.size(), 200u);
    EXPECT_EQ(outcomes[0].outcome, Outcome::copied);
    for (std::size_t i = 1; i < outcomes.size(); ++i) {
      EXPECT_EQ(outcomes[i].outcome, Outcome::coalesced);
      EXPECT_EQ(outcomes[i].order, first);
    }
    LeaderEvent other = w.leader_fill(Side::buy, "0.5");
    other.leader_order = 78;
    w.give(make_event(other));
    EXPECT_EQ(w.heard.of(IntentKind::place).size(), 2u) << "another order is another entry";
  }
}

TEST(Sizing, FillsOfOrdersThatNobodyNamedAreEntriesOfTheirOwn) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0, sized(SizingMode::fixed_quantity, "0", "2"));
  w.leader(Side::buy, "0.5");
  w.leader(Side::buy, "0.5");
  EXPECT_EQ(w.heard.of(IntentKind::place).size(), 2u);
}

TEST(Sizing, AFixedSizeIsSoldByTheLeadersFraction) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0, sized(SizingMode::fixed_quantity, "0", "2"));
  w.leader(Side::buy, "10");
  w.fill_whole(w.last_place());
  w.leader(Side::sell, "5");
  EXPECT_EQ(w.last_place().side, Side::sell);
  EXPECT_EQ(w.last_place().quantity, dec("1"));
}

TEST(Sizing, RiskIsMeasuredToTheSignalsStop) {
  World w;
  w.add_instrument(btc_instrument());
  CopyLink link = sized(SizingMode::fixed_risk, "21", "0");
  link.leader = {};
  link.channel = channel_id();
  link.entry_style = EntryStyle::market;
  w.add_follower(0, link);
  LeaderEvent e = w.signal(LeaderEventKind::signal_published, 1, SignalType::buy);
  e.stop_loss = dec("95");
  w.give(make_event(e));
  EXPECT_EQ(w.last_place().quantity, dec("4.2")) << "21 / (100 - 95)";
  LeaderEvent bare = w.signal(LeaderEventKind::signal_published, 2, SignalType::buy, "3");
  w.give(make_event(bare));
  EXPECT_EQ(w.heard.outcomes().back().reason, Reason::no_stop);
}

// A replayed state knows which orders were copied, and the rare terms of each link.
TEST(Sizing, FixedSizesSurviveARestart) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0, sized(SizingMode::fixed_quantity, "0", "2"));
  LeaderEvent e = w.leader_fill(Side::buy, "0.5");
  e.leader_order = 77;
  w.give(make_event(e));
  auto loaded = Core::load(w.core.save());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->state_hash(), w.core.state_hash());
  w.core = std::move(*loaded);
  LeaderEvent more = w.leader_fill(Side::buy, "0.5");
  more.leader_order = 77;
  w.give(make_event(more));
  EXPECT_EQ(w.heard.of(IntentKind::place).size(), 1u);
  LeaderEvent other = w.leader_fill(Side::buy, "0.5");
  other.leader_order = 78;
  w.give(make_event(other));
  EXPECT_EQ(w.last_place().quantity, dec("2"));
}

TEST(Sizing, TheLargestNumbersNeitherWrapNorOverspend) {
  EntryDemand d{};
  d.wanted_fine = share_of(dec("999999999999.99"), 99'999);
  d.price = d.limit = dec("999999999999");
  d.lots = {dec("0.00000001"), Decimal{}, Decimal{}, Decimal{}, Decimal{}};
  d.policy = MinLotPolicy::carry;
  d.available_fine = to_fine(dec("999999999999"));
  d.cost = cost_in_full(10);
  const EntrySize size = size_entry(d);
  EXPECT_EQ(size.cap, Cap::balance);
  EXPECT_LE(cost_fine(size.notional, d.cost), d.available_fine);
  const Decimal one_lot_more = size.quantity + dec("0.00000001");
  EXPECT_GT(cost_fine(mul(one_lot_more, d.price, Round::up), d.cost), d.available_fine);
}

TEST(Sizing, ACappedPriceNeverExceedsTheCap) {
  EXPECT_EQ(capped_price(dec("100"), 50, dec("0.01")), dec("100.5"));
  EXPECT_EQ(capped_price(dec("100.01"), 7, dec("0.01")), dec("100.08"));
  EXPECT_EQ(capped_price(dec("0.00001234"), 100, dec("0.00000001")), dec("0.00001246"));
  EXPECT_EQ(capped_price(dec("100"), 0, dec("0.01")), dec("100"));
  EXPECT_EQ(capped_price(dec("100"), 10'000, dec("0.5")), dec("200"));
}

TEST(Sizing, SharesAreExact) {
  i128 sum = 0;
  for (int i = 0; i < 30'000; ++i) sum += share_of(dec("0.00000001"), 3'333);
  EXPECT_EQ(from_fine(sum), dec("0.00009999"));
  EXPECT_EQ(from_fine(share_of(dec("999999999999.99999999"), 99'999)),
            Decimal::from_e8(dec("999999999999.99999999").e8() * 99'999 / 10'000));
}

TEST(Sizing, MarketOrdersFollowTheStricterLots) {
  Instrument i = btc_instrument();
  i.market_lot_step = dec("0.01");
  i.market_quantity_min = dec("0.05");
  i.market_quantity_max = dec("100");
  i.notional_min = dec("5");
  const LotRules market = lot_rules(i, OrderType::market);
  EXPECT_EQ(market.step, dec("0.01"));
  EXPECT_EQ(market.quantity_min, dec("0.05"));
  EXPECT_EQ(market.quantity_max, dec("100"));
  EXPECT_TRUE(market.notional_min.is_zero());
  i.notional_min_at_market = true;
  EXPECT_EQ(lot_rules(i, OrderType::market).notional_min, dec("5"));
  EXPECT_EQ(lot_rules(i, OrderType::limit_ioc).step, dec("0.001"));
}

TEST(Sizing, DecimalsOfSteps) {
  EXPECT_EQ(decimals_of(dec("0.00000001")), 8);
  EXPECT_EQ(decimals_of(dec("0.01")), 2);
  EXPECT_EQ(decimals_of(dec("0.25")), 2);
  EXPECT_EQ(decimals_of(dec("1")), 0);
  EXPECT_EQ(decimals_of(dec("10")), 0);
  EXPECT_EQ(decimals_of(Decimal{}), 8);
}

EntryFacts all_well() {
  return {.kill_switch = false,
          .user_active = true,
          .connected = true,
          .credentials_refused = false,
          .status = LinkStatus::active,
          .quarantined = false,
          .subscription_active = true,
          .reconciled = true,
          .age_ns = 10,
          .age_ns_max = 10,
          .symbol_refused = false,
          .instrument_known = true,
          .trading = TradingStatus::trading,
          .signal_type = SignalType::none,
          .has_quantity = true,
          .has_price = true};
}

TEST(Ladder, TheFirstRungThatHoldsIsNamed) {
  EXPECT_EQ(refuse_entry(all_well()), Reason::none);
  using Break = void (*)(EntryFacts&);
  const std::pair<Reason, Break> rungs[] = {
      {Reason::kill_switch, [](EntryFacts& f) { f.kill_switch = true; }},
      {Reason::user_inactive, [](EntryFacts& f) { f.user_active = false; }},
      {Reason::exchange_disconnected, [](EntryFacts& f) { f.connected = false; }},
      {Reason::credentials_refused, [](EntryFacts& f) { f.credentials_refused = true; }},
      {Reason::link_inactive, [](EntryFacts& f) { f.status = LinkStatus::exits_only; }},
      {Reason::quarantined, [](EntryFacts& f) { f.quarantined = true; }},
      {Reason::subscription_inactive, [](EntryFacts& f) { f.subscription_active = false; }},
      {Reason::not_reconciled, [](EntryFacts& f) { f.reconciled = false; }},
      {Reason::stale, [](EntryFacts& f) { f.age_ns = 11; }},
      {Reason::symbol_filtered, [](EntryFacts& f) { f.symbol_refused = true; }},
      {Reason::unknown_symbol, [](EntryFacts& f) { f.instrument_known = false; }},
      {Reason::venue_halted, [](EntryFacts& f) { f.trading = TradingStatus::cancel_only; }},
      {Reason::hold, [](EntryFacts& f) { f.signal_type = SignalType::hold; }},
      {Reason::no_quantity, [](EntryFacts& f) { f.has_quantity = false; }},
      {Reason::no_price, [](EntryFacts& f) { f.has_price = false; }},
  };
  EntryFacts facts = all_well();
  for (auto rung = std::rbegin(rungs); rung != std::rend(rungs); ++rung) {
    EntryFacts alone = all_well();
    rung->second(alone);
    EXPECT_EQ(refuse_entry(alone), rung->first);
    rung->second(facts);
    EXPECT_EQ(refuse_entry(facts), rung->first) << "with every later rung broken too";
  }
  for (std::size_t i = 1; i < std::size(rungs); ++i) EXPECT_LT(rungs[i - 1].first, rungs[i].first);
}

TEST(Ladder, EveryRungIsReachedThroughTheCore) {
  using Break = void (*)(World&, CopyLink&, LeaderEvent&);
  const std::pair<Reason, Break> rungs[] = {
      {Reason::kill_switch,
       [](World& w, CopyLink&, LeaderEvent&) {
         w.give(make_event(KillSwitch{
             .on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = btc}));
       }},
      {Reason::user_inactive, [](World&, CopyLink& l, LeaderEvent&) { l.user_active = false; }},
      {Reason::exchange_disconnected,
       [](World& w, CopyLink&, LeaderEvent&) {
         Account a = make_account(0);
         a.connected = false;
         w.give(make_event(a));
       }},
      {Reason::link_inactive,
       [](World&, CopyLink& l, LeaderEvent&) { l.status = LinkStatus::paused; }},
      {Reason::quarantined,
       [](World&, CopyLink& l, LeaderEvent&) { l.status = LinkStatus::quarantined; }},
      {Reason::subscription_inactive,
       [](World&, CopyLink& l, LeaderEvent&) { l.subscription_active = false; }},
      {Reason::not_reconciled,
       [](World& w, CopyLink&, LeaderEvent&) {
         AccountState s{};
         s.account = account_id(0);
         s.kind = AccountStateKind::lost;
         w.give(make_event(s));
       }},
      {Reason::stale, [](World&, CopyLink&, LeaderEvent& e) { e.event_time_ns -= 5 * s_ns + 1; }},
      {Reason::symbol_filtered,
       [](World&, CopyLink& l, LeaderEvent&) {
         l.symbol_filter = SymbolFilter::deny;
         l.symbol_count = 2;
         l.symbols[0] = Symbol::cut("ETH/USDT");
         l.symbols[1] = btc;
       }},
      {Reason::symbol_filtered,
       [](World&, CopyLink& l, LeaderEvent&) {
         l.symbol_filter = SymbolFilter::allow;
         l.symbol_count = 1;
         l.symbols[0] = Symbol::cut("ETH/USDT");
       }},
      {Reason::unknown_symbol,
       [](World&, CopyLink&, LeaderEvent& e) { e.symbol = Symbol::cut("XYZ/USDT"); }},
      {Reason::venue_halted,
       [](World& w, CopyLink&, LeaderEvent&) {
         Instrument i = btc_instrument();
         i.status = TradingStatus::halted;
         w.add_instrument(i);
       }},
      {Reason::no_price,
       [](World&, CopyLink&, LeaderEvent& e) { e.touch.time_ns -= 5 * s_ns + 1; }},
      {Reason::no_price, [](World&, CopyLink&, LeaderEvent& e) { e.touch = Touch{}; }},
      {Reason::balance, [](World& w, CopyLink&, LeaderEvent&) { w.set_balance(0, "0"); }},
  };
  for (const auto& [reason, broken] : rungs) {
    World w;
    w.add_instrument(btc_instrument());
    w.add_follower(0);
    LeaderEvent event = w.leader_fill(Side::buy, "1");
    CopyLink link = make_link(0);
    broken(w, link, event);
    w.give(make_event(link));
    w.heard.clear();
    w.give(make_event(event));
    ASSERT_EQ(w.heard.outcomes().size(), 1U) << to_text(reason);
    EXPECT_EQ(w.heard.outcomes()[0].outcome, Outcome::skipped) << to_text(reason);
    EXPECT_EQ(w.heard.outcomes()[0].reason, reason) << to_text(w.heard.outcomes()[0].reason);
    EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 1U) << to_text(reason);
    EXPECT_TRUE(w.heard.intents.empty()) << to_text(reason);
  }
}

TEST(Ladder, ASwitchCoversWhatItNames) {
  const UserId l = leader_id(), f = follower_id(1);
  const KillSwitch global{
      .on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = {}};
  EXPECT_TRUE(covers(global, Venue::binance, l, f, btc));
  KillSwitch k = global;
  k.venue = Venue::binance;
  k.leader = l;
  k.follower = f;
  k.symbol = btc;
  EXPECT_TRUE(covers(k, Venue::binance, l, f, btc));
  EXPECT_FALSE(covers(k, Venue::none, l, f, btc));
  EXPECT_FALSE(covers(k, Venue::binance, f, f, btc));
  EXPECT_FALSE(covers(k, Venue::binance, l, l, btc));
  EXPECT_FALSE(covers(k, Venue::binance, l, f, Symbol::cut("ETH/USDT")));
}

TEST(Reservation, OrdersOfOneAccountDoNotSpendTheSameMoneyTwice) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0, "150");
  w.leader(Side::buy, "1");
  w.leader(Side::buy, "1");
  const auto places = w.heard.of(IntentKind::place);
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].quantity, dec("1"));      // 100.5 and its fee reserve 100.6005
  EXPECT_EQ(places[1].quantity, dec("0.491"));  // of the 49.3995 left
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.heard.outcomes().back().reason, Reason::balance);
  // Ended with nothing: all of it is free again. Filled: spent until the venue's balance says so.
  w.done(places[1], "0");
  w.accept(places[0]);
  w.pass(ms_ns);
  w.fill(places[0], "1", "1", "a");
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.last_place().quantity, dec("0.496"));  // 150 - 100.1
  w.reject(w.last_place());
  w.set_balance(0, "49.9");
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.last_place().quantity, dec("0.496"));
}

TEST(Reservation, AnOlderBalanceChangesNothing) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0, "1000");
  Balance old{};
  old.account = account_id(0);
  old.asset = usdt;
  old.free = dec("1");
  old.venue_time_ns = w.now_ns - 1;
  EXPECT_FALSE(w.core.would_change(make_event(old)));
  w.give(make_event(old));
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.last_place().quantity, dec("1"));
}

TEST(Caps, InFlightAndUnknownOrdersCountAsFilled) {
  World w;
  w.add_instrument(btc_instrument());
  CopyLink link = make_link(0);
  link.position_notional_max = dec("301.5");
  w.add_follower(0, link);
  w.leader(Side::buy, "2");
  w.answer(w.last_place(), OrderUpdateKind::unknown, UpdateSource::reply);
  w.leader(Side::buy, "2");
  EXPECT_EQ(w.last_place().quantity, dec("1"));
  w.leader(Side::buy, "2");
  EXPECT_EQ(w.heard.outcomes().back().reason, Reason::position_notional);
}

TEST(Caps, TheEventsAggregateStopsFurtherFollowers) {
  World w;
  CoreSettings settings = default_settings();
  settings.event_notional_max = dec("350");
  w.give(make_event(Fence{.settings = settings}));
  w.add_instrument(btc_instrument());
  for (std::uint64_t n = 0; n < 5; ++n) w.add_follower(n);
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.heard.of(IntentKind::place).size(), 3U);
  ASSERT_EQ(w.heard.outcomes().size(), 2U);
  EXPECT_EQ(w.heard.outcomes()[0].reason, Reason::event_notional);
}

}  // namespace
}  // namespace oneclick::test
