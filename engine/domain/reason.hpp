// Why something was not done. The order of the values is the order in which the rungs of the risk
// ladder are checked: the first that holds is the one that is named.
#pragma once

#include <cstdint>
#include <string_view>

namespace oneclick {

enum class Reason : std::uint8_t {
  none = 0,
  // the ladder, in order
  kill_switch,            // a switch covers this order
  user_inactive,          // permission: users.account_status is not active
  exchange_disconnected,  // permission: user_exchanges.status is not connected
  credentials_refused,    // permission: the venue refused this account's key
  link_inactive,          // permission: link paused, stopped, or exits only
  quarantined,            // permission: link or its symbol set aside until released
  subscription_inactive,  // permission: the channel is paid and not subscribed
  not_reconciled,         // account not yet compared with the venue since start or reconnect
  stale,                  // older than the link's entry_ttl
  symbol_filtered,        // the link's allow or deny list
  unknown_symbol,         // no such instrument at the venue of the follower's account
  venue_halted,           // the venue takes no new orders in this instrument
  hold,                   // a hold signal asks for nothing
  not_mirrored,           // a leader's resting order that the link does not follow
  no_quantity,            // nothing to size by
  no_price,               // no fresh touch to cap the price or to value the order with
  price_worse,            // only_if_better: the market asks more than the leader paid
  no_reference,           // price_collar_bps_max, and the venue's average price is not known now
  price_collar,           // priced further from the venue's average than price_collar_bps_max
  self_trade,             // would meet a resting order of another link of the account
  no_stop,                // sized by risk, and the signal has no stop below its price
  equity_unknown,         // sized by worth, and the leader's or follower's is not known now
  no_position,            // spot sell with nothing held
  below_min_lot,          // rounds to nothing, policy skip
  below_min_notional,     // under the venue's minimum, policy skip
  positions,              // positions_max symbols are held already
  entry_rate,             // entries_per_minute_max are sent already
  not_valued,             // limited in USD, and a price or rate for that is not known now
  daily_loss,             // daily_loss_usd_max is lost
  drawdown,               // drawdown_usd_max was reached; until released
  account_positions,      // the same limits, of the account over all its links
  account_entry_rate,
  account_daily_loss,
  account_drawdown,
  leader_positions,  // and of the leader or channel over all followers, this shard's part
  leader_entry_rate,
  leader_daily_loss,
  leader_drawdown,
  price_filter,       // outside the venue's price range
  order_notional,     // capped to nothing by order_notional_max
  position_notional,  // capped to nothing by position_notional_max
  exposure,           // capped to nothing by exposure_usd_max
  account_order_notional,
  account_position_notional,
  account_exposure,
  leader_order_notional,
  leader_position_notional,
  leader_exposure,
  copy_amount,     // capped to nothing by copy_amount
  event_notional,  // aggregate of one event over all followers
  balance,         // not enough free balance at the cap price
  rate_budget,     // the venue's budget is spent
  session_down,    // no connection to the venue
  overload,        // shed: the engine or its queue was full
  // what the venue said
  rejected,       // refused by positive evidence; see the venue code
  not_filled,     // accepted and ended with nothing filled
  not_accepted,   // proven absent at the venue
  would_trigger,  // a protective order whose price the market had reached already
  // accepted but superseded
  already_exiting,    // an earlier exit covers all that is held
  superseded,         // an entry of a flip that its leader took back before it could be made
  account_ambiguous,  // one-click copy and several connected accounts
  draining,           // the daemon is stopping
};
inline constexpr int reason_count = static_cast<int>(Reason::draining) + 1;
[[nodiscard]] std::string_view to_text(Reason reason);  // the enumerator's name
// Whether trying the same again later can help (rate_budget, session_down, ...).
[[nodiscard]] bool is_retryable(Reason reason);

// Which cap made an order smaller than wanted. Recorded with the outcome.
enum class Cap : std::uint8_t {
  none = 0,
  copy_amount,
  order_notional,
  position_notional,
  exposure,
  account_order_notional,
  account_position_notional,
  account_exposure,
  leader_order_notional,
  leader_position_notional,
  leader_exposure,
  balance,
  held,       // an exit never sells more than the link holds
  venue_max,  // the venue's maximum quantity or notional
  flip,       // the exit of a flip was made, its entry was not
};
[[nodiscard]] std::string_view to_text(Cap cap);

enum class Outcome : std::uint8_t { copied = 1, clipped, carried, coalesced, skipped, failed };
[[nodiscard]] std::string_view to_text(Outcome outcome);

}  // namespace oneclick
