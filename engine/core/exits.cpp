#include "engine/core/exits.hpp"

#include <algorithm>

#include "engine/core/holdings.hpp"
#include "engine/core/order.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/risk.hpp"
#include "engine/core/sizing.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t minute_ns = 60LL * 1'000'000'000;
constexpr int slowdowns_max = 5;  // 32 times slower after many tries without progress
constexpr std::uint8_t tries_max = 255;

LotRules exit_lots(const Tables& t, const Order& o) {
  return lot_rules(t.instruments[o.instrument].instrument, OrderType::market);
}

Decimal average_price(const Order& o) {
  return o.filled_quantity.is_positive() ? div(o.filled_quote, o.filled_quantity, Round::down)
                                         : Decimal{};
}

// Owed and not sellable: it stays with the link, to be swept with the next sale.
void leave_as_dust(Tables& t, const Order& o, Decimal quantity) {
  Holding& h = t.holdings[o.holding];
  h.exit_residual_e12 = std::min(h.exit_residual_e12 + to_fine(quantity), to_fine(sellable(h)));
}

void give_up(Step& s, Index order, Reason reason) {
  s.t.orders[order].not_sent = true;
  end_order(s, order, reason, UpdateSource::gate, nullptr);
}

// How much of what is left can be sold now; the rest is released. Zero: nothing that the venue
// takes.
Decimal fit_to_held(Tables& t, Order& o, Decimal price) {
  Holding& h = t.holdings[o.holding];
  const Decimal left = o.quantity - o.filled_quantity + o.exit_left;
  const Decimal others = h.exits_in_flight - left;
  // An exit never opens anything: what is held the other way by now is not for it.
  const Decimal held =
      h.is_short == is_of_short(o) ? min(left, max(Decimal{}, there(h) - others)) : Decimal{};
  const LotRules lots = exit_lots(t, o);
  const Decimal sold =
      size_exit({.wanted_fine = to_fine(held), .lots = lots, .price = price}).quantity;
  h.exits_in_flight -= left - sold;
  if (sold < held) leave_as_dust(t, o, held - sold);
  return sold;
}

void set_quantity(const Tables& t, Order& o, Decimal quantity) {
  const Decimal largest = exit_lots(t, o).quantity_max;
  o.quantity = largest.is_positive() ? min(quantity, largest) : quantity;
  o.exit_left = quantity - o.quantity;
}

}  // namespace

void start_exit(Step& s, const ExitPlan& plan) {
  const Index order = s.t.new_order();
  Order& o = s.t.orders[order];
  const Holding& h = s.t.holdings[plan.holding];
  o.event = plan.event;
  o.signal = plan.signal;
  o.copied_from = plan.copied_from;
  o.event_time_ns = plan.event_time_ns;
  o.received_ns = plan.received_ns;
  o.link = h.link;
  o.slot = s.t.links[h.link].slot;
  o.holding = plan.holding;
  o.instrument = plan.instrument;
  o.quantity = plan.quantity;
  o.wanted_e12 = plan.wanted_fine;
  o.cap = plan.cap;
  o.rank = plan.rank;
  o.leg = plan.leg;
  o.attempt = plan.attempt;
  o.side = exit_side(h.is_short);
  o.type = OrderType::market;
  o.is_exit = true;
  o.outcome_due = plan.outcome_due;
  o.closes_signal = plan.closes_signal;
  o.keep = keep_all;
  o.life = Life::waiting;
  s.t.list_order(order);
  s.t.holdings[plan.holding].exits_in_flight += plan.quantity;
  attempt_exit(s, order);
}

void attempt_exit(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const AccountEntry& account = s.t.accounts[o.slot];
  const bool connected = account.known && account.account.connected;
  if (const Reason r = refuse_exit(connected, account.credentials_refused, true); r != Reason::none)
    return give_up(s, order, r);
  if (s.t.instruments[o.instrument].instrument.status != TradingStatus::trading)
    return postpone_exit(s, order);
  const Decimal before = o.quantity;
  const Decimal left = o.quantity + o.exit_left;
  if (awaits_release(s, order, left)) return;
  const Decimal sold = fit_to_held(s.t, o, Decimal{});
  if (sold.is_zero()) {
    s.t.holdings[o.holding].exits_in_flight += left;  // released when it ends
    return give_up(
        s, order,
        there(s.t.holdings[o.holding]).is_positive() ? Reason::below_min_lot : Reason::no_position);
  }
  set_quantity(s.t, o, sold);
  if (!o.keyed) return submit_order(s, order);
  send_order(s, order);
  if (o.quantity != before) emit_order(s, o, UpdateSource::gate, nullptr);
}

void postpone_exit(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const int per_minute = std::max(1, s.t.settings.exit_attempts_per_minute);
  const int slowdowns = std::clamp(o.tries - per_minute, 0, slowdowns_max);
  const bool before = s.t.is_in_alarm(o);
  if (o.tries < tries_max) ++o.tries;
  if (!before && s.t.is_in_alarm(o)) {
    ++s.t.exit_alarms;
    ++s.t.exits_in_alarm;
    // What has no key yet says so with its first row.
    if (o.keyed) emit_order(s, o, UpdateSource::gate, nullptr);
  }
  s.t.set_deadline(order, s.now_ns + ((minute_ns / per_minute) << slowdowns));
}

bool continue_exit(Step& s, Index order) {
  Tables& t = s.t;
  const Order ended = t.orders[order];
  const bool progress = ended.filled_quantity.is_positive();
  const Decimal left = ended.quantity - ended.filled_quantity + ended.exit_left;
  if (!left.is_positive()) return false;
  if (ended.not_sent || ended.reason == Reason::credentials_refused) {
    t.holdings[ended.holding].exits_in_flight -= left;
    return false;
  }
  Order rest = ended;
  rest.quantity = fit_to_held(t, rest, average_price(ended));
  if (rest.quantity.is_zero()) return false;
  const Index next = t.new_order();
  Order& o = t.orders[next];
  o.event = ended.event;
  o.signal = ended.signal;
  o.copied_from = ended.copied_from;
  o.event_time_ns = ended.event_time_ns;
  o.received_ns = ended.received_ns;
  o.link = ended.link;
  o.slot = ended.slot;
  o.holding = ended.holding;
  o.instrument = ended.instrument;
  o.quantity = rest.quantity;
  o.wanted_e12 = ended.wanted_e12;
  o.cap = ended.cap;
  o.rank = ended.rank;
  o.leg = ended.leg;
  o.attempt = ended.attempt + 1;
  o.tries = progress ? std::uint8_t{0} : ended.tries;
  o.side = ended.side;
  o.type = OrderType::market;
  o.is_exit = true;
  o.outcome_due = ended.outcome_due && !progress;
  o.closes_signal = ended.closes_signal;
  o.keep = keep_all;
  o.life = Life::waiting;
  t.list_order(next);
  if (progress) {
    attempt_exit(s, next);
  } else {
    postpone_exit(s, next);
  }
  return true;
}

void follow_up(Step& s, Index entry) {
  Tables& t = s.t;
  const Order& o = t.orders[entry];
  if (o.keep >= keep_all || !o.filled_quantity.is_positive()) return;
  Holding& h = t.holdings[o.holding];
  if (h.is_short != is_of_short(o)) return;
  const ExitSize size =
      size_exit({.wanted_fine = std::min(h.exit_residual_e12, to_fine(sellable(h))),
                 .lots = exit_lots(t, o),
                 .price = average_price(o)});
  if (size.quantity.is_zero()) return;
  h.exit_residual_e12 = size.residual_fine;
  const auto leg = static_cast<std::uint8_t>(o.leg + ++t.orders[entry].tries);
  start_exit(s, {.event = o.event,
                 .signal = o.signal,
                 .copied_from = o.copied_from,
                 .event_time_ns = o.event_time_ns,
                 .received_ns = 0,
                 .holding = o.holding,
                 .instrument = o.instrument,
                 .quantity = size.quantity,
                 .wanted_fine = to_fine(size.quantity) + size.residual_fine,
                 .cap = Cap::none,
                 .rank = o.rank,
                 .leg = leg,
                 .attempt = 0,
                 .outcome_due = false,
                 .closes_signal = !o.signal.is_nil()});
}

}  // namespace oneclick::core
