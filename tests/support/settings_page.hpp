// The tables of configs/SETTINGS.md, as tests try them.
#pragma once

#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/decimal.hpp"

namespace oneclick::test {

struct Setting {
  std::string name, meaning, unit, default_value, allowed, example;

  // "1 to 64", "from 0.01": what is allowed at least and at most.
  struct Bounds {
    std::string min;
    std::string max;  // empty: none
  };
  [[nodiscard]] std::optional<Bounds> bounds() const {
    if (allowed.starts_with("from ") && Decimal::parse(allowed.substr(5)))
      return Bounds{allowed.substr(5), ""};
    const std::size_t to = allowed.find(" to ");
    if (to == std::string::npos) return std::nullopt;
    Bounds b{allowed.substr(0, to), allowed.substr(to + 4)};
    if (!Decimal::parse(b.min) || !Decimal::parse(b.max)) return std::nullopt;
    return b;
  }
  // "carry, skip, round_up": the words, where words are allowed.
  [[nodiscard]] std::vector<std::string> words() const {
    std::vector<std::string> out;
    std::stringstream list(allowed);
    for (std::string word; std::getline(list, word, ',');) {
      const std::size_t first = word.find_first_not_of(' ');
      if (first == std::string::npos) return {};
      word = word.substr(first);
      if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) return {};
      out.push_back(word);
    }
    return out.size() > 1 ? out : std::vector<std::string>{};
  }
};

// All rows whose first cell is a name in backquotes and which have the six cells of a setting.
inline std::vector<Setting> read_settings(const std::string& file) {
  std::ifstream in(file);
  std::vector<Setting> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::stringstream row(line.substr(1));
    for (std::string cell; std::getline(row, cell, '|');) {
      const std::size_t first = cell.find_first_not_of(' '), last = cell.find_last_not_of(' ');
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    if (cells.size() != 6) continue;
    const auto bare = [](const std::string& cell) {
      return cell.size() > 1 && cell.front() == '`' && cell.back() == '`'
                 ? cell.substr(1, cell.size() - 2)
                 : cell;
    };
    out.push_back({.name = bare(cells[0]),
                   .meaning = cells[1],
                   .unit = cells[2],
                   .default_value = bare(cells[3]),
                   .allowed = cells[4],
                   .example = bare(cells[5])});
  }
  return out;
}

// One unit of the last decimal below and above a number.
inline std::string moved(const std::string& number, int by) {
  const std::size_t dot = number.find('.');
  const std::size_t decimals = dot == std::string::npos ? 0 : number.size() - dot - 1;
  i128 unit = 100'000'000;
  for (std::size_t i = 0; i < decimals; ++i) unit /= 10;
  return Decimal::from_e8(Decimal::of(number).e8() + unit * by).to_text();
}

}  // namespace oneclick::test
