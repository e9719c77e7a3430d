// What the engine is told about the world it trades in: links, accounts, instruments, feeds,
// switches. Each pair says whether an event would change anything, and makes the change.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

[[nodiscard]] bool link_differs(const Tables& t, const CopyLink& link);
void on_link(Step& s, const CopyLink& link);
[[nodiscard]] bool link_present(const Tables& t, LinkId id);
// A link as it was told last.
[[nodiscard]] CopyLink told_link(const Tables& t, Index link);
void on_link_remove(Step& s, LinkId id);

[[nodiscard]] bool account_differs(const Tables& t, const Account& account);
void on_account(Step& s, const Account& account);
[[nodiscard]] bool account_present(const Tables& t, AccountId id);
void on_account_remove(Step& s, AccountId id);
[[nodiscard]] bool account_state_matters(const Tables& t, const AccountState& state);
void on_account_state(Step& s, const AccountState& state);

[[nodiscard]] bool instrument_differs(const Tables& t, const Instrument& instrument);
void on_instrument(Step& s, const Instrument& instrument);
// Decimals and indices that follow from an instrument.
void derive(Tables& t, InstrumentEntry& entry);

[[nodiscard]] bool feed_differs(const Tables& t, const LeaderFeed& feed);
void on_feed(Step& s, const LeaderFeed& feed);
void on_feed_remove(Step& s, AccountId id);

[[nodiscard]] bool kill_switch_differs(const Tables& t, const KillSwitch& kill);
void on_kill_switch(Step& s, const KillSwitch& kill);

void on_fence(Step& s, const CoreSettings& settings);

}  // namespace oneclick::core
