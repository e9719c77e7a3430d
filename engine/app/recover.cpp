#include "engine/app/recover.hpp"

#include <cstring>
#include <deque>

#include <fmt/format.h>

#include "engine/app/intent_check.hpp"

namespace oneclick {

namespace {

// Collects what a step derives, to be compared with what the journal says it gave.
class Derived final : public Output {
 public:
  explicit Derived(bool keep_intents) : keep_intents_(keep_intents) {}
  void on_intent(const Intent& intent) override {
    if (keep_intents_) intents_.push_back(intent);
  }
  void on_record(const Record& record) override { records_.push_back(record); }
  [[nodiscard]] const std::vector<Intent>& intents() const { return intents_; }
  void clear() {
    records_.clear();
    intents_.clear();
  }
  [[nodiscard]] bool empty() const { return records_.empty(); }
  [[nodiscard]] const Record& front() const { return records_.front(); }
  void pop() { records_.pop_front(); }
  [[nodiscard]] std::vector<Record> rest() const { return {records_.begin(), records_.end()}; }

 private:
  const bool keep_intents_;
  std::vector<Intent> intents_;
  std::deque<Record> records_;
};

bool same(const Record& a, const Record& b) {
  return a.kind == b.kind && a.payload_size == b.payload_size && a.cause_seq == b.cause_seq &&
         a.time_ns == b.time_ns &&
         std::memcmp(&a.leader_event, &b.leader_event, a.payload_size) == 0;
}

// Feeds a journal's entries to a core and keeps the two in step.
class Replay {
 public:
  Replay(Core core, const ReplayOptions& options, bool from_snapshot,
         const std::function<void(const Event&)>& on_event)
      : on_event_(on_event), derived_(options.check_intents) {
    result_.core = std::move(core);
    if (options.check_intents) check_.emplace(result_.core, from_snapshot);
  }

  void start_from(const Snapshot& snapshot) {
    result_.last_position = snapshot.position;
    result_.last_seq = snapshot.seq;
    result_.last_time_ns = snapshot.time_ns;
    result_.snapshot_time_ns = snapshot.time_ns;
  }
  void on_entry(const JournalEntry& entry) {
    result_.last_position = entry.position;
    if (entry.event != nullptr) {
      on_input(*entry.event, entry.position);
    } else {
      on_recorded(*entry.record, entry.position);
    }
  }
  [[nodiscard]] Replayed finish() {
    result_.missing = derived_.rest();
    finish_check();
    return std::move(result_);
  }
  [[nodiscard]] JournalPosition position() const { return result_.last_position; }

 private:
  void on_input(const Event& event, JournalPosition position) {
    if (!derived_.empty()) note(position, "an input before all records of the one before it");
    derived_.clear();
    ++result_.events;
    result_.last_seq = event.seq;
    result_.last_time_ns = event.time_ns;
    result_.core.step(event, derived_);
    if (on_event_) on_event_(event);
    if (!check_) return;
    check_->on_step(event, derived_.intents());
    take_problem(position);
  }
  void on_recorded(const Record& record, JournalPosition position) {
    ++result_.records;
    if (derived_.empty()) return note(position, "a record that its input does not give");
    if (!same(record, derived_.front())) note(position, "a record unlike the one its input gives");
    derived_.pop();
    if (check_) check_->on_record(record);
  }
  void finish_check() {
    if (!check_) return;
    for (const Record& record : result_.missing) check_->on_record(record);
    check_->finish();
    take_problem(result_.last_position);
    result_.intents = check_->count();
    result_.intents_digest = check_->digest();
  }
  void take_problem(JournalPosition position) {
    if (const std::string problem = check_->take_problem(); !problem.empty())
      note(position, problem);
  }
  void note(JournalPosition position, std::string_view what) {
    if (result_.mismatch.empty()) result_.mismatch = fmt::format("entry {}: {}", position, what);
  }

  const std::function<void(const Event&)>& on_event_;
  Derived derived_;
  Replayed result_;
  std::optional<IntentCheck> check_;
};

std::expected<std::optional<Snapshot>, JournalError> snapshot_for(const std::filesystem::path& dir,
                                                                  std::uint16_t shard,
                                                                  ReplayOptions options) {
  if (!options.use_snapshot) return std::optional<Snapshot>{};
  return load_snapshot(dir, shard);
}

}  // namespace

std::expected<Replayed, JournalError> replay_journal(
    const std::filesystem::path& dir, std::uint16_t shard, ReplayOptions options,
    const std::function<void(const Event&)>& on_event) {
  const auto snapshot = snapshot_for(dir, shard, options);
  if (!snapshot) return std::unexpected(snapshot.error());
  Core core;
  if (snapshot->has_value()) {
    auto loaded = Core::load((*snapshot)->state);
    if (!loaded)
      return std::unexpected(
          JournalError{JournalError::Kind::damaged, "snapshot: " + loaded.error()});
    core = std::move(*loaded);
  }
  Replay replay(std::move(core), options, snapshot->has_value(), on_event);
  if (snapshot->has_value()) replay.start_from(**snapshot);

  auto reader = JournalReader::open(dir, shard, replay.position() + 1);
  if (!reader) return std::unexpected(reader.error());
  while (replay.position() < options.until) {
    const auto entry = (*reader)->next();
    if (!entry) return std::unexpected(entry.error());
    if (!entry->has_value()) break;
    replay.on_entry(**entry);
  }
  return replay.finish();
}

}  // namespace oneclick
