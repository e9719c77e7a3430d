// The journal: every input of a core, and after it the core's records, in order, on disk. One
// journal per shard, in <dir>/shard-NN: preallocated segments of CRC32C-framed entries behind a
// ring in shared memory. The shard appends to the ring; the journal's own thread moves the ring to
// the file and syncs. The ring outlives the process, so what was appended survives kill -9; what is
// synced survives power loss.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/metrics.hpp"
#include "engine/domain/event.hpp"
#include "engine/domain/port.hpp"
#include "engine/domain/record.hpp"

namespace oneclick {

// Number of an entry (event or record) in its journal: 1, 2, 3, ... without gaps.
using JournalPosition = std::uint64_t;

struct JournalOptions {
  std::filesystem::path dir;  // made when absent
  std::uint16_t shard = 0;
  std::size_t ring_bytes = 64 << 20;  // power of two
  std::size_t segment_bytes = 64 << 20;
  std::filesystem::path ring_dir = "/dev/shm";
  std::int64_t retention_ns = 24LL * 3600 * 1'000'000'000;
};

struct JournalError {
  enum class Kind : std::uint8_t { io, locked, damaged, newer_format };
  Kind kind;
  std::string message;  // names the file and, for damage, the offset
};

// Holds the lock against a second instance on the same journal (exit code 75) while it lives.
class JournalWriter : public JournalPort {
 public:
  // Locks, finds the end (a torn tail is cut; damage before it is refused), takes over what a
  // killed predecessor left in the ring, starts the journal thread.
  [[nodiscard]] static std::expected<std::unique_ptr<JournalWriter>, JournalError> open(
      const JournalOptions& options, Metrics& metrics);
  ~JournalWriter() override = default;  // writes and syncs the rest

  // Shard thread only. Returns the entry's position. The ring must have room (see below): 5-50 ns.
  JournalPosition append(const Event& event) override = 0;
  JournalPosition append(const Record& record) override = 0;
  // Room for at least this many bytes of entries. False: the disk is behind; take no new input.
  [[nodiscard]] bool has_room(std::size_t bytes) const override = 0;

  // Any thread.
  [[nodiscard]] JournalPosition appended() const override = 0;  // in the ring: survives the process
  [[nodiscard]] virtual JournalPosition written() const = 0;    // in the file: readers see it
  [[nodiscard]] JournalPosition synced() const override = 0;    // survives power loss
  // A write or sync failed: nothing further becomes durable. The owner must stop new risk.
  [[nodiscard]] bool failed() const override = 0;
  // Segments wholly below the lowest of these positions and older than the retention are removed.
  virtual void set_sink_position(JournalPosition position) = 0;
  virtual void set_snapshot_position(JournalPosition position) = 0;
};

struct JournalEntry {
  JournalPosition position;
  const Event* event;  // exactly one of the two is set; valid until the next call
  const Record* record;
};

// Reads a journal from a position, while it is written or after. Its own thread's.
class JournalReader {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<JournalReader>, JournalError> open(
      const std::filesystem::path& dir, std::uint16_t shard, JournalPosition from);
  virtual ~JournalReader() = default;
  // The next entry; nullopt at the end of what is written so far (call again later). Error: damage,
  // or the position is no longer kept.
  [[nodiscard]] virtual std::expected<std::optional<JournalEntry>, JournalError> next() = 0;
};

struct JournalSummary {
  std::uint16_t shard;
  JournalPosition first;
  JournalPosition last;
  std::uint64_t events;
  std::uint64_t records;
  std::uint64_t segments;
  std::uint64_t bytes;
  std::uint64_t torn_bytes;  // cut at the end
};
// Reads everything, checks every frame. Changes nothing.
[[nodiscard]] std::expected<JournalSummary, JournalError> verify_journal(
    const std::filesystem::path& dir, std::uint16_t shard);
// Shards that have a journal below dir, ascending.
[[nodiscard]] std::vector<std::uint16_t> journal_shards(const std::filesystem::path& dir);

// Snapshots of the core's state beside the segments; written to a temporary name, synced, renamed.
struct Snapshot {
  JournalPosition position;  // state after this entry's event and all its records
  std::uint64_t seq;         // of the last event
  std::int64_t time_ns;
  std::vector<std::byte> state;
};
[[nodiscard]] std::expected<void, JournalError> write_snapshot(const std::filesystem::path& dir,
                                                               std::uint16_t shard,
                                                               const Snapshot&);
// The newest whole one; nullopt when there is none. A damaged one is passed over for an older.
[[nodiscard]] std::expected<std::optional<Snapshot>, JournalError> load_snapshot(
    const std::filesystem::path& dir, std::uint16_t shard);

}  // namespace oneclick
