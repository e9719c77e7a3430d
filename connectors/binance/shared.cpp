// What the parts of the connector share: budgets, the clock's offset, instruments, counters.
#include <algorithm>
#include <limits>

#include "connectors/binance/binance.hpp"
#include "engine/base/check.hpp"

namespace oneclick::binance {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
// Until exchangeInfo says otherwise (Binance spot API docs, CHANGELOG 2026-03-27 for RAW_REQUESTS).
constexpr std::uint32_t weight_limit = 6'000;
constexpr std::uint32_t raw_limit = 300'000;
constexpr std::uint32_t connection_limit = 300;
constexpr std::uint32_t connect_weight = 2;
// Server time is cut to milliseconds: half of one is what it lacks on average.
constexpr std::int64_t half_ms_ns = 500'000;

}  // namespace

const Instrument* InstrumentTable::find(std::string_view venue_symbol) const {
  const auto found = by_venue_symbol.find(venue_symbol);
  return found == by_venue_symbol.end() ? nullptr : found->second;
}

void ClockOffset::add_sample(std::int64_t sent_ns, std::int64_t received_ns,
                             std::int64_t server_ms) {
  const std::int64_t middle = sent_ns + (received_ns - sent_ns) / 2;
  const std::int64_t sample = server_ms * 1'000'000 + half_ms_ns - middle;
  const std::lock_guard hold(mutex_);
  if (samples_.size() < samples_max) {
    samples_.push_back(sample);
  } else {
    samples_[next_] = sample;
    next_ = (next_ + 1) % samples_max;
  }
  std::vector<std::int64_t> sorted = samples_;
  std::sort(sorted.begin(), sorted.end());
  offset_ns_.store(sorted[sorted.size() / 2], std::memory_order_relaxed);
  known_.store(true, std::memory_order_release);
}

void ClockOffset::distrust(std::int64_t now_ns) {
  const std::lock_guard hold(mutex_);
  samples_.clear();
  next_ = 0;
  next_measurement_ns_.store(now_ns);
}

bool ClockOffset::claim_measurement(std::int64_t now_ns, std::int64_t interval_ns) {
  std::int64_t next = next_measurement_ns_.load();
  return now_ns >= next && next_measurement_ns_.compare_exchange_strong(next, now_ns + interval_ns);
}

EgressBudget::EgressBudget(std::string address, double exit_reserve_ratio)
    : local_address(std::move(address)),
      weight(60 * second_ns, weight_limit, exit_reserve_ratio),
      raw(300 * second_ns, raw_limit, exit_reserve_ratio),
      connections(300 * second_ns, connection_limit, 0) {}

bool EgressBudget::try_take(std::uint32_t weight_cost, bool is_exit, std::int64_t venue_now_ns) {
  if (!raw.has_room(1, is_exit, venue_now_ns)) return false;
  // What weighs nothing is not kept from leaving by the reserve, only by a pause or a spent window.
  if (!weight.try_take(weight_cost, is_exit || weight_cost == 0, venue_now_ns)) return false;
  return raw.try_take(1, is_exit, venue_now_ns);
}

// Asked again and again while weight is spent or paused: that must not use the connections up, or
// nothing would be connected for minutes after.
bool EgressBudget::try_connect(std::int64_t venue_now_ns) {
  return weight.has_room(connect_weight, true, venue_now_ns) &&
         connections.try_take(1, true, venue_now_ns) &&
         weight.try_take(connect_weight, true, venue_now_ns);
}

// The venue's clock is known to within some milliseconds: never a moment before it allows.
void EgressBudget::pause_until(std::int64_t venue_ns) {
  constexpr std::int64_t clock_margin_ns = 10'000'000;
  venue_ns += clock_margin_ns;
  weight.pause_until(venue_ns);
  raw.pause_until(venue_ns);
}

std::expected<std::shared_ptr<VenueShared>, std::string> VenueShared::make(Config config,
                                                                           EngineClock clock,
                                                                           Metrics& metrics) {
  for (const std::string* url : {&config.rest_url, &config.ws_api_url, &config.stream_url}) {
    const auto parsed = net::parse_url(*url);
    if (!parsed) return std::unexpected(*url + ": " + parsed.error());
  }
  if (config.recv_window_ms == 0 || config.recv_window_ms > 60'000)
    return std::unexpected("recv_window_ms is outside 1..60000");
  if (config.requests_in_flight_max == 0 || config.requests_in_flight_max > 65'536)
    return std::unexpected("requests_in_flight_max is outside 1..65536");
  if (config.subscriptions_per_connection == 0 || config.subscriptions_per_connection > 1'000)
    return std::unexpected("subscriptions_per_connection is outside 1..1000");
  if (!(config.exit_reserve_ratio >= 0 && config.exit_reserve_ratio < 1))
    return std::unexpected("exit_reserve_ratio is outside 0..1");
  if (!(config.sweep_budget_ratio > 0 && config.sweep_budget_ratio <= 1))
    return std::unexpected("sweep_budget_ratio is outside 0..1");
  auto tls = net::TlsClient::make(config.ca_file);
  if (!tls) return std::unexpected(config.ca_file + ": " + tls.error());
  if (config.egress_addresses.empty()) config.egress_addresses.emplace_back();
  return std::shared_ptr<VenueShared>(
      new VenueShared(std::move(config), clock, metrics, std::move(*tls)));
}

VenueShared::VenueShared(Config config, EngineClock clock, Metrics& metrics,
                         std::shared_ptr<net::TlsClient> tls)
    : orders_sent(metrics.counter("orders_sent_total", "orders handed to the venue's connection",
                                  {{"venue", "binance"}})),
      acks_accepted(metrics.counter("order_acks_total", "answers to orders",
                                    {{"venue", "binance"}, {"result", "accepted"}})),
      acks_rejected(metrics.counter("order_acks_total", "answers to orders",
                                    {{"venue", "binance"}, {"result", "rejected"}})),
      acks_unknown(metrics.counter("order_acks_total", "answers to orders",
                                   {{"venue", "binance"}, {"result", "unknown"}})),
      refused_messages(metrics.counter("refused_messages_total",
                                       "messages of a venue that could not be read",
                                       {{"venue", "binance"}})),
      config_(std::move(config)),
      clock_(clock),
      tls_(std::move(tls)),
      offset_gauge_(metrics.gauge("clock_offset_seconds", "venue's clock minus the engine's",
                                  {{"venue", "binance"}})) {
  for (std::size_t i = 0; i < config_.egress_addresses.size(); ++i) {
    egresses_.push_back(
        std::make_unique<EgressBudget>(config_.egress_addresses[i], config_.exit_reserve_ratio));
    const Labels labels = {{"venue", "binance"}, {"egress", std::to_string(i)}};
    budget_gauges_.push_back(&metrics.gauge("rate_budget_remaining_ratio",
                                            "share of the scarcest request window left", labels));
    session_gauges_.push_back(
        &metrics.gauge("session_up", "1 while every order session is up", labels));
  }
}

// An egress that is not configured shares the first one's budget: too careful rather than banned.
EgressBudget& VenueShared::egress(std::uint8_t index) const {
  return *egresses_[index < egresses_.size() ? index : 0];
}

std::shared_ptr<const InstrumentTable> VenueShared::instruments() const {
  const std::lock_guard hold(instruments_mutex_);
  return instruments_;
}

void VenueShared::publish_instruments(std::vector<Instrument> rows) {
  auto table = std::make_shared<InstrumentTable>();
  table->rows = std::move(rows);
  for (const Instrument& row : table->rows)
    table->by_venue_symbol.emplace(row.venue_symbol.view(), &row);
  const std::lock_guard hold(instruments_mutex_);
  instruments_ = std::move(table);
  instruments_version_.fetch_add(1, std::memory_order_release);
}

void VenueShared::set_egress_limits(std::uint32_t weight, std::uint32_t raw,
                                    std::uint32_t connections) {
  for (const auto& e : egresses_) {
    if (weight > 0) e->weight.set_limit(weight);
    if (raw > 0) e->raw.set_limit(raw);
    if (connections > 0) e->connections.set_limit(connections);
  }
}

void VenueShared::set_order_limits(std::uint32_t short_limit, std::uint32_t day_limit) {
  if (short_limit > 0) orders_short_limit_.store(short_limit);
  if (day_limit > 0) orders_day_limit_.store(day_limit);
}

VenueShared::Reading VenueShared::add_reading() {
  auto reading =
      std::make_shared<std::atomic<std::int64_t>>(std::numeric_limits<std::int64_t>::max());
  const std::lock_guard hold(readings_mutex_);
  std::erase_if(readings_, [](const auto& r) { return r.expired(); });
  readings_.push_back(reading);
  return reading;
}

std::int64_t VenueShared::oldest_reading_ns() const {
  std::int64_t oldest = now_ns();
  const std::lock_guard hold(readings_mutex_);
  for (const auto& weak : readings_)
    if (const auto reading = weak.lock()) oldest = std::min(oldest, reading->load());
  return oldest;
}

void VenueShared::publish_metrics() {
  offset_gauge_.set(static_cast<double>(offset.offset_ns()) / 1e9);
  const std::int64_t now = venue_now_ns();
  for (std::size_t i = 0; i < egresses_.size(); ++i) {
    const EgressBudget& e = *egresses_[i];
    budget_gauges_[i]->set(std::min(e.weight.remaining_ratio(now), e.raw.remaining_ratio(now)));
    const int sessions = e.sessions.load();
    session_gauges_[i]->set(sessions > 0 && e.sessions_up.load() == sessions ? 1 : 0);
  }
}

}  // namespace oneclick::binance
