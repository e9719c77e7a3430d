// A leader's resting order and the link that mirrors it: from the exchange's stream of the leader's
// account to the follower's order there, placed, amended, cancelled, filled in part and finished.
#include "tests/system/exchange_client.hpp"
#include "tests/system/one_link.hpp"

namespace oneclick {
namespace {

class MirrorStage : public OneLink {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(prepare(false, "mirror", {.followers = 8, .seed = 11}));
    price("59400", "59600");
    // Somebody who trades against what rests.
    admin(
        "POST", "/admin/accounts",
        R"({"id":"50000000-0000-4000-8000-000000000001","api_key":"somebody","api_secret":"secret",)"
        R"("balances":{"BTC":"1"}})");
    ASSERT_NO_FATAL_FAILURE(start_daemon());
    leader_ = std::make_unique<ExchangeClient>(*stage_, stage_->world().leader);
    demo::Trader somebody;
    somebody.api_key = "somebody";
    somebody.secret = "secret";
    somebody_ = std::make_unique<ExchangeClient>(*stage_, somebody);
  }
  void TearDown() override {
    leader_.reset();  // these live on the stage's reactor
    somebody_.reset();
    OneLink::TearDown();
  }
  void expect_bought_soon(const std::string& quantity) {
    expect_soon([this] { return at_exchange("trim_scale(coalesce(sum(executed_qty), 0))"); },
                quantity);
  }

  std::unique_ptr<ExchangeClient> leader_, somebody_;
};

TEST_F(MirrorStage, FollowsWhatRestsUntilItIsBoughtOrCancelled) {
  ASSERT_DONE(leader_->rest("BTCUSDT", Side::buy, "0.04", "59500", "first"));
  expect_open_soon("LIMIT 59500 0.04");
  expect_books_agree(1);

  // Made smaller where it stands: cancelled, and placed anew.
  ASSERT_DONE(leader_->call("PUT", "/api/v3/order/amend/keepPriority",
                            "symbol=BTCUSDT&origClientOrderId=first&newQty=0.03"
                            "&newClientOrderId=smaller"));
  expect_open_soon("LIMIT 59500 0.03");
  EXPECT_EQ(at_exchange("count(*) FILTER (WHERE status = 'CANCELED')"), "1");

  // The leader's stands in front: what is sold fills it first. The link's goes on resting.
  ASSERT_DONE(somebody_->market("BTCUSDT", Side::sell, "0.01"));
  expect_soon(
      [this] {
        return value(
            "SELECT coalesce(string_agg(o.outcome, ' '), '') FROM engine.copy_outcomes o JOIN"
            " engine.leader_events e ON e.id = o.event_id WHERE e.kind = 'fill'");
      },
      "coalesced");
  EXPECT_EQ(open(), "LIMIT 59500 0.03");

  // Another price: cancelled, and placed anew, by the leader himself.
  ASSERT_DONE(leader_->cancel("BTCUSDT", "smaller"));
  expect_open_soon("");
  ASSERT_DONE(leader_->rest("BTCUSDT", Side::buy, "0.03", "59450", "second"));
  expect_open_soon("LIMIT 59450 0.03");
  EXPECT_EQ(at_exchange("sum(executed_qty)::float"), "0");

  ASSERT_NO_FATAL_FAILURE(restart());
  EXPECT_EQ(open(), "LIMIT 59450 0.03");

  // All of the leader's is filled, a third of the link's: the rest is bought at the market.
  ASSERT_DONE(somebody_->market("BTCUSDT", Side::sell, "0.04"));
  expect_bought_soon("0.03");
  expect_open_soon("");
  EXPECT_EQ(at_exchange("string_agg(trim_scale(executed_qty)::text, ' ' ORDER BY order_id) FILTER"
                        " (WHERE executed_qty > 0)"),
            "0.01 0.02");
  expect_books_agree(0);

  // Nothing of it fills, and the leader takes it back.
  ASSERT_DONE(leader_->rest("BTCUSDT", Side::buy, "0.02", "59000", "third"));
  expect_open_soon("LIMIT 59000 0.02");
  ASSERT_DONE(leader_->cancel("BTCUSDT", "third"));
  expect_open_soon("");
  expect_bought_soon("0.03");

  // What rested is held as any entry: he sells of his, and the link of its.
  ASSERT_DONE(leader_->market("BTCUSDT", Side::sell, "0.02"));
  expect_soon(
      [this] { return at_exchange("count(*) FILTER (WHERE side = 'SELL' AND status = 'FILLED')"); },
      "1");
  expect_books_agree(0);
  EXPECT_EQ(value("SELECT count(*) FROM engine.copy_outcomes WHERE outcome = 'failed'"), "0");
}

}  // namespace
}  // namespace oneclick
