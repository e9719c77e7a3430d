// Tells every shard what instruments are worth, for valuing accounts: when a price has moved, and
// from time to time while it has not. The order path looks at the touch board itself. One thread.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "engine/domain/port.hpp"
#include "engine/runtime/touch_board.hpp"
#include "engine/runtime/usd_rates.hpp"

namespace oneclick {

class PriceFeed {
 public:
  PriceFeed(const TouchBoard& board, const UsdRates& usd_rates, EventSink& sink)
      : board_(board), usd_rates_(usd_rates), sink_(sink) {}
  // What a full queue does not take is told by the next call.
  void tell();

 private:
  const TouchBoard& board_;
  const UsdRates& usd_rates_;
  EventSink& sink_;
  struct Told {
    Touch touch;
    Reference reference;
  };
  std::map<std::pair<Venue, std::string>, Told> told_;
};

}  // namespace oneclick
