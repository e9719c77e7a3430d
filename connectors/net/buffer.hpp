// A contiguous queue of bytes that keeps its room: what is consumed at the front is reused, and 64
// readable bytes always lie behind the end (simdjson reads beyond a text's end).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace oneclick::net {

class Buffer {
 public:
  static constexpr std::size_t padding = 64;

  [[nodiscard]] std::string_view view() const { return {data_.get() + head_, tail_ - head_}; }
  [[nodiscard]] std::size_t size() const { return tail_ - head_; }
  [[nodiscard]] bool empty() const { return tail_ == head_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

  // Room for `bytes` more; may move what is held.
  [[nodiscard]] char* prepare(std::size_t bytes) {
    if (tail_ + bytes > capacity_) make_room(bytes);
    return data_.get() + tail_;
  }
  void commit(std::size_t bytes) { tail_ += bytes; }
  void append(std::string_view text) {
    if (text.empty()) return;
    std::memcpy(prepare(text.size()), text.data(), text.size());
    commit(text.size());
  }
  void consume(std::size_t bytes) {
    head_ += bytes;
    if (head_ == tail_) head_ = tail_ = 0;
  }
  void clear() { head_ = tail_ = 0; }
  // Gives the memory back, for connections that fell silent.
  void release() {
    clear();
    data_.reset();
    capacity_ = 0;
  }

 private:
  void make_room(std::size_t bytes) {
    const std::size_t held = size();
    if (held + bytes <= capacity_ && head_ >= capacity_ / 2) {
      std::memmove(data_.get(), data_.get() + head_, held);
    } else {
      const std::size_t wanted = std::max({held + bytes, capacity_ * 2, std::size_t{4096}});
      auto grown = std::make_unique_for_overwrite<char[]>(wanted + padding);
      if (held != 0) std::memcpy(grown.get(), data_.get() + head_, held);
      std::memset(grown.get() + wanted, 0, padding);
      data_ = std::move(grown);
      capacity_ = wanted;
    }
    head_ = 0;
    tail_ = held;
  }

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

}  // namespace oneclick::net
