-- Who changed what, for the running engine: rows name what to read again, never the values. Ids and
-- transaction ids commit out of order, so a reader's cursor is a transaction id and moves only below
-- pg_snapshot_xmin(pg_current_snapshot()): everything below that is decided.

CREATE TABLE engine.change_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  table_name text NOT NULL,
  row_id text NOT NULL,
  op text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX change_log_xid_id_idx ON engine.change_log (xid, id);

CREATE TABLE engine.change_cursors (
  reader text PRIMARY KEY,
  xid xid8 NOT NULL,            -- everything below has taken effect
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- Arguments: the row's key as an expression over alias r, then the columns that matter.
-- SECURITY DEFINER: whoever may write the platform's tables need not be able to write here.
CREATE FUNCTION engine.log_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key_of text := TG_ARGV[0];
  old_values text;
  new_values text;
  changed bigint;
BEGIN
  IF coalesce(current_setting('oneclick.writer', true), '') = 'engine' THEN
    RETURN NULL;  -- the engine's own writing would come back to it as news, and late
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO engine.change_log (table_name, row_id, op) VALUES (TG_TABLE_NAME, '*', 'truncate');
  ELSIF TG_OP = 'INSERT' THEN
    EXECUTE format('INSERT INTO engine.change_log (table_name, row_id, op)
                    SELECT %L, %s, ''insert'' FROM new_rows r', TG_TABLE_NAME, key_of);
  ELSIF TG_OP = 'DELETE' THEN
    EXECUTE format('INSERT INTO engine.change_log (table_name, row_id, op)
                    SELECT %L, %s, ''delete'' FROM old_rows r', TG_TABLE_NAME, key_of);
  ELSE
    SELECT string_agg(format('o.%I', c), ', '), string_agg(format('n.%I', c), ', ')
      INTO old_values, new_values FROM unnest(TG_ARGV[1:]) AS c;
    EXECUTE format('INSERT INTO engine.change_log (table_name, row_id, op)
                    SELECT %L, coalesce(n.row_key, o.row_key), ''update''
                      FROM (SELECT %s AS row_key, r.* FROM old_rows r) o
                      FULL JOIN (SELECT %s AS row_key, r.* FROM new_rows r) n
                             ON n.row_key = o.row_key
                     WHERE ROW(%s) IS DISTINCT FROM ROW(%s)',
                   TG_TABLE_NAME, key_of, key_of, old_values, new_values);
  END IF;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    PERFORM pg_notify('oneclick_changes', 'oneclick_changes');
  END IF;
  RETURN NULL;
END $$;

-- A trigger with a transition table serves one kind of statement, hence four per table.
CREATE FUNCTION engine.watch_table(watched regclass, key_of text, VARIADIC columns text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  arguments text;
BEGIN
  SELECT format('%L', key_of) || string_agg(format(', %L', c), '' ORDER BY n)
    INTO arguments FROM unnest(columns) WITH ORDINALITY AS u (c, n);
  EXECUTE format('CREATE TRIGGER oneclick_inserted AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                  FOR EACH STATEMENT EXECUTE FUNCTION engine.log_changes(%s)', watched, arguments);
  EXECUTE format('CREATE TRIGGER oneclick_updated AFTER UPDATE ON %s
                  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                  FOR EACH STATEMENT EXECUTE FUNCTION engine.log_changes(%s)', watched, arguments);
  EXECUTE format('CREATE TRIGGER oneclick_deleted AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows
                  FOR EACH STATEMENT EXECUTE FUNCTION engine.log_changes(%s)', watched, arguments);
  EXECUTE format('CREATE TRIGGER oneclick_truncated AFTER TRUNCATE ON %s
                  FOR EACH STATEMENT EXECUTE FUNCTION engine.log_changes(%s)', watched, arguments);
END $$;

SELECT engine.watch_table('public.users', 'r.id::text', 'account_status');
SELECT engine.watch_table('public.api_keys', 'r.id::text',
  'user_id', 'key_hash', 'permissions', 'expires_at');
SELECT engine.watch_table('public.user_exchanges', 'r.id::text',
  'user_id', 'exchange_name', 'api_key', 'api_secret', 'passphrase', 'sandbox_mode', 'status');
-- Keyed by whom a change concerns: of a deleted row nothing else could still be read.
SELECT engine.watch_table('public.subscriptions', 'concat(r.user_id, ''|'', r.channel_id)',
  'user_id', 'channel_id', 'status', 'end_date');
SELECT engine.watch_table('public.premium_channels', 'r.id::text',
  'creator_id', 'pricing_monthly', 'pricing_yearly', 'is_active');
SELECT engine.watch_table('public.trading_signals', 'r.id::text',
  'channel_id', 'creator_id', 'signal_type', 'asset_symbol', 'entry_price', 'stop_loss',
  'take_profit', 'quantity_suggestion', 'status');
SELECT engine.watch_table('public.signal_updates', 'r.id::text',
  'signal_id', 'update_type', 'new_value');
SELECT engine.watch_table('public.signal_followers', 'concat(r.signal_id, ''|'', r.user_id)',
  'follow_type', 'copy_amount', 'copy_percentage');
SELECT engine.watch_table('engine.copy_links', 'r.id::text', 'version');
SELECT engine.watch_table('engine.leader_feeds', 'r.user_exchange_id::text',
  'authoritative', 'baseline_at');
SELECT engine.watch_table('engine.kill_switches', 'r.id::text',
  'active', 'venue', 'leader_user_id', 'follower_user_id', 'symbol');
