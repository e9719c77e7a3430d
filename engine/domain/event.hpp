// Everything that may enter the core. Plain, trivially copyable, built with designated
// initialisers; the journal stores the bytes of header and payload as they are, so a change of
// layout is a change of the journal's format (journal_format in limits.hpp). Times are nanoseconds
// of the engine's clock (UTC) unless a name says otherwise; times from a venue are corrected by the
// measured clock offset.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "engine/base/limits.hpp"
#include "engine/domain/link.hpp"
#include "engine/domain/reason.hpp"

namespace oneclick {

enum class EventKind : std::uint16_t {
  leader = 1,               // LeaderEvent: what followers copy
  link_upsert = 2,          // CopyLink
  link_remove = 3,          // LinkRemove
  account_upsert = 4,       // Account
  account_remove = 5,       // AccountRemove
  instrument = 6,           // Instrument
  feed_upsert = 7,          // LeaderFeed
  feed_remove = 8,          // AccountRemove
  balance = 9,              // Balance
  order_update = 10,        // OrderUpdate: all a venue says about an order
  account_state = 11,       // AccountState: reconciled, lost, credentials refused
  kill_switch = 12,         // KillSwitch
  timer = 13,               // no payload: time itself
  fence = 14,               // Fence: the process started here; nothing from before is sent blindly
  price = 15,               // Price: what an instrument is worth, now and then
  symbol_map = 16,          // SymbolMapping
  risk_limits = 19,         // RiskLimits: of an account, a leader, a channel
  sweep = 17,               // Sweep: an account was read back whole
  quarantine_release = 18,  // QuarantineRelease: a person takes the venue's figure as true
};

enum class LeaderEventKind : std::uint8_t {
  fill = 1,  // a trade of the leader
  signal_published = 2,
  signal_updated = 3,
  signal_closed = 4,   // closed, cancelled or expired
  one_click_copy = 5,  // signal_followers row asking for a copy by `target`
  risk_close = 6,      // the engine's own: a limit of `target`'s link sells what the link holds
  sync = 7,            // the engine's own: `target`'s link begins, and buys what is held already
  stop_close = 8,      // the engine's own: `target`'s link was stopped, and sells what it holds
  // A resting order of the leader's (`leader_order`) as it now is: quantity of all of it, filled or
  // not, at price. Amended under the same name at the venue; one that gets another name is a cancel
  // and a place. Cancelled: ended by anything but fills (expired, too). That fills have ended it is
  // known by their sum.
  order_placed = 9,
  order_amended = 10,
  order_cancelled = 11,
};
enum class EventSource : std::uint8_t {
  stream = 1,
  rest = 2,
  websocket = 3,
  webhook = 4,
  database = 5,
  internal = 6
};
[[nodiscard]] std::string_view to_text(LeaderEventKind kind);
[[nodiscard]] std::string_view to_text(EventSource source);
enum class SignalType : std::uint8_t { none = 0, buy = 1, sell = 2, hold = 3 };

// What followers copy. `received_ns` is when its first byte was read, in CLOCK_MONOTONIC terms of
// EngineClock: latencies count from there.
struct LeaderEvent {
  EventId id;  // see identity.hpp: two feeds of one trade give one id
  LeaderEventKind kind;
  EventSource source;
  Venue venue;  // where the leader traded; none for signals without a venue
  Side side;    // of fills; of signals that buy or sell
  SignalType signal_type;
  UserId leader;           // of fills; of signals the creator
  AccountId feed_account;  // the leader's account for exchange streams, nil from ingress
  ChannelId channel;       // of signals
  SignalId signal;         // of signals
  UserId target;           // of one-click copies: the only user it is for
  Symbol symbol;
  std::uint64_t leader_order;  // of fills and orders: which order, see identity.hpp; 0: not known
  Decimal quantity;            // base units; zero where a signal suggests none
  Decimal price;               // leader's fill price or signal's entry price; zero when absent
  Decimal base_fee;   // fee the leader paid in the base asset: the position grew by that less
  Decimal stop_loss;  // zero when absent
  Decimal take_profit;
  Decimal copy_amount;         // of one-click copies; zero when absent
  std::int32_t percentage_e2;  // of one-click copies; zero when absent
  std::int64_t event_time_ns;  // when it happened
  std::int64_t received_ns;
  Touch touch;  // stamped by the shard: the venue's best bid and ask as it was taken
  std::uint64_t
      body_hash[2];  // first 16 bytes of SHA-256 of the request, for idempotency; zero from feeds
  ApiKeyId api_key;  // which key sent it; nil from feeds
  EventId alias;     // what the caller's Idempotency-Key makes of it; nil without one
  bool chained;      // of fills: the engine itself made it, for a link whose follower leads
};

struct LinkRemove {
  LinkId id;
};
struct AccountRemove {
  AccountId id;
};

struct Balance {
  AccountId account;
  Asset asset;
  Decimal free;
  Decimal locked;
  std::int64_t venue_time_ns;
  bool snapshot;  // from a full account query, not a pushed change
  bool leader;    // of an account that is a feed: told to every shard
};

enum class OrderUpdateKind : std::uint8_t {
  accepted = 1,   // acknowledged, or reported open
  execution = 2,  // a fill: last_quantity at last_price, with its trade id
  done = 3,       // ended by the venue: filled, cancelled or expired; cumulative figures are final
  rejected = 4,   // refused, by positive evidence; reason says why
  unknown = 5,    // timeout, cut connection, unreadable or doubtful answer: not known either way
  not_found = 6,  // a query found nothing: not proof by itself
  not_sent = 7,   // no byte of it left this process; reason says why
  query_failed = 8,  // the query itself was not answered; ask again
};
enum class UpdateSource : std::uint8_t { reply = 1, stream = 2, query = 3, gate = 4 };

// All that can be said about an order. Cumulative figures are the venue's totals of the order. The
// two orders of a pair are told of one by one, each under its key, refusals and doubts included. A
// cancel has no answer of its own: what it did to the order is told (done); one that did nothing,
// or nobody knows what, says unknown, which settles nothing: the order is asked for again.
struct OrderUpdate {
  AccountId account;
  OrderKey key;  // nil: not an order of ours (an external trade)
  OrderUpdateKind kind;
  UpdateSource source;
  Reason reason;
  Side side;
  bool maker;
  bool has_cumulative;      // cumulative_quantity and cumulative_quote are given
  std::int32_t venue_code;  // the venue's error code, 0 when none
  std::uint32_t sweep;      // of orders listed as open while an account was read back; 0: not so
  Symbol symbol;
  VenueOrderId venue_order_id;
  VenueTradeId trade_id;  // of executions
  Decimal cumulative_quantity;
  Decimal cumulative_quote;
  Decimal last_quantity;  // of executions
  Decimal last_price;
  Decimal fee;  // of this execution
  Asset fee_asset;
  Decimal quote_usd;  // USD per quote unit at this moment, zero when not known; by the shard
  Decimal fee_usd;    // USD per unit of fee_asset, zero when not known; by the shard
  std::int64_t venue_time_ns;
  std::int64_t sent_ns;  // when the order's last byte was handed to the kernel; 0 when not known
  Touch touch;           // of executions and ends: the market as they were taken; by the shard
  Text<95> message;      // what the venue said, cut
};

// What accounts are valued by. Told when it moved and from time to time, not with each tick.
struct Price {
  Venue venue;
  Symbol symbol;
  Touch touch;
  Decimal quote_usd;  // USD per unit of the quote asset; zero: not known
  Reference reference;
};

enum class AccountStateKind : std::uint8_t {
  reconciled = 1,           // balances, open orders and trades were read back since the last loss
  lost = 2,                 // the private stream was lost: what happens now is not seen
  credentials_refused = 3,  // the venue refused the key: stop using it
};
struct AccountState {
  AccountId account;
  AccountStateKind kind;
  Text<95> message;
};

// An account was read back: its balances and the list of its open orders were told since, the
// orders with this sweep's id. What was open before it began and is not among them is over.
struct Sweep {
  AccountId account;
  std::uint32_t id;         // never 0
  std::int64_t started_ns;  // when the first question was sent
};

// Lifts the quarantine that was set at that instant, and no later one.
struct QuarantineRelease {
  LinkId link;
  AccountId account;
  Symbol symbol;
  std::int64_t quarantined_ns;  // whole microseconds
};

// Nil or empty members match everything; all of them nil is the global switch.
struct KillSwitch {
  bool on;
  Venue venue;
  UserId leader;
  UserId follower;
  Symbol symbol;
};

// Quote assets that count as equal; unused places are empty.
using QuoteGroup = std::array<Asset, limits::quote_group_assets_max>;

// Everything configurable that decides what the core does. It enters with the fence, so that a
// replay runs with the settings of the live run.
struct CoreSettings {
  std::uint16_t shard;  // this core's, of shard_count
  std::uint16_t shard_count;
  std::int32_t
      taker_fee_bps;  // reserved on top of an entry's cost until the venue's balance covers it
  std::int64_t ack_timeout_ns;       // no answer to an order after this: unknown, then queried
  std::int64_t query_interval_ns;    // between two queries of one unknown order (doubled up to 16x)
  std::int64_t absence_proof_ns;     // not-found answers must span at least this ...
  std::int32_t absence_answers_min;  // ... and number at least this, to prove absence
  std::int32_t
      exit_attempts_per_minute;      // an exit refused by the venue is retried at most this often
  std::int32_t exit_alarm_attempts;  // so many in a row without a fill: OrderRecord::alarm
  std::int64_t touch_age_ns_max;     // an older touch is no price
  std::int64_t equity_age_ns_max;    // older prices and leaders' balances say nothing about worth
  std::int64_t
      leader_event_age_ns_max;  // entries older than this are stale whatever their link allows
  std::int64_t divergence_age_ns_max;  // an account may hold too little for so long, no longer
  Decimal event_notional_max;          // aggregate entry notional of one event in quote; zero: none
  std::array<QuoteGroup, limits::quote_groups_max> quote_equal;
};
struct Fence {
  CoreSettings settings;
};

struct Event {
  EventKind kind;
  std::uint16_t shard;
  std::uint32_t payload_size;  // bytes of the payload that count
  std::uint64_t seq;           // stamped by the shard: 1, 2, 3, ... over the journal's life
  std::int64_t time_ns;        // stamped by the shard
  union {
    LeaderEvent leader;
    CopyLink link;
    LinkRemove link_remove;
    Account account;
    AccountRemove account_remove;
    Instrument instrument;
    LeaderFeed feed;
    Balance balance;
    OrderUpdate order;
    AccountState account_state;
    KillSwitch kill_switch;
    Fence fence;
    Price price;
    Sweep sweep;
    QuarantineRelease quarantine_release;
    SymbolMapping symbol_mapping;
    RiskLimits risk_limits;
  };
};
static_assert(std::is_trivially_copyable_v<Event>);
inline constexpr std::size_t event_header_bytes = 32;  // payload is 16-byte aligned
static_assert(offsetof(Event, leader) == event_header_bytes);

// Unstamped events, all other bytes zero, payload_size set.
[[nodiscard]] Event make_event(const LeaderEvent& payload);
[[nodiscard]] Event make_event(const CopyLink& payload);
[[nodiscard]] Event make_event(const LinkRemove& payload);
[[nodiscard]] Event make_event(const Account& payload);
[[nodiscard]] Event make_account_remove(const AccountRemove& payload);
[[nodiscard]] Event make_event(const Instrument& payload);
[[nodiscard]] Event make_event(const LeaderFeed& payload);
[[nodiscard]] Event make_feed_remove(const AccountRemove& payload);
[[nodiscard]] Event make_event(const Balance& payload);
[[nodiscard]] Event make_event(const OrderUpdate& payload);
[[nodiscard]] Event make_event(const AccountState& payload);
[[nodiscard]] Event make_event(const KillSwitch& payload);
[[nodiscard]] Event make_event(const Fence& payload);
[[nodiscard]] Event make_event(const Price& payload);
[[nodiscard]] Event make_event(const Sweep& payload);
[[nodiscard]] Event make_event(const QuarantineRelease& payload);
[[nodiscard]] Event make_event(const SymbolMapping& payload);
[[nodiscard]] Event make_event(const RiskLimits& payload);
[[nodiscard]] Event make_timer();
// Size the kind's payload must have; 0 for kinds without one or unknown.
[[nodiscard]] std::size_t payload_bytes(EventKind kind);

}  // namespace oneclick
