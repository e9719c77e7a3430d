// The matching engine alone: price before time, what a taker gets, and money that neither appears nor
// vanishes.
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "connectors/paper/exchange.hpp"

namespace oneclick::paper {
namespace {

SymbolRules btc() {
  return {.name = "BTCUSDT", .base = "BTC", .quote = "USDT",
          .tick = Decimal::of("0.01"), .price_min = Decimal::of("0.01"), .price_max = Decimal::of("1000000"),
          .step = Decimal::of("0.001"), .quantity_min = Decimal::of("0.001"), .quantity_max = Decimal::of("1000"),
          .market_quantity_max = Decimal::of("100"), .notional_min = Decimal::of("5")};
}

class MatchingTest : public testing::Test {
 protected:
  MatchingTest()
      : exchange({btc()}, 10, 0,
                 {.on_execution = [this](const Order& o, std::string_view x, const Fill*) {
                    executions.emplace_back(o.client_id, x);
                  },
                  .on_balances = [](const Account&, const std::vector<std::string>&) {},
                  .on_touch = [](const SymbolRules&) {},
                  .on_trade = [](const Fill&) {}}) {
    for (const char* id : {"a", "b", "c"}) {
      Account& account = exchange.add_account(id, id, "secret", "");
      exchange.deposit(account, "USDT", Decimal::of("1000000"));
      exchange.deposit(account, "BTC", Decimal::of("100"));
    }
    exchange.set_market("BTCUSDT", {Decimal::of("100"), Decimal::of("1")}, {Decimal::of("101"), Decimal::of("1")}, 1);
  }
  std::expected<Order*, ApiError> place(const char* who, Side side, Type type, Tif tif, const char* quantity,
                                        const char* price, const std::string& id = "") {
    return exchange.place({.account = exchange.account_by_id(who), .symbol = "BTCUSDT", .side = side, .type = type,
                           .tif = tif, .quantity = Decimal::of(quantity), .quote_quantity = Decimal{},
                           .price = Decimal::of(price), .client_id = id}, 2);
  }
  int code(const std::expected<Order*, ApiError>& result) { return result ? 0 : result.error().code; }
  Decimal total(const std::string& asset) {
    Decimal sum{};
    for (const Account& a : exchange.accounts())
      if (const auto b = a.balances.find(asset); b != a.balances.end()) sum += b->second.free + b->second.locked;
    return sum;
  }

  std::vector<std::pair<std::string, std::string>> executions;
  Exchange exchange;
};

TEST_F(MatchingTest, BetterPricesComeFirstAndThenWhoWasThereFirst) {
  ASSERT_TRUE(place("a", Side::sell, Type::limit, Tif::gtc, "1", "100.50", "first").has_value());
  ASSERT_TRUE(place("b", Side::sell, Type::limit, Tif::gtc, "1", "100.50", "second").has_value());
  ASSERT_TRUE(place("b", Side::sell, Type::limit, Tif::gtc, "1", "100.40", "better").has_value());
  executions.clear();
  const auto bought = place("c", Side::buy, Type::market, Tif::gtc, "2.5", "0", "taker");
  ASSERT_TRUE(bought.has_value());
  std::vector<std::string> makers;
  for (const auto& [id, execution] : executions)
    if (execution == "TRADE" && id != "taker") makers.push_back(id);
  EXPECT_EQ(makers, (std::vector<std::string>{"better", "first", "second"}));
  EXPECT_EQ((*bought)->executed, Decimal::of("2.5"));
  EXPECT_EQ((*bought)->cumulative_quote, Decimal::of("251.15"));
}

TEST_F(MatchingTest, TheRecordedMarketIsFiniteAndMoves) {
  const auto bought = place("a", Side::buy, Type::market, Tif::gtc, "3", "0");
  ASSERT_TRUE(bought.has_value());
  EXPECT_GT((*bought)->cumulative_quote, Decimal::of("303")) << "the second and third cost more than the touch";
  EXPECT_GT(exchange.depth(*exchange.symbol("BTCUSDT"), Side::sell, 1)[0].price, Decimal::of("101"));
}

TEST_F(MatchingTest, ImmediateOrdersTakeWhatIsThereAndEnd) {
  const auto ioc = place("a", Side::buy, Type::limit, Tif::ioc, "5", "101");
  ASSERT_TRUE(ioc.has_value());
  EXPECT_EQ((*ioc)->executed, Decimal::of("1"));
  EXPECT_EQ((*ioc)->status, Status::expired);
  const auto fok = place("b", Side::sell, Type::limit, Tif::fok, "5", "100");
  ASSERT_TRUE(fok.has_value());
  EXPECT_TRUE((*fok)->executed.is_zero());
  EXPECT_EQ((*fok)->status, Status::expired);
  EXPECT_TRUE(exchange.account_by_id("b")->balances["BTC"].locked.is_zero());
}

TEST_F(MatchingTest, RulesAreTheVenues) {
  EXPECT_EQ(code(place("a", Side::buy, Type::limit, Tif::gtc, "0.0005", "100")), -1013);
  EXPECT_EQ(code(place("a", Side::buy, Type::limit, Tif::gtc, "1.0005", "100")), -1013);
  EXPECT_EQ(code(place("a", Side::buy, Type::limit, Tif::gtc, "1", "100.001")), -1013);
  EXPECT_EQ(code(place("a", Side::buy, Type::limit, Tif::gtc, "0.001", "100")), -1013);
  EXPECT_EQ(code(place("a", Side::sell, Type::limit, Tif::gtc, "101", "200")), -2010);
  EXPECT_EQ(code(place("a", Side::buy, Type::limit_maker, Tif::gtc, "1", "101")), -2010);
  EXPECT_EQ(code(place("a", Side::buy, Type::limit, Tif::gtc, "1", "90", "no spaces")), -1100);
  EXPECT_TRUE(exchange.orders().empty());
}

TEST_F(MatchingTest, ClientIdsAreUniqueAmongOpenOrdersOnly) {
  ASSERT_TRUE(place("a", Side::buy, Type::limit, Tif::gtc, "1", "90", "mine").has_value());
  EXPECT_EQ(code(place("a", Side::buy, Type::limit, Tif::gtc, "1", "90", "mine")), -2010);
  EXPECT_TRUE(place("b", Side::buy, Type::limit, Tif::gtc, "1", "90", "mine").has_value()) << "another account's";
  ASSERT_TRUE(exchange.cancel(*exchange.account_by_id("a"), "BTCUSDT", 0, "mine", "", 3).has_value());
  EXPECT_TRUE(place("a", Side::buy, Type::limit, Tif::gtc, "1", "90", "mine").has_value()) << "used again";
}

// Whatever is done, what accounts hold plus what fees and the recorded market took stays the same, nothing
// is below zero, and at the end nothing is locked without an open order.
TEST_F(MatchingTest, MoneyNeitherAppearsNorVanishes) {
  std::mt19937_64 random(42);
  const Decimal usdt = total("USDT"), coins = total("BTC");
  std::vector<std::pair<const char*, std::string>> open;
  for (int i = 0; i < 20'000; ++i) {
    const char* const who = std::array{"a", "b", "c"}[random() % 3];
    const auto side = random() % 2 == 0 ? Side::buy : Side::sell;
    const std::string quantity = "0." + std::to_string(100 + random() % 900);
    const std::string price = std::to_string(95 + random() % 12) + ".5";
    const std::string id = "o" + std::to_string(i);
    switch (random() % 5) {
      case 0: static_cast<void>(place(who, side, Type::market, Tif::gtc, quantity.c_str(), "0")); break;
      case 1: static_cast<void>(place(who, side, Type::limit, Tif::ioc, quantity.c_str(), price.c_str())); break;
      case 2:
        if (!open.empty()) {
          const auto [owner, name] = open[random() % open.size()];
          static_cast<void>(exchange.cancel(*exchange.account_by_id(owner), "BTCUSDT", 0, name, "", 3));
        }
        break;
      case 3: {
        const auto bid = static_cast<std::int64_t>(97 + random() % 6);
        exchange.set_market("BTCUSDT", {Decimal::from_integer(bid), Decimal::of("1")},
                            {Decimal::from_integer(bid + 1), Decimal::of("1")}, 4);
        break;
      }
      default:
        if (place(who, side, Type::limit, Tif::gtc, quantity.c_str(), price.c_str(), id)) open.emplace_back(who, id);
    }
  }
  Decimal usdt_out{}, btc_out{};  // to fees, and to the recorded market
  std::map<std::int64_t, int> sides;
  for (const Fill& f : exchange.fills()) ++sides[f.trade_id];
  for (const Fill& f : exchange.fills()) {
    (f.commission_asset == "USDT" ? usdt_out : btc_out) += f.commission;
    if (sides[f.trade_id] == 2) continue;  // between two clients nothing leaves but fees
    const bool buys = f.order->side == Side::buy;
    usdt_out += buys ? f.quote : -f.quote;
    btc_out += buys ? -f.quantity : f.quantity;
  }
  EXPECT_GT(exchange.fills().size(), 1'000U);
  EXPECT_EQ(total("USDT") + usdt_out, usdt);
  EXPECT_EQ(total("BTC") + btc_out, coins);
  std::map<std::pair<std::string, std::string>, Decimal> locked;
  for (const Order& o : exchange.orders())
    if (o.is_open()) locked[{o.account->id, o.side == Side::buy ? "USDT" : "BTC"}] += o.locked;
  for (const Account& a : exchange.accounts())
    for (const auto& [asset, b] : a.balances) {
      EXPECT_FALSE(b.free.is_negative()) << a.id << " " << asset;
      const Decimal expected = locked[std::pair(a.id, asset)];
      EXPECT_EQ(b.locked, expected) << a.id << " " << asset;
    }
}

}  // namespace
}  // namespace oneclick::paper
