// The fields a message may have: their names, what a value must look like, and which message has
// which.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "connectors/ingress/decode.hpp"

namespace oneclick::ingress {

using Checked = std::expected<void, Problem>;

[[nodiscard]] std::optional<Field> find_field(std::string_view name);
// BASE/QUOTE[:SETTLE] of capital letters, digits, '.', '_' and '-'.
[[nodiscard]] bool is_symbol(std::string_view text);
// Check value.text, as a JSON string or number gave it, and fill in the rest of the value.
[[nodiscard]] Checked take_string(Field field, Value& value);
[[nodiscard]] Checked take_number(Field field, Value& value);
// The value as any writer of the same request would mean it.
[[nodiscard]] std::string canonical_value(Field field, const Value& value);
[[nodiscard]] Checked refuse(Field field, std::string_view value, std::string_view detail,
                             std::string_view allowed);

}  // namespace oneclick::ingress
