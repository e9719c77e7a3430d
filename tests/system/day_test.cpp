// A day of a whole platform, in a minute: twenty leaders, two thousand links with every setting in
// use, signals with stops and targets, orders that rest, links that come, pause and stop, switches,
// and an exchange of which two orders in a hundred go wrong. At its end the books of engine,
// journal, database and exchange agree, as found by processes that see nothing else, and every link
// that matched has its one outcome.
#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "tests/system/exchange_client.hpp"
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

constexpr std::size_t followers = 1'580;
constexpr std::size_t leader_count = 20;
constexpr std::size_t links_min = 2'000;
constexpr int rounds = 12;
constexpr std::int64_t between_ns = 40'000'000;

// Who leads: the demo's leader, and followers with money who follow nobody then.
std::vector<demo::Trader> leaders_of(const demo::World& world) {
  std::vector<demo::Trader> out{world.leader};
  for (const demo::Trader& t : world.followers)
    if (out.size() < leader_count && t.quote_balance >= Decimal::from_integer(20'000))
      out.push_back(t);
  return out;
}

std::string list_of(const std::vector<demo::Trader>& leaders, bool accounts) {
  std::string out;
  for (const demo::Trader& t : leaders)
    out += fmt::format("{}'{}'::uuid", out.empty() ? "" : ",",
                       accounts ? t.account.to_text() : t.user.to_text());
  return "ARRAY[" + out + "]";
}

// Every setting of a link that spot can do, in proportions that leave most links trading.
std::string settings_sql(const std::vector<demo::Trader>& leaders) {
  const std::string users = list_of(leaders, false), accounts = list_of(leaders, true);
  return fmt::format(
      "DELETE FROM engine.copy_links WHERE follower_exchange_id = ANY ({1});"
      "INSERT INTO engine.leader_feeds (user_exchange_id) SELECT unnest({1}) ON CONFLICT DO "
      "NOTHING;"
      "UPDATE engine.copy_links l SET"
      " leader_user_id = CASE WHEN l.leader_user_id IS NULL THEN NULL ELSE ({0})[1 + n % {2}] END,"
      " sizing_mode = CASE n % 16 WHEN 1 THEN 'fixed_notional' WHEN 2 THEN 'fixed_quantity'"
      "   WHEN 3 THEN 'follower_equity' WHEN 4 THEN 'equity_proportional' WHEN 5 THEN 'fixed_risk'"
      "   ELSE 'leader_quantity' END,"
      " copy_percentage = CASE n % 16 WHEN 3 THEN 1 ELSE l.copy_percentage END,"
      " copy_amount = CASE WHEN n % 16 IN (1, 5) THEN 30 ELSE l.copy_amount END,"
      " copy_quantity = CASE n % 16 WHEN 2 THEN 0.0008 END,"
      " entry_style = CASE WHEN n % 9 = 0 THEN 'mirror' ELSE l.entry_style END,"
      " slippage_bps_max = 20 + 20 * (n % 5),"
      " only_if_better = n % 17 = 0,"
      " price_collar_bps_max = CASE WHEN n % 19 = 0 THEN 400 END,"
      " reverse = n % 61 = 0,"
      " chain = n % 29 = 0,"
      " protect = n % 6 <> 0,"
      " sync_on_subscribe = CASE n % 31 WHEN 0 THEN 'all' WHEN 1 THEN 'if_better' ELSE 'none' END,"
      " close_on_stop = n % 2 = 0,"
      " symbol_filter = CASE n % 37 WHEN 0 THEN 'allow' WHEN 1 THEN 'deny' ELSE 'none' END,"
      " symbols = CASE n % 37 WHEN 0 THEN '{{BTC/USDT}}' WHEN 1 THEN '{{ETH/USDT}}' ELSE '{{}}' "
      "END::text[],"
      " order_notional_max = CASE WHEN n % 13 = 0 THEN 45 END,"
      " position_notional_max = CASE WHEN n % 14 = 0 THEN 150 END,"
      " exposure_usd_max = CASE WHEN n % 15 = 0 THEN 200 END,"
      " positions_max = CASE WHEN n % 18 = 0 THEN 1 END,"
      " entries_per_minute_max = CASE WHEN n % 22 = 0 THEN 3 END,"
      " daily_loss_usd_max = CASE WHEN n % 23 = 0 THEN 500 END,"
      " drawdown_usd_max = CASE WHEN n % 25 = 0 THEN 0.05 END,"
      " drawdown_from = CASE WHEN n % 2 = 0 THEN 'peak' ELSE 'start' END,"
      " drawdown_action = CASE WHEN n % 3 = 0 THEN 'close' ELSE 'halt' END"
      " FROM (SELECT id, row_number() OVER (ORDER BY id)::int AS n FROM engine.copy_links) r"
      " WHERE r.id = l.id",
      users, accounts, leaders.size());
}

class Day : public testing::Test {
 protected:
  void SetUp() override {
    stage = make_stage({.followers = followers,
                        .seed = 29,
                        .engine_overrides = {{"engine.ack_timeout_ms", "1000"},
                                             {"engine.query_interval_ms", "200"},
                                             {"engine.exit_attempts_per_minute", "60"},
                                             {"venues.binance.absence_proof_ms", "1500"}}});
    ASSERT_NE(stage, nullptr);
    ASSERT_DONE(stage->start_exchange());
    leaders = leaders_of(stage->world());
    ASSERT_EQ(leaders.size(), leader_count);
    run(settings_sql(leaders));
    run(fmt::format(
        "INSERT INTO engine.risk_limits (scope, scope_id, entries_per_minute_max) VALUES"
        " ('leader', '{}', 40); INSERT INTO engine.risk_limits (scope, scope_id, positions_max) "
        "SELECT"
        " 'account', follower_exchange_id, 1 FROM engine.copy_links ORDER BY id LIMIT 20 ON "
        "CONFLICT DO NOTHING",
        leaders[1].user.to_text()));
    ASSERT_GE(ask("SELECT count(*) FROM engine.copy_links"), static_cast<std::int64_t>(links_min));
    ASSERT_DONE(stage->start_daemon());
    // Leaders have no links: theirs are not among the accounts that must be read back.
    const auto accounts = ask("SELECT count(DISTINCT follower_exchange_id) FROM engine.copy_links");
    const std::int64_t until = monotonic_now_ns() + 240 * second_ns;
    while (stage->metric("oneclick_accounts_reconciled").value_or(0) <
           static_cast<double>(accounts)) {
      ASSERT_LT(monotonic_now_ns(), until) << "not all accounts were read back";
      wait(50'000'000);
    }
    for (const demo::Trader& t : leaders) clients.emplace_back(*stage, t);
    bot = std::make_unique<demo::Bot>(stage->reactor(), stage->tls(),
                                      stage->ingress_url("wss", "/v1/stream"), stage->bot_token(),
                                      stage->world());
    ASSERT_DONE(bot->open());
  }
  void TearDown() override {
    bot.reset();
    clients.clear();
    if (stage != nullptr) finish_stage(std::move(stage));
  }

  void run(const std::string& sql) {
    auto database = PgQuery::connect(stage->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    const auto done = database->run(sql);
    ASSERT_TRUE(done.has_value()) << done.error() << "\n" << sql;
  }
  std::int64_t ask(const std::string& sql) { return number(stage->database_url(), sql); }
  void wait(std::int64_t ns) {
    const std::int64_t until = monotonic_now_ns() + ns;
    while (monotonic_now_ns() < until) stage->reactor().wait(until - monotonic_now_ns());
  }
  // One account in twenty misbehaves in two of five of its orders: two in a hundred of all.
  void set_faults() {
    std::string list;
    std::size_t n = 0;
    for (const demo::Trader& f : stage->world().followers) {
      if (n++ % 20 != 0 ||
          std::ranges::find(leaders, f.account, &demo::Trader::account) != leaders.end())
        continue;
      for (const char* kind :
           {"lost_ack", "late_ack", "server_error", "reject", "duplicate_report"})
        list +=
            fmt::format(R"({}{{"account":"{}","kind":"{}","probability":0.08,"delay_ms":1300}})",
                        list.empty() ? "" : ",", f.account.to_text(), kind);
    }
    faults("[" + list + "]");
  }
  void faults(const std::string& json) {
    const auto answer = stage->exchange_admin("PUT", "/admin/faults", json);
    ASSERT_TRUE(answer.has_value()) << answer.error();
    ASSERT_EQ(answer->status, 200) << answer->body;
  }

  struct Coin {
    const char* symbol;
    const char* unified;
    const char* buy;
    const char* part;  // of what was bought; the rest is sold at the end of the day
  };
  static constexpr std::array<Coin, 2> coins{
      {{"BTCUSDT", "BTC/USDT", "0.004", "0.003"}, {"ETHUSDT", "ETH/USDT", "0.05", "0.03"}}};

  // Twenty people at work: mostly buying and selling a part, now and then resting an order.
  void trade_round(int round) {
    for (std::size_t n = 0; n < clients.size(); ++n) {
      const Coin& coin = coins[(n + static_cast<std::size_t>(round) / 2) % coins.size()];
      ExchangeClient& who = clients[n];
      const bool buys = round % 2 == 0;
      auto& bought = held[{n, coin.symbol}];
      if (buys) {
        const auto done = who.market(coin.symbol, Side::buy, coin.buy);
        ASSERT_TRUE(done.has_value()) << done.error();
        bought += Decimal::of(coin.buy);
      } else if (bought >= Decimal::of(coin.part)) {
        const auto done = who.market(coin.symbol, Side::sell, coin.part);
        ASSERT_TRUE(done.has_value()) << done.error();
        bought -= Decimal::of(coin.part);
      }
      wait(between_ns);
    }
  }
  void rest_orders(int round) {
    for (std::size_t n = 0; n < 4; ++n) {
      const std::string id = fmt::format("day-{}-{}", round, n);
      const auto placed = clients[n].rest("BTCUSDT", Side::buy, "0.002", "40000.00", id);
      ASSERT_TRUE(placed.has_value()) << placed.error();
      resting.emplace_back(n, id);
    }
  }
  void cancel_orders() {
    for (const auto& [n, id] : resting) {
      const auto done = clients[n].cancel("BTCUSDT", id);
      ASSERT_TRUE(done.has_value()) << done.error();
    }
    resting.clear();
  }
  // Everything goes that a leader has of a coin, fees in the coin left aside.
  void sell_out() {
    for (const auto& [who, quantity] : held) {
      if (!quantity.is_positive()) continue;
      const auto done =
          clients[who.first].market(who.second, Side::sell,
                                    round_to_step(mul(quantity, Decimal::of("0.99"), Round::down),
                                                  Decimal::of("0.0001"), Round::down)
                                        .to_text());
      ASSERT_TRUE(done.has_value()) << done.error();
      wait(between_ns);
    }
    held.clear();
  }
  void publish(int round) {
    const Coin& coin = coins[static_cast<std::size_t>(round) % coins.size()];
    ASSERT_DONE(bot->publish(coin.unified, round % 5 == 4 ? "hold" : "buy", coin.buy));
  }
  void change_links(int round) {
    const auto some = [&](int rest) {
      return fmt::format(
          "id IN (SELECT id FROM engine.copy_links WHERE hashtext(id::text) % 40 = {})", rest);
    };
    run("UPDATE engine.copy_links SET status = 'paused' WHERE " + some(round));
    run("UPDATE engine.copy_links SET status = 'active' WHERE status = 'paused' AND " +
        some(round - 2));
    run("UPDATE engine.copy_links SET status = 'exits_only' WHERE " + some(12 + round));
    run("UPDATE engine.copy_links SET status = 'stopped' WHERE " + some(-round - 1));
    run("UPDATE engine.copy_links SET copy_percentage = 60 WHERE sizing_mode = 'leader_quantity' "
        "AND " +
        some(-20 - round));
    if (round == 5)
      run("INSERT INTO engine.kill_switches (active, symbol) VALUES (true, 'ETH/USDT')");
    if (round == 7) run("UPDATE engine.kill_switches SET active = false");
  }

  std::unique_ptr<Stage> stage;
  std::vector<demo::Trader> leaders;
  std::vector<ExchangeClient> clients;
  std::unique_ptr<demo::Bot> bot;
  std::map<std::pair<std::size_t, std::string>, Decimal> held;
  std::vector<std::pair<std::size_t, std::string>> resting;
};

TEST_F(Day, TheBooksAgreeAtItsEnd) {
  ASSERT_NO_FATAL_FAILURE(set_faults());
  for (int round = 0; round < rounds && !HasFatalFailure(); ++round) {
    ASSERT_NO_FATAL_FAILURE(trade_round(round));
    ASSERT_NO_FATAL_FAILURE(publish(round));
    if (round % 4 == 1) {
      ASSERT_NO_FATAL_FAILURE(rest_orders(round));
    }
    if (round % 4 == 3) {
      ASSERT_NO_FATAL_FAILURE(cancel_orders());
    }
    ASSERT_NO_FATAL_FAILURE(change_links(round));
  }
  ASSERT_NO_FATAL_FAILURE(cancel_orders());
  ASSERT_NO_FATAL_FAILURE(sell_out());
  faults("[]");
  // Signals end: what they opened is sold, and their protection goes.
  run("UPDATE trading_signals SET status = 'closed' WHERE status = 'active'");
  ASSERT_DONE(stage->wait_quiet(180 * second_ns));

  // The exchange against the database, by a process that sees only these.
  const auto books = stage->compare_books();
  ASSERT_TRUE(books.has_value()) << books.error();
  EXPECT_EQ(books->exit_code, 0) << books->json;
  std::fprintf(stderr, "%s\n", books->json.c_str());
  EXPECT_EQ(ask("SELECT coalesce(sum(links_matched), 0) FROM engine.leader_events"),
            ask("SELECT count(*) FROM engine.copy_outcomes"));
  EXPECT_EQ(
      ask("SELECT count(*) FROM (SELECT 1 FROM engine.copy_outcomes GROUP BY event_id, link_id "
          "HAVING count(*) > 1) twice"),
      0);
  EXPECT_EQ(ask("SELECT count(*) FROM engine.sink_rejects"), 0);
  EXPECT_EQ(stage->metric("oneclick_unknown_orders"), 0.0);
  // The day was worth the name.
  EXPECT_GE(ask("SELECT count(DISTINCT leader_user_id) FROM engine.leader_events"),
            static_cast<std::int64_t>(leader_count));
  EXPECT_GE(ask("SELECT count(DISTINCT link_id) FROM engine.copy_outcomes WHERE outcome IN "
                "('copied', 'clipped')"),
            1'000);
  EXPECT_GE(ask("SELECT count(DISTINCT coalesce(reason, binding_cap, outcome)) FROM "
                "engine.copy_outcomes"),
            12);
  // The journal, by a process that reads nothing else: it gives the run's records again.
  ASSERT_EQ(stage->stop_daemon(60 * second_ns), 0);
  const std::string journal = (stage->dir() / "journal").string();
  auto replay = ChildProcess::start({.arguments = {ONECLICK_BINARY, "journal", "replay", journal},
                                     .environment = {},
                                     .output_file = (stage->dir() / "replay.log").string()});
  ASSERT_TRUE(replay.has_value()) << replay.error();
  EXPECT_EQ(replay->wait(120 * second_ns), 0);
}

}  // namespace
}  // namespace oneclick
