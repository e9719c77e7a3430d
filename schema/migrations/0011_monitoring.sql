-- What the Prometheus exporter reads (configs/postgres/queries.yaml): statements, and how far the engine has come.
-- The exporter's login role is a member of oneclick_monitor, which sees counts and times, and no row of anybody.

-- Where the extension is installed and this role may create it. Its figures come once the server loads it
-- (configs/postgres/oneclick.conf); until then there are none, and that is no error.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements') THEN
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA engine;
  ELSE
    RAISE NOTICE 'pg_stat_statements is not installed: no figures on statements';
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'no right to create extension pg_stat_statements: an administrator may';
END $$;

-- The statements that took most of the server's time in this database; empty where nothing counts them. Whose
-- rights count: another's statements are seen by members of pg_monitor.
CREATE FUNCTION engine.monitor_statements(OUT query_id text, OUT calls bigint, OUT seconds double precision,
  OUT rows_returned bigint) RETURNS SETOF record LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  home text;
BEGIN
  SELECT n.nspname INTO home FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
   WHERE e.extname = 'pg_stat_statements';
  IF home IS NULL OR current_setting('shared_preload_libraries') NOT LIKE '%pg_stat_statements%' THEN
    RETURN;
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT s.queryid::text, sum(s.calls)::bigint, sum(s.total_exec_time) / 1000, sum(s.rows)::bigint
       FROM %I.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
      WHERE d.datname = current_database() AND s.queryid IS NOT NULL
      GROUP BY s.queryid ORDER BY sum(s.total_exec_time) DESC LIMIT 20', home);
END $$;

-- The journal's position that each shard's sink has committed, of the journal it uses now.
CREATE FUNCTION engine.monitor_sink(OUT shard text, OUT "position" bigint, OUT idle_seconds double precision)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT ON (o.shard) o.shard::text, o."position",
         greatest(extract(epoch FROM now() - o.updated_at), 0)::double precision
    FROM engine.sink_offsets o ORDER BY o.shard, o.updated_at DESC
$$;

-- Rows set aside; the change log's slowest reader; what is not sealed, and what was signed last.
CREATE FUNCTION engine.monitor_engine(OUT sink_rejects bigint, OUT change_log_rows bigint,
  OUT change_log_oldest_seconds double precision, OUT audit_unsealed_rows bigint,
  OUT audit_unsealed_seconds double precision, OUT audit_checkpoint_age_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT (SELECT count(*) FROM engine.sink_rejects),
         (SELECT count(*) FROM (SELECT FROM engine.change_log LIMIT 1000000) l),
         coalesce((SELECT greatest(extract(epoch FROM clock_timestamp() - l.created_at), 0)
                     FROM engine.change_log l ORDER BY l.xid, l.id LIMIT 1), 0)::double precision,
         u.unsealed, u.unsealed_seconds,
         (SELECT extract(epoch FROM now() - max(k.made_at)) FROM engine.audit_checkpoints k)::double precision
    FROM engine.audit_unsealed() u
$$;

REVOKE EXECUTE ON FUNCTION engine.monitor_statements(), engine.monitor_sink(), engine.monitor_engine() FROM PUBLIC;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_monitor') THEN
    CREATE ROLE oneclick_monitor NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'no right to create role oneclick_monitor: its grants are skipped, see schema/README.md';
END $$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_monitor') THEN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO oneclick_monitor', current_database());
    GRANT USAGE ON SCHEMA engine TO oneclick_monitor;
    GRANT EXECUTE ON FUNCTION engine.monitor_statements(), engine.monitor_sink(), engine.monitor_engine()
      TO oneclick_monitor;
    IF NOT pg_catalog.pg_has_role('oneclick_monitor', 'pg_monitor', 'MEMBER') THEN
      GRANT pg_monitor TO oneclick_monitor;
    END IF;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'no right to grant pg_monitor to oneclick_monitor: an administrator may';
END $$;
