#include "connectors/paper/api.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "connectors/paper/placement.hpp"

namespace oneclick::paper {

namespace {

using Result = std::expected<std::string, ApiError>;

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t receive_window_ms = 5'000, receive_window_ms_max = 60'000;
constexpr std::uint32_t refusals_before_ban = 200;
constexpr std::int64_t ban_ms = 120'000;

ApiError bad(int code, std::string message) {
  return {400, code, std::move(message)};
}

// The first whole-number parameter that is none. recvWindow may have decimals.
std::optional<ApiError> bad_number(const Params& p) {
  for (const char* const name : {"orderId", "timestamp", "recvWindow", "limit", "fromId",
                                 "startTime", "endTime", "subscriptionId", "orderListId"}) {
    const std::string value = text_of(p, name);
    const bool fine = value.size() <= 18 && std::ranges::all_of(value, [&](char c) {
                        return (c >= '0' && c <= '9') || (c == '.' && name[0] == 'r');
                      });
    if (!fine)
      return bad(-1100, fmt::format("Illegal characters found in parameter '{}'; legal range is "
                                    "'^[0-9]{{1,20}}$'.",
                                    name));
  }
  return std::nullopt;
}

// Weights as the venue lists them; successful order requests cost none.
std::uint32_t weight_of(const std::string& operation, const Params& p) {
  const bool all_symbols = text_of(p, "symbol").empty();
  if (operation == "order.place" || operation == "order.cancel" || operation == "order.test" ||
      operation == "openOrders.cancelAll" || operation == "orderList.place.oco" ||
      operation == "orderList.cancel")
    return 0;
  if (operation == "order.status" || operation == "orderList.status" ||
      operation == "order.amend.keepPriority" || operation == "order.amendments")
    return 4;
  if (operation == "openOrders.status") return all_symbols ? 80 : 6;
  if (operation == "openOrderLists.status") return 6;
  if (operation == "account.status" || operation == "allOrders" || operation == "exchangeInfo" ||
      operation == "allOrderLists")
    return 20;
  if (operation == "myTrades") return text_of(p, "orderId").empty() ? 20 : 5;
  if (operation == "depth") {
    const std::int64_t limit = integer_of(p, "limit", 100);
    return limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1'000 ? 50 : 250;
  }
  if (operation == "ticker.24hr") return all_symbols ? 80 : 2;
  if (operation == "avgPrice") return 2;
  if (operation == "ticker.book" || operation == "ticker.price") return all_symbols ? 4 : 2;
  if (operation.starts_with("userDataStream") || operation.starts_with("session") ||
      operation == "connect")
    return 2;
  return 1;
}

std::string level_json(const std::vector<Level>& levels) {
  std::string out;
  for (const Level& l : levels)
    out +=
        fmt::format(R"({}["{}","{}"])", out.empty() ? "" : ",", fixed(l.price), fixed(l.quantity));
  return "[" + out + "]";
}

std::string symbol_json(const SymbolRules& s) {
  return fmt::format(
      R"({{"symbol":"{0}","status":"TRADING","baseAsset":"{1}","baseAssetPrecision":8,"quoteAsset":"{2}","quotePrecision":8,)"
      R"("quoteAssetPrecision":8,"baseCommissionPrecision":8,"quoteCommissionPrecision":8,)"
      R"("orderTypes":["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT"],)"
      R"("icebergAllowed":false,"ocoAllowed":true,"otoAllowed":false,"opoAllowed":false,"quoteOrderQtyMarketAllowed":true,)"
      R"("allowTrailingStop":false,"cancelReplaceAllowed":false,"amendAllowed":true,"isSpotTradingAllowed":true,)"
      R"("isMarginTradingAllowed":false,"filters":[{{"filterType":"PRICE_FILTER","minPrice":"{3}","maxPrice":"{4}","tickSize":"{5}"}},)"
      R"({{"filterType":"LOT_SIZE","minQty":"{6}","maxQty":"{7}","stepSize":"{8}"}},)"
      R"({{"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"{9}","stepSize":"0.00000000"}},)"
      R"({{"filterType":"NOTIONAL","minNotional":"{10}","applyMinToMarket":true,"maxNotional":"{11}","applyMaxToMarket":false,"avgPriceMins":0}},)"
      R"({{"filterType":"MAX_NUM_ORDERS","maxNumOrders":{12}}},{{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":{13}}},)"
      R"({{"filterType":"MAX_NUM_ORDER_LISTS","maxNumOrderLists":{14}}}],"permissions":[],"permissionSets":[["SPOT"]],)"
      R"("defaultSelfTradePreventionMode":"NONE","allowedSelfTradePreventionModes":["NONE","EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH"]}})",
      s.name, s.base, s.quote, fixed(s.price_min), fixed(s.price_max), fixed(s.tick),
      fixed(s.quantity_min), fixed(s.quantity_max), fixed(s.step), fixed(s.market_quantity_max),
      fixed(s.notional_min), fixed(notional_max), open_orders_max, algo_orders_max,
      order_lists_max);
}

std::string rate_limit_rules(const Limits& l) {
  return fmt::format(
      R"({{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":{}}},)"
      R"({{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":{}}},)"
      R"({{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":{}}},)"
      R"({{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":{}}})",
      l.weight_per_minute, l.orders_per_ten_seconds, l.orders_per_day, l.raw_per_five_minutes);
}

}  // namespace

bool Api::needs_signature(const std::string& o) {
  return o == "order.place" || o == "order.test" || o == "order.cancel" || o == "order.status" ||
         o == "allOrders" || o == "openOrders.status" || o == "openOrders.cancelAll" ||
         o == "account.status" || o == "myTrades" || o == "userDataStream.subscribe.signature" ||
         o == "orderList.place.oco" || o == "orderList.cancel" || o == "orderList.status" ||
         o == "openOrderLists.status" || o == "allOrderLists" || o == "order.amend.keepPriority" ||
         o == "order.amendments" || o == "session.logon";
}

bool Api::is_known(const std::string& o) {
  return needs_signature(o) || o == "ping" || o == "time" || o == "exchangeInfo" || o == "depth" ||
         o == "ticker.book" || o == "ticker.price" || o == "ticker.24hr" || o == "avgPrice";
}

std::uint32_t Api::weight_used(std::int64_t now_ms) const {
  return now_ms / minute_ms == minute_ ? weight_ : 0;
}

std::optional<Answer> Api::charge(const std::string& operation, const Params& params,
                                  std::int64_t now_ms) {
  if (now_ms / minute_ms != minute_) {
    minute_ = now_ms / minute_ms;
    weight_ = refused_ = 0;
  }
  if (now_ms / (5 * minute_ms) != raw_window_) {
    raw_window_ = now_ms / (5 * minute_ms);
    raw_ = 0;
  }
  const std::int64_t next_window = raw_ + 1 > limits_.raw_per_five_minutes
                                       ? (raw_window_ + 1) * 5 * minute_ms
                                       : (minute_ + 1) * minute_ms;
  const bool banned = now_ms < banned_until_ms_;
  const std::uint32_t weight = weight_of(operation, params);
  if (!banned && weight_ + weight <= limits_.weight_per_minute &&
      raw_ + 1 <= limits_.raw_per_five_minutes) {
    weight_ += weight;
    ++raw_;
    return std::nullopt;
  }
  // Who goes on asking is shut out.
  if (!banned && ++refused_ > refusals_before_ban) banned_until_ms_ = now_ms + ban_ms;
  const std::int64_t until = banned_until_ms_ > now_ms ? banned_until_ms_ : next_window;
  const int status = banned_until_ms_ > now_ms ? 418 : 429;
  return Answer{
      .status = status,
      .body = error_json(
          {status, -1003,
           status == 418
               ? fmt::format("Way too much request weight used; IP banned until {}. Please use "
                             "WebSocket Streams for live updates to avoid bans.",
                             until)
               : fmt::format("Too much request weight used; current limit is {} request weight per "
                             "1 MINUTE. Please use WebSocket Streams for live updates to avoid "
                             "polling the API.",
                             limits_.weight_per_minute)}),
      .retry_after_ms = until};
}

Signed Api::check_signature(const std::string& api_key, const std::string& payload,
                            const std::string& signature, const Params& params,
                            std::int64_t now_ms) const {
  if (api_key.empty()) return {nullptr, ApiError{401, -2014, "API-key format invalid."}};
  Account* const account = exchange_.account_by_key(api_key);
  if (account == nullptr || account->revoked)
    return {nullptr, ApiError{401, -2015, "Invalid API-key, IP, or permissions for action."}};
  if (const auto wrong = bad_number(params)) return {nullptr, *wrong};
  if (signature.empty())
    return {
        nullptr,
        bad(-1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")};
  bool good = false;
  if (account->public_pem.empty()) {
    std::string lower = signature;
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    good = equal_constant_time(to_hex(account->hmac.sign(payload)), lower);
  } else if (const auto raw = from_base64(signature); raw && raw->size() == 64) {
    good = ed25519_verify(account->public_pem, payload,
                          std::span<const std::uint8_t, 64>(raw->data(), 64));
  }
  if (!good) return {nullptr, bad(-1022, "Signature for this request is not valid.")};
  std::int64_t timestamp = integer_of(params, "timestamp", -1);
  if (timestamp < 0)
    return {
        nullptr,
        bad(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")};
  if (timestamp > 100'000'000'000'000) timestamp /= 1'000;  // microseconds
  const std::int64_t window = integer_of(params, "recvWindow", receive_window_ms);
  if (window > receive_window_ms_max)
    return {nullptr, bad(-1131, "recvWindow must be less than 60000")};
  if (timestamp >= now_ms + 1'000)
    return {nullptr,
            bad(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")};
  if (now_ms - timestamp > window)
    return {nullptr, bad(-1021, "Timestamp for this request is outside of the recvWindow.")};
  return {account, std::nullopt};
}

Answer Api::call(const std::string& operation, const Params& params, Account* account,
                 std::int64_t now_ms) {
  const auto wrong = bad_number(params);
  Result result =
      wrong ? Result(std::unexpected(*wrong)) : dispatch(operation, params, account, now_ms);
  if (result) return {.status = 200, .body = std::move(*result)};
  if (weight_of(operation, params) == 0) ++weight_;  // only what succeeds is free
  return {.status = result.error().http_status, .body = error_json(result.error())};
}

Result Api::dispatch(const std::string& o, const Params& p, Account* account, std::int64_t now_ms) {
  if (o == "ping") return "{}";
  if (o == "time") return fmt::format(R"({{"serverTime":{}}})", now_ms);
  if (o == "exchangeInfo") return exchange_info(p, now_ms);
  if (o == "depth") return depth(p);
  if (o == "ticker.book") return book_ticker(p);
  if (o == "ticker.price") return price_ticker(p);
  if (o == "ticker.24hr") return day_ticker(p, now_ms);
  if (o == "avgPrice") return average_price(p, now_ms);
  if (account == nullptr)
    return std::unexpected(
        bad(-1102, "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed."));
  if (o == "order.place") return place(p, *account, now_ms, false);
  if (o == "order.test") return place(p, *account, now_ms, true);
  if (o == "order.cancel") return cancel(p, *account, now_ms);
  if (o == "openOrders.cancelAll") return cancel_all(p, *account, now_ms);
  if (o == "order.status") return status(p, *account);
  if (o == "openOrders.status") return orders(p, *account, true);
  if (o == "allOrders") return orders(p, *account, false);
  if (o == "account.status") return account_status(*account);
  if (o == "myTrades") return trades(p, *account);
  if (o == "orderList.place.oco") return place_pair(p, *account, now_ms);
  if (o == "orderList.cancel") return cancel_list(p, *account, now_ms);
  if (o == "orderList.status") return list_status(p, *account);
  if (o == "openOrderLists.status") return lists(p, *account, true);
  if (o == "allOrderLists") return lists(p, *account, false);
  if (o == "order.amend.keepPriority") return amend(p, *account, now_ms);
  if (o == "order.amendments") return amendments(p, *account);
  return std::unexpected(bad(-1000, "Unknown method"));
}

std::optional<ApiError> Api::take_order_slot(Account& account, std::int64_t now_ms) {
  account.roll(now_ms);
  const auto full = [](std::uint32_t limit, const char* interval) {
    return ApiError{
        429, -1015,
        fmt::format("Too many new orders; current limit is {} orders per {}.", limit, interval)};
  };
  if (account.window_count >= limits_.orders_per_ten_seconds)
    return full(limits_.orders_per_ten_seconds, "10 SECOND");
  if (account.day_count >= limits_.orders_per_day) return full(limits_.orders_per_day, "1 DAY");
  ++account.window_count;
  ++account.day_count;
  return std::nullopt;
}

Result Api::place(const Params& p, Account& account, std::int64_t now_ms, bool test) {
  const auto placement = placement_of(p, account);
  if (!placement) return std::unexpected(placement.error());
  if (test) {
    const auto checked = exchange_.check(*placement);
    if (!checked) return std::unexpected(checked.error());
    return "{}";
  }
  if (const auto full = take_order_slot(account, now_ms)) return std::unexpected(*full);
  const auto placed = exchange_.place(*placement, now_ms);
  if (!placed) {
    account.give_back(1, now_ms);  // only placed orders count
    return std::unexpected(placed.error());
  }
  // MARKET and LIMIT orders use FULL by default, others ACK (web-socket-api.md, order.place).
  const std::string type = text_of(p, "newOrderRespType");
  const bool full = placement->type == Type::limit || placement->type == Type::market;
  return order_json(**placed, exchange_, !type.empty() ? type : full ? "FULL" : "ACK", false);
}

Result Api::cancel(const Params& p, Account& account, std::int64_t now_ms) {
  const auto canceled =
      exchange_.cancel(account, text_of(p, "symbol"), integer_of(p, "orderId", 0),
                       text_of(p, "origClientOrderId"), text_of(p, "newClientOrderId"), now_ms);
  if (!canceled) return std::unexpected(canceled.error());
  return canceled_json(**canceled);
}

Result Api::cancel_all(const Params& p, Account& account, std::int64_t now_ms) {
  const std::string symbol = text_of(p, "symbol");
  if (exchange_.symbol(symbol) == nullptr) return std::unexpected(bad(-1121, "Invalid symbol."));
  std::vector<std::int64_t> open;
  for (const auto& [client_id, id] : account.open_by_client_id)
    if (exchange_.orders()[static_cast<std::size_t>(id - 1)].symbol->name == symbol)
      open.push_back(id);
  if (open.empty()) return std::unexpected(bad(-2011, "Unknown order sent."));
  std::ranges::sort(open);
  std::string list;
  for (const std::int64_t id : open) {
    const auto canceled = exchange_.cancel(account, symbol, id, "", "", now_ms);
    if (canceled) list += (list.empty() ? "" : ",") + canceled_json(**canceled);
  }
  return "[" + list + "]";
}

Result Api::status(const Params& p, Account& account) {
  const auto found = exchange_.find(account, text_of(p, "symbol"), integer_of(p, "orderId", 0),
                                    text_of(p, "origClientOrderId"));
  if (!found) return std::unexpected(found.error());
  return order_json(**found, exchange_, "RESULT", true);
}

Result Api::orders(const Params& p, Account& account, bool open_only) {
  const std::string symbol = text_of(p, "symbol");
  if (!open_only && symbol.empty())
    return std::unexpected(
        bad(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."));
  if (!symbol.empty() && exchange_.symbol(symbol) == nullptr)
    return std::unexpected(bad(-1121, "Invalid symbol."));
  const auto limit = static_cast<std::size_t>(
      std::clamp<std::int64_t>(integer_of(p, "limit", open_only ? 1'000'000 : 500), 1, 1'000'000));
  const std::int64_t from = integer_of(p, "orderId", 0), since = integer_of(p, "startTime", 0);
  std::vector<std::string> rows;
  std::vector<std::int64_t> open;
  for (const auto& [client_id, id] : account.open_by_client_id) open.push_back(id);
  std::ranges::sort(open);
  for (const std::int64_t id : open_only ? open : account.orders) {
    const Order& o = exchange_.orders()[static_cast<std::size_t>(id - 1)];
    if ((!symbol.empty() && o.symbol->name != symbol) || (open_only && !o.is_open()) ||
        o.id < from || (open_only ? o.time_ms : o.updated_ms) < since)
      continue;
    rows.push_back(order_json(o, exchange_, "RESULT", true));
  }
  const std::size_t first =
      rows.size() > limit && from == 0 && since == 0 ? rows.size() - limit : 0;
  std::string list;
  for (std::size_t i = first; i < std::min(rows.size(), first + limit); ++i)
    list += (list.empty() ? "" : ",") + rows[i];
  return "[" + list + "]";
}

Result Api::trades(const Params& p, Account& account) {
  const std::string symbol = text_of(p, "symbol");
  if (exchange_.symbol(symbol) == nullptr) return std::unexpected(bad(-1121, "Invalid symbol."));
  const std::int64_t order = integer_of(p, "orderId", 0), from = integer_of(p, "fromId", 0);
  const std::int64_t since = integer_of(p, "startTime", 0),
                     until = integer_of(p, "endTime", INT64_MAX);
  const auto limit =
      static_cast<std::size_t>(std::clamp<std::int64_t>(integer_of(p, "limit", 500), 1, 1'000));
  std::vector<std::string> rows;
  for (const std::size_t i : account.fills) {
    const Fill& f = exchange_.fills()[i];
    if (f.order->symbol->name != symbol || (order != 0 && f.order->id != order) ||
        f.trade_id < from || f.time_ms < since || f.time_ms > until)
      continue;
    rows.push_back(fmt::format(
        R"({{"symbol":"{}","id":{},"orderId":{},"orderListId":-1,"price":"{}","qty":"{}","quoteQty":"{}","commission":"{}",)"
        R"("commissionAsset":"{}","time":{},"isBuyer":{},"isMaker":{},"isBestMatch":true}})",
        symbol, f.trade_id, f.order->id, fixed(f.price), fixed(f.quantity), fixed(f.quote),
        fixed(f.commission), f.commission_asset, f.time_ms, f.order->side == Side::buy, f.maker));
  }
  const bool newest = from == 0 && since == 0;
  const std::size_t first = newest && rows.size() > limit ? rows.size() - limit : 0;
  std::string list;
  for (std::size_t i = first; i < std::min(rows.size(), first + limit); ++i)
    list += (list.empty() ? "" : ",") + rows[i];
  return "[" + list + "]";
}

Result Api::account_status(Account& account) {
  std::string list;
  for (const auto& [asset, b] : account.balances)
    list += fmt::format(R"({}{{"asset":"{}","free":"{}","locked":"{}"}})", list.empty() ? "" : ",",
                        asset, fixed(b.free), fixed(b.locked));
  const auto rate = [](std::int32_t bps) {
    return fixed(scale_by(Decimal::from_integer(1), bps, 10'000, Round::nearest));
  };
  return fmt::format(
      R"({{"makerCommission":{0},"takerCommission":{1},"buyerCommission":0,"sellerCommission":0,"commissionRates":{{"maker":"{2}",)"
      R"("taker":"{3}","buyer":"0.00000000","seller":"0.00000000"}},"canTrade":true,"canWithdraw":false,"canDeposit":false,)"
      R"("brokered":false,"requireSelfTradePrevention":false,"preventSor":false,"updateTime":0,"accountType":"SPOT",)"
      R"("balances":[{4}],"permissions":["SPOT"],"uid":1}})",
      exchange_.maker_fee_bps(), exchange_.taker_fee_bps(), rate(exchange_.maker_fee_bps()),
      rate(exchange_.taker_fee_bps()), list);
}

Result Api::exchange_info(const Params& p, std::int64_t now_ms) const {
  const std::string one = text_of(p, "symbol"), several = text_of(p, "symbols");
  std::string list;
  for (const SymbolRules& s : exchange_.symbols())
    if ((one.empty() || s.name == one) &&
        (several.empty() || several.find("\"" + s.name + "\"") != std::string::npos))
      list += (list.empty() ? "" : ",") + symbol_json(s);
  if (list.empty()) return std::unexpected(bad(-1121, "Invalid symbol."));
  return fmt::format(
      R"({{"timezone":"UTC","serverTime":{},"rateLimits":[{}],"exchangeFilters":[],"symbols":[{}]}})",
      now_ms, rate_limit_rules(limits_), list);
}

Result Api::depth(const Params& p) const {
  const SymbolRules* const s = exchange_.symbol(text_of(p, "symbol"));
  if (s == nullptr) return std::unexpected(bad(-1121, "Invalid symbol."));
  const auto limit =
      static_cast<std::size_t>(std::clamp<std::int64_t>(integer_of(p, "limit", 100), 1, 5'000));
  return fmt::format(R"({{"lastUpdateId":{},"bids":{},"asks":{}}})", exchange_.update_id(*s),
                     level_json(exchange_.depth(*s, Side::buy, limit)),
                     level_json(exchange_.depth(*s, Side::sell, limit)));
}

namespace {

// One symbol gives an object, none gives a list of all.
template <typename Row>
Result per_symbol(const Exchange& exchange, const Params& p, Row row) {
  const std::string one = text_of(p, "symbol");
  if (!one.empty()) {
    const SymbolRules* const s = exchange.symbol(one);
    if (s == nullptr) return std::unexpected(bad(-1121, "Invalid symbol."));
    return row(*s);
  }
  std::string list;
  for (const SymbolRules& s : exchange.symbols()) list += (list.empty() ? "" : ",") + row(s);
  return "[" + list + "]";
}

Level best(const Exchange& exchange, const SymbolRules& s, Side side) {
  const auto levels = exchange.depth(s, side, 1);
  return levels.empty() ? Level{} : levels.front();
}

}  // namespace

Result Api::book_ticker(const Params& p) const {
  return per_symbol(exchange_, p, [this](const SymbolRules& s) {
    const Level bid = best(exchange_, s, Side::buy), ask = best(exchange_, s, Side::sell);
    return fmt::format(
        R"({{"symbol":"{}","bidPrice":"{}","bidQty":"{}","askPrice":"{}","askQty":"{}"}})", s.name,
        fixed(bid.price), fixed(bid.quantity), fixed(ask.price), fixed(ask.quantity));
  });
}

Result Api::price_ticker(const Params& p) const {
  return per_symbol(exchange_, p, [this](const SymbolRules& s) {
    return fmt::format(R"({{"symbol":"{}","price":"{}"}})", s.name,
                       fixed(best(exchange_, s, Side::buy).price));
  });
}

Result Api::day_ticker(const Params& p, std::int64_t now_ms) const {
  return per_symbol(exchange_, p, [&](const SymbolRules& s) {
    const Level bid = best(exchange_, s, Side::buy), ask = best(exchange_, s, Side::sell);
    return fmt::format(
        R"({{"symbol":"{0}","priceChange":"0.00000000","priceChangePercent":"0.000","weightedAvgPrice":"{1}","prevClosePrice":"{1}",)"
        R"("lastPrice":"{1}","lastQty":"0.00000000","bidPrice":"{1}","bidQty":"{2}","askPrice":"{3}","askQty":"{4}","openPrice":"{1}",)"
        R"("highPrice":"{1}","lowPrice":"{1}","volume":"0.00000000","quoteVolume":"0.00000000","openTime":{5},"closeTime":{6},)"
        R"("firstId":0,"lastId":0,"count":0}})",
        s.name, fixed(bid.price), fixed(bid.quantity), fixed(ask.price), fixed(ask.quantity),
        now_ms - 86'400'000, now_ms);
  });
}

std::string Api::rate_limits_json(const Account* account, std::int64_t now_ms) const {
  std::string out = fmt::format(
      R"({{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":{},"count":{}}})",
      limits_.weight_per_minute, weight_used(now_ms));
  if (account != nullptr)
    out += fmt::format(
        R"(,{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":{},"count":{}}})"
        R"(,{{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":{},"count":{}}})",
        limits_.orders_per_ten_seconds,
        account->window == now_ms / 10'000 ? account->window_count : 0, limits_.orders_per_day,
        account->day == now_ms / 86'400'000 ? account->day_count : 0);
  return out;
}

}  // namespace oneclick::paper
