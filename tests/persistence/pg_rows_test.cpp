// The pure parts of the sink: COPY's binary format read back by PostgreSQL, texts, positions.
#include <gtest/gtest.h>

#include <limits>

#include "persistence/pg_connection.hpp"
#include "persistence/pg_rows.hpp"
#include "persistence/pg_text.hpp"
#include "persistence/sink_rows.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

TEST(CopyRows, NumbersTimesAndTextsArriveAsTheyWere) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  StopSignal stop;
  auto connection = PgConnection::open(url, {.application_name = "test"}, stop);
  ASSERT_TRUE(connection.has_value()) << connection.error().message;
  ASSERT_TRUE((*connection)
                  ->run("CREATE TABLE t (n int, d numeric(20,8), ts timestamp,"
                        " x text, j jsonb, u uuid, b boolean, i bigint)"));
  const struct {
    const char* decimal;
    std::int64_t time_ns;
    const char* time;
    std::string text;
  } table[] = {
      {"0", 0, "1970-01-01 00:00:00", ""},
      {"1", 1'999, "1970-01-01 00:00:00.000001", "plain"},
      {"-1", -1, "1969-12-31 23:59:59.999999", "t\tab\nnew \\ \"line\""},
      {"0.00000001", 946'684'800'000'000'000, "2000-01-01 00:00:00", "ünï"},
      {"-0.00000001", 1'760'000'000'123'456'789, "2025-10-09 08:53:20.123456", "\xf0\x9f\x90\x98"},
      {"999999999999.99999999", 4'102'444'800'000'000'000, "2100-01-01 00:00:00", "'quoted'"},
      {"-999999999999.99999999", 1, "1970-01-01 00:00:00", "$1"},
      {"10000", 1, "1970-01-01 00:00:00", "a"},
      {"9999.9999", 1, "1970-01-01 00:00:00", "a"},
      {"100000000", 1, "1970-01-01 00:00:00", "a"},
      {"0.0001", 1, "1970-01-01 00:00:00", "a"},
      {"12345678.00009", 1, "1970-01-01 00:00:00", "a"},
  };
  CopyRows rows;
  int n = 0;
  for (const auto& row : table) {
    rows.begin_row(8);
    rows.int4(n++);
    rows.numeric(Decimal::of(row.decimal));
    rows.time(row.time_ns);
    rows.text(row.text);
    rows.jsonb("{\"a\":1}");
    rows.uuid(user(3).value);
    rows.boolean(true);
    rows.int8(std::numeric_limits<std::int64_t>::min());
  }
  rows.begin_row(8);
  rows.int4(n);
  rows.numeric_or_null(Decimal{});
  rows.time_or_null(0);
  rows.text_or_null("");
  rows.null();
  rows.uuid(Uuid{});
  rows.null();
  rows.int8_or_null(0);
  EXPECT_EQ(rows.rows(), std::size(table) + 1);
  const auto copied = (*connection)->copy_in("COPY t FROM STDIN (FORMAT binary)", rows.finish());
  ASSERT_TRUE(copied.has_value()) << copied.error().message;
  const auto back = (*connection)->run("SELECT d, ts, x, j->>'a', u, b, i FROM t ORDER BY n");
  ASSERT_TRUE(back.has_value()) << back.error().message;
  ASSERT_EQ(back->rows(), n + 1);
  for (int i = 0; i < n; ++i) {
    const auto& row = table[i];
    EXPECT_EQ(Decimal::parse(back->text(i, 0)).value(), Decimal::of(row.decimal)) << row.decimal;
    EXPECT_EQ(back->text(i, 1), row.time);
    EXPECT_EQ(back->text(i, 2), row.text);
    EXPECT_EQ(back->text(i, 3), "1");
    EXPECT_EQ(back->text(i, 4), user(3).to_text());
    EXPECT_TRUE(back->boolean(i, 5));
    EXPECT_EQ(back->integer(i, 6), std::numeric_limits<std::int64_t>::min());
  }
  for (int c = 0; c < 7; ++c) EXPECT_TRUE(back->is_null(n, c)) << c;
}

TEST(DatabaseText, KeepsValidUtf8AndReplacesTheRest) {
  EXPECT_EQ(database_text("plain ünï \xf0\x9f\x90\x98"), "plain ünï \xf0\x9f\x90\x98");
  EXPECT_EQ(database_text(std::string_view("a\0b", 3)), "a?b");
  EXPECT_EQ(database_text("cut \xc3"), "cut ?");
  EXPECT_EQ(database_text("\xff\xfe"), "??");
  EXPECT_EQ(database_text("\xc0\xaf"), "??") << "over-long";
  EXPECT_EQ(database_text("\xed\xa0\x80"), "???") << "surrogate";
  EXPECT_EQ(database_text("\xf4\x90\x80\x80"), "????") << "beyond the last code point";
  EXPECT_EQ(json_escaped("a\"b\\c\n\x01"), "a\\\"b\\\\c\\u000a\\u0001");
}

SinkFill fill(Side side, const char* quantity, const char* price, const char* base_fee = "0") {
  return {.history_id = {},
          .portfolio = portfolio(1),
          .symbol = Symbol::cut("BTC/USDT"),
          .side = side,
          .quantity = Decimal::of(quantity),
          .price = Decimal::of(price),
          .base_fee = Decimal::of(base_fee),
          .fee = Decimal::of(base_fee),
          .quote_usd = Decimal::of("1"),
          .fee_usd = {},
          .time_ns = 1};
}

TEST(Positions, BuysWeighThePriceSellsLeaveItFlatStartsOver) {
  PortfolioHolding h{};
  apply_fill(h, fill(Side::buy, "1", "100"));
  EXPECT_EQ(h.average_buy_price, Decimal::of("100"));
  apply_fill(h, fill(Side::buy, "3", "200"));
  EXPECT_EQ(h.quantity, Decimal::of("4"));
  EXPECT_EQ(h.average_buy_price, Decimal::of("175"));
  apply_fill(h, fill(Side::sell, "1", "500"));
  EXPECT_EQ(h.quantity, Decimal::of("3"));
  EXPECT_EQ(h.average_buy_price, Decimal::of("175"));
  apply_fill(h, fill(Side::sell, "3", "1"));
  EXPECT_TRUE(h.quantity.is_zero());
  EXPECT_FALSE(h.has_average);
  apply_fill(h, fill(Side::buy, "2", "10", "0.002"));
  EXPECT_EQ(h.quantity, Decimal::of("1.998")) << "the fee in the base asset never arrived";
  EXPECT_EQ(h.average_buy_price, Decimal::of("10"));
}

TEST(Positions, PricesAtTheEdgeOfTheRangeDoNotWrap) {
  PortfolioHolding h{};
  apply_fill(h, fill(Side::buy, "999999999999", "999999999999"));
  apply_fill(h, fill(Side::buy, "999999999999", "999999999999.99999999"));
  EXPECT_GT(h.average_buy_price, Decimal::of("999999999999"));
  EXPECT_LE(h.average_buy_price, Decimal::of("999999999999.99999999"));
}

TEST(SinkRows, TheLastRecordOfAnOrderMakesItsRowAndEachItsHistory) {
  std::vector<SinkRecord> records;
  const auto add = [&](const Record& r) { records.push_back({records.size() + 1, r}); };
  add(leader_record(1, 2));
  add(leader_record(1, 3));
  add(order_record(1, 1, 0, OrderStatus::pending, {}));
  add(order_record(1, 1, 1, OrderStatus::filled, Decimal::of("0.5")));
  add(fill_record(1, 1, "7"));
  add(fill_record(1, 1, "7"));
  const SinkRows rows = sink_rows(records);
  EXPECT_EQ(rows.tables[SinkTable::leader_events].rows(), 1U);
  EXPECT_EQ(rows.tables[SinkTable::trades].rows(), 1U);
  EXPECT_EQ(rows.tables[SinkTable::trade_history].rows(), 3U);
  EXPECT_EQ(rows.fills.size(), 1U) << "one venue trade moves a position once";
}

}  // namespace
}  // namespace oneclick
