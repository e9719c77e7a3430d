// What the schema does for the engine: its tables, their checks, its role. The platform's tables
// are held to their structure by tests/schema.
#include <gtest/gtest.h>

#include <algorithm>

#include "persistence/pg.hpp"
#include "tests/persistence/recording_changes.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

std::vector<std::string> column(PgQuery& query, const std::string& sql,
                                const std::vector<std::optional<std::string>>& parameters = {}) {
  std::vector<std::string> out;
  const auto rows = query.rows(sql, parameters);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  if (rows)
    for (const auto& row : *rows) out.push_back(row[0].value_or("NULL"));
  return out;
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
  for (const char* table :
       {"audit_chain", "change_cursors", "change_log", "copy_links", "copy_outcomes",
        "external_fills", "instruments", "kill_switches", "leader_events", "leader_feeds",
        "limit_halts", "link_halts", "migrations", "quarantines", "risk_limits", "sink_offsets",
        "sink_rejects", "symbol_map"})
    EXPECT_EQ(std::ranges::count(tables, table), 1) << table;
  EXPECT_EQ(row_text(query,
                     "SELECT count(*) FROM information_schema.columns WHERE"
                     " table_schema = 'engine' AND data_type = 'timestamp without time zone'"
                     // A subscription's end, as the platform's own column has it.
                     " AND (table_name, column_name) <> ('renewals', 'end_date')"),
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
           {"copy_quantity", "0"},
           {"positions_max", "0"},
           {"entries_per_minute_max", "-1"},
           {"exposure_usd_max", "0"},
           {"daily_loss_usd_max", "-1"},
           {"drawdown_usd_max", "0"},
           {"drawdown_from", "'whatever'"},
           {"drawdown_action", "'whatever'"},
           {"risk_epoch", "-1"},
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
