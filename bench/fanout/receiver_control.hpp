// What the benchmark and its receiver say to each other, as fixed-size messages over a socket pair.
#pragma once

#include <cstdint>

#include "bench/fanout/receiver.hpp"

namespace oneclick::bench {

struct Ready {
  std::uint16_t port;
};

struct Command {
  enum class Kind : std::uint32_t { arm = 1, count = 2 };
  Kind kind;
  Burst burst;
};

}  // namespace oneclick::bench
