#include "engine/base/uuid.hpp"

namespace oneclick {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool is_dash(std::size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

}  // namespace

void Uuid::write(char* out) const {
  int nibble = 0;
  for (std::size_t i = 0; i < 36; ++i) {
    if (is_dash(i)) {
      out[i] = '-';
      continue;
    }
    const std::uint64_t half = nibble < 16 ? high : low;
    out[i] = hex_digits[(half >> (60 - 4 * (nibble % 16))) & 15];
    ++nibble;
  }
}

std::string Uuid::to_text() const {
  std::string out(36, '-');
  write(out.data());
  return out;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid out{0, 0};
  int nibble = 0;
  for (std::size_t i = 0; i < 36; ++i) {
    if (is_dash(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return std::nullopt;
    std::uint64_t& half = nibble < 16 ? out.high : out.low;
    half = (half << 4) | static_cast<std::uint64_t>(value);
    ++nibble;
  }
  return out;
}

std::array<std::uint8_t, 16> Uuid::bytes() const {
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < 8; ++i) {
    out[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    out[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return out;
}

Uuid Uuid::from_bytes(const std::uint8_t* bytes) {
  Uuid out{0, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    out.high = (out.high << 8) | bytes[i];
    out.low = (out.low << 8) | bytes[8 + i];
  }
  return out;
}

}  // namespace oneclick
