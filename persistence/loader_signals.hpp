// Signals, their updates and one-click copies as leader events. Event ids come from the signal, so
// telling one twice is harmless.
#pragma once

#include <string>
#include <vector>

#include "persistence/loader_rows.hpp"

namespace oneclick {

// One row of engine.change_log that concerns a signal.
struct SignalChange {
  std::string row;  // trading_signals.id, signal_updates.id, or signal id|user id
  bool inserted;
  std::int64_t change;      // change_log.id
  std::int64_t changed_us;  // when, Unix time
};
struct SignalChanges {
  std::vector<SignalChange> signals, updates, followers;
  [[nodiscard]] bool empty() const {
    return signals.empty() && updates.empty() && followers.empty();
  }
};

// In the order in which they are to be told: published, copied, updated, closed.
[[nodiscard]] ReadResult<LeaderEvent> read_signal_events(PgConnection& connection,
                                                         const SignalChanges& changes,
                                                         std::int64_t received_ns);

}  // namespace oneclick
