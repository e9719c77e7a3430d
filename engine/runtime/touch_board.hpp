// Best bid and ask by venue and symbol: written by market data, read by shards as they take a
// leader event. One thread may write a symbol at a time; any thread may read. Never allocates after
// start.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/domain/port.hpp"

namespace oneclick {

class TouchBoard final : public TouchSink {
 public:
  // capacity: symbols over all venues, a power of two. Touches of further symbols are not kept:
  // entries in them are then refused as no_price.
  explicit TouchBoard(std::size_t capacity);
  void on_touch(Venue venue, const Symbol& symbol, const Touch& touch) override;
  void on_reference(Venue venue, const Symbol& symbol, const Reference& reference) override;
  // All-zero touch when the symbol was never seen.
  [[nodiscard]] Touch touch(Venue venue, std::string_view symbol) const;
  // All-zero when none was told.
  [[nodiscard]] Reference reference(Venue venue, std::string_view symbol) const;
  // Every touch that was told, in no order. Walks the whole board: not for the order path.
  void for_each(const std::function<void(Venue, const Symbol&, const Touch&)>& each) const;

 private:
  // One value that a thread writes while others read.
  template <typename T>
  class Cell {
   public:
    void write(const T& value);
    [[nodiscard]] T read() const;

   private:
    std::atomic<std::uint32_t> version_{0};  // odd while being written
    std::array<std::atomic<std::uint64_t>, sizeof(T) / sizeof(std::uint64_t)> words_{};
  };
  struct Entry {
    std::atomic<bool> used{false};
    Venue venue;
    Symbol symbol;
    Cell<Touch> touch;
    Cell<Reference> reference;
  };
  [[nodiscard]] Entry* find(Venue venue, std::string_view symbol) const;
  Entry* add(Venue venue, const Symbol& symbol);
  Entry* of(Venue venue, const Symbol& symbol);  // null when the board is full

  const std::size_t mask_;
  std::unique_ptr<Entry[]> entries_;
  std::mutex adding_;
  std::size_t count_ = 0;
};

}  // namespace oneclick
