// The matching engine alone, with three rich accounts and what it told of them.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "connectors/paper/exchange.hpp"

namespace oneclick::paper {

inline Decimal d(std::string_view text) {
  return Decimal::of(text);
}

inline SymbolRules rules(const std::string& base) {
  return {.name = base + "USDT",
          .base = base,
          .quote = "USDT",
          .tick = d("0.01"),
          .price_min = d("0.01"),
          .price_max = d("1000000"),
          .step = d("0.001"),
          .quantity_min = d("0.001"),
          .quantity_max = d("9000"),
          .market_quantity_max = d("500"),
          .notional_min = d("5")};
}

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeTest()
      : exchange(
            {rules("BTC"), rules("ETH")}, 10, 20,
            {.on_execution =
                 [this](const Order& o, std::string_view x, const Fill* f) {
                   events.push_back(fmt::format("{} {} {}{}", o.account->id, x, to_text(o.status),
                                                f == nullptr ? "" : " " + f->price.to_text()));
                 },
             .on_balances =
                 [this](const Account& a, const std::vector<std::string>&) {
                   events.push_back(a.id + " balances");
                 },
             .on_touch = [](const SymbolRules&) {},
             .on_trade = [this](const Fill&) { ++trades; },
             .on_list =
                 [this](const OrderList& l, std::string_view status) {
                   events.push_back(fmt::format("{} list {}", l.account->id, status));
                 }}) {
    for (const char* const name : {"a", "b", "c"}) {
      Account& account = exchange.add_account(name, std::string("key-") + name, "secret", "");
      exchange.deposit(account, "USDT", d("10000000"));
      exchange.deposit(account, "BTC", d("1000"));
    }
    market("100", "1", "101", "1");
  }

  void market(const char* bid, const char* bid_size, const char* ask, const char* ask_size) {
    exchange.set_market("BTCUSDT", {d(bid), d(bid_size)}, {d(ask), d(ask_size)}, now);
  }
  Account& account(const std::string& id) { return *exchange.account_by_id(id); }
  Placement limit(const std::string& who, Side side, const char* quantity, const char* price,
                  Tif tif = Tif::gtc) {
    return {.account = &account(who),
            .symbol = "BTCUSDT",
            .side = side,
            .type = Type::limit,
            .tif = tif,
            .quantity = d(quantity),
            .quote_quantity = Decimal{},
            .price = d(price),
            .client_id = ""};
  }
  Placement at_market(const std::string& who, Side side, const char* quantity,
                      const char* money = "0") {
    Placement p = limit(who, side, quantity, "0");
    p.type = Type::market;
    p.quote_quantity = d(money);
    return p;
  }
  Order& place(const Placement& p) {
    const auto placed = exchange.place(p, now);
    if (!placed) throw std::runtime_error(placed.error().message);
    return **placed;
  }
  int refused(const Placement& p, const std::string& text) {
    const std::size_t before = exchange.orders().size();
    const auto placed = exchange.place(p, now);
    EXPECT_EQ(exchange.orders().size(), before) << "a refused order leaves nothing behind";
    if (placed) return 0;
    EXPECT_EQ(placed.error().message, text);
    return placed.error().code;
  }
  std::string balance(const std::string& id, const std::string& asset) {
    const Balance b = account(id).balances[asset];
    return b.free.to_text() + "/" + b.locked.to_text();
  }

  std::vector<std::string> events;
  int trades = 0;
  std::int64_t now = 1'700'000'000'000;
  Exchange exchange;
};

struct Totals {
  std::map<std::string, Decimal> held, fees, outside;
};

// What is held, what was taken as fees, and what went to and came from the recorded market (trades
// with one side only).
inline Totals totals(const Exchange& exchange) {
  Totals t;
  for (const Account& a : exchange.accounts())
    for (const auto& [asset, b] : a.balances) t.held[asset] += b.free + b.locked;
  std::map<std::int64_t, std::vector<const Fill*>> by_trade;
  for (const Fill& f : exchange.fills()) {
    t.fees[f.commission_asset] += f.commission;
    by_trade[f.trade_id].push_back(&f);
  }
  for (const auto& [id, sides] : by_trade) {
    if (sides.size() == 2) continue;
    const Fill& f = *sides.front();
    const bool bought = f.order->side == Side::buy;
    t.outside[f.order->symbol->base] += bought ? -f.quantity : f.quantity;
    t.outside[f.order->symbol->quote] += bought ? f.quote : -f.quote;
  }
  return t;
}

}  // namespace oneclick::paper
