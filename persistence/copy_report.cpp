#include "persistence/copy_report.hpp"

#include <charconv>
#include <cstdlib>

#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

using Rows = std::expected<std::vector<PgRow>, std::string>;

constexpr const char* lines_sql = R"(
SELECT r.quote, r.leader_user_id, r.channel_id, r.symbol, r.copies, r.copied, r.clipped, r.carried,
  r.skipped, r.failed, r.incomplete, trim_scale(r.notional),
  trim_scale(r.lead_to_ingest), trim_scale(r.ingest_to_wire), trim_scale(r.wire_to_ack),
  trim_scale(r.ack_to_fill), trim_scale(r.fees), trim_scale(r.rounding), trim_scale(r.missed),
  trim_scale(r.total), r.lead_to_ingest_bps, r.ingest_to_wire_bps, r.wire_to_ack_bps,
  r.ack_to_fill_bps, r.fees_bps, r.rounding_bps, r.missed_bps, r.total_bps, r.lead_to_ingest_ms,
  r.ingest_to_wire_ms, r.wire_to_ack_ms, r.ack_to_fill_ms
FROM engine.copy_report($1::uuid, coalesce($2::timestamptz, '-infinity'),
  coalesce($3::timestamptz, 'infinity'), $4::uuid) r)";

constexpr const char* costs =
    " FROM engine.copy_costs_of($1::uuid, coalesce($2::timestamptz, '-infinity'),"
    " coalesce($3::timestamptz, 'infinity'), $4::uuid) c ";

std::string text(const PgRow& row, std::size_t at) {
  return row[at].value_or("");
}
std::int64_t integer(const PgRow& row, std::size_t at) {
  std::int64_t value = 0;
  const std::string digits = text(row, at);
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
double number(const PgRow& row, std::size_t at) {
  return std::strtod(text(row, at).c_str(), nullptr);
}

CopyCostLine line_of(const PgRow& row) {
  CopyCostLine line{.quote = text(row, 0),
                    .leader = text(row, 1),
                    .channel = text(row, 2),
                    .symbol = text(row, 3),
                    .copies = integer(row, 4),
                    .copied = integer(row, 5),
                    .clipped = integer(row, 6),
                    .carried = integer(row, 7),
                    .skipped = integer(row, 8),
                    .failed = integer(row, 9),
                    .incomplete = integer(row, 10),
                    .notional = text(row, 11),
                    .cost = {},
                    .total = text(row, 19),
                    .bps = {},
                    .total_bps = text(row, 27),
                    .median_ms = {}};
  for (std::size_t i = 0; i < copy_cost_parts; ++i) {
    line.cost[i] = text(row, 12 + i);
    line.bps[i] = text(row, 20 + i);
  }
  for (std::size_t i = 0; i < copy_stages; ++i) line.median_ms[i] = text(row, 28 + i);
  return line;
}

// Asks one question after the other; after the first that fails no more.
class Reader {
 public:
  Reader(PgQuery& query, std::vector<std::optional<std::string>> parameters)
      : query_(query), parameters_(std::move(parameters)) {}

  template <typename Take>
  void each(const std::string& sql, const Take& take) {
    if (!error_.empty()) return;
    const auto rows = query_.rows(sql, parameters_);
    if (!rows) {
      error_ = rows.error();
      return;
    }
    for (const PgRow& row : *rows) take(row);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  PgQuery& query_;
  std::vector<std::optional<std::string>> parameters_;
  std::string error_;
};

std::optional<std::string> or_null(const std::string& value) {
  return value.empty() ? std::nullopt : std::optional(value);
}

}  // namespace

std::expected<std::optional<CopyReport>, std::string> read_copy_report(
    const std::string& database_url, const CopyReportQuestion& question) {
  auto query = PgQuery::connect(database_url);
  if (!query) return std::unexpected(query.error());
  if (const auto set = query->run("SET TimeZone = 'UTC';"
                                  " SET application_name = 'oneclick report';"
                                  " BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
      !set)
    return std::unexpected(set.error());
  const auto known = query->rows(
      "SELECT count(*) FROM public.users u WHERE u.id IN ($1::uuid, coalesce($2::uuid, $1::uuid))",
      {question.user, or_null(question.leader)});
  if (!known) return std::unexpected(known.error());
  const bool two = !question.leader.empty() && question.leader != question.user;
  if (integer((*known)[0], 0) != (two ? 2 : 1)) return std::optional<CopyReport>();

  CopyReport report{.user = question.user,
                    .from = question.from,
                    .to = question.to,
                    .leader = question.leader,
                    .read_at = {},
                    .lines = {},
                    .misses = {},
                    .days = {},
                    .points = {}};
  Reader reader(*query, {question.user, or_null(question.from), or_null(question.to),
                         or_null(question.leader)});
  reader.each(lines_sql, [&](const PgRow& row) { report.lines.push_back(line_of(row)); });
  reader.each(std::string("SELECT c.quote, c.reason, count(*), trim_scale(sum(c.missed))") + costs +
                  "WHERE c.outcome IN ('skipped', 'failed') GROUP BY 1, 2"
                  " ORDER BY 1, sum(c.missed) DESC, 2",
              [&](const PgRow& row) {
                report.misses.push_back({.quote = text(row, 0),
                                         .reason = text(row, 1),
                                         .copies = integer(row, 2),
                                         .missed = text(row, 3)});
              });
  reader.each(std::string("SELECT to_char(c.accepted_at, 'YYYY-MM-DD'), c.quote, sum(c.total),"
                          " sum(c.notional)") +
                  costs + "GROUP BY 1, 2 ORDER BY 1, 2",
              [&](const PgRow& row) {
                report.days.push_back({.day = text(row, 0),
                                       .quote = text(row, 1),
                                       .total = number(row, 2),
                                       .notional = number(row, 3)});
              });
  reader.each(std::string("SELECT c.quote, round(10000 * (c.lead_to_ingest + c.ingest_to_wire +"
                          " c.wire_to_ack + c.ack_to_fill) / nullif(c.leader_price *"
                          " c.filled_quantity, 0), 2)") +
                  costs +
                  "WHERE c.filled_quantity > 0 AND c.leader_price > 0"
                  " ORDER BY c.accepted_at DESC LIMIT 10000",
              [&](const PgRow& row) {
                report.points.push_back({.quote = text(row, 0), .bps = number(row, 1)});
              });
  if (!reader.error().empty()) return std::unexpected(reader.error());
  const auto now = query->rows("SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS')");
  if (!now) return std::unexpected(now.error());
  report.read_at = text((*now)[0], 0);
  return report;
}

}  // namespace oneclick
