#include "engine/app/search_bulk.hpp"

#include <fmt/format.h>

namespace oneclick {

BulkVerdict bulk_verdict(int status, bool is_delete) {
  if (status >= 200 && status < 300) return BulkVerdict::done;
  if (status == 409) return BulkVerdict::done;               // something newer is there
  if (status == 404 && is_delete) return BulkVerdict::done;  // it never was there
  if (status == 429 || status >= 500) return BulkVerdict::again;
  return BulkVerdict::refused;
}

std::string bulk_body(std::string_view index_prefix, const std::vector<SearchDocument>& documents) {
  std::string body;
  for (const SearchDocument& d : documents) {
    body += fmt::format(
        R"({{"{}":{{"_index":"{}-{}","_id":"{}","version":{},"version_type":"external"}}}})",
        d.document.empty() ? "delete" : "index", index_prefix, d.kind, d.id, d.version);
    body += '\n';
    if (d.document.empty()) continue;
    body += d.document;
    body += '\n';
  }
  return body;
}

}  // namespace oneclick
