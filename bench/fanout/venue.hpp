// What the receiver says: just enough of the Binance spot API for a daemon to start and for its
// orders to complete (Binance spot API docs: web-socket-api.md, rest-api.md, user-data-stream.md).
// No matching: every order fills at its price, all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/fanout/parties.hpp"
#include "engine/base/decimal.hpp"

namespace oneclick::bench {

// A request as flat text: {"id":..,"method":..,"params":{..}}; strings without their quotes.
struct Request {
  std::string_view id;  // as sent, quotes included
  std::string_view method;
  std::vector<std::pair<std::string_view, std::string_view>> params;
  [[nodiscard]] std::string_view param(std::string_view name) const;
};
// False for anything that is not such a request.
[[nodiscard]] bool read_request(std::string_view json, Request& out);
// The text that must have been signed: the parameters without the signature, sorted by name.
[[nodiscard]] std::string signed_text(const Request& request);

class VenueRules {
 public:
  explicit VenueRules(std::size_t parties);

  // The party whose key this is; -1: nobody's.
  [[nodiscard]] int party_of(std::string_view api_key) const;
  [[nodiscard]] bool signature_holds(int party, const Request& request) const;

  // Body for a GET of this path, empty for one it does not know.
  [[nodiscard]] std::string rest(std::string_view path, std::string_view api_key) const;
  // Answer to a request of the WebSocket API other than order.place and subscriptions.
  [[nodiscard]] std::string answer(const Request& request) const;
  [[nodiscard]] static std::string subscribed(const Request& request, std::uint32_t subscription);
  [[nodiscard]] static std::string book_ticker();

  // Takes an order: its answer, and the two events (execution report, balances) its account hears.
  struct Filled {
    std::string reply;
    std::string report;
    std::string position;
  };
  [[nodiscard]] Filled fill(int party, const Request& request, std::uint32_t subscription);

 private:
  struct Order {
    std::uint64_t id;
    int party;
    std::string quantity;
    std::string price;
    std::string side;
  };
  [[nodiscard]] std::string balances(int party) const;
  [[nodiscard]] std::string order_json(std::string_view client_id, const Order& order) const;

  std::vector<Party> parties_;
  std::unordered_map<std::string_view, int> by_key_;
  std::vector<Decimal> base_;  // what each party bought
  std::unordered_map<std::string, Order> orders_;
  std::uint64_t last_id_ = 1'000'000;
};

}  // namespace oneclick::bench
