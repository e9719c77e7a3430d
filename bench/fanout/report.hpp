// Rounds into figures: the table on the terminal and the JSON file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/common/results.hpp"

namespace oneclick::bench {

// One burst of one sender, in nanoseconds from its trigger.
struct Sample {
  std::int64_t first_ns;
  std::int64_t median_ns;  // half of the followers had their order at the exchange
  std::int64_t last_ns;
  std::int64_t lost_ns;  // the receiver's core was taken away for this long meanwhile
};

struct Rounds {
  std::size_t followers;
  std::map<std::string, std::vector<Sample>>
      by_sender;  // "floor", "plain", "engine"; round by round
};

struct Report {
  std::string commit;
  std::string machine;
  std::string started;           // UTC
  double lost_share_before = 0;  // of two spinning threads, as the host took cores away
  double lost_share_after = 0;
  double stolen_share = 0;  // as /proc/stat says
  std::vector<std::string> notes;
  std::vector<Rounds> sizes;
};

// Median of this sender's last-follower times, each over the floor's of the same round.
[[nodiscard]] double ratio_to_floor(const Rounds& rounds, const std::string& sender);

[[nodiscard]] std::string to_table(const Report& report);
[[nodiscard]] std::string to_json(const Report& report);

}  // namespace oneclick::bench
