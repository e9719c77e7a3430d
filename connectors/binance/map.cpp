#include "connectors/binance/map.hpp"

#include <algorithm>
#include <array>

namespace oneclick::binance {

namespace {

// Refused before or by the matching engine, whatever the text says: the request was malformed, not
// permitted or not applicable. errors.md, sections 10xx and 11xx, and -2016 to -2043.
constexpr std::array definite_codes = {
    -1002, -1013, -1014, -1020, -1022, -1033, -1034, -1035, -1100, -1101, -1102, -1103,
    -1104, -1105, -1106, -1108, -1110, -1111, -1112, -1113, -1114, -1115, -1116, -1117,
    -1118, -1119, -1120, -1121, -1122, -1125, -1127, -1128, -1130, -1131, -1134, -1135,
    -1139, -1145, -1151, -1152, -1153, -1155, -1158, -1160, -1161, -1165, -1166, -1168,
    -1194, -1196, -1197, -1198, -1199, -1210, -1211, -1220, -1221, -1222, -1223, -1224,
    -1225, -2014, -2015, -2016, -2035, -2036, -2039, -2042, -2043,
};

// Texts of the matching engine under -1010 that are refusals. -2010 is one by its code.
constexpr std::array<std::string_view, 18> refusal_texts = {
    "Market is closed.",
    "Account has insufficient balance for requested action.",
    "Market orders are not supported for this symbol.",
    "Price * QTY is zero or less.",
    "This action is disabled on this account.",
    "This account may not place or cancel orders.",
    "Unsupported order combination",
    "Order would trigger immediately.",
    "Order would immediately match and take.",
    "The relationship of the prices for the orders is not correct.",
    "OCO orders are not supported for this symbol",
    "Stop loss orders are not supported for this symbol.",
    "Stop loss limit orders are not supported for this symbol.",
    "This symbol is not permitted for this account.",
    "This symbol is restricted for this account.",
    "Rest API trading is not enabled.",
    "WebSocket API trading is not enabled.",
    "Order book liquidity is less than symbol minimum quantity.",
};

bool contains_word(std::string_view text, std::string_view lower_word) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  return std::search(text.begin(), text.end(), lower_word.begin(), lower_word.end(), same) !=
         text.end();
}

constexpr Judgement rejected(Reason reason = Reason::rejected, Remedy remedy = Remedy::none) {
  return {Verdict::rejected, reason, remedy};
}
constexpr Judgement unknown(Remedy remedy = Remedy::none) {
  return {Verdict::unknown, Reason::none, remedy};
}

// The market had reached the price of a stop or a target before it came (errors.md, "Messages for
// -1010, -2010, -2011, -2038").
constexpr std::array<std::string_view, 3> reached_texts = {
    "Order would trigger immediately.",
    "Order would immediately match and take.",
    "The relationship of the prices for the orders is not correct.",
};

Reason reason_of_refusal(std::string_view message) {
  if (message == "Market is closed.") return Reason::venue_halted;
  const bool reached =
      std::find(reached_texts.begin(), reached_texts.end(), message) != reached_texts.end();
  return reached ? Reason::would_trigger : Reason::rejected;
}

// -2010 and -1010 carry the matching engine's text, and it decides: a duplicate client order id
// means that an order of that id exists.
Judgement judge_engine_message(int code, std::string_view message) {
  if (message.empty() || contains_word(message, "duplicate")) return unknown();
  if (code == -2010) return rejected(reason_of_refusal(message));
  const bool listed =
      std::find(refusal_texts.begin(), refusal_texts.end(), message) != refusal_texts.end() ||
      message.starts_with("Filter failure: ");
  return listed ? rejected(reason_of_refusal(message)) : unknown();
}

Judgement judge_code(int code, std::string_view message) {
  switch (code) {
    case -1010:
    case -2010:
      return judge_engine_message(code, message);
    case -1003:
      return rejected(Reason::rate_budget, Remedy::pause_egress);
    case -1015:
      return rejected(Reason::rate_budget, Remedy::pause_account);
    case -1008:
      return rejected(Reason::overload);
    case -1021:
      return rejected(Reason::rejected, Remedy::resync_clock);
    case -1022:
    case -2014:
    case -2015:
      return rejected(Reason::credentials_refused, Remedy::stop_account);
    // The cancel is refused because no such order is open: what became of it has to be asked.
    case -2011:
      return unknown();
    case -2013:
      return {Verdict::not_found, Reason::none, Remedy::none};
    case -2026:
      return {Verdict::archived, Reason::none, Remedy::none};
    default:
      break;
  }
  const bool definite =
      std::find(definite_codes.begin(), definite_codes.end(), code) != definite_codes.end();
  return definite ? rejected() : unknown();
}

}  // namespace

std::optional<OrderState> order_state_from_text(std::string_view text) {
  if (text == "NEW" || text == "PENDING_NEW" || text == "PENDING_CANCEL") return OrderState::open;
  if (text == "PARTIALLY_FILLED") return OrderState::partially_filled;
  if (text == "FILLED") return OrderState::filled;
  if (text == "CANCELED" || text == "EXPIRED" || text == "EXPIRED_IN_MATCH")
    return OrderState::cancelled;
  if (text == "REJECTED") return OrderState::rejected;
  return std::nullopt;
}

bool is_final(OrderState state) {
  switch (state) {
    case OrderState::open:
    case OrderState::partially_filled:
      return false;
    case OrderState::filled:
    case OrderState::cancelled:
    case OrderState::rejected:
      return true;
  }
  return false;
}

OrderStatus order_status(OrderState state, bool any_filled) {
  switch (state) {
    case OrderState::open:
      return any_filled ? OrderStatus::partially_filled : OrderStatus::pending;
    case OrderState::partially_filled:
      return OrderStatus::partially_filled;
    case OrderState::filled:
      return OrderStatus::filled;
    case OrderState::cancelled:
      return OrderStatus::cancelled;
    case OrderState::rejected:
      return OrderStatus::failed;
  }
  return OrderStatus::pending;
}

std::optional<ExecutionType> execution_type_from_text(std::string_view text) {
  if (text == "NEW") return ExecutionType::created;
  if (text == "TRADE") return ExecutionType::trade;
  if (text == "CANCELED") return ExecutionType::cancelled;
  if (text == "REPLACED") return ExecutionType::replaced;
  if (text == "REJECTED") return ExecutionType::rejected;
  if (text == "EXPIRED") return ExecutionType::expired;
  if (text == "TRADE_PREVENTION") return ExecutionType::trade_prevention;
  return std::nullopt;
}

std::optional<Side> side_from_venue(std::string_view text) {
  if (text == "BUY") return Side::buy;
  if (text == "SELL") return Side::sell;
  return std::nullopt;
}

std::string_view side_to_venue(Side side) {
  switch (side) {
    case Side::buy:
      return "BUY";
    case Side::sell:
      return "SELL";
  }
  return "";
}

TradingStatus trading_status_from_text(std::string_view text) {
  if (text == "TRADING") return TradingStatus::trading;
  if (text == "CANCEL_ONLY") return TradingStatus::cancel_only;
  return TradingStatus::halted;
}

Judgement judge(int status, int code, std::string_view message) {
  // 5xx: "execution status is unknown"; 409: one half of a compound request worked.
  if (status >= 500 || status == 409) return unknown();
  if (status == 418) return rejected(Reason::rate_budget, Remedy::pause_egress);
  if (status == 429) {
    return rejected(Reason::rate_budget,
                    code == -1015 ? Remedy::pause_account : Remedy::pause_egress);
  }
  // Blocked by the firewall: its page proves nothing about the request, but more of them make it
  // worse.
  if (status == 403 && code == 0) return unknown(Remedy::pause_egress);
  if (status < 400 || code == 0) return unknown();
  return judge_code(code, message);
}

}  // namespace oneclick::binance
