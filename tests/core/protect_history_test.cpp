// Random histories of protected positions against a small spot venue that locks what its orders
// sell, loses answers, refuses, fills at the worst moment and forgets what it was sent when the
// process ends. Whatever happens, nothing is offered twice; when all is quiet, all is protected.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "tests/core/world.hpp"

namespace oneclick::test {

namespace {

class SpotVenue {
 public:
  struct Placed {
    Intent intent;
    OrderKey sibling;
    Decimal filled;
    std::vector<std::pair<std::string, Decimal>> trades;
    bool open;
  };

  explicit SpotVenue(std::uint64_t seed) : random(seed) {}

  [[nodiscard]] bool chance(int of_100) { return static_cast<int>(random() % 100) < of_100; }
  [[nodiscard]] Decimal locked() const {
    Decimal sum{};
    for (const auto& [key, o] : orders)
      if (o.open && o.intent.side == Side::sell && !is_second(o))
        sum += o.intent.quantity - o.filled;
    return sum;
  }

  // A request arrives.
  void take(const Intent& i) {
    if (places(i)) return place(i);
    const auto at = orders.find(i.key);
    if (i.kind == IntentKind::cancel) {
      if (at == orders.end() || !at->second.open)
        return say(i, OrderUpdateKind::unknown, UpdateSource::reply);
      return end(at->second);
    }
    if (at == orders.end()) return say(i, OrderUpdateKind::not_found, UpdateSource::query);
    if (i.kind == IntentKind::query_trades) {
      for (const auto& [id, quantity] : at->second.trades) tell_trade(at->second, id, quantity);
      return;
    }
    tell_state(at->second, UpdateSource::query);
  }

  // The market moves into an order, or somebody cancels one.
  void stir() {
    std::vector<Placed*> open;
    for (auto& [key, o] : orders)
      if (o.open) open.push_back(&o);
    if (open.empty()) return;
    Placed& o = *open[random() % open.size()];
    if (chance(15)) return end(o);
    const Decimal left = o.intent.quantity - o.filled;
    const bool stop = o.intent.type == OrderType::stop_loss;
    const Decimal lots = Decimal::from_e8(left.e8() / 100'000);
    const Decimal part =
        stop || chance(50) ? left : Decimal::from_e8((1 + random() % lots.e8()) * 100'000);
    trade(o, part);
    // One of a pair ends the other, with its first fill.
    if (const auto other = orders.find(o.sibling); other != orders.end() && other->second.open)
      close(other->second);
    if (o.filled == o.intent.quantity) close(o);
  }

  std::mt19937_64 random;
  std::map<OrderKey, Placed> orders;
  std::deque<OrderUpdate> said;
  Decimal held{};
  bool faulty = true;  // loses and refuses now and then
  int overdrawn = 0;
  int trades = 0;
  std::int64_t now_ns = 0;

 private:
  // Of a pair that is open as a whole only one counts.
  [[nodiscard]] bool is_second(const Placed& o) const {
    if (o.intent.type != OrderType::stop_loss || o.sibling.is_nil()) return false;
    const auto other = orders.find(o.sibling);
    return other != orders.end() && other->second.open;
  }
  OrderUpdate update(const Intent& i, OrderUpdateKind kind, UpdateSource source) const {
    OrderUpdate u{};
    u.account = i.account;
    u.key = i.key;
    u.kind = kind;
    u.source = source;
    u.side = i.side;
    u.symbol = i.symbol;
    u.venue_order_id = VenueOrderId::cut("v" + i.key.to_text().substr(0, 12));
    u.venue_time_ns = now_ns;
    return u;
  }
  void say(const Intent& i, OrderUpdateKind kind, UpdateSource source) {
    said.push_back(update(i, kind, source));
  }
  void tell_trade(const Placed& o, const std::string& id, Decimal quantity) {
    OrderUpdate u = update(o.intent, OrderUpdateKind::execution, UpdateSource::stream);
    u.trade_id = VenueTradeId::cut(id);
    u.last_quantity = quantity;
    u.last_price = dec("100");
    said.push_back(u);
  }
  void tell_state(const Placed& o, UpdateSource source) {
    OrderUpdate u =
        update(o.intent, o.open ? OrderUpdateKind::accepted : OrderUpdateKind::done, source);
    u.has_cumulative = true;
    u.cumulative_quantity = o.filled;
    u.cumulative_quote = mul(o.filled, dec("100"), Round::nearest);
    said.push_back(u);
  }
  void trade(Placed& o, Decimal quantity) {
    o.filled += quantity;
    held = o.intent.side == Side::buy ? held + quantity : held - quantity;
    o.trades.emplace_back("t" + std::to_string(++trades), quantity);
    tell_trade(o, o.trades.back().first, quantity);
  }
  void close(Placed& o) {
    o.open = false;
    tell_state(o, UpdateSource::stream);
  }
  void end(Placed& o) {
    close(o);
    if (const auto other = orders.find(o.sibling); other != orders.end() && other->second.open)
      close(other->second);
  }
  void place(const Intent& i) {
    const bool pair = i.kind == IntentKind::place_pair;
    Intent second = i;
    second.key = i.other_key;
    second.type = OrderType::stop_loss;
    const auto both = [&](OrderUpdateKind kind) {
      say(i, kind, UpdateSource::reply);
      if (pair) say(second, kind, UpdateSource::reply);
    };
    if (faulty && chance(5)) return both(OrderUpdateKind::unknown);  // never arrived
    if (faulty && chance(5)) return both(OrderUpdateKind::rejected);
    if (i.side == Side::sell && locked() + i.quantity > held) {
      ++overdrawn;
      return both(OrderUpdateKind::rejected);
    }
    const bool silent = faulty && chance(10);  // arrived, and nobody hears of it
    orders[i.key] = {i, pair ? i.other_key : OrderKey{}, Decimal{}, {}, true};
    if (pair) orders[i.other_key] = {second, i.key, Decimal{}, {}, true};
    const std::size_t before = said.size();
    both(OrderUpdateKind::accepted);
    if (i.type == OrderType::market || i.type == OrderType::limit_ioc) {
      Placed& o = orders[i.key];
      const Decimal half = Decimal::from_e8(i.quantity.e8() / 200'000 * 100'000);
      const Decimal part = chance(80) ? i.quantity : half;
      if (part.is_positive()) trade(o, part);
      close(o);
    }
    if (silent) said.resize(before);
  }
};

class History {
 public:
  explicit History(std::uint64_t seed) : venue(seed) {
    w.add_instrument(btc_instrument());
    CopyLink l = make_link(1);
    l.leader = UserId{};
    l.channel = channel_id();
    l.protect = true;
    w.add_follower(1, l);
  }

  void run(int steps) {
    for (int n = 0; n < steps; ++n) {
      const auto what = venue.random() % 100;
      if (what < 8) {
        act();
      } else if (what < 45) {
        deliver();
      } else if (what < 82) {
        hear();
      } else if (what < 90) {
        venue.stir();
      } else if (what < 99) {
        w.run_until(w.now_ns + static_cast<std::int64_t>(venue.random() % 3) * s_ns);
      } else {
        restart();
      }
      look();
    }
  }
  // Everything on its way arrives, and time passes until nothing is asked any more.
  void calm() {
    venue.faulty = false;
    for (int turn = 0; turn < 400; ++turn) {
      while (!sent.empty() || !venue.said.empty()) {
        deliver();
        hear();
        look();
      }
      w.run_until(w.now_ns + 30 * s_ns);
      look();
    }
  }

  World w;
  SpotVenue venue;
  std::deque<Intent> sent;
  std::uint64_t signals = 0;
  std::size_t intents_seen = 0;

 private:
  void look() {
    venue.now_ns = w.now_ns;
    for (; intents_seen < w.heard.intents.size(); ++intents_seen)
      sent.push_back(w.heard.intents[intents_seen]);
    ASSERT_EQ(venue.overdrawn, 0) << "offered more than is free";
    ASSERT_FALSE(venue.held.is_negative());
  }
  void act() {
    const auto what = venue.random() % 10;
    LeaderEvent e{};
    if (what < 4 || signals == 0) {
      e = w.signal(LeaderEventKind::signal_published, ++signals, SignalType::buy,
                   std::to_string(1 + venue.random() % 5));
      e.stop_loss = dec("90");
      if (venue.chance(60)) e.take_profit = dec("110");
    } else {
      const std::uint64_t signal = 1 + venue.random() % signals;
      if (what < 6) {
        e = w.signal(LeaderEventKind::signal_closed, signal, SignalType::none);
      } else if (what < 8) {
        e = w.signal(LeaderEventKind::signal_published, 1'000'000 + ++signals, SignalType::sell,
                     "0.5");
      } else {
        e = w.signal(LeaderEventKind::signal_updated, signal, SignalType::none);
        e.stop_loss = dec(std::to_string(85 + venue.random() % 10));
      }
    }
    w.give(make_event(e));
  }
  void deliver() {
    if (sent.empty()) return;
    venue.take(sent.front());
    sent.pop_front();
  }
  void hear() {
    if (venue.said.empty()) return;
    const OrderUpdate u = venue.said.front();
    venue.said.pop_front();
    w.give(make_event(u));
  }
  void restart() {
    look();
    sent.clear();
    if (venue.chance(50)) venue.said.clear();
    w.give(make_event(Fence{.settings = default_settings()}));
    w.core = *Core::load(w.core.save());
    w.reconcile(1);
  }
};

}  // namespace

TEST(ProtectionHistories, NothingIsOfferedTwiceAndAllIsProtectedInTheEnd) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History h(seed);
    h.run(400);
    h.calm();
    if (::testing::Test::HasFailure()) return;
    EXPECT_EQ(h.w.held(1), h.venue.held) << "what the link holds is what was bought and not sold";
    EXPECT_EQ(h.venue.locked(), h.venue.held) << "all of it is protected";
    EXPECT_EQ(h.w.core.counts().orders_unknown, 0U);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace oneclick::test
