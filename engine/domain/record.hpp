// All that the core wants remembered. Records follow their input in the journal; the sink turns
// them into rows. Every record is derived: replaying the inputs gives the same bytes.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/domain/event.hpp"
#include "engine/domain/intent.hpp"

namespace oneclick {

enum class RecordKind : std::uint16_t {
  leader_event = 1,  // LeaderEventRecord: accepted, with links_matched
  outcome = 2,       // OutcomeRecord: exactly one per (leader event x matched link)
  order = 3,         // OrderRecord: a trades row as it now is, and one state row of trade_history
  fill = 4,  // FillRecord: one fill row of trade_history, and the portfolio position's change
  external_fill = 5,  // ExternalFillRecord
  instrument = 6,     // Instrument
  kill_switch = 7,    // KillSwitch
  account_state = 8,  // AccountState
  link_halt = 9,      // LinkHaltRecord: a limit stopped a link, or it was released
  quarantine = 10,    // QuarantineRecord: a link's symbol was set aside, as it is now, or released
  scope_halt = 11,    // ScopeHaltRecord: the same of an account, a leader, a channel
};

struct LeaderEventRecord {
  LeaderEvent event;
  std::int64_t accepted_ns;
  std::uint32_t links_matched;
};

struct OutcomeRecord {
  EventId event;
  LinkId link;
  Outcome outcome;
  Reason reason;  // none for copied
  Cap cap;        // binding cap, none when nothing was clipped
  std::uint32_t rank;
  Decimal wanted_quantity;  // before caps and rounding, residual included
  Decimal sent_quantity;
  Decimal residual_quantity;       // carried after this event, per (link, symbol)
  OrderKey order;                  // nil when no order was made
  std::int64_t ingest_to_wire_ns;  // 0 when nothing was sent or the time is not known
  std::int64_t created_ns;
};

// trades.status
enum class OrderStatus : std::uint8_t { pending = 1, filled, partially_filled, cancelled, failed };
[[nodiscard]] std::string_view to_text(OrderStatus status);

struct OrderRecord {
  OrderKey key;
  EventId event;
  LinkId link;
  UserId user;
  PortfolioId portfolio;
  AccountId account;
  UserId copied_from;    // leader; nil for signals without one
  SignalId signal;       // nil for leader fills
  std::uint32_t change;  // 0, 1, 2, ...: which state row of this order
  OrderStatus status;
  Side side;
  OrderType type;
  bool unknown;  // in flight and not known either way (status pending)
  bool alarm;    // an exit or a protection that has failed exit_alarm_attempts times in a row
  Reason reason;
  std::int32_t venue_code;
  UpdateSource source;  // what brought this state; gate for the engine's own
  Symbol symbol;
  VenueOrderId venue_order_id;
  Decimal quantity;
  Decimal price;  // limit; of stop_loss what it is touched at; zero for market (NULL in the row)
  Decimal filled_quantity;
  Decimal filled_quote;  // filled_price = filled_quote / filled_quantity
  Decimal value_usd;     // sums over fills with a known rate
  Decimal fees_usd;
  bool has_value_usd;  // every fill so far had a rate
  bool has_fees_usd;
  std::int64_t created_ns;
  std::int64_t updated_ns;
  std::int64_t executed_ns;  // of the last fill; 0 when none
  Text<95> message;
};

struct FillRecord {
  OrderKey order;
  LinkId link;
  UserId user;
  PortfolioId portfolio;
  AccountId account;
  Side side;
  bool maker;
  UpdateSource source;
  Symbol symbol;
  VenueOrderId venue_order_id;
  VenueTradeId trade_id;
  Decimal quantity;
  Decimal price;
  Decimal fee;
  Asset fee_asset;
  Decimal base_fee;   // part of the fee paid in the base asset: the position grew by that less
  Decimal quote_usd;  // zero when not known
  Decimal fee_usd;    // USD per unit of fee_asset, zero when not known
  std::int64_t venue_time_ns;
};

struct ExternalFillRecord {
  AccountId account;
  Side side;
  Symbol symbol;
  VenueOrderId venue_order_id;
  VenueTradeId trade_id;
  Decimal quantity;
  Decimal price;
  std::int64_t venue_time_ns;
};

// Profits count from when the link's limits were set, in USD.
struct LinkHaltRecord {
  LinkId link;
  UserId follower;
  bool halted;    // false: released
  Reason reason;  // drawdown
  DrawdownAction action;
  std::int64_t risk_epoch;
  Decimal limit_usd;
  Decimal from_usd;    // the profit that it was counted from
  Decimal profit_usd;  // what was left of it
  std::int64_t time_ns;
};

// shortfall: the account holds less of the asset than its links do.
enum class QuarantineReason : std::uint8_t { shortfall = 1 };
[[nodiscard]] std::string_view to_text(QuarantineReason reason);

// Expected and found are the link's part; the account's are sums over all its links, and what the
// venue says it has.
struct QuarantineRecord {
  LinkId link;
  UserId follower;
  AccountId account;
  Symbol symbol;
  Asset asset;
  QuarantineReason reason;
  bool active;  // false: released
  Decimal expected;
  Decimal found;
  Decimal account_expected;
  Decimal account_found;
  std::int64_t quarantined_ns;  // with link and symbol its identity; whole microseconds
  std::int64_t time_ns;         // of this change
};

// Of leaders and channels each shard tells its own part.
struct ScopeHaltRecord {
  LimitScope scope;
  bool halted;  // false: released
  Reason reason;
  DrawdownAction action;
  std::uint16_t shard;
  Uuid id;      // of the account, leader or channel
  UserId user;  // whose account; the leader; nil for channels
  std::int64_t risk_epoch;
  Decimal limit_usd;
  Decimal from_usd;
  Decimal profit_usd;
  std::int64_t time_ns;
};

struct Record {
  RecordKind kind;
  std::uint16_t shard;
  std::uint32_t payload_size;
  std::uint64_t cause_seq;  // the input it was derived from
  std::int64_t time_ns;     // that input's time
  union {
    LeaderEventRecord leader_event;
    OutcomeRecord outcome;
    OrderRecord order;
    FillRecord fill;
    ExternalFillRecord external_fill;
    Instrument instrument;
    KillSwitch kill_switch;
    AccountState account_state;
    LinkHaltRecord link_halt;
    QuarantineRecord quarantine;
    ScopeHaltRecord scope_halt;
  };
};
static_assert(std::is_trivially_copyable_v<Record>);
inline constexpr std::size_t record_header_bytes = 32;
static_assert(offsetof(Record, leader_event) == record_header_bytes);
[[nodiscard]] std::size_t payload_bytes(RecordKind kind);

}  // namespace oneclick
