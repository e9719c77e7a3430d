#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/net/net_fixture.hpp"
#include "tests/net/raw_client.hpp"

namespace oneclick::net {
namespace {

class HttpTest : public NetTest {
 protected:
  // Answers with what was asked; keeps the requests.
  ServerHandlers recording() {
    ServerHandlers handlers;
    handlers.on_request = [this](ServerRequest request, Respond respond) {
      ServerResponse response;
      response.content_type = "text/plain";
      response.body = request.method + " " + request.target + " " + request.body;
      requests.push_back(std::move(request));
      if (hold) {
        held.push_back(std::move(respond));
      } else {
        respond(response);
      }
    };
    return handlers;
  }

  // What the server says to these bytes until it closes.
  std::string answer_to(std::string_view bytes) {
    RawClient client(server->port());
    client.send(bytes);
    EXPECT_TRUE(run_until([&] { return client.closed(); })) << bytes.substr(0, 100);
    return client.received();
  }

  HttpResponse get(HttpClient& client, HttpRequest request) {
    HttpResponse got;
    bool done = false;
    client.send(std::move(request), [&](HttpResponse response) {
      got = std::move(response);
      done = true;
    });
    EXPECT_FALSE(done);
    EXPECT_TRUE(run_until([&] { return done; }));
    return got;
  }

  std::vector<ServerRequest> requests;
  std::vector<Respond> held;
  bool hold = false;
};

TEST_F(HttpTest, MalformedAndOversizedInputTable) {
  ServerOptions options;
  options.header_bytes_max = 1024;
  options.body_bytes_max = 1000;
  listen(recording(), options, false);
  struct Row {
    const char* what;
    std::string bytes;
    const char* answer;
  };
  const std::string start = "POST /x HTTP/1.1\r\nHost: a\r\n";
  const std::vector<Row> rows = {
      {"junk", "\x01\x02\x03\r\n\r\n", "HTTP/1.1 400 "},
      {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
      {"HTTP/2 version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "},
      {"blank in the name", "GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", "HTTP/1.1 400 "},
      {"zero byte",
       std::string("GET / HTTP/1.1\r\nHost: a\r\nX: ") + std::string(1, 0) + "\r\n\r\n",
       "HTTP/1.1 400 "},
      {"large header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x') + "\r\n\r\n",
       "HTTP/1.1 431 "},
      {"large target", "GET /" + std::string(2000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n",
       "HTTP/1.1 431 "},
      {"endless header line", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'x'),
       "HTTP/1.1 431 "},
      {"announced body too large", start + "Content-Length: 1001\r\n\r\n", "HTTP/1.1 413 "},
      {"announced body of a gigabyte", start + "Content-Length: 1073741824\r\n\r\nab",
       "HTTP/1.1 413 "},
      {"chunked body too large",
       start + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x') +
           "\r\n0\r\n\r\n",
       "HTTP/1.1 413 "},
      {"length and chunked",
       start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 "},
      {"two lengths", start + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
       "HTTP/1.1 400 "},
      {"negative length", start + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
      {"length of letters", start + "Content-Length: five\r\n\r\n", "HTTP/1.1 400 "},
  };
  for (const Row& row : rows) {
    EXPECT_TRUE(answer_to(row.bytes).starts_with(row.answer))
        << row.what << ": " << answer_to(row.bytes);
  }
  EXPECT_TRUE(requests.empty());
}

TEST_F(HttpTest, SlowHeadersAndBodiesTimeOut) {
  ServerOptions options;
  options.read_timeout_ns = 200'000'000;
  options.idle_timeout_ns = 300'000'000;
  listen(recording(), options, false);
  for (const char* start : {"GET / HTTP/1.1\r\nHost: a\r\nX: ",
                            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"}) {
    RawClient client(server->port());
    client.send(start);
    // A byte every 10 ms: the limit is for the whole, not for the gap between bytes.
    std::int64_t next_ns = 0;
    EXPECT_TRUE(run_until([&] {
      if (steady_now_ns() > next_ns) {
        client.send("x");
        next_ns = steady_now_ns() + 10'000'000;
      }
      return client.closed();
    }));
    EXPECT_TRUE(client.received().starts_with("HTTP/1.1 408 ")) << client.received();
  }
  EXPECT_EQ(answer_to(""), "");  // says nothing at all: closed without a word
  RawClient idle(server->port());
  idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(run_until([&] { return idle.closed(); }));
  EXPECT_TRUE(idle.received().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(requests.size(), 1u);
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  hold = true;
  listen(recording(), {}, false);
  RawClient client(server->port());
  std::string all;
  for (int i = 0; i < 5; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  }
  client.send(all);
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(run_until([&] { return held.size() == i + 1; }));  // one at a time
    EXPECT_EQ(requests[i].path, "/" + std::to_string(i));
    EXPECT_EQ(requests[i].body, "hi");
    ServerResponse response;
    response.body = "<" + std::to_string(i) + ">";
    held[i](response);
    held[i](response);  // a second answer is ignored
  }
  ASSERT_TRUE(run_until([&] { return client.received().find("<4>") != std::string::npos; }));
  std::size_t at = 0;
  for (int i = 0; i < 5; ++i) {
    at = client.received().find("<" + std::to_string(i) + ">", at);
    ASSERT_NE(at, std::string::npos);
  }
}

TEST_F(HttpTest, AnswersAfterTheConnectionIsGoneAreHarmless) {
  hold = true;
  listen(recording(), {}, false);
  {
    RawClient client(server->port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(run_until([&] { return held.size() == 1; }));
  }
  ASSERT_TRUE(run_until([&] { return server->connection_count() == 0; }));
  held[0]({});
  RawClient other(server->port());
  other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return held.size() == 2; }));
  server.reset();
  held[1]({});
}

TEST_F(HttpTest, HeadHasNoBodyAndContinueIsSent) {
  listen(recording(), {}, false);
  RawClient client(server->port());
  client.send("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return client.received().find("\r\n\r\n") != std::string::npos; }));
  EXPECT_TRUE(client.received().ends_with("\r\n\r\n"));
  EXPECT_NE(client.received().find("Content-Length: 8"), std::string::npos);
  client.forget();
  client.send("POST /c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return client.received() == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  client.send("ok");
  ASSERT_TRUE(run_until([&] { return client.received().find("POST /c ok") != std::string::npos; }));
}

TEST_F(HttpTest, ClientKeepsConnectionsAndPosts) {
  listen(recording());
  HttpClient::Options options;
  options.connections_max = 1;
  const auto client = HttpClient::make(reactor, client_tls(), url("https"), options);
  std::size_t peak = 0;
  for (int i = 0; i < 20; ++i) {
    HttpRequest request;
    request.method = i % 2 == 0 ? "GET" : "POST";
    request.target = "/n?i=" + std::to_string(i);
    request.headers = {{"X-Number", std::to_string(i)}};
    request.body = i % 2 == 0 ? "" : std::string(30'000, 'b');
    const HttpResponse response = get(*client, request);
    ASSERT_EQ(response.error, "");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, request.method + " " + request.target + " " + request.body);
    EXPECT_EQ(response.header("content-type"), "text/plain");
    EXPECT_EQ(response.header("absent"), "");
    peak = std::max(peak, server->connection_count());
  }
  EXPECT_EQ(peak, 1u);
  EXPECT_EQ(requests[3].header("x-number"), "3");
}

TEST_F(HttpTest, ClientRunsManyRequestsOverFewConnections) {
  listen(recording());
  const auto client = HttpClient::make(reactor, client_tls(), url("https"), {});
  std::set<std::string> bodies;
  for (int i = 0; i < 500; ++i) {
    HttpRequest request;
    request.target = "/" + std::to_string(i);
    client->send(request, [&](HttpResponse response) { bodies.insert(response.body); });
  }
  EXPECT_TRUE(run_until([&] { return bodies.size() == 500; }));
  EXPECT_LE(server->connection_count(), 4u);
}

TEST_F(HttpTest, ClientTellsWhetherARequestMayHaveArrived) {
  hold = true;
  listen(recording());
  const auto client = HttpClient::make(reactor, client_tls(), url("https"), {});
  HttpRequest request;
  request.method = "POST";
  request.target = "/order";
  request.timeout_ns = 300'000'000;
  HttpResponse response = get(*client, request);
  EXPECT_EQ(response.error, "timeout");
  EXPECT_TRUE(response.maybe_delivered);
  EXPECT_EQ(requests.size(), 1u);

  // Dropped without an answer: it may have had an effect, so it is not sent again.
  hold = false;
  request.timeout_ns = 10 * second;
  ASSERT_EQ(get(*client, request).status, 200);
  hold = true;
  bool done = false;
  client->send(request, [&](HttpResponse got) {
    response = std::move(got);
    done = true;
  });
  ASSERT_TRUE(run_until([&] { return held.size() == 2; }));
  ServerResponse drop;
  drop.status = 0;
  held[1](drop);
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_EQ(response.error, "closed by the peer");
  EXPECT_TRUE(response.maybe_delivered);
  EXPECT_EQ(requests.size(), 3u);

  const Url gone = url("https");
  server.reset();
  const auto late = HttpClient::make(reactor, client_tls(), gone, {});
  response = get(*late, request);
  EXPECT_NE(response.error.find("refused"), std::string::npos);
  EXPECT_FALSE(response.maybe_delivered);
}

TEST_F(HttpTest, ClientRepeatsAGetOnAConnectionThatWentStale) {
  ServerOptions options;
  listen(recording(), options);
  HttpClient::Options client_options;
  client_options.connections_max = 1;
  const auto client = HttpClient::make(reactor, client_tls(), url("https"), client_options);
  HttpRequest request;
  request.target = "/a";
  ASSERT_EQ(get(*client, request).status, 200);
  hold = true;
  HttpResponse response;
  bool done = false;
  client->send(request, [&](HttpResponse got) {
    response = std::move(got);
    done = true;
  });
  ASSERT_TRUE(run_until([&] { return held.size() == 1; }));
  ServerResponse drop;
  drop.status = 0;
  hold = false;
  held[0](drop);
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_EQ(response.status, 200) << response.error;
  EXPECT_EQ(requests.size(), 3u);
}

TEST_F(HttpTest, ClientRefusesWhatCannotBeSent) {
  listen(recording());
  HttpClient::Options options;
  options.queue_max = 2;
  options.connections_max = 1;
  hold = true;
  const auto client = HttpClient::make(reactor, client_tls(), url("https"), options);
  HttpRequest injected;
  injected.headers = {{"X", "a\r\nY: b"}};
  injected.target = "/";
  EXPECT_EQ(get(*client, injected).error, "malformed request");
  HttpRequest blank;
  blank.target = "/a b";
  EXPECT_EQ(get(*client, blank).error, "malformed request");
  HttpRequest plain;
  plain.target = "/";
  for (int i = 0; i < 3; ++i) client->send(plain, [](HttpResponse) {});  // one out, two waiting
  const HttpResponse full = get(*client, plain);
  EXPECT_EQ(full.error, "queue full");
  EXPECT_FALSE(full.maybe_delivered);
}

TEST_F(HttpTest, IdleAndSlowPeersDoNotDelayOthers) {
  ServerOptions options;
  options.read_timeout_ns = 2 * second;
  listen(recording(), options, false);
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 300; ++i) {
    crowd.push_back(std::make_unique<RawClient>(server->port()));
    if (i % 3 == 1)
      crowd.back()->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx");
    if (i % 3 == 2) crowd.back()->send("GET / HT");
  }
  ASSERT_TRUE(run_until([&] { return server->connection_count() == 300; }));
  const auto client = HttpClient::make(reactor, nullptr, url("http"), {});
  for (int i = 0; i < 100; ++i) {
    HttpRequest request;
    request.target = "/";
    request.timeout_ns = second;
    ASSERT_EQ(get(*client, request).status, 200);
  }
  // And all of them are gone when their time is over.
  EXPECT_TRUE(run_until([&] { return server->connection_count() <= 1; }));
  EXPECT_TRUE(crowd[0]->closed());
  EXPECT_TRUE(crowd[1]->received().starts_with("HTTP/1.1 408 "));
}

TEST_F(HttpTest, StopAcceptingKeepsWhatIsThere) {
  listen(recording(), {}, false);
  RawClient client(server->port());
  ASSERT_TRUE(run_until([&] { return server->connection_count() == 1; }));
  server->stop_accepting();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(run_until([&] { return client.received().starts_with("HTTP/1.1 200"); }));
  EXPECT_FALSE(RawClient(server->port()).connected());
}

TEST_F(HttpTest, ListeningErrorsAreNamed) {
  listen(recording(), {}, false);
  ServerOptions taken;
  taken.port = server->port();
  const auto second_server = Server::listen(reactor, nullptr, taken, {});
  ASSERT_FALSE(second_server.has_value());
  EXPECT_NE(second_server.error().find("in use"), std::string::npos) << second_server.error();
  ServerOptions wrong;
  wrong.address = "nowhere";
  EXPECT_EQ(Server::listen(reactor, nullptr, wrong, {}).error(), "'nowhere' is not an IP address");
}

TEST_F(HttpTest, ConnectionsBeyondTheBoundAreClosed) {
  ServerOptions options;
  options.connections_max = 2;
  listen(recording(), options, false);
  RawClient a(server->port());
  RawClient b(server->port());
  ASSERT_TRUE(run_until([&] { return server->connection_count() == 2; }));
  RawClient c(server->port());
  EXPECT_TRUE(run_until([&] { return c.closed(); }));
  EXPECT_FALSE(a.closed());
}

}  // namespace
}  // namespace oneclick::net
