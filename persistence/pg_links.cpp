#include "persistence/pg_links.hpp"

#include <fmt/format.h>

#include "persistence/loader_rows.hpp"

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;

// "l" is the link. $1 to $5.
constexpr const char* matching =
    " (cardinality($1::uuid[]) = 0 OR l.id = ANY($1::uuid[]))"
    " AND ($2::uuid IS NULL OR l.follower_user_id = $2::uuid)"
    " AND ($3::uuid IS NULL OR l.leader_user_id = $3::uuid)"
    " AND ($4::uuid IS NULL OR l.channel_id = $4::uuid)"
    " AND ($5::text IS NULL OR l.status = $5::text)";

Parameters parameters_of(const LinkQuery& q) {
  const auto some = [](const std::string& text) {
    return text.empty() ? std::optional<std::string>() : text;
  };
  return {uuid_array(q.ids), some(q.user), some(q.leader), some(q.channel), some(q.status)};
}

std::expected<std::vector<LinkChange>, std::string> changes(PgQuery& database,
                                                            const std::string& sql,
                                                            const Parameters& parameters) {
  const auto rows = database.rows(sql, parameters);
  if (!rows) return std::unexpected(rows.error());
  std::vector<LinkChange> out;
  for (const PgRow& r : *rows)
    out.push_back({.id = r[0].value_or(""),
                   .before = r[1].value_or(""),
                   .after = r[2].value_or(""),
                   .halt_lifted = r[3] == "t"});
  return out;
}

}  // namespace

std::expected<std::vector<LinkRow>, std::string> list_links(PgQuery& database,
                                                            const LinkQuery& query) {
  const auto rows = database.rows(
      fmt::format(
          "SELECT l.id, l.follower_user_id, u.username, l.follower_exchange_id, x.exchange_name,"
          " l.leader_user_id, l.channel_id, coalesce(v.username, c.name), l.status, l.sizing_mode,"
          " l.copy_percentage, l.copy_amount, l.version,"
          " to_char(l.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), h.reason,"
          " to_char(h.halted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
          " FROM engine.copy_links l JOIN public.users u ON u.id = l.follower_user_id"
          " JOIN public.user_exchanges x ON x.id = l.follower_exchange_id"
          " LEFT JOIN public.users v ON v.id = l.leader_user_id"
          " LEFT JOIN public.premium_channels c ON c.id = l.channel_id"
          " LEFT JOIN engine.link_halts h ON h.link_id = l.id"
          " WHERE {} ORDER BY u.username, l.created_at, l.id",
          matching),
      parameters_of(query));
  if (!rows) return std::unexpected(rows.error());
  std::vector<LinkRow> out;
  for (const PgRow& r : *rows) {
    LinkRow row;
    std::string* const fields[] = {
        &row.id,       &row.follower,    &row.follower_name,   &row.account,
        &row.exchange, &row.leader,      &row.channel,         &row.source_name,
        &row.status,   &row.sizing_mode, &row.copy_percentage, &row.copy_amount,
        &row.version,  &row.updated_at,  &row.halt_reason,     &row.halted_at};
    for (std::size_t i = 0; i < std::size(fields); ++i) *fields[i] = r[i].value_or("");
    out.push_back(std::move(row));
  }
  return out;
}

std::expected<std::vector<LinkChange>, std::string> set_link_status(PgQuery& database,
                                                                    const LinkQuery& query,
                                                                    LinkStatus status) {
  Parameters parameters = parameters_of(query);
  parameters.emplace_back(to_text(status));
  return changes(
      database,
      fmt::format(
          "WITH before AS (SELECT l.id, l.status FROM engine.copy_links l WHERE {}"
          " FOR UPDATE), changed AS (UPDATE engine.copy_links l SET status = $6 FROM before b"
          " WHERE l.id = b.id AND b.status NOT IN ('quarantined', $6) RETURNING l.id)"
          " SELECT b.id, b.status, CASE b.status WHEN 'quarantined' THEN b.status ELSE $6 END,"
          " false FROM before b ORDER BY b.id",
          matching),
      parameters);
}

std::expected<std::vector<LinkChange>, std::string> release_links(PgQuery& database,
                                                                  const LinkQuery& query) {
  return changes(
      database,
      fmt::format(
          "WITH held AS (SELECT l.id, l.status, h.link_id IS NOT NULL AS halted"
          " FROM engine.copy_links l LEFT JOIN engine.link_halts h ON h.link_id = l.id"
          " WHERE {} AND (h.link_id IS NOT NULL OR l.status = 'quarantined') FOR UPDATE OF l),"
          " released AS (UPDATE engine.copy_links l"
          " SET risk_epoch = l.risk_epoch + CASE WHEN h.halted THEN 1 ELSE 0 END,"
          " status = CASE l.status WHEN 'quarantined' THEN 'active' ELSE l.status END"
          " FROM held h WHERE l.id = h.id RETURNING l.id, l.status)"
          " SELECT h.id, h.status, r.status, h.halted FROM held h JOIN released r ON r.id = h.id"
          " ORDER BY h.id",
          matching),
      parameters_of(query));
}

}  // namespace oneclick
