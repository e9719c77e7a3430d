// What the exchange knows: symbols with their rules, accounts with their balances, orders, pairs of
// orders and fills.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/base/decimal.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick::paper {

struct SymbolRules {
  std::string name;         // "BTCUSDT"
  std::string base, quote;  // "BTC", "USDT"
  Decimal tick, price_min, price_max;
  Decimal step, quantity_min, quantity_max, market_quantity_max;
  Decimal notional_min;
};

struct Balance {
  Decimal free{};
  Decimal locked{};
};

struct Account {
  std::string id;
  std::string api_key;
  HmacKey hmac;            // of secrets
  std::string public_pem;  // of Ed25519 keys; empty otherwise
  bool revoked = false;
  std::map<std::string, Balance> balances;
  std::map<std::string, std::int64_t>
      open_by_client_id;             // among open orders only, as the venue does
  std::vector<std::int64_t> orders;  // all, in order
  std::vector<std::int64_t> lists;
  std::map<std::string, std::int64_t> open_lists_by_client_id;
  std::vector<std::size_t> fills;                                     // indices into Ledger::fills
  std::unordered_map<std::string, std::int64_t> newest_by_client_id;  // "SYMBOL|client id"
  // Unfilled order count of this ten-second window and this day (UTC), as the venue counts: every
  // placed order adds one, its first fill takes one away, five where it was a maker's; never below
  // zero (Binance spot API docs, faqs/order_count_decrement.md).
  std::int64_t window = 0, day = 0;
  std::uint32_t window_count = 0, day_count = 0;
  void roll(std::int64_t now_ms) {
    if (window != now_ms / 10'000) window_count = 0;
    if (day != now_ms / 86'400'000) day_count = 0;
    window = now_ms / 10'000;
    day = now_ms / 86'400'000;
  }
  void give_back(std::uint32_t count, std::int64_t now_ms) {
    roll(now_ms);
    window_count -= std::min(count, window_count);
    day_count -= std::min(count, day_count);
  }
};

enum class Type : std::uint8_t {
  limit,
  market,
  limit_maker,
  stop_loss,
  stop_loss_limit,
  take_profit,
  take_profit_limit
};
// Has a limit; the others trade at whatever the book offers.
[[nodiscard]] constexpr bool is_priced(Type type) {
  return type != Type::market && type != Type::stop_loss && type != Type::take_profit;
}
// Waits until the last traded price reaches its stop price ("algo" orders in the venue's filters).
[[nodiscard]] constexpr bool is_contingent(Type type) {
  return type >= Type::stop_loss;
}
enum class Tif : std::uint8_t { gtc, ioc, fok };
enum class Status : std::uint8_t {
  created,
  open,
  partially_filled,
  filled,
  canceled,
  expired,
  expired_in_match,  // by self-trade prevention
  rejected
};
// What happens to an order that would trade with its own account (faqs/stp_faq.md).
enum class SelfTrade : std::uint8_t { none, expire_taker, expire_maker, expire_both };

struct OrderList;

struct Amendment {
  std::string client_id_before, client_id;
  Decimal quantity_before, quantity;
  std::int64_t time_ms;
};

struct Order {
  std::int64_t id = 0;
  std::string client_id, original_client_id;
  Account* account = nullptr;
  const SymbolRules* symbol = nullptr;
  Side side = Side::buy;
  Type type = Type::market;
  Tif tif = Tif::gtc;
  Status status = Status::created;
  SelfTrade self_trade = SelfTrade::none;
  OrderList* list = nullptr;  // the pair it is part of
  Decimal price{}, stop_price{}, quantity{}, quote_quantity{};
  Decimal executed{}, cumulative_quote{};
  Decimal locked{};  // what is still set aside of the balance it pays with
  std::int64_t time_ms = 0, updated_ms = 0;
  std::int64_t working_ms = -1;    // when it went on the book; -1 while it waits for its stop
  std::string_view expiry_reason;  // why it expired, as the venue names it
  Decimal prevented{};             // what self-trade prevention took, and with whom
  std::int64_t prevented_match = 0, counter_order = 0;
  std::vector<std::size_t> fills;
  std::vector<Amendment> amendments;
  [[nodiscard]] Decimal remaining() const { return quantity - executed; }
  // A market order for an amount of quote; its quantity is known when it has been matched.
  [[nodiscard]] bool by_money() const {
    return type == Type::market && quote_quantity.is_positive();
  }
  [[nodiscard]] bool is_open() const {
    return status == Status::open || status == Status::partially_filled;
  }
};

// Two orders of one quantity, of which one can be filled: what either does ends the other.
struct OrderList {
  std::int64_t id = 0;
  std::string client_id;
  Account* account = nullptr;
  const SymbolRules* symbol = nullptr;
  std::array<Order*, 2> legs{};  // above, below
  std::int64_t time_ms = 0, updated_ms = 0;
  bool is_open = true;
};

struct Fill {
  std::int64_t trade_id = 0;
  Order* order = nullptr;
  Decimal price{}, quantity{}, quote{}, commission{};
  std::string commission_asset;
  bool maker = false;
  std::int64_t time_ms = 0;
};

struct ApiError {
  int http_status;
  int code;
  std::string message;
};

[[nodiscard]] std::string_view to_text(Status status);
[[nodiscard]] std::string_view to_text(Type type);
[[nodiscard]] std::string_view to_text(Tif tif);
[[nodiscard]] std::string_view to_text(SelfTrade mode);

}  // namespace oneclick::paper
