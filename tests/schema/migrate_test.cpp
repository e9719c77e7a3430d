// Bringing databases to the newest schema: from every version, through crashes, beside others.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "engine/base/crypto.hpp"
#include "persistence/pg_migrations.hpp"
#include "tests/schema/migrate_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

PgQuery connect(const std::string& url) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  return std::move(*query);
}
void run(PgQuery& query, const std::string& sql) {
  const auto done = query.run(sql);
  ASSERT_TRUE(done.has_value()) << done.error() << "\n" << sql;
}
std::string value(PgQuery& query, const std::string& sql) {
  const auto rows = query.rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
}
Migration file(int number, const std::string& sql) {
  return {.number = number, .name = "test", .sql = sql, .checksum = to_hex(sha256(sql))};
}

// Everything a database is made of, to compare two of them: columns, constraints, indexes,
// triggers, functions, comments. Without names that differ from run to run.
std::string shape_of(PgQuery& query) {
  return value(query, R"(
WITH mine AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', 'engine')),
things (line) AS (
  SELECT format('column %s.%s %s %s %s %s', m.nspname, c.relname, a.attname,
      format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) ||
      coalesce(col_description(c.oid, a.attnum), '') || coalesce(obj_description(c.oid), '')
    FROM pg_class c JOIN mine m ON m.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm')
  UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, conname,
      pg_get_constraintdef(k.oid), convalidated) FROM pg_constraint k JOIN mine m ON m.oid = connamespace
  UNION ALL SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN mine m ON m.oid = c.relnamespace
  UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid JOIN mine m ON m.oid = c.relnamespace WHERE NOT tgisinternal
  UNION ALL SELECT format('function %s %s', p.oid::regprocedure, p.prosrc)
    FROM pg_proc p JOIN mine m ON m.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.objid = p.oid AND x.deptype = 'e')
  UNION ALL SELECT format('migration %s %s', number, checksum) FROM engine.migrations)
SELECT string_agg(line, chr(10) ORDER BY line) FROM things)");
}

TEST(MigrateWorld, EveryTableOfAVersionHasRows) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(6), {}).has_value());
  PgQuery query = connect(url);
  fill_world(query, 6);
  // Filled by what later versions or running programs do.
  constexpr const char* others[] = {"engine.audit_chain", "engine.change_cursors",
                                    "engine.instruments"};
  for (const auto& [table, rows] : world_of(query, columns_of(query), 6))
    if (std::ranges::find(others, table) == std::end(others)) {
      EXPECT_FALSE(rows.empty()) << table;
    }
}

TEST(MigrateWorld, FromEveryVersionToTheNewestNothingIsLost) {
  ONECLICK_NEEDS_POSTGRES();
  std::string newest;
  {
    PgQuery query = connect(PgServer::fresh_database());
    newest = shape_of(query);
  }
  for (std::size_t version = 1; version < migrations().size(); ++version) {
    SCOPED_TRACE("from version " + std::to_string(version));
    const std::string url = PgServer::fresh_database(false);
    const auto made = migrate_to(url, migrations().first(version), {});
    ASSERT_TRUE(made.has_value()) << made.error();
    Columns columns;
    World before;
    {
      PgQuery query = connect(url);
      fill_world(query, static_cast<int>(version));
      columns = columns_of(query);
      before = world_of(query, columns, static_cast<int>(version));
    }
    // What was empty loses nothing: the engine's own tables may be made anew.
    std::erase_if(before, [](const auto& table) { return table.second.empty(); });
    std::erase_if(columns, [&](const auto& table) { return !before.contains(table.first); });
    const auto steps = migrate(url, {});
    ASSERT_TRUE(steps.has_value()) << steps.error();
    EXPECT_EQ(*steps, static_cast<int>(migrations().size() - version));
    PgQuery query = connect(url);
    const World after = world_of(query, columns);
    for (const auto& [table, rows] : before) EXPECT_EQ(after.at(table), rows) << table;
    EXPECT_EQ(shape_of(query), newest);
    EXPECT_EQ(value(query,
                    "SELECT count(*) FROM portfolio_positions p JOIN portfolios f ON"
                    " f.id = p.portfolio_id WHERE p.user_id IS DISTINCT FROM f.user_id"),
              "0");
  }
}

TEST(MigrateWorld, PositionsBeyondOneBatchGetTheirOwner) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(5), {}).has_value());
  PgQuery query = connect(url);
  fill_world(query, 5);
  run(query,
      "INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity)"
      " SELECT '30000000-0000-4000-8000-000000000001', 'A' || n || '/USDT', n"
      " FROM generate_series(1, 25001) n");
  const auto steps = migrate(url, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  EXPECT_EQ(value(query,
                  "SELECT count(*) FROM portfolio_positions WHERE"
                  " user_id = '10000000-0000-4000-8000-000000000001'"),
            "25001");
}

// A backend that ends at its n-th DDL command of the run, wherever that is. The sequence counts on
// when a transaction is undone. Commands of functions with their owner's rights count too.
constexpr const char* end_at_command = R"(
CREATE SCHEMA crash;
CREATE SEQUENCE crash.commands;
CREATE FUNCTION crash.count() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF nextval('crash.commands') = {} THEN
    PERFORM pg_terminate_backend(pg_backend_pid());
  END IF;
END $$;
CREATE EVENT TRIGGER crash_here ON ddl_command_end EXECUTE FUNCTION crash.count();
)";

// A database whose migration ends there.
std::string database_that_ends_at(int command) {
  const std::string url = PgServer::fresh_database(false);
  PgQuery query = connect(url);
  std::string sql = end_at_command;
  sql.replace(sql.find("{}"), 2, std::to_string(command));
  run(query, sql);
  return url;
}

TEST(MigrateWorld, ACrashAnywhereIsMadeGoodByTheNextRun) {
  ONECLICK_NEEDS_POSTGRES();
  std::string newest;
  int commands = 0;
  {
    const std::string url = database_that_ends_at(1'000'000);
    ASSERT_TRUE(migrate(url, {}).has_value());
    PgQuery query = connect(url);
    commands = std::stoi(value(query, "SELECT last_value FROM crash.commands"));
    run(query, "DROP EVENT TRIGGER crash_here; DROP SCHEMA crash CASCADE");
    newest = shape_of(query);
  }
  // Spread over all files: the first command, the last, and so many between.
  constexpr int crashes = 25;
  ASSERT_GT(commands, 10 * crashes);
  for (int n = 0; n < crashes; ++n) {
    const int command = 1 + n * (commands - 1) / (crashes - 1);
    SCOPED_TRACE("ended at command " + std::to_string(command));
    const std::string url = database_that_ends_at(command);
    ASSERT_FALSE(migrate(url, {}).has_value());
    const auto rest = migrate(url, {});
    ASSERT_TRUE(rest.has_value()) << rest.error();
    PgQuery query = connect(url);
    run(query, "DROP EVENT TRIGGER crash_here; DROP SCHEMA crash CASCADE");
    ASSERT_EQ(shape_of(query), newest);
  }
}

TEST(MigrateWorld, DoneButNotRecordedIsDoneAgain) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(5), {}).has_value());
  PgQuery query = connect(url);
  fill_world(query, 5);
  run(query,
      "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
      " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END$$;"
      "CREATE TRIGGER die BEFORE INSERT ON engine.migrations FOR EACH ROW EXECUTE FUNCTION die()");
  ASSERT_FALSE(migrate_to(url, migrations().first(6), {}).has_value());
  EXPECT_EQ(value(query, "SELECT max(number) FROM engine.migrations"), "5");
  run(query, "DROP FUNCTION die CASCADE");
  const auto again = migrate_to(url, migrations().first(6), {});
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ(*again, 1);
}

TEST(MigrateWorld, AChangedFileIsRefusedBeforeAnythingIsDone) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(4), {}).has_value());
  std::vector<Migration> changed(migrations().begin(), migrations().end());
  changed[2] = file(3, changed[2].sql + " ");
  const auto refused = migrate_to(url, changed, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().find("migration 3"), std::string::npos) << refused.error();
  PgQuery query = connect(url);
  EXPECT_EQ(value(query, "SELECT max(number) FROM engine.migrations"), "4");
}

// The change waits for its lock, but nobody has to wait behind it for long.
TEST(MigrateLocks, AWaitingChangeHoldsUpNoReader) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  PgQuery query = connect(url);
  const std::vector<Migration> files = {
      file(1, "CREATE TABLE busy (x int)"), file(2, "ALTER TABLE busy ADD COLUMN y int"),
      file(3,
           "-- oneclick: no transaction\nALTER TABLE busy ADD COLUMN IF NOT EXISTS z int;"
           "CREATE INDEX CONCURRENTLY IF NOT EXISTS busy_y_idx ON busy (y);")};
  ASSERT_TRUE(migrate_to(url, std::span(files).first(1), {}).has_value());
  for (std::size_t version = 2; version <= files.size(); ++version) {
    PgQuery reader = connect(url);
    run(reader, "BEGIN");
    run(reader, "SELECT * FROM busy");  // keeps its lock
    std::atomic<bool> done = false;
    std::jthread runner([&] {
      const auto steps = migrate_to(url, std::span(files).first(version), {});
      EXPECT_TRUE(steps.has_value()) << steps.error();
      done = true;
    });
    const auto waits = [&] {
      return value(query,
                   "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND"
                   " relation = 'busy'::regclass") == "t";
    };
    while (!waits() && !done) std::this_thread::yield();
    EXPECT_FALSE(done);
    run(query, "SET statement_timeout = '20s'");
    run(query, "SELECT * FROM busy");  // stands behind the change until that gives up
    EXPECT_FALSE(done);
    run(reader, "COMMIT");
    runner.join();
    EXPECT_TRUE(done);
  }
  EXPECT_EQ(value(query,
                  "SELECT bool_and(indisvalid) FROM pg_index WHERE"
                  " indexrelid = 'busy_y_idx'::regclass"),
            "t");
}

// Writes like a sink of the version before, until told to stop; a statement that lost a deadlock is
// written again, as the sink does. Returns how many rows were written.
int write_on(const std::string& url, int writer, const std::atomic<bool>& stop) {
  PgQuery query = connect(url);
  int n = 0;
  for (; !stop; ++n) {
    const std::string sql = fmt::format(
        "BEGIN;"
        "INSERT INTO trades (user_id, portfolio_id, exchange_id, asset_symbol, quantity) VALUES"
        " ('10000000-0000-4000-8000-000000000002', '30000000-0000-4000-8000-000000000002',"
        " '20000000-0000-4000-8000-000000000002', 'LIVE/USDT', {1});"
        "INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity) VALUES"
        " ('30000000-0000-4000-8000-000000000002', 'P{0}X{1}/USDT', 0) ON CONFLICT (portfolio_id,"
        " asset_symbol) DO NOTHING;"
        "UPDATE portfolio_positions SET quantity = {1} WHERE asset_symbol = 'P{0}X{1}/USDT';"
        "COMMIT",
        writer, n);
    for (auto done = query.run(sql); !done; done = query.run(sql)) {
      EXPECT_NE(done.error().find("deadlock detected"), std::string::npos) << done.error();
      if (done.error().find("deadlock detected") == std::string::npos) return n;
      (void)query.run("ROLLBACK");
    }
  }
  return n;
}

TEST(MigrateLocks, ADatabaseInUseIsMigratedUnderItsWriters) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(5), {}).has_value());
  PgQuery query = connect(url);
  fill_world(query, 5);
  std::atomic<bool> stop = false;
  std::atomic<int> written = 0;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 3; ++writer)
      writers.emplace_back([&, writer] { written += write_on(url, writer, stop); });
    const auto steps = migrate(url, {});
    stop = true;
    ASSERT_TRUE(steps.has_value()) << steps.error();
  }
  EXPECT_GT(written, 10);
  EXPECT_EQ(value(query, "SELECT count(*) FROM trades WHERE asset_symbol = 'LIVE/USDT'"),
            std::to_string(written));
  EXPECT_EQ(value(query,
                  "SELECT count(*) FROM portfolio_positions WHERE asset_symbol ~ '^P[0-9]X' AND"
                  " user_id = '10000000-0000-4000-8000-000000000002'"),
            std::to_string(written));
}

TEST(MigrateOneByOne, WhatCannotBeInATransactionIsDone) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  const std::vector<Migration> files = {
      file(1, "CREATE TABLE t (x int, y text); INSERT INTO t VALUES (1, 'a')"),
      file(2,
           "-- oneclick: no transaction\n-- Why.\nVACUUM t;\n"
           "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_x_idx ON t (x);\n"
           "DO $$ BEGIN UPDATE t SET y = 'b;'; COMMIT; END $$;")};
  const auto steps = migrate_to(url, files, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  EXPECT_EQ(*steps, 2);
  PgQuery query = connect(url);
  EXPECT_EQ(value(query, "SELECT y FROM t"), "b;");
  EXPECT_EQ(value(query, "SELECT to_regclass('t_x_idx')"), "t_x_idx");
  const auto again = migrate_to(url, files, {});
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ(*again, 0);
}

TEST(MigrateOneByOne, ABrokenIndexIsBuiltAgain) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  const std::vector<Migration> files = {
      file(1, "CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)"),
      file(2,
           "-- oneclick: no transaction\n"
           "CREATE TABLE IF NOT EXISTS u (x int);\n"
           "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_x_idx ON t (x);\n"
           "CREATE TABLE IF NOT EXISTS v (x int);")};
  const auto failed = migrate_to(url, files, {});
  ASSERT_FALSE(failed.has_value());
  EXPECT_NE(failed.error().find("migration 2 (test)"), std::string::npos) << failed.error();
  EXPECT_NE(failed.error().find("t_x_idx"), std::string::npos) << failed.error();
  PgQuery query = connect(url);
  EXPECT_EQ(value(query, "SELECT to_regclass('u') IS NOT NULL AND to_regclass('v') IS NULL"), "t");
  EXPECT_EQ(value(query, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_x_idx'::regclass"),
            "f");
  // Another's broken index is not ours to drop.
  run(query, "CREATE TABLE w (x int); INSERT INTO w VALUES (1), (1)");
  ASSERT_FALSE(query.run("CREATE UNIQUE INDEX CONCURRENTLY another_idx ON w (x)").has_value());
  run(query, "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)");
  const auto again = migrate_to(url, files, {});
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ(value(query, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_x_idx'::regclass"),
            "t");
  EXPECT_EQ(value(query, "SELECT to_regclass('another_idx') IS NOT NULL"), "t");
}

// The second run waits for the first, which is in the middle of something that itself waits for all
// transactions to end.
TEST(MigrateOneByOne, ASecondRunWaitsWithoutHoldingUpTheFirst) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  const std::vector<Migration> files = {
      file(1, "CREATE TABLE t (x int)"),
      file(2,
           "-- oneclick: no transaction\n"
           "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_x_idx ON t (x);")};
  ASSERT_TRUE(migrate_to(url, std::span(files).first(1), {}).has_value());
  PgQuery query = connect(url);
  PgQuery holder = connect(url);
  run(holder, "BEGIN");
  run(holder, "INSERT INTO t VALUES (1)");  // the build waits for this to end
  std::atomic<int> steps = 0;
  {
    std::vector<std::jthread> runners;
    for (int n = 0; n < 2; ++n)
      runners.emplace_back([&] {
        const auto done = migrate_to(url, files, {});
        EXPECT_TRUE(done.has_value()) << done.error();
        steps += done.value_or(100);
      });
    while (value(query,
                 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
                 " query LIKE 'SELECT pg_try_advisory_lock%' OR query LIKE 'CREATE INDEX%'") != "2")
      std::this_thread::yield();
    run(holder, "COMMIT");
  }
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(value(query, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_x_idx'::regclass"),
            "t");
}

}  // namespace
}  // namespace oneclick
