// Identities are a contract: rows, client order ids and replays of years depend on them.
#include "engine/domain/identity.hpp"

#include <gtest/gtest.h>

#include <set>

namespace oneclick {
namespace {

template <typename AnyId>
AnyId parsed(std::string_view text) {
  return AnyId{Uuid::parse(text).value()};
}
const auto account = parsed<AccountId>("11111111-2222-4333-8444-555555555555");
const auto event = parsed<EventId>("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
const auto link = parsed<LinkId>("01234567-89ab-4cde-8f01-23456789abcd");
const auto user = parsed<UserId>("99999999-8888-4777-8666-555555555555");
const auto signal_ = parsed<SignalId>("77777777-6666-4555-8444-333333333333");
constexpr std::int64_t time_ns = 1'700'000'000'123'456'789;

// Computed by an independent program from the description in identity.hpp.
TEST(Identity, StaysWhatItWas) {
  EXPECT_EQ(order_key(event, link, 0, 0, time_ns).to_text(),
            "018bcfe5-687b-81b4-85c2-a2ede8d0383e");
  EXPECT_EQ(order_key(event, link, 1, 2, time_ns).to_text(),
            "018bcfe5-687b-800f-a413-31c74a76aaf0");
  EXPECT_EQ(fill_event_id(Venue::binance, account, "12345", "678").to_text(),
            "20947560-7b48-8b4f-8c1f-e6618732ea11");
  EXPECT_EQ(signal_event_id(signal_, LeaderEventKind::signal_published, 1).to_text(),
            "241f2212-45d9-8a35-acc2-8094df8a7062");
  EXPECT_EQ(copy_event_id(signal_, user).to_text(), "58c75055-d90b-849f-94cc-f26a1358710a");
  EXPECT_EQ(request_event_id(user, "key-1").to_text(), "9efe3f29-4f9c-8ae3-ae34-8f9a49f82a2f");
  const OrderKey key = order_key(event, link, 0, 0, time_ns);
  EXPECT_EQ(state_row_id(key, 3, time_ns).to_text(), "018bcfe5-687b-8744-949d-c5b5246945d1");
  EXPECT_EQ(fill_row_id(key, "678").to_text(), "018bcfe5-687b-845f-bc1b-c44e5af07dc3");
}

TEST(Identity, OrderKeysAreVersionEightAndSortByTime) {
  OrderKey last{};
  for (std::int64_t ms = 0; ms < 1'000; ++ms) {
    const OrderKey key = order_key(event, link, 0, 0, time_ns + ms * 1'000'000);
    EXPECT_EQ((key.value.high >> 12) & 0xf, 8U);
    EXPECT_EQ(key.value.low >> 62, 2U);
    EXPECT_EQ(key.value.high >> 16, static_cast<std::uint64_t>(time_ns / 1'000'000 + ms));
    EXPECT_GT(key, last);
    last = key;
  }
}

TEST(Identity, EveryPartOfAnOrderMakesItAnother) {
  std::set<OrderKey> keys;
  for (std::uint64_t e = 0; e < 20; ++e)
    for (std::uint64_t l = 0; l < 20; ++l)
      for (std::uint8_t leg = 0; leg < 4; ++leg)
        for (int attempt = 0; attempt < 256; attempt += 5)
          keys.insert(order_key(EventId{Uuid{e, 1}}, LinkId{Uuid{l, 2}}, leg,
                                static_cast<std::uint8_t>(attempt), time_ns));
  EXPECT_EQ(keys.size(), 20U * 20 * 4 * 52);
}

TEST(Identity, ClientOrderIdsGoThereAndBack) {
  for (std::uint64_t n = 0; n < 2'000; ++n) {
    const OrderKey key = order_key(EventId{Uuid{n, n * n}}, link, 0, 0, time_ns);
    char text[client_order_id_size];
    write_client_order_id(key, text);
    const std::string_view id(text, sizeof text);
    EXPECT_EQ(id.substr(0, 2), "oc");
    for (const char c : id)
      EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_');
    EXPECT_EQ(order_key_from_client_id(id), key);
  }
}

TEST(Identity, OthersClientOrderIdsAreNotOurs) {
  char text[client_order_id_size];
  write_client_order_id(order_key(event, link, 0, 0, time_ns), text);
  const std::string good(text, sizeof text);
  ASSERT_TRUE(order_key_from_client_id(good).has_value());
  EXPECT_FALSE(order_key_from_client_id("").has_value());
  EXPECT_FALSE(order_key_from_client_id(good.substr(0, 23)).has_value());
  EXPECT_FALSE(order_key_from_client_id(good + "A").has_value());
  EXPECT_FALSE(order_key_from_client_id("x" + good.substr(1)).has_value());
  EXPECT_FALSE(order_key_from_client_id("oc0000000000000000000000").has_value());
  EXPECT_FALSE(order_key_from_client_id("web_1a2b3c4d5e6f7a8b9c0d").has_value());
  std::string odd = good;
  odd[10] = '+';
  EXPECT_FALSE(order_key_from_client_id(odd).has_value());
  odd = good;
  odd.back() = odd.back() == '_' ? '-' : '_';  // bits that no key has
  EXPECT_FALSE(order_key_from_client_id(odd).has_value());
}

TEST(Identity, TextsDoNotRunIntoEachOther) {
  EXPECT_NE(fill_event_id(Venue::binance, account, "12", "345"),
            fill_event_id(Venue::binance, account, "123", "45"));
  EXPECT_NE(signal_event_id(signal_, LeaderEventKind::signal_published, 1),
            signal_event_id(signal_, LeaderEventKind::signal_updated, 1));
  EXPECT_NE(signal_event_id(signal_, LeaderEventKind::signal_updated, 1),
            signal_event_id(signal_, LeaderEventKind::signal_updated, 2));
}

}  // namespace
}  // namespace oneclick
