-- Further settings of copy links.

ALTER TABLE engine.copy_links ALTER COLUMN sync_on_subscribe DROP DEFAULT;
ALTER TABLE engine.copy_links
  ALTER COLUMN sync_on_subscribe TYPE text USING CASE WHEN sync_on_subscribe THEN 'all' ELSE 'none' END;
ALTER TABLE engine.copy_links
  ALTER COLUMN sync_on_subscribe SET DEFAULT 'none',
  ADD CONSTRAINT copy_links_sync_on_subscribe_check
    CHECK (sync_on_subscribe IN ('none', 'all', 'if_better')),
  ADD COLUMN only_if_better boolean NOT NULL DEFAULT false,
  ADD COLUMN protect boolean NOT NULL DEFAULT true,
  ADD COLUMN close_on_stop boolean NOT NULL DEFAULT false,
  ADD COLUMN price_collar_bps_max integer CHECK (price_collar_bps_max BETWEEN 1 AND 10000),
  ADD COLUMN leverage numeric(5,2) NOT NULL DEFAULT 1 CHECK (leverage BETWEEN 1 AND 125);

COMMENT ON COLUMN engine.copy_links.sync_on_subscribe IS
  'What a link that begins buys of what its leader holds already: none; all; if_better: what costs no more now than it cost the leader.';
COMMENT ON COLUMN engine.copy_links.only_if_better IS
  'Entries only where the market asks no more than the leader paid.';
COMMENT ON COLUMN engine.copy_links.protect IS
  'Stop loss and take profit of a signal become the venue''s own protective orders.';
COMMENT ON COLUMN engine.copy_links.close_on_stop IS
  'Status stopped sells what the link holds; otherwise it stays with the follower.';
COMMENT ON COLUMN engine.copy_links.price_collar_bps_max IS
  'Entries priced further than this from the venue''s average price are refused, in 1/100 of a percent. NULL: none are.';
COMMENT ON COLUMN engine.copy_links.leverage IS
  'Times the margin that positions may be worth, where the venue lends. 1: nothing is borrowed.';
