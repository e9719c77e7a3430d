// Leaders who open, close in part, turn and turn again, faster than their followers' orders come to
// an end, while the engine starts again now and then. Nothing is refused and everything fills in
// the end: each follower is then within one lot of the exact target, and flat when the leader is.
#include <gtest/gtest.h>

#include <map>
#include <queue>
#include <random>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

constexpr std::int64_t fine = 10'000;  // targets are kept in 1e-12

class TurningWorld {
 public:
  TurningWorld(std::uint64_t seed, int followers) : random_(seed), followers_(followers) {
    w.add_instrument(linear_instrument());
    for (int n = 0; n < followers_; ++n) {
      CopyLink link = make_link(number(n));
      link.percentage_e2 = pick(1, 30'000);
      link.reverse = pick(0, 3) == 0;
      link.entry_ttl_ms = 3'600'000;
      w.add_follower(number(n), link, "1000000000");
      links_.push_back(link);
    }
    CoreSettings settings = default_settings();
    settings.leader_event_age_ns_max = 0;
    settings_ = settings;
    start_again();
  }

  void run(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      settle_until(w.now_ns + pick(0, 700) * ms_ns);
      if (pick(1, 100) <= 4) start_again();
      leader_trades();
    }
    settle_until(w.now_ns + 3600 * s_ns);
    check_targets();
    if (!position_.is_zero()) {
      trade(position_.is_positive() ? Side::sell : Side::buy, abs(position_));
      settle_until(w.now_ns + 3600 * s_ns);
    }
    for (int n = 0; n < followers_; ++n)
      EXPECT_TRUE(venue_[account_id(number(n))] == 0) << "flat is flat, " << n;
    check_outcomes();
  }
  [[nodiscard]] int turns() const { return turns_; }

  World w;

 private:
  struct Message {
    std::int64_t due_ns;
    std::uint64_t number;
    Event event;
    bool operator<(const Message& other) const {
      return std::tie(due_ns, number) > std::tie(other.due_ns, other.number);
    }
  };

  static std::uint64_t number(int n) { return static_cast<std::uint64_t>(n); }
  int pick(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }

  void start_again() {
    w.give(make_event(Fence{.settings = settings_}));
    act();
    for (int n = 0; n < followers_; ++n) {
      AccountState state{};
      state.account = account_id(number(n));
      state.kind = AccountStateKind::reconciled;
      w.give(make_event(state));
      act();
    }
  }

  void leader_trades() {
    const bool in = position_.is_zero() || pick(1, 100) <= 40;
    const bool up = position_.is_zero() ? pick(0, 1) == 0 : position_.is_positive();
    Decimal quantity = Decimal::from_e8(pick(1, 300'000'000));
    const int how = pick(1, 100);
    if (!in && how <= 30) quantity = abs(position_);
    if (!in && how > 30 && how <= 70)
      quantity = abs(position_) + Decimal::from_e8(pick(1, 300'000'000));
    trade(in == up ? Side::buy : Side::sell, quantity);
  }
  void trade(Side side, Decimal quantity) {
    const Decimal before = position_;
    position_ = before + (side == Side::buy ? quantity : -quantity);
    const bool turned = before.is_positive() != position_.is_positive() && !before.is_zero() &&
                        !position_.is_zero();
    turns_ += turned;
    for (const CopyLink& link : links_) {
      i128& target = targets_[link.account];
      const i128 share = link.percentage_e2 * (link.reverse ? -1 : 1);
      const bool closes = !turned && !before.is_zero() && abs(position_) < abs(before);
      target = turned   ? position_.e8() * share
               : closes ? target * position_.e8() / before.e8()
                        : target + (position_ - before).e8() * share;
    }
    w.leader(side, quantity.to_text());
    act();
  }

  // The venue takes everything; when it says so, and when it has done it, is another matter.
  void act() {
    for (const Intent& i : w.heard.of(IntentKind::place)) place(i);
    for (const Intent& i : w.heard.of(IntentKind::query)) query(i);
    for (const OutcomeRecord& o : w.heard.outcomes()) ++outcomes_[{o.event, o.link}];
    for (const Record& r : w.heard.records)
      if (r.kind == RecordKind::leader_event) events_.push_back(r.leader_event.event.id);
    w.heard.clear();
  }
  void place(const Intent& i) {
    ASSERT_FALSE(placed_.contains(i.key)) << "two orders of one key";
    const i128 before = venue_[i.account];
    const i128 change = i.side == Side::buy ? i.quantity.e8() : -i.quantity.e8();
    const i128 after = before + change;
    venue_[i.account] = after;
    if (i.is_exit) {
      EXPECT_TRUE(i.reduce_only);
      EXPECT_TRUE((before > 0) == (change < 0) && (after == 0 || (after > 0) == (before > 0)))
          << "an exit that flips";
    } else {
      EXPECT_TRUE(before == 0 || (before > 0) == (change > 0)) << "both directions at once";
    }
    OrderUpdate done = w.ended(i, i.quantity.to_text());
    std::vector<OrderUpdate>& all = placed_[i.key];
    const std::string whole = i.quantity.to_text();
    all = {w.execution(i, whole, whole, "t" + i.key.to_text()), done};
    if (pick(1, 100) <= 15) return;  // nothing is heard of it until it is asked for
    const std::int64_t delay = pick(0, 2500) * ms_ns;
    for (const OrderUpdate& u : all) later(u, delay);
    if (pick(1, 100) <= 10) later(all.front(), delay + pick(0, 900) * ms_ns);
  }
  void query(const Intent& i) {
    for (const OrderUpdate& u : placed_.at(i.key)) later(u, pick(0, 900) * ms_ns);
  }
  void later(const OrderUpdate& u, std::int64_t delay_ns) {
    messages_.push({w.now_ns + delay_ns, ++sent_, make_event(u)});
  }
  void settle_until(std::int64_t end_ns) {
    for (;;) {
      const std::int64_t message =
          messages_.empty() ? std::numeric_limits<std::int64_t>::max() : messages_.top().due_ns;
      const std::int64_t due = std::min(message, w.core.next_deadline_ns());
      if (due > end_ns || ::testing::Test::HasFatalFailure()) break;
      w.now_ns = std::max(w.now_ns, due);
      Event event = make_timer();
      if (message == due) {
        event = messages_.top().event;
        if (event.kind == EventKind::order_update)
          event.order.touch = {.bid = w.bid, .ask = w.ask, .time_ns = w.now_ns};
        messages_.pop();
      }
      w.give(event);
      act();
      check_archive();
    }
    w.now_ns = std::max(w.now_ns, end_ns);
  }
  // What waits survives: a core that was written and read back goes on in its place.
  void check_archive() {
    if (pick(1, 100) > 3) return;
    auto loaded = Core::load(w.core.save());
    ASSERT_TRUE(loaded.has_value()) << loaded.error();
    ASSERT_EQ(loaded->state_hash(), w.core.state_hash());
    w.core = std::move(*loaded);
  }

  void check_targets() {
    const i128 lot = linear_instrument().lot_step.e8() * fine;
    for (const CopyLink& link : links_) {
      const i128 error = venue_[link.account] * fine - targets_[link.account];
      EXPECT_TRUE(error < lot && error > -lot)
          << "off by " << Decimal::from_e8(error / fine).to_text();
      EXPECT_TRUE(venue_[link.account] == 0 ||
                  (venue_[link.account] > 0) == (position_.is_positive() != link.reverse))
          << "on the other side";
      std::uint64_t n = 0;
      while (link_id(n) != link.id) ++n;
      EXPECT_TRUE(w.position(n).e8() == venue_[link.account]) << "books of the venue";
    }
  }
  void check_outcomes() {
    EXPECT_EQ(w.core.counts().orders_open, 0U);
    for (const EventId& event : events_)
      for (const CopyLink& link : links_)
        EXPECT_EQ((outcomes_[{event, link.id}]), 1) << "one outcome each";
  }

  std::mt19937_64 random_;
  int followers_;
  CoreSettings settings_{};
  std::vector<CopyLink> links_;
  std::map<AccountId, i128> targets_;  // in 1e-12
  std::map<AccountId, i128> venue_;    // what really is held
  std::map<OrderKey, std::vector<OrderUpdate>> placed_;
  std::map<std::pair<EventId, LinkId>, int> outcomes_;
  std::vector<EventId> events_;
  std::priority_queue<Message> messages_;
  std::uint64_t sent_ = 0;
  Decimal position_{};
  int turns_ = 0;
};

TEST(Turning, AnyHistoryEndsWithinALotOfTheTargetAndFlatWhenFlat) {
  int turns = 0;
  for (std::uint64_t seed = 1; seed <= 120 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TurningWorld world(seed, 5);
    world.run(80);
    turns += world.turns();
  }
  EXPECT_GT(turns, 1'500);
}

}  // namespace
}  // namespace oneclick::test
