// All that the core may ask of a venue.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/domain/ids.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick {

enum class IntentKind : std::uint8_t {
  place = 1,         // send the order
  cancel = 2,        // cancel by client order id
  query = 3,         // ask for the order by client order id
  query_trades = 4,  // ask for the order's fills (venue_order_id is known)
  read_account = 5,  // read the account back, before others that are due; nothing else is named
};
enum class OrderType : std::uint8_t { limit_ioc = 1, market = 2 };

struct Intent {
  IntentKind kind;
  OrderType type;  // of place
  Side side;
  Venue venue;
  bool is_exit;  // lowers exposure: overtakes entries, never expires
  AccountSlot slot;
  std::uint32_t rank;  // place in the event's fair order, from 0
  AccountId account;
  OrderKey key;
  Symbol symbol;
  Symbol venue_symbol;
  std::uint8_t price_decimals;     // of the tick
  std::uint8_t quantity_decimals;  // of the lot step
  VenueOrderId venue_order_id;     // of query_trades
  Decimal quantity;
  Decimal price;  // limit; zero for market
  std::uint64_t
      cause_seq;  // the event that asks for it: must be in the journal before a byte leaves
  std::int64_t expires_ns;   // entries are not sent after this; 0: never expires
  std::int64_t received_ns;  // of the leader event behind it, for latency; 0 when none
  UserId leader;             // for kill switches at the gate
  UserId follower;
};
static_assert(std::is_trivially_copyable_v<Intent>);

}  // namespace oneclick
