#include "persistence/pg_rows.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

constexpr std::string_view copy_header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
// 2000-01-01 in Unix microseconds: PostgreSQL counts from there.
constexpr std::int64_t epoch_us = 946'684'800'000'000;
constexpr std::int64_t ns_per_us = 1'000;

// Base-10000 digits of a number, most significant first, as PostgreSQL's numeric wants them: 31
// integer digits fit eight of them, the fraction is always two.
struct NumericDigits {
  std::array<std::uint16_t, 12> digits;
  int count;
  int weight;
};

NumericDigits numeric_digits(u128 units) {
  std::array<std::uint16_t, 12> reversed{};
  int n = 0;
  for (; units != 0; units /= 10'000)
    reversed[static_cast<std::size_t>(n++)] = static_cast<std::uint16_t>(units % 10'000);
  NumericDigits out{.digits = {}, .count = 0, .weight = n - 1 - 2};
  for (int i = n - 1; i >= 0; --i)
    out.digits[static_cast<std::size_t>(out.count++)] = reversed[static_cast<std::size_t>(i)];
  while (out.count > 0 && out.digits[static_cast<std::size_t>(out.count - 1)] == 0) --out.count;
  return out;
}

std::int64_t floor_us(std::int64_t ns) {
  return ns >= 0 ? ns / ns_per_us : -((-ns + ns_per_us - 1) / ns_per_us);
}

}  // namespace

void CopyRows::clear() {
  data_.assign(copy_header);
  rows_ = 0;
  finished_ = false;
}

std::string_view CopyRows::finish() {
  if (!finished_) put16(0xffff);
  finished_ = true;
  return data_;
}

void CopyRows::begin_row(int fields) {
  put16(static_cast<std::uint16_t>(fields));
  ++rows_;
}

void CopyRows::null() {
  put32(0xffff'ffff);
}

void CopyRows::uuid(const Uuid& value) {
  if (value.is_nil()) return null();
  put32(16);
  put64(value.high);
  put64(value.low);
}

void CopyRows::text(std::string_view value) {
  // Nearly all of it is plain ASCII, which is valid as it is.
  if (std::ranges::all_of(value, [](char c) { return c > 0; })) return bytes(value);
  bytes(database_text(value));
}

void CopyRows::bytes(std::string_view value) {
  put32(static_cast<std::uint32_t>(value.size()));
  data_.append(value);
}

void CopyRows::text_or_null(std::string_view value) {
  if (value.empty()) return null();
  text(value);
}

void CopyRows::int4(std::int32_t value) {
  put32(4);
  put32(static_cast<std::uint32_t>(value));
}

void CopyRows::int8(std::int64_t value) {
  put32(8);
  put64(static_cast<std::uint64_t>(value));
}

void CopyRows::int8_or_null(std::int64_t value) {
  if (value == 0) return null();
  int8(value);
}

void CopyRows::boolean(bool value) {
  put32(1);
  data_.push_back(value ? '\1' : '\0');
}

void CopyRows::numeric(Decimal value) {
  const bool negative = value.is_negative();
  const NumericDigits n = numeric_digits(static_cast<u128>(negative ? -value.e8() : value.e8()));
  put32(static_cast<std::uint32_t>(8 + 2 * n.count));
  put16(static_cast<std::uint16_t>(n.count));
  put16(static_cast<std::uint16_t>(n.count == 0 ? 0 : n.weight));
  put16(negative ? 0x4000 : 0);
  put16(8);
  for (int i = 0; i < n.count; ++i) put16(n.digits[static_cast<std::size_t>(i)]);
}

void CopyRows::numeric_or_null(Decimal value) {
  if (value.is_zero()) return null();
  numeric(value);
}

void CopyRows::time(std::int64_t unix_ns) {
  int8(floor_us(unix_ns) - epoch_us);
}

void CopyRows::time_or_null(std::int64_t unix_ns) {
  if (unix_ns == 0) return null();
  time(unix_ns);
}

void CopyRows::jsonb(std::string_view json) {
  put32(static_cast<std::uint32_t>(json.size() + 1));
  data_.push_back('\1');  // format version
  data_.append(json);
}

void CopyRows::put16(std::uint16_t v) {
  put_bytes(__builtin_bswap16(v));
}
void CopyRows::put32(std::uint32_t v) {
  put_bytes(__builtin_bswap32(v));
}
void CopyRows::put64(std::uint64_t v) {
  put_bytes(__builtin_bswap64(v));
}
template <typename Swapped>
void CopyRows::put_bytes(Swapped value) {
  static_assert(std::endian::native == std::endian::little);
  std::array<char, sizeof value> big_endian;
  std::memcpy(big_endian.data(), &value, sizeof value);
  data_.append(big_endian.data(), big_endian.size());
}

}  // namespace oneclick
