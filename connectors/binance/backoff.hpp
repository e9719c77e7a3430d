// When to try a connection again: exponential backoff with jitter, so that a thousand sessions that
// lost one server do not come back in one instant. One thread owns it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/crypto.hpp"

namespace oneclick::binance {

class Backoff {
 public:
  Backoff(std::int64_t delay_ns_min, std::int64_t delay_ns_max)
      : min_ns_(delay_ns_min), max_ns_(delay_ns_max) {
    std::uint8_t seed[8];
    random_bytes(seed);
    for (const std::uint8_t byte : seed) state_ = state_ << 8 | byte;
    state_ |= 1;
  }
  // Half to the whole of the delay of this failure; the next one doubles.
  std::int64_t next_delay_ns() {
    const std::int64_t ceiling = std::min(max_ns_, min_ns_ << std::min(failures_, 30));
    failures_ = std::min(failures_ + 1, 30);
    return ceiling / 2 + random_below(ceiling / 2 + 1);
  }
  void reset() { failures_ = 0; }
  std::int64_t random_below(std::int64_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return bound <= 0 ? 0 : static_cast<std::int64_t>(state_ % static_cast<std::uint64_t>(bound));
  }

 private:
  std::int64_t min_ns_;
  std::int64_t max_ns_;
  int failures_ = 0;
  std::uint64_t state_ = 0;
};

}  // namespace oneclick::binance
