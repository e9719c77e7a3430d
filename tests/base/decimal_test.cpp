// Decimal against tables, and against exact arithmetic on big integers that shares nothing with it.
#include "engine/base/decimal.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

// --- A slow, exact unsigned integer of any size: little-endian limbs of 1e9 ----------------------

struct Big {
  std::vector<std::uint64_t> limbs;
};
constexpr std::uint64_t limb_base = 1'000'000'000;

Big trimmed(Big a) {
  while (!a.limbs.empty() && a.limbs.back() == 0) a.limbs.pop_back();
  return a;
}

Big big(u128 value) {
  Big out;
  for (; value != 0; value /= limb_base)
    out.limbs.push_back(static_cast<std::uint64_t>(value % limb_base));
  return out;
}

Big operator*(const Big& a, const Big& b) {
  Big out;
  out.limbs.assign(a.limbs.size() + b.limbs.size() + 1, 0);
  for (std::size_t i = 0; i < a.limbs.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b.limbs.size() || carry != 0; ++j) {
      const std::uint64_t factor = j < b.limbs.size() ? b.limbs[j] : 0;
      const std::uint64_t sum = out.limbs[i + j] + a.limbs[i] * factor + carry;
      out.limbs[i + j] = sum % limb_base;
      carry = sum / limb_base;
    }
  }
  return trimmed(out);
}

bool operator<=(const Big& a, const Big& b) {
  if (a.limbs.size() != b.limbs.size()) return a.limbs.size() < b.limbs.size();
  for (std::size_t i = a.limbs.size(); i-- > 0;)
    if (a.limbs[i] != b.limbs[i]) return a.limbs[i] < b.limbs[i];
  return true;
}
bool operator<(const Big& a, const Big& b) {
  return !(b <= a);
}

u128 size_of(i128 x) {
  return x < 0 ? -static_cast<u128>(x) : static_cast<u128>(x);
}

// Is `q` the quotient n / d rounded in this direction? By what defines it, not by dividing.
bool is_rounded_quotient(const Big& n, const Big& d, u128 q, Round round) {
  switch (round) {
    case Round::down:
      return big(q) * d <= n && n < big(q + 1) * d;
    case Round::up:
      return n <= big(q) * d && (q == 0 || big(q - 1) * d < n);
    case Round::nearest:  // (2q - 1) d <= 2n < (2q + 1) d
      return (q == 0 || big(2 * q - 1) * d <= n * big(2)) && n * big(2) < big(2 * q + 1) * d;
  }
  return false;
}

// Random cases of each kind; sanitizers make each ten to fifty times as slow.
#ifdef ONECLICK_SANITIZE
constexpr int random_cases = 50'000;
#else
constexpr int random_cases = 1'000'000;
#endif

constexpr Round directions[] = {Round::down, Round::up, Round::nearest};

// Numbers of every size up to `bits`, small ones and edges as likely as large ones.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  u128 of_bits(unsigned bits_max) {
    const auto bits = static_cast<unsigned>(below(bits_max + 1));
    if (bits == 0) return 0;
    const u128 value = (static_cast<u128>(random_()) << 64) | random_();
    const u128 kept = value >> (128 - bits);
    if (below(8) != 0) return kept;
    return below(2) == 0 ? static_cast<u128>(1) << (bits - 1)
                         : (static_cast<u128>(1) << (bits - 1)) - 1;
  }
  i128 signed_of_bits(unsigned bits_max) {
    const i128 value = static_cast<i128>(of_bits(bits_max));
    return below(2) == 0 ? value : -value;
  }

 private:
  std::mt19937_64 random_;
};

// --- Parsing -------------------------------------------------------------------------------------

struct ParseCase {
  const char* text;
  const char* value;  // as written back
};

TEST(DecimalParse, TakesPlainDecimalNumbers) {
  const ParseCase cases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"+0", "0"},
      {"0.00000000", "0"},
      {"-0.0", "0"},
      {"1", "1"},
      {"+1", "1"},
      {"-1", "-1"},
      {"0001.5000", "1.5"},
      {"0.1", "0.1"},
      {"0.00000001", "0.00000001"},
      {"-0.00000001", "-0.00000001"},
      {"123456789012.12345678", "123456789012.12345678"},
      {"999999999999.99999999", "999999999999.99999999"},
      {"-999999999999.99999999", "-999999999999.99999999"},
      {"1.000000000000000000000", "1"},
      {"1e3", "1000"},
      {"1E3", "1000"},
      {"1e+3", "1000"},
      {"12345e-5", "0.12345"},
      {"1e-8", "0.00000001"},
      {"9.99e11", "999000000000"},
      {"0e999", "0"},
      {"0e-999", "0"},
      {"0e99999999999", "0"},
      {"100000000000000000000e-10", "10000000000"},
      {"0.000000000000000000000000000000000000000000001e45", "1"},
  };
  for (const ParseCase& c : cases) {
    const auto got = Decimal::parse(c.text);
    ASSERT_TRUE(got.has_value()) << c.text << ": " << to_text(got.error());
    EXPECT_EQ(got->to_text(), c.value) << c.text;
  }
  EXPECT_EQ(Decimal::parse("1" + std::string(399, '0') + "e-399")->to_text(), "1");
  EXPECT_EQ(Decimal::parse("1." + std::string(400, '0'))->to_text(), "1");
  EXPECT_EQ(Decimal::parse(std::string(400, '0') + "7")->to_text(), "7");
}

struct RefusedCase {
  std::string text;
  DecimalError error;
};

TEST(DecimalParse, RefusesEverythingElseByName) {
  const RefusedCase cases[] = {
      {"", DecimalError::malformed},
      {" ", DecimalError::malformed},
      {" 1", DecimalError::malformed},
      {"1 ", DecimalError::malformed},
      {"1\n", DecimalError::malformed},
      {"+", DecimalError::malformed},
      {"-", DecimalError::malformed},
      {"--1", DecimalError::malformed},
      {"+-1", DecimalError::malformed},
      {".", DecimalError::malformed},
      {"1.", DecimalError::malformed},
      {".5", DecimalError::malformed},
      {"-.5", DecimalError::malformed},
      {"1..2", DecimalError::malformed},
      {"1.2.3", DecimalError::malformed},
      {"1,5", DecimalError::malformed},
      {"1_000", DecimalError::malformed},
      {"0x10", DecimalError::malformed},
      {"1e", DecimalError::malformed},
      {"1e+", DecimalError::malformed},
      {"1e-", DecimalError::malformed},
      {"1e+-5", DecimalError::malformed},
      {"1e--5", DecimalError::malformed},
      {"1e5.5", DecimalError::malformed},
      {"1e5e5", DecimalError::malformed},
      {"e5", DecimalError::malformed},
      {"1.e5", DecimalError::malformed},
      {"NaN", DecimalError::malformed},
      {"nan", DecimalError::malformed},
      {"inf", DecimalError::malformed},
      {"Infinity", DecimalError::malformed},
      {"-Infinity", DecimalError::malformed},
      {std::string("1\0", 2), DecimalError::malformed},
      {"\xd9\xa1", DecimalError::malformed},  // ARABIC-INDIC DIGIT ONE
      {std::string(1001, '0'), DecimalError::malformed},
      {"1000000000000", DecimalError::too_large},
      {"-1000000000000", DecimalError::too_large},
      {"1e12", DecimalError::too_large},
      {"1e999", DecimalError::too_large},
      {"-1e999", DecimalError::too_large},
      {"1e99999999999999999999", DecimalError::too_large},
      {std::string(400, '9'), DecimalError::too_large},
      {"1" + std::string(399, '0'), DecimalError::too_large},
      {"340282366920938463463374607431768211456", DecimalError::too_large},  // 2^128
      {"0.000000001", DecimalError::too_fine},
      {"-1.123456789", DecimalError::too_fine},
      {"999999999999.999999999", DecimalError::too_fine},
      {"1e-9", DecimalError::too_fine},
      {"1e-999", DecimalError::too_fine},
      {"1e-99999999999999999999", DecimalError::too_fine},
      {"0." + std::string(399, '0') + "1", DecimalError::too_fine},
      {"0." + std::string(400, '9'), DecimalError::too_fine},
      {std::string(400, '9') + "e-390", DecimalError::too_fine},
  };
  for (const RefusedCase& c : cases) {
    const auto got = Decimal::parse(c.text);
    ASSERT_FALSE(got.has_value()) << c.text << " became " << got->to_text();
    EXPECT_EQ(got.error(), c.error) << c.text;
  }
}

struct RoundedCase {
  std::string text;
  const char* down;
  const char* up;
  const char* nearest;
};

TEST(DecimalParse, RoundsOnTheWayInOnlyWhenAsked) {
  const RoundedCase cases[] = {
      {"0.123456789", "0.12345678", "0.12345679", "0.12345679"},
      {"0.123456784", "0.12345678", "0.12345679", "0.12345678"},
      {"0.123456785", "0.12345678", "0.12345679", "0.12345679"},
      {"-0.123456785", "-0.12345678", "-0.12345679", "-0.12345679"},
      {"0.1234567849999", "0.12345678", "0.12345679", "0.12345678"},
      {"1e-20", "0", "0.00000001", "0"},
      {"-1e-999", "0", "-0.00000001", "0"},
      {"5e-9", "0", "0.00000001", "0.00000001"},
      {"1.00000000" + std::string(300, '0') + "1", "1", "1.00000001", "1"},
      {"0." + std::string(400, '9'), "0.99999999", "1", "1"},
      {"1.25", "1.25", "1.25", "1.25"},
  };
  for (const RoundedCase& c : cases) {
    EXPECT_EQ(Decimal::parse_rounded(c.text, Round::down)->to_text(), c.down) << c.text;
    EXPECT_EQ(Decimal::parse_rounded(c.text, Round::up)->to_text(), c.up) << c.text;
    EXPECT_EQ(Decimal::parse_rounded(c.text, Round::nearest)->to_text(), c.nearest) << c.text;
  }
  // Rounding may leave the range.
  const char* edge = "999999999999.999999995";
  EXPECT_EQ(Decimal::parse_rounded(edge, Round::down)->to_text(), "999999999999.99999999");
  EXPECT_EQ(Decimal::parse_rounded(edge, Round::up).error(), DecimalError::too_large);
  EXPECT_EQ(Decimal::parse_rounded(edge, Round::nearest).error(), DecimalError::too_large);
  EXPECT_EQ(Decimal::parse_rounded("NaN", Round::down).error(), DecimalError::malformed);
}

// --- Text ----------------------------------------------------------------------------------------

TEST(DecimalText, FixedTextCutsAndNeverSaysMinusZero) {
  char out[Decimal::text_size_max];
  const auto fixed = [&](const char* value, int decimals) {
    return std::string(out, Decimal::of(value).write_fixed(out, decimals));
  };
  EXPECT_EQ(fixed("1.23456789", 8), "1.23456789");
  EXPECT_EQ(fixed("1.23456789", 2), "1.23");
  EXPECT_EQ(fixed("1.999", 0), "1");
  EXPECT_EQ(fixed("-1.999", 2), "-1.99");
  EXPECT_EQ(fixed("-0.001", 2), "0.00");
  EXPECT_EQ(fixed("-0.01", 2), "-0.01");
  EXPECT_EQ(fixed("0", 3), "0.000");
  EXPECT_EQ(fixed("12", 4), "12.0000");
}

TEST(DecimalText, TheWidestValueFitsTheBuffer) {
  const i128 widest = static_cast<i128>((static_cast<u128>(1) << 127) - 1);
  EXPECT_EQ(Decimal::from_e8(widest).to_text(), "1701411834604692317316873037158.84105727");
  EXPECT_EQ(Decimal::from_e8(-widest - 1).to_text(), "-1701411834604692317316873037158.84105728");
  EXPECT_LE(Decimal::from_e8(-widest - 1).to_text().size(), Decimal::text_size_max);
  EXPECT_EQ(
      Decimal::from_e8(static_cast<i128>(1'000'000'000'000'000'000) * Decimal::scale).to_text(),
      "1000000000000000000");
}

// Digits of units by hand, one by one, as the oracle for both directions.
std::string digits_of(i128 units) {
  u128 left = size_of(units);
  std::string reversed;
  for (int i = 0; i < 9 || left != 0; ++i) {
    if (i == 8) reversed += '.';
    reversed += static_cast<char>('0' + static_cast<int>(left % 10));
    left /= 10;
  }
  if (units < 0) reversed += '-';
  return {reversed.rbegin(), reversed.rend()};
}

TEST(DecimalText, EveryValueOfTheDatabaseRoundTrips) {
  Numbers numbers(20260101);
  const i128 limit = static_cast<i128>(1'000'000'000'000) * Decimal::scale;
  for (int i = 0; i < random_cases; ++i) {
    const i128 units = numbers.signed_of_bits(67) % limit;
    const std::string full = digits_of(units);
    const auto parsed = Decimal::parse(full);
    ASSERT_TRUE(parsed.has_value()) << full;
    ASSERT_TRUE(parsed->e8() == units) << full;
    char fixed[Decimal::text_size_max];
    ASSERT_EQ(std::string(fixed, parsed->write_fixed(fixed, 8)), full);
    const std::string brief = parsed->to_text();
    ASSERT_TRUE(Decimal::parse(brief)->e8() == units) << brief;
    const bool tidy = brief.find('.') == std::string::npos || brief.back() != '0';
    ASSERT_TRUE(tidy && brief.back() != '.') << brief;
  }
}

TEST(DecimalText, RangeOfTheDatabaseIsExact) {
  EXPECT_TRUE(Decimal::of("999999999999.99999999").fits_numeric_20_8());
  EXPECT_TRUE(Decimal::of("-999999999999.99999999").fits_numeric_20_8());
  const Decimal smallest = Decimal::of("0.00000001");
  EXPECT_FALSE((Decimal::of("999999999999.99999999") + smallest).fits_numeric_20_8());
  EXPECT_FALSE((Decimal::of("-999999999999.99999999") - smallest).fits_numeric_20_8());
}

// --- Arithmetic ----------------------------------------------------------------------------------

struct ProductCase {
  const char* a;
  const char* b;
  const char* c;
  const char* down;
  const char* up;
  const char* nearest;
};

TEST(DecimalArithmetic, MulDivRoundsOnceInTheNamedDirection) {
  const ProductCase cases[] = {
      {"1", "1", "3", "0.33333333", "0.33333334", "0.33333333"},
      {"2", "1", "3", "0.66666666", "0.66666667", "0.66666667"},
      {"-2", "1", "3", "-0.66666666", "-0.66666667", "-0.66666667"},
      {"-2", "-1", "3", "0.66666666", "0.66666667", "0.66666667"},
      {"-2", "-1", "-3", "-0.66666666", "-0.66666667", "-0.66666667"},
      {"0.00000001", "0.5", "1", "0", "0.00000001", "0.00000001"},
      {"0.00000001", "0.49999999", "1", "0", "0.00000001", "0"},
      {"3", "50", "100", "1.5", "1.5", "1.5"},
      {"0", "5", "7", "0", "0", "0"},
      {"999999999999.99999999", "999999999999.99999999", "999999999999.99999999",
       "999999999999.99999999", "999999999999.99999999", "999999999999.99999999"},
  };
  for (const ProductCase& c : cases) {
    const Decimal x = Decimal::of(c.a), y = Decimal::of(c.b), z = Decimal::of(c.c);
    EXPECT_EQ(mul_div(x, y, z, Round::down).to_text(), c.down) << c.a;
    EXPECT_EQ(mul_div(x, y, z, Round::up).to_text(), c.up) << c.a;
    EXPECT_EQ(mul_div(x, y, z, Round::nearest).to_text(), c.nearest) << c.a;
  }
}

TEST(DecimalArithmetic, MulDivIsExactOnRandomCases) {
  Numbers numbers(7);
  const Big highest = big(size_of(decimal_max.e8()));
  int clamped = 0;
  for (int i = 0; i < random_cases; ++i) {
    // A quarter of the cases use everything 128 bits hold, the others what money looks like.
    const unsigned bits = numbers.below(4) == 0 ? 126 : 67;
    const i128 a = numbers.signed_of_bits(bits), b = numbers.signed_of_bits(bits);
    i128 c = numbers.signed_of_bits(bits);
    if (c == 0) c = 1;
    const Round round = directions[numbers.below(3)];
    const i128 got =
        mul_div(Decimal::from_e8(a), Decimal::from_e8(b), Decimal::from_e8(c), round).e8();
    const Big product = big(size_of(a)) * big(size_of(b)), divisor = big(size_of(c));
    if (divisor * highest <= product) {
      ++clamped;
      ASSERT_TRUE(size_of(got) == size_of(decimal_max.e8())) << "case " << i;
    } else {
      ASSERT_TRUE(is_rounded_quotient(product, divisor, size_of(got), round)) << "case " << i;
    }
    const bool negative = (a < 0) ^ (b < 0) ^ (c < 0);
    ASSERT_TRUE(got == 0 || (got < 0) == negative) << "case " << i;
  }
  EXPECT_GT(clamped, random_cases / 1000) << "the clamp was not exercised";
}

TEST(DecimalArithmetic, MulDivAndScaleAreMulDivWithOne) {
  Numbers numbers(11);
  for (int i = 0; i < random_cases / 10; ++i) {
    const i128 a = numbers.signed_of_bits(67), b = numbers.signed_of_bits(67);
    const Round round = directions[numbers.below(3)];
    const Decimal x = Decimal::from_e8(a), y = Decimal::from_e8(b);
    const u128 product = size_of(mul(x, y, round).e8());
    const Big one = big(static_cast<u128>(Decimal::scale));
    ASSERT_TRUE(is_rounded_quotient(big(size_of(a)) * big(size_of(b)), one, product, round) ||
                product == size_of(decimal_max.e8()));
    if (b != 0) {
      const u128 quotient = size_of(div(x, y, round).e8());
      ASSERT_TRUE(is_rounded_quotient(big(size_of(a)) * one, big(size_of(b)), quotient, round));
    }
    const auto numerator = static_cast<std::int64_t>(numbers.of_bits(40));
    const auto denominator = static_cast<std::int64_t>(numbers.of_bits(40)) + 1;
    const u128 scaled = size_of(scale_by(x, numerator, denominator, round).e8());
    ASSERT_TRUE(is_rounded_quotient(big(size_of(a)) * big(static_cast<u128>(numerator)),
                                    big(static_cast<u128>(denominator)), scaled, round));
  }
}

TEST(DecimalArithmetic, RoundsToTheStep) {
  const Decimal step = Decimal::of("0.0005");
  EXPECT_EQ(round_to_step(Decimal::of("1.0009"), step, Round::down).to_text(), "1.0005");
  EXPECT_EQ(round_to_step(Decimal::of("1.0009"), step, Round::up).to_text(), "1.001");
  EXPECT_EQ(round_to_step(Decimal::of("1.00075"), step, Round::nearest).to_text(), "1.001");
  EXPECT_EQ(round_to_step(Decimal::of("-1.0009"), step, Round::down).to_text(), "-1.0005");
  EXPECT_EQ(round_to_step(Decimal::of("0"), step, Round::up).to_text(), "0");
  EXPECT_EQ(round_to_step(Decimal::of("1.0005"), step, Round::up).to_text(), "1.0005");
  Numbers numbers(13);
  for (int i = 0; i < random_cases / 5; ++i) {
    const i128 a = numbers.signed_of_bits(100), s = static_cast<i128>(numbers.of_bits(80)) + 1;
    const Round round = directions[numbers.below(3)];
    const Decimal got = round_to_step(Decimal::from_e8(a), Decimal::from_e8(s), round);
    ASSERT_TRUE(is_multiple(got, Decimal::from_e8(s)));
    const u128 count = size_of(got.e8()) / static_cast<u128>(s);
    ASSERT_TRUE(is_rounded_quotient(big(size_of(a)), big(static_cast<u128>(s)), count, round));
    ASSERT_TRUE(got.is_zero() || got.is_negative() == (a < 0));
  }
}

TEST(DecimalArithmetic, KnowsMultiples) {
  EXPECT_TRUE(is_multiple(Decimal::of("0.3"), Decimal::of("0.1")));
  EXPECT_TRUE(is_multiple(Decimal::of("-0.3"), Decimal::of("0.1")));
  EXPECT_TRUE(is_multiple(Decimal::of("0"), Decimal::of("0.1")));
  EXPECT_FALSE(is_multiple(Decimal::of("0.35"), Decimal::of("0.1")));
}

TEST(DecimalArithmetic, SumsAreExactBeyondTheDatabase) {
  Decimal sum{};
  for (int i = 0; i < 1'000'000; ++i) sum += Decimal::of("999999999999.99999999");
  EXPECT_EQ(sum.to_text(), "999999999999999999.99");
  for (int i = 0; i < 1'000'000; ++i) sum -= Decimal::of("999999999999.99999999");
  EXPECT_TRUE(sum.is_zero());
}

TEST(DecimalDeathTest, BrokenPromisesEndTheProcess) {
  EXPECT_DEATH((void)Decimal::of("1."), "check failed");
  EXPECT_DEATH((void)div(Decimal::of("1"), Decimal{}, Round::down), "check failed");
  EXPECT_DEATH((void)round_to_step(Decimal::of("1"), Decimal{}, Round::down), "check failed");
}

}  // namespace
}  // namespace oneclick
