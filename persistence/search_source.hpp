// What a search server has to be told, read from the database: everything once, then what changed.
// A batch that was told is forgotten; one that was not is given again. One reader at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "persistence/pg_query.hpp"

namespace oneclick {

struct SearchDocument {
  std::string kind;  // users, channels, posts, signals
  std::string id;
  std::string version;   // grows with each reading
  std::string document;  // JSON object; empty: the row is not to be found (any more)
};

struct SearchBatch {
  std::vector<SearchDocument> documents;  // each (kind, id) once
  std::vector<std::string> changes;       // notes that it settles
  std::string filled_to;                  // while everything is told: the last id; else empty
};

struct SearchReject {
  std::string kind;
  std::string id;
  int status;
  std::string reason;
};

enum class SearchSourceError : std::uint8_t { none = 0, unavailable, locked };

class SearchSource {
 public:
  struct Error {
    SearchSourceError kind;
    std::string text;
  };
  // Waits for nobody: locked when another reader is there.
  [[nodiscard]] static std::expected<SearchSource, Error> open(const std::string& database_url);
  // Begins to follow, unless that was begun before; `anew`: tells everything again.
  [[nodiscard]] std::expected<void, Error> follow(bool anew);
  // Ends following: changes are not noted any more.
  [[nodiscard]] std::expected<void, Error> forget();
  // At most so many documents; none when everything was told.
  [[nodiscard]] std::expected<SearchBatch, Error> next(std::size_t most);
  // The server has them, or refused some for what they say.
  [[nodiscard]] std::expected<void, Error> told(const SearchBatch& batch,
                                                const std::vector<SearchReject>& rejects);

 private:
  explicit SearchSource(PgQuery query) : query_(std::move(query)) {}
  [[nodiscard]] std::expected<SearchBatch, Error> next_filling(const std::string& kind,
                                                               const std::optional<std::string>& to,
                                                               std::size_t most);
  [[nodiscard]] std::expected<SearchBatch, Error> next_changes(std::size_t most);
  [[nodiscard]] std::expected<void, Error> read(SearchBatch& batch, const std::string& kind,
                                                const std::vector<std::string>& ids);

  PgQuery query_;
};

}  // namespace oneclick
