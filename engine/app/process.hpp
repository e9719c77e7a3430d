// Programs started beside this one: started, watched, ended by their process id, never left behind:
// they end with the thread that started them, so start them from one that lives as long as they
// should.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace oneclick {

class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> arguments;              // [0] is the program's path
    std::map<std::string, std::string> environment;  // added to this process's own
    std::string output_file;  // stdout and stderr are appended; empty: inherited
  };
  [[nodiscard]] static std::expected<ChildProcess, std::string> start(const Options& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // SIGTERM, SIGKILL after five seconds

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The exit code (128 + signal when a signal ended it), or nothing while it runs.
  [[nodiscard]] std::optional<int> exit_code();
  [[nodiscard]] std::optional<int> wait(std::int64_t timeout_ns);

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  void end();
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

// Path of the running program.
[[nodiscard]] std::string own_path();

}  // namespace oneclick
