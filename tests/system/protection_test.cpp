// A signal with a stop and a target, from the bot to the exchange's own pair of orders: protected,
// let go for an exit, protected again, and sold when the stop is touched.
#include <fstream>

#include "tests/system/one_link.hpp"

namespace oneclick {
namespace {

class ProtectionStage : public OneLink {
 protected:
  void start(StageOptions options) {
    ASSERT_NO_FATAL_FAILURE(prepare(true, "market", std::move(options)));
    price("60000", "60001");
    ASSERT_NO_FATAL_FAILURE(start_daemon());
    open_bot();
  }
  void open_bot() {
    bot_ = std::make_unique<demo::Bot>(stage_->reactor(), stage_->tls(),
                                       stage_->ingress_url("wss", "/v1/stream"),
                                       stage_->bot_token(), stage_->world());
    ASSERT_DONE(bot_->open());
  }
  void TearDown() override {
    bot_.reset();  // lives on the stage's reactor
    OneLink::TearDown();
  }
  std::string protective_rows() {
    return value(
        "SELECT coalesce(string_agg(trade_type || ' ' || status, ', ' ORDER BY trade_type), '')"
        " FROM trades WHERE trade_type IN ('stop_loss', 'take_profit') AND status = 'pending'");
  }

  std::unique_ptr<demo::Bot> bot_;
};

TEST_F(ProtectionStage, IsPlacedLetGoForAnExitPlacedAgainAndSellsAtTheStop) {
  ASSERT_NO_FATAL_FAILURE(start({.followers = 8, .seed = 11}));
  ASSERT_DONE(
      bot_->publish("BTC/USDT", "buy", "0.02", R"(,"stop_loss":"59000","take_profit":"61000")"));
  // Bought 0.02, a thousandth of it as fee.
  expect_open_soon("LIMIT_MAKER 61000 0.01998, STOP_LOSS 59000 0.01998");
  EXPECT_EQ(at_exchange("count(DISTINCT order_list_id) FILTER (WHERE order_list_id >= 0)"), "1");
  expect_soon([this] { return protective_rows(); }, "stop_loss pending, take_profit pending");
  expect_books_agree(2);

  // A restart finds them where they are.
  bot_.reset();
  ASSERT_NO_FATAL_FAILURE(restart());
  ASSERT_NO_FATAL_FAILURE(open_bot());
  EXPECT_EQ(open(), "LIMIT_MAKER 61000 0.01998, STOP_LOSS 59000 0.01998");

  // Half of it goes: the pair is let go first, and what is left is protected again.
  ASSERT_DONE(bot_->publish("BTC/USDT", "sell", "0.01"));
  expect_open_soon("LIMIT_MAKER 61000 0.00998, STOP_LOSS 59000 0.00998");
  EXPECT_EQ(at_exchange("count(*) FILTER (WHERE status = 'CANCELED')"), "2");
  EXPECT_EQ(at_exchange("trim_scale(sum(executed_qty) FILTER (WHERE side = 'SELL'))"), "0.01");
  expect_books_agree(2);

  // The stop is touched: the exchange sells, and the target is gone.
  price("58900", "58901");
  expect_open_soon("");
  EXPECT_EQ(at_exchange("string_agg(status, ' ' ORDER BY type DESC) FILTER (WHERE order_list_id ="
                        " (SELECT max(order_list_id) FROM jsonb_to_recordset($1::jsonb->'orders')"
                        " AS l(order_list_id bigint)))"),
            "FILLED EXPIRED");
  expect_soon(
      [this] {
        return value(
            "SELECT coalesce(string_agg(trade_type || ' ' || trim_scale(filled_quantity), ', '),"
            " '') FROM trades WHERE trade_type = 'stop_loss' AND status = 'filled'");
      },
      "stop_loss 0.00998");
  expect_books_agree(0);
  EXPECT_EQ(value("SELECT count(*) FROM trades WHERE trade_type = 'take_profit' AND status ="
                  " 'cancelled'"),
            "2");
}

TEST_F(ProtectionStage, WhatTheExchangeRefusesAgainAndAgainIsToldAloudUntilItIsPlaced) {
  ASSERT_NO_FATAL_FAILURE(start({.followers = 8,
                                 .seed = 11,
                                 .engine_overrides = {{"engine.exit_alarm_attempts", "2"},
                                                      {"engine.exit_attempts_per_minute", "60"}}}));
  admin("PUT", "/admin/faults",
        R"([{"kind":"reject","operation":"orderList.place.oco","count":1000,"code":-2010,)"
        R"("message":"Not today."}])");
  ASSERT_DONE(
      bot_->publish("BTC/USDT", "buy", "0.02", R"(,"stop_loss":"59000","take_profit":"61000")"));
  const auto alarms = [this] {
    return fmt::format("{}", stage_->metric("oneclick_exits_in_alarm").value_or(-1));
  };
  expect_soon([&] { return std::string(alarms() == "0" ? "none" : "some"); }, "some");
  expect_soon(
      [this] {
        return value(
            "SELECT (count(*) > 0)::text FROM trade_history WHERE exchange_response->>'alarm' ="
            " 'true' AND status = 'pending'");
      },
      "true");
  std::ifstream log(stage_->daemon_log());
  const std::string said(std::istreambuf_iterator<char>(log), {});
  EXPECT_NE(said.find("a protection cannot be placed: tried again"), std::string::npos);
  EXPECT_NE(said.find(link_), std::string::npos) << "whose?";

  admin("PUT", "/admin/faults", "[]");
  expect_open_soon("LIMIT_MAKER 61000 0.01998, STOP_LOSS 59000 0.01998");
  expect_soon(alarms, "0");
  expect_books_agree(2);
}

}  // namespace
}  // namespace oneclick
