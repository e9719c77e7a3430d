// The bytes of a journal: segment header and frames. Pure functions over memory; the writer, the
// reader, recovery and the tests all read frames through parse_frame() and nothing else.
//
// A segment is a header page and then frames, each aligned to 16 bytes, zeros up to the segment's
// size. Every block the journal thread writes begins with a mark, and the block before it was
// synced by then: a mark proves all that stands before it. That tells damage (a mark follows) from
// the tail that a power loss may leave torn in any order (none follows).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/base/uuid.hpp"
#include "engine/domain/event.hpp"
#include "engine/domain/record.hpp"
#include "persistence/journal.hpp"

namespace oneclick::journal {

inline constexpr std::size_t block_bytes = 4096;  // alignment and size unit of direct writes
inline constexpr std::size_t header_bytes = block_bytes;
inline constexpr std::size_t frame_align = 16;

enum class FrameType : std::uint16_t {
  event = 1,
  record = 2,
  mark = 3,  // begins a written block; position is that of the entry after it
  seal = 4,  // ends a segment; position is the first of the next segment
};

struct FrameHeader {
  std::uint32_t crc;   // CRC32C over the frame after this field, padding included
  std::uint16_t size;  // bytes of the payload, without padding
  FrameType type;
  JournalPosition position;
};
static_assert(sizeof(FrameHeader) == frame_align);

inline constexpr std::size_t entry_bytes_max = std::max(sizeof(Event), sizeof(Record));
static_assert(entry_bytes_max <= 0xffff, "FrameHeader::size");

[[nodiscard]] constexpr std::size_t frame_bytes(std::size_t payload_size) {
  return sizeof(FrameHeader) + (payload_size + frame_align - 1) / frame_align * frame_align;
}
inline constexpr std::size_t frame_bytes_max = frame_bytes(entry_bytes_max);

// Lays a frame at `out`, which has room for frame_bytes(size). Returns its bytes.
std::size_t write_frame(std::byte* out, FrameType type, JournalPosition position,
                        const void* payload, std::size_t size);

struct Frame {
  FrameType type;
  JournalPosition position;
  std::span<const std::byte> payload;
  std::size_t bytes;  // of the whole frame
};
// The frame at the start of `bytes`, when it is whole, valid and stands at this position.
[[nodiscard]] std::optional<Frame> parse_frame(std::span<const std::byte> bytes,
                                               JournalPosition expected);

struct SegmentHeader {
  // Magic, CRC and format keep their places in every format.
  char magic[8];
  std::uint32_t crc;  // CRC32C over the header page after this field
  std::uint32_t format;
  Uuid journal;
  std::uint64_t index;  // 1, 2, 3, ...
  JournalPosition first;
  std::uint64_t segment_bytes;
  std::int64_t created_ns;
  std::uint16_t shard;
};
static_assert(sizeof(SegmentHeader) <= header_bytes);

// Fills magic, CRC and format, and lays the page at `page` (header_bytes).
void write_header(std::byte* page, SegmentHeader header);
enum class HeaderState : std::uint8_t { good, damaged, newer_format };
struct ParsedHeader {
  HeaderState state;
  SegmentHeader header;  // meaningful when good
};
[[nodiscard]] ParsedHeader parse_header(std::span<const std::byte> page);

struct SegmentScan {
  JournalPosition next;  // after the last whole entry
  std::size_t end;       // offset after the last whole frame
  std::uint64_t events;
  std::uint64_t records;
  bool sealed;
  bool marked_end;           // the last frame is a mark: closed in good order
  std::uint64_t torn_bytes;  // from `end` to the last byte that is not zero
  bool damaged;              // at `end`: proven by a mark after it
};
// Runs over a whole segment's bytes (its header page is not looked at). Entries after `last_wanted`
// are left alone, as if they were not there.
[[nodiscard]] SegmentScan scan_segment(std::span<const std::byte> segment, JournalPosition first,
                                       JournalPosition last_wanted = ~JournalPosition{0});
// Whether a mark or seal stands anywhere in `bytes` (whose first byte is frame-aligned) that could
// follow position `expected`: then what is invalid before it is damage and not a torn tail.
[[nodiscard]] bool is_proven_by_later_mark(std::span<const std::byte> bytes,
                                           JournalPosition expected);

}  // namespace oneclick::journal
