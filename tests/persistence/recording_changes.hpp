// What a loader told, as text lines per row, for tests to wait for and compare.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/domain/port.hpp"

namespace oneclick::test {

class RecordingChanges final : public ChangeSink {
 public:
  struct State {
    std::map<std::string, Account> accounts;
    std::map<std::string, Credentials> credentials;
    std::map<std::string, CopyLink> links;
    std::map<std::string, LeaderFeed> feeds;
    std::map<std::string, ApiKey> keys;
    std::map<std::string, std::pair<UserId, bool>> channels;
    std::vector<KillSwitch> switches;
    std::vector<SymbolMapping> mappings;
    std::map<std::string, RiskLimits> limits;  // by "scope id"
    std::vector<QuarantineRelease> releases;
    std::vector<LeaderEvent> events;
    std::vector<std::string> invalid;  // "table row problem"
    int snapshots = 0;
    bool in_snapshot = false;
    int calls = 0;
  };

  void on_account(const Account& a, const Credentials& c) override {
    change([&](State& s) {
      s.accounts[a.id.to_text()] = a;
      s.credentials[a.id.to_text()] = c;
    });
  }
  void on_account_removed(AccountId id) override {
    change([&](State& s) { s.accounts.erase(id.to_text()); });
  }
  void on_link(const CopyLink& l) override {
    change([&](State& s) { s.links[l.id.to_text()] = l; });
  }
  void on_link_removed(LinkId id) override {
    change([&](State& s) { s.links.erase(id.to_text()); });
  }
  void on_feed(const LeaderFeed& f) override {
    change([&](State& s) { s.feeds[f.account.to_text()] = f; });
  }
  void on_feed_removed(AccountId id) override {
    change([&](State& s) { s.feeds.erase(id.to_text()); });
  }
  void on_api_key(const ApiKey& k) override {
    change([&](State& s) { s.keys[k.id.to_text()] = k; });
  }
  void on_api_key_removed(ApiKeyId id) override {
    change([&](State& s) { s.keys.erase(id.to_text()); });
  }
  void on_channel(ChannelId id, UserId creator, bool active) override {
    change([&](State& s) { s.channels[id.to_text()] = {creator, active}; });
  }
  void on_kill_switch(const KillSwitch& k) override {
    change([&](State& s) { s.switches.push_back(k); });
  }
  void on_symbol_mapping(const SymbolMapping& m) override {
    change([&](State& s) { s.mappings.push_back(m); });
  }
  void on_risk_limits(const RiskLimits& l) override {
    change([&](State& s) {
      const std::string name = std::string(to_text(l.scope)) + " " + l.id.to_text();
      if (l.removed) {
        s.limits.erase(name);
      } else {
        s.limits[name] = l;
      }
    });
  }
  void on_quarantine_release(const QuarantineRelease& r) override {
    change([&](State& s) { s.releases.push_back(r); });
  }
  bool on_leader_event(const LeaderEvent& e) override {
    bool taken = false;
    change([&](State& s) {
      taken = refusals_ == 0;
      const auto same = [&](const LeaderEvent& known) { return known.id == e.id; };
      if (taken && std::ranges::none_of(s.events, same))  // the core, too, takes an id once
        s.events.push_back(e);
      if (!taken) --refusals_;
    });
    return taken;
  }
  void on_snapshot_begin() override {
    change([&](State& s) {
      s.in_snapshot = true;
      s.accounts.clear();
      s.links.clear();
      s.feeds.clear();
      s.keys.clear();
      s.channels.clear();
    });
  }
  void on_snapshot_end() override {
    change([&](State& s) {
      s.in_snapshot = false;
      ++s.snapshots;
    });
  }
  void on_invalid(std::string_view table, std::string_view row, std::string_view problem) override {
    change([&](State& s) { s.invalid.push_back(fmt::format("{} {} {}", table, row, problem)); });
  }

  // Waits until it holds, at most the given time; whether it held.
  bool wait(const std::function<bool(const State&)>& holds, int ms = 20'000) {
    std::unique_lock hold(mutex_);
    return changed_.wait_for(hold, std::chrono::milliseconds(ms), [&] { return holds(state_); });
  }
  State state() {
    const std::lock_guard hold(mutex_);
    return state_;
  }
  // The next leader events are refused that many times, as by a full queue.
  void refuse_events(int times) {
    const std::lock_guard hold(mutex_);
    refusals_ = times;
  }

 private:
  template <typename Change>
  void change(Change apply) {
    {
      const std::lock_guard hold(mutex_);
      apply(state_);
      ++state_.calls;
    }
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_;
  int refusals_ = 0;
};

}  // namespace oneclick::test
