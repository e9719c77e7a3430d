// Requests that wait for their answers. Preallocated: taking, finding and releasing allocate
// nothing. A request's id holds its place and how often that place was used, so a late answer to an
// older request is not mistaken for the newer one's. One session owns it.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/domain/event.hpp"

namespace oneclick::binance {

enum class RequestKind : std::uint8_t {
  none = 0,
  place,
  place_pair,
  cancel,
  query,
  trades,
  time,
  subscribe,
  account,
  open_orders,
  gap_trades,  // see session_trades.cpp
  gap_order,
  other
};

struct Pending {
  RequestKind kind;
  Side side;  // of place
  std::uint16_t generation;
  std::uint32_t connection;  // serial of the one it was sent on
  AccountSlot slot;
  std::uint32_t attached;  // which attachment of the slot it belongs to
  AccountId account;
  OrderKey key;        // of order requests
  OrderKey other_key;  // of pairs
  Symbol symbol;
  Symbol venue_symbol;
  VenueOrderId order_id;  // of trades
  std::int64_t started_ns;
  std::int64_t sent_ns;  // wholly handed to the kernel; 0 before
};

class PendingTable {
 public:
  explicit PendingTable(std::size_t capacity) : rows_(capacity), free_(capacity) {
    for (std::size_t i = 0; i < capacity; ++i) free_[i] = static_cast<std::uint16_t>(i);
    free_count_ = capacity;
  }
  // Null when all are taken. The row is zero but for its generation.
  Pending* take(std::uint32_t& id) {
    if (free_count_ == 0) return nullptr;
    const std::uint16_t index = free_[head_];
    head_ = head_ + 1 == free_.size() ? 0 : head_ + 1;
    --free_count_;
    Pending& row = rows_[index];
    // The next one to be taken comes from wherever its last order ended.
    const auto* const next = reinterpret_cast<const char*>(&rows_[free_[head_]]);
    for (std::size_t at = 0; at < sizeof(Pending); at += 64) __builtin_prefetch(next + at, 1);
    const std::uint16_t generation = row.generation;
    row = {};
    row.generation = generation;
    id = static_cast<std::uint32_t>(generation) << 16 | index;
    return &row;
  }
  Pending* find(std::uint32_t id) {
    const std::size_t index = id & 0xffff;
    if (index >= rows_.size()) return nullptr;
    Pending& row = rows_[index];
    return row.kind != RequestKind::none && row.generation == id >> 16 ? &row : nullptr;
  }
  Pending* find(std::string_view id) {
    std::uint32_t number = 0;
    const auto [end, failed] = std::from_chars(id.data(), id.data() + id.size(), number, 16);
    if (id.size() != 8 || failed != std::errc{} || end != id.data() + id.size()) return nullptr;
    return find(number);
  }
  void release(Pending& row) {
    row.kind = RequestKind::none;
    ++row.generation;
    std::size_t tail = head_ + free_count_;
    if (tail >= free_.size()) tail -= free_.size();
    free_[tail] = static_cast<std::uint16_t>(&row - rows_.data());
    ++free_count_;
  }
  [[nodiscard]] std::size_t in_flight() const { return rows_.size() - free_count_; }
  [[nodiscard]] std::size_t capacity() const { return rows_.size(); }
  [[nodiscard]] Pending& at(std::size_t index) { return rows_[index]; }

 private:
  std::vector<Pending> rows_;
  std::vector<std::uint16_t> free_;  // ring: the longest free is taken first
  std::size_t head_ = 0;
  std::size_t free_count_ = 0;
};

// Requests whose bytes are committed but not yet known to be with the kernel, in order of their end
// marks. Preallocated; when it is full the oldest is forgotten (its sending time stays unknown).
class UnwrittenRing {
 public:
  struct Row {
    std::uint32_t id;
    std::uint64_t end_mark;
  };
  explicit UnwrittenRing(std::size_t capacity) : rows_(capacity) {}
  void push(Row row) {
    if (count_ == rows_.size()) pop();
    std::size_t tail = head_ + count_;
    if (tail >= rows_.size()) tail -= rows_.size();
    rows_[tail] = row;
    ++count_;
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] const Row& front() const { return rows_[head_]; }
  void pop() {
    head_ = head_ + 1 == rows_.size() ? 0 : head_ + 1;
    --count_;
  }

 private:
  std::vector<Row> rows_;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
};

}  // namespace oneclick::binance
