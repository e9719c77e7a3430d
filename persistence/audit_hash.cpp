#include "persistence/audit_hash.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace oneclick {

std::optional<Digest> digest_of_hex(std::string_view hex) {
  Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* const from = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(from, from + 2, digest[i], 16);
    if (error != std::errc() || end != from + 2) return std::nullopt;
  }
  return digest;
}

// A length before each column: nothing can be moved from one to the next.
Digest audit_row_hash(std::string_view source, std::span<const std::optional<std::string>> fields) {
  std::string text(source);
  text += ',';
  for (const auto& field : fields) {
    if (field.has_value())
      text.append(std::to_string(field->size())).append(":").append(*field);
    else
      text += '-';
    text += ',';
  }
  return sha256(text);
}

Digest audit_link_hash(const Digest& previous, std::int64_t seq, const Uuid& row_id,
                       const Digest& row_hash) {
  std::array<std::uint8_t, 32 + 8 + 16 + 32> bytes{};
  auto at = std::ranges::copy(previous, bytes.begin()).out;
  for (int shift = 56; shift >= 0; shift -= 8)
    *at++ = static_cast<std::uint8_t>(static_cast<std::uint64_t>(seq) >> shift);
  at = std::ranges::copy(row_id.bytes(), at).out;
  std::ranges::copy(row_hash, at);
  return sha256(std::as_bytes(std::span(bytes)));
}

// Under a key made for this alone: the master key itself seals credentials.
Digest audit_signature(const MasterKey& key, const AuditCheckpoint& checkpoint) {
  const std::string_view master(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  const Digest derived = HmacKey(master).sign("oneclick audit checkpoint v1");
  const HmacKey signer(
      std::string_view(reinterpret_cast<const char*>(derived.data()), derived.size()));
  return signer.sign(fmt::format("{}|{}|{}|{}|{}", checkpoint.source, checkpoint.seq,
                                 to_hex(checkpoint.hash), checkpoint.created_before,
                                 checkpoint.made_at));
}

}  // namespace oneclick
