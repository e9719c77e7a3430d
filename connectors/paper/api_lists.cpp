// Requests about pairs of orders, amendments, and the average price (web-socket-api.md, "Order
// lists", "Order Amend Keep Priority", "Current average price").
#include <algorithm>

#include <fmt/format.h>

#include "connectors/paper/placement.hpp"

namespace oneclick::paper {

namespace {

using Result = std::expected<std::string, ApiError>;

std::unexpected<ApiError> bad(int code, std::string message) {
  return std::unexpected(ApiError{.http_status = 400, .code = code, .message = std::move(message)});
}

}  // namespace

// A report of a cancelled order, or of its whole list.
std::string Api::canceled_json(const Order& order) const {
  if (order.list != nullptr) return list_json(*order.list, exchange_, "RESULT");
  return order_json(order, exchange_, "RESULT", false);
}

Result Api::place_pair(const Params& p, Account& account, std::int64_t now_ms) {
  const auto placement = pair_of(p, account);
  if (!placement) return std::unexpected(placement.error());
  // "Unfilled Order Count: 2".
  if (const auto full = take_order_slot(account, now_ms)) return std::unexpected(*full);
  if (const auto full = take_order_slot(account, now_ms)) {
    account.give_back(1, now_ms);
    return std::unexpected(*full);
  }
  const auto placed = exchange_.place_pair(*placement, now_ms);
  if (!placed) {
    account.give_back(2, now_ms);
    return std::unexpected(placed.error());
  }
  const std::string type = text_of(p, "newOrderRespType");
  return list_json(**placed, exchange_, type.empty() ? "ACK" : type);
}

Result Api::cancel_list(const Params& p, Account& account, std::int64_t now_ms) {
  const std::string name = text_of(p, "listClientOrderId");
  const std::int64_t id = integer_of(p, "orderListId", -1);
  if (exchange_.symbol(text_of(p, "symbol")) == nullptr) return bad(-1121, "Invalid symbol.");
  if (id < 0 && name.empty())
    return bad(-1102,
               "Param 'listClientOrderId' or 'orderListId' must be sent, but both were "
               "empty/null!");
  const auto found = exchange_.find_list(account, id, name);
  if (!found || (*found)->symbol->name != text_of(p, "symbol") || !(*found)->is_open)
    return bad(-2011, "Unknown order sent.");
  const auto open =
      std::ranges::find_if((*found)->legs, [](const Order* o) { return o->is_open(); });
  const auto canceled = exchange_.cancel(account, text_of(p, "symbol"), (*open)->id, "",
                                         text_of(p, "newClientOrderId"), now_ms);
  if (!canceled) return std::unexpected(canceled.error());
  return list_json(**found, exchange_, "RESULT");
}

Result Api::list_status(const Params& p, Account& account) {
  const std::string name = text_of(p, "origClientOrderId");
  const std::int64_t id = integer_of(p, "orderListId", -1);
  if (id < 0 && name.empty())
    return bad(-1102,
               "Param 'origClientOrderId' or 'orderListId' must be sent, but both were "
               "empty/null!");
  // Both given: "only origClientOrderId is used and orderListId is ignored".
  const auto found = exchange_.find_list(account, name.empty() ? id : -1, name);
  if (!found) return std::unexpected(found.error());
  return list_json(**found, exchange_, "");
}

Result Api::lists(const Params& p, Account& account, bool open_only) {
  const auto limit =
      static_cast<std::size_t>(std::clamp<std::int64_t>(integer_of(p, "limit", 500), 1, 1'000));
  const std::int64_t from = integer_of(p, "fromId", 0), since = integer_of(p, "startTime", 0),
                     until = integer_of(p, "endTime", INT64_MAX);
  std::string rows;
  std::size_t count = 0;
  for (const std::int64_t id : account.lists) {
    const OrderList& list = exchange_.lists()[static_cast<std::size_t>(id)];
    if (open_only && !list.is_open) continue;
    if (!open_only && (id < from || list.time_ms < since || list.time_ms > until)) continue;
    if (!open_only && ++count > limit) break;
    rows += (rows.empty() ? "" : ",") + list_json(list, exchange_, "");
  }
  return "[" + rows + "]";
}

Result Api::amend(const Params& p, Account& account, std::int64_t now_ms) {
  const auto quantity = decimal_of(p, "newQty");
  if (!quantity) return std::unexpected(quantity.error());
  if (!quantity->is_positive())
    return bad(-1102, "Mandatory parameter 'newQty' was not sent, was empty/null, or malformed.");
  const auto found = exchange_.find(account, text_of(p, "symbol"), integer_of(p, "orderId", 0),
                                    text_of(p, "origClientOrderId"));
  if (!found)
    return found.error().code == -2013 ? Result(bad(-2038, "Unknown order sent."))
                                       : Result(std::unexpected(found.error()));
  const std::string before = (*found)->client_id;
  const auto amended = exchange_.amend(**found, *quantity, text_of(p, "newClientOrderId"), now_ms);
  if (!amended) return std::unexpected(amended.error());
  const Order& o = **amended;
  std::string out = fmt::format(
      R"({{"transactTime":{},"executionId":{},"amendedOrder":{{"symbol":"{}","orderId":{},"orderListId":{},"origClientOrderId":"{}",)"
      R"("clientOrderId":"{}","price":"{}","qty":"{}","executedQty":"{}","preventedQty":"{}","quoteOrderQty":"{}",)"
      R"("cumulativeQuoteQty":"{}","status":"{}","timeInForce":"{}","type":"{}","side":"{}","workingTime":{},)"
      R"("selfTradePreventionMode":"{}"}})",
      o.updated_ms, o.id * 10 + static_cast<std::int64_t>(o.fills.size()), o.symbol->name, o.id,
      o.list == nullptr ? -1 : o.list->id, before, o.client_id, fixed(o.price), fixed(o.quantity),
      fixed(o.executed), fixed(o.prevented), fixed(o.quote_quantity), fixed(o.cumulative_quote),
      to_text(o.status), to_text(o.tif), to_text(o.type), o.side == Side::buy ? "BUY" : "SELL",
      o.working_ms, to_text(o.self_trade));
  if (o.list != nullptr) out += ",\"listStatus\":" + list_json(*o.list, exchange_, "");
  return out + "}";
}

Result Api::amendments(const Params& p, Account& account) {
  const auto found = exchange_.find(account, text_of(p, "symbol"), integer_of(p, "orderId", 0), "");
  if (!found) return std::unexpected(found.error());
  const Order& o = **found;
  std::string rows;
  for (const Amendment& a : o.amendments)
    rows += fmt::format(
        R"({}{{"symbol":"{}","orderId":{},"executionId":{},"origClientOrderId":"{}","newClientOrderId":"{}","origQty":"{}",)"
        R"("newQty":"{}","time":{}}})",
        rows.empty() ? "" : ",", o.symbol->name, o.id, o.id * 10, a.client_id_before, a.client_id,
        fixed(a.quantity_before), fixed(a.quantity), a.time_ms);
  return "[" + rows + "]";
}

Result Api::average_price(const Params& p, std::int64_t now_ms) const {
  const SymbolRules* const s = exchange_.symbol(text_of(p, "symbol"));
  if (s == nullptr) return bad(-1121, "Invalid symbol.");
  const Exchange::Average average = exchange_.average(*s, now_ms);
  return fmt::format(R"({{"mins":5,"price":"{}","closeTime":{}}})", fixed(average.price),
                     average.last_trade_ms);
}

}  // namespace oneclick::paper
