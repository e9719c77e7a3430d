// What the exchange knows: symbols with their rules, accounts with their balances, orders and
// fills.
#pragma once

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
  std::int64_t window = 0;           // unfilled order count of this ten-second window
  std::uint32_t window_count = 0;
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
