// What is watched is there: the real exporter on a real server gives every figure that an alert
// uses, each alert fires when it should, slow statements are logged without what people wrote,
// units pass systemd's own checks.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "engine/app/process.hpp"
#include "engine/base/clock.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

namespace fs = std::filesystem;
using namespace test;

const fs::path root = SOURCE_DIR;
const fs::path rules_file = root / "configs" / "prometheus-rules.yml";
const fs::path rules_test_file = root / "tests" / "schema" / "prometheus_rules_test.yml";
const fs::path queries_file = root / "configs" / "postgres" / "queries.yaml";
const fs::path server_conf = root / "configs" / "postgres" / "oneclick.conf";
constexpr std::int64_t patience_ns = 30'000'000'000;

std::string read_file(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in.good()) << file;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Finished {
  int status;
  std::string output;
};
Finished run_command(const std::string& command) {
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {.status = -1, .output = "cannot start a shell"};
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), size);
  return {.status = ::pclose(pipe), .output = std::move(output)};
}

// Where the program is; empty when it is not installed.
std::string program(const std::string& name) {
  std::string path = run_command("command -v " + name).output;
  while (!path.empty() && path.back() == '\n') path.pop_back();
  return path;
}

#define ONECLICK_NEEDS_PROGRAM(name, package) \
  if (program(name).empty()) GTEST_SKIP() << "NOT TESTED: install package " package

// Every word of `text` that `pattern` finds.
std::set<std::string> words(const std::string& text, const char* pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at)
    found.insert((*at)[at->size() - 1]);
  return found;
}

std::string expressions_of(const std::string& rules) {
  std::string all;
  const std::regex expression(R"(expr: ([\s\S]*?)\n +(for|labels):)");
  for (std::sregex_iterator at(rules.begin(), rules.end(), expression), end; at != end; ++at)
    all += (*at)[1].str() + "\n";
  return all;
}

TEST(Alerts, AreValid) {
  ONECLICK_NEEDS_PROGRAM("promtool", "prometheus");
  const Finished done = run_command("promtool check rules " + rules_file.string());
  EXPECT_EQ(done.status, 0) << done.output;
}

TEST(Alerts, FireWhenTheyShouldAndOnlyThen) {
  ONECLICK_NEEDS_PROGRAM("promtool", "prometheus");
  const Finished done = run_command("promtool test rules " + rules_test_file.string());
  EXPECT_EQ(done.status, 0) << done.output;
}

TEST(Alerts, EachIsTestedBothWays) {
  const std::string tests = read_file(rules_test_file);
  for (const std::string& alert : words(read_file(rules_file), R"(- alert: (\w+))")) {
    const std::string quiet = "alertname: " + alert + "\n        exp_alerts: []";
    const std::string fires = "alertname: " + alert + "\n        exp_alerts:\n";
    EXPECT_NE(tests.find(fires), std::string::npos) << alert;
    EXPECT_NE(tests.find(quiet), std::string::npos) << alert;
  }
}

// The daemon's own figures: the names in the alerts are those that its sources register.
TEST(Alerts, UseFiguresThatTheDaemonHas) {
  std::string sources;
  for (const char* folder : {"engine", "persistence", "connectors"})
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.path().extension() == ".cpp") sources += read_file(entry.path());
  const std::set<std::string> registered =
      words(sources, R"re(\b(?:counter|gauge|histogram)\(\s*"([a-z_]+)")re");
  for (const std::string& used :
       words(expressions_of(read_file(rules_file)), R"(\boneclick_(?!pg_)([a-z_]+))")) {
    const std::string base = std::regex_replace(used, std::regex("_(bucket|sum|count)$"), "");
    EXPECT_TRUE(registered.contains(used) || registered.contains(base)) << used;
  }
}

// A server of its own with configs/postgres/oneclick.conf, a migrated database in it.
class WatchedServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string gone = PrivatePostgres::missing(); !gone.empty())
      GTEST_SKIP() << "NOT TESTED: " << gone;
    std::string name = "/tmp/oneclick-watched-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    ASSERT_EQ(::chmod(name.c_str(), 0755), 0);
    auto started = PrivatePostgres::start({.dir = dir_});
    ASSERT_TRUE(started.has_value()) << started.error();
    server_ = std::move(*started);
    fs::copy_file(server_conf, dir_ / "oneclick.conf");
    std::ofstream(dir_ / "data" / "postgresql.conf", std::ios::app)
        << "include = '" << (dir_ / "oneclick.conf").string() << "'\n";
    const auto again = server_->restart();
    ASSERT_TRUE(again.has_value()) << again.error();
    auto url = server_->create_database("watched");
    ASSERT_TRUE(url.has_value()) << url.error();
    url_ = *url;
    const auto steps = migrate(url_, {});
    ASSERT_TRUE(steps.has_value()) << steps.error();
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value()) << query.error();
    query_.emplace(std::move(*query));
  }
  void TearDown() override {
    query_.reset();
    server_.reset();
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  void sql(const std::string& text) {
    const auto done = query_->run(text);
    ASSERT_TRUE(done.has_value()) << done.error() << "\n" << text;
  }
  std::string ask(const std::string& text) {
    const auto rows = query_->rows(text);
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : std::string();
  }

  fs::path dir_;
  std::unique_ptr<PrivatePostgres> server_;
  std::string url_;
  std::optional<PgQuery> query_;
};

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

// The body of GET /metrics, empty while nobody answers.
std::string scrape(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  constexpr std::string_view request = "GET /metrics HTTP/1.0\r\n\r\n";
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size())) {
    std::array<char, 65536> buffer{};
    for (ssize_t n = 0; (n = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
      answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  const std::size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? std::string() : answer.substr(body + 4);
}

// Name with labels -> value.
std::map<std::string, std::string> samples(const std::string& text) {
  std::map<std::string, std::string> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line.front() != '#')
      all[line.substr(0, line.rfind(' '))] = line.substr(line.rfind(' ') + 1);
  return all;
}
std::set<std::string> names(const std::map<std::string, std::string>& all) {
  std::set<std::string> found;
  for (const auto& [name, value] : all) found.insert(name.substr(0, name.find('{')));
  return found;
}

// The figures that configs/postgres/queries.yaml promises.
std::set<std::string> promised() {
  std::set<std::string> all;
  std::istringstream lines(read_file(queries_file));
  const std::regex head("([a-z_]+):"), column(R"re( +- ([a-z_]+): \{usage: "(\w+)".*)re");
  std::string query;
  for (std::string line; std::getline(lines, line);) {
    std::smatch part;
    if (std::regex_match(line, part, head)) query = part[1];
    if (std::regex_match(line, part, column) && part[2] != "LABEL")
      all.insert(query + "_" + part[1].str());
  }
  return all;
}

TEST_F(WatchedServer, TheExporterGivesEveryFigureThatAlertsUse) {
  ONECLICK_NEEDS_PROGRAM("prometheus-postgres-exporter", "prometheus-postgres-exporter");
  sql("CREATE ROLE watcher LOGIN IN ROLE oneclick_monitor");
  sql("INSERT INTO engine.sink_offsets (shard, journal_id, position, updated_at) VALUES"
      " (0, gen_random_uuid(), 7, now() - interval '1 day'), (0, gen_random_uuid(), 4711, now()),"
      " (1, gen_random_uuid(), 12, now())");
  sql("INSERT INTO audit_logs (action) VALUES ('x'), ('y')");
  // A stand-in for a standby: it streams, and a slot keeps what it has not read.
  sql("SELECT pg_create_physical_replication_slot('standby', true)");
  std::string receiver_program = program("pg_receivewal");
  if (receiver_program.empty())
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql"))
      receiver_program = (entry.path() / "bin" / "pg_receivewal").string();
  fs::create_directory(dir_ / "received");
  auto receiver =
      ChildProcess::start({.arguments = {receiver_program, "-D", (dir_ / "received").string(), "-S",
                                         "standby", "-d", url_},
                           .environment = {},
                           .output_file = (dir_ / "receiver.log").string()});
  ASSERT_TRUE(receiver.has_value()) << receiver.error();

  std::string watcher_url = url_;
  watcher_url.replace(watcher_url.find("oneclick@"), 9, "watcher@");
  const int port = free_port();
  auto exporter =
      ChildProcess::start({.arguments = {program("prometheus-postgres-exporter"),
                                         fmt::format("--web.listen-address=127.0.0.1:{}", port),
                                         "--extend.query-path=" + queries_file.string()},
                           .environment = {{"DATA_SOURCE_NAME", watcher_url + "?sslmode=disable"}},
                           .output_file = (dir_ / "exporter.log").string()});
  ASSERT_TRUE(exporter.has_value()) << exporter.error();

  std::set<std::string> wanted = promised();
  EXPECT_GT(wanted.size(), 25U);
  for (const std::string& used :
       words(expressions_of(read_file(rules_file)), R"(\b((?:oneclick_pg_|pg_)[a-z_]+))"))
    wanted.insert(used);
  std::map<std::string, std::string> seen;
  std::set<std::string> missing;
  const std::int64_t until = steady_now_ns() + patience_ns;
  do {
    seen = samples(scrape(port));
    missing.clear();
    std::ranges::set_difference(wanted, names(seen), std::inserter(missing, missing.end()));
    // The exporter tells of this one per file of queries, once it has read one.
    missing.erase("pg_exporter_user_queries_load_error");
  } while (!missing.empty() && steady_now_ns() < until && !exporter->wait(200'000'000));
  EXPECT_EQ(missing, std::set<std::string>{}) << read_file(dir_ / "exporter.log");

  const auto value = [&](const std::string& begin, const std::string& label) -> std::string {
    for (const auto& [name, text] : seen)
      if (name.starts_with(begin + "{") && name.find(label) != std::string::npos) return text;
    return "absent";
  };
  EXPECT_EQ(value("oneclick_pg_sink_position", "shard=\"0\""), "4711") << "of the newest journal";
  EXPECT_EQ(value("oneclick_pg_sink_position", "shard=\"1\""), "12");
  EXPECT_EQ(value("oneclick_pg_engine_audit_unsealed_rows", ""), "2");
  EXPECT_EQ(value("oneclick_pg_engine_audit_checkpoint_age_seconds", ""), "NaN");
  EXPECT_EQ(value("oneclick_pg_replication_standbys", ""), "1");
  EXPECT_EQ(value("oneclick_pg_slot_active", "slot=\"standby\""), "1");
  EXPECT_EQ(value("oneclick_pg_activity_connections_max", ""), "97");
  for (const auto& [name, text] : seen)
    if (name.starts_with("pg_exporter_user_queries_load_error")) {
      EXPECT_EQ(text, "0") << name;
    }
  EXPECT_EQ(seen["pg_exporter_last_scrape_error"], "0") << read_file(dir_ / "exporter.log");
  EXPECT_EQ(seen.count("pg_up"), 1U);
}

// Without the extension loaded there are no figures on statements, and no error.
TEST(Monitoring, ServersWithoutStatementFiguresHaveNone) {
  ONECLICK_NEEDS_POSTGRES();
  auto query = PgQuery::connect(PgServer::fresh_database());
  ASSERT_TRUE(query.has_value()) << query.error();
  const auto rows = query->rows("SELECT * FROM engine.monitor_statements()");
  ASSERT_TRUE(rows.has_value()) << rows.error();
  EXPECT_TRUE(rows->empty());
}

TEST_F(WatchedServer, SlowStatementsAreLoggedWithoutTheirParameters) {
  EXPECT_EQ(ask("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL AND sourcefile LIKE "
                "'%/oneclick.conf'"),
            "0");
  // Each setting of the file is the one in force.
  const std::regex setting(R"(([a-z_.]+) = '?([^']*)'?)");
  int compared = 0;
  std::istringstream lines(read_file(server_conf));
  for (std::string line; std::getline(lines, line);) {
    std::smatch part;
    if (line.empty() || line.front() == '#' || !std::regex_match(line, part, setting)) continue;
    EXPECT_EQ(ask("SELECT count(*) FROM pg_settings WHERE name = '" + part[1].str() +
                  "' AND sourcefile LIKE '%/oneclick.conf' AND NOT pending_restart"),
              "1")
        << line;
    ++compared;
  }
  EXPECT_GT(compared, 12);

  const auto slow =
      query_->rows("SELECT 'this one is slow', pg_sleep(0.3), $1::text", {"what somebody wrote"});
  ASSERT_TRUE(slow.has_value()) << slow.error();
  ASSERT_TRUE(query_->rows("SELECT 'this one is quick', $1::text", {"more of it"}).has_value());
  ASSERT_FALSE(
      query_->rows("SELECT 'this one fails', ($1::text)::int", {"secret of it"}).has_value());
  const std::string log = read_file(dir_ / "server.log");
  EXPECT_NE(log.find("this one is slow"), std::string::npos) << log;
  EXPECT_EQ(log.find("this one is quick"), std::string::npos) << log;
  EXPECT_EQ(log.find("what somebody wrote"), std::string::npos) << log;
  EXPECT_TRUE(std::regex_search(
      log,
      std::regex("user=oneclick db=watched app=[^ ]* client=127.0.0.1 LOG:  duration: 3[0-9]{2}")))
      << log;
  EXPECT_NE(ask("SELECT sum(calls) FROM engine.monitor_statements()"), "NULL");
}

TEST(Units, PassTheChecksOfSystemd) {
  ONECLICK_NEEDS_PROGRAM("systemd-analyze", "systemd");
  std::string name = "/tmp/oneclick-units-XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  std::string services;
  for (const auto& entry : fs::recursive_directory_iterator(root / "configs")) {
    const std::string kind = entry.path().extension();
    if (kind != ".service" && kind != ".timer") continue;
    // The programs are not installed here; any that is will do.
    const std::string text =
        std::regex_replace(read_file(entry.path()),
                           std::regex("/usr/local/bin/oneclick|/usr/bin/pgbackrest|"
                                      "/usr/share/oneclick/backup/[a-z-]+[.]sh"),
                           "/bin/true");
    const fs::path unit = fs::path(name) / entry.path().filename();
    std::ofstream(unit) << text;
    services += " " + unit.string();
  }
  ASSERT_NE(services, "");
  const Finished verified = run_command("systemd-analyze verify" + services);
  EXPECT_EQ(verified.status, 0) << verified.output;
  EXPECT_EQ(verified.output, "");
  for (const char* const service : {"/oneclick.service", "/oneclick-maintain.service",
                                    "/oneclick-search.service", "/oneclick-notify.service"}) {
    const Finished secure =
        run_command("systemd-analyze security --offline=true --threshold=25 " + name + service);
    EXPECT_EQ(secure.status, 0) << service << "\n" << secure.output;
  }
  std::error_code ignored;
  fs::remove_all(name, ignored);
}

}  // namespace
}  // namespace oneclick
