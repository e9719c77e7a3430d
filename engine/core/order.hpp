// The life of one order: from its intent, through three kinds of answer, to its last fill.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

void set_life(Tables& t, Order& order, Life life);
// Gives the order its key, lists it, records it as pending and asks the venue to place it.
void submit_order(Step& s, Index order);
// The same of two of which one cancels the other; the target first.
void submit_pair(Step& s, Index target, Index stop);
// Never sent: told in a row, with its reason; or not told at all.
void refuse_order(Step& s, Index order, Reason reason);
void forget_order(Step& s, Index order);
// Gives it to the gate (again, under the same key).
void send_order(Step& s, Index order);

void on_order_update(Step& s, const OrderUpdate& update);
[[nodiscard]] bool order_update_matters(const Tables& t, const OrderUpdate& update);
void on_order_deadline(Step& s, Index order);

// Asks the venue about it, now and again.
void query_order(Step& s, Index order);

// After a start: nothing that was on its way is known.
void fence_orders(Step& s);
// The account can be asked again: its unknown orders are.
void query_unknown_orders(Step& s, AccountSlot slot);

// The order is over: position, reservation, outcome, follow-up.
void end_order(Step& s, Index order, Reason reason, UpdateSource source, const Text<95>* message);
// Tells the outcome when it is decided and all that it names is known.
void settle_outcome(Step& s, Index order);
// Orders that ended without a complete account of their fills are kept this long for late ones.
void forget_ended_orders(Step& s);

}  // namespace oneclick::core
