// Copy links and accounts as the core knows them: one engine.copy_links row, one user_exchanges
// row.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/domain/ids.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick {

// What an entry's size is measured by. The fixed ones and follower_equity give one size per order
// of the leader, however many fills it comes in.
enum class SizingMode : std::uint8_t {
  leader_quantity = 1,  // percentage of the leader's quantity
  fixed_notional,       // copy_amount, in quote
  fixed_quantity,       // copy_quantity, in base units
  fixed_risk,           // what loses copy_amount when the signal's stop is hit
  follower_equity,      // percentage of what the follower's account is worth
  equity_proportional,  // leader's quantity x follower's worth / leader's worth x percentage
};
// capped: immediate-or-cancel at the touch plus slippage_bps_max. mirror: a resting order that
// follows the leader's own; leaders whose orders are not seen are copied as by capped.
enum class EntryStyle : std::uint8_t { capped = 1, market = 2, mirror = 3 };
enum class MinLotPolicy : std::uint8_t { carry = 1, skip = 2, round_up = 3 };
enum class LinkStatus : std::uint8_t { active = 1, paused, exits_only, stopped, quarantined };
// What a drawdown is counted from, and what happens when it is reached: no entries any more, or
// everything sold as well.
enum class DrawdownFrom : std::uint8_t { start = 0, peak = 1 };
enum class DrawdownAction : std::uint8_t { halt = 0, close = 1 };
// Over what limits of engine.risk_limits count: all links of an account, or all followers of a
// leader or channel.
enum class LimitScope : std::uint8_t { account = 1, leader = 2, channel = 3 };
enum class SymbolFilter : std::uint8_t { none = 0, allow = 1, deny = 2 };
// What a link that begins buys of what its leader holds already: nothing, all, or all that costs no
// more now than it cost the leader.
enum class SyncOnSubscribe : std::uint8_t { none = 0, all = 1, if_better = 2 };

[[nodiscard]] std::string_view to_text(SizingMode mode);
[[nodiscard]] std::string_view to_text(EntryStyle style);
[[nodiscard]] std::string_view to_text(MinLotPolicy policy);
[[nodiscard]] std::string_view to_text(LinkStatus status);
[[nodiscard]] std::string_view to_text(DrawdownFrom from);
[[nodiscard]] std::string_view to_text(SyncOnSubscribe sync);
[[nodiscard]] std::optional<SyncOnSubscribe> sync_on_subscribe_from_text(std::string_view text);
[[nodiscard]] std::string_view to_text(LimitScope scope);
[[nodiscard]] std::optional<LimitScope> limit_scope_from_text(std::string_view text);
[[nodiscard]] std::string_view to_text(DrawdownAction action);
[[nodiscard]] std::optional<DrawdownFrom> drawdown_from_from_text(std::string_view text);
[[nodiscard]] std::optional<DrawdownAction> drawdown_action_from_text(std::string_view text);
[[nodiscard]] std::optional<SizingMode> sizing_mode_from_text(std::string_view text);
[[nodiscard]] std::optional<EntryStyle> entry_style_from_text(std::string_view text);
[[nodiscard]] std::optional<MinLotPolicy> min_lot_policy_from_text(std::string_view text);
[[nodiscard]] std::optional<LinkStatus> link_status_from_text(std::string_view text);

inline constexpr std::size_t link_symbols_max = 16;

// One follower account copying one leader or one channel. Exactly one of leader and channel is set.
struct CopyLink {
  LinkId id;
  UserId follower;
  AccountId account;
  PortfolioId portfolio;
  UserId leader;
  ChannelId channel;
  SizingMode sizing_mode;
  EntryStyle entry_style;
  MinLotPolicy min_lot_policy;
  LinkStatus status;
  // Permission, as the database says now; each false one has its own Reason.
  bool user_active;
  bool subscription_active;  // true for leaders and for channels that cost nothing
  SymbolFilter symbol_filter;
  std::uint8_t symbol_count;
  SyncOnSubscribe sync_on_subscribe;
  bool reverse;         // does the opposite: sells what the leader buys
  bool chain;           // copies what the engine itself bought for the leader, too
  bool only_if_better;  // entries only where the market asks no more than the leader paid
  bool protect;         // a signal's stop and target become the venue's own protective orders
  bool close_on_stop;   // status stopped sells what the link holds
  std::int32_t percentage_e2;     // copy_percentage * 100: 1..99999; 10000 where the row has NULL
  std::int32_t slippage_bps_max;  // 0..10000, for entry_style capped
  std::int32_t price_collar_bps_max;  // entries this far off the reference price; zero: any
  std::int32_t leverage_e2;           // times 100, where the venue lends: 100..12500
  std::int64_t entry_ttl_ms;
  // In quote: what fixed_notional buys for, what fixed_risk may lose; otherwise caps the notional.
  Decimal copy_amount;            // zero: none
  Decimal copy_quantity;          // of fixed_quantity; zero otherwise
  Decimal order_notional_max;     // zero: none
  Decimal position_notional_max;  // zero: none
  // In USD at the venue's prices; zero: none.
  Decimal exposure_usd_max;    // held and being bought, of all symbols
  Decimal daily_loss_usd_max;  // since 00:00 UTC, realised or not
  Decimal drawdown_usd_max;
  std::int64_t risk_epoch;     // raised by who releases a halted link; starts its profit anew
  std::int32_t positions_max;  // symbols held or being bought; zero: none
  std::int32_t entries_per_minute_max;  // of the clock's minutes; zero: none
  DrawdownFrom drawdown_from;
  DrawdownAction drawdown_action;
  std::int64_t version;
  std::array<Symbol, link_symbols_max> symbols;
};

// One engine.risk_limits row. Members as in CopyLink, over everything of the scope; for leaders and
// channels each shard keeps its part of them.
struct RiskLimits {
  LimitScope scope;
  DrawdownFrom drawdown_from;
  DrawdownAction drawdown_action;
  bool removed;  // the row is gone
  std::int32_t positions_max;
  std::int32_t entries_per_minute_max;
  Uuid id;  // of the account, leader or channel
  Decimal order_notional_max;
  Decimal position_notional_max;
  Decimal exposure_usd_max;
  Decimal daily_loss_usd_max;
  Decimal drawdown_usd_max;
  std::int64_t risk_epoch;
};

// One user_exchanges row, without its credentials.
struct Account {
  AccountId id;
  UserId user;
  Venue venue;
  bool connected;  // user_exchanges.status = connected
  bool sandbox;
  std::uint8_t egress;  // index of the local address its requests leave from
};

// A leader's own account followed as a feed: one engine.leader_feeds row.
struct LeaderFeed {
  AccountId account;
  UserId leader;
  Venue venue;
  bool authoritative;
  std::int64_t baseline_ns;  // fills before this instant are never copied
};

}  // namespace oneclick
