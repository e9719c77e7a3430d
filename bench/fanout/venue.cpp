#include "bench/fanout/venue.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/base/clock.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick::bench {

namespace {

constexpr char quote_balance[] = "1000000000.00000000";

std::int64_t now_ms() {
  return wall_now_ns() / 1'000'000;
}

// Reads one JSON token that is a string or a bare value; strings come without quotes unless kept.
bool take_value(std::string_view& in, std::string_view& out, bool keep_quotes) {
  if (in.empty()) return false;
  if (in[0] == '"') {
    const std::size_t end = in.find('"', 1);
    if (end == std::string_view::npos || in.substr(0, end).find('\\') != std::string_view::npos)
      return false;
    out = keep_quotes ? in.substr(0, end + 1) : in.substr(1, end - 1);
    in.remove_prefix(end + 1);
    return true;
  }
  const std::size_t end = in.find_first_of(",}]");
  if (end == std::string_view::npos || end == 0) return false;
  out = in.substr(0, end);
  in.remove_prefix(end);
  return true;
}

bool take(std::string_view& in, char c) {
  if (in.empty() || in[0] != c) return false;
  in.remove_prefix(1);
  return true;
}

bool read_params(std::string_view& in, Request& out) {
  if (in.starts_with('[')) {  // SUBSCRIBE of market streams: the names do not matter here
    const std::size_t end = in.find(']');
    if (end == std::string_view::npos) return false;
    in.remove_prefix(end + 1);
    return true;
  }
  if (!take(in, '{')) return false;
  if (take(in, '}')) return true;
  do {
    std::string_view name, value;
    if (!take_value(in, name, false) || !take(in, ':') || !take_value(in, value, false))
      return false;
    out.params.emplace_back(name, value);
  } while (take(in, ','));
  return take(in, '}');
}

std::string number_text(std::string_view text) {
  const auto value = Decimal::parse(text);
  char out[Decimal::text_size_max];
  return {out, value.value_or(Decimal{}).write_fixed(out, 8)};
}

std::string product_text(const std::string& a, const std::string& b) {
  char out[Decimal::text_size_max];
  return {out, mul(Decimal::of(a), Decimal::of(b), Round::down).write_fixed(out, 8)};
}

}  // namespace

std::string_view Request::param(std::string_view name) const {
  for (const auto& [key, value] : params)
    if (key == name) return value;
  return {};
}

bool read_request(std::string_view in, Request& out) {
  out = {};
  if (!take(in, '{')) return false;
  do {
    std::string_view name;
    if (!take_value(in, name, false) || !take(in, ':')) return false;
    if (name == "params") {
      if (!read_params(in, out)) return false;
      continue;
    }
    std::string_view value;
    if (!take_value(in, value, name == "id")) return false;
    if (name == "id") out.id = value;
    if (name == "method") out.method = value;
  } while (take(in, ','));
  return take(in, '}') && in.empty() && !out.id.empty() && !out.method.empty();
}

std::string signed_text(const Request& request) {
  auto params = request.params;
  std::erase_if(params, [](const auto& p) { return p.first == "signature"; });
  std::sort(params.begin(), params.end());
  std::string out;
  for (const auto& [name, value] : params) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

VenueRules::VenueRules(std::size_t parties) : parties_(make_parties(parties)), base_(parties) {
  by_key_.reserve(parties);
  for (std::size_t i = 0; i < parties; ++i) by_key_[parties_[i].api_key] = static_cast<int>(i);
}

int VenueRules::party_of(std::string_view api_key) const {
  const auto found = by_key_.find(api_key);
  return found == by_key_.end() ? -1 : found->second;
}

bool VenueRules::signature_holds(int party, const Request& request) const {
  const std::string& secret = parties_[static_cast<std::size_t>(party)].secret;
  const std::string text = signed_text(request);
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), digest, &size);
  return to_hex({digest, size}) == request.param("signature");
}

std::string VenueRules::balances(int party) const {
  const Decimal base = party < 0 ? Decimal{} : base_[static_cast<std::size_t>(party)];
  char text[Decimal::text_size_max];
  const std::string_view base_text(text, base.write_fixed(text, 8));
  return fmt::format(R"([{{"asset":"BTC","free":"{}","locked":"0.00000000"}},)"
                     R"({{"asset":"USDT","free":"{}","locked":"0.00000000"}}])",
                     base_text, quote_balance);
}

namespace {

std::string account_json(const std::string& balances) {
  return fmt::format(
      R"({{"makerCommission":0,"takerCommission":0,"buyerCommission":0,"sellerCommission":0,)"
      R"("canTrade":true,"canWithdraw":false,"canDeposit":true,"updateTime":{},)"
      R"("accountType":"SPOT","balances":{},"permissions":["SPOT"],"uid":1}})",
      now_ms(), balances);
}

// Limits far above what a round needs: what is measured here is the engine, not the venue's
// patience.
std::string exchange_info() {
  return fmt::format(
      R"({{"timezone":"UTC","serverTime":{},"rateLimits":[)"
      R"({{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":100000000}},)"
      R"({{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100000}},)"
      R"({{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":100000000}},)"
      R"({{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":100000000}},)"
      R"({{"rateLimitType":"CONNECTIONS","interval":"MINUTE","intervalNum":5,"limit":10000}}],)"
      R"("exchangeFilters":[],"symbols":[{{"symbol":"{}","status":"TRADING","baseAsset":"BTC",)"
      R"("baseAssetPrecision":8,"quoteAsset":"USDT","quotePrecision":8,"quoteAssetPrecision":8,)"
      R"("baseCommissionPrecision":8,"quoteCommissionPrecision":8,)"
      R"("orderTypes":["LIMIT","LIMIT_MAKER","MARKET"],"icebergAllowed":true,"ocoAllowed":true,)"
      R"("otoAllowed":true,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":true,)"
      R"("cancelReplaceAllowed":true,"amendAllowed":true,"isSpotTradingAllowed":true,)"
      R"("isMarginTradingAllowed":false,"filters":[)"
      R"({{"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"}},)"
      R"({{"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"}},)"
      R"({{"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"9000.00000000","stepSize":"0.00000000"}},)"
      R"({{"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,)"
      R"("maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5}}],)"
      R"("permissions":[],"permissionSets":[["SPOT"]],"defaultSelfTradePreventionMode":"EXPIRE_MAKER",)"
      R"("allowedSelfTradePreventionModes":["EXPIRE_MAKER"]}}]}})",
      now_ms(), venue_symbol);
}

std::string reply_of(const Request& request, std::string_view result) {
  return fmt::format(R"({{"id":{},"status":200,"result":{},"rateLimits":[]}})", request.id, result);
}

}  // namespace

std::string VenueRules::rest(std::string_view path, std::string_view api_key) const {
  if (path == "/api/v3/exchangeInfo") return exchange_info();
  if (path == "/api/v3/time") return fmt::format(R"({{"serverTime":{}}})", now_ms());
  if (path == "/api/v3/ping") return "{}";
  if (path == "/api/v3/account") return account_json(balances(party_of(api_key)));
  if (path == "/api/v3/openOrders" || path == "/api/v3/myTrades" || path == "/api/v3/allOrders")
    return "[]";
  return {};
}

std::string VenueRules::order_json(std::string_view client_id, const Order& order) const {
  return fmt::format(
      R"({{"symbol":"{}","orderId":{},"orderListId":-1,"clientOrderId":"{}","price":"{}",)"
      R"("origQty":"{}","executedQty":"{}","cummulativeQuoteQty":"{}","status":"FILLED",)"
      R"("timeInForce":"IOC","type":"LIMIT","side":"{}","time":{},"updateTime":{},"isWorking":true,)"
      R"("origQuoteOrderQty":"0.00000000","selfTradePreventionMode":"EXPIRE_MAKER"}})",
      venue_symbol, order.id, client_id, order.price, order.quantity, order.quantity,
      product_text(order.price, order.quantity), order.side, now_ms(), now_ms());
}

std::string VenueRules::answer(const Request& request) const {
  const std::string_view method = request.method;
  const int party = party_of(request.param("apiKey"));
  if (method == "time") return reply_of(request, fmt::format(R"({{"serverTime":{}}})", now_ms()));
  if (method == "ping") return reply_of(request, "{}");
  if (method == "exchangeInfo") return reply_of(request, exchange_info());
  if (method == "account.status") return reply_of(request, account_json(balances(party)));
  if (method == "openOrders.status" || method == "myTrades" || method == "allOrders")
    return reply_of(request, "[]");
  if (method == "userDataStream.unsubscribe") return reply_of(request, "{}");
  if (method == "SUBSCRIBE" || method == "UNSUBSCRIBE")
    return fmt::format(R"({{"result":null,"id":{}}})", request.id);
  if (method == "order.status") {
    const auto found = orders_.find(std::string(request.param("origClientOrderId")));
    if (found != orders_.end()) return reply_of(request, order_json(found->first, found->second));
    return fmt::format(
        R"({{"id":{},"status":400,"error":{{"code":-2013,"msg":"Order does not exist."}},"rateLimits":[]}})",
        request.id);
  }
  return fmt::format(
      R"({{"id":{},"status":400,"error":{{"code":-1020,"msg":"This operation is not supported."}},"rateLimits":[]}})",
      request.id);
}

std::string VenueRules::subscribed(const Request& request, std::uint32_t subscription) {
  return reply_of(request, fmt::format(R"({{"subscriptionId":{}}})", subscription));
}

std::string VenueRules::book_ticker() {
  static std::uint64_t update = 400'900'217;
  return fmt::format(
      R"({{"u":{},"s":"{}","b":"{}","B":"1000.00000000","a":"{}","A":"1000.00000000"}})", ++update,
      venue_symbol, bid_text, ask_text);
}

VenueRules::Filled VenueRules::fill(int party, const Request& request, std::uint32_t subscription) {
  Order order;
  order.id = ++last_id_;
  order.party = party;
  order.quantity = number_text(request.param("quantity"));
  order.price =
      request.param("price").empty() ? number_text(ask_text) : number_text(request.param("price"));
  order.side = request.param("side");
  Decimal& base = base_[static_cast<std::size_t>(party)];
  const Decimal quantity = Decimal::of(order.quantity);
  base = order.side == "BUY" ? base + quantity : base - quantity;
  const std::string client_id(request.param("newClientOrderId"));
  const std::string quote = product_text(order.price, order.quantity);
  const std::int64_t ms = now_ms();
  Filled out;
  out.reply = reply_of(
      request,
      fmt::format(
          R"({{"symbol":"{}","orderId":{},"orderListId":-1,"clientOrderId":"{}","transactTime":{}}})",
          venue_symbol, order.id, client_id, ms));
  out.report = fmt::format(
      R"({{"subscriptionId":{},"event":{{"e":"executionReport","E":{},"s":"{}","c":"{}","S":"{}",)"
      R"("o":"{}","f":"{}","q":"{}","p":"{}","P":"0.00000000","F":"0.00000000","g":-1,"C":"",)"
      R"("x":"TRADE","X":"FILLED","r":"NONE","i":{},"l":"{}","z":"{}","L":"{}","n":"0.00000000",)"
      R"("N":"BNB","T":{},"t":{},"v":0,"I":{},"w":false,"m":false,"M":true,"O":{},"Z":"{}","Y":"{}",)"
      R"("Q":"0.00000000","W":{},"V":"EXPIRE_MAKER"}}}})",
      subscription, ms, venue_symbol, client_id, order.side, request.param("type"),
      request.param("timeInForce").empty() ? "GTC" : request.param("timeInForce"), order.quantity,
      order.price, order.id, order.quantity, order.quantity, order.price, ms, order.id, order.id,
      ms, quote, quote, ms);
  char text[Decimal::text_size_max];
  const std::string_view base_text(text, base.write_fixed(text, 8));
  out.position = fmt::format(
      R"({{"subscriptionId":{},"event":{{"e":"outboundAccountPosition","E":{},"u":{},"B":[)"
      R"({{"a":"BTC","f":"{}","l":"0.00000000"}},{{"a":"USDT","f":"{}","l":"0.00000000"}}]}}}})",
      subscription, ms, ms, base_text, quote_balance);
  orders_.emplace(client_id, std::move(order));
  return out;
}

}  // namespace oneclick::bench
