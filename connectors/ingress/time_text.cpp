// Times as people and databases write them.
#include <chrono>
#include <optional>

#include "connectors/ingress/fields.hpp"

namespace oneclick::ingress {
namespace {

constexpr std::int64_t day_s = 24 * 3600;

// One or two digits at a fixed place; -1 when they are none.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  if (at + digits > text.size()) return -1;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::int64_t days_from_civil(int year, int month, int day) {
  using namespace std::chrono;
  return sys_days(std::chrono::year(year) / month / day).time_since_epoch().count();
}

// "Z", "+hh:mm", "-hh:mm" or nothing, in seconds; nullopt when it is something else.
std::optional<std::int64_t> parse_zone(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = number_at(text, 1, 2);
  const int minutes = number_at(text, 4, 2);
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return std::nullopt;
  const std::int64_t offset = hours * 3600 + minutes * 60;
  return text[0] == '+' ? offset : -offset;
}

// Takes ".123456789" from the front; nullopt when there is a point without digits.
std::optional<std::int64_t> take_fraction_ns(std::string_view& text) {
  if (!text.starts_with('.')) return 0;
  text.remove_prefix(1);
  std::int64_t value = 0;
  int digits = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    if (++digits > 9) return std::nullopt;
    value = value * 10 + (text[0] - '0');
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) {
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  if (year < 2000 || year > 2099 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 59) {
    return std::nullopt;
  }
  const bool marks = text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == ' ') &&
                     text[13] == ':' && text[16] == ':';
  if (!marks || month < 1 || day < 1) return std::nullopt;
  if (!(std::chrono::year(year) / month / day).ok()) return std::nullopt;
  text.remove_prefix(19);
  const auto fraction = take_fraction_ns(text);
  const auto zone = parse_zone(text);
  if (!fraction || !zone) return std::nullopt;
  const std::int64_t s =
      days_from_civil(year, month, day) * day_s + hour * 3600 + minute * 60 + second - *zone;
  return s * 1'000'000'000 + *fraction;
}

}  // namespace oneclick::ingress
