// Bodies of requests and stream messages: one flat JSON object with the seed's column names.
// Refuses whatever it does not know; never puts a default in place of a bad value.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/ingress/problem.hpp"
#include "engine/base/decimal.hpp"
#include "engine/domain/event.hpp"

namespace oneclick::ingress {

enum class Field : std::uint8_t {
  op,
  type,
  id,
  signal_id,
  channel_id,
  creator_id,
  user_id,
  exchange_id,
  signal_type,
  side,
  status,
  update_type,
  exchange_name,
  trade_type,
  asset_symbol,
  fee_asset,
  entry_price,
  current_price,
  stop_loss,
  take_profit,
  quantity_suggestion,
  quantity,
  price,
  fee,
  confidence_level,
  followers_count,
  copies_count,
  performance_percentage,
  order_id,
  trade_id,
  timeframe,
  reasoning,
  old_value,
  new_value,
  description,
  expires_at,
  created_at,
  updated_at,
  closed_at,
  executed_at,
};
inline constexpr std::size_t field_count = static_cast<std::size_t>(Field::executed_at) + 1;
[[nodiscard]] std::string_view to_text(Field field);

enum class MessageKind : std::uint8_t { signal, signal_update, leader_trade, subscribe, ping };
inline constexpr std::size_t message_kind_count = 5;

struct Value {
  bool present;
  std::string_view text;  // as sent, unescaped; valid until the next decode
  Decimal decimal;        // of decimals
  Uuid uuid;              // of uuids; nil when `id` is no UUID
  std::int64_t integer;   // of integers; nanoseconds since the epoch of times
};

struct Message {
  std::array<Value, field_count> values;
  std::uint64_t body_hash[2];  // of the canonical body: order of fields and blanks do not count
  [[nodiscard]] const Value& operator[](Field field) const {
    return values[static_cast<std::size_t>(field)];
  }
  [[nodiscard]] bool has(Field field) const { return (*this)[field].present; }
};

class Decoder {
 public:
  Decoder();
  ~Decoder();
  // `json` has 64 readable bytes behind it. Syntax and single values; see check() for the rest.
  [[nodiscard]] std::expected<Message, Problem> decode(std::string_view json);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Which fields this kind of message may and must have. Null: fine.
[[nodiscard]] std::expected<void, Problem> check(const Message& message, MessageKind kind);

// "2026-01-31T12:00:00[.123][Z|+01:00]" (a blank may stand for the T; no zone means UTC), or
// nullopt.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text);

[[nodiscard]] Problem field_problem(Field field, std::string_view value, std::string_view detail,
                                    std::string_view allowed);

}  // namespace oneclick::ingress
