// How links begin and end: RULES.md, 8. One line per case where there are many.
#include <gtest/gtest.h>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

class Subscribing : public testing::Test {
 protected:
  Subscribing() { w_.add_instrument(btc_instrument()); }
  void tell_price(const char* bid, const char* ask) {
    w_.bid = dec(bid);
    w_.ask = dec(ask);
    w_.give(make_event(Price{.venue = Venue::binance,
                             .symbol = btc,
                             .touch = {.bid = w_.bid, .ask = w_.ask, .time_ns = w_.now_ns},
                             .quote_usd = dec("1"),
                             .reference = {}}));
  }
  void leader_trades(Side side, const char* quantity, const char* price) {
    LeaderEvent e = w_.leader_fill(side, quantity);
    e.price = dec(price);
    w_.give(make_event(e));
  }
  static CopyLink link_of(SyncOnSubscribe sync) {
    CopyLink link = make_link(0);
    link.sync_on_subscribe = sync;
    link.slippage_bps_max = 0;
    return link;
  }
  std::vector<LeaderEventRecord> own_events(LeaderEventKind kind) const {
    std::vector<LeaderEventRecord> all;
    for (const Record& r : w_.heard.records)
      if (r.kind == RecordKind::leader_event && r.leader_event.event.kind == kind)
        all.push_back(r.leader_event);
    return all;
  }
  std::size_t syncs() const { return own_events(LeaderEventKind::sync).size(); }
  // Everything that was told so far gives the same state when it is told again, and from its bytes.
  void expect_replay() {
    Core again;
    Heard heard;
    for (const Event& e : w_.history) again.step(e, heard);
    EXPECT_EQ(again.state_hash(), w_.core.state_hash());
    const auto loaded = Core::load(w_.core.save());
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->state_hash(), w_.core.state_hash());
  }
  World w_;
};

struct SyncCase {
  const char* what;
  SyncOnSubscribe sync;
  bool only_if_better;
  const char* leader_bought;  // at 100
  const char* leader_sold;
  const char* ask;
  int percentage_e2;
  std::size_t events;
  Outcome outcome;
  Reason reason;
  const char* quantity;
};

TEST_F(Subscribing, WhatALinkThatBeginsIsAskedFor) {
  const SyncCase cases[] = {
      // clang-format off
      {"none", SyncOnSubscribe::none, false, "2", "0", "100", 10'000, 0, {}, {}, "0"},
      {"all", SyncOnSubscribe::all, false, "2", "0", "100", 10'000, 1, Outcome::copied, Reason::none, "2"},
      {"all, dearer", SyncOnSubscribe::all, false, "2", "0", "150", 10'000, 1, Outcome::copied, Reason::none, "2"},
      {"all, in part", SyncOnSubscribe::all, false, "2", "0", "100", 2'500, 1, Outcome::copied, Reason::none, "0.5"},
      {"all, after a part was sold", SyncOnSubscribe::all, false, "2", "0.5", "100", 10'000, 1, Outcome::copied, Reason::none, "1.5"},
      {"all, nothing is held", SyncOnSubscribe::all, false, "2", "2", "100", 10'000, 0, {}, {}, "0"},
      {"all, nothing was ever told", SyncOnSubscribe::all, false, "0", "0", "100", 10'000, 0, {}, {}, "0"},
      {"if_better, equal", SyncOnSubscribe::if_better, false, "2", "0", "100", 10'000, 1, Outcome::copied, Reason::none, "2"},
      {"if_better, cheaper", SyncOnSubscribe::if_better, false, "2", "0", "99", 10'000, 1, Outcome::copied, Reason::none, "2"},
      {"if_better, dearer", SyncOnSubscribe::if_better, false, "2", "0", "100.01", 10'000, 1, Outcome::skipped, Reason::price_worse, "0"},
      {"if_better, the average stays when a part is sold", SyncOnSubscribe::if_better, false, "2", "1", "100", 10'000, 1, Outcome::copied, Reason::none, "1"},
      {"all, but only_if_better", SyncOnSubscribe::all, true, "2", "0", "101", 10'000, 1, Outcome::skipped, Reason::price_worse, "0"},
      {"less than a lot is carried", SyncOnSubscribe::all, false, "0.0005", "0", "100", 10'000, 1, Outcome::carried, Reason::none, "0"},
      // clang-format on
  };
  for (const SyncCase& c : cases) {
    SCOPED_TRACE(c.what);
    w_ = World();
    w_.add_instrument(btc_instrument());
    if (dec(c.leader_bought).is_positive()) leader_trades(Side::buy, c.leader_bought, "100");
    if (dec(c.leader_sold).is_positive()) leader_trades(Side::sell, c.leader_sold, "120");
    tell_price(c.ask, c.ask);
    w_.heard.clear();
    CopyLink link = link_of(c.sync);
    link.only_if_better = c.only_if_better;
    link.percentage_e2 = c.percentage_e2;
    w_.add_follower(0, link);
    if (const auto placed = w_.heard.of(IntentKind::place); !placed.empty())
      w_.fill_whole(placed.front());
    const auto events = own_events(LeaderEventKind::sync);
    const auto told = w_.heard.outcomes();
    ASSERT_EQ(events.size(), c.events);
    ASSERT_EQ(told.size(), c.events);
    EXPECT_EQ(w_.held(0), dec(c.quantity));
    expect_replay();
    if (told.empty()) continue;
    EXPECT_EQ(events[0].links_matched, 1U);
    EXPECT_EQ(events[0].event.price, dec("100"));
    EXPECT_EQ(told[0].event, events[0].event.id);
    EXPECT_EQ(told[0].outcome, c.outcome) << to_text(told[0].outcome);
    EXPECT_EQ(told[0].reason, c.reason) << to_text(told[0].reason);
  }
}

TEST_F(Subscribing, TheAccountIsReconciledFirst) {
  leader_trades(Side::buy, "1", "100");
  tell_price("100", "100");
  w_.give(make_event(make_account(0)));
  w_.give(make_event(link_of(SyncOnSubscribe::all)));
  w_.set_balance(0, "1000");
  EXPECT_EQ(syncs(), 0U);
  w_.reconcile(0);
  EXPECT_EQ(syncs(), 1U);
}

TEST_F(Subscribing, WithoutAPriceItWaitsForOne) {
  leader_trades(Side::buy, "1", "100");
  w_.add_follower(0, link_of(SyncOnSubscribe::all));
  EXPECT_EQ(syncs(), 0U);
  expect_replay();
  w_.pass(3600 * s_ns);
  tell_price("100", "100");
  EXPECT_EQ(syncs(), 1U);
  tell_price("100", "100");
  EXPECT_EQ(syncs(), 1U);
}

TEST_F(Subscribing, WhatWaitsShrinksAsTheLeaderSellsAndDoesNotGrowAsHeBuys) {
  leader_trades(Side::buy, "4", "100");
  w_.add_follower(0, link_of(SyncOnSubscribe::all));
  w_.heard.clear();
  leader_trades(Side::sell, "1", "100");  // a quarter
  leader_trades(Side::buy, "2", "100");   // copied as it is
  w_.fill_whole(w_.last_place());
  EXPECT_EQ(w_.held(0), dec("2"));
  w_.pass(10 * s_ns);
  tell_price("100", "100");
  w_.fill_whole(w_.last_place());
  EXPECT_EQ(w_.held(0), dec("5"));
}

TEST_F(Subscribing, WhatWaitsIsGoneWhenTheLeaderIsFlat) {
  leader_trades(Side::buy, "4", "100");
  w_.add_follower(0, link_of(SyncOnSubscribe::all));
  leader_trades(Side::sell, "4", "100");
  w_.pass(10 * s_ns);
  tell_price("100", "100");
  EXPECT_EQ(syncs(), 0U);
}

struct AgainCase {
  const char* what;
  LinkStatus first;
  LinkStatus then;
  LinkStatus last;
  std::size_t events;  // over all
};
TEST_F(Subscribing, OnceInALinksLife) {
  constexpr auto on = LinkStatus::active, off = LinkStatus::paused, exits = LinkStatus::exits_only,
                 end = LinkStatus::stopped;
  const AgainCase cases[] = {
      {"active throughout", on, on, on, 1},      {"paused and resumed", on, off, on, 1},
      {"exits only and back", on, exits, on, 1}, {"stopped and begun anew", on, end, on, 1},
      {"first paused", off, off, on, 1},         {"never active", off, exits, off, 0},
      {"first stopped", end, end, on, 1},
  };
  for (const AgainCase& c : cases) {
    SCOPED_TRACE(c.what);
    w_ = World();
    w_.add_instrument(btc_instrument());
    leader_trades(Side::buy, "1", "100");
    tell_price("100", "100");
    CopyLink link = link_of(SyncOnSubscribe::all);
    link.status = c.first;
    w_.add_follower(0, link);
    for (const LinkStatus status : {c.then, c.last}) {
      link.status = status;
      ++link.version;
      w_.give(make_event(link));
    }
    w_.give(make_event(Fence{.settings = default_settings()}));
    w_.reconcile(0);
    tell_price("100", "100");
    EXPECT_EQ(syncs(), c.events);
  }
}

TEST_F(Subscribing, ALinkThatBeganWithNoneIsNotSyncedLater) {
  leader_trades(Side::buy, "1", "100");
  tell_price("100", "100");
  w_.add_follower(0, link_of(SyncOnSubscribe::none));
  CopyLink link = link_of(SyncOnSubscribe::all);
  link.version = 2;
  w_.give(make_event(link));
  EXPECT_EQ(syncs(), 0U);
}

TEST_F(Subscribing, ItBeginsWhenTheUserMay) {
  leader_trades(Side::buy, "1", "100");
  tell_price("100", "100");
  CopyLink link = link_of(SyncOnSubscribe::all);
  link.user_active = false;
  link.subscription_active = false;
  w_.add_follower(0, link);
  link.user_active = true;
  link.version = 2;
  w_.give(make_event(link));
  EXPECT_EQ(syncs(), 0U);
  link.subscription_active = true;
  link.version = 3;
  w_.give(make_event(link));
  EXPECT_EQ(syncs(), 1U);
}

TEST_F(Subscribing, AChannelsOpenSignalsAreAskedFor) {
  const auto signal = [&](std::uint64_t n, SignalType type, const char* quantity) {
    w_.give(make_event(w_.signal(LeaderEventKind::signal_published, n, type, quantity)));
  };
  signal(1, SignalType::buy, "1");
  signal(2, SignalType::buy, "2");
  signal(3, SignalType::sell, "2");  // opens nothing
  signal(4, SignalType::hold, "0");
  w_.give(make_event(w_.signal(LeaderEventKind::signal_closed, 1, SignalType::buy)));
  tell_price("100", "100");
  CopyLink link = link_of(SyncOnSubscribe::all);
  link.leader = UserId{};
  link.channel = channel_id();
  w_.heard.clear();
  w_.add_follower(0, link);
  ASSERT_EQ(syncs(), 1U);
  EXPECT_EQ(own_events(LeaderEventKind::sync)[0].event.signal, signal_id(2));
  w_.fill_whole(w_.last_place());
  EXPECT_EQ(w_.held(0), dec("2"));
  expect_replay();
  // What a signal opened is closed by it.
  w_.give(make_event(w_.signal(LeaderEventKind::signal_closed, 2, SignalType::buy)));
  EXPECT_EQ(w_.last_place().side, Side::sell);
  EXPECT_EQ(w_.last_place().quantity, dec("2"));
}

struct StopCase {
  const char* what;
  bool close_on_stop;
  LinkStatus status;
  const char* held;
  std::size_t events;
};
TEST_F(Subscribing, WhatALinkThatEndsSells) {
  const StopCase cases[] = {
      {"stopped with closing", true, LinkStatus::stopped, "1", 1},
      {"stopped without", false, LinkStatus::stopped, "1", 0},
      {"paused", true, LinkStatus::paused, "1", 0},
      {"exits only", true, LinkStatus::exits_only, "1", 0},
      {"quarantined", true, LinkStatus::quarantined, "1", 0},
      {"nothing is held", true, LinkStatus::stopped, "0", 0},
  };
  for (const StopCase& c : cases) {
    SCOPED_TRACE(c.what);
    w_ = World();
    w_.add_instrument(btc_instrument());
    CopyLink link = link_of(SyncOnSubscribe::none);
    link.close_on_stop = c.close_on_stop;
    w_.add_follower(0, link);
    if (dec(c.held).is_positive()) {
      w_.leader(Side::buy, c.held);
      w_.fill_whole(w_.last_place());
    }
    w_.heard.clear();
    link.status = c.status;
    link.version = 2;
    w_.give(make_event(link));
    const auto events = own_events(LeaderEventKind::stop_close);
    ASSERT_EQ(events.size(), c.events);
    EXPECT_EQ(w_.heard.of(IntentKind::place).size(), c.events);
    expect_replay();
    if (events.empty()) continue;
    w_.fill_whole(w_.last_place());
    EXPECT_TRUE(w_.held(0).is_zero());
    const auto told = w_.heard.outcomes();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].outcome, Outcome::copied);
    w_.heard.clear();
    link.version = 3;
    w_.give(make_event(link));
    w_.reconcile(0);
    EXPECT_TRUE(own_events(LeaderEventKind::stop_close).empty());
  }
}

TEST_F(Subscribing, AStopWaitsUntilTheAccountIsReconciledAlsoOverARestart) {
  CopyLink link = link_of(SyncOnSubscribe::none);
  link.close_on_stop = true;
  w_.add_follower(0, link);
  w_.leader(Side::buy, "1");
  w_.fill_whole(w_.last_place());
  w_.give(make_event(Fence{.settings = default_settings()}));
  w_.heard.clear();
  link.status = LinkStatus::stopped;
  link.version = 2;
  w_.give(make_event(link));
  EXPECT_TRUE(own_events(LeaderEventKind::stop_close).empty());
  expect_replay();
  w_.give(make_event(Fence{.settings = default_settings()}));
  w_.reconcile(0);
  EXPECT_EQ(own_events(LeaderEventKind::stop_close).size(), 1U);
  w_.give(make_event(Fence{.settings = default_settings()}));
  w_.reconcile(0);
  EXPECT_EQ(own_events(LeaderEventKind::stop_close).size(), 1U);
}

TEST_F(Subscribing, AStopThatIsTakenBackInTimeSellsNothing) {
  CopyLink link = link_of(SyncOnSubscribe::none);
  link.close_on_stop = true;
  w_.add_follower(0, link);
  w_.leader(Side::buy, "1");
  w_.fill_whole(w_.last_place());
  w_.give(make_event(Fence{.settings = default_settings()}));
  for (const LinkStatus status : {LinkStatus::stopped, LinkStatus::active}) {
    link.status = status;
    ++link.version;
    w_.give(make_event(link));
  }
  w_.reconcile(0);
  EXPECT_TRUE(own_events(LeaderEventKind::stop_close).empty());
}

TEST_F(Subscribing, ARowThatIsGoneIsNoStop) {
  CopyLink link = link_of(SyncOnSubscribe::none);
  link.close_on_stop = true;
  w_.add_follower(0, link);
  w_.leader(Side::buy, "1");
  w_.fill_whole(w_.last_place());
  w_.heard.clear();
  w_.give(make_event(LinkRemove{.id = link_id(0)}));
  EXPECT_TRUE(w_.heard.intents.empty());
}

// Entries stop at once, exits still run: each permission that can be lost.
struct LeaveCase {
  const char* what;
  void (*lose)(World&);
  Reason entry;
  Reason exit;  // none: it runs
};
TEST_F(Subscribing, LostPermissionStopsEntriesAndExitsStillRun) {
  const auto with = [](World& w, void (*change)(CopyLink&)) {
    CopyLink link = make_link(0);
    change(link);
    link.version = 2;
    w.give(make_event(link));
  };
  static const auto change = with;
  const LeaveCase cases[] = {
      // clang-format off
      {"paused", [](World& w) { change(w, [](CopyLink& l) { l.status = LinkStatus::paused; }); }, Reason::link_inactive, Reason::none},
      {"exits only", [](World& w) { change(w, [](CopyLink& l) { l.status = LinkStatus::exits_only; }); }, Reason::link_inactive, Reason::none},
      {"quarantined", [](World& w) { change(w, [](CopyLink& l) { l.status = LinkStatus::quarantined; }); }, Reason::quarantined, Reason::none},
      {"subscription ended", [](World& w) { change(w, [](CopyLink& l) { l.subscription_active = false; }); }, Reason::subscription_inactive, Reason::none},
      {"user suspended", [](World& w) { change(w, [](CopyLink& l) { l.user_active = false; }); }, Reason::user_inactive, Reason::none},
      {"account not reconciled", [](World& w) { w.give(make_event(Fence{.settings = default_settings()})); }, Reason::not_reconciled, Reason::none},
      {"kill switch", [](World& w) { w.give(make_event(KillSwitch{.on = true, .venue = Venue::none, .leader = {}, .follower = {}, .symbol = {}})); }, Reason::kill_switch, Reason::none},
      {"credentials refused", [](World& w) { AccountState a{}; a.account = account_id(0); a.kind = AccountStateKind::credentials_refused; w.give(make_event(a)); }, Reason::credentials_refused, Reason::credentials_refused},
      {"exchange disconnected", [](World& w) { Account a = make_account(0); a.connected = false; w.give(make_event(a)); }, Reason::exchange_disconnected, Reason::exchange_disconnected},
      // clang-format on
  };
  for (const LeaveCase& c : cases) {
    SCOPED_TRACE(c.what);
    w_ = World();
    w_.add_instrument(btc_instrument());
    w_.add_follower(0);
    w_.leader(Side::buy, "2");
    w_.fill_whole(w_.last_place());
    c.lose(w_);
    w_.heard.clear();
    w_.leader(Side::buy, "1");
    ASSERT_EQ(w_.heard.outcomes().size(), 1U);
    EXPECT_EQ(w_.heard.outcomes()[0].outcome, Outcome::skipped);
    EXPECT_EQ(w_.heard.outcomes()[0].reason, c.entry) << to_text(w_.heard.outcomes()[0].reason);
    w_.heard.clear();
    w_.leader(Side::sell, "1");
    if (c.exit == Reason::none) {
      ASSERT_EQ(w_.heard.of(IntentKind::place).size(), 1U);
      EXPECT_EQ(w_.last_place().side, Side::sell);
    } else {
      ASSERT_EQ(w_.heard.outcomes().size(), 1U);
      EXPECT_EQ(w_.heard.outcomes()[0].reason, c.exit);
    }
  }
}

TEST_F(Subscribing, SeveralLinksOfOneAccountSellTheirOwnAlone) {
  CopyLink first = make_link(0);
  w_.add_follower(0, first);
  CopyLink second = make_link(1);
  second.account = account_id(0);
  second.follower = follower_id(0);
  second.leader = leader_id(7);
  w_.give(make_event(second));
  w_.leader(Side::buy, "1");
  w_.fill_whole(w_.last_place());
  LeaderEvent e = w_.leader_fill(Side::buy, "3");
  e.leader = leader_id(7);
  w_.give(make_event(e));
  w_.fill_whole(w_.last_place());
  e = w_.leader_fill(Side::sell, "3");
  e.leader = leader_id(7);
  w_.give(make_event(e));
  EXPECT_EQ(w_.last_place().quantity, dec("3"));
  w_.fill_whole(w_.last_place());
  EXPECT_EQ(w_.held(0), dec("1"));
  EXPECT_TRUE(w_.held(1).is_zero());
  expect_replay();
}

}  // namespace
}  // namespace oneclick::test
