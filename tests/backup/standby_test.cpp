// The database's machine is lost with commits that its standby never got: the standby is promoted,
// and the daemon writes again what it lacks, from its journal, once.
#include "tests/backup/cluster.hpp"
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

using namespace test;

class Standby : public testing::Test {
 protected:
  void SetUp() override {
    // Archiving is another test's business.
    std::string settings = shipped("postgresql.conf");
    replace_all(settings, "archive_mode = on", "archive_mode = off");
    const Finished made = primary_.init(settings);
    ASSERT_EQ(made.status, 0) << made.output;
    Finished started = primary_.start();
    ASSERT_EQ(started.status, 0) << started.output;
    ASSERT_RUNS(folder_, fmt::format("mkdir -p {} && pg_basebackup -h 127.0.0.1 -p {} -U oneclick"
                                     " -D {} -R -X stream --checkpoint=fast",
                                     standby_.socket_dir(), primary_.port(), standby_.data()));
    started = standby_.start();
    ASSERT_EQ(started.status, 0) << started.output;
    ASSERT_TRUE(
        standby_.wait_value("SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM"
                            " pg_stat_wal_receiver WHERE status = 'streaming')",
                            "t"));
    stage_ = make_stage(
        {.followers = 40,
         .seed = 3,
         // Both are named; libpq takes the one that can be written to.
         .database_url = fmt::format("postgresql://oneclick@127.0.0.1:{},127.0.0.1:{}/postgres"
                                     "?target_session_attrs=read-write&connect_timeout=5",
                                     primary_.port(), standby_.port())});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(60 * second_ns));
    leader_ = std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(),
                                             stage_->exchange_url(), stage_->world().leader);
  }
  void TearDown() override {
    leader_.reset();
    if (stage_) finish_stage(std::move(stage_));
  }
  void trade(int times) {
    for (int i = 0; i < times; ++i) {
      const std::string before =
          fmt::format("SELECT count(*) > {} FROM engine.leader_events",
                      number(stage_->database_url(), "SELECT count(*) FROM engine.leader_events"));
      ASSERT_DONE(leader_->trade("BTCUSDT", i % 3 == 2 ? Side::sell : Side::buy, "0.02"));
      const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
      // Both servers may be away for a moment.
      while (monotonic_now_ns() < until) {
        auto query = PgQuery::connect(stage_->database_url());
        const auto rows =
            query ? query->rows(before)
                  : std::expected<std::vector<PgRow>, std::string>(std::unexpected(query.error()));
        if (rows && rows->front().front() == "t") break;
        stage_->reactor().wait(50'000'000);
      }
      ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
    }
  }

  ServerFolder folder_;
  Cluster primary_{folder_, "primary"}, standby_{folder_, "standby"};
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<demo::Leader> leader_;
};

TEST_F(Standby, PromotedWithoutTheLastCommitsGetsThemFromTheJournalOnce) {
  trade(3);
  const std::string trades = "SELECT count(*) FROM public.trades";
  ASSERT_TRUE(standby_.wait_value(trades, primary_.value(trades)));
  // From here on nothing reaches the standby.
  ASSERT_EQ(standby_.value("ALTER SYSTEM SET primary_conninfo = ''"), "");
  ASSERT_EQ(standby_.value("SELECT pg_reload_conf()"), "t");
  ASSERT_TRUE(standby_.wait_value("SELECT count(*) FROM pg_stat_wal_receiver", "0"));
  trade(3);
  const std::string written = primary_.value(trades);
  const std::string known = standby_.value(trades);
  ASSERT_GT(std::stoll(written), std::stoll(known)) << "commits that the standby lacks";

  primary_.stop("immediate");
  ASSERT_RUNS(folder_, "pg_ctl -D " + standby_.data() + " -w promote");
  ASSERT_TRUE(standby_.wait_value("SELECT pg_is_in_recovery()", "f"));
  trade(2);
  EXPECT_GT(std::stoll(standby_.value(trades)), std::stoll(written));
  EXPECT_EQ(standby_.value("SELECT sum(links_matched) - (SELECT count(*) FROM"
                           " engine.copy_outcomes) FROM engine.leader_events"),
            "0");
  EXPECT_EQ(standby_.value("SELECT count(*) FROM engine.sink_rejects"), "0");
  const auto books = stage_->compare_books();
  ASSERT_TRUE(books.has_value()) << books.error();
  EXPECT_EQ(books->exit_code, 0) << books->json;
}

}  // namespace
}  // namespace oneclick
