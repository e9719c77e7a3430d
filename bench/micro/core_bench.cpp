// The core's share of a fan-out: one leader event into an order for each follower.
#include <benchmark/benchmark.h>

#include "engine/core/core.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick {
namespace {

constexpr std::int64_t s_ns = 1'000'000'000;

struct Counted final : Output {
  std::size_t orders = 0, records = 0;
  void on_intent(const Intent& intent) override {
    orders += intent.kind == IntentKind::place ? 1 : 0;
  }
  void on_record(const Record&) override { ++records; }
};

template <typename AnyId>
AnyId make_id(std::uint64_t kind, std::uint64_t n) {
  return AnyId{Uuid{mix(kind), n + 1}};
}

class World {
 public:
  explicit World(std::uint64_t followers) {
    Fence fence{};
    fence.settings = {.shard = 0,
                      .shard_count = 1,
                      .taker_fee_bps = 10,
                      .ack_timeout_ns = 3 * s_ns,
                      .query_interval_ns = s_ns,
                      .absence_proof_ns = 60 * s_ns,
                      .absence_answers_min = 3,
                      .exit_attempts_per_minute = 6,
                      .exit_alarm_attempts = 5,
                      .touch_age_ns_max = 5 * s_ns,
                      .equity_age_ns_max = 60 * s_ns,
                      .leader_event_age_ns_max = 60 * s_ns,
                      .divergence_age_ns_max = 30 * s_ns,
                      .event_notional_max = Decimal{},
                      .quote_equal = {}};
    give(make_event(fence));
    Instrument i{};
    i.venue = Venue::binance;
    i.status = TradingStatus::trading;
    i.symbol = Symbol::cut("BTC/USDT");
    i.venue_symbol = Symbol::cut("BTCUSDT");
    i.base = Asset::cut("BTC");
    i.quote = Asset::cut("USDT");
    i.price_tick = Decimal::of("0.01");
    i.lot_step = Decimal::of("0.00001");
    i.quantity_min = i.lot_step;
    i.quantity_max = Decimal::of("9000");
    give(make_event(i));
    for (std::uint64_t n = 0; n < followers; ++n) add_follower(n);
  }

  void leader_buys() {
    LeaderEvent e{};
    e.id = make_id<EventId>(7, ++events_);
    e.kind = LeaderEventKind::fill;
    e.source = EventSource::websocket;
    e.venue = Venue::binance;
    e.side = Side::buy;
    e.leader = leader_;
    e.symbol = Symbol::cut("BTC/USDT");
    e.quantity = Decimal::of("0.02");
    e.price = Decimal::of("100000");
    e.event_time_ns = now_;
    e.touch = {Decimal::of("99999.9"), Decimal::of("100000"), now_};
    give(make_event(e));
  }
  [[nodiscard]] const Counted& heard() const { return heard_; }

 private:
  void give(Event event) {
    event.seq = ++seq_;
    event.time_ns = now_;
    core_.step(event, heard_);
  }

  void add_follower(std::uint64_t n) {
    Account a{};
    a.id = make_id<AccountId>(3, n);
    a.user = make_id<UserId>(2, n);
    a.venue = Venue::binance;
    a.connected = true;
    give(make_event(a));
    AccountState state{};
    state.account = a.id;
    state.kind = AccountStateKind::reconciled;
    give(make_event(state));
    Balance balance{};
    balance.account = a.id;
    balance.asset = Asset::cut("USDT");
    balance.free = Decimal::of("100000000000");
    balance.venue_time_ns = now_;
    balance.snapshot = true;
    give(make_event(balance));
    CopyLink l{};
    l.id = make_id<LinkId>(4, n);
    l.follower = a.user;
    l.account = a.id;
    l.portfolio = make_id<PortfolioId>(8, n);
    l.leader = leader_;
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
    give(make_event(l));
  }

  const UserId leader_ = make_id<UserId>(1, 0);
  Core core_;
  Counted heard_;
  std::uint64_t seq_ = 0, events_ = 0;
  std::int64_t now_ = 1'767'225'600 * s_ns;
};

void core_fan_out(benchmark::State& state) {
  const auto followers = static_cast<std::uint64_t>(state.range(0));
  World world(followers);
  for (auto _ : state) world.leader_buys();
  const auto expected = followers * static_cast<std::uint64_t>(state.iterations());
  if (world.heard().orders != expected) state.SkipWithError("not one order for each follower");
  state.SetItemsProcessed(static_cast<std::int64_t>(expected));
}
// A bounded number of events: the orders stay open.
BENCHMARK(core_fan_out)->ArgName("followers")->Arg(1)->Iterations(1'000);
BENCHMARK(core_fan_out)->ArgName("followers")->Arg(100)->Iterations(100);
BENCHMARK(core_fan_out)->ArgName("followers")->Arg(10'000)->Iterations(10);

}  // namespace
}  // namespace oneclick
