#include "connectors/net/http_client.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "connectors/net/dial.hpp"
#include "connectors/net/http_parse.hpp"
#include "connectors/net/http_text.hpp"
#include "connectors/net/wire.hpp"

namespace oneclick::net {
namespace {

constexpr std::size_t response_body_bytes_max = 64 << 20;  // a venue's list of all instruments
constexpr std::size_t write_chunk_bytes = 64 * 1024;

struct Pending {
  HttpRequest request;
  std::function<void(HttpResponse)> on_done;
  std::unique_ptr<Reactor::Timer> timer;
  bool done = false;
  bool retried = false;
};
using PendingPtr = std::shared_ptr<Pending>;

void finish(const PendingPtr& pending, HttpResponse response) {
  if (std::exchange(pending->done, true)) return;
  pending->timer->cancel();
  const auto on_done = std::exchange(pending->on_done, nullptr);
  on_done(std::move(response));
}

HttpResponse failure(std::string error, bool maybe_delivered) {
  HttpResponse response;
  response.error = std::move(error);
  response.maybe_delivered = maybe_delivered;
  return response;
}

// A kept-alive connection may be closed by the server just as it is used again; what changes
// nothing there is simply asked again on a fresh one.
bool is_repeatable(const HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

bool is_well_formed(const HttpRequest& request) {
  const bool line = request.method.find_first_of(" \r\n") == std::string::npos &&
                    request.target.find_first_of(" \r\n") == std::string::npos &&
                    request.target.starts_with('/');
  return line && std::all_of(request.headers.begin(), request.headers.end(), [](const auto& h) {
           return is_header_safe(h.first) && is_header_safe(h.second);
         });
}

std::string host_header(const Url& url) {
  const bool usual = url.port == (url.scheme == "https" ? "443" : "80");
  const std::string host =
      url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  return usual ? host : host + ":" + url.port;
}

std::string render(const HttpRequest& request, const std::string& host) {
  std::string out = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + host +
                    "\r\nUser-Agent: oneclick\r\n";
  for (const auto& [name, value] : request.headers) out += name + ": " + value + "\r\n";
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return out + "\r\n" + request.body;
}

class Connection;

// What connections need of their client, outliving it.
struct Pool {
  Reactor& reactor;
  const std::shared_ptr<TlsClient> tls;
  const Url base;
  const HttpClient::Options options;
  const std::string host;
  std::deque<PendingPtr> queue;
  std::vector<std::shared_ptr<Connection>> connections;
  bool closed = false;

  void pump(const std::shared_ptr<Pool>& self);
};

// One connection, one request at a time.
class Connection final : public WireOwner, public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}

  void start(PendingPtr first) {
    pending_ = std::move(first);
    std::string host = pool_->base.host;
    std::string port = pool_->base.port;
    if (!pool_->options.connect_to.empty()) split_host_port(pool_->options.connect_to, host, port);
    dial_ = std::make_shared<Dial>(pool_->reactor.impl());
    dial_->start(host, port, pool_->options.local_address, [weak = weak_from_this()](auto socket) {
      const auto self = weak.lock();
      if (!self || self->ended_) return;
      if (socket) {
        self->on_connected(std::move(*socket));
      } else {
        self->on_wire_end(socket.error());
      }
    });
  }

  [[nodiscard]] bool idle() const { return ready_ && !ended_ && !pending_ && !wire_->broken(); }
  [[nodiscard]] bool ended() const { return ended_; }

  void send(PendingPtr pending) {
    pending_ = std::move(pending);
    sent_from_ = wire_->written_total();
    parser_.emplace(pending_->request.method == "HEAD", response_body_bytes_max);
    wire_->append(render(pending_->request, pool_->host));
    wire_->flush();
  }

  // The request ran out of time: what comes back now would be taken for another's answer.
  void give_up(const PendingPtr& pending, const std::string& why) {
    if (pending_ == pending) on_wire_end(why);
  }

  void drop() {
    ended_ = true;
    if (dial_) dial_->cancel();
    if (wire_) wire_->drop();
  }

  void on_wire_ready() override {
    ready_ = true;
    if (pending_ && !pending_->done) {
      send(std::exchange(pending_, nullptr));
    } else {
      pending_ = nullptr;
      pool_->pump(pool_);
    }
  }

  void on_wire_data() override {
    const auto self = shared_from_this();
    if (!pending_) {  // nothing was asked
      wire_->in().clear();
      leave();
      return;
    }
    switch (parser_->next(wire_->in())) {
      case ResponseParser::Step::incomplete:
        return;
      case ResponseParser::Step::failed:
        on_wire_end(parser_->problem());
        return;
      case ResponseParser::Step::done:
        break;
    }
    uses_ += 1;
    const PendingPtr pending = std::exchange(pending_, nullptr);
    if (!parser_->keep_alive() || !wire_->in().empty()) leave();
    deliver(pending, parser_->take_response());
  }

  void on_wire_end(const std::string& why) override {
    const auto self = shared_from_this();
    const PendingPtr pending = std::exchange(pending_, nullptr);
    const bool delivered = ready_ && wire_->written_total() > sent_from_;
    const bool answered = parser_ && parser_->any();
    leave();
    if (pending && ready_ && parser_->end() == ResponseParser::Step::done) {
      deliver(pending, parser_->take_response());
      return;
    }
    const bool stale = pending && uses_ > 0 && !answered && !pending->done && !pending->retried;
    if (stale && is_repeatable(pending->request)) {
      pending->retried = true;
      pool_->queue.push_front(pending);
    } else if (pending) {
      finish(pending, failure(why, delivered));
    }
    if (!pool_->closed) pool_->pump(pool_);
  }

 private:
  void on_connected(boost::asio::ip::tcp::socket socket) {
    const bool is_tls = pool_->base.scheme == "https" || pool_->base.scheme == "wss";
    if (is_tls && !pool_->tls) {
      on_wire_end("no TLS settings for " + pool_->base.scheme + "://");
      return;
    }
    auto engine = is_tls ? TlsEngine::for_client(*pool_->tls, pool_->base.host) : nullptr;
    wire_ = std::make_shared<Wire>(std::move(socket), std::move(engine), write_chunk_bytes);
    wire_->start(this);
  }

  void leave() {
    drop();
    std::erase(pool_->connections, shared_from_this());
  }

  void deliver(const PendingPtr& pending, HttpResponse response) {
    finish(pending, std::move(response));
    if (!pool_->closed) pool_->pump(pool_);
  }

  const std::shared_ptr<Pool> pool_;
  std::shared_ptr<Dial> dial_;
  std::shared_ptr<Wire> wire_;
  PendingPtr pending_;
  std::optional<ResponseParser> parser_;
  std::uint64_t sent_from_ = 0;
  std::uint64_t uses_ = 0;
  bool ready_ = false;
  bool ended_ = false;
};

void Pool::pump(const std::shared_ptr<Pool>& self) {
  while (!closed && !queue.empty()) {
    if (queue.front()->done) {  // timed out while waiting
      queue.pop_front();
      continue;
    }
    const auto idle = std::find_if(connections.begin(), connections.end(),
                                   [](const auto& connection) { return connection->idle(); });
    const bool may_open = connections.size() < options.connections_max;
    if (idle == connections.end() && !may_open) return;
    PendingPtr next = std::move(queue.front());
    queue.pop_front();
    // Held here: a connection may end, and leave the list, while it is being used.
    std::shared_ptr<Connection> connection;
    if (idle != connections.end() && !next->retried) {
      connection = *idle;
      connection->send(std::move(next));
    } else if (may_open) {
      connection = std::make_shared<Connection>(self);
      connections.push_back(connection);
      connection->start(std::move(next));
    } else {
      connection = *idle;
      connection->send(std::move(next));
    }
  }
}

class PooledClient final : public HttpClient {
 public:
  explicit PooledClient(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  ~PooledClient() override {
    pool_->closed = true;
    for (const auto& pending : pool_->queue) pending->done = true;
    pool_->queue.clear();
    for (const auto& connection : std::exchange(pool_->connections, {})) connection->drop();
  }

  void send(HttpRequest request, std::function<void(HttpResponse)> on_done) override {
    auto pending = std::make_shared<Pending>();
    pending->request = std::move(request);
    pending->on_done = std::move(on_done);
    pending->timer = pool_->reactor.make_timer();
    if (!is_well_formed(pending->request)) {
      refuse(pending, "malformed request");
    } else if (pool_->queue.size() >= pool_->options.queue_max) {
      refuse(pending, "queue full");
    } else {
      arm_timeout(pending);
      pool_->queue.push_back(std::move(pending));
      pool_->pump(pool_);
    }
  }

 private:
  // Handlers are never called from within send().
  void refuse(const PendingPtr& pending, const char* why) {
    pool_->reactor.post([pool = pool_, pending, why] {
      if (!pool->closed) finish(pending, failure(why, false));
    });
  }

  void arm_timeout(const PendingPtr& pending) {
    pending->timer->start(
        pending->request.timeout_ns, [weak = std::weak_ptr(pending), pool = std::weak_ptr(pool_)] {
          const auto late = weak.lock();
          const auto owner = pool.lock();
          if (!late || !owner || owner->closed) return;
          const auto connections = owner->connections;
          late->retried = true;  // not another time
          for (const auto& connection : connections) connection->give_up(late, "timeout");
          finish(late, failure("timeout", false));  // when it was still waiting in the queue
        });
  }

  const std::shared_ptr<Pool> pool_;
};

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  return find_header(headers, name);
}

std::unique_ptr<HttpClient> HttpClient::make(Reactor& reactor, std::shared_ptr<TlsClient> tls,
                                             const Url& base, Options options) {
  auto pool = std::make_shared<Pool>(Pool{.reactor = reactor,
                                          .tls = std::move(tls),
                                          .base = base,
                                          .options = std::move(options),
                                          .host = host_header(base),
                                          .queue = {},
                                          .connections = {},
                                          .closed = false});
  return std::make_unique<PooledClient>(std::move(pool));
}

}  // namespace oneclick::net
