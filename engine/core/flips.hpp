// Turning around: an entry waits until what its link holds the other way is gone, so that no order
// ever crosses zero and both directions are never on their way at once. One outcome, two legs: leg
// 0 closes, leg 1 opens.
#pragma once

#include "engine/core/serve.hpp"

namespace oneclick::core {

// An entry in a direction: at once where nothing stands against it.
void enter(Step& s, Request& request, Index link, std::uint32_t rank, bool is_short);
// Whether the link holds, or waits to enter, the other way of what a signal says.
[[nodiscard]] bool closes_by_signal(const Tables& t, Index link, const Request& request,
                                    bool is_short);
// The leader closes some or all of what waits to be entered. False: nothing of that is concerned.
[[nodiscard]] bool exit_flip(Step& s, const Request& request, Index link, std::uint32_t rank,
                             Index holding);

// An order of the holding has ended: enters if nothing is held and nothing on its way any more.
void advance_flip(Step& s, Index holding, Reason ended);
// The account was read back: what waited for that goes on.
void advance_flips_of(Step& s, AccountSlot slot);
// The link's entries that wait will not be made.
void supersede_flips_of(Step& s, Index link);

}  // namespace oneclick::core
