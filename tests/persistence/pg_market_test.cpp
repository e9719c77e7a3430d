// Samples of the market on their way into the platform's price tables.
#include <gtest/gtest.h>

#include <thread>

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

// Rates of one ten minutes make one row, and portfolios are told what they are worth by them.
TEST(Market, RatesAreKeptAndPortfoliosToldWhatTheyAreWorth) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  {
    auto admin = PgQuery::connect(url);
    ASSERT_TRUE(admin.has_value());
    const auto made = admin->run(
        "DROP ROLE IF EXISTS test_rates; CREATE ROLE test_rates LOGIN IN ROLE oneclick_engine;"
        "INSERT INTO users (id, email, username, password_hash) VALUES"
        " (gen_random_uuid(), 'u@example.org', 'u', '!');"
        "INSERT INTO portfolios (user_id, name, is_default, updated_at) SELECT id, 'p', true,"
        " '2026-01-01' FROM users;"
        "INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity) SELECT id,"
        " 'BTC/USDT', 2 FROM portfolios;"
        "INSERT INTO engine.position_books (portfolio_id, asset_symbol, cost_usd, spent_usd,"
        " realised_usd) SELECT id, 'BTC/USDT', 160, 200, 10 FROM portfolios");
    ASSERT_TRUE(made.has_value()) << made.error();
  }
  std::string engine_url = url;
  engine_url.replace(engine_url.find("oneclick@"), 9, "test_rates@");
  const std::int64_t now_ns = wall_now_ns();
  Metrics metrics;
  auto writer = PgSideWriter::start(engine_url, metrics);
  writer->usd_rates({{.asset = Asset::cut("USDT"), .usd = Decimal::of("0.9"), .at_ns = now_ns},
                     {.asset = Asset::cut("BTC"), .usd = Decimal::of("91"), .at_ns = now_ns},
                     {.asset = Asset::cut("USDT"), .usd = Decimal::of("7"), .at_ns = now_ns + 1}});
  MarketSample now = sample("BTC/USDT", 0, "100", "100", "100", "100");
  now.begins_ns = now.seen_ns = now_ns;
  writer->market({now});
  const std::string marked =
      "SELECT concat_ws(' ', trim_scale(total_value_usd),"
      " trim_scale(total_pnl_usd), trim_scale(total_pnl_percentage),"
      " updated_at) FROM portfolios";
  const std::int64_t end = monotonic_now_ns() + 20 * s_ns;
  while (value(url, marked) == "2026-01-01 00:00:00" && monotonic_now_ns() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  // 2 x 100 x 0.9 = 180, 20 over cost, and 10 realised: 30 of 200.
  EXPECT_EQ(value(url, marked), "180 30 15 2026-01-01 00:00:00")
      << "which is no edit of the user's";
  EXPECT_EQ(value(url,
                  "SELECT string_agg(asset || trim_scale(usd), ' ' ORDER BY asset)"
                  " FROM engine.usd_rates"),
            "BTC91 USDT0.9");
  EXPECT_EQ(value(url,
                  "SELECT concat_ws(' ', trim_scale(current_price), trim_scale(unrealized_pnl_usd),"
                  " trim_scale(unrealized_pnl_percentage)) FROM portfolio_positions"),
            "100 20 12.5");
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
