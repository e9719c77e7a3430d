// The connector against the paper exchange, which shares no code with it: real protocols over TLS,
// and the exchange's own ledger as the judge of what was reported.
#include <set>

#include "tests/binance/paper_fixture.hpp"

namespace oneclick::binance::test {
namespace {

TEST_F(PaperTest, ReadsInstrumentsTouchesAndBalances) {
  start();
  const Instrument* const btc = shared->instruments()->find("BTCUSDT");
  ASSERT_NE(btc, nullptr);
  EXPECT_EQ(btc->symbol.view(), "BTC/USDT");
  EXPECT_EQ(btc->status, TradingStatus::trading);
  EXPECT_EQ(btc->price_tick, Decimal::of("0.01"));
  EXPECT_EQ(btc->lot_step, Decimal::of("0.00001"));
  EXPECT_EQ(btc->notional_min, Decimal::of("5"));
  const auto btc_touch = std::find_if(sink.touches.begin(), sink.touches.end(),
                                      [](const auto& t) { return t.first.view() == "BTC/USDT"; });
  if (btc_touch != sink.touches.end()) {
    EXPECT_EQ(btc_touch->second.bid, Decimal::of("60000"));
  }
  std::size_t usdt = 0;
  for (const Balance& b : sink.balances())
    usdt += b.asset.view() == "USDT" && b.free == Decimal::of("100000") ? 1 : 0;
  EXPECT_GE(usdt, account_count);
}

TEST_F(PaperTest, TradesForManyAccountsAndTellsWhatTheLedgerSays) {
  start();
  std::uint64_t n = 0;
  for (AccountSlot slot = 0; slot < account_count; ++slot) {
    EXPECT_EQ(place(n++, slot, OrderType::limit_ioc, Side::buy, "0.1", "60100"),
              SubmitResult::queued);
    EXPECT_EQ(place(n++, slot, OrderType::market, Side::buy, "0.05"), SubmitResult::queued);
    EXPECT_EQ(place(n++, slot, OrderType::limit_ioc, Side::buy, "0.1", "50000"),
              SubmitResult::queued);
  }
  ASSERT_TRUE(run_until([&] {
    return sink.count(OrderUpdateKind::done) == 3 * account_count &&
           sink.count(OrderUpdateKind::accepted) >= 3 * account_count;
  })) << sink.count(OrderUpdateKind::done)
      << " " << sink.count(OrderUpdateKind::accepted);
  EXPECT_EQ(last_of(0, OrderUpdateKind::done).cumulative_quantity, Decimal::of("0.1"));
  EXPECT_EQ(last_of(2, OrderUpdateKind::done).cumulative_quantity, Decimal{});  // too low a limit
  for (AccountSlot slot = 0; slot < account_count; ++slot)
    EXPECT_EQ(place(n++, slot, OrderType::market, Side::sell, "0.1"), SubmitResult::queued);
  ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::done) == 4 * account_count; }));
  expect_fills_as_in_ledger();
  EXPECT_EQ(shared->refused_messages.value(), 0U);
}

TEST_F(PaperTest, RefusalsAreRefusals) {
  start();
  place(1, 0, OrderType::limit_ioc, Side::buy, "9", "60000");        // more than it has
  place(2, 0, OrderType::limit_ioc, Side::buy, "0.00001", "60000");  // under the notional
  Intent strange = intent_of(3, 0);
  strange.kind = IntentKind::place;
  strange.type = OrderType::market;
  strange.side = Side::buy;
  strange.quantity = Decimal::of("1");
  strange.venue_symbol = Symbol::cut("NOPEUSDT");
  EXPECT_EQ(session->submit(strange), SubmitResult::queued);
  session->flush();
  ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::rejected) == 3; }));
  EXPECT_EQ(last_of(1, OrderUpdateKind::rejected).venue_code, -2010);
  EXPECT_EQ(last_of(2, OrderUpdateKind::rejected).venue_code, -1013);
  EXPECT_EQ(last_of(3, OrderUpdateKind::rejected).venue_code, -1121);
  ask(1, 0);
  ASSERT_TRUE(run_until([&] { return has(1, OrderUpdateKind::not_found); }));
}

TEST_F(PaperTest, LostAndDoubtfulAnswersAreUnknownAndQueriesSettleThem) {
  start();
  std::uint64_t n = 100;
  for (const char* kind : {"lost_ack", "server_error", "disconnect_after"}) {
    const AccountSlot slot = static_cast<AccountSlot>(n % account_count);
    const std::size_t reconciled = sink.count(AccountStateKind::reconciled);
    set_faults(std::string("[{\"kind\":\"") + kind + "\",\"account\":\"" + name_of(slot) +
               "\",\"count\":1}]");
    ASSERT_EQ(place(n, slot, OrderType::market, Side::buy, "0.01"), SubmitResult::queued) << kind;
    ASSERT_TRUE(run_until([&] { return has(n, OrderUpdateKind::unknown); })) << kind;
    EXPECT_FALSE(has(n, OrderUpdateKind::rejected)) << kind;
    if (std::string_view(kind) == "disconnect_after") {
      ASSERT_TRUE(run_until(
          [&] { return sink.count(AccountStateKind::reconciled) >= reconciled + account_count; }));
    }
    ASSERT_TRUE(run_until([&] { return session->up(); }));
    ask(n, slot);
    ASSERT_TRUE(run_until([&] {
      for (const OrderUpdate& u : updates(n))
        if (u.source == UpdateSource::query && u.kind == OrderUpdateKind::done) return true;
      return false;
    })) << kind;
    Intent trades = intent_of(n, slot);
    trades.kind = IntentKind::query_trades;
    trades.venue_order_id = last_of(n, OrderUpdateKind::done).venue_order_id;
    ASSERT_EQ(session->submit(trades), SubmitResult::queued);
    session->flush();
    ASSERT_TRUE(run_until([&] { return has(n, OrderUpdateKind::execution); })) << kind;
    ++n;
  }
  expect_fills_as_in_ledger();
}

TEST_F(PaperTest, ARequestCutOffBeforeItWasProcessedIsUnknownAndThenNotFound) {
  start();
  set_faults(R"([{"kind":"disconnect_before","account":"follower2","count":1}])");
  ASSERT_EQ(place(7, 2, OrderType::market, Side::buy, "0.01"), SubmitResult::queued);
  ASSERT_TRUE(run_until([&] { return has(7, OrderUpdateKind::unknown); }));
  ASSERT_TRUE(run_until([&] {
    return session->up() && sink.count(AccountStateKind::reconciled) == 2 * account_count;
  }));
  ask(7, 2);
  ASSERT_TRUE(run_until([&] { return has(7, OrderUpdateKind::not_found); }));
}

TEST_F(PaperTest, DuplicatedAndReorderedReportsEndWithTheSameTotals) {
  start();
  set_faults(R"([{"kind":"duplicate_report","account":"follower0","count":50},)"
             R"({"kind":"reorder_reports","account":"follower1","count":50}])");
  place(1, 0, OrderType::market, Side::buy, "0.01");
  place(2, 1, OrderType::market, Side::buy, "0.01");
  ASSERT_TRUE(
      run_until([&] { return has(1, OrderUpdateKind::done) && has(2, OrderUpdateKind::done); }));
  run_until([] { return false; }, second / 5);
  for (const std::uint64_t n : {1U, 2U}) {
    Decimal most{};
    for (const OrderUpdate& u : updates(n)) most = max(most, u.cumulative_quantity);
    EXPECT_EQ(most, Decimal::of("0.01"));
  }
  expect_fills_as_in_ledger();
}

TEST_F(PaperTest, ObeysAPause) {
  start();
  set_faults(R"([{"kind":"throttle","account":"follower0","count":1,"delay_ms":1500}])");
  const std::int64_t began = steady_now_ns();
  place(1, 0, OrderType::market, Side::buy, "0.01");
  ASSERT_TRUE(run_until([&] { return has(1, OrderUpdateKind::rejected); }));
  EXPECT_EQ(last_of(1, OrderUpdateKind::rejected).reason, Reason::rate_budget);
  EXPECT_EQ(place(2, 1, OrderType::market, Side::buy, "0.01"), SubmitResult::rate_budget);
  ASSERT_TRUE(run_until(
      [&] { return place(3, 1, OrderType::market, Side::buy, "0.01") == SubmitResult::queued; }));
  EXPECT_GT(steady_now_ns() - began, second);
}

TEST_F(PaperTest, FollowsALeaderAndFetchesWhatItsStreamDoesNotTell) {
  start();
  LeaderStreamOptions options;
  options.feed.account = account_id(99);
  options.feed.leader = {{3, 3}};
  options.feed.venue = Venue::binance;
  options.feed.baseline_ns = shared->now_ns() - second;
  options.credentials = credentials("leader");
  const auto leader = make_leader_stream(reactor, shared, options, sink);
  ASSERT_TRUE(run_until([&] { return leader->up(); }));
  leader_trades("BUY", "0.2");
  ASSERT_TRUE(run_until([&] { return !sink.fills().empty(); }));
  const LeaderEvent first = sink.fills()[0];
  EXPECT_EQ(first.source, EventSource::stream);
  EXPECT_EQ(first.symbol.view(), "BTC/USDT");
  EXPECT_EQ(first.quantity, Decimal::of("0.2"));
  EXPECT_EQ(first.base_fee, Decimal::of("0.0002"));
  set_faults(R"([{"kind":"silent_stream","account":"leader"}])");
  leader_trades("SELL", "0.1");
  ASSERT_TRUE(run_until([&] { return sink.fills().size() >= 2; }));
  EXPECT_EQ(sink.fills()[1].source, EventSource::rest);
  EXPECT_EQ(sink.fills()[1].side, Side::sell);
  EXPECT_EQ(sink.fills()[1].quantity, Decimal::of("0.1"));
  set_faults("[]");
  leader_trades("BUY", "0.3");
  ASSERT_TRUE(run_until([&] {
    return std::any_of(sink.events.begin(), sink.events.end(), [](const Event& e) {
      return e.kind == EventKind::leader && e.leader.quantity == Decimal::of("0.3");
    });
  }));
  std::set<std::string> ids;
  for (const LeaderEvent& e : sink.fills()) ids.insert(e.id.to_text());
  EXPECT_EQ(ids.size(), 3U);  // whatever was told twice carries the same identity
}

}  // namespace
}  // namespace oneclick::binance::test
