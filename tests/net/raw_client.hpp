// A plain TCP client that sends exactly the bytes it is told to, for misbehaving.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

namespace oneclick::net {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const { return ok_; }
  // False when the kernel did not take all of it.
  bool send(std::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Everything received so far.
  const std::string& received() {
    std::array<char, 65536> bytes;
    while (true) {
      const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (n > 0) {
        received_.append(bytes.data(), static_cast<std::size_t>(n));
        continue;
      }
      if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) closed_ = true;
      return received_;
    }
  }
  [[nodiscard]] bool closed() {
    received();
    return closed_;
  }
  void forget() { received_.clear(); }

 private:
  int fd_;
  bool ok_ = false;
  bool closed_ = false;
  std::string received_;
};

}  // namespace oneclick::net
