// What an entry ties up while it is on its way: all of its notional, or where the venue lends, its
// margin and what it may lose at once by its price; and the fee. Pure, rounded up.
#pragma once

#include "engine/core/tables.hpp"

namespace oneclick::core {

// Of a notional in 1e-8, in 1e-12.
struct CostRate {
  i128 numerator;
  i128 denominator;
};
[[nodiscard]] constexpr CostRate cost_in_full(std::int32_t fee_bps) {
  return {10'000 + fee_bps, 1};
}
// notional x (1 / L + S / (1 - S) + fee): bought at the cap or sold at the floor, an order is worth
// less than it cost from its first moment on, and the venue wants that as well.
[[nodiscard]] CostRate cost_of_margin(std::int32_t leverage_e2, std::int32_t slippage_bps,
                                      std::int32_t fee_bps);
// By the link's leverage, never above the instrument's.
[[nodiscard]] CostRate cost_rate(const Instrument& instrument, const Link& link,
                                 std::int32_t fee_bps);

[[nodiscard]] i128 cost_fine(Decimal notional, const CostRate& rate);
// The largest notional whose cost is within what is available.
[[nodiscard]] Decimal affordable(i128 available_fine, const CostRate& rate);

}  // namespace oneclick::core
