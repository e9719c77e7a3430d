#include "connectors/paper/faults.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

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

std::string_view name_of(FaultKind kind) {
  return std::ranges::find(names, kind, &std::pair<std::string_view, FaultKind>::second)->first;
}

bool concerns_events(FaultKind kind) {
  return kind == FaultKind::duplicate_report || kind == FaultKind::reorder_reports ||
         kind == FaultKind::silent_stream;
}

constexpr std::string_view any_operation = "any";
constexpr std::string_view all_queries = "queries";
constexpr std::array<std::string_view, 7> changes{"order.place",
                                                  "order.test",
                                                  "order.cancel",
                                                  "openOrders.cancelAll",
                                                  "orderList.place.oco",
                                                  "orderList.cancel",
                                                  "order.amend.keepPriority"};
constexpr std::array<std::string_view, 17> queries{"order.status",
                                                   "openOrders.status",
                                                   "allOrders",
                                                   "account.status",
                                                   "myTrades",
                                                   "ping",
                                                   "time",
                                                   "exchangeInfo",
                                                   "depth",
                                                   "ticker.book",
                                                   "ticker.price",
                                                   "ticker.24hr",
                                                   "orderList.status",
                                                   "openOrderLists.status",
                                                   "allOrderLists",
                                                   "avgPrice",
                                                   "order.amendments"};

bool strikes(const Fault& fault, std::string_view operation) {
  if (fault.operation == any_operation) return true;
  if (fault.operation == all_queries) return std::ranges::count(queries, operation) != 0;
  return fault.operation == operation;
}

}  // namespace

std::optional<FaultKind> fault_kind_from_text(std::string_view text) {
  for (const auto& [name, kind] : names)
    if (name == text) return kind;
  return std::nullopt;
}

void Faults::replace(std::vector<Fault> faults) {
  faults_ = std::move(faults);
  struck_.clear();
}

std::string Faults::struck_json() const {
  std::string out;
  for (const auto& [name, count] : struck_)
    out += fmt::format(R"({}"{}":{})", out.empty() ? "" : ",", name, count);
  return "{" + out + "}";
}

bool is_fault_operation(std::string_view text) {
  return text == any_operation || text == all_queries || std::ranges::count(changes, text) != 0 ||
         std::ranges::count(queries, text) != 0;
}

template <typename Concerns>
std::optional<Fault> Faults::strike(const std::string& account,
                                    const std::vector<std::string>& client_ids, Concerns concerns) {
  for (Fault& f : faults_) {
    if (f.count == 0 || !concerns(f)) continue;
    if (!f.account.empty() && f.account != account) continue;
    if (!f.client_order_id.empty() && std::ranges::count(client_ids, f.client_order_id) == 0)
      continue;
    if (f.probability < 1 && std::uniform_real_distribution<>(0, 1)(random_) >= f.probability)
      continue;
    if (f.count > 0) --f.count;
    ++struck_[name_of(f.kind)];
    return f;
  }
  return std::nullopt;
}

std::optional<Fault> Faults::strike_request(const std::string& operation,
                                            const std::string& account,
                                            const std::vector<std::string>& client_ids) {
  return strike(account, client_ids,
                [&](const Fault& f) { return !concerns_events(f.kind) && strikes(f, operation); });
}

std::optional<Fault> Faults::strike_events(const std::string& account,
                                           const std::string& client_order_id) {
  return strike(account, {client_order_id}, [](const Fault& f) { return concerns_events(f.kind); });
}

}  // namespace oneclick::paper
