// The run's figures, what they are held to, the table on the terminal and the JSON file.
#pragma once

#include <string>
#include <vector>

#include "bench/database/follows.hpp"
#include "bench/database/load.hpp"
#include "bench/database/queries.hpp"
#include "bench/database/sink_race.hpp"

namespace oneclick::bench {

struct DatabaseReport {
  std::string commit, machine, started, server, storage;
  double scale;
  WorldSizes sizes;
  LoadResult load;  // of the run that loaded it
  std::uint64_t database_bytes;
  std::vector<QueryFigures> queries;
  BurstSize burst;
  std::vector<RaceRound> rounds;
  FollowResult follows;
};

inline constexpr std::int64_t query_ns_max = 10'000'000;
inline constexpr double sink_share_min = 0.70;
inline constexpr double follows_min = 1'000;

[[nodiscard]] double sink_share(const DatabaseReport& report);  // median of the sink over COPY's
// What does not hold, one line each.
[[nodiscard]] std::vector<std::string> failures(const DatabaseReport& report);
[[nodiscard]] std::string to_table(const DatabaseReport& report);
[[nodiscard]] std::string to_json(const DatabaseReport& report);

}  // namespace oneclick::bench
