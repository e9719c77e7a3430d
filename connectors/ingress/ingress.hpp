// Where bots and the platform feed events in: REST, WebSocket and webhooks. Checks who calls and
// what is said, turns it into a LeaderEvent, hands it to the shards and answers once it is in the
// journal. Lives on its reactor's thread; only what says "any thread" may be called from others.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"
#include "engine/base/clock.hpp"
#include "engine/domain/port.hpp"

namespace oneclick::ingress {

struct IngressOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8443;              // 0: any free one
  std::shared_ptr<net::TlsServer> tls;    // null: plain
  std::uint32_t rate_per_second = 1'000;  // of one key, over all its connections; beyond: 429
  std::uint32_t rate_burst = 2'000;
  std::int64_t answer_timeout_ns = 5'000'000'000;            // not in the journal by then: 503
  std::int64_t remembered_ns = 24LL * 3600 * 1'000'000'000;  // idempotency
  std::size_t remembered_max = std::size_t{1} << 20;         // beyond: the oldest are forgotten
  std::int64_t request_time_ns_max = 5'000'000'000;          // header and body; beyond: 408
  std::int64_t idle_timeout_ns = 60'000'000'000;
  std::size_t connections_max = 20'000;
  std::size_t stream_queue_bytes_max = 4 << 20;  // of one peer; a slower reader is closed
  std::size_t stream_unanswered_max = 4'096;     // messages of one peer waiting for their ack
};

// Somebody was refused for who they are: one security_events row.
struct Refusal {
  std::optional<ApiKeyId> key;  // the key named, where the text had the shape of one
  std::optional<UserId> user;   // its owner, where it exists
  std::string address;
  std::string what;  // "unknown_key", "wrong_secret", "expired_key", ...
};

struct IngressDependencies {
  EventSink& sink;
  const EngineClock& clock;
  // What became of an event, as far as `viewer` may see it (nil: all). `answer` may be called on
  // any thread: the report, or nullopt when there is none; `available` false when the database
  // cannot be asked.
  std::function<void(EventId, UserId viewer,
                     std::function<void(std::optional<std::string> json, bool available)> answer)>
      find_event;
  // What holds entries back, and another such switch: false when nobody took it in full, which the
  // caller is told. Need nothing but the engine itself.
  std::function<std::vector<KillSwitch>()> kill_switches;
  std::function<bool(const KillSwitch&, ApiKeyId)> set_kill_switch;
  // At most once a minute per key or address.
  std::function<void(const Refusal&)> on_refused;
  // Kept true while somebody listens to records: nobody need post them otherwise.
  std::atomic<bool>* records_wanted = nullptr;
};

struct Route {
  std::string_view method;
  std::string_view path;  // "{x}" stands for one segment
};

class Ingress {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<Ingress>, std::string> listen(
      net::Reactor& reactor, IngressOptions options, IngressDependencies dependencies);
  virtual ~Ingress() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // All there is; the tests walk over it.
  [[nodiscard]] static std::span<const Route> routes();

  // Any thread; in effect with the reactor's next turn. Open streams of a key that lost its rights
  // are closed.
  virtual void update(const ApiKey& key) = 0;
  virtual void remove(ApiKeyId id) = 0;
  virtual void update_channel(ChannelId id, UserId creator, bool active) = 0;

  // The reactor's thread. An event is in the journal: its senders get their answer. seq 0: it was
  // there before, position not known.
  virtual void on_event_journaled(EventId id, std::uint64_t seq) = 0;
  // The same with the whole event, whoever sent it: a signal published elsewhere becomes known
  // here.
  virtual void on_event_journaled(const LeaderEvent& event, std::uint64_t seq) = 0;
  // After a start: events the journal holds, for idempotency.
  virtual void restore(EventId id, EventId alias, const std::uint64_t (&body_hash)[2],
                       std::uint64_t seq, std::int64_t time_ns) = 0;
  // Leader events, outcomes, orders and fills, for subscribers of the stream.
  virtual void on_record(const Record& record) = 0;
  // The daemon is stopping: no new connections, no new events; what waits is still answered.
  virtual void stop_intake() = 0;
};

}  // namespace oneclick::ingress
