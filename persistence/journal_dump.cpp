#include "persistence/journal_dump.hpp"

#include <algorithm>
#include <concepts>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace oneclick {

namespace {

struct Field {
  std::string_view key;
  std::string value;
  bool is_text;  // quoted in JSON
};

class Fields {
 public:
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) fields_.push_back({key, std::string(value), true});
  }
  template <std::integral T>
  void number(std::string_view key, T value) {
    fields_.push_back({key, fmt::format("{}", value), false});
  }
  void flag(std::string_view key, bool value) {
    fields_.push_back({key, value ? "true" : "false", false});
  }
  // Zero means "none" in most members.
  void decimal(std::string_view key, Decimal value) {
    if (!value.is_zero()) text(key, value.to_text());
  }
  template <typename Tag>
  void id(std::string_view key, Id<Tag> value) {
    if (!value.is_nil()) text(key, value.to_text());
  }
  template <std::integral T>
  void number_if_set(std::string_view key, T value) {
    if (value != 0) number(key, value);
  }
  // Members whose bytes came from the journal may hold values this build has no word for.
  template <typename Enum>
  void word(std::string_view key, Enum value) {
    const std::string_view known = to_text(value);
    if (known == "?")
      number(key, static_cast<unsigned>(value));
    else if (known != "none")
      text(key, known);
  }
  template <typename Enum>
  void code(std::string_view key, Enum value, std::initializer_list<std::string_view> from_one) {
    const auto n = static_cast<std::size_t>(value);
    if (n == 0 || n > from_one.size())
      number(key, n);
    else
      text(key, *(from_one.begin() + n - 1));
  }

  [[nodiscard]] const std::vector<Field>& all() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

// --- what is in each payload ---

void describe(Fields& out, const LeaderEvent& e) {
  out.id("event", e.id);
  out.word("leader_kind", e.kind);
  out.word("source", e.source);
  out.word("venue", e.venue);
  if (e.side == Side::buy || e.side == Side::sell) out.word("side", e.side);
  if (e.signal_type != SignalType::none)
    out.code("signal_type", e.signal_type, {"buy", "sell", "hold"});
  out.id("leader", e.leader);
  out.id("feed_account", e.feed_account);
  out.id("channel", e.channel);
  out.id("signal", e.signal);
  out.id("target", e.target);
  out.text("symbol", e.symbol.view());
  out.decimal("quantity", e.quantity);
  out.decimal("price", e.price);
  out.decimal("base_fee", e.base_fee);
  out.decimal("stop_loss", e.stop_loss);
  out.decimal("take_profit", e.take_profit);
  out.decimal("copy_amount", e.copy_amount);
  out.number_if_set("percentage_e2", e.percentage_e2);
  out.number("event_time_ns", e.event_time_ns);
  out.number("received_ns", e.received_ns);
  out.decimal("bid", e.touch.bid);
  out.decimal("ask", e.touch.ask);
  out.number_if_set("touch_time_ns", e.touch.time_ns);
  out.id("api_key", e.api_key);
  out.id("alias", e.alias);
  if (e.chained) out.flag("chained", true);
}

void describe(Fields& out, const CopyLink& link) {
  out.id("link", link.id);
  out.id("follower", link.follower);
  out.id("account", link.account);
  out.id("portfolio", link.portfolio);
  out.id("leader", link.leader);
  out.id("channel", link.channel);
  out.word("sizing_mode", link.sizing_mode);
  out.decimal("copy_quantity", link.copy_quantity);
  out.word("entry_style", link.entry_style);
  out.word("min_lot_policy", link.min_lot_policy);
  out.word("status", link.status);
  out.word("sync_on_subscribe", link.sync_on_subscribe);
  out.flag("reverse", link.reverse);
  out.flag("chain", link.chain);
  out.flag("only_if_better", link.only_if_better);
  out.flag("protect", link.protect);
  out.flag("close_on_stop", link.close_on_stop);
  out.number_if_set("price_collar_bps_max", link.price_collar_bps_max);
  out.number("leverage_e2", link.leverage_e2);
  out.flag("user_active", link.user_active);
  out.flag("subscription_active", link.subscription_active);
  out.number("percentage_e2", link.percentage_e2);
  out.number("slippage_bps_max", link.slippage_bps_max);
  out.number("entry_ttl_ms", link.entry_ttl_ms);
  out.decimal("copy_amount", link.copy_amount);
  out.decimal("order_notional_max", link.order_notional_max);
  out.decimal("position_notional_max", link.position_notional_max);
  out.decimal("exposure_usd_max", link.exposure_usd_max);
  out.decimal("daily_loss_usd_max", link.daily_loss_usd_max);
  out.decimal("drawdown_usd_max", link.drawdown_usd_max);
  if (link.drawdown_usd_max.is_positive()) {
    out.word("drawdown_from", link.drawdown_from);
    out.word("drawdown_action", link.drawdown_action);
  }
  out.number_if_set("risk_epoch", link.risk_epoch);
  out.number_if_set("positions_max", link.positions_max);
  out.number_if_set("entries_per_minute_max", link.entries_per_minute_max);
  if (link.symbol_filter != SymbolFilter::none) {
    out.code("symbol_filter", link.symbol_filter, {"allow", "deny"});
    std::string symbols;
    for (std::size_t i = 0; i < std::min<std::size_t>(link.symbol_count, link_symbols_max); ++i)
      symbols.append(i == 0 ? "" : ",").append(link.symbols[i].view());
    out.text("symbols", symbols);
  }
  out.number("version", link.version);
}

void describe(Fields& out, const Account& account) {
  out.id("account", account.id);
  out.id("user", account.user);
  out.word("venue", account.venue);
  out.flag("connected", account.connected);
  out.flag("sandbox", account.sandbox);
  out.number("egress", account.egress);
}

void describe(Fields& out, const Instrument& instrument) {
  out.word("venue", instrument.venue);
  out.code("status", instrument.status, {"trading", "cancel_only", "halted"});
  out.text("symbol", instrument.symbol.view());
  out.text("venue_symbol", instrument.venue_symbol.view());
  out.text("base", instrument.base.view());
  out.text("quote", instrument.quote.view());
  out.decimal("price_tick", instrument.price_tick);
  out.decimal("price_min", instrument.price_min);
  out.decimal("price_max", instrument.price_max);
  out.decimal("lot_step", instrument.lot_step);
  out.decimal("quantity_min", instrument.quantity_min);
  out.decimal("quantity_max", instrument.quantity_max);
  out.decimal("market_lot_step", instrument.market_lot_step);
  out.decimal("market_quantity_min", instrument.market_quantity_min);
  out.decimal("market_quantity_max", instrument.market_quantity_max);
  out.decimal("notional_min", instrument.notional_min);
  out.decimal("notional_max", instrument.notional_max);
  out.flag("notional_min_at_market", instrument.notional_min_at_market);
  out.word("kind", instrument.kind);
  out.number("leverage_max_e2", instrument.leverage_max_e2);
  out.decimal("contract_size", instrument.contract_size);
}

void describe(Fields& out, const LeaderFeed& feed) {
  out.id("account", feed.account);
  out.id("leader", feed.leader);
  out.word("venue", feed.venue);
  out.flag("authoritative", feed.authoritative);
  out.number("baseline_ns", feed.baseline_ns);
}

void describe(Fields& out, const Balance& balance) {
  out.id("account", balance.account);
  out.text("asset", balance.asset.view());
  out.text("free", balance.free.to_text());
  out.text("locked", balance.locked.to_text());
  out.flag("snapshot", balance.snapshot);
  out.flag("leader", balance.leader);
  out.number("venue_time_ns", balance.venue_time_ns);
}

void describe(Fields& out, const Price& price) {
  out.text("venue", to_text(price.venue));
  out.text("symbol", price.symbol.view());
  out.decimal("bid", price.touch.bid);
  out.decimal("ask", price.touch.ask);
  out.number("touch_time_ns", price.touch.time_ns);
  out.decimal("quote_usd", price.quote_usd);
  out.decimal("reference", price.reference.price);
  out.number_if_set("reference_time_ns", price.reference.time_ns);
}

void describe(Fields& out, const RiskLimits& limits) {
  out.word("scope", limits.scope);
  out.text("id", limits.id.to_text());
  out.flag("removed", limits.removed);
  out.number_if_set("positions_max", limits.positions_max);
  out.number_if_set("entries_per_minute_max", limits.entries_per_minute_max);
  out.decimal("order_notional_max", limits.order_notional_max);
  out.decimal("position_notional_max", limits.position_notional_max);
  out.decimal("exposure_usd_max", limits.exposure_usd_max);
  out.decimal("daily_loss_usd_max", limits.daily_loss_usd_max);
  out.decimal("drawdown_usd_max", limits.drawdown_usd_max);
  out.word("drawdown_from", limits.drawdown_from);
  out.word("drawdown_action", limits.drawdown_action);
  out.number("risk_epoch", limits.risk_epoch);
}

void update_source(Fields& out, UpdateSource source) {
  out.code("source", source, {"reply", "stream", "query", "gate"});
}

void describe(Fields& out, const OrderUpdate& update) {
  out.id("account", update.account);
  out.id("order", update.key);
  out.code("update", update.kind,
           {"accepted", "execution", "done", "rejected", "unknown", "not_found", "not_sent",
            "query_failed"});
  update_source(out, update.source);
  out.word("reason", update.reason);
  if (update.side == Side::buy || update.side == Side::sell) out.word("side", update.side);
  out.number_if_set("venue_code", update.venue_code);
  out.text("symbol", update.symbol.view());
  out.text("venue_order_id", update.venue_order_id.view());
  out.text("trade_id", update.trade_id.view());
  if (update.has_cumulative) {
    out.text("cumulative_quantity", update.cumulative_quantity.to_text());
    out.text("cumulative_quote", update.cumulative_quote.to_text());
  }
  out.decimal("last_quantity", update.last_quantity);
  out.decimal("last_price", update.last_price);
  out.decimal("fee", update.fee);
  out.text("fee_asset", update.fee_asset.view());
  out.flag("maker", update.maker);
  out.number_if_set("sweep", update.sweep);
  out.decimal("quote_usd", update.quote_usd);
  out.decimal("fee_usd", update.fee_usd);
  out.number_if_set("venue_time_ns", update.venue_time_ns);
  out.number_if_set("sent_ns", update.sent_ns);
  out.text("message", update.message.view());
}

void describe(Fields& out, const AccountState& state) {
  out.id("account", state.account);
  out.code("state", state.kind, {"reconciled", "lost", "credentials_refused"});
  out.text("message", state.message.view());
}

void describe(Fields& out, const KillSwitch& kill_switch) {
  out.flag("on", kill_switch.on);
  out.word("venue", kill_switch.venue);
  out.id("leader", kill_switch.leader);
  out.id("follower", kill_switch.follower);
  out.text("symbol", kill_switch.symbol.view());
}

void describe(Fields& out, const Sweep& sweep) {
  out.id("account", sweep.account);
  out.number("sweep", sweep.id);
  out.number("started_ns", sweep.started_ns);
}

void describe(Fields& out, const QuarantineRelease& release) {
  out.id("link", release.link);
  out.id("account", release.account);
  out.text("symbol", release.symbol.view());
  out.number("quarantined_ns", release.quarantined_ns);
}

void describe(Fields& out, const CoreSettings& settings) {
  out.number("shard_index", settings.shard);
  out.number("shard_count", settings.shard_count);
  out.number("taker_fee_bps", settings.taker_fee_bps);
  out.number("ack_timeout_ns", settings.ack_timeout_ns);
  out.number("query_interval_ns", settings.query_interval_ns);
  out.number("absence_proof_ns", settings.absence_proof_ns);
  out.number("absence_answers_min", settings.absence_answers_min);
  out.number("exit_attempts_per_minute", settings.exit_attempts_per_minute);
  out.number("exit_alarm_attempts", settings.exit_alarm_attempts);
  out.number("equity_age_ns_max", settings.equity_age_ns_max);
  out.number("touch_age_ns_max", settings.touch_age_ns_max);
  out.number("leader_event_age_ns_max", settings.leader_event_age_ns_max);
  out.number("divergence_age_ns_max", settings.divergence_age_ns_max);
  out.decimal("event_notional_max", settings.event_notional_max);
}

void describe(Fields& out, const OutcomeRecord& record) {
  out.id("event", record.event);
  out.id("link", record.link);
  out.word("outcome", record.outcome);
  out.word("reason", record.reason);
  out.word("cap", record.cap);
  out.number("rank", record.rank);
  out.text("wanted_quantity", record.wanted_quantity.to_text());
  out.text("sent_quantity", record.sent_quantity.to_text());
  out.text("residual_quantity", record.residual_quantity.to_text());
  out.id("order", record.order);
  out.number_if_set("ingest_to_wire_ns", record.ingest_to_wire_ns);
  out.number("created_ns", record.created_ns);
}

void describe(Fields& out, const OrderRecord& record) {
  out.id("order", record.key);
  out.id("event", record.event);
  out.id("link", record.link);
  out.id("user", record.user);
  out.id("portfolio", record.portfolio);
  out.id("account", record.account);
  out.id("copied_from", record.copied_from);
  out.id("signal", record.signal);
  out.number("change", record.change);
  out.word("status", record.status);
  out.word("side", record.side);
  out.code("type", record.type, {"limit_ioc", "market"});
  out.flag("unknown", record.unknown);
  out.word("reason", record.reason);
  out.number_if_set("venue_code", record.venue_code);
  update_source(out, record.source);
  out.text("symbol", record.symbol.view());
  out.text("venue_order_id", record.venue_order_id.view());
  out.text("quantity", record.quantity.to_text());
  out.decimal("price", record.price);
  out.text("filled_quantity", record.filled_quantity.to_text());
  out.text("filled_quote", record.filled_quote.to_text());
  if (record.has_value_usd) out.text("value_usd", record.value_usd.to_text());
  if (record.has_fees_usd) out.text("fees_usd", record.fees_usd.to_text());
  out.number("created_ns", record.created_ns);
  out.number("updated_ns", record.updated_ns);
  out.number_if_set("executed_ns", record.executed_ns);
  out.text("message", record.message.view());
}

void describe(Fields& out, const FillRecord& record) {
  out.id("order", record.order);
  out.id("link", record.link);
  out.id("user", record.user);
  out.id("portfolio", record.portfolio);
  out.id("account", record.account);
  out.word("side", record.side);
  out.flag("maker", record.maker);
  update_source(out, record.source);
  out.text("symbol", record.symbol.view());
  out.text("venue_order_id", record.venue_order_id.view());
  out.text("trade_id", record.trade_id.view());
  out.text("quantity", record.quantity.to_text());
  out.text("price", record.price.to_text());
  out.decimal("fee", record.fee);
  out.text("fee_asset", record.fee_asset.view());
  out.decimal("base_fee", record.base_fee);
  out.decimal("quote_usd", record.quote_usd);
  out.decimal("fee_usd", record.fee_usd);
  out.number("venue_time_ns", record.venue_time_ns);
}

void describe(Fields& out, const ExternalFillRecord& record) {
  out.id("account", record.account);
  out.word("side", record.side);
  out.text("symbol", record.symbol.view());
  out.text("venue_order_id", record.venue_order_id.view());
  out.text("trade_id", record.trade_id.view());
  out.text("quantity", record.quantity.to_text());
  out.text("price", record.price.to_text());
  out.number("venue_time_ns", record.venue_time_ns);
}

void describe(Fields& out, const LinkHaltRecord& record) {
  out.id("link", record.link);
  out.id("follower", record.follower);
  out.flag("halted", record.halted);
  out.word("reason", record.reason);
  out.word("action", record.action);
  out.number("risk_epoch", record.risk_epoch);
  out.text("limit_usd", record.limit_usd.to_text());
  out.text("from_usd", record.from_usd.to_text());
  out.text("profit_usd", record.profit_usd.to_text());
}

void describe(Fields& out, const QuarantineRecord& record) {
  out.id("link", record.link);
  out.id("follower", record.follower);
  out.id("account", record.account);
  out.text("symbol", record.symbol.view());
  out.text("asset", record.asset.view());
  out.word("reason", record.reason);
  out.flag("active", record.active);
  out.text("expected", record.expected.to_text());
  out.text("found", record.found.to_text());
  out.text("account_expected", record.account_expected.to_text());
  out.text("account_found", record.account_found.to_text());
  out.number("quarantined_ns", record.quarantined_ns);
}

void describe(Fields& out, const ScopeHaltRecord& record) {
  out.word("scope", record.scope);
  out.text("id", record.id.to_text());
  out.id("user", record.user);
  out.flag("halted", record.halted);
  out.word("reason", record.reason);
  out.word("action", record.action);
  out.number("risk_epoch", record.risk_epoch);
  out.text("limit_usd", record.limit_usd.to_text());
  out.text("from_usd", record.from_usd.to_text());
  out.text("profit_usd", record.profit_usd.to_text());
}

// --- entries ---

void describe(Fields& out, const Event& event) {
  const auto kind = [&](std::string_view name) { out.text("event_kind", name); };
  switch (event.kind) {
    case EventKind::leader:
      kind("leader");
      return describe(out, event.leader);
    case EventKind::link_upsert:
      kind("link_upsert");
      return describe(out, event.link);
    case EventKind::link_remove:
      kind("link_remove");
      return out.id("link", event.link_remove.id);
    case EventKind::account_upsert:
      kind("account_upsert");
      return describe(out, event.account);
    case EventKind::account_remove:
      kind("account_remove");
      return out.id("account", event.account_remove.id);
    case EventKind::instrument:
      kind("instrument");
      return describe(out, event.instrument);
    case EventKind::feed_upsert:
      kind("feed_upsert");
      return describe(out, event.feed);
    case EventKind::feed_remove:
      kind("feed_remove");
      return out.id("account", event.account_remove.id);
    case EventKind::balance:
      kind("balance");
      return describe(out, event.balance);
    case EventKind::order_update:
      kind("order_update");
      return describe(out, event.order);
    case EventKind::account_state:
      kind("account_state");
      return describe(out, event.account_state);
    case EventKind::kill_switch:
      kind("kill_switch");
      return describe(out, event.kill_switch);
    case EventKind::price:
      kind("price");
      return describe(out, event.price);
    case EventKind::sweep:
      kind("sweep");
      return describe(out, event.sweep);
    case EventKind::quarantine_release:
      kind("quarantine_release");
      return describe(out, event.quarantine_release);
    case EventKind::symbol_map:
      kind("symbol_map");
      out.word("venue", event.symbol_mapping.venue);
      out.flag("present", event.symbol_mapping.present);
      out.text("venue_symbol", event.symbol_mapping.venue_symbol.view());
      return out.text("symbol", event.symbol_mapping.symbol.view());
    case EventKind::risk_limits:
      kind("risk_limits");
      return describe(out, event.risk_limits);
    case EventKind::timer:
      return kind("timer");
    case EventKind::fence:
      kind("fence");
      return describe(out, event.fence.settings);
  }
  out.number("event_kind", static_cast<unsigned>(event.kind));
}

void describe(Fields& out, const Record& record) {
  const auto kind = [&](std::string_view name) { out.text("record_kind", name); };
  switch (record.kind) {
    case RecordKind::leader_event:
      kind("leader_event");
      out.number("links_matched", record.leader_event.links_matched);
      out.number("accepted_ns", record.leader_event.accepted_ns);
      return describe(out, record.leader_event.event);
    case RecordKind::outcome:
      kind("outcome");
      return describe(out, record.outcome);
    case RecordKind::order:
      kind("order");
      return describe(out, record.order);
    case RecordKind::fill:
      kind("fill");
      return describe(out, record.fill);
    case RecordKind::external_fill:
      kind("external_fill");
      return describe(out, record.external_fill);
    case RecordKind::instrument:
      kind("instrument");
      return describe(out, record.instrument);
    case RecordKind::kill_switch:
      kind("kill_switch");
      return describe(out, record.kill_switch);
    case RecordKind::account_state:
      kind("account_state");
      return describe(out, record.account_state);
    case RecordKind::link_halt:
      kind("link_halt");
      return describe(out, record.link_halt);
    case RecordKind::quarantine:
      kind("quarantine");
      return describe(out, record.quarantine);
    case RecordKind::scope_halt:
      kind("scope_halt");
      return describe(out, record.scope_halt);
  }
  out.number("record_kind", static_cast<unsigned>(record.kind));
}

Fields fields_of(const JournalEntry& entry) {
  Fields out;
  out.number("position", entry.position);
  if (entry.event != nullptr) {
    out.text("entry", "event");
    out.number("shard", entry.event->shard);
    out.number("seq", entry.event->seq);
    out.number("time_ns", entry.event->time_ns);
    describe(out, *entry.event);
  } else {
    out.text("entry", "record");
    out.number("shard", entry.record->shard);
    out.number("cause_seq", entry.record->cause_seq);
    out.number("time_ns", entry.record->time_ns);
    describe(out, *entry.record);
  }
  return out;
}

// --- text ---

bool is_printable_ascii(char c) {
  return c >= ' ' && c <= '~';
}

// The inside of a quoted text, the same in JSON and logfmt: ASCII only, whatever the venue sent.
// Bytes beyond ASCII are shown as the code point of the same number, so that no byte is lost.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out.append(1, '\\').append(1, c);
    else if (is_printable_ascii(c))
      out.append(1, c);
    else
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

bool needs_quotes(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    return !is_printable_ascii(c) || c == ' ' || c == '"' || c == '=' || c == '\\';
  });
}

}  // namespace

std::string journal_entry_line(const JournalEntry& entry) {
  const Fields fields = fields_of(entry);
  std::string out;
  for (const Field& field : fields.all()) {
    if (!out.empty()) out += ' ';
    out.append(field.key).append(1, '=');
    if (field.is_text && needs_quotes(field.value))
      out.append(1, '"').append(escaped(field.value)).append(1, '"');
    else
      out += field.value;
  }
  return out;
}

std::string journal_entry_json(const JournalEntry& entry) {
  const Fields fields = fields_of(entry);
  std::string out = "{";
  for (const Field& field : fields.all()) {
    if (out.size() > 1) out += ',';
    out.append(1, '"').append(field.key).append("\":");
    if (field.is_text)
      out.append(1, '"').append(escaped(field.value)).append(1, '"');
    else
      out += field.value;
  }
  return out + "}";
}

}  // namespace oneclick
