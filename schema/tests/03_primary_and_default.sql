-- One primary payment method and one default portfolio per user.
BEGIN;
SELECT plan(20);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 3) AS n;
CREATE FUNCTION pg_temp.primaries(of_user integer) RETURNS uuid[] LANGUAGE sql AS $$
  SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM payment_methods
   WHERE user_id = pg_temp.u(of_user) AND is_primary $$;
CREATE FUNCTION pg_temp.defaults(of_user integer) RETURNS uuid[] LANGUAGE sql AS $$
  SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM portfolios WHERE user_id = pg_temp.u(of_user) AND is_default $$;

INSERT INTO payment_methods (id, user_id) VALUES (pg_temp.u(11), pg_temp.u(1));
SELECT is(pg_temp.primaries(1), '{}', 'nobody is primary unasked');
INSERT INTO payment_methods (id, user_id, is_primary) VALUES (pg_temp.u(12), pg_temp.u(1), true);
SELECT is(pg_temp.primaries(1), ARRAY[pg_temp.u(12)], 'the one that is named');
INSERT INTO payment_methods (id, user_id, is_primary) VALUES (pg_temp.u(13), pg_temp.u(1), true);
SELECT is(pg_temp.primaries(1), ARRAY[pg_temp.u(13)], 'a new one takes the flag');
UPDATE payment_methods SET is_primary = true WHERE id = pg_temp.u(11);
SELECT is(pg_temp.primaries(1), ARRAY[pg_temp.u(11)], 'an old one takes it');
UPDATE payment_methods SET is_primary = true, provider = 'x' WHERE id = pg_temp.u(11);
SELECT is(pg_temp.primaries(1), ARRAY[pg_temp.u(11)], 'and keeps it');
INSERT INTO payment_methods (id, user_id, is_primary) VALUES (pg_temp.u(21), pg_temp.u(2), true);
SELECT is(pg_temp.primaries(1), ARRAY[pg_temp.u(11)], 'others have their own');
UPDATE payment_methods SET user_id = pg_temp.u(2) WHERE id = pg_temp.u(11);
SELECT is(pg_temp.primaries(1), '{}', 'one that changes hands leaves none');
SELECT is(pg_temp.primaries(2), ARRAY[pg_temp.u(11)], 'and is the other''s');
UPDATE payment_methods SET is_primary = false WHERE id = pg_temp.u(11);
SELECT is(pg_temp.primaries(2), '{}', 'it can be taken away');
INSERT INTO payment_methods (id, user_id, is_primary) VALUES (pg_temp.u(22), pg_temp.u(3), true),
  (pg_temp.u(23), pg_temp.u(3), true), (pg_temp.u(24), pg_temp.u(3), true);
SELECT is(pg_temp.primaries(3), ARRAY[pg_temp.u(24)], 'of several at once the last');
INSERT INTO payment_methods (id, user_id, is_primary) VALUES (pg_temp.u(31), NULL, true), (pg_temp.u(32), NULL, true);
SELECT is((SELECT count(*)::integer FROM payment_methods WHERE user_id IS NULL AND is_primary), 2,
  'nobody''s are nobody''s');
SELECT throws_ok($$ALTER TABLE payment_methods DISABLE TRIGGER payment_methods_move_primary;
  UPDATE payment_methods SET is_primary = true WHERE user_id = pg_temp.u(3)$$, '23505', NULL,
  'past the trigger the index holds');

INSERT INTO portfolios (id, user_id, name, is_default) VALUES (pg_temp.u(41), pg_temp.u(1), 'a', true);
INSERT INTO portfolios (id, user_id, name) VALUES (pg_temp.u(42), pg_temp.u(1), 'b');
SELECT is(pg_temp.defaults(1), ARRAY[pg_temp.u(41)], 'the default portfolio that is named');
UPDATE portfolios SET is_default = true WHERE id = pg_temp.u(42);
SELECT is(pg_temp.defaults(1), ARRAY[pg_temp.u(42)], 'another takes the flag');
UPDATE portfolios SET name = 'c' WHERE id = pg_temp.u(41);
SELECT is(pg_temp.defaults(1), ARRAY[pg_temp.u(42)], 'other changes leave it');
INSERT INTO portfolios (id, user_id, name, is_default) VALUES (pg_temp.u(43), pg_temp.u(2), 'd', true),
  (pg_temp.u(44), pg_temp.u(2), 'e', true);
SELECT is(pg_temp.defaults(2), ARRAY[pg_temp.u(44)], 'of several at once the last');
DELETE FROM portfolios WHERE id = pg_temp.u(44);
SELECT is(pg_temp.defaults(2), '{}', 'gone with its portfolio');
INSERT INTO portfolios (id, user_id, name, is_default) VALUES (pg_temp.u(43), pg_temp.u(2), 'd', true)
  ON CONFLICT (id) DO UPDATE SET is_default = excluded.is_default;
SELECT is(pg_temp.defaults(2), ARRAY[pg_temp.u(43)], 'INSERT that becomes an UPDATE');
SELECT throws_ok($$ALTER TABLE portfolios DISABLE TRIGGER portfolios_move_default;
  UPDATE portfolios SET is_default = true WHERE user_id = pg_temp.u(1)$$, '23505', NULL,
  'past the trigger the index holds');
SELECT is((SELECT count(*)::integer FROM portfolios WHERE user_id = pg_temp.u(1)), 2, 'nothing is lost on the way');

SELECT * FROM finish();
ROLLBACK;
