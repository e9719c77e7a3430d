#include "engine/core/protect.hpp"

#include <algorithm>
#include <utility>

#include "engine/core/exits.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/order.hpp"
#include "engine/core/risk.hpp"
#include "engine/core/sizing.hpp"

namespace oneclick::core {

namespace {

// Apart from the legs of entries, exits and flips.
constexpr std::uint8_t sale_leg = 249, target_leg = 250, stop_leg = 251;
constexpr int attempts_shift = 16;  // each sale has so many bits of attempts to itself

void attempt_protection(Step& s, Index leg);

bool is_open(const Order& o) {
  return o.life != Life::ended && o.life != Life::free;
}
bool on_wire(const Order& o) {
  return is_open(o) && o.life != Life::waiting;
}
Decimal unfilled(const Order& o) {
  return o.quantity - o.filled_quantity;
}

Index find_protection(const Tables& t, Index link, SignalId signal) {
  Index p = t.links[link].first_protection;
  while (p != none && t.protections[p].signal != signal) p = t.protections[p].next;
  return p;
}

// What a protection's orders at the venue may still sell.
Decimal locked(const Tables& t, const Protection& p) {
  Decimal largest{};
  for (const Index leg : {p.target_order, p.stop_order})
    if (leg != none && on_wire(t.orders[leg])) largest = max(largest, unfilled(t.orders[leg]));
  return largest;
}

// What orders on the wire may still sell of a holding, protective ones and exits, but for one.
Decimal on_offer(const Tables& t, Index holding, const Order* but) {
  const Holding& h = t.holdings[holding];
  Decimal sum{};
  for (Index p = t.links[h.link].first_protection; p != none; p = t.protections[p].next)
    if (t.protections[p].holding == holding) sum += locked(t, t.protections[p]);
  for (Index o = h.first_order; o != none; o = t.orders[o].next_in_holding) {
    const Order& e = t.orders[o];
    if (&e != but && e.is_exit && !e.protects && on_wire(e)) sum += unfilled(e);
  }
  return sum;
}

// What of a signal's position no exit has a claim on. Exits that close a signal claim that one's
// first; all others, and what is over, the oldest: as fills will be booked.
Decimal unclaimed(const Tables& t, Index position) {
  const Holding& h = t.holdings[t.signals[position].holding];
  const auto own_claim = [&](Index at) {
    Decimal sum{};
    for (Index o = h.first_order; o != none; o = t.orders[o].next_in_holding) {
      const Order& e = t.orders[o];
      if (e.is_exit && !e.protects && is_open(e) && e.closes_signal &&
          e.signal == t.signals[at].signal)
        sum += unfilled(e) + e.exit_left;
    }
    return min(sum, t.signals[at].quantity);
  };
  Decimal rest = h.exits_in_flight;
  for (Index at = h.first_signal; at != none; at = t.signals[at].next) rest -= own_claim(at);
  for (Index at = h.first_signal; at != none; at = t.signals[at].next) {
    const Decimal free = t.signals[at].quantity - own_claim(at);
    const Decimal claimed = min(max(rest, Decimal{}), free);
    if (at == position) return free - claimed;
    rest -= claimed;
  }
  return Decimal{};
}

bool entry_in_flight(const Tables& t, const Protection& p) {
  for (Index o = t.holdings[p.holding].first_order; o != none; o = t.orders[o].next_in_holding) {
    const Order& e = t.orders[o];
    if (!e.is_exit && is_open(e) && e.signal == p.signal) return true;
  }
  return false;
}

const Instrument& instrument_of(const Tables& t, const Protection& p) {
  return t.instruments[p.instrument].instrument;
}

bool is_short(const Tables& t, const Protection& p) {
  return t.holdings[p.holding].is_short;
}

// Toward the market: a stop loses no more, a target asks no more than the signal says.
Decimal stop_price(const Tables& t, const Protection& p) {
  const Decimal tick = instrument_of(t, p).price_tick;
  return tick.is_positive() ? round_to_step(p.stop, tick, is_short(t, p) ? Round::down : Round::up)
                            : p.stop;
}
Decimal target_price(const Tables& t, const Protection& p) {
  const Decimal tick = instrument_of(t, p).price_tick;
  return tick.is_positive()
             ? round_to_step(p.target, tick, is_short(t, p) ? Round::up : Round::down)
             : p.target;
}

// Where a venue cannot let one order end another, the stop is the one that is placed.
bool wants_target(const Tables& t, const Protection& p) {
  const bool both = capabilities_of(instrument_of(t, p).venue).one_cancels_other;
  return p.target.is_positive() && (both || !p.stop.is_positive());
}

// Whole lots that both a limit and a market order may have.
Decimal whole_lots(const Tables& t, const Protection& p, Decimal quantity) {
  const LotRules lots = lot_rules(instrument_of(t, p), OrderType::market);
  if (lots.quantity_max.is_positive()) quantity = min(quantity, lots.quantity_max);
  return lots.step.is_positive() ? round_to_step(quantity, lots.step, Round::down) : quantity;
}

Reason too_small_to_protect(const Tables& t, const Protection& p, Decimal quantity) {
  const LotRules lots = lot_rules(instrument_of(t, p), OrderType::limit_ioc);
  if (!quantity.is_positive() || quantity < lots.quantity_min ||
      quantity < lot_rules(instrument_of(t, p), OrderType::market).quantity_min)
    return Reason::below_min_lot;
  const Decimal stop = p.stop.is_positive() ? stop_price(t, p) : target_price(t, p);
  const Decimal target = p.target.is_positive() ? target_price(t, p) : stop;
  if (mul(quantity, min(stop, target), Round::down) < lots.notional_min)
    return Reason::below_min_notional;
  return Reason::none;
}

// The best bid that is known, of shorts the best ask; zero: none.
Decimal market_price(const Step& s, const Protection& p) {
  const LeaderEvent& e = s.event.leader;
  if (s.event.kind == EventKind::leader && e.venue == instrument_of(s.t, p).venue &&
      e.symbol == instrument_of(s.t, p).symbol &&
      s.now_ns - e.touch.time_ns <= s.t.settings.touch_age_ns_max)
    return is_short(s.t, p) ? e.touch.ask : e.touch.bid;
  const Touch& told = s.t.instruments[p.instrument].price;
  if (s.now_ns - told.time_ns > s.t.settings.equity_age_ns_max) return Decimal{};
  return is_short(s.t, p) ? told.ask : told.bid;
}

bool reached(const Step& s, const Protection& p) {
  if (p.reached) return true;
  const Decimal market = market_price(s, p);
  if (!market.is_positive()) return false;
  const Decimal stop = stop_price(s.t, p), target = target_price(s.t, p);
  const bool stopped = is_short(s.t, p) ? stop <= market : stop >= market;
  const bool on_target = is_short(s.t, p) ? target >= market : target <= market;
  return (p.stop.is_positive() && stopped) || (p.target.is_positive() && on_target);
}

void sell_now(Step& s, Index at, Decimal quantity) {
  Protection& p = s.t.protections[at];
  p.reached = false;
  start_exit(s, {.event = p.event,
                 .signal = p.signal,
                 .copied_from = p.leader,
                 .event_time_ns = p.event_time_ns,
                 .received_ns = 0,
                 .holding = p.holding,
                 .instrument = p.instrument,
                 .quantity = quantity,
                 .wanted_fine = to_fine(quantity),
                 .cap = Cap::none,
                 .rank = 0,
                 .leg = sale_leg,
                 .attempt = p.sales++ << attempts_shift,
                 .outcome_due = false,
                 .closes_signal = true});
}

Index new_leg(Step& s, Index at, OrderType type, Decimal quantity) {
  Tables& t = s.t;
  const Index leg = t.new_order();
  Order& o = t.orders[leg];
  const Protection& p = t.protections[at];
  o.event = p.event;
  o.signal = p.signal;
  o.copied_from = p.leader;
  o.quantity = quantity;
  o.price = type == OrderType::stop_loss ? stop_price(t, p) : target_price(t, p);
  o.keep = keep_all;
  o.event_time_ns = p.event_time_ns;
  o.link = p.link;
  o.slot = t.links[p.link].slot;
  o.holding = p.holding;
  o.instrument = p.instrument;
  o.protection = at;
  o.attempt = p.attempt;
  o.tries = p.tries;
  o.life = Life::waiting;
  o.side = exit_side(is_short(t, p));
  o.type = type;
  o.leg = type == OrderType::stop_loss ? stop_leg : target_leg;
  o.is_exit = o.protects = o.closes_signal = true;
  t.list_order(leg);
  return leg;
}

// Said once, in a row of an order that was never sent.
void tell_too_small(Step& s, Index at, Decimal quantity, Reason why) {
  Protection& p = s.t.protections[at];
  if (p.told == quantity) return;
  p.told = quantity;
  const bool stops = p.stop.is_positive();
  const Index leg = new_leg(s, at, stops ? OrderType::stop_loss : OrderType::take_profit, quantity);
  ++p.attempt;
  s.t.orders[leg].cancelling = true;
  refuse_order(s, leg, why);
}

void place(Step& s, Index at, Decimal wanted) {
  Tables& t = s.t;
  const Decimal quantity = whole_lots(t, t.protections[at], wanted);
  if (const Reason why = too_small_to_protect(t, t.protections[at], quantity); why != Reason::none)
    return tell_too_small(s, at, wanted, why);
  if (reached(s, t.protections[at])) return sell_now(s, at, quantity);
  const Index holding = t.protections[at].holding;
  if (on_offer(t, holding, nullptr) + quantity > t.holdings[holding].quantity) return;
  Protection& p = t.protections[at];
  if (wants_target(t, p)) p.target_order = new_leg(s, at, OrderType::take_profit, quantity);
  if (p.stop.is_positive()) p.stop_order = new_leg(s, at, OrderType::stop_loss, quantity);
  if (p.target_order != none && p.stop_order != none) {
    t.orders[p.target_order].sibling = p.stop_order;
    t.orders[p.stop_order].sibling = p.target_order;
  }
  ++p.attempt;
  p.told = Decimal{};
  const Index first = p.target_order != none ? p.target_order : p.stop_order;
  if (p.failed) {
    p.failed = false;
    postpone_exit(s, first);
    p.tries = t.orders[first].tries;
  } else {
    attempt_protection(s, first);
  }
}

// Legs that were never sent end here; those at the venue are cancelled; those on the way, when it
// is known that they arrived.
void let_go(Step& s, Index at) {
  for (const bool target : {true, false}) {
    const Protection& p = s.t.protections[at];
    const Index leg = target ? p.target_order : p.stop_order;
    if (leg == none || s.t.orders[leg].cancelling) continue;
    s.t.orders[leg].cancelling = true;
    if (s.t.orders[leg].life == Life::waiting) {
      forget_order(s, leg);
    } else if (s.t.orders[leg].life == Life::working) {
      cancel_again(s, leg);
      const Index other = s.t.orders[leg].sibling;
      if (other == none || s.t.orders[other].life != Life::working) continue;
      s.t.orders[other].cancelling = true;  // goes with it
      s.t.set_deadline(other, s.now_ns + s.t.settings.ack_timeout_ns);
    }
  }
}

bool has_both_legs(const Tables& t, const Protection& p) {
  return p.stop.is_positive() == (p.stop_order != none) &&
         wants_target(t, p) == (p.target_order != none);
}

bool as_wanted(const Tables& t, const Protection& p, Decimal wanted, bool may_grow) {
  if (!has_both_legs(t, p)) return false;
  for (const Index leg : {p.target_order, p.stop_order}) {
    if (leg == none) continue;
    const Order& o = t.orders[leg];
    const bool stops = o.type == OrderType::stop_loss;
    if (o.price != (stops ? stop_price(t, p) : target_price(t, p))) return false;
    if (may_grow ? unfilled(o) != wanted : unfilled(o) > wanted) return false;
  }
  return true;
}

// Frees it when nothing is left of what it was for.
bool drop_if_over(Tables& t, Index at) {
  const Protection& p = t.protections[at];
  if (p.target_order != none || p.stop_order != none || entry_in_flight(t, p)) return false;
  if (t.find_signal(p.link, p.signal) != none) return false;
  t.free_protection_at(at);
  return true;
}

void review(Step& s, Index at) {
  Tables& t = s.t;
  const Protection& p = t.protections[at];
  const Index position = t.find_signal(p.link, p.signal);
  const bool protect = t.links[p.link].protect && (p.stop.is_positive() || p.target.is_positive());
  const bool here = position != none && t.signals[position].holding == p.holding;
  const Decimal wanted = here && protect ? unclaimed(t, position) : Decimal{};
  const bool entering = entry_in_flight(t, p);
  if (p.target_order == none && p.stop_order == none) {
    if (wanted.is_positive() && !entering) place(s, at, wanted);
    return;
  }
  const Decimal lots = whole_lots(t, p, wanted);
  if (!lots.is_positive() || !as_wanted(t, p, lots, !entering)) let_go(s, at);
}

// Whether some protection still offers what exits have a claim on.
bool over_locked(const Tables& t, Index holding) {
  for (Index at = t.links[t.holdings[holding].link].first_protection; at != none;
       at = t.protections[at].next) {
    const Protection& p = t.protections[at];
    if (p.holding != holding) continue;
    const Index position = t.find_signal(p.link, p.signal);
    if (locked(t, p) > (position == none ? Decimal{} : unclaimed(t, position))) return true;
  }
  return false;
}

bool has_room(const Tables& t, const Order& exit, Decimal quantity) {
  const Holding& h = t.holdings[exit.holding];
  if (over_locked(t, exit.holding)) return false;
  // Without protection at the venue it is the exit itself that finds out what is left.
  bool any = false;
  for (Index p = t.links[h.link].first_protection; p != none; p = t.protections[p].next)
    any = any ||
          (t.protections[p].holding == exit.holding && locked(t, t.protections[p]) > Decimal{});
  return !any || on_offer(t, exit.holding, &exit) + quantity <= h.quantity;
}

Index next_released(const Tables& t, Index holding) {
  for (Index o = t.holdings[holding].first_order; o != none; o = t.orders[o].next_in_holding) {
    const Order& e = t.orders[o];
    if (e.awaits_release && has_room(t, e, e.quantity + e.exit_left)) return o;
  }
  return none;
}

void wake_exits(Step& s, Index holding) {
  for (Index exit = next_released(s.t, holding); exit != none; exit = next_released(s.t, holding)) {
    s.t.orders[exit].awaits_release = false;
    attempt_exit(s, exit);
  }
}

void attempt_protection(Step& s, Index leg) {
  Tables& t = s.t;
  const Order& o = t.orders[leg];
  const AccountEntry& account = t.accounts[o.slot];
  const bool connected = account.known && account.account.connected;
  const bool way = refuse_exit(connected, account.credentials_refused, true) == Reason::none;
  if (!way || t.instruments[o.instrument].instrument.status != TradingStatus::trading)
    return postpone_exit(s, leg);
  const Index at = o.protection;
  if (reached(s, t.protections[at])) {
    const Index link = o.link;
    let_go(s, at);
    return review_protections(s, link);  // sells what is not protected
  }
  if (o.sibling == none) return submit_order(s, leg);
  submit_pair(s, leg, o.sibling);
}

Index add_protection(Tables& t, Index holding, Index instrument, const LeaderEvent& e) {
  const Index at = t.new_protection(holding);
  Protection& p = t.protections[at];
  p.signal = e.signal;
  p.event = e.id;
  p.leader = e.leader;
  p.event_time_ns = e.event_time_ns;
  p.instrument = instrument;
  return at;
}

void set_prices(Protection& p, const LeaderEvent& e) {
  if (e.stop_loss.is_positive()) p.stop = e.stop_loss;
  if (e.take_profit.is_positive()) p.target = e.take_profit;
  p.reached = false;
  p.told = Decimal{};
}

void review_all(Step& s, Index link) {
  Tables& t = s.t;
  for (Index at = t.links[link].first_protection; at != none;) {
    const Index holding = t.protections[at].holding;
    wake_exits(s, holding);  // before what is left is locked again
    if (!t.protections[at].in_use) return;
    review(s, at);
    wake_exits(s, holding);
    // The link may be gone with its last order.
    if (!t.protections[at].in_use) return;
    const Index next = t.protections[at].next;
    drop_if_over(t, at);
    at = next;
  }
}

}  // namespace

void promise_protection(Step& s, Index entry, const LeaderEvent& e) {
  const Order& o = s.t.orders[entry];
  if (o.side != Side::buy) return;
  if (e.signal.is_nil() || (!e.stop_loss.is_positive() && !e.take_profit.is_positive())) return;
  Index at = find_protection(s.t, o.link, e.signal);
  if (at == none) at = add_protection(s.t, o.holding, o.instrument, e);
  set_prices(s.t.protections[at], e);
}

void amend_protection(Step& s, Index link, const LeaderEvent& e) {
  Tables& t = s.t;
  if (!e.stop_loss.is_positive() && !e.take_profit.is_positive()) return;
  Index at = find_protection(t, link, e.signal);
  if (at == none) {
    const Index opened = t.find_signal(link, e.signal);
    if (opened == none || !t.links[link].protect) return;
    const Index holding = t.signals[opened].holding;
    if (t.holdings[holding].is_short) return;
    const Venue venue = t.accounts[t.links[link].slot].account.venue;
    const Index instrument = t.find_instrument(venue, t.holdings[holding].symbol);
    if (instrument == none) return;
    at = add_protection(t, holding, instrument, e);
  }
  set_prices(t.protections[at], e);
  review_protections(s, link);
}

// What a review does may ask for another: that is done after it, a few times at most; what is left
// then is done with the next event.
void review_protections(Step& s, Index link) {
  constexpr int reviews_max = 16;
  Tables& t = s.t;
  t.review_again = true;
  if (t.reviewing) return;
  t.reviewing = true;
  for (int n = 0; t.review_again && n < reviews_max; ++n) {
    t.review_again = false;
    review_all(s, link);
  }
  t.reviewing = false;
}

// What is held may have changed while it waited.
void on_protection_due(Step& s, Index leg) {
  Tables& t = s.t;
  const Index at = t.orders[leg].protection;
  review_protections(s, t.orders[leg].link);
  const Protection& p = t.protections[at];
  if ((p.target_order == leg || p.stop_order == leg) && t.orders[leg].life == Life::waiting)
    attempt_protection(s, leg);
}

void on_protection_ended(Step& s, Index leg) {
  Tables& t = s.t;
  Order& o = t.orders[leg];
  Protection& p = t.protections[o.protection];
  if (p.target_order == leg) p.target_order = none;
  if (p.stop_order == leg) p.stop_order = none;
  const Index other = std::exchange(o.sibling, none);
  const bool filled = o.filled_quantity.is_positive();
  const bool pair_filled = other != none && t.orders[other].filled_quantity.is_positive();
  if (o.reason == Reason::would_trigger) p.reached = true;
  const bool refused = o.reason != Reason::none && o.reason != Reason::not_filled &&
                       o.reason != Reason::not_accepted;
  if (filled || pair_filled || (o.cancelling && o.seen)) {
    p.failed = false;
    p.tries = 0;
  } else if (!p.reached && (refused || !o.cancelling)) {
    // The venue does not want it, or somebody has cancelled it there.
    p.failed = true;
    p.tries = std::max(p.tries, o.tries);
  }
  if (other == none) return;
  Order& sibling = t.orders[other];
  sibling.sibling = none;
  // Of a pair one ends with the other: the venue says so, and is asked when it does not.
  if (o.filled_quantity >= o.quantity && sibling.life == Life::working && !sibling.cancelling) {
    sibling.cancelling = true;
    t.set_deadline(other, s.now_ns + t.settings.ack_timeout_ns);
  }
}

void cancel_again(Step& s, Index order) {
  Order& o = s.t.orders[order];
  s.t.set_deadline(order, s.now_ns + s.t.settings.ack_timeout_ns);
  emit_intent(s, o, IntentKind::cancel);
}

bool awaits_release(Step& s, Index exit, Decimal quantity) {
  Tables& t = s.t;
  const Index link = t.orders[exit].link;
  if (t.links[link].first_protection == none || has_room(t, t.orders[exit], quantity)) return false;
  t.orders[exit].awaits_release = true;
  t.set_deadline(exit, never);
  review_protections(s, link);
  return true;
}

}  // namespace oneclick::core
