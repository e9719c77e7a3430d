// The floor: everything that does not depend on the event is laid out beforehand; what is left is
// copying some digits, hashing, masking and encrypting.
#include <algorithm>
#include <cstring>

#include "bench/fanout/senders.hpp"
#include "engine/base/check.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/decimal.hpp"

namespace oneclick::bench {

namespace {

constexpr std::size_t record_bytes = 16 * 1024;  // TLS's largest
constexpr std::size_t lanes = 4;
constexpr std::size_t fold_bytes = 64;

constexpr char digit_pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546"
    "4748"
    "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495"
    "96"
    "979899";

// Exactly `width` digits.
void put_number(char* out, std::uint64_t value, int width) {
  int at = width;
  for (; at >= 2; at -= 2, value /= 100)
    std::memcpy(out + at - 2, digit_pairs + 2 * (value % 100), 2);
  if (at == 1) out[0] = static_cast<char>('0' + value % 10);
}

// Where the parts that change lie in a text.
struct Slots {
  std::size_t client_id, price, quantity, timestamp;
};

struct Template {
  std::string json;
  Slots in_json;
  std::size_t request_id, signature;
  std::string text;  // what is signed, behind the folded beginning
  Slots in_text;
  HmacKey key;
  HmacKey::Prefix prefix;
  std::uint32_t percent;  // of the leader's quantity
};

constexpr char blank_id[] = "00000000-0000-8000-8000-000000000000";
constexpr char blank_price[] = "100000.00";
constexpr char blank_quantity[] = "0.00000";
constexpr char blank_time[] = "0000000000000";

Template make_template(const Party& party, std::uint32_t index) {
  Template t;
  const std::string signed_text = "apiKey=" + party.api_key + "&newClientOrderId=" + blank_id +
                                  "&newOrderRespType=ACK&price=" + blank_price +
                                  "&quantity=" + blank_quantity +
                                  "&side=BUY&symbol=" + venue_symbol +
                                  "&timeInForce=IOC&timestamp=" + blank_time + "&type=LIMIT";
  t.json = std::string(R"({"id":"00000000","method":"order.place","params":{"apiKey":")") +
           party.api_key + R"(","newClientOrderId":")" + blank_id +
           R"(","newOrderRespType":"ACK","price":")" + blank_price + R"(","quantity":")" +
           blank_quantity + R"(","side":"BUY","symbol":")" + venue_symbol +
           R"(","timeInForce":"IOC","timestamp":)" + blank_time +
           R"(,"type":"LIMIT","signature":")" + std::string(64, '0') + R"("}})";
  const auto after = [](const std::string& in, const std::string& what) {
    const std::size_t at = in.find(what);
    CHECK(at != std::string::npos);
    return at + what.size();
  };
  t.in_json = {after(t.json, R"("newClientOrderId":")"), after(t.json, R"("price":")"),
               after(t.json, R"("quantity":")"), after(t.json, R"("timestamp":)")};
  t.request_id = after(t.json, R"({"id":")");
  t.signature = after(t.json, R"("signature":")");
  t.key = HmacKey(party.secret);
  t.prefix = t.key.fold(std::string_view(signed_text).substr(0, fold_bytes));
  t.text = signed_text.substr(fold_bytes);
  t.in_text = {after(t.text, "newClientOrderId="), after(t.text, "price="),
               after(t.text, "quantity="), after(t.text, "timestamp=")};
  t.percent = 50 + index % 100;
  return t;
}

// What one event means for every order of it.
struct Shared {
  std::uint64_t leader_lots;  // of 1e-5
  std::uint64_t price_cents;
  std::uint64_t time_ms;
  std::uint32_t round;
};

void fill(Template& t, std::uint32_t index, const Shared& event) {
  const std::uint64_t lots = event.leader_lots * t.percent / 100;
  for (const bool json : {true, false}) {
    char* const out = json ? t.json.data() : t.text.data();
    const Slots& at = json ? t.in_json : t.in_text;
    put_number(out + at.client_id, event.round, 8);
    put_number(out + at.client_id + 24, index, 12);
    put_number(out + at.price, event.price_cents / 100, 6);
    put_number(out + at.price + 7, event.price_cents % 100, 2);
    put_number(out + at.quantity + 2, lots, 5);
    put_number(out + at.timestamp, event.time_ms, 13);
  }
  put_number(t.json.data() + t.request_id, index, 8);
}

class Floor final : public Sender {
 public:
  Floor(Line& line, const std::vector<Party>& parties) : line_(line) {
    templates_.reserve(parties.size());
    for (const Party& party : parties)
      templates_.push_back(make_template(party, static_cast<std::uint32_t>(templates_.size())));
    buffer_.resize(record_bytes + 4096);
  }

  void send(std::size_t count, std::uint32_t round) override {
    CHECK(count <= templates_.size());
    const Shared event{2'000 + round % 100, 10'000'000 + round % 100,
                       static_cast<std::uint64_t>(wall_now_ns() / 1'000'000), round};
    std::size_t used = 0;
    for (std::size_t i = 0; i < count; i += lanes) {
      const std::size_t n = std::min(lanes, count - i);
      sign(i, n, event);
      for (std::size_t k = i; k < i + n; ++k) {
        mask_ = mask_ * 1664525 + 1013904223;
        used += write_masked(buffer_.data() + used, templates_[k].json, mask_);
        if (used < record_bytes) continue;
        line_.write(buffer_.data(), record_bytes);
        used -= record_bytes;
        std::memcpy(buffer_.data(), buffer_.data() + record_bytes, used);
      }
    }
    if (used != 0) line_.write(buffer_.data(), used);
  }

 private:
  void sign(std::size_t first, std::size_t n, const Shared& event) {
    HmacJob jobs[lanes];
    Digest digests[lanes];
    for (std::size_t k = 0; k < n; ++k) {
      Template& t = templates_[first + k];
      fill(t, static_cast<std::uint32_t>(first + k), event);
      jobs[k] = {&t.key, &t.prefix, t.text, &digests[k]};
    }
    sign_many({jobs, n});
    for (std::size_t k = 0; k < n; ++k) {
      Template& t = templates_[first + k];
      write_hex(digests[k].data(), digests[k].size(), t.json.data() + t.signature);
    }
  }

  Line& line_;
  std::vector<Template> templates_;
  std::vector<char> buffer_;
  std::uint32_t mask_ = 0x12345678;
};

}  // namespace

std::unique_ptr<Sender> make_floor(Line& line, const std::vector<Party>& parties) {
  return std::make_unique<Floor>(line, parties);
}

}  // namespace oneclick::bench
