-- What a search server outside the database is told: which rows changed since it was told last. Off until somebody
-- follows; then the triggers note ids, and `oneclick search-index` reads the rows, sends them and forgets the notes.

CREATE TABLE engine.search_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('users', 'channels', 'posts', 'signals')),
  row_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE engine.search_changes IS 'Rows that the search server has to be told of; gone once it was.';
COMMENT ON COLUMN engine.search_changes.id IS 'In the order of writing.';
COMMENT ON COLUMN engine.search_changes.kind IS 'Which documents: users, channels, posts, signals.';
COMMENT ON COLUMN engine.search_changes.row_id IS 'Whose row.';
COMMENT ON COLUMN engine.search_changes.created_at IS 'When it changed.';

CREATE TABLE engine.search_state (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  following boolean NOT NULL DEFAULT false,
  version bigint NOT NULL DEFAULT 0,
  filling text CHECK (filling IN ('users', 'channels', 'posts', 'signals')),
  filled_to uuid,
  told bigint NOT NULL DEFAULT 0
);
INSERT INTO engine.search_state DEFAULT VALUES;
COMMENT ON TABLE engine.search_state IS 'One row: how far the search server has been told.';
COMMENT ON COLUMN engine.search_state.is_only IS 'There is one row.';
COMMENT ON COLUMN engine.search_state.following IS 'Whether changes are noted.';
COMMENT ON COLUMN engine.search_state.version IS
  'Version of the documents read last; grows with each reading, so that what arrives late is known to be old.';
COMMENT ON COLUMN engine.search_state.filling IS 'Which kind is being told for the first time; NULL: all were.';
COMMENT ON COLUMN engine.search_state.filled_to IS 'The last id of that kind that was told.';
COMMENT ON COLUMN engine.search_state.told IS 'Documents told since following began.';

CREATE TABLE engine.search_rejects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  row_id uuid NOT NULL,
  status integer NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE engine.search_rejects IS 'Documents that the search server refused for what they say.';
COMMENT ON COLUMN engine.search_rejects.id IS 'In the order of refusal.';
COMMENT ON COLUMN engine.search_rejects.kind IS 'Which documents.';
COMMENT ON COLUMN engine.search_rejects.row_id IS 'Whose row.';
COMMENT ON COLUMN engine.search_rejects.status IS 'The HTTP status of the item.';
COMMENT ON COLUMN engine.search_rejects.reason IS 'What the server said, cut.';
COMMENT ON COLUMN engine.search_rejects.created_at IS 'When.';

-- Arguments: the kind, then the columns that matter to it.
CREATE FUNCTION engine.note_search_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  of_kind text := TG_ARGV[0];
  old_values text;
  new_values text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO engine.search_changes (kind, row_id) SELECT of_kind, r.id FROM new_rows r;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO engine.search_changes (kind, row_id) SELECT of_kind, r.id FROM old_rows r;
  ELSIF TG_OP = 'TRUNCATE' THEN
    EXECUTE format('INSERT INTO engine.search_changes (kind, row_id) SELECT %L, r.id FROM %s r', of_kind,
      TG_RELID::regclass);
  ELSE
    SELECT string_agg(format('o.%I', c), ', '), string_agg(format('n.%I', c), ', ')
      INTO old_values, new_values FROM unnest(TG_ARGV[1:]) AS c;
    EXECUTE format('INSERT INTO engine.search_changes (kind, row_id)
                    SELECT %L, v.id FROM old_rows o FULL JOIN new_rows n ON n.id = o.id,
                           LATERAL (VALUES (o.id), (n.id)) AS v (id)
                     WHERE v.id IS NOT NULL AND ROW(%s) IS DISTINCT FROM ROW(%s) GROUP BY v.id', of_kind, old_values,
                   new_values);
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.note_search_changes() IS 'Notes rows that the search server has to be told of.';

CREATE FUNCTION pg_temp.feed(watched regclass, kind text, VARIADIC columns text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  arguments text;
  made record;
BEGIN
  SELECT format('%L', kind) || string_agg(format(', %L', c), '' ORDER BY n)
    INTO arguments FROM unnest(columns) WITH ORDINALITY AS u (c, n);
  FOR made IN SELECT * FROM (VALUES
    ('inserted', 'AFTER INSERT', 'REFERENCING NEW TABLE AS new_rows'),
    ('updated', 'AFTER UPDATE', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
    ('deleted', 'AFTER DELETE', 'REFERENCING OLD TABLE AS old_rows'),
    ('truncated', 'BEFORE TRUNCATE', '')) AS m (name, moment, tables)
  LOOP
    EXECUTE format('CREATE TRIGGER search_%s %s ON %s %s FOR EACH STATEMENT
                    EXECUTE FUNCTION engine.note_search_changes(%s)', made.name, made.moment, watched, made.tables,
                   arguments);
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER search_%s', watched, made.name);
  END LOOP;
END $$;
SELECT pg_temp.feed('public.users', 'users', 'username', 'first_name', 'last_name', 'bio', 'avatar_url',
  'account_status');
SELECT pg_temp.feed('public.premium_channels', 'channels', 'creator_id', 'name', 'description', 'category', 'tags',
  'pricing_monthly', 'pricing_yearly', 'currency', 'subscription_tier', 'is_active', 'is_featured');
SELECT pg_temp.feed('public.community_posts', 'posts', 'user_id', 'channel_id', 'post_type', 'title', 'content',
  'tags', 'visibility');
SELECT pg_temp.feed('public.trading_signals', 'signals', 'channel_id', 'creator_id', 'signal_type', 'asset_symbol',
  'timeframe', 'reasoning', 'status');

-- Whether somebody wants to be found at all stands in another table.
CREATE FUNCTION engine.note_search_privacy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO engine.search_changes (kind, row_id) VALUES ('users', coalesce(NEW.user_id, OLD.user_id));
  RETURN NULL;
END $$;
COMMENT ON FUNCTION engine.note_search_privacy() IS 'Notes users whose wish to be found may have changed.';
CREATE TRIGGER search_privacy AFTER INSERT OR DELETE OR UPDATE OF privacy_settings ON public.user_settings
  FOR EACH ROW EXECUTE FUNCTION engine.note_search_privacy();
ALTER TABLE public.user_settings DISABLE TRIGGER search_privacy;

-- Begins or ends noting. Taking the tables' locks waits for those who are writing: whoever writes afterwards is
-- noted, whoever wrote before is seen by the first telling.
CREATE FUNCTION engine.search_follow(follow boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  watched record;
BEGIN
  FOR watched IN
    SELECT t.tgrelid::regclass AS relation, t.tgname AS name FROM pg_catalog.pg_trigger t
     WHERE t.tgfoid IN ('engine.note_search_changes()'::regprocedure, 'engine.note_search_privacy()'::regprocedure)
     ORDER BY t.tgrelid, t.tgname
  LOOP
    EXECUTE format('ALTER TABLE %s %s TRIGGER %I', watched.relation, CASE WHEN follow THEN 'ENABLE' ELSE 'DISABLE' END,
      watched.name);
  END LOOP;
  -- Beginning again keeps the notes: what was deleted is told by nothing else.
  IF NOT follow THEN
    DELETE FROM engine.search_changes;
  END IF;
  UPDATE engine.search_state SET following = follow, filling = CASE WHEN follow THEN 'users' END, filled_to = NULL,
    told = 0;
END $$;
COMMENT ON FUNCTION engine.search_follow(boolean) IS 'Begins telling the search server everything, or ends it.';

-- Documents of rows as they are now; NULL where there is none (any more). They carry what decides who may see
-- them. Rows of one reading have one version, higher than that of any reading before.
CREATE FUNCTION engine.search_documents(kind text, ids uuid[])
RETURNS TABLE (id uuid, version bigint, document text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now_version bigint;
BEGIN
  UPDATE engine.search_state s
     SET version = greatest(s.version + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    RETURNING s.version INTO now_version;
  RETURN QUERY
    SELECT w.id, now_version, CASE search_documents.kind
      WHEN 'users' THEN (SELECT jsonb_build_object('username', u.username, 'first_name', u.first_name,
          'last_name', u.last_name, 'bio', u.bio, 'avatar_url', u.avatar_url, 'created_at', u.created_at)
          FROM public.users u LEFT JOIN public.user_settings s ON s.user_id = u.id
         WHERE u.id = w.id AND u.account_status = 'active'
           AND coalesce(s.privacy_settings ->> 'searchable', 'true') <> 'false')
      WHEN 'channels' THEN (SELECT jsonb_build_object('creator_id', c.creator_id, 'name', c.name,
          'description', c.description, 'category', c.category, 'tags', c.tags, 'pricing_monthly', c.pricing_monthly,
          'pricing_yearly', c.pricing_yearly, 'currency', c.currency, 'subscription_tier', c.subscription_tier,
          'is_featured', c.is_featured, 'created_at', c.created_at)
          FROM public.premium_channels c WHERE c.id = w.id AND c.is_active)
      WHEN 'posts' THEN (SELECT jsonb_build_object('user_id', p.user_id, 'channel_id', p.channel_id,
          'post_type', p.post_type, 'title', p.title, 'content', p.content, 'tags', p.tags,
          'visibility', p.visibility, 'created_at', p.created_at)
          FROM public.community_posts p WHERE p.id = w.id)
      WHEN 'signals' THEN (SELECT jsonb_build_object('channel_id', t.channel_id, 'creator_id', t.creator_id,
          'signal_type', t.signal_type, 'asset_symbol', t.asset_symbol, 'timeframe', t.timeframe,
          'reasoning', t.reasoning, 'status', t.status, 'created_at', t.created_at)
          FROM public.trading_signals t WHERE t.id = w.id)
      END::text
      FROM unnest(ids) AS w (id);
END $$;
COMMENT ON FUNCTION engine.search_documents(text, uuid[]) IS 'Documents of rows as they are now.';

-- The next ids of a kind, for telling everything once.
CREATE FUNCTION engine.search_ids(kind text, after uuid, most integer) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY EXECUTE format('SELECT r.id FROM public.%I r WHERE $1 IS NULL OR r.id > $1 ORDER BY r.id LIMIT $2',
    CASE kind WHEN 'users' THEN 'users' WHEN 'channels' THEN 'premium_channels' WHEN 'posts' THEN 'community_posts'
              WHEN 'signals' THEN 'trading_signals' END) USING after, most;
END $$;
COMMENT ON FUNCTION engine.search_ids(text, uuid, integer) IS 'The next ids of a kind.';

REVOKE ALL ON FUNCTION engine.note_search_changes(), engine.note_search_privacy(), engine.search_follow(boolean),
  engine.search_documents(text, uuid[]), engine.search_ids(text, uuid, integer) FROM public;

-- The indexer's role: it reads documents, and nothing else of people.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_search') THEN
    BEGIN
      CREATE ROLE oneclick_search NOLOGIN;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
      WHEN insufficient_privilege THEN
        RAISE NOTICE 'no right to create role oneclick_search: grants skipped, see schema/README.md';
        RETURN;
    END;
  END IF;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO oneclick_search', current_database());
  GRANT USAGE ON SCHEMA engine TO oneclick_search;
  GRANT SELECT, DELETE ON engine.search_changes TO oneclick_search;
  GRANT SELECT, UPDATE ON engine.search_state TO oneclick_search;
  GRANT INSERT ON engine.search_rejects TO oneclick_search;
  GRANT EXECUTE ON FUNCTION engine.search_follow(boolean), engine.search_documents(text, uuid[]),
    engine.search_ids(text, uuid, integer) TO oneclick_search;
END $$;
DO $$
DECLARE
  given text;
BEGIN
  FOREACH given IN ARRAY ARRAY['oneclick_engine', 'oneclick_readonly', 'oneclick_backup'] LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = given) THEN
      EXECUTE format('GRANT SELECT ON engine.search_changes, engine.search_state, engine.search_rejects TO %I', given);
    END IF;
  END LOOP;
END $$;

-- What this and the migrations before it made belongs to who owns the rest.
DO $$
DECLARE
  statement text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'oneclick_owner')
     OR NOT pg_catalog.pg_has_role('oneclick_owner', 'MEMBER') THEN
    RETURN;
  END IF;
  FOR statement IN
    SELECT format('ALTER TABLE %s OWNER TO oneclick_owner', c.oid::regclass) FROM pg_catalog.pg_class c
     WHERE c.oid IN ('engine.link_halts'::regclass, 'engine.search_changes'::regclass, 'engine.search_state'::regclass,
                     'engine.search_rejects'::regclass)
    UNION ALL
    SELECT format('ALTER FUNCTION %s OWNER TO oneclick_owner', p.oid::regprocedure) FROM pg_catalog.pg_proc p
     WHERE p.pronamespace IN ('public'::regnamespace, 'engine'::regnamespace)
       AND (p.proname LIKE 'search\_%' OR p.proname LIKE '%\_document' OR p.proname IN ('link_halted', 'tag_words',
         'split_words', 'check_search', 'may_see_channel', 'is_subscribed', 'is_active_user', 'note_search_changes',
         'note_search_privacy'))
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
