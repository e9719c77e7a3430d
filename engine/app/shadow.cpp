#include "engine/app/shadow.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/shadow_run.hpp"

namespace oneclick {

namespace {

using Failed = std::unexpected<ShadowError>;

Failed journal_failed(const JournalError& error) {
  const bool damaged =
      error.kind == JournalError::Kind::damaged || error.kind == JournalError::Kind::newer_format;
  return Failed(ShadowError{damaged ? exit_codes::data : exit_codes::failure, error.message});
}
Failed refused(std::string message) {
  return Failed(ShadowError{exit_codes::usage, std::move(message)});
}

// Runs over a journal's entries up to a position. Error, or what `on_entry` refused.
template <typename OnEntry>
std::expected<JournalPosition, ShadowError> each_entry(const std::filesystem::path& dir,
                                                       std::uint16_t shard, JournalPosition from,
                                                       JournalPosition until, OnEntry on_entry) {
  const auto reader = JournalReader::open(dir, shard, from);
  if (!reader) return journal_failed(reader.error());
  JournalPosition last = from - 1;
  while (last < until) {
    const auto entry = (*reader)->next();
    if (!entry) return journal_failed(entry.error());
    if (!entry->has_value()) break;
    last = (*entry)->position;
    if (std::string problem = on_entry(**entry); !problem.empty()) return refused(problem);
  }
  return last;
}

// Outcomes of two runs, paired as they come.
class OutcomePairs {
 public:
  void on_recorded(const OutcomeRecord& o) { meet(o, recorded_, modelled_); }
  void on_modelled(const OutcomeRecord& o) { meet(o, modelled_, recorded_); }
  std::uint64_t compared = 0, same = 0;

 private:
  using Waiting = std::map<std::pair<EventId, LinkId>, std::pair<Outcome, Reason>>;
  void meet(const OutcomeRecord& o, Waiting& own, Waiting& other) {
    const auto found = other.find({o.event, o.link});
    if (found == other.end()) {
      own[{o.event, o.link}] = {o.outcome, o.reason};
      return;
    }
    ++compared;
    same += found->second == std::pair(o.outcome, o.reason);
    other.erase(found);
  }
  Waiting recorded_, modelled_;
};

class ShardShadow {
 public:
  ShardShadow(const ShadowOptions& options, std::uint16_t shard)
      : options_(options), shard_(shard) {}

  [[nodiscard]] std::expected<void, ShadowError> run() {
    for (const auto part : {&ShardShadow::find_start, &ShardShadow::look_ahead, &ShardShadow::play})
      if (auto done = (this->*part)(); !done) return done;
    return {};
  }
  void add_to(ShadowReport& report);

 private:
  using Done = std::expected<void, ShadowError>;
  [[nodiscard]] Done find_start();
  [[nodiscard]] Done look_ahead();
  [[nodiscard]] Done play();
  [[nodiscard]] bool is_selected(const CopyLink& link) const {
    return (options_.link.is_nil() || link.id == options_.link) &&
           (options_.user.is_nil() || link.follower == options_.user);
  }
  [[nodiscard]] std::string check(const Event& event) const;
  [[nodiscard]] std::string check_link(const CopyLink& link) const;
  [[nodiscard]] Event changed(const Event& event) const;
  void change_snapshot(ShadowRun& run, bool with_changes) const;
  void start_runs();
  void on_input(const Event& event);
  void on_recorded(const Record& record);

  const ShadowOptions& options_;
  const std::uint16_t shard_;
  std::optional<Snapshot> snapshot_;
  JournalPosition first_ = 1, last_ = 0;
  std::uint64_t events_ = 0, leader_events_ = 0;
  ModelFees fees_, changed_fees_;
  KnownPrices prices_;
  std::map<LinkId, CopyLink> links_;
  LinkBooks recorded_;
  std::optional<ShadowRun> baseline_, changed_;
  OutcomePairs pairs_;
};

ShardShadow::Done ShardShadow::find_start() {
  const auto summary = verify_journal(options_.dir, shard_);
  if (!summary) return journal_failed(summary.error());
  last_ = summary->last;
  if (summary->first <= 1) return {};
  // The beginning is no longer kept.
  auto snapshot = load_snapshot(options_.dir, shard_);
  if (!snapshot) return journal_failed(snapshot.error());
  if (!snapshot->has_value())
    return Failed(
        ShadowError{exit_codes::data,
                    fmt::format("shard {}: the journal begins at {}, and there is no snapshot",
                                shard_, summary->first)});
  snapshot_ = std::move(*snapshot);
  first_ = snapshot_->position + 1;
  return {};
}

std::string ShardShadow::check_link(const CopyLink& link) const {
  if (!is_selected(link)) return {};
  const auto other = with_terms(link, options_.link_terms);
  return other ? std::string()
               : fmt::format("--set for link {}: {}", link.id.to_text(), other.error());
}

std::string ShardShadow::check(const Event& event) const {
  if (event.kind == EventKind::link_upsert) return check_link(event.link);
  if (event.kind != EventKind::fence) return {};
  const auto settings = with_overrides(event.fence.settings, options_.core_overrides);
  return settings ? std::string() : settings.error().front();
}

ShardShadow::Done ShardShadow::look_ahead() {
  const auto read = each_entry(options_.dir, shard_, first_, last_,
                               [this](const JournalEntry& entry) -> std::string {
                                 if (entry.event != nullptr) return check(*entry.event);
                                 if (entry.record->kind == RecordKind::fill)
                                   fees_.on_fill(entry.record->fill);
                                 return {};
                               });
  if (!read) return std::unexpected(read.error());
  changed_fees_ = fees_;
  const bool other_fee = std::ranges::any_of(options_.core_overrides, [](const std::string& text) {
    return text.starts_with("engine.taker_fee_bps=");
  });
  if (other_fee) changed_fees_.use_setting();
  return {};
}

Event ShardShadow::changed(const Event& event) const {
  if (event.kind == EventKind::link_upsert && is_selected(event.link))
    return make_event(with_terms(event.link, options_.link_terms).value());
  if (event.kind == EventKind::fence)
    return make_event(
        Fence{.settings = with_overrides(event.fence.settings, options_.core_overrides).value()});
  return event;
}

// A snapshot's links and settings were told before it: they are told again.
void ShardShadow::change_snapshot(ShadowRun& run, bool with_changes) const {
  const auto tell = [&](const Event& event) { run.tell(with_changes ? changed(event) : event); };
  if (!options_.core_overrides.empty()) {
    const std::vector<AccountId> reconciled = run.core().reconciled_accounts();
    tell(make_event(Fence{.settings = run.core().settings()}));
    for (const AccountId id : reconciled) {
      AccountState state{};
      state.account = id;
      state.kind = AccountStateKind::reconciled;
      run.tell(make_event(state));
    }
  }
  if (with_changes)
    for (const auto& [id, link] : links_) run.tell(changed(make_event(link)));
}

void ShardShadow::start_runs() {
  const bool loaded = snapshot_.has_value();
  const auto start = [&] {
    return ShadowRun::Start{.core = loaded ? Core::load(snapshot_->state).value() : Core(),
                            .from_snapshot = loaded,
                            .seq = loaded ? snapshot_->seq : 0,
                            .time_ns = loaded ? snapshot_->time_ns : 0};
  };
  baseline_.emplace(start(), fees_, prices_);
  changed_.emplace(start(), changed_fees_, prices_);
  if (!loaded) return;
  recorded_.start_from(baseline_->core());
  for (const LinkId id : baseline_->core().link_ids())
    if (const auto link = baseline_->core().link(id)) links_[id] = *link;
}

ShardShadow::Done ShardShadow::play() {
  if (snapshot_)
    if (const auto core = Core::load(snapshot_->state); !core)
      return Failed(ShadowError{exit_codes::data, "snapshot: " + core.error()});
  start_runs();
  for (const auto& [id, link] : links_)
    if (std::string problem = check_link(link); !problem.empty()) return refused(problem);
  if (snapshot_) {
    if (const auto s = with_overrides(baseline_->core().settings(), options_.core_overrides); !s)
      return refused(s.error().front());
    change_snapshot(*baseline_, false);
    change_snapshot(*changed_, true);
  }
  const auto read = each_entry(options_.dir, shard_, first_, last_,
                               [this](const JournalEntry& entry) -> std::string {
                                 if (entry.event != nullptr) {
                                   on_input(*entry.event);
                                 } else {
                                   on_recorded(*entry.record);
                                 }
                                 return {};
                               });
  if (!read) return std::unexpected(read.error());
  last_ = *read;
  return {};
}

void ShardShadow::on_input(const Event& event) {
  ++events_;
  leader_events_ += event.kind == EventKind::leader;
  if (event.kind == EventKind::link_upsert) {
    links_[event.link.id] = event.link;
    recorded_.on_link(event.link);
  }
  baseline_->pass_time(event.time_ns);
  changed_->pass_time(event.time_ns);
  prices_.on_event(event);
  const Symbol* const moved = event.kind == EventKind::leader  ? &event.leader.symbol
                              : event.kind == EventKind::price ? &event.price.symbol
                                                               : nullptr;
  for (ShadowRun* const run : {&*baseline_, &*changed_})
    if (moved != nullptr) run->on_touch(*moved, event.time_ns);
  baseline_->on_input(event);
  changed_->on_input(changed(event));
  for (const OutcomeRecord& o : baseline_->take_outcomes()) pairs_.on_modelled(o);
  (void)changed_->take_outcomes();
}

void ShardShadow::on_recorded(const Record& record) {
  recorded_.on_record(record);
  if (record.kind == RecordKind::outcome) pairs_.on_recorded(record.outcome);
  if (record.kind != RecordKind::fill) return;
  baseline_->on_recorded_fill(record.fill);
  changed_->on_recorded_fill(record.fill);
}

bool same_figures(const LinkFigures& a, const LinkFigures& b) {
  const auto same_symbol = [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.bought == y.second.bought &&
           x.second.sold == y.second.sold && x.second.paid == y.second.paid &&
           x.second.received == y.second.received;
  };
  return a.outcomes == b.outcomes && a.orders == b.orders &&
         std::ranges::equal(a.symbols, b.symbols, same_symbol);
}

void ShardShadow::add_to(ShadowReport& report) {
  const auto bid_of = [this](const Symbol& symbol) -> std::optional<Decimal> {
    const Touch* const touch = prices_.touch(symbol);
    return touch == nullptr || !touch->bid.is_positive() ? std::nullopt : std::optional(touch->bid);
  };
  recorded_.value(bid_of);
  baseline_->books().value(bid_of);
  changed_->books().value(bid_of);
  const auto figures_of = [](const LinkBooks& books, LinkId id) {
    const auto found = books.links().find(id);
    return found == books.links().end() ? LinkFigures{} : found->second;
  };
  report.shards.push_back({.shard = shard_,
                           .first = first_,
                           .last = last_,
                           .snapshot_ns = snapshot_ ? snapshot_->time_ns : 0,
                           .events = events_,
                           .leader_events = leader_events_});
  report.outcomes_compared += pairs_.compared;
  report.outcomes_same += pairs_.same;
  for (const auto& [id, link] : links_) {
    ShadowLink l{.link = link,
                 .selected = is_selected(link),
                 .recorded = figures_of(recorded_, id),
                 .baseline = figures_of(baseline_->books(), id),
                 .changed = figures_of(changed_->books(), id)};
    report.links_selected += l.selected;
    if (l.selected || !same_figures(l.baseline, l.changed)) report.links.push_back(std::move(l));
  }
}

}  // namespace

std::expected<ShadowReport, ShadowError> run_shadow(const ShadowOptions& options) {
  const std::vector<std::uint16_t> shards = journal_shards(options.dir);
  if (shards.empty())
    return Failed(ShadowError{
        exit_codes::failure,
        fmt::format("{}: no journal there (a folder with shard-NN)", options.dir.string())});
  ShadowReport report{};
  for (const std::uint16_t shard : shards) {
    ShardShadow one(options, shard);
    if (const auto done = one.run(); !done) return std::unexpected(done.error());
    one.add_to(report);
  }
  std::ranges::sort(report.links, {},
                    [](const ShadowLink& l) { return std::pair(l.link.follower, l.link.id); });
  return report;
}

}  // namespace oneclick
