-- What the engine keeps besides the platform's tables. Time stamps are timestamptz. Tables written in
-- bulk by several shards carry no foreign keys; see schema/README.md.

CREATE TABLE engine.copy_links (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  follower_user_id uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
  follower_exchange_id uuid NOT NULL REFERENCES public.user_exchanges (id) ON DELETE CASCADE,
  portfolio_id uuid REFERENCES public.portfolios (id) ON DELETE SET NULL,
  leader_user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  channel_id uuid REFERENCES public.premium_channels (id) ON DELETE CASCADE,
  sizing_mode text NOT NULL DEFAULT 'leader_quantity' CHECK (sizing_mode IN
    ('leader_quantity', 'equity_proportional', 'follower_equity', 'fixed_notional',
     'fixed_quantity', 'fixed_risk')),
  copy_percentage numeric(5,2) CHECK (copy_percentage > 0 AND copy_percentage <= 999.99),
  copy_amount numeric(12,2) CHECK (copy_amount > 0),
  entry_style text NOT NULL DEFAULT 'capped' CHECK (entry_style IN ('capped', 'market', 'mirror')),
  slippage_bps_max integer NOT NULL DEFAULT 50 CHECK (slippage_bps_max BETWEEN 0 AND 10000),
  entry_ttl_ms bigint NOT NULL DEFAULT 5000 CHECK (entry_ttl_ms BETWEEN 1 AND 86400000),
  min_lot_policy text NOT NULL DEFAULT 'carry'
    CHECK (min_lot_policy IN ('carry', 'skip', 'round_up')),
  order_notional_max numeric(20,8) CHECK (order_notional_max > 0),
  position_notional_max numeric(20,8) CHECK (position_notional_max > 0),
  symbol_filter text NOT NULL DEFAULT 'none' CHECK (symbol_filter IN ('none', 'allow', 'deny')),
  symbols text[] NOT NULL DEFAULT '{}' CHECK (cardinality(symbols) <= 16),
  sync_on_subscribe boolean NOT NULL DEFAULT false,
  reverse boolean NOT NULL DEFAULT false,
  chain boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'paused', 'exits_only', 'stopped', 'quarantined')),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT copy_links_leader_or_channel CHECK (num_nonnulls(leader_user_id, channel_id) = 1)
);
CREATE INDEX copy_links_follower_user_id_idx ON engine.copy_links (follower_user_id);
CREATE INDEX copy_links_follower_exchange_id_idx ON engine.copy_links (follower_exchange_id);
CREATE INDEX copy_links_leader_user_id_idx ON engine.copy_links (leader_user_id);
CREATE INDEX copy_links_channel_id_idx ON engine.copy_links (channel_id);

-- Every change of a link is a new version, whoever makes it.
CREATE FUNCTION engine.copy_links_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW IS DISTINCT FROM OLD THEN
    NEW.version := greatest(NEW.version, OLD.version + 1);
    NEW.updated_at := now();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER copy_links_touch BEFORE UPDATE ON engine.copy_links
  FOR EACH ROW EXECUTE FUNCTION engine.copy_links_touch();

CREATE TABLE engine.leader_events (
  id uuid PRIMARY KEY,
  seq bigint,                   -- of shard 0; NULL until its row has come
  source text NOT NULL,
  leader_user_id uuid,
  channel_id uuid,
  signal_id uuid,
  venue text,
  symbol text NOT NULL,
  kind text NOT NULL,
  side text,
  quantity numeric(20,8),
  price numeric(20,8),
  event_time timestamptz NOT NULL,
  accepted_at timestamptz NOT NULL,
  links_matched integer NOT NULL  -- sum over the shards
);
CREATE INDEX leader_events_accepted_at_idx ON engine.leader_events (accepted_at);

CREATE TABLE engine.copy_outcomes (
  event_id uuid NOT NULL,
  link_id uuid NOT NULL,
  outcome text NOT NULL CHECK (outcome IN
    ('copied', 'clipped', 'carried', 'coalesced', 'skipped', 'failed')),
  reason text,                  -- NULL where nothing was refused
  rank integer NOT NULL,
  wanted_qty numeric(20,8),
  sent_qty numeric(20,8),
  residual_qty numeric(20,8),
  trade_id uuid,
  binding_cap text,
  ingest_to_wire_ns bigint,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (event_id, link_id)
);

CREATE TABLE engine.leader_feeds (
  user_exchange_id uuid PRIMARY KEY REFERENCES public.user_exchanges (id) ON DELETE CASCADE,
  authoritative boolean NOT NULL DEFAULT true,
  baseline_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE engine.instruments (
  venue text NOT NULL,
  symbol text NOT NULL,
  venue_symbol text NOT NULL,
  status text NOT NULL CHECK (status IN ('trading', 'cancel_only', 'halted')),
  base_asset text NOT NULL,
  quote_asset text NOT NULL,
  price_tick numeric(20,8) NOT NULL,
  price_min numeric(20,8) NOT NULL,
  price_max numeric(20,8) NOT NULL,
  lot_step numeric(20,8) NOT NULL,
  quantity_min numeric(20,8) NOT NULL,
  quantity_max numeric(20,8) NOT NULL,
  market_lot_step numeric(20,8) NOT NULL,
  market_quantity_min numeric(20,8) NOT NULL,
  market_quantity_max numeric(20,8) NOT NULL,
  notional_min numeric(20,8) NOT NULL,
  notional_max numeric(20,8) NOT NULL,
  notional_min_at_market boolean NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (venue, symbol)
);

CREATE TABLE engine.symbol_map (
  venue text NOT NULL,
  venue_symbol text NOT NULL,
  symbol text NOT NULL,
  PRIMARY KEY (venue, venue_symbol)
);

-- NULL matches everything; all four NULL is the global switch. set_by 'engine': written by the sink from
-- the journal, so the running engine knows it already.
CREATE TABLE engine.kill_switches (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  active boolean NOT NULL,
  venue text,
  leader_user_id uuid,
  follower_user_id uuid,
  symbol text,
  set_by text,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX kill_switches_scope_idx ON engine.kill_switches (
  coalesce(venue, ''), coalesce(leader_user_id, '00000000-0000-0000-0000-000000000000'),
  coalesce(follower_user_id, '00000000-0000-0000-0000-000000000000'), coalesce(symbol, ''));
CREATE FUNCTION engine.kill_switches_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.set_by := coalesce(nullif(current_setting('oneclick.writer', true), ''), session_user);
  IF TG_OP = 'UPDATE' AND NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
    NEW.updated_at := now();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kill_switches_touch BEFORE INSERT OR UPDATE ON engine.kill_switches
  FOR EACH ROW EXECUTE FUNCTION engine.kill_switches_touch();

-- Fills on followed accounts that the engine did not make. Trade ids are unique per symbol at some
-- venues only, so the symbol is part of the key.
CREATE TABLE engine.external_fills (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  venue text NOT NULL,
  user_exchange_id uuid NOT NULL,
  symbol text NOT NULL,
  trade_id text NOT NULL,
  order_id text,
  side text NOT NULL,
  quantity numeric(20,8) NOT NULL,
  price numeric(20,8) NOT NULL,
  executed_at timestamptz NOT NULL,
  UNIQUE (venue, user_exchange_id, symbol, trade_id)
);

-- How far each shard's journal is in the database. journal_id names the journal directory: a new
-- directory counts from 1 again and must not be taken for the old one.
CREATE TABLE engine.sink_offsets (
  shard integer NOT NULL,
  journal_id uuid NOT NULL,
  position bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (shard, journal_id)
);

CREATE TABLE engine.sink_rejects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shard integer NOT NULL,
  journal_id uuid NOT NULL,
  position bigint NOT NULL,
  record_kind text NOT NULL,
  sqlstate text NOT NULL,
  reason text NOT NULL,
  record jsonb NOT NULL,        -- its identities, and all its bytes in hex
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (shard, journal_id, position)
);

CREATE TABLE engine.audit_chain (
  seq bigint PRIMARY KEY,
  audit_log_id uuid NOT NULL UNIQUE,
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
