#include "connectors/binance/decode.hpp"

#include <charconv>
#include <cstring>
#include <optional>

#include <simdjson.h>

namespace oneclick::binance {

namespace {

namespace od = simdjson::ondemand;
using Value = od::value;

// ---- scalars ------------------------------------------------------------------------------------

// Keys as written: one with an escape in it equals no name of ours.
std::string_view key_of(od::raw_json_string key) {
  const char* start = key.raw();
  const char* end = start;
  while (*end != '"') ++end;
  return {start, static_cast<std::size_t>(end - start)};
}

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  return token;
}

// A scalar as it was written, quotes included; the opening bracket of a container.
std::string_view token_of(Value& v) {
  return trimmed(v.raw_json_token());
}

bool is_null(Value& v) {
  return token_of(v) == "null";
}

// Strings are read where they lie; only those with escapes are copied.
bool read_quoted(Value& v, std::string_view token, std::string_view& out) {
  if (token.size() < 2 || token.back() != '"') return false;
  const std::string_view inner = token.substr(1, token.size() - 2);
  if (std::memchr(inner.data(), '\\', inner.size()) != nullptr)
    return v.get_string().get(out) == simdjson::SUCCESS;
  out = inner;
  return true;
}

bool read(Value v, std::string_view& out) {
  const std::string_view token = token_of(v);
  return !token.empty() && token[0] == '"' && read_quoted(v, token, out);
}

bool read(Value v, bool& out) {
  const std::string_view token = token_of(v);
  out = token == "true";
  return out || token == "false";
}

bool read_whole(std::string_view text, std::int64_t& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failed == std::errc{} && end == text.data() + text.size();
}

bool read(Value v, std::int64_t& out) {
  return read_whole(token_of(v), out);
}

// A string, or a number as it was written.
bool read_token(Value& v, std::string_view& out) {
  const std::string_view token = token_of(v);
  if (token.empty()) return false;
  if (token[0] == '"') return read_quoted(v, token, out);
  if (token[0] != '-' && (token[0] < '0' || token[0] > '9')) return false;
  out = token;
  return true;
}

// The everyday shape, digits with at most eight decimals that fit 64 bits, without 128-bit
// arithmetic.
bool read_short_decimal(std::string_view text, Decimal& out) {
  if (text.empty() || text.size() > 19) return false;
  std::uint64_t digits = 0;
  int decimals = -1;
  for (const char c : text) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
      continue;
    }
    if (c < '0' || c > '9') return false;
    digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
    decimals += decimals >= 0 ? 1 : 0;
  }
  if (decimals > 8 || text.front() == '.' || text.back() == '.') return false;
  static constexpr std::int64_t scales[] = {100'000'000, 10'000'000, 1'000'000, 100'000, 10'000,
                                            1'000,       100,        10,        1};
  const i128 units = static_cast<i128>(digits) * scales[decimals < 0 ? 0 : decimals];
  out = Decimal::from_e8(units);
  return out.fits_numeric_20_8();
}

bool read(Value v, Decimal& out) {
  std::string_view text;
  if (!read_token(v, text)) return false;
  if (read_short_decimal(text, out)) return true;
  const auto parsed = Decimal::parse(text);
  if (!parsed) return false;
  out = *parsed;
  return true;
}

// Sums of price times quantity may carry more decimals than money is kept in.
bool read_rounded(Value v, Decimal& out) {
  std::string_view text;
  if (!read_token(v, text)) return false;
  if (read_short_decimal(text, out)) return true;
  const auto parsed = Decimal::parse_rounded(text, Round::nearest);
  if (!parsed) return false;
  out = *parsed;
  return true;
}

bool is_id(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  if (text.empty() || text.size() > 20) return false;
  for (const char c : text)
    if (c < '0' || c > '9') return false;
  return true;
}

// Ids are integers of up to 64 bits, as number or string: kept as text, never as floating point.
template <std::size_t N>
bool read_id(Value v, Text<N>& out) {
  std::string_view text;
  if (!read_token(v, text) || !is_id(text)) return false;
  out = Text<N>::cut(text);
  return true;
}

bool read(Value v, Asset& out) {
  std::string_view text;
  if (!read(v, text) || text.empty() || !Asset::fits(text)) return false;
  out = Asset::cut(text);
  return true;
}

bool read(Value v, Side& out) {
  std::string_view text;
  if (!read(v, text)) return false;
  const auto side = side_from_venue(text);
  if (!side) return false;
  out = *side;
  return true;
}

bool read(Value v, OrderState& out) {
  std::string_view text;
  if (!read(v, text)) return false;
  const auto state = order_state_from_text(text);
  if (!state) return false;
  out = *state;
  return true;
}

bool read_int(Value v, int& out) {
  std::int64_t wide;
  std::string_view text;
  if (!read_token(v, text) || !read_whole(text, wide)) return false;
  if (wide < INT32_MIN || wide > INT32_MAX) return false;
  out = static_cast<int>(wide);
  return true;
}

// ---- containers ---------------------------------------------------------------------------------

// Calls visit(key, value) for every member; false as soon as one is refused or the JSON is broken.
template <typename Visit>
bool each_member(od::object object, Visit visit) {
  for (auto member : object) {
    od::field field;
    if (std::move(member).get(field) != simdjson::SUCCESS) return false;
    if (!visit(key_of(field.key()), field.value())) return false;
  }
  return true;
}

template <typename Visit>
bool each_member(Value v, Visit visit) {
  od::object object;
  return v.get_object().get(object) == simdjson::SUCCESS && each_member(object, visit);
}

template <typename Visit>
bool each_element(od::array array, Visit visit) {
  for (auto element : array) {
    Value v;
    if (std::move(element).get(v) != simdjson::SUCCESS) return false;
    if (!visit(v)) return false;
  }
  return true;
}

template <typename Visit>
bool each_element(Value v, Visit visit) {
  od::array array;
  return v.get_array().get(array) == simdjson::SUCCESS && each_element(array, visit);
}

// Opens a text as one object; nothing may follow it.
template <typename Visit>
bool whole_object(od::parser& parser, std::string_view json, Visit visit) {
  od::document document;
  const simdjson::padded_string_view padded(json.data(), json.size(),
                                            json.size() + simdjson::SIMDJSON_PADDING);
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return false;
  od::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return false;
  if (!each_member(object, visit)) return false;
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

template <typename Visit>
bool whole_array(od::parser& parser, std::string_view json, Visit visit) {
  od::document document;
  const simdjson::padded_string_view padded(json.data(), json.size(),
                                            json.size() + simdjson::SIMDJSON_PADDING);
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return false;
  od::array array;
  if (document.get_array().get(array) != simdjson::SUCCESS) return false;
  if (!each_element(array, visit)) return false;
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

// ---- rows ---------------------------------------------------------------------------------------

// One member of an order; members it does not know are passed over.
struct OrderReader {
  OrderRow& row;
  bool has_quantity = false;
  bool has_quote = false;

  bool take(std::string_view key, Value v) {
    if (key == "symbol") return read(v, row.symbol);
    if (key == "orderId") return read_id(v, row.order_id);
    if (key == "clientOrderId") return read(v, row.client_order_id);
    if (key == "origClientOrderId") return read(v, row.original_client_order_id);
    if (key == "status") return row.has_state = read(v, row.state);
    if (key == "side") return row.has_side = read(v, row.side);
    if (key == "executedQty") return has_quantity = read(v, row.executed);
    if (key == "cummulativeQuoteQty") return has_quote = read_rounded(v, row.quote);
    if (key == "transactTime" || key == "updateTime") return read(v, row.time_ms);
    if (key == "type") return read(v, row.type);
    if (key == "timeInForce") return read(v, row.time_in_force);
    if (key == "origQty") return read(v, row.quantity);
    if (key == "price") return read(v, row.price);
    if (key == "time") return read(v, row.created_ms);
    return true;
  }
  // A negative quote total means "not available" (order.status, notes).
  void finish() const {
    row.has_executed = has_quantity && has_quote && !row.quote.is_negative();
    if (row.time_ms == 0) row.time_ms = row.created_ms;
  }
};

bool read_order(Value v, OrderRow& out) {
  out = {};
  OrderReader reader{out};
  if (!each_member(v, [&](std::string_view key, Value member) { return reader.take(key, member); }))
    return false;
  reader.finish();
  return !out.order_id.empty() && !out.symbol.empty() && out.has_state;
}

bool read_trade(Value v, TradeRow& out) {
  out = {};
  bool has_side = false, has_price = false, has_quantity = false, has_quote = false;
  const auto take = [&](std::string_view key, Value m) {
    if (key == "symbol") return read(m, out.symbol);
    if (key == "id") return read_id(m, out.trade_id);
    if (key == "orderId") return read_id(m, out.order_id);
    if (key == "price") return has_price = read(m, out.price);
    if (key == "qty") return has_quantity = read(m, out.quantity);
    if (key == "quoteQty") return has_quote = read_rounded(m, out.quote);
    if (key == "commission") return read(m, out.fee);
    if (key == "commissionAsset") return read(m, out.fee_asset);
    if (key == "time") return read(m, out.time_ms);
    if (key == "isMaker") return read(m, out.maker);
    if (key == "isBuyer") {
      bool buyer = false;
      has_side = read(m, buyer);
      out.side = buyer ? Side::buy : Side::sell;
      return has_side;
    }
    return true;
  };
  if (!each_member(v, take)) return false;
  if (!has_quote) out.quote = mul(out.price, out.quantity, Round::nearest);
  return has_side && has_price && has_quantity && out.time_ms > 0 && !out.trade_id.empty() &&
         !out.order_id.empty() && !out.symbol.empty();
}

// Balances of replies ("asset", "free", "locked") and of events ("a", "f", "l").
bool read_balance(Value v, BalanceRow& out) {
  out = {};
  bool has_free = false, has_locked = false;
  const auto take = [&](std::string_view key, Value m) {
    if (key == "asset" || key == "a") return read(m, out.asset);
    if (key == "free" || key == "f") return has_free = read(m, out.free);
    if (key == "locked" || key == "l") return has_locked = read(m, out.locked);
    return true;
  };
  return each_member(v, take) && has_free && has_locked && !out.asset.empty();
}

bool read_balances(Value v, std::vector<BalanceRow>& out) {
  out.clear();
  return each_element(v, [&](Value element) { return read_balance(element, out.emplace_back()); });
}

RateLimitRow::Kind limit_kind(std::string_view text) {
  if (text == "REQUEST_WEIGHT") return RateLimitRow::Kind::request_weight;
  if (text == "RAW_REQUESTS") return RateLimitRow::Kind::raw_requests;
  if (text == "ORDERS") return RateLimitRow::Kind::orders;
  if (text == "CONNECTIONS") return RateLimitRow::Kind::connections;
  return RateLimitRow::Kind::other;
}

std::int64_t interval_seconds(std::string_view text) {
  if (text == "SECOND") return 1;
  if (text == "MINUTE") return 60;
  if (text == "HOUR") return 3600;
  if (text == "DAY") return 86400;
  return 0;
}

bool read_count(Value v, std::uint32_t& out) {
  std::int64_t wide;
  if (!read(v, wide) || wide < 0 || wide > UINT32_MAX) return false;
  out = static_cast<std::uint32_t>(wide);
  return true;
}

// Limits this code cannot read are left out: they are advice, the venue's refusals are the law.
bool read_rate_limits(Value v, std::vector<RateLimitRow>& out) {
  out.clear();
  return each_element(v, [&](Value element) {
    RateLimitRow row{};
    std::int64_t seconds = 0, times = 1;
    const auto take = [&](std::string_view key, Value m) {
      std::string_view text;
      if (key == "rateLimitType") {
        if (!read(m, text)) return false;
        row.kind = limit_kind(text);
        return true;
      }
      if (key == "interval") {
        if (!read(m, text)) return false;
        seconds = interval_seconds(text);
        return true;
      }
      if (key == "intervalNum") return read(m, times) && times > 0 && times <= 100'000;
      if (key == "limit") return read_count(m, row.limit);
      if (key == "count") return read_count(m, row.count);
      return true;
    };
    if (!each_member(element, take)) return false;
    row.interval_ns = seconds * times * 1'000'000'000;
    if (row.kind != RateLimitRow::Kind::other && row.interval_ns > 0) out.push_back(row);
    return true;
  });
}

// ---- events -------------------------------------------------------------------------------------

// Which members an executionReport has shown.
enum ReportMember : std::uint32_t {
  has_symbol = 1,
  has_client = 2,
  has_side = 4,
  has_execution = 8,
  has_state = 16,
  has_order = 32,
  has_cumulative = 64,
  has_time = 128,
  has_quote = 256,
  has_last_quantity = 512,
  has_last_price = 1024,
};
constexpr std::uint32_t report_members = has_symbol | has_client | has_side | has_execution |
                                         has_state | has_order | has_cumulative | has_time |
                                         has_quote;
constexpr std::uint32_t trade_members = has_last_quantity | has_last_price;

bool read_execution(Value v, ExecutionType& out) {
  std::string_view text;
  if (!read(v, text)) return false;
  const auto type = execution_type_from_text(text);
  if (!type) return false;
  out = *type;
  return true;
}

// Members with one-letter names, in whatever order they come. False: refused.
bool take_report_member(char name, Value v, ExecutionReport& r, std::uint32_t& seen,
                        VenueTradeId& allocation) {
  const auto mark = [&](bool ok, std::uint32_t member) {
    if (ok) seen |= member;
    return ok;
  };
  switch (name) {
    case 's':
      return mark(read(v, r.symbol), has_symbol);
    case 'c':
      return mark(read(v, r.client_order_id), has_client);
    case 'C':
      return is_null(v) || read(v, r.original_client_order_id);
    case 'S':
      return mark(read(v, r.side), has_side);
    case 'x':
      return mark(read_execution(v, r.execution), has_execution);
    case 'X':
      return mark(read(v, r.state), has_state);
    case 'r':
      return read(v, r.reject_reason);
    case 'o':
      return read(v, r.type);
    case 'f':
      return read(v, r.time_in_force);
    case 'q':
      return read_token(v, r.quantity);
    case 'p':
      return read_token(v, r.price);
    case 'i':
      return mark(read_id(v, r.order_id), has_order);
    case 'l':
      return mark(read(v, r.last_quantity), has_last_quantity);
    case 'z':
      return mark(read(v, r.cumulative_quantity), has_cumulative);
    case 'L':
      return mark(read(v, r.last_price), has_last_price);
    case 'n':
      return is_null(v) || read(v, r.fee);
    case 'N':
      return is_null(v) || read(v, r.fee_asset);
    case 'T':
      return mark(read(v, r.transaction_ms), has_time);
    case 't':
      return read_id(v, r.trade_id);
    case 'a':
      return read_id(v, allocation);
    case 'm':
      return read(v, r.maker);
    case 'Z':
      return mark(read_rounded(v, r.cumulative_quote), has_quote);
    default:
      return true;
  }
}

bool finish_report(ExecutionReport& r, std::uint32_t seen, const VenueTradeId& allocation) {
  if ((seen & report_members) != report_members || r.transaction_ms <= 0) return false;
  if (r.cumulative_quantity.is_negative() || r.cumulative_quote.is_negative()) return false;
  if (r.execution != ExecutionType::trade) return true;
  if ((seen & trade_members) != trade_members || !r.last_quantity.is_positive()) return false;
  if (r.trade_id.empty() || r.trade_id.view() == "-1") {
    // Allocations of smart order routing have no trade id but one of their own.
    if (allocation.empty()) return false;
    r.trade_id = VenueTradeId::cut("a" + allocation.str());
  }
  return true;
}

Message::Kind event_kind(std::string_view name) {
  if (name == "executionReport") return Message::Kind::execution_report;
  if (name == "outboundAccountPosition") return Message::Kind::account_position;
  if (name == "balanceUpdate" || name == "externalLockUpdate") return Message::Kind::balance_change;
  if (name == "eventStreamTerminated") return Message::Kind::stream_terminated;
  if (name == "serverShutdown") return Message::Kind::server_shutdown;
  return Message::Kind::other_event;
}

// Events name their type first; one that does not is refused, since letters mean different things
// in different events.
struct EventReader {
  Message& out;
  bool has_kind = false;
  bool has_balances = false;
  std::uint32_t seen = 0;
  VenueTradeId allocation{};

  bool take(std::string_view key, Value v) {
    if (key == "e") {
      std::string_view name;
      if (has_kind || !read(v, name)) return false;
      out.kind = event_kind(name);
      has_kind = true;
      return true;
    }
    if (!has_kind) return false;
    if (key.size() != 1) return true;
    if (out.kind == Message::Kind::execution_report)
      return take_report_member(key[0], v, out.report, seen, allocation);
    if (out.kind != Message::Kind::account_position) return true;
    if (key == "u") return read(v, out.update_ms);
    if (key == "B") return has_balances = read_balances(v, out.balances);
    return true;
  }
  bool finish() {
    if (!has_kind) return false;
    if (out.kind == Message::Kind::execution_report)
      return finish_report(out.report, seen, allocation);
    return out.kind != Message::Kind::account_position || has_balances;
  }
};

// ---- replies ------------------------------------------------------------------------------------

bool read_error(Value v, Reply& out) {
  out.has_error = true;
  return each_member(v, [&](std::string_view key, Value m) {
    if (key == "code") return read_int(m, out.code);
    if (key == "msg") return read(m, out.message);
    if (key == "data" && !is_null(m)) {
      return each_member(m, [&](std::string_view name, Value d) {
        return name != "retryAfter" || read(d, out.retry_after_ms);
      });
    }
    return true;
  });
}

// One result serves all requests: a reply's id is known to the session, not to the decoder.
bool read_result(Value v, Reply& out) {
  od::json_type type;
  if (v.type().get(type) != simdjson::SUCCESS) return false;
  if (type == od::json_type::array) {
    od::array array;
    return v.get_array().get(array) == simdjson::SUCCESS &&
           array.raw_json().get(out.array) == simdjson::SUCCESS;
  }
  if (type != od::json_type::object) return type == od::json_type::null;
  OrderReader order{out.order};
  const auto take = [&](std::string_view key, Value m) {
    if (key == "serverTime") return read(m, out.server_time_ms);
    if (key == "subscriptionId") return read(m, out.subscription_id);
    if (key == "balances" || key == "orderReports") {
      od::array array;
      return m.get_array().get(array) == simdjson::SUCCESS &&
             array.raw_json().get(key[0] == 'b' ? out.balances : out.reports) == simdjson::SUCCESS;
    }
    return order.take(key, m);
  };
  if (!each_member(v, take)) return false;
  order.finish();
  out.update_time_ms = out.order.time_ms;
  return true;
}

bool read_reply_id(Value v, std::string_view& out) {
  if (is_null(v)) return true;
  return read_token(v, out);
}

// ---- instruments --------------------------------------------------------------------------------

bool read_filter(Value v, Instrument& out) {
  // The type may stand after the figures: they are read first, then put where they belong.
  std::string_view type;
  Decimal price_min{}, price_max{}, tick{}, quantity_min{}, quantity_max{}, step{}, notional_min{},
      notional_max{};
  bool min_at_market = false;
  const auto take = [&](std::string_view key, Value m) {
    if (key == "filterType") return read(m, type);
    if (key == "minPrice") return read(m, price_min);
    if (key == "maxPrice") return read(m, price_max);
    if (key == "tickSize") return read(m, tick);
    if (key == "minQty") return read(m, quantity_min);
    if (key == "maxQty") return read(m, quantity_max);
    if (key == "stepSize") return read(m, step);
    if (key == "minNotional") return read(m, notional_min);
    if (key == "maxNotional") return read(m, notional_max);
    if (key == "applyToMarket" || key == "applyMinToMarket") return read(m, min_at_market);
    return true;
  };
  if (!each_member(v, take)) return false;
  if (type == "PRICE_FILTER") {
    out.price_min = price_min;
    out.price_max = price_max;
    out.price_tick = tick;
  } else if (type == "LOT_SIZE") {
    out.quantity_min = quantity_min;
    out.quantity_max = quantity_max;
    out.lot_step = step;
  } else if (type == "MARKET_LOT_SIZE") {
    out.market_quantity_min = quantity_min;
    out.market_quantity_max = quantity_max;
    out.market_lot_step = step;
  } else if (type == "NOTIONAL" || type == "MIN_NOTIONAL") {
    out.notional_min = max(out.notional_min, notional_min);
    if (type == "NOTIONAL") out.notional_max = notional_max;
    out.notional_min_at_market = out.notional_min_at_market || min_at_market;
  }
  return true;
}

// Separators of signed text and of JSON cannot be part of a symbol that orders are made with.
bool is_plain_symbol(std::string_view text) {
  if (text.empty() || !Symbol::fits(text)) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\\' || c == '&' || c == '=' ||
        c == '/')
      return false;
  }
  return true;
}

// False only when the JSON is broken; `usable` says whether the symbol can be traded by this code.
bool read_instrument(Value v, Instrument& out, bool& usable) {
  out = {};
  out.venue = Venue::binance;
  out.status = TradingStatus::halted;
  std::string_view symbol, base, quote, status;
  bool spot = true, filters = true;
  const auto take = [&](std::string_view key, Value m) {
    if (key == "symbol") return read(m, symbol);
    if (key == "status") return read(m, status);
    if (key == "baseAsset") return read(m, base);
    if (key == "quoteAsset") return read(m, quote);
    if (key == "isSpotTradingAllowed") return read(m, spot);
    if (key == "filters") {
      return each_element(m, [&](Value filter) {
        filters = read_filter(filter, out) && filters;
        return filters;
      });
    }
    return true;
  };
  if (!each_member(v, take)) return false;
  const std::string text = std::string(base) + "/" + std::string(quote);
  usable = filters && is_plain_symbol(symbol) && Symbol::fits(text) && !base.empty() &&
           !quote.empty() && Asset::fits(base) && Asset::fits(quote);
  if (!usable) return true;
  out.symbol = Symbol::cut(text);
  out.venue_symbol = Symbol::cut(symbol);
  out.base = Asset::cut(base);
  out.quote = Asset::cut(quote);
  out.status = spot ? trading_status_from_text(status) : TradingStatus::halted;
  return true;
}

}  // namespace

PaddedText::PaddedText(std::string_view text) : text_(text), size_(text.size()) {
  text_.append(simdjson::SIMDJSON_PADDING, ' ');
}

// `whole` reads messages; `part` reads raw members of them while their other texts stay valid.
struct Decoder::Parsers {
  od::parser whole;
  od::parser part;
};

Decoder::Decoder() : parsers_(std::make_unique<Parsers>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

// Hot path 2/7: one pass over the message, members in whatever order they come.
bool Decoder::message(std::string_view json, Message& out) {
  out.kind = Message::Kind::other_event;
  out.subscription_id = -1;
  out.reply = {};
  out.reply.subscription_id = -1;
  out.report = {};
  out.update_ms = 0;
  out.balances.clear();
  out.rate_limits.clear();
  EventReader event{out};
  bool is_reply = false, is_event = false, is_bare = false, has_status = false;
  const auto take = [&](std::string_view key, Value v) {
    if (key == "event" && !is_event) {
      is_event = true;
      return each_member(v, [&](std::string_view k, Value m) { return event.take(k, m); });
    }
    if (key == "subscriptionId") return is_null(v) || read(v, out.subscription_id);
    if (key == "id" && !is_event) return is_reply = read_reply_id(v, out.reply.id);
    if (key == "status" && !is_event) return has_status = read_int(v, out.reply.status);
    if (key == "result" && !is_event) return read_result(v, out.reply);
    if (key == "error" && !is_event) return read_error(v, out.reply);
    if (key == "rateLimits" && !is_event) return read_rate_limits(v, out.rate_limits);
    // A bare event, as streams without envelope send it.
    if (key == "e" && !is_event) is_event = is_bare = true;
    return !is_bare || event.take(key, v);
  };
  if (!whole_object(parsers_->whole, json, take)) return false;
  if (is_event) return !is_reply && event.finish();
  out.kind = Message::Kind::reply;
  return is_reply && has_status;
}

bool Decoder::market(std::string_view json, MarketMessage& out) {
  out = {};
  out.kind = MarketMessage::Kind::other;
  bool has_bid = false, has_ask = false, is_average = false, has_average = false;
  const auto take_data = [&](std::string_view key, Value v) {
    if (key == "e") {
      std::string_view name;
      if (!read(v, name)) return false;
      if (name == "serverShutdown") out.kind = MarketMessage::Kind::server_shutdown;
      is_average = name == "avgPrice";
      return true;
    }
    // Letters mean different things in different events, and the event is named first.
    if (key == "w" && is_average) return has_average = read(v, out.average.price);
    if (key == "s") return read(v, out.ticker.symbol);
    if (key == "b") return has_bid = read(v, out.ticker.bid);
    if (key == "a") return has_ask = read(v, out.ticker.ask);
    return true;
  };
  std::string_view stream;
  const auto take = [&](std::string_view key, Value v) {
    if (key == "stream") return read(v, stream);
    if (key == "data") return each_member(v, take_data);
    if (key == "e" || key == "s" || key == "b" || key == "a" || key == "w")
      return take_data(key, v);
    return true;
  };
  if (!whole_object(parsers_->whole, json, take)) return false;
  if (out.kind == MarketMessage::Kind::server_shutdown) return true;
  if (has_average && !out.ticker.symbol.empty()) {
    out.average.symbol = out.ticker.symbol;
    out.kind = MarketMessage::Kind::average_price;
    return true;
  }
  if (has_bid && has_ask && !out.ticker.symbol.empty()) out.kind = MarketMessage::Kind::book_ticker;
  return true;
}

bool Decoder::order(std::string_view json, OrderRow& out) {
  out = {};
  OrderReader reader{out};
  if (!whole_object(parsers_->whole, json,
                    [&](std::string_view key, Value v) { return reader.take(key, v); }))
    return false;
  reader.finish();
  return !out.order_id.empty() && !out.symbol.empty();
}

bool Decoder::orders(std::string_view json, std::vector<OrderRow>& out) {
  out.clear();
  return whole_array(parsers_->part, json,
                     [&](Value v) { return read_order(v, out.emplace_back()); });
}

bool Decoder::amendments(std::string_view json, std::vector<AmendmentRow>& out) {
  out.clear();
  return whole_array(parsers_->whole, json, [&](Value v) {
    AmendmentRow& row = out.emplace_back();
    row = {};
    bool has_before = false, has_quantity = false;
    const auto take = [&](std::string_view key, Value m) {
      if (key == "origQty") return has_before = read(m, row.quantity_before);
      if (key == "newQty") return has_quantity = read(m, row.quantity);
      if (key == "time") return read(m, row.time_ms);
      return true;
    };
    return each_member(v, take) && has_before && has_quantity && row.time_ms > 0;
  });
}

bool Decoder::trades(std::string_view json, std::vector<TradeRow>& out) {
  out.clear();
  return whole_array(parsers_->part, json,
                     [&](Value v) { return read_trade(v, out.emplace_back()); });
}

bool Decoder::balances(std::string_view json, std::vector<BalanceRow>& out) {
  out.clear();
  return whole_array(parsers_->part, json,
                     [&](Value v) { return read_balance(v, out.emplace_back()); });
}

bool Decoder::account(std::string_view json, AccountRow& out) {
  out = {};
  bool has_balances = false;
  const auto take = [&](std::string_view key, Value v) {
    if (key == "updateTime") return read(v, out.update_time_ms);
    if (key == "balances") return has_balances = read_balances(v, out.balances);
    return true;
  };
  return whole_object(parsers_->whole, json, take) && has_balances;
}

bool Decoder::exchange_info(std::string_view json, ExchangeInfo& out) {
  out = {};
  bool has_symbols = false;
  const auto take_symbol = [&](Value v) {
    Instrument instrument;
    bool usable = false;
    if (!read_instrument(v, instrument, usable)) return false;
    if (usable)
      out.instruments.push_back(instrument);
    else
      ++out.refused;
    return true;
  };
  const auto take = [&](std::string_view key, Value v) {
    if (key == "serverTime") return read(v, out.server_time_ms);
    if (key == "rateLimits") return read_rate_limits(v, out.rate_limits);
    if (key == "symbols") return has_symbols = each_element(v, take_symbol);
    return true;
  };
  return whole_object(parsers_->whole, json, take) && has_symbols;
}

bool Decoder::server_time(std::string_view json, std::int64_t& out_ms) {
  out_ms = 0;
  const auto take = [&](std::string_view key, Value v) {
    return key != "serverTime" || read(v, out_ms);
  };
  return whole_object(parsers_->whole, json, take) && out_ms > 0;
}

bool Decoder::error(std::string_view json, ErrorRow& out) {
  out = {};
  bool has_code = false;
  const auto take = [&](std::string_view key, Value v) {
    if (key == "code") return has_code = read_int(v, out.code);
    if (key == "msg") {
      std::string_view text;
      if (!read(v, text)) return false;
      out.message = text;
    }
    return true;
  };
  return whole_object(parsers_->whole, json, take) && has_code;
}

}  // namespace oneclick::binance
