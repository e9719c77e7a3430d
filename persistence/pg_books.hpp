// The books as the database has them, read back with plain SQL: for comparing them with an
// exchange's own ledger. Knows nothing of how they were written.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <vector>

#include "engine/base/decimal.hpp"

namespace oneclick {

struct BookOrder {
  std::string id;         // trades.id
  std::string account;    // trades.exchange_id
  std::string portfolio;  // trades.portfolio_id
  std::string symbol;
  std::string side;
  std::string status;
  std::string venue_order_id;  // empty: the venue never named one
  Decimal quantity;
  Decimal filled_quantity;
};

struct BookFill {
  std::string order;  // trades.id
  std::string venue_trade_id;
  Decimal quantity;
  Decimal price;
};

struct BookPosition {
  std::string portfolio;
  std::string symbol;
  Decimal quantity;
};

// A follower account with exactly one link, to a leader, whose every outcome is `copied`.
struct CleanLink {
  std::string account;
  std::string leader_account;
  Decimal percentage;
};

struct LatencyFigures {
  double p50_us = 0, p99_us = 0, max_us = 0;
};

struct Books {
  std::vector<BookOrder> orders;
  std::vector<BookFill> fills;
  std::vector<BookPosition> positions;
  std::vector<CleanLink> clean_links;
  std::map<std::string, Decimal> lot_steps;  // by symbol
  std::int64_t leader_events = 0;
  std::int64_t links_matched = 0;
  std::int64_t outcome_rows = 0;
  std::int64_t events_with_other_count = 0;  // links_matched differs from the event's outcome rows
  std::int64_t copied_without_fill = 0;      // copied or clipped, no filled trade behind it
  std::map<std::string, std::int64_t> outcomes;  // "copied", "skipped(no_position)", ...
  std::int64_t trade_rows = 0;
  std::int64_t trade_history_rows = 0;
  std::int64_t sink_rejects = 0;
  LatencyFigures fanout_first, fanout_last;  // over events with at least one order
};

// Of these exchange accounts (user_exchanges.id) and what belongs to them.
[[nodiscard]] std::expected<Books, std::string> read_books(
    const std::string& database_url, const std::vector<std::string>& accounts);

}  // namespace oneclick
