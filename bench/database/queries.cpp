#include "bench/database/queries.hpp"

#include <optional>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::bench {

namespace {

constexpr std::uint64_t executions = 1'000;  // of each query, with as many different values
constexpr std::uint64_t plans = 10;          // looked at, with different values
constexpr std::int64_t day_ns = 24LL * 3600 * 1'000'000'000;

using Parameters = std::vector<std::optional<std::string>>;

struct IndexQuery {
  const char* structure;  // what the platform's structure says
  const char* index;
  const char* sql;
  // Values for the i-th execution: of a row that is there, so that something is found.
  Parameters (*values)(const World& world, std::uint64_t i);
};

std::string microseconds(std::int64_t ns) {
  return fmt::format("{}", ns / 1'000);
}
std::string owner_of(const World& world, Row kind, std::uint64_t row) {
  return World::user(World::owner(kind, row, world.sizes().users)).to_text();
}
// A row of this kind whose number modulo 4 is `wanted`: statuses go round by four.
std::uint64_t row_with(std::uint64_t i, std::uint64_t rows, std::uint64_t wanted) {
  return pick(50, i, rows / 4) * 4 + wanted;
}
std::string channel_of_signal(const World& world, std::uint64_t signal) {
  return World::id(Row::channel, World::owner(Row::signal, signal, world.sizes().channels))
      .to_text();
}

const IndexQuery queries[] = {
    {"users (email)", "users_email_key",
     "SELECT id, password_hash, account_status FROM users WHERE email = $1",
     [](const World& w, std::uint64_t i) {
       return Parameters{World::email(pick(51, i, w.sizes().users))};
     }},
    {"users (username)", "users_username_key",
     "SELECT id, password_hash, account_status FROM users WHERE username = $1",
     [](const World& w, std::uint64_t i) {
       return Parameters{World::user_name(pick(52, i, w.sizes().users))};
     }},
    {"trades (user_id, created_at)", "trades_user_id_created_at_idx",
     "SELECT id, asset_symbol, side, quantity, filled_price, status, created_at FROM trades"
     " WHERE user_id = $1 ORDER BY created_at DESC LIMIT 50",
     [](const World& w, std::uint64_t i) {
       return Parameters{owner_of(w, Row::trade, pick(53, i, w.sizes().trades))};
     }},
    {"community_posts (user_id, created_at)", "community_posts_user_id_created_at_idx",
     "SELECT id, title, content, likes_count, created_at FROM community_posts"
     " WHERE user_id = $1 ORDER BY created_at DESC LIMIT 20",
     [](const World& w, std::uint64_t i) {
       return Parameters{owner_of(w, Row::post, pick(54, i, w.sizes().posts))};
     }},
    {"subscriptions (user_id, status)", "subscriptions_user_id_status_idx",
     "SELECT id, channel_id, end_date FROM subscriptions WHERE user_id = $1 AND status = 'active'",
     [](const World& w, std::uint64_t i) {
       return Parameters{owner_of(w, Row::subscription, row_with(i, w.sizes().subscriptions, 0))};
     }},
    {"trading_signals (channel_id, created_at)", "trading_signals_channel_id_created_at_idx",
     "SELECT id, signal_type, asset_symbol, entry_price, status, created_at FROM trading_signals"
     " WHERE channel_id = $1 ORDER BY created_at DESC LIMIT 50",
     [](const World& w, std::uint64_t i) {
       return Parameters{channel_of_signal(w, pick(55, i, w.sizes().signals))};
     }},
    {"market_data (symbol, time)", "market_data_symbol_time_idx",
     "SELECT time, open_price, high_price, low_price, close_price, volume FROM market_data"
     " WHERE symbol = $1 AND time >= $2::bigint * interval '1 microsecond' + timestamptz 'epoch'"
     " AND time < $3::bigint * interval '1 microsecond' + timestamptz 'epoch' ORDER BY time",
     [](const World& w, std::uint64_t i) {
       const std::uint64_t row = pick(56, i, w.sizes().candles);
       return Parameters{World::symbol(row), microseconds(w.candle_time(row)),
                         microseconds(w.candle_time(row) + 7 * day_ns)};
     }},
    {"notifications (user_id, is_read, created_at)", "notifications_user_id_is_read_created_at_idx",
     "SELECT id, type, title, message, created_at FROM notifications"
     " WHERE user_id = $1 AND is_read = false ORDER BY created_at DESC LIMIT 20",
     [](const World& w, std::uint64_t i) {
       return Parameters{owner_of(w, Row::notification, row_with(i, w.sizes().notifications, 0))};
     }},
    {"payments (user_id, status, created_at)", "payments_user_id_status_created_at_idx",
     "SELECT id, amount, currency, created_at FROM payments"
     " WHERE user_id = $1 AND status = 'completed' ORDER BY created_at DESC LIMIT 20",
     [](const World& w, std::uint64_t i) {
       return Parameters{owner_of(w, Row::payment, row_with(i, w.sizes().payments, 1))};
     }},
    {"portfolio_positions (user_id, asset_symbol)", "portfolio_positions_user_id_asset_symbol_idx",
     "SELECT portfolio_id, quantity, average_buy_price FROM portfolio_positions"
     " WHERE user_id = $1 AND asset_symbol = $2",
     [](const World& w, std::uint64_t i) {
       const std::uint64_t row = pick(57, i, w.sizes().positions);
       return Parameters{World::user(row).to_text(), World::symbol(row)};
     }},
    {"trading_signals (channel_id, status, created_at)",
     "trading_signals_channel_id_status_created_at_idx",
     "SELECT id, signal_type, asset_symbol, entry_price, stop_loss, created_at FROM trading_signals"
     " WHERE channel_id = $1 AND status = 'active' ORDER BY created_at DESC LIMIT 20",
     [](const World& w, std::uint64_t i) {
       return Parameters{channel_of_signal(w, row_with(i, w.sizes().signals, 0))};
     }},
    {"post_comments (post_id, created_at)", "post_comments_post_id_created_at_idx",
     "SELECT id, user_id, content, likes_count, created_at FROM post_comments"
     " WHERE post_id = $1 ORDER BY created_at LIMIT 50",
     [](const World& w, std::uint64_t i) {
       const std::uint64_t comment = pick(58, i, w.sizes().comments);
       const std::uint64_t post = World::owner(Row::comment, comment, w.sizes().posts);
       return Parameters{World::id(Row::post, post).to_text()};
     }},
    {"price_history (symbol, time DESC)", "price_history_symbol_time_idx",
     "SELECT time, price, volume FROM price_history WHERE symbol = $1"
     " AND time <= $2::bigint * interval '1 microsecond' + timestamptz 'epoch'"
     " ORDER BY time DESC LIMIT 100",
     [](const World& w, std::uint64_t i) {
       const std::uint64_t row = pick(59, i, w.sizes().prices);
       return Parameters{World::symbol(row), microseconds(w.price_time(row) + 1'000)};
     }},
};

std::vector<PgRow> ask(PgQuery& query, const std::string& sql, const Parameters& values) {
  auto rows = query.rows(sql, values);
  if (!rows) throw std::runtime_error(rows.error() + "\n" + sql);
  return std::move(*rows);
}

// Every value that stands under this key in a plan as JSON.
std::set<std::string> values_of(const std::string& plan, const std::string& key) {
  std::set<std::string> out;
  const std::string before = "\"" + key + "\": \"";
  for (std::size_t at = plan.find(before); at != std::string::npos; at = plan.find(before, at)) {
    at += before.size();
    out.insert(plan.substr(at, plan.find('"', at) - at));
  }
  return out;
}

// An index of a partition is a part of its table's.
std::string whole_index(PgQuery& query, const std::string& name) {
  const auto rows =
      ask(query,
          "WITH RECURSIVE up AS (SELECT c.oid FROM pg_class c WHERE c.relname = $1"
          " AND c.relkind IN ('i', 'I') UNION ALL SELECT i.inhparent FROM pg_inherits i JOIN up"
          " ON i.inhrelid = up.oid) SELECT c.relname FROM up JOIN pg_class c ON c.oid = up.oid"
          " WHERE NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = up.oid)",
          {name});
  return rows.empty() ? name : rows[0][0].value_or("");
}

void look_at_plans(PgQuery& query, const World& world, const IndexQuery& q, QueryFigures& out) {
  std::set<std::string> used;
  bool reads_all = false;
  for (std::uint64_t i = 0; i < plans; ++i) {
    const auto rows =
        ask(query, fmt::format("EXPLAIN (FORMAT JSON) {}", q.sql), q.values(world, i));
    const std::string plan = rows.at(0).at(0).value_or("");
    for (const std::string& name : values_of(plan, "Index Name"))
      used.insert(whole_index(query, name));
    reads_all = reads_all || values_of(plan, "Node Type").contains("Seq Scan");
  }
  for (const std::string& name : used) out.used += (out.used.empty() ? "" : ", ") + name;
  if (reads_all) out.used += out.used.empty() ? "none" : ", and reads a whole table";
  out.uses_it = used == std::set<std::string>{q.index} && !reads_all;
}

QueryFigures measure(PgQuery& query, const World& world, const IndexQuery& q) {
  QueryFigures out{.index = q.structure, .used = {}, .uses_it = false, .rows = 0, .summary = {}};
  look_at_plans(query, world, q, out);
  for (std::uint64_t i = 0; i < executions; ++i)
    static_cast<void>(ask(query, q.sql, q.values(world, i)));  // warm
  std::vector<std::int64_t> times;
  for (std::uint64_t i = 0; i < executions; ++i) {
    const Parameters values = q.values(world, i);
    const std::int64_t begun = monotonic_now_ns();
    const auto rows = ask(query, q.sql, values);
    times.push_back(monotonic_now_ns() - begun);
    if (rows.empty())
      throw std::runtime_error(fmt::format("nothing found: {} ({})", q.sql, values[0].value()));
    out.rows += rows.size();
  }
  out.summary = summarize(std::move(times));
  return out;
}

}  // namespace

std::vector<QueryFigures> measure_queries(const std::string& database_url, const World& world) {
  auto query = PgQuery::connect(database_url);
  if (!query) throw std::runtime_error("queries: " + query.error());
  std::vector<QueryFigures> out;
  for (const IndexQuery& q : queries) out.push_back(measure(*query, world, q));
  return out;
}

}  // namespace oneclick::bench
