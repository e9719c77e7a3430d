#include "persistence/retention.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "persistence/audit.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

using Count = std::expected<std::int64_t, std::string>;

constexpr std::string_view utc_now = "now() AT TIME ZONE 'UTC'";
// Rows of audit_logs per row of the archive.
constexpr int archive_rows = 1'000;

std::int64_t integer_of(const std::optional<std::string>& field) {
  std::int64_t value = 0;
  if (field) std::from_chars(field->data(), field->data() + field->size(), value);
  return value;
}

std::string time_text(std::string_view expression) {
  return fmt::format("to_char({}, 'YYYY-MM-DD HH24:MI:SS')", expression);
}

// One run of the job. Each step is a member; what a step means is in the SQL functions it calls.
class Retention {
 public:
  Retention(PgQuery& query, const std::string& url, const RetentionOptions& options)
      : query_(query), url_(url), options_(options), periods_(options.periods) {}

  std::vector<RetentionStep> run() {
    expire("subscriptions", "expire_subscriptions", "end_date",
           "status IN ('active', 'pending', 'suspended')");
    expire("trading_signals", "expire_signals", "expires_at", "status = 'active'");
    profit_shares();
    const bool rolled_up = roll_up();
    if (rolled_up || options_.dry_run) {
      remove("user_sessions", fmt::format("days => {}", periods_.user_sessions_days));
    } else {
      add({.name = "user_sessions", .error = "not cleaned up: roll-ups, which need them, failed"});
    }
    remove("notifications", fmt::format("days => {}", periods_.notifications_days));
    remove("system_logs", fmt::format("days => {}", periods_.system_logs_days));
    remove("change_log", "");
    market_data();
    audit();
    return std::move(steps_);
  }

 private:
  void expire(const std::string& table, const std::string& function, const std::string& ends,
              const std::string& lives);
  void profit_shares();
  bool roll_up();
  void remove(const std::string& table, const std::string& age);
  void market_data();
  void audit();
  void archive(RetentionStep& step);
  void tell_slow_reader(RetentionStep& step);
  void add(RetentionStep step) { steps_.push_back(std::move(step)); }

  // Calls `sql`, which does one batch and says how many rows, until nothing is left to do.
  void repeat(RetentionStep& step, const std::string& sql,
              const std::vector<std::optional<std::string>>& parameters = {});
  // Rows and the oldest one's time into the step.
  void look(RetentionStep& step, const std::string& sql,
            const std::vector<std::optional<std::string>>& parameters = {});
  std::optional<std::string> one(RetentionStep& step, const std::string& sql);

  PgQuery& query_;
  const std::string& url_;
  const RetentionOptions& options_;
  const RetentionPeriods& periods_;
  std::vector<RetentionStep> steps_;
};

std::optional<std::string> Retention::one(RetentionStep& step, const std::string& sql) {
  const auto rows = query_.rows(sql);
  if (rows && !rows->empty()) return (*rows)[0][0];
  if (!rows) step.error = rows.error();
  return std::nullopt;
}

void Retention::repeat(RetentionStep& step, const std::string& sql,
                       const std::vector<std::optional<std::string>>& parameters) {
  for (;;) {
    const auto rows = query_.rows(sql, parameters);
    if (!rows) {
      step.error = rows.error();
      return;
    }
    const std::int64_t done = integer_of((*rows)[0][0]);
    if (done == 0) return;
    step.rows += done;
    if (options_.on_progress) options_.on_progress(step.name, step.rows);
  }
}

void Retention::look(RetentionStep& step, const std::string& sql,
                     const std::vector<std::optional<std::string>>& parameters) {
  const auto rows = query_.rows(sql, parameters);
  if (!rows) {
    step.error = rows.error();
    // The transaction is of no use any more; the other steps want one.
    static_cast<void>(query_.run("ROLLBACK; BEGIN TRANSACTION READ ONLY"));
    return;
  }
  step.rows = integer_of((*rows)[0][0]);
  step.oldest = (*rows)[0][1].value_or("");
}

void Retention::expire(const std::string& table, const std::string& function,
                       const std::string& ends, const std::string& lives) {
  RetentionStep step{.name = table};
  step.cutoff = one(step, fmt::format("SELECT {}", time_text(utc_now))).value_or("");
  if (options_.dry_run) {
    look(step, fmt::format("SELECT count(*), {} FROM public.{} WHERE {} AND {} <= {}",
                           time_text(fmt::format("min({})", ends)), table, lives, ends, utc_now));
  } else {
    repeat(step, fmt::format("SELECT engine.{}(batch => {})", function, periods_.batch_rows));
  }
  add(std::move(step));
}

// Up to some minutes ago, so that what was traded and priced until then is there. Rows are
// agreements.
void Retention::profit_shares() {
  RetentionStep step{.name = "profit_shares"};
  step.cutoff = one(step,
                    "SELECT to_char((now() - interval '5 minutes') AT TIME ZONE 'UTC',"
                    " 'YYYY-MM-DD HH24:MI:SS')")
                    .value_or("");
  const std::string upto = step.cutoff + "+00";
  if (options_.dry_run) {
    look(step,
         "SELECT count(*), " + time_text("min(since) AT TIME ZONE 'UTC'") +
             " FROM engine.due_profit_shares($1::timestamptz)",
         {upto});
    return add(std::move(step));
  }
  const auto began = one(step, "SELECT clock_timestamp()");
  if (step.error.empty())
    repeat(step, "SELECT engine.accrue_profit_shares($1::timestamptz, $2::timestamptz)",
           {began, upto});
  if (!step.error.empty()) return add(std::move(step));
  const auto held = one(step,
                        "SELECT count(*) FROM engine.profit_share_terms WHERE held_back IS NOT"
                        " NULL");
  if (integer_of(held) != 0)
    step.note = *held + " wait: engine.profit_share_terms.held_back says for what";
  add(std::move(step));
}

// Before sessions go: what they said about a day is in the roll-ups then. Rows are days.
bool Retention::roll_up() {
  RetentionStep step{.name = "roll_ups"};
  const auto days = query_.rows(
      "SELECT to_char(d, 'YYYY-MM-DD') FROM generate_series(engine.roll_up_from()::timestamp,"
      " (now() AT TIME ZONE 'UTC')::date, '1 day') AS d ORDER BY d");
  if (!days) step.error = days.error();
  if (days && !days->empty()) step.oldest = (*days)[0][0].value_or("");
  for (std::size_t i = 0; days && i < days->size(); ++i) {
    if (!options_.dry_run) {
      // The last one with what follows from all days.
      const std::string day = (*days)[i][0].value_or("");
      const auto done =
          query_.run(i + 1 == days->size() ? fmt::format("CALL engine.roll_up('{0}', '{0}')", day)
                                           : fmt::format("SELECT engine.roll_up_day('{}')", day));
      if (!done) {
        step.error = fmt::format("{}: {}", day, done.error());
        break;
      }
      if (options_.on_progress) options_.on_progress(step.name, step.rows + 1);
    }
    ++step.rows;
  }
  const bool fine = step.error.empty();
  add(std::move(step));
  return fine;
}

void Retention::remove(const std::string& table, const std::string& age) {
  RetentionStep step{.name = table};
  std::optional<std::string> cutoff;
  if (!age.empty()) {
    cutoff = one(step, fmt::format("SELECT {}",
                                   time_text(fmt::format("{} - make_interval({})", utc_now, age))));
    step.cutoff = cutoff.value_or("");
  }
  if (options_.dry_run) {
    look(step,
         fmt::format("SELECT due, {} FROM engine.retention_due($1, $2::timestamp)",
                     time_text("oldest")),
         {table, cutoff});
  } else if (step.error.empty()) {
    repeat(step, "SELECT engine.retention_remove($1, $2::timestamp, $3::integer)",
           {table, cutoff, std::to_string(periods_.batch_rows)});
  }
  if (table == "user_sessions") step.note = "and those that have expired";
  if (table == "change_log") tell_slow_reader(step);
  add(std::move(step));
}

// A reader that was given up keeps the log for ever: somebody has to remove its cursor.
void Retention::tell_slow_reader(RetentionStep& step) {
  step.note = "what every reader has seen";
  const auto slow = one(step,
                        "SELECT reader FROM engine.change_cursors WHERE updated_at < now() -"
                        " interval '1 day' ORDER BY xid LIMIT 1");
  if (slow)
    step.note += fmt::format(
        "; reader {} has not moved for a day: when it is gone for good, delete its row of"
        " engine.change_cursors",
        *slow);
}

void Retention::audit() {
  RetentionStep step{.name = "audit_logs", .note = "to the compressed archive"};
  const std::string cutoff =
      fmt::format("(now() - make_interval(years => {}))", periods_.audit_logs_years);
  step.cutoff =
      one(step, fmt::format("SELECT {}", time_text(cutoff + " AT TIME ZONE 'UTC'"))).value_or("");
  if (options_.dry_run) {
    look(step, fmt::format("SELECT engine.audit_archivable({0}), {1} FROM engine.audit_chain c"
                           " WHERE c.source = 'audit_logs' AND c.row_created_at < {0}",
                           cutoff, time_text("min(c.row_created_at) AT TIME ZONE 'UTC'")));
    const auto unsealed = one(step, "SELECT unsealed FROM engine.audit_unsealed()");
    if (integer_of(unsealed) != 0)
      step.note += fmt::format("; {} rows are not sealed yet and not counted", *unsealed);
  } else {
    archive(step);
  }
  add(std::move(step));
}

// Months first: what is old goes only once they are put together, and the function sees to that for
// itself as well.
void Retention::market_data() {
  RetentionStep step{.name = "market_data"};
  const std::string cutoff = fmt::format("date_trunc('month', {} - make_interval(years => {}))",
                                         utc_now, periods_.market_data_years);
  step.cutoff = one(step, fmt::format("SELECT {}", time_text(cutoff))).value_or("");
  if (options_.dry_run) {
    look(step, fmt::format("SELECT coalesce(sum(d.rows), 0), ''"
                           " FROM engine.droppable_market_data({}) d",
                           cutoff));
    return add(std::move(step));
  }
  const std::string drop =
      fmt::format("SELECT coalesce(sum(d.rows), 0) FROM engine.drop_market_data({}) d", cutoff);
  if (const auto put = query_.run("CALL engine.aggregate_market_data()"); !put)
    step.error = put.error();
  else
    step.rows = integer_of(one(step, drop));
  if (const auto kept = query_.run("CALL engine.keep_time_series()"); !kept && step.error.empty())
    step.error = kept.error();
  add(std::move(step));
}

void Retention::archive(RetentionStep& step) {
  if (options_.keys.empty()) {
    step.note = "nothing is archived without a master key, which signs where the chain is cut";
    return;
  }
  const auto checkpoint = make_audit_checkpoint(url_, options_.keys, step.cutoff + "+00");
  if (!checkpoint) {
    step.error = checkpoint.error();
    return;
  }
  repeat(step, fmt::format("SELECT engine.archive_audit({})", archive_rows));
}

}  // namespace

std::expected<RetentionResult, std::string> run_retention(const std::string& database_url,
                                                          const RetentionOptions& options) {
  auto query = PgQuery::connect(database_url);
  if (!query) return std::unexpected(query.error());
  // Nobody who trades waits for a clean-up, and a clean-up does not wait for ever.
  if (const auto set = query->run("SET TimeZone = 'UTC'; SET lock_timeout = '10s';"
                                  " SET application_name = 'oneclick maintain'");
      !set)
    return std::unexpected(set.error());
  if (options.dry_run) {
    if (const auto begun = query->run("BEGIN TRANSACTION READ ONLY"); !begun)
      return std::unexpected(begun.error());
  } else {
    const auto mine = query->rows("SELECT engine.try_maintenance()");
    if (!mine) return std::unexpected(mine.error());
    if ((*mine)[0][0] != "t") return RetentionResult{.busy = true, .steps = {}};
  }
  return RetentionResult{.busy = false, .steps = Retention(*query, database_url, options).run()};
}

}  // namespace oneclick
