// The connector on one reactor with the paper exchange, eight accounts and a leader.
#pragma once

#include <gtest/gtest.h>

#include "connectors/binance/encode.hpp"
#include "connectors/net/http_client.hpp"
#include "connectors/paper/paper.hpp"
#include "tests/binance/fake_venue.hpp"

namespace oneclick::binance::test {

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

}  // namespace oneclick::binance::test
