#include <fmt/format.h>

#include "connectors/paper/api.hpp"

namespace oneclick::paper {

namespace {

std::string upper(Side side) {
  return side == Side::buy ? "BUY" : "SELL";
}

std::int64_t list_id(const Order& order) {
  return order.list == nullptr ? -1 : order.list->id;
}

// Quantity and quote of the order's fills, the last one's figures.
std::string fills_json(const Order& order, const Exchange& exchange) {
  std::string out;
  for (const std::size_t i : order.fills) {
    const Fill& f = exchange.fills()[i];
    out += fmt::format(
        R"({}{{"price":"{}","qty":"{}","commission":"{}","commissionAsset":"{}","tradeId":{}}})",
        out.empty() ? "" : ",", fixed(f.price), fixed(f.quantity), fixed(f.commission),
        f.commission_asset, f.trade_id);
  }
  return out;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string fixed(Decimal value) {
  char buffer[Decimal::text_size_max];
  return std::string(buffer, value.write_fixed(buffer, 8));
}

std::string error_json(const ApiError& error) {
  return fmt::format(R"({{"code":{},"msg":"{}"}})", error.code, escaped(error.message));
}

std::string order_json(const Order& o, const Exchange& exchange, std::string_view response_type,
                       bool as_query) {
  std::string out = fmt::format(R"({{"symbol":"{}",)", o.symbol->name);
  if (!as_query && o.status == Status::canceled)
    out += fmt::format(R"("origClientOrderId":"{}",)", o.original_client_id);
  out += fmt::format(R"("orderId":{},"orderListId":{},"clientOrderId":"{}")", o.id, list_id(o),
                     as_query ? o.original_client_id : o.client_id);
  if (!as_query) out += fmt::format(R"(,"transactTime":{})", o.updated_ms);
  if (response_type == "ACK") return out + "}";
  out += fmt::format(
      R"(,"price":"{}","origQty":"{}","executedQty":"{}","origQuoteOrderQty":"{}","cummulativeQuoteQty":"{}",)"
      R"("status":"{}","timeInForce":"{}","type":"{}","side":"{}","workingTime":{},"selfTradePreventionMode":"{}")",
      fixed(o.price), fixed(o.quantity), fixed(o.executed), fixed(o.quote_quantity),
      fixed(o.cumulative_quote), to_text(o.status), to_text(o.tif), to_text(o.type), upper(o.side),
      o.working_ms, to_text(o.self_trade));
  // Fields that appear only where they apply.
  if (o.status == Status::expired_in_match)
    out += fmt::format(R"(,"preventedMatchId":{},"preventedQuantity":"{}")", o.prevented_match,
                       fixed(o.prevented));
  if (!o.expiry_reason.empty()) out += fmt::format(R"(,"expiryReason":"{}")", o.expiry_reason);
  if (as_query || is_contingent(o.type))
    out += fmt::format(R"(,"stopPrice":"{}")", fixed(o.stop_price));
  if (as_query)
    return out +
           fmt::format(R"(,"icebergQty":"0.00000000","time":{},"updateTime":{},"isWorking":{}}})",
                       o.time_ms, o.updated_ms, o.working_ms >= 0);
  if (response_type == "FULL") out += ",\"fills\":[" + fills_json(o, exchange) + "]";
  return out + "}";
}

std::string execution_json(const Order& o, std::string_view execution, const Fill* f,
                           std::int64_t now_ms) {
  const bool renamed = execution == "CANCELED" || execution == "REPLACED";
  std::string out = fmt::format(
      R"({{"e":"executionReport","E":{},"s":"{}","c":"{}","S":"{}","o":"{}","f":"{}","q":"{}","p":"{}",)"
      R"("P":"{}","F":"0.00000000","g":{},"C":"{}","x":"{}","X":"{}","r":"NONE","i":{},"l":"{}","z":"{}",)"
      R"("L":"{}","n":"{}","N":{},"T":{},"t":{},"I":{},"w":{},"m":{},"M":false,"O":{},"Z":"{}","Y":"{}","Q":"{}")",
      now_ms, o.symbol->name, o.client_id, upper(o.side), to_text(o.type), to_text(o.tif),
      fixed(o.quantity), fixed(o.price), fixed(o.stop_price), list_id(o),
      renamed ? o.original_client_id : "", execution, to_text(o.status), o.id,
      fixed(f != nullptr ? f->quantity : Decimal{}), fixed(o.executed),
      fixed(f != nullptr ? f->price : Decimal{}), f != nullptr ? fixed(f->commission) : "0",
      f != nullptr ? "\"" + f->commission_asset + "\"" : "null", o.updated_ms,
      f != nullptr ? f->trade_id : -1, o.id * 10 + static_cast<std::int64_t>(o.fills.size()),
      o.is_open() && o.working_ms >= 0, f != nullptr && f->maker, o.time_ms,
      fixed(o.cumulative_quote), fixed(f != nullptr ? f->quote : Decimal{}),
      fixed(o.quote_quantity));
  if (o.working_ms >= 0) out += fmt::format(R"(,"W":{})", o.working_ms);
  out += fmt::format(R"(,"V":"{}")", to_text(o.self_trade));
  if (o.status == Status::expired_in_match)
    out += fmt::format(R"(,"v":{},"A":"{}","B":"{}","u":-1,"U":{})", o.prevented_match,
                       fixed(o.prevented), fixed(o.prevented), o.counter_order);
  if (!o.expiry_reason.empty()) out += fmt::format(R"(,"eR":"{}")", o.expiry_reason);
  return out + "}";
}

std::string list_json(const OrderList& list, const Exchange& exchange,
                      std::string_view response_type) {
  std::string orders, reports;
  for (const Order* const o : list.legs) {
    orders += fmt::format(R"({}{{"symbol":"{}","orderId":{},"clientOrderId":"{}"}})",
                          orders.empty() ? "" : ",", o->symbol->name, o->id, o->original_client_id);
    reports += (reports.empty() ? "" : ",") + order_json(*o, exchange, response_type, false);
  }
  std::string out = fmt::format(
      R"({{"orderListId":{},"contingencyType":"OCO","listStatusType":"{}","listOrderStatus":"{}","listClientOrderId":"{}",)"
      R"("transactionTime":{},"symbol":"{}","orders":[{}])",
      list.id, list.is_open ? "EXEC_STARTED" : "ALL_DONE", list.is_open ? "EXECUTING" : "ALL_DONE",
      list.client_id, list.is_open ? list.time_ms : list.updated_ms, list.symbol->name, orders);
  if (!response_type.empty()) out += ",\"orderReports\":[" + reports + "]";
  return out + "}";
}

std::string list_event_json(const OrderList& list, std::string_view status, std::int64_t now_ms) {
  std::string orders;
  for (const Order* const o : list.legs)
    orders += fmt::format(R"({}{{"s":"{}","i":{},"c":"{}"}})", orders.empty() ? "" : ",",
                          o->symbol->name, o->id, o->original_client_id);
  return fmt::format(
      R"({{"e":"listStatus","E":{},"s":"{}","g":{},"c":"OCO","l":"{}","L":"{}","r":"NONE","C":"{}","T":{},"O":[{}]}})",
      now_ms, list.symbol->name, list.id, status, list.is_open ? "EXECUTING" : "ALL_DONE",
      list.client_id, list.updated_ms, orders);
}

std::string balances_json(const Account& account, const std::vector<std::string>& assets,
                          std::int64_t now_ms) {
  std::string list;
  for (const std::string& asset : assets) {
    const auto found = account.balances.find(asset);
    const Balance b = found == account.balances.end() ? Balance{} : found->second;
    list += fmt::format(R"({}{{"a":"{}","f":"{}","l":"{}"}})", list.empty() ? "" : ",", asset,
                        fixed(b.free), fixed(b.locked));
  }
  return fmt::format(R"({{"e":"outboundAccountPosition","E":{0},"u":{0},"B":[{1}]}})", now_ms,
                     list);
}

std::string ledger_json(const Exchange& exchange) {
  fmt::memory_buffer out;
  const auto it = std::back_inserter(out);
  fmt::format_to(it, "{{\"accounts\":[");
  bool first = true;
  for (const Account& a : exchange.accounts()) {
    fmt::format_to(it, R"({}{{"id":"{}","balances":{{)", first ? "" : ",\n", escaped(a.id));
    first = false;
    bool first_balance = true;
    for (const auto& [asset, b] : a.balances) {
      fmt::format_to(it, R"({}"{}":{{"free":"{}","locked":"{}"}})", first_balance ? "" : ",", asset,
                     fixed(b.free), fixed(b.locked));
      first_balance = false;
    }
    fmt::format_to(it, "}}}}");
  }
  fmt::format_to(it, "],\n\"orders\":[");
  first = true;
  for (const Order& o : exchange.orders()) {
    fmt::format_to(
        it,
        R"({}{{"order_id":{},"client_order_id":"{}","account":"{}","symbol":"{}","side":"{}","type":"{}",)"
        R"("time_in_force":"{}","price":"{}","orig_qty":"{}","executed_qty":"{}","cum_quote":"{}","status":"{}","time":{},)"
        R"("stop_price":"{}","order_list_id":{}}})",
        first ? "" : ",\n", o.id, o.original_client_id, escaped(o.account->id), o.symbol->name,
        upper(o.side), to_text(o.type), to_text(o.tif), fixed(o.price), fixed(o.quantity),
        fixed(o.executed), fixed(o.cumulative_quote), to_text(o.status), o.time_ms,
        fixed(o.stop_price), list_id(o));
    first = false;
  }
  fmt::format_to(it, "],\n\"fills\":[");
  first = true;
  for (const Fill& f : exchange.fills()) {
    const Order& o = *f.order;
    fmt::format_to(
        it,
        R"({}{{"trade_id":{},"order_id":{},"client_order_id":"{}","account":"{}","symbol":"{}","side":"{}",)"
        R"("price":"{}","qty":"{}","quote_qty":"{}","commission":"{}","commission_asset":"{}","maker":{},"time":{}}})",
        first ? "" : ",\n", f.trade_id, o.id, o.original_client_id, escaped(o.account->id),
        o.symbol->name, upper(o.side), fixed(f.price), fixed(f.quantity), fixed(f.quote),
        fixed(f.commission), f.commission_asset, f.maker, f.time_ms);
    first = false;
  }
  fmt::format_to(it, "]}}\n");
  return fmt::to_string(out);
}

}  // namespace oneclick::paper
