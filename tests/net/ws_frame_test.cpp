#include "connectors/net/ws_frame.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/net/net_fixture.hpp"
#include "tests/net/raw_client.hpp"

namespace oneclick::net {
namespace {

constexpr unsigned char fin = 0x80;

// A frame with any first byte, masked or not, as a peer of bad manners would send it.
std::string frame(unsigned first, std::string payload, bool masked = true) {
  std::string out(1, static_cast<char>(first));
  const unsigned bit = masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out += static_cast<char>(bit | payload.size());
  } else {
    out += static_cast<char>(bit | 126U);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 255U);
  }
  if (masked) {
    const std::string key = "\x11\x22\x33\x44";
    out += key;
    for (std::size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ key[i % 4]);
    }
  }
  return out + payload;
}

TEST(WsMask, IsItsOwnInverseAtEverySize) {
  WsMasks masks;
  for (std::size_t size = 0; size < 200; ++size) {
    std::string text(size, 'q');
    const std::uint32_t mask = masks.next();
    ws_apply_mask(text.data(), size, mask);
    std::string slow(size, 'q');
    const char* key = reinterpret_cast<const char*>(&mask);
    for (std::size_t i = 0; i < size; ++i) slow[i] = static_cast<char>(slow[i] ^ key[i % 4]);
    ASSERT_EQ(text, slow) << size;
  }
}

TEST(WsAccept, MatchesTheExampleOfRfc6455) {
  EXPECT_EQ(ws_accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

// Every split of the bytes gives the same messages.
TEST(WsReader, TakesFragmentsAndControlFramesAtAnySplit) {
  const std::string bytes = frame(0x01, "Hel") + frame(fin | 0x09, "p") + frame(0x00, "lo ") +
                            frame(fin | 0x00, "you") + frame(fin | 0x02, std::string(300, 'b')) +
                            frame(fin | 0x01, "");
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    WsReader reader(WsReader::Role::server, 1000);
    Buffer in;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      in.append(std::string_view(bytes).substr(at, step));
      while (true) {
        const WsReader::Result result = reader.next(in);
        ASSERT_NE(result.step, WsReader::Step::violation) << result.problem;
        if (result.step == WsReader::Step::incomplete) break;
        got.push_back((result.step == WsReader::Step::ping ? "ping:" : "") +
                      std::string(result.payload));
        reader.release(in);
      }
    }
    EXPECT_EQ(got, (std::vector<std::string>{"ping:p", "Hello you", std::string(300, 'b'), ""}))
        << step;
  }
}

struct Violation {
  const char* what;
  std::string bytes;
  std::uint16_t code;
};

TEST(WsReader, RefusesWhatTheProtocolForbids) {
  const std::vector<Violation> table = {
      {"reserved bit", frame(fin | 0x41, "x"), 1002},
      {"unknown opcode", frame(fin | 0x03, "x"), 1002},
      {"unknown control opcode", frame(fin | 0x0b, "x"), 1002},
      {"not masked", frame(fin | 0x01, "x", false), 1002},
      {"continuation of nothing", frame(fin | 0x00, "x"), 1002},
      {"message within a message", frame(0x01, "x") + frame(fin | 0x01, "y"), 1002},
      {"fragmented ping", frame(0x09, "x"), 1002},
      {"long ping", frame(fin | 0x09, std::string(126, 'x')), 1002},
      {"close of one byte", frame(fin | 0x08, "x"), 1002},
      {"close code 1005", frame(fin | 0x08, "\x03\xed"), 1002},
      {"too large", frame(fin | 0x01, std::string(1001, 'x')), 1009},
      {"too large in fragments",
       frame(0x01, std::string(600, 'x')) + frame(fin, std::string(600, 'x')), 1009},
      {"endless empty fragments", frame(0x01, "x") + frame(0x00, ""), 1002},
      {"length of 2^63",
       std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14), 1009},
  };
  for (const Violation& row : table) {
    WsReader reader(WsReader::Role::server, 1000);
    Buffer in;
    in.append(row.bytes);
    const WsReader::Result result = reader.next(in);
    EXPECT_EQ(result.step, WsReader::Step::violation) << row.what;
    EXPECT_EQ(result.close_code, row.code) << row.what;
  }
}

class WsServerTest : public NetTest {
 protected:
  std::unique_ptr<RawClient> upgraded() {
    auto client = std::make_unique<RawClient>(server->port());
    client->send(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    EXPECT_TRUE(
        run_until([&] { return client->received().find("\r\n\r\n") != std::string::npos; }));
    EXPECT_TRUE(client->received().starts_with("HTTP/1.1 101 "));
    EXPECT_NE(client->received().find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
    client->forget();
    return client;
  }
};

TEST_F(WsServerTest, AnswersPingsAndFragments) {
  listen(echo_handlers(), {}, false);
  const auto client = upgraded();
  client->send(frame(fin | 0x09, "are you there"));
  client->send(frame(0x01, "ab"));
  client->send(frame(fin, "cd"));
  const std::string expected = std::string("\x8a\x0d") + "are you there" + "\x81\x04" + "abcd";
  EXPECT_TRUE(run_until([&] { return client->received().size() >= expected.size(); }));
  EXPECT_EQ(client->received(), expected);
}

TEST_F(WsServerTest, ClosesOnViolationWithItsCode) {
  listen(echo_handlers(), {}, false);
  const auto client = upgraded();
  client->send(frame(fin | 0x01, "not masked", false));
  EXPECT_TRUE(run_until([&] { return client->closed(); }));
  EXPECT_TRUE(client->received().starts_with("\x88")) << client->received();
  EXPECT_NE(client->received().find("\x03\xea"), std::string::npos);  // 1002
}

TEST_F(WsServerTest, ClosesAPeerThatAnswersNoPing) {
  ServerHandlers handlers;
  int closes = 0;
  handlers.on_upgrade = [&](const ServerRequest&) {
    WsAccept accept;
    accept.accepted = true;
    accept.on_close = [&](const std::shared_ptr<WsPeer>&) { ++closes; };
    return accept;
  };
  ServerOptions options;
  options.ws_ping_interval_ns = 50'000'000;
  listen(handlers, options, false);
  const auto client = upgraded();
  EXPECT_TRUE(run_until([&] { return closes == 1; }));
  EXPECT_TRUE(run_until([&] { return client->closed(); }));
  EXPECT_TRUE(client->received().starts_with(std::string("\x89\x00", 2)));  // it was asked
}

TEST_F(WsServerTest, RefusesMalformedUpgrades) {
  listen(echo_handlers(), {}, false);
  const std::vector<std::string> table = {
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  };
  for (const std::string& text : table) {
    RawClient client(server->port());
    client.send(text);
    EXPECT_TRUE(run_until([&] { return client.closed(); }));
    EXPECT_TRUE(client.received().starts_with("HTTP/1.1 400 ")) << text;
  }
}

// The client's side: a server that goes silent is noticed by the client's own pings.
TEST_F(WsServerTest, ClientNoticesASilentServer) {
  listen(echo_handlers(), {}, false);
  std::string why;
  bool open = false;
  WsClientOptions options;
  options.ping_interval_ns = 50'000'000;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&local), sizeof local), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  socklen_t size = sizeof local;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&local), &size);
  const auto client = WsClient::connect(reactor, nullptr,
                                        {.scheme = "ws",
                                         .host = "127.0.0.1",
                                         .port = std::to_string(ntohs(local.sin_port)),
                                         .target = "/"},
                                        options,
                                        {.on_open = [&] { open = true; },
                                         .on_message = {},
                                         .on_close = [&](std::string_view text) { why = text; }});
  ::fcntl(listener, F_SETFL, O_NONBLOCK);
  int peer = -1;
  ASSERT_TRUE(run_until([&] { return (peer = ::accept(listener, nullptr, nullptr)) >= 0; }));
  std::string request;
  ::fcntl(peer, F_SETFL, O_NONBLOCK);
  ASSERT_TRUE(run_until([&] {
    char bytes[4096];
    const ssize_t n = ::recv(peer, bytes, sizeof bytes, 0);
    if (n > 0) request.append(bytes, static_cast<std::size_t>(n));
    return request.ends_with("\r\n\r\n");
  }));
  const std::size_t at = request.find("Sec-WebSocket-Key: ") + 19;
  // The header arrives in pieces, a frame right behind it.
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      ws_accept_value(request.substr(at, 24)) + "\r\n\r\n";
  for (const char c : answer) {
    ASSERT_EQ(::send(peer, &c, 1, MSG_NOSIGNAL), 1);
    reactor.poll();
  }
  ASSERT_TRUE(run_until([&] { return open; }));
  ASSERT_TRUE(run_until([&] { return !why.empty(); }));
  EXPECT_EQ(why, "silent: pings are not answered");
  EXPECT_FALSE(client->is_open());
  ::close(peer);
  ::close(listener);
}

// The peer's last words are read even when our own write is what fails.
TEST_F(WsServerTest, ClientReadsWhatArrivedBeforeTheConnectionBroke) {
  std::shared_ptr<WsPeer> peer;
  ServerHandlers handlers;
  handlers.on_upgrade = [&](const ServerRequest&) {
    WsAccept accept;
    accept.accepted = true;
    accept.on_open = [&](std::shared_ptr<WsPeer> opened) { peer = std::move(opened); };
    return accept;
  };
  listen(handlers, {}, false);
  std::vector<std::string> messages;
  std::string why;
  bool open = false;
  // The client lives on a loop of its own, which stands still while the server speaks and leaves.
  Reactor client_loop;
  const auto client =
      WsClient::connect(client_loop, nullptr, url("ws"), {},
                        {.on_open = [&] { open = true; },
                         .on_message = [&](std::string_view text) { messages.emplace_back(text); },
                         .on_close = [&](std::string_view text) { why = text; }});
  ASSERT_TRUE(run_until([&] {
    client_loop.poll();
    return open && peer;
  }));
  client->send_text("never read by the server: its leaving resets the connection");
  for (int i = 0; i < 3; ++i) peer->send("ack " + std::to_string(i));
  ASSERT_TRUE(run_until([&] { return client->backlog_bytes() == 0; }));
  reactor.poll();
  peer->abort();
  server.reset();
  reactor.poll();
  for (int i = 0; i < 100 && client->is_open(); ++i) client->send_text(std::string(60'000, 'x'));
  EXPECT_FALSE(client->is_open());  // known at once
  EXPECT_TRUE(run_until([&] {
    client_loop.poll();
    return !why.empty();
  }));
  EXPECT_EQ(messages, (std::vector<std::string>{"ack 0", "ack 1", "ack 2"}));
}

TEST_F(WsServerTest, ClientRefusesAWrongAcceptValue) {
  // An HTTP server that answers any upgrade with a 101 of its own making.
  ServerHandlers handlers;
  handlers.on_upgrade = [](const ServerRequest&) {
    WsAccept accept;
    accept.refusal.status = 101;
    accept.refusal.headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Accept", "bm90IGl0"}};
    return accept;
  };
  listen(handlers, {}, false);
  std::string why;
  const auto client = WsClient::connect(
      reactor, nullptr, url("ws"), {},
      {.on_open = {}, .on_message = {}, .on_close = [&](std::string_view text) { why = text; }});
  ASSERT_TRUE(run_until([&] { return !why.empty(); }));
  EXPECT_EQ(why, "wrong Sec-WebSocket-Accept");
}

}  // namespace
}  // namespace oneclick::net
