#include "connectors/net/rate_limit.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace oneclick::net {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t t0 = 1'000 * second;  // where a window begins

struct Row {
  std::int64_t at_ns;
  std::uint32_t cost;
  bool is_exit;
  bool taken;
};

TEST(RateWindow, KeepsTheReserveForExits) {
  RateWindow window(10 * second, 100, 0.2);
  const Row rows[] = {
      {t0, 79, false, true},
      {t0 + 1, 2, false, false},  // would touch the reserve
      {t0 + 1, 1, false, true},
      {t0 + 2, 1, false, false},
      {t0 + 2, 20, true, true},  // exits may use it
      {t0 + 3, 1, true, false},
      {t0 + 10 * second - 1, 1, true, false},  // one nanosecond before the window ends
      {t0 + 10 * second, 80, false, true},
      {t0 + 10 * second - 1, 1, false, false},  // an older clock counts into the newer window
      {t0 + 20 * second, 0, false, true},
      {t0 + 20 * second, 81, false, false},
      {t0 + 20 * second, 101, true, false},
      {t0 + 20 * second, 100, true, true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(window.try_take(row.cost, row.is_exit, row.at_ns), row.taken)
        << row.at_ns - t0 << " " << row.cost;
  }
}

TEST(RateWindow, IsCorrectedUpwardOnly) {
  RateWindow window(second, 100, 0);
  ASSERT_TRUE(window.try_take(50, false, t0));
  window.observe_used(10, t0);
  EXPECT_DOUBLE_EQ(window.remaining_ratio(t0), 0.5);
  window.observe_used(90, t0);
  EXPECT_NEAR(window.remaining_ratio(t0), 0.1, 1e-9);
  EXPECT_FALSE(window.try_take(11, true, t0));
  window.observe_used(500, t0);
  EXPECT_DOUBLE_EQ(window.remaining_ratio(t0), 0);
  EXPECT_DOUBLE_EQ(window.remaining_ratio(t0 + second), 1);
  window.observe_used(30, t0 + second);
  window.observe_used(99, t0);  // about a window that is over
  EXPECT_NEAR(window.remaining_ratio(t0 + second), 0.7, 1e-9);
}

TEST(RateWindow, PausesForExitsToo) {
  RateWindow window(second, 0, 0);  // no limit of its own
  EXPECT_TRUE(window.try_take(1'000'000, false, t0));
  window.pause_until(t0 + 5 * second);
  window.pause_until(t0 + 2 * second);  // never shortened
  EXPECT_FALSE(window.try_take(1, true, t0 + 5 * second - 1));
  EXPECT_EQ(window.resets_ns(t0), t0 + 5 * second);
  EXPECT_EQ(window.remaining_ratio(t0), 0);
  EXPECT_TRUE(window.try_take(1, true, t0 + 5 * second));
  EXPECT_EQ(window.resets_ns(t0 + 5 * second), t0 + 6 * second);
}

// Window numbers of short intervals do not fit 32 bits: they wrap, at any moment in any year.
TEST(RateWindow, ShortIntervalsWorkAtAnyTime) {
  for (std::int64_t year = 1; year < 90; ++year) {
    const std::int64_t now = year * 365 * 24 * 3600 * second;
    for (const std::int64_t interval : {second / 1000, second / 10, second}) {
      RateWindow window(interval, 2, 0);
      EXPECT_TRUE(window.try_take(2, false, now));
      EXPECT_FALSE(window.try_take(1, false, now));
      EXPECT_TRUE(window.try_take(2, false, now + interval));
      RateWindow told(interval, 2, 0);
      told.observe_used(2, now);
      EXPECT_FALSE(told.try_take(1, false, now));
      EXPECT_EQ(told.remaining_ratio(now), 0);
      EXPECT_EQ(told.remaining_ratio(now + interval), 1);
    }
  }
}

TEST(RateWindow, SaysWhetherThereIsRoomAndTakesNothing) {
  RateWindow window(second, 10, 0.5);
  for (int n = 0; n < 20; ++n) EXPECT_TRUE(window.has_room(5, false, t0));
  EXPECT_FALSE(window.has_room(6, false, t0));
  EXPECT_TRUE(window.has_room(10, true, t0));
  EXPECT_TRUE(window.try_take(10, true, t0));
  EXPECT_FALSE(window.has_room(1, true, t0));
  EXPECT_TRUE(window.has_room(10, true, t0 + second));
  window.pause_until(t0 + 3 * second);
  EXPECT_FALSE(window.has_room(0, true, t0 + 2 * second));
}

TEST(RateWindow, FollowsAChangedLimit) {
  RateWindow window(second, 10, 0);
  EXPECT_TRUE(window.try_take(10, false, t0));
  EXPECT_FALSE(window.try_take(1, false, t0));
  window.set_limit(20);
  EXPECT_TRUE(window.try_take(10, false, t0));
}

TEST(RateWindow, ThreadsNeverTakeMoreThanTheLimitTogether) {
  RateWindow window(second, 10'000, 0);
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) taken += window.try_take(1, false, t0) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 10'000);
}

}  // namespace
}  // namespace oneclick::net
