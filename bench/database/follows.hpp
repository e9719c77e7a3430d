// Follows a second, all of one user: the counters' row that everybody wants.
#pragma once

#include <string>

#include "bench/database/world.hpp"

namespace oneclick::bench {

struct FollowResult {
  int writers;
  std::uint64_t follows;
  double per_second;
};
// Throws when the counters do not say exactly what was written.
[[nodiscard]] FollowResult follow_one(const std::string& database_url, const World& world,
                                      double seconds);

}  // namespace oneclick::bench
