// Secrets that stand in files.
#pragma once

#include <expected>
#include <string>

namespace oneclick {

// The first line of a file that others cannot read. Error: why it cannot be used.
[[nodiscard]] std::expected<std::string, std::string> read_secret_line(const std::string& path);

}  // namespace oneclick
