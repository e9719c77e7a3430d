// Stops and targets of signals as the venue's own orders. What a signal holds for a link is wanted
// protected; what is at the venue is brought towards that, a step at a time, whenever either has
// changed. Two things are never true together: an order that sells what an exit sells, and an exit
// on its way for what an order at the venue could sell.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// An entry of a signal was made: what it opens is to be protected once the entry has ended.
void promise_protection(Step& s, Index entry, const LeaderEvent& event);
// A signal's prices have changed, for one link.
void amend_protection(Step& s, Index link, const LeaderEvent& event);
// Something about what the link holds, or about its protective orders, has changed.
void review_protections(Step& s, Index link);

// A leg's deadline while it is not on the wire.
void on_protection_due(Step& s, Index leg);
// A leg has ended; its row and its fills are told already.
void on_protection_ended(Step& s, Index leg);
// The venue has a leg that is to end.
void cancel_again(Step& s, Index order);

// Whether an exit would sell what protective orders may still sell: it waits, and they are told to
// let go.
[[nodiscard]] bool awaits_release(Step& s, Index exit, Decimal quantity);

}  // namespace oneclick::core
