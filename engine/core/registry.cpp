#include "engine/core/registry.hpp"

#include <algorithm>
#include <cstring>

#include "engine/base/limits.hpp"
#include "engine/core/flips.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/mirror.hpp"
#include "engine/core/order.hpp"
#include "engine/core/profit.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/reconcile.hpp"
#include "engine/core/sizing.hpp"
#include "engine/core/subscribing.hpp"
#include "engine/core/symbols.hpp"

namespace oneclick::core {

namespace {

std::uint8_t symbol_count(const CopyLink& link) {
  return link.symbol_filter == SymbolFilter::none
             ? std::uint8_t{0}
             : std::min<std::uint8_t>(link.symbol_count, link_symbols_max);
}

bool same_symbols(const Tables& t, const Link& held, const CopyLink& told) {
  if (held.symbol_count != symbol_count(told)) return false;
  for (std::size_t i = 0; i < held.symbol_count; ++i)
    if (t.symbols[t.filters[held.filter].symbols[i]] != told.symbols[i]) return false;
  return true;
}

bool same_source(const Tables& t, const Link& held, const CopyLink& told) {
  const bool is_channel = !told.channel.is_nil();
  const Source& source = t.sources[held.source];
  return source.is_channel == is_channel &&
         source.id == (is_channel ? told.channel.value : told.leader.value);
}

Index add_link(Tables& t, LinkId id) {
  Index at;
  if (!t.free_links.empty()) {
    at = t.free_links.back();
    t.free_links.pop_back();
  } else {
    if (t.links.size() >= limits::links_max) return none;
    t.links.emplace_back();
    at = static_cast<Index>(t.links.size() - 1);
  }
  Link& l = t.links[at];
  std::memset(static_cast<void*>(&l), 0, sizeof l);
  l.id = id;
  l.in_use = true;
  l.slot = l.source = l.place = l.first_holding = l.filter = l.terms = l.next_in_account =
      l.first_protection = none;
  l.arrival = ++t.arrivals;
  t.link_index.insert(hash_of(id), at);
  return at;
}

void leave_source(Tables& t, Link& link) {
  if (link.place == none) return;
  std::vector<Index>& list = t.sources[link.source].links;
  const Index last = list.back();
  list[link.place] = last;
  t.links[last].place = link.place;
  list.pop_back();
  link.place = none;
  if (link.chain) --t.sources[link.source].chain_links;
}

void join_source(Tables& t, Index at, Index source) {
  Link& link = t.links[at];
  link.source = source;
  if (link.status == LinkStatus::stopped || link.removed) return;
  link.place = static_cast<Index>(t.sources[source].links.size());
  t.sources[source].links.push_back(at);
  if (link.chain) ++t.sources[source].chain_links;
}

void set_filter(Tables& t, Link& link, const CopyLink& told) {
  link.symbol_filter = told.symbol_filter;
  link.symbol_count = symbol_count(told);
  if (link.symbol_count == 0) return;
  if (link.filter == none && t.free_filter != none) {
    link.filter = t.free_filter;
    t.free_filter = t.filters[link.filter].next_free;
  } else if (link.filter == none) {
    t.filters.emplace_back();
    link.filter = static_cast<Index>(t.filters.size() - 1);
  }
  FilterSet set;
  set.symbols.fill(none);
  set.next_free = none;
  for (std::size_t i = 0; i < link.symbol_count; ++i) set.symbols[i] = t.symbol_of(told.symbols[i]);
  t.filters[link.filter] = set;
}

RareTerms terms_of(const CopyLink& told) {
  RareTerms terms{};
  terms.copy_quantity = told.copy_quantity;
  terms.exposure_usd_max = told.exposure_usd_max;
  terms.daily_loss_usd_max = told.daily_loss_usd_max;
  terms.drawdown_usd_max = told.drawdown_usd_max;
  terms.risk_epoch = told.risk_epoch;
  terms.positions_max = told.positions_max;
  terms.entries_per_minute_max = told.entries_per_minute_max;
  terms.drawdown_from = told.drawdown_from;
  terms.drawdown_action = told.drawdown_action;
  terms.next_free = terms.link = none;
  return terms;
}
RareTerms terms_of(const Tables& t, const Link& link) {
  return link.terms == none ? terms_of(CopyLink{}) : t.terms[link.terms];
}
bool same(const RareTerms& a, const RareTerms& b) {
  return a.copy_quantity == b.copy_quantity && a.exposure_usd_max == b.exposure_usd_max &&
         a.daily_loss_usd_max == b.daily_loss_usd_max && a.drawdown_usd_max == b.drawdown_usd_max &&
         a.risk_epoch == b.risk_epoch && a.positions_max == b.positions_max &&
         a.entries_per_minute_max == b.entries_per_minute_max &&
         a.drawdown_from == b.drawdown_from && a.drawdown_action == b.drawdown_action;
}

void set_terms(Step& s, Index at, const CopyLink& told) {
  Tables& t = s.t;
  Link& link = t.links[at];
  RareTerms terms = terms_of(told);
  if (link.terms != none) {
    const RareTerms& before = t.terms[link.terms];
    if (same(terms, before)) return;
    if (told.risk_epoch == before.risk_epoch) keep_counts(terms, before);
    if (before.halted && !terms.halted) emit_release(s, link, terms);
  }
  if (same(terms, terms_of(CopyLink{}))) return drop_terms(t, link);
  if (link.terms == none && t.free_terms != none) {
    link.terms = t.free_terms;
    t.free_terms = t.terms[link.terms].next_free;
  } else if (link.terms == none) {
    t.terms.emplace_back();
    link.terms = static_cast<Index>(t.terms.size() - 1);
  }
  terms.link = at;
  t.terms[link.terms] = terms;
}

// Another account: what was bought on the old one stays there and is the link's no more.
void move_to_account(Step& s, Index at, AccountSlot slot) {
  Tables& t = s.t;
  Link& link = t.links[at];
  if (link.slot == slot) return;
  if (link.slot != none)
    for (Index h = link.first_holding; h != none; h = t.holdings[h].next) {
      lift_quarantine(s, h);
      t.holdings[h].quantity = t.holdings[h].cost = Decimal{};
      t.holdings[h].residual_e12 = t.holdings[h].exit_residual_e12 = 0;
      while (t.holdings[h].first_signal != none) t.free_signal_at(t.holdings[h].first_signal);
    }
  t.unlist_link(at);
  link.slot = slot;
  t.list_link(at);
}

bool same(const Account& a, const Account& b) {
  return a.user == b.user && a.venue == b.venue && a.connected == b.connected &&
         a.sandbox == b.sandbox && a.egress == b.egress;
}
bool same(const Instrument& a, const Instrument& b) {
  return a.status == b.status && a.venue_symbol == b.venue_symbol && a.base == b.base &&
         a.quote == b.quote && a.price_tick == b.price_tick && a.price_min == b.price_min &&
         a.price_max == b.price_max && a.lot_step == b.lot_step &&
         a.quantity_min == b.quantity_min && a.quantity_max == b.quantity_max &&
         a.market_lot_step == b.market_lot_step && a.market_quantity_min == b.market_quantity_min &&
         a.market_quantity_max == b.market_quantity_max && a.notional_min == b.notional_min &&
         a.notional_max == b.notional_max && a.notional_min_at_market == b.notional_min_at_market &&
         a.kind == b.kind && a.leverage_max_e2 == b.leverage_max_e2 &&
         a.contract_size == b.contract_size;
}
bool same(const LeaderFeed& a, const LeaderFeed& b) {
  return a.leader == b.leader && a.venue == b.venue && a.authoritative == b.authoritative &&
         a.baseline_ns == b.baseline_ns;
}

}  // namespace

bool link_differs(const Tables& t, const CopyLink& l) {
  const Index at = t.find_link(l.id);
  if (at == none || t.links[at].removed) return true;
  const Link& h = t.links[at];
  return !(h.follower == l.follower && t.accounts[h.slot].account.id == l.account &&
           h.portfolio == l.portfolio && same_source(t, h, l) && h.sizing_mode == l.sizing_mode &&
           h.entry_style == l.entry_style && h.min_lot_policy == l.min_lot_policy &&
           h.status == l.status && h.user_active == l.user_active &&
           h.subscription_active == l.subscription_active && h.symbol_filter == l.symbol_filter &&
           same_symbols(t, h, l) && h.percentage_e2 == l.percentage_e2 &&
           h.slippage_bps_max == l.slippage_bps_max && h.entry_ttl_ms == l.entry_ttl_ms &&
           h.copy_amount == l.copy_amount && h.order_notional_max == l.order_notional_max &&
           h.position_notional_max == l.position_notional_max &&
           h.price_collar_bps_max == l.price_collar_bps_max && h.leverage_e2 == l.leverage_e2 &&
           h.sync_on_subscribe == l.sync_on_subscribe && h.reverse == l.reverse &&
           h.chain == l.chain && h.only_if_better == l.only_if_better && h.protect == l.protect &&
           h.close_on_stop == l.close_on_stop && same(terms_of(t, h), terms_of(l)) &&
           h.version == l.version);
}

void on_link(Step& s, const CopyLink& l) {
  Tables& t = s.t;
  const AccountSlot slot = t.account_of(l.account);
  Index at = t.find_link(l.id);
  if (slot == no_slot || (at == none && (at = add_link(t, l.id)) == none)) {
    ++t.ignored_events;
    return;
  }
  const bool is_channel = !l.channel.is_nil();
  const Index source = t.source_of(is_channel ? l.channel.value : l.leader.value, is_channel);
  Link& h = t.links[at];
  // A link that changes its terms keeps its place; only where it is listed may have to change.
  if (h.source != source || l.status == LinkStatus::stopped) leave_source(t, h);
  const bool was_stopped = h.status == LinkStatus::stopped;
  if (h.place != none && h.chain != l.chain) t.sources[source].chain_links += l.chain ? 1U : ~0U;
  h.follower = l.follower;
  h.portfolio = l.portfolio;
  h.copy_amount = l.copy_amount;
  h.order_notional_max = l.order_notional_max;
  h.position_notional_max = l.position_notional_max;
  h.entry_ttl_ms = l.entry_ttl_ms;
  h.version = l.version;
  h.percentage_e2 = l.percentage_e2;
  h.slippage_bps_max = l.slippage_bps_max;
  h.price_collar_bps_max = l.price_collar_bps_max;
  h.leverage_e2 = l.leverage_e2;
  h.sync_on_subscribe = l.sync_on_subscribe;
  h.reverse = l.reverse;
  h.chain = l.chain;
  h.only_if_better = l.only_if_better;
  h.protect = l.protect;
  h.close_on_stop = l.close_on_stop;
  h.sizing_mode = l.sizing_mode;
  h.entry_style = l.entry_style;
  h.min_lot_policy = l.min_lot_policy;
  h.status = l.status;
  h.user_active = l.user_active;
  h.subscription_active = l.subscription_active;
  h.removed = false;
  set_filter(t, h, l);
  set_terms(s, at, l);
  if (h.slot != slot) supersede_flips_of(s, at);
  const bool moves = h.slot != slot;
  move_to_account(s, at, slot);
  if (h.place == none) join_source(t, at, source);
  if (h.first_protection != none) review_protections(s, at);
  const bool may_enter = h.status == LinkStatus::active && h.user_active && h.subscription_active;
  if (h.open_orders != 0 && (moves || !may_enter)) withdraw_of_link(s, at);
  const bool stopped = h.status == LinkStatus::stopped;
  if (!stopped) h.close_due = false;
  if (stopped && !was_stopped && h.close_on_stop) h.close_due = true;
  on_link_ready(s, at);
}

bool link_present(const Tables& t, LinkId id) {
  const Index at = t.find_link(id);
  return at != none && !t.links[at].removed;
}

CopyLink told_link(const Tables& t, Index link) {
  const Link& h = t.links[link];
  const Source& source = t.sources[h.source];
  const RareTerms terms = terms_of(t, h);
  CopyLink told = {.id = h.id,
                   .follower = h.follower,
                   .account = t.accounts[h.slot].account.id,
                   .portfolio = h.portfolio,
                   .leader = source.is_channel ? UserId{} : UserId{source.id},
                   .channel = source.is_channel ? ChannelId{source.id} : ChannelId{},
                   .sizing_mode = h.sizing_mode,
                   .entry_style = h.entry_style,
                   .min_lot_policy = h.min_lot_policy,
                   .status = h.status,
                   .user_active = h.user_active,
                   .subscription_active = h.subscription_active,
                   .symbol_filter = h.symbol_filter,
                   .symbol_count = h.symbol_count,
                   .sync_on_subscribe = h.sync_on_subscribe,
                   .reverse = h.reverse,
                   .chain = h.chain,
                   .only_if_better = h.only_if_better,
                   .protect = h.protect,
                   .close_on_stop = h.close_on_stop,
                   .percentage_e2 = h.percentage_e2,
                   .slippage_bps_max = h.slippage_bps_max,
                   .price_collar_bps_max = h.price_collar_bps_max,
                   .leverage_e2 = h.leverage_e2,
                   .entry_ttl_ms = h.entry_ttl_ms,
                   .copy_amount = h.copy_amount,
                   .copy_quantity = terms.copy_quantity,
                   .order_notional_max = h.order_notional_max,
                   .position_notional_max = h.position_notional_max,
                   .exposure_usd_max = terms.exposure_usd_max,
                   .daily_loss_usd_max = terms.daily_loss_usd_max,
                   .drawdown_usd_max = terms.drawdown_usd_max,
                   .risk_epoch = terms.risk_epoch,
                   .positions_max = terms.positions_max,
                   .entries_per_minute_max = terms.entries_per_minute_max,
                   .drawdown_from = terms.drawdown_from,
                   .drawdown_action = terms.drawdown_action,
                   .version = h.version,
                   .symbols = {}};
  for (std::size_t i = 0; i < h.symbol_count; ++i)
    told.symbols[i] = t.symbols[t.filters[h.filter].symbols[i]];
  return told;
}

void on_link_remove(Step& s, LinkId id) {
  const Index at = s.t.find_link(id);
  if (at == none) {
    ++s.t.ignored_events;
    return;
  }
  leave_source(s.t, s.t.links[at]);
  supersede_flips_of(s, at);
  s.t.links[at].removed = true;
  s.t.links[at].close_due = false;  // a row that is gone asks for nothing: what it holds stays
  drop_syncs(s.t, at);
  s.t.links[at].status = LinkStatus::stopped;
  if (s.t.links[at].open_orders != 0) withdraw_of_link(s, at);
  drop_link_if_done(s.t, at);
}

bool account_differs(const Tables& t, const Account& a) {
  const Index at = t.find_account(a.id);
  return at == none || !t.accounts[at].known || !same(t.accounts[at].account, a);
}

void on_account(Step& s, const Account& a) {
  const AccountSlot slot = s.t.account_of(a.id);
  if (slot == no_slot) {
    ++s.t.ignored_events;
    return;
  }
  AccountEntry& entry = s.t.accounts[slot];
  entry.known = true;
  entry.account.user = a.user;
  entry.account.venue = a.venue;
  entry.account.connected = a.connected;
  entry.account.sandbox = a.sandbox;
  entry.account.egress = a.egress;
  on_account_ready(s, slot);
}

bool account_present(const Tables& t, AccountId id) {
  const Index at = t.find_account(id);
  return at != none && t.accounts[at].known;
}

void on_account_remove(Step& s, AccountId id) {
  const Index at = s.t.find_account(id);
  if (at == none) {
    ++s.t.ignored_events;
    return;
  }
  s.t.accounts[at].known = false;
  s.t.accounts[at].reconciled = false;
}

bool account_state_matters(const Tables& t, const AccountState& state) {
  const Index at = t.find_account(state.account);
  if (at == none) return false;
  const AccountEntry& a = t.accounts[at];
  switch (state.kind) {
    case AccountStateKind::reconciled:
      return !a.reconciled || a.credentials_refused;
    case AccountStateKind::lost:
      return a.reconciled;
    case AccountStateKind::credentials_refused:
      return a.reconciled || !a.credentials_refused;
  }
  return false;
}

void on_account_state(Step& s, const AccountState& state) {
  const Index at = s.t.find_account(state.account);
  if (at == none) {
    ++s.t.ignored_events;
    return;
  }
  AccountEntry& a = s.t.accounts[at];
  a.reconciled = state.kind == AccountStateKind::reconciled;
  if (state.kind == AccountStateKind::reconciled) a.credentials_refused = false;
  if (state.kind == AccountStateKind::credentials_refused) a.credentials_refused = true;
  emit_account_state(s, state);
  if (!a.reconciled) return;
  query_unknown_orders(s, at);
  advance_flips_of(s, at);
  on_account_ready(s, at);
}

bool instrument_differs(const Tables& t, const Instrument& i) {
  const Index symbol = t.find_symbol(i.symbol);
  const Index at = symbol == none ? none : t.find_instrument(i.venue, symbol);
  return at == none || !same(t.instruments[at].instrument, i);
}

void derive(Tables& t, InstrumentEntry& entry) {
  entry.base = t.asset_of(entry.instrument.base);
  entry.quote = t.asset_of(entry.instrument.quote);
  entry.price_decimals = decimals_of(entry.instrument.price_tick);
  entry.quantity_decimals =
      decimals_of(contracts_of(entry.instrument.lot_step, entry.instrument.contract_size));
}

void on_instrument(Step& s, const Instrument& i) {
  Tables& t = s.t;
  const Index symbol = t.symbol_of(i.symbol);
  Index at = t.find_instrument(i.venue, symbol);
  if (at == none) {
    if (t.instruments.size() >= limits::instruments_max) {
      ++t.ignored_events;
      return;
    }
    InstrumentEntry& added = t.instruments.emplace_back();
    std::memset(static_cast<void*>(&added), 0, sizeof added);
    added.symbol = symbol;
    added.instrument.venue = i.venue;
    at = static_cast<Index>(t.instruments.size() - 1);
    t.instrument_index.insert(pair_key(static_cast<std::uint64_t>(i.venue) + 1, symbol), at);
  }
  InstrumentEntry& entry = t.instruments[at];
  if (!entry.instrument.base.empty())
    t.pair_index.erase(pair_hash(i.venue, entry.base, entry.quote), at);
  entry.instrument = i;
  derive(t, entry);
  t.pair_index.insert(pair_hash(i.venue, entry.base, entry.quote), at);
  map_instrument(t, at);
  emit_instrument(s, i);
}

bool feed_differs(const Tables& t, const LeaderFeed& feed) {
  const Index at = t.find_feed(feed.account);
  return at == none || !same(t.feeds[at], feed);
}

void on_feed(Step& s, const LeaderFeed& feed) {
  Tables& t = s.t;
  t.account_of(feed.account);  // what it is worth is told to every shard
  if (const Index at = t.find_feed(feed.account); at != none) {
    t.feeds[at] = feed;
    return;
  }
  t.feeds.push_back(feed);
  t.feed_index.insert(hash_of(feed.account), static_cast<Index>(t.feeds.size() - 1));
}

void on_feed_remove(Step& s, AccountId id) {
  Tables& t = s.t;
  const Index at = t.find_feed(id);
  if (at == none) {
    ++t.ignored_events;
    return;
  }
  t.feed_index.erase(hash_of(id), at);
  const auto last = static_cast<Index>(t.feeds.size() - 1);
  if (at != last) {
    t.feed_index.erase(hash_of(t.feeds[last].account), last);
    t.feeds[at] = t.feeds[last];
    t.feed_index.insert(hash_of(t.feeds[at].account), at);
  }
  t.feeds.pop_back();
}

bool kill_switch_differs(const Tables& t, const KillSwitch& kill) {
  return (t.find_kill_switch(kill) != none) != kill.on;
}

void on_kill_switch(Step& s, const KillSwitch& kill) {
  Tables& t = s.t;
  if (!kill_switch_differs(t, kill)) {
    ++t.ignored_events;
    return;
  }
  if (kill.on) {
    t.kill_switches.push_back(kill);
  } else {
    t.kill_switches.erase(t.kill_switches.begin() + t.find_kill_switch(kill));
  }
  emit_kill_switch(s, kill);
  if (kill.on) withdraw_by_switch(s, kill);
}

void on_fence(Step& s, const CoreSettings& settings) {
  s.t.settings = settings;
  s.t.count_orders();  // from so many attempts on an exit is in alarm
  for (AccountEntry& a : s.t.accounts) a.reconciled = false;
  fence_orders(s);
}

}  // namespace oneclick::core
