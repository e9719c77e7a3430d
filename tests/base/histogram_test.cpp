#include "engine/base/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0U);
  EXPECT_EQ(h.quantile_ns(0.5), 0);
  EXPECT_EQ(h.count_at_most(std::numeric_limits<std::int64_t>::max()), 0U);
}

TEST(Histogram, QuantilesAreWithinThreePercentOfTheExactOnes) {
  std::mt19937_64 random(3);
  Histogram h;
  std::vector<std::int64_t> values;
  std::int64_t sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto bits = 1 + random() % 40;
    values.push_back(static_cast<std::int64_t>(random() >> (64 - bits)));
    sum += values.back();
    h.record(values.back());
  }
  std::sort(values.begin(), values.end());
  EXPECT_EQ(h.count(), values.size());
  EXPECT_EQ(h.sum_ns(), sum);
  EXPECT_EQ(h.max_ns(), values.back());
  for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * 100'000));
    const std::int64_t exact = values[rank == 0 ? 0 : rank - 1];
    const std::int64_t got = h.quantile_ns(q);
    EXPECT_GE(got, exact) << q;
    EXPECT_LE(static_cast<double>(got), static_cast<double>(exact) * 1.0313 + 1) << q;
  }
}

TEST(Histogram, SmallValuesAreExactAndNegativeOnesAreZero) {
  Histogram h;
  h.record(-5);
  EXPECT_EQ(h.max_ns(), 0);
  EXPECT_EQ(h.sum_ns(), 0);
  for (int i = 0; i < 64; ++i) h.record(i);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(h.count_at_most(i), static_cast<std::uint64_t>(i + 2)) << i;
  EXPECT_EQ(h.quantile_ns(1.0), 63);
}

TEST(Histogram, TakesTheLargestValueThereIs) {
  Histogram h;
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  h.record(largest);
  EXPECT_EQ(h.max_ns(), largest);
  EXPECT_EQ(h.quantile_ns(0.5), largest);
  EXPECT_EQ(h.count_at_most(largest), 1U);
  EXPECT_EQ(h.count_at_most(largest / 2), 0U);
}

TEST(Histogram, QuantilesNeverExceedTheMaximum) {
  Histogram h;
  h.record(1'000'000);
  for (const double q : {0.0, 0.5, 1.0}) EXPECT_EQ(h.quantile_ns(q), 1'000'000);
}

TEST(Histogram, CumulativeCountsRiseToTheTotal) {
  Histogram h;
  std::mt19937_64 random(4);
  for (int i = 0; i < 10'000; ++i) h.record(static_cast<std::int64_t>(random() >> 30));
  std::uint64_t before = 0;
  for (std::int64_t limit = 1; limit < std::int64_t{1} << 36; limit *= 2) {
    const std::uint64_t now = h.count_at_most(limit);
    EXPECT_GE(now, before);
    before = now;
  }
  EXPECT_EQ(before, h.count());
}

TEST(Histogram, MergedIsAsIfRecordedTogether) {
  Histogram a, b, both;
  for (int i = 1; i < 5000; ++i) {
    (i % 3 == 0 ? a : b).record(i * i);
    both.record(i * i);
  }
  a.record_many(77, 10);
  both.record_many(77, 10);
  a.merge(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.sum_ns(), both.sum_ns());
  EXPECT_EQ(a.max_ns(), both.max_ns());
  for (double q = 0; q <= 1; q += 0.05) EXPECT_EQ(a.quantile_ns(q), both.quantile_ns(q));
}

TEST(Histogram, LosesNothingBetweenWriters) {
  Histogram h;
  const auto work = [&h](std::int64_t first) {
    for (std::int64_t i = 0; i < 200'000; ++i) h.record(first + i % 1000);
  };
  std::thread a(work, 0), b(work, 500);
  a.join();
  b.join();
  EXPECT_EQ(h.count(), 400'000U);
  EXPECT_EQ(h.sum_ns(), 200 * (999 * 500 + 999 * 500 + 500 * 1000));
  EXPECT_EQ(h.max_ns(), 1499);
  EXPECT_EQ(h.count_at_most(1499), 400'000U);
}

TEST(Histogram, RecordingNothingChangesNothing) {
  Histogram h;
  h.record_many(500, 0);
  EXPECT_EQ(h.count(), 0U);
  EXPECT_EQ(h.max_ns(), 0);
}

}  // namespace
}  // namespace oneclick
