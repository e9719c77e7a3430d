// Our two halves against a WebSocket that is not ours: Boost.Beast as the other side, in a thread.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#pragma GCC diagnostic pop

#include "tests/net/net_fixture.hpp"

namespace oneclick::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Tcp = asio::ip::tcp;
using Stream = beast::websocket::stream<Tcp::socket, false>;

class InteropTest : public NetTest {};

std::string text_of(const beast::flat_buffer& buffer) {
  const auto data = buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

// Sizes at every border of the length encoding, some sent in fragments.
void run_beast_client(std::uint16_t port, std::string& problem) {
  asio::io_context io;
  Stream ws(io);
  ws.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
  ws.handshake("localhost", "/");
  ws.auto_fragment(true);
  for (const std::size_t size :
       {0UL, 1UL, 125UL, 126UL, 127UL, 4096UL, 65535UL, 65536UL, 200'000UL}) {
    ws.write_buffer_bytes(size > 4096 ? 1000 : 4096);  // larger ones leave as many fragments
    const std::string text(size, static_cast<char>('a' + size % 26));
    ws.write(asio::buffer(text));
    ws.ping("p");
    beast::flat_buffer got;
    ws.read(got);
    if (text_of(got) != text) problem = "wrong echo of " + std::to_string(size);
  }
  ws.close(beast::websocket::close_reason(beast::websocket::close_code::normal, "bye"));
}

TEST_F(InteropTest, OurServerServesBeastsClient) {
  ServerOptions options;
  options.ws_message_bytes_max = 1 << 20;
  listen(echo_handlers(), options, false);
  std::string problem;
  std::atomic<bool> done{false};
  std::thread client([&] {
    try {
      run_beast_client(server->port(), problem);
    } catch (const std::exception& error) {
      problem = error.what();
    }
    done = true;
  });
  EXPECT_TRUE(run_until([&] { return done.load(); }));
  client.join();
  EXPECT_EQ(problem, "");
}

// Echoes until the client closes; answers in fragments.
void run_beast_server(Tcp::acceptor& acceptor, std::string& problem) {
  Stream ws(acceptor.accept());
  ws.accept();
  ws.auto_fragment(true);
  ws.write_buffer_bytes(1000);
  while (true) {
    beast::flat_buffer got;
    boost::system::error_code error;
    ws.read(got, error);
    if (error == beast::websocket::error::closed) {
      if (ws.reason().code != 4002) problem = "wrong close code";
      return;
    }
    if (error) {
      problem = error.message();
      return;
    }
    ws.ping("are you there");
    ws.text(true);
    ws.write(got.data());
  }
}

TEST_F(InteropTest, OurClientTalksToBeastsServer) {
  asio::io_context io;
  Tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
  const std::string port = std::to_string(acceptor.local_endpoint().port());
  std::string problem;
  std::atomic<bool> done{false};
  std::thread peer([&] {
    try {
      run_beast_server(acceptor, problem);
    } catch (const std::exception& error) {
      problem = error.what();
    }
    done = true;
  });
  std::vector<std::string> messages;
  std::string why;
  bool open = false;
  const auto client = WsClient::connect(
      reactor, nullptr, {.scheme = "ws", .host = "127.0.0.1", .port = port, .target = "/"}, {},
      {.on_open = [&] { open = true; },
       .on_message = [&](std::string_view text) { messages.emplace_back(text); },
       .on_close = [&](std::string_view text) { why = text; }});
  EXPECT_TRUE(run_until([&] { return open; }));
  const std::vector<std::size_t> sizes = {0, 1, 125, 126, 127, 4096, 65535, 65536, 200'000};
  for (const std::size_t size : sizes) {  // all in one batch
    char* out = client->reserve_message(std::max<std::size_t>(size, 70'000));
    std::memset(out, 'a' + static_cast<int>(size % 26), size);
    client->commit_message(size);
  }
  client->flush();
  EXPECT_TRUE(run_until([&] { return messages.size() == sizes.size() || !why.empty(); }));
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i], std::string(sizes[i], static_cast<char>('a' + sizes[i] % 26)));
  }
  client->close(4002, "done");
  EXPECT_TRUE(run_until([&] { return !why.empty() && done.load(); }));
  peer.join();
  EXPECT_EQ(problem, "");
  EXPECT_TRUE(why.starts_with("closed by the peer: 4002")) << why;
}

}  // namespace
}  // namespace oneclick::net
