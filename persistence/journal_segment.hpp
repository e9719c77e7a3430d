// Appends frames to one segment in aligned blocks: O_DIRECT|O_DSYNC where the file system allows
// it, otherwise pwrite and fdatasync. The journal's thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <span>

#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_format.hpp"

namespace oneclick::journal {

class SegmentWriter {
 public:
  // Makes the file, reserves its space, and makes both durable.
  [[nodiscard]] static std::expected<SegmentWriter, JournalError> create(
      const std::filesystem::path& shard_dir, const SegmentHeader& header);
  // Goes on at `end`; whatever lies after it is cleared first.
  [[nodiscard]] static std::expected<SegmentWriter, JournalError> resume(const Segment& segment,
                                                                         std::size_t end);

  // Frames are staged until write_block(). A block begins with a mark. False: no room in the block
  // (write it first) or in the segment (go on in the next).
  [[nodiscard]] bool begin_block(JournalPosition next);
  [[nodiscard]] bool try_add(std::span<const std::byte> frames);
  // Room for a block with at least one frame of this size, and the seal.
  [[nodiscard]] bool has_room(std::size_t bytes) const;
  // Makes the staged block durable. After an error the segment takes nothing more.
  [[nodiscard]] std::expected<void, JournalError> write_block();
  // Writes the seal: the next segment begins with position `next`.
  [[nodiscard]] std::expected<void, JournalError> seal(JournalPosition next);

  [[nodiscard]] const std::filesystem::path& path() const { return segment_.path; }
  [[nodiscard]] const SegmentHeader& header() const { return segment_.header; }
  [[nodiscard]] bool is_direct() const { return direct_; }

 private:
  SegmentWriter() = default;
  [[nodiscard]] std::expected<void, JournalError> open_for_writing();
  [[nodiscard]] bool fall_back_to_buffered();
  [[nodiscard]] std::expected<void, JournalError> write_staged(std::size_t size);
  [[nodiscard]] std::size_t end() const { return staging_at_ + staged_; }
  void stage_frame(FrameType type, JournalPosition position);

  Segment segment_;
  File file_;
  bool direct_ = false;
  std::unique_ptr<std::byte, void (*)(void*)> staging_{nullptr, nullptr};
  std::size_t staging_at_ = 0;  // offset in the file, a multiple of block_bytes
  std::size_t staged_ = 0;      // bytes that count
};

}  // namespace oneclick::journal
