// What a journal says as it grows, for whoever watches: leader events, outcomes, orders, fills,
// halts and quarantines, one line or one JSON object each. Reads the files only; a daemon that
// writes them does not notice. One thread's.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/domain/link.hpp"
#include "persistence/journal.hpp"

namespace oneclick {

struct TailFilter {
  // Nil: any. A user is a follower, or the leader of an event.
  UserId user;
  LinkId link;
  EventId event;
};

class EventTail {
 public:
  using Tell = std::function<void(const std::string& line)>;

  // Reads what it takes to know whose links there are, and ends up before the first entry that is
  // kept (from_start) or after the last that is written.
  [[nodiscard]] static std::expected<EventTail, JournalError> open(const std::filesystem::path& dir,
                                                                   std::uint16_t shard,
                                                                   bool from_start,
                                                                   const TailFilter& filter,
                                                                   bool json);

  // Tells what has been written since, up to `lines_max` lines. Returns how many it told.
  [[nodiscard]] std::expected<std::uint64_t, JournalError> poll(std::uint64_t lines_max,
                                                                const Tell& tell);

 private:
  EventTail(std::uint16_t shard, const TailFilter& filter, bool json)
      : shard_(shard), filter_(filter), json_(json) {}
  void learn(const JournalEntry& entry);
  [[nodiscard]] std::string line_of(const JournalEntry& entry) const;
  [[nodiscard]] UserId follower_of(LinkId link) const;
  [[nodiscard]] bool wants(EventId event, LinkId link, UserId user) const;

  std::uint16_t shard_;
  TailFilter filter_;
  bool json_;
  std::map<LinkId, UserId> followers_;
  // Of orders that have not ended: fills do not say which event they are of.
  std::map<OrderKey, EventId> events_;
  std::unique_ptr<JournalReader> reader_;
};

}  // namespace oneclick
