// Records of a stretch of journal as rows, one COPY stream per table. Pure: no database, no
// journal.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/domain/record.hpp"
#include "persistence/journal.hpp"
#include "persistence/pg_rows.hpp"

namespace oneclick {

struct SinkRecord {
  JournalPosition position;
  Record record;
};

// One temporary table of the sink's session and what becomes of its rows, in the order in which the
// tables are written: an order's row before its history (foreign key), leader events and orders
// before outcomes, which followers are told of with what stands in these.
struct SinkTable {
  enum Id : std::uint8_t {
    leader_events,
    event_touches,
    signals,
    trades,
    trade_history,
    copy_outcomes,
    external_fills,
    instruments,
    kill_switches,
    link_halts,
    quarantines,
    usd_rates,
    limit_halts,
    positions,
    position_books,
    count
  };
  const char* name;    // of the temporary table
  const char* create;  // its columns
  const char* upsert;  // temporary -> real
  // Of rows that come once and are never changed: where they go without the temporary table. Empty:
  // these are other rows.
  const char* direct = "";
};
[[nodiscard]] const SinkTable& sink_table(SinkTable::Id id);

struct SinkFill {
  Uuid history_id;
  PortfolioId portfolio;
  Symbol symbol;
  Side side;
  Decimal quantity;
  Decimal price;
  Decimal base_fee;
  Decimal fee;        // in whatever it was paid
  Decimal quote_usd;  // USD per unit of quote and of the fee's asset; zero: not known
  Decimal fee_usd;
  std::int64_t time_ns;
};

struct SinkRows {
  std::array<CopyRows, SinkTable::count> tables;  // positions and books: filled later
  std::vector<SinkFill> fills;                    // in journal order, each once
  bool has_one_click = false;                     // one-click copies may have come about
};
// Of one order, the last record makes the trades row and each one a history row; of one leader
// event, instrument or switch there is one row, the leader event's with the sum of links_matched.
[[nodiscard]] SinkRows sink_rows(std::span<const SinkRecord> records);

// A row of engine.position_books.
struct UsdBook {
  Decimal cost;  // of what is held, fees included
  Decimal spent;
  Decimal realised;
  Decimal fees;
  bool is_cost_known;
  std::int64_t unvalued_fills;
};
// What a portfolio holds of one symbol, before and after fills in order.
struct PortfolioHolding {
  Decimal quantity;
  Decimal average_buy_price;
  bool has_average;
  std::int64_t time_ns;
  UsdBook usd;
};
// A buy adds its quantity less the fee taken in the base asset and weighs the average price; a sell
// takes quantity away and leaves the average; a holding that comes to nothing starts over. In USD
// (engine.book_fill_usd in the database does the same): a buy costs its fees too, a sell takes its
// part of the cost away and realises what it brought, less its fees, over that. What was sold
// without having been bought here has no known cost and makes no profit.
void apply_fill(PortfolioHolding& holding, const SinkFill& fill);

// For engine.sink_rejects: what the record is about, and all its bytes.
[[nodiscard]] std::string reject_json(const Record& record);
[[nodiscard]] std::string_view record_kind_text(RecordKind kind);

}  // namespace oneclick
