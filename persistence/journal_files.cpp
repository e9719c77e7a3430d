#include "persistence/journal_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <system_error>

#include <fmt/format.h>

#include "engine/base/limits.hpp"

namespace oneclick::journal {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view segment_suffix = ".journal";
constexpr mode_t file_mode = 0640;

std::optional<std::uint64_t> number_before(std::string_view name, std::string_view prefix,
                                           std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() <= prefix.size() + suffix.size()) return std::nullopt;
  name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return value;
}

std::expected<void, JournalError> write_all(const File& file, const fs::path& path,
                                            std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.fd(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return io_error("write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

std::unexpected<JournalError> io_error(std::string_view doing, const fs::path& path) {
  const int error = errno;
  return std::unexpected(
      JournalError{.kind = JournalError::Kind::io,
                   .message = fmt::format("cannot {} {}: {}", doing, path.string(),
                                          std::generic_category().message(error))});
}

std::unexpected<JournalError> damaged(const fs::path& path, std::uint64_t offset,
                                      std::string_view what) {
  return std::unexpected(JournalError{
      .kind = JournalError::Kind::damaged,
      .message = fmt::format("{} is damaged at offset {}: {}", path.string(), offset, what)});
}

fs::path shard_dir(const fs::path& dir, std::uint16_t shard) {
  return dir / fmt::format("shard-{:02}", shard);
}
fs::path segment_path(const fs::path& shard_dir, std::uint64_t index) {
  return shard_dir / fmt::format("{:010}{}", index, segment_suffix);
}

std::expected<void, JournalError> sync_dir(const fs::path& dir) {
  const File file(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.is_open()) return io_error("open", dir);
  if (::fsync(file.fd()) != 0) return io_error("sync", dir);
  return {};
}

std::expected<void, JournalError> replace_file(const fs::path& path,
                                               std::span<const std::span<const std::byte>> pieces) {
  const fs::path temporary = path.string() + ".tmp";
  const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file_mode));
  if (!file.is_open()) return io_error("make", temporary);
  for (const auto piece : pieces)
    if (auto done = write_all(file, temporary, piece); !done) return done;
  if (::fsync(file.fd()) != 0) return io_error("sync", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return io_error("rename", temporary);
  return sync_dir(path.parent_path());
}

std::expected<std::vector<std::byte>, JournalError> read_file(const fs::path& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return io_error("open", path);
  struct stat status;
  if (::fstat(file.fd(), &status) != 0) return io_error("stat", path);
  std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
  const auto n = read_at(file, path, 0, bytes.data(), bytes.size());
  if (!n) return std::unexpected(n.error());
  bytes.resize(*n);
  return bytes;
}

std::expected<std::size_t, JournalError> read_at(const File& file, const fs::path& path,
                                                 std::uint64_t offset, std::byte* out,
                                                 std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(file.fd(), out + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("read", path);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::uint64_t inode_of(const fs::path& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

LockText read_lock_text(const fs::path& shard_dir) {
  LockText text;
  const auto bytes = read_file(shard_dir / "lock");
  if (!bytes) return text;
  std::string_view rest(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (line.starts_with("pid ")) text.pid = line.substr(4);
    if (line.starts_with("ring ")) text.ring = line.substr(5);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return text;
}

std::expected<File, JournalError> take_lock(const fs::path& shard_dir) {
  const fs::path path = shard_dir / "lock";
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, file_mode));
  if (!file.is_open()) return io_error("open", path);
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return io_error("lock", path);
  const std::string pid = read_lock_text(shard_dir).pid;
  return std::unexpected(
      JournalError{.kind = JournalError::Kind::locked,
                   .message = fmt::format("another instance (pid {}) holds {}",
                                          pid.empty() ? "unknown" : pid, path.string())});
}

std::expected<void, JournalError> write_lock_text(const File& lock, const fs::path& shard_dir,
                                                  const fs::path& ring) {
  const fs::path path = shard_dir / "lock";
  const std::string text = fmt::format("pid {}\nring {}\n", ::getpid(), ring.string());
  const auto size = static_cast<ssize_t>(text.size());
  if (::pwrite(lock.fd(), text.data(), text.size(), 0) != size) return io_error("write", path);
  if (::ftruncate(lock.fd(), size) != 0) return io_error("cut", path);
  return {};
}

std::expected<SegmentHeader, JournalError> read_segment_header(const fs::path& path,
                                                               const File& file,
                                                               std::uint16_t shard,
                                                               std::uint64_t index) {
  std::array<std::byte, header_bytes> page;
  const auto n = read_at(file, path, 0, page.data(), page.size());
  if (!n) return std::unexpected(n.error());
  const ParsedHeader parsed = parse_header({page.data(), *n});
  if (parsed.state == HeaderState::damaged) return damaged(path, 0, "its header does not check");
  if (parsed.state == HeaderState::newer_format)
    return std::unexpected(JournalError{
        .kind = JournalError::Kind::newer_format,
        .message = fmt::format("{} has journal format {}, this build reads up to {}", path.string(),
                               parsed.header.format, limits::journal_format)});
  const SegmentHeader& header = parsed.header;
  if (header.shard != shard)
    return damaged(path, 0, fmt::format("it belongs to shard {}", header.shard));
  if (header.index != index)
    return damaged(path, 0,
                   fmt::format("it is segment {} in the place of {}", header.index, index));
  if (header.segment_bytes < header_bytes || header.first == 0)
    return damaged(path, 0, "its header makes no sense");
  return header;
}

std::expected<std::vector<Segment>, JournalError> list_segments(const fs::path& shard_dir,
                                                                std::uint16_t shard) {
  std::vector<std::uint64_t> indices;
  std::error_code error;
  for (fs::directory_iterator it(shard_dir, error), end; !error && it != end; it.increment(error))
    if (const auto index = number_before(it->path().filename().string(), "", segment_suffix))
      indices.push_back(*index);
  if (error) {
    errno = error.value();
    return io_error("list", shard_dir);
  }
  std::ranges::sort(indices);
  std::vector<Segment> segments;
  for (const std::uint64_t index : indices) {
    const fs::path path = segment_path(shard_dir, index);
    if (!segments.empty() && segments.back().header.index + 1 != index)
      return damaged(segment_path(shard_dir, segments.back().header.index + 1), 0,
                     "the segment is missing");
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    // Retention removes from the front, perhaps while we look.
    if (!file.is_open() && errno == ENOENT && segments.empty()) continue;
    if (!file.is_open()) return io_error("open", path);
    const auto header = read_segment_header(path, file, shard, index);
    if (!header) return std::unexpected(header.error());
    if (!segments.empty() && segments.back().header.journal != header->journal)
      return damaged(path, 0, "it belongs to another journal");
    if (!segments.empty() && segments.back().header.first > header->first)
      return damaged(path, 0, "its first position lies before that of the segment before it");
    segments.push_back({path, *header});
  }
  return segments;
}

namespace {

// Reads segments into one buffer, whatever their size.
class SegmentBytes {
 public:
  [[nodiscard]] std::expected<std::span<const std::byte>, JournalError> read(
      const Segment& segment) {
    const File file(::open(segment.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return io_error("open", segment.path);
    struct stat status;
    if (::fstat(file.fd(), &status) != 0) return io_error("stat", segment.path);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > capacity_) {
      bytes_ = std::make_unique_for_overwrite<std::byte[]>(size);
      capacity_ = size;
    }
    const auto n = read_at(file, segment.path, 0, bytes_.get(), size);
    if (!n) return std::unexpected(n.error());
    return std::span<const std::byte>(bytes_.get(), *n);
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t capacity_ = 0;
};

// A segment with another after it.
std::expected<void, JournalError> check_inner(JournalScan& out, std::size_t i,
                                              const SegmentScan& scan) {
  const Segment& segment = out.segments[i];
  const Segment& after = out.segments[i + 1];
  if (scan.next != after.header.first) {
    if (!scan.sealed)
      return damaged(segment.path, scan.end, "it ends before the next segment begins");
    return damaged(
        after.path, 0,
        fmt::format("it begins at position {}, expected {}", after.header.first, scan.next));
  }
  if (scan.damaged) return damaged(segment.path, scan.end, "bytes after its end");
  if (scan.sealed) return {};
  if (i + 2 != out.segments.size()) return damaged(segment.path, scan.end, "its seal is missing");
  out.seal_missing_at = scan.end;
  return {};
}

std::expected<void, JournalError> check_last(JournalScan& out, const SegmentScan& scan,
                                             std::size_t file_bytes) {
  const Segment& segment = out.segments.back();
  if (scan.sealed && !scan.damaged)
    return damaged(segment_path(segment.path.parent_path(), segment.header.index + 1), 0,
                   "the segment is missing");
  if (scan.damaged)
    return damaged(
        segment.path, scan.end,
        fmt::format("entry {} does not check, and what was written after it does", scan.next));
  if (out.seal_missing_at && scan.next != segment.header.first) {
    const Segment& before = out.segments[out.segments.size() - 2];
    return damaged(before.path, *out.seal_missing_at, "its seal is missing");
  }
  if (file_bytes > segment.header.segment_bytes)
    return damaged(segment.path, segment.header.segment_bytes, "it is longer than its header says");
  out.end = scan.end;
  out.torn_bytes = scan.torn_bytes;
  out.last_marked_end = scan.marked_end;
  return {};
}

}  // namespace

std::expected<JournalScan, JournalError> scan_journal(const fs::path& shard_dir,
                                                      std::uint16_t shard, JournalPosition trusted,
                                                      JournalPosition last_wanted) {
  JournalScan out;
  auto segments = list_segments(shard_dir, shard);
  if (!segments) return std::unexpected(segments.error());
  out.segments = std::move(*segments);
  // A writer at work may have gone on to further segments since the caller asked how far it is.
  while (out.segments.size() > 1 && out.segments.back().header.first - 1 > last_wanted)
    out.segments.pop_back();
  SegmentBytes buffer;
  for (std::size_t i = 0; i < out.segments.size(); ++i) {
    const Segment& segment = out.segments[i];
    const bool is_last = i + 1 == out.segments.size();
    // The one before the last is always looked at: its seal may be missing.
    if (i + 2 < out.segments.size() && out.segments[i + 1].header.first <= trusted) continue;
    const auto bytes = buffer.read(segment);
    if (!bytes) return std::unexpected(bytes.error());
    const SegmentScan scan = scan_segment(*bytes, segment.header.first, last_wanted);
    out.events += scan.events;
    out.records += scan.records;
    out.next = scan.next;
    const auto checked = is_last ? check_last(out, scan, bytes->size()) : check_inner(out, i, scan);
    if (!checked) return std::unexpected(checked.error());
  }
  return out;
}

std::vector<JournalPosition> snapshot_positions(const fs::path& shard_dir) {
  std::vector<JournalPosition> positions;
  std::error_code error;
  for (fs::directory_iterator it(shard_dir, error), end; !error && it != end; it.increment(error))
    if (const auto position = number_before(it->path().filename().string(), "snapshot-", ".state"))
      positions.push_back(*position);
  std::ranges::sort(positions, std::greater{});
  return positions;
}

}  // namespace oneclick::journal
