// The venue's word against the core's: what accounts have open and what they hold. Orders that
// should be listed are asked for, orders that nobody knows are cancelled, and what an account holds
// too little of is set aside (quarantined) for the links that hold it, until a person says so.
//
// A shortfall counts only when it cannot come from ourselves: nothing of the account that would
// move the asset is in flight, and the balance is no older than the last fill that did. Seen so for
// divergence_age_max, the account is read back; what is missing then is set aside.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// The account was read back whole.
void on_sweep(Step& s, const Sweep& sweep);
[[nodiscard]] bool sweep_matters(const Tables& t, const Sweep& sweep);

// A word about an order under one of our names that no table knows.
void on_ghost(Step& s, const OrderUpdate& update);
[[nodiscard]] bool ghost_matters(const Tables& t, const OrderUpdate& update);

// A balance was told.
void compare_balance(Step& s, const Balance& balance);
// Accounts that have held too little for long enough are read back.
void ask_about_shortfalls(Step& s);
void derive_shortfalls_due(Tables& t);

// Takes what was found as true, and lifts it.
void on_quarantine_release(Step& s, const QuarantineRelease& release);
[[nodiscard]] bool quarantine_release_matters(const Tables& t, const QuarantineRelease& release);
// The link holds nothing there any more: it moved to another account.
void lift_quarantine(Step& s, Index holding);
[[nodiscard]] bool is_quarantined(const Tables& t, Index link, Index symbol);
[[nodiscard]] std::size_t quarantined_links(const Tables& t);

}  // namespace oneclick::core
