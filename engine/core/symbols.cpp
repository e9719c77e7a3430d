#include "engine/core/symbols.hpp"

#include <algorithm>
#include <string>

#include "engine/base/limits.hpp"

namespace oneclick::core {

namespace {

Index find_mapping(const Tables& t, Venue venue, const Symbol& venue_symbol) {
  for (Index i = 0; i < t.symbol_map.size(); ++i)
    if (t.symbol_map[i].venue == venue && t.symbol_map[i].venue_symbol == venue_symbol) return i;
  return none;
}

Index find_mapped(const Tables& t, Venue venue, Index symbol) {
  for (const SymbolMapEntry& m : t.symbol_map)
    if (m.venue == venue && m.symbol == symbol && m.instrument != none) return m.instrument;
  return none;
}

// "BTC/USDT:USDT" in USDC is "BTC/USDC:USDC": what contracts settle in changes with the quote.
Symbol in_quote(std::string_view base, std::string_view settled, const Asset& from,
                const Asset& to) {
  Symbol out{};
  const auto add = [&](std::string_view text) {
    const std::size_t count = std::min(text.size(), Symbol::capacity - out.size);
    std::copy_n(text.begin(), count, out.data + out.size);
    out.size = static_cast<std::uint8_t>(out.size + count);
  };
  add(base);
  add("/");
  add(to.view());
  if (settled.empty()) return out;
  add(":");
  add(settled == from.view() ? to.view() : settled);
  return out;
}

Index find_in_group(const Tables& t, Venue venue, const Symbol& symbol, const QuoteGroup& group) {
  const std::string_view text = symbol.view();
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return none;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view quote = text.substr(slash + 1, colon - slash - 1);
  const auto own =
      std::ranges::find_if(group, [&](const Asset& a) { return !a.empty() && a.view() == quote; });
  if (own == group.end()) return none;
  const std::string_view settled = colon < text.size() ? text.substr(colon + 1) : "";
  for (const Asset& other : group) {
    if (other.empty() || other == *own) continue;
    const Index named = t.find_symbol(in_quote(text.substr(0, slash), settled, *own, other));
    const Index found = named == none ? none : t.find_instrument(venue, named);
    if (found != none) return found;
  }
  return none;
}

}  // namespace

Index find_counterpart(const Tables& t, Venue venue, Index symbol) {
  if (symbol == none) return none;
  if (const Index same = t.find_instrument(venue, symbol); same != none) return same;
  if (const Index mapped = find_mapped(t, venue, symbol); mapped != none) return mapped;
  for (const QuoteGroup& group : t.settings.quote_equal)
    if (const Index found = find_in_group(t, venue, t.symbols[symbol], group); found != none)
      return found;
  return none;
}

bool symbol_mapping_differs(const Tables& t, const SymbolMapping& mapping) {
  const Index at = find_mapping(t, mapping.venue, mapping.venue_symbol);
  if (at == none || !mapping.present) return (at != none) != mapping.present;
  return t.symbols[t.symbol_map[at].symbol] != mapping.symbol;
}

void on_symbol_mapping(Step& s, const SymbolMapping& mapping) {
  Tables& t = s.t;
  Index at = find_mapping(t, mapping.venue, mapping.venue_symbol);
  const bool full = at == none && t.symbol_map.size() >= limits::symbol_map_max;
  if (!symbol_mapping_differs(t, mapping) || (mapping.present && full)) {
    ++t.ignored_events;
    return;
  }
  if (!mapping.present) {
    t.symbol_map.erase(t.symbol_map.begin() + at);
    return;
  }
  if (at == none) {
    t.symbol_map.push_back({.venue_symbol = mapping.venue_symbol,
                            .symbol = none,
                            .instrument = none,
                            .venue = mapping.venue,
                            .unused = {}});
    at = static_cast<Index>(t.symbol_map.size() - 1);
  }
  t.symbol_map[at].symbol = t.symbol_of(mapping.symbol);
  for (Index i = 0; i < t.instruments.size(); ++i) map_instrument(t, i);
}

void map_instrument(Tables& t, Index instrument) {
  const Instrument& i = t.instruments[instrument].instrument;
  for (SymbolMapEntry& m : t.symbol_map) {
    if (m.venue != i.venue) continue;
    if (m.venue_symbol == i.venue_symbol) {
      m.instrument = instrument;
    } else if (m.instrument == instrument) {
      m.instrument = none;
    }
  }
}

}  // namespace oneclick::core
