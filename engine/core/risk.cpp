#include "engine/core/risk.hpp"

namespace oneclick::core {

Reason refuse_entry(const EntryFacts& f) {
  if (f.kill_switch) return Reason::kill_switch;
  if (!f.user_active) return Reason::user_inactive;
  if (!f.connected) return Reason::exchange_disconnected;
  if (f.credentials_refused) return Reason::credentials_refused;
  if (f.status != LinkStatus::active && f.status != LinkStatus::quarantined)
    return Reason::link_inactive;
  if (f.quarantined || f.status == LinkStatus::quarantined) return Reason::quarantined;
  if (!f.subscription_active) return Reason::subscription_inactive;
  if (!f.reconciled) return Reason::not_reconciled;
  if (f.age_ns > f.age_ns_max) return Reason::stale;
  if (f.symbol_refused) return Reason::symbol_filtered;
  if (!f.instrument_known) return Reason::unknown_symbol;
  if (f.trading != TradingStatus::trading) return Reason::venue_halted;
  if (f.signal_type == SignalType::hold) return Reason::hold;
  if (!f.has_quantity) return Reason::no_quantity;
  if (!f.has_price) return Reason::no_price;
  return Reason::none;
}

Reason refuse_exit(bool connected, bool credentials_refused, bool instrument_known) {
  if (!connected) return Reason::exchange_disconnected;
  if (credentials_refused) return Reason::credentials_refused;
  if (!instrument_known) return Reason::unknown_symbol;
  return Reason::none;
}

bool covers(const KillSwitch& kill, Venue venue, UserId leader, UserId follower,
            const Symbol& symbol) {
  return kill.on && (kill.venue == Venue::none || kill.venue == venue) &&
         (kill.leader.is_nil() || kill.leader == leader) &&
         (kill.follower.is_nil() || kill.follower == follower) &&
         (kill.symbol.empty() || kill.symbol == symbol);
}

}  // namespace oneclick::core
