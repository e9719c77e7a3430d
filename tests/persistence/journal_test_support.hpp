// What the journal's tests share: entries with content that can be recognised, and temporary
// folders.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.hpp"
#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_format.hpp"

namespace oneclick::journal_test {

class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent = "/tmp") {
    std::string name = parent + "/journal-test-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The n-th entry of every test journal: kind, size and bytes follow from n.
inline Event event_of(std::uint64_t n) {
  Event event;
  std::memset(static_cast<void*>(&event), 0, sizeof(event));
  constexpr EventKind kinds[] = {EventKind::timer, EventKind::balance, EventKind::leader,
                                 EventKind::order_update, EventKind::link_upsert};
  event.kind = kinds[n % std::size(kinds)];
  event.payload_size = static_cast<std::uint32_t>(payload_bytes(event.kind));
  event.seq = n;
  event.time_ns = static_cast<std::int64_t>(n * 1'000);
  auto* payload = reinterpret_cast<unsigned char*>(&event) + event_header_bytes;
  for (std::uint32_t i = 0; i < event.payload_size; ++i)
    payload[i] = static_cast<unsigned char>(mix(n * 4096 + i));
  return event;
}
inline Record record_of(std::uint64_t n) {
  Record record;
  std::memset(static_cast<void*>(&record), 0, sizeof(record));
  constexpr RecordKind kinds[] = {RecordKind::outcome, RecordKind::order, RecordKind::fill};
  record.kind = kinds[n % std::size(kinds)];
  record.payload_size = static_cast<std::uint32_t>(payload_bytes(record.kind));
  record.cause_seq = n;
  record.time_ns = static_cast<std::int64_t>(n * 1'000);
  auto* payload = reinterpret_cast<unsigned char*>(&record) + record_header_bytes;
  for (std::uint32_t i = 0; i < record.payload_size; ++i)
    payload[i] = static_cast<unsigned char>(mix(n * 8192 + i));
  return record;
}
inline bool is_event_position(std::uint64_t n) {
  return n % 3 != 0;
}
inline std::size_t payload_of(std::uint64_t n) {
  return is_event_position(n) ? event_header_bytes + event_of(n).payload_size
                              : record_header_bytes + record_of(n).payload_size;
}
inline JournalPosition append_nth(JournalWriter& writer, std::uint64_t n) {
  return is_event_position(n) ? writer.append(event_of(n)) : writer.append(record_of(n));
}
inline bool is_nth(const JournalEntry& entry, std::uint64_t n) {
  if (entry.position != n) return false;
  if (is_event_position(n)) {
    const Event expected = event_of(n);
    return entry.event != nullptr && entry.record == nullptr &&
           std::memcmp(entry.event, &expected, sizeof(Event)) == 0;
  }
  const Record expected = record_of(n);
  return entry.record != nullptr && entry.event == nullptr &&
         std::memcmp(entry.record, &expected, sizeof(Record)) == 0;
}

// Small sizes: many segments and wrap-arounds from few entries.
inline JournalOptions small_options(const std::filesystem::path& dir) {
  JournalOptions options;
  options.dir = dir;
  options.ring_bytes = 1 << 20;
  options.segment_bytes = 64 << 10;
  options.ring_dir = "/dev/shm";
  return options;
}

inline std::unique_ptr<JournalWriter> open_or_fail(const JournalOptions& options,
                                                   Metrics& metrics) {
  auto writer = JournalWriter::open(options, metrics);
  if (!writer) {
    ADD_FAILURE() << writer.error().message;
    return nullptr;
  }
  return std::move(*writer);
}

template <typename Condition>
bool wait_until(Condition condition, std::int64_t timeout_ns = 30'000'000'000) {
  const std::int64_t until = steady_now_ns() + timeout_ns;
  while (!condition()) {
    if (steady_now_ns() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

// Appends from..to, waiting for room; returns when all is synced.
inline void append_range(JournalWriter& writer, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t n = from; n <= to; ++n) {
    ASSERT_TRUE(wait_until([&] { return writer.has_room(sizeof(Event)); }));
    ASSERT_EQ(append_nth(writer, n), n);
  }
  ASSERT_TRUE(wait_until([&] { return writer.synced() >= to; }));
}

// Writes 1..count and closes in good order.
inline void write_journal(const JournalOptions& options, std::uint64_t count) {
  Metrics metrics;
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  append_range(*writer, writer->appended() + 1, count);
}

// Reads from..end of what is there; checks every entry. Returns the last position read.
inline JournalPosition read_all(const std::filesystem::path& dir, JournalPosition from = 1) {
  auto reader = JournalReader::open(dir, 0, from);
  if (!reader) {
    ADD_FAILURE() << reader.error().message;
    return 0;
  }
  JournalPosition last = from - 1;
  while (true) {
    const auto entry = (*reader)->next();
    if (!entry) {
      ADD_FAILURE() << entry.error().message;
      return last;
    }
    if (!*entry) return last;
    if (!is_nth(**entry, last + 1)) {
      ADD_FAILURE() << "entry " << last + 1 << " is not what was written";
      return last;
    }
    ++last;
  }
}

}  // namespace oneclick::journal_test
