#include "persistence/journal_dump.hpp"

#include <array>

#include "tests/persistence/journal_test_support.hpp"

namespace oneclick {
namespace {

template <typename T>
T zeroed() {
  T value;
  std::memset(static_cast<void*>(&value), 0, sizeof(value));
  return value;
}
Uuid uuid(std::uint64_t n) {
  return {.high = 0x0102030405060708, .low = 0x8900000000000000 + n};
}

LeaderEvent leader_fill() {
  auto e = zeroed<LeaderEvent>();
  e.id = {uuid(1)};
  e.kind = LeaderEventKind::fill;
  e.source = EventSource::stream;
  e.venue = Venue::binance;
  e.side = Side::buy;
  e.leader = {uuid(2)};
  e.symbol = Symbol::cut("BTC/USDT");
  e.quantity = Decimal::of("0.125");
  e.price = Decimal::of("64000.01");
  e.event_time_ns = 1'700'000'000'000'000'000;
  e.received_ns = 1'700'000'000'000'000'500;
  return e;
}

TEST(JournalDump, NamesTheFieldsOfAnEvent) {
  Event event = make_event(leader_fill());
  event.shard = 3;
  event.seq = 41;
  event.time_ns = 1'700'000'000'000'001'000;
  const JournalEntry entry{.position = 77, .event = &event, .record = nullptr};
  EXPECT_EQ(
      journal_entry_line(entry),
      "position=77 entry=event shard=3 seq=41 time_ns=1700000000000001000 event_kind=leader "
      "event=01020304-0506-0708-8900-000000000001 leader_kind=fill source=stream venue=binance "
      "side=buy leader=01020304-0506-0708-8900-000000000002 symbol=BTC/USDT quantity=0.125 "
      "price=64000.01 event_time_ns=1700000000000000000 received_ns=1700000000000000500");
  EXPECT_EQ(
      journal_entry_json(entry),
      "{\"position\":77,\"entry\":\"event\",\"shard\":3,\"seq\":41,\"time_ns\":1700000000000001000,"
      "\"event_kind\":\"leader\",\"event\":\"01020304-0506-0708-8900-000000000001\","
      "\"leader_kind\":\"fill\",\"source\":\"stream\",\"venue\":\"binance\",\"side\":\"buy\","
      "\"leader\":\"01020304-0506-0708-8900-000000000002\",\"symbol\":\"BTC/USDT\","
      "\"quantity\":\"0.125\",\"price\":\"64000.01\",\"event_time_ns\":1700000000000000000,"
      "\"received_ns\":1700000000000000500}");
}

TEST(JournalDump, QuotesWhatAVenueSaid) {
  auto update = zeroed<OrderUpdate>();
  update.account = {uuid(5)};
  update.key = {uuid(6)};
  update.kind = OrderUpdateKind::rejected;
  update.source = UpdateSource::reply;
  update.reason = Reason::rejected;
  update.side = Side::sell;
  update.venue_code = -2010;
  update.message = Text<95>::cut("no \"funds\"\\\n\xff=x");
  const Event event = make_event(update);
  const JournalEntry entry{.position = 1, .event = &event, .record = nullptr};
  const std::string quoted = "\"no \\\"funds\\\"\\\\\\u000a\\u00ff=x\"";
  EXPECT_NE(journal_entry_line(entry).find(" venue_code=-2010 "), std::string::npos);
  EXPECT_TRUE(journal_entry_line(entry).ends_with(" message=" + quoted))
      << journal_entry_line(entry);
  EXPECT_TRUE(journal_entry_json(entry).ends_with(",\"message\":" + quoted + "}"))
      << journal_entry_json(entry);
}

TEST(JournalDump, NamesTheFieldsOfRecords) {
  auto record = zeroed<Record>();
  record.kind = RecordKind::outcome;
  record.payload_size = sizeof(OutcomeRecord);
  record.cause_seq = 9;
  record.outcome.event = {uuid(1)};
  record.outcome.link = {uuid(2)};
  record.outcome.outcome = Outcome::clipped;
  record.outcome.cap = Cap::balance;
  record.outcome.rank = 4;
  record.outcome.wanted_quantity = Decimal::of("1");
  record.outcome.sent_quantity = Decimal::of("0.5");
  record.outcome.order = {uuid(3)};
  const JournalEntry entry{.position = 2, .event = nullptr, .record = &record};
  EXPECT_EQ(
      journal_entry_line(entry),
      "position=2 entry=record shard=0 cause_seq=9 time_ns=0 record_kind=outcome "
      "event=01020304-0506-0708-8900-000000000001 link=01020304-0506-0708-8900-000000000002 "
      "outcome=clipped cap=balance rank=4 wanted_quantity=1 sent_quantity=0.5 residual_quantity=0 "
      "order=01020304-0506-0708-8900-000000000003 created_ns=0");
}

// Every kind has a name of its own, and unknown ones are numbers.
TEST(JournalDump, EveryKindIsNamed) {
  for (std::uint16_t kind = 1; kind <= 20; ++kind) {
    auto event = zeroed<Event>();
    event.kind = static_cast<EventKind>(kind);
    const std::string line =
        journal_entry_line({.position = 1, .event = &event, .record = nullptr});
    const bool is_number = line.find("event_kind=" + std::to_string(kind)) != std::string::npos;
    EXPECT_EQ(is_number, kind == 20) << line;
  }
  for (std::uint16_t kind = 1; kind <= 12; ++kind) {
    auto record = zeroed<Record>();
    record.kind = static_cast<RecordKind>(kind);
    const std::string line =
        journal_entry_line({.position = 1, .event = nullptr, .record = &record});
    const bool is_number = line.find("record_kind=" + std::to_string(kind)) != std::string::npos;
    EXPECT_EQ(is_number, kind == 12) << line;
  }
}

}  // namespace
}  // namespace oneclick
