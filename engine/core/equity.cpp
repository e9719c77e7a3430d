#include "engine/core/equity.hpp"

#include <algorithm>

namespace oneclick::core {

namespace {

bool is_fresh(const Tables& t, const Touch& touch, std::int64_t now_ns) {
  return touch.bid.is_positive() && touch.ask.is_positive() &&
         now_ns - touch.time_ns <= t.settings.equity_age_ns_max;
}

// The leader's account whose fills are followed: the event's own, else the only authoritative one.
Index feed_account_of(const Tables& t, const LeaderEvent& e, Venue venue) {
  if (!e.feed_account.is_nil()) return t.find_account(e.feed_account);
  Index found = none;
  for (const LeaderFeed& feed : t.feeds) {
    if (feed.leader != e.leader || feed.venue != venue || !feed.authoritative) continue;
    if (found != none) return none;
    found = t.find_account(feed.account);
  }
  return found;
}

}  // namespace

void on_price(Tables& t, const Price& price) {
  const Index symbol = t.find_symbol(price.symbol);
  const Index at = symbol == none ? none : t.find_instrument(price.venue, symbol);
  if (at == none) return;
  t.instruments[at].price = price.touch;
  t.instruments[at].quote_usd = price.quote_usd;
  if (price.reference.time_ns > t.instruments[at].reference.time_ns)
    t.instruments[at].reference = price.reference;
}

bool price_matters(const Tables& t, const Price& price) {
  const Index symbol = t.find_symbol(price.symbol);
  const Index at = symbol == none ? none : t.find_instrument(price.venue, symbol);
  return at != none && (price.touch.time_ns > t.instruments[at].price.time_ns ||
                        price.reference.time_ns > t.instruments[at].reference.time_ns);
}

std::optional<Decimal> follower_equity(const Tables& t, AccountSlot slot, Venue venue, Index quote,
                                       std::int64_t now_ns) {
  if (t.accounts[slot].first_balance == none) return std::nullopt;
  Decimal sum{};
  for (Index at = t.accounts[slot].first_balance; at != none; at = t.balances[at].next) {
    const BalanceEntry& b = t.balances[at];
    const Decimal held = b.free + b.locked;
    if (!held.is_positive()) continue;
    if (b.asset == quote) {
      sum += held;
    } else if (const Index pair = t.find_pair(venue, b.asset, quote);
               pair != none && is_fresh(t, t.instruments[pair].price, now_ns)) {
      sum += mul(held, t.instruments[pair].price.bid, Round::down);
    }
  }
  return sum;
}

std::optional<Decimal> leader_equity(const Tables& t, const LeaderEvent& event, Venue venue,
                                     Index quote, std::int64_t now_ns) {
  const Index slot = feed_account_of(t, event, venue);
  if (slot == none || t.accounts[slot].first_balance == none) return std::nullopt;
  if (now_ns - t.accounts[slot].balances_ns > t.settings.equity_age_ns_max) return std::nullopt;
  Decimal sum{};
  for (Index at = t.accounts[slot].first_balance; at != none; at = t.balances[at].next) {
    const BalanceEntry& b = t.balances[at];
    const Decimal held = b.free + b.locked;
    if (!held.is_positive()) continue;
    if (b.asset == quote) {
      sum += held;
      continue;
    }
    const Index pair = t.find_pair(venue, b.asset, quote);
    if (pair == none) continue;
    if (!is_fresh(t, t.instruments[pair].price, now_ns)) return std::nullopt;
    sum += mul(held, t.instruments[pair].price.ask, Round::up);
  }
  if (!sum.is_positive()) return std::nullopt;
  return sum;
}

}  // namespace oneclick::core
