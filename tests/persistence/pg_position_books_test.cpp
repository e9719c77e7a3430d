// Books in USD against a real PostgreSQL: what the sink makes of fills, held to figures that were
// worked out by hand and to what the fills themselves add up to.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <thread>

#include "persistence/pg.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

constexpr std::int64_t drain_ns = 60'000'000'000;

class PositionBooks : public ::testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    url_ = PgServer::fresh_database();
    query_.emplace(open_query(url_));
    make_users(*query_, 4);
    auto writer = JournalWriter::open({.dir = folder_.path() / "journal",
                                       .shard = 0,
                                       .ring_bytes = 8 << 20,
                                       .segment_bytes = 8 << 20,
                                       .ring_dir = folder_.path()},
                                      metrics_);
    ASSERT_TRUE(writer.has_value()) << writer.error().message;
    writer_ = std::move(*writer);
  }
  void append(const Record& record) {
    while (!writer_->has_room(4096)) std::this_thread::yield();
    last_ = writer_->append(record);
  }
  struct Traded {
    std::uint64_t follower = 1;
    Side side = Side::buy;
    const char* symbol = "BTC/USDT";
    std::string quantity, price;
    std::string fee = "0";
    const char* fee_asset = "USDT";
    std::string base_fee = "0";
    std::string quote_usd = "1", fee_usd = "1";
  };
  void trade(const Traded& t) {
    const std::uint64_t n = ++trades_;
    Record order = order_record(n, t.follower, 0, OrderStatus::pending, {});
    order.order.symbol = Symbol::cut(t.symbol);
    order.order.side = t.side;
    append(order);
    Record r =
        fill_record(n, t.follower, fmt::format("t{}", n), t.side, t.quantity, t.price, t.base_fee);
    r.fill.symbol = Symbol::cut(t.symbol);
    r.fill.fee = Decimal::of(t.fee);
    r.fill.fee_asset = Asset::cut(t.fee_asset);
    r.fill.quote_usd = Decimal::of(t.quote_usd);
    r.fill.fee_usd = Decimal::of(t.fee_usd);
    append(r);
  }
  void drain(std::size_t batch = 5'000) {
    auto sink = PgSink::start({.database_url = url_,
                               .journal_dir = folder_.path() / "journal",
                               .shard = 0,
                               .batch_records_max = batch},
                              metrics_, [](JournalPosition) {});
    ASSERT_TRUE(sink->drain(last_, drain_ns));
    EXPECT_EQ(row_text(*query_, "SELECT count(*) FROM engine.sink_rejects"), "0");
  }
  std::string book(std::uint64_t follower, const char* symbol = "BTC/USDT") {
    return row_text(*query_, fmt::format("SELECT trim_scale(p.quantity), trim_scale(b.cost_usd),"
                                         " trim_scale(b.realised_usd), trim_scale(b.fees_usd),"
                                         " trim_scale(b.spent_usd), b.cost_known, b.unvalued_fills"
                                         " FROM portfolio_positions p JOIN engine.position_books b"
                                         " USING (portfolio_id, asset_symbol) WHERE portfolio_id ="
                                         " '{}' AND asset_symbol = '{}'",
                                         portfolio(follower).to_text(), symbol));
  }

  Folder folder_;
  Metrics metrics_;
  std::string url_;
  std::optional<PgQuery> query_;
  std::unique_ptr<JournalWriter> writer_;
  JournalPosition last_ = 0;
  std::uint64_t trades_ = 0;
};

TEST_F(PositionBooks, CostsHoldFeesAndSalesRealiseWhatIsLeft) {
  // 2 x 100 USDT at 1.01 USD, and a fee of 0.01 BNB at 600 USD: 202 + 6 = 208.
  trade({.quantity = "2",
         .price = "100",
         .fee = "0.01",
         .fee_asset = "BNB",
         .quote_usd = "1.01",
         .fee_usd = "600"});
  drain();
  EXPECT_EQ(book(1), "2|208|0|6|208|t|0");
  // 2 x 110 at 1 USD, a fee of 0.5 BTC out of what was bought: 220 for 1.5; the fee was 55 USD.
  trade({.quantity = "2",
         .price = "110",
         .fee = "0.5",
         .fee_asset = "BTC",
         .base_fee = "0.5",
         .fee_usd = "110"});
  drain();
  EXPECT_EQ(book(1), "3.5|428|0|61|428|t|0");
  // 1.75 of 3.5 sold at 200, a fee of 3 USDT: 350 - 3 - 214 = 133.
  trade({.side = Side::sell, .quantity = "1.75", .price = "200", .fee = "3"});
  drain();
  EXPECT_EQ(book(1), "1.75|214|133|64|428|t|0");
  // The rest at a loss: 175 - 214 = -39.
  trade({.side = Side::sell, .quantity = "1.75", .price = "100"});
  drain();
  EXPECT_EQ(book(1), "0|0|94|64|428|t|0");
}

TEST_F(PositionBooks, AStablecoinWithoutARateIsNotADollar) {
  trade({.quantity = "1", .price = "100", .quote_usd = "0"});
  trade({.quantity = "1", .price = "100", .fee = "1", .fee_asset = "BNB", .fee_usd = "0"});
  trade({.side = Side::sell, .quantity = "1", .price = "150"});
  drain();
  EXPECT_EQ(book(1), "1|0|0|0|0|f|3") << "neither a cost nor a profit is made up";
  EXPECT_EQ(row_text(*query_,
                     "SELECT cost_usd, realised_usd, unrealised_usd FROM engine.position_profits"),
            "NULL|NULL|NULL");
  // Flat, all that comes is known again; what was not, stays told.
  trade({.side = Side::sell, .quantity = "1", .price = "150"});
  trade({.quantity = "1", .price = "100"});
  trade({.side = Side::sell, .quantity = "1", .price = "130"});
  drain();
  EXPECT_EQ(book(1), "0|0|30|0|100|t|4");
}

TEST_F(PositionBooks, WhatWasNotBoughtHereMakesNoProfit) {
  trade({.side = Side::sell, .quantity = "1", .price = "500"});
  drain();
  EXPECT_EQ(book(1), "-1|0|0|0|0|t|0");
  trade({.quantity = "4", .price = "100"});  // one of them buys back
  drain();
  EXPECT_EQ(book(1), "3|300|0|0|400|t|0");
  trade({.side = Side::sell, .quantity = "6", .price = "200"});  // half of it was held
  drain();
  EXPECT_EQ(book(1), "-3|0|300|0|400|t|0");
  // Held before there were books: no known cost.
  run(*query_, fmt::format("INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity,"
                           " average_buy_price) VALUES ('{}', 'BTC/USDT', 1, 90)",
                           portfolio(2).to_text()));
  trade({.follower = 2, .quantity = "1", .price = "100"});
  drain();
  EXPECT_EQ(book(2), "2|100|0|0|100|f|0");
}

// Whatever was traded, all that was received less all that was paid, and what is left at its price,
// is the profit; and batches of any size come to the same.
TEST_F(PositionBooks, ProfitIsWhatFillsAddUpTo) {
  std::mt19937_64 random(7);
  const auto one_of = [&](std::uint64_t n) { return random() % n; };
  const char* const symbols[] = {"BTC/USDT", "ETH/BTC"};
  std::map<std::pair<std::uint64_t, std::string>, Decimal> held;
  for (int n = 0; n < 600; ++n) {
    Traded t{.follower = 1 + one_of(3),
             .symbol = symbols[one_of(2)],
             .quantity = {},
             .price = fmt::format("{}.{:02}", 50 + one_of(100), one_of(100)),
             .quote_usd = fmt::format("0.9{:03}", one_of(1000))};
    Decimal& have = held[{t.follower, t.symbol}];
    t.side = have.is_positive() && one_of(2) == 0 ? Side::sell : Side::buy;
    Decimal quantity = Decimal::from_e8(static_cast<std::int64_t>(1 + one_of(500'000'000)));
    if (t.side == Side::sell && (one_of(8) == 0 || quantity > have)) quantity = have;
    t.quantity = quantity.to_text();
    const bool fee_in_base = t.side == Side::buy && one_of(2) == 0;
    if (fee_in_base) {
      t.fee = t.base_fee = mul(quantity, Decimal::of("0.001"), Round::down).to_text();
      t.fee_asset = "BASE";
    } else {
      t.fee = fmt::format("0.{:04}", one_of(10'000));
      t.fee_usd = "1.5";
    }
    trade(t);
    have += t.side == Side::sell ? -quantity : quantity - Decimal::of(t.base_fee);
  }
  drain(7);
  run(*query_,
      "INSERT INTO price_history (time, symbol, price) VALUES (now(), 'BTC/USDT', 120.5),"
      " (now(), 'ETH/BTC', 33.25);"
      "INSERT INTO engine.usd_rates VALUES ('USDT', date_bin('10 minutes', now(), 'epoch'), 0.999,"
      " now()), ('BTC', date_bin('10 minutes', now(), 'epoch'), 1.25, now())");
  // From the history alone. Each of the 600 fills may have been rounded three times.
  EXPECT_EQ(row_text(*query_, R"(
WITH fills AS (
  SELECT t.portfolio_id, t.asset_symbol, CASE t.side WHEN 'buy' THEN 1 ELSE -1 END AS sign,
         h.quantity, h.price, (h.exchange_response ->> 'fee')::numeric AS fee,
         coalesce((h.exchange_response ->> 'base_fee')::numeric, 0) AS base_fee,
         (h.exchange_response ->> 'quote_usd')::numeric AS quote_usd,
         (h.exchange_response ->> 'fee_asset_usd')::numeric AS fee_usd
    FROM trade_history h JOIN trades t ON t.id = h.trade_id WHERE h.status = 'fill'),
sums AS (
  SELECT portfolio_id, asset_symbol, sum(sign * quantity - base_fee) AS quantity,
         -sum(sign * quantity * price * quote_usd
              + CASE WHEN base_fee = 0 THEN fee * fee_usd ELSE 0 END) AS cash,
         sum(fee * fee_usd) AS fees FROM fills GROUP BY 1, 2)
SELECT count(*), bool_and(s.quantity = v.quantity),
       bool_and(abs(s.cash + s.quantity * CASE s.asset_symbol WHEN 'BTC/USDT' THEN 120.5 * 0.999
         ELSE 33.25 * 1.25 END - v.realised_usd - v.unrealised_usd) < 600 * 3 * 1e-8),
       bool_and(abs(s.fees - v.fees_usd) < 600 * 1e-8)
  FROM sums s JOIN engine.position_profits v USING (portfolio_id, asset_symbol))"),
            "6|t|t|t");
  // The columns of the platform say the same, in as many turns as it takes, and totals add up.
  EXPECT_EQ(row_text(*query_,
                     "SELECT engine.mark_portfolios(NULL, 2) = (SELECT portfolio_id FROM"
                     " engine.position_books ORDER BY 1 OFFSET 2 LIMIT 1)"),
            "t");
  run(*query_,
      "SELECT engine.mark_portfolios((SELECT portfolio_id FROM engine.position_books"
      " ORDER BY 1 OFFSET 2 LIMIT 1), 2)");
  EXPECT_EQ(row_text(*query_,
                     "SELECT count(*), bool_and(p.total_value_usd = v.value_usd), bool_and("
                     "p.unrealized_pnl_usd = v.unrealised_usd), bool_and(p.current_price = v.price)"
                     " FROM portfolio_positions p JOIN engine.position_profits v"
                     " USING (portfolio_id, asset_symbol)"),
            "6|t|t|t");
  EXPECT_EQ(row_text(*query_,
                     "SELECT count(*), bool_and(f.total_value_usd = v.worth),"
                     " bool_and(f.total_pnl_usd = v.profit), bool_and(f.total_pnl_percentage ="
                     " round(100 * v.profit / v.spent, 4)) FROM portfolios f JOIN (SELECT"
                     " portfolio_id, sum(value_usd) AS worth, sum(realised_usd + unrealised_usd)"
                     " AS profit, sum(spent_usd) AS spent FROM engine.position_profits GROUP BY 1)"
                     " v ON v.portfolio_id = f.id"),
            "3|t|t|t");
  EXPECT_EQ(row_text(*query_,
                     "SELECT count(*), min(asset), max(asset) FROM engine.usd_rates WHERE"
                     " at < now() - interval '10 minutes'"),
            "3|BASE|USDT")
      << "rates of fills are kept";
}

// Two shards, one portfolio: neither reads books that the other is about to change.
TEST_F(PositionBooks, TwoShardsOfOnePortfolioLoseNothing) {
  auto other = JournalWriter::open({.dir = folder_.path() / "journal",
                                    .shard = 1,
                                    .ring_bytes = 8 << 20,
                                    .segment_bytes = 8 << 20,
                                    .ring_dir = folder_.path()},
                                   metrics_);
  ASSERT_TRUE(other.has_value()) << other.error().message;
  JournalPosition last[2] = {0, 0};
  for (std::uint64_t n = 1; n <= 400; ++n) {
    JournalWriter& writer = n % 2 == 0 ? *writer_ : **other;
    Record order = order_record(n, 1, 0, OrderStatus::pending, {});
    Record fill = fill_record(n, 1, fmt::format("t{}", n), Side::buy, "1", "100", "0");
    fill.fill.quote_usd = Decimal::of("1");
    order.shard = fill.shard = static_cast<std::uint16_t>(n % 2);
    while (!writer.has_room(4096)) std::this_thread::yield();
    (void)writer.append(order);
    last[n % 2] = writer.append(fill);
  }
  const auto start = [&](std::uint16_t shard) {
    return PgSink::start({.database_url = url_,
                          .journal_dir = folder_.path() / "journal",
                          .shard = shard,
                          .batch_records_max = 3},
                         metrics_, [](JournalPosition) {});
  };
  auto even = start(0), odd = start(1);
  ASSERT_TRUE(even->drain(last[0], drain_ns));
  ASSERT_TRUE(odd->drain(last[1], drain_ns));
  EXPECT_EQ(book(1), "400|40000|0|0|40000|t|0");
}

}  // namespace
}  // namespace oneclick
