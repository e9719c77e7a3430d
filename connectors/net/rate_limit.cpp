#include "connectors/net/rate_limit.hpp"

#include <algorithm>

namespace oneclick::net {
namespace {

// Number of the window in the high half, what it has used in the low half.
constexpr std::uint64_t pack(std::uint32_t window, std::uint32_t used) {
  return static_cast<std::uint64_t>(window) << 32 | used;
}
constexpr std::uint32_t window_of(std::uint64_t packed) {
  return static_cast<std::uint32_t>(packed >> 32);
}
constexpr std::uint32_t used_of(std::uint64_t packed) {
  return static_cast<std::uint32_t>(packed);
}

// Whether `window` is a later one than what was seen. Numbers wrap, so a budget never used yet (0)
// is told apart by itself.
constexpr bool is_later(std::uint32_t window, std::uint64_t seen) {
  return seen == 0 || static_cast<std::int32_t>(window - window_of(seen)) > 0;
}

std::uint32_t window_at(std::int64_t now_ns, std::int64_t interval_ns) {
  return static_cast<std::uint32_t>(now_ns / interval_ns);
}

}  // namespace

RateWindow::RateWindow(std::int64_t interval_ns, std::uint32_t limit, double reserve_ratio)
    : interval_ns_(std::max<std::int64_t>(interval_ns, 1)),
      reserve_ratio_(std::clamp(reserve_ratio, 0.0, 1.0)),
      limit_(limit) {}

std::uint64_t RateWindow::allowed(std::uint32_t limit, bool is_exit) const {
  return is_exit ? limit : limit - static_cast<std::uint32_t>(reserve_ratio_ * limit);
}

bool RateWindow::has_room(std::uint32_t cost, bool is_exit, std::int64_t now_ns) const {
  if (now_ns < paused_until_ns_.load(std::memory_order_acquire)) return false;
  const std::uint32_t limit = limit_.load(std::memory_order_relaxed);
  if (limit == 0) return true;
  const std::uint64_t seen = window_and_used_.load(std::memory_order_relaxed);
  const bool passed = is_later(window_at(now_ns, interval_ns_), seen);
  return (passed ? 0 : used_of(seen)) + static_cast<std::uint64_t>(cost) <= allowed(limit, is_exit);
}

bool RateWindow::try_take(std::uint32_t cost, bool is_exit, std::int64_t now_ns) {
  if (now_ns < paused_until_ns_.load(std::memory_order_acquire)) return false;
  const std::uint32_t limit = limit_.load(std::memory_order_relaxed);
  if (limit == 0) return true;
  const std::uint32_t window = window_at(now_ns, interval_ns_);
  std::uint64_t seen = window_and_used_.load(std::memory_order_relaxed);
  while (true) {
    // A thread with a slightly older clock counts into the newer window: stricter, never laxer.
    const bool passed = is_later(window, seen);
    const std::uint32_t used = passed ? 0 : used_of(seen);
    if (used + static_cast<std::uint64_t>(cost) > allowed(limit, is_exit)) return false;
    const std::uint64_t next = pack(passed ? window : window_of(seen), used + cost);
    if (window_and_used_.compare_exchange_weak(seen, next, std::memory_order_acq_rel)) return true;
  }
}

void RateWindow::observe_used(std::uint32_t used, std::int64_t now_ns) {
  const std::uint32_t window = window_at(now_ns, interval_ns_);
  std::uint64_t seen = window_and_used_.load(std::memory_order_relaxed);
  while (true) {
    const bool later = is_later(window, seen);
    if (!later && (window != window_of(seen) || used <= used_of(seen))) return;
    if (window_and_used_.compare_exchange_weak(seen, pack(window, used),
                                               std::memory_order_acq_rel)) {
      return;
    }
  }
}

void RateWindow::pause_until(std::int64_t until_ns) {
  std::int64_t seen = paused_until_ns_.load(std::memory_order_relaxed);
  while (seen < until_ns && !paused_until_ns_.compare_exchange_weak(seen, until_ns)) {
  }
}

void RateWindow::set_limit(std::uint32_t limit) {
  limit_.store(limit, std::memory_order_relaxed);
}

double RateWindow::remaining_ratio(std::int64_t now_ns) const {
  if (now_ns < paused_until_ns_.load(std::memory_order_acquire)) return 0;
  const std::uint32_t limit = limit_.load(std::memory_order_relaxed);
  if (limit == 0) return 1;
  const std::uint64_t seen = window_and_used_.load(std::memory_order_acquire);
  const bool later = is_later(window_at(now_ns, interval_ns_), seen);
  const std::uint32_t used = later ? 0 : std::min(used_of(seen), limit);
  return 1.0 - static_cast<double>(used) / limit;
}

std::int64_t RateWindow::resets_ns(std::int64_t now_ns) const {
  const std::int64_t window_end = (now_ns / interval_ns_ + 1) * interval_ns_;
  return std::max(window_end, paused_until_ns_.load(std::memory_order_acquire));
}

}  // namespace oneclick::net
