// The comparison is what vouches for everything else: each kind of disagreement must be found.
#include "engine/app/books.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "engine/domain/identity.hpp"

namespace oneclick {
namespace {

constexpr const char* account = "00000000-0000-4000-8000-0000000000aa";
constexpr const char* leader_account = "00000000-0000-4000-8000-0000000000bb";
constexpr const char* portfolio = "00000000-0000-4000-8000-0000000000cc";

OrderKey key() {
  return order_key({{1, 2}}, {{3, 4}}, 0, 0, 1'700'000'000'000'000'000);
}

std::string client_id() {
  std::string id(client_order_id_size, ' ');
  write_client_order_id(key(), id.data());
  return id;
}

struct World {
  Ledger ledger;
  Books books;
};

// One order of one BTC, filled at once; the leader bought one BTC too.
World agreeing() {
  World w;
  w.ledger.orders.push_back({.order_id = "7",
                             .client_order_id = client_id(),
                             .account = account,
                             .symbol = "BTCUSDT",
                             .side = "buy",
                             .status = "FILLED",
                             .quantity = Decimal::of("1"),
                             .executed_quantity = Decimal::of("1")});
  w.ledger.fills.push_back({.trade_id = "11",
                            .order_id = "7",
                            .client_order_id = client_id(),
                            .account = account,
                            .symbol = "BTCUSDT",
                            .side = "buy",
                            .commission_asset = "BTC",
                            .quantity = Decimal::of("1"),
                            .price = Decimal::of("100"),
                            .commission = Decimal::of("0.001")});
  w.ledger.fills.push_back({.trade_id = "10",
                            .order_id = "6",
                            .client_order_id = "leaders-own",
                            .account = leader_account,
                            .symbol = "BTCUSDT",
                            .side = "buy",
                            .commission_asset = "BTC",
                            .quantity = Decimal::of("1"),
                            .price = Decimal::of("100"),
                            .commission = Decimal::of("0.001")});
  w.books.orders.push_back({.id = key().to_text(),
                            .account = account,
                            .portfolio = portfolio,
                            .symbol = "BTC/USDT",
                            .side = "buy",
                            .status = "filled",
                            .venue_order_id = "7",
                            .quantity = Decimal::of("1"),
                            .filled_quantity = Decimal::of("1")});
  w.books.fills.push_back({.order = key().to_text(),
                           .venue_trade_id = "11",
                           .quantity = Decimal::of("1"),
                           .price = Decimal::of("100")});
  w.books.positions.push_back(
      {.portfolio = portfolio, .symbol = "BTC/USDT", .quantity = Decimal::of("0.999")});
  w.books.clean_links.push_back(
      {.account = account, .leader_account = leader_account, .percentage = Decimal::of("100")});
  w.books.lot_steps["BTC/USDT"] = Decimal::of("0.001");
  w.books.leader_events = w.books.links_matched = w.books.outcome_rows = 1;
  return w;
}

TEST(Books, AgreeWhenEveryRowHasItsOrderAndFill) {
  const World w = agreeing();
  const Comparison c = compare_books(w.ledger, w.books);
  EXPECT_TRUE(c.agree()) << (c.disagreements.empty() ? "" : c.disagreements[0]);
  EXPECT_EQ(c.ledger_orders, 1);
  EXPECT_EQ(c.ledger_fills, 1);
  EXPECT_EQ(c.tracked_links, 1);
  EXPECT_EQ(c.tracking_error_lots_max, 0.0);
}

TEST(Books, EveryDisagreementIsFound) {
  struct Case {
    const char* what;
    void (*spoil)(World&);
  };
  const Case cases[] = {
      {"order twice on the exchange",
       [](World& w) { w.ledger.orders.push_back(w.ledger.orders[0]); }},
      {"order without row", [](World& w) { w.books.orders.clear(); }},
      {"row without order", [](World& w) { w.ledger.orders.clear(); }},
      {"pending row without order",
       [](World& w) {
         w.books.orders.push_back(w.books.orders[0]);
         w.books.orders[1].id = "another";
         w.books.orders[1].status = "pending";
         w.books.orders[1].filled_quantity = Decimal{};
       }},
      {"other account", [](World& w) { w.books.orders[0].account = leader_account; }},
      {"other side", [](World& w) { w.books.orders[0].side = "sell"; }},
      {"other quantity", [](World& w) { w.books.orders[0].quantity = Decimal::of("2"); }},
      {"other filled quantity",
       [](World& w) { w.books.orders[0].filled_quantity = Decimal::of("0.5"); }},
      {"other status", [](World& w) { w.books.orders[0].status = "cancelled"; }},
      {"lost fill", [](World& w) { w.books.fills.clear(); }},
      {"doubled fill", [](World& w) { w.books.fills.push_back(w.books.fills[0]); }},
      {"invented fill",
       [](World& w) {
         w.books.fills.push_back(w.books.fills[0]);
         w.books.fills[1].venue_trade_id = "12";
       }},
      {"other fill price", [](World& w) { w.books.fills[0].price = Decimal::of("101"); }},
      {"other position", [](World& w) { w.books.positions[0].quantity = Decimal::of("1"); }},
      {"no position row", [](World& w) { w.books.positions.clear(); }},
      {"outcomes missing", [](World& w) { w.books.outcome_rows = 0; }},
      {"event with other count", [](World& w) { w.books.events_with_other_count = 1; }},
      {"copied without fill", [](World& w) { w.books.copied_without_fill = 1; }},
      {"refused record", [](World& w) { w.books.sink_rejects = 1; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    World w = agreeing();
    c.spoil(w);
    EXPECT_FALSE(compare_books(w.ledger, w.books).agree());
  }
}

TEST(Books, TrackingErrorIsMeasuredInLots) {
  World w = agreeing();
  w.books.clean_links[0].percentage = Decimal::of("100.2");
  const Comparison c = compare_books(w.ledger, w.books);
  EXPECT_NEAR(c.tracking_error_lots_max, 1.998, 0.001);
}

TEST(Books, AnUnreadableLedgerIsAnError) {
  EXPECT_FALSE(read_ledger("/nonexistent/ledger.json").has_value());
  const std::string path = testing::TempDir() + "ledger.json";
  std::ofstream(path) << R"({"orders":[{"order_id":1}],"fills":[]})";
  EXPECT_FALSE(read_ledger(path).has_value());
  std::ofstream(path) << R"({"accounts":[],"orders":[],"fills":[]})";
  EXPECT_TRUE(read_ledger(path).has_value());
}

}  // namespace
}  // namespace oneclick
