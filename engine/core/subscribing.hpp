// How a link begins and how it ends: it may buy at once what its leader holds, once in its life,
// and may sell all it holds when it is stopped. Both are leader events of the engine's own.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

// The link, its account, or what its user may do changed: it may begin, or owe its last sale.
void on_link_ready(Step& s, Index link);
void on_account_ready(Step& s, AccountSlot slot);
// A price became known: what waits for it is asked.
void on_price_known(Step& s, const Price& price);
void drop_syncs(Tables& t, Index link);
// The leader sold: what is still to be synced shrinks with it.
void shrink_syncs(Tables& t, Index source, Index symbol, bool chained, Decimal kept,
                  Decimal kept_of);

// Signals that a link which begins is asked for.
void remember_signal(Tables& t, const LeaderEvent& event);
void forget_signal(Tables& t, const LeaderEvent& event);

}  // namespace oneclick::core
