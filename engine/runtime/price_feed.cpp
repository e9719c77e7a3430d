#include "engine/runtime/price_feed.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t repeat_ns = 20'000'000'000;
constexpr std::int64_t moved_per = 1'000;  // by a thousandth

bool has_moved(const Touch& from, const Touch& to) {
  const Decimal change = to.bid > from.bid ? to.bid - from.bid : from.bid - to.bid;
  return change.e8() * moved_per >= from.bid.e8();
}

}  // namespace

void PriceFeed::tell() {
  board_.for_each([this](Venue venue, const Symbol& symbol, const Touch& touch) {
    Touch& told = told_[{venue, symbol.str()}];
    if (touch.time_ns <= told.time_ns) return;
    if (touch.time_ns - told.time_ns < repeat_ns && !has_moved(told, touch)) return;
    const auto parts = split_symbol(symbol.view());
    const Decimal usd = parts ? usd_rates_.usd_per(venue, parts->quote, touch.time_ns) : Decimal{};
    if (sink_.try_push(
            make_event(Price{.venue = venue, .symbol = symbol, .touch = touch, .quote_usd = usd})))
      told = touch;
  });
}

}  // namespace oneclick
