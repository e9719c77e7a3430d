// What `oneclick top` shows: the difference between two looks at a daemon's metrics, as text for a
// terminal or as JSON. Pure; whoever calls it has fetched the texts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oneclick {

// One answer of /metrics, without the prefix of the names.
class MetricsLook {
 public:
  // Lines that are no samples are passed over.
  [[nodiscard]] static MetricsLook parse(std::string_view text);

  using Labels = std::map<std::string, std::string>;
  struct Sample {
    Labels labels;
    double value;
  };
  [[nodiscard]] const std::vector<Sample>& samples(const std::string& name) const;
  [[nodiscard]] double sum(const std::string& name) const;
  // Of all samples with this label: value by the label's text, summed.
  [[nodiscard]] std::map<std::string, double> by_label(const std::string& name,
                                                       const std::string& label) const;

 private:
  std::map<std::string, std::vector<Sample>> samples_;
};

struct TopLook {
  bool ready;
  std::string ready_json;  // the body of /readyz
  MetricsLook metrics;
};

// The least bound of the histogram's buckets at or below which the share `q` of what was counted
// between two looks lies, in seconds; nullopt when nothing was. `labels` must be among a bucket's.
[[nodiscard]] std::optional<double> quantile_between(const MetricsLook& before,
                                                     const MetricsLook& now,
                                                     const std::string& name,
                                                     const MetricsLook::Labels& labels, double q);

[[nodiscard]] std::string top_text(const TopLook& before, const TopLook& now, double seconds);
[[nodiscard]] std::string top_json(const TopLook& before, const TopLook& now, double seconds);

}  // namespace oneclick
