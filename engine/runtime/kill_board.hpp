// Kill switches as the gate sees them: set by any thread, in force at once, before the switch has
// taken its turn through the shard's queue. Bounds what still leaves in the middle of a fan-out.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/domain/event.hpp"
#include "engine/domain/intent.hpp"

namespace oneclick {

class KillBoard {
 public:
  // Any thread. Turning one on that is on, or off one that is off, changes nothing.
  void set(const KillSwitch& kill_switch);
  [[nodiscard]] std::vector<KillSwitch> active() const;
  // Hot path: one load when no switch is on.
  [[nodiscard]] bool any() const { return count_.load(std::memory_order_acquire) != 0; }
  [[nodiscard]] bool covers(const Intent& intent) const;

 private:
  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;  // taken only while a switch is on
  std::vector<KillSwitch> active_;
};

// Same scope, whatever its state.
[[nodiscard]] bool same_scope(const KillSwitch& a, const KillSwitch& b);

}  // namespace oneclick
