// What users of other copiers complain about, one test each: it cannot happen here. Copying that
// stops in silence, banned addresses, late and doubled webhooks are told by connectors: see
// LeaderComplaints, SessionComplaints in tests/binance and IngressComplaints in tests/ingress.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

struct Complaints : ::testing::Test {
  void SetUp() override { w.add_instrument(btc_instrument()); }
  void buy(std::string_view quantity) {
    w.leader(Side::buy, quantity);
    w.fill_whole(w.last_place());
    w.heard.clear();
  }
  // As a process that died and came back: from its bytes, behind a fence.
  void restart() {
    auto loaded = Core::load(w.core.save());
    ASSERT_TRUE(loaded.has_value()) << loaded.error();
    w.core = std::move(*loaded);
    w.give(make_event(Fence{.settings = default_settings()}));
  }
  World w;
};

TEST_F(Complaints, MissedCopiesWithoutAnErrorOrALog) {
  // Followers in every state that stops a copy, and some that copy.
  constexpr std::uint64_t count = 12;
  std::map<LinkId, int> outcomes;
  for (std::uint64_t n = 0; n < count; ++n) {
    CopyLink link = make_link(n);
    if (n == 1) link.status = LinkStatus::paused;
    if (n == 2) link.user_active = false;
    if (n == 3) link.subscription_active = false;
    if (n == 4) {
      link.symbol_filter = SymbolFilter::deny;
      link.symbol_count = 1;
      link.symbols[0] = btc;
    }
    if (n == 5) link.percentage_e2 = 1;  // less than a lot
    if (n == 6) link.order_notional_max = dec("0.01");
    w.add_follower(n, link, n == 7 ? "0" : "1000000");
  }
  Account away = make_account(8);
  away.connected = false;
  w.give(make_event(away));
  w.heard.clear();
  // A burst, as fast as it comes.
  constexpr int events = 40;
  for (int i = 0; i < events; ++i) w.leader(Side::buy, "0.01");
  std::size_t answer = 0, answered = 0;
  const auto answer_all = [&] {
    while (answered < w.heard.of(IntentKind::place).size()) {
      const Intent i = w.heard.of(IntentKind::place)[answered++];
      switch (answer++ % 4) {
        case 0:
          w.reject(i);
          break;
        case 1:
          w.not_sent(i, Reason::rate_budget);
          break;
        default:
          w.fill_whole(i);
      }
    }
  };
  answer_all();
  while (w.core.next_deadline_ns() < w.now_ns + 60 * s_ns) {
    w.run_until(w.core.next_deadline_ns());
    answer_all();
  }
  w.run_until(w.now_ns + 3600 * s_ns);
  for (const OutcomeRecord& o : w.heard.outcomes()) {
    ++outcomes[o.link];
    const bool copied = o.outcome == Outcome::copied || o.outcome == Outcome::clipped ||
                        o.outcome == Outcome::carried || o.outcome == Outcome::coalesced;
    const bool waited = copied && o.reason == Reason::rate_budget;  // carried or taken along
    EXPECT_EQ(o.reason == Reason::none, copied && !waited) << to_text(o.reason);
  }
  std::size_t matched = 0;
  for (const Record& r : w.heard.records)
    if (r.kind == RecordKind::leader_event) matched += r.leader_event.links_matched;
  EXPECT_EQ(matched, count * events);
  ASSERT_EQ(outcomes.size(), count);
  for (const auto& [link, told] : outcomes) EXPECT_EQ(told, events);
}

TEST_F(Complaints, AnOrderThatWasTakenIsTrackedAsFailed) {
  w.add_follower(0);
  w.leader(Side::buy, "2");
  const Intent order = w.last_place();
  w.heard.clear();
  w.answer(order, OrderUpdateKind::unknown, UpdateSource::reply);  // its answer was lost
  EXPECT_TRUE(w.heard.outcomes().empty()) << "not known is no verdict";
  EXPECT_EQ(w.core.counts().orders_unknown, 1U);
  w.answer(order, OrderUpdateKind::not_found);  // and the venue's first word of it was wrong
  EXPECT_TRUE(w.heard.outcomes().empty());
  w.answer(order, OrderUpdateKind::accepted);
  w.fill(order, "2", "2", "a");
  EXPECT_EQ(w.held(0), dec("2"));
  // Nothing naked is left when the leader goes.
  w.leader(Side::sell, "2");
  w.fill_whole(w.last_place());
  EXPECT_TRUE(w.held(0).is_zero());
}

TEST_F(Complaints, DuplicateOrdersAfterATimeoutOrAReconnect) {
  w.add_follower(0);
  w.leader(Side::buy, "2");
  const Intent order = w.last_place();
  w.heard.clear();
  w.run_until(w.now_ns + default_settings().ack_timeout_ns);  // no answer
  w.leader(Side::buy, "0.0001");                              // other things go on
  w.reconcile(0);                                             // the connection is new
  for (int i = 0; i < 3; ++i) w.answer(order, OrderUpdateKind::query_failed);
  w.run_until(w.now_ns + 60 * s_ns);
  restart();
  w.reconcile(0);
  w.run_until(w.now_ns + 60 * s_ns);
  EXPECT_TRUE(w.heard.of(IntentKind::place).empty());
  EXPECT_FALSE(w.heard.of(IntentKind::query).empty());
  for (const Intent& q : w.heard.of(IntentKind::query)) EXPECT_EQ(q.key, order.key);
  // The same fill of the leader from another feed.
  LeaderEvent again = w.leader_fill(Side::buy, "2");
  again.id = event_id(1);
  w.give(make_event(again));
  EXPECT_TRUE(w.heard.of(IntentKind::place).empty());
}

TEST_F(Complaints, FillsAreBookedTwiceAfterARestart) {
  w.add_follower(0);
  w.leader(Side::buy, "2");
  const Intent order = w.last_place();
  w.accept(order);
  w.fill(order, "0.5", "0.5", "a");
  restart();
  w.reconcile(0);
  // The venue tells its history again, out of order, and goes on.
  w.fill(order, "1", "1.5", "b");
  w.fill(order, "0.5", "0.5", "a");
  w.fill(order, "1", "1.5", "b");
  restart();
  w.reconcile(0);
  w.fill(order, "0.5", "0.5", "a");
  w.fill(order, "0.5", "2", "c");
  w.done(order, "2");
  EXPECT_EQ(w.held(0), dec("2"));
  EXPECT_EQ(w.heard.fills().size(), 3U);
}

TEST_F(Complaints, PositionsRunOutOfStepWithTheLeader) {
  w.add_follower(0);
  CopyLink half = make_link(1);
  half.percentage_e2 = 5'000;
  w.add_follower(1, half);
  // Bought and sold in pieces; a follower's entry fails in the middle, and what was sold meanwhile
  // counts.
  const auto fill_all = [&] {
    const auto places = w.heard.of(IntentKind::place);
    w.heard.clear();
    for (const Intent& i : places) w.fill_whole(i);
  };
  w.leader(Side::buy, "3");
  fill_all();
  w.leader(Side::sell, "1");
  fill_all();
  w.leader(Side::buy, "0.5");
  fill_all();
  EXPECT_EQ(w.held(0), dec("2.5"));
  EXPECT_EQ(w.held(1), dec("1.25"));
  w.leader(Side::buy, "1");
  const auto late = w.heard.of(IntentKind::place);
  w.heard.clear();
  w.leader(Side::sell, "3.5");  // flat while these are on their way
  fill_all();
  for (const Intent& i : late) w.fill_whole(i);
  fill_all();
  EXPECT_TRUE(w.held(0).is_zero()) << "no ghost of what came late";
  EXPECT_TRUE(w.held(1).is_zero());
}

TEST_F(Complaints, PartialClosesAndClosesAreNotCopied) {
  CopyLink big = make_link(0);
  big.percentage_e2 = 30'000;
  w.add_follower(0, big);
  CopyLink paused = make_link(1);
  w.add_follower(1, paused);
  w.leader(Side::buy, "1");
  for (const Intent& i : w.heard.of(IntentKind::place)) w.fill_whole(i);
  paused.status = LinkStatus::exits_only;
  paused.version = 2;
  w.give(make_event(paused));
  w.heard.clear();
  w.leader(Side::sell, "0.25");  // a quarter, of whatever each holds
  for (const Intent& i : w.heard.of(IntentKind::place)) w.fill_whole(i);
  EXPECT_EQ(w.held(0), dec("2.25"));
  EXPECT_EQ(w.held(1), dec("0.75")) << "exits run without permission to enter";
  w.heard.clear();
  w.leader(Side::sell, "0.75");
  for (const Intent& i : w.heard.of(IntentKind::place)) {
    EXPECT_EQ(i.side, Side::sell) << "never the other way";
    w.fill_whole(i);
  }
  EXPECT_TRUE(w.held(0).is_zero());
  EXPECT_TRUE(w.held(1).is_zero());
}

TEST_F(Complaints, PartialFillsAreAccountedWrongly) {
  w.add_follower(0);
  w.leader(Side::buy, "2");
  const Intent order = w.last_place();
  w.heard.clear();
  // Cut off in the middle: the rest never fills, one fill is told only by the totals at first.
  w.fill(order, "0.3", "0.3", "a");
  w.fill(order, "0.3", "0.3", "a");
  w.done(order, "0.9");
  ASSERT_FALSE(w.heard.of(IntentKind::query_trades).empty()) << "the venue is asked for what lacks";
  w.fill(order, "0.6", "0.9", "b");
  EXPECT_EQ(w.held(0), dec("0.9"));
  const OrderRecord last = w.heard.orders().back();
  EXPECT_EQ(last.status, OrderStatus::cancelled);
  EXPECT_EQ(last.filled_quantity, dec("0.9"));
  EXPECT_EQ(last.quantity, dec("2"));
}

TEST_F(Complaints, SmallSizesAreRefusedOrSilentlyOversized) {
  CopyLink link = make_link(0);
  link.percentage_e2 = 4;  // 0.04 %: of 1 BTC less than a lot
  w.add_follower(0, link);
  Decimal sent{};
  for (int i = 0; i < 10; ++i) {
    w.leader(Side::buy, "1");
    for (const Intent& p : w.heard.of(IntentKind::place)) {
      w.fill_whole(p);
      sent += p.quantity;
    }
    const OutcomeRecord o = w.heard.outcomes().back();
    EXPECT_TRUE(o.outcome == Outcome::carried || o.outcome == Outcome::copied);
    w.heard.clear();
  }
  EXPECT_EQ(sent, dec("0.004")) << "ten times 0.0004, nothing lost and nothing more";
  EXPECT_EQ(w.held(0), dec("0.004"));
}

TEST_F(Complaints, DustIsLeftBehind) {
  w.add_follower(0);
  // Fees in the coin leave less than a lot of it; the next exit takes it along.
  for (int round = 0; round < 4; ++round) {
    w.leader(Side::buy, "1");
    const Intent entry = w.last_place();
    w.accept(entry);
    OrderUpdate u = w.execution(entry, "1", "1", "buy" + std::to_string(round));
    u.fee = dec("0.0004");
    u.fee_asset = Asset::cut("BTC");
    w.give(make_event(u));
    w.leader(Side::sell, "1");
    w.fill_whole(w.last_place());
    EXPECT_LT(w.held(0), dec("0.001")) << "never a sellable lot";
  }
  EXPECT_EQ(w.held(0), dec("0.0004")) << "4 x 0.9996 less 3 x 0.999 and 1 x 1.000";
}

TEST_F(Complaints, FollowersPayAnyPriceAfterTheLeader) {
  CopyLink link = make_link(0);
  link.slippage_bps_max = 20;
  w.add_follower(0, link);
  LeaderEvent e = w.leader_fill(Side::buy, "1");
  e.price = dec("98");  // long ago; the market is what counts
  w.give(make_event(e));
  EXPECT_EQ(w.last_place().type, OrderType::limit_ioc);
  EXPECT_EQ(w.last_place().price, dec("100.2")) << "the touch and 20 bps, not more";
  w.heard.clear();
  LeaderEvent late = w.leader_fill(Side::buy, "1");
  late.event_time_ns -= 5 * s_ns + 1;
  w.give(make_event(late));
  EXPECT_EQ(w.heard.outcomes().back().reason, Reason::stale);
}

TEST_F(Complaints, LeverageThatTheFollowersAccountCannotCarry) {
  Instrument perpetual = btc_instrument();
  perpetual.symbol = Symbol::cut("BTC/USDT:USDT");
  perpetual.venue_symbol = Symbol::cut("BTCPERP");
  perpetual.kind = InstrumentKind::linear;
  perpetual.leverage_max_e2 = 500;  // five times
  w.add_instrument(perpetual);
  CopyLink link = make_link(0);
  link.leverage_e2 = 10'000;  // a hundred times, as the leader has it: the venue gives five
  link.slippage_bps_max = 0;
  w.add_follower(0, link, "100");
  LeaderEvent e = w.leader_fill(Side::buy, "50");
  e.symbol = perpetual.symbol;
  w.give(make_event(e));
  const Intent order = w.last_place();
  const Decimal notional = mul(order.quantity, order.price, Round::up);
  EXPECT_LE(notional, dec("500")) << "what 100 carries five times over, fee included";
  EXPECT_GT(notional, dec("480"));
  // What is in margin is not there for the next one: nothing fails at the venue.
  w.heard.clear();
  LeaderEvent more = w.leader_fill(Side::buy, "50");
  more.symbol = perpetual.symbol;
  w.give(make_event(more));
  for (const Intent& i : w.heard.of(IntentKind::place))
    EXPECT_LE(mul(i.quantity, i.price, Round::up) + notional, dec("500"));
}

TEST_F(Complaints, AnOldBalanceMakesTheSecondCopyTooLarge) {
  w.add_follower(0, "150");
  w.pass(ms_ns);
  w.leader(Side::buy, "1");  // 100, reserved with its fee
  const Intent first = w.last_place();
  w.leader(Side::buy, "1");
  const auto places = w.heard.of(IntentKind::place);
  Decimal cost{};
  for (const Intent& i : places) cost += mul(i.quantity, i.price, Round::up);
  EXPECT_LE(cost, dec("150"));
  ASSERT_EQ(places.size(), 2U);
  EXPECT_LT(places[1].quantity, first.quantity);
  w.heard.clear();
  for (const Intent& i : places) w.fill_whole(i);
  // What is spent stays spent although the venue's old balance is still the last one told.
  w.leader(Side::buy, "1");
  for (const Intent& i : w.heard.of(IntentKind::place)) w.fill_whole(i);
  w.leader(Side::buy, "1");
  EXPECT_LE(mul(w.held(0), w.ask, Round::up), dec("150"));
  EXPECT_EQ(w.heard.outcomes().back().reason, Reason::balance);
}

}  // namespace
}  // namespace oneclick::test
