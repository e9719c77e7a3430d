#include "bench/database/load.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/common/machine.hpp"
#include "bench/database/tables.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg_connection.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::bench {

namespace {

constexpr std::uint64_t rows_a_copy = 20'000;
constexpr std::int64_t statement_ms_max = 300'000;
constexpr std::int64_t tell_every_ns = 500'000'000;

class Progress {
 public:
  Progress(const std::string& table, std::uint64_t rows) : table_(table), rows_(rows) {}
  void add(std::uint64_t rows) {
    const std::lock_guard hold(mutex_);
    done_ += rows;
    const std::int64_t now = monotonic_now_ns();
    if (::isatty(STDERR_FILENO) == 0 || now - told_ns_ < tell_every_ns) return;
    told_ns_ = now;
    fmt::print(stderr, "\r{}", text(now));
  }
  void end() {
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    fmt::print(stderr, "{}{}\n", terminal ? "\r" : "", text(monotonic_now_ns()));
  }

 private:
  [[nodiscard]] std::string text(std::int64_t now) const {
    const double seconds = static_cast<double>(std::max<std::int64_t>(now - begun_ns_, 1)) * 1e-9;
    return fmt::format("{:<28} {:>10} of {:>10} rows {:>8.1f} s {:>9.0f} rows/s", table_, done_,
                       rows_, seconds, static_cast<double>(done_) / seconds);
  }
  const std::string& table_;
  const std::uint64_t rows_;
  const std::int64_t begun_ns_ = monotonic_now_ns();
  std::mutex mutex_;
  std::uint64_t done_ = 0;
  std::int64_t told_ns_ = 0;
};

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw std::runtime_error(what + ": " + why);
}

// One connection's part of a table: stretches of rows, until there are none left.
void load_part(const std::string& url, const World& world, const LoadedTable& table,
               std::atomic<std::uint64_t>& next, Progress& progress) {
  StopSignal stop;
  auto connection = PgConnection::open(url,
                                       {.application_name = "bench load",
                                        .statement_timeout_ms = statement_ms_max,
                                        .lock_timeout_ms = statement_ms_max},
                                       stop);
  if (!connection) fail("loading", connection.error().message);
  // Nobody follows the change log of this database yet.
  if (auto set = (*connection)->run("SET oneclick.writer = 'engine'"); !set)
    fail("loading", set.error().message);
  const std::string copy =
      fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, table.columns);
  CopyRows rows;
  for (;;) {
    const std::uint64_t from = next.fetch_add(rows_a_copy);
    if (from >= table.rows) return;
    const std::uint64_t to = std::min(from + rows_a_copy, table.rows);
    rows.clear();
    for (std::uint64_t n = from; n < to; ++n) table.put(rows, world, n);
    if (auto copied = (*connection)->copy_in(copy, rows.finish()); !copied)
      fail(table.name, copied.error().message);
    progress.add(to - from);
  }
}

void load_table(const std::string& url, const World& world, const LoadedTable& table) {
  Progress progress(table.name, table.rows);
  std::atomic<std::uint64_t> next{0};
  std::exception_ptr failed;
  std::mutex failing;
  std::vector<std::thread> threads;
  for (int i = 0; i < std::max(core_count(), 1); ++i)
    threads.emplace_back([&] {
      try {
        load_part(url, world, table, next, progress);
      } catch (...) {
        const std::lock_guard hold(failing);
        failed = std::current_exception();
        next = table.rows;
      }
    });
  for (std::thread& thread : threads) thread.join();
  progress.end();
  if (failed) std::rethrow_exception(failed);
}

void check_count(PgQuery& query, const LoadedTable& table) {
  const auto counted = query.rows("SELECT count(*) FROM " + table.name);
  if (!counted) fail(table.name, counted.error());
  const std::string text = (*counted)[0][0].value_or("");
  if (text != fmt::format("{}", table.rows))
    fail(table.name, fmt::format("{} rows instead of {}", text, table.rows));
}

}  // namespace

LoadResult load_world(const std::string& database_url, const World& world) {
  LoadResult result{.rows = 0, .seconds = 0, .vacuum_seconds = 0};
  const std::vector<LoadedTable> tables = loaded_tables(world);
  const std::int64_t begun = monotonic_now_ns();
  for (const LoadedTable& table : tables) {
    load_table(database_url, world, table);
    result.rows += table.rows;
  }
  const std::int64_t loaded = monotonic_now_ns();
  result.seconds = static_cast<double>(loaded - begun) * 1e-9;
  auto query = PgQuery::connect(database_url);
  if (!query) fail("loading", query.error());
  // What autovacuum does after so many rows, at once.
  if (auto done = query->run("VACUUM (ANALYZE)"); !done) fail("VACUUM", done.error());
  for (const LoadedTable& table : tables) check_count(*query, table);
  result.vacuum_seconds = static_cast<double>(monotonic_now_ns() - loaded) * 1e-9;
  return result;
}

}  // namespace oneclick::bench
