#include "bench/database/sink_race.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/metrics.hpp"
#include "persistence/journal.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_connection.hpp"
#include "persistence/pg_query.hpp"
#include "persistence/sink_rows.hpp"

namespace oneclick::bench {

namespace {

constexpr std::int64_t drain_ns_max = 600'000'000'000;
// The sink's own: COPY competes for the processor as it does.
constexpr int nice_level = 10;
constexpr std::size_t entry_bytes_max = 4'096;
// Of a thousand followers: as many records as the sink writes in one.
constexpr std::size_t bursts_a_transaction = 2;
// After these every follower of a burst has a position, as those who copy have.
constexpr int warm_rounds = 2;

struct CopiedTable {
  SinkTable::Id id;
  const char* name;
};
constexpr std::array<CopiedTable, 5> copied_tables = {{
    {SinkTable::leader_events, "engine.leader_events"},
    {SinkTable::event_touches, "engine.event_touches"},
    {SinkTable::trades, "public.trades"},
    {SinkTable::trade_history, "public.trade_history"},
    {SinkTable::copy_outcomes, "engine.copy_outcomes"},
}};

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw std::runtime_error(what + ": " + why);
}

double per_second(std::uint64_t count, std::int64_t ns) {
  return static_cast<double>(count) / (static_cast<double>(ns) * 1e-9);
}

class Race {
 public:
  // The sink runs all the time, as beside a daemon; while COPY has its turn there is nothing for it
  // to do.
  Race(const World& world, const RaceOptions& options)
      : world_(world), options_(options), dir_(options.dir / "journal") {
    std::filesystem::remove_all(dir_);
    auto journal = JournalWriter::open({.dir = dir_}, metrics_);
    if (!journal) fail("journal", journal.error().message);
    journal_ = std::move(*journal);
    sink_ =
        PgSink::start({.database_url = options_.database_url, .journal_dir = dir_}, metrics_, {});
  }

  RaceRound round() {
    ++round_;
    RaceRound out{.sink = 0, .copy = 0};
    // Whoever comes second finds what the first has warmed and filled: they take turns in that too.
    if (round_ % 2 == 0) out.copy = copy();
    out.sink = sink();
    if (round_ % 2 == 1) out.copy = copy();
    return out;
  }

 private:
  std::vector<std::vector<JournalItem>> make() {
    std::vector<std::vector<JournalItem>> bursts;
    first_ = next_number_;
    for (std::uint64_t i = 0; i < options_.size.leader_events; ++i)
      bursts.push_back(burst_of(world_, next_number_++, options_.size.followers, wall_now_ns()));
    return bursts;
  }

  // From the first entry in the journal to the commit of the last.
  double sink() {
    const auto bursts = make();
    const std::int64_t begun = monotonic_now_ns();
    for (const auto& burst : bursts)
      for (const JournalItem& item : burst) append(item);
    if (!sink_->drain(journal_->appended(), drain_ns_max))
      fail("sink", "did not write everything in ten minutes");
    const std::int64_t took = monotonic_now_ns() - begun;
    check_rows("sink");
    return per_second(options_.size.trades(), took);
  }

  void append(const JournalItem& item) {
    while (!journal_->has_room(entry_bytes_max)) {
      if (journal_->failed()) fail("journal", "cannot be written");
      ::usleep(100);
    }
    if (item.is_event)
      journal_->append(item.event);
    else
      journal_->append(item.record);
  }

  // The rows are made before the clock starts; then transactions of about as many rows as the
  // sink's. No offset, no temporary table, no position.
  double copy() {
    std::vector<SinkRows> batches;
    for (const auto& burst : make()) batches.push_back(rows_of(burst));
    std::int64_t took = 0;
    std::string problem;
    std::thread([&] {
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), nice_level);
      const std::int64_t begun = monotonic_now_ns();
      problem = copy_all(batches);
      took = monotonic_now_ns() - begun;
    }).join();
    if (!problem.empty()) fail("COPY", problem);
    check_rows("COPY");
    return per_second(options_.size.trades(), took);
  }

  static SinkRows rows_of(const std::vector<JournalItem>& burst) {
    std::vector<SinkRecord> records;
    for (const JournalItem& item : burst)
      if (!item.is_event) records.push_back({.position = 0, .record = item.record});
    SinkRows rows = sink_rows(records);
    for (CopyRows& table : rows.tables) static_cast<void>(table.finish());
    return rows;
  }

  std::string copy_all(std::vector<SinkRows>& batches) const {
    StopSignal stop;
    auto connection =
        PgConnection::open(options_.database_url, {.application_name = "bench copy"}, stop);
    if (!connection) return connection.error().message;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      if (i % bursts_a_transaction == 0)
        if (auto done = (*connection)->run(i == 0 ? "BEGIN" : "COMMIT; BEGIN"); !done)
          return done.error().message;
      for (const CopiedTable& table : copied_tables)
        if (auto copied =
                (*connection)
                    ->copy_in(fmt::format("COPY {} FROM STDIN (FORMAT binary)", table.name),
                              batches[i].tables[table.id].finish());
            !copied)
          return copied.error().message;
    }
    if (auto done = (*connection)->run("COMMIT"); !done) return done.error().message;
    return {};
  }

  // A fast wrong result is a failure: every outcome, its trade, that trade's whole history.
  void check_rows(const std::string& who) const {
    auto query = PgQuery::connect(options_.database_url);
    if (!query) fail(who, query.error());
    std::string events = "{";
    for (std::uint64_t n = first_; n < next_number_; ++n)
      events += (n == first_ ? "" : ",") + burst_event(n).to_text();
    const auto counted = query->rows(
        "SELECT count(DISTINCT t.id) || ' trades, ' || count(h.id) || ' rows of history' FROM"
        " engine.leader_events e JOIN engine.copy_outcomes o ON o.event_id = e.id JOIN trades t"
        " ON t.id = o.trade_id AND t.status = 'filled' LEFT JOIN trade_history h ON h.trade_id ="
        " t.id WHERE e.id = ANY ($1::uuid[])",
        {events + "}"});
    if (!counted) fail(who, counted.error());
    const std::uint64_t trades = options_.size.trades();
    const std::string wanted =
        fmt::format("{} trades, {} rows of history", trades, trades * history_a_trade);
    if (const std::string found = (*counted)[0][0].value_or(""); found != wanted)
      fail(who, fmt::format("wrote {} instead of {}", found, wanted));
  }

  const World& world_;
  const RaceOptions& options_;
  const std::filesystem::path dir_;
  Metrics metrics_;
  std::unique_ptr<JournalWriter> journal_;
  std::unique_ptr<PgSink> sink_;
  std::uint64_t round_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t next_number_ = static_cast<std::uint64_t>(wall_now_ns() / 1'000'000'000) * 1'000;
};

}  // namespace

std::vector<RaceRound> race_sink(const World& world, const RaceOptions& options) {
  Race race(world, options);
  for (int i = 0; i < warm_rounds; ++i) static_cast<void>(race.round());
  std::vector<RaceRound> rounds;
  for (std::size_t i = 0; i < options.rounds; ++i) {
    rounds.push_back(race.round());
    fmt::print(stderr, "round {}: sink {:.0f}, COPY {:.0f} trades/s\n", i + 1, rounds.back().sink,
               rounds.back().copy);
  }
  return rounds;
}

}  // namespace oneclick::bench
