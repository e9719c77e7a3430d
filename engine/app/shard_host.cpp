#include "engine/app/shard_host.hpp"

#include <algorithm>
#include <chrono>

#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t watch_interval_ns = 20'000'000;
constexpr std::int64_t sink_drain_ns_max = 10'000'000'000;

void note_last_fill(const Event& event, std::map<AccountId, std::int64_t>& last_fills) {
  if (event.kind != EventKind::leader || event.leader.kind != LeaderEventKind::fill) return;
  if (event.leader.feed_account.is_nil()) return;
  std::int64_t& last = last_fills[event.leader.feed_account];
  last = std::max(last, event.leader.event_time_ns);
}

}  // namespace

ShardHost::ShardHost(ShardHostOptions options, ProcessParts parts)
    : options_(std::move(options)), parts_(parts), inbox_(options_.queue_events) {}

ShardHost::~ShardHost() {
  if (snapshot_thread_.joinable()) snapshot_thread_.join();
}

std::expected<std::unique_ptr<ShardHost>, JournalError> ShardHost::recover(ShardHostOptions options,
                                                                           ProcessParts parts) {
  std::unique_ptr<ShardHost> host(new ShardHost(std::move(options), parts));
  auto journal = JournalWriter::open(host->options_.journal, parts.metrics);
  if (!journal) return std::unexpected(journal.error());
  host->journal_ = std::move(*journal);
  if (const auto done = host->recover_core(); !done) return std::unexpected(done.error());
  return host;
}

std::expected<void, JournalError> ShardHost::recover_core() {
  // What a killed predecessor left in the ring is on its way to the file.
  while (journal_->written() < journal_->appended() && !journal_->failed())
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  auto replayed =
      replay_journal(options_.journal.dir, options_.shard.index, {},
                     [this](const Event& event) { note_last_fill(event, last_fills_); });
  if (!replayed) return std::unexpected(replayed.error());
  recovered_ = std::move(*replayed);
  if (!recovered_.mismatch.empty())
    log_error(
        "replay differs from the journal: this build decides otherwise than the one that wrote it",
        {{"shard", options_.shard.index}, {"first", recovered_.mismatch}});
  for (const AccountId feed : recovered_.core.feed_ids())
    if (!last_fills_.contains(feed)) last_fills_[feed] = recovered_.snapshot_time_ns;
  // A crash in the middle of a step kept its last records from the journal: they are derived again.
  for (const Record& record : recovered_.missing)
    recovered_.last_position = journal_->append(record);
  log_info("journal replayed", {{"shard", options_.shard.index},
                                {"position", recovered_.last_position},
                                {"events", recovered_.events},
                                {"records", recovered_.records},
                                {"completed", recovered_.missing.size()}});
  return {};
}

OrderSession* ShardHost::session_for(const Account& account) {
  if (account.venue != Venue::binance || sessions_.empty()) return nullptr;
  return sessions_[account.egress % sessions_.size()].get();
}

void ShardHost::connect(std::shared_ptr<binance::VenueShared> venue, ShardHostHooks hooks) {
  hooks_ = std::move(hooks);
  const std::size_t egresses = std::max<std::size_t>(1, venue->config().egress_addresses.size());
  for (std::size_t e = 0; e < egresses; ++e)
    sessions_.push_back(
        binance::make_order_session(reactor_, venue, static_cast<std::uint8_t>(e), forwarder_));
  shard_ = std::make_unique<Shard>(
      options_.shard,
      ShardSurroundings{.journal = *journal_,
                        .touch_board = parts_.touch_board,
                        .usd_rates = parts_.usd_rates,
                        .kill_board = parts_.kill_board,
                        .poller = poller_,
                        .inbox = inbox_,
                        .metrics = parts_.shard_metrics,
                        .clock = parts_.clock},
      ShardHooks{.session_for = [this](const Account& a) { return session_for(a); },
                 .on_duplicate = hooks_.on_duplicate,
                 .on_snapshot =
                     [this](std::uint64_t position, std::uint64_t seq, std::int64_t time_ns,
                            std::vector<std::byte> state) {
                       save_snapshot(position, seq, time_ns, std::move(state));
                     },
                 .on_journal_failed = hooks_.on_journal_failed},
      std::move(recovered_.core), recovered_.last_seq, recovered_.last_time_ns,
      recovered_.last_position);
  forwarder_.target = &shard_->local_sink();
}

void ShardHost::start() {
  const JournalPosition tail_from = journal_->appended() + 1;
  // Whether the sessions are up is theirs to know, on their thread; others read a copy.
  watch_ = reactor_.make_timer();
  const auto watch = std::make_shared<std::function<void()>>();
  *watch = [this, weak = std::weak_ptr(watch)] {
    sessions_up_ = std::ranges::all_of(sessions_, [](const auto& s) { return s->up(); });
    if (const auto again = weak.lock()) watch_->start(watch_interval_ns, [again] { (*again)(); });
  };
  watch_->start(0, [watch] { (*watch)(); });
  sink_ =
      PgSink::start({.database_url = options_.database_url,
                     .journal_dir = options_.journal.dir,
                     .shard = options_.shard.index,
                     .batch_records_max = options_.sink_batch_records,
                     .batch_wait_ns = options_.sink_batch_wait_ns,
                     .journal_end = [this] { return journal_->synced(); }},
                    parts_.metrics, [this](JournalPosition p) { journal_->set_sink_position(p); });
  tail_ = std::make_unique<JournalTail>(options_.journal.dir, options_.shard.index, tail_from,
                                        *journal_, options_.shard.durability == Durability::power,
                                        hooks_.on_entry);
  shard_->start(options_.settings);
  started_ = true;
}

void ShardHost::stop(std::int64_t drain_ns_max) {
  shard_->stop(drain_ns_max);
  if (snapshot_thread_.joinable()) snapshot_thread_.join();
  // What does not reach the database now is read from the journal at the next start.
  static_cast<void>(sink_->drain(journal_->appended(), sink_drain_ns_max));
  tail_.reset();
  sink_.reset();
  watch_.reset();
  sessions_.clear();
}

void ShardHost::save_snapshot(JournalPosition position, std::uint64_t seq, std::int64_t time_ns,
                              std::vector<std::byte> state) {
  // The shard never waits for the disk: while one snapshot is being written the next is left out.
  if (snapshot_busy_.exchange(true)) return;
  if (snapshot_thread_.joinable()) snapshot_thread_.join();
  snapshot_thread_ =
      std::thread([this, position, seq, time_ns, state = std::move(state)]() mutable {
        // A snapshot never runs ahead of the journal it stands for.
        while (journal_->synced() < position && !journal_->failed())
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (!journal_->failed()) write_and_note(position, seq, time_ns, std::move(state));
        snapshot_busy_ = false;
      });
}

void ShardHost::write_and_note(JournalPosition position, std::uint64_t seq, std::int64_t time_ns,
                               std::vector<std::byte> state) {
  const auto done = write_snapshot(
      options_.journal.dir, options_.shard.index,
      {.position = position, .seq = seq, .time_ns = time_ns, .state = std::move(state)});
  if (done) return journal_->set_snapshot_position(position);
  log_error("snapshot not written",
            {{"shard", options_.shard.index}, {"error", done.error().message}});
}

bool ShardHost::sessions_up() const {
  return sessions_up_.load();
}

}  // namespace oneclick
