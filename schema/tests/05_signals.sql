-- Signals end at their time and tell what changes about them.
BEGIN;
SELECT plan(22);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash) VALUES (pg_temp.u(1), 'a@example.org', 'a', '!');
INSERT INTO premium_channels (id, creator_id, name) VALUES (pg_temp.u(2), pg_temp.u(1), 'c');
INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol, entry_price, stop_loss, status,
    expires_at) VALUES
  (pg_temp.u(11), pg_temp.u(2), pg_temp.u(1), 'buy', 'BTC/USDT', 100, 90, 'active', '2026-03-01'),
  (pg_temp.u(12), pg_temp.u(2), pg_temp.u(1), 'buy', 'BTC/USDT', 100, 90, 'active', NULL),
  (pg_temp.u(13), pg_temp.u(2), pg_temp.u(1), 'buy', 'BTC/USDT', 100, 90, 'closed', '2026-03-01');
CREATE FUNCTION pg_temp.told(n integer) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(format('%s %s>%s', update_type, coalesce(old_value, '-'), coalesce(new_value, '-')), ', '
                    ORDER BY created_at, update_type) FROM signal_updates WHERE signal_id = pg_temp.u(n) $$;

SELECT is(pg_temp.told(11), NULL, 'a new signal has no updates');
UPDATE trading_signals SET stop_loss = 95.5 WHERE id = pg_temp.u(11);
SELECT is(pg_temp.told(11), 'stop_loss 90>95.5', 'the stop moves');
UPDATE trading_signals SET take_profit = 120 WHERE id = pg_temp.u(11);
SELECT is(pg_temp.told(11), 'stop_loss 90>95.5, take_profit ->120', 'a target comes');
UPDATE trading_signals SET stop_loss = 95.50000, take_profit = 120, current_price = 101, entry_price = 99,
  timeframe = '1h', performance_percentage = 1 WHERE id = pg_temp.u(11);
SELECT is(pg_temp.told(11), 'stop_loss 90>95.5, take_profit ->120',
  'what is no target, and the same again, is not told');
UPDATE trading_signals SET stop_loss = NULL, take_profit = 130, reasoning = 'news', status = 'closed'
  WHERE id = pg_temp.u(12);
SELECT is(pg_temp.told(12), 'stop_loss 90>-, take_profit ->130, status active>closed, reasoning ->news',
  'several at once, one row each');
SELECT is((SELECT count(*)::integer FROM signal_updates WHERE signal_id = pg_temp.u(13)), 0, 'others are left alone');
DELETE FROM signal_updates;
UPDATE trading_signals SET stop_loss = 80;
SELECT is((SELECT count(*)::integer FROM signal_updates), 3, 'a statement over all signals');
UPDATE trading_signals SET stop_loss = 70 WHERE false;
SELECT is((SELECT count(*)::integer FROM signal_updates), 3, 'a statement over none');
INSERT INTO signal_updates (signal_id, update_type, new_value) VALUES (pg_temp.u(11), 'price_target', '140');
SELECT is((SELECT count(*)::integer FROM signal_updates), 4, 'the platform may add rows of its own');
SELECT results_eq($$SELECT count(*)::integer FROM engine.change_log WHERE table_name = 'signal_updates'
  AND op = 'insert'$$,
  'VALUES (1)', 'only those are news to the engine');
SELECT cmp_ok((SELECT count(*)::integer FROM engine.change_log WHERE table_name = 'trading_signals'
  AND op = 'update'), '>=', 6, 'which hears of the rest by the signal itself');
INSERT INTO signal_followers (signal_id, user_id, follow_type) VALUES (pg_temp.u(11), pg_temp.u(1), 'copied');
SELECT is((SELECT count(*)::integer FROM signal_updates), 4, 'to be followed is no update');

DELETE FROM signal_updates;
SELECT is(engine.expire_signals('2026-02-28 23:59:59'), 0, 'a second before its time nothing happens');
SELECT is(engine.expire_signals('2026-03-01'), 1, 'at its time one ends');
SELECT results_eq($$SELECT status::text, closed_at FROM trading_signals WHERE id = pg_temp.u(11)$$,
  $$VALUES ('expired', '2026-03-01'::timestamp)$$, 'expired, then');
SELECT is(pg_temp.told(11), 'status active>expired', 'it is told');
SELECT is(engine.expire_signals('2026-03-01'), 0, 'once');
SELECT is((SELECT status FROM trading_signals WHERE id = pg_temp.u(13)), 'closed', 'closed ones stay closed');
SELECT ok(EXISTS (SELECT FROM engine.change_log WHERE table_name = 'trading_signals' AND op = 'update'
  AND row_id = pg_temp.u(11)::text), 'the engine hears of it');
INSERT INTO trading_signals (channel_id, creator_id, asset_symbol, status, expires_at)
  SELECT pg_temp.u(2), pg_temp.u(1), 'BTC/USDT', 'active', '2026-01-01' FROM generate_series(1, 5);
SELECT is(engine.expire_signals('2026-03-01', 3), 3, 'a batch at a time');
SELECT is(engine.expire_signals('2026-03-01', 3), 2, 'and the rest');
SELECT is((SELECT total_signals FROM premium_channels), 8, 'all of them were published');

SELECT * FROM finish();
ROLLBACK;
