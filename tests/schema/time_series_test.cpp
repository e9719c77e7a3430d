// The time series cut by time: from a table with rows, beside writers, by many at once; and the
// same behaviour on a server with TimescaleDB where one is named.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "persistence/pg_migrations.hpp"
#include "persistence/retention.hpp"
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
  EXPECT_TRUE(rows.has_value()) << rows.error() << "\n" << sql;
  return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
}
// The version before the tables were cut.
std::size_t versions_before() {
  std::size_t n = 0;
  while (n < migrations().size() && migrations()[n].name != "time_series") ++n;
  EXPECT_LT(n, migrations().size());
  return n;
}

constexpr const char* storage = "SELECT storage FROM engine.time_series";
constexpr const char* prices_of_years =
    "INSERT INTO price_history (time, symbol, price) SELECT '2019-01-01+00'::timestamptz + n *"
    " interval '1 day', 'BTC/USDT', n + 1 FROM generate_series(0, 2000) n";

TEST(TimeSeries, RowsFromBeforeStayWhereTheyAre) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(versions_before()), {}).has_value());
  PgQuery query = connect(url);
  fill_world(query, static_cast<int>(versions_before()));
  run(query, prices_of_years);
  run(query,
      "CREATE ROLE test_series_reader; GRANT SELECT (time) ON price_history TO"
      " test_series_reader");
  const std::string file = value(query, "SELECT pg_relation_filenode('price_history')");
  const auto steps = migrate(url, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  EXPECT_EQ(value(query, storage), "partitions");
  EXPECT_EQ(value(query, "SELECT pg_relation_filenode('series.price_history_old')"), file)
      << "rows are not copied";
  EXPECT_EQ(value(query, "SELECT count(*) FROM price_history"), "2003");
  EXPECT_EQ(value(query,
                  "SELECT has_column_privilege('test_series_reader', 'price_history',"
                  " 'time', 'SELECT')"),
            "t");
  EXPECT_EQ(value(query,
                  "SELECT count(*) FROM pg_constraint WHERE conname ="
                  " 'before_partitions'"),
            "0");
  // What is dropped of the old table goes row by row, and its months are kept.
  EXPECT_EQ(value(query, "SELECT sum(rows) FROM engine.droppable_market_data('2020-01-10')"), "366")
      << "365 prices and one candle of 2019";
  run(query, "SELECT engine.drop_market_data('2020-01-10')");
  EXPECT_EQ(value(query, "SELECT min(time) AT TIME ZONE 'UTC' FROM price_history"),
            "2020-01-01 00:00:00");
  EXPECT_EQ(value(query,
                  "SELECT count(*) || ' ' || sum(samples) FROM"
                  " engine.price_history_monthly"),
            "12 365");
  run(query, "DROP OWNED BY test_series_reader; DROP ROLE test_series_reader");
}

TEST(TimeSeries, AViewInTheWayIsNamed) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(versions_before()), {}).has_value());
  PgQuery query = connect(url);
  run(query, "CREATE VIEW their_view AS SELECT symbol FROM market_data");
  const auto refused = migrate(url, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().find("their_view"), std::string::npos) << refused.error();
  run(query, "DROP VIEW their_view");
  EXPECT_TRUE(migrate(url, {}).has_value());
}

TEST(TimeSeries, ManyAtOnceMakeEachPartitionOnceAndLoseNoRow) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  constexpr int sessions = 10, writers = 3, rows_each = 400;
  std::atomic<int> made = 0;
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < writers; ++writer)
      threads.emplace_back([&, writer] {
        PgQuery query = connect(url);
        for (int n = 0; n < rows_each; ++n)
          run(query, fmt::format("INSERT INTO price_history (time, symbol, price) VALUES"
                                 " ('2022-01-01+00'::timestamptz + {} * interval '1 day',"
                                 " 'W{}/X', 1)",
                                 n, writer));
      });
    for (int session = 0; session < sessions; ++session)
      threads.emplace_back([&] {
        PgQuery query = connect(url);
        made += std::stoi(value(query, "SELECT engine.keep_partitions('2022-01-15+00', 13)"));
      });
  }
  PgQuery query = connect(url);
  EXPECT_EQ(made, 3 * 15) << "for each table December 2021 to February 2023";
  EXPECT_EQ(value(query, "SELECT count(*) FROM price_history"),
            std::to_string(writers * rows_each));
  EXPECT_EQ(value(query, "SELECT engine.keep_partitions('2022-01-15+00', 13)"), "0");
  EXPECT_EQ(value(query, "SELECT count(*) FROM series.price_history_rest"), "0");
}

TEST(TimeSeries, MonthsThatWereBrokenOffAreFinishedByTheNextRun) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = connect(url);
  run(query, prices_of_years);
  run(query,
      "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
      " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$;"
      "CREATE TRIGGER die AFTER INSERT ON engine.price_history_monthly FOR EACH ROW"
      " WHEN (NEW.month = '2021-03-01') EXECUTE FUNCTION die()");
  {
    PgQuery other = connect(url);
    ASSERT_FALSE(other.run("CALL engine.aggregate_market_data()").has_value());
  }
  EXPECT_EQ(value(query, "SELECT max(month) FROM engine.price_history_monthly"), "2021-02-01");
  run(query, "DROP FUNCTION die CASCADE");
  constexpr const char* all =
      "SELECT count(*) || ' ' || sum(samples) || ' ' || md5(string_agg(m::text, ',' ORDER BY m))"
      " FROM engine.price_history_monthly m";
  run(query, "CALL engine.aggregate_market_data()");
  const std::string once = value(query, all);
  EXPECT_TRUE(once.starts_with("66 2001 ")) << once;
  run(query, "CALL engine.aggregate_market_data('2019-01-01')");
  EXPECT_EQ(value(query, all), once);
}

TEST(TimeSeries, MaintenanceKeepsMonthsAndDropsWhatIsOlderThanFiveYears) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = connect(url);
  run(query,
      "INSERT INTO price_history (time, symbol, price) VALUES (now() - interval '6 years',"
      " 'BTC/USDT', 5), (now() - interval '4 years', 'BTC/USDT', 6)");
  const auto market = [&](bool dry_run) {
    RetentionOptions options;
    options.dry_run = dry_run;
    const auto result = run_retention(url, options);
    EXPECT_TRUE(result.has_value()) << result.error();
    for (const RetentionStep& step : result->steps)
      if (step.name == "market_data") return step;
    ADD_FAILURE() << "no such step";
    return RetentionStep{};
  };
  EXPECT_EQ(market(true).rows, 1);
  EXPECT_EQ(value(query, "SELECT count(*) FROM price_history"), "2");
  const RetentionStep done = market(false);
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(done.rows, 1);
  EXPECT_EQ(value(query, "SELECT count(*) FROM price_history WHERE price = 6"), "1");
  EXPECT_EQ(value(query, "SELECT count(*) FROM price_history"), "1");
  EXPECT_EQ(value(query, "SELECT sum(samples) FROM engine.price_history_monthly"), "2");
  EXPECT_EQ(market(false).rows, 0);
}

// A server that loads TimescaleDB, as superuser: ONECLICK_TIMESCALEDB_URL. Its licence decides what
// is tested.
TEST(TimeSeries, OnTimescaleDbItIsTheSame) {
  const char* server = std::getenv("ONECLICK_TIMESCALEDB_URL");
  if (server == nullptr)
    GTEST_SKIP() << "NOT TESTED: ONECLICK_TIMESCALEDB_URL names no server with TimescaleDB";
  PgQuery admin = connect(server);
  run(admin, "DROP DATABASE IF EXISTS oneclick_series_test");
  run(admin, "CREATE DATABASE oneclick_series_test");
  const std::string base = server;
  const std::string url = base.substr(0, base.rfind('/')) + "/oneclick_series_test";
  ASSERT_TRUE(migrate_to(url, migrations().first(versions_before()), {}).has_value());
  {
    PgQuery query = connect(url);
    fill_world(query, static_cast<int>(versions_before()));
    run(query, prices_of_years);
  }
  const auto steps = migrate(url, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  PgQuery query = connect(url);
  const std::string licence = value(query, "SELECT current_setting('timescaledb.license')");
  const bool compresses = licence == "timescale";
  EXPECT_EQ(value(query, storage), compresses ? "compressed_hypertables" : "hypertables");
  EXPECT_EQ(value(query,
                  "SELECT count(*) FROM timescaledb_information.hypertables WHERE"
                  " hypertable_schema = 'public'"),
            "3");
  EXPECT_EQ(value(query, "SELECT count(*) FROM price_history"), "2003");
  EXPECT_EQ(value(query,
                  "SELECT count(*) FROM pg_trigger WHERE tgname = 'price_history_alerts'"
                  " AND tgrelid = 'public.price_history'::regclass"),
            "1");
  run(query, "CALL engine.aggregate_market_data()");
  run(query, "CALL engine.keep_time_series()");
  EXPECT_EQ(value(query,
                  "SELECT count(*) > 200 FROM timescaledb_information.chunks WHERE"
                  " is_compressed"),
            compresses ? "t" : "f");
  EXPECT_EQ(value(query, "SELECT count(*) FROM timescaledb_information.continuous_aggregates"),
            compresses ? "1" : "0");
  EXPECT_EQ(value(query,
                  "SELECT open_price FROM engine.price_history_daily WHERE day ="
                  " '2019-01-02+00'"),
            "2.00000000");
  run(query,
      "SET ROLE oneclick_platform; INSERT INTO price_history (time, symbol, price) VALUES"
      " ('2019-01-02 12:00+00', 'BTC/USDT', 7); RESET ROLE");
  EXPECT_EQ(value(query, "SELECT sum(rows) FROM engine.droppable_market_data('2020-01-10')"),
            "367");
  run(query, "SELECT engine.drop_market_data('2020-01-10')");
  EXPECT_EQ(value(query, "SELECT min(time) AT TIME ZONE 'UTC' FROM price_history"),
            "2020-01-01 00:00:00");
  EXPECT_EQ(value(query,
                  "SELECT count(*) || ' ' || sum(samples) FROM"
                  " engine.price_history_monthly WHERE month < '2020-01-01'"),
            "12 366");
  run(query, "CALL engine.keep_time_series()");
  if (compresses) {
    EXPECT_EQ(value(query,
                    "SELECT count(*) FROM engine.price_history_daily WHERE day <"
                    " '2020-01-01+00'"),
              "365")
        << "days of what was dropped are kept";
  }
}

}  // namespace
}  // namespace oneclick
