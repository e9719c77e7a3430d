#include "bench/fanout/receiver_control.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/app/process.hpp"

namespace oneclick::bench {

namespace {

constexpr int answer_ms_max = 30'000;

template <typename T>
std::expected<T, std::string> receive(int fd, int timeout_ms) {
  pollfd wait{fd, POLLIN, 0};
  T out;
  if (poll(&wait, 1, timeout_ms) <= 0) return std::unexpected("the receiver does not answer");
  if (recv(fd, &out, sizeof out, 0) != sizeof out) return std::unexpected("the receiver has ended");
  return out;
}

}  // namespace

std::expected<Receiver, std::string> Receiver::start(const ReceiverOptions& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
    return std::unexpected(std::string("socketpair: ") + std::strerror(errno));
  const std::string program = own_path(), control = std::to_string(ends[1]);
  const std::string parties = std::to_string(options.parties), core = std::to_string(options.core);
  const char* const arguments[] = {
      program.c_str(), "--receiver", control.c_str(), options.dir.c_str(),
      parties.c_str(), core.c_str(), nullptr};
  const pid_t pid = fork();
  if (pid < 0) return std::unexpected(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    execv(program.c_str(), const_cast<char* const*>(arguments));
    _exit(127);
  }
  close(ends[1]);
  Receiver out;
  out.pid_ = pid;
  out.control_ = ends[0];
  const auto ready = receive<Ready>(ends[0], answer_ms_max);
  if (!ready) return std::unexpected(ready.error());
  out.port_ = ready->port;
  return out;
}

Receiver::Receiver(Receiver&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      control_(std::exchange(other.control_, -1)),
      port_(other.port_) {}

Receiver::~Receiver() {
  if (control_ >= 0) close(control_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::expected<void, std::string> Receiver::arm(const Burst& burst) {
  const Command command{Command::Kind::arm, burst};
  if (send(control_, &command, sizeof command, MSG_NOSIGNAL) != sizeof command)
    return std::unexpected("the receiver has ended");
  const auto armed = receive<std::uint32_t>(control_, answer_ms_max);
  if (!armed) return std::unexpected(armed.error());
  return {};
}

std::expected<BurstResult, std::string> Receiver::result() {
  return receive<BurstResult>(control_, 120'000);
}

std::expected<std::uint32_t, std::string> Receiver::subscriptions() {
  const Command command{Command::Kind::count, {}};
  if (send(control_, &command, sizeof command, MSG_NOSIGNAL) != sizeof command)
    return std::unexpected("the receiver has ended");
  return receive<std::uint32_t>(control_, answer_ms_max);
}

}  // namespace oneclick::bench
