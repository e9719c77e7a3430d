-- Books in USD: what a portfolio's holdings cost, fees included, what their sales made of it, and what they are
-- worth now. The sink moves them with the positions; engine.mark_portfolios() tells the platform's own columns.

-- What a unit of an asset was worth in USD, by the rule for trades: the first that was told in each ten minutes.
CREATE TABLE engine.usd_rates (
  asset text NOT NULL,
  bucket timestamptz NOT NULL,
  usd numeric(20,8) NOT NULL CHECK (usd > 0),
  at timestamptz NOT NULL,
  PRIMARY KEY (asset, bucket)
);
COMMENT ON TABLE engine.usd_rates IS 'What assets were worth in USD: the first rate known in each ten minutes.';
COMMENT ON COLUMN engine.usd_rates.bucket IS 'The ten minutes it stands for, by their begin.';
COMMENT ON COLUMN engine.usd_rates.usd IS 'USD per unit: the venue''s middle price, or a configured and dated peg.';
COMMENT ON COLUMN engine.usd_rates.at IS 'When it was known.';

CREATE TABLE engine.position_books (
  portfolio_id uuid NOT NULL REFERENCES public.portfolios (id) ON DELETE CASCADE,
  asset_symbol varchar NOT NULL,
  cost_usd numeric(20,8) NOT NULL DEFAULT 0,
  cost_known boolean NOT NULL DEFAULT true,
  spent_usd numeric(20,8) NOT NULL DEFAULT 0,
  realised_usd numeric(20,8) NOT NULL DEFAULT 0,
  fees_usd numeric(20,8) NOT NULL DEFAULT 0,
  unvalued_fills bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (portfolio_id, asset_symbol)
);
COMMENT ON TABLE engine.position_books IS 'What positions cost and made, in USD. Written with portfolio_positions.';
COMMENT ON COLUMN engine.position_books.cost_usd IS 'What is held has cost so much, fees paid for it included.';
COMMENT ON COLUMN engine.position_books.cost_known IS
  'False while something is held whose cost is not known: no rate, or bought before this table was there.';
COMMENT ON COLUMN engine.position_books.spent_usd IS 'All that was ever paid for buys, fees included.';
COMMENT ON COLUMN engine.position_books.realised_usd IS 'What sells brought, less their fees, less what the sold had cost.';
COMMENT ON COLUMN engine.position_books.fees_usd IS 'All fees, whatever they were paid in; a part of the other figures.';
COMMENT ON COLUMN engine.position_books.unvalued_fills IS
  'Fills that these figures lack, since a rate or a cost was not known. Above 0 the profit is not known.';

-- What an asset was worth at a moment; NULL where nothing was told in the day before. (PL/pgSQL here and below: a plan
-- is made once for many calls.)
CREATE FUNCTION engine.usd_rate(of_asset text, moment timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF of_asset = 'USD' THEN
    RETURN 1;
  END IF;
  RETURN (SELECT r.usd FROM engine.usd_rates r
           WHERE r.asset = of_asset AND r.bucket <= moment AND r.at <= moment AND r.at > moment - interval '1 day'
           ORDER BY r.bucket DESC LIMIT 1);
END $$;
COMMENT ON FUNCTION engine.usd_rate(text, timestamptz) IS 'USD per unit of an asset; NULL: not known.';

-- What a symbol's price was at a moment, in quote; NULL where nothing was told in the day before. Single prices go
-- before candles, which end after the time they carry.
CREATE FUNCTION engine.market_price(of_symbol text, moment timestamptz) RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  found_price numeric;
BEGIN
  SELECT p.price INTO found_price FROM public.price_history p
   WHERE p.symbol = of_symbol AND p.time <= moment AND p.time > moment - interval '1 day' AND p.price > 0
   ORDER BY p.time DESC LIMIT 1;
  IF found_price IS NULL THEN
    SELECT m.close_price INTO found_price FROM public.market_data m
     WHERE m.symbol = of_symbol AND m.time <= moment AND m.time > moment - interval '1 day' AND m.close_price > 0
     ORDER BY m.time DESC LIMIT 1;
  END IF;
  RETURN found_price;
END $$;
COMMENT ON FUNCTION engine.market_price(text, timestamptz) IS 'The price of a symbol at a moment; NULL: not known.';

-- BASE/QUOTE or BASE/QUOTE:SETTLE: what its prices are in.
CREATE FUNCTION engine.quote_of(symbol text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT split_part(split_part(symbol, '/', 2), ':', 1)
$$;
COMMENT ON FUNCTION engine.quote_of(text) IS 'The asset that prices of a symbol are in.';

-- One fill into the books; the sink does the same with numbers of its own (apply_fill in persistence). value_usd is
-- quantity times price, cash_fee_usd the fee unless it was taken in the base asset; NULL: not known.
CREATE FUNCTION engine.book_fill_usd(portfolio uuid, symbol text, fill_side public.trade_side, quantity numeric,
  base_fee numeric, held_before numeric, value_usd numeric, cash_fee_usd numeric, all_fees_usd numeric)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  b engine.position_books;
  moved numeric := CASE fill_side WHEN 'sell' THEN quantity + base_fee ELSE quantity - base_fee END;
  held numeric := greatest(held_before, 0);
  is_known boolean := value_usd IS NOT NULL AND cash_fee_usd IS NOT NULL;
  part numeric;
  cash numeric;
BEGIN
  INSERT INTO engine.position_books (portfolio_id, asset_symbol, cost_known)
    VALUES (portfolio, symbol, held = 0) ON CONFLICT DO NOTHING;
  SELECT * INTO b FROM engine.position_books p WHERE p.portfolio_id = portfolio AND p.asset_symbol = symbol
     FOR NO KEY UPDATE;
  b.fees_usd := b.fees_usd + coalesce(all_fees_usd, 0);
  IF fill_side = 'buy' THEN
    IF NOT is_known THEN
      b.unvalued_fills := b.unvalued_fills + 1;
      b.cost_known := b.cost_known AND held_before + moved <= 0;
    ELSE
      cash := round(value_usd + cash_fee_usd, 8);
      b.spent_usd := b.spent_usd + cash;
      IF held_before >= 0 THEN
        b.cost_usd := b.cost_usd + cash;
      ELSIF held_before + moved > 0 THEN  -- the rest buys back what was sold without having been bought here
        b.cost_usd := b.cost_usd + round(cash * (held_before + moved) / moved, 8);
      END IF;
    END IF;
  ELSIF held > 0 THEN
    part := CASE WHEN moved >= held THEN b.cost_usd ELSE round(b.cost_usd * moved / held, 8) END;
    IF is_known AND b.cost_known THEN
      cash := round(value_usd - cash_fee_usd, 8);
      b.realised_usd := b.realised_usd - part
        + CASE WHEN moved > held THEN round(cash * held / moved, 8) ELSE cash END;
    ELSE
      b.unvalued_fills := b.unvalued_fills + 1;
    END IF;
    b.cost_usd := b.cost_usd - part;
    b.cost_known := b.cost_known OR moved >= held;
  END IF;
  UPDATE engine.position_books p
     SET cost_usd = b.cost_usd, cost_known = b.cost_known, spent_usd = b.spent_usd, realised_usd = b.realised_usd,
         fees_usd = b.fees_usd, unvalued_fills = b.unvalued_fills
   WHERE p.portfolio_id = portfolio AND p.asset_symbol = symbol;
END $$;
COMMENT ON FUNCTION engine.book_fill_usd(uuid, text, public.trade_side, numeric, numeric, numeric, numeric, numeric,
  numeric) IS 'One fill into engine.position_books.';

-- What each position is worth at a moment, with what is known at that moment about prices and rates.
CREATE FUNCTION engine.position_values(moment timestamptz, portfolios uuid[])
RETURNS TABLE (portfolio_id uuid, asset_symbol varchar, quantity numeric, average_buy_price numeric, price numeric,
  quote_usd numeric, value_usd numeric, cost_usd numeric, realised_usd numeric, unrealised_usd numeric,
  fees_usd numeric, spent_usd numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH mine AS (
    SELECT p.portfolio_id, p.asset_symbol, p.quantity, p.average_buy_price, b.cost_usd, b.cost_known, b.realised_usd,
           b.fees_usd, b.spent_usd, b.unvalued_fills
      FROM public.portfolio_positions p
      JOIN engine.position_books b ON b.portfolio_id = p.portfolio_id AND b.asset_symbol = p.asset_symbol
     WHERE portfolios IS NULL OR p.portfolio_id = ANY (portfolios)
  ), market AS MATERIALIZED (  -- each symbol once
    SELECT s.asset_symbol, engine.market_price(s.asset_symbol, moment) AS price,
           engine.usd_rate(engine.quote_of(s.asset_symbol), moment) AS quote_usd
      FROM (SELECT DISTINCT m.asset_symbol FROM mine m) s
  )
  SELECT m.portfolio_id, m.asset_symbol, m.quantity, m.average_buy_price, k.price, k.quote_usd, v.value_usd,
         CASE WHEN m.cost_known THEN m.cost_usd END,
         CASE WHEN m.unvalued_fills = 0 THEN m.realised_usd END,
         CASE WHEN m.cost_known THEN v.value_usd - m.cost_usd END, m.fees_usd, m.spent_usd
    FROM mine m JOIN market k ON k.asset_symbol = m.asset_symbol,
    LATERAL (SELECT CASE WHEN m.quantity <= 0 THEN 0  -- and nothing that the columns could not hold
                         WHEN m.quantity * k.price * k.quote_usd < 1e11 THEN round(m.quantity * k.price * k.quote_usd, 8)
                    END) AS v (value_usd)
$$;
COMMENT ON FUNCTION engine.position_values(timestamptz, uuid[]) IS
  'What positions are worth and made, in USD; NULL: not known. Portfolios NULL: all.';

CREATE VIEW engine.position_profits AS
  SELECT f.user_id, v.* FROM engine.position_values(now(), NULL) v JOIN public.portfolios f ON f.id = v.portfolio_id;
COMMENT ON VIEW engine.position_profits IS 'Positions as they are worth now, with their profit in USD.';

-- As the platform's columns hold it.
CREATE FUNCTION engine.as_percentage(part numeric, of_whole numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN part IS NOT NULL AND of_whole <> 0
    THEN round(greatest(-999999, least(999999, 100 * part / of_whole)), 4) END
$$;
COMMENT ON FUNCTION engine.as_percentage(numeric, numeric) IS 'Per cent, within what numeric(10,4) holds.';

-- The platform's columns of the next portfolios that have books: returns the last one's id, NULL at the end. Few at a
-- time, so that the sink, which locks the same rows in the same order, never waits long; what it holds is passed over
-- until the next time. Rows that say it already are not written.
CREATE FUNCTION engine.mark_portfolios(after uuid DEFAULT NULL, portfolios_max integer DEFAULT 500,
  moment timestamptz DEFAULT now())
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Set here and not as the function's own: only a superuser may name such a setting there.
  counting_before text := coalesce(current_setting('oneclick.counting', true), '');
  wanted uuid[];
BEGIN
  wanted := ARRAY(SELECT DISTINCT b.portfolio_id FROM engine.position_books b
                   WHERE after IS NULL OR b.portfolio_id > after ORDER BY 1 LIMIT portfolios_max);
  IF cardinality(wanted) = 0 THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('oneclick.counting', 'on', true);
  -- Both rows, so that neither is read from before the other was written.
  wanted := ARRAY(
    SELECT h.portfolio_id FROM (
      SELECT p.portfolio_id FROM public.portfolio_positions p
        JOIN engine.position_books b ON b.portfolio_id = p.portfolio_id AND b.asset_symbol = p.asset_symbol
       WHERE p.portfolio_id = ANY (wanted) ORDER BY p.portfolio_id, p.asset_symbol
         FOR NO KEY UPDATE OF p, b SKIP LOCKED) h
     GROUP BY h.portfolio_id
    HAVING count(*) = (SELECT count(*) FROM engine.position_books b WHERE b.portfolio_id = h.portfolio_id))
    || wanted[cardinality(wanted)];
  DECLARE
    last uuid := wanted[cardinality(wanted)];
  BEGIN
    wanted := wanted[:cardinality(wanted) - 1];
    WITH valued AS MATERIALIZED (SELECT * FROM engine.position_values(moment, wanted)),
    marked AS (
      UPDATE public.portfolio_positions p
         SET current_price = v.price, total_value_usd = v.value_usd, unrealized_pnl_usd = v.unrealised_usd,
             unrealized_pnl_percentage =
               engine.as_percentage(v.unrealised_usd, v.cost_usd)
        FROM valued v
       WHERE p.portfolio_id = v.portfolio_id AND p.asset_symbol = v.asset_symbol
         AND (p.current_price, p.total_value_usd, p.unrealized_pnl_usd)
             IS DISTINCT FROM (v.price, v.value_usd, v.unrealised_usd)),
    totals AS (
      SELECT v.portfolio_id,
             CASE WHEN bool_and(v.value_usd IS NOT NULL) THEN sum(v.value_usd) END AS worth,
             CASE WHEN bool_and(v.realised_usd IS NOT NULL AND v.unrealised_usd IS NOT NULL)
               THEN sum(v.realised_usd + v.unrealised_usd) END AS profit,
             sum(v.spent_usd) AS spent
        FROM valued v GROUP BY v.portfolio_id),
    changed AS (
      SELECT f.id, t.worth, t.profit,
             engine.as_percentage(t.profit, t.spent) AS percentage
        FROM public.portfolios f JOIN totals t ON t.portfolio_id = f.id
       WHERE (f.total_value_usd, f.total_pnl_usd) IS DISTINCT FROM (t.worth, t.profit)
       ORDER BY f.id FOR NO KEY UPDATE OF f SKIP LOCKED)
    UPDATE public.portfolios f
       SET total_value_usd = c.worth, total_pnl_usd = c.profit, total_pnl_percentage = c.percentage
      FROM changed c WHERE c.id = f.id;
    PERFORM set_config('oneclick.counting', counting_before, true);
    RETURN last;
  END;
END $$;
COMMENT ON FUNCTION engine.mark_portfolios(uuid, integer, timestamptz) IS
  'Tells portfolios and positions what they are worth; returns where to go on, NULL at the end.';

-- Trades by hand move the same books.
CREATE OR REPLACE FUNCTION engine.book_manual_trade(of_user uuid, symbol text, trade_side public.trade_side, amount numeric,
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
  PERFORM engine.book_fill_usd(booked_in, symbol, trade_side, amount, base_fee, held.quantity, value_usd,
    CASE WHEN base_fee > 0 THEN 0 ELSE coalesce(fees, 0) END, fees);
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

DO $$
DECLARE
  given text;
BEGIN
  REVOKE ALL ON FUNCTION engine.mark_portfolios(uuid, integer, timestamptz) FROM PUBLIC;
  FOREACH given IN ARRAY ARRAY[
    'oneclick_engine SELECT, INSERT ON engine.usd_rates',
    'oneclick_engine SELECT, INSERT, UPDATE ON engine.position_books',
    'oneclick_engine EXECUTE ON FUNCTION engine.mark_portfolios(uuid, integer, timestamptz)',
    'oneclick_platform EXECUTE ON FUNCTION engine.mark_portfolios(uuid, integer, timestamptz)',
    'oneclick_platform SELECT, INSERT ON engine.usd_rates',
    'oneclick_platform SELECT ON engine.position_books, engine.position_profits',
    'oneclick_readonly SELECT ON engine.usd_rates, engine.position_books, engine.position_profits',
    'oneclick_backup SELECT ON engine.usd_rates, engine.position_books, engine.position_profits']
  LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = split_part(given, ' ', 1)) THEN
      EXECUTE format('GRANT %s TO %I', substr(given, strpos(given, ' ') + 1), split_part(given, ' ', 1));
    END IF;
  END LOOP;
END $$;
