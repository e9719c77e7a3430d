// How a copy begins and ends, what holds it back, and whom else it makes buy: from the rows in the
// database to the orders on the exchange.
#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

class Subscribing : public testing::Test {
 protected:
  // So many links to the leader for 0.005 at the market; all others are stopped.
  void start(std::size_t count, const std::string& settings) {
    stage_ = make_stage({.followers = 6, .seed = 11});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    auto database = PgQuery::connect(stage_->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    database_.emplace(std::move(*database));
    run("UPDATE engine.copy_links SET status = 'stopped'");
    for (const demo::Link& link : stage_->world().links) {
      const auto& follower = stage_->world().followers[link.follower];
      if (link.to_channel || links_.size() == count ||
          follower.quote_balance < Decimal::from_integer(1'000))
        continue;
      links_.push_back({link.id.to_text(), follower.user.to_text()});
      run(
          fmt::format("UPDATE engine.copy_links SET entry_style = 'market', sizing_mode ="
                      " 'fixed_quantity', copy_quantity = 0.005, copy_amount = NULL, {}"
                      " WHERE id = '{}'",
                      settings, link.id.to_text()));
    }
    ASSERT_EQ(links_.size(), count);
  }
  void start_daemon() {
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
  void set(const std::string& settings) {
    run(fmt::format("UPDATE engine.copy_links SET {} WHERE id = '{}'", settings, links_[0].id));
  }
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
  // Outcomes of one link for one kind of leader event, oldest first.
  std::string outcomes(const char* kind, std::size_t link = 0) const {
    return fmt::format(
        "SELECT coalesce(string_agg(concat_ws(' ', o.outcome, o.reason), ',' ORDER BY"
        " e.accepted_at), '') FROM engine.copy_outcomes o JOIN engine.leader_events e"
        " ON e.id = o.event_id WHERE e.kind = '{}' AND o.link_id = '{}'",
        kind, links_[link].id);
  }
  // Fees may leave less than a lot of it.
  [[nodiscard]] std::string held(std::size_t link = 0) const {
    return fmt::format(
        "SELECT coalesce(sum(p.quantity) >= 0.00001, false) FROM portfolio_positions p JOIN "
        "portfolios f"
        " ON f.id = p.portfolio_id WHERE f.user_id = '{}' AND p.asset_symbol LIKE 'BTC%'",
        links_[link].user);
  }
  void trade(Side side, const char* quantity) {
    const std::string fills = fmt::format(
        "SELECT count(*) FROM engine.leader_events WHERE kind = 'fill' AND leader_user_id = '{}'",
        stage_->world().leader.user.to_text());
    const std::string before = value(fills);
    ASSERT_DONE(leader_->trade("BTCUSDT", side, quantity));
    ASSERT_TRUE(wait_value("SELECT (" + fills + ") > " + before, "t"));
    ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  }
  // The newest outcome of the first link for a fill, those coalesced into it left out.
  std::string newest() {
    return value(fmt::format(
        "SELECT concat_ws(' ', o.outcome, o.reason) FROM engine.copy_outcomes o"
        " JOIN engine.leader_events e ON e.id = o.event_id WHERE e.kind = 'fill' AND o.link_id ="
        " '{}' AND o.outcome <> 'coalesced' ORDER BY e.accepted_at DESC, o.created_at DESC LIMIT 1",
        links_[0].id));
  }
  // Trades until it has this outcome: settings take effect within a second, prices and averages are
  // told within seconds. The last outcome.
  std::string trade_until(std::string_view wanted) {
    const std::int64_t until = monotonic_now_ns() + 30 * second_ns;
    std::string outcome;
    do {
      trade(Side::buy, "0.1");
      outcome = newest();
    } while (outcome != wanted && monotonic_now_ns() < until);
    return outcome;
  }
  void expect_whole() {
    EXPECT_EQ(value("SELECT sum(links_matched) - (SELECT count(*) FROM engine.copy_outcomes)"
                    " FROM engine.leader_events"),
              "0");
    const auto books = stage_->compare_books();
    ASSERT_TRUE(books.has_value()) << books.error();
    EXPECT_EQ(books->exit_code, 0) << books->json;
  }

  struct Chosen {
    std::string id, user;
  };
  std::unique_ptr<Stage> stage_;
  std::optional<PgQuery> database_;
  std::unique_ptr<demo::Leader> leader_;
  std::vector<Chosen> links_;
};

TEST_F(Subscribing, ALinkBeginsWithWhatItsLeaderHoldsAndEndsWithNothing) {
  start(1, "status = 'paused', sync_on_subscribe = 'all', close_on_stop = true");
  start_daemon();
  trade(Side::buy, "0.5");
  EXPECT_EQ(newest(), "skipped link_inactive");
  EXPECT_EQ(value(held()), "f");
  set("status = 'active'");
  ASSERT_TRUE(wait_value(outcomes("sync"), "copied"));
  ASSERT_TRUE(wait_value(held(), "t"));
  ASSERT_DONE(stage_->wait_quiet(60 * second_ns));

  // A limit this far from the average is no price to buy at; nearer it is.
  set("entry_style = 'capped', slippage_bps_max = 500, price_collar_bps_max = 100");
  EXPECT_EQ(trade_until("skipped price_collar"), "skipped price_collar");
  set("slippage_bps_max = 50, price_collar_bps_max = 1000");
  EXPECT_EQ(trade_until("copied"), "copied");

  // What all links of the account may be worth.
  run(
      fmt::format("INSERT INTO engine.risk_limits (scope, scope_id, exposure_usd_max) SELECT"
                  " 'account', follower_exchange_id, 0.01 FROM engine.copy_links WHERE id = '{}'",
                  links_[0].id));
  EXPECT_EQ(trade_until("skipped account_exposure"), "skipped account_exposure");
  run("DELETE FROM engine.risk_limits");
  EXPECT_EQ(trade_until("copied"), "copied");

  set("status = 'paused'");
  set("status = 'active'");
  trade(Side::buy, "0.1");
  EXPECT_EQ(value(outcomes("sync")), "copied") << "a link that goes on does not begin again";
  set("status = 'stopped'");
  ASSERT_TRUE(wait_value(outcomes("stop_close"), "copied"));
  ASSERT_TRUE(wait_value(held(), "f"));
  ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  const std::string before = value("SELECT count(*) FROM trades");
  trade(Side::buy, "0.1");
  EXPECT_EQ(value("SELECT count(*) FROM trades"), before);
  expect_whole();
}

TEST_F(Subscribing, AChainCopiesWhatTheEngineBoughtForItsLeader) {
  start(3, "status = 'active'");
  // The second and the third copy the first, who copies the leader; the second in a chain.
  for (const std::size_t link : {1U, 2U})
    run(fmt::format(
        "UPDATE engine.copy_links SET leader_user_id = '{}', chain = {} WHERE id = '{}'",
        links_[0].user, link == 1, links_[link].id));
  run(
      fmt::format("INSERT INTO engine.leader_feeds (user_exchange_id, baseline_at)"
                  " SELECT follower_exchange_id, now() FROM engine.copy_links WHERE id = '{}'",
                  links_[0].id));
  start_daemon();
  trade(Side::buy, "0.5");
  EXPECT_EQ(newest(), "copied");
  const std::string bought = fmt::format(
      "SELECT count(*) FROM engine.copy_outcomes o JOIN engine.leader_events e ON e.id = o.event_id"
      " WHERE e.leader_user_id = '{}' AND o.link_id = '{}' AND o.outcome = 'copied'",
      links_[0].user, links_[1].id);
  ASSERT_TRUE(wait_value("SELECT (" + bought + ") > 0", "t"));
  ASSERT_TRUE(wait_value(held(1), "t"));
  trade(Side::sell, "0.49949");  // fees took the rest, but for a lot
  ASSERT_TRUE(wait_value(held(0), "f"));
  ASSERT_TRUE(wait_value(held(1), "f"));
  EXPECT_EQ(value(outcomes("fill", 2)), "") << "who does not copy chains is not asked";
  ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  expect_whole();
}

}  // namespace
}  // namespace oneclick
