// Erasing a person on request (schema/README.md, "Erasure"): what the law says must stay becomes
// pseudonymous, everything else about the person goes. One transaction: all of it or nothing, and
// nothing more to do the second time. For tools.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "engine/base/crypto.hpp"

namespace oneclick {

// What becomes of a table's rows that are about the person.
struct ErasureTable {
  const char* name;   // in schema public
  const char* whose;  // condition over alias r; $1 is the person's id
  bool is_removed;    // the rows go; else columns change
};
// What becomes of one column. Every column of schema public that could hold a text is in the list.
struct ErasureColumn {
  const char* table;
  const char* name;
  const char* becomes;  // SQL over alias r; null: it stays, or goes with its row
  const char* why;      // it stays; empty: it does not
};
[[nodiscard]] std::span<const ErasureTable> erasure_tables();
[[nodiscard]] std::span<const ErasureColumn> erasure_columns();

struct ErasureStep {
  std::string table;
  bool is_removed;
  std::int64_t rows;
};
struct ErasureResult {
  bool is_known = false;              // there is such a user
  std::vector<std::string> hindered;  // why it was refused; empty: it was not
  std::vector<ErasureStep> steps;     // what changed, or would
};
struct ErasureOptions {
  std::string user_id;
  std::vector<MasterKey> keys;  // sign what is taken out of sealed audit rows
  bool dry_run = false;
};
[[nodiscard]] std::expected<ErasureResult, std::string> erase_user(const std::string& database_url,
                                                                   const ErasureOptions& options);

}  // namespace oneclick
