-- Roll-ups of one made-up day, 2026-03-10, by hand; the day after; and the same again.
BEGIN;
SELECT plan(25);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
SET LOCAL TIME ZONE 'Asia/Tokyo';  -- days are UTC whatever the session's zone
INSERT INTO users (id, email, username, password_hash, created_at)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!',
         CASE WHEN n <= 4 THEN '2026-03-01' WHEN n = 5 THEN '2026-03-10 23:59:59' ELSE '2026-03-11' END::timestamp
    FROM generate_series(1, 6) AS n;
INSERT INTO premium_channels (id, creator_id, name, created_at) VALUES
  (pg_temp.u(10), pg_temp.u(1), 'c', '2026-03-01'), (pg_temp.u(11), pg_temp.u(1), 'later', '2026-03-11');
INSERT INTO subscriptions (id, user_id, channel_id, status, start_date, end_date, cancelled_at) VALUES
  (pg_temp.u(21), pg_temp.u(2), pg_temp.u(10), 'active', '2026-03-02', NULL, NULL),
  (pg_temp.u(22), pg_temp.u(3), pg_temp.u(10), 'active', '2026-03-10 12:00', '2026-04-10', NULL),
  (pg_temp.u(23), pg_temp.u(4), pg_temp.u(10), 'expired', '2026-03-02', '2026-03-10 08:00', NULL),
  (pg_temp.u(24), pg_temp.u(5), pg_temp.u(10), 'cancelled', '2026-03-03', NULL, '2026-03-10 09:00'),
  (pg_temp.u(25), pg_temp.u(5), pg_temp.u(10), 'pending', '2026-03-10', NULL, NULL),
  (pg_temp.u(26), pg_temp.u(4), pg_temp.u(10), 'cancelled', '2026-03-03', NULL, '2026-03-11 09:00');
INSERT INTO payments (user_id, subscription_id, amount, currency, status, processed_at, refund_amount,
  refunded_at) VALUES
  (pg_temp.u(2), pg_temp.u(21), 30, 'USD', 'completed', '2026-03-10 00:00', NULL, NULL),
  (pg_temp.u(3), pg_temp.u(22), 20, 'USD', 'refunded', '2026-03-10 10:00', 5, '2026-03-11 10:00'),
  (pg_temp.u(3), pg_temp.u(22), 99, 'EUR', 'completed', '2026-03-10 10:00', NULL, NULL),
  (pg_temp.u(3), pg_temp.u(22), 98, 'USD', 'failed', '2026-03-10 10:00', NULL, NULL),
  (pg_temp.u(3), NULL, 7, 'USD', 'completed', '2026-03-10 10:00', NULL, NULL);
INSERT INTO price_history (time, symbol, price) VALUES
  ('2026-03-09 12:00+00', 'BTC/USDT', 100), ('2026-03-10 12:00+00', 'BTC/USDT', 110),
  ('2026-03-10 23:59+00', 'BTC/USDT', 120), ('2026-03-11 00:00+00', 'BTC/USDT', 200);
INSERT INTO market_data (time, symbol, close_price) VALUES ('2026-03-10 20:00+00', 'ETH/USDT', 10);
INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol, entry_price, status, created_at,
    closed_at, performance_percentage) VALUES
  (pg_temp.u(31), pg_temp.u(10), pg_temp.u(1), 'buy', 'BTC/USDT', 100, 'active', '2026-03-09', NULL, NULL),
  (pg_temp.u(32), pg_temp.u(10), pg_temp.u(1), 'sell', 'BTC/USDT', 100, 'closed', '2026-03-10 01:00',
  '2026-03-10 13:00',
   NULL),
  (pg_temp.u(33), pg_temp.u(10), pg_temp.u(1), 'buy', 'BTC/USDT', 100, 'closed', '2026-03-10 02:00', '2026-03-10 14:00',
   12.5),
  (pg_temp.u(34), pg_temp.u(10), pg_temp.u(1), 'hold', 'BTC/USDT', 100, 'active', '2026-03-11 00:00', NULL, NULL),
  (pg_temp.u(35), pg_temp.u(10), pg_temp.u(1), 'buy', 'BTC/USDT', 100, 'closed', '2026-03-01', '2026-03-09', 1);
INSERT INTO signal_followers (signal_id, user_id, follow_type, created_at) VALUES
  (pg_temp.u(31), pg_temp.u(2), 'copied', '2026-03-10 05:00'), (pg_temp.u(31), pg_temp.u(3), 'watching',
  '2026-03-11 05:00');
INSERT INTO community_posts (id, user_id, channel_id, content, views_count, created_at) VALUES
  (pg_temp.u(41), pg_temp.u(1), pg_temp.u(10), 'x', 40, '2026-03-05');
INSERT INTO post_likes (post_id, user_id, created_at) VALUES (pg_temp.u(41), pg_temp.u(2), '2026-03-10 10:00'),
  (pg_temp.u(41), pg_temp.u(6), '2026-03-10 10:00');
INSERT INTO trades (id, user_id, asset_symbol, side, quantity, filled_quantity, filled_price, total_value_usd, fees_usd,
    status, created_at) VALUES
  (pg_temp.u(51), pg_temp.u(2), 'BTC/USDT', 'buy', 2, 2, 100, 200, 1, 'filled', '2026-03-09'),
  (pg_temp.u(52), pg_temp.u(2), 'BTC/USDT', 'buy', 2, 2, 110, 220, 2, 'filled', '2026-03-10 10:00'),
  (pg_temp.u(53), pg_temp.u(2), 'BTC/USDT', 'sell', 1, 1, 125, 125, 3, 'filled', '2026-03-10 11:00'),
  (pg_temp.u(54), pg_temp.u(2), 'BTC/USDT', 'buy', 1, 0, NULL, NULL, NULL, 'cancelled', '2026-03-10 12:00'),
  (pg_temp.u(55), pg_temp.u(2), 'ETH/USDT', 'buy', 4, 4, 10, 40, 0, 'filled', '2026-03-10 13:00'),
  (pg_temp.u(56), pg_temp.u(2), 'BTC/USDT', 'sell', 1, 1, 125, 125, 3, 'filled', '2026-03-11 00:00');
INSERT INTO user_sessions (user_id, token_hash, expires_at, created_at, last_active_at) VALUES
  (pg_temp.u(2), 'a', '2027-01-01', '2026-03-09 23:50', '2026-03-10 00:10'),
  (pg_temp.u(2), 'b', '2027-01-01', '2026-03-10 10:00', '2026-03-10 10:30'),
  (pg_temp.u(3), 'c', '2027-01-01', '2026-03-10 10:00', '2026-03-10 10:10'),
  (pg_temp.u(4), 'd', '2027-01-01', '2026-03-11 10:00', '2026-03-11 10:10');

SELECT engine.roll_up_day('2026-03-10');

SELECT results_eq('SELECT signal_id, price_at_date, performance_percentage, total_followers, total_copies
  FROM signal_performance ORDER BY 1', $$VALUES (pg_temp.u(31), 120::numeric, 20::numeric, 1, 1),
  (pg_temp.u(32), 110, -10, 0, 0), (pg_temp.u(33), 110, 10, 0, 0)$$,
  'signals open on the day, at its end or their own');
SELECT results_eq('SELECT channel_id, new_subscribers, total_subscribers, signals_sent, successful_signals,
  total_return_percentage, revenue_usd FROM channel_statistics',
  $$VALUES (pg_temp.u(10), 1, 3, 2, 1, 2.5, 50::numeric)$$, 'what the channel did');
SELECT results_eq('SELECT views, new_subscribers, signals_sent, avg_signal_performance, revenue_usd, engagement_rate
  FROM channel_analytics', 'VALUES (40, 1, 2, 6.6667, 50::numeric, 0.3333)', 'how it was received');
SELECT results_eq('SELECT user_id, total_trades, successful_trades, total_volume_usd, total_pnl_usd, login_count,
  time_spent_minutes FROM user_analytics ORDER BY 1', $$VALUES (pg_temp.u(2), 4, 3, 385::numeric, 15::numeric, 1, 40),
  (pg_temp.u(3), 0, 0, 0, 0, 1, 10)$$, 'users: 125 less the average cost of 105, less fees of 5');
SELECT results_eq('SELECT portfolio_value_usd, risk_score FROM user_analytics WHERE user_id = pg_temp.u(2)',
  'VALUES (400::numeric, 82.00)', 'three bitcoin at 120 and four ether at 10: 0.9 squared and 0.1 squared');
SELECT is((SELECT risk_score FROM user_analytics WHERE user_id = pg_temp.u(3)), NULL,
  'who holds nothing risks nothing');
SELECT results_eq('SELECT total_users, active_users, new_registrations, total_trades, total_volume_usd,
  total_revenue_usd, total_subscriptions, avg_session_duration_minutes FROM platform_analytics',
  'VALUES (5, 2, 1, 4, 385::numeric, 57::numeric, 3, 20)', 'the platform');
SELECT results_eq('SELECT day FROM engine.rolled_up_days', $$VALUES ('2026-03-10'::date)$$, 'the day is done');

-- The same when run twice.
CREATE TEMP TABLE once AS
  SELECT 'a' AS what, to_jsonb(t) AS r FROM signal_performance t UNION ALL SELECT 'b',
  to_jsonb(t) FROM channel_statistics t
  UNION ALL SELECT 'c', to_jsonb(t) FROM channel_analytics t UNION ALL SELECT 'd', to_jsonb(t) FROM user_analytics t
  UNION ALL SELECT 'e', to_jsonb(t) FROM platform_analytics t;
SELECT cmp_ok((SELECT count(*)::integer FROM once), '=', 8, 'eight rows');
CREATE FUNCTION pg_temp.same() RETURNS SETOF text LANGUAGE sql AS $$
  SELECT set_eq('SELECT * FROM once', 'SELECT ''a'', to_jsonb(t) FROM signal_performance t WHERE date = ''2026-03-10''
    UNION ALL SELECT ''b'', to_jsonb(t) FROM channel_statistics t WHERE date = ''2026-03-10''
    UNION ALL SELECT ''c'', to_jsonb(t) FROM channel_analytics t WHERE date = ''2026-03-10''
    UNION ALL SELECT ''d'', to_jsonb(t) FROM user_analytics t WHERE date = ''2026-03-10''
    UNION ALL SELECT ''e'', to_jsonb(t) FROM platform_analytics t WHERE date = ''2026-03-10''', 'the same again') $$;
SELECT engine.roll_up_day('2026-03-10');
SELECT pg_temp.same();
SELECT engine.roll_up_day('2026-03-11');
SELECT results_eq($$SELECT channel_id, new_subscribers, total_subscribers, signals_sent, revenue_usd
  FROM channel_statistics WHERE date = '2026-03-11' ORDER BY 1$$, $$VALUES (pg_temp.u(10), 0, 2, 1, -5::numeric),
  (pg_temp.u(11), 0, 0, 0, 0)$$, 'the day after: a refund, a cancellation, another channel');
SELECT is((SELECT performance_percentage FROM signal_performance WHERE signal_id = pg_temp.u(34)), NULL,
  'to hold has no return');
SELECT is((SELECT performance_percentage FROM signal_performance WHERE signal_id = pg_temp.u(31)
  AND date = '2026-03-11'), 100::numeric(10,4), 'the price of midnight is the next day''s');
SELECT is((SELECT views FROM channel_analytics WHERE channel_id = pg_temp.u(10) AND date = '2026-03-11'), 0,
  'views that were counted already');
UPDATE community_posts SET views_count = 55;
SELECT engine.roll_up_day('2026-03-11');
SELECT is((SELECT views FROM channel_analytics WHERE channel_id = pg_temp.u(10) AND date = '2026-03-11'), 15,
  'and those since');
SELECT is((SELECT total_pnl_usd FROM user_analytics WHERE user_id = pg_temp.u(2) AND date = '2026-03-11'),
  17::numeric(20,2), 'the gain of a day is that day''s');
SELECT engine.roll_up_day('2026-03-10');
SELECT pg_temp.same();
DELETE FROM user_sessions;
SELECT engine.roll_up_day('2026-03-10');
SELECT is((SELECT time_spent_minutes FROM user_analytics WHERE user_id = pg_temp.u(2) AND date = '2026-03-10'), 40,
  'sessions that were removed meanwhile were there');
SELECT is((SELECT avg_session_duration_minutes FROM platform_analytics WHERE date = '2026-03-10'), 20,
  'on the whole platform too');
SELECT engine.roll_up_day('2026-02-01');
SELECT results_eq($$SELECT total_users, total_trades FROM platform_analytics WHERE date = '2026-02-01'$$,
  'VALUES (0, 0)', 'a day on which nothing was');

-- Rates of channels and portfolios
UPDATE premium_channels SET updated_at = '2026-03-01';
SELECT engine.refresh_channel_rates();
SELECT results_eq('SELECT success_rate, avg_return_percentage FROM premium_channels ORDER BY id',
  'VALUES (66.67, 1.1667), (NULL, NULL)', 'two of three ended with a gain; 12.5, 1 and -10');
SELECT is((SELECT updated_at FROM premium_channels WHERE id = pg_temp.u(10)), '2026-03-01', 'no change of the channel');
SELECT is((SELECT count(*)::integer FROM engine.change_log WHERE table_name = 'premium_channels' AND op = 'update'), 0,
  'no news to the engine');
INSERT INTO portfolios (id, user_id, name) VALUES (pg_temp.u(61), pg_temp.u(2), 'p'), (pg_temp.u(62), pg_temp.u(2),
  'q');
INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity, average_buy_price, current_price) VALUES
  (pg_temp.u(61), 'BTC/USDT', 1, 50, 75), (pg_temp.u(61), 'ETH/USDT', 5, 5, NULL);
SELECT engine.refresh_portfolio_risk();
SELECT results_eq('SELECT risk_score FROM portfolios ORDER BY id', 'VALUES (62.50), (NULL)', 'risk of a portfolio');
UPDATE portfolio_positions SET quantity = 0 WHERE asset_symbol = 'ETH/USDT';
SELECT engine.refresh_portfolio_risk();
SELECT is((SELECT risk_score FROM portfolios WHERE id = pg_temp.u(61)), 100::numeric(5,2), 'all in one asset');

SELECT * FROM finish();
ROLLBACK;
