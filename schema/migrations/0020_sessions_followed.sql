-- Login sessions are followed, so that a copy of them elsewhere is never older than a moment. When a session
-- was last used is not among the columns that matter: it changes with every request.
SELECT engine.watch_table('public.user_sessions', 'r.id::text',
  'user_id', 'token_hash', 'device_info', 'ip_address', 'location', 'expires_at');

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_engine') THEN
    GRANT SELECT (id, user_id, token_hash, device_info, ip_address, location, expires_at, created_at)
      ON public.user_sessions TO oneclick_engine;
  END IF;
END $$;
