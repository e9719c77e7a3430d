#include <simdjson.h>

#include "engine/app/search_bulk.hpp"

namespace oneclick {

namespace {

std::string reason_of(const simdjson::dom::object& result) {
  simdjson::dom::object error;
  std::string_view type, text;
  if (result["error"].get(error) == simdjson::SUCCESS) {
    if (error["type"].get(type) != simdjson::SUCCESS) type = "error";
    if (error["reason"].get(text) != simdjson::SUCCESS) text = "";
    return std::string(type) + ": " + std::string(text);
  }
  return result["error"].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

}  // namespace

std::expected<std::vector<BulkItem>, std::string> parse_bulk_answer(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  simdjson::dom::array items;
  const simdjson::padded_string padded(body);
  if (parser.parse(padded).get(answer) != simdjson::SUCCESS ||
      answer["items"].get(items) != simdjson::SUCCESS)
    return std::unexpected("the answer is no bulk answer");
  std::vector<BulkItem> out;
  for (const auto& item : items) {
    simdjson::dom::object action, result;
    std::int64_t status = 0;
    if (item.get(action) != simdjson::SUCCESS || action.size() != 1 ||
        action.begin().value().get(result) != simdjson::SUCCESS ||
        result["status"].get(status) != simdjson::SUCCESS || status < 100 || status > 599)
      return std::unexpected("an item of the answer has no status");
    out.push_back({static_cast<int>(status), reason_of(result)});
  }
  return out;
}

}  // namespace oneclick
