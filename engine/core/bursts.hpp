// When more comes than a venue's budget carries: what was not sent is not dropped. Entries wait a
// little; the next entry takes them along, and what nobody took along in time stays as residual.
// Exits that wait grow instead of becoming many.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// The budget refused this entry: it is tried again while it is fresh.
void wait_for_budget(Step& s, Index order);
void attempt_entry(Step& s, Index order);
// Another entry of the holding comes: what waits goes back into the residual that it adds.
void take_back_waiting(Step& s, Index holding);
[[nodiscard]] bool is_given_back(const Order& order);

// An exit of the holding that is not on the wire and may be made larger; none.
[[nodiscard]] Index waiting_exit(const Tables& t, Index holding, bool closes_signal,
                                 SignalId signal);
// Makes it larger by whole lots; returns its key.
[[nodiscard]] OrderKey add_to_exit(Step& s, Index order, Decimal quantity);

}  // namespace oneclick::core
