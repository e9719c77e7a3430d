// Misbehaviour on cancels and queries, over both protocols.
#include "tests/paper/paper_fixture.hpp"

namespace oneclick::paper {
namespace {

class RequestFaultsTest : public PaperTest {
 protected:
  void SetUp() override {
    start();
    s = connect("/ws-api/v3");
  }
  // One fault, of the given operation, that strikes so often.
  void strike(const std::string& kind, const std::string& operation, const std::string& more = "",
              int count = 1) {
    const auto r = admin("PUT", "/admin/faults",
                         fmt::format(R"([{{"kind":"{}","operation":"{}","count":{}{}}}])", kind,
                                     operation, count, more));
    ASSERT_EQ(r.status, 200) << r.body;
  }
  void place(const std::string& id) {
    const std::string placed = ask(*s, "alice", "order.place", limit("BUY", "0.1", "50000", id));
    ASSERT_EQ(field(placed, "status"), "200") << placed;
  }
  static Fields named(const std::string& id) {
    return {{"symbol", "BTCUSDT"}, {"origClientOrderId", id}};
  }
  // What is sent without waiting for its answer.
  void send(const std::string& request, const std::string& method, const std::string& order) {
    s->client->send_text(message(request, method, signed_params("alice", named(order))));
  }
  std::string answer(const std::string& id, std::int64_t limit_ns = 20 * second) {
    return await(*s, "{\"id\":\"" + id + "\"", 0, limit_ns);
  }
  // As the exchange itself has it, read by REST, which no test here strikes at that moment.
  std::string status_of(const std::string& id) {
    return field(rest("alice", "GET", "/api/v3/order", named(id)).body, "status");
  }

  std::unique_ptr<Socket> s;
};

TEST_F(RequestFaultsTest, ALostAnswerIsOfACancelThatWasDone) {
  place("one");
  strike("lost_ack", "order.cancel");
  send("c", "order.cancel", "one");
  ask(*s, "time");
  EXPECT_EQ(answer("c", second / 20), "");
  EXPECT_EQ(status_of("one"), "CANCELED");
}

TEST_F(RequestFaultsTest, ServerErrorsSayNothingOfTheCancel) {
  place("one");
  strike("server_error", "order.cancel");
  send("c", "order.cancel", "one");
  EXPECT_EQ(field(answer("c"), "status"), "500");
  EXPECT_EQ(status_of("one"), "CANCELED");
}

TEST_F(RequestFaultsTest, ThrottledBannedRefusedAndCutCancelsWereNotDone) {
  place("one");
  for (const auto& [kind, status] :
       {std::pair{"throttle", "429"}, std::pair{"ban", "418"}, std::pair{"reject", "400"}}) {
    strike(kind, "order.cancel");
    send(kind, "order.cancel", "one");
    EXPECT_EQ(field(answer(kind), "status"), status);
  }
  strike("disconnect_before", "order.cancel");
  send("cut", "order.cancel", "one");
  ASSERT_TRUE(run_until([&] { return s->closed; }));
  EXPECT_EQ(status_of("one"), "NEW");
  s = connect("/ws-api/v3");
  send("fine", "order.cancel", "one");
  EXPECT_EQ(field(answer("fine"), "status"), "200");
  EXPECT_EQ(status_of("one"), "CANCELED");
}

TEST_F(RequestFaultsTest, QueriesAreStruckAndTheNextOneIsFine) {
  place("one");
  strike("lost_ack", "order.status");
  send("lost", "order.status", "one");
  strike("late_ack", "order.status", R"(,"delay_ms":100)");
  send("late", "order.status", "one");
  send("after", "order.status", "one");
  EXPECT_NE(answer("after").find("\"status\":\"NEW\""), std::string::npos);
  EXPECT_NE(answer("late").find("\"status\":\"NEW\""), std::string::npos);
  EXPECT_EQ(answer("lost", second / 20), "");
  for (const auto& [kind, status] :
       {std::pair{"server_error", "500"}, std::pair{"throttle", "429"}, std::pair{"ban", "418"}}) {
    strike(kind, "order.status");
    send(kind, "order.status", "one");
    EXPECT_EQ(field(answer(kind), "status"), status);
  }
  send("fine", "order.status", "one");
  EXPECT_EQ(field(answer("fine"), "status"), "200");
}

TEST_F(RequestFaultsTest, RestIsStruckToo) {
  place("one");
  for (const auto& [path, operation] : {std::pair{"/api/v3/order", "order.status"},
                                        std::pair{"/api/v3/openOrders", "openOrders.status"},
                                        std::pair{"/api/v3/account", "account.status"},
                                        std::pair{"/api/v3/myTrades", "myTrades"}}) {
    SCOPED_TRACE(path);
    const auto asked = [&, path = path](std::int64_t timeout_ns = 10 * second) {
      return rest("alice", "GET", path, named("one"), timeout_ns);
    };
    strike("server_error", operation);
    EXPECT_EQ(asked().status, 500);
    strike("throttle", operation, R"(,"delay_ms":5000)");
    const auto throttled = asked();
    EXPECT_EQ(throttled.status, 429);
    EXPECT_GE(std::stoi(std::string(throttled.header("retry-after"))), 4);
    // Twice: the client asks once more, on a fresh connection, what changes nothing.
    strike("disconnect_before", operation, "", 2);
    EXPECT_NE(asked().error, "");
    strike("lost_ack", operation);
    EXPECT_NE(asked(second / 5).error, "");
    EXPECT_EQ(asked().status, 200);
  }
}

TEST_F(RequestFaultsTest, QueriesOfNobodyCanBeStruck) {
  strike("server_error", "time");
  EXPECT_EQ(get("/api/v3/time").status, 500);
  strike("server_error", "exchangeInfo", R"(,"account":"alice")");
  EXPECT_EQ(get("/api/v3/exchangeInfo").status, 200) << "alice asked for nothing";
}

TEST_F(RequestFaultsTest, AFaultStrikesWhatItIsOf) {
  place("one");
  place("two");
  strike("server_error", "queries", R"(,"client_order_id":"two","account":"alice")");
  EXPECT_EQ(status_of("one"), "NEW");
  EXPECT_EQ(field(ask(*s, "alice", "order.cancel", named("one")), "status"), "200");
  EXPECT_EQ(field(ask(*s, "alice", "order.status", named("two")), "status"), "500");
  strike("server_error", "any", R"(,"client_order_id":"two")");
  EXPECT_EQ(field(ask(*s, "alice", "order.cancel", named("two")), "status"), "500");
  strike("server_error", "order.cancel");
  EXPECT_EQ(status_of("two"), "CANCELED");
  // Without an operation a fault is of placing orders, as it always was.
  ASSERT_EQ(admin("PUT", "/admin/faults", R"([{"kind":"reject"}])").status, 200);
  EXPECT_EQ(status_of("two"), "CANCELED");
  EXPECT_EQ(field(ask(*s, "alice", "order.place", market("BUY", "0.1")), "code"), "-2010");
}

TEST_F(RequestFaultsTest, WhatStruckIsCounted) {
  place("one");
  EXPECT_EQ(admin("GET", "/admin/faults").body, R"({"struck":{}})");
  ASSERT_EQ(admin("PUT", "/admin/faults",
                  R"([{"kind":"server_error","operation":"order.status","count":2},)"
                  R"({"kind":"duplicate_report"}])")
                .status,
            200);
  for (int n = 0; n < 3; ++n) ask(*s, "alice", "order.status", named("one"));
  ask(*s, "alice", "order.cancel", named("one"));
  EXPECT_EQ(admin("GET", "/admin/faults").body,
            R"({"struck":{"duplicate_report":1,"server_error":2}})");
}

TEST_F(RequestFaultsTest, OperationsThereAreNoneOfAreRefused) {
  const auto r = admin("PUT", "/admin/faults", R"([{"kind":"reject","operation":"order.plaice"}])");
  EXPECT_EQ(r.status, 400);
  EXPECT_NE(r.body.find("order.plaice"), std::string::npos) << r.body;
}

}  // namespace
}  // namespace oneclick::paper
