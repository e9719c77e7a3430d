// How much to buy or sell. Pure: figures in, figures out. Everything is rounded inward, and what
// rounding leaves over is told, to be carried.
#pragma once

#include "engine/core/margin.hpp"
#include "engine/core/scopes.hpp"
#include "engine/core/tables.hpp"

namespace oneclick::core {

// What the venue takes of one kind of order in one instrument.
struct LotRules {
  Decimal step;
  Decimal quantity_min;
  Decimal quantity_max;  // zero: none
  Decimal notional_min;  // zero: none for this kind of order
  Decimal notional_max;
};
[[nodiscard]] LotRules lot_rules(const Instrument& instrument, OrderType type);

// Number of decimals that a step needs: 8 for 0.00000001, 0 for 1 and for none at all.
[[nodiscard]] std::uint8_t decimals_of(Decimal step);

// Highest price that a capped entry may pay: the ask plus the allowed slippage, never above it.
[[nodiscard]] Decimal capped_price(Decimal ask, std::int32_t slippage_bps, Decimal tick);
// Lowest price that a capped entry short may bring: the bid less the allowed slippage, never below.
[[nodiscard]] Decimal floored_price(Decimal bid, std::int32_t slippage_bps, Decimal tick);

// leader_quantity: percent of the leader's quantity, exact.
[[nodiscard]] constexpr i128 share_of(Decimal leader_quantity, std::int32_t percentage_e2) {
  return leader_quantity.e8() * percentage_e2;
}

// What an entry asks for before residual, caps and rounding, by the link's mode.
struct Wish {
  SizingMode mode;
  Decimal leader_quantity;  // zero: none was told
  std::int32_t percentage_e2;
  Decimal copy_amount;
  Decimal copy_quantity;
  Decimal price;            // what a unit costs at most; short: brings at the touch
  Decimal limit;            // the worst price it may be had for
  Decimal stop_loss;        // of the signal; zero: none
  Decimal follower_equity;  // in quote; zero: not known, or not asked for
  Decimal leader_equity;
  bool is_short;
};
struct Wished {
  i128 fine;
  Reason reason;  // none, or why it cannot be said
};
[[nodiscard]] Wished wish_for(const Wish& wish);
// One size for a whole order of the leader's, however many fills it comes in.
[[nodiscard]] constexpr bool is_per_order(SizingMode mode) {
  return mode != SizingMode::leader_quantity && mode != SizingMode::equity_proportional;
}
// Whether the leader's own quantity counts, and must be known.
[[nodiscard]] constexpr bool is_by_leader_quantity(SizingMode mode) {
  return mode == SizingMode::leader_quantity || mode == SizingMode::equity_proportional;
}
// Whether what accounts are worth counts.
[[nodiscard]] constexpr bool is_by_equity(SizingMode mode) {
  return mode == SizingMode::follower_equity || mode == SizingMode::equity_proportional;
}
// Whether copy_amount limits the notional, or is the size itself.
[[nodiscard]] constexpr bool is_capped_by_amount(SizingMode mode) {
  return mode != SizingMode::fixed_notional && mode != SizingMode::fixed_risk;
}

struct EntryDemand {
  i128 wanted_fine;    // residual included
  i128 residual_fine;  // carried from before
  Decimal price;       // what a unit is valued at: the limit to buy, the touch where there is none
  Decimal limit;       // what the venue measures by; differs from the price of shorts alone
  Decimal price_min;
  Decimal price_max;
  LotRules lots;
  MinLotPolicy policy;
  Decimal order_notional_max;  // zero: none; so for the three below
  Decimal position_notional_max;
  bool is_exposure_limited;
  Decimal exposure_room;  // in quote; of limited ones
  const ScopeCaps* account;
  const ScopeCaps* leader;
  Decimal copy_amount;
  Decimal event_notional_max;
  Decimal position_quantity;  // held and in flight
  Decimal event_notional;     // of the followers before this one
  i128 available_fine;        // quote that is free and not reserved
  CostRate cost;
};
struct EntrySize {
  Decimal quantity;  // zero when nothing is to be sent
  Decimal notional;
  i128 residual_fine;  // to carry from now on
  Reason reason;       // none with a quantity of zero: carried
  Cap cap;
};
[[nodiscard]] EntrySize size_entry(const EntryDemand& demand);

struct ExitDemand {
  i128 wanted_fine;  // what is owed from before included; at most what is available
  LotRules lots;
  Decimal price;  // to value it; zero: not known, then the venue decides
};
struct ExitSize {
  Decimal quantity;    // in whole lots; zero: carried
  i128 residual_fine;  // owed from now on
};
[[nodiscard]] ExitSize size_exit(const ExitDemand& demand);

}  // namespace oneclick::core
