// A journal and a venue session whose state the test sets.
#pragma once

#include <cstring>
#include <vector>

#include "engine/domain/port.hpp"

namespace oneclick {

class MemoryJournal final : public JournalPort {
 public:
  std::uint64_t append(const Event& event) override {
    events.push_back(event);
    return ++position;
  }
  std::uint64_t append(const Record& record) override {
    records.push_back(record);
    return ++position;
  }
  [[nodiscard]] bool has_room(std::size_t) const override { return room; }
  [[nodiscard]] std::uint64_t appended() const override { return position; }
  [[nodiscard]] std::uint64_t synced() const override { return synced_position; }
  [[nodiscard]] bool failed() const override { return broken; }

  std::vector<Event> events;
  std::vector<Record> records;
  std::uint64_t position = 0;
  std::uint64_t synced_position = 0;
  bool room = true;
  bool broken = false;
};

class RecordingSession final : public OrderSession {
 public:
  void attach(AccountSlot slot, const Account&, const Credentials&) override {
    attached.push_back(slot);
  }
  void detach(AccountSlot slot) override { std::erase(attached, slot); }
  [[nodiscard]] SubmitResult submit(const Intent& intent) override {
    if (answer == SubmitResult::queued) submitted.push_back(intent);
    return answer;
  }
  void flush() override { ++flushes; }
  [[nodiscard]] bool up() const override { return answer != SubmitResult::down; }
  [[nodiscard]] std::size_t backlog_bytes() const override { return 0; }

  std::vector<AccountSlot> attached;
  std::vector<Intent> submitted;
  SubmitResult answer = SubmitResult::queued;
  int flushes = 0;
};

inline Intent place(bool is_exit, std::uint64_t key = 1) {
  Intent intent;
  std::memset(static_cast<void*>(&intent), 0, sizeof intent);
  intent.kind = IntentKind::place;
  intent.type = OrderType::market;
  intent.side = is_exit ? Side::sell : Side::buy;
  intent.venue = Venue::binance;
  intent.is_exit = is_exit;
  intent.key = {{key, key}};
  intent.symbol = Symbol::cut("BTC/USDT");
  return intent;
}

}  // namespace oneclick
