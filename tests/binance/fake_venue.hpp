// A scripted venue over real TLS and WebSocket: it checks every signature, remembers what it was
// asked, answers by default as documented, and misbehaves where a test says so. It shares no code
// with the connector but the primitives of engine/base. Everything runs on the test's own reactor.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/binance/binance.hpp"
#include "connectors/net/certificates.hpp"
#include "connectors/net/server.hpp"
#include "engine/base/crypto.hpp"
#include "engine/domain/identity.hpp"
#include "tests/binance/payloads.hpp"

namespace oneclick::binance::test {

struct Asked {
  std::string method;  // WebSocket API method, or "GET /path"
  std::string id;
  std::map<std::string, std::string> params;
  std::shared_ptr<net::WsPeer> peer;  // null for REST
  [[nodiscard]] std::string at(const std::string& key) const {
    const auto found = params.find(key);
    return found == params.end() ? "" : found->second;
  }
};

class FakeVenue {
 public:
  // What to answer instead: "" says nothing; none leaves it to the default.
  using Script = std::function<std::optional<std::string>(const Asked&)>;

  explicit FakeVenue(net::Reactor& reactor) {
    net::ServerOptions options;
    options.ws_ping_interval_ns = 0;
    server =
        net::Server::listen(
            reactor, net::TlsServer::make(folder() + "/cert.pem", folder() + "/key.pem").value(),
            options,
            {.on_request = [this](net::ServerRequest r,
                                  net::Respond respond) { on_http(r, respond); },
             .on_upgrade = [this](const net::ServerRequest& r) { return on_upgrade(r); }})
            .value();
  }

  static const std::string& folder() {
    static const std::string path = [] {
      std::string pattern =
          (std::filesystem::temp_directory_path() / "oneclick-fake-XXXXXX").string();
      const std::string made = ::mkdtemp(pattern.data());
      EXPECT_EQ(net::write_test_certificates(made, "localhost"), "");
      return made;
    }();
    return path;
  }

  [[nodiscard]] Config config() const {
    const std::string port = std::to_string(server->port());
    Config out;
    out.rest_url = "https://localhost:" + port;
    out.ws_api_url = "wss://localhost:" + port + "/ws-api/v3";
    out.stream_url = "wss://localhost:" + port;
    out.ca_file = folder() + "/ca.pem";
    out.symbols = {"BTC/USDT", "ETH/USDT"};
    out.reconnect_min_ns = 5'000'000;
    out.reconnect_max_ns = 50'000'000;
    return out;
  }

  // Answers of the WebSocket API.
  static std::string ok(const Asked& asked, const std::string& result) {
    return "{\"id\":\"" + asked.id + "\",\"status\":200,\"result\":" + result + "}";
  }
  static std::string refused(const Asked& asked, int status, int code, const std::string& message,
                             const std::string& data = "") {
    return "{\"id\":\"" + asked.id + "\",\"status\":" + std::to_string(status) +
           ",\"error\":{\"code\":" + std::to_string(code) + ",\"msg\":\"" + message + "\"" +
           (data.empty() ? "" : ",\"data\":" + data) + "}}";
  }
  static std::string order(const Asked& asked, const std::string& status,
                           const std::string& executed, const std::string& quote) {
    const std::string id = asked.at("origClientOrderId");
    return "{\"symbol\":\"" + asked.at("symbol") + "\",\"orderId\":77,\"clientOrderId\":\"" +
           (id.empty() ? "unknown" : id) + "\",\"executedQty\":\"" + executed +
           "\",\"cummulativeQuoteQty\":\"" + quote + "\",\"status\":\"" + status +
           "\",\"side\":\"BUY\",\"updateTime\":" + std::to_string(now_ms()) + "}";
  }
  static std::int64_t now_ms() { return wall_now_ns() / 1'000'000; }

  // Pushes an event to the subscription of an api key, on the connection that holds it.
  void push(const std::string& api_key, const std::string& event) {
    for (auto& s : subscriptions) {
      if (s.api_key != api_key || !s.live) continue;
      s.peer->send("{\"subscriptionId\":" + std::to_string(s.id) + ",\"event\":" + event + "}");
    }
  }
  void push_trade(const std::string& api_key, const std::string& client_id,
                  const std::string& trade_id, const std::string& state, const std::string& last,
                  const std::string& cumulative, const std::string& symbol = "BTCUSDT",
                  std::int64_t time_ms = now_ms()) {
    push(api_key,
         "{\"e\":\"executionReport\",\"E\":1,\"s\":\"" + symbol + "\",\"c\":\"" + client_id +
             "\",\"S\":\"BUY\",\"C\":\"\",\"x\":\"" + (last.empty() ? "EXPIRED" : "TRADE") +
             "\",\"X\":\"" + state + "\",\"r\":\"NONE\",\"i\":77,\"l\":\"" +
             (last.empty() ? "0" : last) + "\",\"z\":\"" + cumulative +
             "\",\"L\":\"100\",\"n\":\"0.001\",\"N\":\"BTC\",\"T\":" + std::to_string(time_ms) +
             ",\"t\":" + (last.empty() ? "-1" : trade_id) + ",\"m\":false,\"Z\":\"" +
             mul(Decimal::of(cumulative), Decimal::of("100"), Round::nearest).to_text() + "\"}");
  }
  [[nodiscard]] std::size_t count(const std::string& method) const {
    return static_cast<std::size_t>(std::count_if(
        asked.begin(), asked.end(), [&](const Asked& a) { return a.method == method; }));
  }
  [[nodiscard]] const Asked* last(const std::string& method) const {
    for (auto a = asked.rbegin(); a != asked.rend(); ++a)
      if (a->method == method) return &*a;
    return nullptr;
  }
  void cut_all() {
    for (const auto& peer : peers) peer->abort();
  }
  [[nodiscard]] std::size_t live_subscriptions() const {
    return static_cast<std::size_t>(std::count_if(subscriptions.begin(), subscriptions.end(),
                                                  [](const auto& s) { return s.live; }));
  }

  struct Subscription {
    std::string api_key;
    int id;
    std::shared_ptr<net::WsPeer> peer;
    bool live;
  };

  Script script;
  std::deque<Asked> asked;
  std::vector<std::string> targets;  // of upgrades
  std::vector<std::shared_ptr<net::WsPeer>> peers;
  std::vector<std::shared_ptr<net::WsPeer>> market_peers;
  std::vector<Subscription> subscriptions;
  std::size_t bad_signatures = 0;
  std::int64_t clock_ahead_ms = 0;
  std::int64_t account_time_ms = 5;  // of the last change, by REST
  std::string exchange_info =
      R"({"serverTime":1,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE",)"
      R"("intervalNum":1,"limit":600000}],"symbols":[)"
      R"({"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[)"
      R"({"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000","tickSize":"0.01"}]},)"
      R"({"symbol":"ETHUSDT","status":"TRADING","baseAsset":"ETH","quoteAsset":"USDT","filters":[]},)"
      R"({"symbol":"DOGEUSDT","status":"TRADING","baseAsset":"DOGE","quoteAsset":"USDT","filters":[]}]})";
  std::unique_ptr<net::Server> server;

 private:
  static std::string secret_of(const std::string& api_key) { return "secret-of-" + api_key; }

  net::WsAccept on_upgrade(const net::ServerRequest& request) {
    targets.push_back(request.target);
    const bool is_market = request.path == "/stream";
    net::WsAccept out;
    out.accepted = is_market || request.path == "/ws-api/v3";
    out.on_open = [this, is_market](std::shared_ptr<net::WsPeer> peer) {
      (is_market ? market_peers : peers).push_back(peer);
    };
    out.on_message = [this](const std::shared_ptr<net::WsPeer>& peer, std::string_view text,
                            std::int64_t) { on_message(peer, std::string(text)); };
    out.on_close = [this](const std::shared_ptr<net::WsPeer>& peer) {
      for (auto& s : subscriptions)
        if (s.peer->id() == peer->id()) s.live = false;
      const auto same = [&](const auto& p) { return p->id() == peer->id(); };
      std::erase_if(peers, same);
      std::erase_if(market_peers, same);
    };
    return out;
  }

  void on_message(const std::shared_ptr<net::WsPeer>& peer, const std::string& text) {
    dom::parser parser;
    const dom::element root = parser.parse(text);
    Asked a;
    a.peer = peer;
    a.id = text_of(root["id"]);
    a.method = text_of(root["method"]);
    dom::element params;
    std::string signed_text;
    if (root["params"].get(params) == simdjson::SUCCESS) {
      for (const auto member : params.get_object())
        a.params[std::string(member.key)] = text_of(member.value);
    }
    for (const auto& [key, value] : a.params)
      if (key != "signature") signed_text += (signed_text.empty() ? "" : "&") + key + "=" + value;
    if (a.params.contains("apiKey") &&
        to_hex(HmacKey(secret_of(a.at("apiKey"))).sign(signed_text)) != a.at("signature"))
      ++bad_signatures;
    asked.push_back(a);
    const auto scripted = script ? script(a) : std::nullopt;
    const std::string reply = scripted ? *scripted : by_default(a);
    if (!reply.empty()) peer->send(reply);
  }

  std::string by_default(const Asked& a) {
    const std::string time = std::to_string(now_ms() + clock_ahead_ms);
    if (a.method == "time") return ok(a, "{\"serverTime\":" + time + "}");
    if (a.method == "userDataStream.subscribe.signature") {
      int id = 0;
      for (const auto& s : subscriptions) id += s.peer->id() == a.peer->id() ? 1 : 0;
      subscriptions.push_back({a.at("apiKey"), id, a.peer, true});
      return ok(a, "{\"subscriptionId\":" + std::to_string(id) + "}");
    }
    if (a.method == "account.status")
      return ok(a, "{\"updateTime\":" + time +
                       ",\"balances\":[{\"asset\":\"BTC\",\"free\":\"1.5\",\"locked\":\"0\"}]}");
    if (a.method == "openOrders.status") return ok(a, "[]");
    if (a.method == "order.place")
      return ok(a, "{\"symbol\":\"" + a.at("symbol") + "\",\"orderId\":77,\"orderListId\":-1," +
                       "\"clientOrderId\":\"" + a.at("newClientOrderId") +
                       "\",\"transactTime\":" + time + "}");
    if (a.method == "myTrades") return ok(a, "[]");
    if (a.method == "order.status") return refused(a, 400, -2013, "Order does not exist.");
    return ok(a, "{}");
  }

  void on_http(const net::ServerRequest& request, const net::Respond& respond) {
    Asked a;
    a.method = request.method + " " + request.path;
    std::string_view query = request.query;
    const std::size_t signature = query.find("&signature=");
    if (signature != std::string_view::npos) {
      a.params["apiKey"] = std::string(request.header("x-mbx-apikey"));
      if (to_hex(HmacKey(secret_of(a.at("apiKey"))).sign(query.substr(0, signature))) !=
          query.substr(signature + 11))
        ++bad_signatures;
    }
    while (!query.empty()) {
      const std::size_t end = std::min(query.find('&'), query.size());
      const std::size_t equals = query.find('=');
      a.params[std::string(query.substr(0, equals))] =
          std::string(query.substr(equals + 1, end - equals - 1));
      query.remove_prefix(std::min(end + 1, query.size()));
    }
    asked.push_back(a);
    net::ServerResponse response;
    const auto scripted = script ? script(a) : std::nullopt;
    if (scripted) {
      response.body = *scripted;
      if (scripted->starts_with("{\"code\"")) response.status = 400;
    } else if (request.path == "/api/v3/time") {
      response.body = "{\"serverTime\":" + std::to_string(now_ms() + clock_ahead_ms) + "}";
    } else if (request.path == "/api/v3/exchangeInfo") {
      response.body = exchange_info;
    } else if (request.path == "/api/v3/myTrades" || request.path == "/api/v3/allOrders" ||
               request.path == "/api/v3/order/amendments") {
      response.body = "[]";
    } else if (request.path == "/api/v3/account") {
      response.body = "{\"updateTime\":" + std::to_string(account_time_ms) + ",\"balances\":[]}";
    } else if (request.path == "/api/v3/order") {
      response.body = "{\"symbol\":\"BTCUSDT\",\"orderId\":1,\"clientOrderId\":\"web_1\"}";
    } else {
      response.status = 404;
    }
    respond(response);
  }
};

// Takes events, or refuses them while it is told to.
class RecordingSink : public EventSink, public TouchSink {
 public:
  bool try_push(const Event& event) override {
    if (full) return false;
    events.push_back(event);
    return true;
  }
  void on_touch(Venue, const Symbol& symbol, const Touch& touch) override {
    touches.emplace_back(symbol, touch);
  }
  void on_reference(Venue, const Symbol& symbol, const Reference& reference) override {
    references.emplace_back(symbol, reference);
  }
  [[nodiscard]] std::vector<OrderUpdate> updates() const {
    std::vector<OrderUpdate> out;
    for (const Event& e : events)
      if (e.kind == EventKind::order_update) out.push_back(e.order);
    return out;
  }
  [[nodiscard]] std::size_t count(OrderUpdateKind kind) const {
    std::size_t out = 0;
    for (const OrderUpdate& u : updates()) out += u.kind == kind ? 1 : 0;
    return out;
  }
  [[nodiscard]] std::size_t count(AccountStateKind kind) const {
    std::size_t out = 0;
    for (const Event& e : events)
      out += e.kind == EventKind::account_state && e.account_state.kind == kind ? 1 : 0;
    return out;
  }
  [[nodiscard]] std::vector<LeaderEvent> fills() const {
    std::vector<LeaderEvent> out;
    for (const Event& e : events)
      if (e.kind == EventKind::leader) out.push_back(e.leader);
    return out;
  }
  [[nodiscard]] std::vector<Balance> balances() const {
    std::vector<Balance> out;
    for (const Event& e : events)
      if (e.kind == EventKind::balance) out.push_back(e.balance);
    return out;
  }
  bool full = false;
  std::deque<Event> events;
  std::vector<std::pair<Symbol, Touch>> touches;
  std::vector<std::pair<Symbol, Reference>> references;
};

class VenueTest : public ::testing::Test {
 protected:
  VenueTest() : venue(reactor) {}
  static constexpr std::int64_t second = 1'000'000'000;

  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ns = 10 * second) {
    const std::int64_t end = steady_now_ns() + limit_ns;
    while (!condition()) {
      if (steady_now_ns() > end) return false;
      reactor.wait(2'000'000);
    }
    return true;
  }
  // Lets everything happen that would happen soon.
  void settle(std::int64_t time_ns = 100'000'000) {
    run_until([] { return false; }, time_ns);
  }
  std::shared_ptr<VenueShared> share(Config config) {
    auto made = VenueShared::make(std::move(config), EngineClock(), metrics);
    EXPECT_TRUE(made) << (made ? "" : made.error());
    return *made;
  }
  static std::vector<Instrument> instruments() {
    std::vector<Instrument> out;
    for (const char* base : {"BTC", "ETH", "DOGE"}) {
      Instrument row{};
      row.venue = Venue::binance;
      row.status = TradingStatus::trading;
      row.symbol = Symbol::cut(std::string(base) + "/USDT");
      row.venue_symbol = Symbol::cut(std::string(base) + "USDT");
      row.base = Asset::cut(base);
      row.quote = Asset::cut("USDT");
      out.push_back(row);
    }
    return out;
  }
  static Credentials credentials(const std::string& name) {
    return {name, Secret("secret-of-" + name), Secret(), KeyType::hmac};
  }
  static AccountId account_id(std::uint64_t n) { return {{0x1234, n}}; }
  static OrderKey key(std::uint64_t n) {
    return order_key({{1, n}}, {{2, n}}, 0, 0, 1'700'000'000'000'000'000);
  }
  static std::string client_id(const OrderKey& of) {
    char text[client_order_id_size];
    write_client_order_id(of, text);
    return {text, client_order_id_size};
  }

  net::Reactor reactor;
  Metrics metrics;
  FakeVenue venue;
  RecordingSink sink;
};

}  // namespace oneclick::binance::test
