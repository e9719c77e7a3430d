-- Price alerts go off once and write notifications as their owner wants them.
BEGIN;
SELECT plan(33);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 8) AS n;
CREATE FUNCTION pg_temp.came(of_symbol text, price numeric, after interval) RETURNS void LANGUAGE sql AS $$
  INSERT INTO price_history (time, symbol, price) VALUES (now() + after, of_symbol, price) $$;
CREATE FUNCTION pg_temp.waiting() RETURNS integer LANGUAGE sql AS $$
  SELECT count(*)::integer FROM price_alerts WHERE is_active $$;

INSERT INTO price_alerts (id, user_id, asset_symbol, condition_type, target_price) VALUES
  (pg_temp.u(11), pg_temp.u(1), 'BTC/USDT', 'above', 100), (pg_temp.u(12), pg_temp.u(1), 'BTC/USDT', 'below', 50),
  (pg_temp.u(13), pg_temp.u(1), 'ETH/USDT', 'above', 10);
SELECT pg_temp.came('BTC/USDT', 99.99999999, '1 s');
SELECT is(pg_temp.waiting(), 3, 'nothing goes off in between');
SELECT is((SELECT count(*)::integer FROM notifications), 0, 'nobody is told');
SELECT pg_temp.came('BTC/USDT', 100, '2 s');
SELECT results_eq('SELECT id FROM price_alerts WHERE NOT is_active', 'VALUES (pg_temp.u(11))', 'above: reached');
SELECT is((SELECT triggered_at FROM price_alerts WHERE id = pg_temp.u(11)), (now() + interval '2 s') AT TIME ZONE 'UTC',
  'at the time of the price');
SELECT results_eq('SELECT user_id, type::text, priority::text, is_read FROM notifications',
  $$VALUES (pg_temp.u(1), 'trade_alert', 'high', false)$$, 'its owner is told');
SELECT is((SELECT data ->> 'price_alert_id' FROM notifications), pg_temp.u(11)::text, 'of which alert');
SELECT is((SELECT message FROM notifications), 'BTC/USDT has reached 100.', 'in words');
SELECT pg_temp.came('BTC/USDT', 200, '3 s');
SELECT is((SELECT count(*)::integer FROM notifications), 1, 'once');
SELECT pg_temp.came('BTC/USDT', 49, '4 s');
SELECT is((SELECT is_active FROM price_alerts WHERE id = pg_temp.u(12)), false, 'below');
SELECT is((SELECT is_active FROM price_alerts WHERE id = pg_temp.u(13)), true,
  'another symbol''s price is not its own');
UPDATE price_alerts SET is_active = true, triggered_at = NULL WHERE id = pg_temp.u(11);
SELECT pg_temp.came('BTC/USDT', 101, '5 s');
SELECT is((SELECT is_active FROM price_alerts WHERE id = pg_temp.u(11)), false, 'set again, it goes off again');

-- Changes in per cent, from the price there was when the alert was made.
DELETE FROM price_alerts;
INSERT INTO price_alerts (id, user_id, asset_symbol, condition_type, percentage_change, target_price) VALUES
  (pg_temp.u(21), pg_temp.u(1), 'BTC/USDT', 'percentage_change', 10, NULL),
  (pg_temp.u(22), pg_temp.u(1), 'BTC/USDT', 'percentage_change', -10, NULL),
  (pg_temp.u(23), pg_temp.u(1), 'BTC/USDT', 'percentage_change', 10, 1000),
  (pg_temp.u(24), pg_temp.u(1), 'NEW/USDT', 'percentage_change', 10, NULL);
SELECT is((SELECT target_price FROM price_alerts WHERE id = pg_temp.u(21)), 101::numeric(20,8),
  'from the latest price');
SELECT is((SELECT target_price FROM price_alerts WHERE id = pg_temp.u(23)), 1000::numeric(20,8),
  'or from one that is named');
SELECT is((SELECT target_price FROM price_alerts WHERE id = pg_temp.u(24)), NULL, 'or from none yet');
SELECT pg_temp.came('BTC/USDT', 111.09, '6 s');
SELECT is(pg_temp.waiting(), 4, 'not quite ten per cent');
SELECT pg_temp.came('BTC/USDT', 111.1, '7 s');
SELECT results_eq('SELECT id FROM price_alerts WHERE NOT is_active', 'VALUES (pg_temp.u(21))', 'ten per cent up');
SELECT pg_temp.came('BTC/USDT', 90.9, '8 s');
SELECT results_eq('SELECT id FROM price_alerts WHERE NOT is_active ORDER BY id',
  'VALUES (pg_temp.u(21)), (pg_temp.u(22))', 'ten per cent down');
SELECT pg_temp.came('NEW/USDT', 5, '9 s');
SELECT results_eq($$SELECT target_price, is_active FROM price_alerts WHERE id = pg_temp.u(24)$$,
  'VALUES (5::numeric, true)', 'the first price is what a new symbol is measured from');
SELECT pg_temp.came('NEW/USDT', 5.5, '10 s');
SELECT is((SELECT is_active FROM price_alerts WHERE id = pg_temp.u(24)), false, 'and from there on it goes');

-- What is no news.
DELETE FROM price_alerts;
INSERT INTO price_alerts (id, user_id, asset_symbol, condition_type, target_price, is_active) VALUES
  (pg_temp.u(31), pg_temp.u(1), 'BTC/USDT', 'above', 1, true), (pg_temp.u(32), pg_temp.u(1), 'BTC/USDT', 'above', 1,
  false),
  (pg_temp.u(33), pg_temp.u(1), 'BTC/USDT', NULL, 1, true), (pg_temp.u(34), NULL, 'BTC/USDT', 'above', 1, true);
SELECT pg_temp.came('BTC/USDT', 100, '-1 h');
SELECT is(pg_temp.waiting(), 3, 'an old price, loaded late');
SELECT is(engine.check_price_alerts('BTC/USDT', 0), 0, 'a price of nothing');
SELECT is(engine.check_price_alerts('BTC/USDT', 'NaN'), 0, 'no number');
SELECT is(engine.check_price_alerts('BTC/USDT', 2), 2, 'whoever has a price may ask');
SELECT is(pg_temp.waiting(), 1, 'an alert without a condition waits for ever');

-- As their owners want it.
DELETE FROM notifications;
DELETE FROM price_alerts;
INSERT INTO user_settings (user_id, notifications_enabled, email_notifications, push_notifications) VALUES
  (pg_temp.u(2), false, NULL, NULL), (pg_temp.u(3), true, '{"trade_alert": false}', '{"security": false}'),
  (pg_temp.u(4), true, NULL, '{"trade_alert": false}');
INSERT INTO notification_preferences (user_id, notification_type, enabled, email_enabled, push_enabled,
  sms_enabled) VALUES
  (pg_temp.u(5), 'trade_alert', false, true, true, true), (pg_temp.u(6), 'trade_alert', true, false, false, true),
  (pg_temp.u(7), 'security', false, false, false, false), (pg_temp.u(4), 'trade_alert', true, false, true, false);
INSERT INTO price_alerts (user_id, asset_symbol, condition_type, target_price)
  SELECT pg_temp.u(n), 'BTC/USDT', 'above', 100 FROM generate_series(1, 7) AS n;
SELECT is(engine.check_price_alerts('BTC/USDT', 100), 7, 'all alerts go off');
CREATE FUNCTION pg_temp.ways(n integer) RETURNS jsonb LANGUAGE sql AS $$
  SELECT delivery_method FROM notifications WHERE user_id = pg_temp.u(n) $$;
SELECT is(pg_temp.ways(1), '["in_app", "email", "push"]', 'without preferences: all but text messages');
SELECT is(pg_temp.ways(2), NULL, 'who wants no notifications gets none');
SELECT is(pg_temp.ways(3), '["in_app", "push"]', 'settings can do without mail for one kind');
SELECT is(pg_temp.ways(4), '["in_app"]', 'settings and preferences together');
SELECT is(pg_temp.ways(5), NULL, 'a kind nobody wants');
SELECT is(pg_temp.ways(6), '["in_app", "sms"]', 'by text message alone');
SELECT is(pg_temp.ways(7), '["in_app", "email", "push"]', 'another kind''s preference is another''s');
SELECT is(engine.notify(pg_temp.u(99), 'system', 't', 'm'), NULL, 'nobody there to be told');

SELECT * FROM finish();
ROLLBACK;
