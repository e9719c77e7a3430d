// The platform's tables as its structure names them, written out, against what the migrations made.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "persistence/pg.hpp"
#include "tests/persistence/recording_changes.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

// table: column type [primary key] [not null] [unique] [default value] [references table(column)]
constexpr const char* platform_structure = R"(
users: id uuid primary key
users: email varchar not null unique
users: username varchar not null unique
users: password_hash varchar not null
users: first_name varchar
users: last_name varchar
users: avatar_url varchar
users: bio text
users: phone_number varchar
users: country varchar
users: timezone varchar
users: email_verified boolean default false
users: phone_verified boolean default false
users: two_factor_enabled boolean default false
users: account_status enum(active, suspended, banned, pending)
users: subscription_tier enum(free, basic, premium, vip)
users: total_followers integer default 0
users: total_following integer default 0
users: verification_badge boolean default false
users: created_at timestamp default now
users: updated_at timestamp default now
users: last_login_at timestamp
api_keys: id uuid primary key
api_keys: user_id uuid references users(id)
api_keys: name varchar not null
api_keys: key_hash varchar not null
api_keys: permissions jsonb
api_keys: last_used_at timestamp
api_keys: expires_at timestamp
api_keys: created_at timestamp default now
user_exchanges: id uuid primary key
user_exchanges: user_id uuid references users(id)
user_exchanges: exchange_name varchar not null
user_exchanges: api_key varchar
user_exchanges: api_secret varchar
user_exchanges: passphrase varchar
user_exchanges: sandbox_mode boolean default false
user_exchanges: status enum(connected, disconnected, error)
user_exchanges: last_sync_at timestamp
user_exchanges: created_at timestamp default now
user_exchanges: updated_at timestamp default now
supported_exchanges: id uuid primary key
supported_exchanges: name varchar not null unique
supported_exchanges: display_name varchar not null
supported_exchanges: logo_url varchar
supported_exchanges: api_documentation_url varchar
supported_exchanges: supported_features jsonb
supported_exchanges: is_active boolean default true
supported_exchanges: created_at timestamp default now
portfolios: id uuid primary key
portfolios: user_id uuid references users(id)
portfolios: name varchar not null
portfolios: description text
portfolios: total_value_usd numeric(20,8)
portfolios: total_pnl_usd numeric(20,8)
portfolios: total_pnl_percentage numeric(10,4)
portfolios: risk_score numeric(5,2)
portfolios: is_default boolean default false
portfolios: is_public boolean default false
portfolios: created_at timestamp default now
portfolios: updated_at timestamp default now
portfolio_positions: id uuid primary key
portfolio_positions: portfolio_id uuid references portfolios(id)
portfolio_positions: asset_symbol varchar not null
portfolio_positions: quantity numeric(20,8) not null
portfolio_positions: average_buy_price numeric(20,8)
portfolio_positions: current_price numeric(20,8)
portfolio_positions: total_value_usd numeric(20,8)
portfolio_positions: unrealized_pnl_usd numeric(20,8)
portfolio_positions: unrealized_pnl_percentage numeric(10,4)
portfolio_positions: last_updated_at timestamp default now
trades: id uuid primary key
trades: user_id uuid references users(id)
trades: portfolio_id uuid references portfolios(id)
trades: exchange_id uuid references user_exchanges(id)
trades: order_id varchar
trades: trade_type enum(market, limit, stop_loss, take_profit)
trades: side enum(buy, sell)
trades: asset_symbol varchar not null
trades: quantity numeric(20,8) not null
trades: price numeric(20,8)
trades: filled_quantity numeric(20,8) default 0
trades: filled_price numeric(20,8)
trades: total_value_usd numeric(20,8)
trades: fees_usd numeric(20,8)
trades: status enum(pending, filled, partially_filled, cancelled, failed)
trades: source enum(manual, copy_trade, signal, bot)
trades: signal_id uuid references trading_signals(id)
trades: copied_from_user_id uuid references users(id)
trades: executed_at timestamp
trades: created_at timestamp default now
trades: updated_at timestamp default now
trade_history: id uuid primary key
trade_history: trade_id uuid references trades(id)
trade_history: status varchar not null
trade_history: price numeric(20,8)
trade_history: quantity numeric(20,8)
trade_history: timestamp timestamp default now
trade_history: exchange_response jsonb
user_follows: follower_id uuid references users(id)
user_follows: following_id uuid references users(id)
user_follows: created_at timestamp default now
user_follows: primary key (follower_id, following_id)
premium_channels: id uuid primary key
premium_channels: creator_id uuid references users(id)
premium_channels: name varchar not null
premium_channels: description text
premium_channels: banner_url varchar
premium_channels: category varchar
premium_channels: tags jsonb
premium_channels: pricing_monthly numeric(10,2)
premium_channels: pricing_yearly numeric(10,2)
premium_channels: currency varchar default USD
premium_channels: subscription_tier enum(basic, premium, vip)
premium_channels: is_active boolean default true
premium_channels: is_featured boolean default false
premium_channels: subscriber_count integer default 0
premium_channels: total_signals integer default 0
premium_channels: success_rate numeric(5,2)
premium_channels: avg_return_percentage numeric(10,4)
premium_channels: created_at timestamp default now
premium_channels: updated_at timestamp default now
subscriptions: id uuid primary key
subscriptions: user_id uuid references users(id)
subscriptions: channel_id uuid references premium_channels(id)
subscriptions: status enum(active, cancelled, expired, pending, suspended)
subscriptions: billing_cycle enum(monthly, yearly)
subscriptions: amount_paid numeric(10,2)
subscriptions: currency varchar default USD
subscriptions: start_date timestamp not null
subscriptions: end_date timestamp
subscriptions: next_billing_date timestamp
subscriptions: auto_renew boolean default true
subscriptions: cancellation_reason text
subscriptions: cancelled_at timestamp
subscriptions: created_at timestamp default now
subscriptions: updated_at timestamp default now
trading_signals: id uuid primary key
trading_signals: channel_id uuid references premium_channels(id)
trading_signals: creator_id uuid references users(id)
trading_signals: signal_type enum(buy, sell, hold)
trading_signals: asset_symbol varchar not null
trading_signals: entry_price numeric(20,8)
trading_signals: current_price numeric(20,8)
trading_signals: stop_loss numeric(20,8)
trading_signals: take_profit numeric(20,8)
trading_signals: quantity_suggestion numeric(20,8)
trading_signals: confidence_level integer
trading_signals: timeframe varchar
trading_signals: reasoning text
trading_signals: status enum(active, closed, cancelled, expired)
trading_signals: performance_percentage numeric(10,4)
trading_signals: followers_count integer default 0
trading_signals: copies_count integer default 0
trading_signals: expires_at timestamp
trading_signals: closed_at timestamp
trading_signals: created_at timestamp default now
trading_signals: updated_at timestamp default now
signal_updates: id uuid primary key
signal_updates: signal_id uuid references trading_signals(id)
signal_updates: update_type enum(price_target, stop_loss, take_profit, status, reasoning)
signal_updates: old_value varchar
signal_updates: new_value varchar
signal_updates: description text
signal_updates: created_at timestamp default now
signal_followers: signal_id uuid references trading_signals(id)
signal_followers: user_id uuid references users(id)
signal_followers: follow_type enum(watching, copying, copied)
signal_followers: copy_amount numeric(12,2)
signal_followers: copy_percentage numeric(5,2)
signal_followers: created_at timestamp default now
signal_followers: primary key (signal_id, user_id)
audit_logs: id uuid primary key
audit_logs: user_id uuid references users(id)
audit_logs: action varchar not null
audit_logs: resource_type varchar
audit_logs: resource_id varchar
audit_logs: old_values jsonb
audit_logs: new_values jsonb
audit_logs: ip_address inet
audit_logs: user_agent text
audit_logs: created_at timestamp default now
security_events: id uuid primary key
security_events: user_id uuid references users(id)
security_events: event_type varchar not null
security_events: severity enum(low, medium, high, critical)
security_events: description text not null
security_events: ip_address inet
security_events: location varchar
security_events: resolved boolean default false
security_events: resolved_at timestamp
security_events: created_at timestamp default now
)";

constexpr const char* platform_indexes = R"(
users: unique (email)
users: unique (username)
supported_exchanges: unique (name)
trades: (user_id, created_at)
subscriptions: (user_id, status)
trading_signals: (channel_id, created_at)
trading_signals: (channel_id, status, created_at)
portfolio_positions: unique (portfolio_id, asset_symbol)
trade_history: (trade_id)
)";

constexpr const char* columns_sql = R"(
SELECT c.relname || ': ' || a.attname || ' ' ||
  CASE WHEN t.typtype = 'e' THEN 'enum(' || (SELECT string_agg(e.enumlabel, ', ' ORDER BY
         e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) || ')'
       WHEN t.typname = 'varchar' AND a.atttypmod = -1 THEN 'varchar'
       WHEN t.typname = 'timestamp' THEN 'timestamp'
       ELSE format_type(a.atttypid, a.atttypmod) END ||
  CASE WHEN p.oid IS NOT NULL AND cardinality(p.conkey) = 1 THEN ' primary key'
       WHEN a.attnotnull AND p.oid IS NULL THEN ' not null' ELSE '' END ||
  CASE WHEN EXISTS (SELECT FROM pg_constraint u WHERE u.conrelid = c.oid AND u.contype = 'u'
         AND u.conkey = ARRAY[a.attnum]) THEN ' unique' ELSE '' END ||
  CASE WHEN p.oid IS NOT NULL THEN ''
       ELSE coalesce(' default ' || CASE pg_get_expr(d.adbin, d.adrelid)
         WHEN '(now() AT TIME ZONE ''UTC''::text)' THEN 'now'
         WHEN '''USD''::character varying' THEN 'USD'
         ELSE pg_get_expr(d.adbin, d.adrelid) END, '') END ||
  coalesce((SELECT ' references ' || f.confrelid::regclass || '(' || fa.attname || ')'
     FROM pg_constraint f JOIN pg_attribute fa ON fa.attrelid = f.confrelid
      AND fa.attnum = f.confkey[1] WHERE f.conrelid = c.oid AND f.contype = 'f'
      AND f.conkey = ARRAY[a.attnum]), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p' AND a.attnum = ANY (p.conkey)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = $1
ORDER BY a.attnum)";

constexpr const char* composite_keys_sql = R"(
SELECT c.relname || ': primary key (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n)
   FROM unnest(p.conkey) WITH ORDINALITY AS k (num, n) JOIN pg_attribute a
   ON a.attrelid = c.oid AND a.attnum = k.num) || ')'
FROM pg_constraint p JOIN pg_class c ON c.oid = p.conrelid
WHERE p.contype = 'p' AND cardinality(p.conkey) > 1 AND c.relname = $1
  AND c.relnamespace = 'public'::regnamespace)";

constexpr const char* indexes_sql = R"(
SELECT c.relname || ': ' || CASE WHEN i.indisunique THEN 'unique ' ELSE '' END || '(' ||
  (SELECT string_agg(a.attname, ', ' ORDER BY k.n) FROM unnest(i.indkey::int[]) WITH ORDINALITY
   AS k (num, n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num) || ')'
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary)";

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (const auto line = text.substr(0, end); !line.empty()) out.emplace_back(line);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

std::vector<std::string> column(PgQuery& query, const std::string& sql,
                                const std::vector<std::optional<std::string>>& parameters = {}) {
  std::vector<std::string> out;
  const auto rows = query.rows(sql, parameters);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  if (rows)
    for (const auto& row : *rows) out.push_back(row[0].value_or("NULL"));
  return out;
}

TEST(Schema, PlatformTablesHaveExactlyTheColumnsKeysAndDefaultsOfTheStructure) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = open_query(PgServer::fresh_database());
  const std::vector<std::string> expected = lines_of(platform_structure);
  std::vector<std::string> tables;
  for (const std::string& line : expected) {
    const std::string table = line.substr(0, line.find(':'));
    if (tables.empty() || tables.back() != table) tables.push_back(table);
  }
  std::vector<std::string> actual;
  for (const std::string& table : tables)
    for (const char* sql : {columns_sql, composite_keys_sql})
      for (std::string& line : column(query, sql, {table})) actual.push_back(std::move(line));
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_EQ(actual[i], expected[i]);

  const auto all = column(query, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
  EXPECT_EQ(std::set(all.begin(), all.end()), std::set(tables.begin(), tables.end()));
}

TEST(Schema, PlatformTablesHaveTheIndexesNamedAndNoOthers) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = open_query(PgServer::fresh_database());
  const auto expected = lines_of(platform_indexes);
  const auto actual = column(query, indexes_sql);
  EXPECT_EQ(std::multiset(actual.begin(), actual.end()),
            std::multiset(expected.begin(), expected.end()));
}

TEST(Schema, TimesAreUtcWhateverTheSessionsTimeZone) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = open_query(PgServer::fresh_database());
  run(query, "SET timezone = 'Asia/Tokyo'");
  make_users(query, 1);
  EXPECT_EQ(row_text(query,
                     "SELECT abs(extract(epoch FROM created_at - (now() AT TIME ZONE 'UTC')))"
                     " < 60 FROM users"),
            "t");
}

TEST(Schema, EngineTablesAreThere) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = open_query(PgServer::fresh_database());
  const auto tables = column(
      query, "SELECT tablename FROM pg_tables WHERE schemaname = 'engine' ORDER BY tablename");
  EXPECT_EQ(tables,
            (std::vector<std::string>{"audit_chain", "change_cursors", "change_log", "copy_links",
                                      "copy_outcomes", "external_fills", "instruments",
                                      "kill_switches", "leader_events", "leader_feeds",
                                      "migrations", "sink_offsets", "sink_rejects", "symbol_map"}));
  EXPECT_EQ(row_text(query,
                     "SELECT count(*) FROM information_schema.columns WHERE"
                     " table_schema = 'engine' AND data_type = 'timestamp without time zone'"),
            "0")
      << "the engine's own times carry their zone";
}

TEST(Schema, CopyLinksRefuseWhatCannotBe) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = open_query(PgServer::fresh_database());
  make_users(query, 2);
  const std::string start = fmt::format(
      "INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id, leader_user_id");
  const std::string owner = fmt::format(") VALUES ('{}', '{}', '{}'", user(1).to_text(),
                                        account(1).to_text(), user(0).to_text());
  for (const auto& [column_name, value] : std::vector<std::pair<std::string, std::string>>{
           {"copy_percentage", "0"},
           {"copy_percentage", "-1"},
           {"copy_amount", "0"},
           {"sizing_mode", "'whatever'"},
           {"entry_style", "'whatever'"},
           {"min_lot_policy", "'whatever'"},
           {"status", "'whatever'"},
           {"symbol_filter", "'whatever'"},
           {"slippage_bps_max", "-1"},
           {"slippage_bps_max", "10001"},
           {"entry_ttl_ms", "0"},
           {"order_notional_max", "-1"},
           {"position_notional_max", "0"},
           {"symbols", "array_fill('A/B'::text, ARRAY[17])"},
           {"channel_id", "gen_random_uuid()"}}) {
    const auto done = query.run(start + ", " + column_name + owner + ", " + value + ")");
    ASSERT_FALSE(done.has_value()) << column_name << " = " << value;
    EXPECT_NE(done.error().find(column_name == "channel_id" ? "leader_or_channel" : column_name),
              std::string::npos)
        << done.error();
  }
  EXPECT_FALSE(query
                   .run(fmt::format("INSERT INTO engine.copy_links (follower_user_id,"
                                    " follower_exchange_id) VALUES ('{}', '{}')",
                                    user(1).to_text(), account(1).to_text()))
                   .has_value())
      << "neither leader nor channel";
  EXPECT_FALSE(query.run(start + ", copy_percentage" + owner + ", 1000)").has_value());
  EXPECT_TRUE(query.run(start + ", copy_percentage" + owner + ", 999.99)").has_value());
}

// What the daemon needs it may do as a member of the group role, and nothing that it does not need.
TEST(Schema, TheEngineRoleCanDoOnlyWhatItNeeds) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery admin = open_query(url);
  make_users(admin, 2);
  run(admin, "DROP ROLE IF EXISTS test_daemon");
  run(admin, "CREATE ROLE test_daemon LOGIN IN ROLE oneclick_engine");
  std::string daemon_url = url;
  daemon_url.replace(daemon_url.find("oneclick@"), 9, "test_daemon@");
  PgQuery daemon = open_query(daemon_url);
  for (const char* sql : {"DELETE FROM trades",
                          "DELETE FROM trade_history",
                          "UPDATE trade_history SET status = 'x'",
                          "TRUNCATE trades",
                          "UPDATE users SET email = 'x'",
                          "SELECT password_hash FROM users",
                          "DELETE FROM users",
                          "INSERT INTO api_keys (name, key_hash) VALUES ('x', 'x')",
                          "UPDATE audit_logs SET action = 'x'",
                          "DELETE FROM audit_logs",
                          "TRUNCATE audit_logs",
                          "DELETE FROM security_events",
                          "UPDATE security_events SET resolved = true",
                          "UPDATE engine.copy_outcomes SET outcome = 'copied'",
                          "DELETE FROM engine.copy_outcomes",
                          "UPDATE engine.copy_links SET copy_percentage = 999",
                          "DELETE FROM engine.audit_chain",
                          "UPDATE engine.audit_chain SET hash = ''",
                          "CREATE TABLE engine.more (x int)",
                          "UPDATE user_exchanges SET status = 'connected'",
                          "DELETE FROM engine.sink_rejects"}) {
    const auto done = daemon.run(sql);
    ASSERT_FALSE(done.has_value()) << sql;
    EXPECT_NE(done.error().find("permission denied"), std::string::npos) << done.error();
  }

  Folder folder;
  Metrics metrics;
  auto writer = JournalWriter::open({.dir = folder.path() / "journal",
                                     .shard = 0,
                                     .ring_bytes = 8 << 20,
                                     .segment_bytes = 8 << 20,
                                     .ring_dir = folder.path()},
                                    metrics);
  ASSERT_TRUE(writer.has_value()) << writer.error().message;
  Record signal = leader_record(5, 0);
  signal.leader_event.event.kind = LeaderEventKind::signal_published;
  signal.leader_event.event.source = EventSource::rest;
  signal.leader_event.event.signal = id_of<SignalId>(6, 1);
  signal.leader_event.event.channel = id_of<ChannelId>(7, 1);
  signal.leader_event.event.signal_type = SignalType::buy;
  (*writer)->append(signal);
  signal.leader_event.event.kind = LeaderEventKind::signal_closed;
  signal.leader_event.event.id = event_id(6);
  (*writer)->append(signal);
  (*writer)->append(leader_record(1, 1));
  (*writer)->append(outcome_record(1, 1));
  (*writer)->append(order_record(1, 1, 0, OrderStatus::pending, {}));
  (*writer)->append(fill_record(1, 1, "t"));
  Record stranger = order_record(2, 1, 0, OrderStatus::pending, {});
  stranger.order.user = user(99);
  (*writer)->append(stranger);
  const JournalPosition end =
      (*writer)->append(order_record(1, 1, 1, OrderStatus::filled, Decimal::of("0.5")));
  auto sink = PgSink::start({.database_url = daemon_url, .journal_dir = folder.path() / "journal"},
                            metrics, {});
  ASSERT_TRUE(sink->drain(end, 60'000'000'000));
  EXPECT_EQ(row_text(admin,
                     "SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM"
                     " portfolio_positions), (SELECT count(*) FROM engine.sink_rejects)"),
            "1|1|1");

  run(admin, "DELETE FROM portfolios WHERE id = '" + portfolio(0).to_text() + "'");
  RecordingChanges changes;
  const auto loader =
      PgLoader::start({.database_url = daemon_url, .master_keys = {}}, changes, metrics);
  ASSERT_TRUE(changes.wait([](const auto& s) { return s.snapshots == 1 && s.invalid.size() == 2; }))
      << "accounts without credentials are told as invalid";
  run(admin, fmt::format("INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id,"
                         " leader_user_id) VALUES ('{}', '{}', '{}')",
                         user(0).to_text(), account(0).to_text(), user(1).to_text()));
  EXPECT_TRUE(changes.wait([](const auto& s) { return s.links.size() == 1; }));
}

}  // namespace
}  // namespace oneclick
