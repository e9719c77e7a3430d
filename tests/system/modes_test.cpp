// The daemon in each of its modes, and as its operators meet it: signals, a second instance, the
// kill switch, the operations listener, a configuration that cannot be taken.
#include <csignal>
#include <fstream>
#include <functional>
#include <regex>

#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

constexpr std::int64_t patience_ns = 60 * second_ns;

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class StageTest : public testing::Test {
 protected:
  void prepare(StageOptions options) {
    stage = make_stage(std::move(options));
    ASSERT_NE(stage, nullptr);
    operations = net::HttpClient::make(stage->reactor(), nullptr, stage->operations_url(), {});
    leader = std::make_unique<demo::Leader>(stage->reactor(), stage->tls(), stage->exchange_url(),
                                            stage->world().leader);
  }
  void start(StageOptions options) {
    ASSERT_NO_FATAL_FAILURE(prepare(std::move(options)));
    ASSERT_DONE(stage->start_exchange());
    ASSERT_NO_FATAL_FAILURE(start_daemon());
  }
  void start_daemon() {
    ASSERT_DONE(stage->start_daemon());
    ASSERT_DONE(stage->wait_ready(patience_ns));
  }
  void TearDown() override {
    leader.reset();  // these live on the stage's reactor
    operations.reset();
    if (stage) finish_stage(std::move(stage));
  }

  bool eventually(const std::function<bool()>& condition) {
    const std::int64_t until = monotonic_now_ns() + patience_ns;
    while (!condition()) {
      if (monotonic_now_ns() > until) return false;
      stage->reactor().wait(20'000'000);
    }
    return true;
  }
  void expect_books_agree() {
    ASSERT_DONE(stage->wait_quiet(patience_ns));
    const auto books = stage->compare_books();
    ASSERT_TRUE(books.has_value()) << books.error();
    EXPECT_EQ(books->exit_code, 0) << books->json;
  }
  std::int64_t ask(const std::string& sql) { return number(stage->database_url(), sql); }

  // The status and body of an answer of the operations listener; status 0: none.
  net::HttpResponse get(const std::string& target) {
    net::HttpRequest request;
    request.target = target;
    return demo::fetch(stage->reactor(), *operations, std::move(request))
        .value_or(net::HttpResponse{});
  }

  struct Said {
    int exit_code;
    std::string text;
  };
  // The program, run to its end as an operator would, with the daemon's own environment.
  Said oneclick(std::vector<std::string> arguments) {
    const std::filesystem::path output = stage->dir() / "command.log";
    std::filesystem::remove(output);
    arguments.insert(arguments.begin(), ONECLICK_BINARY);
    auto child = ChildProcess::start(
        {.arguments = std::move(arguments),
         .environment = {{"ONECLICK_DATABASE_URL", stage->database_url()},
                         {"ONECLICK_MASTER_KEY_FILE", (stage->dir() / "master.key").string()}},
         .output_file = output.string()});
    if (!child) return {-1, child.error()};
    const int code = child->wait(patience_ns).value_or(-1);
    return {code, text_of(output)};
  }
  std::string config_file() const { return (stage->dir() / "oneclick.toml").string(); }

  std::unique_ptr<Stage> stage;
  std::unique_ptr<net::HttpClient> operations;
  std::unique_ptr<demo::Leader> leader;
};

// ---- modes --------------------------------------------------------------------------------------

struct Mode {
  const char* name;
  std::uint32_t shards;
  const char* mode;
  const char* durability;
};

class ModesTest : public StageTest, public testing::WithParamInterface<Mode> {};

// Ended under load and started again, each mode keeps its books.
TEST_P(ModesTest, DrainsUnderLoadAndAgreesAfterTheRestart) {
  const Mode& mode = GetParam();
  ASSERT_NO_FATAL_FAILURE(start({.followers = 20,
                                 .seed = 23,
                                 .engine_mode = mode.mode,
                                 .durability = mode.durability,
                                 .shards = mode.shards}));
  for (int round = 0; round < 2; ++round) {
    for (int n = 0; n < 6; ++n)
      ASSERT_DONE(leader->trade("BTCUSDT", n % 2 == 0 ? Side::buy : Side::sell,
                                n % 2 == 0 ? "0.01" : "0.009"));
    // Its followers' orders are on their way.
    ASSERT_EQ(stage->stop_daemon(patience_ns), 0) << text_of(stage->daemon_log());
    ASSERT_NO_FATAL_FAILURE(start_daemon());
  }
  ASSERT_TRUE(eventually([&] { return ask("SELECT count(*) FROM engine.leader_events") >= 12; }));
  ASSERT_NO_FATAL_FAILURE(expect_books_agree());
  EXPECT_GT(ask("SELECT count(*) FROM trades WHERE status = 'filled'"), 0);
  for (std::uint32_t shard = 0; shard < mode.shards; ++shard)
    EXPECT_TRUE(stage->metric(fmt::format("oneclick_queue_depth{{queue=\"shard-{}\"}}", shard)))
        << get("/metrics").body;
  EXPECT_EQ(stage->stop_daemon(patience_ns), 0);
}

INSTANTIATE_TEST_SUITE_P(, ModesTest,
                         testing::Values(Mode{"TwoShards", 2, "block", "process"},
                                         Mode{"Spin", 1, "spin", "process"},
                                         Mode{"Power", 1, "block", "power"},
                                         Mode{"TwoSpinningShardsPower", 2, "spin", "power"}),
                         [](const auto& mode) { return std::string(mode.param.name); });

// ---- operators ----------------------------------------------------------------------------------

class OperatorTest : public StageTest {
 protected:
  // Every follower of the leader copies all of it, by orders that fill.
  void make_links_plain() {
    auto database = PgQuery::connect(stage->database_url());
    ASSERT_TRUE(database.has_value()) << database.error();
    const auto done = database->run(
        "UPDATE engine.copy_links SET status = 'active', entry_style = 'market', "
        "copy_percentage = 100, copy_amount = NULL WHERE leader_user_id IS NOT NULL");
    ASSERT_TRUE(done.has_value()) << done.error();
  }
  // The outcomes of one trade of the leader: each kind that occurs, once.
  std::string outcomes_of(const std::string& symbol, Side side, const std::string& quantity) {
    const std::int64_t before = ask("SELECT count(*) FROM engine.leader_events");
    const auto traded = leader->trade(symbol, side, quantity);
    if (!traded) return traded.error();
    if (!eventually([&] { return ask("SELECT count(*) FROM engine.leader_events") > before; }))
      return "no leader event";
    if (const auto quiet = stage->wait_quiet(patience_ns); !quiet) return quiet.error();
    auto database = PgQuery::connect(stage->database_url());
    if (!database) return database.error();
    const auto rows = database->rows(
        "SELECT string_agg(DISTINCT outcome || coalesce('(' || reason || ')', ''), ' ') FROM "
        "engine.copy_outcomes WHERE event_id = (SELECT id FROM engine.leader_events ORDER BY "
        "accepted_at DESC LIMIT 1)");
    return rows && !rows->empty() ? rows->front().front().value_or("") : "no rows";
  }
  Said kill_switch(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "kill-switch");
    arguments.insert(arguments.end(), {"--config", config_file()});
    return oneclick(std::move(arguments));
  }
};

TEST_F(OperatorTest, TheKillSwitchStopsEntriesAloneAndOutlivesTheDaemon) {
  ASSERT_NO_FATAL_FAILURE(prepare({.followers = 5, .seed = 29}));
  ASSERT_NO_FATAL_FAILURE(make_links_plain());
  ASSERT_DONE(stage->start_exchange());
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(kill_switch({"status"}).text, "off\n");
  EXPECT_EQ(outcomes_of("BTCUSDT", Side::buy, "0.004"), "copied");

  const Said on = kill_switch({"on", "--all"});
  EXPECT_EQ(on.exit_code, 0) << on.text;
  EXPECT_EQ(kill_switch({"status"}).text, "on: everything\n");
  EXPECT_TRUE(eventually([&] { return stage->metric("oneclick_kill_switch_active") == 1.0; }));
  EXPECT_TRUE(eventually([&] {
    return number(stage->database_url(),
                  "SELECT (count(*) > 0 AND count(*) = (SELECT count(DISTINCT follower_user_id)"
                  " FROM engine.copy_links WHERE status = 'active'))::integer FROM notifications"
                  " WHERE title = 'New copies are stopped'") == 1;
  })) << "followers are told, each once";
  EXPECT_EQ(outcomes_of("BTCUSDT", Side::buy, "0.004"), "skipped(kill_switch)");
  EXPECT_EQ(outcomes_of("BTCUSDT", Side::sell, "0.004"), "copied") << "exits go on";

  ASSERT_EQ(stage->stop_daemon(patience_ns), 0);
  EXPECT_EQ(kill_switch({"status"}).exit_code, 69);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(kill_switch({"status"}).text, "on: everything\n");
  EXPECT_EQ(outcomes_of("BTCUSDT", Side::buy, "0.004"), "skipped(kill_switch)");

  EXPECT_EQ(kill_switch({"off", "--all"}).text, "off\n");
  EXPECT_EQ(outcomes_of("BTCUSDT", Side::buy, "0.004"), "copied");

  EXPECT_EQ(kill_switch({"on", "--symbol", "ETH/USDT"}).exit_code, 0);
  EXPECT_EQ(kill_switch({"status", "--json"}).text,
            "{\"kill_switches\":[{\"symbol\":\"ETH/USDT\"}]}\n");
  EXPECT_EQ(outcomes_of("ETHUSDT", Side::buy, "0.1"), "skipped(kill_switch)");
  EXPECT_EQ(outcomes_of("BTCUSDT", Side::buy, "0.004"), "copied");
  expect_books_agree();
}

TEST_F(OperatorTest, AliveReadyAndMeasured) {
  ASSERT_NO_FATAL_FAILURE(prepare({.followers = 5, .seed = 31}));
  // Without its exchange the daemon lives and says what it waits for.
  ASSERT_DONE(stage->start_daemon());
  ASSERT_TRUE(eventually([&] { return get("/healthz").status == 200; }));
  const net::HttpResponse not_ready = get("/readyz");
  EXPECT_EQ(not_ready.status, 503);
  for (const char* reason : {"market_data_down", "venue_session_down"})
    EXPECT_NE(not_ready.body.find("\"" + std::string(reason) + "\""), std::string::npos)
        << not_ready.body;
  ASSERT_DONE(stage->start_exchange());
  ASSERT_DONE(stage->wait_ready(patience_ns));
  const net::HttpResponse ready = get("/readyz");
  EXPECT_EQ(ready.status, 200) << ready.body;
  ASSERT_DONE(leader->trade("BTCUSDT", Side::buy, "0.01"));
  ASSERT_DONE(stage->wait_quiet(patience_ns));

  const std::string metrics = get("/metrics").body;
  for (const char* series : {"leader_events_total{source=",
                             "copy_outcomes_total{",
                             "orders_sent_total{venue=\"binance\"",
                             "order_acks_total{",
                             "journal_appended_records_total",
                             "journal_synced_records_total",
                             "fanout_first_seconds_bucket",
                             "fanout_last_seconds_bucket",
                             "stage_seconds_bucket{",
                             "queue_depth{queue=",
                             "sink_lag_records",
                             "sink_lag_seconds",
                             "session_up{",
                             "rate_budget_remaining_ratio{",
                             "reconcile_age_seconds",
                             "unknown_orders",
                             "quarantined_links",
                             "exits_in_alarm",
                             "kill_switch_active",
                             "build_info{"})
    EXPECT_NE(metrics.find("\noneclick_" + std::string(series)), std::string::npos)
        << series << " is not in\n"
        << metrics;
  const std::regex label(R"((\w+)="([^"]*)\")");
  const std::regex id(R"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})");
  for (auto at = std::sregex_iterator(metrics.begin(), metrics.end(), label);
       at != std::sregex_iterator(); ++at) {
    EXPECT_FALSE(std::regex_search((*at)[2].first, (*at)[2].second, id)) << at->str();
    for (const char* name : {"user", "account", "link", "order", "leader", "follower"})
      EXPECT_NE((*at)[1].str(), name) << at->str();
  }
}

TEST_F(OperatorTest, ASecondDaemonOnTheSameJournalIsRefused) {
  ASSERT_NO_FATAL_FAILURE(start({.followers = 3, .seed = 37}));
  const Said second = oneclick({"run", "--config", config_file()});
  EXPECT_EQ(second.exit_code, 75) << second.text;
  ASSERT_DONE(leader->trade("BTCUSDT", Side::buy, "0.01"));
  ASSERT_TRUE(eventually([&] { return ask("SELECT count(*) FROM engine.leader_events") > 0; }));
  expect_books_agree();
  EXPECT_EQ(stage->stop_daemon(patience_ns), 0);
}

TEST_F(OperatorTest, AFileThatIsWrongChangesNothingAndIsSaidWhy) {
  ASSERT_NO_FATAL_FAILURE(start({.followers = 3, .seed = 41}));
  const std::string good = text_of(config_file());
  const auto reload = [&](const std::string& text) {
    std::ofstream(config_file(), std::ios::trunc) << text;
    stage->daemon().signal(SIGHUP);
  };
  const auto said = [&](const std::string& text) {
    return eventually([&] { return text_of(stage->daemon_log()).find(text) != std::string::npos; });
  };
  reload(good + "\n[loggings]\nlevel = \"debug\"\n");
  EXPECT_TRUE(said("configuration not reloaded"));
  EXPECT_TRUE(said("loggings")) << "which key was it?";
  EXPECT_TRUE(
      eventually([&] { return stage->metric("oneclick_config_last_reload_successful") == 0.0; }));
  EXPECT_EQ(get("/readyz").status, 200);
  ASSERT_DONE(leader->trade("BTCUSDT", Side::buy, "0.01"));
  ASSERT_TRUE(eventually([&] { return ask("SELECT count(*) FROM engine.leader_events") > 0; }));
  reload(good);
  EXPECT_TRUE(said("configuration reloaded"));
  EXPECT_TRUE(
      eventually([&] { return stage->metric("oneclick_config_last_reload_successful") == 1.0; }));
  expect_books_agree();
}

}  // namespace
}  // namespace oneclick
