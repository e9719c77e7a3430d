// Login sessions as PostgreSQL has them now, and engine.change_log as far as it is about them.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "persistence/loader_rows.hpp"
#include "persistence/pg_connection.hpp"

namespace oneclick {

struct SessionRow {
  std::string id;
  std::string token_hash;
  std::int64_t expires_ms;
  std::string payload;  // JSON; begins with the id
  bool holds;           // not expired, its user active
};
// Sessions with these ids or of these users.
[[nodiscard]] std::expected<std::vector<SessionRow>, PgError> read_sessions(
    PgConnection& connection, const Ids& ids, const Ids& users);
// The next page of sessions that hold, in order of id after `after` (empty: from the first).
[[nodiscard]] std::expected<std::vector<SessionRow>, PgError> read_session_page(
    PgConnection& connection, const std::string& after, int count);

// Where this history of this database is: another one has other transaction ids.
[[nodiscard]] std::expected<std::string, PgError> read_history_name(PgConnection& connection);

// Follows the change log without a cursor of its own in the database, so that a Redis that is away
// never holds up its cleaning: as long as no other reader's cursor is past ours, nothing that we
// have not seen was cleaned away.
class SessionChanges {
 public:
  struct Changes {
    Ids sessions, users;
    bool is_whole_unknown = false;  // rows are gone, or a table was emptied: read everything again
  };
  // From this transaction id on.
  void begin(std::uint64_t xid);
  // From what is being written now on.
  [[nodiscard]] std::expected<void, PgError> begin_now(PgConnection& connection);
  [[nodiscard]] std::expected<Changes, PgError> read(PgConnection& connection);
  // What read() gave has taken effect.
  void taken();
  [[nodiscard]] std::uint64_t cursor() const { return cursor_; }

 private:
  using Seen = std::set<std::pair<std::uint64_t, std::int64_t>>;  // transaction, id
  std::uint64_t cursor_ = 0, reading_to_ = 0;
  Seen seen_, reading_;
};

}  // namespace oneclick
