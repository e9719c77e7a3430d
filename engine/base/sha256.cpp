// OpenSSL's low-level SHA-256 is deprecated in favour of EVP, which has no access to the state
// after a block and costs an allocation a digest; it is still the fallback here for exactly that
// reason.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "engine/base/sha256.hpp"

#include <cpuid.h>
#include <atomic>
#include <bit>
#include <cstring>

#include <openssl/sha.h>

#include "engine/base/sha256_ni.hpp"

namespace oneclick::sha256_blocks {

namespace {

bool detect() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const bool shuffles = (c & bit_SSSE3) != 0 && (c & bit_SSE4_1) != 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return shuffles && (b & bit_SHA) != 0;
}

const bool present = detect();
std::atomic<bool> enabled{true};

bool hardware() {
  return present && enabled.load(std::memory_order_relaxed);
}

void compress_portable(State& state, const std::uint8_t* blocks, std::size_t count) {
  SHA256_CTX context{};
  std::memcpy(context.h, state.data(), sizeof state);
  context.md_len = SHA256_DIGEST_LENGTH;
  for (; count > 0; --count, blocks += block_bytes) SHA256_Transform(&context, blocks);
  std::memcpy(state.data(), context.h, sizeof state);
}

}  // namespace

bool hardware_present() {
  return present;
}
void use_hardware(bool on) {
  enabled.store(on, std::memory_order_relaxed);
}

void compress(State& state, const std::uint8_t* blocks, std::size_t count) {
  if (hardware()) return compress_ni(state, blocks, count);
  compress_portable(state, blocks, count);
}

void compress_lanes(std::span<const Lane> lanes) {
  if (hardware()) return compress_lanes_ni(lanes);
  for (const Lane& lane : lanes) compress_portable(*lane.state, lane.block, 1);
}

std::size_t write_tail(std::uint8_t* out, const std::uint8_t* rest, std::size_t rest_bytes,
                       std::uint64_t total_bytes) {
  const std::size_t blocks = rest_bytes + 9 <= block_bytes ? 1 : 2;
  std::memset(out, 0, blocks * block_bytes);
  if (rest_bytes != 0) std::memcpy(out, rest, rest_bytes);
  out[rest_bytes] = 0x80;
  const std::uint64_t bits = __builtin_bswap64(total_bytes * 8);
  std::memcpy(out + blocks * block_bytes - 8, &bits, 8);
  return blocks;
}

void write_digest(const State& state, std::uint8_t* out) {
  static_assert(std::endian::native == std::endian::little);
  for (std::size_t i = 0; i < state.size(); ++i) {
    const std::uint32_t word = __builtin_bswap32(state[i]);
    std::memcpy(out + 4 * i, &word, 4);
  }
}

Digest finish(State state, const std::uint8_t* text, std::size_t size, std::uint64_t total_bytes) {
  const std::size_t whole = size / block_bytes;
  if (whole != 0) compress(state, text, whole);
  std::uint8_t tail[2 * block_bytes];
  const std::size_t blocks =
      write_tail(tail, text + whole * block_bytes, size % block_bytes, total_bytes);
  compress(state, tail, blocks);
  Digest out;
  write_digest(state, out.data());
  return out;
}

}  // namespace oneclick::sha256_blocks
