-- Books in USD: trades by hand move them as the sink does, and portfolios are told what they are worth.
BEGIN;
SELECT plan(28);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 3) AS n;
INSERT INTO portfolios (id, user_id, name, is_default, total_value_usd, updated_at)
  SELECT pg_temp.u(10 + n), pg_temp.u(n), 'p', true, 77, '2026-01-01' FROM generate_series(1, 3) AS n;
CREATE FUNCTION pg_temp.book(n integer, symbol text DEFAULT 'BTC/USDT') RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', trim_scale(cost_usd), trim_scale(realised_usd), trim_scale(fees_usd), trim_scale(spent_usd),
           cost_known, unvalued_fills)
    FROM engine.position_books WHERE portfolio_id = pg_temp.u(10 + n) AND asset_symbol = symbol $$;
CREATE FUNCTION pg_temp.trade(n integer, side trade_side, quantity numeric, value_usd numeric, fees numeric DEFAULT 0,
  base_fee numeric DEFAULT 0, symbol text DEFAULT 'BTC/USDT') RETURNS uuid LANGUAGE sql AS $$
  SELECT engine.book_manual_trade(pg_temp.u(n), symbol, side, quantity, 100, fees => fees, base_fee => base_fee,
    value_usd => value_usd) $$;

-- Trades by hand
SELECT isnt(pg_temp.trade(1, 'buy', 2, 202, 6), NULL, 'a buy');
SELECT is(pg_temp.book(1), '208 0 6 208 t 0', 'costs its fee too');
SELECT isnt(pg_temp.trade(1, 'buy', 2, 220, 55, 0.5), NULL, 'a buy with a fee out of what was bought');
SELECT is(pg_temp.book(1), '428 0 61 428 t 0', 'costs no more by it: there is less for the same');
SELECT isnt(pg_temp.trade(1, 'sell', 1.75, 350, 3), NULL, 'half of it is sold');
SELECT is(pg_temp.book(1), '214 133 64 428 t 0', 'and made what it brought, less fee and cost');
SELECT isnt(pg_temp.trade(1, 'sell', 3.5, 350, 0), NULL, 'twice of what is left is sold');
SELECT is(pg_temp.book(1), '0 94 64 428 t 0', 'and only what had been bought counts');
SELECT isnt(pg_temp.trade(1, 'buy', 2.75, 275, 0), NULL, 'a buy, most of which buys back');
SELECT is(pg_temp.book(1), '100 94 64 703 t 0', 'has the cost of what is held then');
SELECT isnt(pg_temp.trade(2, 'buy', 1, NULL), NULL, 'a buy of unknown worth');
SELECT is(pg_temp.book(2), '0 0 0 0 f 1', 'has no known cost');
SELECT isnt(pg_temp.trade(2, 'sell', 1, 500), NULL, 'and when it is sold');
SELECT is(pg_temp.book(2), '0 0 0 0 t 2', 'no profit; what comes then is known');
SELECT isnt(pg_temp.trade(2, 'buy', 3, 300, symbol => 'ETH/USDT'), NULL, 'another symbol');

-- Prices and rates
SELECT is(engine.usd_rate('USD', now()), 1::numeric, 'a dollar is one');
SELECT is(engine.usd_rate('USDT', now()), NULL, 'and nothing else is by itself');
INSERT INTO engine.usd_rates VALUES ('USDT', '2026-03-01 00:00+00', 0.9, '2026-03-01 00:01+00'),
  ('USDT', '2026-03-01 00:10+00', 0.8, '2026-03-01 00:19+00');
INSERT INTO price_history (time, symbol, price) VALUES ('2026-03-01 00:05+00', 'BTC/USDT', 200),
  ('2026-03-01 00:18+00', 'ETH/USDT', 150), ('2026-03-01 00:21+00', 'BTC/USDT', 250);
SELECT results_eq($$SELECT engine.usd_rate('USDT', t::timestamptz) FROM unnest(ARRAY['2026-03-01 00:00:30+00',
    '2026-03-01 00:18+00', '2026-03-01 00:19+00', '2026-03-02 00:18+00', '2026-03-02 00:19+00']) AS t$$,
  $$VALUES (NULL), (0.9), (0.8), (0.8), (NULL)$$, 'a rate is the last one known, for a day');
SELECT is(engine.market_price('BTC/USDT', '2026-03-01 00:20+00'), 200::numeric, 'a price was known then');
SELECT is(engine.quote_of('BTC/USDC:USDC'), 'USDC', 'what prices are in');

-- Told
SELECT is(engine.mark_portfolios(NULL, 1, '2026-03-01 00:20+00'), pg_temp.u(11), 'one portfolio');
SELECT is(engine.mark_portfolios(pg_temp.u(11), 1, '2026-03-01 00:20+00'), pg_temp.u(12), 'the next one');
SELECT is(engine.mark_portfolios(pg_temp.u(12), 1, '2026-03-01 00:20+00'), NULL, 'and there are no more with books');
-- 1 BTC x 200 x 0.8 = 160 over a cost of 100, with 94 realised: 154 of 703 spent.
SELECT results_eq('SELECT current_price, total_value_usd, unrealized_pnl_usd, unrealized_pnl_percentage
    FROM portfolio_positions WHERE portfolio_id = pg_temp.u(11)', 'VALUES (200::numeric, 160::numeric, 60::numeric,
    60::numeric)', 'a position has its price, worth and profit');
SELECT results_eq('SELECT total_value_usd, total_pnl_usd, total_pnl_percentage, updated_at FROM portfolios ORDER BY id',
  $$VALUES (160::numeric, 154::numeric, 21.9061::numeric, '2026-01-01'::timestamp),
           (360::numeric, NULL, NULL, '2026-01-01'), (77::numeric, NULL, NULL, '2026-01-01')$$,
  'a portfolio has its worth and profit, unless some of it is not known; one without books is left alone');
SELECT is(engine.mark_portfolios(NULL, 10, '2026-03-05'), pg_temp.u(12), 'later');
SELECT results_eq('SELECT total_value_usd, total_pnl_usd FROM portfolios WHERE id = pg_temp.u(11)',
  'VALUES (NULL::numeric, NULL::numeric)', 'an old price is none');
SELECT throws_ok($$INSERT INTO engine.usd_rates VALUES ('X', now(), 0, now())$$, '23514', NULL,
  'a rate is above zero');

SELECT * FROM finish();
ROLLBACK;
