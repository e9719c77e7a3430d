#include "connectors/ingress/memory.hpp"

namespace oneclick::ingress {

Accepted* Memory::find(EventId id) {
  const auto at = events_.find(id);
  return at == events_.end() ? nullptr : &at->second;
}

void Memory::add(EventId id, const Accepted& accepted) {
  if (!events_.insert_or_assign(id, accepted).second) return;
  ages_.push_back({.time_ns = accepted.time_ns, .id = id, .is_alias = false});
  if (ages_.size() > count_max_) drop_oldest();
}

EventId Memory::alias(EventId name) const {
  const auto at = aliases_.find(name);
  return at == aliases_.end() ? EventId{} : at->second;
}

void Memory::add_alias(EventId name, EventId event, std::int64_t time_ns) {
  if (!aliases_.insert_or_assign(name, event).second) return;
  ages_.push_back({.time_ns = time_ns, .id = name, .is_alias = true});
  if (ages_.size() > count_max_) drop_oldest();
}

void Memory::forget(EventId id) {
  events_.erase(id);
}

void Memory::drop_oldest() {
  const Age oldest = ages_.front();
  ages_.pop_front();
  if (oldest.is_alias) {
    aliases_.erase(oldest.id);
  } else {
    events_.erase(oldest.id);
  }
}

void Memory::sweep(std::int64_t now_ns) {
  while (!ages_.empty() && now_ns - ages_.front().time_ns > kept_ns_) drop_oldest();
}

bool is_same_body(const Accepted& accepted, const std::uint64_t (&body_hash)[2]) {
  if (accepted.body_hash[0] == 0 && accepted.body_hash[1] == 0) return true;
  return accepted.body_hash[0] == body_hash[0] && accepted.body_hash[1] == body_hash[1];
}

}  // namespace oneclick::ingress
