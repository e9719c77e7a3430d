// The paper exchange: a real matching engine behind Binance's spot protocols over TLS. What paper
// trading runs on. One port serves REST (/api/v3/...), the WebSocket API (/ws-api/v3), market
// streams (/ws, /stream) and an administration interface (/admin/...). Lives on its reactor's
// thread. Shares no code with any connector.
//
// Administration (Authorization: Bearer <admin_token>):
//   GET  /admin/ledger            the ledger as JSON: accounts[{id, balances}], orders[{order_id,
//                                 client_order_id, account, symbol, side, type, time_in_force,
//                                 price, orig_qty, executed_qty, cum_quote, status, time,
//                                 stop_price, order_list_id}], fills[{trade_id, order_id,
//                                 client_order_id, account, symbol, side, price, qty, quote_qty,
//                                 commission, commission_asset, maker, time}]
//   POST /admin/accounts {"id","api_key","api_secret"|"public_key","balances":{"USDT":"1000"}} POST
//   /admin/deposits          {"account","asset","amount"} POST /admin/prices
//   {"symbol","bid","bid_quantity","ask","ask_quantity"} POST /admin/accounts/revoke   {"account"}
//   PUT  /admin/faults [{"kind","account","client_order_id","count","probability","code","message",
//                                 "delay_ms"}], replaces all; kinds in faults.hpp
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/net/reactor.hpp"
#include "connectors/paper/api.hpp"
#include "connectors/paper/faults.hpp"

namespace oneclick::paper {

struct PaperSymbol {
  std::string symbol;  // "BTC/USDT"
  Decimal tick, step, quantity_min, quantity_max, market_quantity_max, notional_min, price_max;
  // Prices: a file of figures (unix_s,bid,bid_qty,ask,ask_qty,traded_qty per line after a heading),
  // a recording of raw streams (local ns, a space, JSON per line; .gz too), or the constants below.
  std::string figures_file;
  std::string recording_file;
  Decimal bid, bid_quantity, ask, ask_quantity;
};

struct PaperAccount {
  std::string id;
  std::string api_key;
  std::string api_secret;  // HMAC
  std::string public_key;  // Ed25519, PEM; instead of api_secret
  std::vector<std::pair<std::string, Decimal>> balances;
};

struct PaperConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9443;  // 0: any free one
  std::string certificate_file, key_file;
  std::vector<PaperSymbol> symbols;
  std::vector<PaperAccount> accounts;
  Limits limits;
  std::int32_t taker_fee_bps = 10;
  std::int32_t maker_fee_bps = 10;
  double replay_speed = 1;  // of recorded prices; they begin again at their end
  std::string admin_token;  // empty: no administration
  std::vector<Fault> faults;
  std::uint64_t fault_seed = 1;
};

class PaperExchange {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<PaperExchange>, std::string> start(
      net::Reactor& reactor, PaperConfig config);
  virtual ~PaperExchange() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::string ledger() const = 0;
};

}  // namespace oneclick::paper
