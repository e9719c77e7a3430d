#include "engine/base/hash.hpp"

#include <random>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "engine/base/crypto.hpp"
#include "engine/base/sha256.hpp"

namespace oneclick {
namespace {

std::string random_text(std::mt19937_64& random, std::size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

Digest openssl_sha256(std::string_view text) {
  Digest out;
  unsigned size = 0;
  EXPECT_EQ(EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr), 1);
  return out;
}

TEST(Crc32c, MatchesPublishedValues) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c({}), 0U);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8a9136aaU);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62a8ab43U);
  std::string rising(32, '\0');
  for (std::size_t i = 0; i < 32; ++i) rising[i] = static_cast<char>(i);
  EXPECT_EQ(crc32c(bytes_of(rising)), 0x46dd794eU);
  EXPECT_EQ(crc32c(bytes_of(std::string(rising.rbegin(), rising.rend()))), 0x113fdb5cU);
}

TEST(Crc32c, HardwareAndPortableAgreeAndContinue) {
  std::mt19937_64 random(1);
  for (std::size_t size = 0; size < 600; ++size) {
    const std::string text = random_text(random, size);
    const auto bytes = bytes_of(text);
    const std::uint32_t whole = crc32c(bytes);
    ASSERT_EQ(whole, crc32c_portable(bytes));
    const std::size_t cut = size == 0 ? 0 : random() % size;
    ASSERT_EQ(crc32c(bytes.subspan(cut), crc32c(bytes.first(cut))), whole);
    ASSERT_EQ(crc32c_portable(bytes.subspan(cut), crc32c_portable(bytes.first(cut))), whole);
  }
}

// Every digest test runs on the CPU's instructions and again on OpenSSL's blocks.
class Sha256 : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !sha256_blocks::hardware_present()) GTEST_SKIP() << "this CPU has no SHA-NI";
    sha256_blocks::use_hardware(GetParam());
  }
  void TearDown() override { sha256_blocks::use_hardware(true); }
};
INSTANTIATE_TEST_SUITE_P(Paths, Sha256, testing::Bool(),
                         [](const auto& path) { return path.param ? "Hardware" : "Portable"; });

TEST_P(Sha256, MatchesPublishedValues) {
  // FIPS 180-2, B.1 to B.3.
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_P(Sha256, AgreesWithOpensslAtEveryLength) {
  std::mt19937_64 random(2);
  for (std::size_t size = 0; size <= 1000; ++size) {
    const std::string text = random_text(random, size);
    ASSERT_EQ(sha256(text), openssl_sha256(text)) << size;
    ASSERT_EQ(sha256(bytes_of(text)), sha256(text));
  }
}

TEST_P(Sha256, LanesAdvanceIndependently) {
  using namespace sha256_blocks;
  std::mt19937_64 random(5);
  for (std::size_t count = 1; count <= lanes_max; ++count) {
    std::string blocks[lanes_max];
    State states[lanes_max], expected[lanes_max];
    Lane lanes[lanes_max];
    for (std::size_t i = 0; i < count; ++i) {
      blocks[i] = random_text(random, block_bytes);
      for (auto& word : states[i]) word = static_cast<std::uint32_t>(random());
      expected[i] = states[i];
      const auto* data = reinterpret_cast<const std::uint8_t*>(blocks[i].data());
      compress(expected[i], data, 1);
      lanes[i] = {&states[i], data};
    }
    compress_lanes({lanes, count});
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(states[i], expected[i]) << count << ' ' << i;
  }
}

std::uint64_t hash_parts(std::initializer_list<std::string_view> parts) {
  StateHash hash;
  for (const std::string_view part : parts) hash.add(bytes_of(part));
  return hash.value();
}

TEST(StateHash, TellsApartOrderBordersAndZeros) {
  EXPECT_EQ(hash_parts({"ab", "c"}), hash_parts({"ab", "c"}));
  EXPECT_NE(hash_parts({"ab", "c"}), hash_parts({"a", "bc"}));
  EXPECT_NE(hash_parts({"ab", "c"}), hash_parts({"c", "ab"}));
  EXPECT_NE(hash_parts({""}), hash_parts({}));
  const std::string zero(1, '\0'), zeros(2, '\0');
  EXPECT_NE(hash_parts({zero}), hash_parts({zeros}));
  EXPECT_NE(hash_parts({zero, zero}), hash_parts({zeros}));
}

TEST(StateHash, IsTheSameOnEveryDay) {
  // Kept with journals: a change of this value makes old ones incomparable.
  StateHash hash;
  hash.add(std::uint64_t{42});
  hash.add(bytes_of("OneClick compares two runs"));
  EXPECT_EQ(hash.value(), 0xcf27963fe742f177ULL);
}

}  // namespace
}  // namespace oneclick
