// A small world around a core: identities, a venue's instrument, accounts, links, and a clock that
// the test moves. Everything the core says is kept.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/core.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::test {

inline Decimal dec(std::string_view text) {
  return Decimal::of(text);
}
template <typename AnyId>
AnyId make_id(std::uint64_t kind, std::uint64_t n) {
  return AnyId{Uuid{mix(kind), n + 1}};
}
inline UserId leader_id(std::uint64_t n = 0) {
  return make_id<UserId>(1, n);
}
inline UserId follower_id(std::uint64_t n) {
  return make_id<UserId>(2, n);
}
inline AccountId account_id(std::uint64_t n) {
  return make_id<AccountId>(3, n);
}
inline LinkId link_id(std::uint64_t n) {
  return make_id<LinkId>(4, n);
}
inline ChannelId channel_id(std::uint64_t n = 0) {
  return make_id<ChannelId>(5, n);
}
inline SignalId signal_id(std::uint64_t n) {
  return make_id<SignalId>(6, n);
}
inline EventId event_id(std::uint64_t n) {
  return make_id<EventId>(7, n);
}

inline constexpr std::int64_t ms_ns = 1'000'000;
inline constexpr std::int64_t s_ns = 1'000'000'000;

inline const Symbol btc = Symbol::cut("BTC/USDT");
inline const Asset usdt = Asset::cut("USDT");

inline CoreSettings default_settings() {
  return {.shard = 0,
          .shard_count = 1,
          .taker_fee_bps = 10,
          .ack_timeout_ns = 2 * s_ns,
          .query_interval_ns = s_ns,
          .absence_proof_ns = 10 * s_ns,
          .absence_answers_min = 3,
          .exit_attempts_per_minute = 6,
          .exit_alarm_attempts = 5,
          .touch_age_ns_max = 5 * s_ns,
          .equity_age_ns_max = 60 * s_ns,
          .leader_event_age_ns_max = 60 * s_ns,
          .divergence_age_ns_max = 30 * s_ns,
          .event_notional_max = Decimal{},
          .quote_equal = {}};
}

inline Instrument btc_instrument() {
  Instrument i{};
  i.venue = Venue::binance;
  i.status = TradingStatus::trading;
  i.symbol = btc;
  i.venue_symbol = Symbol::cut("BTCUSDT");
  i.base = Asset::cut("BTC");
  i.quote = usdt;
  i.price_tick = dec("0.01");
  i.lot_step = dec("0.001");
  i.quantity_min = dec("0.001");
  i.quantity_max = dec("9000");
  return i;
}

// The same as contracts that can be sold short.
inline Instrument linear_instrument() {
  Instrument i = btc_instrument();
  i.kind = InstrumentKind::linear;
  i.leverage_max_e2 = 2'000;
  return i;
}

inline CopyLink make_link(std::uint64_t n) {
  CopyLink l{};
  l.id = link_id(n);
  l.follower = follower_id(n);
  l.account = account_id(n);
  l.portfolio = make_id<PortfolioId>(8, n);
  l.leader = leader_id();
  l.sizing_mode = SizingMode::leader_quantity;
  l.entry_style = EntryStyle::capped;
  l.min_lot_policy = MinLotPolicy::carry;
  l.status = LinkStatus::active;
  l.user_active = true;
  l.subscription_active = true;
  l.percentage_e2 = 10'000;
  l.slippage_bps_max = 50;
  l.leverage_e2 = 100;
  l.entry_ttl_ms = 5'000;
  l.version = 1;
  return l;
}

inline Account make_account(std::uint64_t n) {
  Account a{};
  a.id = account_id(n);
  a.user = follower_id(n);
  a.venue = Venue::binance;
  a.connected = true;
  return a;
}

// Keeps what the core says, and the bytes of it.
class Heard : public Output {
 public:
  void on_intent(const Intent& intent) override {
    intents.push_back(intent);
    add(&intent, sizeof intent);
  }
  void on_record(const Record& record) override {
    records.push_back(record);
    add(&record, record_header_bytes + record.payload_size);
  }
  void clear() {
    intents.clear();
    records.clear();
  }
  [[nodiscard]] std::vector<OutcomeRecord> outcomes() const {
    std::vector<OutcomeRecord> all;
    for (const Record& r : records)
      if (r.kind == RecordKind::outcome) all.push_back(r.outcome);
    return all;
  }
  [[nodiscard]] std::vector<OrderRecord> orders() const {
    std::vector<OrderRecord> all;
    for (const Record& r : records)
      if (r.kind == RecordKind::order) all.push_back(r.order);
    return all;
  }
  [[nodiscard]] std::vector<FillRecord> fills() const {
    std::vector<FillRecord> all;
    for (const Record& r : records)
      if (r.kind == RecordKind::fill) all.push_back(r.fill);
    return all;
  }
  [[nodiscard]] std::vector<Intent> of(IntentKind kind) const {
    std::vector<Intent> all;
    for (const Intent& i : intents)
      if (i.kind == kind) all.push_back(i);
    return all;
  }

  std::vector<Intent> intents;
  std::vector<Record> records;
  std::string bytes;

 private:
  void add(const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  }
};

class World {
 public:
  World() { give(make_event(Fence{.settings = default_settings()})); }

  void give(Event event) {
    event.seq = ++seq;
    event.time_ns = now_ns;
    history.push_back(event);
    core.step(event, heard);
  }
  void pass(std::int64_t ns) { now_ns += ns; }
  // Time goes on, and everything that is due happens when it is.
  void run_until(std::int64_t end_ns) {
    while (core.next_deadline_ns() <= end_ns) {
      now_ns = std::max(now_ns, core.next_deadline_ns());
      give(make_timer());
    }
    now_ns = std::max(now_ns, end_ns);
  }

  void add_instrument(const Instrument& i) { give(make_event(i)); }
  void add_follower(std::uint64_t n, std::string_view quote = "1000000") {
    add_follower(n, make_link(n), quote);
  }
  void add_follower(std::uint64_t n, const CopyLink& link, std::string_view quote = "1000000") {
    give(make_event(make_account(n)));
    give(make_event(link));
    set_balance(n, quote);
    reconcile(n);
  }
  void reconcile(std::uint64_t n) {
    AccountState state{};
    state.account = account_id(n);
    state.kind = AccountStateKind::reconciled;
    give(make_event(state));
  }
  void set_balance(std::uint64_t n, std::string_view quote) {
    Balance b{};
    b.account = account_id(n);
    b.asset = usdt;
    b.free = dec(quote);
    b.venue_time_ns = now_ns;
    b.snapshot = true;
    give(make_event(b));
  }

  [[nodiscard]] LeaderEvent leader_fill(Side side, std::string_view quantity) {
    LeaderEvent e{};
    e.id = event_id(++events);
    e.kind = LeaderEventKind::fill;
    e.source = EventSource::rest;
    e.venue = Venue::binance;
    e.side = side;
    e.leader = leader_id();
    e.symbol = btc;
    e.quantity = dec(quantity);
    e.price = ask;
    e.event_time_ns = now_ns;
    e.received_ns = now_ns;
    e.touch = {.bid = bid, .ask = ask, .time_ns = now_ns};
    return e;
  }
  void leader(Side side, std::string_view quantity) {
    give(make_event(leader_fill(side, quantity)));
  }
  [[nodiscard]] LeaderEvent signal(LeaderEventKind kind, std::uint64_t signal, SignalType type,
                                   std::string_view quantity = "0") {
    LeaderEvent e = leader_fill(Side::buy, quantity);
    e.kind = kind;
    e.signal_type = type;
    e.side = type == SignalType::sell ? Side::sell : Side::buy;
    e.signal = signal_id(signal);
    e.channel = channel_id();
    return e;
  }

  [[nodiscard]] OrderUpdate update(const Intent& of, OrderUpdateKind kind) {
    OrderUpdate u{};
    u.account = of.account;
    u.key = of.key;
    u.kind = kind;
    u.source = UpdateSource::stream;
    u.side = of.side;
    u.symbol = of.symbol;
    u.venue_order_id = VenueOrderId::cut("v" + std::to_string(of.key.value.low % 1'000'000));
    u.venue_time_ns = now_ns;
    u.touch = {.bid = bid, .ask = ask, .time_ns = now_ns};
    return u;
  }
  void accept(const Intent& of) {
    OrderUpdate u = update(of, OrderUpdateKind::accepted);
    u.source = UpdateSource::reply;
    u.sent_ns = now_ns;
    give(make_event(u));
  }
  [[nodiscard]] OrderUpdate execution(const Intent& of, std::string_view quantity,
                                      std::string_view cumulative, std::string_view trade) {
    OrderUpdate u = update(of, OrderUpdateKind::execution);
    u.trade_id = VenueTradeId::cut(trade);
    u.last_quantity = dec(quantity);
    u.last_price = ask;
    u.has_cumulative = true;
    u.cumulative_quantity = dec(cumulative);
    u.cumulative_quote = mul(u.cumulative_quantity, ask, Round::nearest);
    return u;
  }
  void fill(const Intent& of, std::string_view quantity, std::string_view cumulative,
            std::string_view trade) {
    give(make_event(execution(of, quantity, cumulative, trade)));
  }
  [[nodiscard]] OrderUpdate ended(const Intent& of, std::string_view cumulative) {
    OrderUpdate u = update(of, OrderUpdateKind::done);
    u.has_cumulative = true;
    u.cumulative_quantity = dec(cumulative);
    u.cumulative_quote = mul(u.cumulative_quantity, ask, Round::nearest);
    return u;
  }
  void done(const Intent& of, std::string_view cumulative) {
    give(make_event(ended(of, cumulative)));
  }
  void reject(const Intent& of, Reason reason = Reason::rejected) {
    OrderUpdate u = update(of, OrderUpdateKind::rejected);
    u.source = UpdateSource::reply;
    u.reason = reason;
    u.venue_code = -2010;
    give(make_event(u));
  }
  void answer(const Intent& of, OrderUpdateKind kind, UpdateSource source = UpdateSource::query) {
    OrderUpdate u = update(of, kind);
    u.source = source;
    give(make_event(u));
  }
  void not_sent(const Intent& of, Reason reason) {
    OrderUpdate u = update(of, OrderUpdateKind::not_sent);
    u.source = UpdateSource::gate;
    u.reason = reason;
    give(make_event(u));
  }
  // Takes and fills an order at once, whole.
  void fill_whole(const Intent& of) {
    const std::string q = of.quantity.to_text();
    accept(of);
    fill(of, q, q, "t" + of.key.to_text());
    done(of, q);
  }
  [[nodiscard]] Intent last_place() const { return heard.of(IntentKind::place).back(); }
  [[nodiscard]] Decimal held(std::uint64_t n, const Symbol& symbol = btc) const {
    for (const Core::Holding& h : core.holdings())
      if (h.link == link_id(n) && h.symbol == symbol) return h.quantity;
    return Decimal{};
  }
  // Negative: short.
  [[nodiscard]] Decimal position(std::uint64_t n, const Symbol& symbol = btc) const {
    for (const Core::Holding& h : core.holdings())
      if (h.link == link_id(n) && h.symbol == symbol) return h.is_short ? -h.quantity : h.quantity;
    return Decimal{};
  }
  [[nodiscard]] Decimal residual(std::uint64_t n) const {
    for (const Core::Holding& h : core.holdings())
      if (h.link == link_id(n)) return h.residual;
    return Decimal{};
  }

  Core core;
  Heard heard;
  std::vector<Event> history;
  std::int64_t now_ns = 1'800'000'000LL * s_ns;
  std::uint64_t seq = 0;
  std::uint64_t events = 0;
  Decimal bid = dec("99.99");
  Decimal ask = dec("100");
};

}  // namespace oneclick::test
