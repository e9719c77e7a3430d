#include "engine/runtime/usd_rates.hpp"

#include <cstring>

namespace oneclick {

UsdRates::UsdRates(std::vector<Peg> pegs, const TouchBoard& board, std::int64_t touch_age_ns_max)
    : pegs_(std::move(pegs)), board_(board), touch_age_ns_max_(touch_age_ns_max) {}

Decimal UsdRates::usd_per(Venue venue, std::string_view asset, std::int64_t now_ns) const {
  if (asset == "USD") return Decimal::from_integer(1);
  for (const Peg& peg : pegs_)
    if (peg.asset.view() == asset) return peg.usd;
  for (const Peg& peg : pegs_) {
    char symbol[Symbol::capacity];
    const std::size_t size = asset.size() + 1 + peg.asset.size;
    if (size > sizeof symbol) continue;
    std::memcpy(symbol, asset.data(), asset.size());
    symbol[asset.size()] = '/';
    std::memcpy(symbol + asset.size() + 1, peg.asset.data, peg.asset.size);
    const Touch touch = board_.touch(venue, {symbol, size});
    if (!touch.bid.is_positive() || !touch.ask.is_positive()) continue;
    if (now_ns - touch.time_ns > touch_age_ns_max_) continue;
    const Decimal mid = scale_by(touch.bid + touch.ask, 1, 2, Round::nearest);
    return mul(mid, peg.usd, Round::nearest);
  }
  return Decimal{};
}

}  // namespace oneclick
