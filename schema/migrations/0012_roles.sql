-- oneclick: no transaction
-- Who may do what, as group roles that cannot log in (GRANT oneclick_platform TO your_login_role):
--   oneclick_owner     owns everything; its members run `oneclick migrate` and `oneclick maintain`
--   oneclick_engine    the daemon (begun in 0004)
--   oneclick_platform  the platform's programs
--   oneclick_readonly  reports and people: everything but secrets
--   oneclick_backup    pg_dump, and the functions of a base backup
-- Roles belong to the whole server, so they may exist already. Without the right to make one, its grants are
-- passed over with a notice; an administrator runs this file by hand then. Each statement is right a second time.

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['oneclick_owner', 'oneclick_engine', 'oneclick_platform', 'oneclick_readonly',
                              'oneclick_backup'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
      EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
        WHEN insufficient_privilege THEN
          RAISE NOTICE 'no right to create role %: its grants are skipped, see schema/README.md', name;
      END;
    END IF;
  END LOOP;
END $$;

-- Grants, one text each, to a role that may not be there.
CREATE OR REPLACE FUNCTION pg_temp.grants(role text, VARIADIC what text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one text;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
    FOREACH one IN ARRAY what LOOP
      EXECUTE format('GRANT %s TO %I', one, role);
    END LOOP;
  END IF;
END $$;

-- The same where only a superuser, or nobody on a managed server, may grant.
CREATE OR REPLACE FUNCTION pg_temp.grants_if_allowed(role text, VARIADIC what text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  one text;
BEGIN
  FOREACH one IN ARRAY what LOOP
    BEGIN
      PERFORM pg_temp.grants(role, one);
    EXCEPTION WHEN insufficient_privilege OR undefined_function OR undefined_object THEN
      RAISE NOTICE 'no right to grant % to %: an administrator may', one, role;
    END;
  END LOOP;
END $$;

-- SELECT on every column of a table but these.
CREATE OR REPLACE FUNCTION pg_temp.grant_without(role text, relation text, VARIADIC hidden text[]) RETURNS void
LANGUAGE sql AS $$
  SELECT pg_temp.grants(role, format('SELECT (%s) ON %s', string_agg(quote_ident(a.attname), ', '), relation))
    FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = relation::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (hidden);
$$;

-- Everybody --------------------------------------------------------------------------------------------------
-- Nobody else gets anything: no schema to look into, no function that runs with its owner's rights. What each
-- role may call is granted below. (Trigger functions need no right to be called.)
REVOKE ALL ON SCHEMA engine FROM PUBLIC;
DO $$
BEGIN
  REVOKE CREATE ON SCHEMA public FROM PUBLIC;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'no right to keep PUBLIC from making tables in schema public: an administrator may';
END $$;
DO $$
DECLARE
  routine text;
BEGIN
  FOR routine IN
    SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
     WHERE p.prosecdef AND p.pronamespace IN ('public'::regnamespace, 'engine'::regnamespace)
       AND pg_catalog.pg_has_role(p.proowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine);
  END LOOP;
END $$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['oneclick_owner', 'oneclick_engine', 'oneclick_platform', 'oneclick_readonly',
                              'oneclick_backup'] LOOP
    PERFORM pg_temp.grants(name, format('CONNECT ON DATABASE %I', current_database()),
                           'USAGE ON SCHEMA public, engine');
  END LOOP;
  PERFORM pg_temp.grants('oneclick_owner', format('CREATE, TEMPORARY ON DATABASE %I', current_database()),
                         'CREATE ON SCHEMA public, engine');
  PERFORM pg_temp.grants('oneclick_platform', format('TEMPORARY ON DATABASE %I', current_database()));
END $$;

-- The engine -------------------------------------------------------------------------------------------------
-- 0004 gave it what it reads and writes; this is what came since. Sealing goes through a function, so it needs
-- no hand on the chain itself.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    REVOKE ALL ON engine.audit_chain, engine.audit_queue, engine.audit_heads, engine.audit_checkpoints,
      engine.audit_archive FROM oneclick_engine;
  END IF;
END $$;
SELECT pg_temp.grants('oneclick_engine',
  'EXECUTE ON FUNCTION engine.seal_audit(integer), engine.audit_unsealed()',
  'SELECT, INSERT, UPDATE ON public.market_data, public.price_history',
  'SELECT ON public.market_sentiment');

-- The platform -----------------------------------------------------------------------------------------------
-- Its own tables, whole. What is paid, billed or logged is not deleted; what the engine or the database itself
-- writes is read.
SELECT pg_temp.grants('oneclick_platform',
  'SELECT ON ALL TABLES IN SCHEMA public',
  'INSERT, UPDATE, DELETE ON public.users, public.user_profiles, public.user_settings, public.user_sessions,
     public.password_resets, public.two_factor_auth, public.api_keys, public.user_exchanges,
     public.supported_exchanges, public.portfolios, public.community_posts, public.post_likes,
     public.post_comments, public.comment_likes, public.user_follows, public.premium_channels,
     public.subscriptions, public.payment_methods, public.trading_signals, public.signal_followers,
     public.notifications, public.notification_preferences, public.price_alerts, public.market_data,
     public.price_history, public.market_sentiment',
  'INSERT, UPDATE ON public.payments, public.invoices',
  'INSERT ON public.subscription_history, public.signal_updates, public.audit_logs, public.system_logs,
     public.security_events',
  'UPDATE (resolved, resolved_at) ON public.security_events',
  'UPDATE (current_price, total_value_usd, unrealized_pnl_usd, unrealized_pnl_percentage)
     ON public.portfolio_positions',
  'SELECT ON engine.copy_links, engine.leader_feeds, engine.kill_switches, engine.leader_events,
     engine.copy_outcomes, engine.external_fills, engine.instruments, engine.symbol_map,
     engine.sink_offsets, engine.migrations',
  'INSERT, UPDATE, DELETE ON engine.copy_links, engine.leader_feeds, engine.kill_switches');

-- Functions of schema public that run with their owner's rights are there for the platform, and these of schema
-- engine: a notification as the user wants it, a paid renewal, prices that alerts wait for, a trade by hand.
DO $$
DECLARE
  routine text;
BEGIN
  FOR routine IN
    SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
     WHERE p.prosecdef AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
       AND (p.pronamespace = 'public'::regnamespace OR p.pronamespace = 'engine'::regnamespace
            AND p.proname IN ('notify', 'renew_subscription', 'check_price_alerts', 'book_manual_trade'))
       AND pg_catalog.pg_has_role(p.proowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  LOOP
    PERFORM pg_temp.grants('oneclick_platform', format('EXECUTE ON FUNCTION %s', routine));
  END LOOP;
END $$;

-- Reports ----------------------------------------------------------------------------------------------------
-- What opens something (hashes of passwords and tokens, second factors, keys, the payment provider's handles)
-- is left out, column by column; SELECT * on these tables is refused.
DO $$
DECLARE
  relation text;
BEGIN
  FOR relation IN
    SELECT c.oid::regclass::text FROM pg_catalog.pg_class c
     WHERE c.relnamespace IN ('public'::regnamespace, 'engine'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
       AND c.oid <> ALL (ARRAY['public.users', 'public.user_sessions', 'public.password_resets',
         'public.two_factor_auth', 'public.api_keys', 'public.user_exchanges',
         'public.payment_methods']::regclass[])
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  LOOP
    PERFORM pg_temp.grants('oneclick_readonly', format('SELECT ON %s', relation));
  END LOOP;
END $$;
SELECT pg_temp.grant_without('oneclick_readonly', 'public.users', 'password_hash'),
       pg_temp.grant_without('oneclick_readonly', 'public.user_sessions', 'token_hash'),
       pg_temp.grant_without('oneclick_readonly', 'public.password_resets', 'token_hash'),
       pg_temp.grant_without('oneclick_readonly', 'public.two_factor_auth', 'secret_key', 'backup_codes'),
       pg_temp.grant_without('oneclick_readonly', 'public.api_keys', 'key_hash'),
       pg_temp.grant_without('oneclick_readonly', 'public.user_exchanges', 'api_key', 'api_secret', 'passphrase'),
       pg_temp.grant_without('oneclick_readonly', 'public.payment_methods', 'external_id');

-- Backups ----------------------------------------------------------------------------------------------------
SELECT pg_temp.grants('oneclick_backup', 'SELECT ON ALL TABLES IN SCHEMA public, engine',
  'SELECT ON ALL SEQUENCES IN SCHEMA public, engine');
-- What lies in other schemas too (chunks of hypertables), and base backups. A login role for these also needs
-- the attribute REPLICATION, which no group can hand on.
SELECT pg_temp.grants_if_allowed('oneclick_backup', 'pg_read_all_data',
  'EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean)',
  'EXECUTE ON FUNCTION pg_catalog.pg_backup_stop(boolean)',
  'EXECUTE ON FUNCTION pg_catalog.pg_switch_wal()',
  'EXECUTE ON FUNCTION pg_catalog.pg_create_restore_point(text)');

-- The owner --------------------------------------------------------------------------------------------------
-- What this migration's role made is handed over, so that functions with their owner's rights have those of a
-- role that is no superuser. One object at a time, each with its own commit: an exclusive lock, for a moment.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_owner')
     AND NOT pg_catalog.pg_has_role('oneclick_owner', 'MEMBER') THEN
    EXECUTE format('GRANT oneclick_owner TO %I', current_user);
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'no right to become oneclick_owner: % stays the owner', current_user;
END $$;
DO $$
DECLARE
  me oid;
  statement text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_owner')
     OR NOT pg_catalog.pg_has_role('oneclick_owner', 'MEMBER') THEN
    RETURN;
  END IF;
  SELECT r.oid INTO me FROM pg_catalog.pg_roles r WHERE r.rolname = current_user;
  FOR statement IN
    SELECT format('ALTER %s %s OWNER TO oneclick_owner',
                  CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                    ELSE 'TABLE' END, c.oid::regclass)
      FROM pg_catalog.pg_class c
     WHERE c.relnamespace IN ('public'::regnamespace, 'engine'::regnamespace) AND c.relowner = me
       AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass
                        AND d.objid = c.oid AND d.objsubid = 0
                        AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype IN ('a', 'i'))))
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO oneclick_owner', p.oid::regprocedure) FROM pg_catalog.pg_proc p
     WHERE p.pronamespace IN ('public'::regnamespace, 'engine'::regnamespace) AND p.proowner = me
       AND p.prokind IN ('f', 'p')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass
                        AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO oneclick_owner', t.oid::regtype) FROM pg_catalog.pg_type t
     WHERE t.typnamespace IN ('public'::regnamespace, 'engine'::regnamespace) AND t.typowner = me
       AND t.typtype IN ('e', 'd')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_type'::regclass
                        AND d.objid = t.oid AND d.deptype = 'e')
  LOOP
    EXECUTE statement;
    COMMIT;
  END LOOP;
  IF (SELECT n.nspowner = me FROM pg_catalog.pg_namespace n WHERE n.nspname = 'engine') THEN
    ALTER SCHEMA engine OWNER TO oneclick_owner;
  END IF;
END $$;

-- Tables that come later -------------------------------------------------------------------------------------
-- Made by this role or by the owner: the owner, the backup, and within its schema the engine and the platform
-- get what they will need. Reports do not: a new table may hold secrets, so its migration says what they see.
DO $$
DECLARE
  maker text;
  one text;
BEGIN
  FOR maker IN SELECT current_user UNION SELECT r.rolname FROM pg_catalog.pg_roles r
                WHERE r.rolname = 'oneclick_owner' AND pg_catalog.pg_has_role(r.rolname, 'MEMBER') LOOP
    FOREACH one IN ARRAY ARRAY[
      'public, engine|ALL ON TABLES|oneclick_owner', 'public, engine|ALL ON SEQUENCES|oneclick_owner',
      'public, engine|ALL ON ROUTINES|oneclick_owner', 'public, engine|SELECT ON TABLES|oneclick_backup',
      'public, engine|SELECT ON SEQUENCES|oneclick_backup', 'engine|SELECT ON TABLES|oneclick_engine',
      'public|SELECT, INSERT, UPDATE, DELETE ON TABLES|oneclick_platform'] LOOP
      IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = split_part(one, '|', 3)) THEN
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %s GRANT %s TO %I', maker,
                       split_part(one, '|', 1), split_part(one, '|', 2), split_part(one, '|', 3));
      END IF;
    END LOOP;
  END LOOP;
END $$;
