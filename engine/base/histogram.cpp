#include "engine/base/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace oneclick {

namespace {

constexpr int step_bits = 5;
static_assert(1 << step_bits == Histogram::steps);

// Values below `steps` have a bucket each; above, each power of two is divided into `steps`.
std::size_t bucket_of(std::uint64_t value) {
  if (value < Histogram::steps) return value;
  const int shift = static_cast<int>(std::bit_width(value)) - 1 - step_bits;
  return static_cast<std::size_t>(shift + 1) * Histogram::steps +
         ((value >> shift) & (Histogram::steps - 1));
}

std::int64_t upper_edge(std::size_t bucket) {
  if (bucket < Histogram::steps) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = bucket / Histogram::steps - 1;
  const std::uint64_t step = Histogram::steps + bucket % Histogram::steps;
  return static_cast<std::int64_t>(((step + 1) << shift) - 1);
}

template <typename T>
void add(std::atomic<T>& to, T n) {
  to.fetch_add(n, std::memory_order_relaxed);
}

void raise(std::atomic<std::int64_t>& to, std::int64_t value) {
  std::int64_t seen = to.load(std::memory_order_relaxed);
  while (value > seen && !to.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

void Histogram::record(std::int64_t value_ns) {
  record_many(value_ns, 1);
}

void Histogram::record_many(std::int64_t value_ns, std::uint64_t count) {
  const std::int64_t value = std::max<std::int64_t>(value_ns, 0);
  add(buckets_[bucket_of(static_cast<std::uint64_t>(value))], count);
  add(sum_, value * static_cast<std::int64_t>(count));
  if (count != 0) raise(max_, value);
  add(count_, count);
}

std::int64_t Histogram::quantile_ns(double q) const {
  std::array<std::uint64_t, bucket_count> seen;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < seen.size(); ++i)
    total += seen[i] = buckets_[i].load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const double exact = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, total);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    below += seen[i];
    if (below >= rank) return std::min(upper_edge(i), max_ns());
  }
  return max_ns();
}

std::uint64_t Histogram::count_at_most(std::int64_t limit_ns) const {
  const bool all = limit_ns >= max_ns();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    if (!all && upper_edge(i) > limit_ns) break;
    total += buckets_[i].load(std::memory_order_relaxed);
  }
  return total;
}

void Histogram::merge(const Histogram& other) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    const std::uint64_t n = other.buckets_[i].load(std::memory_order_relaxed);
    add(buckets_[i], n);
    total += n;
  }
  add(sum_, other.sum_ns());
  raise(max_, other.max_ns());
  add(count_, total);
}

}  // namespace oneclick
