// A follower trades behind the engine's back, at the exchange and with real processes: what is
// recorded, what is set aside and told, what can still be sold, what a person's release does.
#include <fmt/format.h>

#include "engine/domain/identity.hpp"
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

class StatePath : public testing::Test {
 protected:
  void SetUp() override {
    stage_ = make_stage({.followers = 4,
                         .seed = 9,
                         .engine_overrides = {{"engine.divergence_age_max_ms", "1000"},
                                              {"engine.exit_attempts_per_minute", "60"},
                                              {"venues.binance.sweep_interval_ms", "1000"}}});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    auto database = PgQuery::connect(stage_->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    database_.emplace(std::move(*database));
    const demo::Link* chosen = nullptr;
    for (const demo::Link& link : stage_->world().links)
      if (chosen == nullptr && !link.to_channel &&
          stage_->world().followers[link.follower].quote_balance > Decimal::from_integer(10'000))
        chosen = &link;
    ASSERT_NE(chosen, nullptr);
    link_ = chosen->id.to_text();
    const demo::Trader& follower = stage_->world().followers[chosen->follower];
    user_ = follower.user.to_text();
    account_ = follower.account.to_text();
    run(fmt::format("UPDATE engine.copy_links SET status = 'stopped' WHERE id <> '{}'", link_));
    run(
        fmt::format("UPDATE engine.copy_links SET status = 'active', entry_style = 'market',"
                    " sizing_mode = 'fixed_quantity', copy_quantity = 0.05, copy_amount = NULL"
                    " WHERE id = '{}'",
                    link_));
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(60 * second_ns));
    leader_ = client_of(stage_->world().leader);
    follower_ = client_of(follower);
  }
  void TearDown() override {
    leader_.reset();  // they live on the stage's reactor
    follower_.reset();
    database_.reset();
    if (stage_) finish_stage(std::move(stage_));
  }
  std::unique_ptr<demo::Leader> client_of(const demo::Trader& trader) {
    return std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(), stage_->exchange_url(),
                                          trader);
  }
  void run(const std::string& sql) { ASSERT_DONE(database_->run(sql)); }
  std::string value(const std::string& sql) {
    const auto rows = database_->rows(sql);
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  bool wait_until(const std::function<bool()>& condition) {
    const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
    while (!condition()) {
      if (monotonic_now_ns() > until) return false;
      stage_->reactor().wait(50'000'000);
    }
    return true;
  }
  bool wait_value(const std::string& sql, const std::string& wanted) {
    return wait_until([&] { return value(sql) == wanted; });
  }
  bool wait_metric(const std::string& name, double wanted) {
    return wait_until([&] { return stage_->metric(name) == wanted; });
  }
  // The outcome of the leader's next trade, and what was sent for it.
  std::string trade(Side side, const std::string& quantity) {
    const std::string fills = "SELECT count(*) FROM engine.leader_events WHERE kind = 'fill'";
    const std::string before = value(fills);
    const auto done = leader_->trade("BTCUSDT", side, quantity);
    EXPECT_TRUE(done.has_value()) << done.error();
    EXPECT_TRUE(wait_value("SELECT (" + fills + ") > " + before, "t"));
    const auto quiet = stage_->wait_quiet(60 * second_ns);
    EXPECT_TRUE(quiet.has_value()) << quiet.error();
    return value(
        fmt::format("SELECT o.outcome || ' ' || coalesce(o.reason, '') FROM engine.copy_outcomes o"
                    " JOIN engine.leader_events e ON e.id = o.event_id WHERE e.kind = 'fill'"
                    " AND e.side = '{}' AND o.outcome <> 'coalesced'"
                    " ORDER BY e.accepted_at DESC, o.created_at DESC LIMIT 1",
                    to_text(side)));
  }
  // A resting order of the follower's, far from the market.
  void rest(const std::string& client_order_id, const std::string& price) {
    const auto done = follower_->call(
        "POST", "/api/v3/order",
        fmt::format("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price={}"
                    "&newClientOrderId={}",
                    price, client_order_id));
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  std::string open_orders() {
    const auto answer = follower_->call("GET", "/api/v3/openOrders", "symbol=BTCUSDT");
    EXPECT_TRUE(answer.has_value()) << answer.error();
    return answer.value_or("");
  }

  std::unique_ptr<Stage> stage_;
  std::optional<PgQuery> database_;
  std::unique_ptr<demo::Leader> leader_, follower_;
  std::string link_, user_, account_;
};

TEST_F(StatePath, WhatAFollowerSellsBehindTheEnginesBackIsSetAsideUntilReleased) {
  ASSERT_EQ(trade(Side::buy, "0.5"), "copied ");
  const std::string price =
      value("SELECT round(filled_price * 0.95, 2) FROM trades WHERE filled_price > 0 LIMIT 1");
  const std::string bought =
      value(fmt::format("SELECT trim_scale(sum(filled_quantity)) FROM trades WHERE user_id = '{}'"
                        " AND side = 'buy'",
                        user_));
  ASSERT_EQ(bought, "0.05");

  // Somebody else's order, and one under a name of ours that no journal knows.
  const OrderKey unknown = order_key({{7, 7}}, {{8, 8}}, 0, 0, wall_now_ns());
  char ours[client_order_id_size];
  write_client_order_id(unknown, ours);
  const std::string ghost(ours, client_order_id_size);
  ASSERT_NO_FATAL_FAILURE(rest("web_manual", price));
  ASSERT_NO_FATAL_FAILURE(rest(ghost, price));
  ASSERT_DONE(follower_->trade("BTCUSDT", Side::sell, "0.02"));

  // The trade is recorded, the order that nobody knows cancelled, the other left alone.
  ASSERT_TRUE(wait_value(
      fmt::format("SELECT side || ' ' || trim_scale(sum(quantity)) FROM engine.external_fills"
                  " WHERE user_exchange_id = '{}' GROUP BY side",
                  account_),
      "sell 0.02"));
  ASSERT_TRUE(wait_until([&] { return open_orders().find(ghost) == std::string::npos; }));
  EXPECT_NE(open_orders().find("web_manual"), std::string::npos);

  // The shortfall is set aside, told, and counted.
  ASSERT_TRUE(wait_value("SELECT count(*) FROM engine.quarantines", "1"));
  EXPECT_EQ(value("SELECT link_id || ' ' || symbol || ' ' || reason FROM engine.quarantines"),
            link_ + " BTC/USDT shortfall");
  EXPECT_EQ(value("SELECT trim_scale(expected - found) FROM engine.quarantines"), "0.02");
  EXPECT_EQ(value(fmt::format("SELECT title FROM notifications WHERE user_id = '{}' AND"
                              " data ->> 'topic' = 'copy_quarantined'",
                              user_)),
            "Copying was set aside: BTC/USDT");
  EXPECT_TRUE(wait_metric("oneclick_quarantined_links", 1));
  EXPECT_TRUE(wait_until([&] {
    const auto age = stage_->metric("oneclick_reconcile_age_seconds");
    return age && *age > 0 && *age < 10;
  }));

  // No entries; also not after a crash.
  EXPECT_EQ(trade(Side::buy, "0.5"), "skipped quarantined");
  stage_->kill_daemon();
  ASSERT_DONE(stage_->start_daemon());
  ASSERT_DONE(stage_->wait_ready(60 * second_ns));
  EXPECT_EQ(trade(Side::buy, "0.5"), "skipped quarantined");

  // The leader, who paid a thousandth in BTC each time, is flat: what is there is sold, and nothing
  // is tried in vain.
  ASSERT_EQ(trade(Side::sell, "1.4985"), "copied ");
  EXPECT_LE(std::stod(value(fmt::format("SELECT sum(filled_quantity) FROM trades WHERE user_id ="
                                        " '{}' AND side = 'sell'",
                                        user_))),
            0.03);
  EXPECT_GE(std::stod(value(fmt::format("SELECT sum(filled_quantity) FROM trades WHERE user_id ="
                                        " '{}' AND side = 'sell'",
                                        user_))),
            0.0298);  // fees in BTC were taken
  EXPECT_EQ(value("SELECT count(*) FROM trades WHERE side = 'sell' AND status = 'failed'"), "0");

  // A release takes the exchange's figure as true.
  EXPECT_EQ(value(fmt::format("SELECT engine.release_quarantine('{}', 'BTC/USDT')", link_)), "1");
  ASSERT_TRUE(
      wait_value("SELECT count(*) FROM engine.quarantines WHERE released_at IS NOT NULL", "1"));
  EXPECT_TRUE(wait_metric("oneclick_quarantined_links", 0));
  EXPECT_EQ(trade(Side::buy, "0.5"), "copied ");
  EXPECT_EQ(value("SELECT count(*) FROM engine.external_fills"), "1");
  EXPECT_EQ(value("SELECT sum(links_matched) - (SELECT count(*) FROM engine.copy_outcomes)"
                  " FROM engine.leader_events"),
            "0");
}

}  // namespace
}  // namespace oneclick
