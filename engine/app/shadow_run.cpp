#include "engine/app/shadow_run.hpp"

#include <algorithm>

namespace oneclick {

namespace {

constexpr std::int64_t bps = 10'000;

// How a fill moved an account's assets.
template <typename Move>
void each_move(const FillRecord& f, Move move) {
  const auto parts = split_symbol(f.symbol.view());
  if (!parts) return;
  const Decimal quote = mul(f.quantity, f.price, Round::nearest);
  const bool buys = f.side == Side::buy;
  move(Asset::cut(parts->base), buys ? f.quantity : -f.quantity);
  move(Asset::cut(parts->quote), buys ? -quote : quote);
  if (!f.fee.is_zero()) move(f.fee_asset, -f.fee);
}

}  // namespace

void ModelFees::on_fill(const FillRecord& f) {
  const auto parts = split_symbol(f.symbol.view());
  if (!parts) return;
  const Decimal quote = mul(f.quantity, f.price, Round::nearest);
  Paid paid{.in_base = f.base_fee.is_positive(), .fees = f.fee, .basis = quote};
  if (paid.in_base) {
    paid.basis = f.quantity;
  } else if (!f.fee.is_zero() && f.fee_asset.view() != parts->quote) {
    // In another asset: as much in quote, where that can be said.
    if (!f.fee_usd.is_positive() || !f.quote_usd.is_positive()) return;
    paid.fees = mul_div(f.fee, f.fee_usd, f.quote_usd, Round::nearest);
  }
  const auto add = [&paid](Paid& sum) {
    if (sum.in_base != paid.in_base) sum = {.in_base = paid.in_base, .fees = {}, .basis = {}};
    sum.fees += paid.fees;
    sum.basis += paid.basis;
  };
  add(by_account_[{f.account, f.side}]);
  add(by_side_[f.side]);
}

ModelFees::Fee ModelFees::of(AccountId account, Side side, const SymbolParts& parts,
                             Decimal quantity, Decimal quote, std::int32_t default_bps) const {
  const auto own = by_account_.find({account, side});
  const auto all = by_side_.find(side);
  const Paid* const paid = own != by_account_.end() ? &own->second
                           : all != by_side_.end()  ? &all->second
                                                    : nullptr;
  const bool in_base = paid != nullptr ? paid->in_base : side == Side::buy;
  const Decimal basis = in_base ? quantity : quote;
  const Decimal amount = paid != nullptr && !use_setting_ && paid->basis.is_positive()
                             ? mul_div(basis, paid->fees, paid->basis, Round::nearest)
                             : scale_by(basis, default_bps, bps, Round::nearest);
  return {amount, Asset::cut(in_base ? parts.base : parts.quote)};
}

void KnownPrices::on_event(const Event& event) {
  const auto see = [this](const Symbol& symbol, const Touch& touch) {
    if (!touch.ask.is_positive() && !touch.bid.is_positive()) return;
    Known& known = known_[symbol];
    if (touch.time_ns >= known.touch.time_ns) known.touch = touch;
  };
  if (event.kind == EventKind::leader) see(event.leader.symbol, event.leader.touch);
  if (event.kind == EventKind::price) {
    see(event.price.symbol, event.price.touch);
    if (event.price.quote_usd.is_positive())
      known_[event.price.symbol].quote_usd = event.price.quote_usd;
  }
  if (event.kind == EventKind::order_update && event.order.quote_usd.is_positive())
    known_[event.order.symbol].quote_usd = event.order.quote_usd;
}

const Touch* KnownPrices::touch(const Symbol& symbol) const {
  const auto found = known_.find(symbol);
  return found == known_.end() ? nullptr : &found->second.touch;
}

Decimal KnownPrices::quote_usd(const Symbol& symbol) const {
  const auto found = known_.find(symbol);
  return found == known_.end() ? Decimal{} : found->second.quote_usd;
}

ShadowRun::ShadowRun(Start start, const ModelFees& fees, const KnownPrices& prices)
    : core_(std::move(start.core)),
      from_snapshot_(start.from_snapshot),
      seq_(start.seq),
      now_ns_(start.time_ns),
      fees_(fees),
      prices_(prices) {
  books_.start_from(core_);
  for (const Balance& b : core_.balances()) {
    Funds& funds = funds_[{b.account, b.asset}];
    funds.free = b.free;
    funds.locked = b.locked;
    funds.told_ns = b.venue_time_ns;
  }
}

void ShadowRun::on_input(const Event& event) {
  now_ns_ = std::max(now_ns_, event.time_ns);
  switch (event.kind) {
    case EventKind::timer:
    case EventKind::sweep:  // lists the recorded orders, and misses this run's
      return;
    case EventKind::balance:
      return on_balance(event.balance);
    case EventKind::order_update:
      // Orders that were under way as the run began are answered as recorded.
      if (from_snapshot_ && !event.order.key.is_nil() && !placed_.contains(event.order.key) &&
          core_.would_change(event))
        step_at(event, now_ns_);
      return;
    case EventKind::link_upsert:
      books_.on_link(event.link);
      [[fallthrough]];
    case EventKind::leader:
    case EventKind::link_remove:
    case EventKind::account_upsert:
    case EventKind::account_remove:
    case EventKind::instrument:
    case EventKind::feed_upsert:
    case EventKind::feed_remove:
    case EventKind::account_state:
    case EventKind::kill_switch:
    case EventKind::fence:
    case EventKind::price:
    case EventKind::symbol_map:
    case EventKind::quarantine_release:
    case EventKind::risk_limits:
      return step_at(event, now_ns_);
  }
}

void ShadowRun::on_balance(const Balance& balance) {
  Funds& funds = funds_[{balance.account, balance.asset}];
  if (balance.venue_time_ns < funds.told_ns) return;
  funds.free = balance.free;
  funds.locked = balance.locked;
  funds.told_ns = balance.venue_time_ns;
  const auto known = std::ranges::partition(
      funds.pending, [&](const auto& fill) { return fill.first > funds.told_ns; });
  for (const auto& [time_ns, change] : known) funds.recorded += change;
  funds.pending.erase(known.begin(), known.end());
  Balance told = balance;
  told.free = max(Decimal{}, balance.free + funds.modelled - funds.recorded);
  told.venue_time_ns = now_ns_;
  step_at(make_event(told), now_ns_);
}

void ShadowRun::on_recorded_fill(const FillRecord& fill) {
  std::vector<FundsKey> told;
  each_move(fill, [&](const Asset& asset, Decimal change) {
    Funds& funds = funds_[{fill.account, asset}];
    if (fill.venue_time_ns > funds.told_ns) {
      funds.pending.emplace_back(fill.venue_time_ns, change);
    } else {
      funds.recorded += change;
      told.emplace_back(fill.account, asset);
    }
  });
  for (const FundsKey& key : told) tell_balance(key);
}

void ShadowRun::move_modelled(const FillRecord& fill) {
  each_move(fill, [&](const Asset& asset, Decimal change) {
    funds_[{fill.account, asset}].modelled += change;
    moved_.emplace(fill.account, asset);
  });
}

void ShadowRun::tell_balance(const FundsKey& key) {
  const Funds& funds = funds_[key];
  Balance balance{};
  balance.account = key.first;
  balance.asset = key.second;
  balance.free = max(Decimal{}, funds.free + funds.modelled - funds.recorded);
  balance.locked = funds.locked;
  balance.venue_time_ns = now_ns_;
  step(make_event(balance));
}

void ShadowRun::on_record(const Record& record) {
  books_.on_record(record);
  if (record.kind == RecordKind::outcome) outcomes_.push_back(record.outcome);
  if (record.kind == RecordKind::fill) move_modelled(record.fill);
}

void ShadowRun::pass_time(std::int64_t until_ns) {
  while (core_.next_deadline_ns() <= until_ns) {
    now_ns_ = std::max(now_ns_, core_.next_deadline_ns());
    step_at(make_timer(), now_ns_);
  }
}

void ShadowRun::step_at(const Event& event, std::int64_t time_ns) {
  now_ns_ = time_ns;
  step(event);
  settle();
}

void ShadowRun::step(const Event& event) {
  Event stamped = event;
  stamped.seq = ++seq_;
  stamped.time_ns = now_ns_;
  core_.step(stamped, *this);
}

// Until nothing is asked any more: what is answered may ask again (a sale in several orders).
void ShadowRun::settle() {
  while (!intents_.empty() || !moved_.empty()) {
    if (intents_.empty()) {
      const FundsKey key = *moved_.begin();
      moved_.erase(moved_.begin());
      tell_balance(key);
      continue;
    }
    const Intent intent = intents_.front();
    intents_.pop_front();
    answer(intent);
  }
}

void ShadowRun::answer(const Intent& i) {
  Asked order{.account = i.account,
              .key = i.key,
              .other = {},
              .type = i.type,
              .side = i.side,
              .symbol = i.symbol,
              .quantity = i.quantity,
              .price = i.type == OrderType::stop_loss ? i.stop_price : i.price};
  switch (i.kind) {
    case IntentKind::place:
      return place(order);
    case IntentKind::place_pair: {
      Asked stop = order;
      stop.key = order.other = i.other_key;
      stop.other = i.key;
      order.type = OrderType::take_profit;
      stop.type = OrderType::stop_loss;
      stop.price = i.stop_price;
      place(order);
      if (resting_.contains(order.key)) place(stop);
      return;
    }
    case IntentKind::cancel:
      end_resting(i.key);
      return end_resting(i.other_key);
    case IntentKind::query:
      if (const auto found = resting_.find(i.key); found != resting_.end())
        tell_order(found->second, OrderUpdateKind::accepted, UpdateSource::query);
      return;
    case IntentKind::query_trades:
    case IntentKind::read_account:
      return;  // of what was before: the journal has the answer
  }
}

void ShadowRun::place(const Asked& order) {
  if (from_snapshot_) placed_.insert(order.key);
  if (const auto price = fill_price(order)) return tell_fill(order, *price, UpdateSource::reply);
  switch (order.type) {
    case OrderType::limit_ioc:
    case OrderType::market:
      return tell_order(order, OrderUpdateKind::done, UpdateSource::reply);
    case OrderType::limit_gtc:
    case OrderType::stop_loss:
    case OrderType::take_profit:
      resting_[order.key] = order;
      return tell_order(order, OrderUpdateKind::accepted, UpdateSource::reply);
  }
}

std::optional<Decimal> ShadowRun::fill_price(const Asked& o) const {
  const Touch* const touch = prices_.touch(o.symbol);
  if (touch == nullptr) return std::nullopt;
  const bool buys = o.side == Side::buy;
  const Decimal now = buys ? touch->ask : touch->bid;
  if (!now.is_positive()) return std::nullopt;
  const bool within = buys ? now <= o.price : now >= o.price;
  switch (o.type) {
    case OrderType::market:
      return now;
    case OrderType::limit_ioc:
      return within ? std::optional(now) : std::nullopt;
    case OrderType::limit_gtc:
    case OrderType::take_profit:
      if (!within) return std::nullopt;
      return resting_.contains(o.key) ? o.price : now;  // one that comes too late takes
    case OrderType::stop_loss: {
      const bool touched = buys ? now >= o.price : now <= o.price;
      return touched ? std::optional(now) : std::nullopt;
    }
  }
  return std::nullopt;
}

void ShadowRun::on_touch(const Symbol& symbol, std::int64_t time_ns) {
  if (resting_.empty()) return;
  now_ns_ = std::max(now_ns_, time_ns);
  std::vector<OrderKey> keys;
  for (const auto& [key, order] : resting_)
    if (order.symbol == symbol) keys.push_back(key);
  for (const OrderKey& key : keys) {
    const auto found = resting_.find(key);
    if (found == resting_.end()) continue;  // ended with its other
    const Asked order = found->second;
    const auto price = fill_price(order);
    if (!price) continue;
    resting_.erase(found);
    tell_fill(order, *price, UpdateSource::stream);
    end_resting(order.other);
    settle();
  }
}

void ShadowRun::end_resting(OrderKey key) {
  const auto found = resting_.find(key);
  if (found == resting_.end()) return;
  const Asked order = found->second;
  resting_.erase(found);
  tell_order(order, OrderUpdateKind::done, UpdateSource::stream);
}

void ShadowRun::tell_order(const Asked& o, OrderUpdateKind kind, UpdateSource source) {
  OrderUpdate u{};
  u.account = o.account;
  u.key = o.key;
  u.kind = kind;
  u.source = source;
  u.side = o.side;
  u.has_cumulative = true;
  u.symbol = o.symbol;
  u.venue_order_id = VenueOrderId::cut("model");
  u.venue_time_ns = now_ns_;
  step(make_event(u));
}

void ShadowRun::tell_fill(const Asked& o, Decimal price, UpdateSource source) {
  const auto parts = split_symbol(o.symbol.view());
  if (!parts) return tell_order(o, OrderUpdateKind::done, source);
  const Decimal quote = mul(o.quantity, price, Round::nearest);
  const auto fee =
      fees_.of(o.account, o.side, *parts, o.quantity, quote, core_.settings().taker_fee_bps);
  OrderUpdate u{};
  u.account = o.account;
  u.key = o.key;
  u.kind = OrderUpdateKind::execution;
  u.source = source;
  u.side = o.side;
  u.has_cumulative = true;
  u.symbol = o.symbol;
  u.venue_order_id = VenueOrderId::cut("model");
  u.trade_id = VenueTradeId::cut("model");
  u.cumulative_quantity = u.last_quantity = o.quantity;
  u.cumulative_quote = quote;
  u.last_price = price;
  u.fee = fee.amount;
  u.fee_asset = fee.asset;
  u.quote_usd = prices_.quote_usd(o.symbol);
  u.fee_usd =
      fee.asset.view() == parts->quote ? u.quote_usd : mul(u.quote_usd, price, Round::nearest);
  u.venue_time_ns = now_ns_;
  step(make_event(u));
}

}  // namespace oneclick
