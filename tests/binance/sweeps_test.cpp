// What accounts have, read back again and again: the longest not read first, within what is left of
// the budget, at once when asked; and streams that do not tell what happens.
#include <gtest/gtest.h>

#include "tests/binance/fake_venue.hpp"

namespace oneclick::binance::test {
namespace {

constexpr std::int64_t ms_ns = 1'000'000;

class SweepTest : public VenueTest {
 protected:
  void start(const Config& config, std::size_t accounts) {
    shared = share(config);
    shared->publish_instruments(instruments());
    session = make_order_session(reactor, shared, 0, sink);
    for (std::size_t i = 0; i < accounts; ++i) {
      Account account{};
      account.id = account_id(i);
      account.venue = Venue::binance;
      account.connected = true;
      session->attach(static_cast<AccountSlot>(i), account, credentials("key" + std::to_string(i)));
    }
    ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == accounts; }));
  }
  std::vector<Sweep> sweeps() const {
    std::vector<Sweep> all;
    for (const Event& e : sink.events)
      if (e.kind == EventKind::sweep) all.push_back(e.sweep);
    return all;
  }
  std::size_t weight() const {
    return 2 * venue.count("userDataStream.subscribe.signature") +
           20 * venue.count("account.status") + 6 * venue.count("openOrders.status");
  }
  Intent intent(IntentKind kind, AccountSlot slot = 0) {
    Intent out{};
    out.kind = kind;
    out.type = OrderType::limit_ioc;
    out.side = Side::buy;
    out.venue = Venue::binance;
    out.slot = slot;
    out.account = account_id(slot);
    if (kind != IntentKind::read_account) out.key = key(1);
    out.symbol = Symbol::cut("BTC/USDT");
    out.venue_symbol = Symbol::cut("BTCUSDT");
    out.price_decimals = 2;
    out.quantity_decimals = 5;
    out.quantity = Decimal::of("0.5");
    out.price = Decimal::of("100");
    return out;
  }

  std::shared_ptr<VenueShared> shared;
  std::unique_ptr<OrderSession> session;
};

TEST_F(SweepTest, AccountsAreReadBackInTurnsTheLongestNotReadFirst) {
  Config config = venue.config();
  config.sweep_interval_ns = 20 * ms_ns;
  start(config, 5);
  venue.asked.clear();
  ASSERT_TRUE(run_until([&] { return sweeps().size() >= 30; }));
  std::vector<std::string> order;
  for (const Asked& a : venue.asked)
    if (a.method == "account.status") order.push_back(a.at("apiKey"));
  for (std::size_t i = 5; i < order.size(); ++i) EXPECT_EQ(order[i], order[i - 5]) << i;
  std::map<std::uint32_t, int> ids;
  for (const Sweep& s : sweeps()) ++ids[s.id];
  EXPECT_EQ(ids.size(), sweeps().size());
  EXPECT_FALSE(ids.contains(0));
}

TEST_F(SweepTest, WhatIsListedCarriesTheIdOfTheSweepThatEndsAfterIt) {
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "openOrders.status" || a.at("symbol") != "BTCUSDT") return std::nullopt;
    return FakeVenue::ok(a, "[{\"symbol\":\"BTCUSDT\",\"orderId\":5,\"clientOrderId\":\"" +
                                client_id(key(9)) +
                                "\",\"executedQty\":\"0\",\"cummulativeQuoteQty\":\"0\","
                                "\"status\":\"NEW\",\"side\":\"SELL\",\"time\":5}]");
  };
  const std::int64_t before = EngineClock().now_ns();
  start(venue.config(), 1);
  ASSERT_EQ(sweeps().size(), 1U);
  ASSERT_EQ(sink.updates().size(), 1U);
  EXPECT_NE(sweeps()[0].id, 0U);
  EXPECT_EQ(sink.updates()[0].sweep, sweeps()[0].id);
  EXPECT_EQ(sweeps()[0].account, account_id(0));
  EXPECT_GE(sweeps()[0].started_ns, before);
  // Everything that was read is told before its end is.
  ASSERT_GE(sink.events.size(), 2U);
  EXPECT_EQ(sink.events[sink.events.size() - 2].kind, EventKind::sweep);
  EXPECT_EQ(sink.events.back().kind, EventKind::account_state);
}

TEST_F(SweepTest, AReadingThatFailsEndsNoSweep) {
  Config config = venue.config();
  config.sweep_interval_ns = 20 * ms_ns;
  start(config, 1);
  const std::size_t before = sweeps().size();
  bool fail = true;
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (!fail || a.method != "openOrders.status") return std::nullopt;
    return FakeVenue::refused(a, 500, -1000, "unknown");
  };
  venue.asked.clear();
  ASSERT_TRUE(run_until([&] { return venue.count("openOrders.status") >= 4; }));
  EXPECT_LE(sweeps().size(), before + 1);  // one may have been on its way
  fail = false;
  EXPECT_TRUE(run_until([&] { return sweeps().size() > before + 2; }));
}

TEST_F(SweepTest, SweepsLeaveTheirShareOfTheBudgetToOrders) {
  Config config = venue.config();
  config.sweep_interval_ns = ms_ns;
  config.sweep_budget_ratio = 0.5;
  const auto minute = [&] { return EngineClock().now_ns() / (60 * second); };
  const auto started = minute();
  shared = share(config);
  shared->egress(0).weight.set_limit(1'000);
  shared->publish_instruments(instruments());
  session = make_order_session(reactor, shared, 0, sink);
  Account account{};
  account.id = account_id(0);
  account.venue = Venue::binance;
  account.connected = true;
  session->attach(0, account, credentials("key0"));
  // Until it stops by itself: the window is half spent.
  ASSERT_TRUE(run_until([&] { return weight() >= 450; }));
  settle(300 * ms_ns);
  const auto minutes = static_cast<std::size_t>(minute() - started + 1);
  EXPECT_LE(weight(), 532 * minutes);  // half, and the reading that crosses it
  EXPECT_GE(shared->egress(0).weight.remaining_ratio(shared->venue_now_ns()), 0.45);
  EXPECT_EQ(session->submit(intent(IntentKind::place)), SubmitResult::queued);
}

TEST_F(SweepTest, AnAccountIsReadBackAtOnceWhenAsked) {
  start(venue.config(), 3);
  ASSERT_EQ(sweeps().size(), 3U);
  const std::int64_t asked = shared->now_ns();
  EXPECT_EQ(session->submit(intent(IntentKind::read_account, 2)), SubmitResult::queued);
  ASSERT_TRUE(run_until([&] { return sweeps().size() == 4; }));
  EXPECT_EQ(sweeps().back().account, account_id(2));
  EXPECT_GE(sweeps().back().started_ns, asked);
  EXPECT_EQ(sink.count(AccountStateKind::reconciled), 3U);  // it was so all the time
}

TEST_F(SweepTest, TheOldestReadingIsThatOfTheAccountReadLongestAgo) {
  Config config = venue.config();
  const std::int64_t before = EngineClock().now_ns();
  start(config, 2);
  ASSERT_TRUE(run_until([&] { return shared->oldest_reading_ns() >= sweeps()[0].started_ns; }));
  const std::int64_t first = shared->oldest_reading_ns();
  EXPECT_GE(first, before);
  // One of them again: the other is the oldest now, until it is read, too.
  const auto read = [&](AccountSlot slot) {
    const std::size_t count = sweeps().size();
    EXPECT_EQ(session->submit(intent(IntentKind::read_account, slot)), SubmitResult::queued);
    ASSERT_TRUE(run_until([&] { return sweeps().size() > count; }));
  };
  read(0);
  read(1);
  EXPECT_TRUE(run_until([&] { return shared->oldest_reading_ns() > first; }));
  EXPECT_LE(shared->oldest_reading_ns(), shared->now_ns());
  session->detach(0);
  session->detach(1);
  EXPECT_TRUE(run_until([&] { return shared->now_ns() - shared->oldest_reading_ns() < second; }));
}

// Trades of a time in which nothing was told: one of ours, two of somebody else's order.
class GapTrades : public SweepTest {
 protected:
  GapTrades() {
    venue.script = [this](const Asked& a) -> std::optional<std::string> {
      if (a.method == "myTrades" && a.at("symbol") == "BTCUSDT") {
        froms.push_back(a.at("startTime"));
        return FakeVenue::ok(
            a, "[" + trade("1", "70") + "," + trade("2", "71") + "," + trade("3", "70") + "]");
      }
      if (a.method != "order.status" || a.at("orderId").empty()) return std::nullopt;
      if (fail_orders) return FakeVenue::refused(a, 500, -1000, "unknown");
      const bool is_ours = a.at("orderId") == "71";
      return FakeVenue::ok(a, "{\"symbol\":\"BTCUSDT\",\"orderId\":" + a.at("orderId") +
                                  ",\"clientOrderId\":\"" +
                                  (is_ours ? client_id(key(1)) : std::string("web_1")) +
                                  "\",\"executedQty\":\"1\",\"cummulativeQuoteQty\":\"100\","
                                  "\"status\":\"FILLED\",\"side\":\"SELL\",\"updateTime\":5}");
    };
  }
  static std::string trade(const std::string& id, const std::string& order) {
    return "{\"symbol\":\"BTCUSDT\",\"id\":" + id + ",\"orderId\":" + order +
           ",\"price\":\"100\",\"qty\":\"0.25\",\"quoteQty\":\"25\",\"commission\":\"0.01\","
           "\"commissionAsset\":\"USDT\",\"time\":1700000000000,\"isBuyer\":false,"
           "\"isMaker\":true}";
  }
  std::vector<OrderUpdate> executions() const {
    std::vector<OrderUpdate> all;
    for (const OrderUpdate& u : sink.updates())
      if (u.kind == OrderUpdateKind::execution) all.push_back(u);
    return all;
  }
  std::vector<std::string> froms;
  bool fail_orders = false;
};

TEST_F(GapTrades, AreToldUnderTheNameOfTheirOrderOrUnderNone) {
  start(venue.config(), 1);
  ASSERT_TRUE(run_until([&] { return executions().size() == 3; }));
  std::map<std::string, OrderUpdate> by_trade;
  for (const OrderUpdate& u : executions()) by_trade[u.trade_id.str()] = u;
  ASSERT_EQ(by_trade.size(), 3U);
  EXPECT_TRUE(by_trade["1"].key.is_nil());
  EXPECT_TRUE(by_trade["3"].key.is_nil());
  EXPECT_EQ(by_trade["2"].key, key(1));
  EXPECT_EQ(by_trade["1"].symbol, Symbol::cut("BTC/USDT"));
  EXPECT_EQ(by_trade["1"].side, Side::sell);
  EXPECT_EQ(by_trade["1"].last_quantity, Decimal::of("0.25"));
  EXPECT_EQ(by_trade["1"].venue_order_id.view(), "70");
  // Each order was asked for once, each symbol once.
  ASSERT_TRUE(run_until([&] { return venue.count("myTrades") == 2; }));
  settle();
  EXPECT_EQ(venue.count("order.status"), 2U);
  EXPECT_EQ(venue.count("myTrades"), 2U);
  // From before the start, because the engine was away.
  const std::int64_t from = std::stoll(froms[0]);
  EXPECT_LT(from, FakeVenue::now_ms() - 590'000);
}

TEST_F(GapTrades, AreFetchedAfterEveryLossFromWhereTheStreamLastTold) {
  start(venue.config(), 1);
  ASSERT_TRUE(run_until([&] { return froms.size() == 1 && venue.count("myTrades") == 2; }));
  const std::int64_t heard = FakeVenue::now_ms();
  venue.push_trade("key0", "web_2", "9", "FILLED", "1", "1", "BTCUSDT", heard);
  ASSERT_TRUE(run_until([&] { return executions().size() == 4; }));
  venue.cut_all();
  ASSERT_TRUE(run_until([&] { return froms.size() == 2; }));
  EXPECT_EQ(std::stoll(froms[1]), heard - 1'000);
}

TEST_F(GapTrades, AreAskedForAgainWhenTheirOrderIsNotTold) {
  fail_orders = true;
  start(venue.config(), 1);
  ASSERT_TRUE(run_until([&] { return venue.count("order.status") == 1; }));
  fail_orders = false;
  EXPECT_TRUE(run_until([&] { return executions().size() == 3; }));
}

// Pings are answered, and nothing is told.
class SilentStream : public SweepTest {
 protected:
  void begin(bool told) {
    Config config = venue.config();
    config.stream_silence_ns = 100 * ms_ns;
    start(config, 1);
    settle(5 * ms_ns);  // the order ends in a later millisecond than the stream began
    const std::int64_t ended_ms = FakeVenue::now_ms();
    venue.script = [ended_ms](const Asked& a) -> std::optional<std::string> {
      if (a.method != "order.status") return std::nullopt;
      return FakeVenue::ok(a, "{\"symbol\":\"BTCUSDT\",\"orderId\":77,\"clientOrderId\":\"" +
                                  a.at("origClientOrderId") +
                                  "\",\"executedQty\":\"1\",\"cummulativeQuoteQty\":\"100\","
                                  "\"status\":\"FILLED\",\"side\":\"BUY\",\"updateTime\":" +
                                  std::to_string(ended_ms) + "}");
    };
    if (told) {
      venue.push_trade("key0", client_id(key(1)), "1", "FILLED", "1", "1", "BTCUSDT", ended_ms);
      ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::done) == 1; }));
    }
    ended_ms_ = ended_ms;
  }
  void ask() {
    const std::size_t before = sink.count(OrderUpdateKind::done);
    EXPECT_EQ(session->submit(intent(IntentKind::query)), SubmitResult::queued);
    session->flush();
    ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::done) > before; }));
  }
  void wait_out_silence() {
    ASSERT_TRUE(run_until([&] { return FakeVenue::now_ms() - ended_ms_ > 110; }));
  }
  std::int64_t ended_ms_ = 0;
};

TEST_F(SilentStream, IsReplacedAndTheAccountReadBack) {
  begin(false);
  ask();  // it may still come
  EXPECT_EQ(sink.count(AccountStateKind::lost), 0U);
  wait_out_silence();
  ask();
  EXPECT_EQ(sink.count(AccountStateKind::lost), 1U);
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 2; }));
  EXPECT_EQ(venue.count("userDataStream.subscribe.signature"), 2U);
  EXPECT_EQ(venue.count("userDataStream.unsubscribe"), 1U);
  ask();  // over before the new one began: no sign against it
  EXPECT_EQ(sink.count(AccountStateKind::lost), 1U);
}

TEST_F(SilentStream, OneThatToldStays) {
  begin(true);
  wait_out_silence();
  ask();
  EXPECT_EQ(sink.count(AccountStateKind::lost), 0U);
  EXPECT_EQ(venue.count("userDataStream.subscribe.signature"), 1U);
}

}  // namespace
}  // namespace oneclick::binance::test
