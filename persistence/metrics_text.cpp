#include "persistence/metrics_text.hpp"

#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace oneclick {

namespace {

struct Bound {
  std::int64_t ns;
  std::string_view seconds;  // as Prometheus and people write it
};
// 1 us to 100 s: fine where orders live (microseconds to milliseconds), coarse beyond.
constexpr std::array<Bound, 21> bounds{{
    {1'000, "1e-06"},         {2'500, "2.5e-06"},    {5'000, "5e-06"},      {10'000, "1e-05"},
    {25'000, "2.5e-05"},      {50'000, "5e-05"},     {100'000, "0.0001"},   {250'000, "0.00025"},
    {500'000, "0.0005"},      {1'000'000, "0.001"},  {2'500'000, "0.0025"}, {5'000'000, "0.005"},
    {10'000'000, "0.01"},     {25'000'000, "0.025"}, {50'000'000, "0.05"},  {100'000'000, "0.1"},
    {250'000'000, "0.25"},    {1'000'000'000, "1"},  {5'000'000'000, "5"},  {25'000'000'000, "25"},
    {100'000'000'000, "100"},
}};

void append_escaped(std::string& out, std::string_view text, bool is_label) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && is_label)
      out += "\\\"";
    else
      out += c;
  }
}

// {a="b",le="1"} or nothing. `bound` is that of a histogram's bucket, empty for others.
std::string label_text(const Labels& labels, std::string_view bound = {}) {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view value) {
    out.append(out.empty() ? "{" : ",").append(name).append("=\"");
    append_escaped(out, value, true);
    out += '"';
  };
  for (const auto& [name, value] : labels) add(name, value);
  if (!bound.empty()) add("le", bound);
  if (!out.empty()) out += '}';
  return out;
}

std::string_view type_text(Metrics::Kind kind) {
  switch (kind) {
    case Metrics::Kind::counter:
      return "counter";
    case Metrics::Kind::gauge:
      return "gauge";
    case Metrics::Kind::histogram:
      return "histogram";
  }
  return "untyped";
}

void append_head(std::string& out, const Metrics::Series& series) {
  fmt::format_to(std::back_inserter(out), "# HELP oneclick_{} ", series.name);
  append_escaped(out, series.help, false);
  fmt::format_to(std::back_inserter(out), "\n# TYPE oneclick_{} {}\n", series.name,
                 type_text(series.kind));
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

// The buckets are read while their owner writes: the count is taken first and no bucket is shown
// above it, and none below the one before it, so that what is shown is always cumulative.
void append_histogram(std::string& out, const Metrics::Series& series) {
  const auto sample = [&](std::string_view suffix, std::string_view labels,
                          std::string_view value) {
    fmt::format_to(std::back_inserter(out), "oneclick_{}{}{} {}\n", series.name, suffix, labels,
                   value);
  };
  const std::uint64_t count = series.histogram.count();
  const std::int64_t sum_ns = series.histogram.sum_ns();
  std::uint64_t shown = 0;
  for (const Bound& bound : bounds) {
    shown = std::max(shown, std::min(count, series.histogram.count_at_most(bound.ns)));
    sample("_bucket", label_text(series.labels, bound.seconds), fmt::format("{}", shown));
  }
  sample("_bucket", label_text(series.labels, "+Inf"), fmt::format("{}", count));
  sample("_sum", label_text(series.labels), number_text(static_cast<double>(sum_ns) / 1e9));
  sample("_count", label_text(series.labels), fmt::format("{}", count));
}

void append_series(std::string& out, const Metrics::Series& series) {
  switch (series.kind) {
    case Metrics::Kind::counter:
      fmt::format_to(std::back_inserter(out), "oneclick_{}{} {}\n", series.name,
                     label_text(series.labels), series.counter.value());
      return;
    case Metrics::Kind::gauge:
      fmt::format_to(std::back_inserter(out), "oneclick_{}{} {}\n", series.name,
                     label_text(series.labels), number_text(series.gauge.value()));
      return;
    case Metrics::Kind::histogram:
      append_histogram(out, series);
      return;
  }
}

}  // namespace

std::string metrics_text(const Metrics& metrics) {
  std::string out;
  std::string_view name;
  metrics.each([&](const Metrics::Series& series) {
    if (series.name != name) append_head(out, series);
    name = series.name;
    append_series(out, series);
  });
  return out;
}

}  // namespace oneclick
