#include "engine/core/mirror.hpp"

#include <algorithm>

#include "engine/base/limits.hpp"
#include "engine/core/order.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/risk.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

bool is_about_order(LeaderEventKind kind) {
  return kind == LeaderEventKind::order_placed || kind == LeaderEventKind::order_amended ||
         kind == LeaderEventKind::order_cancelled;
}

void tell(Step& s, const Request& r, Index link, std::uint32_t rank, Outcome outcome, Reason reason,
          OrderKey order) {
  emit_outcome(s, {.event = r.event.id,
                   .link = s.t.links[link].id,
                   .outcome = outcome,
                   .reason = reason,
                   .cap = Cap::none,
                   .rank = rank,
                   .wanted_fine = 0,
                   .sent = Decimal{},
                   .residual_fine = 0,
                   .order = order,
                   .ingest_to_wire_ns = 0});
}

// Cancelled now if the venue has it, else as soon as it is known that it does.
void end_early(Step& s, Index order) {
  Order& o = s.t.orders[order];
  if (o.cancelling) return;
  o.cancelling = true;
  if (o.life == Life::working) cancel_again(s, order);
}

// `left`: of the order before, if there was one.
void go_on(Step& s, Index at, Decimal left);

// To be called when what is wanted of a mirror has changed.
void proceed(Step& s, Index at) {
  const Mirror& m = s.t.mirrors[at];
  if (m.current == none) return go_on(s, at, Decimal{});
  // The purchase that ends it is not interrupted.
  if (m.stage != MirrorStage::resting && m.stage != MirrorStage::buying) end_early(s, m.current);
}

// As the leader's event was, with what has changed since.
LeaderEvent event_of(const Tables& t, const Mirror& m) {
  LeaderEvent e{};
  e.id = m.event;
  e.kind = LeaderEventKind::order_placed;
  e.source = EventSource::internal;
  e.venue = t.instruments[m.instrument].instrument.venue;
  e.side = Side::buy;
  e.leader = m.leader;
  e.symbol = t.symbols[m.symbol];
  e.quantity = m.quantity;
  e.price = m.price;
  e.event_time_ns = m.told_ns;
  return e;
}

// The best offer that is known, of the leader's last fill or later.
Touch touch_now(const Step& s, const Mirror& m) {
  const Touch& told = s.t.instruments[m.instrument].price;
  if (told.time_ns > m.touch_ns) return told;
  return {.bid = m.bid, .ask = m.ask, .time_ns = m.touch_ns};
}

// The outcome is told: why the link's order does not go on is said by a row of one that was never
// sent.
void tell_refused(Step& s, Index at, Decimal quantity, Reason why) {
  Tables& t = s.t;
  const Mirror m = t.mirrors[at];
  const Index order = t.new_order();
  Order& o = t.orders[order];
  o.event = m.event;
  o.copied_from = m.leader;
  o.quantity = quantity;
  o.price = m.price;
  o.keep = keep_all;
  o.event_time_ns = m.told_ns;
  o.link = m.link;
  o.slot = t.links[m.link].slot;
  o.holding = t.holding_of(m.link, t.instruments[m.instrument].symbol);
  o.instrument = m.instrument;
  o.attempt = m.attempt;
  o.side = Side::buy;
  o.type = OrderType::limit_gtc;
  t.holdings[o.holding].entries_in_flight += quantity;
  t.list_order(order);
  refuse_order(s, order, why);
}

void place_anew(Step& s, Index at, bool rests, Decimal left) {
  Tables& t = s.t;
  Mirror& m = t.mirrors[at];
  ++m.attempt;
  LeaderEvent e = event_of(t, m);
  if (!rests) e.touch = touch_now(s, m);
  Request r = make_request(s, e, m.symbol);
  r.ask = rests ? Ask::rest : Ask::enter;
  r.is_follow_up = true;
  r.attempt = m.attempt;
  r.mirror = at;
  serve(s, r, m.link, 0);
  if (t.mirrors[at].current == none && r.follow_up_refusal != Reason::none && left.is_positive())
    tell_refused(s, at, left, r.follow_up_refusal);
}

// No order of it is open: the next step.
void go_on(Step& s, Index at, Decimal left) {
  Tables& t = s.t;
  switch (t.mirrors[at].stage) {
    case MirrorStage::resting:
      return;
    case MirrorStage::amending:
      t.mirrors[at].stage = MirrorStage::resting;
      return place_anew(s, at, true, left);
    case MirrorStage::finishing:
      t.mirrors[at].stage = MirrorStage::buying;
      place_anew(s, at, false, left);
      if (t.mirrors[at].current == none) t.free_mirror_at(at);
      return;
    case MirrorStage::buying:
    case MirrorStage::leaving:
      return t.free_mirror_at(at);
  }
}

void withdraw(Step& s, Index at) {
  s.t.mirrors[at].stage = MirrorStage::leaving;
  proceed(s, at);
}

void amend(Step& s, Index at, const LeaderEvent& e) {
  Mirror& m = s.t.mirrors[at];
  m.quantity = e.quantity;
  m.price = e.price;
  m.told_ns = e.event_time_ns;
  m.stage = MirrorStage::amending;
  proceed(s, at);
}

// The leader's order is bought; the link's rest is bought as well, at once.
void finish(Step& s, Index at, const LeaderEvent& e) {
  Mirror& m = s.t.mirrors[at];
  m.told_ns = e.event_time_ns;
  m.bid = e.touch.bid;
  m.ask = e.touch.ask;
  m.touch_ns = e.touch.time_ns;
  m.stage = MirrorStage::finishing;
  proceed(s, at);
}

bool follows(const Tables& t, Index at) {
  return at != none && t.mirrors[at].stage != MirrorStage::leaving;
}

}  // namespace

void note_leader_order(Tables& t, const LeaderEvent& e, Index source, Index symbol) {
  if (e.leader_order == 0 || e.side != Side::buy) return;
  const Index known = t.find_leader_resting(e.leader_order);
  if (known == none && (e.kind == LeaderEventKind::order_cancelled ||
                        t.leader_resting.size() >= limits::leader_orders_max))
    return;
  LeaderResting& order =
      t.leader_resting[known != none ? known : t.new_leader_resting(e.leader_order)];
  order.quantity = e.quantity;
  order.source = source;
  order.symbol = symbol;
}

bool note_leader_order_fill(Tables& t, const LeaderEvent& e) {
  const Index at = e.leader_order == 0 ? none : t.find_leader_resting(e.leader_order);
  if (at == none) return false;
  LeaderResting& order = t.leader_resting[at];
  order.filled += e.quantity;
  return order.filled >= order.quantity;
}

void forget_leader_order(Tables& t, std::uint64_t order) {
  if (const Index at = t.find_leader_resting(order); at != none) t.free_leader_resting_at(at);
}

bool serve_mirror(Step& s, Request& r, Index link, std::uint32_t rank) {
  Tables& t = s.t;
  const LeaderEvent& e = r.event;
  const Index at = t.find_mirror(link, e.leader_order);
  const bool about_order = is_about_order(e.kind);
  if (!follows(t, at)) {
    if (!about_order) return false;
    const bool may = t.links[link].entry_style == EntryStyle::mirror && e.side == Side::buy &&
                     !t.links[link].reverse && t.find_leader_resting(e.leader_order) != none &&
                     at == none;
    if (may && e.kind != LeaderEventKind::order_cancelled) return false;
    tell(s, r, link, rank, Outcome::skipped, Reason::not_mirrored, OrderKey{});
    return true;
  }
  tell(s, r, link, rank, Outcome::coalesced, Reason::none, t.mirrors[at].key);
  if (e.kind == LeaderEventKind::order_amended) {
    amend(s, at, e);
  } else if (e.kind == LeaderEventKind::order_cancelled) {
    withdraw(s, at);
  } else if (r.order_done) {
    finish(s, at, e);
  }
  return true;
}

i128 left_to_mirror(const Tables& t, Index mirror, i128 wished_fine) {
  const Mirror& m = t.mirrors[mirror];
  const i128 wished = m.limit.is_positive() ? std::min(wished_fine, to_fine(m.limit)) : wished_fine;
  return wished - to_fine(m.bought);
}

Decimal resting_price(const Tables& t, const Request& r) {
  const Decimal tick = t.instruments[r.instrument].instrument.price_tick;
  return tick.is_positive() ? round_to_step(r.event.price, tick, Round::down) : r.event.price;
}

void begin_mirror(Step& s, const Request& r, Index order) {
  Tables& t = s.t;
  Order& o = t.orders[order];
  Index at = r.mirror;
  if (at == none) {
    at = t.new_mirror(o.link, r.event.leader_order);
    Mirror& m = t.mirrors[at];
    m.event = r.event.id;
    m.leader = r.event.leader;
    m.quantity = r.event.quantity;
    m.price = r.event.price;
    m.told_ns = r.event.event_time_ns;
    m.symbol = r.symbol;
    m.instrument = r.instrument;
    m.stage = MirrorStage::resting;
  }
  Mirror& m = t.mirrors[at];
  m.current = order;
  m.key = order_key(o.event, t.links[o.link].id, o.leg, o.attempt, o.event_time_ns);
  if (o.cap != Cap::none) m.limit = m.bought + o.quantity;
  o.mirror = at;
}

void on_mirror_ended(Step& s, Index order) {
  Tables& t = s.t;
  const Order& o = t.orders[order];
  const Index at = o.mirror;
  Mirror& m = t.mirrors[at];
  m.bought += o.filled_quantity;
  m.current = none;
  // Nothing of it ever rested: the leader's fills are copied as any.
  if (m.stage == MirrorStage::resting && !o.seen && !m.bought.is_positive())
    return t.free_mirror_at(at);
  go_on(s, at, o.quantity - o.filled_quantity);
}

void withdraw_by_switch(Step& s, const KillSwitch& kill) {
  Tables& t = s.t;
  for (Index at = 0; at < t.mirrors.size(); ++at) {
    const Mirror& m = t.mirrors[at];
    if (!m.in_use) continue;
    const Link& link = t.links[m.link];
    if (covers(kill, t.accounts[link.slot].account.venue, m.leader, link.follower,
               t.symbols[m.symbol]))
      withdraw(s, at);
  }
}

void withdraw_of_link(Step& s, Index link) {
  for (Index at = 0; at < s.t.mirrors.size(); ++at)
    if (s.t.mirrors[at].in_use && s.t.mirrors[at].link == link) withdraw(s, at);
}

}  // namespace oneclick::core
