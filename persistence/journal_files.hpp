// Files and folders of a journal: names, the lock, the list of segments, and running over all of
// them. Used at start and by tools; nothing here is on the order path.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "persistence/journal.hpp"
#include "persistence/journal_format.hpp"

namespace oneclick::journal {

// A file descriptor that closes itself.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept;
  ~File();
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// errno is read by the call, so nothing may stand between the failed call and it.
[[nodiscard]] std::unexpected<JournalError> io_error(std::string_view doing,
                                                     const std::filesystem::path& path);
[[nodiscard]] std::unexpected<JournalError> damaged(const std::filesystem::path& path,
                                                    std::uint64_t offset, std::string_view what);

[[nodiscard]] std::filesystem::path shard_dir(const std::filesystem::path& dir,
                                              std::uint16_t shard);
[[nodiscard]] std::filesystem::path segment_path(const std::filesystem::path& shard_dir,
                                                 std::uint64_t index);
[[nodiscard]] std::expected<void, JournalError> sync_dir(const std::filesystem::path& dir);
// Makes `path` hold exactly `pieces`, or leaves it as it was: temporary file, sync, rename, sync.
[[nodiscard]] std::expected<void, JournalError> replace_file(
    const std::filesystem::path& path, std::span<const std::span<const std::byte>> pieces);
[[nodiscard]] std::expected<std::vector<std::byte>, JournalError> read_file(
    const std::filesystem::path& path);
// Up to `size` bytes at `offset`; fewer at the end of the file.
[[nodiscard]] std::expected<std::size_t, JournalError> read_at(const File& file,
                                                               const std::filesystem::path& path,
                                                               std::uint64_t offset, std::byte* out,
                                                               std::size_t size);
[[nodiscard]] std::uint64_t inode_of(const std::filesystem::path& path);  // 0 when absent

// The lock file also says who holds it and where that writer's ring is; this stays after the
// holder's death, so that the successor and readers find the ring.
struct LockText {
  std::string pid;
  std::filesystem::path ring;
};
[[nodiscard]] LockText read_lock_text(const std::filesystem::path& shard_dir);
[[nodiscard]] std::expected<File, JournalError> take_lock(const std::filesystem::path& shard_dir);
[[nodiscard]] std::expected<void, JournalError> write_lock_text(
    const File& lock, const std::filesystem::path& shard_dir, const std::filesystem::path& ring);

struct Segment {
  std::filesystem::path path;
  SegmentHeader header;
};
// Header of one segment, checked against the place it stands in.
[[nodiscard]] std::expected<SegmentHeader, JournalError> read_segment_header(
    const std::filesystem::path& path, const File& file, std::uint16_t shard, std::uint64_t index);
// All segments, ascending, without gaps, of one journal.
[[nodiscard]] std::expected<std::vector<Segment>, JournalError> list_segments(
    const std::filesystem::path& shard_dir, std::uint16_t shard);

struct JournalScan {
  std::vector<Segment> segments;  // empty: no journal yet
  JournalPosition next = 1;       // after the last whole entry
  std::size_t end = 0;            // offset of that in the last segment
  std::uint64_t torn_bytes = 0;
  std::uint64_t events = 0;
  std::uint64_t records = 0;
  bool last_marked_end = false;
  // The process died between making the last segment and sealing the one before it; where that one
  // ends.
  std::optional<std::size_t> seal_missing_at;
};
// Checks every frame, except in segments wholly below `trusted` (those a snapshot covers; whoever
// reads them checks them). Entries after `last_wanted` are left alone.
[[nodiscard]] std::expected<JournalScan, JournalError> scan_journal(
    const std::filesystem::path& shard_dir, std::uint16_t shard, JournalPosition trusted = 0,
    JournalPosition last_wanted = ~JournalPosition{0});

// Positions of the snapshots in this folder by their names, newest first.
[[nodiscard]] std::vector<JournalPosition> snapshot_positions(
    const std::filesystem::path& shard_dir);

}  // namespace oneclick::journal
