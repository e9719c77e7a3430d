// Every bound of the engine that is not configuration, in one place. Beside each: what happens
// there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace oneclick::limits {

// Layout of events and records in the journal. An older one is read, a newer one refused.
inline constexpr std::uint32_t journal_format = 1;

inline constexpr std::size_t shards_max = 64;               // configuration refuses more
inline constexpr std::size_t shard_queue_events = 1 << 16;  // full: feeds hold, ingress answers 503
// Resting orders of leaders that a shard remembers at once; more are not mirrored, their fills are
// copied.
inline constexpr std::size_t leader_orders_max = 100'000;
inline constexpr std::size_t event_dedupe_max =
    1 << 20;  // leader events remembered; oldest are forgotten after 24 h
inline constexpr std::size_t accounts_max = 1 << 20;  // per shard; further ones are refused by name
inline constexpr std::size_t links_max = 1 << 21;     // per shard
inline constexpr std::size_t instruments_max = 1 << 16;
inline constexpr std::size_t symbol_map_max = 1 << 12;  // names of other venues; more are ignored
// Quotes that count as equal when a leader's symbol is looked for elsewhere; configuration refuses
// more.
inline constexpr std::size_t quote_groups_max = 4;
inline constexpr std::size_t quote_group_assets_max = 4;
inline constexpr std::size_t scopes_max =
    1 << 20;  // limits of accounts and leaders; ignored, counted
inline constexpr std::int64_t scope_watch_ns = 1'000'000'000;  // profit is not looked at more often
// Signals of channels that are open, for links that begin; further ones are not synced.
inline constexpr std::size_t published_signals_max = 1 << 16;
inline constexpr std::size_t syncs_max = 1
                                         << 20;  // waiting for a price; further ones are not synced
inline constexpr std::size_t ghosts_max =
    1 << 12;  // open orders nobody knows; more are cancelled, and their fills not recorded

// Entries that the venue's budget does not carry are tried again after this, then twice as long.
inline constexpr std::int64_t entry_retry_ns = 250'000'000;

// Fan-out: intents leave in batches that begin small, so that the first followers do not wait.
inline constexpr std::size_t fanout_batch_first = 2;
inline constexpr std::size_t fanout_batch_max = 64;

// Ingress (fault catalogue of the README: slow and oversized input)
inline constexpr std::size_t request_body_bytes_max = 64 * 1024;    // 413
inline constexpr std::size_t request_header_bytes_max = 8 * 1024;   // 431
inline constexpr std::int64_t request_time_ns_max = 5'000'000'000;  // 408, closed

inline constexpr std::size_t ws_message_bytes_max =
    1 << 20;  // from venues; larger closes the session

}  // namespace oneclick::limits
