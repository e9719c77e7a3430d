// Selling what a link holds: exits never expire, and are tried until the venue has confirmed them.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

struct ExitPlan {
  EventId event;
  SignalId signal;
  UserId copied_from;
  std::int64_t event_time_ns;
  std::int64_t received_ns;
  Index holding;
  Index instrument;
  Decimal quantity;  // whole lots
  i128 wanted_fine;
  Cap cap;
  std::uint32_t rank;
  std::uint8_t leg;
  std::uint32_t attempt;  // the first; zero but where the leg is used more than once
  bool outcome_due;
  bool closes_signal;
};
// Takes the quantity out of what other exits may sell, and sends as much as one order can carry.
void start_exit(Step& s, const ExitPlan& plan);

// An exit's deadline: it is sent if it still can be, put off if not now.
void attempt_exit(Step& s, Index order);
// It could not be sent now: tries again after a while.
void postpone_exit(Step& s, Index order);
// What an ended attempt left unsold goes to a further one, at once after progress, else later.
// False: nothing is left that could be sold.
[[nodiscard]] bool continue_exit(Step& s, Index order);

// An entry ended after its leader had sold: what arrived too late is sold.
void follow_up(Step& s, Index entry);

}  // namespace oneclick::core
