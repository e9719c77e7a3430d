// Looks at the touch board from time to time and makes one sample per symbol and interval of what
// it sees, for the platform's price tables. Not on the order path. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/domain/market_sample.hpp"
#include "engine/runtime/touch_board.hpp"

namespace oneclick {

class MarketSampler {
 public:
  using Take = std::function<void(std::vector<MarketSample>)>;
  // `take` gets an interval's samples at the first look after its end. interval_ns > 0.
  MarketSampler(const TouchBoard& board, std::int64_t interval_ns, Take take)
      : board_(board), interval_ns_(interval_ns), take_(std::move(take)) {}
  void look(std::int64_t now_ns);
  // Hands on what is there, the interval being over or not.
  void finish();

 private:
  void add(Venue venue, const Symbol& symbol, const Touch& touch);

  const TouchBoard& board_;
  const std::int64_t interval_ns_;
  Take take_;
  std::int64_t begins_ns_ = 0;
  std::map<std::pair<Venue, std::string>, MarketSample> samples_;
  std::map<std::pair<Venue, std::string>, std::int64_t> seen_;
};

}  // namespace oneclick
