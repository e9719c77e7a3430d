// One shard: a thread, the accounts it owns, and all their state and sockets. It takes events in an
// order that is its own, gives each a sequence number and a time, writes it to the journal, steps
// the core, and lets the intents through the gate. Shards share nothing that is written while
// trading.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/clock.hpp"
#include "engine/core/core.hpp"
#include "engine/domain/port.hpp"
#include "engine/runtime/gate.hpp"
#include "engine/runtime/router.hpp"
#include "engine/runtime/shard_metrics.hpp"
#include "engine/runtime/touch_board.hpp"
#include "engine/runtime/usd_rates.hpp"

namespace oneclick {

struct ShardOptions {
  std::uint16_t index;
  bool spin;     // never waits: for a core given to it
  int pin_core;  // -1: not pinned
  Durability durability;
  std::int64_t hold_ns_max;      // see Gate
  std::uint64_t snapshot_every;  // journal entries between snapshots
  std::size_t journal_room_max;  // never waits for more free journal bytes than this
};

// Where a shard lives. All outlive it.
struct ShardSurroundings {
  JournalPort& journal;
  const TouchBoard& touch_board;
  const UsdRates& usd_rates;
  const KillBoard& kill_board;
  Poller& poller;
  Inbox& inbox;
  ShardMetrics& metrics;
  const EngineClock& clock;
};

// Called on the shard's thread.
struct ShardHooks {
  // The session that carries the account's orders; null when its venue is not configured.
  std::function<OrderSession*(const Account&)> session_for;
  // A leader event that was seen before and changed nothing.
  std::function<void(const LeaderEvent&)> on_duplicate;
  // A copy of the state after everything up to `position`.
  std::function<void(std::uint64_t position, std::uint64_t seq, std::int64_t time_ns,
                     std::vector<std::byte> state)>
      on_snapshot;
  // The journal failed: nothing more is durable, no order leaves any more.
  std::function<void()> on_journal_failed;
};

// What others may look at while the shard runs.
struct ShardStatus {
  std::atomic<std::size_t> links{0}, accounts{0}, accounts_reconciled{0}, orders_open{0},
      orders_unknown{0}, quarantined_links{0}, exits_in_alarm{0};
  std::atomic<std::uint64_t> orders_submitted{0};
  std::atomic<std::int64_t> alive_ns{0};  // engine time of the last turn of the loop
  std::atomic<std::uint64_t> seq{0};
};

class Shard {
 public:
  // `last_seq`, `last_time_ns`, `last_position`: where recovery ended; the fence was not stepped
  // yet.
  Shard(ShardOptions options, ShardSurroundings around, ShardHooks hooks, Core core,
        std::uint64_t last_seq, std::int64_t last_time_ns, std::uint64_t last_position);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Steps the fence, then runs on its own thread until stop().
  void start(const CoreSettings& settings);
  // Stops entries, waits until no order is in flight or the time is over, writes a snapshot, ends.
  void stop(std::int64_t drain_ns_max);

  // Any thread: the account exists with these credentials, or is gone. Takes effect before events
  // that are pushed to the inbox afterwards.
  void attach_account(const Account& account, const Credentials& credentials);
  void detach_account(AccountId id);

  // For sessions that live on this shard's thread: their events, in order, without a queue.
  [[nodiscard]] EventSink& local_sink() { return local_sink_; }
  [[nodiscard]] const ShardStatus& status() const { return status_; }
  [[nodiscard]] const Core& core() const { return core_; }  // only while not running

 private:
  class LocalSink final : public EventSink {
   public:
    [[nodiscard]] bool try_push(const Event& event) override {
      events_.push_back(event);
      return true;
    }
    std::vector<Event> events_;
  };
  // Lets a step's intents out while it runs and journals its records.
  class StepOutput final : public Output {
   public:
    explicit StepOutput(Shard& shard) : shard_(shard) {}
    void begin(std::uint64_t position, std::int64_t now_ns);
    void on_intent(const Intent& intent) override;
    void on_record(const Record& record) override;
    void on_follower_ahead(AccountSlot slot, bool first) override {
      shard_.gate_.prefetch(slot, first);
    }
    void finish();
    [[nodiscard]] std::size_t placed() const { return placed_; }
    [[nodiscard]] std::int64_t first_ns() const { return first_ns_; }

   private:
    Shard& shard_;
    std::uint64_t position_ = 0;
    std::int64_t now_ns_ = 0;
    std::size_t placed_ = 0;
    std::size_t batch_ = 0;
    std::size_t batch_limit_ = 0;
    std::int64_t first_ns_ = 0;
  };
  struct Command {
    bool attach;
    Account account;
    Credentials credentials;
  };

  void run();
  std::size_t run_once();
  void wait_for_work();
  void run_commands();
  void apply(const Command& command);
  std::size_t drain_inbox();
  std::size_t drain_local();
  void offer(Event& event);  // drops what changes nothing, takes the rest
  void take(Event& event);
  void settle_refusals();
  void stamp(Event& event);
  void stamp_rates(OrderUpdate& update) const;
  void stamp_touch(OrderUpdate& update) const;
  void note_latency(const Event& event);
  [[nodiscard]] std::size_t room_for_next() const;
  [[nodiscard]] bool wait_for_room(std::size_t bytes);
  void publish_status();
  void snapshot_when_due(bool force);
  [[nodiscard]] bool drained() const;

  const ShardOptions options_;
  ShardSurroundings around_;
  ShardHooks hooks_;
  Core core_;
  Gate gate_;
  LocalSink local_sink_;
  std::vector<Event> local_batch_;
  std::vector<OrderUpdate> refusals_;
  StepOutput output_;
  Event scratch_;
  std::uint64_t seq_;
  std::int64_t time_ns_;
  std::uint64_t position_;
  std::uint64_t snapshot_position_;
  std::int64_t status_due_ns_ = 0;
  bool journal_failure_told_ = false;

  std::mutex commands_mutex_;
  std::vector<Command> commands_;
  std::atomic<bool> has_commands_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> drain_until_ns_{0};
  ShardStatus status_;
  std::thread thread_;
};

}  // namespace oneclick
