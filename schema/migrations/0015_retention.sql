-- oneclick: no transaction
-- Retention: what goes after its time, a bounded number of rows per transaction, and the whole job in SQL for
-- servers where pg_cron runs it. `oneclick maintain` calls the same functions one by one (engine/app/retention.cpp).
-- Trades and their history have no time: no function here names them. Every statement is right a second time.

-- A cleaner reads from the oldest row on. (user_sessions has an index on created_at already.)
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_sessions_expires_at_idx ON public.user_sessions (expires_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS notifications_created_at_idx ON public.notifications (created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS system_logs_created_at_idx ON public.system_logs (created_at);

-- What the change log keeps is what some reader has still to see. Without readers there is nobody to keep it for:
-- whoever comes new reads the tables themselves first.
CREATE OR REPLACE FUNCTION engine.change_log_read_below() RETURNS xid8 LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce((SELECT c.xid FROM engine.change_cursors c ORDER BY c.xid LIMIT 1),
                  pg_snapshot_xmin(pg_current_snapshot()))
$$;

-- How many rows would go, and when the oldest of them was made. A row without a time cannot be judged and stays.
CREATE OR REPLACE FUNCTION engine.retention_due(what text, before timestamp, OUT due bigint, OUT oldest timestamp)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  CASE what
  WHEN 'user_sessions' THEN
    SELECT count(*), min(s.created_at) INTO due, oldest FROM public.user_sessions s
     WHERE s.expires_at <= now() AT TIME ZONE 'UTC' OR s.created_at < before;
  WHEN 'notifications' THEN
    SELECT count(*), min(n.created_at) INTO due, oldest FROM public.notifications n WHERE n.created_at < before;
  WHEN 'system_logs' THEN
    SELECT count(*), min(l.created_at) INTO due, oldest FROM public.system_logs l WHERE l.created_at < before;
  WHEN 'change_log' THEN
    SELECT count(*), min(c.created_at) AT TIME ZONE 'UTC' INTO due, oldest FROM engine.change_log c
     WHERE c.xid < engine.change_log_read_below();
  ELSE
    RAISE EXCEPTION 'no rule removes rows of %', what USING ERRCODE = 'invalid_parameter_value';
  END CASE;
END $$;

-- Removes at most rows_max of them and says how many. Rows that somebody holds are passed over: the next run has
-- them.
CREATE OR REPLACE FUNCTION engine.retention_remove(what text, before timestamp, rows_max integer DEFAULT 5000)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  removed bigint;
  more bigint;
BEGIN
  CASE what
  WHEN 'user_sessions' THEN
    -- Two statements, so that each has its index.
    DELETE FROM public.user_sessions s WHERE s.id = ANY (ARRAY(
      SELECT d.id FROM public.user_sessions d WHERE d.expires_at <= now() AT TIME ZONE 'UTC'
       ORDER BY d.expires_at LIMIT rows_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM public.user_sessions s WHERE s.id = ANY (ARRAY(
      SELECT d.id FROM public.user_sessions d WHERE d.created_at < before
       ORDER BY d.created_at LIMIT rows_max - removed FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN removed + more;
  WHEN 'notifications' THEN
    DELETE FROM public.notifications n WHERE n.id = ANY (ARRAY(
      SELECT d.id FROM public.notifications d WHERE d.created_at < before
       ORDER BY d.created_at LIMIT rows_max FOR UPDATE SKIP LOCKED));
  WHEN 'system_logs' THEN
    DELETE FROM public.system_logs l WHERE l.id = ANY (ARRAY(
      SELECT d.id FROM public.system_logs d WHERE d.created_at < before
       ORDER BY d.created_at LIMIT rows_max FOR UPDATE SKIP LOCKED));
  WHEN 'change_log' THEN
    DELETE FROM engine.change_log c WHERE c.id = ANY (ARRAY(
      SELECT d.id FROM engine.change_log d WHERE d.xid < engine.change_log_read_below()
       ORDER BY d.xid, d.id LIMIT rows_max FOR UPDATE SKIP LOCKED));
  ELSE
    RAISE EXCEPTION 'no rule removes rows of %', what USING ERRCODE = 'invalid_parameter_value';
  END CASE;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;

-- The day from which roll-ups must go on so that nothing is lost with the sessions: the latest one rolled up,
-- which had not ended then; before the first time that of the oldest session.
CREATE OR REPLACE FUNCTION engine.roll_up_from() RETURNS date LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT least((now() AT TIME ZONE 'UTC')::date, coalesce((SELECT max(d.day) FROM engine.rolled_up_days d),
    (SELECT min(s.created_at)::date FROM public.user_sessions s), (now() AT TIME ZONE 'UTC')::date))
$$;

-- One job at a time in a database, whoever runs it. Held by the session, so that it ends with it.
CREATE OR REPLACE FUNCTION engine.try_maintenance() RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_try_advisory_lock(hashtextextended('oneclick maintain', 0))
$$;
CREATE OR REPLACE FUNCTION engine.end_maintenance() RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_advisory_unlock(hashtextextended('oneclick maintain', 0))
$$;
