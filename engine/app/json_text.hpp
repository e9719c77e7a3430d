// Enough JSON to report with.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace oneclick {

// A JSON string literal, quotes included.
[[nodiscard]] std::string json_text(std::string_view text);

// Members of one object, in the order they are added.
class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value) {
    return raw(name, json_text(value));
  }
  JsonObject& number(std::string_view name, std::integral auto value) {
    return raw(name, std::to_string(value));
  }
  JsonObject& boolean(std::string_view name, bool value) {
    return raw(name, value ? "true" : "false");
  }
  // A value that is JSON already.
  JsonObject& raw(std::string_view name, std::string_view json);
  [[nodiscard]] std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

class JsonList {
 public:
  JsonList& raw(std::string_view json);
  JsonList& text(std::string_view value) { return raw(json_text(value)); }
  [[nodiscard]] std::string str() const { return "[" + items_ + "]"; }

 private:
  std::string items_;
};

}  // namespace oneclick
