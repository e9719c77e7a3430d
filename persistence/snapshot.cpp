// Snapshots of the core's state, beside the segments: "snapshot-<position>.state".
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/hash.hpp"
#include "engine/base/limits.hpp"
#include "engine/base/log.hpp"
#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_ring.hpp"

namespace oneclick {

namespace fs = std::filesystem;
using namespace journal;

namespace {

constexpr char snapshot_magic[8] = {'O', 'C', 'S', 'T', 'A', 'T', 'E', '\n'};
constexpr std::size_t snapshots_kept = 2;
constexpr std::int64_t sync_wait_ns_max = 10'000'000'000;
constexpr std::int64_t sync_poll_ns = 1'000'000;

struct SnapshotHeader {
  char magic[8];
  std::uint32_t crc;  // CRC32C over everything after it
  std::uint32_t format;
  JournalPosition position;
  std::uint64_t seq;
  std::int64_t time_ns;
  std::uint64_t state_bytes;
  std::uint64_t shard;
};
static_assert(sizeof(SnapshotHeader) == 56);
constexpr std::size_t crc_end = offsetof(SnapshotHeader, crc) + sizeof(SnapshotHeader::crc);

fs::path snapshot_path(const fs::path& folder, JournalPosition position) {
  return folder / fmt::format("snapshot-{:020}.state", position);
}

std::uint32_t checksum(const SnapshotHeader& header, std::span<const std::byte> state) {
  const auto bytes = std::as_bytes(std::span(&header, 1)).subspan(crc_end);
  return crc32c(state, crc32c(bytes));
}

// A snapshot ahead of what is durable would, after a power loss, know entries that the journal
// lost.
std::expected<void, JournalError> wait_synced(const fs::path& folder, std::uint16_t shard,
                                              JournalPosition position) {
  const auto segments = list_segments(folder, shard);
  if (!segments || segments->empty()) return {};
  const auto ring = RingView::find(folder, segments->back().header.journal, shard);
  if (!ring) return {};
  const std::int64_t until = steady_now_ns() + sync_wait_ns_max;
  while (ring->synced() < position) {
    if (ring->failed() || ring->appended() < position || steady_now_ns() > until)
      return std::unexpected(JournalError{
          JournalError::Kind::io, fmt::format("no snapshot in {}: entry {} is not on disk, {} are",
                                              folder.string(), position, ring->synced())});
    const timespec wait{.tv_sec = 0, .tv_nsec = sync_poll_ns};
    ::nanosleep(&wait, nullptr);
  }
  return {};
}

std::expected<std::optional<Snapshot>, JournalError> read_snapshot(const fs::path& path,
                                                                   std::uint16_t shard) {
  const auto bytes = read_file(path);
  if (!bytes) return std::unexpected(bytes.error());
  SnapshotHeader header;
  if (bytes->size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes->data(), sizeof(header));
  if (std::memcmp(header.magic, snapshot_magic, sizeof(snapshot_magic)) != 0) return std::nullopt;
  if (crc32c(std::span(*bytes).subspan(crc_end)) != header.crc) return std::nullopt;
  if (header.format > limits::journal_format)
    return std::unexpected(
        JournalError{.kind = JournalError::Kind::newer_format,
                     .message = fmt::format("{} has format {}, this build reads up to {}",
                                            path.string(), header.format, limits::journal_format)});
  // State of an older format cannot be read; the journal can.
  if (header.format != limits::journal_format) return std::nullopt;
  if (header.shard != shard || header.state_bytes != bytes->size() - sizeof(header))
    return std::nullopt;
  if (snapshot_path(path.parent_path(), header.position) != path) return std::nullopt;
  const auto state = std::span(*bytes).subspan(sizeof(header));
  return Snapshot{.position = header.position,
                  .seq = header.seq,
                  .time_ns = header.time_ns,
                  .state = {state.begin(), state.end()}};
}

}  // namespace

std::expected<void, JournalError> write_snapshot(const fs::path& dir, std::uint16_t shard,
                                                 const Snapshot& snapshot) {
  const fs::path folder = shard_dir(dir, shard);
  std::error_code error;
  fs::create_directories(folder, error);
  if (auto synced = wait_synced(folder, shard, snapshot.position); !synced) return synced;
  SnapshotHeader header{.magic = {},
                        .crc = 0,
                        .format = limits::journal_format,
                        .position = snapshot.position,
                        .seq = snapshot.seq,
                        .time_ns = snapshot.time_ns,
                        .state_bytes = snapshot.state.size(),
                        .shard = shard};
  std::memcpy(header.magic, snapshot_magic, sizeof(snapshot_magic));
  header.crc = checksum(header, snapshot.state);
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(&header, 1)),
                                               snapshot.state};
  if (auto done = replace_file(snapshot_path(folder, snapshot.position), pieces); !done)
    return done;
  const auto positions = snapshot_positions(folder);
  for (std::size_t i = snapshots_kept; i < positions.size(); ++i)
    fs::remove(snapshot_path(folder, positions[i]), error);
  return {};
}

std::expected<std::optional<Snapshot>, JournalError> load_snapshot(const fs::path& dir,
                                                                   std::uint16_t shard) {
  const fs::path folder = shard_dir(dir, shard);
  for (const JournalPosition position : snapshot_positions(folder)) {
    auto snapshot = read_snapshot(snapshot_path(folder, position), shard);
    if (!snapshot || *snapshot) return snapshot;
    log_warning("a snapshot does not check and is passed over",
                {{"file", snapshot_path(folder, position).string()}});
  }
  return std::nullopt;
}

}  // namespace oneclick
