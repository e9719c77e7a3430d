// A dense table that grows without moving what it holds: a fan-out that needs one more order never
// copies all the others. Entries are plain bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

namespace oneclick::core {

template <typename T>
class Slab {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr std::size_t chunk_entries = 256;

  [[nodiscard]] T& operator[](std::size_t i) {
    return chunks_[i / chunk_entries][i % chunk_entries];
  }
  [[nodiscard]] const T& operator[](std::size_t i) const {
    return chunks_[i / chunk_entries][i % chunk_entries];
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Its bytes are not set.
  T& emplace_back() {
    if (size_ == chunks_.size() * chunk_entries)
      chunks_.push_back(std::make_unique_for_overwrite<T[]>(chunk_entries));
    return (*this)[size_++];
  }

 private:
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::size_t size_ = 0;
};

}  // namespace oneclick::core
