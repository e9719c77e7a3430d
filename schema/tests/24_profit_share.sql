-- Profit shares with a high-water mark, against figures worked out by hand: losses, recoveries, new money, money taken
-- back, who leaves, what is late, and what happens twice.
BEGIN;
SELECT plan(58);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
-- Days of March 2026, whose 2nd, 9th and 16th are Mondays. A share costs 1 USDT, which is a dollar.
CREATE FUNCTION pg_temp.day(n numeric) RETURNS timestamptz LANGUAGE sql AS $$
  SELECT '2026-03-01 00:00:00+00'::timestamptz + (n - 1) * interval '1 day' $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 9) AS n;
INSERT INTO engine.usd_rates SELECT 'USDT', pg_temp.day(n), 1, pg_temp.day(n) FROM generate_series(1, 120, 0.5) AS n;
CREATE FUNCTION pg_temp.price(n numeric, price numeric, of_symbol text DEFAULT 'A/USDT') RETURNS void LANGUAGE sql AS $$
  INSERT INTO price_history (time, symbol, price) VALUES (pg_temp.day(n), of_symbol, price.price) $$;
CREATE SEQUENCE pg_temp.numbers;
CREATE FUNCTION pg_temp.trade(follower integer, of_side text, amount numeric, at_price numeric, n numeric,
  fee numeric DEFAULT 0, asset text DEFAULT 'USDT', base_fee numeric DEFAULT 0, quote_usd numeric DEFAULT 1,
  fee_usd numeric DEFAULT 1, of_symbol text DEFAULT 'A/USDT', leader integer DEFAULT 1, of_source text DEFAULT 'copy_trade')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  made uuid := pg_temp.u(1000 + nextval('pg_temp.numbers')::integer);
BEGIN
  INSERT INTO trades (id, user_id, asset_symbol, side, quantity, filled_quantity, status, source, copied_from_user_id,
      created_at)
    VALUES (made, pg_temp.u(follower), of_symbol, of_side::trade_side, amount, amount, 'filled', of_source::trade_source,
      pg_temp.u(leader), pg_temp.day(n) AT TIME ZONE 'UTC');
  INSERT INTO trade_history (trade_id, status, quantity, price, "timestamp", exchange_response)
    VALUES (made, 'fill', amount, at_price, pg_temp.day(n) AT TIME ZONE 'UTC', jsonb_strip_nulls(jsonb_build_object(
      'trade_id', '1', 'fee', fee::text, 'fee_asset', asset, 'base_fee', base_fee::text, 'quote_usd', quote_usd::text,
      'fee_asset_usd', fee_usd::text)));
END $$;
CREATE FUNCTION pg_temp.settled(follower integer) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', to_char(period_end AT TIME ZONE 'UTC', 'DD'), trim_scale(gain_usd), trim_scale(amount_usd),
           trim_scale(loss_carried_usd), status), ', ' ORDER BY period_end)
    FROM engine.profit_share_settlements WHERE follower_user_id = pg_temp.u(follower) $$;
CREATE FUNCTION pg_temp.terms(follower integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT id FROM engine.profit_share_terms WHERE follower_user_id = pg_temp.u(follower) ORDER BY starts_at DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.stands(follower integer) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', trim_scale(equity_usd), trim_scale(mark_usd), trim_scale(crystallised_usd), trim_scale(accrued_usd))
    FROM engine.profit_share_accruals WHERE terms_id = pg_temp.terms(follower) ORDER BY at DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.accrue(follower integer, n numeric) RETURNS integer LANGUAGE sql AS $$
  SELECT engine.accrue_profit_share(pg_temp.terms(follower), pg_temp.day(n)) $$;

-- Profit: what was received less what was paid, fees among it, and what is held
SELECT pg_temp.price(n, p) FROM (VALUES (1, 100), (2, 100), (3, 90), (4, 95), (5, 120), (6, 130), (7, 130), (8, 130), (9, 130))
  AS v (n, p);
SELECT pg_temp.trade(2, 'buy', 10, 100, 1.5, 2);                                 -- 1002 paid
SELECT pg_temp.trade(2, 'buy', 1, 100, 1.6, 0.1, 'A', 0.1);                      -- 100 paid for 0.9
SELECT pg_temp.trade(2, 'sell', 5.9, 110, 1.7, 0.01, 'BNB', fee_usd => 300);     -- 649 - 3 received
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(2), pg_temp.day(2))).profit, 44::numeric(20,8),
  'profit is 646 - 1102 and 5 that are worth 100 each');
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(2), pg_temp.day(1.5))).profit, 0::numeric(20,8),
  'what comes later does not count');
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(3), pg_temp.day(2))).profit, 0::numeric(20,8),
  'who has not traded has made nothing');
SELECT pg_temp.trade(2, 'buy', 1, 50, 1.5, of_source => 'signal');
SELECT pg_temp.trade(2, 'buy', 1, 50, 1.5, leader => 9);
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(2), pg_temp.day(2))).profit, 44::numeric(20,8),
  'signals and other leaders are not this copy');
SELECT pg_temp.trade(3, 'buy', 1, 10, 1.5, of_symbol => 'B/USDC', quote_usd => NULL);
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(3), pg_temp.day(2))).problem,
  '1 fills of B/USDC have no rate to USD', 'without a rate there is no profit, and it says why');
INSERT INTO engine.usd_rates VALUES ('USDC', pg_temp.day(1), 1.1, pg_temp.day(1)), ('USDC', pg_temp.day(2), 1.2, pg_temp.day(2));
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(3), pg_temp.day(2))).problem,
  'B/USDC had no price or no rate to USD at 2026-03-02 00:00:00 UTC', 'nor without a price');
SELECT pg_temp.price(1.9, 20, 'B/USDC');
SELECT is((engine.copy_profit(pg_temp.u(1), pg_temp.u(3), pg_temp.day(2))).profit, 13::numeric(20,8),
  'a rate that became known is taken: 20 x 1.2 - 10 x 1.1');

-- A loss is made up before anything is shared. Days 2 to 6: 5 held, worth 100, 90, 95, 120, 130.
SELECT is(engine.begin_profit_share(pg_temp.u(1), pg_temp.u(2), 0.1, 'day', pg_temp.day(2)), pg_temp.terms(2), 'terms');
SELECT is(pg_temp.accrue(2, 5), 4, 'a row for the begin and each midnight');
SELECT is(pg_temp.settled(2), '03 0 0 50 nothing_due, 04 0 0 25 nothing_due, 05 100 10 0 payable',
  'of a gain of 125 after a loss of 25 a hundred is shared');
SELECT is(pg_temp.accrue(2, 5), 0, 'once');
SELECT is(pg_temp.accrue(2, 5.9), 0, 'and nothing before the day is over');
SELECT is(pg_temp.accrue(2, 6), 1, 'the next day');
SELECT is(pg_temp.settled(2), '03 0 0 50 nothing_due, 04 0 0 25 nothing_due, 05 100 10 0 payable, 06 50 5 0 payable',
  'shares what is above the mark that the day before has left');
SELECT is((SELECT sum(gain_usd) FROM engine.profit_share_settlements), 150::numeric,
  'all periods together share what was gained in all');

-- New money neither makes nor hides a profit
SELECT pg_temp.trade(4, 'buy', 10, 100, 1.5);
SELECT isnt(engine.begin_profit_share(pg_temp.u(1), pg_temp.u(4), 0.2, 'week', pg_temp.day(2), 1000), NULL,
  'a thousand is given to a copy');
SELECT is(pg_temp.accrue(4, 3), 2, 'a day later');
SELECT is(pg_temp.stands(4), '900 1000 0 0', 'it has lost 100');
SELECT isnt(engine.book_profit_share_flow(pg_temp.terms(4), 4000, pg_temp.day(3.5)), NULL, 'four thousand come');
SELECT pg_temp.price(3.5, 90);
SELECT is(pg_temp.accrue(4, 3.5), 1, 'a row of their own');
SELECT is(pg_temp.stands(4), '4900 5000 0 0', 'and are no gain: the loss is as large as before');
SELECT is(pg_temp.accrue(4, 5), 2, 'two days later');
SELECT is(pg_temp.stands(4), '5200 5000 0 40', 'what is above the mark accrues');
-- A quarter is taken back: of the gain a quarter is due when the week ends, whatever comes.
SELECT isnt(engine.book_profit_share_flow(pg_temp.terms(4), -1300, pg_temp.day(5.5)), NULL, 'a quarter goes');
SELECT pg_temp.price(5.5, 120);
SELECT is(pg_temp.accrue(4, 5.5), 1, 'at its moment');
SELECT is(pg_temp.stands(4), '3900 3750 50 40', 'nothing accrues more or less by it');
SELECT is(pg_temp.accrue(4, 8), 3, 'until Sunday');
SELECT is(pg_temp.settled(4), NULL, 'nothing is settled');
SELECT is(pg_temp.accrue(4, 9), 1, 'the week ends');
SELECT is(pg_temp.settled(4), '09 300 60 0 payable', '250 above the mark and 50 that had gone');
SELECT is(pg_temp.stands(4), '4000 4000 0 0', 'and the mark is where it stands');
-- Half of a loss goes with half of the money.
SELECT pg_temp.price(n, 90) FROM generate_series(10, 12) AS n;
SELECT isnt(engine.book_profit_share_flow(pg_temp.terms(4), -1800, pg_temp.day(10)), NULL, 'half of what is left');
SELECT is(pg_temp.accrue(4, 10), 1, 'at a midnight');
SELECT is(pg_temp.stands(4), '1800 2000 0 0', 'leaves half of the loss');
SELECT isnt(engine.book_profit_share_flow(pg_temp.terms(4), -9000, pg_temp.day(11)), NULL, 'more than there is');
SELECT is(pg_temp.accrue(4, 11), 1, 'goes');
SELECT is(pg_temp.stands(4), '0 0 0 0', 'and leaves nothing');

-- Who leaves in the middle of a period
SELECT pg_temp.trade(5, 'buy', 1, 100, 1.5);
SELECT isnt(engine.begin_profit_share(pg_temp.u(1), pg_temp.u(5), 0.3333, 'month', pg_temp.day(2.25)), NULL, 'a month');
SELECT pg_temp.price(2.25, 100);
SELECT is(pg_temp.accrue(5, 6), 5, 'some days');
SELECT lives_ok('SELECT engine.end_profit_share(pg_temp.terms(5), pg_temp.day(6.5))', 'leaves');
SELECT pg_temp.price(6.5, 130.00000001);
SELECT is(pg_temp.accrue(5, 30), 1, 'the last row is at the end');
SELECT is((SELECT concat_ws(' ', period_start = pg_temp.day(2.25), period_end = pg_temp.day(6.5), trim_scale(gain_usd),
    trim_scale(amount_usd)) FROM engine.profit_share_settlements WHERE follower_user_id = pg_temp.u(5)),
  't t 30.00000001 9.999', 'and so is the settlement, rounded down');
SELECT is(pg_temp.accrue(5, 30), 0, 'nothing comes after it');
-- Who comes back has the loss still.
SELECT pg_temp.trade(6, 'buy', 1, 130, 6.1);
SELECT isnt(engine.begin_profit_share(pg_temp.u(1), pg_temp.u(6), 0.1, 'day', pg_temp.day(9)), NULL, 'another');
SELECT is(pg_temp.accrue(6, 10), 2, 'loses 40');
SELECT lives_ok('SELECT engine.end_profit_share(pg_temp.terms(6), pg_temp.day(11))', 'leaves');
SELECT isnt(engine.begin_profit_share(pg_temp.u(1), pg_temp.u(6), 0.1, 'day', pg_temp.day(11)), NULL, 'comes back');
SELECT is(pg_temp.accrue(6, 12), 0, 'but not before what was is settled');
SELECT is((SELECT held_back LIKE 'the terms before, %, are not settled' FROM engine.profit_share_terms
    WHERE id = pg_temp.terms(6)), true, 'which it says');
SELECT is(engine.accrue_profit_shares(clock_timestamp(), pg_temp.day(12)), 4, 'a run does all that are due');
SELECT is(pg_temp.stands(6), '0 40 0 0', 'who comes back has to make up the loss first');
SELECT is((SELECT count(*) FROM engine.due_profit_shares(pg_temp.day(12))), 0::bigint, 'nothing is left to do');

-- What cannot be
SELECT throws_ok($$SELECT engine.begin_profit_share(pg_temp.u(1), pg_temp.u(2), 0.1, 'day')$$, '23505', NULL, 'twice');
SELECT throws_ok($$SELECT engine.begin_profit_share(pg_temp.u(1), pg_temp.u(7), 1.1, 'day')$$, '23514', NULL, 'more than all');
SELECT throws_ok($$SELECT engine.book_profit_share_flow(pg_temp.terms(2), 5, pg_temp.day(3))$$, '22023', NULL,
  'money for a moment that is accrued');
SELECT throws_ok($$SELECT engine.end_profit_share(pg_temp.terms(2), pg_temp.day(3))$$, '22023', NULL,
  'an end before what is accrued');
-- Collected
SELECT results_eq($$SELECT engine.collect_profit_share(s.id, 'p1') FROM engine.profit_share_settlements s, generate_series(1, 2)
    WHERE s.follower_user_id = pg_temp.u(4) AND s.status = 'payable' AND s.period_end = pg_temp.day(9)$$,
  'VALUES (true), (false)', 'collected once, and told so again');
SELECT throws_ok($$SELECT engine.collect_profit_share(id, 'p2') FROM engine.profit_share_settlements
    WHERE follower_user_id = pg_temp.u(4) AND amount_usd > 0$$, '22023', NULL, 'but not by another payment');

SELECT * FROM finish();
ROLLBACK;
