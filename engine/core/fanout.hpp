// One leader event to one decision for each link that copies its source.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

void on_leader_event(Step& s, const LeaderEvent& event);
// Whether it was seen before, or comes from a feed that does not count.
[[nodiscard]] bool leader_event_matters(const Tables& t, const LeaderEvent& event);

}  // namespace oneclick::core
