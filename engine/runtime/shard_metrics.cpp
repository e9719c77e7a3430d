#include "engine/runtime/shard_metrics.hpp"

namespace oneclick {

namespace {

constexpr std::string_view stage_help = "Time spent between two points of an order's way.";

Histogram& stage(Metrics& metrics, const char* name) {
  return metrics.histogram("stage_seconds", std::string(stage_help), {{"stage", name}});
}

}  // namespace

ShardMetrics::ShardMetrics(Metrics& metrics)
    : fanout_first(
          metrics.histogram("fanout_first_seconds",
                            "Leader event's arrival to its first order handed to the network.")),
      fanout_last(
          metrics.histogram("fanout_last_seconds",
                            "Leader event's arrival to its last order handed to the network.")),
      stage_queue(stage(metrics, "queue")),
      stage_fanout(stage(metrics, "fanout")),
      stage_wire_ack(stage(metrics, "wire_ack")) {
  for (std::size_t s = 1; s < leader_events_.size(); ++s)
    leader_events_[s] =
        &metrics.counter("leader_events_total", "Leader events accepted.",
                         {{"source", std::string(to_text(static_cast<EventSource>(s)))}});
  for (std::size_t o = 1; o < outcome_kinds; ++o)
    for (std::size_t r = 0; r < static_cast<std::size_t>(reason_count); ++r)
      outcomes_[o][r] =
          &metrics.counter("copy_outcomes_total", "Outcomes of leader events by matched link.",
                           {{"outcome", std::string(to_text(static_cast<Outcome>(o)))},
                            {"reason", std::string(to_text(static_cast<Reason>(r)))}});
}

void ShardMetrics::on_outcome(const OutcomeRecord& outcome) {
  outcomes_[static_cast<std::size_t>(outcome.outcome)][static_cast<std::size_t>(outcome.reason)]
      ->add();
}

}  // namespace oneclick
