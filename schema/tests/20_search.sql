-- Posts, channels, users and signals are found: ranked, filtered, page by page, and only by who may see them.
BEGIN;
SELECT plan(62);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash, first_name, bio, account_status) VALUES
  (pg_temp.u(1), 'a@example.org', 'Ada', '!', 'Augusta', 'I trade breakouts & <b>news</b>', 'active'),
  (pg_temp.u(2), 'b@example.org', 'adamant', '!', NULL, NULL, 'active'),
  (pg_temp.u(3), 'c@example.org', 'carol', '!', 'Ada', NULL, 'active'),
  (pg_temp.u(4), 'd@example.org', 'ada_gone', '!', NULL, 'breakouts', 'suspended'),
  (pg_temp.u(5), 'e@example.org', 'ada_hidden', '!', NULL, 'breakouts', 'active'),
  (pg_temp.u(6), 'f@example.org', '100%_sure', '!', NULL, NULL, 'active');
INSERT INTO user_settings (user_id, privacy_settings) VALUES (pg_temp.u(5), '{"searchable": false}');
INSERT INTO premium_channels (id, creator_id, name, description, category, tags, pricing_monthly, subscription_tier,
    is_active) VALUES
  (pg_temp.u(11), pg_temp.u(1), 'Breakout hunters', 'Momentum in majors', 'Crypto', '["btc", "momentum"]', 20, 'vip', true),
  (pg_temp.u(12), pg_temp.u(2), 'Quiet money', 'No breakouts here, only carry', 'crypto', '["carry"]', NULL, 'basic', true),
  (pg_temp.u(13), pg_temp.u(1), 'Breakout closed', NULL, 'crypto', NULL, 5, 'basic', false),
  (pg_temp.u(14), pg_temp.u(4), 'Breakout of one who is suspended', NULL, NULL, NULL, NULL, NULL, true);
INSERT INTO subscriptions (user_id, channel_id, status, start_date) VALUES
  (pg_temp.u(3), pg_temp.u(11), 'active', '2026-01-01');
INSERT INTO user_follows (follower_id, following_id) VALUES (pg_temp.u(2), pg_temp.u(1));
INSERT INTO community_posts (id, user_id, channel_id, post_type, title, content, tags, visibility, created_at) VALUES
  (pg_temp.u(21), pg_temp.u(1), NULL, 'analysis', 'Ethereum breaking out', 'Volume is rising', '["eth", "long"]', 'public', '2026-01-01'),
  (pg_temp.u(22), pg_temp.u(1), NULL, 'discussion', 'Weekly', 'Ethereum was broken <script>alert(1)</script> again', '["eth"]', 'public', '2026-01-02'),
  (pg_temp.u(23), pg_temp.u(1), pg_temp.u(11), 'trade', 'For subscribers', 'ethereum trade', NULL, 'subscribers_only', '2026-01-03'),
  (pg_temp.u(24), pg_temp.u(1), NULL, 'trade', 'For followers', 'ethereum trade', NULL, 'followers_only', '2026-01-04'),
  (pg_temp.u(25), pg_temp.u(1), NULL, 'trade', 'Not said for whom', 'ethereum trade', NULL, NULL, '2026-01-05'),
  (pg_temp.u(26), pg_temp.u(4), NULL, 'trade', 'Of one who is suspended', 'ethereum trade', NULL, 'public', '2026-01-06');
INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol, reasoning, timeframe, status) VALUES
  (pg_temp.u(31), pg_temp.u(11), pg_temp.u(1), 'buy', 'BTC/USDT', 'A breakout above the range', '4h', 'active'),
  (pg_temp.u(32), pg_temp.u(12), pg_temp.u(2), 'sell', 'ETH/USDT', 'Funding is high for BTC too', '1d', 'closed');

CREATE FUNCTION pg_temp.posts(question text, viewer integer DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(right(id::text, 2), ' ' ORDER BY id) FROM search_posts(question,
    CASE WHEN viewer IS NOT NULL THEN pg_temp.u(viewer) END) $$;
CREATE FUNCTION pg_temp.best(question text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(right(id::text, 2), ' ' ORDER BY rank DESC, id DESC) FROM search_posts(question) $$;
CREATE FUNCTION pg_temp.names(question text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(username, ' ' ORDER BY rank DESC, id DESC) FROM search_users(question) $$;
CREATE FUNCTION pg_temp.signals(question text, viewer integer DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(right(id::text, 2), ' ' ORDER BY id) FROM search_signals(question,
    CASE WHEN viewer IS NOT NULL THEN pg_temp.u(viewer) END) $$;

-- Who sees what
SELECT is(pg_temp.posts('ethereum'), '21 22', 'who has not logged in sees what is public');
SELECT is(pg_temp.posts('ethereum', 3), '21 22 23', 'a subscriber what is for subscribers');
SELECT is(pg_temp.posts('ethereum', 2), '21 22 24', 'a follower what is for followers');
SELECT is(pg_temp.posts('ethereum', 1), '21 22 23 24 25', 'an author all of their own');
SELECT is(pg_temp.posts('ethereum', 4), '21 22', 'a suspended user no more than anybody');
UPDATE subscriptions SET status = 'cancelled';
SELECT is(pg_temp.posts('ethereum', 3), '21 22', 'a subscription that has ended opens nothing');
UPDATE subscriptions SET status = 'active', end_date = '2026-02-01';
SELECT is(pg_temp.posts('ethereum', 3), '21 22', 'nor one whose time is over');
UPDATE subscriptions SET end_date = NULL;

-- Words
SELECT is(pg_temp.best('ethereum'), '21 22', 'a title weighs more than the text');
SELECT is(pg_temp.posts('rises'), '21', 'other forms of a word');
SELECT is(pg_temp.posts('"volume is rising"'), '21', 'phrases');
SELECT is(pg_temp.posts('ethereum -weekly'), '21', 'without');
SELECT is(pg_temp.posts('volume or weekly'), '21 22', 'either');
SELECT is(pg_temp.posts('eth'), '21 22', 'tags');
SELECT is(pg_temp.posts('nothing of the kind'), NULL, 'nothing');
SELECT is(pg_temp.posts(''), NULL, 'an empty question finds nothing');
SELECT is(pg_temp.posts('the'), NULL, 'nor one of words that say nothing');
SELECT is(pg_temp.posts('&|!()'':*'), NULL, 'signs are no syntax');
SELECT is(pg_temp.best('eth long'), '21', 'all words asked for');

-- Pairs and compounds, whole and by their parts, in titles, tags and signals
INSERT INTO community_posts (id, user_id, title, content, tags, visibility) VALUES
  (pg_temp.u(41), pg_temp.u(1), 'XRP/USDT break-out', 'x', '["DOGE/USDT"]', 'public');
SELECT is(pg_temp.posts('XRP/USDT'), '41', 'a pair in a title');
SELECT is(pg_temp.posts('xrp'), '41', 'and its base');
SELECT is(pg_temp.posts('XRP-USDT'), '41', 'however it is joined');
SELECT is(pg_temp.posts('doge'), '41', 'a pair in a tag');
SELECT is(pg_temp.posts('break-out'), '21 41', 'a compound, in all forms of its words');
DELETE FROM community_posts WHERE id = pg_temp.u(41);

-- What is for subscribers needs a subscription, also where the channel costs nothing
INSERT INTO community_posts (id, user_id, channel_id, content, visibility) VALUES
  (pg_temp.u(42), pg_temp.u(2), pg_temp.u(12), 'gratis', 'subscribers_only');
SELECT is(pg_temp.posts('gratis'), NULL, 'not for who has not logged in');
SELECT is(pg_temp.posts('gratis', 3), NULL, 'nor for who has not subscribed');
SELECT is(pg_temp.posts('gratis', 2), '42', 'but for its author');

-- Nothing is too long to be written
SELECT lives_ok($$INSERT INTO community_posts (user_id, title, content, tags, visibility)
  SELECT pg_temp.u(1), w, w, jsonb_build_array(w), 'public'
    FROM (SELECT string_agg(md5(n::text), ' ') AS w FROM generate_series(1, 60000) AS n) s$$, 'a very long post');
DELETE FROM community_posts WHERE length(content) > 100000;

-- Filters
SELECT is((SELECT count(*)::integer FROM search_posts('ethereum', with_tags => '{eth,long}')), 1, 'all tags');
SELECT is((SELECT count(*)::integer FROM search_posts('ethereum', with_tags => '{nope}')), 0, 'no such tag');
SELECT is((SELECT count(*)::integer FROM search_posts('ethereum', of_type => 'discussion')), 1, 'a kind of post');
SELECT is((SELECT count(*)::integer FROM search_posts('ethereum', pg_temp.u(3), of_channel => pg_temp.u(11))), 1, 'a channel');
SELECT is((SELECT count(*)::integer FROM search_posts('ethereum', of_author => pg_temp.u(2))), 0, 'an author');

-- What is shown
SELECT ok((SELECT snippet LIKE '%<mark>Ethereum</mark>%' FROM search_posts('ethereum') WHERE id = pg_temp.u(22)),
  'what was found is marked');
SELECT ok((SELECT snippet NOT LIKE '%<script>%' AND snippet LIKE '%&lt;script&gt;%' FROM search_posts('ethereum')
  WHERE id = pg_temp.u(22)), 'what people wrote is no markup');

-- Changes are found at once
UPDATE community_posts SET content = 'Solana now', title = 'x', tags = NULL WHERE id = pg_temp.u(22);
SELECT is(pg_temp.posts('ethereum'), '21', 'what was changed is not found as it was');
SELECT is(pg_temp.posts('solana'), '22', 'but as it is');
DELETE FROM community_posts WHERE id = pg_temp.u(22);
SELECT is(pg_temp.posts('solana'), NULL, 'what was deleted is gone');

-- Pages
INSERT INTO community_posts (id, user_id, content, visibility)
  SELECT pg_temp.u(1000 + n), pg_temp.u(1), repeat('zebra ', 1 + n % 3), 'public' FROM generate_series(1, 45) AS n;
CREATE TEMPORARY TABLE pages (n integer, id uuid, rank real);
DO $$
DECLARE
  last_rank real; last_id uuid; rows integer;
BEGIN
  FOR page IN 1..4 LOOP
    INSERT INTO pages SELECT page, s.id, s.rank
      FROM search_posts('zebra', page_size => 20, after_rank => last_rank, after_id => last_id) s;
    SELECT p.rank, p.id INTO last_rank, last_id FROM pages p ORDER BY p.rank, p.id LIMIT 1;
  END LOOP;
END $$;
SELECT is((SELECT array_agg(c ORDER BY n) FROM (SELECT n, count(*)::integer AS c FROM pages GROUP BY n) s),
  ARRAY[20, 20, 5], 'pages are full until the last');
SELECT is((SELECT count(DISTINCT id)::integer FROM pages), 45, 'nothing twice, nothing left out');

-- Channels
SELECT is((SELECT string_agg(right(id::text, 2), ' ' ORDER BY rank DESC) FROM search_channels('breakout')), '11 12',
  'active channels of active people, the name first');
SELECT is((SELECT count(*)::integer FROM search_channels('breakout', of_category => 'CRYPTO')), 2, 'a category');
SELECT is((SELECT count(*)::integer FROM search_channels('breakout', monthly_max => 10)), 1, 'a price');
SELECT is((SELECT count(*)::integer FROM search_channels('breakout', of_tier => 'vip')), 1, 'a tier');
SELECT is((SELECT count(*)::integer FROM search_channels('momentum', with_tags => '{btc}')), 1, 'tags of channels');

-- Users
SELECT is(pg_temp.names('ada'), 'Ada adamant carol', 'the name itself, how it begins, then other names');
SELECT is(pg_temp.names('ADA'), 'Ada adamant carol', 'however it is written');
SELECT is(pg_temp.names('breakouts'), 'Ada', 'what they say of themselves; not the suspended, not the hidden');
SELECT is(pg_temp.names('100%'), '100%_sure', 'signs are themselves');
SELECT is(pg_temp.names('%'), NULL, 'and stand for nothing else');
SELECT ok((SELECT snippet NOT LIKE '%<b>%' FROM search_users('breakouts')), 'snippets of users are safe too');

-- Signals
SELECT is(pg_temp.signals('btc'), '32', 'of free channels for everybody');
SELECT is(pg_temp.signals('btc', 3), '31 32', 'of paid ones for subscribers');
SELECT is((SELECT right(id::text, 2) FROM search_signals('BTC/USDT', pg_temp.u(1), page_size => 1)), '31',
  'a pair as it is written');
SELECT is((SELECT count(*)::integer FROM search_signals('btc', pg_temp.u(1), of_status => 'active')), 1, 'a status');
SELECT is((SELECT count(*)::integer FROM search_signals('btc', pg_temp.u(1), of_symbol => 'ETH/USDT', of_type => 'sell')),
  1, 'a symbol and a kind');
SELECT is((SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM search_everything('breakout', pg_temp.u(3))),
  'channel signal user', 'everything at once');

-- What cannot be asked
SELECT throws_like($$SELECT search_posts(repeat('x', 1001))$$, 'question: 1001 characters; allowed:%', 'too long');
SELECT throws_like($$SELECT search_posts(NULL)$$, 'question: NULL; allowed:%', 'no question');
SELECT throws_like($$SELECT search_users('x', 101)$$, 'page_size: 101; allowed: 1 to 100', 'too much at once');
SELECT throws_like($$SELECT search_signals('x', after_rank => 1)$$, 'after_rank, after_id: only after_rank;%', 'half a page');

-- Indices do the work
INSERT INTO community_posts (user_id, content, visibility)
  SELECT pg_temp.u(1), 'filler ' || md5(n::text), 'public' FROM generate_series(1, 5000) AS n;
ANALYZE community_posts;
CREATE FUNCTION pg_temp.plan(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line text; whole text := '';
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP whole := whole || line; END LOOP;
  RETURN whole;
END $$;
SELECT ok(pg_temp.plan($$SELECT id FROM community_posts WHERE engine.post_document(title, content, tags)
  @@ engine.search_query('zebra')$$) LIKE '%community_posts_search_idx%', 'posts are found by their index');
SET LOCAL enable_seqscan = off;
SELECT ok(pg_temp.plan($$SELECT id FROM users WHERE lower(username) COLLATE "C" >= 'ada'
  AND lower(username) COLLATE "C" < 'ada' || chr(1114109)$$) LIKE '%users_username_prefix_idx%', 'names by theirs');

SELECT * FROM finish();
ROLLBACK;
