#include "engine/core/emit.hpp"

#include <cstring>

namespace oneclick::core {

namespace {

Record& begin(Step& s, RecordKind kind, std::size_t payload) {
  Record& r = s.t.record;
  std::memset(static_cast<void*>(&r), 0, record_header_bytes + payload);
  r.kind = kind;
  r.shard = s.event.shard;
  r.payload_size = static_cast<std::uint32_t>(payload);
  r.cause_seq = s.event.seq;
  r.time_ns = s.event.time_ns;
  return r;
}

}  // namespace

OrderStatus status_of(const Order& o) {
  if (o.life != Life::ended) {
    return o.filled_quantity.is_positive() ? OrderStatus::partially_filled : OrderStatus::pending;
  }
  if (o.filled_quantity >= o.quantity) return OrderStatus::filled;
  if (o.filled_quantity.is_positive() || o.reason == Reason::not_filled)
    return OrderStatus::cancelled;
  return OrderStatus::failed;
}

void emit_leader_event(Step& s, const LeaderEvent& event, std::uint32_t links_matched) {
  Record& r = begin(s, RecordKind::leader_event, sizeof(LeaderEventRecord));
  std::memcpy(static_cast<void*>(&r.leader_event.event), &event, sizeof event);
  r.leader_event.accepted_ns = s.now_ns;
  r.leader_event.links_matched = links_matched;
  s.out.on_record(r);
}

void emit_outcome(Step& s, const OutcomeFacts& f) {
  Record& r = begin(s, RecordKind::outcome, sizeof(OutcomeRecord));
  OutcomeRecord& o = r.outcome;
  o.event = f.event;
  o.link = f.link;
  o.outcome = f.outcome;
  o.reason = f.reason;
  o.cap = f.cap;
  o.rank = f.rank;
  o.wanted_quantity = from_fine(f.wanted_fine);
  o.sent_quantity = f.sent;
  o.residual_quantity = from_fine(f.residual_fine);
  o.order = f.order;
  o.ingest_to_wire_ns = f.ingest_to_wire_ns;
  o.created_ns = s.now_ns;
  s.out.on_record(r);
}

void emit_order(Step& s, Order& order, UpdateSource source, const Text<95>* message) {
  const Link& link = s.t.links[order.link];
  Record& r = begin(s, RecordKind::order, sizeof(OrderRecord));
  OrderRecord& o = r.order;
  o.key = order.key;
  o.event = order.event;
  o.link = link.id;
  o.user = link.follower;
  o.portfolio = link.portfolio;
  o.account = s.t.accounts[order.slot].account.id;
  o.copied_from = order.copied_from;
  o.signal = order.signal;
  o.change = order.change++;
  o.status = status_of(order);
  o.side = order.side;
  o.type = order.type;
  o.unknown = order.life == Life::unknown;
  o.alarm = s.t.is_in_alarm(order);
  o.reason = order.reason;
  o.venue_code = order.venue_code;
  o.source = source;
  o.symbol = s.t.instruments[order.instrument].instrument.symbol;
  o.venue_order_id = order.venue_order_id;
  o.quantity = order.quantity;
  o.price = order.price;
  o.filled_quantity = order.filled_quantity;
  o.filled_quote = order.filled_quote;
  o.value_usd = order.value_usd;
  o.fees_usd = order.fees_usd;
  o.has_value_usd = order.filled_quantity.is_positive() && !order.lacks_value_usd;
  o.has_fees_usd = order.filled_quantity.is_positive() && !order.lacks_fees_usd;
  o.created_ns = order.created_ns;
  o.updated_ns = s.now_ns;
  o.executed_ns = order.executed_ns;
  if (message != nullptr) o.message = *message;
  s.out.on_record(r);
}

void emit_fill(Step& s, const Order& order, const OrderUpdate& update, Decimal base_fee) {
  const Link& link = s.t.links[order.link];
  Record& r = begin(s, RecordKind::fill, sizeof(FillRecord));
  FillRecord& f = r.fill;
  f.order = order.key;
  f.link = link.id;
  f.user = link.follower;
  f.portfolio = link.portfolio;
  f.account = s.t.accounts[order.slot].account.id;
  f.side = order.side;
  f.maker = update.maker;
  f.source = update.source;
  f.symbol = s.t.instruments[order.instrument].instrument.symbol;
  f.venue_order_id = order.venue_order_id;
  f.trade_id = update.trade_id;
  f.quantity = update.last_quantity;
  f.price = update.last_price;
  f.fee = update.fee;
  f.fee_asset = update.fee_asset;
  f.base_fee = base_fee;
  f.quote_usd = update.quote_usd;
  f.fee_usd = update.fee_usd;
  f.venue_time_ns = update.venue_time_ns;
  s.out.on_record(r);
}

void emit_external_fill(Step& s, const OrderUpdate& update) {
  Record& r = begin(s, RecordKind::external_fill, sizeof(ExternalFillRecord));
  ExternalFillRecord& f = r.external_fill;
  f.account = update.account;
  f.side = update.side;
  f.symbol = update.symbol;
  f.venue_order_id = update.venue_order_id;
  f.trade_id = update.trade_id;
  f.quantity = update.last_quantity;
  f.price = update.last_price;
  f.venue_time_ns = update.venue_time_ns;
  s.out.on_record(r);
}

// The three below repeat their input: its bytes are in the journal already.
void emit_instrument(Step& s, const Instrument& instrument) {
  Record& r = begin(s, RecordKind::instrument, sizeof(Instrument));
  std::memcpy(static_cast<void*>(&r.instrument), &instrument, sizeof instrument);
  s.out.on_record(r);
}
void emit_kill_switch(Step& s, const KillSwitch& kill) {
  Record& r = begin(s, RecordKind::kill_switch, sizeof(KillSwitch));
  std::memcpy(static_cast<void*>(&r.kill_switch), &kill, sizeof kill);
  s.out.on_record(r);
}
void emit_account_state(Step& s, const AccountState& state) {
  Record& r = begin(s, RecordKind::account_state, sizeof(AccountState));
  std::memcpy(static_cast<void*>(&r.account_state), &state, sizeof state);
  s.out.on_record(r);
}

void emit_link_halt(Step& s, const Link& link, const RareTerms& terms) {
  Record& r = begin(s, RecordKind::link_halt, sizeof(LinkHaltRecord));
  LinkHaltRecord& h = r.link_halt;
  h.link = link.id;
  h.follower = link.follower;
  h.halted = terms.halted;
  h.reason = Reason::drawdown;
  h.action = terms.drawdown_action;
  h.risk_epoch = terms.risk_epoch;
  h.limit_usd = terms.drawdown_usd_max;
  h.from_usd = terms.drawdown_from == DrawdownFrom::peak ? terms.peak_usd : terms.start_usd;
  h.profit_usd = terms.profit_usd;
  h.time_ns = s.now_ns;
  s.out.on_record(r);
}

void emit_scope_halt(Step& s, const ScopeTerms& scope) {
  const RareTerms& terms = scope.terms;
  Record& r = begin(s, RecordKind::scope_halt, sizeof(ScopeHaltRecord));
  ScopeHaltRecord& h = r.scope_halt;
  h.scope = scope.scope;
  h.halted = terms.halted;
  h.reason =
      scope.scope == LimitScope::account ? Reason::account_drawdown : Reason::leader_drawdown;
  h.action = terms.drawdown_action;
  h.shard = s.t.settings.shard;
  h.id = scope.id;
  if (scope.scope == LimitScope::account) h.user = s.t.accounts[terms.link].account.user;
  if (scope.scope == LimitScope::leader) h.user = UserId{scope.id};
  h.risk_epoch = terms.risk_epoch;
  h.limit_usd = terms.drawdown_usd_max;
  h.from_usd = terms.drawdown_from == DrawdownFrom::peak ? terms.peak_usd : terms.start_usd;
  h.profit_usd = terms.profit_usd;
  h.time_ns = s.now_ns;
  s.out.on_record(r);
}

void emit_quarantine(Step& s, Index holding, Index asset, AccountSlot slot, bool active) {
  const Holding& holds = s.t.holdings[holding];
  const Link& link = s.t.links[holds.link];
  const Quarantine& quarantine = s.t.quarantines[holds.quarantine];
  Record& r = begin(s, RecordKind::quarantine, sizeof(QuarantineRecord));
  QuarantineRecord& q = r.quarantine;
  q.link = link.id;
  q.follower = link.follower;
  q.account = s.t.accounts[slot].account.id;
  q.symbol = s.t.symbols[holds.symbol];
  if (asset != none) q.asset = s.t.assets[asset];
  q.reason = QuarantineReason::shortfall;
  q.active = active;
  q.expected = quarantine.expected;
  q.found = max(Decimal{}, quarantine.expected - holds.missing);
  q.account_expected = quarantine.account_expected;
  q.account_found = quarantine.account_found;
  q.quarantined_ns = quarantine.at_ns;
  q.time_ns = s.now_ns;
  s.out.on_record(r);
}

namespace {

Intent& account_intent(Step& s, AccountSlot slot, IntentKind kind) {
  Intent& i = s.t.intent;
  std::memset(static_cast<void*>(&i), 0, sizeof i);
  i.kind = kind;
  i.venue = s.t.accounts[slot].account.venue;
  i.slot = slot;
  i.account = s.t.accounts[slot].account.id;
  i.cause_seq = s.event.seq;
  return i;
}

void put_prices(const Tables& t, const Order& order, IntentKind kind, Intent& i) {
  const bool paired = kind == IntentKind::place_pair || kind == IntentKind::cancel;
  const Order* const other = paired && order.sibling != none ? &t.orders[order.sibling] : nullptr;
  if (other != nullptr) i.other_key = other->key;
  (order.type == OrderType::stop_loss ? i.stop_price : i.price) = order.price;
  if (kind == IntentKind::place_pair) i.stop_price = other->price;
}

}  // namespace

void emit_cancel(Step& s, AccountSlot slot, OrderKey key, const Symbol& symbol) {
  Intent& i = account_intent(s, slot, IntentKind::cancel);
  i.key = key;
  i.symbol = i.venue_symbol = symbol;
  const Index known = s.t.find_symbol(symbol);
  const Index instrument = known == none ? none : s.t.find_instrument(i.venue, known);
  if (instrument != none) i.venue_symbol = s.t.instruments[instrument].instrument.venue_symbol;
  s.out.on_intent(i);
}

void emit_read_account(Step& s, AccountSlot slot) {
  s.out.on_intent(account_intent(s, slot, IntentKind::read_account));
}

void emit_intent(Step& s, const Order& order, IntentKind kind) {
  const InstrumentEntry& instrument = s.t.instruments[order.instrument];
  const AccountEntry& account = s.t.accounts[order.slot];
  Intent& i = s.t.intent;
  std::memset(static_cast<void*>(&i), 0, sizeof i);
  i.kind = kind;
  i.type = order.type;
  i.side = order.side;
  i.venue = instrument.instrument.venue;
  i.is_exit = order.is_exit;
  i.reduce_only = order.is_exit && takes_reduce_only(instrument.instrument);
  i.slot = order.slot;
  i.rank = order.rank;
  i.account = account.account.id;
  i.key = order.key;
  i.symbol = instrument.instrument.symbol;
  i.venue_symbol = instrument.instrument.venue_symbol;
  i.price_decimals = instrument.price_decimals;
  i.quantity_decimals = instrument.quantity_decimals;
  i.venue_order_id = order.venue_order_id;
  i.quantity = order.quantity;
  i.contract_size = instrument.instrument.contract_size;
  put_prices(s.t, order, kind, i);
  i.cause_seq = s.event.seq;
  i.expires_ns = order.expires_ns;
  i.received_ns = order.received_ns;
  i.leader = order.copied_from;
  i.follower = s.t.links[order.link].follower;
  s.out.on_intent(i);
}

}  // namespace oneclick::core
