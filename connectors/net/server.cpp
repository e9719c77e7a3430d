#include "connectors/net/server.hpp"

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include "connectors/net/server_connection.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::net {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

constexpr std::size_t write_chunk_bytes = 64 * 1024;
constexpr std::int64_t accept_pause_ns = 50'000'000;  // after running out of descriptors

std::atomic<std::uint64_t> next_connection_id{1};

class Listener final : public Server {
 public:
  Listener(Reactor& reactor, std::shared_ptr<TlsServer> tls, ServerOptions options,
           ServerHandlers handlers)
      : shared_(std::make_shared<ServerShared>(reactor, std::move(options), std::move(handlers))),
        tls_(std::move(tls)),
        acceptor_(reactor.impl().io),
        sweeper_(reactor.make_timer()),
        alive_(std::make_shared<bool>(true)) {}

  ~Listener() override {
    *alive_ = false;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (const auto& [id, connection] : connections_) connection->drop();
  }

  // Error text, empty when fine.
  std::string open() {
    const ServerOptions& options = shared_->options;
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) return "'" + options.address + "' is not an IP address";
    const Tcp::endpoint local(address, options.port);
    const std::string where = options.address + ":" + std::to_string(options.port) + ": ";
    acceptor_.open(local.protocol(), error);
    if (error) return where + error.message();
    acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
    acceptor_.bind(local, error);
    if (error) return where + error.message();
    acceptor_.listen(4096, error);
    if (error) return where + error.message();
    port_ = acceptor_.local_endpoint().port();
    accept();
    sweep();
    return {};
  }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] std::size_t connection_count() const override { return connections_.size(); }
  void stop_accepting() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  void accept() {
    acceptor_.async_accept(
        [this, alive = alive_](const boost::system::error_code& error, Tcp::socket socket) {
          if (!*alive || error == asio::error::operation_aborted) return;
          if (!error) {
            take(std::move(socket));
          } else if (error == asio::error::no_descriptors) {
            pause_accepting();
            return;
          }
          accept();
        });
  }

  void pause_accepting() {
    if (!pause_) pause_ = shared_->reactor.make_timer();
    pause_->start(accept_pause_ns, [this] { accept(); });
  }

  void take(Tcp::socket socket) {
    if (connections_.size() >= shared_->options.connections_max) return;  // closes it
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;  // gone already
    auto engine = tls_ ? TlsEngine::for_server(*tls_) : nullptr;
    auto wire = std::make_shared<Wire>(std::move(socket), std::move(engine), write_chunk_bytes);
    const std::uint64_t id = next_connection_id.fetch_add(1, std::memory_order_relaxed);
    auto connection = std::make_shared<ServerConnection>(shared_, std::move(wire),
                                                         remote.address().to_string(), id);
    connections_.emplace(id, connection);
    connection->start();
  }

  // Four times per shortest limit, and often enough that ended connections do not pile up.
  [[nodiscard]] std::int64_t sweep_interval_ns() const {
    const ServerOptions& options = shared_->options;
    std::int64_t shortest = std::min(options.read_timeout_ns, options.idle_timeout_ns);
    if (options.ws_ping_interval_ns > 0) shortest = std::min(shortest, options.ws_ping_interval_ns);
    return std::clamp<std::int64_t>(shortest / 4, 1'000'000, 250'000'000);
  }

  void sweep() {
    const std::int64_t now = monotonic_now_ns();
    for (auto at = connections_.begin(); at != connections_.end();) {
      at->second->sweep(now);
      at = at->second->ended() ? connections_.erase(at) : std::next(at);
    }
    sweeper_->start(sweep_interval_ns(), [this] { sweep(); });
  }

  const std::shared_ptr<ServerShared> shared_;
  const std::shared_ptr<TlsServer> tls_;
  Tcp::acceptor acceptor_;
  std::unique_ptr<Reactor::Timer> sweeper_;
  std::unique_ptr<Reactor::Timer> pause_;
  const std::shared_ptr<bool> alive_;
  std::uint16_t port_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<ServerConnection>> connections_;
};

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::listen(Reactor& reactor,
                                                                   std::shared_ptr<TlsServer> tls,
                                                                   ServerOptions options,
                                                                   ServerHandlers handlers) {
  auto listener =
      std::make_unique<Listener>(reactor, std::move(tls), std::move(options), std::move(handlers));
  if (std::string error = listener->open(); !error.empty()) return std::unexpected(error);
  return listener;
}

}  // namespace oneclick::net
