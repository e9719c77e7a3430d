// SHA-256 blocks by the CPU's own instructions. Callers make sure that the CPU has them.
#pragma once

#include "engine/base/sha256.hpp"

namespace oneclick::sha256_blocks {

void compress_ni(State& state, const std::uint8_t* blocks, std::size_t count);
void compress_lanes_ni(std::span<const Lane> lanes);

}  // namespace oneclick::sha256_blocks
