#include "persistence/search_source.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

namespace oneclick {

namespace {

constexpr std::array kinds = {"users", "channels", "posts", "signals"};
// Any number that no other lock of the schema has.
constexpr const char* lock_key = "7162009310024";

SearchSource::Error unavailable(std::string text) {
  return {SearchSourceError::unavailable, std::move(text)};
}

std::string array_text(const std::vector<std::string>& ids) {
  return fmt::format("{{{}}}", fmt::join(ids, ","));
}

// Locks that others hold are waited for a while, again and again: the tables stay free meanwhile.
std::expected<void, SearchSource::Error> follow_when_free(PgQuery& query, bool on) {
  std::string problem;
  for (int tries = 0; tries < 30; ++tries) {
    const auto done = query.run(fmt::format(
        "SET lock_timeout = '2s'; SELECT engine.search_follow({})", on ? "true" : "false"));
    if (done) return {};
    problem = done.error();
    if (problem.find("lock timeout") == std::string::npos) break;
  }
  return std::unexpected(unavailable(problem));
}

}  // namespace

std::expected<SearchSource, SearchSource::Error> SearchSource::open(
    const std::string& database_url) {
  auto query = PgQuery::connect(database_url);
  if (!query) return std::unexpected(unavailable(query.error()));
  const auto locked = query->rows(fmt::format("SELECT pg_try_advisory_lock({})", lock_key));
  if (!locked) return std::unexpected(unavailable(locked.error()));
  if (locked->front().front() != "t")
    return std::unexpected(
        Error{SearchSourceError::locked, "another search-index is at work on this database"});
  return SearchSource(std::move(*query));
}

std::expected<void, SearchSource::Error> SearchSource::follow(bool anew) {
  const auto state = query_.rows("SELECT following FROM engine.search_state");
  if (!state) return std::unexpected(unavailable(state.error()));
  if (!anew && state->front().front() == "t") return {};
  return follow_when_free(query_, true);
}

std::expected<void, SearchSource::Error> SearchSource::forget() {
  return follow_when_free(query_, false);
}

std::expected<void, SearchSource::Error> SearchSource::read(SearchBatch& batch,
                                                            const std::string& kind,
                                                            const std::vector<std::string>& ids) {
  const auto rows =
      query_.rows("SELECT * FROM engine.search_documents($1, $2::uuid[])", {kind, array_text(ids)});
  if (!rows) return std::unexpected(unavailable(rows.error()));
  for (const PgRow& row : *rows)
    batch.documents.push_back({.kind = kind,
                               .id = row[0].value_or(""),
                               .version = row[1].value_or(""),
                               .document = row[2].value_or("")});
  return {};
}

std::expected<SearchBatch, SearchSource::Error> SearchSource::next_filling(
    const std::string& kind, const std::optional<std::string>& to, std::size_t most) {
  const auto rows = query_.rows("SELECT engine.search_ids($1, $2::uuid, $3::integer)",
                                {kind, to, std::to_string(most)});
  if (!rows) return std::unexpected(unavailable(rows.error()));
  SearchBatch batch;
  std::vector<std::string> ids;
  for (const PgRow& row : *rows) ids.push_back(row.front().value_or(""));
  if (ids.empty()) return batch;
  batch.filled_to = ids.back();
  if (auto done = read(batch, kind, ids); !done) return std::unexpected(done.error());
  return batch;
}

std::expected<SearchBatch, SearchSource::Error> SearchSource::next_changes(std::size_t most) {
  const auto rows = query_.rows(
      "SELECT id, kind, row_id FROM engine.search_changes ORDER BY id LIMIT $1::integer",
      {std::to_string(most)});
  if (!rows) return std::unexpected(unavailable(rows.error()));
  SearchBatch batch;
  std::map<std::string, std::set<std::string>> changed;
  for (const PgRow& row : *rows) {
    batch.changes.push_back(row[0].value_or(""));
    changed[row[1].value_or("")].insert(row[2].value_or(""));
  }
  // Read after the notes were: what they stand for is in it.
  for (const auto& [kind, ids] : changed)
    if (auto done = read(batch, kind, {ids.begin(), ids.end()}); !done)
      return std::unexpected(done.error());
  return batch;
}

std::expected<SearchBatch, SearchSource::Error> SearchSource::next(std::size_t most) {
  while (true) {
    const auto state = query_.rows("SELECT filling, filled_to FROM engine.search_state");
    if (!state) return std::unexpected(unavailable(state.error()));
    const auto& filling = state->front()[0];
    if (!filling) return next_changes(most);
    auto batch = next_filling(*filling, state->front()[1], most);
    if (!batch || !batch->documents.empty()) return batch;
    const auto* const at = std::find(kinds.begin(), kinds.end(), *filling);
    const bool last = at == kinds.end() || at + 1 == kinds.end();
    const std::optional<std::string> after =
        last ? std::nullopt : std::optional<std::string>(at[1]);
    if (const auto moved = query_.rows(
            "UPDATE engine.search_state SET filling = $1, filled_to = NULL RETURNING 1", {after});
        !moved)
      return std::unexpected(unavailable(moved.error()));
  }
}

std::expected<void, SearchSource::Error> SearchSource::told(
    const SearchBatch& batch, const std::vector<SearchReject>& rejects) {
  constexpr std::size_t reason_max = 500;
  for (const SearchReject& r : rejects)
    if (const auto kept =
            query_.rows("INSERT INTO engine.search_rejects (kind, row_id, status, reason)"
                        " VALUES ($1, $2::uuid, $3::integer, $4)",
                        {r.kind, r.id, std::to_string(r.status), r.reason.substr(0, reason_max)});
        !kept)
      return std::unexpected(unavailable(kept.error()));
  const auto moved = query_.rows(
      "WITH settled AS (DELETE FROM engine.search_changes WHERE id = ANY($1::bigint[]))"
      " UPDATE engine.search_state SET told = told + $2::bigint,"
      " filled_to = coalesce($3::uuid, filled_to) RETURNING 1",
      {array_text(batch.changes), std::to_string(batch.documents.size()),
       batch.filled_to.empty() ? std::nullopt : std::optional<std::string>(batch.filled_to)});
  if (!moved) return std::unexpected(unavailable(moved.error()));
  return {};
}

}  // namespace oneclick
