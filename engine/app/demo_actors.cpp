#include "engine/app/demo_actors.hpp"

#include <optional>

#include <fmt/format.h>

#include "engine/base/clock.hpp"

namespace oneclick::demo {

namespace {

constexpr std::int64_t answer_timeout_ns = 15'000'000'000;
constexpr std::int64_t turn_ns = 50'000'000;

Uuid random_uuid() {
  std::array<std::uint8_t, 16> bytes;
  random_bytes(bytes);
  Uuid id = Uuid::from_bytes(bytes.data());
  id.high = (id.high & ~0xf000ULL) | 0x4000;
  id.low = (id.low & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;
  return id;
}

}  // namespace

std::expected<net::HttpResponse, std::string> fetch(net::Reactor& reactor, net::HttpClient& client,
                                                    net::HttpRequest request) {
  // Shared with the handler: it may outlive this call when the answer comes too late.
  const auto answer = std::make_shared<std::optional<net::HttpResponse>>();
  client.send(std::move(request),
              [answer](net::HttpResponse response) { *answer = std::move(response); });
  const std::int64_t until = monotonic_now_ns() + answer_timeout_ns;
  while (!answer->has_value() && monotonic_now_ns() < until) reactor.wait(turn_ns);
  if (!answer->has_value()) return std::unexpected("no answer");
  if (!(*answer)->error.empty()) return std::unexpected((*answer)->error);
  return std::move(**answer);
}

Leader::Leader(net::Reactor& reactor, std::shared_ptr<net::TlsClient> tls, const net::Url& exchange,
               const Trader& trader)
    : reactor_(reactor),
      client_(net::HttpClient::make(reactor, std::move(tls), exchange, {})),
      api_key_(trader.api_key),
      key_(trader.secret) {}

std::expected<void, std::string> Leader::trade(const std::string& venue_symbol, Side side,
                                               const std::string& quantity) {
  const auto done = call("POST", "/api/v3/order",
                         fmt::format("symbol={}&side={}&type=MARKET&quantity={}", venue_symbol,
                                     side == Side::buy ? "BUY" : "SELL", quantity));
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<std::string, std::string> Leader::call(const std::string& method,
                                                     const std::string& path,
                                                     const std::string& parameters) {
  const std::string query = fmt::format("{}&timestamp={}", parameters, wall_now_ns() / 1'000'000);
  net::HttpRequest request;
  request.method = method;
  request.target = fmt::format("{}?{}&signature={}", path, query, to_hex(key_.sign(query)));
  request.headers = {{"X-MBX-APIKEY", api_key_}};
  const auto response = fetch(reactor_, *client_, std::move(request));
  if (!response) return std::unexpected(response.error());
  if (response->status != 200)
    return std::unexpected(fmt::format("{}: {}", response->status, response->body));
  return response->body;
}

Bot::Bot(net::Reactor& reactor, std::shared_ptr<net::TlsClient> tls, const net::Url& stream,
         std::string token, const World& world)
    : reactor_(reactor),
      tls_(std::move(tls)),
      stream_(stream),
      token_(std::move(token)),
      channel_(world.channel) {}

bool Bot::wait_until(const std::function<bool()>& condition) {
  const std::int64_t until = monotonic_now_ns() + answer_timeout_ns;
  while (!condition() && monotonic_now_ns() < until) reactor_.wait(turn_ns);
  return condition();
}

std::expected<void, std::string> Bot::open() {
  net::WsClientOptions options;
  options.headers = {{"Authorization", "Bearer " + token_}};
  client_ = net::WsClient::connect(
      reactor_, tls_, stream_, options,
      {.on_open = [this] { is_open_ = true; },
       .on_message = [this](std::string_view message) { messages_.emplace_back(message); },
       .on_close =
           [this](std::string_view why) {
             is_open_ = false;
             closed_because_ = why;
           }});
  static_cast<void>(wait_until([this] { return is_open_ || !closed_because_.empty(); }));
  if (is_open_) return {};
  return std::unexpected(closed_because_.empty() ? "no answer" : closed_because_);
}

std::expected<void, std::string> Bot::publish(const std::string& symbol,
                                              const std::string& signal_type,
                                              const std::string& quantity,
                                              const std::string& more) {
  if (!is_open_) return std::unexpected("connection closed: " + closed_because_);
  messages_.clear();
  const std::string id = random_uuid().to_text();
  client_->send_text(fmt::format(
      R"({{"op":"signal","id":"{}","channel_id":"{}","signal_type":"{}","asset_symbol":"{}","quantity_suggestion":"{}"{}}})",
      id, channel_.to_text(), signal_type, symbol, quantity, more));
  static_cast<void>(wait_until([this] { return !messages_.empty() || !is_open_; }));
  if (messages_.empty()) return std::unexpected("no acknowledgement");
  if (messages_.front().find("\"accepted\"") == std::string::npos)
    return std::unexpected(messages_.front());
  return {};
}

}  // namespace oneclick::demo
