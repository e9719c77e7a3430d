#include "bench/common/results.hpp"

#include <cstdlib>
#include <ctime>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace oneclick::bench {

Summary summarize(std::vector<std::int64_t> values) {
  if (values.empty()) return {0, 0, 0, 0};
  std::sort(values.begin(), values.end());
  const auto at = [&](double q) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
    return values[rank == 0 ? 0 : rank - 1];
  };
  return {at(0.5), at(0.9), at(0.99), values.back()};
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::string utc_text() {
  const std::time_t now = std::time(nullptr);
  char out[32];
  std::tm utc{};
  gmtime_r(&now, &utc);
  return {out, std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + "\"";
}

void write_text(const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

void keep_result(const std::string& dir, const KeptResult& result) {
  std::filesystem::create_directories(dir);
  std::string name = result.started + "-" + (result.commit.empty() ? "unknown" : result.commit);
  std::erase(name, ':');
  const std::string base = dir + "/" + result.benchmark + "-" + name;
  write_text(base + ".json", result.json);
  write_text(base + ".txt", result.table);
}

WorkDir::WorkDir(const std::string& benchmark, const std::string& wanted)
    : kept_(!wanted.empty()), path_(wanted) {
  if (!kept_) {
    path_ = "/tmp/oneclick-" + benchmark + "-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  std::filesystem::create_directories(path_);
}

WorkDir::~WorkDir() {
  std::error_code ignored;
  if (!kept_) std::filesystem::remove_all(path_, ignored);
}

}  // namespace oneclick::bench
