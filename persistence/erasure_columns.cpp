// The decisions, table by table and column by column. A test holds them to the catalogue: a column
// that could hold a text and is not here fails it.
#include "persistence/erasure.hpp"

namespace oneclick {

namespace {

#define OF_USER "r.user_id = $1::uuid"

// In this order: what a trigger copies to another table is erased before that table is.
constexpr ErasureTable tables[] = {
    {"user_profiles", OF_USER, true},
    {"user_settings", OF_USER, true},
    {"user_sessions", OF_USER, true},
    {"password_resets", OF_USER, true},
    {"two_factor_auth", OF_USER, true},
    {"api_keys", OF_USER, true},
    {"post_likes", OF_USER, true},
    {"comment_likes", OF_USER, true},
    {"user_follows", "r.follower_id = $1::uuid OR r.following_id = $1::uuid", true},
    {"notifications", OF_USER, true},
    {"notification_preferences", OF_USER, true},
    {"price_alerts", OF_USER, true},
    {"user_analytics", OF_USER, true},
    // What was copied belongs to the trades that were made of it.
    {"signal_followers", OF_USER " AND r.follow_type IS DISTINCT FROM 'copied'", true},
    {"user_exchanges", OF_USER, false},
    {"portfolios", OF_USER, false},
    {"community_posts", OF_USER, false},
    {"post_comments", OF_USER, false},
    {"trading_signals", "r.creator_id = $1::uuid", false},
    {"signal_updates",
     "r.signal_id IN (SELECT s.id FROM public.trading_signals s WHERE s.creator_id = $1::uuid)",
     false},
    {"premium_channels", "r.creator_id = $1::uuid", false},
    {"subscriptions", OF_USER, false},
    {"subscription_history",
     "r.subscription_id IN (SELECT s.id FROM public.subscriptions s WHERE s.user_id = $1::uuid)",
     false},
    {"payment_methods", OF_USER, false},
    {"payments", OF_USER, false},
    {"invoices", OF_USER, false},
    {"users", "r.id = $1::uuid", false},
};
#undef OF_USER

constexpr const char* gone = nullptr;
constexpr const char* stays = nullptr;
constexpr const char* none = "";
constexpr const char* null = "NULL";
constexpr const char* no = "false";
constexpr const char* erased = "'erased'";
constexpr const char* market = "says nothing about a person";
constexpr const char* books = "accounting: must be kept, refers to nobody by name";
constexpr const char* sealed = "sealed: see below";

constexpr ErasureColumn columns[] = {
    {"users", "email", "'erased-' || r.id || '@erased.invalid'", none},
    {"users", "username", "'erased-' || r.id", none},
    {"users", "password_hash", "'!'", none},
    {"users", "first_name", null, none},
    {"users", "last_name", null, none},
    {"users", "avatar_url", null, none},
    {"users", "bio", null, none},
    {"users", "phone_number", null, none},
    {"users", "country", null, none},
    {"users", "timezone", null, none},
    {"users", "email_verified", no, none},
    {"users", "phone_verified", no, none},
    {"users", "two_factor_enabled", no, none},
    {"users", "verification_badge", no, none},
    {"users", "account_status", "'suspended'", none},
    {"users", "last_login_at", null, none},
    {"user_profiles", "preferred_assets", gone, none},
    {"user_profiles", "investment_goals", gone, none},
    {"user_profiles", "annual_income_range", gone, none},
    {"user_profiles", "net_worth_range", gone, none},
    {"user_profiles", "social_media_links", gone, none},
    {"user_profiles", "achievements", gone, none},
    {"user_settings", "email_notifications", gone, none},
    {"user_settings", "push_notifications", gone, none},
    {"user_settings", "privacy_settings", gone, none},
    {"user_settings", "language_preference", gone, none},
    {"user_sessions", "token_hash", gone, none},
    {"user_sessions", "device_info", gone, none},
    {"user_sessions", "ip_address", gone, none},
    {"user_sessions", "location", gone, none},
    {"password_resets", "token_hash", gone, none},
    {"two_factor_auth", "secret_key", gone, none},
    {"two_factor_auth", "backup_codes", gone, none},
    {"api_keys", "name", gone, none},
    {"api_keys", "key_hash", gone, none},
    {"api_keys", "permissions", gone, none},
    {"user_exchanges", "exchange_name", stays, "trades were made there"},
    {"user_exchanges", "api_key", null, none},
    {"user_exchanges", "api_secret", null, none},
    {"user_exchanges", "passphrase", null, none},
    {"user_exchanges", "status", "'disconnected'", none},
    {"supported_exchanges", "name", stays, market},
    {"supported_exchanges", "display_name", stays, market},
    {"supported_exchanges", "logo_url", stays, market},
    {"supported_exchanges", "api_documentation_url", stays, market},
    {"supported_exchanges", "supported_features", stays, market},
    {"portfolios", "name", erased, none},
    {"portfolios", "description", null, none},
    {"portfolios", "is_public", no, none},
    {"portfolio_positions", "asset_symbol", stays, market},
    {"trades", "order_id", stays, "regulatory: the exchange's name of the order"},
    {"trades", "asset_symbol", stays, market},
    {"trade_history", "status", stays, market},
    {"trade_history", "exchange_response", stays, "regulatory: what the exchange said of an order"},
    {"community_posts", "title", null, none},
    {"community_posts", "content", erased, none},
    {"community_posts", "media_urls", null, none},
    {"community_posts", "trade_data", null, none},
    {"community_posts", "tags", null, none},
    {"post_comments", "content", erased, none},
    {"premium_channels", "name", erased, none},
    {"premium_channels", "description", null, none},
    {"premium_channels", "banner_url", null, none},
    {"premium_channels", "category", null, none},
    {"premium_channels", "tags", null, none},
    {"premium_channels", "currency", stays, books},
    {"premium_channels", "is_active", no, none},
    {"premium_channels", "is_featured", no, none},
    {"subscriptions", "currency", stays, books},
    {"subscriptions", "cancellation_reason", null, none},
    {"subscriptions", "status",
     "CASE WHEN r.status IN ('active', 'pending', 'suspended') THEN 'cancelled' ELSE r.status END",
     none},
    {"subscription_history", "currency", stays, books},
    {"subscription_history", "payment_method", stays, books},
    {"subscription_history", "transaction_id", stays, books},
    {"subscription_history", "notes", null, none},
    {"payment_methods", "provider", stays, books},
    {"payment_methods", "external_id", null, none},
    {"payment_methods", "is_primary", no, none},
    {"payment_methods", "card_last_four", null, none},
    {"payment_methods", "card_brand", null, none},
    {"payment_methods", "card_expiry_month", null, none},
    {"payment_methods", "card_expiry_year", null, none},
    {"payment_methods", "crypto_wallet_address", null, none},
    {"payment_methods", "crypto_network", null, none},
    {"payment_methods", "is_active", no, none},
    {"payments", "currency", stays, books},
    {"payments", "payment_provider", stays, books},
    {"payments", "external_transaction_id", stays, books},
    {"payments", "failure_reason", null, none},
    {"invoices", "invoice_number", stays, books},
    {"invoices", "description", null, none},
    {"invoices", "currency", stays, books},
    {"invoices", "invoice_url", null, none},
    {"trading_signals", "asset_symbol", stays, market},
    {"trading_signals", "timeframe", stays, market},
    {"trading_signals", "reasoning", null, none},
    {"signal_updates", "old_value",
     "CASE WHEN r.update_type = 'reasoning' THEN NULL ELSE r.old_value END", none},
    {"signal_updates", "new_value",
     "CASE WHEN r.update_type = 'reasoning' THEN NULL ELSE r.new_value END", none},
    {"signal_updates", "description", null, none},
    {"notifications", "title", gone, none},
    {"notifications", "message", gone, none},
    {"notifications", "data", gone, none},
    {"notifications", "delivery_method", gone, none},
    {"notification_preferences", "notification_type", gone, none},
    {"price_alerts", "asset_symbol", gone, none},
    {"market_data", "symbol", stays, market},
    {"price_history", "symbol", stays, market},
    {"price_history", "source", stays, market},
    {"market_sentiment", "symbol", stays, market},
    {"audit_logs", "action", stays, sealed},
    {"audit_logs", "resource_type", stays, sealed},
    {"audit_logs", "resource_id", stays, sealed},
    {"audit_logs", "old_values", stays, sealed},
    {"audit_logs", "new_values", stays, sealed},
    {"audit_logs", "ip_address", stays, sealed},
    {"audit_logs", "user_agent", stays, sealed},
    {"system_logs", "service", stays, market},
    {"system_logs", "message", stays, "rows that name the person go: see below"},
    {"system_logs", "context", stays, "rows that name the person go: see below"},
    {"system_logs", "stack_trace", stays, "rows that name the person go: see below"},
    {"security_events", "event_type", stays, sealed},
    {"security_events", "description", stays, sealed},
    {"security_events", "ip_address", stays, sealed},
    {"security_events", "location", stays, sealed},
};

}  // namespace

std::span<const ErasureTable> erasure_tables() {
  return tables;
}
std::span<const ErasureColumn> erasure_columns() {
  return columns;
}

}  // namespace oneclick
