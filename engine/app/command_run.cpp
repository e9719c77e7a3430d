// `oneclick run`: the daemon. The main thread only waits for signals; everything else has its own.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <string>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/daemon.hpp"
#include "engine/app/sd_notify.hpp"
#include "engine/app/version.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t look_interval_ns = 200'000'000;
constexpr std::int64_t alive_within_ns = 5'000'000'000;
constexpr int exit_after_second_signal = 128 + SIGTERM;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  return set;
}

// The next signal, or 0 when none came in time.
int next_signal(const sigset_t& set, std::int64_t timeout_ns) {
  const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000,
                         .tv_nsec = timeout_ns % 1'000'000'000};
  const int number = sigtimedwait(&set, nullptr, &timeout);
  return number > 0 ? number : 0;
}

void print_errors(const std::vector<std::string>& errors) {
  for (const std::string& e : errors) std::fprintf(stderr, "oneclick: %s\n", e.c_str());
}

// All of it or nothing: a file that is wrong anywhere changes nothing.
void reload(const RunArguments& arguments, Daemon& daemon) {
  sd_notify("RELOADING=1");
  const auto config = load_config(arguments.config_file, arguments.overrides);
  if (config) {
    if (daemon.apply(*config))
      log_info("configuration reloaded", {{"file", arguments.config_file}});
  } else {
    for (const std::string& e : config.error())
      log_error("configuration not reloaded", {{"error", e}});
    daemon.note_failed_reload();
  }
  sd_notify("READY=1");
}

// Until a signal ends it or the daemon breaks. Returns the exit code.
int serve(const RunArguments& arguments, Daemon& daemon, const sigset_t& signals) {
  bool was_ready = false;
  for (;;) {
    const int signal_number = next_signal(signals, look_interval_ns);
    if (signal_number == SIGTERM || signal_number == SIGINT) return exit_codes::fine;
    if (signal_number == SIGHUP) reload(arguments, daemon);
    if (daemon.failed()) return exit_codes::failure;
    if (daemon.alive(alive_within_ns)) sd_notify("WATCHDOG=1");
    const std::vector<std::string> reasons = daemon.not_ready();
    if (reasons.empty() == was_ready) continue;
    was_ready = reasons.empty();
    std::string list;
    for (const std::string& r : reasons) list += (list.empty() ? "" : ",") + r;
    log_info(was_ready ? "ready" : "not ready", {{"reasons", list}});
    sd_notify(was_ready ? "READY=1\nSTATUS=trading" : "STATUS=not ready: " + list);
  }
}

// A second signal means now: everything that matters is in the journal already.
void end_at_second_signal(const sigset_t& signals) {
  std::thread([signals] {
    int number = 0;
    while (sigwait(&signals, &number) == 0)
      if (number == SIGTERM || number == SIGINT) _exit(exit_after_second_signal);
  }).detach();
}

}  // namespace

int command_run(const RunArguments& arguments) {
  const auto config = load_config(arguments.config_file, arguments.overrides);
  if (!config) {
    print_errors(config.error());
    return exit_codes::config;
  }
  // Before any thread starts, so that all of them leave signals to this one.
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  log_start(config->log.level, config->log.format);
  log_info("starting", {{"version", version()}, {"commit", commit()}, {"pid", getpid()}});
  for (const std::string& w : config->warnings) log_warning(w);

  auto daemon = Daemon::start(*config);
  if (!daemon) {
    log_stop();
    std::fprintf(stderr, "oneclick: %s\n", daemon.error().message.c_str());
    return daemon.error().exit_code;
  }
  const int code = serve(arguments, **daemon, signals);
  sd_notify("STOPPING=1");
  end_at_second_signal(signals);
  (*daemon)->stop(config->engine.drain_timeout_ms * 1'000'000);
  daemon->reset();
  log_info("stopped", {{"exit_code", code}});
  log_stop();
  return code;
}

}  // namespace oneclick
