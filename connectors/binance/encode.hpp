// Requests as bytes (Binance spot API docs, web-socket-api.md and rest-api.md). Pure: time, ids and
// keys come in as arguments. The functions that write into a given buffer allocate nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/binance/sign.hpp"
#include "engine/base/decimal.hpp"
#include "engine/domain/identity.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick::binance {

// What one account's requests have in common, prepared when it is attached.
class RequestTemplate {
 public:
  RequestTemplate(Signer signer, std::uint32_t recv_window_ms);
  [[nodiscard]] const Signer& signer() const { return signer_; }
  [[nodiscard]] std::string_view place_head() const { return place_head_; }
  [[nodiscard]] std::string_view signed_head() const { return signed_head_; }
  [[nodiscard]] std::string_view recv_window() const { return recv_window_; }

 private:
  Signer signer_;
  std::string signed_head_;  // apiKey=KEY&newClientOrderId=
  std::string
      place_head_;  // ","method":"order.place","params":{"apiKey":"KEY","newClientOrderId":"
  std::string recv_window_;
};

enum class TimeInForce : std::uint8_t { none = 0, gtc, ioc, fok };
enum class OrderKind : std::uint8_t { limit = 1, market, limit_maker, stop_loss };
[[nodiscard]] constexpr bool has_limit(OrderKind kind) {
  return kind == OrderKind::limit || kind == OrderKind::limit_maker;
}
enum class ResponseType : std::uint8_t { by_default = 0, ack, full, result };

// One order in the venue's terms. Texts are plain: no quotes, backslashes or separators.
struct NewOrder {
  OrderKind kind;
  TimeInForce time_in_force;  // of limit orders
  Side side;
  ResponseType response;
  std::string_view symbol;  // the venue's
  std::string_view client_order_id;
  Decimal quantity;
  Decimal price;  // of limit orders
  int quantity_decimals;
  int price_decimals;
  Decimal stop_price{};  // of stops
};

// Two orders of which one cancels the other (orderList.place.oco): a limit on the far side of the
// market that only makes, and a stop at market on the near one.
struct NewPair {
  Side side;
  std::string_view symbol;  // the venue's
  std::string_view target_id, stop_id;
  Decimal quantity;
  Decimal price, stop_price;
  int quantity_decimals;
  int price_decimals;
};

// Longest WebSocket API request of an order: head, key, ids, two numbers, symbol, signature.
inline constexpr std::size_t request_bytes_max = 1024;
// Ids of requests on one connection are eight hexadecimal digits.
inline constexpr std::size_t request_id_size = 8;

// Hot path 6/7. order.place but for its signature: the message up to where it goes, and the text to
// be signed. Both buffers have room for request_bytes_max.
struct UnsignedSizes {
  std::size_t json;
  std::size_t text;
};
UnsignedSizes encode_unsigned_place(const RequestTemplate& account, const NewOrder& order,
                                    std::uint32_t request_id, std::int64_t timestamp_ms, char* json,
                                    char* text);
// Ends such a message; returns the size of what was added (at most signature_size_max + 3).
std::size_t append_signature(char* json_end, const Digest& signature);
// The whole of it at once, with whatever key the account has; returns the message's size.
std::size_t encode_place(const RequestTemplate& account, const NewOrder& order,
                         std::uint32_t request_id, std::int64_t timestamp_ms, char* out);

// Digits with exactly `decimals` decimals; cuts what is beyond. Returns the count written.
std::size_t write_amount(char* out, Decimal amount, int decimals);
void write_request_id(std::uint32_t id, char* out);

// REST endpoints of what the connector asks for.
struct Endpoint {
  std::string_view method;
  std::string_view path;
};
namespace endpoint {
inline constexpr Endpoint place{"POST", "/api/v3/order"};
inline constexpr Endpoint cancel{"DELETE", "/api/v3/order"};
inline constexpr Endpoint order{"GET", "/api/v3/order"};
inline constexpr Endpoint open_orders{"GET", "/api/v3/openOrders"};
inline constexpr Endpoint all_orders{"GET", "/api/v3/allOrders"};
inline constexpr Endpoint amendments{"GET", "/api/v3/order/amendments"};
inline constexpr Endpoint trades{"GET", "/api/v3/myTrades"};
inline constexpr Endpoint account{"GET", "/api/v3/account"};
inline constexpr Endpoint time{"GET", "/api/v3/time"};
inline constexpr Endpoint exchange_info{"GET", "/api/v3/exchangeInfo"};
}  // namespace endpoint

// A named parameter. Texts are quoted in JSON and percent-encoded in REST queries; numbers are
// bare.
struct Param {
  std::string_view name;
  std::string value;
  bool is_number = false;
};
using Params = std::vector<Param>;

[[nodiscard]] Params place_params(const NewOrder& order);
[[nodiscard]] Params pair_params(const NewPair& pair);
[[nodiscard]] Params cancel_params(std::string_view symbol, std::string_view client_order_id);
[[nodiscard]] Params order_params(std::string_view symbol, std::string_view client_order_id);
[[nodiscard]] Params order_params_by_id(std::string_view symbol, std::string_view order_id);
[[nodiscard]] Params open_orders_params(std::string_view symbol);  // empty: of all symbols
// Zero or empty arguments are left out.
struct TradesQuery {
  std::string_view symbol;
  std::string_view order_id;
  std::string_view from_id;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  int limit = 0;
};
[[nodiscard]] Params trades_params(const TradesQuery& query);
// Orders whose state changed since then, oldest first.
[[nodiscard]] Params changed_orders_params(std::string_view symbol, std::int64_t start_ms,
                                           int limit);

// Any signed WebSocket API request: parameters sorted by name, apiKey, recvWindow and timestamp
// added.
[[nodiscard]] std::string encode_signed(std::string_view method, Params params,
                                        const RequestTemplate& account, std::uint32_t request_id,
                                        std::int64_t timestamp_ms);
// An unsigned one.
[[nodiscard]] std::string encode_public(std::string_view method, const Params& params,
                                        std::uint32_t request_id);
// Query string of a signed REST request: parameters percent-encoded, then signed.
[[nodiscard]] std::string encode_rest_query(const Params& params, const RequestTemplate& account,
                                            std::int64_t timestamp_ms);
[[nodiscard]] std::string encode_public_query(const Params& params);
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace oneclick::binance
