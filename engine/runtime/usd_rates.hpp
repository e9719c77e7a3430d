// What an asset is worth in USD at this moment: a configured and dated peg, or the venue's mid
// against a pegged quote. Unknown is zero, never a guess: a stablecoin without a peg is not a
// dollar.
#pragma once

#include <vector>

#include "engine/runtime/touch_board.hpp"

namespace oneclick {

class UsdRates {
 public:
  struct Peg {
    Asset asset;
    Decimal usd;  // per unit
  };
  // Mids older than touch_age_ns_max are no rate.
  UsdRates(std::vector<Peg> pegs, const TouchBoard& board, std::int64_t touch_age_ns_max);
  [[nodiscard]] Decimal usd_per(Venue venue, std::string_view asset, std::int64_t now_ns) const;

 private:
  std::vector<Peg> pegs_;
  const TouchBoard& board_;
  std::int64_t touch_age_ns_max_;
};

}  // namespace oneclick
