-- The leader's share of what followers gain by copying, above the highest they had before. schema/README.md,
-- "Profit share", has the rules. All figures are USD and exact.

CREATE TABLE engine.profit_share_terms (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  leader_user_id uuid NOT NULL REFERENCES public.users (id),
  follower_user_id uuid NOT NULL REFERENCES public.users (id),
  rate numeric(5,4) NOT NULL CHECK (rate > 0 AND rate <= 1),
  period text NOT NULL CHECK (period IN ('day', 'week', 'month')),
  starts_at timestamptz NOT NULL CHECK (isfinite(starts_at)),
  ends_at timestamptz CHECK (isfinite(ends_at) AND ends_at > starts_at),
  held_back text,
  tried_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (leader_user_id <> follower_user_id)
);
CREATE UNIQUE INDEX profit_share_terms_one_idx ON engine.profit_share_terms (leader_user_id, follower_user_id)
  WHERE ends_at IS NULL;
CREATE INDEX profit_share_terms_follower_user_id_idx ON engine.profit_share_terms (follower_user_id);
COMMENT ON TABLE engine.profit_share_terms IS 'What a follower has agreed to share with a leader. Made by engine.begin_profit_share().';
COMMENT ON COLUMN engine.profit_share_terms.rate IS 'Of the gain: 0.1 is a tenth.';
COMMENT ON COLUMN engine.profit_share_terms.period IS 'What is settled at once, UTC: day, week (from Monday), month.';
COMMENT ON COLUMN engine.profit_share_terms.ends_at IS 'When the follower left; the last period ends then.';
COMMENT ON COLUMN engine.profit_share_terms.held_back IS 'Why nothing is accrued at the moment; NULL: it is.';
COMMENT ON COLUMN engine.profit_share_terms.tried_at IS 'When accruing was last tried.';

CREATE TABLE engine.profit_share_flows (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  terms_id uuid NOT NULL REFERENCES engine.profit_share_terms (id),
  at timestamptz NOT NULL,
  amount_usd numeric(20,8) NOT NULL CHECK (amount_usd <> 0 AND amount_usd <> 'NaN'),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX profit_share_flows_terms_id_at_idx ON engine.profit_share_flows (terms_id, at);
COMMENT ON TABLE engine.profit_share_flows IS
  'Money given to a copy (above 0) and taken back (below 0). Made by engine.book_profit_share_flow().';

CREATE TABLE engine.profit_share_accruals (
  terms_id uuid NOT NULL REFERENCES engine.profit_share_terms (id),
  at timestamptz NOT NULL,
  profit_usd numeric(20,8) NOT NULL,
  gained_usd numeric(20,8) NOT NULL,
  flow_usd numeric(20,8) NOT NULL,
  equity_usd numeric(20,8) NOT NULL,
  mark_usd numeric(20,8) NOT NULL,
  crystallised_usd numeric(20,8) NOT NULL,
  accrued_usd numeric(20,8) NOT NULL,
  PRIMARY KEY (terms_id, at)
);
COMMENT ON TABLE engine.profit_share_accruals IS 'A copy at its begin, at each midnight (UTC), flow and end.';
COMMENT ON COLUMN engine.profit_share_accruals.profit_usd IS 'engine.copy_profit(): all that copying this leader ever made.';
COMMENT ON COLUMN engine.profit_share_accruals.gained_usd IS 'Of it, since the row before.';
COMMENT ON COLUMN engine.profit_share_accruals.flow_usd IS 'Money given and taken at this moment, after all else.';
COMMENT ON COLUMN engine.profit_share_accruals.equity_usd IS 'Money given and not taken, and the gains.';
COMMENT ON COLUMN engine.profit_share_accruals.mark_usd IS
  'The high-water mark: what the equity has to pass before anything is shared. Less the equity: the loss carried forward.';
COMMENT ON COLUMN engine.profit_share_accruals.crystallised_usd IS
  'Gains in money taken back in this period: shared when it ends, whatever becomes of the rest.';
COMMENT ON COLUMN engine.profit_share_accruals.accrued_usd IS 'What would be payable if the period ended now.';

CREATE TABLE engine.profit_share_settlements (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  terms_id uuid NOT NULL REFERENCES engine.profit_share_terms (id),
  leader_user_id uuid NOT NULL REFERENCES public.users (id),
  follower_user_id uuid NOT NULL REFERENCES public.users (id),
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL CHECK (period_end > period_start),
  gain_usd numeric(20,8) NOT NULL CHECK (gain_usd >= 0),
  rate numeric(5,4) NOT NULL,
  amount_usd numeric(20,8) NOT NULL CHECK (amount_usd >= 0),
  loss_carried_usd numeric(20,8) NOT NULL CHECK (loss_carried_usd >= 0),
  status text NOT NULL CHECK (status IN ('nothing_due', 'payable', 'collected')),
  collected_at timestamptz,
  reference text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (terms_id, period_end),
  CHECK ((status = 'nothing_due') = (amount_usd = 0)),
  CHECK ((status = 'collected') = (collected_at IS NOT NULL))
);
CREATE INDEX profit_share_settlements_payable_idx ON engine.profit_share_settlements (period_end)
  WHERE status = 'payable';
CREATE INDEX profit_share_settlements_leader_user_id_idx ON engine.profit_share_settlements (leader_user_id);
CREATE INDEX profit_share_settlements_follower_user_id_idx ON engine.profit_share_settlements (follower_user_id);
COMMENT ON TABLE engine.profit_share_settlements IS
  'What a period came to. The platform collects what is payable, and says so by engine.collect_profit_share().';
COMMENT ON COLUMN engine.profit_share_settlements.gain_usd IS 'Above the mark, and in money that was taken back.';
COMMENT ON COLUMN engine.profit_share_settlements.amount_usd IS 'gain_usd x rate, rounded down.';
COMMENT ON COLUMN engine.profit_share_settlements.loss_carried_usd IS 'What has to be made up before anything is shared again.';
COMMENT ON COLUMN engine.profit_share_settlements.reference IS 'The platform''s: of its payment.';

-- All that a follower has made by copying a leader until a moment, from the engine's own trades: received less paid,
-- fees among it, and what is held at the price of that moment. `problem` says why it is not known.
CREATE FUNCTION engine.copy_profit(leader uuid, follower uuid, moment timestamptz, OUT profit numeric, OUT problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH fills AS (
    SELECT t.asset_symbol AS symbol, CASE t.side WHEN 'buy' THEN 1 ELSE -1 END AS sign, h.quantity, h.price, f.base_fee,
           f.fee, f.asset, engine.quote_of(t.asset_symbol) AS quote, h."timestamp" AT TIME ZONE 'UTC' AS at,
           (h.exchange_response ->> 'quote_usd')::numeric AS quote_usd,
           (h.exchange_response ->> 'fee_asset_usd')::numeric AS fee_usd
      FROM public.trades t
      JOIN public.trade_history h ON h.trade_id = t.id AND h.status = 'fill',
      LATERAL (SELECT coalesce((h.exchange_response ->> 'fee')::numeric, 0) AS fee,
                      coalesce((h.exchange_response ->> 'base_fee')::numeric, 0) AS base_fee,
                      h.exchange_response ->> 'fee_asset' AS asset) AS f
     WHERE t.user_id = follower AND t.copied_from_user_id = leader AND t.source = 'copy_trade'
       AND t.filled_quantity > 0 AND h."timestamp" < moment AT TIME ZONE 'UTC'
  ), cash AS (
    SELECT f.symbol, f.quote, f.sign * f.quantity - f.base_fee AS moved,
           -- A rate that the fill lacks may have become known since.
           - f.sign * f.quantity * f.price * r.quote_usd
           - CASE WHEN f.fee = 0 OR f.base_fee <> 0 THEN 0 WHEN f.asset = f.quote THEN f.fee * r.quote_usd
                  ELSE f.fee * coalesce(f.fee_usd, engine.usd_rate(f.asset, f.at)) END AS usd
      FROM fills f, LATERAL (SELECT coalesce(f.quote_usd, engine.usd_rate(f.quote, f.at)) AS quote_usd) AS r
  ), symbols AS (
    SELECT c.symbol, sum(c.usd) AS usd, count(*) FILTER (WHERE c.usd IS NULL) AS unknown, sum(c.moved) AS held,
           min(c.quote) AS quote FROM cash c GROUP BY c.symbol
  ), valued AS (
    SELECT s.*, CASE WHEN s.held > 0
             THEN s.held * engine.market_price(s.symbol, moment) * engine.usd_rate(s.quote, moment) ELSE 0 END AS worth
      FROM symbols s
  )
  SELECT CASE WHEN bool_and(v.unknown = 0 AND v.worth IS NOT NULL) IS NOT FALSE
           THEN round(coalesce(sum(v.usd + v.worth), 0), 8) END,
         (array_agg(CASE WHEN v.unknown > 0 THEN format('%s fills of %s have no rate to USD', v.unknown, v.symbol)
                         ELSE format('%s had no price or no rate to USD at %s UTC', v.symbol,
                                to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')) END
                    ORDER BY v.symbol) FILTER (WHERE v.unknown > 0 OR v.worth IS NULL))[1]
    FROM valued v
$$;
COMMENT ON FUNCTION engine.copy_profit(uuid, uuid, timestamptz) IS
  'What a follower made by copying a leader until a moment, in USD; or why that is not known.';

-- Begins of the period after a moment.
CREATE FUNCTION engine.next_period(period text, moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT (date_trunc(period, moment AT TIME ZONE 'UTC') + ('1 ' || period)::interval) AT TIME ZONE 'UTC'
$$;
COMMENT ON FUNCTION engine.next_period(text, timestamptz) IS 'When a period ends, UTC.';

-- Brings one agreement up to a moment and says how many rows that took: one per midnight, flow and end, each with what
-- was known then. What is there already is not made again; two at the same one come one after the other.
CREATE FUNCTION engine.accrue_profit_share(terms uuid, upto timestamptz) RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t engine.profit_share_terms;
  a engine.profit_share_accruals;
  made record;
  before record;
  moment timestamptz;
  period_start timestamptz;
  flow numeric;
  taken numeric;
  gain numeric;
  share numeric;
  done integer := 0;
BEGIN
  SELECT * INTO t FROM engine.profit_share_terms s WHERE s.id = terms FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there are no profit share terms %', terms USING ERRCODE = 'no_data_found';
  END IF;
  UPDATE engine.profit_share_terms s SET tried_at = clock_timestamp(), held_back = NULL WHERE s.id = terms;
  SELECT * INTO a FROM engine.profit_share_accruals s WHERE s.terms_id = terms ORDER BY s.at DESC LIMIT 1;
  IF NOT FOUND THEN
    IF t.starts_at > upto THEN
      RETURN 0;
    END IF;
    -- A loss under the same two's agreement of before is still a loss.
    SELECT p.id, p.ends_at, s.at, greatest(s.mark_usd - s.equity_usd, 0) AS loss INTO before
      FROM engine.profit_share_terms p
      LEFT JOIN LATERAL (SELECT * FROM engine.profit_share_accruals s WHERE s.terms_id = p.id
                          ORDER BY s.at DESC LIMIT 1) s ON true
     WHERE p.leader_user_id = t.leader_user_id AND p.follower_user_id = t.follower_user_id AND p.id <> t.id
       AND p.starts_at < t.starts_at ORDER BY p.starts_at DESC LIMIT 1;
    SELECT * INTO made FROM engine.copy_profit(t.leader_user_id, t.follower_user_id, t.starts_at);
    IF before.id IS NOT NULL AND before.at IS DISTINCT FROM before.ends_at THEN
      made.problem := format('the terms before, %s, are not settled', before.id);
    END IF;
    IF made.problem IS NOT NULL THEN
      UPDATE engine.profit_share_terms s SET held_back = made.problem WHERE s.id = terms;
      RETURN 0;
    END IF;
    flow := (SELECT coalesce(sum(f.amount_usd), 0) FROM engine.profit_share_flows f
              WHERE f.terms_id = terms AND f.at <= t.starts_at);
    INSERT INTO engine.profit_share_accruals
      VALUES (terms, t.starts_at, made.profit, 0, flow, flow, flow + coalesce(before.loss, 0), 0, 0) RETURNING * INTO a;
    done := 1;
  END IF;
  LOOP
    moment := least(engine.next_period('day', a.at), t.ends_at,
      (SELECT min(f.at) FROM engine.profit_share_flows f WHERE f.terms_id = terms AND f.at > a.at));
    EXIT WHEN a.at >= t.ends_at OR moment > upto;
    SELECT * INTO made FROM engine.copy_profit(t.leader_user_id, t.follower_user_id, moment);
    IF made.problem IS NOT NULL THEN
      UPDATE engine.profit_share_terms s SET held_back = made.problem WHERE s.id = terms;
      EXIT;
    END IF;
    period_start := greatest(t.starts_at, (date_trunc(t.period, a.at AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC');
    a.gained_usd := made.profit - a.profit_usd;
    a.profit_usd := made.profit;
    a.equity_usd := a.equity_usd + a.gained_usd;
    IF moment = engine.next_period(t.period, a.at) OR moment = t.ends_at THEN
      gain := greatest(a.equity_usd - a.mark_usd, 0) + a.crystallised_usd;
      share := trunc(gain * t.rate, 8);
      a.mark_usd := greatest(a.mark_usd, a.equity_usd);
      a.crystallised_usd := 0;
      INSERT INTO engine.profit_share_settlements (terms_id, leader_user_id, follower_user_id, period_start, period_end,
          gain_usd, rate, amount_usd, loss_carried_usd, status)
        VALUES (terms, t.leader_user_id, t.follower_user_id, period_start, moment, gain, t.rate, share,
          a.mark_usd - a.equity_usd, CASE WHEN share > 0 THEN 'payable' ELSE 'nothing_due' END);
    END IF;
    a.flow_usd := (SELECT coalesce(sum(f.amount_usd), 0) FROM engine.profit_share_flows f
                    WHERE f.terms_id = terms AND f.at = moment);
    IF a.flow_usd > 0 THEN
      a.equity_usd := a.equity_usd + a.flow_usd;
      a.mark_usd := a.mark_usd + a.flow_usd;
    ELSIF a.flow_usd < 0 AND a.equity_usd > 0 THEN
      -- So much of every unit goes: of its gain, which is shared, or of its loss, which is not carried on.
      taken := least(-a.flow_usd, a.equity_usd);
      a.crystallised_usd := a.crystallised_usd
        + round(greatest(a.equity_usd - a.mark_usd, 0) * taken / a.equity_usd, 8);
      a.mark_usd := round(a.mark_usd * (a.equity_usd - taken) / a.equity_usd, 8);
      a.equity_usd := a.equity_usd - taken;
    END IF;
    a.accrued_usd := trunc((greatest(a.equity_usd - a.mark_usd, 0) + a.crystallised_usd) * t.rate, 8);
    a.at := moment;
    INSERT INTO engine.profit_share_accruals SELECT a.*;
    done := done + 1;
  END LOOP;
  RETURN done;
END $$;
COMMENT ON FUNCTION engine.accrue_profit_share(uuid, timestamptz) IS 'Accrues and settles one agreement up to a moment.';

-- Agreements for which rows are to be made.
CREATE FUNCTION engine.due_profit_shares(upto timestamptz) RETURNS TABLE (terms_id uuid, since timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.id, coalesce(a.at, t.starts_at) FROM engine.profit_share_terms t
    LEFT JOIN LATERAL (SELECT s.at FROM engine.profit_share_accruals s WHERE s.terms_id = t.id
                        ORDER BY s.at DESC LIMIT 1) a ON true
   WHERE t.starts_at <= upto AND CASE WHEN a.at IS NULL THEN true WHEN a.at >= t.ends_at THEN false
           ELSE least(engine.next_period('day', a.at), t.ends_at,
             (SELECT min(f.at) FROM engine.profit_share_flows f WHERE f.terms_id = t.id AND f.at > a.at)) <= upto END
$$;
COMMENT ON FUNCTION engine.due_profit_shares(timestamptz) IS 'Agreements that have something to accrue, and since when.';

-- The next ones that this run, which began at `began`, has not tried: returns how many. Those that another run holds
-- are its own.
CREATE FUNCTION engine.accrue_profit_shares(began timestamptz, upto timestamptz, terms_max integer DEFAULT 100)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  one uuid;
  handled integer := 0;
BEGIN
  FOR one IN
    SELECT t.id FROM engine.profit_share_terms t
     WHERE t.id IN (SELECT d.terms_id FROM engine.due_profit_shares(upto) d)
       AND (t.tried_at IS NULL OR t.tried_at < began)
     ORDER BY t.starts_at, t.id LIMIT terms_max FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM engine.accrue_profit_share(one, upto);
    handled := handled + 1;
  END LOOP;
  RETURN handled;
END $$;
COMMENT ON FUNCTION engine.accrue_profit_shares(timestamptz, timestamptz, integer) IS 'Accrues what is due, some at a time.';

-- The platform's hands ------------------------------------------------------------------------------------------
CREATE FUNCTION engine.begin_profit_share(leader uuid, follower uuid, of_rate numeric, of_period text,
  starts timestamptz DEFAULT now(), capital_usd numeric DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  made uuid;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('oneclick profit share ' || leader || follower, 0));
  IF EXISTS (SELECT FROM engine.profit_share_terms t WHERE t.leader_user_id = leader AND t.follower_user_id = follower
              AND (t.ends_at IS NULL OR t.ends_at > starts)) THEN
    RAISE EXCEPTION 'follower % shares profits with leader % already at %', follower, leader, starts
      USING ERRCODE = 'unique_violation';
  END IF;
  IF of_rate <> round(of_rate, 4) THEN
    RAISE EXCEPTION 'rate = %: four decimals at most', of_rate USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO engine.profit_share_terms (leader_user_id, follower_user_id, rate, period, starts_at)
    VALUES (leader, follower, of_rate, of_period, starts) RETURNING id INTO made;
  IF capital_usd IS NOT NULL THEN
    INSERT INTO engine.profit_share_flows (terms_id, at, amount_usd) VALUES (made, starts, capital_usd);
  END IF;
  RETURN made;
END $$;
COMMENT ON FUNCTION engine.begin_profit_share(uuid, uuid, numeric, text, timestamptz, numeric) IS
  'A follower begins to share profits with a leader; returns the id of the terms.';

-- What was accrued stays: neither an end nor money can be told for before it.
CREATE FUNCTION engine.end_profit_share(terms uuid, ends timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t engine.profit_share_terms;
  told timestamptz;
BEGIN
  SELECT * INTO t FROM engine.profit_share_terms s WHERE s.id = terms FOR UPDATE;
  IF NOT FOUND OR t.ends_at IS NOT NULL THEN
    RAISE EXCEPTION 'profit share terms % %', terms, coalesce('have ended at ' || t.ends_at, 'are not there')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  told := (SELECT max(a.at) FROM engine.profit_share_accruals a WHERE a.terms_id = terms);
  IF ends <= told THEN
    RAISE EXCEPTION 'ends = %: after %, until when profits are accrued', ends, told
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE engine.profit_share_terms s SET ends_at = ends WHERE s.id = terms;
END $$;
COMMENT ON FUNCTION engine.end_profit_share(uuid, timestamptz) IS 'A follower leaves: the last period ends then.';

CREATE FUNCTION engine.book_profit_share_flow(terms uuid, amount_usd numeric, moment timestamptz DEFAULT now(),
  flow uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t engine.profit_share_terms;
  told timestamptz;
BEGIN
  IF EXISTS (SELECT FROM engine.profit_share_flows f WHERE f.id = flow) THEN
    RETURN flow;
  END IF;
  SELECT * INTO t FROM engine.profit_share_terms s WHERE s.id = terms FOR UPDATE;
  IF NOT FOUND OR moment >= t.ends_at THEN
    RAISE EXCEPTION 'profit share terms % %', terms, coalesce('have ended at ' || t.ends_at, 'are not there')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  told := (SELECT max(a.at) FROM engine.profit_share_accruals a WHERE a.terms_id = terms);
  IF moment <= told OR moment > now() THEN
    RAISE EXCEPTION 'moment = %: after %, until when profits are accrued, and not in the future', moment, told
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO engine.profit_share_flows (id, terms_id, at, amount_usd) VALUES (flow, terms, moment, amount_usd)
    ON CONFLICT (id) DO NOTHING;
  RETURN flow;
END $$;
COMMENT ON FUNCTION engine.book_profit_share_flow(uuid, numeric, timestamptz, uuid) IS
  'Money was given to a copy, or taken back (below 0); once per id.';

CREATE FUNCTION engine.collect_profit_share(settlement uuid, of_reference text, moment timestamptz DEFAULT now())
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s engine.profit_share_settlements;
BEGIN
  UPDATE engine.profit_share_settlements p
     SET status = 'collected', collected_at = moment, reference = of_reference
   WHERE p.id = settlement AND p.status = 'payable';
  IF FOUND THEN
    RETURN true;
  END IF;
  SELECT * INTO s FROM engine.profit_share_settlements p WHERE p.id = settlement;
  IF s.status = 'collected' AND s.reference IS NOT DISTINCT FROM of_reference THEN
    RETURN false;
  END IF;
  RAISE EXCEPTION 'settlement % is %', settlement,
    coalesce(s.status || coalesce(' as ' || s.reference, ''), 'not there') USING ERRCODE = 'invalid_parameter_value';
END $$;
COMMENT ON FUNCTION engine.collect_profit_share(uuid, text, timestamptz) IS
  'The platform has collected a payable amount; false: it had said so before.';

-- The nightly job in SQL accrues them too, as `oneclick maintain` does.
CREATE OR REPLACE PROCEDURE engine.maintain(user_sessions_days integer DEFAULT 30, notifications_days integer DEFAULT 365,
  system_logs_days integer DEFAULT 90, market_data_years integer DEFAULT 5, batch_rows integer DEFAULT 5000)
LANGUAGE plpgsql AS $$
DECLARE
  today timestamp := now() AT TIME ZONE 'UTC';
  began timestamptz := clock_timestamp();
BEGIN
  IF least(user_sessions_days, notifications_days, system_logs_days, market_data_years, batch_rows) < 1
     OR num_nulls(user_sessions_days, notifications_days, system_logs_days, market_data_years, batch_rows) > 0 THEN
    RAISE EXCEPTION 'maintain: periods and batch_rows must be at least 1' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM set_config('timezone', 'UTC', false), set_config('lock_timeout', '10s', false);
  IF NOT engine.try_maintenance() THEN
    RAISE NOTICE 'another run is at it';
    RETURN;
  END IF;
  LOOP
    EXIT WHEN engine.expire_subscriptions(batch => batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.expire_signals(batch => batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.accrue_profit_shares(began, began - interval '5 minutes') = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.retention_remove('notifications', today - make_interval(days => notifications_days),
                                      batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.retention_remove('system_logs', today - make_interval(days => system_logs_days), batch_rows) = 0;
    COMMIT;
  END LOOP;
  LOOP
    EXIT WHEN engine.retention_remove('change_log', NULL, batch_rows) = 0;
    COMMIT;
  END LOOP;
  CALL engine.aggregate_market_data();
  PERFORM engine.drop_market_data(date_trunc('month', today - make_interval(years => market_data_years)));
  COMMIT;
  CALL engine.keep_time_series();
  CALL engine.roll_up(engine.roll_up_from(), today::date);
  LOOP
    EXIT WHEN engine.retention_remove('user_sessions', today - make_interval(days => user_sessions_days),
                                      batch_rows) = 0;
    COMMIT;
  END LOOP;
  PERFORM engine.end_maintenance();
END $$;

DO $$
DECLARE
  given text;
BEGIN
  REVOKE ALL ON FUNCTION engine.accrue_profit_share(uuid, timestamptz),
    engine.accrue_profit_shares(timestamptz, timestamptz, integer),
    engine.begin_profit_share(uuid, uuid, numeric, text, timestamptz, numeric),
    engine.end_profit_share(uuid, timestamptz), engine.book_profit_share_flow(uuid, numeric, timestamptz, uuid),
    engine.collect_profit_share(uuid, text, timestamptz) FROM PUBLIC;
  FOREACH given IN ARRAY ARRAY[
    'oneclick_platform EXECUTE ON FUNCTION engine.begin_profit_share(uuid, uuid, numeric, text, timestamptz, numeric),
       engine.end_profit_share(uuid, timestamptz), engine.book_profit_share_flow(uuid, numeric, timestamptz, uuid),
       engine.collect_profit_share(uuid, text, timestamptz)',
    'oneclick_owner EXECUTE ON FUNCTION engine.accrue_profit_share(uuid, timestamptz),
       engine.accrue_profit_shares(timestamptz, timestamptz, integer)',
    'oneclick_platform SELECT ON engine.profit_share_terms, engine.profit_share_flows, engine.profit_share_accruals,
       engine.profit_share_settlements',
    'oneclick_readonly SELECT ON engine.profit_share_terms, engine.profit_share_flows, engine.profit_share_accruals,
       engine.profit_share_settlements',
    'oneclick_backup SELECT ON engine.profit_share_terms, engine.profit_share_flows, engine.profit_share_accruals,
       engine.profit_share_settlements']
  LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = split_part(given, ' ', 1)) THEN
      EXECUTE format('GRANT %s TO %I', substr(given, strpos(given, ' ') + 1), split_part(given, ' ', 1));
    END IF;
  END LOOP;
END $$;
