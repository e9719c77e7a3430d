// What is wrong with a request, as RFC 9457 problem details: which field, what it held, what is
// allowed.
#pragma once

#include <string>
#include <string_view>

namespace oneclick::ingress {

struct Problem {
  int status;
  std::string detail;
  std::string field = {};  // empty: not about one
  std::string value = {};  // as sent; cut and escaped when written
  std::string allowed = {};
  int retry_after_s = 0;  // of 429 and 503
};

// The JSON object.
[[nodiscard]] std::string to_json(const Problem& problem);

// Appends text as the inside of a JSON string. Bytes outside ASCII become '?', so that cutting
// never leaves half a character.
void append_escaped(std::string& out, std::string_view text);
// Appends "name":"escaped value".
void append_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace oneclick::ingress
