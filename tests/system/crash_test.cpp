// The daemon is killed at random moments of fan-outs, again and again. Whatever it was doing,
// nothing may be ordered twice and nothing may be lost.
#include <csignal>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

int kill_count() {
  return std::getenv("ONECLICK_LONG") != nullptr ? 200 : 25;
}

// Lets the daemon live for a random while: the moment of death is what is drawn.
void live_for(net::Reactor& reactor, std::int64_t ns) {
  const std::int64_t until = monotonic_now_ns() + ns;
  while (monotonic_now_ns() < until) reactor.wait(until - monotonic_now_ns());
}

TEST(Crash, KilledInTheMiddleOfFanOutsNothingIsDoubledOrLost) {
  auto stage = make_stage({.followers = 60, .seed = 7});
  ASSERT_NE(stage, nullptr);
  ASSERT_DONE(stage->start_exchange());
  ASSERT_DONE(stage->start_daemon());
  ASSERT_DONE(stage->wait_ready(60 * second_ns));
  auto leader = std::make_unique<demo::Leader>(stage->reactor(), stage->tls(),
                                               stage->exchange_url(), stage->world().leader);
  std::mt19937_64 random(20'240'808);
  bool holds = false;
  const int kills = kill_count();
  for (int k = 0; k < kills; ++k) {
    SCOPED_TRACE(testing::Message() << "kill " << k + 1);
    // Exits every third time, so that closings are torn apart too.
    const bool sell = holds && k % 3 == 2;
    ASSERT_DONE(leader->trade("BTCUSDT", sell ? Side::sell : Side::buy, sell ? "0.004" : "0.01"));
    holds = true;
    // A fan-out to sixty followers takes some milliseconds from the trade to the last answer.
    live_for(stage->reactor(), static_cast<std::int64_t>(random() % 6'000'000));
    stage->kill_daemon();
    ASSERT_DONE(stage->start_daemon());
    ASSERT_DONE(stage->wait_ready(60 * second_ns));
  }
  ASSERT_DONE(stage->wait_quiet(90 * second_ns));
  const auto result = stage->compare_books();
  ASSERT_TRUE(result.has_value()) << result.error();
  EXPECT_EQ(result->exit_code, 0) << result->json;
  EXPECT_GE(number(stage->database_url(), "SELECT count(*) FROM engine.leader_events"), kills);
  EXPECT_GT(number(stage->database_url(), "SELECT count(*) FROM trades WHERE status = 'filled'"),
            kills * 10);
  // The test means something only if orders were in flight when the daemon died.
  const std::int64_t in_flight = number(stage->database_url(),
                                        "SELECT count(DISTINCT trade_id) FROM trade_history WHERE "
                                        "exchange_response->>'unknown' = 'true'");
  std::printf("%d kills; %lld orders were in flight at one of them\n", kills,
              static_cast<long long>(in_flight));
  EXPECT_GT(in_flight, 0);
  EXPECT_EQ(stage->stop_daemon(30 * second_ns), 0);
  leader.reset();  // lives on the stage's reactor
  finish_stage(std::move(stage));
}

}  // namespace
}  // namespace oneclick
