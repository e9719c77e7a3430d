#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_ring.hpp"

namespace oneclick {

namespace fs = std::filesystem;
using namespace journal;

namespace {

constexpr std::size_t buffer_bytes = 1 << 20;
// A direct write and the page cache may disagree for a moment; damage is what stays.
constexpr int rereads_max = 3;

// While a writer lives (or was killed and its ring stands), its ring says how far the file counts,
// and everything up to there must check. Without one, the file alone counts, up to a torn tail.
class Reader final : public JournalReader {
 public:
  Reader(fs::path dir, std::uint16_t shard) : dir_(std::move(dir)), shard_(shard) {}

  [[nodiscard]] std::expected<void, JournalError> start(JournalPosition from);
  std::expected<std::optional<JournalEntry>, JournalError> next() override;

 private:
  [[nodiscard]] std::expected<void, JournalError> open_segment(const Segment& segment);
  [[nodiscard]] std::expected<void, JournalError> skip_to(JournalPosition from);
  [[nodiscard]] std::expected<void, JournalError> open_next_segment();
  // Whether the entry at position_ may be looked for now; looks how far the writer is.
  [[nodiscard]] bool is_reachable();
  void attach();
  [[nodiscard]] std::expected<void, JournalError> refill();
  [[nodiscard]] std::optional<Frame> parse() const;
  // The frame at the cursor; nullopt where the file ends, for now.
  [[nodiscard]] std::expected<std::optional<Frame>, JournalError> frame_at_cursor();
  [[nodiscard]] std::expected<bool, JournalError> is_end();
  [[nodiscard]] JournalEntry hand_out(const Frame& frame);

  const fs::path dir_;
  const std::uint16_t shard_;
  Segment segment_{};
  File file_;
  JournalPosition position_ = 1;  // of the next entry
  std::uint64_t offset_ = 0;      // of its frame in the file
  std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(buffer_bytes);
  std::uint64_t buffer_at_ = 0;  // offset in the file
  std::size_t buffered_ = 0;
  bool is_fresh_ = false;  // read since the limit was last raised
  std::optional<RingView> ring_;
  JournalPosition limit_ = 0;         // of ring_, as last seen
  std::uint64_t end_checked_at_ = 0;  // offset that was found to be a clean end without a writer
  JournalPosition skip_before_ = 0;   // entries before this are not handed out
  union {
    Event event_;
    Record record_;
  };
};

std::expected<void, JournalError> Reader::start(JournalPosition from) {
  const auto segments = list_segments(dir_, shard_);
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty())
    return std::unexpected(JournalError{JournalError::Kind::io,
                                        fmt::format("there is no journal in {}", dir_.string())});
  from = std::max<JournalPosition>(from, 1);
  if (from < segments->front().header.first)
    return std::unexpected(JournalError{
        JournalError::Kind::io, fmt::format("position {} is no longer kept: {} begins at {}", from,
                                            dir_.string(), segments->front().header.first)});
  const auto after =
      std::ranges::find_if(*segments, [&](const Segment& s) { return s.header.first > from; });
  if (auto opened = open_segment(*std::prev(after)); !opened) return opened;
  attach();
  return skip_to(from);
}

std::expected<void, JournalError> Reader::skip_to(JournalPosition from) {
  while (position_ < from) {
    const auto entry = next();
    if (!entry) return std::unexpected(entry.error());
    if (*entry) continue;
    // Appended and not yet in the file is as good as there.
    if (ring_ && ring_->appended() + 1 >= from) {
      skip_before_ = from;
      return {};
    }
    return damaged(
        segment_.path, offset_,
        fmt::format("the journal ends before position {}, and {} was asked for: was an older "
                    "copy restored?",
                    position_, from));
  }
  return {};
}

std::expected<void, JournalError> Reader::open_segment(const Segment& segment) {
  segment_ = segment;
  file_ = File(::open(segment.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_.is_open()) return io_error("open", segment.path);
  // Written around the page cache: what is read is mostly not in memory.
  ::posix_fadvise(file_.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
  position_ = segment.header.first;
  offset_ = header_bytes;
  buffered_ = 0;
  is_fresh_ = false;
  end_checked_at_ = 0;
  return {};
}

std::expected<void, JournalError> Reader::open_next_segment() {
  const std::uint64_t index = segment_.header.index + 1;
  const fs::path path = segment_path(dir_, index);
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno != ENOENT) return io_error("open", path);
    const auto kept = list_segments(dir_, shard_);
    if (kept && !kept->empty() && kept->front().header.index > index)
      return std::unexpected(JournalError{
          JournalError::Kind::io,
          fmt::format("position {} is no longer kept: {} was removed", position_, path.string())});
    return damaged(path, 0, "the segment is missing");
  }
  const auto header = read_segment_header(path, file, shard_, index);
  if (!header) return std::unexpected(header.error());
  if (header->journal != segment_.header.journal)
    return damaged(path, 0, "it belongs to another journal");
  if (header->first != position_)
    return damaged(path, 0,
                   fmt::format("it begins at position {}, expected {}", header->first, position_));
  return open_segment({path, *header});
}

void Reader::attach() {
  ring_ = RingView::find(dir_, segment_.header.journal, shard_);
  limit_ = 0;
}

bool Reader::is_reachable() {
  if (!ring_) return true;
  if (position_ <= limit_) return true;
  // Closed is told after the last position: seen closed, the position is final.
  const bool closed = ring_->closed();
  limit_ = ring_->synced();
  is_fresh_ = false;
  if (position_ <= limit_) return true;
  if (closed) ring_.reset();
  return false;
}

std::expected<void, JournalError> Reader::refill() {
  // Near a writer's end no more than can be there, rather than a buffer of zeros each time.
  std::uint64_t size = buffer_bytes;
  if (ring_) size = std::min(size, (limit_ - position_ + 1) * frame_bytes_max + block_bytes);
  size = std::min(size,
                  segment_.header.segment_bytes - std::min(offset_, segment_.header.segment_bytes));
  const auto n = read_at(file_, segment_.path, offset_, buffer_.get(), size);
  if (!n) return std::unexpected(n.error());
  buffer_at_ = offset_;
  buffered_ = *n;
  is_fresh_ = true;
  return {};
}

std::optional<Frame> Reader::parse() const {
  if (offset_ < buffer_at_ || offset_ >= buffer_at_ + buffered_) return std::nullopt;
  const std::size_t at = offset_ - buffer_at_;
  return parse_frame({buffer_.get() + at, buffered_ - at}, position_);
}

std::expected<std::optional<Frame>, JournalError> Reader::frame_at_cursor() {
  if (const auto frame = parse()) return frame;
  if (!is_fresh_ || buffer_at_ != offset_) {
    if (auto filled = refill(); !filled) return std::unexpected(filled.error());
    if (const auto frame = parse()) return frame;
  }
  if (!ring_) return std::nullopt;
  for (int i = 0; i < rereads_max; ++i) {
    ::posix_fadvise(file_.fd(), 0, 0, POSIX_FADV_DONTNEED);
    if (auto filled = refill(); !filled) return std::unexpected(filled.error());
    if (const auto frame = parse()) return frame;
  }
  return damaged(segment_.path, offset_,
                 fmt::format("entry {} does not check, and {} were stored", position_, limit_));
}

// Nothing valid at the cursor and no writer to ask. True: a clean or torn end.
std::expected<bool, JournalError> Reader::is_end() {
  attach();  // one may have come since
  if (ring_) return false;
  is_fresh_ = false;  // the next look is at the file as it then is
  if (end_checked_at_ == offset_) return true;
  const auto scan = scan_journal(dir_, shard_, position_);
  if (!scan) {
    attach();  // a writer that came while we looked explains it
    if (ring_) return false;
    return std::unexpected(scan.error());
  }
  if (scan->next > position_) return false;  // a writer came, wrote and closed in between
  end_checked_at_ = offset_;
  return true;
}

JournalEntry Reader::hand_out(const Frame& frame) {
  JournalEntry entry{.position = position_, .event = nullptr, .record = nullptr};
  // The whole struct, so that copying it is defined: what the payload leaves is zero.
  if (frame.type == FrameType::event) {
    std::memcpy(&event_, frame.payload.data(), frame.payload.size());
    std::memset(reinterpret_cast<std::byte*>(&event_) + frame.payload.size(), 0,
                sizeof(Event) - frame.payload.size());
    entry.event = &event_;
  } else {
    std::memcpy(&record_, frame.payload.data(), frame.payload.size());
    std::memset(reinterpret_cast<std::byte*>(&record_) + frame.payload.size(), 0,
                sizeof(Record) - frame.payload.size());
    entry.record = &record_;
  }
  offset_ += frame.bytes;
  ++position_;
  return entry;
}

std::expected<std::optional<JournalEntry>, JournalError> Reader::next() {
  while (true) {
    if (!is_reachable()) return std::nullopt;
    const auto frame = frame_at_cursor();
    if (!frame) return std::unexpected(frame.error());
    if (!*frame) {
      const auto end = is_end();
      if (!end) return std::unexpected(end.error());
      if (*end) return std::nullopt;
      continue;
    }
    switch ((*frame)->type) {
      case FrameType::mark:
        offset_ += (*frame)->bytes;
        break;
      case FrameType::seal:
        if (auto opened = open_next_segment(); !opened) return std::unexpected(opened.error());
        break;
      case FrameType::event:
      case FrameType::record: {
        const JournalEntry entry = hand_out(**frame);
        if (entry.position >= skip_before_) return entry;
        break;
      }
    }
  }
}

}  // namespace

std::expected<std::unique_ptr<JournalReader>, JournalError> JournalReader::open(
    const fs::path& dir, std::uint16_t shard, JournalPosition from) {
  auto reader = std::make_unique<Reader>(shard_dir(dir, shard), shard);
  if (auto started = reader->start(from); !started) return std::unexpected(started.error());
  return reader;
}

}  // namespace oneclick
