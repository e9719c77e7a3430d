// The rungs of the risk ladder that come before any sizing. Pure. The order of the checks is the
// order of `Reason`; the first that holds is the one that is named.
#pragma once

#include "engine/core/tables.hpp"

namespace oneclick::core {

struct EntryFacts {
  bool kill_switch;
  bool user_active;
  bool connected;
  bool credentials_refused;
  LinkStatus status;
  bool quarantined;
  bool subscription_active;
  bool reconciled;
  std::int64_t age_ns;
  std::int64_t age_ns_max;
  bool symbol_refused;
  bool instrument_known;
  TradingStatus trading;
  SignalType signal_type;
  bool has_quantity;
  bool has_price;
};
[[nodiscard]] Reason refuse_entry(const EntryFacts& facts);

// Exits are stopped by nothing but the lack of a way to the venue.
[[nodiscard]] Reason refuse_exit(bool connected, bool credentials_refused, bool instrument_known);

[[nodiscard]] bool covers(const KillSwitch& kill, Venue venue, UserId leader, UserId follower,
                          const Symbol& symbol);

}  // namespace oneclick::core
