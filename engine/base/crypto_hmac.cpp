// HMAC-SHA256 (RFC 2104) over midstates: the key's two padded blocks are hashed once, when the key
// is made, so a signature costs the blocks of its text plus one.
#include <algorithm>
#include <cstring>

#include <openssl/crypto.h>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"
#include "engine/base/sha256.hpp"

namespace oneclick {

namespace {

using namespace sha256_blocks;

const std::uint8_t* data_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

State padded_key_state(const std::uint8_t* key, std::uint8_t pad) {
  std::uint8_t block[block_bytes];
  for (std::size_t i = 0; i < block_bytes; ++i) block[i] = key[i] ^ pad;
  State state = initial;
  compress(state, block, 1);
  OPENSSL_cleanse(block, sizeof block);
  return state;
}

// The outer hash covers one block of key and the inner digest, so its last block is of fixed shape.
void write_outer_block(const State& inner, std::uint8_t* out) {
  write_digest(inner, out);
  std::memset(out + 32, 0, 32);
  out[32] = 0x80;
  out[62] = 0x03;  // (64 + 32) * 8 bits = 0x300
}

// One text on its way through the blocks it has: those in place, then its padded tail.
struct Plan {
  State state;
  const std::uint8_t* text;
  std::size_t whole;
  std::size_t blocks;
  std::uint8_t tail[2 * block_bytes];
};

void begin(Plan& plan, const State& state, std::uint64_t bytes_before, std::string_view text) {
  plan.state = state;
  plan.text = data_of(text);
  plan.whole = text.size() / block_bytes;
  plan.blocks = plan.whole + write_tail(plan.tail, plan.text + plan.whole * block_bytes,
                                        text.size() % block_bytes, bytes_before + text.size());
}

void run_plans(std::span<Plan> plans) {
  std::size_t longest = 0;
  for (const Plan& plan : plans) longest = std::max(longest, plan.blocks);
  Lane lanes[lanes_max];
  for (std::size_t i = 0; i < longest; ++i) {
    std::size_t count = 0;
    for (Plan& plan : plans) {
      if (i >= plan.blocks) continue;
      const std::uint8_t* block =
          i < plan.whole ? plan.text + i * block_bytes : plan.tail + (i - plan.whole) * block_bytes;
      lanes[count++] = {&plan.state, block};
    }
    compress_lanes({lanes, count});
  }
}

}  // namespace

HmacKey::HmacKey(std::string_view key) {
  std::uint8_t block[block_bytes]{};
  if (key.size() > block_bytes) {
    const Digest short_key = sha256(key);
    std::memcpy(block, short_key.data(), short_key.size());
  } else if (!key.empty()) {
    std::memcpy(block, key.data(), key.size());
  }
  inner_ = padded_key_state(block, 0x36);
  outer_ = padded_key_state(block, 0x5c);
  OPENSSL_cleanse(block, sizeof block);
}

Digest HmacKey::sign(std::string_view text) const {
  return sign_after(Prefix{inner_, 0}, text);
}

HmacKey::Prefix HmacKey::fold(std::string_view prefix) const {
  CHECK(prefix.size() % block_bytes == 0);
  Prefix out{inner_, prefix.size()};
  if (!prefix.empty()) compress(out.state, data_of(prefix), prefix.size() / block_bytes);
  return out;
}

Digest HmacKey::sign_after(const Prefix& prefix, std::string_view rest) const {
  const Digest inner =
      finish(prefix.state, data_of(rest), rest.size(), block_bytes + prefix.size + rest.size());
  return finish(outer_, inner.data(), inner.size(), block_bytes + inner.size());
}

void sign_many(std::span<const HmacJob> jobs) {
  Plan plans[lanes_max];
  Lane lanes[lanes_max];
  std::uint8_t outer[lanes_max][block_bytes];
  while (!jobs.empty()) {
    const std::size_t n = std::min(jobs.size(), lanes_max);
    for (std::size_t i = n; i < std::min(jobs.size(), 2 * lanes_max); ++i)
      __builtin_prefetch(jobs[i].prefix != nullptr ? static_cast<const void*>(jobs[i].prefix)
                                                   : static_cast<const void*>(jobs[i].key));
    for (std::size_t i = 0; i < n; ++i) {
      const HmacJob& job = jobs[i];
      if (job.prefix != nullptr)
        begin(plans[i], job.prefix->state, block_bytes + job.prefix->size, job.text);
      else
        begin(plans[i], job.key->inner_, block_bytes, job.text);
    }
    run_plans({plans, n});
    for (std::size_t i = 0; i < n; ++i) {
      write_outer_block(plans[i].state, outer[i]);
      plans[i].state = jobs[i].key->outer_;
      lanes[i] = {&plans[i].state, outer[i]};
    }
    compress_lanes({lanes, n});
    for (std::size_t i = 0; i < n; ++i) write_digest(plans[i].state, jobs[i].out->data());
    jobs = jobs.subspan(n);
  }
}

}  // namespace oneclick
