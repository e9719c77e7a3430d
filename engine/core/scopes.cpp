#include "engine/core/scopes.hpp"

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

}  // namespace oneclick::core
