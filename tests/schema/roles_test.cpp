// The roles at work: logins that have a group's rights and nothing else. What each may do table by
// table is in schema/tests/12_rights.sql.
#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "persistence/pg_migrations.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

namespace fs = std::filesystem;
using namespace test;

void sql(const std::string& url, const std::string& text) {
  auto query = PgQuery::connect(url);
  ASSERT_TRUE(query.has_value()) << query.error();
  const auto done = query->run(text);
  ASSERT_TRUE(done.has_value()) << done.error() << "\n" << text;
}
std::string ask(const std::string& url, const std::string& text) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows(text);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : std::string();
}
std::string as(const std::string& role, std::string url) {
  return url.replace(url.find("oneclick@"), 9, role + "@");
}
struct Finished {
  int status;
  std::string output;
};
Finished run_command(const std::string& command) {
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {.status = -1, .output = "cannot start a shell"};
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), size);
  return {.status = ::pclose(pipe), .output = std::move(output)};
}

constexpr const char* rows_of_it =
    "INSERT INTO users (email, username, password_hash) VALUES ('a@example.org', 'a', 'hash');"
    "INSERT INTO audit_logs (action) VALUES ('x'); SELECT engine.seal_audit()";

TEST(Roles, TheBackupsLoginDumpsWhatComesBackWhole) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  const auto again = PgServer::get()->create_database("restored");
  ASSERT_TRUE(again.has_value()) << again.error();
  sql(url, rows_of_it);
  sql(url,
      "DROP ROLE IF EXISTS test_backup; CREATE ROLE test_backup LOGIN IN ROLE oneclick_backup");
  std::string file = "/tmp/oneclick-dump-XXXXXX";
  const int fd = ::mkstemp(file.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  const Finished dumped =
      run_command("pg_dump -Fc -f '" + file + "' -d '" + as("test_backup", url) + "'");
  EXPECT_EQ(dumped.status, 0) << dumped.output;
  const Finished restored =
      run_command("pg_restore --exit-on-error -d '" + *again + "' '" + file + "'");
  EXPECT_EQ(restored.status, 0) << restored.output;
  fs::remove(file);
  EXPECT_EQ(ask(*again, "SELECT password_hash FROM users"), "hash");
  EXPECT_EQ(ask(*again, "SELECT count(*) FROM engine.audit_chain"), "1");
  const auto status = migration_status(*again);
  ASSERT_TRUE(status.has_value()) << status.error();
  EXPECT_TRUE(status->back().applied);
}

// Not a superuser's work: a login with CREATEROLE brings an empty database up, and another member
// of the owner's group goes on from there.
TEST(Roles, TheOwnersLoginsMigrateWithoutBeingSuperusers) {
  ONECLICK_NEEDS_POSTGRES();
  const auto url = PgServer::get()->create_database("owned");
  ASSERT_TRUE(url.has_value()) << url.error();
  sql(*url,
      "DROP ROLE IF EXISTS test_owner; DROP ROLE IF EXISTS test_second;"
      "CREATE ROLE test_owner LOGIN CREATEROLE; ALTER DATABASE owned OWNER TO test_owner");
  const auto steps = migrate(as("test_owner", *url), {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  EXPECT_EQ(
      ask(*url,
          "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE"
          " c.relnamespace IN ('public'::regnamespace, 'engine'::regnamespace)"
          " AND c.relkind IN ('r', 'p') AND r.rolname NOT IN ('oneclick_owner', 'test_owner')"),
      "0");
  EXPECT_EQ(ask(*url,
                "SELECT r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
                " WHERE c.oid = 'public.trades'::regclass"),
            "oneclick_owner");
  sql(*url, "CREATE ROLE test_second LOGIN IN ROLE oneclick_owner");
  const std::string second = as("test_second", *url);
  sql(second, rows_of_it);
  std::vector<Migration> more(migrations().begin(), migrations().end());
  more.push_back({.number = static_cast<int>(more.size()) + 1,
                  .name = "more",
                  .sql = "ALTER TABLE public.trades ADD COLUMN more int; CREATE TABLE engine.more"
                         " (id uuid REFERENCES public.trades (id)); INSERT INTO public.system_logs"
                         " (service, message) VALUES ('x', 'y')",
                  .checksum = "more"});
  const auto further = migrate_to(second, more, {});
  ASSERT_TRUE(further.has_value()) << further.error();
  EXPECT_EQ(*further, 1);
}

}  // namespace
}  // namespace oneclick
