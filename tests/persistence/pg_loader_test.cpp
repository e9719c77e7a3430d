// The loader against a real PostgreSQL: what it tells at start, what it follows, what it refuses.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <thread>

#include "engine/base/clock.hpp"
#include "engine/domain/identity.hpp"
#include "persistence/loader_changes.hpp"
#include "persistence/pg.hpp"
#include "tests/persistence/recording_changes.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;
using State = RecordingChanges::State;

// What a change may take to have its effect, with room for a busy test machine: the contract is one
// second, and each test says how long it took.
constexpr int soon_ms = 5'000;

MasterKey test_key(std::string id, std::uint8_t fill) {
  MasterKey key{.id = std::move(id), .bytes = {}};
  key.bytes.fill(fill);
  return key;
}

class LoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    url_ = PgServer::fresh_database();
    query_.emplace(open_query(url_));
    make_users(*query_, 4);
    for (std::uint64_t n = 0; n < 4; ++n) seal_account(n);
  }
  void seal_account(std::uint64_t n) {
    const Credentials plain{.api_key = fmt::format("key{}", n),
                            .secret = Secret(fmt::format("secret{}", n)),
                            .passphrase = Secret(),
                            .key_type = KeyType::hmac};
    const auto sealed = seal_credentials(url_, key_, account(n), plain);
    ASSERT_TRUE(sealed.has_value()) << sealed.error();
  }
  void start() {
    loader_ = PgLoader::start({.database_url = url_, .master_keys = {key_}}, changes_, metrics_);
    ASSERT_TRUE(changes_.wait([](const State& s) { return s.snapshots > 0; }));
  }
  void sql(const std::string& text) { run(*query_, text); }
  // Follower n copies user 0.
  void add_link(std::uint64_t n, const std::string& more_columns = "",
                const std::string& more_values = "") {
    sql(
        fmt::format("INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id,"
                    " leader_user_id{}) VALUES ('{}', '{}', '{}', '{}'{})",
                    more_columns, link(n).to_text(), user(n).to_text(), account(n).to_text(),
                    user(0).to_text(), more_values));
  }
  void add_channel_link(std::uint64_t n) {
    sql(
        fmt::format("INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id,"
                    " channel_id) VALUES ('{}', '{}', '{}', '{}')",
                    link(n).to_text(), user(n).to_text(), account(n).to_text(), channel_));
  }
  void add_channel(const std::string& price) {
    sql(
        fmt::format("INSERT INTO premium_channels (id, creator_id, name, pricing_monthly) VALUES"
                    " ('{}', '{}', 'C', {})",
                    channel_, user(0).to_text(), price));
  }
  static std::string link_id(std::uint64_t n) { return link(n).to_text(); }
  bool soon(const std::function<bool(const State&)>& holds) {
    const std::int64_t begun = monotonic_now_ns();
    const bool held = changes_.wait(holds, soon_ms);
    RecordProperty("effect_ms", static_cast<int>((monotonic_now_ns() - begun) / 1'000'000));
    return held;
  }

  const std::string channel_ = id_of<ChannelId>(7, 1).to_text();
  const MasterKey key_ = test_key("k1", 7);
  std::string url_;
  std::optional<PgQuery> query_;
  Metrics metrics_;
  RecordingChanges changes_;
  std::unique_ptr<PgLoader> loader_;
};

TEST_F(LoaderTest, ASnapshotTellsEverything) {
  add_channel("9.99");
  sql(
      fmt::format("INSERT INTO engine.leader_feeds (user_exchange_id, baseline_at) VALUES"
                  " ('{}', '2026-01-02 03:04:05+00')",
                  account(0).to_text()));
  add_link(1,
           ", copy_percentage, copy_amount, symbol_filter, symbols, order_notional_max,"
           " min_lot_policy, entry_style, slippage_bps_max, entry_ttl_ms, status, positions_max,"
           " entries_per_minute_max, exposure_usd_max, daily_loss_usd_max, drawdown_usd_max,"
           " drawdown_from, drawdown_action, risk_epoch",
           ", 12.5, 1000.25, 'allow', '{BTC/USDT,ETH/USDT}', 77.5, 'round_up', 'market', 30, 900,"
           " 'exits_only', 3, 20, 500, 50.5, 200, 'peak', 'close', 4");
  add_channel_link(2);
  sql("INSERT INTO engine.kill_switches (active, symbol) VALUES (true, 'BTC/USDT')");
  sql(
      fmt::format("INSERT INTO user_exchanges (user_id, exchange_name, status) VALUES"
                  " ('{}', 'kraken', 'connected')",
                  user(1).to_text()));
  start();
  const State s = changes_.state();
  EXPECT_EQ(s.accounts.size(), 4U) << "an account at a venue we do not know is not told";
  EXPECT_TRUE(s.invalid.empty()) << s.invalid[0];
  const Account a = s.accounts.at(account(1).to_text());
  EXPECT_EQ(a.user, user(1));
  EXPECT_EQ(a.venue, Venue::binance);
  EXPECT_TRUE(a.connected);
  EXPECT_FALSE(a.sandbox);
  EXPECT_EQ(s.credentials.at(account(1).to_text()).api_key, "key1");
  EXPECT_EQ(s.credentials.at(account(1).to_text()).secret.view(), "secret1");
  const CopyLink l = s.links.at(link_id(1));
  EXPECT_EQ(l.follower, user(1));
  EXPECT_EQ(l.account, account(1));
  EXPECT_EQ(l.portfolio, portfolio(1)) << "the default one";
  EXPECT_EQ(l.leader, user(0));
  EXPECT_TRUE(l.channel.is_nil());
  EXPECT_EQ(l.percentage_e2, 1250);
  EXPECT_EQ(l.copy_amount, Decimal::of("1000.25"));
  EXPECT_EQ(l.order_notional_max, Decimal::of("77.5"));
  EXPECT_EQ(l.symbol_filter, SymbolFilter::allow);
  ASSERT_EQ(l.symbol_count, 2);
  EXPECT_EQ(l.symbols[1].view(), "ETH/USDT");
  EXPECT_EQ(l.min_lot_policy, MinLotPolicy::round_up);
  EXPECT_EQ(l.entry_style, EntryStyle::market);
  EXPECT_EQ(l.slippage_bps_max, 30);
  EXPECT_EQ(l.entry_ttl_ms, 900);
  EXPECT_EQ(l.positions_max, 3);
  EXPECT_EQ(l.entries_per_minute_max, 20);
  EXPECT_EQ(l.exposure_usd_max, Decimal::of("500"));
  EXPECT_EQ(l.daily_loss_usd_max, Decimal::of("50.5"));
  EXPECT_EQ(l.drawdown_usd_max, Decimal::of("200"));
  EXPECT_EQ(l.drawdown_from, DrawdownFrom::peak);
  EXPECT_EQ(l.drawdown_action, DrawdownAction::close);
  EXPECT_EQ(l.risk_epoch, 4);
  EXPECT_EQ(l.status, LinkStatus::exits_only);
  EXPECT_TRUE(l.user_active);
  EXPECT_TRUE(l.subscription_active);
  EXPECT_EQ(l.version, 1);
  const CopyLink paid = s.links.at(link_id(2));
  EXPECT_EQ(paid.percentage_e2, 10'000) << "NULL means 100";
  EXPECT_FALSE(paid.subscription_active) << "a paid channel without a subscription";
  EXPECT_EQ(s.feeds.at(account(0).to_text()).leader, user(0));
  EXPECT_EQ(s.feeds.at(account(0).to_text()).baseline_ns, 1'767'323'045'000'000'000);
  EXPECT_EQ(s.channels.at(channel_).first, user(0));
  ASSERT_EQ(s.switches.size(), 1U);
  EXPECT_TRUE(s.switches[0].on);
  EXPECT_EQ(s.switches[0].symbol.view(), "BTC/USDT");
}

TEST_F(LoaderTest, AFollowerAddedChangedAndRemovedTakesEffect) {
  start();
  add_link(1);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(1)); }));
  sql("UPDATE engine.copy_links SET copy_percentage = 50");
  ASSERT_TRUE(soon([](const State& s) { return s.links.at(link_id(1)).percentage_e2 == 5'000; }));
  EXPECT_EQ(changes_.state().links.at(link_id(1)).version, 2);
  sql("DELETE FROM engine.copy_links");
  ASSERT_TRUE(soon([](const State& s) { return s.links.empty(); }));
  EXPECT_EQ(changes_.state().snapshots, 1);
}

TEST_F(LoaderTest, PermissionFollowsUserAccountAndSubscription) {
  add_channel("9.99");
  add_channel_link(1);
  sql(
      fmt::format("INSERT INTO subscriptions (user_id, channel_id, status, start_date) VALUES"
                  " ('{}', '{}', 'active', '2020-01-01')",
                  user(1).to_text(), channel_));
  start();
  const auto told = [](const State& s) { return s.links.at(link_id(1)); };
  EXPECT_TRUE(told(changes_.state()).subscription_active);
  sql("UPDATE users SET account_status = 'suspended' WHERE username = 'u1'");
  ASSERT_TRUE(soon([&](const State& s) { return !told(s).user_active; }));
  sql("UPDATE users SET account_status = 'active' WHERE username = 'u1'");
  ASSERT_TRUE(soon([&](const State& s) { return told(s).user_active; }));
  sql("UPDATE subscriptions SET status = 'expired'");
  ASSERT_TRUE(soon([&](const State& s) { return !told(s).subscription_active; }));
  sql("UPDATE subscriptions SET status = 'active'");
  ASSERT_TRUE(soon([&](const State& s) { return told(s).subscription_active; }));
  sql("UPDATE subscriptions SET end_date = (now() AT TIME ZONE 'UTC') + interval '1500 ms'");
  ASSERT_TRUE(soon([&](const State& s) { return !told(s).subscription_active; }))
      << "nobody writes when an end date passes";
  sql("DELETE FROM subscriptions");
  sql("UPDATE premium_channels SET pricing_monthly = 0");
  ASSERT_TRUE(soon([&](const State& s) { return told(s).subscription_active; }));
  sql("UPDATE user_exchanges SET status = 'disconnected' WHERE user_id = '" + user(1).to_text() +
      "'");
  ASSERT_TRUE(soon([](const State& s) { return !s.accounts.at(account(1).to_text()).connected; }));
  sql("DELETE FROM user_exchanges WHERE user_id = '" + user(1).to_text() + "'");
  ASSERT_TRUE(soon([](const State& s) {
    return !s.accounts.contains(account(1).to_text()) && s.links.empty();
  }));
}

TEST_F(LoaderTest, ColumnsThatDoNotMatterAreNoNews) {
  add_link(1);
  start();
  const int calls = changes_.state().calls;
  sql("UPDATE users SET last_login_at = now() AT TIME ZONE 'UTC', total_followers = 3");
  sql("UPDATE user_exchanges SET last_sync_at = now() AT TIME ZONE 'UTC'");
  EXPECT_EQ(row_text(*query_,
                     "SELECT count(*) FROM engine.change_log WHERE op = 'update'"
                     " AND table_name = 'users'"),
            "0");
  add_link(2);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(2)); }));
  EXPECT_EQ(changes_.state().calls, calls + 1);
}

TEST_F(LoaderTest, AnEarlierTransactionThatCommitsLateIsNotMissed) {
  start();
  PgQuery early = open_query(url_);
  run(early, "BEGIN");
  run(early,
      fmt::format("INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id,"
                  " leader_user_id) VALUES ('{}', '{}', '{}', '{}')",
                  link_id(1), user(1).to_text(), account(1).to_text(), user(0).to_text()));
  for (std::uint64_t n = 2; n < 4; ++n) {
    add_link(n);  // later transactions, later ids, committed earlier
    ASSERT_TRUE(soon([&](const State& s) { return s.links.contains(link_id(n)); }))
        << "a transaction left open elsewhere must not hold changes back";
  }
  EXPECT_FALSE(changes_.state().links.contains(link_id(1)));
  const int calls = changes_.state().calls;
  run(early, "COMMIT");
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(1)); }));
  EXPECT_EQ(changes_.state().calls, calls + 1) << "what had taken effect already is not told again";
}

TEST_F(LoaderTest, AChainThatComesBackOrIsTooLongIsRefusedWhicheverLinkCameLast) {
  make_users(*query_, 4, 4);
  for (std::uint64_t n = 4; n < 8; ++n) seal_account(n);
  // Link n is follower n's; where it leads from is whom it copies.
  const auto follow = [&](std::uint64_t follower, std::uint64_t leader, bool chain) {
    sql(
        fmt::format("INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id,"
                    " leader_user_id, chain) VALUES ('{}', '{}', '{}', '{}', {})",
                    link(follower).to_text(), user(follower).to_text(), account(follower).to_text(),
                    user(leader).to_text(), chain));
  };
  const auto refused = [&](std::size_t count) {
    return soon([&](const State& s) { return s.invalid.size() >= count; });
  };
  follow(1, 0, true);
  follow(2, 1, true);
  start();
  follow(3, 2, true);
  follow(4, 3, true);
  ASSERT_TRUE(soon([](const State& s) { return s.links.size() == 4; }));
  EXPECT_TRUE(changes_.state().links.at(link_id(4)).chain);
  follow(5, 4, true);
  ASSERT_TRUE(refused(1));
  EXPECT_EQ(changes_.state().invalid[0],
            fmt::format("engine.copy_links {4} chain: true, which makes a chain of 5 links ({0},"
                        " {1}, {2}, {3}, {4}); allowed: 4 links",
                        link_id(1), link_id(2), link_id(3), link_id(4), link_id(5)));
  follow(0, 4, true);  // closes the ring
  ASSERT_TRUE(refused(2));
  EXPECT_EQ(
      changes_.state().invalid[1],
      fmt::format("engine.copy_links {0} chain: true, which leads back to leader {5} over"
                  " links {1}, {2}, {3}, {4}; allowed: chains that do not come back",
                  link_id(0), link_id(1), link_id(2), link_id(3), link_id(4), user(4).to_text()));
  EXPECT_EQ(changes_.state().links.size(), 4U);
  // In front, too: what makes the chain too long need not be its end.
  follow(7, 6, false);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(7)); }))
      << "others are no part of a chain";
  sql(fmt::format("UPDATE engine.copy_links SET leader_user_id = '{}' WHERE id = '{}'",
                  user(7).to_text(), link_id(0)));
  ASSERT_TRUE(refused(3));
  EXPECT_NE(changes_.state().invalid[2].find("a chain of 5 links (" + link_id(0)),
            std::string::npos);
  // A link in the middle that chains no more breaks it: what was refused is taken.
  sql(fmt::format("UPDATE engine.copy_links SET chain = false WHERE id = '{}'", link_id(2)));
  ASSERT_TRUE(soon([](const State& s) {
    return s.links.contains(link_id(0)) && s.links.contains(link_id(5)) && s.links.size() == 7;
  }));
  // And it cannot come back. It is in force no more.
  sql(fmt::format("UPDATE engine.copy_links SET chain = true WHERE id = '{}'", link_id(2)));
  ASSERT_TRUE(soon([](const State& s) { return !s.links.contains(link_id(2)); }));
  // A new loader reads all at once, in the order in which links were made.
  loader_.reset();
  start();
  ASSERT_TRUE(soon([](const State& s) { return s.snapshots == 2; }));
  const State anew = changes_.state();
  EXPECT_EQ(anew.links.size(), 5U);
  EXPECT_TRUE(anew.links.at(link_id(2)).chain);
  EXPECT_FALSE(anew.links.contains(link_id(0)) || anew.links.contains(link_id(5)));
}

TEST_F(LoaderTest, LimitsOverAccountsLeadersAndChannelsAreFollowed) {
  const std::string of_account = "account " + account(1).to_text();
  const std::string of_leader = "leader " + user(0).to_text();
  sql(
      fmt::format("INSERT INTO engine.risk_limits VALUES ('account', '{}', 100.5, 200, 3, 4, 500,"
                  " 60.25, 70, 'peak', 'close', 8)",
                  account(1).to_text()));
  start();
  const RiskLimits l = changes_.state().limits.at(of_account);
  EXPECT_EQ(l.scope, LimitScope::account);
  EXPECT_EQ(l.id, account(1).value);
  EXPECT_EQ(l.order_notional_max, Decimal::of("100.5"));
  EXPECT_EQ(l.position_notional_max, Decimal::of("200"));
  EXPECT_EQ(l.positions_max, 3);
  EXPECT_EQ(l.entries_per_minute_max, 4);
  EXPECT_EQ(l.exposure_usd_max, Decimal::of("500"));
  EXPECT_EQ(l.daily_loss_usd_max, Decimal::of("60.25"));
  EXPECT_EQ(l.drawdown_usd_max, Decimal::of("70"));
  EXPECT_EQ(l.drawdown_from, DrawdownFrom::peak);
  EXPECT_EQ(l.drawdown_action, DrawdownAction::close);
  EXPECT_EQ(l.risk_epoch, 8);
  sql(
      fmt::format("INSERT INTO engine.risk_limits (scope, scope_id, positions_max) VALUES"
                  " ('leader', '{}', 9), ('channel', '{}', 10)",
                  user(0).to_text(), channel_));
  ASSERT_TRUE(soon([](const State& s) { return s.limits.size() == 3; }));
  EXPECT_EQ(changes_.state().limits.at(of_leader).positions_max, 9);
  EXPECT_TRUE(changes_.state().limits.at(of_leader).drawdown_usd_max.is_zero()) << "NULL is none";
  sql("UPDATE engine.risk_limits SET positions_max = 2, risk_epoch = 9 WHERE scope = 'account'");
  ASSERT_TRUE(soon([&](const State& s) {
    return s.limits.at(of_account).positions_max == 2 && s.limits.at(of_account).risk_epoch == 9;
  }));
  // Another id: the one before is limited no more.
  sql(fmt::format("UPDATE engine.risk_limits SET scope_id = '{}' WHERE scope = 'account'",
                  account(2).to_text()));
  ASSERT_TRUE(soon([&](const State& s) {
    return !s.limits.contains(of_account) && s.limits.contains("account " + account(2).to_text());
  }));
  // A row that does not hold, from before the check was there, takes no limit away.
  sql("ALTER TABLE engine.risk_limits DROP CONSTRAINT risk_limits_exposure_usd_max_check;"
      "UPDATE engine.risk_limits SET exposure_usd_max = 'NaN' WHERE scope = 'leader'");
  ASSERT_TRUE(soon([](const State& s) { return !s.invalid.empty(); }));
  EXPECT_NE(changes_.state().invalid[0].find("exposure_usd_max: NaN; allowed: a number"),
            std::string::npos)
      << changes_.state().invalid[0];
  EXPECT_EQ(changes_.state().limits.at(of_leader).positions_max, 9);
  sql("DELETE FROM engine.risk_limits WHERE scope <> 'account'");
  ASSERT_TRUE(soon([](const State& s) { return s.limits.size() == 1; }));
  EXPECT_EQ(changes_.state().snapshots, 1);
}

TEST_F(LoaderTest, AnEmptiedTableIsReadAgain) {
  add_link(1);
  start();
  sql("TRUNCATE engine.copy_links CASCADE");
  ASSERT_TRUE(soon([](const State& s) { return s.snapshots == 2 && s.links.empty(); }));
  add_link(2);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(2)); }));
}

TEST_F(LoaderTest, ALostConnectionStartsOver) {
  add_link(1);
  start();
  (void)query_->rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE application_name = 'oneclick loader' AND datname = current_database()");
  add_link(2);
  ASSERT_TRUE(soon([](const State& s) { return s.snapshots == 2 && s.links.size() == 2; }));
  EXPECT_TRUE(loader_->loaded());
}

TEST_F(LoaderTest, SignalsBecomeLeaderEvents) {
  add_channel("NULL");
  start();
  const std::string id = id_of<SignalId>(6, 1).to_text();
  changes_.refuse_events(3);
  sql(fmt::format(
      "INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol,"
      " entry_price, stop_loss, take_profit, quantity_suggestion, status, created_at)"
      " VALUES ('{}', '{}', '{}', 'sell', 'BTC/USDT', 100.5, 110, 90, 2.25, 'active',"
      " '2026-01-02 03:04:05.5')",
      id, channel_, user(0).to_text()));
  ASSERT_TRUE(soon([](const State& s) { return s.events.size() == 1; }));
  const LeaderEvent e = changes_.state().events[0];
  EXPECT_EQ(e.id, signal_event_id(id_of<SignalId>(6, 1), LeaderEventKind::signal_published, 0));
  EXPECT_EQ(e.kind, LeaderEventKind::signal_published);
  EXPECT_EQ(e.source, EventSource::database);
  EXPECT_EQ(e.venue, Venue::none);
  EXPECT_EQ(e.side, Side::sell);
  EXPECT_EQ(e.signal_type, SignalType::sell);
  EXPECT_EQ(e.leader, user(0));
  EXPECT_EQ(e.channel.to_text(), channel_);
  EXPECT_EQ(e.symbol.view(), "BTC/USDT");
  EXPECT_EQ(e.quantity, Decimal::of("2.25"));
  EXPECT_EQ(e.price, Decimal::of("100.5"));
  EXPECT_EQ(e.stop_loss, Decimal::of("110"));
  EXPECT_EQ(e.take_profit, Decimal::of("90"));
  EXPECT_EQ(e.event_time_ns, 1'767'323'045'500'000'000);

  sql(
      fmt::format("INSERT INTO signal_followers (signal_id, user_id, follow_type, copy_amount,"
                  " copy_percentage) VALUES ('{}', '{}', 'watching', 50.5, 25)",
                  id, user(1).to_text()));
  sql("UPDATE signal_followers SET follow_type = 'copying'");
  ASSERT_TRUE(soon([](const State& s) { return s.events.size() == 2; }));
  const LeaderEvent copy = changes_.state().events[1];
  EXPECT_EQ(copy.kind, LeaderEventKind::one_click_copy);
  EXPECT_EQ(copy.id, copy_event_id(id_of<SignalId>(6, 1), user(1)));
  EXPECT_EQ(copy.target, user(1));
  EXPECT_EQ(copy.copy_amount, Decimal::of("50.5"));
  EXPECT_EQ(copy.percentage_e2, 2'500);

  sql(
      fmt::format("INSERT INTO signal_updates (signal_id, update_type, new_value) VALUES"
                  " ('{}', 'stop_loss', '105.5')",
                  id));
  ASSERT_TRUE(soon([](const State& s) { return s.events.size() == 3; }));
  EXPECT_EQ(changes_.state().events[2].kind, LeaderEventKind::signal_updated);
  EXPECT_EQ(changes_.state().events[2].stop_loss, Decimal::of("105.5"));

  sql("UPDATE trading_signals SET status = 'closed', closed_at = '2026-01-03'");
  ASSERT_TRUE(soon([](const State& s) { return s.events.size() == 4; }));
  const LeaderEvent closed = changes_.state().events[3];
  EXPECT_EQ(closed.kind, LeaderEventKind::signal_closed);
  EXPECT_EQ(closed.id, signal_event_id(id_of<SignalId>(6, 1), LeaderEventKind::signal_closed, 0));
}

TEST_F(LoaderTest, WhatWasWrittenWhileItWasDownTakesEffect) {
  add_channel("NULL");
  const std::string before = id_of<SignalId>(6, 1).to_text(),
                    down = id_of<SignalId>(6, 2).to_text();
  const auto publish = [&](const std::string& id) {
    sql(
        fmt::format("INSERT INTO trading_signals (id, channel_id, creator_id, signal_type,"
                    " asset_symbol, status) VALUES ('{}', '{}', '{}', 'buy', 'BTC/USDT', 'active')",
                    id, channel_, user(0).to_text()));
  };
  publish(before);
  start();
  ASSERT_TRUE(soon([](const State& s) { return s.events.size() == 1; }))
      << "written before the first start ever";
  // The cursor is written once it is some seconds old; then the first signal is history.
  ASSERT_TRUE([&] {
    const std::int64_t until = steady_now_ns() + 20'000'000'000;
    while (steady_now_ns() < until) {
      if (row_text(*query_, "SELECT xid > '0'::xid8 FROM engine.change_cursors") == "t")
        return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }());
  loader_.reset();
  publish(down);
  add_link(1);
  start();
  ASSERT_TRUE(soon([](const State& s) { return s.events.size() == 2; }));
  const State s = changes_.state();
  EXPECT_EQ(s.events[1].signal.to_text(), down);
  EXPECT_TRUE(s.links.contains(link_id(1)));
}

TEST_F(LoaderTest, TheCursorIsWrittenLateAndOnlyWhatEveryReaderHasBehindItIsRemoved) {
  const auto logged = [&] { return row_text(*query_, "SELECT count(*) FROM engine.change_log"); };
  StopSignal stop;
  auto connection = PgConnection::open(url_, {.application_name = "test"}, stop);
  ASSERT_TRUE(connection.has_value());
  constexpr std::int64_t second = 1'000'000'000, start_ns = 1'000 * second;
  ChangeFollower follower;
  ASSERT_TRUE(follower.open(**connection).has_value());
  add_link(1);
  const auto set = follower.read(**connection);
  ASSERT_TRUE(set.has_value());
  EXPECT_TRUE(set->links.contains(link_id(1)));
  EXPECT_TRUE(set->users.contains(user(3).to_text()))
      << "all that was logged before the first start";
  EXPECT_EQ(follower.read(**connection)->count, set->count) << "not taken yet: given again";
  follower.taken();
  EXPECT_EQ(follower.read(**connection)->count, 0U);
  follower.taken();
  const std::string cursor =
      "SELECT xid > '0'::xid8 FROM engine.change_cursors WHERE reader = 'oneclick'";
  ASSERT_TRUE(follower.save(**connection, start_ns).has_value());
  ASSERT_TRUE(follower.save(**connection, start_ns + 5 * second - 1).has_value());
  EXPECT_EQ(row_text(*query_, cursor), "f");
  ASSERT_TRUE(follower.save(**connection, start_ns + 5 * second).has_value());
  EXPECT_EQ(row_text(*query_, cursor), "t");
  EXPECT_NE(logged(), "0");
  sql("INSERT INTO engine.change_cursors (reader, xid) VALUES ('slow', '0')");
  ASSERT_TRUE(follower.save(**connection, start_ns + 60 * second).has_value());
  EXPECT_NE(logged(), "0") << "the slow reader still needs them";
  sql("DELETE FROM engine.change_cursors WHERE reader = 'slow'");
  ASSERT_TRUE(follower.save(**connection, start_ns + 120 * second).has_value());
  EXPECT_EQ(logged(), "0");
}

TEST_F(LoaderTest, ReleasesOfQuarantinesAreToldUntilTheyAreCarriedOut) {
  add_link(1);
  PgQuery engine = open_query(url_);
  run(engine, "SET oneclick.writer = 'engine'");
  const auto set_aside = [&](const char* symbol, const char* at) {
    run(engine,
        fmt::format("INSERT INTO engine.quarantines (link_id, symbol, quarantined_at,"
                    " follower_user_id, user_exchange_id, asset, reason, expected, found,"
                    " account_expected, account_found, updated_at) VALUES ('{}', '{}', '{}', '{}',"
                    " '{}', 'BTC', 'shortfall', 1, 0.5, 1, 0.5, now())",
                    link_id(1), symbol, at, user(1).to_text(), account(1).to_text()));
  };
  set_aside("BTC/USDT", "2026-01-02 03:04:05.678901+00");
  set_aside("ETH/USDT", "2026-01-02 03:04:06+00");
  const std::string asked = fmt::format("SELECT engine.release_quarantine('{}', ", link_id(1));
  EXPECT_EQ(row_text(*query_, asked + "'ETH/USDT')"), "1");
  start();
  ASSERT_TRUE(soon([](const State& s) { return s.releases.size() == 1; }))
      << "what was asked for while nobody listened";
  EXPECT_EQ(changes_.state().releases[0].symbol.view(), "ETH/USDT");
  run(engine, "UPDATE engine.quarantines SET released_at = now() WHERE symbol = 'ETH/USDT'");
  EXPECT_EQ(row_text(*query_, asked + "NULL)"), "1");
  ASSERT_TRUE(soon([](const State& s) { return s.releases.size() == 2; }));
  const QuarantineRelease told = changes_.state().releases[1];
  EXPECT_EQ(told.symbol.view(), "BTC/USDT");
  EXPECT_EQ(told.link, link(1));
  EXPECT_EQ(told.account, account(1));
  EXPECT_EQ(told.quarantined_ns, 1'767'323'045'678'901'000);
}

TEST_F(LoaderTest, KillSwitchesOfThePlatformAreFollowedThoseOfTheEngineAreNot) {
  start();
  sql("INSERT INTO engine.kill_switches (active, venue) VALUES (true, 'binance')");
  ASSERT_TRUE(soon([](const State& s) { return s.switches.size() == 1 && s.switches[0].on; }));
  PgQuery engine = open_query(url_);
  run(engine, "SET oneclick.writer = 'engine'");
  run(engine, "UPDATE engine.kill_switches SET active = false");
  run(engine, "UPDATE engine.kill_switches SET active = true");
  sql("UPDATE engine.kill_switches SET active = false");
  ASSERT_TRUE(soon([](const State& s) { return s.switches.size() == 2 && !s.switches[1].on; }));
  sql("UPDATE engine.kill_switches SET active = true");
  ASSERT_TRUE(soon([](const State& s) { return s.switches.size() == 3 && s.switches[2].on; }));
  sql("DELETE FROM engine.kill_switches");
  ASSERT_TRUE(soon([](const State& s) { return s.switches.size() == 4 && !s.switches[3].on; }))
      << "a switch whose row is gone is off";
}

TEST_F(LoaderTest, NamesOfSymbolsAreFollowedAndWhatInstrumentsAreCalledIsNot) {
  sql("INSERT INTO engine.instruments SELECT 'binance', 'BTC/USDT', 'BTCUSDT', 'trading', 'BTC',"
      " 'USDT', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, false, now()");
  sql("INSERT INTO engine.symbol_map VALUES ('binance', 'BTCUSDT', 'BTC/USDT'),"
      " ('binance', 'XBTUSD', 'BTC/USD')");
  start();
  const auto last = [](const State& s) {
    return s.mappings.empty() ? std::string()
                              : fmt::format("{} {} {}", s.mappings.back().venue_symbol.view(),
                                            s.mappings.back().symbol.view(),
                                            s.mappings.back().present ? "on" : "off");
  };
  EXPECT_EQ(changes_.state().mappings.size(), 1U);
  EXPECT_EQ(last(changes_.state()), "XBTUSD BTC/USD on");
  sql("UPDATE engine.symbol_map SET symbol = 'BTC/EUR' WHERE venue_symbol = 'XBTUSD'");
  EXPECT_TRUE(soon([&](const State& s) { return last(s) == "XBTUSD BTC/EUR on"; }));
  sql("DELETE FROM engine.symbol_map WHERE venue_symbol = 'XBTUSD'");
  EXPECT_TRUE(soon([&](const State& s) { return last(s) == "XBTUSD BTC/EUR off"; }));
  // In place of its own name: other leaders' symbol is copied by it.
  sql("UPDATE engine.symbol_map SET symbol = 'BTC/USD' WHERE venue_symbol = 'BTCUSDT'");
  EXPECT_TRUE(soon([&](const State& s) { return last(s) == "BTCUSDT BTC/USD on"; }));
}

TEST_F(LoaderTest, ApiKeysAreToldAndRevokedWithinASecond) {
  start();
  const auto made =
      add_api_key(url_, user(1), "bot", {"signals:write", "stream:read"}, std::nullopt);
  ASSERT_TRUE(made.has_value()) << made.error();
  const std::string id = made->id.to_text();
  ASSERT_TRUE(soon([&](const State& s) { return s.keys.contains(id); }));
  const ApiKey key = changes_.state().keys.at(id);
  EXPECT_EQ(key.user, user(1));
  EXPECT_EQ(key.scopes, static_cast<std::uint32_t>(scope_signals_write | scope_stream_read));
  EXPECT_EQ(key.expires_ns, 0);
  EXPECT_TRUE(key.user_active);
  const std::string secret = made->token.substr(3 + 36 + 1);
  EXPECT_EQ(made->token, "oc_" + id + "_" + secret);
  EXPECT_EQ(key.key_hash, sha256(secret));
  sql("UPDATE users SET account_status = 'banned' WHERE username = 'u1'");
  ASSERT_TRUE(soon([&](const State& s) { return !s.keys.at(id).user_active; }));
  const std::int64_t begun = monotonic_now_ns();
  ASSERT_TRUE(revoke_api_key(url_, made->id).value());
  ASSERT_TRUE(changes_.wait([&](const State& s) { return s.keys.empty(); }, soon_ms));
  EXPECT_LT(monotonic_now_ns() - begun, 2'000'000'000);
  EXPECT_FALSE(revoke_api_key(url_, made->id).value()) << "there is nothing left to revoke";
}

TEST_F(LoaderTest, MovedOrAlteredCredentialsLeaveTheAccountOutAndRaiseOneSecurityEvent) {
  start();
  ASSERT_EQ(changes_.state().accounts.size(), 4U);
  sql(
      fmt::format("UPDATE user_exchanges SET api_secret = (SELECT api_secret FROM user_exchanges"
                  " WHERE id = '{}') WHERE id = '{}'",
                  account(2).to_text(), account(1).to_text()));
  ASSERT_TRUE(soon([](const State& s) {
    return !s.accounts.contains(account(1).to_text()) && s.invalid.size() == 1;
  }));
  const std::string problem = changes_.state().invalid[0];
  EXPECT_NE(problem.find("user_exchanges " + account(1).to_text() + " api_secret"),
            std::string::npos)
      << problem;
  EXPECT_EQ(problem.find("v1."), std::string::npos) << "the sealed text is not shown: " << problem;
  sql("UPDATE user_exchanges SET sandbox_mode = true WHERE id = '" + account(1).to_text() + "'");
  ASSERT_TRUE(soon([](const State& s) { return s.invalid.size() == 2; }));
  loader_.reset();
  start();
  EXPECT_EQ(row_text(*query_,
                     "SELECT count(*), min(user_id::text), min(severity) FROM"
                     " security_events WHERE event_type = 'credential_unreadable'"),
            "1|" + user(1).to_text() + "|high");
  seal_account(1);
  ASSERT_TRUE(soon([](const State& s) { return s.accounts.contains(account(1).to_text()); }));
}

TEST_F(LoaderTest, ARotationOfTheMasterKeyDisturbsNobody) {
  start();
  const int calls = changes_.state().calls;
  const MasterKey fresh = test_key("k2", 8);
  EXPECT_EQ(rewrap_credentials(url_, std::array{fresh, key_}), 4);
  add_link(1);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(1)); }));
  EXPECT_EQ(changes_.state().calls, calls + 1) << "the daemon does not even hear of it";
  // Whoever touches such a row now needs the new key.
  sql("UPDATE user_exchanges SET sandbox_mode = true WHERE id = '" + account(1).to_text() + "'");
  ASSERT_TRUE(soon([](const State& s) { return s.accounts.size() == 3; }));
  loader_->set_master_keys({fresh, key_});
  ASSERT_TRUE(soon([](const State& s) { return s.snapshots == 2 && s.accounts.size() == 4; }));
  EXPECT_TRUE(changes_.state().accounts.at(account(1).to_text()).sandbox);
  // Sealed again by hand, with the same credentials: no news either.
  const int after = changes_.state().calls;
  seal_account(2);
  add_link(3);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(3)); }));
  EXPECT_EQ(changes_.state().calls, after + 1);
}

// Each row is written by the platform with one thing wrong; it gets its error, and nothing else
// changes.
struct BadRow {
  const char* name;
  std::string sql;
  const char* expected;  // part of what is told
};

TEST_F(LoaderTest, EachBadRowGetsItsErrorAndNothingElseChanges) {
  add_channel("NULL");
  add_link(1);
  start();
  const std::string insert_link =
      "INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id, leader_user_id";
  const std::string owner = fmt::format(") VALUES ('{}', '{}', '{}'", user(2).to_text(),
                                        account(2).to_text(), user(0).to_text());
  const auto bad_link = [&](const std::string& column, const std::string& value) {
    return insert_link + ", " + column + owner + ", " + value + ")";
  };
  const auto bad_signal = [&](const std::string& columns, const std::string& values) {
    return fmt::format("INSERT INTO trading_signals (channel_id, {}) VALUES ('{}', {})", columns,
                       channel_, values);
  };
  const std::string creator = "'" + user(0).to_text() + "'";
  const std::vector<BadRow> table = {
      {"symbols", bad_link("symbols", "'{BTCUSDT}'"), "symbols: BTCUSDT; allowed: BASE/QUOTE"},
      {"symbol case", bad_link("symbols", "'{btc/usdt}'"),
       "symbols: btc/usdt; allowed: BASE/QUOTE"},
      {"infinity", bad_link("order_notional_max", "'NaN'"), "order_notional_max: NaN; allowed"},
      {"portfolio", bad_link("portfolio_id", "'" + portfolio(3).to_text() + "'"),
       "portfolio_id: " /* of another user */},
      {"self",
       insert_link +
           fmt::format(") VALUES ('{0}', '{1}', '{0}')", user(2).to_text(), account(2).to_text()),
       "leader_user_id: "},
      {"account of another",
       insert_link + fmt::format(") VALUES ('{}', '{}', '{}')", user(2).to_text(),
                                 account(3).to_text(), user(0).to_text()),
       "follower_exchange_id: "},
      {"api key hash",
       "INSERT INTO api_keys (user_id, name, key_hash, permissions) VALUES (" + creator +
           ", 'k', 'abc', '[\"admin\"]')",
       "api_keys"},
      {"api key scopes",
       "INSERT INTO api_keys (user_id, name, key_hash, permissions) VALUES (" + creator +
           ", 'k', 'abc', '\"admin\"')",
       "permissions: string; allowed: a JSON array"},
      {"credentials",
       "INSERT INTO user_exchanges (user_id, exchange_name, api_key, api_secret) VALUES (" +
           creator + ", 'Binance', 'plain', 'hunter2secret')",
       "api_key: sealed text that does not open"},
      {"no credentials",
       "INSERT INTO user_exchanges (user_id, exchange_name) VALUES (" + creator + ", 'binance')",
       "api_key: NULL; allowed: text sealed"},
      {"kill switch", "INSERT INTO engine.kill_switches (active, venue) VALUES (true, 'nowhere')",
       "venue: nowhere; allowed: binance"},
      {"signal symbol",
       bad_signal("creator_id, signal_type, status, asset_symbol",
                  creator + ", 'buy', 'active', 'BTC'"),
       "asset_symbol: BTC; allowed: BASE/QUOTE"},
      {"signal type", bad_signal("creator_id, status, asset_symbol", creator + ", 'active', 'A/B'"),
       "signal_type: NULL; allowed: buy, sell, hold"},
      {"signal status",
       bad_signal("creator_id, signal_type, asset_symbol", creator + ", 'buy', 'A/B'"),
       "status: NULL; allowed: active"},
      {"signal price",
       bad_signal("creator_id, signal_type, status, asset_symbol, entry_price",
                  creator + ", 'buy', 'active', 'A/B', -1"),
       "entry_price: -1.00000000; allowed: a number from 0"},
      {"signal creator", bad_signal("signal_type, status, asset_symbol", "'buy', 'active', 'A/B'"),
       "creator_id: NULL"},
      {"long symbol",
       bad_signal("creator_id, signal_type, status, asset_symbol",
                  creator + ", 'buy', 'active', '" + std::string(500, 'A') + "/B'"),
       "...; allowed: BASE/QUOTE"},
  };
  // Rows from before these checks were there.
  sql("ALTER TABLE api_keys DROP CONSTRAINT api_keys_permissions_check");
  sql("ALTER TABLE trading_signals DROP CONSTRAINT trading_signals_entry_price_check");
  State before = changes_.state();
  for (const BadRow& row : table) {
    SCOPED_TRACE(row.name);
    sql(row.sql);
    ASSERT_TRUE(changes_.wait(
        [&](const State& s) { return s.invalid.size() > before.invalid.size(); }, soon_ms));
    const State after = changes_.state();
    ASSERT_EQ(after.invalid.size(), before.invalid.size() + 1);
    EXPECT_NE(after.invalid.back().find(row.expected), std::string::npos) << after.invalid.back();
    EXPECT_EQ(after.invalid.back().find("hunter2secret"), std::string::npos);
    EXPECT_EQ(after.calls, before.calls + 1) << "only the error was told";
    before = after;
  }
  EXPECT_EQ(before.links.size(), 1U);
  EXPECT_EQ(before.accounts.size(), 4U);
  EXPECT_TRUE(before.events.empty());
}

TEST_F(LoaderTest, ALinkWithoutAPortfolioGetsTheDefaultOneMade) {
  sql("DELETE FROM portfolios");
  add_link(1);
  start();
  EXPECT_FALSE(changes_.state().links.at(link_id(1)).portfolio.is_nil());
  add_link(2);
  ASSERT_TRUE(soon([](const State& s) { return s.links.contains(link_id(2)); }));
  EXPECT_EQ(row_text(*query_, "SELECT count(*), bool_and(is_default), min(name) FROM portfolios"),
            "2|t|Default");
}

}  // namespace
}  // namespace oneclick
