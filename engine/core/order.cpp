#include "engine/core/order.hpp"

#include <algorithm>

#include "engine/core/bursts.hpp"
#include "engine/core/exits.hpp"
#include "engine/core/flips.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/mirror.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/reconcile.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t ended_kept_ns = 3600LL * 1'000'000'000;
constexpr int delay_doublings = 16;

// Asks the venue, and again after a while: each time after twice as long, up to a bound.
void ask(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const bool for_trades = o.life == Life::settling && !o.venue_order_id.empty();
  const std::int64_t delay = std::max(o.delay_ns, s.t.settings.query_interval_ns);
  o.delay_ns = std::min(delay * 2, s.t.settings.query_interval_ns * delay_doublings);
  s.t.set_deadline(order, s.now_ns + delay);
  emit_intent(s, o, for_trades ? IntentKind::query_trades : IntentKind::query);
}

void ask_later(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const std::int64_t delay = std::max(o.delay_ns, s.t.settings.query_interval_ns);
  o.delay_ns = std::min(delay * 2, s.t.settings.query_interval_ns * delay_doublings);
  s.t.set_deadline(order, s.now_ns + delay);
}

void become_unknown(Step& s, Index order, UpdateSource source, const Text<95>* message) {
  Order& o = s.t.orders[order];
  set_life(s.t, o, Life::unknown);
  o.delay_ns = s.t.settings.query_interval_ns;
  o.absent_answers = 0;
  emit_order(s, o, source, message);
}

bool rests(const Order& o) {
  return o.type == OrderType::limit_gtc || o.type == OrderType::stop_loss ||
         o.type == OrderType::take_profit;
}

// A resting order is not asked for: the account's stream tells what becomes of it, and a stream
// that was lost is made good for by asking for everything. One that is to end is cancelled.
void watch(Step& s, Index order) {
  const Order& o = s.t.orders[order];
  if (rests(o) && o.cancelling) return cancel_again(s, order);
  s.t.set_deadline(order, rests(o) ? never : s.now_ns + s.t.settings.ack_timeout_ns);
}

// The venue has it: what was doubtful is not any more.
void become_working(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const bool alarmed = s.t.is_in_alarm(o);
  o.seen = true;
  o.absent_answers = 0;
  if (alarmed && !s.t.is_in_alarm(o)) --s.t.exits_in_alarm;
  if (o.life == Life::working || o.life == Life::settling) return;
  set_life(s.t, o, Life::working);
  o.delay_ns = s.t.settings.query_interval_ns;
  watch(s, order);
}

bool has_trade(const Tables& t, const Order& o, const VenueTradeId& id) {
  Index at = o.first_trade;
  while (at != none && t.trades[at].id != id) at = t.trades[at].next;
  return at != none;
}

void add_trade(Tables& t, Order& o, const VenueTradeId& id) {
  const Index at = t.new_trade();
  t.trades[at].id = id;
  t.trades[at].next = o.first_trade;
  o.first_trade = at;
}

void note_totals(Order& o, const OrderUpdate& u) {
  if (u.has_cumulative) o.cumulative = max(o.cumulative, min(u.cumulative_quantity, o.quantity));
  o.cumulative = max(o.cumulative, o.filled_quantity);
}

// Frees an ended order unless something about it may still arrive.
void release_order(Step& s, Index order) {
  Order& o = s.t.orders[order];
  if (o.life != Life::ended || o.outcome_due || o.deadline_ns != never) return;
  const Index link = o.link;
  s.t.unlist_order(order);
  const bool complete = o.final || o.not_sent || !o.keyed || o.filled_quantity >= o.quantity;
  if (complete) {
    s.t.free_order_at(order);
  } else {
    s.t.keep_ended(order, s.now_ns);
  }
  drop_link_if_done(s.t, link);
}

bool is_kept(const Order& o, const Tables& t, Index order) {
  // In the list of ended orders, which holds it by `next` or as its last.
  return o.life == Life::ended && (o.next != none || t.last_ended == order);
}

void settle_if_complete(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  if (o.filled_quantity >= (o.final ? o.cumulative : o.quantity)) {
    o.final = true;
    return end_order(s, order, o.filled_quantity.is_positive() ? Reason::none : Reason::not_filled,
                     u.source, &u.message);
  }
  emit_order(s, o, u.source, &u.message);
  settle_outcome(s, order);
}

void on_accepted(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  note_totals(o, u);
  const Life before = o.life;
  become_working(s, order);
  if (before != Life::working && before != Life::settling) emit_order(s, o, u.source, &u.message);
  // Fills that were not told: each of them is asked for.
  if (u.source == UpdateSource::query && o.filled_quantity < o.cumulative &&
      !o.venue_order_id.empty())
    emit_intent(s, o, IntentKind::query_trades);
  if (u.source == UpdateSource::query && before != Life::unknown) {
    if (rests(o)) {
      watch(s, order);
    } else {
      ask_later(s, order);
    }
  }
  settle_outcome(s, order);
}

void on_execution(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  const Decimal total_max = o.final ? o.cumulative : o.quantity;
  if (u.trade_id.empty() || !u.last_quantity.is_positive() || has_trade(s.t, o, u.trade_id) ||
      o.filled_quantity + u.last_quantity > total_max) {
    ++s.t.ignored_events;
    return;
  }
  const bool late = o.life == Life::ended;
  if (!late) become_working(s, order);
  add_trade(s.t, o, u.trade_id);
  const Decimal base_fee = book_fill(s.t, o, u);
  note_totals(o, u);
  if (u.has_cumulative && u.cumulative_quantity == o.filled_quantity &&
      u.cumulative_quote.is_positive())
    o.filled_quote = u.cumulative_quote;
  emit_fill(s, o, u, base_fee);
  if (!late) return settle_if_complete(s, order, u);
  // A correction: the order was thought over.
  emit_order(s, o, u.source, &u.message);
  if (!o.is_exit) follow_up(s, order);
  if (s.t.links[o.link].first_protection != none) review_protections(s, o.link);
}

void on_done(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  become_working(s, order);
  note_totals(o, u);
  if (!u.has_cumulative) return ask(s, order);
  o.final = true;
  if (o.filled_quantity >= o.cumulative) return settle_if_complete(s, order, u);
  const bool again = o.life == Life::settling;
  set_life(s.t, o, Life::settling);
  if (again) return ask_later(s, order);
  o.delay_ns = s.t.settings.query_interval_ns;
  ask(s, order);
}

void on_rejected(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  note_totals(o, u);
  // Refused and yet filled cannot both be true: the venue is asked.
  if (o.cumulative.is_positive()) return ask(s, order);
  end_order(s, order, u.reason == Reason::none ? Reason::rejected : u.reason, u.source, &u.message);
}

void on_unknown(Step& s, Index order, const OrderUpdate& u) {
  const Order& o = s.t.orders[order];
  if (o.life == Life::working && o.cancelling) return ask(s, order);  // of its cancel
  if (o.life != Life::submitted) return;
  become_unknown(s, order, u.source, &u.message);
  ask(s, order);
}

// Never existed at the venue. An exit is sent again under its key; an entry only if it was in
// flight when the process started and is still fresh.
void on_proven_absent(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  o.absent_answers = 0;
  const bool fresh = o.fenced && o.expires_ns != 0 && s.now_ns <= o.expires_ns;
  o.fenced = false;
  if (o.protects) return end_order(s, order, Reason::not_accepted, u.source, &u.message);
  if (o.is_exit) {
    set_life(s.t, o, Life::waiting);
    return attempt_exit(s, order);
  }
  if (!fresh) return end_order(s, order, Reason::not_accepted, u.source, &u.message);
  send_order(s, order);
  emit_order(s, s.t.orders[order], u.source, &u.message);
}

void on_not_found(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  if (o.life == Life::working || o.life == Life::settling) return ask_later(s, order);
  if (o.life != Life::unknown) return;
  if (o.absent_answers++ == 0) o.absent_since_ns = s.now_ns;
  const std::int64_t proof_ns = o.absent_since_ns + s.t.settings.absence_proof_ns;
  const auto answers_min =
      static_cast<std::uint32_t>(std::max(1, s.t.settings.absence_answers_min));
  if (o.absent_answers >= answers_min && s.now_ns >= proof_ns) return on_proven_absent(s, order, u);
  ask_later(s, order);
  // The answer that completes the proof is asked for as soon as it can.
  if (o.absent_answers + 1 >= answers_min && proof_ns > s.now_ns && proof_ns < o.deadline_ns)
    s.t.set_deadline(order, proof_ns);
}

void on_not_sent(Step& s, Index order, const OrderUpdate& u) {
  Order& o = s.t.orders[order];
  if (o.seen || (o.life != Life::submitted && o.life != Life::unknown)) return;
  if (!o.is_exit && u.reason == Reason::rate_budget) return wait_for_budget(s, order);
  if (!o.is_exit || o.protects) {
    o.not_sent = true;
    return end_order(s, order, u.reason == Reason::none ? Reason::session_down : u.reason, u.source,
                     &u.message);
  }
  set_life(s.t, o, Life::waiting);
  postpone_exit(s, order);
}

void on_query_failed(Step& s, Index order) {
  const Life life = s.t.orders[order].life;
  if (life == Life::unknown || life == Life::working || life == Life::settling) ask_later(s, order);
}

void note_reply(Order& o, const OrderUpdate& u) {
  if (o.venue_order_id.empty()) o.venue_order_id = u.venue_order_id;
  if (o.sent_ns == 0) o.sent_ns = u.sent_ns;
  if (u.source == UpdateSource::reply) o.replied = true;
  if (u.venue_code != 0) o.venue_code = u.venue_code;
}

// Thought over, and the venue lists it as open: what was proven absent came late.
bool is_back(const Order& o, const OrderUpdate& u) {
  return u.sweep != 0 && u.kind == OrderUpdateKind::accepted && !o.final;
}

// What still counts of an order that has ended: late fills, and when it was sent.
void on_ended_order(Step& s, Index order, const OrderUpdate& u) {
  if (u.kind == OrderUpdateKind::execution) {
    on_execution(s, order, u);
  } else if (is_back(s.t.orders[order], u)) {
    emit_intent(s, s.t.orders[order], IntentKind::cancel);
  } else {
    settle_outcome(s, order);
    if (!is_kept(s.t.orders[order], s.t, order)) {
      if (!s.t.orders[order].outcome_due) s.t.set_deadline(order, never);
      release_order(s, order);
    }
  }
}

void give_key(const Step& s, Order& o) {
  o.key = order_key(o.event, s.t.links[o.link].id, o.leg, o.attempt, o.event_time_ns);
  o.keyed = true;
  o.created_ns = s.now_ns;
}

}  // namespace

void set_life(Tables& t, Order& o, Life life) {
  t.orders_unknown -= o.life == Life::unknown;
  t.orders_unknown += life == Life::unknown;
  o.life = life;
}

void submit_order(Step& s, Index order) {
  Order& o = s.t.orders[order];
  give_key(s, o);
  // Its place in the index is far away in memory: asked for now, used when it has come.
  s.t.order_index.prefetch(hash_of(o.key));
  send_order(s, order);
  emit_order(s, o, UpdateSource::gate, nullptr);
  s.t.index_order(order);
}

void submit_pair(Step& s, Index target, Index stop) {
  for (const Index leg : {target, stop}) {
    give_key(s, s.t.orders[leg]);
    set_life(s.t, s.t.orders[leg], Life::submitted);
    s.t.set_deadline(leg, s.now_ns + s.t.settings.ack_timeout_ns);
  }
  emit_intent(s, s.t.orders[target], IntentKind::place_pair);
  for (const Index leg : {target, stop}) {
    emit_order(s, s.t.orders[leg], UpdateSource::gate, nullptr);
    s.t.index_order(leg);
  }
}

void refuse_order(Step& s, Index order, Reason reason) {
  Order& o = s.t.orders[order];
  give_key(s, o);
  s.t.index_order(order);
  o.not_sent = true;
  end_order(s, order, reason, UpdateSource::gate, nullptr);
}

void forget_order(Step& s, Index order) {
  s.t.orders[order].not_sent = true;
  end_order(s, order, Reason::none, UpdateSource::gate, nullptr);
}

void send_order(Step& s, Index order) {
  Order& o = s.t.orders[order];
  set_life(s.t, o, Life::submitted);
  s.t.set_deadline(order, s.now_ns + s.t.settings.ack_timeout_ns);
  emit_intent(s, o, IntentKind::place);
}

bool order_update_matters(const Tables& t, const OrderUpdate& u) {
  if (u.key.is_nil()) return u.kind == OrderUpdateKind::execution;
  const Index order = t.find_order(u.key);
  if (order == none) return ghost_matters(t, u);
  const Order& o = t.orders[order];
  if (u.kind == OrderUpdateKind::execution)
    return !u.trade_id.empty() && !has_trade(t, o, u.trade_id);
  return o.life != Life::ended || o.outcome_due || is_back(o, u);
}

void on_order_update(Step& s, const OrderUpdate& u) {
  if (u.key.is_nil()) {
    if (u.kind == OrderUpdateKind::execution) return emit_external_fill(s, u);
    ++s.t.ignored_events;
    return;
  }
  const Index order = s.t.find_order(u.key);
  if (order == none) return on_ghost(s, u);
  if (s.t.accounts[s.t.orders[order].slot].account.id != u.account) {
    ++s.t.ignored_events;
    return;
  }
  note_reply(s.t.orders[order], u);
  if (u.sweep != 0) s.t.orders[order].sweep = u.sweep;
  if (s.t.orders[order].life == Life::ended) return on_ended_order(s, order, u);
  switch (u.kind) {
    case OrderUpdateKind::accepted:
      return on_accepted(s, order, u);
    case OrderUpdateKind::execution:
      return on_execution(s, order, u);
    case OrderUpdateKind::done:
      return on_done(s, order, u);
    case OrderUpdateKind::rejected:
      return on_rejected(s, order, u);
    case OrderUpdateKind::unknown:
      return on_unknown(s, order, u);
    case OrderUpdateKind::not_found:
      return on_not_found(s, order, u);
    case OrderUpdateKind::not_sent:
      return on_not_sent(s, order, u);
    case OrderUpdateKind::query_failed:
      return on_query_failed(s, order);
  }
}

void on_order_deadline(Step& s, Index order) {
  switch (s.t.orders[order].life) {
    case Life::free:
      return;
    case Life::waiting:
      if (s.t.orders[order].protects) return on_protection_due(s, order);
      return s.t.orders[order].is_exit ? attempt_exit(s, order) : attempt_entry(s, order);
    case Life::submitted:
      become_unknown(s, order, UpdateSource::gate, nullptr);
      return ask(s, order);
    case Life::unknown:
      return ask(s, order);
    case Life::working:
      if (s.t.orders[order].cancelling) cancel_again(s, order);
      [[fallthrough]];
    case Life::settling:
      settle_outcome(s, order);
      return ask(s, order);
    case Life::ended:
      settle_outcome(s, order);
      return release_order(s, order);
  }
}

void query_order(Step& s, Index order) {
  ask(s, order);
}

void fence_orders(Step& s) {
  for (Index order = 0; order < s.t.orders.size(); ++order) {
    Order& o = s.t.orders[order];
    if (o.life == Life::free || o.life == Life::ended || o.life == Life::waiting) continue;
    o.fenced = true;
    o.delay_ns = s.t.settings.query_interval_ns;
    if (o.life == Life::submitted) become_unknown(s, order, UpdateSource::gate, nullptr);
    o.absent_answers = 0;
    s.t.set_deadline(order, never);
  }
}

void query_unknown_orders(Step& s, AccountSlot slot) {
  for (Index order = s.t.accounts[slot].first_order; order != none;
       order = s.t.orders[order].next_in_account) {
    const Life life = s.t.orders[order].life;
    if (life == Life::unknown || life == Life::working || life == Life::settling) ask(s, order);
  }
}

void end_order(Step& s, Index order, Reason reason, UpdateSource source, const Text<95>* message) {
  Tables& t = s.t;
  {
    Order& o = t.orders[order];
    if (!o.is_exit) {
      t.holdings[o.holding].entries_in_flight -= o.quantity - o.filled_quantity;
      release_reservation(t, o);
    }
    set_life(t, o, Life::ended);
    o.reason = reason;
    t.set_deadline(order, never);
    if (o.keyed) emit_order(s, o, source, message);
  }
  const Index link = t.orders[order].link;
  if (t.orders[order].protects) {
    on_protection_ended(s, order);
  } else if (t.orders[order].is_exit) {
    if (continue_exit(s, order) && !t.orders[order].filled_quantity.is_positive())
      t.orders[order].outcome_due = false;  // told by the attempt that ends it
  } else {
    follow_up(s, order);
  }
  settle_outcome(s, order);
  if (t.orders[order].mirror != none) on_mirror_ended(s, order);
  advance_flip(s, t.orders[order].holding, reason);
  release_order(s, order);
  if (t.links[link].first_protection != none) review_protections(s, link);
}

void settle_outcome(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const bool taken = o.type == OrderType::limit_gtc && o.life == Life::working;
  const bool filled = taken || o.filled_quantity.is_positive();
  if (!o.outcome_due || (!filled && o.life != Life::ended)) return;
  // A fill can overtake the reply that says when the order was sent: the outcome waits for it a
  // while.
  const std::int64_t wait_until = o.created_ns + s.t.settings.ack_timeout_ns;
  if (filled && o.sent_ns == 0 && !o.replied && o.received_ns != 0 && s.now_ns < wait_until) {
    if (o.life == Life::ended || rests(o)) s.t.set_deadline(order, wait_until);
    return;
  }
  o.outcome_due = false;
  const Holding& h = s.t.holdings[o.holding];
  const Outcome unfilled = is_given_back(o)
                               ? (s.now_ns > o.expires_ns ? Outcome::carried : Outcome::coalesced)
                           : o.not_sent ? Outcome::skipped
                                        : Outcome::failed;
  const bool timed = o.sent_ns != 0 && o.received_ns != 0;
  emit_outcome(
      s, {.event = o.event,
          .link = s.t.links[o.link].id,
          .outcome = filled ? (o.cap == Cap::none ? Outcome::copied : Outcome::clipped) : unfilled,
          .reason = filled ? Reason::none : o.reason,
          .cap = o.cap,
          .rank = o.rank,
          .wanted_fine = o.wanted_e12,
          .sent = o.not_sent ? Decimal{} : o.quantity,
          .residual_fine = o.is_exit ? h.exit_residual_e12 : h.residual_e12,
          .order = o.key,
          .ingest_to_wire_ns = timed ? o.sent_ns - o.received_ns : 0});
}

void forget_ended_orders(Step& s) {
  Tables& t = s.t;
  while (t.first_ended != none && t.orders[t.first_ended].updated_ns < s.now_ns - ended_kept_ns) {
    const Index order = t.first_ended;
    const Index link = t.orders[order].link;
    t.first_ended = t.orders[order].next;
    if (t.first_ended == none) t.last_ended = none;
    t.free_order_at(order);
    drop_link_if_done(t, link);
  }
}

}  // namespace oneclick::core
