// How identities are derived, so that any machine, any day, any feed derives the same ones.
#pragma once

#include <optional>
#include <string_view>

#include "engine/domain/event.hpp"

namespace oneclick {

// A leader's fill: from (venue, account, order id, trade id), whichever feed brought it.
[[nodiscard]] EventId fill_event_id(Venue venue, AccountId account, std::string_view order_id,
                                    std::string_view trade_id);
// A signal: from its id and what happened to it (kind and version).
[[nodiscard]] EventId signal_event_id(SignalId signal, LeaderEventKind kind, std::int64_t version);
// One-click copy: (signal, user).
[[nodiscard]] EventId copy_event_id(SignalId signal, UserId user);
// Which order a fill belongs to; never zero.
[[nodiscard]] std::uint64_t leader_order_of(Venue venue, AccountId account,
                                            std::string_view order_id);
// What became of a leader's order: `version` tells its states apart (of amendments: the venue's
// time of it or its count), the same whichever feed brings it.
[[nodiscard]] EventId leader_order_event_id(Venue venue, AccountId account,
                                            std::string_view order_id, LeaderEventKind kind,
                                            std::int64_t version);
// The engine's own sale of what a link holds in a symbol: from what made it, counted by the shard.
[[nodiscard]] EventId risk_event_id(LinkId link, std::string_view symbol, std::uint64_t cause_seq);
// A leader trade posted by a program without venue ids: from the caller and its idempotency key.
[[nodiscard]] EventId request_event_id(UserId caller, std::string_view idempotency_key);

// UUIDv8: 48 bits of milliseconds, 74 bits of SHA-256(event | link | leg | attempt).
[[nodiscard]] OrderKey order_key(EventId event, LinkId link, std::uint8_t leg,
                                 std::uint32_t attempt, std::int64_t event_time_ns);
// Rows of trade_history: one id per (order, state change) and per (order, venue trade).
[[nodiscard]] Uuid state_row_id(OrderKey order, std::uint32_t change, std::int64_t time_ns);
[[nodiscard]] Uuid fill_row_id(OrderKey order, std::string_view trade_id);

// Client order id: "oc" and the key in base64url, 24 characters of [A-Za-z0-9_-].
inline constexpr std::size_t client_order_id_size = 24;
void write_client_order_id(OrderKey key, char* out);
// Only for ids that the engine could have made.
[[nodiscard]] std::optional<OrderKey> order_key_from_client_id(std::string_view text);

}  // namespace oneclick
