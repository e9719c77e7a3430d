// The machine a measurement ran on, and what it took away meanwhile.
#pragma once

#include <cstdint>
#include <string>

namespace oneclick::bench {

// The calling thread stays on this core from now on. False when the machine has no such core.
bool pin_to_core(int core);
[[nodiscard]] int core_count();

// Time a spinning thread did not get: gaps between two looks at the clock that are longer than any
// work in between. The host takes vCPUs away without saying so; this is how it is seen.
class GapWatch {
 public:
  static constexpr std::int64_t gap_ns_min = 300'000;
  void start(std::int64_t now_ns) {
    last_ns_ = now_ns;
    lost_ns_ = 0;
  }
  void look(std::int64_t now_ns) {
    if (now_ns - last_ns_ > gap_ns_min) lost_ns_ += now_ns - last_ns_;
    last_ns_ = now_ns;
  }
  [[nodiscard]] std::int64_t lost_ns() const { return lost_ns_; }

 private:
  std::int64_t last_ns_ = 0;
  std::int64_t lost_ns_ = 0;
};

// Spins on every core for this long; the worst core's share of time lost, 0..1.
[[nodiscard]] double lost_share(std::int64_t duration_ns);

// Ticks stolen by the host and ticks in all, since boot (/proc/stat).
struct StealTicks {
  std::uint64_t stolen = 0;
  std::uint64_t total = 0;
};
[[nodiscard]] StealTicks read_steal();

[[nodiscard]] std::string machine_text();  // model, cores, kernel, load

}  // namespace oneclick::bench
