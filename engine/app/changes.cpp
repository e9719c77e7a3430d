#include "engine/app/changes.hpp"

#include <chrono>
#include <thread>
#include <vector>

#include "engine/base/log.hpp"
#include "persistence/loader_rows.hpp"

namespace oneclick {

namespace {

template <typename Id>
std::vector<Id> not_told(const std::set<Id>& held, const std::set<Id>& told) {
  std::vector<Id> gone;
  for (const Id& id : held)
    if (!told.contains(id)) gone.push_back(id);
  return gone;
}

template <typename Id, typename Value>
std::set<Id> keys_of(const std::map<Id, Value>& map) {
  std::set<Id> keys;
  for (const auto& [id, value] : map) keys.insert(id);
  return keys;
}

bool same_credentials(const Credentials& a, const Credentials& b) {
  return a.api_key == b.api_key && a.key_type == b.key_type && a.secret.view() == b.secret.view() &&
         a.passphrase.view() == b.passphrase.view();
}

}  // namespace

Changes::Changes(ChangeTargets targets) : targets_(std::move(targets)) {}

void Changes::expect(std::set<LinkId> links, std::set<AccountId> accounts,
                     std::set<AccountId> feeds, const std::vector<RiskLimits>& limits,
                     const std::vector<SymbolMapping>& symbol_map) {
  for (const SymbolMapping& m : symbol_map) symbol_map_[{m.venue, m.venue_symbol.str()}] = m;
  expected_links_ = std::move(links);
  expected_accounts_ = std::move(accounts);
  expected_feeds_ = std::move(feeds);
  for (const RiskLimits& l : limits) limits_.emplace(l.scope, l.id);
}

void Changes::push(const Event& event) {
  while (!targets_.router.try_push(event)) {
    if (stopping_) return;
    // The shard takes 256 events a turn: a full queue is gone within milliseconds.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Changes::on_account(const Account& account, const Credentials& credentials) {
  told_accounts_.insert(account.id);
  const auto known = accounts_.find(account.id);
  const bool renewed =
      known == accounts_.end() || !same_credentials(known->second.credentials, credentials);
  const bool was_attached = known != accounts_.end() && known->second.attached;
  accounts_[account.id] = {
      .account = account, .credentials = credentials, .attached = was_attached && !renewed};
  if (was_attached && !renewed) push(make_event(account));
  attach_if_needed(account.id);
  if (renewed && feeds_.contains(account.id)) {
    targets_.stop_feed(account.id);
    start_feed_if_possible(account.id);
  }
}

void Changes::attach_if_needed(AccountId id) {
  const auto known = accounts_.find(id);
  if (known == accounts_.end() || known->second.attached || !accounts_with_links_.contains(id))
    return;
  known->second.attached = true;
  targets_.attach(known->second.account, known->second.credentials);
}

void Changes::start_feed_if_possible(AccountId id) {
  const auto feed = feeds_.find(id);
  const auto account = accounts_.find(id);
  if (feed != feeds_.end() && account != accounts_.end())
    targets_.start_feed(feed->second, account->second.credentials);
}

void Changes::on_account_removed(AccountId id) {
  accounts_.erase(id);
  told_accounts_.erase(id);
  if (feeds_.contains(id)) targets_.stop_feed(id);
  targets_.detach(id);
}

void Changes::on_link(const CopyLink& link) {
  told_links_.insert(link.id);
  links_[link.id] = link.account;
  accounts_with_links_.insert(link.account);
  attach_if_needed(link.account);
  push(make_event(link));
}

void Changes::on_link_removed(LinkId id) {
  links_.erase(id);
  told_links_.erase(id);
  push(make_event(LinkRemove{.id = id}));
}

void Changes::on_feed(const LeaderFeed& feed) {
  told_feeds_.insert(feed.account);
  const bool known = feeds_.contains(feed.account);
  feeds_[feed.account] = feed;
  push(make_event(feed));
  if (!known) start_feed_if_possible(feed.account);
}

void Changes::on_feed_removed(AccountId id) {
  told_feeds_.erase(id);
  if (feeds_.erase(id) != 0) targets_.stop_feed(id);
  push(make_feed_remove({.id = id}));
}

void Changes::on_api_key(const ApiKey& key) {
  told_api_keys_.insert(key.id);
  api_keys_.insert(key.id);
  targets_.api_key(key);
}

void Changes::on_api_key_removed(ApiKeyId id) {
  told_api_keys_.erase(id);
  api_keys_.erase(id);
  targets_.api_key_removed(id);
}

void Changes::on_channel(ChannelId id, UserId creator, bool active) {
  targets_.channel(id, creator, active);
}

void Changes::on_kill_switch(const KillSwitch& kill_switch) {
  targets_.kill_switch(kill_switch);
}

void Changes::on_symbol_mapping(const SymbolMapping& mapping) {
  const std::pair key{mapping.venue, mapping.venue_symbol.str()};
  if (mapping.present) {
    told_mappings_.insert(key);
    symbol_map_[key] = mapping;
  } else {
    symbol_map_.erase(key);
  }
  push(make_event(mapping));
}

void Changes::on_risk_limits(const RiskLimits& limits) {
  const LimitKey key{limits.scope, limits.id};
  if (limits.removed) {
    limits_.erase(key);
    told_limits_.erase(key);
  } else {
    limits_.insert(key);
    told_limits_.insert(key);
  }
  push(make_event(limits));
}

void Changes::on_quarantine_release(const QuarantineRelease& release) {
  push(make_event(release));
}

bool Changes::on_leader_event(const LeaderEvent& event) {
  return targets_.router.try_push(make_event(event));
}

void Changes::on_snapshot_begin() {
  told_accounts_.clear();
  told_feeds_.clear();
  told_links_.clear();
  told_api_keys_.clear();
  told_limits_.clear();
  told_mappings_.clear();
}

std::vector<SymbolMapping> Changes::mappings_not_told() const {
  std::vector<SymbolMapping> gone;
  for (const auto& [key, mapping] : symbol_map_)
    if (!told_mappings_.contains(key)) gone.push_back(mapping);
  return gone;
}

void Changes::on_snapshot_end() {
  expected_links_.merge(keys_of(links_));
  expected_feeds_.merge(keys_of(feeds_));
  expected_accounts_.merge(keys_of(accounts_));
  for (const LinkId id : not_told(expected_links_, told_links_)) on_link_removed(id);
  for (const AccountId id : not_told(expected_feeds_, told_feeds_)) on_feed_removed(id);
  for (const AccountId id : not_told(expected_accounts_, told_accounts_)) on_account_removed(id);
  for (const ApiKeyId id : not_told(api_keys_, told_api_keys_)) on_api_key_removed(id);
  for (const auto& [scope, id] : not_told(limits_, told_limits_)) {
    RiskLimits gone{};
    gone.scope = scope;
    gone.id = id;
    gone.removed = true;
    on_risk_limits(gone);
  }
  for (SymbolMapping gone : mappings_not_told()) {
    gone.present = false;
    on_symbol_mapping(gone);
  }
  expected_links_.clear();
  expected_feeds_.clear();
  expected_accounts_.clear();
  log_info("configuration loaded", {{"accounts", accounts_.size()},
                                    {"links", links_.size()},
                                    {"feeds", feeds_.size()},
                                    {"risk_limits", limits_.size()},
                                    {"api_keys", api_keys_.size()}});
  targets_.loaded();
}

void Changes::on_invalid(std::string_view table, std::string_view row, std::string_view problem) {
  // What it limited goes on being limited.
  if (table == "engine.risk_limits")
    if (const auto l = removed_limits(row); l && limits_.contains({l->scope, l->id}))
      told_limits_.emplace(l->scope, l->id);
  log_error("row not taken", {{"table", table}, {"row", row}, {"problem", problem}});
}

}  // namespace oneclick
