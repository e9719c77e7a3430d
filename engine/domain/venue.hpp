// Venues, instruments and their rules, in the engine's words. Quantities are in base units, prices
// in quote per base; every filter of zero means "none".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/decimal.hpp"
#include "engine/domain/ids.hpp"

namespace oneclick {

enum class Venue : std::uint8_t { none = 0, binance = 1 };
[[nodiscard]] std::string_view to_text(Venue venue);  // "binance"
[[nodiscard]] std::optional<Venue> venue_from_text(std::string_view text);

enum class Side : std::uint8_t { buy = 1, sell = 2 };
[[nodiscard]] std::string_view to_text(Side side);                        // "buy" | "sell"
[[nodiscard]] std::optional<Side> side_from_text(std::string_view text);  // either case

enum class TradingStatus : std::uint8_t {
  trading = 1,      // takes new orders
  cancel_only = 2,  // takes cancels only
  halted = 3,
};

// One tradable pair at one venue.
struct Instrument {
  Venue venue;
  TradingStatus status;
  Symbol symbol;        // "BTC/USDT"
  Symbol venue_symbol;  // "BTCUSDT"
  Asset base;
  Asset quote;
  Decimal price_tick;
  Decimal price_min;
  Decimal price_max;
  Decimal lot_step;  // for limit orders, and for market ones where market_lot_step is zero
  Decimal quantity_min;
  Decimal quantity_max;
  Decimal market_lot_step;
  Decimal market_quantity_min;
  Decimal market_quantity_max;
  Decimal notional_min;
  Decimal notional_max;
  bool notional_min_at_market;  // notional_min also binds market orders
};

// Best bid and ask. Zero prices mean unknown; time_ns is the engine's clock.
struct Touch {
  Decimal bid;
  Decimal ask;
  std::int64_t time_ns;
};

// "BTC/USDT" -> base "BTC", quote "USDT"; empty when the text has not that shape.
struct SymbolParts {
  std::string_view base;
  std::string_view quote;
};
[[nodiscard]] std::optional<SymbolParts> split_symbol(std::string_view symbol);

}  // namespace oneclick
