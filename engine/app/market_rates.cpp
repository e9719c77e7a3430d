#include "engine/app/market_rates.hpp"

#include <map>
#include <string>

namespace oneclick {

std::vector<UsdRate> rates_of(const std::vector<MarketSample>& samples, const UsdRates& rates,
                              std::int64_t now_ns) {
  std::map<std::string, Decimal> known;
  for (const MarketSample& sample : samples) {
    const auto parts = split_symbol(sample.symbol.view());
    if (!parts) continue;
    for (const std::string_view asset : {parts->base, parts->quote})
      if (const Decimal usd = rates.usd_per(sample.venue, asset, now_ns); usd.is_positive())
        known.try_emplace(std::string(asset), usd);
  }
  std::vector<UsdRate> out;
  out.reserve(known.size());
  for (const auto& [asset, usd] : known)
    out.push_back({.asset = Asset::cut(asset), .usd = usd, .at_ns = now_ns});
  return out;
}

}  // namespace oneclick
