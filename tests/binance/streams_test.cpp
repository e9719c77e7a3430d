// Leaders' account streams and market data against a scripted venue.
#include <gtest/gtest.h>

#include "tests/binance/fake_venue.hpp"

namespace oneclick::binance::test {
namespace {

class LeaderTest : public VenueTest {
 protected:
  void start(Config config) {
    shared = share(std::move(config));
    shared->publish_instruments(instruments());
    shared->offset.add_sample(shared->now_ns(), shared->now_ns(), FakeVenue::now_ms());
    LeaderStreamOptions options;
    options.feed.account = account_id(1);
    options.feed.leader = {{7, 7}};
    options.feed.venue = Venue::binance;
    options.feed.authoritative = true;
    options.feed.baseline_ns = baseline_ns;
    options.credentials = credentials("leader");
    stream = make_leader_stream(reactor, shared, std::move(options), sink);
  }
  void start_up(Config config) {
    start(std::move(config));
    ASSERT_TRUE(run_until([&] { return stream->up(); }));
  }
  // The trade history of one symbol as the venue would give it, from its start time or first id on.
  struct Trade {
    std::int64_t id, time_ms;
    std::string symbol = "BTCUSDT";
    std::string order = "77";
  };
  std::optional<std::string> history(const Asked& a) {
    if (a.method == "GET /api/v3/order") {
      const bool engine = a.at("orderId") == "88";
      return R"({"symbol":"BTCUSDT","orderId":)" + a.at("orderId") + R"(,"clientOrderId":")" +
             (engine ? client_id(key(5)) : "web_1") + "\"}";
    }
    if (a.method != "GET /api/v3/myTrades") return std::nullopt;
    std::string out;
    std::size_t count = 0;
    const std::size_t limit = page > 0 ? page : 1'000;
    for (const Trade& t : trades) {
      if (t.symbol != a.at("symbol")) continue;
      if (!a.at("startTime").empty() && t.time_ms < std::stoll(a.at("startTime"))) continue;
      if (!a.at("fromId").empty() && t.id < std::stoll(a.at("fromId"))) continue;
      if (count++ == limit) break;
      out += (out.empty() ? "" : ",") + std::string("{\"symbol\":\"") + t.symbol +
             "\",\"id\":" + std::to_string(t.id) + ",\"orderId\":" + t.order +
             ",\"price\":\"100\",\"qty\":\"1\",\"quoteQty\":\"100\",\"commission\":\"0.001\"," +
             "\"commissionAsset\":\"BTC\",\"time\":" + std::to_string(t.time_ms) +
             ",\"isBuyer\":true,\"isMaker\":false}";
    }
    return "[" + out + "]";
  }
  std::vector<std::string> fill_ids() {
    std::vector<std::string> out;
    for (const LeaderEvent& e : sink.fills()) {
      for (int id = 1; id < 3'000; ++id) {
        if (e.id != fill_event_id(Venue::binance, account_id(1), "77", std::to_string(id)))
          continue;
        out.push_back(std::to_string(id));
      }
    }
    return out;
  }

  std::int64_t baseline_ns = wall_now_ns() - 3'600 * second;
  std::vector<Trade> trades;
  std::size_t page = 0;
  std::shared_ptr<VenueShared> shared;
  std::unique_ptr<LeaderStream> stream;
};

TEST_F(LeaderTest, TurnsFillsIntoLeaderEvents) {
  start_up(venue.config());
  const std::int64_t before = shared->now_ns();
  const std::int64_t time_ms = FakeVenue::now_ms();
  venue.push_trade("leader", "web_1", "41", "PARTIALLY_FILLED", "0.25", "0.25", "BTCUSDT", time_ms);
  ASSERT_TRUE(run_until([&] { return !sink.fills().empty(); }));
  const LeaderEvent e = sink.fills()[0];
  EXPECT_EQ(e.id, fill_event_id(Venue::binance, account_id(1), "77", "41"));
  EXPECT_EQ(e.kind, LeaderEventKind::fill);
  EXPECT_EQ(e.source, EventSource::stream);
  EXPECT_EQ(e.leader.value.high, 7U);
  EXPECT_EQ(e.feed_account, account_id(1));
  EXPECT_EQ(e.symbol.view(), "BTC/USDT");
  EXPECT_EQ(e.side, Side::buy);
  EXPECT_EQ(e.quantity, Decimal::of("0.25"));
  EXPECT_EQ(e.price, Decimal::of("100"));
  EXPECT_EQ(e.base_fee, Decimal::of("0.001"));
  EXPECT_EQ(e.event_time_ns, shared->from_venue_ms(time_ms));
  EXPECT_GE(e.received_ns, before);
  EXPECT_LE(e.received_ns, shared->now_ns());
  EXPECT_EQ(venue.bad_signatures, 0U);
}

TEST_F(LeaderTest, FeesInOtherAssetsAreNotBaseFees) {
  start_up(venue.config());
  venue.push_trade("leader", "web_1", "41", "FILLED", "1", "1", "ETHUSDT");  // its fee is in BTC
  ASSERT_TRUE(run_until([&] { return !sink.fills().empty(); }));
  EXPECT_TRUE(sink.fills()[0].base_fee.is_zero());
}

TEST_F(LeaderTest, WhatTheEngineTradedIsToldAsChained) {
  start_up(venue.config());
  venue.push_trade("leader", client_id(key(1)), "41", "FILLED", "1", "1");
  venue.push_trade("leader", "web_1", "42", "FILLED", "1", "1");
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 2; }));
  EXPECT_EQ(fill_ids(), (std::vector<std::string>{"41", "42"}));
  EXPECT_TRUE(sink.fills()[0].chained);
  EXPECT_FALSE(sink.fills()[1].chained);
}

TEST_F(LeaderTest, FetchesWhatWasMissedBeforeItTellsWhatCameAfter) {
  start_up(venue.config());
  const std::int64_t now = FakeVenue::now_ms();
  venue.push_trade("leader", "web_1", "1", "FILLED", "1", "1", "BTCUSDT", now - 3'000);
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 1; }));
  trades = {{1, now - 3'000},
            {2, now - 2'000},
            {4, now - 1'500},
            {3, now - 1'800, "ETHUSDT"},
            {5, now - 1'000, "BTCUSDT", "88"}};  // the last one is the engine's own
  bool pushed = false;
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    // A fill that is pushed while the history is still being read.
    if (a.method == "GET /api/v3/myTrades" && !pushed) {
      pushed = true;
      venue.push_trade("leader", "web_1", "9", "FILLED", "1", "1", "BTCUSDT", now);
    }
    return history(a);
  };
  venue.cut_all();
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 6; }));
  settle();
  EXPECT_EQ(fill_ids(), (std::vector<std::string>{"1", "2", "3", "4", "9"}));
  EXPECT_EQ(sink.fills()[4].id, fill_event_id(Venue::binance, account_id(1), "88", "5"));
  std::string chained;
  for (const LeaderEvent& e : sink.fills()) chained += e.chained ? '1' : '0';
  EXPECT_EQ(chained, "000010");
  EXPECT_EQ(sink.fills()[1].source, EventSource::rest);
  EXPECT_EQ(sink.fills()[1].base_fee, Decimal::of("0.001"));
  EXPECT_TRUE(stream->up());
}

TEST_F(LeaderTest, NeverTellsFillsFromBeforeTheBaseline) {
  baseline_ns = wall_now_ns() - 10 * second;
  const std::int64_t now = FakeVenue::now_ms();
  trades = {{1, now - 60'000}, {2, now - 10'500}, {3, now - 5'000}};
  venue.script = [&](const Asked& a) { return history(a); };
  start_up(venue.config());
  EXPECT_EQ(fill_ids(), std::vector<std::string>{"3"});
  venue.push_trade("leader", "web_1", "4", "FILLED", "1", "1", "BTCUSDT", now - 20'000);
  venue.push_trade("leader", "web_1", "5", "FILLED", "1", "1", "BTCUSDT", now);
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 2; }));
  EXPECT_EQ(fill_ids().back(), "5");
}

TEST_F(LeaderTest, ReadsLongHistoriesPageByPage) {
  const std::int64_t now = FakeVenue::now_ms();
  for (std::int64_t i = 1; i <= 2'500; ++i) trades.push_back({i, now - 10'000 + i});
  venue.script = [&](const Asked& a) { return history(a); };
  start_up(venue.config());
  EXPECT_EQ(sink.fills().size(), 2'500U);
  EXPECT_TRUE(
      std::is_sorted(sink.events.begin(), sink.events.end(), [](const Event& a, const Event& b) {
        return a.leader.event_time_ns < b.leader.event_time_ns;
      }));
}

TEST_F(LeaderTest, LooksUpASilentStreamAndReplacesOneThatDoesNotTell) {
  Config config = venue.config();
  config.leader_check_interval_ns = 200'000'000;
  venue.script = [&](const Asked& a) { return history(a); };
  start_up(config);
  const std::size_t connections = venue.targets.size();
  ASSERT_TRUE(run_until([&] { return venue.count("GET /api/v3/account") >= 3; }));
  const std::size_t histories = venue.count("GET /api/v3/myTrades");
  EXPECT_LE(histories, 4U);  // at the start, and when the account was first looked at
  trades = {{1, FakeVenue::now_ms() - 5'000}};  // never pushed
  venue.account_time_ms = FakeVenue::now_ms();
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 1; }));
  ASSERT_TRUE(run_until([&] { return venue.targets.size() > connections && stream->up(); }));
  settle(300'000'000);
  EXPECT_EQ(sink.fills().size(), 1U);  // told once
}

// What users of other copiers complain about: see tests/core/complaints_test.cpp.
using LeaderComplaints = LeaderTest;

TEST_F(LeaderComplaints, CopyingStopsInSilenceWhileTheConnectionIsUp) {
  Config config = venue.config();
  config.leader_check_interval_ns = 200'000'000;
  venue.script = [&](const Asked& a) { return history(a); };
  start_up(config);
  // Connected, pings answered, and nothing told of a trade that was made.
  ASSERT_TRUE(run_until([&] { return venue.count("GET /api/v3/account") >= 3; }));
  const std::size_t connections = venue.targets.size();
  trades = {{1, FakeVenue::now_ms() - 5'000}};
  venue.account_time_ms = FakeVenue::now_ms();
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 1; }));
  ASSERT_TRUE(run_until([&] { return venue.targets.size() > connections && stream->up(); }))
      << "a stream that does not tell is replaced";
  // And copying goes on.
  venue.push_trade("leader", "web_1", "2", "PARTIALLY_FILLED", "1", "1");
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 2; }));
}

TEST_F(LeaderTest, TriesAgainWhileTheHistoryCannotBeRead) {
  int failures = 2;
  trades = {{1, FakeVenue::now_ms() - 5'000}};
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method == "GET /api/v3/myTrades" && failures-- > 0)
      return R"({"code":-1001,"msg":"Internal error"})";
    return history(a);
  };
  start_up(venue.config());
  EXPECT_EQ(fill_ids(), std::vector<std::string>{"1"});
}

TEST_F(LeaderTest, HoldsFillsThatNobodyTakes) {
  start_up(venue.config());
  sink.full = true;
  for (int i = 1; i <= 20; ++i)
    venue.push_trade("leader", "web_1", std::to_string(i), "PARTIALLY_FILLED", "1", "1");
  settle();
  EXPECT_FALSE(stream->up());
  sink.full = false;
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 20; }));
  const auto ids = fill_ids();
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(ids[i], std::to_string(i + 1));
}

TEST_F(LeaderTest, StopsReadingBeyondItsBoundAndFetchesTheRest) {
  Config config = venue.config();
  config.held_events_max = 5;
  start_up(config);
  sink.full = true;
  const std::int64_t now = FakeVenue::now_ms();
  for (int i = 1; i <= 20; ++i) {
    trades.push_back({i, now + i});
    venue.push_trade("leader", "web_1", std::to_string(i), "PARTIALLY_FILLED", "1", "1", "BTCUSDT",
                     now + i);
  }
  ASSERT_TRUE(run_until([&] { return venue.peers.empty(); }));
  venue.script = [&](const Asked& a) { return history(a); };
  sink.full = false;
  ASSERT_TRUE(run_until([&] { return sink.fills().size() == 20; }));
  const auto ids = fill_ids();
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(ids[i], std::to_string(i + 1));
}

TEST_F(LeaderTest, TellsWhenItsKeyIsRefusedAndStops) {
  venue.script = [&](const Asked& a) -> std::optional<std::string> {
    if (a.method != "userDataStream.subscribe.signature") return std::nullopt;
    return FakeVenue::refused(a, 401, -2015, "Invalid API-key, IP, or permissions for action.");
  };
  start(venue.config());
  ASSERT_TRUE(run_until([&] { return sink.count(AccountStateKind::credentials_refused) == 1; }));
  const std::size_t asked = venue.count("userDataStream.subscribe.signature");
  settle(300'000'000);
  EXPECT_EQ(venue.count("userDataStream.subscribe.signature"), asked);
}

TEST_F(LeaderTest, ReconnectsWhenTheServerShutsDown) {
  start_up(venue.config());
  venue.peers.front()->send(R"({"event":{"e":"serverShutdown","E":1}})");
  ASSERT_TRUE(run_until([&] { return venue.targets.size() == 2 && stream->up(); }));
}

// ---- market data --------------------------------------------------------------------------------

class MarketTest : public VenueTest {
 protected:
  void start(Config config) {
    shared = share(std::move(config));
    stream = make_market_stream(reactor, shared, 0, sink, sink);
    ASSERT_TRUE(run_until([&] { return stream->up() && shared->offset.known(); }));
  }
  void start() { start(venue.config()); }
  std::vector<Instrument> told() {
    std::vector<Instrument> out;
    for (const Event& e : sink.events)
      if (e.kind == EventKind::instrument) out.push_back(e.instrument);
    return out;
  }
  void push_ticker(const std::string& symbol, const std::string& bid, const std::string& ask) {
    venue.market_peers.back()->send("{\"stream\":\"x@bookTicker\",\"data\":{\"u\":1,\"s\":\"" +
                                    symbol + "\",\"b\":\"" + bid + "\",\"B\":\"1\",\"a\":\"" + ask +
                                    "\",\"A\":\"1\"}}");
  }
  std::shared_ptr<VenueShared> shared;
  std::unique_ptr<MarketStream> stream;
};

TEST_F(MarketTest, TellsConfiguredInstrumentsAndLearnsLimits) {
  start();
  ASSERT_EQ(told().size(), 2U);
  EXPECT_EQ(told()[0].symbol.view(), "BTC/USDT");
  EXPECT_EQ(told()[0].price_tick, Decimal::of("0.01"));
  EXPECT_NE(shared->instruments()->find("DOGEUSDT"), nullptr);
  EXPECT_TRUE(shared->egress(0).weight.try_take(100'000, false, shared->venue_now_ns()));
  EXPECT_EQ(
      venue.targets.back(),
      "/stream?streams=btcusdt@bookTicker/btcusdt@avgPrice/ethusdt@bookTicker/ethusdt@avgPrice");
}

TEST_F(MarketTest, TellsAllInstrumentsWhenNoneAreConfigured) {
  Config config = venue.config();
  config.symbols.clear();
  start(config);
  EXPECT_EQ(told().size(), 3U);
}

TEST_F(MarketTest, TellsOnlyWhatChanged) {
  Config config = venue.config();
  config.instruments_interval_ns = 50'000'000;
  start(config);
  ASSERT_TRUE(run_until([&] { return venue.count("GET /api/v3/exchangeInfo") >= 3; }));
  EXPECT_EQ(told().size(), 2U);
  const auto at = venue.exchange_info.find("\"TRADING\",\"baseAsset\":\"ETH\"");
  venue.exchange_info.replace(at, 9, "\"HALT\"");
  ASSERT_TRUE(run_until([&] { return told().size() == 3; }));
  EXPECT_EQ(told()[2].symbol.view(), "ETH/USDT");
  EXPECT_EQ(told()[2].status, TradingStatus::halted);
  // One that is no longer listed takes no orders.
  venue.exchange_info = R"({"symbols":[]})";
  ASSERT_TRUE(run_until([&] { return told().size() == 4; }));
  EXPECT_EQ(told()[3].symbol.view(), "BTC/USDT");
  EXPECT_EQ(told()[3].status, TradingStatus::halted);
}

TEST_F(MarketTest, BringsTheTouch) {
  start();
  const std::int64_t before = shared->now_ns();
  push_ticker("BTCUSDT", "60000.01", "60000.02");
  ASSERT_TRUE(run_until([&] { return !sink.touches.empty(); }));
  const auto& [symbol, touch] = sink.touches[0];
  EXPECT_EQ(symbol.view(), "BTC/USDT");
  EXPECT_EQ(touch.bid, Decimal::of("60000.01"));
  EXPECT_EQ(touch.ask, Decimal::of("60000.02"));
  EXPECT_GE(touch.time_ns, before);
}

TEST_F(MarketTest, AQuietSymbolsTouchStaysAsFreshAsItsConnection) {
  start();
  push_ticker("ETHUSDT", "3000", "3001");
  ASSERT_TRUE(run_until([&] { return sink.touches.size() == 1; }));
  const std::int64_t first = sink.touches[0].second.time_ns;
  settle(400'000'000);
  EXPECT_EQ(sink.touches.size(), 1U);  // silence proves nothing
  push_ticker("BTCUSDT", "60000", "60001");
  ASSERT_TRUE(run_until([&] { return sink.touches.size() >= 3; }));
  const auto& [symbol, touch] = sink.touches[2];
  EXPECT_EQ(symbol.view(), "ETH/USDT");
  EXPECT_EQ(touch.bid, Decimal::of("3000"));
  EXPECT_GT(touch.time_ns, first + 400'000'000);
  EXPECT_EQ(touch.time_ns, sink.touches[1].second.time_ns);
}

TEST_F(MarketTest, AnEmptyBookHasNoTouch) {
  start();
  push_ticker("BTCUSDT", "0.00000000", "60000.02");
  ASSERT_TRUE(run_until([&] { return !sink.touches.empty(); }));
  EXPECT_EQ(sink.touches[0].second.time_ns, 0);
}

TEST_F(MarketTest, ComesBackAfterALossAndAfterAShutdown) {
  start();
  venue.market_peers.front()->abort();
  ASSERT_TRUE(run_until([&] { return venue.targets.size() == 2 && stream->up(); }));
  venue.market_peers.back()->send(
      R"({"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}})");
  ASSERT_TRUE(run_until([&] { return venue.targets.size() == 3 && stream->up(); }));
  push_ticker("BTCUSDT", "1", "2");
  EXPECT_TRUE(run_until([&] { return !sink.touches.empty(); }));
}

TEST_F(MarketTest, MeasuresTheVenuesClock) {
  venue.clock_ahead_ms = 2'500;
  start();
  EXPECT_NEAR(static_cast<double>(shared->offset.offset_ns()), 2.5e9, 1e8);
}

TEST_F(MarketTest, HoldsInstrumentsThatNobodyTakes) {
  sink.full = true;
  start();
  EXPECT_TRUE(sink.events.empty());
  sink.full = false;
  EXPECT_TRUE(run_until([&] { return told().size() == 2; }));
}

TEST(Shared, RefusesConfigurationsThatCannotWork) {
  Metrics metrics;
  const auto with = [&](const std::function<void(Config&)>& change) {
    Config config;
    change(config);
    return VenueShared::make(config, EngineClock(), metrics).has_value();
  };
  EXPECT_FALSE(with([](Config& c) { c.rest_url = "nonsense"; }));
  EXPECT_FALSE(with([](Config& c) { c.ca_file = "/does/not/exist"; }));
  EXPECT_FALSE(with([](Config& c) { c.recv_window_ms = 60'001; }));
  EXPECT_FALSE(with([](Config& c) { c.requests_in_flight_max = 70'000; }));
  EXPECT_FALSE(with([](Config& c) { c.subscriptions_per_connection = 1'001; }));
  EXPECT_FALSE(with([](Config& c) { c.exit_reserve_ratio = 1.0; }));
}

TEST(Clock, TakesTheMedianOfItsSamples) {
  ClockOffset offset;
  EXPECT_FALSE(offset.known());
  for (const std::int64_t ms : {10, 12, 900, 11, -500}) offset.add_sample(0, 0, ms);
  EXPECT_EQ(offset.offset_ns(), 11'500'000);
  offset.distrust(5);
  EXPECT_TRUE(offset.known());
  EXPECT_TRUE(offset.claim_measurement(5, 100));
  EXPECT_FALSE(offset.claim_measurement(104, 100));
  EXPECT_TRUE(offset.claim_measurement(105, 100));
}

}  // namespace
}  // namespace oneclick::binance::test
