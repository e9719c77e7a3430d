// Limits over more than one link: over all links of an account, and over all of this shard's
// followers of a leader or channel.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

[[nodiscard]] bool risk_limits_differ(const Tables& t, const RiskLimits& limits);
void on_risk_limits(Step& s, const RiskLimits& limits);
[[nodiscard]] RiskLimits limits_of(const ScopeTerms& scope);

// What the links of a scope hold and are buying.
struct ScopeSums {
  Decimal symbol_quantity;  // of the symbol that is asked about
  Decimal exposure_usd;
  Decimal unrealised_usd;
  std::int32_t others;  // positions besides; of accounts symbols, of leaders each follower's
  bool has_symbol;
  bool is_valued;  // the two in USD are known
  bool known;      // false: nothing was summed yet
};
// How far a scope lets one entry go.
struct ScopeCaps {
  bool limits_order;
  bool limits_position;
  bool limits_exposure;
  Decimal order_notional;
  Decimal position_room;  // in quote, as the next
  Decimal exposure_room;
};
struct ScopeQuestion {
  Index link;
  Index symbol;
  Index instrument;
  Decimal price;
};
// Whether the account's, then the leader's limits allow an entry at all, and how far. The leader's
// sums are made once per event and kept by the caller.
[[nodiscard]] Reason room_of_scopes(Step& s, const ScopeQuestion& question, ScopeSums& leader_sums,
                                    ScopeCaps& account, ScopeCaps& leader);
// An entry was sent: it is counted, and added to what the leader's followers are buying.
void note_scope_entry(Step& s, const ScopeQuestion& question, Decimal quantity,
                      ScopeSums& leader_sums);
// The terms in which profit of a link is counted besides its own.
[[nodiscard]] RareTerms* account_terms(Tables& t, Index link);
[[nodiscard]] RareTerms* leader_terms(Tables& t, Index link);
// Prices moved: looks at the profit of scopes that limit it, each at most once a second.
void watch_scopes(Step& s);

}  // namespace oneclick::core
