#include "connectors/net/reactor.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "engine/base/clock.hpp"

namespace oneclick::net {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(Reactor, WakeEndsAWaitFromAnotherThread) {
  Reactor reactor;
  const std::int64_t start = steady_now_ns();
  std::thread other([&] { reactor.wake(); });
  reactor.wait(20 * second);
  EXPECT_LT(steady_now_ns() - start, 10 * second);
  other.join();
}

TEST(Reactor, AWaitEndsByItsTime) {
  Reactor reactor;
  const std::int64_t start = steady_now_ns();
  EXPECT_EQ(reactor.wait(20'000'000), 0u);
  EXPECT_GE(steady_now_ns() - start, 19'000'000);
}

TEST(Reactor, PostedTasksRunOnItsThreadInOrder) {
  Reactor reactor;
  std::vector<int> order;
  std::thread::id ran_on;
  std::thread worker([&] {
    reactor.run();
    ran_on = std::this_thread::get_id();
  });
  const auto id = worker.get_id();
  for (int i = 0; i < 100; ++i) reactor.post([&order, i] { order.push_back(i); });
  reactor.post([&] { reactor.stop(); });
  worker.join();
  EXPECT_EQ(ran_on, id);
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  // After a stop it can be polled again.
  bool ran = false;
  reactor.post([&] { ran = true; });
  EXPECT_GE(reactor.poll(), 1u);
  EXPECT_TRUE(ran);
}

TEST(Timer, RunsOnceAndCanBeReplacedOrCancelled) {
  Reactor reactor;
  int runs = 0;
  auto timer = reactor.make_timer();
  timer->start(0, [&] { runs += 1; });
  timer->start(1'000'000, [&] { runs += 10; });  // replaces
  const std::int64_t end = steady_now_ns() + 20 * second;
  while (runs == 0 && steady_now_ns() < end) reactor.wait(10'000'000);
  EXPECT_EQ(runs, 10);
  timer->start(0, [&] { runs += 100; });
  timer->cancel();
  reactor.wait(5'000'000);
  timer->start(0, [&] { runs += 100; });
  timer.reset();
  reactor.wait(5'000'000);
  EXPECT_EQ(runs, 10);
}

TEST(Timer, MayStartItselfAgainOrDieInItsHandler) {
  Reactor reactor;
  int runs = 0;
  auto timer = reactor.make_timer();
  std::function<void()> again = [&] {
    if (++runs < 3) {
      timer->start(0, again);
    } else {
      timer.reset();
    }
  };
  timer->start(0, again);
  const std::int64_t end = steady_now_ns() + 20 * second;
  while (runs < 3 && steady_now_ns() < end) reactor.wait(10'000'000);
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace oneclick::net
