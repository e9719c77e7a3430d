// Signatures of requests (Binance spot API docs, "SIGNED request security"). Prepared once per
// account; const afterwards, any thread.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "engine/domain/port.hpp"

namespace oneclick::binance {

// Hex of HMAC-SHA256, or base64 of an Ed25519 signature.
inline constexpr std::size_t signature_size_max = 88;

class Signer {
 public:
  // Error: why these credentials cannot be used. Never contains any of them.
  [[nodiscard]] static std::expected<Signer, std::string> make(const Credentials& credentials);

  [[nodiscard]] std::string_view api_key() const { return api_key_; }
  [[nodiscard]] KeyType key_type() const { return ed25519_ ? KeyType::ed25519 : KeyType::hmac; }

  // Writes the signature of any text; returns its size.
  std::size_t sign(std::string_view text, char* out) const;
  // The same for a text that begins with "apiKey=<key>&", as the sorted parameters of a WebSocket
  // API request do: the whole blocks of that beginning are hashed already.
  std::size_t sign_parameters(std::string_view text, char* out) const;
  // The same as a part of a batch, for HMAC keys: `out` is filled by sign_many.
  [[nodiscard]] HmacJob job(std::string_view text, Digest* out) const {
    return {&hmac_, &prefix_, text.substr(prefix_.size), out};
  }

 private:
  Signer() = default;
  std::string api_key_;
  HmacKey hmac_;
  HmacKey::Prefix prefix_{};
  std::optional<Ed25519Key> ed25519_;
};

}  // namespace oneclick::binance
