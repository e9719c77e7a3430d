// What a run of the engine made of each link, counted from its records: outcomes, orders, fills,
// what is held and what was earned. The same arithmetic for what a journal recorded and for runs
// that only might have been. Money is counted in the quote of its symbol; nothing is converted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/core.hpp"

namespace oneclick {

struct SymbolFigures {
  std::uint64_t fills = 0;
  Decimal bought{};    // base units
  Decimal sold{};      // base units
  Decimal paid{};      // quote, fees not counted
  Decimal received{};  // quote, fees not counted
  Decimal fees{};      // in quote, at the price of the fill; already within cost and realised
  std::uint64_t fees_unknown = 0;  // paid in what nobody knows the price of
  Decimal quantity{};              // held, net of fees in base
  Decimal cost{};                  // what that cost, average; fees included
  Decimal realised{};
  std::optional<Decimal> bid{};  // that holdings are valued at; none: never known

  [[nodiscard]] Decimal notional() const { return paid + received; }
  [[nodiscard]] Decimal value() const;
  [[nodiscard]] Decimal unrealised() const;
  [[nodiscard]] Decimal profit() const { return realised + unrealised(); }
};

struct LinkFigures {
  std::map<std::pair<Outcome, Reason>, std::uint64_t> outcomes;
  std::uint64_t orders = 0;
  std::map<Symbol, SymbolFigures> symbols;

  [[nodiscard]] std::uint64_t count(Outcome outcome) const;
};

// Sums over links and symbols, by quote asset.
struct Money {
  Decimal notional{};
  Decimal fees{};
  Decimal held{};  // value of what is held
  Decimal realised{};
  Decimal unrealised{};
  [[nodiscard]] Decimal profit() const { return realised + unrealised; }
};
using MoneyByQuote = std::map<std::string, Money>;
void add_money(MoneyByQuote& sums, const LinkFigures& figures);

class LinkBooks {
 public:
  // What links hold as the counting begins.
  void start_from(const Core& core);
  void on_record(const Record& record);
  // A link that moves to another account leaves behind what it held.
  void on_link(const CopyLink& link);
  // The venue's bid for each symbol, to value what is held; nullopt: not known.
  void value(const std::function<std::optional<Decimal>(const Symbol&)>& bid_of);

  [[nodiscard]] const std::map<LinkId, LinkFigures>& links() const { return links_; }

 private:
  void on_fill(const FillRecord& fill);

  std::map<LinkId, LinkFigures> links_;
  std::map<LinkId, AccountId> accounts_;
};

}  // namespace oneclick
