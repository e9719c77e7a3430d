// The demo's people: a leader who trades on the exchange through its ordinary REST interface, and a
// bot that sends signals over the engine's WebSocket ingress. Both run on a reactor of their own
// thread.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "connectors/net/http_client.hpp"
#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"
#include "connectors/net/ws_client.hpp"
#include "engine/app/demo_world.hpp"

namespace oneclick::demo {

// One HTTPS request, waited for. Error: transport or timeout.
[[nodiscard]] std::expected<net::HttpResponse, std::string> fetch(net::Reactor& reactor,
                                                                  net::HttpClient& client,
                                                                  net::HttpRequest request);

class Leader {
 public:
  Leader(net::Reactor& reactor, std::shared_ptr<net::TlsClient> tls, const net::Url& exchange,
         const Trader& trader);
  // A market order, as any client of the venue would send it. Error: what the venue answered.
  [[nodiscard]] std::expected<void, std::string> trade(const std::string& venue_symbol, Side side,
                                                       const std::string& quantity);
  // A signed request with these parameters. Error: what the venue answered instead of 200.
  [[nodiscard]] std::expected<std::string, std::string> call(const std::string& method,
                                                             const std::string& path,
                                                             const std::string& parameters);

 private:
  net::Reactor& reactor_;
  std::unique_ptr<net::HttpClient> client_;
  std::string api_key_;
  HmacKey key_;
};

class Bot {
 public:
  Bot(net::Reactor& reactor, std::shared_ptr<net::TlsClient> tls, const net::Url& stream,
      std::string token, const World& world);
  // Waits until the connection is open. Error: why it is not.
  [[nodiscard]] std::expected<void, std::string> open();
  // Publishes a signal and waits for its acknowledgement. `more`: further members of the message.
  // Error: the answer that was not an acknowledgement.
  [[nodiscard]] std::expected<void, std::string> publish(const std::string& symbol,
                                                         const std::string& signal_type,
                                                         const std::string& quantity,
                                                         const std::string& more = "");

 private:
  // Runs the reactor until the condition holds.
  [[nodiscard]] bool wait_until(const std::function<bool()>& condition);

  net::Reactor& reactor_;
  std::shared_ptr<net::TlsClient> tls_;
  net::Url stream_;
  std::string token_;
  ChannelId channel_;
  std::unique_ptr<net::WsClient> client_;
  bool is_open_ = false;
  std::string closed_because_;
  std::vector<std::string> messages_;
};

}  // namespace oneclick::demo
