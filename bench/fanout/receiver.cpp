#include "bench/fanout/receiver.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "bench/common/machine.hpp"
#include "bench/fanout/receiver_control.hpp"
#include "bench/fanout/venue.hpp"
#include "bench/fanout/wire.hpp"
#include "engine/base/check.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::bench {

namespace {

constexpr std::size_t read_bytes = 64 * 1024;
// Room for the largest burst, made and touched before it: growing would cost milliseconds during
// it.
constexpr std::size_t burst_bytes = 8 << 20;
constexpr std::int64_t tick_interval_ns = 200'000'000;
constexpr int epoll_events_max = 64;

enum class Stage : std::uint8_t { handshake, http, api, stream };

struct Connection {
  int fd = -1;
  Tls tls;
  Stage stage = Stage::handshake;
  bool combined = false;  // market stream messages come in an envelope
  std::vector<char> in;   // grows; bytes before `at` are done with
  std::size_t size = 0;
  std::size_t at = 0;  // first byte of the first frame not yet seen
  std::string out;
  std::size_t out_at = 0;
  std::vector<int> subscriptions;  // party by subscription id
  bool dead = false;
};

// A frame that came during a burst, looked at afterwards.
struct Held {
  Connection* connection;
  std::size_t offset;
  Frame frame;
  std::int64_t time_ns;
};

struct Subscription {
  Connection* connection = nullptr;
  std::uint32_t id = 0;
};

class Process {
 public:
  Process(const ReceiverOptions& options, int control)
      : control_(control),
        context_(server_context(options.dir + "/cert.pem", options.dir + "/key.pem")),
        rules_(options.parties),
        subscribed_(options.parties) {
    listen();
    held_.reserve(options.parties + 64);
  }

  int run() {
    const Ready ready{port_};
    if (send(control_, &ready, sizeof ready, 0) != sizeof ready) return 1;
    while (!stopping_) turn();
    return 0;
  }

 private:
  void listen() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    CHECK(bind(listener_, generic, size) == 0 && ::listen(listener_, 256) == 0);
    CHECK(getsockname(listener_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD, nullptr);
    watch(control_, EPOLLIN, EPOLL_CTL_ADD, &control_);
  }

  void watch(int fd, std::uint32_t events, int operation, void* what) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = what;
    CHECK(epoll_ctl(epoll_, operation, fd, &event) == 0);
  }

  void turn() {
    epoll_event events[epoll_events_max];
    const int wait_ms = armed_ ? 0 : 20;
    const int n = epoll_wait(epoll_, events, epoll_events_max, wait_ms);
    for (int i = 0; i < n; ++i) {
      void* const what = events[i].data.ptr;
      if (what == nullptr)
        accept_one();
      else if (what == &control_)
        on_control();
      else
        on_socket(*static_cast<Connection*>(what), events[i].events);
    }
    const std::int64_t now = monotonic_now_ns();
    if (armed_) {
      gaps_.look(now);
      if (now >= deadline_ns_) finish_burst();
    } else {
      tick(now);
      for (const auto& c : connections_) flush(*c);
    }
    std::erase_if(connections_, [](const auto& c) { return c->dead; });
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1, bytes = 8 << 20;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    connection->tls.reset(SSL_new(context_.get()));
    SSL_set_fd(connection->tls.get(), fd);
    SSL_set_accept_state(connection->tls.get());
    connection->in.resize(read_bytes);
    watch(fd, EPOLLIN, EPOLL_CTL_ADD, connection.get());
    connections_.push_back(std::move(connection));
  }

  void drop(Connection& c) {
    if (c.dead) return;
    c.dead = true;
    for (Subscription& s : subscribed_)
      if (s.connection == &c) s = {};
    std::erase_if(held_, [&](const Held& h) { return h.connection == &c; });
    looked_ = std::min(looked_, held_.size());
    close(c.fd);
  }

  void on_socket(Connection& c, std::uint32_t events) {
    if (c.dead) return;
    if (c.stage == Stage::handshake) {
      const int done = SSL_do_handshake(c.tls.get());
      if (done == 1) {
        c.stage = Stage::http;
      } else if (SSL_get_error(c.tls.get(), done) != SSL_ERROR_WANT_READ) {
        return drop(c);
      }
      if (done != 1) return;
    }
    if ((events & EPOLLOUT) != 0) flush(c);
    read_some(c);
  }

  // Takes what there is; the clock is read after each record, before anything else is done with it.
  void read_some(Connection& c) {
    while (!c.dead) {
      if (c.in.size() - c.size < read_bytes) c.in.resize(2 * c.in.size());
      const int n = SSL_read(c.tls.get(), c.in.data() + c.size, static_cast<int>(read_bytes));
      if (n <= 0) {
        const int why = SSL_get_error(c.tls.get(), n);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) drop(c);
        return;
      }
      c.size += static_cast<std::size_t>(n);
      const std::int64_t now = monotonic_now_ns();
      if (c.stage == Stage::http) read_http(c);
      if (c.stage == Stage::api || c.stage == Stage::stream) read_frames(c, now);
    }
  }

  // ---- HTTP: GETs and upgrades
  // --------------------------------------------------------------------

  static std::string_view header_of(std::string_view head, std::string_view name) {
    for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
      at += 2;
      const std::size_t end = std::min(head.find("\r\n", at), head.size());
      const std::string_view line = head.substr(at, end - at);
      const bool same = line.size() > name.size() && line[name.size()] == ':' &&
                        strncasecmp(line.data(), name.data(), name.size()) == 0;
      if (same) {
        const std::size_t start = line.find_first_not_of(" \t", name.size() + 1);
        return start == std::string_view::npos ? std::string_view{} : line.substr(start);
      }
      at = end == head.size() ? std::string_view::npos : end;
    }
    return {};
  }

  void read_http(Connection& c) {
    while (c.stage == Stage::http) {
      const std::string_view all(c.in.data() + c.at, c.size - c.at);
      const std::size_t end = all.find("\r\n\r\n");
      if (end == std::string_view::npos) return;
      const std::string head(all.substr(0, end));
      c.at += end + 4;
      on_http(c, head);
      flush(c);
    }
  }

  void on_http(Connection& c, std::string_view head) {
    const std::size_t first = head.find(' ');
    const std::size_t second = head.find(' ', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return drop(c);
    const std::string_view target = head.substr(first + 1, second - first - 1);
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string_view key = header_of(head, "Sec-WebSocket-Key");
    if (!key.empty()) {
      c.stage = path.starts_with("/ws-api/") ? Stage::api : Stage::stream;
      c.combined = path.starts_with("/stream");
      if (c.stage == Stage::api) c.in.resize(burst_bytes);
      c.out += fmt::format(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: {}\r\n\r\n",
          accept_key(key));
      return;
    }
    std::string body = rules_.rest(path, header_of(head, "X-MBX-APIKEY"));
    const char* status = "200 OK";
    if (body.empty()) {
      status = "404 Not Found";
      body = R"({"code":-1000,"msg":"not offered here"})";
    }
    c.out += fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: "
        "{}\r\n\r\n{}",
        status, body.size(), body);
  }

  // ---- frames
  // -------------------------------------------------------------------------------------

  void read_frames(Connection& c, std::int64_t now) {
    Frame frame;
    while (read_header({c.in.data() + c.at, c.size - c.at}, frame) &&
           c.size - c.at >= frame.bytes()) {
      const std::size_t offset = c.at;
      c.at += frame.bytes();
      if (armed_ && frame.opcode == static_cast<std::uint8_t>(Opcode::text) &&
          c.stage == Stage::api) {
        held_.push_back({&c, offset, frame, now});
        continue;
      }
      on_frame(c, offset, frame);
      if (c.dead) return;
    }
    if (armed_) {
      if (held_.size() - looked_ >= missing_) look_at_held();
      return;
    }
    if (c.at == c.size) c.at = c.size = 0;
  }

  void on_frame(Connection& c, std::size_t offset, const Frame& frame) {
    const std::string_view payload = unmask(c.in.data() + offset, frame);
    switch (static_cast<Opcode>(frame.opcode)) {
      case Opcode::text:
        return on_text(c, payload);
      case Opcode::ping:
        append_frame(c.out, Opcode::pong, payload);
        return flush(c);
      case Opcode::close:
        return drop(c);
      default:
        return;
    }
  }

  void on_text(Connection& c, std::string_view json) {
    Request request;
    if (!read_request(json, request)) return drop(c);
    const int party = rules_.party_of(request.param("apiKey"));
    if (request.method == "userDataStream.subscribe.signature" && party >= 0) {
      const auto id = static_cast<std::uint32_t>(c.subscriptions.size());
      c.subscriptions.push_back(party);
      subscribed_[static_cast<std::size_t>(party)] = {&c, id};
      return append_frame(c.out, Opcode::text, VenueRules::subscribed(request, id));
    }
    if (request.method == "order.place" && party >= 0) return fill(c, party, request);
    append_frame(c.out, Opcode::text, rules_.answer(request));
  }

  void fill(Connection& c, int party, const Request& request) {
    const Subscription& heard = subscribed_[static_cast<std::size_t>(party)];
    const auto filled = rules_.fill(party, request, heard.id);
    append_frame(c.out, Opcode::text, filled.reply);
    if (heard.connection == nullptr) return;
    append_frame(heard.connection->out, Opcode::text, filled.report);
    append_frame(heard.connection->out, Opcode::text, filled.position);
  }

  void flush(Connection& c) {
    if (c.dead || c.stage == Stage::handshake) return;
    while (c.out_at < c.out.size()) {
      const std::size_t bytes = std::min<std::size_t>(c.out.size() - c.out_at, 1 << 20);
      const int n = SSL_write(c.tls.get(), c.out.data() + c.out_at, static_cast<int>(bytes));
      if (n <= 0) {
        if (SSL_get_error(c.tls.get(), n) != SSL_ERROR_WANT_WRITE) return drop(c);
        watch(c.fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD, &c);
        return;
      }
      c.out_at += static_cast<std::size_t>(n);
    }
    if (c.out_at == 0) return;
    c.out.clear();
    c.out_at = 0;
    watch(c.fd, EPOLLIN, EPOLL_CTL_MOD, &c);
  }

  void tick(std::int64_t now) {
    if (now - last_tick_ns_ < tick_interval_ns) return;
    last_tick_ns_ = now;
    const std::string ticker = VenueRules::book_ticker();
    for (const auto& c : connections_) {
      if (c->dead || c->stage != Stage::stream) continue;
      const std::string message =
          c->combined ? fmt::format(R"({{"stream":"btcusdt@bookTicker","data":{}}})", ticker)
                      : ticker;
      append_frame(c->out, Opcode::text, message);
      flush(*c);  // also when it is the last thing before a burst
    }
  }

  // ---- bursts
  // -------------------------------------------------------------------------------------

  void on_control() {
    Command command;
    const ssize_t n = recv(control_, &command, sizeof command, MSG_DONTWAIT);
    if (n == 0) stopping_ = true;
    if (n != sizeof command) return;
    if (command.kind == Command::Kind::count) {
      const auto count = static_cast<std::uint32_t>(
          std::count_if(subscribed_.begin(), subscribed_.end(),
                        [](const Subscription& s) { return s.connection != nullptr; }));
      tell(&count, sizeof count);
      return;
    }
    arm(command.burst);
  }

  void arm(const Burst& burst) {
    burst_ = burst;
    result_ = {};
    held_.clear();
    looked_ = 0;
    missing_ = burst.orders;
    accounts_seen_.assign(subscribed_.size(), false);
    ids_seen_.clear();
    order_times_.clear();
    last_tick_ns_ = 0;
    tick(monotonic_now_ns());  // a fresh price just before
    const std::uint32_t yes = 1;
    tell(&yes, sizeof yes);
    armed_ = true;
    const std::int64_t now = monotonic_now_ns();
    deadline_ns_ = now + burst.timeout_ns;
    gaps_.start(now);
  }

  // As many frames came as orders are missing. If some were something else, the rest is waited for.
  void look_at_held() {
    for (; looked_ < held_.size(); ++looked_) {
      const Held& h = held_[looked_];
      const std::string_view json = unmask(h.connection->in.data() + h.offset, h.frame);
      result_.bytes += static_cast<std::uint32_t>(h.frame.bytes());
      Request request;
      if (!read_request(json, request)) {
        problem("unreadable request");
        continue;
      }
      if (request.method != "order.place") continue;
      if (missing_ > 0) --missing_;
      ++result_.orders;
      order_times_.push_back(h.time_ns);
      check(request);
    }
    if (missing_ == 0) finish_burst();
  }

  void check(const Request& request) {
    const int party = rules_.party_of(request.param("apiKey"));
    if (party < 0) return problem("unknown apiKey");
    if (!rules_.signature_holds(party, request)) return problem("signature does not hold");
    if (request.param("symbol") != venue_symbol) return problem("another symbol");
    if (!Decimal::parse(request.param("quantity")).value_or(Decimal{}).is_positive())
      return problem("no quantity");
    if (accounts_seen_[static_cast<std::size_t>(party)])
      return problem("two orders of one account");
    accounts_seen_[static_cast<std::size_t>(party)] = true;
    if (!ids_seen_.insert(std::string(request.param("newClientOrderId"))).second)
      return problem("client order id used twice");
    ++result_.good;
  }

  void problem(std::string_view text) {
    if (result_.problem[0] != '\0') return;
    text.copy(result_.problem, sizeof result_.problem - 1);
  }

  void finish_burst() {
    armed_ = false;
    if (looked_ < held_.size()) look_at_rest();
    std::sort(order_times_.begin(), order_times_.end());
    if (!order_times_.empty()) {
      result_.first_ns = order_times_.front();
      result_.median_ns = order_times_[order_times_.size() / 2];
      result_.last_ns = order_times_.back();
    }
    result_.lost_ns = gaps_.lost_ns();
    answer_held();
    tell(&result_, sizeof result_);
  }

  // Time is over: whatever is there is counted.
  void look_at_rest() {
    const std::uint32_t missing = missing_;
    missing_ = UINT32_MAX;  // look_at_held must not finish again
    look_at_held();
    missing_ = missing;
  }

  void answer_held() {
    for (const Held& h : held_) {
      const std::string_view json(h.connection->in.data() + h.offset + h.frame.header_bytes,
                                  h.frame.payload_bytes);
      Request request;
      const bool place = read_request(json, request) && request.method == "order.place";
      if (!place || burst_.answer != 0) on_text(*h.connection, json);
    }
    held_.clear();
    for (const auto& c : connections_) {
      if (c->dead || c->stage == Stage::handshake) continue;
      if (c->at > 0 && c->stage != Stage::http) {
        std::memmove(c->in.data(), c->in.data() + c->at, c->size - c->at);
        c->size -= c->at;
        c->at = 0;
      }
      flush(*c);
    }
  }

  void tell(const void* what, std::size_t bytes) const {
    CHECK(send(control_, what, bytes, 0) == static_cast<ssize_t>(bytes));
  }

  int control_;
  TlsContext context_;
  VenueRules rules_;
  std::vector<Subscription> subscribed_;  // by party
  int listener_ = -1;
  int epoll_ = -1;
  std::uint16_t port_ = 0;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::int64_t last_tick_ns_ = 0;

  bool armed_ = false;
  Burst burst_{};
  BurstResult result_{};
  GapWatch gaps_;
  std::int64_t deadline_ns_ = 0;
  std::vector<Held> held_;
  std::size_t looked_ = 0;  // of held_
  std::uint32_t missing_ = 0;
  std::vector<std::int64_t> order_times_;
  std::vector<bool> accounts_seen_;
  std::unordered_set<std::string> ids_seen_;
};

}  // namespace

int run_receiver(const ReceiverOptions& options, int control) {
  if (options.core >= 0) pin_to_core(options.core);
  try {
    return Process(options, control).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "receiver: {}\n", error.what());
    return 1;
  }
}

}  // namespace oneclick::bench
