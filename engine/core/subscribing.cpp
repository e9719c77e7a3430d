#include "engine/core/subscribing.hpp"

#include <string>

#include "engine/base/limits.hpp"
#include "engine/core/profit.hpp"
#include "engine/core/serve.hpp"
#include "engine/core/symbols.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::core {

namespace {

bool is_ready(const AccountEntry& a) {
  return a.known && a.account.connected && !a.credentials_refused && a.reconciled;
}
bool may_begin(const Tables& t, const Link& link) {
  return !link.removed && link.status == LinkStatus::active && link.user_active &&
         link.subscription_active && is_ready(t.accounts[link.slot]);
}

// Freed entries are zero but for their place in the list.
void free_sync_at(Tables& t, Index at) {
  t.syncs[at] = PendingSync{};
  t.syncs[at].link = none;
  t.syncs[at].next_free = t.free_sync;
  t.free_sync = at;
  --t.syncs_open;
}

Index add_sync(Tables& t, const PendingSync& sync) {
  Index at = t.free_sync;
  if (at != none) {
    t.free_sync = t.syncs[at].next_free;
  } else {
    if (t.syncs.size() >= limits::syncs_max) return none;
    t.syncs.emplace_back();
    at = static_cast<Index>(t.syncs.size() - 1);
  }
  t.syncs[at] = sync;
  ++t.syncs_open;
  return at;
}

// One name for ever: however often a link is told anew, the venue sees an order of it once.
EventId sync_event_id(const Tables& t, const PendingSync& sync) {
  const std::string what = sync.signal.is_nil() ? "sync " + t.symbols[sync.symbol].str()
                                                : "sync " + sync.signal.to_text();
  return risk_event_id(t.links[sync.link].id, what, 0);
}

LeaderEvent sync_event(const Step& s, const PendingSync& sync, const Touch& touch) {
  const Tables& t = s.t;
  const Link& link = t.links[sync.link];
  const Source& source = t.sources[link.source];
  LeaderEvent e{};
  e.id = sync_event_id(t, sync);
  e.kind = LeaderEventKind::sync;
  e.source = EventSource::internal;
  e.venue = t.accounts[link.slot].account.venue;
  e.side = Side::buy;
  e.target = link.follower;
  e.symbol = t.symbols[sync.symbol];
  e.quantity = sync.quantity;
  e.price = sync.price;
  e.event_time_ns = e.received_ns = s.now_ns;
  e.touch = touch;
  if (!source.is_channel) {
    e.leader = UserId{source.id};
    return e;
  }
  e.channel = ChannelId{source.id};
  e.signal = sync.signal;
  e.signal_type = SignalType::buy;
  if (const Index at = t.find_published(sync.signal); at != none) {
    e.leader = t.published[at].creator;
    e.stop_loss = t.published[at].stop_loss;
    e.take_profit = t.published[at].take_profit;
  }
  return e;
}

// Asks now if the market is known, and keeps it otherwise.
void try_sync(Step& s, Index at) {
  Tables& t = s.t;
  const PendingSync sync = t.syncs[at];
  const Link& link = t.links[sync.link];
  const bool closed = !sync.signal.is_nil() && t.find_published(sync.signal) == none;
  if (closed || link.removed || link.status == LinkStatus::stopped) return free_sync_at(t, at);
  const AccountEntry& account = t.accounts[link.slot];
  if (!is_ready(account)) return;
  const Index instrument = find_counterpart(t, account.account.venue, sync.symbol);
  const Touch touch = instrument == none ? Touch{} : t.instruments[instrument].price;
  if (instrument != none && s.now_ns - touch.time_ns > t.settings.touch_age_ns_max) return;
  const LeaderEvent event = sync_event(s, sync, touch);
  free_sync_at(t, at);
  Request request = make_request(s, event, sync.symbol);
  request.ask = Ask::enter;
  emit_leader_event(s, event, 1);
  serve(s, request, sync.link, 0);
}

void add_positions(Step& s, Index at) {
  Tables& t = s.t;
  const Link& link = t.links[at];
  for (Index symbol = 0; symbol < t.symbols.size(); ++symbol) {
    const Index place = t.find_leader_position(link.source, symbol);
    if (place == none) continue;
    const LeaderPosition& p = t.leader_positions[place];
    const Decimal quantity = link.chain ? p.chained_quantity : p.quantity;
    if (!quantity.is_positive()) continue;
    const Decimal cost = link.chain ? p.chained_cost : p.cost;
    const Index sync = add_sync(t, {.signal = SignalId{},
                                    .quantity = quantity,
                                    .price = div(cost, quantity, Round::down),
                                    .link = at,
                                    .symbol = symbol,
                                    .next_free = none,
                                    .unused = 0});
    if (sync != none) try_sync(s, sync);
  }
}

void add_signals(Step& s, Index at) {
  Tables& t = s.t;
  for (Index n = t.sources[t.links[at].source].first_published; n != none;
       n = t.published[n].next) {
    const PublishedSignal& p = t.published[n];
    const Index sync = add_sync(t, {.signal = p.signal,
                                    .quantity = p.quantity,
                                    .price = p.price,
                                    .link = at,
                                    .symbol = p.symbol,
                                    .next_free = none,
                                    .unused = 0});
    if (sync != none) try_sync(s, sync);
  }
}

}  // namespace

void on_link_ready(Step& s, Index at) {
  Tables& t = s.t;
  if (t.links[at].close_due && is_ready(t.accounts[t.links[at].slot])) {
    t.links[at].close_due = false;
    sell_all(s, at, LeaderEventKind::stop_close);
  }
  if (t.links[at].begun || !may_begin(t, t.links[at])) return;
  t.links[at].begun = true;
  if (t.links[at].sync_on_subscribe == SyncOnSubscribe::none) return;
  if (t.sources[t.links[at].source].is_channel) {
    add_signals(s, at);
  } else {
    add_positions(s, at);
  }
}

void on_account_ready(Step& s, AccountSlot slot) {
  Tables& t = s.t;
  for (Index link = t.accounts[slot].first_link; link != none;) {
    const Index next = t.links[link].next_in_account;
    on_link_ready(s, link);
    link = next;
  }
  if (t.syncs_open == 0) return;
  for (Index at = 0; at < t.syncs.size(); ++at)
    if (t.syncs[at].link != none && t.links[t.syncs[at].link].slot == slot) try_sync(s, at);
}

void on_price_known(Step& s, const Price& price) {
  Tables& t = s.t;
  if (t.syncs_open == 0) return;
  const Index symbol = t.find_symbol(price.symbol);
  const Index instrument = symbol == none ? none : t.find_instrument(price.venue, symbol);
  if (instrument == none) return;
  for (Index at = 0; at < t.syncs.size(); ++at) {
    const PendingSync& sync = t.syncs[at];
    if (sync.link == none) continue;
    const Venue venue = t.accounts[t.links[sync.link].slot].account.venue;
    if (venue == price.venue && find_counterpart(t, venue, sync.symbol) == instrument)
      try_sync(s, at);
  }
}

void drop_syncs(Tables& t, Index link) {
  if (t.syncs_open == 0) return;
  for (Index at = 0; at < t.syncs.size(); ++at)
    if (t.syncs[at].link == link) free_sync_at(t, at);
}

void shrink_syncs(Tables& t, Index source, Index symbol, bool chained, Decimal kept,
                  Decimal kept_of) {
  if (t.syncs_open == 0 || !kept_of.is_positive() || kept >= kept_of) return;
  for (Index at = 0; at < t.syncs.size(); ++at) {
    PendingSync& sync = t.syncs[at];
    if (sync.link == none || !sync.signal.is_nil() || sync.symbol != symbol) continue;
    const Link& link = t.links[sync.link];
    if (link.source != source || link.chain != chained) continue;
    sync.quantity =
        kept.is_positive() ? mul_div(sync.quantity, kept, kept_of, Round::down) : Decimal{};
    if (!sync.quantity.is_positive()) free_sync_at(t, at);
  }
}

void remember_signal(Tables& t, const LeaderEvent& e) {
  // What only sells opens nothing.
  if (e.channel.is_nil() || e.signal.is_nil() || e.signal_type != SignalType::buy) return;
  if (t.find_published(e.signal) != none) return;
  Index at = t.free_published;
  if (at != none) {
    t.free_published = t.published[at].next;
  } else {
    if (t.published.size() >= limits::published_signals_max) return;
    t.published.emplace_back();
    at = static_cast<Index>(t.published.size() - 1);
  }
  Source& source = t.sources[t.source_of(e.channel.value, true)];
  PublishedSignal& p = t.published[at];
  p = PublishedSignal{};
  p.signal = e.signal;
  p.creator = e.leader;
  p.quantity = e.quantity;
  p.price = e.price;
  p.stop_loss = e.stop_loss;
  p.take_profit = e.take_profit;
  p.source = t.find_source(e.channel.value, true);
  p.symbol = t.symbol_of(e.symbol);
  p.next = source.first_published;
  p.venue = e.venue;
  p.type = e.signal_type;
  p.side = e.side;
  p.in_use = true;
  source.first_published = at;
  t.published_index.insert(hash_of(e.signal), at);
}

void forget_signal(Tables& t, const LeaderEvent& e) {
  const Index at = e.signal.is_nil() ? none : t.find_published(e.signal);
  if (at == none) return;
  Index* place = &t.sources[t.published[at].source].first_published;
  while (*place != at) place = &t.published[*place].next;
  *place = t.published[at].next;
  t.published_index.erase(hash_of(e.signal), at);
  t.published[at] = PublishedSignal{};
  t.published[at].next = t.free_published;
  t.free_published = at;
}

}  // namespace oneclick::core
