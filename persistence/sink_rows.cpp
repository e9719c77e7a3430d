#include "persistence/sink_rows.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"
#include "engine/domain/identity.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

// One shard gives the order of leader events that a reader of the table sees.
constexpr std::uint16_t seq_shard = 0;
constexpr std::int64_t usd_rate_bucket_ns = 600'000'000'000;  // as engine.usd_rates says

struct UuidHash {
  std::size_t operator()(const Uuid& u) const { return hash_of(u); }
};

struct LeaderRow {
  const Record* record;
  std::int64_t links_matched;
};

std::string_view venue_or_null(Venue venue) {
  return venue == Venue::none ? "" : to_text(venue);
}
std::string_view side_or_null(Side side) {
  return side == Side::buy || side == Side::sell ? to_text(side) : "";
}
std::string_view text_of(UpdateSource source) {
  switch (source) {
    case UpdateSource::reply:
      return "reply";
    case UpdateSource::stream:
      return "stream";
    case UpdateSource::query:
      return "query";
    case UpdateSource::gate:
      return "gate";
  }
  return "?";
}
std::string_view text_of(TradingStatus status) {
  switch (status) {
    case TradingStatus::trading:
      return "trading";
    case TradingStatus::cancel_only:
      return "cancel_only";
    case TradingStatus::halted:
      return "halted";
  }
  return "?";
}

void put_leader_event(CopyRows& rows, const LeaderRow& row) {
  const LeaderEvent& e = row.record->leader_event.event;
  rows.begin_row(15);
  rows.uuid(e.id.value);
  if (row.record->shard == seq_shard)
    rows.int8(static_cast<std::int64_t>(row.record->cause_seq));
  else
    rows.null();
  rows.text(to_text(e.source));
  rows.uuid(e.leader.value);
  rows.uuid(e.channel.value);
  rows.uuid(e.signal.value);
  rows.text_or_null(venue_or_null(e.venue));
  rows.text(e.symbol.view());
  rows.text(to_text(e.kind));
  rows.text_or_null(side_or_null(e.side));
  rows.numeric_or_null(e.quantity);
  rows.numeric_or_null(e.price);
  rows.time(e.event_time_ns);
  rows.time(row.record->leader_event.accepted_ns);
  rows.int4(static_cast<std::int32_t>(row.links_matched));
}

// When its first byte was read, and what its shard saw of the market as it took it.
void put_event_touch(CopyRows& rows, const LeaderEvent& e) {
  rows.begin_row(6);
  rows.uuid(e.id.value);
  rows.time_or_null(e.received_ns);
  rows.numeric_or_null(e.touch.bid);
  rows.numeric_or_null(e.touch.ask);
  rows.time_or_null(e.touch.time_ns);
  rows.numeric(e.base_fee);
}

bool is_ingress_signal(const LeaderEvent& e) {
  const bool concerns =
      e.kind == LeaderEventKind::signal_published || e.kind == LeaderEventKind::signal_closed;
  return concerns && e.source != EventSource::database && !e.signal.is_nil();
}

std::string_view signal_type_text(SignalType type) {
  switch (type) {
    case SignalType::none:
      return "";
    case SignalType::buy:
      return "buy";
    case SignalType::sell:
      return "sell";
    case SignalType::hold:
      return "hold";
  }
  return "";
}

void put_signal(CopyRows& rows, const LeaderEvent& e) {
  rows.begin_row(11);
  rows.uuid(e.signal.value);
  rows.uuid(e.channel.value);
  rows.uuid(e.leader.value);
  rows.text(signal_type_text(e.signal_type));
  rows.text(e.symbol.view());
  rows.numeric_or_null(e.price);
  rows.numeric_or_null(e.stop_loss);
  rows.numeric_or_null(e.take_profit);
  rows.numeric_or_null(e.quantity);
  rows.time(e.event_time_ns);
  rows.boolean(e.kind == LeaderEventKind::signal_closed);
}

void put_outcome(CopyRows& rows, const OutcomeRecord& o) {
  rows.begin_row(12);
  rows.uuid(o.event.value);
  rows.uuid(o.link.value);
  rows.text(to_text(o.outcome));
  rows.text_or_null(o.reason == Reason::none ? "" : to_text(o.reason));
  rows.int4(static_cast<std::int32_t>(o.rank));
  rows.numeric(o.wanted_quantity);
  rows.numeric(o.sent_quantity);
  rows.numeric(o.residual_quantity);
  rows.uuid(o.order.value);
  rows.text_or_null(o.cap == Cap::none ? "" : to_text(o.cap));
  rows.int8_or_null(o.ingest_to_wire_ns);
  rows.time(o.created_ns);
}

void put_trade(CopyRows& rows, const OrderRecord& o) {
  rows.begin_row(21);
  rows.uuid(o.key.value);
  rows.uuid(o.user.value);
  rows.uuid(o.portfolio.value);
  rows.uuid(o.account.value);
  rows.text_or_null(o.venue_order_id.view());
  rows.text(to_text(o.type));
  rows.text(to_text(o.side));
  rows.text(o.symbol.view());
  rows.numeric(o.quantity);
  rows.numeric_or_null(o.type == OrderType::market ? Decimal{} : o.price);
  rows.numeric(o.filled_quantity);
  if (o.filled_quantity.is_zero())
    rows.null();
  else
    rows.numeric(div(o.filled_quote, o.filled_quantity, Round::nearest));
  if (o.has_value_usd)
    rows.numeric(o.value_usd);
  else
    rows.null();
  if (o.has_fees_usd)
    rows.numeric(o.fees_usd);
  else
    rows.null();
  rows.text(to_text(o.status));
  rows.text(o.signal.is_nil() ? "copy_trade" : "signal");
  rows.uuid(o.signal.value);
  rows.uuid(o.copied_from.value);
  rows.time_or_null(o.executed_ns);
  rows.time(o.created_ns);
  rows.time(o.updated_ns);
}

// Appends `,"name":"value"` unless the value is empty.
void add_field(std::string& json, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  json += fmt::format("{}\"{}\":\"{}\"", json.size() > 1 ? "," : "", name, json_escaped(value));
}
void add_plain(std::string& json, std::string_view name, std::string_view value) {
  json += fmt::format("{}\"{}\":{}", json.size() > 1 ? "," : "", name, value);
}

// The first state of an order says what it was made for: its later ones and its fills go without.
std::string state_response(const OrderRecord& o) {
  std::string json = "{";
  if (o.change == 0) {
    add_field(json, "event_id", o.event.to_text());
    add_field(json, "link_id", o.link.to_text());
  }
  add_field(json, "source", text_of(o.source));
  add_field(json, "order_id", o.venue_order_id.view());
  if (o.unknown) add_plain(json, "unknown", "true");
  if (o.alarm) add_plain(json, "alarm", "true");
  if (o.reason != Reason::none) add_field(json, "reason", to_text(o.reason));
  if (o.venue_code != 0) add_plain(json, "code", fmt::format("{}", o.venue_code));
  add_field(json, "message", o.message.view());
  add_field(json, "filled_quantity", o.filled_quantity.to_text());
  add_field(json, "filled_quote", o.filled_quote.to_text());
  return json + "}";
}

std::string fill_response(const FillRecord& f) {
  std::string json = "{";
  add_field(json, "source", text_of(f.source));
  add_field(json, "order_id", f.venue_order_id.view());
  add_field(json, "trade_id", f.trade_id.view());
  add_plain(json, "maker", f.maker ? "true" : "false");
  add_field(json, "fee", f.fee.to_text());
  add_field(json, "fee_asset", f.fee_asset.view());
  add_field(json, "base_fee", f.base_fee.to_text());
  if (f.quote_usd.is_positive()) add_field(json, "quote_usd", f.quote_usd.to_text());
  if (f.fee_usd.is_positive()) add_field(json, "fee_asset_usd", f.fee_usd.to_text());
  return json + "}";
}

void put_state(CopyRows& rows, const OrderRecord& o) {
  rows.begin_row(7);
  rows.uuid(state_row_id(o.key, o.change, o.updated_ns));
  rows.uuid(o.key.value);
  rows.text(to_text(o.status));
  rows.numeric_or_null(o.type == OrderType::market ? Decimal{} : o.price);
  rows.numeric(o.quantity);
  rows.time(o.updated_ns);
  rows.jsonb(state_response(o));
}

void put_fill(CopyRows& rows, const Uuid& id, const FillRecord& f, std::int64_t time_ns) {
  rows.begin_row(7);
  rows.uuid(id);
  rows.uuid(f.order.value);
  rows.text("fill");
  rows.numeric(f.price);
  rows.numeric(f.quantity);
  rows.time(time_ns);
  rows.jsonb(fill_response(f));
}

void put_external_fill(CopyRows& rows, const ExternalFillRecord& f, std::int64_t time_ns) {
  rows.begin_row(8);
  rows.uuid(f.account.value);
  rows.text(f.symbol.view());
  rows.text(f.trade_id.view());
  rows.text_or_null(f.venue_order_id.view());
  rows.text(to_text(f.side));
  rows.numeric(f.quantity);
  rows.numeric(f.price);
  rows.time(f.venue_time_ns != 0 ? f.venue_time_ns : time_ns);
}

void put_instrument(CopyRows& rows, const Instrument& i, std::int64_t time_ns) {
  rows.begin_row(22);
  rows.text(to_text(i.venue));
  rows.text(i.symbol.view());
  rows.text(i.venue_symbol.view());
  rows.text(text_of(i.status));
  rows.text(i.base.view());
  rows.text(i.quote.view());
  for (const Decimal d : {i.price_tick, i.price_min, i.price_max, i.lot_step, i.quantity_min,
                          i.quantity_max, i.market_lot_step, i.market_quantity_min,
                          i.market_quantity_max, i.notional_min, i.notional_max})
    rows.numeric(d);
  rows.boolean(i.notional_min_at_market);
  rows.time(time_ns);
  rows.text(to_text(i.kind));
  rows.numeric(i.leverage_max_e2 == 0
                   ? Decimal::from_integer(1)
                   : scale_by(Decimal::from_integer(i.leverage_max_e2), 1, 100, Round::down));
  rows.numeric(i.contract_size.is_zero() ? Decimal::from_integer(1) : i.contract_size);
}

void put_kill_switch(CopyRows& rows, const KillSwitch& k, std::int64_t time_ns) {
  rows.begin_row(6);
  rows.boolean(k.on);
  rows.text_or_null(venue_or_null(k.venue));
  rows.uuid(k.leader.value);
  rows.uuid(k.follower.value);
  rows.text_or_null(k.symbol.view());
  rows.time(time_ns);
}

void put_link_halt(CopyRows& rows, const LinkHaltRecord& h) {
  rows.begin_row(9);
  rows.uuid(h.link.value);
  rows.uuid(h.follower.value);
  rows.boolean(h.halted);
  rows.text_or_null(to_text(h.reason));
  rows.text_or_null(to_text(h.action));
  rows.numeric(h.limit_usd);
  rows.numeric(h.from_usd);
  rows.numeric(h.profit_usd);
  rows.time(h.time_ns);
}

void put_quarantine(CopyRows& rows, const QuarantineRecord& q) {
  rows.begin_row(13);
  rows.uuid(q.link.value);
  rows.text_or_null(q.symbol.view());
  rows.time(q.quarantined_ns);
  rows.uuid(q.follower.value);
  rows.uuid(q.account.value);
  rows.text_or_null(q.asset.view());
  rows.text_or_null(to_text(q.reason));
  rows.numeric(q.expected);
  rows.numeric(q.found);
  rows.numeric(q.account_expected);
  rows.numeric(q.account_found);
  rows.boolean(q.active);
  rows.time(q.time_ns);
}

void put_usd_rate(CopyRows& rows, std::string_view asset, std::int64_t bucket_ns,
                  const std::pair<Decimal, std::int64_t>& rate) {
  rows.begin_row(4);
  rows.text(asset);
  rows.time(bucket_ns);
  rows.numeric(rate.first);
  rows.time(rate.second);
}

void put_scope_halt(CopyRows& rows, const ScopeHaltRecord& h) {
  rows.begin_row(11);
  rows.text_or_null(to_text(h.scope));
  rows.uuid(h.id);
  rows.int4(h.shard);
  rows.uuid(h.user.value);
  rows.boolean(h.halted);
  rows.text_or_null(to_text(h.reason));
  rows.text_or_null(to_text(h.action));
  rows.numeric(h.limit_usd);
  rows.numeric(h.from_usd);
  rows.numeric(h.profit_usd);
  rows.time(h.time_ns);
}

// Collects what must be one row each, then writes everything out.
class RowsBuilder {
 public:
  void add(const Record& r) {
    switch (r.kind) {
      case RecordKind::leader_event:
        return add_leader_event(r);
      case RecordKind::outcome:
        return add_outcome(r.outcome);
      case RecordKind::order:
        return add_order(r.order);
      case RecordKind::fill:
        return add_fill(r);
      case RecordKind::external_fill:
        return put_external_fill(table(SinkTable::external_fills), r.external_fill, r.time_ns);
      case RecordKind::instrument:
        return add_instrument(r);
      case RecordKind::kill_switch:
        return add_kill_switch(r);
      case RecordKind::account_state:
        return;  // a state of the running engine, no row
      case RecordKind::link_halt:
        link_halts_[r.link_halt.link.value] = &r.link_halt;
        return;
      case RecordKind::quarantine:
        return add_quarantine(r.quarantine);
      case RecordKind::scope_halt:
        scope_halts_[{r.scope_halt.scope, r.scope_halt.id, r.scope_halt.shard}] = &r.scope_halt;
        return;
    }
  }
  SinkRows finish() {
    for (const LeaderRow& row : leader_events_) {
      put_leader_event(table(SinkTable::leader_events), row);
      const LeaderEvent& event = row.record->leader_event.event;
      put_event_touch(table(SinkTable::event_touches), event);
      if (is_ingress_signal(event)) put_signal(table(SinkTable::signals), event);
    }
    for (const OrderRecord* order : orders_) put_trade(table(SinkTable::trades), *order);
    for (const auto& [key, r] : instruments_)
      put_instrument(table(SinkTable::instruments), r->instrument, r->time_ns);
    for (const auto& [key, r] : kill_switches_)
      put_kill_switch(table(SinkTable::kill_switches), r->kill_switch, r->time_ns);
    for (const auto& [id, halt] : link_halts_) put_link_halt(table(SinkTable::link_halts), *halt);
    for (const auto& [id, q] : quarantines_) put_quarantine(table(SinkTable::quarantines), *q);
    for (const auto& [key, rate] : usd_rates_)
      put_usd_rate(table(SinkTable::usd_rates), key.first, key.second, rate);
    for (const auto& [key, halt] : scope_halts_)
      put_scope_halt(table(SinkTable::limit_halts), *halt);
    return std::move(rows_);
  }

 private:
  CopyRows& table(SinkTable::Id id) { return rows_.tables[id]; }

  void add_leader_event(const Record& r) {
    if (r.leader_event.event.kind == LeaderEventKind::one_click_copy) rows_.has_one_click = true;
    const auto [at, fresh] =
        leader_index_.try_emplace(r.leader_event.event.id.value, leader_events_.size());
    if (fresh)
      leader_events_.push_back({&r, r.leader_event.links_matched});
    else
      leader_events_[at->second].links_matched += r.leader_event.links_matched;
  }
  void add_outcome(const OutcomeRecord& o) {
    put_outcome(table(SinkTable::copy_outcomes), o);
    // Its event came in an earlier batch: of which kind is not known here.
    if (!leader_index_.contains(o.event.value)) rows_.has_one_click = true;
  }
  void add_order(const OrderRecord& o) {
    const auto [at, fresh] = order_index_.try_emplace(o.key.value, orders_.size());
    if (fresh)
      orders_.push_back(&o);
    else
      orders_[at->second] = &o;
    put_state(table(SinkTable::trade_history), o);
  }
  void add_fill(const Record& r) {
    const FillRecord& f = r.fill;
    const Uuid id = fill_row_id(f.order, f.trade_id.view());
    if (!fill_ids_.insert(id).second) return;
    const std::int64_t time_ns = f.venue_time_ns != 0 ? f.venue_time_ns : r.time_ns;
    put_fill(table(SinkTable::trade_history), id, f, time_ns);
    if (const auto parts = split_symbol(f.symbol.view()))
      add_rate(parts->quote, f.quote_usd, time_ns);
    add_rate(f.fee_asset.view(), f.fee_usd, time_ns);
    if (f.portfolio.is_nil()) return;
    rows_.fills.push_back({.history_id = id,
                           .portfolio = f.portfolio,
                           .symbol = f.symbol,
                           .side = f.side,
                           .quantity = f.quantity,
                           .price = f.price,
                           .base_fee = f.base_fee,
                           .fee = f.fee,
                           .quote_usd = f.quote_usd,
                           .fee_usd = f.fee_usd,
                           .time_ns = time_ns});
  }
  // The first of its ten minutes.
  void add_rate(std::string_view asset, Decimal usd, std::int64_t time_ns) {
    if (!usd.is_positive() || asset.empty()) return;
    const std::int64_t bucket_ns = time_ns - time_ns % usd_rate_bucket_ns;
    usd_rates_.try_emplace({std::string(asset), bucket_ns}, usd, time_ns);
  }
  void add_instrument(const Record& r) {
    instruments_[{r.instrument.venue, r.instrument.symbol.str()}] = &r;
  }
  void add_kill_switch(const Record& r) {
    const KillSwitch& k = r.kill_switch;
    kill_switches_[fmt::format("{}|{}|{}|{}", to_text(k.venue), k.leader.to_text(),
                               k.follower.to_text(), k.symbol.view())] = &r;
  }

  void add_quarantine(const QuarantineRecord& q) {
    quarantines_[fmt::format("{}|{}|{}", q.link.to_text(), q.symbol.view(), q.quarantined_ns)] = &q;
  }

  SinkRows rows_;
  std::vector<LeaderRow> leader_events_;
  std::unordered_map<Uuid, std::size_t, UuidHash> leader_index_;
  std::vector<const OrderRecord*> orders_;
  std::unordered_map<Uuid, std::size_t, UuidHash> order_index_;
  std::unordered_set<Uuid, UuidHash> fill_ids_;
  std::map<std::pair<Venue, std::string>, const Record*> instruments_;
  std::map<std::string, const Record*> kill_switches_;
  std::map<Uuid, const LinkHaltRecord*> link_halts_;            // the last of each link
  std::map<std::string, const QuarantineRecord*> quarantines_;  // the last of each
  std::map<std::pair<std::string, std::int64_t>, std::pair<Decimal, std::int64_t>> usd_rates_;
  std::map<std::tuple<LimitScope, Uuid, std::uint16_t>, const ScopeHaltRecord*> scope_halts_;
};

void identify(std::string& json, const Record& r) {
  switch (r.kind) {
    case RecordKind::leader_event:
      return add_field(json, "event_id", r.leader_event.event.id.to_text());
    case RecordKind::outcome:
      add_field(json, "event_id", r.outcome.event.to_text());
      return add_field(json, "link_id", r.outcome.link.to_text());
    case RecordKind::order:
      add_field(json, "trade_id", r.order.key.to_text());
      add_field(json, "status", to_text(r.order.status));
      return add_field(json, "user_id", r.order.user.to_text());
    case RecordKind::fill:
      add_field(json, "trade_id", r.fill.order.to_text());
      return add_field(json, "venue_trade_id", r.fill.trade_id.view());
    case RecordKind::external_fill:
      add_field(json, "user_exchange_id", r.external_fill.account.to_text());
      return add_field(json, "venue_trade_id", r.external_fill.trade_id.view());
    case RecordKind::instrument:
      return add_field(json, "symbol", r.instrument.symbol.view());
    case RecordKind::kill_switch:
      return add_plain(json, "on", r.kill_switch.on ? "true" : "false");
    case RecordKind::account_state:
      return add_field(json, "user_exchange_id", r.account_state.account.to_text());
    case RecordKind::link_halt:
      return add_field(json, "link_id", r.link_halt.link.to_text());
    case RecordKind::quarantine:
      add_field(json, "link_id", r.quarantine.link.to_text());
      return add_field(json, "symbol", r.quarantine.symbol.view());
    case RecordKind::scope_halt:
      add_field(json, "scope", to_text(r.scope_halt.scope));
      return add_field(json, "scope_id", r.scope_halt.id.to_text());
  }
}

}  // namespace

SinkRows sink_rows(std::span<const SinkRecord> records) {
  RowsBuilder builder;
  for (const SinkRecord& r : records) builder.add(r.record);
  return builder.finish();
}

std::string_view record_kind_text(RecordKind kind) {
  switch (kind) {
    case RecordKind::leader_event:
      return "leader_event";
    case RecordKind::outcome:
      return "outcome";
    case RecordKind::order:
      return "order";
    case RecordKind::fill:
      return "fill";
    case RecordKind::external_fill:
      return "external_fill";
    case RecordKind::instrument:
      return "instrument";
    case RecordKind::kill_switch:
      return "kill_switch";
    case RecordKind::account_state:
      return "account_state";
    case RecordKind::link_halt:
      return "link_halt";
    case RecordKind::quarantine:
      return "quarantine";
    case RecordKind::scope_halt:
      return "scope_halt";
  }
  return "?";
}

std::string reject_json(const Record& record) {
  std::string json = "{";
  add_field(json, "kind", record_kind_text(record.kind));
  identify(json, record);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&record);
  add_field(json, "hex", to_hex({bytes, record_header_bytes + payload_bytes(record.kind)}));
  return json + "}";
}

}  // namespace oneclick
