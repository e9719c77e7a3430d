// What fills make of a holding: quantity and average price as portfolio_positions has them, and USD
// as engine.position_books has it. Pure.
#include <algorithm>

#include "persistence/sink_rows.hpp"

namespace oneclick {

namespace {

// What a fill was worth. Known only with every rate that it takes.
struct FillUsd {
  bool is_known;
  Decimal cash;  // paid for a buy, received for a sell
  Decimal fees;  // zero where not known
};
FillUsd value_of(const SinkFill& fill) {
  const bool is_fee_known = fill.fee.is_zero() || fill.fee_usd.is_positive();
  const Decimal fees = mul(fill.fee, fill.fee_usd, Round::nearest);
  // A fee in the base asset is in the quantity already.
  const bool is_fee_cash = fill.base_fee.is_zero();
  const Decimal value =
      mul(mul(fill.quantity, fill.price, Round::nearest), fill.quote_usd, Round::nearest);
  const Decimal fee_cash = is_fee_cash ? fees : Decimal{};
  return {.is_known = fill.quote_usd.is_positive() && (!is_fee_cash || is_fee_known),
          .cash = fill.side == Side::sell ? value - fee_cash : value + fee_cash,
          .fees = fees};
}

void book_buy(UsdBook& book, Decimal before, Decimal added, const FillUsd& usd) {
  const Decimal after = before + added;
  if (!usd.is_known) {
    ++book.unvalued_fills;
    if (after.is_positive()) book.is_cost_known = false;
    return;
  }
  book.spent += usd.cash;
  if (!before.is_negative())
    book.cost += usd.cash;
  else if (after.is_positive())  // the rest buys back what was sold without having been bought here
    book.cost += mul_div(usd.cash, after, added, Round::nearest);
}

void book_sell(UsdBook& book, Decimal before, Decimal removed, const FillUsd& usd) {
  if (!before.is_positive()) return;
  const bool is_all = removed >= before;
  const Decimal cost = is_all ? book.cost : mul_div(book.cost, removed, before, Round::nearest);
  if (usd.is_known && book.is_cost_known)
    book.realised +=
        (removed > before ? mul_div(usd.cash, before, removed, Round::nearest) : usd.cash) - cost;
  else
    ++book.unvalued_fills;
  book.cost -= cost;
  if (is_all) book.is_cost_known = true;
}

}  // namespace

void apply_fill(PortfolioHolding& holding, const SinkFill& fill) {
  const FillUsd usd = value_of(fill);
  holding.usd.fees += usd.fees;
  if (fill.side == Side::sell)
    book_sell(holding.usd, holding.quantity, fill.quantity + fill.base_fee, usd);
  else
    book_buy(holding.usd, holding.quantity, fill.quantity - fill.base_fee, usd);
  holding.time_ns = std::max(holding.time_ns, fill.time_ns);
  if (fill.side == Side::sell) {
    holding.quantity -= fill.quantity + fill.base_fee;
    if (!holding.quantity.is_positive()) holding.has_average = false;
    return;
  }
  const Decimal added = fill.quantity - fill.base_fee;
  const Decimal before = max(holding.quantity, Decimal{});
  const Decimal after = before + added;
  if (!holding.has_average || before.is_zero() || !after.is_positive())
    holding.average_buy_price = fill.price;
  else  // average + (price - average) * added / after, so that nothing leaves the range
    holding.average_buy_price +=
        mul_div(fill.price - holding.average_buy_price, added, after, Round::nearest);
  holding.has_average = true;
  holding.quantity += added;
}

}  // namespace oneclick
