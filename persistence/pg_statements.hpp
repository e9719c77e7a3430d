// A text of SQL cut into its statements, for migrations whose statements must not share a
// transaction.
#pragma once

#include <string_view>
#include <vector>

namespace oneclick {

// Without the semicolons between them; comments before a statement are left out. Knows quotes,
// E'' strings, dollar quotes and nested comments; not BEGIN ATOMIC bodies.
[[nodiscard]] std::vector<std::string_view> sql_statements(std::string_view text);

}  // namespace oneclick
