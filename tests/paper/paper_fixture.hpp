// The paper exchange and its clients on one reactor: REST and WebSocket over verified TLS.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "connectors/net/http_client.hpp"
#include "connectors/net/tls.hpp"
#include "connectors/net/ws_client.hpp"
#include "connectors/paper/paper.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick::paper {

using Fields = std::map<std::string, std::string>;

// The value of a member of that name, texts without their quotes, anything else as it is written;
// the first from `from` on. "<none>" when there is none.
inline std::string field(std::string_view json, const std::string& name, std::size_t from = 0) {
  const std::string mark = "\"" + name + "\":";
  std::size_t at = json.find(mark, from);
  if (at == std::string_view::npos) return "<none>";
  at += mark.size();
  if (json[at] == '"') return std::string(json.substr(at + 1, json.find('"', at + 1) - at - 1));
  std::size_t end = at;
  for (int depth = 0; end < json.size(); ++end) {
    const char c = json[end];
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth-- == 0) break;
    if (c == ',' && depth == 0) break;
  }
  return std::string(json.substr(at, end - at));
}

class Certificates {
 public:
  static const std::string& folder() {
    static const Certificates made;
    return made.path_;
  }
  Certificates() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "oneclick-paper-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    EXPECT_EQ(net::write_test_certificates(path_, "localhost"), "");
  }
  ~Certificates() { std::filesystem::remove_all(path_); }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

 private:
  std::string path_;
};

inline PaperSymbol paper_symbol(const std::string& name, const char* bid, const char* ask) {
  PaperSymbol s{};
  s.symbol = name;
  s.tick = Decimal::of("0.01");
  s.step = s.quantity_min = Decimal::of("0.00001");
  s.quantity_max = Decimal::of("9000");
  s.market_quantity_max = Decimal::of("100");
  s.notional_min = Decimal::of("5");
  s.price_max = Decimal::of("1000000");
  s.bid = Decimal::of(bid);
  s.ask = Decimal::of(ask);
  s.bid_quantity = s.ask_quantity = Decimal::of("5");
  return s;
}

class PaperTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t second = 1'000'000'000;

  // One WebSocket connection and all it was sent.
  struct Socket {
    std::unique_ptr<net::WsClient> client;
    std::vector<std::string> messages;
    bool open = false, closed = false;
    std::string why;
  };

  PaperTest() : ed_key(Ed25519Key::generate()) {
    config.port = 0;
    config.certificate_file = Certificates::folder() + "/cert.pem";
    config.key_file = Certificates::folder() + "/key.pem";
    config.symbols = {paper_symbol("BTC/USDT", "60000", "60001"),
                      paper_symbol("ETH/USDT", "3000", "3001")};
    for (const std::string name : {"alice", "bob"})
      config.accounts.push_back(
          {.id = name,
           .api_key = "key-" + name,
           .api_secret = "secret-" + name,
           .public_key = "",
           .balances = {{"USDT", Decimal::of("1000000")}, {"BTC", Decimal::of("10")}}});
    config.accounts.push_back({.id = "ed",
                               .api_key = "key-ed",
                               .api_secret = "",
                               .public_key = ed_key.public_pem(),
                               .balances = {{"USDT", Decimal::of("1000")}}});
    config.admin_token = "admin-token";
  }

  void start() {
    auto started = PaperExchange::start(reactor, config);
    ASSERT_TRUE(started) << (started ? "" : started.error());
    exchange = std::move(*started);
    http = net::HttpClient::make(reactor, tls, url("https", "/"), {});
  }
  [[nodiscard]] net::Url url(const std::string& scheme, const std::string& target) const {
    return {.scheme = scheme,
            .host = "localhost",
            .port = std::to_string(exchange->port()),
            .target = target};
  }
  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ns = 20 * second) {
    const std::int64_t end = steady_now_ns() + limit_ns;
    while (!condition()) {
      if (steady_now_ns() > end) return false;
      reactor.wait(2'000'000);
    }
    return true;
  }
  static std::int64_t now_ms() { return wall_now_ns() / 1'000'000; }

  // ---- REST ----
  net::HttpResponse request(net::HttpRequest r) {
    std::optional<net::HttpResponse> out;
    http->send(std::move(r), [&](net::HttpResponse response) { out = std::move(response); });
    EXPECT_TRUE(run_until([&] { return out.has_value(); }));
    return out.value_or(net::HttpResponse{});
  }
  net::HttpResponse get(const std::string& target) {
    return request({.target = target, .headers = {}, .body = ""});
  }
  [[nodiscard]] std::string sign(const std::string& who, const std::string& text) const {
    return who == "ed" ? to_base64(ed_key.sign(text)) : to_hex(HmacKey("secret-" + who).sign(text));
  }
  net::HttpResponse rest(const std::string& who, const std::string& method, const std::string& path,
                         Fields fields = {}, std::int64_t timeout_ns = 10 * second) {
    if (!fields.contains("timestamp")) fields["timestamp"] = std::to_string(now_ms());
    std::string query = joined(fields);
    std::string signature;
    for (const char c : sign(who, query))
      signature += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
    return request({.method = method,
                    .target = path + "?" + query + "&signature=" + signature,
                    .headers = {{"X-MBX-APIKEY", "key-" + who}},
                    .body = "",
                    .timeout_ns = timeout_ns});
  }
  net::HttpResponse admin(const std::string& method, const std::string& path,
                          const std::string& body = "") {
    return request({.method = method,
                    .target = path,
                    .headers = {{"Authorization", "Bearer admin-token"}},
                    .body = body});
  }

  // ---- WebSocket ----
  std::unique_ptr<Socket> connect(const std::string& target) {
    auto out = std::make_unique<Socket>();
    Socket* const s = out.get();
    s->client = net::WsClient::connect(
        reactor, tls, url("wss", target), {},
        {.on_open = [s] { s->open = true; },
         .on_message = [s](std::string_view m) { s->messages.emplace_back(m); },
         .on_close =
             [s](std::string_view why) {
               s->closed = true;
               s->why = why;
             }});
    EXPECT_TRUE(run_until([&] { return s->open || s->closed; }));
    EXPECT_TRUE(s->open) << s->why;
    return out;
  }
  // The first message with this text in it, from the `from`-th on; "" when none comes.
  std::string await(Socket& s, const std::string& text, std::size_t from = 0,
                    std::int64_t limit_ns = 20 * second) {
    std::string out;
    run_until(
        [&] {
          for (; from < s.messages.size(); ++from)
            if (s.messages[from].find(text) != std::string::npos) {
              out = s.messages[from];
              return true;
            }
          return false;
        },
        limit_ns);
    return out;
  }
  [[nodiscard]] std::string signed_params(const std::string& who, Fields fields) const {
    fields["apiKey"] = "key-" + who;
    if (!fields.contains("timestamp")) fields["timestamp"] = std::to_string(now_ms());
    fields["signature"] = sign(who, joined(fields));
    return json(fields);
  }
  static std::string message(const std::string& id, const std::string& method,
                             const std::string& params) {
    return fmt::format(R"({{"id":"{}","method":"{}","params":{}}})", id, method, params);
  }
  std::string ask(Socket& s, const std::string& method, const std::string& params = "{}") {
    const std::string id = "q" + std::to_string(next_id++);
    s.client->send_text(message(id, method, params));
    return await(s, "\"id\":\"" + id + "\"");
  }
  std::string ask(Socket& s, const std::string& who, const std::string& method, Fields fields) {
    return ask(s, method, signed_params(who, std::move(fields)));
  }

  static std::string joined(const Fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + name + "=" + value;
    return out;
  }
  static std::string json(const Fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields)
      out += fmt::format(R"({}"{}":"{}")", out.empty() ? "" : ",", name, value);
    return "{" + out + "}";
  }
  static Fields limit(const std::string& side, const std::string& quantity,
                      const std::string& price, const std::string& client_id = "") {
    Fields out{{"symbol", "BTCUSDT"},  {"side", side},         {"type", "LIMIT"},
               {"quantity", quantity}, {"timeInForce", "GTC"}, {"price", price}};
    if (!client_id.empty()) out["newClientOrderId"] = client_id;
    return out;
  }
  static Fields market(const std::string& side, const std::string& quantity,
                       const std::string& client_id = "") {
    Fields out{{"symbol", "BTCUSDT"}, {"side", side}, {"type", "MARKET"}, {"quantity", quantity}};
    if (!client_id.empty()) out["newClientOrderId"] = client_id;
    return out;
  }

  Ed25519Key ed_key;
  PaperConfig config;
  net::Reactor reactor;
  std::shared_ptr<net::TlsClient> tls =
      net::TlsClient::make(Certificates::folder() + "/ca.pem").value();
  std::unique_ptr<PaperExchange> exchange;
  std::unique_ptr<net::HttpClient> http;
  int next_id = 1;
};

}  // namespace oneclick::paper
