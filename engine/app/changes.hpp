// Turns what the database says into what shards, feeds and ingress need. Runs on the loader's
// thread and is the only one to know which accounts and links were told, so that what disappeared
// while nobody looked is removed.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/domain/port.hpp"

namespace oneclick {

// Where changes go. All are called on the loader's thread and must not block for long.
struct ChangeTargets {
  EventSink& router;
  std::function<void(const Account&, const Credentials&)> attach;  // an account that has links
  std::function<void(AccountId)> detach;
  std::function<void(const LeaderFeed&, const Credentials&)> start_feed;
  std::function<void(AccountId)> stop_feed;
  std::function<void(const ApiKey&)> api_key;
  std::function<void(ApiKeyId)> api_key_removed;
  std::function<void(ChannelId, UserId, bool)> channel;
  std::function<void(const KillSwitch&)> kill_switch;
  std::function<void()> loaded;  // all that the database holds was told
};

class Changes final : public ChangeSink {
 public:
  explicit Changes(ChangeTargets targets);

  // What the cores hold after recovery; what the first snapshot does not tell again is removed.
  void expect(std::set<LinkId> links, std::set<AccountId> accounts, std::set<AccountId> feeds,
              const std::vector<RiskLimits>& limits, const std::vector<SymbolMapping>& symbol_map);

  void on_account(const Account& account, const Credentials& credentials) override;
  void on_account_removed(AccountId id) override;
  void on_link(const CopyLink& link) override;
  void on_link_removed(LinkId id) override;
  void on_feed(const LeaderFeed& feed) override;
  void on_feed_removed(AccountId id) override;
  void on_api_key(const ApiKey& key) override;
  void on_api_key_removed(ApiKeyId id) override;
  void on_channel(ChannelId id, UserId creator, bool active) override;
  void on_kill_switch(const KillSwitch& kill_switch) override;
  void on_symbol_mapping(const SymbolMapping& mapping) override;
  void on_risk_limits(const RiskLimits& limits) override;
  void on_quarantine_release(const QuarantineRelease& release) override;
  [[nodiscard]] bool on_leader_event(const LeaderEvent& event) override;
  void on_snapshot_begin() override;
  void on_snapshot_end() override;
  void on_invalid(std::string_view table, std::string_view row, std::string_view problem) override;

  // Makes waiting for a full queue end: the daemon is stopping.
  void stop() { stopping_ = true; }

 private:
  using LimitKey = std::pair<LimitScope, Uuid>;
  struct KnownAccount {
    Account account;
    Credentials credentials;
    bool attached;
  };
  // Waits while a shard's queue is full: configuration is never dropped.
  void push(const Event& event);
  void attach_if_needed(AccountId id);
  [[nodiscard]] std::vector<SymbolMapping> mappings_not_told() const;
  void start_feed_if_possible(AccountId id);

  ChangeTargets targets_;
  std::map<AccountId, KnownAccount> accounts_;
  std::map<LinkId, AccountId> links_;
  std::map<AccountId, LeaderFeed> feeds_;
  std::set<AccountId> accounts_with_links_;
  std::set<ApiKeyId> api_keys_;
  std::set<LimitKey> limits_;
  std::map<std::pair<Venue, std::string>, SymbolMapping> symbol_map_;
  // Told since the snapshot began.
  std::set<AccountId> told_accounts_, told_feeds_;
  std::set<LinkId> told_links_;
  std::set<ApiKeyId> told_api_keys_;
  std::set<LimitKey> told_limits_;
  std::set<std::pair<Venue, std::string>> told_mappings_;
  // Held by the cores from before and not told yet.
  std::set<AccountId> expected_accounts_, expected_feeds_;
  std::set<LinkId> expected_links_;
  std::atomic<bool> stopping_{false};
};

}  // namespace oneclick
