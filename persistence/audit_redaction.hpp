// Takes a person's data out of sealed audit rows and leaves a signed word about it, by which
// verification still knows that the row is the one that was written.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/base/hash.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

struct AuditRedaction {
  std::string source;
  std::string row_id;
  Digest row_hash;       // as it was written
  Digest redacted_hash;  // since
  std::string redacted_at;
};
[[nodiscard]] Digest redaction_signature(const MasterKey& key, const AuditRedaction& redaction);

struct AuditRedactionRequest {
  std::string user_id;  // rows of, and about, this person
  std::span<const MasterKey> keys;
  bool dry_run;
};
// In the caller's transaction. Returns tables and how many rows of each. Error: no key, a row that
// is not sealed, or one that is not what was sealed.
[[nodiscard]] std::expected<std::vector<std::pair<std::string, std::int64_t>>, std::string>
redact_audit(PgQuery& query, const AuditRedactionRequest& request);

}  // namespace oneclick
