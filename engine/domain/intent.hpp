// All that the core may ask of a venue.
#pragma once

#include <cstdint>
#include <string_view>
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
  // Two orders of which one cancels the other: a take_profit (key, price) and a stop_loss
  // (other_key, stop_price), of the same quantity and side. Taken or refused as a whole; a cancel
  // of either cancels both.
  place_pair = 6,
};
enum class OrderType : std::uint8_t {
  limit_ioc = 1,
  market = 2,
  limit_gtc = 3,    // rests at its price until it fills or is cancelled
  stop_loss = 4,    // at market when the market touches stop_price
  take_profit = 5,  // rests at price; never takes
};
[[nodiscard]] constexpr bool is_market(OrderType type) {
  return type == OrderType::market || type == OrderType::stop_loss;
}
[[nodiscard]] std::string_view to_text(OrderType type);  // trades.trade_type

struct Intent {
  IntentKind kind;
  OrderType type;  // of place; take_profit of pairs
  Side side;
  Venue venue;
  bool is_exit;      // lowers exposure: overtakes entries, never expires
  bool reduce_only;  // of contracts: the venue itself lets it open nothing
  AccountSlot slot;
  std::uint32_t rank;  // place in the event's fair order, from 0
  AccountId account;
  OrderKey key;
  OrderKey other_key;  // of place_pair, and of cancels of one of a pair: its other; else nil
  Symbol symbol;
  Symbol venue_symbol;
  std::uint8_t price_decimals;     // of the tick
  std::uint8_t quantity_decimals;  // of the lot step, in contracts where those are counted
  VenueOrderId venue_order_id;     // of query_trades
  Decimal quantity;                // base units
  Decimal price;                   // limit; zero for market and stop_loss
  Decimal stop_price;              // of stop_loss and of pairs; else zero
  Decimal contract_size;           // base units in one contract; zero: the venue counts base units
  std::uint64_t
      cause_seq;  // the event that asks for it: must be in the journal before a byte leaves
  std::int64_t expires_ns;   // entries are not sent after this; 0: never expires
  std::int64_t received_ns;  // of the leader event behind it, for latency; 0 when none
  UserId leader;             // for kill switches at the gate
  UserId follower;
};
static_assert(std::is_trivially_copyable_v<Intent>);
[[nodiscard]] constexpr bool places(const Intent& intent) {
  return intent.kind == IntentKind::place || intent.kind == IntentKind::place_pair;
}

}  // namespace oneclick
