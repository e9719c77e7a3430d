-- Symbols of links that are set aside because the exchange does not have what the link holds, and their release.

CREATE TABLE engine.quarantines (
  link_id uuid NOT NULL REFERENCES engine.copy_links (id) ON DELETE CASCADE,
  symbol text NOT NULL,
  quarantined_at timestamptz NOT NULL,
  follower_user_id uuid NOT NULL,
  user_exchange_id uuid NOT NULL,
  asset text NOT NULL,
  reason text NOT NULL,
  expected numeric(20,8) NOT NULL,
  found numeric(20,8) NOT NULL,
  account_expected numeric(20,8) NOT NULL,
  account_found numeric(20,8) NOT NULL,
  release_asked_at timestamptz,
  released_at timestamptz,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (link_id, symbol, quarantined_at)
);
CREATE INDEX quarantines_open_idx ON engine.quarantines (link_id) WHERE released_at IS NULL;
COMMENT ON TABLE engine.quarantines IS
  'What a link holds of a symbol and its account does not have. Written by the sink; released ones stay.';
COMMENT ON COLUMN engine.quarantines.link_id IS 'Whose holding it is.';
COMMENT ON COLUMN engine.quarantines.symbol IS 'In which symbol: no entries there until it is released.';
COMMENT ON COLUMN engine.quarantines.quarantined_at IS 'Since when; with link and symbol its name.';
COMMENT ON COLUMN engine.quarantines.follower_user_id IS 'Whose link it is.';
COMMENT ON COLUMN engine.quarantines.user_exchange_id IS 'The account that was compared.';
COMMENT ON COLUMN engine.quarantines.asset IS 'The asset that is missing.';
COMMENT ON COLUMN engine.quarantines.reason IS 'shortfall: the account holds less than its links do.';
COMMENT ON COLUMN engine.quarantines.expected IS 'What the link holds by the fills of its own orders, as last compared.';
COMMENT ON COLUMN engine.quarantines.found IS 'Its part of what is there: so much can be sold.';
COMMENT ON COLUMN engine.quarantines.account_expected IS 'What all links of the account hold together.';
COMMENT ON COLUMN engine.quarantines.account_found IS 'What the exchange says the account has.';
COMMENT ON COLUMN engine.quarantines.release_asked_at IS
  'When a person took what was found as true: engine.release_quarantine.';
COMMENT ON COLUMN engine.quarantines.released_at IS 'When the engine did so. NULL: in force.';
COMMENT ON COLUMN engine.quarantines.updated_at IS 'The last change by the engine.';

-- Asks the engine to take what was found as true and to lift it; without a symbol, all of the link's. Says how many.
CREATE FUNCTION engine.release_quarantine(link uuid, in_symbol text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  asked integer;
BEGIN
  UPDATE engine.quarantines q SET release_asked_at = clock_timestamp()
   WHERE q.link_id = link AND (in_symbol IS NULL OR q.symbol = in_symbol) AND q.released_at IS NULL;
  GET DIAGNOSTICS asked = ROW_COUNT;
  RETURN asked;
END $$;
COMMENT ON FUNCTION engine.release_quarantine(uuid, text) IS
  'Lifts the quarantine of a link, in one symbol or in all: what the exchange has is taken as true.';
SELECT engine.watch_table('engine.quarantines', 'concat(r.link_id, ''|'', r.symbol, ''|'', r.quarantined_at)',
  'release_asked_at');

-- The follower is told of both.
CREATE FUNCTION engine.quarantines_came() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM engine.tell_quarantines(array_agg(ROW(n.*)::engine.quarantines)) FROM inserted n WHERE n.released_at IS NULL;
  ELSE
    PERFORM engine.tell_quarantines(array_agg(ROW(n.*)::engine.quarantines)) FROM inserted n
      JOIN before o USING (link_id, symbol, quarantined_at)
     WHERE o.released_at IS NULL AND n.released_at IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION engine.tell_quarantines(which engine.quarantines[]) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  SELECT engine.tell(array_agg(ROW(
      engine.notice_id(concat('quarantine ', q.link_id, ' ', q.symbol, ' ', q.released_at IS NULL),
        coalesce(q.released_at, q.quarantined_at)),
      q.follower_user_id, 'trade_alert', 'copy_quarantined',
      concat(CASE WHEN q.released_at IS NULL THEN 'Copying was set aside: ' ELSE 'Copying goes on: ' END, q.symbol),
      CASE WHEN q.released_at IS NULL
        THEN format('Your account holds %s %s of the %s that were copied. Nothing new is bought there until that is '
          || 'cleared up; what is there is still sold when the leader sells.', trim_scale(q.account_found), q.asset,
          trim_scale(q.account_expected))
        ELSE format('This copy now holds %s %s.', trim_scale(q.found), q.asset) END,
      jsonb_build_object('topic', 'copy_quarantined', 'link_id', q.link_id, 'symbol', q.symbol, 'reason', q.reason,
        'active', q.released_at IS NULL, 'expected', q.expected::text, 'found', q.found::text),
      'high', coalesce(q.released_at, q.quarantined_at) AT TIME ZONE 'UTC')::engine.notice))
    FROM unnest(which) AS q HAVING count(*) > 0
$$;
COMMENT ON FUNCTION engine.quarantines_came() IS 'Tells followers what was set aside, and released.';
COMMENT ON FUNCTION engine.tell_quarantines(engine.quarantines[]) IS 'Tells followers of these.';
CREATE TRIGGER quarantines_tell_inserted AFTER INSERT ON engine.quarantines
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.quarantines_came();
CREATE TRIGGER quarantines_tell_updated AFTER UPDATE ON engine.quarantines
  REFERENCING OLD TABLE AS before NEW TABLE AS inserted FOR EACH STATEMENT
  EXECUTE FUNCTION engine.quarantines_came();

DO $$
DECLARE
  given text;
BEGIN
  FOREACH given IN ARRAY ARRAY[
    'oneclick_engine SELECT, INSERT, UPDATE ON engine.quarantines', 'oneclick_platform SELECT ON engine.quarantines',
    'oneclick_readonly SELECT ON engine.quarantines', 'oneclick_backup SELECT ON engine.quarantines',
    'oneclick_engine EXECUTE ON FUNCTION engine.release_quarantine(uuid, text)',
    'oneclick_platform EXECUTE ON FUNCTION engine.release_quarantine(uuid, text)']
  LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = split_part(given, ' ', 1)) THEN
      EXECUTE format('GRANT %s TO %I', substr(given, strpos(given, ' ') + 1), split_part(given, ' ', 1));
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION engine.release_quarantine(uuid, text), engine.quarantines_came(),
  engine.tell_quarantines(engine.quarantines[]) FROM public;
