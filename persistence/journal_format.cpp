#include "persistence/journal_format.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/base/hash.hpp"
#include "engine/base/limits.hpp"

namespace oneclick::journal {

namespace {

constexpr char segment_magic[8] = {'O', 'C', 'J', 'O', 'U', 'R', 'N', '\n'};
constexpr std::size_t crc_end = offsetof(SegmentHeader, crc) + sizeof(SegmentHeader::crc);

// An entry's own header says its size a second time.
bool is_entry(const FrameHeader& header, const std::byte* payload) {
  static_assert(event_header_bytes == record_header_bytes);
  static_assert(offsetof(Event, payload_size) == offsetof(Record, payload_size));
  if (header.size < event_header_bytes) return false;
  if (header.size > (header.type == FrameType::event ? sizeof(Event) : sizeof(Record)))
    return false;
  std::uint32_t payload_size;
  std::memcpy(&payload_size, payload + offsetof(Event, payload_size), sizeof(payload_size));
  return payload_size == header.size - event_header_bytes;
}

bool is_shape_valid(const FrameHeader& header, const std::byte* payload) {
  switch (header.type) {
    case FrameType::event:
    case FrameType::record:
      return is_entry(header, payload);
    case FrameType::mark:
    case FrameType::seal:
      return header.size == 0;
  }
  return false;
}

std::uint32_t frame_crc(const std::byte* frame, std::size_t bytes) {
  return crc32c({frame + sizeof(FrameHeader::crc), bytes - sizeof(FrameHeader::crc)});
}

std::uint64_t bytes_to_last_not_zero(std::span<const std::byte> bytes) {
  std::size_t size = bytes.size();
  while (size > 0 && bytes[size - 1] == std::byte{0}) --size;
  return size;
}

}  // namespace

std::size_t write_frame(std::byte* out, FrameType type, JournalPosition position,
                        const void* payload, std::size_t size) {
  constexpr std::array<std::byte, frame_align> zeros{};
  const std::size_t padding = frame_bytes(size) - sizeof(FrameHeader) - size;
  FrameHeader header{
      .crc = 0, .size = static_cast<std::uint16_t>(size), .type = type, .position = position};
  // From the payload, which the caller has just written and is in cache, not from the copy.
  const auto counted = std::as_bytes(std::span(&header, 1)).subspan(sizeof(header.crc));
  header.crc = crc32c({static_cast<const std::byte*>(payload), size}, crc32c(counted));
  if (padding != 0) header.crc = crc32c(std::span(zeros).first(padding), header.crc);
  std::memcpy(out, &header, sizeof(header));
  if (size != 0) std::memcpy(out + sizeof(header), payload, size);
  if (padding != 0) std::memcpy(out + sizeof(header) + size, zeros.data(), padding);
  return frame_bytes(size);
}

std::optional<Frame> parse_frame(std::span<const std::byte> bytes, JournalPosition expected) {
  FrameHeader header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.position != expected) return std::nullopt;
  const std::size_t size = frame_bytes(header.size);
  if (size > bytes.size() || size > frame_bytes_max) return std::nullopt;
  const std::byte* payload = bytes.data() + sizeof(header);
  if (!is_shape_valid(header, payload)) return std::nullopt;
  if (frame_crc(bytes.data(), size) != header.crc) return std::nullopt;
  return Frame{.type = header.type,
               .position = header.position,
               .payload = {payload, header.size},
               .bytes = size};
}

void write_header(std::byte* page, SegmentHeader header) {
  std::memcpy(header.magic, segment_magic, sizeof(segment_magic));
  header.format = limits::journal_format;
  std::memset(page, 0, header_bytes);
  std::memcpy(page, &header, sizeof(header));
  const std::uint32_t crc = crc32c({page + crc_end, header_bytes - crc_end});
  std::memcpy(page + offsetof(SegmentHeader, crc), &crc, sizeof(crc));
}

ParsedHeader parse_header(std::span<const std::byte> page) {
  ParsedHeader out{.state = HeaderState::damaged, .header = {}};
  if (page.size() < header_bytes) return out;
  std::memcpy(&out.header, page.data(), sizeof(out.header));
  if (std::memcmp(out.header.magic, segment_magic, sizeof(segment_magic)) != 0) return out;
  if (crc32c(page.subspan(crc_end, header_bytes - crc_end)) != out.header.crc) return out;
  out.state =
      out.header.format > limits::journal_format ? HeaderState::newer_format : HeaderState::good;
  return out;
}

bool is_proven_by_later_mark(std::span<const std::byte> bytes, JournalPosition expected) {
  const JournalPosition last_possible = expected + bytes.size() / frame_align;
  for (std::size_t at = 0; at + sizeof(FrameHeader) <= bytes.size(); at += frame_align) {
    FrameHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.type != FrameType::mark && header.type != FrameType::seal) continue;
    if (header.position < expected || header.position > last_possible) continue;
    if (parse_frame(bytes.subspan(at), header.position)) return true;
  }
  return false;
}

SegmentScan scan_segment(std::span<const std::byte> segment, JournalPosition first,
                         JournalPosition last_wanted) {
  SegmentScan scan{.next = first,
                   .end = header_bytes,
                   .events = 0,
                   .records = 0,
                   .sealed = false,
                   .marked_end = false,
                   .torn_bytes = 0,
                   .damaged = false};
  while (!scan.sealed) {
    const auto frame = parse_frame(segment.subspan(std::min(scan.end, segment.size())), scan.next);
    if (!frame) break;
    const bool is_entry_frame = frame->type == FrameType::event || frame->type == FrameType::record;
    if (is_entry_frame && scan.next > last_wanted) return scan;
    scan.end += frame->bytes;
    scan.next += is_entry_frame ? 1 : 0;
    scan.events += frame->type == FrameType::event ? 1 : 0;
    scan.records += frame->type == FrameType::record ? 1 : 0;
    scan.sealed = frame->type == FrameType::seal;
    scan.marked_end = frame->type == FrameType::mark;
  }
  if (scan.end >= segment.size() || scan.next > last_wanted) return scan;
  const auto rest = segment.subspan(scan.end);
  const std::uint64_t torn = bytes_to_last_not_zero(rest);
  scan.torn_bytes = torn;
  const std::size_t searched =
      std::min(rest.size(), (torn + frame_align) / frame_align * frame_align);
  scan.damaged =
      torn != 0 && (scan.sealed || is_proven_by_later_mark(rest.first(searched), scan.next));
  return scan;
}

}  // namespace oneclick::journal
