// The writer's process killed at random moments: the successor finds every entry whose append had
// returned, in order, and nothing that was not appended.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <fstream>
#include <random>

#include "persistence/journal_ring.hpp"
#include "tests/persistence/journal_test_support.hpp"

namespace oneclick {
namespace {

using namespace journal_test;

// Seen by parent and child.
struct Shared {
  std::atomic<JournalPosition> opened_at;  // appended() after open
  std::atomic<JournalPosition> appended;   // the last append that returned
  std::atomic<int> failed;
};

class SharedPage {
 public:
  SharedPage()
      : shared_(new (::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                            0)) Shared{}) {}
  ~SharedPage() { ::munmap(shared_, 4096); }
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

[[noreturn]] void write_until_killed(const JournalOptions& options, const SharedPage& shared) {
  Metrics metrics;
  const auto writer = JournalWriter::open(options, metrics);
  if (!writer) {
    shared->failed = 1;
    _exit(1);
  }
  JournalPosition n = (*writer)->appended();
  shared->opened_at = n + 1;
  while (true) {
    if (!(*writer)->has_room(sizeof(Event))) continue;
    ++n;
    if (append_nth(**writer, n) != n) shared->failed = 1;
    shared->appended = n;
  }
}

void kill_and_reap(pid_t child) {
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(Journal, SurvivesKillsAtRandomMoments) {
  const TemporaryFolder folder;
  const JournalOptions options = small_options(folder.path());
  std::mt19937_64 random(20'240'607);
  JournalPosition before = 0;
  for (int round = 0; round < 60; ++round) {
    const SharedPage shared;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(options, shared);
    // Some while opening (recovery itself is killed), most while writing.
    if (round % 6 != 0) {
      ASSERT_TRUE(wait_until([&] { return shared->appended != 0 || shared->failed != 0; }));
    }
    const std::int64_t until = steady_now_ns() + static_cast<std::int64_t>(random() % 6'000'000);
    wait_until([&] { return steady_now_ns() >= until; });
    kill_and_reap(child);
    ASSERT_EQ(shared->failed, 0) << "round " << round;
    if (shared->opened_at != 0) {
      EXPECT_GE(shared->opened_at - 1, before) << "the child lost entries in round " << round;
    }
    const JournalPosition told = std::max(before, shared->appended.load());

    Metrics metrics;
    const auto writer = open_or_fail(options, metrics);
    ASSERT_NE(writer, nullptr) << "round " << round;
    ASSERT_GE(writer->appended(), told) << "round " << round;
    // One more may have been whole before its position was told.
    ASSERT_LE(writer->appended(), told + 1) << "round " << round;
    ASSERT_EQ(read_all(folder.path(), std::max<JournalPosition>(1, before / 2)),
              writer->appended());
    before = writer->appended();
  }
  EXPECT_GT(before, 10'000u);
  EXPECT_EQ(read_all(folder.path()), before);
}

TEST(Journal, TakesOverOnlyWholeFramesOfTheRing) {
  const TemporaryFolder folder;
  const JournalOptions options = small_options(folder.path());
  const SharedPage shared;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) write_until_killed(options, shared);
  ASSERT_TRUE(wait_until([&] { return shared->appended > 1'000 || shared->failed != 0; }));
  kill_and_reap(child);
  const auto ring = journal::read_lock_text(journal::shard_dir(folder.path(), 0)).ring;
  ASSERT_TRUE(std::filesystem::exists(ring));

  // A reader without a writer sees what is in the file and waits for the rest.
  const JournalPosition in_file = read_all(folder.path());
  EXPECT_LE(in_file, shared->appended);
  Metrics metrics;
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  EXPECT_GE(writer->appended(), shared->appended);
  EXPECT_EQ(writer->synced(), writer->appended());
  EXPECT_EQ(read_all(folder.path()), writer->appended());
}

TEST(Journal, CountsTheFileAloneWhenTheRingIsLost) {
  const TemporaryFolder folder;
  const JournalOptions options = small_options(folder.path());
  const SharedPage shared;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) write_until_killed(options, shared);
  ASSERT_TRUE(wait_until([&] { return shared->appended > 10'000 || shared->failed != 0; }));
  kill_and_reap(child);
  const auto ring = journal::read_lock_text(journal::shard_dir(folder.path(), 0)).ring;
  ASSERT_TRUE(std::filesystem::remove(ring));

  const JournalPosition in_file = read_all(folder.path());
  EXPECT_GT(in_file, 0u);
  Metrics metrics;
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  EXPECT_EQ(writer->appended(), in_file);
  append_range(*writer, in_file + 1, in_file + 500);
  EXPECT_EQ(read_all(folder.path()), in_file + 500);
}

// The control page of a dead writer's ring, and its bytes.
struct DeadRing {
  std::filesystem::path path;
  std::vector<std::byte> bytes;
  std::uint64_t head;
  std::uint64_t tail;
  std::size_t capacity;

  static DeadRing read(const std::filesystem::path& dir) {
    DeadRing ring;
    ring.path = journal::read_lock_text(journal::shard_dir(dir, 0)).ring;
    ring.bytes = *journal::read_file(ring.path);
    alignas(journal::RingControl) std::byte page[sizeof(journal::RingControl)];
    std::memcpy(page, ring.bytes.data(), sizeof(page));
    const auto* control = std::launder(reinterpret_cast<const journal::RingControl*>(page));
    ring.head = control->head;
    ring.tail = control->tail;
    ring.capacity = control->ring_bytes;
    return ring;
  }
  std::byte& at(std::uint64_t offset) {
    return bytes[journal::block_bytes + (offset & (capacity - 1))];
  }
  void write() const {
    std::ofstream out(path, std::ios::binary | std::ios::in | std::ios::out);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
};

// Kills a writer that has entries in its ring which are not in the file: it was stopped from
// syncing by a full ring first.
DeadRing killed_with_entries_in_the_ring(const JournalOptions& options, const SharedPage& shared) {
  DeadRing ring;
  do {
    shared->appended = 0;
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(options, shared);
    const bool wrote = wait_until([&] { return shared->appended > 1'000 || shared->failed != 0; });
    kill_and_reap(child);
    if (!wrote || shared->failed != 0) {
      ADD_FAILURE() << "the child could not write";
      return ring;
    }
    ring = DeadRing::read(options.dir);
  } while (ring.head == ring.tail);
  return ring;
}

TEST(Journal, IgnoresAHalfCopiedEntryInTheRing) {
  const TemporaryFolder folder;
  const JournalOptions options = small_options(folder.path());
  const SharedPage shared;
  DeadRing ring = killed_with_entries_in_the_ring(options, shared);
  ASSERT_NE(ring.head, ring.tail);
  // Where the next frame would stand: the beginning of one, and then what was there before.
  std::byte frame[journal::frame_bytes_max];
  const Event next = event_of(1);
  const std::size_t size =
      journal::write_frame(frame, journal::FrameType::event, shared->appended + 1, &next,
                           event_header_bytes + next.payload_size);
  for (std::size_t i = 0; i < size / 2; ++i) ring.at(ring.head + i) = frame[i];
  ring.write();
  Metrics metrics;
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  EXPECT_GE(writer->appended(), shared->appended);
  EXPECT_LE(writer->appended(), shared->appended + 1);
  EXPECT_EQ(read_all(folder.path()), writer->appended());
}

TEST(Journal, RefusesADamagedRing) {
  const TemporaryFolder folder;
  const JournalOptions options = small_options(folder.path());
  const SharedPage shared;
  const DeadRing good = killed_with_entries_in_the_ring(options, shared);
  ASSERT_NE(good.head, good.tail);
  DeadRing flipped = good;
  flipped.at(good.tail + 20) ^= std::byte{4};
  DeadRing cut = good;
  cut.bytes.resize(cut.bytes.size() / 2 + 1);
  Metrics metrics;
  for (const DeadRing& ring : {flipped, cut}) {
    std::filesystem::resize_file(ring.path, ring.bytes.size());
    ring.write();
    const auto writer = JournalWriter::open(options, metrics);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().kind, JournalError::Kind::damaged) << writer.error().message;
    EXPECT_NE(writer.error().message.find(ring.path.string()), std::string::npos);
  }
  std::filesystem::resize_file(good.path, good.bytes.size());
  good.write();
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  EXPECT_GE(writer->appended(), shared->appended);
}

TEST(Journal, RefusesASecondInstance) {
  const TemporaryFolder folder;
  Metrics metrics;
  const auto writer = open_or_fail(small_options(folder.path()), metrics);
  ASSERT_NE(writer, nullptr);
  const auto second = JournalWriter::open(small_options(folder.path()), metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, JournalError::Kind::locked);
  EXPECT_NE(second.error().message.find("pid " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
}

TEST(Journal, RefusesACopyOfAJournalInUse) {
  const TemporaryFolder folder;
  const TemporaryFolder copy;
  Metrics metrics;
  const auto writer = open_or_fail(small_options(folder.path()), metrics);
  ASSERT_NE(writer, nullptr);
  append_range(*writer, 1, 100);
  std::filesystem::copy(folder.path(), copy.path(), std::filesystem::copy_options::recursive);
  const auto second = JournalWriter::open(small_options(copy.path()), metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, JournalError::Kind::locked);
  // A reader of the copy takes the copy for what it is.
  EXPECT_EQ(read_all(copy.path()), 100u);
}

}  // namespace
}  // namespace oneclick
