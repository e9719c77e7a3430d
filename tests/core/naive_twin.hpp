// The core's arithmetic again, obvious and slow: maps, sums over everything, no shared code but the
// vocabulary. Told the same events, and which orders ended, it says what each follower is to get.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/domain/event.hpp"
#include "engine/domain/identity.hpp"
#include "engine/domain/intent.hpp"
#include "engine/domain/record.hpp"

namespace oneclick::test {

class NaiveTwin {
 public:
  // What one link gets of one event: an order of a quantity and price, or an outcome without one.
  struct Decision {
    Outcome outcome;  // copied stands for "an order"
    Reason reason = Reason::none;
    i128 quantity = 0;
    i128 price = 0;
    std::string text() const {
      return std::string(to_text(outcome)) + "(" + std::string(to_text(reason)) + ") " +
             Decimal::from_e8(quantity).to_text() + " at " + Decimal::from_e8(price).to_text();
    }
    friend bool operator==(const Decision&, const Decision&) = default;
  };
  struct Sale {
    EventId event;
    LinkId link;
    std::uint8_t leg;
    friend auto operator<=>(const Sale&, const Sale&) = default;
  };

  std::map<LinkId, CopyLink> links;
  std::map<AccountId, Account> accounts;
  std::set<AccountId> reconciled;
  std::map<AccountId, Balance> balances;
  std::optional<Instrument> instrument;
  std::optional<KillSwitch> kill;
  CoreSettings settings{};
  i128 leader_position = 0;

  struct Book {
    i128 quantity = 0, residual = 0, owed = 0;  // the last two in 1e-12
    i128 target = 0;                            // exact proportion, in 1e-12
    i128 spent = 0;                             // by ended orders, not yet in the balance; 1e-12
    std::int64_t spent_until_ns = 0;
  };
  std::map<LinkId, Book> books;

  struct Buy {
    LinkId link;
    EventId event;
    std::int64_t event_time_ns = 0;
    i128 quantity = 0, price = 0, filled = 0, quote = 0, keep = whole;
    std::int64_t last_fill_ns = 0;
  };
  std::map<OrderKey, Buy> buys;
  std::map<OrderKey, Sale> sale_of;  // attempts of a sale
  std::map<Sale, i128> to_sell;      // what a sale has left
  std::set<std::pair<OrderKey, std::string>> trades;

  std::map<LinkId, Decision> on_leader(const LeaderEvent& e, std::int64_t now_ns) {
    std::map<LinkId, Decision> all;
    const i128 before = leader_position;
    i128 after = before + (e.side == Side::buy ? e.quantity.e8() - e.base_fee.e8()
                                               : -e.quantity.e8() - e.base_fee.e8());
    if (after < 0) after = 0;
    leader_position = after;
    for (auto& [id, link] : links) {
      if (link.status == LinkStatus::stopped) continue;
      i128& target = books[id].target;
      target = e.side == Side::buy ? target + e.quantity.e8() * link.percentage_e2
                                   : (before > 0 ? target * after / before : target);
      all[id] = e.side == Side::buy ? buy(e, link, now_ns) : sell(e, link, before, after, now_ns);
    }
    return all;
  }

  // True when the fill is new.
  bool on_fill(const OrderUpdate& u) {
    if (!trades.insert({u.key, u.trade_id.str()}).second) return false;
    const i128 base_fee = u.fee_asset == instrument->base ? u.fee.e8() : 0;
    if (const auto b = buys.find(u.key); b != buys.end()) {
      Buy& order = b->second;
      order.filled += u.last_quantity.e8();
      order.quote += u.last_quantity.e8() * u.last_price.e8() / 100'000'000;
      order.last_fill_ns = std::max(order.last_fill_ns, u.venue_time_ns);
      const i128 arrived = u.last_quantity.e8() - base_fee;
      Book& book = books[order.link];
      book.quantity += arrived;
      book.owed += arrived * 10'000 * (whole - order.keep) / whole;
      return true;
    }
    const Sale sale = sale_of.at(u.key);
    if ((to_sell[sale] -= u.last_quantity.e8()) == 0) to_sell.erase(sale);
    Book& book = books[sale.link];
    book.quantity -= u.last_quantity.e8();
    book.owed = std::min(book.owed, (book.quantity - selling(sale.link)) * 10'000);
    return true;
  }
  // A buy is over. Returns what is to be sold of it at once.
  i128 on_buy_ended(const OrderKey& key) {
    Buy order = buys.at(key);
    buys.erase(key);
    Book& book = books[order.link];
    const auto held = balances.find(links.at(order.link).account);
    if (order.filled > 0 && held->second.venue_time_ns < order.last_fill_ns) {
      book.spent += order.quote * (10'000 + settings.taker_fee_bps);
      book.spent_until_ns = std::max(book.spent_until_ns, order.last_fill_ns);
    }
    if (order.keep == whole || order.filled == 0) return 0;
    const i128 free = (book.quantity - selling(order.link)) * 10'000;
    const i128 wanted = std::min(book.owed, free);
    const i128 quantity = wanted / 10'000 / step() * step();
    if (quantity <= 0) return 0;
    book.owed = wanted - quantity * 10'000;
    to_sell[{order.event, order.link, 1}] = quantity;
    return quantity;
  }
  void on_balance(const Balance& b) {
    const auto held = balances.find(b.account);
    if (held != balances.end() && b.venue_time_ns < held->second.venue_time_ns) return;
    balances[b.account] = b;
    for (auto& [link, book] : books)
      if (links.at(link).account == b.account && b.venue_time_ns >= book.spent_until_ns)
        book.spent = 0;
  }
  i128 selling(const LinkId& link) const {
    i128 sum = 0;
    for (const auto& [sale, left] : to_sell)
      if (sale.link == link) sum += left;
    return sum;
  }

 private:
  static constexpr i128 whole = static_cast<i128>(1'000'000'000'000'000'000);
  i128 step() const { return instrument->lot_step.e8(); }

  i128 in_flight(const LinkId& link) const {
    i128 sum = 0;
    for (const auto& [key, b] : buys)
      if (b.link == link) sum += b.quantity - b.filled;
    return sum;
  }
  // In 1e-12 of quote.
  i128 available(const CopyLink& link) const {
    const auto held = balances.find(link.account);
    if (held == balances.end()) return 0;
    i128 sum = held->second.free.e8() * 10'000;
    for (const auto& [key, b] : buys) {
      if (b.link == link.id) sum -= up(b.quantity * b.price) * (10'000 + settings.taker_fee_bps);
    }
    if (const auto book = books.find(link.id); book != books.end()) sum -= book->second.spent;
    return sum;
  }
  static i128 up(i128 product) { return (product + 99'999'999) / 100'000'000; }

  Decision refuse(Reason reason) const { return {Outcome::skipped, reason, 0, 0}; }

  Decision buy(const LeaderEvent& e, const CopyLink& link, std::int64_t now_ns) {
    const Account& account = accounts.at(link.account);
    if (kill) return refuse(Reason::kill_switch);
    if (!link.user_active) return refuse(Reason::user_inactive);
    if (!account.connected) return refuse(Reason::exchange_disconnected);
    if (link.status == LinkStatus::quarantined) return refuse(Reason::quarantined);
    if (link.status != LinkStatus::active) return refuse(Reason::link_inactive);
    if (!link.subscription_active) return refuse(Reason::subscription_inactive);
    if (!reconciled.contains(link.account)) return refuse(Reason::not_reconciled);
    if (now_ns - e.event_time_ns > link.entry_ttl_ms * 1'000'000) return refuse(Reason::stale);
    if (now_ns - e.touch.time_ns > settings.touch_age_ns_max) return refuse(Reason::no_price);
    Book& book = books[link.id];
    const i128 ask = e.touch.ask.e8(), tick = instrument->price_tick.e8();
    const bool market = link.entry_style == EntryStyle::market;
    const i128 price = market ? ask : ask * (10'000 + link.slippage_bps_max) / 10'000 / tick * tick;
    const i128 wanted = e.quantity.e8() * link.percentage_e2 + book.residual;
    i128 q = wanted > 0 ? wanted / 10'000 / step() * step() : 0;
    if (q == 0) {
      if (link.min_lot_policy == MinLotPolicy::skip) return refuse(Reason::below_min_lot);
      if (link.min_lot_policy == MinLotPolicy::carry || wanted <= 0) {
        book.residual = wanted;
        return {Outcome::carried, Reason::none, 0, 0};
      }
      q = step();
    }
    bool clipped = false;
    const auto clip_to = [&](i128 limit) {  // notional, in 1e-8
      if (up(q * price) <= limit) return true;
      q = limit > 0 ? limit * 100'000'000 / price / step() * step() : 0;
      clipped = true;
      return q > 0;
    };
    if (!link.order_notional_max.is_zero() && !clip_to(link.order_notional_max.e8()))
      return refuse(Reason::order_notional);
    if (!link.position_notional_max.is_zero()) {
      const i128 used = up((book.quantity + in_flight(link.id)) * price);
      if (!clip_to(link.position_notional_max.e8() - used))
        return refuse(Reason::position_notional);
    }
    if (!link.copy_amount.is_zero() && !clip_to(link.copy_amount.e8()))
      return refuse(Reason::copy_amount);
    if (q > instrument->quantity_max.e8()) {
      q = instrument->quantity_max.e8();
      clipped = true;
    }
    const i128 money = available(link);
    if (up(q * price) * (10'000 + settings.taker_fee_bps) > money &&
        !clip_to(money / (10'000 + settings.taker_fee_bps)))
      return refuse(Reason::balance);
    book.residual = clipped ? 0 : wanted - q * 10'000;
    Buy order;
    order.link = link.id;
    order.event = e.id;
    order.event_time_ns = e.event_time_ns;
    order.quantity = q;
    order.price = price;
    buys[order_key(e.id, link.id, 0, 0, e.event_time_ns)] = order;
    return {Outcome::copied, Reason::none, q, market ? 0 : price};
  }

  Decision sell(const LeaderEvent& e, const CopyLink& link, i128 before, i128 after, std::int64_t) {
    if (before <= 0) return refuse(Reason::no_position);
    if (!accounts.at(link.account).connected) return refuse(Reason::exchange_disconnected);
    Book& book = books[link.id];
    bool arriving = false;
    for (auto& [key, b] : buys) {
      if (b.link != link.id) continue;
      arriving = true;
      b.keep = after == 0 ? 0 : b.keep * after / before;
    }
    const i128 out = selling(link.id);
    const i128 free = (book.quantity - out) * 10'000;
    const i128 owed = std::min(book.owed, free);
    const i128 wanted = after == 0 ? free : free - ((free - owed) * after + before - 1) / before;
    book.residual = after == 0 ? 0 : book.residual * after / before;
    if (free <= 0 || wanted <= 0) {
      if (arriving) return {Outcome::coalesced, Reason::none, 0, 0};
      return refuse(out > 0 ? Reason::already_exiting : Reason::no_position);
    }
    const i128 q = wanted / 10'000 / step() * step();
    book.owed = wanted - q * 10'000;
    if (q == 0) return {Outcome::carried, Reason::none, 0, 0};
    to_sell[{e.id, link.id, 0}] = q;
    sale_of[order_key(e.id, link.id, 0, 0, e.event_time_ns)] = {e.id, link.id, 0};
    return {Outcome::copied, Reason::none, q, 0};
  }
};

}  // namespace oneclick::test
