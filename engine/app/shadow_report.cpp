#include "engine/app/shadow_report.hpp"

#include <set>

#include <fmt/format.h>

#include "engine/app/json_text.hpp"

namespace oneclick {

namespace {

constexpr const char* model_text =
    "every order answered at once and whole: entries at the ask where the limit allows, exits at "
    "the "
    "bid, with the fees the journal shows; no depth, delay, refusal or lost answer; holdings "
    "valued "
    "at the last bid";

// What one side of the report sums up to.
struct Sums {
  std::map<std::pair<Outcome, Reason>, std::uint64_t> outcomes;
  std::uint64_t orders = 0, fills = 0, fees_unknown = 0;
  MoneyByQuote money;

  void add(const LinkFigures& f) {
    for (const auto& [kind, n] : f.outcomes) outcomes[kind] += n;
    orders += f.orders;
    for (const auto& [symbol, s] : f.symbols) {
      fills += s.fills;
      fees_unknown += s.fees_unknown;
    }
    add_money(money, f);
  }
};
Sums sums_of(const LinkFigures& figures) {
  Sums sums;
  sums.add(figures);
  return sums;
}

std::string outcome_text(const std::pair<Outcome, Reason>& kind) {
  if (kind.second == Reason::none) return std::string(to_text(kind.first));
  return fmt::format("{}({})", to_text(kind.first), to_text(kind.second));
}

// Cents are enough for people; programs get every digit.
std::string short_text(Decimal value) {
  char text[Decimal::text_size_max];
  const Decimal cents = round_to_step(value, Decimal::of("0.01"), Round::nearest);
  return {text, cents.write_fixed(text, 2)};
}
std::string signed_text(Decimal value) {
  return (value.is_negative() ? "" : "+") + short_text(value);
}

std::string changes_text(const ShadowOptions& options) {
  std::string out;
  const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  for (const auto& [name, value] : options.link_terms) add(name + "=" + value);
  for (const std::string& text : options.core_overrides) add(text);
  return out;
}

std::set<std::string> quotes_of(std::initializer_list<const MoneyByQuote*> sides) {
  std::set<std::string> quotes;
  for (const MoneyByQuote* side : sides)
    for (const auto& [quote, money] : *side) quotes.insert(quote);
  return quotes;
}
Money money_of(const MoneyByQuote& sums, const std::string& quote) {
  const auto found = sums.find(quote);
  return found == sums.end() ? Money{} : found->second;
}

// Columns as wide as their widest cell; all but the first two are figures.
std::vector<std::string> aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += i < 2 ? fmt::format("{:<{}}  ", row[i], widths[i])
                    : fmt::format("{:>{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string both(const std::string& before, const std::string& after) {
  return before == after ? before : before + " > " + after;
}

void add_rows(std::vector<std::vector<std::string>>& rows, const std::string& who,
              const std::string& link, const Sums& a, const Sums& b) {
  auto quotes = quotes_of({&a.money, &b.money});
  if (quotes.empty()) quotes.insert("");
  for (const std::string& quote : quotes) {
    const Money x = money_of(a.money, quote), y = money_of(b.money, quote);
    rows.push_back({who, link, both(std::to_string(a.orders), std::to_string(b.orders)),
                    both(short_text(x.notional), short_text(y.notional)),
                    both(short_text(x.fees), short_text(y.fees)),
                    both(short_text(x.held), short_text(y.held)),
                    both(short_text(x.profit()), short_text(y.profit())),
                    signed_text(y.profit() - x.profit()), quote});
  }
}

void add_outcomes(std::vector<std::string>& lines, const Sums& a, const Sums& b) {
  auto kinds = a.outcomes;
  kinds.insert(b.outcomes.begin(), b.outcomes.end());
  std::vector<std::vector<std::string>> rows = {{"outcomes", "", "as set", "changed", ""}};
  for (const auto& [kind, ignored] : kinds) {
    const auto count = [&](const Sums& s) -> std::int64_t {
      const auto found = s.outcomes.find(kind);
      return found == s.outcomes.end() ? 0 : static_cast<std::int64_t>(found->second);
    };
    rows.push_back({"  " + outcome_text(kind), "", std::to_string(count(a)),
                    std::to_string(count(b)), fmt::format("{:+}", count(b) - count(a))});
  }
  for (std::string& line : aligned(rows)) lines.push_back(std::move(line));
}

JsonObject figures_json(const LinkFigures& f) {
  const Sums sums = sums_of(f);
  JsonObject outcomes;
  for (const auto& [kind, n] : f.outcomes) outcomes.number(outcome_text(kind), n);
  JsonList symbols;
  for (const auto& [symbol, s] : f.symbols)
    symbols.raw(JsonObject()
                    .text("symbol", symbol.view())
                    .number("fills", s.fills)
                    .text("bought", s.bought.to_text())
                    .text("sold", s.sold.to_text())
                    .text("notional", s.notional().to_text())
                    .text("fees", s.fees.to_text())
                    .number("fees_unknown", s.fees_unknown)
                    .text("quantity", s.quantity.to_text())
                    .text("cost", s.cost.to_text())
                    .raw("bid", s.bid ? json_text(s.bid->to_text()) : "null")
                    .text("realised", s.realised.to_text())
                    .text("unrealised", s.unrealised().to_text())
                    .text("profit", s.profit().to_text())
                    .str());
  return JsonObject()
      .raw("outcomes", outcomes.str())
      .number("orders", f.orders)
      .number("fills", sums.fills)
      .raw("symbols", symbols.str());
}

std::string money_json(const Money& m) {
  return JsonObject()
      .text("notional", m.notional.to_text())
      .text("fees", m.fees.to_text())
      .text("held", m.held.to_text())
      .text("realised", m.realised.to_text())
      .text("unrealised", m.unrealised.to_text())
      .text("profit", m.profit().to_text())
      .str();
}

std::string sums_json(const Sums& s) {
  JsonObject outcomes, money;
  for (const auto& [kind, n] : s.outcomes) outcomes.number(outcome_text(kind), n);
  for (const auto& [quote, m] : s.money) money.raw(quote, money_json(m));
  return JsonObject()
      .raw("outcomes", outcomes.str())
      .number("orders", s.orders)
      .number("fills", s.fills)
      .raw("money", money.str())
      .str();
}

// `b` less `a`.
std::string difference_json(const Sums& a, const Sums& b) {
  JsonObject money;
  for (const std::string& quote : quotes_of({&a.money, &b.money})) {
    const Money x = money_of(a.money, quote), y = money_of(b.money, quote);
    money.raw(quote, money_json({.notional = y.notional - x.notional,
                                 .fees = y.fees - x.fees,
                                 .held = y.held - x.held,
                                 .realised = y.realised - x.realised,
                                 .unrealised = y.unrealised - x.unrealised}));
  }
  const auto less = [](std::uint64_t x, std::uint64_t y) {
    return static_cast<std::int64_t>(y) - static_cast<std::int64_t>(x);
  };
  return JsonObject()
      .number("orders", less(a.orders, b.orders))
      .number("fills", less(a.fills, b.fills))
      .raw("money", money.str())
      .str();
}

std::string link_json(const ShadowLink& l) {
  JsonObject out;
  out.text("link", l.link.id.to_text()).text("follower", l.link.follower.to_text());
  out.text("account", l.link.account.to_text());
  if (!l.link.leader.is_nil()) out.text("leader", l.link.leader.to_text());
  if (!l.link.channel.is_nil()) out.text("channel", l.link.channel.to_text());
  return out.boolean("selected", l.selected)
      .raw("recorded", figures_json(l.recorded).str())
      .raw("baseline", figures_json(l.baseline).str())
      .raw("changed", figures_json(l.changed).str())
      .raw("difference", difference_json(sums_of(l.baseline), sums_of(l.changed)))
      .str();
}

struct Totals {
  Sums recorded, baseline, changed;
};
Totals totals_of(const ShadowReport& report) {
  Totals t;
  for (const ShadowLink& l : report.links) {
    t.recorded.add(l.recorded);
    t.baseline.add(l.baseline);
    t.changed.add(l.changed);
  }
  return t;
}

std::string percent_same(const ShadowReport& r) {
  if (r.outcomes_compared == 0) return "none to compare";
  const std::uint64_t tenths = r.outcomes_same * 1'000 / r.outcomes_compared;
  return fmt::format("{} of {} outcomes the same ({}.{} %)", r.outcomes_same, r.outcomes_compared,
                     tenths / 10, tenths % 10);
}

}  // namespace

std::vector<std::string> shadow_lines(const ShadowReport& report, const ShadowOptions& options) {
  std::vector<std::string> lines;
  for (const ShadowShard& s : report.shards)
    lines.push_back(fmt::format("shard {}: entries {} to {}{}, {} events, {} of leaders", s.shard,
                                s.first, s.last, s.snapshot_ns != 0 ? " after a snapshot" : "",
                                s.events, s.leader_events));
  lines.push_back(
      fmt::format("changed: {}, for {} links", changes_text(options), report.links_selected));
  lines.push_back(fmt::format("model: {}", model_text));
  lines.emplace_back();
  std::vector<std::vector<std::string>> rows = {
      {"follower", "link", "orders", "traded", "fees", "held", "profit", "difference", "in"}};
  for (const ShadowLink& l : report.links)
    add_rows(rows, l.link.follower.to_text(), l.link.id.to_text() + (l.selected ? "" : " (as set)"),
             sums_of(l.baseline), sums_of(l.changed));
  const Totals totals = totals_of(report);
  add_rows(rows, "total", "", totals.baseline, totals.changed);
  for (std::string& line : aligned(rows)) lines.push_back(std::move(line));
  lines.emplace_back();
  add_outcomes(lines, totals.baseline, totals.changed);
  lines.emplace_back();
  lines.push_back(fmt::format("the model with the recorded settings, against what was recorded: {}",
                              percent_same(report)));
  rows = {{"", "", "orders", "traded", "fees", "held", "profit", "difference", "in"}};
  add_rows(rows, "recorded > model", "", totals.recorded, totals.baseline);
  for (std::string& line : aligned(rows)) lines.push_back(std::move(line));
  const std::uint64_t unknown = totals.recorded.fees_unknown;
  if (unknown != 0)
    lines.push_back(fmt::format("{} recorded fees are in assets of unknown price", unknown));
  return lines;
}

std::string shadow_json(const ShadowReport& report, const ShadowOptions& options) {
  JsonList shards, links;
  for (const ShadowShard& s : report.shards)
    shards.raw(JsonObject()
                   .number("shard", s.shard)
                   .number("first", s.first)
                   .number("last", s.last)
                   .boolean("from_snapshot", s.snapshot_ns != 0)
                   .number("events", s.events)
                   .number("leader_events", s.leader_events)
                   .str());
  JsonObject changes;
  for (const auto& [name, value] : options.link_terms) changes.text(name, value);
  for (const std::string& text : options.core_overrides) {
    const std::size_t equals = text.find('=');
    changes.text(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const ShadowLink& l : report.links) links.raw(link_json(l));
  const Totals t = totals_of(report);
  return JsonObject()
      .raw("shards", shards.str())
      .raw("changes", changes.str())
      .number("links_selected", report.links_selected)
      .text("model", model_text)
      .raw("links", links.str())
      .raw("totals", JsonObject()
                         .raw("recorded", sums_json(t.recorded))
                         .raw("baseline", sums_json(t.baseline))
                         .raw("changed", sums_json(t.changed))
                         .raw("difference", difference_json(t.baseline, t.changed))
                         .str())
      .raw("model_against_record", JsonObject()
                                       .number("outcomes_compared", report.outcomes_compared)
                                       .number("outcomes_same", report.outcomes_same)
                                       .raw("difference", difference_json(t.recorded, t.baseline))
                                       .str())
      .str();
}

}  // namespace oneclick
