// schema/tables.svg: the platform's tables by area, drawn from a database's catalogue.
#pragma once

#include <string>
#include <vector>

#include "persistence/pg_query.hpp"

namespace oneclick::test {

struct Picture {
  std::string svg;
  std::vector<std::string> without_area;  // tables that picture.cpp puts nowhere
};
[[nodiscard]] Picture draw_tables(PgQuery& database);

}  // namespace oneclick::test
