#include "engine/app/control_socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/clock.hpp"

namespace oneclick {

namespace {

constexpr std::size_t connections_max = 32;        // further ones are closed at once
constexpr std::size_t line_bytes_max = 64 * 1024;  // a longer line closes its connection
constexpr std::size_t answer_bytes_max = 16 << 20;
constexpr std::int64_t answer_timeout_ns = 5'000'000'000;  // who does not read that long is closed

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<std::string> failed(const std::string& path, const std::string& why) {
  return std::unexpected(path + ": " + why);
}

std::expected<sockaddr_un, std::string> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failed(path, "not a path of 1 to 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd new_socket() {
  return Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool connects(const sockaddr_un& address) {
  const Fd fd = new_socket();
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// Makes room for the new socket: only what an ended daemon left behind is removed.
std::expected<void, std::string> clear_place(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return failed(path, "there is something that is not a socket");
  if (connects(address)) return failed(path, "another daemon listens there");
  if (unlink(path.c_str()) != 0) return failed(path, std::strerror(errno));
  return {};
}

// Waits until the descriptor is ready or the time is over.
bool wait_for(int fd, short events, std::int64_t until_ns) {
  for (;;) {
    const std::int64_t left_ms = (until_ns - monotonic_now_ns()) / 1'000'000;
    if (left_ms < 0) return false;
    pollfd p{.fd = fd, .events = events, .revents = 0};
    const int n = poll(&p, 1, static_cast<int>(left_ms) + 1);
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

bool send_all(int fd, std::string_view text, std::int64_t until_ns) {
  while (!text.empty()) {
    const ssize_t n = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n > 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (!wait_for(fd, POLLOUT, until_ns)) {
      return false;
    }
  }
  return true;
}

class Server final : public ControlSocket {
 public:
  Server(std::string path, Fd listener, Fd stop, Handler handler)
      : path_(std::move(path)),
        listener_(std::move(listener)),
        stop_(std::move(stop)),
        handler_(std::move(handler)),
        thread_([this] { run(); }) {}
  ~Server() override {
    eventfd_write(stop_.get(), 1);
    thread_.join();
    unlink(path_.c_str());
  }

 private:
  struct Connection {
    Fd fd;
    std::string unread;
  };

  void run() {
    for (;;) {
      std::vector<pollfd> waits = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
      for (const Connection& c : connections_)
        waits.push_back({.fd = c.fd.get(), .events = POLLIN, .revents = 0});
      if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
      if (waits[0].revents != 0) return;
      std::size_t i = 2;
      for (auto c = connections_.begin(); c != connections_.end(); ++i)
        c = waits[i].revents != 0 && !serve(*c) ? connections_.erase(c) : std::next(c);
      if (waits[1].revents != 0) take_connection();
    }
  }
  void take_connection() {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.get() >= 0 && connections_.size() < connections_max)
      connections_.push_back({.fd = std::move(fd), .unread = {}});
  }
  // False: the connection is to be closed.
  bool serve(Connection& c) {
    char buffer[4096];
    const ssize_t n = recv(c.fd.get(), buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    c.unread.append(buffer, static_cast<std::size_t>(n));
    for (;;) {
      const std::size_t end = c.unread.find('\n');
      if (end == std::string::npos) return c.unread.size() <= line_bytes_max;
      const std::string answer = handler_(c.unread.substr(0, end)) + "\n";
      c.unread.erase(0, end + 1);
      if (!send_all(c.fd.get(), answer, monotonic_now_ns() + answer_timeout_ns)) return false;
    }
  }

  const std::string path_;
  const Fd listener_;
  const Fd stop_;
  const Handler handler_;
  std::list<Connection> connections_;  // the thread's
  std::thread thread_;
};

}  // namespace

std::expected<std::unique_ptr<ControlSocket>, std::string> ControlSocket::start(
    const std::string& path, Handler handler) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  if (const auto clear = clear_place(path, *address); !clear) return std::unexpected(clear.error());
  Fd listener = new_socket();
  Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // The file is made with the descriptor's mode: nobody else can connect, not even for a moment.
  if (listener.get() < 0 || stop.get() < 0 || fchmod(listener.get(), 0600) != 0 ||
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      chmod(path.c_str(), 0600) != 0 || listen(listener.get(), connections_max) != 0)
    return failed(path, std::strerror(errno));
  return std::make_unique<Server>(path, std::move(listener), std::move(stop), std::move(handler));
}

std::expected<std::string, std::string> ask_control(const std::string& path,
                                                    const std::string& line,
                                                    std::int64_t timeout_ns) {
  const std::int64_t until = monotonic_now_ns() + timeout_ns;
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  const Fd fd = new_socket();
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return failed(path, std::string("no daemon answers there: ") + std::strerror(errno));
  if (!send_all(fd.get(), line + "\n", until)) return failed(path, "the daemon does not read");
  std::string answer;
  while (answer.size() <= answer_bytes_max) {
    if (!wait_for(fd.get(), POLLIN, until)) return failed(path, "no answer in time");
    char buffer[4096];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return failed(path, "closed without an answer");
    answer.append(buffer, static_cast<std::size_t>(n));
    if (const std::size_t end = answer.find('\n'); end != std::string::npos)
      return answer.substr(0, end);
  }
  return failed(path, "the answer is too long");
}

}  // namespace oneclick
