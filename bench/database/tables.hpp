// Rows of each table of the measured database, in the order in which foreign keys let them in.
#pragma once

#include <string>
#include <vector>

#include "bench/database/world.hpp"
#include "persistence/pg_rows.hpp"

namespace oneclick::bench {

struct LoadedTable {
  std::string name;
  std::string columns;  // as COPY names them
  std::uint64_t rows;
  void (*put)(CopyRows& out, const World& world, std::uint64_t n);
};
[[nodiscard]] std::vector<LoadedTable> loaded_tables(const World& world);

}  // namespace oneclick::bench
