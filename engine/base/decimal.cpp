#include "engine/base/decimal.hpp"

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

u128 magnitude(i128 x) {
  return x < 0 ? static_cast<u128>(-(x + 1)) + 1 : static_cast<u128>(x);
}

u128 rounded(QuotientRemainder r, u128 divisor, Round round) {
  if (r.remainder == 0) return r.quotient;
  switch (round) {
    case Round::down:
      return r.quotient;
    case Round::up:
      return r.quotient + 1;
    case Round::nearest:
      return r.quotient + (r.remainder >= divisor - r.remainder ? 1 : 0);
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
  // Two 64-bit factors and a 64-bit divisor are the everyday case: one multiplication, one
  // division.
  if ((ma >> 64) == 0 && (mb >> 64) == 0) {
    const u128 product = ma * mb;
    return with_sign(rounded({product / mc, product % mc, false}, mc, round), negative);
  }
  const QuotientRemainder r = divide(multiply(ma, mb), mc);
  if (r.overflow) return with_sign(static_cast<u128>(decimal_max.e8()), negative);
  return with_sign(rounded(r, mc, round), negative);
}

struct Parsed {
  u128 digits;   // the leading significant digits as an integer
  int exponent;  // value = digits * 10^exponent, and a little more when `more` is set
  bool negative;
  bool more;  // digits that are not zero follow the kept ones
};

constexpr int digits_kept_max = 36;  // what 128 bits hold; DECIMAL(20,8) has 20
constexpr int exponent_max = 1000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr std::uint64_t powers_of_ten[] = {1,       10,        100,        1'000,      10'000,
                                           100'000, 1'000'000, 10'000'000, 100'000'000};

// Takes a run of digits from the front of `text`. False when there is none.
bool scan_digits(std::string_view& text, Parsed& out, int& significant, bool after_point) {
  std::size_t i = 0;
  // Nearly every number ends here: up to 18 digits need no 128-bit multiplication.
  if (out.digits < powers_of_ten[8]) {
    auto low = static_cast<std::uint64_t>(out.digits);
    for (; i < text.size() && i < 10 && is_digit(text[i]); ++i) {
      low = low * 10 + static_cast<std::uint64_t>(text[i] - '0');
      if (low != 0) ++significant;
    }
    out.digits = low;
    if (after_point) out.exponent -= static_cast<int>(i);
  }
  for (; i < text.size() && is_digit(text[i]); ++i) {
    const char c = text[i];
    if (significant < digits_kept_max) {
      out.digits = out.digits * 10 + static_cast<u128>(c - '0');
      if (significant > 0 || c != '0') ++significant;
      if (after_point) --out.exponent;
      continue;
    }
    out.more = out.more || c != '0';
    if (!after_point) ++out.exponent;
  }
  text.remove_prefix(i);
  return i > 0;
}

// What follows the e. Exponents beyond +-1000 are held at that: they say "far too large" or "far
// too fine" of every number but zero.
bool scan_exponent(std::string_view text, int& out) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return false;
  int value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    if (value < exponent_max) value = value * 10 + (c - '0');
  }
  if (value > exponent_max) value = exponent_max;
  out += negative ? -value : value;
  return true;
}

std::expected<Parsed, DecimalError> scan(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(exponent_max))
    return std::unexpected(DecimalError::malformed);
  Parsed out{0, 0, false, false};
  int significant = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (!scan_digits(text, out, significant, false)) return std::unexpected(DecimalError::malformed);
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    if (!scan_digits(text, out, significant, true)) return std::unexpected(DecimalError::malformed);
  }
  if (text.empty()) return out;
  const bool exponent = text[0] == 'e' || text[0] == 'E';
  if (!exponent || !scan_exponent(text.substr(1), out.exponent))
    return std::unexpected(DecimalError::malformed);
  return out;
}

std::expected<Decimal, DecimalError> build(Parsed p, Round round, bool exact) {
  constexpr u128 limit = static_cast<u128>(numeric_20_8_limit);
  u128 units = p.digits;
  if (units == 0) return Decimal::from_e8(0);
  int shift = p.exponent + 8;
  if (shift > 0 && shift <= 8 && units < limit) {  // the product stays far below 2^128
    units *= powers_of_ten[shift];
    shift = 0;
  }
  for (; shift > 0; --shift) {
    if (units >= limit) return std::unexpected(DecimalError::too_large);
    units *= 10;
  }
  bool below = p.more;  // something that is not zero lies below `cut`
  u128 cut = 0;         // the highest digit cut off
  for (; shift < 0; ++shift) {
    below = below || cut != 0;
    cut = units % 10;
    units /= 10;
    if (units == 0 && cut == 0) break;
  }
  if (units >= limit) return std::unexpected(DecimalError::too_large);
  if (cut != 0 || below) {
    if (exact) return std::unexpected(DecimalError::too_fine);
    if (round == Round::up || (round == Round::nearest && cut >= 5)) ++units;
    if (units >= limit) return std::unexpected(DecimalError::too_large);
  }
  return with_sign(units, p.negative);
}

// At least `width` digits, zeros in front.
char* write_digits(char* out, std::uint64_t value, int width) {
  char digits[20];
  int n = 0;
  for (; value != 0 || n < width; value /= 10) digits[n++] = static_cast<char>('0' + value % 10);
  while (n > 0) *out++ = digits[--n];
  return out;
}

}  // namespace

std::string_view to_text(DecimalError error) {
  switch (error) {
    case DecimalError::malformed:
      return "not a plain decimal number";
    case DecimalError::too_fine:
      return "more than eight decimals";
    case DecimalError::too_large:
      return "1e12 or more in magnitude";
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
  const u128 m = magnitude(units_);
  u128 whole = m / static_cast<u128>(scale);
  auto fraction = static_cast<std::uint64_t>(m % static_cast<u128>(scale));
  for (int i = decimals; i < 8; ++i) fraction /= 10;
  char* p = out;
  if (units_ < 0 && (whole != 0 || fraction != 0)) *p++ = '-';  // never "-0.00"
  // 128-bit divisions only for the digits that need them.
  constexpr std::uint64_t ten_to_18 = 1'000'000'000'000'000'000;
  if (whole >= ten_to_18) {
    p = write_digits(p, static_cast<std::uint64_t>(whole / ten_to_18), 1);
    p = write_digits(p, static_cast<std::uint64_t>(whole % ten_to_18), 18);
  } else {
    p = write_digits(p, static_cast<std::uint64_t>(whole), 1);
  }
  if (decimals > 0) {
    *p++ = '.';
    p = write_digits(p, fraction, decimals);
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
