// Compares what an exchange's ledger says with what the database says. Run as a process of its own,
// it sees nothing but the ledger's file and SQL.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "persistence/pg_books.hpp"

namespace oneclick {

struct LedgerOrder {
  std::string order_id, client_order_id, account, symbol, side, status;
  Decimal quantity;
  Decimal executed_quantity;
};

struct LedgerFill {
  std::string trade_id, order_id, client_order_id, account, symbol, side, commission_asset;
  Decimal quantity, price, commission;
};

struct Ledger {
  std::vector<std::string> accounts;
  std::vector<LedgerOrder> orders;
  std::vector<LedgerFill> fills;
};

// The paper exchange's dump (see connectors/paper).
[[nodiscard]] std::expected<Ledger, std::string> read_ledger(const std::string& path);

struct Comparison {
  std::int64_t ledger_orders = 0;  // of the engine
  std::int64_t ledger_fills = 0;
  double tracking_error_lots_max = 0;
  std::int64_t tracked_links = 0;
  std::vector<std::string> disagreements;  // the first hundred, in words
  std::int64_t disagreement_count = 0;
  [[nodiscard]] bool agree() const { return disagreement_count == 0; }
};

[[nodiscard]] Comparison compare_books(const Ledger& ledger, const Books& books);

// "{...}" with the figures of both, as the demo's --json has them.
[[nodiscard]] std::string books_json(const Books& books, const Comparison& comparison);

}  // namespace oneclick
