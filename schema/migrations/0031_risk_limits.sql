-- Limits over all links of an account, and over all followers of a leader or channel; and which of them have
-- stopped copying.

CREATE TABLE engine.risk_limits (
  scope text NOT NULL CHECK (scope IN ('account', 'leader', 'channel')),
  scope_id uuid NOT NULL,
  order_notional_max numeric(20,8) CHECK (order_notional_max > 0 AND order_notional_max < 'NaN'),
  position_notional_max numeric(20,8) CHECK (position_notional_max > 0 AND position_notional_max < 'NaN'),
  positions_max integer CHECK (positions_max > 0),
  entries_per_minute_max integer CHECK (entries_per_minute_max > 0),
  exposure_usd_max numeric(20,8) CHECK (exposure_usd_max > 0 AND exposure_usd_max < 'NaN'),
  daily_loss_usd_max numeric(20,8) CHECK (daily_loss_usd_max > 0 AND daily_loss_usd_max < 'NaN'),
  drawdown_usd_max numeric(20,8) CHECK (drawdown_usd_max > 0 AND drawdown_usd_max < 'NaN'),
  drawdown_from text NOT NULL DEFAULT 'start' CHECK (drawdown_from IN ('start', 'peak')),
  drawdown_action text NOT NULL DEFAULT 'halt' CHECK (drawdown_action IN ('halt', 'close')),
  risk_epoch bigint NOT NULL DEFAULT 0 CHECK (risk_epoch >= 0),
  PRIMARY KEY (scope, scope_id)
);
COMMENT ON TABLE engine.risk_limits IS
  'Limits over several copy links, besides their own. Of leaders and channels every shard keeps its equal part.';
COMMENT ON COLUMN engine.risk_limits.scope IS
  'account: all links of it; leader, channel: all followers together.';
COMMENT ON COLUMN engine.risk_limits.scope_id IS
  'Of user_exchanges, users or premium_channels; no foreign key, a limit may come before what it limits.';
COMMENT ON COLUMN engine.risk_limits.order_notional_max IS 'Quote that one order may be worth. NULL: any.';
COMMENT ON COLUMN engine.risk_limits.position_notional_max IS
  'Quote that one symbol, held and being bought over all links, may be worth. NULL: any.';
COMMENT ON COLUMN engine.risk_limits.positions_max IS
  'Symbols of an account; of a leader or channel, pairs of follower and symbol. NULL: any number.';
COMMENT ON COLUMN engine.risk_limits.entries_per_minute_max IS
  'Entries in one minute of the clock over all links. NULL: any number.';
COMMENT ON COLUMN engine.risk_limits.exposure_usd_max IS
  'USD that all links together hold and are buying. NULL: any.';
COMMENT ON COLUMN engine.risk_limits.daily_loss_usd_max IS
  'USD lost since 00:00 UTC over all links at which entries stop until the next day. NULL: never.';
COMMENT ON COLUMN engine.risk_limits.drawdown_usd_max IS
  'USD lost over all links from drawdown_from at which copying halts until it is released. NULL: never.';
COMMENT ON COLUMN engine.risk_limits.drawdown_from IS
  'start: the profit as the limit was set; peak: the highest since (trailing).';
COMMENT ON COLUMN engine.risk_limits.drawdown_action IS
  'halt: no entries any more; close: everything the links hold is sold as well.';
COMMENT ON COLUMN engine.risk_limits.risk_epoch IS
  'Raising it releases what a drawdown has halted, and counts profit from nothing.';
SELECT engine.watch_table('engine.risk_limits', 'concat(r.scope, ''|'', r.scope_id)',
  'order_notional_max', 'position_notional_max', 'positions_max', 'entries_per_minute_max', 'exposure_usd_max',
  'daily_loss_usd_max', 'drawdown_usd_max', 'drawdown_from', 'drawdown_action', 'risk_epoch');

CREATE TABLE engine.limit_halts (
  scope text NOT NULL,
  scope_id uuid NOT NULL,
  shard integer NOT NULL,
  user_id uuid,
  reason text NOT NULL,
  action text NOT NULL,
  limit_usd numeric(20,8) NOT NULL,
  from_usd numeric(20,8) NOT NULL,
  profit_usd numeric(20,8) NOT NULL,
  halted_at timestamptz NOT NULL,
  PRIMARY KEY (scope, scope_id, shard),
  FOREIGN KEY (scope, scope_id) REFERENCES engine.risk_limits (scope, scope_id) ON DELETE CASCADE
);
COMMENT ON TABLE engine.limit_halts IS
  'Accounts, leaders and channels that a limit has stopped and nobody has released yet. Written by the sink.';
COMMENT ON COLUMN engine.limit_halts.scope IS 'As in risk_limits.';
COMMENT ON COLUMN engine.limit_halts.scope_id IS 'As in risk_limits.';
COMMENT ON COLUMN engine.limit_halts.shard IS 'Whose part of the followers it is.';
COMMENT ON COLUMN engine.limit_halts.user_id IS 'Whose account; the leader. NULL for channels.';
COMMENT ON COLUMN engine.limit_halts.reason IS 'Which limit: account_drawdown, leader_drawdown.';
COMMENT ON COLUMN engine.limit_halts.action IS 'halt, or close where everything was sold as well.';
COMMENT ON COLUMN engine.limit_halts.limit_usd IS 'The limit, in USD, of all shards.';
COMMENT ON COLUMN engine.limit_halts.from_usd IS 'The profit it was counted from, in USD since the limit was set.';
COMMENT ON COLUMN engine.limit_halts.profit_usd IS 'What was left of it, in USD.';
COMMENT ON COLUMN engine.limit_halts.halted_at IS 'When.';

-- The owner of the account, or the leader, is told.
CREATE FUNCTION engine.limit_halted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM engine.tell(array_agg(ROW(engine.notice_id(concat('limit ', h.scope, ' ', h.scope_id, ' ', h.shard),
    h.halted_at), h.user_id, 'trade_alert', 'copy_stopped', 'Copying was stopped',
    format('A loss of %s USD reached the limit of %s USD over all %s. %s',
      trim_scale(round(h.from_usd - h.profit_usd, 2)), trim_scale(round(h.limit_usd, 2)),
      CASE h.scope WHEN 'account' THEN 'copies of one account' ELSE 'followers' END,
      CASE h.action WHEN 'close' THEN 'Everything they held is being sold.'
                    ELSE 'What they hold is kept, and still sold when the leader sells.' END),
    jsonb_build_object('topic', 'copy_stopped', 'scope', h.scope, 'scope_id', h.scope_id, 'reason', h.reason,
      'action', h.action, 'limit_usd', h.limit_usd::text, 'profit_usd', h.profit_usd::text),
    'high', h.halted_at AT TIME ZONE 'UTC')::engine.notice))
    FROM inserted h WHERE h.user_id IS NOT NULL HAVING count(*) > 0;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.limit_halted() IS 'Tells whose account or followers were stopped.';
CREATE TRIGGER limit_halts_tell AFTER INSERT ON engine.limit_halts
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.limit_halted();
REVOKE ALL ON FUNCTION engine.limit_halted() FROM public;

DO $$
DECLARE
  given text;
BEGIN
  FOREACH given IN ARRAY ARRAY[
    'oneclick_engine:SELECT:engine.risk_limits', 'oneclick_engine:SELECT, INSERT, DELETE:engine.limit_halts',
    'oneclick_platform:SELECT, INSERT, UPDATE, DELETE:engine.risk_limits', 'oneclick_platform:SELECT:engine.limit_halts',
    'oneclick_readonly:SELECT:engine.risk_limits, engine.limit_halts',
    'oneclick_backup:SELECT:engine.risk_limits, engine.limit_halts']
  LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = split_part(given, ':', 1)) THEN
      EXECUTE format('GRANT %s ON %s TO %I', split_part(given, ':', 2), split_part(given, ':', 3),
        split_part(given, ':', 1));
    END IF;
  END LOOP;
END $$;
