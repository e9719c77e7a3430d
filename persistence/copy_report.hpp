// What copying cost a follower, as engine.copy_report() and engine.copy_costs_of() tell it (see
// schema/README.md, "Copy report"), read in one snapshot. For reports, never near an order.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/decimal.hpp"

namespace oneclick {

inline constexpr std::size_t copy_cost_parts = 7;
// In the order of the columns: from the leader's fill to the follower's, then the rest.
inline constexpr const char* copy_cost_names[copy_cost_parts] = {
    "lead_to_ingest", "ingest_to_wire", "wire_to_ack", "ack_to_fill", "fees", "rounding", "missed"};
inline constexpr std::size_t copy_stages = 4;  // the first of them take time

struct CopyCostLine {
  std::string quote;
  std::string leader, channel, symbol;  // empty: all of the quote
  std::int64_t copies, copied, clipped, carried, skipped, failed;
  std::int64_t incomplete;  // some figure of it is not known
  std::string notional;     // of what was wanted; exact, like all that follows
  std::string cost[copy_cost_parts], total;
  std::string bps[copy_cost_parts], total_bps;
  std::string median_ms[copy_stages];  // empty: not known
};
struct CopyCostDay {
  std::string day, quote;  // YYYY-MM-DD, UTC
  double total, notional;  // to draw
};
struct CopyCostPoint {
  std::string quote;
  double bps;
};
struct CopyMiss {
  std::string quote, reason;
  std::int64_t copies;
  std::string missed;
};
struct CopyReport {
  std::string user, from, to, leader;  // as asked; empty: no limit
  std::string read_at;                 // UTC
  std::vector<CopyCostLine> lines;     // of each quote first its sum
  std::vector<CopyMiss> misses;        // the dearest first
  std::vector<CopyCostDay> days;
  std::vector<CopyCostPoint> points;  // of copies that filled, the newest 10,000
};

struct CopyReportQuestion {
  std::string user;      // users.id
  std::string from, to;  // times as PostgreSQL reads them, UTC; empty: no limit
  std::string leader;    // users.id; empty: all
};
// nullopt: there is no such user (or leader).
[[nodiscard]] std::expected<std::optional<CopyReport>, std::string> read_copy_report(
    const std::string& database_url, const CopyReportQuestion& question);

}  // namespace oneclick
