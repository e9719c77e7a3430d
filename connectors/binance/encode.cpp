#include "connectors/binance/encode.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "connectors/binance/map.hpp"

namespace oneclick::binance {

namespace {

// Writes on without looking for the end: callers give room for the longest request.
class Cursor {
 public:
  explicit Cursor(char* out) : at_(out), start_(out) {}
  template <std::size_t N>
  void put(const char (&literal)[N]) {
    std::memcpy(at_, literal, N - 1);
    at_ += N - 1;
  }
  void put(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_number(std::int64_t value) { at_ = std::to_chars(at_, at_ + 20, value).ptr; }
  void put_amount(Decimal amount, int decimals) { at_ += write_amount(at_, amount, decimals); }
  [[nodiscard]] char* at() const { return at_; }
  void skip(std::size_t n) { at_ += n; }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(at_ - start_); }
  [[nodiscard]] std::string_view view() const { return {start_, size()}; }

 private:
  char* at_;
  char* start_;
};

// What the venue takes when none is sent: leaving it out saves a block of the signature.
constexpr std::uint32_t recv_window_default_ms = 5'000;

constexpr std::uint64_t powers_of_ten[] = {1,       10,        100,        1'000,      10'000,
                                           100'000, 1'000'000, 10'000'000, 100'000'000};

std::string_view text_of(OrderKind kind) {
  switch (kind) {
    case OrderKind::limit:
      return "LIMIT";
    case OrderKind::market:
      return "MARKET";
    case OrderKind::limit_maker:
      return "LIMIT_MAKER";
    case OrderKind::stop_loss:
      return "STOP_LOSS";
  }
  return "";
}

std::string_view text_of(TimeInForce value) {
  switch (value) {
    case TimeInForce::none:
      return "";
    case TimeInForce::gtc:
      return "GTC";
    case TimeInForce::ioc:
      return "IOC";
    case TimeInForce::fok:
      return "FOK";
  }
  return "";
}

std::string_view text_of(ResponseType value) {
  switch (value) {
    case ResponseType::by_default:
      return "";
    case ResponseType::ack:
      return "ACK";
    case ResponseType::full:
      return "FULL";
    case ResponseType::result:
      return "RESULT";
  }
  return "";
}

std::string amount_text(Decimal amount, int decimals) {
  char buffer[Decimal::text_size_max];
  return {buffer, write_amount(buffer, amount, decimals)};
}

void append_json_text(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      out += "\\u00";
      out.push_back(digits[byte >> 4]);
      out.push_back(digits[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
}

void append_member(std::string& out, const Param& param) {
  out.push_back('"');
  out += param.name;
  out += "\":";
  if (param.is_number) {
    out += param.value;
    return;
  }
  out.push_back('"');
  append_json_text(out, param.value);
  out.push_back('"');
}

std::string request_start(std::string_view method, std::uint32_t request_id) {
  char id[request_id_size];
  write_request_id(request_id, id);
  std::string out = "{\"id\":\"";
  out.append(id, request_id_size);
  out += "\",\"method\":\"";
  out += method;
  out.push_back('"');
  return out;
}

Param number(std::string_view name, std::int64_t value) {
  return {name, std::to_string(value), true};
}

}  // namespace

RequestTemplate::RequestTemplate(Signer signer, std::uint32_t recv_window_ms)
    : signer_(std::move(signer)),
      recv_window_(recv_window_ms == recv_window_default_ms ? "" : std::to_string(recv_window_ms)) {
  signed_head_ = "apiKey=";
  signed_head_ += signer_.api_key();
  signed_head_ += "&newClientOrderId=";
  place_head_ = "\",\"method\":\"order.place\",\"params\":{\"apiKey\":\"";
  place_head_ += signer_.api_key();
  place_head_ += "\",\"newClientOrderId\":\"";
}

std::size_t write_amount(char* out, Decimal amount, int decimals) {
  const i128 units = amount.e8();
  if (units < 0 || (units >> 63) != 0) return amount.write_fixed(out, decimals);
  const auto value = static_cast<std::uint64_t>(units);
  const std::uint64_t whole = value / Decimal::scale;
  char* at = std::to_chars(out, out + 20, whole).ptr;
  if (decimals > 0) {
    std::uint64_t fraction = (value % Decimal::scale) / powers_of_ten[8 - decimals];
    *at = '.';
    for (int i = decimals; i > 0; --i) {
      at[i] = static_cast<char>('0' + fraction % 10);
      fraction /= 10;
    }
    at += decimals + 1;
  }
  return static_cast<std::size_t>(at - out);
}

void write_request_id(std::uint32_t id, char* out) {
  constexpr char digits[] = "0123456789abcdef";
  for (int i = 0; i < 8; ++i) out[i] = digits[(id >> (28 - 4 * i)) & 15];
}

// Hot path 6/7: names in alphabetical order, once as the text that is signed and once as JSON.
UnsignedSizes encode_unsigned_place(const RequestTemplate& account, const NewOrder& order,
                                    std::uint32_t request_id, std::int64_t timestamp_ms,
                                    char* json_out, char* text_out) {
  Cursor text(text_out);
  Cursor json(json_out);
  json.put("{\"id\":\"");
  write_request_id(request_id, json.at());
  json.skip(request_id_size);
  json.put(account.place_head());
  text.put(account.signed_head());
  json.put(order.client_order_id);
  text.put(order.client_order_id);
  if (order.response != ResponseType::by_default) {
    const std::string_view response = text_of(order.response);
    json.put("\",\"newOrderRespType\":\"");
    json.put(response);
    text.put("&newOrderRespType=");
    text.put(response);
  }
  if (has_limit(order.kind)) {
    json.put("\",\"price\":\"");
    text.put("&price=");
    const char* digits = json.at();
    json.put_amount(order.price, order.price_decimals);
    text.put({digits, static_cast<std::size_t>(json.at() - digits)});
  }
  json.put("\",\"quantity\":\"");
  text.put("&quantity=");
  const char* digits = json.at();
  json.put_amount(order.quantity, order.quantity_decimals);
  text.put({digits, static_cast<std::size_t>(json.at() - digits)});
  const std::string_view side = side_to_venue(order.side);
  json.put("\"");
  if (!account.recv_window().empty()) {
    json.put(",\"recvWindow\":");
    json.put(account.recv_window());
    text.put("&recvWindow=");
    text.put(account.recv_window());
  }
  json.put(",\"side\":\"");
  json.put(side);
  text.put("&side=");
  text.put(side);
  if (order.kind == OrderKind::stop_loss) {
    json.put("\",\"stopPrice\":\"");
    text.put("&stopPrice=");
    const char* stop = json.at();
    json.put_amount(order.stop_price, order.price_decimals);
    text.put({stop, static_cast<std::size_t>(json.at() - stop)});
  }
  json.put("\",\"symbol\":\"");
  json.put(order.symbol);
  text.put("&symbol=");
  text.put(order.symbol);
  if (order.time_in_force != TimeInForce::none) {
    const std::string_view value = text_of(order.time_in_force);
    json.put("\",\"timeInForce\":\"");
    json.put(value);
    text.put("&timeInForce=");
    text.put(value);
  }
  text.put("&timestamp=");
  const char* time = text.at();
  text.put_number(timestamp_ms);
  json.put("\",\"timestamp\":");
  json.put({time, static_cast<std::size_t>(text.at() - time)});
  const std::string_view kind = text_of(order.kind);
  json.put(",\"type\":\"");
  json.put(kind);
  text.put("&type=");
  text.put(kind);
  json.put("\",\"signature\":\"");
  return {json.size(), text.size()};
}

std::size_t append_signature(char* json_end, const Digest& signature) {
  write_hex(signature.data(), signature.size(), json_end);
  std::memcpy(json_end + 2 * signature.size(), "\"}}", 3);
  return 2 * signature.size() + 3;
}

std::size_t encode_place(const RequestTemplate& account, const NewOrder& order,
                         std::uint32_t request_id, std::int64_t timestamp_ms, char* out) {
  char text[request_bytes_max];
  const UnsignedSizes sizes =
      encode_unsigned_place(account, order, request_id, timestamp_ms, out, text);
  Cursor json(out + sizes.json);
  json.skip(account.signer().sign_parameters({text, sizes.text}, json.at()));
  json.put("\"}}");
  return sizes.json + json.size();
}

Params place_params(const NewOrder& order) {
  Params out;
  out.push_back({"symbol", std::string(order.symbol)});
  out.push_back({"side", std::string(side_to_venue(order.side))});
  out.push_back({"type", std::string(text_of(order.kind))});
  if (order.time_in_force != TimeInForce::none)
    out.push_back({"timeInForce", std::string(text_of(order.time_in_force))});
  out.push_back({"quantity", amount_text(order.quantity, order.quantity_decimals)});
  if (has_limit(order.kind))
    out.push_back({"price", amount_text(order.price, order.price_decimals)});
  if (order.kind == OrderKind::stop_loss)
    out.push_back({"stopPrice", amount_text(order.stop_price, order.price_decimals)});
  out.push_back({"newClientOrderId", std::string(order.client_order_id)});
  if (order.response != ResponseType::by_default)
    out.push_back({"newOrderRespType", std::string(text_of(order.response))});
  return out;
}

// Above the market goes what waits for a rise: the target of a sale, the stop of a purchase. The
// answer tells the state of both orders.
Params pair_params(const NewPair& pair) {
  const bool sells = pair.side == Side::sell;
  const std::string price = amount_text(pair.price, pair.price_decimals);
  const std::string stop_price = amount_text(pair.stop_price, pair.price_decimals);
  Params out = {{"symbol", std::string(pair.symbol)},
                {"side", std::string(side_to_venue(pair.side))},
                {"quantity", amount_text(pair.quantity, pair.quantity_decimals)},
                {"newOrderRespType", std::string(text_of(ResponseType::result))}};
  const std::string_view maker = text_of(OrderKind::limit_maker);
  const std::string_view stop = text_of(OrderKind::stop_loss);
  out.push_back({"aboveType", std::string(sells ? maker : stop)});
  out.push_back({"aboveClientOrderId", std::string(sells ? pair.target_id : pair.stop_id)});
  out.push_back({sells ? "abovePrice" : "aboveStopPrice", sells ? price : stop_price});
  out.push_back({"belowType", std::string(sells ? stop : maker)});
  out.push_back({"belowClientOrderId", std::string(sells ? pair.stop_id : pair.target_id)});
  out.push_back({sells ? "belowStopPrice" : "belowPrice", sells ? stop_price : price});
  return out;
}

Params cancel_params(std::string_view symbol, std::string_view client_order_id) {
  return {{"symbol", std::string(symbol)}, {"origClientOrderId", std::string(client_order_id)}};
}

Params order_params(std::string_view symbol, std::string_view client_order_id) {
  return cancel_params(symbol, client_order_id);
}

Params order_params_by_id(std::string_view symbol, std::string_view order_id) {
  return {{"symbol", std::string(symbol)}, {"orderId", std::string(order_id), true}};
}

Params open_orders_params(std::string_view symbol) {
  if (symbol.empty()) return {};
  return {{"symbol", std::string(symbol)}};
}

Params trades_params(const TradesQuery& query) {
  Params out = {{"symbol", std::string(query.symbol)}};
  if (!query.order_id.empty()) out.push_back({"orderId", std::string(query.order_id), true});
  if (!query.from_id.empty()) out.push_back({"fromId", std::string(query.from_id), true});
  if (query.start_ms != 0) out.push_back(number("startTime", query.start_ms));
  if (query.end_ms != 0) out.push_back(number("endTime", query.end_ms));
  if (query.limit != 0) out.push_back(number("limit", query.limit));
  return out;
}

Params changed_orders_params(std::string_view symbol, std::int64_t start_ms, int limit) {
  return {{"symbol", std::string(symbol)}, number("startTime", start_ms), number("limit", limit)};
}

std::string encode_signed(std::string_view method, Params params, const RequestTemplate& account,
                          std::uint32_t request_id, std::int64_t timestamp_ms) {
  if (!account.recv_window().empty())
    params.push_back({"recvWindow", std::string(account.recv_window()), true});
  params.push_back(number("timestamp", timestamp_ms));
  params.push_back({"apiKey", std::string(account.signer().api_key())});
  std::sort(params.begin(), params.end(),
            [](const Param& a, const Param& b) { return a.name < b.name; });
  std::string out = request_start(method, request_id);
  out += ",\"params\":{";
  std::string text;
  for (const Param& param : params) {
    if (!text.empty()) text.push_back('&');
    text += param.name;
    text.push_back('=');
    text += param.value;
    append_member(out, param);
    out.push_back(',');
  }
  char signature[signature_size_max];
  const std::size_t size = account.signer().sign_parameters(text, signature);
  out += "\"signature\":\"";
  out.append(signature, size);
  out += "\"}}";
  return out;
}

std::string encode_public(std::string_view method, const Params& params, std::uint32_t request_id) {
  std::string out = request_start(method, request_id);
  if (!params.empty()) {
    out += ",\"params\":{";
    for (const Param& param : params) {
      append_member(out, param);
      out.push_back(',');
    }
    out.back() = '}';
  }
  out.push_back('}');
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
  return out;
}

std::string encode_public_query(const Params& params) {
  std::string out;
  for (const Param& param : params) {
    if (!out.empty()) out.push_back('&');
    out += param.name;
    out.push_back('=');
    out += percent_encode(param.value);
  }
  return out;
}

std::string encode_rest_query(const Params& params, const RequestTemplate& account,
                              std::int64_t timestamp_ms) {
  std::string out = encode_public_query(params);
  if (!out.empty()) out.push_back('&');
  if (!account.recv_window().empty()) {
    out += "recvWindow=";
    out += account.recv_window();
    out += "&";
  }
  out += "timestamp=";
  out += std::to_string(timestamp_ms);
  char signature[signature_size_max];
  const std::size_t size = account.signer().sign(out, signature);
  out += "&signature=";
  out += percent_encode({signature, size});  // base64 has +, / and =
  return out;
}

}  // namespace oneclick::binance
