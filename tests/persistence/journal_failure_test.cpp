// Disks that refuse, retention, and snapshots.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <functional>

#include <fmt/format.h>

#include "persistence/journal_ring.hpp"
#include "tests/persistence/journal_test_support.hpp"

namespace oneclick {
namespace {

using namespace journal_test;
namespace fs = std::filesystem;

// Runs `body` in a child process, whose limits and mounts are its own; its return value is the exit
// code.
int exit_code_of_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) _exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Appends until the journal fails; checks that nothing is told as stored that is not. 0 when all
// holds.
int write_until_failed(const JournalOptions& options, JournalPosition& appended) {
  Metrics metrics;
  auto writer = JournalWriter::open(options, metrics);
  if (!writer) return 10;
  const std::int64_t until = steady_now_ns() + 30'000'000'000;
  while (!(*writer)->failed()) {
    if (steady_now_ns() > until) return 11;
    if ((*writer)->has_room(sizeof(Event))) append_nth(**writer, (*writer)->appended() + 1);
  }
  const JournalPosition synced = (*writer)->synced();
  if (synced == 0) return 12;
  // The shard goes on for what the ring still takes; no more of it is told as stored.
  for (int i = 0; i < 100 && (*writer)->has_room(sizeof(Event)); ++i)
    append_nth(**writer, (*writer)->appended() + 1);
  appended = (*writer)->appended();
  const std::int64_t wait = steady_now_ns() + 20'000'000;
  while (steady_now_ns() < wait)
    if ((*writer)->synced() != synced || (*writer)->written() != synced || !(*writer)->failed())
      return 13;
  if (appended <= synced) return 14;
  writer->reset();
  return 0;
}

struct SharedPosition {
  JournalPosition* value = static_cast<JournalPosition*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ~SharedPosition() { ::munmap(value, 4096); }
};

TEST(JournalFailure, AFileThatMayNotGrowStopsTheJournalAndLosesNothing) {
  const TemporaryFolder folder;
  JournalOptions options = small_options(folder.path());
  const SharedPosition appended;
  // A segment that fits the limit, and a later one that does not.
  write_journal(options, 10);
  const int code = exit_code_of_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    options.segment_bytes = 4 << 20;
    options.ring_bytes = 1 << 20;
    // The ring is a file too, and must fit.
    const rlimit limit{.rlim_cur = 2 << 20, .rlim_max = 2 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return write_until_failed(options, *appended.value);
  });
  ASSERT_EQ(code, 0);
  Metrics metrics;
  const auto writer = open_or_fail(small_options(folder.path()), metrics);
  ASSERT_NE(writer, nullptr);
  EXPECT_EQ(writer->appended(), *appended.value);
  EXPECT_EQ(writer->synced(), *appended.value);
  EXPECT_EQ(read_all(folder.path()), *appended.value);
}

TEST(JournalFailure, AFullDiskStopsTheJournalAndSpaceBringsItBack) {
  const TemporaryFolder folder;
  if (::mount("oneclick-test", folder.path().c_str(), "tmpfs", 0, "size=400k") != 0)
    GTEST_SKIP() << "cannot mount a small tmpfs here (needs CAP_SYS_ADMIN)";
  const JournalOptions options = small_options(folder.path());
  const SharedPosition appended;
  const int code = exit_code_of_child([&] { return write_until_failed(options, *appended.value); });
  EXPECT_EQ(code, 0);
  Metrics metrics;
  {
    // Still full: no start that would pretend.
    const auto writer = JournalWriter::open(options, metrics);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().kind, JournalError::Kind::io) << writer.error().message;
  }
  ASSERT_EQ(::mount("oneclick-test", folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
  {
    const auto writer = open_or_fail(options, metrics);
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->appended(), *appended.value);
    append_range(*writer, writer->appended() + 1, writer->appended() + 100);
    EXPECT_EQ(read_all(folder.path()), *appended.value + 100);
  }
  EXPECT_EQ(::umount(folder.path().c_str()), 0);
}

// Makes the kernel answer a system call of every thread with an error from now on; of openat only
// when its flags hold O_DIRECT.
bool answer_with_error(long call, int error) {
  const auto number = static_cast<std::uint32_t>(call);
  constexpr std::uint32_t flags_at = offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t);
  const bool only_direct = call == SYS_openat;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags_at),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, only_direct ? std::uint32_t{O_DIRECT} : 0xffff'ffffu, 0,
               static_cast<std::uint8_t>(only_direct ? 1 : 0)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = static_cast<unsigned short>(std::size(filter)), .filter = filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}
constexpr int no_seccomp = 77;

struct RefusedCall {
  bool direct;
  long call;
};

// The kernel's error comes in the middle of writing. Nothing more is stored, and what the ring held
// is taken over: what the failed call may or may not have written is not trusted.
TEST(JournalFailure, AFailedWriteOrSyncIsNeverTakenAsStored) {
  for (const RefusedCall& refused :
       {RefusedCall{true, SYS_pwrite64}, RefusedCall{false, SYS_pwrite64},
        RefusedCall{false, SYS_fdatasync}}) {
    const TemporaryFolder folder;
    const JournalOptions options = small_options(folder.path());
    const SharedPosition appended;
    const int code = exit_code_of_child([&] {
      if (!refused.direct && !answer_with_error(SYS_openat, EINVAL)) return no_seccomp;
      Metrics metrics;
      auto writer = JournalWriter::open(options, metrics);
      if (!writer) return 20;
      for (JournalPosition n = 1; n <= 700; ++n) append_nth(**writer, n);
      if (!wait_until([&] { return (*writer)->synced() == 700; })) return 21;
      if (!answer_with_error(refused.call, EIO)) return no_seccomp;
      for (JournalPosition n = 701; n <= 1'000; ++n) append_nth(**writer, n);
      if (!wait_until([&] { return (*writer)->failed(); })) return 22;
      *appended.value = (*writer)->appended();
      if ((*writer)->synced() != 700) return 23;
      writer->reset();
      return 0;
    });
    if (code == no_seccomp) GTEST_SKIP() << "cannot install a system call filter here";
    ASSERT_EQ(code, 0) << refused.call;
    ASSERT_EQ(*appended.value, 1'000u);
    EXPECT_EQ(read_all(folder.path()), 700u);
    Metrics metrics;
    const auto writer = open_or_fail(options, metrics);
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(writer->synced(), 1'000u);
    EXPECT_EQ(read_all(folder.path()), 1'000u);
  }
}

TEST(JournalFailure, WorksWhereDirectWritesAreRefused) {
  const TemporaryFolder folder;
  const int code = exit_code_of_child([&] {
    if (!answer_with_error(SYS_openat, EINVAL)) return no_seccomp;
    write_journal(small_options(folder.path()), 2'000);
    write_journal(small_options(folder.path()), 3'000);
    return read_all(folder.path()) == 3'000 ? 0 : 1;
  });
  if (code == no_seccomp) GTEST_SKIP() << "cannot install a system call filter here";
  ASSERT_EQ(code, 0);
  EXPECT_EQ(read_all(folder.path()), 3'000u);
  write_journal(small_options(folder.path()), 3'500);  // and with them again
  EXPECT_EQ(read_all(folder.path()), 3'500u);
}

TEST(JournalFailure, AFullRingIsToldBeforeItIsFull) {
  const TemporaryFolder folder;
  JournalOptions options = small_options(folder.path());
  options.ring_bytes = 64 << 10;
  Metrics metrics;
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  EXPECT_FALSE(writer->has_room(64 << 10));
  std::uint64_t refused = 0;
  for (std::uint64_t n = 1; n <= 5'000;) {
    if (!writer->has_room(sizeof(Event))) {
      ++refused;
      continue;
    }
    ASSERT_EQ(append_nth(*writer, n), n);
    ++n;
  }
  EXPECT_GT(refused, 0u) << "the disk was never behind";
  ASSERT_TRUE(wait_until([&] { return writer->synced() == 5'000; }));
  EXPECT_EQ(read_all(folder.path()), 5'000u);
  EXPECT_EQ(metrics.counter("journal_appended_records_total", "").value(), 5'000u);
  EXPECT_EQ(metrics.counter("journal_synced_records_total", "").value(), 5'000u);
}

TEST(JournalFailure, OptionsThatMakeNoSenseAreRefused) {
  const TemporaryFolder folder;
  Metrics metrics;
  JournalOptions ring = small_options(folder.path());
  ring.ring_bytes = 100'000;
  JournalOptions segment = small_options(folder.path());
  segment.segment_bytes = 70'000;
  JournalOptions nowhere = small_options(folder.path());
  nowhere.ring_dir = folder.path() / "absent";
  for (const JournalOptions& options : {ring, segment, nowhere}) {
    const auto writer = JournalWriter::open(options, metrics);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().kind, JournalError::Kind::io) << writer.error().message;
  }
}

std::uint64_t first_segment(const fs::path& dir) {
  const auto segments = journal::list_segments(journal::shard_dir(dir, 0), 0);
  return segments && !segments->empty() ? segments->front().header.index : 0;
}

TEST(JournalRetention, KeepsWhatTheSinkTheSnapshotOrTheClockStillNeed) {
  const TemporaryFolder folder;
  JournalOptions options = small_options(folder.path());
  options.retention_ns = 0;
  Metrics metrics;
  const auto writer = open_or_fail(options, metrics);
  ASSERT_NE(writer, nullptr);
  append_range(*writer, 1, 2'000);
  const auto segments = journal::list_segments(journal::shard_dir(folder.path(), 0), 0);
  ASSERT_TRUE(segments);
  ASSERT_GE(segments->size(), 6u);
  const JournalPosition third = (*segments)[2].header.first;

  writer->set_snapshot_position(2'000);
  writer->set_sink_position(third - 1);  // segments 1 and 2 are read
  ASSERT_TRUE(wait_until([&] { return first_segment(folder.path()) == 3; }));
  const auto gone = JournalReader::open(folder.path(), 0, third - 1);
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().message.find("no longer kept"), std::string::npos) << gone.error().message;
  EXPECT_EQ(read_all(folder.path(), third), 2'000u);

  // A snapshot file that recovery may fall back to holds its segments.
  const JournalPosition fourth = (*segments)[3].header.first;
  ASSERT_TRUE(write_snapshot(folder.path(), 0,
                             {.position = fourth - 1, .seq = 1, .time_ns = 1, .state = {}}));
  writer->set_sink_position(2'000);
  ASSERT_TRUE(wait_until([&] { return first_segment(folder.path()) == 4; }));
  EXPECT_EQ(read_all(folder.path(), fourth), 2'000u);
  const auto verified = verify_journal(folder.path(), 0);
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->first, fourth);
}

TEST(JournalRetention, KeepsYoungSegments) {
  const TemporaryFolder folder;
  Metrics metrics;
  {
    const auto writer = open_or_fail(small_options(folder.path()), metrics);  // 24 hours
    ASSERT_NE(writer, nullptr);
    writer->set_snapshot_position(2'000);
    writer->set_sink_position(2'000);
    append_range(*writer, 1, 2'000);
  }
  JournalOptions options = small_options(folder.path());
  {
    const auto writer = open_or_fail(options, metrics);
    ASSERT_NE(writer, nullptr);
    writer->set_snapshot_position(2'000);
    writer->set_sink_position(2'000);
    append_range(*writer, 2'001, 2'100);
  }
  EXPECT_EQ(first_segment(folder.path()), 1u);
  EXPECT_EQ(read_all(folder.path()), 2'100u);
}

Snapshot snapshot_at(JournalPosition position) {
  Snapshot snapshot{.position = position, .seq = position / 2, .time_ns = 77, .state = {}};
  for (std::size_t i = 0; i < 5'000; ++i)
    snapshot.state.push_back(static_cast<std::byte>(mix(i + position)));
  return snapshot;
}
bool is_same(const Snapshot& a, const Snapshot& b) {
  return a.position == b.position && a.seq == b.seq && a.time_ns == b.time_ns && a.state == b.state;
}
fs::path snapshot_file(const fs::path& dir, JournalPosition position) {
  return journal::shard_dir(dir, 0) / fmt::format("snapshot-{:020}.state", position);
}

TEST(JournalSnapshot, TheNewestWholeOneIsLoaded) {
  const TemporaryFolder folder;
  const auto none = load_snapshot(folder.path(), 0);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  for (const JournalPosition position : {10u, 20u, 30u})
    ASSERT_TRUE(write_snapshot(folder.path(), 0, snapshot_at(position)));
  EXPECT_FALSE(fs::exists(snapshot_file(folder.path(), 10)));
  ASSERT_TRUE(fs::exists(snapshot_file(folder.path(), 20)));
  const auto loaded = load_snapshot(folder.path(), 0);
  ASSERT_TRUE(loaded);
  ASSERT_TRUE(*loaded);
  EXPECT_TRUE(is_same(**loaded, snapshot_at(30)));
}

TEST(JournalSnapshot, ADamagedOneIsPassedOverForAnOlder) {
  const TemporaryFolder folder("/dev/shm");
  for (const JournalPosition position : {20u, 30u})
    ASSERT_TRUE(write_snapshot(folder.path(), 0, snapshot_at(position)));
  const fs::path newest = snapshot_file(folder.path(), 30);
  const auto good = *journal::read_file(newest);
  const auto put = [&](std::span<const std::byte> bytes) {
    std::ofstream out(newest, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  };
  const auto loads = [&](JournalPosition position) {
    const auto loaded = load_snapshot(folder.path(), 0);
    return loaded && *loaded && is_same(**loaded, snapshot_at(position));
  };
  for (std::size_t at = 0; at < good.size(); at += at < 64 ? 1 : 61) {
    auto flipped = good;
    flipped[at] ^= std::byte{0x20};
    put(flipped);
    ASSERT_TRUE(loads(20)) << at;
    put(std::span(good).first(at));
    ASSERT_TRUE(loads(20)) << "cut at " << at;
  }
  put(good);
  EXPECT_TRUE(loads(30));
}

TEST(JournalSnapshot, NoneRunsAheadOfTheJournal) {
  const TemporaryFolder folder;
  {
    Metrics metrics;
    const auto writer = open_or_fail(small_options(folder.path()), metrics);
    ASSERT_NE(writer, nullptr);
    append_range(*writer, 1, 100);
    EXPECT_TRUE(write_snapshot(folder.path(), 0, snapshot_at(100)));
    const auto ahead = write_snapshot(folder.path(), 0, snapshot_at(101));
    ASSERT_FALSE(ahead);
    EXPECT_EQ(ahead.error().kind, JournalError::Kind::io);
  }
  // A journal older than its snapshots: a copy from earlier was put back.
  ASSERT_TRUE(write_snapshot(folder.path(), 0, snapshot_at(101)));
  Metrics metrics;
  const auto writer = JournalWriter::open(small_options(folder.path()), metrics);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, JournalError::Kind::damaged);
  const auto reader = JournalReader::open(folder.path(), 0, 102);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().kind, JournalError::Kind::damaged);
}

}  // namespace
}  // namespace oneclick
