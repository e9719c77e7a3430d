#include "connectors/ingress/decode.hpp"

#include <algorithm>
#include <bitset>
#include <charconv>
#include <chrono>
#include <cstring>
#include <initializer_list>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#include <simdjson.h>
#pragma GCC diagnostic pop

#include "engine/base/hash.hpp"

namespace oneclick::ingress {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t text_bytes_max = 10'000;
constexpr std::size_t name_bytes_max = 128;
constexpr std::size_t venue_id_bytes_max = 39;  // VenueOrderId
constexpr std::int64_t day_s = 24 * 3600;

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

// BASE/QUOTE[:SETTLE] of capital letters, digits, '.', '_' and '-'.
bool is_symbol(std::string_view text) {
  const bool shape = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == ':' || c == '.' ||
           c == '_' || c == '-';
  });
  return shape && Symbol::fits(text) && split_symbol(text).has_value();
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

std::string_view trim_json_blanks(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// One or two digits at a fixed place; -1 when they are none.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  if (at + digits > text.size()) return -1;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::int64_t days_from_civil(int year, int month, int day) {
  using namespace std::chrono;
  return sys_days(std::chrono::year(year) / month / day).time_since_epoch().count();
}

// "Z", "+hh:mm", "-hh:mm" or nothing, in seconds; nullopt when it is something else.
std::optional<std::int64_t> parse_zone(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = number_at(text, 1, 2);
  const int minutes = number_at(text, 4, 2);
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return std::nullopt;
  const std::int64_t offset = hours * 3600 + minutes * 60;
  return text[0] == '+' ? offset : -offset;
}

// Takes ".123456789" from the front; nullopt when there is a point without digits.
std::optional<std::int64_t> take_fraction_ns(std::string_view& text) {
  if (!text.starts_with('.')) return 0;
  text.remove_prefix(1);
  std::int64_t value = 0;
  int digits = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    if (++digits > 9) return std::nullopt;
    value = value * 10 + (text[0] - '0');
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

using Checked = std::expected<void, Problem>;

Checked refuse(Field field, std::string_view value, std::string_view detail,
               std::string_view allowed) {
  return std::unexpected(field_problem(field, value, detail, allowed));
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

Checked take_string(Field field, Kind kind, Value& value) {
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

bool takes_number(Kind kind) {
  return kind == Kind::amount || kind == Kind::positive || kind == Kind::any_decimal ||
         kind == Kind::integer;
}

Checked take_number(Field field, Kind kind, Value& value) {
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

std::optional<Field> find_field(std::string_view name) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return static_cast<Field>(i);
  }
  return std::nullopt;
}

// The value as any writer of the same request would mean it.
std::string canonical_value(const Value& value, Kind kind) {
  if (kind == Kind::uuid || (kind == Kind::name && !value.uuid.is_nil()))
    return value.uuid.to_text();
  if (kind == Kind::amount || kind == Kind::positive || kind == Kind::any_decimal) {
    return value.decimal.to_text();
  }
  if (kind == Kind::integer || kind == Kind::time) return std::to_string(value.integer);
  return std::string(value.text);
}

void hash_body(Message& message) {
  std::string canonical;
  for (std::size_t i = 0; i < field_count; ++i) {
    const auto field = static_cast<Field>(i);
    // How it came in says nothing about what was meant.
    if (!message.has(field) || field == Field::op || field == Field::type) continue;
    const std::string value = canonical_value(message.values[i], specs[i].kind);
    canonical += specs[i].name;
    canonical += '=' + std::to_string(value.size()) + ':' + value + ';';
  }
  const Digest digest = sha256(canonical);
  std::memcpy(message.body_hash, digest.data(), sizeof message.body_hash);
}

Problem malformed(std::string_view detail) {
  return {.status = 400,
          .detail = "the body is not valid JSON: " + std::string(detail),
          .allowed = "one flat JSON object"};
}

Checked take_field(ondemand::field& pair, Message& message) {
  std::string_view name;
  if (pair.unescaped_key().get(name) != simdjson::SUCCESS) {
    return std::unexpected(malformed("unreadable key"));
  }
  const auto field = find_field(name);
  if (!field) {
    return std::unexpected(Problem{
        .status = 400, .detail = "unknown field", .field = std::string(name.substr(0, 200))});
  }
  Value& value = message.values[static_cast<std::size_t>(*field)];
  const Kind kind = specs[static_cast<std::size_t>(*field)].kind;
  if (value.present) return refuse(*field, "", "given twice", "one value");
  ondemand::json_type type;
  if (pair.value().type().get(type) != simdjson::SUCCESS) {
    return std::unexpected(malformed("unreadable value of " + std::string(name)));
  }
  if (type == ondemand::json_type::null) {
    bool is_null = false;
    if (pair.value().is_null().get(is_null) != simdjson::SUCCESS || !is_null) {
      return std::unexpected(malformed("unreadable value of " + std::string(name)));
    }
    return {};  // as if it were not there
  }
  value.present = true;
  if (type == ondemand::json_type::string) {
    if (pair.value().get_string().get(value.text) != simdjson::SUCCESS) {
      return std::unexpected(malformed("unreadable string in " + std::string(name)));
    }
    return take_string(*field, kind, value);
  }
  if (type == ondemand::json_type::number) {
    value.text = trim_json_blanks(pair.value().raw_json_token());
    return take_number(*field, kind, value);
  }
  return refuse(*field, "", "must not be an object, array or boolean", "a string or number");
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

std::optional<std::int64_t> parse_time(std::string_view text) {
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  if (year < 2000 || year > 2099 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 59) {
    return std::nullopt;
  }
  const bool marks = text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == ' ') &&
                     text[13] == ':' && text[16] == ':';
  if (!marks || month < 1 || day < 1) return std::nullopt;
  if (!(std::chrono::year(year) / month / day).ok()) return std::nullopt;
  text.remove_prefix(19);
  const auto fraction = take_fraction_ns(text);
  const auto zone = parse_zone(text);
  if (!fraction || !zone) return std::nullopt;
  const std::int64_t s =
      days_from_civil(year, month, day) * day_s + hour * 3600 + minute * 60 + second - *zone;
  return s * 1'000'000'000 + *fraction;
}

struct Decoder::Impl {
  ondemand::parser parser;
};
Decoder::Decoder() : impl_(std::make_unique<Impl>()) {}
Decoder::~Decoder() = default;

std::expected<Message, Problem> Decoder::decode(std::string_view json) {
  Message message{};
  const simdjson::padded_string_view padded(json.data(), json.size(),
                                            json.size() + simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  if (const auto error = impl_->parser.iterate(padded).get(document); error != simdjson::SUCCESS) {
    return std::unexpected(malformed(simdjson::error_message(error)));
  }
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) {
    return std::unexpected(malformed("not an object"));
  }
  for (auto pair : object) {
    ondemand::field field;
    if (const auto error = std::move(pair).get(field); error != simdjson::SUCCESS) {
      return std::unexpected(malformed(simdjson::error_message(error)));
    }
    if (auto taken = take_field(field, message); !taken) return std::unexpected(taken.error());
  }
  const char* rest = nullptr;
  if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS)
    return std::unexpected(malformed("something follows the object"));
  hash_body(message);
  return message;
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
