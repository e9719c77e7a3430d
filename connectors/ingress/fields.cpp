#include "connectors/ingress/fields.hpp"

#include <algorithm>
#include <bitset>
#include <charconv>
#include <initializer_list>

namespace oneclick::ingress {
namespace {

constexpr std::size_t text_bytes_max = 10'000;
constexpr std::size_t name_bytes_max = 128;
constexpr std::size_t venue_id_bytes_max = 39;  // VenueOrderId

enum class Kind : std::uint8_t {
  word,  // op, type: checked by who asked
  name,  // id: 1 to 128 printable characters
  uuid,
  symbol,
  asset,
  amount,    // decimal, not negative
  positive,  // decimal above zero
  any_decimal,
  integer,
  venue_id,
  text,
  time,
  signal_type,
  side,
  status,
  update_type,
  exchange,
  trade_type,
};

struct Spec {
  std::string_view name;
  Kind kind;
};
constexpr std::array<Spec, field_count> specs = {{
    {"op", Kind::word},
    {"type", Kind::word},
    {"id", Kind::name},
    {"signal_id", Kind::uuid},
    {"channel_id", Kind::uuid},
    {"creator_id", Kind::uuid},
    {"user_id", Kind::uuid},
    {"exchange_id", Kind::uuid},
    {"signal_type", Kind::signal_type},
    {"side", Kind::side},
    {"status", Kind::status},
    {"update_type", Kind::update_type},
    {"exchange_name", Kind::exchange},
    {"trade_type", Kind::trade_type},
    {"asset_symbol", Kind::symbol},
    {"fee_asset", Kind::asset},
    {"entry_price", Kind::amount},
    {"current_price", Kind::amount},
    {"stop_loss", Kind::amount},
    {"take_profit", Kind::amount},
    {"quantity_suggestion", Kind::amount},
    {"quantity", Kind::positive},
    {"price", Kind::positive},
    {"fee", Kind::amount},
    {"confidence_level", Kind::integer},
    {"followers_count", Kind::integer},
    {"copies_count", Kind::integer},
    {"performance_percentage", Kind::any_decimal},
    {"order_id", Kind::venue_id},
    {"trade_id", Kind::venue_id},
    {"timeframe", Kind::text},
    {"reasoning", Kind::text},
    {"old_value", Kind::text},
    {"new_value", Kind::text},
    {"description", Kind::text},
    {"expires_at", Kind::time},
    {"created_at", Kind::time},
    {"updated_at", Kind::time},
    {"closed_at", Kind::time},
    {"executed_at", Kind::time},
}};

Kind kind_of(Field field) {
  return specs[static_cast<std::size_t>(field)].kind;
}

struct Words {
  Kind kind;
  std::string_view allowed;  // separated by ", "
};
constexpr Words word_lists[] = {
    {Kind::signal_type, "buy, sell, hold"},
    {Kind::side, "buy, sell"},
    {Kind::status, "active, closed, cancelled, expired"},
    {Kind::update_type, "price_target, stop_loss, take_profit, status, reasoning"},
    {Kind::exchange, "binance"},
    {Kind::trade_type, "market, limit, stop_loss, take_profit"},
};

bool is_listed(std::string_view list, std::string_view word) {
  while (true) {
    const std::size_t comma = list.find(", ");
    if (list.substr(0, comma) == word) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 2);
  }
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// The number grammar of JSON, which simdjson leaves to us for raw tokens.
bool is_json_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - from;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const std::size_t first = i;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

Checked take_decimal(Field field, Kind kind, Value& value) {
  const auto parsed = Decimal::parse(value.text);
  constexpr std::string_view allowed =
      "a decimal of at most 12 digits before and 8 behind the point";
  if (!parsed) return refuse(field, value.text, to_text(parsed.error()), allowed);
  value.decimal = *parsed;
  if (kind == Kind::positive && !parsed->is_positive()) {
    return refuse(field, value.text, "must be above zero", allowed);
  }
  if (kind == Kind::amount && parsed->is_negative()) {
    return refuse(field, value.text, "must not be negative", allowed);
  }
  return {};
}

Checked take_word(Field field, Kind kind, const Value& value) {
  for (const Words& words : word_lists) {
    if (words.kind == kind && !is_listed(words.allowed, value.text)) {
      return refuse(field, value.text, "not known", words.allowed);
    }
  }
  return {};
}

Checked take_uuid(Field field, Value& value) {
  const auto parsed = Uuid::parse(value.text);
  if (!parsed || parsed->is_nil()) return refuse(field, value.text, "not a UUID", "a UUID");
  value.uuid = *parsed;
  return {};
}

Checked take_sized(Field field, const Value& value, std::size_t bytes_max, bool printable) {
  if (value.text.size() <= bytes_max &&
      (!printable || (!value.text.empty() && is_printable(value.text)))) {
    return {};
  }
  return refuse(field, value.text, printable ? "not usable as an id" : "too long",
                printable ? "1 to " + std::to_string(bytes_max) + " printable ASCII characters"
                          : "at most " + std::to_string(bytes_max) + " bytes");
}

bool takes_number(Kind kind) {
  return kind == Kind::amount || kind == Kind::positive || kind == Kind::any_decimal ||
         kind == Kind::integer;
}

using FieldSet = std::bitset<field_count>;

FieldSet set_of(std::initializer_list<Field> fields) {
  FieldSet set;
  for (const Field field : fields) set.set(static_cast<std::size_t>(field));
  return set;
}

struct Schema {
  FieldSet allowed;
  FieldSet required;
};

const Schema& schema_of(MessageKind kind) {
  using enum Field;
  static const std::array<Schema, message_kind_count> schemas = {{
      {set_of({op,
               type,
               id,
               channel_id,
               creator_id,
               signal_type,
               asset_symbol,
               entry_price,
               current_price,
               stop_loss,
               take_profit,
               quantity_suggestion,
               confidence_level,
               timeframe,
               reasoning,
               status,
               performance_percentage,
               followers_count,
               copies_count,
               expires_at,
               closed_at,
               created_at,
               updated_at,
               exchange_name}),
       set_of({channel_id, signal_type, asset_symbol})},
      {set_of({op, type, id, signal_id, channel_id, creator_id, asset_symbol, update_type, status,
               old_value, new_value, description, created_at}),
       set_of({signal_id})},
      {set_of({op, type, id, user_id, exchange_id, exchange_name, order_id, trade_id, trade_type,
               side, asset_symbol, quantity, price, fee, fee_asset, executed_at, created_at}),
       set_of({exchange_name, side, asset_symbol, quantity, price})},
      {set_of({op, id}), {}},
      {set_of({op, id}), {}},
  }};
  return schemas[static_cast<std::size_t>(kind)];
}

}  // namespace

bool is_symbol(std::string_view text) {
  const bool shape = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == ':' || c == '.' ||
           c == '_' || c == '-';
  });
  return shape && Symbol::fits(text) && split_symbol(text).has_value();
}

std::string_view to_text(Field field) {
  return specs[static_cast<std::size_t>(field)].name;
}

Problem field_problem(Field field, std::string_view value, std::string_view detail,
                      std::string_view allowed) {
  return {.status = 400,
          .detail = std::string(detail),
          .field = std::string(to_text(field)),
          .value = std::string(value),
          .allowed = std::string(allowed)};
}

std::optional<Field> find_field(std::string_view name) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return static_cast<Field>(i);
  }
  return std::nullopt;
}

Checked refuse(Field field, std::string_view value, std::string_view detail,
               std::string_view allowed) {
  return std::unexpected(field_problem(field, value, detail, allowed));
}

Checked take_string(Field field, Value& value) {
  const Kind kind = kind_of(field);
  switch (kind) {
    case Kind::word:
      return {};
    case Kind::name:
      value.uuid = Uuid::parse(value.text).value_or(Uuid{});
      return take_sized(field, value, name_bytes_max, true);
    case Kind::uuid:
      return take_uuid(field, value);
    case Kind::symbol:
      if (is_symbol(value.text)) return {};
      return refuse(field, value.text, "not a symbol",
                    "BASE/QUOTE[:SETTLE], at most 23 characters");
    case Kind::asset:
      if (!value.text.empty() && Asset::fits(value.text) && is_printable(value.text)) return {};
      return refuse(field, value.text, "not an asset", "1 to 15 characters");
    case Kind::amount:
    case Kind::positive:
    case Kind::any_decimal:
      return take_decimal(field, kind, value);
    case Kind::integer:
      return refuse(field, value.text, "must be a number", "an integer");
    case Kind::venue_id:
      return take_sized(field, value, venue_id_bytes_max, true);
    case Kind::text:
      return take_sized(field, value, text_bytes_max, false);
    case Kind::time:
      if (const auto time = parse_time(value.text)) {
        value.integer = *time;
        return {};
      }
      return refuse(field, value.text, "not a time", "ISO 8601 with a date of 2000 to 2099");
    case Kind::signal_type:
    case Kind::side:
    case Kind::status:
    case Kind::update_type:
    case Kind::exchange:
    case Kind::trade_type:
      return take_word(field, kind, value);
  }
  return {};
}

Checked take_number(Field field, Value& value) {
  const Kind kind = kind_of(field);
  if (!takes_number(kind)) return refuse(field, value.text, "must be a string", "a string");
  if (!is_json_number(value.text)) return refuse(field, value.text, "malformed", "a number");
  if (kind != Kind::integer) return take_decimal(field, kind, value);
  const char* end = value.text.data() + value.text.size();
  const auto [at, error] = std::from_chars(value.text.data(), end, value.integer);
  if (error != std::errc{} || at != end) {
    return refuse(field, value.text, "not an integer", "a 64-bit integer");
  }
  return {};
}

std::string canonical_value(Field field, const Value& value) {
  const Kind kind = kind_of(field);
  if (kind == Kind::uuid || (kind == Kind::name && !value.uuid.is_nil()))
    return value.uuid.to_text();
  if (kind == Kind::amount || kind == Kind::positive || kind == Kind::any_decimal) {
    return value.decimal.to_text();
  }
  if (kind == Kind::integer || kind == Kind::time) return std::to_string(value.integer);
  return std::string(value.text);
}

std::expected<void, Problem> check(const Message& message, MessageKind kind) {
  const Schema& schema = schema_of(kind);
  for (std::size_t i = 0; i < field_count; ++i) {
    const auto field = static_cast<Field>(i);
    if (message.has(field) && !schema.allowed.test(i)) {
      return refuse(field, message[field].text, "this field does not belong here", "");
    }
    if (!message.has(field) && schema.required.test(i)) {
      return refuse(field, "", "missing", "");
    }
  }
  return {};
}

}  // namespace oneclick::ingress
