#include "connectors/ingress/record_json.hpp"

#include <fmt/format.h>

#include "connectors/ingress/problem.hpp"

namespace oneclick::ingress {
namespace {

std::string id_or_null(const Uuid& id) {
  return id.is_nil() ? "null" : '"' + id.to_text() + '"';
}

std::string outcome_json(const OutcomeRecord& o) {
  return fmt::format(
      R"({{"op":"outcome","event_id":"{}","link_id":"{}","outcome":"{}","reason":"{}","binding_cap":"{}",)"
      R"("rank":{},"wanted_qty":"{}","sent_qty":"{}","residual_qty":"{}","trade_id":{},)"
      R"("ingest_to_wire_ns":{}}})",
      o.event.to_text(), o.link.to_text(), to_text(o.outcome), to_text(o.reason), to_text(o.cap),
      o.rank, o.wanted_quantity.to_text(), o.sent_quantity.to_text(), o.residual_quantity.to_text(),
      id_or_null(o.order.value), o.ingest_to_wire_ns);
}

std::string order_json(const OrderRecord& o) {
  std::string out = fmt::format(
      R"({{"op":"order","trade_id":"{}","event_id":"{}","link_id":"{}","user_id":"{}","change":{},)"
      R"("status":"{}","unknown":{},"reason":"{}","side":"{}",)",
      o.key.to_text(), o.event.to_text(), o.link.to_text(), o.user.to_text(), o.change,
      to_text(o.status), o.unknown, to_text(o.reason), to_text(o.side));
  append_field(out, "asset_symbol", o.symbol.view());
  out += ',';
  append_field(out, "order_id", o.venue_order_id.view());
  return out + fmt::format(
                   R"(,"quantity":"{}","price":"{}","filled_quantity":"{}","filled_quote":"{}"}})",
                   o.quantity.to_text(), o.price.to_text(), o.filled_quantity.to_text(),
                   o.filled_quote.to_text());
}

std::string fill_json(const FillRecord& f) {
  std::string out =
      fmt::format(R"({{"op":"fill","trade_id":"{}","link_id":"{}","user_id":"{}","side":"{}",)",
                  f.order.to_text(), f.link.to_text(), f.user.to_text(), to_text(f.side));
  append_field(out, "asset_symbol", f.symbol.view());
  out += ',';
  append_field(out, "venue_trade_id", f.trade_id.view());
  out += fmt::format(R"(,"quantity":"{}","price":"{}","fee":"{}",)", f.quantity.to_text(),
                     f.price.to_text(), f.fee.to_text());
  append_field(out, "fee_asset", f.fee_asset.view());
  return out + '}';
}

}  // namespace

std::string record_json(const Record& record) {
  switch (record.kind) {
    case RecordKind::outcome:
      return outcome_json(record.outcome);
    case RecordKind::order:
      return order_json(record.order);
    case RecordKind::fill:
      return fill_json(record.fill);
    case RecordKind::leader_event:
    case RecordKind::external_fill:
    case RecordKind::instrument:
    case RecordKind::kill_switch:
    case RecordKind::account_state:
    case RecordKind::link_halt:
    case RecordKind::quarantine:
    case RecordKind::scope_halt:
      return {};
  }
  return {};
}

std::array<UserId, 2> record_users(const Record& record) {
  if (record.kind == RecordKind::order) return {record.order.user, record.order.copied_from};
  if (record.kind == RecordKind::fill) return {record.fill.user, UserId{}};
  return {};
}

EventId record_event(const Record& record) {
  if (record.kind == RecordKind::outcome) return record.outcome.event;
  if (record.kind == RecordKind::order) return record.order.event;
  return {};
}

}  // namespace oneclick::ingress
