#include "persistence/pg_books.hpp"

#include <cstdlib>

#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

constexpr const char* orders_sql =
    "SELECT id, exchange_id, portfolio_id, asset_symbol, side, status, coalesce(order_id, ''), quantity, "
    "filled_quantity FROM trades WHERE source IN ('copy_trade', 'signal')";

// A fill's row names the venue's trade; rows of state changes do not.
constexpr const char* fills_sql =
    "SELECT trade_id, exchange_response->>'trade_id', quantity, price FROM trade_history "
    "WHERE exchange_response ? 'trade_id'";

constexpr const char* positions_sql =
    "SELECT portfolio_id, asset_symbol, quantity FROM portfolio_positions";

constexpr const char* clean_links_sql =
    "WITH single AS (SELECT follower_exchange_id FROM engine.copy_links GROUP BY 1 HAVING count(*) = 1) "
    "SELECT l.follower_exchange_id, f.user_exchange_id, coalesce(l.copy_percentage, 100) "
    "FROM engine.copy_links l "
    "JOIN single USING (follower_exchange_id) "
    "JOIN user_exchanges x ON x.user_id = l.leader_user_id "
    "JOIN engine.leader_feeds f ON f.user_exchange_id = x.id "
    "WHERE EXISTS (SELECT 1 FROM engine.copy_outcomes o WHERE o.link_id = l.id) "
    "AND NOT EXISTS (SELECT 1 FROM engine.copy_outcomes o LEFT JOIN trades t ON t.id = o.trade_id "
    "  WHERE o.link_id = l.id AND (o.outcome <> 'copied' OR t.status IS DISTINCT FROM 'filled'))";

constexpr const char* outcomes_sql =
    "SELECT outcome, coalesce(CASE WHEN outcome = 'clipped' THEN binding_cap ELSE reason END, ''), count(*) "
    "FROM engine.copy_outcomes GROUP BY 1, 2 ORDER BY 1, 2";

constexpr const char* counts_sql =
    "SELECT (SELECT count(*) FROM engine.leader_events), "
    "(SELECT coalesce(sum(links_matched), 0) FROM engine.leader_events), "
    "(SELECT count(*) FROM engine.copy_outcomes), "
    "(SELECT count(*) FROM engine.leader_events e LEFT JOIN "
    "  (SELECT event_id, count(*) AS n FROM engine.copy_outcomes GROUP BY 1) o ON o.event_id = e.id "
    "  WHERE e.links_matched <> coalesce(o.n, 0)), "
    "(SELECT count(*) FROM engine.copy_outcomes o LEFT JOIN trades t ON t.id = o.trade_id "
    "  WHERE o.outcome IN ('copied', 'clipped') AND coalesce(t.filled_quantity, 0) = 0), "
    "(SELECT count(*) FROM trades), (SELECT count(*) FROM trade_history), "
    "(SELECT count(*) FROM engine.sink_rejects)";

constexpr const char* latency_sql =
    "WITH e AS (SELECT event_id, min(ingest_to_wire_ns) / 1000.0 AS first, "
    "  max(ingest_to_wire_ns) / 1000.0 AS last FROM engine.copy_outcomes "
    "  WHERE ingest_to_wire_ns > 0 GROUP BY 1) "
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY first), percentile_disc(0.99) WITHIN GROUP "
    "(ORDER BY first), max(first), percentile_disc(0.5) WITHIN GROUP (ORDER BY last), "
    "percentile_disc(0.99) WITHIN GROUP (ORDER BY last), max(last) FROM e";

std::string text(const std::optional<std::string>& value) { return value.value_or(""); }
std::int64_t integer(const std::optional<std::string>& value) {
  return value ? std::strtoll(value->c_str(), nullptr, 10) : 0;
}
double real(const std::optional<std::string>& value) {
  return value ? std::strtod(value->c_str(), nullptr) : 0;
}
Decimal decimal(const std::optional<std::string>& value) {
  return value ? Decimal::parse(*value).value_or(Decimal{}) : Decimal{};
}

// Runs the questions one after the other and keeps the first error.
class Asker {
 public:
  explicit Asker(PgQuery& database) : database_(database) {}
  template <typename Each>
  void ask(const char* sql, Each each) {
    if (!error_.empty()) return;
    const auto rows = database_.rows(sql);
    if (!rows) {
      error_ = rows.error();
      return;
    }
    for (const PgRow& row : *rows) each(row);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  PgQuery& database_;
  std::string error_;
};

void take_counts(const PgRow& r, Books& books) {
  books.leader_events = integer(r[0]);
  books.links_matched = integer(r[1]);
  books.outcome_rows = integer(r[2]);
  books.events_with_other_count = integer(r[3]);
  books.copied_without_fill = integer(r[4]);
  books.trade_rows = integer(r[5]);
  books.trade_history_rows = integer(r[6]);
  books.sink_rejects = integer(r[7]);
}

}  // namespace

std::expected<Books, std::string> read_books(const std::string& database_url) {
  auto database = PgQuery::connect(database_url);
  if (!database) return std::unexpected(database.error());
  // One moment for all questions.
  if (const auto begun = database->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); !begun)
    return std::unexpected(begun.error());
  Books books;
  Asker asker(*database);
  asker.ask(orders_sql, [&](const PgRow& r) {
    books.orders.push_back({.id = text(r[0]),
                            .account = text(r[1]),
                            .portfolio = text(r[2]),
                            .symbol = text(r[3]),
                            .side = text(r[4]),
                            .status = text(r[5]),
                            .venue_order_id = text(r[6]),
                            .quantity = decimal(r[7]),
                            .filled_quantity = decimal(r[8])});
  });
  asker.ask(fills_sql, [&](const PgRow& r) {
    books.fills.push_back({.order = text(r[0]),
                           .venue_trade_id = text(r[1]),
                           .quantity = decimal(r[2]),
                           .price = decimal(r[3])});
  });
  asker.ask(positions_sql, [&](const PgRow& r) {
    books.positions.push_back({.portfolio = text(r[0]), .symbol = text(r[1]), .quantity = decimal(r[2])});
  });
  asker.ask(clean_links_sql, [&](const PgRow& r) {
    books.clean_links.push_back(
        {.account = text(r[0]), .leader_account = text(r[1]), .percentage = decimal(r[2])});
  });
  asker.ask("SELECT symbol, lot_step FROM engine.instruments",
            [&](const PgRow& r) { books.lot_steps[text(r[0])] = decimal(r[1]); });
  asker.ask(outcomes_sql, [&](const PgRow& r) {
    const std::string why = text(r[1]);
    books.outcomes[why.empty() ? text(r[0]) : text(r[0]) + "(" + why + ")"] = integer(r[2]);
  });
  asker.ask(counts_sql, [&](const PgRow& r) { take_counts(r, books); });
  asker.ask(latency_sql, [&](const PgRow& r) {
    books.fanout_first = {.p50_us = real(r[0]), .p99_us = real(r[1]), .max_us = real(r[2])};
    books.fanout_last = {.p50_us = real(r[3]), .p99_us = real(r[4]), .max_us = real(r[5])};
  });
  if (!asker.error().empty()) return std::unexpected(asker.error());
  return books;
}

}  // namespace oneclick
