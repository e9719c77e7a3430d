#include "engine/runtime/touch_board.hpp"

#include <bit>
#include <cstring>

#include "engine/base/check.hpp"

namespace oneclick {

namespace {

std::uint64_t hash_of_text(Venue venue, std::string_view text) {
  std::uint64_t h = static_cast<std::uint64_t>(venue) + 0x9e3779b97f4a7c15ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix(h);
}

}  // namespace

TouchBoard::TouchBoard(std::size_t capacity)
    : mask_(capacity * 2 - 1), entries_(std::make_unique<Entry[]>(capacity * 2)) {
  CHECK(std::has_single_bit(capacity));
}

TouchBoard::Entry* TouchBoard::find(Venue venue, std::string_view symbol) const {
  for (std::size_t i = hash_of_text(venue, symbol) & mask_;; i = (i + 1) & mask_) {
    Entry& entry = entries_[i];
    if (!entry.used.load(std::memory_order_acquire)) return nullptr;
    if (entry.venue == venue && entry.symbol.view() == symbol) return &entry;
  }
}

TouchBoard::Entry* TouchBoard::add(Venue venue, const Symbol& symbol) {
  const std::lock_guard hold(adding_);
  if (Entry* const found = find(venue, symbol.view())) return found;
  if (count_ * 2 > mask_) return nullptr;
  std::size_t i = hash_of_text(venue, symbol.view()) & mask_;
  while (entries_[i].used.load(std::memory_order_relaxed)) i = (i + 1) & mask_;
  entries_[i].venue = venue;
  entries_[i].symbol = symbol;
  entries_[i].used.store(true, std::memory_order_release);
  ++count_;
  return &entries_[i];
}

TouchBoard::Entry* TouchBoard::of(Venue venue, const Symbol& symbol) {
  Entry* const entry = find(venue, symbol.view());
  return entry == nullptr ? add(venue, symbol) : entry;
}

template <typename T>
void TouchBoard::Cell<T>::write(const T& value) {
  std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  const std::uint32_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  // Release on every word: a reader that sees one of them also sees the odd version before it.
  for (std::size_t i = 0; i < bytes.size(); ++i)
    words_[i].store(bytes[i], std::memory_order_release);
  version_.store(version + 2, std::memory_order_release);
}

template <typename T>
T TouchBoard::Cell<T>::read() const {
  std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)> bytes;
  for (;;) {
    const std::uint32_t before = version_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = words_[i].load(std::memory_order_acquire);
    if ((before & 1) == 0 && version_.load(std::memory_order_relaxed) == before) break;
  }
  T out;
  std::memcpy(static_cast<void*>(&out), bytes.data(), sizeof out);
  return out;
}

void TouchBoard::on_touch(Venue venue, const Symbol& symbol, const Touch& touch) {
  if (Entry* const entry = of(venue, symbol); entry != nullptr) entry->touch.write(touch);
}

void TouchBoard::on_reference(Venue venue, const Symbol& symbol, const Reference& reference) {
  if (Entry* const entry = of(venue, symbol); entry != nullptr) entry->reference.write(reference);
}

Touch TouchBoard::touch(Venue venue, std::string_view symbol) const {
  const Entry* const entry = find(venue, symbol);
  return entry == nullptr ? Touch{} : entry->touch.read();
}

Reference TouchBoard::reference(Venue venue, std::string_view symbol) const {
  const Entry* const entry = find(venue, symbol);
  return entry == nullptr ? Reference{} : entry->reference.read();
}

void TouchBoard::for_each(
    const std::function<void(Venue, const Symbol&, const Touch&)>& each) const {
  for (std::size_t i = 0; i <= mask_; ++i) {
    const Entry& entry = entries_[i];
    if (!entry.used.load(std::memory_order_acquire)) continue;
    if (const Touch touch = entry.touch.read(); touch.time_ns != 0)
      each(entry.venue, entry.symbol, touch);
  }
}

}  // namespace oneclick
