// The metrics as Prometheus reads them: text exposition format 0.0.4, every name with "oneclick_".
#pragma once

#include <string>

#include "engine/base/metrics.hpp"

namespace oneclick {

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

[[nodiscard]] std::string metrics_text(const Metrics& metrics);

}  // namespace oneclick
