// Trades that an account's stream cannot have told, fetched after every gap in it: symbol by
// symbol, and the order of each, which says whether it was ours. One question of an account at a
// time, out of what orders leave of the budget.
#include <algorithm>
#include <charconv>

#include "connectors/binance/session.hpp"
#include "engine/base/log.hpp"

namespace oneclick::binance {

namespace {

constexpr std::uint32_t trades_weight = 20;
constexpr std::uint32_t order_weight = 4;
constexpr int trades_page = 1'000;
constexpr std::size_t gaps_open_max = 16;
constexpr int questions_per_turn = 2;  // orders are not to wait for this
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t retry_ns = 1'000'000'000;
constexpr std::int64_t overlap_ms = 1'000;
constexpr std::int64_t before_start_ms = 600'000;  // for how long the engine may have been away

}  // namespace

// The gap begins where the stream was last known to tell.
void Session::begin_gap(AttachedAccount& a) {
  const std::int64_t known_ms = std::max(a.heard_ms, a.live_ms);
  const std::int64_t from_ms =
      known_ms == 0 ? shared_->venue_now_ns() / ns_per_ms - before_start_ms : known_ms - overlap_ms;
  a.gap.from_ms = a.gap.from_ms == 0 ? from_ms : std::min(a.gap.from_ms, from_ms);
}

// The stream is back and the account was read: what came between can be asked for.
void Session::queue_gap(AttachedAccount& a) {
  // Without names of symbols nobody can be asked for trades.
  if (a.gap.from_ms == 0 || read_symbols_.empty() || read_symbols_.front().empty()) return;
  a.gap.again = a.gap.open;  // an answer to the round before is still to come
  a.gap.symbol = 0;
  a.gap.from_id.clear();
  a.gap.page_is_last = false;
  a.gap.trades.clear();
  if (a.gap.queued) return;
  a.gap.queued = true;
  gaps_.push_back(a.slot);
}

void Session::pump_gaps(std::int64_t now_ns) {
  int questions = questions_per_turn;
  std::size_t looked = gaps_.size();
  while (looked-- > 0 && questions > 0 && gaps_open_ < gaps_open_max) {
    AttachedAccount* const a = account_at(gaps_.front());
    // Lost again, it is queued again once it is back.
    const bool is_void = a == nullptr || !a->gap.queued || a->live_on == 0;
    if (!is_void && !a->gap.open && a->gap.not_before_ns <= now_ns) {
      if (budget_.weight.remaining_ratio(shared_->venue_now_ns()) <
          1 - shared_->config().sweep_budget_ratio)
        return;
      if (!send_gap_question(*a)) return;
      --questions;
    }
    const AccountSlot slot = gaps_.front();
    gaps_.pop_front();
    if (is_void) {
      if (a != nullptr) a->gap.queued = false;
    } else {
      gaps_.push_back(slot);
    }
  }
}

bool Session::send_gap_question(AttachedAccount& a) {
  Line* const line = line_at(a.live_on);
  const bool is_order = !a.gap.trades.empty();
  if (line == nullptr || !line->open ||
      !budget_.try_take(is_order ? order_weight : trades_weight, false, shared_->venue_now_ns()))
    return false;
  std::uint32_t id = 0;
  Pending* const row = pending_.take(id);
  if (row == nullptr) return false;
  row->kind = is_order ? RequestKind::gap_order : RequestKind::gap_trades;
  row->slot = a.slot;
  row->attached = a.attached;
  row->account = a.account.id;
  const std::string& symbol = read_symbols_[a.gap.symbol];
  const std::int64_t time = shared_->venue_now_ns() / ns_per_ms;
  a.gap.open = true;
  ++gaps_open_;
  if (is_order) {
    row->order_id = a.gap.trades.back().venue_order_id;
    send_request(*line, *row, id,
                 encode_signed("order.status", order_params_by_id(symbol, row->order_id.view()),
                               a.request, id, time));
    return true;
  }
  TradesQuery query;
  query.symbol = symbol;
  query.limit = trades_page;
  if (a.gap.from_id.empty()) {
    query.start_ms = a.gap.from_ms;
  } else {
    query.from_id = a.gap.from_id;
  }
  send_request(*line, *row, id,
               encode_signed("myTrades", trades_params(query), a.request, id, time));
  return true;
}

void Session::on_gap_reply(const Pending& row, const Reply& reply) {
  if (gaps_open_ > 0) --gaps_open_;
  AttachedAccount* const a = account_of(row);
  if (a == nullptr) return;
  const bool is_old = a->gap.again;
  a->gap.open = a->gap.again = false;
  if (!a->gap.queued || is_old) return;
  if (reply.status != 200 || reply.has_error) {
    const Judgement judged = judge_reply(row, reply);
    // An order that the venue does not know any more is none of ours: those are asked for in time.
    if (row.kind == RequestKind::gap_order &&
        (judged.verdict == Verdict::not_found || judged.verdict == Verdict::archived))
      return tell_gap_trades(*a, row.order_id, "");
    a->gap.not_before_ns = shared_->now_ns() + retry_ns;
    return;
  }
  if (row.kind == RequestKind::gap_order) {
    tell_gap_trades(*a, row.order_id, reply.order.client_order_id);
  } else if (!take_gap_trades(*a, reply)) {
    a->gap.not_before_ns = shared_->now_ns() + retry_ns;
  }
}

void Session::on_gap_failed(const Pending& row) {
  if (gaps_open_ > 0) --gaps_open_;
  AttachedAccount* const a = account_of(row);
  if (a == nullptr) return;
  a->gap.open = a->gap.again = false;
  a->gap.not_before_ns = shared_->now_ns() + retry_ns;
}

bool Session::take_gap_trades(AttachedAccount& a, const Reply& reply) {
  if (reply.array.empty() || !decoder_.trades(reply.array, trade_rows_)) return false;
  for (const TradeRow& trade : trade_rows_) {
    OrderUpdate update{};
    update.account = a.account.id;
    update.kind = OrderUpdateKind::execution;
    update.source = UpdateSource::query;
    update.side = trade.side;
    update.maker = trade.maker;
    update.symbol = symbol_of(read_symbols_[a.gap.symbol]);
    update.venue_order_id = trade.order_id;
    update.trade_id = trade.trade_id;
    update.last_quantity = trade.quantity;
    update.last_price = trade.price;
    update.fee = trade.fee;
    update.fee_asset = trade.fee_asset;
    update.venue_time_ns = shared_->from_venue_ms(trade.time_ms);
    a.gap.trades.push_back(update);
  }
  if (trade_rows_.size() >= static_cast<std::size_t>(trades_page)) {
    std::int64_t last = 0;
    const std::string_view text = trade_rows_.back().trade_id.view();
    std::from_chars(text.data(), text.data() + text.size(), last);
    a.gap.from_id = std::to_string(last + 1);
  } else {
    a.gap.page_is_last = true;
  }
  if (a.gap.trades.empty()) end_gap_page(a);
  return true;
}

// All of one order: ours by its name, or somebody else's.
void Session::tell_gap_trades(AttachedAccount& a, const VenueOrderId& order,
                              std::string_view client_order_id) {
  const auto key = order_key_from_client_id(client_order_id);
  for (OrderUpdate& update : a.gap.trades) {
    if (update.venue_order_id != order) continue;
    update.key = key.value_or(OrderKey{});
    emit_update(update);
  }
  std::erase_if(a.gap.trades,
                [&](const OrderUpdate& update) { return update.venue_order_id == order; });
  if (a.gap.trades.empty()) end_gap_page(a);
}

void Session::end_gap_page(AttachedAccount& a) {
  if (!a.gap.page_is_last) return;
  a.gap.page_is_last = false;
  a.gap.from_id.clear();
  if (++a.gap.symbol < read_symbols_.size()) return;
  a.gap.queued = false;  // taken off the list at the next look
  a.gap.from_ms = 0;
}

}  // namespace oneclick::binance
