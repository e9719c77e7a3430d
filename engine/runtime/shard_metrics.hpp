// What a shard counts. Series are shared by all shards of the process: sums are what operators
// watch.
#pragma once

#include <array>

#include "engine/base/metrics.hpp"
#include "engine/domain/record.hpp"

namespace oneclick {

class ShardMetrics {
 public:
  explicit ShardMetrics(Metrics& metrics);
  void on_leader_event(EventSource source) {
    leader_events_[static_cast<std::size_t>(source)]->add();
  }
  void on_outcome(const OutcomeRecord& outcome);

  Histogram& fanout_first;    // leader event's arrival to the first order handed to the network
  Histogram& fanout_last;     // ... to the last
  Histogram& stage_queue;     // arrival to the shard taking it
  Histogram& stage_fanout;    // taking it to the last order handed to the network
  Histogram& stage_wire_ack;  // an order's last byte handed over to its first answer

 private:
  static constexpr std::size_t outcome_kinds = 7;
  std::array<Counter*, 7> leader_events_{};
  std::array<std::array<Counter*, reason_count>, outcome_kinds> outcomes_{};
};

}  // namespace oneclick
