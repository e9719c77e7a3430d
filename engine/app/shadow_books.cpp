#include "engine/app/shadow_books.hpp"

namespace oneclick {

namespace {

// A fill's fee in quote; nullopt: not known.
std::optional<Decimal> fee_in_quote(const FillRecord& f, std::string_view quote) {
  if (f.fee.is_zero()) return Decimal{};
  if (f.base_fee.is_positive()) return mul(f.fee, f.price, Round::nearest);
  if (f.fee_asset.view() == quote) return f.fee;
  if (!f.fee_usd.is_positive() || !f.quote_usd.is_positive()) return std::nullopt;
  return mul_div(f.fee, f.fee_usd, f.quote_usd, Round::nearest);
}

// What leaves the holding takes its part of the cost with it.
Decimal take_cost(SymbolFigures& s, Decimal quantity) {
  const Decimal part =
      quantity < s.quantity ? mul_div(s.cost, quantity, s.quantity, Round::nearest) : s.cost;
  s.cost -= part;
  return part;
}

}  // namespace

Decimal SymbolFigures::value() const {
  return bid && quantity.is_positive() ? mul(quantity, *bid, Round::down) : Decimal{};
}

Decimal SymbolFigures::unrealised() const {
  return bid && quantity.is_positive() ? value() - cost : Decimal{};
}

std::uint64_t LinkFigures::count(Outcome outcome) const {
  std::uint64_t sum = 0;
  for (const auto& [kind, n] : outcomes)
    if (kind.first == outcome) sum += n;
  return sum;
}

void add_money(MoneyByQuote& sums, const LinkFigures& figures) {
  for (const auto& [symbol, s] : figures.symbols) {
    const auto parts = split_symbol(symbol.view());
    Money& m = sums[parts ? std::string(parts->quote) : std::string()];
    m.notional += s.notional();
    m.fees += s.fees;
    m.held += s.value();
    m.realised += s.realised;
    m.unrealised += s.unrealised();
  }
}

void LinkBooks::start_from(const Core& core) {
  for (const Core::Holding& h : core.holdings()) {
    SymbolFigures& s = links_[h.link].symbols[h.symbol];
    s.quantity = h.quantity;
    s.cost = h.cost;
  }
  for (const LinkId id : core.link_ids())
    if (const auto link = core.link(id)) on_link(*link);
}

void LinkBooks::on_link(const CopyLink& link) {
  const auto [known, added] = accounts_.try_emplace(link.id, link.account);
  if (added || known->second == link.account) return;
  known->second = link.account;
  for (auto& [symbol, s] : links_[link.id].symbols) s.quantity = s.cost = Decimal{};
}

void LinkBooks::on_record(const Record& record) {
  switch (record.kind) {
    case RecordKind::outcome:
      ++links_[record.outcome.link].outcomes[{record.outcome.outcome, record.outcome.reason}];
      return;
    case RecordKind::order:
      if (record.order.change == 0) ++links_[record.order.link].orders;
      return;
    case RecordKind::fill:
      return on_fill(record.fill);
    case RecordKind::leader_event:
    case RecordKind::external_fill:
    case RecordKind::instrument:
    case RecordKind::kill_switch:
    case RecordKind::account_state:
    case RecordKind::link_halt:
    case RecordKind::quarantine:
    case RecordKind::scope_halt:
      return;
  }
}

void LinkBooks::on_fill(const FillRecord& f) {
  const auto parts = split_symbol(f.symbol.view());
  SymbolFigures& s = links_[f.link].symbols[f.symbol];
  const Decimal quote = mul(f.quantity, f.price, Round::nearest);
  const auto fee = fee_in_quote(f, parts ? parts->quote : std::string_view());
  if (!fee) ++s.fees_unknown;
  s.fees += fee.value_or(Decimal{});
  ++s.fills;
  // A fee in base is paid with less of it; any other costs quote, or what is worth as much.
  const Decimal apart = f.base_fee.is_positive() ? Decimal{} : fee.value_or(Decimal{});
  if (f.side == Side::buy) {
    s.bought += f.quantity;
    s.paid += quote;
    s.quantity += f.quantity - f.base_fee;
    s.cost += quote + apart;
    return;
  }
  const Decimal gone = f.quantity + f.base_fee;
  s.sold += f.quantity;
  s.received += quote;
  s.realised += quote - apart - take_cost(s, gone);
  s.quantity = max(Decimal{}, s.quantity - gone);
}

void LinkBooks::value(const std::function<std::optional<Decimal>(const Symbol&)>& bid_of) {
  for (auto& [link, figures] : links_)
    for (auto& [symbol, s] : figures.symbols) s.bid = bid_of(symbol);
}

}  // namespace oneclick
