// Orders that depend on something: on the last price, on another order of a pair, on whose order
// they would meet. Where the venue's documents say what happens but not in which order it is told,
// the order is the one that releases before it uses: the other order of a pair expires first, then
// the one that goes on is told of.
#include <algorithm>

#include "connectors/paper/exchange.hpp"

namespace oneclick::paper {

namespace {

constexpr std::int64_t average_seconds = 300;

std::unexpected<ApiError> refused(int code, std::string message) {
  return std::unexpected(ApiError{.http_status = 400, .code = code, .message = std::move(message)});
}
std::optional<ApiError> bad(int code, std::string message) {
  return ApiError{.http_status = 400, .code = code, .message = std::move(message)};
}

// stopPrice above the market: STOP_LOSS BUY and TAKE_PROFIT SELL (web-socket-api.md, order.place).
bool waits_for_a_rise(Type type, Side side) {
  const bool stop = type == Type::stop_loss || type == Type::stop_loss_limit;
  return stop == (side == Side::buy);
}

bool takes_profit(Type type) {
  return type == Type::limit_maker || type == Type::take_profit || type == Type::take_profit_limit;
}

}  // namespace

Decimal Exchange::last_price(const SymbolRules& s) const {
  return books_.find(s.name)->second.last;
}

void Exchange::note_price(Book& book, Decimal price, std::int64_t now_ms) {
  const std::int64_t second = now_ms / 1'000;
  book.last = price;
  book.last_trade_ms = now_ms;
  if (book.seconds.empty() || book.seconds.back().at != second)
    book.seconds.push_back({second, 0, Decimal{}});
  ++book.seconds.back().count;
  book.seconds.back().sum += price;
  while (book.seconds.front().at <= second - average_seconds) book.seconds.pop_front();
}

Exchange::Average Exchange::average(const SymbolRules& s, std::int64_t now_ms) const {
  const Book& book = books_.find(s.name)->second;
  Decimal sum{};
  std::int64_t count = 0;
  for (const Book::Second& second : book.seconds) {
    if (second.at <= now_ms / 1'000 - average_seconds) continue;
    sum += second.sum;
    count += second.count;
  }
  return {count == 0 ? Decimal{} : scale_by(sum, 1, count, Round::nearest), book.last_trade_ms};
}

// ---- stop prices --------------------------------------------------------------------------------

bool Exchange::reached(Type type, Side side, Decimal stop_price, Decimal last) {
  if (!last.is_positive()) return false;
  return waits_for_a_rise(type, side) ? last >= stop_price : last <= stop_price;
}

void Exchange::wait(Order& order) {
  Book& book = books_[order.symbol->name];
  (waits_for_a_rise(order.type, order.side) ? book.rising : book.falling)
      .emplace(order.stop_price, &order);
}

void Exchange::stop_waiting(Order& order) {
  Book& book = books_[order.symbol->name];
  auto& waiting = waits_for_a_rise(order.type, order.side) ? book.rising : book.falling;
  const auto [from, to] = waiting.equal_range(order.stop_price);
  for (auto at = from; at != to; ++at)
    if (at->second == &order) {
      waiting.erase(at);
      return;
    }
}

// What one sets off moves the price, which may set off the next.
void Exchange::trigger(const SymbolRules& s, std::int64_t now_ms) {
  Book& book = books_[s.name];
  while (book.last.is_positive()) {
    if (!book.rising.empty() && book.rising.begin()->first <= book.last) {
      activate(*book.rising.begin()->second, now_ms);
    } else if (!book.falling.empty() && book.falling.rbegin()->first >= book.last) {
      const auto first = book.falling.lower_bound(book.falling.rbegin()->first);
      activate(*first->second, now_ms);
    } else {
      return;
    }
  }
}

void Exchange::activate(Order& order, std::int64_t now_ms) {
  stop_waiting(order);
  order.working_ms = order.updated_ms = now_ms;
  leave_list(order, now_ms);
  // Without a limit it may cost more than was set aside for it.
  const bool buys_at_market = order.side == Side::buy && !is_priced(order.type);
  if (buys_at_market &&
      matches(order).cost > order.locked + order.account->balances[order.symbol->quote].free) {
    expire(order, "REJECTED", now_ms);
  } else {
    if (is_priced(order.type)) listener_.on_execution(order, "NEW", nullptr);
    take(order, now_ms);
  }
  tell_balances(order);
}

void Exchange::expire(Order& order, std::string_view reason, std::int64_t now_ms) {
  order.expiry_reason = reason;
  end(order, Status::expired, "EXPIRED", now_ms);
}

// ---- self-trade prevention (faqs/stp_faq.md): the taker's mode decides --------------------------

void Exchange::prevent(Order& taker, Order& maker, std::int64_t now_ms) {
  const std::int64_t match = next_prevented_match_++;
  const auto take_out = [&](Order& order, const Order& counter) {
    order.prevented = order.remaining();
    order.prevented_match = match;
    order.counter_order = counter.id;
    unrest(order);
    leave_list(order, now_ms);
    end(order, Status::expired_in_match, "TRADE_PREVENTION", now_ms);
  };
  if (taker.self_trade != SelfTrade::expire_taker) take_out(maker, taker);
  if (taker.self_trade != SelfTrade::expire_maker) take_out(taker, maker);
}

// ---- pairs --------------------------------------------------------------------------------------

// errors.md: -1158, -1165, -1166, -1168, -1196 to -1199; the relation of prices: "Messages for
// -2010", and web-socket-api.md, orderList.place.oco.
std::optional<ApiError> Exchange::pair_refusal(const PairPlacement& p, const SymbolRules& s) const {
  const bool sells = p.above.side == Side::sell;
  const auto supported = [](Type t) { return t == Type::limit_maker || is_contingent(t); };
  if (!supported(p.above.type) || !supported(p.below.type))
    return bad(-1158, "Order type not supported in OCO.");
  if (p.above.type == Type::limit_maker && p.below.type == Type::limit_maker)
    return bad(-1168, "At least one OCO order must be contingent.");
  if (sells && !takes_profit(p.above.type))
    return bad(-1197, "A stop loss order in a sell OCO must be below.");
  if (!sells && !takes_profit(p.below.type))
    return bad(-1196, "A stop loss order in a buy OCO must be above.");
  const Type wrong = sells ? p.below.type : p.above.type;
  if (wrong == Type::limit_maker)
    return sells ? bad(-1166, "A limit order in a sell OCO must be above.")
                 : bad(-1165, "A limit order in a buy OCO must be below.");
  if (takes_profit(wrong))
    return sells ? bad(-1199, "A take profit order in a sell OCO must be above.")
                 : bad(-1198, "A take profit order in a buy OCO must be below.");
  const auto level = [](const Placement& leg) {
    return leg.type == Type::limit_maker || leg.type == Type::take_profit_limit ? leg.price
                                                                                : leg.stop_price;
  };
  const Decimal last = last_price(s);
  if (last.is_positive() && (level(p.above) <= last || level(p.below) >= last))
    return bad(-2010, "The relationship of the prices for the orders is not correct.");
  if (const auto id = bad_client_id(p.client_id)) return id;
  const Account& account = *p.above.account;
  if (account.open_lists_by_client_id.contains(p.client_id) ||
      (!p.above.client_id.empty() && p.above.client_id == p.below.client_id))
    return bad(-2010, "Duplicate order sent.");
  const auto open = std::ranges::count_if(account.open_lists_by_client_id, [&](const auto& list) {
    return lists_[static_cast<std::size_t>(list.second)].symbol == &s;
  });
  if (static_cast<std::size_t>(open) >= order_lists_max)
    return bad(-2010, "Filter failure: MAX_NUM_ORDER_LISTS");
  return std::nullopt;
}

// Only one of the two can be filled: what the dearer needs is set aside once, and held in the
// name of the first until one of them goes on alone.
std::expected<OrderList*, ApiError> Exchange::place_pair(const PairPlacement& p,
                                                         std::int64_t now_ms) {
  const SymbolRules* const s = symbol(p.above.symbol);
  if (s == nullptr) return refused(-1121, "Invalid symbol.");
  if (const auto why = pair_refusal(p, *s)) return std::unexpected(*why);
  for (const Placement* const leg : {&p.above, &p.below})
    if (const auto why = refusal(*leg, *s)) return std::unexpected(*why);
  const Decimal needed = max(set_aside(p.above), set_aside(p.below));
  if (const auto why = balance_refusal(p.above, *s, needed)) return std::unexpected(*why);
  OrderList& list = lists_.emplace_back();
  list.id = static_cast<std::int64_t>(lists_.size()) - 1;
  list.client_id = p.client_id.empty() ? "paperlist" + std::to_string(list.id) : p.client_id;
  list.account = p.above.account;
  list.symbol = s;
  list.time_ms = list.updated_ms = now_ms;
  list.legs = {&enter(p.above, *s, now_ms), &enter(p.below, *s, now_ms)};
  list.account->lists.push_back(list.id);
  list.account->open_lists_by_client_id[list.client_id] = list.id;
  lock(*list.legs[0], needed);
  for (Order* const leg : list.legs) leg->list = &list;
  listener_.on_list(list, "EXEC_STARTED");
  for (Order* const leg : list.legs) {
    listener_.on_execution(*leg, "NEW", nullptr);
    if (is_contingent(leg->type)) {
      wait(*leg);
    } else {
      rest(*leg);
    }
  }
  tell_balances(*list.legs[0]);
  return &list;
}

// It goes on alone: the other one expires, and what was set aside for both is now its own.
void Exchange::leave_list(Order& order, std::int64_t now_ms) {
  if (order.list == nullptr) return;
  Order& sibling = *order.list->legs[order.list->legs[0] == &order ? 1 : 0];
  if (!sibling.is_open()) return;
  order.locked += sibling.locked;
  sibling.locked = Decimal{};
  unrest(sibling);
  expire(sibling, "OCO_TRIGGER", now_ms);
  release(order, order.locked - locked_for(order));
}

void Exchange::settle_list(const Order& order, std::int64_t now_ms) {
  OrderList* const list = order.list;
  if (list == nullptr || !list->is_open || list->legs[0]->is_open() || list->legs[1]->is_open())
    return;
  list->is_open = false;
  list->updated_ms = now_ms;
  list->account->open_lists_by_client_id.erase(list->client_id);
  listener_.on_list(*list, "ALL_DONE");
}

std::expected<OrderList*, ApiError> Exchange::find_list(Account& account, std::int64_t list_id,
                                                        const std::string& client_id) {
  for (auto id = account.lists.rbegin(); id != account.lists.rend(); ++id) {
    OrderList& list = lists_[static_cast<std::size_t>(*id)];
    if ((list_id < 0 || list.id == list_id) && (client_id.empty() || list.client_id == client_id))
      return &list;
  }
  return refused(-2013, "Order does not exist.");
}

// faqs/order_amend_keep_priority.md: the quantity down only; both orders of a pair together.
std::expected<Order*, ApiError> Exchange::amend(Order& order, Decimal quantity,
                                                const std::string& new_client_id,
                                                std::int64_t now_ms) {
  if (const auto wrong = bad_client_id(new_client_id)) return std::unexpected(*wrong);
  const SymbolRules& s = *order.symbol;
  if (!order.is_open()) return refused(-2038, "Unknown order sent.");
  if (quantity == order.quantity)
    return refused(-2038, "The requested action would change no state; rejecting");
  if (quantity > order.quantity)
    return refused(-2038, "Order amend (quantity increase) is not supported.");
  if (quantity < s.quantity_min || !is_multiple(quantity, s.step))
    return refused(-1013, "Filter failure: LOT_SIZE");
  const Decimal at = is_priced(order.type) ? order.price : order.stop_price;
  if (mul(quantity, at, Round::down) < s.notional_min)
    return refused(-1013, "Filter failure: NOTIONAL");
  if (quantity <= order.executed) return refused(-2038, "Price * QTY is zero or less.");
  Account& account = *order.account;
  const std::string name =
      new_client_id.empty() ? "amend" + std::to_string(order.id) : new_client_id;
  const auto taken = account.open_by_client_id.find(name);
  if (taken != account.open_by_client_id.end() && taken->second != order.id)
    return refused(-2010, "Duplicate order sent.");
  const std::string before = order.client_id;
  account.open_by_client_id.erase(before);
  account.newest_by_client_id.erase(s.name + '|' + before);
  account.open_by_client_id[name] = order.id;
  account.newest_by_client_id[s.name + '|' + name] = order.id;
  order.client_id = name;
  Order* const sibling =
      order.list == nullptr ? nullptr : order.list->legs[order.list->legs[0] == &order ? 1 : 0];
  const bool pair = sibling != nullptr && sibling->is_open();
  order.amendments.push_back({before, name, order.quantity, quantity, now_ms});
  order.quantity = quantity;
  order.updated_ms = now_ms;
  if (pair) {
    const std::string& same = sibling->client_id;
    sibling->amendments.push_back({same, same, sibling->quantity, quantity, now_ms});
    sibling->quantity = quantity;
    sibling->updated_ms = now_ms;
    Order& holder = *order.list->legs[0];
    release(holder, holder.locked - max(locked_for(order), locked_for(*sibling)));
  } else {
    release(order, order.locked - locked_for(order));
  }
  listener_.on_execution(order, "REPLACED", nullptr);
  order.original_client_id = name;
  if (pair) listener_.on_execution(*sibling, "REPLACED", nullptr);
  if (order.list != nullptr && name != before) listener_.on_list(*order.list, "UPDATED");
  tell_balances(order);
  listener_.on_touch(s);
  return &order;
}

}  // namespace oneclick::paper
