#include "engine/app/intent_check.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick {

namespace {

// After the first, second, fourth, ... input, and not more seldom than this.
constexpr std::uint64_t renew_interval_max = 65'536;

Core copy_of(const Core& core) {
  auto copy = Core::load(core.save());
  CHECK(copy.has_value());  // bytes that were made a moment ago
  return std::move(*copy);
}

class Collected final : public Output {
 public:
  void on_intent(const Intent& intent) override { intents.push_back(intent); }
  void on_record(const Record&) override {}
  std::vector<Intent> intents;
};

bool same_bytes(const std::vector<Intent>& a, const std::vector<Intent>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Intent)) == 0);
}

bool is_end(OrderStatus status) {
  switch (status) {
    case OrderStatus::pending:
    case OrderStatus::partially_filled:
      return false;
    case OrderStatus::filled:
    case OrderStatus::cancelled:
    case OrderStatus::failed:
      return true;
  }
  return true;
}

}  // namespace

IntentCheck::IntentCheck(const Core& core, bool from_snapshot)
    : twin_(copy_of(core)), from_snapshot_(from_snapshot) {}

void IntentCheck::on_step(const Event& event, const std::vector<Intent>& intents) {
  compare_with_records();
  Collected twins;
  twin_.step(event, twins);
  if (!same_bytes(intents, twins.intents))
    note(fmt::format("input {} gives other intents when it is derived again", event.seq));
  for (const Intent& intent : intents) {
    std::array<std::byte, sizeof(Digest) + sizeof(Intent)> link;
    std::memcpy(link.data(), digest_.data(), digest_.size());
    std::memcpy(link.data() + digest_.size(), &intent, sizeof intent);
    digest_ = sha256(std::span<const std::byte>(link));
    if (intent.kind == IntentKind::place) expect(intent, intent.key, intent.type);
    if (intent.kind == IntentKind::place_pair) {
      expect(intent, intent.key, OrderType::take_profit);
      expect(intent, intent.other_key, OrderType::stop_loss);
    }
  }
  count_ += intents.size();
  if (++inputs_ == renew_at_) renew_twin();
}

void IntentCheck::renew_twin() {
  twin_ = copy_of(twin_);
  renew_at_ += std::min(renew_at_, renew_interval_max);
}

void IntentCheck::on_record(const Record& record) {
  if (record.kind != RecordKind::order) return;
  const OrderRecord& o = record.order;
  recorded_[o.key] = {.type = o.type,
                      .side = o.side,
                      .symbol = o.symbol,
                      .quantity = o.quantity,
                      .price = o.price,
                      .ended = is_end(o.status)};
  if (is_end(o.status)) ended_now_.push_back(o.key);
}

void IntentCheck::expect(const Intent& i, OrderKey key, OrderType type) {
  placed_now_.emplace_back(key,
                           Placed{.type = type,
                                  .side = i.side,
                                  .symbol = i.symbol,
                                  .quantity = i.quantity,
                                  .price = type == OrderType::stop_loss ? i.stop_price : i.price,
                                  .ended = false});
}

void IntentCheck::compare_with_records() {
  for (const auto& [key, i] : placed_now_) {
    const auto found = recorded_.find(key);
    if (found == recorded_.end()) {
      if (!from_snapshot_)
        note(fmt::format("order {} is to be placed and was never recorded", key.to_text()));
      continue;
    }
    const Placed& p = found->second;
    if (p.type != i.type || p.side != i.side || p.symbol != i.symbol || p.quantity != i.quantity ||
        p.price != i.price)
      note(fmt::format("order {} is to be placed as {} {} at {}, and was recorded as {} {} at {}",
                       key.to_text(), to_text(i.side), i.quantity.to_text(), i.price.to_text(),
                       to_text(p.side), p.quantity.to_text(), p.price.to_text()));
  }
  placed_now_.clear();
  for (const OrderKey& key : ended_now_)
    if (const auto found = recorded_.find(key); found != recorded_.end() && found->second.ended)
      recorded_.erase(found);
  ended_now_.clear();
}

std::string IntentCheck::digest() const {
  return to_hex(digest_);
}

void IntentCheck::note(std::string problem) {
  if (!problem_) problem_ = std::move(problem);
}

std::string IntentCheck::take_problem() {
  return std::exchange(problem_, std::string()).value_or("");
}

}  // namespace oneclick
