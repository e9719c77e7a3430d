// The bounded queue between threads: many producers, one consumer, lock-free. Order is kept per
// producer only; the consumer's order of taking is the order that counts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <concurrentqueue/concurrentqueue.h>

namespace oneclick {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity)
      : capacity_(capacity), queue_(capacity), consumer_(queue_) {}

  // False when full: the caller decides whether to refuse, shed or wait. Any thread.
  [[nodiscard]] bool try_push(const T& item) {
    if (size_.fetch_add(1, std::memory_order_acq_rel) >= static_cast<std::int64_t>(capacity_)) {
      size_.fetch_sub(1, std::memory_order_acq_rel);
      return false;
    }
    if (queue_.enqueue(item)) return true;
    size_.fetch_sub(1, std::memory_order_acq_rel);
    return false;
  }
  // The consumer's thread only.
  [[nodiscard]] bool try_pop(T& out) {
    if (!queue_.try_dequeue(consumer_, out)) return false;
    size_.fetch_sub(1, std::memory_order_acq_rel);
    return true;
  }
  // A little more than what can be taken while a push is under way.
  [[nodiscard]] std::size_t size() const {
    const std::int64_t n = size_.load(std::memory_order_acquire);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  const std::size_t capacity_;
  alignas(64) std::atomic<std::int64_t> size_{0};
  moodycamel::ConcurrentQueue<T> queue_;
  moodycamel::ConsumerToken consumer_;
};

}  // namespace oneclick
