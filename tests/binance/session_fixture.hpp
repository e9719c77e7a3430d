// An order session against the scripted venue.
#pragma once

#include <gtest/gtest.h>

#include "tests/binance/fake_venue.hpp"

namespace oneclick::binance::test {

class SessionTest : public VenueTest {
 protected:
  void start(Config config, std::size_t account_count = 1) {
    shared = share(std::move(config));
    shared->publish_instruments(instruments());
    session = make_order_session(reactor, shared, 0, sink);
    for (std::size_t i = 0; i < account_count; ++i) attach(static_cast<AccountSlot>(i));
    ASSERT_TRUE(run_until([&] { return session->up(); }));
  }
  void start(std::size_t account_count = 1) { start(venue.config(), account_count); }
  void start_reconciled(std::size_t account_count = 1) {
    start(account_count);
    ASSERT_TRUE(
        run_until([&] { return sink.count(AccountStateKind::reconciled) == account_count; }));
  }
  void attach(AccountSlot slot) {
    Account account{};
    account.id = account_id(slot);
    account.venue = Venue::binance;
    account.connected = true;
    session->attach(slot, account, credentials("key" + std::to_string(slot)));
  }
  Intent intent(IntentKind kind, const OrderKey& order, AccountSlot slot = 0) {
    Intent out{};
    out.kind = kind;
    out.type = OrderType::limit_ioc;
    out.side = Side::buy;
    out.venue = Venue::binance;
    out.slot = slot;
    out.account = account_id(slot);
    out.key = order;
    out.symbol = Symbol::cut("BTC/USDT");
    out.venue_symbol = Symbol::cut("BTCUSDT");
    out.price_decimals = 2;
    out.quantity_decimals = 5;
    out.quantity = Decimal::of("0.5");
    out.price = Decimal::of("100.25");
    return out;
  }
  SubmitResult place(const OrderKey& order, AccountSlot slot = 0) {
    const SubmitResult result = session->submit(intent(IntentKind::place, order, slot));
    session->flush();
    return result;
  }
  // The first update about an order, once there is one.
  OrderUpdate update(const OrderKey& order, std::size_t number = 0) {
    OrderUpdate out{};
    EXPECT_TRUE(run_until([&] {
      std::size_t seen = 0;
      for (const OrderUpdate& u : sink.updates()) {
        if (u.key != order || seen++ != number) continue;
        out = u;
        return true;
      }
      return false;
    }));
    return out;
  }

  std::shared_ptr<VenueShared> shared;
  std::unique_ptr<OrderSession> session;
};

}  // namespace oneclick::binance::test
