// Structured log lines on stderr, logfmt by default, JSON on request. Lines are formatted by the
// caller and written by a background thread; when nobody reads stderr, lines are dropped and
// counted, never waited for. Not for the order path. Never hand a secret to it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace oneclick {

enum class LogLevel : std::uint8_t { debug, info, warning, error, critical };
enum class LogFormat : std::uint8_t { logfmt, json };

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  template <typename T>
  requires(!std::is_convertible_v<T, std::string_view>) LogField(std::string_view k, const T& v)
      : key(k), value(fmt::format("{}", v)) {}
};

// Starts the writing thread. Before that (and after log_stop) lines go straight to stderr.
void log_start(LogLevel lowest, LogFormat format);
void log_set_level(LogLevel lowest);  // any thread
void log_stop();                      // writes what is queued, for at most a second
[[nodiscard]] std::uint64_t log_dropped();

// The line itself, newline included: always exactly one, whatever the values hold.
[[nodiscard]] std::string format_log_line(LogFormat format, std::int64_t wall_ns, LogLevel level,
                                          std::string_view message,
                                          std::span<const LogField> fields);

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
inline void log_debug(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::debug, m, f);
}
inline void log_info(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::info, m, f);
}
inline void log_warning(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::warning, m, f);
}
inline void log_error(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::error, m, f);
}

}  // namespace oneclick
