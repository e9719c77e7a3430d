#include "connectors/net/dial.hpp"

#include <netinet/in.h>

#include <utility>

#include <boost/asio/post.hpp>

namespace oneclick::net {
namespace {

namespace asio = boost::asio;

// Lets one egress address hold more outgoing connections than there are ephemeral ports: the port
// is chosen at connect, unique per destination only.
using BindAddressNoPort = asio::detail::socket_option::boolean<IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT>;

}  // namespace

Dial::Dial(Reactor::Impl& reactor) : resolver_(reactor.io), socket_(reactor.io) {}

void Dial::start(const std::string& host, const std::string& port, const std::string& local_address,
                 Done done) {
  done_ = std::move(done);
  local_address_ = local_address;
  target_ = host + ":" + port;
  resolver_.async_resolve(host, port,
                          [self = shared_from_this()](const boost::system::error_code& error,
                                                      Tcp::resolver::results_type found) {
                            self->on_resolved(error, std::move(found));
                          });
}

void Dial::cancel() {
  done_ = nullptr;
  resolver_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Dial::on_resolved(const boost::system::error_code& error, Tcp::resolver::results_type found) {
  if (!done_) return;
  if (error) {
    fail("cannot resolve " + target_ + ": " + error.message());
    return;
  }
  found_ = std::move(found);
  next_ = found_.begin();
  problem_ = "no usable address for " + target_;
  try_next();
}

std::string Dial::prepare(const Tcp::endpoint& remote) {
  boost::system::error_code error;
  socket_.close(error);
  socket_.open(remote.protocol(), error);
  if (error) return error.message();
  if (local_address_.empty()) return {};
  const auto local = asio::ip::make_address(local_address_, error);
  if (error) return "local address " + local_address_ + ": " + error.message();
  if (local.is_v4() != remote.address().is_v4()) return "no address of the local address's family";
  boost::system::error_code ignored;
  socket_.set_option(BindAddressNoPort(true), ignored);
  socket_.bind({local, 0}, error);
  return error ? "bind to " + local_address_ + ": " + error.message() : std::string();
}

void Dial::try_next() {
  while (next_ != found_.end()) {
    const Tcp::endpoint remote = next_++->endpoint();
    if (std::string problem = prepare(remote); !problem.empty()) {
      problem_ = "cannot connect to " + target_ + ": " + problem;
      continue;
    }
    socket_.async_connect(remote, [self = shared_from_this()](const boost::system::error_code& e) {
      if (!self->done_) return;
      if (e) {
        self->problem_ = "cannot connect to " + self->target_ + ": " + e.message();
        self->try_next();
        return;
      }
      const Done done = std::exchange(self->done_, nullptr);
      done(std::move(self->socket_));
    });
    return;
  }
  fail(problem_);
}

void Dial::fail(const std::string& why) {
  const Done done = std::exchange(done_, nullptr);
  done(std::unexpected(why));
}

void split_host_port(const std::string& text, std::string& host, std::string& port) {
  const std::size_t bracket = text.find(']');
  if (text.starts_with('[') && bracket != std::string::npos) {
    host = text.substr(1, bracket - 1);
    if (text.size() > bracket + 2) port = text.substr(bracket + 2);
    return;
  }
  const std::size_t colon = text.rfind(':');
  host = text.substr(0, colon);
  if (colon != std::string::npos) port = text.substr(colon + 1);
}

}  // namespace oneclick::net
