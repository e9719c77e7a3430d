-- oneclick: no transaction
-- What tables say about each other and about themselves: `updated_at`, and the counters that stand beside what
-- they count. The triggers come first, each a moment's lock; then the rows there are get counted in batches,
-- which is right while others write (see engine.recount). Every statement is right a second time.

-- When a row was last changed -------------------------------------------------------------------------------
-- Who names a time of their own keeps it, and so does the engine, whose times are those of events. Counting is
-- no change of the row: a post is not edited by being liked. Arguments: columns of which the same holds.
CREATE OR REPLACE FUNCTION engine.touch() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW IS NOT DISTINCT FROM OLD OR current_setting('oneclick.counting', true) = 'on'
     OR current_setting('oneclick.writer', true) = 'engine' THEN
    RETURN NEW;
  END IF;
  IF TG_NARGS = 0 OR to_jsonb(NEW) - TG_ARGV[0:] IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV[0:] THEN
    NEW.updated_at := greatest(clock_timestamp() AT TIME ZONE 'UTC', OLD.updated_at);
  END IF;
  RETURN NEW;
END $$;

-- A column that PostgreSQL generates is not there yet when the trigger runs, so it is passed over: whoever adds
-- one to such a table calls this again. `passed_over`: columns that are no change of the row.
CREATE OR REPLACE FUNCTION engine.keep_updated_at(relation regclass, VARIADIC passed_over text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  arguments text;
BEGIN
  SELECT string_agg(quote_literal(c), ', ') INTO arguments
    FROM (SELECT unnest(passed_over) AS c UNION
          SELECT a.attname FROM pg_attribute a WHERE a.attrelid = relation AND a.attgenerated <> ''
             AND NOT a.attisdropped) s;
  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_touch BEFORE UPDATE ON %s FOR EACH ROW
                  WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
                  EXECUTE FUNCTION engine.touch(%s)', relation, arguments);
END $$;

SELECT engine.keep_updated_at(c.oid) FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'updated_at' AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'community_posts';
SELECT engine.keep_updated_at('public.community_posts', 'views_count', 'shares_count');

-- Counters --------------------------------------------------------------------------------------------------
-- One trigger function per table that is counted, made from one text. A statement that adds or removes rows adds
-- up what it means for each row beside, locks those rows in the order of their ids and moves them in one UPDATE:
-- two statements of opposite order cannot wait for each other. The lock is the one an UPDATE takes and lets
-- foreign keys pass. The functions write as their owner: who may like a post need not be able to change it.

-- `counters`: triples of the column that points to the counted row's id, the counter, and what is counted, as a
-- condition over alias r.
CREATE OR REPLACE FUNCTION pg_temp.count_rows(source text, target text, VARIADIC counters text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  n integer := cardinality(counters) / 3;
  counting text := 'engine.count_' || source;
  -- by1, by2: what is added to each counter
  names text := (SELECT string_agg('by' || i, ', ') FROM generate_series(1, n) AS i);
  found text := (SELECT string_agg('found' || i, ', ') FROM generate_series(1, n) AS i);
  sums text := (SELECT string_agg(format('sum(by%s) AS by%s', i, i), ', ') FROM generate_series(1, n) AS i);
  arrays text := (SELECT string_agg(format('array_agg(by%s ORDER BY id)', i), ', ')
                    FROM generate_series(1, n) AS i);
  moves text := (SELECT string_agg(format('%1$I = coalesce(t.%1$I, 0) + d.by%2$s', counters[i * 3 - 1], i), ', ')
                   FROM generate_series(1, n) AS i);
  moved text := (SELECT string_agg(format('by%s <> 0', i), ' OR ') FROM generate_series(1, n) AS i);
  zeroes text := (SELECT string_agg(format('%I = 0', counters[i * 3 - 1]), ', ') FROM generate_series(1, n) AS i);
  none_is_zero text := (SELECT string_agg(format('t.%I <> 0', counters[i * 3 - 1]), ' OR ')
                          FROM generate_series(1, n) AS i);
  rows_of text := (SELECT string_agg(format('SELECT r.%I AS id, %s FROM %%1$s r WHERE %s', counters[i * 3 - 2],
                       (SELECT string_agg(CASE WHEN j = i THEN '%2$s' ELSE '0' END || ' AS by' || j, ', ' ORDER BY j)
                          FROM generate_series(1, n) AS j), counters[i * 3]), ' UNION ALL ' ORDER BY i)
                     FROM generate_series(1, n) AS i);
  added text := format(rows_of, 'new_rows', '1');
  removed text := format(rows_of, 'old_rows', '-1');
  sum_up text := format('SELECT array_agg(id ORDER BY id), %s INTO ids, %s FROM (SELECT id, %s FROM (%%s) c
    WHERE id IS NOT NULL GROUP BY id) s WHERE %s', arrays, found, sums, moved);
BEGIN
  EXECUTE format($f$
CREATE OR REPLACE FUNCTION %1$s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  -- Set here and not as the function's own: only a superuser may name such a setting there.
  counting_before text := coalesce(current_setting('oneclick.counting', true), '');
  ids uuid[];
  %2$s
BEGIN
  PERFORM set_config('oneclick.counting', 'on', true);
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM FROM public.%3$I t WHERE %4$s ORDER BY t.id FOR NO KEY UPDATE;
    UPDATE public.%3$I t SET %5$s WHERE %4$s;
    PERFORM set_config('oneclick.counting', counting_before, true);
    RETURN NULL;
  ELSIF TG_OP = 'INSERT' THEN
    %6$s;
  ELSIF TG_OP = 'DELETE' THEN
    %7$s;
  ELSE
    %8$s;
  END IF;
  IF cardinality(ids) > 1 THEN
    PERFORM FROM public.%3$I t WHERE t.id = ANY (ids) ORDER BY t.id FOR NO KEY UPDATE;
  END IF;
  IF ids IS NOT NULL THEN
    UPDATE public.%3$I t SET %9$s FROM unnest(ids, %10$s) AS d (id, %11$s) WHERE t.id = d.id;
  END IF;
  PERFORM set_config('oneclick.counting', counting_before, true);
  RETURN NULL;
END $body$ $f$,
    counting, (SELECT string_agg(format('found%s bigint[];', i), ' ') FROM generate_series(1, n) AS i), target,
    none_is_zero, zeroes, format(sum_up, added), format(sum_up, removed),
    format(sum_up, added || ' UNION ALL ' || removed), moves, found, names);

  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_count_inserted AFTER INSERT ON public.%I
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION %s()', source, counting);
  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_count_updated AFTER UPDATE ON public.%I
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    WHEN (current_setting(''oneclick.counting'', true) IS DISTINCT FROM ''on'')
    EXECUTE FUNCTION %s()', source, counting);
  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_count_deleted AFTER DELETE ON public.%I
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION %s()', source, counting);
  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_count_truncated AFTER TRUNCATE ON public.%I
    FOR EACH STATEMENT EXECUTE FUNCTION %s()', source, counting);
END $$;

-- What is counted belongs to nobody else: a counter that somebody writes (a program that saves whole rows, with
-- what it read a while ago; a restore of data alone) keeps what was counted. Arguments: the counters.
CREATE OR REPLACE FUNCTION engine.keep_counters() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  kept jsonb;
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT jsonb_object_agg(c, 0) INTO kept FROM unnest(TG_ARGV) AS c;
  ELSE
    SELECT jsonb_object_agg(c, to_jsonb(OLD) -> c) INTO kept FROM unnest(TG_ARGV) AS c;
  END IF;
  RETURN jsonb_populate_record(NEW, kept);
END $$;

CREATE OR REPLACE FUNCTION pg_temp.keep_counters(relation text, VARIADIC counters text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  arguments text := (SELECT string_agg(quote_literal(c), ', ') FROM unnest(counters) AS c);
  columns text := (SELECT string_agg(quote_ident(c), ', ') FROM unnest(counters) AS c);
BEGIN
  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_counters_inserted BEFORE INSERT ON public.%I
    FOR EACH ROW WHEN (%s) EXECUTE FUNCTION engine.keep_counters(%s)', relation,
    (SELECT string_agg(format('NEW.%I IS DISTINCT FROM 0', c), ' OR ') FROM unnest(counters) AS c), arguments);
  EXECUTE format('CREATE OR REPLACE TRIGGER oneclick_counters_updated BEFORE UPDATE OF %s ON public.%I
    FOR EACH ROW WHEN (current_setting(''oneclick.counting'', true) IS DISTINCT FROM ''on'' AND (%s))
    EXECUTE FUNCTION engine.keep_counters(%s)', columns, relation,
    (SELECT string_agg(format('NEW.%1$I IS DISTINCT FROM OLD.%1$I', c), ' OR ') FROM unnest(counters) AS c),
    arguments);
END $$;

SELECT pg_temp.keep_counters('users', 'total_followers', 'total_following');
SELECT pg_temp.keep_counters('community_posts', 'likes_count', 'comments_count');
SELECT pg_temp.keep_counters('post_comments', 'likes_count');
SELECT pg_temp.keep_counters('premium_channels', 'subscriber_count', 'total_signals');
SELECT pg_temp.keep_counters('trading_signals', 'followers_count', 'copies_count');

SELECT pg_temp.count_rows('user_follows', 'users',
  'following_id', 'total_followers', 'true', 'follower_id', 'total_following', 'true');
SELECT pg_temp.count_rows('post_likes', 'community_posts', 'post_id', 'likes_count', 'true');
SELECT pg_temp.count_rows('post_comments', 'community_posts', 'post_id', 'comments_count', 'true');
SELECT pg_temp.count_rows('comment_likes', 'post_comments', 'comment_id', 'likes_count', 'true');
SELECT pg_temp.count_rows('subscriptions', 'premium_channels',
  'channel_id', 'subscriber_count', 'r.status = ''active''');
SELECT pg_temp.count_rows('trading_signals', 'premium_channels', 'channel_id', 'total_signals', 'true');
SELECT pg_temp.count_rows('signal_followers', 'trading_signals',
  'signal_id', 'followers_count', 'true', 'signal_id', 'copies_count', 'r.follow_type = ''copied''');

-- Counting is no news to the engine, and asking for each counted row what else may have changed is most of the
-- work: such statements are passed over at once.
CREATE OR REPLACE FUNCTION engine.log_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key_of text := TG_ARGV[0];
  old_values text;
  new_values text;
  changed bigint;
BEGIN
  IF current_setting('oneclick.writer', true) = 'engine' OR current_setting('oneclick.counting', true) = 'on' THEN
    RETURN NULL;  -- the engine's own writing would come back to it as news, and late
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO engine.change_log (table_name, row_id, op) VALUES (TG_TABLE_NAME, '*', 'truncate');
  ELSIF TG_OP = 'INSERT' THEN
    EXECUTE format('INSERT INTO engine.change_log (table_name, row_id, op)
                    SELECT %L, %s, ''insert'' FROM new_rows r', TG_TABLE_NAME, key_of);
  ELSIF TG_OP = 'DELETE' THEN
    EXECUTE format('INSERT INTO engine.change_log (table_name, row_id, op)
                    SELECT %L, %s, ''delete'' FROM old_rows r', TG_TABLE_NAME, key_of);
  ELSE
    SELECT string_agg(format('o.%I', c), ', '), string_agg(format('n.%I', c), ', ')
      INTO old_values, new_values FROM unnest(TG_ARGV[1:]) AS c;
    EXECUTE format('INSERT INTO engine.change_log (table_name, row_id, op)
                    SELECT %L, coalesce(n.row_key, o.row_key), ''update''
                      FROM (SELECT %s AS row_key, r.* FROM old_rows r) o
                      FULL JOIN (SELECT %s AS row_key, r.* FROM new_rows r) n
                             ON n.row_key = o.row_key
                     WHERE ROW(%s) IS DISTINCT FROM ROW(%s)',
                   TG_TABLE_NAME, key_of, key_of, old_values, new_values);
  END IF;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed > 0 THEN
    PERFORM pg_notify('oneclick_changes', 'oneclick_changes');
  END IF;
  RETURN NULL;
END $$;

-- Counting anew, `batch` rows at a time and a commit after each, for the rows there are and whenever somebody
-- switched triggers off. Right while others write: the rows are locked first and counted by a later look, and
-- who has added something meanwhile, unseen, waits for the lock and adds it to what is written here.
-- Not inside a transaction, and not in REPEATABLE READ, which would look before it locks.
CREATE OR REPLACE PROCEDURE engine.recount(batch integer DEFAULT 1000) LANGUAGE plpgsql AS $$
DECLARE
  target text;
  counts text;  -- "counter = (SELECT count(*) ...)", over alias t
  differs text;
  last_id uuid;
  ids uuid[];
BEGIN
  FOR target, counts, differs IN
    SELECT c.target, string_agg(format('%I = (%s)', c.counter, c.question), ', '),
           string_agg(format('t.%I IS DISTINCT FROM (%s)', c.counter, c.question), ' OR ')
      FROM (VALUES
        ('users', 'total_followers', 'SELECT count(*) FROM public.user_follows r WHERE r.following_id = t.id'),
        ('users', 'total_following', 'SELECT count(*) FROM public.user_follows r WHERE r.follower_id = t.id'),
        ('community_posts', 'likes_count', 'SELECT count(*) FROM public.post_likes r WHERE r.post_id = t.id'),
        ('community_posts', 'comments_count',
         'SELECT count(*) FROM public.post_comments r WHERE r.post_id = t.id'),
        ('post_comments', 'likes_count', 'SELECT count(*) FROM public.comment_likes r WHERE r.comment_id = t.id'),
        ('premium_channels', 'subscriber_count',
         'SELECT count(*) FROM public.subscriptions r WHERE r.channel_id = t.id AND r.status = ''active'''),
        ('premium_channels', 'total_signals',
         'SELECT count(*) FROM public.trading_signals r WHERE r.channel_id = t.id'),
        ('trading_signals', 'followers_count',
         'SELECT count(*) FROM public.signal_followers r WHERE r.signal_id = t.id'),
        ('trading_signals', 'copies_count',
         'SELECT count(*) FROM public.signal_followers r WHERE r.signal_id = t.id AND r.follow_type = ''copied''')
      ) AS c (target, counter, question)
     GROUP BY c.target ORDER BY c.target
  LOOP
    last_id := '00000000-0000-0000-0000-000000000000';
    LOOP
      EXECUTE format('SELECT array_agg(s.id ORDER BY s.id) FROM (SELECT t.id FROM public.%I t WHERE t.id > $1
                      ORDER BY t.id LIMIT $2 FOR NO KEY UPDATE) s', target) INTO ids USING last_id, batch;
      EXIT WHEN ids IS NULL;
      PERFORM set_config('oneclick.counting', 'on', true);
      EXECUTE format('UPDATE public.%I t SET %s WHERE t.id = ANY ($1) AND (%s)', target, counts, differs) USING ids;
      last_id := ids[cardinality(ids)];
      COMMIT;
    END LOOP;
  END LOOP;
END $$;

CALL engine.recount();

-- A foreign key's check shares a lock on the row it points to, and the counter of that row then takes its own: with
-- many writers of one row, each would leave all others' shared locks to look through, at a fifth of the speed. So,
-- where rows get hot, these checks come at the end of the transaction, when the counted row is the writer's own.
ALTER TABLE public.user_follows
  ALTER CONSTRAINT user_follows_follower_id_fkey DEFERRABLE INITIALLY DEFERRED,
  ALTER CONSTRAINT user_follows_following_id_fkey DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE public.post_likes ALTER CONSTRAINT post_likes_post_id_fkey DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE public.comment_likes ALTER CONSTRAINT comment_likes_comment_id_fkey DEFERRABLE INITIALLY DEFERRED;
