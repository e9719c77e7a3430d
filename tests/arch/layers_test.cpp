// Who may include whom. What this table forbids is how engines become one big ball: the core would
// know of sockets, a venue of another venue, the order path of PostgreSQL.
#include <map>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "tests/arch/sources.hpp"

namespace oneclick {
namespace {

using test::SourceFile;

// A folder may include itself and what stands here.
const std::map<std::string, std::set<std::string>> allowed_folders = {
    {"engine/base", {}},
    {"engine/domain", {"engine/base"}},
    {"engine/core", {"engine/base", "engine/domain"}},
    {"engine/runtime", {"engine/base", "engine/domain", "engine/core"}},
    {"connectors/net", {"engine/base"}},
    {"connectors/binance", {"engine/base", "engine/domain", "connectors/net"}},
    {"connectors/paper", {"engine/base", "engine/domain", "connectors/net"}},
    {"connectors/ingress", {"engine/base", "engine/domain", "connectors/net"}},
    {"persistence", {"engine/base", "engine/domain"}},
    {"engine/app",
     {"engine/base", "engine/domain", "engine/core", "engine/runtime", "connectors/net",
      "connectors/binance", "connectors/paper", "connectors/ingress", "persistence"}},
};

// A library is reached from these files alone (patterns of whole paths), so that it can be replaced
// there.
struct Library {
  const char* include;
  const char* files;
};
const Library libraries[] = {
    {"boost/.*", "connectors/net/.*"},
    {"openssl/.*", "(connectors/net/.*|engine/base/(crypto|sha256)[a-z0-9_]*\\.cpp)"},
    {"(pqxx/.*|libpq-fe\\.h|libpq/.*|postgresql/.*)", "persistence/.*\\.cpp"},
    {"hiredis/.*", "persistence/redis_connection\\.cpp"},
    {"simdjson\\.h",
     "(connectors/(binance|paper|ingress)/decode[a-z0-9_]*|engine/app/decode[a-z0-9_]*)\\.cpp"},
    {"concurrentqueue/.*", "engine/base/queue\\.hpp"},
    {"toml\\+\\+/.*", "engine/app/config_source\\.cpp"},
    {"CLI/.*", "engine/app/cli\\.cpp"},
};

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// "" where the line includes nothing.
std::string included(const std::string& line) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*["<]([^">]+)[">].*)re");
  std::smatch match;
  return std::regex_match(line, match, pattern) ? match[1].str() : std::string();
}

// What is wrong with a file's includes, one line each. A function, so that it can be tested itself.
std::vector<std::string> violations(const SourceFile& file) {
  std::vector<std::string> out;
  const std::string from = folder_of(file.path);
  const auto row = allowed_folders.find(from);
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string target = included(file.lines[i]);
    if (target.empty()) continue;
    const std::string place = file.path + ":" + std::to_string(i + 1) + ": includes " + target;
    const std::string to = target.find('/') == std::string::npos ? "" : folder_of(target);
    const bool ours = allowed_folders.contains(to);
    if (target.starts_with("tests/") || target.starts_with("bench/"))
      out.push_back(place + ", which is for tests");
    if (row == allowed_folders.end()) continue;
    if (ours && to != from && !row->second.contains(to)) out.push_back(place);
    for (const Library& library : libraries)
      if (std::regex_match(target, std::regex(library.include)) &&
          !std::regex_match(file.path, std::regex(library.files)))
        out.push_back(place + ", which belongs to " + library.files);
  }
  return out;
}

std::vector<SourceFile> sources() {
  return test::files({"engine", "connectors", "persistence"}, {".cpp", ".hpp"});
}

TEST(Layers, FoldersIncludeOnlyWhatTheyMay) {
  const std::vector<SourceFile> all = sources();
  ASSERT_GT(all.size(), 100u) << "the sources were not found";
  for (const SourceFile& file : all)
    for (const std::string& violation : violations(file)) ADD_FAILURE() << violation;
}

TEST(Layers, EveryFolderHasItsRow) {
  for (const SourceFile& file : sources())
    EXPECT_TRUE(allowed_folders.contains(folder_of(file.path)))
        << file.path << ": add the folder to the table, with what it may include";
}

TEST(Layers, IncludesAreWrittenFromTheRoot) {
  for (const SourceFile& file : sources())
    for (const std::string& line : file.lines)
      EXPECT_EQ(included(line).find(".."), std::string::npos) << file.path << ": " << line;
}

TEST(Layers, TheCheckItselfFindsWhatIsForbidden) {
  const std::pair<SourceFile, std::size_t> cases[] = {
      {{"engine/core/core.cpp", {"#include \"persistence/journal.hpp\""}}, 1},
      {{"engine/core/core.cpp", {"#include \"engine/domain/event.hpp\""}}, 0},
      {{"engine/core/core.cpp", {"#include <boost/asio.hpp>"}}, 1},
      {{"engine/base/text.hpp", {"#include \"engine/domain/ids.hpp\""}}, 1},
      {{"connectors/net/wire.hpp", {"#include \"engine/domain/ids.hpp\""}}, 1},
      {{"connectors/paper/exchange.cpp", {"#include \"connectors/binance/decode.hpp\""}}, 1},
      {{"connectors/binance/session.cpp", {"  #  include <simdjson.h>"}}, 1},
      {{"connectors/binance/decode.cpp", {"#include <simdjson.h>"}}, 0},
      {{"persistence/sink.hpp", {"#include <pqxx/pqxx>"}}, 1},
      {{"engine/app/daemon.cpp", {"#include \"tests/support/pg_server.hpp\""}}, 1},
      {{"engine/runtime/shard.cpp", {"// #include <boost/asio.hpp>"}}, 0},
  };
  for (const auto& [file, count] : cases)
    EXPECT_EQ(violations(file).size(), count) << file.path << ": " << file.lines[0];
}

}  // namespace
}  // namespace oneclick
