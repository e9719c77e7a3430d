-- What followers are told: copies, skips worth knowing, stops; once, and as they want it.
BEGIN;
SELECT plan(65);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
-- User 1 leads, has channel 50; the others copy: links 100 + n to the leader, 200 + n to the channel.
INSERT INTO users (id, email, username, password_hash, account_status)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!', 'active' FROM generate_series(1, 9) AS n;
INSERT INTO user_exchanges (id, user_id, exchange_name, status)
  SELECT pg_temp.u(10 + n), pg_temp.u(n), CASE WHEN n = 9 THEN 'Kraken' ELSE 'Binance' END, 'connected'
    FROM generate_series(1, 9) AS n;
INSERT INTO premium_channels (id, creator_id, name) VALUES (pg_temp.u(50), pg_temp.u(1), 'Signals');
INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id, leader_user_id)
  SELECT pg_temp.u(100 + n), pg_temp.u(n), pg_temp.u(10 + n), pg_temp.u(1) FROM generate_series(2, 9) AS n;
INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id, channel_id)
  SELECT pg_temp.u(200 + n), pg_temp.u(n), pg_temp.u(10 + n), pg_temp.u(50) FROM generate_series(2, 3) AS n;
CREATE FUNCTION pg_temp.event(n integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO engine.leader_events (id, source, leader_user_id, symbol, kind, side, quantity, price, event_time,
    accepted_at, links_matched)
  VALUES (pg_temp.u(1000 + n), 'stream', pg_temp.u(1), 'BTC/USDT', 'fill', 'buy', 1, 60000, now(), now(), 1) $$;
SELECT pg_temp.event(n) FROM generate_series(1, 9) AS n;
CREATE FUNCTION pg_temp.trade(n integer, of_user integer, filled numeric) RETURNS void LANGUAGE sql AS $$
  INSERT INTO trades (id, user_id, asset_symbol, side, quantity, filled_quantity, filled_price, status,
    copied_from_user_id)
  VALUES (pg_temp.u(2000 + n), pg_temp.u(of_user), 'BTC/USDT', 'buy', 0.5, filled, 60050.5, 'filled', pg_temp.u(1)) $$;
CREATE FUNCTION pg_temp.came(event integer, link integer, outcome text, reason text, trade integer DEFAULT NULL,
  at timestamptz DEFAULT now(), cap text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, sent_qty, trade_id, binding_cap,
    created_at)
  VALUES (pg_temp.u(1000 + event), pg_temp.u(link), outcome, reason, 0, 0.5, pg_temp.u(2000 + trade), cap, at)
  ON CONFLICT (event_id, link_id) DO NOTHING $$;
CREATE FUNCTION pg_temp.told(OUT told bigint) LANGUAGE sql AS $$ SELECT count(*) FROM notifications $$;
CREATE FUNCTION pg_temp.topic(n integer) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(data ->> 'topic', ', ' ORDER BY data ->> 'topic') FROM notifications
   WHERE user_id = pg_temp.u(n) $$;

-- A copy
SELECT pg_temp.trade(1, 2, 0.25);
SELECT pg_temp.came(1, 102, 'copied', NULL, 1);
SELECT results_eq('SELECT user_id, type::text, title, message, priority::text, is_read FROM notifications',
  $$VALUES (pg_temp.u(2), 'trade_alert', 'Bought BTC/USDT'::varchar, 'Bought 0.25 BTC/USDT at 60050.5.', 'normal',
    false)$$, 'the follower of a copy is told what was bought, and at which price');
SELECT is((SELECT data - 'event_id' - 'link_id' FROM notifications), jsonb_build_object('topic', 'copy_filled',
    'trade_id', pg_temp.u(2001), 'outcome', 'copied', 'binding_cap', NULL, 'symbol', 'BTC/USDT', 'side', 'buy',
    'quantity', '0.25000000', 'price', '60050.50000000', 'leader_user_id', pg_temp.u(1), 'signal_id', NULL),
  'with what programs need');
SELECT is((SELECT data ->> 'event_id' || ' ' || (data ->> 'link_id') FROM notifications),
  pg_temp.u(1001) || ' ' || pg_temp.u(102), 'and of which event and link');
SELECT is((SELECT created_at FROM notifications), now() AT TIME ZONE 'UTC', 'at the time of the outcome');
SELECT is((SELECT delivery_method FROM notifications), '["in_app", "email", "push"]', 'in the usual ways');
UPDATE trades SET filled_quantity = 0.5;
SELECT pg_temp.came(1, 102, 'copied', NULL, 1);
SELECT is(pg_temp.told(), 1::bigint, 'neither more fills nor the same batch again tell it again');
DELETE FROM engine.copy_outcomes;
SELECT pg_temp.came(1, 102, 'copied', NULL, 1);
SELECT is(pg_temp.told(), 1::bigint, 'not even where the outcome is written anew, as after a restore');
SELECT pg_temp.trade(2, 3, 0.5);
SELECT pg_temp.came(1, 103, 'clipped', NULL, 2, cap => 'copy_amount');
SELECT is((SELECT message FROM notifications WHERE user_id = pg_temp.u(3)),
  'Bought 0.5 BTC/USDT at 60050.5. This is less than wanted (copy_amount).', 'a copy that was clipped says so');
SELECT pg_temp.came(2, 104, 'copied', NULL, 77);
SELECT is((SELECT message FROM notifications WHERE user_id = pg_temp.u(4)), 'Bought 0.5 BTC/USDT.',
  'without the order''s row the event tells it');
SELECT pg_temp.came(8, 199, 'copied', NULL, 78);
SELECT pg_temp.came(3, 105, 'carried', NULL);
SELECT pg_temp.came(4, 105, 'coalesced', NULL, 1);
SELECT is(pg_temp.told(), 3::bigint, 'what is not known whose it is, carried or coalesced, is not told');
SELECT pg_temp.came(5, 105, 'copied', NULL, NULL, now() - interval '25 hours');
SELECT is(pg_temp.told(), 3::bigint, 'nor is what is old');

-- Skips
DELETE FROM notifications;
SELECT pg_temp.came(1, 105, 'skipped', 'balance', at => '2100-01-01 10:00:00+00');
SELECT results_eq('SELECT user_id, type::text, title, message, priority::text FROM notifications',
  $$VALUES (pg_temp.u(5), 'trade_alert', 'Not copied: BTC/USDT'::varchar,
    'There was not enough free balance on your exchange account.', 'normal')$$,
  'a skip that one can do something about is told');
SELECT is((SELECT data - 'link_id' - 'event_id' FROM notifications), jsonb_build_object('topic', 'copy_skipped',
    'trade_id', NULL, 'outcome', 'skipped', 'reason', 'balance', 'symbol', 'BTC/USDT', 'side', 'buy',
    'leader_user_id', pg_temp.u(1), 'signal_id', NULL), 'with what programs need');
SELECT pg_temp.came(2, 105, 'skipped', 'balance', at => '2100-01-01 10:59:59+00');
SELECT is(pg_temp.told(), 1::bigint, 'once in an hour');
SELECT pg_temp.came(6, 105, 'skipped', 'balance', at => '2100-01-01 11:00:00+00');
SELECT is(pg_temp.told(), 2::bigint, 'and again in the next');
SELECT pg_temp.came(7, 105, 'skipped', 'exposure', at => '2100-01-01 11:00:00+00');
SELECT is(pg_temp.told(), 3::bigint, 'each reason');
SELECT pg_temp.came(7, 106, 'skipped', 'exposure', at => '2100-01-01 11:00:00+00');
SELECT is(pg_temp.told(), 4::bigint, 'and each link for itself');
SELECT pg_temp.came(8, 105, 'failed', 'rejected', 1);
SELECT is(pg_temp.told(), 5::bigint, 'what the exchange refused is told as well');
SELECT pg_temp.came(1, 106, 'skipped', 'subscription_inactive', at => '2100-01-01 00:10:00+00');
SELECT pg_temp.came(2, 106, 'skipped', 'subscription_inactive', at => '2100-01-01 23:50:00+00');
SELECT pg_temp.came(3, 106, 'skipped', 'subscription_inactive', at => '2100-01-02 00:10:00+00');
SELECT is(pg_temp.told(), 7::bigint, 'what stays so for long is told once a day');
-- A batch with all of it, as the sink writes it: many skips of one reason are one.
DELETE FROM notifications;
DELETE FROM engine.copy_outcomes;
INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, sent_qty, trade_id, created_at)
  SELECT gen_random_uuid(), pg_temp.u(100 + n % 8 + 2), 'skipped', CASE WHEN n % 16 < 8 THEN 'balance' ELSE 'positions'
    END, n, 0, NULL, '2100-01-01 10:00:00+00'::timestamptz + n * interval '1 s' FROM generate_series(1, 800) AS n;
SELECT is(pg_temp.told(), 16::bigint, 'a batch of 800 skips of 8 links and 2 reasons');
SELECT is((SELECT DISTINCT title FROM notifications), 'Not copied', 'of events whose row is not there either');
-- The list, and what is not on it.
DELETE FROM notifications;
DELETE FROM engine.copy_outcomes;
INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, sent_qty, created_at)
  SELECT pg_temp.u(1001), pg_temp.u(300 + n::integer), 'skipped', r, 0, 0, now()
    FROM unnest(ARRAY['kill_switch', 'user_inactive', 'link_inactive', 'not_reconciled', 'stale', 'symbol_filtered',
      'unknown_symbol', 'venue_halted', 'hold', 'no_price', 'equity_unknown', 'no_position', 'not_valued', 'drawdown',
      'price_filter', 'event_notional', 'rate_budget', 'session_down', 'overload', 'not_accepted', 'already_exiting',
      'draining']) WITH ORDINALITY AS s (r, n);
INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id, leader_user_id)
  SELECT pg_temp.u(300 + n), pg_temp.u(9), pg_temp.u(19), pg_temp.u(1) FROM generate_series(1, 30) AS n;
UPDATE engine.copy_outcomes SET event_id = pg_temp.u(1002);
INSERT INTO engine.copy_outcomes SELECT pg_temp.u(1003), link_id, outcome, reason, rank, wanted_qty, sent_qty,
  residual_qty, trade_id, binding_cap, ingest_to_wire_ns, created_at FROM engine.copy_outcomes;
SELECT is(pg_temp.told(), 0::bigint, 'reasons that nobody can do anything about, or that are told elsewhere');
DELETE FROM engine.copy_links WHERE id >= pg_temp.u(301);
SELECT is_empty($$SELECT reason FROM engine.skip_reasons() GROUP BY reason HAVING count(*) > 1$$,
  'each reason is told in one way');
SELECT is_empty($$SELECT reason FROM engine.skip_reasons()
  WHERE every < interval '1 hour' OR content = '' OR priority IS NULL$$, 'at most once an hour, and in words');

-- As their users want it
DELETE FROM engine.copy_outcomes;
INSERT INTO user_settings (user_id, notifications_enabled, email_notifications, push_notifications) VALUES
  (pg_temp.u(2), false, NULL, NULL), (pg_temp.u(3), true, '{"trade_alert": false, "copy_skipped": true}', NULL);
INSERT INTO notification_preferences (user_id, notification_type, enabled, email_enabled, push_enabled,
  sms_enabled) VALUES
  (pg_temp.u(4), 'trade_alert', false, true, true, true), (pg_temp.u(5), 'trade_alert', true, false, true, true),
  (pg_temp.u(5), 'copy_filled', true, true, false, false), (pg_temp.u(6), 'copy_filled', false, true, true, true),
  (pg_temp.u(7), 'trade_alert', false, false, false, false), (pg_temp.u(7), 'copy_skipped', true, false, false, true),
  (pg_temp.u(8), 'copy_skipped', true, NULL, NULL, NULL);
CREATE FUNCTION pg_temp.ways(n integer, topic text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT delivery_method FROM notifications WHERE user_id = pg_temp.u(n) AND data ->> 'topic' = topic $$;
INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, sent_qty, created_at)
  SELECT pg_temp.u(1001), pg_temp.u(100 + n), 'copied', NULL, 0, 1, now() FROM generate_series(2, 8) AS n;
INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, sent_qty, created_at)
  SELECT pg_temp.u(1002), pg_temp.u(100 + n), 'skipped', 'balance', 0, 1, now() FROM generate_series(2, 8) AS n;
SELECT is(pg_temp.topic(2), NULL, 'who wants no notifications gets none');
SELECT is(pg_temp.ways(3, 'copy_filled'), '["in_app", "push"]', 'settings do without mail for the kind');
SELECT is(pg_temp.ways(3, 'copy_skipped'), '["in_app", "email", "push"]', 'but for one topic of it');
SELECT is(pg_temp.topic(4), NULL, 'a kind nobody wants');
SELECT is(pg_temp.ways(5, 'copy_filled'), '["in_app", "email"]', 'what is preferred for the topic goes first');
SELECT is(pg_temp.ways(5, 'copy_skipped'), '["in_app", "push", "sms"]', 'then what is for the kind');
SELECT is(pg_temp.topic(6), 'copy_skipped', 'one topic that is not wanted');
SELECT is(pg_temp.topic(7), 'copy_skipped', 'one topic of an unwanted kind that is');
SELECT is(pg_temp.ways(7, 'copy_skipped'), '["in_app", "sms"]', 'by text message');
SELECT is(pg_temp.ways(8, 'copy_skipped'), '["in_app", "email", "push"]', 'a preference that says nothing');

-- Stops: a limit
DELETE FROM user_settings;
DELETE FROM notification_preferences;
DELETE FROM notifications;
INSERT INTO engine.link_halts (link_id, follower_user_id, reason, action, limit_usd, from_usd, profit_usd, halted_at)
  SELECT pg_temp.u(100 + n), pg_temp.u(n), 'drawdown', CASE n WHEN 2 THEN 'close' ELSE 'halt' END, 100, 30, -71.5,
    '2100-01-01 10:00:00+00' FROM generate_series(2, 3) AS n;
SELECT results_eq('SELECT user_id, message, priority::text FROM notifications ORDER BY user_id',
  $$VALUES (pg_temp.u(2), 'A loss of 101.5 USD reached your limit of 100 USD. Everything this copy held is being '
      || 'sold.', 'high'), (pg_temp.u(3), 'A loss of 101.5 USD reached your limit of 100 USD. What it holds is kept, '
      || 'and still sold when the leader sells.', 'high')$$, 'a link that a limit stopped');
DELETE FROM engine.link_halts;
INSERT INTO engine.link_halts (link_id, follower_user_id, reason, action, limit_usd, from_usd, profit_usd, halted_at)
  VALUES (pg_temp.u(102), pg_temp.u(2), 'drawdown', 'halt', 100, 30, -71.5, '2100-01-01 10:00:00+00');
SELECT is(pg_temp.told(), 2::bigint, 'once');
SELECT lives_ok('INSERT INTO engine.link_halts SELECT * FROM engine.link_halts WHERE false', 'no halt is no news');

-- Stops: limits over more than one link
DELETE FROM notifications;
INSERT INTO engine.risk_limits (scope, scope_id) VALUES ('account', pg_temp.u(900)), ('leader', pg_temp.u(3)),
  ('channel', pg_temp.u(901));
INSERT INTO engine.limit_halts (scope, scope_id, shard, user_id, reason, action, limit_usd, from_usd, profit_usd,
    halted_at) VALUES
  ('account', pg_temp.u(900), 0, pg_temp.u(2), 'account_drawdown', 'close', 100, 30, -71.5, '2100-01-01 10:00:00+00'),
  ('leader', pg_temp.u(3), 0, pg_temp.u(3), 'leader_drawdown', 'halt', 100, 0, -100, '2100-01-01 10:00:00+00'),
  ('channel', pg_temp.u(901), 0, NULL, 'leader_drawdown', 'halt', 100, 0, -100, '2100-01-01 10:00:00+00');
SELECT results_eq('SELECT user_id, message, data->>''topic'' FROM notifications ORDER BY user_id',
  $$VALUES (pg_temp.u(2), 'A loss of 101.5 USD reached the limit of 100 USD over all copies of one account. '
      || 'Everything they held is being sold.', 'copy_stopped'), (pg_temp.u(3), 'A loss of 100 USD reached the limit '
      || 'of 100 USD over all followers. What they hold is kept, and still sold when the leader sells.',
      'copy_stopped')$$, 'an account, and a leader''s followers');
DELETE FROM engine.risk_limits;
SELECT is_empty('SELECT FROM engine.limit_halts', 'without the limit nothing is stopped by it');

-- Stops: switches
DELETE FROM notifications;
UPDATE engine.copy_links SET status = 'paused' WHERE id = pg_temp.u(108);
SELECT is(pg_temp.told(), 0::bigint, 'pausing one''s own link is no news');
INSERT INTO engine.kill_switches (id, active) VALUES (pg_temp.u(60), true);
SELECT is((SELECT array_agg(user_id ORDER BY user_id) FROM notifications),
  ARRAY(SELECT pg_temp.u(n) FROM unnest(ARRAY[2, 3, 4, 5, 6, 7, 9]) AS n),
  'everybody who copies hears of the switch for everything, once');
SELECT is((SELECT DISTINCT type::text || '|' || title || '|' || message FROM notifications),
  'system|New copies are stopped|No new positions are opened. What you hold is kept, and still sold when the leader'
  || ' sells.', 'in words');
UPDATE engine.kill_switches SET updated_at = now() + interval '1 s';
SELECT is(pg_temp.told(), 7::bigint, 'a switch that stays on is no news');
UPDATE engine.kill_switches SET active = false, updated_at = now() + interval '2 s';
SELECT is((SELECT count(*) FROM notifications WHERE title = 'New copies go on'), 7::bigint, 'its end is told');
DELETE FROM notifications;
INSERT INTO engine.kill_switches (active, follower_user_id) VALUES (true, pg_temp.u(2));
SELECT is((SELECT array_agg(user_id) FROM notifications), ARRAY[pg_temp.u(2)], 'one follower''s');
DELETE FROM notifications;
INSERT INTO engine.kill_switches (active, venue, symbol) VALUES (true, 'kraken', 'BTC/USDT');
SELECT results_eq('SELECT user_id, message FROM notifications', $$VALUES (pg_temp.u(9), 'No new positions are opened '
  || 'in BTC/USDT at kraken. What you hold is kept, and still sold when the leader sells.')$$, 'one venue''s');
DELETE FROM notifications;
INSERT INTO engine.kill_switches (active, leader_user_id) VALUES (true, pg_temp.u(1)), (true, pg_temp.u(2));
SELECT is(pg_temp.told(), 7::bigint, 'one leader''s, whose channels belong to it; nobody copies the other');
DELETE FROM notifications;
INSERT INTO engine.kill_switches (active, symbol) VALUES (false, 'ETH/USDT');
SELECT is(pg_temp.told(), 0::bigint, 'one that was never on');

-- Quarantine
UPDATE engine.copy_links SET status = 'quarantined' WHERE follower_user_id = pg_temp.u(2);
SELECT is((SELECT array_agg(data ->> 'link_id' ORDER BY data ->> 'link_id') FROM notifications
            WHERE data ->> 'topic' = 'copy_quarantined'),
  ARRAY[pg_temp.u(102)::text, pg_temp.u(202)::text], 'links that were set aside');
UPDATE engine.copy_links SET copy_percentage = 50 WHERE follower_user_id = pg_temp.u(2);
SELECT is(pg_temp.told(), 2::bigint, 'once');
UPDATE engine.copy_links SET status = 'active' WHERE id = pg_temp.u(102);
SELECT is((SELECT title::text FROM notifications WHERE title <> 'Copying was set aside'), 'Copying goes on',
  'and released');

DELETE FROM notifications;
CREATE FUNCTION pg_temp.set_aside(link integer, symbol text, released timestamptz DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO engine.quarantines AS q (link_id, symbol, quarantined_at, follower_user_id, user_exchange_id, asset,
    reason, expected, found, account_expected, account_found, released_at, updated_at)
  VALUES (pg_temp.u(link), symbol, '2100-01-01 10:00:00+00', pg_temp.u(link - 100), pg_temp.u(link - 90), 'BTC',
    'shortfall', 1, 0.25, 2, 0.5, released, now())
  ON CONFLICT (link_id, symbol, quarantined_at) DO UPDATE SET released_at = excluded.released_at $$;
SELECT pg_temp.set_aside(102, 'BTC/USDT');
SELECT pg_temp.set_aside(103, 'BTC/USDT');
SELECT pg_temp.set_aside(103, 'BTC/USDC');
SELECT is((SELECT string_agg(DISTINCT message, '') || count(*) FROM notifications WHERE priority = 'high'
            AND title LIKE 'Copying was set aside: BTC/%' AND data ->> 'topic' = 'copy_quarantined'),
  'Your account holds 0.5 BTC of the 2 that were copied. Nothing new is bought there until that is cleared up; what is '
  || 'there is still sold when the leader sells.3', 'symbols of links that were set aside');
SELECT pg_temp.set_aside(102, 'BTC/USDT');
SELECT is(pg_temp.told(), 3::bigint, 'once each');
SELECT is(engine.release_quarantine(pg_temp.u(103), 'BTC/USDT'), 1, 'a release is asked for');
SELECT is(engine.release_quarantine(pg_temp.u(103)), 2, 'or for all of a link');
SELECT is((SELECT count(*) FROM engine.quarantines WHERE release_asked_at IS NOT NULL), 2::bigint, 'of that one only');
SELECT is((SELECT count(*) FROM engine.change_log WHERE table_name = 'quarantines' AND row_id LIKE pg_temp.u(103) || '|BTC/%'
            AND op = 'update'), 3::bigint, 'the engine reads of it');
SELECT is(pg_temp.told(), 3::bigint, 'asking is no news');
SELECT pg_temp.set_aside(103, 'BTC/USDT', '2100-01-01 11:00:00+00');
SELECT is((SELECT user_id || ' ' || message FROM notifications WHERE title = 'Copying goes on: BTC/USDT'),
  pg_temp.u(3) || ' This copy now holds 0.25 BTC.', 'the release is told');
SELECT is(engine.release_quarantine(pg_temp.u(103), 'BTC/USDT'), 0, 'there is nothing left to release');

-- Subscriptions
DELETE FROM notifications;
INSERT INTO subscriptions (id, user_id, channel_id, status, start_date)
  SELECT pg_temp.u(400 + n), pg_temp.u(n), pg_temp.u(50), 'active', '2026-01-01' FROM generate_series(2, 5) AS n;
UPDATE subscriptions SET status = 'suspended' WHERE id IN (pg_temp.u(403), pg_temp.u(404));
SELECT results_eq('SELECT user_id, title::text, message FROM notifications', $$VALUES (pg_temp.u(3),
  'Subscription suspended', 'Your subscription to Signals is suspended. Nothing new is copied from it; what you hold '
  || 'is still sold with it.')$$, 'a suspension matters to who copies');
UPDATE subscriptions SET status = 'expired' WHERE id IN (pg_temp.u(403), pg_temp.u(405));
SELECT results_eq($$SELECT user_id, message FROM notifications WHERE title = 'Subscription ended' ORDER BY 1$$,
  $$VALUES (pg_temp.u(3), 'Your subscription to Signals has ended. Nothing new is copied from it; what you hold is '
    || 'still sold with it.'), (pg_temp.u(5), 'Your subscription to Signals has ended.')$$, 'an end to everybody');
UPDATE subscriptions SET status = 'expired' WHERE id = pg_temp.u(403);
SELECT is(pg_temp.told(), 3::bigint, 'once');

-- One function
SELECT is((SELECT count(*) FROM engine.tell(ARRAY[
    ROW(pg_temp.u(900), pg_temp.u(3), 'system', NULL, 't', 'm', '{}', NULL, NULL)::engine.notice,
    ROW(pg_temp.u(900), pg_temp.u(3), 'system', NULL, 't', 'm', '{}', NULL, NULL)::engine.notice,
    ROW(NULL, pg_temp.u(99), 'system', NULL, 't', 'm', '{}', NULL, NULL)::engine.notice])), 1::bigint,
  'says what it wrote: nothing twice, nothing to nobody');
SELECT results_eq($$SELECT priority::text, created_at, data FROM notifications WHERE id = pg_temp.u(900)$$,
  $$VALUES ('normal', now() AT TIME ZONE 'UTC', '{}'::jsonb)$$, 'normal and now unless named');

SELECT * FROM finish();
ROLLBACK;
