// One request of Elasticsearch's Bulk API and what its answer says, item by item. Pure. Source:
// Elasticsearch reference 8.x, "Bulk API": newline-delimited JSON, an action line and, but for
// deletes, a source line each, the last line ended too; the answer has one item per action in their
// order, with a status each. "Index API", "Versioning": with version_type external an item is taken
// only when its version is higher than what is there; else it has status 409.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "persistence/search_source.hpp"

namespace oneclick {

inline constexpr std::string_view bulk_content_type = "application/x-ndjson";

// What to do about an item or a whole answer.
enum class BulkVerdict : std::uint8_t {
  done = 1,  // taken, or something newer is there already
  refused,   // for what it says: trying again does not help
  again,     // not now
};
[[nodiscard]] BulkVerdict bulk_verdict(int status, bool is_delete);

struct BulkItem {
  int status;
  std::string reason;  // empty when fine
};

// Two lines a document, one where it has to go.
[[nodiscard]] std::string bulk_body(std::string_view index_prefix,
                                    const std::vector<SearchDocument>& documents);
// The items of an answer with status 200. Error: why it cannot be read.
[[nodiscard]] std::expected<std::vector<BulkItem>, std::string> parse_bulk_answer(
    std::string_view body);

}  // namespace oneclick
