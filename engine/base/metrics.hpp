// What the process counts. Owners hold references and write them without locks; the registry only
// knows the names. Series are registered at start, before their threads run; no label ever holds a
// user, link or order.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/histogram.hpp"

namespace oneclick {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double v) { value_.store(v, std::memory_order_relaxed); }
  [[nodiscard]] double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// Thread-safe. Asking twice for the same name and labels gives the same series. References stay
// valid for the registry's life. Names are given without the "oneclick_" prefix.
class Metrics {
 public:
  Counter& counter(std::string name, std::string help, Labels labels = {});
  Gauge& gauge(std::string name, std::string help, Labels labels = {});
  Histogram& histogram(std::string name, std::string help, Labels labels = {});

  enum class Kind : std::uint8_t { counter, gauge, histogram };
  struct Series {
    std::string name;
    std::string help;
    Labels labels;
    Kind kind;
    Counter counter;
    Gauge gauge;
    Histogram histogram;
  };
  // Calls visit(const Series&) for each, ordered by name then registration.
  template <typename Visit>
  void each(Visit visit) const {
    const std::lock_guard hold(mutex_);
    for (const Series* s : sorted()) visit(*s);
  }

 private:
  Series& find_or_add(std::string name, std::string help, Labels labels, Kind kind);
  [[nodiscard]] std::vector<const Series*> sorted() const;
  mutable std::mutex mutex_;
  std::deque<Series> series_;
};

}  // namespace oneclick
