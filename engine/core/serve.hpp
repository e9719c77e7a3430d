// One follower's part of a leader event: refused by name, carried, or an order.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

enum class Ask : std::uint8_t {
  nothing,  // refused for everyone, by `refusal`
  buy,
  sell_fraction,  // all but `kept` of `kept_of`
  sell_quantity,  // the event's quantity by the link's percentage
  sell_all,
  close_signal,  // what the event's signal opened
};

// What one event asks of each of its links, and what is worked out once for all of them.
struct Request {
  const LeaderEvent& event;
  Ask ask;
  Reason refusal;
  Index symbol;  // none: no instrument has it
  Decimal kept;
  Decimal kept_of;
  // Of fills: an earlier one of the same order decided for links with one size per order.
  const LeaderOrder* order_seen;  // null: this is the first
  std::int32_t percentage_e2;     // zero: the link's
  Decimal copy_amount;            // zero: the link's
  bool has_price;
  // The leader's worth in leader_equity_quote; asked for by the first link that needs it.
  Index leader_equity_quote;
  Decimal leader_equity;
  Decimal event_notional;      // of the followers served so far
  Decimal event_notional_max;  // this shard's part; zero: none
  // Of the last follower served; the next one's are most often the same.
  Venue venue;
  Index instrument;
  std::int32_t slippage_bps;
  Decimal capped;
};
[[nodiscard]] Request make_request(const Step& s, const LeaderEvent& event, Index symbol);

// Emits the one outcome of (event, link), or makes the order that will.
void serve(Step& s, Request& request, Index link, std::uint32_t rank);

}  // namespace oneclick::core
