#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/net/net_fixture.hpp"
#include "tests/net/raw_client.hpp"

namespace oneclick::net {
namespace {

class TlsTest : public NetTest {
 protected:
  // A server with the certificates of a folder; counts what gets through to it.
  void listen_with(const std::string& folder) {
    ServerHandlers handlers;
    handlers.on_request = [this](ServerRequest, Respond respond) {
      ++requests;
      respond({});
    };
    handlers.on_upgrade = [this](const ServerRequest&) {
      ++requests;
      WsAccept accept;
      accept.accepted = true;
      return accept;
    };
    auto tls = TlsServer::make(folder + "/cert.pem", folder + "/key.pem");
    ASSERT_TRUE(tls.has_value()) << tls.error();
    server = Server::listen(reactor, *tls, {}, std::move(handlers)).value();
  }

  // Why a WebSocket could not be opened; "" when it could.
  std::string ws_problem(const std::shared_ptr<TlsClient>& tls, const std::string& host) {
    std::string why;
    bool open = false;
    WsClientOptions options;
    options.connect_to = "127.0.0.1:" + std::to_string(server->port());
    const auto client = WsClient::connect(reactor, tls, url("wss", "/", host), options,
                                          {.on_open = [&] { open = true; },
                                           .on_message = {},
                                           .on_close = [&](std::string_view text) { why = text; }});
    EXPECT_TRUE(run_until([&] { return open || !why.empty(); }));
    return why;
  }

  HttpResponse http(const std::shared_ptr<TlsClient>& tls, const std::string& host) {
    HttpClient::Options options;
    options.connect_to = "127.0.0.1:" + std::to_string(server->port());
    const auto client = HttpClient::make(reactor, tls, url("https", "/", host), options);
    HttpResponse got;
    bool done = false;
    HttpRequest request;
    request.method = "POST";
    request.target = "/secret";
    request.body = "secret";
    client->send(std::move(request), [&](HttpResponse response) {
      got = std::move(response);
      done = true;
    });
    EXPECT_TRUE(run_until([&] { return done; }));
    return got;
  }

  int requests = 0;
};

TEST_F(TlsTest, AcceptsNamesAndAddressesOfTheCertificate) {
  listen_with(certificate_folder());
  for (const char* host : {"localhost", "127.0.0.1", "::1", "paper.test"}) {
    EXPECT_EQ(ws_problem(client_tls(), host), "") << host;
    EXPECT_EQ(http(client_tls(), host).status, 200) << host;
  }
}

TEST_F(TlsTest, RefusesAWrongNameBeforeSendingAnything) {
  listen_with(certificate_folder());
  for (const char* host : {"evil.test", "127.0.0.2", "sub.paper.test", "localhost.evil"}) {
    EXPECT_NE(ws_problem(client_tls(), host).find("mismatch"), std::string::npos) << host;
    const HttpResponse response = http(client_tls(), host);
    EXPECT_NE(response.error.find("mismatch"), std::string::npos) << host << response.error;
    EXPECT_FALSE(response.maybe_delivered);
  }
  EXPECT_EQ(requests, 0);
}

TEST_F(TlsTest, RefusesAnUnknownAuthority) {
  const TemporaryFolder other;
  ASSERT_EQ(write_test_certificates(other.path(), ""), "");
  listen_with(other.path());
  EXPECT_TRUE(ws_problem(client_tls(), "localhost").starts_with("TLS handshake failed"));
  EXPECT_NE(http(client_tls(), "localhost").error.find("certificate refused"), std::string::npos);
  // The system's store does not know it either.
  EXPECT_NE(ws_problem(TlsClient::make("").value(), "localhost"), "");
  EXPECT_EQ(requests, 0);
}

TEST_F(TlsTest, RefusesAnExpiredOrFutureCertificate) {
  const TemporaryFolder folder;
  for (const auto& [from, to] : {std::pair<std::int64_t, std::int64_t>{-7200, -3600},
                                 std::pair<std::int64_t, std::int64_t>{3600, 7200}}) {
    ASSERT_EQ(
        write_certificates(
            {.folder = folder.path(), .host_names = "", .valid_from_s = from, .valid_to_s = to}),
        "");
    listen_with(folder.path());
    const auto tls = TlsClient::make(folder.path() + "/ca.pem").value();
    const std::string why = ws_problem(tls, "localhost");
    EXPECT_NE(why.find(from < 0 ? "expired" : "not yet valid"), std::string::npos) << why;
    EXPECT_EQ(http(tls, "localhost").status, 0);
  }
  EXPECT_EQ(requests, 0);
}

TEST_F(TlsTest, PlainTextToATlsPortIsDropped) {
  listen_with(certificate_folder());
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(run_until([&] { return client.closed(); }));
  EXPECT_EQ(requests, 0);
}

TEST_F(TlsTest, AHandshakeThatStallsIsDropped) {
  ServerOptions options;
  options.read_timeout_ns = 100'000'000;
  listen(echo_handlers(), options);
  RawClient client(server->port());
  client.send("\x16\x03\x01");
  EXPECT_TRUE(run_until([&] { return client.closed(); }));
}

TEST_F(TlsTest, BadFilesAreNamed) {
  const TemporaryFolder folder;
  EXPECT_NE(TlsClient::make("/nonexistent/ca.pem").error().find("/nonexistent/ca.pem"),
            std::string::npos);
  std::ofstream(folder.path() + "/junk.pem") << "not a certificate";
  EXPECT_FALSE(TlsClient::make(folder.path() + "/junk.pem").has_value());
  const std::string good = certificate_folder();
  EXPECT_NE(
      TlsServer::make(folder.path() + "/junk.pem", good + "/key.pem").error().find("junk.pem"),
      std::string::npos);
  ASSERT_EQ(write_test_certificates(folder.path(), ""), "");
  EXPECT_FALSE(TlsServer::make(good + "/cert.pem", folder.path() + "/key.pem").has_value());
  EXPECT_NE(write_test_certificates("/nonexistent", ""), "");
}

TEST_F(TlsTest, TheKeyIsReadableByItsOwnerOnly) {
  struct stat info {};
  ASSERT_EQ(::stat((certificate_folder() + "/key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

struct UrlRow {
  const char* text;
  const char* host;  // null: refused
  const char* port;
  const char* target;
};

TEST(Url, Table) {
  const UrlRow rows[] = {
      {"https://api.binance.com", "api.binance.com", "443", "/"},
      {"wss://ws-api.binance.com:9443/ws-api/v3", "ws-api.binance.com", "9443", "/ws-api/v3"},
      {"http://127.0.0.1:8080/a?b=c#d", "127.0.0.1", "8080", "/a?b=c"},
      {"ws://[::1]:99?x", "::1", "99", "/?x"},
      {"http://[::1]", "::1", "80", "/"},
      {"ftp://a", nullptr, "", ""},
      {"api.binance.com", nullptr, "", ""},
      {"", nullptr, "", ""},
      {"https://", nullptr, "", ""},
      {"https://a:0", nullptr, "", ""},
      {"https://a:65536", nullptr, "", ""},
      {"https://a:12x", nullptr, "", ""},
      {"https://a:", nullptr, "", ""},
      {"https://user:pw@a", nullptr, "", ""},
      {"https://a b", nullptr, "", ""},
      {"https://a\r\nb", nullptr, "", ""},
      {"https://[::1", nullptr, "", ""},
  };
  for (const UrlRow& row : rows) {
    const auto url = parse_url(row.text);
    ASSERT_EQ(url.has_value(), row.host != nullptr) << row.text;
    if (!url) continue;
    EXPECT_EQ(url->host, row.host) << row.text;
    EXPECT_EQ(url->port, row.port) << row.text;
    EXPECT_EQ(url->target, row.target) << row.text;
  }
}

}  // namespace
}  // namespace oneclick::net
