#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/net/net_fixture.hpp"

namespace oneclick::net {
namespace {

// What a client saw.
struct Seen {
  bool open = false;
  std::vector<std::string> messages;
  std::vector<std::string> closes;

  WsClientHandlers handlers() {
    return {.on_open = [this] { open = true; },
            .on_message = [this](std::string_view text) { messages.emplace_back(text); },
            .on_close = [this](std::string_view why) { closes.emplace_back(why); }};
  }
};

class WsTest : public NetTest {
 protected:
  std::unique_ptr<WsClient> connect(Seen& seen, const std::string& scheme = "wss",
                                    WsClientOptions options = {}) {
    return WsClient::connect(reactor, client_tls(), url(scheme), std::move(options),
                             seen.handlers());
  }
};

TEST_F(WsTest, EchoesOverTlsAndPlain) {
  for (const bool tls : {true, false}) {
    listen(echo_handlers(), {}, tls);
    Seen seen;
    const auto client = connect(seen, tls ? "wss" : "ws");
    ASSERT_TRUE(run_until([&] { return seen.open || !seen.closes.empty(); }));
    ASSERT_TRUE(seen.closes.empty()) << seen.closes.front();
    const std::vector<std::size_t> sizes = {0, 1, 125, 126, 127, 430, 65535, 60000};
    for (const std::size_t size : sizes) {
      if (size > 64 * 1024) continue;
      client->send_text(std::string(size, static_cast<char>('a' + size % 26)));
    }
    ASSERT_TRUE(run_until([&] { return seen.messages.size() == sizes.size(); }));
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(seen.messages[i], std::string(sizes[i], static_cast<char>('a' + sizes[i] % 26)));
    }
    EXPECT_EQ(client->backlog_bytes(), 0u);
    EXPECT_EQ(client->committed_bytes_total(), client->written_bytes_total());
  }
}

TEST_F(WsTest, CarriesABatchOfTenThousandMessagesInOrder) {
  listen(echo_handlers());
  Seen seen;
  const auto client = connect(seen);
  ASSERT_TRUE(run_until([&] { return seen.open; }));
  constexpr int count = 10'000;
  const std::string tail(400, 'x');
  for (int i = 0; i < count; ++i) {
    const std::string text = std::to_string(i) + ":" + tail;
    char* out = client->reserve_message(1024);
    std::memcpy(out, text.data(), text.size());
    client->commit_message(text.size());
  }
  EXPECT_EQ(client->written_bytes_total(), 0u);
  EXPECT_GT(client->committed_bytes_total(), count * tail.size());
  client->flush();
  ASSERT_TRUE(run_until([&] { return seen.messages.size() == count; }));
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(seen.messages[static_cast<std::size_t>(i)], std::to_string(i) + ":" + tail);
  }
  EXPECT_EQ(client->written_bytes_total(), client->committed_bytes_total());
}

TEST_F(WsTest, WorksWithASpinningReader) {
  listen(echo_handlers());
  Seen seen;
  const auto client = connect(seen);
  ASSERT_TRUE(run_until([&] { return seen.open; }));
  client->send_text("hello");
  const std::int64_t end = steady_now_ns() + 10 * second;
  while (seen.messages.empty() && steady_now_ns() < end) {
    reactor.poll();
    client->poll_read();
  }
  ASSERT_EQ(seen.messages.size(), 1u);
  EXPECT_EQ(seen.messages[0], "hello");
}

TEST_F(WsTest, LeavesSixtyFourReadableBytesBehindMessages) {
  ServerHandlers handlers = echo_handlers();
  unsigned sum = 0;
  handlers.on_upgrade = [&](const ServerRequest&) {
    WsAccept accept;
    accept.accepted = true;
    accept.on_message = [&](const std::shared_ptr<WsPeer>& peer, std::string_view text,
                            std::int64_t received_ns) {
      for (int i = 0; i < 64; ++i) sum += static_cast<unsigned char>(text.end()[i]);
      EXPECT_GT(received_ns, 0);
      peer->send(std::string(text));
    };
    return accept;
  };
  listen(handlers);
  bool told = false;
  auto client = WsClient::connect(reactor, client_tls(), url("wss"), {},
                                  {.on_open = {},
                                   .on_message =
                                       [&](std::string_view text) {
                                         for (int i = 0; i < 64; ++i)
                                           sum += static_cast<unsigned char>(text.end()[i]);
                                         told = true;
                                       },
                                   .on_close = {}});
  ASSERT_TRUE(run_until([&] { return client->is_open(); }));
  client->send_text(std::string(4000, 'y'));
  EXPECT_TRUE(run_until([&] { return told; }));
}

TEST_F(WsTest, ClosesPolitelyFromBothSides) {
  std::shared_ptr<WsPeer> peer;
  int server_closes = 0;
  ServerHandlers handlers;
  handlers.on_upgrade = [&](const ServerRequest& request) {
    EXPECT_EQ(request.path, "/feed");
    EXPECT_EQ(request.query, "a=1");
    WsAccept accept;
    accept.accepted = true;
    accept.on_open = [&](std::shared_ptr<WsPeer> opened) { peer = std::move(opened); };
    accept.on_close = [&](const std::shared_ptr<WsPeer>&) { ++server_closes; };
    return accept;
  };
  listen(handlers);
  for (const bool by_server : {true, false}) {
    Seen seen;
    auto client =
        WsClient::connect(reactor, client_tls(), url("wss", "/feed?a=1"), {}, seen.handlers());
    ASSERT_TRUE(run_until([&] { return seen.open && peer; }));
    if (by_server) {
      peer->close(4001, "enough");
    } else {
      client->close(1000, "done");
    }
    ASSERT_TRUE(run_until([&] { return seen.closes.size() == 1; }));
    EXPECT_FALSE(client->is_open());
    if (by_server) {
      EXPECT_EQ(seen.closes[0], "closed by the peer: 4001 enough");
    }
    const int expected = by_server ? 1 : 2;
    ASSERT_TRUE(run_until([&] { return server_closes == expected; }));
    EXPECT_FALSE(peer->send("late"));
    client->send_text("late");  // refused silently, never crashes
    peer.reset();
  }
  EXPECT_TRUE(run_until([&] { return server->connection_count() == 0; }));
}

TEST_F(WsTest, MayBeDestroyedByItsOwnHandlers) {
  listen(echo_handlers());
  std::unique_ptr<WsClient> client;
  int messages = 0;
  int closes = 0;
  client = WsClient::connect(reactor, client_tls(), url("wss"), {},
                             {.on_open =
                                  [&] {
                                    client->send_text("one");
                                    client->send_text("two");
                                  },
                              .on_message =
                                  [&](std::string_view) {
                                    ++messages;
                                    client.reset();
                                  },
                              .on_close = [&](std::string_view) { ++closes; }});
  ASSERT_TRUE(run_until([&] { return messages > 0; }));
  ASSERT_TRUE(run_until([&] { return server->connection_count() == 0; }));
  EXPECT_EQ(messages, 1);
  EXPECT_EQ(closes, 0);
}

TEST_F(WsTest, RefusalOfAnUpgradeIsToldOnce) {
  ServerHandlers handlers;
  handlers.on_upgrade = [](const ServerRequest&) {
    WsAccept accept;
    accept.refusal.status = 401;
    return accept;
  };
  listen(handlers);
  Seen seen;
  const auto client = connect(seen);
  ASSERT_TRUE(run_until([&] { return !seen.closes.empty(); }));
  EXPECT_EQ(seen.closes[0], "upgrade refused: HTTP/1.1 401 Unauthorized");
  EXPECT_FALSE(seen.open);
}

TEST_F(WsTest, NothingListeningIsToldOnce) {
  listen(echo_handlers());
  const Url gone = url("wss");
  server.reset();
  Seen seen;
  const auto client = WsClient::connect(reactor, client_tls(), gone, {}, seen.handlers());
  EXPECT_TRUE(seen.closes.empty());  // never from within connect()
  ASSERT_TRUE(run_until([&] { return !seen.closes.empty(); }));
  EXPECT_NE(seen.closes[0].find("Connection refused"), std::string::npos) << seen.closes[0];
}

TEST_F(WsTest, BindsToTheEgressAddress) {
  std::string seen_from;
  ServerHandlers handlers;
  handlers.on_upgrade = [&](const ServerRequest& request) {
    seen_from = request.remote_address;
    WsAccept accept;
    accept.accepted = true;
    return accept;
  };
  listen(handlers);
  WsClientOptions options;
  options.local_address = "127.0.0.7";
  options.connect_to = "127.0.0.1:" + std::to_string(server->port());
  Seen seen;
  const auto client = WsClient::connect(
      reactor, client_tls(), {.scheme = "wss", .host = "paper.test", .port = "443", .target = "/"},
      options, seen.handlers());
  ASSERT_TRUE(run_until([&] { return seen.open || !seen.closes.empty(); }));
  EXPECT_TRUE(seen.open) << seen.closes.front();
  EXPECT_EQ(seen_from, "127.0.0.7");
}

TEST_F(WsTest, OversizedMessagesCloseTheConnection) {
  ServerOptions options;
  options.ws_message_bytes_max = 1000;
  listen(echo_handlers(), options);
  Seen seen;
  const auto client = connect(seen);
  ASSERT_TRUE(run_until([&] { return seen.open; }));
  client->send_text(std::string(1000, 'a'));
  client->send_text(std::string(1001, 'b'));
  ASSERT_TRUE(run_until([&] { return !seen.closes.empty(); }));
  EXPECT_EQ(seen.messages.size(), 1u);
  EXPECT_EQ(seen.closes[0], "closed by the peer: 1009 message too large");
}

TEST_F(WsTest, ASlowReaderIsBounded) {
  std::shared_ptr<WsPeer> peer;
  ServerHandlers handlers;
  handlers.on_upgrade = [&](const ServerRequest&) {
    WsAccept accept;
    accept.accepted = true;
    accept.on_open = [&](std::shared_ptr<WsPeer> opened) { peer = std::move(opened); };
    return accept;
  };
  ServerOptions options;
  options.ws_queue_bytes_max = 1 << 20;
  listen(handlers, options);
  Seen seen;
  const auto client = connect(seen);
  ASSERT_TRUE(run_until([&] { return seen.open && peer; }));
  bool refused = false;  // the loop does not run: the client reads nothing
  for (int i = 0; i < 64 && !refused; ++i) refused = !peer->send(std::string(64 * 1024, 'z'));
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace oneclick::net
