// Messages as the venue documents them, and small tools to read JSON in tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <simdjson.h>

#include "engine/base/decimal.hpp"

namespace oneclick::binance::test {

namespace dom = simdjson::dom;

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

inline std::filesystem::path shared_folder() {
  return std::filesystem::path(SOURCE_DIR) / ".." / "shared" / "exchanges";
}

// The message of tests/binance/payloads/<name>.json as compact JSON.
inline std::string payload(const std::string& name) {
  dom::parser parser;
  const std::string text =
      read_text(std::filesystem::path(SOURCE_DIR) / "tests/binance/payloads" / (name + ".json"));
  return simdjson::minify(parser.parse(text)["message"].value());
}

// A scalar as text: numbers as they would be written.
inline std::string text_of(dom::element e) {
  switch (e.type()) {
    case dom::element_type::STRING:
      return std::string(e.get_string().value());
    case dom::element_type::INT64:
      return std::to_string(e.get_int64().value());
    case dom::element_type::UINT64:
      return std::to_string(e.get_uint64().value());
    case dom::element_type::DOUBLE:
      return fmt::format("{}", e.get_double().value());
    case dom::element_type::BOOL:
      return e.get_bool().value() ? "true" : "false";
    default:
      return simdjson::minify(e);
  }
}

inline bool has(dom::element e, std::string_view key) {
  dom::element out;
  return e[key].get(out) == simdjson::SUCCESS && !out.is_null();
}

// Numbers by value ("0.10" = 0.1), everything else by text.
inline bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto x = Decimal::parse_rounded(a, Round::nearest);
  const auto y = Decimal::parse_rounded(b, Round::nearest);
  return x && y && *x == *y;
}

}  // namespace oneclick::binance::test
