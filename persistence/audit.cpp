// The proof: one pass over archive, chain and rows, computing every hash from the rows themselves.
#include "persistence/audit.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "persistence/audit_hash.hpp"
#include "persistence/audit_redaction.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t batch_rows = 2'000;
constexpr std::size_t problems_listed_max = 100;

using Field = std::optional<std::string>;
using Done = std::expected<void, std::string>;

struct Source {
  std::string_view name;
  // The columns that are hashed, of table alias a; as engine.audit_fields() in migration 0010.
  std::string_view fields;
};
constexpr std::array<Source, 2> sources{
    {{audit_logs_source,
      "a.id::text, a.user_id::text, a.action::text, a.resource_type::text, a.resource_id::text,"
      " a.old_values::text, a.new_values::text, a.ip_address::text, a.user_agent,"
      " to_char(a.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"},
     {security_events_source,
      "a.id::text, a.user_id::text, a.event_type::text, a.severity::text, a.description,"
      " a.ip_address::text, a.location::text,"
      " to_char(a.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"}}};

// Each row by its key: another plan would read the whole table for every batch.
std::string row_of(const Source& source, std::string_view alias) {
  return fmt::format(
      "LEFT JOIN LATERAL (SELECT * FROM public.{} x WHERE x.id = {}.row_id LIMIT 1) a ON true",
      source.name, alias);
}

std::int64_t integer_of(const Field& field) {
  std::int64_t value = 0;
  if (field) std::from_chars(field->data(), field->data() + field->size(), value);
  return value;
}

Digest digest_of(const Field& field) {
  return digest_of_hex(field.value_or("")).value_or(Digest{});
}

// One position of the chain as it is stored. What left for the archive has no hashes of its own:
// they follow from the row before.
struct Entry {
  std::int64_t seq;
  std::string row_id;
  Digest row_hash;
  std::optional<Digest> previous_hash;
  std::optional<Digest> hash;
  std::optional<std::span<const Field>> fields;  // nothing: there is no such row
};

struct SignedCheckpoint {
  AuditCheckpoint what;
  std::string key_id;
  Digest signature;
};

class Verification {
 public:
  Verification(PgQuery& query, const AuditCheck& check) : query_(query), check_(check) {}

  std::expected<AuditVerdict, std::string> run() {
    for (const Source& source : sources)
      if (Done done = verify(source); !done) return std::unexpected(done.error());
    return std::move(verdict_);
  }

 private:
  Done verify(const Source& source);
  Done read_checkpoints(const Source& source);
  Done read_redactions(const Source& source);
  Done read_head(const Source& source);
  Done walk_archive(const Source& source);
  Done walk_chain(const Source& source);
  Done find_doubles(const Source& source);
  Done find_unsealed(const Source& source);
  Done find_strangers(const Source& source);
  void begin_at(const Source& source, std::int64_t seq);
  void take(const Source& source, const Entry& entry);
  bool is_redacted(const Entry& entry, const Digest& hash) const;
  void compare_known(const Source& source);
  void end(const Source& source);
  void problem(const Source& source, std::int64_t seq, std::string row_id, std::string what);
  void progress();

  PgQuery& query_;
  const AuditCheck& check_;
  AuditVerdict verdict_{};

  // Of the source being read:
  std::map<std::int64_t, SignedCheckpoint> checkpoints_;
  std::map<std::string, AuditRedaction> redactions_;
  std::int64_t head_seq_ = 0;
  Digest head_hash_{};
  std::int64_t seq_ = 0;    // the position before
  Digest hash_{};           // the chain's hash there
  bool hash_known_ = true;  // false after a hole in the archive
};

void Verification::problem(const Source& source, std::int64_t seq, std::string row_id,
                           std::string what) {
  ++verdict_.problem_count;
  if (verdict_.problems.size() < problems_listed_max)
    verdict_.problems.push_back({.source = std::string(source.name),
                                 .seq = seq,
                                 .row_id = std::move(row_id),
                                 .what = std::move(what)});
}

void Verification::progress() {
  if (check_.on_progress) check_.on_progress(verdict_.rows_checked);
}

Done Verification::verify(const Source& source) {
  seq_ = 0;
  hash_ = {};
  hash_known_ = true;
  if (Done done = read_checkpoints(source); !done) return done;
  if (Done done = read_redactions(source); !done) return done;
  if (Done done = read_head(source); !done) return done;
  if (Done done = walk_archive(source); !done) return done;
  if (Done done = walk_chain(source); !done) return done;
  end(source);
  if (Done done = find_doubles(source); !done) return done;
  if (Done done = find_unsealed(source); !done) return done;
  return find_strangers(source);
}

// Those whose signature holds. The others are told and count for nothing.
Done Verification::read_checkpoints(const Source& source) {
  checkpoints_.clear();
  const auto rows = query_.rows(
      "SELECT seq, encode(hash, 'hex'), coalesce(to_char(created_before AT TIME ZONE 'UTC',"
      " 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), ''), to_char(made_at AT TIME ZONE 'UTC',"
      " 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), key_id, encode(signature, 'hex')"
      " FROM engine.audit_checkpoints WHERE source = $1 ORDER BY seq",
      {std::string(source.name)});
  if (!rows) return std::unexpected(rows.error());
  for (const PgRow& row : *rows) {
    const SignedCheckpoint c{.what = {.source = std::string(source.name),
                                      .seq = integer_of(row[0]),
                                      .hash = digest_of(row[1]),
                                      .created_before = row[2].value_or(""),
                                      .made_at = row[3].value_or("")},
                             .key_id = row[4].value_or(""),
                             .signature = digest_of(row[5])};
    const auto key = std::ranges::find(check_.keys, c.key_id, &MasterKey::id);
    if (key == check_.keys.end()) {
      problem(
          source, c.what.seq, "",
          fmt::format("the checkpoint's signature cannot be checked: no master key {}", c.key_id));
    } else if (audit_signature(*key, c.what) != c.signature) {
      problem(source, c.what.seq, "", "the checkpoint is forged: its signature does not hold");
    } else {
      checkpoints_.emplace(c.what.seq, c);
      ++verdict_.checkpoints;
    }
  }
  return {};
}

// Rows from which an erased person's data was taken.
Done Verification::read_redactions(const Source& source) {
  redactions_.clear();
  const auto rows = query_.rows(
      "SELECT row_id, encode(row_hash, 'hex'), encode(redacted_hash, 'hex'),"
      " to_char(redacted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), key_id,"
      " encode(signature, 'hex') FROM engine.audit_redactions WHERE source = $1",
      {std::string(source.name)});
  if (!rows) return std::unexpected(rows.error());
  for (const PgRow& row : *rows) {
    AuditRedaction r{.source = std::string(source.name),
                     .row_id = row[0].value_or(""),
                     .row_hash = digest_of(row[1]),
                     .redacted_hash = digest_of(row[2]),
                     .redacted_at = row[3].value_or("")};
    const auto key = std::ranges::find(check_.keys, row[4].value_or(""), &MasterKey::id);
    if (key == check_.keys.end()) {
      problem(source, 0, r.row_id,
              fmt::format("the redaction's signature cannot be checked: no master key {}",
                          row[4].value_or("")));
    } else if (redaction_signature(*key, r) != digest_of(row[5])) {
      problem(source, 0, r.row_id, "the redaction is forged: its signature does not hold");
    } else {
      redactions_.emplace(r.row_id, r);
    }
  }
  return {};
}

bool Verification::is_redacted(const Entry& entry, const Digest& hash) const {
  const auto found = redactions_.find(entry.row_id);
  return found != redactions_.end() && found->second.row_hash == entry.row_hash &&
         found->second.redacted_hash == hash;
}

Done Verification::read_head(const Source& source) {
  const auto rows =
      query_.rows("SELECT seq, encode(hash, 'hex') FROM engine.audit_heads WHERE source = $1",
                  {std::string(source.name)});
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) problem(source, 0, "", "the chain's head is missing from engine.audit_heads");
  head_seq_ = rows->empty() ? 0 : integer_of((*rows)[0][0]);
  head_hash_ = rows->empty() ? Digest{} : digest_of((*rows)[0][1]);
  return {};
}

// Where something begins later than at the first row, a checkpoint right before it must say so.
void Verification::begin_at(const Source& source, std::int64_t seq) {
  if (seq == seq_ + 1) return;
  const auto checkpoint = checkpoints_.find(seq - 1);
  if (seq_ == 0 && checkpoint != checkpoints_.end()) {
    hash_ = checkpoint->second.what.hash;
  } else if (seq > seq_ + 1) {
    problem(source, seq_ + 1, "",
            fmt::format("positions {} to {} of the chain are missing: rows were removed", seq_ + 1,
                        seq - 1));
    hash_known_ = false;
  } else {
    problem(source, seq, "", "this position is there twice");
    hash_known_ = false;
  }
  seq_ = seq - 1;
}

void Verification::take(const Source& source, const Entry& entry) {
  begin_at(source, entry.seq);
  const Digest row_hash = entry.fields ? audit_row_hash(source.name, *entry.fields) : Digest{};
  const bool redacted = entry.fields && is_redacted(entry, row_hash);
  verdict_.rows_redacted += redacted ? 1 : 0;
  if (!entry.fields)
    problem(source, entry.seq, entry.row_id, "the row is missing: it was removed");
  else if (row_hash != entry.row_hash && !redacted)
    problem(source, entry.seq, entry.row_id, "the row was altered");
  else if ((*entry.fields)[0] != entry.row_id)
    problem(source, entry.seq, entry.row_id, "the chain names another row");
  if (entry.previous_hash && hash_known_ && *entry.previous_hash != hash_)
    problem(source, entry.seq, entry.row_id,
            "the chain does not go on from the position before: rows were re-ordered or replaced");
  const Digest before = entry.previous_hash.value_or(hash_);
  const Digest hash = audit_link_hash(before, entry.seq, Uuid::parse(entry.row_id).value_or(Uuid{}),
                                      entry.row_hash);
  if (entry.hash && *entry.hash != hash)
    problem(source, entry.seq, entry.row_id, "the chain's hash is not that of its row");
  // What follows is measured by what is stored, so that one problem is told once.
  hash_ = entry.hash.value_or(hash);
  hash_known_ = hash_known_ || entry.hash.has_value();
  seq_ = entry.seq;
  ++verdict_.rows_checked;
  compare_known(source);
}

// What was written down elsewhere about this position.
void Verification::compare_known(const Source& source) {
  if (const auto at = checkpoints_.find(seq_); at != checkpoints_.end()) {
    if (hash_known_ && at->second.what.hash != hash_)
      problem(source, seq_, "",
              "the chain is not the one that was signed: rows up to here were replaced");
    hash_ = at->second.what.hash;
    hash_known_ = true;
  }
  for (const AuditAnchor& anchor : check_.anchors)
    if (anchor.source == source.name && anchor.seq == seq_ && hash_known_ && anchor.hash != hash_)
      problem(source, seq_, "",
              "the chain is not the one that was seen before: rows up to here were replaced");
}

Done Verification::walk_archive(const Source& source) {
  if (source.name != audit_logs_source) return {};
  for (std::int64_t after = 0;;) {
    const auto rows = query_.rows(
        "SELECT k.first_seq, u.e ->> 0, u.e ->> 1, u.e ->> 2, u.e ->> 3, u.e ->> 4, u.e ->> 5,"
        " u.e ->> 6, u.e ->> 7, u.e ->> 8, u.e ->> 9, u.e ->> 10, u.e ->> 11, u.e ->> 12"
        " FROM engine.audit_archive k CROSS JOIN LATERAL jsonb_array_elements(k.entries)"
        " WITH ORDINALITY AS u (e, n)"
        " WHERE k.first_seq = (SELECT min(m.first_seq) FROM engine.audit_archive m"
        " WHERE m.first_seq > $1::bigint) ORDER BY u.n",
        {std::to_string(after)});
    if (!rows) return std::unexpected(rows.error());
    if (rows->empty()) return {};
    after = integer_of((*rows)[0][0]);
    for (const PgRow& row : *rows) {
      Entry entry{.seq = integer_of(row[1]),
                  .row_id = row[2].value_or(""),
                  .row_hash = digest_of(row[3]),
                  .previous_hash = std::nullopt,
                  .hash = std::nullopt,
                  .fields = std::nullopt};
      if (row[4]) entry.fields = std::span(row).subspan(4);
      take(source, entry);
      ++verdict_.rows_archived;
    }
    progress();
  }
}

Done Verification::walk_chain(const Source& source) {
  const std::string sql = fmt::format(
      "SELECT c.seq, c.row_id, encode(c.row_hash, 'hex'), encode(c.previous_hash, 'hex'),"
      " encode(c.hash, 'hex'), {} FROM engine.audit_chain c {} WHERE c.source = '{}'"
      " AND c.seq > $1::bigint ORDER BY c.seq LIMIT {}",
      source.fields, row_of(source, "c"), source.name, batch_rows);
  // Also what says to be where the archive already was.
  for (std::int64_t after = std::numeric_limits<std::int64_t>::min();;) {
    const auto rows = query_.rows(sql, {std::to_string(after)});
    if (!rows) return std::unexpected(rows.error());
    if (rows->empty()) return {};
    for (const PgRow& row : *rows) {
      Entry entry{.seq = integer_of(row[0]),
                  .row_id = row[1].value_or(""),
                  .row_hash = digest_of(row[2]),
                  .previous_hash = digest_of(row[3]),
                  .hash = digest_of(row[4]),
                  .fields = std::nullopt};
      if (row[5]) entry.fields = std::span(row).subspan(5);
      take(source, entry);
      after = entry.seq;
    }
    progress();
  }
}

void Verification::end(const Source& source) {
  if (head_seq_ > seq_) {
    problem(source, seq_ + 1, "",
            fmt::format("the chain's end is cut off: it ends at {}, its head says {}", seq_,
                        head_seq_));
  } else if (head_seq_ < seq_ || (hash_known_ && head_hash_ != hash_)) {
    problem(source, seq_, "", "the chain's end is not what its head says");
  }
  for (const auto& [seq, checkpoint] : checkpoints_)
    if (seq > seq_) problem(source, seq, "", "the chain ends before a position that was signed");
  for (const AuditAnchor& anchor : check_.anchors)
    if (anchor.source == source.name && anchor.seq > seq_)
      problem(source, anchor.seq, "", "the chain ends before a position that was seen before");
  verdict_.heads.push_back({.source = std::string(source.name), .seq = seq_, .hash = hash_});
}

Done Verification::find_doubles(const Source& source) {
  const auto rows = query_.rows(
      fmt::format("SELECT c.row_id, max(c.seq) FROM engine.audit_chain c WHERE c.source = $1"
                  " GROUP BY c.row_id HAVING count(*) > 1 LIMIT {}",
                  problems_listed_max),
      {std::string(source.name)});
  if (!rows) return std::unexpected(rows.error());
  for (const PgRow& row : *rows)
    problem(source, integer_of(row[1]), row[0].value_or(""),
            "the row was sealed twice: it was removed and written again");
  return {};
}

// What waits for the sealer has its hash already.
Done Verification::find_unsealed(const Source& source) {
  std::int64_t after = 0;
  for (;;) {
    const auto rows = query_.rows(
        fmt::format("SELECT q.id, q.row_id, encode(q.row_hash, 'hex'), {} FROM engine.audit_queue q"
                    " {} WHERE q.source = '{}' AND q.id > $1::bigint ORDER BY q.id LIMIT {}",
                    source.fields, row_of(source, "q"), source.name, batch_rows),
        {std::to_string(after)});
    if (!rows) return std::unexpected(rows.error());
    if (rows->empty()) return {};
    for (const PgRow& row : *rows) {
      after = integer_of(row[0]);
      ++verdict_.rows_unsealed;
      if (!row[3])
        problem(source, 0, row[1].value_or(""), "the row is missing: it was removed");
      else if (audit_row_hash(source.name, std::span(row).subspan(3)) != digest_of(row[2]))
        problem(source, 0, row[1].value_or(""), "the row was altered");
    }
  }
}

// Rows that never went through the queue, or whose seal was taken away.
Done Verification::find_strangers(const Source& source) {
  const auto rows = query_.rows(
      fmt::format("SELECT a.id FROM public.{0} a WHERE NOT EXISTS (SELECT FROM engine.audit_chain c"
                  " WHERE c.row_id = a.id AND c.source = '{0}') AND NOT EXISTS (SELECT FROM"
                  " engine.audit_queue q WHERE q.row_id = a.id AND q.source = '{0}') LIMIT {1}",
                  source.name, problems_listed_max));
  if (!rows) return std::unexpected(rows.error());
  for (const PgRow& row : *rows)
    problem(source, 0, row[0].value_or(""),
            "the row is not in the chain: it was inserted past it, or its seal was removed");
  return {};
}

}  // namespace

std::expected<AuditVerdict, std::string> verify_audit(const std::string& database_url,
                                                      const AuditCheck& check) {
  auto query = PgQuery::connect(database_url);
  if (!query) return std::unexpected(query.error());
  // Texts as they were hashed, whatever the role's own settings are; one snapshot for all of it.
  if (const auto set = query->run(
          "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET search_path = pg_catalog;"
          " SET bytea_output = 'hex'");
      !set)
    return std::unexpected(set.error());
  if (const auto begun = query->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); !begun)
    return std::unexpected(begun.error());
  return Verification(*query, check).run();
}

std::expected<std::vector<AuditAnchor>, std::string> parse_audit_anchors(std::string_view text) {
  std::vector<AuditAnchor> anchors;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string source, hex;
    std::int64_t seq = -1;
    words >> source >> seq >> hex;
    const auto hash = digest_of_hex(hex);
    if (words.fail() || seq < 0 || !hash ||
        std::ranges::find(sources, source, &Source::name) == sources.end())
      return std::unexpected(fmt::format(
          "line {}: expected \"audit_logs|security_events <position> <hash in hex>\"", number));
    anchors.push_back({.source = source, .seq = seq, .hash = *hash});
  }
  return anchors;
}

std::string audit_anchor_text(std::span<const AuditAnchor> anchors) {
  std::string text;
  for (const AuditAnchor& anchor : anchors)
    text += fmt::format("{} {} {}\n", anchor.source, anchor.seq, to_hex(anchor.hash));
  return text;
}

}  // namespace oneclick
