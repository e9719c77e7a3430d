// Resting orders of leaders and the links that mirror them, as section 6 of RULES.md has it: one
// line per case, told as what happens, with what is asked of the venue and told as expected.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/core/world.hpp"

namespace oneclick::test {

namespace {

std::string text_of(Decimal d) {
  std::string t = d.to_text();
  if (t.find('.') != std::string::npos) {
    while (t.back() == '0') t.pop_back();
    if (t.back() == '.') t.pop_back();
  }
  return t;
}

std::string words_of(const Intent& i) {
  const std::string q = text_of(i.quantity) + " at " + text_of(i.price);
  if (i.kind == IntentKind::cancel) return "cancel";
  if (i.kind == IntentKind::query || i.kind == IntentKind::query_trades) return "ask";
  if (i.kind != IntentKind::place) return "?";
  if (i.side == Side::sell) return "sell " + text_of(i.quantity);
  return (i.type == OrderType::limit_gtc ? "rest " : "buy ") + q;
}

std::string words_of(const OutcomeRecord& o) {
  std::string t(to_text(o.outcome));
  if (o.reason != Reason::none) t += "(" + std::string(to_text(o.reason)) + ")";
  return t;
}

class Script {
 public:
  explicit Script(EntryStyle style = EntryStyle::mirror, std::int32_t percentage_e2 = 5'000) {
    w.add_instrument(btc_instrument());
    link = make_link(1);
    link.entry_style = style;
    link.percentage_e2 = percentage_e2;
    w.add_follower(1, link);
  }

  // Returns what was asked and told, parted by "; ".
  std::string run(const std::string& script) {
    w.heard.clear();
    std::istringstream steps(script);
    for (std::string step; std::getline(steps, step, ';');) do_step(step);
    std::string said;
    const auto add = [&](const std::string& t) { said += (said.empty() ? "" : "; ") + t; };
    for (const Intent& i : w.heard.intents) add(words_of(i));
    for (const OutcomeRecord& o : w.heard.outcomes()) add(words_of(o));
    return said;
  }

  World w;
  CopyLink link{};

 private:
  void do_step(const std::string& step) {
    std::istringstream in(step);
    std::string op, a, b;
    in >> op >> a >> b;
    if (op == "place") tell(LeaderEventKind::order_placed, Side::buy, a, b);
    if (op == "offer") tell(LeaderEventKind::order_placed, Side::sell, a, b);
    if (op == "amend") tell(LeaderEventKind::order_amended, Side::buy, a, b);
    if (op == "withdraw") tell(LeaderEventKind::order_cancelled, Side::buy, "4", "90");
    if (op == "leader") fill(Side::buy, a, 7);
    if (op == "other") fill(Side::buy, a, 8);
    if (op == "sells") fill(Side::sell, a, 9);
    if (op == "take") w.accept(last());
    if (op == "refuse") w.reject(last());
    if (op == "gone") w.done(last(), filled_);
    if (op == "part") w.fill(last(), a, b, "p" + b), filled_ = b;
    if (op == "fill") w.fill_whole(last());
    if (op == "kill") kill();
    if (op == "pause") {
      link.status = LinkStatus::paused;
      ++link.version;
      w.give(make_event(link));
    }
    if (op == "pass") w.run_until(w.now_ns + std::stoll(a) * s_ns);
    if (op == "found") w.answer(last(), OrderUpdateKind::accepted);
    if (op == "restart") {
      w.give(make_event(Fence{.settings = default_settings()}));
      w.core = *Core::load(w.core.save());
      w.reconcile(1);
    }
    for (const Intent& i : w.heard.of(IntentKind::place)) {
      if (i.key == last_.key) continue;
      last_ = i;
      filled_ = "0";
    }
  }
  void kill() {
    KillSwitch all{};
    all.on = true;
    w.give(make_event(all));
  }
  [[nodiscard]] const Intent& last() const { return last_; }
  void tell(LeaderEventKind kind, Side side, const std::string& quantity,
            const std::string& price) {
    LeaderEvent e = w.leader_fill(side, quantity);
    e.kind = kind;
    e.price = dec(price);
    e.leader_order = 7;
    e.touch = Touch{};
    w.give(make_event(e));
  }
  void fill(Side side, const std::string& quantity, std::uint64_t order) {
    LeaderEvent e = w.leader_fill(side, quantity);
    e.leader_order = order;
    w.give(make_event(e));
  }

  Intent last_{};
  std::string filled_ = "0";
};

struct Line {
  const char* what;
  const char* before;
  const char* then;
  const char* said;
  const char* held;
};

const Line lines[] = {
    // placed
    {"rests at the leader's price, by the link's part", "", "place 4 90", "rest 2 at 90", "0"},
    {"down to the tick", "", "place 4 90.009", "rest 2 at 90", "0"},
    {"told when the venue has it", "place 4 90", "take", "copied", "0"},
    {"told when it is refused", "place 4 90", "refuse", "failed(rejected)", "0"},
    {"too little to rest", "", "place 0.001 90", "skipped(below_min_lot)", "0"},
    {"a sale is not mirrored", "", "offer 4 110", "skipped(not_mirrored)", "0"},
    {"covered by a switch", "kill", "place 4 90", "skipped(kill_switch)", "0"},
    {"a link that is paused", "pause", "place 4 90", "skipped(link_inactive)", "0"},
    {"it is not asked for while it rests", "place 4 90; take", "pass 600", "", "0"},
    {"it fills", "place 4 90; take", "part 0.5 0.5; part 1.5 2; gone", "", "2"},
    // fills of the leader
    {"a fill of the mirrored order", "place 4 90; take", "leader 1", "coalesced", "0"},
    {"a fill of another order", "place 4 90; take", "other 1", "buy 0.5 at 100.5", "0"},
    {"a fill of an order whose copy was refused", "place 4 90; refuse", "leader 1",
     "buy 0.5 at 100.5", "0"},
    {"a fill of an order that was too little to rest", "place 0.001 90", "leader 0.001", "carried",
     "0"},
    // amended
    {"cancelled first", "place 4 90; take", "amend 4 91", "cancel; coalesced", "0"},
    {"placed anew when that is confirmed", "place 4 90; take; amend 4 91", "gone", "rest 2 at 91",
     "0"},
    {"made larger", "place 4 90; take; amend 6 90", "gone", "rest 3 at 90", "0"},
    {"less what has filled", "place 4 90; take; part 0.5 0.5; amend 4 91", "gone", "rest 1.5 at 91",
     "0.5"},
    {"less what fills while it is cancelled", "place 4 90; take; amend 4 91; part 0.5 0.5", "gone",
     "rest 1.5 at 91", "0.5"},
    {"filled while it is cancelled", "place 4 90; take; amend 4 91; part 2 2", "gone", "", "2"},
    {"the latest counts", "place 4 90; take; amend 4 91; amend 8 92", "gone", "rest 4 at 92", "0"},
    {"one cancel for two amendments", "place 4 90; take", "amend 4 91; amend 4 92",
     "cancel; coalesced; coalesced", "0"},
    {"before the venue has it: then", "place 4 90; amend 4 91", "take", "cancel; copied", "0"},
    {"again", "place 4 90; take; amend 4 91; gone; take", "amend 4 92", "cancel; coalesced", "0"},
    {"what had not rested rests now", "place 0.001 90", "amend 4 90", "rest 2 at 90", "0"},
    {"not after a switch", "place 4 90; take; amend 4 91; kill", "gone", "", "0"},
    // cancelled
    {"cancelled with it", "place 4 90; take", "withdraw", "cancel; coalesced", "0"},
    {"what has filled stays", "place 4 90; take; part 0.5 0.5; withdraw", "gone", "", "0.5"},
    {"cancelled instead of amended", "place 4 90; take; amend 4 91; withdraw", "gone", "", "0"},
    {"cancelled before the venue has it", "place 4 90; withdraw", "take", "cancel; copied", "0"},
    {"nothing of it here", "place 4 90; refuse", "withdraw", "skipped(not_mirrored)", "0"},
    {"a cancel that is not answered is repeated", "place 4 90; take; withdraw", "pass 2",
     "cancel; ask", "0"},
    // done
    {"the leader's is done: cancelled", "place 4 90; take", "leader 4", "cancel; coalesced", "0"},
    {"in parts", "place 4 90; take; leader 1; leader 2", "leader 1", "cancel; coalesced", "0"},
    {"and bought", "place 4 90; take; leader 4", "gone", "buy 2 at 100.5", "0"},
    {"what is left", "place 4 90; take; part 0.5 0.5; leader 4", "gone", "buy 1.5 at 100.5", "0.5"},
    {"once", "place 4 90; take; leader 4; gone; take", "gone", "", "0"},
    {"not when it is late", "place 4 90; take; leader 4; pass 6", "gone", "", "0"},
    {"nothing is left", "place 4 90; take; part 2 2; gone", "leader 4", "coalesced", "2"},
    {"an amended quantity is what it is done by", "place 4 90; take; amend 2 90; gone; take",
     "leader 2", "cancel; coalesced", "0"},
    // stopped
    {"a switch cancels it", "place 4 90; take", "kill", "cancel", "0"},
    {"a link that is paused loses it", "place 4 90; take", "pause", "cancel", "0"},
    {"and the leader's fills are entries again", "place 4 90; take; kill; gone", "leader 1",
     "skipped(kill_switch)", "0"},
    // sales meanwhile
    {"the leader sells: what rests goes on", "other 2; fill; place 4 90; take", "sells 2", "sell 1",
     "1"},
    // a start
    {"asked for, not sent again", "place 4 90; take", "restart", "ask", "0"},
    {"followed on", "place 4 90; take; restart; found", "amend 4 91", "cancel; coalesced", "0"},
    {"a cancel that may not have left is repeated", "place 4 90; take; withdraw; restart", "found",
     "cancel", "0"},
};

}  // namespace

TEST(Mirror, FollowsTheRules) {
  for (const Line& line : lines) {
    Script script;
    script.run(line.before);
    EXPECT_EQ(script.run(line.then), line.said) << line.what;
    EXPECT_EQ(text_of(script.w.held(1)), line.held) << line.what;
  }
}

TEST(Mirror, IsLeftAloneByOtherStyles) {
  for (const EntryStyle style : {EntryStyle::capped, EntryStyle::market}) {
    Script script(style);
    EXPECT_EQ(script.run("place 4 90"), "skipped(not_mirrored)");
    EXPECT_EQ(script.run("amend 4 91"), "skipped(not_mirrored)");
    EXPECT_EQ(script.run("withdraw"), "skipped(not_mirrored)");
  }
}

TEST(Mirror, ReservesItsCostUntilItEnds) {
  Script script(EntryStyle::mirror, 10'000);
  script.w.set_balance(1, "360.37");
  EXPECT_EQ(script.run("place 4 90; take"), "rest 4 at 90; copied");
  EXPECT_EQ(script.run("other 1"), "skipped(balance)");
  EXPECT_EQ(script.run("withdraw; gone"), "cancel; coalesced");
  EXPECT_EQ(script.run("other 1"), "buy 1 at 100.5");
}

TEST(Mirror, WhatTheVenueHasLockedIsNotReservedOnceMore) {
  Script script(EntryStyle::mirror, 10'000);
  const auto told = [&](std::string_view free, std::string_view locked) {
    Balance b{};
    b.account = account_id(1);
    b.asset = usdt;
    b.free = dec(free);
    b.locked = dec(locked);
    b.venue_time_ns = script.w.now_ns;
    script.w.give(make_event(b));
  };
  script.w.set_balance(1, "500");
  EXPECT_EQ(script.run("place 4 90; take"), "rest 4 at 90; copied");
  EXPECT_EQ(script.run("other 1.3"), "buy 1.3 at 100.5") << "139.64 are left";
  script.run("refuse");
  told("500", "0");
  EXPECT_EQ(script.run("other 4"), "buy 1.388 at 100.5") << "from before it was locked";
  script.run("refuse");
  told("140", "360");
  EXPECT_EQ(script.run("other 4"), "buy 1.391 at 100.5");
  script.run("refuse");
}

TEST(Mirror, AnAmendmentHasWhatItsOrderHadLocked) {
  Script script(EntryStyle::mirror, 10'000);
  script.w.set_balance(1, "361");
  script.run("place 4 90; take");
  Balance b{};
  b.account = account_id(1);
  b.asset = usdt;
  b.free = dec("1");
  b.locked = dec("360");
  b.venue_time_ns = script.w.now_ns;
  script.w.give(make_event(b));
  EXPECT_EQ(script.run("amend 4 89; gone"), "cancel; rest 4 at 89; coalesced");
}

TEST(Mirror, AReplacementThatIsRefusedSaysWhyInARow) {
  Script script;
  script.run("place 4 90; take; part 0.5 0.5; amend 4 91");
  script.w.set_balance(1, "0");
  EXPECT_EQ(script.run("gone"), "");
  const auto rows = script.w.heard.orders();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].status, OrderStatus::failed);
  EXPECT_EQ(rows[1].reason, Reason::balance);
  EXPECT_EQ(text_of(rows[1].quantity), "1.5");
  EXPECT_EQ(text_of(rows[1].price), "91");
  EXPECT_NE(rows[1].key, rows[0].key);
  EXPECT_EQ(script.run("amend 4 92"), "coalesced") << "and it is asked again";
}

TEST(Mirror, AttemptsHaveKeysOfTheirOwn) {
  Script script;
  std::vector<OrderKey> keys;
  script.run("place 4 90; take");
  for (int n = 0; n < 300; ++n) {
    script.run("amend 4 " + std::to_string(91 + n % 2) + "; gone; take");
    for (const Intent& i : script.w.heard.of(IntentKind::place)) keys.push_back(i.key);
  }
  EXPECT_EQ(keys.size(), 300U);
  std::ranges::sort(keys);
  EXPECT_EQ(std::ranges::adjacent_find(keys), keys.end());
}

}  // namespace oneclick::test
