// Master keys, sealed credentials, API keys, security events and event reports.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "engine/base/clock.hpp"
#include "persistence/pg.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

std::string base64_key(std::uint8_t fill) {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(fill);
  return to_base64(bytes);
}
MasterKey key_named(std::string id, std::uint8_t fill) {
  MasterKey key{.id = std::move(id), .bytes = {}};
  key.bytes.fill(fill);
  return key;
}

class KeyFile : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& text, ::mode_t mode = 0600) {
    const auto path = folder_.path() / "keys";
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  Folder folder_;
};

TEST_F(KeyFile, TheFirstKeySealsAndAllOpen) {
  const auto keys =
      read_master_keys(write("# new\nk2 " + base64_key(2) + "\n\nk1 " + base64_key(1) + "\r\n"));
  ASSERT_TRUE(keys.has_value()) << keys.error();
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ((*keys)[0].id, "k2");
  EXPECT_EQ((*keys)[1].bytes[31], 1);
}

TEST_F(KeyFile, EachFlawIsNamedAndTheKeyIsNot) {
  const std::string good = base64_key(9);
  const struct {
    std::string text;
    ::mode_t mode;
    const char* expected;
  } table[] = {
      {"k1 " + good, 0640, "has mode 0640; allowed: 0600"},
      {"k1 " + good, 0604, "has mode 0604; allowed: 0600"},
      {"", 0600, "holds no key"},
      {"# nothing\n", 0600, "holds no key"},
      {"k1" + good, 0600, ":1: expected"},
      {"K1 " + good, 0600, ":1: the id must be"},
      {"abcdefghijklmnopq " + good, 0600, ":1: the id must be"},
      {"k.1 " + good, 0600, ":1: the id must be"},
      {"k1 " + good + "\nk1 " + good, 0600, ":2: key id k1 is there twice"},
      {"k1 " + good.substr(0, 20), 0600, ":1: the key has 15 bytes; allowed: 32"},
      {"k1 !" + good.substr(1), 0600, ":1: the key is not base64"},
  };
  for (const auto& row : table) {
    const auto keys = read_master_keys(write(row.text, row.mode));
    ASSERT_FALSE(keys.has_value()) << row.expected;
    EXPECT_NE(keys.error().find(row.expected), std::string::npos) << keys.error();
    EXPECT_EQ(keys.error().find(good.substr(0, 20)), std::string::npos) << keys.error();
  }
  const auto absent = read_master_keys(folder_.path() / "nothing");
  ASSERT_FALSE(absent.has_value());
  EXPECT_NE(absent.error().find("No such file"), std::string::npos) << absent.error();
  EXPECT_FALSE(read_master_keys(folder_.path()).has_value()) << "a folder is no key file";
}

Credentials plain(std::string_view passphrase = "") {
  return {.api_key = "the-key",
          .secret = Secret("the-secret"),
          .passphrase = Secret(passphrase),
          .key_type = KeyType::hmac};
}

TEST(Vault, SealsEachColumnForItsRowOnly) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = open_query(url);
  make_users(query, 2);
  const MasterKey key = key_named("k1", 1);
  ASSERT_EQ(seal_credentials(url, key, account(0), plain("pass")), 1);
  const auto rows = query.rows(
      "SELECT api_key, api_secret, passphrase FROM user_exchanges"
      " WHERE id = $1",
      {account(0).to_text()});
  ASSERT_TRUE(rows.has_value());
  const std::array<std::string_view, 3> columns = {"api_key", "api_secret", "passphrase"};
  const std::array<std::string_view, 3> texts = {"the-key", "the-secret", "pass"};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string sealed = (*rows)[0][i].value();
    EXPECT_TRUE(sealed.starts_with("v1.k1.")) << sealed;
    EXPECT_EQ(sealed.find(texts[i]), std::string::npos);
    for (std::size_t other = 0; other < 3; ++other) {
      const auto opened =
          open_sealed(std::array{key}, credential_aad(columns[other], account(0)), sealed);
      EXPECT_EQ(opened.has_value(), other == i) << columns[other];
      if (opened) {
        EXPECT_EQ(opened->view(), texts[i]);
      }
    }
    EXPECT_FALSE(open_sealed(std::array{key}, credential_aad(columns[i], account(1)), sealed))
        << "moved to another row";
  }
  const auto nobody = seal_credentials(url, key, account(77), plain());
  ASSERT_FALSE(nobody.has_value());
  EXPECT_NE(nobody.error().find("has no row"), std::string::npos) << nobody.error();
}

TEST(Vault, RewrapMovesEveryRowThatOpensToTheFirstKey) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = open_query(url);
  constexpr int rows = 450;  // more than two batches
  make_users(query, 1);
  run(query,
      fmt::format("INSERT INTO user_exchanges (user_id, exchange_name) SELECT '{}', 'binance'"
                  " FROM generate_series(2, {})",
                  user(0).to_text(), rows));
  const MasterKey old_key = key_named("old", 1), new_key = key_named("new", 2);
  const auto ids = query.rows("SELECT id FROM user_exchanges");
  ASSERT_TRUE(ids.has_value());
  run(query, "BEGIN");
  for (const auto& row : *ids) {
    const AccountId id{Uuid::parse(row[0].value()).value()};
    const auto sealed =
        query.rows("UPDATE user_exchanges SET api_key = $2, api_secret = $3 WHERE id = $1",
                   {row[0], seal(old_key, credential_aad("api_key", id), "the-key"),
                    seal(old_key, credential_aad("api_secret", id), "the-secret")});
    ASSERT_TRUE(sealed.has_value()) << sealed.error();
  }
  run(query, "COMMIT");
  // One that was moved, and stays as it is.
  run(query,
      "UPDATE user_exchanges SET api_secret = api_key WHERE id = '" + account(0).to_text() + "'");
  const std::string moved = row_text(
      query, "SELECT api_secret FROM user_exchanges WHERE id = '" + account(0).to_text() + "'");
  const auto changed = rewrap_credentials(url, std::array{new_key, old_key});
  ASSERT_TRUE(changed.has_value()) << changed.error();
  EXPECT_EQ(*changed, rows);
  EXPECT_EQ(row_text(query,
                     "SELECT count(*) FILTER (WHERE api_key LIKE 'v1.new.%'),"
                     " count(*) FILTER (WHERE api_secret LIKE 'v1.new.%'),"
                     " count(passphrase) FROM user_exchanges"),
            fmt::format("{}|{}|0", rows, rows - 1));
  EXPECT_EQ(row_text(query, "SELECT api_secret FROM user_exchanges WHERE id = '" +
                                account(0).to_text() + "'"),
            moved);
  EXPECT_EQ(rewrap_credentials(url, std::array{new_key, old_key}), 0);
  EXPECT_FALSE(rewrap_credentials(url, {}).has_value());
}

TEST(ApiKeys, AreCheckedListedAndRevoked) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = open_query(url);
  make_users(query, 1);
  const auto key = add_api_key(url, user(0), "bot", {"admin"}, 1'800'000'000);
  ASSERT_TRUE(key.has_value()) << key.error();
  EXPECT_EQ(row_text(query,
                     "SELECT name, permissions, expires_at, length(key_hash), last_used_at"
                     " FROM api_keys"),
            "bot|[\"admin\"]|2027-01-15 08:00:00|64|NULL");
  const auto list = list_api_keys(url);
  ASSERT_TRUE(list.has_value()) << list.error();
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ((*list)[0].id, key->id.to_text());
  EXPECT_EQ((*list)[0].user_id, user(0).to_text());
  const auto unknown = add_api_key(url, user(5), "bot", {"admin"}, std::nullopt);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().find("users has no row"), std::string::npos);
  EXPECT_FALSE(add_api_key(url, user(0), "bot", {"everything"}, std::nullopt).has_value());
  EXPECT_FALSE(add_api_key(url, user(0), "bot", {}, std::nullopt).has_value());
  EXPECT_FALSE(add_api_key(url, user(0), "", {"admin"}, std::nullopt).has_value());
  EXPECT_EQ(row_text(query, "SELECT count(*) FROM api_keys"), "1");
  EXPECT_EQ(revoke_api_key(url, key->id), true);
  EXPECT_EQ(row_text(query, "SELECT count(*) FROM api_keys"), "0");
}

TEST(SideWriter, WritesWhatItIsGivenAlsoAtTheEndAndPassesOverWhatIsRefused) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = open_query(url);
  make_users(query, 1);
  Metrics metrics;
  auto writer = PgSideWriter::start(url, metrics);
  writer->security_event({.user = user(0),
                          .event_type = "api_key_refused",
                          .severity = "medium",
                          .description = "wrong secret",
                          .ip_address = "192.0.2.7"});
  writer->security_event({.user = user(42),  // deleted meanwhile: the event still counts
                          .event_type = "b",
                          .severity = "low",
                          .description = "d",
                          .ip_address = ""});
  writer->security_event({.user = {},
                          .event_type = "c",
                          .severity = "not a severity",
                          .description = "d",
                          .ip_address = "not an address"});
  writer->security_event(
      {.user = {}, .event_type = "d", .severity = "high", .description = "d", .ip_address = ""});
  writer.reset();
  EXPECT_EQ(row_text(query,
                     "SELECT string_agg(concat_ws(' ', event_type, severity, user_id, ip_address),"
                     " ',' ORDER BY event_type) FROM security_events"),
            "api_key_refused medium " + user(0).to_text() + " 192.0.2.7,b low,d high");
}

TEST(SideWriter, NeitherBlocksNorGrowsWhileTheDatabaseIsAway) {
  Metrics metrics;
  auto writer = PgSideWriter::start("postgresql://nobody@127.0.0.1:1/none", metrics);
  const std::int64_t begun = monotonic_now_ns();
  for (int i = 0; i < 12'000; ++i)
    writer->security_event(
        {.user = {}, .event_type = "x", .severity = "low", .description = "d", .ip_address = ""});
  EXPECT_LT(monotonic_now_ns() - begun, 2'000'000'000);
  EXPECT_EQ(metrics.counter("security_events_dropped_total", "").value(), 2'000U);
  const std::int64_t ending = monotonic_now_ns();
  writer.reset();
  EXPECT_LT(monotonic_now_ns() - ending, 4'000'000'000);
}

TEST(EventReport, CountsOutcomesReasonsAndOrders) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database();
  PgQuery query = open_query(url);
  make_users(query, 3);
  const std::string event = event_id(1).to_text();
  EXPECT_EQ(event_report_json(url, event_id(1), UserId{}).value(), std::nullopt);
  run(query,
      fmt::format("INSERT INTO engine.leader_events (id, seq, source, symbol, kind, side,"
                  " quantity, price, event_time, accepted_at, links_matched) VALUES ('{}', 5,"
                  " 'rest', 'BTC/USDT', 'fill', 'buy', 1.5, 2, '2026-01-02 03:04:05+00',"
                  " '2026-01-02 03:04:06+00', 3)",
                  event));
  const auto add_outcome = [&](int n, const std::string& outcome, const std::string& reason,
                               const std::string& ns) {
    run(query,
        fmt::format("INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank,"
                    " ingest_to_wire_ns, created_at) VALUES ('{}', '{}', '{}', {}, {}, {}, now())",
                    event, link(static_cast<std::uint64_t>(n)).to_text(), outcome, reason, n, ns));
  };
  add_outcome(1, "copied", "NULL", "1000");
  add_outcome(2, "copied", "NULL", "3000");
  const auto json_of = [&] {
    const auto report = event_report_json(url, event_id(1), UserId{});
    EXPECT_TRUE(report.has_value() && report->has_value());
    return report->value_or("{}");
  };
  const auto field = [&](const std::string& json, const std::string& path) {
    const auto rows = query.rows("SELECT $1::jsonb #>> $2::text[]", {json, path});
    return rows ? (*rows)[0][0].value_or("NULL") : rows.error();
  };
  EXPECT_EQ(field(json_of(), "{state}"), "in_progress");
  add_outcome(3, "skipped", "'stale'", "NULL");
  const std::string json = json_of();
  EXPECT_EQ(field(json, "{state}"), "complete");
  EXPECT_EQ(field(json, "{event_id}"), event);
  EXPECT_EQ(field(json, "{links_matched}"), "3");
  EXPECT_EQ(field(json, "{outcomes,copied}"), "2");
  EXPECT_EQ(field(json, "{outcomes,skipped}"), "1");
  EXPECT_EQ(field(json, "{reasons}"), "{\"stale\": 1}");
  EXPECT_EQ(field(json, "{ingest_to_wire_ns,first}"), "1000");
  EXPECT_EQ(field(json, "{ingest_to_wire_ns,last}"), "3000");
  EXPECT_EQ(field(json, "{accepted_at}"), "2026-01-02T03:04:06.000000Z");

  const UserId leader{{0, 77}}, stranger{{0, 78}};
  run(query, fmt::format("UPDATE engine.leader_events SET leader_user_id = '{}' WHERE id = '{}'",
                         leader.to_text(), event));
  EXPECT_TRUE(event_report_json(url, event_id(1), leader).value().has_value());
  EXPECT_FALSE(event_report_json(url, event_id(1), stranger).value().has_value());
}

TEST(PrivatePostgresTest, KeepsItsAddressAndDataOverAKillAndLeavesNoProcess) {
  ONECLICK_NEEDS_POSTGRES();
  Folder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  auto server = PrivatePostgres::start({.dir = folder.path() / "pg", .durable = true});
  ASSERT_TRUE(server.has_value()) << server.error();
  const std::string url = (*server)->create_database("kept").value();
  {
    PgQuery query = open_query(url);
    run(query, "CREATE TABLE t AS SELECT 1 AS x");
  }
  const pid_t pid = (*server)->pid();
  (*server)->kill();
  EXPECT_EQ(::kill(pid, 0), -1) << "the server is gone";
  EXPECT_FALSE(PgQuery::connect(url).has_value());
  ASSERT_TRUE((*server)->restart().has_value());
  PgQuery query = open_query(url);
  EXPECT_EQ(row_text(query, "SELECT x FROM t"), "1");
  const pid_t second = (*server)->pid();
  server->reset();
  EXPECT_EQ(::kill(second, 0), -1);
}

}  // namespace
}  // namespace oneclick
