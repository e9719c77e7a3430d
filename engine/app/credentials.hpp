// Exchange credentials as a person hands them over: a JSON object {api_key, api_secret, passphrase,
// key_type}, the last two optional; key_type is "hmac" (default) or "ed25519".
#pragma once

#include <expected>
#include <string>

#include "engine/domain/port.hpp"

namespace oneclick {

// Errors name the member, never its content.
[[nodiscard]] std::expected<Credentials, std::string> parse_credentials(const std::string& json);

}  // namespace oneclick
