#include "persistence/redis_updates.hpp"

#include <ctime>

#include <fmt/format.h>

#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

// "2026-01-31T12:00:00.123456Z", as the sessions' times are written.
std::string time_text(std::int64_t ns) {
  const std::time_t seconds = ns / ns_per_s;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     ns % ns_per_s / 1'000);
}

class Object {
 public:
  Object& text(std::string_view name, std::string_view value) {
    return raw(name, fmt::format("\"{}\"", json_escaped(value)));
  }
  Object& text_or_null(std::string_view name, std::string_view value) {
    return value.empty() ? raw(name, "null") : text(name, value);
  }
  Object& id(std::string_view name, const Uuid& value) {
    return value.is_nil() ? raw(name, "null") : text(name, value.to_text());
  }
  // Decimals are texts: a reader's floating point must not change them.
  Object& decimal(std::string_view name, Decimal value) { return text(name, value.to_text()); }
  Object& decimal_or_null(std::string_view name, bool given, Decimal value) {
    return given ? decimal(name, value) : raw(name, "null");
  }
  Object& time(std::string_view name, std::int64_t ns) {
    return ns == 0 ? raw(name, "null") : text(name, time_text(ns));
  }
  Object& raw(std::string_view name, std::string_view json) {
    members_ += fmt::format("{}\"{}\":{}", members_.empty() ? "" : ",", name, json);
    return *this;
  }
  [[nodiscard]] std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

// Names and meanings are those of the columns of `trades`.
std::string order_json(const OrderRecord& o, const std::string& id) {
  const bool has_fill = !o.filled_quantity.is_zero();
  const Decimal price =
      has_fill ? div(o.filled_quote, o.filled_quantity, Round::nearest) : Decimal{};
  return Object()
      .text("id", id)
      .id("trade_id", o.key.value)
      .raw("change", fmt::format("{}", o.change))
      .id("event_id", o.event.value)
      .id("link_id", o.link.value)
      .id("portfolio_id", o.portfolio.value)
      .id("exchange_id", o.account.value)
      .id("signal_id", o.signal.value)
      .id("copied_from_user_id", o.copied_from.value)
      .text("status", to_text(o.status))
      .raw("unknown", o.unknown ? "true" : "false")
      .text_or_null("reason", o.reason == Reason::none ? "" : to_text(o.reason))
      .text("trade_type", to_text(o.type))
      .text("side", to_text(o.side))
      .text("asset_symbol", o.symbol.view())
      .text_or_null("order_id", o.venue_order_id.view())
      .decimal("quantity", o.quantity)
      .decimal_or_null("price", o.type != OrderType::market && !o.price.is_zero(), o.price)
      .decimal("filled_quantity", o.filled_quantity)
      .decimal_or_null("filled_price", has_fill, price)
      .decimal_or_null("total_value_usd", o.has_value_usd, o.value_usd)
      .decimal_or_null("fees_usd", o.has_fees_usd, o.fees_usd)
      .time("created_at", o.created_ns)
      .time("updated_at", o.updated_ns)
      .time("executed_at", o.executed_ns)
      .str();
}

// What one fill did to the holding of its portfolio.
std::string position_json(const FillRecord& f, const std::string& id) {
  const Decimal change =
      f.side == Side::sell ? -(f.quantity + f.base_fee) : f.quantity - f.base_fee;
  return Object()
      .text("id", id)
      .id("trade_id", f.order.value)
      .id("link_id", f.link.value)
      .id("portfolio_id", f.portfolio.value)
      .id("exchange_id", f.account.value)
      .text("asset_symbol", f.symbol.view())
      .decimal("quantity_change", change)
      .text("side", to_text(f.side))
      .decimal("quantity", f.quantity)
      .decimal("price", f.price)
      .decimal("fee", f.fee)
      .text_or_null("fee_asset", f.fee_asset.view())
      .text_or_null("venue_trade_id", f.trade_id.view())
      .time("executed_at", f.venue_time_ns)
      .str();
}

std::string user_key(UserId user, std::string_view what) {
  return fmt::format("oneclick:user:{}:{}", user.to_text(), what);
}

}  // namespace

std::optional<RedisUpdate> redis_update(const Record& record, JournalPosition position) {
  const std::string id = fmt::format("{}-{}", record.shard, position);
  switch (record.kind) {
    case RecordKind::order:
      return RedisUpdate{.key = user_key(record.order.user, "orders"),
                         .id = id,
                         .json = order_json(record.order, id)};
    case RecordKind::fill:
      return RedisUpdate{.key = user_key(record.fill.user, "positions"),
                         .id = id,
                         .json = position_json(record.fill, id)};
    case RecordKind::leader_event:
    case RecordKind::outcome:
    case RecordKind::external_fill:
    case RecordKind::instrument:
    case RecordKind::kill_switch:
    case RecordKind::account_state:
    case RecordKind::link_halt:
    case RecordKind::quarantine:
    case RecordKind::scope_halt:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string price_key(Venue venue, const Symbol& symbol) {
  return fmt::format("oneclick:price:{}:{}", to_text(venue), symbol.view());
}

std::string price_json(const Touch& touch) {
  const Decimal middle = mul_div(touch.bid + touch.ask, Decimal::from_integer(1),
                                 Decimal::from_integer(2), Round::nearest);
  return Object()
      .decimal("price", middle)
      .decimal("bid", touch.bid)
      .decimal("ask", touch.ask)
      .time("time", touch.time_ns)
      .str();
}

}  // namespace oneclick
