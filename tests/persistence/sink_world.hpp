// Rows that orders refer to, and records as the core would make them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/base/metrics.hpp"
#include "engine/domain/identity.hpp"
#include "engine/domain/record.hpp"
#include "persistence/journal.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::test {

inline constexpr std::int64_t world_time_ns = 1'760'000'000'123'456'789;

template <typename IdType>
IdType id_of(std::uint64_t group, std::uint64_t n) {
  return IdType{Uuid{(group << 48) | 0x4000, 0x8000'0000'0000'0000ULL | n}};
}
inline UserId user(std::uint64_t n) {
  return id_of<UserId>(1, n);
}
inline AccountId account(std::uint64_t n) {
  return id_of<AccountId>(2, n);
}
inline PortfolioId portfolio(std::uint64_t n) {
  return id_of<PortfolioId>(3, n);
}
inline LinkId link(std::uint64_t n) {
  return id_of<LinkId>(4, n);
}
inline EventId event_id(std::uint64_t n) {
  return id_of<EventId>(5, n);
}

// A folder below /tmp that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/oneclick-test-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline PgQuery open_query(const std::string& url) {
  auto query = PgQuery::connect(url);
  EXPECT_TRUE(query.has_value()) << query.error();
  return std::move(*query);
}
inline void run(PgQuery& query, const std::string& sql) {
  const auto done = query.run(sql);
  ASSERT_TRUE(done.has_value()) << done.error() << "\n" << sql;
}
// The first row, its columns joined by '|'; "" when there is none.
inline std::string row_text(PgQuery& query, const std::string& sql) {
  const auto rows = query.rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error() << "\n" << sql;
  std::string out;
  if (rows && !rows->empty())
    for (const auto& value : (*rows)[0]) out += (out.empty() ? "" : "|") + value.value_or("NULL");
  return out;
}

// Users 0..count-1 with one account and one portfolio each; user 0 leads.
inline void make_users(PgQuery& query, int count, int first = 0) {
  for (int n = first; n < first + count; ++n) {
    const auto i = static_cast<std::uint64_t>(n);
    run(query,
        fmt::format("INSERT INTO users (id, email, username, password_hash, account_status) VALUES"
                    " ('{0}', 'u{3}@example.org', 'u{3}', '!', 'active');"
                    "INSERT INTO user_exchanges (id, user_id, exchange_name, status) VALUES"
                    " ('{1}', '{0}', 'binance', 'connected');"
                    "INSERT INTO portfolios (id, user_id, name, is_default) VALUES"
                    " ('{2}', '{0}', 'Default', true)",
                    user(i).to_text(), account(i).to_text(), portfolio(i).to_text(), n));
  }
}

inline Record blank(RecordKind kind) {
  Record r;
  std::memset(static_cast<void*>(&r), 0, sizeof r);
  r.kind = kind;
  r.payload_size = static_cast<std::uint32_t>(payload_bytes(kind));
  r.cause_seq = 1;
  r.time_ns = world_time_ns;
  return r;
}

inline Record leader_record(std::uint64_t n, std::uint32_t links_matched) {
  Record r = blank(RecordKind::leader_event);
  LeaderEvent& e = r.leader_event.event;
  e.id = event_id(n);
  e.kind = LeaderEventKind::fill;
  e.source = EventSource::stream;
  e.venue = Venue::binance;
  e.side = Side::buy;
  e.leader = user(0);
  e.symbol = Symbol::cut("BTC/USDT");
  e.quantity = Decimal::of("1.5");
  e.price = Decimal::of("60000.01");
  e.base_fee = Decimal::of("0.0015");
  e.event_time_ns = world_time_ns;
  e.received_ns = world_time_ns + 500'000;
  e.touch = {.bid = Decimal::of("60000"), .ask = Decimal::of("60000.5"), .time_ns = world_time_ns};
  r.leader_event.accepted_ns = world_time_ns + 1'000'000;
  r.leader_event.links_matched = links_matched;
  r.cause_seq = n + 7;
  return r;
}

inline OrderKey key_of(std::uint64_t event, std::uint64_t follower) {
  return order_key(event_id(event), link(follower), 0, 0,
                   world_time_ns + static_cast<std::int64_t>(event) * 1'000'000);
}

inline Record outcome_record(std::uint64_t event, std::uint64_t follower) {
  Record r = blank(RecordKind::outcome);
  r.outcome.event = event_id(event);
  r.outcome.link = link(follower);
  r.outcome.outcome = Outcome::copied;
  r.outcome.rank = static_cast<std::uint32_t>(follower);
  r.outcome.wanted_quantity = Decimal::of("0.5");
  r.outcome.sent_quantity = Decimal::of("0.5");
  r.outcome.order = key_of(event, follower);
  r.outcome.ingest_to_wire_ns = 12'345;
  r.outcome.created_ns = world_time_ns;
  return r;
}

inline Record order_record(std::uint64_t event, std::uint64_t follower, std::uint32_t change,
                           OrderStatus status, Decimal filled) {
  Record r = blank(RecordKind::order);
  OrderRecord& o = r.order;
  o.key = key_of(event, follower);
  o.event = event_id(event);
  o.link = link(follower);
  o.user = user(follower);
  o.portfolio = portfolio(follower);
  o.account = account(follower);
  o.copied_from = user(0);
  o.change = change;
  o.status = status;
  o.side = Side::buy;
  o.type = OrderType::limit_ioc;
  o.source = change == 0 ? UpdateSource::gate : UpdateSource::stream;
  o.symbol = Symbol::cut("BTC/USDT");
  if (change > 0) o.venue_order_id = VenueOrderId::cut(fmt::format("{}", event * 1000 + follower));
  o.quantity = Decimal::of("0.5");
  o.price = Decimal::of("60100");
  o.filled_quantity = filled;
  o.filled_quote = mul(filled, Decimal::of("60050.5"), Round::nearest);
  o.has_value_usd = true;
  o.value_usd = o.filled_quote;
  o.created_ns = world_time_ns;
  o.updated_ns = world_time_ns + change * 1'000'000;
  o.executed_ns = filled.is_zero() ? 0 : o.updated_ns;
  return r;
}

inline Record fill_record(std::uint64_t event, std::uint64_t follower, std::string_view trade_id,
                          Side side = Side::buy, std::string_view quantity = "0.5",
                          std::string_view price = "60050.5",
                          std::string_view base_fee = "0.0005") {
  Record r = blank(RecordKind::fill);
  FillRecord& f = r.fill;
  f.order = key_of(event, follower);
  f.link = link(follower);
  f.user = user(follower);
  f.portfolio = portfolio(follower);
  f.account = account(follower);
  f.side = side;
  f.source = UpdateSource::stream;
  f.symbol = Symbol::cut("BTC/USDT");
  f.venue_order_id = VenueOrderId::cut(fmt::format("{}", event * 1000 + follower));
  f.trade_id = VenueTradeId::cut(trade_id);
  f.quantity = Decimal::of(quantity);
  f.price = Decimal::of(price);
  f.fee = Decimal::of(base_fee);
  f.fee_asset = Asset::cut("BTC");
  f.base_fee = Decimal::of(base_fee);
  f.quote_usd = Decimal::of("1.0002");
  f.fee_usd = Decimal::of("60010");
  f.venue_time_ns = world_time_ns + 2'000'000;
  return r;
}

}  // namespace oneclick::test
