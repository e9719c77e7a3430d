// Long and short, turning around, and the other way of the leader: lines of RULES.md, sections 1 to
// 5. Each line is a script of what the leader does and what becomes of orders, and says which
// orders there are, which outcomes, and what is held at the end.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

enum class On : std::uint8_t { spot, linear };

// Script: "+2" the leader buys 2, "-2" sells. "f" all that is open fills; "h" half of it, and ends;
// "n" none of it, and ends; "x" is refused; "u" is not known; "R" the engine starts again; "D" the
// account is disconnected, "C" connected; "P" the link is paused; "t" six seconds pass, which is
// longer than entries live. Orders: "b" buys, "s" sells, "!" marks exits.
struct Case {
  const char* name;
  On on;
  bool reverse;
  const char* script;
  const char* orders;
  const char* outcomes;
  const char* position;
};

class Player {
 public:
  explicit Player(On on, CopyLink link = make_link(0)) : link_(link) {
    w.add_instrument(on == On::spot ? btc_instrument() : linear_instrument());
    w.add_follower(0, link_);
    w.heard.clear();
  }
  void play(std::string_view script) {
    std::istringstream in{std::string(script)};
    for (std::string step; in >> step;) play_step(step);
  }
  [[nodiscard]] std::string orders() const {
    std::string all;
    std::set<OrderKey> keys;
    for (const Intent& i : w.heard.of(IntentKind::place)) {
      EXPECT_TRUE(keys.insert(i.key).second) << "two orders of one key";
      EXPECT_EQ(i.reduce_only, i.is_exit && linear());
      all += (all.empty() ? "" : " ") + std::string(i.side == Side::buy ? "b" : "s") +
             i.quantity.to_text() + (i.is_exit ? "!" : "");
    }
    return all;
  }
  // In the order in which events were taken.
  [[nodiscard]] std::string outcomes() const {
    std::string all;
    for (std::uint64_t n = 1; n <= w.events; ++n)
      for (const OutcomeRecord& o : w.heard.outcomes())
        if (o.event == event_id(n)) all += (all.empty() ? "" : " ") + text_of(o);
    return all;
  }

  World w;

 private:
  [[nodiscard]] static std::string text_of(const OutcomeRecord& o) {
    std::string text{to_text(o.outcome)};
    if (o.cap != Cap::none) text += "/" + std::string(to_text(o.cap));
    if (o.reason != Reason::none) text += "(" + std::string(to_text(o.reason)) + ")";
    return text;
  }
  [[nodiscard]] bool linear() const {
    for (const Event& e : w.history)
      if (e.kind == EventKind::instrument) return e.instrument.kind == InstrumentKind::linear;
    return false;
  }
  void play_step(const std::string& step) {
    if (step[0] == '+') return w.leader(Side::buy, step.substr(1));
    if (step[0] == '-') return w.leader(Side::sell, step.substr(1));
    switch (step[0]) {
      case 'f':
        return each_open([&](const Intent& i) { w.fill_whole(i); });
      case 'h':
        return each_open([&](const Intent& i) { end(i, scale_by(i.quantity, 1, 2, Round::down)); });
      case 'n':
        return each_open([&](const Intent& i) { end(i, Decimal{}); });
      case 'x':
        return each_open([&](const Intent& i) { w.reject(i); });
      case 'u':
        for (std::size_t at = open_; at < places().size(); ++at)
          w.answer(places()[at], OrderUpdateKind::unknown, UpdateSource::reply);
        return;
      case 'R':
        w.give(make_event(Fence{.settings = default_settings()}));
        return w.reconcile(0);
      case 'D':
      case 'C': {
        Account account = make_account(0);
        account.connected = step[0] == 'C';
        return w.give(make_event(account));
      }
      case 'P':
        link_.status = LinkStatus::paused;
        return w.give(make_event(link_));
      case 't':
        return w.pass(6 * s_ns);
      default:
        ADD_FAILURE() << "no such step: " << step;
    }
  }
  [[nodiscard]] std::vector<Intent> places() const { return w.heard.of(IntentKind::place); }
  // Also those that follow from them.
  template <typename Act>
  void each_open(Act act) {
    const std::size_t end = places().size();
    for (; open_ < end;) act(places()[open_++]);
  }
  void end(const Intent& i, Decimal filled) {
    w.accept(i);
    const std::string q = filled.to_text();
    if (filled.is_positive()) w.fill(i, q, q, "t" + i.key.to_text());
    w.done(i, q);
  }

  CopyLink link_;
  std::size_t open_ = 0;
};

void check(const Case& c) {
  SCOPED_TRACE(std::string(c.name) + ": " + c.script);
  CopyLink link = make_link(0);
  link.reverse = c.reverse;
  Player player(c.on, link);
  player.play(c.script);
  EXPECT_EQ(player.orders(), c.orders);
  EXPECT_EQ(player.outcomes(), c.outcomes);
  EXPECT_EQ(player.w.position(0).to_text(), c.position);
}

constexpr On spot = On::spot, linear = On::linear;
// clang-format off
const Case cases[] = {
  // name                      on      rev    script                  orders                  outcomes                                            position
  {"long in and out",          linear, false, "+2 f -2 f",            "b2 s2!",               "copied copied",                                    "0"},
  {"short in and out",         linear, false, "-2 f +2 f",            "s2 b2!",               "copied copied",                                    "0"},
  {"short, more of it",        linear, false, "-2 f -1 f",            "s2 s1",                "copied copied",                                    "-3"},
  {"short, a part covered",    linear, false, "-4 f +1 f",            "s4 b1!",               "copied copied",                                    "-3"},
  {"short, half and half",     linear, false, "-4 f +2 f +1 f",       "s4 b2! b1!",           "copied copied copied",                             "-1"},
  {"short, then flat at once", linear, false, "-4 +4 f f",            "s4 b4!",               "copied coalesced",                                 "0"},
  {"short in flight, cut",     linear, false, "-4 +1 f f",            "s4 b1!",               "copied coalesced",                                 "-3"},
  {"cover below a lot",        linear, false, "-2 f +0.0005 f +0.0005 f", "s2 b0.001!",       "copied carried copied",                            "-1.999"},
  {"short below a lot",        linear, false, "-0.0005 -0.0006 f",    "s0.001",               "carried copied",                                   "-0.001"},
  {"spot sells nothing short", spot,   false, "-2",                   "",                     "skipped(no_position)",                             "0"},
  {"spot stops at nothing",    spot,   false, "+1 f -3 f",            "b1 s1!",               "copied copied",                                    "0"},
  {"spot, zero is zero",       spot,   false, "+1 f -3 f +1 f",       "b1 s1! b1",            "copied copied copied",                             "1"},
  // the other way
  {"reverse: long is short",   linear, true,  "+2 f",                 "s2",                   "copied",                                           "-2"},
  {"reverse: out again",       linear, true,  "+2 f -2 f",            "s2 b2!",               "copied copied",                                    "0"},
  {"reverse: a part",          linear, true,  "+4 f -1 f",            "s4 b1!",               "copied copied",                                    "-3"},
  {"reverse: short is long",   linear, true,  "-2 f -1 f",            "b2 b1",                "copied copied",                                    "3"},
  {"reverse: short covered",   linear, true,  "-2 f +2 f",            "b2 s2!",               "copied copied",                                    "0"},
  {"reverse: turn",            linear, true,  "+2 f -5 f f",          "s2 b2! b3",            "copied copied",                                    "3"},
  {"reverse on spot",          spot,   true,  "+2",                   "",                     "skipped(no_position)",                             "0"},
  {"reverse on spot, out",     spot,   true,  "+2 -2",                "",                     "skipped(no_position) skipped(no_position)",        "0"},
  // turning around
  {"long to short",            linear, false, "+2 f -5 f f",          "b2 s2! s3",            "copied copied",                                    "-3"},
  {"short to long",            linear, false, "-2 f +5 f f",          "s2 b2! b3",            "copied copied",                                    "3"},
  {"nothing held",             linear, false, "+2 n -5 f",            "b2 s3",                "failed(not_filled) copied",                        "-3"},
  {"entry waits for the exit", linear, false, "+2 f -5",              "b2 s2!",               "copied",                                           "2"},
  {"exit in two parts",        linear, false, "+2 f -5 h f f",        "b2 s2! s1! s3",        "copied copied",                                    "-3"},
  {"exit refused once",        linear, false, "+2 f -5 x",            "b2 s2!",               "copied",                                           "2"},
  {"exit not known yet",       linear, false, "+2 f -5 u",            "b2 s2!",               "copied",                                           "2"},
  {"exit not known, then is",  linear, false, "+2 f -5 u f f",        "b2 s2! s3",            "copied copied",                                    "-3"},
  {"entry not filled",         linear, false, "+2 f -5 f n",          "b2 s2! s3",            "copied failed(not_filled)",                        "0"},
  {"entry refused by venue",   linear, false, "+2 f -5 f x",          "b2 s2! s3",            "copied failed(rejected)",                          "0"},
  {"entry too late",           linear, false, "+2 f -5 t f",          "b2 s2!",               "copied clipped/flip(stale)",                       "0"},
  {"entry without leave",      linear, false, "+2 f P -5 f",          "b2 s2!",               "copied clipped/flip(link_inactive)",               "0"},
  {"paused while it waits",    linear, false, "+2 f -5 P f",          "b2 s2!",               "copied clipped/flip(link_inactive)",               "0"},
  {"nothing held, paused",     linear, false, "P +2 -5",              "",                     "skipped(link_inactive) skipped(link_inactive)",    "0"},
  {"no way to the venue",      linear, false, "+2 f D -5",            "b2",                   "copied skipped(exchange_disconnected)",            "2"},
  {"way lost while exiting",   linear, false, "+2 f -5 D x C",        "b2 s2!",               "copied",                                           "2"},
  {"started again between",    linear, false, "+2 f -5 R f f",        "b2 s2! s3",            "copied copied",                                    "-3"},
  {"started again in leg 1",   linear, false, "+2 f -5 f R f",        "b2 s2! s3",            "copied copied",                                    "-3"},
  {"entry in flight, turned",  linear, false, "+2 -5 f f f",          "b2 s2! s3",            "copied copied",                                    "-3"},
  {"entry in flight, none",    linear, false, "+2 -5 n f",            "b2 s3",                "failed(not_filled) copied",                        "-3"},
  {"entry in flight, half",    linear, false, "+2 -5 h f f",          "b2 s1! s3",            "copied copied",                                    "-3"},
  // the leader goes on before the followers are through (fault LF-04)
  {"turn, then more",          linear, false, "+2 f -5 -1 f f",       "b2 s2! s4",            "copied copied coalesced",                          "-4"},
  {"turn, then less",          linear, false, "+2 f -5 +1 f f",       "b2 s2! s2",            "copied copied coalesced",                          "-2"},
  {"turn, then flat",          linear, false, "+2 f -5 +3 f",         "b2 s2!",               "copied clipped/flip(superseded) skipped(already_exiting)", "0"},
  {"turn, and back",           linear, false, "+2 f -5 +4 f f",       "b2 s2! b1",            "copied clipped/flip(superseded) copied",           "1"},
  {"turn, back and again",     linear, false, "+2 f -5 +4 -2 f f",    "b2 s2! s1",            "copied clipped/flip(superseded) skipped(superseded) copied", "-1"},
  {"flat, then short",         linear, false, "+2 f -2 -3 f f",       "b2 s2! s3",            "copied copied copied",                             "-3"},
  {"flat, short, flat",        linear, false, "+2 f -2 -3 +3 f",      "b2 s2!",               "copied copied skipped(superseded) skipped(already_exiting)", "0"},
  {"leg 1 on its way, back",   linear, false, "+2 f -5 f +4 f f f",   "b2 s2! s3 b3! b1",     "copied copied copied",                             "1"},
  {"leg 1 on its way, none",   linear, false, "+2 f -5 f +4 n f",     "b2 s2! s3 b1",         "copied failed(not_filled) copied",                 "1"},
  {"leg 1 not known, back",    linear, false, "+2 f -5 f u +4 f f f", "b2 s2! s3 b3! b1",     "copied copied copied",                             "1"},
  {"turned by two fills",      linear, false, "+2 f -1 -4 f f",       "b2 s1! s1! s3",        "copied copied copied",                             "-3"},
};
// clang-format on

TEST(Directions, EntersLeavesAndTurnsAsTheLeaderDoes) {
  for (const Case& c : cases) check(c);
}

}  // namespace
}  // namespace oneclick::test
