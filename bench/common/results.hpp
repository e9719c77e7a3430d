// What benchmarks do with their figures: percentiles, JSON, files named by time and commit, a
// folder for the run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace oneclick::bench {

struct Summary {
  std::int64_t p50, p90, p99, max;
};
[[nodiscard]] Summary summarize(std::vector<std::int64_t> values);
[[nodiscard]] double median(std::vector<double> values);  // 0 of none

[[nodiscard]] std::string utc_text();                       // 2026-01-31T23:59:59Z
[[nodiscard]] std::string quoted(const std::string& text);  // as JSON

void write_text(const std::string& file, const std::string& text);  // throws

struct KeptResult {
  std::string benchmark, started, commit, json, table;
};
// <dir>/<benchmark>-<time>-<commit>.json and .txt.
void keep_result(const std::string& dir, const KeptResult& result);

// A fresh folder below /tmp that PostgreSQL's user may pass, removed at the end unless it was asked
// for by name.
class WorkDir {
 public:
  WorkDir(const std::string& benchmark, const std::string& wanted);
  ~WorkDir();
  WorkDir(const WorkDir&) = delete;
  WorkDir& operator=(const WorkDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  bool kept_;
  std::string path_;
};

}  // namespace oneclick::bench
