// A person at the exchange: signed REST requests, as any client of the venue would send them.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "engine/app/demo_actors.hpp"
#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick {

class ExchangeClient {
 public:
  ExchangeClient(Stage& stage, const demo::Trader& trader)
      : reactor_(stage.reactor()),
        client_(net::HttpClient::make(stage.reactor(), stage.tls(), stage.exchange_url(), {})),
        api_key_(trader.api_key),
        key_(trader.secret) {}

  // The answer's body. Error: what the exchange said instead.
  std::expected<std::string, std::string> call(const std::string& method, const std::string& path,
                                               std::string query) {
    query += fmt::format("{}timestamp={}", query.empty() ? "" : "&", wall_now_ns() / 1'000'000);
    net::HttpRequest request;
    request.method = method;
    request.target = fmt::format("{}?{}&signature={}", path, query, to_hex(key_.sign(query)));
    request.headers = {{"X-MBX-APIKEY", api_key_}};
    const auto response = demo::fetch(reactor_, *client_, std::move(request));
    if (!response) return std::unexpected(response.error());
    if (response->status != 200)
      return std::unexpected(fmt::format("{}: {}", response->status, response->body));
    return response->body;
  }
  std::expected<std::string, std::string> market(const std::string& symbol, Side side,
                                                 const std::string& quantity) {
    return call("POST", "/api/v3/order",
                fmt::format("symbol={}&side={}&type=MARKET&quantity={}", symbol,
                            side == Side::buy ? "BUY" : "SELL", quantity));
  }
  std::expected<std::string, std::string> rest(const std::string& symbol, Side side,
                                               const std::string& quantity,
                                               const std::string& price, const std::string& id) {
    return call("POST", "/api/v3/order",
                fmt::format("symbol={}&side={}&type=LIMIT&timeInForce=GTC&quantity={}&price={}&"
                            "newClientOrderId={}",
                            symbol, side == Side::buy ? "BUY" : "SELL", quantity, price, id));
  }
  std::expected<std::string, std::string> cancel(const std::string& symbol, const std::string& id) {
    return call("DELETE", "/api/v3/order",
                fmt::format("symbol={}&origClientOrderId={}", symbol, id));
  }
  // Free and locked together; empty: none.
  std::expected<std::string, std::string> account() { return call("GET", "/api/v3/account", ""); }

 private:
  net::Reactor& reactor_;
  std::unique_ptr<net::HttpClient> client_;
  std::string api_key_;
  HmacKey key_;
};

}  // namespace oneclick
