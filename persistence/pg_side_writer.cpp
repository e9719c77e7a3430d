// Rows that are not derived from the journal: security events and samples of the market, from any
// thread, written when the database takes them; and the audit chain, sealed every second.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_connection.hpp"
#include "persistence/pg_market.hpp"

namespace oneclick {

namespace {

constexpr std::size_t waiting_max = 10'000;
constexpr std::int64_t idle_ns = 1'000'000'000;
constexpr std::int64_t retry_ns = 1'000'000'000;
constexpr std::int64_t goodbye_ns_max = 1'000'000'000;
// How long a committed audit row may stay unsealed while the database answers.
constexpr std::int64_t seal_ns = 1'000'000'000;
constexpr std::int64_t seal_retry_ns = 30'000'000'000;
constexpr std::size_t samples_waiting_max = 50'000;
constexpr std::size_t samples_batch_max = 1'000;
// Partitions of coming months are looked after so often; until then the rest takes every row.
constexpr std::int64_t partitions_ns = 3'600'000'000'000;
// Portfolios are told what they are worth no more often, and when that failed, later again.
constexpr std::int64_t mark_ns = 60'000'000'000;
constexpr std::int64_t seal_rows_max = 1'000;  // a statement of some ten milliseconds

class SideWriter final : public PgSideWriter {
 public:
  SideWriter(std::string database_url, Metrics& metrics)
      : url_(std::move(database_url)),
        written_(metrics.counter("security_events_total", "Rows written to security_events")),
        dropped_(metrics.counter("security_events_dropped_total",
                                 "Security events that found no room while PostgreSQL was away")),
        samples_written_(metrics.counter("market_samples_total",
                                         "Samples written to price_history and market_data")),
        samples_dropped_(metrics.counter(
            "market_samples_dropped_total",
            "Samples that found no room while PostgreSQL was away, or that it refused")),
        sealed_(metrics.counter("audit_sealed_rows_total", "Audit rows chained by this process")),
        unsealed_(metrics.gauge("audit_unsealed_rows", "Audit rows written and not yet chained")),
        unsealed_age_(metrics.gauge("audit_unsealed_seconds", "Age of the oldest of them")),
        thread_([this] { run(); }) {}

  ~SideWriter() override {
    stop_.give();
    // What waits is written if the database takes it soon.
    (void)done_.get_future().wait_for(std::chrono::nanoseconds(goodbye_ns_max));
    abandon_.give();
    thread_.join();
  }

  void security_event(SecurityEvent event) override {
    {
      const std::lock_guard hold(mutex_);
      if (waiting_.size() >= waiting_max) {
        dropped_.add();
        return;
      }
      waiting_.push_back(std::move(event));
    }
    stop_.nudge();
  }

  void market(std::vector<MarketSample> samples) override {
    {
      const std::lock_guard hold(mutex_);
      samples_.insert(samples_.end(), samples.begin(), samples.end());
      while (samples_.size() > samples_waiting_max) {
        samples_.pop_front();
        samples_dropped_.add();
      }
    }
    stop_.nudge();
  }

  void usd_rates(std::vector<UsdRate> rates) override {
    {
      const std::lock_guard hold(mutex_);
      rates_.insert(rates_.end(), rates.begin(), rates.end());
      while (rates_.size() > samples_waiting_max) rates_.pop_front();
    }
    stop_.nudge();
  }

 private:
  void run() {
    while (!stop_.given()) {
      if (steady_now_ns() >= seal_at_ns_) {
        seal();
      } else if (!has_waiting()) {
        stop_.wait(idle_ns);
      } else if (!connection_ && !connect()) {
        stop_.wait(retry_ns);
      } else {
        write_next();
      }
    }
    while (has_waiting() && (connection_ || connect()) && write_next()) {
    }
    done_.set_value();
  }

  bool has_waiting() {
    const std::lock_guard hold(mutex_);
    return !waiting_.empty() || !samples_.empty() || !rates_.empty();
  }

  // Security events first. False: the database did not take it, and something waits still.
  bool write_next() {
    if (has_events()) return write_front();
    if (!write_rates() || !write_samples()) return false;
    mark();
    return true;
  }

  bool has_events() {
    const std::lock_guard hold(mutex_);
    return !waiting_.empty();
  }

  bool write_rates() {
    std::vector<UsdRate> batch;
    {
      const std::lock_guard hold(mutex_);
      const auto end =
          rates_.begin() + static_cast<std::ptrdiff_t>(std::min(rates_.size(), samples_batch_max));
      batch.assign(rates_.begin(), end);
    }
    const auto put = write_usd_rates(*connection_, batch);
    if (!put && !put.error().is_data()) {
      connection_.reset();
      stop_.wait(retry_ns);
      return false;
    }
    if (!put)
      log_error("rates to USD were refused by the database", {{"reason", put.error().message}});
    const std::lock_guard hold(mutex_);
    // Some of them may have gone meanwhile, to make room.
    rates_.erase(rates_.begin(), rates_.begin() + static_cast<std::ptrdiff_t>(
                                                      std::min(rates_.size(), batch.size())));
    return true;
  }

  // With the prices that were just written.
  void mark() {
    if (has_waiting() || stop_.given() || steady_now_ns() < mark_at_ns_) return;
    mark_at_ns_ = steady_now_ns() + mark_ns;
    const auto done = mark_portfolios(*connection_);
    if (done) return;
    if (done.error().lost) {
      connection_.reset();
      return;
    }
    log_error("portfolios cannot be told what they are worth", {{"problem", done.error().message}});
  }

  bool connect() {
    auto opened = PgConnection::open(url_, {.application_name = "oneclick side writer"}, abandon_);
    if (opened) connection_ = std::move(*opened);
    return opened.has_value();
  }

  // Several daemons may do this: the database lets one of them.
  void seal() {
    seal_at_ns_ = steady_now_ns() + seal_ns;
    if (!connection_ && !connect()) return;
    const auto done =
        connection_->run("SELECT sealed, unsealed, unsealed_seconds FROM engine.seal_audit(" +
                         std::to_string(seal_rows_max) + ")");
    if (!done) {
      if (done.error().lost) {
        connection_.reset();
        return;
      }
      log_error("the audit chain cannot be sealed", {{"problem", done.error().message}});
      seal_at_ns_ = steady_now_ns() + seal_retry_ns;
      return;
    }
    sealed_.add(static_cast<std::uint64_t>(done->integer(0, 0)));
    unsealed_.set(static_cast<double>(done->integer(0, 1)));
    unsealed_age_.set(std::strtod(std::string(done->text(0, 2)).c_str(), nullptr));
    if (done->integer(0, 0) >= seal_rows_max) seal_at_ns_ = 0;  // there is more
  }

  // The row leaves the queue when it is written, or when the database will never take it.
  bool write_front() {
    SecurityEvent event;
    {
      const std::lock_guard hold(mutex_);
      event = waiting_.front();
    }
    const std::vector<std::optional<std::string>> values = {
        event.user ? std::optional(event.user->to_text()) : std::nullopt, event.event_type,
        event.severity, event.description,
        event.ip_address.empty() ? std::nullopt : std::optional(event.ip_address)};
    const auto put = connection_->run(
        "INSERT INTO public.security_events (user_id, event_type, severity, description, "
        "ip_address)"
        " VALUES ((SELECT u.id FROM public.users u WHERE u.id = $1::uuid), $2,"
        " $3::public.security_event_severity, $4, $5::inet)",
        values);
    if (!put && !put.error().is_data()) {
      connection_.reset();
      stop_.wait(retry_ns);
      return false;
    }
    if (put)
      written_.add();
    else
      log_error("a security event was refused by the database",
                {{"type", event.event_type}, {"reason", put.error().message}});
    const std::lock_guard hold(mutex_);
    waiting_.pop_front();
    return true;
  }

  // The samples leave the queue first, so that it may lose its oldest meanwhile; what the database
  // does not take goes back.
  bool write_samples() {
    keep_partitions();
    std::vector<MarketSample> batch;
    {
      const std::lock_guard hold(mutex_);
      const auto end = samples_.begin() +
                       static_cast<std::ptrdiff_t>(std::min(samples_.size(), samples_batch_max));
      batch.assign(samples_.begin(), end);
      samples_.erase(samples_.begin(), end);
    }
    const auto put = connection_
                         ? write_market(*connection_, batch)
                         : std::unexpected(PgError{.message = {}, .sqlstate = {}, .lost = true});
    if (put) {
      samples_written_.add(batch.size());
      samples_problem_.clear();
      return true;
    }
    if (put.error().is_data()) {
      log_error("samples of the market were refused by the database",
                {{"reason", put.error().message}});
      samples_dropped_.add(batch.size());
      return true;
    }
    if (put.error().lost) connection_.reset();
    if (put.error().sqlstate != samples_problem_ && !put.error().sqlstate.empty())
      log_error("samples of the market wait to be written", {{"problem", put.error().message}});
    samples_problem_ = put.error().sqlstate;
    {
      const std::lock_guard hold(mutex_);
      samples_.insert(samples_.begin(), batch.begin(), batch.end());
    }
    stop_.wait(retry_ns);
    return false;
  }

  void keep_partitions() {
    if (steady_now_ns() < partitions_at_ns_) return;
    partitions_at_ns_ = steady_now_ns() + partitions_ns;
    const auto made = connection_->run("SELECT engine.keep_partitions()");
    if (made) return;
    if (made.error().lost) {
      connection_.reset();
      partitions_at_ns_ = 0;
      return;
    }
    log_error("partitions of the time series cannot be made", {{"problem", made.error().message}});
  }

  const std::string url_;
  Counter& written_;
  Counter& dropped_;
  Counter& samples_written_;
  Counter& samples_dropped_;
  Counter& sealed_;
  Gauge& unsealed_;
  Gauge& unsealed_age_;
  std::int64_t seal_at_ns_ = 0;
  std::int64_t partitions_at_ns_ = 0;
  std::int64_t mark_at_ns_ = 0;
  StopSignal stop_;
  StopSignal abandon_;
  std::promise<void> done_;
  std::unique_ptr<PgConnection> connection_;
  std::mutex mutex_;
  std::deque<SecurityEvent> waiting_;
  std::deque<MarketSample> samples_;
  std::deque<UsdRate> rates_;
  std::string samples_problem_;  // that was told last
  std::thread thread_;
};

}  // namespace

std::unique_ptr<PgSideWriter> PgSideWriter::start(std::string database_url, Metrics& metrics) {
  return std::make_unique<SideWriter>(std::move(database_url), metrics);
}

}  // namespace oneclick
