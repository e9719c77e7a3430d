#include "connectors/net/ws_client.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "connectors/net/dial.hpp"
#include "connectors/net/http_text.hpp"
#include "connectors/net/wire.hpp"
#include "connectors/net/ws_frame.hpp"
#include "engine/base/crypto.hpp"
#include "engine/base/limits.hpp"

namespace oneclick::net {
namespace {

constexpr std::size_t upgrade_bytes_max = 16 * 1024;
constexpr int pings_unanswered_max = 2;
constexpr std::int64_t close_wait_ns = 2'000'000'000;  // for the peer's half of the close

// Value of a header in a block of "Name: value\r\n" lines; "" when absent.
std::string_view find_line(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(std::min(lines.size(), line.size() + 2));
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && equal_no_case(line.substr(0, colon), name)) {
      return trim_blanks(line.substr(colon + 1));
    }
  }
  return {};
}

// Empty when the answer opens the WebSocket we asked for.
std::string check_upgrade(std::string_view head, const std::string& accept) {
  const std::string_view status = head.substr(0, head.find("\r\n"));
  if (!status.starts_with("HTTP/1.1 101")) return "upgrade refused: " + std::string(status);
  const std::string_view lines = head.substr(std::min(head.size(), status.size() + 2));
  if (!equal_no_case(find_line(lines, "upgrade"), "websocket")) return "no Upgrade: websocket";
  if (find_line(lines, "sec-websocket-accept") != accept) return "wrong Sec-WebSocket-Accept";
  if (!find_line(lines, "sec-websocket-extensions").empty()) return "extension not asked for";
  return {};
}

class WsSession final : public WireOwner, public std::enable_shared_from_this<WsSession> {
 public:
  WsSession(Reactor& reactor, std::shared_ptr<TlsClient> tls, Url url, WsClientOptions options,
            WsClientHandlers handlers)
      : reactor_(reactor),
        tls_(std::move(tls)),
        url_(std::move(url)),
        options_(std::move(options)),
        handlers_(std::make_shared<const WsClientHandlers>(std::move(handlers))),
        timer_(reactor.make_timer()) {}

  // --- connect, handshake, upgrade
  void start() {
    timer_->start(options_.handshake_timeout_ns, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->die("handshake timeout");
    });
    if (is_tls() && tls_ == nullptr) {
      die("no TLS settings for " + url_.scheme + "://");
      return;
    }
    std::string host = url_.host;
    std::string port = url_.port;
    if (!options_.connect_to.empty()) split_host_port(options_.connect_to, host, port);
    dial_ = std::make_shared<Dial>(reactor_.impl());
    dial_->start(host, port, options_.local_address, [weak = weak_from_this()](auto socket) {
      const auto self = weak.lock();
      if (!self) return;
      if (socket) {
        self->on_connected(std::move(*socket));
      } else {
        self->die(socket.error());
      }
    });
  }

  void on_wire_ready() override {
    std::array<std::uint8_t, 16> nonce{};
    random_bytes(nonce);
    const std::string key = to_base64(nonce);
    accept_ = ws_accept_value(key);
    const bool plain_port = url_.port == (is_tls() ? "443" : "80");
    const std::string host =
        url_.host.find(':') == std::string::npos ? url_.host : "[" + url_.host + "]";
    std::string request = "GET " + url_.target + " HTTP/1.1\r\nHost: " + host +
                          (plain_port ? std::string() : ":" + url_.port) +
                          "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nUser-Agent: oneclick\r\n"
                          "Sec-WebSocket-Key: " +
                          key + "\r\n";
    for (const auto& [name, value] : options_.headers) request += name + ": " + value + "\r\n";
    wire_->append(request + "\r\n");
    wire_->flush();
  }

  void on_wire_data() override {
    const auto self = shared_from_this();
    if (state_ == State::upgrading && !read_upgrade()) return;
    pings_unanswered_ = 0;  // whatever comes proves the peer alive
    read_frames();
  }

  void on_wire_end(const std::string& why) override { die_now(why); }

  // --- what the facade offers
  [[nodiscard]] bool is_open() const { return state_ == State::open && !wire_->broken(); }

  char* reserve(std::size_t max_bytes) {
    Buffer& out = is_open() ? wire_->out() : discarded_;
    reserved_header_ = ws_header_bytes(max_bytes, true);
    reserved_at_ = out.prepare(reserved_header_ + max_bytes);
    return reserved_at_ + reserved_header_;
  }

  void commit(std::size_t bytes) {
    if (!is_open()) return;
    const std::size_t header = ws_header_bytes(bytes, true);
    char* payload = reserved_at_ + header;
    if (header != reserved_header_) std::memmove(payload, reserved_at_ + reserved_header_, bytes);
    const std::uint32_t mask = masks_.next();
    ws_write_header(reserved_at_, WsOpcode::text, bytes, true, mask);
    ws_apply_mask(payload, bytes, mask);
    wire_->commit(header + bytes);
  }

  std::size_t flush() {
    if (!wire_) return 0;
    wire_->flush();
    return wire_->backlog();
  }
  [[nodiscard]] std::size_t backlog() const { return wire_ ? wire_->backlog() : 0; }
  [[nodiscard]] std::uint64_t committed() const {
    return wire_ ? wire_->committed_total() - opened_at_ : 0;
  }
  [[nodiscard]] std::uint64_t written() const {
    return wire_ && wire_->written_total() > opened_at_ ? wire_->written_total() - opened_at_ : 0;
  }
  bool poll_read() { return wire_ && wire_->poll_read(); }

  void close(std::uint16_t code, std::string_view reason) {
    if (state_ == State::closing) return;
    if (!is_open()) {
      die("closed before it was open");
      return;
    }
    send_control(WsOpcode::close, ws_close_payload(code, reason));
    state_ = State::closing;
    timer_->start(close_wait_ns, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->die("closed; the peer did not answer");
    });
  }

  // The owner is gone: no handler is called any more.
  void abandon() {
    quiet_ = true;
    die_now({});
    forget_handlers();
  }

 private:
  enum class State { connecting, upgrading, open, closing, dead };

  [[nodiscard]] bool is_tls() const { return url_.scheme == "wss" || url_.scheme == "https"; }

  void on_connected(boost::asio::ip::tcp::socket socket) {
    auto engine = is_tls() ? TlsEngine::for_client(*tls_, url_.host) : nullptr;
    wire_ =
        std::make_shared<Wire>(std::move(socket), std::move(engine), options_.write_chunk_bytes);
    state_ = State::upgrading;
    wire_->start(this);
  }

  // True when the WebSocket is open (or was closed by its handler).
  bool read_upgrade() {
    const std::string_view text = wire_->in().view();
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      if (text.size() > upgrade_bytes_max) die("upgrade refused: answer too long");
      return false;
    }
    const std::string problem = check_upgrade(text.substr(0, end + 2), accept_);
    if (!problem.empty()) {
      die(problem);
      return false;
    }
    wire_->in().consume(end + 4);
    state_ = State::open;
    opened_at_ = wire_->committed_total();
    arm_ping();
    if (handlers_->on_open) handlers_->on_open();
    return state_ == State::open || state_ == State::closing;
  }

  void read_frames() {
    while ((state_ == State::open || state_ == State::closing) && !wire_->ended()) {
      const WsReader::Result result = reader_.next(wire_->in());
      if (result.step == WsReader::Step::incomplete) return;
      handle(result);
      reader_.release(wire_->in());
    }
  }

  void handle(const WsReader::Result& result) {
    switch (result.step) {
      case WsReader::Step::message:
        if (state_ == State::open && handlers_->on_message) handlers_->on_message(result.payload);
        break;
      case WsReader::Step::ping:
        if (state_ == State::open) send_control(WsOpcode::pong, result.payload);
        break;
      case WsReader::Step::close:
        on_peer_close(result);
        break;
      case WsReader::Step::violation:
        send_control(WsOpcode::close, ws_close_payload(result.close_code, result.problem));
        die(std::string("protocol error: ") + result.problem);
        break;
      case WsReader::Step::pong:
      case WsReader::Step::incomplete:
        break;
    }
  }

  void on_peer_close(const WsReader::Result& result) {
    const std::uint16_t code = result.close_code == 1005 ? 1000 : result.close_code;
    if (state_ == State::open) send_control(WsOpcode::close, ws_close_payload(code, {}));
    die("closed by the peer: " + std::to_string(result.close_code) + " " +
        std::string(result.payload));
  }

  // Control frames go through the one writer: never inside another frame or record.
  void send_control(WsOpcode opcode, std::string_view payload) {
    if (wire_->ended()) return;
    wire_->commit(ws_lay_frame(wire_->out(), opcode, payload, &masks_));
    wire_->flush();
  }

  void arm_ping() {
    if (options_.ping_interval_ns <= 0) {
      timer_->cancel();
      return;
    }
    timer_->start(options_.ping_interval_ns, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->on_ping_time();
    });
  }

  void on_ping_time() {
    if (!is_open()) return;
    if (pings_unanswered_ >= pings_unanswered_max) {
      die("silent: pings are not answered");
      return;
    }
    ++pings_unanswered_;
    send_control(WsOpcode::ping, {});
    arm_ping();
  }

  // The end is told from the event loop, never from within a call of the owner's.
  void die(std::string why) {
    if (state_ == State::dead) return;
    release_parts();
    reactor_.post([self = shared_from_this(), why = std::move(why)] { self->tell(why); });
  }
  void die_now(const std::string& why) {
    if (state_ == State::dead) return;
    release_parts();
    tell(why);
  }
  void release_parts() {
    state_ = State::dead;
    timer_->cancel();
    if (dial_) dial_->cancel();
    if (wire_) wire_->drop();
  }
  void tell(const std::string& why) {
    if (!std::exchange(quiet_, true) && handlers_->on_close) handlers_->on_close(why);
    forget_handlers();
  }
  // Later: one of them may be running.
  void forget_handlers() {
    if (handlers_) reactor_.post([handlers = std::move(handlers_)] {});
  }

  Reactor& reactor_;
  const std::shared_ptr<TlsClient> tls_;
  const Url url_;
  const WsClientOptions options_;
  std::shared_ptr<const WsClientHandlers> handlers_;
  std::unique_ptr<Reactor::Timer> timer_;
  std::shared_ptr<Dial> dial_;
  std::shared_ptr<Wire> wire_;
  WsMasks masks_;
  WsReader reader_{WsReader::Role::client, limits::ws_message_bytes_max};
  State state_ = State::connecting;
  bool quiet_ = false;  // no handler is called any more
  std::string accept_;
  std::uint64_t opened_at_ = 0;
  int pings_unanswered_ = 0;
  Buffer discarded_;  // takes what is written after the end
  char* reserved_at_ = nullptr;
  std::size_t reserved_header_ = 0;
};

class Facade final : public WsClient {
 public:
  explicit Facade(std::shared_ptr<WsSession> session) : session_(std::move(session)) {}
  ~Facade() override { session_->abandon(); }
  [[nodiscard]] bool is_open() const override { return session_->is_open(); }
  [[nodiscard]] char* reserve_message(std::size_t max_bytes) override {
    return session_->reserve(max_bytes);
  }
  void commit_message(std::size_t bytes) override { session_->commit(bytes); }
  std::size_t flush() override { return session_->flush(); }
  [[nodiscard]] std::size_t backlog_bytes() const override { return session_->backlog(); }
  [[nodiscard]] std::uint64_t committed_bytes_total() const override {
    return session_->committed();
  }
  [[nodiscard]] std::uint64_t written_bytes_total() const override { return session_->written(); }
  void send_text(std::string_view message) override {
    char* out = session_->reserve(message.size());
    std::memcpy(out, message.data(), message.size());
    session_->commit(message.size());
    session_->flush();
  }
  void close(std::uint16_t code, std::string_view reason) override {
    session_->close(code, reason);
  }
  bool poll_read() override { return session_->poll_read(); }

 private:
  std::shared_ptr<WsSession> session_;
};

}  // namespace

std::unique_ptr<WsClient> WsClient::connect(Reactor& reactor, std::shared_ptr<TlsClient> tls,
                                            const Url& url, WsClientOptions options,
                                            WsClientHandlers handlers) {
  auto session = std::make_shared<WsSession>(reactor, std::move(tls), url, std::move(options),
                                             std::move(handlers));
  session->start();
  return std::make_unique<Facade>(std::move(session));
}

}  // namespace oneclick::net
