#include "connectors/net/dial.hpp"

#include <netinet/in.h>

#include <charconv>
#include <utility>

#include <boost/asio/post.hpp>

namespace oneclick::net {
namespace {

namespace asio = boost::asio;

// Lets one egress address hold more outgoing connections than there are ephemeral ports: the port
// is chosen at connect, unique per destination only.
using BindAddressNoPort = asio::detail::socket_option::boolean<IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT>;

// Addresses that no resolver needs to be asked for: literals, and "localhost", which is loopback by
// definition (RFC 6761) and must not wait for a name server where the hosts file lacks one family.
std::vector<asio::ip::tcp::endpoint> without_resolver(const std::string& host,
                                                      const std::string& port) {
  unsigned number = 0;
  const auto [end, bad] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (bad != std::errc{} || end != port.data() + port.size() || number > 65535) return {};
  const auto at = static_cast<std::uint16_t>(number);
  if (host == "localhost") {
    return {{asio::ip::address_v4::loopback(), at}, {asio::ip::address_v6::loopback(), at}};
  }
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return {};
  return {{address, at}};
}

}  // namespace

Dial::Dial(Reactor::Impl& reactor) : resolver_(reactor.io), socket_(reactor.io) {}

void Dial::start(const std::string& host, const std::string& port, const std::string& local_address,
                 Done done) {
  done_ = std::move(done);
  local_address_ = local_address;
  target_ = host + ":" + port;
  if (auto known = without_resolver(host, port); !known.empty()) {
    asio::post(socket_.get_executor(),
               [self = shared_from_this(), known = std::move(known)] { self->on_resolved(known); });
    return;
  }
  resolver_.async_resolve(
      host, port,
      [self = shared_from_this()](const boost::system::error_code& error,
                                  const Tcp::resolver::results_type& found) {
        if (!self->done_) return;
        if (error) {
          self->fail("cannot resolve " + self->target_ + ": " + error.message());
          return;
        }
        self->on_resolved({found.begin(), found.end()});
      });
}

void Dial::cancel() {
  done_ = nullptr;
  resolver_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Dial::on_resolved(std::vector<Tcp::endpoint> found) {
  if (!done_) return;
  found_ = std::move(found);
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
  while (next_ < found_.size()) {
    const Tcp::endpoint remote = found_[next_++];
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
