-- The platform's tables that the engine touches, as the platform's structure names them: column names,
-- order, types, defaults, keys. VARCHAR has no length, TIMESTAMP is UTC without time zone, JSON is jsonb.

CREATE TYPE public.user_account_status AS ENUM ('active', 'suspended', 'banned', 'pending');
CREATE TYPE public.user_subscription_tier AS ENUM ('free', 'basic', 'premium', 'vip');
CREATE TYPE public.user_exchange_status AS ENUM ('connected', 'disconnected', 'error');
CREATE TYPE public.trade_type AS ENUM ('market', 'limit', 'stop_loss', 'take_profit');
CREATE TYPE public.trade_side AS ENUM ('buy', 'sell');
CREATE TYPE public.trade_status AS ENUM
  ('pending', 'filled', 'partially_filled', 'cancelled', 'failed');
CREATE TYPE public.trade_source AS ENUM ('manual', 'copy_trade', 'signal', 'bot');
CREATE TYPE public.channel_subscription_tier AS ENUM ('basic', 'premium', 'vip');
CREATE TYPE public.subscription_status AS ENUM
  ('active', 'cancelled', 'expired', 'pending', 'suspended');
CREATE TYPE public.subscription_billing_cycle AS ENUM ('monthly', 'yearly');
CREATE TYPE public.signal_type AS ENUM ('buy', 'sell', 'hold');
CREATE TYPE public.signal_status AS ENUM ('active', 'closed', 'cancelled', 'expired');
CREATE TYPE public.signal_update_type AS ENUM
  ('price_target', 'stop_loss', 'take_profit', 'status', 'reasoning');
CREATE TYPE public.signal_follow_type AS ENUM ('watching', 'copying', 'copied');
CREATE TYPE public.security_event_severity AS ENUM ('low', 'medium', 'high', 'critical');

CREATE TABLE public.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email varchar NOT NULL UNIQUE,
  username varchar NOT NULL UNIQUE,
  password_hash varchar NOT NULL,
  first_name varchar,
  last_name varchar,
  avatar_url varchar,
  bio text,
  phone_number varchar,
  country varchar,
  timezone varchar,
  email_verified boolean DEFAULT false,
  phone_verified boolean DEFAULT false,
  two_factor_enabled boolean DEFAULT false,
  account_status public.user_account_status,
  subscription_tier public.user_subscription_tier,
  total_followers integer DEFAULT 0,
  total_following integer DEFAULT 0,
  verification_badge boolean DEFAULT false,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  last_login_at timestamp
);

CREATE TABLE public.api_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  name varchar NOT NULL,
  key_hash varchar NOT NULL,
  permissions jsonb,
  last_used_at timestamp,
  expires_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.user_exchanges (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  exchange_name varchar NOT NULL,
  api_key varchar,
  api_secret varchar,
  passphrase varchar,
  sandbox_mode boolean DEFAULT false,
  status public.user_exchange_status,
  last_sync_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.supported_exchanges (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar NOT NULL UNIQUE,
  display_name varchar NOT NULL,
  logo_url varchar,
  api_documentation_url varchar,
  supported_features jsonb,
  is_active boolean DEFAULT true,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.portfolios (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  name varchar NOT NULL,
  description text,
  total_value_usd numeric(20,8),
  total_pnl_usd numeric(20,8),
  total_pnl_percentage numeric(10,4),
  risk_score numeric(5,2),
  is_default boolean DEFAULT false,
  is_public boolean DEFAULT false,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.portfolio_positions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  portfolio_id uuid REFERENCES public.portfolios (id) ON DELETE CASCADE,
  asset_symbol varchar NOT NULL,
  quantity numeric(20,8) NOT NULL,
  average_buy_price numeric(20,8),
  current_price numeric(20,8),
  total_value_usd numeric(20,8),
  unrealized_pnl_usd numeric(20,8),
  unrealized_pnl_percentage numeric(10,4),
  last_updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.premium_channels (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  creator_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  name varchar NOT NULL,
  description text,
  banner_url varchar,
  category varchar,
  tags jsonb,
  pricing_monthly numeric(10,2),
  pricing_yearly numeric(10,2),
  currency varchar DEFAULT 'USD',
  subscription_tier public.channel_subscription_tier,
  is_active boolean DEFAULT true,
  is_featured boolean DEFAULT false,
  subscriber_count integer DEFAULT 0,
  total_signals integer DEFAULT 0,
  success_rate numeric(5,2),
  avg_return_percentage numeric(10,4),
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.subscriptions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  channel_id uuid REFERENCES public.premium_channels (id) ON DELETE CASCADE,
  status public.subscription_status,
  billing_cycle public.subscription_billing_cycle,
  amount_paid numeric(10,2),
  currency varchar DEFAULT 'USD',
  start_date timestamp NOT NULL,
  end_date timestamp,
  next_billing_date timestamp,
  auto_renew boolean DEFAULT true,
  cancellation_reason text,
  cancelled_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.user_follows (
  follower_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  following_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  PRIMARY KEY (follower_id, following_id)
);

CREATE TABLE public.trading_signals (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  channel_id uuid REFERENCES public.premium_channels (id) ON DELETE CASCADE,
  creator_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  signal_type public.signal_type,
  asset_symbol varchar NOT NULL,
  entry_price numeric(20,8),
  current_price numeric(20,8),
  stop_loss numeric(20,8),
  take_profit numeric(20,8),
  quantity_suggestion numeric(20,8),
  confidence_level integer,
  timeframe varchar,
  reasoning text,
  status public.signal_status,
  performance_percentage numeric(10,4),
  followers_count integer DEFAULT 0,
  copies_count integer DEFAULT 0,
  expires_at timestamp,
  closed_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.signal_updates (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  signal_id uuid REFERENCES public.trading_signals (id) ON DELETE CASCADE,
  update_type public.signal_update_type,
  old_value varchar,
  new_value varchar,
  description text,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.signal_followers (
  signal_id uuid REFERENCES public.trading_signals (id) ON DELETE CASCADE,
  user_id uuid REFERENCES public.users (id) ON DELETE CASCADE,
  follow_type public.signal_follow_type,
  copy_amount numeric(12,2),
  copy_percentage numeric(5,2),
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  PRIMARY KEY (signal_id, user_id)
);

-- Trades are kept indefinitely: a user who has some cannot be deleted; what else they point to can, and
-- leaves NULL behind.
CREATE TABLE public.trades (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id),
  portfolio_id uuid REFERENCES public.portfolios (id) ON DELETE SET NULL,
  exchange_id uuid REFERENCES public.user_exchanges (id) ON DELETE SET NULL,
  order_id varchar,
  trade_type public.trade_type,
  side public.trade_side,
  asset_symbol varchar NOT NULL,
  quantity numeric(20,8) NOT NULL,
  price numeric(20,8),
  filled_quantity numeric(20,8) DEFAULT 0,
  filled_price numeric(20,8),
  total_value_usd numeric(20,8),
  fees_usd numeric(20,8),
  status public.trade_status,
  source public.trade_source,
  signal_id uuid REFERENCES public.trading_signals (id) ON DELETE SET NULL,
  copied_from_user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
  executed_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  updated_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.trade_history (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  trade_id uuid REFERENCES public.trades (id),
  status varchar NOT NULL,
  price numeric(20,8),
  quantity numeric(20,8),
  "timestamp" timestamp DEFAULT (now() AT TIME ZONE 'UTC'),
  exchange_response jsonb
);

CREATE TABLE public.audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
  action varchar NOT NULL,
  resource_type varchar,
  resource_id varchar,
  old_values jsonb,
  new_values jsonb,
  ip_address inet,
  user_agent text,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE TABLE public.security_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid REFERENCES public.users (id) ON DELETE SET NULL,
  event_type varchar NOT NULL,
  severity public.security_event_severity,
  description text NOT NULL,
  ip_address inet,
  location varchar,
  resolved boolean DEFAULT false,
  resolved_at timestamp,
  created_at timestamp DEFAULT (now() AT TIME ZONE 'UTC')
);

CREATE INDEX trades_user_id_created_at_idx ON public.trades (user_id, created_at);
CREATE INDEX subscriptions_user_id_status_idx ON public.subscriptions (user_id, status);
CREATE INDEX trading_signals_channel_id_created_at_idx
  ON public.trading_signals (channel_id, created_at);
CREATE INDEX trading_signals_channel_id_status_created_at_idx
  ON public.trading_signals (channel_id, status, created_at);
-- The structure names (user_id, asset_symbol) here, but the table has no user_id; a position belongs to
-- a portfolio. Unique, because there is one position per portfolio and asset.
CREATE UNIQUE INDEX portfolio_positions_portfolio_id_asset_symbol_idx
  ON public.portfolio_positions (portfolio_id, asset_symbol);
-- Beyond the structure: the history of one order is what support and the foreign key's check ask for.
CREATE INDEX trade_history_trade_id_idx ON public.trade_history (trade_id);
