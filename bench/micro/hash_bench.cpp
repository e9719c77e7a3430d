// Digests and signatures, as an order needs them. Each benchmark checks its own answer.
#include <array>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/base/crypto.hpp"
#include "engine/base/sha256.hpp"

namespace oneclick {
namespace {

// One block: what an order key is derived from.
void sha256_one_block(benchmark::State& state) {
  sha256_blocks::use_hardware(state.range(0) != 0);
  const std::string text = "abc";
  Digest out{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(text.data());
    benchmark::DoNotOptimize(out = sha256(text));
  }
  if (to_hex(out) != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    state.SkipWithError("wrong digest");
  sha256_blocks::use_hardware(true);
}
BENCHMARK(sha256_one_block)->ArgName("hardware")->Arg(1)->Arg(0);

// The signed text of an order.place: 254 bytes, the first 64 of them the same for every order.
std::string signed_text(char fill) {
  return "apiKey=" + std::string(64, fill) +
         "&newClientOrderId=01890a5d-ac96-8bcc-8e30-2099a8057000&newOrderRespType=ACK&price=100000."
         "00"
         "&quantity=0.01500&side=BUY&symbol=BTCUSDT&timeInForce=IOC"
         "&timestamp=1767225600123&type=LIMIT";
}

struct Follower {
  std::string secret;
  std::string text;
  HmacKey key;
  HmacKey::Prefix prefix;
};

std::vector<Follower> make_followers(std::size_t count) {
  std::vector<Follower> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    Follower& f = out[i];
    f.secret = to_hex(sha256("secret " + std::to_string(i)));
    f.text = signed_text(static_cast<char>('a' + i % 26));
    f.key = HmacKey(f.secret);
    f.prefix = f.key.fold(std::string_view(f.text).substr(0, 64));
  }
  return out;
}

void hmac_sign(benchmark::State& state) {
  const auto followers = make_followers(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  Digest out{};
  for (auto _ : state) {
    const Follower& f = followers[i];
    benchmark::DoNotOptimize(out = f.key.sign_after(f.prefix, std::string_view(f.text).substr(64)));
    i = i + 1 == followers.size() ? 0 : i + 1;
  }
  const Follower& last = followers[i == 0 ? followers.size() - 1 : i - 1];
  if (out != last.key.sign(last.text)) state.SkipWithError("wrong signature");
}
BENCHMARK(hmac_sign)->ArgName("keys")->Arg(64)->Arg(10'000);

void hmac_sign_many(benchmark::State& state) {
  const auto followers = make_followers(static_cast<std::size_t>(state.range(0)));
  std::vector<Digest> out(followers.size());
  std::vector<HmacJob> jobs;
  for (std::size_t i = 0; i < followers.size(); ++i) {
    const Follower& f = followers[i];
    jobs.push_back({&f.key, &f.prefix, std::string_view(f.text).substr(64), &out[i]});
  }
  for (auto _ : state) {
    sign_many(jobs);
    benchmark::DoNotOptimize(out.data());
  }
  for (std::size_t i = 0; i < followers.size(); ++i)
    if (out[i] != followers[i].key.sign(followers[i].text)) state.SkipWithError("wrong signature");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(jobs.size()));
}
BENCHMARK(hmac_sign_many)->ArgName("keys")->Arg(4)->Arg(64)->Arg(10'000);

void hex_of_digest(benchmark::State& state) {
  const Digest digest = sha256("abc");
  std::array<char, 64> out{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(digest.data());
    write_hex(digest.data(), digest.size(), out.data());
    benchmark::DoNotOptimize(out.data());
  }
  if (std::string_view(out.data(), 8) != "ba7816bf") state.SkipWithError("wrong text");
}
BENCHMARK(hex_of_digest);

void crc32c_of(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
  std::uint32_t out = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(text.data());
    benchmark::DoNotOptimize(out = crc32c(bytes_of(text)));
  }
  if (out != crc32c_portable(bytes_of(text))) state.SkipWithError("wrong checksum");
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc32c_of)->ArgName("bytes")->Arg(256)->Arg(65'536);

}  // namespace
}  // namespace oneclick
