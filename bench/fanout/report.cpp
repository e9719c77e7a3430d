#include "bench/fanout/report.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace oneclick::bench {

namespace {

std::vector<std::int64_t> values_of(const std::vector<Sample>& samples,
                                    std::int64_t Sample::*member) {
  std::vector<std::int64_t> out;
  for (const Sample& s : samples) out.push_back(s.*member);
  return out;
}

std::string micros(std::int64_t ns) {
  const double us = static_cast<double>(ns) / 1e3;
  return us < 100 ? fmt::format("{:.1f}", us) : fmt::format("{:.0f}", us);
}

std::string summary_json(const Summary& s) {
  return fmt::format(R"({{"p50":{:.3f},"p90":{:.3f},"p99":{:.3f},"max":{:.3f}}})",
                     static_cast<double>(s.p50) / 1e3, static_cast<double>(s.p90) / 1e3,
                     static_cast<double>(s.p99) / 1e3, static_cast<double>(s.max) / 1e3);
}

std::string sender_json(const Rounds& rounds, const std::string& sender) {
  const auto& samples = rounds.by_sender.at(sender);
  std::string raw;
  for (const Sample& s : samples)
    raw +=
        fmt::format("{}[{:.3f},{:.3f},{:.3f},{:.3f}]", raw.empty() ? "" : ",",
                    static_cast<double>(s.first_ns) / 1e3, static_cast<double>(s.median_ns) / 1e3,
                    static_cast<double>(s.last_ns) / 1e3, static_cast<double>(s.lost_ns) / 1e3);
  return fmt::format(
      R"({}:{{"rounds":{},"first_us":{},"median_follower_us":{},"last_us":{},"ratio_to_floor":{:.3f},)"
      R"("samples_us":[{}]}})",
      quoted(sender), samples.size(),
      summary_json(summarize(values_of(samples, &Sample::first_ns))),
      summary_json(summarize(values_of(samples, &Sample::median_ns))),
      summary_json(summarize(values_of(samples, &Sample::last_ns))), ratio_to_floor(rounds, sender),
      raw);
}

}  // namespace

double ratio_to_floor(const Rounds& rounds, const std::string& sender) {
  const auto floor = rounds.by_sender.find("floor");
  const auto other = rounds.by_sender.find(sender);
  if (floor == rounds.by_sender.end() || other == rounds.by_sender.end()) return 0;
  std::vector<double> ratios;
  const std::size_t n = std::min(floor->second.size(), other->second.size());
  for (std::size_t i = 0; i < n; ++i)
    ratios.push_back(static_cast<double>(other->second[i].last_ns) /
                     static_cast<double>(floor->second[i].last_ns));
  return median(std::move(ratios));
}

std::string to_table(const Report& report) {
  std::string out = fmt::format(
      "fan-out, from the leader event to the followers' orders at the exchange, microseconds\n"
      "{}\ncommit {}, {}; cores lost to the host: {:.1f} % before, {:.1f} % after, {:.1f} % "
      "reported\n\n",
      report.machine, report.commit, report.started, 100 * report.lost_share_before,
      100 * report.lost_share_after, 100 * report.stolen_share);
  out +=
      fmt::format("{:>9} {:<7} {:>6} | {:>9} {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} {:>9} | {:>8}\n",
                  "followers", "sender", "rounds", "first p50", "p90", "p99", "max", "last p50",
                  "p90", "p99", "max", "x floor");
  for (const Rounds& rounds : report.sizes) {
    for (const char* sender : {"floor", "plain", "engine"}) {
      const auto found = rounds.by_sender.find(sender);
      if (found == rounds.by_sender.end()) continue;
      const Summary first = summarize(values_of(found->second, &Sample::first_ns));
      const Summary last = summarize(values_of(found->second, &Sample::last_ns));
      out += fmt::format(
          "{:>9} {:<7} {:>6} | {:>9} {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9} {:>9} | {:>8.2f}\n",
          rounds.followers, sender, found->second.size(), micros(first.p50), micros(first.p90),
          micros(first.p99), micros(first.max), micros(last.p50), micros(last.p90),
          micros(last.p99), micros(last.max), ratio_to_floor(rounds, sender));
    }
  }
  for (const std::string& note : report.notes) out += "\n" + note;
  if (!report.notes.empty()) out += "\n";
  return out;
}

std::string to_json(const Report& report) {
  std::string sizes;
  for (const Rounds& rounds : report.sizes) {
    std::string senders;
    for (const auto& [name, samples] : rounds.by_sender)
      senders += (senders.empty() ? "" : ",\n      ") + sender_json(rounds, name);
    sizes += fmt::format("{}\n    {{\"followers\":{},\n      {}}}", sizes.empty() ? "" : ",",
                         rounds.followers, senders);
  }
  std::string notes;
  for (const std::string& note : report.notes) notes += (notes.empty() ? "" : ",") + quoted(note);
  return fmt::format(
      "{{\n  \"benchmark\":\"fanout\",\n  \"commit\":{},\n  \"machine\":{},\n  \"started\":{},\n"
      "  \"cores_lost\":{{\"before\":{:.4f},\"after\":{:.4f},\"reported\":{:.4f}}},\n"
      "  \"samples\":\"first, median follower, last, lost by the receiver; microseconds\",\n"
      "  \"notes\":[{}],\n  \"sizes\":[{}\n  ]\n}}\n",
      quoted(report.commit), quoted(report.machine), quoted(report.started),
      report.lost_share_before, report.lost_share_after, report.stolen_share, notes, sizes);
}

}  // namespace oneclick::bench
