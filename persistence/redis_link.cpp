#include "persistence/redis_link.hpp"

#include <algorithm>

#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t backoff_ns_min = 50'000'000;
constexpr std::int64_t backoff_ns_max = 5'000'000'000;

Labels labels_of(const std::string& part) {
  return {{"part", part}};
}

}  // namespace

RedisLink::RedisLink(RedisAddress address, std::string part, Metrics& metrics, StopSignal& stop)
    : address_(std::move(address)),
      part_(std::move(part)),
      stop_(stop),
      up_(metrics.gauge("redis_up", "1 while Redis takes what it is told.", labels_of(part_))),
      connects_(
          metrics.counter("redis_connects_total", "Connections made to Redis.", labels_of(part_))),
      commands_(metrics.counter("redis_commands_total", "Commands that Redis has done.",
                                labels_of(part_))),
      errors_(metrics.counter("redis_errors_total",
                              "Commands that Redis refused, and broken calls.", labels_of(part_))),
      chance_(std::random_device{}()),
      backoff_ns_(backoff_ns_min) {}

bool RedisLink::open() {
  if (connection_) return true;
  auto opened = RedisConnection::open(address_, "oneclick-" + part_, stop_);
  if (!opened) {
    give_up(opened.error());
    return false;
  }
  connection_ = std::move(*opened);
  connects_.add();
  return true;
}

void RedisLink::give_up(const std::string& why) {
  connection_.reset();
  up_.set(0);
  if (stop_.given()) return;
  errors_.add();
  if (why != last_problem_) {
    last_problem_ = why;
    log_warning("Redis cannot be told now; nothing else waits for it",
                {{"part", part_}, {"problem", why}});
  }
  // Between half and the whole: who lost the same server does not come back in step.
  std::uniform_int_distribution<std::int64_t> pause(backoff_ns_ / 2, backoff_ns_);
  stop_.wait(pause(chance_));
  backoff_ns_ = std::min(backoff_ns_ * 2, backoff_ns_max);
}

void RedisLink::worked() {
  backoff_ns_ = backoff_ns_min;
  up_.set(1);
  if (!last_problem_.empty()) log_info("Redis is told again", {{"part", part_}});
  last_problem_.clear();
}

std::expected<std::vector<RedisReply>, std::string> RedisLink::run(
    const std::vector<RedisCommand>& commands) {
  auto replies = connection_->run(commands);
  if (replies) commands_.add(replies->size());
  return replies;
}

std::expected<RedisReply, std::string> RedisLink::run(const RedisCommand& command) {
  commands_.add();
  return connection_->run(command);
}

std::expected<bool, std::string> RedisLink::commit(const std::string& guard,
                                                   const std::optional<std::string>& expected,
                                                   std::vector<RedisCommand> commands,
                                                   const std::string& next) {
  const std::size_t count = commands.size() + 1;
  auto done = redis_commit(*connection_, guard, expected, std::move(commands), next);
  if (!done) return std::unexpected(done.error());
  if (!done->done) return false;
  commands_.add(count);
  if (done->errors == 0) return true;
  // A key of ours that is of another type: the rest was done, and asking again changes nothing.
  errors_.add(done->errors);
  log_error("Redis refused some of what it was told",
            {{"part", part_}, {"commands", done->errors}, {"first", done->first_error}});
  return true;
}

}  // namespace oneclick
