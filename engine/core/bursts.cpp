#include "engine/core/bursts.hpp"

#include <algorithm>

#include "engine/base/limits.hpp"
#include "engine/core/order.hpp"
#include "engine/core/sizing.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

// What is still wanted of it: the leader may have sold meanwhile.
void give_back(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const Decimal whole = Decimal::from_e8(to_fine(o.quantity));
  s.t.holdings[o.holding].residual_e12 +=
      o.keep < keep_all ? mul_div(whole, o.keep, keep_all, Round::down).e8() : whole.e8();
  o.not_sent = true;
  end_order(s, order, Reason::rate_budget, UpdateSource::gate, nullptr);
}

// Permission may be gone since: the gate looks at switches and time, this at the rest.
Reason refuse_again(const Tables& t, const Order& o) {
  const Link& link = t.links[o.link];
  const AccountEntry& account = t.accounts[o.slot];
  if (!link.user_active) return Reason::user_inactive;
  if (!account.known || !account.account.connected) return Reason::exchange_disconnected;
  if (account.credentials_refused) return Reason::credentials_refused;
  if (link.status != LinkStatus::active || link.removed) return Reason::link_inactive;
  if (!link.subscription_active) return Reason::subscription_inactive;
  return account.reconciled ? Reason::none : Reason::not_reconciled;
}

}  // namespace

void wait_for_budget(Step& s, Index order) {
  Order& o = s.t.orders[order];
  const std::int64_t delay = o.delay_ns > 0 ? o.delay_ns : limits::entry_retry_ns;
  o.delay_ns = delay * 2;
  set_life(s.t, o, Life::waiting);
  // Past its time it comes up once more, to be given back.
  s.t.set_deadline(order, std::min(s.now_ns + delay, std::max(s.now_ns, o.expires_ns) + 1));
}

void attempt_entry(Step& s, Index order) {
  Order& o = s.t.orders[order];
  if (s.now_ns > o.expires_ns || o.keep < keep_all) return give_back(s, order);
  if (const Reason refused = refuse_again(s.t, o); refused != Reason::none) {
    o.not_sent = true;
    return end_order(s, order, refused, UpdateSource::gate, nullptr);
  }
  send_order(s, order);
}

void take_back_waiting(Step& s, Index holding) {
  Index next = none;
  for (Index at = s.t.holdings[holding].first_order; at != none; at = next) {
    const Order& o = s.t.orders[at];
    next = o.next_in_holding;
    if (!o.is_exit && o.life == Life::waiting) give_back(s, at);
  }
}

bool is_given_back(const Order& o) {
  return !o.is_exit && o.not_sent && o.reason == Reason::rate_budget;
}

Index waiting_exit(const Tables& t, Index holding, bool closes_signal, SignalId signal) {
  for (Index at = t.holdings[holding].first_order; at != none; at = t.orders[at].next_in_holding) {
    const Order& o = t.orders[at];
    if (o.is_exit && !o.protects && o.life == Life::waiting && o.closes_signal == closes_signal &&
        (!closes_signal || o.signal == signal))
      return at;
  }
  return none;
}

OrderKey add_to_exit(Step& s, Index order, Decimal quantity) {
  Tables& t = s.t;
  Order& o = t.orders[order];
  o.exit_left += quantity;
  o.wanted_e12 += to_fine(quantity);
  t.holdings[o.holding].exits_in_flight += quantity;
  return o.keyed ? o.key
                 : order_key(o.event, t.links[o.link].id, o.leg, o.attempt, o.event_time_ns);
}

}  // namespace oneclick::core
