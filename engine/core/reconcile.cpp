#include "engine/core/reconcile.hpp"

#include <algorithm>

#include "engine/base/limits.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/order.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t ns_per_us = 1'000;

// What all links of an account hold of an asset, and how much of it is known to be missing.
struct Held {
  Decimal quantity;
  Decimal missing;
  Decimal lot;  // the largest of the instruments
};

template <typename Visit>
void each_holding(const Tables& t, AccountSlot slot, Index asset, Visit&& visit) {
  const Venue venue = t.accounts[slot].account.venue;
  for (Index link = t.accounts[slot].first_link; link != none; link = t.links[link].next_in_account)
    for (Index at = t.links[link].first_holding; at != none; at = t.holdings[at].next) {
      const Holding& h = t.holdings[at];
      if (!h.quantity.is_positive() && h.quarantine == none) continue;
      const Index instrument = t.find_instrument(venue, h.symbol);
      // Of contracts an account has no balance that could be compared.
      if (instrument != none && t.instruments[instrument].base == asset &&
          t.instruments[instrument].instrument.kind == InstrumentKind::spot)
        visit(at, instrument);
    }
}

Held held_by_links(const Tables& t, AccountSlot slot, Index asset) {
  Held held{};
  each_holding(t, slot, asset, [&](Index at, Index instrument) {
    held.quantity += t.holdings[at].quantity;
    held.missing += min(t.holdings[at].missing, t.holdings[at].quantity);
    held.lot = max(held.lot, t.instruments[instrument].instrument.lot_step);
  });
  return held;
}

// Rests at the venue for longer than any difference may: what it locks is counted as there.
bool rests(const Order& o) {
  switch (o.type) {
    case OrderType::limit_ioc:
    case OrderType::market:
      return false;
    case OrderType::limit_gtc:
    case OrderType::stop_loss:
    case OrderType::take_profit:
      return true;
  }
  return false;
}

// Whether an order may have moved the asset without our knowing.
bool may_move(const Tables& t, const Order& o, Index asset) {
  switch (o.life) {
    case Life::free:
    case Life::waiting:
    case Life::ended:
      return false;
    case Life::working:
      if (rests(o)) return false;
      break;
    case Life::submitted:
    case Life::unknown:
    case Life::settling:
      break;
  }
  const InstrumentEntry& i = t.instruments[o.instrument];
  return i.base == asset || i.quote == asset;
}

bool is_comparable(const Tables& t, AccountSlot slot, const BalanceEntry& b) {
  if (b.venue_time_ns < b.filled_ns) return false;
  for (Index at = t.accounts[slot].first_order; at != none; at = t.orders[at].next_in_account)
    if (may_move(t, t.orders[at], b.asset)) return false;
  return true;
}

void end_shortfall(Tables& t, Index balance) {
  BalanceEntry& b = t.balances[balance];
  if (b.short_ns == 0) return;
  b.short_ns = b.asked_ns = 0;
  std::erase_if(t.short_balances, [&](const ShortBalance& s) { return s.balance == balance; });
  derive_shortfalls_due(t);
}

void begin_shortfall(Step& s, AccountSlot slot, Index balance) {
  BalanceEntry& b = s.t.balances[balance];
  if (b.short_ns != 0) return;
  b.short_ns = s.now_ns;
  s.t.short_balances.push_back({.slot = slot, .balance = balance});
  derive_shortfalls_due(s.t);
}

struct Share {
  Index holding;
  Decimal quantity;
  Decimal missing;
  i128 remainder;
};

// Splits what is missing in proportion to what is held; the units that rounding leaves go to the
// largest remainders, among equals to the oldest.
void split(std::vector<Share>& shares, Decimal missing) {
  Decimal total{};
  for (const Share& share : shares) total += share.quantity;
  missing = min(missing, total);
  Decimal left = missing;
  for (Share& share : shares) {
    share.missing = mul_div(missing, share.quantity, total, Round::down);
    left -= share.missing;
    // The exact share less the rounded one, times the total: comparable without a division.
    share.remainder = missing.e8() * share.quantity.e8() - share.missing.e8() * total.e8();
  }
  for (; left.is_positive(); left -= Decimal::from_e8(1)) {
    const auto largest = std::ranges::max_element(shares, {}, &Share::remainder);
    largest->missing += Decimal::from_e8(1);
    largest->remainder = -1;
  }
}

std::vector<Share> shares_of(const Tables& t, AccountSlot slot, Index asset, bool quarantined) {
  std::vector<Share> shares;
  each_holding(t, slot, asset, [&](Index at, Index) {
    const Holding& h = t.holdings[at];
    if (!h.quantity.is_positive() || (quarantined && h.quarantine == none)) return;
    shares.push_back({.holding = at, .quantity = h.quantity, .missing = {}, .remainder = 0});
  });
  return shares;
}

Index new_quarantine(Tables& t, Index holding, std::int64_t now_ns) {
  Index at = t.free_quarantine;
  if (at != none) {
    t.free_quarantine = t.quarantines[at].next_free;
  } else {
    t.quarantines.emplace_back();
    at = static_cast<Index>(t.quarantines.size() - 1);
  }
  t.quarantines[at] = Quarantine{.expected = {},
                                 .account_expected = {},
                                 .account_found = {},
                                 .at_ns = now_ns / ns_per_us * ns_per_us,
                                 .holding = holding,
                                 .next_free = none};
  t.holdings[holding].quarantine = at;
  return at;
}

// Gives every share its part of what is missing, and tells of those whose part is another now.
void set_aside(Step& s, AccountSlot slot, Index asset, const std::vector<Share>& shares,
               Decimal expected, Decimal found) {
  Tables& t = s.t;
  for (const Share& share : shares) {
    Holding& h = t.holdings[share.holding];
    const bool fresh = h.quarantine == none;
    if (!fresh && h.missing == share.missing) continue;
    const Index at = fresh ? new_quarantine(t, share.holding, s.now_ns) : h.quarantine;
    h.missing = share.missing;
    t.quarantines[at].expected = h.quantity;
    t.quarantines[at].account_expected = expected;
    t.quarantines[at].account_found = found;
    emit_quarantine(s, share.holding, asset, slot, true);
  }
}

// Our own fees in an asset that links hold come out of what they hold when nothing else is there.
void absorb_fees(Step& s, AccountSlot slot, Index balance, Decimal missing) {
  BalanceEntry& b = s.t.balances[balance];
  std::vector<Share> shares = shares_of(s.t, slot, b.asset, false);
  split(shares, missing);
  for (const Share& share : shares) write_down(s.t, share.holding, share.missing);
  b.fees_elsewhere -= missing;
}

// `read_ns`: since when the account was being read back, if that is where the figure comes from.
void compare(Step& s, AccountSlot slot, Index balance, std::int64_t read_ns) {
  Tables& t = s.t;
  BalanceEntry& b = t.balances[balance];
  const Held held = held_by_links(t, slot, b.asset);
  if (held.quantity.is_zero()) {
    b.fees_elsewhere = Decimal{};
    return end_shortfall(t, balance);
  }
  if (!is_comparable(t, slot, b)) return;
  const Decimal found = b.free + b.locked;
  const Decimal missing = max(Decimal{}, held.quantity - found);
  if (missing - held.missing > held.lot) {
    begin_shortfall(s, slot, balance);
    if (read_ns < b.short_ns + t.settings.divergence_age_ns_max) return;
    end_shortfall(t, balance);
    if (held.missing.is_zero() && missing <= b.fees_elsewhere)
      return absorb_fees(s, slot, balance, missing);
    std::vector<Share> shares = shares_of(t, slot, b.asset, false);
    split(shares, missing);
    return set_aside(s, slot, b.asset, shares, held.quantity, found);
  }
  end_shortfall(t, balance);
  if (missing >= held.missing) return;
  // Some of it came back.
  std::vector<Share> shares = shares_of(t, slot, b.asset, true);
  split(shares, missing);
  set_aside(s, slot, b.asset, shares, held.quantity, found);
}

// Open at the venue for longer than the account was being read, and not listed: over, or lost.
bool is_unlisted(const Order& o, const Sweep& sweep) {
  return o.life == Life::working && o.sweep != sweep.id && o.created_ns < sweep.started_ns;
}

Index ghost_of(const Tables& t, OrderKey key) {
  const auto at = std::ranges::find(t.ghosts, key, &Ghost::key);
  return at == t.ghosts.end() ? none : static_cast<Index>(at - t.ghosts.begin());
}

void close_quarantine(Step& s, Index holding, Decimal found) {
  Tables& t = s.t;
  Holding& h = t.holdings[holding];
  const Index at = h.quarantine;
  const AccountSlot slot = t.links[h.link].slot;
  t.quarantines[at].expected = h.quantity;
  h.missing = h.quantity - found;
  const Index instrument = t.find_instrument(t.accounts[slot].account.venue, h.symbol);
  emit_quarantine(s, holding, instrument == none ? none : t.instruments[instrument].base, slot,
                  false);
  write_down(t, holding, h.missing);
  h.missing = Decimal{};
  t.free_quarantine_at(at);
}

}  // namespace

bool sweep_matters(const Tables& t, const Sweep& sweep) {
  const AccountSlot slot = t.find_account(sweep.account);
  if (slot == none) return false;
  for (Index at = t.accounts[slot].first_order; at != none; at = t.orders[at].next_in_account)
    if (is_unlisted(t.orders[at], sweep)) return true;
  for (const Ghost& ghost : t.ghosts)
    if (ghost.slot == slot) return true;
  for (Index link = t.accounts[slot].first_link; link != none; link = t.links[link].next_in_account)
    for (Index at = t.links[link].first_holding; at != none; at = t.holdings[at].next) {
      const Holding& h = t.holdings[at];
      const Index instrument = t.find_instrument(t.accounts[slot].account.venue, h.symbol);
      if (!h.quantity.is_positive() || instrument == none) continue;
      const Index balance = t.find_balance(slot, t.instruments[instrument].base);
      if (balance == none) continue;
      const BalanceEntry& b = t.balances[balance];
      if (b.short_ns != 0 || h.missing.is_positive() ||
          held_by_links(t, slot, b.asset).quantity > b.free + b.locked)
        return true;
    }
  return false;
}

void on_sweep(Step& s, const Sweep& sweep) {
  Tables& t = s.t;
  const AccountSlot slot = t.find_account(sweep.account);
  if (slot == none) {
    ++t.ignored_events;
    return;
  }
  for (Index at = t.accounts[slot].first_order; at != none; at = t.orders[at].next_in_account)
    if (is_unlisted(t.orders[at], sweep)) query_order(s, at);
  std::erase_if(t.ghosts, [&](const Ghost& g) { return g.slot == slot && g.sweep != sweep.id; });
  for (Index at = t.accounts[slot].first_balance; at != none; at = t.balances[at].next)
    compare(s, slot, at, sweep.started_ns);
}

bool ghost_matters(const Tables& t, const OrderUpdate& u) {
  if (u.kind == OrderUpdateKind::accepted) return u.sweep != 0 && t.find_account(u.account) != none;
  const bool told = u.kind == OrderUpdateKind::execution || u.kind == OrderUpdateKind::done;
  return told && ghost_of(t, u.key) != none;
}

void on_ghost(Step& s, const OrderUpdate& u) {
  Tables& t = s.t;
  const AccountSlot slot = t.find_account(u.account);
  const Index known = ghost_of(t, u.key);
  if (!ghost_matters(t, u) || slot == none) {
    ++t.ignored_events;
    return;
  }
  // Whose position it would be nobody knows: it is no link's.
  if (u.kind == OrderUpdateKind::execution) return emit_external_fill(s, u);
  if (u.kind == OrderUpdateKind::done) {
    t.ghosts.erase(t.ghosts.begin() + known);
    return;
  }
  if (known != none) {
    t.ghosts[known].sweep = u.sweep;
  } else if (t.ghosts.size() < limits::ghosts_max) {
    t.ghosts.push_back({.key = u.key, .symbol = u.symbol, .slot = slot, .sweep = u.sweep});
  }
  emit_cancel(s, slot, u.key, u.symbol);
}

void compare_balance(Step& s, const Balance& balance) {
  const AccountSlot slot = s.t.find_account(balance.account);
  if (slot == none || s.t.accounts[slot].first_link == none) return;
  const Index at = s.t.find_balance(slot, s.t.asset_of(balance.asset));
  // Not before the account was read back: until then its fills may not all be here.
  if (at != none && s.t.accounts[slot].reconciled) compare(s, slot, at, 0);
}

void ask_about_shortfalls(Step& s) {
  Tables& t = s.t;
  if (s.now_ns < t.shortfalls_due_ns) return;
  AccountSlot asked = no_slot;
  for (const ShortBalance& one : t.short_balances) {
    BalanceEntry& b = t.balances[one.balance];
    if (s.now_ns < std::max(b.short_ns, b.asked_ns) + t.settings.divergence_age_ns_max) continue;
    b.asked_ns = s.now_ns;
    if (one.slot != asked) emit_read_account(s, one.slot);
    asked = one.slot;
  }
  derive_shortfalls_due(t);
}

void derive_shortfalls_due(Tables& t) {
  t.shortfalls_due_ns = never;
  for (const ShortBalance& one : t.short_balances) {
    const BalanceEntry& b = t.balances[one.balance];
    t.shortfalls_due_ns = std::min(
        t.shortfalls_due_ns, std::max(b.short_ns, b.asked_ns) + t.settings.divergence_age_ns_max);
  }
}

bool quarantine_release_matters(const Tables& t, const QuarantineRelease& release) {
  const Index link = t.find_link(release.link);
  const Index symbol = t.find_symbol(release.symbol);
  const Index holding = link == none || symbol == none ? none : t.find_holding(link, symbol);
  if (holding == none) return false;
  const Index at = t.holdings[holding].quarantine;
  return at != none && t.quarantines[at].at_ns == release.quarantined_ns;
}

void on_quarantine_release(Step& s, const QuarantineRelease& release) {
  if (!quarantine_release_matters(s.t, release)) {
    ++s.t.ignored_events;
    return;
  }
  const Index link = s.t.find_link(release.link);
  const Index holding = s.t.find_holding(link, s.t.find_symbol(release.symbol));
  const Holding& h = s.t.holdings[holding];
  close_quarantine(s, holding, there(h));
  drop_link_if_done(s.t, link);
}

void lift_quarantine(Step& s, Index holding) {
  if (s.t.holdings[holding].quarantine == none) return;
  close_quarantine(s, holding, Decimal{});
}

bool is_quarantined(const Tables& t, Index link, Index symbol) {
  if (t.quarantines.empty() || symbol == none) return false;
  const Index holding = t.find_holding(link, symbol);
  return holding != none && t.holdings[holding].quarantine != none;
}

std::size_t quarantined_links(const Tables& t) {
  std::size_t count = 0;
  for (const Link& l : t.links) count += l.in_use && l.status == LinkStatus::quarantined;
  for (const Quarantine& q : t.quarantines) {
    if (q.holding == none) continue;
    // Once for each link, by the first of its holdings that is set aside.
    const Link& l = t.links[t.holdings[q.holding].link];
    Index first = l.first_holding;
    while (t.holdings[first].quarantine == none) first = t.holdings[first].next;
    count += first == q.holding && l.status != LinkStatus::quarantined;
  }
  return count;
}

}  // namespace oneclick::core
