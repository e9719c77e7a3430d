#include "engine/app/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/base/clock.hpp"

extern char** environ;

namespace oneclick {

namespace {

constexpr std::int64_t kill_after_ns = 5'000'000'000;

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> out;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string entry = *e;
    if (!added.contains(entry.substr(0, entry.find('=')))) out.push_back(entry);
  }
  for (const auto& [name, value] : added) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& t : texts) out.push_back(t.data());
  out.push_back(nullptr);
  return out;
}

int open_output(const std::string& path) {
  return path.empty() ? -1 : open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

// Waits until the process has ended or the time is over, without reaping it.
void wait_readable(pid_t pid, std::int64_t timeout_ns) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return;
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  poll(&p, 1, static_cast<int>(timeout_ns / 1'000'000 + 1));
  close(fd);
}

}  // namespace

std::expected<ChildProcess, std::string> ChildProcess::start(const Options& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = merged_environment(options.environment);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const int output = open_output(options.output_file);
  if (!options.output_file.empty() && output < 0)
    return std::unexpected(options.output_file + ": " + std::strerror(errno));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return std::unexpected(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    // Should this program be killed, its children must not outlive it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    if (output >= 0) {
      dup2(output, STDOUT_FILENO);
      dup2(output, STDERR_FILENO);
    }
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  if (output >= 0) close(output);
  return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    exit_code_ = other.exit_code_;
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  end();
}

void ChildProcess::end() {
  if (pid_ < 0 || exit_code().has_value()) return;
  signal(SIGTERM);
  if (wait(kill_after_ns).has_value()) return;
  signal(SIGKILL);
  static_cast<void>(wait(kill_after_ns));
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0 && !exit_code_.has_value()) kill(pid_, number);
}

std::optional<int> ChildProcess::exit_code() {
  if (exit_code_.has_value() || pid_ < 0) return exit_code_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

std::optional<int> ChildProcess::wait(std::int64_t timeout_ns) {
  const std::int64_t until = monotonic_now_ns() + timeout_ns;
  for (;;) {
    if (const auto code = exit_code()) return code;
    const std::int64_t left = until - monotonic_now_ns();
    if (left <= 0) return std::nullopt;
    wait_readable(pid_, left);
  }
}

std::string own_path() {
  char buffer[4096];
  const ssize_t n = readlink("/proc/self/exe", buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

}  // namespace oneclick
