// A copy report for people, for programs, and as one page that needs nothing else. Pure.
#pragma once

#include <string>

#include "persistence/copy_report.hpp"

namespace oneclick {

[[nodiscard]] std::string copy_report_table(const CopyReport& report);
[[nodiscard]] std::string copy_report_json(const CopyReport& report);
// Plots are inline SVG; no script, no picture, no font from elsewhere. Light and dark.
[[nodiscard]] std::string copy_report_html(const CopyReport& report);

}  // namespace oneclick
