// SHA-NI does two rounds an instruction but each waits for the one before: a single text leaves the
// unit idle most of the time. Advancing several independent texts round by round fills it.
#include "engine/base/sha256_ni.hpp"

#include <immintrin.h>

#include "engine/base/check.hpp"

#define ONECLICK_SHA_NI __attribute__((target("sha,sse4.1,ssse3")))

namespace oneclick::sha256_blocks {

namespace {

alignas(16) constexpr std::uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The two halves of a state in the order the instructions want: a b e f and c d g h.
struct Halves {
  __m128i abef;
  __m128i cdgh;
};

ONECLICK_SHA_NI inline Halves load_state(const State& state) {
  const auto* words = reinterpret_cast<const __m128i*>(state.data());
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
  return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

ONECLICK_SHA_NI inline void store_state(State& state, Halves h) {
  auto* words = reinterpret_cast<__m128i*>(state.data());
  const __m128i feba = _mm_shuffle_epi32(h.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(h.cdgh, 0xb1);
  _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

template <int lanes>
ONECLICK_SHA_NI inline void one_block(Halves* h, const std::uint8_t* const* blocks) {
  const __m128i to_big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i words[lanes][4];
  Halves before[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    before[lane] = h[lane];
    const auto* in = reinterpret_cast<const __m128i*>(blocks[lane]);
    for (int i = 0; i < 4; ++i)
      words[lane][i] = _mm_shuffle_epi8(_mm_loadu_si128(in + i), to_big_endian);
  }
#pragma GCC unroll 16
  for (int group = 0; group < 16; ++group) {
    const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(round_constants) + group);
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; ++lane) {
      __m128i* w = words[lane];
      const __m128i w0 = w[group & 3], w3 = w[(group + 3) & 3];
      const __m128i wk = _mm_add_epi32(w0, k);
      h[lane].cdgh = _mm_sha256rnds2_epu32(h[lane].cdgh, h[lane].abef, wk);
      h[lane].abef = _mm_sha256rnds2_epu32(h[lane].abef, h[lane].cdgh, _mm_shuffle_epi32(wk, 0x0e));
      if (group >= 12) continue;  // the last four groups need no further words
      const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w[(group + 1) & 3]),
                                        _mm_alignr_epi8(w3, w[(group + 2) & 3], 4));
      w[group & 3] = _mm_sha256msg2_epu32(sum, w3);
    }
  }
  for (int lane = 0; lane < lanes; ++lane) {
    h[lane].abef = _mm_add_epi32(h[lane].abef, before[lane].abef);
    h[lane].cdgh = _mm_add_epi32(h[lane].cdgh, before[lane].cdgh);
  }
}

template <int lanes>
ONECLICK_SHA_NI void step_lanes(const Lane* in) {
  Halves h[lanes];
  const std::uint8_t* blocks[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    h[lane] = load_state(*in[lane].state);
    blocks[lane] = in[lane].block;
  }
  one_block<lanes>(h, blocks);
  for (int lane = 0; lane < lanes; ++lane) store_state(*in[lane].state, h[lane]);
}

}  // namespace

ONECLICK_SHA_NI void compress_ni(State& state, const std::uint8_t* blocks, std::size_t count) {
  Halves h = load_state(state);
  for (; count > 0; --count, blocks += block_bytes) one_block<1>(&h, &blocks);
  store_state(state, h);
}

void compress_lanes_ni(std::span<const Lane> lanes) {
  switch (lanes.size()) {
    case 1:
      return step_lanes<1>(lanes.data());
    case 2:
      return step_lanes<2>(lanes.data());
    case 3:
      return step_lanes<3>(lanes.data());
    case 4:
      return step_lanes<4>(lanes.data());
    default:
      CHECK(lanes.size() >= 1 && lanes.size() <= lanes_max);
  }
}

}  // namespace oneclick::sha256_blocks
