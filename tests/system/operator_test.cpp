// What an operator does beside a daemon that runs: looks at it, follows it, holds links back, asks
// what another setting would have done, and replays what it journaled.
#include <gmock/gmock.h>

#include "tests/app/command_line.hpp"
#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

using test::Ran;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Operator : public test::CommandLine {
 protected:
  void SetUp() override {
    stage_ = make_stage({.followers = 30, .seed = 11});
    ASSERT_NE(stage_, nullptr);
    ASSERT_DONE(stage_->start_exchange());
    ASSERT_DONE(stage_->start_daemon());
    ASSERT_DONE(stage_->wait_ready(60 * second_ns));
    leader_ = std::make_unique<demo::Leader>(stage_->reactor(), stage_->tls(),
                                             stage_->exchange_url(), stage_->world().leader);
    journal_ = (stage_->dir() / "journal").string();
    environment_ = {{"ONECLICK_DATABASE_URL", stage_->database_url()}};
  }
  void TearDown() override {
    leader_.reset();  // lives on the stage's reactor
    if (stage_) finish_stage(std::move(stage_));
  }
  void trade(Side side, const std::string& quantity) {
    const std::string fills = "SELECT count(*) FROM engine.leader_events WHERE kind = 'fill'";
    const std::int64_t before = rows(fills);
    ASSERT_DONE(leader_->trade("BTCUSDT", side, quantity));
    const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
    while (rows(fills) <= before && monotonic_now_ns() < until) stage_->reactor().wait(50'000'000);
    ASSERT_DONE(stage_->wait_quiet(60 * second_ns));
  }
  std::int64_t rows(const std::string& sql) { return number(stage_->database_url(), sql); }
  Ran oneclick(std::vector<std::string> arguments) {
    return run(std::move(arguments), environment_);
  }
  // The number after the first place where this JSON has the key.
  static std::int64_t after(const std::string& json, const std::string& key) {
    const std::size_t at = json.find("\"" + key + "\":");
    return at == std::string::npos ? -1
                                   : std::strtoll(json.c_str() + at + key.size() + 3, nullptr, 10);
  }
  static std::int64_t lines(const std::string& text, const std::string& with) {
    std::int64_t count = 0;
    for (std::size_t at = text.find(with); at != std::string::npos; at = text.find(with, at + 1))
      ++count;
    return count;
  }

  std::unique_ptr<Stage> stage_;
  std::unique_ptr<demo::Leader> leader_;
  std::string journal_;
  std::map<std::string, std::string> environment_;
};

TEST_F(Operator, LooksFollowsHoldsBackAsksAndReplays) {
  for (const char* const quantity : {"0.4", "0.5", "0.3"}) trade(Side::buy, quantity);
  trade(Side::sell, "0.6");
  const std::int64_t outcomes = rows("SELECT count(*) FROM engine.copy_outcomes");
  const std::int64_t orders = rows("SELECT count(*) FROM trades");
  ASSERT_GT(orders, 20);

  // top: what the metrics say, twice.
  const std::string url = fmt::format("http://127.0.0.1:{}", stage_->operations_url().port);
  const Ran top = oneclick({"top", "--url", url, "--once", "--json", "--interval", "100"});
  ASSERT_EQ(top.code, 0) << top.output;
  EXPECT_THAT(top.output, AllOf(HasSubstr("{\"ready\":true,"), HasSubstr("\"copied\":{\"total\":"),
                                HasSubstr("\"unknown_orders\":0"), HasSubstr("\"sessions\":{")));
  const Ran text = oneclick({"top", "--config", (stage_->dir() / "oneclick.toml").string(),
                             "--once", "--interval", "100"});
  EXPECT_EQ(text.code, 0) << text.output;
  EXPECT_THAT(text.output, AllOf(HasSubstr("event to last order"), HasSubstr("session: ")));

  // tail: every outcome and order that the database has, of all and of one follower.
  const Ran tail = oneclick({"tail", "--journal", journal_, "--once", "--json"});
  ASSERT_EQ(tail.code, 0) << tail.output;
  EXPECT_EQ(lines(tail.output, "\"type\":\"outcome\""), outcomes);
  EXPECT_EQ(lines(tail.output, "\"type\":\"fill\""),
            rows("SELECT count(*) FROM trade_history WHERE status = 'fill'"));
  const std::string link = stage_->world().links.front().id.to_text();
  const Ran one = oneclick({"tail", "--journal", journal_, "--once", "--json", "--link", link});
  EXPECT_EQ(lines(one.output, "\"type\":\"outcome\""),
            rows("SELECT count(*) FROM engine.copy_outcomes WHERE link_id = '" + link + "'"));

  // shadow: the model with the recorded settings is near what happened; paused links
  // send nothing.
  const Ran less =
      oneclick({"shadow", "--journal", journal_, "--set", "copy_percentage=0.01", "--json"});
  ASSERT_EQ(less.code, 0) << less.output;
  const std::int64_t compared = after(less.output, "outcomes_compared");
  EXPECT_EQ(compared, outcomes);
  EXPECT_GE(after(less.output, "outcomes_same") * 100, compared * 95) << less.output;
  const Ran none = oneclick({"shadow", "--journal", journal_, "--set", "status=paused", "--json"});
  ASSERT_EQ(none.code, 0) << none.output;
  const std::string totals = none.output.substr(none.output.find("\"totals\":"));
  const std::string changed = totals.substr(totals.find("\"changed\":"));
  EXPECT_EQ(after(changed, "orders"), 0);
  EXPECT_THAT(changed, HasSubstr("skipped(link_inactive)"));
  EXPECT_EQ(after(totals.substr(totals.find("\"recorded\":")), "orders"), orders);

  // links: held back from the next trade on, and back again.
  const std::string leader = stage_->world().leader.user.to_text();
  const Ran paused = oneclick({"links", "pause", "--leader", leader});
  ASSERT_EQ(paused.code, 0) << paused.output;
  const std::int64_t until = monotonic_now_ns() + 30 * second_ns;
  const auto stopped = [&] {
    return lines(oneclick({"journal", "dump", journal_}).output, "status=paused") > 0;
  };
  while (!stopped() && monotonic_now_ns() < until) stage_->reactor().wait(50'000'000);
  trade(Side::buy, "0.2");
  EXPECT_EQ(rows("SELECT count(*) FROM trades"), orders) << "nobody copied it";
  EXPECT_EQ(oneclick({"links", "resume", "--leader", leader}).code, 0);

  // replay: the same records, the same state, and intents that can be derived twice.
  ASSERT_EQ(stage_->stop_daemon(60 * second_ns), 0);
  const Ran replayed = oneclick({"journal", "replay", journal_, "--json"});
  EXPECT_EQ(replayed.code, 0) << replayed.output;
  EXPECT_THAT(replayed.output, HasSubstr("\"mismatch\":\"\""));
  EXPECT_GE(after(replayed.output, "intents"), orders);
  EXPECT_EQ(oneclick({"journal", "replay", journal_, "--json"}).output, replayed.output);
}

}  // namespace
}  // namespace oneclick
