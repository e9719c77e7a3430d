// Whether a replay gives the intents of the live run. They are not in the journal: they are derived
// twice, by the replay's core and by a twin that is made anew of its saved bytes again and again,
// and must be the same bytes; and what each asks a venue to place must be what the journal recorded
// of that order. Owned by the replay; for tools, nothing here is on the order path.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/core/core.hpp"

namespace oneclick {

class IntentCheck {
 public:
  // The twin begins as a copy of `core`. Orders from before a snapshot have records that nobody
  // reads: what is placed of them again is not compared.
  explicit IntentCheck(const Core& core, bool from_snapshot);

  // What the replay's core asked for in this step. The records of the step before were all told.
  void on_step(const Event& event, const std::vector<Intent>& intents);
  void on_record(const Record& record);
  void finish() { compare_with_records(); }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::string digest() const;
  // The first thing that did not hold, once; empty when there is none.
  [[nodiscard]] std::string take_problem();

 private:
  struct Placed {
    OrderType type;
    Side side;
    Symbol symbol;
    Decimal quantity;
    Decimal price;
    bool ended;
  };
  void expect(const Intent& intent, OrderKey key, OrderType type);
  void compare_with_records();
  void renew_twin();
  void note(std::string problem);

  Core twin_;
  const bool from_snapshot_;
  std::vector<std::pair<OrderKey, Placed>> placed_now_;
  std::vector<OrderKey> ended_now_;
  std::map<OrderKey, Placed> recorded_;
  Digest digest_{};
  std::uint64_t count_ = 0;
  std::uint64_t inputs_ = 0;
  std::uint64_t renew_at_ = 1;
  std::optional<std::string> problem_;
};

}  // namespace oneclick
