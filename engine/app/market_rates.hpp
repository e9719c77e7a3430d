// What the assets of a stretch of market samples are worth in USD, for the database. Pure.
#pragma once

#include <vector>

#include "engine/domain/market_sample.hpp"
#include "engine/runtime/usd_rates.hpp"
#include "persistence/pg.hpp"

namespace oneclick {

// Of each asset that the samples are about, unless its rate is not known.
[[nodiscard]] std::vector<UsdRate> rates_of(const std::vector<MarketSample>& samples,
                                            const UsdRates& rates, std::int64_t now_ns);

}  // namespace oneclick
