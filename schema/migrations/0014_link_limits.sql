-- Limits over all of what a link holds, and which of them have stopped one.

ALTER TABLE engine.copy_links
  ADD COLUMN positions_max integer CHECK (positions_max > 0),
  ADD COLUMN entries_per_minute_max integer CHECK (entries_per_minute_max > 0),
  ADD COLUMN exposure_usd_max numeric(20,8) CHECK (exposure_usd_max > 0),
  ADD COLUMN daily_loss_usd_max numeric(20,8) CHECK (daily_loss_usd_max > 0),
  ADD COLUMN drawdown_usd_max numeric(20,8) CHECK (drawdown_usd_max > 0),
  ADD COLUMN drawdown_from text NOT NULL DEFAULT 'start' CHECK (drawdown_from IN ('start', 'peak')),
  ADD COLUMN drawdown_action text NOT NULL DEFAULT 'halt' CHECK (drawdown_action IN ('halt', 'close')),
  ADD COLUMN risk_epoch bigint NOT NULL DEFAULT 0 CHECK (risk_epoch >= 0);

COMMENT ON COLUMN engine.copy_links.positions_max IS
  'How many symbols the link may hold or be buying at a time. NULL: any number.';
COMMENT ON COLUMN engine.copy_links.entries_per_minute_max IS
  'Entries sent in one minute of the clock, exits not counted. NULL: any number.';
COMMENT ON COLUMN engine.copy_links.exposure_usd_max IS
  'USD that all the link holds and is buying may be worth; entries are clipped to it. NULL: any.';
COMMENT ON COLUMN engine.copy_links.daily_loss_usd_max IS
  'USD lost since 00:00 UTC, realised or not, at which entries stop until the next day. NULL: never.';
COMMENT ON COLUMN engine.copy_links.drawdown_usd_max IS
  'USD lost from drawdown_from at which the link is halted until it is released. NULL: never.';
COMMENT ON COLUMN engine.copy_links.drawdown_from IS
  'start: the profit as the limit was set; peak: the highest since (trailing).';
COMMENT ON COLUMN engine.copy_links.drawdown_action IS
  'halt: no entries any more; close: everything the link holds is sold as well.';
COMMENT ON COLUMN engine.copy_links.risk_epoch IS
  'Raising it releases a link that a drawdown has halted, and counts its profit from nothing.';

CREATE TABLE engine.link_halts (
  link_id uuid PRIMARY KEY REFERENCES engine.copy_links (id) ON DELETE CASCADE,
  follower_user_id uuid NOT NULL,
  reason text NOT NULL,
  action text NOT NULL,
  limit_usd numeric(20,8) NOT NULL,
  from_usd numeric(20,8) NOT NULL,
  profit_usd numeric(20,8) NOT NULL,
  halted_at timestamptz NOT NULL
);
COMMENT ON TABLE engine.link_halts IS
  'Links that a limit has stopped and nobody has released yet. Written by the sink.';
COMMENT ON COLUMN engine.link_halts.follower_user_id IS 'Whose link it is.';
COMMENT ON COLUMN engine.link_halts.reason IS 'Which limit: drawdown.';
COMMENT ON COLUMN engine.link_halts.action IS 'halt, or close where everything was sold as well.';
COMMENT ON COLUMN engine.link_halts.limit_usd IS 'The limit, in USD.';
COMMENT ON COLUMN engine.link_halts.from_usd IS 'The profit it was counted from, in USD since the limit was set.';
COMMENT ON COLUMN engine.link_halts.profit_usd IS 'What was left of it, in USD.';
COMMENT ON COLUMN engine.link_halts.halted_at IS 'When.';

-- The follower is told.
CREATE FUNCTION engine.link_halted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM engine.notify(h.follower_user_id, 'trade_alert'::public.notification_type, 'Copying was stopped',
    format('A loss of %s USD reached your limit of %s USD. %s',
      trim_scale(round(h.from_usd - h.profit_usd, 2)), trim_scale(round(h.limit_usd, 2)),
      CASE h.action WHEN 'close' THEN 'Everything this copy held is being sold.'
                    ELSE 'What it holds is kept, and still sold when the leader sells.' END),
    jsonb_build_object('link_id', h.link_id, 'reason', h.reason, 'action', h.action,
      'limit_usd', h.limit_usd::text, 'profit_usd', h.profit_usd::text), 'high'::public.notification_priority)
    FROM inserted h;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.link_halted() IS 'Tells followers whose links were stopped.';
CREATE TRIGGER link_halts_tell AFTER INSERT ON engine.link_halts
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.link_halted();

DO $$
DECLARE
  given text;
BEGIN
  FOREACH given IN ARRAY ARRAY[
    'oneclick_engine SELECT, INSERT, DELETE', 'oneclick_platform SELECT', 'oneclick_readonly SELECT',
    'oneclick_backup SELECT']
  LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = split_part(given, ' ', 1)) THEN
      EXECUTE format('GRANT %s ON engine.link_halts TO %I', substr(given, strpos(given, ' ') + 1),
        split_part(given, ' ', 1));
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION engine.link_halted() FROM public;
