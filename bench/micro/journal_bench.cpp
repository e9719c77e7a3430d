// Appending to the journal, as the order path sees it: into the ring. What the file then holds is
// counted at the end.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <benchmark/benchmark.h>

#include "engine/base/clock.hpp"
#include "engine/base/metrics.hpp"
#include "persistence/journal.hpp"

namespace oneclick {
namespace {

std::filesystem::path make_folder() {
  char pattern[] = "/tmp/oneclick-journal-bench-XXXXXX";
  const char* made = mkdtemp(pattern);
  return made == nullptr ? std::filesystem::path() : std::filesystem::path(made);
}

template <typename Entry>
void append(benchmark::State& state, const Entry& entry) {
  const std::filesystem::path folder = make_folder();
  Metrics metrics;
  {
    auto journal = JournalWriter::open({.dir = folder}, metrics);
    if (!journal) {
      state.SkipWithError(journal.error().message.c_str());
      return;
    }
    std::uint64_t waits = 0;
    for (auto _ : state) {
      if (!(*journal)->has_room(16 * 1024)) {
        // The disk is behind: what the shard does too, and not part of what is measured.
        state.PauseTiming();
        ++waits;
        while (!(*journal)->has_room(32 << 20) && !(*journal)->failed()) usleep(100);
        state.ResumeTiming();
      }
      benchmark::DoNotOptimize((*journal)->append(entry));
    }
    state.counters["waits_for_disk"] = static_cast<double>(waits);
    const auto appended = static_cast<std::int64_t>((*journal)->appended());
    if (appended != state.iterations() || (*journal)->failed()) state.SkipWithError("entries lost");
  }
  const auto kept = verify_journal(folder, 0);
  if (!kept || kept->last != static_cast<std::uint64_t>(state.iterations()))
    state.SkipWithError("the file does not hold what was appended");
  std::filesystem::remove_all(folder);
}

void journal_append_event(benchmark::State& state) {
  LeaderEvent leader{};
  append(state, make_event(leader));
}
// As many as the ring holds without waiting for the disk, a few times over: not gigabytes.
BENCHMARK(journal_append_event)->Iterations(100'000)->Repetitions(3)->ReportAggregatesOnly();

}  // namespace
}  // namespace oneclick
