// The order session against a scripted venue: what happens to every order when answers are late,
// lost, doubtful or refused, and how account streams come back.
#include "tests/binance/session_fixture.hpp"

namespace oneclick::binance::test {
namespace {

TEST_F(SessionTest, PlacesASignedOrderAndReportsItAccepted) {
  start_reconciled();
  const OrderKey order = key(1);
  const std::int64_t before = shared->now_ns();
  ASSERT_EQ(place(order), SubmitResult::queued);
  const OrderUpdate u = update(order);
  EXPECT_EQ(u.kind, OrderUpdateKind::accepted);
  EXPECT_EQ(u.source, UpdateSource::reply);
  EXPECT_EQ(u.venue_order_id.view(), "77");
  EXPECT_EQ(u.account, account_id(0));
  EXPECT_FALSE(u.has_cumulative);
  EXPECT_GT(u.sent_ns, before);
  EXPECT_LE(u.sent_ns, shared->now_ns());
  const Asked& asked = *venue.last("order.place");
  EXPECT_EQ(asked.at("newClientOrderId"), client_id(order));
  EXPECT_EQ(asked.at("quantity"), "0.50000");
  EXPECT_EQ(asked.at("price"), "100.25");
  EXPECT_EQ(asked.at("timeInForce"), "IOC");
  EXPECT_EQ(asked.at("newOrderRespType"), "ACK");
  EXPECT_EQ(venue.bad_signatures, 0U);
  EXPECT_EQ(shared->orders_sent.value(), 1U);
  EXPECT_EQ(shared->acks_accepted.value(), 1U);
}

TEST_F(SessionTest, CarriesManyAccountsOnOneConnection) {
  start_reconciled(50);
  EXPECT_EQ(venue.peers.size(), 1U);
  for (AccountSlot slot = 0; slot < 50; ++slot)
    ASSERT_EQ(session->submit(intent(IntentKind::place, key(slot), slot)), SubmitResult::queued);
  session->flush();
  EXPECT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::accepted) == 50; }));
  EXPECT_EQ(venue.bad_signatures, 0U);
}

TEST_F(SessionTest, OpensFurtherConnectionsForFurtherSubscriptions) {
  Config config = venue.config();
  config.subscriptions_per_connection = 10;
  start(config, 35);
  EXPECT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 35; }));
  EXPECT_EQ(venue.peers.size(), 4U);
  std::map<std::uint64_t, int> per_peer;
  for (const auto& s : venue.subscriptions) ++per_peer[s.peer->id()];
  for (const auto& [peer, count] : per_peer) EXPECT_LE(count, 10);
}

TEST_F(SessionTest, ReadsTheAccountBackBeforeItIsReconciled) {
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "openOrders.status" || a.at("symbol") != "BTCUSDT") return std::nullopt;
    return FakeVenue::ok(
        a, "[{\"symbol\":\"BTCUSDT\",\"orderId\":5,\"clientOrderId\":\"" + client_id(key(9)) +
               "\",\"executedQty\":\"0.1\",\"cummulativeQuoteQty\":\"10\",\"status\":"
               "\"PARTIALLY_FILLED\",\"side\":\"SELL\",\"time\":5},{\"symbol\":"
               "\"BTCUSDT\",\"orderId\":6,\"clientOrderId\":\"web_manual\","
               "\"executedQty\":\"0\",\"cummulativeQuoteQty\":\"0\",\"status\":\"NEW\","
               "\"side\":\"SELL\",\"time\":5}]");
  };
  start_reconciled();
  EXPECT_EQ(sink.events.back().kind, EventKind::account_state);
  std::map<std::string, std::string> balances;
  for (const Balance& b : sink.balances()) {
    EXPECT_TRUE(b.snapshot);
    balances[b.asset.str()] = b.free.to_text();
  }
  EXPECT_EQ(balances,
            (std::map<std::string, std::string>{{"BTC", "1.5"}, {"ETH", "0"}, {"USDT", "0"}}));
  ASSERT_EQ(sink.updates().size(), 1U);  // the one that is not ours is not told
  const OrderUpdate u = sink.updates()[0];
  EXPECT_EQ(u.kind, OrderUpdateKind::accepted);
  EXPECT_TRUE(u.has_cumulative);
  EXPECT_EQ(u.cumulative_quantity, Decimal::of("0.1"));
  EXPECT_EQ(u.side, Side::sell);
}

TEST_F(SessionTest, TellsThatASoldOutAssetIsGone) {
  start_reconciled();
  venue.push("key0",
             R"({"e":"outboundAccountPosition","E":1,"u":1,"B":[{"a":"DOGE","f":"7","l":"1"}]})");
  ASSERT_TRUE(run_until([&] { return sink.balances().back().asset.view() == "DOGE"; }));
  EXPECT_FALSE(sink.balances().back().snapshot);
  sink.events.clear();
  venue.push("key0", R"({"e":"balanceUpdate","E":1,"a":"DOGE","d":"-8","T":1})");
  ASSERT_TRUE(run_until([&] {
    const auto all = sink.balances();
    return std::any_of(all.begin(), all.end(), [](const Balance& b) {
      return b.asset.view() == "DOGE" && b.free.is_zero() && b.locked.is_zero() && b.snapshot;
    });
  }));
}

TEST_F(SessionTest, BalancesKeepTheirOrderWhenTheClockIsMeasuredAgain) {
  start_reconciled();
  const std::int64_t ms = FakeVenue::now_ms() + 10'000;
  const auto push = [&](std::int64_t at, const char* free) {
    venue.push("key0", "{\"e\":\"outboundAccountPosition\",\"E\":1,\"u\":" + std::to_string(at) +
                           ",\"B\":[{\"a\":\"BTC\",\"f\":\"" + free + "\",\"l\":\"0\"}]}");
  };
  push(ms, "1");
  ASSERT_TRUE(run_until([&] { return sink.balances().back().free == Decimal::of("1"); }));
  const std::int64_t first = sink.balances().back().venue_time_ns;
  for (int i = 0; i < 9; ++i)  // the venue's clock is now a second further ahead
    shared->offset.add_sample(shared->now_ns(), shared->now_ns(), FakeVenue::now_ms() + 1'000);
  push(ms + 1, "2");
  ASSERT_TRUE(run_until([&] { return sink.balances().back().free == Decimal::of("2"); }));
  EXPECT_GE(sink.balances().back().venue_time_ns, first);
}

TEST_F(SessionTest, ReportsFillsAndTheirEnd) {
  start_reconciled();
  const OrderKey order = key(1);
  place(order);
  update(order);
  venue.push_trade("key0", client_id(order), "501", "PARTIALLY_FILLED", "0.2", "0.2");
  venue.push_trade("key0", client_id(order), "502", "FILLED", "0.3", "0.5");
  const OrderUpdate first = update(order, 1), second_fill = update(order, 2),
                    end = update(order, 3);
  EXPECT_EQ(first.kind, OrderUpdateKind::execution);
  EXPECT_EQ(first.trade_id.view(), "501");
  EXPECT_EQ(first.last_quantity, Decimal::of("0.2"));
  EXPECT_EQ(first.fee, Decimal::of("0.001"));
  EXPECT_EQ(first.fee_asset.view(), "BTC");
  EXPECT_EQ(first.symbol.view(), "BTC/USDT");
  EXPECT_EQ(second_fill.kind, OrderUpdateKind::execution);
  EXPECT_EQ(end.kind, OrderUpdateKind::done);
  EXPECT_EQ(end.cumulative_quantity, Decimal::of("0.5"));
  EXPECT_EQ(end.cumulative_quote, Decimal::of("50"));
  EXPECT_TRUE(end.trade_id.empty());
}

TEST_F(SessionTest, ReportsAnExpiredRemainderAsTheEnd) {
  start_reconciled();
  const OrderKey order = key(1);
  place(order);
  update(order);
  venue.push_trade("key0", client_id(order), "501", "PARTIALLY_FILLED", "0.2", "0.2");
  venue.push_trade("key0", client_id(order), "", "EXPIRED", "", "0.2");
  ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::done) == 1; }));
  EXPECT_EQ(sink.updates().back().cumulative_quantity, Decimal::of("0.2"));
}

TEST_F(SessionTest, ReportsTradesThatAreNotOursWithoutAKey) {
  start_reconciled();
  venue.push_trade("key0", "web_by_hand", "900", "FILLED", "1", "1");
  ASSERT_TRUE(run_until([&] { return !sink.updates().empty(); }));
  settle(30'000'000);
  ASSERT_EQ(sink.updates().size(), 1U);
  EXPECT_TRUE(sink.updates()[0].key.is_nil());
  EXPECT_EQ(sink.updates()[0].kind, OrderUpdateKind::execution);
}

TEST_F(SessionTest, JudgesRefusalsByCodeAndText) {
  struct Row {
    int status, code;
    const char* text;
    OrderUpdateKind kind;
    Reason reason;
  };
  const Row rows[] = {
      {400, -2010, "Account has insufficient balance for requested action.",
       OrderUpdateKind::rejected, Reason::rejected},
      {400, -2010, "Duplicate order sent.", OrderUpdateKind::unknown, Reason::none},
      {400, -1013, "Filter failure: NOTIONAL", OrderUpdateKind::rejected, Reason::rejected},
      {504, -1007, "Timeout waiting for response", OrderUpdateKind::unknown, Reason::none},
      {400, -1000, "An unknown error occurred", OrderUpdateKind::unknown, Reason::none},
      {400, -4711, "Something new", OrderUpdateKind::unknown, Reason::none},
  };
  start_reconciled();
  std::uint64_t n = 0;
  for (const Row& row : rows) {
    venue.script = [&](const Asked& a) -> std::optional<std::string> {
      if (a.method != "order.place") return std::nullopt;
      return FakeVenue::refused(a, row.status, row.code, row.text);
    };
    const OrderKey order = key(++n);
    place(order);
    const OrderUpdate u = update(order);
    EXPECT_EQ(u.kind, row.kind) << row.text;
    EXPECT_EQ(u.reason, row.reason) << row.text;
    EXPECT_EQ(u.venue_code, row.code);
    EXPECT_EQ(u.message.view(), row.text);
  }
}

TEST_F(SessionTest, AnAnswerAboutAnotherOrderProvesNothing) {
  start_reconciled();
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place") return std::nullopt;
    return FakeVenue::ok(
        a, R"({"symbol":"BTCUSDT","orderId":1,"clientOrderId":"other","transactTime":5})");
  };
  place(key(1));
  EXPECT_EQ(update(key(1)).kind, OrderUpdateKind::unknown);
}

TEST_F(SessionTest, AnUnreadableAnswerIsUnknown) {
  start_reconciled();
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place") return std::nullopt;
    return "{\"id\":\"" + a.id + "\",\"status\":200,\"result\":{\"status\":\"LATER\"}}";
  };
  const OrderKey order = key(1);
  place(order);
  EXPECT_EQ(update(order).kind, OrderUpdateKind::unknown);
  EXPECT_EQ(shared->refused_messages.value(), 1U);
}

TEST_F(SessionTest, ALostAnswerIsUnknownInTimeAndALateOneChangesNothing) {
  Config config = venue.config();
  config.request_timeout_ns = 300'000'000;
  start(config);
  std::optional<Asked> unanswered;
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place") return std::nullopt;
    unanswered = a;
    return "";
  };
  const OrderKey order = key(1);
  place(order);
  EXPECT_EQ(update(order).kind, OrderUpdateKind::unknown);
  ASSERT_TRUE(unanswered);
  const std::size_t known = sink.updates().size();
  unanswered->peer->send(FakeVenue::refused(*unanswered, 400, -2010, "Market is closed."));
  settle();
  EXPECT_EQ(sink.updates().size(), known);  // it cannot turn what was told unknown into a refusal
}

TEST_F(SessionTest, ALostConnectionMakesEveryOpenOrderUnknownAndComesBack) {
  start_reconciled(3);
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method == "order.place" || a.method == "order.status") return "";
    return std::nullopt;
  };
  for (AccountSlot slot = 0; slot < 3; ++slot) place(key(slot), slot);
  session->submit(intent(IntentKind::query, key(50)));
  session->flush();
  ASSERT_TRUE(run_until(
      [&] { return venue.count("order.place") == 3 && venue.count("order.status") == 1; }));
  venue.cut_all();
  ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::unknown) == 3; }));
  EXPECT_EQ(sink.count(OrderUpdateKind::query_failed), 1U);
  EXPECT_EQ(sink.count(AccountStateKind::lost), 3U);
  venue.script = nullptr;
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 6; }));
  EXPECT_EQ(place(key(60)), SubmitResult::queued);
  EXPECT_EQ(update(key(60)).kind, OrderUpdateKind::accepted);
}

TEST_F(SessionTest, WhatNeverReachedTheConnectionWasNotSent) {
  start_reconciled();
  venue.cut_all();
  ASSERT_EQ(session->submit(intent(IntentKind::place, key(1))), SubmitResult::queued);
  EXPECT_GT(session->backlog_bytes(), 0U);
  const OrderUpdate u = update(key(1));  // no flush: the loss is noticed first
  EXPECT_EQ(u.kind, OrderUpdateKind::not_sent);
  EXPECT_EQ(u.reason, Reason::session_down);
  EXPECT_EQ(u.source, UpdateSource::gate);
  settle();
  EXPECT_EQ(venue.count("order.place"), 0U);
}

TEST_F(SessionTest, SignsABatchOfAnySizeWithEachAccountsOwnKey) {
  start_reconciled(40);
  std::uint64_t n = 0;
  for (const AccountSlot size : {1U, 2U, 3U, 4U, 5U, 15U, 16U, 17U, 40U}) {
    for (AccountSlot slot = 0; slot < size; ++slot)
      ASSERT_EQ(session->submit(intent(IntentKind::place, key(n++), slot)), SubmitResult::queued);
    session->flush();
    ASSERT_TRUE(run_until([&] { return sink.count(OrderUpdateKind::accepted) == n; }));
  }
  EXPECT_EQ(venue.bad_signatures, 0U);
}

TEST_F(SessionTest, IsDownWhileThereIsNoConnection) {
  start_reconciled();
  venue.server.reset();
  ASSERT_TRUE(run_until([&] { return !session->up(); }));
  EXPECT_EQ(place(key(1)), SubmitResult::down);
  EXPECT_EQ(session->submit(intent(IntentKind::place, key(1), 99)), SubmitResult::no_account);
  EXPECT_TRUE(sink.updates().empty());
}

TEST_F(SessionTest, AccountsWithOrdersUnderWayAreSeenAgainFirst) {
  start_reconciled(20);
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    return a.method == "order.place" ? std::optional<std::string>("") : std::nullopt;
  };
  place(key(1), 13);
  ASSERT_TRUE(run_until([&] { return venue.count("order.place") == 1; }));
  venue.asked.clear();
  venue.cut_all();
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 40; }));
  const auto first = std::find_if(venue.asked.begin(), venue.asked.end(), [](const Asked& a) {
    return a.method == "userDataStream.subscribe.signature";
  });
  ASSERT_NE(first, venue.asked.end());
  EXPECT_EQ(first->at("apiKey"), "key13");
}

TEST_F(SessionTest, PausesUntilTheVenueSays) {
  start_reconciled();
  const std::int64_t until = FakeVenue::now_ms() + 700;
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place") return std::nullopt;
    return FakeVenue::refused(a, 429, -1003, "Too much request weight used",
                              "{\"serverTime\":1,\"retryAfter\":" + std::to_string(until) + "}");
  };
  place(key(1));
  const OrderUpdate u = update(key(1));
  EXPECT_EQ(u.kind, OrderUpdateKind::rejected);
  EXPECT_EQ(u.reason, Reason::rate_budget);
  venue.script = nullptr;
  EXPECT_EQ(place(key(2)), SubmitResult::rate_budget);
  Intent exit = intent(IntentKind::place, key(3));
  exit.is_exit = true;
  EXPECT_EQ(session->submit(exit), SubmitResult::rate_budget);
  const std::size_t asked = venue.asked.size();
  settle(300'000'000);
  EXPECT_EQ(venue.asked.size(), asked);  // nothing at all leaves meanwhile
  ASSERT_TRUE(run_until([&] { return place(key(4)) == SubmitResult::queued; }));
  EXPECT_GE(FakeVenue::now_ms(), until);
}

TEST_F(SessionTest, AnAccountsOwnLimitStopsOnlyThatAccount) {
  start_reconciled(2);
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place" || a.at("apiKey") != "key0") return std::nullopt;
    return FakeVenue::refused(
        a, 429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND.",
        "{\"retryAfter\":" + std::to_string(FakeVenue::now_ms() + 60'000) + "}");
  };
  place(key(1), 0);
  EXPECT_EQ(update(key(1)).reason, Reason::rate_budget);
  EXPECT_EQ(place(key(2), 0), SubmitResult::rate_budget);
  EXPECT_EQ(place(key(3), 1), SubmitResult::queued);
  EXPECT_EQ(update(key(3)).kind, OrderUpdateKind::accepted);
}

TEST_F(SessionTest, KeepsAReserveOfOrdersForExits) {
  shared = share(venue.config());
  shared->publish_instruments(instruments());
  shared->set_order_limits(10, 1'000);
  session = make_order_session(reactor, shared, 0, sink);
  attach(0);
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 1; }));
  std::size_t entries = 0;
  for (std::uint64_t n = 0; n < 30; ++n) entries += place(key(n)) == SubmitResult::queued ? 1 : 0;
  EXPECT_GE(entries, 9U);
  EXPECT_LE(entries, 18U);  // 9 a window; the test may have crossed into the next one
  Intent exit = intent(IntentKind::place, key(100));
  exit.is_exit = true;
  EXPECT_EQ(session->submit(exit), SubmitResult::queued);
}

TEST_F(SessionTest, MeasuresTheClockAgainWhenATimeStampIsRefused) {
  venue.clock_ahead_ms = 5'000;
  start_reconciled();
  EXPECT_NEAR(static_cast<double>(shared->offset.offset_ns()), 5e9, 2e8);
  venue.clock_ahead_ms = -3'000;  // the venue's clock moved
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place") return std::nullopt;
    if (std::abs(std::stoll(a.at("timestamp")) - FakeVenue::now_ms() + 3'000) < 500)
      return std::nullopt;
    return FakeVenue::refused(a, 400, -1021,
                              "Timestamp for this request was 1000ms ahead of the server's time.");
  };
  place(key(1));
  const OrderUpdate u = update(key(1));
  EXPECT_EQ(u.kind, OrderUpdateKind::rejected);
  EXPECT_EQ(u.venue_code, -1021);
  ASSERT_TRUE(run_until([&] { return shared->offset.offset_ns() < -2'000'000'000; }));
  place(key(2));
  EXPECT_EQ(update(key(2)).kind, OrderUpdateKind::accepted);
}

TEST_F(SessionTest, StopsUsingAKeyThatIsRefused) {
  start_reconciled(2);
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.at("apiKey") != "key0") return std::nullopt;
    return FakeVenue::refused(a, 401, -2015, "Invalid API-key, IP, or permissions for action.");
  };
  place(key(1), 0);
  EXPECT_EQ(update(key(1)).reason, Reason::credentials_refused);
  EXPECT_EQ(sink.count(AccountStateKind::credentials_refused), 1U);
  EXPECT_EQ(place(key(2), 0), SubmitResult::no_account);
  EXPECT_EQ(place(key(3), 1), SubmitResult::queued);
  venue.cut_all();
  venue.asked.clear();
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 3; }));
  for (const Asked& a : venue.asked) EXPECT_NE(a.at("apiKey"), "key0");
}

TEST_F(SessionTest, RefusesCredentialsItCannotUse) {
  start(0);
  Account account{};
  account.id = account_id(5);
  session->attach(5, account, {"bad key", Secret("s"), Secret(), KeyType::hmac});
  EXPECT_EQ(sink.count(AccountStateKind::credentials_refused), 1U);
  EXPECT_EQ(place(key(1), 5), SubmitResult::no_account);
}

TEST_F(SessionTest, AsksForOrdersAndUnderstandsTheAnswers) {
  struct Row {
    std::string answer;
    OrderUpdateKind kind;
  };
  start_reconciled();
  const auto status = [](const char* state, const char* executed) {
    return [state, executed](const Asked& a) {
      return FakeVenue::ok(a, FakeVenue::order(a, state, executed, executed));
    };
  };
  const auto error = [](int http, int code) {
    return [http, code](const Asked& a) { return FakeVenue::refused(a, http, code, "text"); };
  };
  const std::vector<std::pair<std::function<std::string(const Asked&)>, OrderUpdateKind>> rows = {
      {status("NEW", "0"), OrderUpdateKind::accepted},
      {status("PARTIALLY_FILLED", "0.1"), OrderUpdateKind::accepted},
      {status("FILLED", "0.5"), OrderUpdateKind::done},
      {status("CANCELED", "0.2"), OrderUpdateKind::done},
      {status("EXPIRED", "0"), OrderUpdateKind::done},
      {status("EXPIRED_IN_MATCH", "0"), OrderUpdateKind::done},
      {status("REJECTED", "0"), OrderUpdateKind::rejected},
      {error(400, -2013), OrderUpdateKind::not_found},
      {error(400, -2026), OrderUpdateKind::done},
      {error(500, -1000), OrderUpdateKind::query_failed},
      {error(429, -1015), OrderUpdateKind::query_failed},
      {[](const Asked& a) { return FakeVenue::ok(a, "{}"); }, OrderUpdateKind::query_failed},
  };
  std::uint64_t n = 0;
  for (const auto& [answer, kind] : rows) {
    venue.script = [&](const Asked& a) -> std::optional<std::string> {
      return a.method == "order.status" ? std::optional(answer(a)) : std::nullopt;
    };
    const OrderKey order = key(++n);
    ASSERT_EQ(session->submit(intent(IntentKind::query, order)), SubmitResult::queued);
    session->flush();
    const OrderUpdate u = update(order);
    EXPECT_EQ(u.kind, kind) << n;
    EXPECT_EQ(u.source, UpdateSource::query);
    if (kind == OrderUpdateKind::done) {
      EXPECT_TRUE(u.has_cumulative);
    }
  }
}

TEST_F(SessionTest, FetchesTheFillsOfAnOrderAndThenItsTotals) {
  start_reconciled();
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method == "myTrades" && !a.at("orderId").empty()) {
      EXPECT_EQ(a.at("orderId"), "77");
      return FakeVenue::ok(
          a,
          R"([{"symbol":"BTCUSDT","id":1,"orderId":77,"price":"100","qty":"0.2","quoteQty":"20",)"
          R"("commission":"0.1","commissionAsset":"USDT","time":5,"isBuyer":true,"isMaker":false},)"
          R"({"symbol":"BTCUSDT","id":2,"orderId":77,"price":"100","qty":"0.3","quoteQty":"30",)"
          R"("commission":"0.1","commissionAsset":"USDT","time":6,"isBuyer":true,"isMaker":true}])");
    }
    if (a.method == "order.status")
      return FakeVenue::ok(a, FakeVenue::order(a, "FILLED", "0.5", "50"));
    return std::nullopt;
  };
  Intent ask = intent(IntentKind::query_trades, key(1));
  ask.venue_order_id = VenueOrderId::cut("77");
  ASSERT_EQ(session->submit(ask), SubmitResult::queued);
  session->flush();
  EXPECT_EQ(update(key(1), 0).kind, OrderUpdateKind::execution);
  EXPECT_TRUE(update(key(1), 1).maker);
  const OrderUpdate end = update(key(1), 2);
  EXPECT_EQ(end.kind, OrderUpdateKind::done);
  EXPECT_EQ(end.cumulative_quantity, Decimal::of("0.5"));
  EXPECT_EQ(venue.last("order.status")->at("orderId"), "77");
}

TEST_F(SessionTest, ARefusedCancelSaysNothingAboutTheOrder) {
  start_reconciled();
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.cancel") return std::nullopt;
    return FakeVenue::refused(a, 400, -2011, "Unknown order sent.");
  };
  ASSERT_EQ(session->submit(intent(IntentKind::cancel, key(1))), SubmitResult::queued);
  session->flush();
  EXPECT_EQ(update(key(1)).kind, OrderUpdateKind::unknown);
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.cancel") return std::nullopt;
    return FakeVenue::ok(
        a, "{\"symbol\":\"BTCUSDT\",\"orderId\":7,\"origClientOrderId\":\"" +
               a.at("origClientOrderId") +
               "\",\"clientOrderId\":\"x\",\"executedQty\":\"0.1\",\"cummulativeQuoteQty\":"
               "\"10\",\"status\":\"CANCELED\",\"transactTime\":5}");
  };
  session->submit(intent(IntentKind::cancel, key(2)));
  session->flush();
  const OrderUpdate u = update(key(2));
  EXPECT_EQ(u.kind, OrderUpdateKind::done);
  EXPECT_EQ(u.cumulative_quantity, Decimal::of("0.1"));
}

TEST_F(SessionTest, MovesToANewConnectionBeforeTheOldOneShutsDown) {
  start_reconciled(5);
  const auto old = venue.peers.front();
  old->send(R"({"event":{"e":"serverShutdown","E":1}})");
  ASSERT_TRUE(
      run_until([&] { return venue.peers.size() == 1 && venue.peers.front()->id() != old->id(); }));
  EXPECT_EQ(venue.live_subscriptions(), 5U);
  EXPECT_EQ(sink.count(AccountStateKind::lost), 0U);  // nothing was missed
  EXPECT_TRUE(session->up());
  place(key(1));
  EXPECT_EQ(update(key(1)).kind, OrderUpdateKind::accepted);
}

TEST_F(SessionTest, ReplacesConnectionsBeforeTheVenueEndsThem) {
  Config config = venue.config();
  config.connection_lifetime_ns = 400'000'000;
  start(config, 3);
  ASSERT_TRUE(run_until([&] { return venue.targets.size() >= 3; }));
  EXPECT_EQ(sink.count(AccountStateKind::lost), 0U);
}

TEST_F(SessionTest, SubscribesAgainWhenAStreamIsEnded) {
  start_reconciled();
  venue.push("key0", R"({"e":"eventStreamTerminated","E":1})");
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 2; }));
  EXPECT_EQ(sink.count(AccountStateKind::lost), 1U);
}

TEST_F(SessionTest, ReadsAnAccountAgainAfterAnEventItCannotRead) {
  start_reconciled();
  const OrderKey order = key(1);
  venue.push("key0", R"({"e":"executionReport","c":")" + client_id(order) +
                         R"(","s":"BTCUSDT","x":"TRADE","X":"FULFILLED"})");
  EXPECT_EQ(update(order).kind, OrderUpdateKind::unknown);
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 2; }));
  EXPECT_EQ(sink.count(AccountStateKind::lost), 1U);
}

TEST_F(SessionTest, HoldsEventsThatNobodyTakesAndKeepsTheirOrder) {
  start_reconciled();
  sink.full = true;
  for (int i = 1; i <= 50; ++i)
    venue.push_trade("key0", "web_x", std::to_string(i), "PARTIALLY_FILLED", "1",
                     std::to_string(i));
  settle(50'000'000);
  sink.full = false;
  ASSERT_TRUE(run_until([&] { return sink.updates().size() == 50; }));
  for (std::size_t i = 0; i < 50; ++i)
    EXPECT_EQ(sink.updates()[i].trade_id.view(), std::to_string(i + 1));
}

TEST_F(SessionTest, StopsReadingWhatNobodyTakesForLong) {
  Config config = venue.config();
  config.held_events_max = 20;
  start(config);
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 1; }));
  sink.full = true;
  for (int i = 1; i <= 50; ++i)
    venue.push_trade("key0", "web_x", std::to_string(i), "PARTIALLY_FILLED", "1",
                     std::to_string(i));
  ASSERT_TRUE(run_until([&] { return venue.peers.empty(); }));
  sink.full = false;
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 2; }));
  EXPECT_EQ(sink.count(AccountStateKind::lost), 1U);
}

TEST_F(SessionTest, RefusesWhatItHasNoRoomFor) {
  Config config = venue.config();
  config.requests_in_flight_max = 8;
  start(config, 0);
  attach(0);
  shared->set_order_limits(1'000'000, 1'000'000);
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 1; }));
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    return a.method == "order.place" ? std::optional<std::string>("") : std::nullopt;
  };
  std::size_t queued = 0;
  for (std::uint64_t n = 0; n < 20; ++n) queued += place(key(n)) == SubmitResult::queued ? 1 : 0;
  EXPECT_EQ(queued, 8U);
  EXPECT_EQ(place(key(99)), SubmitResult::rate_budget);
}

TEST_F(SessionTest, PacesReconcilingWithinTheWeightBudget) {
  shared = share(venue.config());
  shared->publish_instruments(instruments());
  shared->egress(0).weight.set_limit(400);  // a tenth is kept for exits and queries
  session = make_order_session(reactor, shared, 0, sink);
  const auto minute = [&] { return shared->venue_now_ns() / (60 * second); };
  const auto started = minute();
  for (AccountSlot slot = 0; slot < 40; ++slot) attach(slot);
  settle(500'000'000);
  const auto minutes = static_cast<std::size_t>(minute() - started + 1);
  const std::size_t weight = 2 * venue.count("userDataStream.subscribe.signature") +
                             20 * venue.count("account.status") +
                             6 * venue.count("openOrders.status");
  EXPECT_LE(weight, 360U * minutes);
  EXPECT_GE(weight, 330U);
  EXPECT_EQ(session->submit(intent(IntentKind::query, key(1))), SubmitResult::queued);
}

TEST_F(SessionTest, DetachedAccountsAreNotFollowed) {
  start_reconciled(2);
  session->detach(0);
  session->flush();
  ASSERT_TRUE(run_until([&] { return venue.count("userDataStream.unsubscribe") == 1; }));
  venue.push_trade("key0", "web_x", "1", "FILLED", "1", "1");
  venue.push_trade("key1", "web_x", "2", "FILLED", "1", "1");
  ASSERT_TRUE(run_until([&] { return !sink.updates().empty(); }));
  EXPECT_EQ(sink.updates()[0].account, account_id(1));
  EXPECT_EQ(place(key(1), 0), SubmitResult::no_account);
}

// What users of other copiers complain about: see tests/core/complaints_test.cpp.
using SessionComplaints = SessionTest;

TEST_F(SessionComplaints, ManyAccountsBehindOneAddressGetItBanned) {
  constexpr std::size_t accounts = 400;
  shared = share(venue.config());
  shared->publish_instruments(instruments());
  shared->egress(0).weight.set_limit(1'200);
  session = make_order_session(reactor, shared, 0, sink);
  const auto minute = [&] { return shared->venue_now_ns() / (60 * second); };
  const auto started = minute();
  for (std::size_t slot = 0; slot < accounts; ++slot) attach(static_cast<AccountSlot>(slot));
  settle(500'000'000);
  const auto weight = [&] {
    return 2 * venue.count("userDataStream.subscribe.signature") +
           20 * venue.count("account.status") + 6 * venue.count("openOrders.status") +
           venue.count("order.place");
  };
  const auto minutes = [&] { return static_cast<std::size_t>(minute() - started + 1); };
  EXPECT_GT(weight(), 0U);
  EXPECT_LE(weight(), 1'200 * minutes());
  // Told to wait, all of them wait.
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "order.place") return std::nullopt;
    return FakeVenue::refused(a, 429, -1003, "Too many requests.");
  };
  std::uint64_t n = 0;
  while (n < 50) {
    ++n;
    if (place(key(n), static_cast<AccountSlot>(n)) == SubmitResult::queued) break;
  }
  ASSERT_TRUE(run_until([&] { return venue.count("order.place") >= 1; }));
  ASSERT_TRUE(run_until([&] { return place(key(++n), 7) == SubmitResult::rate_budget; }));
  const std::size_t asked = venue.count("order.place");
  for (AccountSlot slot = 0; slot < 50; ++slot)
    EXPECT_EQ(place(key(1'000 + slot), slot), SubmitResult::rate_budget);
  settle(200'000'000);
  EXPECT_EQ(venue.count("order.place"), asked);
}

TEST_F(SessionComplaints, ADriftingClockStopsTrading) {
  venue.clock_ahead_ms = 2'000;
  start_reconciled();
  for (const std::int64_t ahead : {-4'000, 6'000}) {
    venue.clock_ahead_ms = ahead;
    std::size_t refused = 0;
    venue.script = [&](const Asked& a) -> std::optional<std::string> {
      if (a.method != "order.place") return std::nullopt;
      if (std::abs(std::stoll(a.at("timestamp")) - FakeVenue::now_ms() - ahead) < 500)
        return std::nullopt;
      ++refused;
      return FakeVenue::refused(a, 400, -1021,
                                "Timestamp for this request is outside of the recvWindow.");
    };
    const auto stem = static_cast<std::uint64_t>(ahead + 10'000);
    place(key(stem));
    EXPECT_EQ(update(key(stem)).kind, OrderUpdateKind::rejected);
    ASSERT_TRUE(run_until(
        [&] { return std::abs(shared->offset.offset_ns() - ahead * 1'000'000) < 500'000'000; }));
    place(key(stem + 1));
    EXPECT_EQ(update(key(stem + 1)).kind, OrderUpdateKind::accepted);
    EXPECT_LE(refused, 2U) << "measured again at once, not tried until it fits";
  }
}

}  // namespace
}  // namespace oneclick::binance::test
