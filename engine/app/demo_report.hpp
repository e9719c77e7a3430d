// What the demo says at its end, for people.
#pragma once

#include <expected>
#include <string>

namespace oneclick::demo {

// From the JSON that `oneclick books` printed. Error: not such a JSON.
[[nodiscard]] std::expected<std::string, std::string> report_text(const std::string& books_json,
                                                                  std::size_t followers,
                                                                  double seconds);

}  // namespace oneclick::demo
