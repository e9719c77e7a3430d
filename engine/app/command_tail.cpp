// `oneclick tail`: what a daemon journals, as it does.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/event_tail.hpp"

namespace oneclick {

namespace {

constexpr auto look_again = std::chrono::milliseconds(20);
constexpr std::uint64_t lines_per_turn = 1'000;

volatile std::sig_atomic_t stopping = 0;
void on_signal(int) {
  stopping = 1;
}

int journal_failed(const JournalError& error) {
  const bool damaged =
      error.kind == JournalError::Kind::damaged || error.kind == JournalError::Kind::newer_format;
  return fail(damaged ? exit_codes::data : exit_codes::failure, error.message);
}

// Until the lines that were asked for are told, the end where that is wanted, or a signal.
int follow(std::vector<EventTail>& tails, const TailArguments& a) {
  std::uint64_t left = a.count == 0 ? ~std::uint64_t{0} : a.count;
  while (stopping == 0) {
    std::uint64_t told = 0;
    for (EventTail& tail : tails) {
      const auto n = tail.poll(std::min(lines_per_turn, left),
                               [](const std::string& line) { print_line(line); });
      if (!n) return journal_failed(n.error());
      told += *n;
      left -= *n;
      if (left == 0) return exit_codes::fine;
    }
    if (told != 0) {
      std::fflush(stdout);
      continue;
    }
    if (a.once) return exit_codes::fine;
    std::this_thread::sleep_for(look_again);
  }
  return exit_codes::fine;
}

}  // namespace

int command_tail(const TailArguments& a) {
  std::string dir = a.journal_dir;
  if (dir.empty() == a.config_file.empty())
    return fail(exit_codes::usage, "tail: allowed: either --journal or --config");
  if (dir.empty()) {
    const auto from_config = journal_dir(a.config_file);
    if (!from_config)
      return fail(exit_codes::config, fmt::format("{}", fmt::join(from_config.error(), "\n")));
    dir = *from_config;
  }
  TailFilter filter{};
  const std::tuple<const char*, const std::string&, Uuid&> ids[] = {
      {"--user", a.user, filter.user.value},
      {"--link", a.link, filter.link.value},
      {"--event", a.event, filter.event.value}};
  for (const auto& [name, text, id] : ids) {
    if (text.empty()) continue;
    const auto parsed = Uuid::parse(text);
    if (!parsed) return fail(exit_codes::usage, fmt::format("{} {}: allowed: a UUID", name, text));
    id = *parsed;
  }
  const std::vector<std::uint16_t> shards = journal_shards(dir);
  if (shards.empty())
    return fail(exit_codes::failure,
                fmt::format("{}: no journal there (a folder with shard-NN)", dir));
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::vector<EventTail> tails;
  for (const std::uint16_t shard : shards) {
    auto tail = EventTail::open(dir, shard, a.from_start || a.once, filter, a.json);
    if (!tail) return journal_failed(tail.error());
    tails.push_back(std::move(*tail));
  }
  return follow(tails, a);
}

}  // namespace oneclick
