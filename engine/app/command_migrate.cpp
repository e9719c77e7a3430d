// `oneclick migrate`: brings a database to the current schema, or says where it is.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

// How the time series are stored; empty before the migration that decides it.
std::string series_json(const std::optional<TimeSeriesStorage>& series) {
  if (!series) return "null";
  return JsonObject()
      .text("storage", series->storage)
      .text("timescaledb", series->timescaledb)
      .text("license", series->license)
      .text("reason", series->reason)
      .str();
}

void print_status(const std::vector<MigrationStatus>& all,
                  const std::optional<TimeSeriesStorage>& series, bool json) {
  JsonList list;
  for (const MigrationStatus& m : all) {
    if (json) {
      list.raw(JsonObject()
                   .number("number", m.number)
                   .text("name", m.name)
                   .boolean("applied", m.applied)
                   .text("applied_at", m.applied_at)
                   .str());
    } else {
      print_line(fmt::format("{:04} {:<24} {}", m.number, m.name,
                             m.applied ? "applied " + m.applied_at : "missing"));
    }
  }
  if (json)
    print_line(
        JsonObject().raw("migrations", list.str()).raw("time_series", series_json(series)).str());
  else if (series)
    print_line(fmt::format("time series: {} ({})", series->storage, series->reason));
}

int report_status(const MigrateArguments& arguments) {
  const auto status = migration_status(arguments.database_url);
  if (!status) return fail(exit_codes::failure, "database: " + status.error());
  const auto series = time_series_storage(arguments.database_url);
  if (!series) return fail(exit_codes::failure, "database: " + series.error());
  print_status(*status, *series, arguments.json);
  const bool current = std::ranges::all_of(*status, &MigrationStatus::applied);
  return current ? exit_codes::fine : exit_codes::failure;
}

}  // namespace

int command_migrate(const MigrateArguments& arguments) {
  if (const auto connection = PgQuery::connect(arguments.database_url); !connection)
    return fail(exit_codes::unavailable, "database: " + connection.error());
  if (arguments.status) return report_status(arguments);
  const auto applied = migrate(arguments.database_url, [&](const Migration& m) {
    if (!arguments.json) print_line(fmt::format("applied {:04} {}", m.number, m.name));
  });
  if (!applied) return fail(exit_codes::failure, "migrate: " + applied.error());
  if (arguments.json) {
    print_line(
        JsonObject().number("applied", *applied).number("current", migrations().size()).str());
  } else {
    print_line(fmt::format("{} migrations applied; the schema is at {:04}", *applied,
                           migrations().size()));
  }
  return exit_codes::fine;
}

}  // namespace oneclick
