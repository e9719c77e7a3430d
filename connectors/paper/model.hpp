// What the exchange knows: symbols with their rules, accounts with their balances, orders and
// fills.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
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
  std::vector<std::size_t> fills;    // indices into Ledger::fills
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

enum class Type : std::uint8_t { limit, market, limit_maker };
enum class Tif : std::uint8_t { gtc, ioc, fok };
enum class Status : std::uint8_t {
  created,
  open,
  partially_filled,
  filled,
  canceled,
  expired,
  rejected
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
  Decimal price{}, quantity{}, quote_quantity{};
  Decimal executed{}, cumulative_quote{};
  Decimal locked{};  // what is still set aside of the balance it pays with
  std::int64_t time_ms = 0, updated_ms = 0;
  std::vector<std::size_t> fills;
  [[nodiscard]] Decimal remaining() const { return quantity - executed; }
  // A market order for an amount of quote; its quantity is known when it has been matched.
  [[nodiscard]] bool by_money() const {
    return type == Type::market && quote_quantity.is_positive();
  }
  [[nodiscard]] bool is_open() const {
    return status == Status::open || status == Status::partially_filled;
  }
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

}  // namespace oneclick::paper
