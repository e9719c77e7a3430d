#include "persistence/metrics_text.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

// A strict reader of the text format 0.0.4, written from its description alone.
struct Sample {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  double value;
};
struct Family {
  std::string help;
  std::string type;
  std::vector<Sample> samples;
};

class ExpositionReader {
 public:
  explicit ExpositionReader(const std::string& text) { read(text); }
  std::map<std::string, Family> families;
  std::vector<std::string> problems;

 private:
  void problem(const std::string& line, const std::string& what) {
    problems.push_back(what + ": " + line);
  }

  void read(const std::string& text) {
    if (!text.empty() && text.back() != '\n') problems.push_back("the last line has no end");
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      read_line(text.substr(at, end - at));
      at = end + 1;
    }
  }

  void read_line(const std::string& line) {
    if (line.starts_with("# HELP ")) return read_help(line);
    if (line.starts_with("# TYPE ")) return read_type(line);
    read_sample(line);
  }

  void read_help(const std::string& line) {
    const std::size_t space = line.find(' ', 7);
    if (space == std::string::npos) return problem(line, "HELP without text");
    const std::string name = line.substr(7, space - 7);
    if (families.contains(name)) return problem(line, "HELP twice");
    families[name].help = line.substr(space + 1);
    current_ = name;
  }

  void read_type(const std::string& line) {
    const std::size_t space = line.find(' ', 7);
    const std::string name = line.substr(7, space - 7);
    if (name != current_ || !families[name].type.empty()) return problem(line, "TYPE out of place");
    families[name].type = line.substr(space + 1);
    if (!std::set<std::string>{"counter", "gauge", "histogram"}.contains(families[name].type))
      problem(line, "unknown type");
  }

  static bool is_name(const std::string& name) {
    return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
           name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:") ==
               std::string::npos;
  }

  void read_sample(const std::string& line) {
    Sample sample;
    std::size_t at = line.find_first_of("{ ");
    if (at == std::string::npos) return problem(line, "no value");
    sample.name = line.substr(0, at);
    if (!is_name(sample.name)) return problem(line, "bad name");
    if (line[at] == '{' && !read_labels(line, at, sample)) return problem(line, "bad labels");
    if (at >= line.size() || line[at] != ' ') return problem(line, "no space before the value");
    const std::string value = line.substr(at + 1);
    char* end = nullptr;
    sample.value = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0' || value.find(' ') != std::string::npos)
      return problem(line, "bad value");
    std::string family = sample.name;
    if (!families.contains(family))
      for (const std::string suffix : {"_bucket", "_sum", "_count"})
        if (family.ends_with(suffix)) family.resize(family.size() - suffix.size());
    if (family != current_ || families[family].type.empty())
      return problem(line, "sample outside its family");
    families[family].samples.push_back(std::move(sample));
  }

  static bool read_labels(const std::string& line, std::size_t& at, Sample& sample) {
    ++at;
    while (true) {
      const std::size_t equals = line.find('=', at);
      if (equals == std::string::npos || equals + 1 >= line.size() || line[equals + 1] != '"')
        return false;
      const std::string name = line.substr(at, equals - at);
      if (!is_name(name)) return false;
      std::string value;
      for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') {
          value += line[at];
          continue;
        }
        if (++at == line.size()) return false;
        if (line[at] != 'n' && line[at] != '\\' && line[at] != '"') return false;
        value += line[at] == 'n' ? '\n' : line[at];
      }
      if (at >= line.size()) return false;
      sample.labels.emplace_back(name, value);
      ++at;
      if (at < line.size() && line[at] == '}') return ++at, true;
      if (at >= line.size() || line[at] != ',') return false;
      ++at;
    }
  }

  std::string current_;
};

std::string label(const Sample& sample, const std::string& name) {
  for (const auto& [key, value] : sample.labels)
    if (key == name) return value;
  return "";
}

void fill(Metrics& metrics) {
  metrics.counter("orders_sent_total", "Orders handed to a venue.", {{"venue", "binance"}}).add(12);
  metrics.gauge("unknown_orders", "Orders in flight and not known either way.").set(2.5);
  metrics.counter("orders_sent_total", "Orders handed to a venue.", {{"venue", "a\"b\\c\nd"}})
      .add(3);
  auto& fanout =
      metrics.histogram("fanout_first_seconds", "Trigger to first order,\nin \"seconds\" \\.");
  fanout.record(700);              // below the first bound
  fanout.record_many(20'000, 5);   // 20 us
  fanout.record(30'000'000);       // 30 ms
  fanout.record(500'000'000'000);  // beyond the last bound
  auto& stage = metrics.histogram("stage_seconds", "Time in a stage.", {{"stage", "encode"}});
  stage.record(1'000);
  metrics.histogram("stage_seconds", "Time in a stage.", {{"stage", "sign"}});
}

TEST(MetricsText, IsTheTextFormatWordForWord) {
  Metrics metrics;
  metrics.gauge("queue_depth", "Items waiting.", {{"queue", "shard 0"}}).set(3);
  metrics.counter("leader_events_total", "Leader events accepted.", {{"source", "rest"}}).add(41);
  EXPECT_EQ(metrics_text(metrics),
            "# HELP oneclick_leader_events_total Leader events accepted.\n"
            "# TYPE oneclick_leader_events_total counter\n"
            "oneclick_leader_events_total{source=\"rest\"} 41\n"
            "# HELP oneclick_queue_depth Items waiting.\n"
            "# TYPE oneclick_queue_depth gauge\n"
            "oneclick_queue_depth{queue=\"shard 0\"} 3\n");
  EXPECT_EQ(metrics_text(Metrics{}), "");
}

TEST(MetricsText, EachFamilyIsNamedOnceAndWellFormed) {
  Metrics metrics;
  fill(metrics);
  const ExpositionReader read(metrics_text(metrics));
  EXPECT_EQ(read.problems, std::vector<std::string>{});
  ASSERT_EQ(read.families.size(), 4u);
  for (const auto& [name, family] : read.families) {
    EXPECT_TRUE(name.starts_with("oneclick_")) << name;
    EXPECT_FALSE(family.type.empty()) << name;
    EXPECT_FALSE(family.samples.empty()) << name;
  }
  const auto& sent = read.families.at("oneclick_orders_sent_total").samples;
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(label(sent[0], "venue"), "binance");
  EXPECT_EQ(sent[0].value, 12);
  EXPECT_EQ(label(sent[1], "venue"), "a\"b\\c\nd");
  EXPECT_EQ(sent[1].value, 3);
  EXPECT_EQ(read.families.at("oneclick_unknown_orders").samples[0].value, 2.5);
  EXPECT_EQ(read.families.at("oneclick_fanout_first_seconds").help,
            "Trigger to first order,\\nin \"seconds\" \\\\.");
}

TEST(MetricsText, HistogramsAreCumulativeInSeconds) {
  Metrics metrics;
  fill(metrics);
  const ExpositionReader read(metrics_text(metrics));
  const auto& samples = read.families.at("oneclick_fanout_first_seconds").samples;
  std::vector<std::pair<double, double>> buckets;
  std::optional<double> sum, count;
  for (const Sample& sample : samples) {
    if (sample.name.ends_with("_bucket"))
      buckets.emplace_back(std::strtod(label(sample, "le").c_str(), nullptr), sample.value);
    if (sample.name.ends_with("_sum")) sum = sample.value;
    if (sample.name.ends_with("_count")) count = sample.value;
  }
  ASSERT_GE(buckets.size(), 20u);
  EXPECT_TRUE(std::ranges::is_sorted(buckets));
  EXPECT_TRUE(std::ranges::adjacent_find(
                  buckets, [](auto& a, auto& b) { return a.first == b.first; }) == buckets.end());
  EXPECT_DOUBLE_EQ(buckets.front().first, 1e-6);
  EXPECT_DOUBLE_EQ(buckets[buckets.size() - 2].first, 100.0);
  EXPECT_EQ(label(samples[buckets.size() - 1], "le"), "+Inf");
  EXPECT_EQ(buckets.back().second, 8);
  ASSERT_TRUE(sum && count);
  EXPECT_EQ(*count, 8);
  EXPECT_NEAR(*sum, 700e-9 + 5 * 20e-6 + 30e-3 + 500, 1e-9);
  const auto at_most = [&](double bound) {
    for (const auto& [le, value] : buckets)
      if (le == bound) return value;
    return -1.0;
  };
  EXPECT_EQ(at_most(1e-6), 1);
  EXPECT_EQ(at_most(1e-5), 1);
  EXPECT_EQ(at_most(2.5e-5), 6);
  EXPECT_EQ(at_most(0.025), 6);
  EXPECT_EQ(at_most(0.05), 7);
  EXPECT_EQ(at_most(100), 7);
}

TEST(MetricsText, LabelledHistogramsKeepTheirLabelsOnEverySample) {
  Metrics metrics;
  fill(metrics);
  const ExpositionReader read(metrics_text(metrics));
  std::map<std::string, int> per_stage;
  for (const Sample& sample : read.families.at("oneclick_stage_seconds").samples)
    ++per_stage[label(sample, "stage")];
  ASSERT_EQ(per_stage.size(), 2u);
  EXPECT_EQ(per_stage["encode"], per_stage["sign"]);
  EXPECT_GE(per_stage["encode"], 23);  // buckets, +Inf, sum, count
}

TEST(MetricsText, PromtoolFindsNothingWrong) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool is not installed";
  Metrics metrics;
  fill(metrics);
  std::string path = "/tmp/metrics-text-XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << metrics_text(metrics);
  EXPECT_EQ(std::system(("promtool check metrics < " + path).c_str()), 0);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace oneclick
