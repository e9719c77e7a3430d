// Pieces of HTTP that client and server share.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oneclick::net {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] bool equal_no_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string_view trim_blanks(std::string_view text);
// First value by lower-case name; "" when absent.
[[nodiscard]] std::string_view find_header(const HeaderList& headers, std::string_view name);
// Whether a comma-separated header value holds the token, in any case.
[[nodiscard]] bool has_token(std::string_view value, std::string_view token);
// Nothing that would end a header line early.
[[nodiscard]] bool is_header_safe(std::string_view text);
[[nodiscard]] std::string_view status_text(int status);

}  // namespace oneclick::net
