-- What carries notifications to the platform's services for e-mail, push and text messages. Off until somebody
-- delivers; then the triggers queue what is written, and `oneclick notify` posts it and forgets it.

CREATE TABLE engine.notification_hook (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  following boolean NOT NULL DEFAULT false,
  delivered bigint NOT NULL DEFAULT 0
);
INSERT INTO engine.notification_hook DEFAULT VALUES;
COMMENT ON TABLE engine.notification_hook IS 'One row: whether notifications are carried out of the database.';
COMMENT ON COLUMN engine.notification_hook.is_only IS 'There is one row.';
COMMENT ON COLUMN engine.notification_hook.following IS 'Whether what is written is queued.';
COMMENT ON COLUMN engine.notification_hook.delivered IS 'Notifications that the receiver took since following began.';

-- No foreign key: it is written with every notification, and what was removed meanwhile is found by the reader.
CREATE TABLE engine.notification_deliveries (
  notification_id uuid PRIMARY KEY,
  attempts integer NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL DEFAULT now(),
  queued_at timestamptz NOT NULL DEFAULT now(),
  last_error text
);
CREATE INDEX notification_deliveries_due_at_idx ON engine.notification_deliveries (due_at);
COMMENT ON TABLE engine.notification_deliveries IS 'Notifications that the receiver has not taken yet.';
COMMENT ON COLUMN engine.notification_deliveries.notification_id IS 'Which.';
COMMENT ON COLUMN engine.notification_deliveries.attempts IS 'How often it was sent and not taken.';
COMMENT ON COLUMN engine.notification_deliveries.due_at IS 'When it is sent (again).';
COMMENT ON COLUMN engine.notification_deliveries.queued_at IS 'When it was written.';
COMMENT ON COLUMN engine.notification_deliveries.last_error IS 'Why it was not taken the last time.';

CREATE TABLE engine.notification_dead_letters (
  notification_id uuid PRIMARY KEY REFERENCES public.notifications (id) ON DELETE CASCADE,
  attempts integer NOT NULL,
  last_error text NOT NULL,
  queued_at timestamptz NOT NULL,
  died_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE engine.notification_dead_letters IS
  'Notifications that are not sent any more, until `oneclick notify --retry-dead`.';
COMMENT ON COLUMN engine.notification_dead_letters.notification_id IS 'Which.';
COMMENT ON COLUMN engine.notification_dead_letters.attempts IS 'How often it was sent.';
COMMENT ON COLUMN engine.notification_dead_letters.last_error IS 'Why it was not taken the last time.';
COMMENT ON COLUMN engine.notification_dead_letters.queued_at IS 'When it was written.';
COMMENT ON COLUMN engine.notification_dead_letters.died_at IS 'When it was given up.';

CREATE FUNCTION engine.queue_notifications() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (SELECT h.following FROM engine.notification_hook h) THEN
    INSERT INTO engine.notification_deliveries (notification_id) SELECT n.id FROM inserted n
      ON CONFLICT (notification_id) DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.queue_notifications() IS 'Queues notifications for the receiver.';
CREATE TRIGGER notifications_queue AFTER INSERT ON public.notifications
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.queue_notifications();

-- Begins, from what is written from now on, or ends and forgets what was not delivered. Dead letters stay.
CREATE FUNCTION engine.hook_follow(follow boolean) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM engine.notification_deliveries WHERE NOT follow;
  UPDATE engine.notification_hook h SET following = follow, delivered = 0 WHERE h.following <> follow
$$;
COMMENT ON FUNCTION engine.hook_follow(boolean) IS 'Begins or ends carrying notifications out.';

-- What is due, but for those that are under way. What nobody wrote with ways gets them as its user wants now; no
-- ways: the user wants none of it.
CREATE FUNCTION engine.hook_next(most integer, busy uuid[])
RETURNS TABLE (id uuid, attempts integer, body text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ids uuid[] := ARRAY(SELECT d.notification_id FROM engine.notification_deliveries d
                       WHERE d.due_at <= clock_timestamp() AND d.notification_id <> ALL (busy)
                       ORDER BY d.due_at LIMIT most);
BEGIN
  DELETE FROM engine.notification_deliveries d WHERE d.notification_id = ANY (ids)
     AND NOT EXISTS (SELECT FROM public.notifications n WHERE n.id = d.notification_id);
  RETURN QUERY
    SELECT n.id, d.attempts, jsonb_build_object('id', n.id, 'user_id', n.user_id, 'type', n.type,
             'topic', coalesce(n.data ->> 'topic', n.type::text), 'title', n.title, 'message', n.message,
             'data', coalesce(n.data, '{}'), 'priority', coalesce(n.priority, 'normal'),
             'channels', coalesce(n.delivery_method, w.ways, '[]'),
             'created_at', to_char(n.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
      FROM engine.notification_deliveries d JOIN public.notifications n ON n.id = d.notification_id
      LEFT JOIN LATERAL engine.wanted_ways(n.user_id, n.type::text, n.data ->> 'topic') AS w ON true
     WHERE d.notification_id = ANY (ids) ORDER BY d.due_at;
END $$;
COMMENT ON FUNCTION engine.hook_next(integer, uuid[]) IS 'Notifications to be sent now.';

-- What became of them: taken; not taken and sent again after a pause in seconds; given up, where pause is null.
CREATE FUNCTION engine.hook_settle(results jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  taken bigint;
BEGIN
  WITH settled AS (
    DELETE FROM engine.notification_deliveries d
     USING jsonb_to_recordset(results) AS r (id uuid, error text)
     WHERE d.notification_id = r.id AND r.error IS NULL RETURNING 1)
  SELECT count(*) INTO taken FROM settled;
  UPDATE engine.notification_deliveries d SET attempts = d.attempts + 1, last_error = r.error,
         due_at = clock_timestamp() + r.pause * interval '1 second'
    FROM jsonb_to_recordset(results) AS r (id uuid, error text, pause double precision)
   WHERE d.notification_id = r.id AND r.error IS NOT NULL AND r.pause IS NOT NULL;
  WITH given_up AS (
    DELETE FROM engine.notification_deliveries d
     USING jsonb_to_recordset(results) AS r (id uuid, error text, pause double precision)
     WHERE d.notification_id = r.id AND r.error IS NOT NULL AND r.pause IS NULL
    RETURNING d.notification_id, d.attempts + 1 AS attempts, r.error, d.queued_at)
  INSERT INTO engine.notification_dead_letters (notification_id, attempts, last_error, queued_at)
    SELECT g.notification_id, g.attempts, g.error, g.queued_at FROM given_up g
     WHERE EXISTS (SELECT FROM public.notifications n WHERE n.id = g.notification_id)
    ON CONFLICT (notification_id) DO UPDATE SET attempts = excluded.attempts, last_error = excluded.last_error,
      died_at = now();
  UPDATE engine.notification_hook h SET delivered = h.delivered + taken WHERE taken > 0;
END $$;
COMMENT ON FUNCTION engine.hook_settle(jsonb) IS 'Notes what became of notifications that were sent.';

-- The receiver is back: what waits for its next attempt need not wait long. Not all at one moment.
CREATE FUNCTION engine.hook_hasten() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  UPDATE engine.notification_deliveries d SET due_at = clock_timestamp() + random() * interval '5 seconds'
   WHERE d.due_at > clock_timestamp() + interval '5 seconds'
$$;
COMMENT ON FUNCTION engine.hook_hasten() IS 'Sends soon what waits for its next attempt.';

CREATE FUNCTION engine.hook_retry_dead() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  moved bigint;
BEGIN
  WITH back AS (DELETE FROM engine.notification_dead_letters d RETURNING d.notification_id, d.queued_at)
  INSERT INTO engine.notification_deliveries (notification_id, queued_at)
    SELECT b.notification_id, b.queued_at FROM back b ON CONFLICT (notification_id) DO NOTHING;
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END $$;
COMMENT ON FUNCTION engine.hook_retry_dead() IS 'Queues dead letters again; says how many.';

CREATE FUNCTION engine.hook_counts(OUT pending bigint, OUT oldest_seconds double precision, OUT dead bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*), coalesce(date_part('epoch', clock_timestamp() - min(d.queued_at)), 0),
         (SELECT count(*) FROM engine.notification_dead_letters)
    FROM engine.notification_deliveries d
$$;
COMMENT ON FUNCTION engine.hook_counts() IS 'How many notifications wait, for how long, and how many were given up.';

REVOKE ALL ON FUNCTION engine.queue_notifications(), engine.hook_follow(boolean), engine.hook_next(integer, uuid[]),
  engine.hook_settle(jsonb), engine.hook_hasten(), engine.hook_retry_dead(), engine.hook_counts() FROM public;

-- The role of `oneclick notify`: these functions, and no table of anybody.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_notify') THEN
    BEGIN
      CREATE ROLE oneclick_notify NOLOGIN;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
      WHEN insufficient_privilege THEN
        RAISE NOTICE 'no right to create role oneclick_notify: grants skipped, see schema/README.md';
        RETURN;
    END;
  END IF;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO oneclick_notify', current_database());
  GRANT USAGE ON SCHEMA engine TO oneclick_notify;
  GRANT EXECUTE ON FUNCTION engine.hook_follow(boolean), engine.hook_next(integer, uuid[]),
    engine.hook_settle(jsonb), engine.hook_hasten(), engine.hook_retry_dead(), engine.hook_counts()
    TO oneclick_notify;
END $$;
DO $$
DECLARE
  given text;
BEGIN
  FOREACH given IN ARRAY ARRAY['oneclick_engine', 'oneclick_readonly', 'oneclick_backup'] LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = given) THEN
      EXECUTE format('GRANT SELECT ON engine.notification_hook, engine.notification_deliveries,
        engine.notification_dead_letters TO %I', given);
    END IF;
  END LOOP;
END $$;
