// One connection to Redis that can always be stopped: every wait ends when the stop signal is given
// or the time is over, also when the server was frozen. RESP by hiredis. For the threads of this
// folder; each owns its connection.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "persistence/pg_connection.hpp"
#include "persistence/redis.hpp"

struct redisContext;

namespace oneclick {

using RedisCommand = std::vector<std::string>;

struct RedisReply {
  enum class Kind : std::uint8_t { nil, text, integer, list, error };
  Kind kind = Kind::nil;
  std::string text;  // of texts and errors
  std::int64_t integer = 0;
  std::vector<RedisReply> items;
  [[nodiscard]] bool is_error() const { return kind == Kind::error; }
  [[nodiscard]] bool is_nil() const { return kind == Kind::nil; }
};

class RedisConnection {
 public:
  // Connected, known to the server as `name`, user and database chosen. Error: in words for
  // operators, never with a password.
  [[nodiscard]] static std::expected<std::unique_ptr<RedisConnection>, std::string> open(
      const RedisAddress& address, const std::string& name, StopSignal& stop);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Sends them together; as many replies, in order, refusals among them. Error: the connection is
  // of no use any more, and what was sent may have been done or not.
  [[nodiscard]] std::expected<std::vector<RedisReply>, std::string> run(
      const std::vector<RedisCommand>& commands);
  // One command; a refusal is an error too.
  [[nodiscard]] std::expected<RedisReply, std::string> run(const RedisCommand& command);

 private:
  RedisConnection(redisContext* context, StopSignal& stop);
  [[nodiscard]] std::expected<void, std::string> finish_connect(const RedisAddress& address,
                                                                const std::string& name);
  // Waits for these poll events on the socket and says which came.
  [[nodiscard]] std::expected<short, std::string> wait_socket(short events, std::int64_t until_ns);
  [[nodiscard]] std::expected<void, std::string> take_replies(std::size_t wanted,
                                                              std::vector<RedisReply>& out);
  [[nodiscard]] std::string broken() const;

  redisContext* context_;
  StopSignal& stop_;
};

// What a transaction did.
struct RedisCommit {
  bool done;             // false: the guard held something else; nothing was written
  std::uint64_t errors;  // commands refused among those done
  std::string first_error;
};
// All of the commands, and `next` put at `guard`, or none of it; provided `guard` holds `expected`
// (nullopt: is absent). So progress is in the same place as what was written, and a Redis that was
// emptied or went back to an older copy is noticed before anything is added to it.
[[nodiscard]] std::expected<RedisCommit, std::string> redis_commit(
    RedisConnection& connection, const std::string& guard,
    const std::optional<std::string>& expected, std::vector<RedisCommand> commands,
    const std::string& next);

}  // namespace oneclick
