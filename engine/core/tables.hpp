// All that the core remembers, as dense tables: entries refer to each other by index, so that the
// state can be written, read back and hashed as it lies. Entries have no padding: what is not named
// does not exist, and two runs of the same events hold the same bytes. One shard's thread owns it.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "engine/core/flat_index.hpp"
#include "engine/core/slab.hpp"
#include "engine/domain/event.hpp"
#include "engine/domain/intent.hpp"
#include "engine/domain/record.hpp"

namespace oneclick::core {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
// Quantities that are shares of something are kept in 1e-12: leader quantity (1e-8) times
// percentage (1e-4) is exact there, so no sequence of events drifts.
inline constexpr std::int64_t fine_per_e8 = 10'000;
// One whole, of what an entry in flight is still wanted; see Order::keep.
inline constexpr Decimal keep_all = Decimal::from_e8(static_cast<i128>(1'000'000'000'000'000'000));

// What followers copy: a leader or a channel. Its links lie together: the fan-out walks them.
struct Source {
  Uuid id;
  bool is_channel;
  Index scope;                // its limits, in Tables::scopes; none for most
  Index first_published;      // of channels: open signals, newest first
  std::uint32_t chain_links;  // of `links`, how many also copy what the engine made
  std::vector<Index> links;   // not stopped
};

// An order of a leader's that followers with one size per order have copied: by its first fill.
struct LeaderOrder {
  EventId first_fill;
  std::uint64_t order;  // LeaderEvent::leader_order
  std::int64_t time_ns;
};

// What a leader holds of a symbol, by the fills taken since the feed's baseline.
struct LeaderPosition {
  Decimal quantity;          // of the leader's own trades; negative: short
  Decimal cost;              // what was paid for it, in quote
  Decimal chained_quantity;  // of what the engine made for the leader as well; so the next
  Decimal chained_cost;
  Index source;
  Index symbol;
  std::uint64_t orders_seen;
  std::array<LeaderOrder, 16> orders;  // that opened; the latest, order n at n % 16
};

struct Link {
  LinkId id;
  UserId follower;
  PortfolioId portfolio;
  Decimal copy_amount;
  Decimal order_notional_max;
  Decimal position_notional_max;
  std::int64_t entry_ttl_ms;
  std::int64_t version;
  std::uint64_t arrival;
  AccountSlot slot;
  Index source;
  Index place;  // in the source's list; none while stopped
  Index first_holding;
  Index filter;  // in Tables::filters
  Index terms;   // in Tables::terms; none for most
  std::int32_t percentage_e2;
  std::int32_t slippage_bps_max;
  std::int32_t price_collar_bps_max;
  std::int32_t leverage_e2;
  Index open_orders;  // and ended ones that are kept
  Index next_in_account;
  SizingMode sizing_mode;
  EntryStyle entry_style;
  MinLotPolicy min_lot_policy;
  LinkStatus status;
  SymbolFilter symbol_filter;
  std::uint8_t symbol_count;
  bool user_active;
  bool subscription_active;
  bool in_use;
  bool removed;  // gone from the database; kept while it holds something or has orders
  SyncOnSubscribe sync_on_subscribe;
  bool reverse;
  bool chain;
  bool only_if_better;
  bool protect;
  bool close_on_stop;
  bool begun;      // was active once: nothing is synced any more
  bool close_due;  // was stopped, and what it holds is sold when the account is reconciled
  std::uint8_t unused[2];
  Index first_protection;
};

// Terms that few links have, and what is counted for them. Profit is what the link's own orders
// made since its limits were set, in USD, fees paid.
struct RareTerms {
  Decimal copy_quantity;
  Decimal exposure_usd_max;
  Decimal daily_loss_usd_max;
  Decimal drawdown_usd_max;
  Decimal realised_usd;
  Decimal profit_usd;  // as it was last known; realised and not
  Decimal day_start_usd;
  Decimal start_usd;
  Decimal peak_usd;
  std::int64_t risk_epoch;
  std::int64_t day;     // the present one, counted from 1970
  std::int64_t minute;  // of the entries counted
  std::int32_t entries;
  std::int32_t positions_max;
  std::int32_t entries_per_minute_max;
  Index link;
  Index next_free;
  DrawdownFrom drawdown_from;
  DrawdownAction drawdown_action;
  bool started;   // profit was known once: start, day and peak count from there
  bool halted;    // by a drawdown
  bool unvalued;  // something was sold for what nobody knows in USD
  std::uint8_t unused[15];
};

// Limits over an account, or over this shard's part of a leader's or channel's followers. Kept when
// the row is gone, so that it begins anew where it ended.
struct ScopeTerms {
  RareTerms terms;  // of which `link` is where the scope is: an account's slot, or a source
  Uuid id;
  Decimal order_notional_max;
  Decimal position_notional_max;
  std::int64_t valued_ns;  // when profit was last looked at
  LimitScope scope;
  bool in_force;
  std::uint8_t unused[6];
};

// A signal that a channel published and has not closed: what a link that begins is asked for.
struct PublishedSignal {
  SignalId signal;
  UserId creator;
  Decimal quantity;
  Decimal price;
  Decimal stop_loss;
  Decimal take_profit;
  Index source;
  Index symbol;
  Index next;  // of the same source; of the free list
  Venue venue;
  SignalType type;
  Side side;
  bool in_use;
};

// What a link that began is still to be asked for: as soon as the market's price is known.
struct PendingSync {
  SignalId signal;   // nil: what the leader held
  Decimal quantity;  // of the leader's position; shrinks as the leader sells
  Decimal price;     // its average
  Index link;        // none: a free entry
  Index symbol;
  Index next_free;
  std::uint32_t unused;
};

struct FilterSet {
  std::array<Index, link_symbols_max> symbols;
  Index next_free;
};

struct AccountEntry {
  Account account;
  bool known;  // told by an upsert and not removed since
  bool reconciled;
  bool credentials_refused;
  Index first_balance;
  Index first_order;
  Index first_link;          // in the order in which they came
  Index scope;               // its limits, in Tables::scopes; none for most
  std::int64_t balances_ns;  // when a balance was last told
};

struct BalanceEntry {
  Decimal free;
  Decimal locked;
  i128 reserved_e12;  // by orders that have not ended
  i128 spent_e12;     // by orders that have, until a balance of spent_until_ns or later says so
  std::int64_t venue_time_ns;
  std::int64_t spent_until_ns;
  Decimal fees_elsewhere;  // what our orders in other symbols paid in it, while links hold it
  std::int64_t filled_ns;  // the venue's time of the last fill of ours that moved it
  std::int64_t short_ns;   // since when it is less than what the links hold; 0: it is not
  std::int64_t asked_ns;   // when the account was last read back for that; 0: not yet
  Index asset;
  Index next;
};

// What a link holds of a symbol, by the fills of its own orders, net of fees paid in the base
// asset. Long or short, all figures are positive.
struct Holding {
  Decimal quantity;
  Decimal cost;            // what was paid for it in quote, fees in quote included; of shorts, got
  i128 residual_e12;       // wanted and not bought, less than a lot unless carried; negative: more
  i128 exit_residual_e12;  // to be sold and not sellable yet
  Decimal entries_in_flight;
  Decimal exits_in_flight;
  Decimal missing;  // its part of what the venue does not have; see reconcile.hpp
  Index link;
  Index symbol;
  Index next;  // of the same link
  Index first_order;
  Index first_signal;
  Index quarantine;                 // in Tables::quarantines; none for most
  std::uint64_t leader_order : 56;  // of the last entry, cut to these bits; 0: none, or not known
  bool is_short : 1;
  bool entry_short : 1;  // what is on its way in, and what the residual is of
  bool has_flip : 1;     // an entry the other way waits in Tables::flips
  bool second_leg : 1;   // the last entry was
  std::uint8_t unused : 4;
};
inline constexpr std::uint64_t leader_order_bits = (std::uint64_t{1} << 56) - 1;

// An entry that waits until what its link holds the other way is gone; see flips.cpp.
struct Flip {
  EventId event;
  SignalId signal;
  UserId leader;
  AccountId feed_account;
  ChannelId channel;
  OrderKey exit;     // of what was held, nil where nothing was
  Decimal quantity;  // of the leader, beyond zero; zero: not told
  Decimal price;
  Decimal stop_loss;
  Decimal take_profit;
  Decimal copy_amount;  // of one-click copies, as the percentage
  Decimal orders;       // of the leader's, that are in it: one size for each where that is fixed
  std::int64_t event_time_ns;
  std::int64_t received_ns;
  std::uint64_t leader_order;
  Index holding;
  Index symbol;  // the leader's
  Index next_free;
  std::uint32_t rank;
  std::int32_t percentage_e2;
  Venue venue;  // the leader's
  LeaderEventKind kind;
  SignalType signal_type;
  bool is_short;
  bool in_use;
  std::uint8_t unused[15];
};

// A name that one venue has for a symbol.
struct SymbolMapEntry {
  Symbol venue_symbol;
  Index symbol;
  Index instrument;  // none: the venue does not list it
  Venue venue;
  std::uint8_t unused[7];
};

// What a signal opened for a link and is not sold yet.
struct SignalPosition {
  SignalId signal;
  Decimal quantity;
  Index holding;
  Index link;
  Index next;  // of the same holding, oldest first; of the free list
  Index in_use;
};

// How what a signal opened for a link is protected: the prices, and the orders at the venue that
// sell there. At most one order for the stop, one for the target; see protect.cpp.
struct Protection {
  SignalId signal;
  EventId event;  // that promised it: the keys of its orders are derived from it
  UserId leader;
  Decimal stop;    // zero: none
  Decimal target;  // zero: none
  Decimal told;    // this much was said to be too little for the venue
  std::int64_t event_time_ns;
  Index link;
  Index holding;
  Index instrument;
  Index next;  // of the same link, oldest first; of the free list
  Index target_order;
  Index stop_order;
  std::uint32_t attempt;  // of the next orders
  std::uint32_t sales;    // made because the market was there already
  std::uint8_t tries;     // in a row that the venue did not take
  bool in_use;
  bool failed;   // the last orders were not taken: the next wait
  bool reached;  // the venue says that the market is there
  std::uint8_t unused[4];
};

// A resting order of a leader's, until it ends.
struct LeaderResting {
  Decimal quantity;
  Decimal filled;
  std::uint64_t order;  // LeaderEvent::leader_order
  Index source;
  Index symbol;
  Index next_free;
  Index in_use;
  std::uint64_t unused;
};

enum class MirrorStage : std::uint8_t {
  resting = 0,    // as the leader's, or ended before it
  amending = 1,   // placed anew when its order has ended
  finishing = 2,  // the leader's is filled: what is left is bought when its order has ended
  buying = 3,     // that
  leaving = 4,    // over when its order has ended
};
// A link's part of a leader's resting order; see mirror.cpp.
struct Mirror {
  EventId event;  // that began it: the keys of its orders are derived from it
  UserId leader;
  OrderKey key;      // of its last order
  Decimal quantity;  // the leader's, all of it
  Decimal price;
  Decimal bought;  // by its orders that have ended
  Decimal limit;   // it may buy no more than this; zero: as it wants
  Decimal bid;     // at the leader's last fill
  Decimal ask;
  std::int64_t touch_ns;
  std::int64_t told_ns;
  std::uint64_t order;  // LeaderEvent::leader_order
  Index link;
  Index symbol;
  Index instrument;
  Index current;  // its order; none: between two, or ended
  Index next_free;
  std::uint32_t attempt;
  MirrorStage stage;
  bool in_use;
  std::uint8_t unused[14];
};

struct Trade {
  VenueTradeId id;
  Index next;
};

// One order from its intent to its last fill. States only advance; see order.cpp.
enum class Life : std::uint8_t {
  free = 0,
  waiting = 1,    // an exit not on the wire: sent at its deadline
  submitted = 2,  // given to the gate, no answer yet
  unknown = 3,    // not known either way: asked for until found or proven absent
  working = 4,    // the venue has it
  settling = 5,   // ended at the venue, with fills not all seen
  ended = 6,
};

struct Order {
  OrderKey key;
  EventId event;
  SignalId signal;
  UserId copied_from;
  Decimal quantity;
  Decimal price;
  Decimal filled_quantity;
  Decimal filled_quote;
  Decimal value_usd;
  Decimal fees_usd;
  Decimal cumulative;  // highest total the venue has named
  Decimal exit_left;   // of exits: to be sold by later attempts
  Decimal keep;  // of entries: share still wanted, after the leader sold while it was in flight
  i128 wanted_e12;
  i128 reserved_e12;
  std::int64_t created_ns;
  std::int64_t event_time_ns;
  std::int64_t received_ns;
  std::int64_t expires_ns;
  std::int64_t sent_ns;
  std::int64_t executed_ns;
  std::int64_t deadline_ns;
  std::int64_t delay_ns;         // until the next question or attempt
  std::int64_t absent_since_ns;  // first of the answers that found nothing
  std::int64_t updated_ns;
  VenueOrderId venue_order_id;
  Index link;
  AccountSlot slot;
  Index holding;
  Index instrument;
  Index first_trade;
  Index next_in_account;
  Index next_in_holding;
  Index next;        // of the free list, of the list of ended ones
  Index sibling;     // the other of a pair
  Index protection;  // that it belongs to
  Index mirror;      // the leader's resting order that it follows
  std::uint32_t attempt;
  std::uint32_t change;
  std::uint32_t rank;
  std::uint32_t absent_answers;
  std::int32_t venue_code;
  std::uint32_t sweep;  // the last that listed it as open
  Life life;
  Side side;
  OrderType type;
  Reason reason;
  Cap cap;
  std::uint8_t leg;
  std::uint8_t tries;  // attempts in a row without progress
  bool is_exit;
  bool outcome_due;  // the event's outcome for the link is still to be told
  bool keyed;        // its key was given out
  bool seen;         // the venue has shown that it has it
  bool replied;      // the request itself was answered
  bool fenced;       // from before the last start
  bool final;        // the venue's totals are final
  bool lacks_value_usd;
  bool lacks_fees_usd;
  bool closes_signal;   // sells what `signal` opened
  bool not_sent;        // no byte of it left
  bool protects;        // a leg of a protection: an exit that nobody asked for yet
  bool cancelling;      // it is to end: cancelled as soon as the venue has it
  bool awaits_release;  // an exit that waits for protective orders to let go
  std::uint8_t unused[15];
};

struct InstrumentEntry {
  Instrument instrument;
  Index symbol;
  Index base;  // assets
  Index quote;
  std::uint8_t price_decimals;
  std::uint8_t quantity_decimals;
  Touch price;        // what its base asset is valued by
  Decimal quote_usd;  // as told with the price; zero: not known
  Reference reference;
};

// A symbol of a link that is set aside until a person releases it.
struct Quarantine {
  Decimal expected;  // of the link, as last compared
  Decimal account_expected;
  Decimal account_found;
  std::int64_t at_ns;  // whole microseconds; with link and symbol its name
  Index holding;       // none: free
  Index next_free;
};

// A balance that is less than what the account's links hold, see BalanceEntry::short_ns.
struct ShortBalance {
  AccountSlot slot;
  Index balance;
};

// An open order under one of our names that no table knows: cancelled until it is gone.
struct Ghost {
  OrderKey key;
  Symbol symbol;
  AccountSlot slot;
  std::uint32_t sweep;  // the last that listed it
};

struct SeenEvent {
  EventId id;
  EventId alias;
  std::array<std::uint64_t, 2> body_hash;
  std::uint64_t seq;
  std::int64_t time_ns;
};

struct Deadline {
  std::int64_t time_ns;
  Index order;
};

template <typename T>
inline constexpr bool is_dense = std::has_unique_object_representations_v<T>;
static_assert(is_dense<LeaderPosition> && is_dense<Link> && is_dense<FilterSet> &&
              is_dense<RareTerms> && is_dense<ScopeTerms> && is_dense<PublishedSignal> &&
              is_dense<PendingSync> && is_dense<BalanceEntry> && is_dense<Holding> &&
              is_dense<SignalPosition> && is_dense<Flip> && is_dense<SymbolMapEntry> &&
              is_dense<Trade> && is_dense<Order> && is_dense<SeenEvent> && is_dense<Quarantine> &&
              is_dense<ShortBalance> && is_dense<Protection> && is_dense<LeaderResting> &&
              is_dense<Mirror>);
// Ten thousand links fit a gigabyte many times over: a link, what it holds, its places in the
// indices.
static_assert(sizeof(Link) + sizeof(Holding) <= 400);

// Asks memory for the lines of an entry that will be used soon.
inline void prefetch_lines(const void* entry, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 64)
    __builtin_prefetch(static_cast<const char*>(entry) + at, 1);
}

struct Tables {
  Tables();

  CoreSettings settings{};
  std::uint64_t arrivals = 0;
  std::uint64_t ignored_events = 0;
  std::uint64_t exit_alarms = 0;
  std::uint64_t orders_unknown = 0;        // derived: counted on load
  std::uint64_t orders_open = 0;           // derived
  std::uint64_t exits_in_alarm = 0;        // derived
  std::int64_t shortfalls_due_ns = never;  // derived: when an account is to be read back for one

  std::vector<Symbol> symbols;
  std::vector<Asset> assets;
  std::vector<InstrumentEntry> instruments;
  std::vector<Source> sources;
  std::vector<LeaderPosition> leader_positions;
  std::vector<Link> links;
  std::vector<Index> free_links;
  std::vector<FilterSet> filters;
  Index free_filter = none;
  std::vector<RareTerms> terms;
  Index free_terms = none;
  std::vector<ScopeTerms> scopes;
  std::vector<PublishedSignal> published;
  Index free_published = none;
  std::vector<PendingSync> syncs;
  Index free_sync = none;
  std::uint64_t syncs_open = 0;
  std::vector<AccountEntry> accounts;
  std::vector<BalanceEntry> balances;
  std::vector<Holding> holdings;
  std::vector<Index> free_holdings;
  std::vector<SignalPosition> signals;
  Index free_signal = none;
  std::vector<Flip> flips;
  Index free_flip = none;
  std::vector<SymbolMapEntry> symbol_map;
  std::vector<Protection> protections;
  Index free_protection = none;
  std::vector<LeaderResting> leader_resting;
  Index free_leader_resting = none;
  std::vector<Mirror> mirrors;
  Index free_mirror = none;
  Slab<Order> orders;
  Index free_order = none;
  Index first_ended = none;  // kept for late fills, oldest first
  Index last_ended = none;
  Slab<Trade> trades;
  Index free_trade = none;
  std::vector<Quarantine> quarantines;
  Index free_quarantine = none;
  std::vector<ShortBalance> short_balances;  // in the order in which they became so
  std::vector<Ghost> ghosts;
  std::vector<LeaderFeed> feeds;
  std::vector<KillSwitch> kill_switches;
  std::vector<SeenEvent> seen;  // a ring
  std::size_t seen_first = 0;
  std::size_t seen_count = 0;

  // Derived: built again after loading.
  FlatIndex symbol_index, instrument_index, pair_index, source_index, leader_position_index,
      link_index, account_index, holding_index, signal_index, flip_index, order_index, feed_index,
      seen_index, published_index, leader_resting_index, mirror_index;
  std::vector<Deadline> deadlines;   // a heap, earliest first; entries of other times are void
  std::vector<Index> scratch;        // the order in which one event's followers are served
  std::vector<Index> matched;        // those of one event's links that it concerns
  std::vector<Index> block_scratch;  // and its blocks of neighbours
  bool reviewing = false;            // protections are being reviewed: once at a time
  bool review_again = false;
  Record record;  // built in place, zeroed each time
  Intent intent;

  // Finds, or none.
  [[nodiscard]] Index find_symbol(const Symbol& symbol) const;
  [[nodiscard]] Index find_instrument(Venue venue, Index symbol) const;
  [[nodiscard]] Index find_pair(Venue venue, Index base, Index quote) const;
  [[nodiscard]] Index find_source(const Uuid& id, bool is_channel) const;
  [[nodiscard]] Index find_leader_position(Index source, Index symbol) const;
  [[nodiscard]] Index find_link(LinkId id) const;
  [[nodiscard]] Index find_account(AccountId id) const;
  [[nodiscard]] Index find_balance(AccountSlot slot, Index asset) const;
  [[nodiscard]] Index find_holding(Index link, Index symbol) const;
  [[nodiscard]] Index find_signal(Index link, SignalId signal) const;
  [[nodiscard]] Index find_flip(Index holding) const;
  [[nodiscard]] Index find_order(OrderKey key) const;
  [[nodiscard]] Index find_feed(AccountId id) const;
  [[nodiscard]] Index find_seen(EventId id) const;
  [[nodiscard]] Index find_published(SignalId signal) const;
  [[nodiscard]] Index find_kill_switch(const KillSwitch& like) const;

  // Finds or adds.
  Index symbol_of(const Symbol& symbol);
  Index asset_of(const Asset& asset);
  Index source_of(const Uuid& id, bool is_channel);
  Index leader_position_of(Index source, Index symbol);
  Index account_of(AccountId id);  // none when the table is full
  Index balance_of(AccountSlot slot, Index asset);
  Index holding_of(Index link, Index symbol);
  Index signal_of(Index holding, SignalId signal);

  void list_link(Index link);    // into its account's list, as the last
  void unlist_link(Index link);  // out of it

  Index new_order();             // zeroed, life free, in no list
  void list_order(Index order);  // into its account's and its holding's lists
  void unlist_order(Index order);
  // Whether so many attempts in a row did not fill the exit, or did not place the protection.
  [[nodiscard]] bool is_in_alarm(const Order& order) const;
  void count_orders();            // what is derived of them
  void index_order(Index order);  // by its key
  void keep_ended(Index order, std::int64_t now_ns);
  void free_order_at(Index order);
  Index new_trade();
  void free_signal_at(Index signal);
  Index new_flip(Index holding);  // zeroed
  void free_flip_at(Index flip);
  Index new_protection(Index holding);  // zeroed, in its link's list
  void free_protection_at(Index protection);
  [[nodiscard]] Index find_leader_resting(std::uint64_t order) const;
  Index new_leader_resting(std::uint64_t order);
  void free_leader_resting_at(Index resting);
  [[nodiscard]] Index find_mirror(Index link, std::uint64_t order) const;
  Index new_mirror(Index link, std::uint64_t order);
  void free_mirror_at(Index mirror);
  void free_holding_at(Index holding);
  void free_quarantine_at(Index quarantine);

  void remember(const SeenEvent& event);

  void set_deadline(Index order, std::int64_t time_ns);  // never: none
  [[nodiscard]] Index pop_due(std::int64_t now_ns);      // none when nothing is due
  void drop_void_deadlines();

  void rebuild_indices();
};

[[nodiscard]] constexpr std::uint64_t pair_key(std::uint64_t high, Index low) {
  return mix((high << 32) ^ low);
}
[[nodiscard]] constexpr std::uint64_t pair_hash(Venue venue, Index base, Index quote) {
  return pair_key(pair_key(static_cast<std::uint64_t>(venue), base), quote);
}
[[nodiscard]] std::uint64_t hash_of_text(const char* data, std::size_t size);

constexpr i128 to_fine(Decimal quantity) {
  return quantity.e8() * fine_per_e8;
}
// Toward zero.
constexpr Decimal from_fine(i128 fine) {
  return Decimal::from_e8(fine / fine_per_e8);
}

}  // namespace oneclick::core
