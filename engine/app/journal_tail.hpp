// Follows a shard's journal as it is written and tells what passes: how ingress learns that an
// event was accepted and what became of it, without the shard doing anything for it. Runs its own
// thread.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "persistence/journal.hpp"

namespace oneclick {

class JournalTail {
 public:
  // `writer` outlives the tail. With wait_for_sync an entry is told only when power loss cannot
  // take it back. on_entry runs on the tail's thread, in order, from `from` on.
  JournalTail(std::filesystem::path dir, std::uint16_t shard, JournalPosition from,
              const JournalWriter& writer, bool wait_for_sync,
              std::function<void(const JournalEntry&)> on_entry);
  ~JournalTail();
  JournalTail(const JournalTail&) = delete;
  JournalTail& operator=(const JournalTail&) = delete;

 private:
  void run();
  void follow(JournalReader& reader);
  [[nodiscard]] JournalPosition tellable() const;

  const std::filesystem::path dir_;
  const std::uint16_t shard_;
  JournalPosition next_;
  const JournalWriter& writer_;
  const bool wait_for_sync_;
  const std::function<void(const JournalEntry&)> on_entry_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace oneclick
