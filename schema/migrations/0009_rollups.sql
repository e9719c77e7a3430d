-- oneclick: no transaction
-- Roll-ups: what a day was, from the tables that say what happened. A day is UTC. Each function writes a day's
-- rows anew from the base tables, so that it can be broken off, run again, or run for a day of last year, and
-- says the same; schema/README.md has the definitions. Every statement is right a second time.

-- A day of trades is found without reading all of them, at next to no cost for those who write them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS trades_created_at_idx ON public.trades USING brin (created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_sessions_created_at_idx ON public.user_sessions (created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_processed_at_idx ON public.payments (processed_at);

CREATE TABLE IF NOT EXISTS engine.rolled_up_days (
  day date PRIMARY KEY,
  finished_at timestamptz NOT NULL DEFAULT now()
);

-- The latest price before a moment: of price_history or, where that is newer, of market_data.
CREATE OR REPLACE FUNCTION engine.price_before(of_symbol text, moment timestamptz) RETURNS numeric
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.price FROM (
    (SELECT p.time, p.price FROM public.price_history p WHERE p.symbol = of_symbol AND p.time < moment
      ORDER BY p.time DESC LIMIT 1)
    UNION ALL
    (SELECT m.time, m.close_price FROM public.market_data m WHERE m.symbol = of_symbol AND m.time < moment
        AND m.close_price IS NOT NULL ORDER BY m.time DESC LIMIT 1)) s
   ORDER BY s.time DESC LIMIT 1
$$;

-- Per cent gained by following a signal from its entry to a price. NULL: nothing to measure.
CREATE OR REPLACE FUNCTION engine.signal_return(kind public.signal_type, entry numeric, price numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN entry > 0 AND price IS NOT NULL AND kind <> 'hold' THEN least(999999, greatest(-999999, round(CASE kind
    WHEN 'buy' THEN (price - entry) / entry * 100
    WHEN 'sell' THEN (entry - price) / entry * 100 END, 4))) END
$$;

-- Subscriptions that were active at a moment: begun, not ended, and the last word about them before it was not
-- that they are cancelled or suspended.
CREATE OR REPLACE FUNCTION engine.subscribers_at(moment timestamp)
RETURNS TABLE (subscription_id uuid, channel_id uuid, user_id uuid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.id, s.channel_id, s.user_id FROM public.subscriptions s
   WHERE s.start_date < moment AND (s.end_date IS NULL OR s.end_date >= moment)
     AND s.status IS NOT NULL AND s.status <> 'pending' AND (s.cancelled_at IS NULL OR s.cancelled_at >= moment)
     AND coalesce((SELECT h.action NOT IN ('cancelled', 'suspended') FROM public.subscription_history h
           WHERE h.subscription_id = s.id AND h.created_at < moment ORDER BY h.created_at DESC, h.id LIMIT 1), true)
$$;

-- Money taken less money given back on a day, in US dollars; other currencies have no rate here.
CREATE OR REPLACE FUNCTION engine.revenue_of(day date) RETURNS TABLE (channel_id uuid, revenue numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.channel_id, sum(m.amount)
    FROM (SELECT p.subscription_id, p.amount FROM public.payments p
           WHERE p.status IN ('completed', 'refunded') AND p.currency = 'USD'
             AND p.processed_at >= day AND p.processed_at < day + 1
          UNION ALL
          SELECT p.subscription_id, -p.refund_amount FROM public.payments p
           WHERE p.refund_amount > 0 AND p.currency = 'USD' AND p.refunded_at >= day AND p.refunded_at < day + 1) m
    LEFT JOIN public.subscriptions s ON s.id = m.subscription_id GROUP BY s.channel_id
$$;

-- signal_performance: signals that were open on the day, at its end or at their own.
CREATE OR REPLACE FUNCTION engine.roll_up_signal_performance(of_day date) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO public.signal_performance AS r
    (signal_id, date, price_at_date, performance_percentage, total_followers, total_copies)
  SELECT s.id, of_day, p.price, engine.signal_return(s.signal_type, s.entry_price, p.price),
         count(f.user_id), count(f.user_id) FILTER (WHERE f.follow_type = 'copied')
    FROM public.trading_signals s
    CROSS JOIN LATERAL (SELECT engine.price_before(s.asset_symbol,
      least(of_day + 1, s.closed_at + interval '1 microsecond') AT TIME ZONE 'UTC') AS price) p
    LEFT JOIN public.signal_followers f ON f.signal_id = s.id AND f.created_at < of_day + 1
   WHERE s.created_at < of_day + 1 AND (s.closed_at IS NULL OR s.closed_at >= of_day)
   GROUP BY s.id, p.price ORDER BY s.id
  ON CONFLICT (signal_id, date) DO UPDATE SET price_at_date = excluded.price_at_date,
    performance_percentage = excluded.performance_percentage, total_followers = excluded.total_followers,
    total_copies = excluded.total_copies
   WHERE (r.price_at_date, r.performance_percentage, r.total_followers, r.total_copies) IS DISTINCT FROM
     (excluded.price_at_date, excluded.performance_percentage, excluded.total_followers, excluded.total_copies)
$$;

-- Signals that ended on a day or before, with what they brought: as the platform says, or as the roll-up of their
-- last day does.
CREATE OR REPLACE FUNCTION engine.ended_signals(from_day date, until_day date)
RETURNS TABLE (signal_id uuid, channel_id uuid, closed_at timestamp, result numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.id, s.channel_id, s.closed_at, coalesce(s.performance_percentage, p.performance_percentage)
    FROM public.trading_signals s
    LEFT JOIN public.signal_performance p ON p.signal_id = s.id AND p.date = s.closed_at::date
   WHERE s.status IN ('closed', 'expired') AND s.closed_at >= from_day AND s.closed_at < until_day + 1
$$;

CREATE OR REPLACE FUNCTION engine.roll_up_channel_statistics(of_day date) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO public.channel_statistics (channel_id, date, new_subscribers, total_subscribers, signals_sent,
      successful_signals, total_return_percentage, revenue_usd)
  SELECT c.id, of_day, coalesce(b.n, 0), coalesce(a.n, 0), coalesce(t.n, 0), coalesce(e.won, 0),
         least(999999, greatest(-999999, coalesce(e.total, 0))), coalesce(r.revenue, 0)
    FROM public.premium_channels c
    LEFT JOIN (SELECT s.channel_id, count(*) AS n FROM public.subscriptions s WHERE s.start_date >= of_day
        AND s.start_date < of_day + 1 AND s.status <> 'pending' GROUP BY 1) b ON b.channel_id = c.id
    LEFT JOIN (SELECT s.channel_id, count(*) AS n FROM engine.subscribers_at(of_day + 1) s GROUP BY 1) a
      ON a.channel_id = c.id
    LEFT JOIN (SELECT s.channel_id, count(*) AS n FROM public.trading_signals s WHERE s.created_at >= of_day
        AND s.created_at < of_day + 1 GROUP BY 1) t ON t.channel_id = c.id
    LEFT JOIN (SELECT s.channel_id, count(*) FILTER (WHERE s.result > 0) AS won, sum(s.result) AS total
        FROM engine.ended_signals(of_day, of_day) s GROUP BY 1) e ON e.channel_id = c.id
    LEFT JOIN engine.revenue_of(of_day) r ON r.channel_id = c.id
   WHERE c.created_at < of_day + 1 ORDER BY c.id
  ON CONFLICT (channel_id, date) DO UPDATE SET new_subscribers = excluded.new_subscribers,
    total_subscribers = excluded.total_subscribers, signals_sent = excluded.signals_sent,
    successful_signals = excluded.successful_signals,
    total_return_percentage = excluded.total_return_percentage, revenue_usd = excluded.revenue_usd
$$;

-- Views are counted in one figure per post: a day's are what was added since the days before, as long as no later
-- day was rolled up.
CREATE OR REPLACE FUNCTION engine.roll_up_channel_analytics(of_day date) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  WITH readers AS (
    SELECT s.channel_id, s.user_id FROM engine.subscribers_at(of_day + 1) s GROUP BY 1, 2
  ), acted AS (
    SELECT p.channel_id, l.user_id FROM public.post_likes l JOIN public.community_posts p ON p.id = l.post_id
     WHERE l.created_at >= of_day AND l.created_at < of_day + 1
    UNION SELECT p.channel_id, k.user_id FROM public.post_comments k JOIN public.community_posts p ON p.id = k.post_id
     WHERE k.created_at >= of_day AND k.created_at < of_day + 1
    UNION SELECT t.channel_id, f.user_id FROM public.signal_followers f
      JOIN public.trading_signals t ON t.id = f.signal_id
     WHERE f.created_at >= of_day AND f.created_at < of_day + 1
  ), engaged AS (
    SELECT r.channel_id, (count(a.user_id)::numeric / count(*))::numeric(5,4) AS rate
      FROM readers r LEFT JOIN acted a ON a.channel_id = r.channel_id AND a.user_id = r.user_id GROUP BY 1
  ), seen AS (
    SELECT p.channel_id, sum(p.views_count) AS total FROM public.community_posts p GROUP BY 1
  ), earlier AS (
    SELECT n.channel_id, sum(n.views) FILTER (WHERE n.date < of_day) AS before, bool_or(n.date > of_day) AS is_past,
           max(n.views) FILTER (WHERE n.date = of_day) AS known
      FROM public.channel_analytics n GROUP BY 1
  )
  INSERT INTO public.channel_analytics (channel_id, date, views, new_subscribers, signals_sent,
      avg_signal_performance, revenue_usd, engagement_rate)
  SELECT c.channel_id, of_day, CASE WHEN e.is_past THEN coalesce(e.known, 0)
           ELSE greatest(0, coalesce(s.total, 0) - coalesce(e.before, 0)) END,
         c.new_subscribers, c.signals_sent, a.average, c.revenue_usd, g.rate
    FROM public.channel_statistics c
    LEFT JOIN seen s ON s.channel_id = c.channel_id
    LEFT JOIN earlier e ON e.channel_id = c.channel_id
    LEFT JOIN engaged g ON g.channel_id = c.channel_id
    LEFT JOIN (SELECT t.channel_id, round(avg(p.performance_percentage), 4) AS average
        FROM public.signal_performance p JOIN public.trading_signals t ON t.id = p.signal_id
       WHERE p.date = of_day GROUP BY 1) a ON a.channel_id = c.channel_id
   WHERE c.date = of_day ORDER BY c.channel_id
  ON CONFLICT (channel_id, date) DO UPDATE SET views = excluded.views, new_subscribers = excluded.new_subscribers,
    signals_sent = excluded.signals_sent, avg_signal_performance = excluded.avg_signal_performance,
    revenue_usd = excluded.revenue_usd, engagement_rate = excluded.engagement_rate
$$;

-- A channel's rates over all its ended signals with a known result. Written only where they change, since the
-- engine looks at channels that change.
CREATE OR REPLACE FUNCTION engine.refresh_channel_rates() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Set here and not as the function's own: only a superuser may name such a setting there.
  counting_before text := coalesce(current_setting('oneclick.counting', true), '');
BEGIN
  PERFORM set_config('oneclick.counting', 'on', true);
  WITH rates AS (
    SELECT s.channel_id, round(100.0 * count(*) FILTER (WHERE s.result > 0) / count(*), 2) AS success,
           least(999999, greatest(-999999, round(avg(s.result), 4))) AS average
      FROM engine.ended_signals('-infinity', 'infinity') s WHERE s.result IS NOT NULL GROUP BY 1
  ), changed AS (
    SELECT c.id, r.success, r.average FROM public.premium_channels c LEFT JOIN rates r ON r.channel_id = c.id
     WHERE (c.success_rate, c.avg_return_percentage) IS DISTINCT FROM (r.success, r.average)
     ORDER BY c.id FOR NO KEY UPDATE OF c)
  UPDATE public.premium_channels c SET success_rate = h.success, avg_return_percentage = h.average
    FROM changed h WHERE h.id = c.id;
  PERFORM set_config('oneclick.counting', counting_before, true);
END $$;

-- Average cost over trades in the order they were made: state is quantity, average cost, gain of those that count.
CREATE OR REPLACE FUNCTION engine.add_trade(state numeric[], side public.trade_side, quantity numeric, price numeric,
  fees numeric, counts boolean) RETURNS numeric[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  held numeric := state[1];
  cost numeric := state[2];
  gain numeric := state[3];
BEGIN
  IF quantity IS NULL OR price IS NULL OR quantity <= 0 THEN
    RETURN state;
  END IF;
  IF counts THEN
    gain := gain - coalesce(fees, 0);
  END IF;
  IF side = 'buy' THEN
    cost := CASE WHEN held > 0 THEN (held * cost + quantity * price) / (held + quantity) ELSE price END;
    held := greatest(held, 0) + quantity;
  ELSE
    -- What was bought elsewhere has no known cost, and so no gain.
    IF counts THEN
      gain := gain + least(quantity, held) * (price - cost);
    END IF;
    held := greatest(held - quantity, 0);
  END IF;
  RETURN ARRAY[held, round(cost, 18), gain];
END $$;
CREATE OR REPLACE AGGREGATE engine.average_cost(public.trade_side, numeric, numeric, numeric, boolean) (
  SFUNC = engine.add_trade, STYPE = numeric[], INITCOND = '{0,0,0}');

-- Rows for those who traded or were there.
CREATE OR REPLACE FUNCTION engine.roll_up_user_analytics(of_day date) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  WITH traded AS (
    SELECT t.user_id, count(*) AS n, count(*) FILTER (WHERE t.filled_quantity > 0) AS filled,
           coalesce(sum(t.total_value_usd), 0) AS volume
      FROM public.trades t WHERE t.created_at >= of_day AND t.created_at < of_day + 1 AND t.user_id IS NOT NULL
     GROUP BY 1
  ), present AS (
    SELECT s.user_id, count(*) FILTER (WHERE s.created_at >= of_day) AS logins,
           round(sum(extract(epoch FROM greatest(interval '0',
             least(coalesce(s.last_active_at, s.created_at), of_day + 1) - greatest(s.created_at, of_day)))) / 60)
             AS minutes
      FROM public.user_sessions s
     WHERE s.created_at < of_day + 1 AND coalesce(s.last_active_at, s.created_at) >= of_day AND s.user_id IS NOT NULL
     GROUP BY 1
  ), held AS (
    SELECT t.user_id, t.asset_symbol,
           engine.average_cost(t.side, t.filled_quantity, t.total_value_usd / nullif(t.filled_quantity, 0), t.fees_usd,
             t.created_at >= of_day ORDER BY t.created_at, t.id) AS state
      FROM public.trades t
     WHERE t.created_at < of_day + 1 AND t.filled_quantity > 0
       AND t.user_id IN (SELECT user_id FROM traded UNION SELECT user_id FROM present)
     GROUP BY 1, 2
  ), symbols AS (
    SELECT DISTINCT h.asset_symbol FROM held h
     WHERE split_part(h.asset_symbol, '/', 2) IN ('USD', 'USDT', 'USDC') AND h.state[1] > 0
  ), prices AS (
    SELECT y.asset_symbol, engine.price_before(y.asset_symbol, (of_day + 1)::timestamp AT TIME ZONE 'UTC') AS price
      FROM symbols y
  ), valued AS (
    SELECT h.user_id, sum(h.state[1] * p.price) AS worth,
           sum((h.state[1] * p.price) ^ 2) AS squares
      FROM held h JOIN prices p ON p.asset_symbol = h.asset_symbol AND p.price > 0 WHERE h.state[1] > 0 GROUP BY 1
  ), gained AS (
    SELECT h.user_id, sum(h.state[3]) AS pnl FROM held h GROUP BY 1
  )
  INSERT INTO public.user_analytics AS r (user_id, date, total_trades, successful_trades, total_volume_usd,
      total_pnl_usd, portfolio_value_usd, risk_score, login_count, time_spent_minutes)
  SELECT u.id, of_day, coalesce(t.n, 0), coalesce(t.filled, 0), coalesce(t.volume, 0), coalesce(g.pnl, 0), v.worth,
         round(100 * v.squares / nullif(v.worth ^ 2, 0), 2), coalesce(p.logins, 0), coalesce(p.minutes, 0)
    FROM public.users u
    LEFT JOIN traded t ON t.user_id = u.id LEFT JOIN present p ON p.user_id = u.id
    LEFT JOIN valued v ON v.user_id = u.id LEFT JOIN gained g ON g.user_id = u.id
   WHERE t.user_id IS NOT NULL OR p.user_id IS NOT NULL ORDER BY u.id
  -- Sessions are removed after a while: what was seen of them stays.
  ON CONFLICT (user_id, date) DO UPDATE SET total_trades = excluded.total_trades,
    successful_trades = excluded.successful_trades, total_volume_usd = excluded.total_volume_usd,
    total_pnl_usd = excluded.total_pnl_usd, portfolio_value_usd = excluded.portfolio_value_usd,
    risk_score = excluded.risk_score, login_count = greatest(r.login_count, excluded.login_count),
    time_spent_minutes = greatest(r.time_spent_minutes, excluded.time_spent_minutes)
$$;

CREATE OR REPLACE FUNCTION engine.roll_up_platform_analytics(of_day date) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  WITH sessions AS (
    SELECT count(DISTINCT s.user_id) AS users,
           round(avg(extract(epoch FROM greatest(interval '0', s.last_active_at - s.created_at)))
             FILTER (WHERE s.created_at >= of_day) / 60) AS minutes
      FROM public.user_sessions s
     WHERE s.created_at < of_day + 1 AND coalesce(s.last_active_at, s.created_at) >= of_day
  ), traded AS (
    SELECT count(*) AS n, coalesce(sum(t.total_value_usd), 0) AS volume FROM public.trades t
     WHERE t.created_at >= of_day AND t.created_at < of_day + 1
  ), people AS (
    SELECT count(*) AS n, count(*) FILTER (WHERE u.created_at >= of_day) AS fresh FROM public.users u
     WHERE u.created_at < of_day + 1
  )
  INSERT INTO public.platform_analytics AS r (date, total_users, active_users, new_registrations, total_trades,
      total_volume_usd, total_revenue_usd, total_subscriptions, avg_session_duration_minutes)
  SELECT of_day, p.n, s.users, p.fresh, t.n, t.volume,
         coalesce((SELECT sum(v.revenue) FROM engine.revenue_of(of_day) v), 0),
         (SELECT count(*) FROM engine.subscribers_at(of_day + 1)), coalesce(s.minutes, 0)
    FROM people p, sessions s, traded t
  ON CONFLICT (date) DO UPDATE SET total_users = excluded.total_users,
    active_users = greatest(r.active_users, excluded.active_users),
    new_registrations = excluded.new_registrations, total_trades = excluded.total_trades,
    total_volume_usd = excluded.total_volume_usd, total_revenue_usd = excluded.total_revenue_usd,
    total_subscriptions = excluded.total_subscriptions,
    avg_session_duration_minutes = CASE WHEN excluded.active_users < r.active_users
      THEN r.avg_session_duration_minutes ELSE excluded.avg_session_duration_minutes END
$$;

-- How much of a portfolio hangs on few assets: see schema/README.md. From positions as they stand.
CREATE OR REPLACE FUNCTION engine.refresh_portfolio_risk() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Set here and not as the function's own: only a superuser may name such a setting there.
  counting_before text := coalesce(current_setting('oneclick.counting', true), '');
BEGIN
  PERFORM set_config('oneclick.counting', 'on', true);
  WITH worth AS (
    SELECT p.portfolio_id, abs(p.quantity * coalesce(p.current_price, p.average_buy_price)) AS value
      FROM public.portfolio_positions p WHERE p.quantity <> 0
  ), risk AS (
    SELECT w.portfolio_id, round(100 * sum(w.value ^ 2) / nullif(sum(w.value) ^ 2, 0), 2) AS score
      FROM worth w GROUP BY 1
  ), changed AS (
    SELECT f.id, r.score FROM public.portfolios f LEFT JOIN risk r ON r.portfolio_id = f.id
     WHERE f.risk_score IS DISTINCT FROM r.score ORDER BY f.id FOR NO KEY UPDATE OF f)
  UPDATE public.portfolios f SET risk_score = h.score FROM changed h WHERE h.id = f.id;
  PERFORM set_config('oneclick.counting', counting_before, true);
END $$;

-- All of a day; one session at a time.
CREATE OR REPLACE FUNCTION engine.roll_up_day(of_day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('oneclick roll-up', 0));
  PERFORM engine.roll_up_signal_performance(of_day);
  PERFORM engine.roll_up_channel_statistics(of_day);
  PERFORM engine.roll_up_channel_analytics(of_day);
  PERFORM engine.roll_up_user_analytics(of_day);
  PERFORM engine.roll_up_platform_analytics(of_day);
  INSERT INTO engine.rolled_up_days (day) VALUES (of_day)
    ON CONFLICT (day) DO UPDATE SET finished_at = excluded.finished_at;
END $$;

-- Days from the first to the last, each a transaction: broken off, it goes on where it was. Without a first day
-- from the latest one rolled up, which had not ended then. Not inside a transaction.
CREATE OR REPLACE PROCEDURE engine.roll_up(first_day date DEFAULT NULL,
  last_day date DEFAULT (now() AT TIME ZONE 'UTC')::date) LANGUAGE plpgsql AS $$
DECLARE
  of_day date := coalesce(first_day, (SELECT max(d.day) FROM engine.rolled_up_days d), last_day);
BEGIN
  WHILE of_day <= last_day LOOP
    PERFORM engine.roll_up_day(of_day);
    COMMIT;
    of_day := of_day + 1;
  END LOOP;
  PERFORM engine.refresh_channel_rates();
  PERFORM engine.refresh_portfolio_risk();
  COMMIT;
END $$;

DO $$
DECLARE
  named text;
BEGIN
  FOR named IN
    SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'engine'::regnamespace AND p.prosecdef
       AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
       AND p.proname ~ '^(roll_up|refresh)_'
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', named);
  END LOOP;
END $$;
