// Text on its way to and from PostgreSQL: messages without passwords, bytes that are valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace oneclick {

// `message` without the database URL and its password: libpq quotes the URL where it cannot read
// it.
[[nodiscard]] std::string without_password(std::string_view message,
                                           const std::string& database_url);
// Valid UTF-8 without NUL: other bytes become '?'. What venues say is cut at a byte count.
[[nodiscard]] std::string database_text(std::string_view text);
// As the inside of a JSON string literal.
[[nodiscard]] std::string json_escaped(std::string_view text);

}  // namespace oneclick
