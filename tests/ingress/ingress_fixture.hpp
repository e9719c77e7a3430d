// A running ingress over loopback with a sink that only remembers, and keys for every kind of
// caller.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "connectors/ingress/ingress.hpp"
#include "connectors/net/http_client.hpp"
#include "connectors/net/ws_client.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/hash.hpp"

namespace oneclick::ingress {

class RecordingSink final : public EventSink {
 public:
  [[nodiscard]] bool try_push(const Event& event) override {
    if (full) return false;
    events.push_back(event.leader);
    if (on_push) on_push(event.leader);
    return true;
  }
  std::vector<LeaderEvent> events;
  std::function<void(const LeaderEvent&)> on_push;
  bool full = false;
};

inline Uuid uuid_of(std::uint64_t n) {
  return {.high = 0x1111'2222'3333'8000ULL, .low = n};
}

class IngressTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t second = 1'000'000'000;
  static constexpr const char* secret = "abcdefghijklmnopqrstuvwxyz012345";

  void SetUp() override { open({}); }

  void open(IngressOptions options) {
    options.port = 0;
    ingress.reset();
    ingress = Ingress::listen(reactor, std::move(options),
                              {.sink = sink,
                               .clock = clock,
                               .find_event =
                                   [this](EventId id, UserId viewer, auto answer) {
                                     asked.push_back(id);
                                     viewers.push_back(viewer);
                                     answer(report, report_available);
                                   },
                               .kill_switches = [this] { return switches; },
                               .set_kill_switch =
                                   [this](const KillSwitch& k, ApiKeyId by) {
                                     EXPECT_EQ(by, admin_key);
                                     if (sink.full) return false;
                                     switches.push_back(k);
                                     return true;
                                   },
                               .on_refused = [this](const Refusal& r) { refusals.push_back(r); },
                               .records_wanted = &records_wanted})
                  .value();
    // Journaled at once, unless a test wants it otherwise.
    sink.on_push = [this](const LeaderEvent& event) {
      if (!journal) return;
      reactor.post([this, id = event.id] { ingress->on_event_journaled(id, ++seq); });
    };
    add_key(leader_key, leader, scope_signals_write | scope_trades_write | scope_stream_read);
    add_key(other_key, other, scope_signals_write | scope_trades_write | scope_stream_read);
    add_key(admin_key, admin, scope_admin);
    add_key(reader_key, leader, scope_stream_read);
    ingress->update_channel(channel, leader, true);
    ingress->update_channel(dead_channel, leader, false);
    reactor.poll();
  }

  void add_key(ApiKeyId id, UserId user, std::uint32_t scopes, std::int64_t expires_ns = 0) {
    ingress->update({.id = id,
                     .user = user,
                     .key_hash = sha256(secret),
                     .scopes = scopes,
                     .expires_ns = expires_ns,
                     .user_active = true});
  }
  static std::string token(ApiKeyId id) { return "oc_" + id.to_text() + "_" + secret; }

  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ns = 20 * second) {
    const std::int64_t end = steady_now_ns() + limit_ns;
    while (!condition()) {
      if (steady_now_ns() > end) return false;
      reactor.wait(5'000'000);
    }
    return true;
  }

  [[nodiscard]] net::Url url(const std::string& scheme, const std::string& target = "/") const {
    return {.scheme = scheme,
            .host = "127.0.0.1",
            .port = std::to_string(ingress->port()),
            .target = target};
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  net::HttpResponse call(const std::string& method, const std::string& target,
                         const std::string& body, Headers headers) {
    const auto client = net::HttpClient::make(reactor, nullptr, url("http"), {});
    net::HttpResponse got;
    bool done = false;
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.headers = std::move(headers);
    client->send(std::move(request), [&](net::HttpResponse response) {
      got = std::move(response);
      done = true;
    });
    EXPECT_TRUE(run_until([&] { return done; }));
    return got;
  }
  net::HttpResponse post(const std::string& target, const std::string& body, ApiKeyId key,
                         Headers headers = {}) {
    headers.emplace_back("Authorization", "Bearer " + token(key));
    return call("POST", target, body, std::move(headers));
  }

  [[nodiscard]] std::string signal_body(std::uint64_t id, const std::string& more = "") const {
    return R"({"id":")" + uuid_of(id).to_text() + R"(","channel_id":")" + channel.to_text() +
           R"(","signal_type":"buy","asset_symbol":"BTC/USDT","quantity_suggestion":"0.5")" + more +
           "}";
  }
  [[nodiscard]] static std::string trade_body(std::uint64_t id, const std::string& more = "") {
    return R"({"id":")" + uuid_of(id).to_text() +
           R"(","exchange_name":"binance","side":"buy","asset_symbol":"BTC/USDT","quantity":"1.5",)"
           R"("price":"60000.1")" +
           more + "}";
  }

  const UserId leader{uuid_of(1)};
  const UserId other{uuid_of(2)};
  const UserId admin{uuid_of(3)};
  const ApiKeyId leader_key{uuid_of(11)};
  const ApiKeyId other_key{uuid_of(12)};
  const ApiKeyId admin_key{uuid_of(13)};
  const ApiKeyId reader_key{uuid_of(14)};
  const ChannelId channel{uuid_of(21)};
  const ChannelId dead_channel{uuid_of(22)};

  net::Reactor reactor;
  EngineClock clock;
  RecordingSink sink;
  bool journal = true;
  std::uint64_t seq = 0;
  std::vector<EventId> asked;
  std::vector<UserId> viewers;  // for whom
  std::optional<std::string> report;
  bool report_available = true;
  std::vector<Refusal> refusals;
  std::vector<KillSwitch> switches;  // all that were set
  std::atomic<bool> records_wanted{false};
  std::unique_ptr<Ingress> ingress;
};

// One WebSocket caller.
class StreamCaller {
 public:
  StreamCaller(net::Reactor& reactor, const net::Url& url, const std::string& token) {
    net::WsClientOptions options;
    if (!token.empty()) options.headers = {{"Authorization", "Bearer " + token}};
    client_ = net::WsClient::connect(
        reactor, nullptr, url, options,
        {.on_open = [this] { open = true; },
         .on_message = [this](std::string_view text) { messages.emplace_back(text); },
         .on_close = [this](std::string_view why) { closed = why; }});
  }
  void send(const std::string& text) { client_->send_text(text); }

  bool open = false;
  std::vector<std::string> messages;
  std::string closed;

 private:
  std::unique_ptr<net::WsClient> client_;
};

}  // namespace oneclick::ingress
