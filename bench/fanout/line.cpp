#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
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
    throw std::runtime_error(std::string("connect to the receiver: ") + std::strerror(errno));
  const int on = 1, bytes = 8 << 20;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return fd;
}

}  // namespace

Line::Line(const std::string& ca_file, std::uint16_t port)
    : context_(client_context(ca_file)), fd_(dial(port)), tls_(SSL_new(context_.get())) {
  SSL_set_fd(tls_.get(), fd_);
  SSL_set1_host(tls_.get(), "localhost");
  if (SSL_connect(tls_.get()) != 1) throw std::runtime_error("TLS handshake with the receiver");
  const std::string request = fmt::format(
      "GET /ws-api/v3 HTTP/1.1\r\nHost: localhost:{}\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n",
      port);
  write(request.data(), request.size());
  std::string answer;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    char buffer[1024];
    const int n = SSL_read(tls_.get(), buffer, sizeof buffer);
    if (n <= 0) throw std::runtime_error("the receiver closed during the upgrade");
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  if (!answer.starts_with("HTTP/1.1 101 ")) throw std::runtime_error("upgrade refused: " + answer);
}

Line::~Line() {
  if (fd_ >= 0) close(fd_);
}

void Line::write(const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const int n = SSL_write(tls_.get(), data, static_cast<int>(bytes));
    if (n <= 0) throw std::runtime_error("the connection to the receiver broke");
    data += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

}  // namespace oneclick::bench
