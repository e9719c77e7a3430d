// What goes after its time (schema/README.md, "Retention"): one job, a bounded number of rows per
// transaction, right to be killed anywhere and run again. One at a time per database. For tools; it
// never touches trades, their history, or what the audit chain still has to prove.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/crypto.hpp"

namespace oneclick {

struct RetentionPeriods {
  std::int64_t market_data_years = 5;  // then aggregates only
  std::int64_t user_sessions_days = 30;
  std::int64_t audit_logs_years = 7;  // then in the archive, compressed
  std::int64_t system_logs_days = 90;
  std::int64_t notifications_days = 365;
  std::int64_t batch_rows = 5'000;  // per transaction
};
// The law's: a shorter period is refused.
inline constexpr std::int64_t audit_logs_years_min = 7;

struct RetentionStep {
  std::string name;         // subscriptions, signals, roll_ups, or a table
  std::string cutoff = {};  // UTC; what is older goes. Empty: another rule
  std::string oldest = {};  // UTC, of what goes (dry run) ; empty: nothing, or not asked
  std::int64_t rows = 0;
  std::string note = {};   // what to know about it; empty: nothing
  std::string error = {};  // empty: done
};

struct RetentionOptions {
  RetentionPeriods periods;
  std::vector<MasterKey> keys;  // sign where the audit chain is cut; none: nothing is archived
  bool dry_run = false;         // only says what would go, in one read-only transaction
  // After a batch: the step, and its rows so far.
  std::function<void(std::string_view step, std::int64_t rows)> on_progress = {};
};
struct RetentionResult {
  bool busy = false;  // another run holds the lock; nothing was done
  std::vector<RetentionStep> steps;
};
// A step that fails is told and the others go on. Error: the database did not answer.
[[nodiscard]] std::expected<RetentionResult, std::string> run_retention(
    const std::string& database_url, const RetentionOptions& options);

}  // namespace oneclick
