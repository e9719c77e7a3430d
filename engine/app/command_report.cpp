// `oneclick report copy`: what copying cost a follower.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <regex>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/report_text.hpp"
#include "engine/base/uuid.hpp"
#include "persistence/copy_report.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

// YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, as PostgreSQL reads it, UTC; it says what is no day.
bool is_time(const std::string& text) {
  static const std::regex form(R"(\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?)");
  return std::regex_match(text, form);
}

// What is wrong with the arguments; empty: nothing.
std::string problem_of(const ReportArguments& a) {
  for (const auto& [name, value] : {std::pair("--user", &a.user), std::pair("--leader", &a.leader)})
    if ((name == std::string_view("--user") || !value->empty()) && !Uuid::parse(*value))
      return fmt::format("{} {}: allowed: a UUID, as in users.id", name, *value);
  for (const auto& [name, value] : {std::pair("--from", &a.from), std::pair("--to", &a.to)})
    if (!value->empty() && !is_time(*value))
      return fmt::format("{} {}: allowed: a time in UTC, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ", name,
                         *value);
  // Both begin with the day, and a day begins before its times: they compare as text.
  if (!a.from.empty() && !a.to.empty() && a.from >= a.to)
    return fmt::format("--from {}: allowed: before --to, {}", a.from, a.to);
  return {};
}

}  // namespace

int command_report_copy(const ReportArguments& arguments) {
  if (const std::string problem = problem_of(arguments); !problem.empty())
    return fail(exit_codes::usage, problem);
  if (const auto connection = PgQuery::connect(arguments.database_url); !connection)
    return fail(exit_codes::unavailable, "database: " + connection.error());
  const auto report = read_copy_report(arguments.database_url, {.user = arguments.user,
                                                                .from = arguments.from,
                                                                .to = arguments.to,
                                                                .leader = arguments.leader});
  if (!report) {
    // "ERROR:  date/time field value out of range: ..." and where PostgreSQL was: 31 February.
    const std::string& error = report.error();
    const std::size_t at = error.find("date/time field");
    if (at == std::string::npos) return fail(exit_codes::failure, "database: " + error);
    return fail(exit_codes::usage,
                fmt::format("--from {}, --to {}: {}", arguments.from, arguments.to,
                            error.substr(at, error.find('\n', at) - at)));
  }
  if (!*report)
    return fail(exit_codes::failure,
                arguments.leader.empty()
                    ? fmt::format("--user {}: there is no such user", arguments.user)
                    : fmt::format("--user {}, --leader {}: there are no such two users",
                                  arguments.user, arguments.leader));
  if (!arguments.html_file.empty()) {
    std::ofstream file(arguments.html_file, std::ios::binary | std::ios::trunc);
    file << copy_report_html(**report);
    file.close();
    if (!file)
      return fail(exit_codes::failure, fmt::format("--html {}: cannot be written: {}",
                                                   arguments.html_file, std::strerror(errno)));
  }
  if (arguments.json)
    print_line(copy_report_json(**report));
  else if (arguments.html_file.empty())
    print_line(copy_report_table(**report));
  return exit_codes::fine;
}

}  // namespace oneclick
