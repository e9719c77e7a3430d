// Sealing, and signing what was sealed.
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "persistence/audit.hpp"
#include "persistence/audit_hash.hpp"
#include "persistence/audit_redaction.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

using Done = std::expected<void, std::string>;

constexpr std::string_view utc_text = "'YYYY-MM-DD\"T\"HH24:MI:SS.US'";

std::int64_t integer_of(const std::optional<std::string>& field) {
  std::int64_t value = 0;
  if (field) std::from_chars(field->data(), field->data() + field->size(), value);
  return value;
}

std::expected<PgQuery, std::string> open(const std::string& database_url) {
  auto query = PgQuery::connect(database_url);
  if (!query) return query;
  if (const auto set = query->run("SET TimeZone = 'UTC'"); !set)
    return std::unexpected(set.error());
  return query;
}

std::expected<std::int64_t, std::string> seal_all(PgQuery& query) {
  std::int64_t all = 0;
  for (;;) {
    const auto row = query.rows("SELECT sealed FROM engine.seal_audit(5000)");
    if (!row) return std::unexpected(row.error());
    const std::int64_t sealed = integer_of((*row)[0][0]);
    if (sealed == 0) return all;
    all += sealed;
  }
}

Done store(PgQuery& query, const MasterKey& key, const AuditCheckpoint& checkpoint) {
  const auto put = query.rows(
      "INSERT INTO engine.audit_checkpoints (source, seq, hash, created_before, made_at, key_id,"
      " signature) VALUES ($1, $2::bigint, decode($3, 'hex'), $4::timestamptz, $5::timestamptz, $6,"
      " decode($7, 'hex')) ON CONFLICT (source, seq) DO UPDATE SET hash = excluded.hash,"
      " created_before = excluded.created_before, made_at = excluded.made_at,"
      " key_id = excluded.key_id, signature = excluded.signature",
      {checkpoint.source, std::to_string(checkpoint.seq), to_hex(checkpoint.hash),
       checkpoint.created_before.empty() ? std::nullopt : std::optional(checkpoint.created_before),
       checkpoint.made_at, key.id, to_hex(audit_signature(key, checkpoint))});
  if (!put) return std::unexpected(put.error());
  return {};
}

// A signature must not bless what does not hold.
Done hold(const std::string& database_url, std::span<const MasterKey> keys) {
  const auto verdict =
      verify_audit(database_url, {.keys = {keys.begin(), keys.end()}, .anchors = {}});
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->problem_count == 0) return {};
  const AuditProblem& first = verdict->problems.front();
  return std::unexpected(
      fmt::format("the audit chain does not hold, nothing is signed: {} {} {}: {}", first.source,
                  first.seq, first.row_id, first.what));
}

std::expected<std::int64_t, std::string> newest(PgQuery& query) {
  const auto row = query.rows(
      "SELECT coalesce(max(seq), 0) FROM engine.audit_checkpoints"
      " WHERE source = 'audit_logs' AND created_before IS NOT NULL");
  if (!row) return std::unexpected(row.error());
  return integer_of((*row)[0][0]);
}

Done sign_again(PgQuery& query, std::span<const MasterKey> keys) {
  const auto rows = query.rows(
      fmt::format("SELECT source, seq, encode(hash, 'hex'), coalesce(to_char(created_before, {0}),"
                  " ''), to_char(made_at, {0}), key_id, encode(signature, 'hex')"
                  " FROM engine.audit_checkpoints WHERE key_id <> $1",
                  utc_text),
      {keys[0].id});
  if (!rows) return std::unexpected(rows.error());
  for (const PgRow& row : *rows) {
    const AuditCheckpoint checkpoint{.source = row[0].value_or(""),
                                     .seq = integer_of(row[1]),
                                     .hash = digest_of_hex(row[2].value_or("")).value_or(Digest{}),
                                     .created_before = row[3].value_or(""),
                                     .made_at = row[4].value_or("")};
    const auto key = std::ranges::find(keys, row[5].value_or(""), &MasterKey::id);
    if (key == keys.end() || to_hex(audit_signature(*key, checkpoint)) != row[6]) continue;
    if (Done done = store(query, keys[0], checkpoint); !done) return done;
  }
  return {};
}

Done sign_redactions_again(PgQuery& query, std::span<const MasterKey> keys) {
  const auto rows = query.rows(
      fmt::format("SELECT source, row_id, encode(row_hash, 'hex'), encode(redacted_hash, 'hex'),"
                  " to_char(redacted_at, {}), key_id, encode(signature, 'hex')"
                  " FROM engine.audit_redactions WHERE key_id <> $1",
                  utc_text),
      {keys[0].id});
  if (!rows) return std::unexpected(rows.error());
  for (const PgRow& row : *rows) {
    const AuditRedaction redaction{
        .source = row[0].value_or(""),
        .row_id = row[1].value_or(""),
        .row_hash = digest_of_hex(row[2].value_or("")).value_or(Digest{}),
        .redacted_hash = digest_of_hex(row[3].value_or("")).value_or(Digest{}),
        .redacted_at = row[4].value_or("")};
    const auto key = std::ranges::find(keys, row[5].value_or(""), &MasterKey::id);
    if (key == keys.end() || to_hex(redaction_signature(*key, redaction)) != row[6]) continue;
    const auto put = query.rows(
        "UPDATE engine.audit_redactions SET key_id = $3, signature = decode($4, 'hex')"
        " WHERE source = $1 AND row_id = $2::uuid",
        {redaction.source, redaction.row_id, keys[0].id,
         to_hex(redaction_signature(keys[0], redaction))});
    if (!put) return std::unexpected(put.error());
  }
  return {};
}

}  // namespace

std::expected<std::int64_t, std::string> seal_audit(const std::string& database_url) {
  auto query = open(database_url);
  if (!query) return std::unexpected(query.error());
  return seal_all(*query);
}

std::expected<std::int64_t, std::string> make_audit_checkpoint(const std::string& database_url,
                                                               std::span<const MasterKey> keys,
                                                               const std::string& before) {
  if (keys.empty()) return std::unexpected("a master key is needed to sign the audit chain");
  auto query = open(database_url);
  if (!query) return std::unexpected(query.error());
  if (const auto sealed = seal_all(*query); !sealed) return sealed;
  const auto cut =
      query->rows(fmt::format("SELECT u.seq, encode(u.hash, 'hex'), to_char($1::timestamptz, {0}),"
                              " to_char(now(), {0}) FROM engine.audit_cut($1::timestamptz) u"
                              " WHERE u.seq IS NOT NULL",
                              utc_text),
                  {before});
  if (!cut) return std::unexpected(cut.error());
  if (cut->empty()) return newest(*query);
  if (Done held = hold(database_url, keys); !held) return std::unexpected(held.error());
  const PgRow& row = (*cut)[0];
  if (Done done = store(*query, keys[0],
                        {.source = std::string(audit_logs_source),
                         .seq = integer_of(row[0]),
                         .hash = digest_of_hex(row[1].value_or("")).value_or(Digest{}),
                         .created_before = row[2].value_or(""),
                         .made_at = row[3].value_or("")});
      !done)
    return std::unexpected(done.error());
  return newest(*query);
}

std::expected<void, std::string> sign_audit_heads(const std::string& database_url,
                                                  std::span<const MasterKey> keys) {
  if (keys.empty()) return std::unexpected("a master key is needed to sign the audit chain");
  auto query = open(database_url);
  if (!query) return std::unexpected(query.error());
  if (const auto sealed = seal_all(*query); !sealed) return std::unexpected(sealed.error());
  const auto heads = query->rows(fmt::format(
      "SELECT h.source, h.seq, encode(h.hash, 'hex'), to_char(now(), {}) FROM engine.audit_heads h"
      " WHERE h.seq > 0 AND NOT EXISTS (SELECT FROM engine.audit_checkpoints k"
      " WHERE k.source = h.source AND k.seq = h.seq)",
      utc_text));
  if (!heads) return std::unexpected(heads.error());
  if (Done held = hold(database_url, keys); !held) return held;
  for (const PgRow& row : *heads)
    if (Done done = store(*query, keys[0],
                          {.source = row[0].value_or(""),
                           .seq = integer_of(row[1]),
                           .hash = digest_of_hex(row[2].value_or("")).value_or(Digest{}),
                           .created_before = "",
                           .made_at = row[3].value_or("")});
        !done)
      return done;
  if (Done done = sign_again(*query, keys); !done) return done;
  return sign_redactions_again(*query, keys);
}

}  // namespace oneclick
