// Who and what is in the database that is measured: every row follows from its number, so any part
// can be made anywhere, in any order, and a query knows what it must find.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/uuid.hpp"

namespace oneclick::bench {

enum class Row : std::uint8_t {
  user = 1,
  account,
  portfolio,
  channel,
  subscription,
  signal,
  post,
  comment,
  notification,
  payment,
  position,
  trade,
  link
};

struct WorldSizes {
  std::uint64_t users, channels, subscriptions, signals, posts, comments, notifications, payments,
      positions, trades, prices, candles, links;
};

class World {
 public:
  World(double scale, std::int64_t now_ns);

  [[nodiscard]] const WorldSizes& sizes() const { return sizes_; }
  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }

  // Random ones, as the platform's are, or beginning with a time, as the engine's do.
  [[nodiscard]] static Uuid id(Row kind, std::uint64_t n);
  [[nodiscard]] static Uuid timed_id(Row kind, std::uint64_t n, std::int64_t time_ns);
  [[nodiscard]] static Uuid user(std::uint64_t n) { return id(Row::user, n); }
  [[nodiscard]] static std::string email(std::uint64_t user);
  [[nodiscard]] static std::string user_name(std::uint64_t user);

  // Two years, evenly: when the n-th of `count` rows was made.
  [[nodiscard]] std::int64_t time_of(std::uint64_t n, std::uint64_t count) const;
  // Whose the n-th row of a kind is, of `count`: a quarter of all rows belongs to one in a hundred.
  [[nodiscard]] static std::uint64_t owner(Row kind, std::uint64_t n, std::uint64_t count);

  static constexpr std::uint64_t symbol_count = 40;
  [[nodiscard]] static std::string symbol(std::uint64_t n);  // n modulo symbol_count
  // All symbols of one moment come together.
  [[nodiscard]] std::int64_t price_time(std::uint64_t n) const;
  [[nodiscard]] std::int64_t candle_time(std::uint64_t n) const;

 private:
  WorldSizes sizes_;
  std::int64_t now_ns_;
};

// A number that looks random and is always the same, below `bound`.
[[nodiscard]] std::uint64_t pick(std::uint64_t seed, std::uint64_t n, std::uint64_t bound);

}  // namespace oneclick::bench
