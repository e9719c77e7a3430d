-- oneclick: no transaction
-- The time series (market_data, price_history, market_sentiment) cut by time, so that what is old goes without
-- reading what is new. Which way is decided here, once, and kept in engine.time_series:
--   compressed_hypertables  TimescaleDB under its own licence: chunks that are compressed, continuous aggregates
--   hypertables             TimescaleDB under the Apache licence: chunks
--   partitions              without TimescaleDB: a native partition per month, in schema series
-- Each statement is right a second time.

CREATE SCHEMA IF NOT EXISTS series;

CREATE TABLE IF NOT EXISTS engine.time_series (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  storage text NOT NULL CHECK (storage IN ('partitions', 'hypertables', 'compressed_hypertables')),
  timescaledb text,
  license text,
  reason text NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE engine.time_series IS 'How the time series are stored, decided when they were first cut by time.';
COMMENT ON COLUMN engine.time_series.only_row IS 'There is one row.';
COMMENT ON COLUMN engine.time_series.storage IS 'partitions, hypertables or compressed_hypertables.';
COMMENT ON COLUMN engine.time_series.timescaledb IS 'The extension''s version; NULL without it.';
COMMENT ON COLUMN engine.time_series.license IS 'What the extension ran under: apache or timescale.';
COMMENT ON COLUMN engine.time_series.reason IS 'Why.';
COMMENT ON COLUMN engine.time_series.decided_at IS 'When.';

-- The extension ends the session that creates it where the server has not loaded it, so that is asked first: a
-- parameter that is only named in a file is not in pg_settings.
DO $$
DECLARE
  why text;
  version text;
  terms text;
BEGIN
  IF EXISTS (SELECT FROM engine.time_series) THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'timescaledb') THEN
    why := 'timescaledb is not installed';
  ELSIF NOT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'timescaledb.max_background_workers') THEN
    why := 'timescaledb is installed, but the server does not load it (shared_preload_libraries)';
  ELSE
    BEGIN
      CREATE EXTENSION IF NOT EXISTS timescaledb;
      SELECT e.extversion, current_setting('timescaledb.license', true) INTO version, terms
        FROM pg_catalog.pg_extension e WHERE e.extname = 'timescaledb';
      why := format('timescaledb %s runs under licence %s', version, terms);
    EXCEPTION WHEN insufficient_privilege THEN
      why := format('timescaledb is installed, but %s may not create it', current_user);
    END;
  END IF;
  INSERT INTO engine.time_series (storage, timescaledb, license, reason)
    VALUES (CASE WHEN version IS NULL THEN 'partitions' WHEN terms = 'timescale' THEN 'compressed_hypertables'
              ELSE 'hypertables' END, version, terms, why);
END $$;

-- Partitions -------------------------------------------------------------------------------------------------
-- The partitions there are, with their bounds; NULL is no bound. `rest` is the one for what no other takes.
CREATE OR REPLACE FUNCTION engine.partitions() RETURNS TABLE (relation regclass, partition regclass,
  begins timestamptz, ends timestamptz, rest boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
  SELECT i.inhparent::regclass, i.inhrelid::regclass, substring(b.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz,
         substring(b.bound FROM 'TO \(''([^'']+)''\)')::timestamptz, b.bound = 'DEFAULT'
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid,
         pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS b (bound)
   WHERE i.inhparent = ANY (ARRAY['public.market_data', 'public.price_history',
           'public.market_sentiment']::regclass[]) AND c.relispartition
$$;

-- Months that have no partition and should: those around `at`, and those of rows that had to go into the rest.
-- Of the rest not everything: a wrong clock must not make a thousand partitions.
CREATE OR REPLACE FUNCTION engine.missing_partitions(at timestamptz, ahead integer)
RETURNS TABLE (relation regclass, month timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  a_rest record;
BEGIN
  FOR a_rest IN SELECT p.relation, p.partition FROM engine.partitions() p WHERE p.rest LOOP
    RETURN QUERY EXECUTE format(
      'SELECT $1, m.month FROM (
         SELECT n AS month FROM generate_series(date_trunc(''month'', $3) - interval ''1 month'',
             date_trunc(''month'', $3) + make_interval(months => $4), interval ''1 month'') AS n
         UNION
         (SELECT DISTINCT date_trunc(''month'', r.time) FROM %s r WHERE r.time >= $3 - interval ''20 years''
            AND r.time < date_trunc(''month'', $3) + make_interval(months => $4 + 1) LIMIT 240)) m
       WHERE NOT EXISTS (SELECT FROM engine.partitions() p WHERE p.relation = $1 AND NOT p.rest
           AND (p.begins IS NULL OR p.begins <= m.month) AND (p.ends IS NULL OR p.ends > m.month))
       ORDER BY m.month', a_rest.partition) USING a_rest.relation, a_rest.partition, at, ahead;
  END LOOP;
END $$;

-- One partition for one month, with the rows of it that had to go into the rest. Writers of the table wait for that
-- moment, and it for theirs: a row that is already on its way into the rest would be refused there afterwards.
CREATE OR REPLACE FUNCTION engine.make_partition(relation regclass, month timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  table_name name := (SELECT c.relname FROM pg_class c WHERE c.oid = relation);
  made text := format('series.%I', table_name || to_char(month, '_YYYY_MM'));
  rest regclass := (SELECT p.partition FROM engine.partitions() p WHERE p.relation = make_partition.relation
                      AND p.rest);
  next_month timestamptz := month + interval '1 month';
BEGIN
  EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', relation);
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING COMMENTS)', made, relation);
  EXECUTE format('WITH moved AS (DELETE FROM %s WHERE time >= %L AND time < %L RETURNING *)
                  INSERT INTO %s SELECT * FROM moved', rest, month, next_month, made);
  EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', relation, made, month,
                 next_month);
  EXECUTE format('COMMENT ON TABLE %s IS %L', made, format('Of %s, what is from %s UTC.', relation,
                 to_char(month, 'YYYY-MM')));
END $$;

-- Makes the partitions of the coming months. As often as wanted and from several sessions at once: they make each
-- once. Without partitions there is nothing to do. Returns how many were made.
CREATE OR REPLACE FUNCTION engine.keep_partitions(at timestamptz DEFAULT now(), ahead integer DEFAULT 3)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  missing record;
  made integer := 0;
BEGIN
  IF at IS NULL OR NOT isfinite(at) OR ahead IS NULL OR ahead NOT BETWEEN 0 AND 240 THEN
    RAISE EXCEPTION 'keep_partitions: at must be a moment and ahead from 0 to 240 months, not % and %', at, ahead
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- One at a time, before a table is looked at: whoever waits here must hold no lock that the one before needs.
  PERFORM pg_advisory_xact_lock(8031156412847059817);
  FOR missing IN SELECT m.relation, m.month FROM engine.missing_partitions(at, ahead) m LOOP
    PERFORM engine.make_partition(missing.relation, missing.month);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION engine.partitions(), engine.missing_partitions(timestamptz, integer),
  engine.make_partition(regclass, timestamptz), engine.keep_partitions(timestamptz, integer) FROM PUBLIC;

-- From a table to partitions ---------------------------------------------------------------------------------
-- The rows there are stay in their table, which becomes the partition of everything before `cut`. That they are
-- before it is looked through beforehand, while others read and write.
CREATE OR REPLACE FUNCTION pg_temp.is_plain(name text) RETURNS boolean LANGUAGE sql AS $$
  SELECT c.relkind = 'r' AND s.storage = 'partitions' FROM pg_catalog.pg_class c, engine.time_series s
   WHERE c.oid = format('public.%I', name)::regclass
$$;

CREATE OR REPLACE FUNCTION pg_temp.bound_rows(name text) RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  newest timestamptz;
BEGIN
  IF NOT pg_temp.is_plain(name) OR EXISTS (SELECT FROM pg_catalog.pg_constraint c
       WHERE c.conname = 'before_partitions' AND c.conrelid = format('public.%I', name)::regclass) THEN
    RETURN;
  END IF;
  EXECUTE format('SELECT max(p.time) FROM public.%I p', name) INTO newest;
  IF newest IS NOT NULL THEN
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT before_partitions CHECK (time < %L) NOT VALID', name,
                   date_trunc('month', greatest(newest, now())) + interval '1 month');
  END IF;
END $$;

CREATE OR REPLACE FUNCTION pg_temp.look_through(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conname = 'before_partitions' AND NOT c.convalidated
              AND c.conrelid = format('public.%I', name)::regclass) THEN
    EXECUTE format('ALTER TABLE public.%I VALIDATE CONSTRAINT before_partitions', name);
  END IF;
END $$;

-- All that the table had besides rows: who may do what, what it means, what goes off.
CREATE OR REPLACE FUNCTION pg_temp.copy_rights(from_table regclass, to_table regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  one record;
BEGIN
  EXECUTE format('COMMENT ON TABLE %s IS %L', to_table, obj_description(from_table, 'pg_class'));
  -- Not what default privileges gave the new one, but what the old one had.
  FOR one IN SELECT DISTINCT a.grantee FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
              WHERE c.oid = to_table LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s', to_table,
                   CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one.grantee)) END);
  END LOOP;
  FOR one IN SELECT a.* FROM pg_catalog.pg_class c,
                    pg_catalog.aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
              WHERE c.oid = from_table LOOP
    EXECUTE format('GRANT %s ON %s TO %s %s', one.privilege_type, to_table,
                   CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one.grantee)) END,
                   CASE WHEN one.is_grantable THEN 'WITH GRANT OPTION' ELSE '' END);
  END LOOP;
  FOR one IN SELECT a.attname, x.* FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x
              WHERE a.attrelid = from_table LOOP
    EXECUTE format('GRANT %s (%I) ON %s TO %s', one.privilege_type, one.attname, to_table,
                   CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one.grantee)) END);
  END LOOP;
END $$;

-- The exchange of the table for one that is partitioned: no row is read or written, so the exclusive lock is
-- short.
CREATE OR REPLACE FUNCTION pg_temp.cut_by_month(name text) RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
  old_table text := format('series.%I', name || '_old');
  new_table text := format('public.%I', name);
  in_the_way text;
  triggers text[];
  keys text[];
  indexes text[];
  one text;
  cut text;
  has_rows boolean;
BEGIN
  IF NOT pg_temp.is_plain(name) THEN
    RETURN;
  END IF;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', new_table);
  SELECT string_agg(DISTINCT r.ev_class::regclass::text, ', ') INTO in_the_way
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
   WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = new_table::regclass AND r.ev_class <> d.refobjid;
  IF in_the_way IS NOT NULL THEN
    RAISE EXCEPTION '% is read by the view %, which would keep reading the old table', new_table, in_the_way
      USING HINT = 'Drop the view, migrate, and create it again.', ERRCODE = 'dependent_objects_still_exist';
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %s)', new_table) INTO has_rows;
  cut := substring((SELECT pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint c
    WHERE c.conname = 'before_partitions' AND c.conrelid = new_table::regclass) FROM '''([^'']+)''');
  IF has_rows AND cut IS NULL THEN
    -- The first rows came since the table was looked at: few, so looking through them is nothing.
    PERFORM pg_temp.bound_rows(name);
    PERFORM pg_temp.look_through(name);
    cut := substring((SELECT pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint c
      WHERE c.conname = 'before_partitions' AND c.conrelid = new_table::regclass) FROM '''([^'']+)''');
  END IF;

  SELECT array_agg(pg_get_triggerdef(t.oid)) INTO triggers FROM pg_catalog.pg_trigger t
   WHERE t.tgrelid = new_table::regclass AND NOT t.tgisinternal;
  SELECT array_agg(format('ADD CONSTRAINT %I %s', c.conname, pg_get_constraintdef(c.oid))) INTO keys
    FROM pg_catalog.pg_constraint c WHERE c.conrelid = new_table::regclass AND c.contype IN ('p', 'u', 'f');
  SELECT array_agg(pg_get_indexdef(i.indexrelid)) INTO indexes FROM pg_catalog.pg_index i
   WHERE i.indrelid = new_table::regclass
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid);
  FOR one IN SELECT t.tgname FROM pg_catalog.pg_trigger t
              WHERE t.tgrelid = new_table::regclass AND NOT t.tgisinternal LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', one, new_table);
  END LOOP;

  EXECUTE format('ALTER TABLE %s RENAME TO %I', new_table, name || '_old');
  EXECUTE format('ALTER TABLE public.%I SET SCHEMA series', name || '_old');
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS
                    INCLUDING STATISTICS INCLUDING STORAGE) PARTITION BY RANGE (time)', new_table, old_table);
  EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS before_partitions', new_table);
  FOREACH one IN ARRAY coalesce(keys, '{}') LOOP
    EXECUTE format('ALTER TABLE %s %s', new_table, one);
  END LOOP;
  FOREACH one IN ARRAY coalesce(indexes, '{}') LOOP
    EXECUTE one;
  END LOOP;
  PERFORM pg_temp.copy_rights(old_table::regclass, new_table::regclass);
  EXECUTE format('ALTER TABLE %s OWNER TO %I', new_table,
                 (SELECT pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c WHERE c.oid = old_table::regclass));

  IF has_rows THEN
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (MINVALUE) TO (%L)', new_table, old_table,
                   cut);
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT before_partitions', old_table);
  ELSE
    EXECUTE format('DROP TABLE %s', old_table);
  END IF;
  EXECUTE format('CREATE TABLE series.%I PARTITION OF %s DEFAULT', name || '_rest', new_table);
  EXECUTE format('COMMENT ON TABLE series.%I IS %L', name || '_rest',
                 format('Of %s, what no other partition takes: nothing that is written is lost.', name));
  FOREACH one IN ARRAY coalesce(triggers, '{}') LOOP
    EXECUTE one;
  END LOOP;
END $$;

DO $$ BEGIN PERFORM pg_temp.bound_rows('market_data'); END $$;
DO $$ BEGIN PERFORM pg_temp.look_through('market_data'); END $$;
DO $$ BEGIN PERFORM pg_temp.cut_by_month('market_data'); END $$;
DO $$ BEGIN PERFORM pg_temp.bound_rows('price_history'); END $$;
DO $$ BEGIN PERFORM pg_temp.look_through('price_history'); END $$;
DO $$
BEGIN
  PERFORM pg_temp.cut_by_month('price_history');
  IF (SELECT s.storage = 'partitions' FROM engine.time_series s) THEN
    PERFORM engine.watch_prices();
  END IF;
END $$;
DO $$ BEGIN PERFORM pg_temp.bound_rows('market_sentiment'); END $$;
DO $$ BEGIN PERFORM pg_temp.look_through('market_sentiment'); END $$;
DO $$ BEGIN PERFORM pg_temp.cut_by_month('market_sentiment'); END $$;

-- From a table to a hypertable -------------------------------------------------------------------------------
-- It stays the same table, with all it had. Rows that are there already are moved into chunks meanwhile under an
-- exclusive lock: TimescaleDB knows no other way.
CREATE OR REPLACE FUNCTION pg_temp.cut_into_chunks(name text, width interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  home text := (SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e
                  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb');
  kind text := (SELECT s.storage FROM engine.time_series s);
  is_one boolean;
BEGIN
  IF kind = 'partitions' THEN
    RETURN;
  END IF;
  EXECUTE 'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables h
             WHERE h.hypertable_schema = ''public'' AND h.hypertable_name = $1)' INTO is_one USING name;
  IF is_one THEN
    RETURN;
  END IF;
  EXECUTE format('SELECT %s.create_hypertable(%L::regclass, ''time'', chunk_time_interval => %L::interval,
                    create_default_indexes => false, migrate_data => true)', home, 'public.' || name, width);
  IF kind = 'compressed_hypertables' THEN
    EXECUTE format('ALTER TABLE public.%I SET (timescaledb.compress, timescaledb.compress_segmentby = ''symbol'',
                      timescaledb.compress_orderby = ''time DESC'')', name);
  END IF;
END $$;
DO $$ BEGIN PERFORM pg_temp.cut_into_chunks('market_data', '7 days'); END $$;
DO $$ BEGIN PERFORM pg_temp.cut_into_chunks('price_history', '7 days'); END $$;
DO $$ BEGIN PERFORM pg_temp.cut_into_chunks('market_sentiment', '30 days'); END $$;

-- Who owns and may -------------------------------------------------------------------------------------------
-- Partitions are read and written through their table, whose rights count; the backup reads them one by one.
DO $$
DECLARE
  one text;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_owner')
     AND pg_catalog.pg_has_role('oneclick_owner', 'MEMBER') THEN
    GRANT USAGE, CREATE ON SCHEMA series TO oneclick_owner;
    ALTER TABLE engine.time_series OWNER TO oneclick_owner;
    ALTER FUNCTION engine.partitions() OWNER TO oneclick_owner;
    ALTER FUNCTION engine.missing_partitions(timestamptz, integer) OWNER TO oneclick_owner;
    ALTER FUNCTION engine.make_partition(regclass, timestamptz) OWNER TO oneclick_owner;
    ALTER FUNCTION engine.keep_partitions(timestamptz, integer) OWNER TO oneclick_owner;
    FOR one IN SELECT c.oid::regclass FROM pg_catalog.pg_class c
                WHERE c.relnamespace = 'series'::regnamespace AND c.relkind = 'r' LOOP
      EXECUTE format('ALTER TABLE %s OWNER TO oneclick_owner', one);
    END LOOP;
    IF pg_catalog.pg_has_role((SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'series'),
                              'MEMBER') THEN
      ALTER SCHEMA series OWNER TO oneclick_owner;
    END IF;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_backup') THEN
    GRANT USAGE ON SCHEMA series TO oneclick_backup;
    GRANT SELECT ON ALL TABLES IN SCHEMA series TO oneclick_backup;
    FOR one IN SELECT current_user UNION SELECT r.rolname FROM pg_catalog.pg_roles r
                WHERE r.rolname = 'oneclick_owner' AND pg_catalog.pg_has_role(r.rolname, 'MEMBER') LOOP
      EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA series GRANT SELECT ON TABLES TO oneclick_backup',
                     one);
    END LOOP;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    GRANT EXECUTE ON FUNCTION engine.keep_partitions(timestamptz, integer) TO oneclick_engine;
    GRANT SELECT ON engine.time_series TO oneclick_engine;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_readonly') THEN
    GRANT SELECT ON engine.time_series TO oneclick_readonly;
  END IF;
END $$;

SELECT engine.keep_partitions();
