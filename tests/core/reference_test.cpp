// The core and the reference core are told the same random histories, event by event, and must say
// the same: every outcome with its reason, every order with its size and price. ONECLICK_LONG=1
// makes it ten million events. ONECLICK_SEED=N runs the one history whose seed a failure names.
#include <gtest/gtest.h>

#include <cstdlib>
#include <queue>
#include <random>

#include "tests/core/reference_core.hpp"
#include "tests/core/world.hpp"

namespace oneclick::test {
namespace {

constexpr int followers = 10, links_each = 3, leaders = 3, channels = 2;
constexpr std::size_t history_events = 4'000;

const Asset coins[] = {Asset::cut("BTC"), Asset::cut("ETH"), Asset::cut("XRP")};
const Symbol symbols[] = {Symbol::cut("BTC/USDT"), Symbol::cut("ETH/USDT"), Symbol::cut("XRP/USDT"),
                          Symbol::cut("NON/USDT")};

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    settings_ = default_settings();
    settings_.exit_attempts_per_minute = pick(1, 120);
    settings_.taker_fee_bps = pick(0, 50);
    if (chance(20)) settings_.event_notional_max = Decimal::from_integer(pick(100, 5'000));
    give(make_event(Fence{.settings = settings_}));
    for (int i = 0; i < 3; ++i) add_instrument(i);
    for (int n = 0; n < leaders; ++n) {
      LeaderFeed feed{};
      feed.account = make_id<AccountId>(9, static_cast<std::uint64_t>(n));
      feed.leader = leader_id(static_cast<std::uint64_t>(n));
      feed.venue = Venue::binance;
      feed.authoritative = true;
      give(make_event(feed));
      balance(feed.account, usdt, pick(1'000, 1'000'000));
    }
    for (int n = 0; n < followers; ++n) {
      give(make_event(make_account(static_cast<std::uint64_t>(n))));
      balance(account_id(static_cast<std::uint64_t>(n)), usdt,
              chance(25) ? pick(0, 300) : 1'000'000);
      reconcile(n, AccountStateKind::reconciled);
      for (int k = 0; k < links_each; ++k) {
        links_.push_back(random_link(n, k));
        give(make_event(links_.back()));
      }
    }
    for (int i = 0; i < 3; ++i) price(i);
  }

  std::size_t run(std::size_t events) {
    while (given_ < events && !::testing::Test::HasFailure()) {
      now_ns_ += pick(0, 400) * ms_ns;
      settle_until(now_ns_);
      act();
    }
    settle_until(now_ns_ + 4 * 3600 * s_ns);
    check_rest();
    return given_;
  }

 private:
  struct Message {
    std::int64_t due_ns;
    std::uint64_t number;
    Event event;
    bool operator<(const Message& o) const {
      return std::tie(due_ns, number) > std::tie(o.due_ns, o.number);
    }
  };

  int pick(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(int percent) { return pick(1, 100) <= percent; }
  Decimal amount(int low, int high, int decimals) {
    i128 unit = 100'000'000;
    for (int i = 0; i < decimals; ++i) unit /= 10;
    return Decimal::from_e8(pick(low, high) * unit);
  }

  void add_instrument(int n) {
    Instrument i = btc_instrument();
    i.symbol = symbols[n];
    i.venue_symbol = symbols[n];
    i.base = coins[n];
    i.price_tick = amount(1, 1, pick(0, 4));
    i.lot_step = amount(1, 1, pick(1, 5));
    i.quantity_min = i.lot_step;
    i.quantity_max = chance(30) ? Decimal::from_integer(pick(1, 20)) : Decimal::from_integer(9'000);
    if (chance(50)) {
      i.notional_min = Decimal::from_integer(pick(1, 20));
      i.notional_min_at_market = chance(50);
    }
    if (chance(20)) i.notional_max = Decimal::from_integer(pick(500, 5'000));
    if (chance(20)) i.price_max = amount(60, 2'000, 1);
    if (chance(20)) i.market_lot_step = amount(1, 1, pick(1, 3));
    instruments_[n] = i;
    give(make_event(i));
  }
  CopyLink random_link(int follower, int k) {
    CopyLink l = make_link(static_cast<std::uint64_t>(follower));
    l.id = link_id(static_cast<std::uint64_t>(follower * links_each + k));
    if (chance(40)) {
      l.leader = {};
      l.channel = channel_id(static_cast<std::uint64_t>(pick(0, channels - 1)));
    } else {
      l.leader = leader_id(static_cast<std::uint64_t>(pick(0, leaders - 1)));
    }
    change_terms(l);
    return l;
  }
  void change_terms(CopyLink& l) {
    l.sizing_mode = chance(50) ? SizingMode::leader_quantity : static_cast<SizingMode>(pick(1, 6));
    l.entry_style = chance(30) ? EntryStyle::market : EntryStyle::capped;
    l.min_lot_policy = static_cast<MinLotPolicy>(pick(1, 3));
    l.percentage_e2 = chance(50) ? pick(1, 20'000) : 10'000;
    l.slippage_bps_max = pick(0, 300);
    l.entry_ttl_ms = chance(80) ? 5'000 : pick(1, 2'000);
    const bool by_amount =
        l.sizing_mode == SizingMode::fixed_notional || l.sizing_mode == SizingMode::fixed_risk;
    l.copy_amount = by_amount || chance(15) ? amount(1, 30'000, 2) : Decimal{};
    l.copy_quantity = l.sizing_mode == SizingMode::fixed_quantity ? amount(1, 3'000, 3) : Decimal{};
    const auto limit = [&](int low, int high) {
      return chance(12) ? amount(low, high, 2) : Decimal{};
    };
    l.order_notional_max = limit(100, 40'000);
    l.position_notional_max = limit(100, 90'000);
    l.exposure_usd_max = limit(100, 90'000);
    l.daily_loss_usd_max = limit(1, 3'000);
    l.drawdown_usd_max = limit(1, 3'000);
    l.drawdown_from = chance(50) ? DrawdownFrom::start : DrawdownFrom::peak;
    l.drawdown_action = chance(50) ? DrawdownAction::halt : DrawdownAction::close;
    l.positions_max = chance(12) ? pick(1, 2) : 0;
    l.entries_per_minute_max = chance(12) ? pick(1, 4) : 0;
    if (chance(30)) ++l.risk_epoch;
    l.symbol_filter = chance(85) ? SymbolFilter::none : static_cast<SymbolFilter>(pick(1, 2));
    l.symbol_count = l.symbol_filter == SymbolFilter::none ? std::uint8_t{0} : std::uint8_t{1};
    l.symbols = {};
    if (l.symbol_count > 0) l.symbols[0] = symbols[pick(0, 2)];
    l.status = chance(85) ? LinkStatus::active : static_cast<LinkStatus>(pick(1, 5));
    l.user_active = !chance(4);
    l.subscription_active = !chance(4);
    ++l.version;
  }

  void balance(AccountId account, const Asset& asset, int whole) {
    Balance b{};
    b.account = account;
    b.asset = asset;
    b.free = Decimal::from_integer(whole);
    b.locked = chance(10) ? Decimal::from_integer(pick(0, 50)) : Decimal{};
    b.venue_time_ns = now_ns_ - (chance(10) ? pick(0, 2'000) * ms_ns : 0);
    give(make_event(b));
  }
  void reconcile(int follower, AccountStateKind kind) {
    AccountState state{};
    state.account = account_id(static_cast<std::uint64_t>(follower));
    state.kind = kind;
    give(make_event(state));
  }
  void price(int n) {
    Price p{};
    p.venue = Venue::binance;
    p.symbol = symbols[n];
    const int move = pick(-40, 40);
    prices_[n] = std::clamp(prices_[n] + move, 500, 1'500);
    p.touch = touch(n);
    p.quote_usd = chance(97) ? Decimal::from_e8(pick(99'000'000, 101'000'000)) : Decimal{};
    give(make_event(p));
  }
  Touch touch(int n) {
    const Decimal bid = Decimal::from_e8(static_cast<i128>(prices_[n]) * 10'000'000);
    return {.bid = bid, .ask = bid + Decimal::from_e8(pick(1, 2'000'000)), .time_ns = now_ns_};
  }

  // Something happens.
  void act() {
    const int what = pick(1, 100);
    if (what <= 45) return leader_trades();
    if (what <= 62) return signal();
    if (what <= 75) return price(pick(0, 2));
    if (what <= 80) {
      const int n = pick(0, followers - 1);
      const bool coin = chance(30);
      return balance(account_id(static_cast<std::uint64_t>(n)), coin ? coins[pick(0, 2)] : usdt,
                     chance(25) ? pick(0, 300) : pick(0, 1'000'000));
    }
    if (what <= 83) {
      const AccountId feed =
          make_id<AccountId>(9, static_cast<std::uint64_t>(pick(0, leaders - 1)));
      return balance(feed, chance(70) ? usdt : coins[pick(0, 2)], pick(1, 1'000'000));
    }
    if (what <= 91) {
      CopyLink& l = links_[static_cast<std::size_t>(pick(0, static_cast<int>(links_.size()) - 1))];
      change_terms(l);
      return give(make_event(l));
    }
    if (what <= 94)
      return reconcile(pick(0, followers - 1), chance(75) ? AccountStateKind::reconciled
                                               : chance(80)
                                                   ? AccountStateKind::lost
                                                   : AccountStateKind::credentials_refused);
    if (what <= 96) {
      Account a = make_account(static_cast<std::uint64_t>(pick(0, followers - 1)));
      a.connected = chance(80);
      return give(make_event(a));
    }
    if (what <= 98) {
      const int n = pick(0, 2);
      instruments_[n].status =
          chance(70) ? TradingStatus::trading : static_cast<TradingStatus>(pick(2, 3));
      return give(make_event(instruments_[n]));
    }
    KillSwitch k{.on = true, .venue = {}, .leader = {}, .follower = {}, .symbol = {}};
    if (!switches_.empty() && chance(70)) {
      k = switches_.back();
      switches_.pop_back();
      k.on = false;
    } else {
      if (chance(50)) k.leader = leader_id(static_cast<std::uint64_t>(pick(0, leaders - 1)));
      if (chance(50)) k.follower = follower_id(static_cast<std::uint64_t>(pick(0, followers - 1)));
      if (chance(50) || (k.leader.is_nil() && k.follower.is_nil())) k.symbol = symbols[pick(0, 2)];
      for (const KillSwitch& o : switches_)
        if (o.leader == k.leader && o.follower == k.follower && o.symbol == k.symbol) return;
      switches_.push_back(k);
    }
    give(make_event(k));
  }

  LeaderEvent leader_event(int symbol) {
    LeaderEvent e{};
    e.id = event_id(++leader_events_);
    e.source = EventSource::rest;
    e.venue = Venue::binance;
    e.symbol = symbols[symbol];
    e.event_time_ns = now_ns_ - (chance(8) ? pick(0, 6'000) * ms_ns : 0);
    e.received_ns = now_ns_;
    if (symbol < 3) e.touch = touch(symbol);
    if (chance(3)) e.touch.time_ns -= 5 * s_ns + pick(0, 1);
    e.price = e.touch.ask;
    return e;
  }
  void leader_trades() {
    const int symbol = chance(2) ? 3 : pick(0, 2);
    const auto leader = static_cast<std::uint64_t>(pick(0, leaders - 1));
    LeaderEvent e = leader_event(symbol);
    e.kind = LeaderEventKind::fill;
    e.leader = leader_id(leader);
    Decimal& position = leader_positions_[{leader, symbol}];
    e.side = position.is_positive() && chance(48) ? Side::sell : Side::buy;
    e.quantity = chance(10) ? amount(1, 2'000, 6) : amount(1, 500, 2);
    if (e.side == Side::sell && chance(35)) e.quantity = position;
    if (chance(20)) e.base_fee = scale_by(e.quantity, 1, 1'000, Round::down);
    if (chance(50)) e.leader_order = static_cast<std::uint64_t>(pick(1, 3)) + leader_events_ / 4;
    position += e.side == Side::buy ? e.quantity - e.base_fee : -(e.quantity + e.base_fee);
    position = max(Decimal{}, position);
    if (chance(2) && leader_events_ > 10) e.id = event_id(leader_events_ - 5);  // told again
    give(make_event(e));
  }
  void signal() {
    const int what = pick(1, 100);
    LeaderEvent e = leader_event(pick(0, 2));
    e.channel = channel_id(static_cast<std::uint64_t>(pick(0, channels - 1)));
    e.leader = leader_id(9);
    const std::uint64_t newest = signals_.size();
    if (what <= 60 || newest == 0) {
      e.kind = LeaderEventKind::signal_published;
      e.signal = signal_id(newest);
      const int type = pick(1, 10);
      e.signal_type = type <= 6 ? SignalType::buy : type <= 9 ? SignalType::sell : SignalType::hold;
      e.quantity = chance(80) ? amount(1, 300, 2) : Decimal{};
      if (chance(60)) e.stop_loss = scale_by(e.touch.bid, pick(80, 101), 100, Round::down);
      signals_.push_back(e);
    } else {
      const auto n =
          newest - 1 -
          static_cast<std::uint64_t>(pick(0, std::min<int>(9, static_cast<int>(newest) - 1)));
      const LeaderEvent& first = signals_[n];
      e.signal = first.signal;
      e.channel = first.channel;
      e.symbol = first.symbol;
      e.touch = touch(static_cast<int>(std::find(symbols, symbols + 3, e.symbol) - symbols));
      if (what <= 85) {
        e.kind = LeaderEventKind::signal_closed;
        e.signal_type = first.signal_type;
      } else {
        e.kind = LeaderEventKind::one_click_copy;
        e.signal_type = first.signal_type;
        e.quantity = first.quantity;
        e.stop_loss = first.stop_loss;
        e.target = follower_id(static_cast<std::uint64_t>(pick(0, followers - 1)));
        e.percentage_e2 = chance(50) ? pick(1, 20'000) : 0;
        e.copy_amount = chance(30) ? amount(100, 30'000, 2) : Decimal{};
      }
    }
    e.side = e.signal_type == SignalType::sell ? Side::sell : Side::buy;
    give(make_event(e));
  }

  // --- the venue: answers each order, and fills it whole, in part, or not at all

  void later(const Event& event, int ms_min, int ms_max) {
    due_ns_ = std::max(due_ns_, now_ns_) + pick(ms_min, ms_max) * ms_ns +
              static_cast<std::int64_t>(++messages_sent_ % 1'000);
    messages_.push({due_ns_, messages_sent_, event});
  }
  void answer(const Intent& i) {
    due_ns_ = now_ns_;
    OrderUpdate u{};
    u.account = i.account;
    u.key = i.key;
    u.source = UpdateSource::reply;
    u.side = i.side;
    u.symbol = i.symbol;
    u.venue_order_id = VenueOrderId::cut("v" + std::to_string(++venue_orders_));
    u.venue_time_ns = now_ns_;
    if (chance(4)) {
      u.kind = OrderUpdateKind::not_sent;
      u.source = UpdateSource::gate;
      u.reason = chance(50) ? Reason::session_down : Reason::overload;
      u.venue_order_id = {};
      return later(make_event(u), 0, 5);
    }
    if (chance(6)) {
      u.kind = OrderUpdateKind::rejected;
      u.reason = chance(50) ? Reason::rejected : Reason::balance;
      return later(make_event(u), 1, 400);
    }
    u.kind = OrderUpdateKind::accepted;
    u.sent_ns = now_ns_;
    later(make_event(u), 1, 400);
    u.source = UpdateSource::stream;
    u.sent_ns = 0;
    const Instrument& instrument =
        instruments_[std::find(symbols, symbols + 3, i.symbol) - symbols];
    Decimal filled{}, quote{};
    const int pieces = chance(10) ? 0 : pick(1, 3);
    const bool whole = chance(75);
    for (int n = 0; n < pieces && filled < i.quantity; ++n) {
      const bool last = whole && n + 1 == pieces;
      Decimal part = last ? i.quantity - filled
                          : round_to_step(scale_by(i.quantity, pick(1, 60), 100, Round::down),
                                          instrument.lot_step, Round::down);
      part = min(part, i.quantity - filled);
      if (!part.is_positive()) continue;
      u.kind = OrderUpdateKind::execution;
      u.trade_id = VenueTradeId::cut("t" + std::to_string(++trades_));
      u.last_quantity = part;
      const Decimal touched = Decimal::from_e8(
          static_cast<i128>(prices_[std::find(symbols, symbols + 3, i.symbol) - symbols]) *
          10'000'000);
      u.last_price = i.price.is_positive() ? i.price : touched;
      filled += part;
      quote += mul(part, u.last_price, Round::nearest);
      u.has_cumulative = chance(80);
      u.cumulative_quantity = filled;
      u.cumulative_quote = quote;
      const int fee = pick(1, 10);
      u.fee = {};
      u.fee_asset = {};
      if (fee <= 4) {
        u.fee_asset = i.side == Side::buy ? instrument.base : instrument.quote;
        u.fee = scale_by(i.side == Side::buy ? part : mul(part, u.last_price, Round::down), 1,
                         1'000, Round::down);
      } else if (fee <= 6) {
        u.fee_asset = Asset::cut("BNB");
        u.fee = amount(1, 20, 5);
        u.fee_usd = chance(90) ? Decimal::from_integer(600) : Decimal{};
      }
      u.quote_usd = chance(90) ? Decimal::from_integer(1) : Decimal{};
      u.venue_time_ns = due_ns_;
      later(make_event(u), 0, 300);
      if (chance(10)) later(make_event(u), 0, 50);  // told twice
    }
    if (filled >= i.quantity) return;
    u.kind = OrderUpdateKind::done;
    u.trade_id = {};
    u.last_quantity = u.last_price = u.fee = {};
    u.has_cumulative = true;
    u.cumulative_quantity = filled;
    u.cumulative_quote = quote;
    later(make_event(u), 0, 300);
  }

  void settle_until(std::int64_t end_ns) {
    constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    while (!::testing::Test::HasFailure()) {
      const std::int64_t message = messages_.empty() ? never : messages_.top().due_ns;
      const std::int64_t timer = core_.next_deadline_ns();
      if (std::min(message, timer) > end_ns) break;
      now_ns_ = std::max(now_ns_, std::min(message, timer));
      if (message <= timer) {
        const Event event = messages_.top().event;
        messages_.pop();
        give(event);
      } else {
        give(make_timer());
      }
    }
    now_ns_ = std::max(now_ns_, end_ns);
  }

  // --- both are told, and compared

  void give(Event event) {
    event.seq = ++seq_;
    event.time_ns = now_ns_;
    ++now_ns_;  // no two events at one instant
    ++given_;
    heard_.clear();
    core_.step(event, heard_);
    const std::vector<LinkId> ranks =
        event.kind == EventKind::leader ? served(event.leader) : std::vector<LinkId>{};
    const Said said = reference_.step(event, ranks);
    compare(event, said);
    const std::vector<Intent> intents = heard_.intents;
    for (const Intent& i : intents)
      if (i.kind == IntentKind::place) answer(i);
  }

  // The order in which the core served the event's links: a permutation of those that match.
  std::vector<LinkId> served(const LeaderEvent& e) {
    std::map<std::uint32_t, LinkId> by_rank;
    const std::vector<LinkId> matched = reference_.matched(e);
    std::map<OrderKey, LinkId> keys;
    for (const LinkId id : matched) keys[order_key(e.id, id, 0, 0, e.event_time_ns)] = id;
    for (const Record& r : heard_.records) {
      if (r.kind == RecordKind::outcome && r.outcome.event == e.id)
        by_rank[r.outcome.rank] = r.outcome.link;
      if (r.kind == RecordKind::leader_event && r.leader_event.event.id == e.id) {
        EXPECT_EQ(r.leader_event.links_matched, matched.size());
      }
    }
    for (const Intent& i : heard_.intents)
      if (const auto link = keys.find(i.key); link != keys.end() && i.kind == IntentKind::place)
        by_rank[i.rank] = link->second;
    std::vector<LinkId> out;
    for (const auto& [rank, link] : by_rank) out.push_back(link);
    // Those of whom nothing was said yet: exits that wait for their venue. Nothing hangs on their
    // place.
    for (const LinkId id : matched)
      if (std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
    return out;
  }

  static std::string of(const Number& units) { return units.str(); }
  static std::string of(Decimal d) { return number_text(d); }
  static std::string number_text(Decimal d) {
    std::string digits;
    i128 n = d.e8();
    const bool negative = n < 0;
    if (negative) n = -n;
    do digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(n % 10)));
    while ((n /= 10) != 0);
    return (negative ? "-" : "") + digits;
  }

  void compare(const Event& event, const Said& said) {
    std::map<std::string, std::string> real, expected;
    for (const Record& r : heard_.records) {
      if (r.kind != RecordKind::outcome) continue;
      const OutcomeRecord& o = r.outcome;
      real["outcome " + o.event.to_text() + " " + o.link.to_text()] =
          std::string(to_text(o.outcome)) + "(" + std::string(to_text(o.reason)) + ") cap " +
          std::string(to_text(o.cap)) + " sent " + of(o.sent_quantity) + " residual " +
          of(o.residual_quantity) + (o.order.is_nil() ? "" : " with order");
      ++outcomes_[std::string(to_text(o.outcome)) + "(" + std::string(to_text(o.reason)) + "," +
                  std::string(to_text(o.cap)) + ")"];
    }
    for (const auto& [id, o] : said.outcomes)
      expected["outcome " + id.first.to_text() + " " + id.second.to_text()] =
          std::string(to_text(o.outcome)) + "(" + std::string(to_text(o.reason)) + ") cap " +
          std::string(to_text(o.cap)) + " sent " + of(o.sent) + " residual " + of(o.residual) +
          (o.has_order ? " with order" : "");
    for (const Intent& i : heard_.intents)
      if (i.kind == IntentKind::place)
        real["order " + i.key.to_text()] = std::string(to_text(i.side)) + " " +
                                           std::string(to_text(i.type)) + " " + of(i.quantity) +
                                           " at " + of(i.price) + (i.is_exit ? " exit" : "") +
                                           (i.expires_ns != 0 ? " expires" : "");
    for (const auto& [key, o] : said.orders)
      expected["order " + key.to_text()] =
          std::string(to_text(o.side)) + " " + std::string(to_text(o.type)) + " " + of(o.quantity) +
          " at " + of(o.price) + (o.is_exit ? " exit" : "") + (o.expires ? " expires" : "");
    EXPECT_EQ(expected, real) << "event " << event.seq << " of kind "
                              << static_cast<int>(event.kind);
  }

  void check_rest() {
    if (::testing::Test::HasFailure()) return;
    std::map<std::pair<LinkId, std::string>, std::string> real, expected;
    for (const Core::Holding& h : core_.holdings())
      if (!h.quantity.is_zero()) real[{h.link, std::string(h.symbol.view())}] = of(h.quantity);
    for (const auto& [where, quantity] : reference_.holdings()) expected[where] = of(quantity);
    EXPECT_EQ(expected, real);
  }

 public:
  std::map<std::string, std::size_t> outcomes_;

 private:
  std::mt19937_64 random_;
  CoreSettings settings_{};
  Core core_;
  ReferenceCore reference_;
  Heard heard_;
  std::vector<CopyLink> links_;
  Instrument instruments_[3] = {};
  int prices_[3] = {1'000, 900, 1'100};  // tenths
  std::map<std::pair<std::uint64_t, int>, Decimal> leader_positions_;
  std::vector<LeaderEvent> signals_;
  std::vector<KillSwitch> switches_;
  std::priority_queue<Message> messages_;
  std::int64_t now_ns_ = 1'800'000'000LL * s_ns;
  std::int64_t due_ns_ = 0;
  std::uint64_t seq_ = 0, leader_events_ = 0, venue_orders_ = 0, trades_ = 0, messages_sent_ = 0;
  std::size_t given_ = 0;
};

TEST(Reference, SaysTheSameOfRandomHistories) {
  const char* const chosen = std::getenv("ONECLICK_SEED");
  const std::size_t events = std::getenv("ONECLICK_LONG") != nullptr ? 10'000'000 : 200'000;
  std::map<std::string, std::size_t> outcomes;
  std::size_t given = 0;
  for (std::uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 1;
       given < events; ++seed) {
    SCOPED_TRACE("ONECLICK_SEED=" + std::to_string(seed));
    History history(seed);
    given += history.run(history_events);
    for (const auto& [what, count] : history.outcomes_) outcomes[what] += count;
    if (::testing::Test::HasFailure() || chosen != nullptr) break;
  }
  for (const auto& [what, count] : outcomes) std::printf("%10zu %s\n", count, what.c_str());
  if (chosen == nullptr) {
    EXPECT_GE(outcomes.size(), 45U) << "histories that try little";
  }
}

}  // namespace
}  // namespace oneclick::test
