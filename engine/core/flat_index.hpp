// Finds the dense index of an entry by the hash of its key: open addressing, eight bytes a slot.
// Keys stay in the dense tables; the caller compares. Never iterated: the order of slots is
// nobody's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace oneclick::core {

using Index = std::uint32_t;
inline constexpr Index none = ~Index{0};

class FlatIndex {
 public:
  // `same(index)` says whether the entry there has the key that is looked for.
  template <typename Same>
  [[nodiscard]] Index find(std::uint64_t hash, Same&& same) const {
    if (slots_.empty()) return none;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = tag & mask();; i = (i + 1) & mask()) {
      if (slots_[i].index == none) return none;
      if (slots_[i].tag == tag && same(slots_[i].index)) return slots_[i].index;
    }
  }

  void insert(std::uint64_t hash, Index index) {
    if ((size_ + 1) * 2 > slots_.size()) rehash(slots_.empty() ? 16 : slots_.size() * 2);
    put({tag_of(hash), index});
    ++size_;
  }

  void erase(std::uint64_t hash, Index index) {
    if (slots_.empty()) return;
    std::size_t hole = tag_of(hash) & mask();
    while (slots_[hole].index != index) {
      if (slots_[hole].index == none) return;
      hole = (hole + 1) & mask();
    }
    // Entries behind the hole move up, so that no search ends early.
    for (std::size_t i = (hole + 1) & mask(); slots_[i].index != none; i = (i + 1) & mask()) {
      const std::size_t home = slots_[i].tag & mask();
      if (((i - home) & mask()) < ((i - hole) & mask())) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole].index = none;
    --size_;
  }

  void reserve(std::size_t entries) {
    std::size_t slots = 16;
    while (slots < entries * 2) slots *= 2;
    if (slots > slots_.size()) rehash(slots);
  }
  void clear() {
    slots_.clear();
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  // The index that find() most probably gives, without looking at the entry itself; none when the
  // place is empty.
  [[nodiscard]] Index guess(std::uint64_t hash) const {
    return slots_.empty() ? none : slots_[tag_of(hash) & mask()].index;
  }
  void prefetch(std::uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[tag_of(hash) & mask()]);
  }

 private:
  struct Slot {
    std::uint32_t tag;
    Index index;
  };
  static std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash ^ (hash >> 32));
  }
  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  void put(Slot slot) {
    std::size_t i = slot.tag & mask();
    while (slots_[i].index != none) i = (i + 1) & mask();
    slots_[i] = slot;
  }
  void rehash(std::size_t slots) {
    std::vector<Slot> old(slots, Slot{0, none});
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.index != none) put(slot);
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace oneclick::core
