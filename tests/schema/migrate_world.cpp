#include "tests/schema/migrate_world.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace oneclick::test {

namespace {

// From version 1 on. Two people, one of whom follows the other, pays for her channel and copied one
// of her signals.
constexpr const char* first_rows = R"(
INSERT INTO users (id, email, username, password_hash, account_status, subscription_tier,
    last_login_at) VALUES
  ('10000000-0000-4000-8000-000000000001', 'Ann@example.org', 'Ann', '!', 'active', 'vip',
   '2026-01-02 03:04:05.678901'),
  ('10000000-0000-4000-8000-000000000002', 'bob@example.org', 'bob', '!', 'suspended', 'free', NULL);
INSERT INTO api_keys (user_id, name, key_hash, permissions) VALUES
  ('10000000-0000-4000-8000-000000000001', 'bot', 'abc', '["signals:write"]');
INSERT INTO user_exchanges (id, user_id, exchange_name, api_key, status) VALUES
  ('20000000-0000-4000-8000-000000000002', '10000000-0000-4000-8000-000000000002', 'binance',
   'v1.k.n.c', 'connected');
INSERT INTO supported_exchanges (name, display_name, supported_features) VALUES
  ('binance', 'Binance', '["spot"]');
INSERT INTO portfolios (id, user_id, name, total_value_usd, risk_score, is_default) VALUES
  ('30000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001', 'Ann''s', NULL,
   NULL, true),
  ('30000000-0000-4000-8000-000000000002', '10000000-0000-4000-8000-000000000002', 'Bob''s',
   123.45678901, 42.5, true),
  ('30000000-0000-4000-8000-000000000003', NULL, 'Nobody''s', NULL, NULL, false);
INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity, average_buy_price) VALUES
  ('30000000-0000-4000-8000-000000000002', 'BTC/USDT', 0.12345678, 60000.00000001),
  ('30000000-0000-4000-8000-000000000002', 'ETH/USDT', -0.5, NULL),
  ('30000000-0000-4000-8000-000000000003', 'BTC/USDT', 1, NULL);
INSERT INTO premium_channels (id, creator_id, name, tags, pricing_monthly) VALUES
  ('40000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001', 'Ann trades',
   '["btc"]', 9.99);
INSERT INTO subscriptions (id, user_id, channel_id, status, billing_cycle, amount_paid, start_date)
  VALUES ('50000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000002',
  '40000000-0000-4000-8000-000000000001', 'active', 'monthly', 9.99, '2026-01-01');
INSERT INTO user_follows (follower_id, following_id) VALUES
  ('10000000-0000-4000-8000-000000000002', '10000000-0000-4000-8000-000000000001');
INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol, entry_price,
    confidence_level, status) VALUES
  ('60000000-0000-4000-8000-000000000001', '40000000-0000-4000-8000-000000000001',
   '10000000-0000-4000-8000-000000000001', 'buy', 'BTC/USDT', 60000, 80, 'active');
INSERT INTO signal_updates (signal_id, update_type, old_value, new_value) VALUES
  ('60000000-0000-4000-8000-000000000001', 'stop_loss', NULL, '59000');
INSERT INTO signal_followers (signal_id, user_id, follow_type, copy_amount, copy_percentage) VALUES
  ('60000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000002', 'copied', 50, 25);
INSERT INTO trades (id, user_id, portfolio_id, exchange_id, order_id, trade_type, side, asset_symbol,
    quantity, price, filled_quantity, filled_price, total_value_usd, fees_usd, status, source,
    signal_id, copied_from_user_id) VALUES
  ('70000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000002',
   '30000000-0000-4000-8000-000000000002', '20000000-0000-4000-8000-000000000002', '1', 'limit', 'buy',
   'BTC/USDT', 0.12345678, 60000.00000001, 0.12345678, 60000, 7407.4068, -0.01, 'filled', 'signal',
   '60000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001');
INSERT INTO trade_history (trade_id, status, price, quantity, exchange_response) VALUES
  ('70000000-0000-4000-8000-000000000001', 'fill', 60000, 0.12345678, '{"trade_id":"9"}');
INSERT INTO audit_logs (user_id, action, new_values, ip_address) VALUES
  ('10000000-0000-4000-8000-000000000001', 'login', '{"ok":true}', '2001:db8::1');
INSERT INTO security_events (user_id, event_type, severity, description) VALUES
  ('10000000-0000-4000-8000-000000000001', 'bad_key', 'high', 'x');
UPDATE users u SET total_followers = (SELECT count(*) FROM user_follows f WHERE f.following_id = u.id),
  total_following = (SELECT count(*) FROM user_follows f WHERE f.follower_id = u.id);
UPDATE premium_channels SET subscriber_count = 1, total_signals = 1;
UPDATE trading_signals SET followers_count = 1, copies_count = 1;
)";

// From version 2 on: the engine's.
constexpr const char* engine_rows = R"(
INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id, portfolio_id, channel_id,
    copy_percentage, symbols) VALUES
  ('10000000-0000-4000-8000-000000000002', '20000000-0000-4000-8000-000000000002',
   '30000000-0000-4000-8000-000000000002', '40000000-0000-4000-8000-000000000001', 25, '{BTC/USDT}');
INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id, leader_user_id, status) VALUES
  ('10000000-0000-4000-8000-000000000002', '20000000-0000-4000-8000-000000000002',
   '10000000-0000-4000-8000-000000000001', 'paused');
INSERT INTO engine.leader_events (id, source, symbol, kind, event_time, accepted_at, links_matched)
  VALUES ('80000000-0000-4000-8000-000000000001', 'rest', 'BTC/USDT', 'signal_published', now(),
  now(), 1);
INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, rank, created_at) VALUES
  ('80000000-0000-4000-8000-000000000001', gen_random_uuid(), 'copied', 0, now());
INSERT INTO engine.leader_feeds (user_exchange_id) VALUES ('20000000-0000-4000-8000-000000000002');
INSERT INTO engine.symbol_map VALUES ('binance', 'BTCUSDT', 'BTC/USDT');
INSERT INTO engine.kill_switches (active, symbol) VALUES (true, 'XRP/USDT');
INSERT INTO engine.external_fills (venue, user_exchange_id, symbol, trade_id, side, quantity, price,
    executed_at) VALUES ('binance', '20000000-0000-4000-8000-000000000002', 'BTC/USDT', '5', 'buy',
    1, 2, now());
INSERT INTO engine.sink_offsets (shard, journal_id, position) VALUES (0, gen_random_uuid(), 77);
INSERT INTO engine.sink_rejects (shard, journal_id, position, record_kind, sqlstate, reason, record)
  VALUES (0, gen_random_uuid(), 5, 'order', '23503', 'x', '{}');
)";

// From version 5 on: the rest of the platform's.
constexpr const char* more_rows = R"(
INSERT INTO user_profiles (user_id, trading_experience, preferred_assets, social_media_links) VALUES
  ('10000000-0000-4000-8000-000000000001', 'expert', '["BTC"]', '{"x":"ann"}');
INSERT INTO user_settings (user_id, email_notifications, theme_preference) VALUES
  ('10000000-0000-4000-8000-000000000001', '{"security":true}', 'dark');
INSERT INTO user_sessions (user_id, token_hash, device_info, expires_at) VALUES
  ('10000000-0000-4000-8000-000000000001', 'h', '{"os":"x"}', '2030-01-01');
INSERT INTO password_resets (user_id, token_hash, expires_at) VALUES
  ('10000000-0000-4000-8000-000000000001', 'h', '2030-01-01');
INSERT INTO two_factor_auth (user_id, secret_key, backup_codes) VALUES
  ('10000000-0000-4000-8000-000000000001', 's', '["c"]');
INSERT INTO community_posts (id, user_id, channel_id, post_type, content, tags, visibility) VALUES
  ('90000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001',
   '40000000-0000-4000-8000-000000000001', 'analysis', 'Up it goes', '["btc"]', 'subscribers_only');
INSERT INTO post_likes (post_id, user_id) VALUES
  ('90000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000002');
INSERT INTO post_comments (id, post_id, user_id, content) VALUES
  ('91000000-0000-4000-8000-000000000001', '90000000-0000-4000-8000-000000000001',
   '10000000-0000-4000-8000-000000000002', 'Does it?');
INSERT INTO comment_likes (comment_id, user_id) VALUES
  ('91000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001');
INSERT INTO channel_statistics (channel_id, date, new_subscribers) VALUES
  ('40000000-0000-4000-8000-000000000001', '2026-01-01', 1);
INSERT INTO subscription_history (subscription_id, action, amount, currency) VALUES
  ('50000000-0000-4000-8000-000000000001', 'renewed', 9.99, 'USD');
INSERT INTO payment_methods (id, user_id, type, is_primary, card_last_four, card_expiry_month,
    card_expiry_year) VALUES
  ('92000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000002', 'credit_card',
   true, '4242', 12, 2030);
INSERT INTO payments (id, user_id, subscription_id, payment_method_id, amount, status) VALUES
  ('93000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000002',
   '50000000-0000-4000-8000-000000000001', '92000000-0000-4000-8000-000000000001', 9.99,
   'completed');
INSERT INTO invoices (user_id, payment_id, invoice_number, subtotal, tax_amount, total_amount) VALUES
  ('10000000-0000-4000-8000-000000000002', '93000000-0000-4000-8000-000000000001', 'OLD-1', 8.4,
   1.59, 9.99);
INSERT INTO signal_performance (signal_id, date, price_at_date) VALUES
  ('60000000-0000-4000-8000-000000000001', '2026-01-01', 61000);
INSERT INTO notifications (user_id, type, title, message, data, delivery_method) VALUES
  ('10000000-0000-4000-8000-000000000002', 'system', 't', 'm', '{}', '["push"]');
INSERT INTO notification_preferences (user_id, notification_type, sms_enabled) VALUES
  ('10000000-0000-4000-8000-000000000002', 'system', true);
INSERT INTO price_alerts (user_id, asset_symbol, condition_type, target_price) VALUES
  ('10000000-0000-4000-8000-000000000002', 'BTC/USDT', 'above', 1000000);
INSERT INTO market_data VALUES
  ('2025-12-31 23:59:00+00', 'BTC/USDT', 1, 3, 0.5, 2, 10, 1000),
  ('2019-01-01 00:00:00+00', 'BTC/USDT', 1, 3, 0.5, 2, 10, 1000);
INSERT INTO price_history VALUES
  ('2025-12-31 23:59:00.123456+00', 'BTC/USDT', 60000.00000001, 1, 'binance'),
  ('2026-02-01 00:00:00+00', 'BTC/USDT', 60001, NULL, NULL);
INSERT INTO market_sentiment VALUES ('2026-01-01 00:00:00+00', 'BTC/USDT', -0.5, 20, 1000, 0.25);
INSERT INTO user_analytics (user_id, date, total_trades, risk_score) VALUES
  ('10000000-0000-4000-8000-000000000002', '2026-01-01', 1, 12.5);
INSERT INTO platform_analytics (date, total_users) VALUES ('2026-01-01', 2);
INSERT INTO channel_analytics (channel_id, date, views) VALUES
  ('40000000-0000-4000-8000-000000000001', '2026-01-01', 7);
INSERT INTO system_logs (level, service, message, context) VALUES ('info', 'web', 'up', '{}');
UPDATE community_posts SET likes_count = 1, comments_count = 1;
UPDATE post_comments SET likes_count = 1;
)";

// A link that asks for something else than the default, in the words of the version that is there.
constexpr const char* syncing_link = R"(DO $$
BEGIN
  IF (SELECT data_type FROM information_schema.columns WHERE table_schema = 'engine'
      AND table_name = 'copy_links' AND column_name = 'sync_on_subscribe') = 'boolean' THEN
    UPDATE engine.copy_links SET sync_on_subscribe = true WHERE leader_user_id IS NOT NULL;
  ELSE
    UPDATE engine.copy_links SET sync_on_subscribe = 'all' WHERE leader_user_id IS NOT NULL;
  END IF;
END $$)";

// A column that has other values since a version, and how what it had before is read now.
struct Changed {
  const char* table;
  const char* column;
  int since;
  const char* now;
};
constexpr Changed changed[] = {
    {.table = "engine.copy_links",
     .column = "sync_on_subscribe",
     .since = 25,
     .now = "CASE WHEN sync_on_subscribe THEN 'all' ELSE 'none' END"},
};

std::string read_now(const std::string& table, const std::string& column, int number) {
  for (const Changed& c : changed)
    if (c.table == table && c.column == column && number < c.since) return c.now;
  return fmt::format("\"{}\"", column);
}

void run(PgQuery& database, const std::string& sql) {
  const auto done = database.run(sql);
  ASSERT_TRUE(done.has_value()) << done.error();
}

}  // namespace

void fill_world(PgQuery& database, int number) {
  if (number >= 1) run(database, first_rows);
  if (number >= 2) run(database, engine_rows);
  if (number >= 2) run(database, syncing_link);
  if (number >= 5) run(database, more_rows);
}

Columns columns_of(PgQuery& database) {
  Columns columns;
  // Without what partitions hold a second time, and what the runner writes.
  const auto rows = database.rows(R"(
SELECT format('%I.%I', n.nspname, c.relname), a.attname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname IN ('public', 'engine') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT (n.nspname = 'engine' AND c.relname IN ('migrations', 'change_log')))");
  EXPECT_TRUE(rows.has_value()) << rows.error();
  if (rows)
    for (const PgRow& row : *rows) columns[*row[0]].push_back(*row[1]);
  return columns;
}

World world_of(PgQuery& database, const Columns& columns, int number) {
  World world;
  for (const auto& [table, names] : columns) {
    std::string list;
    for (const std::string& name : names)
      list += (list.empty() ? "" : ", ") + read_now(table, name, number);
    const auto rows = database.rows(fmt::format(
        "SELECT string_agg(r, chr(10) ORDER BY r) FROM (SELECT ROW({})::text FROM {}) t (r)", list,
        table));
    EXPECT_TRUE(rows.has_value()) << table << ": " << rows.error();
    world[table] = rows ? (*rows)[0][0].value_or("") : "";
  }
  return world;
}

}  // namespace oneclick::test
