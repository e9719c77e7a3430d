// What the project promises about itself.
#include <map>
#include <regex>
#include <set>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/arch/sources.hpp"

namespace oneclick {
namespace {

using test::SourceFile;

// Stage of the hot path -> the file it is in (by its stem: declared in .hpp, defined in .cpp).
const std::map<std::string, std::string> hot_path = {
    {"1", "connectors/binance/leader_stream"},
    {"2", "connectors/binance/decode"},
    {"3", "engine/runtime/shard"},
    {"4", "engine/core/core"},
    {"5", "engine/runtime/gate"},
    {"6", "connectors/binance/encode"},
    {"7", "connectors/binance/session"},
};

TEST(HotPath, EveryStageIsMarkedInItsFile) {
  static const std::regex mark(R"(.*// Hot path (\d+)/(\d+).*)");
  std::set<std::string> found;
  for (const SourceFile& file :
       test::files({"engine", "connectors", "persistence"}, {".cpp", ".hpp"}))
    for (const std::string& line : file.lines) {
      std::smatch match;
      if (!std::regex_match(line, match, mark)) continue;
      EXPECT_EQ(match[2].str(), "7") << file.path << ": " << line;
      const auto stage = hot_path.find(match[1].str());
      ASSERT_NE(stage, hot_path.end()) << file.path << ": " << line;
      const std::string stem = file.path.substr(0, file.path.rfind('.'));
      EXPECT_EQ(stem, stage->second) << file.path << ": " << line;
      found.insert(match[1].str());
    }
  EXPECT_EQ(found.size(), hot_path.size()) << "a stage of the hot path is not marked";
}

// A core that looks at a clock, a file or a coin is no function, and one that rounds through double
// has other books on another machine.
TEST(Core, HasNoClockLockFileThreadChanceOrDouble) {
  const auto core = test::files({"engine/core"}, {".cpp", ".hpp"});
  ASSERT_FALSE(core.empty());
  for (const SourceFile& file : core)
    for (const std::string& line : file.lines) {
      const std::string code = line.substr(0, line.find("//"));
      for (const char* const word :
           {"clock_gettime", "_now_ns()", "std::chrono", "std::mutex", "std::thread", "std::atomic",
            "std::random_device", "std::fstream", "std::ofstream", "std::ifstream", "getenv",
            "rand()", "double ", "float "})
        EXPECT_EQ(code.find(word), std::string::npos) << file.path << ": " << line;
    }
}

TEST(Project, NamesNoPathOfABuildMachine) {
  // Put together here, so that this file does not find itself.
  const std::string forbidden[] = {std::string("/wo") + "rk/", std::string("/tm") + "p/oc/",
                                   std::string("/ho") + "me/", std::string("/ro") + "ot/"};
  const auto all =
      test::files({"engine", "connectors", "persistence", "schema", "bench", "tests", "configs",
                   "run", ".ci", "README.md", "CMakeLists.txt", "CMakePresets.json"},
                  {});
  ASSERT_GT(all.size(), 100u);
  for (const SourceFile& file : all)
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      for (const std::string& word : forbidden)
        EXPECT_EQ(file.lines[i].find(word), std::string::npos)
            << file.path << ":" << i + 1 << ": " << word;
}

TEST(Project, ReadmeShowsTheTwoCommandsOneBeginsWith) {
  const std::string readme = test::read_text(std::string(SOURCE_DIR) + "/README.md");
  EXPECT_NE(readme.find("./run demo"), std::string::npos);
  EXPECT_NE(readme.find("./run test"), std::string::npos);
}

TEST(Project, ReadmeNamesOnlyFilesThatExist) {
  static const std::regex link(R"(\]\(([^)#:]+)\))");
  for (const char* const name : {"README.md", "engine/ARCHITECTURE.md"}) {
    const std::filesystem::path file = std::filesystem::path(SOURCE_DIR) / name;
    const std::string text = test::read_text(file);
    ASSERT_FALSE(text.empty()) << name;
    for (std::sregex_iterator i(text.begin(), text.end(), link), end; i != end; ++i)
      EXPECT_TRUE(std::filesystem::exists(file.parent_path() / (*i)[1].str()))
          << name << ": " << (*i)[1].str();
  }
}

TEST(Project, ScriptsCanBeRun) {
  for (const char* const name : {"run", ".ci/run"}) {
    struct stat info {};
    ASSERT_EQ(::stat((std::string(SOURCE_DIR) + "/" + name).c_str(), &info), 0) << name;
    EXPECT_NE(info.st_mode & S_IXUSR, 0u) << name;
  }
}

TEST(Project, IsLicensed) {
  const std::string licence = test::read_text(std::string(SOURCE_DIR) + "/LICENSE");
  EXPECT_NE(licence.find("Apache License"), std::string::npos);
}

TEST(Project, FilesStaySmallEnoughToRead) {
  for (const SourceFile& file :
       test::files({"engine", "connectors", "persistence", "bench"}, {".cpp", ".hpp"}))
    EXPECT_LE(file.lines.size(), 901u) << file.path;
}

}  // namespace
}  // namespace oneclick
