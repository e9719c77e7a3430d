// Runs every file of schema/tests against a freshly migrated database of its own and tells each
// line of its report that is not "ok". The files are plain pgTAP for psql; `pg_prove` runs them
// too.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <regex>
#include <sstream>
#include <vector>

#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

namespace fs = std::filesystem;
using namespace test;

const fs::path folder = fs::path(SOURCE_DIR) / "schema" / "tests";

std::vector<fs::path> files() {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".sql") found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

// What a report of pgTAP amounts to.
struct Report {
  int planned = -1;
  int passed = 0;
  std::string wrong;  // lines that are not ok, and what is said about them
};

Report read_report(const std::string& text) {
  static const std::regex plan(R"(1\.\.(\d+)( .*)?)");
  static const std::regex passed(R"(ok \d+( - .*)?)");
  Report report;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch part;
    if (std::regex_match(line, part, plan)) {
      // A second plan is one too many.
      if (report.planned >= 0) report.wrong += "planned twice: " + line + "\n";
      report.planned = std::stoi(part[1]);
    } else if (std::regex_match(line, passed)) {
      ++report.passed;
    } else if (!line.empty()) {
      // Also "ok 3 - x # SKIP" and "# TODO" would come to nothing without this.
      report.wrong += line + "\n";
    }
  }
  return report;
}

// Why it is not a success; "" when it is one.
std::string problem_of(const Report& report) {
  if (!report.wrong.empty()) return report.wrong;
  if (report.planned <= 0) return "no plan";
  if (report.planned != report.passed)
    return fmt::format("planned {}, ran {}", report.planned, report.passed);
  return {};
}

struct Finished {
  int status;
  std::string output;
};

// What the file's statements print, errors among it; it ends at the first one that fails.
Finished run_psql(const std::string& url, const fs::path& file) {
  // pgTAP's names are looked up last, so that no object of ours is taken for one of them.
  const std::string command = fmt::format(
      "psql -X -q -A -t -v ON_ERROR_STOP=1 -d '{}?options=-csearch_path%3Dpublic,tap"
      "%20-cclient_min_messages%3Dwarning' -f '{}' 2>&1",
      url, file.string());
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {.status = -1, .output = "cannot start psql"};
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), size);
  return {.status = ::pclose(pipe), .output = std::move(output)};
}

// The migrated database that each file gets a copy of; made at first use.
const std::string& template_database() {
  static const std::string name = [] {
    const std::string url = PgServer::fresh_database();
    auto query = PgQuery::connect(url);
    EXPECT_TRUE(query.has_value()) << query.error();
    const auto made = query->run(
        "CREATE SCHEMA tap; GRANT USAGE ON SCHEMA tap TO PUBLIC; CREATE EXTENSION pgtap SCHEMA "
        "tap");
    EXPECT_TRUE(made.has_value()) << made.error();
    return url.substr(url.rfind('/') + 1);
  }();
  return name;
}

std::string copy_of_template(const std::string& name) {
  auto admin = PgQuery::connect(PgServer::get()->url());
  EXPECT_TRUE(admin.has_value()) << admin.error();
  const auto dropped = admin->run(fmt::format("DROP DATABASE IF EXISTS \"{}\"", name));
  EXPECT_TRUE(dropped.has_value()) << dropped.error();
  const auto made =
      admin->run(fmt::format("CREATE DATABASE \"{}\" TEMPLATE \"{}\"", name, template_database()));
  EXPECT_TRUE(made.has_value()) << made.error();
  const std::string& url = PgServer::get()->url();
  return url.substr(0, url.rfind('/') + 1) + name;
}

bool pgtap_is_installed() {
  auto query = PgQuery::connect(PgServer::get()->url());
  EXPECT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows("SELECT 1 FROM pg_available_extensions WHERE name = 'pgtap'");
  return rows && !rows->empty();
}

#define ONECLICK_NEEDS_PGTAP() \
  ONECLICK_NEEDS_POSTGRES();   \
  if (!pgtap_is_installed()) GTEST_SKIP() << "NOT TESTED: install package postgresql-15-pgtap"

class PgTap : public testing::TestWithParam<fs::path> {};

TEST_P(PgTap, Passes) {
  ONECLICK_NEEDS_PGTAP();
  const std::string url = copy_of_template("pgtap_" + GetParam().stem().string());
  const Finished finished = run_psql(url, GetParam());
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(problem_of(read_report(finished.output)), "");
}

INSTANTIATE_TEST_SUITE_P(Files, PgTap, testing::ValuesIn(files()),
                         [](const auto& file) { return file.param.stem().string(); });
// Without files nothing would be run, and nothing would fail.
TEST(PgTapFiles, AreThere) {
  EXPECT_FALSE(files().empty()) << folder;
}

TEST(PgTapReport, IsASuccessOnlyWhenAllThatWasPlannedRanAndIsOk) {
  const auto problem = [](const char* text) { return problem_of(read_report(text)); };
  EXPECT_EQ(problem("1..2\nok 1 - a\nok 2\n"), "");
  EXPECT_EQ(problem("ok 1 - a\nok 2\n1..2\n"), "");
  EXPECT_EQ(problem("1..3\nok 1 - a\nok 2\n"), "planned 3, ran 2");
  EXPECT_EQ(problem("1..1\nok 1 - a\nok 2\n"), "planned 1, ran 2");
  EXPECT_EQ(problem("ok 1 - a\n"), "no plan");
  EXPECT_EQ(problem("1..0\n"), "no plan");
  EXPECT_EQ(problem(""), "no plan");
  EXPECT_EQ(problem("1..1\nnot ok 1 - a\n# because\n"), "not ok 1 - a\n# because\n");
  EXPECT_EQ(problem("1..1\nok 1 - a\n1..1\n"), "planned twice: 1..1\n");
  EXPECT_EQ(problem("1..1\npsql:x.sql:3: ERROR:  no\n"), "psql:x.sql:3: ERROR:  no\n");
}

}  // namespace
}  // namespace oneclick
