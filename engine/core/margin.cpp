#include "engine/core/margin.hpp"

#include <algorithm>

namespace oneclick::core {

namespace {

constexpr std::int64_t bps = 10'000;
constexpr std::int64_t whole_e2 = 100;

}  // namespace

CostRate cost_of_margin(std::int32_t leverage_e2, std::int32_t slippage_bps, std::int32_t fee_bps) {
  const i128 leverage = std::max<std::int32_t>(leverage_e2, whole_e2);
  const i128 slippage = std::clamp<std::int32_t>(slippage_bps, 0, bps - 1);
  const i128 rest = bps - slippage;
  return {bps * whole_e2 * rest + bps * slippage * leverage + fee_bps * leverage * rest,
          leverage * rest};
}

CostRate cost_rate(const Instrument& i, const Link& link, std::int32_t fee_bps) {
  if (i.kind == InstrumentKind::spot) return cost_in_full(fee_bps);
  const std::int32_t most = std::max<std::int32_t>(i.leverage_max_e2, whole_e2);
  return cost_of_margin(std::min(link.leverage_e2, most), link.slippage_bps_max, fee_bps);
}

i128 cost_fine(Decimal notional, const CostRate& rate) {
  // Far above any balance, and its product still fits.
  constexpr Decimal enough = Decimal::from_e8(static_cast<i128>(1) << 84);
  return (min(notional, enough).e8() * rate.numerator + rate.denominator - 1) / rate.denominator;
}

Decimal affordable(i128 available_fine, const CostRate& rate) {
  if (available_fine <= 0) return Decimal{};
  return Decimal::from_e8(available_fine * rate.denominator / rate.numerator);
}

}  // namespace oneclick::core
