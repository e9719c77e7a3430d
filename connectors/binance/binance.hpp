// Binance spot: order traffic, leaders' account streams and market data. What engine/app needs to
// make the connector's parts; everything made with a Reactor lives on that reactor's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connectors/net/rate_limit.hpp"
#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/metrics.hpp"
#include "engine/domain/event.hpp"
#include "engine/domain/port.hpp"

namespace oneclick::binance {

struct Config {
  std::string rest_url = "https://api.binance.com";
  std::string ws_api_url = "wss://ws-api.binance.com:443/ws-api/v3";
  std::string stream_url = "wss://stream.binance.com:9443";
  std::string ca_file;  // empty: the system's store
  // "host:port" to dial instead of a URL's; names are still verified by the URL.
  std::string rest_connect_to;
  std::string ws_api_connect_to;
  std::string stream_connect_to;
  std::vector<std::string> egress_addresses;  // local addresses by egress index; empty: one, any
  std::vector<std::string> symbols;           // "BTC/USDT"; empty: all the venue trades
  std::uint32_t recv_window_ms = 5'000;
  double exit_reserve_ratio = 0.1;  // of every window, for exits and queries only
  std::int64_t ping_interval_ns = 5'000'000'000;
  std::int64_t reconnect_min_ns = 100'000'000;
  std::int64_t reconnect_max_ns = 30'000'000'000;
  std::int64_t connection_lifetime_ns = 23LL * 3600 * 1'000'000'000;  // the venue ends them at 24 h
  std::int64_t request_timeout_ns = 15'000'000'000;  // the venue itself answers or gives up at 10 s
  std::int64_t clock_interval_ns = 60'000'000'000;
  std::int64_t instruments_interval_ns = 300'000'000'000;
  std::int64_t leader_check_interval_ns =
      60'000'000'000;  // a silent leader is looked up this often
  std::uint32_t requests_in_flight_max =
      32'768;  // of one session; beyond: SubmitResult::rate_budget
  std::uint32_t subscriptions_per_connection = 1'000;
  std::uint32_t reconcile_in_flight_max = 256;
  // Every account is read back this often, the longest not read first, while less than this share
  // of the weight window is used: the rest is left to orders.
  std::int64_t sweep_interval_ns = 600'000'000'000;
  double sweep_budget_ratio = 0.5;
  std::int64_t stream_silence_ns =
      5'000'000'000;  // an order is over for so long and the stream does not say so: it is replaced
  std::size_t held_events_max = 200'000;  // events nobody takes; beyond: the connection is closed
};

// Instruments by the venue's symbol. Immutable once published.
struct InstrumentTable {
  std::vector<Instrument> rows;
  std::unordered_map<std::string_view, const Instrument*> by_venue_symbol;  // views into rows
  [[nodiscard]] const Instrument* find(std::string_view venue_symbol) const;
};

// How far the venue's clock is ahead of the engine's: the median of the last samples. Thread-safe.
class ClockOffset {
 public:
  void add_sample(std::int64_t sent_ns, std::int64_t received_ns, std::int64_t server_ms);
  [[nodiscard]] bool known() const { return known_.load(std::memory_order_acquire); }
  [[nodiscard]] std::int64_t offset_ns() const {
    return offset_ns_.load(std::memory_order_relaxed);
  }
  // Forgets the samples: the venue says our time is wrong.
  void distrust(std::int64_t now_ns);
  // True for one caller when it is time to measure again.
  [[nodiscard]] bool claim_measurement(std::int64_t now_ns, std::int64_t interval_ns);

 private:
  static constexpr std::size_t samples_max = 5;
  std::mutex mutex_;
  std::vector<std::int64_t> samples_;
  std::size_t next_ = 0;
  std::atomic<std::int64_t> offset_ns_{0};
  std::atomic<bool> known_{false};
  std::atomic<std::int64_t> next_measurement_ns_{0};
};

// What one local address may still send. Windows are the venue's and count by its clock.
struct EgressBudget {
  EgressBudget(std::string address, double exit_reserve_ratio);
  std::string local_address;
  net::RateWindow weight;       // REQUEST_WEIGHT, one minute
  net::RateWindow raw;          // RAW_REQUESTS, five minutes
  net::RateWindow connections;  // connection attempts, five minutes
  std::atomic<int> sessions{0};
  std::atomic<int> sessions_up{0};
  // Takes from both request windows, or from none that matters.
  [[nodiscard]] bool try_take(std::uint32_t weight_cost, bool is_exit, std::int64_t venue_now_ns);
  [[nodiscard]] bool try_connect(std::int64_t venue_now_ns);
  void pause_until(std::int64_t venue_ns);
};

// What all parts of the connector in one process share. Thread-safe.
class VenueShared {
 public:
  [[nodiscard]] static std::expected<std::shared_ptr<VenueShared>, std::string> make(
      Config config, EngineClock clock, Metrics& metrics);

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const std::shared_ptr<net::TlsClient>& tls() const { return tls_; }
  [[nodiscard]] std::int64_t now_ns() const { return clock_.now_ns(); }
  [[nodiscard]] std::int64_t venue_now_ns() const { return now_ns() + offset.offset_ns(); }
  // The venue's milliseconds in the engine's clock.
  [[nodiscard]] std::int64_t from_venue_ms(std::int64_t ms) const {
    return ms * 1'000'000 - offset.offset_ns();
  }
  [[nodiscard]] EgressBudget& egress(std::uint8_t index) const;

  // Null until exchangeInfo was read once.
  [[nodiscard]] std::shared_ptr<const InstrumentTable> instruments() const;
  void publish_instruments(std::vector<Instrument> rows);
  [[nodiscard]] std::uint64_t instruments_version() const {
    return instruments_version_.load(std::memory_order_acquire);
  }
  // Limits of every address, as exchangeInfo says; zero leaves one as it is.
  void set_egress_limits(std::uint32_t weight, std::uint32_t raw, std::uint32_t connections);
  // Orders per account, as exchangeInfo says: limits of the short and of the daily window.
  void set_order_limits(std::uint32_t short_limit, std::uint32_t day_limit);
  [[nodiscard]] std::uint32_t orders_short_limit() const { return orders_short_limit_.load(); }
  [[nodiscard]] std::uint32_t orders_day_limit() const { return orders_day_limit_.load(); }

  // Brings gauges up to date: clock offset, budgets, sessions.
  void publish_metrics();

  // When the account that was read back longest ago was; now where there is none.
  [[nodiscard]] std::int64_t oldest_reading_ns() const;
  // A session's own, kept up by it; int64 max while it has no account.
  using Reading = std::shared_ptr<std::atomic<std::int64_t>>;
  [[nodiscard]] Reading add_reading();

  ClockOffset offset;
  Counter& orders_sent;
  Counter& acks_accepted;
  Counter& acks_rejected;
  Counter& acks_unknown;
  Counter& refused_messages;  // of the venue, that could not be read

 private:
  VenueShared(Config config, EngineClock clock, Metrics& metrics,
              std::shared_ptr<net::TlsClient> tls);
  const Config config_;
  const EngineClock clock_;
  const std::shared_ptr<net::TlsClient> tls_;
  std::vector<std::unique_ptr<EgressBudget>> egresses_;
  std::vector<Gauge*> budget_gauges_;
  std::vector<Gauge*> session_gauges_;
  Gauge& offset_gauge_;
  mutable std::mutex instruments_mutex_;
  std::shared_ptr<const InstrumentTable> instruments_;
  std::atomic<std::uint64_t> instruments_version_{0};
  mutable std::mutex readings_mutex_;
  std::vector<std::weak_ptr<std::atomic<std::int64_t>>> readings_;
  std::atomic<std::uint32_t> orders_short_limit_{50};
  std::atomic<std::uint32_t> orders_day_limit_{160'000};
};

// Order traffic of one shard through one egress: signed requests of all attached accounts on shared
// WebSocket API connections, their account events on the same ones. Account streams start once the
// instruments are known.
[[nodiscard]] std::unique_ptr<OrderSession> make_order_session(net::Reactor& reactor,
                                                               std::shared_ptr<VenueShared> shared,
                                                               std::uint8_t egress,
                                                               EventSink& sink);

// One leader's account stream. Fills become leader events; those missed while away are fetched.
class LeaderStream {
 public:
  virtual ~LeaderStream() = default;
  [[nodiscard]] virtual bool up() const = 0;  // subscribed, and nothing left to fetch
};
struct LeaderStreamOptions {
  LeaderFeed feed;
  Credentials credentials;
  std::uint8_t egress = 0;
  // Fills from here on are fetched first (the last one known, or zero: from the feed's baseline).
  std::int64_t resume_from_ns = 0;
};
// Null when the credentials cannot be used.
[[nodiscard]] std::unique_ptr<LeaderStream> make_leader_stream(net::Reactor& reactor,
                                                               std::shared_ptr<VenueShared> shared,
                                                               LeaderStreamOptions options,
                                                               EventSink& sink);

// Best bid and ask of the configured symbols, instruments with their rules, and the venue's clock.
class MarketStream {
 public:
  virtual ~MarketStream() = default;
  [[nodiscard]] virtual bool up() const = 0;  // instruments known and every stream open
};
[[nodiscard]] std::unique_ptr<MarketStream> make_market_stream(net::Reactor& reactor,
                                                               std::shared_ptr<VenueShared> shared,
                                                               std::uint8_t egress,
                                                               TouchSink& touches, EventSink& sink);

}  // namespace oneclick::binance
