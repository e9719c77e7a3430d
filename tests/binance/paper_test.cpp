// The connector against the paper exchange, which shares no code with it: real protocols over TLS,
// and the exchange's own ledger as the judge of what was reported.
#include <gtest/gtest.h>

#include <set>

#include "connectors/binance/encode.hpp"
#include "connectors/net/http_client.hpp"
#include "connectors/paper/paper.hpp"
#include "tests/binance/fake_venue.hpp"

namespace oneclick::binance::test {
namespace {

class PaperTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t second = 1'000'000'000;
  static constexpr AccountSlot account_count = 8;

  PaperTest() {
    paper::PaperConfig config;
    config.port = 0;
    config.certificate_file = FakeVenue::folder() + "/cert.pem";
    config.key_file = FakeVenue::folder() + "/key.pem";
    config.limits.weight_per_minute = 1'000'000;
    for (const auto& [name, bid] :
         {std::pair{"BTC/USDT", "60000"}, std::pair{"ETH/USDT", "3000"}}) {
      paper::PaperSymbol symbol{};
      symbol.symbol = name;
      symbol.tick = Decimal::of("0.01");
      symbol.step = Decimal::of("0.00001");
      symbol.quantity_min = Decimal::of("0.00001");
      symbol.quantity_max = Decimal::of("9000");
      symbol.market_quantity_max = Decimal::of("100");
      symbol.notional_min = Decimal::of("5");
      symbol.price_max = Decimal::of("1000000");
      symbol.bid = Decimal::of(bid);
      symbol.ask = symbol.bid + Decimal::of("1");
      symbol.bid_quantity = symbol.ask_quantity = Decimal::of("5");
      config.symbols.push_back(symbol);
    }
    const auto add = [&](const std::string& name) {
      config.accounts.push_back({.id = name,
                                 .api_key = key_of(name),
                                 .api_secret = "secret-of-" + name,
                                 .public_key = "",
                                 .balances = {{"USDT", Decimal::of("100000")}}});
    };
    add("leader");
    for (AccountSlot slot = 0; slot < account_count; ++slot) add(name_of(slot));
    config.admin_token = "token";
    auto started = paper::PaperExchange::start(reactor, config);
    EXPECT_TRUE(started) << (started ? "" : started.error());
    exchange = std::move(*started);
  }

  static std::string name_of(AccountSlot slot) { return "follower" + std::to_string(slot); }
  static std::string key_of(const std::string& name) {
    return to_hex(sha256("key of " + name));  // 64 characters, as the venue's are
  }
  static Credentials credentials(const std::string& name) {
    return {key_of(name), Secret("secret-of-" + name), Secret(), KeyType::hmac};
  }
  static AccountId account_id(AccountSlot slot) { return {{0xabc, slot}}; }
  static OrderKey key(std::uint64_t n) {
    return order_key({{1, n}}, {{2, n}}, 0, 0, 1'700'000'000'000'000'000);
  }

  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ns = 20 * second) {
    const std::int64_t end = steady_now_ns() + limit_ns;
    while (!condition()) {
      if (steady_now_ns() > end) return false;
      reactor.wait(2'000'000);
    }
    return true;
  }
  Config config() const {
    const std::string port = std::to_string(exchange->port());
    Config out;
    out.rest_url = "https://localhost:" + port;
    out.ws_api_url = "wss://localhost:" + port + "/ws-api/v3";
    out.stream_url = "wss://localhost:" + port;
    out.ca_file = FakeVenue::folder() + "/ca.pem";
    out.symbols = {"BTC/USDT", "ETH/USDT"};
    out.reconnect_min_ns = 10'000'000;
    out.request_timeout_ns = 700'000'000;
    out.leader_check_interval_ns = second / 2;
    return out;
  }
  void start() {
    shared = VenueShared::make(config(), EngineClock(), metrics).value();
    market = make_market_stream(reactor, shared, 0, sink, sink);
    session = make_order_session(reactor, shared, 0, sink);
    for (AccountSlot slot = 0; slot < account_count; ++slot) {
      Account account{};
      account.id = account_id(slot);
      account.venue = Venue::binance;
      account.connected = true;
      session->attach(slot, account, credentials(name_of(slot)));
    }
    ASSERT_TRUE(run_until([&] {
      return market->up() && session->up() &&
             sink.count(AccountStateKind::reconciled) == account_count && !sink.touches.empty();
    }));
  }
  SubmitResult place(std::uint64_t n, AccountSlot slot, OrderType type, Side side,
                     const char* quantity, const char* price = "0") {
    Intent intent = intent_of(n, slot);
    intent.kind = IntentKind::place;
    intent.type = type;
    intent.side = side;
    intent.quantity = Decimal::of(quantity);
    intent.price = Decimal::of(price);
    const SubmitResult result = session->submit(intent);
    session->flush();
    return result;
  }
  void ask(std::uint64_t n, AccountSlot slot) {
    Intent intent = intent_of(n, slot);
    intent.kind = IntentKind::query;
    ASSERT_EQ(session->submit(intent), SubmitResult::queued);
    session->flush();
  }
  Intent intent_of(std::uint64_t n, AccountSlot slot) {
    Intent out{};
    out.venue = Venue::binance;
    out.slot = slot;
    out.account = account_id(slot);
    out.key = key(n);
    out.symbol = Symbol::cut("BTC/USDT");
    out.venue_symbol = Symbol::cut("BTCUSDT");
    out.price_decimals = 2;
    out.quantity_decimals = 5;
    return out;
  }
  std::vector<OrderUpdate> updates(std::uint64_t n) {
    std::vector<OrderUpdate> out;
    for (const OrderUpdate& u : sink.updates())
      if (u.key == key(n)) out.push_back(u);
    return out;
  }
  bool has(std::uint64_t n, OrderUpdateKind kind) {
    for (const OrderUpdate& u : updates(n))
      if (u.kind == kind) return true;
    return false;
  }
  OrderUpdate last_of(std::uint64_t n, OrderUpdateKind kind) {
    OrderUpdate out{};
    for (const OrderUpdate& u : updates(n))
      if (u.kind == kind) out = u;
    return out;
  }
  // A request to the exchange that the connector has nothing to do with.
  net::HttpResponse request(const std::string& method, const std::string& target,
                            const std::string& body,
                            std::vector<std::pair<std::string, std::string>> headers) {
    if (!http) {
      http = net::HttpClient::make(reactor,
                                   net::TlsClient::make(FakeVenue::folder() + "/ca.pem").value(),
                                   net::parse_url(config().rest_url).value(), {});
    }
    net::HttpRequest out;
    out.method = method;
    out.target = target;
    out.body = body;
    out.headers = std::move(headers);
    std::optional<net::HttpResponse> answer;
    http->send(std::move(out), [&](net::HttpResponse r) { answer = std::move(r); });
    EXPECT_TRUE(run_until([&] { return answer.has_value(); }));
    return *answer;
  }
  void leader_trades(const char* side, const char* quantity) {
    std::string query = std::string("symbol=BTCUSDT&side=") + side +
                        "&type=MARKET&quantity=" + quantity +
                        "&timestamp=" + std::to_string(FakeVenue::now_ms());
    query += "&signature=" + to_hex(HmacKey("secret-of-leader").sign(query));
    const auto answer =
        request("POST", "/api/v3/order?" + query, "", {{"X-MBX-APIKEY", key_of("leader")}});
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  void set_faults(const std::string& json) {
    const auto answer =
        request("PUT", "/admin/faults", json,
                {{"Authorization", "Bearer token"}, {"Content-Type", "application/json"}});
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  // Every fill the exchange's ledger has of our orders was reported once with the same figures, and
  // nothing else was.
  void expect_fills_as_in_ledger() {
    dom::parser parser;
    const std::string text = exchange->ledger();
    const dom::element ledger = parser.parse(text);
    std::map<std::string, std::string> expected, reported;
    for (const dom::element fill : ledger["fills"].get_array()) {
      if (!order_key_from_client_id(text_of(fill["client_order_id"]))) continue;
      expected[text_of(fill["account"]) + " " + text_of(fill["trade_id"])] =
          Decimal::of(text_of(fill["qty"])).to_text() + " @ " +
          Decimal::of(text_of(fill["price"])).to_text() + " fee " +
          Decimal::of(text_of(fill["commission"])).to_text() + text_of(fill["commission_asset"]);
    }
    for (const OrderUpdate& u : sink.updates()) {
      if (u.kind != OrderUpdateKind::execution) continue;
      const std::string value = u.last_quantity.to_text() + " @ " + u.last_price.to_text() +
                                " fee " + u.fee.to_text() + u.fee_asset.str();
      const auto [at, added] = reported.emplace(
          name_of(static_cast<AccountSlot>(u.account.value.low)) + " " + u.trade_id.str(), value);
      EXPECT_EQ(at->second, value);  // told twice: the same
    }
    EXPECT_FALSE(expected.empty());
    EXPECT_EQ(reported, expected);
  }

  net::Reactor reactor;
  Metrics metrics;
  RecordingSink sink;
  std::unique_ptr<paper::PaperExchange> exchange;
  std::shared_ptr<VenueShared> shared;
  std::unique_ptr<MarketStream> market;
  std::unique_ptr<OrderSession> session;
  std::unique_ptr<net::HttpClient> http;
};

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
