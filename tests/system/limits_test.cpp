// A loss that reaches a link's limit, from the fill at the exchange to the row, the sale and the
// notification, and back.
#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

class LinkLimits : public testing::Test {
 protected:
  void SetUp() override {
    stage_ = make_stage({.followers = 4, .seed = 9});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    auto database = PgQuery::connect(stage_->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    database_.emplace(std::move(*database));
    const demo::Link* chosen = nullptr;
    for (const demo::Link& link : stage_->world().links)
      if (chosen == nullptr && !link.to_channel &&
          stage_->world().followers[link.follower].quote_balance > Decimal::from_integer(1'000))
        chosen = &link;
    ASSERT_NE(chosen, nullptr);
    link_ = chosen->id.to_text();
    user_ = stage_->world().followers[chosen->follower].user.to_text();
    run(fmt::format("UPDATE engine.copy_links SET status = 'stopped' WHERE id <> '{}'", link_));
    // Spread and fee of the first trade are a loss already.
    run(fmt::format(
        "UPDATE engine.copy_links SET status = 'active', entry_style = 'market', sizing_mode ="
        " 'fixed_quantity', copy_quantity = 0.005, copy_amount = NULL, drawdown_usd_max = 0.01,"
        " drawdown_from = 'peak', drawdown_action = 'close' WHERE id = '{}'",
        link_));
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(60 * second_ns));
    leader_ = std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(),
                                             stage_->exchange_url(), stage_->world().leader);
  }
  void TearDown() override {
    leader_.reset();  // lives on the stage's reactor
    database_.reset();
    if (stage_) finish_stage(std::move(stage_));
  }
  void run(const std::string& sql) { ASSERT_DONE(database_->run(sql)); }
  std::string value(const std::string& sql) {
    const auto rows = database_->rows(sql);
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  bool wait_value(const std::string& sql, const std::string& wanted) {
    const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
    while (value(sql) != wanted) {
      if (monotonic_now_ns() > until) return false;
      stage_->reactor().wait(50'000'000);
    }
    return true;
  }
  // The outcome of the leader's next trade.
  std::string trade() {
    const std::string fills = "SELECT count(*) FROM engine.leader_events WHERE kind = 'fill'";
    const std::string before = value(fills);
    const auto done = leader_->trade("BTCUSDT", Side::buy, "0.5");
    EXPECT_TRUE(done.has_value()) << done.error();
    EXPECT_TRUE(wait_value("SELECT (" + fills + ") > " + before, "t"));
    const auto quiet = stage_->wait_quiet(60 * second_ns);
    EXPECT_TRUE(quiet.has_value()) << quiet.error();
    return value(
        "SELECT o.outcome || ' ' || coalesce(o.reason, '') FROM engine.copy_outcomes o"
        " JOIN engine.leader_events e ON e.id = o.event_id WHERE e.kind = 'fill'"
        " AND o.outcome <> 'coalesced' ORDER BY e.accepted_at DESC, o.created_at DESC LIMIT 1");
  }

  std::unique_ptr<Stage> stage_;
  std::optional<PgQuery> database_;
  std::unique_ptr<demo::Leader> leader_;
  std::string link_, user_;
};

TEST_F(LinkLimits, ADrawdownSellsTellsAndHoldsUntilReleased) {
  // Until prices are told the link cannot be valued, and says so.
  std::string outcome;
  const std::int64_t until = monotonic_now_ns() + 30 * second_ns;
  do {
    outcome = trade();
  } while (outcome == "skipped not_valued" && monotonic_now_ns() < until);
  EXPECT_EQ(outcome, "copied ");

  ASSERT_TRUE(wait_value("SELECT count(*) FROM engine.link_halts", "1"));
  EXPECT_EQ(value("SELECT link_id || ' ' || reason || ' ' || action FROM engine.link_halts"),
            link_ + " drawdown close");
  ASSERT_TRUE(
      wait_value("SELECT count(*) FROM engine.copy_outcomes o JOIN engine.leader_events e"
                 " ON e.id = o.event_id WHERE e.kind = 'risk_close'"
                 " AND o.outcome = 'copied'",
                 "1"));
  EXPECT_EQ(value("SELECT links_matched FROM engine.leader_events WHERE kind = 'risk_close'"), "1");
  EXPECT_EQ(value(fmt::format("SELECT count(*) FROM notifications WHERE user_id = '{}' AND type ="
                              " 'trade_alert' AND priority = 'high'",
                              user_)),
            "1");
  EXPECT_EQ(trade(), "skipped drawdown");

  run(
      fmt::format("UPDATE engine.copy_links SET risk_epoch = 1, drawdown_usd_max = 1000 WHERE id ="
                  " '{}'",
                  link_));
  ASSERT_TRUE(wait_value("SELECT count(*) FROM engine.link_halts", "0"));
  EXPECT_EQ(trade(), "copied ");

  EXPECT_EQ(value("SELECT sum(links_matched) - (SELECT count(*) FROM engine.copy_outcomes)"
                  " FROM engine.leader_events"),
            "0");
  const auto books = stage_->compare_books();
  ASSERT_TRUE(books.has_value()) << books.error();
  EXPECT_EQ(books->exit_code, 0) << books->json;
}

}  // namespace
}  // namespace oneclick
