#include "engine/base/metrics.hpp"

#include <algorithm>

#include "engine/base/check.hpp"

namespace oneclick {

Counter& Metrics::counter(std::string name, std::string help, Labels labels) {
  return find_or_add(std::move(name), std::move(help), std::move(labels), Kind::counter).counter;
}

Gauge& Metrics::gauge(std::string name, std::string help, Labels labels) {
  return find_or_add(std::move(name), std::move(help), std::move(labels), Kind::gauge).gauge;
}

Histogram& Metrics::histogram(std::string name, std::string help, Labels labels) {
  return find_or_add(std::move(name), std::move(help), std::move(labels), Kind::histogram)
      .histogram;
}

Metrics::Series& Metrics::find_or_add(std::string name, std::string help, Labels labels,
                                      Kind kind) {
  const std::lock_guard hold(mutex_);
  for (Series& series : series_) {
    if (series.name != name) continue;
    CHECK(series.kind == kind);  // one name is one kind, whatever its labels
    if (series.labels == labels) return series;
  }
  Series& added = series_.emplace_back();
  added.name = std::move(name);
  added.help = std::move(help);
  added.labels = std::move(labels);
  added.kind = kind;
  return added;
}

std::vector<const Metrics::Series*> Metrics::sorted() const {
  std::vector<const Series*> out;
  out.reserve(series_.size());
  for (const Series& series : series_) out.push_back(&series);
  std::stable_sort(out.begin(), out.end(),
                   [](const Series* a, const Series* b) { return a->name < b->name; });
  return out;
}

}  // namespace oneclick
