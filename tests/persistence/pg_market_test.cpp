// Samples of the market on their way into the platform's price tables.
#include <gtest/gtest.h>

#include "engine/base/clock.hpp"
#include "persistence/pg.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

constexpr std::int64_t s_ns = 1'000'000'000;
constexpr std::int64_t begin_ns = 1'767'225'600 * s_ns;  // 2026-01-01

MarketSample sample(const char* symbol, std::int64_t seen_s, const char* open, const char* high,
                    const char* low, const char* close) {
  return {.venue = Venue::binance,
          .symbol = Symbol::cut(symbol),
          .begins_ns = begin_ns,
          .seen_ns = begin_ns + seen_s * s_ns + 123'456'789,
          .open = Decimal::of(open),
          .high = Decimal::of(high),
          .low = Decimal::of(low),
          .close = Decimal::of(close)};
}
std::string value(const std::string& url, const std::string& sql) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
}
constexpr const char* candles =
    "SELECT string_agg(concat_ws(' ', time AT TIME ZONE 'UTC', symbol, trim_scale(open_price),"
    " trim_scale(high_price), trim_scale(low_price), trim_scale(close_price), volume), ','"
    " ORDER BY symbol) FROM market_data";

TEST(Market, SamplesBecomePricesAndCandles) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  // As the daemon's role: what it may not do would be seen here.
  {
    auto admin = PgQuery::connect(url);
    ASSERT_TRUE(admin.has_value());
    ASSERT_TRUE(admin
                    ->run("DROP ROLE IF EXISTS test_market; CREATE ROLE test_market LOGIN IN ROLE"
                          " oneclick_engine")
                    .has_value());
  }
  std::string engine_url = url;
  engine_url.replace(engine_url.find("oneclick@"), 9, "test_market@");
  Metrics metrics;
  auto writer = PgSideWriter::start(engine_url, metrics);
  writer->market({sample("BTC/USDT", 10, "100", "110", "95.5", "101"),
                  sample("ETH/USDT", 10, "10", "10", "10", "10")});
  writer.reset();
  EXPECT_EQ(value(url,
                  "SELECT string_agg(concat_ws(' ', time AT TIME ZONE 'UTC', symbol,"
                  " trim_scale(price), volume, source), ',' ORDER BY symbol) FROM price_history"),
            "2026-01-01 00:00:10.123456 BTC/USDT 101 binance,"
            "2026-01-01 00:00:10.123456 ETH/USDT 10 binance");
  EXPECT_EQ(value(url, candles),
            "2026-01-01 00:00:00 BTC/USDT 100 110 95.5 101,2026-01-01 00:00:00 ETH/USDT 10 10 10 "
            "10");
  // After a restart within the interval, and one sample a second time.
  writer = PgSideWriter::start(engine_url, metrics);
  writer->market({sample("BTC/USDT", 10, "100", "110", "95.5", "101"),
                  sample("BTC/USDT", 40, "102", "111", "99", "103")});
  writer.reset();
  EXPECT_EQ(value(url, "SELECT count(*) FROM price_history"), "3");
  EXPECT_EQ(value(url, candles),
            "2026-01-01 00:00:00 BTC/USDT 100 111 95.5 103,2026-01-01 00:00:00 ETH/USDT 10 10 10 "
            "10");
  EXPECT_EQ(metrics.counter("market_samples_total", "").value(), 4U);
}

TEST(Market, WaitsWithoutBlockingAndWithoutEndWhileTheDatabaseIsAway) {
  Metrics metrics;
  auto writer = PgSideWriter::start("postgresql://nobody@127.0.0.1:1/none", metrics);
  const std::int64_t begun = monotonic_now_ns();
  for (int n = 0; n < 60; ++n)
    writer->market(std::vector<MarketSample>(1'000, sample("BTC/USDT", n, "1", "1", "1", "1")));
  EXPECT_LT(monotonic_now_ns() - begun, 2 * s_ns);
  EXPECT_EQ(metrics.counter("market_samples_dropped_total", "").value(), 10'000U);
  const std::int64_t ending = monotonic_now_ns();
  writer.reset();
  EXPECT_LT(monotonic_now_ns() - ending, 4 * s_ns);
}

}  // namespace
}  // namespace oneclick
