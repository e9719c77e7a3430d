#include "connectors/paper/faults.hpp"

#include <array>
#include <utility>

namespace oneclick::paper {

namespace {

constexpr std::array<std::pair<std::string_view, FaultKind>, 11> names{{
    {"lost_ack", FaultKind::lost_ack},
    {"late_ack", FaultKind::late_ack},
    {"reject", FaultKind::reject},
    {"server_error", FaultKind::server_error},
    {"throttle", FaultKind::throttle},
    {"ban", FaultKind::ban},
    {"disconnect_before", FaultKind::disconnect_before},
    {"disconnect_after", FaultKind::disconnect_after},
    {"duplicate_report", FaultKind::duplicate_report},
    {"reorder_reports", FaultKind::reorder_reports},
    {"silent_stream", FaultKind::silent_stream},
}};

bool concerns_events(FaultKind kind) {
  return kind == FaultKind::duplicate_report || kind == FaultKind::reorder_reports ||
         kind == FaultKind::silent_stream;
}

}  // namespace

std::optional<FaultKind> fault_kind_from_text(std::string_view text) {
  for (const auto& [name, kind] : names)
    if (name == text) return kind;
  return std::nullopt;
}

std::optional<Fault> Faults::strike(const std::string& account, const std::string& client_order_id,
                                    bool on_events) {
  for (Fault& f : faults_) {
    if (concerns_events(f.kind) != on_events || f.count == 0) continue;
    if (!f.account.empty() && f.account != account) continue;
    if (!f.client_order_id.empty() && f.client_order_id != client_order_id) continue;
    if (f.probability < 1 && std::uniform_real_distribution<>(0, 1)(random_) >= f.probability)
      continue;
    if (f.count > 0) --f.count;
    return f;
  }
  return std::nullopt;
}

}  // namespace oneclick::paper
