#include "engine/base/uuid.hpp"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

TEST(Uuid, ReadsAndWritesTheThirtySixCharacterForm) {
  const char* text = "01890a5d-ac96-774b-bcce-b302099a8057";
  const auto id = Uuid::parse(text);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->high, 0x01890a5dac96774bULL);
  EXPECT_EQ(id->low, 0xbcceb302099a8057ULL);
  EXPECT_EQ(id->to_text(), text);
  EXPECT_EQ(Uuid::parse("01890A5D-AC96-774B-BCCE-B302099A8057"), id);
  EXPECT_TRUE(Uuid::parse("00000000-0000-0000-0000-000000000000")->is_nil());
  EXPECT_FALSE(id->is_nil());
}

TEST(Uuid, RefusesEveryOtherForm) {
  const char* refused[] = {
      "",
      "01890a5dac96774bbcceb302099a8057",
      "{01890a5d-ac96-774b-bcce-b302099a8057}",
      "01890a5d-ac96-774b-bcce-b302099a805",
      "01890a5d-ac96-774b-bcce-b302099a80577",
      "01890a5dxac96-774b-bcce-b302099a8057",
      "01890a5d-ac96-774b-bcce-b302099a805g",
      "01890a5d-ac96-774b-bcceb-302099a8057",
      " 1890a5d-ac96-774b-bcce-b302099a8057",
      "-1890a5d-ac96-774b-bcce-b302099a8057",
  };
  for (const char* text : refused) EXPECT_FALSE(Uuid::parse(text).has_value()) << text;
}

TEST(Uuid, BytesAreInNetworkOrderAndOrderIsThatOfTheBytes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const Uuid a{random(), random()}, b{random() % 2 == 0 ? a.high : random(), random()};
    EXPECT_EQ(Uuid::from_bytes(a.bytes().data()), a);
    EXPECT_EQ(Uuid::parse(a.to_text()), a);
    EXPECT_EQ(a < b, a.bytes() < b.bytes());
    EXPECT_EQ(a < b, a.to_text() < b.to_text());
  }
  EXPECT_EQ((Uuid{0x0102030405060708, 0}).bytes()[0], 1);
}

TEST(Uuid, HashSpreadsIdsThatDifferInOneBit) {
  const Uuid base{0x01890a5dac96774b, 0xbcceb302099a8057};
  std::set<std::uint64_t> low_bits;
  for (int bit = 0; bit < 64; ++bit) {
    low_bits.insert(hash_of({base.high ^ (1ULL << bit), base.low}) % 65536);
    low_bits.insert(hash_of({base.high, base.low ^ (1ULL << bit)}) % 65536);
  }
  EXPECT_GT(low_bits.size(), 120U);
}

}  // namespace
}  // namespace oneclick
