// Log-linear histogram of durations in nanoseconds: 64 powers of two of 32 steps, so a value is
// known within 3 %. Any thread may write (shards share a series); readers may look at any time and
// see counts that lag by moments.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace oneclick {

class Histogram {
 public:
  static constexpr int steps = 32;
  static constexpr int bucket_count = 60 * steps;

  void record(std::int64_t value_ns);
  void record_many(std::int64_t value_ns, std::uint64_t count);
  [[nodiscard]] std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t sum_ns() const { return sum_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t max_ns() const { return max_.load(std::memory_order_relaxed); }
  // Upper edge of the bucket holding quantile q of 0..1; 0 when empty; never above max.
  [[nodiscard]] std::int64_t quantile_ns(double q) const;
  // Values at most limit_ns, for Prometheus' cumulative buckets (counted by bucket upper edges).
  [[nodiscard]] std::uint64_t count_at_most(std::int64_t limit_ns) const;
  void merge(const Histogram& other);

 private:
  std::array<std::atomic<std::uint64_t>, bucket_count> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::int64_t> sum_{0};
  std::atomic<std::int64_t> max_{0};
};

}  // namespace oneclick
