// The venue's word against the core's: shortfalls set aside and released, orders listed and not,
// ghosts. Lines are RULES.md, section 10. The account of every case is account 0; link n is the
// nth of its links, all copying one leader; a lot of BTC is 0.001, of ETH 0.01.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

const Symbol eth = Symbol::cut("ETH/USDT");
const Asset btc_asset = Asset::cut("BTC");
const Asset eth_asset = Asset::cut("ETH");
const std::int64_t age_ns = default_settings().divergence_age_ns_max;

class Reconcile : public testing::Test {
 protected:
  Reconcile() {
    w_.add_instrument(btc_instrument());
    Instrument i = btc_instrument();
    i.symbol = eth;
    i.venue_symbol = Symbol::cut("ETHUSDT");
    i.base = eth_asset;
    i.lot_step = i.quantity_min = dec("0.01");
    w_.add_instrument(i);
    w_.give(make_event(make_account(0)));
    w_.set_balance(0, "1000000");
    tell(btc_asset, "0");
    tell(eth_asset, "0");
    w_.reconcile(0);
    w_.pass(s_ns);
  }
  void tell(const Asset& asset, const char* free, const char* locked = "0",
            std::int64_t older_ns = 0) {
    Balance b{};
    b.account = account_id(0);
    b.asset = asset;
    b.free = dec(free);
    b.locked = dec(locked);
    b.venue_time_ns = w_.now_ns - older_ns;
    w_.give(make_event(b));
  }
  // One more link of the account, that buys so much of its own leader's.
  void hold(const char* quantity, const Symbol& symbol = btc) {
    const std::uint64_t n = links_++;
    CopyLink link = make_link(n);
    link.account = account_id(0);
    link.follower = follower_id(0);
    link.leader = leader_id(n);
    w_.give(make_event(link));
    if (dec(quantity).is_positive()) buy(n, quantity, symbol);
  }
  LeaderEvent fill_of(std::uint64_t n, Side side, const char* quantity,
                      const Symbol& symbol = btc) {
    LeaderEvent e = w_.leader_fill(side, quantity);
    e.leader = leader_id(n);
    e.symbol = symbol;
    return e;
  }
  OutcomeRecord trade(std::uint64_t n, Side side, const char* quantity, const Symbol& symbol = btc,
                      const char* bnb_fee = "0") {
    w_.heard.clear();
    w_.give(make_event(fill_of(n, side, quantity, symbol)));
    for (const Intent& i : w_.heard.of(IntentKind::place)) {
      const std::string q = i.quantity.to_text();
      w_.accept(i);
      OrderUpdate u = w_.execution(i, q, q, "t" + i.key.to_text());
      u.fee = dec(bnb_fee);
      u.fee_asset = btc_asset;
      w_.give(make_event(u));
    }
    const auto told = w_.heard.outcomes();
    EXPECT_EQ(told.size(), 1U);
    return told.empty() ? OutcomeRecord{} : told.front();
  }
  OutcomeRecord buy(std::uint64_t n, const char* quantity, const Symbol& symbol = btc) {
    return trade(n, Side::buy, quantity, symbol);
  }
  Event sweep(std::int64_t started_ns) const {
    return make_event(Sweep{.account = account_id(0), .id = sweeps_, .started_ns = started_ns});
  }
  // The account was read back, just now.
  void read_back() { read_back(w_.now_ns); }
  void read_back(std::int64_t started_ns) {
    ++sweeps_;
    w_.give(sweep(started_ns));
  }
  // What was short goes on being so until it counts, and is read back then.
  void wait_and_read() {
    w_.run_until(w_.now_ns + age_ns);
    read_back();
  }
  std::vector<QuarantineRecord> told() const {
    std::vector<QuarantineRecord> all;
    for (const Record& r : w_.heard.records)
      if (r.kind == RecordKind::quarantine) all.push_back(r.quarantine);
    return all;
  }
  // What is missing of each link that was set aside, as last told: "0:0.5 2:0.25".
  std::string missing() const {
    std::string text;
    for (std::uint64_t n = 0; n < links_; ++n) {
      const QuarantineRecord* last = nullptr;
      const auto all = told();
      for (const QuarantineRecord& q : all)
        if (q.link == link_id(n)) last = &q;
      if (last == nullptr || !last->active) continue;
      text += (text.empty() ? "" : " ") + std::to_string(n) + ":" +
              (last->expected - last->found).to_text();
    }
    return text;
  }
  void release(std::uint64_t n, const Symbol& symbol = btc) {
    QuarantineRecord last{};
    for (const QuarantineRecord& q : told())
      if (q.link == link_id(n) && q.symbol == symbol) last = q;
    w_.give(make_event(QuarantineRelease{.link = link_id(n),
                                         .account = account_id(0),
                                         .symbol = symbol,
                                         .quarantined_ns = last.quarantined_ns}));
  }
  OrderUpdate listed(OrderKey key, const char* filled = "0") {
    OrderUpdate u{};
    u.account = account_id(0);
    u.key = key;
    u.kind = OrderUpdateKind::accepted;
    u.source = UpdateSource::query;
    u.sweep = sweeps_ + 1;
    u.side = Side::buy;
    u.symbol = btc;
    u.venue_order_id = VenueOrderId::cut("77");
    u.has_cumulative = true;
    u.cumulative_quantity = dec(filled);
    u.venue_time_ns = w_.now_ns;
    return u;
  }
  // Everything that was told so far gives the same state when it is told again, and when it is
  // written and read in the middle.
  void expect_replay() {
    Core again;
    Heard heard;
    for (std::size_t i = 0; i < w_.history.size(); ++i) {
      if (i == w_.history.size() / 2) {
        auto loaded = Core::load(again.save());
        ASSERT_TRUE(loaded.has_value());
        again = std::move(*loaded);
      }
      again.step(w_.history[i], heard);
    }
    EXPECT_EQ(again.state_hash(), w_.core.state_hash());
    EXPECT_EQ(again.next_deadline_ns(), w_.core.next_deadline_ns());
  }

  World w_;
  std::uint64_t links_ = 0;
  std::uint32_t sweeps_ = 0;
};

// ---- what counts as a shortfall -----------------------------------------------------------------

enum class Then : std::uint8_t {
  read_at_age,        // read back as soon as it has lasted divergence_age_max
  read_before_age,    // the reading began a nanosecond before that
  read_twice_early,   // two readings, both before
  not_read,           // time passes, nothing is read
  older_balance,      // the balance is from before the last fill
  entry_in_flight,    // an entry of the asset is not answered yet
  other_in_flight,    // an entry of another symbol is not answered yet
  exit_refused,       // an exit was refused by the venue and waits
  came_back,          // in between all was there for a moment
  lost_and_read,      // the stream was lost, and the account not read back whole yet
  deposit_meanwhile,  // what is missing was paid in at last
};
struct ShortfallLine {
  const char* what;
  std::vector<const char*> held;
  const char* free;
  const char* locked;
  Then then;
  const char* missing;
};
void PrintTo(const ShortfallLine& line, std::ostream* out) {
  *out << line.what;
}

const ShortfallLine shortfall_lines[] = {
    {"all there", {"1"}, "1", "0", Then::read_at_age, ""},
    {"more than held is the follower's own", {"1"}, "5", "0", Then::read_at_age, ""},
    {"locked is there", {"1"}, "0.25", "0.75", Then::read_at_age, ""},
    {"a lot less is no shortfall", {"1"}, "0.999", "0", Then::read_at_age, ""},
    {"a little more than a lot", {"1"}, "0.99899999", "0", Then::read_at_age, "0:0.00100001"},
    {"a lot for all links together", {"1", "1"}, "1.999", "0", Then::read_at_age, ""},
    {"more than a lot of all together",
     {"1", "1"},
     "1.998",
     "0",
     Then::read_at_age,
     "0:0.001 1:0.001"},
    {"nothing there", {"1"}, "0", "0", Then::read_at_age, "0:1"},
    {"not long enough", {"1"}, "0.5", "0", Then::read_before_age, ""},
    {"read early, and again", {"1"}, "0.5", "0", Then::read_twice_early, ""},
    {"pushed and never read", {"1"}, "0.5", "0", Then::not_read, ""},
    {"a balance from before the fill", {"1"}, "0.5", "0", Then::older_balance, ""},
    {"an order in flight may have moved it", {"1"}, "0.5", "0", Then::entry_in_flight, ""},
    {"an order elsewhere has not", {"1"}, "0.5", "0", Then::other_in_flight, "0:0.5"},
    {"a refused exit is not in flight", {"1"}, "0.5", "0", Then::exit_refused, "0:0.5"},
    {"there in between", {"1"}, "0.5", "0", Then::came_back, ""},
    {"lost in between", {"1"}, "0.5", "0", Then::lost_and_read, "0:0.5"},
    {"paid in at last", {"1"}, "0.5", "0", Then::deposit_meanwhile, ""},
    {"halves", {"1", "1"}, "1", "0", Then::read_at_age, "0:0.5 1:0.5"},
    {"in proportion", {"3", "1"}, "2", "0", Then::read_at_age, "0:1.5 1:0.5"},
    {"the odd unit goes to the oldest",
     {"1", "1", "1"},
     "2",
     "0",
     Then::read_at_age,
     "0:0.33333334 1:0.33333333 2:0.33333333"},
    {"two odd units go to the two oldest",
     {"1", "1", "1"},
     "1",
     "0",
     Then::read_at_age,
     "0:0.66666667 1:0.66666667 2:0.66666666"},
    {"the odd unit goes to the largest remainder",
     {"1", "2"},
     "2",
     "0",
     Then::read_at_age,
     "0:0.33333333 1:0.66666667"},
    {"all of all", {"0.7", "0.3", "0.001"}, "0", "0", Then::read_at_age, "0:0.7 1:0.3 2:0.001"},
    {"a link without any has no part", {"1", "0", "1"}, "1", "0", Then::read_at_age, "0:0.5 2:0.5"},
};

class Shortfalls : public Reconcile, public testing::WithParamInterface<ShortfallLine> {
 protected:
  void happen(const ShortfallLine& line) {
    switch (line.then) {
      case Then::read_at_age:
        return wait_and_read();
      case Then::read_before_age:
        w_.run_until(w_.now_ns + age_ns);
        return read_back(w_.now_ns - 1);
      case Then::read_twice_early:
        w_.pass(age_ns / 2);
        read_back();
        w_.pass(age_ns / 2 - 1);
        return read_back();
      case Then::not_read:
        return w_.run_until(w_.now_ns + 10 * age_ns);
      case Then::older_balance:
      case Then::entry_in_flight:
        return wait_and_read();
      case Then::other_in_flight:
        w_.run_until(w_.now_ns + age_ns);
        w_.give(make_event(fill_of(0, Side::buy, "1", eth)));
        return read_back();
      case Then::exit_refused:
        w_.run_until(w_.now_ns + age_ns);
        w_.give(make_event(fill_of(0, Side::sell, "1")));
        w_.reject(w_.last_place());
        return read_back();
      case Then::came_back:
        w_.pass(age_ns / 2);
        tell(btc_asset, "1");
        w_.pass(age_ns / 4);
        tell(btc_asset, line.free);
        w_.pass(age_ns / 4);
        return read_back();
      case Then::lost_and_read: {
        AccountState state{};
        state.account = account_id(0);
        state.kind = AccountStateKind::lost;
        w_.give(make_event(state));
        return wait_and_read();
      }
      case Then::deposit_meanwhile:
        w_.run_until(w_.now_ns + age_ns - 1);
        tell(btc_asset, "1");
        w_.pass(1);
        return read_back();
    }
  }
};

TEST_P(Shortfalls, AreSetAsideAsTheLineSays) {
  const ShortfallLine& line = GetParam();
  for (const char* quantity : line.held) hold(quantity);
  if (line.then == Then::entry_in_flight) {
    w_.give(make_event(fill_of(0, Side::buy, "1")));
    w_.answer(w_.last_place(), OrderUpdateKind::unknown);
  }
  w_.pass(s_ns);
  tell(btc_asset, line.free, line.locked, line.then == Then::older_balance ? s_ns + 1 : 0);
  happen(line);
  EXPECT_EQ(missing(), line.missing);
  EXPECT_EQ(w_.core.counts().quarantined_links,
            static_cast<std::size_t>(std::ranges::count(std::string(line.missing), ':')));
  expect_replay();
}
INSTANTIATE_TEST_SUITE_P(Lines, Shortfalls, testing::ValuesIn(shortfall_lines));

TEST_F(Reconcile, AShortfallIsReadBackWhenItCountsAndUntilItIsSettled) {
  hold("1");
  w_.pass(s_ns);
  w_.heard.clear();
  tell(btc_asset, "0.5");
  const std::int64_t from = w_.now_ns;
  EXPECT_EQ(w_.core.next_deadline_ns(), from + age_ns);
  w_.run_until(from + age_ns - 1);
  EXPECT_EQ(w_.heard.of(IntentKind::read_account).size(), 0U);
  w_.run_until(from + age_ns);
  ASSERT_EQ(w_.heard.of(IntentKind::read_account).size(), 1U);
  EXPECT_EQ(w_.heard.of(IntentKind::read_account).front().account, account_id(0));
  w_.run_until(from + 2 * age_ns);  // it was not answered
  EXPECT_EQ(w_.heard.of(IntentKind::read_account).size(), 2U);
  read_back();
  EXPECT_EQ(missing(), "0:0.5");
  w_.run_until(from + 9 * age_ns);
  EXPECT_EQ(w_.heard.of(IntentKind::read_account).size(), 2U);
}

TEST_F(Reconcile, WhatIsSetAsideIsTold) {
  hold("1");
  hold("3");
  w_.pass(s_ns);
  tell(btc_asset, "2");
  wait_and_read();
  const auto all = told();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].link, link_id(1));
  EXPECT_EQ(all[1].follower, follower_id(0));
  EXPECT_EQ(all[1].account, account_id(0));
  EXPECT_EQ(all[1].symbol, btc);
  EXPECT_EQ(all[1].asset, btc_asset);
  EXPECT_EQ(all[1].reason, QuarantineReason::shortfall);
  EXPECT_TRUE(all[1].active);
  EXPECT_EQ(all[1].expected, dec("3"));
  EXPECT_EQ(all[1].found, dec("1.5"));
  EXPECT_EQ(all[1].account_expected, dec("4"));
  EXPECT_EQ(all[1].account_found, dec("2"));
  EXPECT_EQ(all[1].quarantined_ns % 1'000, 0);
  EXPECT_LE(w_.now_ns - all[1].quarantined_ns, 1'000);
}

// ---- what a quarantine does ---------------------------------------------------------------------

TEST_F(Reconcile, EntriesThereAreRefusedAndOthersAreNot) {
  hold("1");
  hold("0");
  w_.pass(s_ns);
  tell(btc_asset, "0.5");
  wait_and_read();
  const OutcomeRecord refused = buy(0, "1");
  EXPECT_EQ(refused.outcome, Outcome::skipped);
  EXPECT_EQ(refused.reason, Reason::quarantined);
  EXPECT_EQ(buy(0, "1", eth).outcome, Outcome::copied);  // another symbol of the link
  EXPECT_EQ(buy(1, "1").outcome, Outcome::copied);       // another link, which held none
}

struct ExitLine {
  const char* what;
  const char* found;   // of the 2 that link 0 holds and its leader has
  const char* leader;  // sells so much
  Outcome outcome;
  Reason reason;
  const char* sold;
  const char* left;
};
void PrintTo(const ExitLine& line, std::ostream* out) {
  *out << line.what;
}
const ExitLine exit_lines[] = {
    {"leader flat sells what is there", "1.5", "2", Outcome::copied, Reason::none, "1.5", "0.5"},
    {"half of what is there", "1.5", "1", Outcome::copied, Reason::none, "0.75", "1.25"},
    {"nothing there", "0", "2", Outcome::skipped, Reason::no_position, "0", "2"},
    {"less than a lot there", "0.0005", "2", Outcome::carried, Reason::none, "0", "2"},
};
class QuarantinedExits : public Reconcile, public testing::WithParamInterface<ExitLine> {};
TEST_P(QuarantinedExits, SellWhatIsThere) {
  const ExitLine& line = GetParam();
  hold("2");
  w_.pass(s_ns);
  tell(btc_asset, line.found);
  wait_and_read();
  const OutcomeRecord o = trade(0, Side::sell, line.leader);
  EXPECT_EQ(o.outcome, line.outcome);
  EXPECT_EQ(o.reason, line.reason);
  EXPECT_EQ(o.sent_quantity, dec(line.sold));
  EXPECT_EQ(w_.held(0), dec(line.left));
  expect_replay();
}
INSTANTIATE_TEST_SUITE_P(Lines, QuarantinedExits, testing::ValuesIn(exit_lines));

TEST_F(Reconcile, AnExitThatTheVenueRefusedShrinksToWhatIsThere) {
  hold("2");
  w_.pass(s_ns);
  tell(btc_asset, "1.5");
  w_.run_until(w_.now_ns + age_ns);
  w_.heard.clear();
  w_.give(make_event(fill_of(0, Side::sell, "2")));
  EXPECT_EQ(w_.last_place().quantity, dec("2"));
  w_.reject(w_.last_place());
  read_back();
  EXPECT_EQ(missing(), "0:0.5");
  w_.run_until(w_.now_ns + 10 * s_ns);  // six attempts a minute
  EXPECT_EQ(w_.last_place().quantity, dec("1.5"));
  w_.fill_whole(w_.last_place());
  const auto outcomes = w_.heard.outcomes();
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes.front().outcome, Outcome::copied);
  EXPECT_EQ(w_.held(0), dec("0.5"));
}

TEST_F(Reconcile, WhatComesBackCanBeSoldAndTheQuarantineStays) {
  hold("1");
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "1");
  wait_and_read();
  EXPECT_EQ(missing(), "0:0.5 1:0.5");
  w_.pass(s_ns);
  tell(btc_asset, "1.8");
  EXPECT_EQ(missing(), "0:0.1 1:0.1");
  w_.pass(s_ns);
  tell(btc_asset, "2.5");
  EXPECT_EQ(missing(), "0:0 1:0");
  EXPECT_EQ(w_.core.counts().quarantined_links, 2U);
  EXPECT_EQ(buy(0, "1").reason, Reason::quarantined);
  expect_replay();
}

TEST_F(Reconcile, MoreThatGoesIsSetAsideAfterItsTime) {
  hold("1");
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "1");
  wait_and_read();
  w_.pass(s_ns);
  tell(btc_asset, "0.5");
  EXPECT_EQ(missing(), "0:0.5 1:0.5");
  wait_and_read();
  EXPECT_EQ(missing(), "0:0.75 1:0.75");
}

TEST_F(Reconcile, DepositsAndWithdrawalsOfWhatNoLinkHoldsTriggerNothing) {
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "3");
  w_.heard.clear();
  w_.pass(s_ns);
  tell(btc_asset, "1");  // the follower's own two are withdrawn
  w_.set_balance(0, "10");
  tell(eth_asset, "7");
  w_.pass(s_ns);
  tell(eth_asset, "0");
  w_.run_until(w_.now_ns + 2 * age_ns);
  read_back();
  EXPECT_TRUE(w_.heard.intents.empty());
  EXPECT_TRUE(w_.heard.records.empty());
}

TEST_F(Reconcile, AnExternalTradeIsRecordedAndRepairedByNothing) {
  hold("1");
  OrderUpdate u = listed(OrderKey{});
  u.kind = OrderUpdateKind::execution;
  u.source = UpdateSource::stream;
  u.sweep = 0;
  u.side = Side::sell;
  u.trade_id = VenueTradeId::cut("x1");
  u.last_quantity = dec("0.4");
  u.last_price = dec("100");
  w_.heard.clear();
  w_.give(make_event(u));
  ASSERT_EQ(w_.heard.records.size(), 1U);
  EXPECT_EQ(w_.heard.records.front().kind, RecordKind::external_fill);
  EXPECT_TRUE(w_.heard.intents.empty());
  EXPECT_EQ(w_.held(0), dec("1"));
}

TEST_F(Reconcile, OurOwnFeesInAHeldAssetAreWrittenDownNotSetAside) {
  hold("1");
  hold("1", eth);
  for (int i = 0; i < 4; ++i) trade(1, Side::buy, "1", eth, "0.001");  // fees paid in BTC
  w_.pass(s_ns);
  tell(eth_asset, "5");
  tell(btc_asset, "0.996");
  wait_and_read();
  EXPECT_EQ(missing(), "");
  EXPECT_EQ(w_.held(0), dec("0.996"));
  w_.pass(s_ns);
  tell(btc_asset, "0.9");  // nothing of ours took that
  wait_and_read();
  EXPECT_EQ(missing(), "0:0.096");
}

// ---- release ------------------------------------------------------------------------------------

TEST_F(Reconcile, AReleaseTakesTheVenuesFigureAsTrue) {
  hold("2");
  w_.pass(s_ns);
  tell(btc_asset, "1.5");
  wait_and_read();
  release(0);
  EXPECT_EQ(w_.held(0), dec("1.5"));
  EXPECT_EQ(w_.core.counts().quarantined_links, 0U);
  const QuarantineRecord last = told().back();
  EXPECT_FALSE(last.active);
  EXPECT_EQ(last.expected, dec("2"));
  EXPECT_EQ(last.found, dec("1.5"));
  EXPECT_EQ(last.quarantined_ns, told().front().quarantined_ns);
  EXPECT_EQ(buy(0, "1").outcome, Outcome::copied);
  EXPECT_EQ(trade(0, Side::sell, "3").sent_quantity, dec("2.5"));
  EXPECT_EQ(w_.held(0), dec("0"));
  expect_replay();
}

TEST_F(Reconcile, AReleaseNamesOneQuarantine) {
  hold("1");
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "1");
  wait_and_read();
  const Event of_another_time =
      make_event(QuarantineRelease{.link = link_id(0),
                                   .account = account_id(0),
                                   .symbol = btc,
                                   .quarantined_ns = told().front().quarantined_ns - 1'000});
  EXPECT_FALSE(w_.core.would_change(of_another_time));
  w_.give(of_another_time);
  EXPECT_EQ(w_.core.counts().quarantined_links, 2U);
  release(0);
  EXPECT_EQ(w_.core.counts().quarantined_links, 1U);
  EXPECT_EQ(w_.held(0), dec("0.5"));
  EXPECT_EQ(w_.held(1), dec("1"));
  EXPECT_EQ(buy(1, "1").reason, Reason::quarantined);
  // The other's part is what it was.
  w_.pass(s_ns);
  tell(btc_asset, "1");
  EXPECT_EQ(trade(1, Side::sell, "2").sent_quantity, dec("0.5"));
}

TEST_F(Reconcile, AQuarantineOutlivesARestart) {
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "0.5");
  wait_and_read();
  auto loaded = Core::load(w_.core.save());
  ASSERT_TRUE(loaded.has_value());
  w_.core = std::move(*loaded);
  w_.give(make_event(Fence{.settings = default_settings()}));
  w_.reconcile(0);
  EXPECT_EQ(w_.core.counts().quarantined_links, 1U);
  EXPECT_EQ(buy(0, "1").reason, Reason::quarantined);
  EXPECT_EQ(trade(0, Side::sell, "2").sent_quantity, dec("0.5"));
}

TEST_F(Reconcile, AShortfallSurvivesARestartWithItsTime) {
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "0.5");
  const std::int64_t from = w_.now_ns;
  auto loaded = Core::load(w_.core.save());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->next_deadline_ns(), from + age_ns);
}

TEST_F(Reconcile, ALinkThatMovesToAnotherAccountLeavesItsQuarantineBehind) {
  hold("1");
  w_.pass(s_ns);
  tell(btc_asset, "0.5");
  wait_and_read();
  CopyLink moved = make_link(0);
  moved.account = account_id(9);
  moved.version = 2;
  w_.give(make_event(moved));
  EXPECT_EQ(w_.core.counts().quarantined_links, 0U);
  EXPECT_FALSE(told().back().active);
  EXPECT_EQ(w_.held(0), dec("0"));
  expect_replay();
}

TEST_F(Reconcile, ARemovedLinkStillCountsWhileItHolds) {
  hold("1");
  hold("1");
  w_.give(make_event(LinkRemove{.id = link_id(0)}));
  w_.pass(s_ns);
  tell(btc_asset, "1");
  wait_and_read();
  EXPECT_EQ(missing(), "0:0.5 1:0.5");
  release(0);
  EXPECT_EQ(w_.held(0), dec("0.5"));
}

// ---- what is open -------------------------------------------------------------------------------

struct ListLine {
  const char* what;
  bool listed;
  std::int64_t began_ns;  // the reading, after the order was made
  std::size_t questions;
};
void PrintTo(const ListLine& line, std::ostream* out) {
  *out << line.what;
}
const ListLine list_lines[] = {
    {"listed", true, s_ns, 0},
    {"not listed", false, s_ns, 1},
    {"not listed, made as the reading began", false, 0, 0},
    {"not listed, made after it began", false, -1, 0},
};
class Lists : public Reconcile, public testing::WithParamInterface<ListLine> {};
TEST_P(Lists, AskForOrdersThatShouldBeThere) {
  const ListLine& line = GetParam();
  hold("0");
  w_.give(make_event(fill_of(0, Side::buy, "1")));
  const Intent order = w_.last_place();
  const std::int64_t made = w_.now_ns;
  w_.accept(order);
  w_.pass(s_ns);
  w_.heard.clear();
  if (line.listed) w_.give(make_event(listed(order.key)));
  ++sweeps_;
  const Event end = sweep(made + line.began_ns);
  EXPECT_EQ(w_.core.would_change(end), line.questions != 0);
  w_.give(end);
  const auto asked = w_.heard.of(IntentKind::query);
  EXPECT_EQ(asked.size(), line.questions);
  for (const Intent& i : asked) EXPECT_EQ(i.key, order.key);
  expect_replay();
}
INSTANTIATE_TEST_SUITE_P(Lines, Lists, testing::ValuesIn(list_lines));

TEST_F(Reconcile, AMissedFillIsAskedForAndBooked) {
  hold("0");
  w_.give(make_event(fill_of(0, Side::buy, "1")));
  const Intent order = w_.last_place();
  w_.accept(order);
  w_.pass(s_ns);
  w_.heard.clear();
  w_.give(make_event(listed(order.key, "0.4")));
  const auto asked = w_.heard.of(IntentKind::query_trades);
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_FALSE(asked.front().venue_order_id.empty());
  OrderUpdate missed = w_.execution(order, "0.4", "0.4", "m1");
  missed.source = UpdateSource::query;
  w_.give(make_event(missed));
  EXPECT_EQ(w_.held(0), dec("0.4"));
  w_.heard.clear();
  w_.give(make_event(listed(order.key, "0.4")));
  EXPECT_TRUE(w_.heard.of(IntentKind::query_trades).empty());
}

TEST_F(Reconcile, AnOpenOrderOfOursThatNobodyKnowsIsCancelled) {
  const OrderKey key = make_id<OrderKey>(40, 1);
  OrderUpdate told_otherwise = listed(key);
  told_otherwise.sweep = 0;  // a late word about an order that is over
  EXPECT_FALSE(w_.core.would_change(make_event(told_otherwise)));
  const Event seen = make_event(listed(key));
  EXPECT_TRUE(w_.core.would_change(seen));
  w_.give(seen);
  const auto cancels = w_.heard.of(IntentKind::cancel);
  ASSERT_EQ(cancels.size(), 1U);
  EXPECT_EQ(cancels.front().key, key);
  EXPECT_EQ(cancels.front().account, account_id(0));
  EXPECT_EQ(cancels.front().symbol, btc);
  EXPECT_EQ(cancels.front().venue_symbol, Symbol::cut("BTCUSDT"));
  // What it fills is nobody's.
  OrderUpdate filled = listed(key);
  filled.sweep = 0;
  filled.kind = OrderUpdateKind::execution;
  filled.trade_id = VenueTradeId::cut("g1");
  filled.last_quantity = dec("0.1");
  filled.last_price = dec("100");
  w_.heard.clear();
  w_.give(make_event(filled));
  ASSERT_EQ(w_.heard.records.size(), 1U);
  EXPECT_EQ(w_.heard.records.front().kind, RecordKind::external_fill);
  // Listed again: cancelled again.
  read_back();
  w_.give(make_event(listed(key)));
  EXPECT_EQ(w_.heard.of(IntentKind::cancel).size(), 1U);
  // Its end ends it.
  OrderUpdate over = listed(key);
  over.sweep = 0;
  over.kind = OrderUpdateKind::done;
  w_.give(make_event(over));
  EXPECT_FALSE(w_.core.would_change(make_event(filled)));
  expect_replay();
}

TEST_F(Reconcile, AGhostThatIsNotListedAnyMoreIsForgotten) {
  const OrderKey key = make_id<OrderKey>(40, 1);
  w_.give(make_event(listed(key)));
  read_back();  // the sweep that listed it
  OrderUpdate filled = listed(key);
  filled.kind = OrderUpdateKind::execution;
  EXPECT_TRUE(w_.core.would_change(make_event(filled)));
  read_back();
  EXPECT_FALSE(w_.core.would_change(make_event(filled)));
  ++sweeps_;
  EXPECT_FALSE(w_.core.would_change(sweep(w_.now_ns)));
}

TEST_F(Reconcile, AnOrderProvenAbsentThatIsListedIsCancelledAndItsFillsAreBooked) {
  hold("0");
  w_.give(make_event(fill_of(0, Side::buy, "1")));
  const Intent order = w_.last_place();
  w_.answer(order, OrderUpdateKind::unknown, UpdateSource::reply);
  for (int i = 0; i < 12; ++i) {
    w_.pass(s_ns);
    w_.answer(order, OrderUpdateKind::not_found);
  }
  ASSERT_EQ(w_.heard.outcomes().back().reason, Reason::not_accepted);
  w_.heard.clear();
  const Event seen = make_event(listed(order.key, "0.2"));
  EXPECT_TRUE(w_.core.would_change(seen));
  w_.give(seen);
  EXPECT_EQ(w_.heard.of(IntentKind::cancel).size(), 1U);
  w_.fill(order, "0.2", "0.2", "late");
  EXPECT_EQ(w_.held(0), dec("0.2"));
}

}  // namespace
}  // namespace oneclick::test
