// Rows for databases of every version, and what is compared when one of them has been brought to
// the newest.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "persistence/pg_query.hpp"

namespace oneclick::test {

inline constexpr int newest_version = std::numeric_limits<int>::max();

// At least one row in every table that version `number` of the schema has, counters as they should
// be.
void fill_world(PgQuery& database, int number);
// Every table of schemas public and engine with the rows of the columns named, as text, sorted.
// Without the runner's own book-keeping. Values that later versions write otherwise are told in
// their words, whichever version of the schema it is that has them.
using World = std::map<std::string, std::string>;
using Columns = std::map<std::string, std::vector<std::string>>;
[[nodiscard]] Columns columns_of(PgQuery& database);
[[nodiscard]] World world_of(PgQuery& database, const Columns& columns,
                             int number = newest_version);

}  // namespace oneclick::test
