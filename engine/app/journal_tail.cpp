#include "engine/app/journal_tail.hpp"

#include <chrono>

#include "engine/base/log.hpp"

namespace oneclick {

namespace {

// The journal moves every fraction of a millisecond under load; an idle tail looks this often.
constexpr auto look_again = std::chrono::microseconds(200);
constexpr auto open_again = std::chrono::milliseconds(200);

}  // namespace

JournalTail::JournalTail(std::filesystem::path dir, std::uint16_t shard, JournalPosition from,
                         const JournalWriter& writer, bool wait_for_sync,
                         std::function<void(const JournalEntry&)> on_entry)
    : dir_(std::move(dir)),
      shard_(shard),
      next_(from),
      writer_(writer),
      wait_for_sync_(wait_for_sync),
      on_entry_(std::move(on_entry)),
      thread_([this] { run(); }) {}

JournalTail::~JournalTail() {
  stopping_ = true;
  thread_.join();
}

JournalPosition JournalTail::tellable() const {
  return wait_for_sync_ ? writer_.synced() : writer_.written();
}

void JournalTail::run() {
  while (!stopping_) {
    const auto reader = JournalReader::open(dir_, shard_, next_);
    if (reader) {
      follow(**reader);
    } else {
      log_error("journal not readable", {{"shard", shard_}, {"error", reader.error().message}});
    }
    if (!stopping_) std::this_thread::sleep_for(open_again);
  }
}

void JournalTail::follow(JournalReader& reader) {
  while (!stopping_) {
    if (tellable() < next_) {
      std::this_thread::sleep_for(look_again);
      continue;
    }
    const auto entry = reader.next();
    if (!entry) {
      log_error("journal not readable", {{"shard", shard_}, {"error", entry.error().message}});
      return;
    }
    if (!entry->has_value()) {
      std::this_thread::sleep_for(look_again);
      continue;
    }
    on_entry_(**entry);
    next_ = (*entry)->position + 1;
  }
}

}  // namespace oneclick
