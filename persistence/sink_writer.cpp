#include "persistence/sink_writer.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;
using HoldingKey = std::pair<PortfolioId, std::string>;
using Holdings = std::map<HoldingKey, PortfolioHolding>;

constexpr std::string_view unique_violation = "23505";
constexpr int direct_pause_batches = 100;

struct UuidHash {
  std::size_t operator()(const Uuid& u) const { return hash_of(u); }
};

// Arrays as PostgreSQL reads them: symbols hold neither quotes nor backslashes once quoted.
std::string array_text(const Holdings& holdings, bool portfolios) {
  std::string out = "{";
  for (const auto& [key, holding] : holdings) {
    if (out.size() > 1) out += ',';
    if (portfolios) {
      out += key.first.to_text();
      continue;
    }
    out += '"';
    for (const char c : key.second) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

Holdings touched_by(const std::vector<SinkFill>& fills) {
  Holdings holdings;
  for (const SinkFill& fill : fills) holdings.try_emplace({fill.portfolio, fill.symbol.str()});
  return holdings;
}

void put_position(CopyRows& rows, const HoldingKey& key, const PortfolioHolding& holding) {
  rows.begin_row(5);
  rows.uuid(key.first.value);
  rows.text(key.second);
  rows.numeric(holding.quantity);
  if (holding.has_average)
    rows.numeric(holding.average_buy_price);
  else
    rows.null();
  rows.time(holding.time_ns);
}

void put_book(CopyRows& rows, const HoldingKey& key, const UsdBook& book) {
  rows.begin_row(8);
  rows.uuid(key.first.value);
  rows.text(key.second);
  rows.numeric(book.cost);
  rows.boolean(book.is_cost_known);
  rows.numeric(book.spent);
  rows.numeric(book.realised);
  rows.numeric(book.fees);
  rows.int8(book.unvalued_fills);
}

Decimal decimal_or_zero(std::string_view text) {
  return Decimal::parse(text).value_or(Decimal{});
}

}  // namespace

SinkWriter::SinkWriter(std::unique_ptr<PgConnection> connection, const SinkIdentity& identity,
                       SinkCounters counters)
    : connection_(std::move(connection)), identity_(identity), counters_(counters) {}

std::expected<std::unique_ptr<SinkWriter>, PgError> SinkWriter::open(
    const std::string& database_url, const SinkIdentity& identity, SinkCounters counters,
    StopSignal& stop) {
  auto connection = PgConnection::open(
      database_url, {.application_name = fmt::format("oneclick sink {}", identity.shard)}, stop);
  if (!connection) return std::unexpected(connection.error());
  std::unique_ptr<SinkWriter> writer(new SinkWriter(std::move(*connection), identity, counters));
  if (auto prepared = writer->prepare(); !prepared) return std::unexpected(prepared.error());
  return writer;
}

std::expected<void, PgError> SinkWriter::prepare() {
  // What the engine itself writes is no news to it: see engine.log_changes().
  std::string sql = "SET oneclick.writer = 'engine';";
  for (int i = 0; i < SinkTable::count; ++i) {
    const SinkTable& table = sink_table(static_cast<SinkTable::Id>(i));
    sql += fmt::format("CREATE TEMPORARY TABLE {} {} ON COMMIT DELETE ROWS;", table.name,
                       table.create);
  }
  if (auto made = connection_->run(sql); !made) return std::unexpected(made.error());
  const Parameters who = {fmt::format("{}", identity_.shard), identity_.journal.to_text()};
  if (auto row = connection_->run("INSERT INTO engine.sink_offsets (shard, journal_id, position)"
                                  " VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
                                  who);
      !row)
    return std::unexpected(row.error());
  const auto row = connection_->run(
      "SELECT position FROM engine.sink_offsets WHERE shard = $1 AND journal_id = $2", who);
  if (!row) return std::unexpected(row.error());
  if (row->rows() != 1)
    return std::unexpected(
        PgError{.message = "engine.sink_offsets has no row", .sqlstate = "", .lost = true});
  committed_ = static_cast<JournalPosition>(row->integer(0, 0));
  return {};
}

std::expected<void, PgError> SinkWriter::write(std::span<const SinkRecord> records,
                                               JournalPosition upto) {
  auto written = write_once(records, upto);
  if (written || written.error().lost || !written.error().is_data() || records.empty())
    return written;
  if (records.size() == 1) return set_aside(records[0], written.error(), upto);
  // Something in there is refused: halve until it is found. Each half moves the offset itself.
  const std::size_t half = records.size() / 2;
  if (auto first = write(records.first(half), records[half - 1].position); !first) return first;
  return write(records.subspan(half), upto);
}

std::expected<void, PgError> SinkWriter::write_once(std::span<const SinkRecord> records,
                                                    JournalPosition upto) {
  if (auto begun = connection_->run("BEGIN"); !begun) return std::unexpected(begun.error());
  SinkRows rows = sink_rows(records);
  if (auto written = write_rows(rows); !written)
    return std::unexpected(roll_back(std::move(written.error())));
  if (auto done = commit_at(upto); !done)
    return std::unexpected(roll_back(std::move(done.error())));
  std::size_t count = 0;
  for (const CopyRows& table : rows.tables) count += table.rows();
  counters_.rows->add(count);
  committed_ = upto;
  return {};
}

std::expected<void, PgError> SinkWriter::write_rows(SinkRows& rows) {
  if (direct_pause_ > 0) --direct_pause_;
  for (int i = 0; i < SinkTable::positions; ++i) {
    const auto id = static_cast<SinkTable::Id>(i);
    if (rows.tables[id].empty()) continue;
    const auto direct = try_direct(rows, id);
    if (!direct) return std::unexpected(direct.error());
    if (*direct) continue;
    if (auto written = write_table(rows, id); !written) return written;
  }
  if (!rows.fills.empty())
    if (auto folded = fold_positions(rows); !folded) return folded;
  if (!rows.has_one_click) return {};
  // A one-click copy that came about is no longer wanted.
  const auto copied = connection_->run(
      "UPDATE public.signal_followers f SET follow_type = 'copied' FROM sink_copy_outcomes o"
      " JOIN engine.leader_events e ON e.id = o.event_id AND e.kind = 'one_click_copy'"
      " JOIN engine.copy_links l ON l.id = o.link_id WHERE o.outcome IN ('copied', 'clipped')"
      " AND f.signal_id = e.signal_id AND f.user_id = l.follower_user_id"
      " AND f.follow_type = 'copying'");
  if (!copied) return std::unexpected(copied.error());
  return {};
}

// Rows that come once go straight into their table, at the cost of a bare COPY. Where the database
// has some of them already, it takes none, and they go the other way.
std::expected<bool, PgError> SinkWriter::try_direct(SinkRows& rows, SinkTable::Id id) {
  const std::string target = sink_table(id).direct;
  // One-click copies are looked up in the temporary table.
  const bool looked_up = id == SinkTable::copy_outcomes && rows.has_one_click;
  if (target.empty() || looked_up || direct_pause_ > 0) return false;
  if (auto set = connection_->run("SAVEPOINT direct"); !set) return std::unexpected(set.error());
  const auto copied = connection_->copy_in(
      fmt::format("COPY {} FROM STDIN (FORMAT binary)", target), rows.tables[id].finish());
  if (copied) {
    if (auto kept = connection_->run("RELEASE SAVEPOINT direct"); !kept)
      return std::unexpected(kept.error());
    return true;
  }
  if (copied.error().sqlstate != unique_violation) return std::unexpected(copied.error());
  direct_pause_ = direct_pause_batches;
  if (auto undone = connection_->run("ROLLBACK TO SAVEPOINT direct; RELEASE SAVEPOINT direct");
      !undone)
    return std::unexpected(undone.error());
  return false;
}

std::expected<void, PgError> SinkWriter::write_table(SinkRows& rows, SinkTable::Id id) {
  if (auto copied = copy(rows, id); !copied) return copied;
  if (id == SinkTable::trade_history && !rows.fills.empty())
    if (auto dropped = drop_known_fills(rows); !dropped) return dropped;
  if (auto put = connection_->run(sink_table(id).upsert); !put) return std::unexpected(put.error());
  return {};
}

// A fill whose history row stands already has moved its position already.
std::expected<void, PgError> SinkWriter::drop_known_fills(SinkRows& rows) {
  const auto known = connection_->run(
      "SELECT h.id FROM public.trade_history h JOIN sink_trade_history s ON s.id = h.id"
      " WHERE s.status = 'fill'");
  if (!known) return std::unexpected(known.error());
  std::unordered_set<Uuid, UuidHash> ids;
  for (int i = 0; i < known->rows(); ++i)
    if (const auto id = Uuid::parse(known->text(i, 0))) ids.insert(*id);
  std::erase_if(rows.fills, [&](const SinkFill& f) { return ids.contains(f.history_id); });
  return {};
}

// Makes the positions that are not there, before any is locked, in the order of their keys. Most
// are: asking costs a fifth of trying to insert them.
std::expected<void, PgError> SinkWriter::make_positions(const PgParameters& keys) {
  const auto missing = connection_->run(
      "SELECT count(*) FROM unnest($1::uuid[], $2::text[]) AS k (p, s) WHERE NOT EXISTS"
      " (SELECT FROM public.portfolio_positions o WHERE o.portfolio_id = k.p"
      " AND o.asset_symbol = k.s)",
      keys);
  if (!missing) return std::unexpected(missing.error());
  if (missing->integer(0, 0) == 0) return {};
  const auto made = connection_->run(
      "INSERT INTO public.portfolio_positions (portfolio_id, asset_symbol, quantity, user_id)"
      " SELECT k.p, k.s, 0, f.user_id FROM unnest($1::uuid[], $2::text[]) AS k (p, s)"
      " LEFT JOIN public.portfolios f ON f.id = k.p ORDER BY k.p, k.s"
      " ON CONFLICT (portfolio_id, asset_symbol) DO NOTHING",
      keys);
  if (!made) return std::unexpected(made.error());
  return {};
}

// Reads the touched positions under lock, applies the fills in order, writes back.
std::expected<void, PgError> SinkWriter::fold_positions(SinkRows& rows) {
  Holdings holdings = touched_by(rows.fills);
  const Parameters keys = {array_text(holdings, true), array_text(holdings, false)};
  if (auto made = make_positions(keys); !made) return made;
  // Locked first and read then: a statement that had to wait for a row reads what is joined to it
  // as it was before.
  const std::string mine =
      " FROM public.portfolio_positions p JOIN unnest($1::uuid[], $2::text[])"
      " AS k (p, s) ON p.portfolio_id = k.p AND p.asset_symbol = k.s";
  if (auto locked = connection_->run(
          "SELECT" + mine + " ORDER BY p.portfolio_id, p.asset_symbol FOR UPDATE OF p", keys);
      !locked)
    return std::unexpected(locked.error());
  const auto held = connection_->run(
      "SELECT p.portfolio_id, p.asset_symbol, p.quantity, p.average_buy_price, b.cost_usd,"
      " b.spent_usd, b.realised_usd, b.fees_usd, b.cost_known, b.unvalued_fills" +
          mine +
          " LEFT JOIN engine.position_books b ON b.portfolio_id = k.p AND b.asset_symbol = k.s",
      keys);
  if (!held) return std::unexpected(held.error());
  for (int i = 0; i < held->rows(); ++i) {
    const auto portfolio = Uuid::parse(held->text(i, 0));
    if (!portfolio) continue;
    PortfolioHolding& holding = holdings[{PortfolioId{*portfolio}, std::string(held->text(i, 1))}];
    holding.quantity = decimal_or_zero(held->text(i, 2));
    holding.has_average = !held->is_null(i, 3);
    holding.average_buy_price = decimal_or_zero(held->text(i, 3));
    // Without a book: what is held already was bought before there were books.
    const bool has_book = !held->is_null(i, 4);
    holding.usd = {
        .cost = decimal_or_zero(held->text(i, 4)),
        .spent = decimal_or_zero(held->text(i, 5)),
        .realised = decimal_or_zero(held->text(i, 6)),
        .fees = decimal_or_zero(held->text(i, 7)),
        .is_cost_known = has_book ? held->text(i, 8) == "t" : !holding.quantity.is_positive(),
        .unvalued_fills = has_book ? held->integer(i, 9) : 0};
  }
  for (const SinkFill& fill : rows.fills)
    apply_fill(holdings[{fill.portfolio, fill.symbol.str()}], fill);
  for (const auto& [key, holding] : holdings) {
    put_position(rows.tables[SinkTable::positions], key, holding);
    put_book(rows.tables[SinkTable::position_books], key, holding.usd);
  }
  for (const auto id : {SinkTable::positions, SinkTable::position_books}) {
    if (auto copied = copy(rows, id); !copied) return copied;
    if (auto put = connection_->run(sink_table(id).upsert); !put)
      return std::unexpected(put.error());
  }
  return {};
}

std::expected<void, PgError> SinkWriter::copy(SinkRows& rows, SinkTable::Id id) {
  return connection_->copy_in(
      fmt::format("COPY {} FROM STDIN (FORMAT binary)", sink_table(id).name),
      rows.tables[id].finish());
}

// The offset is moved from where we know it to be: should another sink have moved it, or the
// database be an older one than before, this batch must not be committed.
std::expected<void, PgError> SinkWriter::commit_at(JournalPosition upto) {
  const auto moved = connection_->run(
      "UPDATE engine.sink_offsets SET position = $3, updated_at = now()"
      " WHERE shard = $1 AND journal_id = $2 AND position = $4",
      Parameters{fmt::format("{}", identity_.shard), identity_.journal.to_text(),
                 fmt::format("{}", upto), fmt::format("{}", committed_)});
  if (!moved) return std::unexpected(moved.error());
  if (moved->affected() != 1)
    return std::unexpected(
        PgError{.message = "the offset was moved by someone else", .sqlstate = "", .lost = true});
  if (auto done = connection_->run("COMMIT"); !done) return std::unexpected(done.error());
  return {};
}

std::expected<void, PgError> SinkWriter::set_aside(const SinkRecord& record, const PgError& why,
                                                   JournalPosition upto) {
  if (auto begun = connection_->run("BEGIN"); !begun) return std::unexpected(begun.error());
  const auto put = connection_->run(
      "INSERT INTO engine.sink_rejects (shard, journal_id, position, record_kind, sqlstate, reason,"
      " record) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)"
      " ON CONFLICT (shard, journal_id, position) DO NOTHING",
      Parameters{fmt::format("{}", identity_.shard), identity_.journal.to_text(),
                 fmt::format("{}", record.position),
                 std::string(record_kind_text(record.record.kind)), why.sqlstate, why.message,
                 reject_json(record.record)});
  if (!put) return std::unexpected(roll_back(put.error()));
  if (auto done = commit_at(upto); !done)
    return std::unexpected(roll_back(std::move(done.error())));
  committed_ = upto;
  counters_.rejects->add();
  log_error("a record was refused by the database and set aside",
            {{"shard", identity_.shard},
             {"position", record.position},
             {"kind", record_kind_text(record.record.kind)},
             {"sqlstate", why.sqlstate},
             {"reason", why.message}});
  return {};
}

PgError SinkWriter::roll_back(PgError why) {
  if (why.lost) return why;
  if (auto undone = connection_->run("ROLLBACK"); !undone) why.lost = true;
  return why;
}

}  // namespace oneclick
