// The gate between the core and the venues. An order leaves when the journal has reached the event
// that caused it; that comparison lives here and nowhere else. What cannot leave comes back as an
// event that says so (`not_sent`), by name, so that the core decides what follows. One per shard,
// on its thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/domain/port.hpp"
#include "engine/runtime/kill_board.hpp"

namespace oneclick {

enum class Durability : std::uint8_t {
  process,  // what was appended survives the process: an order may leave at once
  power,    // an order waits until its cause is on disk
};

class Gate {
 public:
  struct Options {
    Durability durability;
    std::int64_t hold_ns_max;  // an intent that waits longer for the disk is not sent at all
  };
  Gate(Options options, const JournalPort& journal, const KillBoard& kill_board);

  // Sessions by account slot. A null session refuses as session_down.
  void set_session(AccountSlot slot, OrderSession* session);

  // Hot path 5/7. `position` is that of the intent's cause in the journal.
  void release(const Intent& intent, std::uint64_t position, std::int64_t now_ns);
  void prefetch(AccountSlot slot, bool first) const {
    if (slot < sessions_.size() && sessions_[slot] != nullptr)
      sessions_[slot]->prefetch(slot, first);
  }
  // Hands what was submitted to the network.
  void flush();
  // Releases what waited for the disk. Returns how many left or were refused.
  std::size_t release_held(std::int64_t now_ns);

  // Refusals since the last call, as events for the core; the caller journals and steps them.
  [[nodiscard]] std::vector<OrderUpdate>& refused() { return refused_; }
  [[nodiscard]] std::size_t held() const { return held_.size() - held_first_; }
  [[nodiscard]] std::uint64_t submitted_total() const { return submitted_total_; }
  // Stops entries: draining, or the journal failed.
  void stop_entries(Reason why) { entries_stopped_ = why; }

 private:
  struct Held {
    Intent intent;
    std::uint64_t position;
    std::int64_t since_ns;
  };
  [[nodiscard]] bool reached(std::uint64_t position) const;
  [[nodiscard]] Reason why_not(const Intent& intent, std::int64_t now_ns) const;
  void submit(const Intent& intent, std::int64_t now_ns);
  void refuse(const Intent& intent, Reason reason);

  const Options options_;
  const JournalPort& journal_;
  const KillBoard& kill_board_;
  std::vector<OrderSession*> sessions_;  // by slot
  std::vector<OrderSession*> dirty_;     // submitted to since the last flush
  std::vector<Held> held_;
  std::size_t held_first_ = 0;
  std::vector<OrderUpdate> refused_;
  std::uint64_t submitted_total_ = 0;
  Reason entries_stopped_ = Reason::none;
};

}  // namespace oneclick
