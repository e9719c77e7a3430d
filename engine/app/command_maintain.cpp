// `oneclick maintain`: what the database needs from time to time.
#include <fmt/format.h>

#include "engine/app/audit_report.hpp"
#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/json_text.hpp"
#include "engine/base/uuid.hpp"
#include "persistence/audit.hpp"
#include "persistence/erasure.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"
#include "persistence/retention.hpp"

namespace oneclick {

namespace {

// A line on stderr each time so many rows more are done.
constexpr std::int64_t progress_rows = 50'000;

std::function<void(std::string_view, std::int64_t)> tell_progress() {
  return [step = std::string(), told = std::int64_t{0}](std::string_view now,
                                                        std::int64_t rows) mutable {
    if (now != step) {
      step = now;
      told = 0;
    }
    // Days of roll-ups are few and slow.
    if (now != "roll_ups" && rows < told + progress_rows) return;
    told = rows;
    fmt::print(stderr, "oneclick: {}: {} {} done\n", now, rows,
               now == "roll_ups" ? "days" : "rows");
  };
}

struct AuditKept {
  std::int64_t sealed = 0;
  bool is_signed = false;
  std::string error;
};

// Seals what no daemon has sealed, and signs where the chains stand.
AuditKept keep_audit(const std::string& url, const std::vector<MasterKey>& keys) {
  AuditKept kept;
  const auto sealed = seal_audit(url);
  if (!sealed) {
    kept.error = sealed.error();
    return kept;
  }
  kept.sealed = *sealed;
  if (keys.empty()) return kept;
  if (const auto done = sign_audit_heads(url, keys); !done)
    kept.error = done.error();
  else
    kept.is_signed = true;
  return kept;
}

std::string_view verb(const RetentionStep& step, bool dry_run) {
  if (step.name == "roll_ups") return dry_run ? "days to do" : "days done";
  if (step.name == "subscriptions" || step.name == "trading_signals")
    return dry_run ? "would expire" : "expired";
  if (step.name == "profit_shares") return dry_run ? "would be accrued" : "accrued";
  if (step.name == "audit_logs") return dry_run ? "rows would move" : "rows moved";
  return dry_run ? "rows would go" : "rows removed";
}

void print_step(const RetentionStep& step, bool dry_run) {
  std::string line = fmt::format("{}: {} {}", step.name, step.rows, verb(step, dry_run));
  if (!step.cutoff.empty()) line += fmt::format(", of before {} UTC", step.cutoff);
  if (!step.oldest.empty()) line += fmt::format(", oldest {}", step.oldest);
  if (!step.note.empty()) line += fmt::format(" ({})", step.note);
  if (!step.error.empty()) line += fmt::format("; FAILED: {}", step.error);
  print_line(line);
}

std::string json_or_null(const std::string& text) {
  return text.empty() ? "null" : json_text(text);
}

std::string json_of(const RetentionStep& step) {
  return JsonObject()
      .text("name", step.name)
      .number("rows", step.rows)
      .raw("cutoff", json_or_null(step.cutoff))
      .raw("oldest", json_or_null(step.oldest))
      .raw("note", json_or_null(step.note))
      .raw("error", json_or_null(step.error))
      .str();
}

void print_report(const RetentionResult& result, const AuditKept& audit,
                  const MaintainArguments& arguments) {
  if (!arguments.json) {
    for (const RetentionStep& step : result.steps) print_step(step, arguments.dry_run);
    if (!arguments.dry_run)
      print_line(fmt::format(
          "audit: {} rows sealed, {}", audit.sealed,
          audit.is_signed ? "the chains' ends are signed" : "not signed: no master key"));
    return;
  }
  JsonList steps;
  for (const RetentionStep& step : result.steps) steps.raw(json_of(step));
  JsonObject out;
  out.boolean("dry_run", arguments.dry_run).raw("steps", steps.str());
  if (!arguments.dry_run)
    out.number("audit_rows_sealed", audit.sealed).boolean("audit_signed", audit.is_signed);
  print_line(out.str());
}

int run_job(const MaintainArguments& arguments, const RetentionPeriods& periods,
            const std::vector<MasterKey>& keys) {
  const auto result = run_retention(arguments.database_url, {.periods = periods,
                                                             .keys = keys,
                                                             .dry_run = arguments.dry_run,
                                                             .on_progress = tell_progress()});
  if (!result) return fail(exit_codes::failure, "database: " + result.error());
  if (result->busy)
    return fail(exit_codes::locked, "maintenance of this database is running already");
  AuditKept audit;
  if (!arguments.dry_run) audit = keep_audit(arguments.database_url, keys);
  print_report(*result, audit, arguments);
  int code = exit_codes::fine;
  if (!audit.error.empty()) code = fail(exit_codes::failure, "audit: " + audit.error);
  for (const RetentionStep& step : result->steps)
    if (!step.error.empty()) code = fail(exit_codes::failure, step.name + ": " + step.error);
  return code;
}

void print_erasure(const ErasureResult& result, const MaintainArguments& arguments) {
  JsonList steps, hindered;
  std::int64_t rows = 0;
  for (const ErasureStep& s : result.steps) {
    rows += s.rows;
    if (arguments.json)
      steps.raw(JsonObject()
                    .text("table", s.table)
                    .text("rows_are", s.is_removed ? "removed" : "changed")
                    .number("rows", s.rows)
                    .str());
    else if (s.rows != 0)
      print_line(fmt::format("{}: {} rows {}{}", s.table, s.rows,
                             arguments.dry_run ? "would be " : "",
                             s.is_removed ? "removed" : "changed"));
  }
  for (const std::string& why : result.hindered) hindered.text(why);
  if (arguments.json)
    print_line(JsonObject()
                   .text("user_id", arguments.erase_user)
                   .boolean("dry_run", arguments.dry_run)
                   .boolean("erased", result.hindered.empty() && !arguments.dry_run)
                   .raw("hindered_by", hindered.str())
                   .raw("steps", steps.str())
                   .str());
  else if (result.hindered.empty() && rows == 0)
    print_line("nothing is left to erase");
}

int erase(const MaintainArguments& arguments, const std::vector<MasterKey>& keys) {
  const auto id = Uuid::parse(arguments.erase_user);
  if (!id)
    return fail(exit_codes::usage, fmt::format("--erase-user = {}: allowed: a UUID, as in users.id",
                                               arguments.erase_user));
  const auto result =
      erase_user(arguments.database_url,
                 {.user_id = id->to_text(), .keys = keys, .dry_run = arguments.dry_run});
  if (!result) return fail(exit_codes::failure, "database: " + result.error());
  if (!result->is_known)
    return fail(exit_codes::failure,
                fmt::format("--erase-user = {}: there is no such user", arguments.erase_user));
  print_erasure(*result, arguments);
  for (const std::string& why : result->hindered)
    fail(exit_codes::failure, fmt::format("user {} is not erased: {}", arguments.erase_user, why));
  return result->hindered.empty() ? exit_codes::fine : exit_codes::failure;
}

}  // namespace

int command_maintain(const MaintainArguments& arguments) {
  if (arguments.verify_audit)
    return report_audit({.database_url = arguments.database_url,
                         .master_key_file = arguments.master_key_file,
                         .anchor_file = arguments.audit_anchor,
                         .json = arguments.json});
  const auto periods = load_retention(arguments.config_file, arguments.overrides);
  if (!periods) {
    for (const std::string& error : periods.error()) fail(exit_codes::config, error);
    return exit_codes::config;
  }
  std::vector<MasterKey> keys;
  if (!arguments.master_key_file.empty()) {
    auto read = read_master_keys(arguments.master_key_file);
    if (!read) return fail(exit_codes::config, read.error());
    keys = std::move(*read);
  }
  if (const auto connection = PgQuery::connect(arguments.database_url); !connection)
    return fail(exit_codes::unavailable, "database: " + connection.error());
  return arguments.erase_user.empty() ? run_job(arguments, *periods, keys) : erase(arguments, keys);
}

}  // namespace oneclick
