-- Who may do what: every role, every table, every verb; and that what must be refused is refused.
BEGIN;
SELECT no_plan();

-- S, I, U, D, T: the whole table; small: some columns. R: references or triggers.
CREATE FUNCTION pg_temp.verbs(role text, relation oid) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN has_table_privilege(role, relation, 'SELECT') THEN 'S'
              WHEN has_any_column_privilege(role, relation, 'SELECT') THEN 's' ELSE '' END
      || CASE WHEN has_table_privilege(role, relation, 'INSERT') THEN 'I'
              WHEN has_any_column_privilege(role, relation, 'INSERT') THEN 'i' ELSE '' END
      || CASE WHEN has_table_privilege(role, relation, 'UPDATE') THEN 'U'
              WHEN has_any_column_privilege(role, relation, 'UPDATE') THEN 'u' ELSE '' END
      || CASE WHEN has_table_privilege(role, relation, 'DELETE') THEN 'D' ELSE '' END
      || CASE WHEN has_table_privilege(role, relation, 'TRUNCATE') THEN 'T' ELSE '' END
      || CASE WHEN has_any_column_privilege(role, relation, 'REFERENCES')
                OR has_table_privilege(role, relation, 'TRIGGER') THEN 'R' ELSE '' END;
$$;

CREATE TEMPORARY VIEW relations AS
SELECT c.oid, n.nspname || '.' || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('public', 'engine') AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e');

-- The backup reads everything and the monitor nothing, which is asked below.
CREATE TEMPORARY TABLE expected (name text PRIMARY KEY, engine text, platform text, readonly text);
INSERT INTO expected VALUES
  ('public.api_keys', 'su', 'SIUD', 's'),
  ('public.audit_logs', 'I', 'SI', 'S'),
  ('public.channel_analytics', '', 'S', 'S'),
  ('public.channel_statistics', '', 'S', 'S'),
  ('public.comment_likes', '', 'SIUD', 'S'),
  ('public.community_posts', '', 'SIUD', 'S'),
  ('public.invoices', '', 'SIU', 'S'),
  ('public.market_data', 'SIU', 'SIUD', 'S'),
  ('public.market_sentiment', 'S', 'SIUD', 'S'),
  ('public.notification_preferences', '', 'SIUD', 'S'),
  ('public.notifications', '', 'SIUD', 'S'),
  ('public.password_resets', '', 'SIUD', 's'),
  ('public.payment_methods', '', 'SIUD', 's'),
  ('public.payments', '', 'SIU', 'S'),
  ('public.platform_analytics', '', 'S', 'S'),
  ('public.portfolio_positions', 'SIU', 'Su', 'S'),
  ('public.portfolios', 'SI', 'SIUD', 'S'),
  ('public.post_comments', '', 'SIUD', 'S'),
  ('public.post_likes', '', 'SIUD', 'S'),
  ('public.premium_channels', 'S', 'SIUD', 'S'),
  ('public.price_alerts', '', 'SIUD', 'S'),
  ('public.price_history', 'SIU', 'SIUD', 'S'),
  ('public.security_events', 'sI', 'SIu', 'S'),
  ('public.signal_followers', 'Su', 'SIUD', 'S'),
  ('public.signal_performance', '', 'S', 'S'),
  ('public.signal_updates', 'S', 'SI', 'S'),
  ('public.subscription_history', '', 'SI', 'S'),
  ('public.subscriptions', 'S', 'SIUD', 'S'),
  ('public.supported_exchanges', 'S', 'SIUD', 'S'),
  ('public.system_logs', '', 'SI', 'S'),
  ('public.trade_history', 'SI', 'S', 'S'),
  ('public.trades', 'SIU', 'S', 'S'),
  ('public.trading_signals', 'SIu', 'SIUD', 'S'),
  ('public.two_factor_auth', '', 'SIUD', 's'),
  ('public.user_analytics', '', 'S', 'S'),
  ('public.user_exchanges', 'Su', 'SIUD', 's'),
  ('public.user_follows', '', 'SIUD', 'S'),
  ('public.user_profiles', '', 'SIUD', 'S'),
  ('public.user_sessions', 's', 'SIUD', 's'),
  ('public.user_settings', '', 'SIUD', 'S'),
  ('public.users', 's', 'SIUD', 's'),
  ('engine.audit_archive', '', '', 'S'),
  ('engine.audit_archive_rows', '', '', 'S'),
  ('engine.audit_chain', '', '', 'S'),
  ('engine.audit_checkpoints', '', '', 'S'),
  ('engine.audit_heads', '', '', 'S'),
  ('engine.audit_queue', '', '', 'S'),
  ('engine.audit_redactions', '', '', 'S'),
  ('engine.change_cursors', 'SIU', '', 'S'),
  ('engine.change_log', 'SD', '', 'S'),
  ('engine.copy_links', 'Su', 'SIUD', 'S'),
  ('engine.copy_costs', 'S', 'S', 'S'),
  ('engine.copy_outcomes', 'SI', 'S', 'S'),
  ('engine.event_touches', 'SI', 'S', 'S'),
  ('engine.external_fills', 'SI', 'S', 'S'),
  ('engine.invoice_numbers', '', '', 'S'),
  ('engine.renewals', '', '', 'S'),
  ('engine.instruments', 'SIU', 'S', 'S'),
  ('engine.kill_switches', 'SIU', 'SIUD', 'S'),
  ('engine.link_halts', 'SID', 'S', 'S'),
  ('engine.quarantines', 'SIU', 'S', 'S'),
  ('engine.limit_halts', 'SID', 'S', 'S'),
  ('engine.risk_limits', 'S', 'SIUD', 'S'),
  ('engine.leader_events', 'SIU', 'S', 'S'),
  ('engine.leader_feeds', 'S', 'SIUD', 'S'),
  ('engine.market_data_monthly', 'S', 'S', 'S'),
  ('engine.market_sentiment_monthly', 'S', 'S', 'S'),
  ('engine.migrations', 'S', 'S', 'S'),
  ('engine.price_history_daily', 'S', 'S', 'S'),
  ('engine.price_history_monthly', 'S', 'S', 'S'),
  ('engine.profit_share_accruals', 'S', 'S', 'S'),
  ('engine.profit_share_flows', 'S', 'S', 'S'),
  ('engine.profit_share_settlements', 'S', 'S', 'S'),
  ('engine.profit_share_terms', 'S', 'S', 'S'),
  ('engine.position_books', 'SIU', 'S', 'S'),
  ('engine.position_profits', 'S', 'S', 'S'),
  ('engine.sink_offsets', 'SIU', 'S', 'S'),
  ('engine.sink_rejects', 'SI', '', 'S'),
  ('engine.symbol_map', 'SIU', 'S', 'S'),
  ('engine.usd_rates', 'SI', 'SI', 'S');

SELECT is(array(SELECT r.name FROM relations r WHERE r.name LIKE 'public.%'
    AND r.name NOT IN (SELECT e.name FROM expected e) ORDER BY 1), '{}'::text[],
  'the rights on every table of the platform are written down here');
SELECT is(array(SELECT r.name FROM relations r WHERE r.name LIKE 'engine.%'
    AND r.name NOT IN (SELECT e.name FROM expected e)
    AND (pg_temp.verbs('oneclick_engine', r.oid) NOT IN ('', 'S') OR pg_temp.verbs('oneclick_platform', r.oid) <> ''
         OR pg_temp.verbs('oneclick_readonly', r.oid) NOT IN ('', 'S')) ORDER BY 1), '{}'::text[],
  'other tables of the engine are written by their owner alone');
SELECT is(pg_temp.verbs('oneclick_engine', r.oid), e.engine, 'engine on ' || e.name)
  FROM expected e JOIN relations r USING (name) ORDER BY e.name;
SELECT is(pg_temp.verbs('oneclick_platform', r.oid), e.platform, 'platform on ' || e.name)
  FROM expected e JOIN relations r USING (name) ORDER BY e.name;
SELECT is(pg_temp.verbs('oneclick_readonly', r.oid), e.readonly, 'reports on ' || e.name)
  FROM expected e JOIN relations r USING (name) ORDER BY e.name;
SELECT is(array(SELECT r.name FROM relations r WHERE pg_temp.verbs('oneclick_backup', r.oid) <> 'S' ORDER BY 1),
  '{}'::text[], 'the backup reads every table and writes none');
SELECT is(array(SELECT r.name FROM relations r WHERE pg_temp.verbs('oneclick_monitor', r.oid) <> '' ORDER BY 1),
  '{}'::text[], 'the monitor reads no table');
SELECT is(array(SELECT r.name FROM relations r WHERE pg_temp.verbs('public', r.oid) <> '' ORDER BY 1),
  '{}'::text[], 'others read and write no table');
SELECT is(array(SELECT s.oid::regclass::text FROM pg_class s WHERE s.relkind = 'S'
    AND s.relnamespace IN ('public'::regnamespace, 'engine'::regnamespace)
    AND CASE s.relkind WHEN 'S' THEN NOT has_sequence_privilege('oneclick_backup', s.oid, 'SELECT') END),
  '{}'::text[],
  'the backup reads every sequence');

-- Columns
SELECT set_eq($$SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute a JOIN relations r
    ON r.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped
    AND NOT has_column_privilege('oneclick_readonly', a.attrelid, a.attnum, 'SELECT')$$,
  ARRAY['users.password_hash', 'user_sessions.token_hash', 'password_resets.token_hash',
    'two_factor_auth.secret_key', 'two_factor_auth.backup_codes', 'api_keys.key_hash', 'user_exchanges.api_key',
    'user_exchanges.api_secret', 'user_exchanges.passphrase', 'payment_methods.external_id'],
  'reports see all columns but secrets');
SELECT is(array(SELECT r.name || '.' || a.attname FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname ~ '(password|secret|token|passphrase|_hash$|api_key)'
      AND a.atttypid <> 'bytea'::regtype
      AND has_column_privilege('oneclick_readonly', a.attrelid, a.attnum, 'SELECT')), '{}'::text[],
  'no column that is called like a secret is among them');
CREATE FUNCTION pg_temp.columns(role text, relation regclass, verb text) RETURNS text[] LANGUAGE sql AS $$
  SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
     AND has_column_privilege(role, relation, a.attnum, verb);
$$;
SELECT is(pg_temp.columns('oneclick_platform', 'public.security_events', 'UPDATE'),
  ARRAY['resolved', 'resolved_at'], 'the platform says what is resolved, nothing else');
SELECT is(pg_temp.columns('oneclick_platform', 'public.portfolio_positions', 'UPDATE'),
  ARRAY['current_price', 'total_value_usd', 'unrealized_pnl_usd', 'unrealized_pnl_percentage'],
  'the platform marks positions and does not move them');
SELECT is(pg_temp.columns('oneclick_engine', 'public.users', 'SELECT'), ARRAY['id', 'account_status'],
  'the engine knows no people');
SELECT is(pg_temp.columns('oneclick_engine', 'public.api_keys', 'UPDATE'), ARRAY['last_used_at'],
  'the engine says when a key was used');
SELECT is(pg_temp.columns('oneclick_engine', 'public.user_exchanges', 'UPDATE'),
  ARRAY['api_key', 'api_secret', 'passphrase', 'updated_at'], 'the engine seals credentials anew');
SELECT is(pg_temp.columns('oneclick_engine', 'engine.copy_links', 'UPDATE'),
  ARRAY['status', 'version', 'updated_at'], 'the engine sets links aside and does not change their terms');

-- Schemas, functions, roles
SELECT is(array(SELECT n.nspname || ' ' || v FROM pg_namespace n, unnest(ARRAY['USAGE', 'CREATE']) AS v
    WHERE n.nspname = 'engine' AND has_schema_privilege('public', n.oid, v)), '{}'::text[],
  'schema engine is closed to others');
SELECT is(has_schema_privilege('public', 'public', 'CREATE'), false, 'others make nothing in schema public');
SELECT is(array(SELECT r || ' ' || n.nspname FROM pg_namespace n, unnest(ARRAY['oneclick_engine',
      'oneclick_platform', 'oneclick_readonly', 'oneclick_backup', 'oneclick_monitor']) AS r
    WHERE n.nspname IN ('public', 'engine') AND has_schema_privilege(r, n.oid, 'CREATE')), '{}'::text[],
  'only the owner makes tables');
CREATE TEMPORARY VIEW definers AS
SELECT p.oid, p.oid::regprocedure::text AS name, p.proconfig, p.prorettype FROM pg_proc p
 WHERE p.prosecdef AND p.pronamespace IN ('public'::regnamespace, 'engine'::regnamespace)
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e');
SELECT is(array(SELECT d.name FROM definers d WHERE NOT EXISTS (SELECT FROM unnest(d.proconfig) AS c
    WHERE c LIKE 'search_path=%') ORDER BY 1), '{}'::text[],
  'functions with their owner''s rights look names up where they say');
SELECT is(array(SELECT d.name FROM definers d WHERE d.prorettype <> 'trigger'::regtype
    AND has_function_privilege('public', d.oid, 'EXECUTE') ORDER BY 1), '{}'::text[],
  'and are called by those who were told so');
SELECT is(array(SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'oneclick\_%' AND (rolcanlogin OR rolsuper
    OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)), '{}'::text[],
  'the groups log in nowhere and have no powers of their own');
SELECT is(array(SELECT r.name FROM relations r JOIN pg_class c ON c.oid = r.oid
    JOIN pg_roles o ON o.oid = c.relowner WHERE o.rolname IN ('oneclick_engine', 'oneclick_platform',
    'oneclick_readonly', 'oneclick_backup', 'oneclick_monitor')), '{}'::text[], 'and own nothing');
SELECT is((SELECT o.rolname::text FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
    WHERE c.oid = 'public.trades'::regclass), 'oneclick_owner', 'but the owner does');

-- Done, not only granted
INSERT INTO public.users (id, email, username, password_hash)
  VALUES ('00000000-0000-4000-8000-000000000001', 'a@example.org', 'a', 'x');
INSERT INTO public.trades (id, user_id, asset_symbol, quantity)
  VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'BTC/USDT', 1);
INSERT INTO public.audit_logs (action) VALUES ('before');

CREATE FUNCTION pg_temp.refused(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SET LOCAL ROLE %I', role);
  BEGIN
    EXECUTE statement;
  EXCEPTION WHEN insufficient_privilege THEN
    RESET ROLE;
    RETURN ok(true, format('%s is refused: %s', role, regexp_replace(statement, '\s+', ' ', 'g')));
  END;
  RESET ROLE;
  RETURN ok(false, format('%s is refused: %s', role, regexp_replace(statement, '\s+', ' ', 'g')));
END $$;
CREATE FUNCTION pg_temp.allowed(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  problem text := '';
BEGIN
  EXECUTE format('SET LOCAL ROLE %I', role);
  BEGIN
    EXECUTE statement;
  EXCEPTION WHEN OTHERS THEN
    problem := SQLERRM;
  END;
  RESET ROLE;
  RETURN is(problem, '', format('%s may: %s', role, regexp_replace(statement, '\s+', ' ', 'g')));
END $$;

SELECT unnest(ARRAY[
       pg_temp.allowed(r, format('INSERT INTO public.audit_logs (action) VALUES (%L)', r)),
       pg_temp.allowed(r, 'INSERT INTO public.security_events (event_type, description) VALUES (''x'', ''y'')'),
       pg_temp.refused(r, 'UPDATE public.audit_logs SET action = ''x'''),
       pg_temp.refused(r, 'DELETE FROM public.audit_logs'),
       pg_temp.refused(r, 'TRUNCATE public.audit_logs'),
       pg_temp.refused(r, 'UPDATE public.security_events SET severity = ''low'''),
       pg_temp.refused(r, 'DELETE FROM public.security_events'),
       pg_temp.refused(r, 'TRUNCATE public.security_events'),
       pg_temp.refused(r, 'UPDATE public.trade_history SET status = ''x'''),
       pg_temp.refused(r, 'DELETE FROM public.trade_history'),
       pg_temp.refused(r, 'TRUNCATE public.trade_history'),
       pg_temp.refused(r, 'ALTER TABLE public.audit_logs DISABLE TRIGGER ALL'),
       pg_temp.refused(r, 'SET session_replication_role = replica'),
       pg_temp.refused(r, 'SELECT engine.archive_audit()'),
       pg_temp.refused(r, 'DELETE FROM engine.audit_queue'),
       pg_temp.refused(r, 'UPDATE engine.audit_chain SET hash = '''''),
       pg_temp.refused(r, 'UPDATE engine.audit_heads SET seq = 0'),
       pg_temp.refused(r, 'INSERT INTO engine.audit_checkpoints (seq) VALUES (1)'),
       pg_temp.refused(r, 'DELETE FROM engine.audit_archive')])
  FROM unnest(ARRAY['oneclick_engine', 'oneclick_platform']) AS r;
SELECT is((SELECT count(*)::int FROM public.audit_logs), 3, 'all audit rows are there');
SELECT pg_temp.allowed('oneclick_engine', $$INSERT INTO public.trade_history (trade_id, status)
  VALUES ('00000000-0000-4000-8000-000000000002', 'pending')$$);
SELECT pg_temp.allowed('oneclick_engine', 'SELECT engine.seal_audit()');
SELECT pg_temp.refused('oneclick_platform', 'SELECT engine.seal_audit()');
SELECT pg_temp.refused('oneclick_engine', 'UPDATE public.security_events SET resolved = true');
SELECT pg_temp.allowed('oneclick_platform',
  'UPDATE public.security_events SET resolved = true, resolved_at = now() AT TIME ZONE ''UTC''');
SELECT pg_temp.refused('oneclick_platform', $$INSERT INTO public.trade_history (trade_id, status)
  VALUES ('00000000-0000-4000-8000-000000000002', 'filled')$$);
SELECT pg_temp.refused('oneclick_platform', 'UPDATE public.trades SET status = ''filled''');
SELECT pg_temp.refused('oneclick_platform', 'INSERT INTO engine.leader_events (id) VALUES (gen_random_uuid())');
SELECT pg_temp.refused('oneclick_platform', 'DELETE FROM engine.change_log');
SELECT pg_temp.allowed('oneclick_platform', 'INSERT INTO engine.kill_switches (active) VALUES (true)');
-- What the platform may call, and nobody else of these.
SELECT is(array(SELECT p.proname::text FROM definers d JOIN pg_proc p ON p.oid = d.oid
    WHERE d.prorettype <> 'trigger'::regtype AND p.pronamespace = 'engine'::regnamespace
      AND has_function_privilege('oneclick_platform', d.oid, 'EXECUTE') AND p.proname <> ALL (ARRAY['notify',
      'renew_subscription', 'check_price_alerts', 'book_manual_trade', 'release_quarantine', 'mark_portfolios',
      'begin_profit_share', 'end_profit_share', 'book_profit_share_flow', 'collect_profit_share'])), '{}'::text[],
  'the platform calls what is written down');
SELECT pg_temp.refused('oneclick_platform', 'SELECT engine.accrue_profit_shares(now(), now())');
SELECT pg_temp.refused('oneclick_platform', 'UPDATE engine.profit_share_settlements SET status = ''collected''');
SELECT pg_temp.refused('oneclick_engine', 'UPDATE engine.profit_share_terms SET rate = 1');
SELECT pg_temp.refused('oneclick_engine', 'SELECT engine.collect_profit_share(gen_random_uuid(), NULL)');
SELECT is(array(SELECT r || ' ' || d.name FROM definers d, unnest(ARRAY['oneclick_readonly', 'oneclick_backup']) r
    WHERE d.prorettype <> 'trigger'::regtype AND has_function_privilege(r, d.oid, 'EXECUTE')), '{}'::text[],
  'reports and backups call nothing that has its owner''s rights');
SELECT pg_temp.refused('oneclick_readonly', 'SELECT password_hash FROM public.users');
SELECT pg_temp.refused('oneclick_readonly', 'SELECT * FROM public.users');
SELECT pg_temp.refused('oneclick_readonly', 'SELECT u FROM public.users u');
SELECT pg_temp.allowed('oneclick_readonly', 'SELECT id, email FROM public.users');
SELECT pg_temp.refused('oneclick_backup', 'DELETE FROM public.users');
SELECT pg_temp.refused('oneclick_monitor', 'SELECT id FROM public.users');
SELECT pg_temp.allowed('oneclick_monitor', 'SELECT engine.monitor_engine(), engine.monitor_sink()');
SELECT pg_temp.allowed('oneclick_monitor', 'SELECT engine.monitor_statements()');

-- A table that a later migration makes
CREATE TABLE engine.later (id int);
CREATE TABLE public.later (id int);
SELECT is(array(SELECT pg_temp.verbs('oneclick_' || r, t) FROM unnest(ARRAY['engine', 'platform', 'readonly',
    'backup', 'monitor']) WITH ORDINALITY AS a (r, n), unnest(ARRAY['engine.later', 'public.later']::regclass[]) AS t
    ORDER BY n, t::text),
  ARRAY['S', '', '', 'SIUD', '', '', 'S', 'S', '', ''], 'has rights that do no harm');

SELECT * FROM finish();
ROLLBACK;
