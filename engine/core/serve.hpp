// One follower's part of a leader event: refused by name, carried, or an order.
#pragma once

#include "engine/core/emit.hpp"
#include "engine/core/scopes.hpp"

namespace oneclick::core {

enum class Ask : std::uint8_t {
  nothing,    // refused for everyone, by `refusal`
  enter,      // long or, as is_short says, short; what is held the other way goes first
  flip,       // everything goes, then in by `quantity`
  by_signal,  // out of what is held the other way, else in
  // Of shorts these buy.
  sell_fraction,  // all but `kept` of `kept_of`
  sell_quantity,  // the event's quantity by the link's percentage
  sell_all,
  close_signal,  // what the event's signal opened
  rest,          // what the leader's resting order asks of links that mirror it
};

// What one event asks of each of its links, and what is worked out once for all of them.
struct Request {
  const LeaderEvent& event;
  Ask ask;
  Reason refusal;
  Index symbol;      // none: no instrument has it
  bool is_short;     // of what opens; links with `reverse` turn it
  Decimal quantity;  // the event's, of flips beyond zero
  Decimal kept;
  Decimal kept_of;
  // Of fills: an earlier one of the same order decided for links with one size per order.
  const LeaderOrder* order_seen;  // null: this is the first
  std::int32_t percentage_e2;     // zero: the link's
  Decimal copy_amount;            // zero: the link's
  // The leader's worth in leader_equity_quote; asked for by the first link that needs it.
  Index leader_equity_quote;
  Decimal leader_equity;
  ScopeSums leader_sums;       // over all followers, this event's entries so far included
  Decimal event_notional;      // of the followers served so far
  Decimal event_notional_max;  // this shard's part; zero: none
  // Of the last follower served; the next one's are most often the same.
  Venue venue;
  Index instrument;
  Index held_symbol;  // what it is called there
  Touch touch;        // the market there; all zero: not known, or too old
  std::int32_t slippage_bps;
  Decimal capped;
  const Flip* flip;  // the entry is its second leg
  bool order_done;   // of fills: the last of a resting order
  // Of an order that goes on with an earlier one: its outcome is told, this is its next attempt.
  bool is_follow_up;
  Reason follow_up_refusal;  // why it does not go on; none: it does, or too little is left
  std::uint32_t attempt;
  Index mirror;  // that it goes on with; none: a new one, if any
};
[[nodiscard]] Request make_request(const Step& s, const LeaderEvent& event, Index symbol);

// Looks for the request's instrument and market at a follower's venue.
void find_instrument(const Step& s, Request& request, Venue venue);
// Entries still in flight are wanted in part, or not at all, from now on: when they fill, the rest
// is sold at once. Returns the last such order, nil when there is none.
OrderKey cut_entries_in_flight(Tables& t, const Request& request, Index holding);
// What a unit brings to who closes it now; zero: not known.
[[nodiscard]] Decimal exit_price(const Request& request, bool is_short);
void serve_entry(Step& s, Request& request, Index link, std::uint32_t rank, bool is_short);

// Emits the one outcome of (event, link), or makes the order that will.
void serve(Step& s, Request& request, Index link, std::uint32_t rank);

}  // namespace oneclick::core
