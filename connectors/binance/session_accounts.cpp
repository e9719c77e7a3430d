// Account streams: subscribed with one signature each, many on one connection, and reconciled after
// every loss (Binance spot API docs, web-socket-api.md "User Data Stream requests").
#include <algorithm>

#include "connectors/binance/session.hpp"
#include "engine/base/log.hpp"

namespace oneclick::binance {

namespace {

constexpr std::uint32_t subscribe_weight = 2;
constexpr std::uint32_t account_weight = 20;
constexpr std::uint32_t open_orders_weight = 6;
constexpr std::uint32_t open_orders_all_weight = 80;
constexpr std::size_t subscribing_max = 256;
constexpr int snapshot_tries_max = 3;
constexpr std::int64_t short_window_ns = 10'000'000'000;
constexpr std::int64_t day_ns = 86'400'000'000'000;
constexpr std::int64_t retry_ns_min = 250'000'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr int subscription_active_code = -2035;
constexpr int subscription_ids_code = -2042;

Digest digest_of(const Credentials& credentials) {
  std::string text = credentials.api_key + '\n';
  text += credentials.secret.view();
  const Digest out = sha256(text);
  std::fill(text.begin(), text.end(), '\0');
  return out;
}

std::int64_t retry_delay_ns(int failures) {
  return retry_ns_min << std::min(failures, 7);
}

Event state_event(AccountId account, AccountStateKind kind, std::string_view message) {
  AccountState state{};
  state.account = account;
  state.kind = kind;
  state.message = Text<95>::cut(message);
  return make_event(state);
}

}  // namespace

AttachedAccount::AttachedAccount(const Account& a, AccountSlot s, Signer signer,
                                 const VenueShared& shared)
    : account(a),
      slot(s),
      request(std::move(signer), shared.config().recv_window_ms),
      orders_short(short_window_ns, shared.orders_short_limit(),
                   shared.config().exit_reserve_ratio),
      orders_day(day_ns, shared.orders_day_limit(), shared.config().exit_reserve_ratio) {}

void Session::attach(AccountSlot slot, const Account& account, const Credentials& credentials) {
  const Digest digest = digest_of(credentials);
  if (AttachedAccount* const a = account_at(slot);
      a != nullptr && a->account.id == account.id && a->credentials == digest) {
    a->account = account;
    return;
  }
  detach(slot);
  auto signer = Signer::make(credentials);
  if (!signer) {
    log_error("binance credentials cannot be used", {{"why", signer.error()}});
    return emit(state_event(account.id, AccountStateKind::credentials_refused, signer.error()));
  }
  if (slot >= accounts_.size()) accounts_.resize(slot + 1);
  accounts_[slot] = std::make_unique<AttachedAccount>(account, slot, std::move(*signer), *shared_);
  AttachedAccount& a = *accounts_[slot];
  a.attached = ++attached_last_;
  a.credentials = digest;
  ++account_count_;
  note_read(a);
  begin_gap(a);
  queue_subscription(a);
}

void Session::detach(AccountSlot slot) {
  AttachedAccount* const a = account_at(slot);
  if (a == nullptr) return;
  if (staged_count_ > 0) commit_staged();  // they are signed with its key
  drop_subscription(*a);
  accounts_[slot].reset();
  --account_count_;
}

AttachedAccount* Session::account_at(AccountSlot slot) {
  return slot < accounts_.size() ? accounts_[slot].get() : nullptr;
}

AttachedAccount* Session::account_of(const Pending& row) {
  AttachedAccount* const a = account_at(row.slot);
  return a != nullptr && a->attached == row.attached ? a : nullptr;
}

Symbol Session::symbol_of(std::string_view venue_symbol) {
  if (instruments_seen_ != shared_->instruments_version()) {
    instruments_seen_ = shared_->instruments_version();
    instruments_ = shared_->instruments();
  }
  const Instrument* const found = instruments_ ? instruments_->find(venue_symbol) : nullptr;
  return found != nullptr ? found->symbol : Symbol::cut(venue_symbol);
}

// Accounts with orders under way are seen again first.
void Session::queue_subscription(AttachedAccount& a) {
  if (a.queued || a.refused) return;
  a.queued = true;
  if (a.open_orders > 0)
    to_subscribe_.push_front(a.slot);
  else
    to_subscribe_.push_back(a.slot);
}

void Session::queue_reconcile(AttachedAccount& a, bool urgent) {
  a.reads_sent = 0;
  a.read_failed = false;
  if (a.reconcile_queued || a.refused) return;
  a.reconcile_queued = true;
  if (urgent || a.open_orders > 0)
    to_reconcile_.push_front(a.slot);
  else
    to_reconcile_.push_back(a.slot);
}

bool Session::pump_subscriptions(std::int64_t now_ns) {
  if (shared_->instruments_version() == 0) return false;
  std::size_t looked = to_subscribe_.size();
  while (looked-- > 0 && subscribing_ < subscribing_max) {
    const AccountSlot slot = to_subscribe_.front();
    AttachedAccount* const a = account_at(slot);
    if (a == nullptr || a->refused || !a->queued) {
      to_subscribe_.pop_front();
      continue;
    }
    if (a->not_before_ns > now_ns) {
      to_subscribe_.pop_front();
      to_subscribe_.push_back(slot);
      continue;
    }
    Line* const line = line_for_account();
    if (line == nullptr || !send_subscription(*a, *line)) return false;
    to_subscribe_.pop_front();
    a->queued = false;
  }
  return subscribing_ < subscribing_max;
}

bool Session::send_subscription(AttachedAccount& a, Line& line) {
  if (!budget_.try_take(subscribe_weight, false, shared_->venue_now_ns())) return false;
  std::uint32_t id = 0;
  Pending* const row = pending_.take(id);
  if (row == nullptr) return false;
  row->kind = RequestKind::subscribe;
  row->slot = a.slot;
  row->attached = a.attached;
  row->account = a.account.id;
  a.subscribing_on = line.serial;
  ++line.accounts;
  ++line.subscriptions_total;
  ++subscribing_;
  send_request(line, *row, id,
               encode_signed("userDataStream.subscribe.signature", {}, a.request, id,
                             shared_->venue_now_ns() / ns_per_ms));
  return true;
}

void Session::on_subscribe_reply(Line& line, const Pending& row, const Reply& reply) {
  if (subscribing_ > 0) --subscribing_;
  AttachedAccount* const a = account_of(row);
  const bool wanted = a != nullptr && a->subscribing_on == line.serial;
  const bool ok = reply.status == 200 && !reply.has_error && reply.subscription_id >= 0 &&
                  reply.subscription_id <= 65'535;
  if (!wanted || !ok) {
    if (line.accounts > 0) --line.accounts;
    if (!wanted) return;
    a->subscribing_on = 0;
    (void)judge_reply(row, reply);
    if (reply.code == subscription_active_code || reply.code == subscription_ids_code)
      retire(line, reply.message);
    a->not_before_ns = shared_->now_ns() + retry_delay_ns(a->failures++);
    return queue_subscription(*a);
  }
  const auto subscription = static_cast<std::size_t>(reply.subscription_id);
  if (subscription >= line.slots.size()) line.slots.resize(subscription + 1, no_slot);
  const bool moved = a->live_on != 0;
  if (moved) drop_subscription(*a);
  line.slots[subscription] = a->slot;
  a->subscribing_on = 0;
  a->live_on = line.serial;
  a->subscription = reply.subscription_id;
  a->failures = 0;
  if (!moved) a->live_ms = shared_->venue_now_ns() / ns_per_ms;
  // A stream that moved to another connection was never lost.
  if (!moved || !a->reconciled) queue_reconcile(*a);
}

// What is still to come from its present subscription belongs to nobody.
void Session::drop_subscription(AttachedAccount& a) {
  Line* const line = line_at(a.live_on);
  if (line != nullptr && a.subscription >= 0) {
    line->slots[static_cast<std::size_t>(a.subscription)] = no_slot;
    if (line->accounts > 0) --line->accounts;
    if (line->open && !line->retiring) {
      std::uint32_t id = 0;
      if (Pending* const row = pending_.take(id); row != nullptr) {
        row->kind = RequestKind::other;
        send_request(*line, *row, id,
                     encode_public("userDataStream.unsubscribe",
                                   {{"subscriptionId", std::to_string(a.subscription), true}}, id));
      }
    }
  }
  a.live_on = 0;
  a.subscription = -1;
}

void Session::lose(AttachedAccount& a, std::string_view why) {
  begin_gap(a);
  a.reconciled = false;
  emit(state_event(a.account.id, AccountStateKind::lost, why));
}

void Session::refuse(AttachedAccount& a, std::string_view why) {
  if (a.refused) return;
  a.refused = true;
  drop_subscription(a);
  emit(state_event(a.account.id, AccountStateKind::credentials_refused, why));
}

// ---- reconciling: balances, then open orders ----------------------------------------------------

std::size_t Session::read_count() const {
  return 1 + read_symbols_.size();
}

bool Session::pump_reconciles(std::int64_t now_ns) {
  std::size_t looked = to_reconcile_.size();
  while (looked-- > 0) {
    const AccountSlot slot = to_reconcile_.front();
    AttachedAccount* const a = account_at(slot);
    if (a == nullptr || a->live_on == 0 || !a->reconcile_queued) {
      to_reconcile_.pop_front();
      if (a != nullptr) a->reconcile_queued = false;
      continue;
    }
    // Answers of an earlier round come first: they would be counted into this one.
    if (a->not_before_ns > now_ns || (a->reads_open > 0 && a->reads_sent == 0)) {
      to_reconcile_.pop_front();
      to_reconcile_.push_back(slot);
      continue;
    }
    if (a->reads_sent == 0) a->read_failed = false;
    while (a->reads_sent < read_count()) {
      if (reads_open_ >= shared_->config().reconcile_in_flight_max || !send_next_read(*a))
        return false;
    }
    to_reconcile_.pop_front();
    a->reconcile_queued = false;
  }
  return true;
}

bool Session::send_next_read(AttachedAccount& a) {
  Line* const line = line_at(a.live_on);
  if (line == nullptr || !line->open) return false;
  const bool is_account = a.reads_sent == 0;
  const std::string_view symbol =
      is_account ? std::string_view() : std::string_view(read_symbols_[a.reads_sent - 1]);
  const std::uint32_t weight = is_account       ? account_weight
                               : symbol.empty() ? open_orders_all_weight
                                                : open_orders_weight;
  if (!budget_.try_take(weight, false, shared_->venue_now_ns())) return false;
  std::uint32_t id = 0;
  Pending* const row = pending_.take(id);
  if (row == nullptr) return false;
  row->kind = is_account ? RequestKind::account : RequestKind::open_orders;
  row->slot = a.slot;
  row->attached = a.attached;
  row->account = a.account.id;
  if (is_account) {
    a.sweep = ++sweep_last_;
    if (a.sweep == 0) a.sweep = ++sweep_last_;
    a.sweep_started_ns = shared_->now_ns();
  }
  ++a.reads_sent;
  ++a.reads_open;
  ++reads_open_;
  const std::int64_t time = shared_->venue_now_ns() / ns_per_ms;
  send_request(*line, *row, id,
               is_account ? encode_signed("account.status", {{"omitZeroBalances", "true", true}},
                                          a.request, id, time)
                          : encode_signed("openOrders.status", open_orders_params(symbol),
                                          a.request, id, time));
  return true;
}

void Session::on_read_reply(const Pending& row, const Reply& reply) {
  if (reads_open_ > 0) --reads_open_;
  AttachedAccount* const a = account_of(row);
  if (a == nullptr) return;
  bool ok = false;
  if (reply.status == 200 && !reply.has_error) {
    ok = row.kind == RequestKind::account ? take_snapshot(*a, row, reply)
                                          : take_open_orders(*a, reply);
  } else {
    (void)judge_reply(row, reply);
  }
  finish_read(*a, ok);
}

void Session::finish_read(AttachedAccount& a, bool ok) {
  if (a.reads_open > 0) --a.reads_open;
  if (!ok) a.read_failed = true;
  if (a.reads_open > 0 || a.reads_sent < read_count() || a.live_on == 0 || a.refused) return;
  if (a.read_failed) {
    a.not_before_ns = shared_->now_ns() + retry_delay_ns(a.failures++);
    return queue_reconcile(a);
  }
  a.failures = 0;
  a.snapshot_tries = 0;
  if (a.reconcile_queued) return;  // it was asked for again meanwhile
  note_read(a);
  emit(make_event(Sweep{.account = a.account.id, .id = a.sweep, .started_ns = a.sweep_started_ns}));
  if (a.reconciled) return;  // only balances were refreshed
  a.reconciled = true;
  queue_gap(a);
  emit(state_event(a.account.id, AccountStateKind::reconciled, ""));
}

void Session::tell_balance(AttachedAccount& a, const BalanceRow& row, std::int64_t time_ms,
                           bool snapshot) {
  if (std::find(a.told.begin(), a.told.end(), row.asset) == a.told.end())
    a.told.push_back(row.asset);
  Balance balance{};
  balance.account = a.account.id;
  balance.asset = row.asset;
  balance.free = row.free;
  balance.locked = row.locked;
  // A new measurement of the clock must not make a later balance look older than an earlier one.
  balance.venue_time_ns = shared_->from_venue_ms(time_ms);
  if (time_ms >= a.balance_ms) {
    a.balance_ms = time_ms;
    a.balance_time_ns = balance.venue_time_ns = std::max(balance.venue_time_ns, a.balance_time_ns);
  }
  balance.snapshot = snapshot;
  emit(make_event(balance));
}

// Assets a snapshot leaves out are zero; the core hears it of those it was told, and of those of
// the configured symbols, which it may know from before this process.
bool Session::take_snapshot(AttachedAccount& a, const Pending& row, const Reply& reply) {
  if (reply.balances.empty() || !decoder_.balances(reply.balances, balance_rows_)) return false;
  // Without a time of its own it is at least as new as the question.
  const std::int64_t time_ms = reply.update_time_ms > 0
                                   ? reply.update_time_ms
                                   : (row.started_ns + shared_->offset.offset_ns()) / ns_per_ms;
  // Older than what was pushed: read again, unless the venue keeps saying so.
  if (time_ms < a.pushed_ms && ++a.snapshot_tries < snapshot_tries_max) return false;
  const auto listed = [&](const Asset& asset) {
    return std::any_of(balance_rows_.begin(), balance_rows_.end(),
                       [&](const BalanceRow& b) { return b.asset == asset; });
  };
  std::vector<Asset> missing;
  for (const std::vector<Asset>* assets : {&a.told, &watched_assets_}) {
    for (const Asset& asset : *assets) {
      const bool already = std::find(missing.begin(), missing.end(), asset) != missing.end();
      if (!already && !listed(asset)) missing.push_back(asset);
    }
  }
  const auto told_before = [&](const Asset& asset) {
    return std::find(a.told.begin(), a.told.end(), asset) != a.told.end() ||
           std::find(watched_assets_.begin(), watched_assets_.end(), asset) !=
               watched_assets_.end();
  };
  for (const BalanceRow& balance : balance_rows_) {
    const bool is_zero = balance.free.is_zero() && balance.locked.is_zero();
    if (!is_zero || told_before(balance.asset)) tell_balance(a, balance, time_ms, true);
  }
  for (const Asset& asset : missing) tell_balance(a, {asset, Decimal{}, Decimal{}}, time_ms, true);
  return true;
}

bool Session::take_open_orders(AttachedAccount& a, const Reply& reply) {
  if (reply.array.empty() || !decoder_.orders(reply.array, order_rows_)) return false;
  for (const OrderRow& order : order_rows_) {
    const auto key = order_key_from_client_id(order.client_order_id);
    if (!key || is_final(order.state)) continue;
    OrderUpdate update{};
    update.account = a.account.id;
    update.key = *key;
    update.kind = OrderUpdateKind::accepted;
    update.source = UpdateSource::query;
    update.sweep = a.sweep;
    update.side = order.has_side ? order.side : Side::buy;
    update.symbol = symbol_of(order.symbol);
    update.venue_order_id = order.order_id;
    update.has_cumulative = order.has_executed;
    update.cumulative_quantity = order.executed;
    update.cumulative_quote = order.quote;
    update.venue_time_ns = shared_->from_venue_ms(order.time_ms);
    emit_update(update);
  }
  return true;
}

// ---- events -------------------------------------------------------------------------------------

void Session::on_event(Line& line) {
  const std::int64_t subscription = message_.subscription_id;
  if (subscription < 0 || static_cast<std::size_t>(subscription) >= line.slots.size()) return;
  AttachedAccount* const a = account_at(line.slots[static_cast<std::size_t>(subscription)]);
  if (a == nullptr) return;
  switch (message_.kind) {
    case Message::Kind::execution_report:
      return on_report(*a, message_.report);
    case Message::Kind::account_position:
      return on_position(*a);
    // A deposit or transfer: only its difference is told, so the balances are read again.
    case Message::Kind::balance_change:
      return queue_reconcile(*a);
    case Message::Kind::stream_terminated:
      line.slots[static_cast<std::size_t>(subscription)] = no_slot;
      if (line.accounts > 0) --line.accounts;
      a->live_on = 0;
      a->subscription = -1;
      lose(*a, "stream terminated");
      return queue_subscription(*a);
    case Message::Kind::reply:
    case Message::Kind::server_shutdown:
    case Message::Kind::other_event:
      return;
  }
}

void Session::on_report(AttachedAccount& a, const ExecutionReport& report) {
  a.heard_ms = std::max(a.heard_ms, report.transaction_ms);
  // A cancelled order carries its own id in C and the cancel's in c.
  auto key = order_key_from_client_id(report.original_client_order_id);
  if (!key) key = order_key_from_client_id(report.client_order_id);
  const bool is_trade = report.execution == ExecutionType::trade;
  if (!key && !is_trade) return;
  OrderUpdate update{};
  update.account = a.account.id;
  update.key = key.value_or(OrderKey{});
  update.source = UpdateSource::stream;
  update.side = report.side;
  update.maker = report.maker;
  update.symbol = symbol_of(report.symbol);
  update.venue_order_id = report.order_id;
  update.venue_time_ns = shared_->from_venue_ms(report.transaction_ms);
  update.has_cumulative = true;
  update.cumulative_quantity = report.cumulative_quantity;
  update.cumulative_quote = report.cumulative_quote;
  if (is_trade) {
    update.kind = OrderUpdateKind::execution;
    update.trade_id = report.trade_id;
    update.last_quantity = report.last_quantity;
    update.last_price = report.last_price;
    update.fee = report.fee;
    update.fee_asset = report.fee_asset;
    emit_update(update);
    if (!key || !is_final(report.state)) return;
    update.trade_id = {};
    update.last_quantity = update.last_price = update.fee = Decimal{};
    update.fee_asset = {};
  }
  switch (report.state) {
    case OrderState::open:
    case OrderState::partially_filled:
      update.kind = OrderUpdateKind::accepted;
      break;
    case OrderState::filled:
    case OrderState::cancelled:
      update.kind = OrderUpdateKind::done;
      break;
    case OrderState::rejected:
      update.kind = OrderUpdateKind::rejected;
      update.reason = Reason::rejected;
      update.message = Text<95>::cut(report.reject_reason);
      break;
  }
  if (is_final(report.state)) order_ended(&a);
  emit_update(update);
}

void Session::on_position(AttachedAccount& a) {
  a.pushed_ms = std::max(a.pushed_ms, message_.update_ms);
  for (const BalanceRow& row : message_.balances) tell_balance(a, row, message_.update_ms, false);
}

// A hint for the order of work only: an end told twice counts twice.
void Session::order_ended(AttachedAccount* a) {
  if (a != nullptr && a->open_orders > 0) --a->open_orders;
}

}  // namespace oneclick::binance
