// `oneclick maintain`: what the database needs from time to time.
#include <fmt/format.h>

#include "engine/app/audit_report.hpp"
#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "persistence/audit.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

// Seals what no daemon has sealed, and signs where the chains stand.
int keep_audit(const MaintainArguments& arguments) {
  const auto sealed = seal_audit(arguments.database_url);
  if (!sealed) return fail(exit_codes::failure, "audit: " + sealed.error());
  const bool sign = !arguments.master_key_file.empty();
  if (sign) {
    const auto keys = read_master_keys(arguments.master_key_file);
    if (!keys) return fail(exit_codes::config, keys.error());
    if (const auto done = sign_audit_heads(arguments.database_url, *keys); !done)
      return fail(exit_codes::failure, "audit: " + done.error());
  }
  print_line(
      arguments.json
          ? JsonObject().number("audit_rows_sealed", *sealed).boolean("audit_signed", sign).str()
          : fmt::format("audit: {} rows sealed, {}", *sealed,
                        sign ? "the chains' ends are signed" : "not signed: no master key"));
  return exit_codes::fine;
}

}  // namespace

int command_maintain(const MaintainArguments& arguments) {
  if (arguments.verify_audit)
    return report_audit({.database_url = arguments.database_url,
                         .master_key_file = arguments.master_key_file,
                         .anchor_file = arguments.audit_anchor,
                         .json = arguments.json});
  if (const auto connection = PgQuery::connect(arguments.database_url); !connection)
    return fail(exit_codes::unavailable, "database: " + connection.error());
  return keep_audit(arguments);
}

}  // namespace oneclick
