// Hot path 4/7: one switch over what may come in.
#include "engine/core/core.hpp"
#include "engine/core/equity.hpp"

#include <algorithm>

#include "engine/base/hash.hpp"
#include "engine/core/archive.hpp"
#include "engine/core/fanout.hpp"
#include "engine/core/holdings.hpp"
#include "engine/core/order.hpp"
#include "engine/core/profit.hpp"
#include "engine/core/reconcile.hpp"
#include "engine/core/registry.hpp"
#include "engine/core/scopes.hpp"
#include "engine/core/subscribing.hpp"
#include "engine/core/symbols.hpp"

namespace oneclick {

using namespace core;

struct Core::State {
  Tables tables;
};

Core::Core() : state_(std::make_unique<State>()) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

namespace {

void on_timer(Step& s) {
  for (Index order = s.t.pop_due(s.now_ns); order != none; order = s.t.pop_due(s.now_ns))
    on_order_deadline(s, order);
  ask_about_shortfalls(s);
}

void dispatch(Step& s) {
  const Event& e = s.event;
  switch (e.kind) {
    case EventKind::leader:
      return on_leader_event(s, e.leader);
    case EventKind::link_upsert:
      return on_link(s, e.link);
    case EventKind::link_remove:
      return on_link_remove(s, e.link_remove.id);
    case EventKind::account_upsert:
      return on_account(s, e.account);
    case EventKind::account_remove:
      return on_account_remove(s, e.account_remove.id);
    case EventKind::instrument:
      return on_instrument(s, e.instrument);
    case EventKind::feed_upsert:
      return on_feed(s, e.feed);
    case EventKind::feed_remove:
      return on_feed_remove(s, e.account_remove.id);
    case EventKind::balance:
      on_balance(s.t, e.balance, s.now_ns);
      return compare_balance(s, e.balance);
    case EventKind::order_update:
      return on_order_update(s, e.order);
    case EventKind::account_state:
      return on_account_state(s, e.account_state);
    case EventKind::kill_switch:
      return on_kill_switch(s, e.kill_switch);
    case EventKind::price:
      on_price(s.t, e.price);
      watch_limits(s, e.price);
      watch_scopes(s);
      return on_price_known(s, e.price);
    case EventKind::symbol_map:
      return on_symbol_mapping(s, e.symbol_mapping);
    case EventKind::risk_limits:
      return on_risk_limits(s, e.risk_limits);
    case EventKind::timer:
      return on_timer(s);
    case EventKind::sweep:
      return on_sweep(s, e.sweep);
    case EventKind::quarantine_release:
      return on_quarantine_release(s, e.quarantine_release);
    case EventKind::fence:
      return on_fence(s, e.fence.settings);
  }
  ++s.t.ignored_events;
}

}  // namespace

void Core::step(const Event& event, Output& out) {
  Step s{.t = state_->tables, .event = event, .out = out, .now_ns = event.time_ns};
  forget_ended_orders(s);
  dispatch(s);
  s.t.drop_void_deadlines();
}

std::int64_t Core::next_deadline_ns() const {
  const Tables& t = state_->tables;
  const std::int64_t orders = t.deadlines.empty() ? never : t.deadlines.front().time_ns;
  return std::min(orders, t.shortfalls_due_ns);
}

bool Core::would_change(const Event& e) const {
  const Tables& t = state_->tables;
  switch (e.kind) {
    case EventKind::leader:
      return leader_event_matters(t, e.leader);
    case EventKind::link_upsert:
      return link_differs(t, e.link);
    case EventKind::link_remove:
      return link_present(t, e.link_remove.id);
    case EventKind::account_upsert:
      return account_differs(t, e.account);
    case EventKind::account_remove:
      return account_present(t, e.account_remove.id);
    case EventKind::instrument:
      return instrument_differs(t, e.instrument);
    case EventKind::feed_upsert:
      return feed_differs(t, e.feed);
    case EventKind::feed_remove:
      return t.find_feed(e.account_remove.id) != none;
    case EventKind::balance:
      return balance_matters(t, e.balance);
    case EventKind::order_update:
      return order_update_matters(t, e.order);
    case EventKind::account_state:
      return account_state_matters(t, e.account_state);
    case EventKind::kill_switch:
      return kill_switch_differs(t, e.kill_switch);
    case EventKind::price:
      return price_matters(t, e.price);
    case EventKind::sweep:
      return sweep_matters(t, e.sweep);
    case EventKind::quarantine_release:
      return quarantine_release_matters(t, e.quarantine_release);
    case EventKind::symbol_map:
      return symbol_mapping_differs(t, e.symbol_mapping);
    case EventKind::risk_limits:
      return risk_limits_differ(t, e.risk_limits);
    case EventKind::timer:
    case EventKind::fence:
      return true;
  }
  return false;
}

AccountSlot Core::slot_of(AccountId id) const {
  const Index at = state_->tables.find_account(id);
  return at != none && state_->tables.accounts[at].known ? at : no_slot;
}

const Account* Core::account_at(AccountSlot slot) const {
  const Tables& t = state_->tables;
  return slot < t.accounts.size() && t.accounts[slot].known ? &t.accounts[slot].account : nullptr;
}

Core::Counts Core::counts() const {
  const Tables& t = state_->tables;
  Counts c{};
  for (const Link& l : t.links) c.links += l.in_use && !l.removed;
  c.quarantined_links = quarantined_links(t);
  for (const AccountEntry& a : t.accounts) {
    c.accounts += a.known;
    c.accounts_reconciled += a.known && a.reconciled;
  }
  c.orders_open = t.orders_open;
  c.orders_unknown = t.orders_unknown;
  c.kill_switches = t.kill_switches.size();
  c.leader_events_remembered = t.seen_count;
  c.ignored_events = t.ignored_events;
  c.exit_alarms = t.exit_alarms;
  c.exits_in_alarm = t.exits_in_alarm;
  return c;
}

std::size_t Core::orders_in_flight() const {
  const Tables& t = state_->tables;
  std::size_t resting = 0;
  for (Index i = 0; i < t.orders.size(); ++i) {
    const Order& o = t.orders[i];
    if (o.life != Life::working || o.cancelling) continue;
    resting +=
        o.protects || (o.mirror != none && t.mirrors[o.mirror].stage == MirrorStage::resting);
  }
  return t.orders_open - resting;
}

std::vector<LinkId> Core::link_ids() const {
  std::vector<const Link*> present;
  for (const Link& l : state_->tables.links)
    if (l.in_use && !l.removed) present.push_back(&l);
  std::ranges::sort(present, {}, &Link::arrival);
  std::vector<LinkId> ids;
  for (const Link* l : present) ids.push_back(l->id);
  return ids;
}

std::vector<AccountId> Core::account_ids() const {
  std::vector<AccountId> ids;
  for (const AccountEntry& a : state_->tables.accounts)
    if (a.known) ids.push_back(a.account.id);
  return ids;
}

std::vector<AccountId> Core::feed_ids() const {
  std::vector<AccountId> ids;
  for (const LeaderFeed& f : state_->tables.feeds) ids.push_back(f.account);
  return ids;
}

std::vector<RiskLimits> Core::risk_limits() const {
  std::vector<RiskLimits> all;
  for (const ScopeTerms& scope : state_->tables.scopes)
    if (scope.in_force) all.push_back(limits_of(scope));
  return all;
}

std::vector<KillSwitch> Core::kill_switches() const {
  return state_->tables.kill_switches;
}

std::vector<SymbolMapping> Core::symbol_mappings() const {
  std::vector<SymbolMapping> all;
  for (const SymbolMapEntry& m : state_->tables.symbol_map)
    all.push_back({.venue = m.venue,
                   .present = true,
                   .venue_symbol = m.venue_symbol,
                   .symbol = state_->tables.symbols[m.symbol]});
  return all;
}

std::vector<Core::Seen> Core::seen_events() const {
  const Tables& t = state_->tables;
  std::vector<Seen> all;
  for (std::size_t i = 0; i < t.seen_count; ++i) {
    const SeenEvent& e = t.seen[(t.seen_first + i) % t.seen.size()];
    all.push_back({.id = e.id,
                   .alias = e.alias,
                   .body_hash = {e.body_hash[0], e.body_hash[1]},
                   .seq = e.seq,
                   .time_ns = e.time_ns});
  }
  return all;
}

std::vector<Core::Holding> Core::holdings() const {
  const Tables& t = state_->tables;
  std::vector<Holding> all;
  for (const core::Holding& h : t.holdings)
    if (h.link != none)
      all.push_back({.link = t.links[h.link].id,
                     .symbol = t.symbols[h.symbol],
                     .quantity = h.quantity,
                     .is_short = h.is_short,
                     .residual = from_fine(h.residual_e12),
                     .cost = h.cost});
  return all;
}

std::optional<CopyLink> Core::link(LinkId id) const {
  const Tables& t = state_->tables;
  if (!link_present(t, id)) return std::nullopt;
  return told_link(t, t.find_link(id));
}

const CoreSettings& Core::settings() const {
  return state_->tables.settings;
}

std::vector<AccountId> Core::reconciled_accounts() const {
  std::vector<AccountId> ids;
  for (const AccountEntry& a : state_->tables.accounts)
    if (a.known && a.reconciled) ids.push_back(a.account.id);
  return ids;
}

std::vector<Balance> Core::balances() const {
  const Tables& t = state_->tables;
  std::vector<Balance> all;
  for (const AccountEntry& a : t.accounts)
    for (Index at = a.first_balance; at != none; at = t.balances[at].next) {
      const BalanceEntry& b = t.balances[at];
      all.push_back({.account = a.account.id,
                     .asset = t.assets[b.asset],
                     .free = b.free,
                     .locked = b.locked,
                     .venue_time_ns = b.venue_time_ns,
                     .snapshot = false,
                     .leader = false});
    }
  return all;
}

std::uint64_t Core::state_hash() const {
  StateHash hash;
  hash.add(save());
  return hash.value();
}

std::vector<std::byte> Core::save() const {
  return write_tables(state_->tables);
}

std::expected<Core, std::string> Core::load(std::span<const std::byte> bytes) {
  Core core;
  if (std::string problem = read_tables(bytes, core.state_->tables); !problem.empty())
    return std::unexpected(std::move(problem));
  return core;
}

}  // namespace oneclick
