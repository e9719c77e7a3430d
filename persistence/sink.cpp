// The sink's thread: reads the journal from the committed offset, writes batches, begins again from
// whatever the database says after every break.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/pg.hpp"
#include "persistence/sink_writer.hpp"

namespace oneclick {

namespace {

constexpr int nice_level = 10;  // rows may wait, orders may not
constexpr std::int64_t backoff_ns_min = 50'000'000;
constexpr std::int64_t backoff_ns_max = 2'000'000'000;
// An offset that moved over inputs without rows is worth a commit only now and then.
constexpr std::int64_t offset_only_ns = 200'000'000;
constexpr std::int64_t idle_ns = 2'000'000;
constexpr int entries_a_turn = 20'000;

struct Batch {
  std::vector<SinkRecord> records;
  JournalPosition upto = 0;  // last entry read
  std::int64_t begun_ns = 0;
};

class Backoff {
 public:
  void reset() { next_ns_ = backoff_ns_min; }
  std::int64_t next() {
    const std::int64_t now = next_ns_;
    next_ns_ = std::min(next_ns_ * 2, backoff_ns_max);
    return now;
  }

 private:
  std::int64_t next_ns_ = backoff_ns_min;
};

class Sink final : public PgSink {
 public:
  Sink(PgSinkOptions options, Metrics& metrics, std::function<void(JournalPosition)> on_committed);
  ~Sink() override;
  bool drain(JournalPosition position, std::int64_t timeout_ns) override;
  [[nodiscard]] JournalPosition committed() const override { return committed_.load(); }

 private:
  void run();
  // Connects to database and journal; false: tried and failed, said so.
  [[nodiscard]] bool open();
  [[nodiscard]] bool open_reader();
  void close(std::string_view why);
  // Reads what is there, up to a full batch. False: the journal cannot be read on.
  [[nodiscard]] bool collect();
  [[nodiscard]] bool is_due() const;
  // False: the connection is of no use any more.
  [[nodiscard]] bool write();
  void publish(JournalPosition position);
  void show_lag();

  const PgSinkOptions options_;
  const std::function<void(JournalPosition)> on_committed_;
  Gauge& lag_records_;
  Gauge& lag_seconds_;
  Gauge& up_;
  SinkCounters counters_;

  StopSignal stop_;
  std::unique_ptr<SinkWriter> writer_;
  std::unique_ptr<JournalReader> reader_;
  Batch batch_;
  Backoff backoff_;
  bool is_at_end_ = false;   // of the journal as it was last looked at
  bool is_refused_ = false;  // the last write was refused for now: wait before the same again
  std::string last_problem_;

  std::atomic<JournalPosition> committed_{0};
  std::atomic<JournalPosition> drain_to_{0};
  std::mutex mutex_;
  std::condition_variable moved_;
  std::thread thread_;
};

Labels shard_label(std::uint16_t shard) {
  return {{"shard", fmt::format("{}", shard)}};
}

Sink::Sink(PgSinkOptions options, Metrics& metrics,
           std::function<void(JournalPosition)> on_committed)
    : options_(std::move(options)),
      on_committed_(std::move(on_committed)),
      lag_records_(metrics.gauge("sink_lag_records",
                                 "Journal entries read and not yet committed to PostgreSQL",
                                 shard_label(options_.shard))),
      lag_seconds_(metrics.gauge("sink_lag_seconds",
                                 "Age of the oldest record not yet committed to PostgreSQL",
                                 shard_label(options_.shard))),
      up_(metrics.gauge("sink_up", "1 while the sink can write", shard_label(options_.shard))),
      counters_{.rows = &metrics.counter("sink_rows_total", "Rows written to PostgreSQL",
                                         shard_label(options_.shard)),
                .rejects = &metrics.counter("sink_rejects_total",
                                            "Records set aside in engine.sink_rejects",
                                            shard_label(options_.shard))},
      thread_([this] { run(); }) {}

Sink::~Sink() {
  stop_.give();
  thread_.join();
}

bool Sink::drain(JournalPosition position, std::int64_t timeout_ns) {
  drain_to_.store(position);
  std::unique_lock hold(mutex_);
  return moved_.wait_for(hold, std::chrono::nanoseconds(timeout_ns),
                         [&] { return committed_.load() >= position; });
}

void Sink::run() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), nice_level);
  while (!stop_.given()) {
    show_lag();
    if (!writer_ && !open()) {
      stop_.wait(backoff_.next());
      continue;
    }
    if (!collect()) continue;
    if (!is_due()) {
      if (is_at_end_ || is_refused_) stop_.wait(idle_ns);
    } else if (!write() || is_refused_) {
      stop_.wait(backoff_.next());
    }
  }
}

bool Sink::open() {
  const auto segments = journal::list_segments(
      journal::shard_dir(options_.journal_dir, options_.shard), options_.shard);
  if (!segments || segments->empty()) {
    close(segments ? "there is no journal yet" : segments.error().message);
    return false;
  }
  auto opened = SinkWriter::open(
      options_.database_url, {.shard = options_.shard, .journal = segments->front().header.journal},
      counters_, stop_);
  if (!opened) {
    close(opened.error().message);
    return false;
  }
  writer_ = std::move(*opened);
  if (!open_reader()) return false;
  publish(writer_->committed());
  batch_ = {.records = std::move(batch_.records),
            .upto = writer_->committed(),
            .begun_ns = steady_now_ns()};
  batch_.records.clear();
  up_.set(1);
  if (!last_problem_.empty()) log_info("sink goes on", {{"shard", options_.shard}});
  last_problem_.clear();
  return true;
}

bool Sink::open_reader() {
  auto reader = JournalReader::open(options_.journal_dir, options_.shard, writer_->committed() + 1);
  if (!reader) {
    close(reader.error().message);
    return false;
  }
  reader_ = std::move(*reader);
  return true;
}

void Sink::close(std::string_view why) {
  writer_.reset();
  reader_.reset();
  up_.set(0);
  if (stop_.given() || why == last_problem_) return;
  last_problem_ = why;
  log_error("sink cannot write; the journal keeps everything",
            {{"shard", options_.shard}, {"problem", why}});
}

bool Sink::collect() {
  // Inputs without rows may come by the million: look up now and then.
  for (int n = 0; n < entries_a_turn && !is_refused_; ++n) {
    if (batch_.records.size() >= options_.batch_records_max) break;
    const auto entry = reader_->next();
    if (!entry) {
      close(entry.error().message);
      stop_.wait(backoff_.next());
      return false;
    }
    is_at_end_ = !*entry;
    if (is_at_end_) break;
    if (batch_.upto == writer_->committed()) batch_.begun_ns = steady_now_ns();
    batch_.upto = (*entry)->position;
    if ((*entry)->record != nullptr)
      batch_.records.push_back({.position = (*entry)->position, .record = *(*entry)->record});
  }
  return true;
}

bool Sink::is_due() const {
  if (batch_.upto == writer_->committed()) return false;
  if (batch_.records.size() >= options_.batch_records_max) return true;
  const std::int64_t age = steady_now_ns() - batch_.begun_ns;
  const JournalPosition wanted = drain_to_.load();
  if (wanted > writer_->committed() && batch_.upto >= wanted) return true;
  return age >= (batch_.records.empty() ? offset_only_ns : options_.batch_wait_ns);
}

bool Sink::write() {
  is_refused_ = false;
  const auto written = writer_->write(batch_.records, batch_.upto);
  // Also when it ended early: halves of it may be committed, and reading starts from there.
  if (!written) {
    if (written.error().lost) {
      close(written.error().message);
      return false;
    }
    is_refused_ = true;
    up_.set(0);
    const JournalPosition done = writer_->committed();
    std::erase_if(batch_.records, [&](const SinkRecord& r) { return r.position <= done; });
    publish(done);
    if (last_problem_ != written.error().message) {
      last_problem_ = written.error().message;
      log_error("the database does not take rows now",
                {{"shard", options_.shard}, {"problem", last_problem_}});
    }
    return true;
  }
  batch_.records.clear();
  backoff_.reset();
  up_.set(1);
  last_problem_.clear();
  publish(writer_->committed());
  return true;
}

void Sink::publish(JournalPosition position) {
  if (on_committed_) on_committed_(position);
  {
    const std::lock_guard hold(mutex_);
    committed_.store(position);
  }
  moved_.notify_all();
}

// Behind the journal's end only records count: inputs come all the time and make no rows.
void Sink::show_lag() {
  JournalPosition lag = batch_.records.size();
  if ((!writer_ || !is_at_end_) && options_.journal_end)
    lag =
        std::max(lag, options_.journal_end() - std::min(options_.journal_end(), committed_.load()));
  lag_records_.set(static_cast<double>(lag));
  const double age_ns = batch_.records.empty()
                            ? 0.0
                            : static_cast<double>(std::max<std::int64_t>(
                                  0, wall_now_ns() - batch_.records.front().record.time_ns));
  lag_seconds_.set(age_ns * 1e-9);
}

}  // namespace

std::unique_ptr<PgSink> PgSink::start(PgSinkOptions options, Metrics& metrics,
                                      std::function<void(JournalPosition)> on_committed) {
  return std::make_unique<Sink>(std::move(options), metrics, std::move(on_committed));
}

}  // namespace oneclick
