// One run of a core over the inputs of a journal in which a simple model of the venue answers its
// orders, because the recorded answers fit the recorded orders only.
//
// The model: every order is answered at once and whole. An entry fills at the ask if its limit
// allows that, else it ends unfilled; an exit fills at the bid; both as the journal last knew them.
// An order that rests fills at its price once the touch reaches it, a stop at the touch that
// reached it; of a pair the other then ends. Depth, latency, refusals and lost answers are not
// modelled. Fees are what the account paid in the journal on such a side, in the asset it paid them
// in (ModelFees). Balances are the recorded ones, less what the recorded fills took from them, plus
// what the model's took. Nothing is random: the same journal gives the same run.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/app/shadow_books.hpp"
#include "engine/core/core.hpp"

namespace oneclick {

// What fills cost by the journal: by account and side, else by side over all accounts, else the
// core's taker_fee_bps.
class ModelFees {
 public:
  void on_fill(const FillRecord& fill);
  struct Fee {
    Decimal amount;
    Asset asset;
  };
  [[nodiscard]] Fee of(AccountId account, Side side, const SymbolParts& parts, Decimal quantity,
                       Decimal quote, std::int32_t default_bps) const;
  // Every fill costs the core's taker_fee_bps, whatever the journal says.
  void use_setting() { use_setting_ = true; }

 private:
  struct Paid {
    bool in_base;
    Decimal fees;   // in base of buys that paid so, else in quote
    Decimal basis;  // of what: base units or quote
  };
  std::map<std::pair<AccountId, Side>, Paid> by_account_;
  std::map<Side, Paid> by_side_;
  bool use_setting_ = false;
};

// The venue's best prices as the journal last told them, and what quotes are worth.
class KnownPrices {
 public:
  void on_event(const Event& event);
  [[nodiscard]] const Touch* touch(const Symbol& symbol) const;
  [[nodiscard]] Decimal quote_usd(const Symbol& symbol) const;  // zero: not known

 private:
  struct Known {
    Touch touch;
    Decimal quote_usd;
  };
  std::map<Symbol, Known> known_;
};

class ShadowRun final : private Output {
 public:
  struct Start {
    Core core;  // empty, or a snapshot's
    bool from_snapshot;
    std::uint64_t seq;
    std::int64_t time_ns;
  };
  // Fees and prices are the caller's and outlive the run.
  ShadowRun(Start start, const ModelFees& fees, const KnownPrices& prices);

  // What the core wanted to do until then, at the prices known until then.
  void pass_time(std::int64_t until_ns);
  // Resting orders that the touch of this symbol has reached.
  void on_touch(const Symbol& symbol, std::int64_t time_ns);
  // An input of the journal; its terms may have been changed. What the venue said of orders that
  // this run made itself is passed over, and so are timers: the core has its own.
  void on_input(const Event& event);
  // What the journal recorded, for the balances.
  void on_recorded_fill(const FillRecord& fill);
  // At the time of the last input.
  void tell(const Event& event) { step_at(event, now_ns_); }

  [[nodiscard]] const Core& core() const { return core_; }
  [[nodiscard]] LinkBooks& books() { return books_; }
  // Outcomes since they were last taken.
  [[nodiscard]] std::vector<OutcomeRecord> take_outcomes() { return std::exchange(outcomes_, {}); }

 private:
  struct Funds {
    Decimal free{};  // as the journal told it
    Decimal locked{};
    std::int64_t told_ns = 0;  // venue's time of that
    Decimal modelled{};        // by which this run's fills moved it
    Decimal recorded{};        // by which recorded fills moved it that `free` knows of
    std::vector<std::pair<std::int64_t, Decimal>> pending;  // recorded fills after told_ns
  };
  using FundsKey = std::pair<AccountId, Asset>;
  struct Asked {
    AccountId account;
    OrderKey key;
    OrderKey other;  // of a pair; else nil
    OrderType type;
    Side side;
    Symbol symbol;
    Decimal quantity;
    Decimal price;  // limit, or what a stop is touched at
  };

  void on_intent(const Intent& intent) override { intents_.push_back(intent); }
  void on_record(const Record& record) override;
  void on_balance(const Balance& balance);
  void move_modelled(const FillRecord& fill);
  void step_at(const Event& event, std::int64_t time_ns);
  void step(const Event& event);
  void settle();
  void answer(const Intent& intent);
  void place(const Asked& order);
  // What it would fill at now; nullopt: it does not.
  [[nodiscard]] std::optional<Decimal> fill_price(const Asked& order) const;
  void tell_order(const Asked& order, OrderUpdateKind kind, UpdateSource source);
  void tell_fill(const Asked& order, Decimal price, UpdateSource source);
  void end_resting(OrderKey key);
  void tell_balance(const FundsKey& key);

  Core core_;
  const bool from_snapshot_;
  std::uint64_t seq_;
  std::int64_t now_ns_;
  const ModelFees& fees_;
  const KnownPrices& prices_;
  LinkBooks books_;
  std::deque<Intent> intents_;
  std::set<FundsKey> moved_;  // since the core was last told
  std::map<FundsKey, Funds> funds_;
  std::map<OrderKey, Asked> resting_;
  std::set<OrderKey> placed_;  // by this run, where others may be under way as it begins
  std::vector<OutcomeRecord> outcomes_;
};

}  // namespace oneclick
