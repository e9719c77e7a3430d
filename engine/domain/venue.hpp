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

// linear: contracts for the base asset, margined and settled in the quote.
enum class InstrumentKind : std::uint8_t { spot = 0, linear = 1 };
[[nodiscard]] std::string_view to_text(InstrumentKind kind);  // "spot" | "linear"

// One tradable pair at one venue. All quantities are base units, also of contracts: the venue's
// connector multiplies and divides by contract_size where it reads and writes them.
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
  InstrumentKind kind;
  std::int32_t leverage_max_e2;  // times 100; zero: the venue does not lend
  Decimal contract_size;         // base units in one contract; zero: not counted in contracts
};
// Whether less than nothing can be held of it.
[[nodiscard]] constexpr bool can_be_short(const Instrument& i) {
  return i.kind == InstrumentKind::linear;
}
// Whether an exit is sent marked so that the venue itself never lets it open anything.
[[nodiscard]] constexpr bool takes_reduce_only(const Instrument& i) {
  return i.kind == InstrumentKind::linear;
}
// Base units as the number of contracts that the venue counts, and back. Quantities in lots divide
// exactly.
[[nodiscard]] Decimal contracts_of(Decimal quantity, Decimal contract_size);
[[nodiscard]] Decimal quantity_of(Decimal contracts, Decimal contract_size);

// What a venue can do besides taking and cancelling orders. What is false here the engine does
// itself or does without.
struct VenueCapabilities {
  bool one_cancels_other;     // a stop and a target of which one ends the other
  bool amend_keeps_priority;  // an order can be made smaller where it stands
  bool self_trade_prevention;
  bool reduce_only;  // of contracts
  bool shorts;       // lists contracts
  // The venue cancels all orders of an account that is not heard of for this long.
  bool dead_man_timer;
  std::int64_t dead_man_ns_min;
  std::int64_t dead_man_ns_max;
};
[[nodiscard]] constexpr VenueCapabilities capabilities_of(Venue venue) {
  switch (venue) {
    case Venue::none:
      break;
    case Venue::binance:  // spot
      return {.one_cancels_other = true,
              .amend_keeps_priority = true,
              .self_trade_prevention = true,
              .reduce_only = false,
              .shorts = false,
              .dead_man_timer = false,
              .dead_man_ns_min = 0,
              .dead_man_ns_max = 0};
  }
  return {};
}

// What one venue calls by a name of its own, one engine.symbol_map row: for followers there,
// `symbol` of a leader elsewhere is what the venue lists as `venue_symbol`.
struct SymbolMapping {
  Venue venue;
  bool present;  // false: the row is gone
  Symbol venue_symbol;
  Symbol symbol;
};

// Best bid and ask. Zero prices mean unknown; time_ns is the engine's clock.
struct Touch {
  Decimal bid;
  Decimal ask;
  std::int64_t time_ns;
};

// The venue's own average price over minutes: what the touch is measured against. Zero: unknown.
struct Reference {
  Decimal price;
  std::int64_t time_ns;
};

// "BTC/USDT" -> base "BTC", quote "USDT"; empty when the text has not that shape.
struct SymbolParts {
  std::string_view base;
  std::string_view quote;
};
[[nodiscard]] std::optional<SymbolParts> split_symbol(std::string_view symbol);

}  // namespace oneclick
