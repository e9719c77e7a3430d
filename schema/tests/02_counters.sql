-- Counters say what is counted, whichever way rows come and go.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;  -- TRUNCATE wants no checks waiting
SELECT plan(52);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 20) AS n;

-- Every counter against a count, at any moment: no row is wrong.
CREATE FUNCTION pg_temp.wrong_counters() RETURNS TABLE (what text, id uuid) LANGUAGE sql AS $$
  SELECT 'followers', u.id FROM users u
   WHERE u.total_followers IS DISTINCT FROM (SELECT count(*) FROM user_follows f WHERE f.following_id = u.id)
  UNION ALL SELECT 'following', u.id FROM users u
   WHERE u.total_following IS DISTINCT FROM (SELECT count(*) FROM user_follows f WHERE f.follower_id = u.id)
  UNION ALL SELECT 'post likes', p.id FROM community_posts p
   WHERE p.likes_count IS DISTINCT FROM (SELECT count(*) FROM post_likes l WHERE l.post_id = p.id)
  UNION ALL SELECT 'comments', p.id FROM community_posts p
   WHERE p.comments_count IS DISTINCT FROM (SELECT count(*) FROM post_comments c WHERE c.post_id = p.id)
  UNION ALL SELECT 'comment likes', c.id FROM post_comments c
   WHERE c.likes_count IS DISTINCT FROM (SELECT count(*) FROM comment_likes l WHERE l.comment_id = c.id)
  UNION ALL SELECT 'subscribers', c.id FROM premium_channels c
   WHERE c.subscriber_count IS DISTINCT FROM
     (SELECT count(*) FROM subscriptions s WHERE s.channel_id = c.id AND s.status = 'active')
  UNION ALL SELECT 'signals', c.id FROM premium_channels c
   WHERE c.total_signals IS DISTINCT FROM (SELECT count(*) FROM trading_signals s WHERE s.channel_id = c.id)
  UNION ALL SELECT 'signal followers', s.id FROM trading_signals s
   WHERE s.followers_count IS DISTINCT FROM (SELECT count(*) FROM signal_followers f WHERE f.signal_id = s.id)
  UNION ALL SELECT 'copies', s.id FROM trading_signals s
   WHERE s.copies_count IS DISTINCT FROM
     (SELECT count(*) FROM signal_followers f WHERE f.signal_id = s.id AND f.follow_type = 'copied') $$;

-- Follows ---------------------------------------------------------------------------------------------------
INSERT INTO user_follows SELECT pg_temp.u(n), pg_temp.u(1) FROM generate_series(2, 11) AS n;
SELECT is((SELECT total_followers FROM users WHERE id = pg_temp.u(1)), 10, 'one statement, ten followers');
SELECT is((SELECT total_following FROM users WHERE id = pg_temp.u(5)), 1, 'each of them follows one');
INSERT INTO user_follows VALUES (pg_temp.u(1), pg_temp.u(2)), (pg_temp.u(2), pg_temp.u(3)),
  (pg_temp.u(3), pg_temp.u(1)) ON CONFLICT DO NOTHING;
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'what was there already is not counted twice');
SELECT results_eq($$SELECT total_followers, total_following FROM users WHERE id = pg_temp.u(2)$$,
  'VALUES (1, 2)', 'both counters of a user move in one statement');
UPDATE user_follows SET following_id = pg_temp.u(12) WHERE follower_id = pg_temp.u(5);
SELECT is((SELECT total_followers FROM users WHERE id = pg_temp.u(1)), 9, 'who moves on is taken from one');
SELECT is((SELECT total_followers FROM users WHERE id = pg_temp.u(12)), 1, 'and given to the other');
UPDATE user_follows SET created_at = '2026-01-01';
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'another column changes nothing');
DELETE FROM user_follows WHERE follower_id IN (pg_temp.u(6), pg_temp.u(7));
SELECT is((SELECT total_followers FROM users WHERE id = pg_temp.u(1)), 7, 'two less in one statement');
DELETE FROM user_follows WHERE false;
INSERT INTO user_follows SELECT * FROM user_follows WHERE false;
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'statements without rows do no harm');
WITH gone AS (DELETE FROM user_follows WHERE follower_id = pg_temp.u(8) RETURNING *)
  INSERT INTO user_follows SELECT pg_temp.u(13), following_id FROM gone;
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'a statement that takes and gives');
MERGE INTO user_follows f USING (VALUES (pg_temp.u(9), pg_temp.u(1)), (pg_temp.u(14), pg_temp.u(1)),
    (pg_temp.u(10), pg_temp.u(1))) AS v (a, b) ON f.follower_id = v.a AND f.following_id = v.b
  WHEN MATCHED AND v.a = pg_temp.u(9) THEN DELETE
  WHEN MATCHED THEN UPDATE SET following_id = pg_temp.u(15)
  WHEN NOT MATCHED THEN INSERT (follower_id, following_id) VALUES (v.a, v.b);
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'MERGE does all three at once');
INSERT INTO user_follows VALUES (pg_temp.u(10), pg_temp.u(15))
  ON CONFLICT (follower_id, following_id) DO UPDATE SET following_id = pg_temp.u(16);
SELECT is((SELECT total_followers FROM users WHERE id = pg_temp.u(16)), 1, 'INSERT that becomes an UPDATE');
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'and nothing else is wrong');
SAVEPOINT before;
INSERT INTO user_follows VALUES (pg_temp.u(17), pg_temp.u(1));
ROLLBACK TO before;
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'what is rolled back was never counted');
DELETE FROM users WHERE id IN (pg_temp.u(2), pg_temp.u(3), pg_temp.u(11));
SELECT is((SELECT count(*)::integer FROM user_follows WHERE pg_temp.u(2) IN (follower_id, following_id)), 0,
  'users take their follows with them');
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'and those they followed have fewer');
UPDATE users SET id = pg_temp.u(99) WHERE id = pg_temp.u(18);
TRUNCATE user_follows;
SELECT is((SELECT sum(total_followers + total_following)::integer FROM users), 0, 'TRUNCATE leaves zeroes');
INSERT INTO user_follows VALUES (pg_temp.u(4), pg_temp.u(1));
SELECT is((SELECT total_followers FROM users WHERE id = pg_temp.u(1)), 1, 'and counting goes on from there');

-- Posts, comments, likes ------------------------------------------------------------------------------------
INSERT INTO community_posts (id, user_id, content) SELECT pg_temp.u(100 + n), pg_temp.u(1), 'post'
  FROM generate_series(1, 3) AS n;
INSERT INTO post_likes SELECT pg_temp.u(101), u.id FROM users u;
SELECT is((SELECT likes_count FROM community_posts WHERE id = pg_temp.u(101)), 17, 'likes of a post');
SELECT is((SELECT likes_count FROM community_posts WHERE id = pg_temp.u(102)), 0, 'of that post alone');
UPDATE post_likes SET post_id = pg_temp.u(102) WHERE user_id = pg_temp.u(4);
SELECT results_eq('SELECT likes_count FROM community_posts ORDER BY id', 'VALUES (16), (1), (0)', 'a like moves');
DELETE FROM post_likes WHERE user_id IN (pg_temp.u(5), pg_temp.u(6));
SELECT results_eq('SELECT likes_count FROM community_posts ORDER BY id', 'VALUES (14), (1), (0)', 'likes go');
INSERT INTO post_comments (id, post_id, user_id, content, parent_comment_id) VALUES
  (pg_temp.u(201), pg_temp.u(101), pg_temp.u(4), 'a', NULL),
  (pg_temp.u(202), pg_temp.u(101), pg_temp.u(5), 'b', pg_temp.u(201)),
  (pg_temp.u(203), pg_temp.u(101), pg_temp.u(6), 'c', pg_temp.u(202)),
  (pg_temp.u(204), pg_temp.u(102), pg_temp.u(6), 'd', NULL);
SELECT results_eq('SELECT comments_count FROM community_posts ORDER BY id', 'VALUES (3), (1), (0)',
  'answers are comments too');
INSERT INTO post_comments (post_id, user_id, content) VALUES (NULL, pg_temp.u(4), 'nowhere');
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'a comment of no post counts nowhere');
UPDATE post_comments SET post_id = pg_temp.u(103) WHERE content = 'nowhere';
SELECT is((SELECT comments_count FROM community_posts WHERE id = pg_temp.u(103)), 1, 'until it has one');
INSERT INTO comment_likes SELECT pg_temp.u(202), u.id FROM users u;
INSERT INTO comment_likes VALUES (pg_temp.u(204), pg_temp.u(4));
SELECT is((SELECT likes_count FROM post_comments WHERE id = pg_temp.u(202)), 17, 'likes of a comment');
DELETE FROM comment_likes WHERE user_id = pg_temp.u(7);
SELECT is((SELECT likes_count FROM post_comments WHERE id = pg_temp.u(202)), 16, 'one less');
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'all of them right');
DELETE FROM post_comments WHERE id = pg_temp.u(201);
SELECT is((SELECT comments_count FROM community_posts WHERE id = pg_temp.u(101)), 0,
  'a comment takes its answers with it');
DELETE FROM users WHERE id = pg_temp.u(6);
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'a user takes likes and comments');
DELETE FROM community_posts WHERE id = pg_temp.u(101);
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'a post goes with all that hangs on it');
TRUNCATE comment_likes;
SELECT is((SELECT sum(likes_count)::integer FROM post_comments), 0, 'TRUNCATE of comment_likes');
TRUNCATE post_comments CASCADE;
SELECT is((SELECT sum(comments_count)::integer FROM community_posts), 0, 'TRUNCATE of post_comments');
TRUNCATE post_likes;
SELECT is((SELECT sum(likes_count)::integer FROM community_posts), 0, 'TRUNCATE of post_likes');

-- Channels and signals --------------------------------------------------------------------------------------
INSERT INTO premium_channels (id, creator_id, name) SELECT pg_temp.u(300 + n), pg_temp.u(1), 'c'
  FROM generate_series(1, 2) AS n;
INSERT INTO subscriptions (id, user_id, channel_id, status, start_date) VALUES
  (pg_temp.u(401), pg_temp.u(4), pg_temp.u(301), 'active', '2026-01-01'),
  (pg_temp.u(402), pg_temp.u(5), pg_temp.u(301), 'pending', '2026-01-01'),
  (pg_temp.u(403), pg_temp.u(7), pg_temp.u(301), NULL, '2026-01-01'),
  (pg_temp.u(404), pg_temp.u(8), pg_temp.u(301), 'active', '2026-01-01');
SELECT is((SELECT subscriber_count FROM premium_channels WHERE id = pg_temp.u(301)), 2, 'active ones count');
UPDATE subscriptions SET status = 'active';
SELECT is((SELECT subscriber_count FROM premium_channels WHERE id = pg_temp.u(301)), 4, 'as they become active');
UPDATE subscriptions SET status = 'suspended' WHERE id = pg_temp.u(401);
UPDATE subscriptions SET status = 'cancelled' WHERE id = pg_temp.u(402);
UPDATE subscriptions SET status = 'expired' WHERE id = pg_temp.u(403);
SELECT is((SELECT subscriber_count FROM premium_channels WHERE id = pg_temp.u(301)), 1, 'and no longer');
UPDATE subscriptions SET channel_id = pg_temp.u(302) WHERE id IN (pg_temp.u(401), pg_temp.u(404));
SELECT results_eq('SELECT subscriber_count FROM premium_channels ORDER BY id', 'VALUES (0), (1)', 'by channel');
UPDATE subscriptions SET channel_id = pg_temp.u(301), status = 'active' WHERE id = pg_temp.u(401);
SELECT results_eq('SELECT subscriber_count FROM premium_channels ORDER BY id', 'VALUES (1), (1)',
  'status and channel at once');
DELETE FROM subscriptions WHERE id = pg_temp.u(404);
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'a subscription that goes');
INSERT INTO trading_signals (id, channel_id, creator_id, asset_symbol, status)
  SELECT pg_temp.u(500 + n), pg_temp.u(301), pg_temp.u(1), 'BTC/USDT', 'active' FROM generate_series(1, 4) AS n;
SELECT is((SELECT total_signals FROM premium_channels WHERE id = pg_temp.u(301)), 4, 'signals published');
UPDATE trading_signals SET status = 'closed' WHERE id = pg_temp.u(501);
SELECT is((SELECT total_signals FROM premium_channels WHERE id = pg_temp.u(301)), 4, 'closed ones were published');
UPDATE trading_signals SET channel_id = pg_temp.u(302) WHERE id = pg_temp.u(502);
DELETE FROM trading_signals WHERE id = pg_temp.u(503);
SELECT results_eq('SELECT total_signals FROM premium_channels ORDER BY id', 'VALUES (2), (1)', 'moved, removed');
INSERT INTO signal_followers (signal_id, user_id, follow_type) VALUES
  (pg_temp.u(501), pg_temp.u(4), 'watching'), (pg_temp.u(501), pg_temp.u(5), 'copying'),
  (pg_temp.u(501), pg_temp.u(7), 'copied'), (pg_temp.u(502), pg_temp.u(4), NULL);
SELECT results_eq($$SELECT followers_count, copies_count FROM trading_signals WHERE id = pg_temp.u(501)$$,
  'VALUES (3, 1)', 'all follow, one has copied');
SET LOCAL oneclick.writer = 'engine';
UPDATE signal_followers SET follow_type = 'copied' WHERE follow_type = 'copying';
SET LOCAL oneclick.writer = '';
SELECT results_eq($$SELECT followers_count, copies_count FROM trading_signals WHERE id = pg_temp.u(501)$$,
  'VALUES (3, 2)', 'the engine''s copies count');
DELETE FROM users WHERE id = pg_temp.u(7);
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'a user who copied goes');
TRUNCATE signal_followers;
SELECT is((SELECT sum(followers_count + copies_count)::integer FROM trading_signals), 0,
  'TRUNCATE of signal_followers');

-- Whose the counters are ------------------------------------------------------------------------------------
UPDATE users SET total_followers = 77, bio = 'saved whole' WHERE id = pg_temp.u(1);
SELECT results_eq($$SELECT total_followers, bio FROM users WHERE id = pg_temp.u(1)$$,
  $$VALUES (1, 'saved whole'::text)$$, 'a counter that somebody writes keeps what was counted, the rest is taken');
INSERT INTO users (id, email, username, password_hash, total_followers, total_following)
  VALUES (pg_temp.u(30), 'c@example.org', 'c30', '!', 5, NULL);
SELECT results_eq($$SELECT total_followers, total_following FROM users WHERE id = pg_temp.u(30)$$,
  'VALUES (0, 0)', 'a new row begins at zero');
INSERT INTO user_follows VALUES (pg_temp.u(30), pg_temp.u(1));
SELECT is_empty('SELECT * FROM pg_temp.wrong_counters()', 'all of them right at the end');

-- A role that may like need not be able to change posts.
CREATE ROLE pgtap_reader;
GRANT USAGE ON SCHEMA public TO pgtap_reader;
GRANT INSERT ON post_likes TO pgtap_reader;
SET ROLE pgtap_reader;
INSERT INTO public.post_likes (post_id, user_id) VALUES
  ('00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000004');
RESET ROLE;
SELECT is((SELECT likes_count FROM community_posts WHERE id = pg_temp.u(102)), 1, 'counted as the owner');

SELECT is_empty($$SELECT * FROM engine.change_log WHERE table_name IN ('users', 'premium_channels') AND
  op = 'update' AND row_id <> pg_temp.u(18)::text AND row_id <> pg_temp.u(99)::text$$,
  'counting is no news to the engine');

SELECT * FROM finish();
ROLLBACK;
