#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/fanout/senders.hpp"

namespace oneclick::bench {

namespace {

int dial(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  const int on = 1, bytes = 8 << 20;
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return fd;
}

}  // namespace

Line::Line(const std::string& ca_file, std::uint16_t port, const std::string& target,
           const std::string& headers)
    : context_(client_context(ca_file)), fd_(dial(port)), tls_(SSL_new(context_.get())) {
  SSL_set_fd(tls_.get(), fd_);
  SSL_set1_host(tls_.get(), "localhost");
  if (SSL_connect(tls_.get()) != 1) throw std::runtime_error("TLS handshake failed");
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: localhost:{}\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n{}\r\n",
      target, port, headers);
  write(request.data(), request.size());
  std::size_t end = std::string::npos;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) read_more();
  if (!in_.starts_with("HTTP/1.1 101 ")) throw std::runtime_error("upgrade refused: " + in_);
  in_.erase(0, end + 4);
}

Line::~Line() {
  if (fd_ >= 0) close(fd_);
}

void Line::write(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const int n = SSL_write(tls_.get(), data, static_cast<int>(bytes));
    if (n <= 0) throw std::runtime_error("the connection broke");
    data += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

void Line::read_more() {
  char buffer[16 * 1024];
  const int n = SSL_read(tls_.get(), buffer, sizeof buffer);
  if (n <= 0) throw std::runtime_error("no answer, or the connection was closed");
  in_.append(buffer, static_cast<std::size_t>(n));
}

std::string Line::read_message() {
  while (true) {
    Frame frame;
    while (!read_header(in_, frame) || in_.size() < frame.bytes()) read_more();
    const std::string payload = in_.substr(frame.header_bytes, frame.payload_bytes);
    in_.erase(0, frame.bytes());
    if (frame.opcode == static_cast<std::uint8_t>(Opcode::text)) return payload;
    if (frame.opcode == static_cast<std::uint8_t>(Opcode::close))
      throw std::runtime_error("the connection was closed");
    if (frame.opcode != static_cast<std::uint8_t>(Opcode::ping)) continue;
    std::string pong(payload.size() + 14, '\0');
    pong.resize(write_masked(pong.data(), payload, 0x5bd1e995, Opcode::pong));
    write(pong.data(), pong.size());
  }
}

}  // namespace oneclick::bench
