// Stops, pairs, amendments, self-trade prevention and the average price: who waits for what, what
// is set aside meanwhile, and in which order it is told.
#include <random>

#include "tests/paper/exchange_fixture.hpp"

namespace oneclick::paper {
namespace {

class ContingentTest : public ExchangeTest {
 protected:
  Placement stop(const std::string& who, Side side, Type type, const char* quantity,
                 const char* stop_price, const char* price = "0") {
    Placement p = limit(who, side, quantity, price);
    p.type = type;
    p.stop_price = d(stop_price);
    return p;
  }
  // Sells at the target, or at market at the stop.
  PairPlacement pair(const std::string& who, const char* quantity, const char* target,
                     const char* stop_price) {
    PairPlacement p{.above = limit(who, Side::sell, quantity, target),
                    .below = stop(who, Side::sell, Type::stop_loss, quantity, stop_price),
                    .client_id = ""};
    p.above.type = Type::limit_maker;
    return p;
  }
  OrderList& place(const PairPlacement& p) {
    const auto placed = exchange.place_pair(p, now);
    if (!placed) throw std::runtime_error(placed.error().message);
    return **placed;
  }
  using ExchangeTest::place;
  std::pair<int, std::string> refused_pair(const PairPlacement& p) {
    const std::size_t before = exchange.orders().size();
    const auto placed = exchange.place_pair(p, now);
    EXPECT_EQ(exchange.orders().size(), before) << "a refused pair leaves nothing behind";
    if (placed) return {};
    return {placed.error().code, placed.error().message};
  }
};

// The market stands at 100 / 101, and what it trades at is the bid.
TEST_F(ContingentTest, EveryKindWaitsForItsSideOfTheLastPrice) {
  struct Case {
    Side side;
    Type type;
    const char *stop_price, *just_short, *reached;
  };
  for (const Case& c : {Case{Side::sell, Type::stop_loss, "95", "95.01", "95"},
                        Case{Side::sell, Type::take_profit, "105", "104.99", "105"},
                        Case{Side::buy, Type::stop_loss, "105", "104.99", "105"},
                        Case{Side::buy, Type::take_profit, "95", "95.01", "95"}}) {
    market("100", "1", "101", "1");
    Order& o = place(stop("a", c.side, c.type, "0.5", c.stop_price));
    SCOPED_TRACE(std::string(to_text(c.type)) + c.stop_price);
    EXPECT_EQ(o.status, Status::open);
    EXPECT_EQ(o.working_ms, -1);
    market(c.just_short, "1", "110", "1");
    EXPECT_EQ(o.status, Status::open);
    now += 5;
    market(c.reached, "1", "110", "1");
    EXPECT_EQ(o.status, Status::filled);
    EXPECT_EQ(o.working_ms, now);
    EXPECT_FALSE(exchange.fills().back().maker);
  }
}

TEST_F(ContingentTest, WhatWouldTriggerAtOnceIsRefused) {
  const std::string at_once = "Order would trigger immediately.";
  EXPECT_EQ(refused(stop("a", Side::sell, Type::stop_loss, "1", "100"), at_once), -2010);
  EXPECT_EQ(refused(stop("a", Side::sell, Type::take_profit, "1", "100"), at_once), -2010);
  EXPECT_EQ(refused(stop("a", Side::buy, Type::stop_loss, "1", "100"), at_once), -2010);
  EXPECT_EQ(refused(stop("a", Side::buy, Type::take_profit, "1", "100"), at_once), -2010);
  EXPECT_EQ(refused(stop("a", Side::sell, Type::stop_loss, "1", "95.001"),
                    "Filter failure: PRICE_FILTER"),
            -1013);
  EXPECT_EQ(
      refused(stop("a", Side::sell, Type::stop_loss, "0.05", "95"), "Filter failure: NOTIONAL"),
      -1013);
}

TEST_F(ContingentTest, WaitingOrdersSetAsideWhatTheyPayWith) {
  account("a").balances["BTC"] = {d("100"), Decimal{}};
  place(stop("a", Side::sell, Type::stop_loss, "10", "95"));
  EXPECT_EQ(balance("a", "BTC"), "90/10");
  place(stop("a", Side::buy, Type::stop_loss_limit, "2", "105", "106"));
  EXPECT_EQ(balance("a", "USDT"), "9999788/212");
  place(stop("a", Side::buy, Type::stop_loss, "2", "105"));
  EXPECT_EQ(balance("a", "USDT"), "9999578/422");
  EXPECT_EQ(refused(stop("a", Side::sell, Type::stop_loss, "91", "95"),
                    "Account has insufficient balance for requested action."),
            -2010);
  EXPECT_TRUE(exchange.cancel(account("a"), "BTCUSDT", 1, "", "", now));
  EXPECT_EQ(balance("a", "BTC"), "100/0");
}

TEST_F(ContingentTest, AStopWithALimitRestsWhenTheMarketIsBeyondIt) {
  Order& o = place(stop("a", Side::sell, Type::stop_loss_limit, "1", "95", "94"));
  events.clear();
  market("93", "5", "94", "5");
  EXPECT_EQ(o.status, Status::open);
  EXPECT_GE(o.working_ms, 0);
  EXPECT_EQ(events, (std::vector<std::string>{"a NEW NEW", "a balances"}));
  market("94", "0.4", "95", "1");
  EXPECT_EQ(o.executed, d("0.4"));
  EXPECT_TRUE(exchange.fills().back().maker);
  EXPECT_EQ(exchange.fills().back().price, d("94"));
  EXPECT_TRUE(exchange.cancel(account("a"), "BTCUSDT", o.id, "", "", now));
  EXPECT_EQ(balance("a", "BTC"), "999.6/0");
}

TEST_F(ContingentTest, ATradeOfClientsSetsStopsOffAndOneSetsOffTheNext) {
  Order& first = place(stop("b", Side::sell, Type::stop_loss, "30", "99.97"));
  Order& second = place(stop("c", Side::sell, Type::stop_loss, "1", "99.90"));
  place(at_market("a", Side::sell, "4"));  // 1 at 100, then down the book
  EXPECT_EQ(first.status, Status::filled);
  EXPECT_EQ(second.status, Status::filled);
  EXPECT_LT(second.cumulative_quote, d("99.90"));
}

TEST_F(ContingentTest, ABuyThatBecameTooDearExpires) {
  account("a").balances["USDT"] = {d("106"), Decimal{}};
  Order& o = place(stop("a", Side::buy, Type::stop_loss, "1", "105"));
  market("120", "1", "121", "1");
  EXPECT_EQ(o.status, Status::expired);
  EXPECT_EQ(o.expiry_reason, "REJECTED");
  EXPECT_EQ(balance("a", "USDT"), "106/0");
}

TEST_F(ContingentTest, WaitingOrdersOfAnAccountInASymbolAreBounded) {
  for (std::size_t i = 0; i < algo_orders_max; ++i)
    place(stop("a", Side::sell, Type::stop_loss, "1", "95"));
  EXPECT_EQ(refused(stop("a", Side::sell, Type::stop_loss, "1", "95"),
                    "Filter failure: MAX_NUM_ALGO_ORDERS"),
            -2010);
  place(limit("a", Side::sell, "1", "110"));
}

// ---- pairs ----

TEST_F(ContingentTest, APairSetsItsQuantityAsideOnce) {
  account("a").balances["BTC"] = {d("100"), Decimal{}};
  const OrderList& list = place(pair("a", "10", "110", "95"));
  EXPECT_EQ(balance("a", "BTC"), "90/10");
  EXPECT_EQ(list.legs[0]->working_ms, now);
  EXPECT_EQ(list.legs[1]->working_ms, -1);
  const auto last = std::vector<std::string>(events.end() - 4, events.end());
  EXPECT_EQ(last, (std::vector<std::string>{"a list EXEC_STARTED", "a NEW NEW", "a NEW NEW",
                                            "a balances"}));
  EXPECT_EQ(refused_pair(pair("a", "91", "110", "95")).first, -2010);
}

TEST_F(ContingentTest, ATargetThatFillsEndsTheStop) {
  const OrderList& list = place(pair("a", "1", "110", "95"));
  events.clear();
  market("111", "5", "112", "5");
  EXPECT_EQ(list.legs[0]->status, Status::filled);
  EXPECT_EQ(list.legs[1]->status, Status::expired);
  EXPECT_EQ(list.legs[1]->expiry_reason, "OCO_TRIGGER");
  EXPECT_FALSE(list.is_open);
  EXPECT_EQ(events, (std::vector<std::string>{"a EXPIRED EXPIRED", "a TRADE FILLED 110",
                                              "a list ALL_DONE", "a balances"}));
  EXPECT_EQ(balance("a", "BTC"), "999/0");
  market("90", "5", "91", "5");
  EXPECT_TRUE(list.legs[1]->executed.is_zero()) << "what has expired is set off by nothing";
}

TEST_F(ContingentTest, ATargetThatFillsInPartEndsTheStopAndGoesOnAlone) {
  const OrderList& list = place(pair("a", "3", "110", "95"));
  market("110", "1", "112", "5");
  EXPECT_EQ(list.legs[0]->status, Status::partially_filled);
  EXPECT_EQ(list.legs[1]->status, Status::expired);
  EXPECT_TRUE(list.is_open);
  EXPECT_EQ(balance("a", "BTC"), "997/2");
  EXPECT_TRUE(exchange.cancel(account("a"), "BTCUSDT", list.legs[0]->id, "", "", now));
  EXPECT_FALSE(list.is_open);
  EXPECT_EQ(balance("a", "BTC"), "999/0");
}

TEST_F(ContingentTest, AStopThatIsReachedEndsTheTargetAndSells) {
  const OrderList& list = place(pair("a", "2", "110", "95"));
  events.clear();
  market("94", "5", "95", "5");
  EXPECT_EQ(list.legs[0]->status, Status::expired);
  EXPECT_EQ(list.legs[1]->status, Status::filled);
  EXPECT_EQ(events, (std::vector<std::string>{"a EXPIRED EXPIRED", "a TRADE FILLED 94",
                                              "a list ALL_DONE", "a balances"}));
  EXPECT_EQ(balance("a", "BTC"), "998/0");
}

TEST_F(ContingentTest, CancellingOneOfAPairCancelsBoth) {
  for (const std::size_t leg : {0u, 1u}) {
    OrderList& list = place(pair("a", "2", "110", "95"));
    EXPECT_TRUE(exchange.cancel(account("a"), "BTCUSDT", list.legs[leg]->id, "", "end", now));
    for (const Order* const o : list.legs) {
      EXPECT_EQ(o->status, Status::canceled);
      EXPECT_EQ(o->client_id, "end");
    }
    EXPECT_FALSE(list.is_open);
    EXPECT_EQ(balance("a", "BTC"), "1000/0");
  }
}

TEST_F(ContingentTest, PairsThatMakeNoSenseAreRefusedByName) {
  const auto with = [&](Side side, Type above, const char* above_price, Type below,
                        const char* below_price) {
    const auto leg = [&](Type type, const char* price) {
      Placement p = limit("a", side, "1", is_priced(type) ? price : "0");
      p.type = type;
      if (is_contingent(type)) p.stop_price = d(price);
      return p;
    };
    return refused_pair(
        {.above = leg(above, above_price), .below = leg(below, below_price), .client_id = ""});
  };
  const std::string relation = "The relationship of the prices for the orders is not correct.";
  using enum Type;
  struct Case {
    Side side;
    Type above;
    const char* above_price;
    Type below;
    const char* below_price;
    int code;
  };
  for (const Case& c : {
           Case{Side::sell, limit, "110", stop_loss, "95", -1158},
           Case{Side::sell, limit_maker, "110", Type::market, "95", -1158},
           Case{Side::sell, limit_maker, "110", limit_maker, "95", -1168},
           Case{Side::sell, stop_loss, "110", limit_maker, "95", -1197},
           Case{Side::sell, take_profit, "110", limit_maker, "95", -1166},
           Case{Side::sell, limit_maker, "110", take_profit, "95", -1199},
           Case{Side::buy, stop_loss, "110", stop_loss, "95", -1196},
           Case{Side::buy, limit_maker, "110", take_profit, "95", -1165},
           Case{Side::buy, take_profit, "110", limit_maker, "95", -1198},
           Case{Side::sell, limit_maker, "100", stop_loss, "95", -2010},
           Case{Side::sell, limit_maker, "110", stop_loss, "100", -2010},
           Case{Side::buy, stop_loss, "100", limit_maker, "95", -2010},
       }) {
    const auto [code, message] = with(c.side, c.above, c.above_price, c.below, c.below_price);
    EXPECT_EQ(code, c.code) << to_text(c.above) << ' ' << to_text(c.below) << ' ' << message;
    if (c.code == -2010) {
      EXPECT_EQ(message, relation);
    }
  }
  PairPlacement twice = pair("a", "1", "110", "95");
  twice.above.client_id = twice.below.client_id = "same";
  EXPECT_EQ(refused_pair(twice).second, "Duplicate order sent.");
  PairPlacement named = pair("a", "1", "110", "95");
  named.client_id = "list";
  place(named);
  EXPECT_EQ(refused_pair(named).second, "Duplicate order sent.");
}

// ---- amendments ----

TEST_F(ContingentTest, AnAmendmentKeepsThePlaceInTheBook) {
  Order& first = place(limit("a", Side::sell, "5", "100.50"));
  Order& second = place(limit("b", Side::sell, "1", "100.50"));
  ASSERT_TRUE(exchange.amend(first, d("2"), "smaller", now));
  EXPECT_EQ(balance("a", "BTC"), "998/2");
  place(limit("c", Side::buy, "2.5", "100.50"));
  EXPECT_EQ(first.status, Status::filled);
  EXPECT_EQ(second.executed, d("0.5"));
  EXPECT_EQ(exchange.find(account("a"), "BTCUSDT", 0, "smaller").value()->id, first.id);
}

TEST_F(ContingentTest, AmendmentsUpwardsOrToNothingAreRefused) {
  Order& o = place(limit("a", Side::sell, "5", "110"));
  const auto code = [&](const char* quantity) {
    const auto amended = exchange.amend(o, d(quantity), "", now);
    return amended ? 0 : amended.error().code;
  };
  EXPECT_EQ(code("5"), -2038);
  EXPECT_EQ(code("6"), -2038);
  EXPECT_EQ(code("0.0001"), -1013);
  EXPECT_EQ(code("0.01"), -1013);  // too little money
  EXPECT_EQ(o.quantity, d("5"));
  EXPECT_EQ(balance("a", "BTC"), "995/5");
}

TEST_F(ContingentTest, AmendingOneOfAPairAmendsBoth) {
  OrderList& list = place(pair("a", "3", "110", "95"));
  ASSERT_TRUE(exchange.amend(*list.legs[1], d("2"), "", now));
  EXPECT_EQ(list.legs[0]->quantity, d("2"));
  EXPECT_EQ(balance("a", "BTC"), "998/2");
  market("94", "5", "95", "5");
  EXPECT_EQ(balance("a", "BTC"), "998/0");
}

// ---- self-trade prevention ----

TEST_F(ContingentTest, TheTakersModeSaysWhoExpires) {
  struct Case {
    SelfTrade mode;
    Status maker, taker;
    const char* taken;
  };
  for (const Case& c :
       {Case{SelfTrade::none, Status::filled, Status::partially_filled, "2"},
        Case{SelfTrade::expire_maker, Status::expired_in_match, Status::partially_filled, "1"},
        Case{SelfTrade::expire_taker, Status::open, Status::expired_in_match, "1"},
        Case{SelfTrade::expire_both, Status::expired_in_match, Status::expired_in_match, "1"}}) {
    SCOPED_TRACE(to_text(c.mode));
    market("100", "1", "103", "1");
    Order& other = place(limit("b", Side::sell, "1", "101"));
    Order& own = place(limit("a", Side::sell, "1", "102"));
    Placement p = limit("a", Side::buy, "3", "102");
    p.self_trade = c.mode;
    Order& taker = place(p);
    EXPECT_EQ(other.status, Status::filled);
    EXPECT_EQ(own.status, c.maker);
    EXPECT_EQ(taker.status, c.taker);
    EXPECT_EQ(taker.executed, d(c.taken));
    for (Order* const o : {&own, &taker}) {
      if (o->is_open()) {
        ASSERT_TRUE(exchange.cancel(account("a"), "BTCUSDT", o->id, "", "", now));
      }
    }
    EXPECT_TRUE(account("a").balances["USDT"].locked.is_zero());
    EXPECT_TRUE(account("a").balances["BTC"].locked.is_zero());
  }
}

// ---- the average price ----

TEST_F(ContingentTest, TheAverageIsOfTheLastFiveMinutes) {
  const SymbolRules& s = *exchange.symbol("BTCUSDT");
  EXPECT_EQ(exchange.average(s, now).price, d("100"));
  now += 60'000;
  market("130", "1", "131", "1");
  EXPECT_EQ(exchange.average(s, now).price, d("115"));
  EXPECT_EQ(exchange.average(s, now).last_trade_ms, now);
  EXPECT_EQ(exchange.average(s, now + 239'000).price, d("115"));
  EXPECT_EQ(exchange.average(s, now + 240'000).price, d("130"));
  EXPECT_TRUE(exchange.average(s, now + 300'000).price.is_zero());
}

// ---- conservation ----

TEST_F(ContingentTest, NoMoneyIsMadeOrLostInRandomOperationsWithStopsAndPairs) {
  constexpr std::uint64_t seed = 20'261'128;
  std::mt19937_64 random(seed);
  SCOPED_TRACE(seed);
  const auto upto = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
  };
  const auto ticks = [&](std::int64_t from, std::int64_t range) {
    return Decimal::from_e8(i128(from + upto(range)) * 1'000'000);
  };
  const std::map<std::string, Decimal> deposited = totals(exchange).held;
  const std::vector<std::string> names{"a", "b", "c"};
  std::size_t pairs = 0, triggered = 0, prevented = 0;
  for (int n = 0; n < 60'000; ++n) {
    now += upto(50);
    const std::string& who = names[static_cast<std::size_t>(upto(3))];
    const std::int64_t what = upto(20);
    if (what < 3) {
      const Decimal bid = ticks(9'700, 600);
      exchange.set_market("BTCUSDT", {bid, Decimal::from_e8(i128(upto(3'000)) * 100'000)},
                          {bid + ticks(1, 20), Decimal::from_e8(i128(upto(3'000)) * 100'000)}, now);
    } else if (what < 6) {
      const auto& open = account(who).open_by_client_id;
      if (open.empty()) continue;
      const auto one = std::next(open.begin(), upto(static_cast<std::int64_t>(open.size())));
      ASSERT_TRUE(exchange.cancel(account(who), "BTCUSDT", one->second, "", "", now));
    } else {
      Placement p{};
      p.account = &account(who);
      p.symbol = "BTCUSDT";
      p.side = upto(2) == 0 ? Side::buy : Side::sell;
      p.type = static_cast<Type>(upto(7));
      p.tif = p.type == Type::limit || p.type == Type::stop_loss_limit ? static_cast<Tif>(upto(3))
                                                                       : Tif::gtc;
      p.self_trade = static_cast<SelfTrade>(upto(4));
      p.quantity = Decimal::from_e8(i128(50 + upto(20'000)) * 100'000);
      if (is_priced(p.type)) p.price = ticks(9'680, 640);
      if (is_contingent(p.type)) p.stop_price = ticks(9'680, 640);
      if (what < 12) {
        static_cast<void>(exchange.place(p, now));
        continue;
      }
      const bool sells = p.side == Side::sell;
      Placement target = p, stop = p;
      target.type = Type::limit_maker;
      target.tif = stop.tif = Tif::gtc;
      target.price = sells ? ticks(10'000, 320) : ticks(9'680, 320);
      target.stop_price = Decimal{};
      stop.type = upto(2) == 0 ? Type::stop_loss : Type::stop_loss_limit;
      stop.stop_price = sells ? ticks(9'680, 320) : ticks(10'000, 320);
      stop.price = stop.type == Type::stop_loss ? Decimal{} : stop.stop_price;
      if (exchange.place_pair(
              {.above = sells ? target : stop, .below = sells ? stop : target, .client_id = ""},
              now))
        ++pairs;
    }
    if (n % 500 != 0) continue;
    for (const Account& a : exchange.accounts())
      for (const auto& [asset, b] : a.balances) {
        ASSERT_FALSE(b.free.is_negative()) << n << ' ' << a.id << ' ' << asset;
        ASSERT_FALSE(b.locked.is_negative()) << n << ' ' << a.id << ' ' << asset;
      }
  }
  for (const Order& o : exchange.orders()) {
    if (is_contingent(o.type) && o.executed.is_positive()) ++triggered;
    if (o.status == Status::expired_in_match) ++prevented;
  }
  EXPECT_GT(pairs, 1'000u);
  EXPECT_GT(triggered, 500u);
  EXPECT_GT(prevented, 100u);
  std::map<std::pair<const Account*, std::string>, Decimal> locked;
  const auto needs = [](const Order& o) {
    return o.side == Side::buy
               ? mul(o.remaining(), is_priced(o.type) ? o.price : o.stop_price, Round::up)
               : o.remaining();
  };
  for (const Order& o : exchange.orders()) {
    if (!o.is_open()) continue;
    const std::string& asset = o.side == Side::buy ? o.symbol->quote : o.symbol->base;
    const bool paired =
        o.list != nullptr && o.list->legs[0]->is_open() && o.list->legs[1]->is_open();
    if (!paired) {
      locked[{o.account, asset}] += needs(o);
    } else if (o.list->legs[0] == &o) {
      locked[{o.account, asset}] += max(needs(o), needs(*o.list->legs[1]));
    }
  }
  for (const Account& a : exchange.accounts())
    for (const auto& [asset, b] : a.balances)
      EXPECT_EQ(b.locked.to_text(), (locked[{&a, asset}].to_text())) << a.id << ' ' << asset;
  for (const OrderList& list : exchange.lists()) {
    EXPECT_EQ(list.is_open, list.legs[0]->is_open() || list.legs[1]->is_open());
    EXPECT_FALSE(list.legs[0]->executed.is_positive() && list.legs[1]->executed.is_positive())
        << "both orders of a pair traded";
  }
  const Totals t = totals(exchange);
  for (const auto& [asset, held] : t.held) {
    const auto of = [&](const std::map<std::string, Decimal>& m) {
      const auto found = m.find(asset);
      return found == m.end() ? Decimal{} : found->second;
    };
    EXPECT_EQ((held + of(t.fees) + of(t.outside)).to_text(), of(deposited).to_text()) << asset;
  }
}

}  // namespace
}  // namespace oneclick::paper
