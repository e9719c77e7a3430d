// The command line as others use it: the program itself, its exit codes and what it says.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/app/control_socket.hpp"
#include "engine/app/process.hpp"
#include "engine/app/version.hpp"
#include "persistence/pg_query.hpp"
#include "tests/app/command_line.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using test::CommandLine;
using test::minute_ns;
using test::Ran;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* nobody = "00000000-0000-4000-8000-00000000dead";
constexpr const char* user = "00000000-0000-4000-8000-000000000001";
constexpr const char* account = "00000000-0000-4000-8000-000000000002";

struct Case {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  const char* says;
};

const Case cases[] = {
    {"Nothing", {}, 64, "a command is needed"},
    {"Help", {"--help"}, 0, "kill-switch"},
    {"Version", {"--version"}, 0, "oneclick 0."},
    {"VersionJson", {"--version", "--json"}, 0, "\"version\":\"0."},
    {"UnknownCommand", {"fly"}, 64, "fly"},
    {"UnknownOption", {"run", "--config", "x", "--fast"}, 64, "--fast"},
    {"TwoCommands", {"migrate", "check"}, 64, ""},
    {"RunHelp", {"run", "--help"}, 0, "--set"},
    {"RunNoConfig", {"run"}, 64, "--config"},
    {"RunConfigMissing",
     {"run", "--config", "/nonexistent.toml"},
     78,
     "/nonexistent.toml: does not exist"},
    {"RunConfigFolder", {"run", "--config", "/etc"}, 78, "not a plain file"},
    {"RunConfigNoToml", {"run", "--config", "/etc/passwd"}, 78, "/etc/passwd:1:"},
    {"DemoHelp", {"demo", "--help"}, 0, "--followers"},
    {"DemoNoFollowers", {"demo", "--followers", "0"}, 64, "--followers"},
    {"DemoJsonNowhere", {"demo", "--json", "/nowhere/x.json"}, 64, "--json /nowhere/x.json"},
    {"DemoSecondsText", {"demo", "--seconds", "long"}, 64, "--seconds"},
    {"CheckHelp", {"check", "--help"}, 0, "--connect"},
    {"CheckConfigMissing", {"check", "--config", "/nonexistent.toml"}, 78, "does not exist"},
    {"CheckConfigMissingJson",
     {"check", "--config", "/nonexistent.toml", "--json"},
     78,
     "\"ok\":false"},
    {"MigrateHelp", {"migrate", "--help"}, 0, "--status"},
    {"MigrateNoDatabase", {"migrate"}, 64, "--database"},
    {"MigrateNobodyThere", {"migrate", "--database", "postgresql://127.0.0.1:1/x"}, 69, "database"},
    {"MigrateNoUrl", {"migrate", "--database", "what:hush@ever"}, 69, "database"},
    {"PaperHelp", {"paper", "--help"}, 0, "--config"},
    {"PaperConfigMissing", {"paper", "--config", "/nonexistent.toml"}, 78, "does not exist"},
    {"KeysAlone", {"keys"}, 64, ""},
    {"KeysHelp", {"keys", "--help"}, 0, "revoke"},
    {"KeysAddHelp", {"keys", "add", "--help"}, 0, "signals:write"},
    {"KeysAddScope",
     {"keys", "add", "--database", "postgresql://127.0.0.1:1/x", "--user", user, "--name", "n",
      "--scope", "all"},
     64,
     "all"},
    {"KeysListNobodyThere",
     {"keys", "list", "--database", "postgresql://127.0.0.1:1/x"},
     69,
     "database"},
    {"KeysRevokeNoId", {"keys", "revoke", "--database", "postgresql://127.0.0.1:1/x"}, 64, "id"},
    {"VaultHelp", {"vault", "--help"}, 0, "rotate"},
    {"VaultKeygenNoOut", {"vault", "keygen"}, 64, "--out"},
    {"VaultKeygenBadId",
     {"vault", "keygen", "--out", "/nonexistent/key", "--key-id", "Key 1"},
     64,
     "Key 1"},
    {"VaultKeygenNoFolder",
     {"vault", "keygen", "--out", "/nonexistent/key"},
     1,
     "/nonexistent/key"},
    {"VaultEncryptNoKey",
     {"vault", "encrypt", "--database", "x", "--account", account},
     64,
     "--master-key-file"},
    {"VaultEncryptKeyMissing",
     {"vault", "encrypt", "--database", "x", "--account", account, "--master-key-file",
      "/nonexistent"},
     78,
     "/nonexistent"},
    {"KillSwitchAlone", {"kill-switch"}, 64, ""},
    {"KillSwitchHelp", {"kill-switch", "on", "--help"}, 0, "--follower"},
    {"KillSwitchOnWhat", {"kill-switch", "on", "--socket", "/nonexistent.sock"}, 64, "--all"},
    {"KillSwitchAllAndSome",
     {"kill-switch", "on", "--socket", "/nonexistent.sock", "--all", "--symbol", "BTC/USDT"},
     64,
     "--all"},
    {"KillSwitchWhere", {"kill-switch", "status"}, 64, "--socket"},
    {"KillSwitchNoDaemon",
     {"kill-switch", "status", "--socket", "/nonexistent.sock"},
     69,
     "/nonexistent.sock"},
    {"KillSwitchVenue",
     {"kill-switch", "on", "--socket", "/nonexistent.sock", "--venue", "nasdaq"},
     64,
     "nasdaq"},
    {"JournalHelp", {"journal", "--help"}, 0, "replay"},
    {"JournalVerifyNothing", {"journal", "verify", "/nonexistent"}, 1, "no journal there"},
    {"JournalReplayNothing", {"journal", "replay", "/nonexistent"}, 1, "no journal there"},
    {"JournalShard", {"journal", "verify", "/nonexistent", "--shard", "64"}, 64, "64"},
    {"ShadowHelp", {"shadow", "--help"}, 0, "copy_percentage=50"},
    {"ShadowNothingChanged", {"shadow", "--journal", "/nonexistent"}, 64, "--set"},
    {"ShadowNoJournal",
     {"shadow", "--journal", "/nonexistent", "--set", "copy_percentage=50"},
     1,
     "no journal there"},
    {"ShadowUnknownKey",
     {"shadow", "--journal", "/nonexistent", "--set", "copy_percent=50"},
     64,
     "--set copy_percent: no such setting; allowed: sizing_mode, copy_percentage"},
    {"ShadowNoValue",
     {"shadow", "--journal", "/nonexistent", "--set", "copy_percentage"},
     64,
     "allowed: key=value"},
    {"ShadowSettingTooLarge",
     {"shadow", "--journal", "/nonexistent", "--set", "taker_fee_bps=1001"},
     64,
     "allowed: a whole number from 0 to 1000"},
    {"ShadowLinkNoId",
     {"shadow", "--journal", "/nonexistent", "--set", "copy_percentage=50", "--link", "mine"},
     64,
     "--link mine: allowed: a UUID"},
    {"LinksAlone", {"links"}, 64, ""},
    {"LinksHelp", {"links", "--help"}, 0, "exits-only"},
    {"LinksListNobodyThere",
     {"links", "list", "--database", "postgresql://127.0.0.1:1/x"},
     69,
     "database"},
    {"LinksListStatus",
     {"links", "list", "--database", "postgresql://127.0.0.1:1/x", "--status", "gone"},
     64,
     "--status gone: allowed: active, paused"},
    {"LinksPauseWhich",
     {"links", "pause", "--database", "postgresql://127.0.0.1:1/x"},
     64,
     "ids of links, or one or more of --user"},
    {"LinksPauseNoId",
     {"links", "pause", "--database", "postgresql://127.0.0.1:1/x", "mine"},
     64,
     "mine: allowed: the UUID of a copy link"},
    {"TopHelp", {"top", "--help"}, 0, "--interval"},
    {"TopWhere", {"top"}, 64, "either --config or --url"},
    {"TopNoDaemon", {"top", "--once", "--url", "http://127.0.0.1:1"}, 69, "http://127.0.0.1:1"},
    {"TopNoHttp", {"top", "--once", "--url", "ftp://127.0.0.1:1"}, 64, "allowed: http://host:port"},
    {"TopConfigMissing", {"top", "--config", "/nonexistent.toml"}, 78, "does not exist"},
    {"TailHelp", {"tail", "--help"}, 0, "--from-start"},
    {"TailWhere", {"tail"}, 64, "either --journal or --config"},
    {"TailNoJournal", {"tail", "--journal", "/nonexistent"}, 1, "no journal there"},
    {"TailNoUser",
     {"tail", "--journal", "/nonexistent", "--user", "me"},
     64,
     "--user me: allowed: a UUID"},
    {"TailConfigMissing", {"tail", "--config", "/nonexistent.toml"}, 78, "does not exist"},
    {"BooksNoLedger", {"books", "--database", "x", "--ledger", "/nonexistent"}, 65, "ledger"},
};

class CommandLineCase : public CommandLine, public testing::WithParamInterface<Case> {};

TEST_P(CommandLineCase, ExitsWithItsCodeAndSaysWhy) {
  const Case& c = GetParam();
  const Ran ran = run(c.arguments);
  EXPECT_EQ(ran.code, c.code) << ran.output;
  EXPECT_THAT(ran.output, AllOf(HasSubstr(c.says), Not(HasSubstr("hush"))));
  EXPECT_FALSE(ran.output.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, CommandLineCase, testing::ValuesIn(cases),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(CommandLine, MakesAMasterKeyOnceForItsOwnerAlone) {
  const std::string file = folder_.path("master.key");
  EXPECT_EQ(run({"vault", "keygen", "--out", file, "--key-id", "k1"}).code, 0);
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto keys = read_master_keys(file);
  ASSERT_TRUE(keys) << keys.error();
  EXPECT_EQ(keys->front().id, "k1");

  const Ran again = run({"vault", "keygen", "--out", file});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.output, HasSubstr("not overwritten"));
  EXPECT_EQ(read_master_keys(file)->front().bytes, keys->front().bytes);
}

TEST_F(CommandLine, ChecksAConfigurationAndTheFilesItNames) {
  const std::string key = folder_.path("master.key");
  ASSERT_EQ(run({"vault", "keygen", "--out", key}).code, 0);
  const std::string preset = std::string(SOURCE_DIR) + "/configs/binance.toml";
  const std::map<std::string, std::string> environment = {
      {"ONECLICK_DATABASE_URL", "postgresql://engine:hush@127.0.0.1:1/x"},
      {"ONECLICK_MASTER_KEY_FILE", key}};
  const Ran fine = run({"check", "--config", preset}, environment);
  EXPECT_EQ(fine.code, 0) << fine.output;
  const Ran printed =
      run({"check", "--config", preset, "--print", "--set", "engine.shards=7"}, environment);
  EXPECT_THAT(printed.output,
              AllOf(HasSubstr("shards = 7  # command line"), Not(HasSubstr("hush"))));
  const Ran json = run({"check", "--config", preset, "--json"}, environment);
  EXPECT_THAT(json.output, AllOf(HasSubstr("\"ok\":true"), Not(HasSubstr("hush"))));

  const Ran two =
      run({"check", "--config", preset, "--set", "engine.shards=0", "--set", "log.level=x"},
          environment);
  EXPECT_EQ(two.code, 78);
  EXPECT_THAT(two.output, AllOf(HasSubstr("engine.shards"), HasSubstr("log.level")));
  ::chmod(key.c_str(), 0644);
  const Ran open_key = run({"check", "--config", preset}, environment);
  EXPECT_EQ(open_key.code, 78);
  EXPECT_THAT(open_key.output, HasSubstr("FAILED   vault.master_key_file"));
}

// A daemon's end of the socket, which notes what it is asked.
TEST_F(CommandLine, TellsADaemonWhatToStop) {
  std::vector<std::string> asked;
  const std::string path = folder_.path("control.sock");
  auto socket = ControlSocket::start(path, [&asked](const std::string& line) {
    asked.push_back(line);
    return std::string(
        R"({"ok":true,"kill_switches":[{},{"venue":"binance","symbol":"BTC/USDT"}]})");
  });
  ASSERT_TRUE(socket) << socket.error();
  const Ran status = run({"kill-switch", "status", "--socket", path});
  EXPECT_EQ(status.code, 0);
  EXPECT_EQ(status.output, "on: everything\non: venue binance, symbol BTC/USDT\n");
  const Ran on = run({"kill-switch", "on", "--socket", path, "--symbol", "BTC/USDT", "--follower",
                      user, "--json"});
  EXPECT_EQ(on.code, 0);
  EXPECT_EQ(on.output,
            "{\"kill_switches\":[{},{\"venue\":\"binance\",\"symbol\":\"BTC/USDT\"}]}\n");
  EXPECT_EQ(run({"kill-switch", "off", "--socket", path, "--all"}).code, 0);
  socket->reset();
  ASSERT_EQ(asked.size(), 5u);
  EXPECT_EQ(asked[0], R"({"op":"kill_switch_status"})");
  EXPECT_EQ(
      asked[1],
      fmt::format(R"({{"op":"kill_switch","on":true,"follower":"{}","symbol":"BTC/USDT"}})", user));
  EXPECT_EQ(asked[2], R"({"op":"kill_switch_status"})");
  EXPECT_EQ(asked[3], R"({"op":"kill_switch","on":false})");
  EXPECT_EQ(asked[4], R"({"op":"kill_switch","on":false,"venue":"binance","symbol":"BTC/USDT"})");
}

TEST_F(CommandLine, ReportsWhatADaemonRefuses) {
  auto socket = ControlSocket::start(folder_.path("control.sock"), [](const std::string&) {
    return std::string(R"({"ok":false,"error":"leader: no such"})");
  });
  ASSERT_TRUE(socket) << socket.error();
  const Ran ran = run({"kill-switch", "on", "--all", "--socket", folder_.path("control.sock")});
  EXPECT_EQ(ran.code, 69);
  EXPECT_THAT(ran.output, HasSubstr("leader: no such"));
}

TEST_F(CommandLine, BringsADatabaseUpAndManagesKeysInIt) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = test::PgServer::fresh_database(false);
  const std::map<std::string, std::string> environment = {{"ONECLICK_DATABASE_URL", url}};
  EXPECT_EQ(run({"migrate", "--status"}, environment).code, 1) << "nothing is applied yet";
  const Ran migrated = run({"migrate", "--database", url});
  EXPECT_EQ(migrated.code, 0) << migrated.output;
  EXPECT_THAT(migrated.output, HasSubstr("applied 0001"));
  const Ran status = run({"migrate", "--status"}, environment);
  EXPECT_EQ(status.code, 0);
  EXPECT_THAT(status.output, HasSubstr("time series: "));
  EXPECT_THAT(run({"migrate", "--status", "--json"}, environment).output,
              HasSubstr("\"time_series\":{\"storage\":\""));
  EXPECT_EQ(run({"migrate", "--json"}, environment).output.rfind("{\"applied\":0,", 0), 0u);

  auto database = PgQuery::connect(url);
  ASSERT_TRUE(database) << database.error();
  ASSERT_TRUE(
      database->run(fmt::format("INSERT INTO users (id, username, email, password_hash) VALUES "
                                "('{}', 'u', 'u@example.org', 'x')",
                                user)));
  const Ran added = run({"keys", "add", "--user", user, "--name", "bot", "--scope", "signals:write",
                         "--scope", "stream:read"},
                        environment);
  ASSERT_EQ(added.code, 0) << added.output;
  EXPECT_EQ(added.output.rfind("oc_", 0), 0u);
  const std::string id = added.output.substr(3, 36);
  const Ran listed = run({"keys", "list", "--json"}, environment);
  EXPECT_THAT(listed.output, AllOf(HasSubstr(id), HasSubstr("bot")));
  EXPECT_EQ(listed.output.find(added.output.substr(40, 16)), std::string::npos)
      << "the secret is shown once";

  EXPECT_EQ(
      run({"keys", "add", "--user", nobody, "--name", "n", "--scope", "admin"}, environment).code,
      1);
  EXPECT_EQ(
      run({"keys", "add", "--user", "me", "--name", "n", "--scope", "admin"}, environment).code,
      64);
  EXPECT_EQ(run({"keys", "add", "--user", user, "--name", "n", "--scope", "admin", "--expires",
                 "2020-01-01"},
                environment)
                .code,
            64);
  EXPECT_EQ(run({"keys", "add", "--user", user, "--name", "n", "--scope", "admin", "--expires",
                 "2999-01-01"},
                environment)
                .code,
            0);
  EXPECT_EQ(run({"keys", "revoke", nobody}, environment).code, 1);
  EXPECT_EQ(run({"keys", "revoke", id}, environment).code, 0);
  EXPECT_THAT(run({"keys", "list"}, environment).output, Not(HasSubstr(id)));
}

TEST_F(CommandLine, SealsCredentialsThatNeverWereArguments) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = test::PgServer::fresh_database();
  const std::string key = folder_.path("master.key");
  ASSERT_EQ(run({"vault", "keygen", "--out", key, "--key-id", "k1"}).code, 0);
  auto database = PgQuery::connect(url);
  ASSERT_TRUE(database) << database.error();
  const auto inserted = database->run(
      fmt::format("INSERT INTO users (id, username, email, password_hash) VALUES ('{0}', 'u', "
                  "'u@example.org', 'x');"
                  "INSERT INTO user_exchanges (id, user_id, exchange_name, api_key, api_secret) "
                  "VALUES ('{1}', '{0}', 'binance', '', '')",
                  user, account));
  ASSERT_TRUE(inserted) << inserted.error();
  std::map<std::string, std::string> environment = {{"ONECLICK_DATABASE_URL", url},
                                                    {"ONECLICK_MASTER_KEY_FILE", key}};
  const auto encrypt = [&](const std::string& id, const std::string& credentials) {
    auto with = environment;
    with["ONECLICK_CREDENTIALS"] = credentials;
    return run({"vault", "encrypt", "--account", id}, with);
  };
  const Ran sealed = encrypt(account, R"({"api_key":"public","api_secret":"hush"})");
  EXPECT_EQ(sealed.code, 0) << sealed.output;
  const auto row = [&] {
    return database->rows("SELECT api_key, api_secret FROM user_exchanges").value().front();
  };
  EXPECT_EQ(row()[1]->rfind("v1.k1.", 0), 0u);
  EXPECT_EQ(row()[1]->find("hush"), std::string::npos);

  const auto before = row();
  EXPECT_EQ(encrypt(nobody, R"({"api_key":"a","api_secret":"b"})").code, 1);
  EXPECT_EQ(encrypt("me", R"({"api_key":"a","api_secret":"b"})").code, 64);
  for (const char* const bad :
       {"", "hush", "[]", R"({"api_key":"a"})", R"({"api_key":"","api_secret":"hush"})",
        R"({"api_key":"a","api_secret":5})",
        R"({"api_key":"a","api_secret":"hush","key_type":"rsa"})",
        R"({"api_key":"a","api_secret":"hush","key_type":"ed25519"})",
        R"({"api_key":"a","api_secret":"b","secret":"hush"})"}) {
    const Ran refused = encrypt(account, bad);
    EXPECT_EQ(refused.code, 65) << bad << ": " << refused.output;
    EXPECT_THAT(refused.output, Not(HasSubstr("hush")));
  }
  EXPECT_EQ(row(), before) << "what was refused changed nothing";

  // A second key, put first, and everything moves to it.
  const std::string both = folder_.path("both.key");
  ASSERT_EQ(run({"vault", "keygen", "--out", both, "--key-id", "k2"}).code, 0);
  std::ofstream(both, std::ios::app) << std::ifstream(key).rdbuf();
  environment["ONECLICK_MASTER_KEY_FILE"] = both;
  const Ran rotated = run({"vault", "rotate", "--json"}, environment);
  EXPECT_EQ(rotated.code, 0) << rotated.output;
  EXPECT_THAT(rotated.output, HasSubstr("\"key_id\":\"k2\""));
  EXPECT_EQ(row()[1]->rfind("v1.k2.", 0), 0u);
}

TEST_F(CommandLine, StartsAndEndsThePaperExchange) {
  std::string text;
  {
    std::ifstream in(std::string(SOURCE_DIR) + "/configs/paper-exchange.toml");
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto put = [&text](const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  };
  put("\"configs/market/", fmt::format("\"{}/configs/market/", SOURCE_DIR));
  put("127.0.0.1:9443", "127.0.0.1:0");
  put("\"paper\"", fmt::format("\"{}\"", folder_.path("certificates")));
  const std::string output = folder_.path("paper.log");
  auto exchange = ChildProcess::start({.arguments = {ONECLICK_BINARY, "paper", "--config",
                                                     folder_.file("paper.toml", text), "--json"},
                                       .environment = {},
                                       .output_file = output});
  ASSERT_TRUE(exchange) << exchange.error();
  std::string said;
  for (int i = 0; i < 200 && said.find('\n') == std::string::npos; ++i) {
    ASSERT_EQ(exchange->wait(50'000'000), std::nullopt) << "it ended by itself";
    std::ifstream in(output);
    said.assign(std::istreambuf_iterator<char>(in), {});
  }
  EXPECT_THAT(said, AllOf(HasSubstr("\"symbols\":2"), HasSubstr("\"accounts\":2")));
  EXPECT_TRUE(std::filesystem::exists(folder_.path("certificates/ca.pem")));
  exchange->signal(SIGTERM);
  EXPECT_EQ(exchange->wait(minute_ns), 0);

  put("kind = \"late_ack\"", "kind = \"sulk\"");
  put("tick = \"0.01\"", "tick = 0.01");
  const Ran refused = run({"paper", "--config", folder_.file("bad.toml", text)});
  EXPECT_EQ(refused.code, 78);
  EXPECT_THAT(refused.output,
              AllOf(HasSubstr("kind = \"sulk\""), HasSubstr("lost_ack"), HasSubstr("tick = 0.01")));
}

}  // namespace
}  // namespace oneclick
