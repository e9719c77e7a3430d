// Exact fixed-point numbers for prices, quantities and money: a signed 128-bit count of 1e-8 units.
// Covers all of PostgreSQL's DECIMAL(20,8) (|x| < 1e12) with room for sums. Every operation that
// can lose digits takes the rounding direction; every operation that can leave the range says so.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace oneclick {

__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

// Direction of rounding: toward zero, away from zero, or to nearest (half away from zero).
enum class Round : std::uint8_t { down, up, nearest };

enum class DecimalError : std::uint8_t {
  malformed,  // not a plain decimal number
  too_fine,   // more than eight decimals that are not zero
  too_large,  // does not fit DECIMAL(20,8)
};
[[nodiscard]] std::string_view to_text(DecimalError error);

class Decimal {
 public:
  static constexpr std::int64_t scale = 100'000'000;  // units in 1
  // Longest text: sign, 31 integer digits, point, 8 decimals.
  static constexpr std::size_t text_size_max = 48;

  Decimal() = default;  // trivial: `Decimal{}` is zero, `Decimal d;` is not set
  [[nodiscard]] static constexpr Decimal from_e8(i128 units) {
    Decimal d{};
    d.units_ = units;
    return d;
  }
  [[nodiscard]] static constexpr Decimal from_integer(std::int64_t value) {
    return from_e8(static_cast<i128>(value) * scale);
  }
  // Accepts [+-]digits[.digits][e[+-]digits] of up to 1,000 characters; refuses NaN, infinity,
  // blanks, "1." and ".5" (JSON has neither), anything else. More than eight decimals are refused
  // unless they are zeros: money is never rounded on the way in.
  [[nodiscard]] static std::expected<Decimal, DecimalError> parse(std::string_view text);
  // As parse, but extra decimals are rounded as said. For descriptive figures only.
  [[nodiscard]] static std::expected<Decimal, DecimalError> parse_rounded(std::string_view text,
                                                                          Round round);
  // For constants in code and tests; terminates on a malformed literal.
  [[nodiscard]] static Decimal of(std::string_view text);

  [[nodiscard]] constexpr i128 e8() const { return units_; }
  [[nodiscard]] constexpr bool is_zero() const { return units_ == 0; }
  [[nodiscard]] constexpr bool is_negative() const { return units_ < 0; }
  [[nodiscard]] constexpr bool is_positive() const { return units_ > 0; }
  // |x| < 1e12: fits the database's DECIMAL(20,8).
  [[nodiscard]] bool fits_numeric_20_8() const;

  // Plain digits, no exponent, no trailing zeros ("0.1", "-12", "0"). Returns the count written.
  std::size_t write(char* out) const;
  [[nodiscard]] std::string to_text() const;
  // With exactly `decimals` (0..8) decimals; cuts what is beyond. Venues want fixed precision.
  std::size_t write_fixed(char* out, int decimals) const;

  friend constexpr auto operator<=>(const Decimal&, const Decimal&) = default;
  friend constexpr bool operator==(const Decimal&, const Decimal&) = default;
  constexpr Decimal operator-() const { return from_e8(-units_); }
  // Sums of DECIMAL(20,8) cannot leave 128 bits: it would take 1e18 of them.
  friend constexpr Decimal operator+(Decimal a, Decimal b) { return from_e8(a.units_ + b.units_); }
  friend constexpr Decimal operator-(Decimal a, Decimal b) { return from_e8(a.units_ - b.units_); }
  constexpr Decimal& operator+=(Decimal b) { return *this = *this + b; }
  constexpr Decimal& operator-=(Decimal b) { return *this = *this - b; }

 private:
  i128 units_;
};

[[nodiscard]] constexpr Decimal min(Decimal a, Decimal b) {
  return b < a ? b : a;
}
[[nodiscard]] constexpr Decimal max(Decimal a, Decimal b) {
  return a < b ? b : a;
}
[[nodiscard]] constexpr Decimal abs(Decimal a) {
  return a.is_negative() ? -a : a;
}

// The largest magnitude that results are clamped to when a product leaves the range: far above any
// DECIMAL(20,8), so a clamped notional fails every limit instead of wrapping below it.
inline constexpr Decimal decimal_max = Decimal::from_e8(static_cast<i128>(1) << 120);

// a * b / c with a 256-bit product, rounded once. Clamps to +-decimal_max; c must not be zero.
[[nodiscard]] Decimal mul_div(Decimal a, Decimal b, Decimal c, Round round);
[[nodiscard]] Decimal mul(Decimal a, Decimal b, Round round);
[[nodiscard]] Decimal div(Decimal a, Decimal b, Round round);
// a * numerator / denominator for plain integers (percentages, basis points); denominator > 0.
[[nodiscard]] Decimal scale_by(Decimal a, std::int64_t numerator, std::int64_t denominator,
                               Round round);
// Nearest multiple of step in the given direction of magnitude; step > 0.
[[nodiscard]] Decimal round_to_step(Decimal a, Decimal step, Round round);
[[nodiscard]] bool is_multiple(Decimal a, Decimal step);

}  // namespace oneclick
