// What became of one leader event, as JSON.
#include <pqxx/pqxx>

#include "persistence/pg.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

// Latencies in nanoseconds from the event's first byte to the order's last.
constexpr const char* report_sql =
    "WITH o AS (SELECT * FROM engine.copy_outcomes WHERE event_id = $1::uuid)"
    " SELECT json_build_object("
    "  'event_id', e.id, 'seq', e.seq, 'state', CASE WHEN (SELECT count(*) FROM o) >="
    "    e.links_matched THEN 'complete' ELSE 'in_progress' END,"
    "  'source', e.source, 'kind', e.kind, 'symbol', e.symbol, 'side', e.side,"
    "  'quantity', e.quantity::text, 'price', e.price::text, 'venue', e.venue,"
    "  'leader_user_id', e.leader_user_id, 'channel_id', e.channel_id, 'signal_id', e.signal_id,"
    "  'event_time', to_char(e.event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    "  'accepted_at', to_char(e.accepted_at AT TIME ZONE 'UTC',"
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    "  'links_matched', e.links_matched,"
    "  'outcomes', (SELECT coalesce(json_object_agg(outcome, n), '{}') FROM"
    "    (SELECT outcome, count(*) AS n FROM o GROUP BY 1 ORDER BY 1) g),"
    "  'reasons', (SELECT coalesce(json_object_agg(reason, n), '{}') FROM"
    "    (SELECT reason, count(*) AS n FROM o WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1) g),"
    "  'orders', (SELECT coalesce(json_object_agg(status, n), '{}') FROM"
    "    (SELECT t.status, count(*) AS n FROM o JOIN public.trades t ON t.id = o.trade_id"
    "      GROUP BY 1 ORDER BY 1) g),"
    "  'ingest_to_wire_ns', (SELECT json_build_object('first', min(ingest_to_wire_ns),"
    "    'p50', percentile_disc(0.5) WITHIN GROUP (ORDER BY ingest_to_wire_ns),"
    "    'p99', percentile_disc(0.99) WITHIN GROUP (ORDER BY ingest_to_wire_ns),"
    "    'last', max(ingest_to_wire_ns)) FROM o))"
    " FROM engine.leader_events e WHERE e.id = $1::uuid"
    // Whose event it is: the leader's own, or of a channel the viewer made.
    " AND ($2::uuid IS NULL OR e.leader_user_id = $2::uuid OR EXISTS (SELECT 1 FROM"
    "   public.premium_channels c WHERE c.id = e.channel_id AND c.creator_id = $2::uuid))";

}  // namespace

std::expected<std::optional<std::string>, std::string> event_report_json(
    const std::string& database_url, EventId id, UserId viewer) try {
  pqxx::connection connection(database_url);
  pqxx::read_transaction work(connection);
  const std::string who = viewer.to_text();
  const auto rows =
      work.exec_params(report_sql, id.to_text(), viewer.is_nil() ? nullptr : who.c_str());
  if (rows.empty()) return std::nullopt;
  return rows[0][0].c_str();
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

}  // namespace oneclick
