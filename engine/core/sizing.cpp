#include "engine/core/sizing.hpp"

namespace oneclick::core {

namespace {

constexpr std::int64_t bps = 10'000;
constexpr std::int64_t whole_e2 = 10'000;  // 100 %

Decimal notional_of(Decimal quantity, Decimal price) {
  return mul(quantity, price, Round::up);
}

Decimal to_lots(Decimal quantity, const LotRules& lots) {
  return lots.step.is_positive() ? round_to_step(quantity, lots.step, Round::down) : quantity;
}

Reason too_small(Decimal quantity, Decimal price, const LotRules& lots) {
  if (!quantity.is_positive() || quantity < lots.quantity_min) return Reason::below_min_lot;
  // A limit order is measured exactly; rounding up would let one through that the venue refuses.
  if (lots.notional_min.is_positive() && mul(quantity, price, Round::down) < lots.notional_min)
    return Reason::below_min_notional;
  return Reason::none;
}

// The least that the venue takes.
Decimal smallest(Decimal price, const LotRules& lots) {
  Decimal quantity = max(lots.quantity_min, lots.step);
  if (lots.notional_min.is_positive())
    quantity = max(quantity, div(lots.notional_min, price, Round::up));
  return lots.step.is_positive() ? round_to_step(quantity, lots.step, Round::up) : quantity;
}

// Makes an order smaller, cap by cap, in the order of the risk ladder.
class Clipper {
 public:
  Clipper(const EntryDemand& demand, Decimal quantity) : demand_(demand) { set(quantity); }

  // False: the cap leaves less than the venue takes.
  [[nodiscard]] bool to_notional(Decimal limit, Cap cap) {
    if (notional_ <= limit) return true;
    return to_quantity(limit.is_positive() ? div(limit, demand_.price, Round::down) : Decimal{},
                       cap);
  }
  [[nodiscard]] bool to_quantity(Decimal limit, Cap cap) {
    if (quantity_ <= limit) return true;
    set(to_lots(limit, demand_.lots));
    cap_ = cap;
    return too_small(quantity_, demand_.limit, demand_.lots) == Reason::none;
  }
  [[nodiscard]] bool to_balance() {
    if (cost_fine(notional_, demand_.cost) <= demand_.available_fine) return true;
    return to_notional(affordable(demand_.available_fine, demand_.cost), Cap::balance);
  }
  [[nodiscard]] Decimal quantity() const { return quantity_; }
  [[nodiscard]] Decimal notional() const { return notional_; }
  [[nodiscard]] Cap cap() const { return cap_; }

 private:
  void set(Decimal quantity) {
    quantity_ = quantity;
    notional_ = notional_of(quantity, demand_.price);
  }

  const EntryDemand& demand_;
  Decimal quantity_{};
  Decimal notional_{};
  Cap cap_ = Cap::none;
};

struct ScopeNames {
  Reason order_reason, position_reason, exposure_reason;
  Cap order, position, exposure;
};
constexpr ScopeNames account_names{
    Reason::account_order_notional, Reason::account_position_notional, Reason::account_exposure,
    Cap::account_order_notional,    Cap::account_position_notional,    Cap::account_exposure};
constexpr ScopeNames leader_names{Reason::leader_order_notional, Reason::leader_position_notional,
                                  Reason::leader_exposure,       Cap::leader_order_notional,
                                  Cap::leader_position_notional, Cap::leader_exposure};

Reason clip_to_scope(const ScopeCaps* caps, const ScopeNames& names, Clipper& c) {
  if (caps == nullptr) return Reason::none;
  if (caps->limits_order && !c.to_notional(caps->order_notional, names.order))
    return names.order_reason;
  if (caps->limits_position && !c.to_notional(caps->position_room, names.position))
    return names.position_reason;
  if (caps->limits_exposure && !c.to_notional(caps->exposure_room, names.exposure))
    return names.exposure_reason;
  return Reason::none;
}

Reason clip(const EntryDemand& d, Clipper& c) {
  if (d.order_notional_max.is_positive() &&
      !c.to_notional(d.order_notional_max, Cap::order_notional))
    return Reason::order_notional;
  if (d.position_notional_max.is_positive()) {
    const Decimal room = d.position_notional_max - notional_of(d.position_quantity, d.price);
    if (!c.to_notional(room, Cap::position_notional)) return Reason::position_notional;
  }
  if (d.is_exposure_limited && !c.to_notional(d.exposure_room, Cap::exposure))
    return Reason::exposure;
  if (const Reason refused = clip_to_scope(d.account, account_names, c); refused != Reason::none)
    return refused;
  if (const Reason refused = clip_to_scope(d.leader, leader_names, c); refused != Reason::none)
    return refused;
  if (d.copy_amount.is_positive() && !c.to_notional(d.copy_amount, Cap::copy_amount))
    return Reason::copy_amount;
  if (d.lots.quantity_max.is_positive() && !c.to_quantity(d.lots.quantity_max, Cap::venue_max))
    return Reason::below_min_lot;
  if (d.lots.notional_max.is_positive() && !c.to_notional(d.lots.notional_max, Cap::venue_max))
    return Reason::below_min_notional;
  if (d.event_notional_max.is_positive() && d.event_notional + c.notional() > d.event_notional_max)
    return Reason::event_notional;
  if (!c.to_balance()) return Reason::balance;
  return Reason::none;
}

EntrySize nothing(Reason reason, i128 residual_fine, Cap cap = Cap::none) {
  return {.quantity = Decimal{},
          .notional = Decimal{},
          .residual_fine = residual_fine,
          .reason = reason,
          .cap = cap};
}

}  // namespace

LotRules lot_rules(const Instrument& i, OrderType type) {
  if (type == OrderType::limit_ioc)
    return {i.lot_step, i.quantity_min, i.quantity_max, i.notional_min, i.notional_max};
  // A market order must fit the general lot filter too: the stricter of both counts.
  const bool own_max = i.market_quantity_max.is_positive();
  const Decimal largest = own_max && i.quantity_max.is_positive()
                              ? min(i.market_quantity_max, i.quantity_max)
                              : (own_max ? i.market_quantity_max : i.quantity_max);
  return {max(i.market_lot_step, i.lot_step), max(i.market_quantity_min, i.quantity_min), largest,
          i.notional_min_at_market ? i.notional_min : Decimal{}, i.notional_max};
}

std::uint8_t decimals_of(Decimal step) {
  if (!step.is_positive()) return 8;
  std::uint8_t decimals = 8;
  for (i128 units = step.e8(); decimals > 0 && units % 10 == 0; units /= 10) --decimals;
  return decimals;
}

Decimal capped_price(Decimal ask, std::int32_t slippage_bps, Decimal tick) {
  const Decimal cap = scale_by(ask, bps + slippage_bps, bps, Round::down);
  return tick.is_positive() ? round_to_step(cap, tick, Round::down) : cap;
}

Decimal floored_price(Decimal bid, std::int32_t slippage_bps, Decimal tick) {
  const Decimal floor = scale_by(bid, bps - slippage_bps, bps, Round::up);
  return tick.is_positive() ? max(round_to_step(floor, tick, Round::up), tick) : floor;
}

Wished wish_for(const Wish& w) {
  switch (w.mode) {
    case SizingMode::leader_quantity:
      if (!w.leader_quantity.is_positive()) return {0, Reason::no_quantity};
      return {share_of(w.leader_quantity, w.percentage_e2), Reason::none};
    case SizingMode::fixed_notional:
      return {to_fine(div(w.copy_amount, w.price, Round::down)), Reason::none};
    case SizingMode::fixed_quantity:
      return {to_fine(w.copy_quantity), Reason::none};
    case SizingMode::fixed_risk:
      if (!w.stop_loss.is_positive() || w.stop_loss == w.limit ||
          (w.stop_loss > w.limit) != w.is_short)
        return {0, Reason::no_stop};
      return {to_fine(div(w.copy_amount, abs(w.limit - w.stop_loss), Round::down)), Reason::none};
    case SizingMode::follower_equity: {
      if (!w.follower_equity.is_positive()) return {0, Reason::equity_unknown};
      const Decimal notional = scale_by(w.follower_equity, w.percentage_e2, whole_e2, Round::down);
      return {to_fine(div(notional, w.price, Round::down)), Reason::none};
    }
    case SizingMode::equity_proportional: {
      if (!w.leader_quantity.is_positive()) return {0, Reason::no_quantity};
      if (!w.follower_equity.is_positive() || !w.leader_equity.is_positive())
        return {0, Reason::equity_unknown};
      const Decimal share = Decimal::from_e8(share_of(w.leader_quantity, w.percentage_e2));
      return {mul_div(share, w.follower_equity, w.leader_equity, Round::down).e8(), Reason::none};
    }
  }
  return {0, Reason::no_quantity};
}

EntrySize size_entry(const EntryDemand& d) {
  Decimal quantity = d.wanted_fine > 0 ? to_lots(from_fine(d.wanted_fine), d.lots) : Decimal{};
  if (const Reason small = too_small(quantity, d.limit, d.lots); small != Reason::none) {
    switch (d.policy) {
      case MinLotPolicy::carry:
        return nothing(Reason::none, d.wanted_fine);
      // This event's part is dropped; what was carried from before stays.
      case MinLotPolicy::skip:
        return nothing(small, d.residual_fine);
      case MinLotPolicy::round_up:
        // Bought ahead of the leader already: the next events make up for it.
        if (d.wanted_fine <= 0) return nothing(Reason::none, d.wanted_fine);
        quantity = smallest(d.limit, d.lots);
        break;
    }
  }
  if ((d.price_min.is_positive() && d.limit < d.price_min) ||
      (d.price_max.is_positive() && d.limit > d.price_max))
    return nothing(Reason::price_filter, d.residual_fine);
  Clipper clipper(d, quantity);
  if (const Reason refused = clip(d, clipper); refused != Reason::none)
    return nothing(refused, d.residual_fine, clipper.cap());
  const bool clipped = clipper.cap() != Cap::none;
  return {.quantity = clipper.quantity(),
          .notional = clipper.notional(),
          .residual_fine = clipped ? 0 : d.wanted_fine - to_fine(clipper.quantity()),
          .reason = Reason::none,
          .cap = clipper.cap()};
}

ExitSize size_exit(const ExitDemand& d) {
  const Decimal quantity =
      d.wanted_fine > 0 ? to_lots(from_fine(d.wanted_fine), d.lots) : Decimal{};
  const bool priced = d.price.is_positive();
  LotRules lots = d.lots;
  if (!priced) lots.notional_min = Decimal{};
  if (too_small(quantity, d.price, lots) != Reason::none) return {Decimal{}, d.wanted_fine};
  return {quantity, d.wanted_fine - to_fine(quantity)};
}

}  // namespace oneclick::core
