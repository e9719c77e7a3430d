// What accounts are worth, in the quote asset of what is traded: their balances at the last prices
// told.
#pragma once

#include <optional>

#include "engine/core/tables.hpp"

namespace oneclick::core {

void on_price(Tables& t, const Price& price);
[[nodiscard]] bool price_matters(const Tables& t, const Price& price);

// A follower's worth in `quote` at `venue`, never too much: assets without a fresh price count
// nothing. Nothing when its balances are not known.
[[nodiscard]] std::optional<Decimal> follower_equity(const Tables& t, AccountSlot slot, Venue venue,
                                                     Index quote, std::int64_t now_ns);

// A leader's worth, never too little, so that nobody's share of it comes out too large. Nothing
// when it has no known feed account, when that was not heard of lately, or when an asset that has a
// market has no fresh price.
[[nodiscard]] std::optional<Decimal> leader_equity(const Tables& t, const LeaderEvent& event,
                                                   Venue venue, Index quote, std::int64_t now_ns);

}  // namespace oneclick::core
