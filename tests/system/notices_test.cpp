// What followers are told, from the leader's order at the exchange to the rows of notifications.
#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

class Notices : public testing::Test {
 protected:
  void SetUp() override {
    stage_ = make_stage({.followers = 4, .seed = 9});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    auto database = PgQuery::connect(stage_->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    database_.emplace(std::move(*database));
    run("UPDATE engine.copy_links SET status = 'stopped'");
    std::vector<std::string> links;
    for (const demo::Link& link : stage_->world().links)
      if (!link.to_channel &&
          stage_->world().followers[link.follower].quote_balance > Decimal::from_integer(1'000))
        links.push_back(link.id.to_text());
    ASSERT_GE(links.size(), 2u);
    copies_ = links[0];
    skips_ = links[1];
    run(
        fmt::format("UPDATE engine.copy_links SET status = 'active', entry_style = 'market',"
                    " sizing_mode = 'fixed_quantity', copy_amount = NULL, min_lot_policy = 'skip',"
                    " copy_quantity = CASE WHEN id = '{0}' THEN 0.005 ELSE 0.00001 END"
                    " WHERE id IN ('{0}', '{1}')",
                    copies_, skips_));
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
  void trade() {
    const std::string fills = "SELECT count(*) FROM engine.leader_events WHERE kind = 'fill'";
    const std::string before = value(fills);
    ASSERT_DONE(leader_->trade("BTCUSDT", Side::buy, "0.5"));
    const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
    while (value("SELECT (" + fills + ") > " + before) != "t" && monotonic_now_ns() < until)
      stage_->reactor().wait(50'000'000);
    ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  }

  std::unique_ptr<Stage> stage_;
  std::optional<PgQuery> database_;
  std::unique_ptr<demo::Leader> leader_;
  std::string copies_, skips_;
};

TEST_F(Notices, ACopyAndASkipAreTold) {
  for (int n = 0; n < 3; ++n) trade();
  const std::string told =
      "SELECT count(*) FROM notifications n JOIN engine.copy_links l ON l.follower_user_id ="
      " n.user_id AND l.id::text = n.data ->> 'link_id' WHERE data ->> 'topic' = ";
  const std::string copied =
      value("SELECT count(*) FROM engine.copy_outcomes WHERE outcome IN ('copied', 'clipped')");
  EXPECT_GE(std::stoi(copied), 3);
  EXPECT_EQ(value(told + fmt::format("'copy_filled' AND l.id = '{}'", copies_)), copied);
  EXPECT_EQ(value(told + "'copy_filled'"), copied);
  // Prices and quantities are those of the orders.
  EXPECT_EQ(value("SELECT count(*) FROM notifications n JOIN trades t ON t.id::text = n.data ->>"
                  " 'trade_id' AND t.user_id = n.user_id AND n.message LIKE format('Bought %s"
                  " BTC/USDT at %%', trim_scale(t.filled_quantity))"),
            copied);
  EXPECT_EQ(value("SELECT count(*) > 1 FROM engine.copy_outcomes WHERE outcome = 'skipped' AND"
                  " reason = 'below_min_notional'"),
            "t");
  // One for all of them, or two where a full hour came between.
  const int skips = std::stoi(value(told + fmt::format("'copy_skipped' AND l.id = '{}'", skips_)));
  EXPECT_GE(skips, 1);
  EXPECT_LE(skips, 2);
  EXPECT_EQ(value("SELECT DISTINCT n.data ->> 'reason' FROM notifications n WHERE data ->> 'topic'"
                  " = 'copy_skipped'"),
            "below_min_notional");
}

}  // namespace
}  // namespace oneclick
