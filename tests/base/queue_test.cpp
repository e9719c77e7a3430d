#include "engine/base/queue.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace oneclick {
namespace {

struct Item {
  std::uint32_t producer;
  std::uint32_t number;
};

TEST(BoundedQueue, RefusesBeyondItsCapacityAndTakesAgainAfterAPop) {
  BoundedQueue<int> queue(4);
  EXPECT_EQ(queue.capacity(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.try_push(i));
  EXPECT_FALSE(queue.try_push(4));
  EXPECT_EQ(queue.size(), 4U);
  int out = -1;
  EXPECT_TRUE(queue.try_pop(out));
  EXPECT_EQ(out, 0);
  EXPECT_TRUE(queue.try_push(5));
  EXPECT_FALSE(queue.try_push(6));
  const int expected[] = {1, 2, 3, 5};
  for (const int e : expected) {
    EXPECT_TRUE(queue.try_pop(out));
    EXPECT_EQ(out, e);
  }
  EXPECT_FALSE(queue.try_pop(out));
  EXPECT_EQ(queue.size(), 0U);
}

TEST(BoundedQueue, KeepsEachProducersOrderAndLosesNothing) {
  constexpr std::uint32_t count = 300'000;
  constexpr std::size_t capacity = 64;
  BoundedQueue<Item> queue(capacity);
  std::atomic<std::uint64_t> refused{0};
  const auto produce = [&](std::uint32_t producer) {
    for (std::uint32_t n = 0; n < count; ++n)
      while (!queue.try_push({producer, n})) {
        refused.fetch_add(1, std::memory_order_relaxed);
        std::this_thread::yield();
      }
  };
  std::thread first(produce, 0U), second(produce, 1U);
  std::uint32_t next[2] = {0, 0};
  std::size_t largest = 0;
  for (std::uint64_t taken = 0; taken < 2ULL * count;) {
    Item item;
    largest = std::max(largest, queue.size());
    if (!queue.try_pop(item)) {
      std::this_thread::yield();
      continue;
    }
    ++taken;
    ASSERT_LT(item.producer, 2U);
    ASSERT_EQ(item.number, next[item.producer]) << "producer " << item.producer;
    ++next[item.producer];
  }
  first.join();
  second.join();
  Item item;
  EXPECT_FALSE(queue.try_pop(item));
  // A push under way counts for a moment before it is refused: two producers, two more.
  EXPECT_LE(largest, capacity + 2);
  EXPECT_GT(refused.load(), 0U) << "the bound was never reached";
}

}  // namespace
}  // namespace oneclick
