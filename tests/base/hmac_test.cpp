// HmacKey and sign_many against RFC 4231 and OpenSSL, on the CPU's instructions and without them.
#include <random>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/base/crypto.hpp"
#include "engine/base/sha256.hpp"

namespace oneclick {
namespace {

std::string random_text(std::mt19937_64& random, std::size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

Digest openssl_hmac(std::string_view key, std::string_view text) {
  Digest out;
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  EXPECT_EQ(size, out.size());
  return out;
}

class Hmac : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !sha256_blocks::hardware_present()) GTEST_SKIP() << "this CPU has no SHA-NI";
    sha256_blocks::use_hardware(GetParam());
  }
  void TearDown() override { sha256_blocks::use_hardware(true); }
};
INSTANTIATE_TEST_SUITE_P(Paths, Hmac, testing::Bool(),
                         [](const auto& path) { return path.param ? "Hardware" : "Portable"; });

struct Vector {
  std::string key;
  std::string text;
  const char* hex;
};

TEST_P(Hmac, MatchesRfc4231) {
  std::string rising(25, '\0');
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<char>(i + 1);
  const Vector vectors[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {rising, std::string(50, '\xcd'),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const Vector& v : vectors) EXPECT_EQ(to_hex(HmacKey(v.key).sign(v.text)), v.hex);
}

// The example of Binance's spot WebSocket API documentation (web-socket-api.md, SIGNED requests).
TEST_P(Hmac, SignsTheVenuesOwnExample) {
  const HmacKey key("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j");
  EXPECT_EQ(
      to_hex(key.sign("apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
                      "&newOrderRespType=ACK&price=52000.00&quantity=0.01000000&recvWindow=100"
                      "&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532"
                      "&type=LIMIT")),
      "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a");
}

TEST_P(Hmac, AgreesWithOpensslAtEveryLengthOfTextAndKey) {
  std::mt19937_64 random(9);
  for (std::size_t size = 0; size <= 1000; ++size) {
    const std::string key = random_text(random, size % 140), text = random_text(random, size);
    ASSERT_EQ(HmacKey(key).sign(text), openssl_hmac(key, text)) << size;
  }
}

TEST_P(Hmac, FoldedPrefixesChangeNothing) {
  std::mt19937_64 random(10);
  for (std::size_t blocks = 0; blocks <= 4; ++blocks) {
    for (std::size_t rest = 0; rest <= 130; ++rest) {
      const HmacKey key(random_text(random, 64));
      const std::string text = random_text(random, blocks * 64 + rest);
      const HmacKey::Prefix prefix = key.fold(std::string_view(text).substr(0, blocks * 64));
      ASSERT_EQ(key.sign_after(prefix, std::string_view(text).substr(blocks * 64)), key.sign(text));
    }
  }
}

TEST_P(Hmac, ManyAtOnceAreAsOneByOne) {
  std::mt19937_64 random(11);
  for (std::size_t count = 0; count <= 67; ++count) {
    std::vector<HmacKey> keys;
    std::vector<std::string> secrets, texts;
    std::vector<HmacKey::Prefix> prefixes(count);
    std::vector<Digest> out(count);
    std::vector<HmacJob> jobs;
    for (std::size_t i = 0; i < count; ++i) {
      secrets.push_back(random_text(random, random() % 90));
      keys.emplace_back(secrets.back());
      // Half of the batches have texts of one shape, as a fan-out does; the others of any length.
      const std::size_t size = count % 2 == 0 ? 150 + random() % 8 : random() % 400;
      texts.push_back(random_text(random, size));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const bool folded = texts[i].size() >= 64 && random() % 2 == 0;
      std::string_view text = texts[i];
      if (folded) {
        prefixes[i] = keys[i].fold(text.substr(0, 64));
        text.remove_prefix(64);
      }
      jobs.push_back({&keys[i], folded ? &prefixes[i] : nullptr, text, &out[i]});
    }
    sign_many(jobs);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(out[i], openssl_hmac(secrets[i], texts[i])) << i << " of " << count;
  }
}

TEST(HmacDeathTest, APrefixIsWholeBlocks) {
  EXPECT_DEATH((void)HmacKey("k").fold("abc"), "check failed");
}

}  // namespace
}  // namespace oneclick
