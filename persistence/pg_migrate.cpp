// Numbered migrations: under an advisory lock, never changed once applied, one transaction each or,
// where the file's first line says so, one per statement.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <pqxx/pqxx>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_migrations.hpp"
#include "persistence/pg_statements.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

// Any number, as long as nobody else in the database uses it: the first digits of
// SHA-256("oneclick").
constexpr std::int64_t migration_lock = 0x6f6e65636c69636bLL;

// First line of a file whose statements run one by one, for what cannot be in a transaction or
// would hold its locks too long there. A run that ends in the middle starts the file again: every
// statement must be right a second time.
constexpr std::string_view no_transaction_mark = "-- oneclick: no transaction\n";

// A statement that waits for an exclusive lock holds up everybody who comes after it. So it gives
// up soon, lets them through, and tries again.
constexpr const char* give_up_soon = "SET lock_timeout = '2s'";
constexpr const char* wait_without_end = "SET lock_timeout = 0";
constexpr auto retry_pause = std::chrono::seconds(1);
constexpr int attempts_max = 100;
constexpr auto lock_pause = std::chrono::milliseconds(100);

struct Applied {
  std::string name, checksum, applied_at;
};

Migration from_file(const EmbeddedFile& file) {
  int number = 0;
  const auto [end, error] = std::from_chars(file.name.data(), file.name.data() + 4, number);
  CHECK(error == std::errc() && end == file.name.data() + 4 && number > 0);
  const std::string_view name = file.name.substr(5, file.name.size() - 5 - 4);
  return {.number = number,
          .name = std::string(name),
          .sql = std::string(file.text),
          .checksum = to_hex(sha256(file.text))};
}

std::vector<Migration> all_migrations() {
  std::vector<Migration> all;
  for (const EmbeddedFile& file : embedded_migrations()) all.push_back(from_file(file));
  std::ranges::sort(all, {}, &Migration::number);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].number == static_cast<int>(i) + 1);
  return all;
}

std::map<int, Applied> applied_migrations(pqxx::transaction_base& work) {
  std::map<int, Applied> applied;
  if (work.exec1("SELECT to_regclass('engine.migrations') IS NULL")[0].as<bool>()) return applied;
  for (const auto& row : work.exec("SELECT number, name, checksum, applied_at::text"
                                   " FROM engine.migrations ORDER BY number"))
    applied[row[0].as<int>()] = {row[1].c_str(), row[2].c_str(), row[3].c_str()};
  return applied;
}

// What is applied must be what we know, unchanged and from the first on.
std::string disagreement(const std::map<int, Applied>& applied, std::span<const Migration> known) {
  for (const auto& [number, row] : applied) {
    if (number > static_cast<int>(known.size()))
      return fmt::format(
          "migration {} ({}) is applied but unknown to this version: the database is newer, use the"
          " version that made it",
          number, row.name);
    if (known[static_cast<std::size_t>(number - 1)].checksum != row.checksum)
      return fmt::format(
          "migration {} ({}) was changed after it was applied: its checksum here is {}, in the"
          " database {}",
          number, row.name, known[static_cast<std::size_t>(number - 1)].checksum, row.checksum);
  }
  if (!applied.empty() && applied.rbegin()->first != static_cast<int>(applied.size()))
    return "engine.migrations has a gap: rows were removed by hand";
  return {};
}

// Calls `run` until it gets its locks.
template <typename Run>
void with_patience(Run run) {
  for (int attempt = 1;; ++attempt) {
    try {
      run();
      return;
    } catch (const pqxx::sql_error& e) {
      constexpr std::string_view lock_not_available = "55P03", deadlock_detected = "40P01";
      const bool was_locked_out =
          e.sqlstate() == lock_not_available || e.sqlstate() == deadlock_detected;
      if (!was_locked_out || attempt == attempts_max) throw;
    }
    std::this_thread::sleep_for(retry_pause);
  }
}

void record(pqxx::transaction_base& work, const Migration& migration) {
  work.exec_params("INSERT INTO engine.migrations (number, name, checksum) VALUES ($1, $2, $3)",
                   migration.number, migration.name, migration.checksum);
}

void apply_as_one(pqxx::connection& connection, const Migration& migration) {
  with_patience([&] {
    pqxx::work work(connection);
    work.exec(migration.sql);
    record(work, migration);
    work.commit();
  });
}

// An index build that was broken off leaves an index that is never used, and whose name is taken.
void drop_broken_indexes(pqxx::connection& connection, const Migration& migration) {
  pqxx::nontransaction work(connection);
  for (const auto& row : work.exec_params(
           "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i"
           " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
           " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
           " WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname IN ('public', 'engine')"
           " AND strpos($1, c.relname) > 0",
           migration.sql))
    work.exec(fmt::format("DROP INDEX CONCURRENTLY {}", row[0].c_str()));
}

void apply_one_by_one(pqxx::connection& connection, const Migration& migration) {
  const auto run = [&](std::string_view statement) {
    pqxx::nontransaction work(connection);
    work.exec(std::string(statement));
  };
  run(wait_without_end);
  drop_broken_indexes(connection, migration);
  run(give_up_soon);
  for (const std::string_view statement : sql_statements(migration.sql)) {
    if (!statement.contains("CONCURRENTLY")) {
      with_patience([&] { run(statement); });
      continue;
    }
    // What is done concurrently stands in nobody's way, and cannot be tried again as it is.
    run(wait_without_end);
    run(statement);
    run(give_up_soon);
  }
  pqxx::nontransaction work(connection);
  record(work, migration);
}

void apply(pqxx::connection& connection, const Migration& migration) {
  if (migration.sql.starts_with(no_transaction_mark))
    apply_one_by_one(connection, migration);
  else
    apply_as_one(connection, migration);
}

// Asked for again and again: whoever waited inside a statement would keep an old view of the
// database, which the runner before it may in turn be waiting for (CREATE INDEX CONCURRENTLY does).
void lock_out_other_runners(pqxx::nontransaction& work) {
  while (!work.exec_params("SELECT pg_try_advisory_lock($1)", migration_lock)[0][0].as<bool>())
    std::this_thread::sleep_for(lock_pause);  // held until the connection ends
}

void prepare(pqxx::connection& connection) {
  pqxx::nontransaction work(connection);
  work.exec("SET client_min_messages = warning");
  lock_out_other_runners(work);
  work.exec(give_up_soon);
  work.exec("CREATE SCHEMA IF NOT EXISTS engine");
  work.exec(
      "CREATE TABLE IF NOT EXISTS engine.migrations (number integer PRIMARY KEY, name text NOT "
      "NULL,"
      " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
}

}  // namespace

std::span<const Migration> migrations() {
  static const std::vector<Migration> all = all_migrations();
  return all;
}

std::expected<std::vector<MigrationStatus>, std::string> migration_status(
    const std::string& database_url) try {
  pqxx::connection connection(database_url);
  pqxx::read_transaction work(connection);
  const auto applied = applied_migrations(work);
  if (const std::string problem = disagreement(applied, migrations()); !problem.empty())
    return std::unexpected(problem);
  std::vector<MigrationStatus> status;
  for (const Migration& migration : migrations()) {
    const auto row = applied.find(migration.number);
    status.push_back({.number = migration.number,
                      .name = migration.name,
                      .applied = row != applied.end(),
                      .applied_at = row != applied.end() ? row->second.applied_at : std::string()});
  }
  return status;
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

std::expected<std::optional<TimeSeriesStorage>, std::string> time_series_storage(
    const std::string& database_url) try {
  pqxx::connection connection(database_url);
  pqxx::read_transaction work(connection);
  if (work.exec1("SELECT to_regclass('engine.time_series') IS NULL")[0].as<bool>())
    return std::nullopt;
  const auto rows = work.exec(
      "SELECT storage, coalesce(timescaledb, ''), coalesce(license, ''), reason"
      " FROM engine.time_series");
  if (rows.empty()) return std::nullopt;
  return TimeSeriesStorage{.storage = rows[0][0].c_str(),
                           .timescaledb = rows[0][1].c_str(),
                           .license = rows[0][2].c_str(),
                           .reason = rows[0][3].c_str()};
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

std::expected<int, std::string> migrate(const std::string& database_url,
                                        const std::function<void(const Migration&)>& on_step) {
  return migrate_to(database_url, migrations(), on_step);
}

std::expected<int, std::string> migrate_to(const std::string& database_url,
                                           std::span<const Migration> known,
                                           const std::function<void(const Migration&)>& on_step) {
  std::string at = "before the first migration";
  try {
    pqxx::connection connection(database_url);
    prepare(connection);
    std::map<int, Applied> applied;
    {
      pqxx::read_transaction work(connection);
      applied = applied_migrations(work);
    }
    if (std::string problem = disagreement(applied, known); !problem.empty())
      return std::unexpected(std::move(problem));
    int steps = 0;
    for (const Migration& migration : known) {
      if (applied.contains(migration.number)) continue;
      at = fmt::format("migration {} ({})", migration.number, migration.name);
      apply(connection, migration);
      ++steps;
      if (on_step) on_step(migration);
    }
    return steps;
  } catch (const std::exception& e) {
    return std::unexpected(fmt::format("{}: {}", at, without_password(e.what(), database_url)));
  }
}

}  // namespace oneclick
