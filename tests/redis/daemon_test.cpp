// The whole engine with a Redis beside it: what a follower sees there, and that nobody waits for
// it.
#include "tests/redis/redis_server.hpp"
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

using test::soon;

class DaemonWithRedis : public testing::Test {
 protected:
  void start(bool with_redis) {
    ONECLICK_NEEDS_REDIS();
    if (with_redis) redis.start();
    stage = make_stage({.followers = 3,
                        .seed = 5,
                        .engine_overrides = {{"redis.url", "\"" + redis.url() + "\""}}});
    ASSERT_NE(stage, nullptr);
    ASSERT_DONE(stage->start_exchange());
    ASSERT_DONE(stage->start_daemon());
    ASSERT_DONE(stage->wait_ready(60 * second_ns));
    sql("UPDATE engine.copy_links SET status = 'active', entry_style = 'market',"
        " copy_percentage = 100, copy_amount = NULL WHERE leader_user_id IS NOT NULL");
    const std::int64_t until = monotonic_now_ns() + second_ns;  // that takes effect within a second
    while (monotonic_now_ns() < until) stage->reactor().wait(until - monotonic_now_ns());
  }
  void TearDown() override {
    if (stage) finish_stage(std::move(stage));
  }
  void sql(const std::string& text) {
    auto database = PgQuery::connect(stage->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    const auto done = database->run(text);
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  std::string text(const std::string& question) {
    auto database = PgQuery::connect(stage->database_url());
    const auto rows = database ? database->rows(question) : std::unexpected(database.error());
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  void trade() {
    demo::Leader leader(stage->reactor(), stage->tls(), stage->exchange_url(),
                        stage->world().leader);
    const std::int64_t before = number(stage->database_url(), trades);
    const auto traded = leader.trade("BTCUSDT", Side::buy, "0.002");
    ASSERT_TRUE(traded.has_value()) << traded.error();
    const std::int64_t until = monotonic_now_ns() + 20 * second_ns;
    while (number(stage->database_url(), trades) < before + 3 && monotonic_now_ns() < until)
      stage->reactor().wait(20'000'000);
    ASSERT_EQ(number(stage->database_url(), trades), before + 3);
  }
  static constexpr const char* trades = "SELECT count(*) FROM trades WHERE status = 'filled'";

  test::PrivateRedis redis;
  std::unique_ptr<Stage> stage;
};

TEST_F(DaemonWithRedis, AFollowerSeesOrdersPositionsPricesAndItsSession) {
  start(true);
  if (!stage) return;
  trade();
  const std::string user = text("SELECT user_id FROM trades WHERE status = 'filled' LIMIT 1");
  const std::string trade_id =
      text("SELECT id FROM trades WHERE status = 'filled' AND user_id = '" + user + "'");
  const auto newest = [&](const std::string& what) {
    const auto entries =
        redis.ask({"XREVRANGE", "oneclick:user:" + user + ":" + what, "+", "-", "COUNT", "1"});
    return entries && !entries->items.empty() ? entries->items[0].items[1].items[3].text : "";
  };
  ASSERT_TRUE(soon([&] {
    return newest("orders").find("\"status\":\"filled\"") != std::string::npos;
  })) << newest("orders");
  EXPECT_NE(newest("orders").find(trade_id), std::string::npos);
  ASSERT_TRUE(soon([&] { return !newest("positions").empty(); }));
  EXPECT_NE(newest("positions").find(trade_id), std::string::npos);
  // What the updates add up to is what the database says.
  Decimal held{};
  const auto fills = redis.ask({"XRANGE", "oneclick:user:" + user + ":positions", "-", "+"});
  ASSERT_TRUE(fills.has_value());
  for (const RedisReply& fill : fills->items) {
    const std::string& json = fill.items[1].items[3].text;
    const std::string name = "\"quantity_change\":\"";
    const auto at = json.find(name) + name.size();
    held += Decimal::of(json.substr(at, json.find('"', at) - at));
  }
  EXPECT_EQ(held.to_text(),
            text("SELECT trim_scale(quantity) FROM portfolio_positions WHERE user_id = '" + user +
                 "' AND asset_symbol = 'BTC/USDT'"));
  EXPECT_TRUE(soon([&] {
    return redis.text({"GET", "oneclick:price:binance:BTC/USDT"}).starts_with("{\"price\":\"");
  }));

  sql("INSERT INTO user_sessions (user_id, token_hash, expires_at) VALUES ('" + user +
      "', 'token', now() AT TIME ZONE 'UTC' + interval '1 hour')");
  const RedisCommand session{"EXISTS", "oneclick:session:token"};
  ASSERT_TRUE(soon([&] { return redis.integer(session) == 1; }));
  sql("DELETE FROM user_sessions");
  EXPECT_TRUE(soon([&] { return redis.integer(session) == 0; }, second_ns));
  EXPECT_EQ(stage->metric("oneclick_redis_up{part=\"feed\"}"), 1.0);
  EXPECT_EQ(stage->metric("oneclick_redis_up{part=\"sessions\"}"), 1.0);
}

TEST_F(DaemonWithRedis, ARedisThatDoesNotAnswerHoldsNobodyUp) {
  start(true);
  if (!stage) return;
  trade();
  ASSERT_EQ(redis.text({"CLIENT", "PAUSE", "600000"}), "OK");
  for (int n = 0; n < 3; ++n) trade();
  ASSERT_TRUE(soon([&] { return stage->metric("oneclick_redis_up{part=\"feed\"}") == 0.0; },
                   20 * second_ns));
  ASSERT_DONE(stage->wait_ready(10 * second_ns));
  const std::int64_t begun = monotonic_now_ns();
  EXPECT_EQ(stage->stop_daemon(30 * second_ns), 0);
  EXPECT_LT(monotonic_now_ns() - begun, 15 * second_ns);
}

TEST_F(DaemonWithRedis, IsReadyWithoutOne) {
  start(false);
  if (!stage) return;
  trade();
  EXPECT_EQ(stage->metric("oneclick_redis_up{part=\"feed\"}"), 0.0);
}

}  // namespace
}  // namespace oneclick
