#include "bench/database/burst.hpp"

#include <cstring>

#include <fmt/format.h>

#include "engine/domain/identity.hpp"

namespace oneclick::bench {

namespace {

constexpr std::int64_t us = 1'000;

struct Follower {
  std::uint64_t user;
  LinkId link;
  OrderKey key;
  VenueOrderId venue_order_id;
  std::int64_t sent_ns;
};

class Burst {
 public:
  Burst(const World& world, std::uint64_t number, std::int64_t time_ns)
      : world_(world), number_(number), time_ns_(time_ns) {}

  std::vector<JournalItem> make(std::uint64_t followers) {
    const std::uint64_t links = world_.sizes().links;
    leader(followers);
    std::vector<Follower> all;
    for (std::uint64_t rank = 0; rank < followers; ++rank)
      all.push_back(follower((number_ / 2 * followers + rank) % links, rank));
    for (const Follower& f : all) order(f, 0);
    for (const Follower& f : all) {
      update(f, OrderUpdateKind::accepted);
      order(f, 1);
    }
    for (std::uint64_t rank = 0; rank < followers; ++rank) {
      update(all[rank], OrderUpdateKind::execution);
      fill(all[rank]);
      order(all[rank], 2);
      outcome(all[rank], rank);
    }
    return std::move(items_);
  }

 private:
  [[nodiscard]] Follower follower(std::uint64_t n, std::uint64_t rank) const {
    const LinkId link{World::id(Row::link, n)};
    return {.user = n,
            .link = link,
            .key = order_key(burst_event(number_), link, 0, 0, time_ns_),
            .venue_order_id = VenueOrderId::cut(fmt::format("{}", number_ * 100'000 + rank)),
            .sent_ns = time_ns_ + 20 * us + static_cast<std::int64_t>(rank) * us};
  }

  Record& record(RecordKind kind, std::int64_t time_ns) {
    JournalItem& item = items_.emplace_back();
    std::memset(static_cast<void*>(&item), 0, sizeof item);
    item.record.kind = kind;
    item.record.payload_size = static_cast<std::uint32_t>(payload_bytes(kind));
    item.record.cause_seq = seq_;
    item.record.time_ns = time_ns;
    return item.record;
  }
  void event(Event event, std::int64_t time_ns) {
    event.seq = ++seq_;
    event.time_ns = time_ns;
    JournalItem& item = items_.emplace_back();
    std::memset(static_cast<void*>(&item), 0, sizeof item);
    item.is_event = true;
    item.event = event;
  }

  void leader(std::uint64_t followers) {
    LeaderEvent e{};
    e.id = burst_event(number_);
    e.kind = LeaderEventKind::fill;
    e.source = EventSource::stream;
    e.venue = Venue::binance;
    e.side = side();
    e.leader = UserId{World::user(world_.sizes().users - 1)};
    e.symbol = symbol();
    e.quantity = Decimal::of("1.5");
    e.price = Decimal::of("60000.01");
    e.event_time_ns = time_ns_;
    e.received_ns = time_ns_;
    e.touch = {
        .bid = Decimal::of("60000"), .ask = Decimal::of("60000.5"), .time_ns = time_ns_ - us};
    event(make_event(e), time_ns_);
    Record& r = record(RecordKind::leader_event, time_ns_);
    r.leader_event.event = e;
    r.leader_event.accepted_ns = time_ns_;
    r.leader_event.links_matched = static_cast<std::uint32_t>(followers);
  }

  void update(const Follower& f, OrderUpdateKind kind) {
    const bool filled = kind == OrderUpdateKind::execution;
    OrderUpdate u{};
    u.account = AccountId{World::id(Row::account, f.user)};
    u.key = f.key;
    u.kind = kind;
    u.source = filled ? UpdateSource::stream : UpdateSource::reply;
    u.side = side();
    u.symbol = symbol();
    u.venue_order_id = f.venue_order_id;
    u.sent_ns = f.sent_ns;
    if (filled) {
      u.trade_id = VenueTradeId::cut(f.venue_order_id.view());
      u.last_quantity = quantity();
      u.last_price = price();
      u.venue_time_ns = f.sent_ns + 2'000 * us;
    }
    event(make_event(u), f.sent_ns + (filled ? 2'000 : 1'000) * us);
  }

  void order(const Follower& f, std::uint32_t change) {
    const bool filled = change == 2;
    const std::int64_t now = change == 0 ? f.sent_ns : f.sent_ns + change * 1'000 * us;
    OrderRecord& o = record(RecordKind::order, now).order;
    o.key = f.key;
    o.event = burst_event(number_);
    o.link = f.link;
    o.user = UserId{World::user(f.user)};
    o.portfolio = PortfolioId{World::id(Row::portfolio, f.user)};
    o.account = AccountId{World::id(Row::account, f.user)};
    o.copied_from = UserId{World::user(world_.sizes().users - 1)};
    o.change = change;
    o.status = filled ? OrderStatus::filled : OrderStatus::pending;
    o.side = side();
    o.type = OrderType::limit_ioc;
    o.source = change == 0   ? UpdateSource::gate
               : change == 1 ? UpdateSource::reply
                             : UpdateSource::stream;
    o.symbol = symbol();
    if (change > 0) o.venue_order_id = f.venue_order_id;
    o.quantity = quantity();
    o.price = Decimal::of("60100");
    o.has_value_usd = true;
    o.has_fees_usd = true;
    if (filled) {
      o.filled_quantity = quantity();
      o.filled_quote = mul(quantity(), price(), Round::nearest);
      o.value_usd = o.filled_quote;
      o.fees_usd = Decimal::of("15.01");
      o.executed_ns = now;
    }
    o.created_ns = f.sent_ns;
    o.updated_ns = now;
  }

  void fill(const Follower& f) {
    FillRecord& r = record(RecordKind::fill, f.sent_ns + 2'000 * us).fill;
    r.order = f.key;
    r.link = f.link;
    r.user = UserId{World::user(f.user)};
    r.portfolio = PortfolioId{World::id(Row::portfolio, f.user)};
    r.account = AccountId{World::id(Row::account, f.user)};
    r.side = side();
    r.source = UpdateSource::stream;
    r.symbol = symbol();
    r.venue_order_id = f.venue_order_id;
    r.trade_id = VenueTradeId::cut(f.venue_order_id.view());
    r.quantity = quantity();
    r.price = price();
    r.fee = Decimal::of("15.01");
    r.fee_asset = Asset::cut("USDT");
    r.quote_usd = Decimal::of("1.0002");
    r.fee_usd = Decimal::of("1.0002");
    r.venue_time_ns = f.sent_ns + 2'000 * us;
  }

  void outcome(const Follower& f, std::uint64_t rank) {
    OutcomeRecord& o = record(RecordKind::outcome, f.sent_ns + 2'000 * us).outcome;
    o.event = burst_event(number_);
    o.link = f.link;
    o.outcome = Outcome::copied;
    o.rank = static_cast<std::uint32_t>(rank);
    o.wanted_quantity = Decimal::of("0.37512");
    o.sent_quantity = quantity();
    o.residual_quantity = o.wanted_quantity - o.sent_quantity;
    o.order = f.key;
    o.ingest_to_wire_ns = f.sent_ns - time_ns_;
    o.created_ns = f.sent_ns + 2'000 * us;
  }

  // Buys and sells in turn, so that nobody's position grows for ever.
  [[nodiscard]] Side side() const { return number_ % 2 == 0 ? Side::buy : Side::sell; }
  // A leader trades one symbol: after the first time its followers have a position in it.
  [[nodiscard]] static Symbol symbol() { return Symbol::cut(World::symbol(0)); }
  [[nodiscard]] static Decimal quantity() { return Decimal::of("0.375"); }
  [[nodiscard]] static Decimal price() { return Decimal::of("60050.5"); }

  const World& world_;
  const std::uint64_t number_;
  const std::int64_t time_ns_;
  std::uint64_t seq_ = 0;
  std::vector<JournalItem> items_;
};

}  // namespace

EventId burst_event(std::uint64_t number) {
  return fill_event_id(Venue::binance, AccountId{World::id(Row::account, 0)},
                       fmt::format("{}", number), fmt::format("{}", number));
}

std::vector<JournalItem> burst_of(const World& world, std::uint64_t number, std::uint64_t followers,
                                  std::int64_t time_ns) {
  return Burst(world, number, time_ns).make(followers);
}

}  // namespace oneclick::bench
