// Orders that rest, stops, targets and pairs: what is sent, and that every way an answer can go
// wrong leaves each order accepted, refused or unknown, never guessed.
#include "connectors/binance/encode.hpp"
#include "tests/binance/paper_fixture.hpp"
#include "tests/binance/session_fixture.hpp"

namespace oneclick::binance::test {
namespace {

// ---- what is sent -------------------------------------------------------------------------------

class RestingTest : public SessionTest {
 protected:
  SubmitResult send(OrderType type, const OrderKey& order) {
    Intent i = intent(IntentKind::place, order);
    i.type = type;
    i.side = Side::sell;
    i.stop_price = Decimal::of("95.5");
    const SubmitResult result = session->submit(i);
    session->flush();
    return result;
  }
  SubmitResult send_pair(const OrderKey& target, const OrderKey& stop) {
    Intent i = intent(IntentKind::place_pair, target);
    i.type = OrderType::take_profit;
    i.other_key = stop;
    i.side = Side::sell;
    i.stop_price = Decimal::of("95.5");
    const SubmitResult result = session->submit(i);
    session->flush();
    return result;
  }
  static std::string report(const OrderKey& order, const std::string& id, const std::string& status,
                            const std::string& more = "") {
    return R"({"symbol":"BTCUSDT","orderId":)" + id + R"(,"orderListId":2,"clientOrderId":")" +
           client_id(order) + R"(","transactTime":1711062760648,"price":"1","origQty":"0.5",)" +
           R"("executedQty":"0.000000","cummulativeQuoteQty":"0.00000000","status":")" + status +
           R"(","timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL")" + more + "}";
  }
  static std::string list(const std::string& reports) {
    return R"({"orderListId":2,"contingencyType":"OCO","listStatusType":"EXEC_STARTED","listOrderStatus":"EXECUTING",)"
           R"("listClientOrderId":"cKPMnDCbcLQILtDYM4f4fX","transactionTime":1711062760648,"symbol":"BTCUSDT",)"
           R"("orders":[{"symbol":"BTCUSDT","orderId":2,"clientOrderId":"a"}],"orderReports":[)" +
           reports + "]}";
  }
  void answer(const std::string& method, std::function<std::string(const Asked&)> what) {
    venue.script = [method, what](const Asked& a) -> std::optional<std::string> {
      if (a.method != method) return std::nullopt;
      return what(a);
    };
  }
};

TEST_F(RestingTest, EveryKindIsSentInTheVenuesTerms) {
  start_reconciled();
  struct Case {
    OrderType type;
    const char *sent, *tif, *price, *stop;
  };
  std::uint64_t n = 1;
  for (const Case& c : {Case{OrderType::limit_gtc, "LIMIT", "GTC", "100.25", ""},
                        Case{OrderType::take_profit, "LIMIT_MAKER", "", "100.25", ""},
                        Case{OrderType::stop_loss, "STOP_LOSS", "", "", "95.50"},
                        Case{OrderType::limit_ioc, "LIMIT", "IOC", "100.25", ""},
                        Case{OrderType::market, "MARKET", "", "", ""}}) {
    const OrderKey order = key(n++);
    ASSERT_EQ(send(c.type, order), SubmitResult::queued);
    EXPECT_EQ(update(order).kind, OrderUpdateKind::accepted) << c.sent;
    const Asked& asked = *venue.last("order.place");
    EXPECT_EQ(asked.at("type"), c.sent);
    EXPECT_EQ(asked.at("timeInForce"), c.tif) << c.sent;
    EXPECT_EQ(asked.at("price"), c.price) << c.sent;
    EXPECT_EQ(asked.at("stopPrice"), c.stop) << c.sent;
    EXPECT_EQ(asked.at("side"), "SELL");
    EXPECT_EQ(asked.at("newOrderRespType"), "ACK");
  }
  EXPECT_EQ(venue.bad_signatures, 0U);
}

TEST_F(RestingTest, APairIsOneRequestAndBothOrdersAreToldOf) {
  answer("orderList.place.oco", [](const Asked& a) {
    return FakeVenue::ok(a, list(report(key(1), "11", "NEW") + "," + report(key(2), "12", "NEW")));
  });
  start_reconciled();
  ASSERT_EQ(send_pair(key(1), key(2)), SubmitResult::queued);
  for (const auto& [order, id] : {std::pair{key(1), "11"}, {key(2), "12"}}) {
    const OrderUpdate u = update(order);
    EXPECT_EQ(u.kind, OrderUpdateKind::accepted);
    EXPECT_EQ(u.venue_order_id.view(), id);
    EXPECT_EQ(u.account, account_id(0));
    EXPECT_TRUE(u.has_cumulative);
    EXPECT_GT(u.sent_ns, 0);
  }
  const Asked& asked = *venue.last("orderList.place.oco");
  const std::map<std::string, std::string> expected{
      {"symbol", "BTCUSDT"},          {"side", "SELL"},
      {"quantity", "0.50000"},        {"aboveType", "LIMIT_MAKER"},
      {"abovePrice", "100.25"},       {"aboveClientOrderId", client_id(key(1))},
      {"belowType", "STOP_LOSS"},     {"belowStopPrice", "95.50"},
      {"newOrderRespType", "RESULT"}, {"belowClientOrderId", client_id(key(2))}};
  for (const auto& [name, value] : expected) EXPECT_EQ(asked.at(name), value) << name;
  EXPECT_EQ(asked.at("timestamp").size(), 13U);
  EXPECT_EQ(venue.bad_signatures, 0U);
  EXPECT_EQ(shared->orders_sent.value(), 2U);
}

TEST_F(RestingTest, APairOfPurchasesIsTheOtherWayRound) {
  NewPair pair{};
  pair.side = Side::buy;
  pair.symbol = "BTCUSDT";
  pair.target_id = "t";
  pair.stop_id = "s";
  pair.price = Decimal::of("90");
  pair.stop_price = Decimal::of("110");
  pair.price_decimals = 2;
  std::map<std::string, std::string> sent;
  for (const Param& p : pair_params(pair)) sent[std::string(p.name)] = p.value;
  EXPECT_EQ(sent["aboveType"], "STOP_LOSS");
  EXPECT_EQ(sent["aboveClientOrderId"], "s");
  EXPECT_EQ(sent["aboveStopPrice"], "110.00");
  EXPECT_EQ(sent["belowType"], "LIMIT_MAKER");
  EXPECT_EQ(sent["belowPrice"], "90.00");
}

// ---- three outcomes of a pair -------------------------------------------------------------------

TEST_F(RestingTest, ARefusedPairIsTwoRefusedOrdersAndADoubtfulOneTwoUnknown) {
  struct Case {
    int status, code;
    const char* message;
    OrderUpdateKind kind;
    Reason reason;
  };
  start_reconciled();
  std::uint64_t n = 10;
  for (const Case& c : {
           Case{400, -2010, "The relationship of the prices for the orders is not correct.",
                OrderUpdateKind::rejected, Reason::would_trigger},
           Case{400, -2010, "Order would trigger immediately.", OrderUpdateKind::rejected,
                Reason::would_trigger},
           Case{400, -2010, "Account has insufficient balance for requested action.",
                OrderUpdateKind::rejected, Reason::rejected},
           Case{400, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS", OrderUpdateKind::rejected,
                Reason::rejected},
           Case{400, -1166, "A limit order in a sell OCO must be above.", OrderUpdateKind::rejected,
                Reason::rejected},
           Case{400, -1010, "OCO orders are not supported for this symbol",
                OrderUpdateKind::rejected, Reason::rejected},
           Case{400, -2010, "Duplicate order sent.", OrderUpdateKind::unknown, Reason::none},
           Case{400, -1007, "Timeout waiting for response from backend server.",
                OrderUpdateKind::unknown, Reason::none},
           Case{500, -1000, "An unknown error occurred while processing the request.",
                OrderUpdateKind::unknown, Reason::none},
           Case{400, -1999, "What no table names.", OrderUpdateKind::unknown, Reason::none},
           Case{429, -1015, "Too many new orders.", OrderUpdateKind::rejected, Reason::rate_budget},
       }) {
    answer("orderList.place.oco",
           [c](const Asked& a) { return FakeVenue::refused(a, c.status, c.code, c.message); });
    const OrderKey target = key(n), stop = key(n + 1);
    n += 2;
    ASSERT_EQ(send_pair(target, stop), SubmitResult::queued) << c.message;
    for (const OrderKey& order : {target, stop}) {
      const OrderUpdate u = update(order);
      EXPECT_EQ(u.kind, c.kind) << c.message;
      EXPECT_EQ(u.reason, c.reason) << c.message;
      EXPECT_EQ(u.venue_code, c.code);
    }
  }
}

TEST_F(RestingTest, AnAnswerThatNamesOneOrderSaysNothingOfTheOther) {
  start_reconciled();
  answer("orderList.place.oco",
         [](const Asked& a) { return FakeVenue::ok(a, list(report(key(1), "11", "NEW"))); });
  send_pair(key(1), key(2));
  EXPECT_EQ(update(key(1)).kind, OrderUpdateKind::accepted);
  EXPECT_EQ(update(key(2)).kind, OrderUpdateKind::unknown);
  answer("orderList.place.oco", [](const Asked& a) { return FakeVenue::ok(a, "{}"); });
  send_pair(key(3), key(4));
  EXPECT_EQ(update(key(3)).kind, OrderUpdateKind::unknown);
  EXPECT_EQ(update(key(4)).kind, OrderUpdateKind::unknown);
  answer("orderList.place.oco", [](const Asked& a) {
    return FakeVenue::ok(a,
                         list(report(key(5), "15", "MARTIAN") + "," + report(key(6), "16", "NEW")));
  });
  send_pair(key(5), key(6));
  EXPECT_EQ(update(key(5)).kind, OrderUpdateKind::unknown) << "a state nobody knows";
  EXPECT_EQ(update(key(6)).kind, OrderUpdateKind::unknown) << "read after it, or not at all";
}

TEST_F(RestingTest, ACutConnectionOrSilenceLeavesBothUnknown) {
  Config config = venue.config();
  config.request_timeout_ns = second / 5;
  start(config);
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::reconciled) == 1; }));
  answer("orderList.place.oco", [](const Asked&) { return ""; });
  send_pair(key(1), key(2));
  EXPECT_EQ(update(key(1)).kind, OrderUpdateKind::unknown);
  EXPECT_EQ(update(key(2)).kind, OrderUpdateKind::unknown);
  answer("orderList.place.oco", [](const Asked& a) {
    a.peer->abort();
    return "";
  });
  ASSERT_TRUE(run_until([&] { return session->up(); }));
  send_pair(key(3), key(4));
  EXPECT_EQ(update(key(3)).kind, OrderUpdateKind::unknown);
  EXPECT_EQ(update(key(4)).kind, OrderUpdateKind::unknown);
}

TEST_F(RestingTest, APairTakesTwoOfTheAccountsOrders) {
  start_reconciled();
  shared->set_order_limits(4, 1'000);
  answer("orderList.place.oco", [](const Asked&) { return ""; });
  ASSERT_TRUE(run_until([&] { return shared->orders_short_limit() == 4; }));
  run_until([] { return false; }, second / 10);  // sessions follow on their next turn
  std::size_t sent = 0;
  for (std::uint64_t n = 0; n < 10 && send_pair(key(2 * n), key(2 * n + 1)) == SubmitResult::queued;
       ++n)
    ++sent;
  EXPECT_LE(sent, 2U);
}

TEST_F(RestingTest, CancellingOneOfAPairTellsTheEndOfBoth) {
  start_reconciled();
  answer("order.cancel", [](const Asked& a) {
    return FakeVenue::ok(a, list(report(key(90), "11", "CANCELED",
                                        R"(,"origClientOrderId":")" + client_id(key(1)) + "\"") +
                                 "," +
                                 report(key(90), "12", "CANCELED",
                                        R"(,"origClientOrderId":")" + client_id(key(2)) + "\"")));
  });
  Intent i = intent(IntentKind::cancel, key(1));
  i.other_key = key(2);
  ASSERT_EQ(session->submit(i), SubmitResult::queued);
  session->flush();
  for (const OrderKey& order : {key(1), key(2)}) {
    const OrderUpdate u = update(order);
    EXPECT_EQ(u.kind, OrderUpdateKind::done);
    EXPECT_TRUE(u.has_cumulative);
    EXPECT_TRUE(u.cumulative_quantity.is_zero());
  }
  // One that the answer does not name is not guessed at.
  Intent other = intent(IntentKind::cancel, key(3));
  ASSERT_EQ(session->submit(other), SubmitResult::queued);
  session->flush();
  EXPECT_EQ(update(key(3)).kind, OrderUpdateKind::unknown);
}

// ---- with the paper exchange --------------------------------------------------------------------

class RestingOnPaper : public PaperTest {
 protected:
  // Buys, and protects what was bought (less the fee): 60,000 is the market.
  void protect(std::uint64_t n, AccountSlot slot = 0) {
    place(n, slot, OrderType::market, Side::buy, "0.2");
    ASSERT_TRUE(run_until([&] { return has(n, OrderUpdateKind::done); }));
    Intent i = intent_of(n + 1, slot);
    i.kind = IntentKind::place_pair;
    i.type = OrderType::take_profit;
    i.other_key = key(n + 2);
    i.side = Side::sell;
    i.is_exit = true;
    i.quantity = Decimal::of("0.1");
    i.price = Decimal::of("61000");
    i.stop_price = Decimal::of("59000");
    ASSERT_EQ(session->submit(i), SubmitResult::queued);
    session->flush();
  }
  std::string told() {
    std::string out;
    for (const LeaderEvent& e : leader_events())
      out += std::to_string(static_cast<int>(e.kind)) + " " + e.quantity.to_text() + "\n";
    for (const OrderUpdate& u : sink.updates())
      out += u.key.to_text() + " kind " + std::to_string(static_cast<int>(u.kind)) + " code " +
             std::to_string(u.venue_code) + " " + u.message.str() + "\n";
    return out + exchange->ledger();
  }
  void price(const char* bid, const char* ask) {
    const auto answer =
        request("POST", "/admin/prices",
                std::string(R"({"symbol":"BTCUSDT","bid":")") + bid +
                    R"(","bid_quantity":"5","ask":")" + ask + R"(","ask_quantity":"5"})",
                {{"Authorization", "Bearer token"}, {"Content-Type", "application/json"}});
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  SubmitResult cancel(std::uint64_t n) {
    Intent i = intent_of(n, 0);
    i.kind = IntentKind::cancel;
    const SubmitResult result = session->submit(i);
    session->flush();
    return result;
  }
  std::string leader_order(const char* method, const std::string& path, std::string query) {
    query += "&timestamp=" + std::to_string(FakeVenue::now_ms());
    query += "&signature=" + to_hex(HmacKey("secret-of-leader").sign(query));
    const auto answer =
        request(method, path + "?" + query, "", {{"X-MBX-APIKEY", key_of("leader")}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  }
  std::vector<LeaderEvent> leader_events() const {
    std::vector<LeaderEvent> out;
    for (const Event& e : sink.events)
      if (e.kind == EventKind::leader) out.push_back(e.leader);
    return out;
  }
  std::unique_ptr<LeaderStream> follow() {
    LeaderStreamOptions options;
    options.feed.account = account_id(99);
    options.feed.leader = {{3, 3}};
    options.feed.venue = Venue::binance;
    options.feed.baseline_ns = baseline_ns;
    options.credentials = credentials("leader");
    auto out = make_leader_stream(reactor, shared, options, sink);
    EXPECT_TRUE(run_until([&] { return out->up(); }));
    return out;
  }
  static std::string client_id(const OrderKey& order) {
    char text[client_order_id_size];
    write_client_order_id(order, text);
    return {text, client_order_id_size};
  }
  std::int64_t baseline_ns = wall_now_ns() - second;
};

TEST_F(RestingOnPaper, AStopThatIsTouchedSellsAndEndsItsTarget) {
  start();
  protect(1);
  ASSERT_TRUE(run_until(
      [&] { return has(2, OrderUpdateKind::accepted) && has(3, OrderUpdateKind::accepted); },
      second))
      << told();
  price("58900", "58901");
  ASSERT_TRUE(
      run_until([&] { return has(2, OrderUpdateKind::done) && has(3, OrderUpdateKind::done); }));
  EXPECT_TRUE(last_of(2, OrderUpdateKind::done).cumulative_quantity.is_zero());
  EXPECT_EQ(last_of(3, OrderUpdateKind::done).cumulative_quantity, Decimal::of("0.1"));
  expect_fills_as_in_ledger();
  EXPECT_EQ(shared->refused_messages.value(), 0U);
}

TEST_F(RestingOnPaper, ATargetThatIsReachedFillsAsAMakerAndEndsItsStop) {
  start();
  protect(1);
  ASSERT_TRUE(run_until([&] { return has(3, OrderUpdateKind::accepted); }));
  price("61001", "61002");
  ASSERT_TRUE(
      run_until([&] { return has(2, OrderUpdateKind::done) && has(3, OrderUpdateKind::done); }));
  EXPECT_EQ(last_of(2, OrderUpdateKind::done).cumulative_quantity, Decimal::of("0.1"));
  EXPECT_TRUE(last_of(2, OrderUpdateKind::execution).maker);
  EXPECT_TRUE(last_of(3, OrderUpdateKind::done).cumulative_quantity.is_zero());
  expect_fills_as_in_ledger();
}

TEST_F(RestingOnPaper, ACancelOfEitherReleasesTheAsset) {
  start();
  protect(1);
  ASSERT_TRUE(run_until([&] { return has(3, OrderUpdateKind::accepted); }));
  ASSERT_EQ(cancel(3), SubmitResult::queued);
  ASSERT_TRUE(
      run_until([&] { return has(2, OrderUpdateKind::done) && has(3, OrderUpdateKind::done); }));
  place(4, 0, OrderType::market, Side::sell, "0.19");
  ASSERT_TRUE(run_until([&] { return has(4, OrderUpdateKind::done); }));
  EXPECT_EQ(last_of(4, OrderUpdateKind::done).cumulative_quantity, Decimal::of("0.19"));
}

TEST_F(RestingOnPaper, DoubtsAboutAPairAreSettledOrderByOrder) {
  start();
  std::uint64_t n = 10;
  for (const char* kind : {"lost_ack", "server_error"}) {
    set_faults(std::string(R"([{"kind":")") + kind +
               R"(","operation":"orderList.place.oco","count":1},)" +
               R"({"kind":"silent_stream","client_order_id":")" + client_id(key(n + 1)) + "\"}]");
    protect(n);
    ASSERT_TRUE(run_until([&] {
      return has(n + 1, OrderUpdateKind::unknown) && has(n + 2, OrderUpdateKind::unknown);
    })) << kind;
    ask(n + 1, 0);
    ask(n + 2, 0);
    ASSERT_TRUE(run_until([&] {
      return has(n + 1, OrderUpdateKind::accepted) && has(n + 2, OrderUpdateKind::accepted);
    })) << kind;
    n += 10;
  }
  set_faults(R"([{"kind":"reject","operation":"orderList.place.oco","count":1}])");
  protect(n);
  ASSERT_TRUE(run_until([&] {
    return has(n + 1, OrderUpdateKind::rejected) && has(n + 2, OrderUpdateKind::rejected);
  }));
}

TEST_F(RestingOnPaper, OpenOrdersAreReadBackOrderByOrder) {
  start();
  protect(1);
  ASSERT_TRUE(run_until([&] { return has(3, OrderUpdateKind::accepted); }));
  sink.events.clear();
  const std::size_t before = sink.count(AccountStateKind::reconciled);
  set_faults(R"([{"kind":"disconnect_after","operation":"order.status","count":1}])");
  ask(1, 0);
  ASSERT_TRUE(run_until(
      [&] { return sink.count(AccountStateKind::reconciled) == before + account_count; }));
  for (const std::uint64_t n : {2U, 3U}) {
    const OrderUpdate u = last_of(n, OrderUpdateKind::accepted);
    EXPECT_EQ(u.source, UpdateSource::query) << n;
    EXPECT_EQ(u.side, Side::sell);
  }
}

TEST_F(RestingOnPaper, TheReferenceIsTheVenuesAveragePrice) {
  start();
  ASSERT_TRUE(run_until([&] { return sink.references.size() >= 2; }));
  bool seen = false;
  for (const auto& [symbol, reference] : sink.references) {
    EXPECT_GT(reference.time_ns, 0);
    if (symbol.view() != "BTC/USDT") continue;
    seen = true;
    EXPECT_EQ(reference.price, Decimal::of("60000"));
  }
  EXPECT_TRUE(seen);
}

TEST_F(RestingOnPaper, ALeadersRestingOrderIsToldWithTheSameIdsByStreamAndHistory) {
  start();
  auto leader = follow();
  const std::string limit =
      "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=59000&newClientOrderId=web_1";
  leader_order("POST", "/api/v3/order", limit + "&quantity=0.5");
  leader_order("PUT", "/api/v3/order/amend/keepPriority",
               "symbol=BTCUSDT&origClientOrderId=web_1&newClientOrderId=web_2&newQty=0.4");
  leader_order("PUT", "/api/v3/order/amend/keepPriority",
               "symbol=BTCUSDT&origClientOrderId=web_2&newClientOrderId=web_3&newQty=0.3");
  // What does not rest is no such event.
  leader_trades("BUY", "0.01");
  leader_order("POST", "/api/v3/order",
               "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&price=59000&quantity=0.1");
  ASSERT_TRUE(run_until([&] { return leader_events().size() >= 4; }));
  struct Told {
    LeaderEventKind kind;
    const char* quantity;
  };
  const std::vector<Told> expected{{LeaderEventKind::order_placed, "0.5"},
                                   {LeaderEventKind::order_amended, "0.4"},
                                   {LeaderEventKind::order_amended, "0.3"},
                                   {LeaderEventKind::fill, "0.01"}};
  const auto first = leader_events();
  ASSERT_EQ(first.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(first[i].kind, expected[i].kind) << i;
    EXPECT_EQ(first[i].quantity, Decimal::of(expected[i].quantity)) << i;
    EXPECT_EQ(first[i].source, EventSource::stream);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(first[i].price, Decimal::of("59000"));
    EXPECT_EQ(first[i].side, Side::buy);
    EXPECT_EQ(first[i].leader_order, first[0].leader_order);
    EXPECT_NE(first[i].leader_order, 0U);
  }
  // A second reader knows it all from the history.
  leader.reset();
  sink.events.clear();
  leader = follow();
  ASSERT_TRUE(run_until([&] { return leader_events().size() >= 4; }, second)) << told();
  const auto again = leader_events();
  ASSERT_EQ(again.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(again[i].id, first[i].id) << i;
    EXPECT_EQ(again[i].kind, first[i].kind) << i;
    EXPECT_EQ(again[i].quantity, first[i].quantity) << i;
    EXPECT_EQ(again[i].leader_order, first[i].leader_order) << i;
    EXPECT_EQ(again[i].source, EventSource::rest);
  }
  // The end: by the stream, and by the history.
  leader_order("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=web_3");
  ASSERT_TRUE(run_until([&] { return leader_events().size() >= 5; }));
  const LeaderEvent end = leader_events().back();
  EXPECT_EQ(end.kind, LeaderEventKind::order_cancelled);
  EXPECT_EQ(end.source, EventSource::stream);
  leader.reset();
  sink.events.clear();
  leader = follow();
  ASSERT_TRUE(run_until([&] { return leader_events().size() >= 3; }));
  bool same = false;
  for (const LeaderEvent& e : leader_events()) same = same || e.id == end.id;
  EXPECT_TRUE(same);
}

TEST_F(RestingOnPaper, ARestingOrderThatFillsIsToldByItsFills) {
  start();
  auto leader = follow();
  leader_order("POST", "/api/v3/order",
               "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price=59000&quantity=0.5");
  ASSERT_TRUE(run_until([&] { return !leader_events().empty(); }));
  price("58000", "58999");
  ASSERT_TRUE(run_until([&] { return leader_events().size() >= 2; }));
  EXPECT_EQ(leader_events()[0].kind, LeaderEventKind::order_placed);
  const LeaderEvent fill = leader_events()[1];
  EXPECT_EQ(fill.kind, LeaderEventKind::fill);
  EXPECT_EQ(fill.leader_order, leader_events()[0].leader_order);
  EXPECT_EQ(fill.price, Decimal::of("59000"));
  for (const LeaderEvent& e : leader_events()) EXPECT_NE(e.kind, LeaderEventKind::order_cancelled);
}

}  // namespace
}  // namespace oneclick::binance::test
