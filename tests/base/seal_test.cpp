#include <gtest/gtest.h>

#include "engine/base/crypto.hpp"

namespace oneclick {
namespace {

constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

MasterKey key_named(const char* id, std::uint8_t fill) {
  MasterKey key{id, {}};
  key.bytes.fill(fill);
  return key;
}

const char place[] = "user_exchanges|api_secret_encrypted|0190a5b0-0000-7000-8000-000000000001";

TEST(Seal, OpensWhereItWasSealed) {
  const MasterKey keys[] = {key_named("k1", 1), key_named("k2", 2)};
  for (const std::string& plain :
       {std::string(), std::string("s"), std::string(4000, 'x'), std::string("with\0zero", 9)}) {
    const std::string sealed = seal(keys[1], place, plain);
    EXPECT_TRUE(sealed.starts_with("v1.k2.")) << sealed;
    EXPECT_EQ(sealed.find_first_not_of(std::string(alphabet)), std::string::npos) << sealed;
    const auto opened = open_sealed(keys, place, sealed);
    ASSERT_TRUE(opened.has_value()) << opened.error();
    EXPECT_EQ(opened->view(), plain);
  }
}

TEST(Seal, TheSameTextIsNeverSealedTheSameWay) {
  const MasterKey key = key_named("k1", 1);
  EXPECT_NE(seal(key, place, "secret"), seal(key, place, "secret"));
}

TEST(Seal, EveryChangedCharacterIsRefused) {
  const MasterKey keys[] = {key_named("k1", 1)};
  const std::string sealed = seal(keys[0], place, "the follower's secret");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    for (const char* c = alphabet; *c != '\0'; ++c) {
      std::string changed = sealed;
      if (changed[i] == *c) continue;
      changed[i] = *c;
      EXPECT_FALSE(open_sealed(keys, place, changed).has_value()) << changed;
    }
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = sealed;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_FALSE(open_sealed(keys, place, changed).has_value()) << changed;
    }
    EXPECT_FALSE(open_sealed(keys, place, sealed.substr(0, i)).has_value());
    EXPECT_FALSE(open_sealed(keys, place, sealed.substr(i + 1)).has_value());
  }
  EXPECT_FALSE(open_sealed(keys, place, sealed + "A").has_value());
  EXPECT_FALSE(open_sealed(keys, place, sealed + "=").has_value());
}

TEST(Seal, EveryFlippedBitOfTheBytesIsRefused) {
  const MasterKey keys[] = {key_named("k1", 1)};
  const std::string sealed = seal(keys[0], place, "the follower's secret");
  const std::size_t first = sealed.find('.', 3), second = sealed.find('.', first + 1);
  const auto nonce =
      *from_base64url(std::string_view(sealed).substr(first + 1, second - first - 1));
  const auto text = *from_base64url(std::string_view(sealed).substr(second + 1));
  const auto sealed_of = [](const auto& n, const auto& t) {
    return "v1.k1." + to_base64url(n) + "." + to_base64url(t);
  };
  ASSERT_TRUE(open_sealed(keys, place, sealed_of(nonce, text)).has_value());
  for (std::size_t bit = 0; bit < 8 * nonce.size(); ++bit) {
    auto changed = nonce;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(open_sealed(keys, place, sealed_of(changed, text)).error(), "does not open");
  }
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    auto changed = text;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(open_sealed(keys, place, sealed_of(nonce, changed)).error(), "does not open");
  }
}

TEST(Seal, MovedToAnotherRowColumnOrTableItDoesNotOpen) {
  const MasterKey keys[] = {key_named("k1", 1)};
  const std::string sealed = seal(keys[0], place, "secret");
  for (const char* other :
       {"user_exchanges|api_secret_encrypted|0190a5b0-0000-7000-8000-000000000002",
        "user_exchanges|api_key_encrypted|0190a5b0-0000-7000-8000-000000000001",
        "users|api_secret_encrypted|0190a5b0-0000-7000-8000-000000000001", ""})
    EXPECT_EQ(open_sealed(keys, other, sealed).error(), "does not open") << other;
}

TEST(Seal, NamesTheKeyThatIsMissingAndRefusesTheWrongOne) {
  const MasterKey old_key = key_named("k1", 1), new_key = key_named("k2", 2);
  const std::string sealed = seal(old_key, place, "secret");
  EXPECT_EQ(open_sealed({&new_key, 1}, place, sealed).error(), "unknown key id k1");
  const MasterKey impostor = key_named("k1", 3);
  EXPECT_EQ(open_sealed({&impostor, 1}, place, sealed).error(), "does not open");
}

TEST(Seal, RefusesWhatIsNotSealedText) {
  const MasterKey keys[] = {key_named("k1", 1)};
  for (const char* text :
       {"", "v1", "v1.", "v1..", "v1...", "v1.k1", "v1.k1.", "v1.k1..", "v1.k1.AAAAAAAAAAAAAAAA.",
        "v1.k1.AAAAAAAAAAAAAAAA.AAAA", "v2.k1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "v1.a key id that is far too long.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAA",
        "v1.K\n1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "plain text from the old days"})
    EXPECT_EQ(open_sealed(keys, place, text).error(), "malformed") << text;
}

TEST(SealDeathTest, KeyIdsAreShort) {
  EXPECT_DEATH((void)seal(key_named("Not.An.Id", 1), place, "x"), "check failed");
}

// NIST's AES-256-GCM of an empty text with zero key and nonce (GCM specification, test case 13)
// ends in the tag 530f8afbc74536b9a963b4f1c4cb738b: other programs must be able to open what we
// seal.
TEST(Seal, IsPlainAesGcm) {
  const MasterKey zero = key_named("zero", 0);
  const auto tag = std::vector<std::uint8_t>{0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9,
                                             0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b};
  const auto opened = open_sealed({&zero, 1}, "", "v1.zero.AAAAAAAAAAAAAAAA." + to_base64url(tag));
  ASSERT_TRUE(opened.has_value()) << opened.error();
  EXPECT_EQ(opened->view(), "");
}

}  // namespace
}  // namespace oneclick
