// The nightly job as SQL does it, called by hand and by a real pg_cron.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;
using testing::HasSubstr;

constexpr const char* module = "/usr/lib/postgresql/15/lib/pg_cron.so";
// A job begins with a minute of the clock.
constexpr std::int64_t cron_ns_max = 150'000'000'000;

// Rows on both sides of every period; what begins with "keep" stays.
constexpr const char* both_sides = R"(
CREATE FUNCTION pg_temp.ago(period interval) RETURNS timestamp LANGUAGE sql AS
  $$ SELECT now() AT TIME ZONE 'UTC' - period $$;
INSERT INTO users (id, email, username, password_hash) VALUES
  ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'a', '!');
INSERT INTO user_sessions (user_id, token_hash, expires_at, created_at)
  SELECT '00000000-0000-4000-8000-000000000001', token, ends, begins FROM (VALUES
    ('keep', pg_temp.ago('-1 hour'), pg_temp.ago('29 days 23 hours')),
    ('too old', pg_temp.ago('-1 year'), pg_temp.ago('30 days 1 minute')),
    ('expired', pg_temp.ago('1 second'), pg_temp.ago('1 hour'))) AS s (token, ends, begins);
INSERT INTO notifications (user_id, title, message, created_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'keep', '', pg_temp.ago('364 days 23 hours')),
  ('00000000-0000-4000-8000-000000000001', 'old', '', pg_temp.ago('365 days 1 minute'));
INSERT INTO system_logs (service, message, created_at) VALUES
  ('keep', '', pg_temp.ago('89 days 23 hours')), ('old', '', pg_temp.ago('90 days 1 minute'));
INSERT INTO audit_logs (action, created_at) VALUES ('keep: needs a key', pg_temp.ago('8 years'));
INSERT INTO price_history (time, symbol, price) VALUES
  ('2001-01-15 00:00:00+00', 'OLD/USDT', 1), (now() - interval '4 years', 'KEEP/USDT', 1);
INSERT INTO trades (id, user_id, asset_symbol, quantity, created_at) VALUES
  ('00000000-0000-4000-8000-000000000009', '00000000-0000-4000-8000-000000000001', 'BTC/USDT', 1,
   '1999-01-01');
INSERT INTO premium_channels (id, creator_id, name) VALUES
  ('00000000-0000-4000-8000-000000000010', '00000000-0000-4000-8000-000000000001', 'c');
INSERT INTO trading_signals (channel_id, creator_id, signal_type, asset_symbol, status, expires_at)
  VALUES ('00000000-0000-4000-8000-000000000010', '00000000-0000-4000-8000-000000000001', 'buy',
   'BTC/USDT', 'active', pg_temp.ago('1 second'));
)";

constexpr const char* what_is_left =
    "SELECT concat_ws('; ', (SELECT string_agg(token_hash, ',') FROM user_sessions),"
    " (SELECT string_agg(title, ',') FROM notifications WHERE type IS NULL),"
    " (SELECT string_agg(service, ',') FROM system_logs),"
    " (SELECT string_agg(action, ',') FROM audit_logs),"
    " (SELECT string_agg(symbol, ',') FROM price_history),"
    " (SELECT count(*) || ' months' FROM engine.price_history_monthly WHERE symbol = 'OLD/USDT'),"
    " (SELECT count(*) || ' trades' FROM trades),"
    " (SELECT string_agg(status::text, ',') FROM trading_signals),"
    " (SELECT CASE WHEN count(*) >= 30 THEN 'days rolled up' END FROM engine.rolled_up_days))";
constexpr const char* left =
    "keep; keep; keep; keep: needs a key; KEEP/USDT; 1 months; 1 trades; expired; days rolled up";

void run(const std::string& url, const std::string& sql) {
  auto query = PgQuery::connect(url);
  ASSERT_TRUE(query.has_value()) << query.error();
  const auto done = query->run(sql);
  ASSERT_TRUE(done.has_value()) << done.error() << "\n" << sql;
}
std::string value(const std::string& url, const std::string& sql) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error() << "\n" << sql;
  return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
}
std::string refusal(const std::string& url, const std::string& sql) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows(sql);
  return rows ? "not refused" : rows.error();
}

TEST(MaintenanceInSql, DoesWhatTheCommandDoesButForTheAuditArchive) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  run(url, both_sides);
  // One row a transaction: that it begins again after each.
  run(url, "CALL engine.maintain(batch_rows => 1)");
  EXPECT_EQ(value(url, what_is_left), left);
  run(url, "CALL engine.maintain()");
  EXPECT_EQ(value(url, what_is_left), left);
}

TEST(MaintenanceInSql, OneRunAtATime) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  run(url, both_sides);
  auto other = PgQuery::connect(url);
  ASSERT_TRUE(other.has_value());
  ASSERT_TRUE(other->run("SELECT engine.try_maintenance()").has_value());
  run(url, "CALL engine.maintain()");
  EXPECT_EQ(value(url, "SELECT count(*) FROM system_logs"), "2");
}

TEST(MaintenanceInSql, WhatCannotBeIsRefused) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  EXPECT_THAT(refusal(url, "CALL engine.maintain(system_logs_days => 0)"),
              HasSubstr("must be at least 1"));
  EXPECT_THAT(refusal(url, "SELECT engine.schedule_maintenance()"),
              HasSubstr("pg_cron is not in this database"));
}

// pg_cron works for one database, which has to be there when its server starts.
class CronServer : public ::testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    if (!std::filesystem::exists(module)) GTEST_SKIP() << "NOT TESTED: no " << module;
    std::string name = "/tmp/oneclick-cron-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    start({});
    ASSERT_TRUE(server_->create_database("platform").has_value());
    server_->stop();
    server_.reset();
    start({"shared_preload_libraries=pg_cron", "cron.database_name=platform",
           "cron.use_background_workers=on"});
    url_ = fmt::format("postgresql://oneclick@127.0.0.1:{}/platform", server_->port());
  }
  void TearDown() override {
    server_.reset();
    std::error_code ignored;
    if (!dir_.empty()) std::filesystem::remove_all(dir_, ignored);
  }
  void start(const std::vector<std::string>& settings) {
    auto started = PrivatePostgres::start({.dir = dir_, .settings = settings});
    ASSERT_TRUE(started.has_value()) << started.error();
    server_ = std::move(*started);
  }

  std::filesystem::path dir_;
  std::unique_ptr<PrivatePostgres> server_;
  std::string url_;
};

TEST_F(CronServer, MigratingSchedulesTheJobAndItRuns) {
  const auto steps = migrate(url_, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  EXPECT_EQ(value(url_, "SELECT string_agg(schedule || ' ' || command, ';') FROM cron.job"),
            "17 3 * * * CALL engine.maintain()");
  run(url_, both_sides);
  run(url_, "SELECT engine.schedule_maintenance('* * * * *')");
  EXPECT_EQ(value(url_, "SELECT count(*) FROM cron.job"), "1");
  const std::int64_t until = steady_now_ns() + cron_ns_max;
  const std::string ended =
      "SELECT coalesce(min(status), '') FROM cron.job_run_details WHERE end_time IS NOT NULL";
  while (value(url_, ended).empty() && steady_now_ns() < until) ::usleep(200'000);
  EXPECT_EQ(value(url_, ended), "succeeded")
      << value(url_, "SELECT string_agg(return_message, '; ') FROM cron.job_run_details");
  EXPECT_EQ(value(url_, what_is_left), left);
}

}  // namespace
}  // namespace oneclick
