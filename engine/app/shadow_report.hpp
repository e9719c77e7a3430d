// A shadow's report as people and programs read it.
#pragma once

#include <string>
#include <vector>

#include "engine/app/shadow.hpp"

namespace oneclick {

[[nodiscard]] std::vector<std::string> shadow_lines(const ShadowReport& report,
                                                    const ShadowOptions& options);
[[nodiscard]] std::string shadow_json(const ShadowReport& report, const ShadowOptions& options);

}  // namespace oneclick
