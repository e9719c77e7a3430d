#include "engine/runtime/kill_board.hpp"

#include <algorithm>

namespace oneclick {

bool same_scope(const KillSwitch& a, const KillSwitch& b) {
  return a.venue == b.venue && a.leader == b.leader && a.follower == b.follower &&
         a.symbol == b.symbol;
}

void KillBoard::set(const KillSwitch& kill_switch) {
  const std::lock_guard hold(mutex_);
  std::erase_if(active_, [&](const KillSwitch& s) { return same_scope(s, kill_switch); });
  if (kill_switch.on) active_.push_back(kill_switch);
  count_.store(active_.size(), std::memory_order_release);
}

std::vector<KillSwitch> KillBoard::active() const {
  const std::lock_guard hold(mutex_);
  return active_;
}

bool KillBoard::covers(const Intent& intent) const {
  const std::lock_guard hold(mutex_);
  return std::ranges::any_of(active_, [&](const KillSwitch& s) {
    return (s.venue == Venue::none || s.venue == intent.venue) &&
           (s.leader.is_nil() || s.leader == intent.leader) &&
           (s.follower.is_nil() || s.follower == intent.follower) &&
           (s.symbol.empty() || s.symbol == intent.symbol);
  });
}

}  // namespace oneclick
