#include "engine/app/books.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/domain/identity.hpp"

namespace oneclick {

namespace {

constexpr std::size_t disagreements_shown = 100;

class Comparer {
 public:
  Comparer(const Ledger& ledger, const Books& books) : ledger_(ledger), books_(books) {}

  Comparison run() {
    index();
    compare_counts();
    compare_orders();
    compare_fills();
    compare_positions();
    measure_tracking();
    return std::move(out_);
  }

 private:
  template <typename... Args>
  void disagree(fmt::format_string<Args...> format, Args&&... args) {
    ++out_.disagreement_count;
    if (out_.disagreements.size() < disagreements_shown)
      out_.disagreements.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // The trades.id behind an order of the engine; empty for anybody else's.
  static std::string key_of(const std::string& client_order_id) {
    const auto key = order_key_from_client_id(client_order_id);
    return key ? key->to_text() : std::string();
  }

  void index() {
    for (const BookOrder& o : books_.orders) orders_[o.id] = &o;
    for (const LedgerOrder& o : ledger_.orders) {
      const std::string key = key_of(o.client_order_id);
      if (key.empty()) continue;
      ++out_.ledger_orders;
      if (!on_ledger_.emplace(key, &o).second)
        disagree("order {} is on the exchange twice ({} and {})", key, on_ledger_[key]->order_id,
                 o.order_id);
    }
  }

  void compare_counts() {
    if (books_.links_matched != books_.outcome_rows)
      disagree("sum of links_matched is {}, outcomes are {}", books_.links_matched,
               books_.outcome_rows);
    if (books_.events_with_other_count != 0)
      disagree("{} leader events have another number of outcomes than links matched",
               books_.events_with_other_count);
    if (books_.copied_without_fill != 0)
      disagree("{} outcomes say copied without a fill behind them", books_.copied_without_fill);
    if (books_.sink_rejects != 0)
      disagree("{} records were refused by the database", books_.sink_rejects);
  }

  void compare_orders() {
    for (const auto& [key, o] : on_ledger_) {
      const auto row = orders_.find(key);
      if (row == orders_.end()) {
        disagree("order {} ({}) has no trades row", key, o->order_id);
        continue;
      }
      compare_order(*o, *row->second);
    }
    for (const BookOrder& row : books_.orders) {
      if (on_ledger_.contains(row.id)) continue;
      if (row.status == "filled" || row.status == "partially_filled" ||
          row.filled_quantity.is_positive() || row.status == "pending")
        disagree("trades row {} is {} but not on the exchange", row.id, row.status);
    }
  }

  void compare_order(const LedgerOrder& o, const BookOrder& row) {
    if (row.account != o.account)
      disagree("order {}: account {} on the exchange, {} in trades", row.id, o.account,
               row.account);
    if (row.side != o.side) disagree("order {}: side {} against {}", row.id, o.side, row.side);
    if (row.quantity != o.quantity)
      disagree("order {}: quantity {} against {}", row.id, o.quantity.to_text(),
               row.quantity.to_text());
    if (row.filled_quantity != o.executed_quantity)
      disagree("order {}: executed {} against filled_quantity {}", row.id,
               o.executed_quantity.to_text(), row.filled_quantity.to_text());
    if (row.status != expected_status(o))
      disagree("order {}: {} on the exchange, status {} in trades", row.id, o.status, row.status);
  }

  static std::string expected_status(const LedgerOrder& o) {
    if (o.status == "FILLED") return "filled";
    if (o.status == "NEW") return "pending";
    if (o.status == "PARTIALLY_FILLED") return "partially_filled";
    if (o.status == "REJECTED") return "failed";
    return "cancelled";
  }

  void compare_fills() {
    std::map<std::pair<std::string, std::string>, const BookFill*> rows;
    for (const BookFill& f : books_.fills)
      if (!rows.emplace(std::pair(f.order, f.venue_trade_id), &f).second)
        disagree("fill {} of order {} is in trade_history twice", f.venue_trade_id, f.order);
    for (const LedgerFill& f : ledger_.fills) {
      const std::string key = key_of(f.client_order_id);
      if (key.empty()) continue;
      ++out_.ledger_fills;
      const auto row = rows.find({key, f.trade_id});
      if (row == rows.end()) {
        disagree("fill {} of order {} has no trade_history row", f.trade_id, key);
        continue;
      }
      if (row->second->quantity != f.quantity || row->second->price != f.price)
        disagree("fill {} of order {}: {} at {} against {} at {}", f.trade_id, key,
                 f.quantity.to_text(), f.price.to_text(), row->second->quantity.to_text(),
                 row->second->price.to_text());
      rows.erase(row);
    }
    for (const auto& [id, row] : rows)
      disagree("trade_history has fill {} of order {} that the exchange has not", id.second,
               id.first);
  }

  // What a fill changes of its account's base asset.
  static Decimal change(const LedgerFill& f, const std::string& base) {
    const Decimal gross = f.side == "buy" ? f.quantity : -f.quantity;
    return f.commission_asset == base ? gross - f.commission : gross;
  }
  static std::string base_of(const std::string& symbol) {
    return symbol.substr(0, symbol.find('/'));
  }

  void compare_positions() {
    std::map<std::pair<std::string, std::string>, Decimal> held;
    for (const LedgerFill& f : ledger_.fills) {
      const auto row = orders_.find(key_of(f.client_order_id));
      if (row == orders_.end()) continue;
      held[{row->second->portfolio, row->second->symbol}] +=
          change(f, base_of(row->second->symbol));
    }
    for (const BookPosition& p : books_.positions) {
      Decimal& expected = held[{p.portfolio, p.symbol}];
      if (p.quantity != expected)
        disagree("portfolio {} holds {} {} by the exchange's fills, {} in portfolio_positions",
                 p.portfolio, expected.to_text(), p.symbol, p.quantity.to_text());
      expected = Decimal{};
    }
    for (const auto& [where, quantity] : held)
      if (!quantity.is_zero())
        disagree("portfolio {} holds {} {} by the exchange's fills and has no position row",
                 where.first, quantity.to_text(), where.second);
  }

  // Symbols differ in spelling between venue and database; fills of the engine tell which is which.
  void measure_tracking() {
    std::map<std::string, std::string> unified;  // "BTCUSDT" -> "BTC/USDT"
    for (const LedgerFill& f : ledger_.fills)
      if (const auto row = orders_.find(key_of(f.client_order_id)); row != orders_.end())
        unified[f.symbol] = row->second->symbol;
    std::map<std::pair<std::string, std::string>, Decimal> held;  // (account, symbol)
    for (const LedgerFill& f : ledger_.fills)
      if (const auto u = unified.find(f.symbol); u != unified.end())
        held[{f.account, u->second}] += change(f, base_of(u->second));
    for (const CleanLink& link : books_.clean_links) {
      ++out_.tracked_links;
      for (const auto& [symbol, lot] : books_.lot_steps) track(link, symbol, lot, held);
    }
  }
  void track(const CleanLink& link, const std::string& symbol, Decimal lot,
             std::map<std::pair<std::string, std::string>, Decimal>& held) {
    const Decimal target = mul_div(held[{link.leader_account, symbol}], link.percentage,
                                   Decimal::from_integer(100), Round::nearest);
    const Decimal error = abs(held[{link.account, symbol}] - target);
    const double lots = static_cast<double>(error.e8()) / static_cast<double>(lot.e8());
    out_.tracking_error_lots_max = std::max(out_.tracking_error_lots_max, lots);
  }

  const Ledger& ledger_;
  const Books& books_;
  std::map<std::string, const BookOrder*> orders_;
  std::map<std::string, const LedgerOrder*> on_ledger_;
  Comparison out_;
};

std::string latency_json(const LatencyFigures& l) {
  return fmt::format(R"({{"p50":{:.1f},"p99":{:.1f},"max":{:.1f}}})", l.p50_us, l.p99_us, l.max_us);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

}  // namespace

Comparison compare_books(const Ledger& ledger, const Books& books) {
  return Comparer(ledger, books).run();
}

std::string books_json(const Books& b, const Comparison& c) {
  std::string outcomes, disagreements;
  for (const auto& [name, count] : b.outcomes)
    outcomes += fmt::format("{}\"{}\":{}", outcomes.empty() ? "" : ",", name, count);
  for (const std::string& d : c.disagreements)
    disagreements += fmt::format("{}\"{}\"", disagreements.empty() ? "" : ",", escaped(d));
  return fmt::format(
      R"({{"leader_events":{},"links_matched":{},"outcomes":{{{}}},"outcome_rows":{},"orders":{},"fills":{},)"
      R"("fanout_first_us":{},"fanout_last_us":{},"tracking_error_lots_max":{:.3f},"tracked_links":{},)"
      R"("trades_rows":{},"trade_history_rows":{},"ledger_orders":{},"ledger_fills":{},)"
      R"("disagreement_count":{},"disagreements":[{}],"books_agree":{}}})",
      b.leader_events, b.links_matched, outcomes, b.outcome_rows, b.orders.size(), b.fills.size(),
      latency_json(b.fanout_first), latency_json(b.fanout_last), c.tracking_error_lots_max,
      c.tracked_links, b.trade_rows, b.trade_history_rows, c.ledger_orders, c.ledger_fills,
      c.disagreement_count, disagreements, c.agree());
}

}  // namespace oneclick
