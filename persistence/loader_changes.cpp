#include "persistence/loader_changes.hpp"

#include <charconv>

#include <fmt/format.h>

#include "engine/base/clock.hpp"

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;

constexpr const char* reader_name = "oneclick";
constexpr std::int64_t save_age_ns = 5'000'000'000;
constexpr std::int64_t purge_interval_ns = 60'000'000'000;

// xid8 is unsigned and does not fit bigint.
std::uint64_t xid_of(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_signal_table(std::string_view table) {
  return table == "trading_signals" || table == "signal_updates" || table == "signal_followers";
}

void add_signal(SignalChanges& signals, std::string_view table, SignalChange change) {
  if (table == "trading_signals")
    signals.signals.push_back(std::move(change));
  else if (table == "signal_updates")
    signals.updates.push_back(std::move(change));
  else
    signals.followers.push_back(std::move(change));
}

void add_state(ChangeSet& set, std::string_view table, const std::string& row) {
  if (table == "users")
    set.users.insert(row);
  else if (table == "api_keys")
    set.api_keys.insert(row);
  else if (table == "user_exchanges")
    set.accounts.insert(row);
  else if (table == "subscriptions")
    set.subscribers.insert(row.substr(0, row.find('|')));
  else if (table == "premium_channels")
    set.channels.insert(row);
  else if (table == "copy_links")
    set.links.insert(row);
  else if (table == "leader_feeds")
    set.feeds.insert(row);
  else if (table == "kill_switches")
    set.switches.insert(row);
  else if (table == "quarantines")
    set.quarantines.insert(row.substr(0, row.find('|')));
  else if (table == "risk_limits")
    set.limits.insert(row);
  else if (table == "symbol_map")
    set.symbol_map = true;
}

}  // namespace

std::expected<void, PgError> ChangeFollower::open(PgConnection& connection) {
  if (auto made = connection.run("INSERT INTO engine.change_cursors (reader, xid) VALUES ($1, '0')"
                                 " ON CONFLICT (reader) DO NOTHING",
                                 Parameters{reader_name});
      !made)
    return std::unexpected(made.error());
  const auto row = connection.run("SELECT xid FROM engine.change_cursors WHERE reader = $1",
                                  Parameters{reader_name});
  if (!row) return std::unexpected(row.error());
  cursor_ = saved_ = row->rows() == 1 ? xid_of(row->text(0, 0)) : 0;
  seen_.clear();
  points_.clear();
  had_rows_ = false;
  return {};
}

std::expected<ChangeSet, PgError> ChangeFollower::read(PgConnection& connection) {
  const auto rows = connection.run(
      "SELECT s.xmin, c.id, c.xid, c.table_name, c.row_id, c.op,"
      " (extract(epoch FROM c.created_at) * 1000000)::bigint"
      " FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin) s"
      " LEFT JOIN engine.change_log c ON c.xid >= $1::xid8 ORDER BY c.id",
      Parameters{fmt::format("{}", cursor_)});
  if (!rows) return std::unexpected(rows.error());
  ChangeSet set;
  reading_.clear();
  reading_to_ = std::max(cursor_, xid_of(rows->text(0, 0)));
  for (int i = 0; i < rows->rows(); ++i) {
    if (rows->is_null(i, 1)) continue;
    const Seen row{.id = rows->integer(i, 1), .xid = xid_of(rows->text(i, 2))};
    reading_.insert(row);
    if (seen_.contains(row)) continue;
    const std::string_view table = rows->text(i, 3), op = rows->text(i, 5);
    const std::string name(rows->text(i, 4));
    ++set.count;
    if (is_signal_table(table)) {
      if (op == "insert" || op == "update")
        add_signal(set.signals, table,
                   {.row = name,
                    .inserted = op == "insert",
                    .change = row.id,
                    .changed_us = rows->integer(i, 6)});
    } else if (op == "truncate") {
      if (row.xid < state_from_) continue;
      set.truncated = true;
      seen_.insert(row);  // what the caller reads now, wholly, is after it
    } else if (row.xid >= state_from_) {
      add_state(set, table, name);
    }
  }
  return set;
}

void ChangeFollower::taken() {
  had_rows_ = had_rows_ || !reading_.empty();
  cursor_ = reading_to_;
  seen_ = std::move(reading_);
  std::erase_if(seen_, [&](const Seen& row) { return row.xid < cursor_; });
  reading_.clear();
}

std::expected<void, PgError> ChangeFollower::save(PgConnection& connection, std::int64_t now_ns) {
  if (had_rows_ && (points_.empty() || points_.back().time_ns + save_age_ns / 10 <= now_ns)) {
    points_.push_back({now_ns, cursor_});
    had_rows_ = false;
  }
  if (!points_.empty() && points_.front().time_ns + save_age_ns <= now_ns) {
    std::uint64_t to = saved_;
    while (!points_.empty() && points_.front().time_ns + save_age_ns <= now_ns) {
      to = points_.front().xid;
      points_.pop_front();
    }
    if (auto put = connection.run("UPDATE engine.change_cursors SET xid = $2::xid8,"
                                  " updated_at = now() WHERE reader = $1",
                                  Parameters{reader_name, fmt::format("{}", to)});
        !put)
      return std::unexpected(put.error());
    saved_ = to;
  }
  if (purged_ns_ + purge_interval_ns > now_ns) return {};
  purged_ns_ = now_ns;
  const auto purged = connection.run(
      "DELETE FROM engine.change_log WHERE xid <"
      " (SELECT xid FROM engine.change_cursors ORDER BY xid LIMIT 1)");
  if (!purged) return std::unexpected(purged.error());
  return {};
}

}  // namespace oneclick
