// The page of a copy report: a section per quote currency. All numbers that are printed are the
// database's own text; doubles only place what is drawn.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include <fmt/format.h>

#include "engine/app/report_text.hpp"

namespace oneclick {

namespace {

constexpr std::array<const char*, copy_cost_parts> words = {"Leader's fill to arrival",
                                                            "Arrival to sent",
                                                            "Sent to acknowledged",
                                                            "Acknowledged to filled",
                                                            "Fees",
                                                            "Rounding to lots",
                                                            "Missed copies"};
constexpr int plot_width = 640, label_width = 212, value_width = 108;
constexpr int bins = 24;
constexpr std::size_t days_max = 120;  // the newest; more would be too thin to see

constexpr const char* head = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Copy report</title><style>
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#5b6675;--line:#dfe3e9;--cost:#c4532d;--gain:#1f7a6c;--time:#3d63a8}
@media (prefers-color-scheme:dark){:root{--page:#12161c;--card:#1b212a;--ink:#e7ebf1;--soft:#9aa6b6;--line:#303947;--cost:#ee8a63;--gain:#56c2ae;--time:#86a9ea}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 20px 56px}h1{font-size:26px;margin:0}h2{font-size:20px;margin:36px 0 12px}h3{font-size:15px;margin:0 0 2px}
p{margin:2px 0 0;color:var(--soft)}.note{font-size:13px}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}.tile b{display:block;font-size:18px;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(480px,100%),1fr));gap:12px;margin-top:12px}
svg{display:block;width:100%;height:auto;margin-top:8px}svg text{font-size:17px;fill:var(--ink);font-variant-numeric:tabular-nums}svg .soft{fill:var(--soft);font-size:16px}
.cost{fill:var(--cost)}.gain{fill:var(--gain)}.time{fill:var(--time)}.axis{stroke:var(--line);stroke-width:1}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}th,td{padding:6px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}tr:last-child td{border-bottom:0}code{font-size:12px}
</style></head><body><main>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}
double number(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}
std::string two_decimals(const std::string& text) {
  const auto exact = Decimal::parse_rounded(text, Round::nearest);
  if (!exact) return escaped(text);
  char out[Decimal::text_size_max];
  const Decimal rounded = round_to_step(*exact, Decimal::of("0.01"), Round::nearest);
  return {out, rounded.write_fixed(out, 2)};
}

template <typename... Args>
void put(std::string& out, fmt::format_string<Args...> text, Args&&... args) {
  fmt::format_to(std::back_inserter(out), text, std::forward<Args>(args)...);
}

struct Bar {
  std::string label;
  double length;
  std::string value;
  const char* style;
};
// Horizontal bars to both sides of zero, labels on the left, values on the right.
std::string bars(const std::vector<Bar>& all, std::string_view title) {
  double low = 0, high = 0;
  for (const Bar& bar : all) {
    low = std::min(low, bar.length);
    high = std::max(high, bar.length);
  }
  const double room = plot_width - label_width - value_width;
  const double scale = high - low > 0 ? room / (high - low) : 0;
  const double zero = label_width - low * scale;
  const int height = static_cast<int>(all.size()) * 32 + 6;
  std::string out;
  put(out, R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", plot_width, height, title);
  int y = 4;
  for (const Bar& bar : all) {
    const double wide = std::abs(bar.length) * scale;
    put(out, R"(<text x="0" y="{}">{}</text>)", y + 17, bar.label);
    put(out, R"(<rect x="{:.1f}" y="{}" width="{:.1f}" height="20" rx="2" class="{}"/>)",
        bar.length < 0 ? zero - wide : zero, y + 1, wide, bar.style);
    put(out, R"(<text x="{}" y="{}" text-anchor="end">{}</text>)", plot_width, y + 17, bar.value);
    y += 32;
  }
  put(out, R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}" class="axis"/></svg>)", zero, height);
  return out;
}

struct Column {
  double height;
  const char* style;
  std::string told;  // shown when pointed at
};
// Columns to both sides of zero; `from` and `to` stand below the first and the last one.
std::string columns(const std::vector<Column>& all, std::string_view title, std::string_view from,
                    std::string_view to) {
  constexpr int height = 190, top = 24;
  double low = 0, high = 0;
  for (const Column& column : all) {
    low = std::min(low, column.height);
    high = std::max(high, column.height);
  }
  const double scale = high - low > 0 ? height / (high - low) : 0;
  const double zero = top + high * scale;
  const double step = static_cast<double>(plot_width) / static_cast<double>(all.size());
  std::string out;
  put(out, R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", plot_width, height + top + 24,
      title);
  put(out, R"(<text x="0" y="14" class="soft">{:.6g}</text>)", high);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double tall = std::abs(all[i].height) * scale;
    put(out,
        R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"><title>{}</title></rect>)",
        static_cast<double>(i) * step + 1, all[i].height < 0 ? zero : zero - tall,
        std::max(1.0, std::min(48.0, step - 2)), tall, all[i].style, all[i].told);
  }
  put(out, R"(<line x1="0" x2="{0}" y1="{1:.1f}" y2="{1:.1f}" class="axis"/>)", plot_width, zero);
  put(out, R"(<text x="0" y="{0}" class="soft">{1}</text>)", height + top + 20, from);
  put(out, R"(<text x="{}" y="{}" text-anchor="end" class="soft">{}</text></svg>)", plot_width,
      height + top + 20, to);
  return out;
}

void tile(std::string& out, std::string_view value, std::string_view what) {
  put(out, "<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", value, what);
}
void card(std::string& out, std::string_view title, std::string_view what, std::string_view plot) {
  put(out, "<div class=\"card\"><h3>{}</h3><p class=\"note\">{}</p>{}</div>\n", title, what, plot);
}

std::string parts_plot(const CopyCostLine& sum) {
  std::vector<Bar> all;
  for (std::size_t i = 0; i < copy_cost_parts; ++i) {
    const double bps = number(sum.bps[i]);
    all.push_back({.label = words[i],
                   .length = bps,
                   .value = sum.bps[i],
                   .style = bps < 0 ? "gain" : "cost"});
  }
  return bars(all, "Cost by part");
}

// By length of the logarithm: microseconds and minutes are on the same plot.
std::string stages_plot(const CopyCostLine& sum) {
  std::vector<Bar> all;
  for (std::size_t i = 0; i < copy_stages; ++i) {
    const bool is_known = !sum.median_ms[i].empty();
    const double us = number(sum.median_ms[i]) * 1000;
    all.push_back({.label = words[i],
                   .length = us > 0 ? std::log10(1 + us) : 0,
                   .value = is_known ? sum.median_ms[i] + " ms" : "not known",
                   .style = "time"});
  }
  return bars(all, "Time by stage");
}

std::string days_plot(const CopyReport& report, const std::string& quote) {
  std::vector<const CopyCostDay*> days;
  for (const CopyCostDay& day : report.days)
    if (day.quote == quote) days.push_back(&day);
  if (days.size() > days_max)
    days.erase(days.begin(), days.end() - static_cast<std::ptrdiff_t>(days_max));
  if (days.empty()) return "<p>none</p>";
  std::vector<Column> all;
  for (const CopyCostDay* day : days)
    all.push_back({.height = day->total,
                   .style = day->total < 0 ? "gain" : "cost",
                   .told = fmt::format("{}: {:.6g} {}", day->day, day->total, escaped(quote))});
  return columns(all, "Cost per day", days.front()->day, days.back()->day);
}

std::string spread_plot(const CopyReport& report, const std::string& quote) {
  std::vector<double> bps;
  for (const CopyCostPoint& point : report.points)
    if (point.quote == quote) bps.push_back(point.bps);
  if (bps.empty()) return "<p>none has filled</p>";
  std::ranges::sort(bps);
  // One in a hundred on each side is left to the outermost bins.
  const std::size_t cut = bps.size() / 100;
  const double low = bps[cut], high = std::max(bps[bps.size() - 1 - cut], low + 0.01);
  const double width = (high - low) / bins;
  std::vector<int> counts(bins, 0);
  for (const double value : bps) {
    const int bin = static_cast<int>(std::floor((value - low) / width));
    ++counts[static_cast<std::size_t>(std::clamp(bin, 0, bins - 1))];
  }
  std::vector<Column> all;
  for (int i = 0; i < bins; ++i)
    all.push_back(
        {.height = static_cast<double>(counts[static_cast<std::size_t>(i)]),
         .style = "time",
         .told = fmt::format("{:.2f} to {:.2f} bps: {} copies", low + i * width,
                             low + (i + 1) * width, counts[static_cast<std::size_t>(i)])});
  return columns(all, "Slippage of copies", fmt::format("{:.2f} bps", low),
                 fmt::format("{:.2f} bps", high));
}

void lines_table(std::string& out, const CopyReport& report, const std::string& quote) {
  out +=
      "<div class=\"card scroll\" style=\"margin-top:12px\"><h3>By "
      "symbol</h3><table><tr><th>Symbol</th>"
      "<th>Copies</th><th>Wanted for</th>";
  for (const char* word : words) put(out, "<th>{}</th>", word);
  out += "<th>Total, bps</th><th>Total</th></tr>\n";
  for (const CopyCostLine& line : report.lines) {
    if (line.quote != quote || line.symbol.empty()) continue;
    const bool is_channel = !line.channel.empty();
    put(out, "<tr><td>{} <code>{} {}</code></td><td>{}</td><td>{}</td>", escaped(line.symbol),
        is_channel ? "channel" : "leader", (is_channel ? line.channel : line.leader).substr(0, 8),
        line.copies, two_decimals(line.notional));
    for (const std::string& bps : line.bps) put(out, "<td>{}</td>", bps);
    put(out, "<td><b>{}</b></td><td>{}</td></tr>\n", line.total_bps, two_decimals(line.total));
  }
  out += "</table></div>\n";
}

void misses_table(std::string& out, const CopyReport& report, const std::string& quote) {
  std::string rows;
  for (const CopyMiss& miss : report.misses)
    if (miss.quote == quote)
      put(rows, "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
          miss.reason.empty() ? "-" : escaped(miss.reason), miss.copies, two_decimals(miss.missed));
  if (rows.empty()) return;
  put(out,
      "<div class=\"card scroll\" style=\"margin-top:12px\"><h3>Not "
      "copied</h3><table><tr><th>Reason</th>"
      "<th>Copies</th><th>Cost, {}</th></tr>\n{}</table></div>\n",
      escaped(quote), rows);
}

void section(std::string& out, const CopyReport& report, const CopyCostLine& sum) {
  const std::string quote = escaped(sum.quote);
  put(out, "<h2>{}</h2>\n<div class=\"tiles\">", quote);
  tile(out, sum.total_bps + " bps", "cost of what was wanted");
  tile(out, two_decimals(sum.total) + " " + quote, "cost in all");
  tile(out, two_decimals(sum.notional) + " " + quote, "wanted at the leader's prices");
  tile(out, fmt::format("{} of {}", sum.copied + sum.clipped, sum.copies),
       "copied, in full or clipped");
  tile(out, fmt::format("{}", sum.skipped + sum.failed), "skipped or failed");
  out += "</div>\n<div class=\"cards\">";
  card(out, "What it cost, by part", "basis points; to the left: in the follower's favour",
       parts_plot(sum));
  card(out, "How long it took", "median of each stage, on a logarithmic scale", stages_plot(sum));
  card(out, "Cost per day", "in " + quote + "; UTC", days_plot(report, sum.quote));
  card(out, "How copies spread",
       "number of copies by slippage against the leader's price, without fees",
       spread_plot(report, sum.quote));
  out += "</div>\n";
  lines_table(out, report, sum.quote);
  misses_table(out, report, sum.quote);
  if (sum.incomplete > 0)
    put(out, "<p class=\"note\">Of {} copies some figure is not known and counts as nothing.</p>\n",
        sum.incomplete);
}

}  // namespace

std::string copy_report_html(const CopyReport& report) {
  std::string out = head;
  put(out, "<h1>Copy report</h1>\n<p>Follower <code>{}</code>", escaped(report.user));
  if (!report.leader.empty()) put(out, ", leader <code>{}</code>", escaped(report.leader));
  if (!report.from.empty()) put(out, ", from {}", escaped(report.from));
  if (!report.to.empty()) put(out, ", until {}", escaped(report.to));
  put(out, ". As of {} UTC.</p>\n", escaped(report.read_at));
  if (report.lines.empty()) out += "<p>Nothing was copied.</p>\n";
  for (const CopyCostLine& line : report.lines)
    if (line.symbol.empty()) section(out, report, line);
  out += "</main></body></html>\n";
  return out;
}

}  // namespace oneclick
