-- The time series: where rows go, what their tables keep, months, and dropping what is old.
BEGIN;
SELECT no_plan();

SELECT is((SELECT count(*)::int FROM engine.time_series), 1, 'how they are stored is decided once');
SELECT ok((SELECT s.storage = 'partitions' FROM engine.time_series s), 'without TimescaleDB: partitions');
SELECT is(c.relkind::text, 'p', c.relname || ' is partitioned') FROM pg_class c
 WHERE c.oid = ANY (ARRAY['public.market_data', 'public.price_history', 'public.market_sentiment']::regclass[]);
SELECT is(engine.keep_partitions(), 0, 'the coming months have their partitions');
SELECT is((SELECT count(*)::int FROM engine.partitions() p WHERE p.relation = 'public.price_history'::regclass
    AND NOT p.rest AND p.begins <= now() + interval '3 months' AND p.ends > now()), 4,
  'this month and three more');
SELECT is(array(SELECT p.partition::text FROM engine.partitions() p JOIN pg_class c ON c.oid = p.partition
    JOIN pg_roles o ON o.oid = c.relowner WHERE o.rolname <> 'oneclick_owner'), '{}'::text[],
  'the owner owns the partitions');
SELECT is(array(SELECT p.partition::text FROM engine.partitions() p
    WHERE NOT has_table_privilege('oneclick_backup', p.partition, 'SELECT')), '{}'::text[],
  'the backup reads each of them');
SELECT is(array(SELECT r || ' ' || p.partition::text FROM engine.partitions() p,
    unnest(ARRAY['oneclick_engine', 'oneclick_platform', 'oneclick_readonly']) AS r
    WHERE has_table_privilege(r, p.partition, 'SELECT, INSERT, UPDATE, DELETE')), '{}'::text[],
  'others come through the table');

-- Rows
CREATE FUNCTION pg_temp.home_of(moment timestamptz) RETURNS text LANGUAGE sql AS $$
  SELECT p.tableoid::regclass::text FROM public.price_history p WHERE p.time = moment $$;
SET LOCAL ROLE oneclick_platform;
INSERT INTO public.price_history (time, symbol, price) VALUES (now(), 'A/B', 1), ('2021-05-01+00', 'A/B', 2),
  ('2021-05-31 23:59:59.999999+00', 'A/B', 3), ('1980-01-01+00', 'A/B', 4), ('infinity', 'A/B', 5),
  (now() + interval '9 years', 'A/B', 6);
UPDATE public.price_history SET volume = 7 WHERE time = '2021-05-01+00';
RESET ROLE;
SELECT is(pg_temp.home_of(now()), 'series.price_history_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM'),
  'a row of today is in this month''s partition');
SELECT is(pg_temp.home_of('2021-05-01+00'), 'series.price_history_rest', 'one of a month without is in the rest');
SET LOCAL timezone = 'Asia/Tokyo';
SELECT is(engine.keep_partitions(), 1, 'which gets its partition next time');
SET LOCAL timezone = 'UTC';
SELECT is(pg_temp.home_of('2021-05-01+00'), 'series.price_history_2021_05', 'and the rows go there');
SELECT is(pg_temp.home_of('2021-05-31 23:59:59.999999+00'), 'series.price_history_2021_05', 'to the month''s last');
SELECT is((SELECT p.volume FROM public.price_history p WHERE p.time = '2021-05-01+00'), 7::numeric, 'as they are');
SELECT is((SELECT count(*)::int FROM series.price_history_rest), 3, 'what no clock can mean stays in the rest');
SELECT throws_ok($$INSERT INTO public.price_history (time, symbol, price) VALUES ('2021-05-01+00', 'A/B', 1)$$,
  '23505', NULL, 'the key holds in a partition');
SELECT throws_ok($$INSERT INTO public.price_history (time, symbol, price) VALUES ('2021-05-02+00', 'A/B', -1)$$,
  '23514', NULL, 'checks hold in a partition');
SELECT throws_ok($$SELECT engine.keep_partitions(now(), 1000)$$, '22023', NULL, 'no thousand months ahead');
SELECT is(engine.keep_partitions('2000-01-15+00', 1), 9, 'months of long ago: three for each table');

-- Alerts go off from a partition as they did from the table.
INSERT INTO public.users (id, email, username, password_hash)
  VALUES ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'a', 'x');
INSERT INTO public.price_alerts (user_id, asset_symbol, condition_type, target_price)
  VALUES ('00000000-0000-4000-8000-000000000001', 'C/D', 'above', 10);
INSERT INTO public.price_history (time, symbol, price) VALUES (now(), 'C/D', 11);
SELECT is((SELECT count(*)::int FROM public.notifications), 1, 'an alert goes off');

-- Months
DELETE FROM public.price_history;
INSERT INTO public.price_history (time, symbol, price, volume) VALUES
  ('2020-01-10+00', 'A/B', 5, 1), ('2020-01-01+00', 'A/B', 4, NULL), ('2020-01-31 23:59+00', 'A/B', 3, 2),
  ('2020-01-05+00', 'C/D', 1, 1), ('2020-02-01+00', 'A/B', 9, 1);
INSERT INTO public.market_data VALUES ('2020-01-03+00', 'A/B', 2, 4, 1, 3, 10, 100),
  ('2020-01-04+00', 'A/B', NULL, NULL, NULL, NULL, NULL, NULL), ('2020-01-02+00', 'A/B', 7, 8, 6, 7, 5, 90);
INSERT INTO public.market_sentiment VALUES ('2020-01-03+00', 'A/B', 0.5, 20, 3, NULL),
  ('2020-01-04+00', 'A/B', -0.25, 21, 4, 1);
SELECT is(engine.aggregate_market_month('price_history', '2020-01-20'), 2::bigint, 'a line per symbol');
SELECT is(engine.aggregate_market_month('market_data', '2020-01-01'), 1::bigint, 'of market data too');
SELECT is(engine.aggregate_market_month('market_sentiment', '2020-01-01'), 1::bigint, 'and of sentiment');
SELECT row_eq($$SELECT * FROM engine.price_history_monthly m WHERE m.symbol = 'A/B'$$,
  ROW('2020-01-01', 'A/B', 4, 5, 3, 3, 4, 3, 3)::engine.price_history_monthly, 'first, highest, lowest, last, mean');
SELECT row_eq($$SELECT * FROM engine.market_data_monthly m$$,
  ROW('2020-01-01', 'A/B', 7, 8, 1, 3, 15, 100, 3)::engine.market_data_monthly, 'a candle of candles');
SELECT row_eq($$SELECT * FROM engine.market_sentiment_monthly m$$,
  ROW('2020-01-01', 'A/B', 0.125, 20.5, 7, 1, 2)::engine.market_sentiment_monthly, 'means, and a sum of mentions');
CREATE TEMPORARY TABLE once AS SELECT m::text FROM engine.price_history_monthly m;
DO $$ BEGIN PERFORM engine.aggregate_market_month('price_history', '2020-01-01'); END $$;
SELECT set_eq('SELECT m::text FROM engine.price_history_monthly m', 'TABLE once', 'twice is the same as once');
DELETE FROM public.price_history WHERE symbol = 'C/D';
SELECT is(engine.aggregate_market_month('price_history', '2020-01-01'), 1::bigint, 'a line goes with its rows');
SELECT throws_ok($$SELECT engine.aggregate_market_month('users', '2020-01-01')$$, '22023', NULL, 'of no other table');
SELECT row_eq($$SELECT d.symbol::text, d.open_price, d.close_price, d.samples FROM engine.price_history_daily d
  WHERE d.day = '2020-02-01+00'$$, ROW('A/B'::text, 9.0::numeric(20,8), 9.0::numeric(20,8), 1::bigint), 'days are there to look at');

-- Dropping
DO $$ BEGIN PERFORM engine.keep_partitions(); END $$;
SELECT is(array(SELECT d.what || ' ' || d.rows FROM engine.droppable_market_data('2020-02-29 12:00') d
    WHERE d.rows > 0 ORDER BY 1), ARRAY['partition series.market_data_2020_01 3',
    'partition series.market_sentiment_2020_01 2', 'partition series.price_history_2020_01 3'],
  'what would go is told');
SELECT is((SELECT count(*)::int FROM public.price_history), 4, 'and nothing went');
SELECT is((SELECT sum(d.rows)::int FROM engine.drop_market_data('2020-02-29 12:00') d), 8, 'whole months go');
SELECT is(to_regclass('series.price_history_2020_01'), NULL, 'with their partitions');
SELECT is((SELECT count(*)::int FROM public.price_history), 1, 'the month of the limit stays');
SELECT is((SELECT m.samples FROM engine.price_history_monthly m WHERE m.month = '2020-01-01'), 3::bigint,
  'what is kept is of the rows as they were');
INSERT INTO public.price_history (time, symbol, price) VALUES ('2020-01-10+00', 'A/B', 99);
DO $$ BEGIN PERFORM engine.aggregate_market_month('price_history', '2020-01-01'); END $$;
SELECT is((SELECT m.high_price FROM engine.price_history_monthly m WHERE m.month = '2020-01-01'), 5::numeric,
  'a row that comes after that changes nothing');
SELECT is((SELECT sum(d.rows)::int FROM engine.drop_market_data('2020-02-29 12:00') d), 1, 'and goes the next time');
SELECT is((SELECT count(*)::int FROM engine.drop_market_data('2020-02-29 12:00') d WHERE d.rows > 0), 0,
  'then there is nothing left');
SELECT throws_ok($$SELECT engine.drop_market_data(now() AT TIME ZONE 'UTC' + interval '2 months')$$, '22023', NULL,
  'what is not past does not go');
SELECT throws_ok('SELECT engine.drop_market_data(NULL)', '22023', NULL, 'nor anything without a limit');

SELECT * FROM finish();
ROLLBACK;
