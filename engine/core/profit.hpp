// Limits that look at all of what a link holds: symbols held, entries a minute, exposure, loss of a
// day, drawdown. Values are USD at the last prices told; what cannot be valued refuses by name.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// A sale realised `gain`, in quote.
void note_realised(Tables& t, const Order& order, const OrderUpdate& update, Decimal gain);
// A fee paid in neither base nor quote.
void note_fee_elsewhere(Tables& t, const Order& order, const OrderUpdate& update);
void note_entry(RareTerms& terms, std::int64_t now_ns);
// Terms that change keep what was counted so far.
void keep_counts(RareTerms& terms, const RareTerms& before);
void emit_release(Step& s, const Link& link, RareTerms terms);

// How much more may be bought in `instrument`, in quote, and whether anything may be at all.
struct Room {
  Reason refusal;
  bool is_limited;
  Decimal notional;
};
[[nodiscard]] Room room_of(Step& s, Index link, Index symbol, Index instrument);

// For limits over several links: what they are made of.
[[nodiscard]] bool counts_profit(const RareTerms& terms);
[[nodiscard]] bool is_open(const Holding& holding);
// What an instrument is worth now; null where that is not known.
[[nodiscard]] const InstrumentEntry* valued(const Step& s, Venue venue, Index symbol);
// Brings profit, day and peak up to now.
void note_profit(RareTerms& terms, Decimal profit, std::int64_t now_ns);
[[nodiscard]] Decimal drawn_down(const RareTerms& terms);  // since start or peak
[[nodiscard]] std::int32_t entries_in_minute(const RareTerms& terms, std::int64_t now_ns);
// Sells all that a link holds, by events of the engine's own of that kind.
void sell_all(Step& s, Index link, LeaderEventKind kind);

// A price moved: values the limited links that hold the symbol, and acts on drawdowns.
void watch_limits(Step& s, const Price& price);

}  // namespace oneclick::core
