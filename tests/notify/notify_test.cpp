// `oneclick notify` with a real database and a receiver that checks every request: afterwards the
// receiver has had each notification, whatever happened in between, or it is a dead letter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "connectors/net/certificates.hpp"
#include "connectors/net/http_client.hpp"
#include "engine/app/process.hpp"
#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"
#include "tests/notify/strict_receiver.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Fault = StrictReceiver::Fault;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr const char* secret = "a-secret-of-thirty-two-characters-and-more";
constexpr const char* old_secret = "the-secret-that-was-before-it-32-characters";

class Notify : public testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    std::string name = "/tmp/oneclick-notify-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    write_secret(std::string(secret) + "\n");
    url_ = PgServer::fresh_database();
    sql("INSERT INTO users (email, username, password_hash) SELECT n || '@example.org', 'u' || n,"
        " '!' FROM generate_series(1, 5) AS n");
    sql("SELECT engine.hook_follow(true)");
  }
  void TearDown() override {
    child_.reset();
    std::error_code ignored;
    fs::remove_all(dir_, ignored);
  }
  void write_secret(const std::string& text, mode_t mode = 0600) {
    std::ofstream(dir_ / "secret") << text;
    ASSERT_EQ(::chmod((dir_ / "secret").c_str(), mode), 0);
  }
  void sql(const std::string& text) {
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value()) << query.error();
    const auto done = query->run(text);
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  std::string value(const std::string& text) {
    auto query = PgQuery::connect(url_);
    if (!query) return query.error();
    const auto rows = query->rows(text);
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  // One for each user and number.
  void tell(int count, const std::string& title = "t") {
    sql(
        fmt::format("SELECT engine.tell(array_agg(ROW(NULL, u.id, 'trade_alert', 'copy_filled',"
                    " '{} ' || n, 'said \"so\" \\ ' || chr(9731), '{{\"topic\": "
                    "\"copy_filled\"}}', 'normal', NULL)"
                    "::engine.notice)) FROM users u, generate_series(1, {}) AS n",
                    title, count));
  }

  struct Ran {
    int code;
    std::string output;
  };
  ChildProcess start(const std::string& receiver, std::vector<std::string> more) {
    std::vector<std::string> arguments = {ONECLICK_BINARY, "notify"};
    for (const std::string& set :
         {"notify.url=" + receiver, "notify.secret_file=" + (dir_ / "secret").string(),
          fmt::format("notify.listen=127.0.0.1:{}", port_), std::string("notify.timeout_ms=500"),
          std::string("notify.pause_first_ms=20"), std::string("notify.pause_last_ms=200")})
      arguments.insert(arguments.end(), {"--set", set});
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto child = ChildProcess::start({.arguments = arguments,
                                      .environment = {{"ONECLICK_DATABASE_URL", url_}},
                                      .output_file = (dir_ / "output").string()});
    EXPECT_TRUE(child.has_value()) << child.error();
    return std::move(*child);
  }
  Ran run(const std::string& receiver, std::vector<std::string> more) {
    fs::remove(dir_ / "output");
    ChildProcess child = start(receiver, std::move(more));
    const auto code = child.wait(120 * second_ns);
    return {.code = code.value_or(-1), .output = output()};
  }
  Ran once(StrictReceiver& receiver) { return run(receiver.url(), {"--once", "--json"}); }
  void follow(const std::string& receiver, std::vector<std::string> more = {}) {
    child_.emplace(start(receiver, std::move(more)));
  }
  std::string output() {
    std::ifstream in(dir_ / "output");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static bool soon(const std::function<bool()>& holds) {
    const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
    while (!holds()) {
      if (monotonic_now_ns() > until) return false;
      ::usleep(10'000);
    }
    return true;
  }
  bool nothing_waits() {
    return soon(
        [&] { return value("SELECT count(*) FROM engine.notification_deliveries") == "0"; });
  }
  // As the database has them.
  void expect_all(StrictReceiver& receiver) {
    EXPECT_THAT(receiver.complaints(), IsEmpty());
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value());
    const auto rows = query->rows(
        "SELECT id FROM notifications WHERE id NOT IN (SELECT notification_id FROM"
        " engine.notification_dead_letters) AND id NOT IN (SELECT notification_id FROM"
        " engine.notification_deliveries)");
    ASSERT_TRUE(rows.has_value());
    const auto taken = receiver.taken();
    EXPECT_EQ(taken.size(), rows->size());
    for (const PgRow& row : *rows) EXPECT_TRUE(taken.contains(row[0].value_or("")));
  }
  std::string page(const std::string& target) {
    net::Reactor reactor;
    auto client = net::HttpClient::make(
        reactor, nullptr, *net::parse_url(fmt::format("http://127.0.0.1:{}", port_)), {});
    net::HttpRequest request;
    request.target = target;
    std::optional<net::HttpResponse> answer;
    client->send(request, [&](net::HttpResponse r) { answer = std::move(r); });
    while (!answer) reactor.wait(10'000'000);
    return answer->error + answer->body;
  }

  fs::path dir_;
  std::string url_;
  std::uint16_t port_ = free_port();
  std::optional<ChildProcess> child_;
};

TEST_F(Notify, PostsEachSignedWithTheWaysItsUserWants) {
  sql("INSERT INTO notification_preferences (user_id, notification_type, email_enabled,"
      " sms_enabled) SELECT id, 'copy_filled', false, true FROM users WHERE username = 'u1'");
  tell(1);
  // One that the platform wrote without ways.
  sql("INSERT INTO notifications (user_id, type, title, message) SELECT id, 'security', 'mine',"
      " 'm' FROM users WHERE username = 'u2'");
  StrictReceiver receiver({secret});
  const Ran ran = once(receiver);
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr(R"({"delivered":6,"failures":0,"dead":0,"pending":0})"));
  expect_all(receiver);
  const auto taken = receiver.taken();
  const std::string of_u1 = taken.at(
      value("SELECT n.id FROM notifications n JOIN users u ON u.id = n.user_id AND username ="
            " 'u1'"));
  EXPECT_THAT(of_u1, HasSubstr(R"("channels": ["in_app", "push", "sms"])"));
  EXPECT_THAT(of_u1, HasSubstr(R"("topic": "copy_filled")"));
  const std::string of_platform =
      taken.at(value("SELECT id FROM notifications WHERE title = 'mine'"));
  EXPECT_THAT(of_platform, HasSubstr(R"("channels": ["in_app", "email", "push"])"));
  EXPECT_THAT(of_platform, HasSubstr(R"("topic": "security")"));
  const Ran again = once(receiver);
  EXPECT_THAT(again.output, HasSubstr(R"("delivered":0)"));
  EXPECT_EQ(receiver.requests(), 6u);
}

TEST_F(Notify, SignsWithTheNewAndTheOldSecretWhileItIsChanged) {
  write_secret(fmt::format("{}\n{}\n", secret, old_secret));
  tell(1);
  StrictReceiver receiver({secret, old_secret});
  EXPECT_EQ(once(receiver).code, 0);
  EXPECT_THAT(receiver.taken(), SizeIs(5));
  expect_all(receiver);
}

TEST_F(Notify, OverTlsOnlyToWhomItsCertificatesVouchFor) {
  for (const char* const name : {"ours", "others"}) {
    fs::create_directory(dir_ / name);
    ASSERT_EQ(
        net::write_certificates({.folder = (dir_ / name).string(), .host_names = "127.0.0.1"}), "");
  }
  const auto tls = net::TlsServer::make((dir_ / "ours" / "cert.pem").string(),
                                        (dir_ / "ours" / "key.pem").string());
  ASSERT_TRUE(tls.has_value()) << tls.error();
  StrictReceiver receiver({secret}, 0, *tls);
  tell(1);
  const auto trusting = [&](const char* name) {
    return run(receiver.url(),
               {"--once", "--set", "notify.ca_file=" + (dir_ / name / "ca.pem").string()});
  };
  EXPECT_EQ(trusting("others").code, 1);
  EXPECT_EQ(receiver.requests(), 0u);
  sql("UPDATE engine.notification_deliveries SET due_at = now()");
  const Ran ran = trusting("ours");
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(receiver.taken(), SizeIs(5));
  expect_all(receiver);
}

TEST_F(Notify, WhateverTheReceiverDoesItHasEverythingInTheEnd) {
  tell(20);
  StrictReceiver receiver({secret});
  receiver.misbehave({Fault::broken, Fault::cut_after, Fault::hang, Fault::busy, Fault::forbidden,
                      Fault::cut_before, Fault::cut_after, Fault::cut_after, Fault::hang,
                      Fault::broken, Fault::broken});
  follow(receiver.url());
  ASSERT_TRUE(nothing_waits()) << output();
  EXPECT_EQ(receiver.faults_left(), 0u);
  EXPECT_THAT(receiver.taken(), SizeIs(100));
  // The three whose answers were lost came twice, with the same ids.
  EXPECT_EQ(receiver.repeats(), 3u);
  expect_all(receiver);
  EXPECT_EQ(value("SELECT count(*) FROM engine.notification_dead_letters"), "0");
}

TEST_F(Notify, AReceiverThatIsAwayIsAskedByOneAtATimeAndHasEverythingWhenItIsBack) {
  tell(20);
  const std::uint16_t port = free_port();
  const std::string url = fmt::format("http://127.0.0.1:{}/hook?a=b", port);
  follow(url);
  ASSERT_TRUE(soon([&] {
    return page("/metrics").find("oneclick_notify_up 0") != std::string::npos;
  })) << page("/metrics");
  EXPECT_THAT(page("/readyz"), HasSubstr("the receiver is away"));
  EXPECT_THAT(page("/metrics"), HasSubstr("oneclick_notify_pending 100"));
  tell(2, "later");
  StrictReceiver receiver({secret}, port);
  ASSERT_TRUE(nothing_waits()) << output();
  EXPECT_THAT(receiver.taken(), SizeIs(110));
  expect_all(receiver);
  ASSERT_TRUE(soon(
      [&] { return page("/metrics").find("oneclick_notify_pending 0") != std::string::npos; }));
  EXPECT_THAT(page("/metrics"), HasSubstr("oneclick_notify_up 1"));
  EXPECT_THAT(page("/metrics"), HasSubstr("oneclick_notify_delivered_total 110"));
  EXPECT_THAT(page("/readyz"), HasSubstr("\"ready\":true"));
  child_->signal(SIGTERM);
  EXPECT_EQ(child_->wait(10 * second_ns), 0) << output();
}

TEST_F(Notify, KilledInTheMiddleLosesNothing) {
  StrictReceiver receiver({secret});
  for (int round = 0; round < 6; ++round) {
    tell(60, fmt::format("round {}", round));
    const std::size_t before = receiver.taken().size();
    follow(receiver.url());
    ASSERT_TRUE(soon([&] { return receiver.taken().size() > before + 20; })) << output();
    child_->signal(SIGKILL);
    ASSERT_TRUE(child_->wait(10 * second_ns).has_value());
  }
  follow(receiver.url());
  ASSERT_TRUE(nothing_waits()) << output();
  EXPECT_THAT(receiver.taken(), SizeIs(6 * 60 * 5));
  expect_all(receiver);
}

TEST_F(Notify, DeliversAtAGoodRate) {
  tell(1'000);
  StrictReceiver receiver({secret});
  const std::int64_t begun = monotonic_now_ns();
  const Ran ran = once(receiver);
  const double seconds = static_cast<double>(monotonic_now_ns() - begun) * 1e-9;
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(receiver.taken(), SizeIs(5'000));
  fmt::print(stderr, "{:.0f} notifications a second\n", 5'000 / seconds);
#ifndef ONECLICK_SANITIZE
  EXPECT_LT(seconds, 25);
#endif
}

TEST_F(Notify, NeverMoreAtOnceThanAllowed) {
  tell(10);
  StrictReceiver receiver({secret});
  receiver.always(Fault::hang);
  follow(receiver.url(), {"--set", "notify.concurrency=3", "--set", "notify.timeout_ms=60000"});
  ASSERT_TRUE(soon([&] { return receiver.most_at_once() == 3; }));
  // Were there more to come, the next look at the queue would have sent them.
  const std::string counted = "oneclick_notify_pending 50";
  ASSERT_TRUE(soon([&] { return page("/metrics").find(counted) != std::string::npos; }));
  EXPECT_EQ(receiver.most_at_once(), 3u);
}

TEST_F(Notify, GivesUpAfterItsAttemptsAndSendsAgainWhenTold) {
  tell(1, "poisoned");
  tell(1, "refused");
  tell(1);
  StrictReceiver receiver({secret});
  receiver.stumble_over("poisoned");
  receiver.refuse("refused");
  follow(receiver.url(), {"--set", "notify.attempts_max=4"});
  ASSERT_TRUE(nothing_waits()) << output();
  EXPECT_THAT(receiver.taken(), SizeIs(5));
  EXPECT_EQ(value("SELECT string_agg(DISTINCT attempts || ' ' || last_error || ' ' ||"
                  " split_part(title, ' ', 1), '; ') FROM engine.notification_dead_letters d JOIN"
                  " notifications n ON n.id = d.notification_id"),
            "1 status 422: no such user refused; 4 status 500: {} poisoned");
  ASSERT_TRUE(soon([&] {
    return page("/metrics").find("oneclick_notify_dead_letters 10") != std::string::npos;
  }));
  receiver.stumble_over("");
  receiver.refuse("");
  const Ran again = run(receiver.url(), {"--retry-dead"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.output, HasSubstr("10 dead letters are queued again"));
  ASSERT_TRUE(nothing_waits()) << output();
  ASSERT_TRUE(soon([&] { return receiver.taken().size() == 15; }));
  expect_all(receiver);
  EXPECT_EQ(value("SELECT count(*) FROM engine.notification_dead_letters"), "0");
}

TEST_F(Notify, WhatTheReceiverSaidIsKeptPlain) {
  tell(1);
  StrictReceiver receiver({secret});
  receiver.always(Fault::broken);
  const Ran ran = once(receiver);
  EXPECT_EQ(ran.code, 1) << ran.output;
  EXPECT_EQ(value("SELECT DISTINCT last_error FROM engine.notification_deliveries WHERE last_error"
                  " IS NOT NULL"),
            "status 500: out \"of\" order??");
}

TEST_F(Notify, TheDatabaseMayGoAndComeBack) {
  StrictReceiver receiver({secret});
  follow(receiver.url());
  tell(2);
  ASSERT_TRUE(nothing_waits()) << output();
  for (int n = 0; n < 3; ++n) {
    tell(20);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()");
  }
  ASSERT_TRUE(nothing_waits()) << output();
  EXPECT_THAT(receiver.taken(), SizeIs(310));
  expect_all(receiver);
}

TEST_F(Notify, NothingIsQueuedUntilSomebodyFollowsNorAfterwards) {
  sql("SELECT engine.hook_follow(false)");
  tell(1);
  EXPECT_EQ(value("SELECT count(*) FROM engine.notification_deliveries"), "0");
  StrictReceiver receiver({secret});
  EXPECT_EQ(once(receiver).code, 0);
  EXPECT_THAT(receiver.taken(), IsEmpty());
  tell(1);
  EXPECT_EQ(value("SELECT count(*) FROM engine.notification_deliveries"), "5");
  EXPECT_EQ(run("", {"--forget"}).code, 0);
  tell(1);
  EXPECT_EQ(value("SELECT count(*) FROM engine.notification_deliveries"), "0");
}

TEST_F(Notify, WhatWasRemovedMeanwhileIsNotSent) {
  tell(2);
  sql("DELETE FROM users WHERE username = 'u3'");
  StrictReceiver receiver({secret});
  EXPECT_EQ(once(receiver).code, 0);
  EXPECT_THAT(receiver.taken(), SizeIs(8));
  EXPECT_TRUE(nothing_waits());
}

TEST_F(Notify, TwoAtOnceAreRefused) {
  StrictReceiver receiver({secret});
  tell(1);
  follow(receiver.url());
  ASSERT_TRUE(nothing_waits());
  EXPECT_EQ(run(receiver.url(), {"--once"}).code, 75);
}

TEST_F(Notify, ItsRoleIsEnoughAndReadsNothingElse) {
  sql("CREATE ROLE notify_test LOGIN IN ROLE oneclick_notify");
  tell(1);
  const std::string owner = url_;
  url_.replace(url_.find("oneclick@"), 8, "notify_test");
  StrictReceiver receiver({secret});
  const Ran ran = once(receiver);
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(receiver.taken(), SizeIs(5));
  for (const char* table : {"public.users", "public.notifications", "engine.copy_links"}) {
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value());
    EXPECT_FALSE(query->rows(std::string("SELECT * FROM ") + table).has_value()) << table;
  }
  url_ = owner;
  sql("DROP ROLE notify_test");
}

TEST_F(Notify, WhatCannotBeUsedIsSaidAndNoSecretIs) {
  const auto said = [&](const std::string& url, std::vector<std::string> more = {}) {
    more.push_back("--once");
    const Ran ran = run(url, std::move(more));
    EXPECT_EQ(ran.code, 78) << ran.output;
    EXPECT_THAT(ran.output, Not(HasSubstr(secret)));
    return ran.output;
  };
  EXPECT_THAT(said(""), HasSubstr("notify.url = \"\""));
  EXPECT_THAT(said("http://example.org/"), HasSubstr("https://host"));
  EXPECT_THAT(said("ftp://127.0.0.1/"), HasSubstr("notify.url"));
  EXPECT_THAT(said("http://127.0.0.1/", {"--set", "notify.attempts_max=0"}),
              HasSubstr("1 to 1000"));
  EXPECT_THAT(said("http://127.0.0.1/", {"--set", "notify.pause_last_ms=15"}),
              HasSubstr("not less than notify.pause_first_ms"));
  EXPECT_THAT(said("http://127.0.0.1/", {"--set", "notify.colour=red"}),
              HasSubstr("notify.colour: unknown key"));
  write_secret("short\n");
  EXPECT_THAT(said("http://127.0.0.1/"), HasSubstr("5 characters; allowed: 32"));
  write_secret("");
  EXPECT_THAT(said("http://127.0.0.1/"), HasSubstr("holds 0 secrets"));
  write_secret(std::string(secret) + "\n", 0640);
  EXPECT_THAT(said("http://127.0.0.1/"), HasSubstr("0600"));
  fs::remove(dir_ / "secret");
  EXPECT_THAT(said("http://127.0.0.1/"), HasSubstr("No such file"));
}

}  // namespace
}  // namespace oneclick
