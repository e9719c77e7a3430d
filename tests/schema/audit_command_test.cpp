// `oneclick maintain` on the audit chain, as people and timers run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/app/process.hpp"
#include "engine/base/crypto.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;

constexpr std::int64_t minute_ns = 60'000'000'000;
constexpr const char* row_5 = "00000000-0000-4000-8000-000000000005";

struct Ran {
  int code;
  std::string output;
};

class AuditCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    std::string name = "/tmp/oneclick-audit-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::array<std::uint8_t, 32> key{};
    key.fill(3);
    std::ofstream(dir_ / "keys") << "k1 " << to_base64(key) << "\n";
    ASSERT_EQ(::chmod((dir_ / "keys").c_str(), 0600), 0);
    url_ = PgServer::fresh_database();
    sql("INSERT INTO audit_logs (id, action) SELECT ('00000000-0000-4000-8000-' ||"
        " lpad(n::text, 12, '0'))::uuid, 'change' FROM generate_series(1, 9) AS n");
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  void sql(const std::string& text) {
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value()) << query.error();
    const auto done = query->run(text);
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  Ran maintain(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ONECLICK_BINARY, "maintain"});
    const fs::path output = dir_ / "output";
    fs::remove(output);
    auto child = ChildProcess::start(
        {.arguments = arguments,
         .environment = {{"ONECLICK_DATABASE_URL", url_},
                         {"ONECLICK_MASTER_KEY_FILE", (dir_ / "keys").string()}},
         .output_file = output.string()});
    EXPECT_TRUE(child.has_value()) << child.error();
    const auto code = child->wait(minute_ns);
    std::ifstream in(output);
    std::stringstream text;
    text << in.rdbuf();
    return {.code = code.value_or(-1), .output = text.str()};
  }
  std::vector<std::string> verify(std::vector<std::string> more = {}) {
    more.insert(more.begin(), "--verify-audit");
    return more;
  }

  fs::path dir_;
  std::string url_;
};

TEST_F(AuditCommand, SealsSignsAndFindsNothingWrong) {
  const Ran kept = maintain({});
  EXPECT_EQ(kept.code, 0) << kept.output;
  const Ran checked = maintain(verify());
  EXPECT_EQ(checked.code, 0) << checked.output;
  EXPECT_THAT(checked.output, HasSubstr("9 rows checked, 0 of them archived, 1 signatures hold, 0 "
                                        "rows not sealed yet: everything holds"));
}

TEST_F(AuditCommand, NamesTheRowThatWasAlteredOrRemoved) {
  ASSERT_EQ(maintain({}).code, 0);
  sql(std::string("UPDATE audit_logs SET action = 'nothing' WHERE id = '") + row_5 + "'");
  const Ran altered = maintain(verify());
  EXPECT_EQ(altered.code, 1);
  EXPECT_THAT(altered.output, HasSubstr(std::string("audit_logs row ") + row_5 +
                                        " at position 5: the row was altered\n"));
  sql(std::string("DELETE FROM audit_logs WHERE id = '") + row_5 + "'");
  const Ran removed = maintain(verify({"--json"}));
  EXPECT_EQ(removed.code, 1);
  EXPECT_THAT(removed.output, HasSubstr(std::string(R"("holds":false)")));
  EXPECT_THAT(removed.output,
              HasSubstr(std::string(R"({"source":"audit_logs","position":5,"row_id":")") + row_5 +
                        R"(","problem":"the row is missing: it was removed"})"));
  const Ran signing = maintain({});
  EXPECT_EQ(signing.code, 1) << "nothing is signed over what does not hold";
}

TEST_F(AuditCommand, TheAnchorTellsWhatTheDatabaseCannot) {
  const std::string anchor = (dir_ / "anchor").string();
  ASSERT_EQ(maintain({}).code, 0);
  EXPECT_EQ(maintain(verify({"--audit-anchor", anchor})).code, 0);
  // Everything about the last rows is taken away, the signature too.
  sql("DELETE FROM audit_logs WHERE id > '00000000-0000-4000-8000-000000000007';"
      "DELETE FROM engine.audit_chain WHERE seq > 7; DELETE FROM engine.audit_checkpoints;"
      "UPDATE engine.audit_heads h SET seq = 7, hash = c.hash FROM engine.audit_chain c"
      " WHERE c.source = h.source AND c.seq = 7");
  EXPECT_EQ(maintain(verify()).code, 0);
  const Ran seen = maintain(verify({"--audit-anchor", anchor}));
  EXPECT_EQ(seen.code, 1);
  EXPECT_THAT(seen.output, HasSubstr("the chain ends before a position that was seen before"));
  std::ofstream(anchor) << "nonsense\n";
  EXPECT_EQ(maintain(verify({"--audit-anchor", anchor})).code, 65);
}

TEST_F(AuditCommand, ExitCodesAreThoseOfTheOthers) {
  EXPECT_EQ(maintain({"--audit-anchor", "x"}).code, 64) << "only with --verify-audit";
  EXPECT_EQ(maintain(verify({"--master-key-file", "/nonexistent"})).code, 78);
  EXPECT_EQ(maintain(verify({"--database", "postgresql://127.0.0.1:1/x"})).code, 69);
}

}  // namespace
}  // namespace oneclick
