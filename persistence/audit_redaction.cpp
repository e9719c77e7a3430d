#include "persistence/audit_redaction.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "persistence/audit_hash.hpp"

namespace oneclick {

namespace {

constexpr const char* utc_text = "'YYYY-MM-DD\"T\"HH24:MI:SS.US'";

// Where such rows are: the two tables, and the archive of the first. Each query gives, of a row:
// its id, its hash in the chain, its hash now, its hash when it is redacted, and the one it was
// redacted to before.
struct Place {
  std::string name;
  std::string source;
  std::string find;    // $1: the person
  std::string change;  // $1: the person
};

// What the record of an erasure says is about nobody.
constexpr const char* audit_rows =
    "(a.user_id = $1::uuid OR a.resource_id = $1::uuid::text) AND a.action <> 'user.erased' AND"
    " num_nonnulls(a.old_values, a.new_values, a.ip_address, a.user_agent) > 0";
constexpr const char* security_rows =
    "a.user_id = $1::uuid AND (a.description <> 'erased' OR num_nonnulls(a.ip_address, a.location)"
    " > 0)";
constexpr const char* archived_rows =
    "(e ->> 4 = $1::uuid::text OR e ->> 7 = $1::uuid::text) AND e ->> 5 <> 'user.erased' AND"
    " num_nonnulls(e ->> 8, e ->> 9, e ->> 10, e ->> 11) > 0";

std::string find_rows(const std::string& table, const std::string& which,
                      const std::string& redacted) {
  return fmt::format(
      "SELECT a.id, encode(c.row_hash, 'hex'),"
      " encode(engine.audit_row_hash('{0}', engine.audit_fields(a)), 'hex'),"
      " encode(engine.audit_row_hash('{0}', {2}), 'hex'), encode(d.redacted_hash, 'hex')"
      " FROM public.{0} a"
      " LEFT JOIN engine.audit_chain c ON c.source = '{0}' AND c.row_id = a.id"
      " LEFT JOIN engine.audit_redactions d ON d.source = '{0}' AND d.row_id = a.id WHERE {1}",
      table, which, redacted);
}

std::vector<Place> places() {
  const std::string fields_of_archive = "e ->> 3, e ->> 4, e ->> 5, e ->> 6, e ->> 7, {}, e ->> 12";
  const auto hash_of = [&](const std::string& four) {
    return fmt::format("encode(engine.audit_row_hash('audit_logs', ARRAY[{}]), 'hex')",
                       fmt::format(fmt::runtime(fields_of_archive), four));
  };
  const std::string nulls = "NULL, NULL, NULL, NULL";
  return {
      {.name = "audit_logs",
       .source = "audit_logs",
       .find = find_rows("audit_logs", audit_rows,
                         "(SELECT f[1:5] || array_fill(NULL::text, ARRAY[4]) || f[10:10]"
                         " FROM (SELECT engine.audit_fields(a)) AS u (f))"),
       .change = fmt::format("UPDATE public.audit_logs a SET old_values = NULL, new_values = NULL,"
                             " ip_address = NULL, user_agent = NULL WHERE {}",
                             audit_rows)},
      {.name = "engine.audit_archive",
       .source = "audit_logs",
       .find = fmt::format("SELECT e ->> 1, e ->> 2, {}, {}, encode(d.redacted_hash, 'hex')"
                           " FROM engine.audit_archive k CROSS JOIN LATERAL"
                           " jsonb_array_elements(k.entries) AS e"
                           " LEFT JOIN engine.audit_redactions d ON d.source = 'audit_logs'"
                           " AND d.row_id = (e ->> 1)::uuid WHERE {}",
                           hash_of("e ->> 8, e ->> 9, e ->> 10, e ->> 11"), hash_of(nulls),
                           archived_rows),
       .change = fmt::format(
           "UPDATE engine.audit_archive k SET entries = (SELECT jsonb_agg(CASE WHEN {0} THEN"
           " jsonb_build_array(e -> 0, e -> 1, e -> 2, e -> 3, e -> 4, e -> 5, e -> 6, e -> 7,"
           " NULL, NULL, NULL, NULL, e -> 12) ELSE e END ORDER BY n) FROM"
           " jsonb_array_elements(k.entries) WITH ORDINALITY AS u (e, n))"
           " WHERE EXISTS (SELECT FROM jsonb_array_elements(k.entries) AS e WHERE {0})",
           archived_rows)},
      {.name = "security_events",
       .source = "security_events",
       .find = find_rows("security_events", security_rows,
                         "(SELECT f[1:4] || 'erased'::text || array_fill(NULL::text, ARRAY[2]) ||"
                         " f[8:8] FROM (SELECT engine.audit_fields(a)) AS u (f))"),
       .change = fmt::format("UPDATE public.security_events a SET description = 'erased',"
                             " ip_address = NULL, location = NULL WHERE {}",
                             security_rows)}};
}

Digest digest_of(const std::optional<std::string>& hex) {
  return digest_of_hex(hex.value_or("")).value_or(Digest{});
}

std::expected<void, std::string> sign(PgQuery& query, const MasterKey& key, const Place& place,
                                      const PgRow& row, const std::string& now) {
  const std::string id = row[0].value_or("");
  if (!row[1])
    return std::unexpected(
        fmt::format("{} row {} is not sealed yet: run this again", place.name, id));
  if (row[2] != row[1] && row[2] != row[4])
    return std::unexpected(fmt::format(
        "{} row {} is not what was sealed: see oneclick maintain --verify-audit", place.name, id));
  const AuditRedaction redaction{.source = place.source,
                                 .row_id = id,
                                 .row_hash = digest_of(row[1]),
                                 .redacted_hash = digest_of(row[3]),
                                 .redacted_at = now};
  const auto put = query.rows(
      "INSERT INTO engine.audit_redactions (source, row_id, row_hash, redacted_hash, redacted_at,"
      " key_id, signature) VALUES ($1, $2::uuid, decode($3, 'hex'), decode($4, 'hex'),"
      " $5::timestamp AT TIME ZONE 'UTC', $6, decode($7, 'hex')) ON CONFLICT (source, row_id)"
      " DO UPDATE SET redacted_hash = excluded.redacted_hash, redacted_at = excluded.redacted_at,"
      " key_id = excluded.key_id, signature = excluded.signature",
      {place.source, id, row[1], row[3], now, key.id, to_hex(redaction_signature(key, redaction))});
  if (!put) return std::unexpected(put.error());
  return {};
}

}  // namespace

Digest redaction_signature(const MasterKey& key, const AuditRedaction& redaction) {
  const std::string_view master(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  const Digest derived = HmacKey(master).sign("oneclick audit redaction v1");
  const HmacKey signer(
      std::string_view(reinterpret_cast<const char*>(derived.data()), derived.size()));
  return signer.sign(fmt::format("{}|{}|{}|{}|{}", redaction.source, redaction.row_id,
                                 to_hex(redaction.row_hash), to_hex(redaction.redacted_hash),
                                 redaction.redacted_at));
}

std::expected<std::vector<std::pair<std::string, std::int64_t>>, std::string> redact_audit(
    PgQuery& query, const AuditRedactionRequest& request) {
  std::vector<std::pair<std::string, std::int64_t>> out;
  const auto now =
      query.rows(fmt::format("SELECT to_char(now() AT TIME ZONE 'UTC', {})", utc_text));
  if (!now) return std::unexpected(now.error());
  for (const Place& place : places()) {
    const auto rows = query.rows(place.find, {request.user_id});
    if (!rows) return std::unexpected(rows.error());
    out.emplace_back(place.name, static_cast<std::int64_t>(rows->size()));
    if (request.dry_run || rows->empty()) continue;
    if (request.keys.empty())
      return std::unexpected(
          fmt::format("a master key is needed: data is taken out of {} sealed rows of {}, which is "
                      "signed (--master-key-file)",
                      rows->size(), place.name));
    for (const PgRow& row : *rows)
      if (auto done = sign(query, request.keys[0], place, row, (*now)[0][0].value_or("")); !done)
        return std::unexpected(done.error());
    if (const auto done = query.rows(place.change, {request.user_id}); !done)
      return std::unexpected(done.error());
  }
  return out;
}

}  // namespace oneclick
