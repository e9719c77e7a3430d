// What goes after its time, what stays, and that nothing else is lost by it.
#include <csignal>

#include <fmt/format.h>

#include "tests/schema/maintain_rig.hpp"
#include "tests/schema/migrate_world.hpp"

namespace oneclick {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::Not;

constexpr const char* people = R"(
INSERT INTO users (id, email, username, password_hash) VALUES
  ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'a', '!'),
  ('00000000-0000-4000-8000-000000000002', 'b@example.org', 'b', '!');
)";

// Rows on both sides of every period; `name` says which: those that begin with "keep" stay.
constexpr const char* both_sides = R"(
CREATE FUNCTION pg_temp.ago(period interval) RETURNS timestamp LANGUAGE sql AS
  $$ SELECT now() AT TIME ZONE 'UTC' - period $$;
INSERT INTO user_sessions (user_id, token_hash, expires_at, created_at, last_active_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'keep', pg_temp.ago('-1 minute'),
   pg_temp.ago('29 days 23 hours'), pg_temp.ago('1 hour')),
  ('00000000-0000-4000-8000-000000000001', 'too old', pg_temp.ago('-1 year'),
   pg_temp.ago('30 days 1 minute'), pg_temp.ago('1 hour')),
  ('00000000-0000-4000-8000-000000000001', 'expired', pg_temp.ago('1 second'),
   pg_temp.ago('1 hour'), pg_temp.ago('1 hour'));
INSERT INTO notifications (user_id, title, message, created_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'keep', '', pg_temp.ago('364 days 23 hours')),
  ('00000000-0000-4000-8000-000000000001', 'keep: no time', '', NULL),
  ('00000000-0000-4000-8000-000000000001', 'old', '', pg_temp.ago('365 days 1 minute'));
INSERT INTO system_logs (service, message, created_at) VALUES
  ('keep', '', pg_temp.ago('89 days 23 hours')), ('old', '', pg_temp.ago('90 days 1 minute'));
INSERT INTO audit_logs (action, created_at) VALUES
  ('old', pg_temp.ago('7 years 1 minute')), ('old', pg_temp.ago('7 years 1 minute'));
INSERT INTO audit_logs (action, created_at) VALUES ('keep', pg_temp.ago('6 years 11 months'));
INSERT INTO trades (id, user_id, asset_symbol, quantity, created_at) VALUES
  ('00000000-0000-4000-8000-000000000009', '00000000-0000-4000-8000-000000000001', 'BTC/USDT', 1,
   '1999-01-01');
INSERT INTO trade_history (trade_id, status, "timestamp") VALUES
  ('00000000-0000-4000-8000-000000000009', 'fill', '1999-01-01');
INSERT INTO price_alerts (user_id, asset_symbol, condition_type, target_price, created_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'BTC/USDT', 'above', 1, '1999-01-01');
INSERT INTO premium_channels (id, creator_id, name) VALUES
  ('00000000-0000-4000-8000-000000000010', '00000000-0000-4000-8000-000000000002', 'c');
INSERT INTO subscriptions (user_id, channel_id, status, start_date, end_date) VALUES
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000010', 'active',
   pg_temp.ago('1 month'), pg_temp.ago('1 second')),
  ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000010', 'active',
   pg_temp.ago('1 month'), pg_temp.ago('-1 minute'));
INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol, status,
    expires_at) VALUES
  ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000010',
   '00000000-0000-4000-8000-000000000002', 'buy', 'BTC/USDT', 'active', pg_temp.ago('1 second')),
  ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000010',
   '00000000-0000-4000-8000-000000000002', 'buy', 'BTC/USDT', 'active', pg_temp.ago('-1 minute'));
)";

class Retention : public MaintainRig {
 protected:
  World world() {
    auto query = PgQuery::connect(url_);
    EXPECT_TRUE(query.has_value());
    return world_of(*query, columns_of(*query));
  }
};

TEST_F(Retention, RemovesWhatIsPastItsTimeAndNothingElse) {
  sql(std::string(people) + both_sides);
  const Ran ran = maintain();
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_EQ(ask("SELECT string_agg(token_hash, ',') FROM user_sessions"), "keep");
  EXPECT_EQ(ask("SELECT string_agg(title, ',' ORDER BY title) FROM notifications"
                " WHERE type IS NULL"),
            "keep,keep: no time");
  EXPECT_EQ(ask("SELECT string_agg(service, ',') FROM system_logs"), "keep");
  EXPECT_EQ(ask("SELECT string_agg(action, ',') FROM audit_logs"), "keep");
  EXPECT_EQ(ask("SELECT string_agg(action, ',') FROM engine.audit_archive_rows"), "old,old");
  EXPECT_EQ(ask("SELECT count(*) FROM trades"), "1");
  EXPECT_EQ(ask("SELECT count(*) FROM trade_history"), "1");
  EXPECT_EQ(ask("SELECT count(*) FROM price_alerts WHERE created_at < '2000-01-01'"), "1");
  EXPECT_EQ(ask("SELECT string_agg(status::text, ',' ORDER BY end_date) FROM subscriptions"),
            "expired,active");
  EXPECT_EQ(ask("SELECT string_agg(status::text, ',' ORDER BY expires_at) FROM trading_signals"),
            "expired,active");
  EXPECT_EQ(maintain({"--verify-audit"}).code, 0);
  EXPECT_THAT(ran.output, HasSubstr("notifications: 1 rows removed, of before "));
}

TEST_F(Retention, SecondRunFindsNothingMore) {
  sql(std::string(people) + both_sides);
  ASSERT_EQ(maintain().code, 0);
  const World before = world();
  const Ran again = maintain({"--json"});
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr(R"({"name":"user_sessions","rows":0,)"));
  EXPECT_THAT(again.output, HasSubstr(R"({"name":"audit_logs","rows":0,)"));
  World after = world();
  for (const char* const of_the_run : {"engine.rolled_up_days", "engine.audit_checkpoints"})
    after[of_the_run] = before.at(of_the_run);
  for (const auto& [table, rows] : before) EXPECT_EQ(after.at(table), rows) << table;
}

TEST_F(Retention, DryRunSaysWhatWouldGoAndChangesNothing) {
  sql(std::string(people) + both_sides + "SELECT engine.seal_audit()");
  const World before = world();
  const Ran dry = maintain({"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.output;
  EXPECT_EQ(world(), before);
  for (const char* const line : {"subscriptions: 1 would expire", "trading_signals: 1 would expire",
                                 "user_sessions: 2 rows would go", "notifications: 1 rows would go",
                                 "system_logs: 1 rows would go", "audit_logs: 2 rows would move"})
    EXPECT_THAT(dry.output, HasSubstr(line));
  const Ran json = maintain({"--dry-run", "--json"});
  EXPECT_THAT(json.output, HasSubstr(R"({"dry_run":true,"steps":[)"));
  EXPECT_THAT(json.output, HasSubstr(R"({"name":"system_logs","rows":1,"cutoff":"20)"));
  const std::string oldest =
      ask("SELECT to_char(min(created_at), 'YYYY-MM-DD HH24:MI:SS') FROM system_logs");
  EXPECT_THAT(json.output, HasSubstr(R"("oldest":")" + oldest + R"(","note":null,"error":null})"));
  EXPECT_EQ(world(), before);
}

TEST_F(Retention, PeriodsAreConfigured) {
  sql(std::string(people) + both_sides);
  std::ofstream(dir_ / "c.toml") << "[retention]\nsystem_logs_days = 91\nnotifications_days = 2\n"
                                    "[engine]\nanything = \"is not looked at\"\n";
  const Ran ran = maintain(
      {"--config", (dir_ / "c.toml").string(), "--set", "retention.user_sessions_days=31"});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_EQ(ask("SELECT count(*) FROM system_logs"), "2");
  EXPECT_EQ(ask("SELECT count(*) FROM notifications WHERE created_at < now() - interval '2 days'"),
            "0");
  EXPECT_EQ(ask("SELECT string_agg(token_hash, ',' ORDER BY token_hash) FROM user_sessions"),
            "keep,too old");
}

TEST_F(Retention, ShorterThanTheLawAsksIsRefused) {
  const auto refused = [&](const std::string& setting, const std::string& said) {
    const Ran ran = maintain({"--set", "retention." + setting});
    EXPECT_EQ(ran.code, 78) << setting;
    EXPECT_THAT(ran.output, HasSubstr(said));
  };
  refused("audit_logs_years=6",
          "retention.audit_logs_years = \"6\": allowed: a whole number from 7 to 100");
  refused("trades_years=10",
          "retention.trades_years = \"10\": allowed: no such key: trades and their "
          "history are kept for ever");
  refused("user_sessions_days=0",
          "retention.user_sessions_days = \"0\": allowed: a whole number from 1 to 3650");
  refused("sessions_days=1", "retention.sessions_days: unknown key");
  EXPECT_EQ(maintain({"--dry-run", "--verify-audit"}).code, 64);
  EXPECT_EQ(maintain({"--config", "/nonexistent.toml"}).code, 78);
}

TEST_F(Retention, SessionsAreCountedBeforeTheyGo) {
  sql(people);
  sql("INSERT INTO user_sessions (user_id, token_hash, expires_at, created_at, last_active_at)"
      " SELECT '00000000-0000-4000-8000-000000000001', 'x', now() AT TIME ZONE 'UTC' - interval '1"
      " hour', d, d + interval '10 minutes' FROM (VALUES ((now() AT TIME ZONE 'UTC')::date - 3 +"
      " time '12:00'), ((now() AT TIME ZONE 'UTC')::date - 1 + time '12:00')) AS v (d)");
  ASSERT_EQ(maintain().code, 0);
  EXPECT_EQ(ask("SELECT count(*) FROM user_sessions"), "0");
  EXPECT_EQ(ask("SELECT string_agg((now() AT TIME ZONE 'UTC')::date - date || ':' || login_count"
                " || ':' || time_spent_minutes, ',' ORDER BY date) FROM user_analytics"),
            "3:1:10,1:1:10");
  // The next day of a job that stood still is where the last one ended.
  sql("DELETE FROM engine.rolled_up_days WHERE day > (now() AT TIME ZONE 'UTC')::date - 2");
  const Ran later = maintain({"--dry-run"});
  EXPECT_THAT(later.output, HasSubstr("roll_ups: 3 days to do"));
}

TEST_F(Retention, WithoutRollUpsSessionsStay) {
  sql(std::string(people) + both_sides);
  sql("ALTER TABLE platform_analytics ADD CHECK (total_users < 0)");
  const Ran ran = maintain();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("user_sessions: not cleaned up: roll-ups"));
  EXPECT_EQ(ask("SELECT count(*) FROM user_sessions"), "3");
  EXPECT_EQ(ask("SELECT count(*) FROM system_logs"), "1") << "the others go on";
}

TEST_F(Retention, ChangeLogGoesWhenEveryReaderHasSeenIt) {
  sql(people);
  sql("UPDATE users SET account_status = 'active'");
  ASSERT_NE(ask("SELECT count(*) FROM engine.change_log"), "0");
  sql("INSERT INTO engine.change_cursors (reader, xid, updated_at) VALUES ('engine',"
      " pg_snapshot_xmin(pg_current_snapshot()), now()), ('lost', '3', now() - interval '2 days')");
  const std::string rows = ask("SELECT count(*) FROM engine.change_log");
  const Ran held = maintain();
  EXPECT_EQ(held.code, 0) << held.output;
  EXPECT_EQ(ask("SELECT count(*) FROM engine.change_log"), rows);
  EXPECT_THAT(held.output, HasSubstr("reader lost has not moved for a day"));
  sql("DELETE FROM engine.change_cursors WHERE reader = 'lost'");
  const Ran gone = maintain();
  EXPECT_EQ(gone.code, 0) << gone.output;
  EXPECT_THAT(gone.output, Not(HasSubstr("has not moved")));
  EXPECT_EQ(ask("SELECT count(*) FROM engine.change_log"), "0");
}

TEST_F(Retention, WithoutAMasterKeyNothingIsArchived) {
  sql(std::string(people) + both_sides);
  auto child = ChildProcess::start({.arguments = {ONECLICK_BINARY, "maintain", "--database", url_},
                                    .environment = {{"ONECLICK_MASTER_KEY_FILE", ""}},
                                    .output_file = (dir_ / "output").string()});
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->wait(minute_ns), 0);
  EXPECT_THAT(output_of("output"), HasSubstr("nothing is archived without a master key"));
  EXPECT_EQ(ask("SELECT count(*) FROM audit_logs"), "3");
}

// Waits at a batch in the middle, as long as somebody holds advisory lock 77.
constexpr const char* stop_in_the_middle = R"(
CREATE FUNCTION public.stop_here() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM public.notifications) <= 704 THEN
    PERFORM pg_advisory_xact_lock(77);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER stop_here BEFORE DELETE ON notifications FOR EACH STATEMENT
  EXECUTE FUNCTION public.stop_here();
INSERT INTO notifications (user_id, title, message, created_at)
  SELECT '00000000-0000-4000-8000-000000000001', n::text, '', now() - interval '2 years'
    FROM generate_series(1, 1000) AS n;
)";

TEST_F(Retention, KilledInTheMiddleTheNextRunGoesOn) {
  sql(std::string(people) + both_sides + stop_in_the_middle);
  auto holder = PgQuery::connect(url_);
  ASSERT_TRUE(holder.has_value());
  ASSERT_TRUE(holder->run("SELECT pg_advisory_lock(77)").has_value());
  ChildProcess child = start({"--set", "retention.batch_rows=100"});
  const std::string waits =
      "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted";
  ASSERT_TRUE(comes_true([&] { return ask(waits) == "1"; })) << output_of("output");

  const Ran second = maintain();
  EXPECT_EQ(second.code, 75);
  EXPECT_THAT(second.output, HasSubstr("maintenance of this database is running already"));

  child.signal(SIGKILL);
  EXPECT_EQ(child.wait(minute_ns), 128 + SIGKILL);
  EXPECT_EQ(ask("SELECT count(*) FROM notifications WHERE type IS NULL"), "703")
      << "whole batches, each committed";
  ASSERT_TRUE(holder->run("SELECT pg_advisory_unlock(77)").has_value());
  ASSERT_TRUE(comes_true([&] {
    return ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
               " application_name = 'oneclick maintain'") == "0";
  }));
  const Ran next = maintain({"--set", "retention.batch_rows=100"});
  EXPECT_EQ(next.code, 0) << next.output;
  EXPECT_EQ(ask("SELECT count(*) FROM notifications WHERE type IS NULL"), "2");
  EXPECT_EQ(ask("SELECT count(*) FROM engine.audit_archive_rows"), "2");
  EXPECT_EQ(maintain({"--verify-audit"}).code, 0);
}

TEST_F(Retention, RowsThatSomebodyHoldsWaitForTheNextRun) {
  sql(std::string(people) + both_sides);
  auto holder = PgQuery::connect(url_);
  ASSERT_TRUE(holder.has_value());
  ASSERT_TRUE(holder->run("BEGIN").has_value());
  ASSERT_TRUE(holder->run("SELECT FROM system_logs WHERE service = 'old' FOR UPDATE").has_value());
  const Ran ran = maintain();
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_EQ(ask("SELECT count(*) FROM system_logs"), "2");
  ASSERT_TRUE(holder->run("COMMIT").has_value());
  EXPECT_EQ(maintain().code, 0);
  EXPECT_EQ(ask("SELECT count(*) FROM system_logs"), "1");
}

// The owner's group is enough, and no other one may.
TEST_F(Retention, RunsAsAMemberOfTheOwnersGroup) {
  sql(std::string(people) + both_sides);
  sql("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN IN ROLE oneclick_owner;"
      "DROP ROLE IF EXISTS daemon; CREATE ROLE daemon LOGIN IN ROLE oneclick_engine");
  const std::string admin = url_;
  const auto as = [&](const std::string& role) {
    std::string url = admin;
    return url.replace(url.find("oneclick@"), 9, role + "@");
  };
  url_ = as("daemon");
  EXPECT_EQ(maintain().code, 1);
  url_ = admin;
  EXPECT_EQ(ask("SELECT count(*) FROM audit_logs"), "3");
  EXPECT_EQ(ask("SELECT count(*) FROM system_logs"), "2");
  url_ = as("keeper");
  const Ran ran = maintain();
  EXPECT_EQ(ran.code, 0) << ran.output;
  url_ = admin;
  EXPECT_EQ(ask("SELECT count(*) FROM audit_logs"), "1");
  EXPECT_EQ(ask("SELECT count(*) FROM system_logs"), "1");
}

}  // namespace
}  // namespace oneclick
