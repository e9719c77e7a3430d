// What a leader's symbol is called where a follower trades: the same, or by a name of that venue's,
// or in another quote that counts as equal.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// The instrument that copies `symbol` at `venue`; none: there is none.
[[nodiscard]] Index find_counterpart(const Tables& t, Venue venue, Index symbol);

[[nodiscard]] bool symbol_mapping_differs(const Tables& t, const SymbolMapping& mapping);
void on_symbol_mapping(Step& s, const SymbolMapping& mapping);
// An instrument is new or goes by another name: mappings that mean it find it.
void map_instrument(Tables& t, Index instrument);

}  // namespace oneclick::core
