// Records and prices as users read them in Redis.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/domain/record.hpp"
#include "persistence/journal.hpp"

namespace oneclick {

struct RedisUpdate {
  std::string key;   // of the stream, and of the channel
  std::string id;    // "<shard>-<position>": one entry of the journal has one id, ever
  std::string json;  // begins with the id
};
// Nothing for records that are no user's business.
[[nodiscard]] std::optional<RedisUpdate> redis_update(const Record& record,
                                                      JournalPosition position);

[[nodiscard]] std::string price_key(Venue venue, const Symbol& symbol);
[[nodiscard]] std::string price_json(const Touch& touch);

}  // namespace oneclick
