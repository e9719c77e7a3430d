// What the price of an entry is held against, for links that ask for it: what the leader paid, the
// venue's own average, and the resting orders of the account's other links. Pure.
#pragma once

#include "engine/core/tables.hpp"

namespace oneclick::core {

struct PricedEntry {
  Index link;
  Index instrument;
  Side side;
  Decimal touch;  // what the market asks (to buy), bids (to sell)
  Decimal price;  // limit; the touch of market orders
  std::int64_t now_ns;
};
// The first rung that holds, in the ladder's order.
[[nodiscard]] Reason refuse_price(const Tables& t, const LeaderEvent& event,
                                  const PricedEntry& entry);

}  // namespace oneclick::core
