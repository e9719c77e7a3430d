#include "bench/database/tables.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace oneclick::bench {

namespace {

constexpr std::int64_t month_ns = 30LL * 24 * 3600 * 1'000'000'000;

Decimal cents(std::uint64_t n) {
  return Decimal::from_e8(static_cast<i128>(n) * 1'000'000);
}
Decimal price_of(std::uint64_t symbol, std::uint64_t n) {
  return cents(1'000 + symbol * 1'000 + pick(40, n, 500));
}
template <std::size_t N>
void one_of(CopyRows& out, const std::array<std::string_view, N>& words, std::uint64_t n) {
  out.text(words[n % N]);
}

void put_user(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(10);
  out.uuid(World::user(n));
  out.text(World::email(n));
  out.text(World::user_name(n));
  out.text("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo");
  out.text(fmt::format("Given{}", pick(1, n, 5'000)));
  out.text(fmt::format("Family{}", pick(2, n, 50'000)));
  one_of(out, std::to_array<std::string_view>({"DE", "FR", "US", "BR", "IN", "JP"}), n);
  out.text(n % 50 == 49 ? "suspended" : "active");
  one_of(out, std::to_array<std::string_view>({"free", "free", "basic", "premium", "vip"}), n);
  out.time(world.time_of(n, world.sizes().users));
}

void put_account(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(5);
  out.uuid(World::id(Row::account, n));
  out.uuid(World::user(n));
  out.text("binance");
  out.text("connected");
  out.time(world.time_of(n, world.sizes().users));
}

void put_portfolio(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(5);
  out.uuid(World::id(Row::portfolio, n));
  out.uuid(World::user(n));
  out.text("Default");
  out.boolean(true);
  out.time(world.time_of(n, world.sizes().users));
}

void put_position(CopyRows& out, const World&, std::uint64_t n) {
  out.begin_row(6);
  out.uuid(World::id(Row::position, n));
  out.uuid(World::id(Row::portfolio, n));
  out.text(World::symbol(n));
  out.numeric(cents(1 + pick(3, n, 100'000)));
  out.numeric(price_of(n % World::symbol_count, n));
  out.uuid(World::user(n));
}

void put_channel(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(8);
  out.uuid(World::id(Row::channel, n));
  out.uuid(World::user(n));
  out.text(fmt::format("Channel {} of swings", n));
  one_of(out, std::to_array<std::string_view>({"spot", "swing", "scalping"}), n);
  out.jsonb(R"(["spot","btc"])");
  out.numeric(cents(n % 3 == 0 ? 0 : 2'900));
  out.text("basic");
  out.time(world.time_of(n, world.sizes().channels));
}

void put_subscription(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(9);
  out.uuid(World::id(Row::subscription, n));
  out.uuid(World::user(World::owner(Row::subscription, n, world.sizes().users)));
  out.uuid(World::id(Row::channel, n % world.sizes().channels));
  one_of(out, std::to_array<std::string_view>({"active", "active", "cancelled", "expired"}), n);
  out.text("monthly");
  out.numeric(cents(2'900));
  const std::int64_t start_ns = world.time_of(n, world.sizes().subscriptions);
  out.time(start_ns);
  out.time(start_ns + month_ns);
  out.time(start_ns);
}

void put_signal(CopyRows& out, const World& world, std::uint64_t n) {
  const std::uint64_t channel = World::owner(Row::signal, n, world.sizes().channels);
  out.begin_row(10);
  out.uuid(World::id(Row::signal, n));
  out.uuid(World::id(Row::channel, channel));
  out.uuid(World::user(channel));
  one_of(out, std::to_array<std::string_view>({"buy", "sell"}), n);
  out.text(World::symbol(n));
  out.numeric(price_of(n % World::symbol_count, n));
  out.numeric(cents(100));
  out.text("Broke out of its range with volume.");
  one_of(out, std::to_array<std::string_view>({"active", "closed", "closed", "expired"}), n);
  out.time(world.time_of(n, world.sizes().signals));
}

void put_post(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(8);
  out.uuid(World::id(Row::post, n));
  out.uuid(World::user(World::owner(Row::post, n, world.sizes().users)));
  one_of(out, std::to_array<std::string_view>({"analysis", "discussion", "trade", "signal"}), n);
  out.text(fmt::format("{} this week, part {}", World::symbol(n), pick(4, n, 100)));
  out.text("The range of last week held again; what I hold stays, what is below the stop goes.");
  out.jsonb(R"(["range","weekly"])");
  out.text("public");
  out.time(world.time_of(n, world.sizes().posts));
}

void put_comment(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(5);
  out.uuid(World::id(Row::comment, n));
  out.uuid(World::id(Row::post, World::owner(Row::comment, n, world.sizes().posts)));
  out.uuid(World::user(pick(5, n, world.sizes().users)));
  out.text("I see it the same way, but smaller.");
  out.time(world.time_of(n, world.sizes().comments));
}

void put_notification(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(9);
  out.uuid(World::id(Row::notification, n));
  out.uuid(World::user(World::owner(Row::notification, n, world.sizes().users)));
  one_of(out, std::to_array<std::string_view>({"trade_alert", "signal_update", "system"}), n);
  out.text("Bought " + World::symbol(n));
  out.text("Bought 0.25 " + World::symbol(n) + " at 60100.");
  out.boolean(n % 4 != 0);
  out.text("normal");
  out.jsonb(R"(["in_app","push"])");
  out.time(world.time_of(n, world.sizes().notifications));
}

void put_payment(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(5);
  out.uuid(World::id(Row::payment, n));
  out.uuid(World::user(World::owner(Row::payment, n, world.sizes().users)));
  out.numeric(cents(2'900));
  one_of(out, std::to_array<std::string_view>({"completed", "completed", "failed", "refunded"}), n);
  out.time(world.time_of(n, world.sizes().payments));
}

void put_link(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(6);
  out.uuid(World::id(Row::link, n));
  out.uuid(World::user(n));
  out.uuid(World::id(Row::account, n));
  out.uuid(World::id(Row::portfolio, n));
  out.uuid(World::user(world.sizes().users - 1 - n % 10));
  out.numeric(cents(2'500));
}

void put_trade(CopyRows& out, const World& world, std::uint64_t n) {
  const std::uint64_t user = World::owner(Row::trade, n, world.sizes().users);
  const std::int64_t time_ns = world.time_of(n, world.sizes().trades);
  const std::uint64_t symbol = pick(6, n, World::symbol_count);
  const Decimal quantity = cents(1 + pick(7, n, 10'000));
  const Decimal price = price_of(symbol, n);
  out.begin_row(20);
  out.uuid(World::timed_id(Row::trade, n, time_ns));
  out.uuid(World::user(user));
  out.uuid(World::id(Row::portfolio, user));
  out.uuid(World::id(Row::account, user));
  out.text(fmt::format("{}", 7'000'000'000 + n));
  out.text("limit");
  one_of(out, std::to_array<std::string_view>({"buy", "sell"}), n);
  out.text(World::symbol(symbol));
  out.numeric(quantity);
  out.numeric(price);
  out.numeric(quantity);
  out.numeric(price);
  out.numeric(mul(quantity, price, Round::nearest));
  out.numeric(cents(1));
  out.text("filled");
  out.text("copy_trade");
  out.uuid(World::user(world.sizes().users - 1 - n % 10));
  out.time(time_ns);
  out.time(time_ns);
  out.time(time_ns);
}

void put_price(CopyRows& out, const World& world, std::uint64_t n) {
  out.begin_row(5);
  out.time(world.price_time(n));
  out.text(World::symbol(n));
  out.numeric(price_of(n % World::symbol_count, n));
  out.numeric(cents(pick(8, n, 100'000)));
  out.text("binance");
}

void put_candle(CopyRows& out, const World& world, std::uint64_t n) {
  const std::uint64_t symbol = n % World::symbol_count;
  out.begin_row(7);
  out.time(world.candle_time(n));
  out.text(World::symbol(symbol));
  out.numeric(price_of(symbol, n));
  out.numeric(cents(2'000 + symbol * 1'000));
  out.numeric(cents(500 + symbol * 1'000));
  out.numeric(price_of(symbol, n + 1));
  out.numeric(cents(pick(9, n, 10'000'000)));
}

}  // namespace

std::vector<LoadedTable> loaded_tables(const World& world) {
  const WorldSizes& s = world.sizes();
  return {
      {"public.users",
       "id, email, username, password_hash, first_name, last_name, country, account_status,"
       " subscription_tier, created_at",
       s.users, put_user},
      {"public.user_exchanges", "id, user_id, exchange_name, status, created_at", s.users,
       put_account},
      {"public.portfolios", "id, user_id, name, is_default, created_at", s.users, put_portfolio},
      {"public.portfolio_positions",
       "id, portfolio_id, asset_symbol, quantity, average_buy_price, user_id", s.positions,
       put_position},
      {"public.premium_channels",
       "id, creator_id, name, category, tags, pricing_monthly, subscription_tier, created_at",
       s.channels, put_channel},
      {"public.subscriptions",
       "id, user_id, channel_id, status, billing_cycle, amount_paid, start_date, end_date,"
       " created_at",
       s.subscriptions, put_subscription},
      {"public.trading_signals",
       "id, channel_id, creator_id, signal_type, asset_symbol, entry_price, stop_loss, reasoning,"
       " status, created_at",
       s.signals, put_signal},
      {"public.community_posts",
       "id, user_id, post_type, title, content, tags, visibility, created_at", s.posts, put_post},
      {"public.post_comments", "id, post_id, user_id, content, created_at", s.comments,
       put_comment},
      {"public.notifications",
       "id, user_id, type, title, message, is_read, priority, delivery_method, created_at",
       s.notifications, put_notification},
      {"public.payments", "id, user_id, amount, status, created_at", s.payments, put_payment},
      {"engine.copy_links",
       "id, follower_user_id, follower_exchange_id, portfolio_id, leader_user_id, copy_percentage",
       s.links, put_link},
      {"public.trades",
       "id, user_id, portfolio_id, exchange_id, order_id, trade_type, side, asset_symbol,"
       " quantity, price, filled_quantity, filled_price, total_value_usd, fees_usd, status, source,"
       " copied_from_user_id, executed_at, created_at, updated_at",
       s.trades, put_trade},
      {"public.market_data", "time, symbol, open_price, high_price, low_price, close_price, volume",
       s.candles, put_candle},
      {"public.price_history", "time, symbol, price, volume, source", s.prices, put_price},
  };
}

}  // namespace oneclick::bench
