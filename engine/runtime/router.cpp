#include "engine/runtime/router.hpp"

#include "engine/base/check.hpp"

namespace oneclick {

std::uint32_t virtual_shard_of(AccountId account) {
  return static_cast<std::uint32_t>(hash_of(account) % virtual_shards);
}

std::uint16_t shard_of(AccountId account, std::uint16_t shard_count) {
  return static_cast<std::uint16_t>(virtual_shard_of(account) % shard_count);
}

Router::Router(std::vector<Inbox*> inboxes) : inboxes_(std::move(inboxes)) {
  CHECK(!inboxes_.empty());
}

bool Router::push_to(Inbox& inbox, const Event& event) {
  if (!inbox.queue.try_push(event)) return false;
  // Pairs with the shard: it announces its sleep, then looks at the queue once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (inbox.sleeping.load(std::memory_order_relaxed) && inbox.poller != nullptr)
    inbox.poller->wake();
  return true;
}

bool Router::push_to_all(const Event& event) {
  for (const Inbox* const inbox : inboxes_)
    if (inbox->queue.size() >= inbox->queue.capacity()) return false;
  bool all = true;
  for (Inbox* const inbox : inboxes_) all = push_to(*inbox, event) && all;
  return all;
}

bool Router::try_push(const Event& event) {
  const auto one = [&](AccountId account) {
    return push_to(*inboxes_[shard_of(account, static_cast<std::uint16_t>(inboxes_.size()))],
                   event);
  };
  switch (event.kind) {
    case EventKind::link_upsert:
      return one(event.link.account);
    case EventKind::account_upsert:
      return one(event.account.id);
    case EventKind::account_remove:
      return one(event.account_remove.id);
    case EventKind::balance:
      return event.balance.leader ? push_to_all(event) : one(event.balance.account);
    case EventKind::order_update:
      return one(event.order.account);
    case EventKind::account_state:
      return one(event.account_state.account);
    case EventKind::sweep:
      return one(event.sweep.account);
    case EventKind::quarantine_release:
      return one(event.quarantine_release.account);
    case EventKind::risk_limits:
      return event.risk_limits.scope == LimitScope::account ? one(AccountId{event.risk_limits.id})
                                                            : push_to_all(event);
    case EventKind::leader:
    case EventKind::link_remove:
    case EventKind::instrument:
    case EventKind::feed_upsert:
    case EventKind::feed_remove:
    case EventKind::kill_switch:
    case EventKind::timer:
    case EventKind::fence:
    case EventKind::price:
    case EventKind::symbol_map:
      return push_to_all(event);
  }
  return false;
}

}  // namespace oneclick
