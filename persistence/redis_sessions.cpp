// The thread that keeps login sessions in Redis as they are in PostgreSQL. Whatever a change is, it
// reads the row as it now is and writes that, so doing the same twice is doing it once. How far the
// change log was followed stands in Redis, put there together with the sessions: a Redis that was
// emptied has no such mark and gets everything anew.
#include <algorithm>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "persistence/redis_link.hpp"
#include "persistence/redis_session_rows.hpp"

namespace oneclick {

namespace {

using Problem = std::string;
using Done = std::expected<void, Problem>;

constexpr std::int64_t poll_ns = 250'000'000;             // also without a notification
constexpr std::int64_t mark_interval_ns = 1'000'000'000;  // the mark moves without sessions too
constexpr std::int64_t retry_ns_min = 100'000'000, retry_ns_max = 2'000'000'000;
constexpr int page_rows = 1'000;
constexpr const char* mark_key = "oneclick:sessions:state";
constexpr const char* revoked_channel = "oneclick:sessions:revoked";
constexpr const char* id_prefix = "oneclick:session-id:";

std::string session_key(std::string_view token_hash) {
  return fmt::format("oneclick:session:{}", token_hash);
}
std::string id_key(std::string_view id) {
  return fmt::format("{}{}", id_prefix, id);
}
// Two sessions may have the same token: only the one that is there may take it away.
bool belongs_to(const std::string& payload, const std::string& id) {
  return payload.starts_with("{\"id\": \"" + id + "\"");
}

class Sessions final : public RedisSessions {
 public:
  Sessions(RedisSessionsOptions options, Metrics& metrics);
  ~Sessions() override {
    stop_.give();
    thread_.join();
  }

 private:
  void run();
  // Until something breaks or we stop.
  [[nodiscard]] Done work();
  [[nodiscard]] Done open_database();
  [[nodiscard]] Done resume();
  [[nodiscard]] Done project_all();
  [[nodiscard]] Done put_all();
  [[nodiscard]] Done remove_stale();
  // Changes since the last call, into Redis. A revocation during project_all() passes it here.
  [[nodiscard]] Done follow();
  [[nodiscard]] Done apply(const Ids& ids, const Ids& users);
  [[nodiscard]] Done write(const std::vector<SessionRow>& rows, const Ids& gone);
  // What Redis has under these ids: the token's hash, "" where nothing.
  [[nodiscard]] std::expected<std::vector<std::string>, Problem> stored_hashes(const Ids& ids);
  [[nodiscard]] Done commit(std::vector<RedisCommand> commands);
  [[nodiscard]] std::string next_mark() const;

  const std::string database_url_;
  StopSignal stop_;
  RedisLink redis_;
  Gauge& lag_;
  Counter& put_total_;
  Counter& removed_total_;
  Counter& whole_total_;
  std::unique_ptr<PgConnection> database_;
  SessionChanges changes_;
  std::string history_;
  std::optional<std::string> mark_;  // as it stands in Redis
  bool is_complete_ = false;         // Redis has all sessions, but for changes still to follow
  bool start_over_ = false;
  std::int64_t followed_ns_ = steady_now_ns(), marked_ns_ = 0;
  std::string last_problem_;
  std::thread thread_;
};

Sessions::Sessions(RedisSessionsOptions options, Metrics& metrics)
    : database_url_(std::move(options.database_url)),
      redis_(std::move(options.address), "sessions", metrics, stop_),
      lag_(metrics.gauge("redis_sessions_lag_seconds",
                         "Time since Redis last had every session as PostgreSQL had it.")),
      put_total_(metrics.counter("redis_sessions_put_total", "Sessions written to Redis.")),
      removed_total_(
          metrics.counter("redis_sessions_removed_total", "Sessions taken out of Redis.")),
      whole_total_(metrics.counter("redis_sessions_whole_total",
                                   "Times that all sessions were written anew.")),
      thread_([this] { run(); }) {}

void Sessions::run() {
  std::int64_t retry = retry_ns_min;
  while (!stop_.given()) {
    lag_.set(static_cast<double>(steady_now_ns() - followed_ns_) * 1e-9);
    if (!database_) {
      if (const auto opened = open_database(); !opened) {
        if (opened.error() != last_problem_ && !stop_.given())
          log_warning("sessions cannot be read for Redis; those it has stay until they expire",
                      {{"problem", opened.error()}});
        last_problem_ = opened.error();
        stop_.wait(retry);
        retry = std::min(retry * 2, retry_ns_max);
        continue;
      }
      last_problem_.clear();
      retry = retry_ns_min;
    }
    if (!redis_.open()) continue;
    if (const auto worked = work(); !worked && !stop_.given() && database_)
      redis_.give_up(worked.error());
  }
}

Done Sessions::open_database() {
  auto opened = PgConnection::open(database_url_, {.application_name = "oneclick redis"}, stop_);
  if (!opened) return std::unexpected(opened.error().message);
  if (auto listening = (*opened)->run("LISTEN oneclick_changes"); !listening)
    return std::unexpected(listening.error().message);
  auto history = read_history_name(**opened);
  if (!history) return std::unexpected(history.error().message);
  history_ = std::move(*history);
  database_ = std::move(*opened);
  return {};
}

Done Sessions::work() {
  if (auto done = resume(); !done) return done;
  while (!stop_.given()) {
    if (!is_complete_ || start_over_)
      if (auto done = project_all(); !done) return done;
    if (auto done = follow(); !done) return done;
    if (start_over_) continue;
    redis_.worked();
    lag_.set(0);
    followed_ns_ = steady_now_ns();
    if (!database_->wait_notified(poll_ns)) {
      database_.reset();
      return {};
    }
  }
  return {};
}

std::string Sessions::next_mark() const {
  return fmt::format("{} {} {}", is_complete_ ? "complete" : "partial", history_,
                     changes_.cursor());
}

// Goes on where the mark in Redis says, if it is of this database.
Done Sessions::resume() {
  is_complete_ = start_over_ = false;
  const auto reply = redis_.run(RedisCommand{"GET", mark_key});
  if (!reply) return std::unexpected(reply.error());
  mark_.reset();
  if (!reply->is_nil()) mark_ = reply->text;
  const std::string wanted = fmt::format("complete {} ", history_);
  if (!mark_ || !mark_->starts_with(wanted)) return {};
  changes_.begin(std::strtoull(mark_->c_str() + wanted.size(), nullptr, 10));
  is_complete_ = true;
  return {};
}

Done Sessions::project_all() {
  whole_total_.add();
  is_complete_ = start_over_ = false;
  if (auto begun = changes_.begin_now(*database_); !begun) {
    database_.reset();
    return std::unexpected(begun.error().message);
  }
  const std::int64_t begun_ns = steady_now_ns();
  const std::uint64_t before = put_total_.value();
  if (auto done = commit({}); !done || start_over_) return done;
  if (auto done = remove_stale(); !done || start_over_) return done;
  if (auto done = put_all(); !done || start_over_) return done;
  is_complete_ = true;
  if (auto done = commit({}); !done || start_over_) return done;
  log_info("all sessions are in Redis",
           {{"sessions", put_total_.value() - before},
            {"seconds", (steady_now_ns() - begun_ns) / 1'000'000'000}});
  return {};
}

Done Sessions::put_all() {
  for (std::string after; !stop_.given() && !start_over_;) {
    const auto page = read_session_page(*database_, after, page_rows);
    if (!page) {
      database_.reset();
      return std::unexpected(page.error().message);
    }
    if (page->empty()) return {};
    after = page->back().id;
    if (auto done = write(*page, {}); !done) return done;
    if (auto done = follow(); !done) return done;
  }
  return {};
}

// Before the others are put: what was revoked while nobody looked goes first.
Done Sessions::remove_stale() {
  std::string cursor = "0";
  do {
    const auto found = redis_.run(RedisCommand{
        "SCAN", cursor, "MATCH", std::string(id_prefix) + "*", "COUNT", std::to_string(page_rows)});
    if (!found) return std::unexpected(found.error());
    if (found->items.size() != 2) return std::unexpected("SCAN was answered with something else");
    cursor = found->items[0].text;
    Ids ids;
    for (const RedisReply& key : found->items[1].items) {
      const std::string id = key.text.substr(std::string_view(id_prefix).size());
      if (Uuid::parse(id)) ids.push_back(id);
    }
    if (!ids.empty())
      if (auto done = apply(ids, {}); !done) return done;
    if (auto done = follow(); !done) return done;
  } while (cursor != "0" && !stop_.given() && !start_over_);
  return {};
}

Done Sessions::follow() {
  const auto changes = changes_.read(*database_);
  if (!changes) {
    database_.reset();
    return std::unexpected(changes.error().message);
  }
  if (changes->is_whole_unknown) {
    start_over_ = true;
    return {};
  }
  if (!changes->sessions.empty() || !changes->users.empty())
    if (auto done = apply(changes->sessions, changes->users); !done) return done;
  changes_.taken();
  // Also tells whether Redis was emptied under an open connection.
  if (steady_now_ns() - marked_ns_ < mark_interval_ns) return {};
  return commit({});
}

Done Sessions::apply(const Ids& ids, const Ids& users) {
  const auto rows = read_sessions(*database_, ids, users);
  if (!rows) {
    database_.reset();
    return std::unexpected(rows.error().message);
  }
  std::set<std::string> gone(ids.begin(), ids.end());
  std::vector<SessionRow> holding;
  for (const SessionRow& row : *rows) {
    if (row.holds) {
      gone.erase(row.id);
      holding.push_back(row);
    } else {
      gone.insert(row.id);
    }
  }
  return write(holding, {gone.begin(), gone.end()});
}

std::expected<std::vector<std::string>, Problem> Sessions::stored_hashes(const Ids& ids) {
  RedisCommand ask{"MGET"};
  for (const std::string& id : ids) ask.push_back(id_key(id));
  const auto reply = redis_.run(ask);
  if (!reply) return std::unexpected(reply.error());
  std::vector<std::string> out;
  for (const RedisReply& item : reply->items) out.push_back(item.text);
  out.resize(ids.size());
  return out;
}

Done Sessions::write(const std::vector<SessionRow>& rows, const Ids& gone) {
  Ids ids = gone;
  for (const SessionRow& row : rows) ids.push_back(row.id);
  if (ids.empty()) return {};
  const auto hashes = stored_hashes(ids);
  if (!hashes) return std::unexpected(hashes.error());
  RedisCommand ask{"MGET"};
  for (const std::string& hash : *hashes) ask.push_back(session_key(hash));
  const auto payloads = redis_.run(ask);
  if (!payloads) return std::unexpected(payloads.error());
  std::vector<RedisCommand> commands;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string& hash = (*hashes)[i];
    if (hash.empty()) continue;
    const bool is_gone = i < gone.size();
    const bool is_moved = !is_gone && rows[i - gone.size()].token_hash != hash;
    if ((is_gone || is_moved) && i < payloads->items.size() &&
        belongs_to(payloads->items[i].text, ids[i]))
      commands.push_back({"DEL", session_key(hash)});
    if (!is_gone) continue;
    commands.push_back({"DEL", id_key(ids[i])});
    commands.push_back({"PUBLISH", revoked_channel, ids[i]});
    removed_total_.add();
  }
  for (const SessionRow& row : rows) {
    const std::string ends = std::to_string(row.expires_ms);
    commands.push_back({"SET", session_key(row.token_hash), row.payload});
    commands.push_back({"PEXPIREAT", session_key(row.token_hash), ends});
    commands.push_back({"SET", id_key(row.id), row.token_hash});
    commands.push_back({"PEXPIREAT", id_key(row.id), ends});
  }
  put_total_.add(rows.size());
  return commands.empty() ? Done{} : commit(std::move(commands));
}

Done Sessions::commit(std::vector<RedisCommand> commands) {
  const std::string next = next_mark();
  const auto done = redis_.commit(mark_key, mark_, std::move(commands), next);
  if (!done) return std::unexpected(done.error());
  if (!*done) return std::unexpected("the mark of its sessions is gone or was changed by another");
  mark_ = next;
  marked_ns_ = steady_now_ns();
  return {};
}

}  // namespace

std::unique_ptr<RedisSessions> RedisSessions::start(RedisSessionsOptions options,
                                                    Metrics& metrics) {
  return std::make_unique<Sessions>(std::move(options), metrics);
}

}  // namespace oneclick
