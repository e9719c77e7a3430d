#include "engine/core/tables.hpp"

#include <algorithm>
#include <cstring>

#include "engine/base/check.hpp"
#include "engine/base/limits.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t dedupe_ns = 24LL * 3600 * 1'000'000'000;

template <typename Name>
std::uint64_t hash_name(const Name& name) {
  return hash_of_text(name.data, sizeof name.data);
}

std::uint64_t source_hash(const Uuid& id, bool is_channel) {
  return hash_of(id) ^ (is_channel ? 0x9e3779b97f4a7c15ULL : 0);
}
std::uint64_t instrument_hash(Venue venue, Index symbol) {
  return pair_key(static_cast<std::uint64_t>(venue) + 1, symbol);
}
std::uint64_t signal_hash(Index link, SignalId signal) {
  return mix(hash_of(signal) ^ link);
}

bool later(const Deadline& a, const Deadline& b) {
  return a.time_ns != b.time_ns ? a.time_ns > b.time_ns : a.order > b.order;
}

template <typename Entry>
void zero(Entry& entry) {
  std::memset(static_cast<void*>(&entry), 0, sizeof entry);
}

}  // namespace

std::uint64_t hash_of_text(const char* data, std::size_t size) {
  std::uint64_t hash = size;
  for (std::size_t i = 0; i < size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, std::min<std::size_t>(8, size - i));
    hash = mix(hash ^ word);
  }
  return hash;
}

Tables::Tables() {
  zero(record);
  zero(intent);
  zero(settings);
  seen.resize(1024);
  seen_index.reserve(2048);
}

Index Tables::find_symbol(const Symbol& symbol) const {
  return symbol_index.find(hash_name(symbol), [&](Index i) { return symbols[i] == symbol; });
}
Index Tables::find_instrument(Venue venue, Index symbol) const {
  return instrument_index.find(instrument_hash(venue, symbol), [&](Index i) {
    return instruments[i].symbol == symbol && instruments[i].instrument.venue == venue;
  });
}
Index Tables::find_pair(Venue venue, Index base, Index quote) const {
  return pair_index.find(pair_hash(venue, base, quote), [&](Index i) {
    const InstrumentEntry& e = instruments[i];
    return e.base == base && e.quote == quote && e.instrument.venue == venue;
  });
}
Index Tables::find_source(const Uuid& id, bool is_channel) const {
  return source_index.find(source_hash(id, is_channel), [&](Index i) {
    return sources[i].id == id && sources[i].is_channel == is_channel;
  });
}
Index Tables::find_leader_position(Index source, Index symbol) const {
  return leader_position_index.find(pair_key(source, symbol), [&](Index i) {
    return leader_positions[i].source == source && leader_positions[i].symbol == symbol;
  });
}
Index Tables::find_link(LinkId id) const {
  return link_index.find(hash_of(id), [&](Index i) { return links[i].id == id; });
}
Index Tables::find_account(AccountId id) const {
  return account_index.find(hash_of(id), [&](Index i) { return accounts[i].account.id == id; });
}
Index Tables::find_balance(AccountSlot slot, Index asset) const {
  Index b = accounts[slot].first_balance;
  while (b != none && balances[b].asset != asset) b = balances[b].next;
  return b;
}
Index Tables::find_holding(Index link, Index symbol) const {
  return holding_index.find(pair_key(link, symbol), [&](Index i) {
    return holdings[i].link == link && holdings[i].symbol == symbol;
  });
}
Index Tables::find_signal(Index link, SignalId signal) const {
  return signal_index.find(signal_hash(link, signal), [&](Index i) {
    return signals[i].link == link && signals[i].signal == signal;
  });
}
Index Tables::find_flip(Index holding) const {
  if (!holdings[holding].has_flip) return none;
  return flip_index.find(mix(holding), [&](Index i) { return flips[i].holding == holding; });
}
Index Tables::find_order(OrderKey key) const {
  return order_index.find(hash_of(key), [&](Index i) { return orders[i].key == key; });
}
Index Tables::find_feed(AccountId id) const {
  return feed_index.find(hash_of(id), [&](Index i) { return feeds[i].account == id; });
}
Index Tables::find_seen(EventId id) const {
  return seen_index.find(hash_of(id), [&](Index i) { return seen[i].id == id; });
}
Index Tables::find_published(SignalId signal) const {
  return published_index.find(hash_of(signal),
                              [&](Index i) { return published[i].signal == signal; });
}
Index Tables::find_kill_switch(const KillSwitch& like) const {
  for (Index i = 0; i < kill_switches.size(); ++i) {
    const KillSwitch& k = kill_switches[i];
    if (k.venue == like.venue && k.leader == like.leader && k.follower == like.follower &&
        k.symbol == like.symbol)
      return i;
  }
  return none;
}

Index Tables::symbol_of(const Symbol& symbol) {
  if (const Index found = find_symbol(symbol); found != none) return found;
  symbols.push_back(symbol);
  const auto added = static_cast<Index>(symbols.size() - 1);
  symbol_index.insert(hash_name(symbol), added);
  return added;
}

// A venue has hundreds of assets and they are asked for when instruments and balances arrive only.
Index Tables::asset_of(const Asset& asset) {
  const auto found = std::ranges::find(assets, asset);
  if (found != assets.end()) return static_cast<Index>(found - assets.begin());
  assets.push_back(asset);
  return static_cast<Index>(assets.size() - 1);
}

Index Tables::source_of(const Uuid& id, bool is_channel) {
  if (const Index found = find_source(id, is_channel); found != none) return found;
  sources.push_back({.id = id,
                     .is_channel = is_channel,
                     .scope = none,
                     .first_published = none,
                     .chain_links = 0,
                     .links = {}});
  const auto added = static_cast<Index>(sources.size() - 1);
  source_index.insert(source_hash(id, is_channel), added);
  return added;
}

Index Tables::leader_position_of(Index source, Index symbol) {
  if (const Index found = find_leader_position(source, symbol); found != none) return found;
  leader_positions.push_back({.quantity = Decimal{},
                              .cost = Decimal{},
                              .chained_quantity = Decimal{},
                              .chained_cost = Decimal{},
                              .source = source,
                              .symbol = symbol,
                              .orders_seen = 0,
                              .orders = {}});
  const auto added = static_cast<Index>(leader_positions.size() - 1);
  leader_position_index.insert(pair_key(source, symbol), added);
  return added;
}

Index Tables::account_of(AccountId id) {
  if (const Index found = find_account(id); found != none) return found;
  if (accounts.size() >= limits::accounts_max) return none;
  AccountEntry& entry = accounts.emplace_back();
  zero(entry);
  entry.account.id = id;
  entry.first_balance = none;
  entry.first_order = none;
  entry.first_link = none;
  entry.scope = none;
  const auto added = static_cast<Index>(accounts.size() - 1);
  account_index.insert(hash_of(id), added);
  return added;
}

Index Tables::balance_of(AccountSlot slot, Index asset) {
  if (const Index found = find_balance(slot, asset); found != none) return found;
  BalanceEntry& entry = balances.emplace_back();
  zero(entry);
  entry.asset = asset;
  entry.next = accounts[slot].first_balance;
  entry.venue_time_ns = std::numeric_limits<std::int64_t>::min();
  entry.spent_until_ns = std::numeric_limits<std::int64_t>::min();
  accounts[slot].first_balance = static_cast<Index>(balances.size() - 1);
  return accounts[slot].first_balance;
}

Index Tables::holding_of(Index link, Index symbol) {
  if (const Index found = find_holding(link, symbol); found != none) return found;
  Index at;
  if (!free_holdings.empty()) {
    at = free_holdings.back();
    free_holdings.pop_back();
  } else {
    holdings.emplace_back();
    at = static_cast<Index>(holdings.size() - 1);
  }
  Holding& h = holdings[at];
  zero(h);
  h.link = link;
  h.symbol = symbol;
  h.first_order = none;
  h.first_signal = none;
  h.quarantine = none;
  h.next = links[link].first_holding;
  links[link].first_holding = at;
  holding_index.insert(pair_key(link, symbol), at);
  return at;
}

Index Tables::signal_of(Index holding, SignalId signal) {
  const Index link = holdings[holding].link;
  if (const Index found = find_signal(link, signal); found != none) return found;
  Index at = free_signal;
  if (at != none) {
    free_signal = signals[at].next;
  } else {
    signals.emplace_back();
    at = static_cast<Index>(signals.size() - 1);
  }
  signals[at] = {.signal = signal,
                 .quantity = Decimal{},
                 .holding = holding,
                 .link = link,
                 .next = none,
                 .in_use = 1};
  Index* tail = &holdings[holding].first_signal;
  while (*tail != none) tail = &signals[*tail].next;
  *tail = at;
  signal_index.insert(signal_hash(link, signal), at);
  return at;
}

void Tables::free_signal_at(Index signal) {
  SignalPosition& s = signals[signal];
  signal_index.erase(signal_hash(s.link, s.signal), signal);
  Index* at = &holdings[s.holding].first_signal;
  while (*at != signal) at = &signals[*at].next;
  *at = s.next;
  zero(s);
  s.next = free_signal;
  free_signal = signal;
}

Index Tables::new_flip(Index holding) {
  Index at = free_flip;
  if (at != none) {
    free_flip = flips[at].next_free;
  } else {
    flips.emplace_back();
    at = static_cast<Index>(flips.size() - 1);
  }
  Flip& f = flips[at];
  zero(f);
  f.holding = holding;
  f.next_free = none;
  f.in_use = true;
  holdings[holding].has_flip = true;
  flip_index.insert(mix(holding), at);
  return at;
}

void Tables::free_flip_at(Index flip) {
  Flip& f = flips[flip];
  holdings[f.holding].has_flip = false;
  flip_index.erase(mix(f.holding), flip);
  zero(f);
  f.next_free = free_flip;
  free_flip = flip;
}

void Tables::free_quarantine_at(Index quarantine) {
  Quarantine& q = quarantines[quarantine];
  holdings[q.holding].quarantine = none;
  zero(q);
  q.holding = none;
  q.next_free = free_quarantine;
  free_quarantine = quarantine;
}

Index Tables::find_leader_resting(std::uint64_t order) const {
  return leader_resting_index.find(mix(order),
                                   [&](Index i) { return leader_resting[i].order == order; });
}

Index Tables::new_leader_resting(std::uint64_t order) {
  Index at = free_leader_resting;
  if (at != none) {
    free_leader_resting = leader_resting[at].next_free;
  } else {
    leader_resting.emplace_back();
    at = static_cast<Index>(leader_resting.size() - 1);
  }
  zero(leader_resting[at]);
  leader_resting[at].order = order;
  leader_resting[at].in_use = 1;
  leader_resting[at].next_free = none;
  leader_resting_index.insert(mix(order), at);
  return at;
}

void Tables::free_leader_resting_at(Index resting) {
  leader_resting_index.erase(mix(leader_resting[resting].order), resting);
  zero(leader_resting[resting]);
  leader_resting[resting].next_free = free_leader_resting;
  free_leader_resting = resting;
}

Index Tables::find_mirror(Index link, std::uint64_t order) const {
  return mirror_index.find(pair_key(order, link), [&](Index i) {
    return mirrors[i].link == link && mirrors[i].order == order;
  });
}

Index Tables::new_mirror(Index link, std::uint64_t order) {
  Index at = free_mirror;
  if (at != none) {
    free_mirror = mirrors[at].next_free;
  } else {
    mirrors.emplace_back();
    at = static_cast<Index>(mirrors.size() - 1);
  }
  Mirror& m = mirrors[at];
  zero(m);
  m.link = link;
  m.order = order;
  m.in_use = true;
  m.current = m.next_free = none;
  mirror_index.insert(pair_key(order, link), at);
  return at;
}

void Tables::free_mirror_at(Index mirror) {
  Mirror& m = mirrors[mirror];
  mirror_index.erase(pair_key(m.order, m.link), mirror);
  zero(m);
  m.current = none;
  m.next_free = free_mirror;
  free_mirror = mirror;
}

Index Tables::new_protection(Index holding) {
  Index at = free_protection;
  if (at != none) {
    free_protection = protections[at].next;
  } else {
    protections.emplace_back();
    at = static_cast<Index>(protections.size() - 1);
  }
  Protection& p = protections[at];
  zero(p);
  p.in_use = true;
  p.link = holdings[holding].link;
  p.holding = holding;
  p.next = p.target_order = p.stop_order = none;
  Index* tail = &links[holdings[holding].link].first_protection;
  while (*tail != none) tail = &protections[*tail].next;
  *tail = at;
  return at;
}

void Tables::free_protection_at(Index protection) {
  Protection& p = protections[protection];
  Index* at = &links[p.link].first_protection;
  while (*at != protection) at = &protections[*at].next;
  *at = p.next;
  zero(p);
  p.next = free_protection;
  free_protection = protection;
}

void Tables::free_holding_at(Index holding) {
  if (const Index flip = find_flip(holding); flip != none) free_flip_at(flip);
  if (holdings[holding].quarantine != none) free_quarantine_at(holdings[holding].quarantine);
  for (Index p = links[holdings[holding].link].first_protection; p != none;) {
    const Index next = protections[p].next;
    if (protections[p].holding == holding) free_protection_at(p);
    p = next;
  }
  while (holdings[holding].first_signal != none) free_signal_at(holdings[holding].first_signal);
  Holding& h = holdings[holding];
  holding_index.erase(pair_key(h.link, h.symbol), holding);
  Index* at = &links[h.link].first_holding;
  while (*at != holding) at = &holdings[*at].next;
  *at = h.next;
  zero(h);
  h.link = none;
  free_holdings.push_back(holding);
}

void Tables::list_link(Index link) {
  links[link].next_in_account = none;
  Index* at = &accounts[links[link].slot].first_link;
  while (*at != none) at = &links[*at].next_in_account;
  *at = link;
}

void Tables::unlist_link(Index link) {
  Link& l = links[link];
  if (l.slot == no_slot) return;
  Index* at = &accounts[l.slot].first_link;
  while (*at != link) at = &links[*at].next_in_account;
  *at = l.next_in_account;
  l.next_in_account = none;
}

Index Tables::new_order() {
  Index at = free_order;
  if (at != none) {
    free_order = orders[at].next;
    if (free_order != none) prefetch_lines(&orders[free_order], sizeof(Order));
  } else {
    orders.emplace_back();
    at = static_cast<Index>(orders.size() - 1);
  }
  Order& o = orders[at];
  zero(o);
  o.deadline_ns = never;
  o.first_trade = none;
  o.next_in_account = o.next_in_holding = o.next = none;
  o.sibling = o.protection = o.mirror = none;
  return at;
}

void Tables::list_order(Index order) {
  Order& o = orders[order];
  AccountEntry& a = accounts[o.slot];
  o.next_in_account = a.first_order;
  a.first_order = order;
  Holding& h = holdings[o.holding];
  o.next_in_holding = h.first_order;
  h.first_order = order;
  ++links[o.link].open_orders;
  ++orders_open;
  exits_in_alarm += is_in_alarm(o);
}

void Tables::unlist_order(Index order) {
  Order& o = orders[order];
  Index* at = &accounts[o.slot].first_order;
  while (*at != order) at = &orders[*at].next_in_account;
  *at = o.next_in_account;
  at = &holdings[o.holding].first_order;
  while (*at != order) at = &orders[*at].next_in_holding;
  *at = o.next_in_holding;
  o.next_in_account = o.next_in_holding = none;
  --orders_open;
  exits_in_alarm -= is_in_alarm(o);
}

bool Tables::is_in_alarm(const Order& o) const {
  if (!o.is_exit || (o.protects && o.seen)) return false;
  return settings.exit_alarm_attempts > 0 && o.tries >= settings.exit_alarm_attempts;
}

void Tables::count_orders() {
  orders_open = orders_unknown = exits_in_alarm = 0;
  for (Index i = 0; i < orders.size(); ++i) {
    const Order& o = orders[i];
    if (o.life == Life::free) continue;
    // Ended ones are listed until their outcome is told; then they are kept for late fills or gone.
    const bool kept = o.life == Life::ended && (o.next != none || last_ended == i);
    orders_open += !kept;
    orders_unknown += o.life == Life::unknown;
    exits_in_alarm += !kept && is_in_alarm(o);
  }
}

void Tables::index_order(Index order) {
  order_index.insert(hash_of(orders[order].key), order);
}

void Tables::keep_ended(Index order, std::int64_t now_ns) {
  orders[order].updated_ns = now_ns;
  orders[order].next = none;
  if (last_ended == none) {
    first_ended = order;
  } else {
    orders[last_ended].next = order;
  }
  last_ended = order;
}

void Tables::free_order_at(Index order) {
  Order& o = orders[order];
  if (o.keyed) order_index.erase(hash_of(o.key), order);
  --links[o.link].open_orders;
  while (o.first_trade != none) {
    const Index trade = o.first_trade;
    o.first_trade = trades[trade].next;
    zero(trades[trade]);
    trades[trade].next = free_trade;
    free_trade = trade;
  }
  zero(o);
  o.deadline_ns = never;
  o.next = free_order;
  free_order = order;
}

Index Tables::new_trade() {
  Index at = free_trade;
  if (at != none) {
    free_trade = trades[at].next;
    return at;
  }
  zero(trades.emplace_back());
  return static_cast<Index>(trades.size() - 1);
}

// The oldest leave after a day, or when the table is full.
void Tables::remember(const SeenEvent& event) {
  const auto drop_first = [&] {
    seen_index.erase(hash_of(seen[seen_first].id), static_cast<Index>(seen_first));
    seen_first = (seen_first + 1) % seen.size();
    --seen_count;
  };
  while (seen_count > 0 && event.time_ns - seen[seen_first].time_ns > dedupe_ns) drop_first();
  if (seen_count == seen.size() && seen.size() >= limits::event_dedupe_max) drop_first();
  if (seen_count == seen.size()) {
    std::vector<SeenEvent> larger(seen.size() * 2);
    for (std::size_t i = 0; i < seen_count; ++i) larger[i] = seen[(seen_first + i) % seen.size()];
    seen.swap(larger);
    seen_first = 0;
    seen_index.clear();
    seen_index.reserve(seen.size());
    for (std::size_t i = 0; i < seen_count; ++i)
      seen_index.insert(hash_of(seen[i].id), static_cast<Index>(i));
  }
  const std::size_t at = (seen_first + seen_count) % seen.size();
  seen[at] = event;
  ++seen_count;
  seen_index.insert(hash_of(event.id), static_cast<Index>(at));
}

void Tables::set_deadline(Index order, std::int64_t time_ns) {
  orders[order].deadline_ns = time_ns;
  if (time_ns == never) return;
  deadlines.push_back({time_ns, order});
  std::ranges::push_heap(deadlines, later);
}

void Tables::drop_void_deadlines() {
  while (!deadlines.empty() &&
         orders[deadlines.front().order].deadline_ns != deadlines.front().time_ns) {
    std::ranges::pop_heap(deadlines, later);
    deadlines.pop_back();
  }
}

Index Tables::pop_due(std::int64_t now_ns) {
  drop_void_deadlines();
  if (deadlines.empty() || deadlines.front().time_ns > now_ns) return none;
  const Index order = deadlines.front().order;
  std::ranges::pop_heap(deadlines, later);
  deadlines.pop_back();
  orders[order].deadline_ns = never;
  return order;
}

void Tables::rebuild_indices() {
  for (Index i = 0; i < symbols.size(); ++i) symbol_index.insert(hash_name(symbols[i]), i);
  for (Index i = 0; i < instruments.size(); ++i)
    instrument_index.insert(instrument_hash(instruments[i].instrument.venue, instruments[i].symbol),
                            i);
  for (Index i = 0; i < instruments.size(); ++i)
    pair_index.insert(
        pair_hash(instruments[i].instrument.venue, instruments[i].base, instruments[i].quote), i);
  for (Index i = 0; i < sources.size(); ++i)
    source_index.insert(source_hash(sources[i].id, sources[i].is_channel), i);
  for (Index i = 0; i < leader_positions.size(); ++i)
    leader_position_index.insert(pair_key(leader_positions[i].source, leader_positions[i].symbol),
                                 i);
  for (Index i = 0; i < links.size(); ++i)
    if (links[i].in_use) link_index.insert(hash_of(links[i].id), i);
  for (Index i = 0; i < accounts.size(); ++i)
    account_index.insert(hash_of(accounts[i].account.id), i);
  for (Index i = 0; i < holdings.size(); ++i)
    if (holdings[i].link != none)
      holding_index.insert(pair_key(holdings[i].link, holdings[i].symbol), i);
  for (Index i = 0; i < signals.size(); ++i)
    if (signals[i].in_use != 0)
      signal_index.insert(signal_hash(signals[i].link, signals[i].signal), i);
  for (Index i = 0; i < flips.size(); ++i)
    if (flips[i].in_use) flip_index.insert(mix(flips[i].holding), i);
  for (Index i = 0; i < published.size(); ++i)
    if (published[i].in_use) published_index.insert(hash_of(published[i].signal), i);
  for (Index i = 0; i < leader_resting.size(); ++i)
    if (leader_resting[i].in_use != 0) leader_resting_index.insert(mix(leader_resting[i].order), i);
  for (Index i = 0; i < mirrors.size(); ++i)
    if (mirrors[i].in_use) mirror_index.insert(pair_key(mirrors[i].order, mirrors[i].link), i);
  for (Index i = 0; i < feeds.size(); ++i) feed_index.insert(hash_of(feeds[i].account), i);
  seen_index.reserve(seen.size());
  for (std::size_t n = 0; n < seen_count; ++n) {
    const std::size_t at = (seen_first + n) % seen.size();
    seen_index.insert(hash_of(seen[at].id), static_cast<Index>(at));
  }
  for (Index i = 0; i < orders.size(); ++i) {
    const Order& o = orders[i];
    if (o.life == Life::free) continue;
    if (o.keyed) order_index.insert(hash_of(o.key), i);
    if (o.deadline_ns != never) set_deadline(i, o.deadline_ns);
  }
  count_orders();
}

}  // namespace oneclick::core
