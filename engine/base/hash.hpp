// Checksums and digests. CRC32C guards journal frames; SHA-256 derives identities.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace oneclick {

// Castagnoli, hardware where the CPU has it. crc32c("123456789") == 0xe3069283.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed = 0);
// The same without the instruction; what a CPU without SSE 4.2 gets.
[[nodiscard]] std::uint32_t crc32c_portable(std::span<const std::byte> data,
                                            std::uint32_t seed = 0);

using Digest = std::array<std::uint8_t, 32>;
[[nodiscard]] Digest sha256(std::span<const std::byte> data);
[[nodiscard]] Digest sha256(std::string_view data);

// Incremental state hash (order matters), for comparing two runs of the core: XXH64-like quality is
// enough, it guards against mistakes, not attackers.
class StateHash {
 public:
  void add(std::span<const std::byte> data);
  void add(std::uint64_t value);
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0x9e3779b97f4a7c15ULL;
};

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace oneclick
