// The customs office: the venue's words into the engine's and back. Pure functions, any thread.
// Source of the tables: Binance spot API docs, enums.md and errors.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/domain/reason.hpp"
#include "engine/domain/record.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick::binance {

// Order status ("status", "X").
enum class OrderState : std::uint8_t { open = 1, partially_filled, filled, cancelled, rejected };
[[nodiscard]] std::optional<OrderState> order_state_from_text(std::string_view text);
[[nodiscard]] bool is_final(OrderState state);
// trades.status of an order in this state; a cancelled one keeps what it filled.
[[nodiscard]] OrderStatus order_status(OrderState state, bool any_filled);

// Execution type of an executionReport ("x").
enum class ExecutionType : std::uint8_t {
  created = 1,
  trade,
  cancelled,
  replaced,
  rejected,
  expired,
  trade_prevention
};
[[nodiscard]] std::optional<ExecutionType> execution_type_from_text(std::string_view text);

[[nodiscard]] std::optional<Side> side_from_venue(std::string_view text);  // "BUY" | "SELL" only
[[nodiscard]] std::string_view side_to_venue(Side side);
// What this code does not know takes no orders: halted.
[[nodiscard]] TradingStatus trading_status_from_text(std::string_view text);

// What an error answer proves. Only `rejected` says that no order came of it.
enum class Verdict : std::uint8_t {
  rejected,   // refused, by a code and text the documents call a refusal
  unknown,    // may or may not have been executed; everything no table names
  not_found,  // a query found nothing
  archived,   // a query found an order that ended long ago with nothing filled
};
enum class Remedy : std::uint8_t {
  none,
  resync_clock,   // -1021: measure the offset again
  pause_egress,   // 429, 418, -1003: nothing leaves this address until told
  pause_account,  // -1015: the account's own order count is spent
  stop_account,   // the key is refused
};
struct Judgement {
  Verdict verdict;
  Reason reason;  // of rejections
  Remedy remedy;
};
// status: HTTP status or the `status` of a WebSocket API reply. code 0: the answer carried none.
[[nodiscard]] Judgement judge(int status, int code, std::string_view message);

}  // namespace oneclick::binance
