// Pairs of orders: placed in one request and refused as one, told of one by one (Binance spot API
// docs, web-socket-api.md, "Order lists").
#include "connectors/binance/session.hpp"

namespace oneclick::binance {

namespace {

constexpr std::uint32_t orders_of_a_pair = 2;  // "Unfilled Order Count: 2"
constexpr std::uint32_t failure_weight = 1;
constexpr std::int64_t ns_per_ms = 1'000'000;

}  // namespace

OrderUpdateKind update_kind_of(OrderState state) {
  switch (state) {
    case OrderState::open:
    case OrderState::partially_filled:
      return OrderUpdateKind::accepted;
    case OrderState::filled:
    case OrderState::cancelled:
      return OrderUpdateKind::done;
    case OrderState::rejected:
      return OrderUpdateKind::rejected;
  }
  return OrderUpdateKind::unknown;
}

std::string client_order_id_of(const OrderKey& key) {
  char text[client_order_id_size];
  write_client_order_id(key, text);
  return {text, client_order_id_size};
}

SubmitResult Session::submit_pair(AttachedAccount& a, Line& line, const Intent& intent) {
  const std::int64_t venue_now = shared_->venue_now_ns();
  if (!budget_.try_take(0, intent.is_exit, venue_now) ||
      !a.orders_short.try_take(orders_of_a_pair, intent.is_exit, venue_now) ||
      !a.orders_day.try_take(orders_of_a_pair, intent.is_exit, venue_now))
    return SubmitResult::rate_budget;
  std::uint32_t id = 0;
  Pending* const row = pending_.take(id);
  if (row == nullptr) return SubmitResult::rate_budget;
  row->kind = RequestKind::place_pair;
  row->side = intent.side;
  row->slot = a.slot;
  row->attached = a.attached;
  row->account = a.account.id;
  row->key = intent.key;
  row->other_key = intent.other_key;
  row->symbol = intent.symbol;
  row->venue_symbol = intent.venue_symbol;
  const std::string target_id = client_order_id_of(intent.key);
  const std::string stop_id = client_order_id_of(intent.other_key);
  const NewPair pair{.side = intent.side,
                     .symbol = intent.venue_symbol.view(),
                     .target_id = target_id,
                     .stop_id = stop_id,
                     .quantity = intent.quantity,
                     .price = intent.price,
                     .stop_price = intent.stop_price,
                     .quantity_decimals = intent.quantity_decimals,
                     .price_decimals = intent.price_decimals};
  send_request(line, *row, id,
               encode_signed("orderList.place.oco", pair_params(pair), a.request, id,
                             venue_now / ns_per_ms));
  a.open_orders += static_cast<int>(orders_of_a_pair);
  shared_->orders_sent.add(orders_of_a_pair);
  return SubmitResult::queued;
}

// What is known of both is told of both.
void Session::emit_pair(OrderUpdate update, const Pending& row) {
  update.key = row.key;
  emit_update(update);
  update.key = row.other_key;
  emit_update(update);
}

// A refusal is of both orders: a list is taken whole or not at all. An answer that does not name
// one of them proves nothing about that one.
void Session::on_pair_reply(const Pending& row, const Reply& reply) {
  OrderUpdate update = update_of(row, OrderUpdateKind::unknown, UpdateSource::reply);
  update.sent_ns = row.sent_ns;
  update.venue_code = reply.code;
  update.message = Text<95>::cut(reply.message);
  if (reply.status != 200 || reply.has_error) {
    const Judgement judged = judge_reply(row, reply);
    if (judged.verdict == Verdict::rejected) {
      update.kind = OrderUpdateKind::rejected;
      update.reason = judged.reason;
      for (std::uint32_t i = 0; i < orders_of_a_pair; ++i) order_ended(account_of(row));
    }
    (void)budget_.weight.try_take(failure_weight, true, shared_->venue_now_ns());
    return emit_pair(update, row);
  }
  const bool readable = !reply.reports.empty() && decoder_.orders(reply.reports, order_rows_);
  if (!readable) order_rows_.clear();
  for (const OrderKey& key : {row.key, row.other_key}) {
    OrderUpdate one = update;
    one.key = key;
    for (const OrderRow& order : order_rows_) {
      if (order_key_from_client_id(order.client_order_id) != key) continue;
      one.kind = update_kind_of(order.state);
      if (one.kind == OrderUpdateKind::rejected) one.reason = Reason::rejected;
      one.venue_order_id = order.order_id;
      one.venue_time_ns = shared_->from_venue_ms(order.time_ms);
      one.has_cumulative = order.has_executed;
      one.cumulative_quantity = order.executed;
      one.cumulative_quote = order.quote;
      if (is_final(order.state)) order_ended(account_of(row));
    }
    emit_update(one);
  }
}

// "Canceling an individual order will cancel the entire order list as well": the answer is then
// about the list, and says what became of each order of it. False: it is not about a list.
bool Session::on_cancelled_list(const Pending& row, const Reply& reply) {
  if (reply.status != 200 || reply.has_error || reply.reports.empty()) return false;
  if (!decoder_.orders(reply.reports, order_rows_)) order_rows_.clear();
  OrderUpdate update = update_of(row, OrderUpdateKind::unknown, UpdateSource::reply);
  update.sent_ns = row.sent_ns;
  bool told = false;
  for (const OrderRow& order : order_rows_) {
    auto key = order_key_from_client_id(order.original_client_order_id);
    if (!key) key = order_key_from_client_id(order.client_order_id);
    if (!key || !order.has_executed || !is_final(order.state)) continue;
    OrderUpdate one = update;
    one.key = *key;
    one.kind = update_kind_of(order.state);
    one.venue_order_id = order.order_id;
    one.venue_time_ns = shared_->from_venue_ms(order.time_ms);
    one.has_cumulative = true;
    one.cumulative_quantity = order.executed;
    one.cumulative_quote = order.quote;
    order_ended(account_of(row));
    emit_update(one);
    told = told || *key == row.key;
  }
  if (!told) emit_update(update);
  return true;
}

}  // namespace oneclick::binance
