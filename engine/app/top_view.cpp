#include "engine/app/top_view.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "engine/app/json_text.hpp"

namespace oneclick {

namespace {

constexpr std::string_view prefix = "oneclick_";

std::optional<double> number_of(std::string_view text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// a="b",c="d"; quotes and backslashes inside are escaped.
MetricsLook::Labels labels_of(std::string_view text) {
  MetricsLook::Labels labels;
  while (!text.empty()) {
    const std::size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) break;
    const std::string name(text.substr(0, equals));
    std::string value;
    std::size_t at = equals + 2;
    for (; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      value += text[at];
    }
    labels[name] = std::move(value);
    text.remove_prefix(std::min(text.size(), at + 1));
    if (text.starts_with(',')) text.remove_prefix(1);
  }
  return labels;
}

bool covers(const MetricsLook::Labels& all, const MetricsLook::Labels& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& label) {
    const auto found = all.find(label.first);
    return found != all.end() && found->second == label.second;
  });
}

// Buckets of all series that match: cumulative counts by bound.
std::map<double, double> buckets_of(const MetricsLook& look, const std::string& name,
                                    const MetricsLook::Labels& labels) {
  std::map<double, double> out;
  for (const MetricsLook::Sample& s : look.samples(name + "_bucket")) {
    const auto le = s.labels.find("le");
    if (le == s.labels.end() || !covers(s.labels, labels)) continue;
    if (const auto bound = number_of(le->second)) out[*bound] += s.value;
  }
  return out;
}

// Counts of outcomes: "skipped(balance)".
std::map<std::string, double> outcomes_of(const MetricsLook& look) {
  std::map<std::string, double> out;
  for (const MetricsLook::Sample& s : look.samples("copy_outcomes_total")) {
    if (s.value == 0) continue;
    const auto outcome = s.labels.find("outcome"), reason = s.labels.find("reason");
    if (outcome == s.labels.end() || reason == s.labels.end()) continue;
    out[reason->second == "none" ? outcome->second
                                 : fmt::format("{}({})", outcome->second, reason->second)] +=
        s.value;
  }
  return out;
}

double value_of(const std::map<std::string, double>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? 0 : found->second;
}

// A counter that went back belongs to a process that began anew: all of it is new.
double growth(double before, double now) {
  return now >= before ? now - before : now;
}

// Samples of a gauge with their labels in one text, as "binance 127.0.0.1".
std::map<std::string, double> labelled(const MetricsLook& look, const std::string& name) {
  std::map<std::string, double> out;
  for (const MetricsLook::Sample& s : look.samples(name)) {
    std::string label;
    for (const auto& [key, value] : s.labels)
      if (!value.empty()) label += (label.empty() ? "" : " ") + value;
    out[label] = s.value;
  }
  return out;
}

struct Latency {
  const char* title;
  const char* key;
  const char* name;
  MetricsLook::Labels labels;
};
const std::vector<Latency>& latencies() {
  static const std::vector<Latency> all = {
      {"event to first order", "first", "fanout_first_seconds", {}},
      {"event to last order", "last", "fanout_last_seconds", {}},
      {"waiting in queues", "queue", "stage_seconds", {{"stage", "queue"}}},
      {"fan-out", "fanout", "stage_seconds", {{"stage", "fanout"}}},
      {"order to answer", "wire_ack", "stage_seconds", {{"stage", "wire_ack"}}}};
  return all;
}
constexpr double quantiles[] = {0.5, 0.99, 0.999};

std::string micros(std::optional<double> seconds) {
  if (!seconds) return "-";
  if (*seconds == std::numeric_limits<double>::infinity()) return "more";
  return fmt::format("{:g}", *seconds * 1e6);
}

class Page {
 public:
  void line(const std::string& text = {}) { text_ += text + "\n"; }
  void rate(const char* title, double before, double now, double seconds) {
    line(fmt::format("  {:<34}{:>14.0f}{:>12.1f}/s", title, now, growth(before, now) / seconds));
  }
  void figure(const char* title, double value) {
    line(fmt::format("  {:<34}{:>14g}", title, value));
  }
  [[nodiscard]] std::string str() const { return text_; }

 private:
  std::string text_;
};

void add_outcomes(Page& page, const MetricsLook& a, const MetricsLook& b, double seconds) {
  constexpr std::size_t shown_max = 10;
  const auto before = outcomes_of(a), now = outcomes_of(b);
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [kind, value] : now) sorted.emplace_back(-value, kind);
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < std::min(shown_max, sorted.size()); ++i)
    page.rate(("  " + sorted[i].second).c_str(), value_of(before, sorted[i].second),
              -sorted[i].first, seconds);
  if (sorted.size() > shown_max)
    page.line(fmt::format("    and {} other kinds", sorted.size() - shown_max));
}

std::string json_number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}
std::string counter_json(double before, double now, double seconds) {
  return JsonObject()
      .raw("total", json_number(now))
      .raw("per_second", json_number(growth(before, now) / seconds))
      .str();
}
std::string gauges_json(const std::map<std::string, double>& gauges) {
  JsonObject out;
  for (const auto& [label, value] : gauges) out.raw(label, json_number(value));
  return out.str();
}

constexpr std::pair<const char*, const char*> rates[] = {
    {"leader_events", "leader_events_total"},
    {"orders_sent", "orders_sent_total"},
    {"journal_appended", "journal_appended_records_total"},
    {"journal_synced", "journal_synced_records_total"},
    {"sink_rows", "sink_rows_total"},
    {"sink_rejects", "sink_rejects_total"}};
constexpr std::pair<const char*, const char*> figures[] = {
    {"links", "links"},
    {"accounts", "accounts"},
    {"accounts_reconciled", "accounts_reconciled"},
    {"leader_feeds", "leader_feeds"},
    {"leader_feeds_up", "leader_feeds_up"},
    {"unknown_orders", "unknown_orders"},
    {"quarantined_links", "quarantined_links"},
    {"exits_in_alarm", "exits_in_alarm"},
    {"kill_switches", "kill_switch_active"},
    {"sink_lag_records", "sink_lag_records"},
    {"sink_lag_seconds", "sink_lag_seconds"}};

}  // namespace

MetricsLook MetricsLook::parse(std::string_view text) {
  MetricsLook look;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (!line.starts_with(prefix)) continue;
    line.remove_prefix(prefix.size());
    const std::size_t space = line.rfind(' ');
    if (space == std::string_view::npos) continue;
    const auto value = number_of(line.substr(space + 1));
    if (!value) continue;
    const std::string_view series = line.substr(0, space);
    const std::size_t brace = series.find('{');
    const bool labelled_series = brace != std::string_view::npos && series.ends_with('}');
    look.samples_[std::string(series.substr(0, brace))].push_back(
        {.labels = labelled_series ? labels_of(series.substr(brace + 1, series.size() - brace - 2))
                                   : Labels{},
         .value = *value});
  }
  return look;
}

const std::vector<MetricsLook::Sample>& MetricsLook::samples(const std::string& name) const {
  static const std::vector<Sample> nothing;
  const auto found = samples_.find(name);
  return found == samples_.end() ? nothing : found->second;
}

double MetricsLook::sum(const std::string& name) const {
  double sum = 0;
  for (const Sample& s : samples(name)) sum += s.value;
  return sum;
}

std::map<std::string, double> MetricsLook::by_label(const std::string& name,
                                                    const std::string& label) const {
  std::map<std::string, double> out;
  for (const Sample& s : samples(name))
    if (const auto found = s.labels.find(label); found != s.labels.end())
      out[found->second] += s.value;
  return out;
}

std::optional<double> quantile_between(const MetricsLook& before, const MetricsLook& now,
                                       const std::string& name, const MetricsLook::Labels& labels,
                                       double q) {
  const auto a = buckets_of(before, name, labels), b = buckets_of(now, name, labels);
  if (b.empty()) return std::nullopt;
  const auto start = [&a](double bound) {
    const auto found = a.find(bound);
    return found == a.end() ? 0.0 : found->second;
  };
  const bool began_anew = b.rbegin()->second < start(b.rbegin()->first);
  const auto count = [&](const auto& bucket) {
    return began_anew ? bucket.second : bucket.second - start(bucket.first);
  };
  const double total = count(*b.rbegin());
  if (total <= 0) return std::nullopt;
  for (const auto& bucket : b)
    if (count(bucket) >= q * total) return bucket.first;
  return b.rbegin()->first;
}

std::string top_text(const TopLook& before, const TopLook& now, double seconds) {
  const MetricsLook &a = before.metrics, &b = now.metrics;
  Page page;
  page.line(now.ready ? "ready" : "NOT READY " + now.ready_json);
  page.line();
  for (const auto& [key, name] : rates) page.rate(key, a.sum(name), b.sum(name), seconds);
  for (const auto& [result, value] : b.by_label("order_acks_total", "result"))
    page.rate(("answers: " + result).c_str(),
              value_of(a.by_label("order_acks_total", "result"), result), value, seconds);
  page.line();
  page.rate("outcomes", a.sum("copy_outcomes_total"), b.sum("copy_outcomes_total"), seconds);
  add_outcomes(page, a, b, seconds);
  page.line();
  page.line(fmt::format("  {:<24}{:>10}{:>10}{:>10}   all the time{:>10}{:>10}", "us, at most",
                        "p50", "p99", "p99.9", "p50", "p99"));
  for (const Latency& l : latencies()) {
    std::string text = fmt::format("  {:<24}", l.title);
    for (const double q : quantiles)
      text += fmt::format("{:>10}", micros(quantile_between(a, b, l.name, l.labels, q)));
    text += fmt::format("{:15}", "");
    for (const double q : {0.5, 0.99})
      text += fmt::format("{:>10}", micros(quantile_between({}, b, l.name, l.labels, q)));
    page.line(text);
  }
  page.line();
  for (const auto& [key, name] : figures) page.figure(key, b.sum(name));
  page.line();
  for (const auto& [queue, depth] : b.by_label("queue_depth", "queue"))
    page.figure(("queue: " + queue).c_str(), depth);
  for (const auto& [label, up] : labelled(b, "session_up"))
    page.line(fmt::format("  {:<34}{:>14}", "session: " + label, up != 0 ? "up" : "DOWN"));
  for (const auto& [label, ratio] : labelled(b, "rate_budget_remaining_ratio"))
    page.line(fmt::format("  {:<34}{:>12.0f} %", "rate budget left: " + label, ratio * 100));
  return page.str();
}

std::string top_json(const TopLook& before, const TopLook& now, double seconds) {
  const MetricsLook &a = before.metrics, &b = now.metrics;
  JsonObject out, outcomes, acks, latency;
  out.boolean("ready", now.ready)
      .raw("readiness", now.ready_json.starts_with('{') ? now.ready_json : "null")
      .raw("interval_seconds", json_number(seconds));
  for (const auto& [key, name] : rates)
    out.raw(key, counter_json(a.sum(name), b.sum(name), seconds));
  const auto outcomes_before = outcomes_of(a);
  for (const auto& [kind, value] : outcomes_of(b))
    outcomes.raw(kind, counter_json(value_of(outcomes_before, kind), value, seconds));
  const auto acks_before = a.by_label("order_acks_total", "result");
  for (const auto& [result, value] : b.by_label("order_acks_total", "result"))
    acks.raw(result, counter_json(value_of(acks_before, result), value, seconds));
  for (const Latency& l : latencies()) {
    const auto of = [&](const MetricsLook& since, double q) {
      const auto value = quantile_between(since, b, l.name, l.labels, q);
      return value ? json_number(*value) : "null";
    };
    latency.raw(l.key, JsonObject()
                           .raw("p50", of(a, 0.5))
                           .raw("p99", of(a, 0.99))
                           .raw("p999", of(a, 0.999))
                           .raw("p50_total", of({}, 0.5))
                           .raw("p99_total", of({}, 0.99))
                           .str());
  }
  out.raw("outcomes", outcomes.str()).raw("order_acks", acks.str());
  out.raw("latency_seconds_at_most", latency.str());
  for (const auto& [key, name] : figures) out.raw(key, json_number(b.sum(name)));
  return out.raw("queues", gauges_json(b.by_label("queue_depth", "queue")))
      .raw("sessions", gauges_json(labelled(b, "session_up")))
      .raw("rate_budget_remaining_ratio", gauges_json(labelled(b, "rate_budget_remaining_ratio")))
      .str();
}

}  // namespace oneclick
