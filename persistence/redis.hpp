// What the engine tells Redis: login sessions, orders, positions, prices. A copy for whoever wants
// to read fast; no decision of the engine depends on it. Each class below runs its own thread and
// reconnects by itself; Redis may be away, slow or empty at any time. Keys and payloads are
// described in schema/README.md.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/metrics.hpp"
#include "engine/domain/ids.hpp"
#include "engine/domain/venue.hpp"
#include "persistence/journal.hpp"

namespace oneclick {

struct RedisAddress {
  std::string host;
  std::uint16_t port = 6'379;
  std::int32_t database = 0;
  std::string user;      // empty: the default user
  std::string password;  // secret; empty: none
};
// "redis://[user[:password]@]host[:port][/database]". The error says what is wrong and never shows
// the text: it may hold a password.
[[nodiscard]] std::expected<RedisAddress, std::string> parse_redis_url(std::string_view url);

// Connects once; the server's version, or why it is of no use.
[[nodiscard]] std::expected<std::string, std::string> check_redis(const RedisAddress& address);

// --- user_sessions -> oneclick:session:<token_hash> ---
struct RedisSessionsOptions {
  RedisAddress address;
  std::string database_url;
};
class RedisSessions {
 public:
  [[nodiscard]] static std::unique_ptr<RedisSessions> start(RedisSessionsOptions options,
                                                            Metrics& metrics);
  virtual ~RedisSessions() = default;  // stops at once; the next start goes on from Redis's state
};

// --- journal and market -> oneclick:user:<id>:orders, :positions, oneclick:price:<venue>:<symbol>
// ---
struct RedisFeedShard {
  std::uint16_t shard;
  // Any thread: up to here entries may be told.
  std::function<JournalPosition()> end;
};
using PriceVisitor = std::function<void(Venue, const Symbol&, const Touch&)>;
struct RedisFeedOptions {
  RedisAddress address;
  std::filesystem::path journal_dir;
  std::vector<RedisFeedShard> shards;
  // Further behind than this, the oldest entries are passed over. The journal never waits for
  // Redis: what it no longer keeps is passed over too.
  std::uint64_t lag_entries_max = 1'000'000;
  std::int64_t stream_entries_max = 1'000;
  std::int64_t stream_keep_ns = 7LL * 24 * 3'600 * 1'000'000'000;
  std::int64_t price_interval_ns = 250'000'000;
  // Shows every price there is. Unset: none are told.
  std::function<void(const PriceVisitor&)> each_price = {};
};
class RedisFeed {
 public:
  [[nodiscard]] static std::unique_ptr<RedisFeed> start(RedisFeedOptions options, Metrics& metrics);
  virtual ~RedisFeed() = default;  // stops at once; the next start goes on from Redis's state
};

}  // namespace oneclick
