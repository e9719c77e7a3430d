// A leader's resting orders as leader events. Pure. An event's id comes from the order and from
// what happened to it, whichever feed tells: placed and ended happen once; amended orders only ever
// get smaller (Binance spot API docs, faqs/order_amend_keep_priority.md), so the quantity tells one
// amendment from the next.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "connectors/binance/decode.hpp"
#include "engine/domain/event.hpp"

namespace oneclick::binance {

// Good till cancelled, at a limit, and not waiting for anything.
[[nodiscard]] bool rests(std::string_view type, std::string_view time_in_force);

// What is said of an order, whoever says it. Times are the venue's.
struct LeaderOrderChange {
  LeaderEventKind kind;
  Decimal quantity;  // of all of it
  Decimal price;
  std::int64_t time_ms;
};
// None: nothing that a resting order does, or unreadable figures.
[[nodiscard]] std::optional<LeaderOrderChange> change_of(const ExecutionReport& report);
// All that a row of the order history tells, oldest first; `amendments` are the order's, oldest
// first.
[[nodiscard]] std::vector<LeaderOrderChange> changes_of(
    const OrderRow& row, const std::vector<AmendmentRow>& amendments);

[[nodiscard]] EventId event_id_of(AccountId account, std::string_view order_id,
                                  const LeaderOrderChange& change);

}  // namespace oneclick::binance
