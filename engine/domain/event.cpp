#include "engine/domain/event.hpp"

#include <cstring>

#include "engine/base/check.hpp"
#include "engine/domain/record.hpp"

namespace oneclick {

namespace {

template <typename Payload>
Event with_payload(EventKind kind, const Payload& payload) {
  Event event;
  // Bytes that no member names would otherwise differ from run to run, and the journal keeps bytes.
  std::memset(static_cast<void*>(&event), 0, sizeof event);
  event.kind = kind;
  event.payload_size = sizeof payload;
  std::memcpy(static_cast<void*>(&event.leader), &payload, sizeof payload);
  return event;
}

}  // namespace

Event make_event(const LeaderEvent& p) {
  return with_payload(EventKind::leader, p);
}
Event make_event(const CopyLink& p) {
  return with_payload(EventKind::link_upsert, p);
}
Event make_event(const LinkRemove& p) {
  return with_payload(EventKind::link_remove, p);
}
Event make_event(const Account& p) {
  return with_payload(EventKind::account_upsert, p);
}
Event make_account_remove(const AccountRemove& p) {
  return with_payload(EventKind::account_remove, p);
}
Event make_event(const Instrument& p) {
  return with_payload(EventKind::instrument, p);
}
Event make_event(const LeaderFeed& p) {
  return with_payload(EventKind::feed_upsert, p);
}
Event make_feed_remove(const AccountRemove& p) {
  return with_payload(EventKind::feed_remove, p);
}
Event make_event(const Balance& p) {
  return with_payload(EventKind::balance, p);
}
Event make_event(const OrderUpdate& p) {
  return with_payload(EventKind::order_update, p);
}
Event make_event(const AccountState& p) {
  return with_payload(EventKind::account_state, p);
}
Event make_event(const KillSwitch& p) {
  return with_payload(EventKind::kill_switch, p);
}
Event make_event(const Fence& p) {
  return with_payload(EventKind::fence, p);
}
Event make_event(const Price& p) {
  return with_payload(EventKind::price, p);
}
Event make_event(const Sweep& p) {
  return with_payload(EventKind::sweep, p);
}
Event make_event(const QuarantineRelease& p) {
  return with_payload(EventKind::quarantine_release, p);
}
Event make_event(const SymbolMapping& p) {
  return with_payload(EventKind::symbol_map, p);
}
Event make_event(const RiskLimits& p) {
  return with_payload(EventKind::risk_limits, p);
}
Event make_timer() {
  Event event;
  std::memset(static_cast<void*>(&event), 0, sizeof event);
  event.kind = EventKind::timer;
  return event;
}

std::size_t payload_bytes(EventKind kind) {
  switch (kind) {
    case EventKind::leader:
      return sizeof(LeaderEvent);
    case EventKind::link_upsert:
      return sizeof(CopyLink);
    case EventKind::link_remove:
      return sizeof(LinkRemove);
    case EventKind::account_upsert:
      return sizeof(Account);
    case EventKind::account_remove:
      return sizeof(AccountRemove);
    case EventKind::instrument:
      return sizeof(Instrument);
    case EventKind::feed_upsert:
      return sizeof(LeaderFeed);
    case EventKind::feed_remove:
      return sizeof(AccountRemove);
    case EventKind::balance:
      return sizeof(Balance);
    case EventKind::order_update:
      return sizeof(OrderUpdate);
    case EventKind::account_state:
      return sizeof(AccountState);
    case EventKind::kill_switch:
      return sizeof(KillSwitch);
    case EventKind::fence:
      return sizeof(Fence);
    case EventKind::price:
      return sizeof(Price);
    case EventKind::sweep:
      return sizeof(Sweep);
    case EventKind::quarantine_release:
      return sizeof(QuarantineRelease);
    case EventKind::symbol_map:
      return sizeof(SymbolMapping);
    case EventKind::risk_limits:
      return sizeof(RiskLimits);
    case EventKind::timer:
      return 0;
  }
  return 0;
}

std::size_t payload_bytes(RecordKind kind) {
  switch (kind) {
    case RecordKind::leader_event:
      return sizeof(LeaderEventRecord);
    case RecordKind::outcome:
      return sizeof(OutcomeRecord);
    case RecordKind::order:
      return sizeof(OrderRecord);
    case RecordKind::fill:
      return sizeof(FillRecord);
    case RecordKind::external_fill:
      return sizeof(ExternalFillRecord);
    case RecordKind::instrument:
      return sizeof(Instrument);
    case RecordKind::kill_switch:
      return sizeof(KillSwitch);
    case RecordKind::account_state:
      return sizeof(AccountState);
    case RecordKind::link_halt:
      return sizeof(LinkHaltRecord);
    case RecordKind::quarantine:
      return sizeof(QuarantineRecord);
    case RecordKind::scope_halt:
      return sizeof(ScopeHaltRecord);
  }
  return 0;
}

}  // namespace oneclick
