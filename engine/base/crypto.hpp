// Keys, signatures and sealed text. The only header through which the engine reaches OpenSSL's
// primitives; every function is thread-safe unless it says otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"

namespace oneclick {

// Bytes that are wiped when released.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text);
  Secret(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret other) noexcept;
  ~Secret();
  [[nodiscard]] std::string_view view() const { return {data_.data(), data_.size()}; }
  [[nodiscard]] bool empty() const { return data_.empty(); }

 private:
  std::vector<char> data_;
};

// HMAC-SHA256 with the key's two midstates computed once (64 bytes a key). `sign` costs the blocks
// of the text plus one. A prefix shared by all texts of one key (whole 64-byte blocks) can be
// folded in.
class HmacKey {
 public:
  HmacKey() = default;
  explicit HmacKey(std::string_view key);
  [[nodiscard]] Digest sign(std::string_view text) const;

  // State of the inner hash after the key and `prefix`, whose length must be a multiple of 64.
  struct Prefix {
    std::array<std::uint32_t, 8> state;
    std::uint64_t size;  // bytes of text folded in
  };
  [[nodiscard]] Prefix fold(std::string_view prefix) const;
  [[nodiscard]] Digest sign_after(const Prefix& prefix, std::string_view rest) const;

 private:
  friend void sign_many(std::span<const struct HmacJob> jobs);

  std::array<std::uint32_t, 8> inner_{};
  std::array<std::uint32_t, 8> outer_{};
};

// One signature of a batch: that of `prefix` (may be null: none) and `text` after it.
struct HmacJob {
  const HmacKey* key;
  const HmacKey::Prefix* prefix;
  std::string_view text;
  Digest* out;
};
// Signs many texts, several keys interleaved: about half the cost of one after the other. Hot path.
void sign_many(std::span<const HmacJob> jobs);

// Ed25519, for venues that offer it. Not for the order path: 37 us a signature.
class Ed25519Key {
 public:
  // PEM (PKCS#8). Empty optional-like null on malformed input.
  [[nodiscard]] static std::expected<Ed25519Key, std::string> from_pem(std::string_view pem);
  [[nodiscard]] static Ed25519Key generate();
  [[nodiscard]] std::array<std::uint8_t, 64> sign(std::string_view text) const;
  [[nodiscard]] std::string to_pem() const;
  [[nodiscard]] std::string public_pem() const;

 private:
  std::shared_ptr<void> key_;
};
[[nodiscard]] bool ed25519_verify(std::string_view public_pem, std::string_view text,
                                  std::span<const std::uint8_t, 64> signature);

// Sealed text: v1.<key id>.<nonce>.<ciphertext and tag>, base64url, AES-256-GCM. The additional
// data binds it to its place ("table|column|row id"); moved anywhere else it does not open.
struct MasterKey {
  std::string id;  // 1..16 of [a-z0-9]
  std::array<std::uint8_t, 32> bytes;
};
[[nodiscard]] std::string seal(const MasterKey& key, std::string_view aad, std::string_view plain);
// Errors: "malformed", "unknown key id ...", "does not open" (wrong key, place or altered bytes).
[[nodiscard]] std::expected<Secret, std::string> open_sealed(std::span<const MasterKey> keys,
                                                             std::string_view aad,
                                                             std::string_view sealed);

void random_bytes(std::span<std::uint8_t> out);
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

// Lower-case hex of n bytes into 2n characters.
void write_hex(const std::uint8_t* in, std::size_t n, char* out);
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::string to_base64(std::span<const std::uint8_t> bytes);  // RFC 4648 section 4
[[nodiscard]] std::string to_base64url(
    std::span<const std::uint8_t> bytes);  // section 5, no padding
[[nodiscard]] std::expected<std::vector<std::uint8_t>, std::string> from_base64url(
    std::string_view);
[[nodiscard]] std::expected<std::vector<std::uint8_t>, std::string> from_base64(std::string_view);

}  // namespace oneclick
