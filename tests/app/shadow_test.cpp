// What another setting would have done, worked out by hand beside journals that are made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/app/recover.hpp"
#include "engine/app/shadow.hpp"
#include "engine/app/shadow_report.hpp"
#include "persistence/journal_files.hpp"
#include "tests/app/temporary_folder.hpp"
#include "tests/core/world.hpp"

namespace oneclick {
namespace {

using namespace test;
using testing::HasSubstr;

// A world whose inputs and records go into a journal, as a shard does it.
class Recorded {
 public:
  explicit Recorded(const std::string& dir) : dir_(dir) {}

  void write() const {
    Metrics metrics;
    auto writer = JournalWriter::open({.dir = dir_,
                                       .shard = 0,
                                       .ring_bytes = 1 << 20,
                                       .segment_bytes = 64 << 10,
                                       .ring_dir = dir_},
                                      metrics);
    ASSERT_TRUE(writer) << writer.error().message;
    Core core;
    class Append final : public Output {
     public:
      explicit Append(JournalWriter& to) : to_(to) {}
      void on_intent(const Intent&) override {}
      void on_record(const Record& record) override { to_.append(record); }

     private:
      JournalWriter& to_;
    } append(**writer);
    std::size_t done = 0;
    for (const Event& event : world.history) {
      (*writer)->append(event);
      core.step(event, append);
      if (++done != snapshot_after_) continue;
      const auto written = write_snapshot(dir_, 0,
                                          {.position = (*writer)->appended(),
                                           .seq = event.seq,
                                           .time_ns = event.time_ns,
                                           .state = core.save()});
      ASSERT_TRUE(written) << written.error().message;
    }
  }
  void snapshot_here() { snapshot_after_ = world.history.size(); }
  // As retention does it: segments that end before the snapshot.
  void remove_before_snapshot() const {
    const auto folder = journal::shard_dir(dir_, 0);
    const auto segments = journal::list_segments(folder, 0);
    ASSERT_TRUE(segments) << segments.error().message;
    const JournalPosition snapshot = journal::snapshot_positions(folder).front();
    ASSERT_GT(segments->size(), 1U);
    ASSERT_LE((*segments)[1].header.first, snapshot);
    for (std::size_t i = 0; i + 1 < segments->size(); ++i)
      if ((*segments)[i + 1].header.first <= snapshot) std::filesystem::remove((*segments)[i].path);
  }

  void reply_filled(const Intent& of, std::string_view price, std::string_view fee,
                    std::string_view fee_asset) {
    OrderUpdate u = world.update(of, OrderUpdateKind::execution);
    u.source = UpdateSource::reply;
    u.sent_ns = world.now_ns;
    u.trade_id = VenueTradeId::cut("t" + of.key.to_text().substr(0, 20));
    u.last_quantity = of.quantity;
    u.last_price = dec(price);
    u.has_cumulative = true;
    u.cumulative_quantity = of.quantity;
    u.cumulative_quote = mul(of.quantity, dec(price), Round::nearest);
    u.fee = dec(fee);
    u.fee_asset = Asset::cut(fee_asset);
    world.give(make_event(u));
  }
  void tell_balance(std::uint64_t n, const Asset& asset, std::string_view free) {
    Balance b{};
    b.account = account_id(n);
    b.asset = asset;
    b.free = dec(free);
    b.venue_time_ns = world.now_ns;
    world.give(make_event(b));
  }
  void trade(Side side, std::string_view quantity) {
    world.pass(s_ns);
    world.leader(side, quantity);
  }
  World world;

 private:
  const std::string dir_;
  std::size_t snapshot_after_ = 0;
};

const Asset btc_asset = Asset::cut("BTC");

class Shadow : public testing::Test {
 protected:
  Shadow() : recorded_(folder_.path("journal")) {
    recorded_.world.add_instrument(btc_instrument());
  }

  std::expected<ShadowReport, ShadowError> run(const std::vector<LinkTerm>& terms,
                                               const std::vector<std::string>& settings = {},
                                               LinkId link = {}, UserId user = {}) {
    return run_shadow({.dir = folder_.path("journal"),
                       .link_terms = terms,
                       .core_overrides = settings,
                       .link = link,
                       .user = user});
  }
  static const SymbolFigures& of(const LinkFigures& figures) { return figures.symbols.at(btc); }
  static std::uint64_t count(const LinkFigures& figures, Outcome outcome, Reason reason) {
    const auto found = figures.outcomes.find({outcome, reason});
    return found == figures.outcomes.end() ? 0 : found->second;
  }

  void tell_price(std::string_view bid, std::string_view ask) {
    World& w = recorded_.world;
    w.pass(ms_ns);
    Price price{};
    price.venue = Venue::binance;
    price.symbol = btc;
    price.touch = {.bid = dec(bid), .ask = dec(ask), .time_ns = w.now_ns};
    price.quote_usd = dec("1");
    w.give(make_event(price));
  }

  // The leader buys 2, sells half of it dearer, and the price is at 130 in the end. One follower
  // copies all of it with 1,000 USDT, and the venue fills everything at the touch for 0.1 %: of a
  // buy in BTC, of a sale in USDT.
  void record_a_round() {
    World& w = recorded_.world;
    w.add_follower(0, "1000");
    recorded_.trade(Side::buy, "2");  // at 100
    recorded_.reply_filled(w.last_place(), "100", "0.002", "BTC");
    recorded_.tell_balance(0, usdt, "800");
    recorded_.tell_balance(0, btc_asset, "1.998");
    w.bid = dec("120");
    w.ask = dec("120.01");
    recorded_.trade(Side::sell, "1");  // half: 0.999 of 1.998
    recorded_.reply_filled(w.last_place(), "120", "0.11988", "USDT");
    recorded_.tell_balance(0, usdt, "919.76012");
    recorded_.tell_balance(0, btc_asset, "0.999");
    tell_price("130", "130.01");
    recorded_.write();
  }

  test::TemporaryFolder folder_;
  Recorded recorded_;
};

TEST_F(Shadow, HalfThePercentageHalvesWhatIsTradedHeldAndEarned) {
  record_a_round();
  const auto report = run({{"copy_percentage", "50"}});
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->links.size(), 1U);
  const ShadowLink& l = report->links.front();
  EXPECT_TRUE(l.selected);

  // As recorded: 2 BTC for 200, 0.002 of them as fee, so 1.998 that cost 200.
  const SymbolFigures& recorded = of(l.recorded);
  EXPECT_EQ(recorded.bought, dec("2"));
  EXPECT_EQ(recorded.paid, dec("200"));
  EXPECT_EQ(recorded.sold, dec("0.999"));
  EXPECT_EQ(recorded.received, dec("119.88"));
  // 0.002 BTC at 100, and 0.1 % of 119.88.
  EXPECT_EQ(recorded.fees, dec("0.31988"));
  EXPECT_EQ(recorded.quantity, dec("0.999"));
  // Half of the cost went with half of the position: 119.88 - 0.11988 - 100.
  EXPECT_EQ(recorded.realised, dec("19.76012"));
  // 0.999 at 130 less the other half of the cost.
  EXPECT_EQ(recorded.unrealised(), dec("29.87"));

  // The model says the same of the recorded settings.
  const SymbolFigures& baseline = of(l.baseline);
  EXPECT_EQ(baseline.bought, recorded.bought);
  EXPECT_EQ(baseline.paid, recorded.paid);
  EXPECT_EQ(baseline.fees, recorded.fees);
  EXPECT_EQ(baseline.quantity, recorded.quantity);
  EXPECT_EQ(baseline.realised, recorded.realised);
  EXPECT_EQ(baseline.profit(), dec("49.63012"));
  EXPECT_EQ(l.baseline.outcomes, l.recorded.outcomes);
  EXPECT_EQ(report->outcomes_compared, 2U);
  EXPECT_EQ(report->outcomes_same, 2U);

  // Changed: 1 BTC for 100, 0.001 as fee; of 0.999 the half, 0.4995, is sold in whole lots: 0.499.
  const SymbolFigures& changed = of(l.changed);
  EXPECT_EQ(changed.bought, dec("1"));
  EXPECT_EQ(changed.paid, dec("100"));
  EXPECT_EQ(changed.sold, dec("0.499"));
  EXPECT_EQ(changed.received, dec("59.88"));
  EXPECT_EQ(changed.fees, dec("0.15988"));  // 0.1 and 0.05988
  EXPECT_EQ(changed.quantity, dec("0.5"));
  // 100 * 0.499 / 0.999 of the cost went with it: 49.94994995.
  EXPECT_EQ(changed.realised, dec("59.88") - dec("0.05988") - dec("49.94994995"));
  EXPECT_EQ(changed.value(), dec("65"));
  EXPECT_EQ(changed.cost, dec("50.05005005"));
  EXPECT_EQ(changed.profit(), dec("24.82012"));
  EXPECT_EQ(l.changed.orders, 2U);
  EXPECT_EQ(count(l.changed, Outcome::copied, Reason::none), 2U);

  const ShadowOptions options{.dir = folder_.path("journal"),
                              .link_terms = {{"copy_percentage", "50"}},
                              .core_overrides = {},
                              .link = {},
                              .user = {}};
  const std::string json = shadow_json(*report, options);
  EXPECT_THAT(json, HasSubstr(R"("changes":{"copy_percentage":"50"})"));
  EXPECT_THAT(json, HasSubstr(R"("outcomes_compared":2,"outcomes_same":2)"));
  EXPECT_THAT(json, HasSubstr(R"("profit":"-24.81")")) << "24.82012 less 49.63012";
}

TEST_F(Shadow, ANamedRefusalStandsWhereTheOtherSettingRefuses) {
  record_a_round();
  const auto paused = run({{"status", "paused"}});
  ASSERT_TRUE(paused) << paused.error().message;
  const LinkFigures& changed = paused->links.front().changed;
  EXPECT_EQ(count(changed, Outcome::skipped, Reason::link_inactive), 1U);
  EXPECT_EQ(count(changed, Outcome::skipped, Reason::no_position), 1U);
  EXPECT_EQ(changed.orders, 0U);

  const auto denied = run({{"symbol_filter", "deny"}, {"symbols", "ETH/USDT,BTC/USDT"}});
  ASSERT_TRUE(denied) << denied.error().message;
  EXPECT_EQ(count(denied->links.front().changed, Outcome::skipped, Reason::symbol_filtered), 1U);

  // A limit below the ask fills nothing; here it is the whole event that is limited, to 50.
  const auto limited = run({}, {"engine.event_notional_max=50"});
  ASSERT_TRUE(limited) << limited.error().message;
  EXPECT_EQ(count(limited->links.front().changed, Outcome::skipped, Reason::event_notional), 1U);
}

TEST_F(Shadow, MoreThanTheAccountHasIsClippedByItsOwnBalance) {
  record_a_round();
  // 20 BTC at the cap price of 100.5 are not to be had for 1,000 USDT: 1000 / 1.001 / 100.5
  // = 9.940.
  const auto report = run({{"copy_percentage", "999.99"}});
  ASSERT_TRUE(report) << report.error().message;
  const LinkFigures& changed = report->links.front().changed;
  EXPECT_EQ(count(changed, Outcome::clipped, Reason::none), 1U);
  EXPECT_EQ(of(changed).bought, dec("9.94"));
}

// Money spent in the changed run is not there any more, though the recorded balances say it is; and
// what the recorded run spent is.
TEST_F(Shadow, BalancesFollowTheRunAndNotTheRecord) {
  World& w = recorded_.world;
  w.add_follower(0, "1000");
  for (int i = 0; i < 2; ++i) {
    recorded_.trade(Side::buy, "4");
    recorded_.reply_filled(w.last_place(), "100", "0", "USDT");
    recorded_.tell_balance(0, usdt, i == 0 ? "600" : "200");
  }
  recorded_.trade(Side::buy, "4");  // 200 are left: clipped to 1.988
  recorded_.reply_filled(w.last_place(), "100", "0", "USDT");
  recorded_.tell_balance(0, usdt, "1.2");
  recorded_.write();
  const auto report = run({{"copy_percentage", "200"}});
  ASSERT_TRUE(report) << report.error().message;
  const ShadowLink& l = report->links.front();
  EXPECT_EQ(of(l.recorded).bought, dec("9.988"));
  EXPECT_EQ(of(l.baseline).bought, dec("9.988"));
  // 8 at 100, then 200 USDT at the cap price: 1.988; then 1.2 USDT, which buy 0.011 at 100.5.
  EXPECT_EQ(of(l.changed).bought, dec("9.999"));
  EXPECT_EQ(count(l.changed, Outcome::copied, Reason::none), 1U);
  EXPECT_EQ(count(l.changed, Outcome::clipped, Reason::none), 2U);
  const auto half = run({{"copy_percentage", "50"}});
  ASSERT_TRUE(half) << half.error().message;
  EXPECT_EQ(of(half->links.front().changed).bought, dec("6")) << "nothing is clipped any more";
}

TEST_F(Shadow, OnlyTheNamedLinkOrFollowerChanges) {
  for (std::uint64_t n = 0; n < 3; ++n) recorded_.world.add_follower(n, "1000");
  recorded_.trade(Side::buy, "1");
  recorded_.write();
  const auto one = run({{"copy_percentage", "50"}}, {}, link_id(1));
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_EQ(one->links.size(), 1U) << "the others are as they were";
  EXPECT_EQ(one->links.front().link.id, link_id(1));
  const auto user = run({{"copy_percentage", "50"}}, {}, {}, follower_id(2));
  ASSERT_EQ(user->links.size(), 1U);
  EXPECT_EQ(of(user->links.front().changed).bought, dec("0.5"));
  EXPECT_EQ(run({{"copy_percentage", "50"}})->links.size(), 3U);
}

TEST_F(Shadow, FeesAreWhatTheJournalShowsUnlessTheyAreWhatChanges) {
  World& w = recorded_.world;
  w.add_follower(0, "1000");
  w.add_follower(1, "1000");
  recorded_.trade(Side::buy, "1");
  // One account pays 0.075 % in BTC; the other was never filled.
  for (const Intent& i : w.heard.of(IntentKind::place))
    if (i.account == account_id(0)) recorded_.reply_filled(i, "100", "0.00075", "BTC");
  recorded_.write();
  const auto report = run({{"copy_percentage", "100"}});
  ASSERT_TRUE(report) << report.error().message;
  for (const ShadowLink& l : report->links) EXPECT_EQ(of(l.changed).fees, dec("0.075"));
  const auto dearer = run({}, {"engine.taker_fee_bps=20"});
  ASSERT_TRUE(dearer) << dearer.error().message;
  for (const ShadowLink& l : dearer->links) {
    EXPECT_EQ(of(l.baseline).fees, dec("0.075"));
    EXPECT_EQ(of(l.changed).fees, dec("0.2"));
  }
}

TEST_F(Shadow, ALimitBelowTheAskEndsUnfilled) {
  World& w = recorded_.world;
  w.add_follower(0, "1000");
  w.ask = dec("100.009");  // between two ticks: a cap without slippage is below it
  recorded_.trade(Side::buy, "1");
  recorded_.reply_filled(w.last_place(), "100", "0", "USDT");
  recorded_.write();
  const auto report = run({{"slippage_bps_max", "0"}});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(count(report->links.front().changed, Outcome::failed, Reason::not_filled), 1U);
  EXPECT_EQ(count(report->links.front().baseline, Outcome::copied, Reason::none), 1U);
}

TEST(LinkTerms, ALinkWithoutOtherTermsIsTheSameByteForByte) {
  CopyLink link = make_link(3);
  link.sizing_mode = SizingMode::fixed_quantity;
  link.entry_style = EntryStyle::market;
  link.min_lot_policy = MinLotPolicy::round_up;
  link.status = LinkStatus::exits_only;
  link.user_active = link.subscription_active = false;
  link.symbol_filter = SymbolFilter::deny;
  link.symbol_count = 2;
  link.symbols[0] = btc;
  link.symbols[1] = Symbol::cut("ETH/USDT");
  link.protect = true;
  link.percentage_e2 = 1'234;
  link.slippage_bps_max = 17;
  link.entry_ttl_ms = 1'234;
  link.copy_amount = dec("12.5");
  link.copy_quantity = dec("0.00000001");
  link.order_notional_max = dec("1");
  link.position_notional_max = dec("2");
  link.exposure_usd_max = dec("3");
  link.daily_loss_usd_max = dec("4");
  link.drawdown_usd_max = dec("5.00000001");
  link.risk_epoch = 6;
  link.positions_max = 7;
  link.entries_per_minute_max = 8;
  link.drawdown_from = DrawdownFrom::peak;
  link.drawdown_action = DrawdownAction::close;
  link.version = 9;
  const auto same = with_terms(link, {});
  ASSERT_TRUE(same) << same.error();
  const Event a = make_event(link), b = make_event(*same);
  EXPECT_EQ(std::memcmp(&a, &b, sizeof a), 0);
  std::swap(link.leader.value, link.channel.value);
  EXPECT_EQ(with_terms(link, {})->channel, link.channel);
}

TEST_F(Shadow, WhatIsNotAllowedIsNamedWithWhatIs) {
  record_a_round();
  const std::tuple<LinkTerm, const char*> cases[] = {
      {{"copy_percentage", "0"}, "copy_percentage: 0; allowed: a number above 0"},
      {{"copy_percentage", "1000"}, "copy_percentage: 1000; allowed: 0.01 to 999.99"},
      {{"copy_percentage", "12.345"}, "copy_percentage: 12.345; allowed: a number with at most 2"},
      {{"slippage_bps_max", "ten"}, "slippage_bps_max: ten; allowed: 0 to 10000"},
      {{"slippage_bps_max", "10001"}, "slippage_bps_max: 10001; allowed: 0 to 10000"},
      {{"slippage_bps_max", "NULL"}, "slippage_bps_max: NULL; allowed: a value"},
      {{"entry_ttl_ms", "0"}, "entry_ttl_ms: 0; allowed: 1 to 86400000"},
      {{"positions_max", "-1"}, "positions_max: -1; allowed: 1 to 2147483647, or NULL"},
      {{"sizing_mode", "all"}, "sizing_mode: all; allowed: leader_quantity, "},
      {{"sizing_mode", "fixed_notional"}, "copy_amount: NULL; allowed: an amount"},
      {{"symbols", "btc"}, "symbols: btc; allowed: BASE/QUOTE"},
      {{"status", "gone"}, "status: gone; allowed: active, paused"},
  };
  for (const auto& [term, says] : cases) {
    const auto report = run({term});
    ASSERT_FALSE(report) << term.first << "=" << term.second;
    EXPECT_EQ(report.error().exit_code, 64);
    EXPECT_THAT(report.error().message, HasSubstr(says));
  }
  const auto setting = run({}, {"engine.taker_fee_bps=1001"});
  ASSERT_FALSE(setting);
  EXPECT_THAT(setting.error().message,
              HasSubstr("engine.taker_fee_bps = \"1001\": allowed: a whole "
                        "number from 0 to 1000"));
}

// Where the beginning is no longer kept, a run goes on from the snapshot: with what is held, its
// terms changed from there on.
TEST_F(Shadow, GoesOnFromASnapshotWhereTheBeginningIsGone) {
  World& w = recorded_.world;
  CopyLink link = make_link(0);
  link.symbol_filter = SymbolFilter::allow;
  link.symbol_count = 1;
  link.symbols[0] = btc;
  link.drawdown_usd_max = dec("500");
  link.order_notional_max = dec("400");
  w.add_follower(0, link, "1000");
  recorded_.trade(Side::buy, "2");
  recorded_.reply_filled(w.last_place(), "100", "0", "USDT");
  recorded_.tell_balance(0, usdt, "800");
  recorded_.tell_balance(0, btc_asset, "2");
  const auto told = w.core.link(link_id(0));
  ASSERT_TRUE(told);
  EXPECT_FALSE(w.core.would_change(make_event(*told))) << "a link is told as it was";
  // A price for a limit in USD, again and again: more than a segment of it.
  for (int i = 0; i < 3'000; ++i) tell_price("99.99", "100");
  recorded_.snapshot_here();
  tell_price("99.99", "100");
  recorded_.trade(Side::buy, "2");
  recorded_.reply_filled(w.last_place(), "100", "0", "USDT");
  recorded_.tell_balance(0, usdt, "600");
  recorded_.tell_balance(0, btc_asset, "4");
  w.bid = dec("120");
  w.ask = dec("120.01");
  recorded_.trade(Side::sell, "2");  // half
  recorded_.reply_filled(w.last_place(), "120", "0", "USDT");
  recorded_.write();
  recorded_.remove_before_snapshot();

  const auto report = run({{"copy_percentage", "50"}}, {"engine.exit_attempts_per_minute=60"});
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->shards.size(), 1U);
  EXPECT_NE(report->shards.front().snapshot_ns, 0);
  EXPECT_GT(report->shards.front().first, 3'000U);
  ASSERT_EQ(report->links.size(), 1U);
  const ShadowLink& l = report->links.front();
  for (const LinkFigures* const side : {&l.recorded, &l.baseline}) {
    EXPECT_EQ(of(*side).bought, dec("2")) << "what was bought before is held, not traded";
    EXPECT_EQ(of(*side).sold, dec("2"));
    EXPECT_EQ(of(*side).quantity, dec("2"));
    EXPECT_EQ(of(*side).realised, dec("40"));
  }
  EXPECT_EQ(of(l.changed).bought, dec("1"));
  EXPECT_EQ(of(l.changed).sold, dec("1.5"));
  EXPECT_EQ(of(l.changed).quantity, dec("1.5"));
  EXPECT_EQ(of(l.changed).realised, dec("30"));
}

TEST_F(Shadow, AReplayDerivesIntentsTwiceAndComparesThemWithWhatWasRecorded) {
  record_a_round();
  const auto replayed = replay_journal(folder_.path("journal"), 0, {.check_intents = true});
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->mismatch, "");
  EXPECT_EQ(replayed->intents, 2U);
  EXPECT_EQ(replayed->intents_digest.size(), 64U);
  EXPECT_EQ(replay_journal(folder_.path("journal"), 0, {.check_intents = true})->intents_digest,
            replayed->intents_digest);
}

}  // namespace
}  // namespace oneclick
