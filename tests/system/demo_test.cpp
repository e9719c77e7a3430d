// The demo as its user runs it, smaller; and what ten thousand links cost in memory.
#include <fstream>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

TEST(Demo, EndsWithZeroAndBooksThatAgree) {
  const std::string json = testing::TempDir() + "oneclick-demo.json";
  const std::string log = testing::TempDir() + "oneclick-demo.log";
  std::filesystem::remove(json);
  std::filesystem::remove(log);
  auto demo = ChildProcess::start({.arguments = {ONECLICK_BINARY, "demo", "--followers", "200",
                                                 "--seconds", "10", "--json", json},
                                   .environment = {},
                                   .output_file = log});
  ASSERT_TRUE(demo.has_value()) << demo.error();
  const auto code = demo->wait(180 * second_ns);
  std::ifstream in(log);
  const std::string said(std::istreambuf_iterator<char>(in), {});
  ASSERT_EQ(code, 0) << said;
  EXPECT_NE(said.find("the books agree"), std::string::npos) << said;
  std::ifstream figures(json);
  const std::string report(std::istreambuf_iterator<char>(figures), {});
  for (const char* key : {"leader_events", "links_matched", "outcomes", "orders", "fills",
                          "fanout_first_us", "fanout_last_us", "tracking_error_lots_max",
                          "trades_rows", "trade_history_rows", "ledger_orders", "ledger_fills"})
    EXPECT_NE(report.find(std::string("\"") + key + "\":"), std::string::npos) << key;
  EXPECT_NE(report.find("\"books_agree\":true"), std::string::npos) << report;
}

// VmRSS of a process in bytes, or of its peak ("VmHWM").
std::int64_t memory_bytes(pid_t pid, const std::string& what) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(what + ":"))
      return std::strtoll(line.c_str() + what.size() + 1, nullptr, 10) * 1024;
  return -1;
}

TEST(Memory, TenThousandLinksStayBelowOneGibibyte) {
  auto stage = make_stage({.followers = 7'700, .seed = 5});  // a third has a second link
  ASSERT_NE(stage, nullptr);
  ASSERT_GE(stage->world().links.size(), 10'000U);
  ASSERT_DONE(stage->start_exchange());
  ASSERT_DONE(stage->start_daemon());
  ASSERT_DONE(stage->wait_ready(240 * second_ns));
  auto leader = std::make_unique<demo::Leader>(stage->reactor(), stage->tls(),
                                               stage->exchange_url(), stage->world().leader);
  ASSERT_DONE(leader->trade("BTCUSDT", Side::buy, "0.01"));
  const std::int64_t until = monotonic_now_ns() + 60 * second_ns;
  while (number(stage->database_url(), "SELECT count(*) FROM engine.leader_events") < 1 &&
         monotonic_now_ns() < until)
    stage->reactor().wait(50'000'000);
  ASSERT_DONE(stage->wait_quiet(120 * second_ns));
  const std::int64_t peak = memory_bytes(stage->daemon().pid(), "VmHWM");
  std::printf("%zu links: the daemon's memory peaked at %lld MiB\n", stage->world().links.size(),
              static_cast<long long>(peak >> 20));
  EXPECT_GT(peak, 0);
  EXPECT_LT(peak, std::int64_t{1} << 30);
  const auto result = stage->compare_books();
  ASSERT_TRUE(result.has_value()) << result.error();
  EXPECT_EQ(result->exit_code, 0) << result->json;
  leader.reset();  // lives on the stage's reactor
  finish_stage(std::move(stage));
}

}  // namespace
}  // namespace oneclick
