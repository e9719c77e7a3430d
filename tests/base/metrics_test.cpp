#include "engine/base/metrics.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

TEST(Metrics, TheSameNameAndLabelsAreTheSameSeries) {
  Metrics metrics;
  Counter& a = metrics.counter("orders_sent_total", "Orders sent.", {{"venue", "binance"}});
  Counter& b = metrics.counter("orders_sent_total", "Orders sent.", {{"venue", "binance"}});
  Counter& c = metrics.counter("orders_sent_total", "Orders sent.", {{"venue", "paper"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &c);
  a.add();
  b.add(2);
  EXPECT_EQ(a.value(), 3U);
  EXPECT_EQ(c.value(), 0U);
}

TEST(Metrics, SeriesAreVisitedByNameThenRegistration) {
  Metrics metrics;
  metrics.gauge("unknown_orders", "").set(2.5);
  metrics.counter("b_total", "", {{"x", "2"}});
  metrics.histogram("a_seconds", "").record(5);
  metrics.counter("b_total", "", {{"x", "1"}});
  std::vector<std::string> seen;
  metrics.each([&](const Metrics::Series& s) {
    seen.push_back(s.labels.empty() ? s.name : s.name + s.labels[0].second);
  });
  EXPECT_EQ(seen,
            (std::vector<std::string>{"a_seconds", "b_total2", "b_total1", "unknown_orders"}));
}

TEST(Metrics, ReferencesStayGoodWhileMoreAreRegistered) {
  Metrics metrics;
  Gauge& first = metrics.gauge("first", "");
  for (int i = 0; i < 1000; ++i) metrics.counter("c" + std::to_string(i), "").add();
  first.set(7);
  double seen = 0;
  metrics.each([&](const Metrics::Series& s) {
    if (s.name == "first") seen = s.gauge.value();
  });
  EXPECT_EQ(seen, 7);
}

TEST(Metrics, CountersLoseNothingBetweenThreads) {
  Metrics metrics;
  Counter& counter = metrics.counter("n_total", "");
  const auto work = [&] {
    for (int i = 0; i < 100'000; ++i) counter.add();
  };
  std::thread a(work), b(work);
  a.join();
  b.join();
  EXPECT_EQ(counter.value(), 200'000U);
}

TEST(MetricsDeathTest, OneNameIsOneKind) {
  Metrics metrics;
  metrics.counter("n_total", "");
  EXPECT_DEATH(metrics.gauge("n_total", "", {{"a", "b"}}), "check failed");
}

}  // namespace
}  // namespace oneclick
