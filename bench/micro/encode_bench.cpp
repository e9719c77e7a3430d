// One follower's order as the venue's bytes, and the venue's answers read (Binance spot).
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "connectors/binance/decode.hpp"
#include "connectors/binance/encode.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick {
namespace {

binance::RequestTemplate make_template(std::size_t index) {
  const std::string number = std::to_string(index);
  Credentials credentials{};
  credentials.api_key = to_hex(sha256("key " + number));
  credentials.secret = Secret(to_hex(sha256("secret " + number)));
  return {*binance::Signer::make(credentials), 5'000};
}

void binance_encode_place(benchmark::State& state) {
  std::vector<binance::RequestTemplate> accounts;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    accounts.push_back(make_template(static_cast<std::size_t>(i)));
  binance::NewOrder order{};
  order.kind = binance::OrderKind::limit;
  order.time_in_force = binance::TimeInForce::ioc;
  order.side = Side::buy;
  order.response = binance::ResponseType::ack;
  order.symbol = "BTCUSDT";
  order.client_order_id = "01890a5d-ac96-8bcc-8e30-2099a8057000";
  order.quantity = Decimal::of("0.015");
  order.price = Decimal::of("100000");
  order.quantity_decimals = 5;
  order.price_decimals = 2;
  char out[binance::request_bytes_max];
  std::size_t size = 0, i = 0;
  std::uint32_t id = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        size = binance::encode_place(accounts[i], order, ++id, 1'767'225'600'123, out));
    benchmark::DoNotOptimize(out);
    i = i + 1 == accounts.size() ? 0 : i + 1;
  }
  // The default window is left out. The signature of the last one, over its own parameters by the
  // general signer.
  const std::string_view json(out, size);
  const auto& account = accounts[i == 0 ? accounts.size() - 1 : i - 1];
  const std::string text =
      "apiKey=" + std::string(account.signer().api_key()) +
      "&newClientOrderId=01890a5d-ac96-8bcc-8e30-2099a8057000&newOrderRespType=ACK"
      "&price=100000.00&quantity=0.01500&side=BUY&symbol=BTCUSDT&timeInForce=IOC"
      "&timestamp=1767225600123&type=LIMIT";
  char signature[binance::signature_size_max];
  const std::size_t n = account.signer().sign(text, signature);
  if (json.find(std::string_view(signature, n)) == std::string_view::npos)
    state.SkipWithError("wrong signature");
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(binance_encode_place)->ArgName("accounts")->Arg(64)->Arg(10'000);

void binance_decode_execution_report(benchmark::State& state) {
  const binance::PaddedText text(
      R"({"subscriptionId":7,"event":{"e":"executionReport","E":1767225600123,"s":"BTCUSDT",)"
      R"("c":"01890a5d-ac96-8bcc-8e30-2099a8057000","S":"BUY","o":"LIMIT","f":"IOC","q":"0.01500000",)"
      R"("p":"100000.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE",)"
      R"("X":"FILLED","r":"NONE","i":4293153,"l":"0.01500000","z":"0.01500000","L":"100000.00000000",)"
      R"("n":"0.00000000","N":"BNB","T":1767225600123,"t":4293153,"v":0,"I":8641984,"w":false,)"
      R"("m":false,"M":true,"O":1767225600123,"Z":"1500.00000000","Y":"1500.00000000",)"
      R"("Q":"0.00000000","W":1767225600123,"V":"EXPIRE_MAKER"}})");
  binance::Decoder decoder;
  binance::Message message;
  bool good = true;
  for (auto _ : state) good = decoder.message(text.view(), message) && good;
  if (!good || message.kind != binance::Message::Kind::execution_report ||
      message.report.cumulative_quantity != Decimal::of("0.015") || message.subscription_id != 7)
    state.SkipWithError("wrong report");
}
BENCHMARK(binance_decode_execution_report);

}  // namespace
}  // namespace oneclick
