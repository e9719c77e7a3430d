// Links of style mirror: a resting order of the leader's is a resting order of the link's, amended
// and cancelled with it. One order of the link at a time; what follows waits until it has ended.
#pragma once

#include "engine/core/serve.hpp"

namespace oneclick::core {

// An event about a leader's order itself, for all links of the leader. Returns whether it was known
// or is now.
void note_leader_order(Tables& t, const LeaderEvent& event, Index source, Index symbol);
// A fill of one: whether it was its last.
[[nodiscard]] bool note_leader_order_fill(Tables& t, const LeaderEvent& fill);
void forget_leader_order(Tables& t, std::uint64_t order);

// One link's part of an event about a leader's order, or of a fill of one. False: it is an entry
// like any other, resting where the event is about the order.
[[nodiscard]] bool serve_mirror(Step& s, Request& r, Index link, std::uint32_t rank);
// Of what the whole order wants: what its earlier orders have not bought, within what was allowed.
[[nodiscard]] i128 left_to_mirror(const Tables& t, Index mirror, i128 wished_fine);
[[nodiscard]] Decimal resting_price(const Tables& t, const Request& r);
// The entry just made rests for the leader's order, or goes on with it.
void begin_mirror(Step& s, const Request& r, Index order);
// An order of a mirror has ended: what was waiting for that happens.
void on_mirror_ended(Step& s, Index order);

// Entries are stopped: resting ones are cancelled.
void withdraw_by_switch(Step& s, const KillSwitch& kill);
void withdraw_of_link(Step& s, Index link);

}  // namespace oneclick::core
