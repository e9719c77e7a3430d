// One shard with all that belongs to it: its journal, its recovered core, its event loop, its
// sessions, and the two that follow its journal (the sink and the tail).
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "connectors/binance/binance.hpp"
#include "connectors/net/reactor.hpp"
#include "engine/app/journal_tail.hpp"
#include "engine/app/recover.hpp"
#include "engine/runtime/shard.hpp"
#include "persistence/journal.hpp"
#include "persistence/pg.hpp"

namespace oneclick {

// The process's parts that every shard looks at. All outlive the hosts.
struct ProcessParts {
  Metrics& metrics;
  const EngineClock& clock;
  TouchBoard& touch_board;
  UsdRates& usd_rates;
  KillBoard& kill_board;
  ShardMetrics& shard_metrics;
};

struct ShardHostOptions {
  ShardOptions shard;
  JournalOptions journal;
  CoreSettings settings;
  std::string database_url;
  std::size_t queue_events;
  std::size_t sink_batch_records;
  std::int64_t sink_batch_wait_ns;
};

struct ShardHostHooks {
  std::function<void(const LeaderEvent&)> on_duplicate;  // the shard's thread
  std::function<void(const JournalEntry&)> on_entry;     // the tail's thread
  std::function<void()> on_journal_failed;               // the shard's thread
};

class ShardHost {
 public:
  // Locks and recovers the journal. Nothing runs yet.
  [[nodiscard]] static std::expected<std::unique_ptr<ShardHost>, JournalError> recover(
      ShardHostOptions options, ProcessParts parts);
  ~ShardHost();

  // Makes the sessions (one for each egress) and the shard. Before start, on one thread.
  void connect(std::shared_ptr<binance::VenueShared> venue, ShardHostHooks hooks);
  void start();
  // Drains, ends the shard's thread, syncs the journal, and lets the sink finish what it can.
  void stop(std::int64_t drain_ns_max);

  [[nodiscard]] Inbox& inbox() { return inbox_; }
  [[nodiscard]] Shard& shard() { return *shard_; }
  [[nodiscard]] net::Reactor& reactor() { return reactor_; }
  [[nodiscard]] const JournalWriter& journal() const { return *journal_; }
  [[nodiscard]] bool sessions_up() const;
  [[nodiscard]] bool started() const { return started_; }
  // As recovery left it, wherever it is by now; only before start().
  [[nodiscard]] const Core& recovered_core() const {
    return shard_ ? shard_->core() : recovered_.core;
  }
  // When the last known fill of each followed account happened; what a snapshot hides counts as its
  // time.
  [[nodiscard]] const std::map<AccountId, std::int64_t>& last_fills() const { return last_fills_; }

 private:
  class ReactorPoller final : public Poller {
   public:
    explicit ReactorPoller(net::Reactor& reactor) : reactor_(reactor) {}
    std::size_t poll() override { return reactor_.poll(); }
    std::size_t wait(std::int64_t timeout_ns) override { return reactor_.wait(timeout_ns); }
    void wake() override { reactor_.wake(); }

   private:
    net::Reactor& reactor_;
  };

  // The shard does not exist when its sessions are made; what they say waits here until it does.
  class Forwarder final : public EventSink {
   public:
    [[nodiscard]] bool try_push(const Event& event) override {
      return target != nullptr && target->try_push(event);
    }
    EventSink* target = nullptr;
  };

  ShardHost(ShardHostOptions options, ProcessParts parts);
  [[nodiscard]] std::expected<void, JournalError> recover_core();
  void save_snapshot(JournalPosition position, std::uint64_t seq, std::int64_t time_ns,
                     std::vector<std::byte> state);
  void write_and_note(JournalPosition position, std::uint64_t seq, std::int64_t time_ns,
                      std::vector<std::byte> state);
  [[nodiscard]] OrderSession* session_for(const Account& account);

  ShardHostOptions options_;
  ProcessParts parts_;
  net::Reactor reactor_;
  ReactorPoller poller_{reactor_};
  Inbox inbox_;
  std::unique_ptr<JournalWriter> journal_;
  Replayed recovered_;
  std::map<AccountId, std::int64_t> last_fills_;
  Forwarder forwarder_;
  std::vector<std::unique_ptr<OrderSession>> sessions_;  // by egress
  std::atomic<bool> sessions_up_{false};
  bool started_ = false;
  std::unique_ptr<Shard> shard_;
  ShardHostHooks hooks_;
  std::unique_ptr<PgSink> sink_;
  std::unique_ptr<JournalTail> tail_;
  std::thread snapshot_thread_;
  std::atomic<bool> snapshot_busy_{false};
  std::unique_ptr<net::Reactor::Timer> watch_;
};

}  // namespace oneclick
