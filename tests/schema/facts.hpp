// The platform's structure as data (platform_tables.txt, platform_additions.txt), and the same
// facts read from a database's catalogue or from the structure's own document: lines to be
// compared.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "persistence/pg_query.hpp"

namespace oneclick::test {

struct Facts {
  // By table, in order: "email varchar unique not null", and last, of several columns,
  // "primary key (a, b)".
  std::map<std::string, std::vector<std::string>> tables;
  std::set<std::string> indexes;  // "trades (user_id, created_at)", "users (email) unique"
};

[[nodiscard]] Facts read_facts(const std::string& path);
[[nodiscard]] Facts facts_of_document(const std::string& path);
// Indexes: all there are, except broken and partial ones.
[[nodiscard]] Facts facts_of_database(PgQuery& database);
// `base` with the additions of a file of the same form behind it. An addition without a reason is
// an error of the running test.
[[nodiscard]] Facts with_additions(Facts base, const std::string& path);

}  // namespace oneclick::test
