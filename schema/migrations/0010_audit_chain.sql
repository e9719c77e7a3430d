-- oneclick: no transaction
-- The chain that shows whether somebody altered, removed, inserted or re-ordered rows of audit_logs and
-- security_events. A row is queued with its hash in the transaction that writes it; one sealer takes what is
-- committed from the queue and chains it: hash = SHA-256(previous hash | position | row id | row's hash). The
-- same is computed by `oneclick maintain --verify-audit` from the rows alone (persistence/audit.cpp).
--
-- Nothing is missed whatever commits first, since rows leave the queue only when sealed; no cursor over ids or
-- transaction ids is needed, and a long transaction elsewhere holds nothing up.

-- A user whom security events name stays, as with audit_logs: SET NULL would change sealed rows.
ALTER TABLE public.security_events
  DROP CONSTRAINT IF EXISTS security_events_user_id_fkey,
  ADD CONSTRAINT security_events_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users (id) NOT VALID;
ALTER TABLE public.security_events VALIDATE CONSTRAINT security_events_user_id_fkey;

-- Nothing wrote here before now, so there is nothing to keep.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'engine.audit_chain'::regclass
                 AND attname = 'source') THEN
    DELETE FROM engine.audit_chain;
    ALTER TABLE engine.audit_chain RENAME COLUMN audit_log_id TO row_id;
    ALTER TABLE engine.audit_chain
      DROP CONSTRAINT audit_chain_pkey,
      DROP CONSTRAINT audit_chain_audit_log_id_key,
      ADD COLUMN source text NOT NULL,
      ADD COLUMN row_hash bytea NOT NULL,
      ADD COLUMN row_created_at timestamptz,
      ADD PRIMARY KEY (source, seq);
    -- Not unique: a row removed and written again must not stop the sealer; verification tells.
    CREATE INDEX audit_chain_row_id_idx ON engine.audit_chain (row_id);
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS engine.audit_queue (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  row_id uuid NOT NULL,
  row_created_at timestamptz,
  row_hash bytea NOT NULL,
  queued_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS engine.audit_heads (
  source text PRIMARY KEY,
  seq bigint NOT NULL,          -- 0: nothing sealed yet
  hash bytea NOT NULL,
  sealed_at timestamptz
);
INSERT INTO engine.audit_heads (source, seq, hash)
SELECT s, 0, decode(repeat('00', 32), 'hex') FROM unnest(ARRAY['audit_logs', 'security_events']) AS s
ON CONFLICT DO NOTHING;

-- Signed outside, under a key that the database never sees: the chain of `source` had this hash at this
-- position. With created_before, retention: audit rows up to it may leave for the archive.
CREATE TABLE IF NOT EXISTS engine.audit_checkpoints (
  source text NOT NULL,
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  created_before timestamptz,
  made_at timestamptz NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  PRIMARY KEY (source, seq)
);

-- Old audit rows, many to a row, so that TOAST compresses what they have in common. `entries` is an array with,
-- per audit row in the chain's order, an array: position, id, hash in hex, then the columns as the chain hashes
-- them.
CREATE TABLE IF NOT EXISTS engine.audit_archive (
  first_seq bigint PRIMARY KEY,
  last_seq bigint NOT NULL,
  row_count integer NOT NULL,
  first_created_at timestamptz,
  last_created_at timestamptz,
  entries jsonb NOT NULL,
  archived_at timestamptz NOT NULL DEFAULT now(),
  CHECK (last_seq - first_seq + 1 = row_count)
);
DO $$
BEGIN
  ALTER TABLE engine.audit_archive ALTER COLUMN entries SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value OR syntax_error THEN
  RAISE NOTICE 'this server has no lz4: the audit archive is compressed by pglz';
END $$;

-- What the chain hashes: each column as text that depends on no setting, its length in bytes before it, so that
-- nothing can be moved from one column to the next.
CREATE OR REPLACE FUNCTION engine.audit_fields(r public.audit_logs) RETURNS text[] LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY[r.id::text, r.user_id::text, r.action::text, r.resource_type::text, r.resource_id::text,
    r.old_values::text, r.new_values::text, r.ip_address::text, r.user_agent,
    to_char(r.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US')]
$$;

-- `resolved` and `resolved_at` are left out: they are there to be changed.
CREATE OR REPLACE FUNCTION engine.audit_fields(r public.security_events) RETURNS text[] LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY[r.id::text, r.user_id::text, r.event_type::text, r.severity::text, r.description,
    r.ip_address::text, r.location::text, to_char(r.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US')]
$$;

CREATE OR REPLACE FUNCTION engine.audit_row_hash(source text, fields text[]) RETURNS bytea LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT sha256(convert_to(source || ',' || string_agg(
           coalesce(octet_length(convert_to(f, 'UTF8'))::text || ':' || f, '-') || ',', '' ORDER BY n), 'UTF8'))
    FROM unnest(fields) WITH ORDINALITY AS u (f, n)
$$;

CREATE OR REPLACE FUNCTION engine.audit_link_hash(previous bytea, seq bigint, row_id uuid, row_hash bytea)
RETURNS bytea LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT sha256(previous || int8send(seq) || uuid_send(row_id) || row_hash)
$$;

-- SECURITY DEFINER: whoever may write audit rows need not be able to write here.
CREATE OR REPLACE FUNCTION engine.queue_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'audit_logs' THEN
    INSERT INTO engine.audit_queue (source, row_id, row_created_at, row_hash)
    SELECT 'audit_logs', r.id, r.created_at AT TIME ZONE 'UTC',
           engine.audit_row_hash('audit_logs', engine.audit_fields(ROW(r.*)::public.audit_logs))
      FROM new_rows r;
  ELSE
    INSERT INTO engine.audit_queue (source, row_id, row_created_at, row_hash)
    SELECT 'security_events', r.id, r.created_at AT TIME ZONE 'UTC',
           engine.audit_row_hash('security_events', engine.audit_fields(ROW(r.*)::public.security_events))
      FROM new_rows r;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER oneclick_audit AFTER INSERT ON public.audit_logs
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION engine.queue_audit();
CREATE OR REPLACE TRIGGER oneclick_audit AFTER INSERT ON public.security_events
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION engine.queue_audit();

-- The rows there were before, once.
INSERT INTO engine.audit_queue (source, row_id, row_created_at, row_hash)
SELECT 'audit_logs', a.id, a.created_at AT TIME ZONE 'UTC', engine.audit_row_hash('audit_logs', engine.audit_fields(a))
  FROM public.audit_logs a
 WHERE NOT EXISTS (SELECT FROM engine.audit_chain c WHERE c.row_id = a.id AND c.source = 'audit_logs')
   AND NOT EXISTS (SELECT FROM engine.audit_queue q WHERE q.row_id = a.id AND q.source = 'audit_logs')
 ORDER BY a.created_at, a.id;
INSERT INTO engine.audit_queue (source, row_id, row_created_at, row_hash)
SELECT 'security_events', s.id, s.created_at AT TIME ZONE 'UTC',
       engine.audit_row_hash('security_events', engine.audit_fields(s))
  FROM public.security_events s
 WHERE NOT EXISTS (SELECT FROM engine.audit_chain c WHERE c.row_id = s.id AND c.source = 'security_events')
   AND NOT EXISTS (SELECT FROM engine.audit_queue q WHERE q.row_id = s.id AND q.source = 'security_events')
 ORDER BY s.created_at, s.id;

-- How much is written and not yet sealed. The count stops at a million.
CREATE OR REPLACE FUNCTION engine.audit_unsealed(OUT unsealed bigint, OUT unsealed_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT (SELECT count(*) FROM (SELECT FROM engine.audit_queue LIMIT 1000000) q),
         coalesce((SELECT greatest(extract(epoch FROM clock_timestamp() - q.queued_at), 0)
                     FROM engine.audit_queue q ORDER BY q.id LIMIT 1), 0)::double precision
$$;

-- Chains up to rows_max rows and says what is left. Whoever comes while another seals does nothing.
CREATE OR REPLACE FUNCTION engine.seal_audit(rows_max integer DEFAULT 1000, OUT sealed bigint,
  OUT unsealed bigint, OUT unsealed_seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  heads jsonb;
  head engine.audit_heads;
  waiting engine.audit_queue;
  previous bytea;
  taken bigint[] := '{}';
BEGIN
  sealed := 0;
  IF pg_try_advisory_xact_lock(322604777617520866) THEN
    FOR head IN SELECT * FROM engine.audit_heads ORDER BY source LOOP
      taken := '{}';
      FOR waiting IN SELECT * FROM engine.audit_queue q WHERE q.source = head.source
                      ORDER BY q.id LIMIT rows_max - sealed LOOP
        previous := head.hash;
        head.seq := head.seq + 1;
        head.hash := engine.audit_link_hash(previous, head.seq, waiting.row_id, waiting.row_hash);
        INSERT INTO engine.audit_chain (source, seq, row_id, row_created_at, row_hash, previous_hash, hash)
        VALUES (head.source, head.seq, waiting.row_id, waiting.row_created_at, waiting.row_hash, previous,
                head.hash);
        taken := taken || waiting.id;
      END LOOP;
      IF taken <> '{}' THEN
        UPDATE engine.audit_heads h SET seq = head.seq, hash = head.hash, sealed_at = clock_timestamp()
         WHERE h.source = head.source;
        DELETE FROM engine.audit_queue q WHERE q.id = ANY (taken);
        sealed := sealed + cardinality(taken);
      END IF;
    END LOOP;
  END IF;
  SELECT u.unsealed, u.unsealed_seconds INTO unsealed, unsealed_seconds FROM engine.audit_unsealed() u;
END $$;

-- The last position of the chain of audit_logs before which every row was created before that time: a chain
-- can be cut in one place only, so a row that was sealed late waits for the rows sealed before it.
CREATE OR REPLACE FUNCTION engine.audit_cut(created_before timestamptz, OUT seq bigint, OUT hash bytea)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.seq, c.hash FROM engine.audit_chain c
   WHERE c.source = 'audit_logs'
     AND c.seq < coalesce((SELECT k.seq FROM engine.audit_chain k WHERE k.source = 'audit_logs'
           AND (k.row_created_at < created_before) IS NOT TRUE ORDER BY k.seq LIMIT 1), 9223372036854775807)
   ORDER BY c.seq DESC LIMIT 1
$$;

-- How many rows retention would move to the archive now.
CREATE OR REPLACE FUNCTION engine.audit_archivable(created_before timestamptz) RETURNS bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) FROM engine.audit_chain c
   WHERE c.source = 'audit_logs' AND c.seq <= greatest((SELECT u.seq FROM engine.audit_cut(created_before) u),
     (SELECT max(k.seq) FROM engine.audit_checkpoints k
       WHERE k.source = 'audit_logs' AND k.created_before IS NOT NULL))
$$;

-- Moves up to rows_max rows that a checkpoint covers into one row of the archive; returns how many.
CREATE OR REPLACE FUNCTION engine.archive_audit(rows_max integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  upto bigint;
  moved integer;
BEGIN
  PERFORM pg_advisory_xact_lock(1136212753731275479);
  SELECT max(k.seq) INTO upto FROM engine.audit_checkpoints k
   WHERE k.source = 'audit_logs' AND k.created_before IS NOT NULL;
  -- A row that is not there any more leaves its place empty, and verification says so.
  INSERT INTO engine.audit_archive (first_seq, last_seq, row_count, first_created_at, last_created_at, entries)
  SELECT min(b.seq), max(b.seq), count(*), min(b.row_created_at), max(b.row_created_at),
         jsonb_agg(to_jsonb(ARRAY[b.seq::text, b.row_id::text, encode(b.row_hash, 'hex')]
           || engine.audit_fields(b.audit_row)) ORDER BY b.seq)
    FROM (SELECT c.seq, c.row_id, c.row_hash, c.row_created_at, a.audit_row
            FROM engine.audit_chain c
            LEFT JOIN LATERAL (SELECT x AS audit_row FROM public.audit_logs x WHERE x.id = c.row_id LIMIT 1) a ON true
           WHERE c.source = 'audit_logs' AND c.seq <= upto ORDER BY c.seq LIMIT rows_max) b
  HAVING count(*) > 0;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved = 0 THEN
    RETURN 0;
  END IF;
  WITH batch AS (
    SELECT k.first_seq, k.last_seq FROM engine.audit_archive k ORDER BY k.first_seq DESC LIMIT 1
  ), unchained AS (
    DELETE FROM engine.audit_chain c USING batch b
     WHERE c.source = 'audit_logs' AND c.seq BETWEEN b.first_seq AND b.last_seq RETURNING c.row_id
  ), gone AS (
    DELETE FROM public.audit_logs a USING unchained u WHERE a.id = u.row_id
  )
  SELECT count(*) INTO moved FROM unchained;
  RETURN moved;
END $$;

-- For people: the archive as rows again.
CREATE OR REPLACE VIEW engine.audit_archive_rows AS
SELECT (e ->> 0)::bigint AS seq, (e ->> 1)::uuid AS id, (e ->> 4)::uuid AS user_id, e ->> 5 AS action,
       e ->> 6 AS resource_type, e ->> 7 AS resource_id, (e ->> 8)::jsonb AS old_values,
       (e ->> 9)::jsonb AS new_values, (e ->> 10)::inet AS ip_address, e ->> 11 AS user_agent,
       (e ->> 12)::timestamp AT TIME ZONE 'UTC' AS created_at
  FROM engine.audit_archive k CROSS JOIN LATERAL jsonb_array_elements(k.entries) AS e;

-- These are for the roles of 0012, not for everybody.
REVOKE EXECUTE ON FUNCTION engine.queue_audit(), engine.seal_audit(integer), engine.audit_unsealed(),
  engine.audit_cut(timestamptz), engine.audit_archivable(timestamptz), engine.archive_audit(integer) FROM PUBLIC;
