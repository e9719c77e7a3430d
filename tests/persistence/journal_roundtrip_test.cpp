#include <atomic>
#include <fstream>

#include "tests/persistence/journal_test_support.hpp"

namespace oneclick {
namespace {

using namespace journal_test;

TEST(Journal, GivesBackWhatWasAppended) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 100);
  EXPECT_EQ(read_all(folder.path()), 100u);
  EXPECT_EQ(read_all(folder.path(), 57), 100u);
}

TEST(Journal, GoesOnAfterAnOrderlyEnd) {
  const TemporaryFolder folder;
  for (std::uint64_t end = 10; end <= 100; end += 10)
    write_journal(small_options(folder.path()), end);
  EXPECT_EQ(read_all(folder.path()), 100u);
}

TEST(Journal, RotatesSegmentsAndReadsAcrossThem) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 2'000);
  const auto summary = verify_journal(folder.path(), 0);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_GT(summary->segments, 5u);
  EXPECT_EQ(summary->first, 1u);
  EXPECT_EQ(summary->last, 2'000u);
  EXPECT_EQ(summary->events + summary->records, 2'000u);
  EXPECT_EQ(summary->records, 666u);
  EXPECT_EQ(summary->torn_bytes, 0u);
  EXPECT_EQ(read_all(folder.path()), 2'000u);
  for (JournalPosition from = 1; from <= 2'000; from += 97)
    EXPECT_EQ(read_all(folder.path(), from), 2'000u) << from;
}

TEST(Journal, ReaderFollowsAWriterAcrossSegments) {
  const TemporaryFolder folder;
  constexpr std::uint64_t count = 20'000;
  Metrics metrics;
  const auto writer = open_or_fail(small_options(folder.path()), metrics);
  ASSERT_NE(writer, nullptr);
  std::atomic<JournalPosition> seen{0};
  std::string failure;
  std::thread follower([&] {
    auto reader = JournalReader::open(folder.path(), 0, 1);
    if (!reader) {
      failure = reader.error().message;
      return;
    }
    JournalPosition next = 1;
    wait_until(
        [&] {
          const auto entry = (*reader)->next();
          if (!entry) failure = entry.error().message;
          if (entry && *entry && !is_nth(**entry, next))
            failure = "wrong entry " + std::to_string(next);
          if (!failure.empty()) return true;
          if (*entry) seen = next++;
          return next > count;
        },
        60'000'000'000);
  });
  append_range(*writer, 1, count);
  follower.join();
  EXPECT_EQ(failure, "");
  EXPECT_EQ(seen.load(), count);
}

TEST(Journal, ReaderGoesOnFromOneWriterToTheNext) {
  const TemporaryFolder folder;
  write_journal(small_options(folder.path()), 10);
  auto reader = JournalReader::open(folder.path(), 0, 1);
  ASSERT_TRUE(reader);
  JournalPosition next = 1;
  for (std::uint64_t end = 10; end <= 300; end += 58) {
    if (end > 10) write_journal(small_options(folder.path()), end);
    while (next <= end) {
      const auto entry = (*reader)->next();
      ASSERT_TRUE(entry) << entry.error().message;
      ASSERT_TRUE(*entry) << next;
      ASSERT_TRUE(is_nth(**entry, next));
      ++next;
    }
    const auto end_of_file = (*reader)->next();
    ASSERT_TRUE(end_of_file) << end_of_file.error().message;
    EXPECT_FALSE(*end_of_file);
  }
}

}  // namespace
}  // namespace oneclick
