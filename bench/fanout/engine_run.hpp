// The engine under measurement: the real daemon in its own process, with a real PostgreSQL, real
// ingress and the receiver as its exchange. One leader for each size of fan-out, each with
// followers of their own, so that one daemon serves all sizes.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "bench/fanout/receiver.hpp"

namespace oneclick::bench {

struct EngineOptions {
  std::string program;  // the oneclick binary
  std::string dir;      // holds the receiver's ca.pem; everything else is made below it
  std::uint16_t receiver_port = 0;
  std::vector<std::size_t> sizes;  // followers by leader
  std::string mode;                // spin | block
};

class EngineRun {
 public:
  // Returns when every account is reconciled and the daemon can trade.
  [[nodiscard]] static std::expected<std::unique_ptr<EngineRun>, std::string> start(
      const EngineOptions& options, Receiver& receiver);
  virtual ~EngineRun() = default;

  // Has the leader of this size trade; the result is CLOCK_MONOTONIC just before the event was
  // written to the ingress connection.
  [[nodiscard]] virtual std::expected<std::int64_t, std::string> trade(std::size_t size_index) = 0;
  // Until nothing is under way any more: outcomes written, orders complete, the sink caught up.
  [[nodiscard]] virtual std::expected<void, std::string> wait_quiet() = 0;
  // What the daemon decided so far, for the message when a round went wrong.
  [[nodiscard]] virtual std::string explain() = 0;
  // Halts the daemon while another sender is measured, so that its spinning does not disturb.
  virtual void halt() = 0;
  virtual void go_on() = 0;
  // Checks made in the database at the end: every event has all its outcomes, every order its row.
  [[nodiscard]] virtual std::expected<std::string, std::string> check_books() = 0;
  [[nodiscard]] virtual std::uint64_t memory_bytes_max() const = 0;
};

}  // namespace oneclick::bench
