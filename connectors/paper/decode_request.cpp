#include "connectors/paper/decode_request.hpp"

#include <charconv>

#include <simdjson.h>

namespace oneclick::paper {

namespace {

namespace dom = simdjson::dom;

std::string plain(dom::element value) {
  if (value.is_string()) return std::string(std::string_view(value));
  return simdjson::minify(value);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() + 0 && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Runs `read` on the parsed text; anything it does not find as expected is an error.
template <typename Out, typename Read>
std::expected<Out, std::string> parsed(std::string_view text, Read read) {
  try {
    dom::parser parser;
    return read(parser.parse(text.data(), text.size()));
  } catch (const simdjson::simdjson_error& e) {
    return std::unexpected(std::string(e.what()));
  }
}

Params members(dom::object object) {
  Params out;
  for (const auto [key, value] : object) out[std::string(key)] = plain(value);
  return out;
}

Decimal decimal(dom::element value) {
  const auto out = Decimal::parse(plain(value));
  if (!out) throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
  return *out;
}

}  // namespace

std::expected<WsRequest, std::string> decode_ws_request(std::string_view message) {
  return parsed<WsRequest>(message, [](dom::element root) {
    WsRequest out;
    const dom::object object = root;
    dom::element id;
    out.id = object["id"].get(id) == simdjson::SUCCESS ? simdjson::minify(id) : "null";
    out.method = std::string(std::string_view(object["method"]));
    dom::element params;
    if (object["params"].get(params) != simdjson::SUCCESS) return out;
    if (params.is_array()) {
      for (const dom::element item : dom::array(params)) out.list.push_back(plain(item));
    } else {
      out.params = members(params);
    }
    return out;
  });
}

Params decode_form(std::string_view text) {
  Params out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (!pair.empty())
      out[percent_decoded(pair.substr(0, equals))] =
          equals < pair.size() ? percent_decoded(pair.substr(equals + 1)) : std::string();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::expected<AccountRequest, std::string> decode_account(std::string_view body) {
  return parsed<AccountRequest>(body, [](dom::element root) {
    AccountRequest out;
    for (const auto [key, value] : dom::object(root)) {
      if (key == "id") out.id = plain(value);
      if (key == "api_key") out.api_key = plain(value);
      if (key == "api_secret") out.api_secret = plain(value);
      if (key == "public_key") out.public_key = plain(value);
      if (key == "balances")
        for (const auto [asset, amount] : dom::object(value))
          out.balances.emplace_back(asset, decimal(amount));
    }
    return out;
  });
}

std::expected<Params, std::string> decode_object(std::string_view body) {
  return parsed<Params>(body, [](dom::element root) { return members(root); });
}

std::expected<std::vector<Fault>, std::string> decode_faults(std::string_view body) {
  std::string unknown;
  auto out = parsed<std::vector<Fault>>(body, [&](dom::element root) {
    std::vector<Fault> list;
    for (const dom::object object : dom::array(root)) {
      const std::string_view kind = object["kind"];
      const auto known = fault_kind_from_text(kind);
      if (!known) unknown = "kind: \"" + std::string(kind) + "\" is not known";
      Fault fault{
          .kind = known.value_or(FaultKind::lost_ack), .account = {}, .client_order_id = {}};
      for (const auto [key, value] : object) {
        if (key == "account") fault.account = plain(value);
        if (key == "operation") fault.operation = plain(value);
        if (key == "client_order_id") fault.client_order_id = plain(value);
        if (key == "count") fault.count = std::int64_t{value};
        if (key == "probability") fault.probability = double{value};
        if (key == "code") fault.code = static_cast<int>(std::int64_t{value});
        if (key == "message") fault.message = plain(value);
        if (key == "delay_ms") fault.delay_ms = std::int64_t{value};
      }
      if (!is_fault_operation(fault.operation) && unknown.empty())
        unknown = "operation: \"" + fault.operation + "\" is not known";
      list.push_back(fault);
    }
    return list;
  });
  if (!unknown.empty()) return std::unexpected(unknown);
  return out;
}

std::optional<RecordedTouch> decode_recorded(std::string_view line, std::string_view symbol) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find("@bookTicker") == std::string_view::npos)
    return std::nullopt;
  RecordedTouch out{};
  std::from_chars(line.data(), line.data() + space, out.time_ns);
  const auto read = parsed<bool>(line.substr(space + 1), [&](dom::element root) {
    const dom::object data = root["data"];
    if (std::string_view(data["s"]) != symbol) return false;
    out.bid = {decimal(data["b"]), decimal(data["B"])};
    out.ask = {decimal(data["a"]), decimal(data["A"])};
    return true;
  });
  if (!read || !*read) return std::nullopt;
  return out;
}

}  // namespace oneclick::paper
