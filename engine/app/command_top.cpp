// `oneclick top`: looks at a daemon's operations listener again and again.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "connectors/net/http_client.hpp"
#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/demo_actors.hpp"
#include "engine/app/top_view.hpp"
#include "engine/base/clock.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t answer_timeout_ns = 5'000'000'000;
constexpr std::int64_t wait_ns_max = 50'000'000;
constexpr const char* clear_screen = "\x1b[H\x1b[2J";

volatile std::sig_atomic_t stopping = 0;
void on_signal(int) {
  stopping = 1;
}

std::expected<net::HttpResponse, std::string> get(net::Reactor& reactor, net::HttpClient& client,
                                                  const char* target) {
  net::HttpRequest request;
  request.target = target;
  request.timeout_ns = answer_timeout_ns;
  return demo::fetch(reactor, client, std::move(request));
}

struct Timed {
  TopLook look;
  std::int64_t at_ns;
};
std::expected<Timed, std::string> look(net::Reactor& reactor, net::HttpClient& client) {
  const auto ready = get(reactor, client, "/readyz");
  if (!ready) return std::unexpected(ready.error());
  const auto metrics = get(reactor, client, "/metrics");
  if (!metrics) return std::unexpected(metrics.error());
  if (metrics->status != 200) return std::unexpected(fmt::format("/metrics: {}", metrics->status));
  return Timed{.look = {.ready = ready->status == 200,
                        .ready_json = ready->body,
                        .metrics = MetricsLook::parse(metrics->body)},
               .at_ns = monotonic_now_ns()};
}

// False: nobody reads it any more.
bool show(const Timed& before, const Timed& now, bool json, bool redraw) {
  const double seconds = static_cast<double>(now.at_ns - before.at_ns) / 1e9;
  std::string text = json ? top_json(before.look, now.look, seconds) + "\n"
                          : top_text(before.look, now.look, seconds);
  if (redraw) text.insert(0, clear_screen);
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

// A daemon that is away after it was seen is waited for.
int watch(net::Reactor& reactor, net::HttpClient& client, const TopArguments& a,
          const std::string& where) {
  auto before = look(reactor, client);
  if (!before) return fail(exit_codes::unavailable, fmt::format("{}: {}", where, before.error()));
  const bool redraw = !a.json && !a.once && isatty(STDOUT_FILENO) != 0;
  while (stopping == 0) {
    const std::int64_t until = before->at_ns + a.interval_ms * 1'000'000;
    while (stopping == 0 && monotonic_now_ns() < until)
      reactor.wait(std::min(wait_ns_max, until - monotonic_now_ns()));
    if (stopping != 0) break;
    auto now = look(reactor, client);
    if (!now) {
      if (a.once) return fail(exit_codes::unavailable, fmt::format("{}: {}", where, now.error()));
      fail(exit_codes::fine, fmt::format("{}: {}", where, now.error()));
      before->at_ns = monotonic_now_ns();
      continue;
    }
    if (!show(*before, *now, a.json, redraw) || a.once) return exit_codes::fine;
    before = std::move(now);
  }
  return exit_codes::fine;
}

}  // namespace

int command_top(const TopArguments& a) {
  if (a.url.empty() == a.config_file.empty())
    return fail(exit_codes::usage, "top: allowed: either --config or --url");
  std::string where = a.url;
  if (where.empty()) {
    const auto listen = operations_address(a.config_file);
    if (!listen)
      return fail(exit_codes::config, fmt::format("{}", fmt::join(listen.error(), "\n")));
    const bool v6 = listen->address.find(':') != std::string::npos;
    where = fmt::format("http://{}:{}", v6 ? "[" + listen->address + "]" : listen->address,
                        listen->port);
  }
  const auto url = net::parse_url(where);
  if (!url || url->scheme != "http")
    return fail(exit_codes::usage, fmt::format("--url {}: allowed: http://host:port", where));
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  net::Reactor reactor;
  const auto client = net::HttpClient::make(reactor, nullptr, *url, {});
  return watch(reactor, *client, a, where);
}

}  // namespace oneclick
