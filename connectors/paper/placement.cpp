#include "connectors/paper/placement.hpp"

#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace oneclick::paper {

namespace {

std::unexpected<ApiError> bad(int code, std::string message) {
  return std::unexpected(ApiError{.http_status = 400, .code = code, .message = std::move(message)});
}
std::unexpected<ApiError> missing(const std::string& name) {
  return bad(
      -1102,
      fmt::format("Mandatory parameter '{}' was not sent, was empty/null, or malformed.", name));
}
std::unexpected<ApiError> not_required(const std::string& name) {
  return bad(-1106, fmt::format("Parameter '{}' sent when not required.", name));
}

std::optional<Type> type_from_text(std::string_view text) {
  for (const Type type : {Type::limit, Type::market, Type::limit_maker, Type::stop_loss,
                          Type::stop_loss_limit, Type::take_profit, Type::take_profit_limit})
    if (to_text(type) == text) return type;
  return std::nullopt;
}

std::optional<SelfTrade> self_trade_from_text(std::string_view text) {
  if (text.empty()) return SelfTrade::none;
  for (const SelfTrade mode :
       {SelfTrade::none, SelfTrade::expire_taker, SelfTrade::expire_maker, SelfTrade::expire_both})
    if (to_text(mode) == text) return mode;
  return std::nullopt;
}

// Names of one order's parameters: plain, or those of one order of a pair.
struct Names {
  std::string type, tif, price, stop_price, client_id;
};
Names names_of(const std::string& leg) {
  if (leg.empty())
    return {.type = "type",
            .tif = "timeInForce",
            .price = "price",
            .stop_price = "stopPrice",
            .client_id = "newClientOrderId"};
  return {.type = leg + "Type",
          .tif = leg + "TimeInForce",
          .price = leg + "Price",
          .stop_price = leg + "StopPrice",
          .client_id = leg + "ClientOrderId"};
}

// What this exchange says of itself in exchangeInfo that it does not have (errors.md, "Messages for
// -2010").
std::optional<ApiError> not_offered(const Params& p, const std::string& leg) {
  struct Feature {
    const char *plain, *of_leg, *message;
  };
  constexpr std::array<Feature, 3> features{{
      {"trailingDelta", "TrailingDelta", "Trailing stop orders are not supported for this symbol."},
      {"icebergQty", "IcebergQty", "Iceberg orders are not supported for this symbol."},
      {"pegPriceType", "PegPriceType", "Pegged orders are not supported for this symbol."},
  }};
  for (const Feature& f : features)
    if (!text_of(p, leg.empty() ? f.plain : leg + f.of_leg).empty())
      return ApiError{.http_status = 400, .code = -2010, .message = f.message};
  return std::nullopt;
}

// Type, time in force, limit, stop price and name; side, symbol and amounts are there already.
std::optional<ApiError> fill_in(Placement& out, const Params& p, const std::string& leg) {
  const Names names = names_of(leg);
  if (text_of(p, names.type).empty()) return missing(names.type).error();
  const auto type = type_from_text(text_of(p, names.type));
  if (!type) return bad(-1116, "Invalid orderType.").error();
  out.type = *type;
  if (const auto lacks = not_offered(p, leg)) return lacks;
  const bool takes_tif = is_priced(out.type) && out.type != Type::limit_maker;
  const std::string tif = text_of(p, names.tif);
  if (takes_tif && tif.empty()) return missing(names.tif).error();
  if (!takes_tif && !tif.empty()) return not_required(names.tif).error();
  if (!tif.empty() && tif != "GTC" && tif != "IOC" && tif != "FOK")
    return bad(-1115, "Invalid timeInForce.").error();
  out.tif = tif == "IOC" ? Tif::ioc : tif == "FOK" ? Tif::fok : Tif::gtc;
  for (const auto& [name, target] :
       {std::pair{names.price, &out.price}, {names.stop_price, &out.stop_price}}) {
    const auto value = decimal_of(p, name);
    if (!value) return value.error();
    *target = *value;
  }
  if (is_priced(out.type) && !out.price.is_positive()) return missing(names.price).error();
  if (!is_priced(out.type) && !text_of(p, names.price).empty())
    return not_required(names.price).error();
  if (is_contingent(out.type) && !out.stop_price.is_positive())
    return missing(names.stop_price).error();
  if (!is_contingent(out.type) && out.stop_price.is_positive())
    return not_required(names.stop_price).error();
  out.client_id = text_of(p, names.client_id);
  return std::nullopt;
}

// What both kinds of requests begin with.
std::expected<Placement, ApiError> common_of(const Params& p, Account& account) {
  Placement out{};
  out.account = &account;
  for (const char* const name : {"symbol", "side"})
    if (text_of(p, name).empty()) return missing(name);
  out.symbol = text_of(p, "symbol");
  const auto side = side_from_text(text_of(p, "side"));
  if (!side || (text_of(p, "side") != "BUY" && text_of(p, "side") != "SELL"))
    return bad(-1117, "Invalid side.");
  out.side = *side;
  const auto mode = self_trade_from_text(text_of(p, "selfTradePreventionMode"));
  if (!mode)
    return bad(-1013, "This symbol does not allow the specified self-trade prevention mode.");
  out.self_trade = *mode;
  for (const auto& [name, target] :
       {std::pair{"quantity", &out.quantity}, {"quoteOrderQty", &out.quote_quantity}}) {
    const auto value = decimal_of(p, name);
    if (!value) return std::unexpected(value.error());
    *target = *value;
  }
  return out;
}

}  // namespace

std::string text_of(const Params& p, const std::string& name) {
  const auto found = p.find(name);
  return found == p.end() ? std::string() : found->second;
}

std::expected<Decimal, ApiError> decimal_of(const Params& p, const std::string& name) {
  const std::string value = text_of(p, name);
  if (value.empty()) return Decimal{};
  const auto parsed = Decimal::parse(value);
  if (!parsed && parsed.error() == DecimalError::too_fine)
    return bad(-1111, fmt::format("Parameter '{}' has too much precision.", name));
  if (!parsed || parsed->is_negative())
    return bad(-1100, fmt::format("Illegal characters found in parameter '{}'; legal range is "
                                  "'^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
                                  name));
  return *parsed;
}

std::int64_t integer_of(const Params& p, const std::string& name, std::int64_t otherwise) {
  const std::string value = text_of(p, name);
  std::int64_t out = otherwise;
  std::from_chars(value.data(), value.data() + value.size(), out);
  return out;
}

std::expected<Placement, ApiError> placement_of(const Params& p, Account& account) {
  auto out = common_of(p, account);
  if (!out) return out;
  if (const auto wrong = fill_in(*out, p, "")) return std::unexpected(*wrong);
  const bool by_money = out->type == Type::market && out->quote_quantity.is_positive();
  if (!out->quantity.is_positive() && !by_money) return missing("quantity");
  if (out->type != Type::market && !text_of(p, "quoteOrderQty").empty())
    return not_required("quoteOrderQty");
  if (out->quantity.is_positive() && out->quote_quantity.is_positive())
    return bad(-1128, "Combination of optional parameters invalid.");
  return out;
}

std::expected<PairPlacement, ApiError> pair_of(const Params& p, Account& account) {
  const auto common = common_of(p, account);
  if (!common) return std::unexpected(common.error());
  if (!common->quantity.is_positive()) return missing("quantity");
  if (!text_of(p, "quoteOrderQty").empty()) return not_required("quoteOrderQty");
  PairPlacement out{.above = *common, .below = *common, .client_id = {}};
  if (const auto wrong = fill_in(out.above, p, "above")) return std::unexpected(*wrong);
  if (const auto wrong = fill_in(out.below, p, "below")) return std::unexpected(*wrong);
  out.client_id = text_of(p, "listClientOrderId");
  return out;
}

}  // namespace oneclick::paper
