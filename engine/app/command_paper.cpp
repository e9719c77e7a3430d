// `oneclick paper`: the paper exchange as a program of its own, on one thread.
#include <signal.h>

#include <cstdio>

#include <fmt/format.h>

#include "connectors/net/reactor.hpp"
#include "connectors/paper/paper.hpp"
#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "engine/app/paper_config.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

// Ends the reactor from the signal: waking it is all that is safe there.
net::Reactor* running = nullptr;
volatile sig_atomic_t asked_to_end = 0;

void on_signal(int) {
  asked_to_end = 1;
  running->wake();
}

void announce(const paper::PaperConfig& config, std::uint16_t port, bool json) {
  if (json) {
    print_line(JsonObject()
                   .text("address", config.address)
                   .number("port", port)
                   .text("certificate_file", config.certificate_file)
                   .number("symbols", config.symbols.size())
                   .number("accounts", config.accounts.size())
                   .str());
  } else {
    print_line(fmt::format("paper exchange on https://{}:{}, {} symbols, {} accounts",
                           config.address, port, config.symbols.size(), config.accounts.size()));
  }
  std::fflush(stdout);
}

}  // namespace

int command_paper(const PaperArguments& arguments) {
  const auto config = load_paper_config(arguments.config_file);
  if (!config) {
    for (const std::string& e : config.error()) fail(exit_codes::config, e);
    return exit_codes::config;
  }
  net::Reactor reactor;
  running = &reactor;
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int number : {SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const auto exchange = paper::PaperExchange::start(reactor, *config);
  if (!exchange) return fail(exit_codes::unavailable, "paper exchange: " + exchange.error());
  log_start(LogLevel::info, LogFormat::logfmt);
  announce(*config, (*exchange)->port(), arguments.json);
  while (asked_to_end == 0) reactor.wait(1'000'000'000);
  log_stop();
  return exit_codes::fine;
}

}  // namespace oneclick
