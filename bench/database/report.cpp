#include "bench/database/report.hpp"

#include <fmt/format.h>

namespace oneclick::bench {

namespace {

double ms(std::int64_t ns) {
  return static_cast<double>(ns) * 1e-6;
}

std::vector<double> rates(const DatabaseReport& report, double RaceRound::*who) {
  std::vector<double> out;
  for (const RaceRound& round : report.rounds) out.push_back(round.*who);
  return out;
}

std::string load_text(const DatabaseReport& r) {
  return fmt::format(
      "{} rows in {:.0f} s ({:.0f} a second, all indexes and constraints on, fsync off), VACUUM "
      "ANALYZE {:.0f} s",
      r.load.rows, r.load.seconds, static_cast<double>(r.load.rows) / r.load.seconds,
      r.load.vacuum_seconds);
}

std::string query_json(const QueryFigures& q) {
  return fmt::format(
      R"({{"index":{},"used":{},"uses_it":{},"rows":{},"ms":{{"p50":{:.3f},"p90":{:.3f},)"
      R"("p99":{:.3f},"max":{:.3f}}}}})",
      quoted(q.index), quoted(q.used), q.uses_it, q.rows, ms(q.summary.p50), ms(q.summary.p90),
      ms(q.summary.p99), ms(q.summary.max));
}

}  // namespace

double sink_share(const DatabaseReport& report) {
  const double copy = median(rates(report, &RaceRound::copy));
  return copy > 0 ? median(rates(report, &RaceRound::sink)) / copy : 0;
}

std::vector<std::string> failures(const DatabaseReport& report) {
  std::vector<std::string> out;
  for (const QueryFigures& q : report.queries) {
    if (!q.uses_it) out.push_back(fmt::format("{}: the plan uses {}", q.index, q.used));
    if (q.summary.p99 >= query_ns_max)
      out.push_back(fmt::format("{}: {:.2f} ms at p99, to be below {:.0f} ms", q.index,
                                ms(q.summary.p99), ms(query_ns_max)));
  }
  if (sink_share(report) < sink_share_min)
    out.push_back(fmt::format("sink: {:.1f} % of COPY, to be at least {:.0f} %",
                              100 * sink_share(report), 100 * sink_share_min));
  if (report.follows.per_second < follows_min)
    out.push_back(fmt::format("follows: {:.0f} a second, to be at least {:.0f}",
                              report.follows.per_second, follows_min));
  return out;
}

std::string to_table(const DatabaseReport& r) {
  std::string out = fmt::format(
      "database: {} users, {} trades, {} prices ({}); {:.1f} GB\n{}\n{}\ncommit {}, {}\n{}\n\n",
      r.sizes.users, r.sizes.trades, r.sizes.prices, r.storage,
      static_cast<double>(r.database_bytes) * 1e-9, r.machine, r.server, r.commit, r.started,
      load_text(r));
  out += fmt::format("{:<50} {:>5} {:>8} {:>8} {:>8} {:>8}\n", "query behind, warm, milliseconds",
                     "used", "p50", "p90", "p99", "max");
  for (const QueryFigures& q : r.queries)
    out += fmt::format("{:<50} {:>5} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}\n", q.index,
                       q.uses_it ? "yes" : "NO", ms(q.summary.p50), ms(q.summary.p90),
                       ms(q.summary.p99), ms(q.summary.max));
  out += fmt::format(
      "\n{} trades a round, each with {} rows of history and its outcome; trades a second, median "
      "of {} rounds\nsink, from the journal {:>9.0f}\nbare COPY              {:>9.0f}\n"
      "sink / COPY            {:>8.1f} %\n",
      r.burst.trades(), history_a_trade, r.rounds.size(), median(rates(r, &RaceRound::sink)),
      median(rates(r, &RaceRound::copy)), 100 * sink_share(r));
  out += fmt::format("\n{} writers following one user: {:.0f} follows a second, {} in all\n",
                     r.follows.writers, r.follows.per_second, r.follows.follows);
  return out;
}

std::string to_json(const DatabaseReport& r) {
  std::string queries, rounds;
  for (const QueryFigures& q : r.queries)
    queries += (queries.empty() ? "\n    " : ",\n    ") + query_json(q);
  for (const RaceRound& round : r.rounds)
    rounds += fmt::format("{}[{:.1f},{:.1f}]", rounds.empty() ? "" : ",", round.sink, round.copy);
  return fmt::format(
      "{{\n  \"benchmark\":\"database\",\n  \"commit\":{},\n  \"machine\":{},\n  \"server\":{},\n"
      "  \"started\":{},\n  \"scale\":{},\n  \"time_series\":{},\n"
      "  \"rows\":{{\"users\":{},\"trades\":{},\"prices\":{}}},\n  \"database_bytes\":{},\n"
      "  \"load\":{{\"rows\":{},\"seconds\":{:.1f},\"vacuum_seconds\":{:.1f},\"fsync\":false}},\n"
      "  \"queries\":[{}\n  ],\n"
      "  \"sink\":{{\"trades_a_round\":{},\"history_a_trade\":{},\"trades_per_second\":{:.1f},"
      "\"copy_trades_per_second\":{:.1f},\"share\":{:.4f},\n    \"rounds_sink_copy\":[{}]}},\n"
      "  \"follows\":{{\"writers\":{},\"follows\":{},\"per_second\":{:.1f}}}\n}}\n",
      quoted(r.commit), quoted(r.machine), quoted(r.server), quoted(r.started), r.scale,
      quoted(r.storage), r.sizes.users, r.sizes.trades, r.sizes.prices, r.database_bytes,
      r.load.rows, r.load.seconds, r.load.vacuum_seconds, queries, r.burst.trades(),
      history_a_trade, median(rates(r, &RaceRound::sink)), median(rates(r, &RaceRound::copy)),
      sink_share(r), rounds, r.follows.writers, r.follows.follows, r.follows.per_second);
}

}  // namespace oneclick::bench
