// Protection by the venue's own orders, as section 7 of RULES.md has it: one line per case, told as
// what happens, with what the core asks of the venue as expected.
#include <gtest/gtest.h>

#include <map>
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

// What an intent asks for, in words.
std::string words_of(const Intent& i) {
  const std::string q = text_of(i.quantity);
  switch (i.kind) {
    case IntentKind::place:
      if (i.type == OrderType::stop_loss) return "stop " + q + " at " + text_of(i.stop_price);
      if (i.type == OrderType::take_profit) return "target " + q + " at " + text_of(i.price);
      if (i.type == OrderType::limit_gtc) return "rest " + q + " at " + text_of(i.price);
      return std::string(to_text(i.side)) + " " + q;
    case IntentKind::place_pair:
      return "pair " + q + " at " + text_of(i.price) + "/" + text_of(i.stop_price);
    case IntentKind::cancel:
      return i.other_key.is_nil() ? "cancel" : "cancel both";
    case IntentKind::query:
    case IntentKind::query_trades:
      return "ask";
    case IntentKind::read_account:
      return "read";
  }
  return "?";
}

// One follower of a channel; a script of steps, with the venue's part told step by step.
class Script {
 public:
  explicit Script(bool protect = true) {
    Instrument i = btc_instrument();
    i.notional_min = dec("5");
    w.add_instrument(i);
    CopyLink l = make_link(1);
    l.leader = UserId{};
    l.channel = channel_id();
    l.protect = protect;
    w.add_follower(1, l);
    bid("99.99");
  }

  // Steps are parted by "; ". Returns what was asked of the venue, "; " between.
  std::string run(const std::string& script) {
    w.heard.clear();
    std::istringstream steps(script);
    for (std::string step; std::getline(steps, step, ';');) do_step(step);
    std::string said;
    for (const Intent& i : w.heard.intents) said += (said.empty() ? "" : "; ") + words_of(i);
    return said;
  }

  void bid(std::string_view price) {
    w.bid = dec(price);
    w.ask = w.bid + dec("0.01");
    Price p{};
    p.venue = Venue::binance;
    p.symbol = btc;
    p.touch = {.bid = w.bid, .ask = w.ask, .time_ns = w.now_ns};
    w.give(make_event(p));
  }

  World w;
  bool answers = true;  // orders at market are filled as they come

 private:
  void do_step(const std::string& step) {
    const std::size_t before = w.heard.intents.size();
    std::istringstream in(step);
    std::string op, a, b;
    in >> op;
    if (op == "buy") return buy(in), settle(before);
    if (op == "sell" || op == "close" || op == "update") return signal(op, in), settle(before);
    if (op == "hang") answers = false;
    if (op == "fill") answers = true, settle_all();
    if (op == "part") in >> a, fill_last(a);
    if (op == "take") accept_legs();
    if (op == "refuse") in >> a, refuse(a == "reached" ? Reason::would_trigger : Reason::rejected);
    if (op == "doubt") answer_legs(OrderUpdateKind::unknown, UpdateSource::reply);
    if (op == "absent") absent();
    if (op == "found") answer_legs(OrderUpdateKind::accepted, UpdateSource::query);
    if (op == "hit") in >> a >> b, hit(a == "stop", b);
    if (op == "gone") in >> a, end_legs(a);
    if (op == "bid") in >> a, bid(a);
    if (op == "pass") in >> a, w.run_until(w.now_ns + std::stoll(a) * s_ns);
    if (op == "restart") restart();
    settle(before);
  }
  void buy(std::istringstream& in) {
    std::string number, quantity, stop, target;
    in >> number >> quantity >> stop >> target;
    LeaderEvent e =
        w.signal(LeaderEventKind::signal_published, std::stoull(number), SignalType::buy, quantity);
    e.stop_loss = dec(stop);
    e.take_profit = dec(target);
    w.give(make_event(e));
  }
  void signal(const std::string& op, std::istringstream& in) {
    std::string number, a, b;
    in >> number >> a >> b;
    const auto kind = op == "sell"    ? LeaderEventKind::signal_published
                      : op == "close" ? LeaderEventKind::signal_closed
                                      : LeaderEventKind::signal_updated;
    LeaderEvent e =
        w.signal(kind, std::stoull(number), op == "sell" ? SignalType::sell : SignalType::none,
                 op == "sell" ? a : "0");
    if (op == "update") e.stop_loss = dec(a), e.take_profit = dec(b);
    w.give(make_event(e));
  }
  void remember(const Intent& i) {
    if (i.kind == IntentKind::place && i.type != OrderType::stop_loss &&
        i.type != OrderType::take_profit) {
      market_ = i;
      market_open_ = true;
      if (answers) settle_all();
      return;
    }
    if (!places(i)) return;
    target_ = stop_ = Intent{};
    if (i.kind == IntentKind::place_pair || i.type == OrderType::take_profit) target_ = i;
    if (i.kind == IntentKind::place_pair || i.type == OrderType::stop_loss) stop_ = i;
    if (i.kind == IntentKind::place_pair) stop_.key = i.other_key;
  }
  // Looks at what was asked since, and at what the answers led to.
  void settle(std::size_t from) {
    for (std::size_t n = from; n < w.heard.intents.size(); ++n)
      if (seen_ <= n || n >= from) remember(Intent(w.heard.intents[n]));
    seen_ = w.heard.intents.size();
  }
  void settle_all() {
    if (!market_open_) return;
    market_open_ = false;
    const Intent order = market_;
    w.fill_whole(order);
  }
  void fill_last(const std::string& quantity) {
    market_open_ = false;
    w.accept(market_);
    w.fill(market_, quantity, quantity, "p" + market_.key.to_text());
    w.done(market_, quantity);
  }
  template <typename Do>
  void each(Do with) {
    const Intent legs[] = {target_, stop_};
    for (const Intent& leg : legs)
      if (!leg.key.is_nil()) with(leg);
  }
  void accept_legs() {
    each([&](const Intent& leg) { w.accept(leg); });
  }
  void refuse(Reason reason) {
    each([&](const Intent& leg) { w.reject(leg, reason); });
  }
  void answer_legs(OrderUpdateKind kind, UpdateSource source) {
    each([&](const Intent& leg) { w.answer(leg, kind, source); });
  }
  void absent() {
    for (int n = 0; n < 4; ++n) {
      answer_legs(OrderUpdateKind::not_found, UpdateSource::query);
      w.now_ns += 5 * s_ns;
    }
  }
  void hit(bool stop, const std::string& quantity) {
    const Intent leg = stop ? stop_ : target_;
    w.fill(leg, quantity, quantity, "h" + leg.key.to_text());
    if (dec(quantity) == leg.quantity) w.done(leg, quantity);
    filled_[leg.key.to_text()] = quantity;
  }
  void end_legs(const std::string& which) {
    each([&](const Intent& leg) {
      if (which == "stop" && leg.key == target_.key) return;
      if (which == "target" && leg.key == stop_.key) return;
      const auto filled = filled_.find(leg.key.to_text());
      w.done(leg, filled == filled_.end() ? "0" : filled->second);
    });
  }
  void restart() {
    w.give(make_event(Fence{.settings = default_settings()}));
    w.reconcile(1);
  }

  Intent market_{}, target_{}, stop_{};
  bool market_open_ = false;
  std::size_t seen_ = 0;
  std::map<std::string, std::string> filled_;
};

struct Line {
  const char* what;
  const char* before;  // what happened, answered as expected
  const char* then;
  const char* asked;
  const char* held;
};

const Line lines[] = {
    // placed
    {"both: a pair", "", "buy 1 2 90 110", "buy 2; pair 2 at 110/90", "2"},
    {"a stop alone", "", "buy 1 2 90 0", "buy 2; stop 2 at 90", "2"},
    {"a target alone", "", "buy 1 2 0 110", "buy 2; target 2 at 110", "2"},
    {"neither", "", "buy 1 2 0 0", "buy 2", "2"},
    {"rounded toward the market", "", "buy 1 2 90.001 110.009", "buy 2; pair 2 at 110/90.01", "2"},
    {"not before the entry has ended", "", "hang; buy 1 2 90 110", "buy 2", "0"},
    {"what an entry filled in part has brought", "hang; buy 1 2 90 110", "part 0.5",
     "pair 0.5 at 110/90", "0.5"},
    {"nothing for an entry that brought nothing", "hang; buy 1 2 90 110", "pass 1", "", "0"},
    {"too little for the venue", "", "buy 1 0.05 90 110", "buy 0.05", "0.05"},
    {"too little at the stop only", "", "buy 1 0.051 90 110", "buy 0.051", "0.051"},
    {"the market is at the stop", "", "buy 1 2 99.99 110", "buy 2; sell 2", "0"},
    {"the market is below the stop", "", "buy 1 2 105 0", "buy 2; sell 2", "0"},
    {"the market is at the target", "", "buy 1 2 90 99.99", "buy 2; sell 2", "0"},
    {"the market is a tick off both", "", "buy 1 2 99.98 100", "buy 2; pair 2 at 100/99.98", "2"},
    // two signals
    {"each signal for itself", "", "buy 1 2 90 110; buy 2 3 95 0",
     "buy 2; pair 2 at 110/90; buy 3; stop 3 at 95", "5"},
    // exits
    {"a closing cancels, waits, sells", "buy 1 2 90 110; take", "close 1", "cancel both", "2"},
    {"a closing sells when both have let go", "buy 1 2 90 110; take; close 1", "gone", "sell 2",
     "0"},
    {"one of two is not enough", "buy 1 2 90 110; take; close 1", "gone target", "", "2"},
    {"a part: the rest is protected again", "buy 1 2 90 110; take; sell 9 0.5", "gone",
     "sell 0.5; pair 1.5 at 110/90", "1.5"},
    {"the other signal stays protected", "buy 1 2 90 110; take; buy 2 3 95 0; take", "close 2",
     "cancel", "5"},
    {"a sale takes from the oldest", "buy 1 2 90 0; take; buy 2 3 95 0; take", "sell 9 1", "cancel",
     "5"},
    {"fills of the last moment count", "buy 1 2 90 110; take; close 1; hit target 0.5", "gone",
     "sell 1.5", "0"},
    {"all went at the last moment", "buy 1 2 90 110; take; close 1; hit target 2", "gone stop", "",
     "0"},
    {"on their way: cancelled as they arrive", "buy 1 2 90 110; close 1", "take",
     "cancel both; cancel both", "2"},
    {"on their way and refused: sold", "buy 1 2 90 110; close 1", "refuse", "sell 2", "0"},
    {"a cancel that is not answered is repeated", "buy 1 2 90 0; take; close 1", "pass 2",
     "cancel; ask", "2"},
    {"an entry in flight is sold as it arrives, unprotected", "hang; buy 1 2 90 110; close 1",
     "fill", "sell 2", "0"},
    // fills
    {"the stop ends it", "buy 1 2 90 110; take", "hit stop 2; gone target", "", "0"},
    {"the target ends it", "buy 1 2 90 110; take", "hit target 2; gone stop", "", "0"},
    {"part of a target, and the stop gone: the rest anew", "buy 1 2 90 110; take",
     "hit target 0.5; gone stop", "cancel", "1.5"},
    {"part of a target: protected again as a pair",
     "buy 1 2 90 110; take; hit target 0.5; gone stop", "gone target", "pair 1.5 at 110/90", "1.5"},
    {"the other of a pair that says nothing is asked for", "buy 1 2 90 110; take; hit stop 2",
     "pass 2", "cancel; ask", "0"},
    // refused and doubted
    {"refused: tried again, later", "buy 1 2 90 110", "refuse; pass 9", "", "2"},
    {"refused: tried again", "buy 1 2 90 110; refuse", "pass 10", "pair 2 at 110/90", "2"},
    {"refused because the market was there", "buy 1 2 90 110", "refuse reached", "sell 2", "0"},
    {"refused, and the market there when it is tried again", "buy 1 2 90 110; refuse; bid 89",
     "pass 10", "sell 2", "0"},
    {"cancelled by somebody at the venue: again, later", "buy 1 2 90 0; take; gone", "pass 10",
     "stop 2 at 90", "2"},
    {"doubtful: asked for", "buy 1 2 90 0", "doubt", "ask", "2"},
    {"doubtful and found", "buy 1 2 90 0; doubt", "found", "", "2"},
    {"doubtful and found, and a closing meanwhile", "buy 1 2 90 0; doubt; close 1", "found",
     "cancel", "2"},
    {"nothing goes out while it is doubtful", "buy 1 2 90 0; doubt", "close 1", "", "2"},
    // amended
    {"amended: cancelled", "buy 1 2 90 110; take", "update 1 95 0", "cancel both", "2"},
    {"amended: placed anew", "buy 1 2 90 110; take; update 1 95 0", "gone", "pair 2 at 110/95",
     "2"},
    {"the latest amendment counts", "buy 1 2 90 110; take; update 1 95 0; update 1 96 120", "gone",
     "pair 2 at 120/96", "2"},
    {"amended to what it is: nothing", "buy 1 2 90 110; take", "update 1 90 110", "", "2"},
    {"a stop where there was none", "buy 1 2 0 0", "update 1 90 0", "stop 2 at 90", "2"},
    {"a target beside a stop", "buy 1 2 90 0; take; update 1 0 110", "gone", "pair 2 at 110/90",
     "2"},
    {"amended before the entry has ended", "hang; buy 1 2 90 110; update 1 95 0", "fill",
     "pair 2 at 110/95", "2"},
    {"amended through the market", "buy 1 2 90 110; take; update 1 100 0", "gone", "sell 2", "0"},
    {"of a signal that opened nothing", "buy 1 2 90 110; take", "update 7 95 0", "", "2"},
    // a start
    {"at the venue: asked for, not sent again", "buy 1 2 90 0; take", "restart", "ask", "2"},
    {"on its way: asked for", "buy 1 2 90 0", "restart", "ask", "2"},
    {"on its way and proven absent: again, later", "buy 1 2 90 0; restart; absent", "pass 1",
     "stop 2 at 90", "2"},
    {"released and not confirmed: cancelled again", "buy 1 2 90 0; take; close 1; restart", "found",
     "cancel", "2"},
};

}  // namespace

TEST(Protection, FollowsTheRules) {
  for (const Line& line : lines) {
    Script script;
    script.run(line.before);
    EXPECT_EQ(script.run(line.then), line.asked) << line.what;
    EXPECT_EQ(text_of(script.w.held(1)), line.held) << line.what;
  }
}

TEST(Protection, IsLeftToLinksThatWantIt) {
  Script script(false);
  EXPECT_EQ(script.run("buy 1 2 90 110"), "buy 2");
  EXPECT_EQ(script.run("update 1 95 0"), "");
}

TEST(Protection, TooLittleIsSaidOnceInARowOfItsOwn) {
  Script script;
  script.run("buy 1 0.05 90 110");
  const std::vector<OrderRecord> rows = script.w.heard.orders();
  ASSERT_FALSE(rows.empty());
  const OrderRecord& row = rows.back();
  EXPECT_EQ(row.status, OrderStatus::failed);
  EXPECT_EQ(row.reason, Reason::below_min_notional);
  EXPECT_EQ(row.type, OrderType::stop_loss);
  script.run("bid 99; pass 20");
  EXPECT_TRUE(script.w.heard.orders().empty());
}

TEST(Protection, RowsNameSignalAndLinkAndNoOutcomeIsToldTwice) {
  Script script;
  script.run("buy 1 2 90 110; take");
  std::map<OrderType, OrderRecord> rows;
  for (const OrderRecord& r : script.w.heard.orders()) rows[r.type] = r;
  for (const OrderType type : {OrderType::stop_loss, OrderType::take_profit}) {
    EXPECT_EQ(rows[type].signal, signal_id(1));
    EXPECT_EQ(rows[type].link, link_id(1));
    EXPECT_EQ(rows[type].side, Side::sell);
    EXPECT_EQ(rows[type].quantity, dec("2"));
  }
  EXPECT_EQ(rows[OrderType::stop_loss].price, dec("90"));
  EXPECT_EQ(rows[OrderType::take_profit].price, dec("110"));
  EXPECT_EQ(script.w.heard.outcomes().size(), 1U);
  script.run("hit stop 2; gone target");
  EXPECT_TRUE(script.w.heard.outcomes().empty());
}

TEST(Protection, EndsWhenALinkWantsItNoMore) {
  Script script;
  script.run("buy 1 2 90 110; take");
  script.w.heard.clear();
  CopyLink l = make_link(1);
  l.leader = UserId{};
  l.channel = channel_id();
  l.protect = false;
  l.version = 2;
  script.w.give(make_event(l));
  ASSERT_EQ(script.w.heard.of(IntentKind::cancel).size(), 1U);
  EXPECT_EQ(script.run("gone"), "");
}

TEST(Protection, IsNotWaitedForByADrain) {
  Script script;
  script.run("buy 1 2 90 110");
  EXPECT_EQ(script.w.core.orders_in_flight(), 2U);
  script.run("take");
  EXPECT_EQ(script.w.core.orders_in_flight(), 0U) << "they rest";
  script.run("close 1");
  EXPECT_EQ(script.w.core.orders_in_flight(), 3U) << "both are to end, and the exit waits";
}

TEST(Protection, ADrainIsNotMisledByOrdersThatAreGone) {
  Script script;
  EXPECT_EQ(script.run("buy 1 2 90 110; take; close 1; gone"),
            "buy 2; pair 2 at 110/90; cancel both; sell 2");
  script.run("pass 7200");  // until they are forgotten
  EXPECT_EQ(script.w.core.orders_in_flight(), 0U);
}

TEST(Protection, OfferedToAVenueThatDoesNotTakeItIsAnAlarmAfterSoManyTimes) {
  Script script;
  script.run("buy 1 2 90 110");
  for (int n = 0; n < 5; ++n) {
    script.run("refuse");
    bool alarm = false;
    script.run("pass 10");
    for (const OrderRecord& r : script.w.heard.orders()) alarm = alarm || r.alarm;
    EXPECT_EQ(alarm, n == 4) << n;
  }
  EXPECT_EQ(script.w.core.counts().exit_alarms, 1U);
  EXPECT_EQ(script.w.core.counts().exits_in_alarm, 1U);
  script.run("take");
  EXPECT_EQ(script.w.core.counts().exits_in_alarm, 0U) << "it is placed";
}

}  // namespace oneclick::test
