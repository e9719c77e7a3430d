#include <algorithm>
#include <cctype>

#include <simdjson.h>

#include "engine/app/books.hpp"

namespace oneclick {

namespace {

using Object = simdjson::dom::object;

// Missing and wrongly typed members end the reading: a ledger that is not understood proves
// nothing.
std::string text(const Object& object, const char* name) {
  const simdjson::dom::element value = object[name];
  if (value.is_int64()) return std::to_string(std::int64_t{value});
  return std::string(std::string_view(value));
}

Decimal decimal(const Object& object, const char* name) {
  const auto value = Decimal::parse(text(object, name));
  if (!value) throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
  return *value;
}

std::string lower(std::string value) {
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::tolower(c); });
  return value;
}

Ledger read(const std::string& path) {
  Ledger ledger;
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.load(path);
  for (const Object a : simdjson::dom::array(root["accounts"]))
    ledger.accounts.push_back(text(a, "id"));
  for (const Object o : simdjson::dom::array(root["orders"]))
    ledger.orders.push_back({.order_id = text(o, "order_id"),
                             .client_order_id = text(o, "client_order_id"),
                             .account = text(o, "account"),
                             .symbol = text(o, "symbol"),
                             .side = lower(text(o, "side")),
                             .status = text(o, "status"),
                             .quantity = decimal(o, "orig_qty"),
                             .executed_quantity = decimal(o, "executed_qty")});
  for (const Object f : simdjson::dom::array(root["fills"]))
    ledger.fills.push_back({.trade_id = text(f, "trade_id"),
                            .order_id = text(f, "order_id"),
                            .client_order_id = text(f, "client_order_id"),
                            .account = text(f, "account"),
                            .symbol = text(f, "symbol"),
                            .side = lower(text(f, "side")),
                            .commission_asset = text(f, "commission_asset"),
                            .quantity = decimal(f, "qty"),
                            .price = decimal(f, "price"),
                            .commission = decimal(f, "commission")});
  return ledger;
}

}  // namespace

std::expected<Ledger, std::string> read_ledger(const std::string& path) {
  try {
    return read(path);
  } catch (const simdjson::simdjson_error& e) {
    return std::unexpected(path + ": " + e.what());
  }
}

}  // namespace oneclick
