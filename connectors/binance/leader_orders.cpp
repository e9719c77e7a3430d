#include "connectors/binance/leader_orders.hpp"

#include "engine/domain/identity.hpp"

namespace oneclick::binance {

bool rests(std::string_view type, std::string_view time_in_force) {
  return (type == "LIMIT" && time_in_force == "GTC") || type == "LIMIT_MAKER";
}

std::optional<LeaderOrderChange> change_of(const ExecutionReport& report) {
  if (!rests(report.type, report.time_in_force)) return std::nullopt;
  LeaderOrderChange out{};
  switch (report.execution) {
    case ExecutionType::created:
      out.kind = LeaderEventKind::order_placed;
      break;
    case ExecutionType::replaced:
      out.kind = LeaderEventKind::order_amended;
      break;
    case ExecutionType::cancelled:
    case ExecutionType::expired:
    case ExecutionType::rejected:
    case ExecutionType::trade_prevention:
      if (!is_final(report.state)) return std::nullopt;
      out.kind = LeaderEventKind::order_cancelled;
      break;
    case ExecutionType::trade:
      return std::nullopt;
  }
  const auto quantity = Decimal::parse(report.quantity);
  const auto price = Decimal::parse(report.price);
  if (!quantity || !price || !quantity->is_positive() || !price->is_positive()) return std::nullopt;
  out.quantity = *quantity;
  out.price = *price;
  out.time_ms = report.transaction_ms;
  return out;
}

std::vector<LeaderOrderChange> changes_of(const OrderRow& row,
                                          const std::vector<AmendmentRow>& amendments) {
  std::vector<LeaderOrderChange> out;
  if (!rests(row.type, row.time_in_force) || !row.quantity.is_positive() ||
      !row.price.is_positive() || row.created_ms <= 0)
    return out;
  const Decimal first = amendments.empty() ? row.quantity : amendments.front().quantity_before;
  out.push_back({LeaderEventKind::order_placed, first, row.price, row.created_ms});
  for (const AmendmentRow& a : amendments)
    out.push_back({LeaderEventKind::order_amended, a.quantity, row.price, a.time_ms});
  // That fills have ended it is told by the fills.
  if (row.state == OrderState::cancelled || row.state == OrderState::rejected)
    out.push_back({LeaderEventKind::order_cancelled, row.quantity, row.price, row.time_ms});
  return out;
}

EventId event_id_of(AccountId account, std::string_view order_id, const LeaderOrderChange& change) {
  const bool amended = change.kind == LeaderEventKind::order_amended;
  return leader_order_event_id(Venue::binance, account, order_id, change.kind,
                               amended ? static_cast<std::int64_t>(change.quantity.e8()) : 0);
}

}  // namespace oneclick::binance
