// A projector's connection to Redis over its life: opened again after every break, with a pause
// that grows and is never the same, and counted.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/base/metrics.hpp"
#include "persistence/redis_connection.hpp"

namespace oneclick {

class RedisLink {
 public:
  // `part`: the label of its metrics.
  RedisLink(RedisAddress address, std::string part, Metrics& metrics, StopSignal& stop);

  // Connected already, or now. False: not; said once, and waited for.
  [[nodiscard]] bool open();
  [[nodiscard]] bool is_open() const { return connection_ != nullptr; }
  // Closes after a failure, says why (once for the same reason) and waits a little.
  void give_up(const std::string& why);
  // What was done since is a reason to try quickly again after the next break.
  void worked();

  [[nodiscard]] std::expected<std::vector<RedisReply>, std::string> run(
      const std::vector<RedisCommand>& commands);
  [[nodiscard]] std::expected<RedisReply, std::string> run(const RedisCommand& command);
  // See redis_commit(); false: the guard held something else.
  [[nodiscard]] std::expected<bool, std::string> commit(const std::string& guard,
                                                        const std::optional<std::string>& expected,
                                                        std::vector<RedisCommand> commands,
                                                        const std::string& next);

 private:
  const RedisAddress address_;
  const std::string part_;
  StopSignal& stop_;
  Gauge& up_;
  Counter& connects_;
  Counter& commands_;
  Counter& errors_;
  std::unique_ptr<RedisConnection> connection_;
  std::minstd_rand chance_;
  std::int64_t backoff_ns_;
  std::string last_problem_;
};

}  // namespace oneclick
