// What became of events, as messages of the stream.
#pragma once

#include <array>
#include <string>

#include "engine/domain/record.hpp"

namespace oneclick::ingress {

// Empty for kinds that the stream does not carry.
[[nodiscard]] std::string record_json(const Record& record);
// Whose record it is; nil entries are nobody.
[[nodiscard]] std::array<UserId, 2> record_users(const Record& record);
// The leader event behind it; nil when the record does not say.
[[nodiscard]] EventId record_event(const Record& record);

}  // namespace oneclick::ingress
