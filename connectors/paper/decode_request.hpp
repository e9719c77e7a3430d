// What clients and recordings say, as the exchange's own types.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/paper/api.hpp"
#include "connectors/paper/faults.hpp"

namespace oneclick::paper {

struct WsRequest {
  std::string id;  // as written: a number, a text with its quotes, or null
  std::string method;
  Params params;                  // numbers and booleans as they were written
  std::vector<std::string> list;  // params as a list, as SUBSCRIBE has them
};
// Error: what is wrong.
[[nodiscard]] std::expected<WsRequest, std::string> decode_ws_request(std::string_view message);

// application/x-www-form-urlencoded, percent-decoded.
[[nodiscard]] Params decode_form(std::string_view text);

struct AccountRequest {
  std::string id, api_key, api_secret, public_key;
  std::vector<std::pair<std::string, Decimal>> balances;
};
[[nodiscard]] std::expected<AccountRequest, std::string> decode_account(std::string_view body);
// A flat object of texts.
[[nodiscard]] std::expected<Params, std::string> decode_object(std::string_view body);
[[nodiscard]] std::expected<std::vector<Fault>, std::string> decode_faults(std::string_view body);

// One line of a raw recording, if it is a bookTicker of this symbol: local time and touch.
struct RecordedTouch {
  std::int64_t time_ns;
  Level bid, ask;
};
[[nodiscard]] std::optional<RecordedTouch> decode_recorded(std::string_view line,
                                                           std::string_view symbol);

}  // namespace oneclick::paper
