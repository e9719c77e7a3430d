#include "connectors/binance/sign.hpp"

#include <algorithm>
#include <cstring>

namespace oneclick::binance {

namespace {

constexpr std::size_t block_bytes = 64;
constexpr std::size_t api_key_size_max = 128;

// Keys travel in JSON, in signed text and in a header without any escaping.
bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_';
}

std::size_t write_base64(const Ed25519Key& key, std::string_view text, char* out) {
  const std::string encoded = to_base64(key.sign(text));
  std::memcpy(out, encoded.data(), encoded.size());
  return encoded.size();
}

std::size_t write_digest(const Digest& digest, char* out) {
  write_hex(digest.data(), digest.size(), out);
  return digest.size() * 2;
}

}  // namespace

std::expected<Signer, std::string> Signer::make(const Credentials& credentials) {
  const std::string& key = credentials.api_key;
  if (key.empty() || key.size() > api_key_size_max ||
      !std::all_of(key.begin(), key.end(), is_plain)) {
    return std::unexpected("api key is empty, too long or has characters no key has");
  }
  if (credentials.secret.empty()) return std::unexpected("secret is empty");
  Signer out;
  out.api_key_ = key;
  if (credentials.key_type == KeyType::ed25519) {
    auto parsed = Ed25519Key::from_pem(credentials.secret.view());
    if (!parsed) return std::unexpected("private key: " + parsed.error());
    out.ed25519_ = std::move(*parsed);
    return out;
  }
  out.hmac_ = HmacKey(credentials.secret.view());
  const std::string start = "apiKey=" + key + "&";
  out.prefix_ =
      out.hmac_.fold(std::string_view(start).substr(0, start.size() / block_bytes * block_bytes));
  return out;
}

std::size_t Signer::sign(std::string_view text, char* out) const {
  if (ed25519_) return write_base64(*ed25519_, text, out);
  return write_digest(hmac_.sign(text), out);
}

std::size_t Signer::sign_parameters(std::string_view text, char* out) const {
  if (ed25519_) return write_base64(*ed25519_, text, out);
  // Names that sort before it, as those of pairs do, stand before the key.
  if (!text.starts_with("apiKey=")) return write_digest(hmac_.sign(text), out);
  return write_digest(hmac_.sign_after(prefix_, text.substr(prefix_.size)), out);
}

}  // namespace oneclick::binance
