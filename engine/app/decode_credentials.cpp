#include <simdjson.h>

#include <fmt/format.h>

#include "engine/app/credentials.hpp"

namespace oneclick {

namespace {

constexpr std::size_t member_bytes_max = 8 * 1024;

// False: not a text.
bool read_member(const simdjson::dom::object& from, const char* name, std::string_view& out) {
  const auto found = from[name];
  if (found.error() == simdjson::NO_SUCH_FIELD || (!found.error() && found.is_null())) return true;
  return found.get(out) == simdjson::SUCCESS && out.size() <= member_bytes_max;
}

}  // namespace

std::expected<Credentials, std::string> parse_credentials(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json).get(object) != simdjson::SUCCESS)
    return std::unexpected("not one JSON object; wanted: {\"api_key\":...,\"api_secret\":...}");
  std::string_view api_key, api_secret, passphrase, key_type;
  const std::pair<const char*, std::string_view*> members[] = {{"api_key", &api_key},
                                                               {"api_secret", &api_secret},
                                                               {"passphrase", &passphrase},
                                                               {"key_type", &key_type}};
  for (const auto& [name, value] : members)
    if (!read_member(object, name, *value))
      return std::unexpected(
          fmt::format("{}: allowed: a text of at most {} bytes", name, member_bytes_max));
  for (const auto& field : object)
    if (field.key != "api_key" && field.key != "api_secret" && field.key != "passphrase" &&
        field.key != "key_type")
      return std::unexpected("a member that is not api_key, api_secret, passphrase or key_type");
  if (api_key.empty()) return std::unexpected("api_key: missing or empty");
  if (api_secret.empty()) return std::unexpected("api_secret: missing or empty");
  const bool ed25519 = key_type == "ed25519";
  if (!ed25519 && !key_type.empty() && key_type != "hmac")
    return std::unexpected("key_type: allowed: hmac, ed25519");
  if (ed25519 && !Ed25519Key::from_pem(api_secret))
    return std::unexpected("api_secret: not an Ed25519 private key in PEM (PKCS#8)");
  return Credentials{.api_key = std::string(api_key),
                     .secret = Secret(api_secret),
                     .passphrase = Secret(passphrase),
                     .key_type = ed25519 ? KeyType::ed25519 : KeyType::hmac};
}

}  // namespace oneclick
