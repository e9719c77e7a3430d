// What one symbol was worth during one interval, as the market feed saw it.
#pragma once

#include <cstdint>

#include "engine/domain/venue.hpp"

namespace oneclick {

// Prices are the middle between best bid and ask.
struct MarketSample {
  Venue venue;
  Symbol symbol;
  std::int64_t begins_ns;  // of the interval
  std::int64_t seen_ns;    // of the last price
  Decimal open, high, low, close;
};

}  // namespace oneclick
