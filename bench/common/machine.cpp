#include "bench/common/machine.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "engine/base/clock.hpp"

namespace oneclick::bench {

bool pin_to_core(int core) {
  if (core >= core_count()) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

int core_count() {
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

double lost_share(std::int64_t duration_ns) {
  const auto cores = static_cast<std::size_t>(core_count());
  std::vector<double> lost(cores, 0);
  std::vector<std::thread> threads;
  for (std::size_t core = 0; core < cores; ++core)
    threads.emplace_back([&lost, core, duration_ns] {
      pin_to_core(static_cast<int>(core));
      const std::int64_t start = monotonic_now_ns();
      GapWatch watch;
      watch.start(start);
      std::int64_t now = start;
      while (now - start < duration_ns) watch.look(now = monotonic_now_ns());
      lost[core] = static_cast<double>(watch.lost_ns()) / static_cast<double>(now - start);
    });
  for (std::thread& thread : threads) thread.join();
  return *std::max_element(lost.begin(), lost.end());
}

StealTicks read_steal() {
  std::ifstream stat("/proc/stat");
  std::string name;
  StealTicks out;
  stat >> name;
  for (int field = 0; field < 10; ++field) {
    std::uint64_t ticks = 0;
    if (!(stat >> ticks)) break;
    if (field == 7) out.stolen = ticks;
    if (field < 8) out.total += ticks;  // guest time is counted in user time already
  }
  return out;
}

std::string machine_text() {
  std::string model = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(std::min(line.find(": ") + 2, line.size()));
    break;
  }
  utsname names{};
  uname(&names);
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  return fmt::format("{}, {} cores, Linux {}, load {:.2f}", model, core_count(),
                     static_cast<const char*>(names.release), load);
}

}  // namespace oneclick::bench
