// What was accepted, for idempotency: the same request gets the first answer, another body under
// the same identity a conflict. Bounded in time and number.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "connectors/ingress/key_store.hpp"

namespace oneclick::ingress {

struct Accepted {
  std::uint64_t body_hash[2];
  std::uint64_t seq;  // 0 while pending, and where the journal's position is not known
  std::int64_t time_ns;
  UserId user;  // of the key that sent it; nil after a restart
  ApiKeyId key;
  bool pending;  // not in the journal yet
};

class Memory {
 public:
  Memory(std::int64_t kept_ns, std::size_t count_max) : kept_ns_(kept_ns), count_max_(count_max) {}

  [[nodiscard]] Accepted* find(EventId id);
  void add(EventId id, const Accepted& accepted);
  // A name given by the caller for an event: its Idempotency-Key. Nil when not known.
  [[nodiscard]] EventId alias(EventId name) const;
  void add_alias(EventId name, EventId event, std::int64_t time_ns);
  void forget(EventId id);
  void sweep(std::int64_t now_ns);
  [[nodiscard]] std::size_t size() const { return events_.size(); }

 private:
  struct Age {
    std::int64_t time_ns;
    EventId id;
    bool is_alias;
  };
  void drop_oldest();

  const std::int64_t kept_ns_;
  const std::size_t count_max_;
  std::unordered_map<EventId, Accepted, IdHash<oneclick::EventTag>> events_;
  std::unordered_map<EventId, EventId, IdHash<oneclick::EventTag>> aliases_;
  std::deque<Age> ages_;  // oldest first
};

// Zero hashes stand for events that feeds brought: there was no body to differ from.
[[nodiscard]] bool is_same_body(const Accepted& accepted, const std::uint64_t (&body_hash)[2]);

}  // namespace oneclick::ingress
