// `oneclick search-index` with a real database and a server that checks every request: afterwards
// what the server has is what the database says, whatever happened in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "engine/app/process.hpp"
#include "engine/app/search_bulk.hpp"
#include "engine/base/clock.hpp"
#include "tests/search/strict_server.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;
using Fault = StrictSearchServer::Fault;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr const char* api_key = "ApiKey c2VjcmV0LWtleQ==";

class SearchIndex : public testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    std::string name = "/tmp/oneclick-search-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::ofstream(dir_ / "key") << "c2VjcmV0LWtleQ==\n";
    ASSERT_EQ(::chmod((dir_ / "key").c_str(), 0600), 0);
    url_ = PgServer::fresh_database();
    sql("INSERT INTO users (email, username, password_hash, account_status, bio)"
        " SELECT n || '@example.org', 'user' || n, 'hash-of-a-password', 'active', 'bio ' || n"
        " FROM generate_series(1, 1200) AS n");
    sql("INSERT INTO premium_channels (creator_id, name) SELECT id, 'channel ' || username FROM"
        " users LIMIT 40");
    sql("INSERT INTO community_posts (user_id, content, tags, visibility)"
        " SELECT id, 'post \"of\" ' || username || E'\\nline two \\u2603', '[\"a\"]', 'public'"
        " FROM users LIMIT 700");
    sql("INSERT INTO trading_signals (channel_id, creator_id, signal_type, asset_symbol)"
        " SELECT id, creator_id, 'buy', 'BTC/USDT' FROM premium_channels");
  }
  void TearDown() override {
    indexer_.reset();
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  void sql(const std::string& text) {
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value()) << query.error();
    const auto done = query->run(text);
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  std::vector<PgRow> rows(const std::string& text) {
    auto query = PgQuery::connect(url_);
    EXPECT_TRUE(query.has_value());
    auto answer = query->rows(text);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error());
    return answer ? std::move(*answer) : std::vector<PgRow>();
  }
  std::string value(const std::string& text) {
    const auto all = rows(text);
    return all.empty() ? "" : all.front().front().value_or("");
  }

  struct Ran {
    int code;
    std::string output;
  };
  ChildProcess start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ONECLICK_BINARY, "search-index"});
    fs::remove(dir_ / "output");
    auto child = ChildProcess::start({.arguments = arguments,
                                      .environment = {{"ONECLICK_DATABASE_URL", url_}},
                                      .output_file = (dir_ / "output").string()});
    EXPECT_TRUE(child.has_value()) << child.error();
    return std::move(*child);
  }
  std::string output() {
    std::ifstream in(dir_ / "output");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  Ran run(std::vector<std::string> arguments) {
    ChildProcess child = start(std::move(arguments));
    const auto code = child.wait(120 * second_ns);
    return {.code = code.value_or(-1), .output = output()};
  }
  Ran once(const StrictSearchServer& server, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--url", server.url(), "--api-key-file",
                                          (dir_ / "key").string(), "--once"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(std::move(arguments));
  }
  void follow(const StrictSearchServer& server) {
    indexer_.emplace(start({"--url", server.url(), "--api-key-file", (dir_ / "key").string()}));
  }
  // Waits until nothing has to be told any more.
  bool wait_told() {
    const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
    while (value("SELECT following AND filling IS NULL AND NOT EXISTS (SELECT FROM"
                 " engine.search_changes) FROM engine.search_state") != "t") {
      if (monotonic_now_ns() > until) return false;
      ::usleep(20'000);
    }
    return true;
  }
  // What the database says to be found, and nothing else, is there as it is now.
  void expect_same(StrictSearchServer& server) {
    EXPECT_THAT(server.complaints(), testing::IsEmpty());
    const std::pair<const char*, const char*> kinds[] = {{"users", "users"},
                                                         {"channels", "premium_channels"},
                                                         {"posts", "community_posts"},
                                                         {"signals", "trading_signals"}};
    for (const auto& [kind, table] : kinds) {
      std::map<std::string, std::string> expected;
      for (const PgRow& row :
           rows(fmt::format("SELECT id, document FROM engine.search_documents('{}',"
                            " ARRAY(SELECT id FROM public.{})) WHERE document IS NOT NULL"
                            " AND document NOT LIKE '%poison%'",
                            kind, table)))
        expected[row[0].value_or("")] = row[1].value_or("");
      EXPECT_EQ(server.documents(std::string("oneclick-") + kind), expected) << kind;
    }
  }

  fs::path dir_;
  std::string url_;
  std::optional<ChildProcess> indexer_;
};

TEST_F(SearchIndex, TellsEverythingOnceThenOnlyWhatChanged) {
  StrictSearchServer server(api_key);
  const Ran first = once(server, {"--json"});
  EXPECT_EQ(first.code, 0) << first.output;
  EXPECT_THAT(first.output, HasSubstr(R"("told":1980,"refused":0)"));
  expect_same(server);
  EXPECT_EQ(server.documents("oneclick-users").size(), 1200U);
  sql("UPDATE users SET bio = 'another' WHERE username = 'user7'");
  sql("INSERT INTO user_settings (user_id, privacy_settings) SELECT id, '{\"searchable\": false}' "
      "FROM"
      " users WHERE username = 'user9'");
  sql("UPDATE users SET total_followers = 5");  // nothing that is searched
  sql("DELETE FROM community_posts WHERE id = (SELECT min(id::text)::uuid FROM community_posts)");
  sql("UPDATE premium_channels SET is_active = false WHERE name = 'channel user1'");
  const Ran second = once(server, {"--json"});
  EXPECT_EQ(second.code, 0) << second.output;
  EXPECT_THAT(second.output, HasSubstr(R"("told":4,"refused":0)"));
  expect_same(server);
}

TEST_F(SearchIndex, NothingIsNotedUntilSomebodyFollowsNorAfterwards) {
  sql("UPDATE users SET bio = 'x'");
  EXPECT_EQ(value("SELECT count(*) FROM engine.search_changes"), "0");
  StrictSearchServer server(api_key);
  EXPECT_EQ(once(server).code, 0);
  sql("UPDATE users SET bio = 'y'");
  EXPECT_EQ(value("SELECT count(*) FROM engine.search_changes"), "1200");
  const Ran forgotten = run({"--forget"});
  EXPECT_EQ(forgotten.code, 0) << forgotten.output;
  sql("UPDATE users SET bio = 'z'");
  EXPECT_EQ(value("SELECT count(*) FROM engine.search_changes"), "0");
  EXPECT_EQ(once(server).code, 0);  // everything again
  expect_same(server);
}

TEST_F(SearchIndex, WhateverTheServerDoesItHasEverythingInTheEnd) {
  StrictSearchServer server(api_key);
  server.misbehave({Fault::unavailable, Fault::too_many, Fault::cut_before, Fault::cut_after,
                    Fault::unreadable, Fault::items_busy, Fault::half_the_items,
                    Fault::half_the_items, Fault::cut_after});
  const Ran ran = once(server);
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_EQ(server.faults_left(), 0U);
  expect_same(server);
}

TEST_F(SearchIndex, ARequestThatIsTooLargeIsMadeSmaller) {
  StrictSearchServer server(api_key);
  server.set_body_max(20'000);
  const Ran ran = once(server);
  EXPECT_EQ(ran.code, 0) << ran.output;
  expect_same(server);
}

TEST_F(SearchIndex, ADocumentThatIsRefusedIsSetAsideAndBlocksNothing) {
  sql("UPDATE community_posts SET content = 'poison' WHERE id = (SELECT min(id::text)::uuid FROM"
      " community_posts)");
  StrictSearchServer server(api_key);
  const Ran ran = once(server);
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("1 refused"));
  EXPECT_EQ(value("SELECT kind || ' ' || status || ' ' || reason FROM engine.search_rejects"),
            "posts 400 document_parsing_exception: no");
  expect_same(server);
}

TEST_F(SearchIndex, FollowsWritersWhileTheServerAndItselfComeAndGo) {
  std::uint16_t port = 0;
  {
    StrictSearchServer server(api_key);
    port = server.port();
    follow(server);
    ASSERT_TRUE(wait_told()) << output();
    expect_same(server);
  }
  // The server is away: changes wait in the database, also when the indexer is killed meanwhile.
  sql("UPDATE community_posts SET title = 'changed while away'");
  indexer_->signal(SIGKILL);
  ASSERT_TRUE(indexer_->wait(10 * second_ns).has_value());
  sql("DELETE FROM trading_signals");
  sql("TRUNCATE signal_followers");
  StrictSearchServer server(api_key, port);
  follow(server);
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w)
    writers.emplace_back([this, w] {
      auto query = PgQuery::connect(url_);
      ASSERT_TRUE(query.has_value());
      for (int i = 0; i < 50; ++i) {
        const auto done = query->run(fmt::format(
            "UPDATE users SET bio = 'w{0} {1}' WHERE username = 'user{2}'; INSERT INTO"
            " community_posts (user_id, content, visibility) SELECT id, 'n{0} {1}', 'public' FROM"
            " users WHERE username = 'user1'",
            w, i, 1 + i % 7));
        EXPECT_TRUE(done.has_value()) << done.error();
      }
    });
  for (std::thread& t : writers) t.join();
  ASSERT_TRUE(wait_told()) << output();
  indexer_->signal(SIGTERM);
  EXPECT_EQ(indexer_->wait(10 * second_ns), 0) << output();
  // This server began empty: what it has is what changed since.
  for (const auto& [id, document] : server.documents("oneclick-posts"))
    EXPECT_EQ(
        value(fmt::format("SELECT document FROM engine.search_documents('posts', '{{{}}}')", id)),
        document);
  EXPECT_EQ(server.documents("oneclick-posts").size(), 900U);
  // What is gone is told by notes alone: telling everything again must not lose them.
  sql("DELETE FROM community_posts WHERE title IS NULL");
  EXPECT_EQ(once(server, {"--rebuild"}).code, 0);
  expect_same(server);
}

TEST_F(SearchIndex, TwoAtOnceAreRefused) {
  StrictSearchServer server(api_key);
  follow(server);
  ASSERT_TRUE(wait_told()) << output();
  const Ran second = once(server);
  EXPECT_EQ(second.code, 75);
}

TEST_F(SearchIndex, NoSecretLeavesTheDatabaseOrReachesTheLog) {
  StrictSearchServer server("ApiKey another");
  ChildProcess child = start({"--url", server.url(), "--api-key-file", (dir_ / "key").string()});
  const std::int64_t until = monotonic_now_ns() + 20 * second_ns;
  while (server.requests() < 2 && monotonic_now_ns() < until) ::usleep(20'000);
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(10 * second_ns), 0);
  EXPECT_THAT(output(), HasSubstr("status 401"));
  EXPECT_THAT(output(), testing::Not(HasSubstr("c2VjcmV0")));
  for (const PgRow& row : rows("SELECT document FROM engine.search_documents('users',"
                               " ARRAY(SELECT id FROM users))")) {
    EXPECT_THAT(row[0].value_or(""), testing::Not(HasSubstr("hash-of-a-password")));
    EXPECT_THAT(row[0].value_or(""), testing::Not(HasSubstr("@example.org")));
  }
}

TEST_F(SearchIndex, ItsRoleReadsDocumentsAndNothingElseOfPeople) {
  sql("DROP ROLE IF EXISTS test_indexer");
  sql("CREATE ROLE test_indexer LOGIN IN ROLE oneclick_search");
  std::string url = url_;
  url.replace(url.find("oneclick@"), 9, "test_indexer@");
  auto query = PgQuery::connect(url);
  ASSERT_TRUE(query.has_value()) << query.error();
  for (const char* refused : {"SELECT email FROM users", "SELECT id FROM community_posts",
                              "DELETE FROM community_posts", "SELECT * FROM engine.copy_links",
                              "INSERT INTO engine.search_changes (kind, row_id) VALUES ('users',"
                              " gen_random_uuid())"}) {
    const auto done = query->run(refused);
    ASSERT_FALSE(done.has_value()) << refused;
    EXPECT_THAT(done.error(), HasSubstr("permission denied"));
  }
  StrictSearchServer server(api_key);
  const std::string all = std::exchange(url_, url);
  EXPECT_EQ(once(server).code, 0) << output();
  url_ = all;
  expect_same(server);
}

TEST_F(SearchIndex, BadInputGetsItsError) {
  const std::string url = "http://127.0.0.1:1";
  ASSERT_EQ(::chmod((dir_ / "key").c_str(), 0644), 0);
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> table = {
      {{}, 64, "--url is required"},
      {{"--url", "elastic:9200"}, 64, "--url elastic:9200: allowed: http://"},
      {{"--url", "ws://elastic:9200"}, 64, "allowed: http://"},
      {{"--url", url, "--index-prefix", "Upper"}, 64, "--index-prefix Upper: allowed:"},
      {{"--url", url, "--api-key-file", "/nowhere"}, 78, "--api-key-file /nowhere:"},
      {{"--url", url, "--api-key-file", (dir_ / "key").string()}, 78, "everyone can read it"},
      {{"--url", url, "--api-key-file", "a", "--basic-file", "b"}, 64, "--basic-file"},
      {{"--url", url, "--forget"}, 64, "--forget"}};
  for (const auto& [arguments, code, said] : table) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, code) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(said));
  }
  EXPECT_EQ(value("SELECT following FROM engine.search_state"), "f");
}

TEST(BulkAnswer, IsReadAsDocumented) {
  const auto items = parse_bulk_answer(
      R"({"took":30,"errors":true,"items":[{"index":{"_id":"1","status":201}},)"
      R"({"delete":{"_id":"2","status":404,"result":"not_found"}},)"
      R"({"index":{"_id":"3","status":400,"error":{"type":"mapper","reason":"bad"}}}]})");
  ASSERT_TRUE(items.has_value()) << items.error();
  ASSERT_EQ(items->size(), 3U);
  EXPECT_EQ(bulk_verdict((*items)[0].status, false), BulkVerdict::done);
  EXPECT_EQ(bulk_verdict((*items)[1].status, true), BulkVerdict::done);
  EXPECT_EQ(bulk_verdict((*items)[1].status, false), BulkVerdict::refused);
  EXPECT_EQ(bulk_verdict((*items)[2].status, false), BulkVerdict::refused);
  EXPECT_EQ((*items)[2].reason, "mapper: bad");
  EXPECT_EQ(bulk_verdict(409, false), BulkVerdict::done);
  EXPECT_EQ(bulk_verdict(429, false), BulkVerdict::again);
  for (const char* bad : {"", "{", "[]", "{}", R"({"items":[{}]})", R"({"items":[{"index":{}}]})",
                          R"({"items":[{"index":{"status":7}}]})", R"({"items":[1]})"})
    EXPECT_FALSE(parse_bulk_answer(bad).has_value()) << bad;
}

}  // namespace
}  // namespace oneclick
