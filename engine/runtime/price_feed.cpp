#include "engine/runtime/price_feed.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t repeat_ns = 20'000'000'000;
constexpr std::int64_t moved_per = 1'000;  // by a thousandth

bool has_moved(Decimal from, Decimal to) {
  const Decimal change = to > from ? to - from : from - to;
  return change.e8() * moved_per >= from.e8();
}

// Newer, and another value or the same one after a while.
bool is_news(std::int64_t told_ns, std::int64_t time_ns, Decimal told, Decimal now) {
  return time_ns > told_ns && (time_ns - told_ns >= repeat_ns || has_moved(told, now));
}

}  // namespace

void PriceFeed::tell() {
  board_.for_each([this](Venue venue, const Symbol& symbol, const Touch& touch) {
    Told& told = told_[{venue, symbol.str()}];
    const Reference reference = board_.reference(venue, symbol.view());
    if (!is_news(told.touch.time_ns, touch.time_ns, told.touch.bid, touch.bid) &&
        !is_news(told.reference.time_ns, reference.time_ns, told.reference.price, reference.price))
      return;
    const auto parts = split_symbol(symbol.view());
    const Decimal usd = parts ? usd_rates_.usd_per(venue, parts->quote, touch.time_ns) : Decimal{};
    if (sink_.try_push(make_event(Price{.venue = venue,
                                        .symbol = symbol,
                                        .touch = touch,
                                        .quote_usd = usd,
                                        .reference = reference})))
      told = {touch, reference};
  });
}

}  // namespace oneclick
