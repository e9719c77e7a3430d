-- oneclick: no transaction
-- What stays of the time series when their rows go: a line per symbol and month (UTC), written anew from the rows
-- as often as wanted, until they are dropped; from then on it is kept. And a line per symbol and day to look at,
-- which TimescaleDB keeps as a continuous aggregate where it can. Each statement is right a second time.

CREATE TABLE IF NOT EXISTS engine.market_data_monthly (
  month date NOT NULL,
  symbol varchar NOT NULL,
  open_price numeric(20,8),
  high_price numeric(20,8),
  low_price numeric(20,8),
  close_price numeric(20,8),
  volume numeric,
  market_cap numeric(20,2),
  samples bigint NOT NULL,
  PRIMARY KEY (month, symbol)
);
COMMENT ON TABLE engine.market_data_monthly IS 'market_data by month (UTC): first, highest, lowest, last, sum of volume.';
CREATE TABLE IF NOT EXISTS engine.price_history_monthly (
  month date NOT NULL,
  symbol varchar NOT NULL,
  open_price numeric(20,8) NOT NULL,
  high_price numeric(20,8) NOT NULL,
  low_price numeric(20,8) NOT NULL,
  close_price numeric(20,8) NOT NULL,
  average_price numeric(20,8) NOT NULL,
  volume numeric,
  samples bigint NOT NULL,
  PRIMARY KEY (month, symbol)
);
COMMENT ON TABLE engine.price_history_monthly IS 'price_history by month (UTC): first, highest, lowest, last, mean, sum of volume.';
CREATE TABLE IF NOT EXISTS engine.market_sentiment_monthly (
  month date NOT NULL,
  symbol varchar NOT NULL,
  sentiment_score numeric(5,4),
  fear_greed_index numeric(5,2),
  social_volume bigint,
  news_sentiment numeric(5,4),
  samples bigint NOT NULL,
  PRIMARY KEY (month, symbol)
);
COMMENT ON TABLE engine.market_sentiment_monthly IS 'market_sentiment by month (UTC): means; of mentions the sum.';
CREATE TABLE IF NOT EXISTS engine.dropped_months (
  relation text NOT NULL,
  month date NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (relation, month)
);
COMMENT ON TABLE engine.dropped_months IS 'Months whose rows are gone: what is kept of them is not written again.';

-- How a month of a table is put together.
CREATE OR REPLACE FUNCTION engine.monthly_columns(relation text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE relation
    WHEN 'market_data' THEN '(array_agg(r.open_price ORDER BY r.time) FILTER (WHERE r.open_price IS NOT NULL))[1],
      max(r.high_price), min(r.low_price),
      (array_agg(r.close_price ORDER BY r.time DESC) FILTER (WHERE r.close_price IS NOT NULL))[1], sum(r.volume),
      (array_agg(r.market_cap ORDER BY r.time DESC) FILTER (WHERE r.market_cap IS NOT NULL))[1], count(*)'
    WHEN 'price_history' THEN '(array_agg(r.price ORDER BY r.time))[1], max(r.price), min(r.price),
      (array_agg(r.price ORDER BY r.time DESC))[1], round(avg(r.price), 8), sum(r.volume), count(*)'
    WHEN 'market_sentiment' THEN 'round(avg(r.sentiment_score), 4), round(avg(r.fear_greed_index), 2),
      sum(r.social_volume), round(avg(r.news_sentiment), 4), count(*)' END
$$;

-- One month of one table; returns the lines it has. The same when run twice; a month that is dropped stays.
CREATE OR REPLACE FUNCTION engine.aggregate_market_month(relation text, month date) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  begins date := date_trunc('month', month)::date;
  lines bigint := 0;
BEGIN
  IF engine.monthly_columns(relation) IS NULL OR begins IS NULL THEN
    RAISE EXCEPTION 'aggregate_market_month: % of % is no month of market_data, price_history or market_sentiment',
      month, relation USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Two at the same month come one after the other.
  PERFORM pg_advisory_xact_lock(hashtextextended('oneclick ' || relation, begins - date '2000-01-01'));
  IF EXISTS (SELECT FROM engine.dropped_months d WHERE d.relation = aggregate_market_month.relation
              AND d.month = begins) THEN
    EXECUTE format('SELECT count(*) FROM engine.%I m WHERE m.month = $1', relation || '_monthly')
      INTO lines USING begins;
    RETURN lines;
  END IF;
  EXECUTE format('DELETE FROM engine.%I m WHERE m.month = $1', relation || '_monthly') USING begins;
  EXECUTE format('INSERT INTO engine.%I SELECT $1, r.symbol, %s FROM public.%I r
                   WHERE r.time >= $1::timestamp AT TIME ZONE ''UTC''
                     AND r.time < ($1 + interval ''1 month'') AT TIME ZONE ''UTC'' GROUP BY r.symbol',
                 relation || '_monthly', engine.monthly_columns(relation), relation) USING begins;
  GET DIAGNOSTICS lines = ROW_COUNT;
  RETURN lines;
END $$;

-- Months of a table that have rows, from `since` on and before `before` (both UTC), found by hopping along the key.
CREATE OR REPLACE FUNCTION engine.market_months(relation text, since timestamp, before timestamp) RETURNS SETOF date
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  at timestamptz := coalesce(since AT TIME ZONE 'UTC', '-infinity');
BEGIN
  LOOP
    EXECUTE format('SELECT min(r.time) FROM public.%I r WHERE r.time >= $1 AND r.time < $2', relation)
      INTO at USING at, before AT TIME ZONE 'UTC';
    EXIT WHEN at IS NULL;
    IF NOT isfinite(at) THEN
      at := '4713-01-01 BC';
      CONTINUE;
    END IF;
    RETURN NEXT date_trunc('month', at)::date;
    at := date_trunc('month', at) + interval '1 month';
  END LOOP;
END $$;

-- Puts together all months from `since` on and before that of `through`, each in a transaction of its own: what was
-- broken off is run again. Without `since`: the last three months, since older ones change no more, and those that
-- have not been put together yet.
CREATE OR REPLACE PROCEDURE engine.aggregate_market_data(since timestamp DEFAULT NULL,
  through timestamp DEFAULT now() AT TIME ZONE 'UTC') LANGUAGE plpgsql AS $$
DECLARE
  one_table text;
  one_month date;
  wanted boolean;
BEGIN
  FOREACH one_table IN ARRAY ARRAY['market_data', 'price_history', 'market_sentiment'] LOOP
    FOR one_month IN SELECT m FROM engine.market_months(one_table, since, date_trunc('month', through)) AS m LOOP
      wanted := since IS NOT NULL OR one_month >= date_trunc('month', through) - interval '3 months';
      IF NOT wanted THEN
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM engine.%I m WHERE m.month = $1)', one_table || '_monthly')
          INTO wanted USING one_month;
      END IF;
      IF wanted THEN
        PERFORM engine.aggregate_market_month(one_table, one_month);
        COMMIT;
      END IF;
    END LOOP;
  END LOOP;
END $$;

-- What goes -----------------------------------------------------------------------------------------------------
-- Whole months before the month of `before` (UTC): at least what was asked for is kept, and up to a month more.
CREATE OR REPLACE FUNCTION engine.droppable_market_data(before timestamp)
RETURNS TABLE (what text, rows bigint, bytes bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  cut timestamptz := date_trunc('month', before) AT TIME ZONE 'UTC';
  native boolean := (SELECT s.storage = 'partitions' FROM engine.time_series s);
  home text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                 WHERE e.extname = 'timescaledb');
  one record;
BEGIN
  IF native THEN
    FOR one IN SELECT p.partition, coalesce(p.ends <= cut, false) AS whole FROM engine.partitions() p
                WHERE p.rest OR p.begins IS NULL OR p.begins < cut ORDER BY p.relation::text, p.begins LOOP
      what := CASE WHEN one.whole THEN format('partition %s', one.partition)
                ELSE format('rows of %s', one.partition) END;
      EXECUTE format('SELECT count(*) FROM %s r WHERE r.time < $1', one.partition) INTO rows USING cut;
      bytes := CASE WHEN one.whole THEN pg_total_relation_size(one.partition) ELSE 0 END;
      IF one.whole OR rows > 0 THEN
        RETURN NEXT;
      END IF;
    END LOOP;
    RETURN;
  END IF;
  FOR one IN SELECT t FROM unnest(ARRAY['market_data', 'price_history', 'market_sentiment']) AS t LOOP
    EXECUTE format('SELECT count(*) FROM public.%I r WHERE r.time < $1', one.t) INTO rows USING cut;
    EXECUTE format('SELECT format(''%%s chunks of public.%%s'', count(c), $1), coalesce(sum(pg_total_relation_size(c)), 0)
                      FROM %s.show_chunks($2::regclass, older_than => $3) AS c', home)
      INTO what, bytes USING one.t, 'public.' || one.t, cut;
    IF rows > 0 OR bytes > 0 THEN
      RETURN NEXT;
    END IF;
  END LOOP;
END $$;

-- Drops it, once its months are put together, in the same transaction. Returns what went.
CREATE OR REPLACE FUNCTION engine.drop_market_data(before timestamp)
RETURNS TABLE (what text, rows bigint, bytes bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
#variable_conflict use_column
DECLARE
  cut timestamp := date_trunc('month', before);
  native boolean := (SELECT s.storage = 'partitions' FROM engine.time_series s);
  home text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                 WHERE e.extname = 'timescaledb');
  one_table text;
  one_month date;
  one record;
BEGIN
  IF before IS NULL OR NOT isfinite(before) OR cut > date_trunc('month', now() AT TIME ZONE 'UTC') THEN
    RAISE EXCEPTION 'drop_market_data: before must be a moment that is past, not %', before
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOREACH one_table IN ARRAY ARRAY['market_data', 'price_history', 'market_sentiment'] LOOP
    -- Nobody writes a row between putting the months together and dropping them.
    EXECUTE format('LOCK TABLE public.%I IN SHARE ROW EXCLUSIVE MODE', one_table);
    FOR one_month IN SELECT m FROM engine.market_months(one_table, NULL, cut) AS m LOOP
      PERFORM engine.aggregate_market_month(one_table, one_month);
      INSERT INTO engine.dropped_months (relation, month) VALUES (one_table, one_month) ON CONFLICT DO NOTHING;
    END LOOP;
  END LOOP;
  RETURN QUERY SELECT d.what, d.rows, d.bytes FROM engine.droppable_market_data(before) d;
  IF native THEN
    FOR one IN SELECT p.partition FROM engine.partitions() p WHERE p.ends <= cut AT TIME ZONE 'UTC' LOOP
      EXECUTE format('DROP TABLE %s', one.partition);
    END LOOP;
  END IF;
  FOREACH one_table IN ARRAY ARRAY['market_data', 'price_history', 'market_sentiment'] LOOP
    IF NOT native THEN
      EXECUTE format('SELECT count(*) FROM %s.drop_chunks($1::regclass, older_than => $2)', home)
        USING 'public.' || one_table, cut AT TIME ZONE 'UTC';
    END IF;
    -- What lies in the rest, in the partition of the old table, or in a chunk that reaches into the next month.
    EXECUTE format('DELETE FROM public.%I r WHERE r.time < $1', one_table) USING cut AT TIME ZONE 'UTC';
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION engine.monthly_columns(text), engine.aggregate_market_month(text, date),
  engine.market_months(text, timestamp, timestamp), engine.droppable_market_data(timestamp),
  engine.drop_market_data(timestamp) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE engine.aggregate_market_data(timestamp, timestamp) FROM PUBLIC;

-- By day ------------------------------------------------------------------------------------------------------
-- engine.price_history_daily: a continuous aggregate where there are such, else a view that says the same.
DO $$
DECLARE
  home text := (SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e
                  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb');
BEGIN
  IF to_regclass('engine.price_history_daily') IS NOT NULL THEN
    RETURN;
  END IF;
  IF (SELECT s.storage = 'compressed_hypertables' FROM engine.time_series s) THEN
    EXECUTE format('CREATE MATERIALIZED VIEW engine.price_history_daily
        WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
      SELECT %1$s.time_bucket(interval ''1 day'', p.time) AS day, p.symbol, %1$s.first(p.price, p.time) AS open_price,
             max(p.price) AS high_price, min(p.price) AS low_price, %1$s.last(p.price, p.time) AS close_price,
             sum(p.volume) AS volume, count(*) AS samples
        FROM public.price_history p GROUP BY 1, 2 WITH NO DATA', home);
  ELSE
    CREATE VIEW engine.price_history_daily AS
      SELECT date_trunc('day', p.time, 'UTC') AS day, p.symbol,
             ((array_agg(p.price ORDER BY p.time))[1])::numeric(20,8) AS open_price, max(p.price) AS high_price,
             min(p.price) AS low_price, ((array_agg(p.price ORDER BY p.time DESC))[1])::numeric(20,8) AS close_price,
             sum(p.volume) AS volume, count(*) AS samples
        FROM public.price_history p GROUP BY 1, 2;
  END IF;
END $$;
COMMENT ON VIEW engine.price_history_daily IS 'price_history by day (UTC): first, highest, lowest, last, sum of volume.';

-- What TimescaleDB's own jobs would do; their owner would have to be a role that can log in, and ours are not. To be
-- called by the scheduled maintenance: coming partitions, chunks older than 30 days compressed, days brought up.
CREATE OR REPLACE PROCEDURE engine.keep_time_series() LANGUAGE plpgsql AS $$
DECLARE
  home text := (SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e
                  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb');
  kept_until timestamptz := (SELECT (max(d.month) + interval '1 month') AT TIME ZONE 'UTC' FROM engine.dropped_months d
                              WHERE d.relation = 'price_history');
  chunk text;
BEGIN
  PERFORM engine.keep_partitions();
  COMMIT;
  IF (SELECT s.storage <> 'compressed_hypertables' FROM engine.time_series s) THEN
    RETURN;
  END IF;
  -- Not what is dropped: its days are kept. Called by its bare name, since it may not be in an EXECUTE.
  PERFORM set_config('search_path', home || ', pg_catalog', true);
  CALL refresh_continuous_aggregate('engine.price_history_daily', kept_until, now());
  FOR chunk IN EXECUTE 'SELECT format(''%I.%I'', c.chunk_schema, c.chunk_name) FROM timescaledb_information.chunks c
      WHERE c.hypertable_schema = ''public'' AND NOT c.is_compressed AND c.range_end < now() - interval ''30 days''
        AND c.hypertable_name IN (''market_data'', ''price_history'', ''market_sentiment'')' LOOP
    EXECUTE format('SELECT %s.compress_chunk(%L::regclass, if_not_compressed => true)', home, chunk);
    COMMIT;
  END LOOP;
END $$;
REVOKE EXECUTE ON PROCEDURE engine.keep_time_series() FROM PUBLIC;

DO $$
DECLARE
  one text;
  role text;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_owner')
     AND pg_catalog.pg_has_role('oneclick_owner', 'MEMBER') THEN
    FOREACH one IN ARRAY ARRAY['TABLE engine.market_data_monthly', 'TABLE engine.price_history_monthly',
      'TABLE engine.market_sentiment_monthly', 'TABLE engine.dropped_months', 'FUNCTION engine.monthly_columns(text)',
      'FUNCTION engine.aggregate_market_month(text, date)',
      'FUNCTION engine.market_months(text, timestamp, timestamp)',
      'PROCEDURE engine.aggregate_market_data(timestamp, timestamp)',
      'FUNCTION engine.droppable_market_data(timestamp)', 'FUNCTION engine.drop_market_data(timestamp)',
      'PROCEDURE engine.keep_time_series()'] LOOP
      EXECUTE format('ALTER %s OWNER TO oneclick_owner', one);
    END LOOP;
    EXECUTE format('ALTER %s engine.price_history_daily OWNER TO oneclick_owner',
      CASE WHEN (SELECT s.storage = 'compressed_hypertables' FROM engine.time_series s) THEN 'MATERIALIZED VIEW'
        ELSE 'VIEW' END);
  END IF;
  FOREACH role IN ARRAY ARRAY['oneclick_engine', 'oneclick_platform', 'oneclick_readonly'] LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
      EXECUTE format('GRANT SELECT ON engine.market_data_monthly, engine.price_history_monthly,
        engine.market_sentiment_monthly, engine.price_history_daily TO %I', role);
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_readonly') THEN
    GRANT SELECT ON engine.dropped_months TO oneclick_readonly;
  END IF;
END $$;
