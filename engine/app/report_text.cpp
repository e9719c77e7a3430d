#include "engine/app/report_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/app/json_text.hpp"

namespace oneclick {

namespace {

constexpr const char* headings[copy_cost_parts] = {
    "lead>ingest", "ingest>wire", "wire>ack", "ack>fill", "fees", "rounding", "missed"};

std::string whose(const CopyCostLine& line) {
  if (line.symbol.empty()) return "all " + line.quote;
  const std::string& id = line.channel.empty() ? line.leader : line.channel;
  return fmt::format("  {} {} {}", line.symbol, line.channel.empty() ? "leader" : "channel",
                     id.substr(0, 8));
}

std::string stretch(const CopyReport& report) {
  if (report.from.empty() && report.to.empty()) return "all copies";
  return fmt::format("copies from {} to {}", report.from.empty() ? "the first" : report.from,
                     report.to.empty() ? "now" : report.to);
}

// Two decimals are enough for people; JSON has all.
std::string short_number(const std::string& number) {
  const auto exact = Decimal::parse_rounded(number, Round::nearest);
  if (!exact) return number;
  char out[Decimal::text_size_max];
  const Decimal rounded = round_to_step(*exact, Decimal::of("0.01"), Round::nearest);
  return {out, rounded.write_fixed(out, 2)};
}

std::string json_number(const std::string& number) {
  return number.empty() ? "null" : json_text(number);
}

std::string json_of(const CopyCostLine& line) {
  JsonObject cost, bps, median;
  for (std::size_t i = 0; i < copy_cost_parts; ++i) {
    cost.raw(copy_cost_names[i], json_number(line.cost[i]));
    bps.raw(copy_cost_names[i], json_number(line.bps[i]));
  }
  cost.raw("total", json_number(line.total));
  bps.raw("total", json_number(line.total_bps));
  for (std::size_t i = 0; i < copy_stages; ++i)
    median.raw(copy_cost_names[i], json_number(line.median_ms[i]));
  const auto id = [](const std::string& text) { return text.empty() ? "null" : json_text(text); };
  return JsonObject()
      .text("quote", line.quote)
      .raw("leader_user_id", id(line.leader))
      .raw("channel_id", id(line.channel))
      .raw("symbol", id(line.symbol))
      .number("copies", line.copies)
      .number("copied", line.copied)
      .number("clipped", line.clipped)
      .number("carried", line.carried)
      .number("skipped", line.skipped)
      .number("failed", line.failed)
      .number("incomplete", line.incomplete)
      .raw("notional", json_number(line.notional))
      .raw("cost", cost.str())
      .raw("bps", bps.str())
      .raw("median_ms", median.str())
      .str();
}

}  // namespace

std::string copy_report_table(const CopyReport& report) {
  std::string out =
      fmt::format("user {}: {}, as of {} UTC\n", report.user, stretch(report), report.read_at);
  if (report.lines.empty()) return out + "nothing was copied";
  out += "basis points of what was wanted at the leader's prices; costs are positive\n\n";
  out += fmt::format("{:<34} {:>7} {:>15}", "", "copies", "wanted for");
  for (const char* name : headings) out += fmt::format(" {:>11}", name);
  out += fmt::format(" {:>10} {:>14}\n", "total", "total in quote");
  for (const CopyCostLine& line : report.lines) {
    out +=
        fmt::format("{:<34} {:>7} {:>15}", whose(line), line.copies, short_number(line.notional));
    for (const std::string& bps : line.bps) out += fmt::format(" {:>11}", bps);
    out += fmt::format(" {:>10} {:>14}\n", line.total_bps, short_number(line.total));
  }
  out += fmt::format("\n{:<34}", "median milliseconds");
  for (std::size_t i = 0; i < copy_stages; ++i) out += fmt::format(" {:>11}", headings[i]);
  out += '\n';
  std::int64_t incomplete = 0;
  for (const CopyCostLine& line : report.lines) {
    if (!line.symbol.empty()) continue;
    incomplete += line.incomplete;
    out += fmt::format("{:<34}", whose(line));
    for (const std::string& ms : line.median_ms)
      out += fmt::format(" {:>11}", ms.empty() ? "-" : ms);
    out += '\n';
  }
  if (!report.misses.empty())
    out +=
        fmt::format("\n{:<34} {:>7} {:>15}\n", "not copied because of", "copies", "cost in quote");
  for (const CopyMiss& miss : report.misses)
    out +=
        fmt::format("{:<34} {:>7} {:>15}\n",
                    fmt::format("  {} ({})", miss.reason.empty() ? "-" : miss.reason, miss.quote),
                    miss.copies, short_number(miss.missed));
  if (incomplete > 0)
    out +=
        fmt::format("\nof {} copies some figure is not known and counts as nothing\n", incomplete);
  out.pop_back();
  return out;
}

std::string copy_report_json(const CopyReport& report) {
  JsonList lines, misses;
  for (const CopyCostLine& line : report.lines) lines.raw(json_of(line));
  for (const CopyMiss& miss : report.misses)
    misses.raw(JsonObject()
                   .text("quote", miss.quote)
                   .raw("reason", miss.reason.empty() ? "null" : json_text(miss.reason))
                   .number("copies", miss.copies)
                   .raw("missed", json_number(miss.missed))
                   .str());
  const auto or_null = [](const std::string& t) { return t.empty() ? "null" : json_text(t); };
  return JsonObject()
      .text("user_id", report.user)
      .raw("leader_user_id", or_null(report.leader))
      .raw("from", or_null(report.from))
      .raw("to", or_null(report.to))
      .text("read_at", report.read_at)
      .raw("lines", lines.str())
      .raw("not_copied", misses.str())
      .str();
}

}  // namespace oneclick
