#include "engine/core/scopes.hpp"

#include <algorithm>

#include "engine/base/limits.hpp"
#include "engine/core/profit.hpp"

namespace oneclick::core {

namespace {

// Where the tables point to the limits of this account, leader or channel; null when there is no
// room for another account.
Index* place_of(Tables& t, const RiskLimits& l) {
  if (l.scope != LimitScope::account)
    return &t.sources[t.source_of(l.id, l.scope == LimitScope::channel)].scope;
  const AccountSlot slot = t.account_of(AccountId{l.id});
  return slot == none ? nullptr : &t.accounts[slot].scope;
}

Index find_scope(const Tables& t, const RiskLimits& l) {
  if (l.scope == LimitScope::account) {
    const Index slot = t.find_account(AccountId{l.id});
    return slot == none ? none : t.accounts[slot].scope;
  }
  const Index source = t.find_source(l.id, l.scope == LimitScope::channel);
  return source == none ? none : t.sources[source].scope;
}

bool same(const RiskLimits& a, const RiskLimits& b) {
  return a.scope == b.scope && a.id == b.id && a.positions_max == b.positions_max &&
         a.entries_per_minute_max == b.entries_per_minute_max &&
         a.order_notional_max == b.order_notional_max &&
         a.position_notional_max == b.position_notional_max &&
         a.exposure_usd_max == b.exposure_usd_max && a.daily_loss_usd_max == b.daily_loss_usd_max &&
         a.drawdown_usd_max == b.drawdown_usd_max && a.drawdown_from == b.drawdown_from &&
         a.drawdown_action == b.drawdown_action && a.risk_epoch == b.risk_epoch;
}

void set_limits(ScopeTerms& scope, const RiskLimits& l) {
  scope.order_notional_max = l.order_notional_max;
  scope.position_notional_max = l.position_notional_max;
  scope.terms.exposure_usd_max = l.exposure_usd_max;
  scope.terms.daily_loss_usd_max = l.daily_loss_usd_max;
  scope.terms.drawdown_usd_max = l.drawdown_usd_max;
  scope.terms.drawdown_from = l.drawdown_from;
  scope.terms.drawdown_action = l.drawdown_action;
  scope.terms.positions_max = l.positions_max;
  scope.terms.entries_per_minute_max = l.entries_per_minute_max;
  scope.terms.risk_epoch = l.risk_epoch;
}

}  // namespace

RiskLimits limits_of(const ScopeTerms& scope) {
  return {.scope = scope.scope,
          .drawdown_from = scope.terms.drawdown_from,
          .drawdown_action = scope.terms.drawdown_action,
          .removed = !scope.in_force,
          .positions_max = scope.terms.positions_max,
          .entries_per_minute_max = scope.terms.entries_per_minute_max,
          .id = scope.id,
          .order_notional_max = scope.order_notional_max,
          .position_notional_max = scope.position_notional_max,
          .exposure_usd_max = scope.terms.exposure_usd_max,
          .daily_loss_usd_max = scope.terms.daily_loss_usd_max,
          .drawdown_usd_max = scope.terms.drawdown_usd_max,
          .risk_epoch = scope.terms.risk_epoch};
}

bool risk_limits_differ(const Tables& t, const RiskLimits& l) {
  const Index at = find_scope(t, l);
  const bool in_force = at != none && t.scopes[at].in_force;
  if (l.removed) return in_force;
  return !in_force || !same(limits_of(t.scopes[at]), l);
}

void on_risk_limits(Step& s, const RiskLimits& l) {
  Tables& t = s.t;
  Index* const place = risk_limits_differ(t, l) ? place_of(t, l) : nullptr;
  if (place == nullptr || (*place == none && t.scopes.size() >= limits::scopes_max)) {
    ++t.ignored_events;
    return;
  }
  if (*place == none) {
    *place = static_cast<Index>(t.scopes.size());
    ScopeTerms& added = t.scopes.emplace_back(ScopeTerms{});
    added.id = l.id;
    added.scope = l.scope;
    added.terms.next_free = none;
    added.terms.link = l.scope == LimitScope::account
                           ? t.find_account(AccountId{l.id})
                           : t.find_source(l.id, l.scope == LimitScope::channel);
  }
  ScopeTerms& scope = t.scopes[*place];
  const RareTerms before = scope.terms;
  const bool was_in_force = scope.in_force;
  scope.in_force = !l.removed;
  const bool goes_on = was_in_force && !l.removed && before.risk_epoch == l.risk_epoch;
  if (!goes_on) {
    scope.terms = RareTerms{};
    scope.terms.link = before.link;
    scope.terms.next_free = none;
    scope.valued_ns = 0;
  }
  if (l.removed) {
    scope.order_notional_max = scope.position_notional_max = Decimal{};
  } else {
    set_limits(scope, l);
    if (goes_on) scope.terms.halted = before.halted && l.drawdown_usd_max.is_positive();
  }
  if (before.halted && !scope.terms.halted) emit_scope_halt(s, scope);
}

namespace {

ScopeTerms* in_force(Tables& t, Index scope) {
  return scope == none || !t.scopes[scope].in_force ? nullptr : &t.scopes[scope];
}

bool is_shared(const ScopeTerms& scope) {
  return scope.scope != LimitScope::account;
}
std::int64_t shards_of(const Tables& t, const ScopeTerms& scope) {
  return is_shared(scope) ? std::max<std::int64_t>(1, t.settings.shard_count) : 1;
}
// This shard's part of a limit.
Decimal part_of(const Tables& t, const ScopeTerms& scope, Decimal limit) {
  return scale_by(limit, 1, shards_of(t, scope), Round::down);
}

// Whether an earlier link of the account holds or buys the symbol too.
bool counted_before(const Tables& t, Index link, Index symbol) {
  for (Index at = t.accounts[t.links[link].slot].first_link; at != link;
       at = t.links[at].next_in_account)
    if (const Index h = t.find_holding(at, symbol); h != none && is_open(t.holdings[h]))
      return true;
  return false;
}

void add_link(const Step& s, const ScopeTerms& scope, Index link, Index symbol, ScopeSums& sums) {
  const Tables& t = s.t;
  const Venue venue = t.accounts[t.links[link].slot].account.venue;
  const bool in_usd = counts_profit(scope.terms) || scope.terms.exposure_usd_max.is_positive();
  for (Index at = t.links[link].first_holding; at != none; at = t.holdings[at].next) {
    const Holding& h = t.holdings[at];
    if (!is_open(h)) continue;
    if (h.symbol == symbol) {
      sums.symbol_quantity += h.quantity + h.entries_in_flight;
      // A position more of a leader's followers is one, whoever holds the symbol already.
      if (!is_shared(scope)) sums.has_symbol = true;
    }
    if (is_shared(scope) || (h.symbol != symbol && !counted_before(t, link, h.symbol)))
      ++sums.others;
    if (!in_usd || !sums.is_valued) continue;
    const InstrumentEntry* const i = valued(s, venue, h.symbol);
    if (i == nullptr) {
      sums.is_valued = false;
      continue;
    }
    const Decimal notional = mul(h.quantity + h.entries_in_flight, i->price.ask, Round::up);
    sums.exposure_usd += mul(notional, i->quote_usd, Round::up);
    const Decimal gain = h.is_short ? h.cost - mul(h.quantity, i->price.ask, Round::up)
                                    : mul(h.quantity, i->price.bid, Round::down) - h.cost;
    sums.unrealised_usd += mul(gain, i->quote_usd, Round::down);
  }
}

// The links that the limits are over, one after the other.
template <typename Each>
void each_link(const Tables& t, const ScopeTerms& scope, Each each) {
  if (is_shared(scope)) {
    for (const Index link : t.sources[scope.terms.link].links) each(link);
  } else {
    for (Index link = t.accounts[scope.terms.link].first_link; link != none;
         link = t.links[link].next_in_account)
      each(link);
  }
}

ScopeSums sums_of(const Step& s, const ScopeTerms& scope, Index symbol) {
  ScopeSums sums{};
  sums.known = sums.is_valued = true;
  each_link(s.t, scope, [&](Index link) { add_link(s, scope, link, symbol, sums); });
  return sums;
}

// The names under which a scope refuses.
struct Names {
  Reason positions, entry_rate, daily_loss, drawdown;
};
constexpr Names account_names{Reason::account_positions, Reason::account_entry_rate,
                              Reason::account_daily_loss, Reason::account_drawdown};
constexpr Names leader_names{Reason::leader_positions, Reason::leader_entry_rate,
                             Reason::leader_daily_loss, Reason::leader_drawdown};

bool is_drawn_down(const Tables& t, const ScopeTerms& scope) {
  const RareTerms& terms = scope.terms;
  return terms.drawdown_usd_max.is_positive() &&
         drawn_down(terms) >= part_of(t, scope, terms.drawdown_usd_max);
}

Reason refuse_by_profit(const Step& s, ScopeTerms& scope, const ScopeSums& sums,
                        const Names& names) {
  RareTerms& terms = scope.terms;
  if (terms.halted) return names.drawdown;
  if (!counts_profit(terms)) return Reason::none;
  if (terms.unvalued || !sums.is_valued) return Reason::not_valued;
  note_profit(terms, terms.realised_usd + sums.unrealised_usd, s.now_ns);
  if (terms.daily_loss_usd_max.is_positive() &&
      terms.day_start_usd - terms.profit_usd >= part_of(s.t, scope, terms.daily_loss_usd_max))
    return names.daily_loss;
  return is_drawn_down(s.t, scope) ? names.drawdown : Reason::none;
}

Reason room_of(const Step& s, ScopeTerms& scope, const ScopeQuestion& q, const ScopeSums& sums,
               const Names& names, ScopeCaps& caps) {
  const Tables& t = s.t;
  RareTerms& terms = scope.terms;
  const auto shards = shards_of(t, scope);
  if (terms.positions_max > 0 && !sums.has_symbol && sums.others >= terms.positions_max / shards) {
    const Index own = t.find_holding(q.link, q.symbol);
    if (own == none || !is_open(t.holdings[own])) return names.positions;
  }
  if (terms.entries_per_minute_max > 0 &&
      entries_in_minute(terms, s.now_ns) >= terms.entries_per_minute_max / shards)
    return names.entry_rate;
  if (const Reason refused = refuse_by_profit(s, scope, sums, names); refused != Reason::none)
    return refused;
  caps.limits_order = scope.order_notional_max.is_positive();
  caps.order_notional = part_of(t, scope, scope.order_notional_max);
  caps.limits_position = scope.position_notional_max.is_positive();
  caps.position_room = part_of(t, scope, scope.position_notional_max) -
                       mul(sums.symbol_quantity, q.price, Round::up);
  caps.limits_exposure = terms.exposure_usd_max.is_positive();
  if (!caps.limits_exposure) return Reason::none;
  const Venue venue = t.accounts[t.links[q.link].slot].account.venue;
  const InstrumentEntry* const own = valued(s, venue, t.instruments[q.instrument].symbol);
  if (!sums.is_valued || own == nullptr) return Reason::not_valued;
  const Decimal left = part_of(t, scope, terms.exposure_usd_max) - sums.exposure_usd;
  caps.exposure_room = left.is_positive() ? div(left, own->quote_usd, Round::down) : Decimal{};
  return Reason::none;
}

void stop(Step& s, ScopeTerms& scope) {
  scope.terms.halted = true;
  emit_scope_halt(s, scope);
  if (scope.terms.drawdown_action != DrawdownAction::close) return;
  each_link(s.t, scope, [&](Index link) { sell_all(s, link, LeaderEventKind::risk_close); });
}

}  // namespace

RareTerms* account_terms(Tables& t, Index link) {
  ScopeTerms* const scope = in_force(t, t.accounts[t.links[link].slot].scope);
  return scope == nullptr ? nullptr : &scope->terms;
}
RareTerms* leader_terms(Tables& t, Index link) {
  ScopeTerms* const scope = in_force(t, t.sources[t.links[link].source].scope);
  return scope == nullptr ? nullptr : &scope->terms;
}

Reason room_of_scopes(Step& s, const ScopeQuestion& q, ScopeSums& leader_sums, ScopeCaps& account,
                      ScopeCaps& leader) {
  Tables& t = s.t;
  const Link& link = t.links[q.link];
  if (ScopeTerms* const scope = in_force(t, t.accounts[link.slot].scope); scope != nullptr)
    if (const Reason refused =
            room_of(s, *scope, q, sums_of(s, *scope, q.symbol), account_names, account);
        refused != Reason::none)
      return refused;
  ScopeTerms* const scope = in_force(t, t.sources[link.source].scope);
  if (scope == nullptr) return Reason::none;
  if (!leader_sums.known) leader_sums = sums_of(s, *scope, q.symbol);
  return room_of(s, *scope, q, leader_sums, leader_names, leader);
}

void note_scope_entry(Step& s, const ScopeQuestion& q, Decimal quantity, ScopeSums& leader_sums) {
  if (RareTerms* const terms = account_terms(s.t, q.link); terms != nullptr)
    note_entry(*terms, s.now_ns);
  RareTerms* const terms = leader_terms(s.t, q.link);
  if (terms == nullptr) return;
  note_entry(*terms, s.now_ns);
  leader_sums.symbol_quantity += quantity;
  const Index own = s.t.find_holding(q.link, q.symbol);
  const Holding* const h = own == none ? nullptr : &s.t.holdings[own];
  // It is in flight by now; before, nothing of it was.
  if (h != nullptr && !h->quantity.is_positive() && h->entries_in_flight == quantity)
    ++leader_sums.others;
  const Venue venue = s.t.accounts[s.t.links[q.link].slot].account.venue;
  const InstrumentEntry* const i = valued(s, venue, s.t.instruments[q.instrument].symbol);
  if (i == nullptr) return;
  leader_sums.exposure_usd += mul(mul(quantity, i->price.ask, Round::up), i->quote_usd, Round::up);
}

void watch_scopes(Step& s) {
  Tables& t = s.t;
  for (ScopeTerms& scope : t.scopes) {
    if (!scope.in_force || scope.terms.halted || !counts_profit(scope.terms)) continue;
    if (scope.valued_ns != 0 && s.now_ns - scope.valued_ns < limits::scope_watch_ns) continue;
    scope.valued_ns = s.now_ns;
    const ScopeSums sums = sums_of(s, scope, none);
    if (scope.terms.unvalued || !sums.is_valued) continue;
    note_profit(scope.terms, scope.terms.realised_usd + sums.unrealised_usd, s.now_ns);
    if (is_drawn_down(t, scope)) stop(s, scope);
  }
}

}  // namespace oneclick::core
