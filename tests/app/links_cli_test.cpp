// Copy links by the command line, in a real database.
#include <algorithm>

#include <gmock/gmock.h>

#include "persistence/link_terms.hpp"
#include "persistence/pg_query.hpp"
#include "tests/app/command_line.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using test::Ran;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string nobody = "00000000-0000-4000-8000-00000000dead";
std::string id_of(int kind, int n) {
  return fmt::format("00000000-0000-4000-8000-0000000{:02}{:03}", kind, n);
}
std::string user_of(int n) {
  return id_of(1, n);
}
std::string link_of(int n) {
  return id_of(3, n);
}

// Three followers: the first two copy leader 9, the third a channel of leader 9's.
class Links : public test::CommandLine {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    const std::string url = test::PgServer::fresh_database();
    environment_ = {{"ONECLICK_DATABASE_URL", url}};
    auto database = PgQuery::connect(url);
    ASSERT_TRUE(database) << database.error();
    database_.emplace(std::move(*database));
    for (const int n : {0, 1, 2, 9})
      sql(
          fmt::format("INSERT INTO users (id, username, email, password_hash) VALUES ('{0}', "
                      "'user{1}', 'user{1}@example.org', 'x')",
                      user_of(n), n));
    sql(
        fmt::format("INSERT INTO premium_channels (id, creator_id, name) VALUES ('{}', '{}', "
                    "'the channel')",
                    channel_, user_of(9)));
    for (const int n : {0, 1, 2}) {
      sql(
          fmt::format("INSERT INTO user_exchanges (id, user_id, exchange_name, api_key, "
                      "api_secret) VALUES ('{}', '{}', 'binance', '', '')",
                      id_of(2, n), user_of(n)));
      sql(
          fmt::format("INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id, "
                      "{}, copy_percentage) VALUES ('{}', '{}', '{}', '{}', 25)",
                      n == 2 ? "channel_id" : "leader_user_id", link_of(n), user_of(n), id_of(2, n),
                      n == 2 ? channel_ : user_of(9)));
    }
  }
  void sql(const std::string& text) {
    const auto done = database_->run(text);
    ASSERT_TRUE(done) << done.error();
  }
  std::string value(const std::string& text) {
    const auto rows = database_->rows(text);
    EXPECT_TRUE(rows) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  std::string status(int n) {
    return value("SELECT status FROM engine.copy_links WHERE id = '" + link_of(n) + "'");
  }
  Ran links(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "links");
    return run(std::move(arguments), environment_);
  }

  const std::string channel_ = id_of(4, 0);
  std::map<std::string, std::string> environment_;
  std::optional<PgQuery> database_;
};

TEST_F(Links, AreListedByFollowerLeaderChannelAndStatus) {
  const Ran all = links({"list"});
  EXPECT_EQ(all.code, 0) << all.output;
  for (const int n : {0, 1, 2}) EXPECT_THAT(all.output, HasSubstr(link_of(n)));
  EXPECT_THAT(all.output, AllOf(HasSubstr("user0 copies leader user9"),
                                HasSubstr("user2 copies channel the channel"), HasSubstr("25")));
  const Ran one = links({"list", "--user", user_of(1), "--json"});
  EXPECT_THAT(one.output, AllOf(HasSubstr(link_of(1)), HasSubstr("\"copies\":\"user9\""),
                                HasSubstr("\"status\":\"active\""), Not(HasSubstr(link_of(0)))));
  EXPECT_THAT(links({"list", "--leader", user_of(9)}).output,
              AllOf(HasSubstr(link_of(0)), HasSubstr(link_of(1)), Not(HasSubstr(link_of(2)))));
  EXPECT_THAT(links({"list", "--channel", channel_}).output,
              AllOf(HasSubstr(link_of(2)), Not(HasSubstr(link_of(0)))));
  EXPECT_EQ(links({"list", "--status", "paused", "--json"}).output, "{\"links\":[]}\n");
}

TEST_F(Links, HaveNoTermThatShadowDoesNotKnow) {
  std::string known;
  std::vector<std::string_view> names = link_term_names();
  std::ranges::sort(names);
  for (const std::string_view name : names) known += fmt::format("{} ", name);
  EXPECT_EQ(
      value("SELECT string_agg(column_name || ' ', '' ORDER BY column_name COLLATE \"C\") FROM "
            "information_schema.columns WHERE table_schema = 'engine' AND table_name = "
            "'copy_links' AND column_name NOT IN ('id', 'follower_user_id', "
            "'follower_exchange_id', 'portfolio_id', 'leader_user_id', 'channel_id', "
            "'risk_epoch', 'version', 'created_at', 'updated_at')"),
      known);
}

TEST_F(Links, ChangeTheirRowAndItsVersion) {
  const Ran paused = links({"pause", link_of(0)});
  EXPECT_EQ(paused.code, 0) << paused.output;
  EXPECT_EQ(paused.output, link_of(0) + "  active > paused\n");
  EXPECT_EQ(status(0), "paused");
  EXPECT_EQ(status(1), "active");
  EXPECT_EQ(value("SELECT version FROM engine.copy_links WHERE id = '" + link_of(0) + "'"), "2");
  // Again: nothing changes, and that is what it says.
  EXPECT_EQ(links({"pause", link_of(0)}).output, link_of(0) + "  paused\n");
  EXPECT_EQ(value("SELECT version FROM engine.copy_links WHERE id = '" + link_of(0) + "'"), "2");

  EXPECT_EQ(links({"exits-only", "--leader", user_of(9)}).code, 0);
  EXPECT_EQ(status(0) + status(1) + status(2), "exits_onlyexits_onlyactive");
  EXPECT_EQ(links({"stop", "--channel", channel_, "--json"}).output,
            fmt::format("{{\"links\":[{{\"id\":\"{}\",\"before\":\"active\",\"after\":\"stopped\","
                        "\"halt_lifted\":false}}]}}\n",
                        link_of(2)));
  EXPECT_EQ(links({"resume", link_of(0), link_of(1), link_of(2)}).code, 0);
  EXPECT_EQ(status(0) + status(1) + status(2), "activeactiveactive");

  // One of two is not there: the other is changed, and the exit code says so.
  const Ran partly = links({"pause", link_of(1), nobody});
  EXPECT_EQ(partly.code, 1);
  EXPECT_THAT(partly.output, HasSubstr(nobody + ": no such link"));
  EXPECT_EQ(status(1), "paused");
}

TEST_F(Links, AreReleasedFromADrawdownAndFromQuarantine) {
  sql(
      fmt::format("INSERT INTO engine.link_halts (link_id, follower_user_id, reason, action, "
                  "limit_usd, from_usd, profit_usd, halted_at) VALUES ('{}', '{}', 'drawdown', "
                  "'halt', 10, 0, -11, now())",
                  link_of(0), user_of(0)));
  sql(fmt::format("UPDATE engine.copy_links SET status = 'quarantined' WHERE id = '{}'",
                  link_of(1)));
  EXPECT_THAT(links({"list"}).output, HasSubstr("halted: drawdown at "));
  const Ran resumed = links({"resume", link_of(1)});
  EXPECT_EQ(resumed.code, 1);
  EXPECT_THAT(resumed.output, HasSubstr("until `oneclick links release`"));
  EXPECT_EQ(status(1), "quarantined");

  const Ran released = links({"release", link_of(0), link_of(1)});
  EXPECT_EQ(released.code, 0) << released.output;
  EXPECT_THAT(released.output, AllOf(HasSubstr(link_of(0) + "  active  halt lifted"),
                                     HasSubstr(link_of(1) + "  quarantined > active")));
  EXPECT_EQ(value("SELECT risk_epoch FROM engine.copy_links WHERE id = '" + link_of(0) + "'"), "1");
  EXPECT_EQ(value("SELECT risk_epoch FROM engine.copy_links WHERE id = '" + link_of(1) + "'"), "0");
  EXPECT_EQ(links({"release", link_of(2)}).code, 1) << "nothing holds it back";
}

}  // namespace
}  // namespace oneclick
