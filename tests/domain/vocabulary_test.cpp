// The words, there and back; and that events and records are what the journal keeps.
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "engine/domain/record.hpp"

namespace oneclick {
namespace {

TEST(Words, GoThereAndBack) {
  EXPECT_EQ(venue_from_text(to_text(Venue::binance)), Venue::binance);
  EXPECT_FALSE(venue_from_text("none").has_value());
  EXPECT_FALSE(venue_from_text("Binance").has_value());
  for (const Side side : {Side::buy, Side::sell}) EXPECT_EQ(side_from_text(to_text(side)), side);
  EXPECT_EQ(side_from_text("BUY"), Side::buy);
  EXPECT_FALSE(side_from_text("Buy").has_value());
  for (const auto x : {EntryStyle::capped, EntryStyle::market})
    EXPECT_EQ(entry_style_from_text(to_text(x)), x);
  for (const auto x : {MinLotPolicy::carry, MinLotPolicy::skip, MinLotPolicy::round_up})
    EXPECT_EQ(min_lot_policy_from_text(to_text(x)), x);
  for (const auto x : {LinkStatus::active, LinkStatus::paused, LinkStatus::exits_only,
                       LinkStatus::stopped, LinkStatus::quarantined})
    EXPECT_EQ(link_status_from_text(to_text(x)), x);
  EXPECT_EQ(sizing_mode_from_text(to_text(SizingMode::leader_quantity)),
            SizingMode::leader_quantity);
  EXPECT_FALSE(sizing_mode_from_text("").has_value());
}

TEST(Words, EveryReasonHasItsOwn) {
  std::set<std::string_view> words;
  for (int i = 0; i < reason_count; ++i) words.insert(to_text(static_cast<Reason>(i)));
  EXPECT_EQ(words.size(), static_cast<std::size_t>(reason_count));
  EXPECT_FALSE(words.contains("?"));
  EXPECT_TRUE(is_retryable(Reason::rate_budget));
  EXPECT_FALSE(is_retryable(Reason::rejected));
}

TEST(Words, SymbolsSplit) {
  const auto spot = split_symbol("BTC/USDT");
  ASSERT_TRUE(spot.has_value());
  EXPECT_EQ(spot->base, "BTC");
  EXPECT_EQ(spot->quote, "USDT");
  const auto swap = split_symbol("BTC/USDT:USDT");
  ASSERT_TRUE(swap.has_value());
  EXPECT_EQ(swap->quote, "USDT");
  for (const char* bad :
       {"", "/", "BTC", "BTC/", "/USDT", "A/B/C", "BTC/USDT:", "ABCDEFGHIJKLMNOPQ/B"})
    EXPECT_FALSE(split_symbol(bad).has_value()) << bad;
}

TEST(Events, CarryTheirPayloadsSizeAndNothingElse) {
  LeaderEvent leader{};
  leader.quantity = Decimal::of("1.5");
  const Event event = make_event(leader);
  EXPECT_EQ(event.kind, EventKind::leader);
  EXPECT_EQ(event.payload_size, sizeof(LeaderEvent));
  EXPECT_EQ(event.seq, 0U);
  const auto* const bytes = reinterpret_cast<const char*>(&event);
  for (std::size_t i = event_header_bytes + event.payload_size; i < sizeof event; ++i)
    EXPECT_EQ(bytes[i], 0) << i;
  for (std::uint16_t kind = 1; kind <= static_cast<std::uint16_t>(EventKind::price); ++kind) {
    const std::size_t size = payload_bytes(static_cast<EventKind>(kind));
    EXPECT_LE(size, sizeof(Event) - event_header_bytes);
    EXPECT_EQ(size == 0, static_cast<EventKind>(kind) == EventKind::timer);
  }
  EXPECT_EQ(payload_bytes(static_cast<EventKind>(99)), 0U);
  EXPECT_EQ(make_timer().payload_size, 0U);
  EXPECT_EQ(make_account_remove({}).kind, EventKind::account_remove);
  EXPECT_EQ(make_feed_remove({}).kind, EventKind::feed_remove);
}

TEST(Records, HaveTheirSizes) {
  for (std::uint16_t kind = 1; kind <= static_cast<std::uint16_t>(RecordKind::quarantine); ++kind) {
    const std::size_t size = payload_bytes(static_cast<RecordKind>(kind));
    EXPECT_GT(size, 0U);
    EXPECT_LE(size, sizeof(Record) - record_header_bytes);
  }
  EXPECT_EQ(payload_bytes(static_cast<RecordKind>(99)), 0U);
}

}  // namespace
}  // namespace oneclick
