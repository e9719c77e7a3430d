// A venue's request budget as its own documents define it: fixed windows of an interval with a
// limit, shared by all who leave through one egress (or by one account). A reserve of every window
// is kept for exits and cancels. Thread-safe: REST and the shards' sessions of one egress share it.
#pragma once

#include <atomic>
#include <cstdint>

namespace oneclick::net {

class RateWindow {
 public:
  // limit 0: unlimited. reserve_ratio: share of the limit only exits may use (0..1).
  RateWindow(std::int64_t interval_ns, std::uint32_t limit, double reserve_ratio);
  // Takes cost when it fits the window that now_ns lies in. Nothing is taken when it does not.
  [[nodiscard]] bool try_take(std::uint32_t cost, bool is_exit, std::int64_t now_ns);
  // Whether that would be taken now: for what needs room in several windows at once.
  [[nodiscard]] bool has_room(std::uint32_t cost, bool is_exit, std::int64_t now_ns) const;
  // The venue said how much is used in its current window: ours is corrected upward, never
  // downward.
  void observe_used(std::uint32_t used, std::int64_t now_ns);
  // Nothing may be sent before this (Retry-After, ban).
  void pause_until(std::int64_t until_ns);
  void set_limit(std::uint32_t limit);
  [[nodiscard]] double remaining_ratio(std::int64_t now_ns) const;
  // When the current window ends (or the pause, whichever is later).
  [[nodiscard]] std::int64_t resets_ns(std::int64_t now_ns) const;

 private:
  // What of the limit this may use.
  [[nodiscard]] std::uint64_t allowed(std::uint32_t limit, bool is_exit) const;

  const std::int64_t interval_ns_;
  const double reserve_ratio_;
  std::atomic<std::uint32_t> limit_;
  std::atomic<std::uint64_t> window_and_used_{0};  // window number in the high 32 bits
  std::atomic<std::int64_t> paused_until_ns_{0};
};

}  // namespace oneclick::net
