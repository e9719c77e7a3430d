// The venue's requests, the same for REST and WebSocket: parameters in, JSON out. Checks who asks
// and how often. Shapes, codes and weights after the Binance spot API documents (rest-api.md,
// web-socket-api.md, errors.md).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "connectors/paper/exchange.hpp"

namespace oneclick::paper {

using Params = std::map<std::string, std::string>;

struct Limits {
  std::uint32_t weight_per_minute = 6'000;
  std::uint32_t raw_per_five_minutes = 300'000;
  std::uint32_t orders_per_ten_seconds = 50;
  std::uint32_t orders_per_day = 160'000;
};

struct Answer {
  int status = 200;
  std::string body;                 // the result, or {"code":...,"msg":"..."}
  std::int64_t retry_after_ms = 0;  // moment, for 429 and 418
};

// Who signed, or why the request is not taken.
struct Signed {
  Account* account = nullptr;
  std::optional<ApiError> error;
};

class Api {
 public:
  Api(Exchange& exchange, Limits limits) : exchange_(exchange), limits_(limits) {}

  // `operation` is the method's name on the WebSocket API ("order.place"). `payload` is what was
  // signed.
  [[nodiscard]] Answer call(const std::string& operation, const Params& params, Account* account,
                            std::int64_t now_ms);
  // Takes the operation's weight; an answer when there is none left.
  [[nodiscard]] std::optional<Answer> charge(const std::string& operation, const Params& params,
                                             std::int64_t now_ms);
  [[nodiscard]] Signed check_signature(const std::string& api_key, const std::string& payload,
                                       const std::string& signature, const Params& params,
                                       std::int64_t now_ms) const;
  [[nodiscard]] static bool needs_signature(const std::string& operation);
  [[nodiscard]] static bool is_known(const std::string& operation);
  [[nodiscard]] std::uint32_t weight_used(std::int64_t now_ms) const;
  // "rateLimits":[...] with counts, as WebSocket answers carry it.
  [[nodiscard]] std::string rate_limits_json(const Account* account, std::int64_t now_ms) const;

 private:
  using Result = std::expected<std::string, ApiError>;
  [[nodiscard]] Result dispatch(const std::string& operation, const Params& params,
                                Account* account, std::int64_t now_ms);
  [[nodiscard]] Result place(const Params& params, Account& account, std::int64_t now_ms,
                             bool test);
  [[nodiscard]] Result cancel(const Params& params, Account& account, std::int64_t now_ms);
  [[nodiscard]] Result cancel_all(const Params& params, Account& account, std::int64_t now_ms);
  [[nodiscard]] Result status(const Params& params, Account& account);
  [[nodiscard]] Result orders(const Params& params, Account& account, bool open_only);
  [[nodiscard]] Result trades(const Params& params, Account& account);
  [[nodiscard]] Result account_status(Account& account);
  [[nodiscard]] Result exchange_info(const Params& params, std::int64_t now_ms) const;
  [[nodiscard]] Result depth(const Params& params) const;
  [[nodiscard]] Result book_ticker(const Params& params) const;
  [[nodiscard]] Result price_ticker(const Params& params) const;
  [[nodiscard]] Result day_ticker(const Params& params, std::int64_t now_ms) const;
  [[nodiscard]] std::optional<ApiError> take_order_slot(Account& account, std::int64_t now_ms);
  // api_lists.cpp
  [[nodiscard]] Result place_pair(const Params& params, Account& account, std::int64_t now_ms);
  [[nodiscard]] Result cancel_list(const Params& params, Account& account, std::int64_t now_ms);
  [[nodiscard]] Result list_status(const Params& params, Account& account);
  [[nodiscard]] Result lists(const Params& params, Account& account, bool open_only);
  [[nodiscard]] Result amend(const Params& params, Account& account, std::int64_t now_ms);
  [[nodiscard]] Result amendments(const Params& params, Account& account);
  [[nodiscard]] Result average_price(const Params& params, std::int64_t now_ms) const;
  [[nodiscard]] std::string canceled_json(const Order& order) const;

  Exchange& exchange_;
  const Limits limits_;
  std::int64_t minute_ = 0;
  std::uint32_t weight_ = 0;
  std::int64_t raw_window_ = 0;
  std::uint32_t raw_ = 0;
  std::uint32_t refused_ = 0;
  std::int64_t banned_until_ms_ = 0;
};

[[nodiscard]] std::string escaped(const std::string& text);  // for a JSON string
[[nodiscard]] std::string error_json(const ApiError& error);
[[nodiscard]] std::string order_json(const Order& order, const Exchange& exchange,
                                     std::string_view response_type, bool as_query);
[[nodiscard]] std::string execution_json(const Order& order, std::string_view execution,
                                         const Fill* fill, std::int64_t now_ms);
// response_type: of its orders' reports; empty: without them.
[[nodiscard]] std::string list_json(const OrderList& list, const Exchange& exchange,
                                    std::string_view response_type);
[[nodiscard]] std::string list_event_json(const OrderList& list, std::string_view status,
                                          std::int64_t now_ms);
[[nodiscard]] std::string balances_json(const Account& account,
                                        const std::vector<std::string>& assets,
                                        std::int64_t now_ms);
[[nodiscard]] std::string ledger_json(const Exchange& exchange);
[[nodiscard]] std::string fixed(Decimal value);  // eight decimals

}  // namespace oneclick::paper
