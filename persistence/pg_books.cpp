#include "persistence/pg_books.hpp"

#include <cstdlib>

#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

// Every question is about the accounts in $1 (the exchange's), the links that trade on them and the
// leader events those links answer to: a database may hold more than one exchange's world.
constexpr const char* scope_sql =
    "WITH links AS (SELECT * FROM engine.copy_links WHERE follower_exchange_id = ANY "
    "($1::uuid[])), "
    "events AS (SELECT * FROM engine.leader_events e WHERE e.leader_user_id IN (SELECT "
    "leader_user_id FROM "
    "  links) OR e.channel_id IN (SELECT channel_id FROM links)), "
    "outcomes AS (SELECT o.* FROM engine.copy_outcomes o JOIN events e ON e.id = o.event_id), "
    "orders AS (SELECT * FROM trades WHERE exchange_id = ANY ($1::uuid[]) AND source IN "
    "('copy_trade', "
    "  'signal')), "
    "history AS (SELECT h.* FROM trade_history h JOIN orders t ON t.id = h.trade_id) ";

constexpr const char* orders_sql =
    "SELECT id, exchange_id, portfolio_id, asset_symbol, side, status, coalesce(order_id, ''), "
    "quantity, "
    "filled_quantity FROM orders";

// A fill's row names the venue's trade; rows of state changes do not.
constexpr const char* fills_sql =
    "SELECT trade_id, exchange_response->>'trade_id', quantity, price FROM history "
    "WHERE exchange_response ? 'trade_id'";

constexpr const char* positions_sql =
    "SELECT portfolio_id, asset_symbol, quantity FROM portfolio_positions "
    "WHERE portfolio_id IN (SELECT portfolio_id FROM orders)";

constexpr const char* clean_links_sql =
    ", single AS (SELECT follower_exchange_id FROM links GROUP BY 1 HAVING count(*) = 1) "
    "SELECT l.follower_exchange_id, f.user_exchange_id, coalesce(l.copy_percentage, 100) "
    "FROM links l "
    "JOIN single USING (follower_exchange_id) "
    "JOIN user_exchanges x ON x.user_id = l.leader_user_id "
    "JOIN engine.leader_feeds f ON f.user_exchange_id = x.id "
    "WHERE EXISTS (SELECT 1 FROM outcomes o WHERE o.link_id = l.id) "
    "AND NOT EXISTS (SELECT 1 FROM outcomes o LEFT JOIN orders t ON t.id = o.trade_id "
    "  WHERE o.link_id = l.id AND (o.outcome <> 'copied' OR t.status IS DISTINCT FROM 'filled'))";

constexpr const char* outcomes_sql =
    "SELECT outcome, coalesce(CASE WHEN outcome = 'clipped' THEN binding_cap ELSE reason END, ''), "
    "count(*) "
    "FROM outcomes GROUP BY 1, 2 ORDER BY 1, 2";

constexpr const char* counts_sql =
    "SELECT (SELECT count(*) FROM events), "
    "(SELECT coalesce(sum(links_matched), 0) FROM events), "
    "(SELECT count(*) FROM outcomes), "
    "(SELECT count(*) FROM events e LEFT JOIN "
    "  (SELECT event_id, count(*) AS n FROM outcomes GROUP BY 1) o ON o.event_id = e.id "
    "  WHERE e.links_matched <> coalesce(o.n, 0)), "
    // What mirrors a resting order is copied when the venue has taken it.
    "(SELECT count(*) FROM outcomes o JOIN events e ON e.id = o.event_id "
    "  LEFT JOIN orders t ON t.id = o.trade_id WHERE o.outcome IN ('copied', 'clipped') AND "
    "  CASE WHEN e.kind IN ('order_placed', 'order_amended') THEN coalesce(t.order_id, '') = '' "
    "  ELSE coalesce(t.filled_quantity, 0) = 0 END), "
    "(SELECT count(*) FROM orders), (SELECT count(*) FROM history), "
    "(SELECT count(*) FROM engine.sink_rejects)";

constexpr const char* latency_sql =
    ", latency AS (SELECT event_id, min(ingest_to_wire_ns) / 1000.0 AS first, "
    "  max(ingest_to_wire_ns) / 1000.0 AS last FROM outcomes "
    "  WHERE ingest_to_wire_ns > 0 GROUP BY 1) "
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY first), percentile_disc(0.99) WITHIN GROUP "
    "(ORDER BY first), max(first), percentile_disc(0.5) WITHIN GROUP (ORDER BY last), "
    "percentile_disc(0.99) WITHIN GROUP (ORDER BY last), max(last) FROM latency";

std::string text(const std::optional<std::string>& value) {
  return value.value_or("");
}
std::int64_t integer(const std::optional<std::string>& value) {
  return value ? std::strtoll(value->c_str(), nullptr, 10) : 0;
}
double real(const std::optional<std::string>& value) {
  return value ? std::strtod(value->c_str(), nullptr) : 0;
}
Decimal decimal(const std::optional<std::string>& value) {
  return value ? Decimal::parse(*value).value_or(Decimal{}) : Decimal{};
}

// As a PostgreSQL array. Account ids are UUIDs; anything else the cast refuses.
std::string array_of(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& v : values) out += (out.size() == 1 ? "" : ",") + v;
  return out + "}";
}

// Runs the questions one after the other and keeps the first error.
class Asker {
 public:
  Asker(PgQuery& database, std::string accounts)
      : database_(database), accounts_(std::move(accounts)) {}
  template <typename Each>
  void ask(const char* sql, Each each) {
    if (!error_.empty()) return;
    const auto rows = database_.rows(std::string(scope_sql) + sql, {accounts_});
    if (!rows) {
      error_ = rows.error();
      return;
    }
    for (const PgRow& row : *rows) each(row);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  PgQuery& database_;
  const std::string accounts_;
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

std::expected<Books, std::string> read_books(const std::string& database_url,
                                             const std::vector<std::string>& accounts) {
  auto database = PgQuery::connect(database_url);
  if (!database) return std::unexpected(database.error());
  // One moment for all questions.
  if (const auto begun = database->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); !begun)
    return std::unexpected(begun.error());
  Books books;
  Asker asker(*database, array_of(accounts));
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
    books.positions.push_back(
        {.portfolio = text(r[0]), .symbol = text(r[1]), .quantity = decimal(r[2])});
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
