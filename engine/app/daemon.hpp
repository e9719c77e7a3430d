// The daemon: everything wired together. The one file pair that knows every part.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "connectors/binance/binance.hpp"
#include "connectors/ingress/ingress.hpp"
#include "connectors/ingress/ops.hpp"
#include "engine/app/changes.hpp"
#include "engine/app/config.hpp"
#include "engine/app/control_socket.hpp"
#include "engine/app/event_questions.hpp"
#include "engine/app/shard_host.hpp"
#include "engine/runtime/market_sampler.hpp"
#include "engine/runtime/price_feed.hpp"
#include "engine/runtime/router.hpp"

namespace oneclick {

// Why the daemon did not start, with the exit code that says so (sysexits).
struct StartError {
  int exit_code;
  std::string message;
};

class Daemon {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<Daemon>, StartError> start(
      const Config& config);
  ~Daemon();
  // Stops intake, drains the shards, hands the rest to the journal.
  void stop(std::int64_t drain_ns_max);
  // Something broke that only a restart mends.
  [[nodiscard]] bool failed() const { return failed_; }
  // Every shard's loop has turned within this time.
  [[nodiscard]] bool alive(std::int64_t within_ns) const;
  // Empty when able to trade; else why not, one reason each.
  [[nodiscard]] std::vector<std::string> not_ready() const;
  // What can change without a restart: the log level and the master keys. False: nothing was taken.
  [[nodiscard]] bool apply(const Config& reloaded);
  void note_failed_reload();

 private:
  explicit Daemon(const Config& config);
  using Started = std::expected<void, StartError>;
  [[nodiscard]] Started recover_shards();
  [[nodiscard]] Started connect_venues();
  [[nodiscard]] Started open_listeners();
  [[nodiscard]] Started open_ingress();
  [[nodiscard]] Started load_configuration();
  [[nodiscard]] CoreSettings core_settings(std::uint16_t shard) const;
  [[nodiscard]] ShardHostOptions host_options(std::uint16_t shard) const;
  [[nodiscard]] ChangeTargets change_targets();
  void watch_feeds();
  void start_threads();
  void start_redis();
  void note_refusal(const ingress::Refusal& refusal);
  void on_entry(const JournalEntry& entry);
  void set_kill_switch(const KillSwitch& kill_switch);
  // Does not wait: false when a shard's queue is full.
  [[nodiscard]] bool try_set_kill_switch(const KillSwitch& kill_switch, ApiKeyId by);
  [[nodiscard]] std::string on_control(const std::string& line);
  [[nodiscard]] ShardHost& host_of(AccountId account);
  void start_feed(const LeaderFeed& feed, const Credentials& credentials);
  void stop_feed(AccountId account);
  void publish_gauges();
  [[nodiscard]] std::string ready_json(bool& ready);

  // Refreshed from the shards by publish_gauges().
  struct Gauges {
    explicit Gauges(Metrics& metrics);
    Gauge &unknown_orders, &quarantined_links, &exits_in_alarm, &kill_switch_active, &accounts,
        &accounts_reconciled, &links, &reconcile_age, &leader_feeds, &leader_feeds_up,
        &last_reload_successful;
  };

  const Config config_;
  Metrics metrics_;
  EngineClock clock_;
  TouchBoard touch_board_;
  UsdRates usd_rates_;
  KillBoard kill_board_;
  ShardMetrics shard_metrics_;
  Gauges gauges_;
  std::vector<Gauge*> queue_depths_;

  std::vector<std::unique_ptr<ShardHost>> hosts_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<PriceFeed> prices_;
  std::shared_ptr<binance::VenueShared> venue_;

  // Feeds and ingress live on a thread of their own, or on the only shard's where it spins: then
  // nothing is between a byte read and the order it causes.
  std::unique_ptr<net::Reactor> own_feeds_reactor_;
  net::Reactor* feeds_reactor_ = nullptr;
  std::thread feeds_thread_;
  std::unique_ptr<binance::MarketStream> market_;                        // feeds thread
  std::map<AccountId, std::unique_ptr<binance::LeaderStream>> leaders_;  // feeds thread
  std::map<AccountId, std::int64_t> last_fills_;                         // of feeds, from recovery
  std::vector<Core::Seen> seen_events_;                                  // from recovery
  std::unique_ptr<ingress::Ingress> ingress_;                            // feeds thread
  std::unique_ptr<net::Reactor::Timer> feeds_watch_, gauges_watch_, prices_watch_;
  std::atomic<bool> market_up_{false};
  std::atomic<std::size_t> leaders_total_{0}, leaders_up_{0};

  net::Reactor operations_reactor_;
  std::unique_ptr<ingress::Operations> operations_;
  std::thread operations_thread_;
  std::unique_ptr<PgSideWriter> side_writer_;
  std::unique_ptr<MarketSampler> market_sampler_;  // null: switched off
  std::unique_ptr<EventQuestions> questions_;
  std::unique_ptr<Changes> changes_;
  std::unique_ptr<PgLoader> loader_;
  std::unique_ptr<RedisSessions> redis_sessions_;  // null: switched off
  std::unique_ptr<RedisFeed> redis_feed_;          // null: switched off
  std::atomic<bool> configuration_loaded_{false};
  std::unique_ptr<ControlSocket> control_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> records_wanted_{false};  // some stream of ingress is subscribed
};

}  // namespace oneclick
