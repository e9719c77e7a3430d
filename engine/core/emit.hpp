// What leaves the core: intents and records, built in place with every unnamed byte zero, because
// records of two runs are compared byte by byte.
#pragma once

#include "engine/core/core.hpp"
#include "engine/core/tables.hpp"

namespace oneclick::core {

// One event on its way through the core.
struct Step {
  Tables& t;
  const Event& event;
  Output& out;
  std::int64_t now_ns;
};

struct OutcomeFacts {
  EventId event;
  LinkId link;
  Outcome outcome;
  Reason reason;
  Cap cap;
  std::uint32_t rank;
  i128 wanted_fine;
  Decimal sent;
  i128 residual_fine;
  OrderKey order;
  std::int64_t ingest_to_wire_ns;
};

void emit_leader_event(Step& s, const LeaderEvent& event, std::uint32_t links_matched);
void emit_outcome(Step& s, const OutcomeFacts& facts);
void emit_order(Step& s, Order& order, UpdateSource source, const Text<95>* message);
void emit_fill(Step& s, const Order& order, const OrderUpdate& update, Decimal base_fee);
void emit_external_fill(Step& s, const OrderUpdate& update);
void emit_instrument(Step& s, const Instrument& instrument);
void emit_kill_switch(Step& s, const KillSwitch& kill);
void emit_account_state(Step& s, const AccountState& state);
void emit_link_halt(Step& s, const Link& link, const RareTerms& terms);
void emit_scope_halt(Step& s, const ScopeTerms& scope);
void emit_quarantine(Step& s, Index holding, Index asset, AccountSlot slot, bool active);
void emit_intent(Step& s, const Order& order, IntentKind kind);
// Of an order that is not in the tables.
void emit_cancel(Step& s, AccountSlot slot, OrderKey key, const Symbol& symbol);
void emit_read_account(Step& s, AccountSlot slot);

[[nodiscard]] OrderStatus status_of(const Order& order);

}  // namespace oneclick::core
