#include "engine/core/flips.hpp"

#include <utility>

#include "engine/core/exits.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/risk.hpp"
#include "engine/core/sizing.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

constexpr Decimal one = Decimal::from_integer(1);

struct Told {
  Outcome outcome;
  Reason reason;
  Cap cap;
  OrderKey order;
};

void tell(Step& s, const EventId& event, Index link, std::uint32_t rank, const Told& told) {
  emit_outcome(s, {.event = event,
                   .link = s.t.links[link].id,
                   .outcome = told.outcome,
                   .reason = told.reason,
                   .cap = told.cap,
                   .rank = rank,
                   .wanted_fine = 0,
                   .sent = Decimal{},
                   .residual_fine = 0,
                   .order = told.order,
                   .ingest_to_wire_ns = 0});
}

// The flip's outcome when its entry is not even tried.
void refuse(Step& s, Index at, Reason reason) {
  const Flip f = s.t.flips[at];
  const Index link = s.t.holdings[f.holding].link;
  s.t.free_flip_at(at);
  const bool closed = !f.exit.is_nil();
  tell(s, f.event, link, f.rank,
       {closed ? Outcome::clipped : Outcome::skipped, reason, closed ? Cap::flip : Cap::none,
        f.exit});
}

OrderKey entry_key(const Tables& t, const Flip& f) {
  return order_key(f.event, t.links[t.holdings[f.holding].link].id, 1, 0, f.event_time_ns);
}

LotRules exit_lots(const Tables& t, Index instrument) {
  return lot_rules(t.instruments[instrument].instrument, OrderType::market);
}

ExitSize closable(const Tables& t, const Holding& h, Index instrument, Decimal price) {
  return size_exit(
      {.wanted_fine = to_fine(sellable(h)), .lots = exit_lots(t, instrument), .price = price});
}

bool is_moving(const Holding& h) {
  return h.entries_in_flight.is_positive() || h.exits_in_flight.is_positive();
}

// Dust does not count: an entry carries it along.
bool stands_against(const Tables& t, const Request& r, const Holding& h, bool is_short) {
  if (h.has_flip) return true;
  if (h.entries_in_flight.is_positive() && h.entry_short != is_short) return true;
  if (!h.quantity.is_positive() || h.is_short == is_short) return false;
  return h.exits_in_flight.is_positive() ||
         closable(t, h, r.instrument, exit_price(r, h.is_short)).quantity.is_positive();
}

void add_to_flip(Step& s, const Request& r, Index link, std::uint32_t rank, Flip& f) {
  const bool per_order = is_per_order(s.t.links[link].sizing_mode);
  if (!per_order) {
    f.quantity += r.quantity;
  } else if (r.order_seen == nullptr) {
    f.orders += one;
  }
  tell(s, r.event.id, link, rank, {Outcome::coalesced, Reason::none, Cap::none, entry_key(s.t, f)});
}

Index new_flip(Tables& t, const Request& r, Index holding, std::uint32_t rank, bool is_short) {
  const LeaderEvent& e = r.event;
  const Index at = t.new_flip(holding);
  Flip& f = t.flips[at];
  f.event = e.id;
  f.signal = e.signal;
  f.leader = e.leader;
  f.feed_account = e.feed_account;
  f.channel = e.channel;
  f.quantity = r.quantity;
  f.price = e.price;
  f.stop_loss = e.stop_loss;
  f.take_profit = e.take_profit;
  f.copy_amount = r.copy_amount;
  f.orders = one;
  f.event_time_ns = e.event_time_ns;
  f.received_ns = e.received_ns;
  f.leader_order = e.leader_order;
  f.symbol = r.symbol;
  f.rank = rank;
  f.percentage_e2 = r.percentage_e2;
  f.venue = e.venue;
  f.kind = e.kind;
  f.signal_type = e.signal_type;
  f.is_short = is_short;
  return at;
}

// Leg 0: everything goes, also what is still on its way in.
void begin_flip(Step& s, Request& r, Index link, std::uint32_t rank, Index holding, bool is_short) {
  Tables& t = s.t;
  const Ask asked = std::exchange(r.ask, Ask::sell_all);
  cut_entries_in_flight(t, r, holding);
  r.ask = asked;
  Holding& h = t.holdings[holding];
  h.residual_e12 = 0;
  const i128 wanted = to_fine(sellable(h));
  const ExitSize size = closable(t, h, r.instrument, exit_price(r, h.is_short));
  h.exit_residual_e12 = size.residual_fine;
  Flip& f = t.flips[new_flip(t, r, holding, rank, is_short)];
  if (size.quantity.is_zero()) return advance_flip(s, holding, Reason::none);
  f.exit = order_key(f.event, t.links[link].id, 0, 0, f.event_time_ns);
  start_exit(s, {.event = f.event,
                 .signal = f.signal,
                 .copied_from = f.leader,
                 .event_time_ns = f.event_time_ns,
                 .received_ns = f.received_ns,
                 .holding = holding,
                 .instrument = r.instrument,
                 .quantity = size.quantity,
                 .wanted_fine = wanted,
                 .cap = Cap::none,
                 .rank = rank,
                 .leg = 0,
                 .attempt = 0,
                 .outcome_due = false,
                 .closes_signal = false});
}

LeaderEvent event_of(const Tables& t, const Flip& f, const Touch& touch) {
  LeaderEvent e{};
  e.id = f.event;
  e.kind = f.kind;
  e.source = EventSource::internal;
  e.venue = f.venue;
  e.side = entry_side(f.is_short);
  e.signal_type = f.signal_type;
  e.leader = f.leader;
  e.feed_account = f.feed_account;
  e.channel = f.channel;
  e.signal = f.signal;
  e.symbol = t.symbols[f.symbol];
  e.leader_order = f.leader_order;
  e.quantity = f.quantity;
  e.price = f.price;
  e.stop_loss = f.stop_loss;
  e.take_profit = f.take_profit;
  e.event_time_ns = f.event_time_ns;
  e.received_ns = f.received_ns;
  e.touch = touch;
  return e;
}

// The market as the event at hand brought it, else as it was last told.
Touch touch_now(const Step& s, const InstrumentEntry& i) {
  const Event& e = s.event;
  if (e.kind == EventKind::order_update && e.order.symbol == i.instrument.symbol &&
      e.order.touch.time_ns >= i.price.time_ns)
    return e.order.touch;
  if (e.kind == EventKind::leader && e.leader.symbol == i.instrument.symbol &&
      e.leader.venue == i.instrument.venue && e.leader.touch.time_ns >= i.price.time_ns)
    return e.leader.touch;
  return i.price;
}

// Leg 1: what is left to do is an entry like any other.
void finish_flip(Step& s, Index at, Index instrument) {
  Tables& t = s.t;
  const Flip f = t.flips[at];
  const Index link = t.holdings[f.holding].link;
  const InstrumentEntry& i = t.instruments[instrument];
  t.free_flip_at(at);
  const LeaderEvent e = event_of(t, f, touch_now(s, i));
  Request r = make_request(s, e, f.symbol);
  r.ask = Ask::enter;
  r.percentage_e2 = f.percentage_e2;
  r.copy_amount = f.copy_amount;
  r.venue = i.instrument.venue;
  r.instrument = instrument;
  r.held_symbol = i.symbol;
  if (s.now_ns - e.touch.time_ns <= t.settings.touch_age_ns_max) r.touch = e.touch;
  r.flip = &f;
  serve_entry(s, r, link, f.rank, f.is_short);
}

// Whether all that is missing is that the account be read back.
bool waits_for_account(const Step& s, const Flip& f) {
  const Link& link = s.t.links[s.t.holdings[f.holding].link];
  const AccountEntry& account = s.t.accounts[link.slot];
  return account.known && account.account.connected && !account.credentials_refused &&
         !account.reconciled && link.status == LinkStatus::active &&
         s.now_ns - f.event_time_ns <= link.entry_ttl_ms * 1'000'000;
}

}  // namespace

void enter(Step& s, Request& r, Index link, std::uint32_t rank, bool is_short) {
  Tables& t = s.t;
  const bool turns = r.ask == Ask::flip;
  const Index at = r.held_symbol == none ? none : t.find_holding(link, r.held_symbol);
  const bool both = r.instrument != none && can_be_short(t.instruments[r.instrument].instrument);
  if (at == none || (!turns && !both)) return serve_entry(s, r, link, rank, is_short);
  if (const Index waiting = t.find_flip(at); waiting != none) {
    if (t.flips[waiting].is_short == is_short)
      return add_to_flip(s, r, link, rank, t.flips[waiting]);
    refuse(s, waiting, Reason::superseded);
  }
  const Holding& h = t.holdings[at];
  const bool waits =
      turns ? h.quantity.is_positive() || is_moving(h) : stands_against(t, r, h, is_short);
  if (!waits) return serve_entry(s, r, link, rank, is_short);
  const AccountEntry& account = t.accounts[t.links[link].slot];
  const bool connected = account.known && account.account.connected;
  if (const Reason refused =
          refuse_exit(connected, account.credentials_refused, r.instrument != none);
      refused != Reason::none)
    return tell(s, r.event.id, link, rank, {Outcome::skipped, refused, Cap::none, OrderKey{}});
  begin_flip(s, r, link, rank, at, is_short);
}

bool closes_by_signal(const Tables& t, Index link, const Request& r, bool is_short) {
  const Index at = t.find_holding(link, r.held_symbol);
  if (at == none) return false;
  const Holding& h = t.holdings[at];
  if (const Index waiting = t.find_flip(at); waiting != none)
    return t.flips[waiting].is_short != is_short;
  return stands_against(t, r, h, is_short);
}

bool exit_flip(Step& s, const Request& r, Index link, std::uint32_t rank, Index holding) {
  Tables& t = s.t;
  const Index at = t.find_flip(holding);
  Flip& f = t.flips[at];
  switch (r.ask) {
    case Ask::sell_fraction:
      f.quantity = mul_div(f.quantity, r.kept, r.kept_of, Round::down);
      f.orders = mul_div(f.orders, r.kept, r.kept_of, Round::down);
      tell(s, r.event.id, link, rank,
           {Outcome::coalesced, Reason::none, Cap::none, entry_key(t, f)});
      return true;
    case Ask::close_signal:
      if (f.signal == r.event.signal) refuse(s, at, Reason::superseded);
      return false;
    case Ask::nothing:
    case Ask::rest:
    case Ask::enter:
    case Ask::flip:
    case Ask::by_signal:
    case Ask::sell_quantity:
    case Ask::sell_all:
      break;
  }
  refuse(s, at, Reason::superseded);
  return false;
}

void advance_flip(Step& s, Index holding, Reason ended) {
  Tables& t = s.t;
  const Index at = t.find_flip(holding);
  if (at == none || is_moving(t.holdings[holding])) return;
  const Holding& h = t.holdings[holding];
  const Venue venue = t.accounts[t.links[h.link].slot].account.venue;
  const Index instrument = t.find_instrument(venue, h.symbol);
  if (instrument == none) return refuse(s, at, Reason::unknown_symbol);
  const Touch touch = touch_now(s, t.instruments[instrument]);
  if (closable(t, h, instrument, h.is_short ? touch.ask : touch.bid).quantity.is_positive())
    return refuse(s, at, ended == Reason::none ? Reason::not_filled : ended);
  if (!waits_for_account(s, t.flips[at])) finish_flip(s, at, instrument);
}

void advance_flips_of(Step& s, AccountSlot slot) {
  Tables& t = s.t;
  for (Index at = 0; at < t.flips.size(); ++at)
    if (t.flips[at].in_use && t.links[t.holdings[t.flips[at].holding].link].slot == slot)
      advance_flip(s, t.flips[at].holding, Reason::none);
}

void supersede_flips_of(Step& s, Index link) {
  Tables& t = s.t;
  for (Index h = t.links[link].first_holding; h != none; h = t.holdings[h].next)
    if (const Index at = t.find_flip(h); at != none) refuse(s, at, Reason::superseded);
}

}  // namespace oneclick::core
