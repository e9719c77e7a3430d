-- The life of a subscription, and the invoices for it.
BEGIN;
SELECT plan(52);

CREATE FUNCTION pg_temp.u(n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO users (id, email, username, password_hash)
  SELECT pg_temp.u(n), 'u' || n || '@example.org', 'u' || n, '!' FROM generate_series(1, 4) AS n;
INSERT INTO premium_channels (id, creator_id, name) VALUES (pg_temp.u(10), pg_temp.u(1), 'Moon');
INSERT INTO payment_methods (id, user_id, type) VALUES (pg_temp.u(20), pg_temp.u(2), 'paypal');

CREATE FUNCTION pg_temp.history(n integer) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(action::text, ', ' ORDER BY created_at, id) FROM subscription_history
   WHERE subscription_id = pg_temp.u(n) $$;

INSERT INTO subscriptions (id, user_id, channel_id, status, billing_cycle, amount_paid, start_date, end_date) VALUES
  (pg_temp.u(100), pg_temp.u(2), pg_temp.u(10), 'active', 'monthly', 9.99, '2026-01-31', '2026-02-28'),
  (pg_temp.u(101), pg_temp.u(3), pg_temp.u(10), 'active', 'yearly', 99, '2026-01-01', NULL);
SELECT is(pg_temp.history(100), 'created', 'its beginning is told');
SELECT results_eq($$SELECT amount, currency::text, payment_method, transaction_id FROM subscription_history
  WHERE subscription_id = pg_temp.u(100)$$, $$VALUES (9.99, 'USD', NULL::varchar, NULL::varchar)$$, 'with its price');
SELECT is((SELECT next_billing_date FROM subscriptions WHERE id = pg_temp.u(100)), '2026-02-28',
  'the next bill is due at its end');
SELECT is((SELECT next_billing_date FROM subscriptions WHERE id = pg_temp.u(101)), '2027-01-01',
  'or, without an end, a cycle after its beginning');
SELECT is((SELECT count(*)::integer FROM engine.due_renewals('2026-02-27')), 0, 'not due before');
SELECT results_eq($$SELECT id FROM engine.due_renewals('2026-02-28')$$, $$VALUES (pg_temp.u(100))$$, 'due then');

-- Renewal
INSERT INTO payments (id, user_id, subscription_id, payment_method_id, amount, status, external_transaction_id) VALUES
  (pg_temp.u(200), pg_temp.u(2), pg_temp.u(100), pg_temp.u(20), 12.50, 'completed', 'tx-1'),
  (pg_temp.u(201), pg_temp.u(2), pg_temp.u(100), pg_temp.u(20), 12.50, 'pending', 'tx-2'),
  (pg_temp.u(202), pg_temp.u(3), pg_temp.u(101), NULL, 99, 'completed', 'tx-3'),
  (pg_temp.u(203), pg_temp.u(2), pg_temp.u(100), NULL, 12.50, 'completed', 'tx-4');
SELECT is(engine.renew_subscription(pg_temp.u(100), pg_temp.u(200), '2026-02-20'), '2026-03-28',
  'an active one goes on from its end');
SELECT results_eq($$SELECT status::text, amount_paid, end_date, next_billing_date FROM subscriptions
  WHERE id = pg_temp.u(100)$$, $$VALUES ('active', 12.50, '2026-03-28'::timestamp, '2026-03-28'::timestamp)$$,
  'end, price and next bill move');
SELECT is(pg_temp.history(100), 'created, renewed', 'it is told');
SELECT results_eq($$SELECT amount, payment_method::text, transaction_id::text FROM subscription_history
  WHERE subscription_id = pg_temp.u(100) AND action = 'renewed'$$, $$VALUES (12.50, 'paypal', 'tx-1')$$,
  'with the payment behind it');
SELECT is(engine.renew_subscription(pg_temp.u(100), pg_temp.u(200), '2026-02-21'), '2026-03-28',
  'the same payment again gives no more time');
SELECT is(pg_temp.history(100), 'created, renewed', 'nor is anything told');
SELECT throws_ok($$SELECT engine.renew_subscription(pg_temp.u(100), pg_temp.u(201))$$, '23514', NULL,
  'a payment that is not completed is refused');
SELECT throws_ok($$SELECT engine.renew_subscription(pg_temp.u(100), pg_temp.u(202))$$, '23514', NULL,
  'one for something else too');
SELECT throws_ok($$SELECT engine.renew_subscription(pg_temp.u(999), pg_temp.u(200))$$, 'P0002', NULL,
  'a subscription that is not there is no subscription');
UPDATE subscriptions SET end_date = '2026-04-28' WHERE id = pg_temp.u(100);
SELECT is(pg_temp.history(100), 'created, renewed, renewed', 'whoever moves the end renews it');
SELECT is((SELECT transaction_id FROM subscription_history WHERE subscription_id = pg_temp.u(100)
  ORDER BY created_at DESC LIMIT 1), NULL, 'a payment is not told of twice');

-- Cancelling, suspending, coming back
UPDATE subscriptions SET status = 'suspended' WHERE id = pg_temp.u(100);
UPDATE subscriptions SET status = 'active' WHERE id = pg_temp.u(100);
SELECT is(pg_temp.history(100), 'created, renewed, renewed, suspended, reactivated', 'suspended and back');
UPDATE subscriptions SET status = 'cancelled', cancellation_reason = 'too dear' WHERE id = pg_temp.u(100);
SELECT results_eq($$SELECT cancelled_at IS NOT NULL, auto_renew, next_billing_date FROM subscriptions
  WHERE id = pg_temp.u(100)$$, $$VALUES (true, false, NULL::timestamp)$$, 'cancelled: no bill any more');
SELECT is((SELECT notes FROM subscription_history WHERE subscription_id = pg_temp.u(100) AND action = 'cancelled'),
  'too dear', 'the reason is told');
SELECT is_empty($$SELECT * FROM engine.due_renewals('2030-01-01') WHERE id = pg_temp.u(100)$$, 'not due any more');
SELECT is(engine.renew_subscription(pg_temp.u(100), pg_temp.u(203), '2026-06-01'), '2026-07-01',
  'one that was over begins anew when it is paid');
SELECT results_eq($$SELECT status::text, cancelled_at, cancellation_reason, auto_renew FROM subscriptions
  WHERE id = pg_temp.u(100)$$, $$VALUES ('active', NULL::timestamp, NULL::text, true)$$, 'and is as before');
SELECT ok(pg_temp.history(100) LIKE '%cancelled, reactivated', 'it is told as coming back');
UPDATE subscriptions SET cancellation_reason = 'x', auto_renew = auto_renew WHERE id = pg_temp.u(100);
SELECT ok(pg_temp.history(100) LIKE '%cancelled, reactivated', 'other changes are not told');
INSERT INTO subscriptions (id, user_id, channel_id, status, billing_cycle, start_date, end_date) VALUES
  (pg_temp.u(102), pg_temp.u(4), pg_temp.u(10), 'pending', 'monthly', '2026-01-01', '2026-02-01');
UPDATE subscriptions SET status = 'active' WHERE id = pg_temp.u(102);
SELECT is(pg_temp.history(102), 'created', 'what was pending has not come back');
UPDATE subscriptions SET status = 'active', auto_renew = false WHERE id = pg_temp.u(102);
SELECT is((SELECT next_billing_date FROM subscriptions WHERE id = pg_temp.u(102)), NULL,
  'without renewal there is no next bill');

-- Expiry
SELECT is(engine.expire_subscriptions('2026-01-31 23:59:59'), 0, 'a second before its end nothing happens');
SELECT is(engine.expire_subscriptions('2026-02-01'), 1, 'at its end one does');
SELECT is((SELECT status FROM subscriptions WHERE id = pg_temp.u(102)), 'expired', 'it is expired');
SELECT is((SELECT status FROM subscriptions WHERE id = pg_temp.u(101)), 'active', 'what has no end does not');
SELECT is(engine.expire_subscriptions('2026-02-01'), 0, 'once');
SELECT results_eq($$SELECT user_id, type::text FROM notifications$$, $$VALUES (pg_temp.u(4), 'subscription')$$,
  'the subscriber is told');
SELECT is((SELECT subscriber_count FROM premium_channels), 2, 'and no longer counts');
UPDATE subscriptions SET status = 'cancelled' WHERE id = pg_temp.u(100);
SELECT is(engine.expire_subscriptions('2027-01-01'), 0, 'what was cancelled stays cancelled');
UPDATE subscriptions SET status = 'suspended', end_date = '2026-08-01' WHERE id = pg_temp.u(101);
SELECT is(engine.expire_subscriptions('2027-01-01'), 1, 'what is suspended ends too');
INSERT INTO subscriptions (user_id, channel_id, status, start_date, end_date)
  SELECT pg_temp.u(4), pg_temp.u(10), 'active', '2026-01-01', '2026-02-01' FROM generate_series(1, 5);
SELECT is(engine.expire_subscriptions('2027-01-01', 3), 3, 'a batch at a time');
SELECT is(engine.expire_subscriptions('2027-01-01', 3), 2, 'and the rest');

-- Invoices
INSERT INTO invoices (id, user_id, payment_id, created_at) VALUES
  (pg_temp.u(300), pg_temp.u(2), pg_temp.u(200), '2026-05-01'), (pg_temp.u(301), pg_temp.u(2), NULL, '2026-05-02');
SELECT results_eq('SELECT invoice_number::text FROM invoices ORDER BY id',
  $$VALUES ('INV-2026-000001'), ('INV-2026-000002')$$, 'numbers from 1 on');
INSERT INTO invoices (id, user_id, created_at) VALUES (pg_temp.u(302), pg_temp.u(2), '2027-01-01');
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(302)), 'INV-2027-000001', 'anew each year');
SAVEPOINT before;
INSERT INTO invoices (id, user_id, created_at) VALUES (pg_temp.u(303), pg_temp.u(2), '2026-06-01');
ROLLBACK TO before;
INSERT INTO invoices (id, user_id, created_at) VALUES (pg_temp.u(304), pg_temp.u(2), '2026-06-01');
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(304)), 'INV-2026-000003',
  'a number that was rolled back is given again');
INSERT INTO invoices (id, user_id, created_at) VALUES (pg_temp.u(304), pg_temp.u(2), '2026-06-01'),
  (pg_temp.u(305), pg_temp.u(2), '2026-06-01') ON CONFLICT DO NOTHING;
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(305)), 'INV-2026-000004',
  'what does not come to be takes no number');
SELECT throws_ok($$INSERT INTO invoices (id) VALUES (pg_temp.u(304))$$, '23505', NULL, 'a doubled id is an error');
INSERT INTO invoices (id, created_at) VALUES (pg_temp.u(306), '2026-06-01');
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(306)), 'INV-2026-000005', 'and takes none either');
INSERT INTO invoices (id, invoice_number, created_at) VALUES (pg_temp.u(307), 'INV-2026-000010', '2026-06-01'),
  (pg_temp.u(308), 'OLD-7', '2026-06-01'), (pg_temp.u(309), NULL, '2026-06-01');
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(309)), 'INV-2026-000011',
  'a number that is taken over is not given again');
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(308)), 'OLD-7', 'others stay as they are');
INSERT INTO invoices (id) VALUES (pg_temp.u(310));
SELECT ok((SELECT invoice_number LIKE 'INV-' || extract(year FROM now() AT TIME ZONE 'UTC') || '-%' FROM invoices
  WHERE id = pg_temp.u(310)), 'this year''s, when nothing is said');
UPDATE engine.invoice_numbers SET last = 999999 WHERE year = 2027;
INSERT INTO invoices (id, created_at) VALUES (pg_temp.u(311), '2027-02-01');
SELECT is((SELECT invoice_number FROM invoices WHERE id = pg_temp.u(311)), 'INV-2027-1000000', 'beyond six digits');
SELECT throws_ok($$UPDATE invoices SET invoice_number = 'x' WHERE id = pg_temp.u(300)$$, '23001', NULL,
  'a number does not change');
SELECT throws_ok('DELETE FROM invoices', '23001', NULL, 'an invoice is not removed');
SELECT throws_ok('TRUNCATE invoices', '23001', NULL, 'nor are all of them');
SELECT lives_ok($$UPDATE invoices SET status = 'cancelled', invoice_number = invoice_number
  WHERE id = pg_temp.u(300)$$, 'it is cancelled');

SELECT * FROM finish();
ROLLBACK;
