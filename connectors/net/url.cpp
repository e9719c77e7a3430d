// Absolute URLs of the four schemes that are dialled: scheme://host[:port][/target].
#include <algorithm>
#include <string_view>

#include "connectors/net/tls.hpp"

namespace oneclick::net {
namespace {

std::string default_port(std::string_view scheme) {
  if (scheme == "https" || scheme == "wss") return "443";
  if (scheme == "http" || scheme == "ws") return "80";
  return {};
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value >= 1 && value <= 65535;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Splits "host:port" or "[v6]:port" or without a port. False when malformed.
bool split_authority(std::string_view text, std::string_view& host, std::string_view& port) {
  port = {};
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  }
  if (host.empty()) return false;
  if (rest.empty()) return true;
  if (rest.front() != ':') return false;
  port = rest.substr(1);
  return is_port(port);
}

}  // namespace

std::expected<Url, std::string> parse_url(const std::string& text) {
  const std::string_view all = text;
  const std::size_t mark = all.find("://");
  const std::string scheme(all.substr(0, mark == std::string_view::npos ? 0 : mark));
  const std::string port_of_scheme = default_port(scheme);
  if (port_of_scheme.empty()) {
    return std::unexpected("'" + text + "' must begin with https://, wss://, http:// or ws://");
  }
  if (!is_printable(all)) {
    return std::unexpected("'" + text + "' holds blanks or characters outside ASCII");
  }
  const std::string_view rest = all.substr(mark + 3);
  const std::size_t slash = rest.find_first_of("/?#");
  const std::string_view authority = rest.substr(0, slash);
  std::string_view target = slash == std::string_view::npos ? "/" : rest.substr(slash);
  target = target.substr(0, target.find('#'));
  if (authority.find('@') != std::string_view::npos) {
    return std::unexpected("the URL must not hold a user name or password");
  }
  std::string_view host;
  std::string_view port;
  if (!split_authority(authority, host, port)) {
    return std::unexpected("'" + text + "' needs a host and, if any, a port of 1 to 65535");
  }
  Url url;
  url.scheme = scheme;
  url.host = std::string(host);
  url.port = port.empty() ? port_of_scheme : std::string(port);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

}  // namespace oneclick::net
