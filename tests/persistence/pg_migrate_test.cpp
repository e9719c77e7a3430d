// Migrations on a real server: fresh, again, interrupted, changed, at once.
#include <gtest/gtest.h>

#include <thread>

#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"
#include "persistence/pg_text.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using test::PgServer;

PgQuery connect(const std::string& url) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  return std::move(*query);
}

std::string value(PgQuery& query, const std::string& sql) {
  const auto rows = query.rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
}

TEST(Migrate, FreshDatabaseGetsEveryMigrationOnce) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  auto before = migration_status(url);
  ASSERT_TRUE(before.has_value()) << before.error();
  for (const auto& s : *before) EXPECT_FALSE(s.applied);
  PgQuery query = connect(url);
  EXPECT_EQ(value(query, "SELECT to_regclass('engine.migrations') IS NULL"), "t")
      << "asking for the status must not change the database";

  std::vector<int> told;
  const auto first = migrate(url, [&](const Migration& m) { told.push_back(m.number); });
  ASSERT_TRUE(first.has_value()) << first.error();
  EXPECT_EQ(*first, static_cast<int>(migrations().size()));
  EXPECT_EQ(told.size(), migrations().size());
  const auto second = migrate(url, {});
  ASSERT_TRUE(second.has_value()) << second.error();
  EXPECT_EQ(*second, 0);
  const auto after = migration_status(url);
  ASSERT_TRUE(after.has_value()) << after.error();
  for (const auto& s : *after) {
    EXPECT_TRUE(s.applied);
    EXPECT_FALSE(s.applied_at.empty());
  }
}

TEST(Migrate, AnInterruptedRunGoesOnWhereItEnded) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  PgQuery query = connect(url);
  // The second migration cannot make its table: the first stays, the second leaves nothing behind.
  ASSERT_TRUE(
      query.run("CREATE SCHEMA engine; CREATE TABLE engine.audit_chain (x int)").has_value());
  const auto failed = migrate(url, {});
  ASSERT_FALSE(failed.has_value());
  EXPECT_NE(failed.error().find("migration 2 (engine)"), std::string::npos) << failed.error();
  EXPECT_NE(failed.error().find("audit_chain"), std::string::npos) << failed.error();
  EXPECT_EQ(value(query, "SELECT string_agg(number::text, ',') FROM engine.migrations"), "1");
  EXPECT_EQ(value(query, "SELECT to_regclass('engine.copy_links') IS NULL"), "t");
  ASSERT_TRUE(query.run("DROP TABLE engine.audit_chain").has_value());
  const auto rest = migrate(url, {});
  ASSERT_TRUE(rest.has_value()) << rest.error();
  EXPECT_EQ(*rest, static_cast<int>(migrations().size()) - 1);
}

TEST(Migrate, AChangedMigrationIsRefused) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = connect(url);
  ASSERT_TRUE(
      query.run("UPDATE engine.migrations SET checksum = 'abc' WHERE number = 2").has_value());
  const auto refused = migrate(url, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().find("migration 2 (engine) was changed"), std::string::npos)
      << refused.error();
  EXPECT_FALSE(migration_status(url).has_value());
}

TEST(Migrate, ANewerDatabaseIsRefused) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = connect(url);
  ASSERT_TRUE(query.run("INSERT INTO engine.migrations VALUES (999, 'later', 'x')").has_value());
  const auto refused = migrate(url, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().find("newer"), std::string::npos) << refused.error();
}

TEST(Migrate, RunsAtTheSameTimeApplyEachMigrationOnce) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  constexpr int runs = 4;
  std::vector<std::expected<int, std::string>> results(runs, 0);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < runs; ++i)
      threads.emplace_back([&, i] { results[static_cast<std::size_t>(i)] = migrate(url, {}); });
  }
  int steps = 0;
  for (const auto& r : results) {
    ASSERT_TRUE(r.has_value()) << r.error();
    steps += *r;
  }
  EXPECT_EQ(steps, static_cast<int>(migrations().size()));
}

TEST(Migrate, WithoutTheRightToMakeRolesTheRestIsDone) {
  ONECLICK_NEEDS_POSTGRES();
  // A server of its own: roles belong to the whole server, and another test's would be found.
  std::string folder = "/tmp/oneclick-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto server = PrivatePostgres::start({.dir = folder});
  ASSERT_TRUE(server.has_value()) << server.error();
  {
    PgQuery admin = connect((*server)->url());
    ASSERT_TRUE(admin.run("CREATE ROLE owner LOGIN").has_value());
    ASSERT_TRUE(admin.run("CREATE DATABASE owned OWNER owner").has_value());
  }
  const std::string url = fmt::format("postgresql://owner@127.0.0.1:{}/owned", (*server)->port());
  const auto steps = migrate(url, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  EXPECT_EQ(*steps, static_cast<int>(migrations().size()));
  {
    PgQuery query = connect(url);
    EXPECT_EQ(value(query, "SELECT count(*) FROM pg_roles WHERE rolname = 'oneclick_engine'"), "0");
  }
  server->reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

TEST(Migrate, NoErrorShowsThePassword) {
  for (const std::string url :
       {"postgresql://joe:hunter2secret@127.0.0.1:1/db", "postgresql://joe:hunter2secret@[::1/db",
        "host=127.0.0.1 port=1 user=joe password=hunter2secret nonsense=1",
        "postgresql://joe:hunter2secret@127.0.0.1:99999999/db"}) {
    const auto failed = migrate(url, {});
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().find("hunter2secret"), std::string::npos) << failed.error();
    EXPECT_FALSE(failed.error().empty());
  }
}

}  // namespace
}  // namespace oneclick
