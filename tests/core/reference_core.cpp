#include "tests/core/reference_core.hpp"

#include <algorithm>

#include "engine/domain/identity.hpp"

namespace oneclick::test {

namespace {

const Number e8 = 100'000'000, fine = 10'000, whole_keep = Number(1'000'000'000'000'000'000);
constexpr std::int64_t minute_ns = 60LL * 1'000'000'000, day_ns = 24 * 60 * minute_ns;

Number number(Decimal d) {
  const bool negative = d.is_negative();
  const auto units = static_cast<u128>(negative ? -d.e8() : d.e8());
  Number out = static_cast<std::uint64_t>(units >> 64);
  out <<= 64;
  out += static_cast<std::uint64_t>(units);
  return negative ? Number(-out) : out;
}
std::string text(const auto& t) {
  return std::string(t.view());
}
// Quotients, rounded as said: toward zero, away from it, to nearest with halves away.
Number down(const Number& a, const Number& b) {
  return a / b;
}
Number up(const Number& a, const Number& b) {
  const Number q = a / b;
  if (q * b == a) return q;
  return (a < 0) == (b < 0) ? Number(q + 1) : Number(q - 1);
}
Number nearest(const Number& a, const Number& b) {
  const Number twice = abs(a) * 2 + abs(b);
  const Number q = twice / (abs(b) * 2);
  return (a < 0) == (b < 0) ? q : Number(-q);
}
Number notional(const Number& quantity, const Number& price) {
  return up(quantity * price, e8);
}
Number least(const Number& a, const Number& b) {
  return a < b ? a : b;
}
Number most(const Number& a, const Number& b) {
  return a < b ? b : a;
}
Number lots(const Number& quantity, const Number& step) {
  return step > 0 ? Number(quantity / step * step) : quantity;
}

struct Lots {
  Number step, quantity_min, quantity_max, notional_min, notional_max;
};
Lots lots_of(const Instrument& i, bool market) {
  Lots l{number(i.lot_step), number(i.quantity_min), number(i.quantity_max), number(i.notional_min),
         number(i.notional_max)};
  if (!market) return l;
  l.step = most(l.step, number(i.market_lot_step));
  l.quantity_min = most(l.quantity_min, number(i.market_quantity_min));
  const Number own = number(i.market_quantity_max);
  if (own > 0) l.quantity_max = l.quantity_max > 0 ? least(own, l.quantity_max) : own;
  if (!i.notional_min_at_market) l.notional_min = 0;
  return l;
}
Reason too_small(const Number& quantity, const Number& price, const Lots& l) {
  if (quantity <= 0 || quantity < l.quantity_min) return Reason::below_min_lot;
  if (l.notional_min > 0 && down(quantity * price, e8) < l.notional_min)
    return Reason::below_min_notional;
  return Reason::none;
}

// What limits count begins when a link has any of these, and is forgotten when it has none.
bool has_terms(const CopyLink& l) {
  return l.copy_quantity.is_positive() || l.exposure_usd_max.is_positive() ||
         l.daily_loss_usd_max.is_positive() || l.drawdown_usd_max.is_positive() ||
         l.risk_epoch != 0 || l.positions_max != 0 || l.entries_per_minute_max != 0 ||
         l.drawdown_from != DrawdownFrom::start || l.drawdown_action != DrawdownAction::halt;
}

bool fixed_per_order(SizingMode m) {
  return m != SizingMode::leader_quantity && m != SizingMode::equity_proportional;
}

}  // namespace

struct ReferenceCore::Request {
  const LeaderEvent& e;
  enum class Ask { refused, enter, sell_fraction, sell_quantity, sell_all, close_signal } ask;
  Reason refusal = Reason::none;
  Number before, after;  // the leader's position
  std::optional<Position::Seen> earlier;
  std::int32_t percentage_e2 = 0;  // of one-click copies
  Number copy_amount;
  Number spent_by_event;
};

std::vector<LinkId> ReferenceCore::matched(const LeaderEvent& e) const {
  std::vector<LinkId> out;
  for (const auto& [id, f] : followers_) {
    if (f.removed || f.link.status == LinkStatus::stopped) continue;
    const bool fits = e.kind == LeaderEventKind::fill
                          ? f.link.leader == e.leader
                          : !e.channel.is_nil() && f.link.channel == e.channel;
    const bool wanted = e.kind != LeaderEventKind::one_click_copy || f.link.follower == e.target;
    if (fits && wanted && e.kind != LeaderEventKind::signal_updated) out.push_back(id);
  }
  return out;
}

Number ReferenceCore::held(LinkId link, const Symbol& symbol) const {
  const auto f = followers_.find(link);
  if (f == followers_.end()) return 0;
  const auto h = f->second.holds.find(text(symbol));
  return h == f->second.holds.end() ? Number(0) : h->second.quantity;
}
std::map<std::pair<LinkId, std::string>, Number> ReferenceCore::holdings() const {
  std::map<std::pair<LinkId, std::string>, Number> out;
  for (const auto& [id, f] : followers_)
    for (const auto& [symbol, h] : f.holds)
      if (h.quantity != 0) out[{id, symbol}] = h.quantity;
  return out;
}

Said ReferenceCore::step(const Event& event, const std::vector<LinkId>& ranks) {
  said_ = Said{};
  now_ns_ = event.time_ns;
  seq_ = event.seq;
  switch (event.kind) {
    case EventKind::fence:
      settings_ = event.fence.settings;
      break;
    case EventKind::leader:
      on_leader(event.leader, ranks);
      break;
    case EventKind::link_upsert: {
      Follower& f = followers_[event.link.id];
      if (event.link.risk_epoch != f.link.risk_epoch || !has_terms(event.link)) f.profit = Profit{};
      if (!event.link.drawdown_usd_max.is_positive()) f.profit.halted = false;
      f.link = event.link;
      f.removed = false;
      break;
    }
    case EventKind::link_remove:
      followers_[event.link_remove.id].removed = true;
      break;
    case EventKind::account_upsert:
      wallets_[event.account.id].account = event.account;
      wallets_[event.account.id].known = true;
      break;
    case EventKind::account_remove:
      wallets_[event.account_remove.id].known = false;
      break;
    case EventKind::instrument:
      markets_[text(event.instrument.symbol)].instrument = event.instrument;
      break;
    case EventKind::feed_upsert:
      std::erase_if(feeds_, [&](const LeaderFeed& f) { return f.account == event.feed.account; });
      feeds_.push_back(event.feed);
      static_cast<void>(wallets_[event.feed.account]);
      break;
    case EventKind::balance: {
      const auto w = wallets_.find(event.balance.account);
      if (w == wallets_.end()) break;
      w->second.told_ns = now_ns_;
      Money& m = w->second.money[text(event.balance.asset)];
      if (event.balance.venue_time_ns < m.time_ns) break;
      m.free = number(event.balance.free);
      m.locked = number(event.balance.locked);
      m.time_ns = event.balance.venue_time_ns;
      if (m.time_ns >= m.spent_until_ns) m.spent = 0;
      break;
    }
    case EventKind::order_update:
      on_order(event.order);
      break;
    case EventKind::account_state: {
      Wallet& w = wallets_[event.account_state.account];
      if (event.account_state.kind == AccountStateKind::reconciled) {
        w.reconciled = true;
        w.refused = false;
      } else {
        w.reconciled = false;
        if (event.account_state.kind == AccountStateKind::credentials_refused) w.refused = true;
      }
      break;
    }
    case EventKind::kill_switch: {
      const KillSwitch& k = event.kill_switch;
      std::erase_if(switches_, [&](const KillSwitch& o) {
        return o.venue == k.venue && o.leader == k.leader && o.follower == k.follower &&
               o.symbol == k.symbol;
      });
      if (k.on) switches_.push_back(k);
      break;
    }
    case EventKind::price:
      on_price(event.price);
      break;
    case EventKind::timer:
      on_timer();
      break;
    default:
      break;
  }
  return std::move(said_);
}

void ReferenceCore::tell(EventId event, LinkId link, Outcome outcome, Reason reason, Cap cap,
                         Number sent, const Number& residual_fine, bool has_order) {
  said_.outcomes[{event, link}] = {
      outcome, reason, cap, std::move(sent), down(residual_fine, fine), has_order};
}

// --- leader events

void ReferenceCore::on_leader(const LeaderEvent& e, const std::vector<LinkId>& ranks) {
  if (!seen_.insert(e.id).second) return;
  said_.links_matched = matched(e).size();
  Request r{.e = e,
            .ask = Request::Ask::refused,
            .before = 0,
            .after = 0,
            .earlier = {},
            .copy_amount = 0,
            .spent_by_event = 0};
  const auto by_signal = [&] {
    switch (e.signal_type) {
      case SignalType::buy:
      case SignalType::hold:
        r.ask = Request::Ask::enter;
        break;
      case SignalType::sell:
        r.ask = e.quantity.is_positive() ? Request::Ask::sell_quantity : Request::Ask::sell_all;
        break;
      case SignalType::none:
        r.refusal = Reason::hold;
        break;
    }
  };
  switch (e.kind) {
    case LeaderEventKind::fill: {
      Position& p = positions_[{e.leader, text(e.symbol)}];
      r.before = p.quantity;
      p.quantity += e.side == Side::buy ? Number(number(e.quantity) - number(e.base_fee))
                                        : Number(-number(e.quantity) - number(e.base_fee));
      if (p.quantity < 0) p.quantity = 0;
      r.after = p.quantity;
      if (e.side == Side::buy) {
        r.ask = Request::Ask::enter;
        if (e.leader_order != 0) {
          for (const Position::Seen& s : p.orders)
            if (s.order == e.leader_order) r.earlier = s;
          if (!r.earlier) p.orders.push_back({e.id, e.leader_order, e.event_time_ns});
          if (p.orders.size() > 16) p.orders.erase(p.orders.begin());
        }
      } else if (r.before <= 0) {
        r.refusal = Reason::no_position;
      } else {
        r.ask = r.after == 0 ? Request::Ask::sell_all : Request::Ask::sell_fraction;
      }
      break;
    }
    case LeaderEventKind::signal_published:
      by_signal();
      break;
    case LeaderEventKind::signal_closed:
      r.ask = Request::Ask::close_signal;
      break;
    case LeaderEventKind::one_click_copy:
      by_signal();
      r.percentage_e2 = e.percentage_e2;
      r.copy_amount = number(e.copy_amount);
      if (matched(e).size() > 1) {
        r.ask = Request::Ask::refused;
        r.refusal = Reason::account_ambiguous;
      }
      break;
    default:
      return;
  }
  for (const LinkId id : ranks) serve(r, followers_.at(id));
}

void ReferenceCore::serve(Request& r, Follower& f) {
  switch (r.ask) {
    case Request::Ask::refused:
      return tell(r.e.id, f.link.id, Outcome::skipped, r.refusal, Cap::none, 0, 0, false);
    case Request::Ask::enter:
      return enter(r, f);
    default:
      return leave(r, f);
  }
}

Reason ReferenceCore::ladder(const Request& r, const Follower& f) const {
  const CopyLink& l = f.link;
  const auto wallet = wallets_.find(l.account);
  const Wallet nobody{};
  const Wallet& w = wallet == wallets_.end() ? nobody : wallet->second;
  for (const KillSwitch& k : switches_)
    if ((k.venue == Venue::none || k.venue == w.account.venue) &&
        (k.leader.is_nil() || k.leader == r.e.leader) &&
        (k.follower.is_nil() || k.follower == l.follower) &&
        (k.symbol.empty() || k.symbol == r.e.symbol))
      return Reason::kill_switch;
  if (!l.user_active) return Reason::user_inactive;
  if (!w.known || !w.account.connected) return Reason::exchange_disconnected;
  if (w.refused) return Reason::credentials_refused;
  if (l.status == LinkStatus::quarantined) return Reason::quarantined;
  if (l.status != LinkStatus::active) return Reason::link_inactive;
  if (!l.subscription_active) return Reason::subscription_inactive;
  if (!w.reconciled) return Reason::not_reconciled;
  std::int64_t age_max = l.entry_ttl_ms * 1'000'000;
  if (settings_.leader_event_age_ns_max > 0)
    age_max = std::min(age_max, settings_.leader_event_age_ns_max);
  if (now_ns_ - r.e.event_time_ns > age_max) return Reason::stale;
  if (l.symbol_filter != SymbolFilter::none) {
    const auto* const end = l.symbols.data() + l.symbol_count;
    const bool listed = std::find(l.symbols.data(), end, r.e.symbol) != end;
    if (listed == (l.symbol_filter == SymbolFilter::deny)) return Reason::symbol_filtered;
  }
  const auto market = markets_.find(text(r.e.symbol));
  if (market == markets_.end()) return Reason::unknown_symbol;
  if (market->second.instrument.status != TradingStatus::trading) return Reason::venue_halted;
  if (r.e.signal_type == SignalType::hold) return Reason::hold;
  if (!fixed_per_order(l.sizing_mode) && !r.e.quantity.is_positive()) return Reason::no_quantity;
  if (now_ns_ - r.e.touch.time_ns > settings_.touch_age_ns_max || !r.e.touch.ask.is_positive())
    return Reason::no_price;
  if (l.only_if_better) {
    if (!r.e.price.is_positive()) return Reason::no_price;
    if (r.e.touch.ask > r.e.price) return Reason::price_worse;
  }
  return Reason::none;
}

// What is asked for before residual, caps and rounding, by the link's mode.
ReferenceCore::Wish ReferenceCore::wish(const Request& r, const CopyLink& l, const Wallet& w,
                                        const Instrument& i, const Number& price) const {
  const Number percentage = r.percentage_e2 != 0 ? r.percentage_e2 : l.percentage_e2;
  const Number amount = r.copy_amount > 0 ? r.copy_amount : number(l.copy_amount);
  const Number leader_quantity = number(r.e.quantity);
  const std::string quote = text(i.quote);
  switch (l.sizing_mode) {
    case SizingMode::leader_quantity:
      return {leader_quantity * percentage, Reason::none};
    case SizingMode::fixed_notional:
      return {down(amount * e8, price) * fine, Reason::none};
    case SizingMode::fixed_quantity:
      return {number(l.copy_quantity) * fine, Reason::none};
    case SizingMode::fixed_risk: {
      const Number stop = number(r.e.stop_loss);
      if (stop <= 0 || stop >= price) return {0, Reason::no_stop};
      return {down(amount * e8, price - stop) * fine, Reason::none};
    }
    case SizingMode::follower_equity: {
      const auto worth = follower_equity(w, quote);
      if (!worth || *worth <= 0) return {0, Reason::equity_unknown};
      return {down(down(*worth * percentage, 10'000) * e8, price) * fine, Reason::none};
    }
    case SizingMode::equity_proportional: {
      const auto worth = follower_equity(w, quote);
      const auto leaders = leader_equity(r.e, quote);
      if (!worth || *worth <= 0 || !leaders) return {0, Reason::equity_unknown};
      return {down(leader_quantity * percentage * *worth, *leaders), Reason::none};
    }
  }
  return {0, Reason::no_quantity};
}

void ReferenceCore::enter(Request& r, Follower& f) {
  const CopyLink& l = f.link;
  const std::string symbol = text(r.e.symbol);
  const auto skip = [&](Reason reason, const Number& residual = 0, Cap cap = Cap::none) {
    tell(r.e.id, l.id, Outcome::skipped, reason, cap, 0, residual, false);
  };
  if (const Reason refused = ladder(r, f); refused != Reason::none) return skip(refused);
  const Market& market = markets_.at(symbol);
  const Instrument& i = market.instrument;
  Wallet& w = wallets_[l.account];
  const auto hold = f.holds.find(symbol);
  if (r.earlier && fixed_per_order(l.sizing_mode)) {
    const bool made = hold != f.holds.end() && hold->second.leader_order == r.earlier->order;
    return tell(r.e.id, l.id, Outcome::coalesced, Reason::none, Cap::none, 0, 0, made);
  }
  // The price.
  const bool is_market = l.entry_style == EntryStyle::market;
  const Number ask = number(r.e.touch.ask), tick = number(i.price_tick);
  Number price = ask;
  if (!is_market) {
    price = down(ask * (10'000 + l.slippage_bps_max), 10'000);
    if (tick > 0) price = price / tick * tick;
  }
  if (l.price_collar_bps_max != 0) {
    if (market.reference <= 0 || now_ns_ - market.reference_ns > settings_.equity_age_ns_max)
      return skip(Reason::no_reference);
    if (abs(price - market.reference) * 10'000 > market.reference * l.price_collar_bps_max)
      return skip(Reason::price_collar);
  }
  const Wish wished = wish(r, l, w, i, price);
  if (wished.reason != Reason::none) return skip(wished.reason);
  const Number& wanted = wished.wanted;
  const std::string quote = text(i.quote);
  const Number amount = r.copy_amount > 0 ? r.copy_amount : number(l.copy_amount);
  // Limits over all that the link holds.
  std::optional<Number> room;
  if (l.positions_max > 0) {
    int others = 0;
    bool holds_this = false;
    for (const auto& [s, h] : f.holds) {
      if (h.quantity <= 0 && buying(l.id, s) <= 0) continue;
      if (s == symbol) holds_this = true;
      ++others;
    }
    if (!holds_this && others >= l.positions_max) return skip(Reason::positions);
  }
  if (l.entries_per_minute_max > 0 && f.profit.minute == now_ns_ / minute_ns &&
      f.profit.entries >= l.entries_per_minute_max)
    return skip(Reason::entry_rate);
  if (f.profit.halted) return skip(Reason::drawdown);
  if (l.daily_loss_usd_max.is_positive() || l.drawdown_usd_max.is_positive()) {
    if (!value(f)) return skip(Reason::not_valued);
    if (l.daily_loss_usd_max.is_positive() &&
        f.profit.day_start - f.profit.last >= number(l.daily_loss_usd_max))
      return skip(Reason::daily_loss);
    if (drawn_down(f)) return skip(Reason::drawdown);
  }
  if (l.exposure_usd_max.is_positive()) {
    Number left = number(l.exposure_usd_max);
    for (const auto& [s, h] : f.holds) {
      const Number all = h.quantity + buying(l.id, s);
      if (h.quantity <= 0 && buying(l.id, s) <= 0) continue;
      const Market* const m = valued(s);
      if (m == nullptr) return skip(Reason::not_valued);
      left -= notional(notional(all, m->ask), m->usd);
    }
    const Market* const own = valued(symbol);
    if (own == nullptr) return skip(Reason::not_valued);
    room = left > 0 ? down(left * e8, own->usd) : Number(0);
  }
  // Lots.
  const Lots rules = lots_of(i, is_market);
  const Number residual = hold == f.holds.end() ? Number(0) : hold->second.residual;
  const Number total = wanted + residual;
  Number q = total > 0 ? lots(down(total, fine), rules.step) : Number(0);
  if (const Reason small = too_small(q, price, rules); small != Reason::none) {
    const bool rounds_up = l.min_lot_policy == MinLotPolicy::round_up && total > 0;
    if (l.min_lot_policy == MinLotPolicy::skip) return skip(small, residual);
    if (!rounds_up) {
      f.holds[symbol].residual = total;
      return tell(r.e.id, l.id, Outcome::carried, Reason::none, Cap::none, 0, total, false);
    }
    q = most(rules.quantity_min, rules.step);
    if (rules.notional_min > 0) q = most(q, up(rules.notional_min * e8, price));
    if (rules.step > 0) q = up(q, rules.step) * rules.step;
  }
  if (!is_market && ((i.price_min.is_positive() && price < number(i.price_min)) ||
                     (i.price_max.is_positive() && price > number(i.price_max))))
    return skip(Reason::price_filter, residual);
  // Caps, one after the other.
  Cap cap = Cap::none;
  const auto clip = [&](const Number& limit, Cap by) {
    if (q <= limit) return true;
    q = lots(most(limit, 0), rules.step);
    cap = by;
    return too_small(q, price, rules) == Reason::none;
  };
  const auto clip_notional = [&](const Number& limit, Cap by) {
    if (notional(q, price) <= limit) return true;
    return clip(limit > 0 ? down(limit * e8, price) : Number(0), by);
  };
  if (l.order_notional_max.is_positive() &&
      !clip_notional(number(l.order_notional_max), Cap::order_notional))
    return skip(Reason::order_notional, residual, cap);
  if (l.position_notional_max.is_positive()) {
    const Number all =
        (hold == f.holds.end() ? Number(0) : hold->second.quantity) + buying(l.id, symbol);
    if (!clip_notional(number(l.position_notional_max) - notional(all, price),
                       Cap::position_notional))
      return skip(Reason::position_notional, residual, cap);
  }
  if (room && !clip_notional(*room, Cap::exposure)) return skip(Reason::exposure, residual, cap);
  const bool amount_caps =
      l.sizing_mode != SizingMode::fixed_notional && l.sizing_mode != SizingMode::fixed_risk;
  if (amount_caps && amount > 0 && !clip_notional(amount, Cap::copy_amount))
    return skip(Reason::copy_amount, residual, cap);
  if (rules.quantity_max > 0 && !clip(rules.quantity_max, Cap::venue_max))
    return skip(Reason::below_min_lot, residual, cap);
  if (rules.notional_max > 0 && !clip_notional(rules.notional_max, Cap::venue_max))
    return skip(Reason::below_min_notional, residual, cap);
  const Number event_max = number(settings_.event_notional_max) /
                           (settings_.shard_count == 0 ? 1 : settings_.shard_count);
  if (event_max > 0 && r.spent_by_event + notional(q, price) > event_max)
    return skip(Reason::event_notional, residual, cap);
  const Number fee = 10'000 + settings_.taker_fee_bps;
  const Number money = available(w, quote);
  if (notional(q, price) * fee > money &&
      !clip_notional(money > 0 ? Number(money / fee) : Number(0), Cap::balance))
    return skip(Reason::balance, residual, cap);
  // An order.
  Hold& h = f.holds[symbol];
  h.residual = cap == Cap::none ? Number(total - q * fine) : Number(0);
  h.leader_order = r.e.leader_order;
  Order o;
  o.key = order_key(r.e.id, l.id, 0, 0, r.e.event_time_ns);
  o.event = r.e.id;
  o.signal = r.e.signal;
  o.link = l.id;
  o.symbol = symbol;
  o.type = is_market ? OrderType::market : OrderType::limit_ioc;
  o.quantity = q;
  o.price = is_market ? Number(0) : price;
  o.reserved = notional(q, price) * fee;
  o.keep = whole_keep;
  o.event_time_ns = r.e.event_time_ns;
  o.cap = cap;
  o.outcome_due = true;
  o.sent = true;
  r.spent_by_event += notional(q, price);
  if (has_terms(l)) {
    if (f.profit.minute != now_ns_ / minute_ns) f.profit.entries = 0;
    f.profit.minute = now_ns_ / minute_ns;
    ++f.profit.entries;
  }
  said_.orders[o.key] = {Side::buy, o.type, q, o.price, false, true};
  orders_[o.key] = o;
}

void ReferenceCore::leave(Request& r, Follower& f) {
  const CopyLink& l = f.link;
  const auto skip = [&](Reason reason, const Number& residual = 0) {
    tell(r.e.id, l.id, Outcome::skipped, reason, Cap::none, 0, residual, false);
  };
  // Which holding it is about.
  std::string symbol = text(r.e.symbol);
  if (r.ask == Request::Ask::close_signal) {
    symbol.clear();
    for (const auto& [s, h] : f.holds)
      for (const SignalPart& part : h.signals)
        if (part.signal == r.e.signal) symbol = s;
    if (symbol.empty())
      for (const auto& [key, o] : orders_)
        if (o.link == l.id && !o.is_exit && o.signal == r.e.signal) symbol = o.symbol;
  }
  const auto at = f.holds.find(symbol);
  if (at == f.holds.end()) return skip(Reason::no_position);
  const Wallet& w = wallets_[l.account];
  if (!w.known || !w.account.connected) return skip(Reason::exchange_disconnected);
  if (w.refused) return skip(Reason::credentials_refused);
  const auto market = markets_.find(symbol);
  if (market == markets_.end()) return skip(Reason::unknown_symbol);
  // What is on its way in is wanted in part, or not at all, from now on.
  bool arriving = false;
  for (auto& [key, o] : orders_) {
    if (o.link != l.id || o.symbol != symbol || o.is_exit) continue;
    if (r.ask == Request::Ask::close_signal && o.signal != r.e.signal) continue;
    if (r.ask == Request::Ask::sell_quantity) continue;
    o.keep = r.ask == Request::Ask::sell_fraction ? down(o.keep * r.after, r.before) : Number(0);
    arriving = true;
  }
  Hold& h = at->second;
  const Number out = selling(l.id, symbol);
  const Number available_fine = sellable(l.id, symbol) * fine;
  const Number owed = least(h.owed, available_fine);
  const bool fresh = now_ns_ - r.e.touch.time_ns <= settings_.touch_age_ns_max;
  const Number price = fresh && r.e.touch.bid.is_positive() ? number(r.e.touch.bid) : Number(0);
  Number asked = available_fine;
  switch (r.ask) {
    case Request::Ask::sell_fraction:
      asked = available_fine - up((available_fine - owed) * r.after, r.before);
      break;
    case Request::Ask::sell_quantity: {
      // As much as the same signal would have bought; all where that cannot be said.
      if (l.sizing_mode != SizingMode::leader_quantity && price <= 0) break;
      const Wish same = wish(r, l, w, market->second.instrument, price);
      if (same.reason == Reason::none) asked = same.wanted + owed;
      break;
    }
    case Request::Ask::close_signal: {
      asked = 0;
      for (const SignalPart& part : h.signals)
        if (part.signal == r.e.signal) asked = least(part.quantity * fine + owed, available_fine);
      break;
    }
    default:
      break;
  }
  if (r.ask == Request::Ask::sell_all) h.residual = 0;
  if (r.ask == Request::Ask::sell_fraction) h.residual = down(h.residual * r.after, r.before);
  if (available_fine <= 0 || asked <= 0) {
    if (arriving)
      return tell(r.e.id, l.id, Outcome::coalesced, Reason::none, Cap::none, 0, h.owed, true);
    return skip(out > 0 ? Reason::already_exiting : Reason::no_position, h.owed);
  }
  const Number wanted = least(asked, available_fine);
  // An old price is better than none.
  const Number q = sell_lots(wanted, price > 0 ? price : market->second.bid, symbol);
  h.owed = wanted - q * fine;
  if (q == 0)
    return tell(r.e.id, l.id, Outcome::carried, Reason::none, Cap::none, 0, h.owed, false);
  // One that waits to be tried again takes it along.
  const bool closes = r.ask == Request::Ask::close_signal;
  Order* waiting = nullptr;
  for (auto& [key, other] : orders_)
    if (other.is_exit && other.retry_ns != 0 && other.link == l.id && other.symbol == symbol &&
        other.closes_signal == closes && (!closes || other.signal == r.e.signal) &&
        (waiting == nullptr || other.listed > waiting->listed))
      waiting = &other;
  if (waiting != nullptr) {
    waiting->left += q;
    return tell(r.e.id, l.id, Outcome::coalesced, Reason::none, Cap::none, 0, h.owed, true);
  }
  Order o;
  o.event = r.e.id;
  o.signal = r.e.signal;
  o.link = l.id;
  o.symbol = symbol;
  o.side = Side::sell;
  o.quantity = q;
  o.event_time_ns = r.e.event_time_ns;
  o.cap = asked > available_fine ? Cap::held : Cap::none;
  o.is_exit = true;
  o.outcome_due = true;
  o.closes_signal = r.ask == Request::Ask::close_signal;
  start_exit(o);
}

// --- orders

Number ReferenceCore::sell_lots(const Number& wanted_fine, const Number& price,
                                const std::string& symbol) const {
  Lots rules = lots_of(markets_.at(symbol).instrument, true);
  if (price <= 0) rules.notional_min = 0;
  const Number q = wanted_fine > 0 ? lots(down(wanted_fine, fine), rules.step) : Number(0);
  return too_small(q, price, rules) == Reason::none ? q : Number(0);
}

Number ReferenceCore::selling(LinkId link, const std::string& symbol) const {
  Number sum;
  for (const auto& [key, o] : orders_)
    if (o.link == link && o.symbol == symbol && o.is_exit) sum += o.quantity - o.filled + o.left;
  return sum;
}
Number ReferenceCore::buying(LinkId link, const std::string& symbol) const {
  Number sum;
  for (const auto& [key, o] : orders_)
    if (o.link == link && o.symbol == symbol && !o.is_exit) sum += o.quantity - o.filled;
  return sum;
}
Number ReferenceCore::sellable(LinkId link, const std::string& symbol) const {
  return most(0, followers_.at(link).holds.at(symbol).quantity - selling(link, symbol));
}
// In 1e-12 of quote: what is free less what orders may still cost, and what ended ones cost.
Number ReferenceCore::available(const Wallet& w, const std::string& asset) const {
  const auto m = w.money.find(asset);
  if (m == w.money.end()) return 0;
  Number sum = m->second.free * fine - m->second.spent;
  for (const auto& [key, o] : orders_)
    if (!o.is_exit && followers_.at(o.link).link.account == w.account.id &&
        text(markets_.at(o.symbol).instrument.quote) == asset)
      sum -= o.reserved;
  return sum;
}

void ReferenceCore::start_exit(const Order& exit) {
  Order o = exit;
  o.key = order_key(o.event, o.link, o.leg, o.attempt, o.event_time_ns);
  o.listed = ++listed_;
  orders_[o.key] = o;
  attempt(o.key);
}

// What of an exit can be sold now; the rest stays owed.
Number ReferenceCore::fit(Order& o, const Number& price) {
  Hold& h = followers_.at(o.link).holds.at(o.symbol);
  const Number left = o.quantity - o.filled + o.left;
  Number others = selling(o.link, o.symbol);
  if (orders_.contains(o.key)) {
    const Order& listed = orders_.at(o.key);
    others -= listed.quantity - listed.filled + listed.left;
  }
  const Number can = least(left, most(0, h.quantity - others));
  const Number sold = sell_lots(can * fine, price, o.symbol);
  if (sold < can)
    h.owed = least(h.owed + (can - sold) * fine, most(0, h.quantity - others - sold) * fine);
  return sold;
}

// Not now: again after a while, each time later once there were many.
void ReferenceCore::put_off(Order& o) const {
  const int per_minute = std::max(1, settings_.exit_attempts_per_minute);
  const int slow = std::clamp(o.tries - per_minute, 0, 5);
  ++o.tries;
  o.retry_ns = now_ns_ + ((minute_ns / per_minute) << slow);
}

void ReferenceCore::attempt(OrderKey key) {
  Order& o = orders_.at(key);
  const Wallet& w = wallets_[followers_.at(o.link).link.account];
  if (!w.known || !w.account.connected) return end(key, Reason::exchange_disconnected, true);
  if (w.refused) return end(key, Reason::credentials_refused, true);
  const Market& market = markets_.at(o.symbol);
  if (market.instrument.status != TradingStatus::trading) return put_off(o);
  const Number sold = fit(o, 0);
  if (sold == 0) {
    const bool holds = followers_.at(o.link).holds.at(o.symbol).quantity > 0;
    return end(key, holds ? Reason::below_min_lot : Reason::no_position, true);
  }
  const Number largest = lots_of(market.instrument, true).quantity_max;
  o.quantity = largest > 0 ? least(sold, largest) : sold;
  o.left = sold - o.quantity;
  o.retry_ns = 0;
  o.sent = true;
  said_.orders[key] = {Side::sell, OrderType::market, o.quantity, 0, true, false};
}

void ReferenceCore::on_timer() {
  // Those that are due, the earliest first.
  for (;;) {
    std::optional<OrderKey> due;
    for (const auto& [key, o] : orders_)
      if (o.retry_ns != 0 && o.retry_ns <= now_ns_ &&
          (!due || o.retry_ns < orders_.at(*due).retry_ns))
        due = key;
    if (!due) return;
    attempt(*due);
  }
}

void ReferenceCore::on_order(const OrderUpdate& u) {
  const auto at = orders_.find(u.key);
  if (at == orders_.end()) return;
  Order& o = at->second;
  switch (u.kind) {
    case OrderUpdateKind::execution:
      return on_execution(o, u);
    case OrderUpdateKind::done:
      o.cumulative = most(o.cumulative, least(number(u.cumulative_quantity), o.quantity));
      o.final = true;
      if (o.filled >= o.cumulative)
        end(u.key, o.filled > 0 ? Reason::none : Reason::not_filled, false);
      return;
    case OrderUpdateKind::rejected:
      return end(u.key, u.reason == Reason::none ? Reason::rejected : u.reason, false);
    case OrderUpdateKind::not_sent:
      if (!o.is_exit)
        return end(u.key, u.reason == Reason::none ? Reason::session_down : u.reason, true);
      return put_off(o);
    default:
      return;
  }
}

void ReferenceCore::on_execution(Order& o, const OrderUpdate& u) {
  const Number q = number(u.last_quantity), price = number(u.last_price), fee = number(u.fee);
  const Number total = o.final ? o.cumulative : o.quantity;
  if (q <= 0 || o.trades.contains(text(u.trade_id)) || o.filled + q > total) return;
  o.trades.insert(text(u.trade_id));
  Follower& f = followers_.at(o.link);
  const Market& market = markets_.at(o.symbol);
  const Instrument& i = market.instrument;
  Hold& h = f.holds[o.symbol];
  const Number base_fee = fee > 0 && u.fee_asset == i.base ? fee : Number(0);
  const Number quote_fee = u.fee_asset == i.quote ? fee : Number(0);
  const Number value = nearest(q * price, e8);
  o.filled += q;
  o.filled_quote += value;
  if (u.has_cumulative && number(u.cumulative_quantity) == o.filled &&
      u.cumulative_quote.is_positive())
    o.filled_quote = number(u.cumulative_quote);
  o.executed_ns = std::max(o.executed_ns, u.venue_time_ns);
  if (o.side == Side::buy) {
    const Number arrived = q - base_fee;
    h.quantity += arrived;
    h.cost += value + quote_fee;
    h.owed += down(arrived * fine * (whole_keep - o.keep), whole_keep);
    if (!o.signal.is_nil() && arrived > 0) {
      auto part = std::ranges::find(h.signals, o.signal, &SignalPart::signal);
      if (part == h.signals.end()) part = h.signals.insert(h.signals.end(), {o.signal, 0});
      part->quantity += arrived;
    }
  } else {
    const Number sold = q + base_fee;
    const Number cost = sold < h.quantity ? nearest(h.cost * sold, h.quantity) : h.cost;
    h.cost -= cost;
    const Number rate = u.quote_usd.is_positive() ? number(u.quote_usd) : market.usd;
    if (has_terms(f.link)) {
      if (rate <= 0) f.profit.unvalued = true;
      f.profit.realised += down((value - quote_fee - cost) * rate, e8);
    }
    h.quantity = most(0, h.quantity - sold);
    h.owed = least(h.owed, sellable(o.link, o.symbol) * fine);
    // The signal that is closed gives first, then the oldest.
    Number rest = sold;
    const auto take = [&](SignalPart& part) {
      const Number some = least(part.quantity, rest);
      part.quantity -= some;
      rest -= some;
    };
    if (o.closes_signal)
      for (SignalPart& part : h.signals)
        if (part.signal == o.signal) take(part);
    for (SignalPart& part : h.signals) take(part);
    std::erase_if(h.signals,
                  [&](const SignalPart& p) { return p.quantity <= 0 || h.quantity <= 0; });
  }
  if (has_terms(f.link) && fee > 0 && u.fee_asset != i.base && u.fee_asset != i.quote) {
    if (!u.fee_usd.is_positive()) f.profit.unvalued = true;
    f.profit.realised -= up(fee * number(u.fee_usd), e8);
  }
  if (o.filled >= (o.final ? o.cumulative : o.quantity)) {
    end(u.key, Reason::none, false);
  } else {
    tell_filled(o);
  }
}

void ReferenceCore::tell_filled(Order& o) {
  if (!o.outcome_due) return;
  o.outcome_due = false;
  const Hold& h = followers_.at(o.link).holds.at(o.symbol);
  tell(o.event, o.link, o.cap == Cap::none ? Outcome::copied : Outcome::clipped, Reason::none,
       o.cap, o.quantity, o.is_exit ? h.owed : h.residual, true);
}

void ReferenceCore::end(OrderKey key, Reason reason, bool not_sent) {
  Order o = orders_.at(key);
  orders_.erase(key);
  Follower& f = followers_.at(o.link);
  if (o.is_exit) {
    bool goes_on = false;
    after_exit(o, reason, not_sent, goes_on);
    if (goes_on && o.filled == 0) return;  // told by the attempt that ends it
  } else {
    Money& m = wallets_[f.link.account].money[text(markets_.at(o.symbol).instrument.quote)];
    if (o.filled > 0 && m.time_ns < o.executed_ns) {
      m.spent += o.filled_quote * (10'000 + settings_.taker_fee_bps);
      m.spent_until_ns = std::max(m.spent_until_ns, o.executed_ns);
    }
    follow_up(o);
  }
  if (!o.outcome_due) return;
  if (o.filled > 0) return tell_filled(o);
  const Hold& h = f.holds[o.symbol];
  tell(o.event, o.link, not_sent ? Outcome::skipped : Outcome::failed, reason, o.cap,
       not_sent ? Number(0) : o.quantity, o.is_exit ? h.owed : h.residual, o.sent);
}

// What an attempt left unsold goes to a further one: at once after progress, else later.
void ReferenceCore::after_exit(const Order& ended, Reason reason, bool not_sent, bool& goes_on) {
  const Number left = ended.quantity - ended.filled + ended.left;
  if (left <= 0 || not_sent || reason == Reason::credentials_refused) return;
  const bool progress = ended.filled > 0;
  Order next = ended;
  next.trades.clear();
  const Number average = progress ? down(ended.filled_quote * e8, ended.filled) : Number(0);
  Number fitted = fit(next, average);
  if (fitted == 0) return;
  goes_on = true;
  next.quantity = fitted;
  next.left = next.filled = next.filled_quote = next.cumulative = 0;
  next.final = false;
  next.executed_ns = 0;
  next.attempt = ended.attempt + 1;
  next.tries = progress ? 0 : ended.tries;
  next.outcome_due = ended.outcome_due && !progress;
  next.sent = false;
  next.listed = ++listed_;
  next.key = order_key(next.event, next.link, next.leg, next.attempt, next.event_time_ns);
  if (progress) {
    orders_[next.key] = next;
    return attempt(next.key);
  }
  put_off(next);
  orders_[next.key] = next;
}

// An entry ended after its leader had sold: what came too late is sold.
void ReferenceCore::follow_up(Order& entry) {
  if (entry.keep >= whole_keep || entry.filled == 0) return;
  Hold& h = followers_.at(entry.link).holds.at(entry.symbol);
  const Number wanted = least(h.owed, sellable(entry.link, entry.symbol) * fine);
  const Number q = sell_lots(wanted, down(entry.filled_quote * e8, entry.filled), entry.symbol);
  if (q == 0) return;
  h.owed = wanted - q * fine;
  Order o;
  o.event = entry.event;
  o.signal = entry.signal;
  o.link = entry.link;
  o.symbol = entry.symbol;
  o.side = Side::sell;
  o.quantity = q;
  o.event_time_ns = entry.event_time_ns;
  o.is_exit = true;
  o.leg = 1;
  o.closes_signal = !entry.signal.is_nil();
  start_exit(o);
}

// --- worth

const ReferenceCore::Market* ReferenceCore::valued(const std::string& symbol) const {
  const auto at = markets_.find(symbol);
  if (at == markets_.end()) return nullptr;
  const Market& m = at->second;
  const bool fresh = now_ns_ - m.time_ns <= settings_.equity_age_ns_max;
  return fresh && m.bid > 0 && m.ask > 0 && m.usd > 0 ? &m : nullptr;
}

std::optional<Number> ReferenceCore::follower_equity(const Wallet& w,
                                                     const std::string& quote) const {
  if (w.money.empty()) return std::nullopt;
  Number sum;
  for (const auto& [asset, m] : w.money) {
    const Number all = m.free + m.locked;
    if (all <= 0) continue;
    if (asset == quote) sum += all;
    for (const auto& [symbol, market] : markets_)
      if (text(market.instrument.base) == asset && text(market.instrument.quote) == quote &&
          market.bid > 0 && market.ask > 0 &&
          now_ns_ - market.time_ns <= settings_.equity_age_ns_max)
        sum += down(all * market.bid, e8);
  }
  return sum;
}

std::optional<Number> ReferenceCore::leader_equity(const LeaderEvent& e,
                                                   const std::string& quote) const {
  std::vector<AccountId> accounts;
  if (!e.feed_account.is_nil()) {
    accounts.push_back(e.feed_account);
  } else {
    for (const LeaderFeed& f : feeds_)
      if (f.leader == e.leader && f.authoritative) accounts.push_back(f.account);
  }
  if (accounts.size() != 1 || !wallets_.contains(accounts[0])) return std::nullopt;
  const Wallet& w = wallets_.at(accounts[0]);
  if (w.money.empty() || now_ns_ - w.told_ns > settings_.equity_age_ns_max) return std::nullopt;
  Number sum;
  for (const auto& [asset, m] : w.money) {
    const Number all = m.free + m.locked;
    if (all <= 0) continue;
    if (asset == quote) {
      sum += all;
      continue;
    }
    for (const auto& [symbol, market] : markets_) {
      if (text(market.instrument.base) != asset || text(market.instrument.quote) != quote) continue;
      if (market.bid <= 0 || market.ask <= 0 ||
          now_ns_ - market.time_ns > settings_.equity_age_ns_max)
        return std::nullopt;
      sum += notional(all, market.ask);
    }
  }
  if (sum <= 0) return std::nullopt;
  return sum;
}

bool ReferenceCore::value(Follower& f) {
  Profit& p = f.profit;
  if (p.unvalued) return false;
  Number profit = p.realised;
  for (const auto& [symbol, h] : f.holds) {
    if (h.quantity <= 0) continue;
    const Market* const m = valued(symbol);
    if (m == nullptr) return false;
    profit += down((down(h.quantity * m->bid, e8) - h.cost) * m->usd, e8);
  }
  const std::int64_t today = now_ns_ / day_ns;
  if (!p.started) {
    p.started = true;
    p.start = p.peak = p.day_start = profit;
    p.day = today;
  } else if (p.day != today) {
    p.day_start = p.last;
    p.day = today;
  }
  p.last = profit;
  p.peak = most(p.peak, profit);
  return true;
}

bool ReferenceCore::drawn_down(const Follower& f) const {
  if (!f.link.drawdown_usd_max.is_positive()) return false;
  const Number& from = f.link.drawdown_from == DrawdownFrom::peak ? f.profit.peak : f.profit.start;
  return from - f.profit.last >= number(f.link.drawdown_usd_max);
}

void ReferenceCore::on_price(const Price& price) {
  const auto at = markets_.find(text(price.symbol));
  if (at == markets_.end()) return;
  Market& m = at->second;
  m.bid = number(price.touch.bid);
  m.ask = number(price.touch.ask);
  m.time_ns = price.touch.time_ns;
  m.usd = number(price.quote_usd);
  m.reference = number(price.reference.price);
  m.reference_ns = price.reference.time_ns;
  for (auto& [id, f] : followers_) {
    const bool counts =
        f.link.daily_loss_usd_max.is_positive() || f.link.drawdown_usd_max.is_positive();
    const auto h = f.holds.find(at->first);
    if (!counts || h == f.holds.end() || h->second.quantity <= 0 || !value(f)) continue;
    if (f.profit.halted || !drawn_down(f)) continue;
    f.profit.halted = true;
    if (f.link.drawdown_action == DrawdownAction::close) close_all(f);
  }
}

// Everything the link holds is sold, by an event of the engine's own for each symbol.
void ReferenceCore::close_all(Follower& f) {
  for (auto& [symbol, h] : f.holds) {
    if (h.quantity <= 0 && buying(f.link.id, symbol) <= 0) continue;
    const Market* const m = valued(symbol);
    LeaderEvent e{};
    e.id = risk_event_id(f.link.id, symbol, seq_);
    e.kind = LeaderEventKind::risk_close;
    e.symbol = Symbol::cut(symbol);
    e.event_time_ns = now_ns_;
    if (m != nullptr) {
      e.touch.time_ns = m->time_ns;
      e.touch.bid = Decimal::from_e8(static_cast<i128>(m->bid.convert_to<std::int64_t>()));
    }
    Request r{.e = e,
              .ask = Request::Ask::sell_all,
              .before = 0,
              .after = 0,
              .earlier = {},
              .copy_amount = 0,
              .spent_by_event = 0};
    leave(r, f);
  }
}

}  // namespace oneclick::test
