#include "engine/base/hash.hpp"

#include <bit>
#include <cstring>

#include <nmmintrin.h>

#include "engine/base/sha256.hpp"
#include "engine/base/uuid.hpp"

namespace oneclick {

namespace {

constexpr std::uint32_t castagnoli = 0x82f63b78;  // x^32+x^28+x^27+..., bits reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? castagnoli : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr auto table = make_table();

__attribute__((target("sse4.2"))) std::uint32_t crc_hardware(std::uint32_t crc, const std::byte* p,
                                                             std::size_t n) {
  std::uint64_t wide = crc;
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; n > 0; --n, ++p) crc = _mm_crc32_u8(crc, std::to_integer<std::uint8_t>(*p));
  return crc;
}

const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed) {
  if (!has_sse42) return crc32c_portable(data, seed);
  return ~crc_hardware(~seed, data.data(), data.size());
}

std::uint32_t crc32c_portable(std::span<const std::byte> data, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (const std::byte b : data)
    crc = (crc >> 8) ^ table[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xff];
  return ~crc;
}

Digest sha256(std::span<const std::byte> data) {
  return sha256_blocks::finish(sha256_blocks::initial,
                               reinterpret_cast<const std::uint8_t*>(data.data()), data.size(),
                               data.size());
}

Digest sha256(std::string_view data) {
  return sha256(bytes_of(data));
}

void StateHash::add(std::uint64_t value) {
  value_ = mix(std::rotl(value_, 23) * 0x9e3779b185ebca87ULL + value);
}

void StateHash::add(std::span<const std::byte> data) {
  // The length first, so that "ab" + "c" and "a" + "bc" differ.
  add(static_cast<std::uint64_t>(data.size()));
  std::size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data() + i, 8);
    add(word);
  }
  if (i == data.size()) return;
  std::uint64_t word = 0;
  std::memcpy(&word, data.data() + i, data.size() - i);
  add(word);
}

}  // namespace oneclick
