-- `updated_at` says when a row was last changed, whoever changes it.
BEGIN;
SELECT plan(27);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;

INSERT INTO users (id, email, username, password_hash) VALUES (pg_temp.u(1), 'a@example.org', 'a', '!');
INSERT INTO user_profiles (user_id) VALUES (pg_temp.u(1));
INSERT INTO user_settings (user_id) VALUES (pg_temp.u(1));
INSERT INTO user_exchanges (user_id, exchange_name) VALUES (pg_temp.u(1), 'binance');
INSERT INTO portfolios (user_id, name) VALUES (pg_temp.u(1), 'p');
INSERT INTO trades (user_id, asset_symbol, quantity) VALUES (pg_temp.u(1), 'BTC/USDT', 1);
INSERT INTO premium_channels (id, creator_id, name) VALUES (pg_temp.u(2), pg_temp.u(1), 'c');
INSERT INTO community_posts (id, user_id, content, tags) VALUES (pg_temp.u(3), pg_temp.u(1), 'x', '["a"]');
INSERT INTO post_comments (id, post_id, user_id, content) VALUES (pg_temp.u(4), pg_temp.u(3), pg_temp.u(1), 'y');
INSERT INTO subscriptions (user_id, channel_id, start_date) VALUES (pg_temp.u(1), pg_temp.u(2), '2026-01-01');
INSERT INTO payment_methods (user_id) VALUES (pg_temp.u(1));
INSERT INTO payments (user_id, amount) VALUES (pg_temp.u(1), 1);
INSERT INTO trading_signals (id, channel_id, creator_id, asset_symbol)
  VALUES (pg_temp.u(5), pg_temp.u(2), pg_temp.u(1), 'BTC/USDT');
INSERT INTO notification_preferences (user_id, notification_type) VALUES (pg_temp.u(1), 'system');

-- Every table that has the column; each with a column to change.
CREATE TEMP TABLE changes (relation text, change text);
INSERT INTO changes VALUES
  ('users', 'bio = ''x'''), ('user_profiles', 'investment_goals = ''x'''),
  ('user_settings', 'language_preference = ''de'''), ('user_exchanges', 'api_key = ''x'''),
  ('portfolios', 'name = ''x'''), ('trades', 'order_id = ''x'''), ('premium_channels', 'name = ''x'''),
  ('community_posts', 'content = ''z'''), ('post_comments', 'content = ''z'''),
  ('subscriptions', 'cancellation_reason = ''x'''), ('payment_methods', 'provider = ''x'''),
  ('payments', 'failure_reason = ''x'''), ('trading_signals', 'timeframe = ''x'''),
  ('notification_preferences', 'enabled = false');
SELECT set_eq('SELECT relation FROM changes',
  $$SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'updated_at'
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'$$, 'the list below is complete');

CREATE FUNCTION pg_temp.moves(relation text, change text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  before timestamp;
  after timestamp;
BEGIN
  EXECUTE format('UPDATE public.%I SET updated_at = ''2026-01-02''', relation);
  EXECUTE format('SELECT updated_at FROM public.%I', relation) INTO before;
  EXECUTE format('UPDATE public.%I SET %s', relation, change);
  EXECUTE format('SELECT updated_at FROM public.%I', relation) INTO after;
  IF before <> '2026-01-02' OR before IS NULL THEN
    RAISE EXCEPTION 'a time that was named is not kept: %', before;
  END IF;
  RETURN after > now() AT TIME ZONE 'UTC' - interval '1 hour' AND after <= clock_timestamp() AT TIME ZONE 'UTC';
END $$;
SELECT ok(pg_temp.moves(relation, change), relation || ': a change moves it, a time that is named stays')
  FROM changes ORDER BY relation;
SELECT ok(bool_and(NOT pg_temp.moves(relation, change)), 'the same values again are no change') FROM changes;

UPDATE users SET updated_at = '2026-01-02';
INSERT INTO users (id, email, username, password_hash, updated_at)
  VALUES (pg_temp.u(9), 'b@example.org', 'b', '!', '2026-01-02');
INSERT INTO user_follows VALUES (pg_temp.u(9), pg_temp.u(1));
SELECT results_eq($$SELECT updated_at, total_followers FROM users WHERE id = pg_temp.u(1)$$,
  $$VALUES ('2026-01-02'::timestamp, 1)$$, 'to be followed is no change of a user');

UPDATE community_posts SET updated_at = '2026-01-02';
INSERT INTO post_likes VALUES (pg_temp.u(3), pg_temp.u(1));
SELECT is((SELECT updated_at FROM community_posts), '2026-01-02', 'to be liked is no change of a post');
UPDATE community_posts SET views_count = views_count + 1;
SELECT is((SELECT updated_at FROM community_posts), '2026-01-02', 'nor is to be looked at');
UPDATE community_posts SET shares_count = shares_count + 1;
SELECT is((SELECT updated_at FROM community_posts), '2026-01-02', 'nor is to be shared');
SELECT results_eq('SELECT views_count, shares_count FROM community_posts', 'VALUES (1, 1)',
  'views and shares are the platform''s to count');
UPDATE community_posts SET views_count = views_count + 1, title = 'x';
SELECT isnt((SELECT updated_at FROM community_posts), '2026-01-02', 'a new title beside a view is one');

UPDATE trades SET updated_at = '2026-01-02';
SET LOCAL oneclick.writer = 'engine';
UPDATE trades SET order_id = 'y';
SELECT is((SELECT updated_at FROM trades), '2026-01-02', 'the engine''s times are those of events');
SET LOCAL oneclick.writer = '';

UPDATE users SET updated_at = '2099-01-01' WHERE id = pg_temp.u(1);
UPDATE users SET bio = 'later' WHERE id = pg_temp.u(1);
SELECT is((SELECT updated_at FROM users WHERE id = pg_temp.u(1)), '2099-01-01', 'it never goes back');

SET LOCAL TIME ZONE 'Asia/Tokyo';
UPDATE portfolios SET name = 'tokyo';
SELECT ok((SELECT updated_at < clock_timestamp() AT TIME ZONE 'UTC' + interval '1 minute' FROM portfolios),
  'it is UTC whatever the session''s time zone');
-- A search vector or the like, which is there only behind the triggers that come before.
ALTER TABLE portfolios ADD COLUMN words text GENERATED ALWAYS AS (name || '!') STORED;
SELECT engine.keep_updated_at('public.portfolios');
UPDATE portfolios SET updated_at = '2026-01-02';
UPDATE portfolios SET name = name;
SELECT is((SELECT updated_at FROM portfolios), '2026-01-02', 'a generated column is no change');
UPDATE portfolios SET name = 'other';
SELECT isnt((SELECT updated_at FROM portfolios), '2026-01-02', 'what it is made of is one');

SELECT * FROM finish();
ROLLBACK;
