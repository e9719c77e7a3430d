// A server and clients on one reactor over loopback, with certificates made for the test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "connectors/net/certificates.hpp"
#include "connectors/net/http_client.hpp"
#include "connectors/net/server.hpp"
#include "connectors/net/ws_client.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::net {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "oneclick-net-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Certificates are made once for the program: "localhost", 127.0.0.1, ::1.
inline const std::string& certificate_folder() {
  static const TemporaryFolder folder;
  static const std::string problem = write_test_certificates(folder.path(), "paper.test");
  EXPECT_EQ(problem, "");
  return folder.path();
}

class NetTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t second = 1'000'000'000;

  // Runs the loop until the condition holds; false when the time is over first.
  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ns = 20 * second) {
    const std::int64_t end = steady_now_ns() + limit_ns;
    while (!condition()) {
      if (steady_now_ns() > end) return false;
      reactor.wait(5'000'000);
    }
    return true;
  }

  static std::shared_ptr<TlsClient> client_tls() {
    return TlsClient::make(certificate_folder() + "/ca.pem").value();
  }
  static std::shared_ptr<TlsServer> server_tls() {
    return TlsServer::make(certificate_folder() + "/cert.pem", certificate_folder() + "/key.pem")
        .value();
  }

  void listen(ServerHandlers handlers, ServerOptions options = {}, bool tls = true) {
    auto made = Server::listen(reactor, tls ? server_tls() : nullptr, std::move(options),
                               std::move(handlers));
    ASSERT_TRUE(made.has_value()) << made.error();
    server = std::move(*made);
  }

  [[nodiscard]] Url url(const std::string& scheme, const std::string& target = "/",
                        const std::string& host = "localhost") const {
    return {
        .scheme = scheme, .host = host, .port = std::to_string(server->port()), .target = target};
  }

  Reactor reactor;
  std::unique_ptr<Server> server;
};

// Handlers that send every WebSocket message back.
inline ServerHandlers echo_handlers() {
  ServerHandlers handlers;
  handlers.on_upgrade = [](const ServerRequest&) {
    WsAccept accept;
    accept.accepted = true;
    accept.on_message = [](const std::shared_ptr<WsPeer>& peer, std::string_view message,
                           std::int64_t) { peer->send(std::string(message)); };
    return accept;
  };
  return handlers;
}

}  // namespace oneclick::net
