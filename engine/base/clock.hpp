// The only places where time enters the process.
#pragma once

#include <cstdint>
#include <ctime>

namespace oneclick {

// Nanoseconds since the Unix epoch, UTC. May step when the host's clock is set.
[[nodiscard]] inline std::int64_t wall_now_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// Nanoseconds that never step and do not stop while the host is suspended: for timeouts.
[[nodiscard]] inline std::int64_t steady_now_ns() {
  timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// CLOCK_MONOTONIC through the vDSO: the cheapest, for measuring durations.
[[nodiscard]] inline std::int64_t monotonic_now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// Wall time that only moves forward at the steady rate: anchored to the wall clock once at start,
// so a step of the host's clock changes no timeout and no order of events.
class EngineClock {
 public:
  EngineClock() : offset_ns_(wall_now_ns() - monotonic_now_ns()) {}
  [[nodiscard]] std::int64_t now_ns() const { return monotonic_now_ns() + offset_ns_; }

 private:
  std::int64_t offset_ns_;
};

}  // namespace oneclick
