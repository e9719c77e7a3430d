// `oneclick notify`: a process of its own, so that nothing a receiver does is near an order.
#include <csignal>

#include <sstream>

#include <fmt/format.h>

#include "connectors/ingress/ops.hpp"
#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/json_text.hpp"
#include "engine/app/notifier.hpp"
#include "engine/app/sd_notify.hpp"
#include "engine/base/log.hpp"
#include "persistence/metrics_text.hpp"
#include "persistence/pg.hpp"

namespace oneclick {

namespace {

constexpr std::size_t secret_bytes_min = 32;
constexpr std::size_t secrets_max = 2;  // the new one and the old one
constexpr std::int64_t ms_ns = 1'000'000;

std::atomic<bool> stopping = false;

void on_signal(int) {
  stopping = true;
}

int fail_source(const NotificationSource::Error& error) {
  return fail(
      error.kind == NotificationSourceError::locked ? exit_codes::locked : exit_codes::unavailable,
      "notify: " + error.text);
}

std::expected<std::vector<std::string>, std::string> read_secrets(const std::string& path) {
  const auto text = read_private_file(path);
  if (!text) return std::unexpected(text.error());
  std::vector<std::string> secrets;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    if (line.size() < secret_bytes_min)
      return std::unexpected(fmt::format("{}: a secret of {} characters; allowed: {} and more",
                                         path, line.size(), secret_bytes_min));
    secrets.push_back(line);
  }
  if (secrets.empty() || secrets.size() > secrets_max)
    return std::unexpected(fmt::format("{} holds {} secrets; allowed: one a line, 1 to {} lines",
                                       path, secrets.size(), secrets_max));
  return secrets;
}

void report(const NotifyArguments& a, const Notifier& notifier) {
  const NotifierCounts& c = notifier.counts();
  if (a.json)
    print_line(JsonObject()
                   .number("delivered", c.delivered)
                   .number("failures", c.failures)
                   .number("dead", c.dead)
                   .number("pending", notifier.pending())
                   .str());
  else
    print_line(fmt::format("delivered {}, {} requests failed, {} given up, {} wait", c.delivered,
                           c.failures, c.dead, notifier.pending()));
}

std::string ready_json(const Notifier& notifier, bool has_database, bool& ready) {
  JsonList reasons;
  if (!has_database) reasons.text("the database is away");
  if (notifier.is_receiver_away()) reasons.text("the receiver is away");
  ready = has_database && !notifier.is_receiver_away();
  return JsonObject().boolean("ready", ready).raw("reasons", reasons.str()).str();
}

// A database that is away is waited for.
int follow(const NotifyArguments& a, const Config::Notify& config, Notifier& notifier,
           net::Reactor& reactor, const Metrics& metrics, NotificationSource first) {
  constexpr std::int64_t database_pause_ns = 1'000'000'000;
  std::optional<NotificationSource> source = std::move(first);
  auto operations = ingress::Operations::listen(
      reactor, {.address = config.listen.address, .port = config.listen.port},
      {.ready = [&](bool& ready) { return ready_json(notifier, source.has_value(), ready); },
       .metrics = [&] { return metrics_text(metrics); },
       .alive = [] { return true; }});
  if (!operations) return fail(exit_codes::unavailable, "notify.listen: " + operations.error());
  sd_notify("READY=1");
  while (!stopping) {
    if (!source) {
      reactor.wait(database_pause_ns);
      auto again = NotificationSource::open(a.database_url, true);
      if (!again) continue;
      source = std::move(*again);
    }
    if (const auto done = notifier.run(*source, false, stopping); !done) {
      log_warning("notifications wait for the database", {{"problem", done.error()}});
      source.reset();
      notifier.database_lost();
    }
  }
  sd_notify("STOPPING=1");
  report(a, notifier);
  return exit_codes::fine;
}

int queue_only(const NotifyArguments& a) {
  auto source = NotificationSource::open(a.database_url, false);
  if (!source) return fail_source(source.error());
  if (a.forget) {
    if (const auto done = source->follow(false); !done) return fail_source(done.error());
    print_line(a.json ? R"({"following":false})" : "notifications are not queued any more");
    return exit_codes::fine;
  }
  const auto moved = source->retry_dead();
  if (!moved) return fail_source(moved.error());
  print_line(a.json ? JsonObject().number("queued", *moved).str()
                    : fmt::format("{} dead letters are queued again", *moved));
  return exit_codes::fine;
}

}  // namespace

int command_notify(const NotifyArguments& a) {
  if (a.forget || a.retry_dead) return queue_only(a);
  const auto config = load_notify(a.config_file, a.overrides);
  if (!config) return fail(exit_codes::config, fmt::format("{}", fmt::join(config.error(), "\n")));
  if (config->url.empty())
    return fail(exit_codes::config,
                "notify: notify.url = \"\": allowed: https://host[:port][/path], or http:// on "
                "this machine");
  auto secrets = read_secrets(config->secret_file);
  if (!secrets) return fail(exit_codes::config, "notify: notify.secret_file: " + secrets.error());
  net::Reactor reactor;
  Metrics metrics;
  auto notifier = Notifier::make(reactor,
                                 {.url = config->url,
                                  .ca_file = config->ca_file,
                                  .secrets = std::move(*secrets),
                                  .concurrency = static_cast<std::size_t>(config->concurrency),
                                  .timeout_ns = config->timeout_ms * ms_ns,
                                  .attempts_max = config->attempts_max,
                                  .pause_first_ns = config->pause_first_ms * ms_ns,
                                  .pause_last_ns = config->pause_last_ms * ms_ns},
                                 metrics);
  if (!notifier) return fail(exit_codes::config, "notify: " + notifier.error());
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  auto source = NotificationSource::open(a.database_url, true);
  if (!source) return fail_source(source.error());
  if (const auto done = source->follow(true); !done) return fail_source(done.error());
  if (!a.once) return follow(a, *config, **notifier, reactor, metrics, std::move(*source));
  const auto done = (*notifier)->run(*source, true, stopping);
  report(a, **notifier);
  if (!done) return fail(exit_codes::unavailable, "notify: database: " + done.error());
  return (*notifier)->pending() == 0 ? exit_codes::fine : exit_codes::failure;
}

}  // namespace oneclick
