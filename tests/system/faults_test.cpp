// The exchange misbehaves while a leader trades. Whatever it did: afterwards every link has its one
// outcome, nothing is ordered twice, and the books agree.
#include <algorithm>

#include <fmt/format.h>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

constexpr std::size_t followers = 25;
constexpr std::int64_t between_trades_ns = 100'000'000;
constexpr int trades_of_a_case = 15;
constexpr int trades_max = 600;  // of a case whose faults strike by chance

// One stage for all cases: each must leave it as it was, which is what is tested.
class FaultsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // Soon in doubt, and soon sure: what takes a minute at a venue takes a second here.
    stage = make_stage({.followers = followers,
                        .seed = 17,
                        .engine_overrides = {{"engine.ack_timeout_ms", "500"},
                                             {"engine.query_interval_ms", "100"},
                                             {"engine.exit_attempts_per_minute", "60"},
                                             {"venues.binance.absence_proof_ms", "1000"}}});
    ASSERT_NE(stage, nullptr);
    ASSERT_DONE(stage->start_exchange());
    ASSERT_DONE(stage->start_daemon());
    ASSERT_DONE(stage->wait_ready(60 * second_ns));
    leader = std::make_unique<demo::Leader>(stage->reactor(), stage->tls(), stage->exchange_url(),
                                            stage->world().leader);
  }
  static void TearDownTestSuite() {
    leader.reset();  // lives on the stage's reactor
    // Outside of a case nothing has failed yet, and the stage would be removed.
    if (case_failed) ADD_FAILURE() << "a case failed: its stage is kept";
    if (stage != nullptr) finish_stage(std::move(stage));
  }
  void SetUp() override { ASSERT_NE(leader, nullptr) << "there is no stage"; }
  void TearDown() override {
    if (stage != nullptr) set_faults("[]");
    case_failed = case_failed || HasFailure();
  }

  static void set_faults(const std::string& json) {
    const auto answer = stage->exchange_admin("PUT", "/admin/faults", json);
    ASSERT_TRUE(answer.has_value()) << answer.error();
    ASSERT_EQ(answer->status, 200) << answer->body;
  }
  // One fault for each follower: the leader's own orders are not what is tried.
  static std::string of_followers(const std::string& fault) {
    std::string list;
    for (const demo::Trader& f : stage->world().followers)
      list += fmt::format(R"({}{{"account":"{}",{}}})", list.empty() ? "" : ",",
                          f.account.to_text(), fault);
    return list;
  }
  static std::int64_t struck(const std::string& kind) {
    const auto answer = stage->exchange_admin("GET", "/admin/faults", "");
    if (!answer) return -1;
    const std::size_t at = answer->body.find("\"" + kind + "\":");
    return at == std::string::npos
               ? 0
               : std::strtoll(answer->body.c_str() + at + kind.size() + 3, nullptr, 10);
  }
  static void wait(std::int64_t ns) {
    const std::int64_t until = monotonic_now_ns() + ns;
    while (monotonic_now_ns() < until) stage->reactor().wait(until - monotonic_now_ns());
  }
  static std::int64_t ask(const std::string& sql) { return number(stage->database_url(), sql); }

  static std::int64_t orders_once_unknown() {
    return ask(
        "SELECT count(DISTINCT trade_id) FROM trade_history WHERE "
        "exchange_response->>'unknown' = 'true'");
  }

  static void trade() {
    // More is bought than sold, so that there is always something to exit from.
    ASSERT_DONE(leader->trade("BTCUSDT", buy ? Side::buy : Side::sell, buy ? "0.01" : "0.009"));
    buy = !buy;
    wait(between_trades_ns);
  }

  // The leader trades while the faults strike, until each of these kinds did.
  void strike(const std::string& faults, const std::vector<std::string>& kinds) {
    const std::int64_t events = ask("SELECT count(*) FROM engine.leader_events");
    ASSERT_NO_FATAL_FAILURE(set_faults("[" + faults + "]"));
    const auto all_struck = [&] {
      return std::ranges::all_of(kinds, [](const auto& k) { return struck(k) > 0; });
    };
    for (int n = 0; n < trades_of_a_case || (n < trades_max && !all_struck()); ++n)
      ASSERT_NO_FATAL_FAILURE(trade());
    for (const std::string& kind : kinds) EXPECT_GT(struck(kind), 0) << kind << " never struck";
    ASSERT_NO_FATAL_FAILURE(set_faults("[]"));
    ASSERT_NO_FATAL_FAILURE(expect_books_agree());
    EXPECT_GE(ask("SELECT count(*) FROM engine.leader_events"), events + trades_of_a_case);
  }

  static void expect_books_agree() {
    ASSERT_DONE(stage->wait_quiet(90 * second_ns));
    const auto books = stage->compare_books();
    ASSERT_TRUE(books.has_value()) << books.error();
    EXPECT_EQ(books->exit_code, 0) << books->json;
    EXPECT_EQ(ask("SELECT count(*) FROM engine.leader_events e WHERE links_matched <> (SELECT "
                  "count(*) FROM engine.copy_outcomes o WHERE o.event_id = e.id)"),
              0);
    // One decision to buy makes one order, never two, whatever became of the first.
    EXPECT_LE(ask("SELECT count(*) FROM trades WHERE trade_type = 'buy'"),
              ask("SELECT count(*) FROM engine.copy_outcomes o JOIN engine.leader_events e ON "
                  "e.id = o.event_id WHERE e.side = 'buy'"));
    EXPECT_EQ(stage->metric("oneclick_unknown_orders"), 0.0);
    EXPECT_FALSE(stage->daemon().exit_code().has_value()) << "the daemon ended";
  }

  static inline std::unique_ptr<Stage> stage;
  static inline std::unique_ptr<demo::Leader> leader;
  static inline bool buy = true;
  static inline bool case_failed = false;
};

// First, while the exchange has counted little weight yet: a start stays within the usual limit
// until it has read what the limit is.
TEST_F(FaultsTest, StartsAmongFailingQueries) {
  ASSERT_NO_FATAL_FAILURE(
      set_faults(R"([{"kind":"server_error","operation":"queries","count":20},)"
                 R"({"kind":"throttle","operation":"queries","count":3,"delay_ms":300},)"
                 R"({"kind":"disconnect_after","operation":"queries","count":3},)"
                 R"({"kind":"late_ack","operation":"any","probability":0.3,"delay_ms":500}])"));
  ASSERT_EQ(stage->stop_daemon(30 * second_ns), 0);
  ASSERT_DONE(stage->start_daemon());
  ASSERT_DONE(stage->wait_ready(120 * second_ns));
  EXPECT_GE(struck("server_error"), 20);
  EXPECT_GE(struck("disconnect_after"), 3);
  ASSERT_NO_FATAL_FAILURE(set_faults("[]"));
  for (int n = 0; n < trades_of_a_case; ++n) ASSERT_NO_FATAL_FAILURE(trade());
  expect_books_agree();
}

TEST_F(FaultsTest, LostAnswers) {
  strike(of_followers(R"("kind":"lost_ack","probability":0.3)"), {"lost_ack"});
}

TEST_F(FaultsTest, LostAnswersOfWhichTheStreamIsSilentToo) {
  // Nothing says what became of these orders but a query.
  const std::int64_t before = orders_once_unknown();
  strike(of_followers(R"("kind":"lost_ack","probability":0.2)") + "," +
             of_followers(R"("kind":"silent_stream","probability":0.5)"),
         {"lost_ack", "silent_stream"});
  EXPECT_GT(orders_once_unknown(), before) << "the case tried nothing";
}

TEST_F(FaultsTest, LateAnswers) {
  strike(of_followers(R"("kind":"late_ack","probability":0.3,"delay_ms":1200)"), {"late_ack"});
}

TEST_F(FaultsTest, Refusals) {
  strike(of_followers(R"("kind":"reject","probability":0.3)"), {"reject"});
  EXPECT_GT(ask("SELECT count(*) FROM engine.copy_outcomes WHERE outcome = 'failed'"), 0);
}

TEST_F(FaultsTest, ServerErrors) {
  strike(of_followers(R"("kind":"server_error","probability":0.3)"), {"server_error"});
}

TEST_F(FaultsTest, ThrottledAndBanned) {
  strike(R"({"kind":"throttle","count":3,"delay_ms":300,"account":")" +
             stage->world().followers.front().account.to_text() + R"("},)" +
             of_followers(R"("kind":"throttle","probability":0.02,"delay_ms":300)") + "," +
             of_followers(R"("kind":"ban","probability":0.01,"delay_ms":500)"),
         {"throttle", "ban"});
}

TEST_F(FaultsTest, CutInTheMiddleOfFanOuts) {
  strike(of_followers(R"("kind":"disconnect_before","probability":0.01)") + "," +
             of_followers(R"("kind":"disconnect_after","probability":0.01)"),
         {"disconnect_before", "disconnect_after"});
}

TEST_F(FaultsTest, ReportsTwiceAndInReverse) {
  // The leader's too: an event told twice is one event.
  strike(R"({"kind":"duplicate_report","probability":0.3},)"
         R"({"kind":"reorder_reports","probability":0.3})",
         {"duplicate_report", "reorder_reports"});
}

// What is unknown is queried; here the queries fail as well.
TEST_F(FaultsTest, QueriesFailWhileOrdersAreUnknown) {
  strike(of_followers(R"("kind":"lost_ack","probability":0.2)") + "," +
             of_followers(R"("kind":"silent_stream","probability":0.5)") + "," +
             of_followers(R"("kind":"server_error","operation":"queries","probability":0.3)") +
             "," +
             of_followers(R"("kind":"throttle","operation":"queries","probability":0.02,)"
                          R"("delay_ms":300)") +
             "," +
             of_followers(R"("kind":"late_ack","operation":"queries","probability":0.3,)"
                          R"("delay_ms":700)"),
         {"lost_ack", "server_error", "late_ack"});
}

TEST_F(FaultsTest, StormOfAll) {
  std::string all;
  const auto add = [&](const std::string& fault) {
    all += (all.empty() ? "" : ",") + of_followers(fault);
  };
  for (const char* kind : {"lost_ack", "late_ack", "server_error", "reject"})
    add(fmt::format(R"("kind":"{}","probability":0.05,"delay_ms":800)", kind));
  for (const char* kind : {"throttle", "disconnect_before", "disconnect_after"})
    add(fmt::format(R"("kind":"{}","probability":0.005,"delay_ms":300)", kind));
  for (const char* kind : {"silent_stream", "duplicate_report", "reorder_reports"})
    add(fmt::format(R"("kind":"{}","probability":0.1)", kind));
  for (const char* kind : {"late_ack", "server_error", "disconnect_after"})
    add(fmt::format(R"("kind":"{}","operation":"queries","probability":0.05,"delay_ms":300)",
                    kind));
  strike(all, {"lost_ack", "late_ack", "server_error", "reject", "silent_stream",
               "duplicate_report", "reorder_reports"});
}

}  // namespace
}  // namespace oneclick
