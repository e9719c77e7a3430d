#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/ingress/ingress_fixture.hpp"

namespace oneclick::ingress {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class StreamTest : public IngressTest {
 protected:
  std::unique_ptr<StreamCaller> connect(ApiKeyId key) {
    auto caller = std::make_unique<StreamCaller>(reactor, url("ws", "/v1/stream"), token(key));
    EXPECT_TRUE(run_until([&] { return caller->open || !caller->closed.empty(); }));
    EXPECT_TRUE(caller->open) << caller->closed;
    return caller;
  }
  // The answer to one message.
  std::string ask(StreamCaller& caller, const std::string& text) {
    const std::size_t before = caller.messages.size();
    caller.send(text);
    EXPECT_TRUE(
        run_until([&] { return caller.messages.size() > before || !caller.closed.empty(); }));
    return caller.messages.size() > before ? caller.messages.back() : "closed: " + caller.closed;
  }
  [[nodiscard]] std::string signal(std::uint64_t id, const std::string& more = "") const {
    return R"({"op":"signal",)" + signal_body(id, more).substr(1);
  }
  [[nodiscard]] Record outcome(EventId event) const {
    Record record{};
    record.kind = RecordKind::outcome;
    record.outcome.event = event;
    record.outcome.link = LinkId{uuid_of(71)};
    record.outcome.outcome = Outcome::copied;
    record.outcome.sent_quantity = Decimal::of("0.25");
    return record;
  }
};

TEST_F(StreamTest, CarriesTheSameMessagesAsRest) {
  const auto caller = connect(leader_key);
  EXPECT_TRUE(contains(ask(*caller, signal(100)), R"("seq":1,"state":"accepted")"));
  EXPECT_TRUE(caller->messages[0].starts_with(R"({"op":"ack","id":")" + uuid_of(100).to_text()));
  EXPECT_EQ(sink.events[0].source, EventSource::websocket);
  EXPECT_TRUE(
      contains(ask(*caller, R"({"op":"leader_trade",)" + trade_body(101).substr(1)), R"("seq":2)"));
  EXPECT_TRUE(contains(ask(*caller, R"({"op":"signal_update","signal_id":")" +
                                        uuid_of(100).to_text() + R"(","status":"closed"})"),
                       R"("seq":3)"));
  EXPECT_EQ(sink.events[2].kind, LeaderEventKind::signal_closed);
  // A repetition over REST is the same request.
  EXPECT_TRUE(contains(post("/v1/signals", signal_body(100), leader_key).body, R"("seq":1)"));
  EXPECT_EQ(sink.events.size(), 3u);
}

TEST_F(StreamTest, BadMessagesGetTheirErrorAndTheConnectionGoesOn) {
  const auto caller = connect(leader_key);
  struct Row {
    const char* what;
    std::string text;
    const char* part;
  };
  const std::vector<Row> rows = {
      {"empty", "", R"("status":400)"},
      {"no JSON", "hello", R"("status":400)"},
      {"no op", "{}", R"("field":"op")"},
      {"unknown op", R"({"op":"order","id":"1"})", R"("field":"op","value":"order")"},
      {"foreign field", R"({"op":"ping","side":"buy"})", R"("field":"side")"},
      {"duplicate op", R"({"op":"ping","op":"signal"})", R"("field":"op")"},
      {"no signal", R"({"op":"signal","id":"x"})", R"("field":"channel_id")"},
      {"no UUID", signal(1).replace(signal(1).find(uuid_of(1).to_text()), 36, "seven"),
       R"("field":"id")"},
      {"type", signal(1, R"(,"entry_price":[])"), R"("field":"entry_price")"},
      {"1e999", signal(1, R"(,"entry_price":1e999)"), R"("field":"entry_price")"},
      {"update of nothing", R"({"op":"signal_update","status":"closed"})",
       R"("field":"signal_id")"},
      {"webhook's type", signal(1, R"(,"type":"signal")"), R"("status")"},
  };
  for (const Row& row : rows) {
    if (std::string(row.what) == "webhook's type") continue;
    const std::string answer = ask(*caller, row.text);
    EXPECT_TRUE(answer.starts_with(R"({"op":"error")")) << row.what << answer;
    EXPECT_TRUE(contains(answer, row.part)) << row.what << answer;
  }
  EXPECT_TRUE(sink.events.empty());
  EXPECT_EQ(ask(*caller, R"({"op":"ping","id":"p1"})"), R"({"op":"pong","id":"p1"})");
  EXPECT_TRUE(contains(ask(*caller, signal(1)), "accepted"));
}

TEST_F(StreamTest, AnswersComeInTheOrderOfTheMessages) {
  journal = false;
  const auto caller = connect(leader_key);
  for (std::uint64_t i = 0; i < 3; ++i) caller->send(signal(100 + i));
  caller->send(R"({"op":"ping","id":"last"})");
  ASSERT_TRUE(run_until([&] { return sink.events.size() == 3; }));
  // Journaled backwards: each shard has its own pace.
  for (int i = 2; i >= 0; --i) {
    EXPECT_TRUE(caller->messages.empty());
    ingress->on_event_journaled(sink.events[static_cast<std::size_t>(i)].id,
                                static_cast<std::uint64_t>(i) + 1);
  }
  ASSERT_TRUE(run_until([&] { return caller->messages.size() == 4; }));
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(contains(caller->messages[i], "\"seq\":" + std::to_string(i + 1)))
        << caller->messages[i];
  }
  EXPECT_EQ(caller->messages[3], R"({"op":"pong","id":"last"})");
}

TEST_F(StreamTest, SubscribersHearOfTheirOwnEventsOnly) {
  const auto mine = connect(leader_key);
  const auto silent = connect(leader_key);
  const auto theirs = connect(other_key);
  const auto platform = connect(admin_key);
  EXPECT_FALSE(records_wanted);
  for (StreamCaller* caller : {mine.get(), theirs.get(), platform.get()}) {
    EXPECT_TRUE(contains(ask(*caller, R"({"op":"subscribe","id":"s"})"), "subscribed"));
  }
  ASSERT_TRUE(contains(ask(*silent, signal(100)), "accepted"));  // sent by the same user
  ingress->on_record(outcome(sink.events[0].id));
  Record order{};
  order.kind = RecordKind::order;
  order.order.user = other;
  order.order.status = OrderStatus::filled;
  order.order.side = Side::sell;
  order.order.symbol = Symbol::cut("BTC/USDT");
  ingress->on_record(order);
  ASSERT_TRUE(run_until([&] {
    return mine->messages.size() == 2 && theirs->messages.size() == 2 &&
           platform->messages.size() == 3;
  }));
  EXPECT_TRUE(
      contains(mine->messages[1], R"("op":"outcome","event_id":")" + sink.events[0].id.to_text()));
  EXPECT_TRUE(contains(mine->messages[1], R"("outcome":"copied")"));
  EXPECT_TRUE(contains(mine->messages[1], R"("sent_qty":"0.25")"));
  EXPECT_TRUE(contains(theirs->messages[1], R"("op":"order")"));
  EXPECT_EQ(silent->messages.size(), 1u);
  EXPECT_TRUE(records_wanted);
  ingress->remove(leader_key);
  ingress->remove(other_key);
  ingress->remove(admin_key);
  EXPECT_TRUE(run_until([&] { return !records_wanted; }));
}

TEST_F(StreamTest, SubscribingTakesItsScope) {
  add_key(leader_key, leader, scope_signals_write);
  const auto caller = connect(leader_key);
  EXPECT_TRUE(contains(ask(*caller, R"({"op":"subscribe"})"), R"("status":403)"));
  EXPECT_TRUE(contains(ask(*caller, signal(1)), "accepted"));
  const auto reader = connect(reader_key);
  EXPECT_TRUE(contains(ask(*reader, signal(2)), R"("status":403)"));
  EXPECT_EQ(sink.events.size(), 1u);
}

TEST_F(StreamTest, RevocationClosesOpenStreamsWithinASecond) {
  struct Row {
    const char* what;
    std::function<void()> revoke;
  };
  const std::vector<Row> rows = {
      {"removed", [&] { ingress->remove(leader_key); }},
      {"scope taken", [&] { add_key(leader_key, leader, scope_stream_read); }},
      {"user inactive",
       [&] {
         ingress->update({.id = leader_key,
                          .user = leader,
                          .key_hash = sha256(secret),
                          .scopes = scope_signals_write | scope_trades_write | scope_stream_read,
                          .expires_ns = 0,
                          .user_active = false});
       }},
      {"expires",
       [&] {
         add_key(leader_key, leader, scope_signals_write | scope_trades_write | scope_stream_read,
                 clock.now_ns() + 200'000'000);
       }},
  };
  for (const Row& row : rows) {
    add_key(leader_key, leader, scope_signals_write | scope_trades_write | scope_stream_read);
    reactor.poll();
    const auto caller = connect(leader_key);
    const std::size_t before = sink.events.size();
    row.revoke();
    const std::int64_t start = steady_now_ns();
    ASSERT_TRUE(run_until([&] { return !caller->closed.empty(); })) << row.what;
    EXPECT_LT(steady_now_ns() - start, second) << row.what;
    EXPECT_TRUE(contains(caller->closed, "1008 key revoked")) << caller->closed;
    EXPECT_EQ(sink.events.size(), before);
  }
  EXPECT_FALSE(refusals.empty());
  EXPECT_EQ(refusals[0].what, "revoked_key");
}

TEST_F(StreamTest, ASpentBudgetIsAnsweredOnTheStream) {
  IngressOptions options;
  options.rate_per_second = 1;
  options.rate_burst = 4;
  open(options);
  const auto caller = connect(leader_key);  // the upgrade takes one
  for (std::uint64_t i = 0; i < 20; ++i) caller->send(signal(100 + i));
  ASSERT_TRUE(run_until([&] { return caller->messages.size() == 20; }));
  EXPECT_LT(sink.events.size(), 10u);
  EXPECT_TRUE(contains(caller->messages[19], R"("retry_after":1)")) << caller->messages[19];
  EXPECT_TRUE(contains(caller->messages[19], R"("status":429)"));
  const auto neighbour = connect(other_key);
  EXPECT_TRUE(
      contains(ask(*neighbour, R"({"op":"leader_trade",)" + trade_body(1).substr(1)), "accepted"));
}

TEST_F(StreamTest, AFloodOfUnansweredMessagesIsBounded) {
  journal = false;
  IngressOptions options;
  options.stream_unanswered_max = 10;
  open(options);
  const auto caller = connect(leader_key);
  for (std::uint64_t i = 0; i < 100; ++i) caller->send(signal(100 + i));
  ASSERT_TRUE(run_until([&] { return !caller->closed.empty(); }));
  EXPECT_TRUE(contains(caller->closed, "1013")) << caller->closed;
  EXPECT_EQ(sink.events.size(), 10u);
}

TEST_F(StreamTest, OversizedMessagesCloseTheStream) {
  const auto caller = connect(leader_key);
  caller->send(std::string(64 * 1024 + 1, ' '));
  ASSERT_TRUE(run_until([&] { return !caller->closed.empty(); }));
  EXPECT_TRUE(contains(caller->closed, "1009")) << caller->closed;
}

TEST_F(StreamTest, APeerThatReadsNothingIsCutOff) {
  IngressOptions options;
  options.stream_queue_bytes_max = 64 * 1024;
  open(options);
  const auto caller = connect(leader_key);
  EXPECT_TRUE(contains(ask(*caller, R"({"op":"subscribe","id":"s"})"), "subscribed"));
  ASSERT_TRUE(contains(ask(*caller, signal(100)), "accepted"));
  // The loop does not turn: nothing is read while a fan-out of 10,000 is told.
  for (int i = 0; i < 10'000; ++i) ingress->on_record(outcome(sink.events[0].id));
  EXPECT_TRUE(run_until([&] { return !caller->closed.empty(); }));
}

}  // namespace
}  // namespace oneclick::ingress
