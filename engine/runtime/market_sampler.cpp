#include "engine/runtime/market_sampler.hpp"

#include <algorithm>

namespace oneclick {

void MarketSampler::look(std::int64_t now_ns) {
  const std::int64_t begins_ns = now_ns - now_ns % interval_ns_;
  if (begins_ns != begins_ns_) finish();
  begins_ns_ = begins_ns;
  board_.for_each(
      [this](Venue venue, const Symbol& symbol, const Touch& touch) { add(venue, symbol, touch); });
}

void MarketSampler::finish() {
  if (samples_.empty()) return;
  std::vector<MarketSample> out;
  out.reserve(samples_.size());
  for (auto& [key, sample] : samples_) out.push_back(sample);
  samples_.clear();
  take_(std::move(out));
}

// A symbol of which nothing new was heard has no price of this interval.
void MarketSampler::add(Venue venue, const Symbol& symbol, const Touch& touch) {
  if (!(touch.bid > Decimal()) || !(touch.ask > Decimal())) return;
  const std::pair key(venue, symbol.str());
  std::int64_t& seen_ns = seen_[key];
  if (touch.time_ns <= seen_ns) return;
  seen_ns = touch.time_ns;
  const Decimal price = Decimal::from_e8((touch.bid.e8() + touch.ask.e8()) / 2);
  const auto [at, is_first] = samples_.try_emplace(key, MarketSample{.venue = venue,
                                                                     .symbol = symbol,
                                                                     .begins_ns = begins_ns_,
                                                                     .seen_ns = touch.time_ns,
                                                                     .open = price,
                                                                     .high = price,
                                                                     .low = price,
                                                                     .close = price});
  if (is_first) return;
  MarketSample& sample = at->second;
  sample.seen_ns = touch.time_ns;
  sample.high = std::max(sample.high, price);
  sample.low = std::min(sample.low, price);
  sample.close = price;
}

}  // namespace oneclick
