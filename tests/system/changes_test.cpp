// Rows the platform writes take effect within a second, while the daemon runs and while it was
// down.
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

class ChangesTest : public testing::Test {
 protected:
  void SetUp() override {
    stage = make_stage({.followers = 5, .seed = 3});
    ASSERT_NE(stage, nullptr);
    ASSERT_DONE(stage->start_exchange());
    ASSERT_DONE(stage->start_daemon());
    ASSERT_DONE(stage->wait_ready(60 * second_ns));
    run("UPDATE engine.copy_links SET status = 'active', entry_style = 'market', copy_percentage = "
        "100, "
        "copy_amount = NULL WHERE leader_user_id IS NOT NULL");
  }
  void TearDown() override {
    if (stage) finish_stage(std::move(stage));
  }
  void run(const std::string& sql) {
    auto database = PgQuery::connect(stage->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    const auto done = database->run(sql);
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  // The leader buys, one second after the last change; returns the outcomes of the newest event in
  // words.
  std::string outcomes_of_a_trade() {
    const std::int64_t until = monotonic_now_ns() + second_ns;
    while (monotonic_now_ns() < until) stage->reactor().wait(until - monotonic_now_ns());
    demo::Leader leader(stage->reactor(), stage->tls(), stage->exchange_url(),
                        stage->world().leader);
    const std::int64_t events =
        number(stage->database_url(), "SELECT count(*) FROM engine.leader_events");
    const auto traded = leader.trade("BTCUSDT", Side::buy, "0.002");
    EXPECT_TRUE(traded.has_value()) << traded.error();
    const std::int64_t end = monotonic_now_ns() + 20 * second_ns;
    while (monotonic_now_ns() < end &&
           number(stage->database_url(), "SELECT count(*) FROM engine.leader_events") == events)
      stage->reactor().wait(20'000'000);
    const auto quiet = stage->wait_quiet(30 * second_ns);
    EXPECT_TRUE(quiet.has_value()) << quiet.error();
    auto database = PgQuery::connect(stage->database_url());
    if (!database) return database.error();
    const auto rows = database->rows(
        "SELECT string_agg(outcome || coalesce('(' || reason || ')', ''), ' ' ORDER BY outcome, "
        "reason) "
        "FROM engine.copy_outcomes WHERE event_id = "
        "(SELECT id FROM engine.leader_events ORDER BY accepted_at DESC LIMIT 1)");
    return rows && !rows->empty() ? rows->front().front().value_or("") : "no rows";
  }
  std::unique_ptr<Stage> stage;
};

TEST_F(ChangesTest, WhileRunning) {
  EXPECT_EQ(outcomes_of_a_trade(), "copied copied copied copied copied");
  run("UPDATE engine.copy_links SET status = 'paused' WHERE id = (SELECT min(id::text)::uuid FROM "
      "engine.copy_links WHERE leader_user_id IS NOT NULL)");
  EXPECT_EQ(outcomes_of_a_trade(), "copied copied copied copied skipped(link_inactive)");
  run("UPDATE users SET account_status = 'suspended' WHERE id = (SELECT follower_user_id FROM "
      "engine.copy_links WHERE leader_user_id IS NOT NULL AND status = 'active' LIMIT 1)");
  EXPECT_EQ(outcomes_of_a_trade(),
            "copied copied copied skipped(link_inactive) skipped(user_inactive)");
  run("DELETE FROM engine.copy_links WHERE status = 'paused'");
  EXPECT_EQ(outcomes_of_a_trade(), "copied copied copied skipped(user_inactive)");
}

TEST_F(ChangesTest, WhileDown) {
  EXPECT_EQ(outcomes_of_a_trade(), "copied copied copied copied copied");
  EXPECT_EQ(stage->stop_daemon(30 * second_ns), 0);
  run("DELETE FROM engine.copy_links WHERE id = (SELECT min(id::text)::uuid FROM engine.copy_links "
      "WHERE leader_user_id IS NOT NULL)");
  run("UPDATE engine.copy_links SET status = 'exits_only' WHERE id = (SELECT min(id::text)::uuid "
      "FROM "
      "engine.copy_links WHERE leader_user_id IS NOT NULL)");
  ASSERT_DONE(stage->start_daemon());
  const std::int64_t until = monotonic_now_ns() + 30 * second_ns;
  while (stage->metric("oneclick_accounts_reconciled").value_or(0) < 4 &&
         monotonic_now_ns() < until)
    stage->reactor().wait(50'000'000);
  EXPECT_EQ(outcomes_of_a_trade(), "copied copied copied skipped(link_inactive)");
}

}  // namespace
}  // namespace oneclick
