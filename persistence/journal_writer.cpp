#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/crypto.hpp"
#include "engine/base/log.hpp"
#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_ring.hpp"
#include "persistence/journal_segment.hpp"

namespace oneclick {

namespace fs = std::filesystem;
using namespace journal;

namespace {

constexpr std::int64_t idle_wait_ns_min = 50'000;
constexpr std::int64_t idle_wait_ns_max = 1'000'000;
constexpr std::int64_t retention_check_ns = 1'000'000'000;
constexpr std::size_t segment_bytes_min = 4 * block_bytes;
constexpr std::size_t ring_bytes_min = 16 * block_bytes;

std::expected<void, JournalError> check_options(const JournalOptions& options) {
  const auto refuse = [](std::string message) {
    return std::unexpected(JournalError{JournalError::Kind::io, std::move(message)});
  };
  if (options.segment_bytes < segment_bytes_min || options.segment_bytes % block_bytes != 0)
    return refuse(fmt::format("segment_bytes is {}: a multiple of {}, at least {}, is allowed",
                              options.segment_bytes, block_bytes, segment_bytes_min));
  if (options.ring_bytes < ring_bytes_min || !std::has_single_bit(options.ring_bytes))
    return refuse(fmt::format("ring_bytes is {}: a power of two, at least {}, is allowed",
                              options.ring_bytes, ring_bytes_min));
  return {};
}

// The chain of segments as the journal's thread extends it: blocks of frames from a ring to the
// file.
class Chain {
 public:
  struct Kept {
    std::uint64_t index;
    JournalPosition first;
    std::int64_t created_ns;
  };

  Chain(fs::path dir, SegmentWriter segment, JournalPosition next, bool marked_end,
        std::size_t segment_bytes)
      : dir_(std::move(dir)),
        segment_(std::move(segment)),
        next_(next),
        marked_end_(marked_end),
        segment_bytes_(segment_bytes) {}

  // Moves one block of what waits in the ring, and says so in the ring. Returns how many entries.
  [[nodiscard]] std::expected<std::uint64_t, JournalError> move_block(Ring& ring);
  // Proves what stands at the end, so that a damaged last entry is told from a torn one.
  [[nodiscard]] std::expected<void, JournalError> mark_end();

  [[nodiscard]] JournalPosition next() const { return next_; }
  [[nodiscard]] SegmentWriter& segment() { return segment_; }
  std::vector<Kept> kept;  // ascending; the last is the one written to

 private:
  [[nodiscard]] std::expected<void, JournalError> rotate();

  fs::path dir_;
  SegmentWriter segment_;
  JournalPosition next_;
  bool marked_end_;
  std::size_t segment_bytes_;
};

std::size_t first_frame_bytes(std::span<const std::byte> frames) {
  FrameHeader header;
  std::memcpy(&header, frames.data(), sizeof(header));
  return frame_bytes(header.size);
}

std::expected<std::uint64_t, JournalError> Chain::move_block(Ring& ring) {
  auto waiting = ring.unsynced(~std::size_t{0});
  if (waiting.empty()) return 0;
  if (!segment_.has_room(first_frame_bytes(waiting)))
    if (auto rotated = rotate(); !rotated) return std::unexpected(rotated.error());
  CHECK(segment_.begin_block(next_));
  std::uint64_t count = 0;
  std::size_t taken = 0;
  while (taken < waiting.size()) {
    const auto frame = waiting.subspan(taken, first_frame_bytes(waiting.subspan(taken)));
    if (!segment_.try_add(frame)) break;
    taken += frame.size();
    ++count;
  }
  CHECK(count != 0);
  if (auto written = segment_.write_block(); !written) return std::unexpected(written.error());
  next_ += count;
  marked_end_ = false;
  ring.publish_synced(taken, next_ - 1);
  return count;
}

// The next segment first, the seal after it: a sealed segment without a successor is a lost one.
std::expected<void, JournalError> Chain::rotate() {
  SegmentHeader header = segment_.header();
  header.index += 1;
  header.first = next_;
  header.segment_bytes = segment_bytes_;
  header.created_ns = wall_now_ns();
  auto after = SegmentWriter::create(dir_, header);
  if (!after) return std::unexpected(after.error());
  if (auto sealed = segment_.seal(next_); !sealed) return sealed;
  segment_ = std::move(*after);
  kept.push_back({header.index, header.first, header.created_ns});
  return {};
}

std::expected<void, JournalError> Chain::mark_end() {
  if (marked_end_ || !segment_.begin_block(next_)) return {};
  marked_end_ = true;
  return segment_.write_block();
}

class Writer final : public JournalWriter {
 public:
  Writer(const JournalOptions& options, File lock, Chain chain, Ring ring, Metrics& metrics);
  ~Writer() override;

  JournalPosition append(const Event& event) override;
  JournalPosition append(const Record& record) override;
  bool has_room(std::size_t bytes) const override { return ring_.has_room(bytes); }
  JournalPosition appended() const override {
    return ring_.control().appended.load(std::memory_order_acquire);
  }
  JournalPosition written() const override { return synced(); }
  JournalPosition synced() const override {
    return ring_.control().synced.load(std::memory_order_acquire);
  }
  bool failed() const override {
    return ring_.control().failed.load(std::memory_order_acquire) != 0;
  }
  void set_sink_position(JournalPosition position) override {
    sink_position_.store(position, std::memory_order_relaxed);
  }
  void set_snapshot_position(JournalPosition position) override {
    snapshot_position_.store(position, std::memory_order_relaxed);
  }

 private:
  // Journal's thread.
  void run();
  [[nodiscard]] bool move_one_block();
  void fail(const JournalError& error);
  void remove_old_segments();
  void finish();

  const JournalOptions options_;
  const fs::path dir_;
  const File lock_;
  Ring ring_;
  Chain chain_;
  Counter& appended_count_;
  Counter& synced_count_;
  Histogram& sync_time_;
  Gauge& depth_;
  Gauge& failed_gauge_;
  JournalPosition appended_counted_;
  std::atomic<JournalPosition> sink_position_{0};
  std::atomic<JournalPosition> snapshot_position_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

Writer::Writer(const JournalOptions& options, File lock, Chain chain, Ring ring, Metrics& metrics)
    : options_(options),
      dir_(shard_dir(options.dir, options.shard)),
      lock_(std::move(lock)),
      ring_(std::move(ring)),
      chain_(std::move(chain)),
      appended_count_(
          metrics.counter("journal_appended_records_total",
                          "Entries appended to the journal: they survive the process.")),
      synced_count_(metrics.counter("journal_synced_records_total",
                                    "Entries of the journal that are on disk.")),
      sync_time_(metrics.histogram("journal_block_seconds",
                                   "Time to make one journal block durable.",
                                   {{"shard", fmt::format("{:02}", options.shard)}})),
      depth_(metrics.gauge("queue_depth", "Items waiting in a queue.",
                           {{"queue", fmt::format("journal-{:02}", options.shard)}})),
      failed_gauge_(metrics.gauge("journal_failed",
                                  "1 when a write or sync failed and nothing more becomes durable.",
                                  {{"shard", fmt::format("{:02}", options.shard)}})),
      appended_counted_(chain_.next() - 1) {
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() {
  stopping_.store(true, std::memory_order_release);
  thread_.join();
}

// Journal: header and payload as they are, framed in memory that outlives us. One copy, one
// checksum.
JournalPosition Writer::append(const Event& event) {
  CHECK(event.payload_size <= sizeof(Event) - event_header_bytes);
  return ring_.append(FrameType::event, &event, event_header_bytes + event.payload_size);
}
JournalPosition Writer::append(const Record& record) {
  CHECK(record.payload_size <= sizeof(Record) - record_header_bytes);
  return ring_.append(FrameType::record, &record, record_header_bytes + record.payload_size);
}

void Writer::run() {
  std::int64_t wait_ns = idle_wait_ns_min;
  std::int64_t retention_checked_ns = 0;
  while (true) {
    const bool stopping = stopping_.load(std::memory_order_acquire);
    const bool moved = move_one_block();
    if (stopping && !moved) break;
    if (const std::int64_t now = monotonic_now_ns();
        now - retention_checked_ns >= retention_check_ns) {
      retention_checked_ns = now;
      remove_old_segments();
    }
    if (moved) {
      wait_ns = idle_wait_ns_min;
      continue;
    }
    const timespec wait{.tv_sec = 0, .tv_nsec = wait_ns};
    ::nanosleep(&wait, nullptr);
    wait_ns = std::min(2 * wait_ns, idle_wait_ns_max);
  }
  finish();
}

bool Writer::move_one_block() {
  const JournalPosition appended_now = appended();
  appended_count_.add(appended_now - appended_counted_);
  appended_counted_ = appended_now;
  depth_.set(static_cast<double>(appended_now - std::min(appended_now, synced())));
  if (failed()) return false;
  const std::int64_t start_ns = monotonic_now_ns();
  const auto moved = chain_.move_block(ring_);
  if (!moved) {
    fail(moved.error());
    return false;
  }
  if (*moved == 0) return false;
  sync_time_.record(monotonic_now_ns() - start_ns);
  synced_count_.add(*moved);
  return true;
}

// What the system did not confirm is never taken as stored, and never tried again: after a failed
// sync the same pages would be reported as clean. The ring keeps it for the successor.
void Writer::fail(const JournalError& error) {
  ring_.control().failed.store(1, std::memory_order_release);
  failed_gauge_.set(1);
  log_error("the journal failed, nothing more becomes durable",
            {{"shard", options_.shard}, {"synced", synced()}, {"error", error.message}});
}

void Writer::finish() {
  if (failed()) return;
  if (auto marked = chain_.mark_end(); !marked) return fail(marked.error());
  ring_.retire();
}

void Writer::remove_old_segments() {
  JournalPosition needless = std::min(sink_position_.load(std::memory_order_relaxed),
                                      snapshot_position_.load(std::memory_order_relaxed));
  if (chain_.kept.size() < 2 || chain_.kept[1].first - 1 > needless) return;
  // Should the newest snapshot be damaged, recovery goes on from the oldest kept.
  if (const auto snapshots = snapshot_positions(dir_); !snapshots.empty())
    needless = std::min(needless, snapshots.back());
  const std::int64_t now_ns = wall_now_ns();
  auto& kept = chain_.kept;
  while (kept.size() > 1 && kept[1].first - 1 <= needless &&
         now_ns - kept[1].created_ns > options_.retention_ns) {
    // Oldest first and each one durably, so that no crash leaves a hole.
    const fs::path path = segment_path(dir_, kept.front().index);
    if (::unlink(path.c_str()) != 0 || !sync_dir(dir_)) {
      log_warning("cannot remove an old journal segment", {{"file", path.string()}});
      return;
    }
    kept.erase(kept.begin());
  }
}

// --- opening ---

struct Found {
  fs::path dir;
  JournalScan scan;
  std::optional<Ring> ring;  // what a killed predecessor left
};

Uuid random_uuid() {
  std::array<std::uint8_t, 16> bytes;
  random_bytes(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  return Uuid::from_bytes(bytes.data());
}

std::expected<void, JournalError> make_folder(const fs::path& dir) {
  std::error_code error;
  if (!fs::create_directories(dir, error) && !error) return {};
  if (error)
    return std::unexpected(JournalError{
        JournalError::Kind::io, fmt::format("cannot make {}: {}", dir.string(), error.message())});
  return sync_dir(dir.parent_path());
}

void remove_leftovers(const fs::path& dir) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".tmp") leftovers.push_back(it->path());
  for (const fs::path& path : leftovers) fs::remove(path, error);
}

std::expected<std::optional<Ring>, JournalError> find_ring(const JournalOptions& options,
                                                           const fs::path& dir,
                                                           const Uuid& journal) {
  const RingIdentity identity{
      .journal = journal, .shard = options.shard, .dir_inode = inode_of(dir)};
  const fs::path named = read_lock_text(dir).ring;
  if (!named.empty()) {
    auto ring = Ring::adopt(named, identity);
    if (!ring || *ring) return ring;
  }
  return Ring::adopt(ring_path(options.ring_dir, journal, options.shard), identity);
}

std::expected<Found, JournalError> find_journal(const JournalOptions& options,
                                                const fs::path& dir) {
  Found found{.dir = dir, .scan = {}, .ring = std::nullopt};
  const auto segments = list_segments(dir, options.shard);
  if (!segments) return std::unexpected(segments.error());
  JournalPosition last_wanted = ~JournalPosition{0};
  if (segments->empty()) {
    const fs::path ring = read_lock_text(dir).ring;
    if (!ring.empty() && inode_of(ring) != 0)
      return damaged(segment_path(dir, 1), 0,
                     fmt::format("the segment is missing, and its ring {} is not", ring.string()));
  } else {
    auto ring = find_ring(options, dir, segments->front().header.journal);
    if (!ring) return std::unexpected(ring.error());
    found.ring = std::move(*ring);
    // What follows is in the ring, and not known to be durable in the file.
    if (found.ring) last_wanted = found.ring->control().synced.load();
  }
  const auto snapshots = snapshot_positions(dir);
  // Recovery may have to fall back to the oldest snapshot kept, and reads from there.
  const JournalPosition trusted = snapshots.empty() ? 0 : snapshots.back();
  auto scan = scan_journal(dir, options.shard, trusted, last_wanted);
  if (!scan) return std::unexpected(scan.error());
  found.scan = std::move(*scan);
  if (found.ring && found.scan.next != last_wanted + 1)
    return damaged(
        found.scan.segments.back().path, found.scan.end,
        fmt::format("it ends before entry {}, but {} were stored", found.scan.next, last_wanted));
  return found;
}

// The file ends with the last entry known to be durable; whatever lay behind is gone from it.
std::expected<Chain, JournalError> open_chain(const JournalOptions& options, Found& found) {
  JournalScan& scan = found.scan;
  if (scan.segments.empty()) {
    const SegmentHeader header{.magic = {},
                               .crc = 0,
                               .format = 0,
                               .journal = random_uuid(),
                               .index = 1,
                               .first = 1,
                               .segment_bytes = options.segment_bytes,
                               .created_ns = wall_now_ns(),
                               .shard = options.shard};
    auto segment = SegmentWriter::create(found.dir, header);
    if (!segment) return std::unexpected(segment.error());
    Chain chain(found.dir, std::move(*segment), 1, true, options.segment_bytes);
    chain.kept.push_back({1, 1, header.created_ns});
    return chain;
  }
  if (scan.seal_missing_at) {
    auto before =
        SegmentWriter::resume(scan.segments[scan.segments.size() - 2], *scan.seal_missing_at);
    if (!before) return std::unexpected(before.error());
    if (auto sealed = before->seal(scan.segments.back().header.first); !sealed)
      return std::unexpected(sealed.error());
  }
  if (scan.torn_bytes != 0)
    log_warning("the journal's torn end was cut", {{"file", scan.segments.back().path.string()},
                                                   {"offset", scan.end},
                                                   {"bytes", scan.torn_bytes},
                                                   {"next", scan.next}});
  auto segment = SegmentWriter::resume(scan.segments.back(), scan.end);
  if (!segment) return std::unexpected(segment.error());
  Chain chain(found.dir, std::move(*segment), scan.next, scan.last_marked_end,
              options.segment_bytes);
  for (const Segment& s : scan.segments)
    chain.kept.push_back({s.header.index, s.header.first, s.header.created_ns});
  return chain;
}

// Entries that a killed predecessor appended and did not get to the file.
std::expected<void, JournalError> take_over(Ring& ring, Chain& chain) {
  const JournalPosition synced = ring.control().synced.load();
  std::size_t stored_bytes = 0;  // killed between telling the position and freeing the bytes
  JournalPosition first = 0;
  const bool whole =
      ring.visit_unsynced([&](std::span<const std::byte> frame, JournalPosition position) {
        if (first == 0) first = position;
        if (position <= synced) stored_bytes += frame.size();
        return true;
      });
  if (!whole) return damaged(ring.path(), 0, "an entry that was appended does not check");
  if (first > chain.next())
    return damaged(
        ring.path(), 0,
        fmt::format("it goes on at position {}, the file ends before {}", first, chain.next()));
  ring.publish_synced(stored_bytes, synced);
  ring.control().failed.store(0);
  const JournalPosition next = chain.next();
  while (!ring.unsynced(~std::size_t{0}).empty())
    if (const auto moved = chain.move_block(ring); !moved) {
      ring.control().failed.store(1);
      return std::unexpected(moved.error());
    }
  if (chain.next() != next)
    log_info("took over what a killed predecessor appended",
             {{"ring", ring.path().string()}, {"entries", chain.next() - next}});
  return {};
}

}  // namespace

std::expected<std::unique_ptr<JournalWriter>, JournalError> JournalWriter::open(
    const JournalOptions& options, Metrics& metrics) {
  if (auto checked = check_options(options); !checked) return std::unexpected(checked.error());
  const fs::path dir = shard_dir(options.dir, options.shard);
  if (auto made = make_folder(dir); !made) return std::unexpected(made.error());
  auto lock = take_lock(dir);
  if (!lock) return std::unexpected(lock.error());
  remove_leftovers(dir);
  auto found = find_journal(options, dir);
  if (!found) return std::unexpected(found.error());
  auto chain = open_chain(options, *found);
  if (!chain) return std::unexpected(chain.error());
  if (found->ring)
    if (auto taken = take_over(*found->ring, *chain); !taken) return std::unexpected(taken.error());
  const auto snapshots = snapshot_positions(dir);
  if (!snapshots.empty() && snapshots.front() >= chain->next())
    return damaged(
        chain->segment().path(), found->scan.end,
        fmt::format("a snapshot covers entry {}, the journal ends before {}: was an older copy "
                    "restored?",
                    snapshots.front(), chain->next()));
  const RingIdentity identity{.journal = chain->segment().header().journal,
                              .shard = options.shard,
                              .dir_inode = inode_of(dir)};
  const fs::path ring_file = ring_path(options.ring_dir, identity.journal, options.shard);
  // The predecessor's ring is empty now. Its readers look for the new one.
  if (found->ring) found->ring->retire();
  if (auto written = write_lock_text(*lock, dir, ring_file); !written)
    return std::unexpected(written.error());
  auto ring = Ring::create(ring_file, identity, options.ring_bytes, chain->next());
  if (!ring) return std::unexpected(ring.error());
  return std::make_unique<Writer>(options, std::move(*lock), std::move(*chain), std::move(*ring),
                                  metrics);
}

}  // namespace oneclick
