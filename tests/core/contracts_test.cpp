// What contracts cost, how shorts are priced and sized, what they gain, signals both ways, and
// leaders' symbols by other names: lines of RULES.md, sections 3, 5, 9 and 12.
#include <gtest/gtest.h>

#include "engine/core/archive.hpp"
#include "engine/core/sizing.hpp"
#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

using core::CostRate;

// Of a notional of 1000 USDT: what is tied up. 0.10 % fee.
struct CostCase {
  InstrumentKind kind;
  std::int32_t link_e2;
  std::int32_t most_e2;
  std::int32_t slippage_bps;
  const char* cost;
};
constexpr InstrumentKind spot = InstrumentKind::spot, linear = InstrumentKind::linear;
// clang-format off
const CostCase costs[] = {
  // kind  leverage  most    slippage  cost
  {spot,   100,      0,      50,       "1001"},
  {spot,   1'000,    2'000,  50,       "1001"},        // spot lends nothing
  {linear, 100,      2'000,  0,        "1001"},
  {linear, 100,      2'000,  50,       "1006.02512562"},// and 1000 x 0.005 / 0.995
  {linear, 1'000,    2'000,  0,        "101"},
  {linear, 1'000,    2'000,  50,       "106.02512562"},
  {linear, 1'000,    500,    0,        "201"},         // the instrument's five times
  {linear, 1'000,    0,      0,        "1001"},        // it is not lent on
  {linear, 2'000,    2'000,  100,      "61.1010101"},
  {linear, 250,      2'000,  0,        "401"},
  {linear, 12'500,   12'500, 0,        "9"},
  {linear, 12'500,   12'500, 10'000,   "9999009"},     // all of the price: never fits
};
// clang-format on

TEST(Margin, CostsItsShareWhatSlippageMayLoseAndTheFee) {
  for (const CostCase& c : costs) {
    Instrument i = linear_instrument();
    i.kind = c.kind;
    i.leverage_max_e2 = c.most_e2;
    core::Link link{};
    link.leverage_e2 = c.link_e2;
    link.slippage_bps_max = c.slippage_bps;
    const CostRate rate = core::cost_rate(i, link, 10);
    const i128 cost = core::cost_fine(dec("1000"), rate);
    EXPECT_EQ(core::from_fine(cost).to_text(), c.cost) << c.link_e2 << " " << c.slippage_bps;
    // The largest notional that fits does, and one unit more does not.
    const Decimal most = core::affordable(cost, rate);
    EXPECT_LE(core::cost_fine(most, rate), cost);
    EXPECT_GT(core::cost_fine(most + Decimal::from_e8(1), rate), cost);
  }
}

struct PriceCase {
  const char* bid;
  std::int32_t slippage_bps;
  const char* tick;
  const char* floor;
};
TEST(Shorts, SellNoLowerThanTheBidLessTheSlippage) {
  const PriceCase cases[] = {
      {"100", 0, "0.01", "100"},       {"100", 50, "0.01", "99.5"},
      {"99.99", 50, "0.01", "99.5"},  // 99.49005, up
      {"99.99", 50, "0", "99.49005"},  {"100", 10'000, "0.01", "0.01"},
      {"0.05", 9'000, "0.01", "0.01"}, {"33.33", 1, "0.1", "33.4"},
  };
  for (const PriceCase& c : cases)
    EXPECT_EQ(core::floored_price(dec(c.bid), c.slippage_bps, dec(c.tick)), dec(c.floor))
        << c.bid << " " << c.slippage_bps;
}

struct Contracts : ::testing::Test {
  void follow(CopyLink link, std::string_view quote = "1000000") {
    w.add_instrument(linear_instrument());
    w.add_follower(0, link, quote);
    w.heard.clear();
  }
  [[nodiscard]] OutcomeRecord outcome() const { return w.heard.outcomes().back(); }
  World w;
};

// On 10.2 USDT at ten times, half a percent of slippage, 0.1 % fee: 106.025126 for 1000.
TEST_F(Contracts, AnEntryFitsItsMarginAndReservesIt) {
  CopyLink link = make_link(0);
  link.leverage_e2 = 1'000;
  follow(link, "10.2");
  w.leader(Side::sell, "5");
  const Intent entry = w.last_place();
  EXPECT_EQ(entry.side, Side::sell);
  EXPECT_EQ(entry.quantity, dec("0.962")) << "10.2 / 0.10602512563 / 99.99";
  EXPECT_EQ(entry.price, dec("99.5"));
  EXPECT_FALSE(entry.reduce_only);
  w.leader(Side::sell, "5");
  EXPECT_EQ(outcome().reason, Reason::balance) << "it is spent already";
  w.done(entry, "0");
  w.leader(Side::sell, "5");
  EXPECT_EQ(w.last_place().quantity, dec("0.962"));
}

TEST_F(Contracts, ContractSizeGoesWithTheOrderAndQuantitiesStayBaseUnits) {
  Instrument i = linear_instrument();
  i.contract_size = dec("0.01");
  i.lot_step = i.quantity_min = dec("0.01");
  w.add_instrument(i);
  w.add_follower(0);
  w.leader(Side::buy, "1.239");
  EXPECT_EQ(w.last_place().quantity, dec("1.23"));
  EXPECT_EQ(w.last_place().contract_size, dec("0.01"));
  EXPECT_EQ(w.last_place().quantity_decimals, 0) << "whole contracts";
  EXPECT_EQ(contracts_of(dec("1.23"), dec("0.01")), dec("123"));
  EXPECT_EQ(quantity_of(dec("123"), dec("0.01")), dec("1.23"));
  EXPECT_EQ(contracts_of(dec("1.23"), Decimal{}), dec("1.23"));
}

// Fills are at the ask of the world.
TEST_F(Contracts, AShortGainsWhatThePriceFalls) {
  CopyLink link = make_link(0);
  link.daily_loss_usd_max = dec("50");
  follow(link);
  const auto price = [&](std::string_view at) {
    w.ask = w.bid = dec(at);
    w.give(make_event(Price{.venue = Venue::binance,
                            .symbol = btc,
                            .touch = {.bid = w.bid, .ask = w.ask, .time_ns = w.now_ns},
                            .quote_usd = dec("1"),
                            .reference = {}}));
  };
  price("100");
  w.leader(Side::sell, "2");
  w.fill_whole(w.last_place());
  w.heard.clear();
  price("80");
  w.leader(Side::sell, "1");
  w.fill_whole(w.last_place());
  price("110");  // 2 at 100 and 1 at 80: 50 lost
  w.leader(Side::sell, "1");
  EXPECT_EQ(outcome().reason, Reason::daily_loss);
  w.pass(s_ns);
  price("109");
  w.leader(Side::sell, "1");
  w.fill_whole(w.last_place());
  EXPECT_EQ(w.position(0), dec("-4"));
}

struct SignalCase {
  const char* name;
  bool reverse;
  const char* script;  // "b2" buy signal of 2, "s2" sell, "b" without a quantity
  const char* position;
};
TEST(SignalsBothWays, OpenWhereNothingIsHeldAndCloseWhatIsHeldTheOtherWay) {
  const SignalCase cases[] = {
      {"sell opens short", false, "s2", "-2"},
      {"sell adds", false, "s2 s1", "-3"},
      {"buy covers a part", false, "s2 b1", "-1"},
      {"buy covers no more than is held", false, "s2 b5", "0"},
      {"and the next opens", false, "s2 b5 b1", "1"},
      {"buy without a quantity covers all", false, "s2 b", "0"},
      {"sell closes a long", false, "b2 s1", "1"},
      {"sell without a quantity closes all", false, "b2 s", "0"},
      {"the other way: buy is short", true, "b2", "-2"},
      {"the other way: sell covers", true, "b2 s1", "-1"},
      {"the other way: sell is long", true, "s2", "2"},
  };
  for (const SignalCase& c : cases) {
    World w;
    w.add_instrument(linear_instrument());
    CopyLink link = make_link(0);
    link.leader = {};
    link.channel = channel_id();
    link.reverse = c.reverse;
    w.add_follower(0, link);
    std::uint64_t n = 0;
    std::string_view script = c.script;
    while (!script.empty()) {
      const std::string_view step = script.substr(0, script.find(' '));
      script.remove_prefix(std::min(script.size(), step.size() + 1));
      w.heard.clear();
      w.give(make_event(w.signal(LeaderEventKind::signal_published, ++n,
                                 step[0] == 'b' ? SignalType::buy : SignalType::sell,
                                 step.size() > 1 ? step.substr(1) : "0")));
      for (const Intent& i : w.heard.of(IntentKind::place)) w.fill_whole(i);
      EXPECT_EQ(w.heard.outcomes().size(), 1U) << c.name;
    }
    EXPECT_EQ(w.position(0).to_text(), c.position) << c.name;
  }
}

struct Symbols : ::testing::Test {
  void list(std::string_view symbol, std::string_view venue_symbol) {
    Instrument i = linear_instrument();
    i.symbol = Symbol::cut(symbol);
    i.venue_symbol = Symbol::cut(venue_symbol);
    const std::size_t slash = symbol.find('/');
    i.base = Asset::cut(symbol.substr(0, slash));
    i.quote = Asset::cut(symbol.substr(slash + 1, symbol.find(':') - slash - 1));
    w.add_instrument(i);
    w.give(make_event(Price{.venue = Venue::binance,
                            .symbol = i.symbol,
                            .touch = {.bid = dec("100"), .ask = dec("100"), .time_ns = w.now_ns},
                            .quote_usd = dec("1"),
                            .reference = {}}));
  }
  void map(std::string_view venue_symbol, std::string_view symbol, bool present = true) {
    w.give(make_event(SymbolMapping{.venue = Venue::binance,
                                    .present = present,
                                    .venue_symbol = Symbol::cut(venue_symbol),
                                    .symbol = Symbol::cut(symbol)}));
  }
  void equal(std::string_view a, std::string_view b) {
    CoreSettings settings = default_settings();
    settings.quote_equal[0] = {Asset::cut(a), Asset::cut(b)};
    w.give(make_event(Fence{.settings = settings}));
    w.reconcile(0);
  }
  // What a leader elsewhere buys is bought as; or why not.
  std::string copied(std::string_view symbol, Venue venue = Venue::none) {
    w.heard.clear();
    LeaderEvent e = w.leader_fill(Side::buy, "1");
    e.symbol = Symbol::cut(symbol);
    e.venue = venue;
    w.give(make_event(e));
    if (w.heard.of(IntentKind::place).empty())
      return std::string(to_text(w.heard.outcomes().back().reason));
    const Intent i = w.last_place();
    w.fill_whole(i);
    return i.symbol.str() + " " + i.venue_symbol.str();
  }
  void SetUp() override { w.add_follower(0); }
  World w;
};

TEST_F(Symbols, AreFoundByThemselvesThenByNameThenInAnEqualQuote) {
  w.give(make_event([] {
    Balance b{};
    b.account = account_id(0);
    b.asset = Asset::cut("USDC");
    b.free = dec("1000000");
    b.venue_time_ns = 1'800'000'000LL * s_ns;
    return b;
  }()));
  list("BTC/USDT", "BTCUSDT");
  list("ETH/USDC", "ETHUSDC");
  list("SOL/USDC:USDC", "SOLPERP");
  EXPECT_EQ(copied("BTC/USDT"), "BTC/USDT BTCUSDT");
  EXPECT_EQ(copied("BTC/USD"), "unknown_symbol");
  EXPECT_EQ(copied("ETH/USDT"), "unknown_symbol");
  map("BTCUSDT", "BTC/USD");
  EXPECT_EQ(copied("BTC/USD"), "BTC/USDT BTCUSDT");
  EXPECT_EQ(copied("BTC/USDT"), "BTC/USDT BTCUSDT") << "still goes by its own";
  EXPECT_EQ(w.held(0), dec("3")) << "one holding, by the name of the follower's venue";
  equal("USDT", "USDC");
  EXPECT_EQ(copied("ETH/USDT"), "ETH/USDC ETHUSDC");
  EXPECT_EQ(copied("SOL/USDT:USDT"), "SOL/USDC:USDC SOLPERP");
  EXPECT_EQ(copied("SOL/USDT"), "unknown_symbol") << "contracts are not spot";
  EXPECT_EQ(copied("ETH/EUR"), "unknown_symbol");
  map("BTCUSDT", "BTC/EUR");
  EXPECT_EQ(copied("BTC/USD"), "unknown_symbol");
  EXPECT_EQ(copied("BTC/EUR"), "BTC/USDT BTCUSDT");
  map("BTCUSDT", "BTC/EUR", false);
  EXPECT_EQ(copied("BTC/EUR"), "unknown_symbol");
}

TEST_F(Symbols, AMappingMayComeBeforeItsInstrumentAndSurvivesAStart) {
  map("BTCUSDT", "BTC/USD");
  EXPECT_EQ(copied("BTC/USD"), "unknown_symbol");
  list("BTC/USDT", "BTCUSDT");
  auto loaded = Core::load(w.core.save());
  ASSERT_TRUE(loaded.has_value()) << loaded.error();
  EXPECT_EQ(loaded->state_hash(), w.core.state_hash());
  w.core = std::move(*loaded);
  EXPECT_EQ(w.core.symbol_mappings().size(), 1U);
  EXPECT_EQ(copied("BTC/USD"), "BTC/USDT BTCUSDT");
}

TEST_F(Symbols, AreClosedByTheOtherNameAndPricedByTheFollowersMarket) {
  list("BTC/USDT", "BTCUSDT");
  map("BTCUSDT", "BTC/USD");
  copied("BTC/USD");
  w.heard.clear();
  LeaderEvent e = w.leader_fill(Side::sell, "1");
  e.symbol = Symbol::cut("BTC/USD");
  e.venue = Venue::none;
  w.give(make_event(e));
  EXPECT_EQ(w.last_place().symbol.str(), "BTC/USDT");
  EXPECT_TRUE(w.last_place().is_exit);
  w.fill_whole(w.last_place());
  EXPECT_TRUE(w.held(0).is_zero());
  w.pass(6 * s_ns);
  EXPECT_EQ(copied("BTC/USD"), "no_price") << "the leader's touch says nothing here";
}

}  // namespace
}  // namespace oneclick::test
