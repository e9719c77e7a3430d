// The matching engine and its ledger. Orders walk a finite book: what the recorded market offered,
// and other clients' resting orders, by price and then time. Single-threaded.
#pragma once

#include <expected>
#include <optional>

#include "connectors/paper/model.hpp"

namespace oneclick::paper {

inline constexpr std::size_t open_orders_max = 200;  // of an account in one symbol
inline constexpr std::size_t algo_orders_max = 5;    // of these, waiting for a stop price
inline constexpr std::size_t order_lists_max = 20;   // of an account in one symbol
inline constexpr Decimal notional_max = Decimal::from_integer(9'000'000);  // of priced orders

struct Placement {
  Account* account;
  std::string symbol;
  Side side;
  Type type;
  Tif tif;
  Decimal quantity, quote_quantity, price;  // zero: not given
  std::string client_id;                    // empty: the exchange makes one
  Decimal stop_price{};
  SelfTrade self_trade = SelfTrade::none;
};

// Two orders of one side and quantity.
struct PairPlacement {
  Placement above, below;
  std::string client_id;  // of the list; empty: the exchange makes one
};

// Told in the order things happen.
struct ExchangeListener {
  // execution: "NEW", "TRADE", "CANCELED", "EXPIRED", "REPLACED", "TRADE_PREVENTION"; fill only
  // with TRADE.
  std::function<void(const Order&, std::string_view execution, const Fill* fill)> on_execution;
  std::function<void(const Account&, const std::vector<std::string>& assets)> on_balances;
  std::function<void(const SymbolRules&)> on_touch;
  // Once a trade: the taker's fill, or the maker's where the recorded market took.
  std::function<void(const Fill& fill)> on_trade;
  // A pair was placed, changed the name of an order ("UPDATED"), or has ended ("ALL_DONE").
  std::function<void(const OrderList&, std::string_view status)> on_list = {};
};

[[nodiscard]] std::optional<ApiError> bad_client_id(const std::string& id);

struct Level {
  Decimal price;
  Decimal quantity;
};

class Exchange {
 public:
  Exchange(std::vector<SymbolRules> symbols, std::int32_t taker_fee_bps, std::int32_t maker_fee_bps,
           ExchangeListener listener);

  Account& add_account(const std::string& id, const std::string& api_key, const std::string& secret,
                       const std::string& public_pem);
  [[nodiscard]] Account* account_by_key(std::string_view api_key);
  [[nodiscard]] Account* account_by_id(const std::string& id);
  void deposit(Account& account, const std::string& asset, Decimal amount);

  // The market as it is from now on: the touch, and made-up depth behind it.
  void set_market(const std::string& symbol, Level bid, Level ask, std::int64_t now_ms);
  [[nodiscard]] const SymbolRules* symbol(std::string_view name) const;
  [[nodiscard]] const std::vector<SymbolRules>& symbols() const { return symbols_; }
  // What can be traded against now, best first: recorded and clients' together.
  [[nodiscard]] std::vector<Level> depth(const SymbolRules& symbol, Side side,
                                         std::size_t levels) const;
  [[nodiscard]] std::uint64_t update_id(const SymbolRules& symbol) const;
  [[nodiscard]] Decimal last_price(const SymbolRules& symbol) const;
  // The mean of what was traded in the last five minutes; zero: nothing was.
  struct Average {
    Decimal price;
    std::int64_t last_trade_ms;
  };
  [[nodiscard]] Average average(const SymbolRules& symbol, std::int64_t now_ms) const;

  [[nodiscard]] std::expected<Order*, ApiError> place(const Placement& placement,
                                                      std::int64_t now_ms);
  [[nodiscard]] std::expected<Order*, ApiError> check(const Placement& placement);  // order/test
  [[nodiscard]] std::expected<Order*, ApiError> cancel(Account& account, const std::string& symbol,
                                                       std::int64_t order_id,
                                                       const std::string& client_id,
                                                       const std::string& new_client_id,
                                                       std::int64_t now_ms);
  [[nodiscard]] std::expected<Order*, ApiError> find(Account& account, const std::string& symbol,
                                                     std::int64_t order_id,
                                                     const std::string& client_id);
  [[nodiscard]] std::expected<OrderList*, ApiError> place_pair(const PairPlacement& placement,
                                                               std::int64_t now_ms);
  [[nodiscard]] std::expected<OrderList*, ApiError> find_list(Account& account,
                                                              std::int64_t list_id,
                                                              const std::string& client_id);
  [[nodiscard]] const std::deque<OrderList>& lists() const { return lists_; }
  // Less of an open order, at the same place in the book.
  [[nodiscard]] std::expected<Order*, ApiError> amend(Order& order, Decimal quantity,
                                                      const std::string& new_client_id,
                                                      std::int64_t now_ms);

  [[nodiscard]] const std::deque<Order>& orders() const { return orders_; }
  [[nodiscard]] const std::deque<Fill>& fills() const { return fills_; }
  [[nodiscard]] const std::deque<Account>& accounts() const { return accounts_; }
  [[nodiscard]] std::int32_t taker_fee_bps() const { return taker_fee_bps_; }
  [[nodiscard]] std::int32_t maker_fee_bps() const { return maker_fee_bps_; }

 private:
  struct Book {
    std::vector<Level> bids, asks;  // recorded, best first; consumed by takers
    std::map<Decimal, std::deque<Order*>> resting_bids, resting_asks;
    // By stop price: those that wait for the last price to rise, or to fall, to it.
    std::multimap<Decimal, Order*> rising, falling;
    Decimal last{};  // price of the last trade
    struct Second {
      std::int64_t at, count;
      Decimal sum;
    };
    std::deque<Second> seconds;  // what was traded in each of the last five minutes
    std::int64_t last_trade_ms = 0;
    std::uint64_t update_id = 1;
  };
  struct Match {
    Decimal price, quantity;
    Order* maker;  // null: the recorded market
    bool own;      // of the same account, which it may not trade with
  };

  [[nodiscard]] std::optional<ApiError> refusal(const Placement& p, const SymbolRules& s) const;
  [[nodiscard]] std::optional<ApiError> funds_refusal(const Placement& p, const SymbolRules& s);
  [[nodiscard]] std::optional<ApiError> balance_refusal(const Placement& p, const SymbolRules& s,
                                                        Decimal needed);
  [[nodiscard]] std::optional<ApiError> pair_refusal(const PairPlacement& p,
                                                     const SymbolRules& s) const;
  struct Found {
    std::vector<Match> list;
    Decimal quantity{}, cost{};
    bool ran_out = false;  // the book ended before the order did
  };

  template <typename Visit>
  bool each_offer(const SymbolRules& symbol, Side side, Visit visit) const;
  [[nodiscard]] Found matches(const Order& order) const;
  [[nodiscard]] bool crosses(const Order& order, Decimal price) const;
  [[nodiscard]] Order& enter(const Placement& p, const SymbolRules& s, std::int64_t now_ms);
  void take(Order& order, std::int64_t now_ms);
  void consume(Book& book, Side side, Decimal price, Decimal quantity);
  void fill(Order& order, Decimal price, Decimal quantity, bool maker, std::int64_t trade_id,
            std::int64_t now_ms);
  void rest(Order& order);
  void unrest(Order& order);
  void lock(Order& order);
  void lock(Order& order, Decimal amount);
  void release(Order& order, Decimal amount);
  [[nodiscard]] static Decimal locked_for(const Order& order);
  [[nodiscard]] static Decimal set_aside(const Placement& p);
  void end(Order& order, Status status, std::string_view execution, std::int64_t now_ms);
  void match_resting(const SymbolRules& s, std::int64_t now_ms);
  void tell_balances(const Order& order);
  // contingent.cpp
  [[nodiscard]] static bool reached(Type type, Side side, Decimal stop_price, Decimal last);
  static void note_price(Book& book, Decimal price, std::int64_t now_ms);
  void wait(Order& order);
  void stop_waiting(Order& order);
  void trigger(const SymbolRules& s, std::int64_t now_ms);
  void activate(Order& order, std::int64_t now_ms);
  void leave_list(Order& order, std::int64_t now_ms);
  void settle_list(const Order& order, std::int64_t now_ms);
  void expire(Order& order, std::string_view reason, std::int64_t now_ms);
  void prevent(Order& taker, Order& maker, std::int64_t now_ms);

  const std::vector<SymbolRules> symbols_;
  const std::int32_t taker_fee_bps_, maker_fee_bps_;
  const ExchangeListener listener_;
  std::map<std::string, Book, std::less<>> books_;
  std::deque<Account> accounts_;
  std::map<std::string, Account*, std::less<>> by_key_, by_id_;
  std::deque<Order> orders_;
  std::deque<OrderList> lists_;
  std::deque<Fill> fills_;
  std::int64_t next_trade_id_ = 1;
  std::int64_t next_prevented_match_ = 0;
};

}  // namespace oneclick::paper
