// The plain sender: every order is put together as text, signed with OpenSSL's one-shot HMAC and
// written on its own. No waste on purpose, no preparation either.
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "bench/fanout/senders.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::bench {

namespace {

class Plain final : public Sender {
 public:
  Plain(Line& line, const std::vector<Party>& parties) : line_(line), parties_(parties) {}

  void send(std::size_t count, std::uint32_t round) override {
    const std::int64_t now = wall_now_ns() / 1'000'000;
    for (std::size_t i = 0; i < count; ++i) send_one(i, round, now);
  }

 private:
  void send_one(std::size_t index, std::uint32_t round, std::int64_t time_ms) {
    const Party& party = parties_[index];
    const std::string client_id = fmt::format("{:08}-0000-8000-9000-{:012}", round, index);
    const std::string quantity = fmt::format("0.{:05}", 2'000 * (50 + index % 100) / 100);
    const std::string text = fmt::format(
        "apiKey={}&newClientOrderId={}&newOrderRespType=ACK&price={}&quantity={}"
        "&side=BUY&symbol={}&timeInForce=IOC&timestamp={}&type=LIMIT",
        party.api_key, client_id, ask_text, quantity, venue_symbol, time_ms);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), party.secret.data(), static_cast<int>(party.secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
    std::string signature;
    for (unsigned i = 0; i < size; ++i) signature += fmt::format("{:02x}", digest[i]);
    const std::string json = fmt::format(
        R"({{"id":"{}","method":"order.place","params":{{"apiKey":"{}","newClientOrderId":"{}",)"
        R"("newOrderRespType":"ACK","price":"{}","quantity":"{}","side":"BUY",)"
        R"("symbol":"{}","timeInForce":"IOC","timestamp":{},"type":"LIMIT","signature":"{}"}}}})",
        index, party.api_key, client_id, ask_text, quantity, venue_symbol, time_ms, signature);
    std::string frame(json.size() + 14, '\0');
    frame.resize(write_masked(frame.data(), json, 0x9e3779b9U + static_cast<std::uint32_t>(index)));
    line_.write(frame.data(), frame.size());
  }

  Line& line_;
  const std::vector<Party>& parties_;
};

}  // namespace

std::unique_ptr<Sender> make_plain(Line& line, const std::vector<Party>& parties) {
  return std::make_unique<Plain>(line, parties);
}

}  // namespace oneclick::bench
