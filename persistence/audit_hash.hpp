// What is hashed and signed of audit rows: the same as in migration 0012.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/crypto.hpp"
#include "engine/base/hash.hpp"
#include "engine/base/uuid.hpp"

namespace oneclick {

inline constexpr std::string_view audit_logs_source = "audit_logs";
inline constexpr std::string_view security_events_source = "security_events";

[[nodiscard]] std::optional<Digest> digest_of_hex(std::string_view hex);
// Of the columns as text, NULL kept apart from empty.
[[nodiscard]] Digest audit_row_hash(std::string_view source,
                                    std::span<const std::optional<std::string>> fields);
[[nodiscard]] Digest audit_link_hash(const Digest& previous, std::int64_t seq, const Uuid& row_id,
                                     const Digest& row_hash);

struct AuditCheckpoint {
  std::string source;
  std::int64_t seq;
  Digest hash;
  std::string created_before;  // 2019-11-23T00:00:00.000000, empty: only a witness
  std::string made_at;
};
[[nodiscard]] Digest audit_signature(const MasterKey& key, const AuditCheckpoint& checkpoint);

}  // namespace oneclick
