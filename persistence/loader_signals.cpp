#include "persistence/loader_signals.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "engine/domain/identity.hpp"
#include "persistence/loader_fields.hpp"

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;
using Changes = std::map<std::string, SignalChange>;  // by row; the latest, inserted if any was

constexpr std::int64_t ns_per_us = 1'000;
constexpr std::string_view statuses_allowed = "active, closed, cancelled, expired";
// A signal is published once and closed once.
constexpr std::int64_t only_version = 0;

// Columns of trading_signals t, from column 0 on; signal_columns of them.
constexpr const char* signal_sql =
    "t.id, t.channel_id, t.creator_id, t.signal_type, t.asset_symbol, t.entry_price, t.stop_loss,"
    " t.take_profit, t.quantity_suggestion, t.status,"
    " (extract(epoch FROM t.created_at) * 1000000)::bigint,"
    " (extract(epoch FROM t.closed_at) * 1000000)::bigint";
constexpr int signal_columns = 12;
enum Column {
  id,
  channel,
  creator,
  type,
  symbol,
  price,
  stop,
  target,
  quantity,
  status,
  created,
  closed
};

std::optional<SignalType> signal_type_from_text(std::string_view text) {
  if (text == "buy") return SignalType::buy;
  if (text == "sell") return SignalType::sell;
  if (text == "hold") return SignalType::hold;
  return std::nullopt;
}

bool is_over(std::string_view status_text) {
  return status_text == "closed" || status_text == "cancelled" || status_text == "expired";
}

LeaderEvent decode_signal(RowFields& f, std::int64_t received_ns) {
  LeaderEvent e{};
  e.source = EventSource::database;
  e.signal = SignalId{f.uuid(id)};
  e.channel = ChannelId{f.uuid(channel)};
  e.leader = UserId{f.required_uuid(creator, "creator_id")};
  e.signal_type =
      f.word(type, "signal_type", signal_type_from_text, SignalType::none, "buy, sell, hold");
  e.side = e.signal_type == SignalType::sell ? Side::sell : Side::buy;
  e.symbol = f.symbol(symbol, "asset_symbol");
  e.price = f.amount(price, "entry_price");
  e.stop_loss = f.amount(stop, "stop_loss");
  e.take_profit = f.amount(target, "take_profit");
  e.quantity = f.amount(quantity, "quantity_suggestion");
  e.event_time_ns = f.integer(created) * ns_per_us;
  e.received_ns = received_ns;
  const std::string_view s = f.text(status);
  if (s != "active" && !is_over(s)) f.refuse("status", s.empty() ? "NULL" : s, statuses_allowed);
  return e;
}

Changes by_row(const std::vector<SignalChange>& changes) {
  Changes out;
  for (const SignalChange& c : changes) {
    const auto [at, fresh] = out.try_emplace(c.row, c);
    if (fresh) continue;
    const bool inserted = at->second.inserted || c.inserted;
    if (c.change > at->second.change) at->second = c;
    at->second.inserted = inserted;
  }
  return out;
}

Ids rows_of(const Changes& changes) {
  Ids out;
  for (const auto& [row, change] : changes) out.push_back(row);
  return out;
}

class EventsReader {
 public:
  EventsReader(PgConnection& connection, std::int64_t received_ns)
      : connection_(connection), received_ns_(received_ns) {}

  std::expected<void, PgError> read_updates(const Changes& changes);
  std::expected<void, PgError> read_signals(const Changes& changes);
  std::expected<void, PgError> read_followers(const Changes& changes);
  RowsRead<LeaderEvent> finish() {
    std::ranges::stable_sort(out_.rows, {}, [](const LeaderEvent& e) { return order_of(e.kind); });
    return std::move(out_);
  }

 private:
  static int order_of(LeaderEventKind kind) {
    switch (kind) {
      case LeaderEventKind::fill:
      case LeaderEventKind::risk_close:
      case LeaderEventKind::order_placed:
      case LeaderEventKind::order_amended:
      case LeaderEventKind::order_cancelled:
      case LeaderEventKind::sync:
      case LeaderEventKind::stop_close:
      case LeaderEventKind::signal_published:
        return 0;
      case LeaderEventKind::one_click_copy:
        return 1;
      case LeaderEventKind::signal_updated:
        return 2;
      case LeaderEventKind::signal_closed:
        return 3;
    }
    return 4;
  }
  void add(LeaderEvent e, LeaderEventKind kind, std::int64_t version, std::int64_t time_us) {
    e.kind = kind;
    e.id = signal_event_id(e.signal, kind, version);
    if (time_us != 0) e.event_time_ns = time_us * ns_per_us;
    out_.rows.push_back(e);
  }
  void refuse(std::string_view table, std::string_view row, const RowFields& f) {
    out_.invalid.push_back({std::string(table), std::string(row), f.problem()});
  }
  void add_update(RowFields& f, const SignalChange& change, LeaderEvent e);

  PgConnection& connection_;
  std::int64_t received_ns_;
  RowsRead<LeaderEvent> out_;
  std::set<std::string, std::less<>> updated_;  // signals whose update has a row of its own
};

void EventsReader::add_update(RowFields& f, const SignalChange& change, LeaderEvent e) {
  const std::string_view kind = f.text(signal_columns + 1);
  constexpr int new_value = signal_columns + 2;
  const std::int64_t time_us =
      f.is_null(signal_columns + 3) ? change.changed_us : f.integer(signal_columns + 3);
  if (kind == "reasoning") return;
  if (kind == "status") {
    const std::string_view value = f.text(new_value);
    if (is_over(value))
      add(e, LeaderEventKind::signal_closed, only_version, time_us);
    else if (value != "active")
      f.refuse("new_value", value.empty() ? "NULL" : value, statuses_allowed);
    return;
  }
  if (kind == "stop_loss")
    e.stop_loss = f.amount(new_value, "new_value");
  else if (kind == "take_profit" || kind == "price_target")
    e.take_profit = f.amount(new_value, "new_value");
  else
    f.refuse("update_type", "NULL", "price_target, stop_loss, take_profit, status, reasoning");
  if (!f.valid()) return;
  updated_.insert(e.signal.to_text());
  add(e, LeaderEventKind::signal_updated,
      static_cast<std::int64_t>(hash_of(uuid_of(change.row)) >> 1), time_us);
}

std::expected<void, PgError> EventsReader::read_updates(const Changes& changes) {
  if (changes.empty()) return {};
  const auto answer = connection_.run(
      fmt::format(
          "SELECT {}, u.id, u.update_type, u.new_value,"
          " (extract(epoch FROM u.created_at) * 1000000)::bigint"
          " FROM public.signal_updates u JOIN public.trading_signals t ON t.id = u.signal_id"
          " WHERE u.id = ANY($1::uuid[]) ORDER BY u.created_at, u.id",
          signal_sql),
      Parameters{uuid_array(rows_of(changes))});
  if (!answer) return std::unexpected(answer.error());
  for (int i = 0; i < answer->rows(); ++i) {
    RowFields f(*answer, i);
    const LeaderEvent e = decode_signal(f, received_ns_);
    const auto change = changes.find(std::string(f.text(signal_columns)));
    if (f.valid() && change != changes.end()) add_update(f, change->second, e);
    if (!f.valid()) refuse("signal_updates", f.text(signal_columns), f);
  }
  return {};
}

std::expected<void, PgError> EventsReader::read_signals(const Changes& changes) {
  if (changes.empty()) return {};
  const auto answer = connection_.run(
      fmt::format("SELECT {} FROM public.trading_signals t WHERE t.id = ANY($1::uuid[])"
                  " ORDER BY t.created_at, t.id",
                  signal_sql),
      Parameters{uuid_array(rows_of(changes))});
  if (!answer) return std::unexpected(answer.error());
  for (int i = 0; i < answer->rows(); ++i) {
    RowFields f(*answer, i);
    const LeaderEvent e = decode_signal(f, received_ns_);
    const auto change = changes.find(std::string(f.text(id)));
    if (!f.valid() || change == changes.end()) {
      refuse("trading_signals", f.text(id), f);
      continue;
    }
    const SignalChange& c = change->second;
    if (is_over(f.text(status)))
      add(e, LeaderEventKind::signal_closed, only_version,
          f.is_null(closed) ? c.changed_us : f.integer(closed));
    else if (c.inserted)
      add(e, LeaderEventKind::signal_published, only_version,
          f.is_null(created) ? c.changed_us : 0);
    else if (!updated_.contains(e.signal.to_text()))
      add(e, LeaderEventKind::signal_updated, c.change, c.changed_us);
  }
  return {};
}

std::expected<void, PgError> EventsReader::read_followers(const Changes& changes) {
  Ids signals, users;
  for (const auto& [row, change] : changes) {
    const auto bar = row.find('|');
    if (bar == std::string::npos) continue;
    const std::string signal = row.substr(0, bar), user = row.substr(bar + 1);
    if (!Uuid::parse(signal) || !Uuid::parse(user)) continue;
    signals.push_back(signal);
    users.push_back(user);
  }
  if (signals.empty()) return {};
  const auto answer =
      connection_.run(fmt::format("SELECT {}, f.user_id, f.copy_amount, f.copy_percentage"
                                  " FROM unnest($1::uuid[], $2::uuid[]) AS k (signal_id, user_id)"
                                  " JOIN public.signal_followers f USING (signal_id, user_id)"
                                  " JOIN public.trading_signals t ON t.id = f.signal_id"
                                  " WHERE f.follow_type = 'copying'",
                                  signal_sql),
                      Parameters{uuid_array(signals), uuid_array(users)});
  if (!answer) return std::unexpected(answer.error());
  for (int i = 0; i < answer->rows(); ++i) {
    RowFields f(*answer, i);
    LeaderEvent e = decode_signal(f, received_ns_);
    const std::string row = fmt::format("{}|{}", f.text(id), f.text(signal_columns));
    const auto change = changes.find(row);
    if (is_over(f.text(status)))
      f.refuse("signal_id", fmt::format("a signal that is {}", f.text(status)), "an active signal");
    e.kind = LeaderEventKind::one_click_copy;
    e.target = UserId{f.uuid(signal_columns)};
    e.id = copy_event_id(e.signal, e.target);
    e.copy_amount = f.amount(signal_columns + 1, "copy_amount");
    const Decimal percentage = f.amount(signal_columns + 2, "copy_percentage");
    e.percentage_e2 = static_cast<std::int32_t>(percentage.e8() / 1'000'000);
    if (change != changes.end()) e.event_time_ns = change->second.changed_us * ns_per_us;
    if (f.valid())
      out_.rows.push_back(e);
    else
      refuse("signal_followers", row, f);
  }
  return {};
}

}  // namespace

ReadResult<LeaderEvent> read_signal_events(PgConnection& connection, const SignalChanges& changes,
                                           std::int64_t received_ns) {
  EventsReader reader(connection, received_ns);
  if (auto done = reader.read_updates(by_row(changes.updates)); !done)
    return std::unexpected(done.error());
  if (auto done = reader.read_signals(by_row(changes.signals)); !done)
    return std::unexpected(done.error());
  if (auto done = reader.read_followers(by_row(changes.followers)); !done)
    return std::unexpected(done.error());
  return reader.finish();
}

}  // namespace oneclick
