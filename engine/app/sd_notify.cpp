#include "engine/app/sd_notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace oneclick {

bool sd_notify(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  const std::size_t size = path == nullptr ? 0 : std::strlen(path);
  // A path, or '@' for a name without a file.
  if (size == 0 || size >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return false;
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path, size);
  if (path[0] == '@') to.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&to), length);
  close(fd);
  return sent == static_cast<ssize_t>(state.size());
}

std::int64_t sd_watchdog_ns() {
  const char* const interval_us = std::getenv("WATCHDOG_USEC");
  const char* const pid = std::getenv("WATCHDOG_PID");
  if (interval_us == nullptr) return 0;
  if (pid != nullptr && std::strtoll(pid, nullptr, 10) != getpid()) return 0;
  const long long us = std::strtoll(interval_us, nullptr, 10);
  return us > 0 ? us * 1'000 : 0;
}

}  // namespace oneclick
