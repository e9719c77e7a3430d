// What links hold and what accounts have to spend.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// Held, as far as the venue has it.
[[nodiscard]] constexpr Decimal there(const Holding& h) {
  return max(Decimal{}, h.quantity - h.missing);
}
// And not on its way out.
[[nodiscard]] constexpr Decimal sellable(const Holding& h) {
  return max(Decimal{}, there(h) - h.exits_in_flight);
}

// Whether an order is about a short position: opens it by selling, closes it by buying.
[[nodiscard]] constexpr bool is_of_short(const Order& o) {
  return o.is_exit == (o.side == Side::buy);
}
[[nodiscard]] constexpr Side entry_side(bool is_short) {
  return is_short ? Side::sell : Side::buy;
}
[[nodiscard]] constexpr Side exit_side(bool is_short) {
  return is_short ? Side::buy : Side::sell;
}

// Books one fill of an order. Returns the part of the fee that was paid in the base asset.
Decimal book_fill(Tables& t, Order& order, const OrderUpdate& update);
// What is not there any more leaves with its cost; no order of ours sold it.
void write_down(Tables& t, Index holding, Decimal amount);
// What an entry still reserves becomes what it cost, until a balance of that time or later covers
// it.
void release_reservation(Tables& t, Order& order);
[[nodiscard]] i128 available_fine(const Tables& t, AccountSlot slot, Index asset);
void on_balance(Tables& t, const Balance& balance, std::int64_t now_ns);
[[nodiscard]] bool balance_matters(const Tables& t, const Balance& balance);
void drop_terms(Tables& t, Link& link);
// A link that is gone from the database goes for good once it holds nothing and has no orders.
void drop_link_if_done(Tables& t, Index link);

}  // namespace oneclick::core
