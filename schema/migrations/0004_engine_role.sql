-- What the daemon may do, as a group role: GRANT oneclick_engine TO <the daemon's login role>. Roles
-- belong to the whole server, so it may exist already; without the right to create one this step is
-- passed over with a notice and the grants are left to the administrator.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    BEGIN
      CREATE ROLE oneclick_engine NOLOGIN;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
      WHEN insufficient_privilege THEN
        RAISE NOTICE 'no right to create role oneclick_engine: grants skipped, see schema/README.md';
        RETURN;
    END;
  END IF;
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO oneclick_engine', current_database());
END $$;

DO $$
DECLARE
  statement text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    RETURN;
  END IF;
  FOREACH statement IN ARRAY ARRAY[
    'USAGE ON SCHEMA public, engine',
    -- reads
    'SELECT (id, account_status) ON public.users',
    'SELECT (id, user_id, key_hash, permissions, expires_at) ON public.api_keys',
    'SELECT ON public.user_exchanges, public.supported_exchanges, public.portfolios,
       public.portfolio_positions, public.premium_channels, public.subscriptions,
       public.trading_signals, public.signal_updates, public.signal_followers,
       public.trades, public.trade_history',
    'SELECT (event_type, description, resolved) ON public.security_events',
    'SELECT ON ALL TABLES IN SCHEMA engine',
    -- rows of the platform's tables
    'INSERT, UPDATE ON public.trades, public.portfolio_positions',
    'INSERT ON public.trade_history, public.portfolios, public.security_events, public.audit_logs',
    'UPDATE (last_used_at) ON public.api_keys',
    'UPDATE (api_key, api_secret, passphrase, updated_at) ON public.user_exchanges',
    'UPDATE (follow_type) ON public.signal_followers',
    'INSERT, UPDATE (status, closed_at, updated_at) ON public.trading_signals',
    -- its own
    'INSERT, UPDATE ON engine.leader_events, engine.instruments, engine.symbol_map,
       engine.kill_switches, engine.sink_offsets, engine.change_cursors',
    'INSERT ON engine.copy_outcomes, engine.external_fills, engine.sink_rejects,
       engine.audit_chain',
    'UPDATE (status, version, updated_at) ON engine.copy_links',
    'DELETE ON engine.change_log']
  LOOP
    EXECUTE format('GRANT %s TO oneclick_engine', statement);
  END LOOP;
END $$;
