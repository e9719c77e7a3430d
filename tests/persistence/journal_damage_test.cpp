// Torn ends are cut, everything else that is wrong is refused by file and offset; no entry is
// invented.
#include <fcntl.h>

#include <array>
#include <fstream>
#include <random>

#include "engine/base/hash.hpp"
#include "tests/persistence/journal_test_support.hpp"

namespace oneclick {
namespace {

using namespace journal_test;
namespace fs = std::filesystem;
using journal::FrameType;
using Bytes = std::vector<std::byte>;

fs::path segment(const fs::path& dir, std::uint64_t index) {
  return journal::segment_path(journal::shard_dir(dir, 0), index);
}
Bytes read_bytes(const fs::path& path) {
  auto bytes = journal::read_file(path);
  EXPECT_TRUE(bytes);
  return bytes ? *bytes : Bytes{};
}
void write_bytes(const fs::path& path, std::span<const std::byte> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(out.good());
}

struct Place {
  FrameType type;
  JournalPosition position;
  std::size_t offset;
  std::size_t bytes;
};
std::vector<Place> frames_of(const Bytes& bytes, JournalPosition first = 1) {
  std::vector<Place> places;
  std::size_t offset = journal::header_bytes;
  JournalPosition next = first;
  while (const auto frame = journal::parse_frame(std::span(bytes).subspan(offset), next)) {
    places.push_back({frame->type, frame->position, offset, frame->bytes});
    offset += frame->bytes;
    if (frame->type == FrameType::event || frame->type == FrameType::record) ++next;
    if (frame->type == FrameType::seal) break;
  }
  return places;
}

// A segment as a power loss leaves it: no mark at its end.
Bytes open_ended(Bytes bytes) {
  const auto places = frames_of(bytes);
  EXPECT_EQ(places.back().type, FrameType::mark);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(places.back().offset),
              places.back().bytes, std::byte{0});
  return bytes;
}

void expect_damaged(const fs::path& dir, const fs::path& file, const std::string& offset) {
  Metrics metrics;
  const auto writer = JournalWriter::open(small_options(dir), metrics);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, JournalError::Kind::damaged) << writer.error().message;
  EXPECT_NE(writer.error().message.find(file.string()), std::string::npos)
      << writer.error().message;
  EXPECT_NE(writer.error().message.find("offset " + offset), std::string::npos)
      << writer.error().message;
  const auto verified = verify_journal(dir, 0);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().kind, JournalError::Kind::damaged);
  EXPECT_EQ(verified.error().message, writer.error().message);
}

TEST(JournalDamage, LastFrameTornAtEveryByteIsCut) {
  const TemporaryFolder folder("/dev/shm");
  write_journal(small_options(folder.path()), 20);
  const fs::path file = segment(folder.path(), 1);
  const Bytes whole = open_ended(read_bytes(file));
  const auto places = frames_of(whole);
  const Place last = places.back();
  ASSERT_EQ(last.position, 20u);
  for (std::size_t kept = 0; kept < last.bytes; ++kept) {
    Bytes torn = whole;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(last.offset + kept), torn.end(),
              std::byte{0});
    if (torn == whole) continue;  // what is missing is padding of zeros
    // Zeros after the cut, or the file itself cut there.
    for (const bool cut_file : {false, true}) {
      if (cut_file) torn.resize(last.offset + kept);
      write_bytes(file, torn);
      const auto verified = verify_journal(folder.path(), 0);
      ASSERT_TRUE(verified) << verified.error().message;
      ASSERT_EQ(verified->last, 19u) << kept;
      ASSERT_EQ(read_all(folder.path()), 19u) << kept;
    }
    Metrics metrics;
    const auto writer = open_or_fail(small_options(folder.path()), metrics);
    ASSERT_NE(writer, nullptr);
    ASSERT_EQ(writer->appended(), 19u);
    append_range(*writer, 20, 22);
    ASSERT_EQ(read_all(folder.path()), 22u) << kept;
  }
}

TEST(JournalDamage, SectorsOfTheLastBlockLostInAnyPatternAreCut) {
  const TemporaryFolder folder("/dev/shm");
  write_journal(small_options(folder.path()), 30);
  const fs::path file = segment(folder.path(), 1);
  const Bytes before = read_bytes(file);
  const std::size_t block_begin = frames_of(before).back().offset;  // the mark: synced up to here
  write_journal(small_options(folder.path()), 60);
  Bytes after = open_ended(read_bytes(file));
  // Make what followed one unsynced block: only marks before it prove anything.
  const auto all = frames_of(after);
  std::mt19937_64 random(7);
  constexpr std::size_t sector = 512;
  for (int round = 0; round < 120; ++round) {
    Bytes torn = after;
    std::size_t end_of_marks = block_begin;
    for (const Place& place : all)
      if (place.type == FrameType::mark) end_of_marks = place.offset;
    for (std::size_t at = end_of_marks / sector * sector; at < torn.size(); at += sector)
      if (random() % 2 == 0)
        for (std::size_t i = std::max(at, end_of_marks); i < at + sector; ++i)
          torn[i] = std::byte{0};
    write_bytes(file, torn);
    const auto verified = verify_journal(folder.path(), 0);
    ASSERT_TRUE(verified) << verified.error().message;
    ASSERT_GE(verified->last, 30u);
    ASSERT_LE(verified->last, 60u);
    Metrics metrics;
    const auto writer = open_or_fail(small_options(folder.path()), metrics);
    ASSERT_NE(writer, nullptr);
    ASSERT_EQ(writer->appended(), verified->last);
    append_range(*writer, verified->last + 1, 61);
    ASSERT_EQ(read_all(folder.path()), 61u);
  }
}

// What one flipped bit may do to a journal of one segment that ended in order.
TEST(JournalDamage, EverySingleBitFlipIsDetectedOrCutsNothing) {
  const TemporaryFolder folder("/dev/shm");
  constexpr std::uint64_t entries = 188;
  write_journal(small_options(folder.path()), entries);
  Bytes bytes = read_bytes(segment(folder.path(), 1));
  ASSERT_EQ(bytes.size(), 65'536u);
  const auto places = frames_of(bytes);
  const std::size_t entries_end = places.back().offset;
  ASSERT_GT(entries_end, 58'000u) << "the segment should be nearly full";
  const auto good = journal::scan_segment(bytes, 1);
  ASSERT_EQ(good.next, entries + 1);
  std::uint64_t detected = 0, harmless = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const std::size_t at = bit / 8;
    const auto mask = static_cast<std::byte>(1u << (bit % 8));
    bytes[at] ^= mask;
    if (at < journal::header_bytes) {
      ASSERT_NE(journal::parse_header(bytes).state, journal::HeaderState::good) << "bit " << bit;
      ++detected;
    } else {
      const auto scan = journal::scan_segment(bytes, 1);
      if (at < entries_end) {
        ASSERT_TRUE(scan.damaged) << "bit " << bit;
        ASSERT_LE(scan.end, at);
        ++detected;
      } else {
        ASSERT_FALSE(scan.damaged) << "bit " << bit;
        ASSERT_EQ(scan.next, entries + 1) << "bit " << bit;
        ASSERT_NE(scan.torn_bytes, 0u) << "bit " << bit;
        ++harmless;
      }
    }
    bytes[at] ^= mask;
  }
  EXPECT_EQ(detected + harmless, 524'288u);
  EXPECT_EQ(detected, entries_end * 8);
}

// The same through open files: reader and verify see it too, and give out nothing wrong.
TEST(JournalDamage, FlippedBitsInFilesAreReportedWithTheirOffset) {
  const TemporaryFolder folder("/dev/shm");
  write_journal(small_options(folder.path()), 205);
  const fs::path file = segment(folder.path(), 1);
  const Bytes good = read_bytes(file);
  const auto places = frames_of(good);
  std::mt19937_64 random(11);
  for (int round = 0; round < 500; ++round) {
    const Place& place = places[random() % (places.size() - 1)];
    const std::size_t at = place.offset + random() % place.bytes;
    Bytes bytes = good;
    bytes[at] ^= static_cast<std::byte>(1u << (random() % 8));
    write_bytes(file, bytes);
    const auto verified = verify_journal(folder.path(), 0);
    ASSERT_FALSE(verified) << at;
    EXPECT_EQ(verified.error().kind, JournalError::Kind::damaged);
    EXPECT_NE(verified.error().message.find("offset " + std::to_string(place.offset) + ":"),
              std::string::npos)
        << verified.error().message << " at " << at;
    auto reader = JournalReader::open(folder.path(), 0, 1);
    ASSERT_TRUE(reader);
    JournalPosition read = 0;
    while (true) {
      const auto entry = (*reader)->next();
      if (!entry) {
        EXPECT_EQ(entry.error().kind, JournalError::Kind::damaged);
        break;
      }
      ASSERT_TRUE(*entry) << "the reader took damage for the end";
      ASSERT_TRUE(is_nth(**entry, ++read));
    }
    EXPECT_LE(read, place.position);
  }
}

TEST(JournalDamage, InAnEarlierSegmentIsRefused) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 1'000);
  const fs::path file = segment(folder.path(), 2);
  ASSERT_TRUE(fs::exists(segment(folder.path(), 4)));
  const Bytes good = read_bytes(file);
  const auto header = journal::parse_header(good);
  ASSERT_EQ(header.state, journal::HeaderState::good);
  const auto places = frames_of(good, header.header.first);
  ASSERT_EQ(places.back().type, FrameType::seal);
  for (const Place& place : {places[1], places[places.size() / 2], places.back()}) {
    Bytes bytes = good;
    bytes[place.offset + 3] ^= std::byte{0x10};
    write_bytes(file, bytes);
    expect_damaged(folder.path(), file, std::to_string(place.offset));
  }
  write_bytes(file, std::span(good).first(places[3].offset + 7));
  expect_damaged(folder.path(), file, std::to_string(places[3].offset));
}

TEST(JournalDamage, AMissingSegmentIsRefused) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 1'000);
  std::uint64_t last = 1;
  while (fs::exists(segment(folder.path(), last + 1))) ++last;
  ASSERT_GE(last, 4u);
  const fs::path aside = folder.path() / "aside";
  for (const std::uint64_t index : {std::uint64_t{2}, last - 1, last}) {
    fs::rename(segment(folder.path(), index), aside);
    expect_damaged(folder.path(), segment(folder.path(), index), "0");
    auto reader = JournalReader::open(folder.path(), 0, 1);
    if (reader) {
      auto entry = (*reader)->next();
      while (entry && *entry) entry = (*reader)->next();
      EXPECT_FALSE(entry) << "the reader took the hole for the end";
    }
    fs::rename(aside, segment(folder.path(), index));
  }
  EXPECT_EQ(read_all(folder.path()), 1'000u);
}

TEST(JournalDamage, AWrongSegmentInPlaceIsRefused) {
  const TemporaryFolder folder;
  const TemporaryFolder other;
  write_journal(small_options(folder.path()), 1'000);
  write_journal(small_options(other.path()), 1'000);
  const fs::path file = segment(folder.path(), 3);
  const Bytes good = read_bytes(file);
  // Another of the same journal; the same of another journal; an older state of the same.
  write_bytes(file, read_bytes(segment(folder.path(), 2)));
  expect_damaged(folder.path(), file, "0");
  write_bytes(file, read_bytes(segment(other.path(), 3)));
  expect_damaged(folder.path(), file, "0");
  Bytes older = good;
  const auto places = frames_of(good, journal::parse_header(good).header.first);
  const std::size_t cut = places[places.size() / 2].offset;
  std::fill(older.begin() + static_cast<std::ptrdiff_t>(cut), older.end(), std::byte{0});
  write_bytes(file, older);
  expect_damaged(folder.path(), file, std::to_string(cut));
  write_bytes(file, good);
  EXPECT_EQ(read_all(folder.path()), 1'000u);
}

TEST(JournalDamage, ASegmentOfAnotherShardIsRefused) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 10);
  const fs::path from = journal::shard_dir(folder.path(), 0);
  const fs::path to = journal::shard_dir(folder.path(), 1);
  fs::copy(from, to, fs::copy_options::recursive);
  EXPECT_EQ(journal_shards(folder.path()), (std::vector<std::uint16_t>{0, 1}));
  const auto verified = verify_journal(folder.path(), 1);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().kind, JournalError::Kind::damaged);
}

TEST(JournalDamage, ANewerFormatIsRefusedByName) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 10);
  const fs::path file = segment(folder.path(), 1);
  Bytes bytes = read_bytes(file);
  constexpr std::size_t format_at = 12;
  bytes[format_at] = std::byte{2};
  const std::uint32_t crc =
      crc32c(std::span(bytes).subspan(format_at, journal::header_bytes - format_at));
  std::memcpy(bytes.data() + 8, &crc, sizeof(crc));
  write_bytes(file, bytes);
  Metrics metrics;
  const auto writer = JournalWriter::open(small_options(folder.path()), metrics);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, JournalError::Kind::newer_format) << writer.error().message;
  const auto reader = JournalReader::open(folder.path(), 0, 1);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, JournalError::Kind::newer_format);
}

TEST(JournalDamage, DeathBetweenANewSegmentAndTheSealIsRepaired) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 1'000);
  std::uint64_t last = 1;
  while (fs::exists(segment(folder.path(), last + 1))) ++last;
  // As it was just after the last segment was made.
  Bytes newest = read_bytes(segment(folder.path(), last));
  const JournalPosition next = journal::parse_header(newest).header.first;
  std::fill(newest.begin() + journal::header_bytes, newest.end(), std::byte{0});
  write_bytes(segment(folder.path(), last), newest);
  Bytes before = read_bytes(segment(folder.path(), last - 1));
  const auto places = frames_of(before, journal::parse_header(before).header.first);
  std::fill(before.begin() + static_cast<std::ptrdiff_t>(places.back().offset), before.end(),
            std::byte{0});
  write_bytes(segment(folder.path(), last - 1), before);

  EXPECT_EQ(read_all(folder.path()), next - 1);
  Metrics metrics;
  {
    const auto writer = open_or_fail(small_options(folder.path()), metrics);
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->appended(), next - 1);
    append_range(*writer, next, 1'100);
  }
  const auto verified = verify_journal(folder.path(), 0);
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->last, 1'100u);
  EXPECT_EQ(read_all(folder.path()), 1'100u);
}

}  // namespace
}  // namespace oneclick
