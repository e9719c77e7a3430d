#include "connectors/paper/exchange.hpp"

#include <algorithm>

namespace oneclick::paper {

namespace {

constexpr std::size_t levels_behind_touch = 40;

std::optional<ApiError> bad(int code, std::string message) {
  return ApiError{.http_status = 400, .code = code, .message = std::move(message)};
}

Side other(Side side) {
  return side == Side::buy ? Side::sell : Side::buy;
}

// One side of a book, best first; at one price the recorded market was there first. `visit` takes
// price, quantity and the resting order (null: the recorded market) and says whether to go on.
// Returns whether the side ran out.
template <typename Resting, typename Visit>
bool walk(const std::vector<Level>& levels, Resting at, Resting end, bool ascending, Visit visit) {
  auto recorded = levels.begin();
  while (recorded != levels.end() || at != end) {
    if (recorded != levels.end() &&
        (at == end || (ascending ? recorded->price <= at->first : recorded->price >= at->first))) {
      if (!visit(recorded->price, recorded->quantity, nullptr)) return false;
      ++recorded;
      continue;
    }
    for (Order* const order : at->second)
      if (!visit(at->first, order->remaining(), order)) return false;
    ++at;
  }
  return true;
}

}  // namespace

std::optional<ApiError> bad_client_id(const std::string& id) {
  const bool valid = id.size() <= 36 && std::ranges::all_of(id, [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                              (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' ||
                              c == ':' || c == '/';
                     });
  if (valid) return std::nullopt;
  return bad(-1100,
             "Illegal characters found in parameter 'newClientOrderId'; legal range is "
             "'^[a-zA-Z0-9-_.:/]{1,36}$'.");
}

Exchange::Exchange(std::vector<SymbolRules> symbols, std::int32_t taker_fee_bps,
                   std::int32_t maker_fee_bps, ExchangeListener listener)
    : symbols_(std::move(symbols)),
      taker_fee_bps_(taker_fee_bps),
      maker_fee_bps_(maker_fee_bps),
      listener_(std::move(listener)) {
  for (const SymbolRules& s : symbols_) books_[s.name];
}

Account& Exchange::add_account(const std::string& id, const std::string& api_key,
                               const std::string& secret, const std::string& public_pem) {
  Account& a = accounts_.emplace_back();
  a.id = id;
  a.api_key = api_key;
  a.hmac = HmacKey(secret);
  a.public_pem = public_pem;
  by_key_[api_key] = &a;
  by_id_[id] = &a;
  return a;
}
Account* Exchange::account_by_key(std::string_view api_key) {
  const auto found = by_key_.find(api_key);
  return found == by_key_.end() ? nullptr : found->second;
}
Account* Exchange::account_by_id(const std::string& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}
void Exchange::deposit(Account& account, const std::string& asset, Decimal amount) {
  account.balances[asset].free += amount;
}

const SymbolRules* Exchange::symbol(std::string_view name) const {
  const auto found = std::ranges::find(symbols_, name, &SymbolRules::name);
  return found == symbols_.end() ? nullptr : &*found;
}

std::uint64_t Exchange::update_id(const SymbolRules& s) const {
  return books_.find(s.name)->second.update_id;
}

// Behind the recorded touch the book goes on at ever wider gaps with ever more in each level: an
// order of many times the touch's size moves the price, and one of thousands of times is not filled
// wholly.
void Exchange::set_market(const std::string& name, Level bid, Level ask, std::int64_t now_ms) {
  const SymbolRules* const s = symbol(name);
  if (s == nullptr) return;
  Book& book = books_[name];
  book.bids.clear();
  book.asks.clear();
  if (bid.quantity.is_positive()) book.bids.push_back(bid);
  if (ask.quantity.is_positive()) book.asks.push_back(ask);
  const Decimal gap =
      max(round_to_step(scale_by(ask.price, 1, 20'000, Round::up), s->tick, Round::up), s->tick);
  const Decimal size =
      max(max(bid.quantity, ask.quantity), scale_by(s->quantity_min, 1'000, 1, Round::up));
  for (std::size_t i = 1; i <= levels_behind_touch; ++i) {
    const Decimal away = scale_by(gap, static_cast<std::int64_t>(i), 1, Round::up);
    const Decimal quantity = scale_by(size, static_cast<std::int64_t>(i + 1), 2, Round::up);
    book.asks.push_back({ask.price + away, quantity});
    if (bid.price > away) book.bids.push_back({bid.price - away, quantity});
  }
  ++book.update_id;
  match_resting(*s, now_ms);
  // The recorded market trades at its bid.
  note_price(book, bid.price, now_ms);
  trigger(*s, now_ms);
  listener_.on_touch(*s);
}

// The recorded market moved through resting orders: they are filled at their own price, as makers.
void Exchange::match_resting(const SymbolRules& s, std::int64_t now_ms) {
  Book& book = books_[s.name];
  for (const Side side : {Side::buy, Side::sell}) {
    auto& resting = side == Side::buy ? book.resting_bids : book.resting_asks;
    auto& levels = side == Side::buy ? book.asks : book.bids;
    while (!resting.empty() && !levels.empty()) {
      const auto best = side == Side::buy ? std::prev(resting.end()) : resting.begin();
      Order& order = *best->second.front();
      if (!crosses(order, levels.front().price)) break;
      const Decimal quantity = min(order.remaining(), levels.front().quantity);
      consume(book, other(side), levels.front().price, quantity);
      fill(order, order.price, quantity, true, next_trade_id_++, now_ms);
      listener_.on_trade(fills_.back());
      if (!order.is_open()) unrest(order);
      tell_balances(order);
    }
  }
}

template <typename Visit>
bool Exchange::each_offer(const SymbolRules& s, Side side, Visit visit) const {
  const Book& book = books_.find(s.name)->second;
  return side == Side::buy
             ? walk(book.bids, book.resting_bids.rbegin(), book.resting_bids.rend(), false, visit)
             : walk(book.asks, book.resting_asks.begin(), book.resting_asks.end(), true, visit);
}

std::vector<Level> Exchange::depth(const SymbolRules& s, Side side, std::size_t count) const {
  std::vector<Level> out;
  each_offer(s, side, [&](Decimal price, Decimal quantity, const Order*) {
    if (!out.empty() && out.back().price == price) {
      out.back().quantity += quantity;
      return true;
    }
    if (out.size() == count) return false;
    out.push_back({price, quantity});
    return true;
  });
  return out;
}

bool Exchange::crosses(const Order& order, Decimal price) const {
  if (!is_priced(order.type)) return true;
  return order.side == Side::buy ? price <= order.price : price >= order.price;
}

// What the order would take now.
Exchange::Found Exchange::matches(const Order& order) const {
  const bool by_money = order.by_money();
  Decimal left = order.remaining(), money = order.quote_quantity;
  Found out;
  out.ran_out =
      each_offer(*order.symbol, other(order.side), [&](Decimal price, Decimal offered, Order* m) {
        if (!crosses(order, price) || !(by_money ? money : left).is_positive()) return false;
        if (m != nullptr && m->account == order.account && order.self_trade != SelfTrade::none) {
          out.list.push_back({price, Decimal{}, m, true});
          return order.self_trade == SelfTrade::expire_maker;
        }
        Decimal quantity = min(offered, left);
        if (by_money) {
          quantity = min(offered, round_to_step(div(money, price, Round::down), order.symbol->step,
                                                Round::down));
          money -= mul(quantity, price, Round::up);
        } else {
          left -= quantity;
        }
        if (!quantity.is_positive()) return false;
        out.list.push_back({price, quantity, m, false});
        out.quantity += quantity;
        out.cost += mul(quantity, price, Round::up);
        return true;
      });
  return out;
}

std::optional<ApiError> Exchange::refusal(const Placement& p, const SymbolRules& s) const {
  if (const auto wrong = bad_client_id(p.client_id)) return wrong;
  const bool priced = is_priced(p.type), contingent = is_contingent(p.type);
  const auto outside = [&s](Decimal price) {
    return price < s.price_min || price > s.price_max || !is_multiple(price, s.tick);
  };
  if ((priced && outside(p.price)) || (contingent && outside(p.stop_price)))
    return bad(-1013, "Filter failure: PRICE_FILTER");
  const bool by_money = !priced && p.quote_quantity.is_positive();
  if (!by_money && (p.quantity < s.quantity_min || p.quantity > s.quantity_max ||
                    !is_multiple(p.quantity, s.step)))
    return bad(-1013, "Filter failure: LOT_SIZE");
  if (!by_money && !priced && p.quantity > s.market_quantity_max)
    return bad(-1013, "Filter failure: MARKET_LOT_SIZE");
  const auto touch = depth(s, other(p.side), 1);
  const Decimal at = priced          ? p.price
                     : contingent    ? p.stop_price
                     : touch.empty() ? Decimal{}
                                     : touch.front().price;
  const Decimal notional = by_money ? p.quote_quantity : mul(p.quantity, at, Round::down);
  const bool known = by_money || at.is_positive();  // an empty book gives a market order no price
  if ((known && notional < s.notional_min) || (priced && notional > notional_max))
    return bad(-1013, "Filter failure: NOTIONAL");
  if (by_money && at.is_positive() &&
      round_to_step(div(p.quote_quantity, at, Round::down), s.step, Round::down) < s.quantity_min)
    return bad(-1013, "Filter failure: LOT_SIZE");
  const auto open_of = [&](auto counts) {
    return static_cast<std::size_t>(
        std::ranges::count_if(p.account->open_by_client_id, [&](const auto& open) {
          const Order& o = orders_[static_cast<std::size_t>(open.second - 1)];
          return o.symbol == &s && counts(o);
        }));
  };
  if (p.account->open_by_client_id.size() >= open_orders_max &&
      open_of([](const Order&) { return true; }) >= open_orders_max)
    return bad(-2010, "Filter failure: MAX_NUM_ORDERS");
  if (contingent && p.account->open_by_client_id.size() >= algo_orders_max &&
      open_of([](const Order& o) { return is_contingent(o.type); }) >= algo_orders_max)
    return bad(-2010, "Filter failure: MAX_NUM_ALGO_ORDERS");
  if (!p.client_id.empty() && p.account->open_by_client_id.contains(p.client_id))
    return bad(-2010, "Duplicate order sent.");
  if (contingent && reached(p.type, p.side, p.stop_price, last_price(s)))
    return bad(-2010, "Order would trigger immediately.");
  if (p.type == Type::limit_maker && !touch.empty() &&
      (p.side == Side::buy ? p.price >= touch.front().price : p.price <= touch.front().price))
    return bad(-2010, "Order would immediately match and take.");
  return std::nullopt;
}

std::optional<ApiError> Exchange::funds_refusal(const Placement& p, const SymbolRules& s) {
  Decimal needed;
  if (p.type != Type::market) {
    needed = set_aside(p);
  } else {
    Order order;
    order.symbol = &s;
    order.side = p.side;
    order.quantity = p.quantity;
    order.quote_quantity = p.quote_quantity;
    const Found found = matches(order);
    if (p.side == Side::sell) {
      needed = order.by_money() ? found.quantity : p.quantity;
    } else {
      needed = order.by_money() ? p.quote_quantity : found.cost;
    }
  }
  return balance_refusal(p, s, needed);
}

std::optional<ApiError> Exchange::balance_refusal(const Placement& p, const SymbolRules& s,
                                                  Decimal needed) {
  if (p.account->balances[p.side == Side::sell ? s.base : s.quote].free < needed)
    return bad(-2010, "Account has insufficient balance for requested action.");
  return std::nullopt;
}

// Of the base what it sells, of the quote what it may cost: at its limit, or at its stop price
// where it has none.
Decimal Exchange::set_aside(const Placement& p) {
  return p.side == Side::sell
             ? p.quantity
             : mul(p.quantity, is_priced(p.type) ? p.price : p.stop_price, Round::up);
}

std::expected<Order*, ApiError> Exchange::check(const Placement& p) {
  const SymbolRules* const s = symbol(p.symbol);
  if (s == nullptr) return std::unexpected(ApiError{400, -1121, "Invalid symbol."});
  if (const auto why = refusal(p, *s)) return std::unexpected(*why);
  return nullptr;
}

std::expected<Order*, ApiError> Exchange::place(const Placement& p, std::int64_t now_ms) {
  if (const auto checked = check(p); !checked) return checked;
  const SymbolRules* const s = symbol(p.symbol);
  if (const auto why = funds_refusal(p, *s)) return std::unexpected(*why);
  Order& order = enter(p, *s, now_ms);
  lock(order);
  listener_.on_execution(order, "NEW", nullptr);
  if (is_contingent(order.type)) {
    wait(order);
  } else {
    take(order, now_ms);
  }
  tell_balances(order);
  trigger(*s, now_ms);
  return &order;
}

Order& Exchange::enter(const Placement& p, const SymbolRules& s, std::int64_t now_ms) {
  Order& order = orders_.emplace_back();
  order.id = static_cast<std::int64_t>(orders_.size());
  order.client_id = order.original_client_id =
      p.client_id.empty() ? "paper" + std::to_string(order.id) : p.client_id;
  order.account = p.account;
  order.symbol = &s;
  order.side = p.side;
  order.type = p.type;
  order.tif = p.tif;
  order.self_trade = p.self_trade;
  order.price = p.price;
  order.stop_price = p.stop_price;
  order.quantity = p.quantity;
  order.quote_quantity = p.quote_quantity;
  order.time_ms = order.updated_ms = now_ms;
  if (!is_contingent(p.type)) order.working_ms = now_ms;
  order.status = Status::open;
  p.account->orders.push_back(order.id);
  p.account->newest_by_client_id[s.name + '|' + order.client_id] = order.id;
  p.account->open_by_client_id[order.client_id] = order.id;
  return order;
}

void Exchange::take(Order& order, std::int64_t now_ms) {
  const Found found = matches(order);
  // An order by money is for what its money buys; what the book could not give stays open to the
  // end.
  if (order.by_money()) {
    order.quantity = found.quantity;
    if (found.ran_out && !found.list.empty())
      order.quantity += round_to_step(div(max(order.quote_quantity - found.cost, Decimal{}),
                                          found.list.back().price, Round::down),
                                      order.symbol->step, Round::down);
  }
  if (order.tif == Tif::fok && is_priced(order.type) && found.quantity < order.quantity)
    return expire(order, "UNFILLED_FOK_ORDER_EXPIRED", now_ms);
  Book& book = books_[order.symbol->name];
  for (const Match& m : found.list) {
    if (m.own) {
      prevent(order, *m.maker, now_ms);
      continue;
    }
    const std::int64_t trade_id = next_trade_id_++;
    if (m.maker != nullptr) {
      fill(*m.maker, m.price, m.quantity, true, trade_id, now_ms);
      if (!m.maker->is_open()) unrest(*m.maker);
      if (m.maker->account != order.account) tell_balances(*m.maker);
    } else {
      consume(book, other(order.side), m.price, m.quantity);
    }
    fill(order, m.price, m.quantity, false, trade_id, now_ms);
    listener_.on_trade(fills_.back());
    ++book.update_id;
  }
  if (!found.list.empty()) listener_.on_touch(*order.symbol);
  if (!order.is_open()) return;
  if (!is_priced(order.type)) return expire(order, "INSUFFICIENT_LIQUIDITY", now_ms);
  if (order.tif != Tif::gtc) return expire(order, "UNFILLED_IOC_QUANTITY_EXPIRED", now_ms);
  rest(order);
}

void Exchange::consume(Book& book, Side side, Decimal price, Decimal quantity) {
  auto& levels = side == Side::buy ? book.bids : book.asks;
  const auto level = std::ranges::find(levels, price, &Level::price);
  if (level == levels.end()) return;
  level->quantity -= quantity;
  if (!level->quantity.is_positive()) levels.erase(level);
}

void Exchange::fill(Order& order, Decimal price, Decimal quantity, bool maker,
                    std::int64_t trade_id, std::int64_t now_ms) {
  const SymbolRules& s = *order.symbol;
  leave_list(order, now_ms);
  note_price(books_[s.name], price, now_ms);
  // Down: what is paid in parts never adds up to more than what was set aside for the whole.
  const Decimal quote = mul(price, quantity, Round::down);
  Fill& f = fills_.emplace_back();
  f.trade_id = trade_id;
  f.order = &order;
  f.price = price;
  f.quantity = quantity;
  f.quote = quote;
  f.maker = maker;
  f.time_ms = now_ms;
  // The fee is taken from what is received.
  const bool buys = order.side == Side::buy;
  f.commission_asset = buys ? s.base : s.quote;
  f.commission = scale_by(buys ? quantity : quote, maker ? maker_fee_bps_ : taker_fee_bps_, 10'000,
                          Round::nearest);
  // The first fill gives places of the unfilled order count back, a maker's more of them.
  if (order.executed.is_zero()) order.account->give_back(maker ? 5 : 1, now_ms);
  order.fills.push_back(fills_.size() - 1);
  order.account->fills.push_back(fills_.size() - 1);
  order.executed += quantity;
  order.cumulative_quote += quote;
  order.updated_ms = now_ms;
  Balance& paid = order.account->balances[buys ? s.quote : s.base];
  Balance& received = order.account->balances[buys ? s.base : s.quote];
  const Decimal out = buys ? quote : quantity;
  const Decimal from_lock = min(out, order.locked);
  paid.locked -= from_lock;
  order.locked -= from_lock;
  paid.free -= out - from_lock;
  received.free += (buys ? quantity : quote) - f.commission;
  order.status = order.remaining().is_positive() ? Status::partially_filled : Status::filled;
  // Bought below its limit: the difference is free again at once.
  if (order.type != Type::market) release(order, max(order.locked - locked_for(order), Decimal{}));
  if (order.status == Status::filled) order.account->open_by_client_id.erase(order.client_id);
  listener_.on_execution(order, "TRADE", &f);
  settle_list(order, now_ms);
}

Decimal Exchange::locked_for(const Order& order) {
  return order.side == Side::buy
             ? mul(order.remaining(), is_priced(order.type) ? order.price : order.stop_price,
                   Round::up)
             : order.remaining();
}

void Exchange::lock(Order& order) {
  // One at the market pays from what is free: it never rests.
  if (order.type != Type::market) lock(order, locked_for(order));
}

void Exchange::lock(Order& order, Decimal amount) {
  order.locked = amount;
  Balance& b =
      order.account->balances[order.side == Side::buy ? order.symbol->quote : order.symbol->base];
  b.free -= amount;
  b.locked += amount;
}

void Exchange::release(Order& order, Decimal amount) {
  Balance& b =
      order.account->balances[order.side == Side::buy ? order.symbol->quote : order.symbol->base];
  b.free += amount;
  b.locked -= amount;
  order.locked -= amount;
}

void Exchange::rest(Order& order) {
  Book& book = books_[order.symbol->name];
  (order.side == Side::buy ? book.resting_bids : book.resting_asks)[order.price].push_back(&order);
  ++book.update_id;
  listener_.on_touch(*order.symbol);
}

void Exchange::unrest(Order& order) {
  if (order.working_ms < 0) return stop_waiting(order);
  Book& book = books_[order.symbol->name];
  auto& resting = order.side == Side::buy ? book.resting_bids : book.resting_asks;
  const auto level = resting.find(order.price);
  if (level == resting.end()) return;
  std::erase(level->second, &order);
  if (level->second.empty()) resting.erase(level);
  ++book.update_id;
}

void Exchange::end(Order& order, Status status, std::string_view execution, std::int64_t now_ms) {
  order.status = status;
  order.updated_ms = now_ms;
  release(order, order.locked);
  order.account->open_by_client_id.erase(order.original_client_id);
  listener_.on_execution(order, execution, nullptr);
  settle_list(order, now_ms);
}

std::expected<Order*, ApiError> Exchange::find(Account& account, const std::string& name,
                                               std::int64_t order_id,
                                               const std::string& client_id) {
  if (symbol(name) == nullptr) return std::unexpected(ApiError{400, -1121, "Invalid symbol."});
  if (order_id == 0 && client_id.empty())
    return std::unexpected(
        ApiError{400, -1102,
                 "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"});
  std::int64_t id = order_id;
  if (!client_id.empty()) {
    // The newest one of that name: ids may be used again once their order has ended.
    const auto newest = account.newest_by_client_id.find(name + '|' + client_id);
    if (newest == account.newest_by_client_id.end() || (id != 0 && id != newest->second))
      return std::unexpected(ApiError{400, -2013, "Order does not exist."});
    id = newest->second;
  }
  if (id >= 1 && id <= static_cast<std::int64_t>(orders_.size()))
    if (Order& o = orders_[static_cast<std::size_t>(id - 1)];
        o.account == &account && o.symbol->name == name)
      return &o;
  return std::unexpected(ApiError{400, -2013, "Order does not exist."});
}

std::expected<Order*, ApiError> Exchange::cancel(Account& account, const std::string& name,
                                                 std::int64_t order_id,
                                                 const std::string& client_id,
                                                 const std::string& new_client_id,
                                                 std::int64_t now_ms) {
  if (const auto wrong = bad_client_id(new_client_id)) return std::unexpected(*wrong);
  auto found = find(account, name, order_id, client_id);
  if (!found) {
    if (found.error().code == -2013)
      return std::unexpected(ApiError{400, -2011, "Unknown order sent."});
    return found;
  }
  Order& order = **found;
  if (!order.is_open()) return std::unexpected(ApiError{400, -2011, "Unknown order sent."});
  const std::string cancel_id =
      new_client_id.empty() ? "cancel" + std::to_string(order.id) : new_client_id;
  // Cancelling one of a pair cancels the pair.
  const auto cancel_one = [&](Order& o) {
    if (!o.is_open()) return;
    unrest(o);
    o.client_id = cancel_id;
    end(o, Status::canceled, "CANCELED", now_ms);
  };
  if (order.list == nullptr) {
    cancel_one(order);
  } else {
    for (Order* const leg : order.list->legs) cancel_one(*leg);
  }
  tell_balances(order);
  listener_.on_touch(*order.symbol);
  return &order;
}

void Exchange::tell_balances(const Order& order) {
  listener_.on_balances(*order.account, {order.symbol->base, order.symbol->quote});
}

}  // namespace oneclick::paper
