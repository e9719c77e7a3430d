-- oneclick: no transaction
-- What copying cost: for each copy the difference between what was wanted at the leader's price and what came about,
-- in parts that add up. schema/README.md has the definitions. Every statement is right a second time.

-- A leader's events in time, and what the market of a leader did next.
CREATE INDEX CONCURRENTLY IF NOT EXISTS leader_events_leader_user_id_symbol_accepted_at_idx
  ON engine.leader_events (leader_user_id, symbol, accepted_at) WHERE leader_user_id IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS leader_events_channel_id_symbol_accepted_at_idx
  ON engine.leader_events (channel_id, symbol, accepted_at) WHERE channel_id IS NOT NULL;

-- The price of the leader's next trade or signal in the same symbol: of the given side, or of any.
CREATE OR REPLACE FUNCTION engine.next_leader_price(leader uuid, channel uuid, of_symbol text, after timestamptz,
  of_side text DEFAULT NULL) RETURNS numeric LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
  IF channel IS NOT NULL THEN
    RETURN (SELECT e.price FROM engine.leader_events e
             WHERE e.channel_id = channel AND e.symbol = of_symbol AND e.accepted_at > after AND e.price > 0
               AND (of_side IS NULL OR e.side = of_side OR e.kind = 'signal_closed')
               AND e.kind IN ('signal_published', 'signal_closed') ORDER BY e.accepted_at LIMIT 1);
  END IF;
  RETURN (SELECT e.price FROM engine.leader_events e
           WHERE e.leader_user_id = leader AND e.symbol = of_symbol AND e.accepted_at > after AND e.price > 0
             AND (of_side IS NULL OR e.side = of_side) AND e.kind = 'fill' ORDER BY e.accepted_at LIMIT 1);
END $$;
COMMENT ON FUNCTION engine.next_leader_price(uuid, uuid, text, timestamptz, text) IS 'What the leader traded at next.';

-- One follower's copies of events that were accepted in a stretch of time, each with its parts.
CREATE OR REPLACE FUNCTION engine.copy_costs_of(follower uuid, since timestamptz DEFAULT '-infinity',
  until timestamptz DEFAULT 'infinity', leader uuid DEFAULT NULL)
RETURNS TABLE (follower_user_id uuid, leader_user_id uuid, channel_id uuid, event_id uuid, link_id uuid,
  accepted_at timestamptz, symbol text, quote text, side text, outcome text, reason text, binding_cap text,
  wanted_quantity numeric, sent_quantity numeric, filled_quantity numeric, leader_price numeric, ingest_price numeric,
  wire_price numeric, ack_price numeric, filled_price numeric, valued_at numeric, notional numeric,
  lead_to_ingest numeric, ingest_to_wire numeric, wire_to_ack numeric, ack_to_fill numeric, fees numeric,
  rounding numeric, missed numeric, total numeric, total_bps numeric,
  lead_to_ingest_ms numeric, ingest_to_wire_ms numeric, wire_to_ack_ms numeric, ack_to_fill_ms numeric,
  is_complete boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH made AS (  -- the first state of an order says what it was made for
    SELECT (h.exchange_response ->> 'event_id')::uuid AS event_id, (h.exchange_response ->> 'link_id')::uuid AS link_id,
           t.id
      FROM public.trades t
      JOIN public.trade_history h ON h.trade_id = t.id AND h.exchange_response ? 'link_id'
     WHERE t.user_id = follower
       AND t.created_at >= CASE WHEN isfinite(since) THEN since AT TIME ZONE 'UTC' ELSE '-infinity' END
       AND t.created_at < CASE WHEN isfinite(until) THEN until AT TIME ZONE 'UTC' + interval '7 days' ELSE 'infinity' END
  ), followed AS (  -- what there may be an outcome of without an order
    SELECT e.id AS event_id, l.id AS link_id FROM engine.copy_links l
      JOIN engine.leader_events e ON e.leader_user_id = l.leader_user_id
     WHERE l.follower_user_id = follower AND e.accepted_at >= since AND e.accepted_at < until
    UNION ALL
    SELECT e.id, l.id FROM engine.copy_links l JOIN engine.leader_events e ON e.channel_id = l.channel_id
     WHERE l.follower_user_id = follower AND e.accepted_at >= since AND e.accepted_at < until
  ), copies AS (  -- put together here once: all that follows looks its rows up
    SELECT c.event_id, c.link_id, array_agg(c.id) FILTER (WHERE c.id IS NOT NULL) AS orders
      FROM (SELECT m.event_id, m.link_id, m.id FROM made m
            UNION ALL SELECT f.event_id, f.link_id, NULL FROM followed f) c
     GROUP BY c.event_id, c.link_id
  ), facts AS (
    SELECT c.event_id, c.link_id, e.kind, e.leader_user_id, e.channel_id, e.accepted_at, e.event_time, e.symbol,
           engine.quote_of(e.symbol) AS quote, x.received_at, o.outcome, o.reason, o.binding_cap,
           coalesce(s.side, CASE WHEN l.reverse THEN CASE e.side WHEN 'buy' THEN 'sell' WHEN 'sell' THEN 'buy' END
                                 ELSE e.side END) AS side,
           coalesce(s.is_open, false) AS is_open,
           coalesce(o.sent_qty, 0) AS sent, coalesce(f.quantity, 0) AS filled, coalesce(f.paid, 0) AS paid,
           coalesce(f.fees, 0) AS fees, coalesce(f.fees_known, true) AS fees_known, x.bid, x.ask,
           nullif(e.price, 0) AS leader_price,
           CASE WHEN o.wanted_qty > 0 THEN o.wanted_qty
                -- Skipped before it was sized: by the link, where that takes nothing but the leader's quantity.
                WHEN o.outcome IN ('skipped', 'failed') AND l.sizing_mode = 'leader_quantity' AND e.quantity > 0
                  THEN round(e.quantity * coalesce(l.copy_percentage, 100) / 100, 8)
                WHEN o.outcome IN ('skipped', 'failed') THEN NULL ELSE 0 END AS wanted,
           x.received_at + o.ingest_to_wire_ns / 1000 * interval '1 microsecond' AS wire_at, o.ingest_to_wire_ns,
           f.acked_at AT TIME ZONE 'UTC' AS ack_at, f.first_at AT TIME ZONE 'UTC' AS fill_at
      FROM copies c
      JOIN engine.leader_events e ON e.id = c.event_id AND e.accepted_at >= since AND e.accepted_at < until
      JOIN engine.copy_outcomes o ON o.event_id = c.event_id AND o.link_id = c.link_id
      LEFT JOIN engine.copy_links l ON l.id = c.link_id
      LEFT JOIN engine.event_touches x ON x.event_id = c.event_id
      LEFT JOIN LATERAL (
        SELECT min(t.side::text) AS side, bool_or(t.status IN ('pending', 'partially_filled')) AS is_open
          FROM public.trades t WHERE t.id = ANY (c.orders)) s ON c.orders IS NOT NULL
      LEFT JOIN LATERAL (
        SELECT sum(h.quantity) FILTER (WHERE p.is_fill) AS quantity,
               sum(h.quantity * h.price) FILTER (WHERE p.is_fill) AS paid,
               min(h."timestamp") FILTER (WHERE p.is_fill) AS first_at,
               min(h."timestamp") FILTER (WHERE NOT p.is_fill AND h.exchange_response ? 'order_id') AS acked_at,
               sum(CASE WHEN p.fee = 0 THEN 0 WHEN p.base_fee <> 0 THEN p.fee * h.price
                        WHEN p.asset = engine.quote_of(e.symbol) THEN p.fee
                        ELSE round(p.fee * p.fee_usd / nullif(p.quote_usd, 0), 8) END) FILTER (WHERE p.is_fill) AS fees,
               bool_and(p.fee = 0 OR p.base_fee <> 0 OR p.asset = engine.quote_of(e.symbol)
                        OR p.fee_usd IS NOT NULL AND p.quote_usd > 0) FILTER (WHERE p.is_fill) AS fees_known
          FROM public.trade_history h,
          LATERAL (SELECT h.status = 'fill' AS is_fill, coalesce((h.exchange_response ->> 'fee')::numeric, 0) AS fee,
                          coalesce((h.exchange_response ->> 'base_fee')::numeric, 0) AS base_fee,
                          h.exchange_response ->> 'fee_asset' AS asset,
                          (h.exchange_response ->> 'fee_asset_usd')::numeric AS fee_usd,
                          (h.exchange_response ->> 'quote_usd')::numeric AS quote_usd) AS p
         WHERE h.trade_id = ANY (c.orders)) f ON c.orders IS NOT NULL
     WHERE leader IS NULL OR e.leader_user_id = leader
  ), sized AS (
    SELECT f.*, CASE f.side WHEN 'sell' THEN -1 ELSE 1 END AS sign,
           -- Nothing there to copy: nothing missed. Orders that rest fill, or not, as the leader's do.
           CASE WHEN f.kind IN ('order_placed', 'order_amended', 'order_cancelled') THEN 0
                WHEN f.outcome IN ('carried', 'coalesced') OR f.binding_cap = 'held' OR f.is_open
                  OR f.side IS NULL OR f.reason IN ('hold', 'no_position', 'already_exiting', 'superseded') THEN 0
                WHEN f.outcome = 'copied' THEN f.sent - f.filled
                ELSE greatest(f.wanted - f.filled, 0) END AS missed_quantity,
           CASE WHEN f.outcome = 'copied' THEN f.wanted - f.sent WHEN f.outcome = 'carried' THEN f.wanted ELSE 0 END
             AS rounded_quantity,
           coalesce(f.leader_price, CASE f.side WHEN 'sell' THEN f.bid ELSE f.ask END) AS base_price
      FROM facts f
  ), priced AS MATERIALIZED (  -- and OFFSET 0: so that each price is looked up once
    SELECT z.*, i.price AS ingest_price, w.price AS wire_price, k.price AS ack_price,
           CASE WHEN z.missed_quantity <> 0 THEN coalesce(
             engine.next_leader_price(z.leader_user_id, z.channel_id, z.symbol, z.accepted_at,
               CASE z.side WHEN 'sell' THEN 'buy' ELSE 'sell' END),
             engine.market_price(z.symbol, now())) END AS missed_price,
           CASE WHEN z.rounded_quantity <> 0 THEN coalesce(
             engine.next_leader_price(z.leader_user_id, z.channel_id, z.symbol, z.accepted_at),
             engine.market_price(z.symbol, now())) END AS rounded_price
      FROM sized z,
      LATERAL (SELECT coalesce(CASE z.side WHEN 'sell' THEN z.bid ELSE z.ask END, z.base_price) AS price) AS i,
      -- How far the market had moved by then, as far as it was told.
      LATERAL (SELECT CASE WHEN z.filled > 0 THEN engine.market_price(z.symbol, z.received_at) END AS received,
                      CASE WHEN z.filled > 0 THEN engine.market_price(z.symbol, z.wire_at) END AS wire,
                      CASE WHEN z.filled > 0 AND z.ack_at > coalesce(z.wire_at, z.received_at)
                        THEN engine.market_price(z.symbol, z.ack_at) END AS ack OFFSET 0) AS m,
      LATERAL (SELECT i.price + coalesce(m.wire - m.received, 0) AS price) AS w,
      LATERAL (SELECT w.price + coalesce(m.ack - coalesce(m.wire, m.received), 0) AS price) AS k
  ), parts AS (
    SELECT p.*,
           coalesce(p.sign * p.filled * (p.ingest_price - p.base_price), 0) AS p1,
           coalesce(p.sign * p.filled * (p.wire_price - p.ingest_price), 0) AS p2,
           coalesce(p.sign * p.filled * (p.ack_price - p.wire_price), 0) AS p3,
           coalesce(p.sign * (p.paid - p.filled * p.ack_price), 0) AS p4,
           coalesce(p.sign * p.rounded_quantity * (p.rounded_price - p.base_price), 0) AS p5,
           coalesce(p.sign * p.missed_quantity * (p.missed_price - p.base_price), 0) AS p6,
           coalesce(greatest(p.wanted, p.filled) * p.base_price, 0) AS notional
      FROM priced p
  )
  SELECT follower, p.leader_user_id, p.channel_id, p.event_id, p.link_id, p.accepted_at, p.symbol, p.quote, p.side,
         p.outcome, p.reason, p.binding_cap, p.wanted, p.sent, p.filled, p.leader_price, p.ingest_price, p.wire_price,
         p.ack_price, round(p.paid / nullif(p.filled, 0), 8), coalesce(p.missed_price, p.rounded_price), p.notional,
         p.p1, p.p2, p.p3, p.p4, p.fees, p.p5, p.p6, p.p1 + p.p2 + p.p3 + p.p4 + p.fees + p.p5 + p.p6,
         round(10000 * (p.p1 + p.p2 + p.p3 + p.p4 + p.fees + p.p5 + p.p6) / nullif(p.notional, 0), 2),
         round(1000 * extract(epoch FROM p.received_at - p.event_time), 3),
         round(nullif(p.ingest_to_wire_ns, 0) / 1e6, 3),
         CASE WHEN p.ack_at >= p.wire_at THEN round(1000 * extract(epoch FROM p.ack_at - p.wire_at), 3) END,
         CASE WHEN p.fill_at >= p.ack_at THEN round(1000 * extract(epoch FROM p.fill_at - p.ack_at), 3) END,
         p.fees_known AND (p.filled = 0 OR p.base_price IS NOT NULL) AND p.wanted IS NOT NULL
           AND (p.missed_quantity = 0 OR p.missed_price IS NOT NULL AND p.base_price IS NOT NULL)
           AND (p.rounded_quantity = 0 OR p.rounded_price IS NOT NULL AND p.base_price IS NOT NULL)
    FROM parts p
$$;
COMMENT ON FUNCTION engine.copy_costs_of(uuid, timestamptz, timestamptz, uuid) IS
  'A follower''s copies, each with what it cost, in quote; the parts add up to the total.';

CREATE OR REPLACE VIEW engine.copy_costs AS
  SELECT c.* FROM public.users u, LATERAL engine.copy_costs_of(u.id) c;
COMMENT ON VIEW engine.copy_costs IS 'All copies of all followers with what they cost. For one: engine.copy_costs_of().';

-- Sums: a line per leader or channel and symbol, and one per quote currency (no leader, channel and symbol). bps are of
-- what was wanted at the leader's prices; that of the total is the sum of those of the parts.
CREATE OR REPLACE FUNCTION engine.copy_report(follower uuid, since timestamptz DEFAULT '-infinity',
  until timestamptz DEFAULT 'infinity', leader uuid DEFAULT NULL)
RETURNS TABLE (quote text, leader_user_id uuid, channel_id uuid, symbol text, copies bigint, copied bigint,
  clipped bigint, carried bigint, skipped bigint, failed bigint, incomplete bigint, notional numeric,
  lead_to_ingest numeric, ingest_to_wire numeric, wire_to_ack numeric, ack_to_fill numeric, fees numeric,
  rounding numeric, missed numeric, total numeric,
  lead_to_ingest_bps numeric, ingest_to_wire_bps numeric, wire_to_ack_bps numeric, ack_to_fill_bps numeric,
  fees_bps numeric, rounding_bps numeric, missed_bps numeric, total_bps numeric,
  lead_to_ingest_ms numeric, ingest_to_wire_ms numeric, wire_to_ack_ms numeric, ack_to_fill_ms numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT g.quote, g.leader_user_id, g.channel_id, g.symbol, g.copies, g.copied, g.clipped, g.carried, g.skipped, g.failed,
         g.incomplete, g.notional, g.p[1], g.p[2], g.p[3], g.p[4], g.p[5], g.p[6], g.p[7],
         g.p[1] + g.p[2] + g.p[3] + g.p[4] + g.p[5] + g.p[6] + g.p[7],
         b.b[1], b.b[2], b.b[3], b.b[4], b.b[5], b.b[6], b.b[7],
         b.b[1] + b.b[2] + b.b[3] + b.b[4] + b.b[5] + b.b[6] + b.b[7], g.m[1], g.m[2], g.m[3], g.m[4]
    FROM (
      SELECT c.quote, c.leader_user_id, c.channel_id, c.symbol, grouping(c.symbol) AS is_sum, count(*) AS copies,
             count(*) FILTER (WHERE c.outcome = 'copied') AS copied,
             count(*) FILTER (WHERE c.outcome = 'clipped') AS clipped,
             count(*) FILTER (WHERE c.outcome IN ('carried', 'coalesced')) AS carried,
             count(*) FILTER (WHERE c.outcome = 'skipped') AS skipped,
             count(*) FILTER (WHERE c.outcome = 'failed') AS failed,
             count(*) FILTER (WHERE NOT c.is_complete) AS incomplete, sum(c.notional) AS notional,
             ARRAY[sum(c.lead_to_ingest), sum(c.ingest_to_wire), sum(c.wire_to_ack), sum(c.ack_to_fill), sum(c.fees),
                   sum(c.rounding), sum(c.missed)] AS p,
             ARRAY[round((percentile_cont(0.5) WITHIN GROUP (ORDER BY c.lead_to_ingest_ms))::numeric, 3),
                   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY c.ingest_to_wire_ms))::numeric, 3),
                   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY c.wire_to_ack_ms))::numeric, 3),
                   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY c.ack_to_fill_ms))::numeric, 3)] AS m
        FROM engine.copy_costs_of(follower, since, until, leader) c
       GROUP BY GROUPING SETS ((c.quote), (c.quote, c.leader_user_id, c.channel_id, c.symbol))) g,
    LATERAL (SELECT array_agg(coalesce(round(10000 * p.cost / nullif(g.notional, 0), 2), 0) ORDER BY p.n) AS b
               FROM unnest(g.p) WITH ORDINALITY AS p (cost, n)) AS b
   ORDER BY g.quote, g.is_sum DESC, g.leader_user_id, g.channel_id, g.symbol
$$;
COMMENT ON FUNCTION engine.copy_report(uuid, timestamptz, timestamptz, uuid) IS
  'What copying cost a follower: sums per quote, and per leader or channel and symbol.';

DO $$
DECLARE
  given text;
BEGIN
  FOREACH given IN ARRAY ARRAY['oneclick_platform', 'oneclick_readonly', 'oneclick_backup'] LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = given) THEN
      EXECUTE format('GRANT SELECT ON engine.copy_costs TO %I', given);
    END IF;
  END LOOP;
END $$;
