#include "persistence/link_terms.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "persistence/loader_fields.hpp"

namespace oneclick {

namespace {

using Column = std::optional<std::string>;
// As many as the loader's query for links has.
using Row = std::array<Column, 43>;

enum class Kind : std::uint8_t { word, number, whole, truth, symbols };
struct Term {
  std::string_view name;
  std::size_t column;  // in the loader's query
  Kind kind;
  int decimals;  // that the database keeps of a number
  bool nullable;
};
constexpr Term terms_known[] = {
    {"sizing_mode", 6, Kind::word, 0, false},
    {"copy_percentage", 7, Kind::number, 2, true},
    {"copy_amount", 8, Kind::number, 2, true},
    {"copy_quantity", 29, Kind::number, 8, true},
    {"entry_style", 9, Kind::word, 0, false},
    {"slippage_bps_max", 10, Kind::whole, 0, false},
    {"entry_ttl_ms", 11, Kind::whole, 0, false},
    {"min_lot_policy", 12, Kind::word, 0, false},
    {"order_notional_max", 13, Kind::number, 8, true},
    {"position_notional_max", 14, Kind::number, 8, true},
    {"symbol_filter", 15, Kind::word, 0, false},
    {"symbols", 16, Kind::symbols, 0, false},
    {"sync_on_subscribe", 17, Kind::word, 0, false},
    {"reverse", 18, Kind::truth, 0, false},
    {"chain", 19, Kind::truth, 0, false},
    {"status", 20, Kind::word, 0, false},
    {"positions_max", 30, Kind::whole, 0, true},
    {"entries_per_minute_max", 31, Kind::whole, 0, true},
    {"exposure_usd_max", 32, Kind::number, 8, true},
    {"daily_loss_usd_max", 33, Kind::number, 8, true},
    {"drawdown_usd_max", 34, Kind::number, 8, true},
    {"drawdown_from", 35, Kind::word, 0, false},
    {"drawdown_action", 36, Kind::word, 0, false},
    {"only_if_better", 38, Kind::truth, 0, false},
    {"protect", 39, Kind::truth, 0, false},
    {"close_on_stop", 40, Kind::truth, 0, false},
    {"price_collar_bps_max", 41, Kind::whole, 0, true},
    {"leverage", 42, Kind::number, 2, false},
};

const Term* find_term(std::string_view name) {
  const auto found = std::ranges::find(terms_known, name, &Term::name);
  return found == std::end(terms_known) ? nullptr : &*found;
}

Column some(std::string_view text) {
  return std::string(text);
}
Column truth(bool value) {
  return some(value ? "t" : "f");
}
template <typename AnyId>
Column id_of(AnyId id) {
  return id.is_nil() ? Column() : some(id.to_text());
}
Column amount(Decimal value) {
  return value.is_zero() ? Column() : some(value.to_text());
}
Column count(std::int32_t value) {
  return value == 0 ? Column() : some(std::to_string(value));
}
std::string_view filter_text(SymbolFilter filter) {
  switch (filter) {
    case SymbolFilter::none:
      return "none";
    case SymbolFilter::allow:
      return "allow";
    case SymbolFilter::deny:
      return "deny";
  }
  return "none";
}
std::string symbol_lines(const CopyLink& l) {
  std::string out;
  for (std::size_t i = 0; i < l.symbol_count; ++i) {
    if (i != 0) out += '\n';
    out += l.symbols[i].view();
  }
  return out;
}

// The row that the loader would read this link from. What is looked up in other tables is as it was
// when the link was told.
Row row_of(const CopyLink& l) {
  Row row;
  row[0] = id_of(l.id);
  row[1] = row[23] = id_of(l.follower);
  row[2] = id_of(l.account);
  row[3] = id_of(l.portfolio);
  row[4] = id_of(l.leader);
  row[5] = id_of(l.channel);
  row[6] = some(to_text(l.sizing_mode));
  row[7] = some(Decimal::from_e8(i128{l.percentage_e2} * 1'000'000).to_text());
  row[8] = amount(l.copy_amount);
  row[9] = some(to_text(l.entry_style));
  row[10] = some(std::to_string(l.slippage_bps_max));
  row[11] = some(std::to_string(l.entry_ttl_ms));
  row[12] = some(to_text(l.min_lot_policy));
  row[13] = amount(l.order_notional_max);
  row[14] = amount(l.position_notional_max);
  row[15] = some(filter_text(l.symbol_filter));
  row[16] = some(symbol_lines(l));
  row[17] = some(to_text(l.sync_on_subscribe));
  row[18] = truth(l.reverse);
  row[19] = truth(l.chain);
  row[20] = some(to_text(l.status));
  row[21] = some(std::to_string(l.version));
  row[22] = truth(l.user_active);
  row[24] = some(to_text(Venue::binance));
  row[25] = truth(l.subscription_active);
  row[26] = truth(false);
  row[29] = amount(l.copy_quantity);
  row[30] = count(l.positions_max);
  row[31] = count(l.entries_per_minute_max);
  row[32] = amount(l.exposure_usd_max);
  row[33] = amount(l.daily_loss_usd_max);
  row[34] = amount(l.drawdown_usd_max);
  row[35] = some(to_text(l.drawdown_from));
  row[36] = some(to_text(l.drawdown_action));
  row[37] = some(std::to_string(l.risk_epoch));
  row[38] = truth(l.only_if_better);
  row[39] = truth(l.protect);
  row[40] = truth(l.close_on_stop);
  row[41] = count(l.price_collar_bps_max);
  row[42] = some(Decimal::from_e8(i128{l.leverage_e2} * 1'000'000).to_text());
  return row;
}

// The form that a column's type has in the database; what it may say is the loader's to know.
std::expected<Column, std::string> in_form(const Term& term, const std::string& value) {
  const auto refuse = [&](std::string_view allowed) {
    return std::unexpected(fmt::format("{}: {}; allowed: {}", term.name, value, allowed));
  };
  if (value == "NULL") {
    if (term.nullable) return Column();
    return refuse("a value: NULL stands for none where there may be none");
  }
  switch (term.kind) {
    case Kind::word:
    case Kind::whole:
      return Column(value);
    case Kind::number: {
      const auto number = Decimal::parse(value);
      if (!number || !number->fits_numeric_20_8() || value.size() > 40) return refuse("a number");
      const Decimal unit = term.decimals == 2 ? Decimal::of("0.01") : Decimal::from_e8(1);
      if (!is_multiple(*number, unit))
        return refuse(fmt::format("a number with at most {} decimals", term.decimals));
      if (!number->is_positive()) return refuse("a number above 0");
      return Column(value);
    }
    case Kind::truth:
      if (value == "true" || value == "false") return truth(value == "true");
      return refuse("true, false");
    case Kind::symbols: {
      std::string lines = value;
      std::ranges::replace(lines, ',', '\n');
      return Column(lines);
    }
  }
  return Column(value);
}

}  // namespace

std::vector<std::string_view> link_term_names() {
  std::vector<std::string_view> names;
  for (const Term& term : terms_known) names.push_back(term.name);
  return names;
}

bool is_link_term(std::string_view name) {
  return find_term(name) != nullptr;
}

std::expected<CopyLink, std::string> with_terms(const CopyLink& link,
                                                std::span<const LinkTerm> terms) {
  Row row = row_of(link);
  for (const auto& [name, value] : terms) {
    const Term* const term = find_term(name);
    if (term == nullptr)
      return std::unexpected(fmt::format("{}: not a term of a copy link; allowed: {}", name,
                                         fmt::join(link_term_names(), ", ")));
    auto column = in_form(*term, value);
    if (!column) return std::unexpected(column.error());
    row[term->column] = std::move(*column);
  }
  RowFields fields{std::span<const Column>(row)};
  LoadedLink out{};
  const bool taken = decode_link(fields, out, 0);
  if (!fields.valid()) return std::unexpected(fields.problem());
  if (!taken) return std::unexpected(std::string("the loader passes this link over"));
  return out.link;
}

}  // namespace oneclick
