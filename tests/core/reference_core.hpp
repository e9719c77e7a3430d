// The rules of copying (engine/core/RULES.md) once more: slow, obvious, with numbers of any size.
// It shares the vocabulary of engine/domain with the core and nothing else; what it says is
// compared with what the core says. It covers spot: matching, the ladder, all sizing modes, caps,
// residuals, exits, signals, reservations, limits of links, switches. Orders that rest, protection
// and what a venue loses have models of their own.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/domain/event.hpp"
#include "engine/domain/intent.hpp"
#include "engine/domain/record.hpp"

namespace oneclick::test {

// Whole numbers of any size: e8 for quantities, prices and money, e12 where a name says fine.
using Number = boost::multiprecision::cpp_int;

// Everything said about one event, in an order of its own.
struct Said {
  struct Outcome {
    oneclick::Outcome outcome;
    Reason reason;
    Cap cap;
    Number sent;
    Number residual;  // e8, toward zero
    bool has_order;
  };
  struct Order {
    Side side;
    OrderType type;
    Number quantity;
    Number price;
    bool is_exit;
    bool expires;
  };
  std::map<std::pair<EventId, LinkId>, Outcome> outcomes;
  std::map<OrderKey, Order> orders;
  std::size_t links_matched = 0;  // of leader events
};

class ReferenceCore {
 public:
  // `ranks`: of leader events, the links in the order in which they are served.
  Said step(const Event& event, const std::vector<LinkId>& ranks);
  [[nodiscard]] std::vector<LinkId> matched(const LeaderEvent& event) const;
  [[nodiscard]] Number held(LinkId link, const Symbol& symbol) const;
  [[nodiscard]] std::map<std::pair<LinkId, std::string>, Number> holdings() const;

 private:
  struct SignalPart {
    SignalId signal;
    Number quantity;
  };
  struct Hold {
    Number quantity, cost;
    Number residual, owed;  // fine
    std::uint64_t leader_order = 0;
    std::vector<SignalPart> signals;  // newest first
  };
  struct Profit {  // USD, e8
    Number realised, last, day_start, start, peak;
    std::int64_t day = 0;
    bool started = false, halted = false, unvalued = false;
    std::int64_t minute = 0;
    std::int32_t entries = 0;
  };
  struct Follower {
    CopyLink link;
    std::map<std::string, Hold> holds;  // by symbol
    Profit profit;
    bool removed = false;
  };
  struct Money {
    Number free, locked, spent;  // spent: fine
    std::int64_t time_ns = 0, spent_until_ns = 0;
  };
  struct Wallet {
    Account account{};
    bool known = false, reconciled = false, refused = false;
    std::map<std::string, Money> money;  // by asset
    std::int64_t told_ns = 0;
  };
  struct Order {
    OrderKey key{};
    EventId event{};
    SignalId signal{};
    LinkId link{};
    std::string symbol;
    Side side = Side::buy;
    OrderType type = OrderType::market;
    Number quantity, price, filled, filled_quote, reserved /* fine */, keep,
        left /* of exits, later */;
    std::int64_t event_time_ns = 0, executed_ns = 0, retry_ns = 0;
    std::uint32_t attempt = 0;
    std::uint8_t leg = 0;
    int tries = 0;
    Cap cap = Cap::none;
    bool is_exit = false, outcome_due = false, closes_signal = false, sent = false;
    Number cumulative;
    bool final = false;
    std::uint64_t listed = 0;  // in order of beginning
    std::set<std::string> trades;
  };
  struct Position {
    Number quantity;
    struct Seen {
      EventId first_fill;
      std::uint64_t order = 0;
      std::int64_t time_ns = 0;
    };
    std::vector<Seen> orders;  // buys, newest last, sixteen at most
  };
  struct Market {
    Instrument instrument{};
    Number bid, ask, usd;  // as told with Price events
    std::int64_t time_ns = 0;
    Number reference;
    std::int64_t reference_ns = 0;
  };
  struct Request;

  void on_leader(const LeaderEvent& event, const std::vector<LinkId>& ranks);
  void serve(Request& r, Follower& f);
  void enter(Request& r, Follower& f);
  void leave(Request& r, Follower& f);
  [[nodiscard]] Reason ladder(const Request& r, const Follower& f) const;
  void on_order(const OrderUpdate& u);
  void on_execution(Order& o, const OrderUpdate& u);
  void end(OrderKey key, Reason reason, bool not_sent);
  void after_exit(const Order& ended, Reason reason, bool not_sent, bool& goes_on);
  void follow_up(Order& entry);
  void start_exit(const Order& exit);
  void attempt(OrderKey key);
  void put_off(Order& exit) const;
  struct Wish {
    Number wanted;  // fine
    Reason reason;  // none, or why it cannot be said
  };
  [[nodiscard]] Wish wish(const Request& r, const CopyLink& link, const Wallet& w,
                          const Instrument& instrument, const Number& price) const;
  void on_timer();
  void on_price(const Price& price);

  void tell(EventId event, LinkId link, Outcome outcome, Reason reason, Cap cap, Number sent,
            const Number& residual_fine, bool has_order);
  void tell_filled(Order& o);
  [[nodiscard]] Number selling(LinkId link, const std::string& symbol) const;
  [[nodiscard]] Number buying(LinkId link, const std::string& symbol) const;
  [[nodiscard]] Number sellable(LinkId link, const std::string& symbol) const;
  [[nodiscard]] Number available(const Wallet& w, const std::string& asset) const;
  [[nodiscard]] std::optional<Number> follower_equity(const Wallet& w,
                                                      const std::string& quote) const;
  [[nodiscard]] std::optional<Number> leader_equity(const LeaderEvent& e,
                                                    const std::string& quote) const;
  [[nodiscard]] const Market* valued(const std::string& symbol) const;
  bool value(Follower& f);
  [[nodiscard]] bool drawn_down(const Follower& f) const;
  void close_all(Follower& f);
  Number fit(Order& o, const Number& price);
  [[nodiscard]] Number sell_lots(const Number& wanted_fine, const Number& price,
                                 const std::string& symbol) const;

  CoreSettings settings_{};
  std::map<LinkId, Follower> followers_;
  std::map<AccountId, Wallet> wallets_;
  std::map<std::string, Market> markets_;
  std::map<std::pair<UserId, std::string>, Position> positions_;
  std::vector<LeaderFeed> feeds_;
  std::vector<KillSwitch> switches_;
  std::set<EventId> seen_;
  std::map<OrderKey, Order> orders_;  // not ended
  std::int64_t now_ns_ = 0;
  std::uint64_t seq_ = 0;
  std::uint64_t listed_ = 0;
  Said said_;
};

}  // namespace oneclick::test
