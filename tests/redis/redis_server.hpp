// A private Redis for tests, on a free port of 127.0.0.1, without files of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/app/process.hpp"
#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"
#include "persistence/redis.hpp"
#include "persistence/redis_connection.hpp"

namespace oneclick::test {

// Looks again until it holds; false after that time.
inline bool soon(const std::function<bool()>& holds, std::int64_t within_ns = 10'000'000'000) {
  const std::int64_t until = monotonic_now_ns() + within_ns;
  while (!holds()) {
    if (monotonic_now_ns() > until) return false;
    ::usleep(2'000);
  }
  return true;
}

class PrivateRedis {
 public:
  // Debian has the server's program in package redis-tools, under the name of a tool; what it does
  // is decided by the name it is called with.
  static std::string program() {
    for (const char* path :
         {"/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/bin/redis-check-rdb"})
      if (::access(path, X_OK) == 0) return path;
    return {};
  }
  explicit PrivateRedis(std::vector<std::string> options = {}) : options_(std::move(options)) {
    std::string name = "/tmp/oneclick-redis-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::filesystem::create_symlink(program(), dir_ / "redis-server");
    port_ = free_port();
  }
  ~PrivateRedis() {
    child_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  PrivateRedis(const PrivateRedis&) = delete;
  PrivateRedis& operator=(const PrivateRedis&) = delete;

  void start() {
    std::vector<std::string> words{(dir_ / "redis-server").string(),
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--save",
                                   "",
                                   "--dir",
                                   dir_.string()};
    words.insert(words.end(), options_.begin(), options_.end());
    auto started = ChildProcess::start(
        {.arguments = words, .environment = {}, .output_file = (dir_ / "server.log").string()});
    ASSERT_TRUE(started.has_value()) << started.error();
    child_ = std::move(*started);
    ASSERT_TRUE(soon([this] {
      const auto version = check_redis(address());
      return version.has_value() || version.error().find("Redis refuses") != std::string::npos ||
             version.error().find("wants a password") != std::string::npos;
    })) << "Redis did not start";
  }
  // As a crash: nothing is kept.
  void kill() {
    child_->signal(SIGKILL);
    ASSERT_TRUE(child_->wait(5'000'000'000).has_value());
    child_.reset();
  }
  void freeze() { child_->signal(SIGSTOP); }
  void thaw() { child_->signal(SIGCONT); }

  [[nodiscard]] RedisAddress address() const {
    return {.host = "127.0.0.1", .port = port_, .database = 0, .user = {}, .password = password};
  }
  [[nodiscard]] std::string url() const { return fmt::format("redis://127.0.0.1:{}/0", port_); }
  // Nothing where there is no answer: the server is away.
  [[nodiscard]] std::optional<RedisReply> ask(const RedisCommand& command) const {
    StopSignal stop;
    auto connection = RedisConnection::open(address(), "test", stop);
    if (!connection) return std::nullopt;
    auto replies = (*connection)->run(std::vector<RedisCommand>{command});
    if (!replies) return std::nullopt;
    return std::move(replies->front());
  }
  [[nodiscard]] std::string text(const RedisCommand& command) const {
    const auto reply = ask(command);
    return reply ? reply->text : "";
  }
  [[nodiscard]] std::int64_t integer(const RedisCommand& command) const {
    const auto reply = ask(command);
    return reply ? reply->integer : -1;
  }

  std::string password;

 private:
  std::vector<std::string> options_;
  std::filesystem::path dir_;
  std::uint16_t port_ = 0;
  std::optional<ChildProcess> child_;
};

}  // namespace oneclick::test

// First line of a test that needs Redis: passes it over, and says so, only where none is installed.
#define ONECLICK_NEEDS_REDIS()                           \
  if (::oneclick::test::PrivateRedis::program().empty()) \
  GTEST_SKIP() << "NOT TESTED: no Redis server: install package redis-tools"
