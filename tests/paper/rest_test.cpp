// REST, limits, faults and administration as clients and operators see them.
#include <algorithm>

#include "tests/paper/paper_fixture.hpp"

namespace oneclick::paper {
namespace {

class RestTest : public PaperTest {};

TEST_F(RestTest, ServesTheMarketToAnyone) {
  start();
  EXPECT_EQ(get("/api/v3/ping").body, "{}");
  EXPECT_NEAR(std::stod(field(get("/api/v3/time").body, "serverTime")),
              static_cast<double>(now_ms()), 5'000);
  const std::string info = get("/api/v3/exchangeInfo").body;
  for (const char* const part :
       {R"("symbol":"BTCUSDT")", R"("symbol":"ETHUSDT")", R"("tickSize":"0.01000000")",
        R"("stepSize":"0.00001000")", R"("minNotional":"5.00000000")",
        R"("rateLimitType":"REQUEST_WEIGHT")", R"("limit":6000)", R"("permissionSets":[["SPOT"]])"})
    EXPECT_NE(info.find(part), std::string::npos) << part;
  EXPECT_EQ(get("/api/v3/exchangeInfo?symbol=ETHUSDT").body.find("BTCUSDT"), std::string::npos);
  EXPECT_EQ(field(get("/api/v3/exchangeInfo?symbol=NOPE").body, "code"), "-1121");
  const std::string depth = get("/api/v3/depth?symbol=BTCUSDT&limit=2").body;
  EXPECT_EQ(field(depth, "bids"),
            R"([["60000.00000000","5.00000000"],["59996.99000000","5.00000000"]])");
  EXPECT_EQ(field(get("/api/v3/ticker/bookTicker?symbol=BTCUSDT").body, "askPrice"),
            "60001.00000000");
  EXPECT_EQ(field(get("/api/v3/ticker/24hr?symbol=BTCUSDT").body, "lastPrice"), "60000.00000000");
  EXPECT_EQ(get("/api/v3/ticker/price").body.front(), '[');
  EXPECT_EQ(get("/api/v3/nothing").status, 404);
  EXPECT_EQ(get("/api/v3/depth?symbol=BTCUSDT&limit=many").status, 400);
}

TEST_F(RestTest, TradesAndTellsWhatWasTraded) {
  start();
  auto r = rest("alice", "POST", "/api/v3/order", market("BUY", "6"));
  ASSERT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(field(r.body, "status"), "FILLED");
  EXPECT_EQ(r.header("x-mbx-order-count-10s"), "0");
  EXPECT_EQ(r.header("x-mbx-order-count-1d"), "0");
  r = rest("alice", "POST", "/api/v3/order", limit("BUY", "1", "50000", "low"));
  EXPECT_EQ(r.header("x-mbx-order-count-10s"), "1");
  r = rest("alice", "GET", "/api/v3/myTrades", {{"symbol", "BTCUSDT"}});
  EXPECT_EQ(std::ranges::count(r.body, '{'), 2);
  EXPECT_EQ(field(r.body, "isBuyer"), "true");
  EXPECT_EQ(field(r.body, "commissionAsset"), "BTC");
  r = rest("alice", "GET", "/api/v3/myTrades", {{"symbol", "BTCUSDT"}, {"fromId", "2"}});
  EXPECT_EQ(std::ranges::count(r.body, '{'), 1);
  r = rest("alice", "GET", "/api/v3/allOrders", {{"symbol", "BTCUSDT"}});
  EXPECT_EQ(std::ranges::count(r.body, '{'), 2);
  r = rest("alice", "GET", "/api/v3/openOrders");
  EXPECT_EQ(field(r.body, "clientOrderId"), "low");
  r = rest("alice", "DELETE", "/api/v3/openOrders", {{"symbol", "BTCUSDT"}});
  EXPECT_EQ(field(r.body, "status"), "CANCELED");
  EXPECT_EQ(
      field(rest("alice", "DELETE", "/api/v3/openOrders", {{"symbol", "BTCUSDT"}}).body, "code"),
      "-2011");
  EXPECT_EQ(rest("alice", "POST", "/api/v3/order/test", market("BUY", "1")).body, "{}");
  EXPECT_EQ(rest("bob", "GET", "/api/v3/myTrades", {{"symbol", "BTCUSDT"}}).body, "[]");
  EXPECT_EQ(rest("ed", "GET", "/api/v3/account").status, 200);
  EXPECT_EQ(rest("alice", "POST", "/api/v3/userDataStream").status, 410);
}

TEST_F(RestTest, RefusesWhoIsNotWhoHeSays) {
  start();
  const std::string when = std::to_string(now_ms());
  EXPECT_EQ(field(get("/api/v3/account?timestamp=" + when).body, "code"), "-2014");
  net::HttpRequest forged{.target = "/api/v3/account?timestamp=" + when +
                                    "&signature=" + sign("bob", "timestamp=" + when),
                          .headers = {{"X-MBX-APIKEY", "key-alice"}},
                          .body = ""};
  EXPECT_EQ(field(request(forged).body, "code"), "-1022");
  // Parameters in the body are signed after those in the query, with nothing between.
  Fields f = market("BUY", "1");
  const std::string query = "timestamp=" + when;
  net::HttpRequest split{.method = "POST",
                         .target = "/api/v3/order?" + query,
                         .headers = {{"X-MBX-APIKEY", "key-alice"},
                                     {"Content-Type", "application/x-www-form-urlencoded"}},
                         .body = joined(f) + "&signature=" + sign("alice", query + joined(f))};
  EXPECT_EQ(field(request(split).body, "status"), "FILLED");
}

TEST_F(RestTest, WeightsAreCountedAndOveruseIsAnsweredWith429ThenWith418) {
  config.limits.weight_per_minute = 100;
  start();
  // Not over the end of a minute: the count begins anew there.
  run_until([] { return now_ms() % 60'000 < 50'000; }, 15 * second);
  EXPECT_EQ(
      rest("alice", "POST", "/api/v3/order", market("BUY", "0.1")).header("x-mbx-used-weight-1m"),
      "0");
  EXPECT_EQ(
      rest("alice", "POST", "/api/v3/order", market("BUY", "0")).header("x-mbx-used-weight-1m"),
      "1");  // what fails costs
  EXPECT_EQ(rest("alice", "GET", "/api/v3/account").header("x-mbx-used-weight-1m"), "21");
  EXPECT_EQ(get("/api/v3/ticker/24hr").status, 429);  // 80 more are not left
  const auto s = connect("/ws-api/v3");               // 2
  EXPECT_EQ(field(ask(*s, "ping"), "count"), "24");
  for (int n = 0; n < 3; ++n) EXPECT_EQ(rest("alice", "GET", "/api/v3/account").status, 200);
  net::HttpResponse r = get("/api/v3/exchangeInfo");
  EXPECT_EQ(r.status, 429);
  EXPECT_EQ(field(r.body, "code"), "-1003");
  EXPECT_GE(std::stoi(std::string(r.header("retry-after"))), 1);
  const std::string refused = ask(*s, "exchangeInfo");
  EXPECT_EQ(field(refused, "status"), "429");
  EXPECT_GT(std::stoll(field(refused, "retryAfter")), now_ms());
  for (int n = 0; n < 250 && r.status == 429; ++n) r = get("/api/v3/exchangeInfo");
  EXPECT_EQ(r.status, 418);
  EXPECT_NE(r.body.find("banned until"), std::string::npos);
  EXPECT_EQ(get("/api/v3/ping").status, 418);
}

TEST_F(RestTest, UnfilledOrdersAreBoundedInTenSecondsAndADay) {
  config.limits.orders_per_ten_seconds = 5;
  config.limits.orders_per_day = 7;
  start();
  run_until([] { return now_ms() % 10'000 < 6'000; }, 10 * second);
  for (int n = 0; n < 5; ++n)
    EXPECT_EQ(rest("alice", "POST", "/api/v3/order", limit("BUY", "0.1", "50000")).status, 200);
  auto r = rest("alice", "POST", "/api/v3/order", limit("BUY", "0.1", "50000"));
  EXPECT_EQ(r.status, 429);
  EXPECT_EQ(
      r.body,
      R"({"code":-1015,"msg":"Too many new orders; current limit is 5 orders per 10 SECOND."})");
  EXPECT_EQ(rest("bob", "POST", "/api/v3/order", market("BUY", "0.1")).status, 200);
  const std::int64_t window = now_ms() / 10'000;
  ASSERT_TRUE(run_until([&] { return now_ms() / 10'000 > window; }));
  for (int n = 0; n < 2; ++n)
    EXPECT_EQ(rest("alice", "POST", "/api/v3/order", limit("BUY", "0.1", "50000")).status, 200);
  r = rest("alice", "POST", "/api/v3/order", limit("BUY", "0.1", "50000"));
  EXPECT_EQ(field(r.body, "msg"), "Too many new orders; current limit is 7 orders per 1 DAY.");
}

// ---- faults ----

class FaultTest : public PaperTest {
 protected:
  void SetUp() override {
    start();
    s = connect("/ws-api/v3");
    ask(*s, "alice", "userDataStream.subscribe.signature", {});
    s->messages.clear();
  }
  void strike(const std::string& kind, const std::string& more = "") {
    const auto r =
        admin("PUT", "/admin/faults",
              fmt::format(R"([{{"kind":"{}","account":"alice","count":1{}}}])", kind, more));
    ASSERT_EQ(r.status, 200) << r.body;
  }
  void send_order(const std::string& id) {
    s->client->send_text(
        message(id, "order.place", signed_params("alice", market("BUY", "0.1", id))));
  }
  bool on_ledger(const std::string& id) const {
    return exchange->ledger().find("\"" + id + "\"") != std::string::npos;
  }
  std::string answer(const std::string& id) { return await(*s, "{\"id\":\"" + id + "\""); }
  // Every fault of one order must leave the next one alone.
  void expect_next_is_fine() {
    send_order("next");
    EXPECT_EQ(field(answer("next"), "status"), "200");
  }

  std::unique_ptr<Socket> s;
};

TEST_F(FaultTest, ALostAnswerIsOfAnOrderThatWasTaken) {
  strike("lost_ack");
  send_order("one");
  expect_next_is_fine();
  EXPECT_EQ(await(*s, "{\"id\":\"one\"", 0, second / 20), "");
  EXPECT_TRUE(on_ledger("one"));
  EXPECT_NE(await(*s, R"("c":"one")"), "");
}

TEST_F(FaultTest, ALateAnswerComesAfterOthers) {
  strike("late_ack", R"(,"delay_ms":100)");
  const std::int64_t from = steady_now_ns();
  send_order("one");
  expect_next_is_fine();
  EXPECT_EQ(field(answer("one"), "status"), "200");
  EXPECT_GE(steady_now_ns() - from, second / 10);
}

TEST_F(FaultTest, ARefusedOrderWasNotTaken) {
  strike("reject", R"(,"code":-2010,"message":"This symbol is not permitted.")");
  send_order("one");
  EXPECT_EQ(field(answer("one"), "error"),
            R"({"code":-2010,"msg":"This symbol is not permitted."})");
  EXPECT_FALSE(on_ledger("one"));
  expect_next_is_fine();
}

TEST_F(FaultTest, AServerErrorSaysNothingOfTheOrder) {
  strike("server_error");
  send_order("one");
  EXPECT_EQ(field(answer("one"), "status"), "500");
  EXPECT_TRUE(on_ledger("one"));
  expect_next_is_fine();
}

TEST_F(FaultTest, ThrottledAndBannedOrdersWereNotTaken) {
  for (const auto& [kind, status] : {std::pair{"throttle", "429"}, std::pair{"ban", "418"}}) {
    strike(kind);
    send_order(kind);
    const std::string a = answer(kind);
    EXPECT_EQ(field(a, "status"), status);
    EXPECT_GT(std::stoll(field(a, "retryAfter")), now_ms() - 1'000);
    EXPECT_FALSE(on_ledger(kind));
  }
  expect_next_is_fine();
}

TEST_F(FaultTest, CutsBeforeAndAfterTakingTheOrder) {
  strike("disconnect_before");
  send_order("before");
  ASSERT_TRUE(run_until([&] { return s->closed; }));
  EXPECT_FALSE(on_ledger("before"));
  s = connect("/ws-api/v3");
  strike("disconnect_after");
  send_order("after");
  ASSERT_TRUE(run_until([&] { return s->closed; }));
  EXPECT_TRUE(on_ledger("after"));
  s = connect("/ws-api/v3");
  expect_next_is_fine();
}

TEST_F(FaultTest, ReportsAreDoubledReorderedAndKeptBack) {
  const auto reports = [&](const std::string& id) {
    send_order(id);
    answer(id);
    ask(*s, "time");
    std::string out;
    for (const std::string& m : s->messages)
      if (m.find("executionReport") != std::string::npos && field(m, "c") == id)
        out += field(m, "x") + " ";
    return out;
  };
  strike("duplicate_report");
  EXPECT_EQ(reports("doubled"), "NEW NEW TRADE TRADE ");
  strike("reorder_reports");
  EXPECT_EQ(reports("turned"), "TRADE NEW ");
  strike("silent_stream");
  EXPECT_EQ(reports("silent"), "");
  EXPECT_EQ(reports("plain"), "NEW TRADE ");
}

TEST_F(FaultTest, StrikeRestOrdersToo) {
  strike("server_error");
  EXPECT_EQ(rest("alice", "POST", "/api/v3/order", market("BUY", "0.1", "r1")).status, 500);
  EXPECT_TRUE(on_ledger("r1"));
  strike("throttle", R"(,"delay_ms":5000)");
  const auto r = rest("alice", "POST", "/api/v3/order", market("BUY", "0.1", "r2"));
  EXPECT_EQ(r.status, 429);
  EXPECT_GE(std::stoi(std::string(r.header("retry-after"))), 4);
  strike("disconnect_after");
  EXPECT_NE(rest("alice", "POST", "/api/v3/order", market("BUY", "0.1", "r3")).error, "");
  EXPECT_TRUE(on_ledger("r3"));
  strike("lost_ack");
  EXPECT_NE(rest("alice", "POST", "/api/v3/order", market("BUY", "0.1", "r4"), second / 5).error,
            "");
  EXPECT_TRUE(on_ledger("r4"));
}

TEST_F(FaultTest, StrikeByOrderAndByChance) {
  ASSERT_EQ(admin("PUT", "/admin/faults",
                  R"([{"kind":"reject","client_order_id":"marked"},)"
                  R"({"kind":"reject","probability":0.5,"code":-1000}])")
                .status,
            200);
  int refused = 0;
  for (int n = 0; n < 200; ++n) {
    const std::string id = "chance-" + std::to_string(n);
    send_order(id);
    if (field(answer(id), "code") == "-1000") ++refused;
  }
  EXPECT_GT(refused, 60);
  EXPECT_LT(refused, 140);
  send_order("marked");
  EXPECT_EQ(field(answer("marked"), "code"), "-2010");
}

// ---- administration ----

TEST_F(RestTest, AdministrationNeedsItsToken) {
  start();
  EXPECT_EQ(get("/admin/ledger").status, 401);
  EXPECT_EQ(
      request(
          {.target = "/admin/ledger", .headers = {{"Authorization", "Bearer wrong"}}, .body = ""})
          .status,
      401);
  EXPECT_EQ(admin("GET", "/admin/ledger").status, 200);
  config.admin_token = "";
  start();
  EXPECT_EQ(
      request({.target = "/admin/ledger", .headers = {{"Authorization", "Bearer "}}, .body = ""})
          .status,
      401);
}

TEST_F(RestTest, AccountsMoneyAndPricesAreChangedWhileRunning) {
  start();
  EXPECT_EQ(admin("POST", "/admin/accounts",
                  R"({"id":"carol","api_key":"key-carol","api_secret":"secret-carol",)"
                  R"("balances":{"USDT":"100"}})")
                .status,
            200);
  EXPECT_NE(rest("carol", "GET", "/api/v3/account").body.find("100.00000000"), std::string::npos);
  EXPECT_EQ(
      admin("POST", "/admin/deposits", R"({"account":"carol","asset":"USDT","amount":"23.5"})")
          .status,
      200);
  EXPECT_NE(rest("carol", "GET", "/api/v3/account").body.find("123.50000000"), std::string::npos);
  EXPECT_EQ(admin("POST", "/admin/prices",
                  R"({"symbol":"BTCUSDT","bid":"70000","bid_quantity":"1","ask":"70001",)"
                  R"("ask_quantity":"1"})")
                .status,
            200);
  EXPECT_EQ(field(get("/api/v3/ticker/bookTicker?symbol=BTCUSDT").body, "bidPrice"),
            "70000.00000000");
  EXPECT_EQ(admin("POST", "/admin/accounts/revoke", R"({"account":"carol"})").status, 200);
  EXPECT_EQ(field(rest("carol", "GET", "/api/v3/account").body, "code"), "-2015");
}

TEST_F(RestTest, BadAdministrationIsRefusedAndSaysWhy) {
  start();
  const struct {
    const char *method, *path, *body;
  } table[] = {
      {"POST", "/admin/accounts", "{"},
      {"POST", "/admin/accounts", "{}"},
      {"POST", "/admin/accounts", R"({"id":"x","api_key":"k"})"},
      {"POST", "/admin/accounts", R"({"id":"alice","api_key":"k","api_secret":"s"})"},
      {"POST", "/admin/accounts", R"({"id":"x","api_key":"key-alice","api_secret":"s"})"},
      {"POST", "/admin/accounts",
       R"({"id":"x","api_key":"k","api_secret":"s","balances":{"usd\"t":"1"}})"},
      {"POST", "/admin/accounts",
       R"({"id":"x","api_key":"k","api_secret":"s","balances":{"USDT":"-1"}})"},
      {"POST", "/admin/deposits", R"({"account":"nobody","asset":"USDT","amount":"1"})"},
      {"POST", "/admin/deposits", R"({"account":"alice","asset":"USDT","amount":"-1"})"},
      {"POST", "/admin/deposits", R"({"account":"alice","asset":"US DT","amount":"1"})"},
      {"POST", "/admin/prices", R"({"symbol":"BTCUSDT","bid":"2","ask":"1"})"},
      {"PUT", "/admin/faults", R"([{"kind":"no \"such\" kind"}])"},
      {"PUT", "/admin/faults", R"({"kind":"reject"})"},
  };
  const std::string before = exchange->ledger();
  for (const auto& row : table) {
    const auto r = admin(row.method, row.path, row.body);
    EXPECT_EQ(r.status, 400) << row.path << ' ' << row.body;
    EXPECT_NE(field(r.body, "error"), "<none>") << r.body;
  }
  EXPECT_EQ(admin("POST", "/admin/no-such", "{\"account\":\"alice\"}").status, 404);
  EXPECT_EQ(exchange->ledger(), before);
}

TEST_F(RestTest, TheLedgerTellsAccountsOrdersAndFills) {
  start();
  rest("alice", "POST", "/api/v3/order", market("BUY", "0.5", "mine"));
  const std::string ledger = admin("GET", "/admin/ledger").body;
  EXPECT_EQ(ledger, exchange->ledger());
  for (
      const char* const part :
      {R"({"id":"alice","balances":{"BTC":{"free":"10.49950000","locked":"0.00000000"},)"
       R"("USDT":{"free":"969999.50000000","locked":"0.00000000"}}})",
       R"({"order_id":1,"client_order_id":"mine","account":"alice","symbol":"BTCUSDT","side":"BUY",)"
       R"("type":"MARKET","time_in_force":"GTC","price":"0.00000000","orig_qty":"0.50000000",)"
       R"("executed_qty":"0.50000000","cum_quote":"30000.50000000","status":"FILLED","time":)",
       R"({"trade_id":1,"order_id":1,"client_order_id":"mine","account":"alice","symbol":"BTCUSDT",)"
       R"("side":"BUY","price":"60001.00000000","qty":"0.50000000","quote_qty":"30000.50000000",)"
       R"("commission":"0.00050000","commission_asset":"BTC","maker":false,"time":)"})
    EXPECT_NE(ledger.find(part), std::string::npos) << part << "\n" << ledger;
}

// ---- prices ----

TEST_F(RestTest, PlaysTheFiguresShippedWithTheProject) {
  config.symbols[0].figures_file = std::string(SOURCE_DIR) + "/configs/market/btcusdt_1s.csv";
  config.symbols[1].figures_file = std::string(SOURCE_DIR) + "/configs/market/ethusdt_1s.csv";
  config.replay_speed = 100;
  start();
  const auto s = connect("/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker");
  EXPECT_NE(await(*s, R"("b":"61824.00000000","B":"1.89751000")"), "");  // the second figure
  ASSERT_TRUE(run_until([&] { return s->messages.size() > 50; }));
  for (const std::string& m : s->messages)
    EXPECT_LT(std::stod(field(m, "b")), std::stod(field(m, "a"))) << m;
}

TEST_F(RestTest, PlaysRecordingsOfRawStreams) {
  const std::string file =
      std::string(SOURCE_DIR) + "/../shared/data/binance_spot_btcusdt_20240808.gz";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "NOT RUN: no recording at " << file;
  config.symbols[0].recording_file = file;
  config.replay_speed = 1'000;
  start();
  const auto s = connect("/ws/btcusdt@bookTicker");
  ASSERT_TRUE(run_until([&] { return s->messages.size() > 100; }));
  for (const std::string& m : s->messages) {
    EXPECT_GT(std::stod(field(m, "b")), 50'000) << m;
    EXPECT_LT(std::stod(field(m, "b")), std::stod(field(m, "a"))) << m;
  }
}

TEST_F(RestTest, SaysWhichFileOfPricesIsBad) {
  const std::string folder = Certificates::folder();
  const auto problem = [&](const std::string& content) {
    const std::string file = folder + "/figures.csv";
    FILE* const out = std::fopen(file.c_str(), "w");
    std::fputs(content.c_str(), out);
    std::fclose(out);
    config.symbols[0].figures_file = file;
    const auto started = PaperExchange::start(reactor, config);
    return started ? "started" : started.error().substr(folder.size());
  };
  EXPECT_EQ(problem("heading\n1,2,3\n"),
            "/figures.csv:2: not unix_s,bid,bid_qty,ask,ask_qty,traded_qty");
  EXPECT_EQ(problem("heading\n1,5,1,4,1,0\n"),
            "/figures.csv:2: not unix_s,bid,bid_qty,ask,ask_qty,traded_qty");
  EXPECT_EQ(problem("heading\n"), "/figures.csv: no figures");
  config.symbols[0].figures_file = folder + "/absent.csv";
  EXPECT_EQ(PaperExchange::start(reactor, config).error(), folder + "/absent.csv: cannot be read");
}

}  // namespace
}  // namespace oneclick::paper
