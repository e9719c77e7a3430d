#include "engine/core/serve.hpp"

#include <algorithm>

#include "engine/core/equity.hpp"
#include "engine/core/exits.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/order.hpp"
#include "engine/core/profit.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/reconcile.hpp"
#include "engine/core/risk.hpp"
#include "engine/core/sizing.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

struct Verdict {
  Outcome outcome;
  Reason reason;
  Cap cap;
  i128 wanted_fine;
  i128 residual_fine;
  OrderKey order;
};

void tell(Step& s, const Request& r, Index link, std::uint32_t rank, const Verdict& v) {
  emit_outcome(s, {.event = r.event.id,
                   .link = s.t.links[link].id,
                   .outcome = v.outcome,
                   .reason = v.reason,
                   .cap = v.cap,
                   .rank = rank,
                   .wanted_fine = v.wanted_fine,
                   .sent = Decimal{},
                   .residual_fine = v.residual_fine,
                   .order = v.order,
                   .ingest_to_wire_ns = 0});
}

Verdict skipped(Reason reason, i128 wanted_fine, i128 residual_fine, Cap cap = Cap::none) {
  return {Outcome::skipped, reason, cap, wanted_fine, residual_fine, OrderKey{}};
}
Verdict carried(i128 wanted_fine, i128 residual_fine) {
  return {Outcome::carried, Reason::none, Cap::none, wanted_fine, residual_fine, OrderKey{}};
}

// Into the order that an earlier fill of the same leader order made; nil when it made none.
Verdict coalesced_into(const LeaderOrder& seen, const Link& link, const Holding* h) {
  const bool made = h != nullptr && h->leader_order == (seen.order & leader_order_bits);
  return {Outcome::coalesced,
          Reason::none,
          Cap::none,
          0,
          0,
          made ? order_key(seen.first_fill, link.id, 0, 0, seen.time_ns) : OrderKey{}};
}

bool killed(const Tables& t, const Request& r, const Link& link, Venue venue) {
  return std::ranges::any_of(t.kill_switches, [&](const KillSwitch& k) {
    return covers(k, venue, r.event.leader, link.follower, r.event.symbol);
  });
}

bool symbol_refused(const Tables& t, const Link& link, Index symbol) {
  if (link.symbol_filter == SymbolFilter::none) return false;
  const Index* const listed = link.filter == none ? nullptr : t.filters[link.filter].symbols.data();
  const bool found =
      symbol != none && listed != nullptr &&
      std::find(listed, listed + link.symbol_count, symbol) != listed + link.symbol_count;
  return found == (link.symbol_filter == SymbolFilter::deny);
}

std::int64_t age_max(const Tables& t, const Link& link) {
  const std::int64_t ttl = link.entry_ttl_ms * ns_per_ms;
  const std::int64_t all = t.settings.leader_event_age_ns_max;
  return all > 0 ? std::min(ttl, all) : ttl;
}

void find_instrument(const Tables& t, Request& r, Venue venue) {
  if (r.venue == venue) return;
  r.venue = venue;
  r.instrument = r.symbol == none ? none : t.find_instrument(venue, r.symbol);
  r.slippage_bps = -1;
}

Decimal capped_at(const Tables& t, Request& r, const Link& link) {
  if (r.slippage_bps != link.slippage_bps_max) {
    r.slippage_bps = link.slippage_bps_max;
    r.capped = capped_price(r.event.touch.ask, link.slippage_bps_max,
                            t.instruments[r.instrument].instrument.price_tick);
  }
  return r.capped;
}

Reason refusal_of_entry(const Step& s, const Request& r, Index link_at) {
  const Link& link = s.t.links[link_at];
  const AccountEntry& account = s.t.accounts[link.slot];
  const bool known = r.instrument != none;
  return refuse_entry(
      {.kill_switch = !s.t.kill_switches.empty() && killed(s.t, r, link, account.account.venue),
       .user_active = link.user_active,
       .connected = account.known && account.account.connected,
       .credentials_refused = account.credentials_refused,
       .status = link.status,
       .quarantined = is_quarantined(s.t, link_at, r.symbol),
       .subscription_active = link.subscription_active,
       .reconciled = account.reconciled,
       .age_ns = s.now_ns - r.event.event_time_ns,
       .age_ns_max = age_max(s.t, link),
       .symbol_refused = symbol_refused(s.t, link, r.symbol),
       .instrument_known = known,
       .trading = known ? s.t.instruments[r.instrument].instrument.status : TradingStatus::halted,
       .signal_type = r.event.signal_type,
       .has_quantity = !is_by_leader_quantity(link.sizing_mode) || r.event.quantity.is_positive(),
       .has_price = r.has_price});
}

std::int32_t percentage_of(const Request& r, const Link& link) {
  return r.percentage_e2 != 0 ? r.percentage_e2 : link.percentage_e2;
}
Decimal amount_of(const Request& r, const Link& link) {
  return r.copy_amount.is_positive() ? r.copy_amount : link.copy_amount;
}

Decimal leader_equity_of(const Step& s, Request& r, Venue venue, Index quote) {
  if (r.leader_equity_quote != quote) {
    r.leader_equity_quote = quote;
    r.leader_equity = leader_equity(s.t, r.event, venue, quote, s.now_ns).value_or(Decimal{});
  }
  return r.leader_equity;
}

Wished wish_of(const Step& s, Request& r, const Link& link, Index instrument, Decimal price) {
  const Tables& t = s.t;
  Decimal follower{}, leader{};
  if (is_by_equity(link.sizing_mode)) {
    const Venue venue = t.accounts[link.slot].account.venue;
    const Index quote = t.instruments[instrument].quote;
    follower = follower_equity(t, link.slot, venue, quote, s.now_ns).value_or(Decimal{});
    if (link.sizing_mode == SizingMode::equity_proportional)
      leader = leader_equity_of(s, r, venue, quote);
  }
  return wish_for(
      {.mode = link.sizing_mode,
       .leader_quantity = r.event.quantity,
       .percentage_e2 = percentage_of(r, link),
       .copy_amount = amount_of(r, link),
       .copy_quantity = link.terms == none ? Decimal{} : t.terms[link.terms].copy_quantity,
       .price = price,
       .stop_loss = r.event.stop_loss,
       .follower_equity = follower,
       .leader_equity = leader});
}

EntryDemand demand_of(const Step& s, const Request& r, const Link& link, const Holding* h,
                      Decimal price, i128 wished_fine, const Room& room) {
  const InstrumentEntry& i = s.t.instruments[r.instrument];
  const bool market = link.entry_style == EntryStyle::market;
  const i128 residual = h == nullptr ? 0 : h->residual_e12;
  return {.wanted_fine = wished_fine + residual,
          .residual_fine = residual,
          .price = price,
          .price_min = market ? Decimal{} : i.instrument.price_min,
          .price_max = market ? Decimal{} : i.instrument.price_max,
          .lots = lot_rules(i.instrument, market ? OrderType::market : OrderType::limit_ioc),
          .policy = link.min_lot_policy,
          .order_notional_max = link.order_notional_max,
          .position_notional_max = link.position_notional_max,
          .is_exposure_limited = room.is_limited,
          .exposure_room = room.notional,
          .copy_amount = is_capped_by_amount(link.sizing_mode) ? amount_of(r, link) : Decimal{},
          .event_notional_max = r.event_notional_max,
          .position_quantity = h == nullptr ? Decimal{} : h->quantity + h->entries_in_flight,
          .event_notional = r.event_notional,
          .available_fine = available_fine(s.t, link.slot, i.quote),
          .fee_bps = s.t.settings.taker_fee_bps};
}

void place_entry(Step& s, Request& r, Index link_at, std::uint32_t rank, const EntryDemand& d,
                 const EntrySize& size) {
  Tables& t = s.t;
  const Index order = t.new_order();
  Order& o = t.orders[order];
  const Link& link = t.links[link_at];
  o.event = r.event.id;
  o.signal = r.event.signal;
  o.copied_from = r.event.leader;
  o.quantity = size.quantity;
  o.type = link.entry_style == EntryStyle::market ? OrderType::market : OrderType::limit_ioc;
  if (o.type == OrderType::limit_ioc) o.price = d.price;
  o.keep = keep_all;
  o.wanted_e12 = d.wanted_fine;
  o.reserved_e12 = cost_fine(size.notional, d.fee_bps);
  o.event_time_ns = r.event.event_time_ns;
  o.received_ns = r.event.received_ns;
  o.expires_ns = r.event.event_time_ns + age_max(t, link);
  o.link = link_at;
  o.slot = link.slot;
  o.holding = t.holding_of(link_at, r.symbol);
  o.instrument = r.instrument;
  o.rank = rank;
  o.side = Side::buy;
  o.cap = size.cap;
  o.outcome_due = true;
  Holding& h = t.holdings[o.holding];
  h.residual_e12 = size.residual_fine;
  h.leader_order = r.event.leader_order & leader_order_bits;
  h.entries_in_flight += size.quantity;
  t.balances[t.find_balance(link.slot, t.instruments[r.instrument].quote)].reserved_e12 +=
      o.reserved_e12;
  r.event_notional += size.notional;
  if (link.terms != none) note_entry(t.terms[link.terms], s.now_ns);
  t.list_order(order);
  if (link.protect) promise_protection(s, order, r.event);
  submit_order(s, order);
}

void serve_entry(Step& s, Request& r, Index link_at, std::uint32_t rank) {
  Tables& t = s.t;
  const Link& link = t.links[link_at];
  find_instrument(t, r, t.accounts[link.slot].account.venue);
  if (const Reason refused = refusal_of_entry(s, r, link_at); refused != Reason::none) {
    const bool shared = link.sizing_mode == SizingMode::leader_quantity;
    const i128 wanted = shared ? share_of(r.event.quantity, percentage_of(r, link)) : 0;
    return tell(s, r, link_at, rank, skipped(refused, wanted, 0));
  }
  const Index held = t.find_holding(link_at, r.symbol);
  const Holding* const holding = held == none ? nullptr : &t.holdings[held];
  if (r.order_seen != nullptr && is_per_order(link.sizing_mode))
    return tell(s, r, link_at, rank, coalesced_into(*r.order_seen, link, holding));
  const Decimal price =
      link.entry_style == EntryStyle::market ? r.event.touch.ask : capped_at(t, r, link);
  const Wished wished = wish_of(s, r, link, r.instrument, price);
  if (wished.reason != Reason::none) return tell(s, r, link_at, rank, skipped(wished.reason, 0, 0));
  const Room room = room_of(s, link_at, r.symbol, r.instrument);
  if (room.refusal != Reason::none)
    return tell(s, r, link_at, rank, skipped(room.refusal, wished.fine, 0));
  const EntryDemand demand = demand_of(s, r, link, holding, price, wished.fine, room);
  const EntrySize size = size_entry(demand);
  if (size.reason != Reason::none)
    return tell(s, r, link_at, rank,
                skipped(size.reason, demand.wanted_fine, size.residual_fine, size.cap));
  if (size.quantity.is_zero()) {
    t.holdings[t.holding_of(link_at, r.symbol)].residual_e12 = size.residual_fine;
    return tell(s, r, link_at, rank, carried(demand.wanted_fine, size.residual_fine));
  }
  place_entry(s, r, link_at, rank, demand, size);
}

// Entries still in flight are wanted in part, or not at all, from now on: when they fill, the rest
// is sold at once. Returns the last such order, nil when there is none.
OrderKey cut_entries_in_flight(Tables& t, const Request& r, Index holding) {
  OrderKey key{};
  for (Index at = t.holdings[holding].first_order; at != none; at = t.orders[at].next_in_holding) {
    Order& o = t.orders[at];
    if (o.is_exit || o.life == Life::ended) continue;
    if (r.ask == Ask::close_signal && o.signal != r.event.signal) continue;
    if (r.ask == Ask::sell_quantity) continue;
    o.keep =
        r.ask == Ask::sell_fraction ? mul_div(o.keep, r.kept, r.kept_of, Round::down) : Decimal{};
    key = o.key;
  }
  return key;
}

Decimal exit_price(const Step& s, const Request& r) {
  const Touch& touch = r.event.touch;
  const bool fresh = s.now_ns - touch.time_ns <= s.t.settings.touch_age_ns_max;
  return fresh && touch.bid.is_positive() ? touch.bid : Decimal{};
}

i128 wanted_of_exit(const Step& s, Request& r, const Holding& h, const Link& link,
                    Index instrument) {
  const Tables& t = s.t;
  const i128 available = to_fine(sellable(h));
  const i128 owed = std::min(h.exit_residual_e12, available);
  switch (r.ask) {
    case Ask::sell_fraction: {
      const Decimal rest = Decimal::from_e8(available - owed);
      return available - mul_div(rest, r.kept, r.kept_of, Round::up).e8();
    }
    case Ask::sell_quantity: {
      if (link.sizing_mode == SizingMode::leader_quantity)
        return share_of(r.event.quantity, percentage_of(r, link)) + owed;
      // As much as the same signal would have bought; all where that cannot be said.
      const Decimal price = exit_price(s, r);
      if (!price.is_positive()) return available;
      const Wished wished = wish_of(s, r, link, instrument, price);
      return wished.reason == Reason::none ? wished.fine + owed : available;
    }
    case Ask::close_signal: {
      const Index opened = t.find_signal(h.link, r.event.signal);
      return opened == none ? 0 : std::min(to_fine(t.signals[opened].quantity) + owed, available);
    }
    case Ask::nothing:
    case Ask::buy:
    case Ask::sell_all:
      break;
  }
  return available;
}

// The residual of entries shrinks with the position it belongs to.
void cut_residual(const Request& r, Holding& h) {
  if (r.ask == Ask::sell_all) h.residual_e12 = 0;
  if (r.ask == Ask::sell_fraction)
    h.residual_e12 = mul_div(Decimal::from_e8(h.residual_e12), r.kept, r.kept_of, Round::down).e8();
}

// The holding an exit is about: the link's in the symbol, or where the signal was opened.
Index holding_to_exit(const Tables& t, const Request& r, Index link) {
  if (r.ask != Ask::close_signal) return r.symbol == none ? none : t.find_holding(link, r.symbol);
  if (const Index opened = t.find_signal(link, r.event.signal); opened != none)
    return t.signals[opened].holding;
  for (Index h = t.links[link].first_holding; h != none; h = t.holdings[h].next)
    for (Index o = t.holdings[h].first_order; o != none; o = t.orders[o].next_in_holding)
      if (!t.orders[o].is_exit && t.orders[o].signal == r.event.signal) return h;
  return none;
}

void serve_exit(Step& s, Request& r, Index link_at, std::uint32_t rank) {
  Tables& t = s.t;
  const Link& link = t.links[link_at];
  const AccountEntry& account = t.accounts[link.slot];
  const Index at = holding_to_exit(t, r, link_at);
  if (at == none) return tell(s, r, link_at, rank, skipped(Reason::no_position, 0, 0));
  const Index instrument = t.find_instrument(account.account.venue, t.holdings[at].symbol);
  if (const Reason refused = refuse_exit(account.known && account.account.connected,
                                         account.credentials_refused, instrument != none);
      refused != Reason::none)
    return tell(s, r, link_at, rank, skipped(refused, 0, 0));
  const OrderKey in_flight = cut_entries_in_flight(t, r, at);
  Holding& h = t.holdings[at];
  const i128 available = to_fine(sellable(h));
  const i128 asked = wanted_of_exit(s, r, h, link, instrument);
  cut_residual(r, h);
  if (available <= 0 || asked <= 0) {
    // Sold as soon as the entry it belongs to has arrived.
    if (!in_flight.is_nil())
      return tell(s, r, link_at, rank,
                  {Outcome::coalesced, Reason::none, Cap::none, 0, h.exit_residual_e12, in_flight});
    const bool exiting = h.exits_in_flight.is_positive();
    return tell(
        s, r, link_at, rank,
        skipped(exiting ? Reason::already_exiting : Reason::no_position, 0, h.exit_residual_e12));
  }
  const i128 wanted = std::min(asked, available);
  const ExitSize size =
      size_exit({.wanted_fine = wanted,
                 .lots = lot_rules(t.instruments[instrument].instrument, OrderType::market),
                 .price = exit_price(s, r)});
  h.exit_residual_e12 = size.residual_fine;
  if (size.quantity.is_zero())
    return tell(s, r, link_at, rank, carried(wanted, size.residual_fine));
  start_exit(s, {.event = r.event.id,
                 .signal = r.event.signal,
                 .copied_from = r.event.leader,
                 .event_time_ns = r.event.event_time_ns,
                 .received_ns = r.event.received_ns,
                 .holding = at,
                 .instrument = instrument,
                 .quantity = size.quantity,
                 .wanted_fine = asked,
                 .cap = asked > available ? Cap::held : Cap::none,
                 .rank = rank,
                 .leg = 0,
                 .attempt = 0,
                 .outcome_due = true,
                 .closes_signal = r.ask == Ask::close_signal});
}

}  // namespace

Request make_request(const Step& s, const LeaderEvent& event, Index symbol) {
  const CoreSettings& settings = s.t.settings;
  const int shards = settings.shard_count == 0 ? 1 : settings.shard_count;
  const bool fresh = s.now_ns - event.touch.time_ns <= settings.touch_age_ns_max;
  return {.event = event,
          .ask = Ask::nothing,
          .refusal = Reason::none,
          .symbol = symbol,
          .kept = Decimal{},
          .kept_of = Decimal{},
          .order_seen = nullptr,
          .percentage_e2 = 0,
          .copy_amount = Decimal{},
          .has_price = fresh && event.touch.ask.is_positive(),
          .leader_equity_quote = none,
          .leader_equity = Decimal{},
          .event_notional = Decimal{},
          .event_notional_max = scale_by(settings.event_notional_max, 1, shards, Round::down),
          .venue = Venue::none,
          .instrument = none,
          .slippage_bps = -1,
          .capped = Decimal{}};
}

void serve(Step& s, Request& r, Index link, std::uint32_t rank) {
  switch (r.ask) {
    case Ask::nothing:
      return tell(s, r, link, rank, skipped(r.refusal, 0, 0));
    case Ask::buy:
      return serve_entry(s, r, link, rank);
    case Ask::sell_fraction:
    case Ask::sell_quantity:
    case Ask::sell_all:
    case Ask::close_signal:
      return serve_exit(s, r, link, rank);
  }
}

}  // namespace oneclick::core
