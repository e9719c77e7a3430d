// Limits over an account and over a leader's followers: RULES.md, 9. One line per case. BTC at 100
// and ETH at 10, one USDT is one USD. Links 0 and 1 belong to account 0, link 2 to account 1; all
// copy the leader.
#include <map>

#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

Instrument instrument(const char* base) {
  Instrument i = btc_instrument();
  i.symbol = Symbol::cut(std::string(base) + "/USDT");
  i.venue_symbol = Symbol::cut(std::string(base) + "USDT");
  i.base = Asset::cut(base);
  return i;
}
void tell_price(World& w, const char* base, const char* price, const char* usd = "1") {
  w.give(make_event(Price{.venue = Venue::binance,
                          .symbol = Symbol::cut(std::string(base) + "/USDT"),
                          .touch = {.bid = dec(price), .ask = dec(price), .time_ns = w.now_ns},
                          .quote_usd = dec(usd),
                          .reference = {}}));
}
RiskLimits limits_for(LimitScope scope) {
  RiskLimits l{};
  l.scope = scope;
  l.id = scope == LimitScope::account ? account_id(0).value : leader_id().value;
  return l;
}
void set_up(World& w, int shards = 1) {
  CoreSettings settings = default_settings();
  settings.shard_count = static_cast<std::uint16_t>(shards);
  w.give(make_event(Fence{.settings = settings}));
  for (const char* base : {"BTC", "ETH"}) w.add_instrument(instrument(base));
  tell_price(w, "BTC", "100");
  tell_price(w, "ETH", "10");
  for (const std::uint64_t n : {0, 1, 2}) {
    CopyLink link = make_link(n);
    link.slippage_bps_max = 0;
    link.account = account_id(n == 2 ? 1 : 0);
    link.follower = follower_id(n == 2 ? 1 : 0);
    if (n != 1) {
      w.add_follower(n == 2 ? 1 : 0, link);
    } else {
      w.give(make_event(link));
    }
  }
}
// The leader trades one symbol; every order that is made fills whole. Outcomes by link.
std::map<std::uint64_t, OutcomeRecord> trade(World& w, Side side, const char* base,
                                             const char* quantity, bool fills = true) {
  w.heard.clear();
  w.bid = w.ask = dec(std::string_view(base) == "BTC" ? "100" : "10");
  LeaderEvent e = w.leader_fill(side, quantity);
  e.symbol = Symbol::cut(std::string(base) + "/USDT");
  w.give(make_event(e));
  const auto placed = w.heard.of(IntentKind::place);
  if (fills)
    for (const Intent& i : placed) w.fill_whole(i);
  std::map<std::uint64_t, OutcomeRecord> told;
  for (const OutcomeRecord& o : w.heard.outcomes())
    for (const std::uint64_t n : {0, 1, 2})
      if (o.link == link_id(n)) told[n] = o;
  return told;
}
std::size_t count(const std::map<std::uint64_t, OutcomeRecord>& told, Reason reason) {
  std::size_t n = 0;
  for (const auto& [link, o] : told) n += o.reason == reason;
  return n;
}
std::size_t count(const std::map<std::uint64_t, OutcomeRecord>& told, Outcome outcome) {
  std::size_t n = 0;
  for (const auto& [link, o] : told) n += o.outcome == outcome;
  return n;
}
void expect_replay(const World& w) {
  Core again;
  Heard heard;
  for (const Event& e : w.history) again.step(e, heard);
  EXPECT_EQ(again.state_hash(), w.core.state_hash());
  const auto loaded = Core::load(w.core.save());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->state_hash(), w.core.state_hash());
}

constexpr auto account = LimitScope::account, leader = LimitScope::leader;

// First the leader buys `first`, then `second`; of the three links so many are copied, clipped,
// refused by that name at the second.
struct Case {
  const char* what;
  LimitScope scope;
  int shards;
  void (*set)(RiskLimits&);
  const char* first;  // of BTC; "0": nothing
  const char* base;
  const char* second;
  std::size_t copied, clipped, refused;
  Reason reason;
  Cap cap;
};
const Case cases[] = {
    // clang-format off
    {"no limit", account, 1, [](RiskLimits&) {}, "1", "BTC", "1", 3, 0, 0, Reason::none, Cap::none},
    {"an account's order fits", account, 1, [](RiskLimits& l) { l.order_notional_max = dec("100"); }, "0", "BTC", "1", 3, 0, 0, Reason::none, Cap::none},
    {"each order of the account is clipped", account, 1, [](RiskLimits& l) { l.order_notional_max = dec("99"); }, "0", "BTC", "1", 1, 2, 0, Reason::none, Cap::account_order_notional},
    {"clipped to nothing", account, 1, [](RiskLimits& l) { l.order_notional_max = dec("0.09"); }, "0", "BTC", "1", 1, 0, 2, Reason::account_order_notional, Cap::account_order_notional},
    {"a leader's followers all", leader, 1, [](RiskLimits& l) { l.order_notional_max = dec("99"); }, "0", "BTC", "1", 0, 3, 0, Reason::none, Cap::leader_order_notional},
    {"each shard its part", leader, 2, [](RiskLimits& l) { l.order_notional_max = dec("198"); }, "0", "BTC", "1", 0, 3, 0, Reason::none, Cap::leader_order_notional},
    {"an account is in one shard", account, 2, [](RiskLimits& l) { l.order_notional_max = dec("100"); }, "0", "BTC", "1", 3, 0, 0, Reason::none, Cap::none},
    {"both links count to the account's position", account, 1, [](RiskLimits& l) { l.position_notional_max = dec("150"); }, "0", "BTC", "1", 2, 1, 0, Reason::none, Cap::account_position_notional},
    {"what is held counts", account, 1, [](RiskLimits& l) { l.position_notional_max = dec("200"); }, "1", "BTC", "1", 1, 0, 2, Reason::account_position_notional, Cap::account_position_notional},
    {"of one symbol", account, 1, [](RiskLimits& l) { l.position_notional_max = dec("200"); }, "1", "ETH", "1", 3, 0, 0, Reason::none, Cap::none},
    {"all followers count to the leader's position", leader, 1, [](RiskLimits& l) { l.position_notional_max = dec("250"); }, "0", "BTC", "1", 2, 1, 0, Reason::none, Cap::leader_position_notional},
    {"a leader's position is full", leader, 1, [](RiskLimits& l) { l.position_notional_max = dec("300"); }, "1", "BTC", "1", 0, 0, 3, Reason::leader_position_notional, Cap::leader_position_notional},
    {"half of it in each of two shards", leader, 2, [](RiskLimits& l) { l.position_notional_max = dec("500"); }, "0", "BTC", "1", 2, 1, 0, Reason::none, Cap::leader_position_notional},
    {"an account's exposure over symbols", account, 1, [](RiskLimits& l) { l.exposure_usd_max = dec("215"); }, "1", "ETH", "1", 2, 1, 0, Reason::none, Cap::account_exposure},
    {"none is left", account, 1, [](RiskLimits& l) { l.exposure_usd_max = dec("200"); }, "1", "ETH", "1", 1, 0, 2, Reason::account_exposure, Cap::account_exposure},
    {"a leader's exposure", leader, 1, [](RiskLimits& l) { l.exposure_usd_max = dec("325"); }, "1", "ETH", "1", 2, 1, 0, Reason::none, Cap::leader_exposure},
    {"none is left for followers", leader, 1, [](RiskLimits& l) { l.exposure_usd_max = dec("300"); }, "1", "ETH", "1", 0, 0, 3, Reason::leader_exposure, Cap::leader_exposure},
    {"an account's positions are symbols", account, 1, [](RiskLimits& l) { l.positions_max = 1; }, "1", "ETH", "1", 1, 0, 2, Reason::account_positions, Cap::none},
    {"the same symbol is no other", account, 1, [](RiskLimits& l) { l.positions_max = 1; }, "1", "BTC", "1", 3, 0, 0, Reason::none, Cap::none},
    {"both links in one symbol are one", account, 1, [](RiskLimits& l) { l.positions_max = 1; }, "0", "BTC", "1", 3, 0, 0, Reason::none, Cap::none},
    {"a leader's positions are followers'", leader, 1, [](RiskLimits& l) { l.positions_max = 2; }, "0", "BTC", "1", 2, 0, 1, Reason::leader_positions, Cap::none},
    {"a part rounds down", leader, 2, [](RiskLimits& l) { l.positions_max = 5; }, "0", "BTC", "1", 2, 0, 1, Reason::leader_positions, Cap::none},
    {"a part of less than one is none", leader, 2, [](RiskLimits& l) { l.positions_max = 1; }, "0", "BTC", "1", 0, 0, 3, Reason::leader_positions, Cap::none},
    {"held ones go on", leader, 1, [](RiskLimits& l) { l.positions_max = 3; }, "1", "BTC", "1", 3, 0, 0, Reason::none, Cap::none},
    {"an account's entries a minute", account, 1, [](RiskLimits& l) { l.entries_per_minute_max = 1; }, "0", "BTC", "1", 2, 0, 1, Reason::account_entry_rate, Cap::none},
    {"a leader's entries a minute", leader, 1, [](RiskLimits& l) { l.entries_per_minute_max = 4; }, "1", "BTC", "1", 1, 0, 2, Reason::leader_entry_rate, Cap::none},
    {"in two shards", leader, 2, [](RiskLimits& l) { l.entries_per_minute_max = 4; }, "0", "BTC", "1", 2, 0, 1, Reason::leader_entry_rate, Cap::none},
    // clang-format on
};

TEST(Scopes, EachCase) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    World w;
    w.now_ns = w.now_ns / (60 * s_ns) * 60 * s_ns + s_ns;
    set_up(w, c.shards);
    RiskLimits limits = limits_for(c.scope);
    c.set(limits);
    w.give(make_event(limits));
    if (dec(c.first).is_positive()) {
      EXPECT_EQ(count(trade(w, Side::buy, "BTC", c.first), Outcome::copied), 3U);
    }
    const auto told = trade(w, Side::buy, c.base, c.second);
    EXPECT_EQ(told.size(), 3U);
    EXPECT_EQ(count(told, Outcome::copied), c.copied);
    EXPECT_EQ(count(told, Outcome::clipped), c.clipped);
    EXPECT_EQ(count(told, Outcome::skipped), c.refused);
    for (const auto& [n, o] : told)
      if (o.outcome != Outcome::copied) {
        EXPECT_EQ(o.cap, c.cap) << to_text(o.cap);
        EXPECT_EQ(o.reason, c.reason) << to_text(o.reason);
      }
    expect_replay(w);
  }
}

TEST(Scopes, WhatIsInFlightCounts) {
  World w;
  set_up(w);
  RiskLimits limits = limits_for(account);
  limits.position_notional_max = dec("300");
  w.give(make_event(limits));
  trade(w, Side::buy, "BTC", "1", false);  // two links, nothing filled yet
  const auto told = trade(w, Side::buy, "BTC", "1", false);
  EXPECT_EQ(w.heard.of(IntentKind::place).size(), 2U);  // one of the account, one of the other
  EXPECT_EQ(count(told, Reason::account_position_notional), 1U);
}

struct LossCase {
  const char* what;
  LimitScope scope;
  int shards;
  const char* daily;
  const char* drawdown;
  DrawdownAction action;
  const char* price;  // after buying 1 BTC each at 100
  std::size_t refused;
  Reason reason;
  std::size_t halts;
  std::size_t sold;
};
TEST(Scopes, Losses) {
  constexpr auto halt = DrawdownAction::halt, close = DrawdownAction::close;
  const LossCase losses[] = {
      // clang-format off
      {"an account below its daily loss", account, 1, "21", "0", halt, "90", 3, Reason::none, 0, 0},
      {"an account at its daily loss", account, 1, "20", "0", halt, "90", 2, Reason::account_daily_loss, 0, 0},
      {"a leader below it", leader, 1, "31", "0", halt, "90", 3, Reason::none, 0, 0},
      {"a leader at it", leader, 1, "30", "0", halt, "90", 3, Reason::leader_daily_loss, 0, 0},
      {"a leader's part of two", leader, 2, "60", "0", halt, "90", 3, Reason::leader_daily_loss, 0, 0},
      {"an account's drawdown halts", account, 1, "0", "20", halt, "90", 2, Reason::account_drawdown, 1, 0},
      {"an account's drawdown closes its links", account, 1, "0", "20", close, "90", 2, Reason::account_drawdown, 1, 2},
      {"an account above its drawdown", account, 1, "0", "20.01", halt, "90", 3, Reason::none, 0, 0},
      {"a leader's drawdown halts all", leader, 1, "0", "30", halt, "90", 3, Reason::leader_drawdown, 1, 0},
      {"a leader's drawdown closes all", leader, 1, "0", "30", close, "90", 3, Reason::leader_drawdown, 1, 3},
      // clang-format on
  };
  for (const LossCase& c : losses) {
    SCOPED_TRACE(c.what);
    World w;
    set_up(w, c.shards);
    RiskLimits limits = limits_for(c.scope);
    limits.daily_loss_usd_max = dec(c.daily);
    limits.drawdown_usd_max = dec(c.drawdown);
    limits.drawdown_action = c.action;
    w.give(make_event(limits));
    trade(w, Side::buy, "BTC", "1");
    w.heard.clear();
    w.pass(2 * s_ns);
    tell_price(w, "BTC", c.price);
    EXPECT_EQ(w.heard.of(IntentKind::place).size(), c.sold);
    std::size_t halts = 0;
    for (const Record& r : w.heard.records)
      if (r.kind == RecordKind::scope_halt) {
        ++halts;
        EXPECT_TRUE(r.scope_halt.halted);
        EXPECT_EQ(r.scope_halt.scope, c.scope);
        EXPECT_EQ(r.scope_halt.reason, c.reason);
        EXPECT_EQ(r.scope_halt.id, limits.id);
      }
    EXPECT_EQ(halts, c.halts);
    tell_price(w, "ETH", "10");
    EXPECT_EQ(count(trade(w, Side::buy, "ETH", "1"), c.reason), c.refused);
    expect_replay(w);
    if (c.halts == 0) continue;
    // Released by a raised epoch: counted anew.
    limits.risk_epoch = 1;
    w.heard.clear();
    w.give(make_event(limits));
    ASSERT_EQ(w.heard.records.size(), 1U);
    EXPECT_FALSE(w.heard.records[0].scope_halt.halted);
    EXPECT_EQ(count(trade(w, Side::buy, "ETH", "1"), Outcome::copied), 3U);
    expect_replay(w);
  }
}

TEST(Scopes, WhatCannotBeValuedRefuses) {
  World w;
  set_up(w);
  RiskLimits limits = limits_for(leader);
  limits.exposure_usd_max = dec("1000");
  w.give(make_event(limits));
  w.pass(61 * s_ns);
  EXPECT_EQ(count(trade(w, Side::buy, "BTC", "1"), Reason::not_valued), 3U);
}

TEST(Scopes, TheLinksLimitIsNamedBeforeTheAccountsAndThatBeforeTheLeaders) {
  World w;
  set_up(w);
  RiskLimits limits = limits_for(leader);
  limits.positions_max = 1;
  w.give(make_event(limits));
  limits = limits_for(account);
  limits.positions_max = 1;
  w.give(make_event(limits));
  CopyLink link = make_link(0);
  link.slippage_bps_max = 0;
  link.positions_max = 1;
  link.version = 2;
  w.give(make_event(link));
  trade(w, Side::buy, "BTC", "1");
  const auto told = trade(w, Side::buy, "ETH", "1");
  // One of the three got the leader's only position; the others hold nothing of their own.
  EXPECT_EQ(told.size(), 3U);
  for (const auto& [n, o] : told) {
    const bool holds = w.held(n).is_positive();
    const bool account_holds = n == 2 ? holds : w.held(0).is_positive() || w.held(1).is_positive();
    const Reason expected = n == 0 && holds           ? Reason::positions
                            : n != 2 && account_holds ? Reason::account_positions
                                                      : Reason::leader_positions;
    EXPECT_EQ(o.reason, expected) << n << ' ' << to_text(o.reason);
  }
}

TEST(Scopes, RemovedLimitsBindNoMore) {
  World w;
  set_up(w);
  RiskLimits limits = limits_for(account);
  limits.order_notional_max = dec("50");
  EXPECT_TRUE(w.core.would_change(make_event(limits)));
  w.give(make_event(limits));
  EXPECT_FALSE(w.core.would_change(make_event(limits)));
  EXPECT_EQ(count(trade(w, Side::buy, "BTC", "1"), Outcome::clipped), 2U);
  ASSERT_EQ(w.core.risk_limits().size(), 1U);
  limits.removed = true;
  w.give(make_event(limits));
  EXPECT_FALSE(w.core.would_change(make_event(limits)));
  EXPECT_TRUE(w.core.risk_limits().empty());
  EXPECT_EQ(count(trade(w, Side::buy, "BTC", "1"), Outcome::copied), 3U);
}

TEST(Scopes, ExitsAreNotLimited) {
  World w;
  set_up(w);
  trade(w, Side::buy, "BTC", "1");
  for (const LimitScope scope : {account, leader}) {
    RiskLimits limits = limits_for(scope);
    limits.order_notional_max = limits.position_notional_max = limits.exposure_usd_max = dec("1");
    limits.positions_max = limits.entries_per_minute_max = 1;
    w.give(make_event(limits));
  }
  EXPECT_EQ(count(trade(w, Side::sell, "BTC", "1"), Outcome::copied), 3U);
}

}  // namespace
}  // namespace oneclick::test
