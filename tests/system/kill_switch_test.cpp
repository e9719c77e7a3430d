// The kill switch over REST while PostgreSQL is away: no entries from that moment on, and the rows
// say so once it is back.
#include <fmt/format.h>

#include "connectors/net/http_client.hpp"
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

constexpr char orders_sent[] = "oneclick_orders_sent_total";
constexpr char key_id[] = "0198c0de-0000-7000-8000-00000000ad11";
constexpr char key_secret[] = "abcdefghijklmnopqrstuvwxyz012345";

class KillSwitchOverRest : public testing::Test {
 protected:
  void SetUp() override {
    stage_ = make_stage({.followers = 6, .seed = 11});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    auto database = PgQuery::connect(stage_->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    ASSERT_DONE(database->run(
        fmt::format("INSERT INTO api_keys (id, user_id, name, key_hash, permissions) VALUES ('{}',"
                    " '{}', 'operator', encode(sha256('{}'), 'hex'), '[\"admin\"]')",
                    key_id, stage_->world().leader.user.to_text(), key_secret)));
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(60 * second_ns));
    leader_ = std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(),
                                             stage_->exchange_url(), stage_->world().leader);
  }
  void TearDown() override {
    leader_.reset();  // lives on the stage's reactor
    if (stage_ != nullptr) finish_stage(std::move(stage_));
  }
  net::HttpResponse call(const std::string& method, const std::string& body) {
    const net::Url url = stage_->ingress_url("https", "/v1/kill-switch");
    const auto client = net::HttpClient::make(stage_->reactor(), stage_->tls(), url, {});
    net::HttpResponse got;
    bool done = false;
    net::HttpRequest request;
    request.method = method;
    request.target = "/v1/kill-switch";
    request.headers = {{"Authorization", fmt::format("Bearer oc_{}_{}", key_id, key_secret)}};
    request.body = body;
    client->send(std::move(request), [&](net::HttpResponse response) {
      got = std::move(response);
      done = true;
    });
    const std::int64_t until = monotonic_now_ns() + 30 * second_ns;
    while (!done && monotonic_now_ns() < until) stage_->reactor().wait(50'000'000);
    return got;
  }
  std::string value(const std::string& sql) {
    auto database = PgQuery::connect(stage_->database_url());
    const auto rows = database ? database->rows(sql) : std::unexpected(database.error());
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }

  std::unique_ptr<Stage> stage_;
  std::unique_ptr<demo::Leader> leader_;
};

TEST_F(KillSwitchOverRest, StopsEntriesWhileTheDatabaseIsAway) {
  ASSERT_DONE(leader_->trade("BTCUSDT", Side::buy, "0.5"));
  ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  const auto before = stage_->metric(orders_sent);
  ASSERT_GT(before.value_or(0), 0);
  stage_->database()->stop();
  const auto on = call("POST", R"({"active":true})");
  EXPECT_EQ(on.status, 200) << on.error << on.body;
  EXPECT_EQ(on.body, R"({"kill_switches":[{}]})");
  ASSERT_DONE(leader_->trade("BTCUSDT", Side::buy, "0.5"));
  ASSERT_DONE(stage_->database()->restart());
  ASSERT_DONE(stage_->wait_quiet(90 * second_ns));
  EXPECT_EQ(stage_->metric(orders_sent), before);
  EXPECT_EQ(value("SELECT string_agg(DISTINCT concat_ws(' ', o.outcome, o.reason), ',') FROM"
                  " engine.copy_outcomes o WHERE o.event_id IN (SELECT id FROM engine.leader_events"
                  " ORDER BY accepted_at DESC LIMIT 1)"),
            "skipped kill_switch");
  EXPECT_EQ(value("SELECT concat_ws(' ', active, set_by, venue, symbol) FROM engine.kill_switches"),
            "t engine");
  EXPECT_EQ(call("POST", R"({"active":false})").body, R"({"kill_switches":[]})");
  EXPECT_EQ(call("GET", "").body, R"({"kill_switches":[]})");
  ASSERT_DONE(leader_->trade("BTCUSDT", Side::buy, "0.5"));
  ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  EXPECT_GT(stage_->metric(orders_sent).value_or(0), *before);
}

}  // namespace
}  // namespace oneclick
