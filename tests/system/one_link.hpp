// One copy link over the whole system: of a follower who has money, to the leader or to the
// channel, and what the exchange and the database say of it.
#pragma once

#include <optional>

#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {

class OneLink : public testing::Test {
 protected:
  static constexpr std::int64_t patience_ns = 60 * second_ns;

  // The exchange runs; of all links one is active, and copies all of it.
  void prepare(bool to_channel, const std::string& entry_style, StageOptions options) {
    stage_ = make_stage(std::move(options));
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    auto database = PgQuery::connect(stage_->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    database_.emplace(std::move(*database));
    const demo::World& world = stage_->world();
    const demo::Link* chosen = nullptr;
    for (const demo::Link& link : world.links)
      if (chosen == nullptr && link.to_channel == to_channel &&
          (!to_channel || world.subscribed[link.follower]) &&
          world.followers[link.follower].quote_balance > Decimal::from_integer(5'000))
        chosen = &link;
    ASSERT_NE(chosen, nullptr);
    link_ = chosen->id.to_text();
    follower_ = world.followers[chosen->follower];
    ASSERT_DONE(database_->run(
        fmt::format("UPDATE engine.copy_links SET status = 'stopped' WHERE id <> '{}'", link_)));
    ASSERT_DONE(database_->run(fmt::format(
        "UPDATE engine.copy_links SET status = 'active', entry_style = '{}', copy_amount = NULL,"
        " sizing_mode = 'leader_quantity', copy_percentage = 100, slippage_bps_max = 500"
        " WHERE id = '{}'",
        entry_style, link_)));
  }
  void start_daemon() {
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(patience_ns));
  }
  void TearDown() override {
    database_.reset();
    if (stage_) finish_stage(std::move(stage_));
  }

  void admin(const std::string& method, const std::string& path, const std::string& body) {
    const auto answer = stage_->exchange_admin(method, path, body);
    ASSERT_TRUE(answer.has_value()) << answer.error();
    ASSERT_EQ(answer->status, 200) << answer->body;
  }
  // From now on the market stands there.
  void price(const std::string& bid, const std::string& ask) {
    admin("POST", "/admin/prices",
          fmt::format(R"({{"symbol":"BTCUSDT","bid":"{}","bid_quantity":"5",)"
                      R"("ask":"{}","ask_quantity":"5"}})",
                      bid, ask));
  }
  // What a query says of the follower's orders at the exchange.
  std::string at_exchange(const std::string& select) {
    const auto ledger = stage_->exchange_admin("GET", "/admin/ledger", "");
    EXPECT_TRUE(ledger.has_value()) << ledger.error();
    const auto rows = database_->rows(
        "SELECT " + select +
            " FROM jsonb_to_recordset($1::jsonb->'orders') AS o(order_id bigint, account text,"
            " side text, type text, status text, price numeric, stop_price numeric,"
            " orig_qty numeric, executed_qty numeric, order_list_id bigint) WHERE account = $2",
        {ledger ? ledger->body : "{}", follower_.account.to_text()});
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  // The open ones: type, price, quantity, and what of it has filled.
  std::string open() {
    return at_exchange(
        "coalesce(string_agg(type || ' ' || trim_scale(greatest(price, stop_price)) || ' ' ||"
        " trim_scale(orig_qty), ', ' ORDER BY type) FILTER (WHERE status IN ('NEW',"
        " 'PARTIALLY_FILLED')), '')");
  }
  std::string value(const std::string& sql) {
    const auto rows = database_->rows(sql);
    EXPECT_TRUE(rows.has_value()) << rows.error();
    return rows && !rows->empty() ? rows->front().front().value_or("") : "";
  }
  template <typename Ask>
  void expect_soon(Ask ask, const std::string& wanted) {
    const std::int64_t until = monotonic_now_ns() + patience_ns;
    std::string last = ask();
    while (last != wanted && monotonic_now_ns() < until) {
      stage_->reactor().wait(50'000'000);
      last = ask();
    }
    EXPECT_EQ(last, wanted);
  }
  void expect_open_soon(const std::string& wanted) {
    expect_soon([this] { return open(); }, wanted);
  }
  void expect_books_agree(int resting) {
    ASSERT_DONE(stage_->wait_quiet(patience_ns, resting));
    const auto books = stage_->compare_books();
    ASSERT_TRUE(books.has_value()) << books.error();
    EXPECT_EQ(books->exit_code, 0) << books->json;
  }
  // Ended and started again: what rests stays where it is, and is not waited for.
  void restart() {
    const std::int64_t before = monotonic_now_ns();
    ASSERT_EQ(stage_->stop_daemon(patience_ns), 0);
    EXPECT_LT(monotonic_now_ns() - before, 9 * second_ns) << "waited for what rests";
    start_daemon();
  }

  std::unique_ptr<Stage> stage_;
  std::optional<PgQuery> database_;
  std::string link_;
  demo::Trader follower_;
};

}  // namespace oneclick
