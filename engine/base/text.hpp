// Short text held in place: trivially copyable, compared and hashed over all its bytes (unused
// bytes are zero), so it can travel through queues and the journal.
#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace oneclick {

// Holds up to N bytes; sizeof is N + 1.
template <std::size_t N>
struct Text {
  static_assert(N < 256);
  static constexpr std::size_t capacity = N;

  char data[N];
  std::uint8_t size;

  // Cuts what does not fit; use fits() first where cutting would be wrong.
  [[nodiscard]] static constexpr Text cut(std::string_view from) {
    Text out{};
    out.size = static_cast<std::uint8_t>(from.size() < N ? from.size() : N);
    for (std::size_t i = 0; i < out.size; ++i) out.data[i] = from[i];
    return out;
  }
  [[nodiscard]] static constexpr bool fits(std::string_view from) { return from.size() <= N; }
  [[nodiscard]] constexpr std::string_view view() const { return {data, size}; }
  [[nodiscard]] constexpr bool empty() const { return size == 0; }
  [[nodiscard]] std::string str() const { return std::string(view()); }
  friend bool operator==(const Text& a, const Text& b) {
    return a.size == b.size && std::memcmp(a.data, b.data, N) == 0;
  }
  friend auto operator<=>(const Text& a, const Text& b) { return a.view() <=> b.view(); }
};

}  // namespace oneclick
