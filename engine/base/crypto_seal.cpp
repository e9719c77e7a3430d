// Text sealed with AES-256-GCM for the database: v1.<key id>.<nonce>.<ciphertext and tag>.
#include <memory>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick {

namespace {

constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t text_bytes_max = 1 << 20;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const std::uint8_t* data_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

Cipher start(const MasterKey& key, const std::uint8_t* nonce, std::string_view aad, bool encrypt) {
  Cipher cipher(EVP_CIPHER_CTX_new());
  CHECK(cipher != nullptr && aad.size() <= text_bytes_max);
  CHECK(EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.bytes.data(), nonce,
                          encrypt ? 1 : 0) == 1);
  int n = 0;
  CHECK(EVP_CipherUpdate(cipher.get(), nullptr, &n, data_of(aad), static_cast<int>(aad.size())) ==
        1);
  return cipher;
}

struct Parts {
  std::string_view key_id;
  std::vector<std::uint8_t> nonce;
  std::vector<std::uint8_t> text;  // ciphertext and tag
};

std::expected<Parts, std::string> split(std::string_view sealed) {
  const auto malformed = std::unexpected(std::string("malformed"));
  if (sealed.size() > 2 * text_bytes_max || !sealed.starts_with("v1.")) return malformed;
  sealed.remove_prefix(3);
  const std::size_t first = sealed.find('.');
  if (first == std::string_view::npos || first == 0 || first > 16) return malformed;
  const std::size_t second = sealed.find('.', first + 1);
  if (second == std::string_view::npos) return malformed;
  auto nonce = from_base64url(sealed.substr(first + 1, second - first - 1));
  auto text = from_base64url(sealed.substr(second + 1));
  if (!nonce || nonce->size() != nonce_bytes || !text || text->size() < tag_bytes) return malformed;
  return Parts{sealed.substr(0, first), std::move(*nonce), std::move(*text)};
}

const MasterKey* find_key(std::span<const MasterKey> keys, std::string_view id) {
  for (const MasterKey& key : keys)
    if (key.id == id) return &key;
  return nullptr;
}

bool is_key_id(std::string_view id) {
  if (id.empty() || id.size() > 16) return false;
  for (const char c : id)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
  return true;
}

}  // namespace

std::string seal(const MasterKey& key, std::string_view aad, std::string_view plain) {
  CHECK(is_key_id(key.id) && plain.size() <= text_bytes_max);
  std::array<std::uint8_t, nonce_bytes> nonce;
  random_bytes(nonce);
  const Cipher cipher = start(key, nonce.data(), aad, true);
  std::vector<std::uint8_t> out(plain.size() + tag_bytes);
  int n = 0;
  CHECK(EVP_CipherUpdate(cipher.get(), out.data(), &n, data_of(plain),
                         static_cast<int>(plain.size())) == 1);
  CHECK(EVP_CipherFinal_ex(cipher.get(), out.data() + n, &n) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes,
                            out.data() + plain.size()) == 1);
  return "v1." + key.id + "." + to_base64url(nonce) + "." + to_base64url(out);
}

std::expected<Secret, std::string> open_sealed(std::span<const MasterKey> keys,
                                               std::string_view aad, std::string_view sealed) {
  auto parts = split(sealed);
  if (!parts) return std::unexpected(parts.error());
  // Ids are repeated in errors and logs: only what is shaped like one is.
  if (!is_key_id(parts->key_id)) return std::unexpected("malformed");
  const MasterKey* key = find_key(keys, parts->key_id);
  if (key == nullptr) return std::unexpected("unknown key id " + std::string(parts->key_id));
  const Cipher cipher = start(*key, parts->nonce.data(), aad, false);
  const std::size_t size = parts->text.size() - tag_bytes;
  std::vector<std::uint8_t> plain(size + 1);
  int n = 0;
  const bool opened = EVP_CipherUpdate(cipher.get(), plain.data(), &n, parts->text.data(),
                                       static_cast<int>(size)) == 1 &&
                      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes,
                                          parts->text.data() + size) == 1 &&
                      EVP_CipherFinal_ex(cipher.get(), plain.data() + n, &n) == 1;
  std::expected<Secret, std::string> out = std::unexpected("does not open");
  if (opened) out = Secret({reinterpret_cast<const char*>(plain.data()), size});
  OPENSSL_cleanse(plain.data(), plain.size());
  return out;
}

}  // namespace oneclick
