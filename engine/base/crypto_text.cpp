// Bytes as text: hex and base64, strict in both directions, and the small tools around secrets.
#include <algorithm>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick {

namespace {

constexpr char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::array<char, 2>, 256> make_hex_pairs() {
  constexpr char digits[] = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < 256; ++i) pairs[i] = {digits[i >> 4], digits[i & 15]};
  return pairs;
}
constexpr auto hex_pairs = make_hex_pairs();

constexpr std::array<std::int8_t, 256> make_reverse(const char* alphabet) {
  std::array<std::int8_t, 256> out{};
  for (auto& value : out) value = -1;
  for (int i = 0; i < 64; ++i)
    out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  return out;
}
constexpr auto standard_reverse = make_reverse(standard);
constexpr auto url_safe_reverse = make_reverse(url_safe);

std::string encode(std::span<const std::uint8_t> in, const char* alphabet, bool pad) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < in.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, in.size() - i);
    std::uint32_t group = static_cast<std::uint32_t>(in[i]) << 16;
    if (n > 1) group |= static_cast<std::uint32_t>(in[i + 1]) << 8;
    if (n > 2) group |= in[i + 2];
    for (std::size_t k = 0; k <= n; ++k) out += alphabet[(group >> (18 - 6 * k)) & 63];
    if (pad) out.append(3 - n, '=');
  }
  return out;
}

// Bits that no byte uses must be zero: otherwise several texts would mean the same bytes.
std::expected<std::vector<std::uint8_t>, std::string> decode(
    std::string_view in, const std::array<std::int8_t, 256>& reverse) {
  if (in.size() % 4 == 1) return std::unexpected("base64 of impossible length");
  std::vector<std::uint8_t> out;
  out.reserve(in.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : in) {
    const int value = reverse[static_cast<unsigned char>(c)];
    if (value < 0) return std::unexpected("not base64");
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<std::uint8_t>(bits >> held));
  }
  if ((bits & ((1U << held) - 1)) != 0) return std::unexpected("base64 with stray bits");
  return out;
}

}  // namespace

Secret::Secret(std::string_view text) : data_(text.begin(), text.end()) {}
Secret::Secret(const Secret& other) = default;
Secret::Secret(Secret&& other) noexcept = default;
Secret& Secret::operator=(Secret other) noexcept {
  data_.swap(other.data_);
  return *this;
}
Secret::~Secret() {
  if (!data_.empty()) OPENSSL_cleanse(data_.data(), data_.size());
}

void random_bytes(std::span<std::uint8_t> out) {
  CHECK(out.size() <= 1 << 20);
  CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void write_hex(const std::uint8_t* in, std::size_t n, char* out) {
  for (std::size_t i = 0; i < n; ++i) {
    out[2 * i] = hex_pairs[in[i]][0];
    out[2 * i + 1] = hex_pairs[in[i]][1];
  }
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  std::string out(2 * bytes.size(), '0');
  write_hex(bytes.data(), bytes.size(), out.data());
  return out;
}

std::string to_base64(std::span<const std::uint8_t> bytes) {
  return encode(bytes, standard, true);
}
std::string to_base64url(std::span<const std::uint8_t> bytes) {
  return encode(bytes, url_safe, false);
}

std::expected<std::vector<std::uint8_t>, std::string> from_base64url(std::string_view text) {
  return decode(text, url_safe_reverse);
}

std::expected<std::vector<std::uint8_t>, std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::unexpected("base64 of impossible length");
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return decode(text, standard_reverse);
}

}  // namespace oneclick
