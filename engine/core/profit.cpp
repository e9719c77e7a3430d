#include "engine/core/profit.hpp"

#include <algorithm>
#include <array>

#include "engine/core/holdings.hpp"
#include "engine/core/scopes.hpp"
#include "engine/core/serve.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t minute_ns = 60LL * 1'000'000'000;
constexpr std::int64_t day_ns = 24 * 60 * minute_ns;

RareTerms* terms_of(Tables& t, Index link) {
  const Index terms = t.links[link].terms;
  return terms == none ? nullptr : &t.terms[terms];
}

// What all that a link holds would bring now, less what it cost. False: not known.
bool add_unrealised(const Step& s, Index link, Decimal& sum) {
  const Venue venue = s.t.accounts[s.t.links[link].slot].account.venue;
  for (Index at = s.t.links[link].first_holding; at != none; at = s.t.holdings[at].next) {
    const Holding& h = s.t.holdings[at];
    if (!h.quantity.is_positive()) continue;
    const InstrumentEntry* const i = valued(s, venue, h.symbol);
    if (i == nullptr) return false;
    const Decimal gain = h.is_short ? h.cost - mul(h.quantity, i->price.ask, Round::up)
                                    : mul(h.quantity, i->price.bid, Round::down) - h.cost;
    sum += mul(gain, i->quote_usd, Round::down);
  }
  return true;
}

// Brings profit, day and peak up to now. False: not known.
bool value_profit(const Step& s, Index link, RareTerms& terms) {
  if (terms.unvalued) return false;
  Decimal profit = terms.realised_usd;
  if (!add_unrealised(s, link, profit)) return false;
  note_profit(terms, profit, s.now_ns);
  return true;
}

bool is_drawn_down(const RareTerms& terms) {
  return terms.drawdown_usd_max.is_positive() && drawn_down(terms) >= terms.drawdown_usd_max;
}

Reason refuse_by_profit(Step& s, Index link, RareTerms& terms) {
  if (terms.halted) return Reason::drawdown;
  if (!counts_profit(terms)) return Reason::none;
  if (!value_profit(s, link, terms)) return Reason::not_valued;
  if (terms.daily_loss_usd_max.is_positive() &&
      terms.day_start_usd - terms.profit_usd >= terms.daily_loss_usd_max)
    return Reason::daily_loss;
  return is_drawn_down(terms) ? Reason::drawdown : Reason::none;
}

bool has_all_positions(const Tables& t, Index link, Index symbol, std::int32_t most) {
  std::int32_t others = 0;
  for (Index at = t.links[link].first_holding; at != none; at = t.holdings[at].next) {
    if (!is_open(t.holdings[at])) continue;
    if (t.holdings[at].symbol == symbol) return false;
    ++others;
  }
  return others >= most;
}

// What is left of the link's exposure limit, in the quote of `instrument`.
Room room_in_exposure(const Step& s, Index link, const RareTerms& terms, Index instrument) {
  const Tables& t = s.t;
  const Venue venue = t.accounts[t.links[link].slot].account.venue;
  Decimal left = terms.exposure_usd_max;
  for (Index at = t.links[link].first_holding; at != none; at = t.holdings[at].next) {
    const Holding& h = t.holdings[at];
    if (!is_open(h)) continue;
    const InstrumentEntry* const i = valued(s, venue, h.symbol);
    if (i == nullptr) return {Reason::not_valued, true, Decimal{}};
    const Decimal notional = mul(h.quantity + h.entries_in_flight, i->price.ask, Round::up);
    left -= mul(notional, i->quote_usd, Round::up);
  }
  const InstrumentEntry* const own = valued(s, venue, t.instruments[instrument].symbol);
  if (own == nullptr) return {Reason::not_valued, true, Decimal{}};
  return {Reason::none, true,
          left.is_positive() ? div(left, own->quote_usd, Round::down) : Decimal{}};
}

void stop_if_drawn_down(Step& s, Index link, RareTerms& terms) {
  if (terms.halted || !is_drawn_down(terms)) return;
  terms.halted = true;
  emit_link_halt(s, s.t.links[link], terms);
  if (terms.drawdown_action == DrawdownAction::close)
    sell_all(s, link, LeaderEventKind::risk_close);
}

std::array<RareTerms*, 3> all_terms(Tables& t, Index link) {
  return {terms_of(t, link), account_terms(t, link), leader_terms(t, link)};
}

// Of the engine's own: what brought it about makes its name.
LeaderEvent close_event(const Step& s, const Link& link, const Holding& h, LeaderEventKind kind,
                        const Touch& touch) {
  LeaderEvent e{};
  e.id = risk_event_id(link.id, s.t.symbols[h.symbol].view(), s.event.seq);
  e.kind = kind;
  e.source = EventSource::internal;
  e.venue = s.t.accounts[link.slot].account.venue;
  e.side = exit_side(h.is_short);
  const Source& source = s.t.sources[link.source];
  if (source.is_channel) {
    e.channel = ChannelId{source.id};
  } else {
    e.leader = UserId{source.id};
  }
  e.target = link.follower;
  e.symbol = s.t.symbols[h.symbol];
  e.quantity = h.quantity;
  e.event_time_ns = s.now_ns;
  e.received_ns = s.now_ns;
  e.touch = touch;
  return e;
}

}  // namespace

bool counts_profit(const RareTerms& terms) {
  return terms.daily_loss_usd_max.is_positive() || terms.drawdown_usd_max.is_positive();
}

bool is_open(const Holding& h) {
  return h.quantity.is_positive() || h.entries_in_flight.is_positive();
}

const InstrumentEntry* valued(const Step& s, Venue venue, Index symbol) {
  const Index at = s.t.find_instrument(venue, symbol);
  if (at == none) return nullptr;
  const InstrumentEntry& i = s.t.instruments[at];
  const bool fresh = s.now_ns - i.price.time_ns <= s.t.settings.equity_age_ns_max;
  const bool known =
      i.price.bid.is_positive() && i.price.ask.is_positive() && i.quote_usd.is_positive();
  return fresh && known ? &i : nullptr;
}

void note_profit(RareTerms& terms, Decimal profit, std::int64_t now_ns) {
  const std::int64_t today = now_ns / day_ns;
  if (!terms.started) {
    terms.started = true;
    terms.start_usd = terms.peak_usd = terms.day_start_usd = profit;
    terms.day = today;
  } else if (terms.day != today) {
    // The day began at the last figure known of the day before.
    terms.day_start_usd = terms.profit_usd;
    terms.day = today;
  }
  terms.profit_usd = profit;
  terms.peak_usd = max(terms.peak_usd, profit);
}

Decimal drawn_down(const RareTerms& terms) {
  const Decimal from = terms.drawdown_from == DrawdownFrom::peak ? terms.peak_usd : terms.start_usd;
  return from - terms.profit_usd;
}

std::int32_t entries_in_minute(const RareTerms& terms, std::int64_t now_ns) {
  return terms.minute == now_ns / minute_ns ? terms.entries : 0;
}

void sell_all(Step& s, Index link, LeaderEventKind kind) {
  Tables& t = s.t;
  for (Index at = t.links[link].first_holding; at != none; at = t.holdings[at].next) {
    if (!is_open(t.holdings[at])) continue;
    const Index symbol = t.holdings[at].symbol;
    const InstrumentEntry* const i =
        valued(s, t.accounts[t.links[link].slot].account.venue, symbol);
    const LeaderEvent event =
        close_event(s, t.links[link], t.holdings[at], kind, i == nullptr ? Touch{} : i->price);
    Request request = make_request(s, event, symbol);
    request.ask = Ask::sell_all;
    emit_leader_event(s, event, 1);
    serve(s, request, link, 0);
  }
}

void note_realised(Tables& t, const Order& o, const OrderUpdate& update, Decimal gain) {
  const Decimal told = t.instruments[o.instrument].quote_usd;
  const Decimal rate = update.quote_usd.is_positive() ? update.quote_usd : told;
  for (RareTerms* const terms : all_terms(t, o.link)) {
    if (terms == nullptr) continue;
    if (!rate.is_positive()) terms->unvalued = true;
    terms->realised_usd += mul(gain, rate, Round::down);
  }
}

void note_fee_elsewhere(Tables& t, const Order& o, const OrderUpdate& update) {
  if (!update.fee.is_positive()) return;
  const Instrument& i = t.instruments[o.instrument].instrument;
  if (update.fee_asset == i.base || update.fee_asset == i.quote) return;
  for (RareTerms* const terms : all_terms(t, o.link)) {
    if (terms == nullptr) continue;
    if (!update.fee_usd.is_positive()) terms->unvalued = true;
    terms->realised_usd -= mul(update.fee, update.fee_usd, Round::up);
  }
}

void note_entry(RareTerms& terms, std::int64_t now_ns) {
  const std::int64_t minute = now_ns / minute_ns;
  if (terms.minute != minute) terms.entries = 0;
  terms.minute = minute;
  ++terms.entries;
}

void keep_counts(RareTerms& terms, const RareTerms& before) {
  terms.realised_usd = before.realised_usd;
  terms.profit_usd = before.profit_usd;
  terms.day_start_usd = before.day_start_usd;
  terms.start_usd = before.start_usd;
  terms.peak_usd = before.peak_usd;
  terms.day = before.day;
  terms.minute = before.minute;
  terms.entries = before.entries;
  terms.started = before.started;
  terms.unvalued = before.unvalued;
  terms.halted = before.halted && terms.drawdown_usd_max.is_positive();
}

void emit_release(Step& s, const Link& link, RareTerms terms) {
  terms.halted = false;
  emit_link_halt(s, link, terms);
}

Room room_of(Step& s, Index link, Index symbol, Index instrument) {
  constexpr Room unlimited{Reason::none, false, Decimal{}};
  RareTerms* const terms = terms_of(s.t, link);
  if (terms == nullptr) return unlimited;
  if (terms->positions_max > 0 && has_all_positions(s.t, link, symbol, terms->positions_max))
    return {Reason::positions, false, Decimal{}};
  if (terms->entries_per_minute_max > 0 &&
      entries_in_minute(*terms, s.now_ns) >= terms->entries_per_minute_max)
    return {Reason::entry_rate, false, Decimal{}};
  if (const Reason refusal = refuse_by_profit(s, link, *terms); refusal != Reason::none)
    return {refusal, false, Decimal{}};
  return terms->exposure_usd_max.is_positive() ? room_in_exposure(s, link, *terms, instrument)
                                               : unlimited;
}

void watch_limits(Step& s, const Price& price) {
  Tables& t = s.t;
  const Index symbol = t.find_symbol(price.symbol);
  if (symbol == none) return;
  for (RareTerms& terms : t.terms) {
    if (terms.link == none || !counts_profit(terms)) continue;
    const Link& link = t.links[terms.link];
    if (t.accounts[link.slot].account.venue != price.venue) continue;
    const Index holding = t.find_holding(terms.link, symbol);
    if (holding == none || !t.holdings[holding].quantity.is_positive()) continue;
    if (value_profit(s, terms.link, terms)) stop_if_drawn_down(s, terms.link, terms);
  }
}

}  // namespace oneclick::core
