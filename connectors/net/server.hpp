// HTTP and WebSocket server, plain or TLS, on Boost.Beast. Lives on its reactor's thread: all
// handlers run there. Slow, oversized and malformed input is answered and closed here, by the
// limits given.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"

namespace oneclick::net {

struct ServerRequest {
  std::string method;
  std::string target;  // as sent, path and query
  std::string path;    // percent-encoded as sent, without the query
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in order
  std::string body;
  std::string remote_address;
  std::int64_t received_ns;  // CLOCK_MONOTONIC of the first byte
  // First value of a header by lower-case name; "" when absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::size_t header_count(std::string_view name) const;
};

struct ServerResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool close = false;  // drop the connection after it; with status 0: drop it without any answer
};

// Answers one request, now or later, once, on the reactor's thread. Safe to call after the
// connection is gone. Copyable.
using Respond = std::function<void(ServerResponse)>;

// One WebSocket connection on the server's side.
class WsPeer {
 public:
  virtual ~WsPeer() = default;
  // Queues a text message. False when the peer's queue is over its bound: the caller closes or
  // drops.
  virtual bool send(std::string message) = 0;
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  // Cuts the connection without a close frame (for scripted misbehaviour).
  virtual void abort() = 0;
  virtual void ping() = 0;
  [[nodiscard]] virtual std::string remote_address() const = 0;
  [[nodiscard]] virtual std::uint64_t id() const = 0;  // unique in the process
};

struct WsAccept {
  bool accepted = false;
  ServerResponse refusal;  // sent when not accepted
  std::function<void(std::shared_ptr<WsPeer>)> on_open;
  // received_ns: CLOCK_MONOTONIC when its last byte was read. The view has 64 readable bytes behind
  // it.
  std::function<void(const std::shared_ptr<WsPeer>&, std::string_view, std::int64_t received_ns)>
      on_message;
  std::function<void(const std::shared_ptr<WsPeer>&)> on_close;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;                        // 0: any free one; see Server::port()
  std::size_t header_bytes_max = 8 * 1024;       // beyond: 431
  std::size_t body_bytes_max = 64 * 1024;        // beyond: 413
  std::size_t ws_message_bytes_max = 64 * 1024;  // beyond: closed with 1009
  std::int64_t read_timeout_ns = 5'000'000'000;  // header or body not complete: 408, closed
  std::int64_t idle_timeout_ns = 60'000'000'000;
  std::size_t connections_max = 20'000;  // beyond: closed at once
  std::size_t ws_queue_bytes_max = 64 << 20;
  std::int64_t ws_ping_interval_ns = 20'000'000'000;  // 0: never; a peer silent for three is closed
};

struct ServerHandlers {
  std::function<void(ServerRequest, Respond)> on_request;
  // Asked for every upgrade; absent: all refused with 404.
  std::function<WsAccept(const ServerRequest&)> on_upgrade;
};

class Server {
 public:
  // tls null: plain. Error (address in use, no permission, ...) as text.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> listen(
      Reactor& reactor, std::shared_ptr<TlsServer> tls, ServerOptions options,
      ServerHandlers handlers);
  virtual ~Server() = default;  // stops listening and drops connections
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // Stops taking connections; those that exist go on until closed.
  virtual void stop_accepting() = 0;
  [[nodiscard]] virtual std::size_t connection_count() const = 0;
};

}  // namespace oneclick::net
