#include "connectors/paper/market.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace oneclick::paper {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t step_ns_min =
    1'000'000;  // however fast: a thousand figures a second are enough

// Lines of a file, unpacked on the way when it is packed.
std::expected<std::vector<std::string>, std::string> lines_of(const std::string& path) {
  if (!std::ifstream(path)) return std::unexpected(path + ": cannot be read");
  if (!path.ends_with(".gz")) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  if (path.find('\'') != std::string::npos) return std::unexpected(path + ": a quote in the name");
  FILE* const pipe = popen(("gzip -dc '" + path + "'").c_str(), "r");
  if (pipe == nullptr) return std::unexpected(path + ": gzip does not start");
  std::string text;
  std::array<char, 65'536> buffer;
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), n);
  if (pclose(pipe) != 0) return std::unexpected(path + ": not a gzip file");
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::optional<RecordedTouch> figure(const std::string& line) {
  std::array<Decimal, 6> values;
  std::istringstream in(line);
  std::string cell;
  for (Decimal& v : values) {
    if (!std::getline(in, cell, ',')) return std::nullopt;
    const auto parsed = Decimal::parse(cell);
    if (!parsed) return std::nullopt;
    v = *parsed;
  }
  if (!values[1].is_positive() || values[3] <= values[1]) return std::nullopt;
  return RecordedTouch{
      .time_ns = static_cast<std::int64_t>(values[0].e8() / Decimal::scale) * second_ns,
      .bid = {values[1], values[2]},
      .ask = {values[3], values[4]}};
}

}  // namespace

std::expected<std::vector<RecordedTouch>, std::string> read_figures(const std::string& path) {
  const auto lines = lines_of(path);
  if (!lines) return std::unexpected(lines.error());
  std::vector<RecordedTouch> out;
  for (std::size_t i = 1; i < lines->size(); ++i) {  // after the heading
    const auto touch = figure((*lines)[i]);
    if (!touch)
      return std::unexpected(
          fmt::format("{}:{}: not unix_s,bid,bid_qty,ask,ask_qty,traded_qty", path, i + 1));
    out.push_back(*touch);
  }
  if (out.empty()) return std::unexpected(path + ": no figures");
  return out;
}

std::expected<std::vector<RecordedTouch>, std::string> read_recording(const std::string& path,
                                                                      const std::string& symbol) {
  const auto lines = lines_of(path);
  if (!lines) return std::unexpected(lines.error());
  std::vector<RecordedTouch> out;
  for (const std::string& line : *lines)
    if (const auto touch = decode_recorded(line, symbol)) out.push_back(*touch);
  if (out.empty()) return std::unexpected(path + ": no bookTicker of " + symbol);
  return out;
}

Playback::Playback(std::string symbol, std::vector<RecordedTouch> touches, double speed)
    : symbol_(std::move(symbol)), touches_(std::move(touches)), speed_(speed) {}

std::int64_t Playback::advance() {
  if (speed_ <= 0) return second_ns;  // stands still, and is told again
  const std::size_t next = (at_ + 1) % touches_.size();
  const std::int64_t pause = next == 0 ? second_ns : touches_[next].time_ns - touches_[at_].time_ns;
  at_ = next;
  return std::max(step_ns_min, static_cast<std::int64_t>(static_cast<double>(pause) / speed_));
}

}  // namespace oneclick::paper
