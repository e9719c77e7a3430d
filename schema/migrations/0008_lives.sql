-- Lives of things: primary payment methods and default portfolios, subscriptions, invoices, signals, alerts, and
-- the platform's own trades. Functions that a scheduled job calls take the moment as an argument, may run beside
-- each other, and pass over rows that somebody holds: the next run has them.

-- One primary payment method, one default portfolio ---------------------------------------------------------
-- Who is named takes the flag from whoever has it. The user's row is locked first, so that two sessions come one
-- after the other; the index would catch what came past that. Who has the flag already must not wait for the user
-- while holding a row that somebody takes the flag from: hence no trigger then.
UPDATE public.payment_methods m SET is_primary = false WHERE m.is_primary AND EXISTS (
  SELECT FROM public.payment_methods o WHERE o.user_id = m.user_id AND o.is_primary
     AND (o.created_at, o.id) > (m.created_at, m.id));
UPDATE public.portfolios p SET is_default = false WHERE p.is_default AND EXISTS (
  SELECT FROM public.portfolios o WHERE o.user_id = p.user_id AND o.is_default
     AND (o.created_at, o.id) < (p.created_at, p.id));
CREATE UNIQUE INDEX payment_methods_primary_idx ON public.payment_methods (user_id) WHERE is_primary;
CREATE UNIQUE INDEX portfolios_default_idx ON public.portfolios (user_id) WHERE is_default;

CREATE FUNCTION engine.move_primary() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM public.users u WHERE u.id = NEW.user_id FOR NO KEY UPDATE;
  UPDATE public.payment_methods m SET is_primary = false
   WHERE m.user_id = NEW.user_id AND m.is_primary AND m.id <> NEW.id;
  RETURN NEW;
END $$;
CREATE TRIGGER payment_methods_move_primary_inserted BEFORE INSERT ON public.payment_methods
  FOR EACH ROW WHEN (NEW.is_primary) EXECUTE FUNCTION engine.move_primary();
CREATE TRIGGER payment_methods_move_primary BEFORE UPDATE OF is_primary, user_id ON public.payment_methods
  FOR EACH ROW WHEN (NEW.is_primary AND (OLD.is_primary IS NOT TRUE OR NEW.user_id IS DISTINCT FROM OLD.user_id))
  EXECUTE FUNCTION engine.move_primary();

CREATE FUNCTION engine.move_default() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM public.users u WHERE u.id = NEW.user_id FOR NO KEY UPDATE;
  UPDATE public.portfolios p SET is_default = false
   WHERE p.user_id = NEW.user_id AND p.is_default AND p.id <> NEW.id;
  RETURN NEW;
END $$;
CREATE TRIGGER portfolios_move_default_inserted BEFORE INSERT ON public.portfolios
  FOR EACH ROW WHEN (NEW.is_default) EXECUTE FUNCTION engine.move_default();
CREATE TRIGGER portfolios_move_default BEFORE UPDATE OF is_default, user_id ON public.portfolios
  FOR EACH ROW WHEN (NEW.is_default AND (OLD.is_default IS NOT TRUE OR NEW.user_id IS DISTINCT FROM OLD.user_id))
  EXECUTE FUNCTION engine.move_default();

-- Notifications ---------------------------------------------------------------------------------------------
-- Writes a notification unless the user wants none of this kind, with the ways it is to be sent. Without rows of
-- preferences: in the application, by mail and on the device. NULL: nothing was written.
CREATE FUNCTION engine.notify(whom uuid, kind public.notification_type, headline text, content text,
  about jsonb DEFAULT '{}', urgency public.notification_priority DEFAULT 'normal')
RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO public.notifications (user_id, type, title, message, data, priority, delivery_method)
  SELECT u.id, kind, headline, content, about, urgency, to_jsonb(array_remove(ARRAY['in_app',
           CASE WHEN coalesce(p.email_enabled, true)
                 AND coalesce(s.email_notifications -> kind::text, 'true') <> 'false' THEN 'email' END,
           CASE WHEN coalesce(p.push_enabled, true)
                 AND coalesce(s.push_notifications -> kind::text, 'true') <> 'false' THEN 'push' END,
           CASE WHEN p.sms_enabled THEN 'sms' END], NULL))
    FROM public.users u
    LEFT JOIN public.user_settings s ON s.user_id = u.id
    LEFT JOIN public.notification_preferences p ON p.user_id = u.id AND p.notification_type = kind::text
   WHERE u.id = whom AND coalesce(s.notifications_enabled, true) AND coalesce(p.enabled, true)
  RETURNING id
$$;

-- Subscriptions ---------------------------------------------------------------------------------------------
CREATE FUNCTION engine.cycle_length(cycle public.subscription_billing_cycle) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE cycle WHEN 'monthly' THEN interval '1 month' WHEN 'yearly' THEN interval '1 year' END
$$;

-- What follows from a status: when the next bill is due, and when it was cancelled.
CREATE FUNCTION engine.subscription_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.status = 'cancelled' THEN
    NEW.cancelled_at := coalesce(NEW.cancelled_at, clock_timestamp() AT TIME ZONE 'UTC');
    NEW.auto_renew := false;
  ELSIF TG_OP = 'UPDATE' AND OLD.status = 'cancelled' AND NEW.cancelled_at IS NOT DISTINCT FROM OLD.cancelled_at THEN
    NEW.cancelled_at := NULL;
    NEW.cancellation_reason := NULL;
  END IF;
  IF NEW.status IN ('cancelled', 'expired') OR NOT NEW.auto_renew THEN
    NEW.next_billing_date := NULL;
  ELSIF NEW.status = 'active' AND NEW.auto_renew AND NEW.next_billing_date IS NULL THEN
    NEW.next_billing_date := coalesce(NEW.end_date, NEW.start_date + engine.cycle_length(NEW.billing_cycle));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER subscriptions_state BEFORE INSERT OR UPDATE ON public.subscriptions
  FOR EACH ROW EXECUTE FUNCTION engine.subscription_state();

-- What happened goes into the history. Expiring has no name there: status and end_date tell it. The payment
-- behind a step is known when the step was made by engine.renew_subscription.
CREATE FUNCTION engine.subscription_life() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  what public.subscription_action;
  paid_by uuid := nullif(current_setting('oneclick.payment', true), '')::uuid;
BEGIN
  IF TG_OP = 'INSERT' THEN
    what := 'created';
  ELSIF NEW.status = 'cancelled' AND OLD.status IS DISTINCT FROM 'cancelled' THEN
    what := 'cancelled';
  ELSIF NEW.status = 'suspended' AND OLD.status IS DISTINCT FROM 'suspended' THEN
    what := 'suspended';
  ELSIF NEW.status = 'active' AND OLD.status IN ('cancelled', 'suspended', 'expired') THEN
    what := 'reactivated';
  ELSIF NEW.status = 'active' AND OLD.status = 'active' AND NEW.end_date > OLD.end_date THEN
    what := 'renewed';
  ELSE
    RETURN NULL;
  END IF;
  INSERT INTO public.subscription_history
    (subscription_id, action, amount, currency, payment_method, transaction_id, notes, created_at)
  SELECT NEW.id, what, CASE WHEN what IN ('created', 'renewed') OR p.id IS NOT NULL THEN NEW.amount_paid END,
         NEW.currency, m.type::text, p.external_transaction_id,
         CASE WHEN what = 'cancelled' THEN NEW.cancellation_reason END, clock_timestamp() AT TIME ZONE 'UTC'
    FROM (VALUES (1)) AS one
    LEFT JOIN public.payments p ON p.id = paid_by
    LEFT JOIN public.payment_methods m ON m.id = p.payment_method_id;
  RETURN NULL;
END $$;
CREATE TRIGGER subscriptions_life AFTER INSERT OR UPDATE ON public.subscriptions
  FOR EACH ROW EXECUTE FUNCTION engine.subscription_life();

-- Which payments were turned into time, so that none is twice.
CREATE TABLE engine.renewals (
  payment_id uuid PRIMARY KEY REFERENCES public.payments (id) ON DELETE CASCADE,
  subscription_id uuid NOT NULL,
  end_date timestamp NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- One more cycle, paid by a completed payment of this subscription. Of an active one it begins where the last one
-- ends, of any other one now. Called again with the same payment it changes nothing. Returns the new end.
CREATE FUNCTION engine.renew_subscription(which uuid, payment uuid,
  at timestamp DEFAULT now() AT TIME ZONE 'UTC')
RETURNS timestamp LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  subscription public.subscriptions;
  paid public.payments;
  done timestamp;
  until timestamp;
BEGIN
  SELECT * INTO subscription FROM public.subscriptions s WHERE s.id = which FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no subscription %', which USING ERRCODE = 'no_data_found';
  END IF;
  SELECT r.end_date INTO done FROM engine.renewals r WHERE r.payment_id = payment AND r.subscription_id = which;
  IF FOUND THEN
    RETURN done;
  END IF;
  SELECT * INTO paid FROM public.payments p WHERE p.id = payment FOR NO KEY UPDATE;
  IF paid.status IS DISTINCT FROM 'completed' OR paid.subscription_id IS DISTINCT FROM which THEN
    RAISE EXCEPTION 'payment % is no completed payment of subscription %', payment, which
      USING ERRCODE = 'check_violation';
  END IF;
  IF subscription.billing_cycle IS NULL THEN
    RAISE EXCEPTION 'subscription % has no billing cycle', which USING ERRCODE = 'check_violation';
  END IF;
  until := CASE WHEN subscription.status = 'active' THEN coalesce(subscription.end_date, at) ELSE at END
           + engine.cycle_length(subscription.billing_cycle);
  INSERT INTO engine.renewals (payment_id, subscription_id, end_date) VALUES (payment, which, until);
  PERFORM set_config('oneclick.payment', payment::text, true);
  UPDATE public.subscriptions s
     SET status = 'active', amount_paid = paid.amount, currency = coalesce(paid.currency, s.currency),
         end_date = until, next_billing_date = until,
         auto_renew = coalesce(s.auto_renew, true) OR s.status = 'cancelled'
   WHERE s.id = which;
  PERFORM set_config('oneclick.payment', '', true);
  RETURN until;
END $$;

-- Those that are to be paid by `at`: the platform asks for the money and calls engine.renew_subscription.
CREATE FUNCTION engine.due_renewals(at timestamp DEFAULT now() AT TIME ZONE 'UTC')
RETURNS SETOF public.subscriptions LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT * FROM public.subscriptions s
   WHERE s.status = 'active' AND s.auto_renew AND s.next_billing_date <= at ORDER BY s.next_billing_date, s.id
$$;

CREATE INDEX subscriptions_end_date_idx ON public.subscriptions (end_date)
  WHERE status IN ('active', 'pending', 'suspended');

-- What has reached its end without having been paid again is over. Returns how many.
CREATE FUNCTION engine.expire_subscriptions(at timestamp DEFAULT now() AT TIME ZONE 'UTC', batch integer DEFAULT 10000)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ids uuid[];
BEGIN
  SELECT array_agg(d.id) INTO ids FROM (
    SELECT s.id FROM public.subscriptions s
     WHERE s.status IN ('active', 'pending', 'suspended') AND s.end_date <= at
     ORDER BY s.id LIMIT batch FOR NO KEY UPDATE SKIP LOCKED) d;
  UPDATE public.subscriptions s SET status = 'expired' WHERE s.id = ANY (ids);
  PERFORM engine.notify(s.user_id, 'subscription', 'Subscription ended',
            format('Your subscription to %s has ended.', c.name),
            jsonb_build_object('subscription_id', s.id, 'channel_id', c.id))
     FROM public.subscriptions s JOIN public.premium_channels c ON c.id = s.channel_id
    WHERE s.id = ANY (ids);
  RETURN coalesce(cardinality(ids), 0);
END $$;

-- Invoices --------------------------------------------------------------------------------------------------
-- INV-2026-000001 and on, anew each year. The year's row stays locked until the transaction ends, so numbers are
-- given in the order of commits, and one that is rolled back is given again. Invoices are not removed; what is
-- wrong is cancelled.
CREATE TABLE engine.invoice_numbers (
  year integer PRIMARY KEY,
  last bigint NOT NULL
);
-- Numbers of this form that are there already count.
INSERT INTO engine.invoice_numbers (year, last)
  SELECT substring(i.invoice_number FROM 5 FOR 4)::integer, max(substring(i.invoice_number FROM 10)::bigint)
    FROM public.invoices i WHERE i.invoice_number ~ '^INV-[0-9]{4}-[0-9]{6,15}$' GROUP BY 1;

CREATE FUNCTION engine.number_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  given text[] := regexp_match(NEW.invoice_number, '^INV-([0-9]{4})-([0-9]{6,15})$');
  of_year integer := coalesce(given[1]::integer,
                              extract(year FROM coalesce(NEW.created_at, now() AT TIME ZONE 'UTC'))::integer);
  number bigint;
BEGIN
  -- A number that is named (old invoices that are taken over, a restore) stays, and is not given again.
  IF NEW.invoice_number IS NOT NULL AND given IS NULL THEN
    RETURN NEW;
  END IF;
  INSERT INTO engine.invoice_numbers AS n (year, last) VALUES (of_year, coalesce(given[2]::bigint, 0))
    ON CONFLICT (year) DO UPDATE SET last = greatest(n.last, excluded.last)
    RETURNING n.last INTO number;
  IF given IS NOT NULL THEN
    RETURN NEW;
  END IF;
  -- A row whose id is there already will not come to be: INSERT ... ON CONFLICT must not leave a gap. Whoever
  -- wrote that row did so under the lock taken above.
  IF EXISTS (SELECT FROM public.invoices i WHERE i.id = NEW.id) THEN
    NEW.invoice_number := 'none';
    RETURN NEW;
  END IF;
  UPDATE engine.invoice_numbers n SET last = n.last + 1 WHERE n.year = of_year;
  NEW.invoice_number := format('INV-%s-%s', lpad(of_year::text, 4, '0'),
    lpad((number + 1)::text, greatest(6, length((number + 1)::text)), '0'));
  RETURN NEW;
END $$;
CREATE TRIGGER invoices_number BEFORE INSERT ON public.invoices
  FOR EACH ROW EXECUTE FUNCTION engine.number_invoice();

CREATE FUNCTION engine.keep_invoice() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'invoices keep their numbers and are not removed: set status to cancelled instead'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER invoices_keep_number BEFORE UPDATE OF invoice_number ON public.invoices
  FOR EACH ROW WHEN (NEW.invoice_number IS DISTINCT FROM OLD.invoice_number) EXECUTE FUNCTION engine.keep_invoice();
CREATE TRIGGER invoices_keep BEFORE DELETE ON public.invoices
  FOR EACH ROW EXECUTE FUNCTION engine.keep_invoice();
CREATE TRIGGER invoices_keep_all BEFORE TRUNCATE ON public.invoices
  FOR EACH STATEMENT EXECUTE FUNCTION engine.keep_invoice();

-- Signals ---------------------------------------------------------------------------------------------------
CREATE INDEX trading_signals_expires_at_idx ON public.trading_signals (expires_at) WHERE status = 'active';

-- Active signals that are past their time. Returns how many.
CREATE FUNCTION engine.expire_signals(at timestamp DEFAULT now() AT TIME ZONE 'UTC', batch integer DEFAULT 10000)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  expired integer;
BEGIN
  WITH due AS (
    SELECT s.id FROM public.trading_signals s WHERE s.status = 'active' AND s.expires_at <= at
     ORDER BY s.id LIMIT batch FOR NO KEY UPDATE SKIP LOCKED)
  UPDATE public.trading_signals s SET status = 'expired', closed_at = coalesce(s.closed_at, s.expires_at)
    FROM due WHERE s.id = due.id;
  GET DIAGNOSTICS expired = ROW_COUNT;
  RETURN expired;
END $$;

-- What changes about a signal is told in signal_updates. An entry price is no target: `price_target` stays for
-- rows of the platform's own. These rows are no news to the engine, which hears of the signal's own row; hence
-- the setting, which log_changes passes over.
CREATE FUNCTION engine.tell_signal_updates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Set here and not as the function's own: only a superuser may name such a setting there.
  counting_before text := coalesce(current_setting('oneclick.counting', true), '');
BEGIN
  PERFORM set_config('oneclick.counting', 'on', true);
  INSERT INTO public.signal_updates (signal_id, update_type, old_value, new_value, created_at)
  SELECT n.id, c.kind::public.signal_update_type, c.before, c.after, clock_timestamp() AT TIME ZONE 'UTC'
    FROM new_rows n JOIN old_rows o ON o.id = n.id
    CROSS JOIN LATERAL (VALUES
      ('stop_loss', trim_scale(o.stop_loss)::text, trim_scale(n.stop_loss)::text),
      ('take_profit', trim_scale(o.take_profit)::text, trim_scale(n.take_profit)::text),
      ('status', o.status::text, n.status::text),
      ('reasoning', o.reasoning, n.reasoning)) AS c (kind, before, after)
   WHERE c.before IS DISTINCT FROM c.after
   ORDER BY n.id;
  PERFORM set_config('oneclick.counting', counting_before, true);
  RETURN NULL;
END $$;
CREATE TRIGGER trading_signals_updates AFTER UPDATE ON public.trading_signals
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
  WHEN (current_setting('oneclick.counting', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION engine.tell_signal_updates();

-- Price alerts ----------------------------------------------------------------------------------------------
CREATE INDEX price_alerts_waiting_idx ON public.price_alerts (asset_symbol) WHERE is_active;

COMMENT ON COLUMN public.price_alerts.target_price IS
  'For above and below. For percentage_change what it is measured from: the latest price then, unless named.';

-- The price a change is measured from; where none is known yet, the first that comes.
CREATE FUNCTION engine.price_alert_base() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  SELECT p.price INTO NEW.target_price FROM public.price_history p
   WHERE p.symbol = NEW.asset_symbol AND p.price > 0 ORDER BY p.time DESC LIMIT 1;
  RETURN NEW;
END $$;
CREATE TRIGGER price_alerts_base BEFORE INSERT ON public.price_alerts FOR EACH ROW
  WHEN (NEW.condition_type = 'percentage_change' AND NEW.target_price IS NULL)
  EXECUTE FUNCTION engine.price_alert_base();

-- Looks which alerts a price sets off. Each goes off once, also when two prices come at the same time. One that
-- its owner is just editing is passed over: the feed must not wait for people, and the next price comes soon.
-- Returns how many.
CREATE FUNCTION engine.check_price_alerts(of_symbol text, price numeric, at timestamptz DEFAULT now())
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  alert public.price_alerts;
  hits integer := 0;
BEGIN
  IF NOT price > 0 OR price = 'NaN' THEN
    RETURN 0;
  END IF;
  FOR alert IN
    SELECT * FROM public.price_alerts a
     WHERE a.is_active AND a.asset_symbol = of_symbol AND CASE a.condition_type
         WHEN 'above' THEN price >= a.target_price
         WHEN 'below' THEN price <= a.target_price
         WHEN 'percentage_change' THEN a.target_price IS NULL OR CASE WHEN a.percentage_change > 0
           THEN price >= a.target_price * (1 + a.percentage_change / 100)
           ELSE price <= a.target_price * (1 + a.percentage_change / 100) END END
     ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    IF alert.target_price IS NULL THEN
      UPDATE public.price_alerts a SET target_price = price WHERE a.id = alert.id;
      CONTINUE;
    END IF;
    UPDATE public.price_alerts a SET is_active = false, triggered_at = at AT TIME ZONE 'UTC' WHERE a.id = alert.id;
    PERFORM engine.notify(alert.user_id, 'trade_alert', format('%s at %s', of_symbol, trim_scale(price)),
      CASE alert.condition_type
        WHEN 'above' THEN format('%s has reached %s.', of_symbol, trim_scale(alert.target_price))
        WHEN 'below' THEN format('%s has fallen to %s.', of_symbol, trim_scale(alert.target_price))
        ELSE format('%s has moved by %s %% from %s.', of_symbol, trim_scale(alert.percentage_change),
                    trim_scale(alert.target_price)) END,
      jsonb_build_object('price_alert_id', alert.id, 'symbol', of_symbol, 'price', price,
                         'condition', alert.condition_type), 'high');
    hits := hits + 1;
  END LOOP;
  RETURN hits;
END $$;

CREATE FUNCTION engine.price_came() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM engine.check_price_alerts(NEW.symbol, NEW.price, NEW.time);
  RETURN NULL;
END $$;

-- A trigger per row, because hypertables know no other; old prices, as they are loaded in bulk, pass by it. To
-- be called again by whoever makes a new table of price_history.
CREATE FUNCTION engine.watch_prices() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DROP TRIGGER IF EXISTS price_history_alerts ON public.price_history;
  CREATE TRIGGER price_history_alerts AFTER INSERT ON public.price_history FOR EACH ROW
    WHEN (NEW.time > now() - interval '5 minutes') EXECUTE FUNCTION engine.price_came();
END $$;
SELECT engine.watch_prices();

-- The platform's own trades ---------------------------------------------------------------------------------
-- Books a trade that a user made by hand: the order, its history, the position. Positions move as the sink moves
-- them: a buy adds its quantity less the fee taken in the base asset and weighs the average price; a sell takes
-- away and leaves the average; what comes to nothing starts over. Named twice with the same id, it is booked once.
CREATE FUNCTION engine.book_manual_trade(of_user uuid, symbol text, trade_side public.trade_side, amount numeric,
  at_price numeric, into_portfolio uuid DEFAULT NULL, on_exchange uuid DEFAULT NULL, fees numeric DEFAULT NULL,
  base_fee numeric DEFAULT 0, value_usd numeric DEFAULT NULL, kind public.trade_type DEFAULT 'market',
  venue_order_id text DEFAULT NULL, executed timestamp DEFAULT now() AT TIME ZONE 'UTC',
  trade uuid DEFAULT gen_random_uuid())
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  booked_in uuid;
  held public.portfolio_positions;
  added numeric;
  before numeric;
BEGIN
  IF NOT coalesce(amount > 0 AND at_price > 0 AND base_fee >= 0, false) OR 'NaN' IN (amount, at_price, base_fee) THEN
    RAISE EXCEPTION 'a trade has a quantity and a price above zero' USING ERRCODE = 'check_violation';
  END IF;
  SELECT p.id INTO booked_in FROM public.portfolios p
   WHERE p.user_id = of_user AND CASE WHEN into_portfolio IS NULL THEN p.is_default ELSE p.id = into_portfolio END;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % has no such portfolio', of_user USING ERRCODE = 'foreign_key_violation';
  END IF;
  IF on_exchange IS NOT NULL AND NOT EXISTS (
       SELECT FROM public.user_exchanges x WHERE x.id = on_exchange AND x.user_id = of_user) THEN
    RAISE EXCEPTION 'user % has no such exchange account', of_user USING ERRCODE = 'foreign_key_violation';
  END IF;

  INSERT INTO public.trades (id, user_id, portfolio_id, exchange_id, order_id, trade_type, side, asset_symbol,
      quantity, price, filled_quantity, filled_price, total_value_usd, fees_usd, status, source, executed_at)
    VALUES (trade, of_user, booked_in, on_exchange, venue_order_id, kind, trade_side, symbol, amount,
      CASE WHEN kind <> 'market' THEN at_price END, amount, at_price, value_usd, fees, 'filled', 'manual', executed)
    ON CONFLICT (id) DO NOTHING;
  IF NOT FOUND THEN
    RETURN trade;
  END IF;
  INSERT INTO public.trade_history (trade_id, status, price, quantity, "timestamp", exchange_response) VALUES
    (trade, 'filled', CASE WHEN kind <> 'market' THEN at_price END, amount, executed, '{"source": "manual"}'),
    (trade, 'fill', at_price, amount, executed,
     jsonb_build_object('source', 'manual', 'trade_id', trade, 'base_fee', base_fee));

  INSERT INTO public.portfolio_positions (portfolio_id, asset_symbol, quantity, user_id)
    VALUES (booked_in, symbol, 0, of_user) ON CONFLICT (portfolio_id, asset_symbol) DO NOTHING;
  SELECT * INTO held FROM public.portfolio_positions p
   WHERE p.portfolio_id = booked_in AND p.asset_symbol = symbol FOR UPDATE;
  IF trade_side = 'sell' THEN
    held.quantity := held.quantity - amount - base_fee;
    IF held.quantity <= 0 THEN
      held.average_buy_price := NULL;
    END IF;
  ELSE
    added := amount - base_fee;
    before := greatest(held.quantity, 0);
    IF held.average_buy_price IS NULL OR before = 0 OR before + added <= 0 THEN
      held.average_buy_price := at_price;
    ELSE
      held.average_buy_price := held.average_buy_price
        + round((at_price - held.average_buy_price) * added / (before + added), 8);
    END IF;
    held.quantity := held.quantity + added;
  END IF;
  UPDATE public.portfolio_positions p
     SET quantity = held.quantity, average_buy_price = held.average_buy_price,
         last_updated_at = greatest(p.last_updated_at, executed)
   WHERE p.id = held.id;
  RETURN trade;
END $$;

-- Functions that write as their owner are for the platform's programs, not for everybody who can connect.
DO $$
DECLARE
  named text;
BEGIN
  FOR named IN
    SELECT p.oid::regprocedure::text FROM pg_proc p
     WHERE p.pronamespace = 'engine'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', named);
  END LOOP;
END $$;
