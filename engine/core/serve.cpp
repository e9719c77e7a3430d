#include "engine/core/serve.hpp"

#include <algorithm>

#include "engine/core/bursts.hpp"
#include "engine/core/equity.hpp"
#include "engine/core/exits.hpp"
#include "engine/core/flips.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/mirror.hpp"
#include "engine/core/order.hpp"
#include "engine/core/price_rules.hpp"
#include "engine/core/profit.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/reconcile.hpp"
#include "engine/core/risk.hpp"
#include "engine/core/sizing.hpp"
#include "engine/core/symbols.hpp"
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

void tell(Step& s, Request& r, Index link, std::uint32_t rank, Verdict v) {
  if (r.is_follow_up) {
    r.follow_up_refusal = v.reason;
    return;
  }
  // The first leg of a flip was made: what is refused is its second alone.
  if (r.flip != nullptr && !r.flip->exit.is_nil() && v.outcome == Outcome::skipped)
    v = {Outcome::clipped, v.reason, Cap::flip, v.wanted_fine, v.residual_fine, r.flip->exit};
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
          made ? order_key(seen.first_fill, link.id, h->second_leg ? 1 : 0, 0, seen.time_ns)
               : OrderKey{}};
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

Decimal capped_at(const Tables& t, Request& r, const Link& link) {
  if (r.slippage_bps != link.slippage_bps_max) {
    r.slippage_bps = link.slippage_bps_max;
    r.capped = capped_price(r.touch.ask, link.slippage_bps_max,
                            t.instruments[r.instrument].instrument.price_tick);
  }
  return r.capped;
}

// What a unit is valued at, and the limit. What is bought costs the limit at most; what is sold
// brings at least its limit, and ties up what it is worth.
struct EntryPrice {
  Decimal value;
  Decimal limit;
};
EntryPrice entry_price(const Tables& t, Request& r, const Link& link, bool is_short) {
  if (r.ask == Ask::rest) return {resting_price(t, r), resting_price(t, r)};
  const bool market = link.entry_style == EntryStyle::market;
  if (is_short) {
    const Decimal tick = t.instruments[r.instrument].instrument.price_tick;
    return {r.touch.bid,
            market ? r.touch.bid : floored_price(r.touch.bid, link.slippage_bps_max, tick)};
  }
  const Decimal price = market ? r.touch.ask : capped_at(t, r, link);
  return {price, price};
}

Reason refusal_of_entry(const Step& s, const Request& r, Index link_at, bool is_short) {
  const Link& link = s.t.links[link_at];
  const AccountEntry& account = s.t.accounts[link.slot];
  const bool known = r.instrument != none;
  return refuse_entry(
      {.kill_switch = !s.t.kill_switches.empty() && killed(s.t, r, link, account.account.venue),
       .user_active = link.user_active,
       .connected = account.known && account.account.connected,
       .credentials_refused = account.credentials_refused,
       .status = link.status,
       .quarantined = is_quarantined(s.t, link_at, r.held_symbol),
       .subscription_active = link.subscription_active,
       .reconciled = account.reconciled,
       .age_ns = s.now_ns - r.event.event_time_ns,
       .age_ns_max = age_max(s.t, link),
       .symbol_refused = symbol_refused(s.t, link, r.symbol),
       .instrument_known = known,
       .trading = known ? s.t.instruments[r.instrument].instrument.status : TradingStatus::halted,
       .signal_type = r.event.signal_type,
       .has_quantity = !is_by_leader_quantity(link.sizing_mode) || r.quantity.is_positive(),
       .has_price = (r.ask == Ask::rest ? r.event.price
                     : is_short         ? r.touch.bid
                                        : r.touch.ask)
                        .is_positive()});
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

Wished wish_of(const Step& s, Request& r, const Link& link, Index instrument, EntryPrice price,
               bool is_short) {
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
       .leader_quantity = r.quantity,
       .percentage_e2 = percentage_of(r, link),
       .copy_amount = amount_of(r, link),
       .copy_quantity = link.terms == none ? Decimal{} : t.terms[link.terms].copy_quantity,
       .price = price.value,
       .limit = price.limit,
       .stop_loss = r.event.stop_loss,
       .follower_equity = follower,
       .leader_equity = leader,
       .is_short = is_short});
}

// Held the other way, and less than can be closed: an entry carries it along.
i128 dust_against(const Holding* h, bool is_short) {
  return h != nullptr && h->is_short != is_short ? to_fine(sellable(*h)) : 0;
}

// What the limits of the link, of its account and of its leader leave.
struct EntryRoom {
  Room link;
  ScopeCaps account;
  ScopeCaps leader;
};
bool is_limited_with_others(const Tables& t, const Link& link) {
  return t.accounts[link.slot].scope != none || t.sources[link.source].scope != none;
}

EntryDemand demand_of(const Step& s, const Request& r, const Link& link, const Holding* h,
                      EntryPrice price, i128 wished_fine, const EntryRoom& room, bool is_short) {
  const InstrumentEntry& i = s.t.instruments[r.instrument];
  const bool market = link.entry_style == EntryStyle::market;
  const bool apart = h == nullptr || h->entry_short != is_short || r.ask == Ask::rest;
  const i128 residual = apart ? 0 : h->residual_e12;
  return {.wanted_fine = wished_fine + residual + dust_against(h, is_short),
          .residual_fine = residual,
          .price = price.value,
          .limit = price.limit,
          .price_min = market ? Decimal{} : i.instrument.price_min,
          .price_max = market ? Decimal{} : i.instrument.price_max,
          .lots = lot_rules(i.instrument, market ? OrderType::market : OrderType::limit_ioc),
          .policy = link.min_lot_policy,
          .order_notional_max = link.order_notional_max,
          .position_notional_max = link.position_notional_max,
          .is_exposure_limited = room.link.is_limited,
          .exposure_room = room.link.notional,
          .account = &room.account,
          .leader = &room.leader,
          .copy_amount = is_capped_by_amount(link.sizing_mode) ? amount_of(r, link) : Decimal{},
          .event_notional_max = r.event_notional_max,
          .position_quantity = h == nullptr ? Decimal{} : h->quantity + h->entries_in_flight,
          .event_notional = r.event_notional,
          .available_fine = available_fine(s.t, link.slot, i.quote),
          .cost = cost_rate(i.instrument, link, s.t.settings.taker_fee_bps)};
}

Index holding_to_enter(Tables& t, Index link, Index symbol, bool is_short) {
  const Index at = t.holding_of(link, symbol);
  Holding& h = t.holdings[at];
  if (h.entry_short != is_short) h.residual_e12 = 0;
  h.entry_short = is_short;
  return at;
}

void place_entry(Step& s, Request& r, Index link_at, std::uint32_t rank, const EntryDemand& d,
                 const EntrySize& size, bool is_short) {
  Tables& t = s.t;
  const Index order = t.new_order();
  Order& o = t.orders[order];
  const Link& link = t.links[link_at];
  o.event = r.event.id;
  o.signal = r.event.signal;
  o.copied_from = r.event.leader;
  o.quantity = size.quantity;
  const bool rests = r.ask == Ask::rest;
  o.type = rests                                    ? OrderType::limit_gtc
           : link.entry_style == EntryStyle::market ? OrderType::market
                                                    : OrderType::limit_ioc;
  if (o.type != OrderType::market) o.price = d.limit;
  o.attempt = r.attempt;
  o.keep = keep_all;
  o.wanted_e12 = d.wanted_fine;
  o.reserved_e12 = cost_fine(size.notional, d.cost);
  o.event_time_ns = r.event.event_time_ns;
  o.received_ns = r.event.received_ns;
  o.expires_ns = r.event.event_time_ns + age_max(t, link);
  o.link = link_at;
  o.slot = link.slot;
  o.holding = holding_to_enter(t, link_at, r.held_symbol, is_short);
  o.instrument = r.instrument;
  o.rank = rank;
  o.side = entry_side(is_short);
  o.leg = r.flip == nullptr ? 0 : 1;
  o.cap = size.cap;
  o.outcome_due = !r.is_follow_up;
  Holding& h = t.holdings[o.holding];
  if (!rests) h.residual_e12 = size.residual_fine;
  h.second_leg = r.flip != nullptr;
  h.leader_order = r.event.leader_order & leader_order_bits;
  h.entries_in_flight += size.quantity;
  t.balances[t.find_balance(link.slot, t.instruments[r.instrument].quote)].reserved_e12 +=
      o.reserved_e12;
  r.event_notional += size.notional;
  if (link.terms != none) note_entry(t.terms[link.terms], s.now_ns);
  if (is_limited_with_others(t, link))
    note_scope_entry(s, {link_at, r.held_symbol, r.instrument, d.price}, size.quantity,
                     r.leader_sums);
  t.list_order(order);
  if (link.protect) promise_protection(s, order, r.event);
  if (rests || r.mirror != none) begin_mirror(s, r, order);
  submit_order(s, order);
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
        return share_of(r.quantity, percentage_of(r, link)) + owed;
      // As much as the same signal would have bought; all where that cannot be said.
      const Decimal price = exit_price(r, h.is_short);
      if (!price.is_positive()) return available;
      const Wished wished = wish_of(s, r, link, instrument, {price, price}, h.is_short);
      return wished.reason == Reason::none ? wished.fine + owed : available;
    }
    case Ask::close_signal: {
      const Index opened = t.find_signal(h.link, r.event.signal);
      return opened == none ? 0 : std::min(to_fine(t.signals[opened].quantity) + owed, available);
    }
    case Ask::nothing:
    case Ask::enter:
    case Ask::flip:
    case Ask::by_signal:
    case Ask::rest:
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
  if (r.ask != Ask::close_signal)
    return r.held_symbol == none ? none : t.find_holding(link, r.held_symbol);
  if (const Index opened = t.find_signal(link, r.event.signal); opened != none)
    return t.signals[opened].holding;
  for (Index h = t.links[link].first_holding; h != none; h = t.holdings[h].next)
    for (Index o = t.holdings[h].first_order; o != none; o = t.orders[o].next_in_holding)
      if (!t.orders[o].is_exit && t.orders[o].signal == r.event.signal) return h;
  return none;
}

// What an exit is held against the venue's least notional by: an old price is better than none, for
// what is sent too small is refused for ever.
Decimal exit_value(const Tables& t, const Request& r, Index instrument, bool is_short) {
  const Decimal price = exit_price(r, is_short);
  const Touch& told = t.instruments[instrument].price;
  return price.is_positive() ? price : (is_short ? told.ask : told.bid);
}

void serve_exit(Step& s, Request& r, Index link_at, std::uint32_t rank) {
  Tables& t = s.t;
  const Link& link = t.links[link_at];
  const AccountEntry& account = t.accounts[link.slot];
  find_instrument(s, r, account.account.venue);
  const Index at = holding_to_exit(t, r, link_at);
  if (at == none) return tell(s, r, link_at, rank, skipped(Reason::no_position, 0, 0));
  const Index instrument = t.find_instrument(account.account.venue, t.holdings[at].symbol);
  if (const Reason refused = refuse_exit(account.known && account.account.connected,
                                         account.credentials_refused, instrument != none);
      refused != Reason::none)
    return tell(s, r, link_at, rank, skipped(refused, 0, 0));
  if (t.holdings[at].has_flip && exit_flip(s, r, link_at, rank, at)) return;
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
                 .price = exit_value(t, r, instrument, h.is_short)});
  h.exit_residual_e12 = size.residual_fine;
  if (size.quantity.is_zero())
    return tell(s, r, link_at, rank, carried(wanted, size.residual_fine));
  if (const Index waiting = waiting_exit(t, at, r.ask == Ask::close_signal, r.event.signal);
      waiting != none)
    return tell(s, r, link_at, rank,
                {Outcome::coalesced, Reason::none, Cap::none, wanted, size.residual_fine,
                 add_to_exit(s, waiting, size.quantity)});
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

// Out of what the link holds the other way; in, where there is nothing of that. Where nothing can
// be short, sell signals only close.
void serve_signal(Step& s, Request& r, Index link_at, std::uint32_t rank) {
  Tables& t = s.t;
  const Link& link = t.links[link_at];
  const bool is_short = r.is_short != link.reverse;
  find_instrument(s, r, t.accounts[link.slot].account.venue);
  const bool both = r.instrument != none && can_be_short(t.instruments[r.instrument].instrument);
  if (both ? !closes_by_signal(t, link_at, r, is_short) : !is_short)
    return enter(s, r, link_at, rank, is_short);
  r.ask = r.quantity.is_positive() ? Ask::sell_quantity : Ask::sell_all;
  serve_exit(s, r, link_at, rank);
  r.ask = Ask::by_signal;
}

}  // namespace

void find_instrument(const Step& s, Request& r, Venue venue) {
  if (r.venue == venue) return;
  const Tables& t = s.t;
  r.venue = venue;
  r.instrument = find_counterpart(t, venue, r.symbol);
  r.held_symbol = r.instrument == none ? r.symbol : t.instruments[r.instrument].symbol;
  r.slippage_bps = -1;
  const bool own =
      r.held_symbol == r.symbol && (r.event.venue == venue || r.event.venue == Venue::none);
  r.touch = own || r.instrument == none ? r.event.touch : t.instruments[r.instrument].price;
  if (s.now_ns - r.touch.time_ns > t.settings.touch_age_ns_max) r.touch = Touch{};
}

// Entries still in flight are wanted in part, or not at all, from now on: when they fill, the rest
// is sold at once. Returns the last such order, nil when there is none.
OrderKey cut_entries_in_flight(Tables& t, const Request& r, Index holding) {
  OrderKey key{};
  for (Index at = t.holdings[holding].first_order; at != none; at = t.orders[at].next_in_holding) {
    Order& o = t.orders[at];
    if (o.is_exit || o.life == Life::ended) continue;
    // What rests is not the leader's yet either.
    if (o.type == OrderType::limit_gtc) continue;
    if (r.ask == Ask::close_signal && o.signal != r.event.signal) continue;
    if (r.ask == Ask::sell_quantity) continue;
    o.keep =
        r.ask == Ask::sell_fraction ? mul_div(o.keep, r.kept, r.kept_of, Round::down) : Decimal{};
    key = o.key;
  }
  return key;
}

Decimal exit_price(const Request& r, bool is_short) {
  return is_short ? r.touch.ask : r.touch.bid;
}

void serve_entry(Step& s, Request& r, Index link_at, std::uint32_t rank, bool is_short) {
  Tables& t = s.t;
  const Link& link = t.links[link_at];
  if (const Reason refused = refusal_of_entry(s, r, link_at, is_short); refused != Reason::none) {
    const bool shared = link.sizing_mode == SizingMode::leader_quantity;
    const i128 wanted = shared ? share_of(r.quantity, percentage_of(r, link)) : 0;
    return tell(s, r, link_at, rank, skipped(refused, wanted, 0));
  }
  const Index held = t.find_holding(link_at, r.held_symbol);
  if (held != none) take_back_waiting(s, held);
  const Holding* const holding = held == none ? nullptr : &t.holdings[held];
  if (r.flip == nullptr && r.order_seen != nullptr && is_per_order(link.sizing_mode))
    return tell(s, r, link_at, rank, coalesced_into(*r.order_seen, link, holding));
  const EntryPrice price = entry_price(t, r, link, is_short);
  if (const Reason refused = refuse_price(t, r.event,
                                          {.link = link_at,
                                           .instrument = r.instrument,
                                           .side = entry_side(is_short),
                                           .touch = is_short ? r.touch.bid : r.touch.ask,
                                           .price = price.limit,
                                           .now_ns = s.now_ns});
      refused != Reason::none)
    return tell(s, r, link_at, rank, skipped(refused, 0, 0));
  Wished wished = wish_of(s, r, link, r.instrument, price, is_short);
  if (wished.reason != Reason::none) return tell(s, r, link_at, rank, skipped(wished.reason, 0, 0));
  if (r.mirror != none) wished.fine = left_to_mirror(t, r.mirror, wished.fine);
  if (r.flip != nullptr && is_per_order(link.sizing_mode))
    wished.fine = mul(Decimal::from_e8(wished.fine), r.flip->orders, Round::down).e8();
  if (is_short && !can_be_short(t.instruments[r.instrument].instrument))
    return tell(s, r, link_at, rank, skipped(Reason::no_position, wished.fine, 0));
  EntryRoom room{
      .link = room_of(s, link_at, r.held_symbol, r.instrument), .account = {}, .leader = {}};
  if (room.link.refusal == Reason::none && is_limited_with_others(t, link))
    room.link.refusal = room_of_scopes(s, {link_at, r.held_symbol, r.instrument, price.value},
                                       r.leader_sums, room.account, room.leader);
  if (room.link.refusal != Reason::none)
    return tell(s, r, link_at, rank, skipped(room.link.refusal, wished.fine, 0));
  const EntryDemand demand = demand_of(s, r, link, holding, price, wished.fine, room, is_short);
  const EntrySize size = size_entry(demand);
  if (size.reason != Reason::none)
    return tell(s, r, link_at, rank,
                skipped(size.reason, demand.wanted_fine, size.residual_fine, size.cap));
  // Too little to rest is copied with the leader's fills.
  if (size.quantity.is_zero() && r.ask == Ask::rest)
    return tell(s, r, link_at, rank, skipped(Reason::below_min_lot, demand.wanted_fine, 0));
  if (size.quantity.is_zero()) {
    const i128 residual = size.residual_fine - dust_against(holding, is_short);
    t.holdings[holding_to_enter(t, link_at, r.held_symbol, is_short)].residual_e12 = residual;
    return tell(s, r, link_at, rank, carried(demand.wanted_fine, residual));
  }
  place_entry(s, r, link_at, rank, demand, size, is_short);
}

Request make_request(const Step& s, const LeaderEvent& event, Index symbol) {
  const CoreSettings& settings = s.t.settings;
  const int shards = settings.shard_count == 0 ? 1 : settings.shard_count;
  return {.event = event,
          .ask = Ask::nothing,
          .refusal = Reason::none,
          .symbol = symbol,
          .is_short = false,
          .quantity = event.quantity,
          .kept = Decimal{},
          .kept_of = Decimal{},
          .order_seen = nullptr,
          .percentage_e2 = 0,
          .copy_amount = Decimal{},
          .leader_equity_quote = none,
          .leader_equity = Decimal{},
          .leader_sums = {},
          .event_notional = Decimal{},
          .event_notional_max = scale_by(settings.event_notional_max, 1, shards, Round::down),
          .venue = Venue::none,
          .instrument = none,
          .held_symbol = none,
          .touch = Touch{},
          .slippage_bps = -1,
          .capped = Decimal{},
          .flip = nullptr,
          .order_done = false,
          .is_follow_up = false,
          .follow_up_refusal = Reason::none,
          .attempt = 0,
          .mirror = none};
}

void serve(Step& s, Request& r, Index link, std::uint32_t rank) {
  switch (r.ask) {
    case Ask::nothing:
      return tell(s, r, link, rank, skipped(r.refusal, 0, 0));
    case Ask::enter:
    case Ask::flip: {
      find_instrument(s, r, s.t.accounts[s.t.links[link].slot].account.venue);
      if (s.t.links[link].entry_style == EntryStyle::mirror && !r.is_follow_up &&
          r.event.leader_order != 0 && serve_mirror(s, r, link, rank))
        return;
      return enter(s, r, link, rank, r.is_short != s.t.links[link].reverse);
    }
    case Ask::rest:
      if (!r.is_follow_up && serve_mirror(s, r, link, rank)) return;
      find_instrument(s, r, s.t.accounts[s.t.links[link].slot].account.venue);
      return serve_entry(s, r, link, rank, false);
    case Ask::by_signal:
      return serve_signal(s, r, link, rank);
    case Ask::sell_fraction:
    case Ask::sell_quantity:
    case Ask::sell_all:
    case Ask::close_signal:
      return serve_exit(s, r, link, rank);
  }
}

}  // namespace oneclick::core
