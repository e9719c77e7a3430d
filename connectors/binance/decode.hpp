// The venue's messages as plain structs (Binance spot API docs: web-socket-api.md,
// user-data-stream.md, web-socket-streams.md, rest-api.md). Pure: bytes in, fields out. Bytes come
// from outside: whatever is truncated, mistyped or out of range is refused, never guessed. One
// decoder belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/binance/map.hpp"
#include "engine/base/decimal.hpp"
#include "engine/domain/ids.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick::binance {

// All times are the venue's, in milliseconds. Texts lie in the message itself (or, unescaped, in
// the decoder): valid while the message is, and until the decoder's next call.

// One order as replies and queries show it.
struct OrderRow {
  std::string_view symbol;
  std::string_view client_order_id;
  std::string_view original_client_order_id;  // of cancels
  VenueOrderId order_id;
  bool has_state;
  OrderState state;
  bool has_side;
  Side side;
  bool has_executed;  // executed and quote are known
  Decimal executed;
  Decimal quote;
  std::int64_t time_ms;     // transactTime, updateTime or time
  std::int64_t created_ms;  // time
  std::string_view type;
  std::string_view time_in_force;
  Decimal quantity;  // of all of it
  Decimal price;
};

// One amendment of an order.
struct AmendmentRow {
  Decimal quantity_before;
  Decimal quantity;
  std::int64_t time_ms;
};

struct TradeRow {
  std::string_view symbol;
  VenueOrderId order_id;
  VenueTradeId trade_id;
  Decimal price;
  Decimal quantity;
  Decimal quote;
  Decimal fee;
  Asset fee_asset;
  std::int64_t time_ms;
  Side side;
  bool maker;
};

struct BalanceRow {
  Asset asset;
  Decimal free;
  Decimal locked;
};

struct RateLimitRow {
  enum class Kind : std::uint8_t { other = 0, request_weight, raw_requests, orders, connections };
  Kind kind;
  std::int64_t interval_ns;
  std::uint32_t limit;
  std::uint32_t count;  // what is used; absent in exchangeInfo: 0
};

// executionReport
struct ExecutionReport {
  std::string_view symbol;                    // s
  std::string_view client_order_id;           // c
  std::string_view original_client_order_id;  // C
  std::string_view reject_reason;             // r
  std::string_view type;                      // o
  std::string_view time_in_force;             // f
  std::string_view quantity;                  // q, as it was written
  std::string_view price;                     // p
  VenueOrderId order_id;                      // i
  VenueTradeId trade_id;                      // t; a<allocation id> for trades without one
  ExecutionType execution;                    // x
  OrderState state;                           // X
  Side side;                                  // S
  bool maker;                                 // m
  Decimal last_quantity;                      // l
  Decimal last_price;                         // L
  Decimal cumulative_quantity;                // z
  Decimal cumulative_quote;                   // Z
  Decimal fee;                                // n
  Asset fee_asset;                            // N
  std::int64_t transaction_ms;                // T
};

struct Reply {
  std::string_view id;  // empty when null or absent
  int status;
  bool has_error;
  int code;
  std::string_view message;
  std::int64_t retry_after_ms;  // of error.data, 0 when absent
  // Of object results; fields that are absent stay zero.
  OrderRow order;
  std::int64_t server_time_ms;
  std::int64_t subscription_id;  // -1 when absent
  std::int64_t update_time_ms;
  std::string_view balances;  // raw JSON array
  std::string_view array;     // raw JSON of an array result
  std::string_view reports;   // raw JSON array: the orders of a list
};

struct Message {
  enum class Kind : std::uint8_t {
    reply = 1,
    execution_report,
    account_position,  // balances
    balance_change,    // balanceUpdate, externalLockUpdate: a delta
    stream_terminated,
    server_shutdown,
    other_event,
  };
  Kind kind;
  std::int64_t subscription_id;  // -1 when absent
  Reply reply;
  ExecutionReport report;
  std::int64_t update_ms;            // of account_position
  std::vector<BalanceRow> balances;  // capacity is kept from call to call
  std::vector<RateLimitRow> rate_limits;
};

struct BookTicker {
  std::string_view symbol;
  Decimal bid;
  Decimal ask;
};
// The venue's average price over five minutes.
struct AveragePrice {
  std::string_view symbol;
  Decimal price;
};
struct MarketMessage {
  enum class Kind : std::uint8_t { book_ticker = 1, average_price, server_shutdown, other };
  Kind kind;
  BookTicker ticker;
  AveragePrice average;
};

struct AccountRow {
  std::int64_t update_time_ms;
  std::vector<BalanceRow> balances;
};

struct ExchangeInfo {
  std::int64_t server_time_ms;
  std::vector<RateLimitRow> rate_limits;
  std::vector<Instrument> instruments;
  std::size_t refused;  // symbols that could not be read: left out
};

struct ErrorRow {
  int code;
  std::string message;
};

// Text with the readable bytes behind it that the parser wants.
class PaddedText {
 public:
  explicit PaddedText(std::string_view text);
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::string text_;
  std::size_t size_;
};

// Every text given must have 64 readable bytes behind its end; raw members of a Message have.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // Hot path 2/7. One message of the WebSocket API or of a user data stream. False: refused; what
  // was read of an executionReport's ids before is left in place, so that its order can be asked
  // for.
  [[nodiscard]] bool message(std::string_view json, Message& out);
  [[nodiscard]] bool market(std::string_view json, MarketMessage& out);

  [[nodiscard]] bool order(std::string_view json, OrderRow& out);
  [[nodiscard]] bool orders(std::string_view json, std::vector<OrderRow>& out);
  [[nodiscard]] bool amendments(std::string_view json, std::vector<AmendmentRow>& out);
  [[nodiscard]] bool trades(std::string_view json, std::vector<TradeRow>& out);
  [[nodiscard]] bool balances(std::string_view json, std::vector<BalanceRow>& out);
  [[nodiscard]] bool account(std::string_view json, AccountRow& out);
  [[nodiscard]] bool exchange_info(std::string_view json, ExchangeInfo& out);
  [[nodiscard]] bool server_time(std::string_view json, std::int64_t& out_ms);
  [[nodiscard]] bool error(std::string_view json, ErrorRow& out);

 private:
  struct Parsers;
  std::unique_ptr<Parsers> parsers_;
};

}  // namespace oneclick::binance
