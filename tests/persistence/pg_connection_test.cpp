// Connections to several hosts: a machine that is silent does not keep from the one that answers.
#include "persistence/pg_connection.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/clock.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

// Takes connections and never says anything.
class SilentHost {
 public:
  SilentHost() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentHost() { ::close(socket_); }
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;
  [[nodiscard]] int port() const { return port_; }

 private:
  int socket_;
  int port_ = 0;
};

TEST(PgConnect, TheNextHostIsAskedWhenOneIsSilent) {
  ONECLICK_NEEDS_POSTGRES();
  const SilentHost silent;
  const std::string url = fmt::format(
      "postgresql://oneclick@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
      silent.port(), PgServer::get()->port());
  StopSignal stop;
  auto connection = PgConnection::open(url, {.application_name = "test"}, stop);
  ASSERT_TRUE(connection.has_value()) << connection.error().message;
  const auto answer = (*connection)->run("SELECT inet_server_port()");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->text(0, 0), std::to_string(PgServer::get()->port()));
}

TEST(PgConnect, NoneThatAnswersIsAnError) {
  ONECLICK_NEEDS_POSTGRES();
  StopSignal stop;
  const auto connection = PgConnection::open(
      "postgresql://oneclick@127.0.0.1:1,127.0.0.1:2/postgres", {.application_name = "test"}, stop);
  ASSERT_FALSE(connection.has_value());
  EXPECT_FALSE(connection.error().message.empty());
}

}  // namespace
}  // namespace oneclick
