// 128-bit identifiers in RFC 9562 byte order, as two big-endian halves.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace oneclick {

struct Uuid {
  std::uint64_t high;
  std::uint64_t low;

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;
  [[nodiscard]] constexpr bool is_nil() const { return high == 0 && low == 0; }
  // Lower-case "8-4-4-4-12", 36 characters.
  void write(char* out) const;
  [[nodiscard]] std::string to_text() const;
  // The 36-character form, either case; nothing else.
  [[nodiscard]] static std::optional<Uuid> parse(std::string_view text);
  [[nodiscard]] std::array<std::uint8_t, 16> bytes() const;
  [[nodiscard]] static Uuid from_bytes(const std::uint8_t* bytes);
};

// A well-mixed 64-bit hash: ids may come from outside, so their own bits are not trusted to spread.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 32);
}
[[nodiscard]] constexpr std::uint64_t hash_of(const Uuid& u) {
  return mix(u.high ^ mix(u.low));
}

}  // namespace oneclick
