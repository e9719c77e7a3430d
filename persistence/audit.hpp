// The chain over the rows of audit_logs and security_events, and its proof (schema/README.md,
// "Audit chain"). The database queues each row with its hash in the transaction that writes it; one
// sealer (seal_audit: the daemon's side writer every second, and `oneclick maintain`) chains what
// is committed.
//
// Retention, in this order, each step safe to repeat:
//   1. make_audit_checkpoint(url, keys, before): seals, verifies what is about to leave, signs.
//   2. SELECT engine.archive_audit(1000) until it returns 0: moves rows that a checkpoint covers
//      from audit_logs to engine.audit_archive (compressed, still verified), with their chain.
// `oneclick maintain --verify-audit` is report_audit() of engine/app/audit_report.hpp, nothing
// else. What would go is engine.audit_archivable(before). Rows are never deleted from audit_logs by
// hand: verification would find them missing. Erasing a person takes personal data out of sealed
// rows and signs for it (audit_redaction.hpp). Tools, not the order path.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/base/hash.hpp"

namespace oneclick {

// Seals until nothing committed is left, or `another` holds the lock. Returns the rows sealed.
[[nodiscard]] std::expected<std::int64_t, std::string> seal_audit(const std::string& database_url);

// Signs the chain of audit_logs up to the last row before which all were created before `before`
// ("2019-11-23" or with a time, UTC). The first of `keys` signs. Returns the position of the
// newest such checkpoint, 0 when there is none. An error where what would leave does not hold.
[[nodiscard]] std::expected<std::int64_t, std::string> make_audit_checkpoint(
    const std::string& database_url, std::span<const MasterKey> keys, const std::string& before);

// Seals and signs where the chains stand now, so that whoever computes them anew is found out, and
// signs older checkpoints again that were signed under another of `keys`. Nothing is archived for
// it. Meant for every run of `oneclick maintain` that has a master key.
[[nodiscard]] std::expected<void, std::string> sign_audit_heads(const std::string& database_url,
                                                                std::span<const MasterKey> keys);

// Where a chain stood: kept outside the database, it shows that the end was cut off and the head
// set back.
struct AuditAnchor {
  std::string source;
  std::int64_t seq;
  Digest hash;
};
// Lines "<source> <seq> <hex hash>".
[[nodiscard]] std::expected<std::vector<AuditAnchor>, std::string> parse_audit_anchors(
    std::string_view text);
[[nodiscard]] std::string audit_anchor_text(std::span<const AuditAnchor> anchors);

struct AuditProblem {
  std::string source;  // audit_logs | security_events
  std::int64_t seq;    // position in the chain; 0: none
  std::string row_id;  // empty: none
  std::string what;
};
struct AuditVerdict {
  std::vector<AuditProblem> problems;  // the first 100
  std::int64_t problem_count;
  std::int64_t rows_checked;  // sealed rows, archived ones included
  std::int64_t rows_archived;
  std::int64_t rows_redacted;  // an erased person's data was taken out, and signed for
  std::int64_t checkpoints;
  std::int64_t rows_unsealed;  // committed, waiting for the sealer
  std::vector<AuditAnchor> heads;
};
struct AuditCheck {
  std::vector<MasterKey> keys;  // that signed checkpoints
  std::vector<AuditAnchor> anchors;
  std::function<void(std::int64_t rows_checked)> on_progress = {};
};
// Reads every sealed row once, in one snapshot and bounded memory. Error: the database did not
// answer; what does not hold is in the verdict.
[[nodiscard]] std::expected<AuditVerdict, std::string> verify_audit(const std::string& database_url,
                                                                    const AuditCheck& check);

}  // namespace oneclick
