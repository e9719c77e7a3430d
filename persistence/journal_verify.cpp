#include <algorithm>
#include <charconv>

#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_ring.hpp"

namespace oneclick {

namespace fs = std::filesystem;
using namespace journal;

std::expected<JournalSummary, JournalError> verify_journal(const fs::path& dir,
                                                           std::uint16_t shard) {
  const fs::path folder = shard_dir(dir, shard);
  const auto segments = list_segments(folder, shard);
  if (!segments) return std::unexpected(segments.error());
  JournalPosition last_wanted = ~JournalPosition{0};
  if (!segments->empty())
    if (const auto ring = RingView::find(folder, segments->front().header.journal, shard))
      last_wanted = ring->synced();
  const auto scan = scan_journal(folder, shard, 0, last_wanted);
  if (!scan) return std::unexpected(scan.error());
  if (scan->segments.empty())
    return JournalSummary{.shard = shard,
                          .first = 1,
                          .last = 0,
                          .events = 0,
                          .records = 0,
                          .segments = 0,
                          .bytes = 0,
                          .torn_bytes = 0};
  if (last_wanted != ~JournalPosition{0} && scan->next <= last_wanted)
    return damaged(scan->segments.back().path, scan->end, "entries that were stored are not there");
  std::uint64_t bytes = scan->end;
  for (std::size_t i = 0; i + 1 < scan->segments.size(); ++i)
    bytes += scan->segments[i].header.segment_bytes;
  return JournalSummary{.shard = shard,
                        .first = scan->segments.front().header.first,
                        .last = scan->next - 1,
                        .events = scan->events,
                        .records = scan->records,
                        .segments = scan->segments.size(),
                        .bytes = bytes,
                        .torn_bytes = scan->torn_bytes};
}

std::vector<std::uint16_t> journal_shards(const fs::path& dir) {
  constexpr std::string_view prefix = "shard-";
  std::vector<std::uint16_t> shards;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::uint16_t shard = 0;
    if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
    const char* last = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), last, shard);
    if (parsed.ec != std::errc{} || parsed.ptr != last) continue;
    if (it->is_directory(error)) shards.push_back(shard);
  }
  std::ranges::sort(shards);
  return shards;
}

}  // namespace oneclick
