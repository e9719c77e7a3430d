-- The nightly job in SQL, for servers where pg_cron runs it. It does what `oneclick maintain` does but for the audit
-- archive: where that is cut is signed with a master key, which the database never sees.

-- One transaction per batch, so it cannot be called inside one. Roll-ups read sessions and come before they go; both
-- come last, so that a day that cannot be rolled up holds nothing else up.
CREATE PROCEDURE engine.maintain(user_sessions_days integer DEFAULT 30, notifications_days integer DEFAULT 365,
  system_logs_days integer DEFAULT 90, market_data_years integer DEFAULT 5, batch_rows integer DEFAULT 5000)
LANGUAGE plpgsql AS $$
DECLARE
  today timestamp := now() AT TIME ZONE 'UTC';
BEGIN
  IF least(user_sessions_days, notifications_days, system_logs_days, market_data_years, batch_rows) < 1
     OR num_nulls(user_sessions_days, notifications_days, system_logs_days, market_data_years, batch_rows) > 0 THEN
    RAISE EXCEPTION 'maintain: periods and batch_rows must be at least 1' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM set_config('timezone', 'UTC', false), set_config('lock_timeout', '10s', false);
  IF NOT engine.try_maintenance() THEN
    RAISE NOTICE 'another run is at it';
    RETURN;
  END IF;
  LOOP
    EXIT WHEN engine.expire_subscriptions(batch => batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.expire_signals(batch => batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.retention_remove('notifications', today - make_interval(days => notifications_days),
                                      batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.retention_remove('system_logs', today - make_interval(days => system_logs_days), batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.retention_remove('change_log', NULL, batch_rows) = 0;
    COMMIT;
  END LOOP;
  CALL engine.aggregate_market_data();
  PERFORM engine.drop_market_data(date_trunc('month', today - make_interval(years => market_data_years)));
  COMMIT;
  CALL engine.keep_time_series();
  CALL engine.roll_up(engine.roll_up_from(), today::date);
  LOOP
    EXIT WHEN engine.retention_remove('user_sessions', today - make_interval(days => user_sessions_days),
                                      batch_rows) = 0;
    COMMIT;
  END LOOP;
  PERFORM engine.end_maintenance();
END $$;
COMMENT ON PROCEDURE engine.maintain(integer, integer, integer, integer, integer) IS
  'What goes after its time, months, days and partitions, as oneclick maintain does it; not the audit archive.';

-- Has pg_cron call it each night, as the role that says so; said again, the time is another one. The extension has
-- its jobs in the database that cron.database_name names.
CREATE FUNCTION engine.schedule_maintenance(at_time text DEFAULT '17 3 * * *') RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  job bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_cron') THEN
    RAISE EXCEPTION 'pg_cron is not in this database' USING ERRCODE = 'undefined_object',
      HINT = 'shared_preload_libraries and cron.database_name, then CREATE EXTENSION pg_cron; or the systemd timer.';
  END IF;
  EXECUTE 'SELECT cron.schedule(''oneclick maintain'', $1, ''CALL engine.maintain()'')' INTO job USING at_time;
  RETURN job;
END $$;
COMMENT ON FUNCTION engine.schedule_maintenance(text) IS 'Has pg_cron call engine.maintain().';
REVOKE EXECUTE ON PROCEDURE engine.maintain(integer, integer, integer, integer, integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION engine.schedule_maintenance(text) FROM PUBLIC;

-- Where the server runs pg_cron for this database, at once.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE s.name = 'cron.database_name'
              AND s.setting = current_database()) THEN
    CREATE EXTENSION IF NOT EXISTS pg_cron;
    PERFORM engine.schedule_maintenance();
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'pg_cron is there and % may not use it: an administrator calls engine.schedule_maintenance()',
    current_user;
END $$;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_owner')
     AND pg_catalog.pg_has_role('oneclick_owner', 'MEMBER') THEN
    ALTER PROCEDURE engine.maintain(integer, integer, integer, integer, integer) OWNER TO oneclick_owner;
    ALTER FUNCTION engine.schedule_maintenance(text) OWNER TO oneclick_owner;
  END IF;
END $$;
