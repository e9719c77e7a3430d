#include "connectors/ingress/decode.hpp"

#include <cstring>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#include <simdjson.h>
#pragma GCC diagnostic pop

#include "connectors/ingress/fields.hpp"
#include "engine/base/hash.hpp"

namespace oneclick::ingress {
namespace {

namespace ondemand = simdjson::ondemand;

std::string_view trim_json_blanks(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

void hash_body(Message& message) {
  std::string canonical;
  for (std::size_t i = 0; i < field_count; ++i) {
    const auto field = static_cast<Field>(i);
    // How it came in says nothing about what was meant.
    if (!message.has(field) || field == Field::op || field == Field::type) continue;
    const std::string value = canonical_value(field, message.values[i]);
    canonical += to_text(field);
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
    return take_string(*field, value);
  }
  if (type == ondemand::json_type::number) {
    value.text = trim_json_blanks(pair.value().raw_json_token());
    return take_number(*field, value);
  }
  return refuse(*field, "", "must not be an object, array or boolean", "a string or number");
}

}  // namespace

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

}  // namespace oneclick::ingress
