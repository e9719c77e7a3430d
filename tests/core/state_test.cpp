// What the core is told and remembers; its state as bytes; and that a fan-out takes no memory.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/core/archive.hpp"
#include "engine/core/flat_index.hpp"
#include "tests/core/allocations.hpp"
#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

class Silent : public Output {
 public:
  void on_intent(const Intent& intent) override {
    if (intent.kind == IntentKind::place) placed[count++ % placed.size()] = intent;
  }
  void on_record(const Record&) override { ++records; }
  std::vector<Intent> placed = std::vector<Intent>(1'000);
  std::size_t count = 0, records = 0;
};

TEST(State, AFanOutOfAThousandTakesNoMemoryOnceItHasRun) {
  World w;
  w.add_instrument(btc_instrument());
  for (std::uint64_t n = 0; n < 1'000; ++n) w.add_follower(n);
  Silent out;
  const auto step = [&](Event event) {
    event.seq = ++w.seq;
    event.time_ns = w.now_ns;
    w.core.step(event, out);
  };
  std::size_t taken = 0;
  for (int round = 0; round < 12; ++round) {
    const bool buy = round % 3 != 2;
    const Event leader = make_event(w.leader_fill(buy ? Side::buy : Side::sell, "1.5"));
    out.count = 0;
    const std::size_t before = allocations;
    step(leader);
    if (round >= 6) taken += allocations - before;
    ASSERT_EQ(out.count, 1'000U);
    std::vector<Event> answers;
    for (const Intent& i : out.placed) {
      const std::string q = i.quantity.to_text();
      OrderUpdate reply = w.update(i, OrderUpdateKind::accepted);
      reply.source = UpdateSource::reply;
      answers.push_back(make_event(reply));
      answers.push_back(make_event(w.execution(i, q, q, "t")));
    }
    const std::size_t answering = allocations;
    for (const Event& answer : answers) step(answer);
    if (round >= 6) taken += allocations - answering;
    w.pass(3 * s_ns);
  }
  EXPECT_EQ(taken, 0U);
}

TEST(State, ALinkAndAnAccountStaySmall) {
  World w;
  w.add_instrument(btc_instrument());
  const std::size_t bytes_before = w.core.save().size();
  for (std::uint64_t n = 0; n < 1'000; ++n) w.add_follower(n);
  w.leader(Side::buy, "1");
  for (const Intent& i : w.heard.of(IntentKind::place)) w.fill_whole(i);
  core::Tables t;
  ASSERT_EQ(core::read_tables(w.core.save(), t), "");
  // A link with what it holds, and its account with its balance; free places of orders apart.
  const std::size_t orders =
      t.orders.size() * sizeof(core::Order) + t.trades.size() * sizeof(core::Trade);
  EXPECT_LE((w.core.save().size() - bytes_before - orders) / 1'000, 600U);
}

TEST(State, SavedAndLoadedIsTheSame) {
  World w;
  w.add_instrument(btc_instrument());
  for (std::uint64_t n = 0; n < 5; ++n) {
    CopyLink link = make_link(n);
    link.symbol_filter = SymbolFilter::allow;
    link.symbol_count = 1;
    link.symbols[0] = btc;
    w.add_follower(n, link);
  }
  w.leader(Side::buy, "2");
  w.give(make_event(
      KillSwitch{.on = true, .venue = Venue::binance, .leader = {}, .follower = {}, .symbol = {}}));
  w.give(make_event(LeaderFeed{.account = account_id(50),
                               .leader = leader_id(),
                               .venue = Venue::binance,
                               .authoritative = true,
                               .baseline_ns = 5}));
  const std::vector<std::byte> saved = w.core.save();
  auto loaded = Core::load(saved);
  ASSERT_TRUE(loaded.has_value()) << loaded.error();
  EXPECT_EQ(loaded->save(), saved);
  EXPECT_EQ(loaded->state_hash(), w.core.state_hash());
  EXPECT_EQ(loaded->link_ids(), w.core.link_ids());
  EXPECT_EQ(loaded->account_ids(), w.core.account_ids());
  EXPECT_EQ(loaded->feed_ids(), w.core.feed_ids());
  EXPECT_EQ(loaded->kill_switches().size(), 1U);
  EXPECT_EQ(loaded->counts().orders_open, 5U);
}

TEST(State, DamagedBytesAreRefusedByWhatIsWrong) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  const std::vector<std::byte> saved = w.core.save();
  for (std::size_t size = 0; size < saved.size(); size += 7)
    EXPECT_FALSE(Core::load(std::span(saved).first(size)).has_value()) << size;
  std::vector<std::byte> longer = saved;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(Core::load(longer).has_value());
  std::vector<std::byte> other = saved;
  other[0] ^= std::byte{1};
  EXPECT_EQ(Core::load(other).error(), "not a state of the core");
  other = saved;
  other[8] ^= std::byte{0x40};
  EXPECT_EQ(Core::load(other).error(), "a state of another journal format");
}

TEST(State, EverythingThatMattersIsInTheHash) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  std::uint64_t last = w.core.state_hash();
  const auto changed = [&] {
    const std::uint64_t now = w.core.state_hash();
    const bool differs = now != last;
    last = now;
    return differs;
  };
  EXPECT_FALSE(changed());
  w.leader(Side::buy, "1");
  EXPECT_TRUE(changed());
  w.accept(w.last_place());
  EXPECT_TRUE(changed());
  w.set_balance(0, "77");
  EXPECT_TRUE(changed());
  CopyLink link = make_link(0);
  link.percentage_e2 = 1;
  w.give(make_event(link));
  EXPECT_TRUE(changed());
}

TEST(Registry, WhatIsHeldAlreadyChangesNothing) {
  World w;
  CopyLink link = make_link(0);
  link.symbol_filter = SymbolFilter::deny;
  link.symbol_count = 1;
  link.symbols[0] = btc;
  EXPECT_TRUE(w.core.would_change(make_event(link)));
  w.add_instrument(btc_instrument());
  w.add_follower(0, link);
  EXPECT_FALSE(w.core.would_change(make_event(link)));
  EXPECT_FALSE(w.core.would_change(make_event(make_account(0))));
  EXPECT_FALSE(w.core.would_change(make_event(btc_instrument())));
  EXPECT_FALSE(w.core.would_change(make_event(LinkRemove{.id = link_id(7)})));
  EXPECT_FALSE(w.core.would_change(make_account_remove({.id = account_id(7)})));
  EXPECT_FALSE(w.core.would_change(make_feed_remove({.id = account_id(7)})));
  link.symbols[0] = Symbol::cut("ETH/USDT");
  EXPECT_TRUE(w.core.would_change(make_event(link)));
  link = make_link(0);
  EXPECT_TRUE(w.core.would_change(make_event(link)));
  Account account = make_account(0);
  account.connected = false;
  EXPECT_TRUE(w.core.would_change(make_event(account)));
  Instrument instrument = btc_instrument();
  instrument.lot_step = dec("0.01");
  EXPECT_TRUE(w.core.would_change(make_event(instrument)));
  const KillSwitch on{.on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = {}};
  KillSwitch off = on;
  off.on = false;
  EXPECT_FALSE(w.core.would_change(make_event(off)));
  w.give(make_event(on));
  EXPECT_FALSE(w.core.would_change(make_event(on)));
  EXPECT_TRUE(w.core.would_change(make_event(off)));
  w.give(make_event(off));
  EXPECT_EQ(w.core.counts().kill_switches, 0U);
}

TEST(Registry, ALinkThatIsGoneIsNotMatchedAndKeptWhileItHolds) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  w.add_follower(1);
  w.leader(Side::buy, "1");
  const std::vector<Intent> places = w.heard.of(IntentKind::place);
  w.fill_whole(places[0]);
  w.give(make_event(LinkRemove{.id = link_id(0)}));
  w.give(make_event(LinkRemove{.id = link_id(1)}));
  EXPECT_TRUE(w.core.link_ids().empty());
  EXPECT_EQ(w.core.counts().links, 0U);
  w.heard.clear();
  w.leader(Side::sell, "1");
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 0U);
  w.reject(places[1]);  // still told what became of its order
  EXPECT_EQ(w.heard.outcomes().size(), 1U);
  EXPECT_EQ(w.core.holdings().size(), 2U) << "one holds, the other may yet fill";
  w.run_until(w.now_ns + 3601 * s_ns);
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.core.holdings().size(), 1U);
  w.add_follower(2);
  EXPECT_EQ(w.core.link_ids(), std::vector{link_id(2)});
  w.give(make_event(make_link(places[0].account == account_id(0) ? 0 : 1)));
  w.heard.clear();
  w.leader(Side::sell, "2");
  EXPECT_EQ(w.heard.of(IntentKind::place).size(), 1U) << "it came back with what it held";
}

TEST(Registry, AStoppedLinkIsNotMatchedAndAPausedOneIs) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  w.add_follower(1);
  CopyLink link = make_link(0);
  link.status = LinkStatus::stopped;
  w.give(make_event(link));
  CopyLink paused = make_link(1);
  paused.status = LinkStatus::paused;
  w.give(make_event(paused));
  w.heard.clear();
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 1U);
  link.status = LinkStatus::active;
  w.give(make_event(link));
  w.heard.clear();
  w.leader(Side::buy, "1");
  EXPECT_EQ(w.heard.records[0].leader_event.links_matched, 2U);
}

TEST(Registry, OnlyTheAuthoritativeFeedCountsAndOnlyFromItsBaseline) {
  World w;
  w.add_instrument(btc_instrument());
  w.add_follower(0);
  const auto feed = [&](std::uint64_t n, bool authoritative) {
    w.give(make_event(LeaderFeed{.account = account_id(n),
                                 .leader = leader_id(),
                                 .venue = Venue::binance,
                                 .authoritative = authoritative,
                                 .baseline_ns = w.now_ns}));
  };
  feed(50, true);
  feed(51, false);
  const auto taken = [&](std::uint64_t n, std::int64_t time_ns) {
    LeaderEvent e = w.leader_fill(Side::buy, "1");
    e.feed_account = account_id(n);
    e.event_time_ns = time_ns;
    const bool would = w.core.would_change(make_event(e));
    w.heard.clear();
    w.give(make_event(e));
    EXPECT_EQ(would, !w.heard.records.empty());
    return would;
  };
  EXPECT_TRUE(taken(50, w.now_ns));
  EXPECT_FALSE(taken(50, w.now_ns - 1)) << "before the baseline";
  EXPECT_FALSE(taken(51, w.now_ns)) << "not authoritative";
  EXPECT_FALSE(taken(52, w.now_ns)) << "nobody's";
  w.give(make_feed_remove({.id = account_id(50)}));
  EXPECT_FALSE(taken(50, w.now_ns));
  EXPECT_EQ(w.core.feed_ids(), std::vector{account_id(51)});
}

TEST(Registry, EventsAreForgottenAfterADayNotBefore) {
  World w;
  const Event first = make_event(w.leader_fill(Side::buy, "1"));
  w.give(first);
  w.pass(24LL * 3600 * s_ns);
  w.leader(Side::buy, "1");
  EXPECT_FALSE(w.core.would_change(first));
  w.pass(1);
  w.leader(Side::buy, "1");
  EXPECT_TRUE(w.core.would_change(first));
}

TEST(Registry, SlotsFollowArrival) {
  World w;
  EXPECT_EQ(w.core.slot_of(account_id(0)), no_slot);
  w.give(make_event(make_link(0)));  // its account is not known yet
  EXPECT_EQ(w.core.slot_of(account_id(0)), no_slot);
  w.give(make_event(make_account(1)));
  w.give(make_event(make_account(0)));
  EXPECT_EQ(w.core.slot_of(account_id(0)), 0U);
  EXPECT_EQ(w.core.slot_of(account_id(1)), 1U);
  ASSERT_NE(w.core.account_at(1), nullptr);
  EXPECT_EQ(w.core.account_at(1)->id, account_id(1));
  EXPECT_EQ(w.core.account_at(2), nullptr);
}

TEST(FlatIndex, FindsWhatIsThereThroughManyErasures) {
  core::FlatIndex index;
  std::vector<std::uint64_t> keys;
  std::vector<bool> there;
  const auto find = [&](std::uint64_t key) {
    return index.find(mix(key) & 0xff, [&](core::Index i) { return keys[i] == key; });
  };
  std::uint64_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = mix(random + 1);
    if (keys.size() < 50 || random % 3 == 0) {
      keys.push_back(random);
      there.push_back(true);
      index.insert(mix(random) & 0xff, static_cast<core::Index>(keys.size() - 1));
    } else {
      const auto at = static_cast<core::Index>(random % keys.size());
      if (there[at]) index.erase(mix(keys[at]) & 0xff, at);
      there[at] = false;
    }
    if (i % 500 != 0) continue;
    for (core::Index k = 0; k < keys.size(); ++k)
      ASSERT_EQ(find(keys[k]), there[k] ? k : core::none);
  }
  EXPECT_EQ(index.size(), static_cast<std::size_t>(std::ranges::count(there, true)));
}

}  // namespace
}  // namespace oneclick::test
