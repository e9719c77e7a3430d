// The WebSocket API and the streams as a client sees them.
#include "tests/paper/paper_fixture.hpp"

namespace oneclick::paper {
namespace {

class WebSocketTest : public PaperTest {
 protected:
  void SetUp() override { start(); }
  std::vector<std::string> events(const Socket& s) const {
    std::vector<std::string> out;
    for (const std::string& m : s.messages) {
      if (m.find("\"event\":") == std::string::npos) continue;
      const std::string kind = field(m, "e");
      out.push_back(kind == "executionReport" ? field(m, "x") + " " + field(m, "X") : kind);
    }
    return out;
  }
  std::string subscribe(Socket& s, const std::string& who) {
    return field(ask(s, who, "userDataStream.subscribe.signature", {}), "subscriptionId");
  }
};

TEST_F(WebSocketTest, PlacesOrdersAndAnswersWithTheirFills) {
  const auto s = connect("/ws-api/v3");
  const std::string a = ask(*s, "alice", "order.place", market("BUY", "0.5", "one"));
  EXPECT_EQ(field(a, "status"), "200");
  const std::size_t result = a.find("\"result\":");
  EXPECT_EQ(field(a, "status", result), "FILLED");
  EXPECT_EQ(field(a, "clientOrderId"), "one");
  EXPECT_EQ(field(a, "executedQty"), "0.50000000");
  EXPECT_EQ(field(a, "cummulativeQuoteQty"), "30000.50000000");
  EXPECT_EQ(field(a, "fills"),
            R"([{"price":"60001.00000000","qty":"0.50000000","commission":"0.00050000",)"
            R"("commissionAsset":"BTC","tradeId":1}])");
  const std::string ack = [&] {
    Fields f = market("SELL", "0.1");
    f["newOrderRespType"] = "ACK";
    return ask(*s, "alice", "order.place", f);
  }();
  EXPECT_EQ(ack.find("executedQty"), std::string::npos);
  EXPECT_NE(field(ack, "orderId"), "<none>");
}

TEST_F(WebSocketTest, TellsTheStateOfOrdersAndCancelsThem) {
  const auto s = connect("/ws-api/v3");
  ask(*s, "alice", "order.place", limit("BUY", "1", "50000", "rest"));
  const Fields which{{"symbol", "BTCUSDT"}, {"origClientOrderId", "rest"}};
  std::string a = ask(*s, "alice", "order.status", which);
  EXPECT_EQ(field(a, "status", a.find("\"result\"")), "NEW");
  EXPECT_EQ(field(a, "price"), "50000.00000000");
  EXPECT_EQ(field(a, "isWorking"), "true");
  a = ask(*s, "alice", "openOrders.status", {});
  EXPECT_EQ(field(a, "clientOrderId"), "rest");
  a = ask(*s, "alice", "account.status", {});
  EXPECT_NE(a.find(R"({"asset":"USDT","free":"950000.00000000","locked":"50000.00000000"})"),
            std::string::npos);
  a = ask(*s, "alice", "order.cancel", which);
  EXPECT_EQ(field(a, "status", a.find("\"result\"")), "CANCELED");
  EXPECT_EQ(field(a, "origClientOrderId"), "rest");
  EXPECT_NE(field(a, "clientOrderId"), "rest");
  a = ask(*s, "alice", "order.cancel", which);
  EXPECT_EQ(field(a, "status"), "400");
  EXPECT_EQ(field(a, "error"), R"({"code":-2011,"msg":"Unknown order sent."})");
  a = ask(*s, "alice", "order.status", which);
  EXPECT_EQ(field(a, "status", a.find("\"result\"")), "CANCELED");
  a = ask(*s, "bob", "order.status", which);
  EXPECT_EQ(field(a, "error"), R"({"code":-2013,"msg":"Order does not exist."})");
}

TEST_F(WebSocketTest, AccountEventsOfSeveralAccountsOnOneConnection) {
  const auto s = connect("/ws-api/v3");
  EXPECT_EQ(subscribe(*s, "alice"), "0");
  EXPECT_EQ(subscribe(*s, "bob"), "1");
  EXPECT_EQ(field(ask(*s, "bob", "userDataStream.subscribe.signature", {}), "code"), "-2035");
  ask(*s, "alice", "order.place", limit("SELL", "1", "60000.50", "maker"));
  ask(*s, "bob", "order.place", limit("BUY", "1.5", "60000.50", "taker"));
  ask(*s, "bob", "order.cancel",
      {{"symbol", "BTCUSDT"}, {"origClientOrderId", "taker"}, {"newClientOrderId", "stop"}});
  ask(*s, "time");
  std::map<std::string, std::vector<std::string>> by_subscription;
  for (const std::string& m : s->messages) {
    if (m.find("\"event\":") == std::string::npos) continue;
    const std::string kind = field(m, "e");
    by_subscription[field(m, "subscriptionId")].push_back(
        kind == "executionReport" ? field(m, "x") + " " + field(m, "X") : kind);
  }
  EXPECT_EQ(by_subscription["0"],
            (std::vector<std::string>{"NEW NEW", "outboundAccountPosition", "TRADE FILLED",
                                      "outboundAccountPosition"}));
  EXPECT_EQ(
      by_subscription["1"],
      (std::vector<std::string>{"NEW NEW", "TRADE PARTIALLY_FILLED", "outboundAccountPosition",
                                "CANCELED CANCELED", "outboundAccountPosition"}));
  const std::string canceled = await(*s, R"("x":"CANCELED")");
  EXPECT_EQ(field(canceled, "c"), "stop");
  EXPECT_EQ(field(canceled, "C"), "taker");
  EXPECT_EQ(field(canceled, "z"), "1.00000000");
  const std::string made = await(*s, R"("m":true)");
  EXPECT_EQ(field(made, "c"), "maker");
  EXPECT_EQ(field(made, "L"), "60000.50000000");
  EXPECT_EQ(field(made, "N"), "USDT");
  EXPECT_EQ(field(made, "n"), "60.00050000");
  // Unsubscribed: silence.
  ask(*s, "userDataStream.unsubscribe", R"({"subscriptionId":0})");
  const std::size_t before = events(*s).size();
  ask(*s, "alice", "order.place", market("BUY", "0.1"));
  ask(*s, "time");
  EXPECT_EQ(events(*s).size(), before);
}

TEST_F(WebSocketTest, ImmediateOrdersThatFindNothingExpire) {
  const auto s = connect("/ws-api/v3");
  subscribe(*s, "alice");
  Fields ioc = limit("BUY", "1", "50000");
  ioc["timeInForce"] = "IOC";
  const std::string a = ask(*s, "alice", "order.place", ioc);
  EXPECT_EQ(field(a, "status", a.find("\"result\"")), "EXPIRED");
  ask(*s, "time");
  EXPECT_EQ(events(*s),
            (std::vector<std::string>{"NEW NEW", "EXPIRED EXPIRED", "outboundAccountPosition"}));
}

TEST_F(WebSocketTest, RefusesWhoIsNotWhoHeSays) {
  const auto s = connect("/ws-api/v3");
  const auto code = [&](Fields f, const std::string& who, const std::string& key) {
    f["apiKey"] = key;
    if (!f.contains("timestamp")) f["timestamp"] = std::to_string(now_ms());
    f["signature"] = sign(who, joined(f));
    return field(ask(*s, "account.status", json(f)), "code");
  };
  EXPECT_EQ(code({}, "alice", "key-alice"), "<none>");
  EXPECT_EQ(code({}, "bob", "key-alice"), "-1022");
  EXPECT_EQ(code({}, "alice", "no-such-key"), "-2015");
  EXPECT_EQ(code({}, "alice", ""), "-2014");
  EXPECT_EQ(code({{"timestamp", std::to_string(now_ms() - 6'000)}}, "alice", "key-alice"), "-1021");
  EXPECT_EQ(code({{"timestamp", std::to_string(now_ms() + 3'000)}}, "alice", "key-alice"), "-1021");
  EXPECT_EQ(code({{"timestamp", std::to_string(now_ms() - 6'000)}, {"recvWindow", "10000"}},
                 "alice", "key-alice"),
            "<none>");
  EXPECT_EQ(code({{"recvWindow", "60001"}}, "alice", "key-alice"), "-1131");
  EXPECT_EQ(code({{"timestamp", "soon"}}, "alice", "key-alice"), "-1100");
  EXPECT_EQ(field(ask(*s, "account.status", R"({"apiKey":"key-alice"})"), "code"), "-1102");
}

TEST_F(WebSocketTest, Ed25519KeysSignAndLogOn) {
  const auto s = connect("/ws-api/v3");
  EXPECT_EQ(field(ask(*s, "ed", "account.status", {}), "status"), "200");
  EXPECT_EQ(field(ask(*s, "alice", "session.logon", {}), "error"),
            R"({"code":-4056,"msg":"HMAC_SHA256 API key is not supported."})");
  EXPECT_EQ(field(ask(*s, "userDataStream.subscribe"), "status"), "400");
  EXPECT_EQ(field(ask(*s, "session.status"), "authorizedSince"), "null");
  EXPECT_EQ(field(ask(*s, "ed", "session.logon", {}), "apiKey"), "key-ed");
  // Logged on: no signature is needed, and a named key still counts more.
  EXPECT_NE(ask(*s, "account.status", "{}").find("1000.00000000"), std::string::npos);
  EXPECT_EQ(field(ask(*s, "userDataStream.subscribe"), "subscriptionId"), "0");
  EXPECT_NE(ask(*s, "alice", "account.status", {}).find("1000000.00000000"), std::string::npos);
  EXPECT_EQ(admin("POST", "/admin/accounts/revoke", R"({"account":"ed"})").status, 200);
  EXPECT_EQ(field(ask(*s, "account.status", "{}"), "code"), "-2015");
  EXPECT_EQ(field(ask(*s, "session.logout"), "apiKey"), "null");
}

TEST_F(WebSocketTest, MalformedRequestsAreAnsweredAndChangeNothing) {
  const auto s = connect("/ws-api/v3");
  s->client->send_text("{no json");
  EXPECT_EQ(field(await(*s, "\"id\":null"), "code"), "-1100");
  EXPECT_EQ(field(ask(*s, "no.such.method"), "status"), "400");
  const struct {
    Fields fields;
    std::string code, text;
  } table[] = {
      {{{"side", "BUY"}, {"type", "MARKET"}}, "-1102", "symbol"},
      {{{"symbol", "BTCUSDT"}, {"side", "buy"}, {"type", "MARKET"}}, "-1117", "Invalid side."},
      {{{"symbol", "BTCUSDT"}, {"side", "BUY"}, {"type", "OCO"}}, "-1116", "Invalid orderType."},
      {{{"symbol", "BTCUSDT"}, {"side", "BUY"}, {"type", "MARKET"}}, "-1102", "quantity"},
      {{{"symbol", "BTCUSDT"}, {"side", "BUY"}, {"type", "LIMIT"}}, "-1102", "timeInForce"},
      {[] {
         Fields f = limit("BUY", "1", "50000");
         f["timeInForce"] = "GTX";
         return f;
       }(),
       "-1115", "Invalid timeInForce."},
      {[] {
         Fields f = market("BUY", "1");
         f["timeInForce"] = "GTC";
         return f;
       }(),
       "-1106", "timeInForce"},
      {[] {
         Fields f = market("BUY", "1");
         f["quoteOrderQty"] = "100";
         return f;
       }(),
       "-1128", "Combination"},
      {limit("BUY", "-1", "50000"), "-1100", "quantity"},
      {limit("BUY", "1e", "50000"), "-1100", "quantity"},
      {limit("BUY", "0.000000001", "50000"), "-1111", "quantity"},
      {limit("BUY", "1", "50000.001"), "-1013", "PRICE_FILTER"},
      {limit("BUY", "0.000001", "50000"), "-1013", "LOT_SIZE"},
      {limit("BUY", "0.00001", "50000"), "-1013", "NOTIONAL"},
      {limit("BUY", "100", "50000"), "-2010", "insufficient balance"},
      {limit("BUY", "1", "50000", "{a}"), "-1100", "newClientOrderId"},
  };
  for (const auto& row : table) {
    const std::string a = ask(*s, "alice", "order.place", row.fields);
    EXPECT_EQ(field(a, "code"), row.code) << joined(row.fields) << ' ' << a;
    EXPECT_NE(field(a, "error").find(row.text), std::string::npos) << a;
  }
  EXPECT_EQ(field(exchange->ledger(), "orders"), "[]");
}

TEST_F(WebSocketTest, BookTickerAndTradesAreStreamed) {
  const auto raw = connect("/ws/btcusdt@bookTicker");
  std::string m = await(*raw, "\"s\":\"BTCUSDT\"");
  EXPECT_EQ(field(m, "b"), "60000.00000000");
  EXPECT_EQ(field(m, "A"), "5.00000000");
  const auto combined = connect("/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker");
  EXPECT_EQ(field(await(*combined, "\"stream\":\"ethusdt@bookTicker\""), "a"), "3001.00000000");
  const auto later = connect("/ws");
  later->client->send_text(R"({"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":7})");
  EXPECT_EQ(await(*later, "\"id\":7"), R"({"result":null,"id":7})");
  const auto api = connect("/ws-api/v3");
  ask(*api, "alice", "order.place", market("SELL", "2"));
  m = await(*later, "\"e\":\"trade\"");
  EXPECT_EQ(field(m, "p"), "60000.00000000");
  EXPECT_EQ(field(m, "q"), "2.00000000");
  EXPECT_EQ(field(m, "m"), "true");  // the buyer was in the book
  EXPECT_NE(await(*raw, "\"B\":\"3.00000000\""), "");
  later->client->send_text(R"({"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":8})");
  await(*later, "\"id\":8");
  const std::size_t before = later->messages.size();
  ask(*api, "alice", "order.place", market("SELL", "1"));
  EXPECT_NE(await(*raw, "\"B\":\"2.00000000\""), "");
  EXPECT_EQ(later->messages.size(), before);
}

TEST_F(WebSocketTest, TenThousandOrdersInOneBurst) {
  config.limits = {10'000'000, 10'000'000, 10'000'000, 10'000'000};
  config.accounts[0].balances = {{"USDT", Decimal::of("1000000000")}};
  start();
  const auto s = connect("/ws-api/v3");
  subscribe(*s, "alice");
  constexpr int count = 10'000;
  std::vector<std::string> requests;
  for (int n = 0; n < count; ++n) {
    Fields f = market("BUY", "0.0001", "burst-" + std::to_string(n));
    f["recvWindow"] = "60000";
    requests.push_back(message("b" + std::to_string(n), "order.place", signed_params("alice", f)));
  }
  s->messages.clear();
  s->messages.reserve(50'000);
  const std::int64_t from = steady_now_ns();
  for (const std::string& r : requests) s->client->send_text(r);
  std::size_t seen = 0;
  int answers = 0, filled = 0;
  ASSERT_TRUE(run_until([&] {
    for (; seen < s->messages.size(); ++seen) {
      if (!s->messages[seen].starts_with("{\"id\":\"b")) continue;
      ++answers;
      if (s->messages[seen].find("\"status\":\"FILLED\"") != std::string::npos) ++filled;
    }
    return answers == count;
  }));
  const double seconds = static_cast<double>(steady_now_ns() - from) / 1e9;
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("10,000 orders in %.3f s\n", seconds);
  EXPECT_EQ(filled, count);
#if !defined(ONECLICK_SANITIZE) && defined(NDEBUG)
  EXPECT_LT(seconds, 2.0);
#endif
}

}  // namespace
}  // namespace oneclick::paper
