#include "connectors/net/server_connection.hpp"

#include <algorithm>
#include <utility>

#include "connectors/net/http_text.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::net {
namespace {

constexpr std::int64_t drain_ns_max = 1'000'000'000;       // for the peer to read our last answer
constexpr std::int64_t ws_close_ns_max = 2'000'000'000;    // for the peer's half of the close
constexpr std::int64_t silent_release_ns = 1'000'000'000;  // then buffers give their memory back
constexpr std::int64_t no_deadline = INT64_MAX;
// Bytes of further requests that may wait while one is answered.
constexpr std::size_t pipelined_bytes_max = 256 * 1024;

std::string head_of(const ServerResponse& response, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out += status_text(response.status);
  out += "\r\n";
  const bool has_body = response.status != 204 && response.status != 304;
  if (has_body) {
    if (!response.content_type.empty()) out += "Content-Type: " + response.content_type + "\r\n";
    out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  }
  for (const auto& [name, value] : response.headers) {
    if (is_header_safe(name) && is_header_safe(value)) out += name + ": " + value + "\r\n";
  }
  out += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return out;
}

bool asks_for_websocket(const ServerRequest& request) {
  return equal_no_case(request.header("upgrade"), "websocket") &&
         has_token(request.header("connection"), "upgrade");
}

// Empty when the upgrade request is well formed (RFC 6455 section 4.2.1).
const char* upgrade_problem(const ServerRequest& request) {
  if (request.method != "GET") return "a WebSocket begins with GET";
  if (request.header("sec-websocket-version") != "13") return "Sec-WebSocket-Version must be 13";
  if (request.header("sec-websocket-key").size() != 24) return "Sec-WebSocket-Key is malformed";
  if (!request.body.empty()) return "an upgrade has no body";
  return "";
}

ServerResponse problem(int status, const char* detail) {
  ServerResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = "{\"type\":\"about:blank\",\"title\":\"" + std::string(status_text(status)) +
                  "\",\"status\":" + std::to_string(status) + ",\"detail\":\"" + detail + "\"}";
  return response;
}

}  // namespace

std::string_view ServerRequest::header(std::string_view name) const {
  return find_header(headers, name);
}

std::size_t ServerRequest::header_count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; }));
}

ServerConnection::ServerConnection(std::shared_ptr<ServerShared> shared, std::shared_ptr<Wire> wire,
                                   std::string remote_address, std::uint64_t id)
    : shared_(std::move(shared)),
      wire_(std::move(wire)),
      remote_address_(std::move(remote_address)),
      id_(id),
      parser_(shared_->options.header_bytes_max, shared_->options.body_bytes_max) {}

void ServerConnection::set_deadline(std::int64_t after_ns) {
  deadline_ns_ = monotonic_now_ns() + after_ns;
}

void ServerConnection::start() {
  set_deadline(shared_->options.read_timeout_ns);
  wire_->start(this);
}

void ServerConnection::drop() {
  end(false);
}

void ServerConnection::end(bool tell) {
  if (state_ == State::ended) return;
  const bool was_websocket = state_ == State::websocket || state_ == State::ws_closing;
  state_ = State::ended;
  wire_->drop();
  if (!was_websocket) return;
  // Later: one of the socket's handlers may be running. The task owns them, so that they go even
  // when the loop never turns again.
  shared_->reactor.post([self = shared_from_this(), socket = std::move(socket_), tell] {
    if (tell && socket->on_close) socket->on_close(self);
  });
}

void ServerConnection::sweep(std::int64_t now_ns) {
  if (state_ == State::websocket) {
    sweep_websocket(now_ns);
    return;
  }
  if (state_ == State::request && !in_request_) wire_->release_memory();
  if (now_ns < deadline_ns_) return;
  if (state_ == State::request && in_request_) {
    refuse(408, "the request was not complete in time");
  } else {
    end(true);
  }
}

// --- HTTP

void ServerConnection::on_wire_ready() {
  if (state_ != State::handshake) return;
  state_ = State::request;
  set_deadline(shared_->options.read_timeout_ns);  // for the first byte, too
}

void ServerConnection::on_wire_data() {
  const auto self = shared_from_this();
  on_wire_ready();
  if (state_ == State::request) {
    read_requests();
  } else if (state_ == State::websocket || state_ == State::ws_closing) {
    read_frames();
  }
  if (state_ == State::answering && wire_->in().size() > pipelined_bytes_max) {
    wire_->pause_reading(true);
  }
}

void ServerConnection::on_wire_end(const std::string&) {
  end(true);
}

void ServerConnection::read_requests() {
  if (reading_) return;
  reading_ = true;
  while (state_ == State::request && read_one()) {
  }
  reading_ = false;
  if (state_ == State::websocket) read_frames();
  if (state_ != State::ended) wire_->flush();
}

// False when more bytes are needed, or nothing more is to be read.
bool ServerConnection::read_one() {
  if (wire_->in().empty()) return false;
  if (!in_request_) {
    in_request_ = true;
    first_byte_ns_ = wire_->read_ns();
    set_deadline(shared_->options.read_timeout_ns);
  }
  switch (parser_.next(wire_->in())) {
    case RequestParser::Step::incomplete:
      if (parser_.take_expects_continue()) {
        wire_->append("HTTP/1.1 100 Continue\r\n\r\n");
      }
      return false;
    case RequestParser::Step::failed:
      refuse(parser_.status(), parser_.problem());
      return false;
    case RequestParser::Step::done:
      in_request_ = false;
      keep_alive_ = parser_.keep_alive();
      on_complete(parser_.take_request());
      return true;
  }
  return false;
}

void ServerConnection::on_complete(ServerRequest request) {
  request.remote_address = remote_address_;
  request.received_ns = first_byte_ns_;
  state_ = State::answering;
  deadline_ns_ = no_deadline;  // the handler has its own limits
  head_ = request.method == "HEAD";
  if (asks_for_websocket(request)) {
    upgrade(request);
    return;
  }
  if (!shared_->handlers.on_request) {
    answer(problem(404, "nothing here"), keep_alive_);
    return;
  }
  shared_->handlers.on_request(
      std::move(request),
      [weak = weak_from_this(), told = std::make_shared<bool>(false)](ServerResponse response) {
        const auto self = weak.lock();
        if (std::exchange(*told, true) || !self || self->state_ != State::answering) return;
        self->answer(response, self->keep_alive_);
        self->read_requests();
      });
}

void ServerConnection::answer(const ServerResponse& response, bool keep_alive) {
  if (response.status == 0) {
    end(false);
    return;
  }
  const bool goes_on = keep_alive && !response.close;
  wire_->append(head_of(response, goes_on));
  if (!head_ && response.status != 204 && response.status != 304) wire_->append(response.body);
  if (!goes_on) {
    finish();
    return;
  }
  state_ = State::request;
  set_deadline(shared_->options.idle_timeout_ns);
  wire_->pause_reading(false);
}

void ServerConnection::refuse(int status, const char* detail) {
  state_ = State::answering;
  head_ = false;
  answer(problem(status, detail), false);
}

// The answer must reach a peer that may still be sending: closing at once would reset it away.
void ServerConnection::finish() {
  state_ = State::draining;
  set_deadline(drain_ns_max);
  wire_->finish();
}

// --- WebSocket

void ServerConnection::upgrade(const ServerRequest& request) {
  if (const char* detail = upgrade_problem(request); *detail != '\0') {
    answer(problem(400, detail), false);
    return;
  }
  WsAccept accept;
  if (shared_->handlers.on_upgrade) {
    accept = shared_->handlers.on_upgrade(request);
  } else {
    accept.refusal = problem(404, "nothing here");
  }
  if (!accept.accepted) {
    if (accept.refusal.status == 200) accept.refusal = problem(403, "refused");
    answer(accept.refusal, keep_alive_);
    return;
  }
  wire_->append(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      ws_accept_value(request.header("sec-websocket-key")) + "\r\n\r\n");
  state_ = State::websocket;
  reader_.emplace(WsReader::Role::server, shared_->options.ws_message_bytes_max);
  socket_ = std::make_shared<const WsAccept>(std::move(accept));
  heard_ns_ = monotonic_now_ns();
  ping_due_ns_ = heard_ns_ + shared_->options.ws_ping_interval_ns;
  wire_->flush();
  if (socket_->on_open) socket_->on_open(shared_from_this());
}

void ServerConnection::sweep_websocket(std::int64_t now_ns) {
  const std::int64_t interval = shared_->options.ws_ping_interval_ns;
  if (now_ns - heard_ns_ > silent_release_ns) wire_->release_memory();
  if (interval <= 0) return;
  if (now_ns - heard_ns_ > 3 * interval) {
    end(true);
  } else if (now_ns >= ping_due_ns_) {
    ping_due_ns_ = now_ns + interval;
    send_control(WsOpcode::ping, {});
  }
}

void ServerConnection::read_frames() {
  heard_ns_ = wire_->read_ns();
  corked_ = true;
  while (state_ == State::websocket || state_ == State::ws_closing) {
    const WsReader::Result result = reader_->next(wire_->in());
    if (result.step == WsReader::Step::incomplete) break;
    handle(result);
    if (state_ != State::ended) reader_->release(wire_->in());
  }
  corked_ = false;
  if (state_ != State::ended) wire_->flush();
}

void ServerConnection::handle(const WsReader::Result& result) {
  switch (result.step) {
    case WsReader::Step::message:
      if (state_ == State::websocket && socket_->on_message) {
        socket_->on_message(shared_from_this(), result.payload, heard_ns_);
      }
      break;
    case WsReader::Step::ping:
      // A flood of pings from a peer that reads nothing must not fill our memory.
      if (wire_->backlog() > shared_->options.ws_queue_bytes_max) {
        end(true);
      } else if (state_ == State::websocket) {
        send_control(WsOpcode::pong, result.payload);
      }
      break;
    case WsReader::Step::close:
      if (state_ == State::websocket) {
        send_control(WsOpcode::close,
                     ws_close_payload(result.close_code == 1005 ? 1000 : result.close_code, {}));
      }
      wire_->flush();
      end(true);
      break;
    case WsReader::Step::violation:
      send_control(WsOpcode::close, ws_close_payload(result.close_code, result.problem));
      wire_->flush();
      state_ = State::ws_closing;
      set_deadline(drain_ns_max);
      wire_->finish();
      break;
    case WsReader::Step::pong:
    case WsReader::Step::incomplete:
      break;
  }
}

void ServerConnection::send_control(WsOpcode opcode, std::string_view payload) {
  wire_->commit(ws_lay_frame(wire_->out(), opcode, payload, nullptr));
  flush_soon();
}

// What one turn of the loop sends leaves together.
void ServerConnection::flush_soon() {
  if (corked_ || flush_posted_) return;
  flush_posted_ = true;
  shared_->reactor.post([self = shared_from_this()] {
    self->flush_posted_ = false;
    if (self->state_ != State::ended) self->wire_->flush();
  });
}

bool ServerConnection::send(std::string message) {
  if (state_ != State::websocket) return false;
  if (wire_->backlog() + message.size() > shared_->options.ws_queue_bytes_max) return false;
  wire_->commit(ws_lay_frame(wire_->out(), WsOpcode::text, message, nullptr));
  flush_soon();
  return true;
}

void ServerConnection::close(std::uint16_t code, std::string_view reason) {
  if (state_ != State::websocket) return;
  send_control(WsOpcode::close, ws_close_payload(code, reason));
  state_ = State::ws_closing;
  set_deadline(ws_close_ns_max);
}

void ServerConnection::abort() {
  end(true);
}

void ServerConnection::ping() {
  if (state_ == State::websocket) send_control(WsOpcode::ping, {});
}

}  // namespace oneclick::net
