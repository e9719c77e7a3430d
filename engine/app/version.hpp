// Which build this is.
#pragma once

#include <string_view>

namespace oneclick {

[[nodiscard]] std::string_view version();  // "0.1.0"
[[nodiscard]] std::string_view commit();   // twelve hex digits, empty outside a repository

}  // namespace oneclick
