// Orders out, answers in.
#include "connectors/binance/session.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/base/log.hpp"

namespace oneclick::binance {

namespace {

constexpr std::uint32_t query_weight = 4;
constexpr std::uint32_t trades_weight = 5;
constexpr std::uint32_t cancel_weight = 0;  // when it succeeds, since 2026-04-02
constexpr std::uint32_t failure_weight = 1;
constexpr std::size_t trades_page = 1'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t default_pause_ns = 60'000'000'000;

net::Url limits_off(const std::string& text) {
  net::Url url = net::parse_url(text).value();
  url.target += url.target.find('?') == std::string::npos ? '?' : '&';
  url.target += "returnRateLimits=false";
  return url;
}

struct Kind {
  OrderKind kind;
  TimeInForce time_in_force;
};
Kind kind_of(OrderType type) {
  switch (type) {
    case OrderType::limit_ioc:
      return {OrderKind::limit, TimeInForce::ioc};
    case OrderType::limit_gtc:
      return {OrderKind::limit, TimeInForce::gtc};
    case OrderType::market:
      return {OrderKind::market, TimeInForce::none};
    case OrderType::stop_loss:
      return {OrderKind::stop_loss, TimeInForce::none};
    case OrderType::take_profit:
      return {OrderKind::limit_maker, TimeInForce::none};
  }
  return {OrderKind::market, TimeInForce::none};
}

NewOrder order_of(const Intent& intent, std::string_view client_order_id) {
  const Kind kind = kind_of(intent.type);
  return {.kind = kind.kind,
          .time_in_force = kind.time_in_force,
          .side = intent.side,
          .response = ResponseType::ack,
          .symbol = intent.venue_symbol.view(),
          .client_order_id = client_order_id,
          .quantity = intent.quantity,
          .price = intent.price,
          .quantity_decimals = intent.quantity_decimals,
          .price_decimals = intent.price_decimals,
          .stop_price = intent.stop_price};
}

}  // namespace

Session::Session(net::Reactor& reactor, std::shared_ptr<VenueShared> shared, std::uint8_t egress,
                 EventSink& sink)
    : reactor_(reactor),
      shared_(std::move(shared)),
      budget_(shared_->egress(egress)),
      sink_(sink),
      url_(limits_off(shared_->config().ws_api_url)),
      pending_(shared_->config().requests_in_flight_max),
      oldest_reading_(shared_->add_reading()),
      // Another process's last ones must not be taken for ours.
      sweep_last_(static_cast<std::uint32_t>(shared_->now_ns() / ns_per_ms)),
      backoff_(shared_->config().reconnect_min_ns, shared_->config().reconnect_max_ns),
      timer_(reactor.make_timer()) {
  // openOrders weighs 6 with a symbol and 80 without: a short list is asked for one by one.
  constexpr std::size_t single_reads_max = 13;
  for (const std::string& symbol : shared_->config().symbols) {
    const auto parts = split_symbol(symbol);
    if (!parts) continue;
    read_symbols_.push_back(std::string(parts->base) + std::string(parts->quote));
    for (const std::string_view name : {parts->base, parts->quote}) {
      const Asset asset = Asset::cut(name);
      if (std::find(watched_assets_.begin(), watched_assets_.end(), asset) == watched_assets_.end())
        watched_assets_.push_back(asset);
    }
  }
  if (read_symbols_.empty() || read_symbols_.size() > single_reads_max) read_symbols_ = {""};
  budget_.sessions.fetch_add(1);
  tick();
}

Session::~Session() {
  timer_->cancel();
  for (auto& line : lines_) line->client.reset();
  budget_.sessions.fetch_sub(1);
  if (up_) budget_.sessions_up.fetch_sub(1);
}

// Hot path 7/7, first half: into the connection's buffer. No allocation, no system call.
SubmitResult Session::submit(const Intent& intent) {
  AttachedAccount* const a = account_at(intent.slot);
  if (a == nullptr || a->refused) return SubmitResult::no_account;
  Line* const line = up_ ? order_line() : nullptr;
  if (line == nullptr) return SubmitResult::down;
  if (intent.kind == IntentKind::read_account) {
    queue_reconcile(*a, true);
    return SubmitResult::queued;
  }
  if (intent.kind == IntentKind::place_pair) return submit_pair(*a, *line, intent);
  return intent.kind == IntentKind::place ? submit_place(*a, *line, intent)
                                          : submit_question(*a, *line, intent);
}

// First the account itself, then the texts it points to.
void Session::prefetch(AccountSlot slot, bool first) const {
  const AttachedAccount* const a = slot < accounts_.size() ? accounts_[slot].get() : nullptr;
  if (a == nullptr) return;
  if (first) {
    const auto* const bytes = reinterpret_cast<const char*>(a);
    for (std::size_t at = 0; at < sizeof(AttachedAccount); at += 64)
      __builtin_prefetch(bytes + at, 1);
    return;
  }
  for (const std::string_view text : {a->request.signed_head(), a->request.place_head()})
    for (std::size_t at = 0; at < text.size(); at += 64) __builtin_prefetch(text.data() + at);
}

SubmitResult Session::submit_place(AttachedAccount& a, Line& line, const Intent& intent) {
  const std::int64_t now = shared_->now_ns();
  const std::int64_t venue_now = now + shared_->offset.offset_ns();
  if (!budget_.try_take(0, intent.is_exit, venue_now) ||
      !a.orders_short.try_take(1, intent.is_exit, venue_now) ||
      !a.orders_day.try_take(1, intent.is_exit, venue_now))
    return SubmitResult::rate_budget;
  std::uint32_t id = 0;
  Pending* const row = pending_.take(id);
  if (row == nullptr) return SubmitResult::rate_budget;
  row->kind = RequestKind::place;
  row->side = intent.side;
  row->connection = line.serial;
  row->slot = a.slot;
  row->attached = a.attached;
  row->account = a.account.id;
  row->key = intent.key;
  row->symbol = intent.symbol;
  row->venue_symbol = intent.venue_symbol;
  row->started_ns = now;
  char client_order_id[client_order_id_size];
  write_client_order_id(intent.key, client_order_id);
  const NewOrder order = order_of(intent, {client_order_id, client_order_id_size});
  const std::int64_t time_ms = venue_now / ns_per_ms;
  ++line.in_flight;
  if (a.request.signer().key_type() == KeyType::hmac) {
    StagedOrder& staged = staged_[staged_count_++];
    staged.id = id;
    staged.line = line.serial;
    staged.signer = &a.request.signer();
    staged.sizes = encode_unsigned_place(a.request, order, id, time_ms, staged.json, staged.text);
    if (staged_count_ == staged_max) commit_staged();
  } else {
    char* const out = line.client->reserve_message(request_bytes_max);
    line.client->commit_message(encode_place(a.request, order, id, time_ms, out));
    line.unwritten.push({id, line.client->committed_bytes_total()});
  }
  ++a.open_orders;
  shared_->orders_sent.add();
  return SubmitResult::queued;
}

// Signs what waits, several keys at once, and lays it into its connection's buffer.
void Session::commit_staged() {
  std::array<Digest, staged_max> digests;
  std::array<HmacJob, staged_max> jobs;
  for (std::size_t i = 0; i < staged_count_; ++i)
    jobs[i] = staged_[i].signer->job({staged_[i].text, staged_[i].sizes.text}, &digests[i]);
  sign_many(std::span(jobs.data(), staged_count_));
  for (std::size_t i = 0; i < staged_count_; ++i) {
    StagedOrder& staged = staged_[i];
    const std::size_t size =
        staged.sizes.json + append_signature(staged.json + staged.sizes.json, digests[i]);
    Line& line = *line_at(staged.line);
    std::memcpy(line.client->reserve_message(size), staged.json, size);
    line.client->commit_message(size);
    line.unwritten.push({staged.id, line.client->committed_bytes_total()});
  }
  staged_count_ = 0;
}

// Their connection is gone before a byte of them was made: they were certainly not sent.
void Session::drop_staged(std::uint32_t serial) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < staged_count_; ++i) {
    if (staged_[i].line != serial) {
      if (kept != i) staged_[kept] = staged_[i];
      ++kept;
      continue;
    }
    Pending* const row = pending_.find(staged_[i].id);
    if (row == nullptr) continue;
    OrderUpdate update = update_of(*row, OrderUpdateKind::not_sent, UpdateSource::gate);
    update.reason = Reason::session_down;
    order_ended(account_of(*row));
    pending_.release(*row);
    emit_update(update);
  }
  staged_count_ = kept;
}

void Session::finish_commit(Line& line, std::uint32_t id) {
  ++line.in_flight;
  line.unwritten.push({id, line.client->committed_bytes_total()});
}

// Hot path 7/7, second half: what was submitted goes to the kernel.
void Session::flush() {
  if (staged_count_ > 0) commit_staged();
  for (const auto& line : lines_) {
    if (!line->open || line->unwritten.empty()) continue;
    line->client->flush();
    note_written(*line);
  }
}

void Session::note_written(Line& line) {
  if (line.unwritten.empty()) return;
  const std::uint64_t written = line.client->written_bytes_total();
  if (line.unwritten.front().end_mark > written) return;
  const std::int64_t now = shared_->now_ns();
  while (!line.unwritten.empty() && line.unwritten.front().end_mark <= written) {
    Pending* const row = pending_.find(line.unwritten.front().id);
    if (row != nullptr && row->sent_ns == 0) row->sent_ns = now;
    line.unwritten.pop();
  }
}

std::size_t Session::backlog_bytes() const {
  std::size_t bytes = 0;
  for (const auto& line : lines_)
    if (line->open) bytes += line->client->backlog_bytes();
  for (std::size_t i = 0; i < staged_count_; ++i) bytes += staged_[i].sizes.json;
  return bytes;
}

SubmitResult Session::submit_question(AttachedAccount& a, Line& line, const Intent& intent) {
  const bool is_cancel = intent.kind == IntentKind::cancel;
  const bool is_trades = intent.kind == IntentKind::query_trades;
  const std::uint32_t weight = is_cancel ? cancel_weight : is_trades ? trades_weight : query_weight;
  if (!budget_.try_take(weight, true, shared_->venue_now_ns())) return SubmitResult::rate_budget;
  std::uint32_t id = 0;
  Pending* const row = pending_.take(id);
  if (row == nullptr) return SubmitResult::rate_budget;
  row->kind = is_cancel   ? RequestKind::cancel
              : is_trades ? RequestKind::trades
                          : RequestKind::query;
  row->side = intent.side;
  row->slot = a.slot;
  row->attached = a.attached;
  row->account = a.account.id;
  row->key = intent.key;
  row->other_key = intent.other_key;
  row->symbol = intent.symbol;
  row->venue_symbol = intent.venue_symbol;
  row->order_id = intent.venue_order_id;
  const std::string client_id = client_order_id_of(intent.key);
  const std::string_view symbol = intent.venue_symbol.view();
  const std::int64_t time = shared_->venue_now_ns() / ns_per_ms;
  if (is_cancel) {
    send_request(
        line, *row, id,
        encode_signed("order.cancel", cancel_params(symbol, client_id), a.request, id, time));
  } else if (is_trades) {
    TradesQuery query;
    query.symbol = symbol;
    query.order_id = intent.venue_order_id.view();
    query.limit = trades_page;
    send_request(line, *row, id,
                 encode_signed("myTrades", trades_params(query), a.request, id, time));
  } else {
    send_request(
        line, *row, id,
        encode_signed("order.status", order_params(symbol, client_id), a.request, id, time));
  }
  return SubmitResult::queued;
}

void Session::send_request(Line& line, Pending& row, std::uint32_t id, const std::string& message) {
  row.connection = line.serial;
  row.started_ns = shared_->now_ns();
  char* const out = line.client->reserve_message(message.size());
  std::copy(message.begin(), message.end(), out);
  line.client->commit_message(message.size());
  finish_commit(line, id);
}

void Session::on_message(std::uint32_t serial, std::string_view json) {
  Line* const line = line_at(serial);
  if (line == nullptr) return;
  note_written(*line);
  if (!decoder_.message(json, message_)) return on_refused_message(*line);
  switch (message_.kind) {
    case Message::Kind::reply: {
      Pending* const row = pending_.find(message_.reply.id);
      if (row == nullptr)
        return;  // given up before, or an error without an id: its request times out
      on_reply(*line, *row);
      return;
    }
    case Message::Kind::execution_report:
    case Message::Kind::account_position:
    case Message::Kind::balance_change:
    case Message::Kind::stream_terminated:
      return on_event(*line);
    case Message::Kind::server_shutdown:
      return retire(*line, "server shutdown");
    case Message::Kind::other_event:
      return;
  }
}

// What cannot be read is not guessed at: a request becomes unknown, an account is read again.
void Session::on_refused_message(Line& line) {
  shared_->refused_messages.add();
  log_error("binance message refused", {{"kind", static_cast<int>(message_.kind)}});
  if (Pending* const row = pending_.find(message_.reply.id); row != nullptr) {
    const Pending copy = *row;
    pending_.release(*row);
    if (line.in_flight > 0) --line.in_flight;
    return fail_pending(copy, "unreadable answer");
  }
  const std::int64_t subscription = message_.subscription_id;
  if (subscription < 0 || static_cast<std::size_t>(subscription) >= line.slots.size()) return;
  AttachedAccount* const a = account_at(line.slots[static_cast<std::size_t>(subscription)]);
  if (a == nullptr) return;
  if (const auto key = order_key_from_client_id(message_.report.client_order_id); key) {
    OrderUpdate update{};
    update.account = a->account.id;
    update.key = *key;
    update.kind = OrderUpdateKind::unknown;
    update.source = UpdateSource::stream;
    update.message = Text<95>::cut("unreadable report");
    emit_update(update);
  }
  lose(*a, "unreadable event");
  queue_reconcile(*a);
}

void Session::on_reply(Line& line, Pending& row) {
  const Pending copy = row;
  pending_.release(row);
  if (line.in_flight > 0) --line.in_flight;
  const Reply& reply = message_.reply;
  observe_limits(copy);
  switch (copy.kind) {
    case RequestKind::none:
    case RequestKind::other:
      return;
    case RequestKind::place:
      return on_place_reply(copy, reply);
    case RequestKind::place_pair:
      return on_pair_reply(copy, reply);
    case RequestKind::cancel:
      return on_cancel_reply(copy, reply);
    case RequestKind::query:
      return on_query_reply(copy, reply);
    case RequestKind::trades:
      return on_trades_reply(line, copy, reply);
    case RequestKind::time:
      if (!reply.has_error && reply.server_time_ms > 0) {
        shared_->offset.add_sample(copy.started_ns, shared_->now_ns(), reply.server_time_ms);
        backoff_.reset();  // it answers: this connection is a good one
        update_up();
      }
      return;
    case RequestKind::subscribe:
      return on_subscribe_reply(line, copy, reply);
    case RequestKind::account:
    case RequestKind::open_orders:
      return on_read_reply(copy, reply);
    case RequestKind::gap_trades:
    case RequestKind::gap_order:
      return on_gap_reply(copy, reply);
  }
}

OrderUpdate Session::update_of(const Pending& row, OrderUpdateKind kind,
                               UpdateSource source) const {
  OrderUpdate out{};
  out.account = row.account;
  out.key = row.key;
  out.kind = kind;
  out.source = source;
  out.side = row.side;
  out.symbol = row.symbol;
  return out;
}

void Session::on_place_reply(const Pending& row, const Reply& reply) {
  OrderUpdate update = update_of(row, OrderUpdateKind::unknown, UpdateSource::reply);
  update.sent_ns = row.sent_ns;
  update.venue_code = reply.code;
  update.message = Text<95>::cut(reply.message);
  if (reply.status == 200 && !reply.has_error) {
    // An answer about some other order proves nothing about ours.
    if (!reply.order.order_id.empty() &&
        order_key_from_client_id(reply.order.client_order_id) == row.key) {
      update.kind = OrderUpdateKind::accepted;
      update.venue_order_id = reply.order.order_id;
      update.venue_time_ns = shared_->from_venue_ms(reply.order.time_ms);
      update.has_cumulative = reply.order.has_executed;
      update.cumulative_quantity = reply.order.executed;
      update.cumulative_quote = reply.order.quote;
    }
  } else {
    const Judgement judged = judge_reply(row, reply);
    if (judged.verdict == Verdict::rejected) {
      update.kind = OrderUpdateKind::rejected;
      update.reason = judged.reason;
      order_ended(account_of(row));
    }
    // Refused orders weigh what successful ones no longer do.
    (void)budget_.weight.try_take(failure_weight, true, shared_->venue_now_ns());
  }
  emit_update(update);
}

// A refused cancel says nothing certain about the order: it is asked for.
void Session::on_cancel_reply(const Pending& row, const Reply& reply) {
  if (on_cancelled_list(row, reply)) return;
  OrderUpdate update = update_of(row, OrderUpdateKind::unknown, UpdateSource::reply);
  update.sent_ns = row.sent_ns;
  update.venue_code = reply.code;
  update.message = Text<95>::cut(reply.message);
  if (reply.status == 200 && !reply.has_error) {
    const OrderRow& order = reply.order;
    if (order.has_state && order.has_executed && is_final(order.state) &&
        order_key_from_client_id(order.original_client_order_id) == row.key) {
      update.kind = update_kind_of(order.state);
      update.venue_order_id = order.order_id;
      update.venue_time_ns = shared_->from_venue_ms(order.time_ms);
      update.has_cumulative = true;
      update.cumulative_quantity = order.executed;
      update.cumulative_quote = order.quote;
      order_ended(account_of(row));
    }
  } else {
    (void)judge_reply(row, reply);
    (void)budget_.weight.try_take(failure_weight, true, shared_->venue_now_ns());
  }
  emit_update(update);
}

void Session::on_query_reply(const Pending& row, const Reply& reply) {
  OrderUpdate update = update_of(row, OrderUpdateKind::query_failed, UpdateSource::query);
  update.venue_code = reply.code;
  update.message = Text<95>::cut(reply.message);
  if (reply.status == 200 && !reply.has_error) {
    const OrderRow& order = reply.order;
    const bool ours = order_key_from_client_id(order.client_order_id) == row.key ||
                      (!row.order_id.empty() && row.order_id == order.order_id);
    if (order.has_state && !order.order_id.empty() && ours) {
      update.kind = update_kind_of(order.state);
      if (update.kind == OrderUpdateKind::rejected) update.reason = Reason::rejected;
      update.venue_order_id = order.order_id;
      update.venue_time_ns = shared_->from_venue_ms(order.time_ms);
      update.has_cumulative = order.has_executed;
      update.cumulative_quantity = order.executed;
      update.cumulative_quote = order.quote;
      if (is_final(order.state)) {
        AttachedAccount* const a = account_of(row);
        order_ended(a);
        if (a != nullptr) doubt_silent_stream(*a, order.time_ms);
      }
    }
  } else {
    const Judgement judged = judge_reply(row, reply);
    if (judged.verdict == Verdict::not_found) update.kind = OrderUpdateKind::not_found;
    if (judged.verdict == Verdict::archived) {
      update.kind = OrderUpdateKind::done;
      update.has_cumulative = true;
      order_ended(account_of(row));
    }
  }
  emit_update(update);
}

// Every fill, then the order's own totals, which say whether it has ended.
void Session::on_trades_reply(Line& line, const Pending& row, const Reply& reply) {
  if (reply.status != 200 || reply.has_error || reply.array.empty() ||
      !decoder_.trades(reply.array, trade_rows_)) {
    if (reply.has_error) (void)judge_reply(row, reply);
    OrderUpdate update = update_of(row, OrderUpdateKind::query_failed, UpdateSource::query);
    update.venue_code = reply.code;
    update.message = Text<95>::cut(reply.message);
    return emit_update(update);
  }
  for (const TradeRow& trade : trade_rows_) {
    if (trade.order_id != row.order_id) continue;
    OrderUpdate update = update_of(row, OrderUpdateKind::execution, UpdateSource::query);
    update.side = trade.side;
    update.maker = trade.maker;
    update.venue_order_id = trade.order_id;
    update.trade_id = trade.trade_id;
    update.last_quantity = trade.quantity;
    update.last_price = trade.price;
    update.fee = trade.fee;
    update.fee_asset = trade.fee_asset;
    update.venue_time_ns = shared_->from_venue_ms(trade.time_ms);
    emit_update(update);
  }
  if (trade_rows_.size() < trades_page) return request_order_by_id(line, row);
  std::int64_t last = 0;
  const std::string_view text = trade_rows_.back().trade_id.view();
  std::from_chars(text.data(), text.data() + text.size(), last);
  request_trades(line, row, std::to_string(last + 1));
}

void Session::request_trades(Line& line, const Pending& of, std::string_view from_id) {
  AttachedAccount* const a = account_of(of);
  std::uint32_t id = 0;
  Pending* const row =
      a != nullptr && budget_.try_take(trades_weight, true, shared_->venue_now_ns())
          ? pending_.take(id)
          : nullptr;
  if (row == nullptr) return fail_pending(of, "no budget for more trades");
  const std::uint16_t generation = row->generation;
  *row = of;
  row->generation = generation;
  TradesQuery query;
  query.symbol = of.venue_symbol.view();
  query.order_id = of.order_id.view();
  query.from_id = from_id;
  query.limit = trades_page;
  send_request(line, *row, id,
               encode_signed("myTrades", trades_params(query), a->request, id,
                             shared_->venue_now_ns() / ns_per_ms));
  line.client->flush();
}

void Session::request_order_by_id(Line& line, const Pending& of) {
  AttachedAccount* const a = account_of(of);
  std::uint32_t id = 0;
  Pending* const row = a != nullptr && budget_.try_take(query_weight, true, shared_->venue_now_ns())
                           ? pending_.take(id)
                           : nullptr;
  if (row == nullptr) return fail_pending(of, "no budget for the order's totals");
  const std::uint16_t generation = row->generation;
  *row = of;
  row->generation = generation;
  row->kind = RequestKind::query;
  send_request(
      line, *row, id,
      encode_signed("order.status", order_params_by_id(of.venue_symbol.view(), of.order_id.view()),
                    a->request, id, shared_->venue_now_ns() / ns_per_ms));
  line.client->flush();
}

// No answer will come any more, or none that can be read.
void Session::fail_pending(const Pending& row, std::string_view why) {
  switch (row.kind) {
    case RequestKind::none:
    case RequestKind::time:
    case RequestKind::other:
      return;
    case RequestKind::place:
    case RequestKind::place_pair:
    case RequestKind::cancel: {
      OrderUpdate update = update_of(row, OrderUpdateKind::unknown, UpdateSource::reply);
      update.sent_ns = row.sent_ns;
      update.message = Text<95>::cut(why);
      return row.kind == RequestKind::place_pair ? emit_pair(update, row) : emit_update(update);
    }
    case RequestKind::query:
    case RequestKind::trades: {
      OrderUpdate update = update_of(row, OrderUpdateKind::query_failed, UpdateSource::query);
      update.message = Text<95>::cut(why);
      return emit_update(update);
    }
    case RequestKind::subscribe: {
      if (subscribing_ > 0) --subscribing_;
      AttachedAccount* const a = account_of(row);
      if (a == nullptr || a->subscribing_on != row.connection) return;
      if (Line* const line = line_at(row.connection); line != nullptr && line->accounts > 0)
        --line->accounts;
      a->subscribing_on = 0;
      return queue_subscription(*a);
    }
    case RequestKind::gap_trades:
    case RequestKind::gap_order:
      return on_gap_failed(row);
    case RequestKind::account:
    case RequestKind::open_orders: {
      if (reads_open_ > 0) --reads_open_;
      if (AttachedAccount* const a = account_of(row); a != nullptr) finish_read(*a, false);
      return;
    }
  }
}

Judgement Session::judge_reply(const Pending& row, const Reply& reply) {
  const Judgement judged = judge(reply.status, reply.code, reply.message);
  apply_remedy(judged.remedy, row, reply);
  return judged;
}

void Session::apply_remedy(Remedy remedy, const Pending& row, const Reply& reply) {
  const std::int64_t venue_now = shared_->venue_now_ns();
  const std::int64_t told = reply.retry_after_ms * ns_per_ms;
  AttachedAccount* const a = account_of(row);
  switch (remedy) {
    case Remedy::none:
      return;
    case Remedy::resync_clock:
      shared_->offset.distrust(shared_->now_ns());
      log_warning("binance refused a time stamp; measuring the clock again");
      return;
    case Remedy::pause_egress:
      budget_.pause_until(told > venue_now ? told : venue_now + default_pause_ns);
      log_warning("binance asks for a pause", {{"status", reply.status}, {"code", reply.code}});
      return;
    case Remedy::pause_account:
      if (a != nullptr)
        a->orders_short.pause_until(told > venue_now ? told : a->orders_short.resets_ns(venue_now));
      return;
    case Remedy::stop_account:
      if (a != nullptr) refuse(*a, reply.message);
      return;
  }
}

// Only `time` asks for them: the others leave them out to keep answers short.
void Session::observe_limits(const Pending& row) {
  const std::int64_t venue_now = shared_->venue_now_ns();
  for (const RateLimitRow& limit : message_.rate_limits) {
    switch (limit.kind) {
      case RateLimitRow::Kind::request_weight:
        budget_.weight.observe_used(limit.count, venue_now);
        break;
      case RateLimitRow::Kind::raw_requests:
        budget_.raw.observe_used(limit.count, venue_now);
        break;
      case RateLimitRow::Kind::orders:
        if (AttachedAccount* const a = account_of(row); a != nullptr) {
          const bool is_day = limit.interval_ns >= 86'400'000'000'000;
          (is_day ? a->orders_day : a->orders_short).observe_used(limit.count, venue_now);
        }
        break;
      case RateLimitRow::Kind::connections:
      case RateLimitRow::Kind::other:
        break;
    }
  }
}

void Session::emit_update(const OrderUpdate& update) {
  if (update.source == UpdateSource::reply) {
    if (update.kind == OrderUpdateKind::accepted) shared_->acks_accepted.add();
    if (update.kind == OrderUpdateKind::rejected) shared_->acks_rejected.add();
    if (update.kind == OrderUpdateKind::unknown) shared_->acks_unknown.add();
  }
  emit(make_event(update));
}

// Events keep their order: while one waits, all later ones wait behind it.
void Session::emit(const Event& event) {
  if (held_.empty() && sink_.try_push(event)) return;
  held_.push_back(event);
}

std::unique_ptr<OrderSession> make_order_session(net::Reactor& reactor,
                                                 std::shared_ptr<VenueShared> shared,
                                                 std::uint8_t egress, EventSink& sink) {
  return std::make_unique<Session>(reactor, std::move(shared), egress, sink);
}

}  // namespace oneclick::binance
