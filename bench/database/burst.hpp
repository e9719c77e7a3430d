// What a burst of copies leaves in a journal: leader events, and for each follower an order that is
// sent, accepted and filled, and its outcome. As the core would have written it.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/database/world.hpp"
#include "engine/domain/record.hpp"

namespace oneclick::bench {

struct JournalItem {
  bool is_event;
  Event event;  // one of the two counts
  Record record;
};

struct BurstSize {
  std::uint64_t leader_events;
  std::uint64_t followers;  // of each leader event
  [[nodiscard]] std::uint64_t trades() const { return leader_events * followers; }
};
inline constexpr std::uint64_t states_a_trade = 3;   // sent, accepted, filled
inline constexpr std::uint64_t history_a_trade = 4;  // and one fill
inline constexpr std::uint64_t records_a_trade = 5;  // and its outcome

// All of one leader event, in the order of the journal. `number` makes its ids: none twice.
[[nodiscard]] std::vector<JournalItem> burst_of(const World& world, std::uint64_t number,
                                                std::uint64_t followers, std::int64_t time_ns);
[[nodiscard]] EventId burst_event(std::uint64_t number);

}  // namespace oneclick::bench
