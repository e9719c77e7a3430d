// Fills the measured database: binary COPY, as many connections as the machine has cores.
#pragma once

#include <string>

#include "bench/database/world.hpp"

namespace oneclick::bench {

struct LoadResult {
  std::uint64_t rows;
  double seconds;         // of COPY
  double vacuum_seconds;  // VACUUM ANALYZE afterwards
};
// Progress and rate go to standard error. Throws when the database refuses something, or holds
// another number of rows at the end.
[[nodiscard]] LoadResult load_world(const std::string& database_url, const World& world);

}  // namespace oneclick::bench
