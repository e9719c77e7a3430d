-- What the market was as the engine took a leader's event, and when the event's first byte was read: what a copy
-- cost is measured against it. A table of its own, so that a daemon of an earlier version finds its tables as they
-- were. Written by the sink, one row per leader event.

CREATE TABLE engine.event_touches (
  event_id uuid PRIMARY KEY,
  received_at timestamptz,
  bid numeric(20,8),
  ask numeric(20,8),
  seen_at timestamptz,
  base_fee numeric(20,8) NOT NULL
);
COMMENT ON TABLE engine.event_touches IS 'Leader events: when their first byte was read, and the market then.';
COMMENT ON COLUMN engine.event_touches.event_id IS 'engine.leader_events.id.';
COMMENT ON COLUMN engine.event_touches.received_at IS 'When the first byte of it was read, by the engine''s clock.';
COMMENT ON COLUMN engine.event_touches.bid IS 'Best bid that the shard knew as it took the event; NULL: none.';
COMMENT ON COLUMN engine.event_touches.ask IS 'Best ask that the shard knew as it took the event; NULL: none.';
COMMENT ON COLUMN engine.event_touches.seen_at IS 'When that bid and ask were told.';
COMMENT ON COLUMN engine.event_touches.base_fee IS 'What the leader paid as fee in the base asset.';

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    GRANT SELECT, INSERT ON engine.event_touches TO oneclick_engine;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_platform') THEN
    GRANT SELECT ON engine.event_touches TO oneclick_platform;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_readonly') THEN
    GRANT SELECT ON engine.event_touches TO oneclick_readonly;
  END IF;
END $$;
