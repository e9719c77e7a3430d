// The block function of SHA-256, one text or up to four at once: what hash.cpp and crypto_hmac.cpp
// are built on. SHA-NI where the CPU has it, OpenSSL's otherwise; chosen once, at start.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/base/hash.hpp"

namespace oneclick::sha256_blocks {

using State = std::array<std::uint32_t, 8>;

inline constexpr std::size_t block_bytes = 64;
inline constexpr std::size_t lanes_max = 4;
inline constexpr State initial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// One block of one text; several lanes advance together.
struct Lane {
  State* state;
  const std::uint8_t* block;
};

void compress(State& state, const std::uint8_t* blocks, std::size_t count);
void compress_lanes(std::span<const Lane> lanes);  // 1..lanes_max, states all different

// What follows the last whole block: the rest of the text, 0x80, zeros and the length in bits.
// Writes one or two blocks to `out` and returns how many. `total_bytes` counts all bytes hashed
// before too.
std::size_t write_tail(std::uint8_t* out, const std::uint8_t* rest, std::size_t rest_bytes,
                       std::uint64_t total_bytes);
void write_digest(const State& state, std::uint8_t* out);

// Hashes `size` more bytes, of `total_bytes` in all with those already in `state`, and closes.
Digest finish(State state, const std::uint8_t* text, std::size_t size, std::uint64_t total_bytes);

[[nodiscard]] bool hardware_present();
// For tests and measurements: false makes every digest take OpenSSL's path until set again.
void use_hardware(bool on);

}  // namespace oneclick::sha256_blocks
