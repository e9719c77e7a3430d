// Pairs, stops, amendments and the average price as clients see them: requests and events in the
// shapes of the venue's documents.
#include "tests/paper/paper_fixture.hpp"

namespace oneclick::paper {
namespace {

class OrderListsTest : public PaperTest {
 protected:
  void SetUp() override {
    start();
    s = connect("/ws-api/v3");
    ask(*s, "alice", "userDataStream.subscribe.signature", {});
  }
  static Fields pair(const std::string& name) {
    return {{"symbol", "BTCUSDT"},
            {"side", "SELL"},
            {"quantity", "0.5"},
            {"listClientOrderId", name},
            {"aboveType", "LIMIT_MAKER"},
            {"abovePrice", "61000"},
            {"aboveClientOrderId", name + "-target"},
            {"belowType", "STOP_LOSS"},
            {"belowStopPrice", "59000"},
            {"belowClientOrderId", name + "-stop"},
            {"newOrderRespType", "RESULT"}};
  }
  void price(const std::string& bid, const std::string& ask) {
    const auto r = admin(
        "POST", "/admin/prices",
        fmt::format(
            R"({{"symbol":"BTCUSDT","bid":"{}","bid_quantity":"5","ask":"{}","ask_quantity":"5"}})",
            bid, ask));
    ASSERT_EQ(r.status, 200) << r.body;
  }
  std::string status_of(const std::string& id) {
    return field(
        rest("alice", "GET", "/api/v3/order", {{"symbol", "BTCUSDT"}, {"origClientOrderId", id}})
            .body,
        "status");
  }
  // Account events from here on, in short.
  std::vector<std::string> told(std::size_t from) const {
    std::vector<std::string> out;
    for (std::size_t i = from; i < s->messages.size(); ++i) {
      const std::string& m = s->messages[i];
      if (m.find("\"event\":") == std::string::npos) continue;
      const std::string kind = field(m, "e");
      out.push_back(kind == "executionReport"
                        ? (field(m, "C").empty() ? field(m, "c") : field(m, "C")) + " " +
                              field(m, "x") + " " + field(m, "X")
                    : kind == "listStatus" ? field(m, "C") + " " + field(m, "l")
                                           : kind);
    }
    return out;
  }

  std::unique_ptr<Socket> s;
};

TEST_F(OrderListsTest, APairIsPlacedToldOfAndFoundAgain) {
  const std::size_t from = s->messages.size();
  const std::string a = ask(*s, "alice", "orderList.place.oco", pair("p"));
  EXPECT_EQ(field(a, "status"), "200") << a;
  EXPECT_EQ(field(a, "contingencyType"), "OCO");
  EXPECT_EQ(field(a, "listStatusType"), "EXEC_STARTED");
  EXPECT_EQ(field(a, "listOrderStatus"), "EXECUTING");
  EXPECT_EQ(field(a, "listClientOrderId"), "p");
  EXPECT_EQ(field(a, "orders"), R"([{"symbol":"BTCUSDT","orderId":1,"clientOrderId":"p-target"},)"
                                R"({"symbol":"BTCUSDT","orderId":2,"clientOrderId":"p-stop"}])");
  const std::size_t reports = a.find("\"orderReports\"");
  EXPECT_EQ(field(a, "type", reports), "LIMIT_MAKER");
  const std::size_t below = a.find("\"orderId\":2", reports);
  EXPECT_EQ(field(a, "type", below), "STOP_LOSS");
  EXPECT_EQ(field(a, "stopPrice", below), "59000.00000000");
  EXPECT_EQ(field(a, "workingTime", below), "-1");
  ask(*s, "time");
  EXPECT_EQ(told(from), (std::vector<std::string>{"p EXEC_STARTED", "p-target NEW NEW",
                                                  "p-stop NEW NEW", "outboundAccountPosition"}));
  const std::string stop = await(*s, "\"c\":\"p-stop\",\"S\"", from);
  EXPECT_EQ(field(stop, "P"), "59000.00000000");
  EXPECT_EQ(field(stop, "g"), "0");
  EXPECT_EQ(field(stop, "w"), "false");
  EXPECT_EQ(field(stop, "o"), "STOP_LOSS");
  const std::string list = ask(*s, "alice", "orderList.status", {{"origClientOrderId", "p"}});
  EXPECT_EQ(field(list, "listOrderStatus"), "EXECUTING");
  EXPECT_EQ(list.find("orderReports"), std::string::npos);
  EXPECT_EQ(field(ask(*s, "alice", "openOrderLists.status", {}), "listClientOrderId"), "p");
  const std::string open = rest("alice", "GET", "/api/v3/openOrders").body;
  EXPECT_NE(open.find("p-target"), std::string::npos);
  EXPECT_EQ(field(open, "isWorking", open.find("p-stop")), "false");
  EXPECT_EQ(field(open, "orderListId"), "0");
}

TEST_F(OrderListsTest, CancellingEitherOrderOrTheListAnswersWithTheList) {
  const std::vector<std::pair<std::string, Fields>> ways{
      {"order.cancel", {{"origClientOrderId", "x-target"}}},
      {"order.cancel", {{"origClientOrderId", "x-stop"}}},
      {"orderList.cancel", {{"listClientOrderId", "x"}}}};
  for (const auto& [method, fields] : ways) {
    ASSERT_EQ(field(ask(*s, "alice", "orderList.place.oco", pair("x")), "status"), "200");
    Fields f = fields;
    f["symbol"] = "BTCUSDT";
    f["newClientOrderId"] = "ended";
    const std::size_t from = s->messages.size();
    const std::string a = ask(*s, "alice", method, f);
    EXPECT_EQ(field(a, "listOrderStatus"), "ALL_DONE") << a;
    const std::size_t reports = a.find("\"orderReports\"");
    ASSERT_NE(reports, std::string::npos) << a;
    EXPECT_EQ(field(a, "origClientOrderId", reports), "x-target");
    EXPECT_EQ(field(a, "clientOrderId", reports), "ended");
    EXPECT_EQ(field(a, "status", reports), "CANCELED");
    EXPECT_EQ(field(a, "origClientOrderId", a.find("STOP_LOSS") - 300), "x-stop") << a;
    ask(*s, "time");
    EXPECT_EQ(told(from),
              (std::vector<std::string>{"x-target CANCELED CANCELED", "x-stop CANCELED CANCELED",
                                        "x ALL_DONE", "outboundAccountPosition"}));
    EXPECT_EQ(field(ask(*s, "alice", method, f), "error"),
              R"({"code":-2011,"msg":"Unknown order sent."})");
  }
}

TEST_F(OrderListsTest, AStopThatIsReachedSellsAndIsTold) {
  ask(*s, "alice", "orderList.place.oco", pair("p"));
  const std::size_t from = s->messages.size();
  price("58900", "58901");
  ASSERT_NE(await(*s, "ALL_DONE", from), "");
  ASSERT_NE(await(*s, "outboundAccountPosition", from), "");
  EXPECT_EQ(told(from), (std::vector<std::string>{"p-target EXPIRED EXPIRED", "p-stop TRADE FILLED",
                                                  "p ALL_DONE", "outboundAccountPosition"}));
  EXPECT_EQ(field(await(*s, "p-target", from), "eR"), "OCO_TRIGGER");
  EXPECT_EQ(status_of("p-target"), "EXPIRED");
  const auto r = rest("alice", "GET", "/api/v3/order",
                      {{"symbol", "BTCUSDT"}, {"origClientOrderId", "p-target"}});
  EXPECT_EQ(field(r.body, "expiryReason"), "OCO_TRIGGER");
}

TEST_F(OrderListsTest, RestHasTheSameRequests) {
  auto r = rest("alice", "POST", "/api/v3/orderList/oco", pair("p"));
  EXPECT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(field(rest("alice", "GET", "/api/v3/orderList", {{"origClientOrderId", "p"}}).body,
                  "listClientOrderId"),
            "p");
  EXPECT_EQ(field(rest("alice", "GET", "/api/v3/openOrderList").body, "listClientOrderId"), "p");
  r = rest("alice", "DELETE", "/api/v3/orderList",
           {{"symbol", "BTCUSDT"}, {"listClientOrderId", "p"}});
  EXPECT_EQ(field(r.body, "listOrderStatus"), "ALL_DONE") << r.body;
  EXPECT_EQ(rest("alice", "GET", "/api/v3/openOrderList").body, "[]");
  EXPECT_EQ(field(rest("alice", "GET", "/api/v3/allOrderList").body, "listClientOrderId"), "p");
  EXPECT_EQ(field(get("/api/v3/avgPrice?symbol=BTCUSDT").body, "mins"), "5");
}

TEST_F(OrderListsTest, WhatIsMissingOrTooMuchIsRefusedByName) {
  const auto code = [&](Fields f, const std::string& method = "orderList.place.oco") {
    return field(ask(*s, "alice", method, std::move(f)), "error");
  };
  const auto without = [](Fields f, const std::string& name) {
    f.erase(name);
    return f;
  };
  const auto with = [](Fields f, const std::string& name, const std::string& value) {
    f[name] = value;
    return f;
  };
  const Fields p = pair("p");
  const std::string mandatory =
      "Mandatory parameter '{}' was not sent, was empty/null, or malformed.";
  for (const char* const name :
       {"symbol", "side", "quantity", "aboveType", "belowType", "abovePrice", "belowStopPrice"})
    EXPECT_EQ(code(without(p, name)), fmt::format(R"({{"code":-1102,"msg":"{}"}})",
                                                  fmt::format(fmt::runtime(mandatory), name)));
  EXPECT_EQ(field(code(with(p, "abovePrice", "59500")), "code"), "-2010");
  EXPECT_EQ(field(code(with(p, "aboveType", "LIMIT")), "code"), "-1102");  // no aboveTimeInForce
  EXPECT_EQ(field(code(with(p, "belowPrice", "58000")), "code"), "-1106");
  EXPECT_EQ(field(code(with(p, "belowTrailingDelta", "100")), "msg"),
            "Trailing stop orders are not supported for this symbol.");
  EXPECT_EQ(field(code(with(p, "selfTradePreventionMode", "DECREMENT")), "code"), "-1013");
  Fields stop = market("SELL", "0.1");
  stop["type"] = "STOP_LOSS";
  EXPECT_EQ(
      code(stop, "order.place"),
      R"({"code":-1102,"msg":"Mandatory parameter 'stopPrice' was not sent, was empty/null, or malformed."})");
  stop["stopPrice"] = "60000";
  EXPECT_EQ(field(code(stop, "order.place"), "msg"), "Order would trigger immediately.");
}

TEST_F(OrderListsTest, APairCountsAsTwoOrders) {
  const std::string a = ask(*s, "alice", "orderList.place.oco", pair("p"));
  EXPECT_EQ(field(a, "count", a.find("\"SECOND\"")), "2");
}

TEST_F(OrderListsTest, AmendmentsAreToldAsReplaced) {
  ask(*s, "alice", "order.place", limit("BUY", "1", "50000", "big"));
  const std::size_t from = s->messages.size();
  const std::string a = ask(*s, "alice", "order.amend.keepPriority",
                            {{"symbol", "BTCUSDT"},
                             {"origClientOrderId", "big"},
                             {"newClientOrderId", "small"},
                             {"newQty", "0.4"}});
  EXPECT_EQ(field(a, "status"), "200") << a;
  EXPECT_EQ(field(a, "origClientOrderId"), "big");
  EXPECT_EQ(field(a, "clientOrderId"), "small");
  EXPECT_EQ(field(a, "qty"), "0.40000000");
  const std::string event = await(*s, "REPLACED", from);
  EXPECT_EQ(field(event, "c"), "small");
  EXPECT_EQ(field(event, "C"), "big");
  EXPECT_EQ(field(event, "q"), "0.40000000");
  EXPECT_EQ(field(event, "X"), "NEW");
  EXPECT_EQ(status_of("small"), "NEW");
  const std::string again =
      ask(*s, "alice", "order.amend.keepPriority",
          {{"symbol", "BTCUSDT"}, {"origClientOrderId", "gone"}, {"newQty", "0.1"}});
  EXPECT_EQ(field(again, "code"), "-2038");
}

TEST_F(OrderListsTest, FaultsStrikeRequestsAboutPairs) {
  const auto strike = [&](const std::string& kind, const std::string& operation,
                          const std::string& id) {
    const auto r =
        admin("PUT", "/admin/faults",
              fmt::format(R"([{{"kind":"{}","operation":"{}","count":1,"client_order_id":"{}"}}])",
                          kind, operation, id));
    ASSERT_EQ(r.status, 200) << r.body;
  };
  strike("server_error", "orderList.place.oco", "p-stop");
  EXPECT_EQ(field(ask(*s, "alice", "orderList.place.oco", pair("p")), "status"), "500");
  EXPECT_EQ(status_of("p-stop"), "NEW") << "an error that says nothing of the order";
  strike("reject", "orderList.place.oco", "q-target");
  EXPECT_EQ(field(ask(*s, "alice", "orderList.place.oco", pair("q")), "status"), "400");
  EXPECT_EQ(status_of("q-stop"), "<none>");
  strike("lost_ack", "order.cancel", "p-target");
  s->client->send_text(
      message("c", "order.cancel",
              signed_params("alice", {{"symbol", "BTCUSDT"}, {"origClientOrderId", "p-target"}})));
  ask(*s, "time");
  EXPECT_EQ(await(*s, "\"id\":\"c\"", 0, second / 20), "");
  EXPECT_EQ(status_of("p-stop"), "CANCELED");
  strike("throttle", "orderList.status", "");
  EXPECT_EQ(field(ask(*s, "alice", "orderList.status", {{"origClientOrderId", "p"}}), "status"),
            "429");
  strike("duplicate_report", "any", "r-stop");
  const std::size_t from = s->messages.size();
  ask(*s, "alice", "orderList.place.oco", pair("r"));
  ask(*s, "time");
  const auto events = told(from);
  EXPECT_EQ(std::ranges::count(events, "r-stop NEW NEW"), 2);
}

TEST_F(OrderListsTest, TheAveragePriceIsStreamedEverySecond) {
  const auto stream = connect("/stream?streams=btcusdt@avgPrice");
  const std::string m = await(*stream, "avgPrice\",\"E\"");
  EXPECT_EQ(field(m, "s"), "BTCUSDT");
  EXPECT_EQ(field(m, "i"), "5m");
  EXPECT_EQ(field(m, "w"), "60000.00000000");
  const std::size_t from = stream->messages.size();
  price("66000", "66001");
  EXPECT_NE(await(*stream, "\"e\":\"avgPrice\"", from), "");
}

}  // namespace
}  // namespace oneclick::paper
