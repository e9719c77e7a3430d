-- What copies cost: each part against figures worked out by hand, and that parts add up exactly.
BEGIN;
SELECT plan(24);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
-- User 1 leads; 2, 3 and 4 copy 50, 25 and 100 per cent: links 102 to 104.
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 5) AS n;
INSERT INTO user_exchanges (id, user_id, exchange_name) SELECT pg_temp.u(10 + n), pg_temp.u(n), 'binance'
  FROM generate_series(1, 5) AS n;
INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id, leader_user_id, copy_percentage)
  SELECT pg_temp.u(100 + n), pg_temp.u(n), pg_temp.u(10 + n), pg_temp.u(1), CASE n WHEN 2 THEN 50 WHEN 3 THEN 25 END
    FROM generate_series(2, 4) AS n;
CREATE FUNCTION pg_temp.at(ms numeric) RETURNS timestamptz LANGUAGE sql AS $$
  SELECT '2026-03-01 12:00:00+00'::timestamptz + ms * interval '1 millisecond' $$;
CREATE FUNCTION pg_temp.event(n integer, of_side text, price numeric, quantity numeric, ms numeric, bid numeric DEFAULT NULL,
  ask numeric DEFAULT NULL, symbol text DEFAULT 'BTC/USDT') RETURNS void LANGUAGE sql AS $$
  INSERT INTO engine.leader_events (id, source, leader_user_id, symbol, kind, side, quantity, price, event_time,
      accepted_at, links_matched)
    VALUES (pg_temp.u(1000 + n), 'stream', pg_temp.u(1), symbol, 'fill', of_side, quantity, price, pg_temp.at(ms),
      pg_temp.at(ms + 50), 1);
  INSERT INTO engine.event_touches VALUES (pg_temp.u(1000 + n), pg_temp.at(ms + 50), bid, ask, pg_temp.at(ms), 0) $$;
CREATE FUNCTION pg_temp.came(event integer, follower integer, outcome text, reason text, wanted numeric, sent numeric,
  trade integer DEFAULT NULL, cap text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, wanted_qty, sent_qty, residual_qty,
      trade_id, binding_cap, ingest_to_wire_ns, created_at)
    VALUES (pg_temp.u(1000 + event), pg_temp.u(100 + follower), outcome, reason, 0, wanted, sent, 0,
      pg_temp.u(2000 + trade), cap, CASE WHEN trade IS NOT NULL THEN 1000000 END, pg_temp.at(0)) $$;
CREATE FUNCTION pg_temp.ordered(trade integer, event integer, follower integer, of_side text, quantity numeric, ms numeric,
  acked boolean DEFAULT true, of_status text DEFAULT 'filled') RETURNS void LANGUAGE sql AS $$
  INSERT INTO trades (id, user_id, asset_symbol, side, quantity, status, source, copied_from_user_id, created_at)
    SELECT pg_temp.u(2000 + trade), pg_temp.u(follower), e.symbol, of_side::trade_side, ordered.quantity,
      of_status::trade_status, 'copy_trade', pg_temp.u(1), pg_temp.at(ms + 50) AT TIME ZONE 'UTC'
      FROM engine.leader_events e WHERE e.id = pg_temp.u(1000 + event);
  INSERT INTO trade_history (trade_id, status, quantity, "timestamp", exchange_response)
    VALUES (pg_temp.u(2000 + trade), 'pending', quantity, pg_temp.at(ms + 50) AT TIME ZONE 'UTC',
      jsonb_build_object('event_id', pg_temp.u(1000 + event), 'link_id', pg_temp.u(100 + follower)));
  INSERT INTO trade_history (trade_id, status, quantity, "timestamp", exchange_response)
    SELECT pg_temp.u(2000 + trade), 'pending', quantity, pg_temp.at(ms + 56) AT TIME ZONE 'UTC', '{"order_id": "1"}'
     WHERE acked $$;
CREATE FUNCTION pg_temp.fill(trade integer, quantity numeric, price numeric, ms numeric, fee numeric DEFAULT 0,
  asset text DEFAULT 'USDT', base_fee numeric DEFAULT 0, fee_usd numeric DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  INSERT INTO trade_history (trade_id, status, quantity, price, "timestamp", exchange_response)
    VALUES (pg_temp.u(2000 + trade), 'fill', quantity, price, pg_temp.at(ms + 60) AT TIME ZONE 'UTC',
      jsonb_strip_nulls(jsonb_build_object('trade_id', '1', 'fee', fee::text, 'fee_asset', asset, 'base_fee', base_fee::text,
        'quote_usd', '1', 'fee_asset_usd', fee_usd::text))) $$;
CREATE FUNCTION pg_temp.cost(event integer, follower integer) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', trim_scale(lead_to_ingest), trim_scale(ingest_to_wire), trim_scale(wire_to_ack),
           trim_scale(ack_to_fill), trim_scale(fees), trim_scale(rounding), trim_scale(missed), '=', trim_scale(total),
           CASE WHEN NOT is_complete THEN 'incomplete' END)
    FROM engine.copy_costs_of(pg_temp.u(follower)) WHERE event_id = pg_temp.u(1000 + event) $$;

-- The leader buys at 100 and sells at 110. The middle moves by 0.1 before the order is on the wire, 1 ms after it was
-- taken, and by another 0.1 before it is acknowledged.
SELECT pg_temp.event(1, 'buy', 100, 4, 0, 100.5, 101);
SELECT pg_temp.event(2, 'sell', 110, 4, 60000, 109.5, 110.5);
INSERT INTO price_history (time, symbol, price) VALUES (pg_temp.at(-1000), 'BTC/USDT', 100.75),
  (pg_temp.at(50.5), 'BTC/USDT', 100.85), (pg_temp.at(53), 'BTC/USDT', 100.95);

SELECT pg_temp.came(1, 2, 'copied', NULL, 2.005, 2, 1);
SELECT pg_temp.ordered(1, 1, 2, 'buy', 2, 0);
SELECT pg_temp.fill(1, 1.5, 101.2, 0, 0.3);
SELECT pg_temp.fill(1, 0.5, 102, 1, 0.001, 'BNB', 0, 600);
SELECT is(pg_temp.cost(1, 2), '2 0.2 0.2 0.4 0.9 0.05 0 = 3.75', 'a copy: every part of it');
SELECT results_eq($$SELECT leader_price, ingest_price, wire_price, ack_price, filled_price, wanted_quantity, notional, total_bps
    FROM engine.copy_costs_of(pg_temp.u(2)) WHERE event_id = pg_temp.u(1001)$$,
  $$VALUES (100::numeric, 101::numeric, 101.1::numeric, 101.2::numeric, 101.4::numeric, 2.005::numeric, 200.5::numeric,
    187.03::numeric)$$, 'the prices on its way, and what it cost of what was wanted');
SELECT results_eq($$SELECT lead_to_ingest_ms, ingest_to_wire_ms, wire_to_ack_ms, ack_to_fill_ms
    FROM engine.copy_costs_of(pg_temp.u(2)) WHERE event_id = pg_temp.u(1001)$$,
  $$VALUES (50::numeric, 1::numeric, 5::numeric, 4::numeric)$$, 'and how long each took');
SELECT pg_temp.came(2, 2, 'copied', NULL, 2, 2, 2);
SELECT pg_temp.ordered(2, 2, 2, 'sell', 2, 60000, false);
SELECT pg_temp.fill(2, 2, 109, 60000);
SELECT is(pg_temp.cost(2, 2), '1 0 0 1 0 0 0 = 2', 'a sell costs where it brings less');

-- Clipped: the rest was missed, and the leader got 10 for each.
SELECT pg_temp.came(1, 3, 'clipped', NULL, 3, 1, 3, 'copy_amount');
SELECT pg_temp.ordered(3, 1, 3, 'buy', 1, 0);
SELECT pg_temp.fill(3, 1, 100, 0, 0.01, 'BTC', 0.01, 100);
SELECT is(pg_temp.cost(1, 3), '1 0.1 0.1 -1.2 1 0 20 = 21', 'what a cap kept away is missed');
SELECT pg_temp.came(2, 3, 'clipped', NULL, 3, 1, 4, 'held');
SELECT pg_temp.ordered(4, 2, 3, 'sell', 1, 60000, false);
SELECT pg_temp.fill(4, 1, 110, 60000);
SELECT is(pg_temp.cost(2, 3), '0.5 0 0 -0.5 0 0 0 = 0', 'an exit of all that is held misses nothing');

-- Not copied at all
SELECT pg_temp.came(1, 4, 'skipped', 'kill_switch', 0, 0);
SELECT is(pg_temp.cost(1, 4), '0 0 0 0 0 0 40 = 40', 'a skip costs what the leader made of it');
SELECT pg_temp.came(2, 4, 'skipped', 'no_position', 0, 0);
SELECT is(pg_temp.cost(2, 4), '0 0 0 0 0 0 0 = 0', 'where there was nothing to sell, nothing is missed');
SELECT pg_temp.event(3, 'buy', 50, 2, 120000, 49, 50, 'ETH/USDT');
SELECT pg_temp.came(3, 4, 'failed', 'not_filled', 2, 2, 5);
SELECT pg_temp.ordered(5, 3, 4, 'buy', 2, 120000, true, 'cancelled');
SELECT is(pg_temp.cost(3, 4), '0 0 0 0 0 0 0 = 0 incomplete', 'what is missed has no price yet');
INSERT INTO price_history (time, symbol, price) VALUES (now(), 'ETH/USDT', 45);
SELECT is(pg_temp.cost(3, 4), '0 0 0 0 0 0 -10 = -10', 'then it is worth the latest one: this was luck');
SELECT pg_temp.came(3, 2, 'carried', NULL, 0.001, 0);
SELECT pg_temp.event(4, 'buy', 60, 2, 130000, 59, 60, 'ETH/USDT');
SELECT is(pg_temp.cost(3, 2), '0 0 0 0 0 0.01 0 = 0.01', 'what is carried costs until the leader trades again');
SELECT pg_temp.came(4, 2, 'copied', NULL, 1, 1, 6);
SELECT pg_temp.ordered(6, 4, 2, 'buy', 1, 130000, true, 'partially_filled');
SELECT pg_temp.fill(6, 0.4, 60, 130000);
SELECT is(pg_temp.cost(4, 2), '0 0 0 0 0 0 0 = 0', 'what is still open is not missed');
SELECT pg_temp.came(4, 3, 'coalesced', 'none', 1, 0);
SELECT is(pg_temp.cost(4, 3), '0 0 0 0 0 0 0 = 0', 'nor what another order does');
SELECT pg_temp.event(5, 'buy', NULL, 1, 140000, 69, 70, 'ETH/USDT');
SELECT pg_temp.came(5, 3, 'copied', NULL, 1, 1, 7);
SELECT pg_temp.ordered(7, 5, 3, 'buy', 1, 140000);
SELECT pg_temp.fill(7, 1, 71, 140000);
SELECT is(pg_temp.cost(5, 3), '0 0 0 1 0 0 0 = 1', 'where the leader named no price, the market does');
SELECT pg_temp.event(6, 'buy', 10, 1, 150000, NULL, NULL, 'XRP/USDC');
SELECT pg_temp.came(6, 3, 'copied', NULL, 1, 1, 8);
SELECT pg_temp.ordered(8, 6, 3, 'buy', 1, 150000);
SELECT pg_temp.fill(8, 1, 10.5, 150000, 1, 'BNB');
SELECT is(pg_temp.cost(6, 3), '0 0 0 0.5 0 0 0 = 0.5 incomplete', 'a fee without a rate is not made up');

-- A link that is gone has left its orders
DELETE FROM engine.copy_links WHERE id = pg_temp.u(103);
SELECT is(pg_temp.cost(1, 3), '1 0.1 0.1 -1.2 1 0 20 = 21', 'copies of a link that was deleted are found by their orders');

-- Sums
SELECT results_eq($$SELECT quote, symbol, copies, copied, clipped, skipped, incomplete, trim_scale(total) FROM
    engine.copy_report(pg_temp.u(3))$$, $$VALUES
    ('USDC', NULL, 1::bigint, 1::bigint, 0::bigint, 0::bigint, 1::bigint, 0.5::numeric),
    ('USDC', 'XRP/USDC', 1, 1, 0, 0, 1, 0.5),
    ('USDT', NULL, 3, 1, 2, 0, 0, 22), ('USDT', 'BTC/USDT', 2, 0, 2, 0, 0, 21), ('USDT', 'ETH/USDT', 1, 1, 0, 0, 0, 1)$$,
  'a line per quote, and one per symbol');
SELECT ok((SELECT count(*) = 11 AND bool_and(c.total = c.lead_to_ingest + c.ingest_to_wire + c.wire_to_ack + c.ack_to_fill
    + c.fees + c.rounding + c.missed) FROM engine.copy_costs c), 'of every copy the parts are the total, exactly');
SELECT ok((SELECT bool_and(r.total_bps = r.lead_to_ingest_bps + r.ingest_to_wire_bps + r.wire_to_ack_bps
    + r.ack_to_fill_bps + r.fees_bps + r.rounding_bps + r.missed_bps AND r.total = r.lead_to_ingest + r.ingest_to_wire
    + r.wire_to_ack + r.ack_to_fill + r.fees + r.rounding + r.missed)
    FROM users u, engine.copy_report(u.id) r), 'and of every line, in basis points too');
SELECT is((SELECT sum(total) FROM engine.copy_report(pg_temp.u(2)) WHERE symbol IS NULL),
  (SELECT sum(total) FROM engine.copy_costs WHERE follower_user_id = pg_temp.u(2)), 'lines are the sums of copies');
-- Against the shortfall itself: what was wanted at the leader's price and sold at 110, less what it became.
SELECT is((SELECT trim_scale(2.005 * (110 - 100) - (2 * 110 - 1.5 * 101.2 - 0.5 * 102 - 0.9))), 3.75,
  'and that of a copy is what was lost to the leader''s own profit');
SELECT is((SELECT count(*) FROM engine.copy_costs_of(pg_temp.u(2), pg_temp.at(0), pg_temp.at(60000))), 1::bigint,
  'a stretch of time');
SELECT is((SELECT count(*) FROM engine.copy_costs_of(pg_temp.u(2), leader => pg_temp.u(5))), 0::bigint, 'one leader');
SELECT is((SELECT count(*) FROM engine.copy_report(pg_temp.u(1))), 0::bigint, 'who copies nobody has no report');

SELECT * FROM finish();
ROLLBACK;
