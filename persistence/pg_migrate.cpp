// Numbered migrations: one transaction each, under an advisory lock, never changed once applied.
#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>
#include <pqxx/pqxx>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_migrations.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

// Any number, as long as nobody else in the database uses it: the first digits of
// SHA-256("oneclick").
constexpr std::int64_t migration_lock = 0x6f6e65636c69636bLL;

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
std::string disagreement(const std::map<int, Applied>& applied) {
  const auto known = migrations();
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

void apply(pqxx::connection& connection, const Migration& migration) {
  pqxx::work work(connection);
  work.exec(migration.sql);
  work.exec_params("INSERT INTO engine.migrations (number, name, checksum) VALUES ($1, $2, $3)",
                   migration.number, migration.name, migration.checksum);
  work.commit();
}

void prepare(pqxx::connection& connection) {
  pqxx::nontransaction work(connection);
  work.exec("SET client_min_messages = warning");
  work.exec_params("SELECT pg_advisory_lock($1)",
                   migration_lock);  // held until the connection ends
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
  if (const std::string problem = disagreement(applied); !problem.empty())
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

std::expected<int, std::string> migrate(const std::string& database_url,
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
    if (std::string problem = disagreement(applied); !problem.empty())
      return std::unexpected(std::move(problem));
    int steps = 0;
    for (const Migration& migration : migrations()) {
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
