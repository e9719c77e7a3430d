-- Followers are told what became of their copies: filled, missed for a reason they can do something about, stopped,
-- set aside. One function writes all notifications; what the sink writes in batches it is given in batches.

-- How somebody wants to be told: the ways, or no row where nothing is wanted. What is said about the topic goes
-- before what is said about the kind; without either: in the application, by mail and on the device. Plain SQL
-- without settings of its own, so that it becomes part of the statement that asks for many at once.
CREATE FUNCTION engine.wanted_ways(who uuid, kind text, topic text) RETURNS TABLE (ways jsonb)
LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT to_jsonb(array_remove(ARRAY['in_app',
           CASE WHEN coalesce(t.email_enabled, k.email_enabled, true)
                 AND coalesce(s.email_notifications -> topic, s.email_notifications -> kind, 'true') <> 'false'
                THEN 'email' END,
           CASE WHEN coalesce(t.push_enabled, k.push_enabled, true)
                 AND coalesce(s.push_notifications -> topic, s.push_notifications -> kind, 'true') <> 'false'
                THEN 'push' END,
           CASE WHEN coalesce(t.sms_enabled, k.sms_enabled) THEN 'sms' END], NULL))
    FROM public.users u
    LEFT JOIN public.user_settings s ON s.user_id = u.id
    LEFT JOIN public.notification_preferences k ON k.user_id = u.id AND k.notification_type = kind
    LEFT JOIN public.notification_preferences t ON t.user_id = u.id AND t.notification_type = topic
   WHERE u.id = who AND coalesce(s.notifications_enabled, true) AND coalesce(t.enabled, k.enabled, true)
$$;
COMMENT ON FUNCTION engine.wanted_ways(uuid, text, text) IS 'How a user wants to be told; no row: not at all.';

CREATE TYPE engine.notice AS (
  id uuid,
  user_id uuid,
  kind public.notification_type,
  topic text,
  title text,
  message text,
  data jsonb,
  priority public.notification_priority,
  created_at timestamp
);
COMMENT ON TYPE engine.notice IS
  'Something to tell a user; data names the topic too. Without id, priority or created_at: any, normal, now.';

-- Writes notifications as their users want them, and says which. One whose id is there is not written again.
-- Here and below rows are looked up one by one: the planner would read a large table for the few that a batch names.
CREATE FUNCTION engine.tell(notices engine.notice[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
    INSERT INTO public.notifications AS w
      (id, user_id, type, title, message, data, priority, delivery_method, created_at)
    SELECT coalesce(n.id, gen_random_uuid()), n.user_id, n.kind, n.title, n.message, n.data,
           coalesce(n.priority, 'normal'), p.ways, coalesce(n.created_at, now() AT TIME ZONE 'UTC')
      FROM unnest(notices) AS n, LATERAL engine.wanted_ways(n.user_id, n.kind::text, n.topic) AS p
        ON CONFLICT (id) DO NOTHING
    RETURNING w.id;
END $$;
COMMENT ON FUNCTION engine.tell(engine.notice[]) IS 'Writes notifications as their users want them.';

-- An id that says what is told and when: the same news has the same one, however often it is written, and ids of one
-- time stand together. The form is that of a version 8 UUID.
CREATE FUNCTION engine.notice_id(what text, at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT (lpad(to_hex((date_part('epoch', at) * 1000)::bigint), 12, '0')
          || overlay(overlay(encode(substr(sha256(convert_to(what, 'UTF8')), 1, 10), 'hex') PLACING '8' FROM 1)
                     PLACING 'a' FROM 5))::uuid
$$;
COMMENT ON FUNCTION engine.notice_id(text, timestamptz) IS 'The id of the notification that tells this.';

-- One at a time, as before.
CREATE OR REPLACE FUNCTION engine.notify(whom uuid, kind public.notification_type, headline text, content text,
  about jsonb DEFAULT '{}', urgency public.notification_priority DEFAULT 'normal')
RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT engine.tell(ARRAY[ROW(NULL, whom, kind, NULL, headline, content, about, urgency, NULL)::engine.notice])
$$;

-- Copies, and skips worth knowing ------------------------------------------------------------------------------
-- Reasons that a follower can do something about, how long one of them is no news after it was told, and what is
-- said. What is old, came twice, or is the engine's or the market's own matter, is not told.
CREATE FUNCTION engine.skip_reasons()
RETURNS TABLE (reason text, every interval, priority public.notification_priority, content text)
LANGUAGE sql IMMUTABLE ROWS 25 AS $$
  VALUES
    ('exchange_disconnected', interval '1 hour', 'high'::public.notification_priority,
      'The exchange account is not connected. Connect it again to go on copying.'),
    ('credentials_refused', '1 hour', 'high',
      'The exchange refused the API key of your account. Enter a new one, with the right to trade.'),
    ('subscription_inactive', '1 day', 'normal', 'Your subscription to this channel is not active.'),
    ('account_ambiguous', '1 hour', 'normal',
      'Several of your accounts could have taken this copy. Keep one link to this channel, or copy by hand.'),
    ('no_quantity', '1 hour', 'normal',
      'The signal names no quantity. Choose a size of your own for this copy.'),
    ('no_stop', '1 hour', 'normal',
      'The signal has no stop below its price, and your copy is sized by what a stop would lose.'),
    ('below_min_lot', '1 hour', 'low', 'Your share was smaller than the exchange trades. Copy a larger share.'),
    ('below_min_notional', '1 hour', 'low',
      'Your share was worth less than the exchange''s minimum. Copy a larger share.'),
    ('positions', '1 hour', 'normal', 'Your limit of open positions is reached.'),
    ('entry_rate', '1 hour', 'normal', 'Your limit of entries per minute is reached.'),
    ('daily_loss', '1 day', 'high', 'Your limit of losses for today is reached. Copying goes on tomorrow (UTC).'),
    ('order_notional', '1 hour', 'normal', 'Your limit per order left nothing to copy.'),
    ('position_notional', '1 hour', 'normal', 'Your limit per position is reached.'),
    ('exposure', '1 hour', 'normal', 'Your limit of what may be held in all is reached.'),
    ('copy_amount', '1 hour', 'normal', 'Your copy amount left nothing to copy.'),
    ('balance', '1 hour', 'normal', 'There was not enough free balance on your exchange account.'),
    ('rejected', '1 hour', 'normal', 'The exchange refused the order.'),
    ('not_filled', '1 hour', 'low', 'The price had moved further than the slippage you allow.')
$$;
COMMENT ON FUNCTION engine.skip_reasons() IS 'Why copies are skipped or fail, as far as followers are told.';

-- An outcome's row comes once, and so does its notification; the sink writes orders before outcomes. Outcomes that
-- are a day old are no news: somebody loads them.
CREATE FUNCTION engine.outcomes_came() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  notices engine.notice[];
BEGIN
  SELECT array_agg(ROW(engine.notice_id('copy ' || o.event_id || ' ' || o.link_id, o.created_at),
           coalesce(t.user_id, l.follower_user_id), 'trade_alert', 'copy_filled',
           CASE w.side WHEN 'sell' THEN 'Sold ' WHEN 'buy' THEN 'Bought ' ELSE 'Copied ' END || w.symbol,
           concat(CASE w.side WHEN 'sell' THEN 'Sold ' WHEN 'buy' THEN 'Bought ' ELSE 'Copied ' END,
                  trim_scale(w.quantity), ' ', w.symbol, ' at ' || trim_scale(t.filled_price), '.',
                  ' This is less than wanted (' || o.binding_cap || ').'),
           jsonb_build_object('topic', 'copy_filled', 'event_id', o.event_id, 'link_id', o.link_id,
             'trade_id', o.trade_id, 'outcome', o.outcome, 'binding_cap', o.binding_cap, 'symbol', w.symbol,
             'side', w.side,
             'quantity', w.quantity::text, 'price', t.filled_price::text,
             'leader_user_id', coalesce(t.copied_from_user_id, l.leader_user_id), 'signal_id', t.signal_id),
           'normal', o.created_at AT TIME ZONE 'UTC')::engine.notice)
    INTO notices
    FROM inserted o
    LEFT JOIN public.trades t ON t.id = o.trade_id
    LEFT JOIN engine.copy_links l ON l.id = o.link_id
    LEFT JOIN engine.leader_events e ON e.id = o.event_id,
    LATERAL (SELECT coalesce(t.side::text, e.side) AS side, coalesce(t.asset_symbol, e.symbol) AS symbol,
                    coalesce(nullif(t.filled_quantity, 0), o.sent_qty) AS quantity) AS w
   WHERE o.outcome IN ('copied', 'clipped') AND o.created_at > now() - interval '1 day';
  IF notices IS NOT NULL THEN
    PERFORM engine.tell(notices);
  END IF;
  -- One of each link and reason in a stretch of time, the first.
  SELECT array_agg(s.notice) INTO notices FROM (
    SELECT DISTINCT ON (o.link_id, r.reason, b.began)
           ROW(engine.notice_id('skip ' || o.link_id || ' ' || r.reason, b.began), l.follower_user_id, 'trade_alert',
             'copy_skipped', CASE WHEN e.symbol IS NULL THEN 'Not copied' ELSE 'Not copied: ' || e.symbol END,
             r.content,
             jsonb_build_object('topic', 'copy_skipped', 'event_id', o.event_id, 'link_id', o.link_id,
               'trade_id', o.trade_id, 'outcome', o.outcome, 'reason', o.reason, 'symbol', e.symbol, 'side', e.side,
               'leader_user_id', coalesce(e.leader_user_id, l.leader_user_id), 'signal_id', e.signal_id),
             r.priority, o.created_at AT TIME ZONE 'UTC')::engine.notice AS notice
      FROM inserted o
      JOIN engine.skip_reasons() r ON r.reason = o.reason
      JOIN engine.copy_links l ON l.id = o.link_id
      LEFT JOIN engine.leader_events e ON e.id = o.event_id,
      LATERAL (SELECT date_bin(r.every, o.created_at, timestamptz '2000-01-01 00:00:00+00') AS began) AS b
     WHERE o.outcome IN ('skipped', 'failed') AND o.created_at > now() - interval '1 day'
     ORDER BY o.link_id, r.reason, b.began, o.created_at) s;
  IF notices IS NOT NULL THEN
    PERFORM engine.tell(notices);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.outcomes_came() IS 'Tells followers of their copies, and of skips worth knowing.';
CREATE TRIGGER copy_outcomes_tell AFTER INSERT ON engine.copy_outcomes
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.outcomes_came();

-- Stops --------------------------------------------------------------------------------------------------------
CREATE OR REPLACE FUNCTION engine.link_halted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM engine.tell(array_agg(ROW(engine.notice_id('halt ' || h.link_id, h.halted_at), h.follower_user_id,
    'trade_alert', 'copy_stopped', 'Copying was stopped',
    format('A loss of %s USD reached your limit of %s USD. %s',
      trim_scale(round(h.from_usd - h.profit_usd, 2)), trim_scale(round(h.limit_usd, 2)),
      CASE h.action WHEN 'close' THEN 'Everything this copy held is being sold.'
                    ELSE 'What it holds is kept, and still sold when the leader sells.' END),
    jsonb_build_object('topic', 'copy_stopped', 'link_id', h.link_id, 'reason', h.reason, 'action', h.action,
      'limit_usd', h.limit_usd::text, 'profit_usd', h.profit_usd::text),
    'high', h.halted_at AT TIME ZONE 'UTC')::engine.notice))
    FROM inserted h HAVING count(*) > 0;
  RETURN NULL;
END $$;

-- Whoever copies with a link that a switch covers: once each, however many links.
CREATE FUNCTION engine.kill_switches_came() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM engine.tell_kill_switches(array_agg(n.id)) FROM inserted n WHERE n.active;
  ELSE
    PERFORM engine.tell_kill_switches(array_agg(n.id)) FROM inserted n JOIN before o ON o.id = n.id
      WHERE n.active IS DISTINCT FROM o.active;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION engine.tell_kill_switches(which uuid[]) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  SELECT engine.tell(array_agg(ROW(engine.notice_id(concat('switch ', k.id, ' ', c.who, ' ', k.active), k.updated_at),
      c.who, 'system', 'copy_stopped',
      CASE WHEN k.active THEN 'New copies are stopped' ELSE 'New copies go on' END,
      concat(CASE WHEN k.active THEN 'No new positions are opened' ELSE 'New positions are opened again' END,
        ' in ' || k.symbol, ' at ' || k.venue, CASE WHEN k.leader_user_id IS NOT NULL THEN ' for this leader' END, '.',
        CASE WHEN k.active THEN ' What you hold is kept, and still sold when the leader sells.' END),
      jsonb_build_object('topic', 'copy_stopped', 'kill_switch_id', k.id, 'active', k.active, 'venue', k.venue,
        'symbol', k.symbol, 'leader_user_id', k.leader_user_id),
      'high', k.updated_at AT TIME ZONE 'UTC')::engine.notice))
    FROM engine.kill_switches k, LATERAL (
      SELECT DISTINCT l.follower_user_id FROM engine.copy_links l
        LEFT JOIN public.premium_channels p ON p.id = l.channel_id
        LEFT JOIN public.user_exchanges x ON x.id = l.follower_exchange_id
       WHERE l.status = 'active' AND (k.follower_user_id IS NULL OR l.follower_user_id = k.follower_user_id)
         AND (k.leader_user_id IS NULL OR coalesce(l.leader_user_id, p.creator_id) = k.leader_user_id)
         AND (k.venue IS NULL OR lower(x.exchange_name) = k.venue)) AS c (who)
   WHERE k.id = ANY (which) HAVING count(*) > 0
$$;
COMMENT ON FUNCTION engine.kill_switches_came() IS 'Tells followers of switches that were turned.';
COMMENT ON FUNCTION engine.tell_kill_switches(uuid[]) IS 'Tells followers whom these switches concern.';
CREATE TRIGGER kill_switches_tell_inserted AFTER INSERT ON engine.kill_switches
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.kill_switches_came();
CREATE TRIGGER kill_switches_tell_updated AFTER UPDATE ON engine.kill_switches
  REFERENCING OLD TABLE AS before NEW TABLE AS inserted FOR EACH STATEMENT
  EXECUTE FUNCTION engine.kill_switches_came();

-- Links that the engine sets aside, and that were released.
CREATE FUNCTION engine.links_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM engine.tell(array_agg(ROW(engine.notice_id(concat('link ', n.id, ' ', n.version), n.updated_at),
    n.follower_user_id, 'trade_alert', 'copy_quarantined',
    CASE n.status WHEN 'quarantined' THEN 'Copying was set aside' ELSE 'Copying goes on' END,
    CASE n.status WHEN 'quarantined'
      THEN 'What this copy holds and what the exchange says do not agree. Nothing is copied until that is cleared up.'
      ELSE 'The copy that was set aside goes on.' END,
    jsonb_build_object('topic', 'copy_quarantined', 'link_id', n.id, 'status', n.status,
      'leader_user_id', n.leader_user_id, 'channel_id', n.channel_id),
    'high', n.updated_at AT TIME ZONE 'UTC')::engine.notice))
    FROM inserted n JOIN before o ON o.id = n.id
   WHERE o.status <> n.status AND (n.status = 'quarantined' OR o.status = 'quarantined' AND n.status = 'active')
  HAVING count(*) > 0;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.links_changed() IS 'Tells followers whose links were set aside or released.';
CREATE TRIGGER copy_links_tell AFTER UPDATE ON engine.copy_links
  REFERENCING OLD TABLE AS before NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION engine.links_changed();

-- Subscriptions that end: always where they ran out, otherwise where something was copied by them.
CREATE FUNCTION engine.subscriptions_ended() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM engine.tell(array_agg(ROW(NULL, n.user_id, 'subscription', w.topic,
    CASE n.status WHEN 'expired' THEN 'Subscription ended' WHEN 'cancelled' THEN 'Subscription cancelled'
                  ELSE 'Subscription suspended' END,
    concat('Your subscription to ', c.name, ' ', CASE n.status WHEN 'expired' THEN 'has ended.'
             WHEN 'cancelled' THEN 'was cancelled.' ELSE 'is suspended.' END,
           CASE WHEN w.copies THEN ' Nothing new is copied from it; what you hold is still sold with it.' END),
    jsonb_build_object('topic', w.topic, 'subscription_id', n.id, 'channel_id', n.channel_id, 'status', n.status),
    'normal', NULL)::engine.notice))
    FROM inserted n JOIN before o ON o.id = n.id JOIN public.premium_channels c ON c.id = n.channel_id,
    LATERAL (SELECT EXISTS (SELECT FROM engine.copy_links l WHERE l.channel_id = n.channel_id
                             AND l.follower_user_id = n.user_id AND l.status = 'active')) AS x (copies),
    LATERAL (SELECT x.copies, CASE WHEN x.copies THEN 'copy_stopped' ELSE 'subscription_ended' END AS topic) AS w
   WHERE n.user_id IS NOT NULL AND n.status IS DISTINCT FROM o.status
     AND (n.status = 'expired' OR n.status IN ('cancelled', 'suspended') AND o.status = 'active' AND w.copies)
  HAVING count(*) > 0;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.subscriptions_ended() IS 'Tells subscribers whose subscriptions have ended.';
CREATE TRIGGER subscriptions_tell AFTER UPDATE ON public.subscriptions
  REFERENCING OLD TABLE AS before NEW TABLE AS inserted FOR EACH STATEMENT
  EXECUTE FUNCTION engine.subscriptions_ended();

-- The trigger tells it now, whoever lets them expire.
CREATE OR REPLACE FUNCTION engine.expire_subscriptions(at timestamp DEFAULT now() AT TIME ZONE 'UTC',
  batch integer DEFAULT 10000)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ended integer;
BEGIN
  UPDATE public.subscriptions s SET status = 'expired' WHERE s.id = ANY (ARRAY(
    SELECT d.id FROM public.subscriptions d
     WHERE d.status IN ('active', 'pending', 'suspended') AND d.end_date <= at
     ORDER BY d.id LIMIT batch FOR NO KEY UPDATE SKIP LOCKED));
  GET DIAGNOSTICS ended = ROW_COUNT;
  RETURN ended;
END $$;

REVOKE ALL ON FUNCTION engine.tell(engine.notice[]), engine.outcomes_came(), engine.kill_switches_came(),
  engine.tell_kill_switches(uuid[]), engine.links_changed(), engine.subscriptions_ended() FROM public;
