// Ed25519, the text forms of bytes, and secrets.
#include "engine/base/crypto.hpp"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

// RFC 8032, 7.1, test 2, as PKCS#8.
std::string pem_of_rfc_key() {
  // 16 bytes of PKCS#8 header for Ed25519, then the 32-byte seed.
  std::vector<std::uint8_t> der = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                   0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
  const std::uint8_t seed[] = {0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3,
                               0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab,
                               0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb};
  der.insert(der.end(), std::begin(seed), std::end(seed));
  return "-----BEGIN PRIVATE KEY-----\n" + to_base64(der) + "\n-----END PRIVATE KEY-----\n";
}

TEST(Ed25519, MatchesRfc8032) {
  const auto key = Ed25519Key::from_pem(pem_of_rfc_key());
  ASSERT_TRUE(key.has_value()) << key.error();
  EXPECT_EQ(to_hex(key->sign("\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(Ed25519, VerifiesItsOwnAndNothingElse) {
  const Ed25519Key key = Ed25519Key::generate(), other = Ed25519Key::generate();
  const auto signature = key.sign("order");
  EXPECT_TRUE(ed25519_verify(key.public_pem(), "order", signature));
  EXPECT_FALSE(ed25519_verify(key.public_pem(), "Order", signature));
  EXPECT_FALSE(ed25519_verify(other.public_pem(), "order", signature));
  EXPECT_FALSE(ed25519_verify("no key", "order", signature));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    auto changed = signature;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ed25519_verify(key.public_pem(), "order", changed)) << bit;
  }
}

TEST(Ed25519, SurvivesItsPem) {
  const Ed25519Key key = Ed25519Key::generate();
  const auto again = Ed25519Key::from_pem(key.to_pem());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->sign("x"), key.sign("x"));
  EXPECT_EQ(again->public_pem(), key.public_pem());
}

TEST(Ed25519, RefusesWhatIsNoKey) {
  std::string damaged = pem_of_rfc_key();
  damaged[40] = '!';
  for (const std::string& pem : {std::string(), std::string("secret"), damaged,
                                 Ed25519Key::generate().public_pem(), std::string(100'000, 'A')})
    EXPECT_EQ(Ed25519Key::from_pem(pem).error(), "not a PEM private key");
  // A good key of another kind: P-256.
  const char* p256 =
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAOqiEchLQq41D214\n"
      "qbjFRW/NSxeNFms73zC1wxwhJpahRANCAARk9Ce20UP+0zLJAUUVPE7dgMavte78\n"
      "MZli5amcYRQWhgLmuwP1dPhfVejUEUWMQaWli/8Aje7T9Z1IFiBKzXt8\n"
      "-----END PRIVATE KEY-----\n";
  EXPECT_EQ(Ed25519Key::from_pem(p256).error(), "not an Ed25519 key");
}

TEST(Hex, IsLowerCaseAndInOrder) {
  const std::uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0xab, 0xff};
  EXPECT_EQ(to_hex(bytes), "00017f80abff");
  EXPECT_EQ(to_hex({}), "");
}

std::vector<std::uint8_t> bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

TEST(Base64, MatchesRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(to_base64(bytes(plain)), text);
    EXPECT_EQ(from_base64(text), bytes(plain));
  }
  EXPECT_EQ(to_base64url(bytes("f")), "Zg");
  EXPECT_EQ(to_base64(bytes("\xfb\xff\xfe")), "+//+");
  EXPECT_EQ(to_base64url(bytes("\xfb\xff\xfe")), "-__-");
}

TEST(Base64, RoundTripsEveryLength) {
  std::mt19937_64 random(6);
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::uint8_t> in(size);
    for (auto& b : in) b = static_cast<std::uint8_t>(random());
    EXPECT_EQ(from_base64(to_base64(in)), in);
    EXPECT_EQ(from_base64url(to_base64url(in)), in);
  }
}

TEST(Base64, RefusesEveryOtherSpelling) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zm9v=", "Zh==", "Zm9=",
                           "Zm 9v", "Zm9v\n", "-__-", "Z=g=", "Zg==Zg=="})
    EXPECT_FALSE(from_base64(text).has_value()) << text;
  for (const char* text : {"Z", "Zg==", "Zh", "Zm9", "+//+", "Zm9v ", "Zm\n9v", "ZmZmZ"})
    EXPECT_FALSE(from_base64url(text).has_value()) << text;
}

TEST(Secret, CopiesMovesAndCompares) {
  Secret a("abc");
  Secret b = a;
  EXPECT_EQ(b.view(), "abc");
  Secret c = std::move(a);
  EXPECT_EQ(c.view(), "abc");
  EXPECT_TRUE(a.empty());  // NOLINT: what a moved-from secret holds is the point
  b = Secret("longer than before");
  EXPECT_EQ(b.view(), "longer than before");
  EXPECT_TRUE(Secret().empty());
}

TEST(Secret, EqualityInConstantTimeIsEquality) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_constant_time("", "a"));
}

TEST(RandomBytes, DoNotRepeat) {
  std::set<std::array<std::uint8_t, 16>> seen;
  for (int i = 0; i < 1000; ++i) {
    std::array<std::uint8_t, 16> next{};
    random_bytes(next);
    EXPECT_TRUE(seen.insert(next).second);
  }
}

}  // namespace
}  // namespace oneclick
