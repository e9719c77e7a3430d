// Scripted misbehaviour: what real venues do on bad days, on demand.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace oneclick::paper {

enum class FaultKind : std::uint8_t {
  lost_ack,           // processed; the answer is never sent
  late_ack,           // processed; the answer comes delay_ms later
  reject,             // not processed; refused with code and message
  server_error,       // processed; answered with status 500 and "Unknown error"
  throttle,           // not processed; 429 with a Retry-After of delay_ms
  ban,                // not processed; 418 with a Retry-After of delay_ms
  disconnect_before,  // not processed; the connection is cut
  disconnect_after,   // processed; the connection is cut instead of an answer
  // These strike an order's reports, whatever its operation:
  duplicate_report,  // every account event of the order is sent twice
  reorder_reports,   // the order's account events are sent in reverse
  silent_stream,     // the account's events are not sent at all
};
[[nodiscard]] std::optional<FaultKind> fault_kind_from_text(std::string_view text);
// Whether a fault can be put on this: an operation's name, "queries" or "any".
[[nodiscard]] bool is_fault_operation(std::string_view text);

struct Fault {
  FaultKind kind;
  std::string account;          // empty: any
  std::string client_order_id;  // empty: any; of the order placed, cancelled or asked for
  // What it strikes: the WebSocket API's name of an operation, "queries" (whatever changes
  // nothing), or "any".
  std::string operation = "order.place";
  std::int64_t count = -1;  // how often it strikes; -1: without end
  double probability = 1;
  int code = -2010;  // of reject
  std::string message = "Account has insufficient balance for requested action.";
  std::int64_t delay_ms = 1'000;
};

class Faults {
 public:
  Faults(std::vector<Fault> faults, std::uint64_t seed)
      : faults_(std::move(faults)), random_(seed) {}
  void replace(std::vector<Fault> faults);
  // How often each kind struck since the faults were replaced, as a JSON object.
  [[nodiscard]] std::string struck_json() const;
  // The first that strikes this request of this account (empty: nobody's), which is about any of
  // these orders; counts it.
  [[nodiscard]] std::optional<Fault> strike_request(const std::string& operation,
                                                    const std::string& account,
                                                    const std::vector<std::string>& client_ids);
  // The first that strikes what the account is told of this order; counts it.
  [[nodiscard]] std::optional<Fault> strike_events(const std::string& account,
                                                   const std::string& client_order_id);

 private:
  template <typename Concerns>
  std::optional<Fault> strike(const std::string& account,
                              const std::vector<std::string>& client_ids, Concerns concerns);

  std::vector<Fault> faults_;
  std::map<std::string_view, std::int64_t> struck_;  // by the kind's name
  std::mt19937_64 random_;
};

}  // namespace oneclick::paper
