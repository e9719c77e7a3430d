// A PostgreSQL server of one's own in a directory, on a free port of 127.0.0.1: for the demo and
// for tests. As root it runs as user "postgres", because the server refuses root. Ends with its
// owner, and with the thread that started it, should the process be killed.
#pragma once

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace oneclick {

struct PrivatePostgresOptions {
  // Made when absent; a data directory already there is used again. As root: its parents must be
  // passable for user postgres (not below a folder of mode 0700).
  std::filesystem::path dir;
  bool durable = false;  // false: fsync off, for data nobody needs after a power loss
  std::vector<std::string> settings = {};  // "name=value", over what is set otherwise
};

class PrivatePostgres {
 public:
  // Error: what is missing (named) or what the server said.
  [[nodiscard]] static std::expected<std::unique_ptr<PrivatePostgres>, std::string> start(
      const PrivatePostgresOptions& options);
  // Whether the server's programs are installed: an empty text, or what to install.
  [[nodiscard]] static std::string missing();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;
  ~PrivatePostgres();  // stops at once

  [[nodiscard]] const std::string& url() const { return url_; }  // the same after a restart
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }  // of the postmaster; -1 while stopped

  void stop();  // fast shutdown, waits for the end
  void kill();  // SIGQUIT: like a crash, waits for the end
  [[nodiscard]] std::expected<void, std::string> restart();
  // A fresh, empty database; returns its URL.
  [[nodiscard]] std::expected<std::string, std::string> create_database(const std::string& name);

 private:
  PrivatePostgres() = default;
  [[nodiscard]] std::expected<void, std::string> launch();
  [[nodiscard]] std::expected<void, std::string> wait_ready() const;
  void end(int signal);

  std::filesystem::path dir_;
  std::filesystem::path bin_;
  bool durable_ = false;
  std::vector<std::string> settings_;
  int port_ = 0;
  pid_t pid_ = -1;
  std::string url_;
};

}  // namespace oneclick
