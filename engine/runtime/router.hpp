// Brings events to the shards that need them: what concerns one account to its shard, what concerns
// all (leader events, instruments, feeds, switches) to every shard. Any thread.
#pragma once

#include <memory>
#include <vector>

#include "engine/base/queue.hpp"
#include "engine/domain/port.hpp"

namespace oneclick {

// An account's shard: through 1,024 virtual shards, so that accounts can later move between
// machines in groups.
inline constexpr std::uint32_t virtual_shards = 1024;
[[nodiscard]] std::uint32_t virtual_shard_of(AccountId account);
[[nodiscard]] std::uint16_t shard_of(AccountId account, std::uint16_t shard_count);

struct Inbox {
  explicit Inbox(std::size_t capacity) : queue(capacity) {}
  BoundedQueue<Event> queue;
  // Set by the shard before it waits; whoever pushes then wakes it.
  std::atomic<bool> sleeping{false};
  Poller* poller = nullptr;
};

class Router final : public EventSink {
 public:
  explicit Router(std::vector<Inbox*> inboxes);
  // Leader events are known by their id: when one shard's queue was full, pushing again is harmless
  // to those that already have it.
  [[nodiscard]] bool try_push(const Event& event) override;

 private:
  [[nodiscard]] bool push_to(Inbox& inbox, const Event& event);
  [[nodiscard]] bool push_to_all(const Event& event);
  std::vector<Inbox*> inboxes_;
};

}  // namespace oneclick
