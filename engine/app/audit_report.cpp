#include "engine/app/audit_report.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "persistence/audit.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t progress_rows = 250'000;

std::function<void(std::int64_t)> tell_progress() {
  return [told = std::int64_t{0}](std::int64_t rows) mutable {
    if (rows < told + progress_rows) return;
    told = rows;
    fmt::print(stderr, "oneclick: {} audit rows checked\n", rows);
  };
}

// An absent file is a first time.
std::expected<std::vector<AuditAnchor>, std::string> read_anchors(const std::string& file) {
  if (file.empty() || !std::filesystem::exists(file)) return std::vector<AuditAnchor>{};
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return std::unexpected("cannot be read");
  return parse_audit_anchors(text.str());
}

// The old one or the new one, never half of it.
bool write_anchors(const std::string& file, const AuditVerdict& verdict) {
  const std::string fresh = file + ".new";
  std::ofstream out(fresh, std::ios::trunc);
  out << audit_anchor_text(verdict.heads);
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(fresh, file, error);
  return out && !error;
}

void print_json(const AuditVerdict& verdict) {
  JsonList problems, heads;
  for (const AuditProblem& p : verdict.problems)
    problems.raw(JsonObject()
                     .text("source", p.source)
                     .number("position", p.seq)
                     .text("row_id", p.row_id)
                     .text("problem", p.what)
                     .str());
  for (const AuditAnchor& head : verdict.heads)
    heads.raw(JsonObject()
                  .text("source", head.source)
                  .number("position", head.seq)
                  .text("hash", to_hex(head.hash))
                  .str());
  print_line(JsonObject()
                 .boolean("holds", verdict.problem_count == 0)
                 .number("rows_checked", verdict.rows_checked)
                 .number("rows_archived", verdict.rows_archived)
                 .number("rows_redacted", verdict.rows_redacted)
                 .number("rows_unsealed", verdict.rows_unsealed)
                 .number("checkpoints", verdict.checkpoints)
                 .number("problem_count", verdict.problem_count)
                 .raw("problems", problems.str())
                 .raw("heads", heads.str())
                 .str());
}

void print_text(const AuditVerdict& verdict) {
  for (const AuditProblem& p : verdict.problems) {
    std::string where = p.source;
    if (!p.row_id.empty()) where += " row " + p.row_id;
    if (p.seq != 0) where += fmt::format(" at position {}", p.seq);
    print_line(fmt::format("{}: {}", where, p.what));
  }
  const auto listed = static_cast<std::int64_t>(verdict.problems.size());
  if (verdict.problem_count > listed)
    print_line(fmt::format("and {} problems more", verdict.problem_count - listed));
  for (const AuditAnchor& head : verdict.heads)
    print_line(fmt::format("{}: the chain ends at position {}, hash {}", head.source, head.seq,
                           to_hex(head.hash)));
  if (verdict.rows_redacted != 0)
    print_line(fmt::format("audit: data of erased persons was taken out of {} rows, signed for",
                           verdict.rows_redacted));
  print_line(fmt::format(
      "audit: {} rows checked, {} of them archived, {} signatures hold, {} rows not sealed yet: {}",
      verdict.rows_checked, verdict.rows_archived, verdict.checkpoints, verdict.rows_unsealed,
      verdict.problem_count == 0 ? "everything holds"
                                 : fmt::format("{} problems", verdict.problem_count)));
}

}  // namespace

int report_audit(const AuditReportArguments& arguments) {
  AuditCheck check{.keys = {}, .anchors = {}, .on_progress = tell_progress()};
  if (!arguments.master_key_file.empty()) {
    auto keys = read_master_keys(arguments.master_key_file);
    if (!keys) return fail(exit_codes::config, keys.error());
    check.keys = std::move(*keys);
  }
  auto anchors = read_anchors(arguments.anchor_file);
  if (!anchors)
    return fail(exit_codes::data, fmt::format("{}: {}", arguments.anchor_file, anchors.error()));
  check.anchors = std::move(*anchors);
  if (const auto reached = PgQuery::connect(arguments.database_url); !reached)
    return fail(exit_codes::unavailable, "database: " + reached.error());
  const auto verdict = verify_audit(arguments.database_url, check);
  if (!verdict) return fail(exit_codes::failure, "database: " + verdict.error());
  arguments.json ? print_json(*verdict) : print_text(*verdict);
  if (verdict->problem_count != 0) return exit_codes::failure;
  if (!arguments.anchor_file.empty() && !write_anchors(arguments.anchor_file, *verdict))
    return fail(exit_codes::failure, fmt::format("{}: cannot be written", arguments.anchor_file));
  return exit_codes::fine;
}

}  // namespace oneclick
