#include "persistence/redis_session_rows.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;

// jsonb writes shorter names first, so that the id leads: removing a session looks for it there.
constexpr const char* columns =
    "SELECT s.id, s.token_hash,"
    " floor(extract(epoch FROM least(s.expires_at, timestamp '9999-12-31')) * 1000)::bigint,"
    " jsonb_build_object('id', s.id, 'user_id', s.user_id, 'location', s.location,"
    " 'ip_address', host(s.ip_address), 'device_info', s.device_info,"
    " 'created_at', to_char(s.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    " 'expires_at', to_char(least(s.expires_at, timestamp '9999-12-31'),"
    " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))::text,"
    " (s.expires_at > now() AT TIME ZONE 'UTC' AND u.account_status = 'active') IS TRUE"
    " FROM public.user_sessions s LEFT JOIN public.users u ON u.id = s.user_id";

std::uint64_t xid_of(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<SessionRow> rows_of(const PgAnswer& answer) {
  std::vector<SessionRow> out;
  for (int i = 0; i < answer.rows(); ++i)
    out.push_back({.id = std::string(answer.text(i, 0)),
                   .token_hash = std::string(answer.text(i, 1)),
                   .expires_ms = answer.integer(i, 2),
                   .payload = std::string(answer.text(i, 3)),
                   .holds = answer.boolean(i, 4)});
  return out;
}

}  // namespace

std::expected<std::vector<SessionRow>, PgError> read_sessions(PgConnection& connection,
                                                              const Ids& ids, const Ids& users) {
  const auto rows = connection.run(
      fmt::format("{} WHERE s.id = ANY($1::uuid[]) OR s.user_id = ANY($2::uuid[])", columns),
      Parameters{uuid_array(ids), uuid_array(users)});
  if (!rows) return std::unexpected(rows.error());
  return rows_of(*rows);
}

std::expected<std::vector<SessionRow>, PgError> read_session_page(PgConnection& connection,
                                                                  const std::string& after,
                                                                  int count) {
  const auto rows = connection.run(
      fmt::format("{} WHERE s.id > $1::uuid AND s.expires_at > now() AT TIME ZONE 'UTC'"
                  " ORDER BY s.id LIMIT {}",
                  columns, count),
      Parameters{after.empty() ? Uuid{}.to_text() : after});
  if (!rows) return std::unexpected(rows.error());
  return rows_of(*rows);
}

std::expected<std::string, PgError> read_history_name(PgConnection& connection) {
  const auto row = connection.run(
      "SELECT concat_ws('-', s.system_identifier, c.timeline_id, d.oid)"
      " FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d"
      " WHERE d.datname = current_database()");
  if (!row) return std::unexpected(row.error());
  return std::string(row->text(0, 0));
}

void SessionChanges::begin(std::uint64_t xid) {
  cursor_ = xid;
  seen_.clear();
  reading_.clear();
}

std::expected<void, PgError> SessionChanges::begin_now(PgConnection& connection) {
  const auto row = connection.run("SELECT pg_snapshot_xmin(pg_current_snapshot())");
  if (!row) return std::unexpected(row.error());
  begin(xid_of(row->text(0, 0)));
  return {};
}

std::expected<SessionChanges::Changes, PgError> SessionChanges::read(PgConnection& connection) {
  const auto rows = connection.run(
      "SELECT s.xmin, s.cleaned > $1::xid8 OR s.xmax < $1::xid8, c.id, c.xid, c.table_name,"
      " c.row_id, c.op FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin,"
      " pg_snapshot_xmax(pg_current_snapshot()) AS xmax,"
      " (SELECT xid FROM engine.change_cursors ORDER BY xid LIMIT 1) AS cleaned) s"
      " LEFT JOIN engine.change_log c ON c.xid >= $1::xid8"
      " AND c.table_name IN ('user_sessions', 'users')",
      Parameters{fmt::format("{}", cursor_)});
  if (!rows) return std::unexpected(rows.error());
  Changes changes;
  reading_.clear();
  reading_to_ = std::max(cursor_, xid_of(rows->text(0, 0)));
  changes.is_whole_unknown = rows->boolean(0, 1);
  for (int i = 0; i < rows->rows(); ++i) {
    if (rows->is_null(i, 2)) continue;
    const Seen::value_type row(xid_of(rows->text(i, 3)), rows->integer(i, 2));
    reading_.insert(row);
    if (seen_.contains(row)) continue;
    if (rows->text(i, 6) == "truncate")
      changes.is_whole_unknown = true;
    else if (rows->text(i, 4) == "users")
      changes.users.emplace_back(rows->text(i, 5));
    else
      changes.sessions.emplace_back(rows->text(i, 5));
  }
  return changes;
}

void SessionChanges::taken() {
  cursor_ = reading_to_;
  seen_ = std::move(reading_);
  seen_.erase(seen_.begin(), seen_.lower_bound({cursor_, 0}));
  reading_.clear();
}

}  // namespace oneclick
