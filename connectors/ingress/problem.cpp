#include "connectors/ingress/problem.hpp"

#include <fmt/format.h>

namespace oneclick::ingress {
namespace {

constexpr std::size_t value_shown_max = 64;

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 429:
      return "Too Many Requests";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out += byte < 0x80 ? c : '?';
    }
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += '"';
  out += name;
  out += "\":\"";
  append_escaped(out, value);
  out += '"';
}

std::string to_json(const Problem& problem) {
  std::string out = "{\"type\":\"about:blank\",";
  append_field(out, "title", title_of(problem.status));
  fmt::format_to(std::back_inserter(out), ",\"status\":{},", problem.status);
  append_field(out, "detail", problem.detail);
  if (!problem.field.empty()) {
    out += ',';
    append_field(out, "field", problem.field);
    out += ',';
    const bool cut = problem.value.size() > value_shown_max;
    append_field(out, "value", problem.value.substr(0, value_shown_max) + (cut ? "..." : ""));
  }
  if (!problem.allowed.empty()) {
    out += ',';
    append_field(out, "allowed", problem.allowed);
  }
  out += '}';
  return out;
}

}  // namespace oneclick::ingress
