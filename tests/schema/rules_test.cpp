// What the platform's tables refuse, what goes with what, and whose a position is.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "persistence/pg_migrations.hpp"
#include "tests/schema/migrate_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

constexpr const char* ann = "10000000-0000-4000-8000-000000000001";
constexpr const char* bob = "10000000-0000-4000-8000-000000000002";
constexpr const char* bobs_portfolio = "30000000-0000-4000-8000-000000000002";

class Rules : public testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    auto query = PgQuery::connect(PgServer::fresh_database());
    ASSERT_TRUE(query.has_value()) << query.error();
    query_ = std::make_unique<PgQuery>(std::move(*query));
    fill_world(*query_, 6);
  }
  void run(const std::string& sql) {
    const auto done = query_->run(sql);
    ASSERT_TRUE(done.has_value()) << done.error() << "\n" << sql;
  }
  void refused(const std::string& sql, const std::string& because) {
    SCOPED_TRACE(sql);
    const auto done = query_->run(sql);
    ASSERT_FALSE(done.has_value());
    EXPECT_NE(done.error().find(because), std::string::npos) << done.error();
  }
  std::string value(const std::string& sql) {
    const auto rows = query_->rows(sql);
    EXPECT_TRUE(rows.has_value()) << rows.error() << "\n" << sql;
    return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
  }
  std::unique_ptr<PgQuery> query_;
};

struct Bad {
  const char* table;
  const char* change;      // of every row there is
  const char* constraint;  // without the table's name before it
};

constexpr Bad bad_values[] = {
    {"users", "email = ''", "email_check"},
    {"users", "email = ' x@example.org'", "email_check"},
    {"users", "username = 'x '", "username_check"},
    {"users", "total_followers = -1", "total_followers_check"},
    {"users", "total_following = -1", "total_following_check"},
    {"user_profiles", "preferred_assets = '{}'", "preferred_assets_check"},
    {"user_profiles", "achievements = '\"x\"'", "achievements_check"},
    {"user_profiles", "social_media_links = '[]'", "social_media_links_check"},
    {"user_settings", "email_notifications = '[]'", "email_notifications_check"},
    {"user_settings", "push_notifications = '1'", "push_notifications_check"},
    {"user_settings", "privacy_settings = 'null'", "privacy_settings_check"},
    {"user_sessions", "device_info = '[]'", "device_info_check"},
    {"two_factor_auth", "backup_codes = '{}'", "backup_codes_check"},
    {"api_keys", "permissions = '{}'", "permissions_check"},
    {"supported_exchanges", "supported_features = '{}'", "supported_features_check"},
    {"portfolios", "risk_score = 100.01", "risk_score_check"},
    {"portfolios", "risk_score = -0.01", "risk_score_check"},
    {"portfolios", "total_pnl_usd = 'NaN'", "total_pnl_usd_check"},
    {"portfolio_positions", "quantity = 'NaN'", "quantity_check"},
    {"portfolio_positions", "average_buy_price = -1", "average_buy_price_check"},
    {"portfolio_positions", "current_price = -1", "current_price_check"},
    {"trades", "quantity = -1", "quantity_check"},
    {"trades", "price = 'NaN'", "price_check"},
    {"trades", "filled_quantity = -1", "filled_quantity_check"},
    {"trades", "filled_price = -1", "filled_price_check"},
    {"trades", "total_value_usd = -1", "total_value_usd_check"},
    {"trades", "fees_usd = 'NaN'", "fees_usd_check"},
    {"trade_history", "price = -1", "price_check"},
    {"trade_history", "quantity = -1", "quantity_check"},
    {"trade_history", "exchange_response = '[]'", "exchange_response_check"},
    {"community_posts", "media_urls = '{}'", "media_urls_check"},
    {"community_posts", "tags = '{}'", "tags_check"},
    {"community_posts", "trade_data = '[]'", "trade_data_check"},
    {"community_posts", "likes_count = -1", "likes_count_check"},
    {"community_posts", "comments_count = -1", "comments_count_check"},
    {"community_posts", "shares_count = -1", "shares_count_check"},
    {"community_posts", "views_count = -1", "views_count_check"},
    {"community_posts", "channel_id = NULL", "subscribers_check"},
    {"post_comments", "likes_count = -1", "likes_count_check"},
    {"post_comments", "parent_comment_id = id", "parent_comment_id_check"},
    {"user_follows", "follower_id = following_id", "not_oneself_check"},
    {"premium_channels", "tags = '{}'", "tags_check"},
    {"premium_channels", "pricing_monthly = -0.01", "pricing_monthly_check"},
    {"premium_channels", "pricing_yearly = -1", "pricing_yearly_check"},
    {"premium_channels", "subscriber_count = -1", "subscriber_count_check"},
    {"premium_channels", "total_signals = -1", "total_signals_check"},
    {"premium_channels", "success_rate = 101", "success_rate_check"},
    {"premium_channels", "currency = 'usd'", "currency_check"},
    {"channel_statistics", "new_subscribers = -1", "new_subscribers_check"},
    {"channel_statistics", "revenue_usd = 'NaN'", "revenue_usd_check"},
    {"subscriptions", "amount_paid = -1", "amount_paid_check"},
    {"subscriptions", "currency = ''", "currency_check"},
    {"subscriptions", "end_date = start_date - interval '1 s'", "end_date_check"},
    {"subscription_history", "amount = -1", "amount_check"},
    {"subscription_history", "currency = '$'", "currency_check"},
    {"payment_methods", "card_expiry_month = 0", "card_expiry_month_check"},
    {"payment_methods", "card_expiry_month = 13", "card_expiry_month_check"},
    {"payment_methods", "card_expiry_year = 30", "card_expiry_year_check"},
    {"payment_methods", "card_last_four = '4242424242424242'", "card_last_four_check"},
    {"payments", "amount = -1", "amount_check"},
    {"payments", "processor_fee = -1", "processor_fee_check"},
    {"payments", "refund_amount = amount + 0.01", "refund_amount_check"},
    {"payments", "refund_amount = -1", "refund_amount_check"},
    {"payments", "currency = 'x'", "currency_check"},
    {"invoices", "subtotal = -1", "subtotal_check"},
    {"invoices", "tax_amount = -1, subtotal = NULL", "tax_amount_check"},
    {"invoices", "total_amount = -1, subtotal = NULL", "total_amount_check"},
    {"invoices", "total_amount = total_amount + 0.01", "sum_check"},
    {"invoices", "currency = 'usd'", "currency_check"},
    {"trading_signals", "confidence_level = 101", "confidence_level_check"},
    {"trading_signals", "confidence_level = -1", "confidence_level_check"},
    {"trading_signals", "entry_price = -1", "entry_price_check"},
    {"trading_signals", "stop_loss = 'NaN'", "stop_loss_check"},
    {"trading_signals", "take_profit = -1", "take_profit_check"},
    {"trading_signals", "quantity_suggestion = -1", "quantity_suggestion_check"},
    {"trading_signals", "followers_count = -1", "followers_count_check"},
    {"trading_signals", "copies_count = -1", "copies_count_check"},
    {"signal_followers", "copy_amount = 0", "copy_amount_check"},
    {"signal_followers", "copy_percentage = 0", "copy_percentage_check"},
    {"signal_performance", "price_at_date = -1", "price_at_date_check"},
    {"signal_performance", "total_copies = -1", "total_copies_check"},
    {"notifications", "data = '[]'", "data_check"},
    {"notifications", "delivery_method = '{}'", "delivery_method_check"},
    {"price_alerts", "target_price = 0", "target_price_check"},
    {"price_alerts", "target_price = NULL", "condition_check"},
    {"price_alerts", "condition_type = 'percentage_change'", "condition_check"},
    {"price_alerts", "percentage_change = 0", "percentage_change_check"},
    {"market_data", "volume = -1", "volume_check"},
    {"market_data", "low_price = open_price + 1", "range_check"},
    {"market_data", "high_price = close_price - 1", "range_check"},
    {"price_history", "price = -1", "price_check"},
    {"market_sentiment", "sentiment_score = 1.0001", "sentiment_score_check"},
    {"market_sentiment", "news_sentiment = -1.0001", "news_sentiment_check"},
    {"market_sentiment", "fear_greed_index = 101", "fear_greed_index_check"},
    {"user_analytics", "total_trades = -1", "total_trades_check"},
    {"user_analytics", "risk_score = 101", "risk_score_check"},
    {"platform_analytics", "total_users = -1", "total_users_check"},
    {"channel_analytics", "views = -1", "views_check"},
    {"channel_analytics", "engagement_rate = -0.1", "engagement_rate_check"},
    {"audit_logs", "old_values = '[]'", "old_values_check"},
    {"audit_logs", "new_values = '[]'", "new_values_check"},
    {"system_logs", "context = '[]'", "context_check"},
};

// What triggers would do about such an update is not asked here.
TEST_F(Rules, ValuesThatCannotBeAreRefused) {
  run("SET session_replication_role = replica");
  for (const Bad& bad : bad_values)
    refused(fmt::format("UPDATE {} SET {}", bad.table, bad.change),
            fmt::format("{}_{}", bad.table, bad.constraint));
}

// Those above are one of each kind and whatever is special; here are all that say no more than "a
// number" or "not below 0".
TEST_F(Rules, NoFigureIsBelowZeroOrNotANumber) {
  run("SET session_replication_role = replica");
  const auto rows = query_->rows(
      "SELECT c.conrelid::regclass, a.attname, c.conname, pg_get_constraintdef(c.oid) LIKE '%NaN%'"
      " FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid"
      " AND c.conkey = ARRAY[a.attnum] WHERE c.contype = 'c' AND c.conislocal"
      " AND c.connamespace = 'public'::regnamespace"
      " AND pg_get_constraintdef(c.oid) ~ '(NaN|>= \\(?0)'");
  ASSERT_TRUE(rows.has_value()) << rows.error();
  EXPECT_GT(rows->size(), 80u);
  for (const PgRow& row : *rows)
    refused(fmt::format("UPDATE {} SET {} = '{}'", *row[0], *row[1], *row[3] == "t" ? "NaN" : "-1"),
            "violates check constraint");
}

TEST_F(Rules, OneAccountPerAddressAndNameHoweverWritten) {
  const std::string start = "INSERT INTO users (email, username, password_hash) VALUES ";
  refused(start + "('ann@EXAMPLE.org', 'other', '!')", "users_lower_email_idx");
  refused(start + "('other@example.org', 'BOB', '!')", "users_lower_username_idx");
  refused(start + "('bob@example.org', 'other', '!')", "users_email_key");
  run(start + "('other@example.org', 'other', '!')");
}

TEST_F(Rules, WhoHasTradesPaymentsOrAuditRowsStays) {
  const std::string drop_bob = fmt::format("DELETE FROM users WHERE id = '{}'", bob);
  refused(drop_bob, "violates foreign key constraint");
  run("DELETE FROM trade_history; DELETE FROM trades");
  refused(drop_bob, "violates foreign key constraint");  // payments and invoices
  refused("DELETE FROM payments", "invoices_payment_id_fkey");
  refused("DELETE FROM invoices", "not removed");
  run("SET session_replication_role = replica; DELETE FROM invoices;"
      " SET session_replication_role = origin; DELETE FROM payments");
  run(drop_bob);
  EXPECT_EQ(value("SELECT count(*) FROM portfolio_positions WHERE user_id IS NOT NULL"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM user_follows"), "0");

  // Sealed rows, which nobody deletes as part of ordinary work.
  for (const char* table : {"audit_logs", "security_events"}) {
    refused(fmt::format("DELETE FROM users WHERE id = '{}'", ann), "_user_id_fkey");
    run(
        fmt::format("SET session_replication_role = replica; DELETE FROM {};"
                    " SET session_replication_role = origin",
                    table));
  }
  run(fmt::format("DELETE FROM users WHERE id = '{}'", ann));
  for (const char* table : {"user_profiles", "user_settings", "user_sessions", "password_resets",
                            "two_factor_auth", "api_keys", "premium_channels", "community_posts",
                            "trading_signals", "signal_updates", "channel_statistics"})
    EXPECT_EQ(value(fmt::format("SELECT count(*) FROM {}", table)), "0") << table;
}

TEST_F(Rules, AChannelThatWasPaidForStays) {
  refused("DELETE FROM premium_channels", "subscriptions_channel_id_fkey");
  run("DELETE FROM subscriptions");
  EXPECT_EQ(value("SELECT count(*) FROM payments WHERE subscription_id IS NULL"), "1")
      << "what was paid stays known";
  run("DELETE FROM premium_channels");
  EXPECT_EQ(value("SELECT count(*) FROM trades WHERE signal_id IS NULL"), "1");
  EXPECT_EQ(value("SELECT count(*) FROM community_posts"), "0")
      << "a post for subscribers does not lose what makes it theirs";
}

TEST_F(Rules, CommentsGoWithWhatTheyAnswer) {
  run(
      fmt::format("INSERT INTO post_comments (post_id, user_id, parent_comment_id, content) SELECT"
                  " post_id, '{}', id, 'No' FROM post_comments",
                  ann));
  EXPECT_EQ(value("SELECT count(*) FROM post_comments"), "2");
  run("DELETE FROM post_comments WHERE parent_comment_id IS NULL");
  EXPECT_EQ(value("SELECT count(*) FROM post_comments"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM comment_likes"), "0");
}

TEST_F(Rules, APositionBelongsToWhomItsPortfolioBelongs) {
  const auto owners = [&] {
    return value(
        "SELECT string_agg(DISTINCT coalesce(user_id::text, 'none'), ',') FROM"
        " portfolio_positions WHERE asset_symbol = 'NEW/USDT'");
  };
  run(
      fmt::format("INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity) VALUES"
                  " ('{}', 'NEW/USDT', 1)",
                  bobs_portfolio));
  EXPECT_EQ(owners(), bob) << "filled in";
  refused(fmt::format("INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity,"
                      " user_id) VALUES ('{}', 'OTHER/USDT', 1, '{}')",
                      bobs_portfolio, ann),
          "portfolio_positions_portfolio_id_user_id_fkey");
  refused(
      fmt::format("UPDATE portfolio_positions SET user_id = '{}' WHERE user_id = '{}'", ann, bob),
      "portfolio_positions_portfolio_id_user_id_fkey");
  run("UPDATE portfolio_positions SET user_id = NULL");
  EXPECT_EQ(owners(), bob) << "cannot be forgotten";

  run(
      fmt::format("UPDATE portfolios SET is_default = false;"
                  "UPDATE portfolios SET user_id = '{}' WHERE id = '{}'",
                  ann, bobs_portfolio));
  EXPECT_EQ(owners(), ann) << "follows when the portfolio changes hands";
  run(fmt::format("UPDATE portfolios SET user_id = NULL WHERE id = '{}'", bobs_portfolio));
  EXPECT_EQ(owners(), "none");
  run(fmt::format("UPDATE portfolios SET user_id = '{}' WHERE id = '{}'", bob, bobs_portfolio));
  EXPECT_EQ(owners(), bob) << "and when it had nobody";
  run("UPDATE portfolio_positions SET portfolio_id = '30000000-0000-4000-8000-000000000001'"
      " WHERE asset_symbol = 'NEW/USDT'");
  EXPECT_EQ(owners(), ann) << "and when the position moves";
}

}  // namespace
}  // namespace oneclick
