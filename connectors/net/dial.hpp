// From a name to a connected socket: resolve, bind to the egress address, connect to the first
// address that answers.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "connectors/net/reactor_impl.hpp"

namespace oneclick::net {

class Dial : public std::enable_shared_from_this<Dial> {
 public:
  using Done = std::function<void(std::expected<boost::asio::ip::tcp::socket, std::string>)>;

  explicit Dial(Reactor::Impl& reactor);
  // `done` is called once, later, on the reactor's thread; never after cancel().
  void start(const std::string& host, const std::string& port, const std::string& local_address,
             Done done);
  void cancel();

 private:
  using Tcp = boost::asio::ip::tcp;
  void on_resolved(std::vector<Tcp::endpoint> found);
  void try_next();
  [[nodiscard]] std::string prepare(const Tcp::endpoint& remote);
  void fail(const std::string& why);

  Tcp::resolver resolver_;
  Tcp::socket socket_;
  std::vector<Tcp::endpoint> found_;
  std::size_t next_ = 0;
  std::string local_address_;
  std::string target_;
  std::string problem_;
  Done done_;
};

// Splits "host:port" or "[v6]:port"; `port` keeps its value where the text has none.
void split_host_port(const std::string& text, std::string& host, std::string& port);

}  // namespace oneclick::net
