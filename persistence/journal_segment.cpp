#include "persistence/journal_segment.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/log.hpp"

namespace oneclick::journal {

namespace fs = std::filesystem;

namespace {

// One block on its way: large enough that a fan-out to 10,000 takes about 20 of them, small enough
// that a single order does not wait long behind one (about 0.4 ms).
constexpr std::size_t staging_bytes = 256 * 1024;
constexpr std::size_t seal_bytes = sizeof(FrameHeader);

std::size_t round_up_to_block(std::size_t size) {
  return (size + block_bytes - 1) / block_bytes * block_bytes;
}

// Space now rather than an error later. File systems without fallocate get a plain size.
std::expected<void, JournalError> reserve(const File& file, const fs::path& path,
                                          std::size_t size) {
  if (::fallocate(file.fd(), 0, 0, static_cast<off_t>(size)) == 0) return {};
  if (errno == EOPNOTSUPP && ::ftruncate(file.fd(), static_cast<off_t>(size)) == 0) return {};
  return io_error(fmt::format("reserve {} bytes of", size), path);
}

std::expected<void, JournalError> fill_new(const File& file, const fs::path& path,
                                           const SegmentHeader& header) {
  std::array<std::byte, header_bytes> page;
  write_header(page.data(), header);
  if (auto reserved = reserve(file, path, header.segment_bytes); !reserved) return reserved;
  const ssize_t n = ::pwrite(file.fd(), page.data(), page.size(), 0);
  if (n >= 0 && n != static_cast<ssize_t>(page.size())) errno = ENOSPC;
  if (n != static_cast<ssize_t>(page.size())) return io_error("write", path);
  if (::fsync(file.fd()) != 0) return io_error("sync", path);
  return {};
}

}  // namespace

std::expected<SegmentWriter, JournalError> SegmentWriter::create(const fs::path& shard_dir,
                                                                 const SegmentHeader& header) {
  SegmentWriter out;
  out.segment_ = {segment_path(shard_dir, header.index), header};
  const fs::path temporary = out.segment_.path.string() + ".tmp";
  {
    const File file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!file.is_open()) return io_error("make", temporary);
    if (auto filled = fill_new(file, temporary, header); !filled) {
      ::unlink(temporary.c_str());
      return std::unexpected(filled.error());
    }
  }
  if (::rename(temporary.c_str(), out.segment_.path.c_str()) != 0)
    return io_error("rename", temporary);
  if (auto synced = sync_dir(shard_dir); !synced) return std::unexpected(synced.error());
  out.staging_at_ = header_bytes;
  if (auto opened = out.open_for_writing(); !opened) return std::unexpected(opened.error());
  return out;
}

std::expected<SegmentWriter, JournalError> SegmentWriter::resume(const Segment& segment,
                                                                 std::size_t end) {
  CHECK(end >= header_bytes && end <= segment.header.segment_bytes && end % frame_align == 0);
  SegmentWriter out;
  out.segment_ = segment;
  const File file(::open(segment.path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.is_open()) return io_error("open", segment.path);
  // A torn tail may hold whole frames that must never come back behind new ones.
  if (::ftruncate(file.fd(), static_cast<off_t>(end)) != 0) return io_error("cut", segment.path);
  if (auto reserved = reserve(file, segment.path, segment.header.segment_bytes); !reserved)
    return std::unexpected(reserved.error());
  if (::fsync(file.fd()) != 0) return io_error("sync", segment.path);
  if (auto opened = out.open_for_writing(); !opened) return std::unexpected(opened.error());
  out.staging_at_ = end / block_bytes * block_bytes;
  out.staged_ = end - out.staging_at_;
  const auto n = read_at(file, segment.path, out.staging_at_, out.staging_.get(), out.staged_);
  if (!n) return std::unexpected(n.error());
  if (*n != out.staged_) return damaged(segment.path, out.staging_at_, "it became shorter");
  return out;
}

std::expected<void, JournalError> SegmentWriter::open_for_writing() {
  staging_ = {static_cast<std::byte*>(std::aligned_alloc(block_bytes, staging_bytes)), &std::free};
  CHECK(staging_ != nullptr);
  file_ = File(::open(segment_.path.c_str(), O_WRONLY | O_CLOEXEC | O_DIRECT | O_DSYNC));
  direct_ = file_.is_open();
  if (!direct_ && !fall_back_to_buffered()) return io_error("open", segment_.path);
  return {};
}

bool SegmentWriter::fall_back_to_buffered() {
  direct_ = false;
  file_ = File(::open(segment_.path.c_str(), O_WRONLY | O_CLOEXEC));
  return file_.is_open();
}

bool SegmentWriter::has_room(std::size_t bytes) const {
  return end() + sizeof(FrameHeader) + bytes + seal_bytes <= segment_.header.segment_bytes;
}

bool SegmentWriter::begin_block(JournalPosition next) {
  if (!has_room(0)) return false;
  stage_frame(FrameType::mark, next);
  return true;
}

bool SegmentWriter::try_add(std::span<const std::byte> frames) {
  if (staged_ + frames.size() > staging_bytes - block_bytes) return false;
  if (end() + frames.size() + seal_bytes > segment_.header.segment_bytes) return false;
  std::memcpy(staging_.get() + staged_, frames.data(), frames.size());
  staged_ += frames.size();
  return true;
}

void SegmentWriter::stage_frame(FrameType type, JournalPosition position) {
  CHECK(staged_ + sizeof(FrameHeader) <= staging_bytes);
  staged_ += write_frame(staging_.get() + staged_, type, position, nullptr, 0);
}

std::expected<void, JournalError> SegmentWriter::seal(JournalPosition next) {
  stage_frame(FrameType::seal, next);
  return write_block();
}

std::expected<void, JournalError> SegmentWriter::write_block() {
  const std::size_t size = round_up_to_block(staged_);
  std::memset(staging_.get() + staged_, 0, size - staged_);
  if (auto written = write_staged(size); !written) return written;
  if (!direct_ && ::fdatasync(file_.fd()) != 0) return io_error("sync", segment_.path);
  // The block that is not full is written again with what comes next.
  const std::size_t full = staged_ / block_bytes * block_bytes;
  std::memmove(staging_.get(), staging_.get() + full, staged_ - full);
  staging_at_ += full;
  staged_ -= full;
  return {};
}

std::expected<void, JournalError> SegmentWriter::write_staged(std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pwrite(file_.fd(), staging_.get() + done, size - done,
                               static_cast<off_t>(staging_at_ + done));
    if (n < 0 && errno == EINTR) continue;
    // Some file systems take O_DIRECT when opening and refuse it when writing.
    if (n < 0 && errno == EINVAL && direct_ && fall_back_to_buffered()) continue;
    if (n < 0) return io_error("write", segment_.path);
    if (n == 0) {
      errno = ENOSPC;
      return io_error("write", segment_.path);
    }
    done += static_cast<std::size_t>(n);
  }
  return {};
}

}  // namespace oneclick::journal
