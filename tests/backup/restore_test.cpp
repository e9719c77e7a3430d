// A database backed up with the shipped configuration, destroyed, and restored to a moment between
// two trades; from the second repository; and from the quarterly dump.
#include "persistence/pg.hpp"
#include "tests/backup/cluster.hpp"

namespace oneclick {
namespace {

using namespace test;

// What the tables nobody may lose hold, in one text.
constexpr const char* digest_sql =
    "SELECT md5(concat("
    " (SELECT string_agg(t::text, '|' ORDER BY t.id) FROM public.users t),"
    " (SELECT string_agg(t::text, '|' ORDER BY t.id) FROM public.trades t),"
    " (SELECT string_agg(t::text, '|' ORDER BY t.id) FROM public.trade_history t),"
    " (SELECT string_agg(t::text, '|' ORDER BY t.id) FROM public.audit_logs t)))";

class Restore : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_program("pgbackrest")) GTEST_SKIP() << "NOT TESTED: install package pgbackrest";
    std::string config = shipped("pgbackrest.conf");
    const std::string dir = folder_.path().string();
    replace_all(config, "/var/lib/postgresql/15/main", server_.data());
    replace_all(config, "/var/run/postgresql", server_.socket_dir());
    replace_all(config, "pg1-port=5432", fmt::format("pg1-port={}", server_.port()));
    replace_all(config, "pg1-user=postgres", "pg1-user=oneclick");
    for (const char* place :
         {"/var/lib/pgbackrest", "/srv/pgbackrest", "/var/spool/pgbackrest", "/var/log/pgbackrest"})
      replace_all(config, place, dir + place);
    ASSERT_RUNS(folder_,
                "mkdir -p conf.d var/lib/pgbackrest srv/pgbackrest var/spool/pgbackrest"
                " var/log/pgbackrest && umask 077 && printf '[global]\\n"
                "repo1-cipher-pass=one\\nrepo2-cipher-pass=two\\n' > conf.d/secret.conf");
    ASSERT_RUNS(folder_, "cat > pgbackrest.conf <<'TEXT'\n" + config + "\nTEXT");
    folder_.environment["PGBACKREST_CONFIG"] = dir + "/pgbackrest.conf";
    folder_.environment["PGBACKREST_CONFIG_INCLUDE_PATH"] = dir + "/conf.d";
    const Finished made = server_.init(shipped("postgresql.conf"));
    ASSERT_EQ(made.status, 0) << made.output;
    start();
    const auto migrated = migrate(server_.url(), {});
    ASSERT_TRUE(migrated.has_value()) << migrated.error();
    ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick stanza-create");
    ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick check");
    sql("INSERT INTO users (id, email, username, password_hash) SELECT ('00000000-0000-4000-8000-'"
        " || lpad(n::text, 12, '0'))::uuid, n || '@example.org', 'u' || n, 'x'"
        " FROM generate_series(1, 20) AS n");
    for (int i = 0; i < 50; ++i) trade("BTC/USDT");
  }
  void start() {
    const Finished started = server_.start();
    ASSERT_EQ(started.status, 0) << started.output << read_file(server_.socket_dir() + "/log");
  }
  void sql(const std::string& text) {
    auto query = PgQuery::connect(server_.url());
    ASSERT_TRUE(query.has_value()) << query.error();
    const auto done = query->run(text);
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  void trade(const std::string& symbol) {
    sql(fmt::format(
        "WITH t AS (INSERT INTO trades (user_id, asset_symbol, side, quantity, status) SELECT id,"
        " '{0}', 'buy', 1, 'filled' FROM users ORDER BY random() LIMIT 1 RETURNING id, user_id)"
        " INSERT INTO trade_history (trade_id, status, price, quantity) SELECT id, 'fill', 1, 1"
        " FROM t; INSERT INTO audit_logs (action) VALUES ('trade {0}')",
        symbol));
  }
  std::string count(const std::string& symbol) {
    return server_.value(
        fmt::format("SELECT count(*) FROM trades WHERE asset_symbol = '{}'", symbol));
  }
  void destroy() {
    server_.stop("immediate");
    // Ends what still archives by itself: it would write where the restore cleans up.
    ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick --force stop");
    ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick start");
    ASSERT_RUNS(folder_, "rm -rf " + server_.data());
  }

  ServerFolder folder_;
  Cluster server_{folder_, "main"};
};

TEST_F(Restore, ToAMomentBetweenTwoTradesFromEitherRepositoryAndFromTheDump) {
  ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick --repo=1 --type=full backup");
  ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick --repo=2 --type=full backup");
  trade("KEPT/USDT");
  const std::string before = server_.value(digest_sql);
  const std::string moment = server_.value("SELECT clock_timestamp()");
  ASSERT_TRUE(server_.wait_value(
      fmt::format("SELECT clock_timestamp() > '{}'::timestamptz + interval '20 ms'", moment), "t"));
  trade("LOST/USDT");
  const std::string after = server_.value(digest_sql);
  ASSERT_NE(before, after);
  // Waits until everything written so far has reached both repositories.
  ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick check");

  destroy();
  ASSERT_RUNS(folder_, fmt::format("pgbackrest --stanza=oneclick --type=time '--target={}'"
                                   " --target-action=promote restore",
                                   moment));
  start();
  ASSERT_TRUE(server_.wait_value("SELECT pg_is_in_recovery()", "f"));
  EXPECT_EQ(count("KEPT/USDT"), "1");
  EXPECT_EQ(count("LOST/USDT"), "0");
  EXPECT_EQ(server_.value(digest_sql), before);
  trade("AFTER/USDT");  // and goes on
  EXPECT_EQ(count("AFTER/USDT"), "1");

  // The first repository and the machine are gone: everything up to the last segment is in the
  // other.
  destroy();
  ASSERT_RUNS(folder_, "rm -rf var/lib/pgbackrest/*");
  ASSERT_RUNS(folder_,
              "pgbackrest --stanza=oneclick --repo=2 --type=immediate"
              " --target-action=promote restore");
  start();
  ASSERT_TRUE(server_.wait_value("SELECT pg_is_in_recovery()", "f"));
  EXPECT_EQ(count("BTC/USDT"), "50");
  destroy();
  ASSERT_RUNS(folder_, "pgbackrest --stanza=oneclick --repo=2 --target-timeline=1 restore");
  start();
  ASSERT_TRUE(server_.wait_value("SELECT pg_is_in_recovery()", "f"));
  EXPECT_EQ(count("KEPT/USDT"), "1");
  EXPECT_EQ(count("LOST/USDT"), "1");
  EXPECT_EQ(server_.value(digest_sql), after);

  folder_.environment["PGHOST"] = "127.0.0.1";
  folder_.environment["PGPORT"] = std::to_string(server_.port());
  folder_.environment["PGUSER"] = "oneclick";
  sql("SELECT engine.seal_audit(1000)");
  for (const char* file : {"dump-critical.sh", "critical-tables.txt"})
    ASSERT_RUNS(folder_, fmt::format("cat > {} <<'WHOLE'\n{}\nWHOLE", file, shipped(file)));
  ASSERT_RUNS(folder_, "sh dump-critical.sh postgres dumps && cd dumps && sha256sum -c SHA256SUMS");
  sql("CREATE DATABASE again");
  const auto migrated = migrate(server_.url("again"), {});
  ASSERT_TRUE(migrated.has_value()) << migrated.error();
  ASSERT_RUNS(folder_,
              "psql -qAt -d again -c 'TRUNCATE supported_exchanges, engine.audit_heads CASCADE' &&"
              " pg_restore --data-only --disable-triggers --exit-on-error -d again"
              " dumps/*.dump");
  auto query = PgQuery::connect(server_.url("again"));
  ASSERT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows(digest_sql);
  ASSERT_TRUE(rows.has_value()) << rows.error();
  EXPECT_EQ(rows->front().front().value_or(""), after);
  // The chain over the audit rows goes on where it was.
  ASSERT_TRUE(query->run("INSERT INTO audit_logs (action) VALUES ('after the dump')").has_value());
  const auto sealed = query->run("SELECT engine.seal_audit(1000)");
  EXPECT_TRUE(sealed.has_value()) << sealed.error();
  folder_.environment["ONECLICK_DATABASE_URL"] = server_.url("again");
  ASSERT_RUNS(folder_, std::string(ONECLICK_BINARY) + " maintain --verify-audit");
}

// Whatever a table of the dump refers to is in the dump.
TEST_F(Restore, TheDumpsTablesReferToNothingElse) {
  const std::string list = shipped("critical-tables.txt");
  const std::string outside = server_.value(
      "SELECT coalesce(string_agg(DISTINCT f.conrelid::regclass || ' -> ' || n.nspname || '.' ||"
      " c.relname, ', '), '') FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid JOIN"
      " pg_namespace n ON n.oid = c.relnamespace JOIN pg_class s ON s.oid = f.conrelid JOIN"
      " pg_namespace m ON m.oid = s.relnamespace WHERE f.contype = 'f' AND '" +
      list + "' LIKE '%' || m.nspname || '.' || s.relname || E'\\n%' AND '" + list +
      "' NOT LIKE '%' || n.nspname || '.' || c.relname || E'\\n%'");
  EXPECT_EQ(outside, "");
}

}  // namespace
}  // namespace oneclick
