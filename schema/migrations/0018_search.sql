-- oneclick: no transaction
-- Full-text search over posts, channels, users and signals. What is found is what the viewer may see. The
-- documents are expressions with an index each, so the tables keep the platform's columns and their writers pay
-- for nothing but the index. Every statement is right a second time.

-- Documents: names and titles weigh most, then tags and symbols, then text. Words of English are found in all
-- their forms; names of people as they are written.
-- BTC/USDT and break-out are found whole and by their parts, in questions as in documents. What is longer than
-- anybody reads is cut, because a document has a size that it must not exceed.
CREATE OR REPLACE FUNCTION engine.split_words(content text, longest integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT regexp_replace(left(coalesce(content, ''), longest), '([[:alnum:]])[-/:]+(?=[[:alnum:]])', '\1 ', 'g')
$$;
COMMENT ON FUNCTION engine.split_words(text, integer) IS 'A text with its pairs and compounds taken apart.';

CREATE OR REPLACE FUNCTION engine.tag_words(tags jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN jsonb_typeof(tags) = 'array'
    THEN (SELECT string_agg(t, ' ') FROM jsonb_array_elements_text(tags) AS t) END
$$;
COMMENT ON FUNCTION engine.tag_words(jsonb) IS 'Tags, a space between them.';

CREATE OR REPLACE FUNCTION engine.post_document(title varchar, content text, tags jsonb) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT setweight(to_tsvector('english', engine.split_words(title, 1000)), 'A')
      || setweight(to_tsvector('english', engine.split_words(engine.tag_words(tags), 10000)), 'B')
      || setweight(to_tsvector('english', engine.split_words(content, 100000)), 'C')
$$;
COMMENT ON FUNCTION engine.post_document(varchar, text, jsonb) IS 'What a post is found by.';

CREATE OR REPLACE FUNCTION engine.channel_document(name varchar, description text, category varchar, tags jsonb)
RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT setweight(to_tsvector('english', engine.split_words(name, 1000)), 'A')
      || setweight(to_tsvector('english', engine.split_words(concat_ws(' ', category, engine.tag_words(tags)), 10000)), 'B')
      || setweight(to_tsvector('english', engine.split_words(description, 100000)), 'C')
$$;
COMMENT ON FUNCTION engine.channel_document(varchar, text, varchar, jsonb) IS 'What a channel is found by.';

CREATE OR REPLACE FUNCTION engine.user_document(username varchar, first_name varchar, last_name varchar, bio text)
RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT setweight(to_tsvector('simple', engine.split_words(username, 1000)), 'A')
      || setweight(to_tsvector('simple', engine.split_words(concat(first_name, ' ', last_name), 1000)), 'B')
      || setweight(to_tsvector('english', engine.split_words(bio, 100000)), 'C')
$$;
COMMENT ON FUNCTION engine.user_document(varchar, varchar, varchar, text) IS 'What a user is found by.';

CREATE OR REPLACE FUNCTION engine.signal_document(asset_symbol varchar, timeframe varchar, reasoning text)
RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT setweight(to_tsvector('english', engine.split_words(asset_symbol, 1000)), 'A')
      || setweight(to_tsvector('english', engine.split_words(timeframe, 1000)), 'B')
      || setweight(to_tsvector('english', engine.split_words(reasoning, 100000)), 'C')
$$;
COMMENT ON FUNCTION engine.signal_document(varchar, varchar, text) IS 'What a signal is found by.';

CREATE INDEX CONCURRENTLY IF NOT EXISTS community_posts_search_idx ON public.community_posts
  USING gin (engine.post_document(title, content, tags));
CREATE INDEX CONCURRENTLY IF NOT EXISTS premium_channels_search_idx ON public.premium_channels
  USING gin (engine.channel_document(name, description, category, tags));
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_search_idx ON public.users
  USING gin (engine.user_document(username, first_name, last_name, bio));
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_username_prefix_idx ON public.users (lower(username) COLLATE "C");
CREATE INDEX CONCURRENTLY IF NOT EXISTS trading_signals_search_idx ON public.trading_signals
  USING gin (engine.signal_document(asset_symbol, timeframe, reasoning));

-- Questions -------------------------------------------------------------------------------------------------------
-- As people write them: words, "phrases", or, -without.
CREATE OR REPLACE FUNCTION engine.search_query(question text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT websearch_to_tsquery('english', engine.split_words(question, 1000))
$$;
COMMENT ON FUNCTION engine.search_query(text) IS 'A question as people write it.';

CREATE OR REPLACE FUNCTION engine.check_search(question text, page_size integer, after_rank real, after_id uuid)
RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF question IS NULL OR length(question) > 1000 THEN
    RAISE EXCEPTION 'question: %; allowed: a text of at most 1000 characters',
      coalesce(length(question) || ' characters', 'NULL') USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 100 THEN
    RAISE EXCEPTION 'page_size: %; allowed: 1 to 100', coalesce(page_size::text, 'NULL')
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF (after_rank IS NULL) <> (after_id IS NULL) THEN
    RAISE EXCEPTION 'after_rank, after_id: %; allowed: both of the last row of the page before, or neither',
      CASE WHEN after_rank IS NULL THEN 'only after_id' ELSE 'only after_rank' END
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
END $$;
COMMENT ON FUNCTION engine.check_search(text, integer, real, uuid) IS 'Refuses what cannot be asked.';

-- A piece of the text with what was found marked; safe to put into a page as it is.
CREATE OR REPLACE FUNCTION engine.search_snippet(content text, asked tsquery) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ts_headline('english',
    replace(replace(replace(left(content, 10000), '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), asked,
    'StartSel=<mark>, StopSel=</mark>, MaxWords=30, MinWords=10, MaxFragments=2')
$$;
COMMENT ON FUNCTION engine.search_snippet(text, tsquery) IS 'A piece of a text with what was found in <mark>.';

CREATE OR REPLACE FUNCTION engine.is_subscribed(viewer uuid, channel uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM public.subscriptions s WHERE s.channel_id = channel AND s.user_id = viewer
    AND s.status = 'active' AND (s.end_date IS NULL OR s.end_date > now() AT TIME ZONE 'UTC'))
$$;
COMMENT ON FUNCTION engine.is_subscribed(uuid, uuid) IS 'Whether a subscription runs.';

-- Whether a viewer has what a channel asks for: it costs nothing, is their own, or is subscribed to.
CREATE OR REPLACE FUNCTION engine.may_see_channel(viewer uuid, channel uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM public.premium_channels c WHERE c.id = channel AND (c.creator_id = viewer
      OR c.is_active AND coalesce(c.pricing_monthly, 0) = 0 AND coalesce(c.pricing_yearly, 0) = 0
      OR engine.is_subscribed(viewer, c.id)))
$$;
COMMENT ON FUNCTION engine.may_see_channel(uuid, uuid) IS 'Free, the viewer''s own, or subscribed to.';

CREATE OR REPLACE FUNCTION engine.is_active_user(whom uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM public.users u WHERE u.id = whom AND u.account_status = 'active')
$$;
COMMENT ON FUNCTION engine.is_active_user(uuid) IS 'Whether an account is active.';

-- Searches --------------------------------------------------------------------------------------------------------
-- Each ranks the newest 2,000 matches that the viewer may see. The planner takes the documents to be cheap: read in
-- sequence they would all be made anew. `viewer` NULL is somebody who has not logged in.
-- The next page: the rank and id of the last row.
CREATE OR REPLACE FUNCTION public.search_posts(question text, viewer uuid DEFAULT NULL, with_tags text[] DEFAULT NULL,
  of_type public.post_type DEFAULT NULL, of_channel uuid DEFAULT NULL, of_author uuid DEFAULT NULL,
  page_size integer DEFAULT 20, after_rank real DEFAULT NULL, after_id uuid DEFAULT NULL)
RETURNS TABLE (id uuid, rank real, title varchar, snippet text, user_id uuid, channel_id uuid, created_at timestamp)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  asked tsquery := engine.search_query(question);
BEGIN
  PERFORM engine.check_search(question, page_size, after_rank, after_id);
  RETURN QUERY
    WITH found AS (
      SELECT p.* FROM public.community_posts p
       WHERE engine.post_document(p.title, p.content, p.tags) @@ asked
         AND (with_tags IS NULL OR p.tags ?& with_tags)
         AND (of_type IS NULL OR p.post_type = of_type)
         AND (of_channel IS NULL OR p.channel_id = of_channel)
         AND (of_author IS NULL OR p.user_id = of_author)
         AND engine.is_active_user(p.user_id)
         AND (p.user_id = viewer OR p.visibility = 'public'
           OR p.visibility = 'subscribers_only' AND engine.is_subscribed(viewer, p.channel_id)
           OR p.visibility = 'followers_only' AND EXISTS (SELECT FROM public.user_follows f
                WHERE f.follower_id = viewer AND f.following_id = p.user_id))
       ORDER BY p.created_at DESC LIMIT 2000),
    ranked AS (
      SELECT f.*, ts_rank_cd(engine.post_document(f.title, f.content, f.tags), asked, 1) AS score FROM found f)
    SELECT r.id, r.score, r.title, engine.search_snippet(r.content, asked), r.user_id, r.channel_id, r.created_at
      FROM ranked r WHERE after_id IS NULL OR (r.score, r.id) < (after_rank, after_id)
     ORDER BY r.score DESC, r.id DESC LIMIT page_size;
END $$;
COMMENT ON FUNCTION public.search_posts(text, uuid, text[], public.post_type, uuid, uuid, integer, real, uuid) IS
  'Posts that say what is asked, as the viewer may see them, best first.';

CREATE OR REPLACE FUNCTION public.search_channels(question text, with_tags text[] DEFAULT NULL,
  of_category text DEFAULT NULL, monthly_max numeric DEFAULT NULL,
  of_tier public.channel_subscription_tier DEFAULT NULL,
  page_size integer DEFAULT 20, after_rank real DEFAULT NULL, after_id uuid DEFAULT NULL)
RETURNS TABLE (id uuid, rank real, name varchar, snippet text, creator_id uuid, category varchar,
  pricing_monthly numeric, subscriber_count integer)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  asked tsquery := engine.search_query(question);
BEGIN
  PERFORM engine.check_search(question, page_size, after_rank, after_id);
  RETURN QUERY
    WITH found AS (
      SELECT c.* FROM public.premium_channels c
       WHERE engine.channel_document(c.name, c.description, c.category, c.tags) @@ asked AND c.is_active
         AND (with_tags IS NULL OR c.tags ?& with_tags)
         AND (of_category IS NULL OR lower(c.category) = lower(of_category))
         AND (monthly_max IS NULL OR coalesce(c.pricing_monthly, 0) <= monthly_max)
         AND (of_tier IS NULL OR c.subscription_tier = of_tier)
         AND engine.is_active_user(c.creator_id)
       ORDER BY c.created_at DESC LIMIT 2000),
    ranked AS (
      SELECT f.*, ts_rank_cd(engine.channel_document(f.name, f.description, f.category, f.tags), asked, 1) AS score
        FROM found f)
    SELECT r.id, r.score, r.name, engine.search_snippet(r.description, asked), r.creator_id, r.category,
           r.pricing_monthly, r.subscriber_count
      FROM ranked r WHERE after_id IS NULL OR (r.score, r.id) < (after_rank, after_id)
     ORDER BY r.score DESC, r.id DESC LIMIT page_size;
END $$;
COMMENT ON FUNCTION public.search_channels(text, text[], text, numeric, public.channel_subscription_tier, integer,
  real, uuid) IS 'Active channels that say what is asked, best first.';

-- A user is also found by how the name begins. Who has set privacy_settings.searchable to false is not found.
CREATE OR REPLACE FUNCTION public.search_users(question text, page_size integer DEFAULT 20,
  after_rank real DEFAULT NULL, after_id uuid DEFAULT NULL)
RETURNS TABLE (id uuid, rank real, username varchar, snippet text, total_followers integer)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  -- Names as they are written; what people say of themselves as English.
  asked tsquery := engine.search_query(question) || websearch_to_tsquery('simple', engine.split_words(question, 1000));
  begins text := lower(btrim(question));
BEGIN
  PERFORM engine.check_search(question, page_size, after_rank, after_id);
  RETURN QUERY
    WITH matched AS (
      SELECT u.id FROM public.users u
       WHERE engine.user_document(u.username, u.first_name, u.last_name, u.bio) @@ asked
      UNION
      (SELECT u.id FROM public.users u
        WHERE begins <> '' AND lower(u.username) COLLATE "C" >= begins
          AND lower(u.username) COLLATE "C" < begins || chr(1114109)
        ORDER BY lower(u.username) COLLATE "C" LIMIT 2000)),
    found AS (
      SELECT u.id, u.username, u.first_name, u.last_name, u.bio, u.total_followers, u.created_at
        FROM matched m JOIN public.users u ON u.id = m.id
        LEFT JOIN public.user_settings s ON s.user_id = u.id
       WHERE u.account_status = 'active' AND coalesce(s.privacy_settings ->> 'searchable', 'true') <> 'false'
       ORDER BY u.created_at DESC LIMIT 2000),
    ranked AS (
      SELECT f.*, ts_rank_cd(engine.user_document(f.username, f.first_name, f.last_name, f.bio), asked, 1)
             + CASE WHEN lower(f.username) = begins THEN 2
                    WHEN begins <> '' AND starts_with(lower(f.username), begins) THEN 1 ELSE 0 END::real AS score
        FROM found f)
    SELECT r.id, r.score, r.username, engine.search_snippet(r.bio, asked), r.total_followers
      FROM ranked r WHERE after_id IS NULL OR (r.score, r.id) < (after_rank, after_id)
     ORDER BY r.score DESC, r.id DESC LIMIT page_size;
END $$;
COMMENT ON FUNCTION public.search_users(text, integer, real, uuid) IS
  'Active users by name, how it begins, or what they say of themselves, best first.';

CREATE OR REPLACE FUNCTION public.search_signals(question text, viewer uuid DEFAULT NULL,
  of_symbol text DEFAULT NULL, of_type public.signal_type DEFAULT NULL,
  of_status public.signal_status DEFAULT NULL, of_channel uuid DEFAULT NULL,
  page_size integer DEFAULT 20, after_rank real DEFAULT NULL, after_id uuid DEFAULT NULL)
RETURNS TABLE (id uuid, rank real, asset_symbol varchar, snippet text, signal_type public.signal_type,
  status public.signal_status, channel_id uuid, creator_id uuid, created_at timestamp)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  asked tsquery := engine.search_query(question);
BEGIN
  PERFORM engine.check_search(question, page_size, after_rank, after_id);
  RETURN QUERY
    WITH found AS (
      SELECT t.* FROM public.trading_signals t
       WHERE engine.signal_document(t.asset_symbol, t.timeframe, t.reasoning) @@ asked
         AND (of_symbol IS NULL OR t.asset_symbol = of_symbol)
         AND (of_type IS NULL OR t.signal_type = of_type)
         AND (of_status IS NULL OR t.status = of_status)
         AND (of_channel IS NULL OR t.channel_id = of_channel)
         AND engine.is_active_user(t.creator_id)
         AND (t.creator_id = viewer OR engine.may_see_channel(viewer, t.channel_id))
       ORDER BY t.created_at DESC LIMIT 2000),
    ranked AS (
      SELECT f.*, ts_rank_cd(engine.signal_document(f.asset_symbol, f.timeframe, f.reasoning), asked, 1) AS score
        FROM found f)
    SELECT r.id, r.score, r.asset_symbol, engine.search_snippet(r.reasoning, asked), r.signal_type, r.status,
           r.channel_id, r.creator_id, r.created_at
      FROM ranked r WHERE after_id IS NULL OR (r.score, r.id) < (after_rank, after_id)
     ORDER BY r.score DESC, r.id DESC LIMIT page_size;
END $$;
COMMENT ON FUNCTION public.search_signals(text, uuid, text, public.signal_type, public.signal_status, uuid, integer,
  real, uuid) IS 'Signals that say what is asked, of channels the viewer has, best first.';

-- The best of each kind, for one box that searches everything.
CREATE OR REPLACE FUNCTION public.search_everything(question text, viewer uuid DEFAULT NULL,
  each_max integer DEFAULT 5)
RETURNS TABLE (kind text, id uuid, rank real, title text, snippet text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'user', u.id, u.rank, u.username::text, u.snippet FROM public.search_users(question, each_max) u
  UNION ALL
  SELECT 'channel', c.id, c.rank, c.name::text, c.snippet
    FROM public.search_channels(question, page_size => each_max) c
  UNION ALL
  SELECT 'post', p.id, p.rank, p.title::text, p.snippet
    FROM public.search_posts(question, viewer, page_size => each_max) p
  UNION ALL
  SELECT 'signal', s.id, s.rank, s.asset_symbol::text, s.snippet
    FROM public.search_signals(question, viewer, page_size => each_max) s
$$;
COMMENT ON FUNCTION public.search_everything(text, uuid, integer) IS 'The best of each kind.';

-- They run with the caller's own rights: whoever may read the tables may search them.
DO $$
DECLARE
  given record;
BEGIN
  FOR given IN
    SELECT p.oid::regprocedure AS routine, r.rolname FROM pg_catalog.pg_proc p, pg_catalog.pg_roles r
     WHERE (p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'search\_%'
         OR p.pronamespace = 'engine'::regnamespace AND p.proname IN ('tag_words', 'post_document',
           'channel_document', 'user_document', 'signal_document', 'search_query', 'check_search', 'search_snippet',
           'may_see_channel', 'is_subscribed', 'is_active_user', 'split_words'))
       AND r.rolname IN ('oneclick_platform', 'oneclick_readonly')
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', given.routine, given.rolname);
  END LOOP;
END $$;
