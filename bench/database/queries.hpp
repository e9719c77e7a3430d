// The queries behind the recommended indexes: that each uses its index, finds what must be there,
// and how long it takes.
#pragma once

#include <string>
#include <vector>

#include "bench/common/results.hpp"
#include "bench/database/world.hpp"

namespace oneclick::bench {

struct QueryFigures {
  std::string index;   // as the platform's structure names it: table (columns)
  std::string used;    // the index that the plan uses; of a partition's, its parent
  bool uses_it;        // that one, and no table is read from end to end
  std::uint64_t rows;  // in all answers
  Summary summary;     // warm, nanoseconds, from here to the answer and back
};
// Throws when an answer is empty.
[[nodiscard]] std::vector<QueryFigures> measure_queries(const std::string& database_url,
                                                        const World& world);

}  // namespace oneclick::bench
