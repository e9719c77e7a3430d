// engine.change_log as a reader follows it: what is new, each row once, and how far is decided.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <set>
#include <string>
#include <unordered_set>

#include "persistence/loader_signals.hpp"
#include "persistence/pg_connection.hpp"

namespace oneclick {

// Rows to read again, by table.
struct ChangeSet {
  std::set<std::string> users, api_keys, accounts, channels, links, feeds, switches, quarantines;
  std::set<std::string> limits;       // "scope|id"
  std::set<std::string> subscribers;  // users whose subscriptions changed
  SignalChanges signals;
  bool symbol_map = false;
  bool truncated = false;  // a table was emptied: everything has to be read again
  std::uint64_t count = 0;
};

// The cursor is a transaction id; everything below it has taken effect. It moves only below the
// snapshot's xmin, because transactions commit in any order. Rows above are acted on as soon as
// they are seen (a long transaction elsewhere must not delay a revocation) and remembered, so that
// they are not acted on again when the cursor reaches them.
class ChangeFollower {
 public:
  // Makes the reader's cursor if it has none: then everything still logged is new.
  [[nodiscard]] std::expected<void, PgError> open(PgConnection& connection);
  // Changes of state below this transaction id are part of the snapshot just read; signals are not.
  void skip_state_below(std::uint64_t xid) { state_from_ = xid; }

  [[nodiscard]] std::expected<ChangeSet, PgError> read(PgConnection& connection);
  // What read() gave has taken effect.
  void taken();
  // Writes the cursor now and then, some seconds old: what was taken since may not have reached the
  // journal yet. Removes what every reader has behind it.
  [[nodiscard]] std::expected<void, PgError> save(PgConnection& connection, std::int64_t now_ns);

 private:
  struct Seen {
    std::int64_t id;
    std::uint64_t xid;
    auto operator<=>(const Seen&) const = default;
  };
  struct Point {
    std::int64_t time_ns;
    std::uint64_t xid;
  };
  std::uint64_t cursor_ = 0;
  std::uint64_t saved_ = 0;
  std::uint64_t state_from_ = 0;
  std::set<Seen> seen_;     // acted on, at or above the cursor
  std::set<Seen> reading_;  // given by the last read()
  std::uint64_t reading_to_ = 0;
  bool had_rows_ = false;
  std::deque<Point> points_;
  std::int64_t purged_ns_ = 0;
};

}  // namespace oneclick
