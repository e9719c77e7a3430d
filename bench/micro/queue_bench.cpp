// The queue between threads, and what is counted on the way.
#include <thread>

#include <benchmark/benchmark.h>

#include "engine/base/histogram.hpp"
#include "engine/base/queue.hpp"
#include "engine/domain/event.hpp"

namespace oneclick {
namespace {

// There and back through two queues, both ends spinning: half of it is one hop.
void queue_round_trip(benchmark::State& state) {
  BoundedQueue<std::uint64_t> there(1024), back(1024);
  std::atomic<bool> stopping{false};
  std::thread other([&] {
    std::uint64_t item = 0;
    while (!stopping.load(std::memory_order_relaxed))
      if (there.try_pop(item))
        while (!back.try_push(item + 1)) {
        }
  });
  std::uint64_t n = 0, wrong = 0;
  for (auto _ : state) {
    std::uint64_t answer = 0;
    while (!there.try_push(n)) {
    }
    while (!back.try_pop(answer)) {
    }
    wrong += answer != n + 1 ? 1 : 0;
    ++n;
  }
  stopping.store(true, std::memory_order_relaxed);
  other.join();
  if (wrong != 0) state.SkipWithError("wrong item");
}
BENCHMARK(queue_round_trip)->UseRealTime();

// What a leader event costs on its way into a shard.
void queue_push_and_pop_event(benchmark::State& state) {
  BoundedQueue<Event> queue(1024);
  Event in{}, out{};
  for (auto _ : state) {
    if (!queue.try_push(in) || !queue.try_pop(out)) state.SkipWithError("queue refused");
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(queue_push_and_pop_event);

void histogram_record(benchmark::State& state) {
  Histogram histogram;
  std::int64_t value = 1;
  for (auto _ : state) {
    histogram.record(value);
    value = value * 5 % 1'000'003;
  }
  if (histogram.count() != static_cast<std::uint64_t>(state.iterations()))
    state.SkipWithError("lost a value");
}
BENCHMARK(histogram_record);

}  // namespace
}  // namespace oneclick
