// Notifications that have to be carried out of the database, and what became of them. One that was
// taken is forgotten; one that was not is given again. One reader at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "persistence/pg_query.hpp"

namespace oneclick {

struct DueNotification {
  std::string id;
  int attempts;  // made before
  std::string body;
};

struct SettledNotification {
  std::string id;
  std::string error;            // empty: taken
  std::optional<double> pause;  // seconds to the next attempt; none: given up
};

struct NotificationCounts {
  std::int64_t pending = 0;
  double oldest_seconds = 0;
  std::int64_t dead = 0;
};

enum class NotificationSourceError : std::uint8_t { unavailable, locked };

class NotificationSource {
 public:
  struct Error {
    NotificationSourceError kind;
    std::string text;
  };
  // Not alone: for what may be done while another reads. Else waits for nobody: locked when another
  // reader is there.
  [[nodiscard]] static std::expected<NotificationSource, Error> open(
      const std::string& database_url, bool alone);
  // Begins to queue what is written, unless that was begun before; or ends it.
  [[nodiscard]] std::expected<void, Error> follow(bool on);
  // At most so many that are due, without those that are under way.
  [[nodiscard]] std::expected<std::vector<DueNotification>, Error> next(
      std::size_t most, const std::vector<std::string>& busy);
  [[nodiscard]] std::expected<void, Error> settle(const std::vector<SettledNotification>& settled);
  // What waits for its next attempt is due soon.
  [[nodiscard]] std::expected<void, Error> hasten();
  [[nodiscard]] std::expected<std::int64_t, Error> retry_dead();
  [[nodiscard]] std::expected<NotificationCounts, Error> counts();

 private:
  explicit NotificationSource(PgQuery query) : query_(std::move(query)) {}
  [[nodiscard]] std::expected<std::vector<PgRow>, Error> ask(
      const std::string& sql, const std::vector<std::optional<std::string>>& parameters = {});
  PgQuery query_;
};

}  // namespace oneclick
