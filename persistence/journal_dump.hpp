// One entry of a journal as a person reads it: a logfmt line, or one JSON object. Decimals are
// text, ids are UUIDs, empty members are left out. For tools; nothing here is on the order path.
#pragma once

#include <string>

#include "persistence/journal.hpp"

namespace oneclick {

[[nodiscard]] std::string journal_entry_line(const JournalEntry& entry);
[[nodiscard]] std::string journal_entry_json(const JournalEntry& entry);

}  // namespace oneclick
