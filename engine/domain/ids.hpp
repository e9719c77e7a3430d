// Strong identifiers. Two ids of different kinds do not compare, convert or mix.
#pragma once

#include <compare>
#include <cstdint>

#include "engine/base/text.hpp"
#include "engine/base/uuid.hpp"

namespace oneclick {

template <typename Tag>
struct Id {
  Uuid value;
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
  [[nodiscard]] constexpr bool is_nil() const { return value.is_nil(); }
  [[nodiscard]] std::string to_text() const { return value.to_text(); }
};
template <typename Tag>
[[nodiscard]] constexpr std::uint64_t hash_of(const Id<Tag>& id) {
  return hash_of(id.value);
}

using UserId = Id<struct UserTag>;            // users.id
using AccountId = Id<struct AccountTag>;      // user_exchanges.id
using PortfolioId = Id<struct PortfolioTag>;  // portfolios.id
using ChannelId = Id<struct ChannelTag>;      // premium_channels.id
using SignalId = Id<struct SignalTag>;        // trading_signals.id
using LinkId = Id<struct LinkTag>;            // engine.copy_links.id
using EventId = Id<struct EventTag>;          // engine.leader_events.id
using OrderKey = Id<struct OrderTag>;         // trades.id; see identity.hpp
using ApiKeyId = Id<struct ApiKeyTag>;        // api_keys.id

// Position of an account in its shard's tables, given out by the core in order of arrival and
// stable for the life of the journal. Sessions keep what they need per account in vectors indexed
// by it.
using AccountSlot = std::uint32_t;
inline constexpr AccountSlot no_slot = ~AccountSlot{0};

using Asset = Text<15>;         // "BTC"
using Symbol = Text<23>;        // "BTC/USDT" or "BTC/USDT:USDT"
using VenueOrderId = Text<39>;  // as the venue writes it
using VenueTradeId = Text<39>;

}  // namespace oneclick
