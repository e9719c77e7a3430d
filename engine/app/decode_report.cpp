#include <fmt/format.h>
#include <simdjson.h>

#include "engine/app/demo_report.hpp"

namespace oneclick::demo {

namespace {

using Object = simdjson::dom::object;

std::int64_t count(const Object& o, const char* name) {
  return std::int64_t{o[name]};
}

std::string latency_line(const char* title, const Object& figures) {
  return fmt::format("  {:<22}{:>10.1f} {:>10.1f} {:>10.1f}\n", title, double{figures["p50"]},
                     double{figures["p99"]}, double{figures["max"]});
}

std::string report(const Object& o, std::size_t followers, double seconds) {
  std::string out = "\n";
  const auto line = [&](const char* title, std::int64_t value) {
    out += fmt::format("  {:<28}{:>12}\n", title, value);
  };
  line("followers", static_cast<std::int64_t>(followers));
  out += fmt::format("  {:<28}{:>12.1f}\n", "seconds of trading", seconds);
  line("leader events", count(o, "leader_events"));
  line("links matched", count(o, "links_matched"));
  line("outcomes", count(o, "outcome_rows"));
  for (const auto [name, value] : Object(o["outcomes"]))
    out += fmt::format("    {:<26}{:>12}\n", name, std::int64_t{value});
  line("orders", count(o, "orders"));
  line("fills", count(o, "fills"));
  line("trades rows", count(o, "trades_rows"));
  line("trade_history rows", count(o, "trade_history_rows"));
  line("orders on the exchange", count(o, "ledger_orders"));
  line("fills on the exchange", count(o, "ledger_fills"));
  out += fmt::format("\n  {:<22}{:>10} {:>10} {:>10}\n", "leader event to, in us", "p50", "p99",
                     "max");
  out += latency_line("first follower's order", Object(o["fanout_first_us"]));
  out += latency_line("last follower's order", Object(o["fanout_last_us"]));
  out += fmt::format(
      "\n  tracking error against exact proportion: at most {:.3f} lots, over {} links\n",
      double{o["tracking_error_lots_max"]}, count(o, "tracked_links"));
  const bool agree = bool{o["books_agree"]};
  out += fmt::format("  the books {}\n", agree ? "agree" : "DO NOT AGREE");
  for (const std::string_view d : simdjson::dom::array(o["disagreements"]))
    out += fmt::format("    {}\n", d);
  return out;
}

}  // namespace

std::expected<std::string, std::string> report_text(const std::string& books_json,
                                                    std::size_t followers, double seconds) {
  try {
    simdjson::dom::parser parser;
    return report(parser.parse(books_json), followers, seconds);
  } catch (const simdjson::simdjson_error& e) {
    return std::unexpected(std::string("the comparison's report is not readable: ") + e.what());
  }
}

}  // namespace oneclick::demo
