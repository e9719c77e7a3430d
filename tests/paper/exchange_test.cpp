// The matching engine and its ledger alone: what fills, at which price, and that no money is made
// or lost.
#include <random>

#include "tests/paper/exchange_fixture.hpp"

namespace oneclick::paper {
namespace {

TEST_F(ExchangeTest, MarketBuyWalksTheBookFromTheBestPriceOn) {
  const Order& o = place(at_market("a", Side::buy, "2"));
  EXPECT_EQ(o.status, Status::filled);
  ASSERT_EQ(o.fills.size(), 2u);
  EXPECT_EQ(exchange.fills()[0].price, d("101"));
  EXPECT_EQ(exchange.fills()[0].quantity, d("1"));
  EXPECT_EQ(exchange.fills()[1].price, d("101.01"));
  EXPECT_EQ(o.cumulative_quote, d("202.01"));
  // The fee is taken from what is received: 10 bps of 2 BTC.
  EXPECT_EQ(balance("a", "BTC"), "1001.998/0");
  EXPECT_EQ(balance("a", "USDT"), "9999797.99/0");
  EXPECT_EQ(trades, 2);
}

TEST_F(ExchangeTest, ATradeTakesFromTheRecordedBookUntilTheNextFigure) {
  place(at_market("a", Side::buy, "1"));
  EXPECT_EQ(exchange.depth(*exchange.symbol("BTCUSDT"), Side::sell, 1)[0].price, d("101.01"));
  market("100", "1", "101", "1");
  EXPECT_EQ(exchange.depth(*exchange.symbol("BTCUSDT"), Side::sell, 1)[0].price, d("101"));
}

TEST_F(ExchangeTest, MarketBuyByMoneySpendsNoMoreThanIsSaid) {
  const Order& o = place(at_market("a", Side::buy, "0", "150"));
  EXPECT_EQ(o.status, Status::filled);
  EXPECT_EQ(o.executed, d("1.485"));  // 1 at 101, then 0.485 at 101.01: 48.98985 of the 49 left
  EXPECT_EQ(o.quantity, o.executed);
  EXPECT_LE(o.cumulative_quote, d("150"));
}

TEST_F(ExchangeTest, MarketSellByMoneyNeedsTheBaseItSells) {
  account("a").balances["BTC"] = {d("0.5"), Decimal{}};
  EXPECT_EQ(refused(at_market("a", Side::sell, "0", "100"),
                    "Account has insufficient balance for requested action."),
            -2010);
  const Order& o = place(at_market("a", Side::sell, "0", "50"));
  EXPECT_EQ(o.executed, d("0.5"));
  EXPECT_EQ(balance("a", "BTC"), "0/0");
}

TEST_F(ExchangeTest, MarketOrderBeyondTheBookExpiresWithWhatItGot) {
  const Order& o = place(at_market("a", Side::sell, "500"));
  EXPECT_EQ(o.status, Status::expired);
  EXPECT_TRUE(o.executed.is_positive());
  EXPECT_LT(o.executed, d("500"));
  EXPECT_EQ(balance("a", "BTC"), (d("1000") - o.executed).to_text() + "/0");
  EXPECT_EQ(events.back(), "a balances");
  EXPECT_EQ(events[events.size() - 2], "a EXPIRED EXPIRED");
  // Nothing is left to buy from: the next one expires without a fill.
  const Order& none = place(at_market("b", Side::sell, "1"));
  EXPECT_EQ(none.status, Status::expired);
  EXPECT_TRUE(none.executed.is_zero());
  EXPECT_EQ(balance("b", "BTC"), "1000/0");
}

TEST_F(ExchangeTest, MarketOrderByMoneyThatEmptiesTheBookExpires) {
  const Order& o = place(at_market("a", Side::buy, "0", "1000000"));
  EXPECT_EQ(o.status, Status::expired);
  EXPECT_LT(o.executed, o.quantity);
  EXPECT_TRUE(o.executed.is_positive());
}

TEST_F(ExchangeTest, ATouchWithoutQuantityIsNoLevel) {
  market("100", "1", "101", "0");
  const Order& o = place(at_market("a", Side::buy, "1"));
  EXPECT_EQ(o.status, Status::filled);
  EXPECT_EQ(exchange.fills()[0].price, d("101.01"));
}

TEST_F(ExchangeTest, RestingOrdersFillByPriceThenTime) {
  Order& late = place(limit("a", Side::sell, "1", "100.60"));
  Order& first = place(limit("b", Side::sell, "1", "100.50"));
  Order& second = place(limit("c", Side::sell, "1", "100.50"));
  const Order& taker = place(limit("a", Side::buy, "1.5", "101"));
  EXPECT_EQ(taker.status, Status::filled);
  EXPECT_EQ(first.status, Status::filled);
  EXPECT_EQ(second.status, Status::partially_filled);
  EXPECT_EQ(second.executed, d("0.5"));
  EXPECT_EQ(late.status, Status::open);
  EXPECT_EQ(taker.cumulative_quote, d("150.75"));
  // Both sides of a trade carry its number; makers pay the maker's fee.
  ASSERT_EQ(exchange.fills().size(), 4u);
  EXPECT_EQ(exchange.fills()[0].trade_id, exchange.fills()[1].trade_id);
  EXPECT_TRUE(exchange.fills()[0].maker);
  EXPECT_EQ(exchange.fills()[0].commission, d("0.201"));
  EXPECT_EQ(exchange.fills()[0].commission_asset, "USDT");
  EXPECT_EQ(exchange.fills()[1].commission, d("0.001"));
  EXPECT_EQ(exchange.fills()[1].commission_asset, "BTC");
}

TEST_F(ExchangeTest, AtOnePriceTheRecordedMarketIsServedFirst) {
  Order& resting = place(limit("b", Side::sell, "1", "101"));
  place(limit("a", Side::buy, "1", "101"));
  EXPECT_EQ(resting.status, Status::open);
  place(limit("a", Side::buy, "0.4", "101"));
  EXPECT_EQ(resting.executed, d("0.4"));
}

TEST_F(ExchangeTest, ALimitBuyPaysThePriceOfTheBookAndFreesTheDifference) {
  const Order& o = place(limit("a", Side::buy, "3", "101"));
  EXPECT_EQ(o.status, Status::partially_filled);
  EXPECT_EQ(balance("a", "USDT"), "9999697/202");
  place(limit("b", Side::sell, "3", "90"));  // takes the best bid: the rest of it, at 101
  EXPECT_EQ(o.status, Status::filled);
  EXPECT_EQ(balance("a", "USDT"), "9999697/0");
  // Bought far below the limit: only what the rest needs stays set aside.
  market("100", "1", "101", "1");
  const Order& high = place(limit("c", Side::buy, "50", "101.02"));
  EXPECT_EQ(high.status, Status::partially_filled);
  const Decimal rest = mul(high.remaining(), d("101.02"), Round::up);
  EXPECT_EQ(account("c").balances["USDT"].locked, rest);
  EXPECT_EQ(account("c").balances["USDT"].free, d("10000000") - high.cumulative_quote - rest);
}

TEST_F(ExchangeTest, TheMarketMovingThroughARestingOrderFillsItAtItsPrice) {
  const Order& o = place(limit("a", Side::buy, "3", "99"));
  events.clear();
  market("98", "1", "98.50", "2");
  EXPECT_EQ(o.status, Status::filled);
  EXPECT_EQ(o.cumulative_quote, d("297"));
  EXPECT_EQ(events, (std::vector<std::string>{"a TRADE PARTIALLY_FILLED 99", "a balances",
                                              "a TRADE FILLED 99", "a balances"}));
  EXPECT_EQ(balance("a", "USDT"), "9999703/0");
}

TEST_F(ExchangeTest, ImmediateOrCancelKeepsWhatItGot) {
  const Order& o = place(limit("a", Side::buy, "5", "101", Tif::ioc));
  EXPECT_EQ(o.status, Status::expired);
  EXPECT_EQ(o.executed, d("1"));
  EXPECT_EQ(balance("a", "USDT"), "9999899/0");
}

TEST_F(ExchangeTest, FillOrKillIsAllOrNothing) {
  const Order& killed = place(limit("a", Side::buy, "5", "101", Tif::fok));
  EXPECT_EQ(killed.status, Status::expired);
  EXPECT_TRUE(killed.executed.is_zero());
  EXPECT_EQ(balance("a", "USDT"), "10000000/0");
  EXPECT_EQ(place(limit("a", Side::buy, "1", "101", Tif::fok)).status, Status::filled);
}

TEST_F(ExchangeTest, PostOnlyNeverTakes) {
  Placement p = limit("a", Side::buy, "1", "101");
  p.type = Type::limit_maker;
  EXPECT_EQ(refused(p, "Order would immediately match and take."), -2010);
  p.price = d("100.50");
  EXPECT_EQ(place(p).status, Status::open);
}

TEST_F(ExchangeTest, RefusesWithTheVenuesCodesAndTexts) {
  Placement unknown = limit("a", Side::buy, "1", "100");
  unknown.symbol = "NOPE";
  Placement odd_id = limit("a", Side::buy, "1", "100");
  odd_id.client_id = "has space";
  Placement long_id = limit("a", Side::buy, "1", "100");
  long_id.client_id = std::string(37, 'x');
  const std::string id_text =
      "Illegal characters found in parameter 'newClientOrderId'; legal range is "
      "'^[a-zA-Z0-9-_.:/]{1,36}$'.";
  const struct {
    Placement placement;
    int code;
    std::string text;
  } table[] = {
      {unknown, -1121, "Invalid symbol."},
      {odd_id, -1100, id_text},
      {long_id, -1100, id_text},
      {limit("a", Side::buy, "1", "100.001"), -1013, "Filter failure: PRICE_FILTER"},
      {limit("a", Side::buy, "1", "1000000.01"), -1013, "Filter failure: PRICE_FILTER"},
      {limit("a", Side::buy, "0.0005", "100"), -1013, "Filter failure: LOT_SIZE"},
      {limit("a", Side::buy, "1.0005", "100"), -1013, "Filter failure: LOT_SIZE"},
      {limit("a", Side::sell, "9001", "100"), -1013, "Filter failure: LOT_SIZE"},
      {at_market("a", Side::sell, "501"), -1013, "Filter failure: MARKET_LOT_SIZE"},
      {limit("a", Side::buy, "0.049", "100"), -1013, "Filter failure: NOTIONAL"},
      {at_market("a", Side::buy, "0.049"), -1013, "Filter failure: NOTIONAL"},
      {at_market("a", Side::buy, "0", "4.99"), -1013, "Filter failure: NOTIONAL"},
      {limit("a", Side::buy, "9000", "1001"), -1013, "Filter failure: NOTIONAL"},
      {limit("a", Side::sell, "1001", "200"), -2010,
       "Account has insufficient balance for requested action."},
  };
  for (const auto& row : table) EXPECT_EQ(refused(row.placement, row.text), row.code) << row.text;
  EXPECT_TRUE(events.empty());
}

TEST_F(ExchangeTest, AClientOrderIdIsFreeAgainWhenItsOrderHasEnded) {
  Placement p = limit("a", Side::buy, "1", "99");
  p.client_id = "mine";
  const std::int64_t first = place(p).id;
  EXPECT_EQ(refused(p, "Duplicate order sent."), -2010);
  p.account = &account("b");
  place(p);  // another account's ids are its own
  p.account = &account("a");
  ASSERT_TRUE(exchange.cancel(account("a"), "BTCUSDT", 0, "mine", "", now));
  EXPECT_EQ(exchange.cancel(account("a"), "BTCUSDT", first, "", "", now).error().code, -2011);
  const std::int64_t second = place(p).id;
  EXPECT_NE(first, second);
  EXPECT_EQ((*exchange.find(account("a"), "BTCUSDT", 0, "mine"))->id, second);
  EXPECT_EQ((*exchange.find(account("a"), "BTCUSDT", first, ""))->status, Status::canceled);
  EXPECT_EQ(exchange.find(account("c"), "BTCUSDT", first, "").error().code, -2013);
  EXPECT_EQ(exchange.find(account("a"), "ETHUSDT", first, "").error().code, -2013);
  EXPECT_EQ(exchange.find(account("a"), "BTCUSDT", 1'000'000, "").error().code, -2013);
}

TEST_F(ExchangeTest, OpenOrdersOfAnAccountInASymbolAreBounded) {
  for (std::size_t i = 0; i < open_orders_max; ++i) place(limit("a", Side::buy, "0.1", "90"));
  EXPECT_EQ(refused(limit("a", Side::buy, "0.1", "90"), "Filter failure: MAX_NUM_ORDERS"), -2010);
  EXPECT_EQ(place(limit("b", Side::buy, "0.1", "90")).status, Status::open);
}

// ---- conservation ----

TEST_F(ExchangeTest, NoMoneyIsMadeOrLostInAHundredThousandRandomOperations) {
  constexpr std::uint64_t seed = 20'260'801;
  std::mt19937_64 random(seed);
  SCOPED_TRACE(seed);
  const auto upto = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
  };
  exchange.set_market("ETHUSDT", {d("50"), d("2")}, {d("50.07"), d("2")}, now);
  const std::map<std::string, Decimal> deposited = totals(exchange).held;
  const std::vector<std::string> names{"a", "b", "c"};
  std::size_t filled = 0, refusals = 0;
  for (int n = 0; n < 100'000; ++n) {
    now += upto(50);
    const std::string& who = names[static_cast<std::size_t>(upto(3))];
    const std::string symbol = upto(3) == 0 ? "ETHUSDT" : "BTCUSDT";
    const std::int64_t middle = symbol == "ETHUSDT" ? 5'000 : 10'000;  // in ticks
    const std::int64_t what = upto(20);
    if (what == 0) {
      const Decimal bid = Decimal::from_e8(i128(middle - 300 + upto(600)) * 1'000'000);
      exchange.set_market(symbol, {bid, Decimal::from_e8(i128(upto(3'000)) * 100'000)},
                          {bid + Decimal::from_e8(i128(1 + upto(20)) * 1'000'000),
                           Decimal::from_e8(i128(upto(3'000)) * 100'000)},
                          now);
      continue;
    }
    if (what < 5) {
      const auto& open = account(who).open_by_client_id;
      if (open.empty()) continue;
      const auto one = std::next(open.begin(), upto(static_cast<std::int64_t>(open.size())));
      const std::int64_t id = one->second;
      const std::string of = exchange.orders()[static_cast<std::size_t>(id - 1)].symbol->name;
      ASSERT_TRUE(exchange.cancel(account(who), of, id, "", "", now));
      continue;
    }
    Placement p{};
    p.account = &account(who);
    p.symbol = symbol;
    p.side = upto(2) == 0 ? Side::buy : Side::sell;
    p.type = what < 9 ? Type::market : what < 11 ? Type::limit_maker : Type::limit;
    p.tif = what < 14 ? Tif::gtc : what < 16 ? Tif::ioc : what < 18 ? Tif::fok : Tif::gtc;
    p.quantity = Decimal::from_e8(i128(50 + upto(20'000)) * 100'000);
    if (p.type == Type::market && upto(2) == 0) {
      p.quote_quantity = Decimal::from_e8(i128(upto(300'000)) * 1'234'567);
      p.quantity = Decimal{};
    }
    if (p.type != Type::market)
      p.price = Decimal::from_e8(i128(middle - 320 + upto(640)) * 1'000'000);
    const auto placed = exchange.place(p, now);
    if (!placed) {
      ++refusals;
      continue;
    }
    if ((*placed)->executed.is_positive()) ++filled;
    if (n % 1'000 != 0) continue;
    for (const Account& a : exchange.accounts())
      for (const auto& [asset, b] : a.balances) {
        ASSERT_FALSE(b.free.is_negative()) << n << ' ' << a.id << ' ' << asset;
        ASSERT_FALSE(b.locked.is_negative()) << n << ' ' << a.id << ' ' << asset;
      }
  }
  EXPECT_GT(filled, 10'000u);
  EXPECT_GT(refusals, 100u);
  const Totals t = totals(exchange);
  for (const auto& [asset, held] : t.held) {
    const auto of = [&](const std::map<std::string, Decimal>& m) {
      const auto found = m.find(asset);
      return found == m.end() ? Decimal{} : found->second;
    };
    EXPECT_EQ((held + of(t.fees) + of(t.outside)).to_text(), of(deposited).to_text()) << asset;
  }
  // What is set aside is what open orders need, and an order's figures are those of its fills.
  std::map<std::pair<const Account*, std::string>, Decimal> locked;
  for (const Order& o : exchange.orders()) {
    Decimal executed{}, quote{};
    for (const std::size_t i : o.fills) {
      executed += exchange.fills()[i].quantity;
      quote += exchange.fills()[i].quote;
    }
    ASSERT_EQ(o.executed, executed) << o.id;
    ASSERT_EQ(o.cumulative_quote, quote) << o.id;
    ASSERT_EQ(o.status == Status::filled, o.remaining().is_zero() && !o.fills.empty()) << o.id;
    if (o.is_open())
      locked[{o.account, o.side == Side::buy ? o.symbol->quote : o.symbol->base}] +=
          o.side == Side::buy ? mul(o.remaining(), o.price, Round::up) : o.remaining();
  }
  for (const Account& a : exchange.accounts())
    for (const auto& [asset, b] : a.balances)
      EXPECT_EQ(b.locked, (locked[{&a, asset}])) << a.id << ' ' << asset;
  // The book is not crossed: what could trade has traded.
  for (const SymbolRules& s : exchange.symbols()) {
    const auto bids = exchange.depth(s, Side::buy, 1), asks = exchange.depth(s, Side::sell, 1);
    if (bids.empty() || asks.empty()) continue;
    EXPECT_LT(bids[0].price, asks[0].price) << s.name;
  }
}

TEST_F(ExchangeTest, TheUnfilledOrderCountFallsWithFirstFills) {
  Account& a = account("a");
  a.roll(now);
  a.window_count = a.day_count = 7;
  place(limit("a", Side::buy, "2", "101"));  // partly filled as taker: one back
  EXPECT_EQ(a.window_count, 6u);
  place(limit("b", Side::sell, "1", "101"));  // its second fill: nothing more
  EXPECT_EQ(a.window_count, 6u);
  place(limit("a", Side::sell, "1", "100.50"));
  place(limit("b", Side::buy, "1", "100.50"));  // first fill as maker: five back
  EXPECT_EQ(a.window_count, 1u);
  EXPECT_EQ(a.day_count, 1u);
  now += 10'000;
  a.roll(now);
  EXPECT_EQ(a.window_count, 0u);
  EXPECT_EQ(a.day_count, 1u);
}

}  // namespace
}  // namespace oneclick::paper
