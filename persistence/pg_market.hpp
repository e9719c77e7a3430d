// Samples of the market as rows of price_history and market_data, rates to USD, and what follows
// from both for portfolios.
#pragma once

#include <expected>
#include <span>

#include "engine/domain/market_sample.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_connection.hpp"

namespace oneclick {

// All or none. A sample that is there already changes nothing; two samples of one interval (a
// restart within it, a second daemon) make one candle.
[[nodiscard]] std::expected<void, PgError> write_market(PgConnection& connection,
                                                        std::span<const MarketSample> samples);
// The first of each ten minutes stays.
[[nodiscard]] std::expected<void, PgError> write_usd_rates(PgConnection& connection,
                                                           std::span<const UsdRate> rates);
// Tells all portfolios what they are worth, some hundred a transaction.
[[nodiscard]] std::expected<void, PgError> mark_portfolios(PgConnection& connection);

}  // namespace oneclick
