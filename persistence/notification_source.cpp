#include "persistence/notification_source.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

// Any number that no other lock of the schema has.
constexpr const char* lock_key = "7162009310025";

}  // namespace

std::expected<std::vector<PgRow>, NotificationSource::Error> NotificationSource::ask(
    const std::string& sql, const std::vector<std::optional<std::string>>& parameters) {
  auto rows = query_.rows(sql, parameters);
  if (!rows) return std::unexpected(Error{NotificationSourceError::unavailable, rows.error()});
  return std::move(*rows);
}

std::expected<NotificationSource, NotificationSource::Error> NotificationSource::open(
    const std::string& database_url, bool alone) {
  auto query = PgQuery::connect(database_url);
  if (!query) return std::unexpected(Error{NotificationSourceError::unavailable, query.error()});
  NotificationSource source(std::move(*query));
  if (!alone) return source;
  const auto locked = source.ask(fmt::format("SELECT pg_try_advisory_lock({})", lock_key));
  if (!locked) return std::unexpected(locked.error());
  if (locked->front().front() != "t")
    return std::unexpected(
        Error{NotificationSourceError::locked, "another notify is at work on this database"});
  return source;
}

std::expected<void, NotificationSource::Error> NotificationSource::follow(bool on) {
  const auto done = ask("SELECT engine.hook_follow($1::boolean)", {on ? "true" : "false"});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<std::vector<DueNotification>, NotificationSource::Error> NotificationSource::next(
    std::size_t most, const std::vector<std::string>& busy) {
  const auto rows = ask("SELECT id, attempts, body FROM engine.hook_next($1::integer, $2::uuid[])",
                        {std::to_string(most), fmt::format("{{{}}}", fmt::join(busy, ","))});
  if (!rows) return std::unexpected(rows.error());
  std::vector<DueNotification> due;
  for (const PgRow& row : *rows)
    due.push_back({.id = row[0].value_or(""),
                   .attempts = std::atoi(row[1].value_or("0").c_str()),
                   .body = row[2].value_or("")});
  return due;
}

std::expected<void, NotificationSource::Error> NotificationSource::settle(
    const std::vector<SettledNotification>& settled) {
  std::string json;
  for (const SettledNotification& s : settled) {
    json += fmt::format(R"({}{{"id":"{}")", json.empty() ? "" : ",", s.id);
    if (!s.error.empty()) json += fmt::format(R"(,"error":"{}")", json_escaped(s.error));
    if (!s.error.empty() && s.pause) json += fmt::format(R"(,"pause":{:.3f})", *s.pause);
    json += "}";
  }
  const auto done = ask("SELECT engine.hook_settle($1::jsonb)", {"[" + json + "]"});
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<void, NotificationSource::Error> NotificationSource::hasten() {
  const auto done = ask("SELECT engine.hook_hasten()");
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<std::int64_t, NotificationSource::Error> NotificationSource::retry_dead() {
  const auto done = ask("SELECT engine.hook_retry_dead()");
  if (!done) return std::unexpected(done.error());
  return std::strtoll(done->front().front().value_or("0").c_str(), nullptr, 10);
}

std::expected<NotificationCounts, NotificationSource::Error> NotificationSource::counts() {
  const auto rows = ask("SELECT pending, oldest_seconds, dead FROM engine.hook_counts()");
  if (!rows) return std::unexpected(rows.error());
  const PgRow& row = rows->front();
  return NotificationCounts{.pending = std::strtoll(row[0].value_or("0").c_str(), nullptr, 10),
                            .oldest_seconds = std::strtod(row[1].value_or("0").c_str(), nullptr),
                            .dead = std::strtoll(row[2].value_or("0").c_str(), nullptr, 10)};
}

}  // namespace oneclick
