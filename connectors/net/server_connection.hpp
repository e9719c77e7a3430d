// One connection of the server: reads HTTP requests until one of them becomes a WebSocket. Lives on
// its reactor's thread; the server sweeps deadlines over all of them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "connectors/net/http_parse.hpp"
#include "connectors/net/server.hpp"
#include "connectors/net/wire.hpp"
#include "connectors/net/ws_frame.hpp"

namespace oneclick::net {

// What a connection needs of its server, outliving it.
struct ServerShared {
  Reactor& reactor;
  const ServerOptions options;
  const ServerHandlers handlers;
};

class ServerConnection final : public WireOwner,
                               public WsPeer,
                               public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(std::shared_ptr<ServerShared> shared, std::shared_ptr<Wire> wire,
                   std::string remote_address, std::uint64_t id);

  void start();
  // Applies the limits of time. Called about four times per shortest limit.
  void sweep(std::int64_t now_ns);
  // Ends at once; no handler is called.
  void drop();
  [[nodiscard]] bool ended() const { return state_ == State::ended; }

  void on_wire_ready() override;
  void on_wire_data() override;
  void on_wire_end(const std::string& why) override;

  bool send(std::string message) override;
  void close(std::uint16_t code, std::string_view reason) override;
  void abort() override;
  void ping() override;
  [[nodiscard]] std::string remote_address() const override { return remote_address_; }
  [[nodiscard]] std::uint64_t id() const override { return id_; }

 private:
  enum class State {
    handshake,  // TLS
    request,    // waiting for a request, or in the middle of one
    answering,  // the handler has it
    websocket,
    ws_closing,  // our close frame is out
    draining,    // the last answer is out; waiting for the peer to close
    ended,
  };

  // HTTP
  void read_requests();
  bool read_one();
  void on_complete(ServerRequest request);
  void upgrade(const ServerRequest& request);
  void answer(const ServerResponse& response, bool keep_alive);
  void refuse(int status, const char* title);
  void finish();
  // WebSocket
  void read_frames();
  void handle(const WsReader::Result& result);
  void send_control(WsOpcode opcode, std::string_view payload);
  void flush_soon();
  void end(bool tell);
  void set_deadline(std::int64_t after_ns);
  void sweep_websocket(std::int64_t now_ns);

  const std::shared_ptr<ServerShared> shared_;
  std::shared_ptr<Wire> wire_;
  const std::string remote_address_;
  const std::uint64_t id_;
  State state_ = State::handshake;
  std::int64_t deadline_ns_ = 0;  // monotonic; passed: the state's limit of time is reached
  // HTTP
  RequestParser parser_;
  bool in_request_ = false;
  bool keep_alive_ = true;
  bool head_ = false;
  bool reading_ = false;  // in read_requests: answers given at once do not enter it again
  std::int64_t first_byte_ns_ = 0;
  // WebSocket
  std::optional<WsReader> reader_;
  std::shared_ptr<const WsAccept> socket_;
  std::int64_t heard_ns_ = 0;
  std::int64_t ping_due_ns_ = 0;
  bool corked_ = false;  // handling what was read: one flush at the end
  bool flush_posted_ = false;
};

}  // namespace oneclick::net
