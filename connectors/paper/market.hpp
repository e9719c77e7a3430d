// Recorded prices played back at any speed.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "connectors/paper/decode_request.hpp"

namespace oneclick::paper {

// Times are relative to the first; ascending. Error names file and line.
[[nodiscard]] std::expected<std::vector<RecordedTouch>, std::string> read_figures(
    const std::string& path);
[[nodiscard]] std::expected<std::vector<RecordedTouch>, std::string> read_recording(
    const std::string& path, const std::string& symbol);

// Where a playback is. Begins again at the end, with the pause between its last two figures.
class Playback {
 public:
  Playback(std::string symbol, std::vector<RecordedTouch> touches, double speed);
  [[nodiscard]] const std::string& symbol() const { return symbol_; }
  [[nodiscard]] const RecordedTouch& current() const { return touches_[at_]; }
  // Goes on to the next; returns after how many ns of real time it is due.
  [[nodiscard]] std::int64_t advance();

 private:
  std::string symbol_;
  std::vector<RecordedTouch> touches_;
  double speed_;
  std::size_t at_ = 0;
};

}  // namespace oneclick::paper
