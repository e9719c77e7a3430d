// The core: a function from events to intents and records. No socket, file, thread, lock, clock or
// random number inside; the same events give the same bytes out on any machine. One thread owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/domain/event.hpp"
#include "engine/domain/intent.hpp"
#include "engine/domain/record.hpp"

namespace oneclick {

// Takes what a step gives, in the order it is given, while the step runs: a fan-out's first intents
// can leave before its last are computed. References are valid during the call only.
class Output {
 public:
  virtual ~Output() = default;
  virtual void on_intent(const Intent& intent) = 0;
  virtual void on_record(const Record& record) = 0;
  // A hint, nothing that counts: this follower's account will be served in a few moments (first),
  // or after the next but one.
  virtual void on_follower_ahead(AccountSlot, bool /*first*/) {}
};

class Core {
 public:
  Core();
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // Hot path 4/7. `event` is stamped (seq, time_ns, for leader events the touch). Never fails: what
  // the outside world sends wrongly ends as a named outcome or is ignored and counted.
  void step(const Event& event, Output& out);

  // Earliest engine time at which a timer event would do something; int64 max when none.
  [[nodiscard]] std::int64_t next_deadline_ns() const;
  // Whether the event would change anything: an upsert equal to what is held, a removal of what is
  // not there, a leader event seen before. Shards drop such events before they reach the journal.
  [[nodiscard]] bool would_change(const Event& event) const;

  [[nodiscard]] AccountSlot slot_of(AccountId id) const;  // no_slot when unknown
  [[nodiscard]] const Account* account_at(AccountSlot slot) const;

  struct Counts {
    std::size_t links, accounts, accounts_reconciled, orders_open, orders_unknown,
        quarantined_links, kill_switches, leader_events_remembered, ignored_events;
    std::size_t exit_alarms;     // since the state began
    std::size_t exits_in_alarm;  // now
  };
  [[nodiscard]] Counts counts() const;
  // Open orders but those that rest at the venue for as long as it takes: what a drain waits for.
  [[nodiscard]] std::size_t orders_in_flight() const;
  [[nodiscard]] std::vector<LinkId> link_ids() const;  // in order of arrival
  [[nodiscard]] std::vector<AccountId> account_ids() const;
  [[nodiscard]] std::vector<AccountId> feed_ids() const;
  [[nodiscard]] std::vector<KillSwitch> kill_switches() const;
  [[nodiscard]] std::vector<SymbolMapping> symbol_mappings() const;
  [[nodiscard]] std::vector<RiskLimits> risk_limits() const;
  // Leader events remembered for idempotency: what ingress needs after a start.
  struct Seen {
    EventId id;
    EventId alias;  // see LeaderEvent
    std::uint64_t body_hash[2];
    std::uint64_t seq;
    std::int64_t time_ns;
  };
  [[nodiscard]] std::vector<Seen> seen_events() const;
  // What a link holds of a symbol and carries as residual; for tests, tools and reports.
  struct Holding {
    LinkId link;
    Symbol symbol;
    Decimal quantity;  // never negative
    bool is_short;
    Decimal residual;
    Decimal cost;  // what was paid for it in quote
  };
  [[nodiscard]] std::vector<Holding> holdings() const;
  // What was told last, for tools that go on from a snapshot.
  [[nodiscard]] std::optional<CopyLink> link(LinkId id) const;
  [[nodiscard]] const CoreSettings& settings() const;
  [[nodiscard]] std::vector<AccountId> reconciled_accounts() const;
  [[nodiscard]] std::vector<Balance> balances() const;

  // State to bytes, back, and to a number. The bytes are for the same journal format only.
  [[nodiscard]] std::uint64_t state_hash() const;
  [[nodiscard]] std::vector<std::byte> save() const;
  [[nodiscard]] static std::expected<Core, std::string> load(std::span<const std::byte> bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oneclick
