// `oneclick shadow`: what another setting would have done.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/shadow_report.hpp"

namespace oneclick {

namespace {

// Sorts what is to change into terms of links and settings of the core. Error: what is wrong.
std::string sort_changes(const std::vector<std::string>& changes, ShadowOptions& options) {
  constexpr std::string_view section = "engine.";
  const std::vector<std::string> settings = core_setting_names();
  for (const std::string& text : changes) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fmt::format("--set {}: allowed: key=value", text);
    std::string key = text.substr(0, equals), value = text.substr(equals + 1);
    if (is_link_term(key)) {
      options.link_terms.emplace_back(std::move(key), std::move(value));
      continue;
    }
    if (key.starts_with(section)) key.erase(0, section.size());
    if (std::ranges::find(settings, key) == settings.end())
      return fmt::format(
          "--set {}: no such setting; allowed: {} (of copy links), {} (of the engine)",
          text.substr(0, equals), fmt::join(link_term_names(), ", "), fmt::join(settings, ", "));
    options.core_overrides.push_back(fmt::format("{}{}={}", section, key, value));
  }
  const auto checked = with_overrides(CoreSettings{}, options.core_overrides);
  return checked ? std::string() : checked.error().front();
}

}  // namespace

int command_shadow(const ShadowArguments& arguments) {
  ShadowOptions options{
      .dir = arguments.journal_dir, .link_terms = {}, .core_overrides = {}, .link = {}, .user = {}};
  if (const std::string problem = sort_changes(arguments.changes, options); !problem.empty())
    return fail(exit_codes::usage, problem);
  const std::tuple<const char*, const std::string&, Uuid&> ids[] = {
      {"--link", arguments.link, options.link.value},
      {"--user", arguments.user, options.user.value}};
  for (const auto& [name, text, id] : ids) {
    if (text.empty()) continue;
    const auto parsed = Uuid::parse(text);
    if (!parsed) return fail(exit_codes::usage, fmt::format("{} {}: allowed: a UUID", name, text));
    id = *parsed;
  }
  const auto report = run_shadow(options);
  if (!report) return fail(report.error().exit_code, report.error().message);
  if (report->links_selected == 0 && !options.link_terms.empty())
    return fail(exit_codes::failure, "no copy link in this journal matches --link and --user");
  if (arguments.json) {
    print_line(shadow_json(*report, options));
  } else {
    for (const std::string& line : shadow_lines(*report, options)) print_line(line);
  }
  return exit_codes::fine;
}

}  // namespace oneclick
