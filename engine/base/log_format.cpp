// One log line from its parts. Whatever the values hold, the result is one line: control
// characters, quotes, line separators and bytes that are not UTF-8 are escaped.
#include <ctime>
#include <iterator>

#include "engine/base/log.hpp"

namespace oneclick {

namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
    case LogLevel::critical:
      return "critical";
  }
  return "";
}

unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

bool continues(unsigned byte) {
  return (byte & 0xc0) == 0x80;
}

// Bytes of the well-formed UTF-8 character at `i`, 0 when it is not one (RFC 3629).
std::size_t character_bytes(std::string_view text, std::size_t i) {
  const unsigned a = byte_at(text, i), b = byte_at(text, i + 1);
  const unsigned c = byte_at(text, i + 2), d = byte_at(text, i + 3);
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return continues(b) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    const bool overlong = a == 0xe0 && b < 0xa0, surrogate = a == 0xed && b > 0x9f;
    return continues(b) && continues(c) && !overlong && !surrogate ? 3 : 0;
  }
  if (a < 0xf0 || a > 0xf4) return 0;
  const bool overlong = a == 0xf0 && b < 0x90, beyond = a == 0xf4 && b > 0x8f;
  return continues(b) && continues(c) && continues(d) && !overlong && !beyond ? 4 : 0;
}

// C1 controls (U+0080..U+009F) and the separators U+2028, U+2029: some readers break lines at them.
unsigned breaking_code_point(std::string_view character) {
  const unsigned a = byte_at(character, 0), b = byte_at(character, 1), c = byte_at(character, 2);
  if (character.size() == 2 && a == 0xc2 && b < 0xa0) return b;
  if (character.size() == 3 && a == 0xe2 && b == 0x80 && (c == 0xa8 || c == 0xa9))
    return 0x2000 + (c & 0x3f);
  return 0;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
  else
    out += c;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = character_bytes(text, i);
    if (n == 0) {
      out += "\\ufffd";
      ++i;
      continue;
    }
    const std::string_view character = text.substr(i, n);
    if (n == 1)
      append_ascii(out, character[0]);
    else if (const unsigned code = breaking_code_point(character); code != 0)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    else
      out += character;
    i += n;
  }
  out += '"';
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-.:/+@%,").find(c) != std::string_view::npos;
}

void append_logfmt_value(std::string& out, std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) plain = plain && is_plain(c);
  if (plain)
    out += text;
  else
    append_quoted(out, text);
}

// Keys are ours, but a stray character must not turn one field into two.
void append_key(std::string& out, std::string_view key) {
  if (key.empty()) out += '_';
  for (const char c : key) {
    const bool good = is_plain(c) && std::string_view(":/+@%,").find(c) == std::string_view::npos;
    out += good ? c : '_';
  }
}

void append_time(std::string& out, std::int64_t wall_ns) {
  const std::int64_t second = wall_ns / 1'000'000'000;
  const std::time_t seconds = static_cast<std::time_t>(second);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                 utc.tm_sec, (wall_ns - second * 1'000'000'000) / 1000);
}

void append_json_field(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  append_key(out, key);
  out += "\":";
  append_quoted(out, value);
}

void append_logfmt_field(std::string& out, std::string_view key, std::string_view value) {
  out += ' ';
  append_key(out, key);
  out += '=';
  append_logfmt_value(out, value);
}

}  // namespace

std::string format_log_line(LogFormat format, std::int64_t wall_ns, LogLevel level,
                            std::string_view message, std::span<const LogField> fields) {
  const bool json = format == LogFormat::json;
  std::string out;
  out.reserve(128 + message.size());
  out += json ? "{\"ts\":\"" : "ts=";
  append_time(out, wall_ns);
  if (json) out += '"';
  const auto append = json ? append_json_field : append_logfmt_field;
  append(out, "level", level_name(level));
  append(out, "msg", message);
  for (const LogField& field : fields) append(out, field.key, field.value);
  if (json) out += '}';
  out += '\n';
  return out;
}

}  // namespace oneclick
