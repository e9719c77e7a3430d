#include "engine/core/holdings.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/core/margin.hpp"
#include "engine/core/profit.hpp"
#include "engine/core/sizing.hpp"

namespace oneclick::core {

namespace {

Decimal base_fee_of(const Tables& t, const Order& o, const OrderUpdate& update) {
  if (!update.fee.is_positive()) return Decimal{};
  return update.fee_asset == t.instruments[o.instrument].instrument.base ? update.fee : Decimal{};
}

void reduce_signals(Tables& t, Index holding, Index own, Decimal sold) {
  const auto take = [&](Index at) {
    SignalPosition& p = t.signals[at];
    const Decimal part = min(p.quantity, sold);
    p.quantity -= part;
    sold -= part;
  };
  const Holding& h = t.holdings[holding];
  if (own != none) take(own);
  for (Index at = h.first_signal; at != none && sold.is_positive(); at = t.signals[at].next)
    take(at);
  for (Index at = h.first_signal; at != none;) {
    const Index next = t.signals[at].next;
    if (!t.signals[at].quantity.is_positive() || !h.quantity.is_positive()) t.free_signal_at(at);
    at = next;
  }
}

// Sold quantity leaves the signals that opened it: the one being closed, else the oldest first.
void reduce_signals(Tables& t, const Order& o, Decimal sold) {
  Index own = o.closes_signal ? t.find_signal(o.link, o.signal) : none;
  if (own != none && t.signals[own].holding != o.holding) own = none;
  reduce_signals(t, o.holding, own, sold);
}

Decimal quote_fee_of(const Tables& t, const Order& o, const OrderUpdate& update) {
  return update.fee_asset == t.instruments[o.instrument].instrument.quote ? update.fee : Decimal{};
}

// What was paid for the part that leaves, of shorts what it brought, leaves with it.
Decimal take_cost(Holding& h, Decimal part) {
  const Decimal cost =
      part < h.quantity ? mul_div(h.cost, part, h.quantity, Round::nearest) : h.cost;
  h.cost -= cost;
  return cost;
}

// `money` is the fill's, fees in quote taken into account.
void book_closing(Tables& t, const Order& o, const OrderUpdate& update, Decimal part,
                  Decimal money) {
  Holding& h = t.holdings[o.holding];
  const Decimal cost = take_cost(h, part);
  note_realised(t, o, update, h.is_short ? cost - money : money - cost);
  h.quantity = max(Decimal{}, h.quantity - part);
  h.exit_residual_e12 = std::min(h.exit_residual_e12, to_fine(sellable(h)));
  reduce_signals(t, o, part);
}

void book_opening(Tables& t, const Order& o, Decimal part, Decimal money) {
  Holding& h = t.holdings[o.holding];
  if (h.quantity.is_zero() && h.is_short != is_of_short(o)) {
    h.is_short = is_of_short(o);
    h.exit_residual_e12 = 0;
    h.cost = Decimal{};
  }
  h.quantity += part;
  h.cost += money;
  // The share that the leader has closed meanwhile is owed.
  if (o.keep < keep_all)
    h.exit_residual_e12 +=
        mul_div(Decimal::from_e8(to_fine(part)), keep_all - o.keep, keep_all, Round::down).e8();
  if (!o.signal.is_nil() && part.is_positive())
    t.signals[t.signal_of(o.holding, o.signal)].quantity += part;
}

// A fill moves the position towards long or short: what is held the other way is closed first. Less
// than a lot can be, and an entry that fills after its leader turned.
void book_entry(Tables& t, const Order& o, const OrderUpdate& update, Decimal moved,
                Decimal money) {
  Holding& h = t.holdings[o.holding];
  if (o.life != Life::ended) h.entries_in_flight -= update.last_quantity;
  if (h.is_short == is_of_short(o) || h.quantity.is_zero()) return book_opening(t, o, moved, money);
  const Decimal closed = min(moved, h.quantity);
  const Decimal part = closed < moved ? mul_div(money, closed, moved, Round::nearest) : money;
  book_closing(t, o, update, closed, part);
  if (closed < moved) book_opening(t, o, moved - closed, money - part);
}

// Never through zero: what a fill says beyond what is held was not the link's.
void book_exit(Tables& t, const Order& o, const OrderUpdate& update, Decimal moved, Decimal money) {
  Holding& h = t.holdings[o.holding];
  if (o.life != Life::ended && !o.protects) h.exits_in_flight -= update.last_quantity;
  if (h.is_short == is_of_short(o)) return book_closing(t, o, update, moved, money);
  book_opening(t, o, moved, money);
}

void add_usd(Order& o, const OrderUpdate& update) {
  const Decimal quote = mul(update.last_quantity, update.last_price, Round::nearest);
  if (update.quote_usd.is_positive()) {
    o.value_usd += mul(quote, update.quote_usd, Round::nearest);
  } else {
    o.lacks_value_usd = true;
  }
  if (update.fee.is_zero()) return;
  if (update.fee_usd.is_positive()) {
    o.fees_usd += mul(update.fee, update.fee_usd, Round::nearest);
  } else {
    o.lacks_fees_usd = true;
  }
}

// What the fill moved is compared with balances of its time or later.
void note_moved(Tables& t, const Order& o, const OrderUpdate& update) {
  const InstrumentEntry& i = t.instruments[o.instrument];
  for (Index at = t.accounts[o.slot].first_balance; at != none; at = t.balances[at].next) {
    BalanceEntry& b = t.balances[at];
    const bool is_fee = update.fee.is_positive() && t.assets[b.asset] == update.fee_asset;
    const bool is_pair = b.asset == i.base || b.asset == i.quote;
    if (is_fee || is_pair) b.filled_ns = std::max(b.filled_ns, update.venue_time_ns);
    if (is_fee && !is_pair) b.fees_elsewhere += update.fee;
  }
}

// A purchase that rests at a venue that locks its cost.
bool locks(const Tables& t, const Order& o, Index asset) {
  const InstrumentEntry& i = t.instruments[o.instrument];
  return !o.is_exit && o.type == OrderType::limit_gtc && o.side == Side::buy &&
         (o.life == Life::working || o.life == Life::settling) && i.quote == asset &&
         i.instrument.kind == InstrumentKind::spot;
}

Decimal lock_of(const Order& o) {
  return mul(o.price, o.quantity - o.filled_quantity, Round::down);
}

i128 locks_of_account(const Tables& t, Index slot, Index asset) {
  i128 sum = 0;
  for (Index i = t.accounts[slot].first_order; i != none; i = t.orders[i].next_in_account)
    if (locks(t, t.orders[i], asset)) sum += to_fine(lock_of(t.orders[i]));
  return sum;
}

// It ends, and had been locked: free again, unless the venue has said so already.
void unlock(const Tables& t, BalanceEntry& b, const Order& o) {
  if (!locks(t, o, b.asset)) return;
  if (to_fine(b.locked) < locks_of_account(t, o.slot, b.asset)) return;
  b.free += lock_of(o);
  b.locked -= lock_of(o);
}

}  // namespace

Decimal book_fill(Tables& t, Order& o, const OrderUpdate& update) {
  const Decimal base_fee = base_fee_of(t, o, update);
  o.filled_quantity += update.last_quantity;
  o.filled_quote += mul(update.last_quantity, update.last_price, Round::nearest);
  o.executed_ns = std::max(o.executed_ns, update.venue_time_ns);
  add_usd(o, update);
  const bool bought = o.side == Side::buy;
  const Decimal notional = mul(update.last_quantity, update.last_price, Round::nearest);
  const Decimal quote_fee = quote_fee_of(t, o, update);
  const Decimal moved = bought ? update.last_quantity - base_fee : update.last_quantity + base_fee;
  const Decimal money = bought ? notional + quote_fee : notional - quote_fee;
  if (o.is_exit) {
    book_exit(t, o, update, moved, money);
  } else {
    book_entry(t, o, update, moved, money);
  }
  note_fee_elsewhere(t, o, update);
  note_moved(t, o, update);
  return base_fee;
}

void write_down(Tables& t, Index holding, Decimal amount) {
  if (!amount.is_positive()) return;
  Holding& h = t.holdings[holding];
  take_cost(h, amount);
  h.quantity = max(Decimal{}, h.quantity - amount);
  h.exit_residual_e12 = std::min(h.exit_residual_e12, to_fine(sellable(h)));
  reduce_signals(t, holding, none, amount);
}

void release_reservation(Tables& t, Order& o) {
  if (o.is_exit) return;
  const Index at = t.find_balance(o.slot, t.instruments[o.instrument].quote);
  if (at == none) return;
  BalanceEntry& b = t.balances[at];
  if (o.reserved_e12 == 0) return unlock(t, b, o);
  b.reserved_e12 -= o.reserved_e12;
  const i128 reserved = std::exchange(o.reserved_e12, 0);
  if (!o.filled_quantity.is_positive() || b.venue_time_ns >= o.executed_ns) return;
  // Of margin the part that filled, as it was reserved.
  b.spent_e12 +=
      t.instruments[o.instrument].instrument.kind == InstrumentKind::spot
          ? cost_fine(o.filled_quote, cost_in_full(t.settings.taker_fee_bps))
          : mul_div(Decimal::from_e8(reserved), o.filled_quantity, o.quantity, Round::up).e8();
  b.spent_until_ns = std::max(b.spent_until_ns, o.executed_ns);
}

i128 available_fine(const Tables& t, AccountSlot slot, Index asset) {
  const Index at = t.find_balance(slot, asset);
  if (at == none) return 0;
  const BalanceEntry& b = t.balances[at];
  return to_fine(b.free) - b.reserved_e12 - b.spent_e12;
}

void on_balance(Tables& t, const Balance& balance, std::int64_t now_ns) {
  const Index slot = t.find_account(balance.account);
  if (slot == none) return;
  t.accounts[slot].balances_ns = now_ns;
  BalanceEntry& b = t.balances[t.balance_of(slot, t.asset_of(balance.asset))];
  if (balance.venue_time_ns < b.venue_time_ns) return;
  b.free = balance.free;
  b.locked = balance.locked;
  b.venue_time_ns = balance.venue_time_ns;
  if (b.venue_time_ns >= b.spent_until_ns) b.spent_e12 = 0;
  if (b.reserved_e12 == 0 || to_fine(b.locked) < locks_of_account(t, slot, b.asset)) return;
  // What the venue has locked is not in what is free: it is not taken off once more.
  for (Index i = t.accounts[slot].first_order; i != none; i = t.orders[i].next_in_account)
    if (locks(t, t.orders[i], b.asset))
      b.reserved_e12 -= std::exchange(t.orders[i].reserved_e12, 0);
}

bool balance_matters(const Tables& t, const Balance& balance) {
  const Index slot = t.find_account(balance.account);
  if (slot == none) return false;
  const auto asset = std::ranges::find(t.assets, balance.asset);
  if (asset == t.assets.end()) return true;
  const Index at = t.find_balance(slot, static_cast<Index>(asset - t.assets.begin()));
  if (at == none) return true;
  const BalanceEntry& b = t.balances[at];
  if (balance.venue_time_ns < b.venue_time_ns) return false;
  return balance.venue_time_ns > b.venue_time_ns || balance.free != b.free ||
         balance.locked != b.locked;
}

void drop_terms(Tables& t, Link& link) {
  if (link.terms == none) return;
  t.terms[link.terms] = RareTerms{};
  t.terms[link.terms].link = none;
  t.terms[link.terms].next_free = t.free_terms;
  t.free_terms = link.terms;
  link.terms = none;
}

void drop_link_if_done(Tables& t, Index link) {
  Link& l = t.links[link];
  if (!l.in_use || !l.removed || l.open_orders != 0) return;
  for (Index h = l.first_holding; h != none; h = t.holdings[h].next)
    if (t.holdings[h].quantity.is_positive()) return;
  while (l.first_holding != none) t.free_holding_at(l.first_holding);
  t.link_index.erase(hash_of(l.id), link);
  t.unlist_link(link);
  if (l.filter != none) {
    t.filters[l.filter].next_free = t.free_filter;
    t.free_filter = l.filter;
  }
  drop_terms(t, l);
  std::memset(static_cast<void*>(&l), 0, sizeof l);
  l.slot = l.place = l.source = l.first_holding = l.filter = l.terms = l.next_in_account =
      l.first_protection = none;
  t.free_links.push_back(link);
}

}  // namespace oneclick::core
