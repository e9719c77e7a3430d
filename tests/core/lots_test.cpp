// Lots, residuals and fractions on spot, line by line from RULES.md sections 3 and 4: what a
// follower holds after its leader has bought (+) and sold (-), with restarts (!) between.
#include <gtest/gtest.h>

#include <sstream>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

struct Line {
  const char* name;
  std::int32_t percentage_e2;
  MinLotPolicy policy;
  const char* notional_min;
  const char* leader;   // "+1 -0.5 !", "x10" repeats the one before
  const char* outcome;  // of the last of them
  const char* held;
};

constexpr auto carry = MinLotPolicy::carry;
constexpr auto skip = MinLotPolicy::skip;
constexpr auto round_up = MinLotPolicy::round_up;

// Lots of 0.001, entries at most 100.5 a unit.
// clang-format off
constexpr Line lines[] = {
  {"all of it",                        10'000, carry,    "0",  "+1",                   "copied",                      "1"},
  {"half of it",                        5'000, carry,    "0",  "+1",                   "copied",                      "0.5"},
  {"twice as much",                    20'000, carry,    "0",  "+1",                   "copied",                      "2"},
  {"the most there is",                99'999, carry,    "0",  "+1",                   "copied",                      "9.999"},
  {"and again: the rest adds up",      99'999, carry,    "0",  "+1 x10",               "copied",                      "99.999"},
  {"a third, down to a lot",            3'333, carry,    "0",  "+1",                   "copied",                      "0.333"},
  {"three thirds",                      3'333, carry,    "0",  "+1 x3",                "copied",                      "0.999"},
  {"the fourth takes the rest along",   3'333, carry,    "0",  "+1 x4",                "copied",                      "1.333"},
  {"ten thousand thirds would be",      3'333, carry,    "0",  "+1 x30",               "copied",                      "9.999"},
  {"less than a lot waits",                 1, carry,    "0",  "+1",                   "carried",                     "0"},
  {"nine times less",                       1, carry,    "0",  "+1 x9",                "carried",                     "0"},
  {"ten times makes one",                   1, carry,    "0",  "+1 x10",               "copied",                      "0.001"},
  {"a restart forgets no rest",             1, carry,    "0",  "+1 x9 ! +1",           "copied",                      "0.001"},
  {"less than a lot is dropped",            1, skip,     "0",  "+1",                   "skipped(below_min_lot)",      "0"},
  {"dropped is dropped",                    1, skip,     "0",  "+1 x10",               "skipped(below_min_lot)",      "0"},
  {"a rest of more than a lot stays",   3'333, skip,     "0",  "+1 x4",                "copied",                      "1.333"},
  {"less than a lot becomes one",           1, round_up, "0",  "+1",                   "copied",                      "0.001"},
  {"bought ahead, once",                    1, round_up, "0",  "+1 x2",                "carried",                     "0.001"},
  {"until the leader is level",             1, round_up, "0",  "+1 x10",               "carried",                     "0.001"},
  {"and then again",                        1, round_up, "0",  "+1 x11",               "copied",                      "0.002"},
  {"below the least notional",            100, carry,    "10", "+1",                   "carried",                     "0"},
  {"just below",                          100, carry,    "10", "+1 x9",                "carried",                     "0"},
  {"just above",                          100, carry,    "10", "+1 x10",               "copied",                      "0.1"},
  {"dropped below it",                    100, skip,     "10", "+1",                   "skipped(below_min_notional)", "0"},
  {"raised to it",                        100, round_up, "10", "+1",                   "copied",                      "0.1"},
  {"raised, and ahead by nine",           100, round_up, "10", "+1 x9",                "carried",                     "0.1"},
  {"half sold",                        10'000, carry,    "0",  "+1 -0.5",              "copied",                      "0.5"},
  {"a quarter and a quarter",          10'000, carry,    "0",  "+1 -0.25 -0.25",       "copied",                      "0.5"},
  {"all sold",                         10'000, carry,    "0",  "+1 -1",                "copied",                      "0"},
  {"sold in three",                    10'000, carry,    "0",  "+3 -1 -1 -1",          "copied",                      "0"},
  {"sold in three, two left",          10'000, carry,    "0",  "+3 -1",                "copied",                      "2"},
  {"the half of half",                  5'000, carry,    "0",  "+1 -0.5",              "copied",                      "0.25"},
  {"a third of half, up to a lot kept", 5'000, carry,    "0",  "+1 -0.333",            "copied",                      "0.334"},
  {"what is owed goes with the next",   5'000, carry,    "0",  "+1 -0.333 -0.001",     "copied",                      "0.333"},
  {"less than a lot to sell",          10'000, carry,    "0",  "+1 -0.0001",           "carried",                     "1"},
  {"nine times less to sell",          10'000, carry,    "0",  "+1 -0.0001 x9",        "carried",                     "1"},
  {"ten times makes one to sell",      10'000, carry,    "0",  "+1 -0.0001 x10",       "copied",                      "0.999"},
  {"a restart forgets nothing owed",   10'000, carry,    "0",  "+1 -0.0001 x9 ! -0.0001", "copied",                   "0.999"},
  {"flat sells what is owed, too",     10'000, carry,    "0",  "+1 -0.0001 x9 -0.9991","copied",                      "0"},
  {"more sold than is known",          10'000, carry,    "0",  "+1 -2",                "copied",                      "0"},
  {"sold from before",                 10'000, carry,    "0",  "-1",                   "skipped(no_position)",        "0"},
  {"sold twice",                       10'000, carry,    "0",  "+1 -1 -1",             "skipped(no_position)",        "0"},
  {"bought anew",                      10'000, carry,    "0",  "+1 -1 +1",             "copied",                      "1"},
  {"bought anew without an old rest",   3'333, carry,    "0",  "+1 -1 +1",             "copied",                      "0.333"},
  {"the rest is halved with the half",  3'333, carry,    "0",  "+1 -0.5 +1",           "copied",                      "0.5"},
  {"restarts change nothing",          10'000, carry,    "0",  "+1 ! +1 ! -1",         "copied",                      "1"},
  {"nor between pieces",                3'333, carry,    "0",  "+1 ! +1 ! +1 ! +1",    "copied",                      "1.333"},
  {"exits have no least notional",     10'000, carry,    "10", "+1 -0.95 -0.04",       "copied",                      "0.01"},
  {"nothing held, nothing to sell",         1, carry,    "0",  "+1 -0.5",              "skipped(no_position)",        "0"},
  {"a waiting rest is cut with it",         1, carry,    "0",  "+1 x8 -4 +1 x6",       "copied",                      "0.001"},
};
// clang-format on

struct Told {
  std::string outcome;
  std::string held;
};

Told follow(const Line& line) {
  World w;
  Instrument i = btc_instrument();
  i.notional_min = dec(line.notional_min);
  w.add_instrument(i);
  CopyLink link = make_link(0);
  link.percentage_e2 = line.percentage_e2;
  link.min_lot_policy = line.policy;
  w.add_follower(0, link);
  std::istringstream in(line.leader);
  std::string before;
  std::size_t told = 0;
  for (std::string token; in >> token;) {
    int times = 1;
    if (token[0] == 'x') {
      times = std::stoi(token.substr(1)) - 1;
      token = before;
    }
    before = token;
    for (int n = 0; n < times; ++n) {
      if (token == "!") {
        auto loaded = Core::load(w.core.save());
        EXPECT_TRUE(loaded.has_value());
        w.core = std::move(*loaded);
        w.give(make_event(Fence{.settings = default_settings()}));
        w.reconcile(0);
        continue;
      }
      const std::size_t places = w.heard.of(IntentKind::place).size();
      w.leader(token[0] == '+' ? Side::buy : Side::sell, token.substr(1));
      const auto placed = w.heard.of(IntentKind::place);
      for (std::size_t at = places; at < placed.size(); ++at) w.fill_whole(placed[at]);
      EXPECT_EQ(w.heard.outcomes().size(), ++told) << "one outcome each";
    }
  }
  const OutcomeRecord o = w.heard.outcomes().back();
  std::string outcome(to_text(o.outcome));
  if (o.reason != Reason::none) outcome += "(" + std::string(to_text(o.reason)) + ")";
  return {outcome, w.held(0).to_text()};
}

TEST(Lots, AreCarriedCutAndSwept) {
  for (const Line& line : lines) {
    SCOPED_TRACE(std::string(line.name) + ": " + line.leader);
    const Told told = follow(line);
    EXPECT_EQ(told.outcome, line.outcome);
    EXPECT_EQ(told.held, line.held);
  }
}

}  // namespace
}  // namespace oneclick::test
