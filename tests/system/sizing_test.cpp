// Every way to size a copy, from the row in the database to the order on the exchange.
#include <cmath>

#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

double real(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}

TEST(SizingModes, EachFollowerGetsWhatItsModeSays) {
  auto stage = make_stage({.followers = 8, .seed = 5});
  ASSERT_NE(stage, nullptr);
  ASSERT_DONE(stage->start_exchange());
  auto database = PgQuery::connect(stage->database_url());
  ASSERT_TRUE(database.has_value()) << database.error();
  // The first five links to the leader, each in a mode of its own.
  std::vector<std::size_t> followers;
  const char* const modes[] = {
      "sizing_mode = 'fixed_quantity', copy_quantity = 0.00123, copy_amount = NULL",
      "sizing_mode = 'fixed_notional', copy_amount = 150",
      "sizing_mode = 'follower_equity', copy_percentage = 2, copy_amount = NULL",
      "sizing_mode = 'equity_proportional', copy_percentage = 300, copy_amount = NULL",
      "sizing_mode = 'fixed_risk', copy_amount = 10"};
  for (const demo::Link& link : stage->world().links) {
    const bool chosen =
        !link.to_channel && followers.size() < std::size(modes) &&
        stage->world().followers[link.follower].quote_balance > Decimal::from_integer(1'000);
    const std::string set =
        chosen
            ? fmt::format("status = 'active', entry_style = 'market', min_lot_policy = 'carry', {}",
                          modes[followers.size()])
            : "status = 'stopped'";
    ASSERT_DONE(database->run(
        fmt::format("UPDATE engine.copy_links SET {} WHERE id = '{}'", set, link.id.to_text())));
    if (chosen) followers.push_back(link.follower);
  }
  ASSERT_EQ(followers.size(), std::size(modes));
  ASSERT_DONE(stage->start_daemon());
  ASSERT_DONE(stage->wait_ready(60 * second_ns));
  auto leader = std::make_unique<demo::Leader>(stage->reactor(), stage->tls(),
                                               stage->exchange_url(), stage->world().leader);
  // Until the leader's worth and the prices have been told, copies in proportion are refused by
  // name.
  const std::string newest =
      "SELECT id FROM engine.leader_events ORDER BY accepted_at DESC LIMIT 1";
  std::string reasons;
  const std::int64_t until = monotonic_now_ns() + 30 * second_ns;
  do {
    ASSERT_DONE(leader->trade("BTCUSDT", Side::buy, "0.5"));
    ASSERT_DONE(stage->wait_quiet(60 * second_ns));
    const auto row = database->rows(
        "SELECT coalesce(string_agg(reason, ' ' ORDER BY reason), '') FROM engine.copy_outcomes "
        "WHERE event_id = (" +
        newest + ") AND reason <> 'no_stop'");
    ASSERT_TRUE(row.has_value()) << row.error();
    reasons = row->front().front().value_or("");
  } while (!reasons.empty() && monotonic_now_ns() < until);
  EXPECT_EQ(reasons, "");

  const auto row_of = [&](std::size_t mode) {
    const auto rows = database->rows(fmt::format(
        "SELECT o.outcome, coalesce(o.reason, ''), coalesce(o.wanted_qty - o.residual_qty, 0), "
        "coalesce(t.quantity, 0), coalesce(t.filled_price, 0) FROM engine.copy_outcomes o "
        "JOIN engine.copy_links l ON l.id = o.link_id LEFT JOIN trades t ON t.id = o.trade_id "
        "WHERE o.event_id = ({}) AND l.follower_user_id = '{}'",
        newest, stage->world().followers[followers[mode]].user.to_text()));
    EXPECT_TRUE(rows.has_value() && rows->size() == 1) << (rows ? "not one row" : rows.error());
    std::vector<std::string> out;
    if (rows && !rows->empty())
      for (const auto& cell : rows->front()) out.push_back(cell.value_or(""));
    out.resize(5);
    return out;
  };
  constexpr double lot = 0.00001;
  const auto quantity = row_of(0);
  EXPECT_EQ(quantity[0], "copied");
  EXPECT_NEAR(real(quantity[3]), 0.00123, lot);
  const auto notional = row_of(1);
  EXPECT_EQ(notional[0], "copied");
  const double price = real(notional[4]);
  EXPECT_NEAR(real(notional[3]) * price, 150, 1.5 + 2 * lot * price);
  const auto own = row_of(2);
  const double worth = real(stage->world().followers[followers[2]].quote_balance.to_text());
  EXPECT_EQ(own[0], "copied");
  EXPECT_NEAR(real(own[3]) * price / worth, 0.02, 0.001);
  const auto proportional = row_of(3);
  const double follower = real(stage->world().followers[followers[3]].quote_balance.to_text());
  const double leaders = real(stage->world().leader.quote_balance.to_text());
  EXPECT_EQ(proportional[0], "copied");
  EXPECT_NEAR(real(proportional[3]), 0.5 * 3 * follower / leaders,
              0.02 * 0.5 * 3 * follower / leaders + 2 * lot);
  EXPECT_EQ(row_of(4)[1], "no_stop") << "a trade has no stop to measure risk by";

  const auto books = stage->compare_books();
  ASSERT_TRUE(books.has_value()) << books.error();
  EXPECT_EQ(books->exit_code, 0) << books->json;
  leader.reset();  // lives on the stage's reactor
  finish_stage(std::move(stage));
}

}  // namespace
}  // namespace oneclick
