#include "engine/base/decimal.hpp"

#include <bit>
#include <charconv>

#include "engine/base/check.hpp"

namespace oneclick {

namespace {

// |x| < 1e12, in units of 1e-8.
constexpr i128 numeric_20_8_limit = static_cast<i128>(1'000'000'000'000) * Decimal::scale;

struct U256 {
  u128 high;
  u128 low;
};

U256 multiply(u128 a, u128 b) {
  constexpr u128 mask = ~std::uint64_t{0};
  const u128 a0 = a & mask, a1 = a >> 64, b0 = b & mask, b1 = b >> 64;
  const u128 p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
  const u128 middle = (p00 >> 64) + (p01 & mask) + (p10 & mask);
  return {p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64), (middle << 64) | (p00 & mask)};
}

struct QuotientRemainder {
  u128 quotient;
  u128 remainder;
  bool overflow;
};

// Schoolbook long division, bit by bit: only taken when the product leaves 128 bits.
QuotientRemainder divide(U256 n, u128 d) {
  if (n.high == 0) return {n.low / d, n.low % d, false};
  if (n.high >= d) return {0, 0, true};
  u128 remainder = n.high, quotient = 0;
  for (int bit = 127; bit >= 0; --bit) {
    const bool carry = (remainder >> 127) != 0;
    remainder = (remainder << 1) | ((n.low >> bit) & 1);
    if (carry || remainder >= d) {
      remainder -= d;
      quotient |= static_cast<u128>(1) << bit;
    }
  }
  return {quotient, remainder, false};
}

u128 magnitude(i128 x) { return x < 0 ? static_cast<u128>(-(x + 1)) + 1 : static_cast<u128>(x); }

u128 rounded(QuotientRemainder r, u128 divisor, Round round) {
  if (r.remainder == 0) return r.quotient;
  switch (round) {
    case Round::down: return r.quotient;
    case Round::up: return r.quotient + 1;
    case Round::nearest: return r.quotient + (r.remainder >= divisor - r.remainder ? 1 : 0);
  }
  return r.quotient;
}

Decimal with_sign(u128 value, bool negative) {
  if (value > static_cast<u128>(decimal_max.e8())) value = static_cast<u128>(decimal_max.e8());
  const i128 units = static_cast<i128>(value);
  return Decimal::from_e8(negative ? -units : units);
}

Decimal mul_div_units(i128 a, i128 b, i128 c, Round round) {
  CHECK(c != 0);
  const bool negative = (a < 0) != ((b < 0) != (c < 0));
  const u128 ma = magnitude(a), mb = magnitude(b), mc = magnitude(c);
  // Two 64-bit factors and a 64-bit divisor are the everyday case: one multiplication, one division.
  if ((ma >> 64) == 0 && (mb >> 64) == 0) {
    const u128 product = ma * mb;
    return with_sign(rounded({product / mc, product % mc, false}, mc, round), negative);
  }
  const QuotientRemainder r = divide(multiply(ma, mb), mc);
  if (r.overflow) return with_sign(static_cast<u128>(decimal_max.e8()), negative);
  return with_sign(rounded(r, mc, round), negative);
}

struct Parsed {
  u128 digits = 0;       // significant digits as an integer
  int exponent = 0;      // value = digits * 10^exponent
  bool negative = false;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::expected<Parsed, DecimalError> scan(std::string_view text) {
  Parsed out;
  std::size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) out.negative = text[i++] == '-';
  bool any = false, point = false;
  int significant = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(c)) break;
    any = true;
    if (point) --out.exponent;
    if (significant == 0 && c == '0') continue;
    if (significant >= 36) {
      // Beyond what 128 bits hold: a zero only shifts, anything else is too fine or too large.
      if (c != '0') return std::unexpected(point ? DecimalError::too_fine : DecimalError::too_large);
      ++out.exponent;
      continue;
    }
    out.digits = out.digits * 10 + static_cast<u128>(c - '0');
    ++significant;
  }
  if (!any) return std::unexpected(DecimalError::malformed);
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    std::string_view rest = text.substr(i + 1);
    if (!rest.empty() && rest[0] == '+') rest.remove_prefix(1);
    if (rest.empty() || !(is_digit(rest[0]) || (rest[0] == '-' && rest.size() > 1)))
      return std::unexpected(DecimalError::malformed);
    int value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (end != rest.data() + rest.size()) return std::unexpected(DecimalError::malformed);
    if (error != std::errc{} || value > 1000 || value < -1000)
      return std::unexpected(value < 0 ? DecimalError::too_fine : DecimalError::too_large);
    out.exponent += value;
    i = text.size();
  }
  if (i != text.size()) return std::unexpected(DecimalError::malformed);
  return out;
}

std::expected<Decimal, DecimalError> build(Parsed p, Round round, bool exact) {
  int shift = p.exponent + 8;
  u128 units = p.digits;
  constexpr u128 limit = static_cast<u128>(numeric_20_8_limit);
  for (; shift > 0 && units != 0; --shift) {
    if (units >= limit) return std::unexpected(DecimalError::too_large);
    units *= 10;
  }
  if (shift < 0) {
    u128 remainder_seen = 0;
    u128 last_digit = 0;
    for (; shift < 0; ++shift) {
      remainder_seen |= last_digit;
      last_digit = units % 10;
      units /= 10;
      if (units == 0 && last_digit == 0 && remainder_seen == 0 && shift < -40) break;
    }
    if (remainder_seen != 0 || last_digit != 0) {
      if (exact) return std::unexpected(DecimalError::too_fine);
      if (round == Round::up || (round == Round::nearest && last_digit >= 5)) ++units;
    }
  }
  if (units >= limit) return std::unexpected(DecimalError::too_large);
  return with_sign(units, p.negative);
}

}  // namespace

std::string_view to_text(DecimalError error) {
  switch (error) {
    case DecimalError::malformed: return "not a plain decimal number";
    case DecimalError::too_fine: return "more than eight decimals";
    case DecimalError::too_large: return "1e12 or more in magnitude";
  }
  return "";
}

std::expected<Decimal, DecimalError> Decimal::parse(std::string_view text) {
  const auto parsed = scan(text);
  if (!parsed) return std::unexpected(parsed.error());
  return build(*parsed, Round::down, true);
}

std::expected<Decimal, DecimalError> Decimal::parse_rounded(std::string_view text, Round round) {
  const auto parsed = scan(text);
  if (!parsed) return std::unexpected(parsed.error());
  return build(*parsed, round, false);
}

Decimal Decimal::of(std::string_view text) {
  const auto value = parse(text);
  CHECK(value.has_value());
  return *value;
}

bool Decimal::fits_numeric_20_8() const {
  return units_ < numeric_20_8_limit && units_ > -numeric_20_8_limit;
}

std::size_t Decimal::write_fixed(char* out, int decimals) const {
  CHECK(decimals >= 0 && decimals <= 8);
  char* p = out;
  const u128 m = magnitude(units_);
  if (units_ < 0) *p++ = '-';
  u128 whole = m / static_cast<u128>(scale);
  auto fraction = static_cast<std::uint64_t>(m % static_cast<u128>(scale));
  char digits[40];
  int n = 0;
  do {
    digits[n++] = static_cast<char>('0' + static_cast<int>(whole % 10));
    whole /= 10;
  } while (whole != 0);
  while (n > 0) *p++ = digits[--n];
  if (decimals > 0) {
    *p++ = '.';
    char tail[8];
    for (int i = 7; i >= 0; --i) {
      tail[i] = static_cast<char>('0' + fraction % 10);
      fraction /= 10;
    }
    for (int i = 0; i < decimals; ++i) *p++ = tail[i];
  }
  return static_cast<std::size_t>(p - out);
}

std::size_t Decimal::write(char* out) const {
  std::size_t n = write_fixed(out, 8);
  while (out[n - 1] == '0') --n;
  if (out[n - 1] == '.') --n;
  return n;
}

std::string Decimal::to_text() const {
  char buffer[text_size_max];
  return std::string(buffer, write(buffer));
}

Decimal mul_div(Decimal a, Decimal b, Decimal c, Round round) {
  return mul_div_units(a.e8(), b.e8(), c.e8(), round);
}
Decimal mul(Decimal a, Decimal b, Round round) {
  return mul_div_units(a.e8(), b.e8(), Decimal::scale, round);
}
Decimal div(Decimal a, Decimal b, Round round) {
  return mul_div_units(a.e8(), Decimal::scale, b.e8(), round);
}
Decimal scale_by(Decimal a, std::int64_t numerator, std::int64_t denominator, Round round) {
  return mul_div_units(a.e8(), numerator, denominator, round);
}

Decimal round_to_step(Decimal a, Decimal step, Round round) {
  CHECK(step.is_positive());
  const u128 m = magnitude(a.e8()), s = static_cast<u128>(step.e8());
  u128 count;
  if ((m >> 64) == 0 && (s >> 64) == 0) {
    const auto m64 = static_cast<std::uint64_t>(m), s64 = static_cast<std::uint64_t>(s);
    count = rounded({m64 / s64, m64 % s64, false}, s, round);
  } else {
    count = rounded({m / s, m % s, false}, s, round);
  }
  return with_sign(count * s, a.is_negative());
}

bool is_multiple(Decimal a, Decimal step) {
  CHECK(step.is_positive());
  return magnitude(a.e8()) % static_cast<u128>(step.e8()) == 0;
}

}  // namespace oneclick
