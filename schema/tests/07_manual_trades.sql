-- The platform's own trades: order, history and position in one call.
BEGIN;
SELECT plan(25);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 3) AS n;
INSERT INTO portfolios (id, user_id, name, is_default) VALUES (pg_temp.u(11), pg_temp.u(1), 'a', true),
  (pg_temp.u(12), pg_temp.u(1), 'b', false), (pg_temp.u(13), pg_temp.u(2), 'c', true);
INSERT INTO user_exchanges (id, user_id, exchange_name) VALUES (pg_temp.u(21), pg_temp.u(1), 'binance');
CREATE FUNCTION pg_temp.held(n integer) RETURNS text LANGUAGE sql AS $$
  SELECT trim_scale(quantity) || ' at ' || coalesce(trim_scale(average_buy_price)::text, 'none')
    FROM portfolio_positions WHERE portfolio_id = pg_temp.u(n) $$;

SELECT is(engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', 2, 100, on_exchange => pg_temp.u(21), fees => 0.2,
  base_fee => 0.5, value_usd => 200, executed => '2026-03-01', trade => pg_temp.u(31)), pg_temp.u(31), 'a buy');
SELECT results_eq('SELECT user_id, portfolio_id, exchange_id, side::text, quantity, price, filled_quantity,
  filled_price, total_value_usd, fees_usd, status::text, source::text, executed_at FROM trades',
  $$VALUES (pg_temp.u(1), pg_temp.u(11), pg_temp.u(21), 'buy', 2::numeric, NULL::numeric, 2::numeric, 100::numeric,
  200::numeric, 0.2::numeric, 'filled', 'manual', '2026-03-01'::timestamp)$$, 'the order, in the default portfolio');
SELECT results_eq('SELECT status::text, price, quantity, "timestamp" FROM trade_history ORDER BY status',
  $$VALUES ('fill', 100::numeric, 2::numeric, '2026-03-01'::timestamp),
           ('filled', NULL, 2, '2026-03-01'::timestamp)$$, 'its history: the state and the fill');
SELECT is((SELECT count(*)::integer FROM trade_history WHERE exchange_response ? 'trade_id'), 1,
  'only the fill names a trade');
SELECT is(pg_temp.held(11), '1.5 at 100', 'the position, less the fee');
SELECT is((SELECT user_id FROM portfolio_positions), pg_temp.u(1), 'whose it is');
SELECT is((SELECT source FROM trades), 'manual', 'by hand');
SELECT is(engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', 2, 100, trade => pg_temp.u(31)), pg_temp.u(31),
  'the same again');
SELECT is(pg_temp.held(11), '1.5 at 100', 'is booked once');
SELECT is((SELECT count(*)::integer FROM trade_history), 2, 'and told once');
SELECT lives_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', 4.5, 200)$$, 'a second buy');
SELECT is(pg_temp.held(11), '6 at 175', 'weighs the average');
SELECT lives_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'sell', 2, 300, base_fee => 0)$$, 'a sell');
SELECT is(pg_temp.held(11), '4 at 175', 'leaves the average');
SELECT lives_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'sell', 5, 300)$$, 'more than there is');
SELECT is(pg_temp.held(11), '-1 at none', 'goes below zero and starts over');
SELECT lives_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', 3, 50, pg_temp.u(12),
  kind => 'limit')$$,
  'another portfolio');
SELECT is(pg_temp.held(12), '3 at 50', 'has its own position');
SELECT is((SELECT price FROM trades WHERE portfolio_id = pg_temp.u(12)), 50::numeric(20,8), 'a limit is told');
SELECT throws_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', 3, 50, pg_temp.u(13))$$, '23503',
  NULL, 'another''s portfolio is refused');
SELECT throws_ok($$SELECT engine.book_manual_trade(pg_temp.u(2), 'BTC/USDT', 'buy', 3, 50,
  on_exchange => pg_temp.u(21))$$, '23503', NULL, 'another''s account is refused');
SELECT throws_ok($$SELECT engine.book_manual_trade(pg_temp.u(3), 'BTC/USDT', 'buy', 3, 50)$$, '23503', NULL,
  'who has no portfolio cannot trade');
SELECT throws_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', -3, 50)$$, '23514', NULL,
  'less than nothing is refused');
SELECT throws_ok($$SELECT engine.book_manual_trade(pg_temp.u(1), 'BTC/USDT', 'buy', 'NaN', 50)$$, '23514', NULL,
  'what is no number is refused');
INSERT INTO trades (user_id, portfolio_id, asset_symbol, side, quantity, filled_quantity, filled_price, status, source)
  VALUES (pg_temp.u(1), pg_temp.u(11), 'BTC/USDT', 'buy', 1, 1, 100, 'filled', 'copy_trade');
SELECT is(pg_temp.held(11), '-1 at none', 'the engine''s trades move nothing: its sink writes positions');

SELECT * FROM finish();
ROLLBACK;
