// The words of the vocabulary, as rows, labels and configuration spell them.
#include <array>

#include "engine/domain/event.hpp"
#include "engine/domain/link.hpp"
#include "engine/domain/reason.hpp"
#include "engine/domain/record.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick {

namespace {

template <typename Enum, std::size_t N>
std::optional<Enum> find(std::string_view text, const std::array<Enum, N>& all) {
  for (const Enum value : all)
    if (to_text(value) == text) return value;
  return std::nullopt;
}

}  // namespace

std::string_view to_text(Venue venue) {
  switch (venue) {
    case Venue::none:
      return "none";
    case Venue::binance:
      return "binance";
  }
  return "?";
}
std::optional<Venue> venue_from_text(std::string_view text) {
  return find(text, std::array{Venue::binance});
}

std::string_view to_text(Side side) {
  switch (side) {
    case Side::buy:
      return "buy";
    case Side::sell:
      return "sell";
  }
  return "?";
}
std::optional<Side> side_from_text(std::string_view text) {
  if (text == "buy" || text == "BUY") return Side::buy;
  if (text == "sell" || text == "SELL") return Side::sell;
  return std::nullopt;
}

std::optional<SymbolParts> split_symbol(std::string_view symbol) {
  if (const auto colon = symbol.find(':'); colon != std::string_view::npos) {
    if (colon + 1 == symbol.size()) return std::nullopt;
    symbol = symbol.substr(0, colon);
  }
  const auto slash = symbol.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == symbol.size())
    return std::nullopt;
  const SymbolParts parts{symbol.substr(0, slash), symbol.substr(slash + 1)};
  if (parts.quote.find('/') != std::string_view::npos) return std::nullopt;
  if (!Asset::fits(parts.base) || !Asset::fits(parts.quote)) return std::nullopt;
  return parts;
}

std::string_view to_text(QuarantineReason reason) {
  switch (reason) {
    case QuarantineReason::shortfall:
      return "shortfall";
  }
  return "?";
}

std::string_view to_text(InstrumentKind kind) {
  switch (kind) {
    case InstrumentKind::spot:
      return "spot";
    case InstrumentKind::linear:
      return "linear";
  }
  return "?";
}

Decimal contracts_of(Decimal quantity, Decimal contract_size) {
  return contract_size.is_positive() ? div(quantity, contract_size, Round::down) : quantity;
}
Decimal quantity_of(Decimal contracts, Decimal contract_size) {
  return contract_size.is_positive() ? mul(contracts, contract_size, Round::down) : contracts;
}

std::string_view to_text(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::kill_switch:
      return "kill_switch";
    case Reason::user_inactive:
      return "user_inactive";
    case Reason::exchange_disconnected:
      return "exchange_disconnected";
    case Reason::credentials_refused:
      return "credentials_refused";
    case Reason::link_inactive:
      return "link_inactive";
    case Reason::quarantined:
      return "quarantined";
    case Reason::subscription_inactive:
      return "subscription_inactive";
    case Reason::not_reconciled:
      return "not_reconciled";
    case Reason::stale:
      return "stale";
    case Reason::symbol_filtered:
      return "symbol_filtered";
    case Reason::unknown_symbol:
      return "unknown_symbol";
    case Reason::venue_halted:
      return "venue_halted";
    case Reason::hold:
      return "hold";
    case Reason::not_mirrored:
      return "not_mirrored";
    case Reason::no_quantity:
      return "no_quantity";
    case Reason::no_price:
      return "no_price";
    case Reason::price_worse:
      return "price_worse";
    case Reason::no_reference:
      return "no_reference";
    case Reason::price_collar:
      return "price_collar";
    case Reason::self_trade:
      return "self_trade";
    case Reason::no_stop:
      return "no_stop";
    case Reason::equity_unknown:
      return "equity_unknown";
    case Reason::no_position:
      return "no_position";
    case Reason::below_min_lot:
      return "below_min_lot";
    case Reason::below_min_notional:
      return "below_min_notional";
    case Reason::positions:
      return "positions";
    case Reason::entry_rate:
      return "entry_rate";
    case Reason::not_valued:
      return "not_valued";
    case Reason::daily_loss:
      return "daily_loss";
    case Reason::drawdown:
      return "drawdown";
    case Reason::account_positions:
      return "account_positions";
    case Reason::account_entry_rate:
      return "account_entry_rate";
    case Reason::account_daily_loss:
      return "account_daily_loss";
    case Reason::account_drawdown:
      return "account_drawdown";
    case Reason::leader_positions:
      return "leader_positions";
    case Reason::leader_entry_rate:
      return "leader_entry_rate";
    case Reason::leader_daily_loss:
      return "leader_daily_loss";
    case Reason::leader_drawdown:
      return "leader_drawdown";
    case Reason::price_filter:
      return "price_filter";
    case Reason::order_notional:
      return "order_notional";
    case Reason::position_notional:
      return "position_notional";
    case Reason::exposure:
      return "exposure";
    case Reason::account_order_notional:
      return "account_order_notional";
    case Reason::account_position_notional:
      return "account_position_notional";
    case Reason::account_exposure:
      return "account_exposure";
    case Reason::leader_order_notional:
      return "leader_order_notional";
    case Reason::leader_position_notional:
      return "leader_position_notional";
    case Reason::leader_exposure:
      return "leader_exposure";
    case Reason::copy_amount:
      return "copy_amount";
    case Reason::event_notional:
      return "event_notional";
    case Reason::balance:
      return "balance";
    case Reason::rate_budget:
      return "rate_budget";
    case Reason::session_down:
      return "session_down";
    case Reason::overload:
      return "overload";
    case Reason::rejected:
      return "rejected";
    case Reason::not_filled:
      return "not_filled";
    case Reason::not_accepted:
      return "not_accepted";
    case Reason::would_trigger:
      return "would_trigger";
    case Reason::already_exiting:
      return "already_exiting";
    case Reason::superseded:
      return "superseded";
    case Reason::account_ambiguous:
      return "account_ambiguous";
    case Reason::draining:
      return "draining";
  }
  return "?";
}

bool is_retryable(Reason reason) {
  switch (reason) {
    case Reason::not_reconciled:
    case Reason::venue_halted:
    case Reason::no_price:
    case Reason::price_worse:
    case Reason::no_reference:
    case Reason::price_collar:
    case Reason::self_trade:
    case Reason::no_stop:
    case Reason::equity_unknown:
    case Reason::entry_rate:
    case Reason::account_entry_rate:
    case Reason::leader_entry_rate:
    case Reason::not_valued:
    case Reason::rate_budget:
    case Reason::session_down:
    case Reason::overload:
    case Reason::draining:
      return true;
    default:
      return false;
  }
}

std::string_view to_text(Cap cap) {
  switch (cap) {
    case Cap::none:
      return "none";
    case Cap::copy_amount:
      return "copy_amount";
    case Cap::order_notional:
      return "order_notional";
    case Cap::position_notional:
      return "position_notional";
    case Cap::exposure:
      return "exposure";
    case Cap::account_order_notional:
      return "account_order_notional";
    case Cap::account_position_notional:
      return "account_position_notional";
    case Cap::account_exposure:
      return "account_exposure";
    case Cap::leader_order_notional:
      return "leader_order_notional";
    case Cap::leader_position_notional:
      return "leader_position_notional";
    case Cap::leader_exposure:
      return "leader_exposure";
    case Cap::balance:
      return "balance";
    case Cap::held:
      return "held";
    case Cap::venue_max:
      return "venue_max";
    case Cap::flip:
      return "flip";
  }
  return "?";
}

std::string_view to_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::copied:
      return "copied";
    case Outcome::clipped:
      return "clipped";
    case Outcome::carried:
      return "carried";
    case Outcome::coalesced:
      return "coalesced";
    case Outcome::skipped:
      return "skipped";
    case Outcome::failed:
      return "failed";
  }
  return "?";
}

std::string_view to_text(OrderStatus status) {
  switch (status) {
    case OrderStatus::pending:
      return "pending";
    case OrderStatus::filled:
      return "filled";
    case OrderStatus::partially_filled:
      return "partially_filled";
    case OrderStatus::cancelled:
      return "cancelled";
    case OrderStatus::failed:
      return "failed";
  }
  return "?";
}

std::string_view to_text(OrderType type) {
  switch (type) {
    case OrderType::limit_ioc:
    case OrderType::limit_gtc:
      return "limit";
    case OrderType::market:
      return "market";
    case OrderType::stop_loss:
      return "stop_loss";
    case OrderType::take_profit:
      return "take_profit";
  }
  return "?";
}

std::string_view to_text(SizingMode mode) {
  switch (mode) {
    case SizingMode::leader_quantity:
      return "leader_quantity";
    case SizingMode::fixed_notional:
      return "fixed_notional";
    case SizingMode::fixed_quantity:
      return "fixed_quantity";
    case SizingMode::fixed_risk:
      return "fixed_risk";
    case SizingMode::follower_equity:
      return "follower_equity";
    case SizingMode::equity_proportional:
      return "equity_proportional";
  }
  return "?";
}
std::string_view to_text(EntryStyle style) {
  switch (style) {
    case EntryStyle::capped:
      return "capped";
    case EntryStyle::mirror:
      return "mirror";
    case EntryStyle::market:
      return "market";
  }
  return "?";
}
std::string_view to_text(MinLotPolicy policy) {
  switch (policy) {
    case MinLotPolicy::carry:
      return "carry";
    case MinLotPolicy::skip:
      return "skip";
    case MinLotPolicy::round_up:
      return "round_up";
  }
  return "?";
}
std::string_view to_text(LinkStatus status) {
  switch (status) {
    case LinkStatus::active:
      return "active";
    case LinkStatus::paused:
      return "paused";
    case LinkStatus::exits_only:
      return "exits_only";
    case LinkStatus::stopped:
      return "stopped";
    case LinkStatus::quarantined:
      return "quarantined";
  }
  return "?";
}
std::string_view to_text(DrawdownFrom from) {
  switch (from) {
    case DrawdownFrom::start:
      return "start";
    case DrawdownFrom::peak:
      return "peak";
  }
  return "?";
}
std::string_view to_text(LimitScope scope) {
  switch (scope) {
    case LimitScope::account:
      return "account";
    case LimitScope::leader:
      return "leader";
    case LimitScope::channel:
      return "channel";
  }
  return "?";
}
std::optional<LimitScope> limit_scope_from_text(std::string_view text) {
  return find(text, std::array{LimitScope::account, LimitScope::leader, LimitScope::channel});
}
std::string_view to_text(DrawdownAction action) {
  switch (action) {
    case DrawdownAction::halt:
      return "halt";
    case DrawdownAction::close:
      return "close";
  }
  return "?";
}
std::optional<DrawdownFrom> drawdown_from_from_text(std::string_view text) {
  return find(text, std::array{DrawdownFrom::start, DrawdownFrom::peak});
}
std::optional<DrawdownAction> drawdown_action_from_text(std::string_view text) {
  return find(text, std::array{DrawdownAction::halt, DrawdownAction::close});
}
std::optional<SizingMode> sizing_mode_from_text(std::string_view text) {
  return find(text, std::array{SizingMode::leader_quantity, SizingMode::fixed_notional,
                               SizingMode::fixed_quantity, SizingMode::fixed_risk,
                               SizingMode::follower_equity, SizingMode::equity_proportional});
}
std::string_view to_text(SyncOnSubscribe sync) {
  switch (sync) {
    case SyncOnSubscribe::none:
      return "none";
    case SyncOnSubscribe::all:
      return "all";
    case SyncOnSubscribe::if_better:
      return "if_better";
  }
  return "?";
}
std::optional<SyncOnSubscribe> sync_on_subscribe_from_text(std::string_view text) {
  return find(text,
              std::array{SyncOnSubscribe::none, SyncOnSubscribe::all, SyncOnSubscribe::if_better});
}
std::optional<EntryStyle> entry_style_from_text(std::string_view text) {
  return find(text, std::array{EntryStyle::capped, EntryStyle::market, EntryStyle::mirror});
}
std::optional<MinLotPolicy> min_lot_policy_from_text(std::string_view text) {
  return find(text, std::array{MinLotPolicy::carry, MinLotPolicy::skip, MinLotPolicy::round_up});
}
std::optional<LinkStatus> link_status_from_text(std::string_view text) {
  return find(text, std::array{LinkStatus::active, LinkStatus::paused, LinkStatus::exits_only,
                               LinkStatus::stopped, LinkStatus::quarantined});
}

std::string_view to_text(LeaderEventKind kind) {
  switch (kind) {
    case LeaderEventKind::fill:
      return "fill";
    case LeaderEventKind::signal_published:
      return "signal_published";
    case LeaderEventKind::signal_updated:
      return "signal_updated";
    case LeaderEventKind::signal_closed:
      return "signal_closed";
    case LeaderEventKind::one_click_copy:
      return "one_click_copy";
    case LeaderEventKind::risk_close:
      return "risk_close";
    case LeaderEventKind::order_placed:
      return "order_placed";
    case LeaderEventKind::order_amended:
      return "order_amended";
    case LeaderEventKind::order_cancelled:
      return "order_cancelled";
    case LeaderEventKind::sync:
      return "sync";
    case LeaderEventKind::stop_close:
      return "stop_close";
  }
  return "?";
}
std::string_view to_text(EventSource source) {
  switch (source) {
    case EventSource::stream:
      return "stream";
    case EventSource::rest:
      return "rest";
    case EventSource::websocket:
      return "websocket";
    case EventSource::webhook:
      return "webhook";
    case EventSource::database:
      return "database";
    case EventSource::internal:
      return "internal";
  }
  return "?";
}

}  // namespace oneclick
