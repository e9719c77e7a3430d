#include "engine/core/price_rules.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t bps = 10'000;

bool asks_for_better(const Link& link, LeaderEventKind kind) {
  return link.only_if_better ||
         (kind == LeaderEventKind::sync && link.sync_on_subscribe == SyncOnSubscribe::if_better);
}

// Prices of another quote say nothing about this one.
bool same_quote(const Tables& t, const LeaderEvent& event, Index instrument) {
  const auto parts = split_symbol(event.symbol.view());
  return parts && parts->quote == t.instruments[instrument].instrument.quote.view();
}

Reason refuse_worse(const Tables& t, const LeaderEvent& event, const PricedEntry& entry) {
  if (!event.price.is_positive() || !same_quote(t, event, entry.instrument))
    return Reason::no_price;
  const bool worse =
      entry.side == Side::buy ? entry.touch > event.price : entry.touch < event.price;
  return worse ? Reason::price_worse : Reason::none;
}

Reason refuse_far(const Tables& t, std::int32_t collar_bps, const PricedEntry& entry) {
  const Reference& reference = t.instruments[entry.instrument].reference;
  if (!reference.price.is_positive() ||
      entry.now_ns - reference.time_ns > t.settings.equity_age_ns_max)
    return Reason::no_reference;
  const Decimal off =
      entry.price > reference.price ? entry.price - reference.price : reference.price - entry.price;
  return off.e8() * bps > reference.price.e8() * collar_bps ? Reason::price_collar : Reason::none;
}

bool rests(const Order& o) {
  if (o.life == Life::free || o.life == Life::ended) return false;
  switch (o.type) {
    case OrderType::limit_gtc:
    case OrderType::take_profit:
      return true;
    case OrderType::limit_ioc:
    case OrderType::market:
    case OrderType::stop_loss:
      return false;
  }
  return false;
}

bool meets_own_order(const Tables& t, const PricedEntry& entry) {
  for (Index at = t.accounts[t.links[entry.link].slot].first_order; at != none;
       at = t.orders[at].next_in_account) {
    const Order& o = t.orders[at];
    if (o.link == entry.link || o.instrument != entry.instrument || o.side == entry.side ||
        !rests(o))
      continue;
    if (entry.side == Side::buy ? o.price <= entry.price : o.price >= entry.price) return true;
  }
  return false;
}

}  // namespace

Reason refuse_price(const Tables& t, const LeaderEvent& event, const PricedEntry& entry) {
  const Link& link = t.links[entry.link];
  if (asks_for_better(link, event.kind))
    if (const Reason refused = refuse_worse(t, event, entry); refused != Reason::none)
      return refused;
  if (link.price_collar_bps_max > 0)
    if (const Reason refused = refuse_far(t, link.price_collar_bps_max, entry);
        refused != Reason::none)
      return refused;
  return meets_own_order(t, entry) ? Reason::self_trade : Reason::none;
}

}  // namespace oneclick::core
