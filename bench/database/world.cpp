#include "bench/database/world.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace oneclick::bench {

namespace {

constexpr std::int64_t span_ns = 2LL * 365 * 24 * 3600 * 1'000'000'000;
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
constexpr std::uint64_t variant = 0x8000'0000'0000'0000ULL;

std::uint64_t spread(std::uint64_t seed, std::uint64_t n) {
  return mix(mix(seed * golden + 1) ^ (n + golden));
}

}  // namespace

std::uint64_t pick(std::uint64_t seed, std::uint64_t n, std::uint64_t bound) {
  return spread(seed + 1'000, n) % bound;
}

World::World(double scale, std::int64_t now_ns) : now_ns_(now_ns) {
  const auto scaled = [&](double n) { return static_cast<std::uint64_t>(n * scale); };
  const std::uint64_t users = scaled(1'000'000);
  sizes_ = {.users = users,
            .channels = std::max<std::uint64_t>(users / 200, 4),
            .subscriptions = users / 2,
            .signals = users / 5,
            .posts = users / 5,
            .comments = users / 2,
            .notifications = users,
            .payments = users / 2,
            .positions = users,
            .trades = scaled(10'000'000),
            .prices = scaled(20'000'000) / symbol_count * symbol_count,
            .candles = users / symbol_count * symbol_count,
            .links = std::max<std::uint64_t>(users / 50, std::min<std::uint64_t>(users, 1'000))};
}

Uuid World::id(Row kind, std::uint64_t n) {
  const auto seed = static_cast<std::uint64_t>(kind);
  const std::uint64_t high = spread(seed, n);
  const std::uint64_t low = spread(seed + 100, n);
  return {(high & ~0xf000ULL) | 0x4000, (low >> 2) | variant};
}

Uuid World::timed_id(Row kind, std::uint64_t n, std::int64_t time_ns) {
  const auto ms = static_cast<std::uint64_t>(time_ns / 1'000'000);
  const auto seed = static_cast<std::uint64_t>(kind);
  return {(ms << 16) | 0x8000 | (spread(seed, n) & 0xfff), (spread(seed + 100, n) >> 2) | variant};
}

std::string World::email(std::uint64_t user) {
  return fmt::format("user.{}@example{}.org", user, user % 97);
}
std::string World::user_name(std::uint64_t user) {
  return fmt::format("trader_{:x}_{}", spread(77, user) & 0xffff, user);
}

std::int64_t World::time_of(std::uint64_t n, std::uint64_t count) const {
  const auto part = static_cast<double>(n) / static_cast<double>(count);
  return now_ns_ - span_ns + static_cast<std::int64_t>(part * static_cast<double>(span_ns));
}

std::uint64_t World::owner(Row kind, std::uint64_t n, std::uint64_t count) {
  const auto seed = static_cast<std::uint64_t>(kind) + 200;
  const std::uint64_t chance = spread(seed, n);
  const std::uint64_t among = chance % 4 == 0 ? std::max<std::uint64_t>(count / 100, 1) : count;
  return (chance >> 8) % among;
}

std::string World::symbol(std::uint64_t n) {
  return fmt::format("C{:02}/USDT", n % symbol_count);
}
std::int64_t World::price_time(std::uint64_t n) const {
  return time_of(n / symbol_count, sizes_.prices / symbol_count);
}
std::int64_t World::candle_time(std::uint64_t n) const {
  return time_of(n / symbol_count, sizes_.candles / symbol_count);
}

}  // namespace oneclick::bench
