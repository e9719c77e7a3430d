// Orders, positions and prices in Redis: each update once and in order, whatever happened to Redis
// or to who tells it, and never so that somebody waits.
#include <algorithm>
#include <fstream>
#include <set>

#include "persistence/journal_files.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/redis/redis_server.hpp"

namespace oneclick {
namespace {

using test::soon;

constexpr std::int64_t second_ns = 1'000'000'000;

class FeedTest : public testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_REDIS();
    open_journal();
  }
  void open_journal(std::int64_t retention_ns = 3'600 * second_ns) {
    journal_.reset();
    auto opened = JournalWriter::open({.dir = folder_.path(),
                                       .shard = 0,
                                       .ring_bytes = 1 << 20,
                                       .segment_bytes = 64 << 10,
                                       .ring_dir = folder_.path(),
                                       .retention_ns = retention_ns},
                                      journal_metrics_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    journal_ = std::move(*opened);
  }
  void start() {
    metrics_ = std::make_unique<Metrics>();
    options_.address = redis_.address();
    options_.journal_dir = folder_.path();
    options_.shards = {{.shard = 0, .end = [this] { return journal_->written(); }}};
    feed_ = RedisFeed::start(options_, *metrics_);
  }
  void stop() { feed_.reset(); }
  void append(const Record& record) {
    ASSERT_TRUE(soon([&] { return journal_->has_room(sizeof(Record)); }));
    journal_->append(record);
  }
  // One order's state each, of users 1 to 3 in turn.
  void append_orders(std::uint64_t from, std::uint64_t count) {
    for (std::uint64_t n = from; n < from + count; ++n)
      append(test::order_record(n, 1 + n % 3, 1, OrderStatus::filled, Decimal::of("0.5")));
  }
  static std::string orders_of(std::uint64_t user) {
    return "oneclick:user:" + test::user(user).to_text() + ":orders";
  }
  std::int64_t length(const std::string& key) const { return redis_.integer({"XLEN", key}); }
  std::int64_t orders() const {
    return length(orders_of(1)) + length(orders_of(2)) + length(orders_of(3));
  }
  // Positions of a user's stream, in its order.
  std::vector<JournalPosition> positions_of(std::uint64_t user) const {
    std::vector<JournalPosition> out;
    const auto entries = redis_.ask({"XRANGE", orders_of(user), "-", "+"});
    if (entries)
      for (const RedisReply& entry : entries->items)
        out.push_back(std::strtoull(entry.items[1].items[1].text.c_str() + 2, nullptr, 10));
    return out;
  }
  bool is_told() const {
    const std::string mark = redis_.text({"GET", "oneclick:journal:0"});
    return mark.ends_with(fmt::format(" {}", journal_->appended()));
  }
  // All that was appended, each once, in order.
  void expect_complete(std::uint64_t count) {
    ASSERT_TRUE(soon([&] { return is_told(); }, 30 * second_ns))
        << redis_.text({"GET", "oneclick:journal:0"});
    std::set<JournalPosition> all;
    for (std::uint64_t user = 1; user <= 3; ++user) {
      const auto positions = positions_of(user);
      EXPECT_TRUE(std::ranges::is_sorted(positions));
      all.insert(positions.begin(), positions.end());
    }
    EXPECT_EQ(orders(), static_cast<std::int64_t>(count)) << "something was told twice or not";
    EXPECT_EQ(all.size(), count);
  }
  std::uint64_t count(const std::string& name) { return metrics_->counter(name, "").value(); }

  test::Folder folder_;
  Metrics journal_metrics_;
  std::unique_ptr<JournalWriter> journal_;
  test::PrivateRedis redis_;
  RedisFeedOptions options_{
      .address = {}, .journal_dir = {}, .shards = {}, .stream_entries_max = 100'000};
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RedisFeed> feed_;
};

TEST_F(FeedTest, TellsAUsersOrdersAndPositions) {
  redis_.start();
  start();
  append(test::order_record(1, 1, 0, OrderStatus::pending, Decimal{}));
  append(test::order_record(1, 1, 1, OrderStatus::filled, Decimal::of("0.5")));
  append(test::fill_record(1, 1, "t1"));
  append(test::fill_record(2, 1, "t2", Side::sell, "0.2"));
  append(test::outcome_record(1, 1));
  ASSERT_TRUE(soon([&] { return is_told(); }));
  const auto entries = redis_.ask({"XRANGE", orders_of(1), "-", "+"});
  ASSERT_TRUE(entries && entries->items.size() == 2u);
  const auto& fields = entries->items[1].items[1].items;
  EXPECT_EQ(fields[0].text + fields[1].text + fields[2].text, "id0-2data");
  EXPECT_EQ(fields[3].text,
            fmt::format(R"({{"id":"0-2","trade_id":"{}","change":1,"event_id":"{}","link_id":"{}",)"
                        R"("portfolio_id":"{}","exchange_id":"{}","signal_id":null,)"
                        R"("copied_from_user_id":"{}","status":"filled","unknown":false,)"
                        R"("reason":null,"trade_type":"limit","side":"buy",)"
                        R"("asset_symbol":"BTC/USDT","order_id":"1001","quantity":"0.5",)"
                        R"("price":"60100","filled_quantity":"0.5","filled_price":"60050.5",)"
                        R"("total_value_usd":"30025.25","fees_usd":null,)"
                        R"("created_at":"2025-10-09T08:53:20.123456Z",)"
                        R"("updated_at":"2025-10-09T08:53:20.124456Z",)"
                        R"("executed_at":"2025-10-09T08:53:20.124456Z"}})",
                        test::key_of(1, 1).to_text(), test::event_id(1).to_text(),
                        test::link(1).to_text(), test::portfolio(1).to_text(),
                        test::account(1).to_text(), test::user(0).to_text()));
  const std::string positions = "oneclick:user:" + test::user(1).to_text() + ":positions";
  const auto fills = redis_.ask({"XRANGE", positions, "-", "+"});
  ASSERT_TRUE(fills && fills->items.size() == 2u);
  // A fee in what was bought makes the holding grow by less, and shrink by more.
  EXPECT_NE(fills->items[0].items[1].items[3].text.find(R"("quantity_change":"0.4995")"),
            std::string::npos);
  EXPECT_NE(fills->items[1].items[1].items[3].text.find(R"("quantity_change":"-0.2005")"),
            std::string::npos);
  EXPECT_GT(redis_.integer({"TTL", positions}), 0);
}

TEST_F(FeedTest, WhoListensHearsEachOnce) {
  redis_.start();
  start();
  append_orders(1, 3);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  const std::string heard = (folder_.path() / "heard").string();
  auto listener = ChildProcess::start(
      {.arguments = {"/usr/bin/redis-cli", "-p", std::to_string(redis_.address().port), "subscribe",
                     orders_of(1), "oneclick:price:binance:BTC/USDT"},
       .environment = {},
       .output_file = heard});
  ASSERT_TRUE(listener.has_value()) << listener.error();
  ASSERT_TRUE(soon([&] {
    const auto subscribed = redis_.ask({"PUBSUB", "NUMSUB", orders_of(1)});
    return subscribed && subscribed->items.size() == 2 && subscribed->items[1].integer == 1;
  }));
  stop();
  append_orders(4, 3);
  start();
  const auto lines_with = [&](const std::string& what) {
    std::ifstream in(heard);
    int found = 0;
    for (std::string line; std::getline(in, line);) found += line.find(what) != std::string::npos;
    return found;
  };
  ASSERT_TRUE(soon([&] { return lines_with(R"("id":"0-6")") == 1; }));
  // A Redis that is emptied has its streams filled again, and nobody hears it as news.
  ASSERT_EQ(redis_.text({"FLUSHALL"}), "OK");
  ASSERT_TRUE(soon([&] { return orders() == 6; }));
  append_orders(9, 1);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  EXPECT_EQ(lines_with(R"("id":"0-6")"), 1);
  EXPECT_EQ(lines_with(R"("id":"0-3")"), 0) << "it was told before anybody listened";
}

TEST_F(FeedTest, RestartsNeitherLoseNorDouble) {
  redis_.start();
  std::uint64_t written = 0;
  for (int round = 0; round < 12; ++round) {
    start();
    append_orders(written + 1, 700);
    written += 700;
    // In the middle of it the connection is cut, or this side stops, or both.
    ASSERT_TRUE(soon([&] { return count("redis_updates_total") > 0; }));
    if (round % 3 != 0) {
      ASSERT_TRUE(redis_.ask({"CLIENT", "KILL", "TYPE", "normal"}).has_value());
    }
    if (round % 3 != 1) stop();
  }
  start();
  expect_complete(written);
}

TEST_F(FeedTest, ARedisKilledUnderLoadIsCompleteAgain) {
  redis_.start();
  start();
  append_orders(1, 3'000);
  ASSERT_TRUE(soon([&] { return count("redis_updates_total") > 100; }));
  redis_.kill();
  append_orders(3'001, 1'000);
  redis_.start();
  append_orders(4'001, 500);
  expect_complete(4'500);
}

TEST_F(FeedTest, RedisMayBeAwayFromTheStart) {
  start();
  append_orders(1, 10);
  const Gauge& lag = metrics_->gauge("redis_lag_entries", "", {{"shard", "0"}});
  ASSERT_TRUE(soon([&] { return lag.value() == 10; })) << lag.value();
  redis_.start();
  expect_complete(10);
  EXPECT_TRUE(soon([&] { return lag.value() == 0; })) << lag.value();
}

TEST_F(FeedTest, StreamsAreBounded) {
  redis_.start();
  options_.stream_entries_max = 50;
  start();
  append_orders(1, 3'000);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  // Redis cuts by whole nodes of a hundred entries.
  EXPECT_GE(length(orders_of(1)), 50);
  EXPECT_LE(length(orders_of(1)), 200);
  const auto positions = positions_of(1);
  ASSERT_FALSE(positions.empty());
  EXPECT_EQ(positions.back(), 3'000u) << "the newest are kept";
}

TEST_F(FeedTest, FurtherBehindThanAllowedTheOldestArePassedOver) {
  redis_.start();
  options_.lag_entries_max = 1'000;
  start();
  append_orders(1, 3);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  stop();
  append_orders(4, 5'000);
  ASSERT_TRUE(soon([&] { return journal_->written() == journal_->appended(); }));
  start();
  ASSERT_TRUE(soon([&] { return is_told(); }));
  EXPECT_EQ(count("redis_skipped_entries_total"), 4'500u);
  EXPECT_EQ(orders(), 3 + 500);
  const auto said = redis_.ask({"XRANGE", "oneclick:skipped", "-", "+"});
  ASSERT_TRUE(said && said->items.size() == 1u);
  EXPECT_EQ(
      said->items[0].items[1].items[1].text,
      R"({"shard":0,"first":4,"last":4503,"reason":"further behind than redis.lag_entries_max"})");
}

TEST_F(FeedTest, TheJournalIsCleanedWithoutWaitingForRedis) {
  redis_.start();
  open_journal(0);
  start();
  append_orders(1, 3);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  redis_.freeze();
  append_orders(4, 2'000);
  ASSERT_TRUE(soon([&] { return journal_->synced() == journal_->appended(); }));
  journal_->set_sink_position(journal_->appended());
  journal_->set_snapshot_position(journal_->appended());
  const auto first = [&]() -> JournalPosition {
    const auto segments = journal::list_segments(journal::shard_dir(folder_.path(), 0), 0);
    return segments && !segments->empty() ? segments->front().header.first : 0;
  };
  ASSERT_TRUE(soon([&] { return first() > 1'000; })) << first();
  stop();
  redis_.thaw();
  start();
  ASSERT_TRUE(soon([&] { return is_told(); }));
  EXPECT_GT(count("redis_skipped_entries_total"), 0u);
  EXPECT_EQ(static_cast<std::uint64_t>(orders()) + count("redis_skipped_entries_total"), 2'003u);
  // More than once where cleaning went on meanwhile.
  const auto said = redis_.ask({"XRANGE", "oneclick:skipped", "-", "+"});
  ASSERT_TRUE(said && !said->items.empty());
  EXPECT_NE(said->items[0].items[1].items[1].text.find("no longer keeps"), std::string::npos);
}

TEST_F(FeedTest, AFrozenRedisDoesNotHoldUpTheEnd) {
  redis_.start();
  start();
  append_orders(1, 3);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  redis_.freeze();
  append_orders(4, 3);
  const std::int64_t begun = monotonic_now_ns();
  stop();
  EXPECT_LT(monotonic_now_ns() - begun, second_ns);
  redis_.thaw();
  start();
  expect_complete(6);
}

TEST_F(FeedTest, AFullRedisIsToldLater) {
  redis_.start();
  start();
  append_orders(1, 3);
  ASSERT_TRUE(soon([&] { return is_told(); }));
  ASSERT_EQ(redis_.text({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  append_orders(4, 3);
  ASSERT_TRUE(soon([&] {
    return metrics_->gauge("redis_up", "", {{"part", "feed"}}).value() == 0;
  }));
  EXPECT_EQ(orders(), 3);
  ASSERT_EQ(redis_.text({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  expect_complete(6);
}

TEST_F(FeedTest, TheLatestPriceIsThereWhileItIsTold) {
  redis_.start();
  std::atomic<std::int64_t> ask{60'001};
  options_.price_interval_ns = 10'000'000;
  options_.each_price = [&ask](const PriceVisitor& visit) {
    const std::int64_t now = ask;
    visit(Venue::binance, Symbol::cut("BTC/USDT"),
          {.bid = Decimal::of("60000"),
           .ask = Decimal::from_integer(now),
           .time_ns = test::world_time_ns + now});
    visit(Venue::binance, Symbol::cut("NEW/USDT"), {});
  };
  start();
  const RedisCommand get{"GET", "oneclick:price:binance:BTC/USDT"};
  ASSERT_TRUE(soon([&] { return !redis_.text(get).empty(); }));
  EXPECT_EQ(
      redis_.text(get),
      R"({"price":"60000.5","bid":"60000","ask":"60001","time":"2025-10-09T08:53:20.123516Z"})");
  ask = 60'003;
  EXPECT_TRUE(soon([&] { return redis_.text(get).find("60001.5") != std::string::npos; }));
  const std::int64_t left = redis_.integer({"PTTL", get[1]});
  EXPECT_GT(left, 0);
  EXPECT_LE(left, 60'000);
  EXPECT_EQ(redis_.integer({"EXISTS", "oneclick:price:binance:NEW/USDT"}), 0);
  // Another Redis is told all of them, also those that did not change.
  redis_.kill();
  redis_.start();
  EXPECT_TRUE(soon([&] { return redis_.text(get).find("60001.5") != std::string::npos; }));
}

}  // namespace
}  // namespace oneclick
