// Rows of `trades` a second: the sink, from a journal, against bare COPY of the same rows into the
// same tables, in turn.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bench/database/burst.hpp"

namespace oneclick::bench {

struct RaceOptions {
  std::string database_url;  // as the engine's role
  std::filesystem::path dir;
  BurstSize size;
  std::size_t rounds;
};

struct RaceRound {
  double sink, copy;  // trades a second
};
// Throws when rows are missing afterwards, or the database refuses some.
[[nodiscard]] std::vector<RaceRound> race_sink(const World& world, const RaceOptions& options);

}  // namespace oneclick::bench
