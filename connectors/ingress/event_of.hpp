// From a decoded message to the LeaderEvent it asks for: rights, identity and meaning. No I/O.
#pragma once

#include <expected>
#include <optional>
#include <string_view>

#include "connectors/ingress/decode.hpp"
#include "connectors/ingress/key_store.hpp"

namespace oneclick::ingress {

// What is known of a signal that was published here.
struct KnownSignal {
  ChannelId channel;
  Symbol symbol;
};

// How and by whom a message came.
struct Caller {
  const ApiKey& key;
  EventSource source;
  std::string_view idempotency_key;     // of the header; "" when absent
  std::optional<SignalId> path_signal;  // of /v1/signals/{id}/updates
  std::int64_t received_ns;             // engine clock
};

using FindSignal = std::function<const KnownSignal*(SignalId)>;

[[nodiscard]] std::expected<LeaderEvent, Problem> signal_of(const Message& message,
                                                            const Caller& caller,
                                                            const KeyStore& keys);
[[nodiscard]] std::expected<LeaderEvent, Problem> signal_update_of(const Message& message,
                                                                   const Caller& caller,
                                                                   const KeyStore& keys,
                                                                   const FindSignal& find_signal);
[[nodiscard]] std::expected<LeaderEvent, Problem> leader_trade_of(const Message& message,
                                                                  const Caller& caller);

}  // namespace oneclick::ingress
