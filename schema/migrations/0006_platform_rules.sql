-- oneclick: no transaction
-- What keeps the platform's rows right: whose a position is, checks, what may be deleted, one account per
-- e-mail address and user name, indexes behind the foreign keys, and what each column means.
--
-- Large tables stay usable meanwhile: a constraint is added without looking at the rows there are (a moment's
-- lock), and looked through afterwards under a lock that lets everybody read and write. So each statement is a
-- transaction of its own and right a second time, should a run end in the middle.

-- Whose a position is ---------------------------------------------------------------------------------------
-- The structure has an index on (user_id, asset_symbol), so the column is wanted. It says what the portfolio
-- says; the foreign key over both columns holds it to that and follows when a portfolio changes hands.

ALTER TABLE public.portfolio_positions ADD COLUMN IF NOT EXISTS user_id uuid;

CREATE OR REPLACE FUNCTION public.portfolio_positions_owner() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
  SELECT p.user_id INTO NEW.user_id FROM public.portfolios p WHERE p.id = NEW.portfolio_id;
  RETURN NEW;
END $$;

-- The sink names the user itself and is not held up by this; others need not.
CREATE OR REPLACE TRIGGER portfolio_positions_owner_inserted BEFORE INSERT ON public.portfolio_positions
  FOR EACH ROW WHEN (NEW.user_id IS NULL) EXECUTE FUNCTION public.portfolio_positions_owner();
CREATE OR REPLACE TRIGGER portfolio_positions_owner_updated
  BEFORE UPDATE OF portfolio_id, user_id ON public.portfolio_positions
  FOR EACH ROW WHEN (NEW.user_id IS NULL OR NEW.portfolio_id IS DISTINCT FROM OLD.portfolio_id)
  EXECUTE FUNCTION public.portfolio_positions_owner();

-- A foreign key does not follow from NULL: a portfolio that had no user and gets one.
CREATE OR REPLACE FUNCTION public.portfolios_first_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE public.portfolio_positions p SET user_id = NEW.user_id WHERE p.portfolio_id = NEW.id;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER portfolios_first_owner AFTER UPDATE OF user_id ON public.portfolios
  FOR EACH ROW WHEN (OLD.user_id IS NULL AND NEW.user_id IS NOT NULL)
  EXECUTE FUNCTION public.portfolios_first_owner();

-- The rows there are, ten thousand at a time, locked in the order in which the sink locks them.
DO $$
DECLARE
  last_id uuid := '00000000-0000-0000-0000-000000000000';
  ids uuid[];
BEGIN
  LOOP
    SELECT array_agg(b.id ORDER BY b.id) INTO ids
      FROM (SELECT p.id FROM public.portfolio_positions p WHERE p.id > last_id ORDER BY p.id LIMIT 10000) b;
    EXIT WHEN ids IS NULL;
    PERFORM FROM public.portfolio_positions p WHERE p.id = ANY (ids)
      ORDER BY p.portfolio_id, p.asset_symbol FOR NO KEY UPDATE;
    UPDATE public.portfolio_positions p SET user_id = f.user_id FROM public.portfolios f
      WHERE p.id = ANY (ids) AND f.id = p.portfolio_id AND p.user_id IS DISTINCT FROM f.user_id;
    last_id := ids[cardinality(ids)];
    COMMIT;
  END LOOP;
END $$;

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS portfolios_id_user_id_idx ON public.portfolios (id, user_id);
ALTER TABLE public.portfolio_positions
  DROP CONSTRAINT IF EXISTS portfolio_positions_portfolio_id_user_id_fkey,
  ADD CONSTRAINT portfolio_positions_portfolio_id_user_id_fkey FOREIGN KEY (portfolio_id, user_id)
    REFERENCES public.portfolios (id, user_id) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;
CREATE INDEX CONCURRENTLY IF NOT EXISTS portfolio_positions_user_id_asset_symbol_idx
  ON public.portfolio_positions (user_id, asset_symbol);

-- What may be deleted ---------------------------------------------------------------------------------------
-- A channel that somebody subscribed to stays, inactive: the subscriptions tell what was paid for. A user whom
-- audit rows name stays too: those rows are sealed, and SET NULL would change them.
ALTER TABLE public.subscriptions
  DROP CONSTRAINT IF EXISTS subscriptions_channel_id_fkey,
  ADD CONSTRAINT subscriptions_channel_id_fkey FOREIGN KEY (channel_id)
    REFERENCES public.premium_channels (id) NOT VALID;
ALTER TABLE public.audit_logs
  DROP CONSTRAINT IF EXISTS audit_logs_user_id_fkey,
  ADD CONSTRAINT audit_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users (id) NOT VALID;

-- Checks ----------------------------------------------------------------------------------------------------
-- A figure that is NULL passes, as the structure lets it. NaN does not: numeric sorts it above every number, so
-- that ">= 0" alone would take it.

CREATE OR REPLACE FUNCTION pg_temp.add_check(relation text, named text, condition text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  constraint_name text := format('%s_%s_check', relation, named);
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = constraint_name
                 AND c.conrelid = format('public.%I', relation)::regclass) THEN
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (%s) NOT VALID',
                   relation, constraint_name, condition);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION pg_temp.check_each(condition text, relation text, VARIADIC columns text[])
RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.add_check(relation, c, format(condition, c)) FROM unnest(columns) AS c;
$$;

CREATE OR REPLACE FUNCTION pg_temp.no_less_than_0(relation text, VARIADIC columns text[])
RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.add_check(relation, c, format(CASE a.atttypid WHEN 'numeric'::regtype
           THEN '%1$I >= 0 AND %1$I <> ''NaN''' ELSE '%1$I >= 0' END, c))
    FROM unnest(columns) AS c
    JOIN pg_attribute a ON a.attrelid = format('public.%I', relation)::regclass AND a.attname = c;
$$;

CREATE OR REPLACE FUNCTION pg_temp.number(relation text, VARIADIC columns text[])
RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.check_each('%I <> ''NaN''', relation, VARIADIC columns);
$$;

CREATE OR REPLACE FUNCTION pg_temp.percentage(relation text, VARIADIC columns text[])
RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.check_each('%I BETWEEN 0 AND 100', relation, VARIADIC columns);
$$;

CREATE OR REPLACE FUNCTION pg_temp.json_array(relation text, VARIADIC columns text[])
RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.check_each('jsonb_typeof(%I) = ''array''', relation, VARIADIC columns);
$$;

CREATE OR REPLACE FUNCTION pg_temp.json_object(relation text, VARIADIC columns text[])
RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.check_each('jsonb_typeof(%I) = ''object''', relation, VARIADIC columns);
$$;

-- A code as ISO 4217 or an exchange writes it: USD, USDT.
CREATE OR REPLACE FUNCTION pg_temp.currency(relation text) RETURNS void LANGUAGE sql AS $$
  SELECT pg_temp.add_check(relation, 'currency', 'currency ~ ''^[A-Z0-9]{2,10}$''');
$$;

SELECT pg_temp.check_each('%1$I <> '''' AND %1$I = btrim(%1$I)', 'users', 'email', 'username');
SELECT pg_temp.no_less_than_0('users', 'total_followers', 'total_following');
SELECT pg_temp.json_array('user_profiles', 'preferred_assets', 'achievements');
SELECT pg_temp.json_object('user_profiles', 'social_media_links');
SELECT pg_temp.json_object('user_settings', 'email_notifications', 'push_notifications', 'privacy_settings');

SELECT pg_temp.json_object('user_sessions', 'device_info');
SELECT pg_temp.json_array('two_factor_auth', 'backup_codes');
SELECT pg_temp.json_array('api_keys', 'permissions');
SELECT pg_temp.json_array('supported_exchanges', 'supported_features');

SELECT pg_temp.number('portfolios', 'total_value_usd', 'total_pnl_usd', 'total_pnl_percentage');
SELECT pg_temp.percentage('portfolios', 'risk_score');
-- A quantity may be below zero: the engine sells what was bought elsewhere too.
SELECT pg_temp.number('portfolio_positions', 'quantity', 'total_value_usd', 'unrealized_pnl_usd',
  'unrealized_pnl_percentage');
SELECT pg_temp.no_less_than_0('portfolio_positions', 'average_buy_price', 'current_price');
-- Fees may be below zero: a maker's rebate.
SELECT pg_temp.no_less_than_0('trades', 'quantity', 'price', 'filled_quantity', 'filled_price',
  'total_value_usd');
SELECT pg_temp.number('trades', 'fees_usd');
SELECT pg_temp.no_less_than_0('trade_history', 'price', 'quantity');
SELECT pg_temp.json_object('trade_history', 'exchange_response');

SELECT pg_temp.json_array('community_posts', 'media_urls', 'tags');
SELECT pg_temp.json_object('community_posts', 'trade_data');
SELECT pg_temp.no_less_than_0('community_posts', 'likes_count', 'comments_count', 'shares_count', 'views_count');
SELECT pg_temp.add_check('community_posts', 'subscribers',
  'visibility <> ''subscribers_only'' OR channel_id IS NOT NULL');
SELECT pg_temp.no_less_than_0('post_comments', 'likes_count');
SELECT pg_temp.add_check('post_comments', 'parent_comment_id', 'parent_comment_id <> id');
SELECT pg_temp.add_check('user_follows', 'not_oneself', 'follower_id <> following_id');

SELECT pg_temp.json_array('premium_channels', 'tags');
SELECT pg_temp.no_less_than_0('premium_channels', 'pricing_monthly', 'pricing_yearly', 'subscriber_count',
  'total_signals');
SELECT pg_temp.percentage('premium_channels', 'success_rate');
SELECT pg_temp.number('premium_channels', 'avg_return_percentage');
SELECT pg_temp.currency('premium_channels');
-- Revenue may be below zero: more refunded than taken.
SELECT pg_temp.no_less_than_0('channel_statistics', 'new_subscribers', 'total_subscribers', 'signals_sent',
  'successful_signals');
SELECT pg_temp.number('channel_statistics', 'total_return_percentage', 'revenue_usd');
SELECT pg_temp.no_less_than_0('subscriptions', 'amount_paid');
SELECT pg_temp.currency('subscriptions');
SELECT pg_temp.add_check('subscriptions', 'end_date', 'end_date >= start_date');
SELECT pg_temp.no_less_than_0('subscription_history', 'amount');
SELECT pg_temp.currency('subscription_history');

SELECT pg_temp.add_check('payment_methods', 'card_last_four', 'card_last_four ~ ''^[0-9]{4}$''');
SELECT pg_temp.add_check('payment_methods', 'card_expiry_month', 'card_expiry_month BETWEEN 1 AND 12');
SELECT pg_temp.add_check('payment_methods', 'card_expiry_year', 'card_expiry_year BETWEEN 2000 AND 2100');
SELECT pg_temp.no_less_than_0('payments', 'amount', 'processor_fee');
SELECT pg_temp.number('payments', 'net_amount');
SELECT pg_temp.add_check('payments', 'refund_amount', 'refund_amount BETWEEN 0 AND amount');
SELECT pg_temp.currency('payments');
SELECT pg_temp.no_less_than_0('invoices', 'subtotal', 'tax_amount', 'total_amount');
SELECT pg_temp.add_check('invoices', 'sum', 'total_amount = subtotal + tax_amount');
SELECT pg_temp.currency('invoices');

SELECT pg_temp.no_less_than_0('trading_signals', 'entry_price', 'current_price', 'stop_loss', 'take_profit',
  'quantity_suggestion', 'followers_count', 'copies_count');
SELECT pg_temp.percentage('trading_signals', 'confidence_level');
SELECT pg_temp.number('trading_signals', 'performance_percentage');
SELECT pg_temp.check_each('%1$I > 0 AND %1$I <> ''NaN''', 'signal_followers', 'copy_amount', 'copy_percentage');
SELECT pg_temp.no_less_than_0('signal_performance', 'price_at_date', 'total_followers', 'total_copies');
SELECT pg_temp.number('signal_performance', 'performance_percentage');

SELECT pg_temp.json_object('notifications', 'data');
SELECT pg_temp.json_array('notifications', 'delivery_method');
SELECT pg_temp.add_check('price_alerts', 'target_price', 'target_price > 0 AND target_price <> ''NaN''');
SELECT pg_temp.add_check('price_alerts', 'percentage_change',
  'percentage_change <> 0 AND percentage_change <> ''NaN''');
-- An alert without its figure would never say anything.
SELECT pg_temp.add_check('price_alerts', 'condition', $$CASE
  WHEN condition_type = 'percentage_change' THEN percentage_change IS NOT NULL
  WHEN condition_type IS NOT NULL THEN target_price IS NOT NULL END$$);

SELECT pg_temp.no_less_than_0('market_data', 'open_price', 'high_price', 'low_price', 'close_price', 'volume',
  'market_cap');
SELECT pg_temp.add_check('market_data', 'range', 'low_price <= least(open_price, close_price, high_price)
  AND high_price >= greatest(open_price, close_price, low_price)');
SELECT pg_temp.no_less_than_0('price_history', 'price', 'volume');
SELECT pg_temp.check_each('%I BETWEEN -1 AND 1', 'market_sentiment', 'sentiment_score', 'news_sentiment');
SELECT pg_temp.percentage('market_sentiment', 'fear_greed_index');
SELECT pg_temp.no_less_than_0('market_sentiment', 'social_volume');

SELECT pg_temp.no_less_than_0('user_analytics', 'total_trades', 'successful_trades', 'total_volume_usd',
  'login_count', 'time_spent_minutes');
SELECT pg_temp.number('user_analytics', 'total_pnl_usd', 'portfolio_value_usd');
SELECT pg_temp.percentage('user_analytics', 'risk_score');
SELECT pg_temp.no_less_than_0('platform_analytics', 'total_users', 'active_users', 'new_registrations',
  'total_trades', 'total_volume_usd', 'total_subscriptions', 'avg_session_duration_minutes');
SELECT pg_temp.number('platform_analytics', 'total_revenue_usd');
SELECT pg_temp.no_less_than_0('channel_analytics', 'views', 'new_subscribers', 'signals_sent', 'engagement_rate');
SELECT pg_temp.number('channel_analytics', 'avg_signal_performance', 'revenue_usd');

SELECT pg_temp.json_object('audit_logs', 'old_values', 'new_values');
SELECT pg_temp.json_object('system_logs', 'context');

-- One by one, each with its own commit, so that no lock is kept from one table to the next.
DO $$
DECLARE
  relation text;
  named text;
BEGIN
  FOR relation, named IN
    SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
     WHERE NOT c.convalidated AND c.contype IN ('c', 'f') AND c.connamespace = 'public'::regnamespace
     ORDER BY 1, 2
  LOOP
    EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', relation, named);
    COMMIT;
  END LOOP;
END $$;

-- One account per address and name, however it is written --------------------------------------------------
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_lower_email_idx ON public.users (lower(email));
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_lower_username_idx ON public.users (lower(username));

-- Behind the foreign keys -----------------------------------------------------------------------------------
-- What hangs on a user, channel, post, signal or subscription is found without reading whole tables. `trades`
-- has no such indexes: each would cost every row that the engine writes, to save one scan when a portfolio or
-- an account is deleted.
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_sessions_user_id_idx ON public.user_sessions (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS password_resets_user_id_idx ON public.password_resets (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS api_keys_user_id_idx ON public.api_keys (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_exchanges_user_id_idx ON public.user_exchanges (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS portfolios_user_id_idx ON public.portfolios (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS community_posts_channel_id_created_at_idx
  ON public.community_posts (channel_id, created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS post_likes_user_id_idx ON public.post_likes (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS post_comments_user_id_idx ON public.post_comments (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS post_comments_parent_comment_id_idx
  ON public.post_comments (parent_comment_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS comment_likes_user_id_idx ON public.comment_likes (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_follows_following_id_idx ON public.user_follows (following_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS premium_channels_creator_id_idx ON public.premium_channels (creator_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS subscriptions_channel_id_status_idx
  ON public.subscriptions (channel_id, status);
CREATE INDEX CONCURRENTLY IF NOT EXISTS subscription_history_subscription_id_created_at_idx
  ON public.subscription_history (subscription_id, created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS payment_methods_user_id_idx ON public.payment_methods (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_subscription_id_idx ON public.payments (subscription_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_payment_method_id_idx ON public.payments (payment_method_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS invoices_user_id_created_at_idx ON public.invoices (user_id, created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS invoices_payment_id_idx ON public.invoices (payment_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS trading_signals_creator_id_idx ON public.trading_signals (creator_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS signal_updates_signal_id_created_at_idx
  ON public.signal_updates (signal_id, created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS signal_followers_user_id_idx ON public.signal_followers (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS price_alerts_user_id_idx ON public.price_alerts (user_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_logs_user_id_created_at_idx
  ON public.audit_logs (user_id, created_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS security_events_user_id_created_at_idx
  ON public.security_events (user_id, created_at);


-- What it all means -----------------------------------------------------------------------------------------
-- For each table its text, then column and text in turn. Columns that mean the same everywhere are left out.

CREATE OR REPLACE FUNCTION pg_temp.describe(relation text, means text, VARIADIC texts text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  everywhere jsonb := jsonb_build_object(
    'id', 'Names the row.',
    'user_id', 'Whose it is.',
    'created_at', 'When the row was made, UTC.',
    'updated_at', 'When the row was last changed, UTC.',
    'asset_symbol', 'BASE/QUOTE, as in BTC/USDT.',
    'symbol', 'BASE/QUOTE, as in BTC/USDT.',
    'currency', 'Code of the money that amounts are in.');
  own jsonb := jsonb_object(texts);
  named text;
  meant text;
BEGIN
  EXECUTE format('COMMENT ON TABLE public.%I IS %L', relation, means);
  FOR named IN
    SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('public.%I', relation)::regclass
       AND a.attnum > 0 AND NOT a.attisdropped
  LOOP
    meant := coalesce(own ->> named, everywhere ->> named);
    IF meant IS NULL THEN
      RAISE EXCEPTION 'column %.% has no description', relation, named;
    END IF;
    own := own - named;
    EXECUTE format('COMMENT ON COLUMN public.%I.%I IS %L', relation, named, meant);
  END LOOP;
  IF own <> '{}' THEN
    RAISE EXCEPTION 'table % has no column %', relation, own;
  END IF;
END $$;

-- 1. Users
SELECT pg_temp.describe('users', 'People with an account.',
  'email', 'Where mail goes; one account per address, however it is written.',
  'username', 'The name others see; one account per name, however it is written.',
  'password_hash', 'What the platform made of the password, never the password.',
  'first_name', 'Given name.', 'last_name', 'Family name.', 'avatar_url', 'Picture.',
  'bio', 'What the user says about themselves.', 'phone_number', 'With country code.',
  'country', 'Where the user lives.', 'timezone', 'Name as in the tz database; for showing times only.',
  'email_verified', 'The address was shown to be the user''s.',
  'phone_verified', 'The number was shown to be the user''s.',
  'two_factor_enabled', 'Logging in asks for a second factor.',
  'account_status', 'Only active accounts trade.',
  'subscription_tier', 'What the user pays the platform for.',
  'total_followers', 'Rows of user_follows that point here; kept by the database.',
  'total_following', 'Rows of user_follows that start here; kept by the database.',
  'verification_badge', 'The platform vouches for who this is.',
  'last_login_at', 'The last login, UTC.');
SELECT pg_temp.describe('user_profiles', 'What a user tells about trading; one row per user.',
  'trading_experience', 'As the user puts it.', 'risk_tolerance', 'As the user puts it.',
  'preferred_assets', 'Array of symbols.', 'investment_goals', 'In the user''s words.',
  'annual_income_range', 'A range of the platform''s list.', 'net_worth_range', 'A range of the platform''s list.',
  'trading_style', 'How long positions are held.', 'social_media_links', 'Object: network to address.',
  'achievements', 'Array of what the platform awarded.');
SELECT pg_temp.describe('user_settings', 'How the platform treats a user; one row per user.',
  'notifications_enabled', 'False: no notifications at all.',
  'email_notifications', 'Object: kind of notification to whether it is mailed.',
  'push_notifications', 'Object: kind of notification to whether it is pushed.',
  'privacy_settings', 'Object: what others may see.', 'language_preference', 'ISO 639 code.',
  'theme_preference', 'Colours of the pages.');

-- 2. Authentication and security
SELECT pg_temp.describe('user_sessions', 'Logins that hold; kept 30 days, expired ones go at once.',
  'token_hash', 'Hash of the session''s token, never the token.', 'device_info', 'Object: browser, system, device.',
  'ip_address', 'Where the login came from.', 'location', 'What the address says about the place.',
  'expires_at', 'Not valid from here on, UTC.', 'last_active_at', 'The last request, UTC.');
SELECT pg_temp.describe('password_resets', 'Links for setting a new password.',
  'token_hash', 'Hash of the token in the link.', 'expires_at', 'Not valid from here on, UTC.',
  'used', 'The link works once.');
SELECT pg_temp.describe('two_factor_auth', 'The second factor; one row per user.',
  'secret_key', 'Encrypted by the platform.', 'backup_codes', 'Array of codes, each encrypted by the platform.',
  'enabled_at', 'Since when, UTC; NULL: not yet confirmed.', 'last_used_at', 'The last login with it, UTC.');
SELECT pg_temp.describe('api_keys', 'Keys for the engine''s and the platform''s interfaces.',
  'name', 'What the owner calls it.', 'key_hash', 'Hash of the secret half, never the secret.',
  'permissions', 'Array of scopes.', 'last_used_at', 'The last request with it, UTC.',
  'expires_at', 'Not valid from here on, UTC; NULL: no end.');

-- 3. Exchanges
SELECT pg_temp.describe('user_exchanges', 'Accounts at exchanges that the engine may trade on.',
  'exchange_name', 'Name of the venue, as in supported_exchanges.', 'api_key', 'Sealed to this row and column.',
  'api_secret', 'Sealed to this row and column.',
  'passphrase', 'Sealed to this row and column; not every venue has one.',
  'sandbox_mode', 'An account of the venue''s test system.', 'status', 'Only connected accounts trade.',
  'last_sync_at', 'When the platform last read the account, UTC.');
SELECT pg_temp.describe('supported_exchanges', 'Venues the platform offers.',
  'name', 'Short name, as in user_exchanges.exchange_name.', 'display_name', 'As people know it.',
  'logo_url', 'Picture.', 'api_documentation_url', 'Where the venue describes its interface.',
  'supported_features', 'Array of names of features.', 'is_active', 'New accounts may be added.');

-- 4. Portfolios and trades
SELECT pg_temp.describe('portfolios', 'Sets of positions; every user has a default one.',
  'name', 'What the owner calls it.', 'description', 'In the owner''s words.',
  'total_value_usd', 'Of all positions, in US dollars.',
  'total_pnl_usd', 'Profit or loss, in US dollars.',
  'total_pnl_percentage', 'Profit or loss, in per cent of what was put in.',
  'risk_score', 'From 0 to 100.', 'is_default', 'Where trades go that name none; at most one per user.',
  'is_public', 'Others may look.');
SELECT pg_temp.describe('portfolio_positions', 'What a portfolio holds: one row per asset.',
  'portfolio_id', 'Where it is held.', 'user_id', 'Whose the portfolio is; held to it by a foreign key.',
  'quantity', 'In units of the base asset, after fees taken in it; moved by fills.',
  'average_buy_price', 'Weighed over buys; NULL when nothing is held.',
  'current_price', 'As the platform last marked it.',
  'total_value_usd', 'Quantity at the current price.', 'unrealized_pnl_usd', 'Against the average buy price.',
  'unrealized_pnl_percentage', 'Against the average buy price.', 'last_updated_at', 'Time of the last fill, UTC.');
SELECT pg_temp.describe('trades', 'Orders: one row each, kept for good.',
  'portfolio_id', 'Where its fills are booked.', 'exchange_id', 'The account it was placed on (user_exchanges).',
  'order_id', 'The venue''s name for it; NULL until it has one.', 'trade_type', 'How it was placed.',
  'side', 'Buy or sell.',
  'quantity', 'Ordered, in units of the base asset.', 'price', 'Limit; NULL for market orders.',
  'filled_quantity', 'So far.', 'filled_price', 'Average over its fills, weighed by quantity.',
  'total_value_usd', 'Of its fills; NULL where a rate was not known.',
  'fees_usd', 'Of its fills; NULL where a rate was not known.',
  'status', 'Where it stands.', 'source', 'Who wanted it.', 'signal_id', 'The signal it follows.',
  'copied_from_user_id', 'The leader it copies.', 'executed_at', 'Time of the last fill, UTC.');
SELECT pg_temp.describe('trade_history', 'A row per change of an order''s state and per fill, kept for good.',
  'trade_id', 'The order.', 'status', 'The state, or ''fill''.', 'price', 'The order''s, or the fill''s.',
  'quantity', 'The order''s, or the fill''s.', 'timestamp', 'When it happened, UTC.',
  'exchange_response', 'Object: what the venue said.');

-- 5. Community
SELECT pg_temp.describe('community_posts', 'What users write.',
  'channel_id', 'The channel it appears in; NULL: the user''s own page.', 'post_type', 'What it is about.',
  'title', 'Headline.',
  'content', 'Text.', 'media_urls', 'Array of addresses of pictures and films.',
  'trade_data', 'Object: the trade or signal it shows.',
  'tags', 'Array of words it is found by.', 'visibility', 'Who may read it; for subscribers needs a channel.',
  'is_pinned', 'Shown first.', 'likes_count', 'Rows of post_likes; kept by the database.',
  'comments_count', 'Rows of post_comments; kept by the database.', 'shares_count', 'Kept by the platform.',
  'views_count', 'Kept by the platform.');
SELECT pg_temp.describe('post_likes', 'Who likes which post.', 'post_id', 'What is liked.',
  'user_id', 'Who likes it.');
SELECT pg_temp.describe('post_comments', 'Comments on posts and on comments.',
  'post_id', 'The post.', 'user_id', 'Who wrote it.',
  'parent_comment_id', 'The comment it answers; NULL: the post itself.',
  'content', 'Text.', 'likes_count', 'Rows of comment_likes; kept by the database.');
SELECT pg_temp.describe('comment_likes', 'Who likes which comment.', 'comment_id', 'What is liked.',
  'user_id', 'Who likes it.');
SELECT pg_temp.describe('user_follows', 'Who reads whom. Copying is another thing: engine.copy_links.',
  'follower_id', 'Who reads.', 'following_id', 'Whom.');

-- 6. Channels and subscriptions
SELECT pg_temp.describe('premium_channels', 'Where a creator publishes signals, free or for money.',
  'creator_id', 'Who publishes.', 'name', 'What it is called.', 'description', 'What to expect.',
  'banner_url', 'Picture.',
  'category', 'A word of the platform''s list.', 'tags', 'Array of words it is found by.',
  'pricing_monthly', 'NULL or 0: free.', 'pricing_yearly', 'NULL: only by the month.',
  'subscription_tier', 'Rank among channels.',
  'is_active', 'Signals are published and copied.', 'is_featured', 'Shown first.',
  'subscriber_count', 'Active subscriptions; kept by the database.',
  'total_signals', 'Signals published; kept by the database.',
  'success_rate', 'Of its closed signals, in per cent.', 'avg_return_percentage', 'Of its closed signals.');
SELECT pg_temp.describe('channel_statistics', 'What a channel did on a day; a roll-up.',
  'channel_id', 'The channel.', 'date', 'Day, UTC.', 'new_subscribers', 'Subscriptions that began.',
  'total_subscribers', 'Active at the end of the day.',
  'signals_sent', 'Signals published.', 'successful_signals', 'Signals closed with a profit.',
  'total_return_percentage', 'Sum over the signals closed.', 'revenue_usd', 'Taken less refunded, in US dollars.');
SELECT pg_temp.describe('subscriptions', 'Who subscribes to which channel, and until when.',
  'channel_id', 'The channel; cannot be deleted while it has subscriptions.', 'status', 'Only active ones count.',
  'billing_cycle', 'How often it is paid.',
  'amount_paid', 'For the current cycle.', 'start_date', 'From when, UTC.',
  'end_date', 'Until when, UTC; NULL: no end.',
  'next_billing_date', 'When it is paid next, UTC.', 'auto_renew', 'Goes on by itself at the end.',
  'cancellation_reason', 'In the subscriber''s words.', 'cancelled_at', 'When it was cancelled, UTC.');
SELECT pg_temp.describe('subscription_history', 'What happened to subscriptions; written by the database.',
  'subscription_id', 'The subscription.', 'action', 'What happened.', 'amount', 'What was paid for it.',
  'payment_method', 'How it was paid.', 'transaction_id', 'The payment provider''s name for it.',
  'notes', 'Anything else.');

-- 7. Payments
SELECT pg_temp.describe('payment_methods', 'How a user pays.',
  'type', 'What it is.', 'provider', 'Who handles it.', 'external_id', 'The provider''s name for it.',
  'is_primary', 'Used when none is named; at most one per user.',
  'card_last_four', 'The last four digits, never more.',
  'card_brand', 'Who issued the card.', 'card_expiry_month', 'From 1 to 12.', 'card_expiry_year', 'With its century.',
  'crypto_wallet_address', 'Public address.', 'crypto_network', 'The network the address is of.',
  'is_active', 'May be used.');
SELECT pg_temp.describe('payments', 'Money asked for and what became of it.',
  'subscription_id', 'What it is for; NULL: something else, or a subscription that is gone.',
  'payment_method_id', 'How it was paid.',
  'amount', 'Asked for.', 'status', 'Where it stands.', 'payment_provider', 'Who handled it.',
  'external_transaction_id', 'The provider''s name for it.', 'processor_fee', 'Kept by the provider.',
  'net_amount', 'What arrives.', 'failure_reason', 'As the provider put it.',
  'refund_amount', 'Given back, at most the amount.',
  'refunded_at', 'When it was given back, UTC.', 'processed_at', 'When the provider decided, UTC.');
SELECT pg_temp.describe('invoices', 'Bills, numbered without gaps.',
  'payment_id', 'The payment it is for.', 'invoice_number', 'Unique; given by the database.',
  'description', 'What is billed.',
  'subtotal', 'Before tax.', 'tax_amount', 'Tax.', 'total_amount', 'Subtotal and tax.', 'status', 'Where it stands.',
  'due_date', 'To be paid by, UTC.', 'paid_at', 'When it was paid, UTC.', 'invoice_url', 'The document.');

-- 8. Signals
SELECT pg_temp.describe('trading_signals', 'Advice to trade, published in a channel.',
  'channel_id', 'Where it is published.', 'creator_id', 'Who publishes.', 'signal_type', 'What to do.',
  'entry_price', 'Price to get in at; NULL: at market.',
  'current_price', 'As the platform last marked it.', 'stop_loss', 'Price to get out at with a loss.',
  'take_profit', 'Price to get out at with a profit.',
  'quantity_suggestion', 'In units of the base asset.', 'confidence_level', 'From 0 to 100.',
  'timeframe', 'For how long it is meant.',
  'reasoning', 'In the creator''s words.', 'status', 'Only active ones are copied.',
  'performance_percentage', 'Since it was published.',
  'followers_count', 'Rows of signal_followers; kept by the database.',
  'copies_count', 'Those of them that copied; kept by the database.',
  'expires_at', 'Over from here on, UTC.', 'closed_at', 'When it was closed, UTC.');
SELECT pg_temp.describe('signal_updates', 'What changed about a signal; written by the database.',
  'signal_id', 'The signal.', 'update_type', 'What changed.', 'old_value', 'Before.', 'new_value', 'After.',
  'description', 'Anything else.');
SELECT pg_temp.describe('signal_followers', 'Who watches or copies which signal.',
  'signal_id', 'The signal.', 'user_id', 'Who.', 'follow_type', 'copying: wanted; copied: done.',
  'copy_amount', 'Money to copy with.', 'copy_percentage', 'Of the suggested quantity.');
SELECT pg_temp.describe('signal_performance', 'How a signal stood on a day; a roll-up.',
  'signal_id', 'The signal.', 'date', 'Day, UTC.', 'price_at_date', 'At the end of the day.',
  'performance_percentage', 'Since it was published.',
  'total_followers', 'At the end of the day.', 'total_copies', 'At the end of the day.');

-- 9. Notifications
SELECT pg_temp.describe('notifications', 'What a user is told; kept one year.',
  'type', 'What it is about.', 'title', 'Headline.', 'message', 'Text.',
  'data', 'Object: what it is about, for programs.',
  'is_read', 'The user has seen it.', 'priority', 'How soon.', 'delivery_method', 'Array of ways it is sent.',
  'read_at', 'When it was seen, UTC.');
SELECT pg_temp.describe('notification_preferences', 'Which notifications a user wants, and how.',
  'notification_type', 'As notifications.type, or a kind the platform adds.', 'enabled', 'False: none of this kind.',
  'email_enabled', 'By mail.', 'push_enabled', 'On the device.', 'sms_enabled', 'By text message.');
SELECT pg_temp.describe('price_alerts', 'Prices a user wants to be told about; kept until deleted by the user.',
  'condition_type', 'When.', 'target_price', 'For above and below.',
  'percentage_change', 'For percentage_change; the sign says up or down.',
  'is_active', 'Still waiting.', 'triggered_at', 'When it came about, UTC.');

-- 10. Market data
SELECT pg_temp.describe('market_data', 'Prices per interval; time series, 5 years, then aggregates only.',
  'time', 'Begin of the interval.', 'open_price', 'First.', 'high_price', 'Highest.', 'low_price', 'Lowest.',
  'close_price', 'Last.',
  'volume', 'Traded, in units of the base asset.', 'market_cap', 'Of the base asset.');
SELECT pg_temp.describe('price_history', 'Prices as they were seen; time series, 5 years, then aggregates only.',
  'time', 'When it was seen.', 'price', 'The price.',
  'volume', 'Traded since the row before, in units of the base asset.', 'source', 'Who said so.');
SELECT pg_temp.describe('market_sentiment', 'What people think; time series, 5 years, then aggregates only.',
  'time', 'When it was measured.', 'sentiment_score', 'From -1 to 1.',
  'fear_greed_index', 'From 0, fear, to 100, greed.',
  'social_volume', 'Mentions.', 'news_sentiment', 'From -1 to 1.');

-- 11. Analytics
SELECT pg_temp.describe('user_analytics', 'What a user did on a day; a roll-up.',
  'date', 'Day, UTC.', 'total_trades', 'Orders.', 'successful_trades', 'Those that came about.',
  'total_volume_usd', 'Filled, in US dollars.',
  'total_pnl_usd', 'Profit or loss, in US dollars.', 'portfolio_value_usd', 'At the end of the day.',
  'risk_score', 'From 0 to 100.',
  'login_count', 'Sessions that began.', 'time_spent_minutes', 'In sessions.');
SELECT pg_temp.describe('platform_analytics', 'What happened on a day on the whole platform; a roll-up.',
  'date', 'Day, UTC.', 'total_users', 'At the end of the day.', 'active_users', 'Users with a session.',
  'new_registrations', 'New users.',
  'total_trades', 'Orders.', 'total_volume_usd', 'Filled, in US dollars.',
  'total_revenue_usd', 'Taken less refunded, in US dollars.',
  'total_subscriptions', 'Active at the end of the day.', 'avg_session_duration_minutes', 'Of the day''s sessions.');
SELECT pg_temp.describe('channel_analytics', 'How a channel was received on a day; a roll-up.',
  'channel_id', 'The channel.', 'date', 'Day, UTC.', 'views', 'Of its posts.',
  'new_subscribers', 'Subscriptions that began.', 'signals_sent', 'Signals published.',
  'avg_signal_performance', 'Of its signals, in per cent.', 'revenue_usd', 'Taken less refunded, in US dollars.',
  'engagement_rate', 'Share of readers that did something.');

-- 12. Logs
SELECT pg_temp.describe('audit_logs', 'Who did what; kept 7 years, sealed in engine.audit_chain.',
  'user_id', 'Who; NULL: the system.', 'action', 'What was done.', 'resource_type', 'To what kind of thing.',
  'resource_id', 'To which.',
  'old_values', 'Object: before.', 'new_values', 'Object: after.', 'ip_address', 'From where.',
  'user_agent', 'With what.');
SELECT pg_temp.describe('system_logs', 'What the platform''s programs log; kept 90 days.',
  'level', 'How bad.', 'service', 'Which program.', 'message', 'Text.', 'context', 'Object: anything else.',
  'stack_trace', 'Where in the program.');
SELECT pg_temp.describe('security_events', 'What somebody should look at.',
  'user_id', 'Whom it concerns.', 'event_type', 'What happened.', 'severity', 'How bad.', 'description', 'Text.',
  'ip_address', 'From where.',
  'location', 'What the address says about the place.', 'resolved', 'Somebody has looked.',
  'resolved_at', 'When, UTC.');
