-- The rest of the platform's tables, as the platform's structure names them, and its recommended indexes.
-- The same readings as in 0001: VARCHAR has no length, TIMESTAMP is UTC without time zone, JSON is jsonb.
--
-- ON DELETE: what is only about a user, a channel, a signal or a post goes with it. Money does not: a user
-- who has payments or invoices cannot be deleted, and a payment outlives its subscription and its method.

CREATE TYPE public.user_trading_experience AS ENUM ('beginner', 'intermediate', 'advanced', 'expert');
CREATE TYPE public.user_risk_tolerance AS ENUM ('low', 'medium', 'high');
CREATE TYPE public.user_trading_style AS ENUM ('scalping', 'day_trading', 'swing', 'long_term');
CREATE TYPE public.user_theme_preference AS ENUM ('light', 'dark', 'auto');
CREATE TYPE public.post_type AS ENUM ('trade', 'analysis', 'discussion', 'signal');
CREATE TYPE public.post_visibility AS ENUM ('public', 'subscribers_only', 'followers_only');
CREATE TYPE public.subscription_action AS ENUM
  ('created', 'renewed', 'cancelled', 'suspended', 'reactivated');
CREATE TYPE public.payment_method_type AS ENUM
  ('credit_card', 'debit_card', 'paypal', 'crypto_wallet', 'bank_transfer');
CREATE TYPE public.payment_status AS ENUM
  ('pending', 'processing', 'completed', 'failed', 'refunded', 'cancelled');
CREATE TYPE public.invoice_status AS ENUM ('draft', 'sent', 'paid', 'overdue', 'cancelled');
CREATE TYPE public.notification_type AS ENUM
  ('trade_alert', 'signal_update', 'community_interaction', 'subscription', 'security', 'system');
CREATE TYPE public.notification_priority AS ENUM ('low', 'normal', 'high', 'urgent');
CREATE TYPE public.price_alert_condition AS ENUM ('above', 'below', 'percentage_change');
CREATE TYPE public.system_log_level AS ENUM ('debug', 'info', 'warning', 'error', 'critical');

-- 1. Users: one row per user, so the user is the key.
CREATE TABLE public.user_profiles (
  user_id uuid PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
  trading_experience public.user_trading_experience,
  risk_tolerance public.user_risk_tolerance,
  preferred_assets jsonb,
  investment_goals text,
  annual_income_range varchar,
  net_worth_range varchar,
  trading_style public.user_trading_style,
  social_media_links jsonb,
  achievements jsonb,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.user_settings (
  user_id uuid PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
  notifications_enabled boolean DEFAULT true,
  email_notifications jsonb,
  push_notifications jsonb,
  privacy_settings jsonb,
  language_preference varchar DEFAULT 'en',
  theme_preference public.user_theme_preference,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

-- 2. Authentication
CREATE TABLE public.user_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  token_hash varchar NOT NULL,
  device_info jsonb,
  ip_address inet,
  location varchar,
  expires_at timestamp NOT NULL,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  last_active_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.password_resets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  token_hash varchar NOT NULL,
  expires_at timestamp NOT NULL,
  used boolean DEFAULT false,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.two_factor_auth (
  user_id uuid PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
  secret_key varchar,
  backup_codes jsonb,
  enabled_at timestamp,
  last_used_at timestamp
);

-- 5. Community
CREATE TABLE public.community_posts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  -- With the channel, not SET NULL: a post for subscribers must not lose what makes it theirs.
  channel_id uuid REFERENCES public.premium_channels (id) ON DELETE CASCADE,
  post_type public.post_type,
  title varchar,
  content text NOT NULL,
  media_urls jsonb,
  trade_data jsonb,
  tags jsonb,
  visibility public.post_visibility,
  is_pinned boolean DEFAULT false,
  likes_count integer DEFAULT 0,
  comments_count integer DEFAULT 0,
  shares_count integer DEFAULT 0,
  views_count integer DEFAULT 0,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.post_likes (
  post_id uuid REFERENCES public.community_posts (id) ON DELETE CASCADE,
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  PRIMARY KEY (post_id, user_id)
);

CREATE TABLE public.post_comments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  post_id uuid REFERENCES public.community_posts (id) ON DELETE CASCADE,
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  parent_comment_id uuid REFERENCES public.post_comments (id) ON DELETE CASCADE,
  content text NOT NULL,
  likes_count integer DEFAULT 0,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.comment_likes (
  comment_id uuid REFERENCES public.post_comments (id) ON DELETE CASCADE,
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  PRIMARY KEY (comment_id, user_id)
);

-- 6. Channels and subscriptions
CREATE TABLE public.channel_statistics (
  channel_id uuid REFERENCES public.premium_channels (id) ON DELETE CASCADE,
  date date NOT NULL,
  new_subscribers integer DEFAULT 0,
  total_subscribers integer DEFAULT 0,
  signals_sent integer DEFAULT 0,
  successful_signals integer DEFAULT 0,
  total_return_percentage numeric(10,4),
  revenue_usd numeric(12,2),
  PRIMARY KEY (channel_id, date)
);

CREATE TABLE public.subscription_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  subscription_id uuid REFERENCES public.subscriptions (id) ON DELETE CASCADE,
  action public.subscription_action,
  amount numeric(10,2),
  currency varchar,
  payment_method varchar,
  transaction_id varchar,
  notes text,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

-- 7. Payments
CREATE TABLE public.payment_methods (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  type public.payment_method_type,
  provider varchar,
  external_id varchar,
  is_primary boolean DEFAULT false,
  card_last_four varchar,
  card_brand varchar,
  card_expiry_month integer,
  card_expiry_year integer,
  crypto_wallet_address varchar,
  crypto_network varchar,
  is_active boolean DEFAULT true,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.payments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id),
  subscription_id uuid REFERENCES public.subscriptions (id) ON DELETE SET NULL,
  payment_method_id uuid REFERENCES public.payment_methods (id) ON DELETE SET NULL,
  amount numeric(12,2) NOT NULL,
  currency varchar DEFAULT 'USD',
  status public.payment_status,
  payment_provider varchar,
  external_transaction_id varchar,
  processor_fee numeric(12,2),
  net_amount numeric(12,2),
  failure_reason text,
  refund_amount numeric(12,2),
  refunded_at timestamp,
  processed_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.invoices (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id),
  payment_id uuid REFERENCES public.payments (id),
  invoice_number varchar NOT NULL UNIQUE,
  description text,
  subtotal numeric(12,2),
  tax_amount numeric(12,2),
  total_amount numeric(12,2),
  currency varchar DEFAULT 'USD',
  status public.invoice_status,
  due_date timestamp,
  paid_at timestamp,
  invoice_url varchar,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

-- 8. Signals
CREATE TABLE public.signal_performance (
  signal_id uuid REFERENCES public.trading_signals (id) ON DELETE CASCADE,
  date date NOT NULL,
  price_at_date numeric(20,8),
  performance_percentage numeric(10,4),
  total_followers integer,
  total_copies integer,
  PRIMARY KEY (signal_id, date)
);

-- 9. Notifications and alerts
CREATE TABLE public.notifications (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  type public.notification_type,
  title varchar NOT NULL,
  message text NOT NULL,
  data jsonb,
  is_read boolean DEFAULT false,
  priority public.notification_priority,
  delivery_method jsonb,
  read_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.notification_preferences (
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  notification_type varchar NOT NULL,
  enabled boolean DEFAULT true,
  email_enabled boolean DEFAULT true,
  push_enabled boolean DEFAULT true,
  sms_enabled boolean DEFAULT false,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  PRIMARY KEY (user_id, notification_type)
);

CREATE TABLE public.price_alerts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  asset_symbol varchar NOT NULL,
  condition_type public.price_alert_condition,
  target_price numeric(20,8),
  percentage_change numeric(10,4),
  is_active boolean DEFAULT true,
  triggered_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

-- 10. Market data: the only time stamps with time zone. Plain tables here; how they are cut by time is
-- decided when the database is seen to have TimescaleDB or not.
CREATE TABLE public.market_data (
  time timestamptz NOT NULL,
  symbol varchar NOT NULL,
  open_price numeric(20,8),
  high_price numeric(20,8),
  low_price numeric(20,8),
  close_price numeric(20,8),
  volume numeric(20,8),
  market_cap numeric(20,2),
  PRIMARY KEY (time, symbol)
);

CREATE TABLE public.price_history (
  time timestamptz NOT NULL,
  symbol varchar NOT NULL,
  price numeric(20,8) NOT NULL,
  volume numeric(20,8),
  source varchar,
  PRIMARY KEY (time, symbol)
);

CREATE TABLE public.market_sentiment (
  time timestamptz NOT NULL,
  symbol varchar NOT NULL,
  sentiment_score numeric(5,4),
  fear_greed_index integer,
  social_volume integer,
  news_sentiment numeric(5,4),
  PRIMARY KEY (time, symbol)
);

-- 11. Analytics
CREATE TABLE public.user_analytics (
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  date date NOT NULL,
  total_trades integer DEFAULT 0,
  successful_trades integer DEFAULT 0,
  total_volume_usd numeric(20,2),
  total_pnl_usd numeric(20,2),
  portfolio_value_usd numeric(20,2),
  risk_score numeric(5,2),
  login_count integer DEFAULT 0,
  time_spent_minutes integer DEFAULT 0,
  PRIMARY KEY (user_id, date)
);

CREATE TABLE public.platform_analytics (
  date date PRIMARY KEY,
  total_users integer DEFAULT 0,
  active_users integer DEFAULT 0,
  new_registrations integer DEFAULT 0,
  total_trades integer DEFAULT 0,
  total_volume_usd numeric(20,2),
  total_revenue_usd numeric(20,2),
  total_subscriptions integer DEFAULT 0,
  avg_session_duration_minutes integer DEFAULT 0
);

CREATE TABLE public.channel_analytics (
  channel_id uuid REFERENCES public.premium_channels (id) ON DELETE CASCADE,
  date date NOT NULL,
  views integer DEFAULT 0,
  new_subscribers integer DEFAULT 0,
  signals_sent integer DEFAULT 0,
  avg_signal_performance numeric(10,4),
  revenue_usd numeric(12,2),
  engagement_rate numeric(5,4),
  PRIMARY KEY (channel_id, date)
);

-- 12. Logs
CREATE TABLE public.system_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  level public.system_log_level,
  service varchar NOT NULL,
  message text NOT NULL,
  context jsonb,
  stack_trace text,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

-- 13. The recommended indexes of these tables
CREATE INDEX community_posts_user_id_created_at_idx ON public.community_posts (user_id, created_at);
CREATE INDEX market_data_symbol_time_idx ON public.market_data (symbol, time);
CREATE INDEX notifications_user_id_is_read_created_at_idx
  ON public.notifications (user_id, is_read, created_at);
CREATE INDEX payments_user_id_status_created_at_idx ON public.payments (user_id, status, created_at);
CREATE INDEX post_comments_post_id_created_at_idx ON public.post_comments (post_id, created_at);
CREATE INDEX price_history_symbol_time_idx ON public.price_history (symbol, time DESC);
